"""An alert computed again from the scenes, and held against what was said.

Nothing that a run keeps is used: the reference is fitted anew, all looks up to the week
of the run that said it are added in one run, and state does not depend on how the weeks
were cut (a law that `tests/property/test_pipeline_laws.py` holds). What depends on the
weeks before, such as the name of the site and where it stands in its life, is told and
decides nothing.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, time
from typing import Any, Final

import shapely

from rsmonitor.config import Settings
from rsmonitor.interfaces import Progress
from rsmonitor.io.deliver.geojson import alerts_collection
from rsmonitor.records.alert import Alert
from rsmonitor.records.licence import SHANGHAI, RegisterSnapshot
from rsmonitor.records.provenance import Origin
from rsmonitor.records.run import RunRecord, RunResult
from rsmonitor.records.site import Site
from rsmonitor.records.week import IsoWeek
from rsmonitor.wiring.office import SOFTWARE, elevation_of, job_of, unwatched
from rsmonitor.wiring.origin import present_origin
from rsmonitor.wiring.recomputation import (
    Again,
    last_said,
    read_by,
    register_as_it_was,
)
from rsmonitor.wiring.reports import Books
from rsmonitor.wiring.sources import unheard

RESULTS: Final = (
    *("geometry", "area_m2", "area_mu", "tier"),
    *("began_after", "began_by", "first_seen", "confirmed", "last_seen", "last_clear"),
    *("clear_looks_since", "cause", "cause_probability", "causes"),
    *("category", "certainty", "parts", "licence_ids", "restrictions"),
    *("register_warnings", "county_codes"),
)
"""Keys of an alert that are computed from scenes, licences and settings alone."""

OF_HISTORY: Final = ("alert_id", "site_id", "state", "version", "rank")
"""Keys that depend on the weeks before and on other alerts: told, never decisive."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """One thing that is not as it was."""

    what: str
    """Key, or name of an input."""

    recorded: Any
    """What was said or used, JSON value."""

    now: Any
    """What is computed or used now, JSON value; None: nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reproduction:
    """An alert computed again."""

    alert_id: str
    """`Alert.alert_id`."""

    run_id: str
    """The run that said it."""

    week: IsoWeek
    """Week up to whose end it was computed again."""

    equal: tuple[str, ...]
    """Keys of `RESULTS` that are as they were."""

    differs: tuple[Difference, ...]
    """Those that are not."""

    of_history: tuple[Difference, ...]
    """Keys of `OF_HISTORY` that are not as they were."""

    changed: tuple[Difference, ...]
    """Inputs that are not what they were: software, settings, scenes, register."""

    unknown: tuple[str, ...]
    """Inputs of which the run recorded nothing to compare with."""

    overlap: float
    """Common area over joint area of both outlines, 0 to 1; 0: nothing was found."""

    @property
    def same(self) -> bool:
        """True where every result is as it was."""
        return not self.differs

    def document(self) -> dict[str, Any]:
        """
        Say it for programs.

        Returns
        -------
        dict
            JSON values.
        """
        return {
            "alert_id": self.alert_id,
            "run_id": self.run_id,
            "week": str(self.week),
            "same": self.same,
            "overlap": round(self.overlap, 6),
            "equal": list(self.equal),
            "differs": [_told(each) for each in self.differs],
            "of_history": [_told(each) for each in self.of_history],
            "changed": [_told(each) for each in self.changed],
            "not_recorded": list(self.unknown),
        }


def reproduce(
    books: Books, alert_id: str, *, progress: Progress = unwatched
) -> Reproduction:
    """
    Compute an alert again up to the run that said it last, and compare.

    The state of its grid is built in a temporary folder (``TMPDIR``): about 54 bytes a
    pixel and as much for checkpoints.

    Parameters
    ----------
    books : Books
        From `rsmonitor.wiring.reports.open_books`.
    alert_id : str
        `Alert.alert_id`.
    progress : Progress, optional
        Who watches.

    Returns
    -------
    Reproduction
        What is equal, what differs, and which inputs are not what they were.

    Raises
    ------
    StoreError
        If nothing was ever said of such an alert.
    SourceError
        If the scenes cannot be opened.
    LicenceError
        If the licences cannot be used.
    HistoryError
        If the history does not suffice any more.
    """
    book = books.book_of(alert_id)
    alert, record = last_said(book, alert_id)
    grid_id = alert.site.latest.disturbance.grid_id
    ids, recorded = read_by(books.events, record, grid_id)
    register = register_as_it_was(book.settings, alert.verdict.register_snapshot)
    again = Again(book.settings, grid_id, ids, register, progress)
    # a site in which nothing is seen any more keeps what was seen last
    seen = alert.site.latest.disturbance.last_clear
    last = IsoWeek.of(datetime.combine(seen, time(12), SHANGHAI).astimezone(UTC))
    week = record.week
    found = _compare(alert, again.result(week))
    if found.differs and last < week and last.last_day > book.settings.history.until:
        earlier = _compare(alert, again.result(last))
        if len(earlier.differs) < len(found.differs):
            week, found = last, earlier
    lost = {*alert.provenance.scenes, *ids} - again.offered
    changed, unknown = _inputs(book.settings, alert, record, register, lost, recorded)
    return Reproduction(
        alert_id=alert_id,
        run_id=record.run_id,
        week=week,
        equal=found.equal,
        differs=found.differs,
        of_history=found.of_history,
        changed=tuple(changed),
        unknown=tuple(unknown),
        overlap=found.overlap,
    )


