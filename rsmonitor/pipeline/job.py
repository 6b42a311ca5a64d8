"""What a run is asked, whom it may ask, and what it answers."""

from dataclasses import dataclass, field

from rsmonitor.interfaces import (
    AlertSink,
    Clock,
    ElevationModel,
    Executor,
    Ledger,
    LicenceRegister,
    Progress,
    SceneSource,
    StateStore,
)
from rsmonitor.records.district import District
from rsmonitor.records.parameters import Parameters
from rsmonitor.records.rule import LawTable
from rsmonitor.records.run import Partition, RunResult
from rsmonitor.records.week import IsoWeek
from rsmonitor.stages.jurisdiction import County


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

    block_size: int = 512
    """Rows and columns of a block; changes no result."""

    laws: LawTable = field(default_factory=LawTable)
    """Laws that verdicts name; they decide no category."""

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


@dataclass(frozen=True, slots=True, kw_only=True)
class Doors:
    """The outside, as the pipeline sees it."""

    source: SceneSource
    """Scenes."""

    states: StateStore
    """Per-block state."""

    ledger: Ledger
    """The commit point."""

    register: LicenceRegister
    """Licences."""

    sink: AlertSink
    """Outputs."""

    executor: Executor
    """Workers."""

    clock: Clock
    """Time."""

    progress: Progress
    """Who watches."""

    elevation: ElevationModel | None = None
    """Relief, whose shadow is not taken for ground; None: relief is not looked at."""

    counties: tuple[County, ...] = ()
    """Border layer that says which counties an alert names; none: the district's."""


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
