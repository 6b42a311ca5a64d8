"""Scheduled runs over a small forest: what is said, to whom, and what is kept."""

import json
from dataclasses import replace
from datetime import date
from pathlib import Path

import numpy as np
import pytest
from landscape import (
    BANDS,
    DISTRICT,
    GRID,
    HISTORY_UNTIL,
    LOOKS,
    OPENED,
    SPOT,
    Desk,
    landscape,
    monitored_weeks,
    outputs,
    week_of,
)

from rsmonitor.errors import (
    BusyError,
    HistoryError,
    NoClearObservationError,
    OutputError,
    SourceError,
    StoreError,
)
from rsmonitor.io.stores.ledger import SqliteLedger
from rsmonitor.io.stores.memory import MemoryRegister, MemorySink
from rsmonitor.io.stores.state import SlotStateStore
from rsmonitor.pipeline.looks import day_of
from rsmonitor.pipeline.pictures import LOOKS as LOOKS_OF_PICTURE
from rsmonitor.pipeline.pictures import before_and_after
from rsmonitor.records.event import EventKind
from rsmonitor.records.licence import Licence, LicenceKind
from rsmonitor.records.rasters import Scl, Tier
from rsmonitor.records.run import RunResult
from rsmonitor.records.site import SiteState
from rsmonitor.records.verdict import Category
from rsmonitor.stages.geodesy import grid_outline

LAST = LOOKS - 1


def kinds(desk: Desk, kind: EventKind) -> int:
    return sum(event.kind == kind for event in desk.ledger.events())


# ------------------------------------------------------------------------ what is found


def test_the_opening_is_found_where_and_when_it_was_made() -> None:
    desk = Desk.new()
    desk.run(landscape().source(), week_of(LAST))
    (site,) = desk.shown.sites
    seen = site.latest.disturbance
    expected = np.zeros(GRID.shape, dtype=np.uint8)
    expected[SPOT] = Tier.HIGH
    (evidence,) = desk.shown.evidence.values()
    assert (evidence["tier"].to_numpy() == expected).all()
    assert evidence["monitored"].to_numpy().all()
    assert seen.tier is Tier.HIGH
    assert seen.pixels == expected.astype(bool).sum()
    assert seen.began_after == landscape().times[OPENED - 1].date()
    assert seen.began_by == landscape().times[OPENED].date()
    assert seen.confirmed is not None
    assert seen.confirmed <= landscape().times[OPENED + 3].date()
    assert site.state is SiteState.ACTIVE
    (alert,) = desk.shown.alerts
    assert alert.verdict.category is Category.NO_RIGHT
    assert not alert.invented_licences


def test_the_first_look_alone_raises_no_alarm_and_the_next_ones_raise_the_tier() -> (
    None
):
    desk, source = Desk.new(), landscape().source()
    tiers = []
    for look in range(OPENED, OPENED + 4):
        desk.run(source, week_of(look))
        tiers.append([a.site.latest.disturbance.tier for a in desk.shown.alerts])
    assert tiers[0] == []
    assert tiers[-1] == [Tier.HIGH]
    flat = [tier for (tier,) in tiers[1:]]
    assert flat == sorted(flat)
    (alert,) = desk.shown.alerts
    assert alert.version == len(set(flat))
    assert kinds(desk, EventKind.DETECTED) == 1
    assert kinds(desk, EventKind.CONFIRMED) == 1


def test_a_forest_that_nothing_happens_to_raises_no_alarm() -> None:
    desk = Desk.new()
    desk.run_all(landscape(opened=None).source(), monitored_weeks())
    assert desk.shown.sites == ()
    assert desk.shown.alerts == ()
    (evidence,) = desk.shown.evidence.values()
    assert not evidence["tier"].to_numpy().any()
    assert evidence["n_clear"].to_numpy().min() > 10


def test_an_alert_names_the_looks_that_decided() -> None:
    desk = Desk.new()
    desk.run(landscape().source(), week_of(LAST))
    (alert,) = desk.shown.alerts
    seen = alert.site.latest.disturbance
    products = landscape().source().find(GRID, until=week_of(LAST).end)
    by_id = {product.product_id: product for product in products}
    days = [day_of(by_id[name]) for name in alert.provenance.scenes]
    wanted = {seen.began_after, seen.began_by, seen.confirmed, seen.last_seen}
    assert set(days) == wanted
    assert days == sorted(days)
    assert alert.provenance.settings_digest == desk.digest


