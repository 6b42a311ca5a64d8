"""STAC items as offers: four dialects of one standard, each with its own trap.

- Earth Search v1 has taken the offset off its COGs (``earthsearch:boa_offset_applied``)
  and still advertises ``offset: -0.1``: who believes that subtracts twice.
- Planetary Computer serves the numbers raw and advertises nothing.
- The Copernicus Data Space serves ESA's own files and says so with ``raster:offset``.
- Any other archive is taken at its word, and the offer says that it was.
"""

import json
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final, Literal
from urllib.parse import urlsplit

from shapely import MultiPolygon, Polygon, from_geojson

from rsmonitor.io.foundation.redaction import without_credentials
from rsmonitor.io.sources.product_name import (
    ProductName,
    has_no_offset,
    offset_of_version,
    parse_product_name,
)
from rsmonitor.records.offer import BANDS_10M, BANDS_20M, Offer, Radiometry
from rsmonitor.stages.reflectance import QUANTIFICATION_VALUE

SCL: Final = "SCL"
"""Key of the scene classification in `Offer.assets`."""

Dialect = Literal["earth-search", "planetary-computer", "cdse", "generic"]
"""Whose habits an archive has."""

_COMMON_NAMES: Final = {
    "B02": "blue",
    "B03": "green",
    "B04": "red",
    "B05": "rededge1",
    "B06": "rededge2",
    "B07": "rededge3",
    "B08": "nir",
    "B8A": "nir08",
    "B11": "swir16",
    "B12": "swir22",
    SCL: "scl",
}
_ALL: Final = (*BANDS_10M, *BANDS_20M, SCL)
_SAMPLED: Final = {
    band: f"{band}_{'10m' if band in BANDS_10M else '20m'}" for band in _ALL
}
_NAMES: Final = ("s2:product_uri", "sentinel:product_id")
_VERSIONS: Final = ("s2:processing_baseline", "processing:version")
_TILES: Final = ("grid:code", "s2:mgrs_tile")
_DATATAKES: Final = ("s2:datatake_id", "eopf:datatake_id")
_MADE: Final = ("s2:generation_time", "processing:datetime")
_HUNDRED: Final = 100
_ROUNDING: Final = 1e-3


@dataclass(frozen=True, slots=True, kw_only=True)
class Catalogue:
    """One STAC API: what a settings file names by one word."""

    name: str
    """Stands in `Offer.source` after ``stac:``."""

    url: str
    """The landing page."""

    collection: str
    """Id of the collection of Level-2A scenes."""

    dialect: Dialect = "generic"
    """Decides the radiometry and the names of assets."""

    tile_query: Mapping[str, str] = field(default_factory=dict)
    """Property by which the API filters tiles, and its value with ``{tile}``."""

    s3_endpoint: str | None = None
    """Address of the object store behind ``s3://`` addresses; None: Amazon's."""


EARTH_SEARCH: Final = Catalogue(
    name="earth-search",
    url="https://earth-search.aws.element84.com/v1",
    collection="sentinel-2-l2a",
    dialect="earth-search",
    tile_query={"grid:code": "MGRS-{tile}"},
)
"""Element 84's catalogue of the COGs on Amazon; needs no account."""

PLANETARY_COMPUTER: Final = Catalogue(
    name="planetary-computer",
    url="https://planetarycomputer.microsoft.com/api/stac/v1",
    collection="sentinel-2-l2a",
    dialect="planetary-computer",
    tile_query={"s2:mgrs_tile": "{tile}"},
)
"""Microsoft's; addresses must be signed, see `rsmonitor.io.sources.stac_signing`."""

CDSE_STAC: Final = Catalogue(
    name="cdse",
    url="https://stac.dataspace.copernicus.eu/v1",
    collection="sentinel-2-l2a",
    dialect="cdse",
    tile_query={"grid:code": "MGRS-{tile}"},
    s3_endpoint="https://eodata.dataspace.copernicus.eu",
)
"""The Copernicus Data Space; JPEG 2000 in its object store, with S3 credentials."""

CATALOGUES: Final = {
    each.name: each for each in (EARTH_SEARCH, PLANETARY_COMPUTER, CDSE_STAC)
}
"""By the word that names them in the settings."""


