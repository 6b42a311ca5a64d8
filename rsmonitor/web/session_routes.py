"""Login and logout."""

import re
from html import escape
from typing import Annotated, Any, Final

import anyio
import anyio.to_thread
from fastapi import APIRouter, Depends
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from rsmonitor.io.foundation.passwords import draw_secret
from rsmonitor.records.account import Viewer
from rsmonitor.records.alert import NOTICE, NOTICE_INVENTED
from rsmonitor.web import doors, sessions
from rsmonitor.web.assets import built
from rsmonitor.web.errors import Problem
from rsmonitor.web.features_answers import problems
from rsmonitor.web.pages import login_page
from rsmonitor.wiring.logins import Refusal
from rsmonitor.wiring.web_areas import invented, session_areas, session_weeks

router: Final = APIRouter(tags=["session"])

_NEXT: Final = re.compile(r"^/(?:accounts|sites/[A-Za-z0-9][A-Za-z0-9_.-]{0,99})?$")
_MOST_WAITING: Final = 100
_PLAIN: Final = """<!doctype html>
<html lang="zh-Hans"><meta charset="utf-8"><title>rsmonitor</title>
<meta name="referrer" content="same-origin">
<form method="post" action="/login">
<input type="hidden" name="csrf" value="{csrf}">
<input type="hidden" name="next" value="{next_path}">
<p>{said}</p>
<p><label>账号 Name <input name="name" autocomplete="username" required></label></p>
<p><label>密码 Password <input name="password" type="password"
autocomplete="current-password" required></label></p>
<p><button>登录 Sign in</button></p>
</form></html>
"""
"""The form of an installation whose page was not built: programs log in as well."""


@router.get("/login", include_in_schema=False)
def login(request: Request, next: str = "/") -> Response:  # noqa: A002 - as people read it
    """
    Show the login form.

    Parameters
    ----------
    request : Request
        The request.
    next : str, default "/"
        Where to go then; anything but a page of ours is the map.

    Returns
    -------
    Response
        The form; for somebody who is logged in, the way on.
    """
    if doors.viewer_or_none(request) is not None:
        return _to(_ours(next))
    return _form(request, next_path=_ours(next))


@router.post("/login", include_in_schema=False)
async def log_in(request: Request) -> Response:
    """
    Begin a session.

    Parameters
    ----------
    request : Request
        The request, with the fields of the form.

    Returns
    -------
    Response
        The way on, with the cookie; or the form again, which says why.
    """
    service = doors.service(request)
    said = await _fields(request)
    next_path = _ours(said.get("next", "/"))
    if not sessions.is_from_login(request, service, said.get("csrf", "")):
        return _form(request, "expired", 403, next_path=next_path)
    # hashing takes memory: a few at a time, and nobody else waits for their threads
    turns: anyio.CapacityLimiter = request.app.state.logins
    if turns.statistics().tasks_waiting >= _MOST_WAITING:
        return _form(request, "wait", 429, next_path=next_path, wait_s=10)
    found = await anyio.to_thread.run_sync(
        service.accounts.log_in,
        said.get("name", ""),
        said.get("password", ""),
        doors.address_of(request),
        limiter=turns,
    )
    if isinstance(found, Refusal):
        if found.code == "locked":
            return _form(request, "wait", 429, next_path=next_path, wait_s=found.wait_s)
        return _form(request, "wrong", 401, next_path=next_path)
    before = sessions.session_cookie(request, service)
    if before:
        await anyio.to_thread.run_sync(service.accounts.log_out, before)
    request.state.who = found.viewer.name
    await anyio.to_thread.run_sync(doors.audit, request, found.viewer, "login", 0)
    answer = _to(next_path)
    sessions.begin(answer, service, found.secret)
    return answer


