"""In-memory doors that obey the same laws as the real ones, for tests and trials.

Of `rsmonitor.interfaces`, the clock and the executor have theirs elsewhere:
`rsmonitor.io.foundation.clock.FixedClock` and
`rsmonitor.io.executors.inprocess.InProcessExecutor`.
"""

import hashlib
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

import numpy as np
import xarray as xr
import xxhash
from numpy.typing import NDArray

from rsmonitor.errors import (
    OutputError,
    SourceError,
    StoreError,
)
from rsmonitor.io.stores.slot_format import Layout, State
from rsmonitor.io.stores.snapshot import snapshot_of
from rsmonitor.io.stores.state import idle_slot, part_of, target_of
from rsmonitor.records.acquisition import AcquisitionKey, Product
from rsmonitor.records.grid import Block, Grid
from rsmonitor.records.licence import Licence, RegisterSnapshot
from rsmonitor.records.rasters import SCENE, check
from rsmonitor.records.run import (
    RunResult,
    SlotPointer,
    StateKind,
)
from rsmonitor.records.scene import SceneNumbers
from rsmonitor.stages.reflectance import as_numbers

_Place = tuple[str, str, str, str]


class MemoryStateStore:
    """State of blocks in memory; satisfies `rsmonitor.interfaces.StateStore`."""

    def __init__(self) -> None:
        self._slots: dict[tuple[_Place, int], State] = {}

    def write(
        self,
        array: State,
        *,
        line: str,
        grid_id: str,
        block_id: str,
        kind: StateKind,
        current: SlotPointer | None,
    ) -> SlotPointer:
        """
        Keep a copy in the slot that `current` does not point at.

        Parameters
        ----------
        array : ndarray of uint16 or int16, shape (plane, y, x)
            The state.
        line : str
            `Partition.line`.
        grid_id : str
            `Grid.grid_id`.
        block_id : str
            `Block.block_id`.
        kind : {"reference", "evidence"}
            Which state of the block.
        current : SlotPointer or None
            The slot that is the truth for this place.

        Returns
        -------
        SlotPointer
            Points at what was written.

        Raises
        ------
        ContractError
            As `rsmonitor.io.stores.state.SlotStateStore.write`.
        """
        place = (line, grid_id, block_id, kind)
        slot = idle_slot(array, place=place, current=current)
        native: Any = np.array(array, dtype=Layout.of(array).dtype, order="C")
        self._slots[place, slot] = native
        return SlotPointer(
            line=line,
            grid_id=grid_id,
            block_id=block_id,
            kind=kind,
            slot=slot,
            sha256=_array_digest(native),
        )

    def read(
        self,
        pointer: SlotPointer,
        planes: slice | None = None,
        *,
        out: State | None = None,
    ) -> State:
        """
        Read a slot, or some of its planes, and check its digest.

        Parameters
        ----------
        pointer : SlotPointer
            From `write`, or from the ledger.
        planes : slice, optional
            Which planes, in steps of 1; all by default.
        out : ndarray of uint16 or int16, shape (plane, y, x), optional
            Where to.

        Returns
        -------
        ndarray of uint16 or int16, shape (plane, y, x)
            `out`, or a copy.

        Raises
        ------
        StoreError
            If the slot is missing or holds something else.
        ContractError
            If `planes` or `out` does not fit.
        """
        array = self._held(pointer)
        part = part_of(Layout.of(array), planes=planes)
        target = target_of(Layout.of(array), part, out)
        target[:] = array[part[0].start : part[0].stop]
        return target

    def read_window(self, pointer: SlotPointer, rows: slice, cols: slice) -> State:
        """
        Read a window of a slot.

        Parameters
        ----------
        pointer : SlotPointer
            As for `read`.
        rows : slice
            Rows of the block, in steps of 1.
        cols : slice
            Columns, likewise.

        Returns
        -------
        ndarray of uint16 or int16, shape (plane, y, x)
            A copy.

        Raises
        ------
        StoreError
            If the slot is missing or holds something else.
        ContractError
            If a slice has another step.
        """
        array = self._held(pointer)
        part_of(Layout.of(array), rows=rows, cols=cols)
        return array[:, rows, cols].copy()

    def _held(self, pointer: SlotPointer) -> State:
        """Give what a slot holds, if it is what the pointer means."""
        array = self._slots.get((pointer.place, pointer.slot))
        name = f"state {'/'.join(pointer.place)}/{pointer.slot}"
        if array is None:
            raise StoreError(f"{name} is missing")
        if _array_digest(array) != pointer.sha256:
            raise StoreError(f"{name} is damaged: its digest is not {pointer.sha256}")
        return array

    def holds(self, line: str) -> bool:
        """
        Say whether anything at all is kept of a line.

        Parameters
        ----------
        line : str
            Which line.

        Returns
        -------
        bool
            True if a slot is.
        """
        return any(place[0] == line for place, _ in self._slots)

    def forget(self, keep: Iterable[SlotPointer], *, lines: Iterable[str]) -> None:
        """
        Remove the blocks of `lines` that no pointer of `keep` points at.

        Parameters
        ----------
        keep : iterable of SlotPointer
            The truth.
        lines : iterable of str
            Lines to clean.
        """
        kept = {pointer.place for pointer in keep}
        cleaned = set(lines)
        for place, slot in list(self._slots):
            if place[0] in cleaned and place not in kept:
                del self._slots[place, slot]


