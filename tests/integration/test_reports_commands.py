"""Alerts listed, told, exported and computed again, and reports: from real runs."""

import hashlib
import json
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyogrio
import pytest
from commands import Nursery, Ran, tree
from cubes import write
from demo_run import Demos, shared_demos  # noqa: F401 - a fixture
from landscape import HISTORY_UNTIL, LOOKS, OPENED, SPOT, landscape, week_of
from openpyxl import load_workbook
from rights import delivery, right
from shapely import box
from shapely.geometry import shape

from rsmonitor.io.stores.ledger import SqliteLedger
from rsmonitor.io.stores.register_database import DatabaseRegister
from rsmonitor.records.event import EventDraft, EventKind
from rsmonitor.records.licence import LicenceStatus, StatusChange

EARLY = datetime(2018, 1, 1, tzinfo=UTC)
LATE = datetime(2020, 1, 1, tzinfo=UTC)
EVERYWHERE = box(116.9, 25.2, 117.1, 25.4)
"""Around all of the forest."""

SETTINGS = """
[district]
code = "360728"
name_zh = "定南县"
name_en = "Dingnan"
bureau = "定南县自然资源局"
county_codes = ["360728"]

[source]
kind = "cube"
files = ["forest.nc"]

[history]
until = {until}

[licences]
register = "register.sqlite"

[run]
work = "work"
out = "out"
"""


@pytest.fixture(scope="module")
def nursery(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nursery]:
    with Nursery(tmp_path_factory.mktemp("nursery")) as nursery:
        yield nursery


@dataclass(frozen=True, slots=True, kw_only=True)
class Bureau:
    """A bureau that has watched a forest for some weeks."""

    nursery: Nursery
    folder: Path

    @property
    def settings(self) -> Path:
        return self.folder / "forest.toml"

    def ask(self, *words: str | Path) -> Ran:
        """Ask a command about the settings: its words first, options after."""
        split = next((i for i, w in enumerate(words) if str(w)[:2] == "--"), len(words))
        return self.nursery.run(*words[:split], self.settings, *words[split:])

    @property
    def ledger(self) -> SqliteLedger:
        work = self.folder / "work"
        return SqliteLedger(work / "ledger.sqlite", locks=work / "locks")

    def say(self, kind: EventKind, body: Mapping[str, Any], who: str = "李华") -> None:
        draft = EventDraft(kind=kind, at=LATE, who=who, body=body)
        self.ledger.append([draft])

    def find(self, judged_by: str, verdict: str, cause: str | None = None) -> None:
        """Let a person say what the only alert is."""
        (alert,) = self.ledger.alerts("360728")
        said = {
            "site_id": alert.site.site_id,
            "kind": "triaged",
            "verdict": verdict,
            "cause": cause,
            "imagery": "0.5 m",
            "judged_by": judged_by,
            "judged_on": "2019-12-01",
            "note": "",
            "photos": [],
        }
        self.say(EventKind.TRIAGED, said, who=judged_by)