def test_the_last_look_of_the_history_can_be_the_one_that_decided() -> None:
    desk, forest = Desk.new(), landscape(opened=31)
    desk.run(forest.source(), week_of(LAST))
    (alert,) = desk.shown.alerts
    assert alert.site.latest.disturbance.began_after == forest.times[30].date()
    assert any(f"{forest.times[30]:%Y%m%d}" in s for s in alert.provenance.scenes)


def test_a_licence_changes_verdicts_and_never_sites() -> None:
    licence = Licence(
        licence_id="C3600002018",
        kind=LicenceKind.MINING,
        geometry=grid_outline(GRID),
        minerals=("离子型稀土",),
        holder="某公司",
        valid_from=date(2015, 1, 1),
        valid_to=date(2030, 12, 31),
        status="valid",
        invented=False,
    )
    free, licensed = Desk.new(), Desk.new(register=MemoryRegister([licence]))
    for desk in (free, licensed):
        desk.run(landscape().source(), week_of(LAST))
    assert (
        outputs(free.shown)["disturbances"] == outputs(licensed.shown)["disturbances"]
    )
    assert len(free.shown.alerts) == 1
    assert licensed.shown.alerts == ()


# -------------------------------------------------------------------- looks that differ


def test_a_late_look_starts_the_evidence_again_and_keeps_the_id() -> None:
    desk, forest = Desk.new(), landscape()
    desk.run_all(
        forest.source(without=[OPENED]), monitored_weeks(OPENED - 2, OPENED + 5)
    )
    (named,) = desk.shown.sites
    assert named.latest.disturbance.began_by == forest.times[OPENED + 1].date()
    desk.run(forest.source(), week_of(OPENED + 6))
    (site,) = desk.shown.sites
    assert site.site_id == named.site_id
    assert site.latest.disturbance.began_by == forest.times[OPENED].date()
    assert [a.alert_id[1:] for a in desk.shown.alerts] == [named.site_id[1:]]
    applied = [
        event.body for event in desk.ledger.events() if event.kind == EventKind.APPLIED
    ]
    assert ['"replayed":true' in body for body in applied] == [
        True,
        *[False] * 7,
        True,
    ]


def test_a_product_processed_again_takes_the_place_of_the_old_one() -> None:
    desk, forest = Desk.new(), landscape()
    desk.run(forest.source(), week_of(OPENED + 5))
    desk.run(forest.source(again=[OPENED]), week_of(OPENED + 6))
    line = desk.job.partition(week_of(LAST)).line
    applied = [product.product_id for product in desk.ledger.applied(line)]
    # those of the history are recorded with the fit
    assert len(applied) == len(set(applied)) == OPENED + 6 + 1
    again = [name for name in applied if name.endswith("-again")]
    assert len(again) == 1
    (alert,) = desk.shown.alerts
    assert again[0] in alert.provenance.scenes
    assert alert.provenance.processing_baselines == ("05.10",)
    assert alert.version == 1 or kinds(desk, EventKind.DETECTED) == 1


def test_a_broken_product_is_named_and_the_others_are_used() -> None:
    desk, forest = Desk.new(), landscape()
    outcome = desk.run(forest.source(failing=[OPENED + 2]), week_of(LAST))
    (refused,) = outcome.refused
    assert f"{forest.times[OPENED + 2]:%Y%m%d}" in refused.product_id
    assert "B04 is truncated" in refused.reason
    assert outcome.result is not None
    assert len(outcome.result.products) == LOOKS - 31 - 1
    assert len(desk.shown.alerts) == 1


def test_a_broken_look_of_the_history_is_named_and_the_others_are_used() -> None:
    desk, forest = Desk.new(), landscape()
    outcome = desk.run(forest.source(failing=[5]), week_of(OPENED))
    assert [f"{forest.times[5]:%Y%m%d}" in r.product_id for r in outcome.refused] == [
        True
    ]
    (fitted,) = (e for e in desk.ledger.events() if e.kind == EventKind.FITTED)
    assert f"{forest.times[4]:%Y%m%dT}" in fitted.body
    # an event that named a look nobody could read would be false evidence
    assert f"{forest.times[5]:%Y%m%dT}" not in fitted.body


