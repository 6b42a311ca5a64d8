"""The pages that people open: the map, the accounts, and the door."""

import json
from typing import Annotated, Final

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape

from rsmonitor.io.deliver.legend import CATEGORY_COLOURS, KIND_COLOURS
from rsmonitor.records.account import Role, Viewer
from rsmonitor.records.licence import KIND_LABELS
from rsmonitor.web import doors
from rsmonitor.web.assets import built

LOGIN_ERRORS: Final = {
    "wrong": (
        "账号或密码不正确。",
        "The name or the password is not right.",
    ),
    "wait": (
        "尝试次数过多，请稍后再试。",
        "Too many tries. Wait a little, then try again.",
    ),
    "expired": (
        "页面已过期，请重新登录。",
        "The page had become too old. Please sign in again.",
    ),
}
"""What a person reads for each code, in Chinese and English."""

_OTHER_ERROR: Final = ("登录失败，请重试。", "Could not sign in. Please try again.")

_NO_STORE: Final = {"Cache-Control": "no-store"}

_templates: Final = Environment(
    loader=FileSystemLoader(doors.HERE / "templates"),
    autoescape=select_autoescape(default=True, default_for_string=True),
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)

router: Final = APIRouter(include_in_schema=False)


@router.get("/")
def home(
    request: Request, viewer: Annotated[Viewer | None, Depends(doors.viewer_or_none)]
) -> Response:
    """
    Show the map and the list.

    Parameters
    ----------
    request : Request
        Of this visit.
    viewer : Viewer or None
        Who asks.

    Returns
    -------
    Response
        The page, or the way to the door.
    """
    return _page(request, viewer, "page")


@router.get("/sites/{alert_id}")
def site(
    request: Request,
    alert_id: str,
    viewer: Annotated[Viewer | None, Depends(doors.viewer_or_none)],
) -> Response:
    """
    Show the map, open at one alert.

    The page itself is the same for every alert, also for one that is not there: its
    script asks for the alert, and is told what the viewer may know.

    Parameters
    ----------
    request : Request
        Of this visit.
    alert_id : str
        `Alert.alert_id`; read by the script, from the address.
    viewer : Viewer or None
        Who asks.

    Returns
    -------
    Response
        The page, or the way to the door.
    """
    del alert_id
    return _page(request, viewer, "page")


@router.get("/accounts")
def accounts(
    request: Request, viewer: Annotated[Viewer | None, Depends(doors.viewer_or_none)]
) -> Response:
    """
    Show the accounts to who keeps them.

    Parameters
    ----------
    request : Request
        Of this visit.
    viewer : Viewer or None
        Who asks.

    Returns
    -------
    Response
        The page; for others than administrators the map.
    """
    if viewer is not None and viewer.role is not Role.ADMINISTRATOR:
        return RedirectResponse("/", 303, headers=_NO_STORE)
    return _page(request, viewer, "admin")


def login_page(
    request: Request,
    *,
    csrf: str,
    error: str | None = None,
    status: int = 200,
    next_path: str = "/",
) -> Response:
    """
    Show the form that lets people in.

    Parameters
    ----------
    request : Request
        Of this visit.
    csrf : str
        Goes back with the form.
    error : str, optional
        One of `LOGIN_ERRORS`; any other says that it failed, and no more.
    status : int
        Of the answer.
    next_path : str
        Where the person wanted to go.

    Returns
    -------
    Response
        The page; it works without its script.
    """
    del request
    said = None if error is None else LOGIN_ERRORS.get(error, _OTHER_ERROR)
    return _render("login", status, csrf=csrf, error=said, next_path=next_path)


def _page(request: Request, viewer: Viewer | None, name: str) -> Response:
    """Render a page for somebody who is known; show all others the door."""
    if viewer is None:
        there = request.url.path
        query = "" if there == "/" else f"?next={there}"
        return RedirectResponse(f"/login{query}", 303, headers=_NO_STORE)
    palette = {
        "category": {code.value: colour for code, colour in CATEGORY_COLOURS.items()},
        "kind": {code.value: colour for code, colour in KIND_COLOURS.items()},
        "kinds": {
            code.value: {"zh": zh, "en": en} for code, (zh, en) in KIND_LABELS.items()
        },
    }
    return _render(name, 200, palette=json.dumps(palette))


def _render(name: str, status: int, **content: object) -> Response:
    """Fill a template, or say that the page was not built."""
    assets = built()
    if assets is None:
        # 404: the address is one of ours, but this installation holds no page for it
        text = _templates.get_template("unbuilt.html").render()
        return HTMLResponse(text, 404, headers=_NO_STORE)
    text = _templates.get_template(f"{name}.html").render(
        url=assets.url,
        early=[f"/static/{each}" for each in assets.needs.get(name, ())],
        **content,
    )
    return HTMLResponse(text, status, headers=_NO_STORE)
