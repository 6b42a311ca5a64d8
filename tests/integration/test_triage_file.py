"""The triage file as SQLite sees it, and its way back into a real ledger."""

import html
import io
import json
import re
import shutil
import sqlite3
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from itertools import product
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
import shapely
from returned import jpeg, office
from sample_package import sample_package

from rsmonitor.cli import triage
from rsmonitor.errors import ContractError, OutputError, ReturnsError
from rsmonitor.io.deliver.triage.columns import (
    COLUMNS,
    CONTRADICTIONS,
    FACTS,
    JUDGED,
    TITLES,
    row_of,
)
from rsmonitor.io.deliver.triage.delivery import DELIVERY, package_id
from rsmonitor.io.deliver.triage.file import write_triage
from rsmonitor.io.deliver.triage.qgis_form import escaped
from rsmonitor.io.deliver.triage.qgis_project import basemap_layer
from rsmonitor.io.deliver.triage.rules import LONGEST
from rsmonitor.io.returns import sqlite_door
from rsmonitor.io.returns.columns import FINDING_FIELDS, named
from rsmonitor.records.basemap import Basemap
from rsmonitor.records.disturbance import Cause
from rsmonitor.records.finding import Judgement, contradiction
from rsmonitor.records.package import Dossier, Package
from rsmonitor.wiring.returns import open_desk, standing_now

Run = Callable[..., tuple[int, str, str]]

HOSTILE = "<img src=x onerror=alert(1)>[% 1+1 %]&\"'\x07\x1b[31m=1+1"
EVIL_CODE = "x'); DROP TABLE alerts;--"


@pytest.fixture(scope="module")
def package() -> Package:
    return sample_package(alerts=4)


