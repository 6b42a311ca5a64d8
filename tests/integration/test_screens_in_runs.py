"""What runs make of shifted scenes, of shade, and of mines that are called cloud."""

import json
from dataclasses import replace
from typing import Any, Literal

import numpy as np
import pytest
from landscape import (
    BANDS,
    FOREST,
    LOOKS,
    OPENED,
    SOIL,
    SPOT,
    Archive,
    Desk,
    Landscape,
    landscape,
    week_of,
)
from numpy.typing import NDArray
from scipy import ndimage

from rsmonitor.records.event import EventKind
from rsmonitor.records.grid import Block, Grid
from rsmonitor.records.rasters import HistoryClass, Scl, Tier

LAST = LOOKS - 1
SIDE = 90
WIDE = Grid(
    crs="EPSG:32650",
    left=500_000.0,
    top=2_800_000.0,
    pixel_width=10.0,
    pixel_height=10.0,
    height=SIDE,
    width=SIDE,
)


def taken(desk: Desk) -> dict[str, dict[str, Any]]:
    """Give how each look was taken in, by the day in its product id."""
    found: dict[str, dict[str, Any]] = {}
    for event in desk.ledger.events():
        if event.kind == EventKind.APPLIED:
            for look in json.loads(event.body)["looks"]:
                found[str(look["product_id"])] = look
    return found


# ------------------------------------------------------------------------------- shifts


def fields(shifts: dict[int, tuple[float, float]]) -> Archive:
    """Open an archive over forest and clearings of long ago, some scenes shifted.

    All wander by a fifth of a pixel, as those of Sentinel-2 do.
    """
    random = np.random.default_rng(5)
    smooth = ndimage.gaussian_filter(random.normal(size=(SIDE, SIDE)), 3)
    open_ground = ndimage.gaussian_filter((smooth > 0.05).astype(float), 0.7)
    mixed = 0.6 * FOREST[:, None, None] + 0.4 * SOIL[:, None, None]
    ground = FOREST[:, None, None] * (1 - open_ground) + mixed * open_ground
    times = landscape().times
    scenes = []
    for i in range(LOOKS):
        wander = random.normal(0, 0.2, 2)
        dy, dx = np.add(shifts.get(i, (0.0, 0.0)), wander)
        scene = np.stack(
            [ndimage.shift(band, (dy, dx), order=3, mode="nearest") for band in ground]
        )
        scenes.append(scene * (1 + 0.03 * random.uniform(-1, 1, scene.shape)))
    return Archive(
        WIDE,
        times=times,
        reflectance=np.stack(scenes).astype(np.float32),
        scl=np.full((LOOKS, SIDE, SIDE), Scl.VEGETATION, dtype=np.uint8),
        bands=BANDS,
    ).with_faults(failing=[], again=[], dies_at=None)


def test_scenes_that_lie_off_are_put_back_and_raise_no_alarm_at_edges() -> None:
    off = dict.fromkeys(range(40, 50), (1.3, -0.9))
    desk = Desk.new(block_size=64)
    desk.run(fields(off), week_of(LAST))
    assert desk.shown.sites == ()
    looks = list(taken(desk).values())
    moved = [look for look in looks if look["put_back"]]
    far = [look for look in moved if look["shift_pixels"][0] > 0.5]
    assert len(far) == len(off)
    for look in far:
        assert look["shift_pixels"] == pytest.approx([1.3, -0.9], abs=0.7)
    assert {look["pixels"]["pixels"] for look in looks} == {SIDE * SIDE}
    (evidence,) = desk.shown.evidence.values()
    assert not evidence["tier"].to_numpy().any()


def test_a_shifted_scene_gives_the_same_evidence_however_the_grid_is_cut() -> None:
    off = {20: (0.8, 0.8), 41: (-1.1, 0.4), 44: (0.3, 0.0)}
    states = []
    for block_size in (90, 37):
        desk = Desk.new(block_size=block_size)
        desk.run(fields(off), week_of(46))
        (evidence,) = desk.shown.evidence.values()
        states.append({k: v.to_numpy().tobytes() for k, v in evidence.items()})
    assert states[0] == states[1]


# ---------------------------------------------------------------------------- no ground


