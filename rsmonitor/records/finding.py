"""What a person said of a site, after looking at imagery or going there."""

import base64
import hashlib
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import Any, Final

from rsmonitor.errors import ContractError
from rsmonitor.records.disturbance import Cause
from rsmonitor.records.event import Event, EventKind, canonical_json
from rsmonitor.records.site import SITE_ID

FINDING_ID: Final = re.compile(r"^f[a-z2-7]{12}$")

_SHA256: Final = re.compile(r"^[0-9a-f]{64}$")
_MAX_LONGITUDE: Final = 180.0
_MAX_LATITUDE: Final = 90.0
_FULL_CIRCLE: Final = 360.0


class Judgement(StrEnum):
    """What a person holds a site to be."""

    LAWFUL = "lawful"
    """合法: what is done there is covered by a right."""

    UNLAWFUL = "unlawful"
    """违法: no right covers it, as far as the person found."""

    PSEUDO_CHANGE = "pseudo_change"
    """伪变化: no mining there; a cause says what it is instead."""

    SPECIAL_USE = "special_use"
    """特殊用地: never to be shown in any product from then on."""

    UNCLEAR = "unclear"
    """待核: the person could not tell."""


JUDGEMENT_LABELS: Final[Mapping[Judgement, tuple[str, str]]] = {
    Judgement.LAWFUL: ("合法", "lawful"),
    Judgement.UNLAWFUL: ("疑似违法", "unlawful, as found"),
    Judgement.PSEUDO_CHANGE: ("伪变化", "pseudo-change"),
    Judgement.SPECIAL_USE: ("特殊用地", "special use"),
    Judgement.UNCLEAR: ("待核", "unclear"),
}
"""Chinese and English label of each judgement."""

MINING: Final = frozenset(
    {Cause.DIGGING, Cause.PONDS, Cause.IN_SITU_LEACH, Cause.QUARRY}
)
"""Causes that are mining, which a pseudo-change is not."""

FINDING_KINDS: Final = (EventKind.TRIAGED, EventKind.INSPECTED)
"""Events that hold a finding: from the desk, and from the place itself."""

SAYS_VERDICT: Final = '"verdict":'
"""Stands in the body of every finding, which has the one form that is hashed."""

SAYS_SPECIAL_USE: Final = f'{SAYS_VERDICT}"{Judgement.SPECIAL_USE.value}"'
"""Stands in the body of every finding of special use."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PhotoReading:
    """When and from where a photo was taken, as one source says it."""

    taken_at: str | None = None
    """ISO 8601, with an offset only where the source gives one."""

    longitude: float | None = None
    """Degrees in `datum`, not converted; there with `latitude` or not at all."""

    latitude: float | None = None
    """Degrees in `datum`, not converted."""

    azimuth_deg: float | None = None
    """Direction of view in degrees clockwise from north, [0, 360)."""

    azimuth_reference: str | None = None
    """``true`` or ``magnetic`` north; None where the source does not say."""

    datum: str | None = None
    """As the source writes it; None where it does not say."""

    def __post_init__(self) -> None:
        if (self.longitude is None) != (self.latitude is None):
            raise ContractError(
                f"a position has both coordinates, got {self.longitude} and "
                f"{self.latitude}"
            )
        # written so that NaN is outside
        if self.longitude is not None and not abs(self.longitude) <= _MAX_LONGITUDE:
            raise ContractError(f"longitude must be in +-180, got {self.longitude}")
        if self.latitude is not None and not abs(self.latitude) <= _MAX_LATITUDE:
            raise ContractError(f"latitude must be in +-90, got {self.latitude}")
        azimuth = self.azimuth_deg
        if azimuth is not None and not 0.0 <= azimuth < _FULL_CIRCLE:
            raise ContractError(f"azimuth_deg must be in [0, 360), got {azimuth}")
        if self.azimuth_reference not in {None, "true", "magnetic"}:
            raise ContractError(
                "azimuth_reference must be true or magnetic, got "
                f"{self.azimuth_reference!r}"
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class Photo:
    """One photo, named by its content."""

    sha256: str
    """Of the file as it came, hexadecimal."""

    size_bytes: int
    """Of the file."""

    format: str
    """``jpeg``, ``png`` or ``heic``."""

    width: int | None
    """Pixels, from the header; None where the header is not read."""

    height: int | None
    """Pixels, from the header."""

    exif: PhotoReading | None = None
    """What the photo itself says."""

    package: PhotoReading | None = None
    """What the package it came in says of it."""

    def __post_init__(self) -> None:
        if not _SHA256.fullmatch(self.sha256):
            raise ContractError(f"sha256 must be 64 hex digits, got {self.sha256!r}")
        if self.size_bytes <= 0:
            raise ContractError(f"size_bytes must be positive, got {self.size_bytes}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What one person said of one site on one day."""

    site_id: str
    """`Site.site_id`."""

    kind: EventKind
    """`TRIAGED` for a look at imagery, `INSPECTED` for a visit."""

    judgement: Judgement
    """What the person holds it to be."""

    cause: Cause | None
    """What changed the ground; always there for a pseudo-change."""

    imagery: str
    """The imagery that decided; may be empty."""

    judged_by: str
    """Who."""

    judged_on: date
    """The day in Asia/Shanghai."""

    note: str = ""
    """What else was said."""

    photos: tuple[Photo, ...] = ()
    """Taken there."""

    def __post_init__(self) -> None:
        if not SITE_ID.fullmatch(self.site_id):
            raise ContractError(
                f"site_id must match {SITE_ID.pattern}, got {self.site_id!r}"
            )
        if self.kind not in FINDING_KINDS:
            raise ContractError(f"a finding is triaged or inspected, got {self.kind}")
        if not self.judged_by.strip():
            raise ContractError(f"{self.site_id}: a finding names who said it")
        rule = contradiction(self.judgement, self.cause)
        if rule is not None:
            raise ContractError(f"{self.site_id}: {rule}, got {self.cause}")

    @property
    def finding_id(self) -> str:
        """``f`` and twelve characters of its content: the same words, the same id."""
        body = _content(self)
        body["photos"] = sorted(photo.sha256 for photo in self.photos)
        digest = hashlib.sha256(canonical_json(body).encode()).digest()
        return "f" + base64.b32encode(digest).decode().lower()[:12]


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """The last word of everybody who said something of a site."""

    site_id: str
    """`Site.site_id`."""

    findings: tuple[Finding, ...]
    """One a person, in the order of their days."""

    @property
    def agreed(self) -> bool:
        """True where all say the same, of the verdict and of the cause."""
        return len({(one.judgement, one.cause) for one in self.findings}) == 1

    @property
    def withheld(self) -> bool:
        """True where somebody's last word is special use."""
        return any(one.judgement is Judgement.SPECIAL_USE for one in self.findings)


