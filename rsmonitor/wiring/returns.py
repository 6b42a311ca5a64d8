"""What comes back, brought together with the ledger: findings, tips, labels."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import Any, Final

from rsmonitor.config import read_districts
from rsmonitor.errors import ReturnsError, StoreError
from rsmonitor.interfaces import Clock
from rsmonitor.io.foundation.clock import SystemClock
from rsmonitor.io.returns.columns import FINDING_FIELDS
from rsmonitor.io.returns.findings import Said, understand
from rsmonitor.io.returns.reading import open_returns
from rsmonitor.io.returns.rows import Refusal
from rsmonitor.io.stores.ledger import StoredLedger
from rsmonitor.io.stores.photos import PhotoStore
from rsmonitor.io.stores.tips import TipStore
from rsmonitor.records.disturbance import CAUSE_LABELS
from rsmonitor.records.event import EventDraft
from rsmonitor.records.finding import (
    JUDGEMENT_LABELS,
    Finding,
    Judgement,
    Standing,
    body_of,
    findings_in,
    standings,
)
from rsmonitor.records.licence import SHANGHAI
from rsmonitor.records.site import Site
from rsmonitor.records.tip import MatchingParameters
from rsmonitor.stages.alerting import alert_id_of
from rsmonitor.stages.suppression import suppressed_sites
from rsmonitor.wiring.stores import open_ledger

WITHHELD: Final = ("不予显示", "withheld")
"""What is printed in place of special use, which never leaves the ledger."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """The ledger of a settings file and what lies beside it."""

    work: Path
    """Folder of state and ledger."""

    ledger: StoredLedger
    """Events."""

    sites: Mapping[str, Site]
    """All sites of all districts of the file, by id."""

    photos: PhotoStore
    """Photos."""

    tips: TipStore
    """Tips."""

    clock: Clock
    """Time."""

    near: MatchingParameters
    """How near a site must be to what a tip says, as the settings have it."""

    def today(self) -> date:
        """
        Give the day.

        Returns
        -------
        date
            In Asia/Shanghai.
        """
        return self.clock.now().astimezone(SHANGHAI).date()

    def findings(self) -> list[tuple[int, Finding]]:
        """
        Read what was said until now.

        Returns
        -------
        list of (int, Finding)
            Number of the event and the finding, in the order of the ledger.
        """
        return list(findings_in(self.ledger.events()))

    def suppressed(self) -> frozenset[str]:
        """
        Name the sites that no product may show.

        Returns
        -------
        frozenset of str
            Values of `Site.site_id`.
        """
        return suppressed_sites(self.ledger.withheld(), tuple(self.sites.values()))


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """What one row would do."""

    finding: Finding
    """What it says."""

    where: str
    """Where it stands."""

    state: str
    """``new``, ``known`` (nothing is added) or ``revises`` (the person's own word)."""

    against: tuple[str, ...] = ()
    """What others say who disagree, in words; both stand."""

    photos: int = 0
    """Photos that come with it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Triage:
    """What a file of findings does."""

    lines: tuple[Line, ...]
    """By row."""

    refused: tuple[Refusal, ...]
    """Rows that are not used."""

    notes: tuple[str, ...]
    """What is worth telling."""

    applied: int = 0
    """Events that were added."""


def open_desk(config: Path, *, clock: Clock | None = None) -> Desk:
    """
    Open the ledger of a settings file.

    Parameters
    ----------
    config : Path
        Settings, of one district or of many.
    clock : Clock, optional
        Time; the machine's by default.

    Returns
    -------
    Desk
        Nothing is made on disk before something is added.

    Raises
    ------
    SettingsError
        If the settings cannot be used.
    StoreError
        If there is no ledger yet, or it is damaged.
    """
    offices = read_districts(config)
    work = offices[0].path(offices[0].run.work)
    ledger = open_ledger(offices[0])
    if not ledger.exists():
        raise StoreError(
            f"{ledger.name} does not exist: no run has been committed there"
        )
    ledger.upgrade()
    return Desk(
        work=work,
        ledger=ledger,
        sites={
            site.site_id: site
            for office in offices
            for site in ledger.sites(office.district.code)
        },
        photos=PhotoStore(work / "photos"),
        tips=TipStore(work / "tips.sqlite", locks=work / "locks"),
        clock=clock or SystemClock(),
        near=offices[0].tips,
    )


def import_findings(desk: Desk, path: Path, *, who: str | None, apply: bool) -> Triage:
    """
    Check a file of findings, and add what is new if that is wanted.

    Parameters
    ----------
    desk : Desk
        The ledger.
    path : Path
        Any file of findings.
    who : str or None
        Who brings it; stands where a row names nobody.
    apply : bool
        False only looks.

    Returns
    -------
    Triage
        What each row does, or did.

    Raises
    ------
    ReturnsError
        If nothing of the file can be used; nothing is done then.
    BusyError
        If the ledger grew meanwhile; nothing is done then.
    OutputError
        If ledger or photos cannot be written.
    """
    known = {site_id: site_id for site_id in desk.sites}
    known |= {alert_id_of(site): site_id for site_id, site in desk.sites.items()}
    with open_returns(path, fields=FINDING_FIELDS) as file:
        understood = understand(file, known=known, who=who, today=desk.today())
        if not understood.said:
            reasons = "; ".join(map(str, understood.refused[:3]))
            raise ReturnsError(
                f"{path}: no row can be used, nothing was done: {reasons or 'no rows'}"
            )
        # the head first: whatever is added after it makes `append` refuse
        head = desk.ledger.head()
        before = [finding for _, finding in desk.findings()]
        said = _settled(understood.said, before)
        new = _new(said, before)
        applied = 0
        if apply and new:
            for one in new:
                for photo, attachment in one.photos:
                    desk.photos.put(
                        attachment.read(), sha256=photo.sha256, kind=photo.format
                    )
            now = desk.clock.now()
            drafts = [
                EventDraft(
                    kind=one.finding.kind,
                    at=now,
                    who=who or one.finding.judged_by,
                    body=body_of(
                        one.finding,
                        file=file.file,
                        file_sha256=file.sha256,
                        row=one.row.where,
                    ),
                )
                for one in new
            ]
            applied = len(desk.ledger.append(drafts, expected_head=head))
        return Triage(
            lines=_lines(said, before),
            refused=understood.refused,
            notes=file.notes,
            applied=applied,
        )


def standing_now(desk: Desk) -> tuple[Standing, ...]:
    """
    Give the last word of everybody, site by site.

    Parameters
    ----------
    desk : Desk
        The ledger.

    Returns
    -------
    tuple of Standing
        By site; those that no product may show are left out.

    Raises
    ------
    StoreError
        If the ledger is damaged.
    """
    hidden = desk.suppressed()
    standing = standings(finding for _, finding in desk.findings())
    return tuple(standing[one] for one in sorted(standing) if one not in hidden)


def judgement_words(judgement: Judgement) -> str:
    """
    Say a judgement in words that may be printed.

    Parameters
    ----------
    judgement : Judgement
        What a person said.

    Returns
    -------
    str
        Chinese and English; special use is not named.
    """
    special = judgement is Judgement.SPECIAL_USE
    chinese, english = WITHHELD if special else JUDGEMENT_LABELS[judgement]
    return f"{chinese} {english}"


def _settled(said: Sequence[Said], before: Sequence[Finding]) -> list[Said]:
    """Give rows without a day the day on which they came in first."""
    # else the same file, imported again tomorrow, would be said anew
    settled = []
    for one in said:
        same = [
            old
            for old in before
            if not one.dated
            and old.finding_id
            == replace(one.finding, judged_on=old.judged_on).finding_id
        ]
        settled.append(replace(one, finding=same[0]) if same else one)
    return settled


def _new(said: Sequence[Said], before: Sequence[Finding]) -> list[Said]:
    """Keep what the ledger does not hold."""
    known = {finding.finding_id for finding in before}
    return [one for one in said if one.finding.finding_id not in known]


def _lines(said: Sequence[Said], before: Sequence[Finding]) -> tuple[Line, ...]:
    """Say what each row does beside what was said before, and beside the others."""
    known = {finding.finding_id for finding in before}
    old = standings(before)
    after = standings([*before, *(one.finding for one in said)])
    lines = []
    for one in said:
        finding = one.finding
        own = [
            each
            for each in said_of(old, finding.site_id)
            if each.judged_by == finding.judged_by
        ]
        state = "revises" if own else "new"
        lines.append(
            Line(
                finding=finding,
                where=one.row.where,
                state="known" if finding.finding_id in known else state,
                against=tuple(
                    f"{each.judged_by} {each.judged_on}: "
                    f"{judgement_words(each.judgement)}"
                    + (f" ({CAUSE_LABELS[each.cause][0]})" if each.cause else "")
                    for each in said_of(after, finding.site_id)
                    if each.judged_by != finding.judged_by
                    and (each.judgement, each.cause)
                    != (finding.judgement, finding.cause)
                ),
                photos=len(one.photos),
            )
        )
    return tuple(lines)


def said_of(standing: Mapping[str, Standing], site_id: str) -> tuple[Finding, ...]:
    """
    Give what stands of a site.

    Parameters
    ----------
    standing : Mapping of str to Standing
        By site.
    site_id : str
        `Site.site_id`.

    Returns
    -------
    tuple of Finding
        The last word of everybody; empty where nobody said anything.
    """
    return standing[site_id].findings if site_id in standing else ()


def body_json(body: str) -> dict[str, Any]:
    """
    Read the body of an event.

    Parameters
    ----------
    body : str
        `Event.body`.

    Returns
    -------
    dict
        JSON values.
    """
    read: dict[str, Any] = json.loads(body)
    return read
