"""What is no cube, or not a whole one, is refused with file, value and rule."""

import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import netCDF4
import numpy as np
import pytest
import xarray as xr
from cubes import (
    ALWAYS,
    DAYS,
    LEFT,
    TOP,
    cube,
    numbers,
    scenes,
    vegetation,
    whole,
    write,
)
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pyproj import CRS

from rsmonitor.errors import ContractError, SourceError
from rsmonitor.io.sources.cube import CubeSource
from rsmonitor.records.grid import Block

RED = ("time", "y", "x")


def refusal(*paths: Path, **options: Any) -> str:  # noqa: ANN401
    """Open and read everything; give the message of the refusal."""
    with (
        pytest.raises(SourceError) as caught,
        CubeSource.open(paths, **options) as source,
    ):
        scenes(source)
    message = str(caught.value)
    assert "Traceback" not in message
    return message


# --------------------------------------------------------------------------- no cube


def no_file(path: Path) -> None:
    """Leave nothing there."""


def empty_file(path: Path) -> None:
    path.touch()


def text_file(path: Path) -> None:
    path.write_text("time,y,x\n1,2,3\n")


def folder(path: Path) -> None:
    path.mkdir()
    (path / "a.nc").touch()


def pipe(path: Path) -> None:
    os.mkfifo(path)


def truncated_netcdf(path: Path) -> None:
    write(cube(), path)
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 2 // 3])


def zarr_without_its_root(path: Path) -> None:
    write(cube(), path.with_suffix(".zarr"))
    path.with_suffix(".zarr").rename(path)
    (path / "zarr.json").unlink()


def zarr_with_garbage_for_metadata(path: Path) -> None:
    write(cube(), path.with_suffix(".zarr"))
    path.with_suffix(".zarr").rename(path)
    (path / "B04" / "zarr.json").write_text("{")


@pytest.mark.parametrize(
    "make",
    [
        no_file,
        empty_file,
        text_file,
        folder,
        pipe,
        truncated_netcdf,
        zarr_without_its_root,
        zarr_with_garbage_for_metadata,
    ],
)
def test_what_is_no_cube_is_refused_by_name(
    tmp_path: Path, make: Callable[[Path], None]
) -> None:
    path = tmp_path / "place.nc"
    make(path)
    assert refusal(path).startswith(f"{path}: ")


def test_a_path_that_no_system_has_is_refused() -> None:
    assert "cannot read it" in refusal(Path("x" * 5000))


def test_no_files_are_refused() -> None:
    assert "no cube file given" in refusal()


def damage_chunks(path: Path) -> None:
    for chunk in (path / "B04" / "c").rglob("*"):
        if chunk.is_file():
            chunk.write_bytes(b"\x00damaged")


def test_a_damaged_chunk_of_zarr_is_refused_with_its_variable(tmp_path: Path) -> None:
    path = write(cube(), tmp_path / "a.zarr")
    damage_chunks(path)
    assert f"{path}: cannot read B04" in refusal(path)


def test_a_damaged_chunk_of_netcdf_is_refused_with_its_variable(
    tmp_path: Path,
) -> None:
    path = tmp_path / "a.nc"
    dataset = cube({"B04": numbers(40, 60), "SCL": vegetation(40, 60)})
    dataset.to_netcdf(path, encoding={"B04": {"fletcher32": True}})
    raw = path.read_bytes()
    at = raw.find(numbers(40, 60)[:, 20].tobytes()[:120])
    path.write_bytes(raw[:at] + b"\xff" + raw[at + 1 :])
    assert f"{path}: cannot read B04" in refusal(path)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.floats(0, 1, exclude_max=True))
def test_a_file_cut_off_anywhere_is_refused_or_whole(
    tmp_path: Path, share: float
) -> None:
    path = write(cube(), tmp_path / "a.nc")
    raw = path.read_bytes()
    path.write_bytes(raw[: int(len(raw) * share)])
    assert str(path) in refusal(path)


# --------------------------------------------------------------------- axes and times


def changed(tmp_path: Path, change: Callable[[xr.Dataset], xr.Dataset | None]) -> Path:
    """Write a good cube with one thing wrong."""
    dataset = cube()
    result = change(dataset)
    return write(dataset if result is None else result, tmp_path / "place.nc")


