"""The figures of a week: what is new, and how the weeks went before."""

from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st
from sample_package import sample_package

from rsmonitor.records.package import News
from rsmonitor.records.week import IsoWeek
from rsmonitor.stages.weekly import (
    TREND_WEEKS,
    Spoken,
    county_figures,
    licences_near,
    spoken,
    trend,
)

WEEK = IsoWeek(year=2021, week=2)


def back(weeks: int) -> IsoWeek:
    """So many weeks before; the year before had 53."""
    return IsoWeek.of(WEEK.end - timedelta(days=7 * weeks, seconds=1))


def test_an_alert_is_new_in_the_week_of_its_first_version_only() -> None:
    said = {("a1", 1): WEEK, ("a2", 1): back(3), ("a2", 2): WEEK, ("a3", 1): back(1)}
    heard = spoken(said)
    assert [heard[i].news(WEEK) for i in ("a1", "a2", "a3")] == [
        News.NEW,
        News.CHANGED,
        News.STANDING,
    ]


def test_a_replay_in_disorder_tells_the_same() -> None:
    said = {("a1", 2): WEEK, ("a1", 1): back(5)}
    assert spoken(said) == {"a1": Spoken(first=back(5), last=WEEK)}


@given(
    firsts=st.lists(st.integers(0, 30), max_size=40),
    since=st.integers(0, 30),
    standing=st.integers(0, 40),
)
def test_the_trend_counts_each_alert_once(
    firsts: list[int], since: int, standing: int
) -> None:
    weeks = {f"a{n}": Spoken(first=back(w), last=WEEK) for n, w in enumerate(firsts)}
    told = trend(
        weeks, list(weeks)[:standing], weeks=weeks, since=back(since), week=WEEK
    )
    # the week of the first run holds the backlog, and before it nobody looked
    assert len(told) == min(TREND_WEEKS, since)
    assert [each.week for each in told] == sorted(each.week for each in told)
    for each in told:
        assert each.new == sum(back(w) == each.week for w in firsts)
        assert each.standing == sum(back(w) <= each.week for w in firsts[:standing])


def test_a_county_that_nobody_watches_has_no_share_seen() -> None:
    package = sample_package()
    alerts = [dossier.alert for dossier in package.dossiers]
    told = county_figures(
        package.area, alerts, week=WEEK, cases={}, weeks={}, coverage=()
    )
    assert told.share_seen != told.share_seen
    assert (told.standing, told.new) == (3, 3)


def test_licences_of_other_places_are_left_out() -> None:
    package = sample_package()
    ground = [coverage.geometry for coverage in package.coverage]
    near = licences_near(package.register, [], ground)
    assert near.licences == package.register.licences
    far = [g.buffer(0.001).boundary.buffer(1e-6) for g in ground]
    assert licences_near(package.register, [], far[:0]).licences == ()
