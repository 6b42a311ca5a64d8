"""The read model: what lies on it, when it is made anew, and who waits for that."""

import json
import threading
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest
from web_world import (
    ANYUAN,
    NOW,
    PINGYUAN,
    PLACES,
    XUNWU,
    World,
    an_alert,
    build,
    commit_of,
)

from rsmonitor.config import read_districts
from rsmonitor.io.stores.shelf import Shelf
from rsmonitor.io.stores.shelf_query import Wanted
from rsmonitor.io.stores.shelf_writing import Shelved, Source, areas_of, write_shelf
from rsmonitor.records.account import Scope
from rsmonitor.records.disturbance import Cause
from rsmonitor.records.event import EventDraft, EventKind
from rsmonitor.records.finding import Finding, Judgement, body_of
from rsmonitor.records.week import IsoWeek
from rsmonitor.wiring.shelf import KeptShelf
from rsmonitor.wiring.web_areas import session_areas, session_weeks
from rsmonitor.wiring.web_downloads import find_package

ALL = Wanted(areas=("*",))
NEXT = IsoWeek(year=2026, week=47)


@pytest.fixture
def world(tmp_path: Path) -> World:
    return build(tmp_path / "world", each=4)


@pytest.fixture
def kept(world: World) -> KeptShelf:
    return KeptShelf(read_districts(world.config), world.folder / "shelf")


def special_use(site_id: str) -> EventDraft:
    finding = Finding(
        site_id=site_id,
        kind=EventKind.TRIAGED,
        judgement=Judgement.SPECIAL_USE,
        cause=None,
        imagery="",
        judged_by="李华",
        judged_on=date(2026, 11, 20),
    )
    body = body_of(finding, file="a.csv", file_sha256="0" * 64, row="line 2")
    return EventDraft(kind=EventKind.TRIAGED, at=NOW, who="李华", body=body)


def made_at(kept: KeptShelf) -> int:
    return (kept.folder / "shelf.sqlite").stat().st_ino


def test_it_is_made_once_and_again_only_after_a_run(
    world: World, kept: KeptShelf
) -> None:
    assert kept.now().count(ALL) == 16
    first = made_at(kept)
    assert kept.now().count(ALL) == 16
    site_id = world.alerts[XUNWU][0].site.site_id
    finding = Finding(
        site_id=site_id,
        kind=EventKind.TRIAGED,
        judgement=Judgement.UNLAWFUL,
        cause=Cause.DIGGING,
        imagery="",
        judged_by="李华",
        judged_on=date(2026, 11, 20),
    )
    body = body_of(finding, file="a.csv", file_sha256="0" * 64, row="line 2")
    world.ledger.append(
        [EventDraft(kind=EventKind.TRIAGED, at=NOW, who="x", body=body)]
    )
    kept.settle()
    assert made_at(kept) == first, "a verdict changes no feature"
    more = [*world.alerts[XUNWU], an_alert(XUNWU, 77)]
    world.ledger.commit(commit_of(XUNWU, more, week=NEXT))
    assert kept.settle().count(ALL) == 17
    assert made_at(kept) != first
    fresh = KeptShelf(read_districts(world.config), kept.folder)
    now = made_at(kept)
    assert fresh.now().count(ALL) == 17
    assert made_at(kept) == now, "another process finds it as it is"


def test_a_withheld_site_and_what_lies_on_its_ground_is_gone_before_anyone_asks(
    world: World, kept: KeptShelf
) -> None:
    alert = world.alerts[XUNWU][0]
    bounds = alert.site.latest.disturbance.geometry.bounds
    over = an_alert(XUNWU, 99, at=(bounds[0] + 0.0003, bounds[1] + 0.0003))
    world.ledger.commit(commit_of(XUNWU, [*world.alerts[XUNWU], over], week=NEXT))
    assert kept.settle().count(ALL) == 17
    world.ledger.append([special_use(alert.site.site_id)])
    shelf = kept.now()  # not settled: nobody is answered from the one before
    assert shelf.count(ALL) == 15
    for gone in (alert, over):
        assert shelf.find(gone.alert_id, ("*",)) is None
    assert shelf.moments("0:360734", alert.site.site_id) == ()


