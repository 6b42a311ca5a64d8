"""The dated register: what it held when, who brought it, and what it refuses."""

import sqlite3
from contextlib import closing
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from rights import AT, delivery, right, rights
from shapely import Polygon, box

from rsmonitor.errors import ContractError, LicenceError, StoreError
from rsmonitor.io.stores.ledger import SqliteLedger
from rsmonitor.io.stores.postgres.books import PostgresRegister
from rsmonitor.io.stores.register_database import DatabaseRegister, StoredRegister
from rsmonitor.io.stores.register_doubts import SuspectRegisterError
from rsmonitor.io.stores.register_history import Act
from rsmonitor.records.licence import (
    Completeness,
    LicenceKind,
    LicenceStatus,
    ProducingList,
    StatusChange,
)
from rsmonitor.stages.jurisdiction import County

if TYPE_CHECKING:
    from postgres_server import Server

DAY = timedelta(days=1)
WHO = "李华"
DINGNAN = County(code="360728", name="定南县", geometry=box(114.9, 24.6, 115.2, 25.0))
COMPLETE = Completeness(
    county_code="360728", kind=LicenceKind.MINING, complete_on=date(2026, 11, 1)
)
LISTED = ProducingList(
    year=2026,
    publisher="某集团",
    published=date(2026, 3, 1),
    licence_ids=frozenset({"C1"}),
)


@pytest.fixture(params=["disk", "postgres"])
def register(request: pytest.FixtureRequest, tmp_path: Path) -> StoredRegister:
    if request.param == "disk":
        return DatabaseRegister(tmp_path / "work" / "register.sqlite")
    server: Server = request.getfixturevalue("postgres")
    return PostgresRegister(server.address())


@pytest.fixture
def on_disk(tmp_path: Path) -> DatabaseRegister:
    return DatabaseRegister(tmp_path / "work" / "register.sqlite")


def versions(register: StoredRegister, on: datetime | None = None) -> dict[str, int]:
    licences = register.snapshot(on).licences
    return {licence.licence_id: licence.version for licence in licences}


# --------------------------------------------------------------- licences from files


def test_a_register_that_does_not_exist_is_empty_and_stays_unmade(
    register: StoredRegister,
) -> None:
    assert register.snapshot().licences == ()
    assert register.history() == ()
    assert register.verify() == []
    assert not register.exists()


def test_what_is_imported_is_held_as_it_was_given(register: StoredRegister) -> None:
    full = right(
        mine="某矿",
        associated_minerals=("钇",),
        method="原地浸矿",
        issuer="自然资源部",
        renewal_accepted=date(2029, 1, 1),
        status_history=(
            StatusChange(on=date(2024, 1, 1), status=LicenceStatus.SUSPENDED),
        ),
        elevation_m=(280.0, 435.0),
        datum="Xi'an 80",
        position_error_m=100.0,
        subkind="",
        source="采矿权.txt",
    )
    given = (full, right("C2", valid_to=None), right("T1", kind=LicenceKind.PLANT))
    register.import_licences(delivery(*given), at=AT, by=WHO)
    assert register.snapshot().licences == given
    assert register.verify() == []


def test_the_history_says_which_file_when_and_by_whom(
    register: StoredRegister,
) -> None:
    given = delivery(*rights("C1", "C2"), refused=("采矿权.geojson: feature 3: bad",))
    _, entry = register.import_licences(given, at=AT, by=f" {WHO} ")
    assert entry is not None
    assert register.history() == (entry,)
    assert (entry.number, entry.at, entry.by, entry.act) == (1, AT, WHO, Act.IMPORT)
    assert (entry.file, entry.sha256, entry.kind) == (
        "采矿权.geojson",
        given.sha256,
        "mining",
    )
    assert (entry.count, entry.added, entry.refused) == (2, 2, given.refused)


@pytest.mark.parametrize("nobody", ["", "  "])
def test_an_import_by_nobody_is_refused_and_leaves_nothing(
    register: StoredRegister, nobody: str
) -> None:
    with pytest.raises(ContractError, match="names who"):
        register.import_licences(delivery(right()), at=AT, by=nobody)
    assert register.history() == ()
    assert register.snapshot().licences == ()


def test_the_same_file_twice_changes_nothing_and_says_so(
    register: StoredRegister,
) -> None:
    _, first = register.import_licences(delivery(right()), at=AT, by=WHO)
    before = register.snapshot()
    plan, entry = register.import_licences(delivery(right()), at=AT + DAY, by=WHO)
    assert entry is None
    assert plan.same_as == first
    assert not plan.changes
    assert (register.snapshot(), register.history()) == (before, (first,))


