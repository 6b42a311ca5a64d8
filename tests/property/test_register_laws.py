"""Laws of the register: what came last holds, and nothing that was said is lost."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import given, settings
from hypothesis import strategies as st
from rights import AT, delivery, right

from rsmonitor.io.stores.register_database import DatabaseRegister
from rsmonitor.io.stores.register_history import Act, Delivery, Entry, standing
from rsmonitor.io.stores.snapshot import said_by
from rsmonitor.records.licence import Licence, RegisterSnapshot

NUMBERS = ("C1", "C2", "C3")
HOUR = timedelta(hours=1)

RIGHT = st.builds(
    right,
    st.sampled_from(NUMBERS),
    east=st.sampled_from([0.0, 0.001]),
    valid_to=st.sampled_from([date(2029, 12, 31), date(2030, 12, 31)]),
    holder=st.sampled_from(["甲", "乙"]),
)
FILE = st.lists(RIGHT, min_size=1, max_size=3, unique_by=lambda one: one.licence_id)
FILES = st.lists(FILE, min_size=1, max_size=6)


def take(
    register: DatabaseRegister, licences: Sequence[Licence], hour: int
) -> Entry | None:
    """Import, also what was imported before."""
    _, entry = register.import_licences(
        delivery(*licences), at=AT + hour * HOUR, by="李", again=True, accept="test"
    )
    return entry


def words(licence: Licence) -> dict[str, object]:
    """Give what a licence says, apart from its version."""
    return {key: said for key, said in said_by(licence).items() if key != "version"}


def said(snapshot: RegisterSnapshot) -> dict[str, dict[str, object]]:
    """Give what a register says of each licence."""
    return {one.licence_id: words(one) for one in snapshot.licences}


@settings(max_examples=40, deadline=None)
@given(FILES)
def test_what_came_last_holds_whatever_came_before(files: list[list[Licence]]) -> None:
    with TemporaryDirectory() as folder:
        register = DatabaseRegister(Path(folder) / "r.sqlite")
        expected: dict[str, dict[str, object]] = {}
        for hour, file in enumerate(files):
            take(register, file, hour)
            expected |= {one.licence_id: words(one) for one in file}
            assert said(register.snapshot()) == expected


@settings(max_examples=25, deadline=None)
@given(FILES, st.permutations(range(6)), FILE)
def test_the_order_of_what_came_before_does_not_matter(
    files: list[list[Licence]], order: list[int], last: list[Licence]
) -> None:
    every = [right(number, east=0.01) for number in NUMBERS]
    found = []
    for arrived in (files, [files[n] for n in order if n < len(files)]):
        with TemporaryDirectory() as folder:
            register = DatabaseRegister(Path(folder) / "r.sqlite")
            for hour, file in enumerate([*arrived, every, last]):
                take(register, file, hour)
            found.append(said(register.snapshot()))
    assert found[0] == found[1]


@settings(max_examples=40, deadline=None)
@given(FILES)
def test_versions_count_the_changes_and_every_one_is_kept(
    files: list[list[Licence]],
) -> None:
    with TemporaryDirectory() as folder:
        register = DatabaseRegister(Path(folder) / "r.sqlite")
        rights_of: dict[str, list[tuple[object, ...]]] = {}
        for hour, file in enumerate(files):
            take(register, file, hour)
            for one in file:
                boundary = (one.geometry.wkb, one.valid_to)
                seen = rights_of.setdefault(one.licence_id, [])
                if not seen or seen[-1] != boundary:
                    seen.append(boundary)
        snapshot = register.snapshot()
        for number, seen in rights_of.items():
            kept = [
                one
                for one in (*snapshot.earlier, *snapshot.licences)
                if one.licence_id == number
            ]
            assert [one.version for one in kept] == list(range(1, len(seen) + 1))
            assert [(one.geometry.wkb, one.valid_to) for one in kept] == seen


@settings(max_examples=25, deadline=None)
@given(FILES)
def test_the_past_says_what_it_said_then(files: list[list[Licence]]) -> None:
    with TemporaryDirectory() as folder:
        register = DatabaseRegister(Path(folder) / "r.sqlite")
        then = []
        for hour, file in enumerate(files):
            take(register, file, hour)
            then.append(register.snapshot())
        for hour, snapshot in enumerate(then):
            assert register.snapshot(AT + hour * HOUR) == snapshot
            between = AT + (hour + 1) * HOUR - timedelta(microseconds=1)
            assert register.snapshot(between) == snapshot


@settings(max_examples=25, deadline=None)
@given(FILES)
def test_a_file_a_second_time_writes_nothing(files: list[list[Licence]]) -> None:
    with TemporaryDirectory() as folder:
        register = DatabaseRegister(Path(folder) / "r.sqlite")
        for hour, file in enumerate(files):
            take(register, file, hour)
            before = register.path.read_bytes()
            assert take(register, file, hour) is None
            assert register.path.read_bytes() == before
        assert register.verify() == []


@settings(max_examples=25, deadline=None)
@given(FILES, FILE)
def test_a_withdrawal_brings_back_what_was_said_before(
    files: list[list[Licence]], mistaken: list[Licence]
) -> None:
    with TemporaryDirectory() as folder:
        register = DatabaseRegister(Path(folder) / "r.sqlite")
        for hour, file in enumerate(files):
            take(register, file, hour)
        before = register.snapshot()
        entry = take(register, mistaken, len(files))
        if entry is not None:
            register.withdraw(
                entry.number, reason="mistaken", at=AT + 9 * HOUR, by="李"
            )
        assert register.snapshot() == before


ENTRIES = st.lists(st.one_of(st.none(), st.integers(0, 7)), min_size=1, max_size=8).map(
    lambda replaced: [
        Entry(
            number=place,
            at=AT,
            by="李",
            act=Act.WITHDRAW if target is not None else Act.IMPORT,
            replaces=None if target is None else 1 + target % max(place - 1, 1),
            reason="test",
        )
        for place, target in enumerate(replaced, start=1)
    ]
)


@given(ENTRIES)
def test_what_stands_is_what_nothing_that_stands_makes_void(
    entries: list[Entry],
) -> None:
    entries = [
        replace(one, replaces=None, act=Act.IMPORT)
        if one.replaces is not None and one.replaces >= one.number
        else one
        for one in entries
    ]
    stand = standing(entries)
    void = {one.replaces for one in stand}
    assert {one.number for one in stand} == {
        one.number for one in entries if one.number not in void
    }


def test_a_delivery_needs_a_digest_of_its_bytes() -> None:
    assert isinstance(delivery(right()), Delivery)
