"""What a pair of patches, before and after, says of itself: one fixed row of numbers.

The row is what `pair-screen` judges. Its order is part of the model: a model is refused
where `FEATURE_ORDER` is another. Place and date are not in it.
"""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from rsmonitor.errors import ContractError
from rsmonitor.stages import pair_spectra as spectra
from rsmonitor.stages import pair_texture as texture
from rsmonitor.stages.pair_spectra import PAIR_BANDS, Measure, Plane

SIDE: Final = 48
"""Pixels of a side that the features are made for, of 10 m: larger patches are cut to
their middle."""
LEAST_SIDE: Final = 12
"""Pixels of a side below which texture says nothing."""
DIGITS: Final = 6
"""Significant digits that are kept: what lies below differs between processors."""

_LOOK_MEANINGS: Final[Mapping[str, str]] = {
    "before": "before",
    "after": "after",
    "change": "after minus before",
}
_HOW_MEANINGS: Final[Mapping[str, tuple[str, str]]] = {
    "p05": ("", "5th percentile of its pixels"),
    "p25": ("", "25th percentile of its pixels"),
    "p50": ("", "median of its pixels"),
    "p75": ("", "75th percentile of its pixels"),
    "p90": ("", "90th percentile of its pixels"),
    "p95": ("", "95th percentile of its pixels"),
    "p99": ("", "99th percentile of its pixels"),
    "sd": ("", "standard deviation of its pixels"),
    "share": ("share of the patch", "share of the patch"),
    "correlation": ("-1 to 1", "correlation of the logarithms of two bands"),
    "pattern": ("-1 to 1", "correlation of its patterns before and after"),
    "cell-lowest": ("", "lowest mean of 36 cells"),
    "cell-third": ("", "third lowest mean of 36 cells"),
    "cell-third-last": ("", "third highest mean of 36 cells"),
    "cell-highest": ("", "highest mean of 36 cells"),
    "cell-sd": ("", "standard deviation of the means of 36 cells"),
    "cell-inner": ("", "third highest standard deviation within 36 cells"),
    "steep-p50": ("per pixel", "median of its gradient"),
    "steep-p90": ("per pixel", "90th percentile of its gradient"),
    "one-way": ("0 to 1", "share of its gradient along one line"),
    "right-angled": ("0 to 1", "share of its gradient along two lines at right angles"),
    "fine": ("ln", "logarithm of its median distance from the mean of 4 neighbours"),
    "skew": ("", "skewness of its pixels"),
    "peaked": ("", "kurtosis of its pixels"),
    "largest": ("share of the patch", "area of the largest piece"),
    "number": ("pieces", "pieces of 3 pixels and more"),
    "typical": ("pixels", "median size of a piece"),
    "compact": ("", "area of the largest piece by its rim; a disc is about 1"),
    "gathered": ("0 to 1", "chance that two pixels belong to one piece"),
}
_NUMBERED_MEANINGS: Final[Mapping[str, tuple[str, str]]] = {
    "rough": (
        "ln",
        "logarithm of its variogram at a distance in pixels, or of a ratio",
    ),
    "over": ("share of the patch", "share of pixels above a level"),
    "together": ("-1 to 1", "correlation with itself at a distance in pixels"),
    "lost": ("share of the patch", "share of pixels that lost so much"),
    "lost-around": ("share of the patch", "the same, the median change taken off"),
    "gained": ("share of the patch", "share of pixels that gained so much"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Feature:
    """One number of the row."""

    name: str
    """Look or map, quantity and statistic, joined by dots."""

    unit: str
    """Unit; empty where the number has none, or that of reflectance."""

    meaning: str
    """What it says, in words."""


def pair_features(before: NDArray[np.floating], after: NDArray[np.floating]) -> Plane:
    """
    Compute the row of a pair of patches.

    A pixel that one look did not see counts as unchanged, one that neither saw as the
    median of the patch: what was not seen is never told as change. `seen_shares` says
    how much that was.

    Parameters
    ----------
    before, after : ndarray of float, shape (band, y, x)
        Reflectance of `PAIR_BANDS`, NaN where not seen; at least `LEAST_SIDE` pixels a
        side. Of more than `SIDE` pixels the middle is taken.

    Returns
    -------
    ndarray of float64, shape (feature,)
        In the order of `FEATURE_ORDER`; finite.

    Raises
    ------
    ContractError
        If the shapes differ or are none of patches, or no pixel was seen by either.

    Examples
    --------
    >>> import numpy as np
    >>> patch = np.full((6, 48, 48), 0.1)
    >>> row = pair_features(patch, patch)
    >>> row.shape == (len(FEATURE_ORDER),)
    True
    >>> float(row[FEATURE_ORDER.index("change.ndvi.p50")])
    0.0
    """
    one, other = filled(before, after)
    values = np.array([value for _, value in _measures(one, other)])
    return _rounded(values)


def filled(
    before: NDArray[np.floating], after: NDArray[np.floating]
) -> tuple[Plane, Plane]:
    """
    Cut the middle out of a pair, and fill what was not seen as unchanged.

    Parameters
    ----------
    before, after : ndarray of float, shape (band, y, x)
        Reflectance, NaN where not seen.

    Returns
    -------
    tuple of two ndarrays of float64
        The same without NaN, at most `SIDE` pixels a side.

    Raises
    ------
    ContractError
        If the shapes differ or are none of patches, or no pixel was seen by either.
    """
    if before.shape != after.shape or before.ndim != 3:  # noqa: PLR2004 - band, y, x
        raise ContractError(
            f"a pair has two patches of one shape (band, y, x), got {before.shape} and "
            f"{after.shape}"
        )
    if before.shape[0] != len(PAIR_BANDS) or min(before.shape[1:]) < LEAST_SIDE:
        raise ContractError(
            f"a patch has the bands {', '.join(PAIR_BANDS)} and at least {LEAST_SIDE} "
            f"pixels a side, got shape {before.shape}"
        )
    one, other = (
        np.array(_middle(patch), dtype=np.float64) for patch in (before, after)
    )
    dark_one, dark_other = (~np.isfinite(p).all(axis=0) for p in (one, other))
    neither = dark_one & dark_other
    if neither.all():
        raise ContractError("no pixel of the pair was seen, before or after")
    one[:, dark_one] = other[:, dark_one]
    other[:, dark_other] = one[:, dark_other]
    if neither.any():
        for patch in (one, other):
            patch[:, neither] = np.median(patch[:, ~neither], axis=1)[:, None]
    return one, other


def seen_shares(
    before: NDArray[np.floating], after: NDArray[np.floating]
) -> tuple[float, float]:
    """
    Say which share of the pixels each look saw, in all bands.

    Parameters
    ----------
    before, after : ndarray of float, shape (band, y, x)
        Reflectance, NaN where not seen.

    Returns
    -------
    tuple of two floats
        Before and after, 0 to 1.
    """
    one, other = (
        float(np.isfinite(_middle(patch)).all(axis=0).mean())
        for patch in (before, after)
    )
    return one, other


def _measures(before: Plane, after: Plane) -> Iterator[Measure]:
    """Measure everything, in the fixed order."""
    first, second = spectra.indices_of(before), spectra.indices_of(after)
    covers = (spectra.covers_of(before, first), spectra.covers_of(after, second))
    yield from spectra.index_measures(first, second)
    yield from spectra.band_measures("before", before)
    yield from spectra.band_measures("after", after)
    yield from spectra.cover_measures(*covers)
    yield from spectra.cell_measures(first, second)
    yield from texture.change_measures(before, after, first, second)
    yield from texture.piece_measures(before, after, first, second, covers)
    yield from texture.texture_measures((before, after), (first, second))


def _middle(patch: NDArray[np.floating]) -> NDArray[np.floating]:
    """Cut a patch down to `SIDE` pixels a side, about its middle."""
    height, width = patch.shape[1:]
    top, left = max(0, (height - SIDE) // 2), max(0, (width - SIDE) // 2)
    return patch[:, top : top + SIDE, left : left + SIDE]


def _rounded(values: Plane) -> Plane:
    """Keep the digits that do not depend on the processor."""
    with np.errstate(divide="ignore"):
        order = np.where(values == 0, 0.0, np.floor(np.log10(np.abs(values))))
    scale = 10.0 ** (DIGITS - 1 - order)
    return np.asarray(np.rint(values * scale) / scale, dtype=np.float64)


def _described(name: str) -> Feature:
    """Put the meaning of a feature together from the parts of its name."""
    when, _, rest = name.partition(".")
    if when == "pieces":
        where, _, how = rest.rpartition(".")
        unit, told = _HOW_MEANINGS[how]
        return Feature(name=name, unit=unit, meaning=f"{texture.MAPS[where]}: {told}")
    if ">" in when:
        one, _, other = when.partition(">")
        return Feature(
            name=name,
            unit="share of the patch",
            meaning=f"{spectra.COVER_MEANINGS[one]} that became "
            f"{spectra.COVER_MEANINGS[other]}: share of the patch",
        )
    what, _, how = rest.partition(".")
    unit, told = _HOW_MEANINGS.get(how) or _numbered(how)
    quantity = (
        spectra.INDEX_MEANINGS.get(what)
        or spectra.COVER_MEANINGS.get(what)
        or {
            "bare-water": "bare ground beside water, root of the product",
            "levelled": "change of log reflectance that the patch does not share",
        }.get(what)
        or f"reflectance of {what}"
    )
    if how in {"skew", "peaked"} or how.startswith(("rough", "steep", "fine")):
        quantity = texture.LAYER_MEANINGS[what]
    if what in PAIR_BANDS and how in spectra.SPREAD:
        unit, quantity = "ln", f"logarithm of the reflectance of {what}"
    return Feature(
        name=name, unit=unit, meaning=f"{quantity}, {_LOOK_MEANINGS[when]}: {told}"
    )


def _numbered(how: str) -> tuple[str, str]:
    """Find the meaning of a statistic that carries a number."""
    longest = max(
        (word for word in _NUMBERED_MEANINGS if how.startswith(f"{word}-")), key=len
    )
    unit, told = _NUMBERED_MEANINGS[longest]
    return unit, f"{told} ({how.removeprefix(longest + '-')})"


def _names() -> tuple[str, ...]:
    """List the names by measuring a patch of one colour."""
    flat = np.full((len(PAIR_BANDS), LEAST_SIDE, LEAST_SIDE), 0.1)
    return tuple(name for name, _ in _measures(flat, flat))


FEATURE_ORDER: Final[tuple[str, ...]] = _names()
"""Names of the row, in order."""
FEATURES: Final[tuple[Feature, ...]] = tuple(map(_described, FEATURE_ORDER))
"""The same with unit and meaning."""
FEATURES_DIGEST: Final = hashlib.sha256("\n".join(FEATURE_ORDER).encode()).hexdigest()
"""SHA-256 of the names in order, one a line."""
