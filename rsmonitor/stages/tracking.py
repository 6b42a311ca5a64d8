"""Disturbances and the sites of the previous run -> sites; their life cycle.

A site's id is given once, from where and when it was first seen, and is carried by
overlap ever after. So a reprocessed scene or a newer model moves outlines and dates,
never ids. Licences are unknown here: identity comes before law.

Nothing is forgotten: merged and withdrawn sites stay, in that state.
"""

import base64
import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime
from itertools import count, pairwise
from typing import Any, Final

import numpy as np
import shapely
from numpy.typing import NDArray
from shapely import STRtree

from rsmonitor.errors import ContractError
from rsmonitor.records.disturbance import Classified, Disturbance
from rsmonitor.records.event import EventDraft, EventKind
from rsmonitor.records.parameters import TrackingParameters
from rsmonitor.records.site import Site, SiteState

ID_CHARACTERS: Final = 12
"""Base-32 characters of an id: 60 bits, enough for every site there will ever be."""

SHARE_DECIMALS: Final = 9
"""Shares that agree this far are a tie: the rest is rounding of the overlay."""

CONFIRMED_ONCE: Final = frozenset({SiteState.ACTIVE, SiteState.RECOVERING})
"""States that only a site that reached the high tier can be in."""

LIVING: Final = frozenset({SiteState.NEW, *CONFIRMED_ONCE})
"""States of sites that stand: they can be seen again, and can raise an alert."""


def track(
    classified: Sequence[Classified],
    previous: Sequence[Site],
    *,
    district: str,
    parameters: TrackingParameters,
) -> tuple[Site, ...]:
    """
    Recognise the sites of the previous run in what is seen now.

    Tracking the same disturbances again changes nothing, and the order of neither
    input matters.

    Parameters
    ----------
    classified : sequence of Classified
        All disturbances of the district as seen now; anchors are unique on a grid.
    previous : sequence of Site
        All sites of the district so far, merged and withdrawn ones included.
    district : str
        `District.code`.
    parameters : TrackingParameters
        What counts as overlap, and as recovering.

    Returns
    -------
    tuple of Site
        All sites of the district, those of `previous` included, by `site_id`.

    Raises
    ------
    ContractError
        If two disturbances share an anchor, two sites an id, a site is of another
        district, or an outline has no area.

    Notes
    -----
    Two outlines overlap when their common area is at least `min_overlap` of the
    smaller one. Areas are planar in degrees here, because only shares of one place
    are compared.

    Sites choose in order of age (`began_by`, then id), each the disturbance with
    which it shares most and which no older site has chosen. From this follow

    - merge: of several sites under one disturbance the oldest keeps its id, the others
      are merged into it, for ever;
    - split: of several disturbances under one site the one with the largest common
      area keeps the id (ties: first anchor), the others are new.

    A disturbance that no site chose is new, unless its own id is that of a site which
    found nothing now: then the evidence came back at the same place with the same
    date, and that site goes on (a withdrawn one is revived).

    A site that was confirmed once is never new or withdrawn again: its evidence may
    fade, but it was there.
    """
    current = _in_order(classified)
    known = _by_id(previous, district)
    holder, merged = _choose(current, known, parameters.min_overlap)
    _name_the_new(current, known, holder, merged, district=district)

    confirmed_once = {
        merged.get(site.site_id, site.site_id)
        for site in known.values()
        if site.state in CONFIRMED_ONCE
    }
    sites = {
        site_id: Site(
            site_id=site_id,
            district=district,
            state=_state_seen(
                current[index].disturbance,
                confirmed_once=site_id in confirmed_once,
                recovering_days=parameters.recovering_days,
            ),
            latest=current[index],
        )
        for index, site_id in holder.items()
    }
    for site_id, site in known.items():
        if site_id not in sites:
            sites[site_id] = _unseen(site, merged_into=merged.get(site_id))
    return tuple(sites[site_id] for site_id in sorted(sites))