@pytest.fixture(scope="module")
def written(package: Package, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("triage")
    write_triage(folder, package)
    return folder


@pytest.fixture
def folder(written: Path, tmp_path: Path) -> Path:
    """Give a copy that may be spoiled."""
    return Path(shutil.copytree(written, tmp_path / "delivery"))


@pytest.fixture
def database(folder: Path) -> Iterator[sqlite3.Connection]:
    with closing(opened(folder / "triage.gpkg")) as connection:
        yield connection


@pytest.fixture
def config(tmp_path: Path, package: Package) -> Path:
    sites = [replace(d.alert.site, district="demo") for d in package.dossiers]
    return office(tmp_path / "office", sites)


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    """Give a function that runs a command to its end."""

    def command(*words: str | Path) -> tuple[int, str, str]:
        code = triage.app([str(word) for word in words], standalone_mode=False)
        said = capsys.readouterr()
        return code or 0, said.out, said.err

    return command


def opened(path: Path) -> sqlite3.Connection:
    """Open a file as a program that knows nothing of GeoPackages."""
    connection = sqlite3.connect(path)
    # what the triggers of the spatial index ask for
    for name in ("ST_IsEmpty", "ST_MinX", "ST_MaxX", "ST_MinY", "ST_MaxY"):
        connection.create_function(name, 1, lambda _: 0)
    return connection


def judge(path: Path, fid: int, **values: str | None) -> None:
    """Fill in a row, as a form does."""
    with closing(opened(path)) as connection:
        names = ", ".join(f"{name} = ?" for name in values)
        connection.execute(
            f"UPDATE alerts SET {names} WHERE fid = ?",  # noqa: S608 - names of ours
            (*values.values(), fid),
        )
        connection.commit()


def without_rules(path: Path) -> None:
    """Take the triggers out, as a tool does that copies tables."""
    with closing(sqlite3.connect(path)) as connection:
        names = connection.execute(
            "SELECT name FROM sqlite_master WHERE type = 'trigger' "
            "AND (name LIKE 'alerts%') "
        ).fetchall()
        for (name,) in names:
            connection.execute(f"DROP TRIGGER {name}")
        connection.commit()


def read_again_and_again(path: Path) -> None:
    """Read a file until it is refused, and in the end give up."""
    for _ in range(500):
        with sqlite_door.opened(path, file=path.name):
            pass


def project_of(folder: Path) -> ET.Element:
    with zipfile.ZipFile(folder / "triage.qgz") as packed:
        return ET.fromstring(packed.read("triage.qgs"))  # noqa: S314 - our own text


# ---------------------------------------------------------------------- what is in it


def test_it_is_a_sound_geopackage_1_3(database: sqlite3.Connection) -> None:
    assert database.execute("PRAGMA user_version").fetchone() == (10300,)
    assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    names = database.execute(
        "SELECT table_name FROM gpkg_contents WHERE data_type = 'features'"
    ).fetchall()
    assert [name for (name,) in names] == ["alerts", "licences", "borders", "coverage"]


def test_alerts_stand_in_the_order_of_attention_and_nobody_has_judged(
    database: sqlite3.Connection, package: Package
) -> None:
    database.row_factory = sqlite3.Row
    rows = database.execute("SELECT * FROM alerts ORDER BY fid").fetchall()
    assert [row["place"] for row in rows] == [1, 2, 3, 4]
    assert [row["alert_id"] for row in rows] == [
        d.alert.alert_id for d in package.dossiers
    ]
    for row, dossier in zip(rows, package.dossiers, strict=True):
        assert list(row.keys()) == ["fid", "geom", *COLUMNS]
        assert all(row[name] is None for name in JUDGED)
        assert row["reasons"] == "\n".join(reason.zh for reason in dossier.reasons)
        assert row["began_by"] == str(dossier.alert.site.latest.disturbance.began_by)
        assert (row["longitude"], row["latitude"]) == pytest.approx(
            (dossier.point.x, dossier.point.y), abs=1e-6
        )


def test_every_column_has_titles_in_two_languages_and_no_reader_of_findings_errs() -> (
    None
):
    assert set(COLUMNS) <= set(TITLES)
    # a fact under a name that the import takes for a finding would be read as one
    assert named(list(FACTS), FINDING_FIELDS) == {"id": "site_id"}
    assert set(named(list(JUDGED), FINDING_FIELDS)) == {
        *("verdict", "cause", "imagery", "note", "who", "day", "photos")
    }


def test_same_package_gives_the_same_bytes(
    written: Path, package: Package, tmp_path: Path
) -> None:
    write_triage(tmp_path, package)
    for name in ("triage.gpkg", "triage.qgz"):
        assert (tmp_path / name).read_bytes() == (written / name).read_bytes(), name


def test_the_file_says_which_delivery_it_is(
    database: sqlite3.Connection, package: Package
) -> None:
    told = dict(database.execute(f"SELECT key, value FROM {DELIVERY}"))  # noqa: S608
    assert told["package_id"] == package_id(package)
    assert told["week"] == str(package.week)
    other = replace(package, runs=("another-run",))
    assert package_id(other) != package_id(package)


def test_in_english_titles_and_lists_are_english(tmp_path: Path) -> None:
    write_triage(tmp_path, sample_package(alerts=1, language="en"))
    root = project_of(tmp_path)
    aliases = {alias.attrib["name"] for alias in root.iter("alias")}
    assert {"verdict", "licences that touch it"} <= aliases
    text = ET.tostring(root.find("layer-tree-group") or root, encoding="unicode")
    assert not re.search("[\u4e00-\u9fff]", text)


# -------------------------------------------------------------------------- the rules


@pytest.mark.parametrize("judgement", [*Judgement])
def test_the_file_takes_a_verdict_and_a_cause_where_the_import_does(
    database: sqlite3.Connection, judgement: Judgement
) -> None:
    statement = "UPDATE alerts SET verdict = ?, cause = ? WHERE fid = 1"
    for cause in (None, *Cause):
        if contradiction(judgement, cause) is None:
            database.execute(statement, (judgement.value, cause))
            continue
        with pytest.raises(sqlite3.IntegrityError) as caught:
            database.execute(statement, (judgement.value, cause))
        zh, en = CONTRADICTIONS[judgement]
        assert str(caught.value) == f"{zh}；{en}"


@pytest.mark.parametrize("column", [*FACTS])
def test_no_fact_can_be_changed(database: sqlite3.Connection, column: str) -> None:
    for value in ("changed", None):
        (before,) = database.execute(
            f"SELECT {column} FROM alerts WHERE fid = 1"  # noqa: S608
        ).fetchone()
        if before == value:
            continue
        with pytest.raises(sqlite3.IntegrityError, match="监测事实不可修改"):
            database.execute(
                f"UPDATE alerts SET {column} = ? WHERE fid = 1",  # noqa: S608
                (value,),
            )


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"verdict": "illegal"}, "不认识的判定"),
        ({"verdict": ""}, "不认识的判定"),
        ({"cause": "gold"}, "不认识的原因"),
        ({"judged_on": "2026-02-30"}, "核查日期"),
        ({"judged_on": "yesterday"}, "核查日期"),
        *(({name: "字" * (most + 1)}, name) for name, most in LONGEST.items()),
    ],
)
def test_what_no_import_takes_is_refused_at_once(
    database: sqlite3.Connection, values: dict[str, str], told: str
) -> None:
    (name, value), *_ = values.items()
    with pytest.raises(sqlite3.IntegrityError, match=told):
        database.execute(f"UPDATE alerts SET {name} = ?", (value,))  # noqa: S608