def no_time(dataset: xr.Dataset) -> xr.Dataset:
    return dataset.isel(time=0, drop=True)


def no_coordinates(dataset: xr.Dataset) -> xr.Dataset:
    return dataset.drop_vars("y")


def one_column(dataset: xr.Dataset) -> xr.Dataset:
    return dataset.isel(x=slice(0, 1))


def a_row_out_of_place(dataset: xr.Dataset) -> xr.Dataset:
    y = dataset.y.to_numpy().copy()
    y[2] += 0.02
    return dataset.assign_coords(y=y)


def a_row_missing(dataset: xr.Dataset) -> xr.Dataset:
    return dataset.isel(y=[0, 1, 3])


def all_rows_alike(dataset: xr.Dataset) -> xr.Dataset:
    return dataset.assign_coords(y=np.full(4, TOP))


def a_row_nowhere(dataset: xr.Dataset) -> xr.Dataset:
    return dataset.assign_coords(y=[3.0, 2.0, np.nan, 0.0])


def rows_named(dataset: xr.Dataset) -> xr.Dataset:
    return dataset.assign_coords(y=["a", "b", "c", "d"])


def no_crs(dataset: xr.Dataset) -> xr.Dataset:
    for variable in dataset.data_vars.values():
        variable.attrs.clear()
    return dataset.drop_vars("spatial_ref")


def garbage_for_crs(dataset: xr.Dataset) -> xr.Dataset:
    return dataset.assign(spatial_ref=((), 0, {"crs_wkt": "PROJCS[garbage"}))


def garbage_attribute_for_crs(dataset: xr.Dataset) -> xr.Dataset:
    return no_crs(dataset).assign_attrs(crs="WGS 84 / UTM")


def centre_of_the_earth(dataset: xr.Dataset) -> xr.Dataset:
    return no_crs(dataset).assign_attrs(crs="EPSG:4978")


def metres_taken_for_degrees(dataset: xr.Dataset) -> xr.Dataset:
    return no_crs(dataset).assign_attrs(crs="EPSG:4326")


def degrees_taken_for_metres(dataset: xr.Dataset) -> xr.Dataset:
    return dataset.assign_coords(
        x=115 + 1e-4 * np.arange(6), y=25 - 1e-4 * np.arange(4)
    )


def nowhere_on_earth(dataset: xr.Dataset) -> xr.Dataset:
    return dataset.assign_coords(x=dataset.x + 1e9)


def twice_the_same_time(dataset: xr.Dataset) -> xr.Dataset:
    return dataset.isel(time=[0, 1, 1])


def times_out_of_order(dataset: xr.Dataset) -> xr.Dataset:
    return dataset.isel(time=[0, 2, 1])


def two_times_in_a_second(dataset: xr.Dataset) -> xr.Dataset:
    times = ["2018-01-01T00:00:00.1", "2018-01-01T00:00:00.9", "2018-01-02"]
    return dataset.assign_coords(time=np.array(times, dtype="datetime64[ns]"))


def a_time_unknown(dataset: xr.Dataset) -> xr.Dataset:
    times = dataset.time.to_numpy().copy()
    times[1] = "NaT"
    return dataset.assign_coords(time=times)


def times_before_any_satellite(dataset: xr.Dataset) -> xr.Dataset:
    return dataset.assign_coords(time=dataset.time - np.timedelta64(18_000, "D"))


def times_without_units(dataset: xr.Dataset) -> xr.Dataset:
    return dataset.assign_coords(time=[20180101, 20180106, 20180111])


def times_as_text(dataset: xr.Dataset) -> xr.Dataset:
    return dataset.assign_coords(time=list(DAYS))


def times_of_another_calendar(dataset: xr.Dataset) -> xr.Dataset:
    dates = xr.date_range("2018-02-28", periods=3, calendar="360_day", use_cftime=True)
    return dataset.assign_coords(time=dates)


