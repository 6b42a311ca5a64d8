"""What relief does to light: slopes turned to or from the sun, and shadows they cast.

In hills a low sun darkens whole slopes. That is no change of the ground, so pixels in
shadow are not looks, and what illumination does to the others can be taken out of a
scene's residuals. All of it needs a DEM; where elevation is unknown nothing is shadow.
"""

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from shapely import MultiPoint, get_coordinates

from rsmonitor.errors import ContractError
from rsmonitor.records.grid import Grid
from rsmonitor.stages.geodesy import WGS84, to_lonlat
from rsmonitor.stages.sun import Sun

SHADOW_LIMIT_M: Final = 5_000.0
"""What stands farther away casts no shadow here: 1,800 m of relief at 20 degrees."""

_ON_A_CENTRE: Final = 1e-6
"""A ray this near to a pixel's centre, in pixels, meets that pixel alone."""

_NO_TIE: Final = 0.999
"""What is steeper than this share of the ray is looked at crossing by crossing."""

LEAST_SAMPLE: Final = 200
"""Pixels below which a scene says nothing of illumination."""

LEAST_SPREAD: Final = 0.02
"""Spread of the cosine below which relief is too gentle: slopes of about 2 degrees."""

NEIGHBOURS_ALIKE: Final = 9.0
"""Pixels that say no more than one, because neighbours err together."""

_SURE: Final = 2.0
"""Standard errors below which a slope is none."""

_HUBER: Final = 1.345
_ROUNDS: Final = 20
_SPREAD_OF_MAD: Final = 1.4826


@dataclass(frozen=True, slots=True, kw_only=True)
class PixelFrame:
    """How the steps of one pixel, right and down, lie on the ground, metres."""

    right_east_m: float
    """How far east the pixel to the right is."""

    right_north_m: float
    """How far north it is: not 0, as grid north is seldom true north."""

    down_east_m: float
    """How far east the pixel below is."""

    down_north_m: float
    """How far north it is: negative."""

    def __post_init__(self) -> None:
        if not (math.isfinite(self.area_m2) and self.area_m2 > 0):
            raise ContractError(
                f"a PixelFrame must run right and down without folding, got {self}"
            )

    @property
    def area_m2(self) -> float:
        """Area of a pixel."""
        return (
            self.right_north_m * self.down_east_m
            - self.right_east_m * self.down_north_m
        )

    def pixels(self, east_m: float, north_m: float) -> tuple[float, float]:
        """
        Convert a distance on the ground to pixels.

        Parameters
        ----------
        east_m : float
            Metres east.
        north_m : float
            Metres north.

        Returns
        -------
        tuple of float
            Rows down and columns right.
        """
        rows = self.right_north_m * east_m - self.right_east_m * north_m
        cols = self.down_east_m * north_m - self.down_north_m * east_m
        return rows / self.area_m2, cols / self.area_m2

    @property
    def shortest_step_m(self) -> float:
        """The least that a step to the next row or column can be, in any direction."""
        rows = math.hypot(self.right_north_m, self.right_east_m)
        cols = math.hypot(self.down_north_m, self.down_east_m)
        return self.area_m2 / max(rows, cols)


def pixel_frame(grid: Grid) -> PixelFrame:
    """
    Measure how the pixels at the centre of a grid lie on the ground.

    One frame for a whole grid keeps results the same for any cutting into blocks. Over
    a tile of 110 km grid north turns by less than half a degree.

    Parameters
    ----------
    grid : Grid
        In any CRS.

    Returns
    -------
    PixelFrame
        Metres on the ellipsoid.
    """
    x, y = (grid.left + grid.right) / 2, (grid.top + grid.bottom) / 2
    half_x, half_y = grid.pixel_width / 2, grid.pixel_height / 2
    ends = MultiPoint(
        [(x - half_x, y), (x + half_x, y), (x, y + half_y), (x, y - half_y)]
    )
    lon, lat = get_coordinates(to_lonlat(ends, grid.crs)).T
    azimuth, _, metres = WGS84.inv(lon[[0, 2]], lat[[0, 2]], lon[[1, 3]], lat[[1, 3]])
    east = metres * np.sin(np.radians(azimuth))
    north = metres * np.cos(np.radians(azimuth))
    return PixelFrame(
        right_east_m=float(east[0]),
        right_north_m=float(north[0]),
        down_east_m=float(east[1]),
        down_north_m=float(north[1]),
    )