def test_the_same_file_as_another_kind_is_another_import(
    register: StoredRegister,
) -> None:
    register.import_licences(delivery(right()), at=AT, by=WHO)
    closed = delivery(right(kind=LicenceKind.CLOSED), kind=LicenceKind.CLOSED)
    same_bytes = replace(closed, sha256=delivery(right()).sha256)
    _, entry = register.import_licences(same_bytes, at=AT, by=WHO)
    assert entry is not None
    assert len(register.snapshot().licences) == 2


def test_licences_that_a_file_lacks_stay(register: StoredRegister) -> None:
    register.import_licences(delivery(*rights("C1", "C2")), at=AT, by=WHO)
    plan, _ = register.import_licences(
        delivery(*rights("C1"), right("C3", east=0.2)), at=AT + DAY, by=WHO
    )
    assert plan.absent == ("C2",)
    assert versions(register) == {"C1": 1, "C2": 1, "C3": 1}


def test_a_licence_that_is_given_twice_and_differently_is_refused(
    register: StoredRegister,
) -> None:
    twice = delivery(right(), right(holder="另一公司"))
    with pytest.raises(LicenceError, match=r"C1 \(mining\) is given twice"):
        register.import_licences(twice, at=AT, by=WHO)
    assert not register.exists()
    register.import_licences(delivery(right(), right()), at=AT, by=WHO)
    assert versions(register) == {"C1": 1}


# ----------------------------------------------------------------------------- versions


@pytest.mark.parametrize(
    "change",
    [
        {"geometry": box(115.0, 24.7, 115.011, 24.71)},
        {"geometry": box(115.0, 24.7, 115.01 + 2e-8, 24.71)},
        {
            "geometry": box(115.0, 24.7, 115.01, 24.71).difference(
                box(115.004, 24.704, 115.006, 24.706)
            )
        },
        {"valid_from": date(2020, 1, 2)},
        {"valid_to": date(2030, 1, 1)},
        {"valid_to": None},
        {"deadline": date(2026, 6, 30)},
    ],
)
def test_a_boundary_or_a_date_that_changes_makes_a_version_and_keeps_the_older(
    register: StoredRegister, change: dict[str, object]
) -> None:
    register.import_licences(delivery(right()), at=AT, by=WHO)
    new = right(**change)
    _, entry = register.import_licences(delivery(new), at=AT + DAY, by=WHO)
    assert entry is not None
    assert entry.changed == ("C1 version 1 -> 2",)
    now = register.snapshot()
    assert now.licences == (replace(new, version=2),)
    assert now.earlier == (right(),)
    assert register.snapshot(AT).licences == (right(),)
    assert register.snapshot(AT).earlier == ()


@pytest.mark.parametrize(
    "change",
    [
        {"holder": "另一公司"},
        {"minerals": ("稀土", "钨")},
        {"renewal_accepted": date(2029, 6, 1)},
        {
            "status_history": (
                StatusChange(on=date(2026, 1, 1), status=LicenceStatus.REVOKED),
            )
        },
    ],
)
def test_another_word_amends_the_version_and_the_past_keeps_the_old_word(
    register: StoredRegister, change: dict[str, object]
) -> None:
    register.import_licences(delivery(right()), at=AT, by=WHO)
    plan, entry = register.import_licences(
        delivery(right(**change)), at=AT + DAY, by=WHO
    )
    assert entry is not None
    assert (entry.changed, entry.amended) == ((), ("C1",))
    assert len(plan.amended) == 1
    assert register.snapshot().licences == (right(**change),)
    assert register.snapshot().earlier == ()
    assert register.snapshot(AT).licences == (right(),)


def test_the_same_ring_begun_elsewhere_or_projected_anew_is_the_same_boundary(
    register: StoredRegister,
) -> None:
    register.import_licences(delivery(right()), at=AT, by=WHO)
    corners = list(right().geometry.exterior.coords)[:-1]
    # either of the western corners may be the first by a hair
    moved = [(x + 1e-11 * n, y - 1e-11 * n) for n, (x, y) in enumerate(corners)]
    noise = right(geometry=Polygon([*moved[2:], *moved[:2]]).reverse())
    plan, _ = register.import_licences(delivery(noise), at=AT + DAY, by=WHO)
    assert plan.unchanged == 1
    assert register.snapshot().licences == (right(),)


