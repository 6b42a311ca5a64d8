"""A verdict on the page: the same event as an import, refused by the same rules."""

import json
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from web_served import Answer, Served, serve
from web_world import ANYUAN, XUNWU, World, build, commit_of

from rsmonitor.errors import ReturnsError
from rsmonitor.records.account import Role
from rsmonitor.records.disturbance import Cause
from rsmonitor.records.finding import Judgement, contradiction
from rsmonitor.records.week import IsoWeek
from rsmonitor.wiring.returns import import_findings, open_desk

GOOD = {"verdict": "unlawful", "reason": "digging", "expected_version": 1}


@pytest.fixture
def world(tmp_path: Path) -> World:
    return build(tmp_path / "world", each=4)


@pytest.fixture
def served(world: World) -> Iterator[Served]:
    everything = (("*",), (XUNWU,))
    with serve(
        world, dict.fromkeys((Role.ANALYST, Role.INSPECTOR, Role.BUREAU), everything)
    ) as found:
        yield found


def give(
    served: Served, alert_id: str, body: dict[str, Any], role: Role = Role.ANALYST
) -> Answer:
    return served.post(
        f"/api/alerts/{alert_id}/verdict", served.token(XUNWU, role=role), body
    )


def bodies(world: World) -> list[dict[str, Any]]:
    return [json.loads(e.body) for e in world.ledger.events() if "verdict" in e.body]


def test_it_is_the_event_that_an_import_of_the_same_words_makes(
    served: Served, world: World, tmp_path: Path
) -> None:
    alert = world.alerts[XUNWU][0]
    body = {**GOOD, "note": "=HYPERLINK(1)\n看", "decided_by_imagery": "高分二号"}
    answer = give(served, alert.alert_id, body)
    assert answer.status == 201
    event = list(world.ledger.events())[-1]
    assert event.seq == answer.json["event_seq"]
    assert event.who == "analyst-1"

    other = build(tmp_path / "other", each=4)
    table = tmp_path / "words.csv"
    table.write_text(
        "alert_id,verdict,reason,note,imagery,who\n"
        f'{alert.alert_id},违法,采挖,"=HYPERLINK(1)\n看",高分二号,analyst-1\n'
    )
    import_findings(open_desk(other.config), table, who=None, apply=True)
    (ours,), (theirs,) = bodies(world), bodies(other)
    for key in ("file", "file_sha256", "row"):
        ours.pop(key), theirs.pop(key)
    assert ours == theirs
    assert world.ledger.verify() == []


def test_an_inspector_was_there_and_the_others_looked(
    served: Served, world: World
) -> None:
    alert = world.alerts[XUNWU][0]
    for role, kind in ((Role.ANALYST, "triaged"), (Role.INSPECTOR, "inspected")):
        assert give(served, alert.alert_id, GOOD, role).status == 201
        assert bodies(world)[-1]["kind"] == kind
    refused = give(served, alert.alert_id, GOOD, Role.BUREAU)
    assert refused.status == 403
    assert len(bodies(world)) == 2
    token = served.token(XUNWU)
    said = served.ask(f"/api/alerts/{alert.alert_id}/reading", token).json["findings"]
    assert [each["who_role"] for each in said] == ["analyst", "inspector"]
    assert "analyst-1" not in json.dumps(said), "roles are told, not names"
    kinds = served.ask(f"/api/alerts/{alert.alert_id}/timeline", token).json["events"]
    assert [each["kind"] for each in kinds] == ["detected", "triaged", "inspected"]


def test_the_same_words_again_add_nothing(served: Served, world: World) -> None:
    alert = world.alerts[XUNWU][0]
    first = give(served, alert.alert_id, GOOD)
    again = give(served, alert.alert_id, GOOD)
    assert (first.status, again.status) == (201, 200)
    assert first.json["event_seq"] == again.json["event_seq"]
    assert len(bodies(world)) == 1