def test_the_rules_name_every_verdict_that_has_a_contradiction() -> None:
    broken = {j for j, c in product(Judgement, (None, *Cause)) if contradiction(j, c)}
    assert broken == set(CONTRADICTIONS)


def test_an_outline_stays_where_it_is_whatever_its_header_says(
    database: sqlite3.Connection,
) -> None:
    (blob,) = database.execute("SELECT geom FROM alerts WHERE fid = 1").fetchone()
    assert blob[3] == 0b11  # little endian, box of two axes
    bare = blob[:3] + b"\x01" + blob[4:8] + blob[8 + 32 :]
    database.execute("UPDATE alerts SET geom = ? WHERE fid = 1", (bare,))
    moved = shapely.affinity.translate(shapely.from_wkb(blob[40:]), 0.001)
    for other in (blob[:40] + shapely.to_wkb(moved), bare[:8] + b"\x01", None):
        with pytest.raises(sqlite3.IntegrityError, match="图斑边界不可修改"):
            database.execute("UPDATE alerts SET geom = ? WHERE fid = 1", (other,))


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM alerts WHERE fid = 1",
        "INSERT INTO alerts (verdict) VALUES ('lawful')",
        "INSERT OR REPLACE INTO alerts (fid, verdict) VALUES (1, 'lawful')",
        "DELETE FROM licences",
        "UPDATE licences SET holder = 'x'",
        "UPDATE borders SET name = 'x'",
        "INSERT INTO coverage (week) VALUES ('2026-W01')",
        f"UPDATE {DELIVERY} SET value = 'x'",  # noqa: S608 - a constant
    ],
)
def test_nothing_is_added_or_taken_away(
    database: sqlite3.Connection, statement: str
) -> None:
    with pytest.raises(sqlite3.IntegrityError, match=r"不可增加或删除|只读"):
        database.execute(statement)


# -------------------------------------------------------------------------- strangers


def test_what_strangers_wrote_is_text_and_nothing_more(tmp_path: Path) -> None:
    sample = sample_package(alerts=1, name=HOSTILE)
    register = replace(
        sample.register,
        licences=tuple(
            replace(licence, licence_id=f"{EVIL_CODE}{n}", holder=HOSTILE)
            for n, licence in enumerate(sample.register.licences)
        ),
    )
    write_triage(tmp_path, replace(sample, register=register))
    with closing(opened(tmp_path / "triage.gpkg")) as database:
        holders = database.execute("SELECT holder FROM licences").fetchall()
        (name,) = database.execute("SELECT name FROM borders LIMIT 1").fetchone()
        assert database.execute("SELECT count(*) FROM alerts").fetchone() == (1,)
    assert holders[0] == (HOSTILE,)
    assert name == re.sub("[\x07\x1b]", "", HOSTILE)
    root = project_of(tmp_path)  # it is XML still
    assert (root.findtext("title") or "").startswith("<img src=x")
    for template in root.iter("mapTip"):
        words = template.text or ""
        assert "onerror" not in words
        # every column but our own pictures and numbers comes through `escaped`
        for expression in re.findall(r"\[% (.*?) %\]", words, re.DOTALL):
            assert (
                expression in {'"pictures"', '"place"', '"area_mu"'}
                or expression == 'represent_value("category")'
                or any(
                    expression == escaped(column)
                    for column in re.findall(r'"(\w+)"', expression)
                )
            ), expression


