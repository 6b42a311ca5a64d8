r"""Retrospective reference map of forest openings on the Romanian demo cube.

Source
------
``sentinel2_cube_subset_romania_10m.nc`` (B2 B3 B4 B8 SCL, 100 x 100) and
``..._20m.nc`` (B3 B4 B8A B11 SCL, 50 x 50), 140 Sentinel-2 L2A dates from
2015-08 to 2021-01, from the ``nrt/data`` folder of the PyPI wheel ``nrt``
(reflectance x 10000, 0 = no data).  Nothing else is read: no detector output,
no field data.  The map is photo-interpretation-like evidence made by statistics,
not ground truth.

Method
------
Everything is retrospective: the whole series is used, both sides of the change.

*Looks.*  SCL 4 or 5, not within two pixels of SCL 0, 1, 3, 8, 9 or 10 nor of
weather that SCL missed (``missed_weather``), in scenes with at least 30 % of such
pixels and a day of year of 80 to 290 (snow and the lowest sun are left out).
Scenes are moved (bilinear, up to 2 pixels) onto the summer median of their own year
when the log-red and log-NIR correlations agree on the shift to 0.6 pixel.

*Line 1, step fit.*  For each pixel and each index :math:`y` in NDVI, red (10 m),
NDMI and brightness ``(B3 + B4 + B11) / 3`` (20 m bands repeated) the model

.. math::

   y_t = a + \sum_{k=1}^{2} (b_k \cos k\omega t + c_k \sin k\omega t) + u_t
         + H(t - \tau)\,[g_t (d + e\,(1 - \exp(-(t - \tau)/365)))
         + (1 - g_t) f] + \epsilon_t

has a leaf-on step *d* with a regreening *e*, and a leaf-off step *f* of its own,
since an opening in a leafless forest looks different and would otherwise pull the
date past the last leaf-off look.  :math:`g_t` runs from 0 to 1 as the scene's median
NDVI runs from 0.5 to 0.85; *e* and *f* have a ridge of half a look.  The scene effect
:math:`u_t` is the median over pixels of the residuals of the *full* model, step and
all, alternated with the steps (twice).  Weights are :math:`1/\sigma_t^2`, with
:math:`\sigma_t` the scene's residual MAD, times Huber weights (1.5), so that poor
scenes and looks count little on either side.  The evidence for a step at
:math:`\tau` is the log likelihood ratio summed over the four indices, counting
only the ones whose step has the sign of an opening,

.. math::

   S(\tau) = \sum_i [\operatorname{sign} d_i\ \mathrm{right}]\;
             n \log(\mathrm{RSS}_{0,i} / \mathrm{RSS}_{1,i}(\tau)),

at least two looks before and three after.  A second step is sought with the first
one kept in the model.  The amplitude of line 1 is the mean of the NDVI and red
steps in units of their MAD over the forest.

*Line 2, same-season composites.*  Medians of nearly cloud-free scenes, by year, of
early (day 152 to 205) and late (206 to 282) summer; difference from the same
season one year before, less the forest median and in units of the forest MAD, mean
of -NDVI and red (10 m bands only, so that edges are sharp).  A step is backed only
by pairs of composites that bracket its date interval.

*Fraction.*  In each line the amplitude is divided by that of a full opening: the
largest amplitude within two pixels, but no more than the typical (median) peak of
the scene and no less than the threshold of a peak.  The 50 % contour of this ratio
is where the edge of an opening would fall.

*Forest.*  Pixels like the body of the scene in summer 2016 (``forest_mask``); only
these can be opened.  A change elsewhere (meadow, track, cuts of 2016) is uncertain.

Thresholds
----------
All are set on this scene's own distributions or by what they mean, none on a
detector:

* *S*: Otsu's threshold of ``log10 S`` over forest pixels (two humps, with a valley
  near 150);
* peak amplitude of line 2 that makes an opening: Otsu's threshold of the log of
  the local maxima over forest (humps near 2 and 24, threshold near 6.4);
* opened: mean fraction of the lines at or above ``FULL`` = 0.6, each at or above
  ``LOW_AGREE`` = 0.45, *S* above its threshold and such a peak within two pixels;
  uncertain: else, where *S* is above its threshold and the mean is at or above
  ``PARTIAL`` = 0.3 or one line at or above 0.45; or where line 2 alone is at or
  above 0.6; or where the two steps of a pixel are in conflict; unchanged: the rest.
  0.3 to 0.6 is the partial drop of a pixel cut by an edge, 50 % give or take the
  error of registration and of the full amplitude;
* bodies under ``SMALLEST`` = 3 pixels are uncertain: an opening that small cannot be
  told from an edge with scenes that wander by a pixel.

Dates
-----
``last_before`` and ``first_after`` are the pixel's last clear look before and first
clear look after every :math:`\tau` with :math:`S(\tau) \ge S_{max} - \Delta`,
:math:`\Delta = 4 \times 3.84 + 0.05\,S_{max}` (95 % in each of four indices, plus
5 % for lack of fit).  A step whose interval straddles 2018-07-01 is uncertain.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr
from scipy import ndimage, optimize

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Bools = NDArray[np.bool_]
    Dates = NDArray[np.datetime64]

STEM = "sentinel2_cube_subset_romania_{}.nc"
MONITOR_START = np.datetime64("2018-07-01")
EARLIEST = np.datetime64("2016-09-01")
"""Steps before this are not openings of a forest seen in summer 2016."""

CLEAR = (4, 5)
CLOUDY = (0, 1, 3, 8, 9, 10)
MARGIN = 2
MIN_CLEAR = 0.3
DAYS = (80, 290)

SIGNS = {"ndvi": -1.0, "red": 1.0, "ndmi": -1.0, "bright": 1.0}
SHARP = ("ndvi", "red")
SEASONS = {"early": (152, 205), "late": (206, 282)}
YEARS = range(2015, 2021)

HARMONICS = 2
RECOVERY_DAYS = 365.0
RIDGES = (1e-3, 0.5, 0.5)
"""Ridge of the leaf-on step, regreening and leaf-off step, in looks."""
LEAF = (0.5, 0.85)
"""Median NDVI of a scene without leaves and in full leaf."""
HUBER = 1.5
MIN_BEFORE, MIN_AFTER = 2, 3
CHUNK = 2000

SMALLEST = 3
FULL, LOW_AGREE, PARTIAL = 0.6, 0.45, 0.3
DELTA, DELTA_SHARE = 4 * 3.84, 0.05

UNCHANGED, OPENED, EARLIER, UNCERTAIN = 0, 1, 2, 255


@dataclass
class Cube:
    """Registered clear looks of the cube.

    Parameters
    ----------
    time
        Dates of the scenes kept.
    bands
        Reflectance by band, (time, y, x).
    clear
        Clear looks, (time, y, x).
    shifts
        Shift applied to each scene (rows, columns).
    coords
        The ``x`` and ``y`` coordinates and ``spatial_ref`` of the 10 m cube.
    """

    time: Dates
    bands: dict[str, Floats]
    clear: Bools
    shifts: Floats
    coords: xr.Dataset

    @property
    def doy(self) -> NDArray[np.int64]:
        """Day of year of each scene, 1 to 366."""
        return day_of_year(self.time)

    @property
    def year(self) -> NDArray[np.int64]:
        """Year of each scene."""
        return years(self.time)

    @property
    def share(self) -> Floats:
        """Share of clear looks in each scene."""
        return np.asarray(self.clear.mean((1, 2)))


@dataclass
class Steps:
    """Best step of each pixel.

    Parameters
    ----------
    score
        Evidence for a step at each candidate date, (pixel, candidate).
    best
        Index of the best candidate.
    jump
        Fitted step of each index at the best candidate.
    weight
        Huber weights by index, (pixel, time).
    """

    score: Floats
    best: NDArray[np.int64]
    jump: dict[str, Floats]
    weight: dict[str, Floats]

    @property
    def top(self) -> Floats:
        """Evidence at the best candidate."""
        return self.score[np.arange(len(self.best)), self.best]


def years(time: Dates) -> NDArray[np.int64]:
    """Return the calendar year of each date."""
    return time.astype("datetime64[Y]").astype(np.int64) + 1970


def day_of_year(time: Dates) -> NDArray[np.int64]:
    """Return the day of year (from 1) of each date."""
    return np.asarray((time - time.astype("datetime64[Y]")).astype(np.int64) + 1)


def spread(values: Floats, axis: int | None = None) -> Any:  # noqa: ANN401
    """Return the standard deviation estimated from the MAD, ignoring NaN."""
    centre = np.nanmedian(values, axis=axis, keepdims=True)
    return 1.4826 * np.nanmedian(np.abs(values - centre), axis=axis)


def otsu(values: Floats, bins: int = 256) -> float:
    """Return Otsu's threshold of a sample."""
    count, edge = np.histogram(values, bins)
    centre = (edge[1:] + edge[:-1]) / 2
    low = np.cumsum(count)
    high = low[-1] - low
    total = np.cumsum(count * centre)
    with np.errstate(invalid="ignore", divide="ignore"):
        between = low * high * (total / low - (total[-1] - total) / high) ** 2
    # between is flat over empty bins: take the middle of the plateau
    best = np.flatnonzero(np.isclose(between, np.nanmax(between), rtol=1e-9))
    return float(edge[1:][best].mean())


