"""The layer that every request and every answer passes.

It says who is answered (host names, origins), how much a request may take (size, time,
number at once), and what stands in the head of every answer, also of errors. It writes
one line of log for each, without secrets and without places.
"""

import asyncio
import ipaddress
import logging
import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit

import anyio
import anyio.to_thread
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from rsmonitor.io.foundation.logs import values
from rsmonitor.web import doors
from rsmonitor.web.errors import answer_to, problem
from rsmonitor.web.service import Service

logger = logging.getLogger(__name__)

POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: "
    "data:; connect-src 'self'; font-src 'self'; worker-src 'none'; form-action "
    "'self'; frame-ancestors 'none'; base-uri 'none'"
)
"""Nothing is loaded from elsewhere, and no script stands in a page."""

HEADERS: Final = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Permissions-Policy": "geolocation=(self)",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
"""Stand in the head of every answer."""

LASTING: Final = "max-age=31536000"
"""HSTS: a browser that spoke TLS once does not try without for a year."""

_MEBIBYTE: Final = 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class GuardRules:
    """How much requests may take."""

    most_bytes: int = _MEBIBYTE
    """Body of a request."""

    most_upload_bytes: int = 33 * _MEBIBYTE
    """Body of an upload: a file of 32 MiB and what is around it."""

    most_at_once: int = 150
    """Requests that are worked on at the same time; more are told to come again."""

    most_by_address: int = 64
    """Those of one address, so that one slow client does not keep out all others."""

    body_seconds: float = 60.0
    """A body that has not come by then is not waited for; uploads have five times."""

    proxies: tuple[str, ...] = ()
    """Addresses, or networks, whose ``X-Forwarded-For`` and ``-Proto`` are believed."""

    proxied_only: bool = False
    """True answers nobody but `proxies`: what comes past them is not encrypted."""


class _RefusedError(Exception):
    """The rest of a request is not read."""

    def __init__(self, status: int, detail: str) -> None:
        super().__init__(detail)
        self.status = status


class Guard:
    """Stands before the application.

    Parameters
    ----------
    app : ASGIApp
        The application.
    service : Service
        Whose hosts are answered.
    rules : GuardRules
        How much requests may take.
    """

    def __init__(self, app: ASGIApp, *, service: Service, rules: GuardRules) -> None:
        self._app = app
        self._service = service
        self._rules = rules
        self._proxies = tuple(
            ipaddress.ip_network(each, strict=False) for each in rules.proxies
        )
        self._there: Counter[str] = Counter()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """
        Answer a request.

        Parameters
        ----------
        scope : Scope
            What is asked.
        receive : Receive
            Gives its body.
        send : Send
            Takes the answer.
        """
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        begun = time.perf_counter()
        passed = _trust(scope, self._proxies)
        answer = _Answer(send, lasting=self._service.secure_cookies)
        address = doors.line_of(_address(scope))
        self._there[address] += 1
        try:
            if self._rules.proxied_only and not passed and not _is_probe(scope):
                said = problem(403, "only its proxy may ask this service")
                await said(scope, receive, answer.send)
            else:
                await self._answered(scope, receive, answer)
        finally:
            self._there[address] -= 1
            self._there += Counter()  # forgets those with none
            _tell(scope, answer, time.perf_counter() - begun)

    async def _answered(
        self, scope: Scope, receive: Receive, answer: "_Answer"
    ) -> None:
        """Let the application answer, or say why it does not."""
        headers = Headers(scope=scope)
        refused = self._refused(scope, headers)
        if refused is not None:
            await problem(*refused)(scope, receive, answer.send)
            return
        body = answer.body = _Body(scope, headers, receive, self._rules)
        try:
            if _is_upload(scope) and scope["method"] not in doors.SAFE:
                # before anybody reads what is large
                await anyio.to_thread.run_sync(doors.viewer, Request(scope))
            await self._app(scope, body.receive, answer.send)
        except Exception as error:
            if answer.status:
                raise  # half an answer is out: the connection ends
            said = answer_to(error)
            why, body.refused = body.refused, None
            if why is not None:
                said = problem(why.status, str(why), {"Connection": "close"})
            elif said is None:
                logger.exception("request failed", extra=values(route=_route(scope)))
                said = problem(500, "this should not happen; the log says more")
            await said(scope, receive, answer.send)

    def _refused(
        self, scope: Scope, headers: Headers
    ) -> tuple[int, str, dict[str, str]] | None:
        """Say why a request is not even looked at."""
        known = self._service.known_hosts
        if len(headers.getlist("host")) != 1 or _host(headers["host"]) not in known:
            return 421, "this host name is not served here; see --public-url", {}
        if self._there[doors.line_of(_address(scope))] > self._rules.most_by_address:
            return 429, "too many at once; try again", {"Retry-After": "2"}
        if self._there.total() > self._rules.most_at_once:
            return 503, "busy; try again", {"Retry-After": "2"}
        if scope["method"] not in doors.SAFE:
            origin = headers.get("origin")
            if headers.get("sec-fetch-site", "same-origin") not in (
                "same-origin",
                "none",
            ) or (origin is not None and _origin_host(origin) not in known):
                return 403, "another site may not send this", {}
        most = _most(scope, self._rules)
        length = headers.get("content-length", "0")
        if not length.isascii() or not length.isdigit() or int(length[:20]) > most:
            return 413, f"a request has at most {most} bytes", {"Connection": "close"}
        return None