def test_pictures_hold_our_words_only_and_control_characters_are_gone() -> None:
    def change(dossier: Dossier) -> Dossier:
        return replace(dossier, short_name=HOSTILE)

    package = sample_package(alerts=1, change=change)
    row = row_of(package.dossiers[0], package)
    assert row["short_name"] == re.sub("[\x07\x1b]", "", HOSTILE)
    bare = re.sub(r'src="data:image/jpeg;base64,[A-Za-z0-9+/=]+"', "", row["pictures"])
    assert set(re.findall(r"<(\w+)", bare)) == {"table", "tr", "td", "br", "img"}
    assert "onerror" not in bare
    assert html.escape(bare) != bare


# ------------------------------------------------------------------------ the project


def test_the_project_refers_to_files_beside_it_that_are_there(written: Path) -> None:
    root = project_of(written)
    sources = [source.text or "" for source in root.iter("datasource")]
    assert len(sources) > 4
    for source in sources:
        assert source.startswith("./"), source
        assert (written / source.split("|")[0]).is_file(), source
    assert str(written) not in ET.tostring(root, encoding="unicode")


def test_the_geopackage_holds_a_copy_of_the_project(
    database: sqlite3.Connection, written: Path
) -> None:
    ((name, content),) = database.execute("SELECT name, content FROM qgis_projects")
    assert name == "triage"
    assert bytes.fromhex(content) == (written / "triage.qgz").read_bytes()
    with zipfile.ZipFile(io.BytesIO(bytes.fromhex(content))) as packed:
        assert packed.namelist() == ["triage.qgs"]


def test_a_basemap_carries_its_days_and_lies_under_everything(
    written: Path, package: Package, tmp_path: Path
) -> None:
    image = next((written / "imagery").glob("*.tif"))
    basemaps = [
        Basemap(title="航片", source=str(image), on="2026年5月"),
        Basemap(title="瓦片", source="D:/底图/寻乌.mbtiles", on="2025"),
        Basemap(
            title="天地图",
            source="https://t0.example/img_c/wmts?tk=a&b=c",
            layer="img",
            matrix="c",
        ),
    ]
    write_triage(tmp_path, package, basemaps=basemaps)
    root = project_of(tmp_path)
    last = root.findall("layer-tree-group/layer-tree-group")[-1]
    listed = [(each.attrib["name"], each.attrib["source"]) for each in last]
    assert [name for name, _ in listed] == ["航片 (2026年5月)", "瓦片 (2025)", "天地图"]
    assert listed[1][1] == "D:/底图/寻乌.mbtiles"
    assert "url=https://t0.example/img_c/wmts%3Ftk%3Da%26b%3Dc" in listed[2][1]
    assert "crs=EPSG:4490" in listed[2][1]


def test_a_basemap_that_cannot_be_used_is_named() -> None:
    with pytest.raises(ContractError, match=r"'x'.*layer"):
        Basemap(title="x", source="https://t0.example/wmts")
    with pytest.raises(OutputError, match=r"nowhere\.tif"):
        basemap_layer(Basemap(title="x", source="/nowhere.tif"), number=1)


def test_an_area_without_alerts_still_gets_a_file(tmp_path: Path) -> None:
    write_triage(tmp_path, sample_package(alerts=0))
    with closing(opened(tmp_path / "triage.gpkg")) as database:
        assert database.execute("SELECT count(*) FROM alerts").fetchone() == (0,)
        assert database.execute("SELECT count(*) FROM coverage").fetchone() == (1,)


# ------------------------------------------------------------------------ the way back


def test_verdicts_come_back_and_rows_without_one_are_only_counted(
    run: Run, config: Path, folder: Path, package: Package
) -> None:
    path = folder / "triage.gpkg"
    judge(path, 1, verdict="unlawful", cause="digging", judged_on="2026-01-05")
    judge(path, 3, verdict="pseudo_change", cause="orchard", who="王强", note="油茶")
    code, out, err = run("import", config, path, "--who", "李华", "--apply")
    assert code == 0, err
    assert "2 findings: 2 to be added" in out
    assert f"is delivery {package_id(package)}" in err
    assert "2 of 4 alerts are not judged" in err
    said = {s.site_id: s.findings[0] for s in standing_now(open_desk(config))}
    first = said[package.dossiers[0].alert.site.site_id]
    assert (first.judgement, first.cause) == (Judgement.UNLAWFUL, Cause.DIGGING)
    assert (first.judged_by, str(first.judged_on)) == ("李华", "2026-01-05")
    third = said[package.dossiers[2].alert.site.site_id]
    assert (third.judged_by, third.note) == ("王强", "油茶")
    code, out, _ = run("import", config, path, "--who", "李华", "--apply")
    assert (code, "0 to be added" in out) == (0, True)


