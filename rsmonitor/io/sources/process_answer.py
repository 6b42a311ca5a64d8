"""Answers of Sentinel Hub's Process API, taken apart and checked part by part."""

import io
import json
import tarfile
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import rasterio
from numpy.typing import NDArray
from rasterio.errors import NotGeoreferencedWarning, RasterioError

from rsmonitor.errors import SourceError
from rsmonitor.io.foundation.redaction import redact
from rsmonitor.records.offer import Offer

_MAX_MEMBERS: Final = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """What a TIFF must be, exactly."""

    n_bands: int
    """Layers."""

    shape: tuple[int, int]
    """Rows and columns."""

    dtype: np.dtype[Any]
    """Of the numbers."""

    crs: str
    """Such as ``EPSG:32650``."""

    transform: tuple[float, ...]
    """Six affine coefficients in rasterio's order."""


def unpacked(content: bytes, expected: Sequence[str], what: str) -> dict[str, bytes]:
    """
    Take the parts of a multi-part answer: all that were asked for and no other.

    Parameters
    ----------
    content : bytes
        A tar archive.
    expected : sequence of str
        Names of the outputs.
    what : str
        Begins the message.

    Returns
    -------
    dict of str to bytes
        By the name of the output.

    Raises
    ------
    SourceError
        If it is anything else, such as a page of HTML or half an archive.
    """
    parts: dict[str, bytes] = {}
    problem = ""
    try:
        with tarfile.open(fileobj=io.BytesIO(content), mode="r:") as tar:
            for member in tar:
                opened = tar.extractfile(member) if member.isreg() else None
                if opened is None or len(parts) >= _MAX_MEMBERS:
                    problem = f"holds {member.name[:40]!r}, which nobody asked for"
                    break
                data = opened.read()
                if len(data) != member.size:
                    problem = f"ends within {member.name[:40]!r}"
                    break
                parts[member.name.rpartition(".")[0]] = data
    except (tarfile.TarError, EOFError, ValueError, OSError) as error:
        problem = f"is no tar archive: {type(error).__name__}"
    if not problem and set(parts) != set(expected):
        problem = f"holds {sorted(parts)}, asked for {sorted(expected)}"
    if problem:
        begins = content[:40].decode(errors="replace")
        raise SourceError(f"{what}: the answer {problem}; it begins {begins!r}")
    return parts


def require_product(userdata: bytes, offer: Offer, what: str) -> None:
    """
    Refuse numbers of another product, or of none.

    Parameters
    ----------
    userdata : bytes
        What the evalscript said of the tiles that it used.
    offer : Offer
        What was asked for.
    what : str
        Begins the message.

    Raises
    ------
    SourceError
        If no tile was used, or one of another product.
    """
    try:
        tiles = json.loads(userdata)["tiles"]
        used = [_names(tile) for tile in tiles]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        used = None
    if used is None:
        raise SourceError(f"{what}: the answer does not say which product it is of")
    if not used:
        raise SourceError(f"{what}: the service has no such product any more")
    granule = f"_T{offer.mgrs_tile}_N{offer.processing_baseline}"
    for names in used:
        products = [name for name in names if "_MSIL2A_" in name]
        right = (
            any(offer.product_id in name for name in products)
            if products
            else any(granule in name for name in names)
        )
        if not right:
            raise SourceError(f"{what}: the numbers are of {names!r:.200}")


def _names(tile: Mapping[str, Any]) -> list[str]:
    """Give all that a tile is called."""
    given = (tile.get(key) for key in ("productId", "dataPath", "tileOriginalId"))
    return [name for name in given if isinstance(name, str)]


def decoded(content: bytes, expected: Expected, what: str) -> NDArray[Any]:
    """
    Decode a TIFF that must be exactly what was asked for.

    Parameters
    ----------
    content : bytes
        The file.
    expected : Expected
        What it must be. A TIFF without georeference is taken to lie where asked for.
    what : str
        Begins the message.

    Returns
    -------
    ndarray, shape (band, y, x)
        The numbers.

    Raises
    ------
    SourceError
        If it cannot be decoded whole, or is something else.
    """
    wanted = (expected.n_bands, expected.shape, {expected.dtype.name})
    problem = ""
    try:
        with (
            warnings.catch_warnings(action="ignore", category=NotGeoreferencedWarning),
            rasterio.MemoryFile(content) as memory,
            memory.open(driver="GTiff") as dataset,
        ):
            got = (dataset.count, dataset.shape, set(dataset.dtypes))
            if got != wanted:
                problem = f"has {got}, expected {wanted}"
            elif dataset.crs is not None and (
                dataset.crs != rasterio.CRS.from_string(expected.crs)
                or tuple(dataset.transform)[:6] != expected.transform
            ):
                problem = "lies elsewhere than asked for"
            else:
                numbers: NDArray[Any] = dataset.read()
                return numbers
    except (RasterioError, ValueError) as error:
        problem = f"cannot be decoded: {redact(str(error))}"
    raise SourceError(f"{what} {problem}")
