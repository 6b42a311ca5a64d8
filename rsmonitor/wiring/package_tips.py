"""Tips without a change (待查线索) in the package of a county: listed, with imagery.

Of a tip the package knows its opaque id, its day and its place. Whoever gave it, and
what he said, never leaves the store of tips.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any, Final

import shapely.geometry

from rsmonitor.errors import ReturnsError, SourceError, StoreError
from rsmonitor.io.deliver.geojson import dumps
from rsmonitor.io.deliver.tables import Column, Table, xlsx
from rsmonitor.io.deliver.tip_folder import SHEET
from rsmonitor.io.foundation.clock import SystemClock
from rsmonitor.io.foundation.files import make_folder, write_atomic
from rsmonitor.io.stores.photos import PhotoStore
from rsmonitor.io.stores.tips import TipStore
from rsmonitor.records.case import Level
from rsmonitor.records.package import Area, Package, Reason
from rsmonitor.records.tip import Place, Tip
from rsmonitor.records.tip_view import CAVEAT, TipView
from rsmonitor.wiring.package_images import from_cache
from rsmonitor.wiring.reports import Book, Books
from rsmonitor.wiring.returns import Desk
from rsmonitor.wiring.sources import open_source, unheard
from rsmonitor.wiring.tip_imagery import deepest, look_at, write_view
from rsmonitor.wiring.tips import matches_now

FOLDER: Final = "tips"
"""Where they lie in a package."""

LISTED_DAYS: Final = timedelta(days=365)
"""How long after its day a tip without a change is listed."""

MOST_LOOKED_AT: Final = 20
"""Newest tips that get imagery; it takes a second or two each."""

_NO_ROOM: Final = "'rsmonitor tips imagery' 可生成影像 makes its imagery"

_COLUMNS: Final = (
    ("tip_id", "线索编号（不含举报人信息）", "tip, an opaque id"),
    ("day", "线索日期", "day"),
    ("longitude", "经度", "longitude"),
    ("latitude", "纬度", "latitude"),
    ("last_clear_look", "最近清晰观测", "last clear look"),
    ("clear_looks", "线索后清晰次数", "clear looks since"),
    ("share_monitored", "附近可监测比例", "share monitored"),
    ("strongest", "附近最强证据", "strongest evidence near"),
    ("imagery", "影像", "imagery"),
    ("remark", "说明", "remark"),
)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class WaitingTip:
    """A tip without a change, and what can be seen of its place."""

    tip: Tip
    """The tip, with a place."""

    view: TipView | None
    """None where there was no room for its imagery, or it cannot be read."""

    remark: str = ""
    """Why there is none."""


def waiting_tips(books: Books, package: Package) -> tuple[WaitingTip, ...]:
    """
    Find the tips that wait for a look in a county.

    Parameters
    ----------
    books : Books
        The ledger's words.
    package : Package
        Of a county; others get none.

    Returns
    -------
    tuple of WaitingTip
        The newest first: tips of the `LISTED_DAYS` before the week's end, with a place
        in the county and no site near that may be what they speak of.

    Raises
    ------
    StoreError
        If ledger or tips are damaged.
    """
    if package.area.level is not Level.COUNTY:
        return ()
    desk = _desk_of(books)
    matched, kept = matches_now(desk)
    until = package.week.last_day
    waiting = [
        each.tip
        for each in kept
        if each.tip.tip_id in matched.priority
        and until - LISTED_DAYS <= each.tip.day <= until
    ]
    waiting.sort(key=lambda tip: (-tip.day.toordinal(), tip.tip_id))
    found: dict[str, WaitingTip] = {}
    for book in books.books:
        if book.runs[-1].week != package.week:
            continue
        theirs = [
            tip
            for tip in waiting
            if tip.tip_id not in found and _lies_in(tip, package.area, book)
        ]
        if theirs:
            found |= {
                each.tip.tip_id: _for_county(each, package)
                for each in _seen(desk, book, theirs)
            }
    return tuple(found[tip.tip_id] for tip in waiting if tip.tip_id in found)


def noted(package: Package, waiting: Sequence[WaitingTip]) -> Package:
    """
    Say in a package that tips wait for a look.

    Parameters
    ----------
    package : Package
        The package.
    waiting : sequence of WaitingTip
        Its tips.

    Returns
    -------
    Package
        With a note, where there are any.
    """
    if not waiting:
        return package
    note = Reason(
        zh=f"待查线索 {len(waiting)} 条（附近未发现变化）：见 {FOLDER} 文件夹",
        en=f"{len(waiting)} tips to look at, without a change near them: see the "
        f"folder {FOLDER}",
    )
    return replace(package, notes=(*package.notes, note))


def write_tips(folder: Path, waiting: Sequence[WaitingTip]) -> None:
    """
    Write the tips of a package, and their imagery.

    Parameters
    ----------
    folder : Path
        Folder of the package; ``tips`` is made in it, where there are any.
    waiting : sequence of WaitingTip
        Its tips.

    Raises
    ------
    OutputError
        If a file cannot be written.
    """
    if not waiting:
        return
    inside = folder / FOLDER
    make_folder(inside)
    for each in waiting:
        if each.view is not None:
            write_view(each.view, inside)
    rows = [_row(each) for each in waiting]
    features = [
        {
            "type": "Feature",
            "geometry": shapely.geometry.mapping(_place(each.tip)),
            "properties": {
                name: value.isoformat() if isinstance(value, date) else value
                for name, value in row.items()
            },
        }
        for each, row in zip(waiting, rows, strict=True)
    ]
    write_atomic(
        inside / "tips.geojson",
        dumps({"type": "FeatureCollection", "features": features}),
    )
    table = Table(
        key="tips",
        title="待查线索 tips to look at",
        columns=tuple(Column(key=key, zh=zh, en=en) for key, zh, en in _COLUMNS),
        rows=tuple(tuple(row.values()) for row in rows),
    )
    write_atomic(
        inside / "tips.xlsx",
        xlsx([table], heading="待查线索 Tips to look at", remarks=[CAVEAT]),
    )


def _desk_of(books: Books) -> Desk:
    """Open the tips beside a ledger that was read."""
    settings = books.books[0].settings
    work = settings.path(settings.run.work)
    codes = [book.settings.district.code for book in books.books]
    return Desk(
        work=work,
        ledger=books.ledger,
        # all sites, for what may not be shown hides what lies there too
        sites={s.site_id: s for code in codes for s in books.ledger.sites(code)},
        photos=PhotoStore(work / "photos"),
        tips=TipStore(work / "tips.sqlite", locks=work / "locks"),
        clock=SystemClock(),
        near=settings.tips,
    )


def _lies_in(tip: Tip, area: Area, book: Book) -> bool:
    """Say whether a tip is a county's: by its border, or else by its only district."""
    if tip.place is None:
        return False
    if area.geometry is not None:
        return bool(area.geometry.covers(tip.place.representative_point()))
    district = book.settings.district
    # without borders nobody can tell which of several counties a place lies in
    return (district.county_codes or (district.code,)) == (area.code,)