def lines_of(done: Reproduction) -> list[str]:
    """
    Say what came of it.

    Parameters
    ----------
    done : Reproduction
        From `reproduce`.

    Returns
    -------
    list of str
        One line each.
    """
    lines = [
        (
            f"{done.alert_id} as {done.run_id} said it, computed up to the end of "
            f"{done.week}; outlines overlap by {done.overlap:.1%}"
        ),
        f"equal: {', '.join(done.equal) or 'nothing'}",
    ]
    lines += [f"differs: {_said(each)}" for each in done.differs]
    lines += [f"depends on the weeks before: {_said(each)}" for each in done.of_history]
    lines += [f"not what it was: {_said(each)}" for each in done.changed]
    lines += [f"not recorded by that run: {each}" for each in done.unknown]
    lines.append(
        "一致 the alert is what the scenes, licences and settings give"
        if done.same
        else "不一致 what is computed now is not what was said"
    )
    return lines


@dataclass(frozen=True, slots=True, kw_only=True)
class _Compared:
    """An alert held against what is computed."""

    equal: tuple[str, ...] = ()
    differs: tuple[Difference, ...]
    of_history: tuple[Difference, ...] = ()
    overlap: float = 0.0


def _compare(alert: Alert, result: RunResult) -> _Compared:
    """Hold what is computed now against what was said, key by key."""
    was = _feature(result, alert)
    before = _outline(alert.site)
    overlaps = [
        (shapely.area(shapely.intersection(before, _outline(site))), site)
        for site in result.sites
    ]
    common, site = max(
        overlaps, key=lambda pair: (pair[0], pair[1].site_id), default=(0.0, None)
    )
    if site is None or common <= 0:
        return _Compared(differs=_differences(RESULTS, was, {}))
    raised = [each for each in result.alerts if each.site.site_id == site.site_id]
    now: dict[str, Any]
    if raised:
        now = _feature(result, raised[0])
    else:
        # the same place, and no alert: the licences say something else now
        now = _feature(
            result,
            replace(alert, site=replace(site, site_id=alert.site.site_id)),
        )
        now |= dict.fromkeys(("category", "certainty", "parts"))
    return _Compared(
        equal=tuple(key for key in RESULTS if was.get(key) == now.get(key)),
        differs=_differences(RESULTS, was, now),
        of_history=_differences(OF_HISTORY, was, now),
        overlap=float(common / shapely.area(shapely.union(before, _outline(site)))),
    )


def _differences(
    keys: tuple[str, ...], was: Mapping[str, Any], now: Mapping[str, Any]
) -> tuple[Difference, ...]:
    """List the keys that are not as they were."""
    return tuple(
        Difference(what=key, recorded=was.get(key), now=now.get(key))
        for key in keys
        if was.get(key) != now.get(key)
    )


def _outline(site: Site) -> shapely.Geometry:
    """Give an outline that can be overlaid."""
    outline: shapely.Geometry = shapely.make_valid(site.latest.disturbance.geometry)
    return outline


def _feature(result: RunResult, alert: Alert) -> dict[str, Any]:
    """Give an alert as its contract has it, geometry among the keys."""
    (feature,) = alerts_collection(replace(result, alerts=(alert,)))["features"]
    # as JSON, so that tuples and lists are one
    told: dict[str, Any] = json.loads(
        json.dumps({**feature["properties"], "geometry": feature["geometry"]})
    )
    return told


def _inputs(
    settings: Settings,
    alert: Alert,
    record: RunRecord,
    register: RegisterSnapshot,
    lost: set[str],
    recorded: Origin | None,
) -> tuple[list[Difference], list[str]]:
    """Say which inputs are not what they were, and which nobody wrote down."""
    origin = alert.provenance
    elevation = elevation_of(settings, unheard)
    job = job_of(settings, elevation.sha256 if elevation else None)
    pairs: list[tuple[str, str, str | None]] = [
        ("software", origin.software, SOFTWARE),
        ("settings", origin.settings_digest, job.settings_digest),
        ("line", record.line, job.partition(record.week).line),
        ("register", alert.verdict.register_snapshot, register.snapshot_id),
        ("laws", alert.verdict.law_table, job.laws.digest),
    ]
    pairs += [(f"scene {scene}", scene, None) for scene in sorted(lost)]
    unknown = []
    if recorded is None:
        unknown += ["checksums of scenes", "versions of libraries"]
    else:
        now = present_origin(settings, tuple(recorded.checksums))
        pairs += [
            (f"version of {name}", version, now.versions.get(name))
            for name, version in recorded.versions.items()
        ]
        pairs += [
            (f"bytes of {name}", checksum, now.checksums.get(name))
            for name, checksum in recorded.checksums.items()
        ]
    return [
        Difference(what=what, recorded=was, now=is_)
        for what, was, is_ in pairs
        if was != is_
    ], unknown


def _told(each: Difference) -> dict[str, Any]:
    """Say a difference for programs."""
    return {"what": each.what, "recorded": each.recorded, "now": each.now}


def _said(each: Difference) -> str:
    """Say a difference in a line."""
    was, now = (_short(value) for value in (each.recorded, each.now))
    return f"{each.what}: was {was}, is {now}"


def _short(value: object) -> str:
    """Write a value, or the beginning of a long one."""
    longest = 160
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= longest else f"{text[:longest]}..."
