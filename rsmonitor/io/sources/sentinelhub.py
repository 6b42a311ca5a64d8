"""Scenes from Sentinel Hub, also as it runs on the Copernicus Data Space.

Requests are built by the package `sentinelhub` and sent by our own
`rsmonitor.io.foundation.http`, because the package's own sending (3.12.0)

- reads ``Retry-After`` as milliseconds, and raises ValueError on a date,
- repeats a request for ever while the service answers 429,
- keeps answers in a folder that is neither written atomically nor verified,
- lets the address in a collection's definition win over the configured one,
- fetches tokens without a time-out, and never again after a 401.

The numbers are asked for as ``units: DN`` with ``harmonizeValues: false``: digital
numbers as ESA ships them. By default the service would subtract the offset of
processing baselines from 04.00 on and clamp what is then negative to 0, which is also
the value of 'no data'.
"""

import json
import logging
import math
import threading
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from sentinelhub.api.base_request import InputDataDict
from sentinelhub.api.catalog import SentinelHubCatalog
from sentinelhub.api.process import SentinelHubRequest
from sentinelhub.config import SHConfig
from sentinelhub.constants import CRS, MimeType, ResamplingType
from sentinelhub.data_collections import DataCollection
from sentinelhub.geometry import BBox
from shapely import MultiPolygon, Polygon, from_geojson
from shapely.errors import GEOSException

from rsmonitor.errors import ContractError, SourceError
from rsmonitor.interfaces import Clock
from rsmonitor.io.foundation.http import Answer, Http, HttpPolicy, RateLimiter
from rsmonitor.io.foundation.redaction import guard_logging
from rsmonitor.io.sources.evalscripts import (
    BANDS_ID,
    CLASSES_ID,
    USERDATA_ID,
    script_10m,
    script_20m,
)
from rsmonitor.io.sources.process_answer import (
    Expected,
    decoded,
    require_product,
    unpacked,
)
from rsmonitor.io.sources.product_name import offset_of_version, parse_product_name
from rsmonitor.io.sources.sentinelhub_client import (
    BoundedClient,
    CatalogPages,
    Credentials,
    TokenSession,
    require_safe,
)
from rsmonitor.io.sources.tile_place import by_sampling, tile_bbox, window_bounds
from rsmonitor.records.grid import Grid
from rsmonitor.records.offer import Numbers, Offer, TileWindow
from rsmonitor.stages.tiling import tile_grid

logger = logging.getLogger(__name__)

MAX_PIECE_PX: Final = 2196
"""Rows and columns of one request: a fifth of a tile, below the service's 2500."""

_COLLECTION: Final = "sentinel-2-l2a"
_PAGE_ITEMS: Final = 100
_AROUND: Final = timedelta(seconds=30)
_UNIT_PX: Final = 512 * 512
_UNIT_BANDS: Final = 3
_LEAST_AREA: Final = 0.01
_LEAST_UNITS: Final = 0.005


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """One deployment of Sentinel Hub: what a settings file names by one word."""

    name: str
    """Stands in `Offer.source`."""

    base_url: str
    """Where Catalog and Process are."""

    token_url: str
    """Where tokens are."""


SENTINEL_HUB: Final = Service(
    name="sentinelhub",
    base_url="https://services.sentinel-hub.com",
    token_url="https://services.sentinel-hub.com/auth/realms/main/protocol/openid-connect/token",  # noqa: S106 - an address
)
"""Sentinel Hub itself."""

CDSE: Final = Service(
    name="sentinelhub:cdse",
    base_url="https://sh.dataspace.copernicus.eu",
    token_url="https://identity.dataspace.copernicus.eu/auth/realms/CDSE/protocol/openid-connect/token",  # noqa: S106 - an address
)
"""Sentinel Hub on the Copernicus Data Space."""