def read_item(item: Mapping[str, Any], catalogue: Catalogue) -> Offer:
    """
    Read a STAC item.

    Parameters
    ----------
    item : mapping
        A GeoJSON feature, as the API gave it.
    catalogue : Catalogue
        Where it is from.

    Returns
    -------
    Offer
        With addresses as far as they may be stored: no user, no signature.

    Raises
    ------
    ValueError
        If the item does not say what it is of, contradicts itself, or does not say
        what its numbers mean.
    TypeError, KeyError, AttributeError
        If it is no STAC item.
    """
    said = item["properties"]
    named = _product_name(item, said)
    version = _processing_version(said, named)
    cloud = said.get("eo:cloud_cover")
    cloudy = isinstance(cloud, int | float) and 0 <= cloud <= _HUNDRED
    assets = dict(_assets(item["assets"], catalogue.dialect))
    if not assets:
        raise ValueError("it has no asset that is a band of Sentinel-2")
    sensed_at = _instant(said.get("datetime") or said["start_datetime"])
    made = next((said[key] for key in _MADE if said.get(key)), None)
    created = said.get("created")
    return Offer(
        product_id=_product_id(item, named),
        mgrs_tile=_tile(said, named),
        platform=_platform(said, named),
        datatake_start=named.datatake_start if named else _datatake_start(said),
        sensed_at=sensed_at,
        processing_baseline=version,
        radiometry=_radiometry(said, assets, item["assets"], version, catalogue),
        source=f"stac:{catalogue.name}",
        created_at=_instant(made)
        if made
        else named.made_at
        if named
        else _instant(created)
        if created
        else None,
        cloud_percent=float(cloud) if cloudy else None,
        footprint=_footprint(item.get("geometry")),
        assets={band: href for band, (_, href) in assets.items()},
    )


def _product_name(
    item: Mapping[str, Any], said: Mapping[str, Any]
) -> ProductName | None:
    """Find ESA's name; one that holds the processing baseline is the better one."""
    texts = [*(said.get(key) for key in _NAMES), item["id"]]
    found = [
        named
        for text in texts
        if isinstance(text, str) and (named := parse_product_name(text))
    ]
    whole = [named for named in found if named.processing_baseline is not None]
    return next(iter(whole or found), None)


def _product_id(item: Mapping[str, Any], named: ProductName | None) -> str:
    """Give ESA's name without ``.SAFE`` where known, else the archive's id."""
    name = named.product_id if named and named.processing_baseline else item["id"]
    if not isinstance(name, str) or not name:
        raise ValueError("it has no id")
    return name


def _processing_version(
    said: Mapping[str, Any], named: ProductName | None
) -> str | None:
    """Give the processing baseline, if all who name it agree."""
    versions = {
        said[key]
        for key in _VERSIONS
        if isinstance(said.get(key), str) and re.fullmatch(r"\d\d\.\d\d", said[key])
    }
    if named and named.processing_baseline:
        versions.add(named.processing_baseline)
    if len(versions) > 1:
        raise ValueError(f"it names the processing baselines {sorted(versions)}")
    return next(iter(versions), None)


def _tile(said: Mapping[str, Any], named: ProductName | None) -> str:
    """Give the MGRS tile, if all who name it agree."""
    tiles = {
        str(said[key]).removeprefix("MGRS-")
        for key in _TILES
        if isinstance(said.get(key), str)
    }
    if named:
        tiles.add(named.mgrs_tile)
    if len(tiles) != 1:
        raise ValueError(f"it names the tiles {sorted(tiles)}")
    return tiles.pop()


def _platform(said: Mapping[str, Any], named: ProductName | None) -> str:
    """Give ``S2A`` and so on, if all who name it agree."""
    found = re.fullmatch(r"(?i)sentinel-2([a-z])", str(said.get("platform", "")))
    platforms = {f"S2{found[1].upper()}"} if found else set()
    if named:
        platforms.add(named.platform)
    if len(platforms) != 1:
        raise ValueError(f"it names the platforms {sorted(platforms)}")
    return platforms.pop()


def _datatake_start(said: Mapping[str, Any]) -> datetime:
    """Read the start out of a datatake's identifier, whose end does not matter."""
    for key in _DATATAKES:
        if found := re.match(r"GS2[A-Z]_(\d{8}T\d{6})_", str(said.get(key, ""))):
            return _instant(found[1])
    raise ValueError("it does not say when its datatake began")


def _instant(text: Any) -> datetime:  # noqa: ANN401 - from outside
    """Read an instant; one without zone is UTC, as STAC has it."""
    found = datetime.fromisoformat(text)
    return (found.replace(tzinfo=UTC) if found.tzinfo is None else found).astimezone(
        UTC
    )


def _footprint(geometry: Any) -> Polygon | MultiPolygon | None:  # noqa: ANN401
    """Read the footprint; one that is none is not known."""
    shape = from_geojson(json.dumps(geometry), on_invalid="ignore")
    if not isinstance(shape, Polygon | MultiPolygon) or shape.is_empty:
        return None
    return shape


