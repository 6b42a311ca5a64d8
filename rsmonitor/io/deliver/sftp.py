"""Packages brought to a server of the bureau's by SFTP: whole, checked, and once.

A file goes up under a hidden name and is renamed when all of it is there, so nobody
opens half a package. What is there already with the same content is left alone: a
second try after a broken line changes nothing and nobody notices it.
"""

import hashlib
import io
import posixpath
import socket
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Self

from rsmonitor.errors import OutputError, SettingsError
from rsmonitor.io.foundation.secrets import read_private

if TYPE_CHECKING:
    from paramiko import SFTPClient, SSHClient

_INSTALL: Final = (
    "SFTP needs the package paramiko, which is not installed; install 'rsmonitor[sftp]'"
)
_CHUNK: Final = 1 << 18


@dataclass(frozen=True, slots=True, kw_only=True)
class SftpServer:
    """A server, and how it is spoken to."""

    host: str
    """Name or address."""

    port: int = 22
    """Its port."""

    user: str
    """Whose folder it is there."""

    folder: str = ""
    """Where packages go; empty: where the server puts the user."""

    key_file: Path
    """Private key in OpenSSH's form, of mode 0600 and without a passphrase."""

    known_hosts: Path
    """Keys by which servers are known, in OpenSSH's form."""

    timeout_s: float = 60.0
    """Seconds of silence after which the line counts as broken."""

    @property
    def address(self) -> str:
        """
        Name the place, as the outbox does.

        Returns
        -------
        str
            ``sftp://user@host:port/folder``.
        """
        return f"sftp://{self.user}@{self.host}:{self.port}/{self.folder.strip('/')}"


class UntrustedServerError(OutputError):
    """The server is not the one that is known, or does not know us."""


class LineError(OutputError):
    """There is no server to talk to, or the line broke."""


class Courier:
    """Brings files to one server, over one connection.

    Parameters
    ----------
    server : SftpServer
        The server.

    Raises
    ------
    SettingsError
        If paramiko is missing, or a key cannot be used.
    UntrustedServerError
        If the server's key is another than `known_hosts` says, or it refuses ours.
    LineError
        If no connection comes about.
    """

    def __init__(self, server: SftpServer) -> None:
        self._server = server
        self._client: SSHClient = _connect(server)
        try:
            with _blaming(server):
                self._sftp: SFTPClient = self._client.open_sftp()
                channel = self._sftp.get_channel()
                if channel is not None:
                    channel.settimeout(server.timeout_s)
        except BaseException:
            self._client.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._client.close()

    def bring(self, archive: Path, *, folder: str, sha256: str) -> bool:
        """
        Bring an archive, and beside it its checksum.

        Parameters
        ----------
        archive : Path
            The file.
        folder : str
            Where it goes, below the folder of the server; made if it is missing.
        sha256 : str
            Its digest. ``<name>.sha256`` is written after the archive, in the form
            that ``sha256sum --check`` reads.

        Returns
        -------
        bool
            False where both were there already.

        Raises
        ------
        LineError
            If the line broke; nothing half is there under the final name.
        OutputError
            If the server does not let us write, or the archive is not what its
            digest says.
        """
        with _blaming(self._server):
            place = self._made(folder)
            final = posixpath.join(place, archive.name)
            note = f"{sha256}  {archive.name}\n".encode()
            brought = not self._holds(final, archive.stat().st_size, sha256)
            if brought:
                with archive.open("rb") as file:
                    self._put(final, file, sha256=sha256)
            beside = f"{final}.sha256"
            digest = hashlib.sha256(note).hexdigest()
            if brought or not self._holds(beside, len(note), digest):
                self._put(beside, io.BytesIO(note), sha256=digest)
                brought = True
            return brought

    def _made(self, folder: str) -> str:
        """Make a folder below the server's, and give its path."""
        path = self._server.folder.rstrip("/")
        if path and not self._is_folder(path):
            raise OutputError(
                f"{self._server.address}: there is no folder {path!r}; make it, or "
                "correct deliver.servers"
            )
        for part in folder.split("/"):
            path = posixpath.join(path, part) if path else part
            if not self._is_folder(path):
                with suppress(OSError):  # another may have made it; the next step tells
                    self._sftp.mkdir(path, 0o750)
        return path

    def _is_folder(self, path: str) -> bool:
        """Say whether a folder is there."""
        try:
            return stat.S_ISDIR(self._sftp.stat(path).st_mode or 0)
        except FileNotFoundError:
            return False

    def _holds(self, path: str, size: int, sha256: str) -> bool:
        """Say whether a file is there with just that content."""
        try:
            if self._sftp.stat(path).st_size != size:
                return False
            with self._sftp.open(path, "rb") as file:
                file.prefetch(size)
                return _digest(file) == sha256
        except FileNotFoundError:
            return False

    def _put(self, path: str, file: Any, *, sha256: str) -> None:  # noqa: ANN401 - binary
        """Write a file under a hidden name, and rename it once it is whole."""
        folder, name = posixpath.split(path)
        half = posixpath.join(folder, f".{name}.part")
        told = hashlib.sha256()
        with self._sftp.open(half, "wb") as target:
            target.set_pipelined(pipelined=True)
            while piece := file.read(_CHUNK):
                told.update(piece)
                target.write(piece)
        if told.hexdigest() != sha256:
            self._sftp.remove(half)
            raise OutputError(
                f"{path}: what was read has SHA-256 {told.hexdigest()}, not {sha256} "
                "as when it was built; build the package again"
            )
        self._sftp.posix_rename(half, path)