def default_data() -> Path:
    """Return the data folder of the installed ``nrt`` wheel, not importing it."""
    try:
        distribution = importlib.metadata.distribution("nrt")
    except importlib.metadata.PackageNotFoundError as error:
        msg = "the nrt distribution is not installed: give --data DIR"
        raise SystemExit(msg) from error
    return Path(str(distribution.locate_file("nrt/data")))


def filled(image: Floats) -> Floats:
    """Return an image with its missing pixels set to the median."""
    good = np.isfinite(image)
    return image if good.all() else np.where(good, image, np.median(image[good]))


def missed_weather(bands: dict[str, Floats], clear: Bools, time: Dates) -> Bools:
    """Return clouds and cloud shadows that SCL calls vegetation, (time, y, x).

    Blue and NIR of each scene are compared with the pixel's median over scenes of
    all years within 25 days of the year and with the scene's own median, and
    smoothed by a median over 9 x 9 pixels so that openings, which are smaller,
    cannot count: blue higher by 0.03 is cloud, NIR under 0.75 is shadow.
    """
    doy, share = day_of_year(time), clear.mean((1, 2))
    result = np.zeros(clear.shape, bool)
    for i in np.flatnonzero(share >= MIN_CLEAR):
        alike = (np.abs(doy - doy[i]) <= 25) & (share > 0.9)
        if alike.sum() < 3:
            continue
        blue, nir = (
            (filled(bands[name][i]), np.nanmedian(bands[name][alike], axis=0))
            for name in ("B2", "B8")
        )
        excess, ratio = blue[0] - blue[1], nir[0] / nir[1]
        excess = ndimage.median_filter(excess - np.median(excess[clear[i]]), 9)
        ratio = ndimage.median_filter(ratio / np.median(ratio[clear[i]]), 9)
        found = (excess > 0.03) | (ratio < 0.75)
        result[i] = ndimage.binary_dilation(found, iterations=MARGIN)
    return result