def _seen(desk: Desk, book: Book, tips: Sequence[Tip]) -> Iterator[WaitingTip]:
    """Look at the tips of a district that lie on one of its grids."""
    settings = from_cache(book.settings)
    left = list(tips)
    try:
        with open_source(settings, unheard) as source:
            grids = source.grids()
            looked_at = 0
            while left:
                tip = left.pop(0)
                grid = deepest(grids, tip, desk.near.within_m)
                if grid is None:
                    continue
                looked_at += 1
                if looked_at > MOST_LOOKED_AT:
                    yield WaitingTip(tip=tip, view=None, remark=_NO_ROOM)
                    continue
                try:
                    view = look_at(
                        desk, settings, source, grid, tip, parameters=desk.near
                    )
                except (ReturnsError, SourceError, StoreError) as error:
                    # a tip is listed without imagery rather than not at all
                    yield WaitingTip(tip=tip, view=None, remark=str(error))
                    continue
                yield WaitingTip(tip=tip, view=view)
    except SourceError as error:
        for tip in left:
            yield WaitingTip(tip=tip, view=None, remark=str(error))


def _for_county(waiting: WaitingTip, package: Package) -> WaitingTip:
    """Leave out the sites that a package does not name: they may be a neighbour's."""
    if waiting.view is None:
        return waiting
    own = {dossier.alert.site.site_id for dossier in package.dossiers}
    sites = tuple(each for each in waiting.view.sites if each.site_id in own)
    return replace(waiting, view=replace(waiting.view, sites=sites))


def _place(tip: Tip) -> Place:
    """Give the place of a tip that has one."""
    if tip.place is None:
        raise ReturnsError(f"tip {tip.tip_id} has no place and cannot be listed")
    return tip.place


def _row(each: WaitingTip) -> dict[str, Any]:
    """Give what is listed of a tip, in the order of the columns."""
    tip, view = each.tip, each.view
    spot = _place(tip).representative_point()
    told: dict[str, Any] = dict.fromkeys(name for name, _, _ in _COLUMNS)
    told |= {
        "tip_id": tip.tip_id,
        "day": tip.day,
        "longitude": round(spot.x, 6),
        "latitude": round(spot.y, 6),
        "remark": each.remark,
    }
    if view is not None:
        found, share = view.strongest, view.share_monitored
        told |= {
            "last_clear_look": view.since.last_clear,
            "clear_looks": view.since.clear,
            "share_monitored": None if share is None else round(share, 4),
            "strongest": "无 none"
            if found is None
            else f"{found.tier.name.lower() if found.tier else 'below'} "
            f"{found.first_seen} {found.distance_m:.0f} m",
            "imagery": f"{tip.tip_id}/{SHEET}",
            "remark": "；".join(f"{note.zh} {note.en}" for note in view.notes),
        }
    return told