def times_with_garbage_for_units(dataset: xr.Dataset) -> xr.Dataset:
    time = ("time", [1, 2, 3], {"units": "days since the flood"})
    return dataset.assign_coords(time=time)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (no_time, "no dimension 'time'"),
        (no_coordinates, "dimension y has no coordinates"),
        (one_column, "x has 1 pixel"),
        (a_row_out_of_place, "y[2] is 2799975.02, 0.002 pixels of 10.0"),
        (a_row_missing, "not evenly spaced"),
        (all_rows_alike, "y runs from 2800000.0 to 2800000.0"),
        (a_row_nowhere, "y[2] is nan"),
        (rows_named, "not numbers"),
        (no_crs, "grid_mapping of B04, SCL"),
        (garbage_for_crs, "cannot read the CRS in variable spatial_ref"),
        (garbage_attribute_for_crs, "cannot read the CRS in attribute crs, 'WGS 84"),
        (centre_of_the_earth, "not the CRS of a map"),
        (metres_taken_for_degrees, "around the Earth"),
        (degrees_taken_for_metres, "Is the CRS right?"),
        (nowhere_on_earth, "x 1000500000.0 to 1000500060.0"),
        (twice_the_same_time, "time[2] is 2018-01-06T00:00:00.000"),
        (times_out_of_order, "2018-01-06T00:00:00.000, after 2018-01-11T00:00:00.000"),
        (two_times_in_a_second, "by a second or more"),
        (a_time_unknown, "time[1] is not a time (NaT)"),
        (times_before_any_satellite, "must be from 1970-01-02"),
        (times_without_units, "time is not a time"),
        (times_as_text, "time is not a time"),
        (times_of_another_calendar, "standard calendar"),
        (times_with_garbage_for_units, "cannot read time"),
    ],
)
def test_a_cube_without_a_place_or_a_time_is_refused(
    tmp_path: Path, change: Callable[[xr.Dataset], xr.Dataset], said: str
) -> None:
    message = refusal(changed(tmp_path, change))
    assert message.startswith(f"{tmp_path / 'place.nc'}: ")
    assert said in message


@pytest.mark.parametrize(
    ("name", "size"), [("x", 0), ("time", 0), ("y", 10**9), ("lat", 2**40)]
)
def test_an_axis_that_is_empty_or_absurdly_long_is_refused_unread(
    tmp_path: Path, name: str, size: int
) -> None:
    path = tmp_path / "a.nc"
    with netCDF4.Dataset(path, "w") as file:
        for axis in RED:
            # an unlimited axis of netCDF is empty until something is written
            file.createDimension(axis, 4)
        file.renameDimension("y" if name == "lat" else name, "old")
        file.createDimension(name, size or None)
        file.createVariable(name, "f8", (name,))
        dims = tuple(name if a in {name, "y"[: name == "lat"]} else a for a in RED)
        file.createVariable("B04", "u2", dims, chunksizes=(1, 1, 1))
    assert f"dimension {name} has size {size}" in refusal(path)


# ------------------------------------------------------------------------------ bands


def red_as_text(dataset: xr.Dataset) -> xr.Dataset:
    return dataset.assign(B04=dataset.B04.astype(str).astype(object))


def red_without_time(dataset: xr.Dataset) -> xr.Dataset:
    return dataset.assign(B04=dataset.B04.isel(time=0, drop=True))


def no_names_of_bands(dataset: xr.Dataset) -> xr.Dataset:
    return dataset.rename({"B04": "ndvi", "SCL": "clouds"})


def two_names_of_one_band(dataset: xr.Dataset) -> xr.Dataset:
    return dataset.assign(red=dataset.B04)


def no_classes(dataset: xr.Dataset) -> xr.Dataset:
    return dataset.drop_vars("SCL")


def classes_alone(dataset: xr.Dataset) -> xr.Dataset:
    return dataset.drop_vars("B04")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (red_as_text, "bands must be numbers"),
        (red_without_time, "B04 has dimensions ('y', 'x')"),
        (no_names_of_bands, "there are clouds, ndvi, spatial_ref"),
        (two_names_of_one_band, "B04 and red are both B04"),
        (no_classes, "no SCL"),
        (classes_alone, "SCL alone"),
    ],
)
def test_a_cube_without_the_bands_it_needs_is_refused(
    tmp_path: Path, change: Callable[[xr.Dataset], xr.Dataset], said: str
) -> None:
    message = refusal(changed(tmp_path, change))
    assert "place.nc" in message
    assert said in message


# ----------------------------------------------------------------------------- values


