"""ESA's XML files -> what a product is: read with suspicion, never guessed.

``MTD_MSIL2A.xml`` says which look it is and how its numbers become reflectance,
``MTD_TL.xml`` where its pixels lie, ``MTD_DS.xml`` whether its geometry was refined,
``manifest.safe`` how long its files are and what their checksums are. Names of elements
changed between processing baselines 02.06 and 05.09; both spellings are read.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final
from xml.etree.ElementTree import Element, ParseError

import shapely
from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import fromstring
from shapely import MultiPolygon, Polygon

from rsmonitor.errors import SourceError
from rsmonitor.records.acquisition import PROCESSING_BASELINE
from rsmonitor.records.offer import BANDS_10M, BANDS_20M, Radiometry

FIRST_WITH_OFFSET: Final = "04.00"
"""``BOA_ADD_OFFSET`` exists from this processing baseline on, and then always."""

_BANDS: Final = (
    *("B01", "B02", "B03", "B04", "B05", "B06", "B07", "B08", "B8A"),
    *("B09", "B10", "B11", "B12"),
)
"""By ``band_id``."""

_PLATFORM: Final = re.compile(r"Sentinel-2([A-Z])")
_PRODUCT: Final = re.compile(r"(S2[A-Z]_[A-Z0-9]+_[A-Za-z0-9_]{1,200})(\.SAFE)?")
_TILE: Final = re.compile(r"_T([0-9]{2}[A-Z]{3})(?:_|$)")
_PART: Final = r"[A-Za-z0-9_][A-Za-z0-9_.-]*"
_IMAGE: Final = re.compile(
    rf"(?P<path>(?:{_PART}/)*{_PART}_(?P<band>B[0-9][0-9A]|SCL)_(?P<size>10|20)m)"
)
_EPSG: Final = re.compile(r"EPSG:(32[67][0-9]{2})")
_LARGEST_QUANTIFICATION: Final = 65_535
_LARGEST_OFFSET: Final = 10_000
_MOST_CORNERS: Final = 10_000
_TRIANGLE: Final = 3
_MOST_EAST: Final = 180
_MOST_NORTH: Final = 90
_WIDEST: Final = 90
"""Degrees; a wider outline goes across the antimeridian."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProductMetadata:
    """What ``MTD_MSIL2A.xml`` says."""

    product_id: str
    """ESA's name without ``.SAFE``."""

    mgrs_tile: str
    """Five characters, no leading ``T``."""

    platform: str
    """``S2A`` and so on."""

    datatake_start: datetime
    """UTC."""

    processing_baseline: str
    """Such as ``05.10``."""

    created_at: datetime | None
    """UTC."""

    radiometry: Radiometry
    """The same for all bands that are read."""

    cloud_percent: float | None
    """0 to 100."""

    footprint: Polygon | MultiPolygon | None
    """Where it has data, CRS84; None across the antimeridian."""

    images: Mapping[str, str]
    """Path in the product, without the ending, by band at its own sampling and
    ``SCL``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TileMetadata:
    """What ``MTD_TL.xml`` says."""

    mgrs_tile: str
    """Five characters, no leading ``T``."""

    sensed_at: datetime
    """Start of sensing of the granule, UTC."""

    crs: str
    """Such as ``EPSG:32650``."""

    shapes: Mapping[int, tuple[int, int]]
    """Rows and columns by pixel size in metres."""

    corners: Mapping[int, tuple[float, float]]
    """Left and top by pixel size in metres."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedFile:
    """What ``manifest.safe`` says of one file."""

    size_bytes: int | None
    """Length, where given."""

    algorithm: str | None
    """``md5`` or ``sha3_256``, where given and known."""

    checksum: str | None
    """Hexadecimal, lower case."""


def read_product(data: bytes, where: str) -> ProductMetadata:
    """
    Read ``MTD_MSIL2A.xml``.

    Parameters
    ----------
    data : bytes
        The file.
    where : str
        Its name for errors.

    Returns
    -------
    ProductMetadata
        All that an offer needs but the start of sensing.

    Raises
    ------
    SourceError
        If it is no such file, holds hostile XML, or leaves open how numbers become
        reflectance.
    """
    root = _parse(data, where)
    level = _text(root, where, "PROCESSING_LEVEL")
    if not level.startswith("Level-2A"):
        raise SourceError(
            f"{where}: PROCESSING_LEVEL is {level[:40]!r}; only Level-2A is surface "
            "reflectance. Get the Level-2A product of the same name"
        )
    named = _PRODUCT.fullmatch(_text(root, where, "PRODUCT_URI", "PRODUCT_URI_2A"))
    spacecraft = _PLATFORM.fullmatch(_text(root, where, "SPACECRAFT_NAME"))
    version = _text(root, where, "PROCESSING_BASELINE")
    if named is None or spacecraft is None or not PROCESSING_BASELINE.match(version):
        raise SourceError(
            f"{where}: PRODUCT_URI, SPACECRAFT_NAME or PROCESSING_BASELINE is not like "
            f"ESA's; the baseline is {version[:40]!r}"
        )
    tile = _TILE.search(named[1])
    if tile is None:
        raise SourceError(
            f"{where}: {named[1]} names no MGRS tile; products of several tiles, made "
            "before December 2016, are not read"
        )
    made = _optional(root, "GENERATION_TIME")
    return ProductMetadata(
        product_id=named[1],
        mgrs_tile=tile[1],
        platform=f"S2{spacecraft[1]}",
        datatake_start=_instant(_text(root, where, "DATATAKE_SENSING_START"), where),
        processing_baseline=version,
        created_at=None if made is None else _instant(made, where),
        radiometry=_radiometry(root, version, where),
        cloud_percent=_cloud_percent(root),
        footprint=_footprint(root),
        images=_images(root, where),
    )