def contradiction(judgement: Judgement, cause: Cause | None) -> str | None:
    """
    Say which rule a verdict and its cause break.

    Parameters
    ----------
    judgement : Judgement
        What the person holds the site to be.
    cause : Cause or None
        What changed the ground.

    Returns
    -------
    str or None
        The rule; None if they fit.

    Examples
    --------
    >>> contradiction(Judgement.PSEUDO_CHANGE, None)
    'a pseudo-change needs a cause'
    >>> contradiction(Judgement.PSEUDO_CHANGE, Cause.ORCHARD) is None
    True
    """
    if judgement is Judgement.PSEUDO_CHANGE:
        if cause is None:
            return "a pseudo-change needs a cause"
        if cause in MINING:
            return "a pseudo-change is no mining"
    if judgement is Judgement.UNLAWFUL and cause is Cause.ARTEFACT:
        return "an artefact of the imagery is no unlawful act"
    return None


def body_of(
    finding: Finding, *, file: str, file_sha256: str, row: str
) -> dict[str, Any]:
    """
    Write a finding as the body of its event.

    Parameters
    ----------
    finding : Finding
        What was said.
    file : str
        Name of the file that it came in, without folders.
    file_sha256 : str
        Digest of that file.
    row : str
        Where it stands in it.

    Returns
    -------
    dict
        JSON values only.
    """
    return {
        **_content(finding),
        "finding_id": finding.finding_id,
        "photos": [_photo_body(photo) for photo in finding.photos],
        "file": file,
        "file_sha256": file_sha256,
        "row": row,
    }


