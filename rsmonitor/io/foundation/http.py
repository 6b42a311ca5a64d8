"""HTTP that ends: every request is bounded in time, bytes and attempts.

What `requests` leaves open is closed here: no default time-out, a time-out that a
server defeats by sending a byte now and then, passwords taken from ``.netrc``,
redirects that carry a request to another host, and ``Retry-After``, which services
write as seconds, as milliseconds, as a date, or not at all.
"""

import json
import logging
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import urljoin, urlsplit

import requests
import urllib3.exceptions

from rsmonitor.errors import ContractError, SourceError, SourceUnreachableError
from rsmonitor.interfaces import Clock
from rsmonitor.io.foundation.clock import SystemClock
from rsmonitor.io.foundation.redaction import redact, redact_address

logger = logging.getLogger(__name__)

RETRIED: Final = frozenset(
    {
        HTTPStatus.REQUEST_TIMEOUT,
        HTTPStatus.TOO_EARLY,
        HTTPStatus.TOO_MANY_REQUESTS,
        HTTPStatus.INTERNAL_SERVER_ERROR,
        HTTPStatus.BAD_GATEWAY,
        HTTPStatus.SERVICE_UNAVAILABLE,
        HTTPStatus.GATEWAY_TIMEOUT,
    }
)
"""Answers after which the same request may succeed."""

