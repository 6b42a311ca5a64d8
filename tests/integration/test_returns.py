"""What comes back, through the commands a bureau types, into a real ledger."""

import json
import sqlite3
import zipfile
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import geopandas
import pytest
import shapely
from returned import (
    EVIDENCE_SCHEMA,
    HEAD,
    csv_text,
    jpeg,
    office,
    sites,
    write_evidence,
    write_xlsx,
)

from rsmonitor.cli import labels, tips, triage
from rsmonitor.errors import BusyError, ReturnsError, RsmonitorError, StoreError
from rsmonitor.io.foundation.clock import FixedClock
from rsmonitor.io.stores.ledger import SqliteLedger
from rsmonitor.io.stores.photos import PhotoStore
from rsmonitor.stages.gcj02 import to_gcj02
from rsmonitor.wiring.returns import import_findings, open_desk

FOUND = sites()
ONE, TWO, THREE, FOUR = (each.site_id for each in FOUND)
Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def config(tmp_path: Path) -> Path:
    return office(tmp_path / "office", FOUND)


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    """Give a function that runs a command to its end."""

    def command(app: Any, *words: str | Path) -> tuple[int, str, str]:  # noqa: ANN401
        code = app([str(word) for word in words], standalone_mode=False)
        said = capsys.readouterr()
        return code or 0, said.out, said.err

    return command


def row(of: str, verdict: str, cause: str = "", **more: str) -> tuple[str, ...]:
    values = {
        "imagery": "GF-2 2026-11-01",
        "who": "李华",
        "day": "2026-11-20",
        "photos": "",
        "note": "",
    } | more
    return (of, verdict, cause, *values.values())


def table(folder: Path, *rows: tuple[str, ...], name: str = "结果.csv") -> Path:
    path = folder / name
    path.write_text(csv_text(*rows), encoding="gb18030")
    return path


def kinds(config: Path) -> list[str]:
    return [event.kind for event in open_desk(config).ledger.events()]


# ------------------------------------------------------------------------------- triage


def test_a_file_is_checked_and_shown_and_nothing_is_changed(
    run: Run, config: Path, tmp_path: Path
) -> None:
    path = table(tmp_path, row(ONE, "违法", "采挖"), row("a" + TWO[1:], "lawful"))
    code, out, _ = run(triage.app, "import", config, path)
    assert code == 0
    assert ONE in out
    assert TWO in out
    assert "疑似违法" in out
    assert kinds(config) == []


def test_dry_run_and_apply_contradict_each_other(
    run: Run, config: Path, tmp_path: Path
) -> None:
    path = table(tmp_path, row(ONE, "合法"))
    with pytest.raises(Exception, match="contradict"):
        run(triage.app, "import", config, path, "--dry-run", "--apply")


def test_the_same_file_twice_adds_nothing_the_second_time(
    run: Run, config: Path, tmp_path: Path
) -> None:
    path = table(tmp_path, row(ONE, "违法"), row(TWO, "伪变化", "果园"))
    run(triage.app, "import", config, path, "--apply")
    assert kinds(config) == ["triaged", "triaged"]
    renamed = table(
        tmp_path, row(TWO, "伪变化", "油茶"), row(ONE, "非法"), name="b.csv"
    )
    code, out, _ = run(triage.app, "import", config, renamed, "--apply")
    assert code == 0
    assert "0 events added" in out
    assert kinds(config) == ["triaged", "triaged"]
    assert open_desk(config).ledger.verify() == []


def test_a_row_without_a_day_is_of_the_day_on_which_it_came_first(
    config: Path, tmp_path: Path
) -> None:
    path = table(tmp_path, row(ONE, "违法", day=""))
    for day, added in ((24, 1), (25, 0), (26, 0)):
        clock = FixedClock(datetime(2026, 11, day, 8, tzinfo=UTC))
        desk = open_desk(config, clock=clock)
        assert import_findings(desk, path, who=None, apply=True).applied == added
    (event,) = open_desk(config).ledger.events()
    assert json.loads(event.body)["judged_on"] == "2026-11-24"


