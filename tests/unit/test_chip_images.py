import io
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from rsmonitor.errors import ContractError
from rsmonitor.io.deliver.pictures import chip_images
from rsmonitor.io.deliver.pictures.chip_images import chip_png
from rsmonitor.pipeline import chips
from rsmonitor.records.grid import Grid
from rsmonitor.records.package import Chip, ChipRole
from rsmonitor.stages.geodesy import to_lonlat

GOLDEN = Path(__file__).parents[1] / "golden"
UTM = Grid(
    crs="EPSG:32650",
    left=500_000.0,
    top=2_800_000.0,
    pixel_width=10.0,
    pixel_height=10.0,
    height=64,
    width=64,
)
LEANING = replace(UTM, crs="EPSG:3035", left=5_272_000.0, top=2_533_000.0)
DEGREES = replace(
    UTM, crs="EPSG:4326", left=115.0, top=45.0, pixel_width=1e-4, pixel_height=1e-4
)
FAR = 48
MOST_FAR = 0.01


def chip_on(
    grid: Grid = UTM, *, grey: int = 90, role: ChipRole = ChipRole.AFTER
) -> Chip:
    return Chip(
        role=role,
        rgb=np.full((*grid.shape, 3), grey, dtype=np.uint8),
        seen=np.ones(grid.shape, dtype=np.bool_),
        grid=grid,
        days=(),
        scenes=("S2A",),
        true_colour=True,
    )


def square(grid: Grid, row: int, col: int, size: int) -> shapely.Polygon:
    left, top = grid.left + col * grid.pixel_width, grid.top - row * grid.pixel_height
    box = shapely.box(
        left, top - size * grid.pixel_height, left + size * grid.pixel_width, top
    )
    return to_lonlat(box, grid.crs)


def pixels(png: bytes) -> NDArray[np.int64]:
    with Image.open(io.BytesIO(png)) as image:
        return np.asarray(image.convert("RGB"), dtype=np.int64)


