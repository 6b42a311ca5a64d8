"""How the data side answers: heads, links, documented problems, one item by its id."""

import gzip
from collections.abc import Mapping
from datetime import UTC
from typing import Any, Final, Literal
from urllib.parse import quote

from anyio import to_thread
from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from rsmonitor.io.stores.shelf import Found, Shelf
from rsmonitor.io.stores.shelf_writing import ALERTS
from rsmonitor.records.account import Viewer
from rsmonitor.records.alert import ALERT_ID
from rsmonitor.web import doors
from rsmonitor.web.assets import accepts_gzip
from rsmonitor.web.errors import Problem

PRIVATE: Final[Mapping[str, str]] = {
    "Cache-Control": "private, no-store",
    "Vary": "Cookie, Authorization, Accept-Encoding",
}
"""Head of every answer with anything that only some may see."""

LEAST_PACKED: Final = 1_000
"""Bytes of an answer that is worth packing."""

GEOJSON: Final = "application/geo+json"
JSON: Final = "application/json"

_PROBLEM: Final = {
    "content": {
        "application/problem+json": {
            "schema": {
                "type": "object",
                "required": ["type", "title", "status"],
                "properties": {
                    "type": {"type": "string"},
                    "title": {"type": "string"},
                    "status": {"type": "integer"},
                    "detail": {"type": "string"},
                },
            }
        }
    }
}

_SAID: Final[Mapping[int, str]] = {
    400: "A parameter is unknown or breaks its rule.",
    401: "Nobody is logged in, or the token is not valid.",
    403: "The role may not do this.",
    404: "There is nothing of this name that you may see.",
    409: "What it is about changed meanwhile.",
    413: "It is larger than is taken.",
    415: "It is of a kind that is not taken.",
    421: "The host is not one of this service.",
    422: "It breaks a rule, which is named.",
    429: "Too many at once; come again.",
    503: "Something is being written; come again.",
}


class _Packable(Response):
    """An answer that goes out packed to whoever takes it so.

    None holds a secret of the viewer beside what the request said, so that its length
    tells nobody anything.
    """

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pack it if it is long enough and the request takes gzip."""
        takes = Headers(scope=scope).get("Accept-Encoding")
        if len(self.body) >= LEAST_PACKED and accepts_gzip(takes):
            # beside the loop: a page of thousands takes a while
            self.body = await to_thread.run_sync(_packed, bytes(self.body))
            self.headers["Content-Encoding"] = "gzip"
            self.headers["Content-Length"] = str(len(self.body))
        await super().__call__(scope, receive, send)


def _packed(body: bytes) -> bytes:
    """Pack bytes, always to the same ones."""
    return gzip.compress(body, compresslevel=4, mtime=0)


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """
    Document the problems that a route may answer with.

    Parameters
    ----------
    *statuses : int
        Beside those that every route has.

    Returns
    -------
    dict of int to dict
        For ``responses`` of a route.
    """
    return {
        status: {"description": _SAID[status], **_PROBLEM}
        for status in sorted({400, 401, 421, 429, 503, *statuses})
    }


def shown(
    media: str, description: str, kind: Literal["object", "binary"] = "object"
) -> dict[str, Any]:
    """
    Document an answer.

    Parameters
    ----------
    media : str
        Media type.
    description : str
        What it is.
    kind : {"object", "binary"}
        A JSON object, or bytes.

    Returns
    -------
    dict
        For ``responses`` of a route.
    """
    schema = (
        {"type": "object"}
        if kind == "object"
        else {"type": "string", "format": "binary"}
    )
    return {"description": description, "content": {media: {"schema": schema}}}


def answer(text: str | bytes, *, media: str = JSON, status: int = 200) -> Response:
    """
    Answer with a text that is ready.

    Parameters
    ----------
    text : str or bytes
        The body.
    media : str
        Its media type.
    status : int
        HTTP status.

    Returns
    -------
    Response
        With `PRIVATE` in its head.
    """
    kind = _Packable if media in {JSON, GEOJSON} else Response
    return kind(
        content=text, status_code=status, media_type=media, headers=dict(PRIVATE)
    )


def address(request: Request, path: str) -> str:
    """
    Give the whole address of a path of the service.

    Parameters
    ----------
    request : Request
        The request.
    path : str
        Begins with a slash; not quoted yet.

    Returns
    -------
    str
        As people type it.
    """
    base = doors.service(request).public_url or str(request.base_url).rstrip("/")
    return f"{base}{quote(path, safe='/:')}"


def link(
    request: Request, rel: str, path: str, *, media: str = JSON, title: str = ""
) -> dict[str, str]:
    """
    Give a link to a path of the service.

    Parameters
    ----------
    request : Request
        The request.
    rel : str
        What it is.
    path : str
        Begins with a slash.
    media : str
        Media type.
    title : str
        For people.

    Returns
    -------
    dict
        A link object.
    """
    found = {"rel": rel, "type": media, "href": address(request, path)}
    return {**found, "title": title} if title else found


def shelf_of(request: Request) -> Shelf:
    """
    Give the read model as it may be shown now.

    Parameters
    ----------
    request : Request
        The request.

    Returns
    -------
    Shelf
        The shelf.
    """
    found: Shelf = doors.service(request).shelf.now()
    return found


def required(
    request: Request, viewer: Viewer, item_id: str, collection: str = ALERTS
) -> Found:
    """
    Find an item that the viewer may see.

    Parameters
    ----------
    request : Request
        The request.
    viewer : Viewer
        Who asks.
    item_id : str
        Its id.
    collection : str
        Of which collection.

    Returns
    -------
    Found
        The item.

    Raises
    ------
    Problem
        404 where there is none or none that the viewer may see.
    """
    if collection == ALERTS and not ALERT_ID.fullmatch(item_id):
        raise Problem(404, doors.UNKNOWN)
    found = shelf_of(request).find(item_id, viewer.scope.areas, collection)
    if found is None:
        raise Problem(404, doors.UNKNOWN)
    return found


def instant(request: Request) -> str:
    """
    Say what time it is.

    Parameters
    ----------
    request : Request
        The request.

    Returns
    -------
    str
        RFC 3339, UTC.
    """
    now = doors.service(request).clock.now().astimezone(UTC)
    return now.strftime("%Y-%m-%dT%H:%M:%SZ")
