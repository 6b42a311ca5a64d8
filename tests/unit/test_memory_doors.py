"""The in-memory doors say what real ones would."""

from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest
import shapely

from rsmonitor.errors import OutputError, SourceError
from rsmonitor.io.stores.memory import (
    MemoryProgress,
    MemoryRegister,
    MemorySink,
    MemorySource,
)
from rsmonitor.io.stores.snapshot import snapshot_of
from rsmonitor.records.district import District
from rsmonitor.records.grid import Block, Grid
from rsmonitor.records.licence import Licence, LicenceKind
from rsmonitor.records.run import Partition, RunResult
from rsmonitor.records.week import IsoWeek

GRID = Grid(
    crs="EPSG:32650",
    left=0.0,
    top=50.0,
    pixel_width=10.0,
    pixel_height=10.0,
    height=5,
    width=4,
)
START = datetime(2018, 7, 2, 2, 55, 49, tzinfo=UTC)
TIMES = [START + timedelta(days=5 * n) for n in (1, 0, 2)]


def source(**changes: Any) -> MemorySource:  # noqa: ANN401
    shape = (3, 2, 5, 4)
    arrays: dict[str, Any] = {
        "times": TIMES,
        "reflectance": np.arange(120, dtype=np.float32).reshape(shape),
        "scl": np.arange(60, dtype=np.uint8).reshape(3, 5, 4),
        "bands": ("B04", "B08"),
    }
    return MemorySource(GRID, **(arrays | changes))


def test_scenes_are_found_oldest_first_and_before_the_end_only() -> None:
    scenes = source()
    products = scenes.find(GRID, until=max(TIMES))
    assert [p.sensed_at for p in products] == sorted(TIMES)[:2]
    assert len({p.product_id for p in products}) == 2
    assert scenes.grids() == (GRID,)


def test_block_holds_the_pixels_of_its_scene() -> None:
    scenes = source()
    (first, *_) = scenes.find(GRID, until=datetime(2100, 1, 1, tzinfo=UTC))
    block = Block(row=1, col=2, height=3, width=2)
    loaded = scenes.load(first, GRID, block)
    every = np.arange(120).reshape(3, 2, 5, 4)
    np.testing.assert_array_equal(loaded["reflectance"], every[1, :, 1:4, 2:4])
    np.testing.assert_array_equal(
        loaded["scl"], np.arange(60).reshape(3, 5, 4)[1, 1:4, 2:4]
    )
    assert tuple(loaded["band"].values) == scenes.bands
    loaded["scl"][:] = 0
    assert scenes.load(first, GRID, block)["scl"].values.any()


@pytest.mark.parametrize(
    "changes",
    [
        {"bands": ("B04",)},
        {"times": TIMES[:2]},
        {"times": [TIMES[0]] * 3},
        {"scl": np.zeros((3, 5, 4), np.int16)},
        {"reflectance": np.zeros((3, 2, 5, 4))},
    ],
)
def test_arrays_that_do_not_fit_are_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(SourceError):
        source(**changes)


def test_unknown_grid_or_scene_is_refused() -> None:
    other = Grid(
        crs="EPSG:32651",
        left=0.0,
        top=50.0,
        pixel_width=10.0,
        pixel_height=10.0,
        height=5,
        width=4,
    )
    block = Block(row=0, col=0, height=1, width=1)
    later = source(times=[t + timedelta(hours=1) for t in TIMES])
    (product, *_) = later.find(GRID, until=datetime(2100, 1, 1, tzinfo=UTC))
    with pytest.raises(SourceError, match="not in memory"):
        source().find(other, until=START)
    with pytest.raises(SourceError, match=product.product_id):
        source().load(product, GRID, block)


def result(week: int) -> RunResult:
    return RunResult(
        partition=Partition(
            district="demo",
            week=IsoWeek(year=2018, week=week),
            algorithm="1",
            settings_digest="0" * 64,
        ),
        district=District(code="demo", name_zh="示例", name_en="demo", bureau="b"),
        grids=(GRID,),
        sites=(),
        alerts=(),
        evidence={},
        last_clear={},
        coverage=(),
        register=snapshot_of(()),
        products=(),
        software="rsmonitor",
    )


def test_readers_see_what_was_published_last() -> None:
    sink = MemorySink()
    one, two = result(1), result(2)
    place = sink.stage(one)
    assert sink.current is None
    sink.publish(place)
    sink.publish(place)
    other = sink.stage(two)
    assert sink.current is one
    sink.publish(other)
    assert sink.current is two
    assert sink.published == [place, other]
    with pytest.raises(OutputError, match="nowhere"):
        sink.publish("nowhere")


def test_register_gives_the_snapshot_of_its_licences() -> None:
    licence = Licence(
        licence_id="A", kind=LicenceKind.MINING, geometry=shapely.box(1, 1, 2, 2)
    )
    assert MemoryRegister([licence]).snapshot() == snapshot_of([licence])
    assert MemoryRegister().snapshot().licences == ()


def test_progress_is_kept_in_order() -> None:
    progress = MemoryProgress()
    progress("load", 1, 2)
    progress("load", 2, 2)
    assert progress.steps == [("load", 1, 2), ("load", 2, 2)]
