import dataclasses
import hashlib
import subprocess
import sys
import warnings
from datetime import date
from pathlib import Path

import numpy as np
import pyproj
import pytest
import rasterio
import xarray as xr
from deliveries import ROMANIA, result_of, synthetic_evidence

from rsmonitor.errors import ContractError, OutputError
from rsmonitor.io.deliver.coverage import coverage_raster
from rsmonitor.io.deliver.rasters import (
    raster_name,
    write_coverage_raster,
    write_evidence,
)
from rsmonitor.records.grid import Grid
from rsmonitor.records.run import RunResult

DEGREES = dataclasses.replace(
    ROMANIA,
    crs="EPSG:4326",
    left=115.0,
    top=25.0,
    pixel_width=1e-4,
    pixel_height=0.9e-4,
)
GAUSS_KRUGER = dataclasses.replace(
    ROMANIA, crs=pyproj.CRS("EPSG:4547").to_wkt(), left=620_000.0, top=2_800_000.0
)
UTM = dataclasses.replace(
    ROMANIA, crs="EPSG:32650", left=3e5, top=2.8e6, mgrs_tile="50RKQ"
)
GRIDS = [ROMANIA, DEGREES, GAUSS_KRUGER, UTM]
NAMES = ["laea", "degrees", "wkt", "utm"]


