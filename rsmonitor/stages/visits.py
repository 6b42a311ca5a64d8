"""In which order to visit sites: the shortest round, as the crow flies.

Roads are not known here, and valleys bend them; the round says which sites lie near
each other, and a person decides the way.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import numpy as np
from numpy.typing import NDArray
from shapely import Point

from rsmonitor.errors import OutputError
from rsmonitor.stages.geodesy import WGS84

ITERATIONS: Final = 3000
"""Bounded by work, never by time: the same sites give the same round on any machine.
Within a percent of what ten times the work finds for 200 sites; two seconds."""

_SEED: Final = 1
_ALL_ROUNDS_ALIKE: Final = 3
"""So few stops have one round, and its reverse."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    """A round over sites that ends where it began."""

    order: tuple[int, ...]
    """Places in the input, in the order of the visits."""

    legs_m: tuple[float, ...]
    """By visit: metres in a straight line from the stop before; the first is from the
    start, and 0 where the first site is the start."""

    back_m: float
    """From the last visit back to the start, metres in a straight line."""

    @property
    def length_m(self) -> float:
        """Of the whole round, metres in a straight line."""
        return sum(self.legs_m) + self.back_m


def visit_round(points: Sequence[Point], *, start: Point | None = None) -> Round:
    """
    Find a short round over all sites.

    Parameters
    ----------
    points : sequence of Point
        CRS84, the most important first.
    start : Point or None, default None
        Where the round begins and ends; None: at the first of `points`.

    Returns
    -------
    Round
        The same for the same sites, whatever the machine. Of the two ways round, the
        one that meets the more important end first.

    Raises
    ------
    OutputError
        If the solver is not installed.

    Notes
    -----
    A travelling salesman's problem, left to PyVRP with its own distances: metres on
    the ellipsoid. For up to ten sites the tests compare it with all rounds there are.
    """
    if not points:
        return Round(order=(), legs_m=(), back_m=0.0)
    home = points[0] if start is None else start
    sites = (
        list(range(len(points))) if start is not None else list(range(1, len(points)))
    )
    # in an order of their own, so that the round does not hang on that of the input
    sites.sort(key=lambda site: (points[site].x, points[site].y, site))
    stops = [home, *(points[site] for site in sites)]
    metres = _distances_m(stops)
    tour = [sites[stop - 1] for stop in _shortest(np.rint(metres).astype(np.int64))]
    if tour and tour[-1] < tour[0]:
        tour.reverse()
    order = tour if start is not None else [0, *tour]
    place = {site: stop for stop, site in enumerate(sites, start=1)} | (
        {} if start is not None else {0: 0}
    )
    way = [0, *(place[site] for site in order), 0]
    legs = [float(metres[one, other]) for one, other in pairwise(way)]
    return Round(order=tuple(order), legs_m=tuple(legs[:-1]), back_m=legs[-1])


def _distances_m(stops: Sequence[Point]) -> NDArray[np.float64]:
    """Measure from every stop to every other."""
    lon = np.array([stop.x for stop in stops])
    lat = np.array([stop.y for stop in stops])
    one, other = np.triu_indices(len(stops), k=1)
    metres = np.zeros((len(stops), len(stops)))
    if len(one):
        _, _, between = WGS84.inv(lon[one], lat[one], lon[other], lat[other])
        metres[one, other] = metres[other, one] = between
    return metres


def _shortest(metres: NDArray[np.int64]) -> list[int]:
    """Order the stops 1, 2, ... of a round from stop 0."""
    count = len(metres)
    if count <= _ALL_ROUNDS_ALIKE:
        return list(range(1, count))
    try:
        # optional, and only a field pack needs it
        from pyvrp import Model  # noqa: PLC0415
        from pyvrp.stop import MaxIterations  # noqa: PLC0415
    except ImportError as error:
        raise OutputError(
            'the order of visits needs pyvrp: pip install "rsmonitor[deliver]"'
        ) from error

    model = Model()
    places = [model.add_location(0, 0) for _ in range(count)]
    model.add_depot(places[0])
    for place in places[1:]:
        model.add_client(place)
    model.add_vehicle_type()
    for one, row in zip(places, metres.tolist(), strict=True):
        for other, distance in zip(places, row, strict=True):
            if one is not other:
                model.add_edge(one, other, distance=distance)
    result = model.solve(
        MaxIterations(ITERATIONS), seed=_SEED, collect_stats=False, display=False
    )
    return [
        activity.idx + 1
        for route in result.best.routes()
        for activity in route
        if activity.is_client()
    ]
