"""Laws of what comes back, and broken files by the hundred: read or refused, no more.

Samples lie in tests/corpus/returns; an input that once failed is kept there as
``crash-...`` and tried in every later run.
"""

import contextlib
import random
from collections.abc import Callable
from datetime import date
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from returned import HEAD, NOW, csv_text, office, sites

from rsmonitor.errors import RsmonitorError
from rsmonitor.io.returns.columns import FINDING_FIELDS, TIP_FIELDS, day_in
from rsmonitor.io.returns.exif import photo_of
from rsmonitor.io.returns.findings import understand
from rsmonitor.io.returns.reading import open_returns
from rsmonitor.io.returns.rows import UnusableRowError
from rsmonitor.io.returns.tips import understand_tips
from rsmonitor.records.disturbance import Cause
from rsmonitor.records.event import EventKind
from rsmonitor.records.finding import (
    Finding,
    Judgement,
    body_of,
    contradiction,
    finding_of,
    standings,
)
from rsmonitor.wiring.returns import import_findings, open_desk

CORPUS = Path(__file__).parents[1] / "corpus" / "returns"
KNOWN = {each.site_id: each.site_id for each in sites()}
TODAY = NOW.date()
INPUTS = 50


def read_findings(path: Path) -> int:
    with open_returns(path, fields=FINDING_FIELDS) as file:
        done = understand(file, known=KNOWN, who="x", today=TODAY)
        return len(done.said)


def read_tips(path: Path) -> int:
    with open_returns(path, fields=TIP_FIELDS) as file:
        return len(understand_tips(file, today=TODAY).tips)


def read_photo(path: Path) -> int:
    try:
        photo_of(path.read_bytes())
    except UnusableRowError:
        return 0
    return 1


SAMPLES: dict[str, tuple[Callable[[Path], int], int]] = {
    "findings.csv": (read_findings, 3),
    "findings.xlsx": (read_findings, 2),
    "findings.gpkg": (read_findings, 3),
    "findings.geojson": (read_findings, 3),
    "package.zip": (read_findings, 3),
    "evidence.db": (read_findings, 2),
    "tips.csv": (read_tips, 3),
    "tips.gpkg": (read_tips, 2),
    "photo.jpg": (read_photo, 1),
}
"""Who reads each sample, and how many rows of it are good where it lies alone."""


def broken(content: bytes, chance: random.Random) -> bytes:
    """Change a file as disks, mail and malice do."""
    changed = bytearray(content)
    for _ in range(chance.choice((1, 1, 2, 8, 40))):
        place = chance.randrange(len(changed) or 1)
        match chance.randrange(5):
            case 0 if changed:
                changed[place] = chance.randrange(256)
            case 1:
                del changed[place : place + chance.choice((1, 16, 512))]
            case 2:
                token = chance.choice(
                    (b"\0", b"\xff" * 8, b"9" * 30, b"nan", b'"', b",", b"[" * 200)
                )
                changed[place:place] = token
            case 3:
                del changed[chance.randrange(len(changed) or 1) :]
            case _:
                size = chance.choice((4, 64, 1024))
                changed[place : place + size] = changed[:size]
    return bytes(changed)


@pytest.mark.parametrize("name", SAMPLES)
def test_every_sample_of_the_corpus_is_read(name: str, tmp_path: Path) -> None:
    read, good = SAMPLES[name]
    path = tmp_path / name
    path.write_bytes((CORPUS / name).read_bytes())
    (tmp_path / "1.jpg").write_bytes((CORPUS / "photo.jpg").read_bytes())
    assert read(path) in {good, 3}


@pytest.mark.parametrize("name", SAMPLES)
def test_a_broken_file_is_read_or_refused_and_nothing_else(
    name: str, tmp_path: Path
) -> None:
    read, _ = SAMPLES[name]
    chance = random.Random(name)  # noqa: S311 - no secret
    content = (CORPUS / name).read_bytes()
    became = {True: 0, False: 0}
    for _ in range(INPUTS):
        path = tmp_path / name
        path.write_bytes(broken(content, chance))
        try:
            became[read(path) > 0] += 1
        except RsmonitorError as error:
            assert name in str(error)  # noqa: PT017 - the name of the file is the rule
            became[False] += 1
    assert became[False]


