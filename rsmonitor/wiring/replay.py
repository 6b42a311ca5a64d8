"""Weeks run one after the other, as a bureau would live them; and the demo."""

from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

from rsmonitor.config import Settings, read_settings
from rsmonitor.interfaces import Progress
from rsmonitor.io.deliver.folder import FolderSink, copy_latest
from rsmonitor.pipeline import run
from rsmonitor.records.week import IsoWeek
from rsmonitor.wiring.office import newest_look, open_office, unwatched
from rsmonitor.wiring.weeks import monday_morning, weeks_between


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


def replay(settings: Settings, *, progress: Progress = unwatched) -> Replay:
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
        weeks = weeks_between(first, IsoWeek.of(newest_look(source)))
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
            head=office.head,
        )
        # a last run that was done before is asked again: it may not be published yet
        for number, week in enumerate(todo or weeks[-1:]):
            progress("weeks", number, len(todo))
            doors = replace(office.doors, clock=monday_morning(week))
            if week != weeks[-1]:
                # what the last week does not find in the diary it reads itself
                doors = replace(doors, sink=plain, diary=None)
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
    package = Path(__file__).resolve().parents[1]
    packed = package / "configs" / "demo.toml"
    path = packed if packed.exists() else package.parent / "configs" / "demo.toml"
    settings = read_settings(path)
    out = out.absolute()
    folders = replace(settings.run, out=str(out), work=str(out / "work"))
    return replace(settings, run=folders)
