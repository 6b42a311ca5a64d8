"""A detection without a settings file and without anything kept."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import Final

from rsmonitor.config import LicenceSettings, RunSettings, Settings, SourceSettings
from rsmonitor.errors import HistoryError
from rsmonitor.interfaces import Progress
from rsmonitor.io.deliver.folder import PlainFolderSink
from rsmonitor.io.executors.inprocess import InProcessExecutor
from rsmonitor.io.foundation.files import require_writable
from rsmonitor.io.stores.memory import MemoryStateStore
from rsmonitor.io.stores.memory_ledger import MemoryLedger
from rsmonitor.io.stores.scratch import MemoryScratch
from rsmonitor.pipeline import BlockDoors, Doors, Outcome, run
from rsmonitor.pipeline.looks import day_of
from rsmonitor.records.district import District
from rsmonitor.records.parameters import HistoryParameters
from rsmonitor.records.week import IsoWeek
from rsmonitor.wiring.licences import register_of
from rsmonitor.wiring.office import EVER, job_of, newest_look, refusals_of, unwatched
from rsmonitor.wiring.pictures import map_writer
from rsmonitor.wiring.sources import open_source
from rsmonitor.wiring.weeks import monday_morning

TWO_YEARS: Final = timedelta(days=731)
"""History that is taken where nobody says how long it is."""


def detect_once(
    settings: Settings, out: Path, *, progress: Progress = unwatched
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
    register = register_of(settings)
    require_writable(out)
    notes: list[str] = []
    with open_source(settings, notes.append) as source:
        job = job_of(settings)
        week = IsoWeek.of(newest_look(source))
        blocks = BlockDoors(
            source=source, states=MemoryStateStore(), scratch=MemoryScratch()
        )
        outcome = run(
            job,
            Doors(
                blocks=blocks,
                ledger=MemoryLedger(),
                register=register,
                sink=PlainFolderSink(out, views=map_writer(source, job)),
                executor=InProcessExecutor(settings.run.workers, blocks),
                clock=monday_morning(week),
                progress=progress,
            ),
            week=week,
        )
    return outcome, (*notes, *register.repairs), refusals_of(register)


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
    with open_source(settings) as opened:
        looks = [p for g in opened.grids() for p in opened.find(g, until=EVER)]
    first, last = day_of(looks[0]), day_of(looks[-1])
    until = history_until or min(first + TWO_YEARS, last)
    if until >= last:
        raise HistoryError(
            f"the looks span {first} to {last}: none is left after a history until "
            f"{until}. Give an earlier --history-until, or a longer cube"
        )
    return replace(settings, history=HistoryParameters(until=until))
