"""Imagery of tips over the demo's last run: what was seen, and nobody's name."""

import io
import json
import shutil
import zipfile
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
import xarray as xr
from demo_run import Demos, shared_demos  # noqa: F401
from PIL import Image
from rasterio.warp import transform
from shapely import box

from rsmonitor.cli import tips, triage
from rsmonitor.config import read_settings
from rsmonitor.errors import (
    ContractError,
    OutputError,
    ReturnsError,
    StoreError,
)
from rsmonitor.pipeline.looks import day_of
from rsmonitor.records.case import Level
from rsmonitor.records.rasters import Scl
from rsmonitor.wiring.deliver import build_packages
from rsmonitor.wiring.office import EVER
from rsmonitor.wiring.package_tips import waiting_tips
from rsmonitor.wiring.packages import Weekly
from rsmonitor.wiring.reports import Books, open_books
from rsmonitor.wiring.sources import open_source

QUIET = (22.1520, 45.2070)
"""In the north, where no site is within 60 m, and some evidence is too weak."""

EARLY = (22.1578, 45.2017)
"""Near a site whose change began 46 days after the tip: too late for a match."""

LATE_SITE = "sl5gljjsc2mdp"
"""That site."""

ACTIVE = "sblxcaamajbb3"
"""A standing site of the demo."""

SECRETS = ("王五郎", "13800001111", "山上半夜挖土", "举报甲号", "登记员钱某")
HEAD = "线索编号,日期,经度,纬度,地址,举报人,电话,内容,登记人"
FILES = {
    *("before.tif", "after.tif", "days.tif", "evidence.tif"),
    *("place.geojson", "sheet.png", "tip.json"),
}
Run = Callable[..., tuple[int, str, str]]


