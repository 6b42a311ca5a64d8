"""A world, served: the real application behind real doors, on loopback or in memory."""

import gzip
import json
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import uvicorn
from web_world import World

from rsmonitor.config import read_districts
from rsmonitor.io.foundation.clock import SystemClock
from rsmonitor.io.foundation.passwords import HashCost
from rsmonitor.records.account import Role, Scope
from rsmonitor.web.app import make_app
from rsmonitor.web.service import Service
from rsmonitor.wiring.accounts import Accounts
from rsmonitor.wiring.shelf import KeptShelf

PASSWORD = "correct horse battery staple 9"  # noqa: S105 - of this test alone


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:  # noqa: ANN401 - whatever came
        return json.loads(self.body)


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """A service that listens."""

    port: int
    service: Service
    app: Any
    tokens: Mapping[tuple[str, tuple[str, ...]], str]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def token(self, *areas: str, role: Role = Role.ANALYST) -> str:
        """Give the token of an account of that role with that scope."""
        return self.tokens[role.value, Scope.of(areas).areas]

    def ask(
        self,
        path: str,
        token: str | None,
        *,
        method: str = "GET",
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """Ask once, over a connection of its own."""
        connection = HTTPConnection("127.0.0.1", self.port, timeout=60)
        said = {"Accept-Encoding": "gzip", **(headers or {})}
        if token is not None:
            said["Authorization"] = f"Bearer {token}"
        try:
            connection.request(method, path, body, said)
            response = connection.getresponse()
            heads = {k.lower(): v for k, v in response.getheaders()}
            sent = response.read()
            packed = heads.get("content-encoding") == "gzip"
            return Answer(
                status=response.status,
                headers=heads,
                body=gzip.decompress(sent) if packed else sent,
            )
        finally:
            connection.close()

    def post(self, path: str, token: str, value: object) -> Answer:
        """Send JSON."""
        return self.ask(
            path,
            token,
            method="POST",
            body=json.dumps(value).encode(),
            headers={"Content-Type": "application/json"},
        )


@contextmanager
def serve(
    world: World,
    scopes: Mapping[Role, tuple[tuple[str, ...], ...]],
    folder: Path | None = None,
) -> Iterator[Served]:
    """Serve a world to accounts of these roles and scopes."""
    offices = read_districts(world.config)
    folder = folder or world.folder / "work" / "web"
    clock = SystemClock()
    cost = HashCost(memory_kib=64, passes=1)  # no secret of anybody is here
    accounts = Accounts(folder, locks=folder / "locks", clock=clock, cost=cost)
    service = Service(
        settings=offices,
        configs=(world.config,),
        accounts=accounts,
        clock=clock,
        folder=folder,
        public_url="",
        secure_cookies=False,
        shelf=KeptShelf(offices, folder / "shelf"),
    )
    tokens = _accounts(accounts, scopes)
    app = make_app(service)
    config = uvicorn.Config(app, host="127.0.0.1", port=0, log_level="warning")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    deadline = time.monotonic() + 30
    while not server.started and time.monotonic() < deadline:
        time.sleep(0.01)
    assert server.started
    port = server.servers[0].sockets[0].getsockname()[1]
    try:
        yield Served(port=port, service=service, app=app, tokens=tokens)
    finally:
        server.should_exit = True
        thread.join(30)


def _accounts(
    accounts: Accounts, scopes: Mapping[Role, tuple[tuple[str, ...], ...]]
) -> dict[tuple[str, tuple[str, ...]], str]:
    found = {}
    for role, wanted in scopes.items():
        for number, areas in enumerate(wanted):
            scope = Scope.of(areas)
            name = f"{role.value}-{number}"
            accounts.add(name, role=role, scope=scope, password=PASSWORD)
            _, secret = accounts.make_token(name, label="test", scope=scope, days=30)
            found[role.value, scope.areas] = secret
    return found