def find_shift(image: Floats, target: Floats, edge: int = 6) -> tuple[Floats, float]:
    """Return the shift (rows, columns) that best fits an image to a target.

    The correlation over the interior is maximised, from the best whole-pixel
    shift of up to two pixels, by the simplex method.
    """
    inner = (slice(edge, -edge), slice(edge, -edge))
    wanted = target[inner].ravel()

    def loss(move: Any) -> float:  # noqa: ANN401
        moved = ndimage.shift(image, move, order=1, mode="nearest")
        return -float(np.corrcoef(moved[inner].ravel(), wanted)[0, 1])

    whole = [(i, j) for i in range(-2, 3) for j in range(-2, 3)]
    start = np.array(min(whole, key=loss), float)
    simplex = start + np.array([[0, 0], [0.5, 0.1], [0.1, 0.5]])
    options = {
        "initial_simplex": simplex,
        "xatol": 0.02,
        "fatol": 1e-4,
        "maxiter": 80,
    }
    found = optimize.minimize(loss, start, method="Nelder-Mead", options=options)
    return found.x, -float(found.fun)


def scene_shift(red: Floats, nir: Floats, targets: tuple[Floats, Floats]) -> Floats:
    """Return the shift to apply to a scene, zero where it is not well known."""
    (by_red, fit_red), (by_nir, fit_nir) = (
        find_shift(np.log(filled(band) + 0.01), target)
        for band, target in zip((red, nir), targets, strict=True)
    )
    agree = min(fit_red, fit_nir) > 0.6 and np.abs(by_red - by_nir).max() < 0.6
    shift = (by_red + by_nir) / 2
    sound = agree and 0.15 <= np.abs(shift).max() <= 2
    return shift if sound else np.zeros(2)


def load(folder: Path) -> Cube:
    """Read both cubes, mask and register them on the 10 m grid."""
    fine = xr.load_dataset(folder / STEM.format("10m"))
    coarse = xr.load_dataset(folder / STEM.format("20m"))
    time = fine["time"].to_numpy().astype("datetime64[D]")
    if not np.array_equal(fine["time"], coarse["time"]):
        msg = "the 10 m and 20 m cubes have different dates"
        raise ValueError(msg)
    bands = {name: fine[name].to_numpy() / 1e4 for name in ("B2", "B3", "B4", "B8")}
    for name in ("B8A", "B11"):
        values = coarse[name].to_numpy() / 1e4
        bands[name] = values.repeat(2, axis=1).repeat(2, axis=2)
    bands = {name: band.astype(np.float64) for name, band in bands.items()}
    scl = np.nan_to_num(fine["SCL"].to_numpy()).astype(int)
    clear = np.isin(scl, CLEAR)
    for band in bands.values():
        clear &= band > 0
    for i, scene in enumerate(np.isin(scl, CLOUDY)):
        clear[i] &= ~ndimage.binary_dilation(scene, iterations=MARGIN)

    clear &= ~missed_weather(bands, clear, time)

    share, doy, year = clear.mean((1, 2)), day_of_year(time), years(time)
    summer = (share > 0.95) & (doy > 155) & (doy < 250)
    targets = {}
    for y in YEARS:
        chosen = np.flatnonzero(summer & (year == y))
        red, nir = (
            np.median([np.log(filled(bands[b][i]) + 0.01) for i in chosen], axis=0)
            for b in ("B4", "B8")
        )
        targets[y] = (red, nir)

    use = np.flatnonzero((share >= MIN_CLEAR) & (doy >= DAYS[0]) & (doy <= DAYS[1]))
    shifts = np.zeros((len(use), 2))
    for k, i in enumerate(use.tolist()):
        if share[i] > 0.85:
            shifts[k] = scene_shift(bands["B4"][i], bands["B8"][i], targets[year[i]])

    def move(image: Floats, k: int, outside: float | None = None) -> Floats:
        if not shifts[k].any():
            return image
        mode = "nearest" if outside is None else "constant"
        edge = outside or 0.0
        return np.asarray(
            ndimage.shift(image, shifts[k], order=1, mode=mode, cval=edge)
        )

    moved = {
        name: np.array([move(filled(band[i]), k) for k, i in enumerate(use)])
        for name, band in bands.items()
    }
    seen = [move(clear[i].astype(float), k, 0) > 0.99 for k, i in enumerate(use)]
    coords = fine[["spatial_ref"]].drop_vars("time", errors="ignore")
    coords = coords.assign_coords(x=fine["x"], y=fine["y"])
    return Cube(time[use], moved, np.array(seen), shifts, coords)


