"""One settings file, opened: scenes, state, ledger, licences, outputs."""

import contextlib
import functools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from rsmonitor import ALGORITHM_VERSION, __version__
from rsmonitor.config import Settings
from rsmonitor.errors import NoClearObservationError
from rsmonitor.interfaces import Clock, Executor, Progress, SceneSource
from rsmonitor.io.deliver.folder import FolderSink, Heads
from rsmonitor.io.executors.dask import DaskExecutor
from rsmonitor.io.executors.inprocess import InProcessExecutor
from rsmonitor.io.executors.lease import Lease
from rsmonitor.io.foundation.clock import SystemClock
from rsmonitor.io.foundation.files import require_writable
from rsmonitor.io.licences.law import SHIPPED, read_law_table
from rsmonitor.io.sources.elevation import Elevation
from rsmonitor.io.sources.scenes import ArchiveScenes
from rsmonitor.io.stores.observations import StoredObservations
from rsmonitor.io.stores.register import FileRegister
from rsmonitor.io.stores.scratch import FolderScratch
from rsmonitor.io.stores.state import SlotStateStore
from rsmonitor.pipeline import BlockDoors, Doors, Job
from rsmonitor.records.rule import LawTable
from rsmonitor.wiring.cases import heads_of
from rsmonitor.wiring.causes import digest_of, model_of
from rsmonitor.wiring.licences import counties_of, register_of
from rsmonitor.wiring.origin import recorder
from rsmonitor.wiring.pictures import map_writer
from rsmonitor.wiring.sources import open_source, unheard
from rsmonitor.wiring.stores import open_diary, open_ledger

SOFTWARE: Final = f"rsmonitor {__version__}"