def test_a_replay_gets_over_a_broken_look_of_the_history() -> None:
    desk, forest = Desk.new(), landscape()
    desk.run(forest.source(failing=[5, 30], without=[33]), week_of(OPENED))
    outcome = desk.run(forest.source(failing=[5, 30]), week_of(LAST))
    # the reference was fitted without them, which is said and not tried again
    assert outcome.refused == ()
    (note,) = [note for note in outcome.notes if "history" in note]
    assert note.startswith("2 looks of the history")
    assert f"{forest.times[5]:%Y%m%d}" in note
    assert len(desk.shown.alerts) == 1


def test_a_look_of_the_history_that_comes_after_the_fit_is_said_to_be_missing() -> None:
    desk, forest = Desk.new(), landscape()
    first = desk.run(forest.source(without=[7]), week_of(OPENED))
    assert not [note for note in first.notes if "history" in note]
    second = desk.run(forest.source(), week_of(OPENED + 1))
    assert [note for note in second.notes if note.startswith("1 looks of the history")]


# ------------------------------------------------------------------------- not observed


def test_under_cloud_nothing_is_said_and_the_coverage_says_why() -> None:
    desk, forest = Desk.new(), landscape().clouded(range(31, LOOKS))
    desk.run_all(forest.source(), monitored_weeks())
    assert desk.shown.alerts == ()
    (coverage,) = desk.shown.coverage
    assert coverage.share_seen == 0.0
    assert coverage.share_monitored == pytest.approx(1.0)
    assert coverage.scenes_without_clear == coverage.scenes_used == 1
    since = (week_of(LAST).last_day - HISTORY_UNTIL).days
    assert coverage.median_days_since_clear >= since
    (evidence,) = desk.shown.evidence.values()
    assert not evidence["n_clear"].to_numpy().any()
    # a look that showed nothing was looked at, and is not looked at again
    applied = [
        json.loads(event.body)
        for event in desk.ledger.events()
        if event.kind == EventKind.APPLIED
    ]
    assert [len(body["unusable"]) for body in applied] == [1] * len(applied)
    assert [body["replayed"] for body in applied] == [True, *[False] * 28]


def test_what_was_not_seen_is_not_dated() -> None:
    desk, forest = Desk.new(), landscape()
    cloudy = [(forest.scl[i] == Scl.CLOUD_HIGH).any() for i in range(31)]
    look = max(i for i in range(31) if cloudy[i])
    desk.run(forest.clouded(range(look + 1, LOOKS)).source(), week_of(LAST))
    (last_clear,) = desk.shown.last_clear.values()
    days = last_clear.to_numpy().astype("datetime64[D]")
    assert days.max() == np.datetime64(forest.times[look].date())
    # what lay under a cloud then was seen before
    assert (days[forest.scl[look] == Scl.CLOUD_HIGH] < days.max()).all()


def test_a_cloudy_month_delays_an_alert_and_does_not_prevent_it() -> None:
    desk = Desk.new()
    clouded = landscape().clouded([OPENED, OPENED + 1])
    desk.run(clouded.source(), week_of(LAST))
    (site,) = desk.shown.sites
    seen = site.latest.disturbance
    assert seen.began_after == clouded.times[OPENED - 1].date()
    assert seen.began_by == clouded.times[OPENED + 2].date()


def test_a_cube_that_is_all_cloud_is_refused_with_the_numbers() -> None:
    forest = landscape().clouded(range(LOOKS))
    with pytest.raises(HistoryError, match=r"2017-12-31 has 0 scenes .*12 are needed"):
        Desk.new().run(forest.source(), week_of(LAST))


def test_too_short_a_history_is_refused_with_the_numbers() -> None:
    desk = Desk.new(until=date(2016, 8, 1))
    with pytest.raises(HistoryError, match=r"2016-08-01 has 9 scenes .*12 are needed"):
        desk.run(landscape().source(), week_of(LAST))
    assert list(desk.ledger.events()) == []
    assert desk.sink.published == []