@pytest.mark.parametrize(
    ("bad", "rule"),
    [
        (row("s" + "z" * 12, "合法"), "a row names a site"),
        (row(TWO, "大概"), "a verdict is"),
        (row(TWO, "伪变化"), "needs a cause"),
        (row(TWO, "伪变化", "外星人"), "a cause is one of"),
        (row(TWO, "伪变化", "采挖"), "is no mining"),
        (row(TWO, "合法", day="2026年13月1日"), "a day is written"),
        (row(TWO, "合法", day="2099-01-01"), "nobody has judged after today"),
        (row(TWO, "合法", who=""), "names who judged"),
        (row(TWO, "合法", photos="../geheim.jpg"), "beside the file"),
        (row(TWO, "合法", photos="/etc/passwd"), "beside the file"),
        (row(TWO, "合法", photos="no.jpg"), "is not there"),
    ],
)
def test_a_bad_row_costs_itself_and_not_the_good_one_beside_it(
    run: Run, config: Path, tmp_path: Path, bad: tuple[str, ...], rule: str
) -> None:
    path = table(tmp_path, bad, row(ONE, "合法"))
    code, out, _ = run(triage.app, "import", config, path, "--json", "--apply")
    assert code == 1
    told = json.loads(out)
    (refused,) = told["refused"]
    assert set(refused) == {"file", "line", "value", "rule"}
    assert (refused["file"], refused["line"]) == ("结果.csv", 2)
    assert rule in refused["rule"]
    assert told["applied"] == 1
    assert kinds(config) == ["triaged"]


def test_a_link_that_leads_out_of_the_folder_is_no_photo(
    run: Run, config: Path, tmp_path: Path
) -> None:
    (tmp_path / "outside.jpg").write_bytes(jpeg())
    folder = tmp_path / "inbox"
    folder.mkdir()
    (folder / "in.jpg").symlink_to(tmp_path / "outside.jpg")
    path = table(folder, row(ONE, "合法", photos="in.jpg"), row(TWO, "合法"))
    code, _, err = run(triage.app, "import", config, path)
    assert code == 1
    assert "in.jpg" in err


def test_a_file_of_which_nothing_can_be_used_is_bad_input(
    config: Path, tmp_path: Path, run: Run
) -> None:
    path = table(tmp_path, row("x", "合法"))
    with pytest.raises(ReturnsError, match="nothing was done") as caught:
        run(triage.app, "import", config, path, "--apply")
    assert caught.value.exit_code == 3
    assert kinds(config) == []


def test_people_who_disagree_are_both_kept_and_shown(
    run: Run, config: Path, tmp_path: Path
) -> None:
    run(triage.app, "import", config, table(tmp_path, row(ONE, "违法")), "--apply")
    other = table(tmp_path, row(ONE, "伪变化", "修路", who="王强"))
    _, out, _ = run(triage.app, "import", config, other, "--apply")
    assert "意见不一 disagrees with 李华" in out
    secret = table(tmp_path, row(TWO, "特殊用地"), row(THREE, "合法"))
    run(triage.app, "import", config, secret, "--apply")
    _, out, _ = run(triage.app, "list", config)
    assert "意见不一 disputed" in out
    assert TWO not in out
    _, out, _ = run(triage.app, "list", config, "--disputed", "--json")
    (disputed,) = json.loads(out)
    assert disputed["site_id"] == ONE
    assert [one["judged_by"] for one in disputed["findings"]] == ["李华", "王强"]
    assert kinds(config) == ["triaged"] * 4


def test_one_person_who_contradicts_himself_in_a_file_is_refused(
    run: Run, config: Path, tmp_path: Path
) -> None:
    path = table(
        tmp_path, row(ONE, "违法"), row(ONE, "合法"), row(TWO, "合法"), row(TWO, "合法")
    )
    code, out, _ = run(triage.app, "import", config, path, "--json", "--apply")
    told = json.loads(out)
    assert code == 1
    assert [one["line"] for one in told["refused"]] == [2, 3]
    assert told["applied"] == 1


def test_a_person_who_changes_his_mind_is_shown_to_revise(
    run: Run, config: Path, tmp_path: Path
) -> None:
    run(triage.app, "import", config, table(tmp_path, row(ONE, "违法")), "--apply")
    later = table(tmp_path, row(ONE, "合法", day="2026-11-21"))
    _, out, _ = run(triage.app, "import", config, later, "--json", "--apply")
    (finding,) = json.loads(out)["findings"]
    assert finding["state"] == "revises"
    assert finding["against"] == []


def test_who_brings_a_file_stands_where_a_row_names_nobody(
    run: Run, config: Path, tmp_path: Path
) -> None:
    path = table(tmp_path, row(ONE, "合法", who=""), row(TWO, "合法"))
    run(triage.app, "import", config, path, "--who", "办公室", "--apply")
    events = list(open_desk(config).ledger.events())
    assert [event.who for event in events] == ["办公室", "办公室"]
    assert [json.loads(e.body)["judged_by"] for e in events] == ["办公室", "李华"]


