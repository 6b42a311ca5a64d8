"""Scenes from any archive of Level-2A products: identity, cache, checks, conversion.

An archive says what it has and gives numbers as shipped. Here they become looks at the
ground, each once; whole fixed cells of 10 km are fetched, so that no request tells
which site is watched; what was fetched is kept; a scene whose numbers contradict its
metadata is put aside. Numbers stay as they were shipped until a kernel takes them, or
`load` converts them. Products that an archive reads in place, from files of this
machine, are not copied to the cache.

Bands of 20 m are brought to 10 m by bilinear interpolation, NaN exactly where the 20 m
pixel was not measured; classes are repeated. A value depends on the product and the
grid alone, never on the block that asks.
"""

import threading
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta
from typing import Final

import xarray as xr
from shapely import MultiPolygon, Polygon

from rsmonitor.errors import ContractError
from rsmonitor.interfaces import SceneArchive
from rsmonitor.io.sources.scene_area import Area, area_of
from rsmonitor.io.sources.scene_cells import repeated
from rsmonitor.io.sources.scene_keeper import SceneKeeper
from rsmonitor.io.sources.scene_reader import SceneReader
from rsmonitor.records.acquisition import Product
from rsmonitor.records.grid import Block, Grid
from rsmonitor.records.offer import BANDS_10M, BANDS_20M, Offer, TileWindow
from rsmonitor.records.rasters import SCENE, check
from rsmonitor.records.scene import SceneNumbers
from rsmonitor.stages.acquisitions import Acquisition, acquisitions, version_id
from rsmonitor.stages.geodesy import grid_outline
from rsmonitor.stages.reflectance import reflectance_of

_FOOTPRINT_MARGIN: Final = 0.01
"""Degrees. Footprints are rough; one that is farther off than this shows nothing."""

_WIDEST_FOOTPRINT: Final = 90.0
"""Degrees; tiles are a few degrees wide, but for those at the date line."""


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
        self._areas = {grid: area_of(grid) for grid in grids}
        if len({grid.grid_id for grid in grids}) != len(grids):
            raise ContractError("two grids are one")
        self._say = report or _say_nothing
        self._said: set[str] = set()
        self._reader = SceneReader(archive, cache=cache, bands=self._bands)
        self._looks: dict[tuple[str, Product], Acquisition] = {}
        self._guard = threading.Lock()

    @property
    def archive(self) -> SceneArchive:
        """Who has the scenes."""
        return self._archive

    @property
    def fetched_bytes(self) -> int:
        """Bytes of numbers that the archive was asked for, and not the cache."""
        return self._reader.fetched_bytes

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
            What is not in the cache yet, and is not read in place.

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
            if not self._reader.is_in_place(offer)
            for cell in area.cells
            if not self._cache.holds(offer, cell, self._bands)
        )

    def load(self, product: Product, grid: Grid, block: Block) -> xr.Dataset:
        """
        Read one block of one look.

        The first block of a look fetches all cells of the grid and checks them, so that
        no block of a scene that is put aside is ever used. Of a product that is read in
        place it checks a sample; damage elsewhere shows when its block is read.

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
        numbers = self.numbers(product, grid, block)
        order = [numbers.bands.index(band) for band in self._bands]
        return check(
            xr.Dataset(
                {
                    "reflectance": (
                        ("band", "y", "x"),
                        reflectance_of(numbers)[order],
                    ),
                    "scl": (("y", "x"), numbers.scl),
                },
                coords={"band": list(self._bands)},
            ),
            SCENE,
        )

    def numbers(self, product: Product, grid: Grid, block: Block) -> SceneNumbers:
        """
        Read one block of one look as its numbers are stored.

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
        SceneNumbers
            Digital numbers, bands of 10 m as the fine ones and those of 20 m as the
            coarse ones; reflectance, at the same samplings, of a look that is merged
            of products with different radiometry.

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
        part = self._reader.read(look, area, block)
        radiometry = look.offers[0].radiometry
        coarse, fine = area.coarse(block), area.fine(block)
        row, col = 2 * coarse.row - fine.row, 2 * coarse.col - fine.col
        return SceneNumbers(
            fine_bands=part.bands_10m,
            coarse_bands=part.bands_20m,
            fine=part.fine,
            coarse=part.coarse,
            ratio=2,
            row=row,
            col=col,
            scl=repeated(part.scl, (-row, -col), (fine.height, fine.width)),
            add_offset=radiometry.add_offset,
            quantification_value=radiometry.quantification_value,
        )

    # ------------------------------------------------------------------ inside

    def _area(self, grid: Grid) -> Area:
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


def _is_beside(footprint: Polygon | MultiPolygon, outline: Polygon) -> bool:
    """Tell that a footprint shows nothing of a grid."""
    west, _, east, _ = footprint.bounds
    # one that is wrapped around the earth means nothing in plain degrees
    if not footprint.is_valid or not east - west < _WIDEST_FOOTPRINT:
        return False
    return not footprint.intersects(outline)


def _say_nothing(note: str) -> None:
    """Stand in for a listener."""
