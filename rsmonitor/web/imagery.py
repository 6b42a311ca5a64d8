"""What is shown of one alert: its images, its life, its words; and the map's ground."""

import json
import threading
from collections.abc import Mapping
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends
from starlette.requests import Request
from starlette.responses import FileResponse, Response

from rsmonitor.errors import OutputError
from rsmonitor.records.account import Viewer
from rsmonitor.web import doors
from rsmonitor.web.errors import Problem
from rsmonitor.web.features_answers import (
    JSON,
    PRIVATE,
    answer,
    problems,
    required,
    shelf_of,
    shown,
)
from rsmonitor.web.features_query import single
from rsmonitor.wiring.web_imagery import ImageStore
from rsmonitor.wiring.web_sites import Opened, open_alert, reading_of, timeline_of

router: Final = APIRouter(tags=["alerts"])

PNG: Final = "image/png"

Seen = Annotated[Viewer, Depends(doors.viewer)]

_making = threading.Lock()


def opened_alert(request: Request, viewer: Viewer, alert_id: str) -> Opened:
    """
    Open an alert that the viewer may see.

    Parameters
    ----------
    request : Request
        The request.
    viewer : Viewer
        Who asks.
    alert_id : str
        `Alert.alert_id`.

    Returns
    -------
    Opened
        The alert.

    Raises
    ------
    Problem
        404 where there is none or none that the viewer may see.
    """
    found = required(request, viewer, alert_id)
    opened = open_alert(doors.service(request).shelf, found, viewer.scope)
    if opened is None:
        raise Problem(404, doors.UNKNOWN)
    return opened


@router.get(
    "/api/alerts/{alert_id}/imagery",
    response_class=Response,
    responses={200: shown(JSON, "Which images there are."), **problems(404)},
)
def imagery(request: Request, alert_id: str, viewer: Seen) -> Response:
    """
    Say which images of an alert there are, and where they lie.

    Parameters
    ----------
    request : Request
        The request.
    alert_id : str
        `Alert.alert_id`.
    viewer : Viewer
        Who asks.

    Returns
    -------
    Response
        ``bounds``, ``images`` and ``legend``; without images where scenes cannot be
        read, and why.
    """
    single(request, ())
    opened = opened_alert(request, viewer, alert_id)
    doors.audit(request, viewer, "imagery", [alert_id])
    try:
        meta: Mapping[str, Any] = store_of(request).imagery(opened)
    except OutputError:
        # what is wrong with the scenes is the keeper's business and stands in the log
        meta = _NONE
    path = f"/api/alerts/{alert_id}/imagery"
    images = [
        {**image, "url": f"{path}/{image['kind']}.png"} for image in meta["images"]
    ]
    return _json({**meta, "images": images})


@router.get(
    "/api/alerts/{alert_id}/imagery/{kind}.png",
    response_class=Response,
    responses={200: shown(PNG, "One image.", "binary"), **problems(404)},
)
def image(request: Request, alert_id: str, kind: str, viewer: Seen) -> Response:
    """
    Give one image of an alert, in Web Mercator.

    Parameters
    ----------
    request : Request
        The request.
    alert_id : str
        `Alert.alert_id`.
    kind : str
        ``before``, ``after`` or ``evidence``.
    viewer : Viewer
        Who asks.

    Returns
    -------
    Response
        PNG.

    Raises
    ------
    Problem
        404 where there is none that the viewer may see.
    """
    single(request, ())
    opened = opened_alert(request, viewer, alert_id)
    doors.audit(request, viewer, "image", [alert_id])
    try:
        data = store_of(request).image(opened, kind)
    except OutputError:
        data = None
    if data is None:
        raise Problem(404, doors.UNKNOWN)
    return answer(data, media=PNG)


@router.get(
    "/api/alerts/{alert_id}/timeline",
    response_class=Response,
    responses={200: shown(JSON, "The life of a site."), **problems(404)},
)
def timeline(request: Request, alert_id: str, viewer: Seen) -> Response:
    """
    Tell the life of the site of an alert.

    Parameters
    ----------
    request : Request
        The request.
    alert_id : str
        `Alert.alert_id`.
    viewer : Viewer
        Who asks.

    Returns
    -------
    Response
        Looks, phases and events.
    """
    single(request, ())
    opened = opened_alert(request, viewer, alert_id)
    doors.audit(request, viewer, "timeline", [alert_id])
    return _json(timeline_of(opened))


