"""The diary of sites, on a real disk; and runs that keep it."""

import math
import sqlite3
from collections.abc import Mapping
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from landscape import (
    DISTRICT,
    EVERY,
    GRID,
    LOOKS,
    OPENED,
    Archive,
    Desk,
    landscape,
    monitored_weeks,
    week_of,
)
from observed import SITE_ID, every, look
from sightings import FIRST

from rsmonitor.errors import ContractError, RsmonitorError, StoreError
from rsmonitor.io.executors.inprocess import InProcessExecutor
from rsmonitor.io.foundation.clock import FixedClock
from rsmonitor.io.stores.observations import SqliteObservations, StoredObservations
from rsmonitor.io.stores.postgres.books import PostgresObservations
from rsmonitor.io.stores.scratch import MemoryScratch
from rsmonitor.pipeline import BlockDoors, Doors
from rsmonitor.pipeline.detection import detect
from rsmonitor.pipeline.following import Followed, catch_up, follow
from rsmonitor.records.lifecycle import HistoryCurve, Observation, Phase
from rsmonitor.records.week import IsoWeek
from rsmonitor.stages.lifecycle import life_of

if TYPE_CHECKING:
    from postgres_server import Server

LAST = LOOKS - 1
CODE = DISTRICT.code


def diary(folder: Path) -> SqliteObservations:
    return SqliteObservations(folder / "observations.sqlite", locks=folder / "locks")


@pytest.fixture(params=["disk", "postgres"])
def book(request: pytest.FixtureRequest, tmp_path: Path) -> StoredObservations:
    if request.param == "disk":
        return diary(tmp_path)
    server: Server = request.getfixturevalue("postgres")
    return PostgresObservations(server.address())


def curve(line: str = "a") -> HistoryCurve:
    return HistoryCurve(site_id=SITE_ID, line=line, coefficients=(0.01, -0.02, 0.03))


# -------------------------------------------------------------- the file, the server


def test_a_diary_that_was_never_begun_is_empty_and_stays_so(tmp_path: Path) -> None:
    book = diary(tmp_path)
    assert book.held("demo") == {}
    assert book.of("demo") == ()
    assert book.curves("demo") == {}
    book.keep("demo", [], [])
    assert list(tmp_path.iterdir()) == []


def test_what_was_kept_is_read_back_equal_and_in_order(
    book: StoredObservations,
) -> None:
    rows = [*every(10, [0.5, 0.7, 1 / 3]), look(FIRST + timedelta(days=99), seen=0.0)]
    assert book.of("demo") == ()
    book.keep("demo", reversed(rows), [curve()])
    assert book.of("demo") == tuple(rows)
    assert book.of("demo", SITE_ID) == tuple(rows)
    assert book.of("demo", "sbbbbbbbbbbbb") == ()
    assert book.of("elsewhere") == ()
    assert book.curves("demo") == {SITE_ID: curve()}
    assert book.held("demo") == {SITE_ID: {row.look: row.product_id for row in rows}}


def test_a_zero_has_no_sign_wherever_it_is_kept(book: StoredObservations) -> None:
    row = replace(look(FIRST, 0.5), ndvi=-0.0, ring=-0.0)
    book.keep("demo", [row], [])
    (kept,) = book.of("demo")
    assert kept == row
    assert [math.copysign(1, zero or 0.0) for zero in (kept.ndvi, kept.ring)] == [1, 1]


def test_keeping_the_same_twice_doubles_nothing(book: StoredObservations) -> None:
    rows = every(10, [0.5, 0.7])
    for _ in range(2):
        book.keep("demo", rows, [curve()])
    assert book.of("demo") == tuple(rows)


def test_a_product_that_is_processed_again_replaces_its_older_version(
    book: StoredObservations,
) -> None:
    book.keep("demo", [look(FIRST, 0.5)], [])
    again = replace(look(FIRST, 0.6), product_id="the same look, 05.10")
    book.keep("demo", [again], [])
    assert book.of("demo") == (again,)


def test_districts_share_a_book_and_no_row(book: StoredObservations) -> None:
    book.keep("one", [look(FIRST, 0.5)], [])
    book.keep("other", [look(FIRST, 0.6)], [])
    assert book.of("one") == (look(FIRST, 0.5),)
    with pytest.raises(ContractError, match="district"):
        book.keep("", [look(FIRST)], [])