class _Body:
    """The body of a request, neither too long nor too slow."""

    def __init__(
        self, scope: Scope, headers: Headers, receive: Receive, rules: GuardRules
    ) -> None:
        self._receive = receive
        self._most = _most(scope, rules)
        self._got = 0
        slow = 5 if self._most == rules.most_upload_bytes else 1
        self._deadline = time.monotonic() + slow * rules.body_seconds
        self._seconds = slow * rules.body_seconds
        self._ended = "content-length" not in headers and (
            "transfer-encoding" not in headers
        )
        self.refused: _RefusedError | None = None

    async def receive(self) -> Message:
        """Give the next piece."""
        if self._ended:  # only waits for the client to go
            return await self._receive()
        try:
            async with asyncio.timeout(self._deadline - time.monotonic()):
                message = await self._receive()
        except TimeoutError:
            self.refused = _RefusedError(
                408, f"the body did not come within {self._seconds:.0f} s"
            )
            raise self.refused from None
        if message["type"] == "http.request":
            self._got += len(message.get("body", b""))
            self._ended = not message.get("more_body", False)
            if self._got > self._most:
                self.refused = _RefusedError(
                    413, f"a request has at most {self._most} bytes"
                )
                raise self.refused
        return message


class _Answer:
    """What goes out, with the headers of the house."""

    def __init__(self, send: Send, *, lasting: bool) -> None:
        self._send = send
        self._lasting = lasting
        self.body: _Body | None = None
        self.status = 0
        self.size = 0

    async def send(self, message: Message) -> None:
        """Send a piece."""
        if message["type"] == "http.response.start":
            if self.body is not None and self.body.refused is not None:
                # what the application makes of half a body is not the answer
                raise self.body.refused
            self.status = message["status"]
            headers = MutableHeaders(scope=message)
            for name, value in HEADERS.items():
                headers[name] = value
            if self._lasting:
                headers["Strict-Transport-Security"] = LASTING
            if "cache-control" not in headers:
                headers["Cache-Control"] = "private, no-store"
            if "public" not in headers["Cache-Control"]:
                headers.add_vary_header("Cookie")
                headers.add_vary_header("Authorization")
        elif message["type"] == "http.response.body":
            self.size += len(message.get("body", b""))
        await self._send(message)


def house_headers(*, lasting: bool) -> list[tuple[bytes, bytes]]:
    """
    Give the headers of answers that no application makes.

    Parameters
    ----------
    lasting : bool
        True with TLS.

    Returns
    -------
    list of tuple of bytes
        For answers of the server itself, such as to what is no HTTP.
    """
    named = HEADERS | ({"Strict-Transport-Security": LASTING} if lasting else {})
    return [
        (name.lower().encode(), value.encode())
        for name, value in (named | {"Cache-Control": "no-store"}).items()
    ]


def _trust(
    scope: Scope,
    proxies: Iterable[ipaddress.IPv4Network | ipaddress.IPv6Network],
) -> bool:
    """Take address and scheme from a proxy that we know, and from nobody else."""
    client: tuple[str, int] | None = scope.get("client")
    if client is None or not _is_in(client[0], proxies):
        return False
    headers = Headers(scope=scope)
    told = [
        each.strip()
        for line in headers.getlist("x-forwarded-for")
        for each in line.split(",")
    ]
    # from the right: what stands left of a stranger may be invented by them
    for address in reversed(told):
        if not _is_address(address):
            break
        scope["client"] = (address, 0)
        if not _is_in(address, proxies):
            break
    schemes = headers.getlist("x-forwarded-proto")
    if len(schemes) == 1 and schemes[0].strip() in ("http", "https"):
        scope["scheme"] = schemes[0].strip()
    return True


def _address(scope: Scope) -> str:
    """Say from which address a request came."""
    client: tuple[str, int] | None = scope.get("client")
    return client[0] if client else ""


def _is_in(
    text: str, networks: Iterable[ipaddress.IPv4Network | ipaddress.IPv6Network]
) -> bool:
    """Say whether an address is in one of the networks."""
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return False
    return any(address in network for network in networks)


def _is_address(text: str) -> bool:
    """Say whether a text is an address."""
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def _host(value: str) -> str:
    """Give the host name of a ``Host`` header, without its port."""
    try:
        return (urlsplit(f"//{value}").hostname or "").lower()
    except ValueError:
        return ""


def _origin_host(origin: str) -> str:
    """Give the host name of an ``Origin`` header; ``null`` has none."""
    try:
        return (urlsplit(origin).hostname or "").lower()
    except ValueError:
        return ""


def _most(scope: Scope, rules: GuardRules) -> int:
    """Say how long the body of a request may be."""
    return rules.most_upload_bytes if _is_upload(scope) else rules.most_bytes


def _is_probe(scope: Scope) -> bool:
    """Say whether this machine asks itself whether it is well."""
    return scope["path"] == "/healthz" and _address(scope) in ("127.0.0.1", "::1")


def _is_upload(scope: Scope) -> bool:
    """Say whether files are sent."""
    path: str = scope["path"]
    return path.startswith("/api/uploads/")


def _route(scope: Scope) -> str:
    """Name the route that answers, not what stands in its address."""
    return getattr(scope.get("route"), "path", None) or "-"


def _tell(scope: Scope, answer: _Answer, seconds: float) -> None:
    """Log a request."""
    state: dict[str, Any] = scope.get("state", {})
    logger.info(
        "request",
        extra=values(
            method=scope["method"][:10],
            route=_route(scope),
            status=answer.status,
            ms=round(seconds * 1000, 1),
            size=answer.size,
            who=state.get("who", ""),
            address=_address(scope),
        ),
    )
