"""What needs a person: when it is raised, that it is told once, what stands there."""

import io
import json
import logging
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email import message_from_bytes, policy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rsmonitor.errors import ContractError
from rsmonitor.io.deliver.mail.notice_letter import write_notice_letter
from rsmonitor.io.deliver.metrics import Metric, write_metrics
from rsmonitor.io.deliver.units import Installation, crontab, systemd_units
from rsmonitor.io.foundation.logs import logged_to, run_named, values
from rsmonitor.io.foundation.redaction import learn
from rsmonitor.records.week import IsoWeek
from rsmonitor.stages.notices import (
    DiskFacts,
    DistrictFacts,
    Facts,
    FailingFacts,
    Limits,
    Notice,
    NoticeKind,
    follow,
    notices_of,
    told,
    untold,
)

NOW = datetime(2026, 11, 30, 0, 0, tzinfo=UTC)
WELL = DistrictFacts(
    code="360728",
    name_zh="定南县",
    name_en="Dingnan",
    last_week=IsoWeek(year=2026, week=48),
    newest_scene=NOW - timedelta(days=3),
)
ALL = Facts(
    at=NOW,
    config="watch.toml",
    districts=(
        replace(
            WELL,
            last_week=IsoWeek(year=2026, week=40),
            newest_scene=NOW - timedelta(days=60),
            overdue=2,
        ),
    ),
    disks=(DiskFacts(folder="/data", free_bytes=10**9),),
    failing=(
        FailingFacts(
            name="run 360728",
            command="rsmonitor run watch.toml",
            failures=3,
            code=5,
            said="source does not answer",
        ),
    ),
    chain="event 7 was changed",
    settings="watch.toml: unknown key x",
    waiting=4,
    waiting_since=NOW - timedelta(days=2),
    right=(3, 40),
    right_at_most=0.2,
)
KEYS = st.builds(
    Notice,
    kind=st.sampled_from(NoticeKind),
    about=st.sampled_from(["", "a", "b"]),
    zh=st.just("不好"),
    en=st.text(max_size=5),
    do_zh=st.just("处理"),
    do_en=st.just("do"),
)
LISTS = st.lists(KEYS, max_size=5, unique_by=lambda each: each.key)


# ------------------------------------------------------------------------------- laws


@given(st.lists(LISTS, min_size=1, max_size=8))
def test_each_trouble_is_told_once_until_it_clears(rounds: list[list[Notice]]) -> None:
    standing: tuple[Any, ...] = ()
    before: set[str] = set()
    for place, notices in enumerate(rounds):
        standing = follow(standing, notices, NOW + timedelta(hours=place))
        missed = untold(standing, notices, "a@b.example")
        assert {each.key for each in missed} == {n.key for n in notices} - before
        standing = told(standing, missed, "a@b.example")
        assert not untold(standing, notices, "a@b.example")
        assert untold(standing, notices, "other@b.example") == tuple(notices)
        before = {each.key for each in notices}


@given(LISTS, LISTS)
def test_what_goes_on_keeps_since_when(one: list[Notice], two: list[Notice]) -> None:
    first = follow((), one, NOW)
    second = follow(first, two, NOW + timedelta(days=1))
    old = {each.key for each in one}
    assert [each.key for each in second] == [each.key for each in two]
    assert all((each.since == NOW) == (each.key in old) for each in second)


# --------------------------------------------------------------------------- conditions


def test_a_watch_that_is_well_raises_nothing() -> None:
    disks = (DiskFacts(folder="/data", free_bytes=10**12),)
    facts = Facts(at=NOW, districts=(WELL,), disks=disks, waiting=1, waiting_since=NOW)
    assert notices_of(facts, Limits()) == ()
    new = replace(WELL, last_week=None, newest_scene=None)
    assert notices_of(replace(facts, districts=(new,)), Limits()) == ()


def test_each_condition_says_what_to_do_in_both_languages_most_urgent_first() -> None:
    found = notices_of(ALL, Limits())
    assert [each.kind for each in found] == list(NoticeKind)
    for notice in found:
        assert notice.said("zh") == (notice.zh, notice.do_zh)
        assert any("\u4e00" <= c <= "\u9fff" for c in notice.zh)
        assert any("\u4e00" <= c <= "\u9fff" for c in notice.do_zh)
        assert notice.en.isascii()
        assert notice.do_en.isascii()
        assert len(notice.do_en.split()) > 4, "what to do"


@pytest.mark.parametrize(
    ("kind", "change"),
    [
        (NoticeKind.CHAIN, {"chain": ""}),
        (NoticeKind.DISK, {"disks": (DiskFacts(folder="/data", free_bytes=10**10),)}),
        (NoticeKind.SETTINGS, {"settings": ""}),
        (NoticeKind.FAILING, {"failing": (replace(ALL.failing[0], failures=2),)}),
        (NoticeKind.PRECISION, {"right_at_most": 0.5}),
        (NoticeKind.MAIL, {"waiting_since": NOW - timedelta(hours=12)}),
        (NoticeKind.MAIL, {"waiting": 0}),
    ],
)
def test_below_its_limit_nothing_is_raised(
    kind: NoticeKind,
    change: Any,  # noqa: ANN401
) -> None:
    kinds = [each.kind for each in notices_of(replace(ALL, **change), Limits())]
    assert kinds == [each for each in NoticeKind if each is not kind]