def finding_of(kind: str, body: Mapping[str, Any]) -> Finding:
    """
    Read a finding from the body of its event.

    Parameters
    ----------
    kind : str
        `Event.kind`.
    body : Mapping
        What `body_of` gave.

    Returns
    -------
    Finding
        The same finding.

    Raises
    ------
    ContractError
        If the body is not that of a finding.
    """
    try:
        cause = body["cause"]
        return Finding(
            site_id=body["site_id"],
            kind=EventKind(kind),
            judgement=Judgement(body["verdict"]),
            cause=None if cause is None else Cause(cause),
            imagery=body["imagery"],
            judged_by=body["judged_by"],
            judged_on=date.fromisoformat(body["judged_on"]),
            note=body["note"],
            photos=tuple(_photo_of(photo) for photo in body["photos"]),
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ContractError(f"event {kind} holds no finding: {error!r}") from error


def findings_in(events: Iterable[Event]) -> Iterator[tuple[int, Finding]]:
    """
    Give the findings that a ledger holds.

    Events of these kinds that hold none, because another program wrote them, are passed
    over.

    Parameters
    ----------
    events : iterable of Event
        The chain.

    Yields
    ------
    tuple of (int, Finding)
        `Event.seq` and what was said, in the order of the chain.

    Raises
    ------
    ContractError
        If an event says that it holds a finding, and does not.
    """
    for event in events:
        if event.kind in FINDING_KINDS and '"finding_id":' in event.body:
            yield event.seq, finding_of(event.kind, json.loads(event.body))


def standings(findings: Iterable[Finding]) -> dict[str, Standing]:
    """
    Give the last word of everybody, site by site.

    Two people who disagree both stand. A person's later word, by its day and then by
    its place in the ledger, takes the place of his earlier one.

    Parameters
    ----------
    findings : iterable of Finding
        In the order of the ledger.

    Returns
    -------
    dict of str to Standing
        By `Finding.site_id`.
    """
    last: dict[str, dict[str, Finding]] = {}
    for finding in findings:
        said = last.setdefault(finding.site_id, {})
        before = said.get(finding.judged_by)
        if before is None or before.judged_on <= finding.judged_on:
            said[finding.judged_by] = finding
    return {
        site_id: Standing(
            site_id=site_id,
            findings=tuple(
                sorted(said.values(), key=lambda one: (one.judged_on, one.judged_by))
            ),
        )
        for site_id, said in last.items()
    }


def withheld_sites(findings: Iterable[Finding]) -> frozenset[str]:
    """
    Name the sites of which somebody's last word is special use.

    Parameters
    ----------
    findings : iterable of Finding
        In the order of the ledger.

    Returns
    -------
    frozenset of str
        Values of `Site.site_id`.
    """
    return frozenset(
        site_id
        for site_id, standing in standings(findings).items()
        if standing.withheld
    )


def withheld_by(events: Iterable[Event]) -> frozenset[str]:
    """
    Name the sites that a ledger withholds: somebody's last word is special use.

    An event that says special use and is no whole finding, because another program
    wrote it, is believed: nothing can be shown again that was shown once too often.

    Parameters
    ----------
    events : iterable of Event
        In the order of the chain; at least all that were said of these sites.

    Returns
    -------
    frozenset of str
        Values of `Site.site_id`.

    Raises
    ------
    ContractError
        If an event says special use, and not of which site.
    """
    findings, believed = [], set[str]()
    for event in events:
        if event.kind not in FINDING_KINDS or SAYS_VERDICT not in event.body:
            continue
        try:
            findings.append(finding_of(event.kind, json.loads(event.body)))
        except (ContractError, ValueError):
            if SAYS_SPECIAL_USE in event.body:
                believed.add(_site_of(event))
    return withheld_sites(findings) | believed


def _site_of(event: Event) -> str:
    """Give the site of a body that is no whole finding."""
    try:
        site_id = json.loads(event.body)["site_id"]
    except (KeyError, TypeError, ValueError) as error:
        raise ContractError(
            f"event {event.seq} withholds a site, and does not say which: {error!r}"
        ) from error
    return str(site_id)


def _content(finding: Finding) -> dict[str, Any]:
    """Give what was said, without photos, as JSON values."""
    return {
        "site_id": finding.site_id,
        "kind": finding.kind.value,
        "verdict": finding.judgement.value,
        "cause": None if finding.cause is None else finding.cause.value,
        "imagery": finding.imagery,
        "judged_by": finding.judged_by,
        "judged_on": finding.judged_on.isoformat(),
        "note": finding.note,
    }


def _photo_body(photo: Photo) -> dict[str, Any]:
    """Write a photo as JSON values."""
    return {
        "sha256": photo.sha256,
        "size_bytes": photo.size_bytes,
        "format": photo.format,
        "width": photo.width,
        "height": photo.height,
        "exif": _reading_body(photo.exif),
        "package": _reading_body(photo.package),
    }


def _reading_body(reading: PhotoReading | None) -> dict[str, Any] | None:
    """Write a reading as JSON values."""
    if reading is None:
        return None
    return {name: getattr(reading, name) for name in PhotoReading.__slots__}


def _photo_of(body: Mapping[str, Any]) -> Photo:
    """Read a photo from JSON values."""
    readings = {
        name: None if body[name] is None else PhotoReading(**body[name])
        for name in ("exif", "package")
    }
    return Photo(**{**body, **readings})
