"""Mail: letters handed to an SMTP server so that one knows what became of each.

What matters is when the server became responsible for a letter. It does so with its
answer to the dot at the end (RFC 5321, 4.2.5 and 6.1): before the dot nothing was
taken, whatever breaks; between the dot and the answer nobody knows. So the caller is
asked to write down its intent after the text and before the dot, and the answer is
given back before anything else is said to the server.
"""

import contextlib
import smtplib
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Final, Self

from rsmonitor.errors import SettingsError
from rsmonitor.io.deliver.mail.server import ADDRESS, MailServer, Verdict
from rsmonitor.io.deliver.mail.smtp_session import (
    CLOSING,
    LostError,
    Session,
    open_session,
    trust,
)

_DONE, _FORWARDED, _GO_ON = 250, 251, 354
_TAKEN: Final = range(200, 300)
_TEMPORARY: Final = range(400, 500)
_PERMANENT: Final = range(500, 600)

_ABOUT_US: Final = frozenset({530, 534, 535, 538})
"""Replies that ask for another login and say nothing of the letter."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What became of one letter, and why."""

    verdict: Verdict
    """What."""

    said: str
    """The server's reply or our reason: one line, without secrets."""

    broken: bool = False
    """True where the connection broke over it."""


class Postman:
    """Hands letters to one server, over one connection as long as it holds.

    Nothing is connected before the first letter.

    Parameters
    ----------
    server : MailServer
        The server.

    Raises
    ------
    SettingsError
        If the sender is no mail address, or the authority's certificate cannot be
        used.
    """

    def __init__(self, server: MailServer) -> None:
        if not ADDRESS.fullmatch(server.sender):
            raise SettingsError(
                f"mail.sender must be a mail address of plain ASCII, got "
                f"{server.sender!r}"
            )
        self._server = server
        self._context = trust(server.ca)
        self._session: Session | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._session is not None and kind is None:
            with contextlib.suppress(smtplib.SMTPException, OSError, LostError):
                self._session.ask("QUIT")
        self._drop()

    def hand_over(
        self,
        recipient: str,
        *,
        letter: Callable[[int | None], bytes],
        intend: Callable[[], None],
    ) -> Answer:
        """
        Hand one letter over to the server.

        Parameters
        ----------
        recipient : str
            Mail address.
        letter : callable
            Takes the largest letter in bytes that the server takes, None where it does
            not say, and gives the letter: lines that end with CR and LF.
        intend : callable
            Is called when all but the last dot was sent: write down that the letter
            may be taken from now on. If it raises, the letter is not taken.

        Returns
        -------
        Answer
            Whatever the server or the network does, this is how it is said.
        """
        if not ADDRESS.fullmatch(recipient):
            return Answer(
                verdict=Verdict.REFUSED,
                said="the address is not plain ASCII; correct it in mail.recipients",
            )
        try:
            return self._hand_over(recipient, letter, intend)
        except LostError as lost:
            self._drop()
            return Answer(verdict=lost.verdict, said=lost.said, broken=True)
        except BaseException:
            # a connection that is cut before the dot leaves nothing behind
            self._drop()
            raise

    def _hand_over(
        self,
        recipient: str,
        letter: Callable[[int | None], bytes],
        intend: Callable[[], None],
    ) -> Answer:
        """Hand over, step by step."""
        session = self._ready()
        with session.bounded(self._server.policy.total_s):
            text = letter(session.largest)
            size = f" SIZE={len(text)}" if session.has_extn("size") else ""
            for command, wanted in (
                (f"MAIL FROM:<{self._server.sender}>{size}", {_DONE}),
                (f"RCPT TO:<{recipient}>", {_DONE, _FORWARDED}),
                ("DATA", {_GO_ON}),
            ):
                code, said = session.ask(command)
                if code not in wanted:
                    return self._declined(code, said, unclear=Verdict.POSTPONED)
            session.pour(text)
            intend()
            code, said = session.finish()
        if code in _TAKEN:
            return Answer(verdict=Verdict.ACCEPTED, said=said)
        return self._declined(code, said, unclear=Verdict.UNANSWERED)

    def _ready(self) -> Session:
        """Give a session that listens: servers tire of a long one."""
        if self._session is not None:
            with contextlib.suppress(LostError):
                if self._session.ask("RSET")[0] == _DONE:
                    return self._session
            self._drop()
        self._session = open_session(self._server, self._context)
        return self._session

    def _declined(self, code: int, said: str, *, unclear: Verdict) -> Answer:
        """Say what a reply means that is not the one that was hoped for."""
        if code in _ABOUT_US:
            return Answer(verdict=Verdict.UNWELCOME, said=said)
        if code in _PERMANENT:
            return Answer(verdict=Verdict.REFUSED, said=said)
        if code == CLOSING or code not in _TEMPORARY:
            self._drop()
        known = code in _TEMPORARY
        return Answer(verdict=Verdict.POSTPONED if known else unclear, said=said)

    def _drop(self) -> None:
        """Cut the connection."""
        session, self._session = self._session, None
        if session is not None:
            session.close()
