import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr
from deliveries import ROMANIA, result_of, synthetic_evidence
from hypothesis import given, settings
from hypothesis import strategies as st

from rsmonitor.errors import ContractError, OutputError
from rsmonitor.io.deliver import kept_run
from rsmonitor.io.deliver.geojson import coverage_collection, dumps
from rsmonitor.io.deliver.kept_run import first_seen_reader, read_coverage
from rsmonitor.io.deliver.rasters import write_evidence
from rsmonitor.records.grid import Block

RESULT = result_of(synthetic_evidence())


def text_of(change: Callable[[Any], Any] = lambda document: document) -> str:
    document = json.loads(dumps(coverage_collection(RESULT)))
    return json.dumps(change(document))


def keep(folder: Path, text: str) -> Path:
    (folder / "coverage.geojson").write_text(text, encoding="utf-8")
    return folder


def with_field(key: str, value: object) -> Callable[[Any], Any]:
    def change(document: Any) -> Any:  # noqa: ANN401 - JSON
        document["features"][0]["properties"][key] = value
        return document

    return change


def with_geometry(value: object) -> Callable[[Any], Any]:
    def change(document: Any) -> Any:  # noqa: ANN401 - JSON
        document["features"][0]["geometry"] = value
        return document

    return change


def test_what_a_run_writes_is_read_back(tmp_path: Path) -> None:
    (read,) = read_coverage(keep(tmp_path, text_of()))
    (said,) = RESULT.coverage
    assert read.geometry.symmetric_difference(said.geometry).area < 1e-9
    assert read.area_m2 == pytest.approx(said.area_m2, abs=0.1)
    assert read.share_seen == pytest.approx(said.share_seen, abs=1e-4)
    assert (read.district, read.grid_id, read.week, read.scenes_used) == (
        said.district,
        said.grid_id,
        said.week,
        said.scenes_used,
    )


def test_never_seen_is_not_a_number(tmp_path: Path) -> None:
    keep(tmp_path, text_of(with_field("median_days_since_clear", None)))
    assert np.isnan(read_coverage(tmp_path)[0].median_days_since_clear)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("area_m2", "12"),
        ("area_m2", -1),
        ("area_m2", 10**400),
        ("area_m2", True),
        ("share_seen", 1.01),
        ("share_seen", None),
        ("share_monitored", [0.5]),
        ("median_days_since_clear", -3),
        ("median_days_since_clear", "many"),
        ("scenes_used", 1.5),
        ("scenes_without_clear", 10**9),
        ("week", "2020-53"),
        ("week", "2021-W53"),
        ("week", 7),
        ("grid_id", ""),
        ("grid_id", "g\n1"),
        ("district", "x" * 129),
        ("district", {}),
    ],
)
def test_a_field_that_is_not_what_a_run_writes_is_named(
    key: str, value: object, tmp_path: Path
) -> None:
    keep(tmp_path, text_of(with_field(key, value)))
    with pytest.raises(OutputError, match=r"coverage\.geojson.*again") as caught:
        read_coverage(tmp_path)
    assert key == "week" or key in str(caught.value)
    assert len(str(caught.value)) < 600


@pytest.mark.parametrize(
    "geometry",
    [
        None,
        [],
        {"type": "Point", "coordinates": [1, 2]},
        {"type": "Polygon", "coordinates": []},
        {"type": "Polygon", "coordinates": [[[1, 2], [1, 2]]]},
        {"type": "Polygon", "coordinates": [[[0, 0], [500, 0], [0, 1], [0, 0]]]},
        {"type": "Polygon", "coordinates": "everywhere"},
        {"type": "Polygon", "coordinates": [[[0, 0], [1e-9, 0], [0, 0], [0, 0]]]},
        {"type": "GeometryCollection", "geometries": []},
    ],
)
def test_what_is_no_area_is_refused(geometry: object, tmp_path: Path) -> None:
    keep(tmp_path, text_of(with_geometry(geometry)))
    with pytest.raises(OutputError, match="feature 1"):
        read_coverage(tmp_path)


def test_a_border_that_touches_itself_by_rounding_is_mended(tmp_path: Path) -> None:
    bow = [[[0, 0], [1, 1], [1, 0], [0, 1], [0, 0]]]
    keep(tmp_path, text_of(with_geometry({"type": "Polygon", "coordinates": bow})))
    (read,) = read_coverage(tmp_path)
    assert read.geometry.is_valid
    assert read.geometry.area == pytest.approx(0.5)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "null",
        "[]",
        "{}",
        '{"type": "FeatureCollection"}',
        '{"type": "FeatureCollection", "features": 3}',
        '{"type": "FeatureCollection", "features": [1]}',
        '{"type": "FeatureCollection", "features": [{"properties": 4}]}',
        "[" * 200_000,
        '{"a": NaN}',
        "\ud83d".encode("utf-16", "surrogatepass").decode("latin-1"),
    ],
)
def test_what_is_no_coverage_is_refused(text: str, tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="cannot be read as coverage"):
        read_coverage(keep(tmp_path, text))


