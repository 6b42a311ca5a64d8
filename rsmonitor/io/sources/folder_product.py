"""One product of a folder: what it offers, and which of its files holds which band.

Three forms are read:

- SAFE, as a folder or a zip of it, as ESA ships it (``MTD_MSIL2A.xml`` and
  ``GRANULE/*/MTD_TL.xml``; images as JPEG 2000 or GeoTIFF).
- A folder with ``MTD_MSIL2A.xml`` and images named like ESA's, ``*_B02_10m.tif``.
- A folder with `DESCRIPTION` and such images, of a whole tile or of any part of it.

Images are named ``*_<band>_10m`` or ``*_<band>_20m`` with ``.jp2``, ``.tif`` or
``.tiff``: B02, B03, B04, B08 at 10 m, the other bands and SCL at 20 m. Without one of
the descriptions a folder is refused, because nothing else says how numbers become
reflectance.
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import PurePosixPath
from typing import Any, Final

from rsmonitor.errors import ContractError, SourceError
from rsmonitor.io.sources.product_container import Container, digest, read_text
from rsmonitor.io.sources.safe_metadata import (
    ListedFile,
    TileMetadata,
    read_manifest,
    read_product,
    read_refined,
    read_tile,
)
from rsmonitor.records.grid import MGRS_TILE
from rsmonitor.records.offer import BANDS_10M, BANDS_20M, Offer, Radiometry
from rsmonitor.stages.tiling import tile_grid

DESCRIPTION: Final = "product.json"
"""Describes a folder of images that has none of ESA's metadata."""

PRODUCT_XML: Final = "MTD_MSIL2A.xml"
SCL: Final = "SCL"

_IMAGE: Final = re.compile(
    r".+_(?P<band>B[0-9][0-9A]|SCL)_(?P<size>10|20)m\.(?:jp2|tiff?)", re.IGNORECASE
)
_TILE_XML: Final = re.compile(r"GRANULE/[^/]+/MTD_TL\.xml")
_STRIP_XML: Final = re.compile(r"DATASTRIP/[^/]+/MTD_DS\.xml")
_ENDINGS: Final = (".jp2", ".tif", ".tiff")
_NEEDED: Final = {
    "product_id": str,
    "mgrs_tile": str,
    "platform": str,
    "sensed_at": str,
    "add_offset": int,
    "quantification_value": int,
}
_OPTIONAL: Final = {
    "datatake_start": str,
    "processing_baseline": str,
    "created_at": str,
    "sha256": dict,
}
_LEVEL_1C: Final = "MTD_MSIL1C.xml"


@dataclass(frozen=True, slots=True, kw_only=True)
class FolderProduct:
    """One product and its files."""

    container: Container
    """Where they are."""

    offer: Offer
    """What it offers; `assets` are addresses for messages and GDAL."""

    members: Mapping[str, str]
    """Path in the container by band and `SCL`."""

    listed: Mapping[str, ListedFile]
    """What is known of the files, by path in the container."""

    shapes: Mapping[int, tuple[int, int]]
    """Rows and columns that images must have, by pixel size; empty if any."""

    def require_whole(self, band: str) -> None:
        """
        Read an image to its end, and compare length and checksum with what is known.

        Parameters
        ----------
        band : str
            Band or `SCL`.

        Raises
        ------
        SourceError
            If it is missing, shorter or longer, or damaged.
        """
        name = self.members[band]
        listed = self.listed.get(name)
        size = self.container.size(name)
        if listed is not None and listed.size_bytes not in {None, size}:
            raise SourceError(
                f"{self.container.path}: {name} has {size:,} bytes where "
                f"{listed.size_bytes:,} are listed; get it again"
            )
        algorithm = "sha256"
        if listed is not None and listed.algorithm is not None:
            algorithm = listed.algorithm
        found = digest(self.container, name, algorithm)
        if listed is not None and listed.checksum not in {None, found}:
            raise SourceError(
                f"{self.container.path}: {name} is damaged: its {algorithm} is not the "
                "one that is listed; get it again"
            )


