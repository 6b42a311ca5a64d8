"""Accounts, tokens and the access log, asked of the web service."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from served import (
    PASSWORDS,
    PROXIED,
    Browser,
    TurnedClock,
    accounts_in,
    fresh_address,
    logged_in,
    served,
    told,
    with_people,
)

from rsmonitor.wiring.accounts import Accounts


@pytest.fixture(scope="module")
def clock() -> TurnedClock:
    return TurnedClock()


@pytest.fixture(scope="module")
def accounts(tmp_path_factory: pytest.TempPathFactory, clock: TurnedClock) -> Accounts:
    return with_people(accounts_in(tmp_path_factory.mktemp("accounts"), clock))


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory, accounts: Accounts) -> Iterator[str]:
    # a proxy that is believed lets each test come from an address of its own
    folder = tmp_path_factory.mktemp("service")
    with served(folder, accounts, rules=PROXIED) as address:
        yield address


@pytest.fixture
def browser(url: str) -> Iterator[Browser]:
    with Browser(url, address=fresh_address()) as opened:
        yield opened


# --------------------------------------------------------------- tokens and accounts


def test_a_token_asks_without_csrf_within_its_scope_until_it_is_revoked(
    browser: Browser, url: str
) -> None:
    logged_in(browser, "li")
    body = {"label": "QGIS", "scope": ["360732"], "days": 30}
    made = browser.ask("/api/tokens", "POST", json=body).json()
    headers = {"Authorization": f"Bearer {made['token']}"}
    ask = requests.Session()
    ask.headers.update(headers)
    with ask:
        said = ask.get(f"{url}/api/session", timeout=30).json()
        assert (said["name"], said["scope"], said["csrf"]) == ("li", ["360732"], None)
        # no token makes tokens, or changes a password
        for path, body in (
            ("/api/tokens", {"days": 300}),
            ("/api/accounts/li/password", {"present": "x", "password": "y" * 12}),
        ):
            refused = ask.post(url + path, json=body, timeout=30)
            assert refused.status_code == 403
            assert "not a token" in told(refused)["detail"]
        listed = browser.ask("/api/tokens").json()["tokens"]
        assert [each["id"] for each in listed if each["valid"]].count(made["id"]) == 1
        assert made["token"] not in json.dumps(listed)
        gone = browser.ask(f"/api/tokens/{made['id']}", "DELETE")
        assert gone.status_code == 204
        assert browser.ask(f"/api/tokens/{made['id']}", "DELETE").status_code == 404
        assert ask.get(f"{url}/api/session", timeout=30).status_code == 401


def test_a_token_of_another_is_not_there_for_anybody_but_an_administrator(
    browser: Browser, url: str
) -> None:
    with Browser(url, address=fresh_address()) as other:
        made = logged_in(other, "wang").ask("/api/tokens", "POST", json={}).json()
    logged_in(browser, "li")
    assert made["id"] not in browser.ask("/api/tokens").text
    assert browser.ask(f"/api/tokens/{made['id']}", "DELETE").status_code == 404
    with Browser(url, address=fresh_address()) as keeper:
        logged_in(keeper, "admin")
        assert made["id"] in keeper.ask("/api/tokens").text
        assert keeper.ask(f"/api/tokens/{made['id']}", "DELETE").status_code == 204


@pytest.mark.parametrize("name", ["li", "wang", "zhao"])
@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "/api/accounts", None),
        ("POST", "/api/accounts", {"name": "new", "role": "bureau", "scope": ["36"]}),
        ("PATCH", "/api/accounts/zhao", {"role": "administrator"}),
        ("DELETE", "/api/accounts/zhao", None),
        ("POST", "/api/accounts/admin/password", {"password": "stolen 123 word"}),
        ("POST", "/api/accounts/admin/unlock", None),
        ("GET", "/api/access-log", None),
    ],
)
def test_accounts_are_for_administrators(
    url: str,
    accounts: Accounts,
    name: str,
    method: str,
    path: str,
    body: dict[str, Any] | None,
) -> None:
    before = accounts.store.all()
    with Browser(url, address=fresh_address()) as browser:
        refused = logged_in(browser, name).ask(path, method, json=body)
    assert refused.status_code == 403
    assert name not in told(refused)["detail"].split()
    assert accounts.store.all() == before


def test_an_administrator_keeps_accounts(browser: Browser, url: str) -> None:
    logged_in(browser, "admin")
    new = {"name": "sun", "role": "inspector", "scope": ["360700", "360732"]}
    made = browser.ask("/api/accounts", "POST", json=new)
    assert made.status_code == 201
    said = made.json()
    assert (said["role"], said["scope"]) == ("inspector", ["3607"])
    assert browser.ask("/api/accounts", "POST", json=new).status_code == 422
    names = [each["name"] for each in browser.ask("/api/accounts").json()["accounts"]]
    assert "sun" in names
    with Browser(url, address=fresh_address()) as sun:
        assert sun.log_in("sun", said["password"]).status_code == 303
        changed = browser.ask(
            "/api/accounts/sun", "PATCH", json={"role": "bureau", "scope": ["44"]}
        )
        assert changed.json()["role"] == "bureau"
        now = sun.ask("/api/session").json()
        assert (now["role"], now["scope"]) == ("bureau", ["44"])
        drawn = browser.ask("/api/accounts/sun/password", "POST", json={}).json()
        assert sun.ask("/api/session").status_code == 401
        assert sun.log_in("sun", said["password"]).status_code == 401
        assert sun.log_in("sun", drawn["password"]).status_code == 303
        assert browser.ask("/api/accounts/sun", "DELETE").status_code == 204
        assert sun.ask("/api/session").status_code == 401
    for method, path, body in (
        ("DELETE", "/api/accounts/sun", None),
        ("PATCH", "/api/accounts/sun", {}),
        ("POST", "/api/accounts/sun/password", {}),
        ("POST", "/api/accounts/sun/unlock", None),
    ):
        assert browser.ask(path, method, json=body).status_code == 404
    # nobody removes, or lowers, themselves
    assert browser.ask("/api/accounts/admin", "DELETE").status_code == 409
    lower = browser.ask("/api/accounts/admin", "PATCH", json={"role": "bureau"})
    assert lower.status_code == 409


def test_one_changes_ones_own_password_with_the_present_one(
    tmp_path: Path, clock: TurnedClock
) -> None:
    accounts = with_people(accounts_in(tmp_path, clock))
    with served(tmp_path, accounts) as url, Browser(url) as li:
        logged_in(li, "li")
        path, new = "/api/accounts/li/password", "an entirely new 1"
        assert li.ask(path, "POST", json={"password": new}).status_code == 422
        simple = {"present": PASSWORDS["li"], "password": "short"}
        assert li.ask(path, "POST", json=simple).status_code == 422
        for _ in range(5):
            wrong = {"present": "wrong", "password": new}
            assert li.ask(path, "POST", json=wrong).status_code == 403
        right = {"present": PASSWORDS["li"], "password": new}
        waiting = li.ask(path, "POST", json=right)
        assert (waiting.status_code, waiting.headers["Retry-After"]) == (429, "3")
        clock.turn(seconds=5)
        assert li.ask(path, "POST", json=right).status_code == 204
        assert li.ask("/api/session").status_code == 401
        assert li.log_in("li", PASSWORDS["li"]).status_code == 401
        assert li.log_in("li", new).status_code == 303


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/api/accounts", b"{"),
        ("/api/accounts", b"\xff\xfe"),
        ("/api/accounts", b"[]"),
        ("/api/accounts", b'{"name": "x"}'),
        ("/api/accounts", b'{"name":"new","role":"king","scope":["36"]}'),
        ("/api/accounts", b'{"name":"new","role":"bureau","scope":["../x"]}'),
        ("/api/accounts", b'{"name":"new","role":"bureau","scope":[]}'),
        ("/api/accounts", b'{"name":"N\\u0000","role":"bureau","scope":["36"]}'),
        ("/api/accounts", b'{"name":"new","role":"bureau","scope":["36"],"x":1}'),
        ("/api/tokens", b'{"days": 0}'),
        ("/api/tokens", b'{"days": 1e400}'),
        ("/api/tokens", b'{"label": "\\ud800"}'),
        ("/api/tokens", b'{"label": "a\\nb"}'),
        ("/api/tokens", b"[" * 10_000),
    ],
)
def test_what_breaks_a_rule_is_a_problem_that_says_which(
    keeper: Browser, path: str, body: bytes
) -> None:
    headers = {"Content-Type": "application/json"}
    refused = keeper.ask(path, "POST", data=body, headers=headers)
    assert refused.status_code in (400, 422), refused.text
    assert told(refused)["detail"]
    assert "Traceback" not in refused.text


@pytest.fixture(scope="module")
def keeper(url: str) -> Iterator[Browser]:
    with Browser(url, address=fresh_address()) as browser:
        yield logged_in(browser, "admin")


@pytest.mark.parametrize(
    "query",
    ["before=0", "limit=0", "limit=1001", "before=x", f"before={2**63}", "limit=%00"],
)
def test_the_access_log_is_asked_for_within_bounds(keeper: Browser, query: str) -> None:
    assert keeper.ask(f"/api/access-log?{query}").status_code == 422


def test_who_looked_where_is_written_before_the_answer(
    keeper: Browser, browser: Browser
) -> None:
    logged_in(browser, "wang").ask("/api/session?bbox=1,2,3,4&token=secret")
    (newest,) = keeper.ask("/api/access-log?who=wang&limit=1").json()["entries"]
    assert (newest["who"], newest["role"], newest["how"]) == (
        "wang",
        "inspector",
        "session",
    )
    assert newest["what"] == "areas"
    assert newest["query"] == "bbox=1,2,3,4"
    assert newest["address"].startswith("198.51.")
    login = keeper.ask("/api/access-log?who=wang&limit=3").json()["entries"][-1]
    assert (login["what"], login["count"]) == ("login", 0)
    page = keeper.ask("/api/access-log?limit=1").json()
    older = keeper.ask(f"/api/access-log?limit=1&before={page['next_before']}").json()
    assert older["entries"][0]["seq"] < page["entries"][0]["seq"]
