"""OpenSSH's own server on loopback, with one folder and one key."""

import socket
import subprocess
import time
from dataclasses import dataclass
from getpass import getuser
from pathlib import Path

SSHD = "/usr/sbin/sshd"


@dataclass(slots=True)
class SshServer:
    """A server that runs."""

    home: Path
    port: int
    process: "subprocess.Popen[bytes]"

    @property
    def key(self) -> Path:
        return self.home / "client-key"

    @property
    def known_hosts(self) -> Path:
        return self.home / "known_hosts"

    @property
    def folder(self) -> Path:
        """Where packages arrive."""
        return self.home / "incoming"

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(10)


def _key(path: Path) -> str:
    """Make a pair of keys and give the public one."""
    subprocess.run(  # noqa: S603 - our own command line
        ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", path],  # noqa: S607
        check=True,
    )
    return path.with_suffix(".pub").read_text()


def start(home: Path) -> SshServer:
    """Start a server whose files lie in a folder; it serves nothing but SFTP."""
    home.mkdir(parents=True, exist_ok=True)
    (home / "incoming").mkdir(exist_ok=True)
    Path("/run/sshd").mkdir(exist_ok=True)
    host = _key(home / "host-key")
    (home / "authorized_keys").write_text(_key(home / "client-key"))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    (home / "known_hosts").write_text(f"[127.0.0.1]:{port} {host}")
    (home / "sshd_config").write_text(
        f"""ListenAddress 127.0.0.1
Port {port}
HostKey {home}/host-key
AuthorizedKeysFile {home}/authorized_keys
PidFile none
StrictModes no
UsePAM no
PasswordAuthentication no
KbdInteractiveAuthentication no
PermitRootLogin prohibit-password
Subsystem sftp internal-sftp
ForceCommand internal-sftp -d {home}
"""
    )
    process = subprocess.Popen(  # noqa: S603 - our own command line
        [SSHD, "-D", "-e", "-f", home / "sshd_config"],
        stderr=(home / "log").open("wb"),
    )
    for _ in range(200):
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            assert process.poll() is None, (home / "log").read_text()
            time.sleep(0.05)
        else:
            return SshServer(home, port, process)
    raise TimeoutError((home / "log").read_text())


USER = getuser()
