"""Alerts of the ledger: chosen, and told in words."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date
from typing import Any, Final

from rsmonitor.errors import ContractError
from rsmonitor.io.deliver.geojson import STANDING, alerts_collection, notice
from rsmonitor.io.deliver.handheld import short_names
from rsmonitor.io.deliver.legend import TIER_LABELS
from rsmonitor.records.alert import M2_PER_MU, Alert
from rsmonitor.records.disturbance import CAUSE_LABELS, Cause
from rsmonitor.records.event import KIND_LABELS, EventKind
from rsmonitor.records.licence import RegisterSnapshot
from rsmonitor.records.lifecycle import Phase
from rsmonitor.records.run import RunResult
from rsmonitor.records.site import STATE_LABELS, SiteState
from rsmonitor.records.verdict import CATEGORY_LABELS, CERTAINTY_LABELS, Category
from rsmonitor.records.week import IsoWeek
from rsmonitor.stages.deciding import decided_by
from rsmonitor.wiring.office import SOFTWARE, job_of
from rsmonitor.wiring.recomputation import last_said, read_by
from rsmonitor.wiring.reports import Book, Books
from rsmonitor.wiring.sites import followed_sites
from rsmonitor.wiring.stores import open_ledger

TIERS: Final = ("high", "medium", "low")
"""Words that choose a tier."""

_SITE_STATES: Final = tuple(s.value for s in SiteState if s in STANDING)
_PHASES: Final = tuple(p.value for p in Phase if p.value not in _SITE_STATES)

STATES: Final = (*_SITE_STATES, *_PHASES)
"""Words that choose a state: of the site, as ``state`` of ``alerts.geojson`` has it, or
of its life. ``new`` and ``active`` are words of both, and mean the site's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """Which alerts."""

    county: str | None = None
    """GB/T 2260 code; a prefecture or province by its first digits."""

    tier: str | None = None
    """One of `TIERS`."""

    category: str | None = None
    """`Category` value."""

    since: date | None = None
    """First seen on that day or later."""

    week: IsoWeek | None = None
    """What the alert says now was first said by the run of that week."""

    state: str | None = None
    """One of `STATES`."""

    def __post_init__(self) -> None:
        for what, value, known in (
            ("tier", self.tier, TIERS),
            ("category", self.category, tuple(Category)),
            ("state", self.state, STATES),
        ):
            if value is not None and value not in known:
                raise ContractError(
                    f"{what} must be one of {', '.join(known)}, got {value!r}"
                )
        if self.county is not None and not (
            self.county.isascii() and self.county.isdigit()
        ):
            raise ContractError(
                "a county is chosen by its code (GB/T 2260), such as 360728, or the "
                f"first digits of it, got {self.county!r}"
            )

    @property
    def asks_phase(self) -> bool:
        """True where the state that is wanted is one of the site's life."""
        return self.state in _PHASES

    def takes(
        self, alert: Alert, *, said: IsoWeek | None = None, phase: Phase | None = None
    ) -> bool:
        """
        Say whether an alert is wanted.

        Parameters
        ----------
        alert : Alert
            The alert.
        said : IsoWeek, optional
            In which week its present version was first said; None where nobody knows.
        phase : Phase, optional
            Where its site is in its life; None where no observation was kept.

        Returns
        -------
        bool
            True where everything that is asked for is so.
        """
        seen = alert.site.latest.disturbance
        return (
            (self.tier is None or seen.tier.code == self.tier)
            and (self.category is None or alert.verdict.category == self.category)
            and (self.since is None or seen.began_by >= self.since)
            and (self.week is None or said == self.week)
            and (
                self.state is None
                or self.state == (phase if self.asks_phase else alert.site.state)
            )
            and (
                self.county is None
                or any(code.startswith(self.county) for code in alert.county_codes)
            )
        )


def chosen(books: Books, choice: Choice) -> Books:
    """
    Keep the standing alerts that are wanted.

    Parameters
    ----------
    books : Books
        From `rsmonitor.wiring.reports.open_books`.
    choice : Choice
        Which.

    Returns
    -------
    Books
        The same with fewer standing alerts.

    Raises
    ------
    StoreError
        If the ledger or the observations are damaged.
    """
    return replace(
        books,
        books=tuple(
            replace(book, alerts=tuple(_taken(book, choice))) for book in books.books
        ),
    )


def _taken(book: Book, choice: Choice) -> Iterator[Alert]:
    """Choose among the alerts of a district; what is not asked for is not read."""
    weeks = weeks_said(book) if choice.week is not None else {}
    phases = (
        {
            each.site.site_id: each.life.now
            for each in followed_sites(book.settings)
            if each.observations
        }
        if choice.asks_phase
        else {}
    )
    for alert in book.alerts:
        said = weeks.get((alert.alert_id, alert.version))
        if choice.takes(alert, said=said, phase=phases.get(alert.site.site_id)):
            yield alert