@router.post("/logout", include_in_schema=False)
async def log_out(request: Request) -> Response:
    """
    End the session.

    Parameters
    ----------
    request : Request
        The request; its ``csrf`` stands in the header ``X-CSRF-Token`` or in a form.

    Returns
    -------
    Response
        The way to the login for a form, nothing for a script; the cookie goes.

    Raises
    ------
    Problem
        403 where another site sends it.
    """
    service = doors.service(request)
    header = request.headers.get("X-CSRF-Token")
    csrf = header if header is not None else (await _fields(request)).get("csrf", "")
    found = await anyio.to_thread.run_sync(doors.viewer_or_none, request)
    if found is not None and found.how == "session":
        if not doors.has_csrf(found, csrf):
            raise Problem(403, "a logout needs csrf of /api/session")
        await anyio.to_thread.run_sync(
            service.accounts.log_out, sessions.session_cookie(request, service)
        )
    answer = _to("/login") if header is None else Response(status_code=204)
    sessions.end(answer, service)
    return answer


@router.get("/api/session", responses=problems())
def session(
    request: Request, viewer: Annotated[Viewer, Depends(doors.viewer)]
) -> dict[str, Any]:
    """
    Say who asks, and what they may choose from.

    Parameters
    ----------
    request : Request
        The request.
    viewer : Viewer
        Who asks.

    Returns
    -------
    dict
        Name, role and scope; for a session, what changes must carry; areas and weeks;
        the sentences that belong on every page.
    """
    service = doors.service(request)
    areas = session_areas(service.shelf, viewer.scope)
    doors.audit(request, viewer, "areas", len(areas))
    invented_there = invented(service.shelf, viewer.scope)
    said = [_halves(each) for each in (NOTICE, NOTICE_INVENTED)[: 1 + invented_there]]
    return {
        "name": viewer.name,
        "role": viewer.role.value,
        "scope": list(viewer.scope.areas),
        "csrf": viewer.csrf,
        "language": service.settings[0].deliver.language if service.settings else "zh",
        "areas": areas,
        "weeks": session_weeks(service.shelf, viewer.scope),
        "invented_licences": invented_there,
        "notice_zh": "".join(zh for zh, _ in said),
        "notice_en": " ".join(en.strip() for _, en in said),
    }


@router.get("/healthz", include_in_schema=False)
async def health() -> dict[str, bool]:
    """
    Say that requests are answered; nothing else.

    Returns
    -------
    dict
        ``{"ok": true}``.
    """
    return {"ok": True}


def _halves(notice: str) -> tuple[str, str]:
    """Split a notice into its Chinese and its English sentence."""
    zh, stop, en = notice.partition("。")
    return zh + stop, en


def _form(
    request: Request,
    error: str | None = None,
    status: int = 200,
    *,
    next_path: str,
    wait_s: int = 0,
) -> Response:
    """Show the login form, bound to this browser."""
    value = draw_secret()
    csrf = sessions.form_csrf(value)
    if built() is None:
        text = _PLAIN.format(
            csrf=csrf, next_path=escape(next_path), said=escape(error or "")
        )
        answer: Response = HTMLResponse(text, status)
    else:
        answer = login_page(
            request, csrf=csrf, error=error, status=status, next_path=next_path
        )
    if status == 401:  # noqa: PLR2004
        answer.headers["WWW-Authenticate"] = "Bearer"  # the standard asks for one
    if wait_s:
        answer.headers["Retry-After"] = str(wait_s)
    sessions.begin_login(answer, doors.service(request), value)
    return answer


def _to(path: str) -> Response:
    """Lead to a page; a form becomes a look."""
    return RedirectResponse(path, 303)


def _ours(path: str) -> str:
    """Give a page of ours, whatever was asked for."""
    return path if _NEXT.fullmatch(path) else "/"


async def _fields(request: Request) -> dict[str, str]:
    """Read the short fields of a form, each once."""
    kind = request.headers.get("Content-Type", "").partition(";")[0].strip().lower()
    if kind != "application/x-www-form-urlencoded":
        return {}
    async with request.form(max_files=0, max_fields=10) as form:
        return {key: value for key, value in form.items() if isinstance(value, str)}
