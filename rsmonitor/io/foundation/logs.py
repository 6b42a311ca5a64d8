"""Structured logs: a line of JSON for each event, with the run's id, and no secrets."""

import contextlib
import json
import logging
from collections.abc import Iterator, Mapping
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any, Final, TextIO

from rsmonitor.io.foundation.redaction import HIDDEN, guard_logging, redact

_PACKAGE: Final = "rsmonitor"
_ATTRIBUTE: Final = "rsmonitor_values"
_LINE_CHARACTERS: Final = 2000

_run_id: ContextVar[str] = ContextVar("run_id", default="")


@contextlib.contextmanager
def run_named(run_id: str) -> Iterator[None]:
    """
    Give every line that is logged meanwhile the id of a run.

    Parameters
    ----------
    run_id : str
        The id.

    Yields
    ------
    None
        To the work.
    """
    token = _run_id.set(run_id)
    try:
        yield
    finally:
        _run_id.reset(token)


def values(**named: object) -> Mapping[str, Any]:
    """
    Give what a log line says beside its event.

    Parameters
    ----------
    **named : object
        JSON values by name.

    Returns
    -------
    mapping
        For ``extra=`` of a logger's methods.

    Examples
    --------
    >>> logging.getLogger("rsmonitor.x").debug("job ended", extra=values(code=0))
    """
    return {_ATTRIBUTE: named}


class JsonLines(logging.Formatter):
    """Writes a record as one line of JSON without secrets."""

    def format(self, record: logging.LogRecord) -> str:
        """
        Write a record.

        Parameters
        ----------
        record : logging.LogRecord
            Any record.

        Returns
        -------
        str
            One line: ``at``, ``level``, ``logger``, ``event``, ``run_id`` where there
            is one, then what `values` was given.
        """
        at = datetime.fromtimestamp(record.created, UTC)
        line: dict[str, Any] = {
            "at": at.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "event": _plain(record.getMessage()),
        }
        if run_id := _run_id.get():
            line["run_id"] = run_id
        named: Mapping[str, Any] = getattr(record, _ATTRIBUTE, {})
        line |= {key: _named(key, value) for key, value in named.items()}
        trace = record.exc_text
        if trace is None and record.exc_info:
            trace = self.formatException(record.exc_info)
        if trace:
            line["trace"] = redact(trace)
        return json.dumps(line, ensure_ascii=False, default=str)


@contextlib.contextmanager
def logged_to(stream: TextIO, level: int = logging.INFO) -> Iterator[None]:
    """
    Write what rsmonitor logs as lines of JSON.

    Parameters
    ----------
    stream : text stream
        Where to, such as ``sys.stderr``.
    level : int, default INFO
        What is less is left out.

    Yields
    ------
    None
        While it is written.
    """
    guard_logging()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(JsonLines())
    logger = logging.getLogger(_PACKAGE)
    before = logger.level
    logger.addHandler(handler)
    logger.setLevel(level)
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.setLevel(before)


def _named(key: str, value: object) -> object:
    """Give a value without secrets; the name of some gives them away."""
    telltale = HIDDEN in redact(f"'{key}': 'x'")
    return HIDDEN if telltale and value is not None else _plain(value)


def _plain(value: object) -> object:
    """Give a JSON value without secrets, not too long."""
    if isinstance(value, str):
        return redact(value)[:_LINE_CHARACTERS]
    if isinstance(value, Mapping):
        return {str(key): _named(str(key), each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    if value is None or isinstance(value, bool | int | float):
        return value
    return redact(str(value))[:_LINE_CHARACTERS]