@pytest.fixture(scope="module")
def result() -> RunResult:
    return result_of(synthetic_evidence())


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def read(path: Path) -> xr.Dataset:
    """Open it as anyone would; any warning is a failure."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with xr.open_dataset(path) as opened:
            return opened.load()


def test_evidence_comes_back_as_it_was(tmp_path: Path) -> None:
    evidence = synthetic_evidence()
    path = tmp_path / "evidence.nc"
    write_evidence(path, evidence, ROMANIA)
    back = read(path)
    assert set(back.data_vars) - {"spatial_ref"} == set(evidence.data_vars)
    for name in evidence.data_vars:
        assert back[name].dims == ("y", "x")
        assert back[name].dtype == evidence[name].dtype
        np.testing.assert_array_equal(back[name], evidence[name])
    np.testing.assert_allclose(back["x"], evidence["x"])
    np.testing.assert_allclose(back["y"], evidence["y"])
    assert back["tier"].dtype == "uint8"
    assert back["n_clear"].dtype == "uint16"
    assert back["monitored"].dtype == "bool"
    assert not back["monitored"].all()
    assert back["first_seen"].isnull().any()


@pytest.mark.parametrize("grid", GRIDS, ids=NAMES)
def test_xarray_and_gdal_find_the_same_place(tmp_path: Path, grid: Grid) -> None:
    path = tmp_path / "evidence.nc"
    evidence = synthetic_evidence(grid)
    write_evidence(path, evidence, grid)
    back = read(path)
    for name in evidence.data_vars:
        mapping = back[back[name].attrs["grid_mapping"]]
        assert pyproj.CRS(mapping.attrs["crs_wkt"]) == pyproj.CRS(grid.crs)
    assert back["x"][0] == pytest.approx(grid.left + grid.pixel_width / 2)
    assert back["y"][-1] == pytest.approx(grid.bottom + grid.pixel_height / 2)
    with rasterio.open(f"netcdf:{path}:tier") as dataset:
        assert dataset.crs == rasterio.crs.CRS.from_user_input(grid.crs)
        assert tuple(dataset.transform)[:6] == pytest.approx(grid.transform)
        np.testing.assert_array_equal(dataset.read(1), evidence["tier"])


def test_days_are_whole_days_in_the_file(tmp_path: Path) -> None:
    evidence = synthetic_evidence()
    path = tmp_path / "evidence.nc"
    write_evidence(path, evidence, ROMANIA)
    with xr.open_dataset(path, decode_cf=False) as raw:
        assert raw["first_seen"].dtype == "int32"
        assert raw["first_seen"].attrs["units"] == "days since 1970-01-01"
        never = raw["first_seen"].attrs["_FillValue"]
        assert ((raw["first_seen"] == never) == evidence["first_seen"].isnull()).all()


def test_the_notice_is_in_the_file(tmp_path: Path) -> None:
    path = tmp_path / "evidence.nc"
    about = {"comment": "只是问题线索", "week": "2020-W40"}
    write_evidence(path, synthetic_evidence(), ROMANIA, attributes=about)
    attributes = read(path).attrs
    assert attributes["Conventions"] == "CF-1.8"
    assert attributes.items() >= about.items()


def test_same_evidence_gives_the_same_bytes_in_another_process(
    tmp_path: Path,
) -> None:
    here, there = tmp_path / "here.nc", tmp_path / "there.nc"
    write_evidence(here, synthetic_evidence(), ROMANIA)
    script = (
        "import sys; from pathlib import Path\n"
        "from deliveries import ROMANIA, synthetic_evidence\n"
        "from rsmonitor.io.deliver.rasters import write_evidence\n"
        "write_evidence(Path(sys.argv[1]), synthetic_evidence(), ROMANIA)\n"
    )
    subprocess.run(  # noqa: S603 - our own script
        [sys.executable, "-c", script, str(there)],
        check=True,
        env={"PYTHONPATH": ":".join(sys.path), "PYTHONHASHSEED": "7"},
    )
    assert digest(here) == digest(there)


def test_coverage_says_when_ground_was_last_seen(
    tmp_path: Path, result: RunResult
) -> None:
    path = tmp_path / "coverage.nc"
    write_coverage_raster(path, coverage_raster(result, ROMANIA.grid_id), ROMANIA)
    back = read(path)
    sunday = np.datetime64(result.partition.week.last_day)
    age = (sunday - back["last_clear"].to_numpy()) / np.timedelta64(1, "D")
    np.testing.assert_array_equal(back["days_since_clear"], age)
    assert back["days_since_clear"].isnull().sum() == 3
    assert back["seen"].dtype == "bool"
    monday = np.datetime64(date(2020, 9, 28))
    np.testing.assert_array_equal(back["seen"], back["last_clear"].to_numpy() >= monday)
    assert 0 < back["seen"].mean() < 1


def test_look_after_the_end_of_the_week_is_refused(result: RunResult) -> None:
    late = result.last_clear[ROMANIA.grid_id].copy()
    late[0, 0] = np.datetime64("2020-10-05", "ns")
    changed = dataclasses.replace(result, last_clear={ROMANIA.grid_id: late})
    with pytest.raises(ContractError, match=r"2020-10-05.*2020-W40"):
        coverage_raster(changed, ROMANIA.grid_id)


def test_evidence_of_another_shape_than_the_grid_is_refused(tmp_path: Path) -> None:
    small = dataclasses.replace(ROMANIA, height=90)
    with pytest.raises(ContractError, match=r"\(90, 100\)"):
        write_evidence(tmp_path / "evidence.nc", synthetic_evidence(), small)
    assert not list(tmp_path.iterdir())


def test_evidence_of_another_type_is_refused(tmp_path: Path) -> None:
    evidence = synthetic_evidence()
    evidence["tier"] = evidence["tier"].astype("int64")
    with pytest.raises(ContractError, match="tier must be uint8"):
        write_evidence(tmp_path / "evidence.nc", evidence, ROMANIA)


def test_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    path = tmp_path / "missing" / "evidence.nc"
    with pytest.raises(OutputError, match=r"missing.evidence\.nc"):
        write_evidence(path, synthetic_evidence(), ROMANIA)


def test_older_file_is_replaced_whole_and_nothing_is_left_beside_it(
    tmp_path: Path,
) -> None:
    path = tmp_path / "evidence.nc"
    path.write_text("an older file")
    write_evidence(path, synthetic_evidence(), ROMANIA)
    assert read(path)["tier"].shape == ROMANIA.shape
    assert list(tmp_path.iterdir()) == [path]


def test_files_of_several_grids_have_the_grids_in_their_names() -> None:
    assert raster_name("evidence", UTM, (UTM,)) == "evidence.nc"
    name = f"coverage-{UTM.grid_id}.nc"
    assert raster_name("coverage", UTM, (UTM, ROMANIA)) == name
