"""Scenes from any STAC API whose assets are COGs, or JPEG 2000 in an object store."""

import logging
import os
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import parse_qsl, urlsplit

import numpy as np
import rasterio
from numpy.typing import NDArray
from pystac.errors import STACError
from pystac_client import Client, ConformanceClasses
from pystac_client.exceptions import APIError
from rasterio.errors import RasterioError
from rasterio.session import DummySession
from rasterio.windows import Window
from shapely.errors import GEOSException

from rsmonitor.errors import ContractError, SettingsError, SourceError
from rsmonitor.interfaces import Clock
from rsmonitor.io.foundation.gdal import gdal_options
from rsmonitor.io.foundation.http import Http, HttpPolicy
from rsmonitor.io.foundation.redaction import (
    guard_logging,
    learn,
    redact,
    redact_address,
)
from rsmonitor.io.sources.stac_items import SCL, Catalogue, read_item
from rsmonitor.io.sources.stac_paging import BoundedStacIO
from rsmonitor.io.sources.tile_place import by_sampling, tile_bbox
from rsmonitor.records.grid import Grid
from rsmonitor.records.offer import BANDS_10M, Numbers, Offer, TileWindow
from rsmonitor.stages.tiling import tile_grid

logger = logging.getLogger(__name__)

_PAGE_ITEMS: Final = 100
_SHORTEST_SIGNATURE: Final = 12
_BROKEN: Final = (
    ContractError,
    GEOSException,
    AttributeError,
    IndexError,
    KeyError,
    OverflowError,
    TypeError,
    ValueError,
)
"""What reading something that is no STAC raises."""