def test_a_file_of_long_ago_comes_back_only_when_it_is_asked_to(
    register: StoredRegister,
) -> None:
    old, new = delivery(right()), delivery(right(valid_to=date(2035, 1, 1)))
    register.import_licences(old, at=AT, by=WHO)
    register.import_licences(new, at=AT + DAY, by=WHO)
    plan, entry = register.import_licences(old, at=AT + 2 * DAY, by=WHO)
    assert entry is None
    assert plan.changes, "and says that the register says something else"
    assert versions(register) == {"C1": 2}
    register.import_licences(old, at=AT + 3 * DAY, by=WHO, again=True)
    assert register.snapshot().licences == (right(version=3),)
    assert [each.version for each in register.snapshot().earlier] == [1, 2]


# ----------------------------------------------------------------------------- the past


def test_the_register_answers_as_it_was_to_the_instant(
    register: StoredRegister,
) -> None:
    register.import_licences(delivery(right()), at=AT, by=WHO)
    moment = timedelta(microseconds=1)
    assert register.snapshot(AT - moment).licences == ()
    in_shanghai = AT.astimezone(tz=None)
    assert len(register.snapshot(in_shanghai).licences) == 1
    with pytest.raises(ContractError, match="aware"):
        register.snapshot(datetime(2026, 1, 1))  # noqa: DTZ001 - that is the point


def test_a_snapshot_of_the_past_keeps_its_name_whatever_comes_later(
    register: StoredRegister,
) -> None:
    register.import_licences(delivery(right()), at=AT, by=WHO)
    name = register.snapshot().snapshot_id
    register.import_licences(delivery(right(holder="x")), at=AT + DAY, by=WHO)
    register.declare_complete(COMPLETE, at=AT + DAY, by=WHO)
    register.import_producing(
        LISTED, file="list.csv", sha256="0" * 64, at=AT + DAY, by=WHO
    )
    assert register.snapshot().snapshot_id != name
    assert register.snapshot(AT).snapshot_id == name


# ------------------------------------------------------------- corrections, withdrawals


def test_a_withdrawn_import_is_as_if_it_had_not_been(
    register: StoredRegister,
) -> None:
    register.import_licences(delivery(right()), at=AT, by=WHO)
    name = register.snapshot().snapshot_id
    wrong = delivery(right(valid_to=date(2021, 1, 1)), right("C9", east=0.3))
    register.import_licences(wrong, at=AT + DAY, by=WHO)
    entry = register.withdraw(2, reason="wrong file", at=AT + 2 * DAY, by=WHO)
    assert entry.replaces == 2
    assert register.snapshot().snapshot_id == name
    assert len(register.history()) == 3, "and the history keeps it"
    assert versions(register, AT + DAY) == {"C1": 2, "C9": 1}


def test_a_withdrawal_can_be_withdrawn(register: StoredRegister) -> None:
    register.import_licences(delivery(right()), at=AT, by=WHO)
    register.withdraw(1, reason="mistaken", at=AT + DAY, by=WHO)
    assert versions(register) == {}
    register.withdraw(2, reason="it was right", at=AT + 2 * DAY, by=WHO)
    assert versions(register) == {"C1": 1}


@pytest.mark.parametrize("number", [2, 99, 1])
def test_only_what_stands_can_be_withdrawn(
    register: StoredRegister, number: int
) -> None:
    register.import_licences(delivery(right()), at=AT, by=WHO)
    if number == 1:
        register.withdraw(1, reason="mistaken", at=AT, by=WHO)
    with pytest.raises(LicenceError, match=f"no entry {number} that stands"):
        register.withdraw(number, reason="r", at=AT, by=WHO)


def test_a_withdrawal_needs_a_reason_and_a_register(
    register: StoredRegister,
) -> None:
    with pytest.raises(LicenceError, match="no register"):
        register.withdraw(1, reason="r", at=AT, by=WHO)
    register.import_licences(delivery(right()), at=AT, by=WHO)
    with pytest.raises(ContractError, match="needs a reason"):
        register.withdraw(1, reason=" ", at=AT, by=WHO)
    assert versions(register) == {"C1": 1}


