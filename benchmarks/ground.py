"""The ground of a synthetic tile, and looks at it, made from a seed in memory.

The ground has land cover, relief, a seasonal course and some digging; clouds have
shadows. A value depends on seed, band, day and pixel alone, so that any window of any
look can be made without the rest: a history comes cheaply, and no file is needed.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from functools import lru_cache
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from rsmonitor.records.grid import Block, Grid
from rsmonitor.records.offer import BANDS_10M, PIXELS_10M
from rsmonitor.records.rasters import Scl
from rsmonitor.stages.reflectance import to_reflectance
from rsmonitor.stages.tiling import tile_grid

MGRS_TILE: Final = "50RKN"
BANDS: Final = ("B02", "B03", "B04", "B08", "B07", "B8A", "B11")
ADD_OFFSET: Final = -1000
FIRST_LOOK: Final = date(2025, 6, 10)
EVERY: Final = timedelta(days=5)
DUG_ON: Final = date(2025, 1, 1)
"""From then on the dug patches are bare."""

PIXELS_A_DIG: Final = 400_000
"""Of 10 m, for each dug patch: 300 in a tile."""

_FOREST, _SHRUB, _CROP, _BARE, _WATER = range(5)
_COVER_SHARES: Final = (0.62, 0.80, 0.92, 0.96)
"""Shares of the ground up to and with forest, shrub, crops and bare ground."""

_REFLECTANCE: Final = {
    "B02": (0.030, 0.042, 0.060, 0.110, 0.045),
    "B03": (0.050, 0.065, 0.085, 0.140, 0.055),
    "B04": (0.032, 0.055, 0.085, 0.180, 0.040),
    "B08": (0.300, 0.270, 0.260, 0.240, 0.020),
    "B07": (0.270, 0.240, 0.230, 0.225, 0.022),
    "B8A": (0.310, 0.285, 0.270, 0.255, 0.018),
    "B11": (0.150, 0.190, 0.210, 0.300, 0.010),
    "B12": (0.070, 0.110, 0.130, 0.260, 0.008),
}
"""Of forest, shrub, crops, bare ground and water."""

_SEASON: Final = {
    "B02": -0.06,
    "B03": 0.05,
    "B04": -0.15,
    "B08": 0.18,
    "B07": 0.16,
    "B8A": 0.18,
    "B11": 0.06,
    "B12": 0.03,
}
"""How much more plants show in summer than in the mean, as a share."""

_TEXTURE: Final = 15.0
"""Spread of what differs from pixel to pixel and stays, digital numbers."""

_NOISE: Final = 10.0
"""Spread of what differs from look to look, digital numbers."""

_CLASS_OF_COVER: Final = np.array(
    [Scl.VEGETATION, Scl.VEGETATION, Scl.NOT_VEGETATED, Scl.NOT_VEGETATED, Scl.WATER],
    dtype=np.uint8,
)
_CLOUD: Final = 3200.0
_SHADOW: Final = 0.45
_SHADOW_AT: Final = (28, -36)
"""Where the shadow of a cloud lies, pixels of 20 m."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """What decides the pixels and the files."""

    size: int = PIXELS_10M
    """Rows and columns of 10 m, from the tile's north-west corner; even."""

    seed: int = 6
    """Another one, another ground."""

    block: int = 512
    """Side of the internal tiles."""

    bands: tuple[str, ...] = BANDS
    """ESA names; `SCL` comes with them."""

    level: int = 6
    """Of zlib."""

    def __post_init__(self) -> None:
        if self.size % 2 or not 0 < self.size <= PIXELS_10M:
            raise ValueError(f"size must be even and at most 10980, got {self.size}")
        unknown = set(self.bands) - set(_REFLECTANCE)
        if unknown:
            raise ValueError(f"no such bands here: {', '.join(sorted(unknown))}")

    @property
    def grid(self) -> Grid:
        """The 10 m grid."""
        tile = tile_grid(MGRS_TILE)
        return Grid(
            crs=tile.crs,
            left=tile.left,
            top=tile.top,
            pixel_width=10.0,
            pixel_height=10.0,
            height=self.size,
            width=self.size,
            mgrs_tile=MGRS_TILE,
        )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Fields:
    """Periodic fields that everything is cut from, at offsets of its own."""

    cover: NDArray[np.uint8]
    relief: NDArray[np.float32]
    texture: NDArray[np.float32]
    noise: NDArray[np.float32]
    clouds: NDArray[np.float32]
    """Ranks, 0 to 1: less than the share of clouds is cloud."""


def days(count: int, first: date = FIRST_LOOK, every: timedelta = EVERY) -> list[date]:
    """
    List days of looks.

    Parameters
    ----------
    count : int
        How many.
    first : date
        The first.
    every : timedelta
        From one to the next.

    Returns
    -------
    list of date
        In order.
    """
    return [first + i * every for i in range(count)]


