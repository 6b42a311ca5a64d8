"""Bytes from outside: bounded in size, and zips whose members are what they seem.

Nothing is unpacked to disk, so no name in a zip can become a path; names that try are
refused all the same, because no honest program writes them.
"""

import io
import re
import reprlib
import stat
import zipfile
import zlib
from pathlib import Path, PurePosixPath
from types import MappingProxyType
from typing import Final

from rsmonitor.errors import LicenceError

MAX_BYTES: Final = 64 * 2**20
"""Largest file that is read; all rights of a province fit in a tenth of it."""

MAX_UNPACKED_BYTES: Final = 4 * MAX_BYTES
"""Most that the members of one zip may have together."""

MAX_MEMBERS: Final = 1000
"""Most members of one zip; a delivery of a county has some dozens."""

MAX_RATIO: Final = 200
"""Unpacked size to packed; text of coordinates packs 3 to 10 times, and a sheet of
empty cells some 100 times."""

_SMALL_BYTES: Final = 2**20
_ENCRYPTED: Final = 0x1
_UTF8_NAME: Final = 0x800
_ZIP_START: Final = b"PK\x03\x04"
_OUTSIDE: Final = re.compile(r"^/|^[A-Za-z]:|(^|/)\.\.(/|$)|[\x00-\x1f]")
_ARCHIVES: Final = (".zip", ".kmz", ".rar", ".7z", ".gz", ".tgz", ".tar")
_LITTER: Final = ("__MACOSX", ".DS_Store", "Thumbs.db", "desktop.ini")
_BOMS: Final = (
    (b"\xef\xbb\xbf", "utf-8-sig"),
    (b"\xff\xfe", "utf-16"),
    (b"\xfe\xff", "utf-16"),
)
_ADVICE: Final = "no licence file is packed so; pack the files themselves, afresh"


class _Short(reprlib.Repr):
    """Shows a value of any size on one short line."""

    def __init__(self) -> None:
        super().__init__()
        self.maxlevel = 3
        self.maxstring = self.maxother = 80


def shown(value: object) -> str:
    r"""
    Show a value from outside on one line, shortened, with escapes.

    Parameters
    ----------
    value : object
        Anything.

    Returns
    -------
    str
        At most about 80 characters.

    Examples
    --------
    >>> print(shown("a\nb"), shown(None))
    'a\nb' nothing
    """
    return "nothing" if value is None else _Short().repr(value)


def read_bytes(path: Path, *, what: str, max_bytes: int = MAX_BYTES) -> bytes:
    """
    Read a regular file of bearable size.

    Parameters
    ----------
    path : Path
        The file.
    what : str
        What it should be, for the message.
    max_bytes : int, default 64 MB
        Largest size that is read.

    Returns
    -------
    bytes
        All of it; never empty.

    Raises
    ------
    LicenceError
        If it is missing, no regular file, unreadable, empty or too large.

    Examples
    --------
    >>> read_bytes(Path("no-such.kml"), what="a KML file")
    Traceback (most recent call last):
    rsmonitor.errors.LicenceError: no-such.kml: there is no such file
    """
    try:
        if not path.exists():
            raise LicenceError(f"{path}: there is no such file")
        if not path.is_file():  # a pipe would never end
            raise LicenceError(f"{path}: is not a regular file; name {what}")
        with path.open("rb") as file:
            content = file.read(max_bytes + 1)
    except (OSError, ValueError) as error:
        raise LicenceError(
            f"{path}: cannot be read: {error}; check its name and permissions"
        ) from error
    if len(content) > max_bytes:
        raise LicenceError(
            f"{path}: is larger than {max_bytes // 2**20} MB, the most that is read; "
            "split it, or keep only the licences of your districts"
        )
    if not content:
        raise LicenceError(f"{path}: is empty (0 bytes); export it again")
    return content


def is_zip(content: bytes) -> bool:
    """
    Say whether bytes begin as a zip does.

    Parameters
    ----------
    content : bytes
        The first bytes of a file, or all of it.

    Returns
    -------
    bool
        True for a zip with something in it.
    """
    return content.startswith(_ZIP_START)


def decoded(file: str, content: bytes) -> tuple[str, str]:
    """
    Decode text that a Chinese office may have written.

    Parameters
    ----------
    file : str
        Name of the file, for the message.
    content : bytes
        UTF-8 or UTF-16 with a byte order mark, UTF-8 without one, or GB 18030, which
        holds GBK and GB 2312.

    Returns
    -------
    tuple of str
        The text, and the encoding that it was in.

    Raises
    ------
    LicenceError
        If it is none of them, or is not text.

    Examples
    --------
    >>> decoded("a.csv", "点号".encode("gbk"))
    ('点号', 'gb18030')
    """
    marked = [name for mark, name in _BOMS if content.startswith(mark)]
    reason = "it"
    for encoding in marked or ("utf-8", "gb18030"):
        try:
            text = content.decode(encoding)
        except UnicodeDecodeError as error:
            reason = f"byte {error.start} is not {encoding}"
            continue
        if "\0" in text:
            reason = f"character {text.index(chr(0))} is NUL, which no text has"
            break
        return text, encoding
    raise LicenceError(
        f"{file}: {reason}: text is read as UTF-8, UTF-16 with a byte order mark, or "
        "GB 18030 (GBK); save it as UTF-8"
    )


