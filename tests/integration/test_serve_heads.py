"""What every answer of the web service has, and what it does not wait for."""

import contextlib
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
import uvicorn
from served import PROXIED, TurnedClock, accounts_in, served, told, with_people

from rsmonitor.web import patience
from rsmonitor.web.binding import Binding, listen
from rsmonitor.web.security import HEADERS, GuardRules
from rsmonitor.wiring.accounts import Accounts


@pytest.fixture(scope="module")
def accounts(tmp_path_factory: pytest.TempPathFactory) -> Accounts:
    return with_people(accounts_in(tmp_path_factory.mktemp("accounts"), TurnedClock()))


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory, accounts: Accounts) -> Iterator[str]:
    # a proxy that is believed lets each test come from an address of its own
    folder = tmp_path_factory.mktemp("service")
    with served(folder, accounts, rules=PROXIED) as address:
        yield address


# ----------------------------------------------------------- every answer has its head


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/login", 200),
        ("GET", "/", 303),
        ("GET", "/healthz", 200),
        ("GET", "/api/session", 401),
        ("GET", "/no/such/page", 404),
        ("GET", "/static/../doors.py", 404),
        ("GET", "/api/%00", 404),
        ("PUT", "/login", 405),
        ("POST", "/login", 403),
        ("POST", "/api/tokens", 401),
        ("POST", "/api/uploads/triage", 401),
        ("DELETE", "/", 405),
        ("OPTIONS", "/login", 405),
        ("BREW", "/login", 405),
    ],
)
def test_every_answer_has_the_headers_of_the_house(
    url: str, method: str, path: str, status: int
) -> None:
    with requests.Session() as session:
        asked = requests.Request(method, url).prepare()
        asked.url = url + path  # as it stands, dots and all
        answer = session.send(asked, allow_redirects=False, timeout=30)
    assert answer.status_code == status
    for name, value in HEADERS.items():
        assert answer.headers[name] == value
    assert "no-store" in answer.headers["Cache-Control"]
    assert {"Cookie", "Authorization"} <= {
        each.strip() for each in answer.headers["Vary"].split(",")
    }
    assert "Server" not in answer.headers
    assert "Strict-Transport-Security" not in answer.headers
    if status >= 400 and path != "/login":
        told(answer)


def raw(url: str, text: bytes, seconds: float = 10) -> bytes:
    """Send bytes, and give all that comes until the connection ends."""
    host, port = url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=seconds) as connection:
        connection.sendall(text)
        answer = b""
        while piece := connection.recv(65_536):
            answer += piece
        return answer


@pytest.mark.parametrize(
    "text",
    [
        b"garbage\r\n\r\n",
        b"GET / HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nX: " + b"a" * 70_000,
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    ],
)
def test_what_is_no_http_is_answered_with_the_same_head(url: str, text: bytes) -> None:
    answer = raw(url, text).lower()
    assert answer.startswith((b"http/1.1 400", b"http/1.1 431"))
    for name, value in HEADERS.items():
        assert f"{name}: {value}\r\n".lower().encode() in answer
    assert b"application/problem+json" in answer


@pytest.mark.parametrize(
    "host", ["evil.example", "127.0.0.1.evil.example", "", "[", "localhost@evil", "a b"]
)
def test_another_host_name_is_not_served(url: str, host: str) -> None:
    answer = raw(
        url,
        f"GET /login HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode(),
    )
    assert answer.split()[1] in (b"421", b"400")
    assert b"<form" not in answer


def test_a_body_that_is_too_long_is_not_read(url: str) -> None:
    head = "POST /login HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
    for said in ("1048577", "9" * 40):
        answer = raw(url, f"{head}Content-Length: {said}\r\n\r\n".encode())
        assert answer.split()[1] in (b"413", b"400")
    # without a length, it is counted
    chunk = b"10000\r\n" + b"a" * 65_536 + b"\r\n"
    kind = "Content-Type: application/x-www-form-urlencoded\r\n"
    long = f"{head}{kind}Transfer-Encoding: chunked\r\n\r\n".encode() + chunk * 17
    assert raw(url, long).split()[1] == b"413"


def test_an_upload_of_nobody_is_not_read(url: str) -> None:
    begun = time.monotonic()
    answer = raw(
        url,
        b"POST /api/uploads/triage HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
        b"Content-Type: multipart/form-data; boundary=x\r\n"
        b"Content-Length: 33000000\r\n\r\n",
    )
    assert answer.split()[1] == b"401"
    assert time.monotonic() - begun < 5