def test_a_renamed_file_with_its_newest_edits_beside_it_is_read_and_left_as_it_was(
    run: Run, config: Path, folder: Path, tmp_path: Path
) -> None:
    live = folder / "triage.gpkg"
    other = tmp_path / "inbox" / "寻乌 结果(1).gpkg"
    other.parent.mkdir()
    with closing(opened(live)) as writing:
        writing.execute("PRAGMA journal_mode = WAL")
        writing.execute("PRAGMA wal_autocheckpoint = 0")
        writing.execute("UPDATE alerts SET verdict = 'lawful' WHERE fid = 2")
        writing.commit()
        # while a program has it open, what was edited lies in the -wal alone
        shutil.copy(live, other)
        shutil.copy(f"{live}-wal", f"{other}-wal")
    before = {path: path.read_bytes() for path in other.parent.iterdir()}
    assert len(before) == 2
    code, out, err = run("import", config, other, "--who", "李华", "--json")
    assert code == 0, err
    (finding,) = json.loads(out)["findings"]
    assert finding["verdict"] == "合法 lawful"
    assert {path: path.read_bytes() for path in other.parent.iterdir()} == before
    other.with_name(f"{other.name}-wal").unlink()
    with pytest.raises(ReturnsError, match="none of its 4 alerts is judged yet"):
        run("import", config, other, "--who", "李华")


def test_what_a_crash_left_half_written_is_undone_before_it_is_read(
    run: Run, config: Path, folder: Path, tmp_path: Path
) -> None:
    live = folder / "triage.gpkg"
    judge(live, 1, verdict="lawful")
    other = tmp_path / "inbox" / "triage.gpkg"
    other.parent.mkdir()
    with closing(opened(live)) as writing:
        writing.execute("PRAGMA cache_size = 1")  # so that the file is written early
        writing.execute("PRAGMA cache_spill = 1")
        writing.execute("BEGIN")
        writing.execute("UPDATE alerts SET verdict = 'unlawful', note = 'torn'")
        writing.execute(
            "UPDATE alerts SET note = ?, imagery = ?", ("字" * 2000, "像" * 2000)
        )
        shutil.copy(live, other)
        shutil.copy(f"{live}-journal", f"{other}-journal")
        writing.rollback()
    torn = other.read_bytes()
    assert torn != live.read_bytes()
    _, out, _ = run("import", config, other, "--who", "李华", "--json")
    (finding,) = json.loads(out)["findings"]
    assert finding["verdict"] == "合法 lawful"
    assert other.read_bytes() == torn


def test_two_copies_of_two_people_both_stand_and_the_dispute_is_shown(
    run: Run, config: Path, written: Path, tmp_path: Path
) -> None:
    for who, verdict, cause in (
        ("李华", "unlawful", "digging"),
        ("王强", "pseudo_change", "road"),
    ):
        copy = tmp_path / f"{who}.gpkg"
        shutil.copy(written / "triage.gpkg", copy)
        judge(copy, 1, verdict=verdict, cause=cause, judged_on="2026-01-05")
        code, out, err = run("import", config, copy, "--who", who, "--apply")
        assert code == 0, err
    assert "意见不一 disagrees with 李华" in out
    _, out, _ = run("list", config, "--disputed", "--json")
    (disputed,) = json.loads(out)
    assert [one["judged_by"] for one in disputed["findings"]] == ["李华", "王强"]


def test_half_saved_rows_of_a_tool_without_rules_are_refused_one_by_one(
    run: Run, config: Path, folder: Path
) -> None:
    path = folder / "triage.gpkg"
    without_rules(path)
    judge(path, 1, verdict="pseudo_change")
    judge(path, 2, verdict="违章")
    judge(path, 3, verdict="lawful", judged_on="2999-01-01")
    judge(path, 4, verdict="lawful")
    code, out, _ = run("import", config, path, "--who", "李华", "--json", "--apply")
    told = json.loads(out)
    assert code == 1
    assert [one["line"] for one in told["refused"]] == [1, 2, 3]
    for one, rule in zip(
        told["refused"],
        ("needs a cause", "a verdict is", "after today"),
        strict=True,
    ):
        assert rule in one["rule"]
    assert told["applied"] == 1