def shadow_halo(
    relief_m: float,
    *,
    elevation_deg: float,
    frame: PixelFrame,
    limit_m: float = SHADOW_LIMIT_M,
) -> int:
    r"""
    Say how many pixels around a block its shadows can come from.

    Parameters
    ----------
    relief_m : float
        Highest less lowest elevation of the block and all within `limit_m` of it.
    elevation_deg : float
        Elevation of the sun, the lowest of all looks that share the halo.
    frame : PixelFrame
        Pixels of the grid.
    limit_m : float, default 5000
        What stands farther away is left out.

    Returns
    -------
    int
        Pixels, at least 1, which slopes need. With a larger halo no pixel of the block
        gets another result, unless `limit_m` cut it.

    Raises
    ------
    ContractError
        If a number is negative or not finite.

    Notes
    -----
    A ray that rises by :math:`\tan e` is above all relief :math:`r` at the distance
    :math:`r / \tan e`, so the halo is :math:`\lceil r / (s \tan e) \rceil` steps of at
    least :math:`s` metres each.

    Examples
    --------
    >>> ten_metres = PixelFrame(
    ...     right_east_m=10.0, right_north_m=0.0, down_east_m=0.0, down_north_m=-10.0
    ... )
    >>> shadow_halo(500.0, elevation_deg=35.0, frame=ten_metres)
    72
    """
    if not (0 <= relief_m < math.inf and 0 <= limit_m < math.inf):
        raise ContractError(
            f"relief_m {relief_m} and limit_m {limit_m} must be finite and not negative"
        )
    far_m = limit_m
    if elevation_deg > 0:
        far_m = min(limit_m, relief_m / math.tan(math.radians(elevation_deg)))
    return max(1, math.ceil(far_m / frame.shortest_step_m))