def test_a_body_that_does_not_come_is_not_waited_for(
    tmp_path: Path, accounts: Accounts
) -> None:
    rules = GuardRules(body_seconds=0.2)
    with served(tmp_path, accounts, rules=rules) as url:
        answer = raw(
            url,
            b"POST /login HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
            b"Content-Type: application/x-www-form-urlencoded\r\n"
            b"Content-Length: 100\r\n\r\nname=",
        )
    assert answer.split()[1] == b"408"
    for name in HEADERS:
        assert name.lower().encode() in answer.lower()


def test_a_head_that_does_not_come_is_not_waited_for(
    tmp_path: Path, accounts: Accounts, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(patience, "HEAD_SECONDS", 0.3)
    with served(tmp_path, accounts) as url:
        for begun in (
            b"",
            b"GET / HT",
            b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\nGET / HTTP",
            # answered before its body came
            b"POST /no HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\nx",
        ):
            start = time.monotonic()
            with contextlib.suppress(ConnectionResetError):
                raw(url, begun, 20)
            assert time.monotonic() - start < 10


def test_more_requests_than_are_worked_on_are_told_to_come_again(
    tmp_path: Path, accounts: Accounts
) -> None:
    rules = GuardRules(
        most_at_once=6, most_by_address=3, body_seconds=5, proxies=("127.0.0.1",)
    )
    slow = (
        b"POST /login HTTP/1.1\r\nHost: localhost\r\n"
        b"Content-Type: application/x-www-form-urlencoded\r\n"
        b"X-Forwarded-For: 203.0.113.1\r\n"
        b"Content-Length: 100\r\n\r\n"
    )
    with served(tmp_path, accounts, rules=rules) as url:
        host, port = url.removeprefix("http://").split(":")
        waiting = [socket.create_connection((host, int(port))) for _ in range(6)]

        def ask(address: str) -> tuple[int, str | None]:
            headers = {"X-Forwarded-For": address}
            said = requests.get(f"{url}/healthz", headers=headers, timeout=10)
            return said.status_code, said.headers.get("Retry-After")

        for each in waiting[:3]:
            each.sendall(slow)
        time.sleep(0.3)
        # one that is slow keeps nobody else out
        assert ask("203.0.113.1") == (429, "2")
        assert ask("203.0.113.2") == (200, None)
        for number, each in enumerate(waiting[3:], start=1):
            line = f"2001:db8:1:2::{number}".encode()
            each.sendall(slow.replace(b"203.0.113.1", line))
        time.sleep(0.3)
        # whoever has one address of IPv6 has all of its line
        assert ask("2001:db8:1:2::9") == (429, "2")
        assert ask("203.0.113.3") == (503, "2")
        for each in waiting:
            each.close()
        time.sleep(0.3)
        assert ask("203.0.113.1") == (200, None)


def test_one_address_does_not_take_all_connections(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(patience.PatientProtocol, "most_by_address", 4)
    host, port = url.removeprefix("http://").split(":")
    held = [socket.create_connection((host, int(port)), timeout=10) for _ in range(8)]
    closed = 0
    for each in held:
        with contextlib.suppress(OSError):
            each.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
        try:
            closed += each.recv(100) == b""
        except ConnectionResetError:
            closed += 1
    for each in held:
        each.close()
    assert closed >= 4


def test_a_client_that_takes_nothing_is_dropped(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(patience, "SEND_SECONDS", 0.3)
    sent = []

    async def much(scope: object, receive: object, send: Any) -> None:  # noqa: ANN401
        del scope, receive
        head = [(b"content-length", b"200000000")]
        await send({"type": "http.response.start", "status": 200, "headers": head})
        for number in range(200):
            piece = {"body": bytes(1_000_000), "more_body": number < 199}
            await send({"type": "http.response.body", **piece})
            sent.append(number)

    config = uvicorn.Config(
        much, http=patience.PatientProtocol, lifespan="off", log_config=None
    )
    ready = threading.Event()
    server = patience.PatientServer(config, ready.set)
    with listen(Binding(port=0)) as taken:
        where = taken.getsockname()
        thread = threading.Thread(
            target=server.run, kwargs={"sockets": [taken]}, daemon=True
        )
        thread.start()
        assert ready.wait(20)
        with socket.create_connection(where, timeout=10) as connection:
            connection.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
            time.sleep(1.5)
            got = 0
            with contextlib.suppress(ConnectionResetError):
                while piece := connection.recv(1_000_000):
                    got += len(piece)
        server.should_exit = True
        thread.join(20)
    assert got < 100_000_000


def test_a_body_that_is_too_long_is_so_however_the_route_reads_it(url: str) -> None:
    head = b"POST /api/accounts HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
    kind = b"Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
    chunk = b"10000\r\n" + b"1" * 65_536 + b"\r\n"
    assert raw(url, head + kind + chunk * 17).split()[1] == b"413"
