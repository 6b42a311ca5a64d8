"""Bad input: one line that names file, value and rule; nothing half-written."""

import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr
from commands import Nursery, Ran, tree
from cubes import write
from landscape import HISTORY_UNTIL, LOOKS, landscape

from rsmonitor.records.rasters import Scl

Spoil = Callable[[xr.Dataset], xr.Dataset]
Refuse = Callable[..., str]

GOOD = [
    (117.0005, 25.3150),
    (117.003, 25.3150),
    (117.003, 25.3165),
    (117.0005, 25.3165),
]
BOW_TIE = [(117.0, 25.31), (117.001, 25.311), (117.001, 25.31), (117.0, 25.311)]
METRES = [(500100, 2799900), (500300, 2799900), (500300, 2799700), (500100, 2799700)]

SETTINGS = {
    "district": {
        "code": "360728",
        "name_zh": "定南县",
        "name_en": "Dingnan",
        "bureau": "定南县自然资源局",
    },
    "source": {"kind": "cube", "files": ["forest.nc"]},
    "history": {"until": HISTORY_UNTIL},
    "run": {"work": "work", "out": "out"},
}


@pytest.fixture(scope="module")
def nursery(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nursery]:
    with Nursery(tmp_path_factory.mktemp("nursery")) as nursery:
        yield nursery


