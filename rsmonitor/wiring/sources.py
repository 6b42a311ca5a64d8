"""Which scenes a settings file means: cubes, a folder of products, or a service."""

import contextlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, NoReturn

from shapely import MultiPolygon, Polygon

from rsmonitor.config import Settings, SourceSettings
from rsmonitor.errors import ContractError, SettingsError, SourceUnreachableError
from rsmonitor.interfaces import SceneArchive, SceneSource
from rsmonitor.io.borders.areas import read_cells
from rsmonitor.io.borders.geojson import read_borders
from rsmonitor.io.sources.cube import CubeSource
from rsmonitor.io.sources.folder import FolderArchive
from rsmonitor.io.sources.package import locate
from rsmonitor.io.sources.scenes import ArchiveScenes
from rsmonitor.io.sources.stac_items import CATALOGUES, Catalogue
from rsmonitor.io.stores.cache import SceneCache
from rsmonitor.records.grid import Grid
from rsmonitor.records.licence import SHANGHAI
from rsmonitor.records.offer import Numbers, Offer, TileWindow
from rsmonitor.stages.indices import INDICES
from rsmonitor.stages.tiling import cover, grids, parse_cell

PICTURE_BANDS: Final = ("B02", "B03", "B04")
"""Bands that maps are drawn of and snow is known by, beside those of the indices."""


def unheard(note: str) -> None:
    """
    Hear nothing.

    Parameters
    ----------
    note : str
        What nobody hears.
    """


@contextlib.contextmanager
def open_source(
    settings: Settings, report: Callable[[str], None] = unheard
) -> Iterator[SceneSource]:
    """
    Open the scenes that the settings name.

    Parameters
    ----------
    settings : Settings
        Settings.
    report : callable, optional
        Receives what is worth telling.

    Yields
    ------
    SceneSource
        Open until the context ends.

    Raises
    ------
    SourceError
        If files are missing or are not what they should be.
    SettingsError
        If a key that this kind of source needs is missing, or credentials are.
    """
    if settings.source.kind == "cube":
        with CubeSource.open(
            _cubes(settings),
            scale=settings.source.scale,
            offset=settings.source.offset,
            platform=settings.source.platform,
            report=report,
        ) as cube:
            yield cube
        return
    yield ArchiveScenes(
        archive_of(settings, report),
        area_of(settings),
        cache=cache_of(settings),
        start=_start(settings),
        bands=bands_of(settings),
        report=report,
    )


def archive_of(
    settings: Settings, report: Callable[[str], None] = unheard
) -> SceneArchive:
    """
    Open the archive that the settings name.

    Parameters
    ----------
    settings : Settings
        Settings whose source is not a cube.
    report : callable, optional
        Receives what is worth telling.

    Returns
    -------
    SceneArchive
        The archive; one that answers nothing where the settings are offline.

    Raises
    ------
    SettingsError
        If the service is unknown or credentials are missing.
    """
    source = settings.source
    if source.kind == "folder":
        return FolderArchive(settings.path(_needed(source.path, "path")), report=report)
    if source.kind == "stac":
        catalogue = _catalogue(source)
        if source.offline:
            return _Offline(f"stac:{catalogue.name}")
        from rsmonitor.io.sources.stac import StacArchive  # noqa: PLC0415 - heavy
        from rsmonitor.io.sources.stac_signing import (  # noqa: PLC0415
            SasSigner,
        )

        signed = catalogue.dialect == "planetary-computer" and not source.url
        return StacArchive(catalogue, sign=SasSigner() if signed else None)
    return _sentinel_hub(settings)


def _sentinel_hub(settings: Settings) -> SceneArchive:
    """Open a deployment of Sentinel Hub."""
    from rsmonitor.io.sources.sentinelhub import (  # noqa: PLC0415 - heavy
        CDSE,
        SENTINEL_HUB,
        SentinelHubArchive,
    )
    from rsmonitor.io.sources.sentinelhub_client import (  # noqa: PLC0415
        read_credentials,
    )

    source = settings.source
    deployments = {"sentinelhub": SENTINEL_HUB, "cdse": CDSE}
    word = source.known_service or ""
    if word not in deployments:
        raise SettingsError(
            f"source.service must be one of {', '.join(deployments)} for sentinelhub, "
            f"got {word!r}"
        )
    service = deployments[word]
    if source.url:
        service = replace(service, base_url=source.url)
    if source.token_url:
        service = replace(service, token_url=source.token_url)
    if source.offline:
        return _Offline(service.name)
    secret = settings.path(source.credentials) if source.credentials else None
    return SentinelHubArchive(credentials=read_credentials(secret), service=service)


