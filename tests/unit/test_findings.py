"""What people said: refused where it contradicts itself, and kept beside what others
said."""

import struct
import zlib
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from typing import Any

import pytest
from returned import jpeg

from rsmonitor.errors import ContractError
from rsmonitor.io.returns.columns import (
    FINDING_FIELDS,
    cause_in,
    day_in,
    degrees_in,
    is_web_map,
    judgement_in,
    named,
)
from rsmonitor.io.returns.exif import MAX_BYTES, photo_of
from rsmonitor.io.returns.rows import UnusableRowError
from rsmonitor.records.disturbance import CAUSE_LABELS, Cause
from rsmonitor.records.event import EventKind
from rsmonitor.records.finding import (
    JUDGEMENT_LABELS,
    Finding,
    Judgement,
    PhotoReading,
    body_of,
    contradiction,
    finding_of,
    standings,
    withheld_sites,
)

SITE = "s" + "a" * 12
DAY = date(2026, 11, 20)


def said(judgement: Judgement = Judgement.UNLAWFUL, **changes: Any) -> Finding:  # noqa: ANN401
    fields: dict[str, Any] = {
        "site_id": SITE,
        "kind": EventKind.TRIAGED,
        "judgement": judgement,
        "cause": Cause.ORCHARD if judgement is Judgement.PSEUDO_CHANGE else None,
        "imagery": "GF-2",
        "judged_by": "李华",
        "judged_on": DAY,
    }
    return Finding(**(fields | changes))


@pytest.mark.parametrize(
    ("judgement", "cause"),
    [
        (Judgement.PSEUDO_CHANGE, None),
        (Judgement.PSEUDO_CHANGE, Cause.DIGGING),
        (Judgement.PSEUDO_CHANGE, Cause.IN_SITU_LEACH),
        (Judgement.UNLAWFUL, Cause.ARTEFACT),
    ],
)
def test_a_verdict_that_its_cause_contradicts_is_no_finding(
    judgement: Judgement, cause: Cause | None
) -> None:
    assert contradiction(judgement, cause)
    with pytest.raises(ContractError, match=SITE):
        said(judgement, cause=cause)


@pytest.mark.parametrize(
    "changes",
    [
        {"site_id": "x"},
        {"kind": EventKind.DETECTED},
        {"judged_by": "  "},
    ],
)
def test_a_finding_names_a_site_a_person_and_how(changes: dict[str, Any]) -> None:
    with pytest.raises(ContractError):
        said(**changes)


@pytest.mark.parametrize(
    "changes",
    [
        {"longitude": 115.0},
        {"longitude": 181.0, "latitude": 0.0},
        {"longitude": float("nan"), "latitude": 0.0},
        {"azimuth_deg": 360.0},
        {"azimuth_reference": "grid"},
    ],
)
def test_a_reading_of_a_photo_is_whole_or_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(ContractError):
        PhotoReading(**changes)


def test_a_finding_comes_back_from_its_event_as_it_was() -> None:
    photo = photo_of(jpeg(), package=PhotoReading(taken_at="2026-11-20"))
    finding = said(photos=(photo,), note="备注")
    body = body_of(finding, file="a.csv", file_sha256="0" * 64, row="line 2")
    assert finding_of("triaged", body) == finding
    assert body["finding_id"] == finding.finding_id


@pytest.mark.parametrize("broken", [{}, {"site_id": SITE}, {"photos": 3}])
def test_an_event_that_holds_no_finding_says_so(broken: dict[str, Any]) -> None:
    with pytest.raises(ContractError, match="holds no finding"):
        finding_of("triaged", broken)


def test_the_id_of_a_finding_is_made_of_what_was_said() -> None:
    assert said().finding_id == said().finding_id
    others = [
        said(Judgement.LAWFUL),
        said(cause=Cause.DIGGING),
        said(judged_by="王强"),
        said(judged_on=date(2026, 11, 21)),
        said(imagery="UAV"),
        said(photos=(photo_of(jpeg()),)),
    ]
    assert len({said().finding_id, *(one.finding_id for one in others)}) == 7


def test_two_people_who_disagree_both_stand() -> None:
    (standing,) = standings([said(), said(Judgement.LAWFUL, judged_by="王强")]).values()
    assert len(standing.findings) == 2
    assert not standing.agreed


def test_a_persons_later_word_takes_the_place_of_his_earlier_one() -> None:
    later = said(Judgement.LAWFUL, judged_on=date(2026, 11, 22))
    assert standings([later, said()])[SITE].findings == (later,)
    assert standings([said(), later])[SITE].findings == (later,)


def test_of_two_words_of_one_day_the_one_that_came_in_later_stands() -> None:
    corrected = said(Judgement.LAWFUL)
    assert standings([said(), corrected])[SITE].findings == (corrected,)


def test_one_person_suffices_to_withhold_a_site_and_only_he_takes_it_back() -> None:
    special = said(Judgement.SPECIAL_USE)
    other = said(judged_by="王强", judged_on=date(2026, 11, 23))
    assert withheld_sites([special, other]) == {SITE}
    back = said(Judgement.LAWFUL, judged_on=date(2026, 11, 23))
    assert not withheld_sites([special, other, back])