@settings(max_examples=25)
@given(
    height=st.integers(1, 90),
    width=st.integers(1, 90),
    side=st.integers(16, 300),
    grey=st.booleans(),
)
def test_the_longer_side_is_as_asked_and_the_same_chip_gives_the_same_bytes(
    height: int, width: int, side: int, *, grey: bool
) -> None:
    grid = replace(UTM, height=height, width=width)
    outline = square(grid, 0, 0, max(1, min(height, width) // 2))
    png = chip_png(chip_on(grid), outline, side=side, grey=grey)
    assert png == chip_png(chip_on(grid), outline, side=side, grey=grey)
    shape = pixels(png).shape
    assert max(shape) == side
    shorter = min(shape[:2]) if height != width else side
    expected = max(1.0, side * min(height, width) / max(height, width))
    assert shorter == pytest.approx(expected, abs=0.6)
    assert (shape[0] >= shape[1]) == (height >= width) or shorter == side


def test_pixels_in_degrees_are_as_wide_as_on_the_ground() -> None:
    shape = pixels(chip_png(chip_on(DEGREES), None, side=300)).shape
    assert shape[1] / shape[0] == pytest.approx(np.cos(np.radians(45)), abs=0.01)


@pytest.mark.parametrize("grey", [False, True])
@pytest.mark.parametrize("ground", [10, 128, 245])
def test_the_outline_is_told_from_any_ground_by_light_alone(
    ground: int, *, grey: bool
) -> None:
    plain = pixels(chip_png(chip_on(grey=ground), None, grey=grey))
    drawn = pixels(chip_png(chip_on(grey=ground), square(UTM, 20, 20, 24), grey=grey))
    changed = (plain != drawn).any(axis=-1)
    light = drawn.mean(axis=-1)[changed]
    assert light.max() - light.min() > 90
    assert np.abs(light - ground).max() > 90
    rows, cols = np.nonzero(changed)
    edges = [rows.min(), rows.max(), cols.min(), cols.max()]
    np.testing.assert_allclose(edges, [150, 330, 150, 330], atol=4)
    if grey:
        assert (np.ptp(drawn, axis=-1) == 0).all()


def test_holes_and_parts_are_outlined() -> None:
    ring = square(UTM, 10, 10, 30).difference(square(UTM, 20, 20, 8))
    both = shapely.union_all([ring, square(UTM, 50, 50, 8)])
    drawn = pixels(chip_png(chip_on(), both))
    for row, col in ((10, 25), (20, 24), (50, 54)):
        y, x = round(row * 7.5), round(col * 7.5)
        assert (drawn[y - 3 : y + 4, x] != 90).any()


@pytest.mark.parametrize("ground", [10, 128, 245])
def test_what_was_not_seen_is_told_from_what_was(ground: int) -> None:
    chip = chip_on(grey=ground)
    seen = chip.seen.copy()
    seen[:, 32:] = False
    drawn = pixels(chip_png(replace(chip, seen=seen), None, grey=True))
    left, right = drawn[100:380, 20:220, 0], drawn[100:380, 260:460, 0]
    assert (left == ground).all()
    assert right.std() > 25
    evidence = replace(chip, seen=seen, role=ChipRole.EVIDENCE)
    np.testing.assert_array_equal(
        pixels(chip_png(evidence, None)), pixels(chip_png(chip, None))
    )


def test_north_is_shown_where_it_is_not_up() -> None:
    corner = (slice(0, 80), slice(400, 480))
    assert (pixels(chip_png(chip_on(UTM), None))[corner] == 90).all()
    assert (pixels(chip_png(chip_on(LEANING), None))[corner] != 90).any()


def test_a_small_picture_has_no_letters() -> None:
    assert (pixels(chip_png(chip_on(LEANING), None, side=120)) == 90).all()


@pytest.mark.parametrize("pixel", [0.5, 10.0, 40.0, 500.0])
def test_the_scale_fits_a_chip_of_any_size(pixel: float) -> None:
    grid = replace(UTM, pixel_width=pixel, pixel_height=pixel)
    drawn = pixels(chip_png(chip_on(grid), None))
    changed = (drawn != 90).any(axis=-1)
    assert not changed[:400].any()
    assert not changed[:, 300:].any()
    bar = (drawn[470] < 40).all(axis=-1)
    assert bar.any()
    if pixel == 10.0:  # 100 m of 640, of which the dark half is 37 pixels
        assert 36 <= bar.sum() <= 42


@pytest.mark.parametrize("side", [0, 15, 5000, -3])
def test_a_side_that_cannot_be_drawn_is_refused(side: int) -> None:
    with pytest.raises(ContractError, match=f"got {side}"):
        chip_png(chip_on(), None, side=side)


def test_the_key_has_the_colours_of_the_evidence() -> None:
    assert chip_images.EVIDENCE_ENDS == (chips.OLDEST_RGB, chips.NEWEST_RGB)


@pytest.mark.parametrize("grey", [False, True])
def test_a_chip_looks_as_it_did(request: pytest.FixtureRequest, *, grey: bool) -> None:
    rows, cols = np.mgrid[:64, :64]
    wave = 30 * np.sin(rows / 5) * np.cos(cols / 8)
    rgb = np.stack([80 + wave, 100 + wave, 70 + wave], axis=-1).astype(np.uint8)
    rgb[24:40, 24:44] = (200, 170, 140)
    seen = (rows - 60) ** 2 + (cols - 5) ** 2 > 200
    chip = replace(chip_on(LEANING), rgb=rgb, seen=seen)
    png = chip_png(chip, square(LEANING, 24, 24, 16), grey=grey)
    path = GOLDEN / f"chip-{'grey' if grey else 'colour'}.png"
    if request.config.getoption("update_goldens"):
        path.write_bytes(png)
        pytest.fail(f"{path.name} was rewritten: look at it, and run again")
    assert path.exists(), f"no golden file {path.name}: run with --update-goldens"
    now, before = pixels(png), pixels(path.read_bytes())
    assert now.shape == before.shape
    assert float((np.abs(now - before) > FAR).any(axis=-1).mean()) <= MOST_FAR