def test_an_import_that_corrects_another_takes_its_place(
    register: StoredRegister,
) -> None:
    register.import_licences(delivery(right()), at=AT, by=WHO)
    mistaken = delivery(
        right(valid_to=date(2035, 1, 1)), right("C9", east=0.3), refused=("x: bad",)
    )
    register.import_licences(mistaken, at=AT + DAY, by=WHO)
    correct = delivery(right(valid_to=date(2034, 1, 1)), file="更正.geojson")
    plan, entry = register.import_licences(correct, at=AT + 2 * DAY, by=WHO, replaces=2)
    assert entry is not None
    assert plan.gone == ("C9",)
    now = register.snapshot()
    assert now.licences == (right(valid_to=date(2034, 1, 1), version=2),)
    assert now.earlier == (right(),), "the mistake was never a boundary"
    assert now.refused == ()


def test_a_file_that_was_read_wrongly_is_imported_again_by_correcting_it(
    register: StoredRegister,
) -> None:
    wrong = delivery(right(east=1.0))
    register.import_licences(wrong, at=AT, by=WHO)
    read_otherwise = replace(wrong, licences=(right(),))
    plan, entry = register.import_licences(read_otherwise, at=AT, by=WHO)
    assert entry is None
    assert plan.changes
    register.import_licences(read_otherwise, at=AT, by=WHO, replaces=1)
    assert register.snapshot().licences == (right(),)


def test_an_import_corrects_imports_only(register: StoredRegister) -> None:
    register.declare_complete(COMPLETE, at=AT, by=WHO)
    with pytest.raises(LicenceError, match="entry 1 is no import"):
        register.import_licences(delivery(right()), at=AT, by=WHO, replaces=1)
    with pytest.raises(LicenceError, match="no entry 7 that stands"):
        register.import_licences(delivery(right()), at=AT, by=WHO, replaces=7)


# ---------------------------------------------------------------------------- not whole


def test_what_was_refused_stands_until_the_file_comes_whole(
    register: StoredRegister,
) -> None:
    register.import_licences(
        delivery(right(), refused=("采矿权.geojson: feature 2: bad",)), at=AT, by=WHO
    )
    register.import_licences(
        delivery(right("T1", east=0.3), file="other.txt"), at=AT + DAY, by=WHO
    )
    assert register.snapshot().refused == ("采矿权.geojson: feature 2: bad",)
    register.import_licences(delivery(*rights("C1", "C2")), at=AT + 2 * DAY, by=WHO)
    assert register.snapshot().refused == ()
    assert len(register.snapshot(AT + DAY).refused) == 1


def test_a_military_parcel_does_not_make_the_register_incomplete(
    register: StoredRegister,
) -> None:
    given = delivery(right(), military=("采矿权.geojson: licence C9: 军事",))
    _, entry = register.import_licences(given, at=AT, by=WHO)
    assert entry is not None
    assert entry.military == 1
    assert register.snapshot().refused == ()


# -------------------------------------------------------- completeness, producing lists


def test_completeness_is_a_persons_word_and_is_kept_once(
    register: StoredRegister,
) -> None:
    assert register.declare_complete(COMPLETE, at=AT, by=WHO) is not None
    assert register.declare_complete(COMPLETE, at=AT + DAY, by="another") is None
    assert register.snapshot().completeness == (COMPLETE,)
    later = replace(COMPLETE, complete_on=COMPLETE.complete_on + DAY)
    register.declare_complete(later, at=AT + DAY, by=WHO)
    assert register.snapshot().completeness == (COMPLETE, later)
    register.withdraw(1, reason="one right was missing", at=AT + 2 * DAY, by=WHO)
    assert register.snapshot().completeness == (later,)
    assert register.snapshot(AT).completeness == (COMPLETE,)


def test_nobody_can_say_today_that_a_register_is_complete_tomorrow(
    register: StoredRegister,
) -> None:
    ahead = replace(COMPLETE, complete_on=AT.date() + 2 * DAY)
    with pytest.raises(LicenceError, match="is after today"):
        register.declare_complete(ahead, at=AT, by=WHO)
    assert register.snapshot().completeness == ()


def test_the_last_list_of_a_year_and_publisher_holds(
    register: StoredRegister,
) -> None:
    def take(listed: ProducingList, day: int) -> object:
        return register.import_producing(
            listed, file="list.csv", sha256="0" * 64, at=AT + day * DAY, by=WHO
        )

    longer = replace(LISTED, licence_ids=frozenset({"C1", "C2"}))
    other_year = replace(LISTED, year=2025)
    other_group = replace(LISTED, publisher="另一集团")
    assert take(LISTED, 0) is not None
    assert take(LISTED, 1) is None
    for day, listed in enumerate((other_year, other_group, longer), start=2):
        assert take(listed, day) is not None
    held = register.snapshot().producing
    assert set(held) == {longer, other_year, other_group}
    assert register.snapshot(AT + DAY).producing == (LISTED,)


