"""A product as a folder or as a zip: its members, and nothing outside it."""

import hashlib
import re
import stat
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import IO, Final, Protocol

from rsmonitor.errors import SourceError

MOST_TEXT_BYTES: Final = 20 * 2**20
"""The largest metadata file of ESA has 2 MB."""

MOST_MEMBERS: Final = 5_000
"""A SAFE product has about 100."""

MOST_UNPACKED_BYTES: Final = 16 * 2**30
"""A SAFE product has about 1 GB."""

MOST_RATIO: Final = 100
"""Unpacked size to packed; JPEG 2000 hardly packs, and XML at most 30 times."""

_SMALL_BYTES: Final = 2**20
_CHUNK_BYTES: Final = 2**20
_ENCRYPTED: Final = 0x1
_PLAIN: Final = re.compile(r"[^\\:\x00-\x1f]+")


class Container(Protocol):
    """Members of one product, by path with forward slashes."""

    @property
    def path(self) -> Path:
        """The folder or zip, for messages."""

    def names(self) -> tuple[str, ...]:
        """List the members that are files, sorted."""

    def size(self, name: str) -> int:
        """Give the length of a member in bytes."""

    def stamp(self, name: str) -> tuple[int, int]:
        """Give what changes when the member does."""

    def chunks(self, name: str) -> Iterator[bytes]:
        """Read a member from start to end."""

    def address(self, name: str) -> str:
        """Give the name by which GDAL opens a member."""


class FolderContainer:
    """
    A product in a folder.

    Parameters
    ----------
    path : Path
        The folder.
    boundary : Path
        Links that lead out of this folder are refused.

    Raises
    ------
    SourceError
        If it has too many members, or a link leads out of the boundary.
    """

    def __init__(self, path: Path, *, boundary: Path) -> None:
        self._path = path
        self._boundary = _resolved(boundary)
        self._members: dict[str, Path] = {}
        self._refuse_outside(path)
        for member in path.rglob("*"):
            if member.is_symlink():
                self._refuse_outside(member)
            if member.is_file():
                self._members[member.relative_to(path).as_posix()] = member
            if len(self._members) > MOST_MEMBERS:
                raise SourceError(
                    f"{path}: more than {MOST_MEMBERS:,} files; that is no product"
                )

    @property
    def path(self) -> Path:
        """The folder."""
        return self._path

    def names(self) -> tuple[str, ...]:
        """
        List the members that are files.

        Returns
        -------
        tuple of str
            Sorted.
        """
        return tuple(sorted(self._members))

    def size(self, name: str) -> int:
        """
        Give the length of a member.

        Parameters
        ----------
        name : str
            One of `names`.

        Returns
        -------
        int
            Bytes.
        """
        return self._member(name).stat().st_size

    def stamp(self, name: str) -> tuple[int, int]:
        """
        Give what changes when the member does.

        Parameters
        ----------
        name : str
            One of `names`.

        Returns
        -------
        tuple of int
            Length and time of change.
        """
        there = self._member(name).stat()
        return there.st_size, there.st_mtime_ns

    def chunks(self, name: str) -> Iterator[bytes]:
        """
        Read a member from start to end.

        Parameters
        ----------
        name : str
            One of `names`.

        Yields
        ------
        bytes
            A megabyte at most.
        """
        with self._member(name).open("rb") as file:
            yield from _chunks(file)

    def address(self, name: str) -> str:
        """
        Give the name by which GDAL opens a member.

        Parameters
        ----------
        name : str
            One of `names`.

        Returns
        -------
        str
            An absolute path.
        """
        return str(self._member(name).resolve())

    def _member(self, name: str) -> Path:
        """Find a member, and refuse a link that was put there since."""
        path = self._members[name]
        self._refuse_outside(path)
        return path

    def _refuse_outside(self, path: Path) -> None:
        """Refuse what leads out of the boundary."""
        target = _resolved(path)
        if not target.is_relative_to(self._boundary):
            raise SourceError(
                f"{path}: it is a link to {target}, outside {self._boundary}; "
                "put the file itself there, or name its own folder"
            )


