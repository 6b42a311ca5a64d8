"""The report of a county and the summary of a province, read as their readers do."""

import math
import re
import shutil
import subprocess
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from functools import cache
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sample_package import COUNTY, sample_package

from rsmonitor.errors import ContractError
from rsmonitor.io.deliver.pictures.typeface import GETA, find_typeface
from rsmonitor.io.deliver.report.coverage import FEWEST_WEEKS, expected_words
from rsmonitor.io.deliver.report.evidence import separating
from rsmonitor.io.deliver.report.pages import picture_pages, write_report, write_summary
from rsmonitor.io.deliver.report.sections import waiting
from rsmonitor.io.deliver.report.words import brief, printable, scene_words
from rsmonitor.records.alert import Alert
from rsmonitor.records.case import Case, CaseState, Level, ProvinceCheck
from rsmonitor.records.disturbance import Cause
from rsmonitor.records.package import Dossier, Language, Package, WeekCount
from rsmonitor.records.week import IsoWeek
from rsmonitor.stages.classify import MODEL_ID, classify

pdftotext = pytest.mark.needs_program("pdftotext", "poppler-utils")
pdffonts = pytest.mark.needs_program("pdffonts", "poppler-utils")

HOSTILE = (
    "<script>alert(1)</script>",
    '#eval("1+1") ] } $x$ *a* _b_ @c \\d "e" \'f\' `g` // h',
    "名" * 2000,
    "W" * 2000,
    "abc\u202egnp.exe\u200b\u0000\u0007\x1b[31m\ud800",
    "矿\U0001f525ཀ😀𠮷ﷺ\u0301\u0301\u0301",
    "\n\n\t ",
)
WEEK = IsoWeek(year=2026, week=47)


def handled(dossier: Dossier, *, handler: str = "李明", late: int = 12) -> Dossier:
    """Give an alert a case."""
    case = Case(
        site_id=dossier.alert.site.site_id,
        alert_id=dossier.alert.alert_id,
        district=dossier.alert.site.district,
        area_m2=8000.0,
        opened=datetime(2020, 1, 6, tzinfo=UTC),
        state=CaseState.ASSIGNED,
        due=date(2020, 2, 5),
        province_check=ProvinceCheck.DUE,
        handler=handler,
    )
    return replace(dossier, case=case, days_overdue=late)


@cache
def pdf_of(language: Language) -> bytes:
    return write_report(sample_package(language=language, change=handled))


def words_of(pdf: bytes, folder: Path) -> str:
    """Read a PDF as a person copies from it; pages end in a form feed."""
    path = folder / "pages.pdf"
    path.write_bytes(pdf)
    return told_by("pdftotext", "-layout", str(path), "-")


def told_by(program: str, *arguments: str) -> str:
    """Give what an outside program says."""
    command = [shutil.which(program) or program, *arguments]
    done = subprocess.run(  # noqa: S603 - the system's own
        command, check=True, capture_output=True
    )
    return done.stdout.decode()


@cache
def province() -> Package:
    """Give a province of two prefectures, three counties and four alerts."""
    package = sample_package(alerts=4)
    codes = ("360734", "360728", "441426", "360734")
    dossiers = tuple(
        replace(
            handled(each, late=late), alert=replace(each.alert, county_codes=(code,))
        )
        for each, code, late in zip(package.dossiers, codes, (0, 3, 9, 0), strict=True)
    )
    figures = package.counties[0]
    counties = tuple(
        replace(
            figures,
            area=replace(figures.area, code=code, name_zh=name),
            standing=codes.count(code),
        )
        for code, name in (("360728", "定南县"), ("360734", "寻乌县"))
    )
    return replace(
        package,
        area=replace(package.area, code="36", level=Level.PROVINCE, name_zh="江西省"),
        dossiers=dossiers,
        counties=counties,
        names={**package.names, "360728": "定南县", "3607": "赣州市"},
    )


# ------------------------------------------------------------------------ what is said


