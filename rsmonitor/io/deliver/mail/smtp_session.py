"""One connection to a mail server: encrypted, trusted and logged in, or none at all.

The password goes over the wire after TLS was verified and nowhere else: not into a log
at any level, not into an error, and no exception of `smtplib`, which may quote what was
sent, leaves this module.
"""

import contextlib
import logging
import re
import smtplib
import socket
import ssl
import threading
import unicodedata
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NoReturn

from rsmonitor.errors import SettingsError
from rsmonitor.io.deliver.mail.server import Login, MailServer, Verdict
from rsmonitor.io.foundation.redaction import redact

logger = logging.getLogger(__name__)

CLOSING: Final = 421
"""The server hangs up."""

_READY, _DONE, _LOGGED_IN = 220, 250, frozenset({235, 503})
_MECHANISMS: Final = ("PLAIN", "LOGIN", "CRAM-MD5")
_CHUNK_BYTES: Final = 1 << 16
_SAID_CHARACTERS: Final = 300
_LINE_CHARACTERS: Final = 200
_PERSON: Final = re.compile(r"[^\s<>:'\"]+@")

_BROKEN: Final = (smtplib.SMTPException, OSError, ValueError)
"""What talking to a server may raise; ValueError: an answer that is no base64."""

_PASSING: Final = (ssl.SSLEOFError, ssl.SSLSyscallError, ssl.SSLZeroReturnError)
"""What breaks a handshake although nothing is wrong with the server."""


class LostError(Exception):
    """A connection that is of no use any more.

    Parameters
    ----------
    verdict : Verdict
        What that means for the letter.
    said : str
        Why: one line, without secrets.
    """

    def __init__(self, verdict: Verdict, said: str) -> None:
        super().__init__(said)
        self.verdict = verdict
        self.said = said


def trust(ca: Path | None) -> ssl.SSLContext:
    """
    Say which servers are trusted.

    Parameters
    ----------
    ca : Path or None
        PEM file of the only authority; None for those that the machine trusts.

    Returns
    -------
    ssl.SSLContext
        It checks certificate and name, and speaks TLS 1.2 or later.

    Raises
    ------
    SettingsError
        If the file cannot be used.
    """
    try:
        context = ssl.create_default_context(cafile=None if ca is None else str(ca))
    except OSError as error:  # an ssl.SSLError is one
        raise SettingsError(
            f"mail.ca {ca} cannot be used: {error.strerror or error}; it must be a "
            "certificate in PEM"
        ) from error
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


def open_session(server: MailServer, context: ssl.SSLContext) -> "Session":
    """
    Connect, encrypt, log in.

    Parameters
    ----------
    server : MailServer
        The server.
    context : ssl.SSLContext
        From `trust`.

    Returns
    -------
    Session
        Ready to take letters.

    Raises
    ------
    LostError
        If there is no such session; nothing but greetings was exchanged without TLS.
    """
    session = Session(server, context)
    try:
        with session.bounded(server.policy.total_s):
            session.begin()
    except BaseException:
        session.close()
        raise
    return session