def spectral_indices(bands: dict[str, Floats]) -> dict[str, Floats]:
    """Return NDVI, red, NDMI and brightness, (time, y, x)."""
    return {
        "ndvi": (bands["B8"] - bands["B4"]) / (bands["B8"] + bands["B4"]),
        "red": bands["B4"],
        "ndmi": (bands["B8A"] - bands["B11"]) / (bands["B8A"] + bands["B11"]),
        "bright": (bands["B3"] + bands["B4"] + bands["B11"]) / 3,
    }


def seasonal_terms(time: Dates) -> Floats:
    """Return the constant and the harmonics of the year, (time, term)."""
    angle = 2 * np.pi * (time - np.datetime64("2015-01-01")).astype(float) / 365.25
    terms = [np.ones_like(angle)]
    for k in range(1, HARMONICS + 1):
        terms += [np.cos(k * angle), np.sin(k * angle)]
    return np.stack(terms, axis=1)


def leaf_on(ndvi: Floats, clear: Bools) -> Floats:
    """Return how far each scene is in leaf, 0 to 1, from its median NDVI."""
    median = np.nanmedian(np.where(clear, ndvi, np.nan), axis=0)
    return np.clip((median - LEAF[0]) / (LEAF[1] - LEAF[0]), 0, 1)


def step_terms(time: Dates, leaf: Floats) -> Floats:
    """Return the terms of a step at each candidate, midway between scenes.

    Leaf-on step, leaf-on regreening and leaf-off step, (term, time, candidate).
    """
    days = time.astype(np.int64).astype(float)
    since = days[:, None] - (days[1:] + days[:-1])[None] / 2
    step = (since > 0).astype(float)
    back = step * (1 - np.exp(-np.clip(since, 0, None) / RECOVERY_DAYS))
    on = leaf[:, None]
    return np.stack([step * on, back * on, step * (1 - on)])


def solve_gain(
    y: Floats, weight: Floats, base: Floats, terms: Floats
) -> tuple[Floats, Floats, Floats]:
    """Weighted fit of every candidate step, by elimination of the base terms.

    Parameters
    ----------
    y, weight
        Observations and weights, (pixel, time).
    base
        Terms always in the model, (pixel, time, term).
    terms
        Terms of the step, (term, time, candidate).

    Returns
    -------
    gain, jump, rss
        Drop of the residual sum of squares and the leaf-on step,
        (pixel, candidate), and the residual sum of squares without a step,
        (pixel, 1).
    """
    number, _, count = terms.shape
    weighted = (base * weight[:, :, None]).transpose(0, 2, 1)
    inverse = np.linalg.inv(weighted @ base + 1e-6 * np.eye(base.shape[2]))
    coef = inverse @ (weighted @ y[:, :, None])
    residual = y - (base @ coef)[:, :, 0]
    rss = (weight * residual**2).sum(1, keepdims=True)
    along = np.stack([(weight * residual) @ term for term in terms], axis=-1)
    cross = [weighted @ term for term in terms]
    solved = [inverse @ part for part in cross]
    schur = np.empty((len(y), count, number, number))
    for i in range(number):
        for j in range(i, number):
            whole = weight @ (terms[i] * terms[j])
            schur[:, :, i, j] = whole - (cross[i] * solved[j]).sum(1)
            schur[:, :, j, i] = schur[:, :, i, j]
    mean = weight.mean(1)[:, None, None]
    schur += mean[..., None] * np.diag(RIDGES)
    effect = np.linalg.solve(schur, along[..., None])[..., 0]
    return (effect * along).sum(-1), effect[..., 0], rss


def chosen_terms(best: NDArray[np.int64], terms: Floats) -> Floats:
    """Return the terms of each pixel's own step, (pixel, time, term)."""
    return terms[:, :, best].transpose(2, 1, 0)


def full_residual(y: Floats, weight: Floats, base: Floats, chosen: Floats) -> Floats:
    """Return the residuals of the model with each pixel's own step."""
    terms = np.concatenate([base, chosen], axis=2)
    weighted = (terms * weight[:, :, None]).transpose(0, 2, 1)
    normal = weighted @ terms + 1e-6 * np.eye(terms.shape[2])
    own = np.arange(-chosen.shape[2], 0)
    normal[:, own, own] += weight.mean(1)[:, None] * np.array(RIDGES)
    coef = np.linalg.solve(normal, weighted @ y[:, :, None])
    return np.asarray(y - (terms @ coef)[:, :, 0])