class Wall:
    """An elevation model: a straight wall of 300 m along one side of the grid."""

    def __init__(self, side: Literal["west", "east"]) -> None:
        self._side = side

    def load(self, grid: Grid, block: Block, *, halo: int = 0) -> NDArray[np.float32]:
        cols = np.arange(block.col - halo, block.col + block.width + halo)
        behind = cols < -2 if self._side == "west" else cols > grid.width + 1
        metres = np.where(behind, 300.0, 0.0).astype(np.float32)
        return np.broadcast_to(metres, (block.height + 2 * halo, metres.size)).copy()

    def relief_m(self, grid: Grid, *, beyond_m: float = 0.0) -> float:
        assert beyond_m > grid.pixel_width
        return 300.0


def test_ground_in_the_shadow_of_a_wall_was_not_seen() -> None:
    forest = landscape(opened=None)
    clear = {}
    for side in ("west", "east"):
        desk = Desk.new()
        desk.elevation = Wall(side)
        desk.run(forest.source(), week_of(LAST))
        (evidence,) = desk.shown.evidence.values()
        clear[side] = evidence["n_clear"].to_numpy().astype(int)
        counts = [look["pixels"] for look in taken(desk).values()]
        shadowed = sum(c["shadowed"] for c in counts)
        assert (shadowed > 0) == (side == "east"), "the sun of a morning is in the east"
    assert (clear["east"] <= clear["west"]).all()
    assert clear["east"][:, -1].max() < clear["west"][:, -1].min()


def called_cloud(forest: Landscape, where: tuple[slice, slice]) -> Landscape:
    """Let the classification call open ground cloud, and see no other cloud."""
    scl = np.full_like(forest.scl, Scl.VEGETATION)
    scl[OPENED:, *where] = Scl.CLOUD_HIGH
    return replace(forest, scl=scl)


def clear_sky() -> Landscape:
    """Grow the forest without clouds."""
    forest = landscape()
    whole = landscape(opened=None)
    sky = forest.scl == Scl.VEGETATION
    reflectance = np.where(sky[:, None], forest.reflectance, np.nan)
    # what a cloud hid shows as the mean of the same ground in the other looks
    usual = np.nanmean(whole.reflectance, axis=0)
    usual_open = np.nanmean(reflectance[OPENED:], axis=0)
    for i in range(LOOKS):
        ground = usual_open if i >= OPENED else usual
        reflectance[i] = np.where(np.isnan(reflectance[i]), ground, reflectance[i])
    return replace(forest, reflectance=reflectance.astype(np.float32))


def tiers(desk: Desk) -> NDArray[np.uint8]:
    (evidence,) = desk.shown.evidence.values()
    found: NDArray[np.uint8] = evidence["tier"].to_numpy()
    return found


def test_a_mine_that_is_called_cloud_is_found_nevertheless() -> None:
    hidden = called_cloud(clear_sky(), SPOT)
    desk = Desk.new()
    desk.run(hidden.source(), week_of(LAST))
    assert (tiers(desk)[SPOT] == Tier.HIGH).mean() > 0.9
    counts = [look["pixels"] for look in taken(desk).values()]
    rescued = [c["rescued"] for c in counts]
    assert rescued[:2] == [0, 0]
    assert max(rescued) >= 42
    for c in counts:
        removed = ("not_measured", "classed_out", "grown_out", "snow", "hazy")
        total = sum(c[name] for name in removed)
        total += c["clear"] + c["shadowed"] - c["rescued"]
        assert total == c["pixels"]


# ------------------------------------------------------------------------------ history


def test_evidence_says_what_the_history_of_each_pixel_was() -> None:
    desk = Desk.new()
    desk.run(landscape(opened=12).source(), week_of(LAST))
    (evidence,) = desk.shown.evidence.values()
    history = evidence["history"].to_numpy()
    assert (history[SPOT] == HistoryClass.DISTURBED).mean() > 0.9
    assert (history[15:, :10] == HistoryClass.STABLE).all()
    assert desk.shown.sites == (), "it was open before the watch began"


def test_ground_opened_at_the_end_of_the_history_is_reported_with_its_date() -> None:
    desk = Desk.new()
    forest = landscape(opened=24)
    desk.run(forest.source(), week_of(LAST))
    (site,) = desk.shown.sites
    seen = site.latest.disturbance
    assert seen.began_after is not None
    assert seen.began_after <= forest.times[24].date()
    assert seen.began_by >= forest.times[31].date()
