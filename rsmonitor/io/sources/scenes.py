"""Scenes from any archive of Level-2A products: identity, cache, checks, conversion.

An archive says what it has and gives numbers as shipped. Here they become looks at the
ground, each once; whole fixed cells of 10 km are fetched, so that no request tells
which site is watched; what was fetched is kept; a scene whose numbers contradict its
metadata is put aside; and numbers are converted to reflectance once.

Bands of 20 m are brought to 10 m by bilinear interpolation, NaN exactly where the 20 m
pixel was not measured; classes are repeated. A value depends on the product and the
grid alone, never on the block that asks.
"""

import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from shapely import MultiPolygon, Polygon

from rsmonitor.errors import ContractError, SourceError, SourceUnreachableError
from rsmonitor.interfaces import SceneArchive
from rsmonitor.io.foundation.redaction import redact
from rsmonitor.io.sources.resampling import Placement
from rsmonitor.io.sources.scene_cells import Measured, measured, merged
from rsmonitor.io.sources.scene_keeper import SceneKeeper
from rsmonitor.records.acquisition import Product
from rsmonitor.records.grid import Block, Grid
from rsmonitor.records.offer import BANDS_10M, BANDS_20M, Numbers, Offer, TileWindow
from rsmonitor.records.rasters import SCENE, check
from rsmonitor.stages.acquisitions import Acquisition, acquisitions, version_id
from rsmonitor.stages.geodesy import grid_outline
from rsmonitor.stages.radiometry import CHECK_VERSION, SceneTally, judge, tally
from rsmonitor.stages.tile_cells import around, cells_of
from rsmonitor.stages.tiling import tile_window

_REMEMBERED_BYTES: Final = 256 * 2**20
"""Cells are kept in memory, converted, while they fit in this much."""

_FOOTPRINT_MARGIN: Final = 0.01
"""Degrees. Footprints are rough; one that is farther off than this shows nothing."""

_WIDEST_FOOTPRINT: Final = 90.0
"""Degrees; tiles are a few degrees wide, but for those at the date line."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Area:
    """Where a grid lies, and the cells that are fetched for it."""

    grid: Grid
    place: TileWindow
    """The grid's pixels, in the tile."""
    cells: tuple[TileWindow, ...]
    covered: Block
    """All pixels of the cells, in the tile."""

    @property
    def placement(self) -> Placement:
        """How the 20 m pixels of the cells lie to the grid."""
        return Placement(
            ratio_y=2,
            ratio_x=2,
            row=self.place.row - self.covered.row,
            col=self.place.col - self.covered.col,
            height=self.covered.height // 2,
            width=self.covered.width // 2,
        )