def estimate_units(windows: Iterable[TileWindow], bands: Sequence[str]) -> float:
    r"""
    Estimate the processing units that fetching some windows of one scene will cost.

    Parameters
    ----------
    windows : iterable of TileWindow
        What would be fetched.
    bands : sequence of str
        ESA names; the scene classification is counted in addition.

    Returns
    -------
    float
        Processing units.

    Notes
    -----
    For each of the two requests of a piece

    .. math:: u = \max\left(0.005,\;
       \max\left(0.01, \frac{w h}{512^2}\right) \frac{n}{3}\right)

    with :math:`w \times h` pixels at the request's own resolution and :math:`n` input
    bands; ``dataMask`` is not counted, 16 bits and one sample a pixel have the factor
    1 [1]_. What was really spent stands in `SentinelHubArchive.units_spent`.

    References
    ----------
    .. [1] Sentinel Hub, "Processing Unit definition".
       https://docs.sentinel-hub.com/api/latest/api/overview/processing-unit/

    Examples
    --------
    >>> window = TileWindow(mgrs_tile="50RKV", row=0, col=0, height=1024, width=1024)
    >>> round(estimate_units([window], ["B03", "B04", "B08"]), 3)
    4.333
    """
    fine, coarse = by_sampling(bands)
    total = 0.0
    for window in windows:
        for piece in _pieces(window):
            total += sum(_costs(piece, fine, coarse))
    return total


