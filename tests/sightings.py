"""Disturbances, sites and verdicts small enough to check by eye.

A cell is a square of 1/10,000 degree; row 0 is the northernmost, as on a grid.
"""

from collections.abc import Iterable, Mapping
from datetime import date, timedelta

import shapely
from shapely import MultiPolygon, Polygon

from rsmonitor.records.disturbance import Cause, Classified, Disturbance, Increment
from rsmonitor.records.rasters import Tier
from rsmonitor.records.site import Site, SiteState
from rsmonitor.records.verdict import Category, Certainty, Part, Verdict

CELL = 1e-4
CELL_M2 = 100.0
WEST, NORTH = 115.0, 25.0
FIRST = date(2018, 7, 2)

Cell = tuple[int, int]


def outline(cells: Iterable[Cell]) -> Polygon | MultiPolygon:
    """Draw cells as one geometry."""
    boxes = [
        shapely.box(
            WEST + col * CELL,
            NORTH - (row + 1) * CELL,
            WEST + (col + 1) * CELL,
            NORTH - row * CELL,
        )
        for row, col in cells
    ]
    return shapely.union_all(boxes, grid_size=CELL / 100)


def square(row: int, col: int, size: int) -> set[Cell]:
    """Give the cells of a square by its north-western cell."""
    return {(row + i, col + j) for i in range(size) for j in range(size)}


def sighting(  # noqa: PLR0913 - a test names the one field that it is about
    cells: Iterable[Cell],
    *,
    grid_id: str = "g0",
    anchor: Cell | None = None,
    began_by: date = FIRST,
    confirmed: date | None = None,
    last_seen: date | None = None,
    last_clear: date | None = None,
    tier: Tier | None = None,
    area_m2: float | None = None,
    causes: Mapping[Cause, float] | None = None,
    model_id: str = "rules-1",
) -> Classified:
    """See a disturbance; its anchor is its first cell unless told."""
    chosen = sorted(cells)
    geometry = outline(chosen)
    area = CELL_M2 * len(chosen) if area_m2 is None else area_m2
    seen = last_seen or confirmed or began_by
    return Classified(
        disturbance=Disturbance(
            grid_id=grid_id,
            anchor=chosen[0] if anchor is None else anchor,
            tier=tier or (Tier.LOW if confirmed is None else Tier.HIGH),
            geometry=geometry,
            area_m2=area,
            pixels=len(chosen),
            began_after=began_by - timedelta(days=5),
            began_by=began_by,
            confirmed=confirmed,
            last_seen=seen,
            last_clear=last_clear or seen,
            clear_looks_since=3,
            increments=(
                Increment(
                    geometry=geometry,
                    area_m2=area,
                    began_after=began_by - timedelta(days=5),
                    began_by=began_by,
                ),
            ),
        ),
        causes=causes or {Cause.DIGGING: 0.7, Cause.CLEAR_CUT: 0.3},
        model_id=model_id,
    )


def site(
    site_id: str,
    latest: Classified,
    *,
    state: SiteState = SiteState.NEW,
    district: str = "demo",
) -> Site:
    """Follow a disturbance under a chosen id."""
    return Site(site_id=site_id, district=district, state=state, latest=latest)


def verdict(
    of: Site,
    category: Category = Category.NO_RIGHT,
    *,
    certainty: Certainty = Certainty.CERTAIN,
    register_snapshot: str = "none",
) -> Verdict:
    """Judge a site as a whole."""
    return Verdict(
        site_id=of.site_id,
        category=category,
        certainty=certainty,
        parts=(
            Part(
                category=category,
                certainty=certainty,
                area_m2=of.latest.disturbance.area_m2,
                licence_ids=(),
                clause="decided by the test",
                clause_zh="由测试判定",
                geometry=of.latest.disturbance.geometry,
            ),
        ),
        licence_ids=(),
        register_snapshot=register_snapshot,
    )
