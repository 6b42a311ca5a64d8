"""The commands of the register as a bureau types them, each in its own process."""

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
import shapely
from commands import Nursery, Ran
from openpyxl import Workbook
from rights import AT, delivery, right, rights, write_geojson

from rsmonitor.cli.licence_options import KINDS
from rsmonitor.io.stores.register_database import DatabaseRegister
from rsmonitor.records.licence import LicenceKind
from rsmonitor.stages.gcj02 import to_gcj02
from rsmonitor.wiring.licences import delivery_of, read_file

Licences = Callable[..., Ran]

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
until = 2023-12-31

[licences]
register = "register.sqlite"

[borders]
file = "borders.geojson"

[run]
work = "work"
out = "out"
"""


@pytest.fixture(scope="module")
def nursery(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nursery]:
    with Nursery(tmp_path_factory.mktemp("nursery")) as nursery:
        yield nursery


@pytest.fixture
def licences(nursery: Nursery) -> Licences:
    """Give a function that runs ``rsmonitor licences ...`` to its end."""

    def command(*arguments: str | Path) -> Ran:
        return nursery.run("licences", *arguments)

    return command


@pytest.fixture
def register(tmp_path: Path) -> Path:
    return tmp_path / "register.sqlite"


@pytest.fixture
def settings(tmp_path: Path) -> Path:
    """Give settings with a register and with the border of Dingnan, a box."""
    ring = [[114.9, 24.6], [115.2, 24.6], [115.2, 25.0], [114.9, 25.0], [114.9, 24.6]]
    county = {
        "type": "Feature",
        "geometry": {"type": "Polygon", "coordinates": [ring]},
        "properties": {"code": "360728", "name": "定南县"},
    }
    document = {"type": "FeatureCollection", "features": [county]}
    (tmp_path / "borders.geojson").write_text(json.dumps(document), encoding="utf-8")
    path = tmp_path / "dingnan.toml"
    path.write_text(SETTINGS, encoding="utf-8")
    return path


def held(register: Path) -> set[str]:
    return {one.licence_id for one in DatabaseRegister(register).snapshot().licences}


# -------------------------------------------------------------------------------- check


def test_check_says_what_was_understood_and_changes_nothing(
    licences: Licences, tmp_path: Path
) -> None:
    path = write_geojson(tmp_path / "mining.geojson", *rights("C1", "C2"))
    ran = licences("check", path)
    assert ran.code == 0, ran.stderr
    assert "C1" in ran.stdout
    assert "C2" in ran.stdout
    assert sorted(tmp_path.iterdir()) == [path]


def test_check_ends_with_1_where_something_is_refused(
    licences: Licences, tmp_path: Path
) -> None:
    path = write_geojson(tmp_path / "mining.geojson", right("C1"))
    document = json.loads(path.read_text(encoding="utf-8"))
    bad = json.loads(json.dumps(document["features"][0]))
    bad["properties"]["licence_id"] = ""
    document["features"].append(bad)
    path.write_text(json.dumps(document), encoding="utf-8")
    ran = licences("check", path)
    assert ran.code == 1
    assert "licence_id" in ran.stdout + ran.stderr


def test_check_ends_with_3_where_nothing_can_be_used(
    licences: Licences, tmp_path: Path
) -> None:
    path = tmp_path / "nothing.geojson"
    path.write_text("{}")
    ran = licences("check", path)
    assert ran.code == 3
    assert "nothing.geojson" in ran.stderr


# ------------------------------------------------------------------------------- import


def test_import_shows_what_check_shows_and_then_imports(
    licences: Licences, tmp_path: Path, register: Path
) -> None:
    path = write_geojson(tmp_path / "mining.geojson", *rights("C1", "C2"))
    checked = licences("check", path)
    ran = licences(
        "import", path, "--kind", "mining", "--register", register, "--by", "李华"
    )
    assert ran.code == 0, ran.stderr
    assert ran.stdout.startswith(checked.stdout)
    assert "imported: 2 new, 0 with a new version, 0 amended, 0 unchanged" in ran.stdout
    assert "entry 1 by 李华" in ran.stdout
    assert DatabaseRegister(register).snapshot().snapshot_id in ran.stdout
    assert held(register) == {"C1", "C2"}


def test_a_dry_run_imports_nothing(
    licences: Licences, tmp_path: Path, register: Path
) -> None:
    path = write_geojson(tmp_path / "mining.geojson", right())
    ran = licences(
        "import", path, "--kind", "mining", "--register", register, "--dry-run"
    )
    assert ran.code == 0, ran.stderr
    assert "would be imported: 1 new" in ran.stdout
    assert not register.exists()


def test_the_same_file_twice_says_so(
    licences: Licences, tmp_path: Path, register: Path
) -> None:
    path = write_geojson(tmp_path / "mining.geojson", right())
    command = ("import", path, "--kind", "mining", "--register", register)
    licences(*command, "--by", "李华")
    before = register.read_bytes()
    ran = licences(*command)
    assert ran.code == 0
    assert "imported before, as entry 1" in ran.stdout
    assert "by 李华; nothing changed" in ran.stdout
    assert register.read_bytes() == before


def test_a_new_version_is_told_with_its_dates(
    licences: Licences, tmp_path: Path, register: Path
) -> None:
    options = ("--kind", "mining", "--register", register)
    path = write_geojson(tmp_path / "mining.geojson", right())
    licences("import", path, *options)
    write_geojson(path, right(valid_to=date(2034, 12, 31)))
    ran = licences("import", path, *options)
    assert (
        "C1: version 1 -> 2; valid 2020-01-01 to 2029-12-31 -> 2020-01-01 to 2034-12-31"
        in ran.stdout
    )


def test_a_military_parcel_is_refused_with_its_reason(
    licences: Licences, tmp_path: Path, register: Path
) -> None:
    path = write_geojson(
        tmp_path / "land.geojson",
        right("C1"),
        right("C2", east=0.1, holder="某军事管理区"),
    )
    ran = licences("import", path, "--kind", "mining", "--register", register)
    assert ran.code == 1
    assert "says 军事: military boundaries are never imported" in ran.stdout
    assert held(register) == {"C1"}
    assert DatabaseRegister(register).history()[0].military == 1


def test_a_layer_that_is_military_by_its_name_is_refused_whole(
    licences: Licences, tmp_path: Path, register: Path
) -> None:
    path = write_geojson(tmp_path / "军事用地.geojson", right("C1"))
    told = licences("check", path, "--json")
    assert told.code == 1
    document = json.loads(told.stdout)
    assert document["features"] == []
    assert len(document["refused"]) == 1
    ran = licences("import", path, "--kind", "mining", "--register", register)
    assert ran.code == 3
    assert not register.exists()


@pytest.mark.parametrize("kind", ["mine", "", "采矿"])
def test_an_unknown_kind_is_wrong_usage(
    licences: Licences, tmp_path: Path, register: Path, kind: str
) -> None:
    path = write_geojson(tmp_path / "mining.geojson", right())
    ran = licences("import", path, "--kind", kind, "--register", register)
    assert ran.code == 2
    assert "land_use" in ran.stderr


def test_the_help_names_every_kind() -> None:
    assert re.findall(r"[a-z_]{3,}", KINDS) == [kind.value for kind in LicenceKind]


def test_without_a_register_nothing_is_guessed(
    licences: Licences, tmp_path: Path
) -> None:
    path = write_geojson(tmp_path / "mining.geojson", right())
    ran = licences("import", path, "--kind", "mining")
    assert ran.code == 3
    assert "--register PATH" in ran.stderr


# -------------------------------------------------------------- when the layer is wrong


def test_a_layer_of_another_county_stops_until_somebody_says_why(
    licences: Licences, tmp_path: Path, settings: Path, register: Path
) -> None:
    path = write_geojson(tmp_path / "mining.geojson", right(east=3.0))
    command = ("import", path, "--kind", "mining", "--config", settings)
    ran = licences(*command)
    assert ran.code == 3
    assert "looks wrong as a whole" in ran.stderr
    assert "定南县 (360728)" in ran.stderr
    assert not register.exists()
    ran = licences(*command, "--accept", "moved by hand")
    assert ran.code == 0, ran.stderr
    told = licences("history", "--config", settings).stdout
    assert "looked wrong (elsewhere), accepted" in told
    assert "reason: moved by hand" in told


def test_a_dry_run_tells_what_would_stop_it(
    licences: Licences, tmp_path: Path, settings: Path
) -> None:
    path = write_geojson(tmp_path / "mining.geojson", right(east=3.0))
    ran = licences(
        "import", path, "--kind", "mining", "--config", settings, "--dry-run"
    )
    assert "looks wrong: none of its 1 parcels is in or near 定南县" in ran.stdout


# ------------------------------------------------------ producing, complete, list, rest


def test_a_list_of_producing_mines_needs_year_publisher_and_day(
    licences: Licences, tmp_path: Path, register: Path
) -> None:
    path = tmp_path / "producing.csv"
    path.write_text("序号,采矿许可证号,矿山名称\n1,C1,某矿\n2,C7,另一矿\n", "gb18030")
    command = ("import", path, "--kind", "producing", "--register", register)
    assert licences(*command, "--year", "2026").code == 2
    full = (*command, "--year", "2026", "--publisher", "某集团")
    ran = licences(*full, "--published", "2026-03-01")
    assert ran.code == 0, ran.stderr
    assert "2 producing mines of 2026" in ran.stdout
    assert "not in the register: C1, C7" in ran.stderr
    (listed,) = DatabaseRegister(register).snapshot().producing
    assert listed.licence_ids == {"C1", "C7"}
    again = licences(*full, "--published", "2026-03-01")
    assert "nothing changed" in again.stdout


def test_check_looks_at_a_list_of_producing_mines(
    licences: Licences, tmp_path: Path, register: Path
) -> None:
    path = tmp_path / "名单.csv"
    path.write_text("年度,许可证号,矿山名称\n2025,C1,某矿\n2026,C7,另一矿\n", "gb18030")
    ran = licences("check", path, "--kind", "producing")
    assert ran.code == 0, ran.stderr
    assert "1 producing mines of 2025" in ran.stdout
    assert "C7 另一矿, line 3" in ran.stdout
    DatabaseRegister(register).import_licences(delivery(right("C1")), at=AT, by="李华")
    held = ("check", path, "--kind", "producing", "--register", register)
    told = json.loads(licences(*held, "--json").stdout)
    assert [one["year"] for one in told["lists"]] == [2025, 2026]
    assert [one["mines"][0]["in_register"] for one in told["lists"]] == [True, False]
    path.write_text("许可证号\n某稀土矿权\n\n=1\x07\n", "utf-8")
    assert licences("check", path, "--kind", "producing").code == 3


def test_one_file_with_several_years_is_several_lists(
    licences: Licences, tmp_path: Path, register: Path
) -> None:
    book = Workbook()
    book.active.append(["年度", "采矿许可证号"])
    for row in (["2025年", "C1"], ["2025年", "C2"], ["2026年", "C1"]):
        book.active.append(row)
    path = tmp_path / "名单.xlsx"
    book.save(path)
    command = ("import", path, "--kind", "producing", "--register", register)
    full = (*command, "--publisher", "某集团", "--published", "2026-03-01")
    ran = licences(*full)
    assert ran.code == 0, ran.stderr
    lists = DatabaseRegister(register).snapshot().producing
    assert {one.year: len(one.licence_ids) for one in lists} == {2025: 2, 2026: 1}
    assert licences(*full).stdout.count("nothing changed") == 2
    assert licences(*full, "--year", "2024").code == 3


def test_check_shows_every_field_to_people_and_to_programs(
    licences: Licences, tmp_path: Path
) -> None:
    path = write_geojson(
        tmp_path / "a.geojson",
        right(status="停产"),
        共伴生矿种="钨",
        状态变更="停产(2024-05-01)；恢复生产(2024年8月1日)",
        延续受理日期="2029/10/1",
        期限="2030年1月1日",
        用地类型="临时用地",
        开采标高="+435~+280m",
        发证机关="自然资源部",
    )
    ran = licences("check", path)
    assert ran.code == 0, ran.stderr
    for line in (
        "矿种 minerals: 稀土",
        "共伴生 associated: 钨",
        "权利人 holder: 某稀土有限公司",
        "类型 sort: 临时用地",
        "状态 status: 停产",
        "停产 (suspended) on 2024-05-01; 有效 (in_force) on 2024-08-01",
        "延续 renewal: accepted on 2029-10-01",
        "期限 deadline: 2030-01-01",
        "标高 elevation: 280 to 435 m",
        "发证机关 issuer: 自然资源部",
    ):
        assert line in ran.stdout
    (told,) = json.loads(licences("check", path, "--json").stdout)["features"]
    said = told["properties"]
    assert said["elevation_m"] == [280.0, 435.0]
    assert said["status_history"][1] == {"on": "2024-08-01", "status": "in_force"}
    assert said["renewal_accepted"] == "2029-10-01"
    assert said["renewal_decided"] is None
    assert (said["deadline"], said["subkind"]) == ("2030-01-01", "临时用地")


@pytest.mark.parametrize("command", ["list", "history", "withdraw", "export", "check"])
def test_a_register_that_is_not_there_is_named(
    licences: Licences, tmp_path: Path, command: str
) -> None:
    typo = tmp_path / "regsiter.sqlite"
    path = write_geojson(tmp_path / "a.geojson", right())
    words = {
        "withdraw": ("withdraw", "1", "--reason", "wrong"),
        "export": ("export", tmp_path / "out", "--format", "txt"),
        "check": ("check", path),
    }.get(command, (command,))
    ran = licences(*words, "--register", typo)
    assert ran.code == 3
    assert f"{typo}: there is no register" in ran.stderr
    assert not typo.exists()


def test_a_repeated_import_tells_its_day_in_shanghai(
    licences: Licences, tmp_path: Path, register: Path
) -> None:
    path = write_geojson(tmp_path / "a.geojson", right())
    late = datetime(2026, 11, 24, 16, 30, tzinfo=UTC)  # half past midnight there
    file = delivery_of(read_file(path), LicenceKind.MINING)
    DatabaseRegister(register).import_licences(file, at=late, by="李华")
    again = licences("import", path, "--kind", "mining", "--register", register)
    assert "as entry 1 on 2026-11-25 by" in again.stdout


@pytest.mark.parametrize(
    ("county", "rule"),
    [
        ("990000", "no province has the number 99"),
        ("000000", "no province has the number 00"),
        ("360028", "belongs to no prefecture"),
        ("36072八", "six digits"),
        ("３６０７２８", "six digits"),  # noqa: RUF001 - full width
        ("360799", "has no such county; it has 360728"),
        ("441400", "has no such county"),
    ],
)
def test_a_county_that_cannot_be_is_not_complete(
    licences: Licences, settings: Path, county: str, rule: str
) -> None:
    words = ("--kind", "mining", "--on", "2026-11-01", "--config", settings)
    ran = licences("complete", "--county", county, *words)
    assert ran.code == 3
    assert rule in ran.stderr
    assert licences("complete", "--county", "360700", *words).code == 0


def test_parcels_that_only_a_web_map_puts_inside_the_borders_are_suspected(
    licences: Licences, tmp_path: Path, settings: Path
) -> None:
    # Dingnan ends at 115.2 E here; the shift there is some 500 m to the east
    edge = right(geometry=shapely.box(115.190, 24.70, 115.199, 24.71))
    moved = replace(edge, geometry=to_gcj02(edge.geometry))
    good = write_geojson(tmp_path / "good.geojson", edge)
    bad = write_geojson(tmp_path / "bad.geojson", moved)
    assert "GCJ-02" not in licences("check", good, "--config", settings).stdout
    told = licences("check", bad, "--config", settings).stdout
    assert "1 of 1 parcels lie across or beyond the borders" in told
    assert "--from-gcj02 converts them" in told


def test_completeness_is_declared_and_listed(
    licences: Licences, register: Path
) -> None:
    command = ("complete", "--county", "360728", "--kind", "采矿权")
    where = ("--on", "2026-11-01", "--register", register)
    assert licences(*command, *where).code == 0
    assert "nothing changed" in licences(*command, *where).stdout
    listed = licences("list", "--register", register).stdout
    assert "complete: mining in 360728 on 2026-11-01" in listed
    wrong = licences("complete", "--county", "3607", "--kind", "mining", *where)
    assert wrong.code == 3
    assert "six digits" in wrong.stderr


def test_the_list_says_everything_to_people_and_to_programs(
    licences: Licences, tmp_path: Path, register: Path
) -> None:
    path = write_geojson(tmp_path / "mining.geojson", *rights("C1", "C2"))
    licences("import", path, "--kind", "mining", "--register", register)
    told = licences("list", "--register", register).stdout
    assert "2 licences, 0 earlier versions" in told
    assert "采矿权 mining right  version 1  2020-01-01 to 2029-12-31" in told
    assert "nothing is declared complete" in told
    document = json.loads(licences("list", "--register", register, "--json").stdout)
    assert document["snapshot_id"] in told
    assert [one["licence_id"] for one in document["licences"]] == ["C1", "C2"]
    assert document["licences"][0]["geometry"]["type"] == "Polygon"
    before = licences("list", "--register", register, "--on", "2020-01-01").stdout
    assert "0 licences" in before


def test_an_entry_is_withdrawn_and_both_are_told(
    licences: Licences, tmp_path: Path, register: Path
) -> None:
    path = write_geojson(tmp_path / "mining.geojson", right())
    licences("import", path, "--kind", "mining", "--register", register)
    ran = licences("withdraw", "1", "--reason", "wrong county", "--register", register)
    assert ran.code == 0, ran.stderr
    assert held(register) == set()
    told = licences("history", "--register", register).stdout
    assert "(void)" in told
    assert "makes entry 1 void" in told
    assert "reason: wrong county" in told
    entries = json.loads(licences("history", "--register", register, "--json").stdout)
    assert [entry["void"] for entry in entries] == [True, False]
    again = licences("withdraw", "1", "--reason", "r", "--register", register)
    assert again.code == 3


# ----------------------------------------------------------------------- what runs take


def test_check_of_a_run_wants_the_register_that_is_named(
    nursery: Nursery, licences: Licences, tmp_path: Path, settings: Path
) -> None:
    ran = nursery.run("check", settings)
    assert ran.code == 3
    assert "there is no register; fill it" in ran.stdout + ran.stderr
    path = write_geojson(tmp_path / "mining.geojson", *rights("C1", "C2"))
    licences("import", path, "--kind", "mining", "--config", settings)
    assert "2 licences" in nursery.run("check", settings).stdout


def test_a_run_stops_at_a_register_that_looks_wrong_until_it_is_accepted(
    nursery: Nursery, licences: Licences, tmp_path: Path, settings: Path
) -> None:
    ended = right(valid_to=date(2023, 6, 30))
    path = write_geojson(tmp_path / "mining.geojson", ended)
    # not told which county it is for, and with a reason, it is imported
    register = tmp_path / "register.sqlite"
    licences(
        "import", path, "--kind", "mining", "--register", register, "--accept", "t"
    )
    licences("complete", "--county", "360728", "--kind", "mining", "--on", "2026-11-01")
    assert "1 licences" in nursery.run("check", settings).stdout
    more = write_geojson(tmp_path / "more.geojson", right("C2", valid_to=None))
    licences(
        "import", more, "--kind", "mining", "--register", register, "--accept", "t"
    )
    licences("withdraw", "2", "--reason", "t", "--register", register)
    told = nursery.run("check", settings).stdout
    assert "all of its 1 rights had ended before 2024-01-01" in told
    ran = licences("accept", "all ended here", "--config", settings)
    assert ran.code == 0, ran.stderr
    assert "1 licences" in nursery.run("check", settings).stdout
    nothing = tmp_path / "other.toml"
    assert licences("accept", "x", "--config", nothing).code == 3


@pytest.mark.parametrize("form", ["geojson", "txt"])
def test_what_is_exported_is_imported_again_without_a_change(
    licences: Licences, tmp_path: Path, register: Path, form: str
) -> None:
    named = [replace(one, mine=f"{one.licence_id}矿") for one in rights("C1", "C2")]
    DatabaseRegister(register).import_licences(delivery(*named), at=AT, by="李华")
    out = tmp_path / f"out.{form}"
    ran = licences("export", out, "--format", form, "--register", register)
    assert ran.code == 0, ran.stderr
    assert "2 licences" in ran.stdout
    command = ("import", out, "--kind", "mining", "--register", register, "--dry-run")
    told = licences(*command).stdout
    assert "0 new, 0 with a new version, 0 amended, 2 unchanged" in told


def test_an_export_of_nothing_or_into_nothing_known_is_refused(
    licences: Licences, tmp_path: Path, register: Path
) -> None:
    out = tmp_path / "out"
    assert licences("export", out, "--format", "shp", "--register", register).code == 2
    ran = licences("export", out, "--format", "txt", "--register", register)
    assert ran.code == 3
    assert f"{register}: there is no register" in ran.stderr
    DatabaseRegister(register).import_licences(
        delivery(right(kind=LicenceKind.MINING)), at=AT, by="李华"
    )
    some = ("--kind", "plant", "--register", register)
    ran = licences("export", out, "--format", "txt", *some)
    assert ran.code == 3
    assert "no licence to write" in ran.stderr
    assert not out.exists()


def test_what_a_file_does_not_say_of_its_corners_is_said_by_a_person(
    licences: Licences, tmp_path: Path
) -> None:
    path = tmp_path / "权利.txt"
    corners = ((2733000, 300000), (2733000, 300400), (2732700, 300400))
    lines = [f"{n}、{x}.00 ,{y}.00" for n, (x, y) in enumerate(corners, start=1)]
    path.write_text("\n".join(lines), encoding="utf-8")
    ran = licences("check", path)
    assert ran.code == 3
    assert "zone" in ran.stderr
    ran = licences("check", path, "--zone", "39", "--datum", "CGCS2000", "--json")
    assert ran.code == 0, ran.stderr
    (feature,) = json.loads(ran.stdout)["features"]
    assert feature["properties"]["zone"] == 39
    assert licences("check", path, "--zone-width", "4").code == 2
    assert licences("check", path, "--unit", "feet").code == 2


def test_a_layer_that_is_shifted_as_web_maps_are_is_refused_or_converted(
    licences: Licences, tmp_path: Path, register: Path
) -> None:
    names = [f"C{n}" for n in range(5)]
    path = write_geojson(tmp_path / "mining.geojson", *rights(*names))
    licences("import", path, "--kind", "mining", "--register", register)
    shifted = [replace(r, geometry=to_gcj02(r.geometry)) for r in rights(*names)]
    web = write_geojson(tmp_path / "web.geojson", *shifted)
    command = ("import", web, "--kind", "mining", "--register", register)
    ran = licences(*command)
    assert ran.code == 3
    assert "GCJ-02" in ran.stderr
    ran = licences(*command, "--from-gcj02", "--dry-run")
    assert ran.code == 0, ran.stderr
    assert "would be imported: 0 new" in ran.stdout