@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE observation SET share_seen = 7",
        "UPDATE observation SET day = 'yesterday'",
        "UPDATE observation SET ndvi = NULL",
        "UPDATE curve SET record = '{'",
        "PRAGMA user_version = 99",
        "PRAGMA application_id = 1",
        "DROP TABLE observation",
    ],
)
def test_a_damaged_diary_is_refused_with_its_name(tmp_path: Path, damage: str) -> None:
    book = diary(tmp_path)
    book.keep("demo", [look(FIRST)], [curve()])
    path = tmp_path / "observations.sqlite"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(damage)
        connection.commit()

    def read() -> None:
        book.of("demo")
        book.curves("demo")

    with pytest.raises(StoreError, match=r"observations\.sqlite"):
        read()


def test_a_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    (tmp_path / "observations.sqlite").write_bytes(b"no diary" * 1000)
    with pytest.raises(RsmonitorError, match=r"observations\.sqlite"):
        diary(tmp_path).of("demo")


# ------------------------------------------------------------------------ the runs


def doors_of(desk: Desk, source: Archive, week: IsoWeek) -> Doors:
    blocks = BlockDoors(source=source, states=desk.states, scratch=MemoryScratch())
    return Doors(
        blocks=blocks,
        ledger=desk.ledger,
        register=desk.register,
        sink=desk.sink,
        executor=InProcessExecutor(1, blocks),
        clock=FixedClock(week.end + timedelta(hours=6)),
        progress=desk.progress,
    )


def caught_up(
    desk: Desk, source: Archive, book: SqliteObservations, week: IsoWeek | None = None
) -> Followed:
    """Bring the diary up to the last committed run."""
    last = week or desk.ledger.runs(CODE)[-1].week
    followed = catch_up(
        doors_of(desk, source, last),
        desk.job,
        desk.job.partition(last),
        desk.ledger.sites(CODE),
        book,
    )
    book.keep(CODE, followed.observations, followed.curves)
    return followed


def by_look(rows: tuple[Observation, ...]) -> Mapping[str, Observation]:
    return {row.look: row for row in rows}


def test_an_opening_is_seen_to_lose_its_green_and_the_wood_before_it_is_not(
    tmp_path: Path,
) -> None:
    desk, source, book = Desk.new(), landscape().source(), diary(tmp_path)
    desk.run(source, week_of(LAST))
    caught_up(desk, source, book)
    (site,) = desk.ledger.sites(CODE)
    rows = book.of(CODE, site.site_id)
    opened = site.latest.disturbance.began_by
    assert rows[0].day >= opened - timedelta(days=365)
    assert len(rows) == LOOKS - OPENED + 365 // EVERY.days
    for row in rows:
        if row.share_seen < 0.5:
            continue
        assert row.ndvi is not None
        assert row.expected is not None
        if row.day < opened:
            assert row.ndvi == pytest.approx(row.expected, abs=0.05)
            assert row.area_m2 == 0.0
        else:
            assert row.ndvi < 0.5 * row.expected
            assert row.area_m2 == pytest.approx(site.latest.disturbance.area_m2, 0.01)
    life = life_of(site, rows)
    assert [period.phase for period in life.periods][-1] is Phase.DORMANT
    assert life.curve[-1].own < 0.5


def test_run_by_run_gives_what_catching_up_at_the_end_gives(tmp_path: Path) -> None:
    desk, source = Desk.new(), landscape().source()
    weekly, late = diary(tmp_path / "weekly"), diary(tmp_path / "late")
    for week in monitored_weeks(first=OPENED):
        desk.run(source, week)
        caught_up(desk, source, weekly)
    caught_up(desk, source, late)
    (site,) = desk.ledger.sites(CODE)
    # outlines settle within the first looks; from then on both say the same
    settled = site.latest.disturbance.began_by + 3 * EVERY
    one, other = (
        [row for row in book.of(CODE, site.site_id) if row.day > settled]
        for book in (weekly, late)
    )
    assert one == other
    assert caught_up(desk, source, weekly).observations == ()


def test_a_run_follows_before_it_commits_and_once_more_after_it_was_killed(
    tmp_path: Path,
) -> None:
    desk, source, book = Desk.new(), landscape().source(), diary(tmp_path)
    desk.run(source, week_of(OPENED + 4))
    sites = desk.ledger.sites(CODE)
    caught_up(desk, source, book)
    before = book.of(CODE)

    week = week_of(OPENED + 5)
    partition = desk.job.partition(week)
    written = []
    for _ in range(2):  # killed before its commit, it begins anew
        doors = doors_of(desk, source, week)
        detected, _refused = detect(desk.job, doors, partition, GRID)
        told = follow(doors, desk.job, partition, [detected], sites, book)
        book.keep(CODE, told.observations, told.curves)
        written.append(told.observations)
    (new,) = written[0]
    assert written[1] == ()
    assert book.of(CODE) == (*before, new)

    desk.run(source, week)
    assert caught_up(desk, source, book).observations == ()