def test_a_number_that_json_does_not_have_is_refused(tmp_path: Path) -> None:
    keep(tmp_path, text_of(with_field("share_seen", float("nan"))))
    with pytest.raises(OutputError, match="NaN"):
        read_coverage(tmp_path)


def test_a_grid_that_is_there_twice_is_refused(tmp_path: Path) -> None:
    def twice(document: Any) -> Any:  # noqa: ANN401 - JSON
        return document | {"features": document["features"] * 2}

    with pytest.raises(OutputError, match="twice"):
        read_coverage(keep(tmp_path, text_of(twice)))


def test_a_file_that_is_too_large_is_not_parsed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kept_run, "MOST_BYTES", 100)
    with pytest.raises(OutputError, match="more than 100 bytes"):
        read_coverage(keep(tmp_path, text_of()))


def test_what_is_no_file_is_not_waited_for(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="No such file"):
        read_coverage(tmp_path)
    os.mkfifo(tmp_path / "coverage.geojson")
    with pytest.raises(OutputError, match="regular file"):
        read_coverage(tmp_path)
    os.mkfifo(tmp_path / "evidence.nc")
    with pytest.raises(OutputError, match="regular file"):
        first_seen_reader(tmp_path, "evidence.nc")(
            Block(row=0, col=0, height=1, width=1)
        )


@settings(max_examples=60)
@given(at=st.integers(0, 5000), byte=st.integers(0, 255))
def test_a_damaged_file_is_refused_or_read_as_something_sound(
    at: int, byte: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("run")
    data = bytearray(text_of().encode())
    data[at % len(data)] = byte
    (folder / "coverage.geojson").write_bytes(bytes(data))
    try:
        found = read_coverage(folder)
    except OutputError:
        return
    assert all(each.geometry.is_valid and each.area_m2 >= 0 for each in found)


# -------------------------------------------------------------------------- evidence


@pytest.fixture(scope="module")
def run_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("evidence")
    write_evidence(folder / "evidence.nc", synthetic_evidence(), ROMANIA)
    return folder


@given(
    row=st.integers(0, 99),
    col=st.integers(0, 99),
    height=st.integers(1, 100),
    width=st.integers(1, 100),
)
@settings(max_examples=25)
def test_days_are_those_that_were_written(
    row: int, col: int, height: int, width: int, run_folder: Path
) -> None:
    block = Block(
        row=row, col=col, height=min(height, 100 - row), width=min(width, 100 - col)
    )
    days = first_seen_reader(run_folder, "evidence.nc")(block)
    expected = synthetic_evidence()["first_seen"].to_numpy()[block.rows, block.cols]
    np.testing.assert_array_equal(days, expected.astype("datetime64[D]"))
    assert days.dtype == "datetime64[D]"


def test_a_block_beyond_the_file_is_refused(run_folder: Path) -> None:
    read = first_seen_reader(run_folder, "evidence.nc")
    with pytest.raises(OutputError, match="rows to 101"):
        read(Block(row=1, col=0, height=100, width=10))


@pytest.mark.parametrize(
    "change",
    [
        lambda d: d.drop_vars("first_seen"),
        lambda d: d.assign(first_seen=d["first_seen"].T),
        lambda d: d.assign(first_seen=d["first_seen"].astype("float64")),
        lambda d: d.assign(first_seen=d["first_seen"].expand_dims("time")),
        lambda d: d.assign(
            first_seen=d["first_seen"].assign_attrs(units="years since 1970")
        ),
        lambda d: d.assign(
            first_seen=(("y", "x"), np.full((100, 100), 2**31 - 1, dtype=np.int32))
        ),
        lambda d: d.assign(
            first_seen=(("y", "x"), np.full((100, 100), -5, dtype=np.int32))
        ),
    ],
)
def test_what_is_not_what_a_run_writes_is_refused(
    change: Callable[[xr.Dataset], xr.Dataset], run_folder: Path, tmp_path: Path
) -> None:
    whole = xr.open_dataset(run_folder / "evidence.nc", decode_times=False)
    with whole:
        changed = change(whole.load())
    if "first_seen" in changed and "units" not in changed["first_seen"].attrs:
        changed["first_seen"].attrs["units"] = "days since 1970-01-01"
    changed.to_netcdf(tmp_path / "evidence.nc")
    read = first_seen_reader(tmp_path, "evidence.nc")
    with pytest.raises(OutputError, match=r"evidence\.nc: cannot be read"):
        read(Block(row=0, col=0, height=10, width=10))


@pytest.mark.parametrize(
    "content", [b"", b"CDF\x01", b"\x89HDF\r\n\x1a\n" + b"\0" * 99]
)
def test_damaged_evidence_is_named(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "evidence.nc").write_bytes(content)
    with pytest.raises(OutputError, match=r"evidence\.nc"):
        first_seen_reader(tmp_path, "evidence.nc")(
            Block(row=0, col=0, height=1, width=1)
        )


@pytest.mark.parametrize("name", ["../evidence.nc", "/etc/passwd", "", ".x", "a\nb"])
def test_a_name_that_leads_elsewhere_is_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(ContractError, match="plain"):
        first_seen_reader(tmp_path, name)
