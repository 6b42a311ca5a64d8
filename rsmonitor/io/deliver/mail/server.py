"""A mail server: how it is named, trusted and waited for, and what it may do to us."""

import base64
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Final, Literal

from rsmonitor.errors import ContractError, SettingsError
from rsmonitor.io.foundation.redaction import learn
from rsmonitor.io.foundation.secrets import read_private

PASSWORD_VARIABLE: Final = "RSMONITOR_MAIL_PASSWORD"  # noqa: S105 - its name
"""Environment variable of the password."""

_ATOM: Final = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
_LABEL: Final = r"[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?"

ADDRESS: Final = re.compile(
    rf"(?=[^@]{{1,64}}@.{{1,255}}\Z){_ATOM}(?:\.{_ATOM})*@{_LABEL}(?:\.{_LABEL})*"
)
"""Whom we send to and from: plain ASCII, nothing that would have to be quoted."""


class Verdict(StrEnum):
    """What became of one letter."""

    ACCEPTED = "accepted"
    """The server is responsible for it now."""

    REFUSED = "refused"
    """The server will not take it."""

    POSTPONED = "postponed"
    """The server did not take it this time, certainly."""

    UNANSWERED = "unanswered"
    """All of it was handed over, and no answer came: it may have been taken."""

    UNREACHABLE = "unreachable"
    """There is no server to talk to for now; certainly nothing was taken."""

    UNTRUSTED = "untrusted"
    """The server is not proven to be the right one, or does not encrypt; it was told
    nothing."""

    UNWELCOME = "unwelcome"
    """The server does not let us in: it will take nothing of ours."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MailPolicy:
    """How long a server is waited for, and how often it is asked."""

    connect_s: float = 30.0
    """Seconds until a connection must stand."""

    reply_s: float = 120.0
    """Seconds until a command must be answered, or a piece of text be taken."""

    final_s: float = 600.0
    """Seconds until the dot must be answered: who gives up earlier makes repeats
    (RFC 5321, 4.5.3.2.6)."""

    total_s: float = 1800.0
    """Seconds for one letter, however slowly the server talks."""

    rounds: int = 3
    """How often in one call what did not go out is tried."""

    first_pause_s: float = 5.0
    """Seconds before the second round; doubled before each further one."""

    def __post_init__(self) -> None:
        for name in ("connect_s", "reply_s", "final_s", "total_s", "first_pause_s"):
            value = getattr(self, name)
            if not 0 < value < float("inf"):
                raise ContractError(f"MailPolicy.{name} must be positive, got {value}")
        if self.rounds < 1:
            raise ContractError(f"MailPolicy.rounds counts from 1, got {self.rounds}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Login:
    """A name and a password for the server."""

    user: str = field(repr=False)
    """The name; ASCII."""

    password: str = field(repr=False)
    """The password, ASCII; known to the redaction from here on, also in the form that
    it has on the wire."""

    def __post_init__(self) -> None:
        learn(self.password)
        for said in (self.password, f"\0{self.user}\0{self.password}"):
            learn(base64.b64encode(said.encode()).decode())


@dataclass(frozen=True, slots=True, kw_only=True)
class MailServer:
    """Which server, and how it is spoken to."""

    host: str
    """Its name, which its certificate must bear."""

    port: int
    """Its port."""

    security: Literal["tls", "starttls"]
    """Encrypted from the first byte, or after STARTTLS."""

    sender: str
    """Mail address of the sender."""

    login: Login | None = None
    """None: no login."""

    ca: Path | None = None
    """Certificate of the only authority that is trusted; None: those of the
    machine."""

    policy: MailPolicy = field(default_factory=MailPolicy)
    """Patience."""


def read_login(
    user: str, file: Path | None = None, environment: Mapping[str, str] | None = None
) -> Login | None:
    """
    Read the password from the environment, or else from a private file.

    Parameters
    ----------
    user : str
        Name to log in with; empty: no login.
    file : Path, optional
        Holds the password and nothing else; mode 0600.
    environment : mapping of str to str, optional
        Instead of the process's own.

    Returns
    -------
    Login or None
        None without a user.

    Raises
    ------
    SettingsError
        If there is no password, the file may be read by others, or name or password
        cannot be sent; never with the password in the message.
    """
    if not user:
        return None
    variables = os.environ if environment is None else environment
    said, password = f"the environment ({PASSWORD_VARIABLE})", ""
    if variables.get(PASSWORD_VARIABLE):
        password = variables[PASSWORD_VARIABLE]
    elif file is not None:
        said = str(file)
        password = read_private(file).decode(errors="replace").rstrip("\r\n")
    if not password:
        raise SettingsError(
            f"{said} holds no password for mail.user: set {PASSWORD_VARIABLE}, or name "
            "a file of mode 0600 in mail.password_file"
        )
    for name, value in (("mail.user", user), (f"the password in {said}", password)):
        if not (value.isascii() and value.isprintable()):
            raise SettingsError(
                f"{name} must be one line of ASCII: servers disagree about anything "
                "else"
            )
    return Login(user=user, password=password)