# -------------------------------------------------------------- when the layer is wrong


def refused(register: StoredRegister, given: object, code: str) -> None:
    """Import what looks wrong: refused without a reason, kept with one."""
    before = register.history()
    with pytest.raises(SuspectRegisterError, match=rf"\[{code}\]") as caught:
        register.import_licences(given, at=AT, by=WHO, counties=(DINGNAN,))  # type: ignore[arg-type]
    assert "--accept REASON" in str(caught.value)
    assert register.history() == before
    _, entry = register.import_licences(
        given,  # type: ignore[arg-type]
        at=AT,
        by=WHO,
        counties=(DINGNAN,),
        accept=" looked at it ",
    )
    assert entry is not None
    assert (entry.doubts, entry.reason) == ((code,), "looked at it")
    assert register.accepted() == {code: "looked at it"}


def test_an_empty_layer_stops(register: StoredRegister) -> None:
    refused(register, delivery(), "empty")


def test_a_layer_of_which_all_had_ended_stops(register: StoredRegister) -> None:
    # the 24th in Shanghai, whatever the day is in UTC
    ended = right(valid_to=date(2026, 11, 23))
    refused(register, delivery(ended), "expired")


@pytest.mark.parametrize(
    "one",
    [
        right("C2", valid_to=date(2026, 11, 24)),
        right("C2", valid_to=None),
        right("C2", kind=LicenceKind.CLOSED, valid_from=None, valid_to=None),
    ],
)
def test_one_right_that_may_hold_is_enough(
    register: StoredRegister, one: object
) -> None:
    ended = right(valid_to=date(2020, 12, 31))
    given = delivery(one) if one.kind is LicenceKind.CLOSED else delivery(ended, one)  # type: ignore[attr-defined, arg-type]
    _, entry = register.import_licences(given, at=AT, by=WHO)
    assert entry is not None
    assert entry.doubts == ()


def test_half_of_the_usual_number_stops(register: StoredRegister) -> None:
    names = [f"C{n}" for n in range(8)]
    register.import_licences(delivery(*rights(*names)), at=AT, by=WHO)
    refused(register, delivery(*rights(*names[:4])), "half")


def test_more_than_half_goes_on(register: StoredRegister) -> None:
    names = [f"C{n}" for n in range(8)]
    register.import_licences(delivery(*rights(*names)), at=AT, by=WHO)
    _, entry = register.import_licences(
        delivery(*rights(*names[:5])), at=AT + DAY, by=WHO
    )
    assert entry is not None


def test_files_of_two_counties_by_turns_are_each_compared_with_their_own(
    register: StoredRegister,
) -> None:
    big = [f"C{n}" for n in range(8)]
    small = delivery(right("D1", east=0.3), file="龙南.geojson")
    register.import_licences(delivery(*rights(*big)), at=AT, by=WHO)
    register.import_licences(small, at=AT, by=WHO, accept="Longnan has one")
    register.import_licences(
        delivery(*rights(*big), right("C9", east=0.4)), at=AT, by=WHO
    )
    again = delivery(right("D1", east=0.3, holder="y"), file="龙南.geojson")
    _, entry = register.import_licences(again, at=AT, by=WHO)
    assert entry is not None
    assert entry.doubts == ()


def test_a_layer_of_another_county_stops(register: StoredRegister) -> None:
    # three degrees east: read in the wrong zone
    refused(register, delivery(right(east=3.0)), "elsewhere")


def test_a_right_just_across_the_county_border_may_well_belong(
    register: StoredRegister,
) -> None:
    _, entry = register.import_licences(
        delivery(right(east=0.24)), at=AT, by=WHO, counties=(DINGNAN,)
    )
    assert entry is not None


def test_without_borders_the_place_is_not_judged(register: StoredRegister) -> None:
    _, entry = register.import_licences(delivery(right(east=3.0)), at=AT, by=WHO)
    assert entry is not None


def test_all_doubts_are_named_at_once(register: StoredRegister) -> None:
    given = delivery(right(east=3.0, valid_to=date(2020, 12, 31)))
    with pytest.raises(SuspectRegisterError) as caught:
        register.import_licences(given, at=AT, by=WHO, counties=(DINGNAN,))
    said = str(caught.value)
    assert "采矿权.geojson" in said
    assert "[expired]" in said
    assert "2020-12-31" in said
    assert "[elsewhere]" in said
    assert "定南县 (360728)" in said
    assert "118.0050" in said


