from dataclasses import replace

import numpy as np
import pytest
from forest import forest
from hypothesis import given
from hypothesis import strategies as st

from rsmonitor.errors import ContractError
from rsmonitor.lab.detectability import (
    GAP_PIXELS,
    SEASONS,
    Control,
    Row,
    Study,
    scenarios,
    table,
    until,
)
from rsmonitor.lab.spectra import MATERIALS
from rsmonitor.stages.precision import wilson


@given(st.integers(0, 200), st.integers(0, 200))
def test_the_interval_holds_the_share_and_stays_a_share(a: int, b: int) -> None:
    found, n = min(a, b), max(a, b)
    interval = wilson(found, n)
    if n == 0:
        assert interval is None
        return
    assert interval is not None
    assert 0 <= interval[0] <= found / n
    assert found / n <= interval[1] <= 1
    assert interval[1] - interval[0] > 0


def test_the_interval_is_that_of_the_published_case() -> None:
    # Amazon Mining Watch: 307 of 343, 0.858 to 0.923
    interval = wilson(307, 343)
    assert interval is not None
    assert interval == pytest.approx((0.858, 0.923), abs=5e-4)
    with pytest.raises(ContractError):
        wilson(3, 2)


def test_the_whole_table_varies_every_surface_and_course() -> None:
    every = scenarios()
    assert {scenario.material for scenario in every} == set(MATERIALS)
    assert {scenario.course.value for scenario in every} == {
        "sudden",
        "growing",
        "covered",
    }
    assert len({(s.material, s.name) for s in every}) == len(every)


def test_some_sizes_and_surfaces_can_be_chosen() -> None:
    some = scenarios(sizes_ha=(0.1,), materials=("black_liner",))
    assert {scenario.material for scenario in some} == {"black_liner"}
    assert all(scenario.sizes_ha == (0.1,) for scenario in some)
    with pytest.raises(ContractError, match="gold"):
        scenarios(materials=("gold",))
    for size in (0.0, -1.0, float("nan"), 1e9):
        with pytest.raises(ContractError, match="size"):
            scenarios(sizes_ha=(size,))


def test_a_series_is_cut_after_the_day_itself() -> None:
    series = forest()
    cut = until(series, int(series.days[2]))
    assert cut.days.tolist() == series.days[:3].tolist()
    assert cut.reflectance.shape[0] == cut.scl.shape[0] == 3
    assert until(series, int(series.days[0]) - 1).days.size == 0


def row(**other: object) -> Row:
    given = {
        "scenario": "sudden",
        "material": "bare_soil",
        "assumed": False,
        "size_ha": 0.1,
        "season": "dry",
        "implants": 4,
        "found": 3,
        "touched": 4,
        "early": 1,
        "probability": 0.75,
        "interval": (0.3, 0.95),
        "delay_days": 30.0,
        "delay_looks": 3.0,
        "looks": 9.0,
    }
    return Row(**(given | other))  # type: ignore[arg-type]


def study_of(*rows: Row) -> Study:
    return Study(
        series="forest",
        seed=1,
        dry_months=(4, 5, 6, 7, 8, 9),
        starts=dict.fromkeys(SEASONS, ("2019-01-01",)),
        rows=rows,
        control=Control(
            objects=3,
            false_objects=0,
            exposure_km2_years=2.0,
            upper95_per_km2_year=1.5,
        ),
        passes=2,
        set_aside=0,
        not_placed=1,
        side_objects=0,
    )


def test_both_seasons_stand_side_by_side_and_assumed_spectra_apart() -> None:
    known = row()
    wet = replace(known, season="wet", found=0, probability=0.0, delay_looks=None)
    net = replace(known, material="green_net", assumed=True)
    lines = table(study_of(known, wet, net)).splitlines()
    (found,) = [line for line in lines if line.startswith("| bare_soil")]
    assert "3 of 4: 0.75 (0.30 to 0.95) | 3 / 30 | 0 of 4: 0.00" in found
    apart = lines.index("Spectra that are assumed:")
    assert lines.index(found) < apart
    assert any("green_net" in line and "no place" in line for line in lines[apart:])
    assert "0.00 km2" not in study_of(known).summary()
    assert "3 objects, of which 0" in study_of(known).summary()
    assert "1 were found on evidence that began before" in study_of(known).summary()


def test_implants_of_a_pass_are_farther_apart_than_their_blur() -> None:
    blur_and_edges = 4
    assert np.floor(GAP_PIXELS) > blur_and_edges
