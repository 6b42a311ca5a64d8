"""Reading of looks: from the cache or in place, checked once, merged of strips."""

import threading
from collections import OrderedDict
from typing import TYPE_CHECKING, Final

import numpy as np

from rsmonitor.errors import SourceError, SourceUnreachableError
from rsmonitor.interfaces import SceneArchive
from rsmonitor.io.foundation.redaction import redact
from rsmonitor.io.sources.cog_scenes import (
    DirectArchive,
    sample_in_place,
    window_in_place,
)
from rsmonitor.io.sources.scene_area import Area, overlap
from rsmonitor.io.sources.scene_cells import (
    Measured,
    as_shipped,
    by_sampling,
    is_one_radiometry,
    measured,
    merged,
)
from rsmonitor.io.sources.scene_keeper import SceneKeeper
from rsmonitor.records.grid import Block
from rsmonitor.records.offer import Numbers, Offer, TileWindow
from rsmonitor.records.scene import Stored
from rsmonitor.stages.acquisitions import Acquisition, version_id
from rsmonitor.stages.radiometry import CHECK_VERSION, SceneTally, judge, tally
from rsmonitor.stages.reflectance import NODATA_DN

if TYPE_CHECKING:
    from rsmonitor.records.acquisition import Product

_REMEMBERED_BYTES: Final = 256 * 2**20
"""Cells are kept in memory, merged, while they fit in this much."""


