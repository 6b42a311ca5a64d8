"""Laws of the whole pipeline, on a small forest that is opened once."""

from collections.abc import Mapping
from functools import cache

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from landscape import LOOKS, OPENED, Desk, landscape, outputs, week_of

from rsmonitor.io.stores.codec import encode_text
from rsmonitor.records.run import RunResult

# An example is one pipeline run or several; `make fuzz` has more patience.
few = settings(max_examples=max(1, settings.default.max_examples // 16))

FIRST_MONITORED = 31
LAST = LOOKS - 1
WEEKLY = frozenset(range(FIRST_MONITORED, LAST))

seeds = st.integers(0, 3)
monitored = st.integers(FIRST_MONITORED + 1, LAST)


@cache
def undisturbed(seed: int) -> Desk:
    """Do everything in one run, in one block, with one worker."""
    desk = Desk.new(block_size=1000)
    desk.run(landscape(seed).source(), week_of(LAST))
    assert desk.shown.sites
    return desk


def evidence(result: RunResult) -> Mapping[str, bytes]:
    """Give what a run tells apart from who has heard of it before."""
    told = outputs(result)
    return {name: told[name] for name in told if name not in {"alerts", "disturbances"}}


def site_ids(desk: Desk) -> set[str]:
    return {site.site_id for site in desk.shown.sites}


@few
@given(seed=seeds, block_size=st.integers(6, 40), workers=st.integers(1, 3))
@example(seed=0, block_size=7, workers=1)
@example(seed=0, block_size=7, workers=3)
@example(seed=0, block_size=16, workers=3)
@example(seed=0, block_size=1000, workers=3)
def test_neither_blocks_nor_workers_change_a_byte(
    seed: int, block_size: int, workers: int
) -> None:
    whole = undisturbed(seed)
    desk = Desk.new(block_size=block_size, workers=workers)
    desk.run(landscape(seed).source(), week_of(LAST))
    assert desk.state("reference") == whole.state("reference")
    assert desk.state("evidence") == whole.state("evidence")
    assert outputs(desk.shown) == outputs(whole.shown)


@few
@given(
    seed=seeds,
    runs=st.sets(monitored, max_size=8),
    late=st.dictionaries(monitored, st.integers(1, 12), max_size=3),
)
@example(seed=0, runs=WEEKLY, late={})
@example(seed=0, runs=WEEKLY, late={35: 4})
@example(seed=0, runs=WEEKLY, late={OPENED: 3})
@example(seed=0, runs=WEEKLY, late={OPENED + 4: 9, 33: 1})
def test_the_order_of_arrival_changes_no_evidence(
    seed: int, runs: frozenset[int], late: dict[int, int]
) -> None:
    whole, desk = undisturbed(seed), Desk.new()
    given_before: set[str] = set()
    for now in sorted({*runs, LAST}):
        waiting = {look for look in late if now < min(look + late[look], LAST)}
        desk.run(landscape(seed).source(without=waiting), week_of(now))
        assert given_before <= site_ids(desk)
        given_before = site_ids(desk)
    assert desk.state("evidence") == whole.state("evidence")
    assert evidence(desk.shown) == evidence(whole.shown)
    (site,), (expected,) = desk.shown.sites, whole.shown.sites
    assert encode_text(site.latest) == encode_text(expected.latest)
    # An id is given once, from the first look that was there to see it; only where
    # that very look came late is it another one.
    if not late.keys() & set(range(OPENED, OPENED + 3)):
        assert site.site_id == expected.site_id


@few
@given(seed=seeds, look=monitored, by=st.integers(0, 12))
@example(seed=0, look=OPENED, by=5)
@example(seed=0, look=33, by=0)
def test_a_product_that_is_processed_again_makes_no_second_alert(
    seed: int, look: int, by: int
) -> None:
    whole, desk = undisturbed(seed), Desk.new()
    forest = landscape(seed)
    desk.run(forest.source(), week_of(min(look + by, LAST - 1)))
    desk.run(forest.source(again=[look]), week_of(LAST))
    assert desk.state("evidence") == whole.state("evidence")
    assert site_ids(desk) == site_ids(whole)
    (alert,), (expected,) = desk.shown.alerts, whole.shown.alerts
    assert alert.alert_id == expected.alert_id
    assert len(desk.shown.alerts) == 1


@few
@given(seed=seeds, look=monitored, runs=st.sets(monitored, min_size=1, max_size=6))
@example(seed=0, look=OPENED + 5, runs=WEEKLY)
def test_a_broken_product_is_tried_again_until_it_is_whole(
    seed: int, look: int, runs: frozenset[int]
) -> None:
    whole, desk = undisturbed(seed), Desk.new()
    forest = landscape(seed)
    for now in sorted(runs - {LAST}):
        outcome = desk.run(forest.source(failing=[look]), week_of(now))
        named = [refused.product_id for refused in outcome.refused]
        assert len(named) == (look <= now)
        assert all(f"{forest.times[look]:%Y%m%d}" in name for name in named)
    outcome = desk.run(forest.source(), week_of(LAST))
    assert not outcome.refused
    assert desk.state("evidence") == whole.state("evidence")
    assert evidence(desk.shown) == evidence(whole.shown)


@few
@given(seed=seeds, now=monitored)
def test_a_week_that_was_done_is_not_done_again(seed: int, now: int) -> None:
    desk, source = Desk.new(), landscape(seed).source()
    desk.run(source, week_of(now - 1))
    desk.run(source, week_of(now))
    events, shown, state = (
        list(desk.ledger.events()),
        desk.shown,
        desk.state("evidence"),
    )
    outcome = desk.run(source, week_of(now))
    assert outcome.result is None
    assert list(desk.ledger.events()) == events
    assert desk.shown is shown
    assert desk.state("evidence") == state


@few
@given(seed=seeds, now=monitored, reads=st.integers(1, 100))
@example(seed=0, now=45, reads=1)
@example(seed=0, now=45, reads=100)
def test_a_run_that_is_interrupted_leaves_no_trace(
    seed: int, now: int, reads: int
) -> None:
    whole, desk = undisturbed(seed), Desk.new()
    forest = landscape(seed)
    desk.run(forest.source(), week_of(now - 1))
    events = list(desk.ledger.events())
    if now < LAST:
        # the late look makes it read everything again
        mortal = forest.source(again=[FIRST_MONITORED], dies_at=reads)
        with pytest.raises(KeyboardInterrupt):
            desk.run(mortal, week_of(LAST))
        assert list(desk.ledger.events()) == events
        assert site_ids(desk) == {s.site_id for s in desk.ledger.sites("360728")}
    desk.run(forest.source(), week_of(LAST))
    assert desk.state("evidence") == whole.state("evidence")
    assert evidence(desk.shown) == evidence(whole.shown)
