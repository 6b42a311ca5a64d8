r"""Digs that nobody dug, blended into a real series with its real clouds.

A surface of known outline is laid on the pixel grid and changes what a look shows by

.. math::

   \rho'_b = \Bigl(1 - \sum_k c f_k\Bigr) \rho_b + \sum_k c f_k (g m_{kb} + h_b)

where :math:`\rho_b` is the real reflectance of the pixel in band :math:`b`,
:math:`f_k` the fraction of part :math:`k` that the band sees, :math:`m_{kb}` its
reflectance, :math:`c` the contrast, and :math:`g`, :math:`h_b` gain and haze of the
look at this pixel, see `Conditions`.

*Fractions.* The exact area of the outline within each pixel, then blurred by a Gaussian
of `PSF_SIGMA` pixels. Together with the pixel itself (a sinc, 0.64 at the Nyquist
frequency) that is a modulation transfer of 0.25 there, inside the 0.15 to 0.30 that was
asked of the instrument [1]_. Bands of 20 m are laid on their own pixels, blurred by as
many of those, and brought to 10 m as the sources do.

*Place.* Scenes of the series wander; what is implanted wanders with them, by the shift
that is measured against the looks around (`scene_shifts`). An implant that stood still
where the forest moves would be easier to find than a real one.

*What is not imitated.* Shade of walls, dust around, mixed skylight, the rim of broken
trees; and the scene classification stays as it is, unless bright surfaces are called
cloud on purpose. A pixel that the real look does not show stays as it is.

References
----------
.. [1] Drusch, M. et al. (2012), "Sentinel-2: ESA's Optical High-Resolution Mission for
   GMES Operational Services", Remote Sensing of Environment 120, 25-36.
   doi:10.1016/j.rse.2011.11.026
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

import numpy as np
import shapely
from numpy.typing import NDArray
from scipy import ndimage
from shapely import affinity
from shapely.geometry import Polygon

from rsmonitor.errors import ContractError
from rsmonitor.io.sources.resampling import Placement
from rsmonitor.lab.series import Series, Truth
from rsmonitor.lab.spectra import material
from rsmonitor.records.grid import Block
from rsmonitor.records.rasters import Scl
from rsmonitor.stages.indices import available, spectral_indices
from rsmonitor.stages.registration import measure_shift

PSF_SIGMA: Final = 0.44
"""Standard deviation of the blur, pixels of the band."""

COARSE_BANDS: Final = ("B8A", "B11", "B12")
"""Bands of 20 m where the series has pixels of 10 m."""

FINE_PIXEL_M: Final = 10.0
COARSE_RATIO: Final = 2

RIM: Final = 8
"""Pixels around an outline that its blur reaches, at most."""

KERNEL_DAYS: Final = 20.0
"""Standard deviation of the weights by which looks around a look tell what it should
show."""

REACH_DAYS: Final = 60
"""Looks farther away tell nothing."""

LEAST_WEIGHT: Final = 0.3
"""Sum of weights below which a look has no neighbours to be compared with."""

GAIN_RANGE: Final = (0.4, 1.6)
HAZE_RANGE: Final = (-0.03, 0.2)
HAZE_PIXELS: Final = 9
"""Haze is even over this many pixels."""

DARKEST: Final = 0.001
"""Haze that was taken off too much leaves no surface darker than this."""

BRIGHT: Final = 0.15
"""Mean of B02, B03 and B04 above which a surface can be taken for cloud."""

TRACK_M: Final = 5.0
"""Width of a track."""

TRACK_SHARE, CLEARING_SHARE = 0.3, 0.5
"""Shares of an in-situ site; the rest are wet spots."""

CLEARING_M2: Final = 250.0
SPOT_M2: Final = 80.0
"""Typical size of one clearing, and of one wet spot."""

SPOT_MATERIAL: Final = "turbid_pond"

CORNERS: Final = 48
"""Corners of a disc and of a ragged outline."""


class Shape(StrEnum):
    """Outline of an implant."""

    DISC = "disc"
    SQUARE = "square"
    RAGGED = "ragged"
    IN_SITU = "in_situ"
    """A track with small clearings and wet spots beside it, at a hill's foot."""