def test_words_without_a_verdict_are_told(run: Run, config: Path, folder: Path) -> None:
    path = folder / "triage.gpkg"
    judge(path, 1, verdict="lawful")
    judge(path, 2, note="等新影像")
    _, out, err = run("import", config, path, "--who", "李华")
    assert "1 findings" in out
    assert "features 2 hold words and no verdict" in err


def test_a_photo_beside_the_file_comes_with_its_row(
    run: Run, config: Path, folder: Path
) -> None:
    (folder / "photos").mkdir()
    (folder / "photos" / "1.jpg").write_bytes(jpeg())
    path = folder / "triage.gpkg"
    judge(path, 1, verdict="unlawful", photos="photos/1.jpg")
    judge(path, 2, verdict="unlawful", photos="../../secret.jpg")
    code, out, _ = run("import", config, path, "--who", "李华", "--json", "--apply")
    told = json.loads(out)
    assert (code, [one["photos"] for one in told["findings"]]) == (1, [1])
    assert [one["line"] for one in told["refused"]] == [2]


def test_a_file_that_somebody_writes_at_this_moment_is_not_read(folder: Path) -> None:
    path = folder / "triage.gpkg"
    judge(path, 1, verdict="lawful")
    touch = (
        "import os, sys\nn = 0\n"
        "while True:\n    n += 1\n    os.utime(sys.argv[1], ns=(n, n))\n"
    )
    with subprocess.Popen([sys.executable, "-c", touch, str(path)]) as busy:  # noqa: S603
        try:
            with pytest.raises(ReturnsError, match="being written at this moment"):
                read_again_and_again(path)
        finally:
            busy.kill()


def test_a_whole_delivery_that_comes_back_as_a_zip_is_read(
    run: Run, config: Path, folder: Path, tmp_path: Path
) -> None:
    judge(folder / "triage.gpkg", 1, verdict="lawful")
    (folder / "list.csv").write_text("图斑编号,核查结果\n", encoding="utf-8")
    path = tmp_path / "back.zip"
    with zipfile.ZipFile(path, "w") as packed:
        for each in sorted(folder.rglob("*")):
            packed.write(each, f"寻乌县/{each.relative_to(folder)}")
    code, out, err = run("import", config, path, "--who", "李华")
    assert (code, "1 findings" in out) == (0, True), err
    assert "list.csv' in it is not read" in err


@pytest.mark.parametrize(
    ("key", "value", "told"),
    [
        ("package_id", "../../etc", "names no delivery"),
        ("package_id", "\x1b[31m", "names no delivery"),
        ("schema_version", "2", "format '2'"),
    ],
)
def test_a_delivery_that_is_none_of_ours_is_refused(
    run: Run, config: Path, folder: Path, key: str, value: str, told: str
) -> None:
    path = folder / "triage.gpkg"
    judge(path, 1, verdict="lawful")
    with closing(opened(path)) as database:
        database.execute(f"DROP TRIGGER {DELIVERY}_no_update")
        database.execute(
            f"UPDATE {DELIVERY} SET value = ? WHERE key = ?",  # noqa: S608
            (value, key),
        )
        database.commit()
    with pytest.raises(ReturnsError, match=re.escape(told)) as caught:
        run("import", config, path, "--who", "李华")
    assert "\x1b" not in str(caught.value)


def test_nothing_that_the_file_defines_runs(
    run: Run, config: Path, folder: Path
) -> None:
    path = folder / "triage.gpkg"
    judge(path, 1, verdict="lawful")
    with closing(opened(path)) as database:
        database.execute(f"DROP TABLE {DELIVERY}")
        database.execute(
            "CREATE VIEW rsmonitor_delivery AS WITH RECURSIVE n(x) AS (SELECT 1 "
            "UNION ALL SELECT x + 1 FROM n) SELECT x AS key, x AS value FROM n"
        )
        database.execute("ALTER TABLE alerts RENAME TO kept")
        database.execute("CREATE VIEW alerts AS SELECT * FROM kept")
        database.commit()
    with pytest.raises(ReturnsError):
        run("import", config, path, "--who", "李华")
