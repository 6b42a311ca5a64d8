"""The scheduled job against a STAC API, Sentinel Hub and a folder: one and the same."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
import shapely
from affine import Affine
from emulators.start import CLIENT_ID, CLIENT_SECRET, Running, running
from scenes_of_demo import COARSE, FINE, TileCube, product_name, tile_cube

from rsmonitor.stages.tiling import tile_grid

ROOT = Path(__file__).parents[2]
CELLS = ["34TER_90"]
"""The one that holds most of the sample; what lies beside it is not watched."""
UNTIL = "2018-10-21"
HISTORY_LOOKS, NEW_LOOKS = 14, 7


@pytest.fixture(scope="module")
def cube(demo_cube: tuple[Path, Path]) -> TileCube:
    return tile_cube(*demo_cube)


@pytest.fixture(scope="module")
def chosen(cube: TileCube) -> list[int]:
    """Choose looks that show the ground: enough to fit, and to see openings."""
    shows = np.isin(cube.scl, (4, 5)).mean(axis=(1, 2)) > 0.5
    days = np.array([np.datetime64(t.date(), "D") for t in cube.times])
    past = np.flatnonzero(shows & (days <= np.datetime64("2018-06-30")))
    new = np.flatnonzero(
        shows & (days > np.datetime64("2018-06-30")) & (days < np.datetime64(UNTIL))
    )
    return [*past[-HISTORY_LOOKS:].tolist(), *new[:NEW_LOOKS].tolist()]


@pytest.fixture(scope="module")
def served(
    cube: TileCube, chosen: list[int], tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """Write the chosen looks as scenes of their tile, for the emulators."""
    folder = tmp_path_factory.mktemp("served")
    tile = tile_grid(cube.place.mgrs_tile)
    outline = shapely.geometry.mapping(shapely.box(21.9, 44.9, 22.5, 45.4))
    said, pixels = [], {}
    for index in chosen:
        time = cube.times[index]
        name = product_name(time, cube.place.mgrs_tile)
        said.append(
            {
                "product_id": name,
                "mgrs_tile": cube.place.mgrs_tile,
                "version": "03.00",
                "sensed_at": time.isoformat(),
                "cloud_percent": 10.0,
                "applied": False,
                "footprint": outline,
                "bbox": [21.9, 44.9, 22.5, 45.4],
                "epsg": int(tile.crs.split(":")[1]),
                "left": int(tile.left),
                "top": int(tile.top),
                "row": cube.place.row,
                "col": cube.place.col,
            }
        )
        for place, band in enumerate(FINE):
            pixels[f"{name}:{band}"] = cube.fine[place, index]
        for place, band in enumerate(COARSE):
            pixels[f"{name}:{band}"] = cube.coarse[place, index]
        pixels[f"{name}:SCL"] = cube.scl[index]
    client = {"client_id": CLIENT_ID, "client_secret": CLIENT_SECRET}
    bands = [*FINE, *COARSE]
    (folder / "scenes.json").write_text(
        json.dumps(
            {
                "scenes": said,
                "bands": bands,
                "credentials": client,
                "dialect": "earth-search",
            }
        )
    )
    np.savez(folder / "pixels.npz", **pixels)
    return folder


def settings_file(folder: Path, source: dict[str, Any]) -> Path:
    """Write a settings file that differs from a real one in address alone."""
    folder.mkdir(parents=True)
    lines = [
        "[district]",
        'code = "services"',
        'name_zh = "服务测试"',
        'name_en = "services"',
        'bureau = "test"',
        "[source]",
        *(f"{key} = {json.dumps(value)}" for key, value in source.items()),
        f"cells = {json.dumps(CELLS)}",
        "[history]",
        "start = 2015-07-01",
        "until = 2018-06-30",
        "[evidence]",
        "min_sample = 20",
        "[run]",
        'work = "work"',
        'out = "out"',
    ]
    path = folder / "settings.toml"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def rsmonitor(*arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {
        **os.environ,
        "RSMONITOR_SH_CLIENT_ID": CLIENT_ID,
        "RSMONITOR_SH_CLIENT_SECRET": CLIENT_SECRET,
    }
    return subprocess.run(  # noqa: S603 - our own program
        [sys.executable, "-m", "rsmonitor", *arguments],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=280,
    )


@pytest.fixture(scope="module")
def stac(served: Path) -> Iterator[Running]:
    with running("stac_emulator", served) as emulator:
        yield emulator


@pytest.fixture(scope="module")
def by_stac(stac: Running, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("stac") / "office"
    source = {"kind": "stac", "service": "earth-search", "url": stac.address}
    path = settings_file(folder, source)
    done = rsmonitor("run", str(path), "--until", UNTIL)
    assert done.returncode == 0, done.stderr + done.stdout
    return folder


def alerts(folder: Path) -> list[Any]:
    """Give the alerts of a run without what names its source."""
    text = (folder / "out" / "latest" / "alerts.geojson").read_text(encoding="utf-8")
    features = json.loads(text)["features"]
    for feature in features:
        feature["properties"].pop("settings_digest")
    return features


def test_a_stac_api_gives_alerts_on_the_openings(by_stac: Path) -> None:
    found = alerts(by_stac)
    assert found
    assert all(f["properties"]["scenes"] for f in found)


@pytest.mark.needs_program("node", "nodejs")
def test_sentinel_hub_gives_the_same_alerts_as_a_stac_api(
    by_stac: Path, served: Path, tmp_path: Path
) -> None:
    with running("sentinelhub_emulator", served) as emulator:
        source = {
            "kind": "sentinelhub",
            "service": "cdse",
            "url": emulator.address,
            "token_url": f"{emulator.address}/token",
        }
        path = settings_file(tmp_path / "office", source)
        done = rsmonitor("run", str(path), "--until", UNTIL)
    assert done.returncode == 0, done.stderr + done.stdout
    assert alerts(tmp_path / "office") == alerts(by_stac)
    for file in (tmp_path / "office").rglob("*"):
        if file.is_file():
            assert CLIENT_SECRET.encode() not in file.read_bytes(), file
    assert CLIENT_SECRET not in done.stdout + done.stderr


def test_a_folder_of_images_gives_the_same_alerts_as_a_stac_api(
    by_stac: Path, cube: TileCube, chosen: list[int], tmp_path: Path
) -> None:
    products = tmp_path / "products"
    for index in chosen:
        write_product(products, cube, index)
    path = settings_file(tmp_path / "office", {"kind": "folder", "path": str(products)})
    done = rsmonitor("run", str(path), "--until", UNTIL)
    assert done.returncode == 0, done.stderr + done.stdout
    found = alerts(tmp_path / "office")
    assert found == alerts(by_stac)
    # the cache was lost and the last look is gone; of the first a band came anew
    last, first = (
        product_name(cube.times[index], cube.place.mgrs_tile)
        for index in (chosen[-1], chosen[0])
    )
    shutil.move(products / last, tmp_path / last)
    shutil.rmtree(path.parent / "cache")
    band = f"T{cube.place.mgrs_tile}_B02_10m.tif"
    shutil.copy(tmp_path / last / band, products / first / band)
    _, told = again(path, found[0])
    changed = {each["what"]: each["now"] for each in told["changed"]}
    assert set(changed) == {f"scene {last}", f"bytes of {last}", f"bytes of {first}"}
    assert changed[f"scene {last}"] is None


def again(settings: Path, alert: Any) -> tuple[int, dict[str, Any]]:  # noqa: ANN401 - JSON
    """Compute an alert again."""
    done = rsmonitor("reproduce", str(settings), alert["id"], "--json")
    assert done.returncode in {0, 1}, done.stderr
    told: dict[str, Any] = json.loads(done.stdout)
    return done.returncode, told


def test_an_alert_is_computed_again_from_what_the_cache_holds(
    by_stac: Path, stac: Running
) -> None:
    settings = by_stac / "settings.toml"
    text = settings.read_text(encoding="utf-8")
    alone = by_stac / "offline.toml"
    alone.write_text(
        text.replace("[source]", "[source]\noffline = true"), encoding="utf-8"
    )
    before = len(stac.requests())
    code, told = again(alone, alerts(by_stac)[0])
    assert (code, told["differs"], told["changed"]) == (0, [], [])
    assert told["overlap"] == 1
    assert not told["not_recorded"]
    assert len(stac.requests()) == before


def write_product(folder: Path, cube: TileCube, index: int) -> None:
    """Write one look as images with a description, as an office would keep them."""
    time = cube.times[index]
    name = product_name(time, cube.place.mgrs_tile)
    place = folder / name
    place.mkdir(parents=True)
    images = {(band, 10): cube.fine[i, index] for i, band in enumerate(FINE)}
    images |= {(band, 20): cube.coarse[i, index] for i, band in enumerate(COARSE)}
    images[("SCL", 20)] = cube.scl[index]
    for (band, pixel), values in images.items():
        with rasterio.open(
            place / f"T{cube.place.mgrs_tile}_{band}_{pixel}m.tif",
            "w",
            driver="GTiff",
            height=values.shape[0],
            width=values.shape[1],
            count=1,
            dtype=values.dtype,
            crs=cube.grid.crs,
            transform=Affine(pixel, 0, cube.grid.left, 0, -pixel, cube.grid.top),
        ) as image:
            image.write(values, 1)
    said = {
        "product_id": name,
        "mgrs_tile": cube.place.mgrs_tile,
        "platform": "S2A",
        "sensed_at": time.isoformat().replace("+00:00", "Z"),
        "add_offset": 0,
        "quantification_value": 10000,
    }
    (place / "product.json").write_text(json.dumps(said))


def test_a_second_run_asks_for_no_pixel_again(by_stac: Path, stac: Running) -> None:
    before = len(stac.requests())
    again = rsmonitor("run", str(by_stac / "settings.toml"), "--until", UNTIL)
    assert again.returncode == 0, again.stderr
    assert "done before" in again.stdout
    asked = stac.requests()[before:]
    assert not [r for r in asked if ".tif" in json.dumps(r)]


def test_find_and_explain_say_what_there_is(by_stac: Path) -> None:
    config = str(by_stac / "settings.toml")
    found = rsmonitor("find", config, "--until", UNTIL, "--json")
    assert found.returncode == 0, found.stderr
    assert len(json.loads(found.stdout)) == HISTORY_LOOKS + NEW_LOOKS
    cost = rsmonitor("explain", config, "--until", UNTIL, "--json")
    assert cost.returncode == 0, cost.stderr
    (district,) = json.loads(cost.stdout)
    assert sum(grid["pieces"] for grid in district["grids"]) == 0, "all is cached"
    assert district["cache_megabytes"] > 0
    # a look of one cell is some megabytes, and there were looks in the year before
    assert 0 < district["kept_megabytes"] < 1000
    assert district["keep_days"] == 1100