def find_steps(
    data: dict[str, Floats],
    clear: Bools,
    base: Floats,
    terms: Floats,
    sigma: dict[str, Floats],
    rounds: int = 3,
) -> Steps:
    """Find the best step date of each pixel over all indices.

    Parameters
    ----------
    data
        Indices without scene effects, (pixel, time).
    clear
        Clear looks, (pixel, time).
    base
        Terms always in the model, (pixel, time, term).
    terms
        Terms of the candidate steps, (term, time, candidate).
    sigma
        Scale of each scene by index.
    rounds
        Rounds of Huber weighting.
    """
    pixels, count = clear.shape[0], terms.shape[2]
    looks = clear.astype(float)
    after = looks @ (terms[0] + terms[2])
    before = looks.sum(1, keepdims=True) - after
    feasible = (before >= MIN_BEFORE) & (after >= MIN_AFTER)
    robust = {name: np.ones(clear.shape) for name in data}
    score = np.zeros((pixels, count))
    jumps: dict[str, Floats] = {}
    best = np.zeros(pixels, np.int64)
    for turn in range(rounds):
        score = np.zeros((pixels, count))
        for name, y in data.items():
            jumps[name] = np.zeros((pixels, count))
            for start in range(0, pixels, CHUNK):
                part = slice(start, start + CHUNK)
                weight = looks[part] * robust[name][part] / sigma[name] ** 2
                gain, jump, rss = solve_gain(y[part], weight, base[part], terms)
                left = np.maximum(rss - gain, 1e-9 * rss)
                ratio = looks[part].sum(1, keepdims=True) * np.log(rss / left)
                score[part] += np.where(SIGNS[name] * jump > 0, ratio, 0)
                jumps[name][part] = jump
        score[~feasible] = 0
        best = score.argmax(1)
        if turn == rounds - 1:
            break
        chosen = chosen_terms(best, terms)
        for name, y in data.items():
            weight = looks * robust[name] / sigma[name] ** 2
            scaled = full_residual(y, weight, base, chosen) / sigma[name]
            scale = np.maximum(spread(np.where(clear, scaled, np.nan), 1), 0.3)
            size = np.abs(scaled) / scale[:, None]
            robust[name] = np.minimum(1, HUBER / np.maximum(size, 1e-9))
    every = np.arange(pixels)
    picked = {name: jump[every, best] for name, jump in jumps.items()}
    return Steps(score, best, picked, robust)


def fit_line1(
    data: dict[str, Floats], clear: Bools, time: Dates
) -> tuple[Steps, Steps]:
    """Fit the first and second step of every pixel (line 1).

    Scene effects and scales are alternated with the steps.
    """
    season = seasonal_terms(time)
    base = np.broadcast_to(season, (clear.shape[0], *season.shape))
    terms = step_terms(time, leaf_on(data["ndvi"], clear))
    looks = clear.astype(float)
    sigma, effect = {}, {}
    for name, y in data.items():
        scale = np.full(len(time), float(spread(y[clear])))
        for _ in range(3):
            none = np.zeros((*clear.shape, len(RIDGES)))
            residual = full_residual(y, looks / scale**2, base, none)
            residual[~clear] = np.nan
            scale = 1.4826 * np.nanmedian(np.abs(residual), 0)
            scale = np.maximum(scale, 0.5 * np.median(scale))
        sigma[name], effect[name] = scale, np.zeros(len(time))
    for _ in range(2):
        cleaned = {name: y - effect[name] for name, y in data.items()}
        first = find_steps(cleaned, clear, base, terms, sigma, rounds=2)
        chosen = chosen_terms(first.best, terms)
        for name, y in cleaned.items():
            weight = looks * first.weight[name] / sigma[name] ** 2
            residual = full_residual(y, weight, base, chosen)
            residual[~clear] = np.nan
            effect[name] = effect[name] + np.nanmedian(residual, 0)
            scale = spread(residual, 0)
            sigma[name] = np.maximum(scale, 0.5 * np.median(scale))
    cleaned = {name: y - effect[name] for name, y in data.items()}
    first = find_steps(cleaned, clear, base, terms, sigma)
    more = np.concatenate([base, chosen_terms(first.best, terms)], axis=2)
    second = find_steps(cleaned, clear, more, terms, sigma, rounds=2)
    return first, second


def composites(cube: Cube, index: Floats) -> dict[tuple[int, str], Floats]:
    """Return the median of an index by year and season, NaN where not seen.

    Scenes less than 90 % clear, or with a median NIR under three quarters of what
    is usual in the season (cloud shadow that SCL calls vegetation), are left out.
    """
    nir = np.median(cube.bands["B8"], axis=(1, 2))
    result = {}
    for season, (start, end) in SEASONS.items():
        within = (cube.doy >= start) & (cube.doy <= end) & (cube.share > 0.9)
        within &= nir > 0.75 * np.median(nir[within])
        for year in YEARS:
            take = within & (cube.year == year)
            image = np.full(cube.clear.shape[1:], np.nan)
            if take.any():
                stack = np.where(cube.clear[take], index[take], np.nan)
                seen = np.isfinite(stack).any(0)
                image[seen] = np.nanmedian(stack[:, seen], axis=0)
            result[year, season] = image
    return result


