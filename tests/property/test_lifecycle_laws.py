"""Laws of a site's life, and of what was not seen of it."""

from datetime import date, timedelta
from itertools import pairwise
from random import Random

from hypothesis import given
from hypothesis import strategies as st
from observed import grown, look
from sightings import FIRST

from rsmonitor.records.lifecycle import LifeParameters, Observation, Phase
from rsmonitor.stages.lifecycle import growth_of, life_of, visibility_of

days = st.integers(-200, 900).map(lambda n: FIRST + timedelta(days=n))


@st.composite
def lives(draw: st.DrawFn) -> list[Observation]:
    """Draw looks on different days, clear and not."""
    return [
        look(
            day,
            draw(st.floats(0.2, 1.2)),
            seen=draw(st.sampled_from([0.0, 0.3, 0.5, 1.0])),
            bare=draw(st.sampled_from([0.0, 0.1, 0.6])),
        )
        for day in draw(st.lists(days, max_size=40, unique=True))
    ]


sites = st.builds(
    lambda parts, confirmed: grown(
        *((n, FIRST + timedelta(days=d)) for n, d in [(15, 0), *parts]),
        confirmed=None if confirmed is None else FIRST + timedelta(days=confirmed),
    ),
    st.lists(st.tuples(st.integers(1, 20), st.integers(1, 800)), max_size=4),
    st.none() | st.integers(0, 300),
)


@given(sites, lives(), st.randoms(use_true_random=False))
def test_the_order_of_observations_does_not_matter(
    site: object, rows: list[Observation], random: Random
) -> None:
    mixed = list(rows)
    random.shuffle(mixed)
    assert life_of(site, mixed) == life_of(site, rows)  # type: ignore[arg-type]
    assert visibility_of(mixed, looks_to_confirm=3) == visibility_of(
        rows, looks_to_confirm=3
    )


@given(sites, lives(), st.lists(days, max_size=10))
def test_a_look_that_was_not_clear_changes_no_life(
    site: object, rows: list[Observation], hidden: list[date]
) -> None:
    taken = {row.day for row in rows}
    more = [look(day, seen=0.4) for day in hidden if day not in taken]
    assert life_of(site, rows + more) == life_of(site, rows)  # type: ignore[arg-type]


@given(sites, lives())
def test_phases_follow_each_other_and_only_growth_or_loss_leads_back(
    site: object, rows: list[Observation]
) -> None:
    life = life_of(site, rows)  # type: ignore[arg-type]
    assert life.periods[0].since == life.area[0][0]
    told = [period.phase for period in life.periods]
    assert told.count(Phase.NEW) <= 1
    for one, other in pairwise(told):
        assert one is not other
        assert other is not Phase.NEW
        if other is Phase.ACTIVE:
            assert one is Phase.NEW
    assert life.last_activity >= life.area[-1][0]


@given(sites)
def test_area_only_grows_and_ends_at_all_of_it(site: object) -> None:
    steps = growth_of(site)  # type: ignore[arg-type]
    assert [day for day, _ in steps] == sorted({day for day, _ in steps})
    assert all(a < b for (_, a), (_, b) in pairwise(steps))
    parts = site.latest.disturbance.increments  # type: ignore[attr-defined]
    assert steps[-1][1] == sum(part.area_m2 for part in parts)


@given(lives(), st.integers(1, 400))
def test_more_clear_looks_are_never_needed_to_be_quiet_sooner(
    rows: list[Observation], longer: int
) -> None:
    site = grown((15, FIRST))
    short, long = (
        life_of(site, rows, parameters=LifeParameters(quiet_days=n))
        for n in (90, 90 + longer)
    )

    def first_quiet(life: object) -> date:
        return next(
            (p.since for p in life.periods if p.phase not in ACTIVE),  # type: ignore[attr-defined]
            date.max,
        )

    assert first_quiet(short) <= first_quiet(long)


ACTIVE = {Phase.NEW, Phase.ACTIVE, Phase.RESTARTED}