def weeks_said(book: Book) -> dict[tuple[str, int], IsoWeek]:
    """
    Find in which week each version of each alert of a district was first said.

    The week is that of the run, not of the day on which it ran: a run that catches up
    says what it says for its own week.

    Parameters
    ----------
    book : Book
        One district.

    Returns
    -------
    dict of tuple of str and int to IsoWeek
        By `Alert.alert_id` and `Alert.version`.

    Raises
    ------
    StoreError
        If the ledger is damaged.
    """
    return open_ledger(book.settings).first_weeks(book.settings.district.code)


def list_lines(books: Books) -> Iterator[str]:
    """
    Say the standing alerts, one a line.

    Parameters
    ----------
    books : Books
        What was chosen.

    Yields
    ------
    str
        One line each; how many there are at the end.
    """
    names = short_names(alert.alert_id for alert in books.alerts)
    for alert in books.alerts:
        seen = alert.site.latest.disturbance
        zh, en = CATEGORY_LABELS[alert.verdict.category]
        yield (
            f"{alert.rank:4}  {alert.alert_id}  {names[alert.alert_id]}  "
            f"{seen.tier.code:6}  {alert.verdict.certainty.value:8}  "
            f"{seen.area_m2 / M2_PER_MU:7.2f} 亩  {seen.began_by}  "
            f"{','.join(alert.county_codes) or '-'}  {zh} ({en})"
        )
    yield f"{len(books.alerts)} alerts stand; each is a clue and not a verdict"


def features_of(books: Books) -> dict[str, Any]:
    """
    Describe the standing alerts as ``alerts.geojson`` does.

    Parameters
    ----------
    books : Books
        What was chosen.

    Returns
    -------
    dict
        A FeatureCollection of all districts.

    Raises
    ------
    OutputError
        If a geometry is not longitude and latitude.
    """
    collections = [
        alerts_collection(
            result_of(book, RegisterSnapshot(snapshot_id="", licences=()))
        )
        for book in books.books
    ]
    whole = dict(collections[0])
    features = [f for each in collections for f in each["features"]]
    whole |= {
        "software": SOFTWARE,
        "district": ",".join(each["district"] for each in collections),
        "week": max(each["week"] for each in collections),
        "notice": notice(invented=books.invented),
        "invented_licences": books.invented,
    }
    whole.pop("bbox", None)
    whole.pop("features")
    if features:
        west, south, east, north = zip(*(f["bbox"] for f in features), strict=True)
        whole["bbox"] = [min(west), min(south), max(east), max(north)]
    return {**whole, "features": features}


def result_of(book: Book, register: RegisterSnapshot) -> RunResult:
    """
    Give what the writers of a run take, of what the ledger says.

    Parameters
    ----------
    book : Book
        One district.
    register : RegisterSnapshot
        The licences to show beside.

    Returns
    -------
    RunResult
        Its alerts and their sites; no rasters, no coverage.
    """
    partition = job_of(book.settings).partition(book.runs[-1].week)
    return RunResult(
        partition=partition,
        district=book.settings.district,
        grids=(),
        sites=tuple(alert.site for alert in book.alerts),
        alerts=book.alerts,
        evidence={},
        last_clear={},
        coverage=(),
        register=register,
        products=(),
        software=SOFTWARE,
    )