def read_tile(data: bytes, where: str) -> TileMetadata:
    """
    Read ``MTD_TL.xml``.

    Parameters
    ----------
    data : bytes
        The file.
    where : str
        Its name for errors.

    Returns
    -------
    TileMetadata
        Time and geometry of the granule.

    Raises
    ------
    SourceError
        If it is no such file, or holds hostile XML.
    """
    root = _parse(data, where)
    named = _TILE.search(_text(root, where, "TILE_ID", "TILE_ID_2A"))
    epsg = _EPSG.fullmatch(_text(root, where, "HORIZONTAL_CS_CODE"))
    if named is None or epsg is None:
        raise SourceError(f"{where}: TILE_ID or HORIZONTAL_CS_CODE is not like ESA's")
    shapes, corners = {}, {}
    for element in _all(root, "Size"):
        size = _whole(element.get("resolution"), where)
        shapes[size] = (
            _whole(_text(element, where, "NROWS"), where),
            _whole(_text(element, where, "NCOLS"), where),
        )
    for element in _all(root, "Geoposition"):
        size = _whole(element.get("resolution"), where)
        corners[size] = (
            float(_whole(_text(element, where, "ULX"), where)),
            float(_whole(_text(element, where, "ULY"), where)),
        )
    return TileMetadata(
        mgrs_tile=named[1],
        sensed_at=_instant(_text(root, where, "SENSING_TIME"), where),
        crs=f"EPSG:{epsg[1]}",
        shapes=shapes,
        corners=corners,
    )


def read_refined(data: bytes, where: str) -> bool | None:
    """
    Read from ``MTD_DS.xml`` whether the geometry was refined.

    Parameters
    ----------
    data : bytes
        The file.
    where : str
        Its name for errors.

    Returns
    -------
    bool or None
        None where it does not say, as before August 2021.

    Raises
    ------
    SourceError
        If it holds hostile XML or none.
    """
    for element in _all(_parse(data, where), "Image_Refining"):
        flag = element.get("flag")
        if flag in {"REFINED", "NOT_REFINED"}:
            return flag == "REFINED"
    return None


def read_manifest(data: bytes, where: str) -> Mapping[str, ListedFile]:
    """
    Read ``manifest.safe``.

    Parameters
    ----------
    data : bytes
        The file.
    where : str
        Its name for errors.

    Returns
    -------
    mapping of str to ListedFile
        By path in the product.

    Raises
    ------
    SourceError
        If it holds hostile XML or none.
    """
    listed = {}
    for stream in _all(_parse(data, where), "byteStream"):
        size = stream.get("size")
        location = next(_all(stream, "fileLocation"), None)
        if location is None or not location.get("href"):
            continue
        checksum = next(_all(stream, "checksum"), None)
        named = "" if checksum is None else checksum.get("checksumName", "")
        algorithm = {"MD5": "md5", "SHA3-256": "sha3_256"}.get(named.upper())
        value = "" if checksum is None else (checksum.text or "").strip().lower()
        known = algorithm is not None and bool(value)
        listed[(location.get("href") or "").removeprefix("./")] = ListedFile(
            size_bytes=int(size)
            if size and size.isascii() and size.isdigit()
            else None,
            algorithm=algorithm if known else None,
            checksum=value if known else None,
        )
    return listed


def _parse(data: bytes, where: str) -> Element:
    """Parse XML without a document type, entities or addresses."""
    try:
        root: Element = fromstring(data, forbid_dtd=True)
    except DefusedXmlException as error:
        raise SourceError(
            f"{where}: it declares a document type or entities ({error}), which ESA's "
            "files never do; refused as hostile"
        ) from error
    except (ParseError, ValueError, LookupError) as error:
        raise SourceError(f"{where}: it is not whole XML: {error}") from error
    return root


def _all(root: Element, *names: str) -> Iterator[Element]:
    """Find elements by name, whatever their namespace."""
    for element in root.iter():
        if element.tag.rpartition("}")[2] in names:
            yield element


def _optional(root: Element, *names: str) -> str | None:
    """Give the text of the first such element."""
    for element in _all(root, *names):
        text = (element.text or "").strip()
        if text:
            return text
    return None


