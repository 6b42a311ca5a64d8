"""Composites of a grid for people: the same however a grid is read, also large ones."""

import numpy as np
import pytest
from landscape import BANDS, GRID, LOOKS, Archive, Desk, landscape, week_of

from rsmonitor.pipeline import pictures
from rsmonitor.pipeline.pictures import Composite, before_and_after, steps
from rsmonitor.records.acquisition import Product
from rsmonitor.records.grid import Block, Grid
from rsmonitor.records.scene import SceneNumbers
from rsmonitor.stages.reflectance import reflectance_of

UNTIL = week_of(LOOKS - 1).end


def drawn(source: Archive) -> tuple[Composite, Composite]:
    return before_and_after(
        source,
        GRID,
        source.find(GRID, until=UNTIL),
        parameters=Desk.new().parameters,
    )


def same(
    found: tuple[Composite, Composite], other: tuple[Composite, Composite]
) -> None:
    for mine, theirs in zip(found, other, strict=True):
        assert mine.days == theirs.days
        assert mine.true_colour == theirs.true_colour
        np.testing.assert_array_equal(mine.rgb, theirs.rgb)


class Digital(Archive):
    """Gives digital numbers, whose offset changes from look to look or never."""

    offsets: tuple[int, ...] = (0,)

    def numbers(self, product: Product, grid: Grid, block: Block) -> SceneNumbers:
        known = super().numbers(product, grid, block)
        # a number depends on the look and the offset, but the reflectance does not
        offset = self.offsets[product.sensed_at.toordinal() // 24 % len(self.offsets)]
        reflectance = np.nan_to_num(reflectance_of(known), nan=-9.0)
        dn = np.clip(np.rint(reflectance * 10_000) - offset, 0, 60_000)
        fine = dn.astype(np.uint16)
        return SceneNumbers(
            fine_bands=known.bands,
            coarse_bands=(),
            fine=fine,
            coarse=fine[:0],
            ratio=2,
            row=0,
            col=0,
            scl=known.scl,
            add_offset=offset,
        )


class Coarse(Archive):
    """Has pixels of some bands that are larger, as they are or repeated."""

    ratio = 1
    repeated = False

    def numbers(self, product: Product, grid: Grid, block: Block) -> SceneNumbers:
        known = super().numbers(product, grid, block)
        whole = Block(row=0, col=0, height=grid.height, width=grid.width)
        all_of_it = super().numbers(product, grid, whole).fine[2:]
        larger = all_of_it[:, :: self.ratio, :: self.ratio]
        held = larger.repeat(self.ratio, axis=1).repeat(self.ratio, axis=2)
        fine_bands, fine = known.bands[:2], known.fine[:2]
        if self.repeated:
            fine_bands = known.bands
            fine = np.concatenate([fine, held[:, block.rows, block.cols]])
        return SceneNumbers(
            fine_bands=fine_bands,
            coarse_bands=() if self.repeated else known.bands[2:],
            fine=fine,
            coarse=larger[:0] if self.repeated else larger,
            ratio=self.ratio,
            row=-block.row,
            col=-block.col,
            scl=known.scl,
        )


def coarse(ratio: int, *, repeated: bool = False) -> Coarse:
    whole = landscape()
    source = Coarse(
        GRID,
        times=list(whole.times),
        reflectance=whole.reflectance,
        scl=whole.scl,
        bands=BANDS,
    )
    source.ratio, source.repeated = ratio, repeated
    return source


def digital(*offsets: int) -> Digital:
    whole = landscape()
    source = Digital(
        GRID,
        times=list(whole.times),
        reflectance=whole.reflectance,
        scl=whole.scl,
        bands=BANDS,
    )
    source.offsets = offsets
    return source


@pytest.mark.parametrize("size", [5, 7, 23])
def test_a_picture_is_the_same_for_any_size_of_the_blocks_it_is_read_in(
    size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = drawn(landscape().source())
    monkeypatch.setattr(pictures, "BLOCK", size)
    same(drawn(landscape().source()), whole)


@pytest.mark.parametrize("block", [5, 1024])
def test_of_a_large_grid_every_so_many_rows_and_columns_are_shown(
    block: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    # what is chosen must not depend on what is thinned away
    monkeypatch.setattr(pictures, "SEEN_SHARE", 0.0)
    whole = drawn(landscape().source())
    monkeypatch.setattr(pictures, "LONGEST_SIDE", 14)
    monkeypatch.setattr(pictures, "MOST_PIXELS", 14**2)
    monkeypatch.setattr(pictures, "BLOCK", block)
    assert steps(GRID) == (2, 3)
    for mine, theirs in zip(drawn(landscape().source()), whole, strict=True):
        assert mine.days == theirs.days
        np.testing.assert_array_equal(mine.rgb, theirs.rgb[::2, ::3])


@pytest.mark.parametrize("block", [11, 1024])
def test_of_coarser_bands_a_large_grid_shows_the_pixels_that_hold_its_own(
    block: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pictures, "SEEN_SHARE", 0.0)
    monkeypatch.setattr(pictures, "LONGEST_SIDE", 14)
    monkeypatch.setattr(pictures, "MOST_PIXELS", 14**2)
    monkeypatch.setattr(pictures, "BLOCK", block)
    monkeypatch.setattr(pictures, "BRIGHTEST", 0.6)  # near infrared is shown as red
    found = drawn(coarse(2))
    held = drawn(coarse(2, repeated=True))
    same(found, held)
    assert (found[0].rgb != drawn(coarse(1))[0].rgb).any()


@pytest.mark.parametrize(
    ("height", "width", "expected"),
    [
        (1400, 1400, (1, 1)),
        (10, 196_000, (1, 1)),
        (1400, 1401, (1, 2)),
        (300, 100_000, (1, 72)),
        (10_980, 10_980, (8, 8)),
    ],
)
def test_small_grids_are_shown_pixel_by_pixel_and_large_ones_along_their_long_sides(
    height: int, width: int, expected: tuple[int, int]
) -> None:
    grid = Grid(
        crs="EPSG:32650",
        left=0.0,
        top=0.0,
        pixel_width=10.0,
        pixel_height=10.0,
        height=height,
        width=width,
    )
    assert steps(grid) == expected


@pytest.mark.parametrize("size", [11, 1024])
def test_digital_numbers_of_one_offset_or_of_several_make_the_same_picture(
    size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pictures, "BLOCK", size)
    plain = drawn(digital(0))
    same(drawn(digital(-1000)), plain)
    same(drawn(digital(0, -1000)), plain)


def test_bands_of_coarser_pixels_are_interpolated_before_they_are_shown(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(pictures, "BLOCK", 11)
    monkeypatch.setattr(pictures, "BRIGHTEST", 0.6)  # near infrared is shown as red
    same(drawn(coarse(1)), drawn(landscape().source()))
    smooth, steep = drawn(coarse(2))[1].rgb, drawn(coarse(2, repeated=True))[1].rgb
    level = [(rgb[:, ::2, 0] == rgb[:, 1::2, 0]).mean() for rgb in (smooth, steep)]
    assert level[0] < 0.3  # share of neighbours in a larger pixel that are equal
    assert level[1] > 0.6