@router.get(
    "/api/alerts/{alert_id}/reading",
    response_class=Response,
    responses={200: shown(JSON, "An alert in words."), **problems(404)},
)
def reading(request: Request, alert_id: str, viewer: Seen) -> Response:
    """
    Tell an alert in words.

    Parameters
    ----------
    request : Request
        The request.
    alert_id : str
        `Alert.alert_id`.
    viewer : Viewer
        Who asks.

    Returns
    -------
    Response
        In Chinese and English.
    """
    single(request, ())
    opened = opened_alert(request, viewer, alert_id)
    doors.audit(request, viewer, "reading", [alert_id])
    return _json(reading_of(opened))


@router.get(
    "/api/backgrounds",
    response_class=Response,
    responses={
        200: {
            "description": "Composites under the map.",
            "content": {
                JSON: {"schema": {"type": "array", "items": {"type": "object"}}}
            },
        },
        **problems(),
    },
)
def backgrounds(request: Request, viewer: Seen) -> Response:
    """
    List the composites of the districts that the viewer sees some of.

    Parameters
    ----------
    request : Request
        The request.
    viewer : Viewer
        Who asks.

    Returns
    -------
    Response
        Those that are drawn; the others are drawn meanwhile.
    """
    single(request, ())
    doors.audit(request, viewer, "backgrounds", 1)
    found = []
    for group in doors.service(request).shelf.groups:
        for office in group.offices:
            code = office.district.code
            drawn = store_of(request).background(group, code, viewer.scope)
            if drawn is None:
                continue
            west, south, east, north = drawn[0].bounds
            found.append(
                {
                    "district": code,
                    "url": f"/api/backgrounds/{code}.png",
                    "coordinates": [
                        [west, north],
                        [east, north],
                        [east, south],
                        [west, south],
                    ],
                    "on": drawn[0].days[-1] if drawn[0].days else None,
                    "days": list(drawn[0].days),
                }
            )
    return answer(json.dumps(found, ensure_ascii=False))


@router.get(
    "/api/backgrounds/{district}.png",
    response_class=Response,
    responses={200: shown(PNG, "One composite.", "binary"), **problems(404)},
)
def background(request: Request, district: str, viewer: Seen) -> Response:
    """
    Give the composite of a district, cut to what the viewer sees of it.

    Parameters
    ----------
    request : Request
        The request.
    district : str
        `District.code`.
    viewer : Viewer
        Who asks.

    Returns
    -------
    Response
        PNG in Web Mercator.

    Raises
    ------
    Problem
        404 where there is none that the viewer may see.
    """
    single(request, ())
    shelf_of(request)  # upgrades an older ledger before anybody reads it
    for group in doors.service(request).shelf.groups:
        if district in {office.district.code for office in group.offices}:
            drawn = store_of(request).background(group, district, viewer.scope)
            if drawn is not None:
                doors.audit(request, viewer, "background", 1)
                return FileResponse(drawn[1], media_type=PNG, headers=dict(PRIVATE))
    raise Problem(404, doors.UNKNOWN)


def store_of(request: Request) -> ImageStore:
    """
    Give the images that were drawn.

    Parameters
    ----------
    request : Request
        The request.

    Returns
    -------
    ImageStore
        One for the whole service.
    """
    with _making:
        found: ImageStore | None = getattr(request.app.state, "images", None)
        if found is None:
            found = ImageStore(doors.service(request).folder / "images")
            request.app.state.images = found
    return found


_NONE: Final[Mapping[str, Any]] = {
    "bounds": None,
    "images": [],
    "legend": None,
    "note_zh": "影像暂时无法读取",
    "note_en": "the images cannot be read at the moment",
}


def _json(value: Mapping[str, Any]) -> Response:
    """Answer with a document."""
    return answer(json.dumps(value, ensure_ascii=False))