def test_every_judgement_and_cause_is_read_from_its_code_and_its_labels() -> None:
    for judgement in Judgement:
        assert judgement_in(judgement.value) is judgement
        assert judgement_in(JUDGEMENT_LABELS[judgement][0]) is judgement
    for cause in Cause:
        assert cause_in(cause.value) is cause
        for label in CAUSE_LABELS[cause]:
            assert cause_in(label) is cause


def test_what_accuses_begins_with_suspected() -> None:
    assert JUDGEMENT_LABELS[Judgement.UNLAWFUL][0].startswith("疑似")


def test_of_two_columns_for_one_field_the_better_known_counts() -> None:
    assert named(["JCBH", "图斑编号"], FINDING_FIELDS)["id"] == "图斑编号"


@pytest.mark.parametrize("text", ["", "2026-13-01", "gestern", "2026", "20261301"])
def test_what_is_no_day_is_refused(text: str) -> None:
    with pytest.raises(UnusableRowError):
        day_in(text)


@pytest.mark.parametrize(
    ("read", "text"),
    [
        (degrees_in, "nan"),
        (degrees_in, "1e9"),
        (degrees_in, "x"),
        (is_web_map, "北京54"),
    ],
)
def test_what_is_no_place_is_refused(read: Callable[[str], Any], text: str) -> None:
    with pytest.raises(UnusableRowError):
        read(text)


# ------------------------------------------------------------------------------- photos


def test_a_photo_says_when_and_from_where_and_in_which_datum() -> None:
    photo = photo_of(jpeg())
    assert (photo.format, photo.width, photo.height) == ("jpeg", 32, 24)
    assert photo.exif is not None
    assert photo.exif.taken_at == "2026-11-20T10:11:12+08:00"
    assert photo.exif.longitude == pytest.approx(115.001)
    assert photo.exif.latitude == pytest.approx(24 + 59.5 / 60)
    assert photo.exif.azimuth_deg == pytest.approx(123.5)
    assert photo.exif.azimuth_reference == "true"
    assert photo.exif.datum == "CGCS2000"


@pytest.mark.parametrize(
    "gps",
    [
        {"GPSLatitudeRef": None},
        {"GPSLongitude": None},
        {"latitude": (99, 0, 0.0)},
        {"GPSLatitudeRef": "X"},
    ],
)
def test_half_a_position_or_one_off_the_earth_is_none(gps: dict[str, Any]) -> None:
    exif = photo_of(jpeg(**gps)).exif
    assert exif is None or exif.longitude is None


def test_a_magnetic_azimuth_is_said_to_be_one_and_a_missing_datum_is_not_guessed() -> (
    None
):
    exif = photo_of(jpeg(GPSImgDirectionRef="M", GPSMapDatum=None)).exif
    assert exif is not None
    assert exif.azimuth_reference == "magnetic"
    assert exif.datum is None


def test_southern_and_western_degrees_are_negative() -> None:
    exif = photo_of(jpeg(GPSLatitudeRef="S", GPSLongitudeRef="W")).exif
    assert exif is not None
    assert exif.latitude == pytest.approx(-(24 + 59.5 / 60))
    assert exif.longitude == pytest.approx(-115.001)


@pytest.mark.parametrize(
    "content",
    [b"", b"\xff\xd8", b"MZ" + bytes(100), b"GIF89a" + bytes(30), bytes(MAX_BYTES + 1)],
    ids=["empty", "cut", "program", "gif", "large"],
)
def test_what_is_no_photo_is_refused(content: bytes) -> None:
    with pytest.raises(UnusableRowError):
        photo_of(content)


def png_that_claims(width: int, height: int) -> bytes:
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunk = b"IHDR" + head
    return (
        b"\x89PNG\r\n\x1a\n"
        + struct.pack(">I", len(head))
        + chunk
        + struct.pack(">I", zlib.crc32(chunk))
        + struct.pack(">I", 0)
        + b"IDAT"
        + struct.pack(">I", zlib.crc32(b"IDAT"))
    )


def test_pixels_are_never_decoded() -> None:
    # no pixel of it exists: whoever decoded it would fail
    photo = photo_of(png_that_claims(12_000, 9_000))
    assert (photo.width, photo.height) == (12_000, 9_000)


def test_a_header_that_claims_a_bomb_is_refused() -> None:
    with pytest.raises(UnusableRowError, match="pixels"):
        photo_of(png_that_claims(100_000, 100_000))


def test_a_photo_of_a_phone_that_nothing_here_reads_is_kept_as_it_is() -> None:
    photo = photo_of(b"\0\0\0\x18ftypheic" + bytes(40))
    assert photo.format == "heic"
    assert photo.width is None


def test_the_same_photo_is_one_photo() -> None:
    one = photo_of(jpeg())
    assert replace(one, package=PhotoReading()).sha256 == photo_of(jpeg()).sha256
