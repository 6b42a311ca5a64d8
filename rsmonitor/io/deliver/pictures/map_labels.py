"""Where labels stand on a map so that none hides another. Needs numpy alone."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from rsmonitor.io.deliver.pictures.place import Box

FRAME: Final[Box] = (0.6, 0.6, 99.4, 99.4)
"""Labels stay within, percent of the map."""

_DIRECTIONS: Final = (1, 3, 7, 5, 0, 2, 6, 4)
"""Eighths of a turn from east to north, in the order in which cartographers prefer
them: above right first."""

_FAR: Final = (1.0, 2.6, 4.6, 7.0, 9.5)
"""Distances that are tried, times the gap; beyond the first a line leads to the
mark."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """A label that should stand beside a spot."""

    x: float
    """Spot, percent of the map from its western edge."""

    y: float
    """The same from its southern edge."""

    width: float
    """Width of the label, percent of the map."""

    height: float
    """Height of the label, percent of the map."""

    gap: float
    """Least distance from the spot, percent of the map: half of the mark."""

    farthest: int = len(_FAR)
    """How many distances are tried."""

    on_spot: bool = False
    """True where the label may stand on the spot itself, which is then tried first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """Where a label stands."""

    x: float
    """Its middle, percent of the map."""

    y: float
    """Its middle, percent of the map."""

    led: bool
    """True where it is so far off that a line must lead to its mark."""


class Room:
    """
    What is still free on a map.

    Parameters
    ----------
    taken : sequence of Box
        Boxes that no label may touch, percent of the map.
    """

    def __init__(self, taken: Sequence[Box] = ()) -> None:
        self._boxes: NDArray[np.float64] = np.array(
            [*taken, FRAME], dtype=np.float64
        ).reshape(-1, 4)[:-1]

    def stand(self, wanted: Wanted) -> Standing | None:
        """
        Find room for a label, and take it.

        Parameters
        ----------
        wanted : Wanted
            The label.

        Returns
        -------
        Standing or None
            None where there is no room anywhere near.
        """
        middles = self._middles(wanted)
        half = np.array([wanted.width / 2, wanted.height / 2])
        boxes = np.concatenate([middles - half, middles + half], axis=1)
        low, high = np.array(FRAME[:2]), np.array(FRAME[2:])
        inside = np.all((boxes[:, :2] >= low) & (boxes[:, 2:] <= high), axis=1)
        one, other = boxes[:, None], self._boxes[None]
        hit = np.all(
            (one[..., :2] < other[..., 2:]) & (other[..., :2] < one[..., 2:]), axis=2
        )
        free = np.flatnonzero(inside & ~np.any(hit, axis=1))
        if not free.size:
            return None
        chosen = int(free[0])
        self._boxes = np.vstack([self._boxes, boxes[chosen]])
        near = len(_DIRECTIONS) + int(wanted.on_spot)
        x, y = middles[chosen]
        return Standing(x=float(x), y=float(y), led=chosen >= near)

    def take(self, box: Box) -> None:
        """
        Keep labels off a box.

        Parameters
        ----------
        box : Box
            Percent of the map.
        """
        self._boxes = np.vstack([self._boxes, np.array(box)])

    def _middles(self, wanted: Wanted) -> NDArray[np.float64]:
        """List the places that are tried, the best first."""
        spots = [(0.0, 0.0)] if wanted.on_spot else []
        for far in _FAR[: wanted.farthest]:
            for eighth in _DIRECTIONS:
                across, up = (
                    round(math.cos(eighth * math.pi / 4), 9),
                    round(math.sin(eighth * math.pi / 4), 9),
                )
                reach = wanted.gap * far
                spots.append(
                    (
                        across * reach + np.sign(across) * wanted.width / 2,
                        up * reach + np.sign(up) * wanted.height / 2,
                    )
                )
        return np.asarray(
            np.array(spots) + np.array([wanted.x, wanted.y]), dtype=np.float64
        )