def _text(root: Element, where: str, *names: str) -> str:
    """Give the text of an element that must be there."""
    text = _optional(root, *names)
    if text is None:
        raise SourceError(f"{where}: {' or '.join(names)} is missing")
    return text


def _whole(text: str | None, where: str) -> int:
    """Read a whole number."""
    try:
        return int(text or "")
    except ValueError as error:
        raise SourceError(
            f"{where}: {(text or '')[:40]!r} stands where a whole number must"
        ) from error


def _instant(text: str, where: str) -> datetime:
    """Read a time in UTC."""
    try:
        instant = datetime.fromisoformat(text)
    except ValueError as error:
        raise SourceError(f"{where}: {text[:40]!r} is no time") from error
    if instant.tzinfo is None:
        return instant.replace(tzinfo=UTC)
    return instant.astimezone(UTC)


def _radiometry(root: Element, version: str, where: str) -> Radiometry:
    """Find how numbers become reflectance: one rule for all bands that are read."""
    quantification = _whole(
        _text(
            root, where, "BOA_QUANTIFICATION_VALUE", "L2A_BOA_QUANTIFICATION_VALUE"
        ).removesuffix(".0"),
        where,
    )
    if not 1 <= quantification <= _LARGEST_QUANTIFICATION:
        raise SourceError(
            f"{where}: BOA_QUANTIFICATION_VALUE {quantification} is not 1 to "
            f"{_LARGEST_QUANTIFICATION}"
        )
    offsets = {}
    for element in _all(root, "BOA_ADD_OFFSET"):
        index = _whole(element.get("band_id"), where)
        if not 0 <= index < len(_BANDS):
            raise SourceError(f"{where}: BOA_ADD_OFFSET has band_id {index}")
        offsets[_BANDS[index]] = _whole((element.text or "").strip(), where)
    if not offsets:
        if version >= FIRST_WITH_OFFSET:
            raise SourceError(
                f"{where}: processing baseline {version} without BOA_ADD_OFFSET; from "
                f"{FIRST_WITH_OFFSET} on it is always there, so this file was changed"
            )
        return Radiometry(
            add_offset=0,
            quantification_value=quantification,
            because=f"MTD_MSIL2A.xml of baseline {version} has no BOA_ADD_OFFSET",
        )
    read = (*BANDS_10M, *BANDS_20M)
    missing = [band for band in read if band not in offsets]
    different = {offsets[band] for band in read if band in offsets}
    if missing or len(different) > 1:
        raise SourceError(
            f"{where}: BOA_ADD_OFFSET must be one number for all bands, got "
            f"{sorted(different)} and none for {', '.join(missing) or 'no band'}"
        )
    (offset,) = different
    if abs(offset) > _LARGEST_OFFSET:
        raise SourceError(f"{where}: BOA_ADD_OFFSET {offset} is beyond all sense")
    return Radiometry(
        add_offset=offset,
        quantification_value=quantification,
        because=f"BOA_ADD_OFFSET {offset} in MTD_MSIL2A.xml of baseline {version}",
    )


def _cloud_percent(root: Element) -> float | None:
    """Read the cloud cover, if it is a share."""
    text = _optional(root, "Cloud_Coverage_Assessment")
    try:
        percent = float(text or "")
    except ValueError:
        return None
    return percent if 0 <= percent <= 100 else None  # noqa: PLR2004 - percent


def _footprint(root: Element) -> Polygon | MultiPolygon | None:
    """Read the outline of the data: latitude, longitude, and so on."""
    text = _optional(root, "EXT_POS_LIST")
    try:
        numbers = [float(word) for word in (text or "").split()]
    except ValueError:
        return None
    corners = list(zip(numbers[1::2], numbers[::2], strict=False))
    if len(numbers) % 2 or not _TRIANGLE < len(corners) <= _MOST_CORNERS:
        return None
    lons, lats = zip(*corners, strict=True)
    on_earth = max(map(abs, lons)) <= _MOST_EAST and max(map(abs, lats)) <= _MOST_NORTH
    if not on_earth or max(lons) - min(lons) > _WIDEST:
        return None
    shape = shapely.make_valid(Polygon(corners))
    return shape if isinstance(shape, Polygon | MultiPolygon) else None


def _images(root: Element, where: str) -> Mapping[str, str]:
    """List image files of the bands at their own sampling."""
    found: dict[str, str] = {}
    for element in _all(root, "IMAGE_FILE", "IMAGE_FILE_2A"):
        image = _IMAGE.fullmatch((element.text or "").strip())
        if image is None:
            continue
        band, size = image["band"], image["size"]
        own = "10" if band in BANDS_10M else "20"
        if size != own or band not in {*BANDS_10M, *BANDS_20M, "SCL"}:
            continue
        if band in found:
            raise SourceError(
                f"{where}: it lists {band} at {size} m twice; products of several "
                "granules are not read"
            )
        found[band] = image["path"]
    return found