def open_product(container: Container, *, source: str) -> FolderProduct:
    """
    Find out what a container offers.

    Parameters
    ----------
    container : Container
        Folder or zip.
    source : str
        Name of the archive.

    Returns
    -------
    FolderProduct
        The product.

    Raises
    ------
    SourceError
        If it is none, or its metadata is missing, damaged or contradicts itself.
    """
    names = container.names()
    if PRODUCT_XML in names:
        return _of_esa(container, names, source)
    if DESCRIPTION in names:
        return _described(container, names, source)
    if _LEVEL_1C in names:
        raise SourceError(
            f"{container.path}: this is Level-1C; get the Level-2A product of that look"
        )
    raise SourceError(
        f"{container.path}: neither {PRODUCT_XML} nor {DESCRIPTION} is in it; without "
        "one nobody knows how its numbers become reflectance"
    )


def holds_product(names: Sequence[str]) -> bool:
    """
    Tell whether files look like those of a product, whole or not.

    Parameters
    ----------
    names : sequence of str
        Files of a folder.

    Returns
    -------
    bool
        True if there is metadata or an image of a band.
    """
    return any(
        name in {PRODUCT_XML, DESCRIPTION, _LEVEL_1C}
        or _IMAGE.fullmatch(name) is not None
        for name in names
    )


def _of_esa(container: Container, names: Sequence[str], source: str) -> FolderProduct:
    """Read a product with ESA's metadata."""

    def read(name: str) -> tuple[bytes, str]:
        return read_text(container, name), f"{container.path}/{name}"

    product = read_product(*read(PRODUCT_XML))
    tile_names = [name for name in names if _TILE_XML.fullmatch(name)]
    if len(tile_names) > 1:
        raise SourceError(
            f"{container.path}: {len(tile_names)} granules; only products of one are "
            "read"
        )
    tile = read_tile(*read(tile_names[0])) if tile_names else None
    if tile is not None:
        _require_same_tile(container, tile, product.mgrs_tile)
    strips = [name for name in names if _STRIP_XML.fullmatch(name)]
    manifest = "manifest.safe"
    members = {
        band: stem + ending
        for band, stem in product.images.items()
        for ending in _ENDINGS
        if stem + ending in names
    }
    if not members:
        members = _named_like_esa(container, names)
    return _product(
        container,
        Offer(
            product_id=product.product_id,
            mgrs_tile=product.mgrs_tile,
            platform=product.platform,
            datatake_start=product.datatake_start,
            sensed_at=product.datatake_start if tile is None else tile.sensed_at,
            processing_baseline=product.processing_baseline,
            radiometry=product.radiometry,
            source=source,
            created_at=product.created_at,
            cloud_percent=product.cloud_percent,
            refined=read_refined(*read(strips[0])) if strips else None,
            footprint=product.footprint,
        ),
        members,
        listed=read_manifest(*read(manifest)) if manifest in names else {},
        shapes={} if tile is None else tile.shapes,
    )


def _require_same_tile(
    container: Container, tile: TileMetadata, mgrs_tile: str
) -> None:
    """Refuse metadata of two files that contradict each other."""
    grid = tile_grid(mgrs_tile)
    corners = {tile.corners.get(size, (grid.left, grid.top)) for size in (10, 20)}
    if (
        tile.mgrs_tile != mgrs_tile
        or tile.crs != grid.crs
        or corners != {(grid.left, grid.top)}
    ):
        raise SourceError(
            f"{container.path}: MTD_TL.xml is of tile {tile.mgrs_tile} ({tile.crs}, "
            f"{sorted(corners)}), the product of {mgrs_tile} ({grid.crs}, "
            f"{(grid.left, grid.top)})"
        )


