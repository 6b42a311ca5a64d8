"""The package `sentinelhub` made to send by our own means, and its credentials.

See `rsmonitor.io.sources.sentinelhub` for what is wrong with its own.
"""

import json
import logging
import math
import os
import re
import stat
import threading
import time
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from sentinelhub.api.catalog import CatalogSearchIterator
from sentinelhub.config import SHConfig
from sentinelhub.download.models import DownloadRequest, DownloadResponse
from sentinelhub.download.sentinelhub_client import SentinelHubDownloadClient
from sentinelhub.download.session import SentinelHubSession

from rsmonitor.errors import SettingsError, SourceError
from rsmonitor.io.foundation.http import Answer, Http
from rsmonitor.io.foundation.redaction import learn, redact

logger = logging.getLogger(__name__)

ID_VARIABLE: Final = "RSMONITOR_SH_CLIENT_ID"
"""Environment variable of the OAuth client's id."""

SECRET_VARIABLE: Final = "RSMONITOR_SH_CLIENT_SECRET"  # noqa: S105 - its name
"""Environment variable of the OAuth client's secret."""

_MAX_PAGES: Final = 200
_UNAUTHORIZED: Final = 401
_RENEW_BEFORE_S: Final = 60.0
_DEFAULT_LIFE_S: Final = 300.0
_LONGEST_CREDENTIALS: Final = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """An OAuth client of the service."""

    client_id: str = field(repr=False)
    """Its id."""

    client_secret: str = field(repr=False)
    """Its secret; known to the redaction from here on."""

    def __post_init__(self) -> None:
        learn(self.client_secret)
        learn(self.client_id)


def read_credentials(
    file: Path | None = None, environment: Mapping[str, str] | None = None
) -> Credentials:
    """
    Read an OAuth client from the environment, or else from a private file.

    Parameters
    ----------
    file : Path, optional
        TOML with ``client_id`` and ``client_secret``; mode 0600.
    environment : mapping of str to str, optional
        Instead of the process's own.

    Returns
    -------
    Credentials
        The environment's if both variables are set.

    Raises
    ------
    SettingsError
        If there is none, or the file may be read by others; never with a secret in
        the message.
    """
    variables = os.environ if environment is None else environment
    found = {
        "client_id": variables.get(ID_VARIABLE, ""),
        "client_secret": variables.get(SECRET_VARIABLE, ""),
    }
    said = f"the environment ({ID_VARIABLE}, {SECRET_VARIABLE})"
    if file is not None and not all(found.values()):
        found, said = _private_toml(file), str(file)
    for name in ("client_id", "client_secret"):
        value = found.get(name)
        if not isinstance(value, str) or not value.strip() or not value.isprintable():
            raise SettingsError(
                f"{said} holds no {name}: set {ID_VARIABLE} and {SECRET_VARIABLE}, or "
                "name a file of mode 0600 that holds client_id and client_secret"
            )
    return Credentials(
        client_id=found["client_id"].strip(),
        client_secret=found["client_secret"].strip(),
    )


def _private_toml(file: Path) -> dict[str, Any]:
    """Read a TOML file that only its owner may read."""
    problem = ""
    try:
        with file.open("rb") as opened:
            # of the open file, so that it cannot be exchanged in between
            status = os.fstat(opened.fileno())
            mode = stat.S_IMODE(status.st_mode)
            if not stat.S_ISREG(status.st_mode) or mode & 0o177:
                raise SettingsError(
                    f"{file} has mode {mode:04o}; a file with a secret must be a "
                    f"regular file of mode 0600: chmod 600 {file}"
                )
            if status.st_uid not in {os.geteuid(), 0}:
                raise SettingsError(f"{file} belongs to another user; use your own")
            return tomllib.loads(opened.read(_LONGEST_CREDENTIALS).decode())
    except OSError as error:
        problem = f"cannot be read: {error.strerror}"
    except ValueError:
        problem = 'is not TOML such as client_id = "..."'
    # outside the handler: a parser's error may quote the secret
    raise SettingsError(f"{file} {problem}")