def test_a_history_without_any_look_is_refused() -> None:
    desk = Desk.new(until=date(2015, 8, 1))
    with pytest.raises(HistoryError, match=r"no look .* up to 2015-08-01"):
        desk.run(landscape().source(), week_of(LAST))


def test_a_source_that_can_be_read_nowhere_is_refused() -> None:
    desk = Desk.new()
    with pytest.raises(HistoryError, match="no look"):
        desk.run(landscape().source(failing=range(LOOKS)), week_of(LAST))


def test_bands_that_give_no_index_are_refused() -> None:
    with pytest.raises(SourceError, match=r"has bands B03.*B04 and B08 are the least"):
        Desk.new().run(landscape().source(bands=["B03"]), week_of(LAST))


def test_without_swir_it_detects_with_what_there_is_and_says_so() -> None:
    desk = Desk.new()
    bands = [band for band in BANDS if band not in {"B11", "B8A"}]
    outcome = desk.run(landscape().source(bands=bands), week_of(LAST))
    assert any("ndmi" in note and "ndvi, dred" in note for note in outcome.notes)
    assert len(desk.shown.alerts) == 1


# ----------------------------------------------------------------------- runs and weeks


def test_a_week_behind_the_newest_is_refused() -> None:
    desk, source = Desk.new(), landscape().source()
    desk.run(source, week_of(45))
    with pytest.raises(StoreError, match=f"{week_of(45)}.*{week_of(44)} is behind"):
        desk.run(source, week_of(44))


def test_other_settings_start_their_own_state_and_keep_the_ids() -> None:
    desk, source = Desk.new(), landscape().source()
    desk.run(source, week_of(OPENED + 5))
    (before,) = desk.shown.sites
    other = replace(
        desk,
        digest="b" * 64,
        parameters=replace(
            desk.parameters,
            evidence=replace(desk.parameters.evidence, drop=4.0),
        ),
    )
    # the same week, because it is another run
    outcome = other.run(source, week_of(OPENED + 5))
    assert outcome.result is not None
    assert "a new reference was fitted" in outcome.notes[0]
    assert other.run(source, week_of(LAST)).notes == ()
    (after,) = other.shown.sites
    assert after.site_id == before.site_id
    (alert,) = other.shown.alerts
    assert alert.provenance.settings_digest == "b" * 64
    assert kinds(desk, EventKind.FITTED) == 2
    assert kinds(desk, EventKind.DETECTED) == 1


def test_another_block_size_is_refused_in_words() -> None:
    desk, source = Desk.new(block_size=16), landscape().source()
    desk.run(source, week_of(45))
    with pytest.raises(StoreError, match=r"run\.block_size"):
        replace(desk, block_size=10).run(source, week_of(46))


def test_a_district_that_is_held_is_refused() -> None:
    desk, source = Desk.new(), landscape().source()
    with desk.ledger.lock(DISTRICT.code), pytest.raises(BusyError):
        desk.run(source, week_of(45))
    assert desk.run(source, week_of(45)).result is not None


def test_long_work_says_how_far_it_is() -> None:
    desk = Desk.new()
    desk.run(landscape().source(), week_of(LAST))
    last = {what: (done, total) for what, done, total in desk.progress.steps}
    assert last == {
        "history": (31, 31),
        "reference": (4, 4),
        "looks": (29, 29),
        "blocks": (4, 4),
    }
    assert len(desk.progress.steps) > 60


class Shy(MemorySink):
    """A sink that dies once before it shows what is staged."""

    died = False

    def publish(self, location: str) -> None:
        if not self.died:
            self.died = True
            raise OutputError("the disk has gone")
        super().publish(location)


def test_what_was_committed_but_not_shown_is_shown_by_the_next_run() -> None:
    source, sink = landscape().source(), Shy()
    desk = replace(Desk.new(), sink=sink)
    with pytest.raises(OutputError):
        desk.run(source, week_of(45))
    assert sink.current is None
    assert desk.run(source, week_of(45)).result is None
    assert desk.shown.partition.week == week_of(45)


class Nowhere(MemorySink):
    """A sink that cannot be written."""

    def stage(self, result: RunResult) -> str:
        raise OutputError(f"no place for {result.partition.run_id}")

    def publish(self, location: str) -> None:
        """Show nothing."""