def area_of(settings: Settings) -> tuple[Grid, ...]:
    """
    Give the grids that the settings' area needs.

    Parameters
    ----------
    settings : Settings
        Settings whose source is not a cube.

    Returns
    -------
    tuple of Grid
        One a tile.

    Raises
    ------
    SettingsError
        If neither cells nor a file of areas is named, or a cell is none.
    """
    source = settings.source
    if source.border and not source.cells:
        return grids(cover(_border(settings, source.border)))
    names = source.cells
    if not names:
        area = settings.path(_needed(source.area, "area"))
        names = read_cells(area, settings.district.code)
    try:
        return grids(parse_cell(name) for name in names)
    except ContractError as error:
        raise SettingsError(f"source.cells: {error}") from error


def cache_of(settings: Settings) -> SceneCache:
    """
    Open the cache of scenes.

    Parameters
    ----------
    settings : Settings
        Settings.

    Returns
    -------
    SceneCache
        Shared by all districts whose settings name the same folder.
    """
    return SceneCache(settings.path(settings.source.cache))


def bands_of(settings: Settings) -> tuple[str, ...]:
    """
    Give the bands that a run reads of an archive.

    Parameters
    ----------
    settings : Settings
        Settings.

    Returns
    -------
    tuple of str
        Those of the indices with the first of each alternative, and of pictures.
    """
    needed = {
        band.split("|")[0]
        for name in settings.evidence.indices
        if name in INDICES
        for band in INDICES[name].bands
    }
    return tuple(sorted({*needed, *PICTURE_BANDS, "B11"}))


def _border(settings: Settings, file: str) -> Polygon | MultiPolygon:
    """Read the district's own border."""
    path = settings.path(file)
    code = settings.district.code
    counties = {county.code: county for county in read_borders(path)}
    if code not in counties:
        raise SettingsError(
            f"{path}: has no border of {code} (district.code); it has "
            f"{', '.join(counties) or 'none'}"
        )
    return counties[code].geometry


class _Offline:
    """An archive that may not be asked: what is kept is all there is."""

    def __init__(self, name: str) -> None:
        self._name = name

    @property
    def name(self) -> str:
        """That of the archive which is not asked."""
        return self._name

    @property
    def requests_cost(self) -> bool:
        """Nothing is requested."""
        return False

    def search(
        self, *, mgrs_tile: str, start: datetime, until: datetime
    ) -> Sequence[Offer]:
        """Refuse."""
        del start, until
        self._refuse(f"a search over tile {mgrs_tile}")

    def fetch(self, offer: Offer, window: TileWindow, bands: Sequence[str]) -> Numbers:
        """Refuse."""
        del window, bands
        self._refuse(offer.product_id)

    def _refuse(self, what: str) -> NoReturn:
        raise SourceUnreachableError(
            f"{what} is not in the cache, and source.offline is true, so "
            f"{self._name} is not asked"
        )


def _cubes(settings: Settings) -> list[Path]:
    """Find the cube files."""
    source = settings.source
    if source.distribution is None:
        return [settings.path(name) for name in source.files]
    digests = dict(zip(source.files, source.sha256, strict=False))
    return locate(source.distribution, source.files, digests, source.extra)


def _catalogue(source: SourceSettings) -> Catalogue:
    """Find the catalogue that the settings name, at their own address if given."""
    word = source.known_service or ""
    if word not in CATALOGUES:
        raise SettingsError(
            f"source.service must be one of {', '.join(CATALOGUES)} for stac, "
            f"got {word!r}"
        )
    catalogue = CATALOGUES[word]
    return replace(catalogue, url=source.url) if source.url else catalogue


def _start(settings: Settings) -> datetime:
    """Give the instant before which nothing is asked for."""
    start = settings.history.start
    if start is None:
        raise SettingsError(
            "history.start is needed where scenes come from an archive: without it "
            "the whole archive since 2015 would be read"
        )
    return datetime.combine(start, datetime.min.time(), SHANGHAI).astimezone(UTC)


def _needed(value: str | None, key: str) -> str:
    """Refuse a missing key that this kind of source needs."""
    if not value:
        raise SettingsError(f"source.{key} is needed for this kind of source")
    return value