@pdftotext
def test_the_report_says_who_what_where_and_how_sure(tmp_path: Path) -> None:
    package = sample_package(change=handled)
    pages = words_of(pdf_of("zh"), tmp_path).split("\f")
    first = pages[0]
    for word in ("疑似违法线索周报", "寻乌县", "2020-W", "（周一）", "不能直接作为"):
        assert word in first
    assert "没有告警不等于没有开采" in "".join(pages)
    for dossier in package.paged:
        (page,) = [p for p in pages if dossier.alert.alert_id in p]
        seen = dossier.alert.site.latest.disturbance
        for word in (
            *(dossier.short_name, "亩", f"{seen.area_m2:,.0f} m²", "李明", "逾期12天"),
            *(f"{dossier.point.x:.6f}", f"{dossier.point.y:.6f}", "″N", "CGCS2000"),
            *(str(seen.began_by), "S2A L2A R093 T34TFQ", "变化前", "变化后"),
        ):
            assert word in page.replace(" ", "") or word in page, word
    for dossier in package.dossiers[package.pages :]:
        assert dossier.short_name in pages[-2]
    for page in pages[:-1]:
        assert package.settings_digest[:12] in page
        assert package.runs[0] in page
        assert package.register.snapshot_id in page


@pdftotext
def test_an_english_report_has_english_headings(tmp_path: Path) -> None:
    words = words_of(pdf_of("en"), tmp_path)
    for word in ("Weekly report", "No alert is not no mining", "12 days overdue"):
        assert word in words


@pytest.mark.parametrize("language", ["zh", "en"])
@pdftotext
def test_the_face_can_draw_all_that_the_pages_say(
    language: Language, tmp_path: Path
) -> None:
    assert GETA not in words_of(pdf_of(language), tmp_path)


@pdftotext
def test_a_package_without_alerts_says_what_was_seen(tmp_path: Path) -> None:
    empty = replace(sample_package(), dossiers=())
    words = words_of(write_report(empty), tmp_path)
    assert "本期没有在册线索" in words
    assert "没有告警不等于没有开采" in words
    assert f"{empty.coverage[0].share_seen:.0%}" in words


@pdftotext
def test_every_alert_without_a_page_gets_a_line(tmp_path: Path) -> None:
    package = sample_package(change=handled)
    many = tuple(
        replace(package.dossiers[0], place=place, short_name=f"N{place:05d}")
        for place in range(1, 121)
    )
    words = words_of(write_report(replace(package, dossiers=many)), tmp_path)
    missing = [d.short_name for d in many if d.short_name not in words]
    assert not missing


@pdftotext
def test_the_summary_adds_each_alert_once(tmp_path: Path) -> None:
    package = province()
    words = words_of(write_summary(package), tmp_path)
    lines = [line.split() for line in words.splitlines()]
    (total,) = [line for line in lines if line[:1] == ["合计"]]
    (part,) = [line for line in lines if line[:1] == ["赣州市小计"]]
    assert total[1] == "4"
    assert part[1] == "3"
    for dossier in package.dossiers:
        assert dossier.short_name in words
    assert "江西省" in words


def test_what_is_overdue_for_longest_comes_first() -> None:
    late = [each.days_overdue for each in waiting(province())]
    assert late == [9, 3, 0, 0]


# ------------------------------------------------------------------ what is not allowed


def test_each_document_refuses_packages_of_other_levels() -> None:
    with pytest.raises(ContractError, match="this document is for a county"):
        write_report(province())
    with pytest.raises(ContractError, match="got a county"):
        write_summary(sample_package())


def test_the_same_package_gives_the_same_bytes() -> None:
    again = write_report(sample_package(language="zh", change=handled))
    assert again == pdf_of("zh")


@pdffonts
def test_the_only_typeface_is_chinese_and_embedded(tmp_path: Path) -> None:
    path = tmp_path / "pages.pdf"
    path.write_bytes(pdf_of("zh"))
    fonts = told_by("pdffonts", str(path)).splitlines()[2:]
    assert fonts
    for font in fonts:
        assert "NotoSansCJKsc-Regular" in font
        assert font.split()[-5] == "yes"


# ------------------------------------------------------------ what strangers may write


