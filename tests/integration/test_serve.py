"""Login and logout at the web service, and the service as a process."""

import json
import logging
import os
import re
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest
import requests
from served import (
    PASSWORDS,
    PROXIED,
    Browser,
    TurnedClock,
    accounts_in,
    form_csrf,
    fresh_address,
    logged_in,
    served,
    told,
    with_people,
)

from rsmonitor.io.foundation.passwords import HashCost
from rsmonitor.wiring.accounts import Accounts

ROOT = Path(__file__).parents[2]


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


# --------------------------------------------------------------------------- logins


def test_a_login_gives_a_cookie_that_no_script_and_no_other_site_sees(
    browser: Browser,
) -> None:
    answer = browser.log_in("li", PASSWORDS["li"])
    assert (answer.status_code, answer.headers["Location"]) == (303, "/")
    cookies = answer.raw.headers.getlist("Set-Cookie")
    (kept,) = [each for each in cookies if each.startswith("rsmonitor=")]
    assert re.fullmatch(
        r"rsmonitor=[\w-]{43}; HttpOnly; Max-Age=43200; Path=/; SameSite=strict", kept
    )
    said = browser.ask("/api/session").json()
    assert (said["name"], said["role"], said["scope"]) == ("li", "analyst", ["3607"])
    assert said["notice_zh"].endswith("。")
    assert said["notice_en"].startswith("Satellite")


def test_a_login_forgets_the_session_that_was_there_before(browser: Browser) -> None:
    logged_in(browser, "li")
    before = browser.http.cookies["rsmonitor"]
    again = Browser(browser.url, address=fresh_address())
    with again:
        again.http.cookies.set("rsmonitor", before)
        # who is logged in is led on
        assert again.ask("/login?next=/accounts").headers["Location"] == "/accounts"
        login = requests.get(f"{browser.url}/login", timeout=30)
        again.http.cookies.set("rsmonitor-login", login.cookies["rsmonitor-login"])
        answer = again.ask(
            "/login",
            "POST",
            data={
                "name": "wang",
                "password": PASSWORDS["wang"],
                "csrf": form_csrf(login.text),
            },
        )
        assert answer.status_code == 303
        assert answer.cookies["rsmonitor"] != before
    assert browser.ask("/api/session").status_code == 401


@pytest.mark.parametrize(
    ("path", "where"),
    [
        ("/sites/aaaaaaaaaaaaa", "/sites/aaaaaaaaaaaaa"),
        ("/accounts", "/accounts"),
        ("//evil.example/x", "/"),
        ("https://evil.example/", "/"),
        ("/\\evil.example", "/"),
        ("/logout", "/"),
        ("/sites/a\r\nSet-Cookie: x=1", "/"),
    ],
)
def test_a_login_leads_to_pages_of_ours_only(
    browser: Browser, path: str, where: str
) -> None:
    page = browser.ask("/login", params={"next": path})
    assert "evil" not in page.text
    answer = browser.ask(
        "/login",
        "POST",
        data={
            "name": "zhao",
            "password": PASSWORDS["zhao"],
            "csrf": form_csrf(page.text),
            "next": path,
        },
    )
    assert (answer.status_code, answer.headers["Location"]) == (303, where)


def test_a_form_of_another_site_does_not_log_in(browser: Browser) -> None:
    for csrf in ("", "0" * 64, "é"):
        answer = browser.log_in("li", PASSWORDS["li"], csrf=csrf)
        assert answer.status_code == 403
    other = form_csrf(requests.get(f"{browser.url}/login", timeout=30).text)
    assert browser.log_in("li", PASSWORDS["li"], csrf=other).status_code == 403
    assert "rsmonitor" not in browser.http.cookies


def test_a_change_needs_the_csrf_of_its_own_session(browser: Browser) -> None:
    logged_in(browser, "li")
    body = {"label": "x", "days": 1}
    for csrf in ("", "0" * 64, "é".encode()):
        headers = {"X-CSRF-Token": csrf}
        refused = browser.ask("/api/tokens", "POST", json=body, headers=headers)
        assert refused.status_code == 403
        told(refused)
    assert browser.ask(
        "/logout", "POST", headers={"X-CSRF-Token": "x"}
    ).status_code == (403)
    for headers in (
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Sec-Fetch-Site": "cross-site"},
    ):
        refused = browser.ask("/api/tokens", "POST", json=body, headers=headers)
        assert refused.status_code == 403
    origin = {"Origin": browser.url, "Sec-Fetch-Site": "same-origin"}
    made = browser.ask("/api/tokens", "POST", json=body, headers=origin)
    assert made.status_code == 201