def test_outputs_that_cannot_be_written_commit_nothing() -> None:
    source = landscape().source()
    desk = Desk.new()
    desk.run(source, week_of(45))
    events = list(desk.ledger.events())
    with pytest.raises(OutputError, match="no place"):
        replace(desk, sink=Nowhere()).run(source, week_of(46))
    assert list(desk.ledger.events()) == events
    desk.run(source, week_of(46))
    fresh = Desk.new()
    fresh.run(source, week_of(46))
    assert desk.state("evidence") == fresh.state("evidence")


def test_doors_on_disk_give_what_doors_in_memory_give(tmp_path: Path) -> None:
    source = landscape().source()
    memory = Desk.new()
    disk = replace(
        Desk.new(),
        states=SlotStateStore(tmp_path / "state"),
        ledger=SqliteLedger(tmp_path / "ledger.sqlite", locks=tmp_path / "locks"),
    )
    weeks = monitored_weeks(OPENED - 1, OPENED + 5)
    for desk in (memory, disk):
        desk.run_all(source, weeks)
        # one that comes late, and so a replay
        desk.run(landscape().source(again=[35]), week_of(OPENED + 7))
    assert disk.state("reference") == memory.state("reference")
    assert disk.state("evidence") == memory.state("evidence")
    assert outputs(disk.shown) == outputs(memory.shown)
    assert list(disk.ledger.events()) == list(memory.ledger.events())
    assert disk.ledger.verify() == []


# ---------------------------------------------------------------------------- pictures


def test_pictures_are_of_one_season_before_and_after_the_opening() -> None:
    source = landscape().source()
    before, after = before_and_after(
        source,
        GRID,
        source.find(GRID, until=week_of(LAST).end),
        parameters=Desk.new().parameters,
    )
    assert len(after.days) == LOOKS_OF_PICTURE
    assert max(before.days) <= HISTORY_UNTIL < min(after.days)
    season = np.median([day.timetuple().tm_yday for day in after.days])
    for day in before.days:
        assert abs(day.timetuple().tm_yday - season) <= 366 / 8
    red_before, red_after = before.rgb[..., 1], after.rgb[..., 1]
    assert red_after[SPOT].mean() > 1.5 * red_after[:5].mean()
    assert red_before[SPOT].mean() == pytest.approx(red_before[:5].mean(), rel=0.1)
    # there is no B02: near infrared is shown as red, and red as green
    assert not before.true_colour


def test_a_picture_passes_over_what_cannot_be_read() -> None:
    broken = landscape().source(failing=range(LAST - 3, LOOKS))
    _, after = before_and_after(
        broken,
        GRID,
        broken.find(GRID, until=week_of(LAST).end),
        parameters=Desk.new().parameters,
    )
    assert max(after.days) < landscape().times[LAST - 3].date()


def test_there_is_no_picture_where_nothing_was_seen() -> None:
    source = landscape().clouded(range(LOOKS)).source()
    with pytest.raises(NoClearObservationError, match="60%"):
        before_and_after(
            source,
            GRID,
            source.find(GRID, until=week_of(LAST).end),
            parameters=Desk.new().parameters,
        )


def test_a_look_that_comes_late_goes_back_to_a_checkpoint_and_no_further() -> None:
    forest = landscape()
    late = LAST - 2
    desk, whole = Desk.new(), Desk.new()
    desk.run_all(forest.source(without=[late]), [week_of(LAST - 12), week_of(LAST - 1)])
    desk.run(forest.source(), week_of(LAST))
    whole.run(forest.source(), week_of(LAST))
    assert desk.state("evidence") == whole.state("evidence")
    bodies = [
        json.loads(event.body)
        for event in desk.ledger.events()
        if event.kind == EventKind.APPLIED
    ]
    monitored = sum(time.date() > HISTORY_UNTIL for time in forest.times)
    taken = [len(body["products"]) + len(body["unusable"]) for body in bodies]
    assert bodies[-1]["replayed"]
    assert bodies[-1]["kept"] == taken[0], "a checkpoint was written with the first run"
    assert bodies[-1]["kept"] + taken[-1] == monitored