class CatalogPages(CatalogSearchIterator):
    """The package's paging, with an end."""

    def _fetch_features(self) -> Iterable[Any]:
        """Read one page; refuse a ``next`` that was there before."""
        before = self.next
        found = super()._fetch_features()
        self._seen: set[str] = getattr(self, "_seen", set())
        if not self.finished:
            token = json.dumps(self.next, sort_keys=True)
            if token in self._seen or self.next == before:
                raise SourceError(f"{self.url}: the pages of the search go in a circle")
            self._seen.add(token)
            if len(self._seen) >= _MAX_PAGES:
                raise SourceError(
                    f"{self.url}: more than {_MAX_PAGES} pages; search a shorter time"
                )
        if not isinstance(found, list):
            raise TypeError("features is not a list")
        return found

    def items(self) -> Iterator[Any]:
        """Give every item, or say that the answer is no page."""
        problem = ""
        try:
            yield from self
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            problem = redact(f"{type(error).__name__}: {error}")
        if problem:
            raise SourceError(f"{self.url}: the answer is no page of items: {problem}")


class TokenSession(SentinelHubSession):
    """A token, fetched when it is first needed, and again before it expires."""

    def __init__(self, config: SHConfig, http: Http) -> None:
        # the parent's constructor would already ask for a token, without a time-out
        self.config = config
        self.refresh_before_expiry = _RENEW_BEFORE_S
        self._http = http
        self._token = {"access_token": "", "expires_at": 0.0}
        self._lock = threading.Lock()

    @property
    def token(self) -> dict[str, Any]:
        """A token that will live a while."""
        with self._lock:
            return super().token

    def renew(self, refused: str) -> None:
        """Fetch a new token, unless another thread did so in the meantime."""
        with self._lock:
            if self._token["access_token"] == refused:
                self._token = self._collect_new_token()

    def _collect_new_token(self) -> dict[str, Any]:
        """Ask for a token by our own means."""
        answer = self._http.request(
            "POST",
            self.config.sh_token_url,
            form={
                "grant_type": "client_credentials",
                "client_id": self.config.sh_client_id,
                "client_secret": self.config.sh_client_secret,
            },
            headers={"Accept": "application/json"},
        )
        if not answer.ok:
            raise SourceError(
                f"{answer.address} gives no token ({answer.status}: {answer.said!r}): "
                f"check {ID_VARIABLE} and {SECRET_VARIABLE}"
            )
        said = answer.json()
        token, life = said.get("access_token"), said.get("expires_in", _DEFAULT_LIFE_S)
        if not isinstance(token, str) or not re.fullmatch(r"[\x21-\x7e]+", token):
            raise SourceError(f"{answer.address} gives an answer without access_token")
        learn(token)
        known = isinstance(life, int | float) and 0 < life < math.inf
        life = float(life) if known else _DEFAULT_LIFE_S
        # a token that lives a minute is not renewed before every request
        self.refresh_before_expiry = min(_RENEW_BEFORE_S, life / 4)
        return {"access_token": token, "expires_at": time.time() + life}


class BoundedClient(SentinelHubDownloadClient):
    """The package's client with another way of sending."""

    def __init__(self, config: SHConfig, session: TokenSession, http: Http) -> None:
        super().__init__(session=session, config=config)
        self._renewing = session
        self._http = http

    def answer_to(self, request: DownloadRequest) -> Answer:
        """Send a request with a token; with a new one, once, if that is refused."""
        token = self._renewing.token["access_token"]
        answer = self._send(request, token)
        if answer.status == _UNAUTHORIZED:
            logger.info("%s: the token is refused, fetching a new one", request.url)
            self._renewing.renew(token)
            answer = self._send(request, self._renewing.token["access_token"])
        return answer

    def _send(self, request: DownloadRequest, token: str) -> Answer:
        """Send a request once more or less, as the policy says."""
        return self._http.request(
            request.request_type.value,
            str(request.url),
            headers={**request.headers, "Authorization": f"Bearer {token}"},
            body=request.post_values,
        )

    def _execute_download(self, request: DownloadRequest) -> DownloadResponse:
        """Do what the package asks for, our way; the catalogue comes through here."""
        answer = self.answer_to(request)
        answer.json()  # refuses all but an object, which every answer should be
        return DownloadResponse(
            request=request,
            content=answer.content,
            headers=dict(answer.headers),
            status_code=answer.status,
        )


def require_safe(address: str) -> str:
    """Refuse to send a secret in the clear, except to this machine."""
    parts = urlsplit(address)
    here = parts.hostname in {"127.0.0.1", "::1", "localhost"}
    if parts.scheme != "https" and not (parts.scheme == "http" and here):
        raise SettingsError(
            f"{redact(address)!r} is not an https address: a secret is not sent in "
            "the clear"
        )
    if parts.username is not None or parts.query:
        raise SettingsError("an address of Sentinel Hub holds no user and no query")
    return address.rstrip("/")