class MemoryRegister:
    """Licences in memory; satisfies `rsmonitor.interfaces.LicenceRegister`.

    Parameters
    ----------
    licences : iterable of Licence, default none
        The register.
    """

    def __init__(self, licences: Iterable[Licence] = ()) -> None:
        self._licences = tuple(licences)

    def snapshot(self) -> RegisterSnapshot:
        """
        Give all licences.

        Returns
        -------
        RegisterSnapshot
            See `rsmonitor.io.stores.snapshot.snapshot_of`.
        """
        return snapshot_of(self._licences)


class MemorySink:
    """Results in memory; satisfies `rsmonitor.interfaces.AlertSink`."""

    def __init__(self) -> None:
        self.staged: dict[str, RunResult] = {}
        """Results by location, whether readers see them or not."""
        self.published: list[str] = []
        """Locations in the order in which they became visible."""

    @property
    def current(self) -> RunResult | None:
        """The result that readers see; None before the first."""
        return self.staged[self.published[-1]] if self.published else None

    def stage(self, result: RunResult) -> str:
        """
        Keep a result where no reader looks.

        Parameters
        ----------
        result : RunResult
            What a run says.

        Returns
        -------
        str
            Its location, `Partition.run_id`.
        """
        location = result.partition.run_id
        self.staged[location] = result
        return location

    def publish(self, location: str) -> None:
        """
        Make a staged result the one that readers see; repeatable.

        Parameters
        ----------
        location : str
            From `stage`.

        Raises
        ------
        OutputError
            If nothing was staged there.
        """
        if location not in self.staged:
            raise OutputError(f"nothing was staged at {location}")
        if self.published[-1:] != [location]:
            self.published.append(location)


