"""Rows -> findings: each checked alone, then against the others of its file."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import partial
from typing import Final

from rsmonitor.errors import ContractError
from rsmonitor.io.returns.columns import (
    cause_in,
    day_in,
    judgement_in,
    kind_in,
)
from rsmonitor.io.returns.exif import photo_of
from rsmonitor.io.returns.rows import (
    Attachment,
    Refusal,
    Row,
    RowFile,
    UnusableRowError,
)
from rsmonitor.records.disturbance import Cause
from rsmonitor.records.event import EventKind
from rsmonitor.records.finding import (
    Finding,
    Judgement,
    Photo,
    contradiction,
)

MAX_PHOTOS: Final = 100
"""Most photos of one row."""

_SPECIAL: Final = "特殊用地"
_BETWEEN: Final = re.compile(r"[;；|\n]+")
_LONGEST_NAME: Final = 80
_SHORT: Final = 12
"""Characters of an alert's id behind its ``a``."""

_VERDICTS: Final = (
    "a verdict is lawful 合法, unlawful 违法, pseudo_change 伪变化, special_use "
    "特殊用地 or unclear 待核"
)
_CAUSES: Final = f"a cause is one of {', '.join(Cause)}, or its Chinese word"


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """A finding, and the row that said it."""

    finding: Finding
    """What was said."""

    row: Row
    """Where."""

    photos: tuple[tuple[Photo, Attachment], ...] = ()
    """Its photos, to be read again when they are stored."""

    dated: bool = True
    """False where the row names no day, and today stands for it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Understood:
    """What a file says."""

    said: tuple[Said, ...]
    """In the order of the file; the same words twice are listed once."""

    refused: tuple[Refusal, ...]
    """Rows that are not used."""


def understand(
    file: RowFile, *, known: Mapping[str, str], who: str | None, today: date
) -> Understood:
    """
    Read what the rows of a file say of sites.

    Parameters
    ----------
    file : RowFile
        An open file.
    known : Mapping of str to str
        `Site.site_id` by every id that rows may use: of sites and of alerts.
    who : str or None
        Who said it where a row names nobody.
    today : date
        The day in Asia/Shanghai; nobody has judged after it, and a row without a day
        is of it.

    Returns
    -------
    Understood
        Findings and refusals.
    """
    refused = list(file.refused)
    said: list[Said] = []
    for row in file.rows:
        try:
            said.append(_said(file, row, known, who, today))
        except UnusableRowError as error:
            refused.append(_refusal(file, row, error))
    kept, against = _without_contradictions(file, said)
    refused += against
    order = {row.where: place for place, row in enumerate(file.rows)}
    refused.sort(key=lambda one: order.get(one.where, -1))
    return Understood(said=tuple(kept), refused=tuple(refused))


def _said(
    file: RowFile, row: Row, known: Mapping[str, str], who: str | None, today: date
) -> Said:
    """Understand one row."""
    fields = row.fields
    given = fields.get("id", "").strip()
    if given.lower() not in known and "a" + given[-_SHORT:].lower() in known:
        # a parcel number of the forms ends with the twelve characters of its alert
        given = "a" + given[-_SHORT:]
    if given.lower() not in known:
        raise UnusableRowError(
            repr(given[:80]),
            "a row names a site (s...) or an alert (a...) of this ledger",
        )
    judgement, cause = _judged(fields)
    name = fields.get("who", "").strip() or (who or "")
    if not name:
        raise UnusableRowError(
            "nobody", "a row names who judged (核查人), or give --who"
        )
    if len(name) > _LONGEST_NAME:
        raise UnusableRowError(repr(name[:80]), "a name has at most 80 characters")
    day = day_in(fields["day"]) if "day" in fields else today
    if day > today:
        raise UnusableRowError(str(day), f"nobody has judged after today, {today}")
    photos: tuple[tuple[Photo, Attachment], ...] = ()
    if judgement is not Judgement.SPECIAL_USE:  # such places are not kept as pictures
        photos = tuple(
            (photo_of(attachment.read(), package=attachment.stated), attachment)
            for attachment in _attachments(file, row)
        )
        photos = tuple({photo.sha256: (photo, a) for photo, a in photos}.values())
    kind = _kind(fields, was_there=bool(photos) or file.is_evidence)
    try:
        finding = Finding(
            site_id=known[given.lower()],
            kind=kind,
            judgement=judgement,
            cause=cause,
            imagery=fields.get("imagery", ""),
            judged_by=name,
            judged_on=day,
            note=fields.get("note", ""),
            photos=tuple(photo for photo, _ in photos),
        )
    except ContractError as error:
        raise UnusableRowError(repr(given[:80]), str(error)) from error
    return Said(finding=finding, row=row, photos=photos, dated="day" in fields)


def _judged(fields: Mapping[str, str]) -> tuple[Judgement, Cause | None]:
    """Read verdict and cause, and hold them against each other."""
    text = fields.get("verdict", "")
    judgement = judgement_in(text)
    if judgement is None:
        # what may be special use is not printed, wherever a log goes
        shown = "a verdict that is not shown" if _SPECIAL in text else repr(text[:80])
        raise UnusableRowError(shown, _VERDICTS)
    if judgement is Judgement.PSEUDO_CHANGE and _SPECIAL in fields.get("note", ""):
        # the rule of 2024: such parcels are filled in as 伪变化, 备注 特殊用地
        judgement = Judgement.SPECIAL_USE
    words = fields.get("cause", "")
    cause = cause_in(words) if words else None
    if words and cause is None:
        raise UnusableRowError(repr(words[:80]), _CAUSES)
    rule = contradiction(judgement, cause)
    if rule is not None:
        value = f"{judgement} with cause {words[:80] or 'nothing'}"
        raise UnusableRowError(value, f"{rule}; {_CAUSES}")
    return judgement, cause


def _kind(fields: Mapping[str, str], *, was_there: bool) -> EventKind:
    """Say whether somebody was there: as the row says, else if it has photos."""
    if "kind" not in fields:
        return EventKind.INSPECTED if was_there else EventKind.TRIAGED
    kind = kind_in(fields["kind"])
    if kind is None:
        raise UnusableRowError(
            repr(fields["kind"][:80]), "核查方式 is 内业 (triage) or 外业 (inspection)"
        )
    return kind


def _attachments(file: RowFile, row: Row) -> list[Attachment]:
    """List the photos of a row: attached by the package, and named in it."""
    names = [
        name.strip() for name in _BETWEEN.split(row.fields.get("photos", "")) if name
    ]
    found = list(row.attachments)
    for name in filter(None, names):
        if file.photo is None:
            raise UnusableRowError(repr(name[:80]), "the file has no photos")
        found.append(Attachment(name=name, read=partial(file.photo, name)))
    if len(found) > MAX_PHOTOS:
        raise UnusableRowError(
            f"{len(found)} photos", f"a row has at most {MAX_PHOTOS} photos"
        )
    return found


def _without_contradictions(
    file: RowFile, said: Sequence[Said]
) -> tuple[list[Said], list[Refusal]]:
    """Refuse what one person says twice of one site and day, and differently."""
    by_person: dict[tuple[str, str, date], list[Said]] = {}
    for one in said:
        finding = one.finding
        key = (finding.site_id, finding.judged_by, finding.judged_on)
        by_person.setdefault(key, []).append(one)
    kept, refused = [], []
    seen: set[str] = set()
    for one in said:
        finding = one.finding
        key = (finding.site_id, finding.judged_by, finding.judged_on)
        words = {(s.finding.judgement, s.finding.cause) for s in by_person[key]}
        if len(words) > 1:
            others = [s.row.line for s in by_person[key] if s is not one]
            refused.append(
                _refusal(
                    file,
                    one.row,
                    UnusableRowError(
                        f"{finding.site_id}, as in rows {others}, but otherwise",
                        "one person says one thing of a site on one day: correct one",
                    ),
                )
            )
        elif finding.finding_id not in seen:
            seen.add(finding.finding_id)
            kept.append(one)
    return kept, refused


def _refusal(file: RowFile, row: Row, error: UnusableRowError) -> Refusal:
    """Say which row is refused."""
    return Refusal(
        file=file.file,
        where=row.where,
        line=row.line,
        value=error.value,
        rule=error.rule,
    )