def with_red(tmp_path: Path, values: list[Any], dtype: str, **attributes: Any) -> Path:  # noqa: ANN401
    """Write a cube with one odd row in the last scene."""
    red = numbers(4, 4).astype(dtype)
    if np.dtype(dtype).kind == "f" and max(values) < 10_000:
        red /= 10_000
    red[-1, 1, : len(values)] = values
    dataset = cube({"B04": red, "SCL": vegetation(4, 4)})
    dataset.B04.attrs |= attributes
    return write(dataset, tmp_path / "place.nc")


@pytest.mark.parametrize(
    ("values", "dtype", "attributes", "said"),
    [
        ([12_345], "float32", {}, "reflectance of 1000"),
        ([-9999], "int16", {}, "holds -9999 on 2018-01-11"),
        ([-9999.0], "float32", {}, "holds -9999.0 on 2018-01-11"),
        ([1e300], "float64", {}, "--scale"),
        ([15], "float32", {}, "reflectance is -0.5 to 10"),
        ([500], "uint16", {"scale_factor": 0.02}, "holds 1000 on 2018-01-01"),
        ([500], "int32", {}, "is int32 without scale_factor"),
        ([500], "uint8", {}, "is uint8 without scale_factor"),
        ([500], "uint16", {"scale_factor": "a tenth"}, "it must be a number"),
        ([500], "uint16", {"scale_factor": [1e-4, 1e-4]}, "it must be one number"),
        ([500], "uint16", {"scale_factor": 0.0}, "the scale must be positive"),
        ([500], "uint16", {"scale_factor": float("nan")}, "the scale must be positive"),
        ([500], "uint16", {"add_offset": float("inf")}, "both finite"),
        ([500], "uint16", {"nodata": "none"}, "nodata 'none'; it must be a number"),
    ],
)
def test_numbers_that_cannot_be_reflectance_are_refused(
    tmp_path: Path, values: list[Any], dtype: str, attributes: dict[str, Any], said: str
) -> None:
    values = [value % 256 for value in values] if dtype == "uint8" else values
    message = refusal(with_red(tmp_path, values, dtype, **attributes))
    assert message.startswith(f"{tmp_path / 'place.nc'}: B04 ")
    assert said in message


def test_wrong_numbers_beside_what_was_looked_at_first_are_refused_on_reading(
    tmp_path: Path,
) -> None:
    red = numbers(300, 300, times=3).astype(np.int16) // 8
    red[2, 0, 0] = -9999
    dataset = cube({"B04": red, "SCL": vegetation(300, 300)})
    path = write(dataset, tmp_path / "place.nc")
    with CubeSource.open([path]) as source:
        (grid,) = source.grids()
        first, _, last = source.find(grid, until=ALWAYS)
        corner = Block(row=0, col=0, height=2, width=2)
        source.load(first, grid, corner)
        with pytest.raises(SourceError, match="B04 holds -9999 on 2018-01-11"):
            source.load(last, grid, corner)


@pytest.mark.parametrize(
    ("value", "dtype", "attributes", "said"),
    [
        (12, "uint8", {}, "SCL holds 12 on 2018-01-11"),
        (255, "uint8", {}, "SCL holds 255"),
        (-1, "int16", {}, "SCL holds -1"),
        (6.5, "float32", {}, "SCL holds 6.5"),
        (float("inf"), "float32", {}, "SCL holds inf"),
        (4, "uint8", {"scale_factor": 2.0}, "classes are not scaled"),
    ],
)
def test_numbers_that_are_no_class_are_refused(
    tmp_path: Path, value: float, dtype: str, attributes: dict[str, Any], said: str
) -> None:
    scl = vegetation(4, 4).astype(dtype)
    scl[-1, 2, 2] = value
    dataset = cube({"B04": numbers(4, 4), "SCL": scl})
    dataset.SCL.attrs |= attributes
    message = refusal(write(dataset, tmp_path / "place.nc"))
    assert message.startswith(f"{tmp_path / 'place.nc'}: SCL ")
    assert said in message


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"scale": 0.0}, "scale must be positive"),
        ({"scale": float("nan")}, "scale must be positive"),
        ({"offset": float("inf")}, "offset must be finite"),
        ({"platform": "Sentinel-2A"}, "platform must be S2 and a letter"),
        ({"scale": 1.0}, "reflectance is -0.5 to 10"),
    ],
)
def test_options_that_no_cube_fits_are_refused(
    tmp_path: Path, options: dict[str, Any], said: str
) -> None:
    assert said in refusal(write(cube(), tmp_path / "a.nc"), **options)


