"""Before anything is spent: which scenes there are, their cost, and what fails."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any, Final

from rsmonitor.config import Settings
from rsmonitor.errors import RsmonitorError
from rsmonitor.interfaces import SceneSource
from rsmonitor.io.foundation.clock import SystemClock
from rsmonitor.io.foundation.files import require_writable
from rsmonitor.io.sources.scenes import ArchiveScenes
from rsmonitor.pipeline.looks import day_of
from rsmonitor.records.offer import BANDS_10M, Offer, TileWindow
from rsmonitor.stages.tile_cells import cells_of
from rsmonitor.stages.tiling import tile_window
from rsmonitor.wiring.licences import counties_of, register_of
from rsmonitor.wiring.sources import bands_of, cache_of, open_source
from rsmonitor.wiring.stores import open_ledger
from rsmonitor.wiring.weeks import last_whole_week

DAYS_PER_YEAR: Final = 365

COG_SHARE: Final = 0.62
"""Bytes of a piece as served over its bytes as numbers: 690 of 1,115 MB for the seven
bands of a tile as COG (measured on synthetic pixels of realistic compression)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundScene:
    """One look that a source has."""

    grid_id: str
    """Grid it is over."""

    day: str
    """Day in Asia/Shanghai."""

    platform: str
    """``S2A`` and so on; ``unknown`` in a bare cube."""

    product_id: str
    """Product or merged products."""

    processing_baseline: str | None
    """ESA processor version, where known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GridCost:
    """What a run would read of one grid."""

    grid_id: str
    """The grid."""

    pixels: int
    """Its size."""

    scenes: int
    """Looks up to the end of the run."""

    pieces: int
    """Pieces of 10 km that would be fetched."""

    megabytes: float
    """Estimated size of what would be fetched."""

    processing_units: float | None
    """Estimated processing units; None where requests are not billed."""

    kept_megabytes: float
    """Estimated size of what `source.keep_days` keeps, at the rate of the last year."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """One thing that was tried before a run."""

    what: str
    """What was tried."""

    ok: bool
    """True if it works."""

    says: str
    """What it said."""


def find_scenes(
    settings: Settings, until: date | None, report: Callable[[str], None]
) -> list[dict[str, Any]]:
    """
    List the looks that a run up to a day would know.

    Parameters
    ----------
    settings : Settings
        Settings.
    until : date, optional
        Last day; the last whole week's by default.
    report : callable
        Receives what is worth telling, such as products that cannot be used.

    Returns
    -------
    list of dict
        `FoundScene` as JSON values, oldest first within a grid.

    Raises
    ------
    SourceError
        If the source cannot be asked.
    """
    end = last_whole_week(until, SystemClock()).end
    with open_source(settings, report) as source:
        return [
            asdict(
                FoundScene(
                    grid_id=grid.grid_id,
                    day=day_of(product).isoformat(),
                    platform=product.key.platform,
                    product_id=product.product_id,
                    processing_baseline=product.processing_baseline,
                )
            )
            for grid in source.grids()
            for product in source.find(grid, until=end)
        ]


def explain_cost(
    settings: Settings, until: date | None, report: Callable[[str], None]
) -> dict[str, Any]:
    """
    Estimate what a run up to a day would read, and fetch nothing.

    Parameters
    ----------
    settings : Settings
        Settings.
    until : date, optional
        Last day; the last whole week's by default.
    report : callable
        Receives what is worth telling, such as products that cannot be used.

    Returns
    -------
    dict
        ``district``, ``grids`` (`GridCost` each), ``megabytes``,
        ``processing_units``, ``cache_megabytes``, ``kept_megabytes``, ``keep_days``.

    Raises
    ------
    SourceError
        If the source cannot be asked.
    """
    end = last_whole_week(until, SystemClock()).end
    costs = []
    with open_source(settings, report) as source:
        for grid in source.grids():
            scenes = source.find(grid, until=end)
            missing: tuple[tuple[Offer, TileWindow], ...] = ()
            kept = 0.0
            if isinstance(source, ArchiveScenes):
                missing = source.outstanding(grid, until=end)
                year_ago = end - timedelta(days=DAYS_PER_YEAR)
                yearly = sum(scene.sensed_at >= year_ago for scene in scenes)
                cells = cells_of(tile_window(grid))
                look = _megabytes(settings, cells)
                kept = yearly * look * settings.source.keep_days / DAYS_PER_YEAR
            costs.append(
                GridCost(
                    grid_id=grid.grid_id,
                    pixels=grid.height * grid.width,
                    scenes=len(scenes),
                    pieces=len(missing),
                    megabytes=round(
                        _megabytes(settings, [window for _, window in missing]), 1
                    ),
                    kept_megabytes=round(kept, 1),
                    processing_units=_units(settings, missing),
                )
            )
    billed = [c.processing_units for c in costs if c.processing_units is not None]
    cached = 0 if settings.source.kind == "cube" else cache_of(settings).total_bytes()
    return {
        "district": settings.district.code,
        "grids": [asdict(cost) for cost in costs],
        "megabytes": round(sum(cost.megabytes for cost in costs), 1),
        "processing_units": round(sum(billed), 1) if billed else None,
        "cache_megabytes": round(cached / 1e6, 1),
        "kept_megabytes": round(sum(cost.kept_megabytes for cost in costs), 1),
        "keep_days": settings.source.keep_days,
    }


def check_all(settings: Settings) -> Iterator[Checked]:
    """
    Try everything that a run needs, and go on after what fails.

    Parameters
    ----------
    settings : Settings
        Settings that could be read.

    Yields
    ------
    Checked
        One a thing, in the order in which a run needs them.
    """
    for key in ("work", "out"):
        folder = settings.path(getattr(settings.run, key))
        yield _tried(f"run.{key} {folder} can be written", _writable(folder))
    if settings.store.url is not None:
        yield _tried("the database of the books answers", lambda: _books(settings))
    yield _tried("licences can be read", lambda: _licences(settings))
    yield _tried("borders can be read", lambda: _borders(settings))
    yield _tried(
        f"source {settings.source.kind} answers", lambda: _source_answers(settings)
    )


def _tried(what: str, action: Callable[[], str]) -> Checked:
    """Try one thing."""
    try:
        return Checked(what=what, ok=True, says=action())
    except RsmonitorError as error:
        return Checked(what=what, ok=False, says=str(error))


def _writable(folder: Path) -> Callable[[], str]:
    """Prove that a folder can be written."""

    def action() -> str:
        require_writable(folder)
        return "yes"

    return action


def _books(settings: Settings) -> str:
    """Ask the database for the ledger, and whether it can hold one."""
    ledger = open_ledger(settings)
    ledger.tables.check()
    there = "is there" if ledger.exists() else "will be made by the first run"
    return f"{ledger.name}: the ledger {there}"


def _licences(settings: Settings) -> str:
    """Read the licences and count them."""
    register = register_of(settings)
    count = len(register.snapshot().licences)
    refused = len(register.snapshot().refused)
    if not settings.licences.files and settings.licences.register is None:
        return "no file is named: no right is known, and every verdict will say so"
    return f"{count} licences" + (f", {refused} refused" if refused else "")


def _borders(settings: Settings) -> str:
    """Read the border layer and count its counties."""
    count = len(counties_of(settings))
    return f"{count} counties" if count else "none named: alerts name the district's"


def _source_answers(settings: Settings) -> str:
    """Ask the source what it has."""
    week = last_whole_week(None, SystemClock())
    notes: list[str] = []
    with open_source(settings, notes.append) as source:
        counts = _count(source, week.end)
    said = [f"grid {grid}: {n} scenes" for grid, n in counts.items()]
    return "; ".join([*said, *notes])


def _count(source: SceneSource, end: Any) -> dict[str, int]:  # noqa: ANN401
    """Count the looks of each grid."""
    counts: dict[str, int] = defaultdict(int)
    for grid in source.grids():
        counts[grid.grid_id] = len(source.find(grid, until=end))
    return dict(counts)


def _megabytes(settings: Settings, windows: Iterable[TileWindow]) -> float:
    """Estimate the size of pieces as they are served."""
    bands = bands_of(settings)
    fine = sum(band in BANDS_10M for band in bands)
    # numbers of two bytes; SCL has one, at 20 m
    per_pixel = 2 * fine + (2 * (len(bands) - fine) + 1) / 4
    pixels = sum(window.height * window.width for window in windows)
    return pixels * per_pixel * COG_SHARE / 1e6


def _units(
    settings: Settings, missing: tuple[tuple[Offer, TileWindow], ...]
) -> float | None:
    """Estimate processing units where they are billed."""
    if settings.source.kind != "sentinelhub":
        return None
    from rsmonitor.io.sources.sentinelhub import (  # noqa: PLC0415 - heavy
        estimate_units,
    )

    windows = [window for _, window in missing]
    return round(estimate_units(windows, bands_of(settings)), 1)