def _described(
    container: Container, names: Sequence[str], source: str
) -> FolderProduct:
    """Read a folder of images with a description of our own."""
    where = f"{container.path}/{DESCRIPTION}"
    said = _description(read_text(container, DESCRIPTION), where)
    sensed_at = _instant(said["sensed_at"], where)
    made = said.get("created_at")
    start = said.get("datatake_start")
    if not MGRS_TILE.fullmatch(said["mgrs_tile"]) or said["quantification_value"] < 1:
        raise SourceError(
            f"{where}: mgrs_tile must be like 31TCJ and quantification_value positive"
        )
    try:
        tile_grid(said["mgrs_tile"])
        offer = Offer(
            product_id=said["product_id"],
            mgrs_tile=said["mgrs_tile"],
            platform=said["platform"],
            datatake_start=sensed_at if start is None else _instant(start, where),
            sensed_at=sensed_at,
            processing_baseline=said.get("processing_baseline"),
            radiometry=Radiometry(
                add_offset=said["add_offset"],
                quantification_value=said["quantification_value"],
                because=f"add_offset in {DESCRIPTION}",
            ),
            source=source,
            created_at=None if made is None else _instant(made, where),
        )
    except ContractError as error:
        raise SourceError(f"{where}: {error}") from error
    listed = {
        str(name): ListedFile(
            size_bytes=None, algorithm="sha256", checksum=str(value).lower()
        )
        for name, value in said.get("sha256", {}).items()
    }
    return _product(
        container, offer, _named_like_esa(container, names), listed=listed, shapes={}
    )


def _description(data: bytes, where: str) -> dict[str, Any]:
    """Read the description; unknown keys and wrong types are refused."""
    try:
        said = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise SourceError(f"{where}: it is not JSON: {error}") from error
    known = {**_NEEDED, **_OPTIONAL}
    if not isinstance(said, dict):
        raise SourceError(f"{where}: it must be an object with {', '.join(_NEEDED)}")
    unknown = sorted(set(said) - set(known))
    missing = sorted(set(_NEEDED) - set(said))
    if unknown or missing:
        raise SourceError(
            f"{where}: unknown {', '.join(unknown)[:80] or 'nothing'}; missing "
            f"{', '.join(missing) or 'nothing'}. It may hold {', '.join(known)}"
        )
    for key, value in said.items():
        if type(value) is not known[key]:
            raise SourceError(
                f"{where}: {key} must be {known[key].__name__}, got {value!r:.60}"
            )
    if not said["product_id"]:
        raise SourceError(f"{where}: product_id is empty")
    return said


def _instant(text: str, where: str) -> datetime:
    """Read a time that says its zone."""
    try:
        instant = datetime.fromisoformat(text)
    except ValueError as error:
        raise SourceError(f"{where}: {text[:40]!r} is no time") from error
    if instant.tzinfo is None:
        raise SourceError(f"{where}: {text[:40]!r} has no timezone; end it with Z")
    return instant.astimezone(UTC)


def _named_like_esa(container: Container, names: Sequence[str]) -> dict[str, str]:
    """Find images by their names."""
    found: dict[str, str] = {}
    for name in names:
        image = _IMAGE.fullmatch(PurePosixPath(name).name)
        if image is None:
            continue
        band, size = image["band"].upper(), image["size"]
        if band not in {*BANDS_10M, *BANDS_20M, SCL}:
            continue
        if size != ("10" if band in BANDS_10M else "20"):
            continue
        if band in found:
            raise SourceError(
                f"{container.path}: {found[band]} and {name} are both {band}; one "
                "folder holds one product"
            )
        found[band] = name
    return found


def _product(
    container: Container,
    offer: Offer,
    members: dict[str, str],
    *,
    listed: Mapping[str, ListedFile],
    shapes: Mapping[int, tuple[int, int]],
) -> FolderProduct:
    """Put a product together."""
    addresses = {band: container.address(name) for band, name in members.items()}
    return FolderProduct(
        container=container,
        offer=replace(offer, assets=addresses),
        members=members,
        listed=listed,
        shapes=shapes,
    )