def test_the_days_of_a_district_count_from_week_and_scene() -> None:
    limits = Limits(stale_days=21, no_run_days=9)
    week = IsoWeek(year=2026, week=48)
    for days, kinds in ((9, []), (10, [NoticeKind.NO_RUN])):
        at = week.end + timedelta(days=days)
        one = replace(WELL, last_week=week, newest_scene=at)
        found = notices_of(Facts(at=at, districts=(one,)), limits)
        assert [each.kind for each in found] == kinds
    for days, kinds in ((21, []), (22, [NoticeKind.STALE])):
        one = replace(WELL, newest_scene=NOW - timedelta(days=days))
        found = notices_of(Facts(at=NOW, districts=(one,)), limits)
        assert [each.kind for each in found] == kinds


# --------------------------------------------------------------------- what is written


@pytest.mark.parametrize("language", ["zh", "en"])
def test_a_letter_says_the_most_urgent_first_and_hides_secrets(language: Any) -> None:  # noqa: ANN401
    learn("geheim-123456")
    bad = replace(ALL, chain="password=hunter22 geheim-123456\r\nBcc: x@y.example")
    content = write_notice_letter(
        notices_of(bad, Limits()),
        sender="rsmonitor@office.example",
        recipient="ops@office.example",
        message_id="<1@office.example>",
        language=language,
        at=NOW,
        where="watch.toml (host)",
    )
    assert content.isascii()
    letter = message_from_bytes(content, policy=policy.default)
    assert letter["Bcc"] is None
    assert letter["Subject"].startswith("【" if language == "zh" else "[rsmonitor")
    assert ("另有 8 项" if language == "zh" else "and 8 more") in letter["Subject"]
    body = letter.get_content()  # type: ignore[attr-defined]
    assert "hunter22" not in body + letter["Subject"]
    assert "geheim" not in body + letter["Subject"]
    assert "9. " in body
    assert "rsmonitor cases list watch.toml --overdue" in body


def test_a_log_line_is_json_with_the_run_and_without_secrets() -> None:
    stream = io.StringIO()
    logger = logging.getLogger("rsmonitor.wiring.scheduling")
    with logged_to(stream), run_named("run-1"):
        logger.info(
            "job %s",
            "said",
            extra=values(line="GET https://h/a?sig=abcdef", token="abc", code=0),  # noqa: S106
        )
        try:
            raise ValueError("Bearer abcdefgh.ijk")  # noqa: TRY301
        except ValueError:
            logger.exception("broke\nin two")
    logger.info("nobody listens")
    first, second = map(json.loads, stream.getvalue().splitlines())
    assert first["event"] == "job said"
    assert first["run_id"] == second["run_id"] == "run-1"
    assert (first["line"], first["token"], first["code"]) == (
        "GET https://h/a?sig=***",
        "***",
        0,
    )
    assert "ValueError: Bearer ***" in second["trace"]
    assert datetime.fromisoformat(first["at"]).utcoffset() == timedelta(0)


def test_metrics_are_text_that_prometheus_reads() -> None:
    strange = 'a"b\\c\nd'
    gauge = Metric(
        name="rsmonitor_x",
        says="one\ntwo",
        samples=(({"folder": strange}, float("nan")), ({}, 2)),
    )
    assert write_metrics([gauge, Metric(name="empty", says="none")]).decode() == (
        "# HELP rsmonitor_x one two\n"
        "# TYPE rsmonitor_x gauge\n"
        'rsmonitor_x{folder="a\\"b\\\\c\\nd"} NaN\n'
        "rsmonitor_x 2.0\n"
    )
    with pytest.raises(ContractError, match="named by"):
        Metric(name="bad-name", says="")


# ------------------------------------------------------------------- systemd and cron


def installed(config: str = "/etc/rsmonitor/watch.toml", run_at: int = 360) -> Any:  # noqa: ANN401
    return Installation(
        program=("/usr/bin/rsmonitor",),
        config=config,
        run_at=run_at,
        deliver_at=480,
        verify_at=300,
        prune_at=1439,
    )


def test_units_bear_strange_paths_and_shanghai() -> None:
    units = systemd_units(installed('/data/50% "$a"/watch.toml'))
    run = units["rsmonitor-run.service"]
    assert 'ExecStart="/usr/bin/rsmonitor" "run" "/data/50%% \\"$$a\\"/watch' in run
    timer = units["rsmonitor-run.timer"]
    assert "OnCalendar=Mon *-*-* 06:00:00 Asia/Shanghai\nPersistent=true" in timer
    with pytest.raises(ContractError, match="control characters"):
        installed("/data/a\nb.toml")


@given(st.integers(0, 1439))
def test_a_crontab_of_utc_means_monday_in_shanghai(minutes: int) -> None:
    lines = crontab(installed("/a b/50%.toml", minutes)).splitlines()
    assert "'/a b/50\\%.toml'" in lines[1]
    (line,) = (each for each in lines if " run " in each)
    minute, hour, _, _, day = line.removeprefix("# ").split()[:5]
    sunday = datetime(2026, 11, 29, tzinfo=UTC)
    there = sunday + timedelta(days=int(day), hours=int(hour), minutes=int(minute))
    shanghai = there + timedelta(hours=8)
    assert shanghai == datetime(2026, 11, 30, tzinfo=UTC) + timedelta(minutes=minutes)
