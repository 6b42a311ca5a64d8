"""Laws of the cells that tiles are fetched in."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rsmonitor.records.offer import PIXELS_10M, TileWindow
from rsmonitor.stages.tile_cells import around, cells_of
from rsmonitor.stages.tiling import tile_grid

TILES = ("50RKN", "49QGG", "34TER", "01KAB", "22HBD", "31TDH", "33XWJ")
halves = st.integers(0, PIXELS_10M // 2)


@st.composite
def windows(draw: st.DrawFn) -> TileWindow:
    rows = sorted(draw(st.sets(halves, min_size=2, max_size=2)))
    cols = sorted(draw(st.sets(halves, min_size=2, max_size=2)))
    return TileWindow(
        mgrs_tile=draw(st.sampled_from(TILES)),
        row=2 * rows[0],
        col=2 * cols[0],
        height=2 * (rows[1] - rows[0]),
        width=2 * (cols[1] - cols[0]),
    )


@given(window=windows())
def test_cells_cover_the_window_once_and_all_touch_it(window: TileWindow) -> None:
    cells = cells_of(window)
    seen = np.zeros((PIXELS_10M // 2, PIXELS_10M // 2), dtype=np.uint8)
    for cell in cells:
        seen[
            cell.row // 2 : (cell.row + cell.height) // 2,
            cell.col // 2 : (cell.col + cell.width) // 2,
        ] += 1
        assert cell.row < window.row + window.height
        assert window.row < cell.row + cell.height
        assert cell.col < window.col + window.width
        assert window.col < cell.col + cell.width
    assert seen.max() == 1
    inside = seen[
        window.row // 2 : (window.row + window.height) // 2,
        window.col // 2 : (window.col + window.width) // 2,
    ]
    assert inside.all()
    rectangle = around(cells)
    assert seen.sum() == rectangle.height * rectangle.width // 4


@given(window=windows())
def test_where_cells_lie_does_not_depend_on_the_window(window: TileWindow) -> None:
    tile = tile_grid(window.mgrs_tile)
    for cell in cells_of(window):
        edges = (
            (cell.row, tile.top - 10 * cell.row),
            (cell.row + cell.height, tile.top - 10 * (cell.row + cell.height)),
            (cell.col, tile.left + 10 * cell.col),
            (cell.col + cell.width, tile.left + 10 * (cell.col + cell.width)),
        )
        for pixel, metres in edges:
            assert metres % 10_000 == 0 or pixel in {0, PIXELS_10M}


@pytest.mark.parametrize("mgrs_tile", TILES)
def test_a_tile_has_144_cells_at_most(mgrs_tile: str) -> None:
    whole = TileWindow(
        mgrs_tile=mgrs_tile, row=0, col=0, height=PIXELS_10M, width=PIXELS_10M
    )
    assert len(cells_of(whole)) in {121, 132, 144}
