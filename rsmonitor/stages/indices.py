"""Spectral indices, each turned so that losing plant cover lowers it.

One sign for all lets the evidence be one-sided: a drop is what digging does.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from rsmonitor.errors import ContractError

Bands = Mapping[str, NDArray[np.float32]]

SHARP: Final = 1.0
BLURRED: Final = 0.5

DARKEST_RED: Final = np.float32(0.002)
"""Red reflectance below this is noise of the atmospheric correction, not ground."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Index:
    """One spectral index: what it needs and how it is computed."""

    name: str
    """Short name."""

    bands: tuple[str, ...]
    """ESA bands it needs; a name ``B8A|B08`` takes the first that there is."""

    meaning: str
    """What it is, and what a drop means."""

    weight: float
    """Weight in the combined evidence: `SHARP` where all its bands have 10 m pixels,
    `BLURRED` where one has 20 m, which smears an edge over two pixels."""

    formula: Callable[..., NDArray[np.float32]]
    """Takes the bands in order."""


def normalized_difference(
    a: NDArray[np.float32], b: NDArray[np.float32]
) -> NDArray[np.float32]:
    r"""
    Compute a normalised difference, kept within [-1, 1].

    Negative reflectance is a measurement over dark ground, but it can push the ratio
    beyond its range; such ratios say nothing and become NaN.

    Parameters
    ----------
    a : ndarray of float32
        Reflectance.
    b : ndarray of float32
        Reflectance, same shape.

    Returns
    -------
    ndarray of float32
        Within [-1, 1]; NaN where either is NaN, where the sum is not positive or
        where the ratio leaves its range.

    Notes
    -----
    .. math:: \frac{a - b}{a + b}

    Examples
    --------
    >>> a = np.array([0.75, 0.25, -0.5], dtype=np.float32)
    >>> b = np.array([0.25, 0.75, 0.25], dtype=np.float32)
    >>> normalized_difference(a, b)
    array([ 0.5, -0.5,  nan], dtype=float32)
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = (a - b) / (a + b)
        ok = (a + b > 0) & (np.abs(ratio) <= 1)
    return np.where(ok, ratio, np.float32(np.nan)).astype(np.float32, copy=False)


def _negative_bare_soil(
    blue: NDArray[np.float32],
    red: NDArray[np.float32],
    nir: NDArray[np.float32],
    swir: NDArray[np.float32],
) -> NDArray[np.float32]:
    """Bare soil index with its sign turned."""
    with np.errstate(invalid="ignore"):  # infinite where not measured
        return normalized_difference(nir + blue, swir + red)


def _negative_log_red(red: NDArray[np.float32]) -> NDArray[np.float32]:
    """Darkness in red, on a log scale so that bright soil does not run away."""
    # Rounded from double precision: in single, log10 differs between processors.
    floored = np.maximum(red, DARKEST_RED).astype(np.float64)
    darkness = (-np.log10(floored)).astype(np.float32)
    return np.where(np.isnan(red), np.float32(np.nan), darkness)


INDICES: Final[Mapping[str, Index]] = {
    index.name: index
    for index in (
        Index(
            name="ndvi",
            bands=("B08|B8A", "B04"),
            meaning="Normalised difference vegetation index: greenness.",
            weight=SHARP,
            formula=normalized_difference,
        ),
        Index(
            name="ndmi",
            bands=("B8A|B08", "B11"),
            meaning="Normalised difference moisture index: water in leaves.",
            weight=BLURRED,
            formula=normalized_difference,
        ),
        Index(
            name="nbsi",
            bands=("B02", "B04", "B08|B8A", "B11"),
            meaning="Bare soil index with its sign turned: cover of the soil.",
            weight=BLURRED,
            formula=_negative_bare_soil,
        ),
        Index(
            name="dred",
            bands=("B04",),
            meaning="Minus log10 of red reflectance: darkness; soil is bright in red.",
            weight=SHARP,
            formula=_negative_log_red,
        ),
        Index(
            name="nbr",
            bands=("B8A|B08", "B12"),
            meaning="Normalised burn ratio.",
            weight=BLURRED,
            formula=normalized_difference,
        ),
    )
}
"""All indices by name."""


def available(names: Sequence[str], bands: Sequence[str]) -> tuple[str, ...]:
    """
    Give the indices whose bands are there.

    Parameters
    ----------
    names : sequence of str
        Names in `INDICES`.
    bands : sequence of str
        ESA names of the bands at hand.

    Returns
    -------
    tuple of str
        The names that can be computed, in the order given.

    Raises
    ------
    ContractError
        If a name is not an index.

    Examples
    --------
    >>> available(("ndvi", "ndmi", "dred"), ("B04", "B08"))
    ('ndvi', 'dred')
    """
    for name in names:
        if name not in INDICES:
            raise ContractError(f"no index {name!r}; there are {', '.join(INDICES)}")
    return tuple(
        name
        for name in names
        if all(_choose(band, bands) is not None for band in INDICES[name].bands)
    )


def weights(names: Sequence[str]) -> NDArray[np.float32]:
    """
    Give the weights of some indices in the combined evidence.

    Parameters
    ----------
    names : sequence of str
        Names in `INDICES`.

    Returns
    -------
    ndarray of float32, shape (index,)
        They sum to 1.

    Examples
    --------
    >>> weights(("ndvi", "ndmi", "dred")).astype(float).round(2).tolist()
    [0.4, 0.2, 0.4]
    """
    given = np.array([INDICES[name].weight for name in names], dtype=np.float32)
    shares: NDArray[np.float32] = given / given.sum()
    return shares


def bands_needed(names: Sequence[str], bands: Sequence[str]) -> tuple[str, ...]:
    """
    Give the bands that some indices read.

    Parameters
    ----------
    names : sequence of str
        Names in `INDICES`, all available.
    bands : sequence of str
        ESA names of the bands at hand.

    Returns
    -------
    tuple of str
        Bands in the order of `bands`.
    """
    wanted = {_choose(band, bands) for name in names for band in INDICES[name].bands}
    return tuple(band for band in bands if band in wanted)


def bands_of_index(index: Index, bands: Sequence[str]) -> tuple[str, ...]:
    """
    Choose the bands from which an index is computed.

    Parameters
    ----------
    index : Index
        The index.
    bands : sequence of str
        ESA names of the bands at hand.

    Returns
    -------
    tuple of str
        In the order of its formula.

    Raises
    ------
    ContractError
        If a band is missing.
    """
    chosen = [_choose(band, bands) for band in index.bands]
    found = tuple(band for band in chosen if band is not None)
    if len(found) < len(chosen):
        raise ContractError(
            f"index {index.name} needs {', '.join(index.bands)}; "
            f"there are {', '.join(bands)}"
        )
    return found


def spectral_indices(
    reflectance: NDArray[np.float32],
    *,
    bands: tuple[str, ...],
    names: tuple[str, ...],
) -> NDArray[np.float32]:
    """
    Compute indices of one scene.

    Parameters
    ----------
    reflectance : ndarray of float32, shape (band, y, x)
        Reflectance, NaN where not measured; not modified.
    bands : tuple of str
        ESA names of the bands, in the order of the first axis.
    names : tuple of str
        Names in `INDICES`.

    Returns
    -------
    ndarray of float32, shape (index, y, x)
        The indices in the order of `names`; NaN where not measured.

    Raises
    ------
    ContractError
        If a band is missing.
    """
    values = np.empty((len(names), *reflectance.shape[1:]), dtype=np.float32)
    for i, name in enumerate(names):
        chosen = bands_of_index(INDICES[name], bands)
        arrays = [reflectance[bands.index(band)] for band in chosen]
        values[i] = INDICES[name].formula(*arrays)
    return values


def _choose(band: str, bands: Sequence[str]) -> str | None:
    """Take the first of the alternatives that there is."""
    return next((name for name in band.split("|") if name in bands), None)