def _digest(file: Any) -> str:  # noqa: ANN401 - a file of paramiko
    """Give the SHA-256 of an open file."""
    told = hashlib.sha256()
    while piece := file.read(_CHUNK):
        told.update(piece)
    return told.hexdigest()


def _connect(server: SftpServer) -> "SSHClient":
    """Open a connection to a server that is known."""
    try:
        import paramiko  # noqa: PLC0415 - heavy, and not everybody has it
    except ImportError as error:
        raise SettingsError(_INSTALL) from error
    key = _private_key(server.key_file)
    client = paramiko.SSHClient()
    try:
        client.load_host_keys(str(server.known_hosts))
    except (OSError, paramiko.SSHException) as error:
        raise SettingsError(
            f"{server.known_hosts} cannot be read as keys of known hosts: {error}; "
            f"make it with 'ssh-keyscan -p {server.port} {server.host}' and compare "
            "the key with what the bureau says of it"
        ) from error
    client.set_missing_host_key_policy(paramiko.RejectPolicy())
    try:
        with _blaming(server):
            client.connect(
                server.host,
                port=server.port,
                username=server.user,
                pkey=key,
                timeout=server.timeout_s,
                banner_timeout=server.timeout_s,
                auth_timeout=server.timeout_s,
                channel_timeout=server.timeout_s,
                allow_agent=False,
                look_for_keys=False,
            )
    except BaseException:
        client.close()
        raise
    return client


def _private_key(file: Path) -> Any:  # noqa: ANN401 - whichever kind of key
    """Read a private key that nobody else may read."""
    import paramiko  # noqa: PLC0415 - as above

    read_private(file)
    try:
        return paramiko.PKey.from_path(file)
    except (ValueError, TypeError, OSError, paramiko.SSHException) as error:
        raise SettingsError(
            f"{file} is no private key of OpenSSH without a passphrase; make one with "
            "'ssh-keygen -t ed25519 -N \"\" -f FILE'"
        ) from error


@contextmanager
def _blaming(server: SftpServer) -> Iterator[None]:
    """Say of a failure whether the server, the line or a right is at fault."""
    import paramiko  # noqa: PLC0415 - as above

    where = server.address
    try:
        yield
    except paramiko.BadHostKeyException as error:
        raise UntrustedServerError(
            f"{where}: the server shows another key than {server.known_hosts} holds; "
            "ask the bureau before you replace it"
        ) from error
    except paramiko.AuthenticationException as error:
        raise UntrustedServerError(
            f"{where}: the server does not take the key {server.key_file.name}; have "
            "its public half put into authorized_keys there"
        ) from error
    except paramiko.SSHException as error:
        if "not found in known_hosts" in str(error):
            raise UntrustedServerError(
                f"{where}: {server.known_hosts} does not hold the server's key; add "
                "it once the bureau has confirmed it"
            ) from error
        raise LineError(f"{where}: {error or type(error).__name__}") from error
    except (TimeoutError, EOFError, ConnectionError, socket.gaierror) as error:
        raise LineError(f"{where}: {str(error) or type(error).__name__}") from error
    except PermissionError as error:
        raise OutputError(f"{where}: no right to write there") from error
    except OSError as error:
        if isinstance(error, paramiko.ssh_exception.NoValidConnectionsError):
            raise LineError(f"{where}: {error}") from error
        raise OutputError(f"{where}: {str(error) or 'the server failed'}") from error