def test_every_contradiction_is_refused_with_its_rule(
    served: Served, world: World, tmp_path: Path
) -> None:
    alert = world.alerts[XUNWU][0]
    cases = [(j, c) for j in Judgement for c in (None, *Cause) if contradiction(j, c)]
    assert len(cases) > 5
    for judgement, cause in cases:
        body = {
            "verdict": judgement.value,
            "reason": None if cause is None else cause.value,
            "expected_version": 1,
        }
        answer = give(served, alert.alert_id, body)
        assert answer.status == 422
        assert (contradiction(judgement, cause) or "") in answer.json["detail"]
        assert str(world.folder) not in answer.json["detail"]
        table = tmp_path / "words.csv"
        table.write_text(
            "alert_id,verdict,reason,who\n"
            f"{alert.alert_id},{judgement},{cause or ''},x\n"
        )
        with pytest.raises(ReturnsError):
            import_findings(open_desk(world.config), table, who=None, apply=True)
    assert not bodies(world)


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"verdict": "unlawful"},
        {**GOOD, "verdict": "guilty"},
        {**GOOD, "verdict": ""},
        {**GOOD, "reason": "gold"},
        {**GOOD, "expected_version": 0},
        {**GOOD, "expected_version": "one"},
        {**GOOD, "who": "somebody else"},
        {**GOOD, "note": "x" * 3000},
        {**GOOD, "note": 7},
        [],
        "unlawful",
        None,
    ],
)
def test_a_body_that_breaks_a_rule_changes_nothing(
    served: Served,
    world: World,
    body: Any,  # noqa: ANN401 - whatever JSON can hold
) -> None:
    answer = give(served, world.alerts[XUNWU][0].alert_id, body)
    assert answer.status == 422, answer.body
    assert answer.headers["content-type"] == "application/problem+json"
    assert not bodies(world)


def test_nobody_judges_what_he_does_not_see(served: Served, world: World) -> None:
    hidden = give(served, world.alerts[ANYUAN][0].alert_id, GOOD)
    unknown = give(served, "aaaaaaaaaaaaa", GOOD)
    assert hidden.status == unknown.status == 404
    assert hidden.body == unknown.body
    assert not bodies(world)


def test_what_changed_since_it_was_looked_at_is_not_judged(
    served: Served, world: World
) -> None:
    alert = world.alerts[XUNWU][0]
    world.ledger.commit(
        commit_of(
            XUNWU,
            [replace(alert, version=2), *world.alerts[XUNWU][1:]],
            week=IsoWeek(year=2026, week=47),
        )
    )
    stale = give(served, alert.alert_id, GOOD)
    assert stale.status == 409
    assert "version 2" in stale.json["detail"]
    assert give(served, alert.alert_id, {**GOOD, "expected_version": 2}).status == 201


def test_an_alert_that_a_run_moved_to_another_county_is_not_judged_here(
    served: Served, world: World
) -> None:
    """Also while the old shelf still serves: the ledger decides."""
    alert = world.alerts[XUNWU][0]
    moved = replace(alert, county_codes=(ANYUAN,))
    world.ledger.commit(
        commit_of(
            XUNWU, [moved, *world.alerts[XUNWU][1:]], week=IsoWeek(year=2026, week=47)
        )
    )
    assert give(served, alert.alert_id, GOOD).status in {404, 409}
    assert not bodies(world)
    token = served.token(XUNWU)
    assert served.ask(f"/api/alerts/{alert.alert_id}/reading", token).status == 404
    served.service.shelf.settle()
    listed = served.ask("/api/alerts", token).json["alerts"]
    assert alert.alert_id not in {each["id"] for each in listed}


def test_many_at_once_all_stand(served: Served, world: World) -> None:
    """The chain grows one by one; nobody is told to come again, and nothing is lost."""
    alerts = world.alerts[XUNWU]
    answers: list[Answer] = []

    def judge(number: int) -> None:
        body = {**GOOD, "note": f"note {number}"}
        alert = alerts[number % len(alerts)]
        answers.append(give(served, alert.alert_id, body))

    threads = [threading.Thread(target=judge, args=(n,)) for n in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {answer.status for answer in answers} == {201}
    seqs = [answer.json["event_seq"] for answer in answers]
    notes = {each["note"] for each in bodies(world)}
    assert len(set(seqs)) == 12
    assert notes == {f"note {n}" for n in range(12)}
    assert world.ledger.verify() == []


def test_the_words_that_there_are(served: Served) -> None:
    said = served.ask("/api/vocabulary", served.token(XUNWU)).json
    assert {each["code"] for each in said["verdicts"]} == set(Judgement)
    assert {each["code"] for each in said["reasons"]} == set(Cause)
    for entries in said.values():
        assert all(each["zh"] and each["en"] for each in entries)
    by_code = {each["code"]: each for each in said["verdicts"]}
    assert None in by_code["pseudo_change"]["refused_reasons"]
    assert by_code["unlawful"]["refused_reasons"] == ["artefact"]
