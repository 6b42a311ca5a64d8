"""`rsmonitor triage suggest`, on a real ledger with alerts, verdicts and packages."""

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
from returned import NOW, SETTINGS, letters
from sightings import sighting, site, square, verdict

from rsmonitor.cli import triage
from rsmonitor.io.stores.ledger import SqliteLedger
from rsmonitor.records.alert import Alert
from rsmonitor.records.disturbance import Cause
from rsmonitor.records.event import EventDraft, EventKind
from rsmonitor.records.finding import Finding, Judgement, body_of
from rsmonitor.records.provenance import Provenance
from rsmonitor.records.run import RunCommit, RunRecord
from rsmonitor.records.site import Site, SiteState
from rsmonitor.records.week import IsoWeek
from rsmonitor.wiring.learning import verdicts_of, weekly_precision
from rsmonitor.wiring.reports import open_books

Run = Callable[..., tuple[int, str, str]]
TORN = {Cause.DIGGING: 0.5, Cause.CLEAR_CUT: 0.5}
DIGEST = "0" * 64
RUN = "demo-2018-w30-0123456789abcdef"


def crowd() -> list[Site]:
    """Give three alike, three alike elsewhere, and a loner; rank is by number."""
    found = []
    for n in range(7):
        seen = sighting(square(0, 10 * n, 3), confirmed=date(2018, 7, 12), causes=TORN)
        kind, spot = divmod(n, 3)
        features = {
            "ndvi_before": (0.2, 0.5, 0.9)[kind] + spot / 1000,
            "ndvi_change": (-0.1, -0.4, -0.8)[kind],
        }
        found.append(
            site(
                "s" + letters(n),
                replace(seen, disturbance=replace(seen.disturbance, features=features)),
                state=SiteState.ACTIVE,
            )
        )
    return found


def alert_of(of: Site, rank: int) -> Alert:
    return Alert(
        alert_id="a" + of.site_id[1:],
        version=1,
        rank=rank,
        site=of,
        verdict=verdict(of),
        county_codes=("360728",),
        bureau="示例局",
        provenance=Provenance(
            software="rsmonitor 0",
            settings_digest=DIGEST,
            scenes=(),
            processing_baselines=(),
            model_id="rules-1",
        ),
        invented_licences=False,
    )


SITES = crowd()
IDS = ["a" + each.site_id[1:] for each in SITES]


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "demo.toml"
    path.write_text(SETTINGS + "\n[deliver]\npages = 2\n", encoding="utf-8")
    alerts = [alert_of(each, rank) for rank, each in enumerate(SITES, start=1)]
    ledger_of(path).commit(
        RunCommit(
            record=RunRecord(
                run_id=RUN,
                line="0123456789abcdef",
                district="demo",
                week=IsoWeek(year=2018, week=30),
                location="nowhere",
                counts={},
            ),
            finished_at=datetime(2018, 7, 30, tzinfo=UTC),
            pointers=(),
            products=(),
            replayed=False,
            sites=tuple(SITES),
            alerts=tuple(alerts),
        )
    )
    return path


def ledger_of(config: Path) -> SqliteLedger:
    work = config.parent / "work"
    return SqliteLedger(work / "ledger.sqlite", locks=work / "locks")


def say(config: Path, *said: tuple[int, Judgement, str]) -> None:
    ledger = ledger_of(config)
    found = [
        Finding(
            site_id=SITES[n].site_id,
            kind=EventKind.TRIAGED,
            judgement=judgement,
            cause=Cause.ORCHARD if judgement is Judgement.PSEUDO_CHANGE else None,
            imagery="",
            judged_by=who,
            judged_on=date(2026, 11, 20),
        )
        for n, judgement, who in said
    ]
    ledger.append(
        [
            EventDraft(
                kind=each.kind,
                at=NOW,
                who=each.judged_by,
                body=body_of(each, file="a.csv", file_sha256=DIGEST, row="1"),
            )
            for each in found
        ],
        expected_head=ledger.head(),
    )


def package(
    config: Path, week: str, alerts: Sequence[int], code: str = "360728"
) -> Path:
    """Write what a package says of itself, as far as it is asked for here."""
    folder = config.parent / "packages" / week / code
    folder.mkdir(parents=True)
    told = {
        "area": {"code": code, "level": "county"},
        "week": week,
        "alerts": [{"alert_id": IDS[n]} for n in alerts],
    }
    path = folder / "manifest.json"
    path.write_text(json.dumps(told), encoding="utf-8")
    return path


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    """Give a function that runs a command to its end."""

    def command(*words: str | Path) -> tuple[int, str, str]:
        given = ["suggest", *map(str, words)]
        code = triage.app(given, standalone_mode=False)
        said = capsys.readouterr()
        return code or 0, said.out, said.err

    return command


