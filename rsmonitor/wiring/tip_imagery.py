"""What can be seen of the place of a tip, read from what runs kept.

Nothing here asks who gave a tip: it knows the opaque id, the day and the place.
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

from rsmonitor.config import Settings, read_districts
from rsmonitor.errors import (
    ContractError,
    ReturnsError,
    SourceError,
    StoreError,
)
from rsmonitor.interfaces import SceneSource
from rsmonitor.io.deliver.pictures.tip_picture import render_tip_sheet
from rsmonitor.io.deliver.tip_folder import SHEET, write_tip_view
from rsmonitor.io.foundation.files import staged_folder
from rsmonitor.io.stores.state import SlotStateStore
from rsmonitor.pipeline.chip_places import Window, window_of
from rsmonitor.pipeline.chip_reading import grid_of
from rsmonitor.pipeline.tip_evidence import (
    Held,
    counts_near,
    evidence_around,
    near,
    strongest_near,
)
from rsmonitor.pipeline.tip_images import images_around
from rsmonitor.records.grid import Grid
from rsmonitor.records.package import Reason
from rsmonitor.records.run import RunRecord
from rsmonitor.records.tip import TIP_ID, MatchingParameters, Place, Tip
from rsmonitor.records.tip_view import EvidenceWindow, NearSite, TipView
from rsmonitor.stages.alerting import alert_id_of
from rsmonitor.stages.geodesy import pixel_size_m
from rsmonitor.stages.greenness import on_pixels
from rsmonitor.stages.matching import grown, match_tips
from rsmonitor.wiring.office import SOFTWARE
from rsmonitor.wiring.package_images import from_cache
from rsmonitor.wiring.returns import Desk
from rsmonitor.wiring.sources import open_source, unheard
from rsmonitor.wiring.tip_notes import notes_on

LEAST_SIDE_M: Final = 1000.0
"""Side of the smallest window, metres."""

MOST_SIDE_M: Final = 20_000.0
"""Side of the largest, metres: of a tip that points at a whole county the middle is
shown."""

MARGIN: Final = 0.1
"""Ground around what counts as near on each side, as a share of its extent."""

MOST_NAMED: Final = 10
"""Districts that an error names: enough to recognise the file."""

FOLDER: Final = "tip-imagery"
"""Where imagery lies below the work folder, which no reader of products sees."""

ANY_DAY: Final = 36_500
"""Days that no site and no tip are apart."""


def view_tip(
    desk: Desk,
    config: Path,
    tip_id: str,
    *,
    parameters: MatchingParameters | None = None,
    fetch: bool = False,
) -> TipView:
    """
    Read what can be seen of the place of a tip.

    Parameters
    ----------
    desk : Desk
        The ledger and the tips.
    config : Path
        Settings of all districts of the desk.
    tip_id : str
        `Tip.tip_id`; may come from anywhere.
    parameters : MatchingParameters, optional
        How near counts; as the settings have it by default.
    fetch : bool, default False
        True asks the service for scenes that the cache does not hold.

    Returns
    -------
    TipView
        Images, evidence and numbers.

    Raises
    ------
    ContractError
        If it is no id of a tip.
    ReturnsError
        If the tip has no place yet, or lies outside every district.
    StoreError
        If there is no such tip, or its district was never run.
    SourceError
        If the scenes cannot be opened.
    """
    tip = _tip_of(desk, tip_id)
    if tip.place is None:
        raise ReturnsError(
            f"tip {tip.tip_id} has an address only: 'rsmonitor tips place' gives it a "
            "place first"
        )
    how = parameters or desk.near
    settings, grid = _spot_of(read_districts(config), tip, tip.place, how.within_m)
    if not fetch:
        settings = from_cache(settings)
    with open_source(settings, unheard) as source:
        return look_at(desk, settings, source, grid, tip, parameters=how)


def look_at(
    desk: Desk,
    settings: Settings,
    source: SceneSource,
    grid: Grid,
    tip: Tip,
    *,
    parameters: MatchingParameters,
) -> TipView:
    """
    Read what one grid of a district shows of a tip.

    Parameters
    ----------
    desk : Desk
        The ledger.
    settings : Settings
        Of the district.
    source : SceneSource
        Its scenes, open.
    grid : Grid
        One of its grids.
    tip : Tip
        With a place.
    parameters : MatchingParameters
        How near counts.

    Returns
    -------
    TipView
        Up to the end of the district's last run.

    Raises
    ------
    ReturnsError
        If the tip has no place on the grid.
    StoreError
        If the district was never run.
    """
    runs = desk.ledger.runs(settings.district.code)
    if not runs:
        raise StoreError(
            f"district {settings.district.code} was never run: 'rsmonitor run' comes "
            "first"
        )
    run, place, within_m = runs[-1], tip.place, parameters.within_m
    window = None if place is None else _window(place, grid, within_m)
    if place is None or window is None:
        raise ReturnsError(f"tip {tip.tip_id} has no place on grid {grid.grid_id}")
    images = images_around(
        source,
        grid,
        source.find(grid, until=run.week.end),
        window,
        tip.day,
        parameters=settings.parameters,
    )
    evidence, trouble = _evidence(desk, settings, run, grid, window, place, within_m)
    counts = {} if evidence is None else counts_near(evidence)
    view = TipView(
        tip=tip,
        place=place,
        within_m=within_m,
        district=settings.district.code,
        grid_id=grid.grid_id,
        until=run.week.last_day,
        run_id=run.run_id,
        before=images.before,
        after=images.after,
        evidence=evidence,
        since=images.since,
        strongest=None if evidence is None else strongest_near(evidence, place),
        pixels_near=counts,
        sites=_sites(desk, tip, within_m),
        notes=(),
        software=SOFTWARE,
    )
    notes = [
        *trouble,
        *notes_on(view, settings, run),
        *_cut(grid, place, within_m),
    ]
    return replace(view, notes=tuple(notes))


def write_view(view: TipView, out: Path) -> Path:
    """
    Write the files of a tip into a folder of its own, all or none.

    Parameters
    ----------
    view : TipView
        What can be seen.
    out : Path
        Folder in which one of the tip's id is made, or replaced.

    Returns
    -------
    Path
        That folder.

    Raises
    ------
    OutputError
        If it cannot be written; an older one is then as it was.
    """
    final = out / view.tip.tip_id
    with staged_folder(final) as folder:
        write_tip_view(folder, view)
        render_tip_sheet(folder / SHEET, view)
    return final


def imagery_folder(desk: Desk) -> Path:
    """
    Say where imagery of tips lies unless somebody names another folder.

    Parameters
    ----------
    desk : Desk
        The ledger.

    Returns
    -------
    Path
        In the work folder: where tips point is nothing for readers of products.
    """
    return desk.work / FOLDER


def _tip_of(desk: Desk, tip_id: str) -> Tip:
    """Find a tip; an id may hold anything, and becomes the name of a folder."""
    if not TIP_ID.fullmatch(tip_id):
        raise ContractError(
            f"a tip id is t and twelve characters of a-z and 2-7, got "
            f"{tip_id[:40]!r}; 'rsmonitor tips list' names them"
        )
    for kept in desk.tips.tips():
        if kept.tip.tip_id == tip_id:
            return kept.tip
    raise StoreError(f"there is no tip {tip_id}; 'rsmonitor tips list' names them")


def _spot_of(
    offices: Sequence[Settings], tip: Tip, place: Place, within_m: float
) -> tuple[Settings, Grid]:
    """Find the district and the grid on which a place lies deepest."""
    best: tuple[float, Settings, Grid] | None = None
    failed: SourceError | None = None
    for settings in offices:
        try:
            with open_source(from_cache(settings), unheard) as source:
                grid = deepest(source.grids(), tip, within_m)
        except SourceError as error:
            failed = error  # the place may lie in another district
            continue
        if grid is None:
            continue
        depth = _depth_m(grid, place)
        if best is None or depth > best[0]:
            best = depth, settings, grid
    if best is not None:
        return best[1:]
    if failed is not None:
        raise failed
    codes = [settings.district.code for settings in offices]
    more = f" and {len(codes) - MOST_NAMED} more" if len(codes) > MOST_NAMED else ""
    raise ReturnsError(
        f"tip {tip.tip_id} lies {within_m:g} m or more outside every district of the "
        "settings "
        f"({', '.join(codes[:MOST_NAMED])}{more}): no scene of its place is read; hand "
        "it to whoever watches there, or add a district"
    )


def deepest(grids: Sequence[Grid], tip: Tip, within_m: float) -> Grid | None:
    """
    Find the grid of a district that shows most of the ground around a tip.

    Parameters
    ----------
    grids : sequence of Grid
        Of one district; tiles overlap.
    tip : Tip
        The tip.
    within_m : float
        How far around its place counts as near, metres.

    Returns
    -------
    Grid or None
        None where nothing near its place lies on any of them.
    """
    place = tip.place
    if place is None:
        return None
    held = [
        grid
        for grid in grids
        if window_of(grown(place, within_m), grid, least_m=0.0, margin=0.0) is not None
    ]
    return max(held, key=lambda grid: _depth_m(grid, place), default=None)


def _depth_m(grid: Grid, place: Place) -> float:
    """Measure from the middle of a place to the edge of a grid; negative outside."""
    x, y = on_pixels(place.representative_point(), grid).bounds[:2]
    wide, high = pixel_size_m(grid)
    return min(
        min(x, grid.width - x) * wide,
        min(y, grid.height - y) * high,
    )


def _window(place: Place, grid: Grid, within_m: float) -> Window | None:
    """Choose what is shown around a place."""
    around = grown(place, within_m)
    if _too_large(place, grid, within_m):
        around = grown(place.representative_point(), MOST_SIDE_M / 2)
    window = window_of(around, grid, least_m=LEAST_SIDE_M, margin=MARGIN)
    if window is None:
        return None
    return replace(window, own=near(place, grid_of(window, grid), within_m))


def _too_large(place: Place, grid: Grid, within_m: float) -> bool:
    """Say whether a place is larger than what is shown."""
    west, north, east, south = on_pixels(grown(place, within_m), grid).bounds
    wide, high = pixel_size_m(grid)
    return max((east - west) * wide, (south - north) * high) > MOST_SIDE_M


def _evidence(
    desk: Desk,
    settings: Settings,
    run: RunRecord,
    grid: Grid,
    window: Window,
    place: Place,
    within_m: float,
) -> tuple[EvidenceWindow | None, list[Reason]]:
    """Read the evidence, or say why it cannot be read."""
    hidden = [
        desk.sites[each] for each in sorted(desk.suppressed()) if each in desk.sites
    ]
    try:
        found = evidence_around(
            SlotStateStore(desk.work / "state"),
            Held(
                grid=grid,
                block_size=settings.run.block_size,
                pointers=desk.ledger.pointers(run.line),
            ),
            window,
            place,
            within_m=within_m,
            parameters=settings.parameters.evidence,
            withheld=[site.latest.disturbance.geometry for site in hidden],
        )
    except StoreError as error:
        return None, [
            Reason(
                zh=f"变化证据不可读：{error}",
                en=f"the evidence cannot be read: {error}",
            )
        ]
    return found, []


def _sites(desk: Desk, tip: Tip, within_m: float) -> tuple[NearSite, ...]:
    """List the sites near a tip, whenever they changed."""
    matched = match_tips(
        [tip],
        tuple(desk.sites.values()),
        parameters=MatchingParameters(
            within_m=within_m, days_ahead=ANY_DAY, days_behind=ANY_DAY
        ),
        suppressed=desk.suppressed(),
    )
    return tuple(
        NearSite(
            site_id=match.site_id,
            alert_id=alert_id_of(desk.sites[match.site_id]),
            state=desk.sites[match.site_id].state.value,
            distance_m=match.distance_m,
            days_apart=match.days_apart,
        )
        for match in matched.matches
    )


def _cut(grid: Grid, place: Place, within_m: float) -> list[Reason]:
    """Say where the window does not hold all that is near."""
    west, north, east, south = on_pixels(grown(place, within_m), grid).bounds
    inside = west >= 0 and north >= 0 and east <= grid.width and south <= grid.height
    if inside and not _too_large(place, grid, within_m):
        return []
    return [
        Reason(
            zh="附近范围超出影像：只显示其中一部分",
            en="what counts as near reaches beyond the image: a part of it is shown",
        )
    ]