def new_site_id(
    *,
    district: str,
    grid_id: str,
    anchor: tuple[int, int],
    began_by: date,
    again: int = 0,
) -> str:
    """
    Make the id of a site from where and when it was first seen.

    Parameters
    ----------
    district : str
        `District.code`.
    grid_id : str
        `Grid.grid_id`.
    anchor : tuple of int
        Row and column of its earliest pixel.
    began_by : date
        First clear look that saw it.
    again : int, default 0
        Counts up where the id before is another site's.

    Returns
    -------
    str
        ``s`` and twelve lower-case base-32 characters.

    Examples
    --------
    >>> new_site_id(
    ...     district="demo",
    ...     grid_id="g0",
    ...     anchor=(3, 4),
    ...     began_by=date(2018, 7, 2),
    ... )
    's75nsj5lybfro'
    """
    words = [district, grid_id, str(anchor[0]), str(anchor[1]), began_by.isoformat()]
    if again:
        words.append(str(again))
    digest = hashlib.sha256("\n".join(words).encode()).digest()
    return "s" + base64.b32encode(digest).decode().lower()[:ID_CHARACTERS]


def events_of(
    before: Sequence[Site],
    after: Sequence[Site],
    *,
    at: datetime,
    who: str,
    run_id: str,
    parameters: TrackingParameters | None = None,
) -> tuple[EventDraft, ...]:
    """
    Say what happened to the sites of a district from one run to the next.

    Parameters
    ----------
    before : sequence of Site
        What `track` was given.
    after : sequence of Site
        What `track` gave.
    at : datetime
        When it is recorded, timezone-aware UTC.
    who : str
        Person or program that caused it.
    run_id : str
        `Partition.run_id`.
    parameters : TrackingParameters, optional
        What `track` was given; its defaults if not given.

    Returns
    -------
    tuple of EventDraft
        Detected, confirmed, merged, recovered and withdrawn, in this order; by
        `site_id` within each. A revived site is detected again. One that parted from
        others names them as ``split_from``.

    Raises
    ------
    ContractError
        If a site of `before` is missing in `after`, because nothing may be lost.
    """
    earlier = {site.site_id: site for site in before}
    lost = sorted(earlier.keys() - {site.site_id for site in after})
    if lost:
        raise ContractError(f"sites are never lost, but {', '.join(lost)} are missing")
    parted = split_from(before, after, parameters=parameters or TrackingParameters())
    happened = sorted(
        (order, site.site_id, kind, site)
        for site in after
        for order, kind in enumerate(_changes(earlier.get(site.site_id), site))
        if kind is not None
    )
    return tuple(
        EventDraft(
            kind=kind,
            at=at,
            who=who,
            body=_body(site, run_id=run_id)
            | (
                {"split_from": list(parted[site.site_id])}
                if kind is EventKind.DETECTED and site.site_id in parted
                else {}
            ),
        )
        for _, _, kind, site in happened
    )


def split_from(
    before: Sequence[Site], after: Sequence[Site], *, parameters: TrackingParameters
) -> Mapping[str, tuple[str, ...]]:
    """
    Name the sites that new ones parted from.

    Parameters
    ----------
    before : sequence of Site
        What `track` was given.
    after : sequence of Site
        What `track` gave.
    parameters : TrackingParameters
        What counts as overlap.

    Returns
    -------
    Mapping of str to tuple of str
        By the id of a new site, the sites that stood where it stands and that did not
        become it, by common area. New sites where none stood are not listed.

    Raises
    ------
    ContractError
        If an outline has no area.
    """
    known = {site.site_id for site in before}
    new = sorted(
        (site for site in after if site.site_id not in known),
        key=lambda site: site.site_id,
    )
    stood = sorted(
        (site for site in before if site.state in LIVING),
        key=lambda site: site.site_id,
    )
    if not (new and stood):
        return {}
    shared = _overlapping(new, [site.latest for site in stood], parameters.min_overlap)
    return {
        site.site_id: tuple(stood[index].site_id for index in indices)
        for site, indices in zip(new, shared, strict=True)
        if indices
    }


