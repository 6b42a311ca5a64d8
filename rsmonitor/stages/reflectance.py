"""Stored numbers to bottom-of-atmosphere reflectance, by the product's own offset."""

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

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
