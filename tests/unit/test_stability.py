"""A history that holds a change is recognised, and noise is not taken for one."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from pixels import common

from rsmonitor.records.parameters import HistoryParameters
from rsmonitor.records.rasters import REFERENCE_FILL, REFERENCE_SCALE, HistoryClass
from rsmonitor.stages.history import fit_reference
from rsmonitor.stages.stability import breaks

STABLE, DISTURBED = HistoryClass.STABLE, HistoryClass.DISTURBED
ROTATION, RECOVERED = HistoryClass.ROTATION, HistoryClass.RECOVERED
BARE, LATE, TOO_FEW = HistoryClass.BARE, HistoryClass.LATE, HistoryClass.TOO_FEW


def series(*parts: tuple[int, float], seed: int = 1) -> NDArray[np.float64]:
    """Give one pixel: so many looks at so much, and noise of one spread."""
    steps = np.concatenate([np.full(looks, level) for looks, level in parts])
    noise = np.random.default_rng(seed).normal(0, 1, steps.size)
    return (steps + noise)[:, None].astype(np.float64)


@pytest.mark.parametrize(
    ("parts", "since", "step"),
    [
        ([(40, 0.0)], 0, 0.0),
        ([(20, 0.0), (20, -8.0)], 20, -8.0),
        ([(20, -8.0), (20, 0.0)], 20, 8.0),
        ([(20, 0.0), (20, -2.0)], 0, 0.0),
        ([(20, 0.0), (3, -8.0), (17, 0.0)], 0, 0.0),
    ],
    ids=["stable", "lost", "came", "a dry year", "a spell of haze"],
)
def test_a_break_is_where_the_ground_changed(
    parts: list[tuple[int, float]], since: int, step: float
) -> None:
    found = breaks(series(*parts), least_step=3.0)
    assert abs(found.since.item() - since) <= 1
    assert found.step.item() == pytest.approx(step, abs=2.0)


def test_looks_not_seen_do_not_count_on_either_side() -> None:
    z = series((20, 0.0), (20, -8.0))
    z[3:19:2] = np.nan
    z[20:24] = np.nan
    assert breaks(z, least_step=3.0).since.item() == 24


def test_one_missed_cloud_is_no_break() -> None:
    z = series((40, 0.0))
    z[11] = -50
    assert breaks(z, least_step=3.0).since.item() == 0


@given(st.integers(0, 2**32 - 1))
def test_noise_is_hardly_ever_taken_for_a_break(seed: int) -> None:
    z = np.random.default_rng(seed).normal(0, 1, (40, 500))
    assert not breaks(z, least_step=3.0).since.any()


# ------------------------------------------------------- what the reference makes of it

UNTIL = 18_000
DAYS = UNTIL - 10 * np.arange(60, dtype=np.int64)[::-1]


def fitted(*ndvi: NDArray[np.float64], name: str = "ndvi") -> NDArray[np.int16]:
    """Fit the series of some pixels."""
    values = np.stack(ndvi, axis=1).astype(np.float32)[:, None, None]
    return fit_reference(
        values,
        DAYS,
        np.zeros((60, 1, 1, 1), dtype=np.float32),
        norm=common(1),
        weights=np.ones(1, dtype=np.float32),
        names=(name,),
        parameters=HistoryParameters(until=np.datetime64(UNTIL, "D").item()),
    )[:, 0]


def steps(*parts: tuple[int, float]) -> NDArray[np.float64]:
    values = np.concatenate([np.full(looks, level) for looks, level in parts])
    return values + np.random.default_rng(3).normal(0, 0.02, 60)


def test_ground_that_was_opened_early_is_described_as_it_is_since() -> None:
    reference = fitted(steps((25, 0.8), (35, 0.5)), steps((60, 0.8)))
    assert reference[-1].tolist() == [DISTURBED, STABLE]
    mean = reference[0] / REFERENCE_SCALE
    assert mean == pytest.approx([0.5, 0.8], abs=0.03)
    assert reference[-3, 0] == pytest.approx(35, abs=1)
    assert reference[-2].tolist() == [UNTIL, UNTIL]
    spread = reference[3] / REFERENCE_SCALE
    assert spread == pytest.approx([0.02, 0.02], abs=0.012), "the step is no scatter"


def test_ground_that_greened_is_described_as_it_is_since() -> None:
    reference = fitted(steps((30, 0.4), (30, 0.8)))
    assert reference[-1].item() == RECOVERED
    assert reference[0].item() / REFERENCE_SCALE == pytest.approx(0.8, abs=0.03)


def test_ground_opened_at_the_end_is_described_as_it_was_and_dated() -> None:
    reference = fitted(steps((52, 0.8), (8, 0.4)))
    assert reference[-1].item() == LATE
    assert reference[0].item() / REFERENCE_SCALE == pytest.approx(0.8, abs=0.02)
    assert reference[-2].item() == DAYS[51], "the last look that saw nothing"
    assert reference[-3].item() == 52


def test_fields_by_turns_keep_a_spread_that_holds_their_swings() -> None:
    reference = fitted(steps((20, 0.8), (20, 0.4), (20, 0.8)))
    assert reference[-1].item() == ROTATION
    assert reference[3].item() / REFERENCE_SCALE > 0.1


def test_bare_ground_is_not_monitored_and_says_so() -> None:
    reference = fitted(steps((60, 0.15)), steps((60, 0.45)))
    assert reference[-1].tolist() == [BARE, STABLE]
    assert (reference[:-3, 0] == REFERENCE_FILL).all()
    assert reference[-3, 0] == 60
    # how moist ground is does not say whether it is bare
    assert fitted(steps((60, 0.15)), name="ndmi")[-1].item() == STABLE


def test_a_change_with_too_little_on_both_sides_is_not_monitored() -> None:
    values = steps((30, 0.8), (30, 0.3))
    values[10:37] = np.nan  # the same months one year later
    values[47:] = np.nan
    reference = fitted(values)
    assert reference[-1].item() == TOO_FEW
    assert (reference[:-3] == REFERENCE_FILL).all()