def forest_mask(seasons: dict[str, dict[tuple[int, str], Floats]]) -> Bools:
    """Return the pixels that were closed forest in summer 2016.

    NDVI, red and brightness of the better of the two 2016 composites, each within
    four robust standard deviations of the scene median (the scene is mostly
    forest); of these the largest connected body.
    """
    mask = np.ones(seasons["red"][2016, "late"].shape, bool)
    for name in ("ndvi", "red", "bright"):
        both = [-SIGNS[name] * seasons[name][2016, season] for season in SEASONS]
        best = np.fmax(*both)
        mask &= best > np.nanmedian(best) - 4 * spread(best)
    labels, _ = ndimage.label(mask)
    return np.asarray(labels == np.bincount(labels[labels > 0]).argmax())


def change_amplitude(
    images: dict[str, dict[tuple[int, str], Floats]], forest: Bools
) -> dict[tuple[int, str], Floats]:
    """Return the same-season amplitude of change of each composite (line 2)."""
    result = {}
    for year in YEARS[2:]:
        for season in SEASONS:
            parts = []
            for name in SHARP:
                both = images[name]
                change = SIGNS[name] * (both[year, season] - both[year - 1, season])
                change = change - np.nanmedian(change[forest])
                parts.append(change / spread(change[forest]))
            result[year, season] = np.nan_to_num(np.mean(parts, axis=0))
    return result


def around(image: Floats) -> Floats:
    """Return the maximum within two pixels."""
    return np.asarray(ndimage.maximum_filter(image, 5))