class Course(StrEnum):
    """How it comes and goes."""

    SUDDEN = "sudden"
    GROWING = "growing"
    """Its area grows evenly from nothing in `Implant.lasts_days`."""

    COVERED = "covered"
    """There at once, and covered again after `Implant.lasts_days`."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Part:
    """One surface of an implant."""

    outline: Polygon
    """Metres right of and below the middle of the implant."""

    material: str
    """Name in `rsmonitor.lab.spectra.MATERIALS`."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Implant:
    """Something dug that nobody dug."""

    row: float
    """Of its middle, pixels below the upper edge of the grid."""

    col: float
    """Of its middle, pixels right of the left edge."""

    parts: tuple[Part, ...]
    """What it is made of; they do not overlap much."""

    began: int
    """First day on which it is there, days since 1970-01-01."""

    course: Course = Course.SUDDEN
    """How it comes and goes."""

    lasts_days: int = 0
    """See `Course`; not read if sudden."""

    cover: str | None = None
    """Material of the cover; None: it looks as the place did before."""

    contrast: float = 1.0
    """Share of the outline that really is of the material, 0 to 1."""

    def __post_init__(self) -> None:
        if not self.parts:
            raise ContractError("an implant needs a part")
        if not 0 <= self.contrast <= 1:
            raise ContractError(f"contrast is from 0 to 1, got {self.contrast}")
        if self.course is not Course.SUDDEN and self.lasts_days < 1:
            raise ContractError(f"lasts_days must be 1 or more, got {self.lasts_days}")

    @property
    def area_m2(self) -> float:
        """Area at its largest, square metres."""
        return float(sum(part.outline.area for part in self.parts))

    def share_on(self, day: int) -> float:
        """
        Say how much of the area is there on a day.

        Parameters
        ----------
        day : int
            Days since 1970-01-01.

        Returns
        -------
        float
            0 to 1; what is covered is there.

        Examples
        --------
        >>> part = Part(outline=shapely.box(-10, -10, 10, 10), material="bare_soil")
        >>> dig = Implant(
        ...     row=9,
        ...     col=9,
        ...     parts=(part,),
        ...     began=100,
        ...     course=Course.GROWING,
        ...     lasts_days=10,
        ... )
        >>> dig.share_on(99), dig.share_on(104), dig.share_on(200)
        (0.0, 0.5, 1.0)
        """
        if day < self.began:
            return 0.0
        if self.course is Course.GROWING:
            return min(1.0, (day - self.began + 1) / self.lasts_days)
        if self._is_covered(day) and self.cover is None:
            return 0.0
        return 1.0

    def material_on(self, day: int, part: Part) -> str:
        """
        Say what a part looks like on a day.

        Parameters
        ----------
        day : int
            Days since 1970-01-01.
        part : Part
            One of `parts`.

        Returns
        -------
        str
            Name of a material.
        """
        return self.cover if self.cover and self._is_covered(day) else part.material

    def _is_covered(self, day: int) -> bool:
        """Say whether it was covered again."""
        return self.course is Course.COVERED and day >= self.began + self.lasts_days


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Conditions:
    """
    What the air, the sun and the sensor did to a look, as the real pixels tell.

    They are compared with the mean of the looks around, weighted by their distance in
    time, so that seasons drop out. The brightest of the finest bands is taken to say
    how strongly the ground was lit: that ratio is the gain, for all bands. What the
    other bands departed by beyond it, evenly over `HAZE_PIXELS`, is haze, which adds.
    """

    gain: NDArray[np.float32]
    """1 where nothing is known, shape (time, y, x)."""

    haze: NDArray[np.float32]
    """Reflectance; 0 where nothing is known, shape (time, band, y, x)."""

    clear: NDArray[np.bool_]
    """True where the ground was seen, shape (time, y, x)."""

    shifts: NDArray[np.float64]
    """How far each scene lies below and right of its place, pixels; 0 where it cannot
    be told, shape (time, 2)."""


def draw_parts(
    shape: Shape, area_m2: float, name: str, random: np.random.Generator
) -> tuple[Part, ...]:
    """
    Draw the outline of an implant, turned at random.

    Parameters
    ----------
    shape : Shape
        Kind of outline.
    area_m2 : float
        Its area, which is met exactly but for overlaps of in-situ parts.
    name : str
        Material; the wet spots of an in-situ site are `SPOT_MATERIAL`.
    random : numpy.random.Generator
        Chance.

    Returns
    -------
    tuple of Part
        One, or for an in-situ site several.

    Raises
    ------
    ContractError
        If the area is not positive, or there is no such material.

    Examples
    --------
    >>> (part,) = draw_parts(
    ...     Shape.RAGGED, 1000.0, "bare_soil", np.random.default_rng(1)
    ... )
    >>> round(part.outline.area)
    1000
    """
    if not (np.isfinite(area_m2) and area_m2 > 0):
        raise ContractError(f"an area must be positive, got {area_m2} m2")
    material(name)
    if shape is Shape.IN_SITU:
        return _in_situ(area_m2, name, random)
    outline = _SHAPES[shape](random)
    return (Part(outline=_of_area(outline, area_m2), material=name),)