def test_readers_keep_the_old_one_until_they_are_done(
    world: World, kept: KeptShelf
) -> None:
    old = kept.now()
    connection, _ = old.connection()
    cursor = connection.execute("SELECT item_id FROM item ORDER BY number")
    first = cursor.fetchone()
    world.ledger.append([special_use(world.alerts[XUNWU][0].site.site_id)])
    results = []
    thread = threading.Thread(target=lambda: results.append(kept.now().count(ALL)))
    thread.start()
    thread.join()
    assert results == [15]
    assert len([first, *cursor.fetchall()]) == 16 + 12, "alerts and the other features"
    cursor.close()
    assert old.count(ALL) == 15


class _Overtaken(Shelf):
    """Is replaced by the next shelf between two questions of one answer."""

    def _numbers(self, wanted: Wanted, after: str, most: int) -> list[tuple[str, int]]:
        found = super()._numbers(wanted, after, most)
        # another process, or another thread, is done with the next one
        other = [_shelved(f"other {number}", PINGYUAN) for number in range(9)]
        write_shelf(self.path, [_source(other)], anew=True)
        return found


def _shelved(item_id: str, county: str) -> Shelved:
    return Shelved(
        collection="alerts",
        item_id=item_id,
        codes=(county,),
        feature=f'{{"id":"{item_id}"}}',
        district=county,
        box=(110.0, 20.0, 110.1, 20.1),
    )


def _source(items: list[Shelved]) -> Source:
    return Source(source="0:a", signature="a", items=tuple(items))


def test_a_page_is_of_one_shelf_though_the_next_one_comes_meanwhile(
    tmp_path: Path,
) -> None:
    """A number of a row on the next shelf may be that of somebody else's alert."""
    path = tmp_path / "shelf.sqlite"
    write_shelf(path, [_source([_shelved("mine", XUNWU)])], anew=True)
    assert _Overtaken(path).page(Wanted(areas=(XUNWU,))) == [("mine", '{"id":"mine"}')]
    assert Shelf(path).page(Wanted(areas=(XUNWU,))) == []


def test_a_box_where_nothing_is_seen_is_as_cheap_as_an_empty_one(
    tmp_path: Path,
) -> None:
    """How long an answer takes does not tell how much others have there."""
    path = tmp_path / "shelf.sqlite"
    mine = replace(_shelved("mine", XUNWU), box=(115.0, 24.0, 115.1, 24.1))
    others = [_shelved(f"other {number}", PINGYUAN) for number in range(300)]
    write_shelf(path, [_source([mine, *others])], anew=True)
    shelf = Shelf(path)

    def steps(box: tuple[float, float, float, float]) -> int:
        wanted = Wanted(areas=(XUNWU,), box=box)
        shelf.count(Wanted(areas=(XUNWU,)))
        shelf.extent((XUNWU,))  # as asked once for each scope
        connection, _ = shelf.connection()
        taken = 0

        def step() -> None:
            nonlocal taken
            taken += 1

        connection.set_progress_handler(step, 1)
        try:
            assert shelf.page(wanted) == []
        finally:
            connection.set_progress_handler(None, 0)
        return taken

    assert steps((110.0, 20.0, 110.1, 20.1)) == steps((10.0, 20.0, 10.1, 20.1))


def test_a_package_names_no_site_that_any_ledger_withholds(tmp_path: Path) -> None:
    """Several ledgers may deliver into one folder."""
    worlds = [build(tmp_path / name, each=2) for name in ("one", "two")]
    shared = worlds[0].folder / "packages"
    text = worlds[1].config.read_text(encoding="utf-8")
    worlds[1].config.write_text(
        text.replace('out = "packages"', f'out = "{shared}"'), encoding="utf-8"
    )
    offices = [
        next(o for o in read_districts(w.config) if o.district.code == code)
        for w, code in zip(worlds, (XUNWU, PINGYUAN), strict=True)
    ]
    kept = KeptShelf(offices, tmp_path / "shelf")
    everything = Scope(areas=("*",))
    assert find_package(kept, everything, "2026-W46", PINGYUAN) is not None
    worlds[1].ledger.append([special_use(worlds[1].alerts[PINGYUAN][1].site.site_id)])
    assert find_package(kept, everything, "2026-W46", PINGYUAN) is None
    assert find_package(kept, everything, "2026-W46", XUNWU) is not None