def suggested(run: Run, *words: str | Path) -> list[dict[str, Any]]:
    code, out, _ = run(*words, "--json")
    assert code == 0
    found: list[dict[str, Any]] = json.loads(out)["suggestions"]
    return found


def test_one_of_each_kind_comes_before_a_second_of_any(run: Run, config: Path) -> None:
    found = suggested(run, config)
    kinds = [IDS.index(each["alert_id"]) // 3 for each in found]
    assert sorted(kinds[:3]) == [0, 1, 2]
    # the loner teaches of itself alone
    assert kinds[2] == 2
    assert [each["rank"] for each in found[:3]] != [1, 2, 3]
    assert found[0]["alike"] == 2


def test_what_was_judged_and_what_is_like_it_goes_down(run: Run, config: Path) -> None:
    first = suggested(run, config)[0]
    judged = IDS.index(first["alert_id"])
    say(config, (judged, Judgement.UNLAWFUL, "李华"))
    found = suggested(run, config)
    assert first["alert_id"] not in [each["alert_id"] for each in found]
    assert IDS.index(found[0]["alert_id"]) // 3 != judged // 3
    twins = [each for each in found if IDS.index(each["alert_id"]) // 3 == judged // 3]
    assert all(each["share"] < 0.01 for each in twins)


def test_a_dispute_and_an_unclear_word_settle_nothing(run: Run, config: Path) -> None:
    say(
        config,
        (6, Judgement.UNLAWFUL, "李华"),
        (6, Judgement.PSEUDO_CHANGE, "孙某"),
        (0, Judgement.UNCLEAR, "李华"),
    )
    found = {each["alert_id"]: each for each in suggested(run, config)}
    assert found[IDS[6]]["doubt"] == 1
    assert found[IDS[6]]["reasons"][0]["zh"] == "核查意见不一"
    _, out, _ = run(config, "--language", "en")
    assert "people disagree about it" in out
    assert "not yet measured" in out


def test_the_precision_at_the_budget_is_of_what_stood_first(
    run: Run, config: Path
) -> None:
    package(config, "2018-W31", [0, 1, 2])
    package(config, "2018-W32", [1, 3, 4])
    # a prefecture's package repeats what its counties were asked
    folder = package(config, "2018-W32", [5, 6], code="3607")
    folder.write_text(folder.read_text().replace("county", "prefecture"))
    say(
        config,
        (0, Judgement.UNLAWFUL, "李华"),
        (1, Judgement.PSEUDO_CHANGE, "李华"),
        (2, Judgement.PSEUDO_CHANGE, "李华"),  # beyond the budget of two
        (5, Judgement.PSEUDO_CHANGE, "李华"),
    )
    _, out, _ = run(config, "--json")
    told = json.loads(out)["precision_at_budget"]
    assert (told["shown"], told["triaged"]) == (3, 2)
    assert (told["unlawful"]["found"], told["unlawful"]["n"]) == (1, 2)
    assert [each["triaged"] for each in told["weeks"]] == [2, 1]
    _, out, _ = run(config)
    assert "每周前 2 条线索的查实率：50%" in out
    books = open_books(config)
    settings, said = books.books[0].settings, verdicts_of(books)
    week = IsoWeek(year=2018, week=32)
    earlier = weekly_precision(settings, said, report=pytest.fail, before=week)
    assert earlier.shown == 2
    other = weekly_precision(settings, said, report=pytest.fail, area="44")
    assert other.unlawful is None


def test_special_use_is_neither_shown_nor_counted(run: Run, config: Path) -> None:
    package(config, "2018-W31", [0, 1])
    say(config, (0, Judgement.SPECIAL_USE, "李华"))
    _, out, _ = run(config, "--json")
    assert IDS[0] not in out
    assert json.loads(out)["precision_at_budget"]["shown"] == 1


@pytest.mark.parametrize("text", ['{"area": 3}', "", "[]", '{"area": {}}'])
def test_a_damaged_manifest_is_named_and_the_others_count(
    run: Run, config: Path, text: str
) -> None:
    package(config, "2018-W31", [0]).write_text(text)
    package(config, "2018-W32", [1])
    code, out, err = run(config, "--json")
    assert code == 0
    assert json.loads(out)["precision_at_budget"]["shown"] == 1
    assert "2018-W31/360728/manifest.json: is no manifest" in err


def test_a_budget_that_was_another_then_is_the_package_s_own(
    run: Run, config: Path
) -> None:
    path = package(config, "2018-W31", [0, 1, 2, 3])
    path.write_text(json.dumps(json.loads(path.read_text()) | {"pages": 3}))
    _, out, _ = run(config, "--json")
    assert json.loads(out)["precision_at_budget"]["shown"] == 3


def test_a_language_that_is_none_is_a_usage_error(run: Run, config: Path) -> None:
    with pytest.raises(Exception, match="zh or en"):
        run(config, "--language", "fr")
