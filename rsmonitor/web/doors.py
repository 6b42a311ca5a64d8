"""What every route asks at its door: who is there, what they may do, what they see.

A route takes ``viewer: Annotated[Viewer, Depends(doors.viewer)]``, or
``Depends(doors.may(Role.ANALYST))``; a page takes ``doors.viewer_or_none``. Whoever
answers with coordinates calls `audit` first.
"""

import hmac
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Final

from fastapi import Depends
from starlette.requests import Request

from rsmonitor.records.access import MOST_IDS, Access
from rsmonitor.records.account import Role, Viewer
from rsmonitor.web.errors import Problem
from rsmonitor.web.service import Service
from rsmonitor.web.sessions import session_cookie

HERE: Final = Path(__file__).parent
"""The folder of the service's own files: templates and what the page is built to."""

SAFE: Final = frozenset({"GET", "HEAD", "OPTIONS"})
"""Methods that change nothing."""

READERS: Final = tuple(Role)
"""All roles read what is in their scope."""

VERDICTS: Final = (Role.ANALYST, Role.INSPECTOR, Role.ADMINISTRATOR)
"""Roles that say what they found."""

UPLOADERS: Final = (Role.ANALYST, Role.ADMINISTRATOR)
"""Roles that send files."""

KEEPERS: Final = (Role.ADMINISTRATOR,)
"""Roles that keep accounts."""

UNKNOWN: Final = "there is nothing of this name that you may see"
"""What is said of an unknown id, and of one out of scope: the same."""

_UNAUTHORISED: Final = "log in, or send a valid token as 'Authorization: Bearer ...'"


def service(request: Request) -> Service:
    """
    Give what the routes share.

    Parameters
    ----------
    request : Request
        The request.

    Returns
    -------
    Service
        The service.
    """
    found: Service = request.app.state.service
    return found


def address_of(request: Request) -> str:
    """
    Say from which address a request came.

    Parameters
    ----------
    request : Request
        The request; what a trusted proxy says stands in it already.

    Returns
    -------
    str
        The address; of IPv6 the first half, which is one line of one household.
    """
    return line_of(request.client.host if request.client else "")


def line_of(host: str) -> str:
    """
    Say of which line an address is: whoever has one of IPv6 has 2**64 of them.

    Parameters
    ----------
    host : str
        An address.

    Returns
    -------
    str
        The address; of IPv6 the first half.

    Examples
    --------
    >>> line_of("10.0.0.5"), line_of("2001:db8:1:2:3:4:5:6")
    ('10.0.0.5', '2001:db8:1:2::/64')
    """
    if ":" not in host or host.startswith("::"):
        return host
    import ipaddress  # noqa: PLC0415 - for IPv6 alone

    try:
        return str(ipaddress.ip_network(f"{host.partition('%')[0]}/64", strict=False))
    except ValueError:
        return host


def viewer(request: Request) -> Viewer:
    """
    Say who asks; refuse who is nobody, and changes that another site sends.

    Parameters
    ----------
    request : Request
        The request.

    Returns
    -------
    Viewer
        Account, role and scope as they are now.

    Raises
    ------
    Problem
        401 without a valid session or token; 403 for a change with a session and
        without its ``X-CSRF-Token``.
    """
    found = _known(request)
    if found is None:
        raise Problem(401, _UNAUTHORISED, {"WWW-Authenticate": "Bearer"})
    if (
        found.csrf is not None
        and request.method not in SAFE
        and not has_csrf(found, request.headers.get("X-CSRF-Token", ""))
    ):
        raise Problem(
            403, "a change needs the header X-CSRF-Token with csrf of /api/session"
        )
    return found


def viewer_or_none(request: Request) -> Viewer | None:
    """
    Say who opens a page, which leads those who are nobody to the login.

    Parameters
    ----------
    request : Request
        The request.

    Returns
    -------
    Viewer or None
        Account, role and scope as they are now; None without a valid session.
    """
    return _known(request)


def may(*roles: Role) -> Callable[..., Viewer]:
    """
    Make a dependency that lets some roles in.

    Parameters
    ----------
    *roles : Role
        Who may, such as `VERDICTS`.

    Returns
    -------
    callable
        For ``Depends``; gives the `Viewer`, or raises `Problem` 403.
    """

    def allowed(found: Annotated[Viewer, Depends(viewer)]) -> Viewer:
        if found.role not in roles:
            raise Problem(403, f"the role {found.role.value} may not do this")
        return found

    return allowed


def session_only(found: Annotated[Viewer, Depends(viewer)]) -> Viewer:
    """
    Let in who logged in with a password: no token makes tokens or changes accounts.

    Parameters
    ----------
    found : Viewer
        Who asks.

    Returns
    -------
    Viewer
        Who asks.

    Raises
    ------
    Problem
        403 for a token.
    """
    if found.how != "session":
        raise Problem(403, "this needs a login with a password, not a token")
    return found


def keeper(found: Annotated[Viewer, Depends(session_only)]) -> Viewer:
    """
    Let in who keeps accounts, logged in with a password.

    Parameters
    ----------
    found : Viewer
        Who asks.

    Returns
    -------
    Viewer
        An administrator.

    Raises
    ------
    Problem
        403 for everybody else.
    """
    return may(*KEEPERS)(found)


def audit(request: Request, who: Viewer, what: str, found: int | Sequence[str]) -> None:
    """
    Write down who is about to see coordinates; call it before you answer.

    Parameters
    ----------
    request : Request
        The request.
    who : Viewer
        Who asks.
    what : str
        What is shown, in a few words, such as ``alerts`` or ``report.pdf``.
    found : int or sequence of str
        Ids of the alerts in the answer, or how many there are.

    Raises
    ------
    OutputError
        If it cannot be written: then nothing may be shown.
    """
    ids = () if isinstance(found, int) else tuple(found)
    shown = service(request)
    shown.accounts.log.add(
        Access(
            at=shown.clock.now(),
            who=who.name,
            role=who.role.value,
            how=who.how if who.token_id is None else f"token {who.token_id}",
            address=request.client.host if request.client else "",
            what=what,
            query="&".join(
                f"{key}={value}"
                for key, value in request.query_params.multi_items()
                if key != "token"
            ),
            count=found if isinstance(found, int) else len(ids),
            ids=ids[:MOST_IDS],
        )
    )


def has_csrf(found: Viewer, said: str) -> bool:
    """
    Say whether a change comes from a page of the viewer's own session.

    Parameters
    ----------
    found : Viewer
        Who asks, by a session.
    said : str
        What header or form says.

    Returns
    -------
    bool
        True if it is the session's.
    """
    return found.csrf is not None and hmac.compare_digest(
        found.csrf.encode(), said.encode(errors="replace")
    )


def _known(request: Request) -> Viewer | None:
    """Find who asks; look once a request."""
    if not hasattr(request.state, "viewer"):
        request.state.viewer = _looked_up(request)
        if request.state.viewer is not None:
            request.state.who = request.state.viewer.name
    found: Viewer | None = request.state.viewer
    return found


def _looked_up(request: Request) -> Viewer | None:
    """Find who asks: by a token if one is shown, else by the session's cookie."""
    shown = service(request)
    header = request.headers.get("Authorization")
    if header is not None:
        kind, _, secret = header.partition(" ")
        if kind.lower() != "bearer":
            return None
        return shown.accounts.of_token(secret.strip())
    return shown.accounts.of_session(session_cookie(request, shown))
