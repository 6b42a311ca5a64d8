"""Folds of pairs none of whose neighbours train, and the countries they lie in."""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

EARTH_KM: Final = 6371.0
NEIGHBOUR_KM: Final = 20.0
"""Pairs nearer than this to each other are one place, and so on along a chain."""
FOLDS: Final = 5

Split = tuple[NDArray[np.int64], NDArray[np.int64]]
"""Places in an array that train, and those that are judged."""


def places_of(lon: NDArray[np.float64], lat: NDArray[np.float64]) -> NDArray[np.int64]:
    """
    Give a number to each place: a chain of pairs within `NEIGHBOUR_KM`.

    Parameters
    ----------
    lon, lat : ndarray of float64, shape (pair,)
        Degrees; a pair without is a place of its own.

    Returns
    -------
    ndarray of int, shape (pair,)
        From 0. Pairs of two places are farther apart than `NEIGHBOUR_KM`.

    Examples
    --------
    >>> import numpy as np
    >>> places_of(np.array([0.0, 0.1, 9.0]), np.zeros(3)).tolist()
    [0, 0, 1]
    """
    from scipy.sparse.csgraph import connected_components  # noqa: PLC0415 - heavy

    near = distances_km(lon, lat) <= NEIGHBOUR_KM
    _, number = connected_components(near, directed=False)
    return np.asarray(number, dtype=np.int64)


def distances_km(
    lon: NDArray[np.float64], lat: NDArray[np.float64]
) -> NDArray[np.float64]:
    """
    Compute the distances between all pairs, on a sphere.

    Parameters
    ----------
    lon, lat : ndarray of float64, shape (pair,)
        Degrees.

    Returns
    -------
    ndarray of float64, shape (pair, pair)
        Kilometres; infinite where a place is not known.
    """
    x, y = np.radians(lon), np.radians(lat)
    half = (
        np.sin((y[:, None] - y) / 2) ** 2
        + np.cos(y)[:, None] * np.cos(y) * np.sin((x[:, None] - x) / 2) ** 2
    )
    with np.errstate(invalid="ignore"):
        away = 2 * EARTH_KM * np.arcsin(np.sqrt(np.clip(half, 0.0, 1.0)))
    return np.where(np.isnan(away), np.inf, away)


def blocked_folds(
    truth: NDArray[np.bool_], place: NDArray[np.int64], *, seed: int, folds: int = FOLDS
) -> list[Split]:
    """
    Cut pairs into folds by whole places, with like shares of positives.

    Parameters
    ----------
    truth : ndarray of bool, shape (pair,)
        What is positive.
    place : ndarray of int, shape (pair,)
        Place of each.
    seed : int
        Which cut.
    folds : int, default 5
        How many.

    Returns
    -------
    list of tuples
        Who trains and who is judged; every pair is judged once.
    """
    from sklearn.model_selection import (  # noqa: PLC0415 - heavy, only training needs it
        StratifiedGroupKFold,
    )

    cut = StratifiedGroupKFold(folds, shuffle=True, random_state=seed)
    nothing = np.zeros((truth.size, 1))
    return [
        (np.asarray(train), np.asarray(judged))
        for train, judged in cut.split(nothing, truth, place)
    ]


def left_out(
    groups: NDArray[np.str_], place: NDArray[np.int64]
) -> Iterator[tuple[str, Split]]:
    """
    Leave out one group after another, and its neighbours in other groups.

    Parameters
    ----------
    groups : ndarray of str, shape (pair,)
        Country of each, or the like; empty ones are never left out.
    place : ndarray of int, shape (pair,)
        Place of each.

    Yields
    ------
    tuple of str and tuple
        Group, and who trains and who is judged.
    """
    for name in sorted(set(groups.tolist()) - {""}):
        judged = groups == name
        train = ~judged & ~np.isin(place, place[judged])
        yield name, (np.flatnonzero(train), np.flatnonzero(judged))


def countries_of(
    lon: NDArray[np.float64], lat: NDArray[np.float64]
) -> NDArray[np.str_] | None:
    """
    Name the country of every pair, by coarse borders.

    The borders (Natural Earth 1:110 million, public domain) come with the tests of the
    package pyogrio and are off by kilometres: good enough to leave a country out, and
    for nothing else.

    Parameters
    ----------
    lon, lat : ndarray of float64, shape (pair,)
        Degrees.

    Returns
    -------
    ndarray of str, shape (pair,), or None
        Nearest country; empty where a place is not known. None where this installation
        has no borders.
    """
    import geopandas  # noqa: PLC0415 - heavy, only training needs it
    import pyogrio  # noqa: PLC0415
    import shapely  # noqa: PLC0415

    folder = Path(pyogrio.__file__).parent / "tests/fixtures/naturalearth_lowres"
    path = folder / "naturalearth_lowres.shp"
    if not path.is_file():
        return None
    world = geopandas.read_file(path)
    known = np.isfinite(lon) & np.isfinite(lat)
    names = np.full(lon.size, "", dtype="U64")
    points = shapely.points(lon[known], lat[known])
    tree = shapely.STRtree(world.geometry.to_numpy())
    names[known] = world["name"].to_numpy()[tree.nearest(points)].astype("U64")
    return names