def area_fractions(outline: Polygon, shape: tuple[int, int]) -> NDArray[np.float64]:
    """
    Give the exact share of each pixel that an outline covers.

    Parameters
    ----------
    outline : shapely Polygon
        In pixels: x columns, y rows, from the upper left corner of the grid.
    shape : tuple of int
        Height and width of the grid.

    Returns
    -------
    ndarray of float64, shape (y, x)
        0 to 1; they sum to the area within the grid.

    Examples
    --------
    >>> area_fractions(shapely.box(0.5, 0.0, 2.0, 1.0), (1, 3)).tolist()
    [[0.5, 1.0, 0.0]]
    """
    fractions = np.zeros(shape)
    left, upper, right, lower = outline.bounds
    first_col, last_col = max(0, int(left // 1)), min(shape[1], int(-(-right // 1)))
    first_row, last_row = max(0, int(upper // 1)), min(shape[0], int(-(-lower // 1)))
    if first_col >= last_col or first_row >= last_row:
        return fractions
    rows, cols = np.mgrid[first_row:last_row, first_col:last_col]
    pixels = shapely.box(cols, rows, cols + 1, rows + 1)
    shapely.prepare(outline)
    inside = np.asarray(shapely.contains_properly(outline, pixels))
    cut = np.asarray(shapely.intersects(outline, pixels)) & ~inside
    area = inside.astype(np.float64)
    area[cut] = shapely.area(shapely.intersection(outline, pixels[cut]))
    fractions[first_row:last_row, first_col:last_col] = np.minimum(area, 1.0)
    return fractions


def seen_fractions(
    fractions: NDArray[np.float64], *, ratio: int = 1
) -> NDArray[np.float64]:
    """
    Give the share of an outline in what a band shows of each pixel.

    Parameters
    ----------
    fractions : ndarray of float64, shape (y, x)
        From `area_fractions`; the outline lies `RIM` pixels from its edges, and for a
        coarser band the edges lie on those of coarse pixels.
    ratio : int, default 1
        Fine pixels along a pixel of the band.

    Returns
    -------
    ndarray of float64, shape (y, x)
        Blurred; they sum to what was given.
    """
    if ratio == 1:
        return _blurred(fractions)
    height, width = (-(-n // ratio) * ratio for n in fractions.shape)
    padded = np.zeros((height, width))
    padded[: fractions.shape[0], : fractions.shape[1]] = fractions
    coarse = padded.reshape(height // ratio, ratio, width // ratio, ratio)
    blurred = _blurred(coarse.mean(axis=(1, 3)))
    between = Placement(
        ratio_y=ratio,
        ratio_x=ratio,
        row=0,
        col=0,
        height=height // ratio,
        width=width // ratio,
    )
    whole = Block(row=0, col=0, height=height, width=width)
    fine = between.bilinear(blurred.astype(np.float32), whole)
    return fine[: fractions.shape[0], : fractions.shape[1]].astype(np.float64)


def footprint(
    implant: Implant, shape: tuple[int, int], pixel_m: float
) -> NDArray[np.float64]:
    """
    Give the share of each pixel that an implant covers at its largest.

    Parameters
    ----------
    implant : Implant
        The implant.
    shape : tuple of int
        Height and width of the grid.
    pixel_m : float
        Length of a pixel, metres.

    Returns
    -------
    ndarray of float64, shape (y, x)
        0 to 1, not blurred.
    """
    covered = np.zeros(shape)
    for part in implant.parts:
        outline = _on_grid(part.outline, implant, pixel_m, (0.0, 0.0))
        covered += area_fractions(outline, shape)
    return np.minimum(covered, 1.0)


def conditions(series: Series, clear: NDArray[np.bool_]) -> Conditions:
    """
    Read from the real pixels what each look did to the ground.

    Parameters
    ----------
    series : Series
        Undisturbed for the most part.
    clear : ndarray of bool, shape (time, y, x)
        Where the ground was seen.

    Returns
    -------
    Conditions
        Gain, haze and shift of every look.
    """
    expected = _expected(series, clear)
    known = clear[:, None] & np.isfinite(expected) & np.isfinite(series.reflectance)
    bright = int(
        np.argmax(
            [
                0.0 if coarse else _median_of(expected[:, b])
                for b, coarse in enumerate(_coarse(series))
            ]
        )
    )
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = series.reflectance[:, bright] / expected[:, bright]
    usable = known[:, bright] & np.isfinite(ratio)
    gain = np.where(usable, np.clip(ratio, *GAIN_RANGE), 1.0).astype(np.float32)
    haze = np.zeros_like(series.reflectance)
    for b in range(len(series.bands)):
        if b == bright:
            continue
        beyond = series.reflectance[:, b] - gain * expected[:, b]
        both = usable & known[:, b]
        size = (1, HAZE_PIXELS, HAZE_PIXELS)
        total = ndimage.uniform_filter(np.where(both, beyond, 0.0), size)
        share = ndimage.uniform_filter(both.astype(np.float64), size)
        haze[:, b] = np.where(share > 0, total / np.maximum(share, 1e-6), 0.0)
    return Conditions(
        gain=gain,
        haze=np.clip(haze, *HAZE_RANGE).astype(np.float32),
        clear=clear,
        shifts=_scene_shifts(series, clear, expected),
    )


def implanted(
    series: Series,
    implants: Sequence[Implant],
    looks: Conditions,
    *,
    cloud_share: float = 0.0,
    random: np.random.Generator | None = None,
) -> Series:
    """
    Blend implants into a series.

    Parameters
    ----------
    series : Series
        Pixels of 10 m or more; not modified.
    implants : sequence of Implant
        What to blend in; places that do not touch.
    looks : Conditions
        From `conditions` of the same series.
    cloud_share : float, default 0
        Share of looks in which the scene classification calls a bright implant cloud.
    random : numpy.random.Generator, optional
        Chance; needed where `cloud_share` is above 0.

    Returns
    -------
    Series
        With `Truth.OPENED` where an implant covers half of a pixel and more, and
        not counted where it covers less; elsewhere the truth is that of `series`.

    Raises
    ------
    ContractError
        If a share is out of its range, or chance is missing.
    """
    if not 0 <= cloud_share <= 1:
        raise ContractError(f"cloud_share is from 0 to 1, got {cloud_share}")
    if cloud_share > 0 and random is None:
        raise ContractError("cloud_share needs chance: give random")
    reflectance, scl = series.reflectance.copy(), series.scl.copy()
    truth = series.truth.copy()
    began_after, began_by = series.began_after.copy(), series.began_by.copy()
    for implant in implants:
        for t in np.flatnonzero(series.days >= implant.began):
            if implant.share_on(int(series.days[t])) == 0:
                continue
            _blend(reflectance[t], series, implant, looks, int(t))
            if random is not None and random.random() < cloud_share:
                _cloud(scl[t], series, implant, int(t), looks)
        covered = footprint(implant, truth.shape, series.pixel_m)
        truth[covered > 0] = Truth.NOT_COUNTED
        opened = covered >= 0.5  # noqa: PLR2004 - half
        truth[opened] = Truth.OPENED
        began_after[opened], began_by[opened] = implant.began - 1, implant.began
    return replace(
        series,
        name=f"{series.name}+implants",
        reflectance=reflectance,
        scl=scl,
        truth=truth,
        began_after=began_after,
        began_by=began_by,
    )


def _blend(
    scene: NDArray[np.float32],
    series: Series,
    implant: Implant,
    looks: Conditions,
    t: int,
) -> None:
    """Blend one implant into one look, in place."""
    day = int(series.days[t])
    grow = float(np.sqrt(implant.share_on(day)))
    shift = (float(looks.shifts[t, 0]), float(looks.shifts[t, 1]))
    outlines = [
        _on_grid(
            affinity.scale(part.outline, grow, grow, origin="centroid"),
            implant,
            series.pixel_m,
            shift,
        )
        for part in implant.parts
    ]
    window = _window(outlines, series.truth.shape)
    rows, cols = window
    clear = looks.clear[t][window]
    if not clear.any():
        return
    coarse = _coarse(series)
    left = np.ones((len(series.bands), *clear.shape))
    added = np.zeros_like(left)
    for part, outline in zip(implant.parts, outlines, strict=True):
        local = affinity.translate(outline, -cols.start, -rows.start)
        exact = area_fractions(local, clear.shape)
        fine = seen_fractions(exact)
        wide = seen_fractions(exact, ratio=COARSE_RATIO) if any(coarse) else fine
        values = material(implant.material_on(day, part)).values(series.bands)
        for b, value in enumerate(values):
            share = implant.contrast * (wide if coarse[b] else fine)
            left[b] -= share
            lit = looks.gain[t][window] * value + looks.haze[t, b][window]
            added[b] += share * lit
    real = scene[:, rows, cols]
    mixed = np.maximum(np.maximum(left, 0.0) * real + added, np.minimum(real, DARKEST))
    scene[:, rows, cols] = np.where(clear, mixed, real)


def _cloud(
    scl: NDArray[np.uint8], series: Series, implant: Implant, t: int, looks: Conditions
) -> None:
    """Let the scene classification take bright parts for cloud, in place."""
    day = int(series.days[t])
    for part in implant.parts:
        values = material(implant.material_on(day, part)).values(("B02", "B03", "B04"))
        if float(values.mean()) < BRIGHT:
            continue
        shift = (float(looks.shifts[t, 0]), float(looks.shifts[t, 1]))
        outline = _on_grid(part.outline, implant, series.pixel_m, shift)
        half = area_fractions(outline, series.truth.shape) >= 0.5  # noqa: PLR2004
        scl[half & looks.clear[t]] = Scl.CLOUD_HIGH


def _coarse(series: Series) -> list[bool]:
    """Say which bands have pixels of 20 m."""
    fine = series.pixel_m <= FINE_PIXEL_M
    return [fine and band in COARSE_BANDS for band in series.bands]


def _on_grid(
    outline: Polygon, implant: Implant, pixel_m: float, shift: tuple[float, float]
) -> Polygon:
    """Bring an outline from metres around its middle to pixels of the grid."""
    scaled = affinity.scale(outline, 1 / pixel_m, 1 / pixel_m, origin=(0, 0))
    moved: Polygon = affinity.translate(
        scaled, implant.col + shift[1], implant.row + shift[0]
    )
    return moved


def _window(outlines: Sequence[Polygon], shape: tuple[int, ...]) -> tuple[slice, slice]:
    """Choose the pixels that outlines reach, on the edges of coarse pixels."""
    bounds = np.array([outline.bounds for outline in outlines])
    spans = []
    for low, high, size in (
        (bounds[:, 1].min(), bounds[:, 3].max(), shape[0]),
        (bounds[:, 0].min(), bounds[:, 2].max(), shape[1]),
    ):
        first = max(0, int(np.floor(low)) - RIM) // COARSE_RATIO * COARSE_RATIO
        last = min(size, int(np.ceil(high)) + RIM)
        spans.append(slice(min(first, size), max(last, min(first, size))))
    return spans[0], spans[1]


def _blurred(fractions: NDArray[np.float64]) -> NDArray[np.float64]:
    """Blur by the point spread function; nothing comes back from beyond the edge."""
    blurred: NDArray[np.float64] = ndimage.gaussian_filter(
        fractions, PSF_SIGMA, mode="constant"
    )
    return blurred


def _expected(series: Series, clear: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Say what each look should show, from the looks around it without itself."""
    apart = np.abs(series.days[:, None] - series.days[None]).astype(np.float64)
    weight = np.exp(-0.5 * (apart / KERNEL_DAYS) ** 2)
    weight[apart > REACH_DAYS] = 0.0
    np.fill_diagonal(weight, 0.0)
    n_time = series.days.size
    seen = clear.reshape(n_time, -1).astype(np.float64)
    known = weight @ seen
    expected = np.full(series.reflectance.shape, np.nan, dtype=np.float32)
    for b in range(len(series.bands)):
        band = series.reflectance[:, b].reshape(n_time, -1)
        total = weight @ np.where(seen > 0, np.nan_to_num(band), 0.0)
        with np.errstate(divide="ignore", invalid="ignore"):
            mean = np.where(known >= LEAST_WEIGHT, total / known, np.nan)
        expected[:, b] = mean.reshape(series.scl.shape)
    return expected


def _scene_shifts(
    series: Series, clear: NDArray[np.bool_], expected: NDArray[np.float32]
) -> NDArray[np.float64]:
    """Measure how far each scene lies from the looks around it."""
    shifts = np.zeros((series.days.size, 2))
    names = available(("ndvi", "dred"), series.bands)
    if not names or not series.connected:
        return shifts
    for t in range(series.days.size):
        if not clear[t].any():
            continue
        said, seen = (
            spectral_indices(values, bands=series.bands, names=names)
            for values in (expected[t], series.reflectance[t])
        )
        seen[:, ~clear[t]] = np.nan
        shift = measure_shift([said], [seen])
        if shift is not None:
            shifts[t] = shift.dy, shift.dx
    return shifts


def _median_of(values: NDArray[np.float32]) -> float:
    """Take the median of what is finite; nothing is dark."""
    finite = values[np.isfinite(values)]
    return float(np.median(finite)) if finite.size else 0.0


def _of_area(outline: Polygon, area_m2: float) -> Polygon:
    """Scale an outline around the middle to an area."""
    factor = float(np.sqrt(area_m2 / outline.area))
    scaled: Polygon = affinity.scale(outline, factor, factor, origin=(0, 0))
    return scaled


def _disc(_: np.random.Generator) -> Polygon:
    """Draw a disc."""
    return shapely.Point(0, 0).buffer(1.0, quad_segs=CORNERS // 4)


def _square(random: np.random.Generator) -> Polygon:
    """Draw a square, turned."""
    turned: Polygon = affinity.rotate(
        shapely.box(-1, -1, 1, 1), random.uniform(0, 90), origin=(0, 0)
    )
    return turned


def _ragged(random: np.random.Generator) -> Polygon:
    """Draw a star of random waves, twice as long as wide."""
    angle = np.linspace(0, 2 * np.pi, CORNERS, endpoint=False)
    waves = sum(
        random.normal(0, 0.25 / k) * np.cos(k * angle + random.uniform(0, 2 * np.pi))
        for k in range(2, 7)
    )
    radius = np.exp(waves)
    star = Polygon(np.column_stack([radius * np.cos(angle), radius * np.sin(angle)]))
    longer = affinity.scale(star, 1.4, 0.7, origin=(0, 0))
    turned: Polygon = affinity.rotate(longer, random.uniform(0, 180), origin=(0, 0))
    return turned


_SHAPES: Final = {
    Shape.DISC: _disc,
    Shape.SQUARE: _square,
    Shape.RAGGED: _ragged,
}


def _in_situ(
    area_m2: float, name: str, random: np.random.Generator
) -> tuple[Part, ...]:
    """Draw a track along a hill's foot, with clearings and wet spots beside it."""
    length = TRACK_SHARE * area_m2 / TRACK_M
    steps = np.linspace(-length / 2, length / 2, 9)
    bend = np.cumsum(random.normal(0, length / 40, steps.size))
    middle = shapely.LineString(np.column_stack([steps, bend - bend.mean()]))
    track = _resized(
        middle.buffer(TRACK_M / 2, cap_style="flat"), TRACK_SHARE * area_m2
    )
    parts = [(track, name)]
    for share, typical, what in (
        (CLEARING_SHARE, CLEARING_M2, name),
        (1 - TRACK_SHARE - CLEARING_SHARE, SPOT_M2, SPOT_MATERIAL),
    ):
        count = max(1, round(share * area_m2 / typical))
        each = share * area_m2 / count
        for _ in range(count):
            along = middle.interpolate(random.uniform(0.05, 0.95), normalized=True)
            aside = np.sqrt(each / np.pi) + TRACK_M / 2 + random.uniform(0, 6)
            patch = _of_area(_ragged(random), each)
            side = random.choice((-1, 1))
            parts.append(
                (affinity.translate(patch, along.x, along.y + side * aside), what)
            )
    turn = random.uniform(0, 180)
    return tuple(
        Part(outline=affinity.rotate(outline, turn, origin=(0, 0)), material=what)
        for outline, what in parts
    )


def _resized(outline: Polygon, area_m2: float) -> Polygon:
    """Scale an outline around its own middle to an area."""
    factor = float(np.sqrt(area_m2 / outline.area))
    scaled: Polygon = affinity.scale(outline, factor, factor, origin="centroid")
    return scaled