def _changes(before: Site | None, after: Site) -> tuple[EventKind | None, ...]:
    """Give what happened to one site; one place per kind, None where it did not."""
    state_before = None if before is None else before.state
    confirmed_before = (
        None if before is None else before.latest.disturbance.confirmed
    ) is not None

    def entered(state: SiteState) -> bool:
        return after.state is state and state_before is not state

    detected = before is None or (
        state_before is SiteState.WITHDRAWN and after.state is not SiteState.WITHDRAWN
    )
    confirmed = after.latest.disturbance.confirmed is not None and not confirmed_before
    return (
        EventKind.DETECTED if detected else None,
        EventKind.CONFIRMED if confirmed else None,
        EventKind.MERGED if entered(SiteState.MERGED) else None,
        EventKind.RECOVERED if entered(SiteState.RECOVERING) else None,
        EventKind.WITHDRAWN if entered(SiteState.WITHDRAWN) else None,
    )


def _body(site: Site, *, run_id: str) -> dict[str, Any]:
    """Write what an event says about a site, as JSON values."""
    seen = site.latest.disturbance
    body: dict[str, Any] = {
        "site_id": site.site_id,
        "run_id": run_id,
        "state": site.state.value,
        "tier": seen.tier.code,
        "area_m2": round(seen.area_m2, 1),
        "began_after": _day(seen.began_after),
        "began_by": _day(seen.began_by),
        "confirmed": _day(seen.confirmed),
        "last_seen": _day(seen.last_seen),
        "last_clear": _day(seen.last_clear),
    }
    if site.merged_into is not None:
        body["merged_into"] = site.merged_into
    return body


def _day(day: date | None) -> str | None:
    """Write a day in ISO 8601."""
    return None if day is None else day.isoformat()


def _in_order(classified: Iterable[Classified]) -> list[Classified]:
    """Sort by grid and anchor, which makes everything after it deterministic."""
    current = sorted(classified, key=lambda each: _place(each.disturbance))
    for one, other in pairwise(current):
        if _place(one.disturbance) == _place(other.disturbance):
            grid_id, (row, col) = _place(one.disturbance)
            raise ContractError(
                f"two disturbances of grid {grid_id} share the anchor row {row}, "
                f"col {col}; outlines of one grid must not overlap"
            )
    return current


def _place(disturbance: Disturbance) -> tuple[str, tuple[int, int]]:
    """Give grid and anchor."""
    return (disturbance.grid_id, disturbance.anchor)


def _by_id(previous: Iterable[Site], district: str) -> dict[str, Site]:
    """Index the known sites, refusing what is not one district's history."""
    known: dict[str, Site] = {}
    for site in previous:
        if site.district != district:
            raise ContractError(
                f"site {site.site_id} is of district {site.district}, not {district}"
            )
        if site.site_id in known:
            raise ContractError(f"site {site.site_id} is listed twice")
        known[site.site_id] = site
    return known


def _choose(
    current: Sequence[Classified], known: Mapping[str, Site], min_overlap: float
) -> tuple[dict[int, str], dict[str, str]]:
    """Give the site of each disturbance, and the older site of each merged one."""
    living = sorted(
        (site for site in known.values() if site.state in LIVING),
        key=lambda site: (site.latest.disturbance.began_by, site.site_id),
    )
    holder: dict[int, str] = {}
    merged: dict[str, str] = {}
    for site, wanted in zip(
        living, _overlapping(living, current, min_overlap), strict=True
    ):
        free = next((index for index in wanted if index not in holder), None)
        if free is not None:
            holder[free] = site.site_id
        elif wanted:
            merged[site.site_id] = holder[wanted[0]]
    return holder, merged