def _assets(
    assets: Mapping[str, Any], dialect: Dialect
) -> Iterator[tuple[str, tuple[str, str]]]:
    """Give band, name of the asset and address of what can be read."""
    for band in _ALL:
        for name in _asset_names(band, dialect):
            asset = assets.get(name)
            href = asset.get("href") if isinstance(asset, Mapping) else None
            if isinstance(href, str) and _readable(href):
                yield band, (name, without_credentials(href))
                break


def _asset_names(band: str, dialect: Dialect) -> tuple[str, ...]:
    """Give what a band's asset may be called."""
    match dialect:
        case "earth-search":
            return (_COMMON_NAMES[band],)
        case "planetary-computer":
            return (band,)
        case "cdse":
            return (_SAMPLED[band],)
        case _:
            return (band, _SAMPLED[band], _COMMON_NAMES[band])


def _readable(href: str) -> bool:
    """Accept addresses on the network; never a path, which would be of this machine."""
    try:
        parts = urlsplit(href)
    except ValueError:
        return False
    return parts.scheme in {"https", "http", "s3"} and bool(parts.netloc)


def _radiometry(
    said: Mapping[str, Any],
    used: Mapping[str, tuple[str, str]],
    assets: Mapping[str, Any],
    version: str | None,
    catalogue: Catalogue,
) -> Radiometry:
    """Say what is still to be done to the numbers; never guess."""
    match catalogue.dialect:
        case "earth-search":
            return _earth_search_radiometry(said, version)
        case "planetary-computer":
            if version is None:
                raise ValueError("it does not say its processing baseline")
            return offset_of_version(version)
        case "cdse":
            if version is not None and has_no_offset(version):
                return offset_of_version(version)
            return _advertised(used, assets, version, "raster:offset of the item")
        case _:
            return _advertised(
                used,
                assets,
                version,
                f"{catalogue.name} is taken at its word: raster:offset of the item",
            )


def _earth_search_radiometry(
    said: Mapping[str, Any], version: str | None
) -> Radiometry:
    """Believe the flag, never ``raster:bands``, which is wrong where it is set."""
    applied = said.get("earthsearch:boa_offset_applied")
    if applied is True:
        return Radiometry(
            add_offset=0,
            quantification_value=QUANTIFICATION_VALUE,
            because="earthsearch:boa_offset_applied is true; the offset that "
            "raster:bands advertises is not to be applied again",
        )
    if version is None or (applied is not False and not has_no_offset(version)):
        raise ValueError(
            "it does not say whether its offset is applied "
            "(earthsearch:boa_offset_applied)"
        )
    found = offset_of_version(version)
    return Radiometry(
        add_offset=found.add_offset,
        quantification_value=found.quantification_value,
        because=f"earthsearch:boa_offset_applied is not set; {found.because}",
    )


def _advertised(
    used: Mapping[str, tuple[str, str]],
    assets: Mapping[str, Any],
    version: str | None,
    because: str,
) -> Radiometry:
    """Take offset and scale of all bands, which must agree."""
    found = {_scaling(assets[name]) for band, (name, _) in used.items() if band != SCL}
    if found == {None} and version is not None:
        return offset_of_version(version)
    if len(found) != 1 or None in found:
        raise ValueError(f"its bands advertise offset and scale {found or 'nowhere'}")
    offset, quantification = next(pair for pair in found if pair)
    return Radiometry(
        add_offset=offset, quantification_value=quantification, because=because
    )


def _scaling(asset: Mapping[str, Any]) -> tuple[int, int] | None:
    """Read offset and quantification as ESA counts them; None if not advertised."""
    layers = asset.get("raster:bands") or asset.get("bands") or [{}]
    layer = layers[0]
    scale = layer.get("scale", layer.get("raster:scale", asset.get("raster:scale")))
    offset = layer.get("offset", layer.get("raster:offset", asset.get("raster:offset")))
    if scale is None and offset is None:
        return None
    scale = float(1 if scale is None else scale)
    offset = float(0 if offset is None else offset)
    if not (0 < scale <= 1 and math.isfinite(offset)):
        raise ValueError(f"it advertises scale {scale} and offset {offset}")
    quantification, add = 1 / scale, offset / scale
    if (
        max(abs(quantification - round(quantification)), abs(add - round(add)))
        > _ROUNDING
    ):
        raise ValueError(
            f"scale {scale} and offset {offset} are not those of digital numbers"
        )
    return round(add), round(quantification)
