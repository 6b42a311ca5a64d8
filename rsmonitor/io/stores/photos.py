"""Photos, each kept once under the digest of its content."""

import hashlib
import re
from pathlib import Path
from typing import Final

from rsmonitor.errors import ContractError, StoreError
from rsmonitor.io.foundation.files import (
    lock_file,
    make_folder,
    remove_halves,
    write_atomic,
)

_SHA256: Final = re.compile(r"^[0-9a-f]{64}$")


class PhotoStore:
    """Photos below a folder; made when the first is put.

    Parameters
    ----------
    folder : Path
        Where they lie, as ``ab/abcd....jpeg``.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def path(self, sha256: str, kind: str) -> Path:
        """
        Say where a photo lies, or would.

        Parameters
        ----------
        sha256 : str
            `Photo.sha256`.
        kind : str
            `Photo.format`.

        Returns
        -------
        Path
            The file.

        Raises
        ------
        ContractError
            If the digest or the format is none.
        """
        if not _SHA256.fullmatch(sha256) or kind not in {"jpeg", "png", "heic"}:
            raise ContractError(f"no photo is called {sha256!r} of format {kind!r}")
        return self._folder / sha256[:2] / f"{sha256}.{kind}"

    def put(self, content: bytes, *, sha256: str, kind: str) -> Path:
        """
        Keep a photo, durably, before anything names it.

        Parameters
        ----------
        content : bytes
            The file as it came.
        sha256 : str
            What its digest must be.
        kind : str
            `Photo.format`.

        Returns
        -------
        Path
            Where it lies; one that is there whole is not written again.

        Raises
        ------
        StoreError
            If the content is not what was checked.
        OutputError
            If it cannot be written.
        """
        path = self.path(sha256, kind)
        if hashlib.sha256(content).hexdigest() != sha256:
            raise StoreError(
                f"photo {sha256} changed between check and import; import the file "
                "again"
            )
        if not self._holds(path, sha256):
            make_folder(path.parent)
            # one writer at a time, so that what a killed one left can be cleared away
            with lock_file(self._folder / ".lock", what="the photos", wait=True):
                remove_halves(path)
                write_atomic(path, content)
        return path

    def get(self, sha256: str, kind: str) -> bytes:
        """
        Read a photo, and make sure that it is the one that was put.

        Parameters
        ----------
        sha256 : str
            `Photo.sha256`.
        kind : str
            `Photo.format`.

        Returns
        -------
        bytes
            The file as it came.

        Raises
        ------
        StoreError
            If it is missing or was changed.
        """
        path = self.path(sha256, kind)
        try:
            content = path.read_bytes()
        except OSError as error:
            raise StoreError(
                f"photo {path} cannot be read: {error}; restore it from a backup"
            ) from error
        if hashlib.sha256(content).hexdigest() != sha256:
            raise StoreError(f"photo {path} was changed; restore it from a backup")
        return content

    @staticmethod
    def _holds(path: Path, sha256: str) -> bool:
        """Say whether a file is there and whole."""
        try:
            with path.open("rb") as file:
                return hashlib.file_digest(file, "sha256").hexdigest() == sha256
        except OSError:
            return False
