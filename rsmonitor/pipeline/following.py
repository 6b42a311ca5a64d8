"""What each look shows of each site: read once, kept small, caught up where missing.

It reads windows of sites alone, and only looks that the diary does not hold yet. So a
run that was killed, a diary that was lost, a look that came late or was processed
again, and a site that is new are one case: what is missing is read, and nothing is
counted twice.
"""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Final

import shapely
from shapely import STRtree

from rsmonitor.interfaces import Diary
from rsmonitor.pipeline.detection import Detected
from rsmonitor.pipeline.job import Doors, Job
from rsmonitor.pipeline.looks import day_of
from rsmonitor.pipeline.watching import (
    GREENNESS,
    Held,
    Place,
    Reader,
    Taken,
    in_order,
    look_name,
)
from rsmonitor.records.acquisition import Product
from rsmonitor.records.event import Event, EventKind
from rsmonitor.records.grid import Grid
from rsmonitor.records.lifecycle import HistoryCurve, Observation
from rsmonitor.records.run import Partition, SlotPointer
from rsmonitor.records.site import Site
from rsmonitor.stages.greenness import footprint
from rsmonitor.stages.registration import Shift
from rsmonitor.stages.tracking import CONFIRMED_ONCE, LIVING

BEFORE: Final = timedelta(days=365)
"""How long before a confirmed site began its looks are read: its clouds, and what it
was. Of a site that may yet prove to be nothing, they are not."""

TOGETHER: Final = 128
"""Sites whose windows begin in one square of so many pixels are read together."""