def date_interval(
    score: Floats, clear: Bools, time: Dates
) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Return the last look before and the first after, days since 1970.

    Parameters
    ----------
    score
        Evidence by candidate, (pixel, candidate).
    clear
        Clear looks, (pixel, time).
    time
        Dates of the looks.
    """
    top = score.max(1, keepdims=True)
    near = (score >= top - DELTA - DELTA_SHARE * top) & (score > 0)
    lowest = near.argmax(1)
    highest = near.shape[1] - 1 - near[:, ::-1].argmax(1)
    days = time.astype(np.int64)
    position = np.arange(len(time))
    # candidate k lies between scenes k and k + 1
    before = np.where(clear & (position <= lowest[:, None]), days, -1).max(1)
    late = np.iinfo(np.int32).max
    after = np.where(clear & (position > highest[:, None]), days, late).min(1)
    after = np.where(after == late, -1, after)
    return before.astype(np.int32), after.astype(np.int32)


def label_openings(
    result: NDArray[np.uint8], before: NDArray[np.int32], after: NDArray[np.int32]
) -> NDArray[np.int16]:
    """Return 4-connected labels by class and felling season (July to June).

    The season is that of the middle of the date interval, so that openings made
    side by side in two winters stay two.
    """
    middle = ((before.astype(np.int64) + after) // 2).astype("datetime64[D]")
    season = years(middle - 181)
    labels = np.zeros(result.shape, np.int16)
    for value in (OPENED, EARLIER):
        for year in np.unique(season[result == value]):
            part, _ = ndimage.label((result == value) & (season == year))
            labels[part > 0] = part[part > 0] + labels.max()
    return labels


@dataclass
class Evidence:
    """What both lines say of one step of each pixel, all (y, x).

    Parameters
    ----------
    score
        Evidence of line 1.
    fraction1, fraction2
        Share of a full opening in line 1 and in line 2.
    strong
        Whether a peak that makes an opening in line 2 is within two pixels.
    before, after
        Date interval of the step, days since 1970.
    """

    score: Floats
    fraction1: Floats
    fraction2: Floats
    strong: Bools
    before: NDArray[np.int32]
    after: NDArray[np.int32]

    @property
    def mean(self) -> Floats:
        """Mean fraction of the two lines."""
        return (self.fraction1 + self.fraction2) / 2

    def full(self, least: float) -> Bools:
        """Return where both lines call the pixel opened."""
        low = np.minimum(self.fraction1, self.fraction2)
        agree: Bools = (low >= LOW_AGREE) & (self.mean >= FULL)
        return agree & self.strong & (self.score >= least)

    def partial(self, least: float) -> Bools:
        """Return where the lines see part of an opening, or one sees half."""
        high = np.maximum(self.fraction1, self.fraction2)
        some = (self.mean >= PARTIAL) | (high >= LOW_AGREE)
        return some & (self.score >= least)


@dataclass
class Pairs:
    """Line 2: amplitude of change of each composite from a year before.

    Parameters
    ----------
    amplitude
        Amplitude by year and season, (y, x).
    floor
        Peak amplitude that makes an opening.
    typical
        Typical peak of an opening.
    """

    amplitude: dict[tuple[int, str], Floats]
    floor: float
    typical: float

    def fraction(self, key: tuple[int, str]) -> Floats:
        """Return the share of a full opening in one pair."""
        size = self.amplitude[key]
        return size / np.clip(around(size), self.floor, self.typical)

    def bracketing(
        self, before: NDArray[np.int32], after: NDArray[np.int32]
    ) -> tuple[Floats, Bools]:
        """Return fraction and strength in the best pair around each step."""
        best = np.zeros(before.shape)
        share = np.zeros(before.shape)
        strong = np.zeros(before.shape, bool)
        for (year, season), size in self.amplitude.items():
            start, end = SEASONS[season]
            first = (np.datetime64(f"{year - 1}-01-01") + start - 1).astype(np.int64)
            last = (np.datetime64(f"{year}-01-01") + end - 1).astype(np.int64)
            better = (first <= before) & (after <= last) & (size > best)
            best[better] = size[better]
            share[better] = self.fraction((year, season))[better]
            strong[better] = (around(size) >= self.floor)[better]
        return share, strong

    def disputed(self) -> Bools:
        """Return where line 2 alone sees most of an opening, or half a peak."""
        high = [self.fraction(key) >= FULL for key in self.amplitude]
        return np.asarray(np.any(high, axis=0))


def classify(
    steps: list[Evidence],
    least: float,
    forest: Bools,
    disputed: Bools,
) -> tuple[NDArray[np.uint8], NDArray[np.int32], NDArray[np.int32], Floats]:
    """Combine the steps of each pixel into a class and a date interval.

    Parameters
    ----------
    steps
        Evidence for the first and the second step.
    least
        Threshold of the evidence of line 1.
    forest
        Closed forest in 2016.
    disputed
        Pixels where line 2 alone sees a change.
    """
    shape = forest.shape
    limit = int(MONITOR_START.astype(np.int64))
    oldest = int(EARLIEST.astype(np.int64))
    opened, earlier = np.zeros(shape, bool), np.zeros(shape, bool)
    some_now, some_before = np.zeros(shape, bool), np.zeros(shape, bool)
    straddling = np.zeros(shape, bool)
    before, after = np.full(shape, -1, np.int32), np.full(shape, -1, np.int32)
    fraction = np.zeros(shape)
    for step in reversed(steps):  # the first step has the last word on dates
        now = (step.before >= limit) & (step.after >= 0)
        past = (step.after <= limit) & (step.before >= oldest)
        neither = ~now & (step.after > limit)
        opened |= step.full(least) & now
        earlier |= step.full(least) & past
        some_now |= step.partial(least) & now
        some_before |= step.partial(least) & past
        straddling |= step.partial(least) & neither
        write = step.full(least) & (now | past)
        before[write], after[write] = step.before[write], step.after[write]
        fraction = np.maximum(fraction, np.where(now | past, step.mean, 0))
    result = np.full(shape, UNCHANGED, np.uint8)
    result[some_now | some_before | straddling | disputed] = UNCERTAIN
    result[earlier & ~some_now & forest] = EARLIER
    result[opened & ~earlier & forest] = OPENED
    result[straddling] = UNCERTAIN
    for value in (OPENED, EARLIER):
        part, _ = ndimage.label(result == value)
        result[(part > 0) & (np.bincount(part.ravel())[part] < SMALLEST)] = UNCERTAIN
    dated = (result == OPENED) | (result == EARLIER)
    return (
        result,
        np.where(dated, before, -1).astype(np.int32),
        np.where(dated, after, -1).astype(np.int32),
        fraction,
    )


def find_pairs(
    images: dict[str, dict[tuple[int, str], Floats]], forest: Bools
) -> tuple[Pairs, Bools]:
    """Make line 2 and return it with the peaks it calls openings."""
    amplitude = change_amplitude(images, forest)
    largest = np.max(list(amplitude.values()), axis=0)
    peak = forest & (largest == around(largest)) & (largest > 0)
    floor = 10 ** otsu(np.log10(largest[peak]))
    peak &= largest >= floor
    return Pairs(amplitude, floor, float(np.median(largest[peak]))), peak


def build(cube: Cube) -> tuple[xr.Dataset, dict[str, float]]:
    """Make the reference map from the registered cube.

    Returns
    -------
    output, thresholds
        The map, and the thresholds found on the scene.
    """
    shape = cube.clear.shape[1:]
    clear = cube.clear.reshape(len(cube.time), -1).T
    images = spectral_indices(cube.bands)
    data = {name: y.reshape(len(cube.time), -1).T for name, y in images.items()}
    seasons = {name: composites(cube, images[name]) for name in (*SHARP, "bright")}
    forest = forest_mask(seasons)
    pairs, peak = find_pairs(seasons, forest)

    found = fit_line1(data, clear, cube.time)
    scores = [step.top.reshape(shape) for step in found]
    least = 10 ** otsu(np.log10(scores[0][forest] + 1))
    unit = {name: spread(found[0].jump[name].reshape(shape)[forest]) for name in SHARP}
    jumps = [
        np.mean([SIGNS[n] * step.jump[n] / unit[n] for n in SHARP], 0).reshape(shape)
        for step in found
    ]
    usual = float(np.median(jumps[0][peak & (scores[0] >= least)]))
    whole = np.where(scores[1] >= least, np.maximum(*jumps), jumps[0])
    whole = np.clip(around(whole), usual * pairs.floor / pairs.typical, usual)

    steps = []
    for step, score, jump in zip(found, scores, jumps, strict=True):
        first, last = date_interval(step.score, clear, cube.time)
        first, last = first.reshape(shape), last.reshape(shape)
        share, strong = pairs.bracketing(first, last)
        steps.append(Evidence(score, jump / whole, share, strong, first, last))
    result, before, after, fraction = classify(steps, least, forest, pairs.disputed())

    dims = ("y", "x")
    output = cube.coords.copy()
    output["reference"] = (dims, result)
    output["last_before"] = (dims, before)
    output["first_after"] = (dims, after)
    output["opening"] = (dims, label_openings(result, before, after))
    output["fraction"] = (dims, np.rint(100 * np.clip(fraction, 0, 1)).astype(np.uint8))
    output["forest"] = (dims, forest.astype(np.uint8))
    return output, {
        "score_threshold": least,
        "peak_threshold": pairs.floor,
        "typical_peak": pairs.typical,
    }


def describe(output: xr.Dataset, thresholds: dict[str, float], command: str) -> None:
    """Add the attributes."""
    # no units attribute: readers would turn the days into datetimes and -1 with them
    days = {
        "comment": "days since 1970-01-01, -1 where not; the interval encloses every "
        "step date the fit cannot rule out",
    }
    attributes: dict[str, dict[str, Any]] = {
        "reference": {
            "long_name": "forest opening, retrospective reference",
            "flag_values": np.array(
                [UNCHANGED, OPENED, EARLIER, UNCERTAIN], dtype=np.uint8
            ),
            "flag_meanings": "unchanged opened_in_monitoring_period "
            "opened_before_monitoring_period uncertain",
        },
        "last_before": {"long_name": "last clear look before the opening", **days},
        "first_after": {"long_name": "first clear look after the opening", **days},
        "opening": {
            "long_name": "4-connected label of the opening, 0 where none",
            "comment": "class 1 first; labelled apart by class and felling season",
        },
        "fraction": {
            "long_name": "share of a full opening, mean of both lines",
            "units": "percent",
        },
        "forest": {
            "long_name": "closed forest in summer 2016",
            "flag_values": np.array([0, 1], dtype=np.uint8),
            "flag_meanings": "other closed_forest",
        },
    }
    for name, attrs in attributes.items():
        output[name].attrs = {**attrs, "grid_mapping": "spatial_ref"}
    wkt = output["spatial_ref"].attrs["spatial_ref"]
    output["spatial_ref"].attrs["crs_wkt"] = wkt
    output["x"].attrs = {"standard_name": "projection_x_coordinate", "units": "m"}
    output["y"].attrs = {"standard_name": "projection_y_coordinate", "units": "m"}
    output.attrs = {
        "Conventions": "CF-1.8",
        "title": "Retrospective reference map of forest openings, Romania demo cube",
        "source": "Sentinel-2 demo cube of the PyPI wheel nrt (nrt/data)",
        "crs": "EPSG:3035",
        "monitoring_period": "2018-07-01/2021-01-01",
        "history": command,
        **thresholds,
    }


def write(output: xr.Dataset, path: Path) -> None:
    """Write the map as compressed NetCDF."""
    output = output.copy()
    encoding: dict[str, dict[str, Any]] = {
        str(name): {"zlib": True, "complevel": 9, "_FillValue": None}
        for name in output.data_vars
        if name != "spatial_ref"
    }
    for variable in output.variables.values():
        variable.encoding = {}
    encoding |= {name: {"_FillValue": None} for name in ("x", "y")}
    output.to_netcdf(path, engine="netcdf4", encoding=encoding)


def summarise(output: xr.Dataset) -> str:
    """Return the counts of the map as text."""
    reference = output["reference"].to_numpy()
    lines = [
        f"{name}: {int((reference == value).sum())} px"
        for name, value in (
            ("unchanged", UNCHANGED),
            ("opened", OPENED),
            ("earlier", EARLIER),
            ("uncertain", UNCERTAIN),
        )
    ]
    after = output["first_after"].to_numpy()
    label = output["opening"].to_numpy()
    for value in (OPENED, EARLIER):
        by_year: dict[int, list[int]] = {}
        for number in np.unique(label[reference == value]):
            inside = label == number
            size = int(inside.sum())
            if size < 4:
                continue
            day = int(np.median(after[inside]))
            by_year.setdefault(int(years(np.array(day, "M8[D]"))), []).append(size)
        for year, sizes in sorted(by_year.items()):
            lines.append(
                f"class {value}, seen from {year}: {len(sizes)} openings of 4 px or "
                f"more, {sum(sizes)} px"
            )
    return "\n".join(lines)


def main() -> None:
    """Make the map from the command line."""
    parser = argparse.ArgumentParser(description="Make the reference map.")
    parser.add_argument(
        "--data", type=Path, help="folder of the cubes (default: in the nrt wheel)"
    )
    parser.add_argument(
        "--out",
        type=Path,
        default=Path(__file__).with_suffix(".nc"),
        help="NetCDF file to write (default: beside this script)",
    )
    options = parser.parse_args()
    # without the paths of one machine
    command = Path(sys.argv[0]).name
    output, thresholds = build(load(options.data or default_data()))
    describe(output, thresholds, command)
    write(output, options.out)
    print(summarise(output))  # noqa: T201


if __name__ == "__main__":
    main()