class ArchiveScenes:
    """
    Scenes of an archive; satisfies `rsmonitor.interfaces.SceneSource`.

    Parameters
    ----------
    archive : SceneArchive
        Who has the scenes.
    grids : tuple of Grid
        Windows of MGRS tiles on their own 10 m pixels.
    cache : SceneKeeper
        Where fetched pieces stay.
    start : datetime
        Scenes sensed before this instant are not asked for; timezone-aware UTC.
    bands : sequence of str
        ESA names of the bands to read; `SCL` is always read.
    report : callable, optional
        Receives what is worth telling.

    Raises
    ------
    ContractError
        If a grid is no window of its tile, two grids are one, a band is not one of 10 m
        or 20 m, or `start` is not UTC.
    """

    def __init__(
        self,
        archive: SceneArchive,
        grids: tuple[Grid, ...],
        *,
        cache: SceneKeeper,
        start: datetime,
        bands: Sequence[str],
        report: Callable[[str], None] | None = None,
    ) -> None:
        if start.utcoffset() != timedelta(0):
            raise ContractError(f"start must be timezone-aware UTC, got {start!r}")
        known = (*BANDS_10M, *BANDS_20M)
        unknown = [band for band in bands if band not in known]
        if unknown or not bands:
            raise ContractError(
                f"bands must be of {', '.join(known)}, got {', '.join(bands) or 'none'}"
            )
        self._archive = archive
        self._cache = cache
        self._start = start
        self._bands = tuple(
            sorted(set(bands), key=lambda band: band.replace("8A", "08A"))
        )
        self._areas = {grid: _area(grid) for grid in grids}
        if len({grid.grid_id for grid in grids}) != len(grids):
            raise ContractError("two grids are one")
        self._say = report or _say_nothing
        self._said: set[str] = set()
        self._looks: dict[tuple[str, Product], Acquisition] = {}
        self._sound: set[tuple[str, Product]] = set()
        self._cells: OrderedDict[tuple[str, TileWindow], Measured] = OrderedDict()
        self._guard = threading.Lock()
        self._checking: dict[tuple[str, Product], threading.Lock] = {}
        self._fetched_bytes = 0

    @property
    def archive(self) -> SceneArchive:
        """Who has the scenes."""
        return self._archive

    @property
    def fetched_bytes(self) -> int:
        """Bytes of numbers that the archive was asked for, and not the cache."""
        with self._guard:
            return self._fetched_bytes

    @property
    def name(self) -> str:
        """The archive's."""
        return self._archive.name

    @property
    def bands(self) -> tuple[str, ...]:
        """ESA names of the bands of `load`, in its order: by wavelength."""
        return self._bands

    def grids(self) -> tuple[Grid, ...]:
        """
        Give the grids that cover the district.

        Returns
        -------
        tuple of Grid
            As they were given.
        """
        return tuple(self._areas)

    def looks(self, grid: Grid, *, until: datetime) -> tuple[Acquisition, ...]:
        """
        List the looks at a grid with the products that hold them.

        Parameters
        ----------
        grid : Grid
            One of `grids`.
        until : datetime
            Scenes sensed at this instant or later are left out; timezone-aware.

        Returns
        -------
        tuple of Acquisition
            Oldest first. Products in quarantine are left out; an older version may
            stand in for one.

        Raises
        ------
        ContractError
            If the grid is another one, or `until` has no timezone.
        SourceError
            If the archive cannot be searched.
        """
        tile = self._area(grid).grid.mgrs_tile
        if until.tzinfo is None:
            raise ContractError(f"until must be timezone-aware, got {until!r}")
        if tile is None or until <= self._start:
            return ()
        offers = self._cache.search(
            source=self._archive.name,
            mgrs_tile=tile,
            start=self._start,
            until=until,
            ask=lambda: self._archive.search(
                mgrs_tile=tile, start=self._start, until=until
            ),
        )
        usable = [
            offer
            for offer in self._usable(offers, grid)
            if self._start <= offer.sensed_at < until
        ]
        found = acquisitions(usable, grid_id=grid.grid_id)
        with self._guard:
            for look in found:
                self._looks[grid.grid_id, look.product] = look
        return found

    def find(self, grid: Grid, *, until: datetime) -> Sequence[Product]:
        """
        List the looks at a grid.

        Parameters
        ----------
        grid : Grid
            One of `grids`.
        until : datetime
            Scenes sensed at this instant or later are left out; timezone-aware.

        Returns
        -------
        sequence of Product
            Oldest first, one a look.

        Raises
        ------
        ContractError
            If the grid is another one, or `until` has no timezone.
        SourceError
            If the archive cannot be searched.
        """
        return [look.product for look in self.looks(grid, until=until)]

    def outstanding(
        self, grid: Grid, *, until: datetime
    ) -> tuple[tuple[Offer, TileWindow], ...]:
        """
        List the pieces that a run would fetch, for an estimate of what it costs.

        Parameters
        ----------
        grid : Grid
            One of `grids`.
        until : datetime
            End of the run; timezone-aware.

        Returns
        -------
        tuple of (Offer, TileWindow)
            What is not in the cache yet.

        Raises
        ------
        SourceError
            If the archive cannot be searched.
        """
        area = self._area(grid)
        return tuple(
            (offer, cell)
            for look in self.looks(grid, until=until)
            for offer in look.offers
            for cell in area.cells
            if not self._cache.holds(offer, cell, self._bands)
        )

    def load(self, product: Product, grid: Grid, block: Block) -> xr.Dataset:
        """
        Read one block of one look.

        The first block of a look fetches all cells of the grid and checks them, so that
        no block of a scene that is put aside is ever used.

        Parameters
        ----------
        product : Product
            One that `find` gave.
        grid : Grid
            One of `grids`.
        block : Block
            Inside the grid. The values of a pixel do not depend on its block.

        Returns
        -------
        xarray.Dataset
            As `rsmonitor.records.rasters.SCENE`, with `bands` as the coordinate
            ``band``.

        Raises
        ------
        ContractError
            If grid, product or block are not of this source.
        SourceError
            If a piece cannot be read, or the scene contradicts its metadata; the
            message names the product and why.
        """
        area = self._area(grid)
        block.within(Block(row=0, col=0, height=grid.height, width=grid.width))
        look = self._looks.get((grid.grid_id, product))
        if look is None:
            raise ContractError(
                f"{product.product_id} is not what `find` gave for {grid.grid_id}"
            )
        self._require_sound(look, area)
        fine, coarse, scl = self._window(look, area, block)
        placement = area.placement
        reflectance = np.empty(
            (len(self._bands), block.height, block.width), dtype=np.float32
        )
        fine_bands, coarse_bands = _by_sampling(self._bands)
        for plane, band in zip(reflectance, self._bands, strict=True):
            if band in fine_bands:
                plane[:] = fine[fine_bands.index(band)]
            else:
                plane[:] = placement.bilinear(coarse[coarse_bands.index(band)], block)
        return check(
            xr.Dataset(
                {
                    "reflectance": (("band", "y", "x"), reflectance),
                    "scl": (("y", "x"), placement.nearest(scl, block)),
                },
                coords={"band": list(self._bands)},
            ),
            SCENE,
        )

    # ------------------------------------------------------------------ inside

    def _area(self, grid: Grid) -> _Area:
        """Refuse a grid that is not this source's."""
        area = self._areas.get(grid)
        if area is None:
            raise ContractError(f"grid {grid.grid_id} is not one of this source's")
        return area

    def _usable(self, offers: Iterable[Offer], grid: Grid) -> list[Offer]:
        """Leave out what is of another tile, beside the grid, or in quarantine."""
        outline = grid_outline(grid).buffer(_FOOTPRINT_MARGIN)
        usable = []
        for offer in offers:
            if offer.mgrs_tile != grid.mgrs_tile:
                self._tell(
                    f"{offer.product_id} is of tile {offer.mgrs_tile}, not "
                    f"{grid.mgrs_tile}: left out"
                )
                continue
            if offer.footprint is not None and _is_beside(offer.footprint, outline):
                continue
            reason = self._cache.quarantined(offer)
            if reason is not None:
                self._tell(f"{version_id(offer)} is in quarantine: {reason}")
                continue
            usable.append(offer)
        return usable

    def _tell(self, note: str) -> None:
        """Say a thing once."""
        with self._guard:
            if note in self._said:
                return
            self._said.add(note)
        self._say(note)

    def _numbers(self, offer: Offer, cell: TileWindow) -> Numbers:
        """Fetch one cell of one product, or give the kept one."""
        try:
            return self._cache.fetch(
                offer,
                cell,
                self._bands,
                lambda: self._asked(offer, cell),
            )
        except (SourceError, OSError) as error:
            reason = redact(str(error))
            attempts = self._cache.note_failure(offer, reason)
            kind = (
                SourceUnreachableError
                if isinstance(error, SourceUnreachableError)
                else SourceError
            )
            raise kind(
                f"{version_id(offer)} from {self._archive.name}, tile {cell.mgrs_tile} "
                f"rows {cell.row} to {cell.row + cell.height}, columns {cell.col} to "
                f"{cell.col + cell.width}: {reason} (failed {attempts} "
                f"{'time' if attempts == 1 else 'times'}; will be tried again)"
            ) from error

    def _asked(self, offer: Offer, cell: TileWindow) -> Numbers:
        """Ask the archive for a cell, and count what it gives."""
        numbers = self._archive.fetch(offer, cell, self._bands)
        with self._guard:
            for part in (numbers.dn_10m, numbers.dn_20m, numbers.scl):
                self._fetched_bytes += part.nbytes
        return numbers

    def _require_sound(self, look: Acquisition, area: _Area) -> None:
        """Fetch a look whole, and hold it against its metadata, once."""
        place = (area.grid.grid_id, look.product)
        with self._guard:
            if place in self._sound:
                return
            lock = self._checking.setdefault(place, threading.Lock())
        with lock:
            with self._guard:
                if place in self._sound:
                    return
            for offer in look.offers:
                self._check(offer, area)
            with self._guard:
                self._sound.add(place)

    def _check(self, offer: Offer, area: _Area) -> None:
        """Count all cells of a product and judge it."""
        version = version_id(offer)
        scope = f"{area.grid.grid_id} {' '.join(self._bands)} check {CHECK_VERSION}"
        reason = self._cache.quarantined(offer)
        if reason is not None:
            raise SourceError(f"{version} is in quarantine: {reason}")
        if self._cache.is_checked(offer, scope) and all(
            self._cache.holds(offer, cell, self._bands) for cell in area.cells
        ):
            return
        counts: SceneTally | None = None
        for cell in area.cells:
            counted = tally(self._numbers(offer, cell))
            counts = counted if counts is None else counts + counted
        self._cache.note_success(offer)
        if counts is None:
            return
        soundness = judge(counts, offer.radiometry)
        if soundness.contradiction is not None:
            self._cache.quarantine(offer, soundness.contradiction)
            raise SourceError(
                f"{version} from {self._archive.name} contradicts itself and is put in "
                f"quarantine: {soundness.contradiction}"
            )
        self._cache.note_checked(offer, scope, soundness.note)

    def _cell(self, look: Acquisition, cell: TileWindow) -> Measured:
        """Give a cell of a look, converted and merged."""
        key = (look.product.product_id, cell)
        with self._guard:
            kept = self._cells.get(key)
            if kept is not None:
                self._cells.move_to_end(key)
                return kept
        found = merged(
            [
                measured(
                    _in_order(self._numbers(offer, cell), self._bands),
                    offer.radiometry,
                )
                for offer in look.offers
            ]
        )
        with self._guard:
            self._cells[key] = found
            while (
                len(self._cells) > 1
                and sum(one.nbytes for one in self._cells.values()) > _REMEMBERED_BYTES
            ):
                self._cells.popitem(last=False)
        return found

    def _window(
        self, look: Acquisition, area: _Area, block: Block
    ) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.uint8]]:
        """Lay cells side by side: the block at 10 m, and the 20 m pixels around it."""
        fine_bands, coarse_bands = _by_sampling(self._bands)
        halo = area.placement.window(block)
        fine_from = (area.place.row + block.row, area.place.col + block.col)
        coarse_from = (
            area.covered.row // 2 + halo.row,
            area.covered.col // 2 + halo.col,
        )
        fine = np.full(
            (len(fine_bands), block.height, block.width), np.nan, dtype=np.float32
        )
        coarse = np.full(
            (len(coarse_bands), halo.height, halo.width), np.nan, dtype=np.float32
        )
        scl = np.zeros((halo.height, halo.width), dtype=np.uint8)
        for cell in area.cells:
            start = (cell.row, cell.col)
            half = (cell.row // 2, cell.col // 2)
            shape = (cell.height, cell.width)
            fine_cut = _overlap(fine_from, fine.shape[1:], start, shape)
            coarse_cut = _overlap(
                coarse_from, scl.shape, half, (cell.height // 2, cell.width // 2)
            )
            if fine_cut is None and coarse_cut is None:
                continue
            part = self._cell(look, cell)
            if fine_cut is not None:
                into, out_of = fine_cut
                fine[:, *into] = part.fine[:, *out_of]
            if coarse_cut is not None:
                into, out_of = coarse_cut
                coarse[:, *into] = part.coarse[:, *out_of]
                scl[into] = part.scl[out_of]
        return fine, coarse, scl


def _area(grid: Grid) -> _Area:
    """Find a grid in its tile, and the cells that it touches."""
    place = tile_window(grid)
    cells = cells_of(place)
    return _Area(grid=grid, place=place, cells=cells, covered=around(cells))


_Cut = tuple[slice, slice]


def _overlap(
    into: tuple[int, ...],
    into_shape: tuple[int, ...],
    out_of: tuple[int, ...],
    out_of_shape: tuple[int, ...],
) -> tuple[_Cut, _Cut] | None:
    """Slices of what two rectangles share, in each; None if they share nothing."""
    mine, theirs = [], []
    for start, size, other, other_size in zip(
        into, into_shape, out_of, out_of_shape, strict=True
    ):
        low, high = max(start, other), min(start + size, other + other_size)
        if low >= high:
            return None
        mine.append(slice(low - start, high - start))
        theirs.append(slice(low - other, high - other))
    return (mine[0], mine[1]), (theirs[0], theirs[1])


def _by_sampling(bands: Sequence[str]) -> tuple[list[str], list[str]]:
    """Bands of 10 m and of 20 m."""
    return (
        [band for band in bands if band in BANDS_10M],
        [band for band in bands if band in BANDS_20M],
    )


def _in_order(numbers: Numbers, bands: Sequence[str]) -> Numbers:
    """Sort bands as this source gives them."""
    fine, coarse = _by_sampling(bands)
    return Numbers(
        bands_10m=tuple(fine),
        bands_20m=tuple(coarse),
        dn_10m=numbers.dn_10m[[numbers.bands_10m.index(band) for band in fine]],
        dn_20m=numbers.dn_20m[[numbers.bands_20m.index(band) for band in coarse]],
        scl=numbers.scl,
    )


def _is_beside(footprint: Polygon | MultiPolygon, outline: Polygon) -> bool:
    """Tell that a footprint shows nothing of a grid."""
    west, _, east, _ = footprint.bounds
    # one that is wrapped around the earth means nothing in plain degrees
    if not footprint.is_valid or not east - west < _WIDEST_FOOTPRINT:
        return False
    return not footprint.intersects(outline)


def _say_nothing(note: str) -> None:
    """Stand in for a listener."""