NEIGHBOURS_DEGREES: Final = 0.01
"""Sites farther away than this do not reach into a ring; safe up to 75 degrees
latitude."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Followed:
    """What is to be kept of the sites of a district."""

    district: str
    """`District.code`."""

    observations: tuple[Observation, ...] = ()
    """New ones, and those that replace what an older product said."""

    curves: tuple[HistoryCurve, ...] = ()
    """Of the sites that have new observations."""

    notes: tuple[str, ...] = field(default=())
    """What a person should know."""


def follow(
    doors: Doors,
    job: Job,
    partition: Partition,
    detections: Sequence[Detected],
    sites: Sequence[Site],
    diary: Diary,
) -> Followed:
    """
    Observe the sites of a run in all looks that the diary does not hold.

    Parameters
    ----------
    doors : Doors
        The outside.
    job : Job
        What the run was asked.
    partition : Partition
        Which run.
    detections : sequence of Detected
        What it did, by grid.
    sites : sequence of Site
        All sites as they are now.
    diary : Diary
        What is held.

    Returns
    -------
    Followed
        To be written before the run commits: a run that is killed between both does
        it again and writes the same.

    Raises
    ------
    StoreError
        If stored state is damaged.
    """
    known = doors.ledger.pointers(partition.line)
    applied = doors.ledger.applied(partition.line)
    told = _Told(doors.ledger.events)

    def held(detected: Detected) -> Held:
        grid_id = detected.grid.grid_id
        fresh = (*detected.applied, *detected.unusable)
        new = {
            look.product.product_id: Taken(shift=look.shift if look.put_back else None)
            for look in detected.looks
        }
        new |= {p.product_id: Taken(usable=False) for p in detected.unusable}
        earlier = (
            *(p for p in applied if p.key.grid_id == grid_id),
            *detected.plan.past,
            *detected.plan.kept,
        )
        looks = {p.key: p for p in (*earlier, *fresh)}
        return Held(
            grid=detected.grid,
            looks=in_order(looks),
            pointers=_references(grid_id, (*known, *detected.pointers)),
            taken=lambda product_id: new.get(product_id) or told.of(product_id),
        )

    return _followed(doors, job, partition, map(held, detections), sites, diary)


def catch_up(
    doors: Doors, job: Job, partition: Partition, sites: Sequence[Site], diary: Diary
) -> Followed:
    """
    Observe sites in all committed looks that the diary does not hold.

    Parameters
    ----------
    doors : Doors
        The outside.
    job : Job
        What runs are asked.
    partition : Partition
        The last committed run.
    sites : sequence of Site
        All sites as they are now.
    diary : Diary
        What is held.

    Returns
    -------
    Followed
        What `follow` would have given, run after run.

    Raises
    ------
    StoreError
        If stored state is damaged.
    """
    known = doors.ledger.pointers(partition.line)
    applied = doors.ledger.applied(partition.line)
    told = _Told(doors.ledger.events)
    held = (
        Held(
            grid=grid,
            looks=in_order(
                {p.key: p for p in applied if p.key.grid_id == grid.grid_id}
            ),
            pointers=_references(grid.grid_id, known),
            taken=told.of,
        )
        for grid in doors.source.grids()
    )
    return _followed(doors, job, partition, held, sites, diary)


class _Told:
    """What the audit chain says of how looks were taken in, read when it is needed."""

    def __init__(self, events: Callable[[], Iterable[Event]]) -> None:
        self._events = events
        self._all: dict[str, Taken] | None = None

    def of(self, product_id: str) -> Taken:
        """Say how a look was taken in; one of the history as it lies."""
        if self._all is None:
            self._all = {}
            for event in self._events():
                if event.kind != EventKind.APPLIED.value:
                    continue
                # events of older versions say less
                body: dict[str, Any] = json.loads(event.body)
                for name in body.get("unusable", ()):
                    self._all[name] = Taken(usable=False)
                for look in body.get("looks", ()):
                    put_back = look.get("put_back") and look.get("shift_pixels")
                    shift = Shift(dy=put_back[0], dx=put_back[1]) if put_back else None
                    self._all[look["product_id"]] = Taken(shift=shift)
        return self._all.get(product_id, Taken())


def _references(
    grid_id: str, pointers: Iterable[SlotPointer]
) -> Mapping[str, SlotPointer]:
    """Give the newest reference of each block of a grid; later pointers are newer."""
    return {
        pointer.block_id: pointer
        for pointer in pointers
        if pointer.grid_id == grid_id and pointer.kind == "reference"
    }


def _followed(
    doors: Doors,
    job: Job,
    partition: Partition,
    grids: Iterable[Held],
    sites: Sequence[Site],
    diary: Diary,
) -> Followed:
    """Observe grid by grid."""
    district = job.district.code
    held, curves = diary.held(district), diary.curves(district)
    observations: list[Observation] = []
    found: list[HistoryCurve] = []
    notes: dict[str, None] = {}
    for each in grids:
        wanted = _wanted(sites, each, held)
        if not wanted:
            continue
        looks = doors.blocks.looks(each.grid, job.parameters, until=partition.week.end)
        if GREENNESS not in looks.names:
            note = (
                f"sites are not followed: evidence.indices gives "
                f"{', '.join(looks.names)} and not {GREENNESS}, which recovery curves "
                "are made of"
            )
            notes[note] = None
            continue
        reader = Reader(doors, job, partition, each, looks)
        for group in _together(sites, wanted, each.grid):
            rows, group_curves = reader.observe(group, curves)
            observations += rows
            found += group_curves
        doors.blocks.scratch.clear()
    return Followed(
        district=district,
        observations=tuple(
            sorted(observations, key=lambda row: (row.site_id, row.day, row.look))
        ),
        curves=tuple(sorted(found, key=lambda curve: curve.site_id)),
        notes=tuple(notes),
    )


def _wanted(
    sites: Sequence[Site], held: Held, known: Mapping[str, Mapping[str, str]]
) -> dict[str, tuple[Product, ...]]:
    """Give the looks that are to be read, by site."""
    names = [(look_name(product), day_of(product), product) for product in held.looks]
    wanted = {}
    for site in sites:
        seen = site.latest.disturbance
        if site.state not in LIVING or seen.grid_id != held.grid.grid_id:
            continue
        has = known.get(site.site_id, {})
        confirmed = site.state in CONFIRMED_ONCE
        first = seen.began_by - BEFORE if confirmed else seen.began_by
        missing = tuple(
            product
            for name, day, product in names
            if day >= first and has.get(name) != product.product_id
        )
        if missing:
            wanted[site.site_id] = missing
    return wanted


def _together(
    sites: Sequence[Site], wanted: Mapping[str, tuple[Product, ...]], grid: Grid
) -> list[list[Place]]:
    """Group sites that are read in one window: screening looks far around each."""
    standing = [
        site
        for site in sites
        if site.state in LIVING and site.latest.disturbance.grid_id == grid.grid_id
    ]
    outlines = [site.latest.disturbance.geometry for site in standing]
    tree = STRtree(outlines)
    groups: dict[tuple[int, int], list[Place]] = {}
    for number, site in enumerate(standing):
        if site.site_id not in wanted:
            continue
        box = shapely.box(*outlines[number].bounds).buffer(
            NEIGHBOURS_DEGREES, join_style="mitre"
        )
        near = sorted(int(i) for i in tree.query(box) if i != number)
        pixels = footprint(outlines[number], [outlines[i] for i in near], grid)
        if pixels is None:
            continue
        key = (pixels.window.row // TOGETHER, pixels.window.col // TOGETHER)
        groups.setdefault(key, []).append(
            Place(site=site, pixels=pixels, looks=wanted[site.site_id])
        )
    return [groups[key] for key in sorted(groups)]