@pdftotext
@pytest.mark.parametrize("first", [0, 3])
def test_hostile_names_are_printed_and_break_no_page(
    first: int, tmp_path: Path
) -> None:
    tame = sample_package(alerts=len(HOSTILE), change=handled)
    tame = replace(tame, pages=len(HOSTILE), overviews=())
    names = HOSTILE[first:] + HOSTILE[:first]
    dossiers = tuple(
        handled(dossier, handler=name)
        for dossier, name in zip(tame.dossiers, names, strict=True)
    )
    hostile = replace(
        tame,
        area=replace(tame.area, name_zh=names[0], bureau=names[1]),
        names={COUNTY: names[2], "441426": names[3]},
        dossiers=tuple(
            replace(dossier, alert=touching(dossier.alert, "L-1"))
            for dossier in dossiers
        ),
        register=replace(
            tame.register,
            licences=(
                replace(
                    tame.register.licences[0],
                    licence_id="L-1",
                    holder=names[4],
                    mine=names[5],
                    minerals=(names[6],),
                ),
            ),
        ),
    )
    words = words_of(write_report(hostile), tmp_path)
    # front, map, a page an alert, overdue cases: as with any other names
    assert words.count("\f") == 2 + len(names) + 1
    for name in names:
        assert printable(brief(name, 9)).strip("…") in words


def touching(alert: Alert, licence_id: str) -> Alert:
    """Let a licence touch an alert."""
    return replace(alert, verdict=replace(alert.verdict, licence_ids=(licence_id,)))


@given(st.text(st.characters(codec=None), max_size=200))
def test_whatever_is_written_can_be_drawn(text: str) -> None:
    known = find_typeface().characters
    shown = printable({"a": [text]})["a"][0]
    for character in shown:
        assert character in "\u200b\u3000 " or ord(character) in known
    assert "\n" not in shown
    # a line may end after an ideograph
    runs = re.split("[\u200b\\s\u2e80-\uffef]", shown)
    assert max(map(len, runs)) < 25


@given(st.text(max_size=100), st.integers(min_value=1, max_value=50))
def test_a_name_is_never_longer_than_its_place(text: str, most: int) -> None:
    short = brief(text, most)
    assert len(short) <= most
    whole = " ".join(text.split())
    assert short.endswith("…") or len(short) <= len(whole)


# ------------------------------------------------------------------- what is concluded


@given(
    before=st.floats(0, 1),
    change=st.floats(-1, 0.2),
    cover=st.floats(-0.5, 0.5) | st.just(math.nan),
)
def test_the_words_say_what_the_rules_decided(
    before: float, change: float, cover: float
) -> None:
    seen = sample_package().dossiers[0].alert.site.latest.disturbance
    features = {
        "ndvi_before": before,
        "ndvi_change": change,
        "nbsi_before": cover,
        "nbsi_change": 0.0,
    }
    causes = classify(replace(seen, features=features)).causes
    told = " ".join(separating("en", MODEL_ID, features))
    digging, felling = causes[Cause.DIGGING], causes[Cause.CLEAR_CUT]
    assert ("points to digging" in told) == (digging > felling)
    assert ("points to felling" in told) == (felling >= 2 * digging)
    assert ("look alike" in told) == (digging < felling < 2 * digging)


def test_a_model_is_not_explained_by_the_rules() -> None:
    told = separating("en", "forest-3", {"ndvi_before": 0.8, "ndvi_change": -0.6})
    assert not any("points to" in each for each in told)
    assert any("forest-3" in each for each in told)


def weeks(*counts: tuple[int, int]) -> list[WeekCount]:
    """Give weeks with new and standing alerts."""
    days = (WEEK.last_day - timedelta(weeks=n) for n in reversed(range(len(counts))))
    isos = [day.isocalendar() for day in days]
    return [
        WeekCount(week=IsoWeek(year=i.year, week=i.week), new=new, standing=standing)
        for i, (new, standing) in zip(isos, counts, strict=True)
    ]


@given(st.lists(st.integers(0, 30), min_size=1, max_size=20))
def test_the_rate_is_that_of_the_weeks_of_the_record(new: list[int]) -> None:
    told = expected_words("en", weeks(*[(each, 40) for each in new]))
    if len(new) < FEWEST_WEEKS:
        assert f"not yet measured: {len(new)} weeks" in told
    else:
        assert f"from {min(new)} to {max(new)} " in told


@pytest.mark.parametrize(
    ("name", "short"),
    [
        (
            "S2C_MSIL2A_20251001T024551_N0511_R132_T50RKR_20251001T061200",
            "S2C L2A R132 T50RKR",
        ),
        ("short@20200101", "short@20200101"),
    ],
)
def test_scenes_are_shortened_to_what_tells_them_apart(name: str, short: str) -> None:
    assert scene_words(name) == short


def test_pictures_have_as_many_pages_as_the_document() -> None:
    pages = picture_pages(province(), dpi=20)
    assert len(pages) >= 3
    assert all(each.startswith(b"\x89PNG") for each in pages)