@pytest.fixture(scope="module")
def forest(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a good cube."""
    return write(landscape().cube(), tmp_path_factory.mktemp("cube") / "forest.nc")


@pytest.fixture
def refuse(nursery: Nursery, tmp_path: Path) -> Refuse:
    """Give what runs a command that must be refused, and returns the one line."""

    def refused(*arguments: str | Path, code: int = 3) -> str:
        before = outputs(tmp_path)
        ran = nursery.run(*arguments)
        assert ran.code == code, ran.stderr
        assert "Traceback" not in ran.stderr
        assert "Warning" not in ran.stderr
        assert ran.stdout == ""
        notes = ("note: ", "refused: ")
        (line,) = (x for x in ran.stderr.splitlines() if not x.startswith(notes))
        assert line.startswith("rsmonitor: ")
        assert outputs(tmp_path) == before, "something was written"
        return line

    return refused


def outputs(folder: Path) -> dict[str, str]:
    """List all files but those that only say that a run is on."""
    return {k: v for k, v in tree(folder).items() if not k.startswith("work/locks/")}


def licences(path: Path, *rings: Sequence[tuple[float, float]], **more: Any) -> Path:  # noqa: ANN401
    """Write licences; the ring is closed here."""
    features = [
        {
            "type": "Feature",
            "properties": {
                "licence_id": f"C{number}",
                "kind": "mining",
                "minerals": ["稀土"],
                "holder": "某公司",
                "valid_from": "2015-01-01",
                "valid_to": "2030-01-01",
                "status": "valid",
            },
            "geometry": {"type": "Polygon", "coordinates": [[*ring, ring[0]]]},
        }
        for number, ring in enumerate(rings, start=1)
    ]
    collection = {"type": "FeatureCollection", "features": features, **more}
    path.write_text(json.dumps(collection), encoding="utf-8")
    return path


# -------------------------------------------------------------------------------- cubes


def without_crs(cube: xr.Dataset) -> xr.Dataset:
    cube = cube.drop_vars("spatial_ref")
    for variable in cube.data_vars.values():
        variable.attrs.pop("grid_mapping", None)
    return cube


def swapped(cube: xr.Dataset) -> xr.Dataset:
    order = [*range(10), 11, 10, *range(12, LOOKS)]
    return cube.assign_coords(time=cube["time"].to_numpy()[order])


def doubled(cube: xr.Dataset) -> xr.Dataset:
    return cube.assign_coords(
        time=cube["time"].to_numpy()[[*range(10), 9, *range(11, LOOKS)]]
    )


def clouded(cube: xr.Dataset) -> xr.Dataset:
    cube["SCL"][:] = np.uint8(Scl.CLOUD_HIGH)
    return cube


SPOILT: dict[str, tuple[Spoil, Sequence[str]]] = {
    "no-classes": (lambda cube: cube.drop_vars("SCL"), ["no SCL", "what was cloud"]),
    "no-index": (
        lambda cube: cube[["B03", "SCL", "spatial_ref"]],
        ["B03", "ndvi, ndmi, dred", "B04 and B08 are the least"],
    ),
    "unknown-bands": (
        lambda cube: cube.rename({"B04": "B99", "B08": "B98", "B8A": "B97"}),
        ["B03", "none of the indices"],
    ),
    "no-reflectance": (lambda cube: cube[["SCL", "spatial_ref"]], ["SCL alone"]),
    "no-crs": (without_crs, ["no CRS", "grid_mapping", "spatial_ref"]),
    "backwards": (swapped, ["time[11]", "2016-08-31", "times must increase"]),
    "twice": (doubled, ["time[10]", "2016-08-07", "times must increase"]),
    "all-cloud": (clouded, ["has 0 scenes", "12 are needed", "history.min_looks"]),
    "short": (
        lambda cube: cube.isel(time=slice(0, 20)),
        ["2016-01-04 to 2017-04-04", "none is left after a history until"],
    ),
    "one-look": (lambda cube: cube.isel(time=slice(0, 1)), ["2016-01-04"]),
}


@pytest.mark.parametrize("name", SPOILT)
def test_a_cube_that_cannot_be_used_is_named_with_value_and_rule(
    refuse: Refuse, tmp_path: Path, name: str
) -> None:
    spoil, words = SPOILT[name]
    path = write(spoil(landscape().cube()), tmp_path / f"{name}.nc")
    line = refuse("detect", path, "--out", tmp_path / "found")
    for word in (path.name, *words):
        assert word in line


@pytest.mark.parametrize("name", ["missing", "empty", "text", "truncated", "folder"])
def test_a_file_that_is_no_cube_is_named(
    refuse: Refuse, tmp_path: Path, forest: Path, name: str
) -> None:
    path = tmp_path / f"{name}.nc"
    whole = forest.read_bytes()
    content = {
        "empty": b"",
        "text": b"time,y,x\n",
        "truncated": whole[: len(whole) // 2],
    }
    if name in content:
        path.write_bytes(content[name])
    elif name == "folder":
        path.mkdir()
    assert str(path) in refuse("detect", path, "--out", tmp_path / "found")


def test_files_of_different_times_are_not_one_place(
    refuse: Refuse, tmp_path: Path, forest: Path
) -> None:
    other = write(
        landscape().cube()[["B11", "spatial_ref"]].isel(time=slice(0, 50)),
        tmp_path / "other.nc",
    )
    line = refuse("detect", forest, other, "--out", tmp_path / "found")
    assert str(other) in line
    assert "50 times, but 60" in line


def test_a_history_that_leaves_no_look_is_refused(
    refuse: Refuse, tmp_path: Path, forest: Path
) -> None:
    line = refuse(
        "detect", forest, "--out", tmp_path / "found", "--history-until", "2020-01-01"
    )
    assert forest.name in line
    assert "2019-11-20" in line
    assert "2020-01-01" in line


def test_a_band_that_is_not_known_is_told_and_the_others_are_used(
    nursery: Nursery, tmp_path: Path
) -> None:
    cube = landscape().cube()
    path = write(cube.assign(B99=cube["B04"]), tmp_path / "forest.nc")
    ran = nursery.run("detect", path, "--out", tmp_path / "found")
    assert ran.code == 0, ran.stderr
    assert "forest.nc: ignored, not bands: B99" in ran.stderr
    assert "alerts: 1" in ran.stdout


# ----------------------------------------------------------------------------- licences


def test_an_empty_licence_file_is_refused(
    refuse: Refuse, tmp_path: Path, forest: Path
) -> None:
    for name, text in (("nothing", ""), ("nobody", '{"type":"FeatureCollection"}')):
        path = tmp_path / f"{name}.geojson"
        path.write_text(text)
        out = tmp_path / "found"
        line = refuse("detect", forest, "--licences", path, "--out", out)
        assert str(path) in line
    path = licences(tmp_path / "empty.geojson")
    line = refuse("detect", forest, "--licences", path, "--out", tmp_path / "found")
    assert str(path) in line
    assert "everything look unlicensed" in line


@pytest.mark.parametrize(
    ("ring", "more", "words"),
    [
        (METRES, {}, ["500100", "look like metres", "EPSG:4326", "ogr2ogr"]),
        (
            GOOD,
            {
                "crs": {
                    "type": "name",
                    "properties": {"name": "urn:ogc:def:crs:EPSG::4549"},
                }
            },
            ["EPSG::4549", "CRS84 longitude and latitude", "leave out crs"],
        ),
    ],
    ids=["metres", "declared"],
)
def test_licences_in_another_crs_are_refused(
    refuse: Refuse,
    tmp_path: Path,
    forest: Path,
    ring: list[tuple[float, float]],
    more: dict[str, Any],
    words: list[str],
) -> None:
    path = licences(tmp_path / "licences.geojson", ring, **more)
    line = refuse("detect", forest, "--licences", path, "--out", tmp_path / "found")
    for word in (str(path), *words):
        assert word in line or word == "EPSG:4326"


@pytest.mark.parametrize("text", ["{", "[]", "not json", '{"type": "Polygon"}'])
def test_what_is_no_licence_geojson_is_refused(
    refuse: Refuse, tmp_path: Path, forest: Path, text: str
) -> None:
    path = tmp_path / "licences.geojson"
    path.write_text(text)
    line = refuse("detect", forest, "--licences", path, "--out", tmp_path / "found")
    assert str(path) in line


def test_a_missing_licence_file_is_not_an_empty_register(
    refuse: Refuse, tmp_path: Path, forest: Path
) -> None:
    path = tmp_path / "licences.geojson"
    line = refuse("detect", forest, "--licences", path, "--out", tmp_path / "found")
    assert str(path) in line


def test_a_bow_tie_is_refused_and_the_good_licence_beside_it_is_used(
    nursery: Nursery, tmp_path: Path, forest: Path
) -> None:
    path = licences(tmp_path / "licences.geojson", GOOD, BOW_TIE)
    ran = nursery.run("detect", forest, "--licences", path, "--out", tmp_path / "found")
    assert ran.code == 1
    (refused,) = (x for x in ran.stderr.splitlines() if x.startswith("refused: "))
    assert str(path) in refused
    assert "feature 2 (C2)" in refused
    assert "117.0005 25.3105" in refused
    assert "crosses" in refused
    # without the good one there would be an alert
    assert "alerts: 0" in ran.stdout
    collection = json.loads((tmp_path / "found" / "alerts.geojson").read_bytes())
    assert collection["features"] == []
    assert "Traceback" not in ran.stderr


# ------------------------------------------------------------------------------ outputs


@pytest.mark.parametrize("below", ["a-file/found", "a-file", "/proc/found"])
def test_an_output_folder_that_cannot_be_written_is_refused_before_the_work(
    refuse: Refuse, tmp_path: Path, forest: Path, below: str
) -> None:
    # root may write anywhere, but nobody can write below a file
    (tmp_path / "a-file").write_text("here")
    out = tmp_path / below
    line = refuse("detect", forest, "--out", out)
    assert f"{out} cannot be written" in line
    assert "choose another path" in line
    assert (tmp_path / "a-file").read_text() == "here"


def test_a_demo_that_cannot_write_is_refused(
    refuse: Refuse, tmp_path: Path, demo_cube: tuple[Path, Path]
) -> None:
    assert all(path.is_file() for path in demo_cube)
    (tmp_path / "a-file").write_text("here")
    assert "cannot be written" in refuse("demo", tmp_path / "a-file" / "demo")


# ----------------------------------------------------------------------------- settings


def toml(settings: dict[str, dict[str, Any]], path: Path) -> Path:
    """Write settings; only the types that they have."""

    def value(of: object) -> str:
        return (
            json.dumps(of, ensure_ascii=False) if not hasattr(of, "year") else str(of)
        )

    lines = []
    for table, keys in settings.items():
        lines.append(f"[{table}]")
        lines += [f"{key} = {value(of)}" for key, of in keys.items()]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


WRONG: dict[str, tuple[str, str, Any, Sequence[str]]] = {
    "unknown-key": ("run", "wrokers", 2, ["unknown key run.wrokers", "workers"]),
    "unknown-table": ("alarms", "low", 1, ["unknown key alarms"]),
    "text-for-date": (
        "history",
        "until",
        "2018-06-30",
        ["history.until", "2018-06-30", "without quotes"],
    ),
    "true-for-number": ("run", "workers", True, ["run.workers", "whole number"]),
    "out-of-range": ("run", "workers", 0, ["run.workers", "0", "at least 1"]),
    "levels": ("evidence", "low", 99.0, ["99", "levels must rise"]),
    "unknown-index": ("evidence", "indices", ["ndwi"], ["ndwi", "ndvi"]),
    "unknown-source": ("source", "kind", "ftp", ["source.kind", "'ftp'", "cube"]),
    "path-as-code": ("district", "code", "../360728", ["District.code", "../360728"]),
    "no-files": ("source", "files", [], ["source.files is empty"]),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_setting_is_named_with_file_key_value_and_rule(
    refuse: Refuse, tmp_path: Path, forest: Path, name: str
) -> None:
    table, key, value, words = WRONG[name]
    (tmp_path / "forest.nc").symlink_to(forest)
    settings = {**SETTINGS, table: {**SETTINGS.get(table, {}), key: value}}
    path = toml(settings, tmp_path / "settings.toml")
    line = refuse("run", path, "--until", "2019-06-30")
    for word in (str(path), *words):
        assert word in line


@pytest.mark.parametrize("command", ["run", "verify"])
@pytest.mark.parametrize("text", ["[district", "\x00", "district = 3", "", None])
def test_what_is_no_settings_file_is_refused(
    refuse: Refuse, tmp_path: Path, command: str, text: str | None
) -> None:
    path = tmp_path / "settings.toml"
    if text is not None:
        path.write_text(text)
    assert str(path) in refuse(command, path)


def test_a_package_that_is_not_installed_is_named_with_the_command(
    refuse: Refuse, tmp_path: Path
) -> None:
    source = {
        **SETTINGS["source"],
        "distribution": "no-such-sample",
        "extra": "demo",
        "sha256": ["0" * 64],
    }
    path = toml({**SETTINGS, "source": source}, tmp_path / "settings.toml")
    line = refuse("run", path, "--until", "2019-06-30", code=5)
    assert "no-such-sample" in line
    assert 'pip install "rsmonitor[demo]"' in line


def test_a_sample_with_other_bytes_is_refused(
    refuse: Refuse, tmp_path: Path, demo_cube: tuple[Path, Path]
) -> None:
    source = {
        "kind": "cube",
        "distribution": "nrt",
        "extra": "demo",
        "files": [demo_cube[0].name],
        "sha256": ["0" * 64],
    }
    path = toml({**SETTINGS, "source": source}, tmp_path / "settings.toml")
    line = refuse("run", path, "--until", "2019-06-30")
    assert str(demo_cube[0]) in line
    assert "SHA-256" in line


def test_a_scheduled_run_over_a_cloudy_cube_names_the_settings(
    refuse: Refuse, tmp_path: Path
) -> None:
    write(clouded(landscape().cube()), tmp_path / "forest.nc")
    path = toml(SETTINGS, tmp_path / "settings.toml")
    line = refuse("run", path, "--until", "2019-06-30")
    assert str(path) in line
    assert "has 0 scenes" in line


def test_a_refused_run_leaves_the_outputs_of_the_one_before(
    nursery: Nursery, refuse: Refuse, tmp_path: Path, forest: Path
) -> None:
    (tmp_path / "forest.nc").symlink_to(forest)
    path = toml(SETTINGS, tmp_path / "settings.toml")
    ran: Ran = nursery.run("run", path, "--until", "2019-06-30")
    assert ran.code == 0, ran.stderr
    (tmp_path / "forest.nc").unlink()
    (tmp_path / "forest.nc").write_bytes(forest.read_bytes()[:5000])
    assert "forest.nc" in refuse("run", path, "--until", "2019-12-31")
