"""The numbers of one cell of one look: strips of one look become one picture.

They stay the digital numbers that were shipped as long as one rule makes reflectance of
all of them; only strips of different radiometry are converted before they are merged.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from rsmonitor.records.offer import (
    BANDS_10M,
    BANDS_20M,
    Numbers,
    Offer,
    Radiometry,
)
from rsmonitor.records.rasters import Scl
from rsmonitor.records.scene import Stored
from rsmonitor.stages.reflectance import NODATA_DN, SATURATED_DN, to_reflectance


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Measured:
    """Numbers and classes of one cell, at the sampling at which they were taken."""

    bands_10m: tuple[str, ...]
    """ESA names, in the order of `fine`."""

    bands_20m: tuple[str, ...]
    """ESA names, in the order of `coarse`."""

    fine: Stored
    """Shape (band, y, x): uint16 digital numbers, or float32 reflectance, NaN where not
    measured."""

    coarse: Stored
    """The same, shape (band, y / 2, x / 2)."""

    scl: NDArray[np.uint8]
    """Classes, shape (y / 2, x / 2); 0 where not measured."""

    @property
    def nbytes(self) -> int:
        """Memory that it takes."""
        return self.fine.nbytes + self.coarse.nbytes + self.scl.nbytes


def by_sampling(bands: Sequence[str]) -> tuple[list[str], list[str]]:
    """
    Split bands into those of 10 m and those of 20 m.

    Parameters
    ----------
    bands : sequence of str
        ESA names.

    Returns
    -------
    tuple of two lists of str
        Each in the order of `bands`.
    """
    return (
        [band for band in bands if band in BANDS_10M],
        [band for band in bands if band in BANDS_20M],
    )


def as_shipped(numbers: Numbers, bands: Sequence[str]) -> Measured:
    """
    Take digital numbers as they are.

    Parameters
    ----------
    numbers : Numbers
        As shipped.
    bands : sequence of str
        Which of them, and in which order.

    Returns
    -------
    Measured
        uint16; 0 and 65535 are no measurement.
    """
    fine, coarse = by_sampling(bands)
    return Measured(
        bands_10m=tuple(fine),
        bands_20m=tuple(coarse),
        fine=_picked(numbers.dn_10m, numbers.bands_10m, fine),
        coarse=_picked(numbers.dn_20m, numbers.bands_20m, coarse),
        scl=numbers.scl,
    )


def measured(part: Measured, radiometry: Radiometry) -> Measured:
    """
    Convert digital numbers to reflectance.

    Parameters
    ----------
    part : Measured
        Digital numbers.
    radiometry : Radiometry
        What is to be done to them.

    Returns
    -------
    Measured
        float32; NaN where there was no data, and where the sensor was saturated.
    """
    return replace(
        part,
        fine=_reflectance(part.fine, radiometry),
        coarse=_reflectance(part.coarse, radiometry),
    )


def is_one_radiometry(offers: Sequence[Offer]) -> bool:
    """
    Tell whether one rule makes reflectance of the numbers of several products.

    Parameters
    ----------
    offers : sequence of Offer
        Strips of one look.

    Returns
    -------
    bool
        True if offset and quantification value are the same.
    """
    rules = {
        (one.radiometry.add_offset, one.radiometry.quantification_value)
        for one in offers
    }
    return len(rules) <= 1


def merged(parts: Sequence[Measured]) -> Measured:
    """
    Merge the strips of one look.

    A pixel comes from one strip whole, never some bands from one and some from another:
    from the one that measured most of it, and of equal ones from the first. The unit is
    the 20 m pixel with the four of 10 m in it.

    Parameters
    ----------
    parts : sequence of Measured
        The same cell of each strip, newest processing first; at least one. All are
        reflectance, or all digital numbers of one radiometry.

    Returns
    -------
    Measured
        With data wherever a strip has data.
    """
    first, *others = parts
    if not others:
        return first
    fine, coarse, scl = first.fine.copy(), first.coarse.copy(), first.scl.copy()
    best = _completeness(first)
    for part in others:
        measures = _completeness(part)
        better = measures > best
        best = np.maximum(best, measures)
        scl[better] = part.scl[better]
        coarse[:, better] = part.coarse[:, better]
        finer = better.repeat(2, axis=0).repeat(2, axis=1)
        fine[:, finer] = part.fine[:, finer]
    return Measured(
        bands_10m=first.bands_10m,
        bands_20m=first.bands_20m,
        fine=fine,
        coarse=coarse,
        scl=scl,
    )


def repeated(
    scl: NDArray[np.uint8], start: tuple[int, int], shape: tuple[int, int]
) -> NDArray[np.uint8]:
    """
    Repeat classes of 20 m on pixels of 10 m.

    Parameters
    ----------
    scl : ndarray of uint8, shape (y, x)
        Classes.
    start : tuple of int
        Row and column of 10 m that come first, counted from the first of `scl`.
    shape : tuple of int
        Rows and columns of 10 m.

    Returns
    -------
    ndarray of uint8, shape `shape`
        To each pixel the class of the one that holds it.

    Examples
    --------
    >>> import numpy as np
    >>> repeated(np.array([[4, 5]], dtype=np.uint8), (0, 1), (2, 3))
    array([[4, 5, 5],
           [4, 5, 5]], dtype=uint8)
    """
    row, col = start
    height, width = shape
    # a number of two equal bytes is a class twice
    pairs = (scl.astype(np.uint16) * 0x101).view(np.uint8)
    rows = np.arange(row, row + height) // 2
    return pairs[:, col : col + width].take(rows, axis=0)


def _picked(
    dn: NDArray[np.uint16], there: Sequence[str], wanted: Sequence[str]
) -> NDArray[np.uint16]:
    """Sort bands; nothing is copied if they are sorted."""
    if tuple(there) == tuple(wanted):
        return dn
    return dn[[there.index(band) for band in wanted]]


def _reflectance(stored: Stored, radiometry: Radiometry) -> NDArray[np.float32]:
    """Reflectance, NaN where saturated too."""
    dn = stored.astype(np.uint16, copy=False)
    known = np.where(dn == SATURATED_DN, np.uint16(NODATA_DN), dn)
    return to_reflectance(
        known,
        add_offset=radiometry.add_offset,
        quantification_value=radiometry.quantification_value,
    )


def _completeness(part: Measured) -> NDArray[np.int64]:
    """How many values of each 20 m pixel were measured."""
    height, width = part.scl.shape
    quads = _is_measured(part.fine).sum(axis=0).reshape(height, 2, width, 2)
    found = quads.sum(axis=(1, 3)) + _is_measured(part.coarse).sum(axis=0)
    return np.asarray(found + (part.scl != Scl.NO_DATA), dtype=np.int64)


def _is_measured(stored: Stored) -> NDArray[np.bool_]:
    """Tell where there is a measurement."""
    if stored.dtype == np.float32:
        return np.isfinite(stored)
    return np.asarray((stored != NODATA_DN) & (stored != SATURATED_DN))
