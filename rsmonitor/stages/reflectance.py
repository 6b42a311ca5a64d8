"""Stored numbers to bottom-of-atmosphere reflectance, by the product's own offset."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from rsmonitor.records.scene import SceneNumbers, Stored

NODATA_DN: Final = 0
"""Sentinel-2's digital number for 'not measured', before any offset."""

SATURATED_DN: Final = 65_535
"""Sentinel-2's digital number for 'saturated': no measurement of reflectance either."""

QUANTIFICATION_VALUE: Final = 10_000
"""``BOA_QUANTIFICATION_VALUE`` of every Level-2A product so far."""


def to_reflectance(
    dn: NDArray[np.uint16],
    *,
    add_offset: int,
    quantification_value: int = QUANTIFICATION_VALUE,
) -> NDArray[np.float32]:
    r"""
    Convert Level-2A digital numbers to bottom-of-atmosphere reflectance.

    Negative reflectance is kept. It is a measurement over dark ground, and clipping
    it to zero biases every mean taken later.

    Parameters
    ----------
    dn : ndarray of uint16, shape (..., y, x)
        Digital numbers as ESA ships them, before any harmonisation.
    add_offset : int
        ``BOA_ADD_OFFSET`` from the product metadata: -1000 from processing
        baseline 04.00 on, 0 before. Read it from the product; the sensing date does
        not decide it.
    quantification_value : int, default 10000
        ``BOA_QUANTIFICATION_VALUE`` from the product metadata.

    Returns
    -------
    ndarray of float32, shape (..., y, x)
        Reflectance, dimensionless, about -0.1 to 1.6. NaN where `dn` is 0.

    Raises
    ------
    TypeError
        If `dn` is not uint16, which usually means it was converted already.

    See Also
    --------
    scaled_reflectance : For cubes that carry their own scale.

    Notes
    -----
    .. math:: \rho = \frac{DN + o}{q}

    where :math:`o` is `add_offset` and :math:`q` is `quantification_value` [1]_.

    References
    ----------
    .. [1] ESA, "Sentinel-2 Products Specification Document", BOA reflectance.
       https://sentiwiki.copernicus.eu/web/s2-products

    Examples
    --------
    >>> import numpy as np
    >>> dn = np.array([[0, 1000], [1452, 11000]], dtype=np.uint16)
    >>> to_reflectance(dn, add_offset=-1000)
    array([[   nan, 0.    ],
           [0.0452, 1.    ]], dtype=float32)
    """
    if dn.dtype != np.uint16:
        raise TypeError(f"dn must be uint16, got {dn.dtype}")
    shifted = dn.astype(np.float32) + np.float32(add_offset)
    reflectance = shifted / np.float32(quantification_value)
    return np.where(dn == NODATA_DN, np.float32(np.nan), reflectance)


def scaled_reflectance(
    stored: NDArray[Any],
    *,
    scale_factor: float,
    add_offset: float,
    fill_values: Sequence[float] = (),
) -> NDArray[np.float32]:
    r"""
    Convert the stored values of a cube to reflectance by the scale it carries.

    A stored 0 is never a measurement: it is Sentinel-2's digital number for 'not
    measured', and in cubes of reflectance what clipping and filling leave behind.

    Parameters
    ----------
    stored : ndarray of any real type, shape (..., y, x)
        Values as they are in the file.
    scale_factor : float
        Reflectance of one unit, such as 0.0001; 1 where reflectance is stored.
    add_offset : float
        Added after scaling, in reflectance, such as -0.1.
    fill_values : sequence of float, optional
        Stored values, beside 0 and NaN, that mean 'not measured'.

    Returns
    -------
    ndarray of float32, shape (..., y, x)
        Reflectance, dimensionless; negative values are kept. NaN where not measured.

    See Also
    --------
    to_reflectance : For digital numbers as ESA ships them.

    Notes
    -----
    .. math:: \rho = s \cdot v + o

    where :math:`v` is `stored`, :math:`s` `scale_factor` and :math:`o` `add_offset`:
    the convention of CF, not that of ESA, whose offset comes before the scale.

    Examples
    --------
    >>> import numpy as np
    >>> stored = np.array([0, 1000, 1452, 65535], dtype=np.uint16)
    >>> scaled_reflectance(
    ...     stored, scale_factor=1e-4, add_offset=-0.1, fill_values=[65535]
    ... )
    array([   nan, 0.    , 0.0452,    nan], dtype=float32)
    """
    reflectance = np.full(stored.shape, np.nan, dtype=np.float32)
    with np.errstate(over="ignore"):  # what is too large for float32 becomes infinite
        values = stored.astype(np.float64)
        measured = np.isfinite(values) & (values != NODATA_DN)
        for fill in fill_values:
            # a fill value written with more digits than the data can hold is still it
            same = stored.dtype.type(fill) if stored.dtype.kind == "f" else fill
            measured &= values != float(same)
        converted = values * scale_factor + add_offset
        np.copyto(reflectance, converted, where=measured, casting="same_kind")
    return reflectance