def test_a_workbook_under_a_title_and_with_a_formula(
    run: Run, config: Path, tmp_path: Path
) -> None:
    path = write_xlsx(tmp_path / "r.xlsx", row(ONE, "合法"), row(TWO, '="合"&"法"'))
    code, out, _ = run(triage.app, "import", config, path, "--json")
    told = json.loads(out)
    assert code == 1
    assert [f["site_id"] for f in told["findings"]] == [ONE]
    assert "formula" in told["refused"][0]["rule"]


def test_photos_of_a_package_are_kept_by_content_with_what_they_say(
    run: Run, config: Path, tmp_path: Path
) -> None:
    path = tmp_path / "包.zip"
    workbook = write_xlsx(
        tmp_path / "r.xlsx",
        row(ONE, "违法", "采挖", photos="现场/1.jpg; 现场/2.jpg"),
        row(TWO, "违法", "采挖", photos="现场/1.jpg"),
    )
    with zipfile.ZipFile(path, "w") as package:
        package.write(workbook, "r.xlsx")
        package.writestr("现场/1.jpg", jpeg("red"))
        package.writestr("现场/2.jpg", jpeg("blue"))
    code, _, err = run(triage.app, "import", config, path, "--apply")
    assert code == 0, err
    events = list(open_desk(config).ledger.events())
    assert [event.kind for event in events] == ["inspected", "inspected"]
    first, second = (json.loads(event.body)["photos"] for event in events)
    assert len(first) == 2
    assert second == first[:1]
    assert first[0]["exif"]["datum"] == "CGCS2000"
    store = PhotoStore(config.parent / "work" / "photos")
    assert store.get(first[0]["sha256"], "jpeg") == jpeg("red")
    assert len(list((config.parent / "work").rglob("*.jpeg"))) == 2


def test_a_photo_that_was_changed_in_the_store_is_noticed(
    run: Run, config: Path, tmp_path: Path
) -> None:
    (tmp_path / "1.jpg").write_bytes(jpeg())
    path = table(tmp_path, row(ONE, "违法", photos="1.jpg"))
    run(triage.app, "import", config, path, "--apply")
    (kept,) = (config.parent / "work" / "photos").rglob("*.jpeg")
    kept.write_bytes(kept.read_bytes() + b"x")
    store = PhotoStore(config.parent / "work" / "photos")
    with pytest.raises(StoreError, match="was changed"):
        store.get(kept.stem, "jpeg")
    # and put right by the next import that has it
    assert store.put(jpeg(), sha256=kept.stem, kind="jpeg") == kept
    assert store.get(kept.stem, "jpeg") == jpeg()


def test_a_database_of_the_field_app_is_read_with_its_photos(
    run: Run, config: Path, tmp_path: Path
) -> None:
    path = write_evidence(
        tmp_path / "360728定南县.db",
        (ONE, "", "伪变化：油茶"),
        (TWO, "", "违法，采挖"),
        (THREE, "", "没什么"),
        photos=[(ONE, jpeg()), (TWO, b"no photo")],
    )
    code, out, _ = run(triage.app, "import", config, path, "--json", "--apply")
    told = json.loads(out)
    assert code == 1
    (finding,) = told["findings"]
    assert (finding["cause"], finding["judged_by"], finding["judged_on"]) == (
        "orchard",
        "孙某",
        "2026-11-21",
    )
    assert len(told["refused"]) == 2
    (event,) = open_desk(config).ledger.events()
    (photo,) = json.loads(event.body)["photos"]
    assert event.kind == "inspected"
    assert photo["package"]["azimuth_deg"] == 271.0
    assert photo["exif"]["azimuth_deg"] == 123.5


def test_what_gdal_writes_is_read_and_only_its_tables_are(
    run: Run, config: Path, tmp_path: Path
) -> None:
    path = tmp_path / "结果.gpkg"
    geopandas.GeoDataFrame(
        dict(
            zip(HEAD, zip(row(ONE, "合法"), row(TWO, "违法"), strict=True), strict=True)
        ),
        geometry=[s.latest.disturbance.geometry for s in FOUND[:2]],
        crs="EPSG:4490",
    ).to_file(path, layer="核查", driver="GPKG")
    with sqlite3.connect(path) as database:
        database.execute("CREATE VIEW evil AS SELECT * FROM gpkg_contents")
        database.execute(
            "INSERT INTO gpkg_contents (table_name, data_type, identifier, srs_id) "
            "VALUES ('evil', 'attributes', 'evil', 4326)"
        )
    code, out, err = run(triage.app, "import", config, path)
    assert code == 0, err
    assert "2 findings" in out
    assert "evil" in err