def test_what_was_accepted_holds_until_the_next_import(
    register: StoredRegister,
) -> None:
    register.import_licences(delivery(), at=AT, by=WHO, accept="none here")
    assert set(register.accepted()) == {"empty"}
    register.declare_complete(COMPLETE, at=AT, by=WHO)
    assert set(register.accepted()) == {"empty"}
    register.import_licences(delivery(right()), at=AT, by=WHO)
    assert register.accepted() == {}


def test_a_plan_shows_the_doubts_and_writes_nothing(
    register: StoredRegister,
) -> None:
    plan = register.plan(delivery(), at=AT)
    assert [doubt.code for doubt in plan.doubts] == ["empty"]
    assert not register.exists()


# -------------------------------------------------------------------- damage, strangers


@pytest.mark.parametrize("table", ["entry", "licence", "completeness", "producing"])
@pytest.mark.parametrize("how", ["DELETE FROM {}", "UPDATE {} SET record = '{{}}'"])
def test_the_register_only_grows(
    on_disk: DatabaseRegister, table: str, how: str
) -> None:
    on_disk.import_licences(delivery(right()), at=AT, by=WHO)
    on_disk.import_producing(LISTED, file="l.csv", sha256="0" * 64, at=AT, by=WHO)
    on_disk.declare_complete(COMPLETE, at=AT, by=WHO)
    with (
        closing(sqlite3.connect(on_disk.path)) as connection,
        pytest.raises(sqlite3.IntegrityError, match="never"),
    ):
        connection.execute(how.format(table))


@pytest.mark.parametrize(
    "insert",
    [
        "INSERT OR REPLACE INTO entry SELECT * FROM entry",
        "INSERT INTO entry SELECT 9, at, act, sha256, kind, record FROM entry",
        "INSERT OR REPLACE INTO licence SELECT * FROM licence",
        "INSERT INTO licence SELECT 'C7', kind, 0, record FROM licence",
    ],
)
def test_nothing_is_slipped_in(on_disk: DatabaseRegister, insert: str) -> None:
    on_disk.import_licences(delivery(right()), at=AT, by=WHO)
    with (
        closing(sqlite3.connect(on_disk.path)) as connection,
        pytest.raises(sqlite3.IntegrityError),
    ):
        connection.execute(insert)


def test_a_file_that_is_no_register_is_refused_by_name(tmp_path: Path) -> None:
    ledger = tmp_path / "ledger.sqlite"
    SqliteLedger(ledger, locks=tmp_path)
    with closing(sqlite3.connect(ledger)) as connection:
        connection.execute("CREATE TABLE t (x)")
    text = tmp_path / "register.txt"
    text.write_text("采矿权")
    for path in (ledger, text):
        register = DatabaseRegister(path)
        with pytest.raises(StoreError, match=path.name):
            register.snapshot()
        with pytest.raises(StoreError, match=path.name):
            register.import_licences(delivery(right()), at=AT, by=WHO)


def test_a_damaged_record_is_named_with_its_licence(
    on_disk: DatabaseRegister,
) -> None:
    on_disk.import_licences(delivery(right()), at=AT, by=WHO)
    with closing(sqlite3.connect(on_disk.path, isolation_level=None)) as connection:
        connection.execute("DROP TRIGGER licence_fixed")
        connection.execute("UPDATE licence SET record = '{\"licence_id\": 3}'")
    with pytest.raises(StoreError, match="licence of entry 1"):
        on_disk.snapshot()


def test_a_register_written_before_a_field_was_known_is_read(
    on_disk: DatabaseRegister,
) -> None:
    on_disk.import_licences(delivery(right()), at=AT, by=WHO)
    with closing(sqlite3.connect(on_disk.path)) as connection:
        (text,) = connection.execute("SELECT record FROM licence").fetchone()
    assert "status_history" not in text, "what says nothing takes no place"
    assert on_disk.snapshot().licences == (right(),)


def test_the_time_of_an_entry_is_kept_in_utc(register: StoredRegister) -> None:
    _, entry = register.import_licences(
        delivery(right()), at=AT.astimezone(tz=None), by=WHO
    )
    assert entry is not None
    assert entry.at.tzinfo is UTC
    with pytest.raises(ContractError, match="aware"):
        register.declare_complete(COMPLETE, at=datetime(2026, 1, 1), by=WHO)  # noqa: DTZ001
