"""The order of visits against all orders there are."""

from itertools import pairwise, permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from shapely import Point

from rsmonitor.stages.geodesy import WGS84
from rsmonitor.stages.visits import Round, visit_round

places = st.builds(
    Point, st.integers(0, 400).map(lambda k: 115 + k / 1000), st.floats(24.8, 25.1)
)


@settings(max_examples=12)
@given(st.lists(places, min_size=1, max_size=7), st.none() | places)
def test_no_round_over_few_sites_is_shorter(
    points: list[Point], start: Point | None
) -> None:
    found = visit_round(points, start=start)
    assert sorted(found.order) == list(range(len(points)))
    home = points[0] if start is None else start
    rest = points[1:] if start is None else points
    shortest = min(along([home, *way, home]) for way in permutations(rest))
    # distances are rounded to metres before they are compared
    assert found.length_m <= shortest + len(points) + 1
    walked = [home, *(points[place] for place in found.order), home]
    assert found.length_m == pytest.approx(along(walked), abs=1e-6)


@settings(max_examples=4)
@given(st.lists(places, min_size=5, max_size=12, unique_by=lambda p: (p.x, p.y)))
def test_the_round_does_not_hang_on_the_order_of_the_input(
    points: list[Point],
) -> None:
    start = Point(115.0, 25.0)
    one = visit_round(points, start=start)
    other = visit_round(points[::-1], start=start)
    there = [points[place] for place in one.order]
    again = [points[::-1][place] for place in other.order]
    assert again in (there, there[::-1])


def test_a_round_over_many_sites_is_better_than_the_next_nearest() -> None:
    rng = np.random.default_rng(7)
    points = [Point(115 + x, 25 + y) for x, y in rng.random((80, 2)).tolist()]
    found = visit_round(points)
    assert found == visit_round(points)
    assert sorted(found.order) == list(range(80))
    assert found.order[0] == 0
    left, greedy = set(range(1, 80)), [0]
    while left:
        here = points[greedy[-1]]
        greedy.append(min(left, key=lambda one: along([here, points[one]])))
        left.remove(greedy[-1])
    nearest = along([points[place] for place in (*greedy, 0)])
    assert found.length_m < 0.9 * nearest


def test_without_sites_there_is_no_round() -> None:
    assert visit_round([]) == Round(order=(), legs_m=(), back_m=0.0)


def test_one_site_is_reached_and_left() -> None:
    found = visit_round([Point(115, 25)], start=Point(115, 25.01))
    assert found.order == (0,)
    assert found.legs_m[0] == found.back_m == pytest.approx(1107.7, abs=1)


def test_sites_at_one_place_are_all_visited() -> None:
    found = visit_round([Point(115, 25)] * 6)
    assert sorted(found.order) == list(range(6))
    assert found.length_m == 0


def along(way: list[Point]) -> float:
    """Measure a way."""
    return sum(
        float(WGS84.inv(one.x, one.y, other.x, other.y)[2])
        for one, other in pairwise(way)
    )