def _costs(
    piece: TileWindow, fine: Sequence[str], coarse: Sequence[str]
) -> tuple[float, float]:
    """Estimate the units of a piece's two requests."""
    pixels = piece.height * piece.width
    return (
        _units(pixels, len(fine)) if fine else 0.0,
        _units(pixels // 4, len(coarse) + 1),
    )


def _units(pixels: int, n_bands: int) -> float:
    """Estimate the units of one request."""
    area = max(_LEAST_AREA, pixels / _UNIT_PX)
    return max(_LEAST_UNITS, area * n_bands / _UNIT_BANDS)


def _pieces(window: TileWindow) -> Iterator[TileWindow]:
    """Cut a window into what one request may cover."""
    for row in range(window.row, window.row + window.height, MAX_PIECE_PX):
        for col in range(window.col, window.col + window.width, MAX_PIECE_PX):
            yield TileWindow(
                mgrs_tile=window.mgrs_tile,
                row=row,
                col=col,
                height=min(MAX_PIECE_PX, window.row + window.height - row),
                width=min(MAX_PIECE_PX, window.col + window.width - col),
            )


class SentinelHubArchive:
    """Level-2A scenes of Sentinel Hub, a `SceneArchive`.

    Parameters
    ----------
    credentials : Credentials
        From `read_credentials`.
    service : Service, default SENTINEL_HUB
        Which deployment.
    policy : HttpPolicy, optional
        Bounds of every request.
    units_per_minute : float, default 250
        Our own limit of processing units, below the account's.
    clock : Clock, optional
        The present, for ``Retry-After`` dates.

    Raises
    ------
    SettingsError
        If an address is not https; http is for the own machine only.
    """

    def __init__(
        self,
        *,
        credentials: Credentials,
        service: Service = SENTINEL_HUB,
        policy: HttpPolicy | None = None,
        units_per_minute: float = 250.0,
        clock: Clock | None = None,
    ) -> None:
        guard_logging()
        self._service = service
        base = require_safe(service.base_url)
        self._config = SHConfig(
            use_defaults=True,  # else the package reads and writes a file in $HOME
            sh_client_id=credentials.client_id,
            sh_client_secret=credentials.client_secret,
            sh_base_url=base,
            sh_token_url=require_safe(service.token_url),
            max_download_attempts=1,
            max_retries=1,
        )
        self._http = Http(policy or HttpPolicy(), clock=clock)
        self._session = TokenSession(self._config, self._http)
        self._client = BoundedClient(self._config, self._session, self._http)
        self._units = RateLimiter(units_per_minute)
        self._spent = 0.0
        self._lock = threading.Lock()

    @property
    def name(self) -> str:
        """The service's name."""
        return self._service.name

    @property
    def requests_cost(self) -> bool:
        """True: every request is billed."""
        return True

    @property
    def units_spent(self) -> float:
        """Processing units that the service says it has charged to this object."""
        with self._lock:
            return self._spent

    def search(
        self, *, mgrs_tile: str, start: datetime, until: datetime
    ) -> Sequence[Offer]:
        """
        List all products over a tile sensed in [start, until), all versions.

        Parameters
        ----------
        mgrs_tile : str
            Five characters, no leading ``T``.
        start, until : datetime
            UTC.

        Returns
        -------
        sequence of Offer
            By time of sensing.

        Raises
        ------
        SourceError
            If the catalogue cannot be reached, or does not answer as one.
        """
        catalog = SentinelHubCatalog(config=self._config)
        query = catalog.search(
            _COLLECTION,
            bbox=BBox(tile_bbox(tile_grid(mgrs_tile)), crs=CRS.WGS84),
            time=(start.astimezone(UTC), until.astimezone(UTC)),
            limit=_PAGE_ITEMS,
        )
        pages = CatalogPages(self._client, query.url, query.params)
        offers: dict[tuple[str, datetime], Offer] = {}
        for item in pages.items():
            offer = self._offer(item)
            if (
                offer is not None
                and offer.mgrs_tile == mgrs_tile
                and start <= offer.sensed_at < until
            ):
                offers[offer.product_id, offer.sensed_at] = offer
        return sorted(offers.values(), key=lambda o: (o.sensed_at, o.product_id))

    def fetch(self, offer: Offer, window: TileWindow, bands: Sequence[str]) -> Numbers:
        """
        Get the numbers of a window; whole and right, or `SourceError`.

        Parameters
        ----------
        offer : Offer
            From `search`.
        window : TileWindow
            Pixels of the offer's tile.
        bands : sequence of str
            ESA names.

        Returns
        -------
        Numbers
            Digital numbers as ESA ships them.

        Raises
        ------
        ContractError
            If the window is of another tile, or a band is unknown.
        SourceError
            If any part of it cannot be had as asked.
        """
        if window.mgrs_tile != offer.mgrs_tile:
            raise ContractError(
                f"window of {window.mgrs_tile} asked from a product of "
                f"{offer.mgrs_tile}: {offer.product_id}"
            )
        fine, coarse = by_sampling(bands)
        grid = tile_grid(offer.mgrs_tile)
        shape = (window.height, window.width)
        half = (window.height // 2, window.width // 2)
        dn_10m = np.zeros((len(fine), *shape), dtype=np.uint16)
        dn_20m = np.zeros((len(coarse), *half), dtype=np.uint16)
        scl = np.zeros(half, dtype=np.uint8)
        for piece in _pieces(window):
            rows, cols = _within(piece, window, 1)
            rows_20m, cols_20m = _within(piece, window, 2)
            cost_10m, cost_20m = _costs(piece, fine, coarse)
            if fine:
                parts = self._process(offer, piece, grid, fine, 10, cost_10m)
                dn_10m[:, rows, cols] = parts[BANDS_ID]
            parts = self._process(offer, piece, grid, coarse, 20, cost_20m)
            if coarse:
                dn_20m[:, rows_20m, cols_20m] = parts[BANDS_ID]
            scl[rows_20m, cols_20m] = parts[CLASSES_ID][0]
        return Numbers(
            bands_10m=fine, bands_20m=coarse, dn_10m=dn_10m, dn_20m=dn_20m, scl=scl
        )

    def _process(
        self,
        offer: Offer,
        piece: TileWindow,
        grid: Grid,
        bands: Sequence[str],
        pixel_m: int,
        units: float,
    ) -> dict[str, NDArray[Any]]:
        """Ask for one piece at one sampling, and give the checked parts."""
        left, bottom, right, top = window_bounds(grid, piece)
        size = ((right - left) // pixel_m, (top - bottom) // pixel_m)
        write = script_10m if pixel_m == 10 else script_20m  # noqa: PLR2004
        place = (pixel_m, 0, left, 0, -pixel_m, top)
        shape = (size[1], size[0])
        layers = {BANDS_ID: len(bands)} if bands else {}
        if pixel_m != 10:  # noqa: PLR2004
            layers[CLASSES_ID] = 1
        asked = SentinelHubRequest.input_data(
            data_collection=DataCollection.SENTINEL2_L2A,
            time_interval=(offer.sensed_at - _AROUND, offer.sensed_at + _AROUND),
            upsampling=ResamplingType.NEAREST,
            downsampling=ResamplingType.NEAREST,
            other_args={"processing": {"harmonizeValues": False}},
        )
        request = SentinelHubRequest(
            evalscript=write(
                bands,
                product_id=offer.product_id,
                mgrs_tile=offer.mgrs_tile,
                version=offer.processing_baseline or "",
            ),
            input_data=[
                # the collection's own address would win over the configured one
                InputDataDict(asked, service_url=self._config.sh_base_url)
            ],
            responses=[
                *(SentinelHubRequest.output_response(i, MimeType.TIFF) for i in layers),
                SentinelHubRequest.output_response(USERDATA_ID, MimeType.JSON),
            ],
            bbox=BBox((left, bottom, right, top), crs=CRS(grid.crs.split(":")[-1])),
            size=size,
            config=self._config,  # and no data_folder: our cache is elsewhere
        )
        self._units.wait(units)
        what = (
            f"{self.name}: {offer.product_id}, {pixel_m} m, rows {piece.row} to "
            f"{piece.row + piece.height}, columns {piece.col} to "
            f"{piece.col + piece.width}"
        )
        answer = self._client.answer_to(request.download_list[0])
        if not answer.ok:
            raise SourceError(f"{what}: answered {answer.status}: {answer.said!r}")
        self._count(answer)
        parts = unpacked(answer.content, (*layers, USERDATA_ID), what)
        require_product(parts[USERDATA_ID], offer, what)
        return {
            name: decoded(
                parts[name],
                Expected(
                    n_bands=n_bands,
                    shape=shape,
                    dtype=np.dtype(np.uint8 if name == CLASSES_ID else np.uint16),
                    crs=grid.crs,
                    transform=place,
                ),
                f"{what}, {name}.tif",
            )
            for name, n_bands in layers.items()
        }

    def _count(self, answer: Answer) -> None:
        """Add up what the service says it charged."""
        try:
            units = float(answer.headers.get("x-processingunits-spent", "0"))
        except ValueError:
            return
        if 0 <= units < math.inf:
            with self._lock:
                self._spent += units

    def _offer(self, item: Any) -> Offer | None:  # noqa: ANN401 - from outside
        """Read one item of the catalogue; None, and a line in the log, if broken."""
        try:
            return _read_item(item, self.name)
        except (ContractError, GEOSException, KeyError, TypeError, ValueError) as error:
            name = item.get("id") if isinstance(item, dict) else item
            logger.warning(
                "%s: an item of the catalogue is passed over: %.80r: %s",
                self.name,
                name,
                error,
            )
            return None


def _read_item(item: Any, source: str) -> Offer | None:  # noqa: ANN401
    """Read one item of the catalogue; None if it is of another kind."""
    said = item["properties"]
    named = parse_product_name(str(item["id"]))
    if named is None or named.processing_baseline is None:
        raise ValueError("its id is not the name of a Level-2A product")
    sensed_at = datetime.fromisoformat(said["datetime"])
    if sensed_at.tzinfo is None:
        sensed_at = sensed_at.replace(tzinfo=UTC)
    cloud = said.get("eo:cloud_cover")
    cloudy = isinstance(cloud, int | float) and 0 <= cloud <= 100  # noqa: PLR2004
    footprint = item.get("geometry")
    shape = from_geojson(json.dumps(footprint)) if footprint else None
    if not isinstance(shape, Polygon | MultiPolygon) or shape.is_empty:
        shape = None
    return Offer(
        product_id=named.product_id,
        mgrs_tile=named.mgrs_tile,
        platform=named.platform,
        datatake_start=named.datatake_start,
        sensed_at=sensed_at.astimezone(UTC),
        processing_baseline=named.processing_baseline,
        radiometry=offset_of_version(named.processing_baseline),
        source=source,
        created_at=named.made_at,
        cloud_percent=float(cloud) if cloudy else None,
        footprint=shape,
    )


def _within(piece: TileWindow, window: TileWindow, step: int) -> tuple[slice, slice]:
    """Give the rows and columns of a piece in a window, at 10 m times `step`."""
    row, col = (piece.row - window.row) // step, (piece.col - window.col) // step
    return (
        slice(row, row + piece.height // step),
        slice(col, col + piece.width // step),
    )