class StacArchive:
    """Level-2A scenes of a STAC API, a `SceneArchive`.

    Parameters
    ----------
    catalogue : Catalogue
        Which API, in which dialect.
    policy : HttpPolicy, optional
        Bounds of every request, GDAL's too.
    sign : callable, optional
        Makes of a stored address one that can be read, at the moment of reading; the
        result is never stored or logged.
    headers : mapping of str to str, optional
        Sent with every search, such as an API key; their values are secrets.
    clock : Clock, optional
        The present, for ``Retry-After`` dates.

    Raises
    ------
    SettingsError
        If the catalogue's address is not http or https, or holds a password.
    """

    def __init__(
        self,
        catalogue: Catalogue,
        *,
        policy: HttpPolicy | None = None,
        sign: Callable[[str], str] | None = None,
        headers: Mapping[str, str] | None = None,
        clock: Clock | None = None,
    ) -> None:
        guard_logging()
        parts = urlsplit(catalogue.url)
        if parts.scheme not in {"http", "https"} or parts.username is not None:
            raise SettingsError(
                f"{redact_address(catalogue.url)!r} is not the address of a STAC API: "
                "it must begin with https:// and hold no password"
            )
        for value in (headers or {}).values():
            learn(value)
        self._catalogue = catalogue
        self._policy = policy or HttpPolicy()
        self._sign = sign
        self._http = Http(self._policy, clock=clock, headers=headers)
        self._options = {
            **gdal_options(self._policy),
            **_object_store(catalogue, os.environ),
        }

    @property
    def name(self) -> str:
        """``stac:`` and the catalogue's name."""
        return f"stac:{self._catalogue.name}"

    @property
    def requests_cost(self) -> bool:
        """False: nothing is billed by request."""
        return False

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
            By time of sensing. An item that cannot be understood is passed over with
            a warning.

        Raises
        ------
        SourceError
            If the API cannot be reached, or the search does not end.
        """
        problem = ""
        offers: list[Offer] = []
        try:
            for item in self._items(mgrs_tile, start, until):
                offer = self._offer(item)
                if (
                    offer is not None
                    and offer.mgrs_tile == mgrs_tile
                    and start <= offer.sensed_at < until
                ):
                    offers.append(offer)
        except (STACError, APIError, NotImplementedError, *_BROKEN) as error:
            problem = redact(f"{type(error).__name__}: {error}")
        if problem:
            raise SourceError(
                f"{redact_address(self._catalogue.url)} does not answer as a STAC API: "
                f"{problem:.200}"
            )
        return sorted(offers, key=lambda offer: (offer.sensed_at, offer.product_id))

    def _items(self, mgrs_tile: str, start: datetime, until: datetime) -> list[Any]:
        """Search to the end before anything is read: half a search is none."""
        bounded = BoundedStacIO(self._http, self._catalogue.url)
        client = Client.open(self._catalogue.url, stac_io=bounded)
        query = None
        if client.conforms_to(ConformanceClasses.QUERY):
            query = {
                name: {"eq": value.format(tile=mgrs_tile)}
                for name, value in self._catalogue.tile_query.items()
            }
        search = client.search(
            method="POST",
            collections=[self._catalogue.collection],
            bbox=tile_bbox(tile_grid(mgrs_tile)),
            datetime=f"{_stamp(start)}/{_stamp(until)}",
            query=query or None,
            limit=_PAGE_ITEMS,
            max_items=None,
        )
        # not search.pages_as_dicts(), which ends at an empty page without a word
        pages = bounded.get_pages(search.url, "POST", search.get_parameters())
        return [item for page in pages for item in page["features"]]

    def _offer(self, item: Any) -> Offer | None:  # noqa: ANN401 - from outside
        """Read one item; None, and a line in the log, if it cannot be understood."""
        try:
            return read_item(item, self._catalogue)
        except _BROKEN as error:
            name = item.get("id") if isinstance(item, dict) else item
            logger.warning("%s: item %.80r is passed over: %s", self.name, name, error)
            return None

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
            As the files hold them; what is still to be done stands in
            `Offer.radiometry`.

        Raises
        ------
        ContractError
            If the window is of another tile, or a band is unknown.
        SourceError
            If any file is missing, not on the tile's lattice, or cannot be read; the
            message names the scene, the asset and the address without secrets.
        """
        if window.mgrs_tile != offer.mgrs_tile:
            raise ContractError(
                f"window of {window.mgrs_tile} asked from a product of "
                f"{offer.mgrs_tile}: {offer.product_id}"
            )
        fine, coarse = by_sampling(bands)
        grid = tile_grid(offer.mgrs_tile)
        read = {
            band: self._read(offer, band, grid, window)
            for band in (*fine, *coarse, SCL)
        }
        shape = (window.height, window.width)
        half = (window.height // 2, window.width // 2)
        return Numbers(
            bands_10m=fine,
            bands_20m=coarse,
            dn_10m=_stacked([read[band] for band in fine], shape),
            dn_20m=_stacked([read[band] for band in coarse], half),
            scl=read[SCL],
        )

    def _read(
        self, offer: Offer, band: str, grid: Grid, window: TileWindow
    ) -> NDArray[Any]:
        """Read a window of one asset, or say what is wrong with it."""
        href = offer.assets.get(band)
        what = f"{offer.source}: {offer.product_id}, asset {band}"
        if href is None:
            raise SourceError(f"{what} is not offered; the scene cannot be used")
        what = f"{what} at {redact_address(href)}"
        path = self._path(href, what)
        problem = ""
        try:
            with (
                rasterio.Env(session=DummySession(), **self._options),
                rasterio.open(path, driver=_driver(href)) as dataset,
            ):
                problem = _misplaced(dataset, band, grid)
                if not problem:
                    step = 1 if band in BANDS_10M else 2
                    numbers: NDArray[Any] = dataset.read(
                        1,
                        window=Window(
                            window.col // step,
                            window.row // step,
                            window.width // step,
                            window.height // step,
                        ),
                    )
                    return numbers
        except (RasterioError, ValueError, OSError) as error:
            problem = f"cannot be read: {_said(error)}"
        # outside the handler: GDAL's own error quotes the signed address
        raise SourceError(f"{what} {problem}")

    def _path(self, href: str, what: str) -> str:
        """Give GDAL's name of an address, signed if need be."""
        signed = href if self._sign is None else self._signed(self._sign, href, what)
        try:
            parts = urlsplit(signed)
        except ValueError:
            parts = urlsplit("")  # refused below
        if parts.scheme == "s3":
            return f"/vsis3/{parts.netloc}{parts.path}"
        if parts.scheme == "https" or (
            parts.scheme == "http" and self._catalogue.url.startswith("http://")
        ):
            return f"/vsicurl/{signed}"
        raise SourceError(f"{what} is not an address that is read: https or s3")

    @staticmethod
    def _signed(sign: Callable[[str], str], href: str, what: str) -> str:
        """Sign an address; what is in its query is a secret from then on."""
        problem, signed = "", href
        secrets: list[str] = []
        try:
            signed = sign(href)
            secrets = [value for _, value in parse_qsl(urlsplit(signed).query)]
        except SourceError:
            raise
        except Exception as error:  # noqa: BLE001 - somebody else's hook
            problem = f"cannot be signed: {redact(str(error))}"
        if problem:
            raise SourceError(f"{what} {problem}")
        for value in secrets:
            if len(value) >= _SHORTEST_SIGNATURE:  # not dates and versions
                learn(value)
        return signed


def _stamp(instant: datetime) -> str:
    """Write an instant as STAC has it."""
    return instant.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _driver(href: str) -> str:
    """Pin the format: GDAL would else try every driver, and follow what a file says."""
    return "JP2OpenJPEG" if urlsplit(href).path.endswith(".jp2") else "GTiff"


def _misplaced(dataset: Any, band: str, grid: Grid) -> str:  # noqa: ANN401 - rasterio's
    """Say how a file differs from the tile's lattice; nothing if it does not."""
    step = 1 if band in BANDS_10M else 2
    dtype = "uint8" if band == SCL else "uint16"
    width, height = grid.pixel_width * step, grid.pixel_height * step
    expected = {
        "layers": 1,
        "type": dtype,
        "shape": (grid.height // step, grid.width // step),
        "transform": (width, 0.0, grid.left, 0.0, -height, grid.top),
        "crs": grid.crs,
    }
    code = dataset.crs.to_epsg() if dataset.crs else None
    got = {
        "layers": dataset.count,
        "type": dataset.dtypes[0],
        "shape": dataset.shape,
        "transform": tuple(dataset.transform)[:6],
        "crs": f"EPSG:{code}" if code else str(dataset.crs),
    }
    if different := [key for key in expected if got[key] != expected[key]]:
        return "is not on its tile's lattice: " + ", ".join(
            f"{key} {got[key]} instead of {expected[key]}" for key in different
        )
    if dataset.nodata not in {None, 0}:
        return f"says that {dataset.nodata} is no data; in Sentinel-2 it is 0"
    return ""


def _stacked(layers: list[NDArray[Any]], shape: tuple[int, int]) -> NDArray[np.uint16]:
    """Put bands of one sampling together; none of them is an empty stack."""
    if not layers:
        return np.zeros((0, *shape), dtype=np.uint16)
    return np.stack(layers).astype(np.uint16, copy=False)


def _said(error: BaseException) -> str:
    """Give what GDAL says at the bottom of its errors, without secrets."""
    texts: list[str] = []
    cause: BaseException | None = error
    while cause is not None and len(texts) < 4:  # noqa: PLR2004 - deep enough
        texts.append(str(cause))
        cause = cause.__cause__ or cause.__context__
    return redact("; ".join(dict.fromkeys(texts)))[:400]


def _object_store(
    catalogue: Catalogue, environment: Mapping[str, str]
) -> dict[str, str]:
    """Give GDAL's options for ``s3://``; credentials stay in the environment."""
    options = {}
    if catalogue.s3_endpoint is not None:
        parts = urlsplit(catalogue.s3_endpoint)
        options = {
            "AWS_S3_ENDPOINT": parts.netloc,
            "AWS_HTTPS": "YES" if parts.scheme == "https" else "NO",
            "AWS_VIRTUAL_HOSTING": "FALSE",
        }
    if "AWS_ACCESS_KEY_ID" not in environment:
        # else GDAL looks for credentials at an address of cloud machines, and waits
        options["AWS_NO_SIGN_REQUEST"] = "YES"
    return options
