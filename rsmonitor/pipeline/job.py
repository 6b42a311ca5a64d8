"""What a run is asked, whom it may ask, and what it answers."""

import threading
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from datetime import datetime
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from rsmonitor.interfaces import (
    AlertSink,
    Clock,
    Diary,
    ElevationModel,
    Executor,
    Ledger,
    LicenceRegister,
    Progress,
    SceneSource,
    Scratch,
    StateStore,
)
from rsmonitor.pipeline.looks import Looks
from rsmonitor.pipeline.relief import Relief
from rsmonitor.records.district import District
from rsmonitor.records.grid import Grid
from rsmonitor.records.parameters import Parameters
from rsmonitor.records.provenance import Origin
from rsmonitor.records.rule import LawTable
from rsmonitor.records.run import Partition, RunResult
from rsmonitor.records.week import IsoWeek
from rsmonitor.stages.classify import CauseModel
from rsmonitor.stages.jurisdiction import County

_Number = TypeVar("_Number", bound=np.generic)


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """What is to be done, apart from where things are."""

    district: District
    """Where."""

    parameters: Parameters
    """How."""

    settings_digest: str
    """SHA-256 of the settings that can change a result."""

    algorithm: str
    """`rsmonitor.ALGORITHM_VERSION`."""

    software: str
    """``rsmonitor`` and its version."""

    block_size: int = 1024
    """Rows and columns of a block; changes no result."""

    laws: LawTable = field(default_factory=LawTable)
    """Laws that verdicts name; they decide no category."""

    cause_model: CauseModel | None = None
    """Names the causes of disturbances; None: the rules do."""

    def partition(self, week: IsoWeek) -> Partition:
        """
        Name the run of one week.

        Parameters
        ----------
        week : IsoWeek
            The week.

        Returns
        -------
        Partition
            Its identity.
        """
        return Partition(
            district=self.district.code,
            week=week,
            algorithm=self.algorithm,
            settings_digest=self.settings_digest,
        )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class BlockDoors:
    """What a worker may touch: everything that is done block by block.

    A worker in another process opens its own, see `rsmonitor.wiring`.
    """

    source: SceneSource
    """Scenes."""

    states: StateStore
    """Per-block state."""

    scratch: Scratch
    """Screened looks between two passes."""

    elevation: ElevationModel | None = None
    """Relief, whose shadow is not taken for ground; None: relief is not looked at."""

    _own: threading.local = field(default_factory=threading.local)
    _looks: dict[tuple[Grid, Parameters, datetime], Looks] = field(default_factory=dict)

    def buffer(
        self, name: str, shape: tuple[int, ...], dtype: type[_Number]
    ) -> NDArray[_Number]:
        """
        Give an array that this thread has used before: new memory costs more.

        Parameters
        ----------
        name : str
            What for.
        shape : tuple of int
            Its shape.
        dtype : type
            Its type.

        Returns
        -------
        ndarray
            With whatever it holds; the next call for the same gives the same memory.
        """
        size = int(np.prod(shape))
        kept: NDArray[_Number] | None = getattr(self._own, name, None)
        if kept is None or kept.size < size:
            kept = np.empty(size, dtype=dtype)
            setattr(self._own, name, kept)
        return kept[:size].reshape(shape)

    def looks(self, grid: Grid, parameters: Parameters, *, until: datetime) -> Looks:
        """
        Give what reads the looks of a grid.

        Parameters
        ----------
        grid : Grid
            The grid.
        parameters : Parameters
            Indices and clear-sky screen.
        until : datetime
            End of the week: products sensed before it can be read.

        Returns
        -------
        Looks
            The same one for the same grid and time.

        Raises
        ------
        SourceError
            If the source's bands give none of the indices.
        """
        key = (grid, parameters, until)
        known = self._looks.get(key)
        if known is None:
            # a source reads what it has found; in another process it has found nothing
            self.source.find(grid, until=until)
            relief = None if self.elevation is None else Relief(self.elevation, grid)
            known = Looks(self.source, grid, parameters, self.scratch, relief)
            self._looks[key] = known
        return known


def unrecorded(product_ids: Collection[str]) -> Origin:
    """
    Record nothing of what is read.

    Parameters
    ----------
    product_ids : collection of str
        `Product.product_id` of what is read.

    Returns
    -------
    Origin
        Empty.
    """
    del product_ids
    return Origin()


@dataclass(frozen=True, slots=True, kw_only=True)
class Doors:
    """The outside, as the pipeline sees it."""

    blocks: BlockDoors
    """Scenes and state, for what is done here and not by a worker."""

    ledger: Ledger
    """The commit point."""

    register: LicenceRegister
    """Licences."""

    sink: AlertSink
    """Outputs."""

    executor: Executor[BlockDoors]
    """Workers."""

    clock: Clock
    """Time."""

    progress: Progress
    """Who watches."""

    counties: tuple[County, ...] = ()
    """Border layer that says which counties an alert names; none: the district's."""

    diary: Diary | None = None
    """Where observations of sites are kept; None: sites are not followed."""

    origin: Callable[[Collection[str]], Origin] = unrecorded
    """Gives checksums of products, by id, and the software that reads them."""

    @property
    def source(self) -> SceneSource:
        """Scenes."""
        return self.blocks.source

    @property
    def states(self) -> StateStore:
        """Per-block state."""
        return self.blocks.states


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """A scene that could not be used, and why."""

    product_id: str
    """Which."""

    reason: str
    """What the source said."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What one call of `rsmonitor.pipeline.run` did."""

    partition: Partition
    """Which run."""

    result: RunResult | None
    """None if the run had been committed before: nothing was done."""

    location: str
    """Where the outputs are, in the sink's terms."""

    found: int = 0
    """Scenes up to the end of the week that the source knows, history included."""

    unusable: tuple[str, ...] = ()
    """Scenes that showed too little ground to be judged; not tried again."""

    refused: tuple[Refused, ...] = ()
    """Scenes that failed; they are tried again next time."""

    notes: tuple[str, ...] = ()
    """What a person should know, one sentence each."""