class SceneReader:
    """
    Reader of the looks of one archive; for any number of threads.

    Parameters
    ----------
    archive : SceneArchive
        Who has the scenes.
    cache : SceneKeeper
        Where fetched pieces stay, and what was learnt of products.
    bands : tuple of str
        ESA names of the bands to read; `SCL` is always read.
    """

    def __init__(
        self, archive: SceneArchive, *, cache: SceneKeeper, bands: tuple[str, ...]
    ) -> None:
        self._archive = archive
        self._in_place = archive if isinstance(archive, DirectArchive) else None
        self._cache = cache
        self._bands = bands
        self._sound: set[tuple[str, Product]] = set()
        self._cells: OrderedDict[tuple[str, TileWindow], Measured] = OrderedDict()
        self._guard = threading.Lock()
        self._checking: dict[tuple[str, Product], threading.Lock] = {}
        self._fetched_bytes = 0

    @property
    def fetched_bytes(self) -> int:
        """Bytes of numbers that the archive was asked for, and not the cache."""
        with self._guard:
            return self._fetched_bytes

    def is_in_place(self, offer: Offer) -> bool:
        """
        Tell whether a product is read where it lies, and nothing of it is kept.

        Parameters
        ----------
        offer : Offer
            Of the archive.

        Returns
        -------
        bool
            False for all products of most archives.
        """
        return self._stamp(offer) is not None

    def read(self, look: Acquisition, area: Area, block: Block) -> Measured:
        """
        Read one block of one look, of which all products are held against metadata.

        Parameters
        ----------
        look : Acquisition
            The products.
        area : Area
            The grid in its tile.
        block : Block
            Of the grid.

        Returns
        -------
        Measured
            Those of 10 m on the pixels of the block, those of 20 m and the classes on
            ``area.coarse(block)``.

        Raises
        ------
        SourceError
            If a piece cannot be read, or a product contradicts its metadata.
        """
        self._require_sound(look, area)
        (first, *others) = look.offers
        if self._in_place is None or others or self._stamp(first) is None:
            return self._of_cells(look, area, block)
        try:
            return as_shipped(
                window_in_place(self._in_place, first, self._bands, area, block),
                self._bands,
            )
        except SourceError as error:
            raise self._failed(first, area.fine(block), error) from error

    # ------------------------------------------------------------------ inside

    def _numbers(self, offer: Offer, cell: TileWindow) -> Numbers:
        """Fetch one cell of one product, or give the kept one."""
        try:
            if self.is_in_place(offer):
                return self._archive.fetch(offer, cell, self._bands)
            return self._cache.fetch(
                offer,
                cell,
                self._bands,
                lambda: self._asked(offer, cell),
            )
        except (SourceError, OSError) as error:
            raise self._failed(offer, cell, error) from error

    def _failed(
        self, offer: Offer, where: TileWindow | Block, error: Exception
    ) -> SourceError:
        """Remember that a product could not be read, and say which and where."""
        reason = redact(str(error))
        attempts = self._cache.note_failure(offer, reason)
        kind = (
            SourceUnreachableError
            if isinstance(error, SourceUnreachableError)
            else SourceError
        )
        return kind(
            f"{version_id(offer)} from {self._archive.name}, tile {offer.mgrs_tile} "
            f"rows {where.row} to {where.row + where.height}, columns {where.col} to "
            f"{where.col + where.width}: {reason} (failed {attempts} "
            f"{'time' if attempts == 1 else 'times'}; will be tried again)"
        )

    def _stamp(self, offer: Offer) -> str | None:
        """Give what changes when a product does; None if it is not read in place."""
        if self._in_place is None:
            return None
        return self._in_place.stamp(offer, self._bands)

    def _asked(self, offer: Offer, cell: TileWindow) -> Numbers:
        """Ask the archive for a cell, and count what it gives."""
        numbers = self._archive.fetch(offer, cell, self._bands)
        with self._guard:
            for part in (numbers.dn_10m, numbers.dn_20m, numbers.scl):
                self._fetched_bytes += part.nbytes
        return numbers

    def _require_sound(self, look: Acquisition, area: Area) -> None:
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

    def _check(self, offer: Offer, area: Area) -> None:
        """Count the cells of a product, or a sample in place, and judge it."""
        version = version_id(offer)
        scope = f"{area.grid.grid_id} {' '.join(self._bands)} check {CHECK_VERSION}"
        reason = self._cache.quarantined(offer)
        if reason is not None:
            raise SourceError(f"{version} is in quarantine: {reason}")
        stamp = self._stamp(offer)
        if stamp is not None:
            scope = f"{scope} sample of {stamp}"
        if self._cache.is_checked(offer, scope) and (
            stamp is not None
            or all(self._cache.holds(offer, cell, self._bands) for cell in area.cells)
        ):
            return
        counts: SceneTally | None = None
        if self._in_place is not None and stamp is not None:
            try:
                counts = tally(
                    sample_in_place(self._in_place, offer, self._bands, area)
                )
            except SourceError as error:
                raise self._failed(offer, area.covered, error) from error
        else:
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
        """Give a cell of a look, merged."""
        key = (look.product.product_id, cell)
        with self._guard:
            kept = self._cells.get(key)
            if kept is not None:
                self._cells.move_to_end(key)
                return kept
        parts = [
            as_shipped(self._numbers(offer, cell), self._bands) for offer in look.offers
        ]
        if not is_one_radiometry(look.offers):
            parts = [
                measured(part, offer.radiometry)
                for part, offer in zip(parts, look.offers, strict=True)
            ]
        found = merged(parts)
        with self._guard:
            self._cells[key] = found
            while (
                len(self._cells) > 1
                and sum(one.nbytes for one in self._cells.values()) > _REMEMBERED_BYTES
            ):
                self._cells.popitem(last=False)
        return found

    def _of_cells(self, look: Acquisition, area: Area, block: Block) -> Measured:
        """Lay cells side by side."""
        names_10m, names_20m = by_sampling(self._bands)
        inner, halo = area.fine(block), area.coarse(block)
        is_dn = is_one_radiometry(look.offers)
        whole = Measured(
            bands_10m=tuple(names_10m),
            bands_20m=tuple(names_20m),
            fine=_nothing((len(names_10m), inner.height, inner.width), is_dn=is_dn),
            coarse=_nothing((len(names_20m), halo.height, halo.width), is_dn=is_dn),
            scl=np.zeros((halo.height, halo.width), dtype=np.uint8),
        )
        for cell in area.cells:
            outer = Block(
                row=cell.row, col=cell.col, height=cell.height, width=cell.width
            )
            half = Block(
                row=cell.row // 2,
                col=cell.col // 2,
                height=cell.height // 2,
                width=cell.width // 2,
            )
            fine_cut, coarse_cut = overlap(inner, outer), overlap(halo, half)
            if fine_cut is None and coarse_cut is None:
                continue
            part = self._cell(look, cell)
            if fine_cut is not None:
                into, out_of = fine_cut
                whole.fine[:, *into] = part.fine[:, *out_of]
            if coarse_cut is not None:
                into, out_of = coarse_cut
                whole.coarse[:, *into] = part.coarse[:, *out_of]
                whole.scl[into] = part.scl[out_of]
        return whole


def _nothing(shape: tuple[int, ...], *, is_dn: bool) -> Stored:
    """Give numbers of which none is a measurement."""
    if is_dn:
        return np.full(shape, NODATA_DN, dtype=np.uint16)
    return np.full(shape, np.nan, dtype=np.float32)