EVER: Final = datetime(9000, 1, 1, tzinfo=UTC)
"""Later than any look."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Office:
    """Everything of one settings file, opened."""

    settings: Settings
    """What the file says."""

    job: Job
    """What a run is asked."""

    doors: Doors
    """Whom it may ask."""

    notes: tuple[str, ...]
    """What opening found worth telling."""

    refused: tuple[str, ...]
    """Licences that were refused, each with its reason."""

    head: Heads
    """Gives the head of the ledger, which every delivery holds."""

    def spent(self) -> tuple[int, float | None]:
        """
        Say what reading scenes has cost so far.

        Returns
        -------
        fetched : int
            Bytes of numbers that an archive was asked for; 0 for a cube.
        units : float or None
            Processing units that the service says it charged; None where it bills none.
        """
        source = self.doors.source
        if not isinstance(source, ArchiveScenes):
            return 0, None
        units = getattr(source.archive, "units_spent", None)
        return source.fetched_bytes, units


def unwatched(what: str, done: int, total: int) -> None:
    """
    Watch nothing.

    Parameters
    ----------
    what : str
        Which work.
    done : int
        Steps done.
    total : int
        Steps in all.
    """


@contextlib.contextmanager
def open_office(
    settings: Settings,
    *,
    clock: Clock | None = None,
    progress: Progress = unwatched,
    pictures: bool = True,
) -> Iterator[Office]:
    """
    Open what the settings name: scenes, state, ledger, licences, outputs.

    Parameters
    ----------
    settings : Settings
        From `rsmonitor.config.read_settings`.
    clock : Clock, optional
        Time; the machine's by default.
    progress : Progress, optional
        Who watches.
    pictures : bool, default True
        False leaves out map and GeoPackage, which a replay needs at its end only.

    Yields
    ------
    Office
        Open until the context ends.

    Raises
    ------
    SourceError
        If the scenes cannot be opened as they are.
    LicenceError
        If a licence file cannot be used.
    OutputError
        If a folder cannot be written.
    """
    work, out = settings.path(settings.run.work), settings.path(settings.run.out)
    register = register_of(settings)
    for folder in (work, out):
        require_writable(folder)
    notes: list[str] = []
    with contextlib.ExitStack() as opened:
        source = opened.enter_context(open_source(settings, notes.append))
        elevation = elevation_of(settings, notes.append)
        job = job_of(settings, elevation.sha256 if elevation else None)
        views = map_writer(source, job) if pictures else None
        ledger = open_ledger(settings)
        older = ledger.upgrade()
        if older is not None:
            notes.append(
                f"the ledger was brought to the form of {SOFTWARE}; as it was it is "
                f"kept in {older}"
            )
        blocks = _block_doors(settings, source, elevation)
        head = heads_of(settings, ledger)
        executor = opened.enter_context(_executor(settings, blocks))
        yield Office(
            settings=settings,
            job=job,
            doors=Doors(
                blocks=blocks,
                ledger=ledger,
                register=register,
                sink=FolderSink(
                    out,
                    keep=settings.run.keep_runs,
                    geopackage=pictures,
                    views=views,
                    head=head,
                ),
                origin=recorder(settings),
                executor=executor,
                clock=clock or SystemClock(),
                progress=progress,
                counties=counties_of(settings),
                diary=diary_of(settings),
            ),
            notes=(*notes, *register.repairs),
            refused=refusals_of(register),
            head=head,
        )


@contextlib.contextmanager
def open_block_doors(settings: Settings) -> Iterator[BlockDoors]:
    """
    Open what a worker in another process may touch, and nothing else.

    Parameters
    ----------
    settings : Settings
        Those of the run. They hold no secret: a worker finds its own credentials where
        they say, or in its environment.

    Yields
    ------
    BlockDoors
        Open until the context ends.

    Raises
    ------
    SourceError
        If the scenes cannot be opened as they are.
    """
    with open_source(settings) as source:
        yield _block_doors(settings, source, elevation_of(settings, unheard))


def lease_of(settings: Settings) -> Lease:
    """
    Find who may write the state of a district, on this machine.

    Parameters
    ----------
    settings : Settings
        Those of the run.

    Returns
    -------
    Lease
        In the work folder, which all workers must see.
    """
    locks = settings.path(settings.run.work) / "locks"
    return Lease(locks / f"{settings.district.code}.lease")


def _block_doors(
    settings: Settings, source: SceneSource, elevation: Elevation | None
) -> BlockDoors:
    """Open what is worked on block by block."""
    work = settings.path(settings.run.work)
    return BlockDoors(
        source=source,
        states=SlotStateStore(work / "state"),
        scratch=FolderScratch(work / "scratch"),
        elevation=elevation,
    )


@contextlib.contextmanager
def _executor(settings: Settings, blocks: BlockDoors) -> Iterator[Executor[BlockDoors]]:
    """Choose who computes: the cluster that the settings name, or this process."""
    dask = settings.dask
    if dask.scheduler is None:
        lease = lease_of(settings)
        yield InProcessExecutor(settings.run.workers, blocks, lease=lease)
        return
    files = {"ca": dask.tls_ca, "cert": dask.tls_cert, "key": dask.tls_key}
    with DaskExecutor(
        dask.scheduler,
        functools.partial(open_block_doors, settings),
        functools.partial(lease_of, settings),
        tls={name: str(settings.path(file)) for name, file in files.items() if file},
    ) as executor:
        yield executor


def diary_of(settings: Settings) -> StoredObservations:
    """
    Open the diary of sites.

    Parameters
    ----------
    settings : Settings
        Settings.

    Returns
    -------
    StoredObservations
        One for all districts of the file.
    """
    return open_diary(settings)


def elevation_of(settings: Settings, report: Callable[[str], None]) -> Elevation | None:
    """
    Open the elevation files that the settings name.

    Parameters
    ----------
    settings : Settings
        Settings.
    report : callable
        Takes what is worth telling, one sentence at a time.

    Returns
    -------
    Elevation or None
        None where none is named, or where its shadow is not wanted.

    Raises
    ------
    SourceError
        If a file cannot be used.
    """
    if not (settings.terrain.elevation and settings.terrain.shadow):
        return None
    paths = [settings.path(name) for name in settings.terrain.elevation]
    return Elevation(paths, report)


def job_of(settings: Settings, elevation_sha256: str | None = None) -> Job:
    """
    Give what a run of some settings is asked.

    Parameters
    ----------
    settings : Settings
        Settings.
    elevation_sha256 : str, optional
        Digest of the elevation files, if any are used.

    Returns
    -------
    Job
        The job.
    """
    return Job(
        district=settings.district,
        parameters=settings.parameters,
        settings_digest=settings.digest_with(elevation_sha256, digest_of(settings)),
        algorithm=ALGORITHM_VERSION,
        software=SOFTWARE,
        block_size=settings.run.block_size,
        laws=laws_of(settings),
        cause_model=model_of(settings),
    )


def laws_of(settings: Settings) -> LawTable:
    """
    Read the table of laws that the settings name, or the shipped one.

    Parameters
    ----------
    settings : Settings
        Settings.

    Returns
    -------
    LawTable
        The laws that verdicts name.

    Raises
    ------
    SettingsError
        If the table cannot be used.
    """
    rules = settings.law.rules
    return read_law_table(SHIPPED if rules is None else settings.path(rules))


def refusals_of(register: FileRegister) -> tuple[str, ...]:
    """
    Say for each licence that was refused where it stands and why.

    Parameters
    ----------
    register : FileRegister
        The register.

    Returns
    -------
    tuple of str
        One sentence each.
    """
    return register.snapshot().refused


def cited_scenes(settings: Settings) -> tuple[str, ...]:
    """
    List the scenes that standing alerts of a district cite.

    Parameters
    ----------
    settings : Settings
        Settings.

    Returns
    -------
    tuple of str
        Product ids, which must stay in the cache; empty before the first run.
    """
    alerts = open_ledger(settings).alerts(settings.district.code)
    return tuple({scene: None for alert in alerts for scene in alert.provenance.scenes})


def newest_look(source: SceneSource) -> datetime:
    """
    Give the time of the last look that a source has.

    Parameters
    ----------
    source : SceneSource
        Scenes.

    Returns
    -------
    datetime
        UTC.

    Raises
    ------
    NoClearObservationError
        If the source has no look at all.
    """
    looks = [p.sensed_at for g in source.grids() for p in source.find(g, until=EVER)]
    if not looks:
        raise NoClearObservationError(f"source {source.name} has no scene")
    return max(looks)
