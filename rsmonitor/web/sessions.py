"""Cookies of the service: which there are, and how they are set and taken away."""

import hashlib
import hmac
import re
from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from rsmonitor.web.service import Service

_LOGIN: Final = re.compile(r"^[A-Za-z0-9_-]{43}$")
_LOGIN_SECONDS: Final = 3600


def cookie_name(service: Service, what: str = "") -> str:
    """
    Name a cookie.

    Parameters
    ----------
    service : Service
        The service.
    what : str, default ""
        ``-login`` for the one of the login form.

    Returns
    -------
    str
        With TLS a name that browsers accept from this host and over TLS only.
    """
    prefix = "__Host-" if service.secure_cookies else ""
    return f"{prefix}rsmonitor{what}"


def session_cookie(request: Request, service: Service) -> str:
    """
    Give what the browser says its session is.

    Parameters
    ----------
    request : Request
        The request.
    service : Service
        The service.

    Returns
    -------
    str
        Empty where it says nothing.
    """
    return request.cookies.get(cookie_name(service), "")


def begin(answer: Response, service: Service, secret: str) -> None:
    """
    Let a browser keep a session; the cookie of the login form goes.

    Parameters
    ----------
    answer : Response
        The answer to the login.
    service : Service
        The service.
    secret : str
        `Session.secret`.
    """
    _set(
        answer, service, "", secret, int(service.accounts.rules.longest.total_seconds())
    )
    _set(answer, service, "-login", "", 0)


def end(answer: Response, service: Service) -> None:
    """
    Let a browser forget its session.

    Parameters
    ----------
    answer : Response
        The answer.
    service : Service
        The service.
    """
    _set(answer, service, "", "", 0)


def begin_login(answer: Response, service: Service, value: str) -> None:
    """
    Bind a login form to the browser that it is shown in.

    Parameters
    ----------
    answer : Response
        The answer that shows the form.
    service : Service
        The service.
    value : str
        From `draw_secret`; the form sends `form_csrf` of it.
    """
    _set(answer, service, "-login", value, _LOGIN_SECONDS)


def is_from_login(request: Request, service: Service, csrf: str) -> bool:
    """
    Say whether a login form was shown in the browser that sends it.

    Parameters
    ----------
    request : Request
        The request.
    service : Service
        The service.
    csrf : str
        What the form says.

    Returns
    -------
    bool
        False for a form that another site sends.
    """
    value = request.cookies.get(cookie_name(service, "-login"), "")
    if not _LOGIN.fullmatch(value):
        return False
    return hmac.compare_digest(form_csrf(value).encode(), csrf.encode(errors="replace"))


def form_csrf(value: str) -> str:
    """
    Give what a login form says if it knows the cookie; another site does not.

    Parameters
    ----------
    value : str
        What the cookie says.

    Returns
    -------
    str
        64 hexadecimal digits.
    """
    return hmac.new(value.encode(), b"login", hashlib.sha256).hexdigest()


def _set(
    answer: Response, service: Service, what: str, value: str, seconds: int
) -> None:
    """Set a cookie that no script, no other site and no subdomain sees."""
    answer.set_cookie(
        cookie_name(service, what),
        value,
        max_age=seconds,
        path="/",
        secure=service.secure_cookies,
        httponly=True,
        samesite="strict",
    )