# -------------------------------------------------------------------------- special use


def test_special_use_stands_in_the_ledger_and_nowhere_else(
    run: Run, config: Path, tmp_path: Path
) -> None:
    (tmp_path / "1.jpg").write_bytes(jpeg())
    path = table(
        tmp_path,
        row(ONE, "特殊用地", photos="1.jpg"),
        row(TWO, "伪变化", note="特殊用地"),
        row(THREE, "违法"),
    )
    code, out, err = run(triage.app, "import", config, path, "--apply")
    assert code == 0, err
    assert "特殊用地" not in out + err
    assert "special" not in out + err
    desk = open_desk(config)
    assert desk.suppressed() == {ONE, TWO}
    assert not list((config.parent / "work").rglob("*.jpeg"))
    out_file = tmp_path / "labels.geojson"
    run(labels.app, "export", config, "--out", out_file)
    text = out_file.read_text(encoding="utf-8")
    assert THREE in text
    assert ONE not in text
    assert TWO not in text
    assert "特殊用地" not in text


# ------------------------------------------------------------------------------- labels


@pytest.mark.parametrize("name", ["labels.geojson", "labels.gpkg"])
def test_labels_say_where_what_who_when_and_by_which_imagery(
    run: Run, config: Path, tmp_path: Path, name: str
) -> None:
    path = table(
        tmp_path,
        row(ONE, "违法", "采挖"),
        row(ONE, "伪变化", "果园", who="王强"),
        row(TWO, "合法", day="2026-11-01"),
        row(TWO, "违法", day="2026-11-02"),
    )
    run(triage.app, "import", config, path, "--apply")
    out = tmp_path / name
    code, said, _ = run(labels.app, "export", config, "--out", out)
    assert code == 0
    assert "4 labels" in said
    read = geopandas.read_file(out)
    assert read.crs.to_epsg() == 4326
    assert list(read["verdict"]) == ["unlawful", "pseudo_change", "lawful", "unlawful"]
    assert list(read["cause"].fillna("")) == ["digging", "orchard", "", ""]
    assert list(read["agreed"]) == [False, False, True, True]
    assert list(read["latest"]) == [True, True, False, True]
    assert list(read["judged_by"]) == ["李华", "王强", "李华", "李华"]
    assert set(read["imagery"]) == {"GF-2 2026-11-01"}
    for geometry, of in zip(read.geometry, [0, 0, 1, 1], strict=True):
        drawn = FOUND[of].latest.disturbance.geometry
        assert shapely.hausdorff_distance(geometry, drawn) < 2e-7


def test_labels_of_an_empty_ledger_are_an_empty_file(
    run: Run, config: Path, tmp_path: Path
) -> None:
    for name in ("a.geojson", "a.gpkg"):
        run(labels.app, "export", config, "--out", tmp_path / name)
        assert len(geopandas.read_file(tmp_path / name)) == 0
    with pytest.raises(RsmonitorError, match=r"\.geojson or \.gpkg"):
        run(labels.app, "export", config, "--out", tmp_path / "a.txt")


# ------------------------------------------------------------------------------- faults


def test_a_ledger_that_grew_meanwhile_is_not_added_to(
    config: Path, tmp_path: Path
) -> None:
    desk = open_desk(config)
    path = table(tmp_path, row(ONE, "合法"))

    class Late(SqliteLedger):
        """A ledger to which another import adds between look and append."""

        def append(self, drafts: Any, **more: Any) -> Any:  # noqa: ANN401
            import_findings(open_desk(config), path, who=None, apply=True)
            return super().append(drafts, **more)

    work = config.parent / "work"
    late = Late(work / "ledger.sqlite", locks=work / "locks")
    with pytest.raises(BusyError):
        import_findings(replace(desk, ledger=late), path, who=None, apply=True)
    assert kinds(config) == ["triaged"]


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\0\1\2",
        b"PK\x03\x04rubbish",
        b"SQLite format 3\0rubbish",
        b"{",
        b"a,b\n1,2",
    ],
)
def test_a_broken_file_is_refused_by_name(
    config: Path, tmp_path: Path, content: bytes, run: Run
) -> None:
    path = tmp_path / "broken.bin"
    path.write_bytes(content)
    with pytest.raises(RsmonitorError, match=r"broken\.bin"):
        run(triage.app, "import", config, path, "--apply")


