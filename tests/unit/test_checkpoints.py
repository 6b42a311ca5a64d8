"""From where evidence starts again when a look comes late."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from rsmonitor.pipeline.checkpoints import (
    CHECKPOINTS,
    LOOKS,
    Checkpoint,
    due,
    newest_before,
)
from rsmonitor.records.acquisition import AcquisitionKey, Product
from rsmonitor.stages.drift import Drift

START = datetime(2026, 1, 1, 3, 0, 0, 123456, tzinfo=UTC)


def look(number: int, version: str = "05.10") -> Product:
    sensed_at = START + timedelta(days=5 * number)
    return Product(
        key=AcquisitionKey(
            grid_id="g0123456789ab", platform="S2A", datatake_start=sensed_at
        ),
        product_id=f"look-{number}-{version}",
        processing_baseline=version,
        sensed_at=sensed_at,
        source="test",
    )


def looks(count: int) -> list[Product]:
    return [look(number) for number in range(count)]


def point(held: Sequence[Product]) -> Checkpoint:
    return Checkpoint.of(held, Drift(noise=1.25, looks=len(held)))


@given(st.integers(1, 3000), st.floats(1, 60), st.integers(0, 9))
def test_what_is_stored_reads_back(count: int, noise: float, digit: int) -> None:
    checkpoint = replace(
        point(looks(1)),
        looks=count,
        digest=f"{digit}" * 32,
        drift=Drift.unpack(Drift(noise=noise, looks=count).packed()),
    )
    packed = checkpoint.packed()
    assert packed.shape == (16, 1, 1)
    assert packed.dtype == np.uint16
    assert Checkpoint.unpack(packed) == checkpoint


def test_a_checkpoint_holds_until_a_look_before_it_comes_or_changes() -> None:
    checkpoint = point(looks(8))
    assert checkpoint.holds(looks(8))
    assert checkpoint.holds(looks(30)), "what came after it changes nothing"
    assert checkpoint.holds(looks(8)[::-1]), "nor does the order of a list"
    assert not checkpoint.holds([*looks(8)[1:], look(0, "05.11")])
    assert not checkpoint.holds(looks(7))
    between = replace(look(3), sensed_at=look(3).sensed_at + timedelta(days=1))
    assert not checkpoint.holds([*looks(8), between])


def test_late_looks_start_from_the_newest_checkpoint_before_all_of_them() -> None:
    held = looks(24)
    points = {CHECKPOINTS[0]: point(held[:8]), CHECKPOINTS[1]: point(held[:16])}
    late = [replace(look(20), product_id="new"), replace(look(17), product_id="new")]
    assert newest_before(late, held, points) == (CHECKPOINTS[1], held[15].sensed_at)
    late = [*late, replace(look(9), product_id="new")]
    assert newest_before(late, held, points) == (CHECKPOINTS[0], held[7].sensed_at)
    late = [replace(look(7), product_id="new")]
    assert newest_before(late, held, points) is None, "it is part of the checkpoint"
    assert newest_before([look(30)], held, {}) is None


def test_checkpoints_are_written_in_turn_and_unsound_ones_first() -> None:
    assert due(looks(LOOKS - 1), {}) is None
    points = {}
    written = []
    for count in range(1, 5 * LOOKS):
        kind = due(looks(count), points)
        if kind is not None:
            points[kind] = point(looks(count))
            written.append((count, kind))
    first, second = CHECKPOINTS
    assert written == [(8, first), (16, second), (24, first), (32, second)]
    # a late look among the first ten: neither holds any more
    changed = [look(9, "05.11") if n == 9 else p for n, p in enumerate(looks(33))]
    assert due(changed, points) == first
