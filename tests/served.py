"""The web service on loopback, with cheap hashes and a clock that tests turn."""

import itertools
import re
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Self

import requests

from rsmonitor.config import Settings
from rsmonitor.io.foundation.passwords import HashCost
from rsmonitor.records.access import Access, AccessRules
from rsmonitor.records.account import Role, Scope
from rsmonitor.web.binding import Binding, listen
from rsmonitor.web.patience import PatientServer
from rsmonitor.web.security import GuardRules
from rsmonitor.web.service import Service
from rsmonitor.web.serving import config_of
from rsmonitor.wiring.accounts import Accounts
from rsmonitor.wiring.shelf import KeptShelf

CHEAP = HashCost(memory_kib=64, passes=1)
PASSWORDS = {
    "admin": "a first password 1",
    "li": "a second password 2",
    "wang": "a third password 3",
    "zhao": "a fourth password 4",
}
"""Administrator of everything, analyst of Ganzhou, inspector of a county, bureau."""
HERE = "192.0.2.7"
PROXIED = GuardRules(proxies=("127.0.0.1",))
"""Believes what a test says of its address, so that none waits for another's tries."""

_numbers = itertools.count(1)


def fresh_address() -> str:
    """Give an address that no other test of this process has."""
    number = next(_numbers)
    return f"198.51.{number // 250}.{number % 250}"


class TurnedClock:
    """A clock that goes when a test turns it."""

    def __init__(self, at: datetime | None = None) -> None:
        self.at = at or datetime(2026, 11, 24, 2, tzinfo=UTC)

    def now(self) -> datetime:
        return self.at

    def turn(self, **by: float) -> None:
        self.at += timedelta(**by)


def accounts_in(
    folder: Path,
    clock: TurnedClock,
    rules: AccessRules | None = None,
    cost: HashCost = CHEAP,
) -> Accounts:
    """Give accounts without any account."""
    return Accounts(
        folder / "web", locks=folder / "locks", clock=clock, rules=rules, cost=cost
    )


def with_people(accounts: Accounts) -> Accounts:
    """Add one account of each role."""
    for name, role, areas in (
        ("admin", Role.ADMINISTRATOR, ("*",)),
        ("li", Role.ANALYST, ("3607",)),
        ("wang", Role.INSPECTOR, ("360732",)),
        ("zhao", Role.BUREAU, ("36",)),
    ):
        accounts.add(name, role=role, scope=Scope.of(areas), password=PASSWORDS[name])
    return accounts


def entry_of(accounts: Accounts, **said: object) -> Access:
    """Make an entry of the access log."""
    entry = Access(
        at=accounts.clock.now(),
        who="li",
        role="analyst",
        how="session",
        address=HERE,
        what="alerts",
        query="bbox=115,24,116,25",
        count=2,
        ids=("aaaaaaaaaaaaa", "bbbbbbbbbbbbb"),
    )
    return replace(entry, **said)  # type: ignore[arg-type]


class Browser:
    """What a person does in a browser, without its page."""

    def __init__(self, url: str, *, address: str | None = None) -> None:
        self.url = url
        self.http = requests.Session()
        self.http.trust_env = False
        if address is not None:
            self.http.headers["X-Forwarded-For"] = address
        self.csrf = ""
        self._form_csrf = ""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.http.close()

    def ask(self, path: str, method: str = "GET", **said: Any) -> requests.Response:  # noqa: ANN401
        """Ask as the page does, with the session's csrf."""
        headers = {"X-CSRF-Token": self.csrf} if self.csrf else {}
        headers |= said.pop("headers", {})
        return self.http.request(
            method,
            self.url + path,
            headers=headers,
            allow_redirects=False,
            timeout=30,
            **said,
        )

    def log_in(
        self, name: str, password: str, *, csrf: str | None = None
    ) -> requests.Response:
        """Fill in the form and send it; the form is loaded once."""
        if not self._form_csrf:
            self._form_csrf = form_csrf(self.ask("/login").text)
        answer = self.ask(
            "/login",
            "POST",
            data={
                "name": name,
                "password": password,
                "csrf": self._form_csrf if csrf is None else csrf,
            },
        )
        self._form_csrf = ""
        if answer.status_code == 303:
            self.csrf = self.ask("/api/session").json().get("csrf", "")
        else:
            self._form_csrf = form_csrf(answer.text)
        return answer


def form_csrf(page: str) -> str:
    """Read what the login form would send."""
    found = re.search(r'name="csrf" value="([0-9a-f]{64})"', page)
    assert found is not None, page[:500]
    return found[1]


@contextmanager
def served(
    folder: Path,
    accounts: Accounts,
    *,
    offices: tuple[Settings, ...] = (),
    binding: Binding | None = None,
    rules: GuardRules | None = None,
) -> Iterator[str]:
    """Serve on a free port of loopback, and give the address."""
    binding = binding or Binding(port=0)
    taken = listen(binding)
    service = service_of(folder, accounts, binding, taken, offices)
    with taken, running(service, binding, taken, rules):
        yield f"{binding.scheme}://127.0.0.1:{taken.getsockname()[1]}"


def service_of(
    folder: Path,
    accounts: Accounts,
    binding: Binding,
    taken: socket.socket,
    offices: tuple[Settings, ...] = (),
) -> Service:
    """Make a service on a port."""
    url = binding.url(taken.getsockname()[1])
    return Service(
        settings=offices,
        configs=(),
        accounts=accounts,
        clock=accounts.clock,
        folder=folder / "web",
        public_url=url,
        secure_cookies=url.startswith("https:"),
        shelf=KeptShelf(offices, folder / "web"),
    )


@contextmanager
def running(
    service: Service,
    binding: Binding,
    taken: socket.socket,
    rules: GuardRules | None = None,
) -> Iterator[PatientServer]:
    """Run a server in a thread, and stop it at the end."""
    ready = threading.Event()
    server = PatientServer(config_of(service, binding, rules), ready.set)
    thread = threading.Thread(
        target=server.run, kwargs={"sockets": [taken]}, daemon=True
    )
    thread.start()
    assert ready.wait(20)
    try:
        yield server
    finally:
        server.should_exit = True
        server.force_exit = True
        thread.join(20)
    assert not thread.is_alive()


def logged_in(browser: Browser, name: str) -> Browser:
    """Log in as one of the people."""
    assert browser.log_in(name, PASSWORDS[name]).status_code == 303
    return browser


def told(answer: requests.Response) -> dict[str, Any]:
    """Read a problem, which every refusal is."""
    assert answer.headers["Content-Type"] == "application/problem+json"
    said: dict[str, Any] = answer.json()
    assert said["status"] == answer.status_code
    assert said["type"] == "about:blank"
    return said