class ZipContainer:
    """
    A product in a zip.

    Nothing is unpacked to disk, so no name in it can become a path.

    Parameters
    ----------
    path : Path
        The zip.

    Raises
    ------
    SourceError
        If it is no whole zip, or is built to harm.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            with zipfile.ZipFile(path) as archive:
                infos = archive.infolist()
        except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
            raise SourceError(
                f"{path}: it is not a whole zip ({error}); get it again"
            ) from error
        _refuse_hostile(path, infos)
        files = [info for info in infos if not info.is_dir()]
        self._infos = {info.filename: info for info in files}
        tops = {PurePosixPath(name).parts[0] for name in self._infos}
        safe = sorted(top for top in tops if top.endswith(".SAFE"))
        if len(safe) > 1:
            raise SourceError(
                f"{path}: it holds several products, {', '.join(safe)[:200]}; one zip "
                "holds one product"
            )
        self._top = f"{safe[0]}/" if safe else ""

    @property
    def path(self) -> Path:
        """The zip."""
        return self._path

    def names(self) -> tuple[str, ...]:
        """
        List the members that are files, below the ``.SAFE`` folder if there is one.

        Returns
        -------
        tuple of str
            Sorted.
        """
        return tuple(
            sorted(
                name.removeprefix(self._top)
                for name in self._infos
                if name.startswith(self._top)
            )
        )

    def size(self, name: str) -> int:
        """
        Give the unpacked length of a member.

        Parameters
        ----------
        name : str
            One of `names`.

        Returns
        -------
        int
            Bytes.
        """
        return self._infos[self._top + name].file_size

    def stamp(self, name: str) -> tuple[int, int]:
        """
        Give what changes when the member does.

        Parameters
        ----------
        name : str
            One of `names`.

        Returns
        -------
        tuple of int
            Its checksum, and the zip's time of change.
        """
        return self._infos[self._top + name].CRC, self._path.stat().st_mtime_ns

    def chunks(self, name: str) -> Iterator[bytes]:
        """
        Read a member from start to end; its checksum is compared at the end.

        Parameters
        ----------
        name : str
            One of `names`.

        Yields
        ------
        bytes
            A megabyte at most.

        Raises
        ------
        SourceError
            If it is damaged.
        """
        try:
            with (
                zipfile.ZipFile(self._path) as archive,
                archive.open(self._infos[self._top + name].filename) as file,
            ):
                yield from _chunks(file)
        except (
            zipfile.BadZipFile,
            zlib.error,
            EOFError,
            KeyError,
            NotImplementedError,
            RuntimeError,
        ) as error:
            raise SourceError(
                f"{self._path}: {name} is damaged ({error}); get the zip again"
            ) from error

    def address(self, name: str) -> str:
        """
        Give the name by which GDAL opens a member.

        Parameters
        ----------
        name : str
            One of `names`.

        Returns
        -------
        str
            For GDAL's file system of zips.
        """
        return f"/vsizip/{{{self._path.resolve()}}}/{self._top}{name}"


def read_text(container: Container, name: str) -> bytes:
    """
    Read a metadata file, if it is no larger than such files are.

    Parameters
    ----------
    container : Container
        The product.
    name : str
        The member.

    Returns
    -------
    bytes
        All of it.

    Raises
    ------
    SourceError
        If it is too large, missing or damaged.
    """
    if name not in container.names():
        raise SourceError(f"{container.path}: {name} is missing")
    data = b""
    try:
        for chunk in container.chunks(name):
            data += chunk
            if len(data) > MOST_TEXT_BYTES:
                raise SourceError(
                    f"{container.path}: {name} is larger than {MOST_TEXT_BYTES:,} "
                    "bytes; no metadata file is"
                )
    except OSError as error:
        raise SourceError(
            f"{container.path}: {name} cannot be read: {error.strerror}"
        ) from error
    return data


def digest(container: Container, name: str, algorithm: str) -> str:
    """
    Read a member to its end, and digest it.

    Parameters
    ----------
    container : Container
        The product.
    name : str
        The member.
    algorithm : str
        hashlib's name.

    Returns
    -------
    str
        Hexadecimal.

    Raises
    ------
    SourceError
        If it is damaged, or cannot be read.
    """
    state = hashlib.new(algorithm, usedforsecurity=False)
    try:
        for chunk in container.chunks(name):
            state.update(chunk)
    except OSError as error:
        raise SourceError(
            f"{container.path}: {name} cannot be read: {error.strerror}"
        ) from error
    return state.hexdigest()


def _resolved(path: Path) -> Path:
    """Follow links to their end, if they have one."""
    try:
        return path.resolve()
    except RuntimeError as error:  # Python's word for links that lead to each other
        raise SourceError(f"{path}: it is a link that leads to itself") from error


def _chunks(file: IO[bytes]) -> Iterator[bytes]:
    """Read to the end, a megabyte at a time."""
    while chunk := file.read(_CHUNK_BYTES):
        yield chunk


def _refuse_hostile(path: Path, infos: list[zipfile.ZipInfo]) -> None:
    """Refuse a zip that no archive of Sentinel-2 products would make."""
    advice = "no Sentinel-2 product is packed so; refused"
    if len(infos) > MOST_MEMBERS:
        raise SourceError(f"{path}: {len(infos):,} members; {advice}")
    if sum(info.file_size for info in infos) > MOST_UNPACKED_BYTES:
        raise SourceError(
            f"{path}: it would unpack to more than {MOST_UNPACKED_BYTES:,} bytes; "
            f"{advice}"
        )
    seen = set()
    for info in infos:
        name = info.filename
        parts = name.split("/")
        if (
            not _PLAIN.fullmatch(name)
            or name.startswith("/")
            or ".." in parts
            or "." in parts
            # zipfile cuts a name at its first NUL
            or info.orig_filename != name
        ):
            raise SourceError(
                f"{path}: a member is named {name[:80]!r}, which leads out of it; "
                f"{advice}"
            )
        if name in seen:
            raise SourceError(f"{path}: {name[:80]} is in it twice; {advice}")
        seen.add(name)
        if stat.S_ISLNK(info.external_attr >> 16):
            raise SourceError(f"{path}: {name[:80]} is a link; {advice}")
        if info.flag_bits & _ENCRYPTED:
            raise SourceError(f"{path}: {name[:80]} is encrypted; {advice}")
        if info.file_size > _SMALL_BYTES and (
            info.file_size > MOST_RATIO * info.compress_size
        ):
            raise SourceError(
                f"{path}: {name[:80]} unpacks to {info.file_size:,} bytes from "
                f"{info.compress_size:,}; {advice}"
            )
