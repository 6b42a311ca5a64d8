"""Signatures for addresses that an archive does not serve openly."""

import contextlib
import threading
from datetime import UTC, datetime, timedelta
from typing import Final
from urllib.parse import urlsplit

from rsmonitor.errors import SourceError
from rsmonitor.interfaces import Clock
from rsmonitor.io.foundation.clock import SystemClock
from rsmonitor.io.foundation.http import Http, HttpPolicy
from rsmonitor.io.foundation.redaction import guard_logging, learn

PLANETARY_COMPUTER_TOKENS: Final = (
    "https://planetarycomputer.microsoft.com/api/sas/v1/token/sentinel-2-l2a"
)
"""Where Planetary Computer gives tokens for its Sentinel-2 scenes, without account."""

PLANETARY_COMPUTER_HOSTS: Final = (".blob.core.windows.net",)
"""Ends of the names of the hosts that take them."""

_EARLY: Final = timedelta(minutes=5)
_DEFAULT_LIFE: Final = timedelta(minutes=10)


class SasSigner:
    """Appends a shared access signature; to be the `sign` of `StacArchive`.

    Parameters
    ----------
    token_url : str, default PLANETARY_COMPUTER_TOKENS
        Answers ``{"token": "...", "msft:expiry": "..."}``.
    hosts : tuple of str, default PLANETARY_COMPUTER_HOSTS
        Ends of host names that get the token; no other host does.
    policy : HttpPolicy, optional
        Bounds of the request for a token.
    clock : Clock, optional
        Decides when a token is too old.
    """

    def __init__(
        self,
        token_url: str = PLANETARY_COMPUTER_TOKENS,
        *,
        hosts: tuple[str, ...] = PLANETARY_COMPUTER_HOSTS,
        policy: HttpPolicy | None = None,
        clock: Clock | None = None,
    ) -> None:
        guard_logging()
        self._url = token_url
        self._hosts = hosts
        self._clock = clock or SystemClock()
        self._http = Http(policy or HttpPolicy(), clock=self._clock)
        self._token = ""
        self._until = datetime.min.replace(tzinfo=UTC)
        self._lock = threading.Lock()

    def __call__(self, address: str) -> str:
        """
        Sign an address.

        Parameters
        ----------
        address : str
            Of an asset, without query.

        Returns
        -------
        str
            With a query that is secret; unchanged where the host is not one of
            `hosts`.

        Raises
        ------
        SourceError
            If there is no token to be had.
        """
        host = urlsplit(address).hostname or ""
        if not any(host.endswith(end) for end in self._hosts):
            return address
        with self._lock:
            if self._clock.now() >= self._until:
                self._renew()
            return f"{address}?{self._token}"

    def _renew(self) -> None:
        """Fetch a token."""
        answer = self._http.request("GET", self._url)
        said = answer.json()
        token, expiry = said.get("token"), said.get("msft:expiry")
        if not isinstance(token, str) or not token or not token.isprintable():
            raise SourceError(f"{answer.address} gives an answer without token")
        learn(token)
        until = self._clock.now() + _DEFAULT_LIFE
        if isinstance(expiry, str):
            with contextlib.suppress(ValueError):
                said_until = datetime.fromisoformat(expiry)
                if said_until.tzinfo is not None:
                    until = said_until.astimezone(UTC)
        self._token, self._until = token.lstrip("?"), until - _EARLY