@pytest.mark.parametrize(
    "path", sorted(CORPUS.glob("crash-*")), ids=lambda path: path.name
)
def test_what_failed_once_is_read_or_refused_now(path: Path) -> None:
    for read in (read_findings, read_tips, read_photo):
        try:
            read(path)
        except RsmonitorError:
            continue


@given(st.text(max_size=40))
def test_a_day_is_read_or_refused(text: str) -> None:
    with contextlib.suppress(UnusableRowError):
        assert isinstance(day_in(text), date)


@given(st.dates(min_value=date(1000, 1, 1)))
def test_a_day_is_read_in_every_way_that_it_is_written(day: date) -> None:
    for written in (
        day.isoformat(),
        f"{day.year}年{day.month}月{day.day}日",
        f"{day.year}/{day.month}/{day.day}",
        f"{day:%Y%m%d}".rjust(8, "0"),
        f"{day.isoformat()} 10:31:00",
    ):
        assert day_in(written) == day


findings = st.builds(
    lambda of, kind, what, cause, imagery, who, day, note: Finding(
        site_id=of,
        kind=kind,
        judgement=what,
        cause=cause if contradiction(what, cause) is None else Cause.ORCHARD,
        imagery=imagery,
        judged_by=who,
        judged_on=day,
        note=note,
    ),
    st.sampled_from(sorted(KNOWN)),
    st.sampled_from([EventKind.TRIAGED, EventKind.INSPECTED]),
    st.sampled_from(Judgement),
    st.none() | st.sampled_from(Cause),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=20),
    st.sampled_from(["李华", "王强", "x"]),
    st.dates(date(2026, 1, 1), date(2026, 1, 5)),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=20),
)


@given(findings)
def test_every_finding_comes_back_from_its_event(finding: Finding) -> None:
    body = body_of(finding, file="f", file_sha256="0" * 64, row="r")
    assert finding_of(finding.kind.value, body) == finding


@given(st.lists(findings, max_size=12))
def test_one_word_a_person_stands_and_it_is_his_latest(said: list[Finding]) -> None:
    for site_id, standing in standings(said).items():
        for one in standing.findings:
            his = [
                each
                for each in said
                if (each.site_id, each.judged_by) == (site_id, one.judged_by)
            ]
            assert one.judged_on == max(each.judged_on for each in his)
            latest = [each for each in his if each.judged_on == one.judged_on]
            assert one == latest[-1]
        people = {each.judged_by for each in said if each.site_id == site_id}
        assert [one.judged_by for one in standing.findings] == sorted(
            people,
            key=lambda who: next(
                (one.judged_on, who)
                for one in standing.findings
                if one.judged_by == who
            ),
        )


cells = st.sampled_from(
    ["合法", "违法", "伪变化", "果园", "采挖", "李华", "2026-11-20", "", "?", *KNOWN]
)
tables = st.lists(st.tuples(*[cells] * len(HEAD)), min_size=1, max_size=6)


@settings(
    max_examples=8,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(tables, st.randoms())
def test_importing_again_in_any_order_adds_nothing(
    tmp_path_factory: pytest.TempPathFactory,
    rows: list[tuple[str, ...]],
    chance: random.Random,
) -> None:
    folder = tmp_path_factory.mktemp("office")
    config = office(folder, sites())
    path = folder / "r.csv"

    def imported() -> int | None:
        path.write_text(csv_text(*rows), encoding="utf-8")
        try:
            done = import_findings(open_desk(config), path, who="甲", apply=True)
        except RsmonitorError:
            return None
        assert len(done.lines) + len(done.refused) <= len(rows)
        return done.applied

    first = imported()
    before = [event.hash for event in open_desk(config).ledger.events()]
    assert len(before) == (first or 0)
    chance.shuffle(rows)
    assert imported() in {0, None}
    assert [event.hash for event in open_desk(config).ledger.events()] == before