@pytest.fixture(scope="module")
def watched(nursery: Nursery, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Watch the forest; nobody writes into this folder afterwards."""
    folder = tmp_path_factory.mktemp("watched")
    write(landscape().cube(), folder / "forest.nc")
    text = SETTINGS.format(until=HISTORY_UNTIL)
    (folder / "forest.toml").write_text(text, encoding="utf-8")
    stopped = (StatusChange(on=date(2018, 1, 1), status=LicenceStatus.SUSPENDED),)
    mine = right(
        geometry=EVERYWHERE,
        holder="甲公司",
        valid_from=date(2010, 1, 1),
        status_history=stopped,
    )
    register = DatabaseRegister(folder / "register.sqlite")
    register.import_licences(delivery(mine), at=EARLY, by="李华")
    for look in (OPENED + 6, OPENED + 12, LOOKS - 1):
        day = week_of(look).last_day.isoformat()
        ran = nursery.run("run", folder / "forest.toml", "--until", day)
        assert ran.code == 0, ran.stderr
    return folder


@pytest.fixture
def bureau(nursery: Nursery, watched: Path, tmp_path: Path) -> Bureau:
    folder = tmp_path / "bureau"
    shutil.copytree(watched, folder, symlinks=True)
    return Bureau(nursery=nursery, folder=folder)


def quiet(ran: Ran) -> Ran:
    assert (ran.code, ran.stderr) == (0, "")
    return ran


# -------------------------------------------------------------------------- alerts


def test_alerts_are_listed_and_chosen(bureau: Bureau) -> None:
    (alert,) = bureau.ledger.alerts("360728")
    seen = alert.site.latest.disturbance
    listed = quiet(bureau.ask("alerts", "list")).stdout
    assert alert.alert_id in listed
    assert "1 alerts stand" in listed
    for options in (
        ["--county", "360728"],
        ["--county", "36"],
        ["--tier", seen.tier.code],
        ["--category", alert.verdict.category.value],
        ["--since", seen.began_by.isoformat()],
    ):
        assert alert.alert_id in bureau.ask("alerts", "list", *options).stdout, options
    for options in (
        ["--county", "441624"],
        ["--tier", "low"],
        ["--category", "no_right"],
        ["--since", "2019-12-31"],
    ):
        assert "0 alerts stand" in bureau.ask("alerts", "list", *options).stdout


def test_a_list_as_json_is_what_the_run_delivered(bureau: Bureau) -> None:
    told = json.loads(quiet(bureau.ask("alerts", "list", "--json")).stdout)
    latest = bureau.folder / "out" / "latest" / "alerts.geojson"
    delivered = json.loads(latest.read_bytes())["features"]
    assert told == [feature["properties"] for feature in delivered]


@pytest.mark.parametrize(
    "options",
    [["--tier", "hig"], ["--category", "bad"], ["--county", "定南"], ["--since", "x"]],
)
def test_a_choice_that_is_none_is_wrong_usage(
    bureau: Bureau, options: list[str]
) -> None:
    ran = bureau.ask("alerts", "list", *options)
    assert ran.code == 2
    assert options[1] in ran.stderr


def test_an_alert_is_told_with_its_trace_its_versions_and_what_was_done(
    bureau: Bureau,
) -> None:
    (alert,) = bureau.ledger.alerts("360728")
    bureau.find("王芳", "unlawful")
    told = bureau.nursery.run("alerts", "show", bureau.settings, alert.alert_id).stdout
    for step in alert.verdict.parts[0].trace:
        assert step.zh in told
        assert step.en in told
    assert f"v{alert.version}:" in told
    assert alert.provenance.scenes[0] in told
    assert "王芳" in told
    assert "只是问题线索" in told


def test_an_alert_that_never_was_is_said_to_be_none(bureau: Bureau) -> None:
    for command in (["alerts", "show"], ["reproduce"]):
        ran = bureau.nursery.run(*command, bureau.settings, "a" + "7" * 12)
        assert ran.code == 3
        assert "a777777777777" in ran.stderr


def test_without_a_ledger_every_command_says_so(
    nursery: Nursery, tmp_path: Path, watched: Path
) -> None:
    shutil.copy(watched / "forest.toml", tmp_path)
    for command in (
        ["alerts", "list"],
        ["report", "yearly", "--year", "2018"],
        ["report", "rights", "--quarter", "2018Q4"],
    ):
        ran = Bureau(nursery=nursery, folder=tmp_path).ask(*command)
        assert ran.code == 3
        assert "ledger.sqlite does not exist" in ran.stderr
    assert sorted(tree(tmp_path)) == ["forest.toml"], "asking makes nothing"


@pytest.mark.parametrize(
    ("form", "suffix", "layer"),
    [
        ("geojson", "geojson", None),
        ("kml", "kml", "图斑 outlines"),
        ("gpx", "gpx", "tracks"),
        ("geopackage", "gpkg", "alerts"),
    ],
)
def test_gdal_reads_every_export_back(
    bureau: Bureau, form: str, suffix: str, layer: str | None
) -> None:
    out = bureau.folder / f"alerts.{suffix}"
    quiet(bureau.ask("alerts", "export", "--format", form, "--out", out))
    latest = bureau.folder / "out" / "latest" / "alerts.geojson"
    (feature,) = json.loads(latest.read_bytes())["features"]
    frame = pyogrio.read_dataframe(out, layer=layer)
    (geometry,) = frame.geometry
    expected = shape(feature["geometry"])
    assert geometry.bounds == pytest.approx(expected.bounds, abs=1e-9)
    assert frame.crs.to_epsg() == 4326


def test_the_geojson_is_the_one_that_the_run_delivered(bureau: Bureau) -> None:
    out = bureau.folder / "alerts.geojson"
    quiet(bureau.ask("alerts", "export", "--out", out))
    latest = bureau.folder / "out" / "latest" / "alerts.geojson"
    assert json.loads(out.read_bytes()) == json.loads(latest.read_bytes())


@pytest.mark.parametrize("form", ["kml", "gpx", "geopackage"])
def test_what_is_made_of_coordinates_is_not_for_the_public(
    bureau: Bureau, form: str
) -> None:
    out = bureau.folder / "public"
    ran = bureau.ask("alerts", "export", "--public", "--format", form, "--out", out)
    assert ran.code == 2
    assert "made of coordinates" in ran.stderr
    assert not out.exists()


def test_the_public_learns_county_kind_size_and_month(bureau: Bureau) -> None:
    (alert,) = bureau.ledger.alerts("360728")
    out = bureau.folder / "public.json"
    ask = ["alerts", "export", "--public", "--format", "json", "--out", str(out)]
    quiet(bureau.ask(*ask))
    (row,) = json.loads(out.read_bytes())["rows"]
    assert row["county"] == "定南县"
    assert row["month"] == f"{alert.site.latest.disturbance.began_by:%Y-%m}"
    assert row["alerts"] == 1


def test_special_use_is_in_no_list_no_export_and_no_report(bureau: Bureau) -> None:
    (alert,) = bureau.ledger.alerts("360728")
    bureau.find("王芳", "special_use")
    assert "0 alerts stand" in quiet(bureau.ask("alerts", "list")).stdout
    shown = bureau.nursery.run("alerts", "show", bureau.settings, alert.alert_id)
    assert shown.code == 3
    files = []
    for form in ("geojson", "kml", "gpx", "csv", "geopackage"):
        files.append(bureau.folder / f"x.{'gpkg' if form == 'geopackage' else form}")
        quiet(bureau.ask("alerts", "export", "--format", form, "--out", files[-1]))
    for what, options in (
        ("yearly", ["--year", "2018"]),
        ("rights", ["--quarter", "2018Q3"]),
    ):
        files.append(bureau.folder / f"{what}.json")
        assert bureau.ask("report", what, *options, "--out", files[-1]).code == 0
    yearly, rights = (json.loads(file.read_bytes()) for file in files[-2:])
    assert yearly["total"]["alerts"] == 0
    assert yearly["withdrawn"] == yearly["merged"] == 0
    assert rights["rights"][0]["disturbed_m2"] == 0
    for file in files:
        assert alert.alert_id.encode() not in file.read_bytes(), file.name


# ------------------------------------------------------------------------- reports


def yearly_of(bureau: Bureau, year: int = 2018) -> dict[str, Any]:
    out = bureau.folder / "yearly.json"
    quiet(bureau.ask("report", "yearly", "--year", str(year), "--out", out))
    told: dict[str, Any] = json.loads(out.read_bytes())
    return told


def test_the_yearly_table_counts_and_does_not_make_up_a_precision(
    bureau: Bureau,
) -> None:
    told = yearly_of(bureau)
    assert told["total"]["alerts"] == told["total"]["open"] == 1
    assert told["tables"]["county"][0]["zh"] == "定南县"
    assert told["tables"]["holder"][0]["zh"] == "甲公司"
    assert {row["unlawful"] for row in told["precision"]} == {None}
    text = quiet(bureau.ask("report", "yearly", "--year", "2018")).stdout
    assert "未测 not measured" in text
    assert yearly_of(bureau, 2017)["total"]["alerts"] == 0


def test_what_people_said_and_did_is_in_the_yearly_table(bureau: Bureau) -> None:
    (alert,) = bureau.ledger.alerts("360728")
    bureau.find("王芳", "unlawful")
    body = {"site_id": alert.site.site_id, "handling": "filed", "why": "采挖"}
    bureau.say(EventKind.CLOSED, body)
    told = yearly_of(bureau)
    assert told["total"]["handled"] == 1
    assert told["handling"] == {"filed": 1}
    (tier,) = (
        row for row in told["precision"] if row["unlawful"] and row["tier"] != "all"
    )
    assert tier["unlawful"]["share"] == 1
    assert tier["unlawful"]["interval"] == pytest.approx([0.2065, 1], abs=1e-4)
    bureau.find("李华", "pseudo_change", "orchard")
    assert {row["unlawful"] is None for row in yearly_of(bureau)["precision"]} == {True}
    assert yearly_of(bureau)["precision"][-1]["disagreed"] == 1


def test_the_yearly_workbook_opens_and_the_csv_is_for_excel(bureau: Bureau) -> None:
    for suffix in ("xlsx", "csv"):
        out = bureau.folder / f"yearly.{suffix}"
        quiet(bureau.ask("report", "yearly", "--year", "2018", "--out", out))
        first = out.read_bytes()
        quiet(bureau.ask("report", "yearly", "--year", "2018", "--out", out))
        assert out.read_bytes() == first, "the same books, the same bytes"
    book = load_workbook(bureau.folder / "yearly.xlsx")
    assert book.sheetnames == [
        *("合计", "按县区", "按类别", "按月份", "按权利人", "处理", "精度", "清单")
    ]
    notice = [cell.value for cell in book["合计"]["A"]]
    assert any("只是问题线索" in str(value) for value in notice)
    assert (bureau.folder / "yearly.csv").read_bytes()[:3] == b"\xef\xbb\xbf"


def test_a_right_that_was_dug_while_suspended_is_listed(bureau: Bureau) -> None:
    (alert,) = bureau.ledger.alerts("360728")
    began = alert.site.latest.disturbance.began_by
    quarter = f"{began.year}Q{(began.month + 2) // 3}"
    out = bureau.folder / "rights.json"
    ran = bureau.ask("report", "rights", "--quarter", quarter, "--out", out)
    assert ran.code == 0, ran.stderr
    assert "no list of producing mines of 2018" in ran.stderr
    told = json.loads(out.read_bytes())
    assert "不能衡量原地浸矿产量" in told["caveat"]
    (row,) = told["rights"]
    assert row["growth_m2"] == pytest.approx(
        sum(
            part.area_m2
            for part in alert.site.latest.disturbance.increments
            if quarter == f"{part.began_by.year}Q{(part.began_by.month + 2) // 3}"
        ),
        rel=0.01,
    )
    assert row["findings"] == ["activity_while_suspended"]
    shown = bureau.ask("report", "rights", "--quarter", quarter).stdout
    assert "疑似停产期间活动" in shown


def test_a_quarter_of_which_no_run_is_kept_was_not_measured(bureau: Bureau) -> None:
    out = bureau.folder / "rights.json"
    for quarter, measured in (("2018Q2", False), ("2019Q4", True)):
        ran = bureau.ask("report", "rights", "--quarter", quarter, "--out", out)
        assert ran.code == 0, ran.stderr
        (row,) = json.loads(out.read_bytes())["rights"]
        assert (row["share_observed"] is not None) is measured
        assert ("was not measured" in ran.stderr) is not measured


@pytest.mark.parametrize(
    ("words", "code", "why"),
    [
        (["rights", "--quarter", "2018"], 2, "2026Q3"),
        (["rights", "--quarter", "2017Q1"], 3, "nothing was watched"),
        (["yearly", "--year", "1900"], 2, "2015"),
        (["yearly", "--year", "2018", "--out", "a.pdf"], 3, ".xlsx"),
    ],
)
def test_a_report_that_cannot_be_says_why(
    bureau: Bureau, words: list[str], code: int, why: str
) -> None:
    ran = bureau.ask("report", *words)
    assert ran.code == code
    assert why in ran.stderr


# ----------------------------------------------------------------------- reproduce


def again(bureau: Bureau) -> tuple[int, dict[str, Any]]:
    (alert,) = bureau.ledger.alerts("360728")
    ran = bureau.nursery.run("reproduce", bureau.settings, alert.alert_id, "--json")
    assert ran.code in {0, 1}, ran.stderr
    told: dict[str, Any] = json.loads(ran.stdout)
    return ran.code, told


def test_an_alert_is_computed_again_and_nothing_is_touched(bureau: Bureau) -> None:
    before = tree(bureau.folder)
    code, told = again(bureau)
    assert code == 0
    assert told["same"]
    assert not told["differs"]
    assert {"geometry", "area_m2", "tier", "category", "parts"} <= set(told["equal"])
    assert told["overlap"] == 1
    assert not told["changed"]
    assert tree(bureau.folder) == before


def test_a_register_that_was_changed_since_is_taken_as_it_was(bureau: Bureau) -> None:
    register = DatabaseRegister(bureau.folder / "register.sqlite")
    first = date(2010, 1, 1)
    other = right(geometry=EVERYWHERE, valid_from=first, minerals=("高岭土",))
    register.import_licences(delivery(other), at=LATE, by="李华")
    code, told = again(bureau)
    assert (code, told["changed"]) == (0, [])


def test_other_settings_are_named_and_what_they_change(bureau: Bureau) -> None:
    text = bureau.settings.read_text(encoding="utf-8")
    stricter = f"{text}\n[outline]\nmin_pixels = 30\n"
    bureau.settings.write_text(stricter, encoding="utf-8")
    _, told = again(bureau)
    assert {"settings", "line"} <= {each["what"] for each in told["changed"]}


def test_scenes_that_are_not_what_they_were_give_another_alert(bureau: Bureau) -> None:
    forest = landscape()
    reflectance = forest.reflectance.copy()
    # the same pixels of bare ground, fewer of them
    rows = slice(SPOT[0].start, SPOT[0].start + 3)
    before = reflectance[OPENED - 1, :, rows, SPOT[1]].copy()
    reflectance[OPENED:, :, rows, SPOT[1]] = before[None]
    changed = replace(forest, reflectance=reflectance.astype(np.float32))
    write(changed.cube(), bureau.folder / "forest.nc")
    code, told = again(bureau)
    assert code == 1
    assert "area_m2" in {each["what"] for each in told["differs"]}
    assert 0 < told["overlap"] < 1


def test_a_look_that_came_later_is_not_taken_for_one_that_was_read(
    nursery: Nursery, watched: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "late"
    folder.mkdir()
    shutil.copy(watched / "register.sqlite", folder)
    shutil.copy(watched / "forest.toml", folder)
    whole = landscape().cube()
    write(
        whole.isel(time=[i for i in range(LOOKS) if i != OPENED + 2]),
        folder / "forest.nc",
    )
    bureau = Bureau(nursery=nursery, folder=folder)
    day = week_of(OPENED + 8).last_day.isoformat()
    assert bureau.ask("run", "--until", day).code == 0
    write(whole, folder / "forest.nc")
    code, told = again(bureau)
    assert (code, told["differs"]) == (0, [])


def test_an_alert_names_its_bytes_and_what_read_them(bureau: Bureau) -> None:
    (alert,) = bureau.ledger.alerts("360728")
    data = (bureau.folder / "forest.nc").read_bytes()
    checksum = f"forest.nc sha256:{hashlib.sha256(data).hexdigest()}"
    told = bureau.nursery.run("alerts", "show", bureau.settings, alert.alert_id)
    assert checksum in told.stdout
    assert "numba " in told.stdout
    whole = landscape().cube()
    whole.attrs["title"] = "the same numbers in other bytes"
    write(whole, bureau.folder / "forest.nc")
    code, told_again = again(bureau)
    assert code == 0
    assert [each["what"] for each in told_again["changed"]] == ["bytes of forest.nc"]
    assert not told_again["not_recorded"]


@pytest.mark.slow
def test_an_alert_of_the_demo_is_computed_again(
    demos: Demos, nursery: Nursery, tmp_path: Path
) -> None:
    root = Path(__file__).parents[2] / "configs"
    text = (root / "demo.toml").read_text(encoding="utf-8")
    text = text.replace("../demo-out", str(demos.folder))
    settings = tmp_path / "demo.toml"
    settings.write_text(text, encoding="utf-8")
    shutil.copy(root / "demo_licences.geojson", tmp_path)
    latest = demos.folder / "alerts.geojson"
    first = json.loads(latest.read_bytes())["features"][0]["id"]
    ran = nursery.run("reproduce", settings, first)
    assert ran.code == 0, ran.stdout + ran.stderr
    assert "一致" in ran.stdout