@dataclass(frozen=True, slots=True, kw_only=True)
class ShadowCounts:
    """What relief did to the pixels of a block; every pixel is counted once."""

    pixels: int
    """All pixels."""

    unknown: int
    """Without elevation; they are not called shadow."""

    turned_away: int
    """On slopes that face away from the sun."""

    cast: int
    """Facing the sun, but behind something higher."""

    lit: int
    """What is left."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Light:
    """How the sun met the ground of a block."""

    shadow: NDArray[np.bool_]
    """Shape (y, x): True where no direct sun came, by cast shadow or by slope."""

    cos_i: NDArray[np.float32]
    """Shape (y, x): cosine of incidence, see `illumination`; NaN where unknown."""

    counts: ShadowCounts
    """Pixels by what happened to them."""


def light(
    elevation: NDArray[np.float32], *, sun: Sun, frame: PixelFrame, halo: int
) -> Light:
    """
    Work out shadow and illumination of a block.

    Parameters
    ----------
    elevation : ndarray of float32, shape (y + 2 halo, x + 2 halo)
        Metres, with the halo on all sides; NaN where unknown.
    sun : Sun
        Where the sun stands.
    frame : PixelFrame
        Pixels of the grid.
    halo : int
        At least 1; see `shadow_halo`.

    Returns
    -------
    Light
        Of the block without its halo.

    Raises
    ------
    ContractError
        If the array is no larger than its halo, or `halo` is below 1.
    """
    cos_i = illumination(elevation, sun=sun, frame=frame)
    core = _core(elevation, halo)
    cos_i = cos_i[core]
    known = np.isfinite(elevation[core])
    cast = cast_shadow(elevation, sun=sun, frame=frame, halo=halo)
    turned_away = known & (cos_i <= 0)
    shadow = cast | turned_away
    counts = ShadowCounts(
        pixels=known.size,
        unknown=int((~known).sum()),
        turned_away=int(turned_away.sum()),
        cast=int((cast & ~turned_away).sum()),
        lit=int((known & ~shadow).sum()),
    )
    return Light(shadow=shadow, cos_i=cos_i, counts=counts)


def cast_shadow(
    elevation: NDArray[np.float32], *, sun: Sun, frame: PixelFrame, halo: int
) -> NDArray[np.bool_]:
    r"""
    Find the pixels that something higher hides from the centre of the sun.

    From the centre of each pixel a ray goes towards the sun. It is looked at wherever
    it crosses the next row, or the next column if it runs more along the rows, up to
    `halo` times. There the ground is interpolated between the two pixel centres on
    that row or column. The pixel is in shadow if the ground is higher than the ray at
    one crossing at least. So a peak narrower than a pixel can be missed, and the rim
    of a shadow is right to one pixel. A flat ground has no shadow.

    Unknown is never shadow: neither does a pixel without elevation lie in shadow, nor
    does ground that has to be interpolated from one cast any.

    Parameters
    ----------
    elevation : ndarray of float32, shape (y + 2 halo, x + 2 halo)
        Metres, with the halo on all sides; NaN where unknown.
    sun : Sun
        Where the sun stands. If it is down, all known ground is in shadow.
    frame : PixelFrame
        Pixels of the grid.
    halo : int
        Pixels on each side, not negative; what is farther away casts no shadow. See
        `shadow_halo`.

    Returns
    -------
    ndarray of bool, shape (y, x)
        True in shadow; the block without its halo.

    Raises
    ------
    ContractError
        If the array is no larger than its halo, or `halo` is negative.

    Notes
    -----
    Pixel :math:`p` is in shadow if for some :math:`k = 1, ..., h`

    .. math:: z(p + k d) > z(p) + k\,s \tan e

    with :math:`e` the elevation of the sun, :math:`d` the step towards it whose larger
    component is one pixel, and :math:`s` its length on the ground. The cost is pixels
    times steps; steps end where the ray is above the highest ground, and none is taken
    where no slope rises as steeply as the ray.

    Examples
    --------
    >>> wall = np.zeros((1, 9), dtype=np.float32)
    >>> wall[0, 5] = 30.0
    >>> ten_metres = PixelFrame(
    ...     right_east_m=10.0, right_north_m=0.0, down_east_m=0.0, down_north_m=-10.0
    ... )
    >>> around = np.pad(wall, 4, constant_values=np.nan)
    >>> low_in_the_east = Sun(zenith_deg=50.0, azimuth_deg=90.0)
    >>> cast_shadow(around, sun=low_in_the_east, frame=ten_metres, halo=4).astype(int)
    array([[0, 0, 1, 1, 1, 0, 0, 0, 0]])
    """
    core = _core(elevation, halo)
    known = np.isfinite(elevation)
    shadow = np.zeros_like(known[core])
    if sun.elevation_deg <= 0:
        return known[core].copy()
    if not known.any():
        return shadow
    rows, cols, step_m = _step(sun, frame)
    rise_m = step_m * math.tan(math.radians(sun.elevation_deg))
    if known.all():
        if _steepest(elevation, rows, cols) <= rise_m * _NO_TIE:
            return shadow
    else:
        elevation = np.where(known, elevation, np.float32(np.nan))
    relief_m = float(np.nanmax(elevation)) - float(np.nanmin(elevation))
    steps = min(halo, math.floor(relief_m / rise_m) + 1)
    ground = elevation[core]
    for k in range(1, steps + 1):
        crossed = _crossed(elevation, core, rows * k, cols * k)
        # nothing is greater than NaN, so unknown hides nothing and is not hidden
        shadow |= crossed - np.float32(k * rise_m) > ground
    return shadow


def slope_aspect(
    elevation: NDArray[np.float32], *, frame: PixelFrame
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """
    Measure how steep the ground is and which way it falls.

    Parameters
    ----------
    elevation : ndarray of float32, shape (y, x)
        Metres; NaN where unknown.
    frame : PixelFrame
        Pixels of the grid.

    Returns
    -------
    slope_deg : ndarray of float32, shape (y, x)
        0 to 90 degrees; NaN at the rim and where one of the nine pixels is unknown.
    aspect_deg : ndarray of float32, shape (y, x)
        Direction downhill, clockwise from true north, 0 to 360 degrees; NaN also where
        the ground is level.

    Examples
    --------
    >>> rising_east = np.tile(np.arange(3, dtype=np.float32) * 10, (3, 1))
    >>> ten_metres = PixelFrame(
    ...     right_east_m=10.0, right_north_m=0.0, down_east_m=0.0, down_north_m=-10.0
    ... )
    >>> slope, aspect = slope_aspect(rising_east, frame=ten_metres)
    >>> round(float(slope[1, 1])), round(float(aspect[1, 1]))
    (45, 270)
    """
    east, north = _gradient(elevation, frame)
    steepness = np.hypot(east, north)
    slope = np.degrees(np.arctan(steepness))
    aspect = np.degrees(np.arctan2(-east, -north)) % 360
    aspect[steepness == 0] = np.nan
    return slope.astype(np.float32), aspect.astype(np.float32)


def illumination(
    elevation: NDArray[np.float32], *, sun: Sun, frame: PixelFrame
) -> NDArray[np.float32]:
    r"""
    Compute the cosine of the angle between the sun and the normal of the ground.

    Parameters
    ----------
    elevation : ndarray of float32, shape (y, x)
        Metres; NaN where unknown.
    sun : Sun
        Where the sun stands.
    frame : PixelFrame
        Pixels of the grid.

    Returns
    -------
    ndarray of float32, shape (y, x)
        1 where the sun stands over the slope, 0 and below where the slope is turned
        away; NaN at the rim and where one of the nine pixels is unknown.

    Notes
    -----
    .. math:: \cos i = \cos z \cos s + \sin z \sin s \cos(a - o)

    with zenith :math:`z` and azimuth :math:`a` of the sun, slope :math:`s` and aspect
    :math:`o` of the ground [1]_. The gradient is Horn's, of eight neighbours [2]_.

    References
    ----------
    .. [1] P. M. Teillet, B. Guindon, D. G. Goodenough, "On the slope-aspect correction
       of multispectral scanner data", Canadian Journal of Remote Sensing 8(2), 1982.
       https://doi.org/10.1080/07038992.1982.10855028
    .. [2] B. K. P. Horn, "Hill shading and the reflectance map", Proceedings of the
       IEEE 69(1), 1981. https://doi.org/10.1109/PROC.1981.11918
    """
    east, north = _gradient(elevation, frame)
    zenith, azimuth = math.radians(sun.zenith_deg), math.radians(sun.azimuth_deg)
    towards_east = math.sin(zenith) * math.sin(azimuth)
    towards_north = math.sin(zenith) * math.cos(azimuth)
    along = math.cos(zenith) - towards_east * east - towards_north * north
    cosine = along / np.sqrt(1 + east * east + north * north)
    return cosine.astype(np.float32)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class IlluminationFit:
    """What illumination did to the residuals of one scene."""

    slopes: NDArray[np.float64]
    """Shape (index,): change of the residual with the cosine; 0 where not supported."""

    centre: float
    """The cosine at which nothing is changed: the median of the sample."""

    pixels: int
    """Pixels of the sample that had residuals and a cosine."""

    spread: float
    """Spread of their cosines."""


def fit_illumination(
    residuals: NDArray[np.floating], cos_i: NDArray[np.floating]
) -> IlluminationFit:
    r"""
    Fit, for one scene, how residuals go with illumination.

    A reference of the same season holds what the sun does every year. What is left is
    what this scene's haze, sky light and atmospheric correction add: they scale the
    effect of slopes up or down, so it shows as residuals that rise or fall with the
    cosine. A few pixels that changed in earnest do not move the fit.

    Parameters
    ----------
    residuals : ndarray, shape (index, pixel)
        Value less reference of a sample of pixels in the sun; NaN where not seen.
    cos_i : ndarray, shape (pixel,)
        From `illumination`; NaN where unknown.

    Returns
    -------
    IlluminationFit
        Slopes 0 if fewer than `LEAST_SAMPLE` pixels have both, or if their cosines
        spread by less than `LEAST_SPREAD`.

    Raises
    ------
    ContractError
        If the numbers of pixels differ.

    Notes
    -----
    Per index, :math:`r = a + b\,(c - \tilde c)` is fitted by iteratively reweighted
    least squares with Huber's weights (tuning 1.345, spread from the median absolute
    deviation) [1]_. Its standard error :math:`\sigma_b` is widened as if nine
    neighbours were one pixel. Then

    .. math:: b' = b\,\max\!\left(0,\; 1 - (2 \sigma_b / b)^2\right)

    shrinks what is not sure, and makes 0 of what is within two standard errors. A slope
    that leaves the sample no narrower (median absolute deviation) is 0 too.

    References
    ----------
    .. [1] P. J. Huber, "Robust Statistics", Wiley, 1981.
       https://doi.org/10.1002/0471725250

    Examples
    --------
    >>> cosines = np.linspace(0.3, 0.9, 2000)
    >>> fit = fit_illumination(0.1 * cosines[np.newaxis], cosines)
    >>> fit.slopes.round(3), round(fit.centre, 3)
    (array([0.1]), 0.6)
    """
    if residuals.ndim != 2 or residuals.shape[1:] != cos_i.shape:  # noqa: PLR2004
        raise ContractError(
            f"residuals {residuals.shape} do not fit cos_i {cos_i.shape}"
        )
    seen = np.isfinite(residuals).all(axis=0) & np.isfinite(cos_i)
    cosines = cos_i[seen].astype(np.float64)
    slopes = np.zeros(residuals.shape[0])
    centre = float(np.median(cosines)) if cosines.size else math.nan
    deviations = cosines - centre
    spread = float(_spread(deviations)) if cosines.size else 0.0
    if cosines.size >= LEAST_SAMPLE and spread >= LEAST_SPREAD:
        for index, values in enumerate(residuals[:, seen].astype(np.float64)):
            slopes[index] = _shrunken_slope(deviations, values)
    return IlluminationFit(
        slopes=slopes, centre=centre, pixels=cosines.size, spread=spread
    )


def without_illumination(
    residuals: NDArray[np.float32], cos_i: NDArray[np.floating], fit: IlluminationFit
) -> NDArray[np.float32]:
    """
    Take out of residuals what illumination did.

    Parameters
    ----------
    residuals : ndarray of float32, shape (index, ...)
        Value less reference; NaN where not seen.
    cos_i : ndarray, shape (...)
        From `illumination`; NaN where unknown.
    fit : IlluminationFit
        Of the same scene.

    Returns
    -------
    ndarray of float32, shape (index, ...)
        As given where the cosine is unknown.

    Raises
    ------
    ContractError
        If shapes or the number of indices do not agree.
    """
    if residuals.shape != (fit.slopes.size, *cos_i.shape):
        raise ContractError(
            f"residuals {residuals.shape} do not fit {fit.slopes.size} slopes and "
            f"cos_i {cos_i.shape}"
        )
    if not fit.slopes.any():
        return residuals.copy()
    deviations = np.where(np.isfinite(cos_i), cos_i - np.float32(fit.centre), 0)
    slopes = fit.slopes.astype(np.float32).reshape(-1, *[1] * cos_i.ndim)
    return (residuals - slopes * deviations.astype(np.float32)).astype(np.float32)


def _core(elevation: NDArray[np.float32], halo: int) -> tuple[slice, slice]:
    """Slices of what lies within the halo."""
    if halo < 0 or min(elevation.shape) <= 2 * halo:
        raise ContractError(
            f"elevation {elevation.shape} holds nothing within a halo of {halo}"
        )
    height, width = elevation.shape
    return slice(halo, height - halo), slice(halo, width - halo)


def _step(sun: Sun, frame: PixelFrame) -> tuple[float, float, float]:
    """Rows, columns and metres of the step towards the sun to the next crossing."""
    azimuth = math.radians(sun.azimuth_deg)
    rows, cols = frame.pixels(math.sin(azimuth), math.cos(azimuth))
    larger = max(abs(rows), abs(cols))
    return rows / larger, cols / larger, 1 / larger


def _crossed(
    elevation: NDArray[np.float32], core: tuple[slice, slice], rows: float, cols: float
) -> NDArray[np.float32]:
    """Ground under the ray that started at each pixel of the core."""
    first_row, first_col = _whole(rows), _whole(cols)
    near = _moved(elevation, core, first_row, first_col)
    rest_row, rest_col = rows - first_row, cols - first_col
    # one of both is a whole number: the ray is on a row, or on a column
    rest = np.float32(rest_row + rest_col)
    if rest <= _ON_A_CENTRE:
        return near
    far = _moved(
        elevation, core, first_row + (rest_row > 0), first_col + (rest_col > 0)
    )
    return near + rest * (far - near)


def _whole(pixels: float) -> int:
    """Round down, but not from just below a whole number."""
    nearest = round(pixels)
    return nearest if abs(pixels - nearest) <= _ON_A_CENTRE else math.floor(pixels)


def _moved(
    elevation: NDArray[np.float32], core: tuple[slice, slice], rows: int, cols: int
) -> NDArray[np.float32]:
    """Give the core as seen from that many rows and columns away."""
    down, right = core
    return elevation[
        down.start + rows : down.stop + rows, right.start + cols : right.stop + cols
    ]


def _steepest(elevation: NDArray[np.float32], rows: float, cols: float) -> float:
    """At least the most that the ground rises between two crossings of any ray."""
    steepest = 0.0
    for axis, share in enumerate((rows, cols)):
        if elevation.shape[axis] > 1:
            rises = np.diff(elevation, axis=axis)
            steepest += share * float(rises.max() if share > 0 else rises.min())
    return steepest


def _gradient(
    elevation: NDArray[np.float32], frame: PixelFrame
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Rise per metre to the east and to the north."""
    z = np.where(np.isfinite(elevation), elevation, np.nan).astype(np.float64)
    right = np.full(z.shape, np.nan)
    down = np.full(z.shape, np.nan)
    if min(z.shape) > 2:  # noqa: PLR2004 - a pixel and its neighbours
        across = z[:, 2:] - z[:, :-2]
        right[1:-1, 1:-1] = (across[:-2] + 2 * across[1:-1] + across[2:]) / 8
        along = z[2:] - z[:-2]
        down[1:-1, 1:-1] = (along[:, :-2] + 2 * along[:, 1:-1] + along[:, 2:]) / 8
        # the centre is none of the eight; both results below hold what is down
        down[np.isnan(z)] = np.nan
    # of one metre east, and of one metre north
    rows_east, cols_east = frame.pixels(1.0, 0.0)
    rows_north, cols_north = frame.pixels(0.0, 1.0)
    return (
        cols_east * right + rows_east * down,
        cols_north * right + rows_north * down,
    )