def test_a_logout_ends_the_session_and_takes_the_cookie_away(browser: Browser) -> None:
    logged_in(browser, "li")
    secret = browser.http.cookies["rsmonitor"]
    answer = browser.ask("/logout", "POST")
    assert answer.status_code == 204
    assert "rsmonitor" not in browser.http.cookies
    cookies = {"rsmonitor": secret}
    assert browser.ask("/api/session", cookies=cookies).status_code == 401
    # a form does so as well, and is led to the login
    logged_in(browser, "li")
    csrf, browser.csrf = browser.csrf, ""
    answer = browser.ask("/logout", "POST", data={"csrf": csrf})
    assert (answer.status_code, answer.headers["Location"]) == (303, "/login")
    assert browser.ask("/api/session").status_code == 401


def test_a_session_that_is_idle_or_old_is_over(
    browser: Browser, clock: TurnedClock
) -> None:
    logged_in(browser, "wang")
    clock.turn(hours=1)
    assert browser.ask("/api/session").status_code == 200
    clock.turn(hours=2, seconds=1)
    refused = browser.ask("/api/session")
    assert refused.status_code == 401
    assert refused.headers["WWW-Authenticate"] == "Bearer"
    told(refused)


def test_pages_lead_to_the_login_and_interfaces_do_not(browser: Browser) -> None:
    answer = browser.ask("/")
    assert (answer.status_code, answer.headers["Location"]) == (303, "/login")
    there = browser.ask("/sites/aaaaaaaaaaaaa").headers["Location"]
    assert there == "/login?next=/sites/aaaaaaaaaaaaa"
    assert browser.ask("/api/accounts").status_code == 401


# ------------------------------------------------------------------ wrong passwords


def outside(answer: requests.Response, *said: str) -> tuple[object, ...]:
    """Give all that a stranger sees of an answer, but what is drawn for each."""
    text = re.sub(r"[0-9a-f]{64}", "csrf", answer.text)
    head = {key: value for key, value in answer.headers.items() if key != "date"}
    head["set-cookie"] = re.sub(r"login=[\w-]{43}", "login=drawn", head["set-cookie"])
    assert not any(each in text for each in said)
    return answer.status_code, text, tuple(sorted(head.items()))


def test_a_thousand_wrong_passwords_cost_little_and_tell_nothing(
    tmp_path: Path,
) -> None:
    clock = TurnedClock()
    # a hash is most of what a try costs, as it is outside of tests
    cost = HashCost(memory_kib=16_384, passes=3)
    accounts = with_people(accounts_in(tmp_path, clock, cost=cost))
    seen: dict[str, set[tuple[object, ...]]] = {"li": set(), "nobody": set()}
    took: dict[str, list[float]] = {"li": [], "nobody": []}
    with served(tmp_path, accounts, rules=PROXIED) as url, Browser(url) as browser:
        # each one looked at: nobody has to wait
        for number in range(20):
            for name in ("li", "nobody"):
                clock.turn(seconds=1000)
                browser.http.headers["X-Forwarded-For"] = f"203.0.113.{number}"
                start = time.process_time()  # others do not load it
                answer = browser.log_in(name, f"wrong {number}")
                took[name].append(time.process_time() - start)
                assert answer.status_code == 401
                seen[name].add(outside(answer, f">{name}<", "wrong 4"))
        # and as they come
        begun = time.process_time()
        last: dict[str, tuple[object, ...]] = {}
        for number in range(960):
            name = ("li", "nobody")[number % 2]
            answer = browser.log_in(name, f"wrong {number}")
            last[name] = outside(answer, f">{name}<", "wrong 4")
        assert answer.status_code == 429
        assert int(answer.headers["Retry-After"]) > 1
        assert time.process_time() - begun < 30
    assert seen["li"] == seen["nobody"]
    assert len(seen["li"]) == 1
    assert last["li"] == last["nobody"]
    known, unknown = (statistics.median(each) for each in took.values())
    assert 0.67 < known / unknown < 1.5, (known, unknown)