class Members:
    """
    Members of a zip, checked before one is read.

    Parameters
    ----------
    file : str
        Name of the zip, for messages.
    content : bytes
        All of it.
    max_unpacked : int, default 256 MB
        Most bytes that its members may have together.

    Raises
    ------
    LicenceError
        If it is no whole zip or is built to harm: too many members, too much in them,
        names that lead out, names twice, links, encrypted members, archives inside.
    """

    def __init__(
        self, file: str, content: bytes, *, max_unpacked: int = MAX_UNPACKED_BYTES
    ) -> None:
        self._file = file
        self._content = io.BytesIO(content)
        try:
            with zipfile.ZipFile(self._content) as archive:
                infos = archive.infolist()
        except (
            zipfile.BadZipFile,
            EOFError,
            NotImplementedError,
            OSError,
            ValueError,
        ) as error:
            raise LicenceError(
                f"{file}: it is not a whole zip ({error}); get it again"
            ) from error
        _refuse_bomb(file, infos, len(content), max_unpacked)
        members: dict[str, zipfile.ZipInfo] = {}
        for info in infos:
            name = _refuse_hostile(file, info)
            if info.is_dir() or name.endswith("/") or _is_litter(name):
                continue
            if name in members:
                raise LicenceError(f"{file}: {shown(name)} is in it twice; {_ADVICE}")
            members[name] = info
        self._members = MappingProxyType(members)

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the files in it, with forward slashes, in their order."""
        return tuple(self._members)

    def read(self, name: str) -> bytes:
        """
        Read a member whole, comparing its checksum.

        Parameters
        ----------
        name : str
            One of `names`.

        Returns
        -------
        bytes
            All of it.

        Raises
        ------
        LicenceError
            If it is damaged, or is an archive itself.
        """
        info = self._members[name]
        try:
            with zipfile.ZipFile(self._content) as archive, archive.open(info) as file:
                content = file.read(info.file_size + 1)
        except (
            zipfile.BadZipFile,
            zlib.error,
            EOFError,
            NotImplementedError,
            OSError,
            RuntimeError,
            ValueError,
        ) as error:
            raise LicenceError(
                f"{self._file}: {shown(name)} in it is damaged ({error}); get the zip "
                "again"
            ) from error
        if is_zip(content):
            raise LicenceError(
                f"{self._file}: {shown(name)} in it is itself a zip; {_ADVICE}"
            )
        return content


def _refuse_bomb(
    file: str, infos: list[zipfile.ZipInfo], packed: int, max_unpacked: int
) -> None:
    """Refuse a zip that would unpack to more than any licence file has."""
    if len(infos) > MAX_MEMBERS:
        raise LicenceError(
            f"{file}: {len(infos)} members: at most {MAX_MEMBERS} are read; {_ADVICE}"
        )
    unpacked = sum(info.file_size for info in infos)
    if unpacked > max_unpacked:
        raise LicenceError(
            f"{file}: its members have {unpacked} bytes: at most {max_unpacked} "
            f"are read; {_ADVICE}"
        )
    # members that share their packed bytes would each look harmless
    if unpacked > _SMALL_BYTES and unpacked > MAX_RATIO * packed:
        raise LicenceError(
            f"{file}: {packed} bytes unpack to {unpacked}, more than {MAX_RATIO} to "
            f"one; {_ADVICE}"
        )


def _refuse_hostile(file: str, info: zipfile.ZipInfo) -> str:
    """Give the name of a member as its maker wrote it, or refuse the member."""
    name = _named(info)
    if _OUTSIDE.search(name) or "\0" in info.orig_filename:
        raise LicenceError(
            f"{file}: a member is named {shown(name)}, which leads out of the zip; "
            f"{_ADVICE}"
        )
    if stat.S_ISLNK(info.external_attr >> 16):
        raise LicenceError(f"{file}: {shown(name)} in it is a link; {_ADVICE}")
    if info.flag_bits & _ENCRYPTED:
        raise LicenceError(
            f"{file}: {shown(name)} in it is encrypted; pack it without a password"
        )
    if name.lower().endswith(_ARCHIVES):
        raise LicenceError(
            f"{file}: {shown(name)} in it is an archive itself; {_ADVICE}"
        )
    if info.file_size > _SMALL_BYTES and info.file_size > (
        MAX_RATIO * info.compress_size
    ):
        raise LicenceError(
            f"{file}: {shown(name)} unpacks from {info.compress_size} to "
            f"{info.file_size} bytes, more than {MAX_RATIO} to one; {_ADVICE}"
        )
    return name


def _named(info: zipfile.ZipInfo) -> str:
    """Undo what zipfile made of a name in GBK, and of back slashes."""
    name = info.filename
    if not info.flag_bits & _UTF8_NAME:
        raw = name.encode("cp437", errors="replace")
        for encoding in ("utf-8", "gb18030"):
            try:
                name = raw.decode(encoding)
            except UnicodeDecodeError:
                continue
            break
    return name.replace("\\", "/")


def _is_litter(name: str) -> bool:
    """Say whether a member is what desktops leave behind."""
    return any(part in _LITTER for part in PurePosixPath(name).parts)
