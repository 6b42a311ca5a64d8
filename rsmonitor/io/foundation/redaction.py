"""Secrets kept out of logs, errors and whatever is stored.

Two nets: what is known to be secret is replaced wherever it stands, and what has the
shape of a secret (a bearer token, a signed query string, a password in an address) is
replaced even if nobody said so.
"""

import logging
import re
import threading
import traceback
from typing import Any, Final
from urllib.parse import parse_qsl, quote, quote_plus, urlsplit, urlunsplit

HIDDEN: Final = "***"
"""What stands where a secret stood."""

_SHORTEST_SECRET: Final = 6
"""Replacing a shorter text everywhere would make logs unreadable."""

_TELLTALES: Final = (
    "access_token|refresh_token|id_token|client_secret|client_assertion|password"
    "|passwd|secret|api[_-]?key|subscription-key|token|sig|signature|se|skoid|sktid"
    "|awsaccesskeyid|x-amz-[a-z-]+|x-goog-[a-z-]+|authorization|key-pair-id|policy"
)
"""Names of parameters and members whose value is a secret or part of a signature."""

_TELLTALE: Final = re.compile(rf"^(?:{_TELLTALES})$", re.IGNORECASE)

_SHAPES: Final = (
    (re.compile(r"(?i)\b(bearer|basic)\s+[\w.~+/=-]{6,}"), rf"\1 {HIDDEN}"),
    (re.compile(r"\beyJ[\w-]{5,}\.[\w-]+(?:\.[\w-]*)?"), HIDDEN),
    (re.compile(r"(\w://)[^/\s@'\"?#]+@"), rf"\1{HIDDEN}@"),
    (
        re.compile(rf"(?i)(?<![\w-])({_TELLTALES})=[^&\s'\"<>)\]]+"),
        rf"\1={HIDDEN}",
    ),
    (
        re.compile(rf"(?i)(['\"](?:{_TELLTALES})['\"]\s*[:,]\s*b?)(['\"])[^'\"]*\2"),
        rf"\1\2{HIDDEN}\2",
    ),
)
"""What secrets look like, and what is left of them."""

_TALKATIVE: Final = ("requests_oauthlib", "oauthlib")
"""Loggers that print whole credentials at DEBUG."""

_known: set[str] = set()
_lock = threading.Lock()


def learn(secret: str) -> None:
    """
    Hide a text from now on, wherever `redact` meets it.

    Parameters
    ----------
    secret : str
        A client secret, a token, a key. One shorter than six characters is only
        hidden where its name gives it away.
    """
    if len(secret) >= _SHORTEST_SECRET:
        with _lock:
            _known.update((secret, quote(secret, safe=""), quote_plus(secret)))


def redact(text: str) -> str:
    """
    Replace secrets in a text by ``***``.

    Parameters
    ----------
    text : str
        Anything: a message, an address, a traceback.

    Returns
    -------
    str
        The same without what `learn` was told and what looks like a secret.

    Examples
    --------
    >>> redact("GET https://me:pw@host/a.tif?v=2&sig=abc%3D HTTP/1.1")
    'GET https://***@host/a.tif?v=2&sig=*** HTTP/1.1'
    >>> redact("{'Authorization': 'Bearer abcdef.ghi'}")
    "{'Authorization': '***'}"
    """
    with _lock:
        known = sorted(_known, key=len, reverse=True)
    for secret in known:
        text = text.replace(secret, HIDDEN)
    for shape, left in _SHAPES:
        text = shape.sub(left, text)
    return text


def redact_address(address: str) -> str:
    """
    Give an address as it may stand in a message: no user, no query, no fragment.

    Parameters
    ----------
    address : str
        An address; GDAL's prefixes such as ``/vsicurl/`` are kept.

    Returns
    -------
    str
        Scheme, host and path.

    Examples
    --------
    >>> redact_address("https://me:pw@host:8080/a/b.tif?sig=abc#x")
    'https://host:8080/a/b.tif'
    """
    return redact(_parts_without(address, query=""))


def without_credentials(address: str) -> str:
    """
    Give an address that may be stored: no user, and no query that is signed.

    Parameters
    ----------
    address : str
        As an archive gave it.

    Returns
    -------
    str
        The address. A query is kept only if none of its names is that of a secret;
        what was signed must be signed again before use.

    Examples
    --------
    >>> without_credentials("https://host/a.tif?version=3")
    'https://host/a.tif?version=3'
    >>> without_credentials("https://host/a.tif?st=1&sig=abc")
    'https://host/a.tif'
    """
    query = _query(address)
    names = [name for name, _ in parse_qsl(query, keep_blank_values=True)]
    signed = any(_TELLTALE.match(name) for name in names)
    return _parts_without(address, query="" if signed else query)


def guard_logging() -> None:
    """
    Redact every log record of this process as it is made, whoever handles it.

    A filter on a logger does not see the records of its children, and one on a
    handler does not help the next handler. Repeating the call does nothing more.
    """
    for name in _TALKATIVE:
        logging.getLogger(name).setLevel(logging.WARNING)
    with _lock:
        make = logging.getLogRecordFactory()
        if not isinstance(make, _RedactingFactory):
            logging.setLogRecordFactory(_RedactingFactory(make))


class RedactingFilter(logging.Filter):
    """A filter for one handler, where `guard_logging` cannot be used."""

    def filter(self, record: logging.LogRecord) -> bool:
        """
        Redact a record in place.

        Parameters
        ----------
        record : logging.LogRecord
            Any record.

        Returns
        -------
        bool
            Always True: nothing is dropped.
        """
        _redact_record(record)
        return True


class _RedactingFactory:
    """Makes log records without secrets."""

    def __init__(self, make: Any) -> None:  # noqa: ANN401 - logging says no more
        self._make = make

    def __call__(self, *args: Any, **kwargs: Any) -> logging.LogRecord:  # noqa: ANN401
        """Make one record."""
        record: logging.LogRecord = self._make(*args, **kwargs)
        _redact_record(record)
        return record


def _redact_record(record: logging.LogRecord) -> None:
    """Replace a record's message and traceback by redacted text."""
    try:
        said = record.getMessage()
    except (TypeError, ValueError, KeyError):  # wrong arguments: still no secret out
        said = f"{record.msg} {record.args}"
    record.msg, record.args = redact(said), None
    if isinstance(record.exc_info, tuple) and record.exc_info[0] is not None:
        record.exc_text = redact("".join(traceback.format_exception(*record.exc_info)))
        record.exc_info = None


def _parts_without(address: str, *, query: str) -> str:
    """Put an address together again without user and fragment, with another query."""
    prefix, _, bare = address.rpartition("/vsi") if "/vsi" in address else ("", "", "")
    if bare:  # GDAL's name of an address: /vsicurl/https://...
        driver, _, bare = bare.partition("/")
        prefix, address = f"{prefix}/vsi{driver}/", bare
    try:
        parts = urlsplit(address)
    except ValueError:  # not an address: nothing behind a sign that may hold a secret
        return prefix + re.split(r"[?#]", address.rpartition("@")[2])[0]
    host = parts.netloc.rpartition("@")[2]
    return prefix + str(urlunsplit((parts.scheme, host, parts.path, query, "")))


def _query(address: str) -> str:
    """Give the query of an address."""
    try:
        return str(urlsplit(address).query)
    except ValueError:
        return ""