def digital_numbers(
    band: str, day: date, rows: range, cols: range, recipe: Recipe
) -> NDArray[np.uint16]:
    """
    Make a window of a band in memory.

    Parameters
    ----------
    band : str
        ESA name.
    day : date
        Day of the look.
    rows, cols : range
        Pixels of the band's own sampling.
    recipe : Recipe
        Which ground.

    Returns
    -------
    ndarray of uint16, shape (y, x)
        What the file of this band and day holds there.
    """
    fields = _fields(recipe.seed)
    step = 1 if band in BANDS_10M else 2
    y, x = np.asarray(rows) * step, np.asarray(cols) * step
    numbers = ground(band, day, rows, cols, recipe)
    which = sorted(_REFLECTANCE).index(band)
    turn = day.toordinal()
    numbers += _cut(fields.texture, y // step + 37 * which, x // step + 101 * which)
    numbers += _cut(
        fields.noise, y // step + 211 * which + 17 * turn, x // step + 7 * turn
    )
    cloud, shadow = _clouds(fields, day, y // 2, x // 2)
    numbers[shadow] *= np.float32(_SHADOW)
    numbers += cloud
    # 1 is the darkest number that is a measurement
    return np.clip(numbers - ADD_OFFSET, 1, 30_000).astype(np.uint16)


def ground(
    band: str, day: date, rows: range, cols: range, recipe: Recipe
) -> NDArray[np.float32]:
    """
    Give what a look would show without texture, noise and clouds.

    Parameters
    ----------
    band : str
        ESA name.
    day : date
        Day of the look.
    rows, cols : range
        Pixels of the band's own sampling.
    recipe : Recipe
        Which ground.

    Returns
    -------
    ndarray of float32, shape (y, x)
        Reflectance times 10,000.
    """
    fields = _fields(recipe.seed)
    step = 1 if band in BANDS_10M else 2
    y, x = np.asarray(rows) * step, np.asarray(cols) * step
    summer = math.cos(2 * math.pi * (day.timetuple().tm_yday - 200) / 365.25)
    levels = np.array(_REFLECTANCE[band], dtype=np.float32) * 10_000
    levels[: _CROP + 1] *= 1 + _SEASON[band] * summer
    numbers: NDArray[np.float32] = levels[_cover(fields, day, y, x, recipe)]
    numbers *= _cut(fields.relief, y, x)
    return numbers


def classes(day: date, rows: range, cols: range, recipe: Recipe) -> NDArray[np.uint8]:
    """
    Make a window of the scene classification in memory.

    Parameters
    ----------
    day : date
        Day of the look.
    rows, cols : range
        Pixels of 20 m.
    recipe : Recipe
        Which ground.

    Returns
    -------
    ndarray of uint8, shape (y, x)
        What the file of this day holds there.
    """
    fields = _fields(recipe.seed)
    y, x = np.asarray(rows), np.asarray(cols)
    scl: NDArray[np.uint8] = _CLASS_OF_COVER[_cover(fields, day, 2 * y, 2 * x, recipe)]
    cloud, shadow = _clouds(fields, day, y, x)
    scl[shadow] = Scl.CLOUD_SHADOW
    scl[cloud > 0] = Scl.UNCLASSIFIED
    scl[cloud > _CLOUD * 0.1] = Scl.CLOUD_MEDIUM
    scl[cloud > _CLOUD * 0.5] = Scl.CLOUD_HIGH
    return scl


def history(
    when: Sequence[date], block: Block, bands: Sequence[str], recipe: Recipe
) -> tuple[NDArray[np.float32], NDArray[np.uint8]]:
    """
    Make looks at a window in memory, as `SceneSource.load` would give them.

    Bands of 20 m are repeated, not interpolated: a history is not what is timed.

    Parameters
    ----------
    when : sequence of date
        Days of looks.
    block : Block
        Pixels of 10 m, on even rows and columns.
    bands : sequence of str
        ESA names.
    recipe : Recipe
        Which ground.

    Returns
    -------
    reflectance : ndarray of float32, shape (time, band, y, x)
        Reflectance.
    scl : ndarray of uint8, shape (time, y, x)
        Scene classification.
    """
    shape = (block.height, block.width)
    reflectance = np.empty((len(when), len(bands), *shape), dtype=np.float32)
    scl = np.empty((len(when), *shape), dtype=np.uint8)
    fine = (_range(block.rows), _range(block.cols))
    coarse = (_range(block.rows, 2), _range(block.cols, 2))
    for look, day in enumerate(when):
        for row, band in enumerate(bands):
            if band in BANDS_10M:
                dn = digital_numbers(band, day, *fine, recipe)
            else:
                dn = _twice(digital_numbers(band, day, *coarse, recipe))
            reflectance[look, row] = to_reflectance(dn, add_offset=ADD_OFFSET)
        scl[look] = _twice(classes(day, *coarse, recipe))
    return reflectance, scl


def pixel_m(band: str) -> int:
    """
    Give the sampling of a band.

    Parameters
    ----------
    band : str
        ESA name, or `SCL`.

    Returns
    -------
    int
        Metres.
    """
    return 10 if band in BANDS_10M else 20


@lru_cache(maxsize=2)
def _fields(seed: int) -> _Fields:
    """Make the fields of a ground, of sides that differ: no two repeat at once."""
    rng = np.random.default_rng(seed)
    texture = _fractal(rng, 1021, 0.3) * np.float32(_TEXTURE)
    cover = _rank(_fractal(rng, 1980, 1.3))
    return _Fields(
        cover=np.searchsorted(_COVER_SHARES, cover).astype(np.uint8),
        relief=1 + np.float32(0.12) * _fractal(rng, 1728, 1.6),
        texture=texture,
        noise=rng.normal(0, _NOISE, (1013, 1013)).astype(np.float32),
        clouds=_rank(_fractal(rng, 2048, 1.7)),
    )


def _fractal(rng: np.random.Generator, side: int, power: float) -> NDArray[np.float32]:
    """Draw a periodic field whose amplitude falls with frequency; spread 1."""
    white = np.fft.rfft2(rng.normal(size=(side, side)))
    frequency = np.hypot(np.fft.fftfreq(side)[:, None], np.fft.rfftfreq(side)[None])
    frequency[0, 0] = np.inf
    field = np.fft.irfft2(white * frequency**-power, s=(side, side))
    scaled: NDArray[np.float32] = (field - field.mean()) / field.std()
    return scaled.astype(np.float32)


def _rank(field: NDArray[np.float32]) -> NDArray[np.float32]:
    """Replace values by the share of those that are smaller."""
    order = np.argsort(field, axis=None)
    ranks = np.empty(field.size, dtype=np.float32)
    ranks[order] = np.arange(field.size, dtype=np.float32) / field.size
    return ranks.reshape(field.shape)


def _cut(field: NDArray[Any], y: NDArray[Any], x: NDArray[Any]) -> NDArray[Any]:
    """Cut rows and columns out of a periodic field."""
    side = field.shape[0]
    cut: NDArray[Any] = field.take(y % side, axis=0).take(x % side, axis=1)
    return cut


def _cover(
    fields: _Fields, day: date, y: NDArray[Any], x: NDArray[Any], recipe: Recipe
) -> NDArray[np.uint8]:
    """Land cover at rows and columns of 10 m, digs included."""
    cover: NDArray[np.uint8] = _cut(fields.cover, y, x)
    if day >= DUG_ON:
        for row, col, radius in _digs(recipe.seed, recipe.size):
            near_y = np.flatnonzero(np.abs(y - row) <= radius)
            near_x = np.flatnonzero(np.abs(x - col) <= radius)
            if near_y.size and near_x.size:
                inside = (y[near_y, None] - row) ** 2 + (x[None, near_x] - col) ** 2
                part = np.ix_(near_y, near_x)
                cover[part] = np.where(inside <= radius**2, _BARE, cover[part])
    return cover


@lru_cache(maxsize=8)
def _digs(seed: int, size: int) -> tuple[tuple[int, int, int], ...]:
    """Rows, columns and radii of dug patches, pixels of 10 m."""
    rng = np.random.default_rng((seed, 1))
    # those of the whole tile are drawn, so that a part of it holds the same
    count = PIXELS_10M**2 // PIXELS_A_DIG
    drawn = rng.integers([0, 0, 3], [PIXELS_10M, PIXELS_10M, 16], (count, 3))
    return tuple(
        (int(row), int(col), int(radius))
        for row, col, radius in drawn
        if row - radius < size and col - radius < size
    )


def _clouds(
    fields: _Fields, day: date, y: NDArray[Any], x: NDArray[Any]
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Give what clouds add at rows and columns of 20 m, and where their shadows are."""
    rng = np.random.default_rng(day.toordinal())
    share = np.float32(rng.uniform(0.02, 0.45))
    down, right = rng.integers(0, 2048, 2)
    ranks = _cut(fields.clouds, y + down, x + right)
    depth = np.maximum(share - ranks, 0) / share
    above = _cut(fields.clouds, y + down - _SHADOW_AT[0], x + right - _SHADOW_AT[1])
    # thin edges cast no shadow
    shadow = (above < 0.9 * share) & (depth == 0)
    return (depth * np.float32(_CLOUD)).astype(np.float32), shadow


def _range(part: slice, step: int = 1) -> range:
    """Pixels of a slice, at a sampling `step` times as coarse."""
    return range(part.start // step, part.stop // step)


def _twice(values: NDArray[Any]) -> NDArray[Any]:
    """Repeat rows and columns."""
    return values.repeat(2, axis=0).repeat(2, axis=1)