class Session(smtplib.SMTP):
    """A connection; use `open_session`.

    Parameters
    ----------
    server : MailServer
        The server.
    context : ssl.SSLContext
        From `trust`.
    """

    def __init__(self, server: MailServer, context: ssl.SSLContext) -> None:
        # a name of ours would be looked up, without a time-out, and told to strangers
        super().__init__(local_hostname="localhost", timeout=server.policy.connect_s)
        self._server = server
        self._context = context
        self._host = server.host  # what the certificate must bear
        self._line: socket.socket | None = None
        self._secret = False
        self._late = False
        if logger.isEnabledFor(logging.DEBUG):
            self.set_debuglevel(1)

    @property
    def largest(self) -> int | None:
        """Bytes of the largest letter that the server takes; None if it does not say.

        Returns
        -------
        int or None
            What it said to EHLO.
        """
        said = self.esmtp_features.get("size", "")
        return int(said) if said.isdigit() and int(said) > 0 else None

    @contextlib.contextmanager
    def bounded(self, seconds: float) -> Iterator[None]:
        """
        Hang up after some time: a server that sends a byte now and then is not quiet.

        Parameters
        ----------
        seconds : float
            After which the connection breaks.

        Yields
        ------
        None
            While the time runs.
        """
        timer = threading.Timer(seconds, self._hang_up)
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            timer.cancel()

    def begin(self) -> None:
        """
        Connect, encrypt, log in.

        Raises
        ------
        LostError
            If one of them fails.
        """
        try:
            code, reply = self.connect(self._server.host, self._server.port)
            if code != _READY:
                self._lose(Verdict.UNREACHABLE, f"greets with {code}", reply)
            self._greet()
            if self._server.security == "starttls":
                self._encrypt()
            # whatever came before: not one byte more without TLS
            if not isinstance(self.sock, ssl.SSLSocket):
                self._lose(Verdict.UNTRUSTED, "the connection is not encrypted")
            if self._server.login is not None:
                self._log_in(self._server.login)
        except _BROKEN as error:
            raise LostError(*self._judged(error)) from None
        if self.sock is not None:
            self.sock.settimeout(self._server.policy.reply_s)

    def ask(self, command: str) -> tuple[int, str]:
        """
        Give a command that cannot make the server take a letter.

        Parameters
        ----------
        command : str
            One line.

        Returns
        -------
        code : int
            Of the reply; -1 if it has none.
        said : str
            The reply.

        Raises
        ------
        LostError
            If the connection breaks.
        """
        try:
            code, reply = self.docmd(command)
        except _BROKEN as error:
            raise LostError(Verdict.POSTPONED, self._broken(error)) from None
        return code, f"{code} {one_line(reply)}"

    def pour(self, text: bytes) -> None:
        """
        Send a letter, but for the dot at its end.

        Parameters
        ----------
        text : bytes
            Lines that end with CR and LF.

        Raises
        ------
        LostError
            If the connection breaks; the server has not taken it.
        """
        doubled = re.sub(rb"(?m)^\.", b"..", text)
        view = memoryview(doubled)
        try:
            for start in range(0, len(view), _CHUNK_BYTES):
                if self.sock is None:
                    raise LostError(Verdict.POSTPONED, "the connection is closed")
                self.sock.sendall(view[start : start + _CHUNK_BYTES])
        except _BROKEN as error:
            raise LostError(Verdict.POSTPONED, self._broken(error)) from None

    def finish(self) -> tuple[int, str]:
        """
        Send the dot, and wait for the answer as long as it takes.

        Returns
        -------
        code : int
            Of the reply; -1 if it has none.
        said : str
            The reply.

        Raises
        ------
        LostError
            If the connection breaks: the letter may have been taken.
        """
        try:
            if self.sock is not None:
                self.sock.settimeout(self._server.policy.final_s)
            self.send(b".\r\n")
            code, reply = self.getreply()
            if self.sock is not None:
                self.sock.settimeout(self._server.policy.reply_s)
        except _BROKEN as error:
            raise LostError(Verdict.UNANSWERED, self._broken(error)) from None
        return code, f"{code} {one_line(reply)}"

    def close(self) -> None:
        """Cut the connection."""
        line, self._line = self._line, None
        if line is not None:
            line.close()
        super().close()

    def _get_socket(self, host: str, port: int, timeout: float) -> socket.socket:
        """Connect; with TLS from the first byte where the settings say so."""
        raw = socket.create_connection((host, port), timeout)
        # the dot follows the text at once, not after the text was acknowledged
        raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        # TLS takes the socket over, so the timer holds on to the line beneath it
        self._line = raw.dup()
        address = raw.getsockname()[0]
        literal = f"IPv6:{address}" if ":" in address else address
        self.local_hostname = f"[{literal}]"
        if self._server.security != "tls":
            return raw
        try:
            return self._context.wrap_socket(raw, server_hostname=host)
        except BaseException:
            raw.close()
            raise

    def _greet(self) -> None:
        """Say EHLO; what was known of the server before is forgotten."""
        code, reply = self.ehlo()
        if code != _DONE:
            self._lose(Verdict.UNREACHABLE, f"answers EHLO with {code}", reply)

    def _encrypt(self) -> None:
        """Begin TLS; a server without it is told no more."""
        if not self.has_extn("starttls"):
            self._lose(
                Verdict.UNTRUSTED,
                "does not offer STARTTLS; nothing was sent to it",
            )
        code, reply = self.docmd("STARTTLS")
        if code != _READY:
            temporary = 400 <= code < 500  # noqa: PLR2004 - RFC 5321, 4.2.1
            verdict = Verdict.UNREACHABLE if temporary else Verdict.UNTRUSTED
            self._lose(verdict, f"answers STARTTLS with {code}", reply)
        if self.sock is None:
            self._lose(Verdict.UNREACHABLE, "hung up")
        self.sock = self._context.wrap_socket(
            self.sock, server_hostname=self._server.host
        )
        # what was read ahead before TLS may be anybody's: it is thrown away
        self.file = None
        self._greet()

    def _log_in(self, login: Login) -> None:
        """Log in, once: servers lock out who tries often."""
        offered = self.esmtp_features.get("auth", "").upper().split()
        mechanism = next((name for name in _MECHANISMS if name in offered), None)
        if mechanism is None:
            self._lose(
                Verdict.UNWELCOME,
                f"offers no login with a password that we know ({', '.join(offered)})",
            )
        self.user, self.password = login.user, login.password
        self._secret = True
        try:
            method = getattr(self, f"auth_{mechanism.lower().replace('-', '_')}")
            code, reply = self.auth(mechanism, method)
        except smtplib.SMTPAuthenticationError as error:
            code, reply = error.smtp_code, _bytes(error.smtp_error)
        finally:
            self._secret = False
            self.user = self.password = ""
        if code in _LOGGED_IN:
            return
        temporary = 400 <= code < 500  # noqa: PLR2004 - RFC 5321, 4.2.1
        self._lose(
            Verdict.UNREACHABLE if temporary else Verdict.UNWELCOME,
            f"refuses the login with {code}",
            reply,
        )

    def _lose(self, verdict: Verdict, what: str, reply: bytes = b"") -> NoReturn:
        """Give up."""
        said = f": {one_line(reply)}" if reply else ""
        raise LostError(verdict, f"{self._name} {what}{said}")

    @property
    def _name(self) -> str:
        """The server, for messages."""
        return f"mail server {self._server.host}:{self._server.port}"

    def _broken(self, error: Exception) -> str:
        """Say what broke."""
        if self._late:
            return (
                f"{self._name} took longer than {self._server.policy.total_s:g} s "
                "for one letter"
            )
        said = one_line(f"{type(error).__name__}: {error}".encode())
        return f"{self._name}: {said}"

    def _judged(self, error: Exception) -> tuple[Verdict, str]:
        """Say what an error before the first letter means."""
        if isinstance(error, ssl.SSLError) and not isinstance(error, _PASSING):
            return (
                Verdict.UNTRUSTED,
                f"{self._broken(error)}; check mail.security, mail.ca and mail.host",
            )
        return Verdict.UNREACHABLE, self._broken(error)

    def _hang_up(self) -> None:
        """Break the line beneath, whoever reads from it."""
        self._late = True
        line = self._line
        if line is not None:
            with contextlib.suppress(OSError):
                line.shutdown(socket.SHUT_RDWR)

    def _print_debug(self, *args: object) -> None:
        """Log what `smtplib` would print: no login, no person, no text."""
        if self._secret:
            logger.debug("smtp: (login)")
            return
        said = " ".join(map(str, args))[:_LINE_CHARACTERS]
        logger.debug("smtp: %s", _PERSON.sub("***@", redact(said)))


def one_line(reply: bytes) -> str:
    """
    Give a server's reply as a message may hold it.

    Parameters
    ----------
    reply : bytes
        Anything.

    Returns
    -------
    str
        One line without control characters and secrets, not too long.
    """
    text = "".join(
        " " if unicodedata.category(c)[0] in "CZ" else c
        for c in reply.decode(errors="replace")
    )
    return redact(" ".join(text.split()))[:_SAID_CHARACTERS]


def _bytes(reply: bytes | str) -> bytes:
    """Give a reply as bytes."""
    return reply if isinstance(reply, bytes) else reply.encode()