def test_fifty_logins_at_once_all_come_in_and_others_are_served_meanwhile(
    url: str, accounts: Accounts
) -> None:
    def come(number: int) -> int:
        with Browser(url, address=f"203.0.113.{number}") as browser:
            return browser.log_in("zhao", PASSWORDS["zhao"]).status_code

    with ThreadPoolExecutor(51) as pool:
        coming = [pool.submit(come, number) for number in range(50)]
        assert requests.get(f"{url}/healthz", timeout=5).json() == {"ok": True}
        assert {each.result() for each in coming} == {303}
    assert accounts.unlock(name="zhao") == 0


# --------------------------------------------------------------------------- logging


def test_the_log_says_who_asked_for_what_without_secrets_and_places(
    browser: Browser, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, "rsmonitor"):
        logged_in(browser, "li")
        with Browser(browser.url, address=fresh_address()) as other:
            other.log_in("a typed password", "another secret")
        browser.ask("/api/session?bbox=115.03,24.91,115.04,24.92")
        browser.ask("/sites/a25zz24910115030")
        browser.ask("/115.03/24.91")
        time.sleep(0.2)
    lines = [
        json.dumps(line.rsmonitor_values)  # type: ignore[attr-defined]
        for line in caplog.records
        if line.message == "request"
    ]
    assert len(lines) >= 6
    logged = "\n".join(lines)
    assert '"who": "li"' in logged
    assert '"route": "/sites/{alert_id}"' in logged
    for secret in (
        "115.03",
        "24.91",
        "a25zz",
        "typed password",
        "another secret",
        PASSWORDS["li"],
        browser.csrf,
        browser.http.cookies["rsmonitor"],
    ):
        assert secret not in logged + caplog.text


# --------------------------------------------------------------------------- process

SERVE = """
import sys
import typer
from rsmonitor.cli.serve import serve
app = typer.Typer()
app.command()(serve)
sys.exit(app(standalone_mode=False) or 0)
"""


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "district.toml"
    text = (ROOT / "configs" / "demo.toml").read_text(encoding="utf-8")
    path.write_text(text.replace("../demo-out", str(tmp_path / "out")), "utf-8")
    return path


@contextmanager
def process_of(config: Path, said: int) -> Iterator[subprocess.Popen[bytes]]:
    """Serve in a process of its own, as the command line does."""
    with (
        (config.parent / "log").open("w") as log,
        subprocess.Popen(  # noqa: S603 - our own program
            [sys.executable, "-c", SERVE, config, "--port", "0"],
            stdout=said,
            stderr=log,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        ) as process,
    ):
        try:
            yield process
        finally:
            process.kill()


def address_in(line: str) -> str:
    """Read where the service says that it is."""
    found = re.fullmatch(
        r"rsmonitor serves at (http://127\.0\.0\.1:\d+) \(Ctrl-C ends it\)\r?\n", line
    )
    assert found is not None, line
    return found[1]


@pytest.mark.slow
def test_a_service_says_where_it_is_and_ends_well(config: Path) -> None:
    ours, theirs = os.pipe()
    with process_of(config, theirs) as process, os.fdopen(ours) as said:
        os.close(theirs)
        url = address_in(said.readline())
        assert requests.get(f"{url}/healthz", timeout=30).json() == {"ok": True}
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0
        assert said.read() == ""
    lines = (config.parent / "log").read_text().splitlines()
    # no terminal: the first password is shown nowhere
    assert "rsmonitor accounts password" in lines[0]
    events = [json.loads(each)["event"] for each in lines[1:]]
    assert events == ["service started", "request", "service stopped"]


@pytest.mark.slow
def test_the_first_password_is_shown_on_a_terminal_alone(config: Path) -> None:
    ours, theirs = os.openpty()
    with process_of(config, theirs) as process, os.fdopen(ours, "rb") as screen:
        os.close(theirs)
        lines = [screen.readline().decode() for _ in range(4)]
        password = lines[1].rsplit(": ", 1)[1].strip()
        with Browser(address_in(lines[3])) as browser:
            assert browser.log_in("admin", password).status_code == 303
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 0
    assert password not in (config.parent / "log").read_text()