class MemorySource:
    """Scenes in memory; satisfies `rsmonitor.interfaces.SceneSource`.

    Parameters
    ----------
    grid : Grid
        The grid of all arrays.
    times : sequence of datetime
        Time of sensing of each scene, timezone-aware UTC, in any order.
    reflectance : ndarray of float32, shape (time, band, y, x)
        Surface reflectance, NaN where not measured.
    scl : ndarray of uint8, shape (time, y, x)
        Scene classification.
    bands : sequence of str
        ESA names of the bands.

    Raises
    ------
    SourceError
        If shapes or types do not fit, or a time is there twice.
    """

    name = "memory"
    """Stands in `Product.source`."""

    def __init__(
        self,
        grid: Grid,
        *,
        times: Sequence[datetime],
        reflectance: NDArray[np.float32],
        scl: NDArray[np.uint8],
        bands: Sequence[str],
    ) -> None:
        shape = (len(times), len(bands), *grid.shape)
        if reflectance.shape != shape or reflectance.dtype != np.float32:
            raise SourceError(
                f"reflectance must be float32 of shape {shape}, got "
                f"{reflectance.dtype} of shape {reflectance.shape}"
            )
        scl_shape = (len(times), *grid.shape)
        if scl.shape != scl_shape or scl.dtype != np.uint8:
            raise SourceError(
                f"scl must be uint8 of shape {scl_shape}, got {scl.dtype} of shape "
                f"{scl.shape}"
            )
        if len(set(times)) != len(times):
            raise SourceError("a time is there twice; one scene is one acquisition")
        self._grid = grid
        self._bands = tuple(bands)
        self._reflectance = reflectance
        self._scl = scl
        self._index = {time: index for index, time in enumerate(times)}

    @property
    def bands(self) -> tuple[str, ...]:
        """ESA names of the bands of `load`, in its order."""
        return self._bands

    def grids(self) -> tuple[Grid, ...]:
        """
        Give the only grid.

        Returns
        -------
        tuple of Grid
            One.
        """
        return (self._grid,)

    def find(self, grid: Grid, *, until: datetime) -> tuple[Product, ...]:
        """
        List the scenes sensed before `until`, oldest first.

        Parameters
        ----------
        grid : Grid
            The only one.
        until : datetime
            Timezone-aware; not included.

        Returns
        -------
        tuple of Product
            One per scene.

        Raises
        ------
        SourceError
            If it is another grid.
        """
        self._require_grid(grid)
        return tuple(
            Product(
                key=AcquisitionKey(
                    grid_id=grid.grid_id, platform="unknown", datatake_start=time
                ),
                product_id=f"memory-{time:%Y%m%dT%H%M%S.%f}",
                processing_baseline=None,
                sensed_at=time,
                source=self.name,
            )
            for time in sorted(self._index)
            if time < until
        )

    def load(self, product: Product, grid: Grid, block: Block) -> xr.Dataset:
        """
        Read one block of one scene.

        Parameters
        ----------
        product : Product
            From `find`.
        grid : Grid
            The only one.
        block : Block
            Which pixels.

        Returns
        -------
        xarray.Dataset
            `rsmonitor.records.rasters.SCENE`; copies, so that a caller may write.

        Raises
        ------
        SourceError
            If the grid or the scene is unknown.
        """
        self._require_grid(grid)
        index = self._index.get(product.sensed_at.astimezone(UTC))
        if index is None:
            raise SourceError(f"no scene {product.product_id} in memory")
        window = (index, ..., block.rows, block.cols)
        dataset = xr.Dataset(
            {
                "reflectance": (("band", "y", "x"), self._reflectance[window].copy()),
                "scl": (("y", "x"), self._scl[window].copy()),
            },
            coords={"band": list(self._bands)},
        )
        return check(dataset, SCENE)

    def numbers(self, product: Product, grid: Grid, block: Block) -> SceneNumbers:
        """
        Read the same as kernels take it.

        Parameters
        ----------
        product : Product
            From `find`.
        grid : Grid
            The only one.
        block : Block
            Which pixels.

        Returns
        -------
        SceneNumbers
            The reflectance of `load`, all bands on the pixels of the block.

        Raises
        ------
        SourceError
            If the grid or the scene is unknown.
        """
        scene = self.load(product, grid, block)
        return as_numbers(
            scene["reflectance"].to_numpy(), scene["scl"].to_numpy(), self._bands
        )

    def _require_grid(self, grid: Grid) -> None:
        """Refuse another grid."""
        if grid.grid_id != self._grid.grid_id:
            raise SourceError(
                f"grid {grid.grid_id} is not in memory, {self._grid.grid_id} is"
            )


class MemoryProgress:
    """Steps in memory; satisfies `rsmonitor.interfaces.Progress`."""

    def __init__(self) -> None:
        self.steps: list[tuple[str, int, int]] = []
        """What was said, in order: what, done, total."""

    def __call__(self, what: str, done: int, total: int) -> None:
        """
        Keep a step.

        Parameters
        ----------
        what : str
            The work.
        done : int
            Steps done.
        total : int
            Steps in all.
        """
        self.steps.append((what, done, total))


def _array_digest(array: State) -> str:
    """Digest type, shape and values; a slip is meant to be found, not a forger."""
    values = xxhash.xxh3_128_hexdigest(np.ascontiguousarray(array).data)
    text = f"{array.dtype.name} {array.shape} {values}"
    return hashlib.sha256(text.encode()).hexdigest()