def test_an_alert_lies_in_every_area_of_its_codes_and_in_no_other(
    world: World, kept: KeptShelf
) -> None:
    shelf = kept.now()
    for areas in (
        *(("*",), ("36",), ("3607",), (XUNWU,), (PINGYUAN,), ("demo-woods",)),
        *(("44", ANYUAN), ("5",), ("demo",), (), (XUNWU, PINGYUAN)),
    ):
        found = shelf.ids(Wanted(areas=areas), most=100)
        assert len(found) == len(set(found)) == shelf.count(Wanted(areas=areas))
        assert set(found) == world.seen(areas), areas
        scope = Scope(areas=areas)
        assert set(found) == {
            alert.alert_id
            for alert in world.everything
            if scope.sees(alert.county_codes or (alert.site.district,))
        }


def test_a_code_is_held_by_the_areas_that_a_scope_may_name() -> None:
    for code in (XUNWU, "demo-woods", "3607", "demo36"):
        areas = areas_of([code])
        for area in ("*", "36", "3607", XUNWU, "360735", "demo-woods", "demo36", "44"):
            assert (area in areas) == Scope(areas=(area,)).covers(code), (area, code)


def test_no_ledger_is_an_empty_shelf_until_there_is_one(tmp_path: Path) -> None:
    world = build(tmp_path / "there", each=2)
    path = world.folder / "work" / "ledger.sqlite"
    away = path.rename(path.with_name("away"))
    kept = KeptShelf(read_districts(world.config), world.folder / "shelf")
    assert kept.now().count(ALL) == 0
    assert kept.now().extent(("*",)) == (None, None)
    away.rename(path)
    assert kept.settle().count(ALL) == 8


def test_a_person_may_choose_from_the_areas_and_weeks_that_he_sees(
    kept: KeptShelf,
) -> None:
    found = {each["code"]: each for each in session_areas(kept, Scope(areas=("36",)))}
    assert set(found) == {"36", "3607", XUNWU, ANYUAN}
    assert found[XUNWU]["name_zh"] == PLACES[XUNWU][2]
    assert found[XUNWU]["level"] == "county"
    assert found["3607"]["level"] == "prefecture"
    west, south, east, north = found[XUNWU]["bbox"]
    assert west < east
    assert south < north
    mine = session_areas(kept, Scope(areas=(PINGYUAN,)))
    assert [each["code"] for each in mine] == [PINGYUAN], "not the other side"
    assert session_weeks(kept, Scope(areas=("*",))) == ["2026-W46"]
    assert session_weeks(kept, Scope(areas=("52",))) == []


def test_a_feature_is_what_alerts_geojson_says(world: World, kept: KeptShelf) -> None:
    from rsmonitor.wiring.alerts import features_of  # noqa: PLC0415 - slow
    from rsmonitor.wiring.reports import open_books  # noqa: PLC0415

    said = features_of(open_books(world.config))["features"]
    for feature in said:
        found = kept.now().find(feature["id"], ("*",))
        assert found is not None
        ours = json.loads(found.feature)
        more = set(ours["properties"]) - set(feature["properties"])
        assert more == {"district", "week_said", "short_name", "phase"}
        for name in more:
            ours["properties"].pop(name)
        assert ours == json.loads(json.dumps(feature))


def test_versions_follow_the_ledger(world: World, kept: KeptShelf) -> None:
    alert = world.alerts[ANYUAN][0]
    kept.now()
    world.ledger.commit(
        commit_of(
            ANYUAN, [replace(alert, version=2), *world.alerts[ANYUAN][1:]], week=NEXT
        )
    )
    shelf = kept.settle()
    found = shelf.find(alert.alert_id, ("*",))
    assert found is not None
    assert found.version == 2
    assert json.loads(found.feature)["properties"]["week_said"] == "2026-W47"
    assert isinstance(shelf, Shelf)