def test_a_database_of_something_else_is_refused(
    config: Path, tmp_path: Path, run: Run
) -> None:
    path = tmp_path / "other.db"
    with sqlite3.connect(path) as database:
        database.executescript(EVIDENCE_SCHEMA.replace("JCTB", "XXXX"))
    with pytest.raises(ReturnsError, match="JCTB"):
        run(triage.app, "import", config, path)


# --------------------------------------------------------------------------------- tips

NAMES = ("张三丰", "13800138000", "水南村七号", "他们半夜挖山", "登记员钱某")
TIPS_HEAD = (
    *("线索编号", "举报日期", "经度", "纬度", "地址", "举报人", "联系电话", "举报内容"),
    "登记人",
)


def tip_table(folder: Path) -> Path:
    name, phone, address, text, registrar = NAMES
    path = folder / "举报.csv"
    path.write_text(
        csv_text(
            (
                "X1",
                "2018-07-10",
                "115.00010",
                "24.99990",
                address,
                name,
                phone,
                text,
                registrar,
            ),
            ("X2", "2018-07-10", "115.5", "25.5", "", "李四光", "139", "", ""),
            ("X3", "2018-07-11", "", "", "某村后山", "王五郎", "", "", ""),
            (name, phone, "115", "25", "", "", "", "", ""),
            head=TIPS_HEAD,
        ),
        encoding="utf-8",
    )
    return path


def listed(run: Run, config: Path) -> dict[str, dict[str, Any]]:
    _, out, _ = run(tips.app, "list", config, "--json")
    return {tip["result"]: tip for tip in json.loads(out)}


def test_tips_are_matched_listed_and_named_by_an_opaque_id_only(
    run: Run, config: Path, tmp_path: Path
) -> None:
    code, out, err = run(tips.app, "import", config, tip_table(tmp_path))
    assert code == 1
    assert "3 tips taken in" in out
    assert "line 5" in err
    assert not any(name in out + err for name in NAMES)
    found = listed(run, config)
    assert set(found) == {"matched", "priority_look", "needs_place"}
    assert found["matched"]["matches"][0]["site_id"] == ONE
    assert "tip matched" in kinds(config)
    text = "".join(event.body for event in open_desk(config).ledger.events())
    assert found["matched"]["tip_id"] in text
    assert not any(name in text for name in NAMES)


def test_the_same_tips_twice_are_the_same_tips(
    run: Run, config: Path, tmp_path: Path
) -> None:
    path = tip_table(tmp_path)
    run(tips.app, "import", config, path)
    before = kinds(config)
    _, out, _ = run(tips.app, "import", config, path)
    assert "0 tips taken in, 3 known before" in out
    assert kinds(config) == before


def test_an_address_waits_until_a_person_gives_it_a_place(
    run: Run, config: Path, tmp_path: Path
) -> None:
    run(tips.app, "import", config, tip_table(tmp_path))
    tip_id = listed(run, config)["needs_place"]["tip_id"]
    run(tips.app, "place", config, tip_id, "--at", "115.0021,24.9999")
    _, out, _ = run(tips.app, "match", config)
    assert "2 tips matched" in out
    assert "needs_place" not in listed(run, config)


@pytest.mark.parametrize("at", ["115", "x,y"])
def test_a_place_is_longitude_and_latitude(run: Run, config: Path, at: str) -> None:
    with pytest.raises(Exception, match=r"longitude,latitude"):
        run(tips.app, "place", config, "t" + "a" * 12, "--at", at)


def test_a_tip_that_is_not_there_is_an_error_that_says_so(
    run: Run, config: Path
) -> None:
    for words in (["source"], ["erase"]):
        with pytest.raises(StoreError, match="there is no tip"):
            run(tips.app, *words, config, "t" + "a" * 12)


def test_whoever_gave_a_tip_can_be_answered_until_he_is_erased(
    run: Run, config: Path, tmp_path: Path
) -> None:
    run(tips.app, "import", config, tip_table(tmp_path))
    tip_id = listed(run, config)["matched"]["tip_id"]
    _, out, _ = run(tips.app, "source", config, tip_id)
    assert all(name in out for name in NAMES)
    run(tips.app, "erase", config, tip_id)
    _, out, _ = run(tips.app, "source", config, tip_id)
    assert not any(name in out for name in NAMES)


