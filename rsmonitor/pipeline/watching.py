"""Windows of sites, read look by look: what each look shows of each site in them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final, cast

import numpy as np
from numpy.typing import NDArray

from rsmonitor.errors import SourceError, StoreError
from rsmonitor.pipeline.job import Doors, Job
from rsmonitor.pipeline.looks import Looks, day_number, day_of
from rsmonitor.records.acquisition import AcquisitionKey, Product
from rsmonitor.records.grid import Block, Grid
from rsmonitor.records.lifecycle import HistoryCurve, Observation
from rsmonitor.records.run import Partition, SlotPointer
from rsmonitor.records.site import Site
from rsmonitor.stages.evidence import residuals
from rsmonitor.stages.greenness import Footprint, curve_of, on_day, shown
from rsmonitor.stages.registration import Shift

GREENNESS: Final = "ndvi"
"""The index that a recovery curve is made of."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """How a run took a look in."""

    shift: Shift | None = None
    """How far it was put back."""

    usable: bool = True
    """False for a look that could not be judged: it shows nothing."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Held:
    """The looks that a grid's evidence rests on, and where its state is."""

    grid: Grid
    """The grid."""

    looks: tuple[Product, ...]
    """Oldest first, those of the history included."""

    pointers: Mapping[str, SlotPointer]
    """The reference of each block, by block id."""

    taken: Callable[[str], Taken]
    """Says by product id how a look was taken in."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Place:
    """One site, its pixels, and the looks at it that are wanted."""

    site: Site
    """Which."""

    pixels: Footprint
    """Its pixels, and those around it."""

    looks: tuple[Product, ...]
    """Looks to read."""


def look_name(product: Product) -> str:
    """
    Name a look; the same for every version of its product.

    Parameters
    ----------
    product : Product
        One version.

    Returns
    -------
    str
        Grid, platform and start, with slashes between.
    """
    start = product.key.datatake_start.strftime("%Y%m%dT%H%M%SZ")
    return f"{product.key.grid_id}/{product.key.platform}/{start}"


def in_order(looks: Mapping[AcquisitionKey, Product]) -> tuple[Product, ...]:
    """
    Sort looks by time.

    Parameters
    ----------
    looks : Mapping of AcquisitionKey to Product
        One version of each.

    Returns
    -------
    tuple of Product
        Oldest first.
    """
    return tuple(sorted(looks.values(), key=lambda p: (p.sensed_at, p.key)))


class Reader:
    """Reads looks of one grid at windows of sites.

    Parameters
    ----------
    doors : Doors
        The outside.
    job : Job
        What runs are asked.
    partition : Partition
        Whose state it is.
    held : Held
        Looks of the grid.
    looks : Looks
        What reads them.
    """

    def __init__(
        self, doors: Doors, job: Job, partition: Partition, held: Held, looks: Looks
    ) -> None:
        self._doors, self._held, self._looks = doors, held, looks
        self._size = job.block_size
        self._line = partition.line
        self._index = looks.names.index(GREENNESS)
        self._failed: set[str] = set()

    def observe(
        self, group: Sequence[Place], curves: Mapping[str, HistoryCurve]
    ) -> tuple[list[Observation], list[HistoryCurve]]:
        """
        Observe sites that lie together.

        Parameters
        ----------
        group : sequence of Place
            At least one.
        curves : Mapping of str to HistoryCurve
            What is known by site of how it was before.

        Returns
        -------
        observations : list of Observation
            Look by look; what cannot be read is left out, and tried next time.
        curves : list of HistoryCurve
            How the sites were before; none for a site that is not monitored.

        Raises
        ------
        StoreError
            If stored state is damaged, or a block has none.
        """
        window = _around([place.pixels.window for place in group])
        reference = self._reference(window)
        known = {
            place.site.site_id: self._curve(place, reference, window, curves)
            for place in group
        }
        rows: list[Observation] = []
        products = {p.key: p for place in group for p in place.looks}
        for product in in_order(products):
            values = self._read(product, window)
            if values is None:
                continue
            departures = self._departures(values, reference, day_number(product))
            rows += [
                _observation(
                    place.site,
                    product,
                    values=values[place.pixels.window.within(window)],
                    departures=departures[place.pixels.window.within(window)],
                    pixels=place.pixels,
                    curve=known[place.site.site_id],
                )
                for place in group
                if product in place.looks
            ]
        return rows, [curve for curve in known.values() if curve is not None]

    def _read(self, product: Product, window: Block) -> NDArray[np.float32] | None:
        """Read NDVI where the ground was seen; None if the product is gone."""
        if product.product_id in self._failed:
            return None
        taken = self._held.taken(product.product_id)
        if not taken.usable:
            return np.full((window.height, window.width), np.nan, dtype=np.float32)
        try:
            seen = self._looks.seen(product, window, taken.shift)
        except SourceError:
            # the run itself says what it could not read; this is an old look, which
            # the source lists no more
            self._failed.add(product.product_id)
            return None
        values: NDArray[np.float32] = seen[self._index]
        return values

    def _departures(
        self, values: NDArray[np.float32], reference: NDArray[np.int16], day: int
    ) -> NDArray[np.float32]:
        """Give NDVI less what the reference predicts."""
        every = np.full(
            (len(self._looks.names), *values.shape), np.nan, dtype=np.float32
        )
        every[self._index] = values
        departures: NDArray[np.float32] = residuals(every, reference, day)[self._index]
        return departures

    def _curve(
        self,
        place: Place,
        reference: NDArray[np.int16],
        window: Block,
        curves: Mapping[str, HistoryCurve],
    ) -> HistoryCurve | None:
        """Give the curve that a site had before; a later reference replaces none."""
        site_id = place.site.site_id
        before = curves.get(site_id)
        if before is not None and before.line != self._line:
            return before
        inside = place.pixels.window.within(window)
        coefficients = curve_of(
            reference[:, *inside],
            place.pixels.inside,
            index=self._index,
            n_index=len(self._looks.names),
        )
        if coefficients is None:
            return before
        return HistoryCurve(site_id=site_id, line=self._line, coefficients=coefficients)

    def _reference(self, window: Block) -> NDArray[np.int16]:
        """Read the reference of a window that may lie in several blocks."""
        whole: NDArray[np.int16] | None = None
        for block in self._held.grid.blocks(self._size):
            top, left = max(block.row, window.row), max(block.col, window.col)
            bottom = min(block.row + block.height, window.row + window.height)
            right = min(block.col + block.width, window.col + window.width)
            if top >= bottom or left >= right:
                continue
            pointer = self._held.pointers.get(block.block_id)
            if pointer is None:
                raise StoreError(
                    f"the ledger has no reference of block {block.block_id} of grid "
                    f"{self._held.grid.grid_id}: was run.block_size changed? Put it "
                    "back, or start with an empty work folder"
                )
            part = self._doors.states.read_window(
                pointer,
                slice(top - block.row, bottom - block.row),
                slice(left - block.col, right - block.col),
            )
            if whole is None:
                whole = np.empty(
                    (len(part), window.height, window.width), dtype=np.int16
                )
            whole[
                :,
                top - window.row : bottom - window.row,
                left - window.col : right - window.col,
            ] = part
        # a window lies in its grid, which its blocks cover
        return cast("NDArray[np.int16]", whole)


def _around(windows: Sequence[Block]) -> Block:
    """Give the smallest window that holds all."""
    row, col = min(w.row for w in windows), min(w.col for w in windows)
    return Block(
        row=row,
        col=col,
        height=max(w.row + w.height for w in windows) - row,
        width=max(w.col + w.width for w in windows) - col,
    )


def _observation(
    site: Site,
    product: Product,
    *,
    values: NDArray[np.float32],
    departures: NDArray[np.float32],
    pixels: Footprint,
    curve: HistoryCurve | None,
) -> Observation:
    """Say what one look shows of one site."""
    seen = shown(values, departures, pixels)
    predicted = (
        None
        if curve is None
        else round(on_day(curve.coefficients, day_number(product)), 4)
    )
    return Observation(
        site_id=site.site_id,
        look=look_name(product),
        product_id=product.product_id,
        day=day_of(product),
        share_seen=round(seen.share_seen, 4),
        ndvi=seen.ndvi,
        predicted=predicted,
        ring=seen.ring,
        ring_predicted=seen.ring_predicted,
        bare_share=None if seen.bare_share is None else round(seen.bare_share, 4),
        area_m2=_area(site, day_of(product)),
    )


def _area(site: Site, day: date) -> float:
    """Give the area that had begun by a day."""
    parts = site.latest.disturbance.increments
    return round(sum(p.area_m2 for p in parts if p.began_by <= day), 1)