def show_lines(books: Books, alert_id: str) -> Iterator[str]:
    """
    Tell one alert: what it says, why, what it said before, what was done.

    Parameters
    ----------
    books : Books
        From `rsmonitor.wiring.reports.open_books`.
    alert_id : str
        `Alert.alert_id`.

    Yields
    ------
    str
        One line each.

    Raises
    ------
    StoreError
        If nothing was ever said of such an alert.
    """
    book = books.book_of(alert_id)
    versions = book.versions[alert_id]
    standing = [alert for alert in book.alerts if alert.alert_id == alert_id]
    alert = standing[0] if standing else versions[-1]
    site, seen = alert.site, alert.site.latest.disturbance
    zh, en = CATEGORY_LABELS[alert.verdict.category]
    sure = _both(CERTAINTY_LABELS[alert.verdict.certainty])
    yield f"{alert_id}  {zh} ({en}), {sure}"
    if not standing:
        now = next((s for s in book.sites if s.site_id == site.site_id), site)
        yield f"  不再有效 stands no more: {_both(STATE_LABELS[now.state])}"
    yield (
        f"  证据 evidence: {_both(TIER_LABELS[seen.tier])}; 状态 state: "
        f"{_both(STATE_LABELS[site.state])}; 成因 cause: "
        f"{_both(CAUSE_LABELS[site.latest.cause])} "
        f"({site.latest.causes[site.latest.cause]:.0%})"
    )
    order = list(Cause)
    ranked = sorted(
        site.latest.causes.items(), key=lambda each: (-each[1], order.index(each[0]))
    )
    yield "  成因排序 causes: " + ", ".join(
        f"{_both(CAUSE_LABELS[cause])} {probability:.0%}"
        for cause, probability in ranked
        if probability > 0
    )
    for reason in decided_by(site.latest):
        yield f"  依据 because: {reason.zh} {reason.en}"
    yield (
        f"  {seen.area_m2 / M2_PER_MU:.2f} 亩 mu, {seen.area_m2:.0f} m2; 县区 county: "
        f"{', '.join(alert.county_codes) or '-'}; 接收 bureau: {alert.bureau}"
    )
    yield (
        f"  began between {seen.began_after or '?'} and {seen.began_by}; confirmed "
        f"{seen.confirmed or '-'}; last seen {seen.last_seen}; last clear look "
        f"{seen.last_clear}"
    )
    for part in alert.verdict.parts:
        yield (
            f"  {part.category.value}, {part.area_m2:.0f} m2, {part.certainty.value}, "
            f"licences {', '.join(part.licence_ids) or '-'}"
        )
        yield f"    {part.clause_zh}"
        yield f"    {part.clause}"
        for step in part.trace:
            yield f"      {step.rule}: {step.zh}"
            yield f"      {' ' * len(step.rule)}  {step.en}"
    yield from (f"  note: {text}" for text in alert.verdict.warnings)
    yield from _provenance_lines(alert)
    yield from _origin_lines(books, book, alert)
    yield "版本 versions"
    yield from _version_lines(versions)
    yield "经过 what happened"
    yield from _event_lines(books, site.site_id, alert_id)
    yield notice(invented=alert.invented_licences)


def _version_lines(versions: tuple[Alert, ...]) -> Iterator[str]:
    """Say each version once, as it was first said."""
    told = set()
    for alert in versions:
        if alert.version in told:
            continue
        told.add(alert.version)
        seen = alert.site.latest.disturbance
        yield (
            f"  v{alert.version}: {alert.verdict.category.value}, "
            f"{alert.verdict.certainty.value}, {seen.tier.code}, "
            f"{alert.site.state.value}, {alert.site.latest.cause.value}, "
            f"{seen.area_m2:.0f} m2, last seen {seen.last_seen}"
        )


def _event_lines(books: Books, site_id: str, alert_id: str) -> Iterator[str]:
    """Say what the chain holds of a site."""
    for event in books.events:
        body = json.loads(event.body)
        if site_id not in {body.get("site_id"), body.get("merged_into")} and (
            alert_id != body.get("alert_id")
        ):
            continue
        kind = (
            _both(KIND_LABELS[EventKind(event.kind)])
            if event.kind in set(EventKind)
            else event.kind
        )
        said = ", ".join(
            f"{key} {body[key]}"
            for key in (
                *("run_id", "version", "handling", "verdict", "cause", "handler"),
                *("level", "due", "to", "why"),
            )
            if isinstance(body.get(key), str | int)
        )
        yield f"  {event.seq}  {event.at}  {event.who}  {kind}  {said}"


def _provenance_lines(alert: Alert) -> Iterator[str]:
    """Say from what it was computed."""
    origin = alert.provenance
    yield f"  {origin.software}, model {origin.model_id}"
    yield f"  settings {origin.settings_digest}"
    yield (
        f"  register {alert.verdict.register_snapshot}, laws "
        f"{alert.verdict.law_table or '-'}"
    )
    yield from (f"  scene {scene}" for scene in origin.scenes)


def _origin_lines(books: Books, book: Book, alert: Alert) -> Iterator[str]:
    """Say which bytes were read, and by what, where the runs recorded it."""
    _, record = last_said(book, alert.alert_id)
    _, origin = read_by(books.events, record)
    if origin is None:
        yield "  checksums of scenes and versions of libraries were not recorded"
        return
    scenes = alert.provenance.scenes
    for name, checksum in sorted(origin.checksums.items()):
        # a cube has one checksum for all its scenes
        if name in scenes or book.settings.source.kind == "cube":
            yield f"  {name} {checksum}"
    yield "  " + ", ".join(f"{n} {v}" for n, v in sorted(origin.versions.items()))


def _both(label: tuple[str, str]) -> str:
    """Say it in both languages."""
    return f"{label[0]} {label[1]}"