def reflectance_of(numbers: SceneNumbers) -> NDArray[np.float32]:
    r"""
    Say what stored numbers mean: reflectance of all bands on the pixels of the window.

    The plain form, which kernels are held against: every value that a kernel makes of
    the same numbers on the fly is this one, to the last bit.

    Parameters
    ----------
    numbers : SceneNumbers
        One look at one window.

    Returns
    -------
    ndarray of float32, shape (band, y, x)
        In the order of ``numbers.bands``; NaN where not measured. Digital numbers of 0
        and 65535 are no measurement. A fine pixel of a coarse band is NaN exactly
        where the coarse pixel that holds it is NaN.

    See Also
    --------
    to_reflectance : For the fine bands.

    Notes
    -----
    Between the centres of coarse pixels values are interpolated, in float64:

    .. math:: \rho = \frac{\sum_k w_k m_k \rho_k}{\sum_k w_k m_k}

    where :math:`k` runs over the four coarse pixels around, :math:`w_k` are their
    bilinear weights, along y first and then along x, and :math:`m_k` is 1 where
    coarse pixel :math:`k` is measured and 0 elsewhere. Beyond the outermost centres
    of the coarse array the outermost value holds.

    Examples
    --------
    >>> import numpy as np
    >>> numbers = SceneNumbers(
    ...     fine_bands=("B04",),
    ...     coarse_bands=("B11",),
    ...     fine=np.array([[[2000, 0, 3000, 65535]]], dtype=np.uint16),
    ...     coarse=np.array([[[1000, 3000]]], dtype=np.uint16),
    ...     ratio=2,
    ...     row=0,
    ...     col=0,
    ...     scl=np.full((1, 4), 4, dtype=np.uint8),
    ...     add_offset=-1000,
    ... )
    >>> reflectance_of(numbers)
    array([[[0.1 ,  nan, 0.2 ,  nan]],
    <BLANKLINE>
           [[0.  , 0.05, 0.15, 0.2 ]]], dtype=float32)
    """
    height, width = numbers.scl.shape
    reflectance = np.empty((len(numbers.bands), height, width), dtype=np.float32)
    count = len(numbers.fine_bands)
    reflectance[:count] = _measured(numbers.fine, numbers)
    rows = _neighbours(-numbers.row, height, numbers.ratio, numbers.coarse.shape[1])
    cols = _neighbours(-numbers.col, width, numbers.ratio, numbers.coarse.shape[2])
    for plane, coarse in zip(
        reflectance[count:], _measured(numbers.coarse, numbers), strict=True
    ):
        plane[:] = _bilinear(coarse, rows, cols)
    return reflectance


def as_numbers(
    reflectance: NDArray[np.float32],
    scl: NDArray[np.uint8],
    bands: Sequence[str],
) -> SceneNumbers:
    """
    Give reflectance that is on the pixels of the window already, as stored numbers.

    Parameters
    ----------
    reflectance : ndarray of float32, shape (band, y, x)
        NaN where not measured.
    scl : ndarray of uint8, shape (y, x)
        Scene classification.
    bands : sequence of str
        ESA names, in the order of `reflectance`.

    Returns
    -------
    SceneNumbers
        All bands are fine ones; `reflectance_of` gives the same array.
    """
    return SceneNumbers(
        fine_bands=tuple(bands),
        coarse_bands=(),
        fine=reflectance,
        coarse=np.empty((0, 0, 0), dtype=np.float32),
        ratio=1,
        row=0,
        col=0,
        scl=scl,
    )


def _measured(stored: Stored, numbers: SceneNumbers) -> NDArray[np.float32]:
    """Reflectance at the sampling of the numbers, NaN where not measured."""
    if stored.dtype == np.float32:
        return stored.astype(np.float32, copy=False)
    dn = stored.astype(np.uint16, copy=False)
    return to_reflectance(
        np.where(dn == SATURATED_DN, np.uint16(NODATA_DN), dn),
        add_offset=numbers.add_offset,
        quantification_value=numbers.quantification_value,
    )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Neighbours:
    """Along one axis: to each fine pixel its coarse pixels."""

    holder: NDArray[np.intp]
    before: NDArray[np.intp]
    after: NDArray[np.intp]
    weight_after: NDArray[np.float64]


def _neighbours(start: int, count: int, ratio: int, size: int) -> _Neighbours:
    """Neighbours of `count` fine pixels from `start`; whole numbers, so exact."""
    fine = np.arange(start, start + count)
    # a fine centre lies (2 fine + 1 - ratio) / (2 ratio) coarse pixels behind the
    # first coarse centre
    before, remainder = np.divmod(2 * fine + 1 - ratio, 2 * ratio)
    return _Neighbours(
        holder=fine // ratio,
        before=np.clip(before, 0, size - 1),
        after=np.clip(before + (remainder > 0), 0, size - 1),
        weight_after=remainder / (2 * ratio),
    )


def _bilinear(
    coarse: NDArray[np.float32], rows: _Neighbours, cols: _Neighbours
) -> NDArray[np.float32]:
    """Interpolate between what is measured of the coarse pixels around."""
    measured = ~np.isnan(coarse)
    values = np.where(measured, coarse, np.float32(0)).astype(np.float64)
    total = _between(values, rows, cols)
    weight = _between(measured.astype(np.float64), rows, cols)
    held = measured[np.ix_(rows.holder, cols.holder)]
    fine = np.full(held.shape, np.nan)
    np.divide(total, weight, out=fine, where=held)
    return fine.astype(np.float32)


def _between(
    values: NDArray[np.float64], rows: _Neighbours, cols: _Neighbours
) -> NDArray[np.float64]:
    """Weight along y, then along x."""
    south = rows.weight_after[:, None]
    east = cols.weight_after[None, :]
    by_row = values[rows.before] * (1 - south) + values[rows.after] * south
    return np.asarray(
        by_row[:, cols.before] * (1 - east) + by_row[:, cols.after] * east,
        dtype=np.float64,
    )
