"""What can be asked, as OpenAPI 3.0: the form that OGC API - Features names."""

import json
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends
from fastapi.openapi.utils import get_openapi
from starlette.requests import Request
from starlette.responses import Response

from rsmonitor import __version__
from rsmonitor.records.account import Viewer
from rsmonitor.web import doors
from rsmonitor.web.features import OPENAPI_MEDIA
from rsmonitor.web.features_answers import answer, problems, shown

router: Final = APIRouter(tags=["features"])

VERSION: Final = "3.0.3"


@router.get(
    "/api/openapi.json",
    response_class=Response,
    responses={200: shown(OPENAPI_MEDIA, "This document."), **problems()},
)
def openapi(
    request: Request, viewer: Annotated[Viewer, Depends(doors.viewer)]
) -> Response:
    """
    Describe what can be asked.

    Parameters
    ----------
    request : Request
        The request.
    viewer : Viewer
        Who asks.

    Returns
    -------
    Response
        The same for everybody.
    """
    del viewer
    if not hasattr(request.app.state, "description"):
        request.app.state.description = json.dumps(
            description_of(request.app.routes, doors.service(request).public_url),
            ensure_ascii=False,
        )
    return answer(request.app.state.description, media=OPENAPI_MEDIA)


def description_of(routes: Sequence[Any], public_url: str) -> dict[str, Any]:
    """
    Describe the routes of an application.

    Parameters
    ----------
    routes : sequence
        `FastAPI.routes`.
    public_url : str
        What people type.

    Returns
    -------
    dict
        OpenAPI 3.0.
    """
    found: dict[str, Any] = as_3_0(
        get_openapi(
            title="rsmonitor",
            version=__version__,
            openapi_version="3.1.0",
            description="Each answer holds what the account's areas see, and no more.",
            routes=list(routes),
            servers=[{"url": public_url}] if public_url else None,
        )
    )
    found["openapi"] = VERSION
    found.setdefault("components", {})["securitySchemes"] = {
        "token": {"type": "http", "scheme": "bearer"}
    }
    found["security"] = [{"token": []}]
    return found


def as_3_0(value: Any) -> Any:  # noqa: ANN401 - any JSON value
    """
    Write what OpenAPI 3.1 says in the words of 3.0.

    Parameters
    ----------
    value : JSON value
        A document of 3.1, or part of one.

    Returns
    -------
    JSON value
        The same in 3.0: null is ``nullable``, a constant is a choice of one.

    Examples
    --------
    >>> as_3_0({"anyOf": [{"type": "string"}, {"type": "null"}]})
    {'type': 'string', 'nullable': True}
    """
    if isinstance(value, list):
        return [as_3_0(each) for each in value]
    if not isinstance(value, dict):
        return value
    said = {key: as_3_0(each) for key, each in value.items()}
    said = _nullable(said)
    if "const" in said:
        said["enum"] = [said.pop("const")]
    for word, limit in (
        ("exclusiveMinimum", "minimum"),
        ("exclusiveMaximum", "maximum"),
    ):
        if isinstance(said.get(word), int | float) and not isinstance(said[word], bool):
            said[limit], said[word] = said[word], True
    if isinstance(said.get("examples"), list):
        said["example"] = said.pop("examples")[0]
    if "contentMediaType" in said:
        said.pop("contentMediaType")
        said["format"] = "binary"
    return said


def _nullable(said: dict[str, Any]) -> dict[str, Any]:
    """Take null out of a choice of types."""
    choices: list[Mapping[str, Any]] = said.get("anyOf", [])
    if {"type": "null"} not in choices:
        return said
    rest = [each for each in choices if each != {"type": "null"}]
    others = {key: each for key, each in said.items() if key != "anyOf"}
    if len(rest) == 1 and "$ref" not in rest[0]:
        return {**rest[0], **others, "nullable": True}
    return {**others, "anyOf": rest, "nullable": True}