def test_after_erasing_no_file_of_the_work_folder_holds_the_name(
    run: Run, config: Path, tmp_path: Path
) -> None:
    run(tips.app, "import", config, tip_table(tmp_path))
    work = config.parent / "work"
    assert holders(work)
    tip_id = listed(run, config)["matched"]["tip_id"]
    code, out, _ = run(tips.app, "erase", config, tip_id)
    assert code == 0
    assert "erased" in out
    assert holders(work) == []
    # the tip, what became of it and the other tips are still there
    found = listed(run, config)
    assert found["matched"]["erased"]
    assert found["matched"]["matches"]
    assert open_desk(config).ledger.verify() == []
    other = found["needs_place"]["tip_id"]
    assert open_desk(config).tips.told(other)["name"] == "王五郎"
    assert not list(work.glob("tips.sqlite-*"))
    # and the same file does not bring the name back
    run(tips.app, "import", config, tip_table(tmp_path))
    assert holders(work) == []
    _, out, _ = run(tips.app, "erase", config, tip_id)
    assert "before" in out


def holders(folder: Path) -> list[Path]:
    """List the files that hold anything of the first tip's giver, in any encoding."""
    wanted = [
        name.encode(encoding)
        for name in NAMES
        for encoding in ("utf-8", "gb18030", "utf-16-le", "utf-16-be")
    ]
    return [
        path
        for path in folder.rglob("*")
        if path.is_file() and any(word in path.read_bytes() for word in wanted)
    ]


@pytest.mark.parametrize("crs", ["EPSG:4490", "EPSG:4527", "EPSG:32650"])
def test_polygons_of_tips_are_read_in_the_systems_of_bureaus(
    run: Run, config: Path, tmp_path: Path, crs: str
) -> None:
    path = tmp_path / "tips.gpkg"
    geopandas.GeoDataFrame(
        {"举报日期": ["2018-07-10"]},
        geometry=[FOUND[0].latest.disturbance.geometry],
        crs="EPSG:4326",
    ).to_crs(crs).to_file(path, driver="GPKG")
    code, _, err = run(tips.app, "import", config, path)
    assert code == 0, err
    assert listed(run, config)["matched"]["matches"][0]["distance_m"] == 0


def test_how_near_counts_stands_in_the_settings_and_options_win(
    run: Run, config: Path, tmp_path: Path
) -> None:
    place = FOUND[0].latest.disturbance.geometry.centroid
    path = tmp_path / "tips.csv"
    tip = ("2018-07-10", f"{place.x:.6f}", f"{place.y + 0.0006:.6f}")  # some 50 m off
    path.write_text(csv_text(tip, head=("日期", "经度", "纬度")), encoding="utf-8")
    run(tips.app, "import", config, path)
    assert set(listed(run, config)) == {"matched"}
    text = config.read_text(encoding="utf-8")
    config.write_text(f"{text}\n[tips]\nwithin_m = 20.0\n", encoding="utf-8")
    for words, result in (
        ((), "priority_look"),
        (("--within-m", "100"), "matched"),
        (("--days-ahead", "9"), "priority_look"),
    ):
        _, out, _ = run(tips.app, "list", config, "--json", *words)
        assert [each["result"] for each in json.loads(out)] == [result]
    with pytest.raises(Exception, match="days_behind must be from 0 to 36500"):
        run(tips.app, "match", config, "--days-behind", "36501")


def test_a_point_of_a_web_map_is_put_back_where_it_belongs(
    run: Run, config: Path, tmp_path: Path
) -> None:
    shifted = to_gcj02(FOUND[0].latest.disturbance.geometry.centroid)
    path = tmp_path / "tips.csv"
    path.write_text(
        csv_text(
            ("2018-07-10", f"{shifted.x:.7f}", f"{shifted.y:.7f}", "GCJ-02"),
            head=("日期", "经度", "纬度", "坐标系"),
        ),
        encoding="utf-8",
    )
    run(tips.app, "import", config, path, "--within-m", "5")
    assert listed(run, config)["matched"]["matches"][0]["distance_m"] == 0


def test_a_suppressed_site_is_told_to_no_one_who_asks_after_a_tip(
    run: Run, config: Path, tmp_path: Path
) -> None:
    secret = table(
        tmp_path, *(row(each, "特殊用地") for each in (ONE, TWO, THREE, FOUR))
    )
    run(triage.app, "import", config, secret, "--apply")
    run(tips.app, "import", config, tip_table(tmp_path))
    assert "matched" not in listed(run, config)
    assert "tip matched" not in kinds(config)