def test_a_lost_diary_and_a_half_one_come_back_the_same(tmp_path: Path) -> None:
    desk, source, book = Desk.new(), landscape().source(), diary(tmp_path)
    desk.run(source, week_of(LAST))
    caught_up(desk, source, book)
    whole = book.of(CODE)
    path = tmp_path / "observations.sqlite"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("DELETE FROM observation WHERE day LIKE '%-0%'")
        connection.commit()
    assert len(book.of(CODE)) < len(whole)
    caught_up(desk, source, book)
    assert book.of(CODE) == whole
    path.unlink()
    caught_up(desk, source, book)
    assert book.of(CODE) == whole


def test_blocks_make_no_difference(tmp_path: Path) -> None:
    told = []
    for size in (7, 16, 64):
        desk, book = Desk.new(block_size=size), diary(tmp_path / str(size))
        desk.run(landscape().source(), week_of(LAST))
        caught_up(desk, landscape().source(), book)
        told.append((book.of(CODE), book.curves(CODE)))
    assert told[0] == told[1] == told[2]


def test_a_reprocessed_look_is_read_again_and_no_other(tmp_path: Path) -> None:
    desk, book = Desk.new(), diary(tmp_path)
    desk.run(landscape().source(), week_of(LAST - 1))
    caught_up(desk, landscape().source(), book)
    before = by_look(book.of(CODE))
    again = landscape().source(again=[OPENED + 6])
    desk.run(again, week_of(LAST))
    told = caught_up(desk, again, book)
    changed = [row for row in told.observations if row.look in before]
    assert [row.product_id.endswith("-again") for row in changed] == [True]
    assert len(book.of(CODE)) == len(before) + 1


def test_a_look_that_is_gone_is_left_out_and_tried_again(tmp_path: Path) -> None:
    desk, book = Desk.new(), diary(tmp_path)
    desk.run(landscape().source(), week_of(LAST))
    broken = landscape().source(failing=[OPENED + 3])
    caught_up(desk, broken, book)
    kept = len(book.of(CODE))
    (found,) = caught_up(desk, landscape().source(), book).observations
    assert found.day == landscape().times[OPENED + 3].date()
    assert len(book.of(CODE)) == kept + 1


def test_a_look_behind_clouds_is_kept_as_one_that_showed_nothing(
    tmp_path: Path,
) -> None:
    cloudy = landscape().clouded([OPENED + 8])
    desk, book = Desk.new(), diary(tmp_path)
    desk.run(cloudy.source(), week_of(LAST))
    caught_up(desk, cloudy.source(), book)
    (row,) = [r for r in book.of(CODE) if r.day == cloudy.times[OPENED + 8].date()]
    assert (row.share_seen, row.ndvi, row.expected) == (0.0, None, None)


def test_new_settings_keep_ids_and_what_the_wood_was_before(tmp_path: Path) -> None:
    desk, source, book = Desk.new(), landscape().source(), diary(tmp_path)
    desk.run(source, week_of(LAST - 1))
    caught_up(desk, source, book)
    (before,) = desk.ledger.sites(CODE)
    curves, rows = book.curves(CODE), book.of(CODE)

    desk.digest = "b" * 64
    desk.run(source, week_of(LAST))
    told = caught_up(desk, source, book)
    (after,) = desk.ledger.sites(CODE)
    assert after.site_id == before.site_id
    assert book.curves(CODE) == curves
    assert len(told.observations) == 1
    assert book.of(CODE)[: len(rows)] == rows


def test_without_ndvi_nothing_is_followed_and_a_note_says_so(tmp_path: Path) -> None:
    desk, source, book = Desk.new(), landscape().source(), diary(tmp_path)
    desk.parameters = replace(
        desk.parameters,
        evidence=replace(desk.parameters.evidence, indices=("ndmi",)),
    )
    desk.run(source, week_of(LAST))
    told = caught_up(desk, source, book)
    assert told.observations == ()
    assert "ndvi" in told.notes[0]


def test_only_windows_of_sites_are_read(tmp_path: Path) -> None:
    desk, book = Desk.new(), diary(tmp_path)
    desk.run(landscape().source(), week_of(LAST))
    (site,) = desk.ledger.sites(CODE)
    source = landscape().source()
    caught_up(desk, source, book)
    assert source.reads == len(book.of(CODE, site.site_id))
    assert np.isfinite([row.share_seen for row in book.of(CODE)]).all()
    again = landscape().source()
    caught_up(desk, again, book)
    assert again.reads == 0
