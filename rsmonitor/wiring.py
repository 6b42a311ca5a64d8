"""The only place that builds pipeline and io together."""

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from rsmonitor import ALGORITHM_VERSION, __version__
from rsmonitor.config import (
    LicenceSettings,
    RunSettings,
    Settings,
    SourceSettings,
    read_settings,
)
from rsmonitor.errors import HistoryError, NoClearObservationError
from rsmonitor.interfaces import Clock, Progress, SceneSource
from rsmonitor.io.deliver.folder import FolderSink, PlainFolderSink, copy_latest
from rsmonitor.io.deliver.map import TRUE_COLOUR, Picture, render_map
from rsmonitor.io.executors.inprocess import InProcessExecutor
from rsmonitor.io.foundation.clock import FixedClock, SystemClock
from rsmonitor.io.foundation.files import require_writable
from rsmonitor.io.licences.geojson import read_licences
from rsmonitor.io.sources.cube import CubeSource
from rsmonitor.io.sources.package import locate
from rsmonitor.io.stores.ledger import SqliteLedger
from rsmonitor.io.stores.memory import MemoryLedger, MemoryStateStore
from rsmonitor.io.stores.register import FileRegister
from rsmonitor.io.stores.state import ZarrStateStore
from rsmonitor.pipeline import Doors, Job, Outcome, run
from rsmonitor.pipeline.looks import day_of
from rsmonitor.pipeline.pictures import Composite, before_and_after
from rsmonitor.records.district import District
from rsmonitor.records.licence import SHANGHAI
from rsmonitor.records.parameters import HistoryParameters
from rsmonitor.records.run import RunResult
from rsmonitor.records.week import IsoWeek

SOFTWARE = f"rsmonitor {__version__}"

TWO_YEARS = timedelta(days=731)
"""History that is taken where nobody says how long it is."""

_FAR = datetime(9000, 1, 1, tzinfo=UTC)


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


def _quiet(what: str, done: int, total: int) -> None:
    """Watch nothing."""


