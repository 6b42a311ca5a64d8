"""Which ground the settings mean: cells by code, by border, by name; many districts."""

import json
from pathlib import Path

import pytest
import shapely

from rsmonitor.config import read_districts, read_settings
from rsmonitor.errors import SettingsError
from rsmonitor.wiring.sources import area_of

ROOT = Path(__file__).parents[2]
HEAD = """
[history]
start = 2023-01-01
until = 2024-12-31
[run]
work = "work"
out = "out"
"""
DISTRICT = """
code = "{code}"
name_zh = "县"
name_en = "county"
bureau = "bureau"
"""


def write(folder: Path, source: str, *codes: str) -> Path:
    """Write settings of one district or of several."""
    table = "[district]" if len(codes) == 1 else "[[districts]]"
    districts = "".join(table + DISTRICT.format(code=code) for code in codes)
    path = folder / "settings.toml"
    path.write_text(f"{districts}[source]\nkind = 'stac'\n{source}\n{HEAD}")
    return path


def test_a_district_of_the_list_is_watched_by_its_code(tmp_path: Path) -> None:
    area = ROOT / "aoi" / "districts.geojson"
    settings = read_settings(write(tmp_path, f"area = '{area}'", "360734"))
    (grid,) = area_of(settings)
    assert grid.mgrs_tile == "50RLN"
    with pytest.raises(SettingsError, match=r"no district '999999'.*360728"):
        area_of(read_settings(write(tmp_path, f"area = '{area}'", "999999")))


def test_a_whole_county_is_one_line(tmp_path: Path) -> None:
    border = tmp_path / "county.geojson"
    feature = {
        "type": "Feature",
        "properties": {"code": "360734"},
        "geometry": shapely.geometry.mapping(shapely.box(115.61, 24.8, 115.79, 24.95)),
    }
    border.write_text(json.dumps({"type": "FeatureCollection", "features": [feature]}))
    settings = read_settings(write(tmp_path, "border = 'county.geojson'", "360734"))
    grids = area_of(settings)
    assert sum(grid.height * grid.width for grid in grids) >= 4 * 1_000_000
    other = read_settings(write(tmp_path, "border = 'county.geojson'", "360735"))
    with pytest.raises(SettingsError, match=r"no border of 360735.*360734"):
        area_of(other)


def test_cells_by_name_are_the_grid_and_nothing_else_is_one(tmp_path: Path) -> None:
    (grid,) = area_of(read_settings(write(tmp_path, "cells = ['50RLN_05']", "a1")))
    assert grid.shape == (1000, 1000)
    with pytest.raises(SettingsError, match="50RLN_5"):
        area_of(read_settings(write(tmp_path, "cells = ['50RLN_5']", "a1")))


def test_a_source_without_ground_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"source\.area, source\.border"):
        read_settings(write(tmp_path, "", "a1"))


def test_many_districts_share_settings_and_not_outputs(tmp_path: Path) -> None:
    path = write(tmp_path, "cells = ['50RLN_05']", "a1", "a2")
    one, two = read_districts(path)
    assert (one.run.work, two.run.work) == ("work", "work")
    assert (one.run.out, two.run.out) == ("out/a1", "out/a2")
    assert one.digest == two.digest
    assert [s.district.code for s in read_districts(path, "a2")] == ["a2"]
    with pytest.raises(SettingsError, match=r"of 2 districts.*--district"):
        read_settings(path)
    with pytest.raises(SettingsError, match="stands there twice"):
        read_districts(write(tmp_path, "cells = ['50RLN_05']", "a1", "a1"))


def test_another_service_is_another_history(tmp_path: Path) -> None:
    there = read_settings(write(tmp_path, "cells = ['50RLN_05']", "a1"))
    source = "cells = ['50RLN_05']\nservice = 'planetary-computer'"
    assert read_settings(write(tmp_path, source, "a1")).digest != there.digest
    source = "cells = ['50RLN_05']\nurl = 'http://127.0.0.1:9'"
    assert read_settings(write(tmp_path, source, "a1")).digest != there.digest
    # the default by its name is the default
    source = "cells = ['50RLN_05']\nservice = 'earth-search'"
    assert read_settings(write(tmp_path, source, "a1")).digest == there.digest
    # where things lie changes nothing
    source = "cells = ['50RLN_05']\ncache = 'elsewhere'"
    assert read_settings(write(tmp_path, source, "a1")).digest == there.digest


def test_the_example_deployment_is_complete() -> None:
    offices = read_districts(ROOT / "configs" / "ganzhou.toml")
    assert [office.district.code for office in offices] == [
        "360728",
        "360783",
        "360734",
    ]
    for office in offices:
        assert all(grid.crs == "EPSG:32650" for grid in area_of(office))