def _overlapping(
    living: Sequence[Site], current: Sequence[Classified], min_overlap: float
) -> list[list[int]]:
    """Give for each site the disturbances that overlap it, by common area."""
    before = _outlines(site.latest.disturbance for site in living)
    now = _outlines(each.disturbance for each in current)
    area_before, area_now = shapely.area(before), shapely.area(now)
    sites, indices = STRtree(now).query(before, predicate="intersects")

    smaller = np.minimum(area_before[sites], area_now[indices])
    # An outline that did not move overlaps itself wholly, whatever overlay rounds.
    unmoved = shapely.equals_exact(before[sites], now[indices], tolerance=0.0)
    common = np.where(
        unmoved,
        smaller,
        shapely.area(shapely.intersection(before[sites], now[indices])),
    )
    share = np.round(common / area_before[sites], SHARE_DECIMALS)

    wanted: list[list[tuple[float, bool, bool, int]]] = [[] for _ in living]
    enough = (common > 0) & (common >= min_overlap * smaller)
    for pair in np.flatnonzero(enough):
        site, index = int(sites[pair]), int(indices[pair])
        same_place = _place(living[site].latest.disturbance) == _place(
            current[index].disturbance
        )
        wanted[site].append(
            (-float(share[pair]), not unmoved[pair], not same_place, index)
        )
    return [[index for *_, index in sorted(each)] for each in wanted]


def _outlines(disturbances: Iterable[Disturbance]) -> NDArray[np.object_]:
    """Give outlines that can be overlaid; a ring that crosses itself is mended."""
    chosen = list(disturbances)
    outlines = np.empty(len(chosen), dtype=object)
    outlines[:] = [each.geometry for each in chosen]
    if not chosen:
        return outlines
    finite = np.isfinite(shapely.bounds(outlines)).all(axis=1)
    crossing = finite & ~shapely.is_valid(outlines)
    outlines[crossing] = shapely.make_valid(
        outlines[crossing], method="structure", keep_collapsed=False
    )
    for index in np.flatnonzero(~(finite & (shapely.area(outlines) > 0))):
        grid_id, (row, col) = _place(chosen[index])
        raise ContractError(
            f"the disturbance of grid {grid_id} at row {row}, col {col} has an "
            "outline without area"
        )
    return outlines


def _name_the_new(
    current: Sequence[Classified],
    known: Mapping[str, Site],
    holder: dict[int, str],
    merged: Mapping[str, str],
    *,
    district: str,
) -> None:
    """Give an id, in `holder`, to every disturbance that no site chose."""
    taken = {*holder.values(), *merged}
    taken.update(
        site.site_id for site in known.values() if site.state is SiteState.MERGED
    )
    for index, each in enumerate(current):
        if index in holder:
            continue
        names = (
            new_site_id(
                district=district,
                grid_id=each.disturbance.grid_id,
                anchor=each.disturbance.anchor,
                began_by=each.disturbance.began_by,
                again=again,
            )
            for again in count()
        )
        holder[index] = next(name for name in names if name not in taken)
        taken.add(holder[index])


def _state_seen(
    disturbance: Disturbance, *, confirmed_once: bool, recovering_days: int
) -> SiteState:
    """Give the state of a site that is seen now."""
    if disturbance.confirmed is None and not confirmed_once:
        return SiteState.NEW
    if (disturbance.last_clear - disturbance.last_seen).days >= recovering_days:
        return SiteState.RECOVERING
    return SiteState.ACTIVE


def _unseen(site: Site, *, merged_into: str | None) -> Site:
    """Give a site in which nothing is seen now; it keeps its last observation."""
    if merged_into is not None:
        return replace(site, state=SiteState.MERGED, merged_into=merged_into)
    if site.state is SiteState.NEW:
        return replace(site, state=SiteState.WITHDRAWN)
    if site.state in CONFIRMED_ONCE:
        return replace(site, state=SiteState.RECOVERING)
    return site