_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
_MOST_REDIRECTS: Final = 3
_CHUNK_BYTES: Final = 1 << 16
_SAID_CHARACTERS: Final = 200
_LONGEST_HEADER: Final = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpPolicy:
    """How long, how often and how much is asked of a service."""

    connect_timeout_s: float = 10.0
    """Seconds until a connection must stand."""

    read_timeout_s: float = 60.0
    """Seconds without a byte before an answer is given up."""

    total_s: float = 300.0
    """Seconds for one request with all its attempts and pauses."""

    attempts: int = 5
    """How often a request is sent at most."""

    first_pause_s: float = 1.0
    """Seconds before the second attempt; doubled before each further one."""

    longest_pause_s: float = 60.0
    """Seconds; a service that asks for a longer pause is given up at once."""

    max_bytes: int = 256 << 20
    """Bytes of one answer, decoded; a longer one is refused."""

    requests_per_minute: float = 250.0
    """Our own limit, below the service's."""

    def __post_init__(self) -> None:
        for name in (
            "connect_timeout_s",
            "read_timeout_s",
            "total_s",
            "first_pause_s",
            "longest_pause_s",
            "requests_per_minute",
        ):
            value = getattr(self, name)
            if not 0 < value < float("inf"):
                raise ContractError(f"HttpPolicy.{name} must be positive, got {value}")
        if self.attempts < 1 or self.max_bytes < 1:
            raise ContractError(
                "HttpPolicy needs at least one attempt and one byte, got "
                f"{self.attempts} and {self.max_bytes}"
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a service said at last."""

    status: int
    """HTTP status."""

    headers: Mapping[str, str]
    """By name in lower case."""

    content: bytes
    """The whole body, decoded; never a part of it."""

    address: str
    """What was asked, without secrets."""

    attempts: int
    """How often it was asked."""

    @property
    def ok(self) -> bool:
        """True where the status says so."""
        return HTTPStatus.OK <= self.status < HTTPStatus.MULTIPLE_CHOICES

    @property
    def said(self) -> str:
        """The beginning of the body, redacted, for a message."""
        text = self.content[: 4 * _SAID_CHARACTERS].decode(errors="replace")
        return redact(" ".join(text.split()))[:_SAID_CHARACTERS]

    def json(self) -> dict[str, Any]:
        """
        Read the body as a JSON object.

        Returns
        -------
        dict
            The object.

        Raises
        ------
        SourceError
            If the status is not 2xx, or the body is anything else, such as the HTML
            page of a proxy.
        """
        self.require_ok()
        try:
            found = json.loads(self.content)
        except (ValueError, RecursionError):
            found = None
        if not isinstance(found, dict):
            raise SourceError(
                f"{self.address} answered {self.status} without a JSON object: "
                f"{self.said!r}; a proxy or a sign-in page may stand in between"
            )
        return found

    def require_ok(self) -> None:
        """
        Do nothing if the status is 2xx.

        Raises
        ------
        SourceError
            If not; the message holds the status and what the service said.
        """
        if not self.ok:
            raise SourceError(
                f"{self.address} answered {self.status}: {self.said or 'nothing'!r}"
            )


def retry_after(header: str | None, *, now: datetime, longest_s: float) -> float | None:
    """
    Read how long a service asks to wait.

    RFC 9110 has whole seconds or a date; Sentinel Hub documents milliseconds. No
    header says which, so a number up to `longest_s` is taken as seconds and a greater
    one as milliseconds: the error is then a pause that is too long but bearable, or
    one that the growing pauses of `Http` correct.

    Parameters
    ----------
    header : str or None
        The value of ``Retry-After``.
    now : datetime
        The present instant, UTC, for dates.
    longest_s : float
        Longest pause that would be made, seconds.

    Returns
    -------
    float or None
        Seconds, not negative; None if the header is missing or says nothing.

    Examples
    --------
    >>> from datetime import UTC, datetime
    >>> now = datetime(2026, 11, 24, 8, 0, 0, tzinfo=UTC)
    >>> retry_after("2", now=now, longest_s=60)
    2.0
    >>> retry_after("2500", now=now, longest_s=60)
    2.5
    >>> retry_after("Tue, 24 Nov 2026 08:00:07 GMT", now=now, longest_s=60)
    7.0
    >>> retry_after("soon", now=now, longest_s=60)
    """
    if header is None or len(header) > _LONGEST_HEADER:
        return None
    text = header.strip()
    try:
        number = float(text)
    except ValueError:
        return _until(text, now=now)
    if not 0 <= number < float("inf"):
        return None
    return number if number <= longest_s else number / 1000


def _until(text: str, *, now: datetime) -> float | None:
    """Give the seconds until an HTTP date; None if it is none."""
    try:
        then = parsedate_to_datetime(text)
    except (ValueError, TypeError, OverflowError):
        return None
    if then.tzinfo is None:
        then = then.replace(tzinfo=UTC)
    return max(0.0, (then - now).total_seconds())


class RateLimiter:
    """Spaces what costs something evenly, for all threads of a process.

    Parameters
    ----------
    per_minute : float
        How much may be spent in a minute.
    monotonic : callable, default time.monotonic
        Seconds that never go back.
    sleep : callable, default time.sleep
        Waits for seconds.
    """

    def __init__(
        self,
        per_minute: float,
        *,
        monotonic: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._seconds_each = 60 / per_minute
        self._monotonic = monotonic
        self._sleep = sleep
        self._free_at = 0.0
        self._lock = threading.Lock()

    def wait(self, cost: float = 1.0) -> None:
        """
        Wait for a turn, and take it.

        Parameters
        ----------
        cost : float, default 1
            How much the turn spends; whoever comes next waits for it.
        """
        with self._lock:
            now = self._monotonic()
            turn = max(now, self._free_at)
            self._free_at = turn + cost * self._seconds_each
        if turn > now:
            self._sleep(turn - now)

    def hold(self, seconds: float) -> None:
        """
        Let nobody have a turn for a while, because the service asked for it.

        Parameters
        ----------
        seconds : float
            From now.
        """
        with self._lock:
            self._free_at = max(self._free_at, self._monotonic() + seconds)


@dataclass(frozen=True, slots=True)
class _Failure:
    """Why an attempt did not count, and how long the service asks to wait."""

    why: str
    pause_s: float | None = None
    final: bool = False


class Http:
    """A session with one service.

    Parameters
    ----------
    policy : HttpPolicy
        Bounds of every request.
    clock : Clock, optional
        The present, for ``Retry-After`` dates.
    headers : mapping of str to str, optional
        Sent with every request, such as a user agent.
    """

    def __init__(
        self,
        policy: HttpPolicy,
        *,
        clock: Clock | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        self.policy = policy
        self._clock = clock or SystemClock()
        self._limiter = RateLimiter(policy.requests_per_minute)
        self._session = requests.Session()
        self._session.headers.update(headers or {})
        # else requests takes a password for the host out of ~/.netrc
        self._session.auth = _unchanged

    def request(
        self,
        method: str,
        address: str,
        *,
        headers: Mapping[str, str] | None = None,
        params: Mapping[str, Any] | None = None,
        form: Mapping[str, str] | None = None,
        body: Any = None,  # noqa: ANN401 - whatever JSON can say
    ) -> Answer:
        """
        Ask until there is an answer that asking again would not change.

        POST is repeated too: searches and renderings change nothing.

        Parameters
        ----------
        method : str
            ``GET`` or ``POST``.
        address : str
            Where.
        headers : mapping of str to str, optional
            More headers.
        params : mapping, optional
            Query.
        form : mapping of str to str, optional
            Body as a form.
        body : object, optional
            Body as JSON.

        Returns
        -------
        Answer
            With any status that repeating would not help; the caller looks at it.

        Raises
        ------
        SourceUnreachableError
            If there was no such answer within the policy's attempts and seconds, or
            the service asked for a longer pause than the policy allows.
        SourceError
            If the address cannot be asked, redirects to another host, or sends more
            bytes than the policy allows.
        """
        deadline = time.monotonic() + self.policy.total_s
        shown = redact_address(address)
        pause = self.policy.first_pause_s
        attempt = 0
        while True:
            attempt += 1
            self._limiter.wait()
            got = self._attempt(
                requests.Request(
                    method,
                    address,
                    headers=dict(headers or {}),
                    params=dict(params or {}),
                    data=dict(form) if form is not None else None,
                    json=body,
                ),
                shown=shown,
                attempt=attempt,
                deadline=deadline,
            )
            if isinstance(got, Answer):
                return got
            wanted = max(pause, got.pause_s or 0.0)
            if (
                got.final
                or attempt >= self.policy.attempts
                or wanted > self.policy.longest_pause_s
                or time.monotonic() + wanted > deadline
            ):
                raise SourceUnreachableError(
                    f"{shown} cannot be reached: {got.why}; gave up after {attempt} "
                    f"of {self.policy.attempts} attempts"
                    + (f", asked to wait {wanted:.0f} s" if got.pause_s else "")
                )
            logger.info(
                "%s: %s; attempt %d in %.1f s", shown, got.why, attempt + 1, wanted
            )
            self._limiter.hold(wanted)
            pause = min(2 * pause, self.policy.longest_pause_s)

    def _attempt(
        self,
        request: requests.Request,
        *,
        shown: str,
        attempt: int,
        deadline: float,
    ) -> Answer | _Failure:
        """Send a request once."""
        refused: SourceError | None = None
        try:
            for _ in range(_MOST_REDIRECTS + 1):
                with self._send(request) as response:
                    if response.status_code in _REDIRECTS:
                        request = self._followed(request, response, shown=shown)
                        continue
                    return self._read(
                        response, shown=shown, attempt=attempt, deadline=deadline
                    )
            return _Failure("it redirects in a circle", final=True)
        except (
            requests.exceptions.InvalidURL,
            requests.exceptions.InvalidSchema,
            requests.exceptions.MissingSchema,
            requests.exceptions.InvalidHeader,
            UnicodeError,
        ):
            refused = SourceError(f"{shown!r} is not an address that can be asked")
        except requests.exceptions.SSLError as error:
            return _Failure(f"its certificate is refused: {_reason(error)}", final=True)
        except (
            requests.exceptions.RequestException,
            urllib3.exceptions.HTTPError,
            OSError,
        ) as error:
            return _Failure(_reason(error))
        # outside the handler: the original error may hold a secret
        raise refused

    def _send(self, request: requests.Request) -> requests.Response:
        """Send a request and read the head of its answer."""
        prepared = self._session.prepare_request(request)
        settings = self._session.merge_environment_settings(
            prepared.url or "", proxies={}, stream=True, verify=None, cert=None
        )
        return self._session.send(
            prepared,
            timeout=(self.policy.connect_timeout_s, self.policy.read_timeout_s),
            allow_redirects=False,
            **settings,
        )

    def _followed(
        self, request: requests.Request, response: requests.Response, *, shown: str
    ) -> requests.Request:
        """Give the request that a redirect asks for, on the same host only."""
        target = urljoin(response.url, response.headers.get("Location", ""))
        here, there = urlsplit(response.url), urlsplit(target)
        if (here.scheme, here.netloc) != (there.scheme, there.netloc) or (
            request.method != "GET" and response.status_code in {301, 302, 303}
        ):
            raise SourceError(
                f"{shown} redirects to {redact_address(target)}: only a redirect on "
                "the same host is followed; set the final address"
            )
        return requests.Request(
            request.method,
            target,
            headers=request.headers,
            data=request.data,
            json=request.json,
        )

    def _read(
        self,
        response: requests.Response,
        *,
        shown: str,
        attempt: int,
        deadline: float,
    ) -> Answer | _Failure:
        """Read the whole body within time and size; a part of it is no answer."""
        if response.status_code in RETRIED:
            return _Failure(
                f"answered {response.status_code}",
                retry_after(
                    response.headers.get("Retry-After"),
                    now=self._clock.now(),
                    longest_s=self.policy.longest_pause_s,
                ),
            )
        content = bytearray()
        while chunk := response.raw.read1(_CHUNK_BYTES, decode_content=True):
            content += chunk
            if len(content) > self.policy.max_bytes:
                raise SourceError(
                    f"{shown} sends more than {self.policy.max_bytes} bytes: refused"
                )
            if time.monotonic() > deadline:
                return _Failure(
                    f"sent {len(content)} bytes in {self.policy.total_s:.0f} s and "
                    "was not done",
                    final=True,
                )
        return Answer(
            status=response.status_code,
            headers={name.lower(): text for name, text in response.headers.items()},
            content=bytes(content),
            address=shown,
            attempts=attempt,
        )


def _unchanged(prepared: requests.PreparedRequest) -> requests.PreparedRequest:
    """Add no credentials to a request."""
    return prepared


def _reason(error: BaseException) -> str:
    """Say what went wrong on the way, without addresses and secrets."""
    if isinstance(error, requests.exceptions.ConnectTimeout):
        return "no connection in time"
    if isinstance(error, requests.exceptions.Timeout | urllib3.exceptions.TimeoutError):
        return "no answer in time"
    cause = getattr(error.args[0], "reason", None) if error.args else None
    text = str(cause or error)
    return redact(f"{type(error).__name__}: {text.split(': ', 1)[-1]}")[
        :_SAID_CHARACTERS
    ]