@pytest.fixture(scope="module")
def config(demos: Demos, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give the demo's settings over a copy of its work folder, with five tips."""
    folder = tmp_path_factory.mktemp("tips")
    shutil.copytree(demos.folder / "work", folder / "work")
    configs = Path(__file__).parents[2] / "configs"
    text = (configs / "demo.toml").read_text(encoding="utf-8")
    path = folder / "demo.toml"
    path.write_text(
        text.replace('"../demo-out/work"', f'"{folder / "work"}"')
        .replace('"../demo-out"', f'"{demos.folder}"')
        .replace('"../demo-out/packages"', f'"{folder / "packages"}"')
        .replace('"demo_licences', f'"{configs}/demo_licences')
        + "\n[tips]\nwithin_m = 60.0\ndays_ahead = 30\n",
        encoding="utf-8",
    )
    name, phone, said, number, registrar = SECRETS
    lon, lat = QUIET
    table = folder / "举报.csv"
    table.write_text(
        f"{HEAD}\n"
        f"{number},2020-03-01,{lon},{lat},,{name},{phone},{said},{registrar}\n"
        f"2,2022-05-01,{lon},{lat},,{name},{phone},{said},{registrar}\n"
        f"3,2020-03-01,115.1,24.9,,{name},{phone},{said},{registrar}\n"
        f"4,2020-03-01,,,{said},{name},{phone},{said},{registrar}\n"
        f"5,2020-03-01,{EARLY[0]},{EARLY[1]},,{name},{phone},{said},{registrar}\n",
        encoding="utf-8",
    )
    code = tips.app(["import", str(path), str(table)], standalone_mode=False)
    assert not code
    return path


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    """Give a function that runs a command to its end."""

    def command(*words: str | Path) -> tuple[int, str, str]:
        code = tips.app([str(word) for word in words], standalone_mode=False)
        said = capsys.readouterr()
        return code or 0, said.out, said.err

    return command


@pytest.fixture(scope="module")
def ids(config: Path) -> dict[str, str]:
    """Give the ids of the tips: quiet, early, future, far and address."""
    from rsmonitor.wiring.returns import open_desk  # noqa: PLC0415 - slow

    found = {}
    for kept in open_desk(config).tips.tips():
        tip = kept.tip
        if tip.place is None:
            name = "address"
        elif tip.place.x > 100:
            name = "far"
        elif tip.place.y < 45.205:
            name = "early"
        else:
            name = "quiet" if tip.day.year == 2020 else "future"
        found[name] = tip.tip_id
    assert set(found) == {"quiet", "future", "far", "address", "early"}
    return found


@pytest.fixture(scope="module")
def looked(
    config: Path, ids: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """Give the folder of imagery of the quiet tip, within 60 m."""
    out = tmp_path_factory.mktemp("look")
    words = ["imagery", str(config), ids["quiet"], "--out", str(out)]
    code = tips.app([*words, "--within-m", "60"], standalone_mode=False)
    assert not code
    return out / ids["quiet"]


def numbers(folder: Path) -> dict[str, Any]:
    read: dict[str, Any] = json.loads((folder / "tip.json").read_text("utf-8"))
    return read


# ------------------------------------------------------------------- what is written


def test_the_list_names_the_command_for_tips_that_wait_for_a_look(
    run: Run, config: Path, ids: dict[str, str]
) -> None:
    _, out, _ = run("list", config, "--within-m", "60")
    commands = [line.strip() for line in out.splitlines() if "tips imagery" in line]
    assert len(commands) == 4, "one needs a place first"
    assert any(
        line.endswith(f"tips imagery {config} {ids['quiet']}") for line in commands
    )
    _, out, _ = run("match", config)
    assert "rsmonitor tips imagery" in out


def test_all_files_are_there_and_lie_where_the_tip_points(looked: Path) -> None:
    assert {path.name for path in looked.iterdir()} == FILES
    for name in ("before.tif", "after.tif", "days.tif", "evidence.tif"):
        with rasterio.open(looked / name) as file:
            (x,), (y,) = transform("OGC:CRS84", file.crs, [QUIET[0]], [QUIET[1]])
            row, col = file.index(x, y)
            assert 0 <= row < file.height
            assert 0 <= col < file.width
            assert file.res == (10.0, 10.0)
            # a kilometre, as far as the demo's square goes
            assert 50 <= min(file.shape) <= max(file.shape) <= 100
    place = json.loads((looked / "place.geojson").read_text("utf-8"))
    assert place["features"][0]["geometry"]["coordinates"] == list(QUIET)


def test_the_picture_shows_four_panels_and_the_place_in_yellow(looked: Path) -> None:
    image = np.asarray(Image.open(looked / "sheet.png").convert("RGB")).astype(int)
    assert image.shape == (1635, 1350, 3)
    yellow = abs(image - [255, 230, 0]).max(axis=-1) < 40
    half_y, half_x = image.shape[0] // 2, image.shape[1] // 2
    for rows in (slice(0, half_y), slice(half_y, None)):
        for cols in (slice(0, half_x), slice(half_x, None)):
            assert yellow[rows, cols].sum() > 50


def test_the_evidence_is_the_run_s_and_goes_below_what_is_reported(
    looked: Path, demos: Demos
) -> None:
    with rasterio.open(looked / "evidence.tif") as file:
        bands = dict(zip(file.descriptions, file.read(), strict=True))
        left, top = file.transform.c, file.transform.f
    with xr.open_dataset(demos.folder / "evidence.nc", engine="netcdf4") as run:
        col = int(abs(run["x"].to_numpy() - (left + 5)).argmin())
        row = int(abs(run["y"].to_numpy() - (top - 5)).argmin())
        height, width = bands["tier"].shape
        window = run.isel(y=slice(row, row + height), x=slice(col, col + width)).load()
    monitored = window["monitored"].to_numpy().astype(bool)
    assert (np.where(monitored, window["tier"], -1) == bands["tier"]).all()
    assert (window["n_clear"] == bands["n_clear"]).all()
    graded = window["tier"].to_numpy() > 0
    days = window["first_seen"].to_numpy().astype("datetime64[D]")[graded]
    said = [f"{day}".replace("-", "") for day in days]
    assert [str(number) for number in bands["first_seen"][graded]] == said
    below = (bands["tier"] == 0) & (bands["score"] > 0)
    assert below.any(), "an analyst sees what is not reported"
    assert (bands["first_seen"][below] > 20180630).all()
    assert (bands["score"][below] < 600).all()


def test_the_numbers_are_those_of_the_rasters(looked: Path) -> None:
    told = numbers(looked)
    with rasterio.open(looked / "evidence.tif") as file:
        bands = dict(zip(file.descriptions, file.read(), strict=True))
    near = bands["near"] == 1
    assert near.sum() == pytest.approx(np.pi * 36, rel=0.1)
    pixels = told["monitored"]["pixels"]
    assert sum(pixels.values()) == near.sum()
    assert pixels["high"] == (near & (bands["tier"] == 3)).sum()
    assert pixels["below"] == (near & (bands["tier"] == 0) & (bands["score"] > 0)).sum()
    for name in ("before", "after"):
        image = told["images"][name]
        listed = {look["day"].replace("-", "") for look in image["looks"]}
        with rasterio.open(looked / "days.tif") as file:
            days = file.read(file.descriptions.index(name) + 1)
        with rasterio.open(looked / f"{name}.tif") as file:
            opaque = file.read(4) == 255
            assert set(file.tags()["SCENES"].split()) == {
                look["product_id"] for look in image["looks"]
            }
        assert {str(day) for day in np.unique(days[days > 0])} == listed
        assert (opaque == (days > 0)).all()
        assert image["share_seen"] == pytest.approx(opaque.mean(), abs=1e-4)
        tip_day = told["day"].replace("-", "")
        assert all((day >= tip_day) == (name == "after") for day in listed)
    before = date.fromisoformat(told["images"]["before"]["looks"][-1]["day"])
    assert before <= date(2019, 9, 1), "half a year or more before"


def test_clear_looks_since_the_tip_are_counted_from_the_scenes_themselves(
    looked: Path, config: Path
) -> None:
    told = numbers(looked)["since_tip"]
    with rasterio.open(looked / "evidence.tif") as file:
        near = file.read(file.descriptions.index("near") + 1) == 1
        left, top = file.transform.c, file.transform.f
    settings = read_settings(config)
    seen = []
    with open_source(settings) as source:
        (grid,) = source.grids()
        row, col = round((grid.top - top) / 10), round((left - grid.left) / 10)
        (whole,) = grid.blocks(1000)
        for product in source.find(grid, until=EVER):
            if day_of(product) < date(2020, 3, 1):
                continue
            scl = source.numbers(product, grid, whole).scl
            fine = np.isin(scl, settings.clear.clear_classes)
            window = fine[row : row + near.shape[0], col : col + near.shape[1]]
            seen.append((day_of(product), float(window[near].mean())))
    assert told["looks"] == len(seen)
    # growing clouds and the test for snow only take away
    assert 0 < told["clear_looks"] <= sum(share >= 0.5 for _, share in seen)
    assert date.fromisoformat(told["last_clear_look"]) in {
        day for day, share in seen if share >= 0.5
    }
    assert Scl.CLOUD_HIGH not in settings.clear.clear_classes


def test_it_is_replaced_by_the_same_bytes(
    run: Run, config: Path, ids: dict[str, str], looked: Path, tmp_path: Path
) -> None:
    before = {path.name: path.read_bytes() for path in looked.iterdir()}
    words = ("imagery", config, ids["quiet"], "--within-m", "60", "--json")
    for _ in range(2):
        code, out, _ = run(*words, "--out", tmp_path)
        assert code == 0
    again = tmp_path / ids["quiet"]
    assert {path.name: path.read_bytes() for path in again.iterdir()} == before
    assert json.loads(out) == numbers(looked)
    assert [path.name for path in tmp_path.iterdir()] == [ids["quiet"]]


# ------------------------------------------------------------- the package of a county


@pytest.fixture(scope="module")
def books(config: Path) -> Books:
    """The ledger's words without alerts, so that a package is made quickly."""
    whole = open_books(config)
    return replace(whole, books=(replace(whole.books[0], alerts=()),))


def test_the_package_of_the_county_lists_what_waits_for_a_look(
    books: Books, ids: dict[str, str], looked: Path
) -> None:
    (built,) = build_packages(books)
    tips_of = built.folder / "tips"
    assert {path.name for path in tips_of.iterdir()} == {
        *("tips.geojson", "tips.xlsx", ids["quiet"], ids["early"]),
    }, "no tip of another place, and none from after the week"
    assert {path.name for path in (tips_of / ids["quiet"]).iterdir()} == FILES
    listed = json.loads((tips_of / "tips.geojson").read_text("utf-8"))["features"]
    (feature,) = (f for f in listed if f["properties"]["tip_id"] == ids["quiet"])
    told, said = numbers(looked), feature["properties"]
    assert len(listed) == 2
    assert feature["geometry"]["coordinates"] == list(QUIET)
    assert said["day"] == "2020-03-01"
    assert said["last_clear_look"] == told["since_tip"]["last_clear_look"]
    assert (tips_of / said["imagery"]).is_file()
    assert any("待查线索 2 条" in note["zh"] for note in built.manifest["notes"])
    with zipfile.ZipFile(built.archive) as archive:
        data = [archive.read(name) for name in archive.namelist()]
        data += ["\n".join(archive.namelist()).encode()]
        for name in archive.namelist():
            if name.endswith(".xlsx"):
                with zipfile.ZipFile(io.BytesIO(archive.read(name))) as book:
                    data += [book.read(part) for part in book.namelist()]
    assert any(ids["quiet"].encode() in each for each in data), "the test can fail"
    for secret in SECRETS:
        assert not any(secret.encode() in each for each in data), secret


def test_a_package_names_no_site_but_those_of_its_own_alerts(
    run: Run, config: Path, books: Books, ids: dict[str, str], tmp_path: Path
) -> None:
    run("imagery", config, ids["early"], "--out", tmp_path)
    (near,) = numbers(tmp_path / ids["early"])["sites_near"]
    assert near["site_id"] == LATE_SITE
    assert near["days_apart"] == 46
    (package,) = Weekly(books).packages()
    for each in waiting_tips(books, package):
        assert each.view is not None
        assert each.view.sites == ()


def test_a_tip_is_in_the_package_of_the_county_that_holds_it_alone(
    books: Books, ids: dict[str, str]
) -> None:
    (package,) = Weekly(books).packages()

    def listed(**said: Any) -> set[str]:  # noqa: ANN401
        area = replace(package.area, **said)
        return {
            each.tip.tip_id for each in waiting_tips(books, replace(package, area=area))
        }

    both = {ids["quiet"], ids["early"]}
    assert listed() == both
    assert listed(geometry=box(22.1, 45.1, 22.3, 45.3)) == both
    assert listed(geometry=box(22.1, 45.205, 22.3, 45.3)) == {ids["quiet"]}
    # without a border nobody can tell which of two counties a place lies in
    assert listed(code="360734") == set()
    assert listed(level=Level.PROVINCE) == set()


# ------------------------------------------------------------------- what is refused


def test_a_tip_newer_than_the_scenes_says_that_nothing_was_seen_since(
    run: Run, config: Path, ids: dict[str, str]
) -> None:
    code, out, err = run("imagery", config, ids["future"])
    assert code == 1
    assert "nothing clear since the tip" in out
    assert "the tip is newer than the last run (2021-01-03)" in err
    folder = config.parent / "work" / "tip-imagery" / ids["future"]
    assert {path.name for path in folder.iterdir()} == FILES
    told = numbers(folder)
    assert told["since_tip"]["clear_looks"] == 0
    assert told["images"]["after"]["chosen"] == "before_the_tip_nothing_clear_since"
    newest = max(look["day"] for look in told["images"]["after"]["looks"])
    assert max(look["day"] for look in told["images"]["before"]["looks"]) < newest


def test_a_tip_outside_every_district_is_told_so(
    run: Run, config: Path, ids: dict[str, str], tmp_path: Path
) -> None:
    with pytest.raises(ReturnsError, match=r"outside every district.*demo-romania"):
        run("imagery", config, ids["far"], "--out", tmp_path)
    assert not list(tmp_path.iterdir())


def test_a_tip_with_an_address_needs_a_place_first(
    run: Run, config: Path, ids: dict[str, str], tmp_path: Path
) -> None:
    with pytest.raises(ReturnsError, match="tips place") as error:
        run("imagery", config, ids["address"], "--out", tmp_path)
    assert not any(secret in str(error.value) for secret in SECRETS)


@pytest.mark.parametrize(
    "hostile",
    ["../../etc", "/etc/passwd", "t" + "a" * 11 + "/", "T" + "A" * 12, "", ".", "..",
     "t" + "a" * 12 + "\n", "t" + "a" * 5000, "t'; DROP TABLE tip; --",
     "t\0aaaaaaaaaaaa"],
)  # fmt: skip
def test_an_id_that_is_none_is_refused_before_anything_is_made(
    run: Run, config: Path, hostile: str, tmp_path: Path
) -> None:
    with pytest.raises(ContractError, match="a tip id is t and twelve") as error:
        run("imagery", config, hostile, "--out", tmp_path / "out")
    assert len(str(error.value)) < 300
    assert not list(tmp_path.iterdir())


def test_a_tip_that_is_not_there_is_named(
    run: Run, config: Path, tmp_path: Path
) -> None:
    with pytest.raises(StoreError, match="there is no tip taaaa"):
        run("imagery", config, "t" + "a" * 12, "--out", tmp_path)


def test_a_folder_that_cannot_be_written_is_named(
    run: Run, config: Path, ids: dict[str, str], tmp_path: Path
) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(OutputError, match="file"):
        run("imagery", config, ids["quiet"], "--out", tmp_path / "file")


# -------------------------------------------------------------- what nobody may read


def test_no_file_and_no_line_says_who_gave_the_tip(
    run: Run, config: Path, ids: dict[str, str], looked: Path, tmp_path: Path
) -> None:
    _, out, err = run("imagery", config, ids["quiet"], "--out", tmp_path)
    data = [(out + err).encode(), *(path.read_bytes() for path in looked.iterdir())]
    data += [str(path).encode() for path in tmp_path.rglob("*")]
    assert any(ids["quiet"].encode() in each for each in data), "the test can fail"
    for secret in SECRETS:
        for coding in ("utf-8", "utf-16-le", "gb18030", "ascii"):
            try:
                word = secret.encode(coding)
            except UnicodeEncodeError:
                continue
            assert not any(word in each for each in data), secret


def test_nothing_is_shown_of_ground_that_no_product_may_show(
    run: Run, config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    office = tmp_path / "office"
    shutil.copytree(config.parent, office)
    path = office / "demo.toml"
    text = path.read_text(encoding="utf-8").replace(str(config.parent), str(office))
    path.write_text(text, encoding="utf-8")
    table = office / "位置.csv"
    lon, lat = 22.1547, 45.2033  # in the middle of that site
    table.write_text(f"日期,经度,纬度\n2020-06-01,{lon},{lat}\n", encoding="utf-8")
    run("import", path, table)

    def told() -> tuple[dict[str, Any], str]:
        _, out, _ = run("list", path, "--json")
        place = [round(lon, 6), round(lat, 6)]
        (tip,) = (each for each in json.loads(out) if each["place"] == place)
        words = ("imagery", path, tip["tip_id"], "--within-m", "40")
        run(*words, "--out", office / "look")
        folder = office / "look" / tip["tip_id"]
        return numbers(folder), (folder / "tip.json").read_text("utf-8")

    seen, words = told()
    assert ACTIVE in words
    assert seen["evidence"]["strongest"]["tier"] == "high"
    assert seen["monitored"]["pixels"]["high"] > 20
    table.write_text(
        f"图斑编号,核查结果,核查人,核查日期\n{ACTIVE},特殊用地,李华,2020-12-01\n",
        encoding="utf-8",
    )
    code = triage.app(
        ["import", str(path), str(table), "--apply"], standalone_mode=False
    )
    assert not code
    capsys.readouterr()
    hidden, words = told()
    assert ACTIVE not in words
    assert hidden["monitored"]["pixels"]["not_monitored"] > 20
    assert hidden["monitored"]["pixels"]["high"] < seen["monitored"]["pixels"]["high"]
    with rasterio.open(next((office / "look").rglob("evidence.tif"))) as file:
        bands = dict(zip(file.descriptions, file.read(), strict=True))
        (x,), (y,) = transform("OGC:CRS84", file.crs, [lon], [lat])
        at = file.index(x, y)
    assert {bands[name][at] for name in ("tier", "score", "first_seen")} == {-1}
    assert bands["last_clear"][at] > 0, "no hole draws the outline"