# --------------------------------------------------------------------- several files


def swir(pixel: float, height: int, width: int, **place: Any) -> xr.Dataset:  # noqa: ANN401
    """Give a second file to go with `cube`, which has 4 by 6 pixels of 10 m."""
    times = place.get("times", DAYS)
    values = numbers(height, width, times=len(times))
    return cube({"B11": values}, pixel=pixel, **place)


@pytest.mark.parametrize(
    ("other", "said"),
    [
        (swir(20, 2, 3, left=LEFT + 5), "fine pixels apart"),
        (swir(20, 2, 2), "the coarser grid must cover the finer one"),
        (swir(20, 2, 3, top=TOP - 10), "the coarser grid must cover the finer one"),
        (swir(15, 3, 4), "pixel sizes must be whole multiples"),
        (swir(20, 2, 3, crs="EPSG:32649"), "EPSG:32649, but EPSG:32650 in"),
        (swir(20, 2, 3, times=(*DAYS[:2], "2018-01-12")), "time[2] is 2018-01-12"),
        (swir(20, 2, 3, times=DAYS[:2]), "2 times, but 3 in"),
        (cube({"red": numbers(4, 6)}), "with pixels of one size"),
    ],
)
def test_files_that_contradict_each_other_are_refused(
    tmp_path: Path, other: xr.Dataset, said: str
) -> None:
    fine = write(cube(), tmp_path / "fine.nc")
    message = refusal(fine, write(other, tmp_path / "other.nc"))
    assert "fine.nc" in message
    assert "other.nc" in message
    assert said in message


# ------------------------------------------------------------------- a caller's fault


def test_what_is_not_of_this_cube_is_a_callers_fault(tmp_path: Path) -> None:
    with CubeSource.open([write(cube(), tmp_path / "a.nc")]) as source:
        (grid,) = source.grids()
        first, *_ = source.find(grid, until=ALWAYS)
        other_grid = replace(grid, left=grid.left + 10)
        other_product = replace(first, product_id="b@20180101")
        beyond = Block(row=0, col=0, height=grid.height + 1, width=1)
        for product, where, block in (
            (first, other_grid, whole(grid)),
            (other_product, grid, whole(grid)),
            (first, grid, beyond),
        ):
            with pytest.raises(ContractError):
                source.load(product, where, block)
        with pytest.raises(ContractError, match="timezone"):
            source.find(grid, until=datetime(2018, 1, 1))  # noqa: DTZ001
        with pytest.raises(ContractError, match="not this cube's"):
            source.find(other_grid, until=ALWAYS)


def test_a_closed_cube_reads_no_more(tmp_path: Path) -> None:
    source = CubeSource.open([write(cube(), tmp_path / "a.nc")])
    (grid,) = source.grids()
    first, *_ = source.find(grid, until=ALWAYS)
    source.close()
    with pytest.raises(ContractError, match="closed"):
        source.load(first, grid, whole(grid))


def test_a_refused_file_is_closed_again(tmp_path: Path) -> None:
    descriptors = Path("/proc/self/fd")
    if not descriptors.is_dir():
        pytest.skip("no list of open files on this system")
    good = write(cube(), tmp_path / "good.nc")
    bad = write(cube({"clouds": numbers(4, 6)}), tmp_path / "bad.nc")
    refusal(good, bad)
    opened = [link.resolve() for link in descriptors.iterdir()]
    assert not {good, bad} & set(opened)
    shutil.rmtree(tmp_path)


def test_a_crs_of_a_map_with_heights_is_good_enough(tmp_path: Path) -> None:
    dataset = cube(crs=None)
    dataset.attrs["crs"] = CRS("EPSG:32650+5773").to_wkt()
    for variable in dataset.data_vars.values():
        variable.attrs.clear()
    with CubeSource.open([write(dataset, tmp_path / "a.nc")]) as source:
        assert len(scenes(source)) == len(DAYS)
