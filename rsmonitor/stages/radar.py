r"""
What a radar look says of a disturbance: Sentinel-1's own noise model.

Clouds do not stop radar, so it is the sensor of the wet season. Its noise is speckle,
which multiplies: the backscatter of homogeneous ground, averaged over :math:`L` looks,
follows a gamma distribution [1]_. If unchanged ground has mean :math:`\mu` and
disturbed ground :math:`r\mu`, a backscatter :math:`x` says

.. math::

   \log \frac{p(x \mid r\mu)}{p(x \mid \mu)}
      = -L \ln r + L\,\frac{x}{\mu}\left(1 - \frac{1}{r}\right)

nats, which `rsmonitor.stages.evidence.update` takes beside those of optical looks. Rain
moves whole scenes; :math:`\mu` must hold that, as scene offsets do for optical looks.

Not measured: there is no Sentinel-1 reader yet and no radar scene was judged. This is
the contract that a second sensor meets.

References
----------
.. [1] Ulaby, F. T., Kouyate, F., Brisco, B. and Williams, T. H. L. (1986), "Textural
   information in SAR images", IEEE Trans. Geosci. Remote Sens. GE-24, 235-245.
   doi:10.1109/TGRS.1986.289643
"""

import numpy as np
from numpy.typing import NDArray

from rsmonitor.errors import ContractError


def radar_log_ratio(
    backscatter: NDArray[np.float32],
    usual: NDArray[np.float32],
    *,
    looks: float,
    change_db: float,
) -> NDArray[np.float64]:
    """
    Compute what a radar look says for 'disturbed' against 'unchanged'.

    Parameters
    ----------
    backscatter : ndarray of float32, shape (y, x)
        Gamma nought, linear power; NaN where not measured.
    usual : ndarray of float32, shape (y, x)
        What unchanged ground would show, linear power; NaN where not known.
    looks : float
        Equivalent number of looks, at least 1; about 4.4 for Sentinel-1 GRD in
        interferometric wide swath.
    change_db : float
        The change that is tested for, decibels; negative: cleared ground is darker.

    Returns
    -------
    ndarray of float64, shape (y, x)
        Nats, not clipped; NaN where not measured or not known.

    Raises
    ------
    ContractError
        If `looks` is below 1 or `change_db` is 0 or not finite.

    Examples
    --------
    >>> usual = np.array([[0.1, 0.1]], dtype=np.float32)
    >>> seen = np.array([[0.1, 0.04]], dtype=np.float32)
    >>> radar_log_ratio(seen, usual, looks=4.4, change_db=-4.0).round(2)
    array([[-2.6 ,  1.39]])
    """
    if not (np.isfinite(looks) and looks >= 1):
        raise ContractError(f"looks must be at least 1, got {looks}")
    if not np.isfinite(change_db) or change_db == 0:
        raise ContractError(f"change_db must be a change, got {change_db}")
    ratio = 10 ** (change_db / 10)
    valid = (backscatter > 0) & (usual > 0)
    part = np.divide(
        backscatter.astype(np.float64),
        usual.astype(np.float64),
        out=np.full(backscatter.shape, np.nan),
        where=valid,
    )
    return np.asarray(looks * (part * (1 - 1 / ratio) - np.log(ratio)))
