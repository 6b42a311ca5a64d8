"""The numbers of one cell become reflectance; strips of one look become one picture."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rsmonitor.records.offer import Numbers, Radiometry
from rsmonitor.records.rasters import Scl
from rsmonitor.stages.reflectance import NODATA_DN, SATURATED_DN, to_reflectance


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Measured:
    """Reflectance and classes of one cell, at the sampling at which they were taken."""

    bands_10m: tuple[str, ...]
    """ESA names, in the order of `fine`."""

    bands_20m: tuple[str, ...]
    """ESA names, in the order of `coarse`."""

    fine: NDArray[np.float32]
    """Reflectance, shape (band, y, x); NaN where not measured."""

    coarse: NDArray[np.float32]
    """Reflectance, shape (band, y / 2, x / 2); NaN where not measured."""

    scl: NDArray[np.uint8]
    """Classes, shape (y / 2, x / 2); 0 where not measured."""

    @property
    def nbytes(self) -> int:
        """Memory that it takes."""
        return self.fine.nbytes + self.coarse.nbytes + self.scl.nbytes


def measured(numbers: Numbers, radiometry: Radiometry) -> Measured:
    """
    Convert digital numbers, once and for all.

    Parameters
    ----------
    numbers : Numbers
        As shipped.
    radiometry : Radiometry
        What is to be done to them.

    Returns
    -------
    Measured
        NaN where there was no data, and where the sensor was saturated.
    """
    return Measured(
        bands_10m=numbers.bands_10m,
        bands_20m=numbers.bands_20m,
        fine=_reflectance(numbers.dn_10m, radiometry),
        coarse=_reflectance(numbers.dn_20m, radiometry),
        scl=numbers.scl,
    )


def merged(parts: Sequence[Measured]) -> Measured:
    """
    Merge the strips of one look.

    A pixel comes from one strip whole, never some bands from one and some from another:
    from the one that measured most of it, and of equal ones from the first. The unit is
    the 20 m pixel with the four of 10 m in it.

    Parameters
    ----------
    parts : sequence of Measured
        The same cell of each strip, newest processing first; at least one.

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


def _reflectance(dn: NDArray[np.uint16], radiometry: Radiometry) -> NDArray[np.float32]:
    """Reflectance, NaN where saturated too."""
    known = np.where(dn == SATURATED_DN, np.uint16(NODATA_DN), dn)
    return to_reflectance(
        known,
        add_offset=radiometry.add_offset,
        quantification_value=radiometry.quantification_value,
    )


def _completeness(part: Measured) -> NDArray[np.int64]:
    """How many values of each 20 m pixel were measured."""
    height, width = part.scl.shape
    quads = np.isfinite(part.fine).sum(axis=0).reshape(height, 2, width, 2)
    found = quads.sum(axis=(1, 3)) + np.isfinite(part.coarse).sum(axis=0)
    return np.asarray(found + (part.scl != Scl.NO_DATA), dtype=np.int64)
