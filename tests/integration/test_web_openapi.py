"""The description of the interface, and requests that a program makes up from it."""

import json
from collections.abc import Iterator
from typing import Any

import hypothesis
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)
from web_served import Served, serve
from web_world import XUNWU, World, build

from rsmonitor.records.account import Role
from rsmonitor.web.openapi import as_3_0

SLOW = ("/api/uploads/{kind}",)
"""Routes that start a process: asked in tests of their own."""


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    return build(tmp_path_factory.mktemp("described"), each=3)


@pytest.fixture(scope="module")
def served(world: World) -> Iterator[Served]:
    with serve(world, {Role.ANALYST: ((XUNWU,),)}) as found:
        yield found


@pytest.fixture(scope="module")
def described(served: Served) -> dict[str, Any]:
    answer = served.ask("/api/openapi.json", served.token(XUNWU))
    assert answer.status == 200
    found: dict[str, Any] = answer.json
    return found


def test_it_is_openapi_3_0_and_nothing_later(described: dict[str, Any]) -> None:
    assert described["openapi"].startswith("3.0.")

    def walk(value: object, where: str) -> None:
        if isinstance(value, dict):
            assert value.get("type") != "null", where
            assert "const" not in value, where
            assert not isinstance(value.get("type"), list), where
            assert not isinstance(value.get("examples"), list), where
            for key, each in value.items():
                walk(each, f"{where}/{key}")
        elif isinstance(value, list):
            for each in value:
                walk(each, where)

    walk(described, "")
    assert as_3_0({"const": 1}) == {"enum": [1]}


def test_no_place_and_no_name_of_the_world_stands_in_it(
    described: dict[str, Any], world: World
) -> None:
    text = json.dumps(described, ensure_ascii=False)
    assert not any(alert.alert_id in text for alert in world.everything)
    assert str(world.folder) not in text


def test_every_route_of_the_data_is_described(described: dict[str, Any]) -> None:
    assert {
        *("/api", "/api/conformance", "/api/collections", "/api/alerts"),
        "/api/collections/{collection}/items",
        "/api/collections/{collection}/items/{item_id}",
        "/api/alerts/{alert_id}/verdict",
        "/api/alerts/{alert_id}/timeline",
        *("/api/uploads/{kind}", "/api/stac", "/api/weeks", "/api/backgrounds"),
    } <= set(described["paths"])
    items = described["paths"]["/api/collections/{collection}/items"]["get"]
    names = {each["name"] for each in items["parameters"]}
    assert {"bbox", "datetime", "limit", "collection"} <= names


def test_whatever_is_asked_is_answered_as_described(
    served: Served, described: dict[str, Any], world: World
) -> None:
    """A few made-up requests for each operation: no 5xx, nothing undocumented."""
    schema = schemathesis.openapi.from_dict(described)
    token = served.token(XUNWU)
    known = world.alerts[XUNWU][0].alert_id
    asked = 0
    for result in schema.get_all_operations():
        operation = result.ok()
        if operation.path in SLOW:
            continue

        @hypothesis.settings(
            max_examples=6,
            deadline=None,
            derandomize=True,
            database=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @hypothesis.given(case=operation.as_strategy())
        def ask(case: schemathesis.Case) -> None:
            nonlocal asked
            asked += 1
            parameters = dict(case.path_parameters or {})
            if "alert_id" in parameters and asked % 2:
                case.path_parameters["alert_id"] = known
            response = case.call(
                base_url=served.url,
                headers={"Authorization": f"Bearer {token}"},
                timeout=60,
            )
            case.validate_response(
                response,
                checks=[
                    not_a_server_error,
                    status_code_conformance,
                    content_type_conformance,
                    response_schema_conformance,
                ],
            )

        ask()
    assert asked > 60
    assert served.ask("/api", token).status == 200, "and it is still there"


@pytest.mark.parametrize(
    ("path", "method", "status"),
    [
        ("/api/collections/alerts/items", "DELETE", 405),
        ("/api/alerts", "POST", 405),
        ("/api/nothing", "GET", 404),
        ("/api/alerts/%00/reading", "GET", 404),
        ("/api/alerts/..%2f..%2fetc%2fpasswd/reading", "GET", 404),
        ("/api/collections/alerts/items/%ff%fe", "GET", 404),
        ("/api/collections/licences/items/" + "x" * 5000, "GET", 404),
    ],
)
def test_odd_requests_are_refused_in_words(
    served: Served, path: str, method: str, status: int
) -> None:
    answer = served.ask(path, served.token(XUNWU), method=method)
    assert answer.status == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json["status"] == status
