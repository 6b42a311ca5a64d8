"""Sites and the register -> what each site is in law, how sure that is, and why.

Each increment of a site's growth is held against the rights in force in the interval
in which it began: from the day of the last clear look that saw nothing, for the act
may have begun that afternoon, to the day of the first that saw it, both days included.
Where rights overlap, the one that serves the holder best decides, and all are named.
What no right covers is the rest. Words are measured: imagery gives clues.

The rules are `rsmonitor.stages.rules`, the cutting is `rsmonitor.stages.division`, and
the sentences are `rsmonitor.stages.parts`.
"""

from collections.abc import (
    Callable,
    Container,
    Hashable,
    Iterable,
    Mapping,
    Sequence,
)
from datetime import date
from functools import lru_cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from rsmonitor.records.disturbance import Cause
from rsmonitor.records.licence import RegisterSnapshot
from rsmonitor.records.parameters import LicensingParameters
from rsmonitor.records.rule import LawTable
from rsmonitor.records.site import Site
from rsmonitor.records.verdict import Certainty, Part, Verdict
from rsmonitor.stages.court import FAVOUR, Case, Court, Piece, Ruling
from rsmonitor.stages.division import divided
from rsmonitor.stages.nearness import (
    attached_to_digging,
    geometries_of,
    rights_near,
)
from rsmonitor.stages.parts import part_of, warnings_of
from rsmonitor.stages.touches import touches_of

NO_LAWS: Final = LawTable()
"""A table without a law: verdicts then name none."""


_SURENESS: Final = {Certainty.UNCLEAR: 0, Certainty.POSSIBLE: 1, Certainty.CERTAIN: 2}


_COUNTY_DIGITS: Final = 6


def judge(
    site: Site,
    register: RegisterSnapshot,
    parameters: LicensingParameters,
    *,
    laws: LawTable = NO_LAWS,
    history_start: date | None = None,
) -> Verdict:
    """
    Judge one site.

    Parameters
    ----------
    site : Site
        Where something was seen; its identity and geometry are not touched.
    register : RegisterSnapshot
        All licences, in and out of force.
    parameters : LicensingParameters
        The error of position, and the sizes that decide.
    laws : LawTable, optional
        The laws to name; none by default.
    history_start : date, optional
        What was there by this day, with no clear look before, is legacy.

    Returns
    -------
    Verdict
        As `judge_all` gives it.
    """
    verdicts = judge_all(
        [site], register, parameters, laws=laws, history_start=history_start
    )
    return verdicts[site.site_id]


def judge_all(
    sites: Iterable[Site],
    register: RegisterSnapshot,
    parameters: LicensingParameters,
    *,
    laws: LawTable = NO_LAWS,
    counties: Callable[[Site], tuple[str, ...]] | None = None,
    history_start: date | None = None,
    on_day: Container[str] = (),
) -> dict[str, Verdict]:
    """
    Judge sites by what was in force when each part of them began.

    Parameters
    ----------
    sites : iterable of Site
        With different ids.
    register : RegisterSnapshot
        All licences, in and out of force. An empty one accuses nobody with
        certainty.
    parameters : LicensingParameters
        The error of position, and the sizes that decide.
    laws : LawTable, optional
        The laws to name; none by default.
    counties : callable, optional
        Gives the codes of the counties that a site lies in, for which the register
        must be complete; the site's district by default.
    history_start : date, optional
        What was there by this day, with no clear look before, is legacy.
    on_day : container of str, optional
        Ids of sites whose growth without a clear look before is known to have begun
        on its very day, from something else than imagery.

    Returns
    -------
    dict of str to Verdict
        By `site_id`, in the order of the sites. The areas of a verdict's parts sum
        to those of the site's increments.

    Notes
    -----
    Certainty is in space and in time. A part is ``certain`` if some of it lies
    farther than the error budget from everything that would have made another
    category of it. It is ``unclear`` where a right began, ended, moved or has no
    dates in the interval. The tolerance never moves a boundary: a dig outside stays
    outside. What accuses is at most ``possible`` while the cause is open; 'no right'
    is so while licences of the register could not be read, and wherever the register
    is not declared complete for the county on that day.
    """
    listed = list(sites)
    court = Court(register, parameters, laws, history_start, on_day)
    outlines = np.array(
        [site.latest.disturbance.geometry for site in listed], dtype=object
    )
    causes = _causes(listed)
    near = rights_near(court.held, outlines, _margins_m(court, causes))
    attached = attached_to_digging(causes, outlines, parameters.position_error_m)
    geometries = geometries_of(listed, near)
    touches = touches_of(court.right, geometries, near)
    verdicts: dict[str, Verdict] = {}
    for place, site in enumerate(listed):
        increments = site.latest.disturbance.increments
        codes = _counties(site, counties)
        if not near[place] and len(increments) == 1:
            verdicts[site.site_id] = _alone(
                court, site, causes[place], codes, attached=place in attached
            )
            continue
        verdicts[site.site_id] = _judged(
            Case(
                court=court,
                site=site,
                cause=causes[place],
                increments=geometries[place]
                or tuple(increment.geometry for increment in increments),
                near=tuple(map(court.right, near[place])),
                touches=next(touches) if near[place] else ((),) * len(increments),
                counties=codes,
                attached=place in attached,
            )
        )
    return verdicts