def _spread(values: NDArray[np.float64]) -> np.float64:
    """Robust standard deviation."""
    return np.float64(_SPREAD_OF_MAD * np.median(np.abs(values - np.median(values))))


def _shrunken_slope(x: NDArray[np.float64], y: NDArray[np.float64]) -> float:
    """Fit a slope by Huber's weights; 0 if it is not sure."""
    weight = np.ones_like(x)
    slope, off = 0.0, y - np.median(y)
    centred = x
    for _ in range(_ROUNDS):
        scale = _spread(off)
        if scale > 0:
            far = np.abs(off) / scale
            weight = np.minimum(1.0, _HUBER / np.maximum(far, _HUBER))
        centred = x - np.average(x, weights=weight)
        level = np.average(y, weights=weight)
        before = slope
        slope = float(
            (weight * centred * (y - level)).sum() / (weight * centred**2).sum()
        )
        off = y - level - slope * centred
        if abs(slope - before) <= 1e-9 * max(abs(slope), 1e-12):
            break
    variance = (weight * off) ** 2 @ np.ones_like(x) / max(1, x.size - 2)
    error = math.sqrt(variance * NEIGHBOURS_ALIKE / (weight * centred**2).sum())
    if abs(slope) <= _SURE * error:
        return 0.0
    shrunken = slope * (1 - (_SURE * error / slope) ** 2)
    # where clouds were missed or a half of the scene is other land, weights can settle
    # on a line that fits neither half
    return shrunken if _spread(y - shrunken * x) < _spread(y) else 0.0
