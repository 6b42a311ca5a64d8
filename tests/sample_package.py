"""Packages for the tests of the writers: made of synthetic evidence, in a moment."""

from collections.abc import Callable
from dataclasses import replace
from functools import cache

import numpy as np
import shapely
from deliveries import ROMANIA, result_of, synthetic_evidence

from rsmonitor.records.case import Level
from rsmonitor.records.grid import Block, Grid
from rsmonitor.records.lifecycle import Phase
from rsmonitor.records.package import (
    Area,
    Chip,
    ChipRole,
    CountyFigures,
    Dossier,
    Language,
    News,
    Overview,
    Package,
    WeekCount,
)
from rsmonitor.records.run import RunResult
from rsmonitor.stages.attention import by_attention, inner_point, look_for
from rsmonitor.stages.geodesy import from_lonlat

COUNTY = "360734"


@cache
def _result(grid: Grid) -> RunResult:
    return result_of(synthetic_evidence(grid), grid=grid)


def sample_package(
    alerts: int = 3,
    language: Language = "zh",
    *,
    name: str = "寻乌县",
    grid: Grid = ROMANIA,
    change: Callable[[Dossier], Dossier] | None = None,
) -> Package:
    """Give a county's package with so many alerts; `change` may alter each dossier."""
    result = _result(grid)
    standing = [
        replace(alert, county_codes=(COUNTY,), bureau="寻乌县自然资源局")
        for alert in result.alerts[:alerts]
    ]
    week = result.partition.week
    area = Area(
        code=COUNTY,
        level=Level.COUNTY,
        name_zh=name,
        name_en="Xunwu",
        bureau="寻乌县自然资源局",
        geometry=result.coverage[0].geometry,
    )
    dossiers = [
        Dossier(
            alert=each.alert,
            place=place,
            reasons=each.reasons,
            news=list(News)[place % 3],
            short_name=each.alert.alert_id[1:7].upper(),
            point=inner_point(each.alert.site.latest.disturbance.geometry),
            grown_m2=each.grown_m2,
            phase=list(Phase)[place % len(Phase)],
            look_for=look_for(each.alert),
            also=("441426",) if place == 1 else (),
            chips=_chips(each.alert.site.latest.disturbance.geometry.bounds, grid),
        )
        for place, each in enumerate(
            by_attention(standing, on=week.last_day, phases={}, cases={}), start=1
        )
    ]
    if change is not None:
        dossiers = [change(dossier) for dossier in dossiers]
    seen = [d.alert.site.latest.disturbance for d in dossiers]
    return Package(
        area=area,
        week=week,
        language=language,
        dossiers=tuple(dossiers),
        pages=2,
        counties=(
            CountyFigures(
                area=area,
                standing=len(dossiers),
                new=1,
                high=len(dossiers),
                open=len(dossiers),
                overdue=0,
                area_m2=sum(each.area_m2 for each in seen),
                share_seen=result.coverage[0].share_seen,
                by_category={"no_right": len(dossiers)},
            ),
        ),
        trend=(WeekCount(week=week, new=1, standing=len(dossiers)),),
        coverage=result.coverage,
        register=result.register,
        overviews=(
            Overview(
                rgb=_ground(grid.shape),
                grid=grid,
                days=(week.last_day,),
                true_colour=True,
            ),
        ),
        names={COUNTY: name, "441426": "平远县"},
        software=result.software,
        settings_digest=result.partition.settings_digest,
        runs=(result.partition.run_id,),
        invented=result.register.invented,
    )


def _ground(shape: tuple[int, ...]) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    """Give ground that is green and uneven."""
    rows, cols = np.mgrid[: shape[0], : shape[1]]
    wave = (20 * np.sin(rows / 7) * np.cos(cols / 9)).astype(np.int64)
    return np.stack([60 + wave, 90 + wave, 55 + wave], axis=-1).astype(np.uint8)


def _chips(bounds: tuple[float, ...], grid: Grid) -> tuple[Chip, ...]:
    """Give the three images of a site, 32 pixels wide."""
    west, south, east, north = from_lonlat(shapely.box(*bounds), grid.crs).bounds
    row = int(((grid.top - north) + (grid.top - south)) / 2 / grid.pixel_height) - 16
    col = int(((west - grid.left) + (east - grid.left)) / 2 / grid.pixel_width) - 16
    row, col = min(max(0, row), grid.height - 32), min(max(0, col), grid.width - 32)
    block = Block(row=row, col=col, height=32, width=32)
    part = replace(
        grid,
        left=grid.left + block.col * grid.pixel_width,
        top=grid.top - block.row * grid.pixel_height,
        height=32,
        width=32,
    )
    before = _ground((32, 32))
    after = before.copy()
    after[12:20, 12:20] = (200, 180, 150)
    result = _result(grid)
    day = result.partition.week.last_day
    return tuple(
        Chip(
            role=role,
            rgb=rgb,
            seen=np.ones((32, 32), dtype=np.bool_),
            grid=part,
            days=(day,),
            scenes=("S2A_MSIL2A_20201003T092031_N0500_R093_T34TFQ_20201003T120000",),
            true_colour=True,
        )
        for role, rgb in zip(ChipRole, (before, after, after), strict=True)
    )