@contextlib.contextmanager
def open_office(
    settings: Settings,
    *,
    clock: Clock | None = None,
    progress: Progress = _quiet,
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
    register = _register(settings)
    for folder in (work, out):
        require_writable(folder)
    notes: list[str] = []
    with _source(settings, notes.append) as source:
        job = job_of(settings)
        views = map_writer(source, job) if pictures else None
        yield Office(
            settings=settings,
            job=job,
            doors=Doors(
                source=source,
                states=ZarrStateStore(work / "state"),
                ledger=SqliteLedger(work / "ledger.sqlite", locks=work / "locks"),
                register=register,
                sink=FolderSink(
                    out, keep=settings.run.keep_runs, geopackage=pictures, views=views
                ),
                executor=InProcessExecutor(settings.run.workers),
                clock=clock or SystemClock(),
                progress=progress,
            ),
            notes=(*notes, *register.repairs),
            refused=_refusals(register),
        )


def job_of(settings: Settings) -> Job:
    """
    Give what a run of some settings is asked.

    Parameters
    ----------
    settings : Settings
        Settings.

    Returns
    -------
    Job
        The job.
    """
    return Job(
        district=settings.district,
        parameters=settings.parameters,
        settings_digest=settings.digest,
        algorithm=ALGORITHM_VERSION,
        software=SOFTWARE,
        block_size=settings.run.block_size,
    )


def last_whole_week(until: date | None, clock: Clock) -> IsoWeek:
    """
    Give the newest week that is over.

    Parameters
    ----------
    until : date, optional
        Last day to look at; today by default.
    clock : Clock
        Knows today.

    Returns
    -------
    IsoWeek
        The last week whose Sunday is not after `until`.
    """
    day = until or clock.now().astimezone(SHANGHAI).date()
    if until is None:
        day -= timedelta(days=1)  # today is not over
    sunday = day - timedelta(days=(day.isoweekday()) % 7)
    noon = datetime.combine(sunday, datetime.min.time(), SHANGHAI)
    return IsoWeek.of(noon)


def weeks_between(first_day: date, last: IsoWeek) -> tuple[IsoWeek, ...]:
    """
    List weeks from the one that holds a day to another one.

    Parameters
    ----------
    first_day : date
        A day of the first week.
    last : IsoWeek
        The last week.

    Returns
    -------
    tuple of IsoWeek
        In order; empty if `last` is before the first.
    """
    week = IsoWeek.of(datetime.combine(first_day, datetime.min.time(), SHANGHAI))
    weeks = []
    while week <= last:
        weeks.append(week)
        week = week.next()
    return tuple(weeks)


def monday_morning(week: IsoWeek) -> Clock:
    """
    Give the clock of a run that is done on the Monday after a week.

    Parameters
    ----------
    week : IsoWeek
        The week that is over.

    Returns
    -------
    Clock
        Monday 06:00 in Shanghai, standing still: a replay has no other time.
    """
    return FixedClock(week.end + timedelta(hours=6))


def detect_once(
    settings: Settings, out: Path, *, progress: Progress = _quiet
) -> tuple[Outcome, tuple[str, ...], tuple[str, ...]]:
    """
    Detect over all that a source has, keeping nothing but the outputs.

    The same pipeline as a scheduled run, with state and ledger in memory.

    Parameters
    ----------
    settings : Settings
        With the cubes as source.
    out : Path
        Folder of the outputs.
    progress : Progress, optional
        Who watches.

    Returns
    -------
    outcome : Outcome
        What was found.
    notes : tuple of str
        What is worth telling.
    refused : tuple of str
        Licences that were refused.

    Raises
    ------
    SourceError
        If the cubes cannot be used.
    HistoryError
        If there is no look after the history, or too few in it.
    """
    register = _register(settings)
    require_writable(out)
    notes: list[str] = []
    with _source(settings, notes.append) as source:
        job = job_of(settings)
        week = IsoWeek.of(_newest(source))
        outcome = run(
            job,
            Doors(
                source=source,
                states=MemoryStateStore(),
                ledger=MemoryLedger(),
                register=register,
                sink=PlainFolderSink(out),
                executor=InProcessExecutor(settings.run.workers),
                clock=monday_morning(week),
                progress=progress,
            ),
            week=week,
        )
    return outcome, (*notes, *register.repairs), _refusals(register)


def map_writer(source: CubeSource, job: Job) -> Callable[[Path, RunResult], None]:
    """
    Give what draws the map of a run.

    Parameters
    ----------
    source : CubeSource
        Where the images come from.
    job : Job
        What the run was asked.

    Returns
    -------
    callable
        Takes a folder and a result, and writes ``map.png`` there; one a grid where
        there are several. Where no look shows enough ground it draws nothing.
    """

    def write(folder: Path, result: RunResult) -> None:
        for grid in result.grids:
            products = source.find(grid, until=result.partition.week.end)
            try:
                before, after = before_and_after(
                    source, grid, products, parameters=job.parameters
                )
            except NoClearObservationError:
                continue
            one = len(result.grids) == 1
            name = "map.png" if one else f"map-{grid.grid_id}.png"
            render_map(
                folder / name,
                before=_picture(before),
                after=_picture(after),
                result=result,
                grid=grid,
            )

    return write


def _picture(composite: Composite) -> Picture:
    """Hand a composite to the map."""
    false_colour = ("假彩色（近红外）", "false colour (near infrared)")
    return Picture(
        rgb=composite.rgb,
        first_day=composite.days[0],
        last_day=composite.days[-1],
        rendering=TRUE_COLOUR if composite.true_colour else false_colour,
    )


def _register(settings: Settings) -> FileRegister:
    """Read the licences that the settings name."""
    paths = [settings.path(name) for name in settings.licences.files]
    return FileRegister(paths, read=read_licences)


def _refusals(register: FileRegister) -> tuple[str, ...]:
    """Say for each licence that was refused where it stands and why."""
    return tuple(f"{r.file}: {r.where}: {r.value}: {r.rule}" for r in register.refused)


@contextlib.contextmanager
def _source(settings: Settings, report: Callable[[str], None]) -> Iterator[CubeSource]:
    """Open the scenes that the settings name."""
    source = settings.source
    if source.distribution is None:
        paths = [settings.path(name) for name in source.files]
    else:
        digests: Mapping[str, str] = dict(
            zip(source.files, source.sha256, strict=False)
        )
        paths = locate(source.distribution, source.files, digests, source.extra)
    with CubeSource.open(
        paths,
        scale=source.scale,
        offset=source.offset,
        platform=source.platform,
        report=report,
    ) as opened:
        yield opened


@dataclass(frozen=True, slots=True, kw_only=True)
class Replay:
    """What a replay did."""

    weeks: int
    """Weekly runs in all."""

    before: int
    """Of those, runs that had been done before."""

    notes: tuple[str, ...]
    """What is worth telling."""

    refused: tuple[str, ...]
    """Licences and scenes that were refused."""


def replay(settings: Settings, *, progress: Progress = _quiet) -> Replay:
    """
    Run every week from the end of the history to the last look, one after the other.

    Each run is the scheduled one, on the Monday after its week. Only the last draws
    map and GeoPackage; its files are then copied to the top of the output folder.

    Parameters
    ----------
    settings : Settings
        Settings.
    progress : Progress, optional
        Who watches.

    Returns
    -------
    Replay
        What was done; weeks done before are not done again.

    Raises
    ------
    SourceError
        If the scenes cannot be opened.
    HistoryError
        If the history does not suffice.
    """
    refused: list[str] = []
    notes: list[str] = []
    with open_office(settings) as office:
        source, ledger = office.doors.source, office.doors.ledger
        first = settings.history.until + timedelta(days=1)
        weeks = weeks_between(first, IsoWeek.of(_newest(source)))
        line = office.job.partition(weeks[-1]).line
        done = {
            record.week
            for record in ledger.runs(settings.district.code)
            if record.line == line
        }
        todo = [week for week in weeks if week not in done]
        notes += office.notes
        refused += office.refused
        plain = FolderSink(
            settings.path(settings.run.out),
            keep=settings.run.keep_runs,
            geopackage=False,
        )
        # a last run that was done before is asked again: it may not be published yet
        for number, week in enumerate(todo or weeks[-1:]):
            progress("weeks", number, len(todo))
            doors = replace(office.doors, clock=monday_morning(week))
            if week != weeks[-1]:
                doors = replace(doors, sink=plain)
            outcome = run(office.job, doors, week=week)
            refused += [f"{r.product_id}: {r.reason}" for r in outcome.refused]
            notes += outcome.notes
        progress("weeks", len(todo), len(todo))
        copy_latest(settings.path(settings.run.out))
    return Replay(
        weeks=len(weeks),
        before=len(weeks) - len(todo),
        notes=tuple(dict.fromkeys(notes)),
        refused=tuple(dict.fromkeys(refused)),
    )


def demo_settings(out: Path) -> Settings:
    """
    Give the settings of the demo with its folders put below `out`.

    Parameters
    ----------
    out : Path
        Where outputs, state and ledger go.

    Returns
    -------
    Settings
        `configs/demo.toml`, of the checkout or as the wheel carries it.

    Raises
    ------
    SettingsError
        If the file is missing.
    """
    package = Path(__file__).resolve().parent
    packed = package / "configs" / "demo.toml"
    path = packed if packed.exists() else package.parent / "configs" / "demo.toml"
    settings = read_settings(path)
    out = out.absolute()
    folders = replace(settings.run, out=str(out), work=str(out / "work"))
    return replace(settings, run=folders)


def cube_settings(
    cubes: Sequence[Path],
    out: Path,
    *,
    history_until: date | None,
    licences: Sequence[Path],
    scale: float | None,
    offset: float | None,
) -> Settings:
    """
    Make settings for a detection without a settings file.

    Parameters
    ----------
    cubes : sequence of Path
        Cube files.
    out : Path
        Folder of the outputs.
    history_until : date, optional
        Last day of the history; two years after the first look by default.
    licences : sequence of Path
        Licence files.
    scale : float, optional
        Reflectance of one digital number.
    offset : float, optional
        Reflectance of digital number zero.

    Returns
    -------
    Settings
        All else at its default.

    Raises
    ------
    SourceError
        If the cubes cannot be opened.
    HistoryError
        If no look is left after the history.
    """
    source = SourceSettings(
        kind="cube",
        files=tuple(str(path.absolute()) for path in cubes),
        scale=scale,
        offset=offset,
    )
    settings = Settings(
        district=District(
            code="cube", name_zh="数据立方体", name_en="cube", bureau="unassigned"
        ),
        source=source,
        history=HistoryParameters(until=date(1970, 1, 2)),
        run=RunSettings(work=str(out), out=str(out)),
        licences=LicenceSettings(files=tuple(str(p.absolute()) for p in licences)),
    )
    with _source(settings, lambda _: None) as opened:
        looks = [p for g in opened.grids() for p in opened.find(g, until=_FAR)]
    first, last = day_of(looks[0]), day_of(looks[-1])
    until = history_until or min(first + TWO_YEARS, last)
    if until >= last:
        raise HistoryError(
            f"the looks span {first} to {last}: none is left after a history until "
            f"{until}. Give an earlier --history-until, or a longer cube"
        )
    return replace(settings, history=HistoryParameters(until=until))


def _newest(source: SceneSource) -> datetime:
    """Give the time of the last look."""
    looks = [p.sensed_at for g in source.grids() for p in source.find(g, until=_FAR)]
    return max(looks)
