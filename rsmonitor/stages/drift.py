r"""
Whether the reference still describes the ground.

Forests grow, crops change, a sensor is recalibrated: after some years the common cover
scatters more about the reference than it did when that was fitted. So the noise of each
look, how much more than usual its sample scatters, is averaged exponentially,

.. math::

   m_t = m_{t-1} + \lambda\,(n_t - m_{t-1}), \qquad \lambda = 0.1

and a new reference is due when the average of at least twenty looks is above a limit. A
hazy month does not get there; a rule and not the calendar decides.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

SHARE: Final = 0.1
"""Share of the newest look in the average."""

LEAST_LOOKS: Final = 20
"""Looks before which nothing is said."""

DUE: Final = 3.0
"""Average noise above which the reference is out of date: the common cover scatters
three times as much about it as over the history. Snow and the low sun of a winter alone
bring the average to 2.8 (measured on the Romanian sample)."""

SCALE: Final = 1000
"""The average is stored as an integer, times this."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Drift:
    """How far the ground has drifted from its reference."""

    noise: float = 1.0
    """Running average of the noise of looks; 1 is as over the history."""

    looks: int = 0
    """Looks that it rests on."""

    @property
    def due(self) -> bool:
        """True if a new reference is due."""
        return self.looks >= LEAST_LOOKS and self.noise > DUE

    def after(self, noise: float) -> "Drift":
        """
        Add a look.

        Parameters
        ----------
        noise : float
            How much noisier than usual it was, at least 1.

        Returns
        -------
        Drift
            The average after it, as stored.

        Examples
        --------
        >>> Drift(noise=1.0, looks=19).after(3.0)
        Drift(noise=1.2, looks=20)
        """
        moved = self.noise + SHARE * (noise - self.noise)
        return Drift.unpack(Drift(noise=moved, looks=self.looks + 1).packed())

    def packed(self) -> NDArray[np.uint16]:
        """
        Give the integers that are stored.

        Returns
        -------
        ndarray of uint16, shape (2, 1, 1)
            Average times `SCALE`, and looks; both stop at the largest integer.
        """
        most = np.iinfo(np.uint16).max
        values = [min(round(self.noise * SCALE), most), min(self.looks, most)]
        return np.array(values, dtype=np.uint16)[:, None, None]

    @classmethod
    def unpack(cls, packed: NDArray[np.uint16]) -> "Drift":
        """
        Read back what `packed` gave.

        Parameters
        ----------
        packed : ndarray of uint16, shape (2, 1, 1)
            As stored.

        Returns
        -------
        Drift
            The average.
        """
        noise, looks = packed.reshape(-1).tolist()
        return cls(noise=noise / SCALE, looks=looks)