def counted_construction(verdicts: Mapping[str, Verdict]) -> int:
    """
    Count the sites of construction that lie near nothing that the register knows.

    Parameters
    ----------
    verdicts : Mapping of str to Verdict
        From `judge_all`.

    Returns
    -------
    int
        Sites that are counted and raise no alert.
    """
    return sum(verdict.counted_only for verdict in verdicts.values())


def _margins_m(court: Court, causes: Sequence[Cause]) -> NDArray[np.float64]:
    """Say how far from each site a right can matter to it."""
    far = max(court.widest_m, court.parameters.construction_near_m)
    return np.array(
        [
            1 + (far if cause is Cause.CONSTRUCTION else court.widest_m)
            for cause in causes
        ]
    )


def _causes(sites: Sequence[Site]) -> list[Cause]:
    """Give the most probable cause of each site; many have the same probabilities."""
    known: dict[Hashable, Cause] = {}
    causes = []
    for site in sites:
        key = tuple(site.latest.causes.items())
        cause = known.get(key)
        if cause is None:
            cause = known[key] = site.latest.cause
        causes.append(cause)
    return causes


def _counties(
    site: Site, counties: Callable[[Site], tuple[str, ...]] | None
) -> tuple[str, ...]:
    """Give the codes of the counties of a site; its district's, if it is one."""
    codes = counties(site) if counties is not None else ()
    return codes or _county(site.district)


@lru_cache(maxsize=4096)
def _county(code: str) -> tuple[str, ...]:
    """Give the code of a district that is a county; always the same tuple."""
    return (code,) if code.isdigit() and len(code) == _COUNTY_DIGITS else ()


def _alone(
    court: Court, site: Site, cause: Cause, counties: tuple[str, ...], *, attached: bool
) -> Verdict:
    """Judge a site of one increment that lies near nothing, as others like it were."""
    (increment,) = site.latest.disturbance.increments
    key = (
        cause,
        increment.began_after,
        increment.began_by,
        increment.began_after is None and site.site_id in court.on_day,
        counties,
        attached,
    )
    like = court.alone.get(key)
    if like is None:
        case = Case(
            court=court,
            site=site,
            cause=cause,
            increments=(increment.geometry,),
            near=(),
            touches=((),),
            counties=counties,
            attached=attached,
        )
        ((ruling, piece),) = divided(case, 0)
        like = court.alone[key] = part_of(case, ruling, [piece])
    part = Part(
        category=like.category,
        certainty=like.certainty,
        area_m2=increment.area_m2,
        licence_ids=(),
        clause=like.clause,
        clause_zh=like.clause_zh,
        geometry=increment.geometry,
        trace=like.trace,
        counted_only=like.counted_only,
    )
    return _summed(court, site, [part], ())


def _judged(case: Case) -> Verdict:
    """Divide every increment, gather what one sentence covers, and sum up."""
    found = [
        each for place in range(len(case.increments)) for each in divided(case, place)
    ]
    if len(found) == 1:
        ruling, piece = found[0]
        parts = [part_of(case, ruling, [piece])]
    else:
        pieces: dict[Ruling, list[Piece]] = {}
        for ruling, piece in found:
            pieces.setdefault(ruling, []).append(piece)
        parts = [part_of(case, ruling, those) for ruling, those in pieces.items()]
    warnings = warnings_of(case) if case.near else ()
    return _summed(case.court, case.site, parts, warnings)


def _summed(
    court: Court, site: Site, parts: list[Part], warnings: tuple[str, ...]
) -> Verdict:
    """Sum parts up: the most serious that is large enough to count decides."""
    deciding = parts[0]
    certainty, licence_ids = deciding.certainty, deciding.licence_ids
    if len(parts) > 1:
        parts.sort(
            key=lambda part: (FAVOUR[part.category], -part.area_m2, part.licence_ids)
        )
        least = court.parameters.min_part_m2
        counted = [part for part in parts if part.area_m2 >= least]
        deciding = counted[0] if counted else max(parts, key=lambda part: part.area_m2)
        same = [part for part in counted if part.category is deciding.category]
        certainty = _surest(part.certainty for part in same or [deciding])
        licence_ids = tuple(sorted({id_ for part in parts for id_ in part.licence_ids}))
    return Verdict(
        site_id=site.site_id,
        category=deciding.category,
        certainty=certainty,
        parts=tuple(parts),
        licence_ids=licence_ids,
        register_snapshot=court.register.snapshot_id,
        warnings=warnings,
        law_table=court.laws.digest,
    )


def _surest(certainties: Iterable[Certainty]) -> Certainty:
    """Give the surest: one certain hectare is not made doubtful by a sliver."""
    return max(certainties, key=_SURENESS.__getitem__)
