"""Alerts, coverage, districts and licences as OGC API - Features, each in its scope."""

import json
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Final
from urllib.parse import urlencode

from fastapi import APIRouter, Depends
from starlette.requests import Request
from starlette.responses import Response

from rsmonitor.io.deliver.geojson import notice
from rsmonitor.io.stores.shelf_writing import (
    ALERTS,
    COLLECTIONS,
    COVERAGE,
    DISTRICTS,
    LICENCES,
)
from rsmonitor.records.account import Viewer
from rsmonitor.web import doors
from rsmonitor.web.errors import Problem
from rsmonitor.web.features_answers import (
    GEOJSON,
    JSON,
    address,
    answer,
    instant,
    link,
    problems,
    required,
    shelf_of,
    shown,
)
from rsmonitor.web.features_query import (
    FILTERS,
    Query,
    parameters_of,
    query_of,
    single,
    token_after,
)

router: Final = APIRouter(tags=["features"])

CRS84: Final = "http://www.opengis.net/def/crs/OGC/1.3/CRS84"

CONFORMANCE: Final = (
    "http://www.opengis.net/spec/ogcapi-features-1/1.0/conf/core",
    "http://www.opengis.net/spec/ogcapi-features-1/1.0/conf/oas30",
    "http://www.opengis.net/spec/ogcapi-features-1/1.0/conf/geojson",
)
"""What is kept, and a test holds it against."""

OPENAPI_MEDIA: Final = "application/vnd.oai.openapi+json;version=3.0"

BRIEF_LIMIT: Final = 500
"""Alerts of a page of the list."""

_TITLES: Final[Mapping[str, tuple[str, str]]] = {
    ALERTS: ("疑似线索 Suspected cases", "Standing alerts; each is a clue."),
    COVERAGE: ("观测情况 Coverage", "What the last run of each district saw."),
    DISTRICTS: ("监测区 Districts", "Districts under watch."),
    LICENCES: ("许可 Licences", "Rights as the register has them."),
}

Seen = Annotated[Viewer, Depends(doors.viewer)]


def _alert_parameters() -> list[dict[str, Any]]:
    """Describe the filters of the list."""
    left_out = {"bbox", "datetime"}
    return [each for each in parameters_of(ALERTS) if each["name"] not in left_out]


@router.get(
    "/api",
    response_class=Response,
    responses={200: shown(JSON, "Links to everything."), **problems()},
)
def landing(request: Request, viewer: Seen) -> Response:
    """
    Show where to begin.

    Parameters
    ----------
    request : Request
        The request.
    viewer : Viewer
        Who asks.

    Returns
    -------
    Response
        Links to description, conformance and collections.
    """
    single(request, ("f",))
    held = doors.service(request).shelf.now().invented(viewer.scope.areas)
    return _json(
        {
            "title": "rsmonitor",
            "description": notice(invented=held),
            "links": [
                link(request, "self", "/api", title="this document"),
                link(
                    request,
                    "service-desc",
                    "/api/openapi.json",
                    media=OPENAPI_MEDIA,
                    title="what can be asked",
                ),
                link(request, "conformance", "/api/conformance"),
                link(request, "data", "/api/collections"),
            ],
        }
    )


@router.get(
    "/api/conformance",
    response_class=Response,
    responses={200: shown(JSON, "Conformance classes."), **problems()},
)
def conformance(request: Request, viewer: Seen) -> Response:
    """
    Say which rules are kept.

    Parameters
    ----------
    request : Request
        The request.
    viewer : Viewer
        Who asks.

    Returns
    -------
    Response
        `CONFORMANCE`.
    """
    del viewer
    single(request, ("f",))
    return _json({"conformsTo": list(CONFORMANCE)})


@router.get(
    "/api/collections",
    response_class=Response,
    responses={200: shown(JSON, "The collections."), **problems()},
)
def collections(request: Request, viewer: Seen) -> Response:
    """
    List the collections.

    Parameters
    ----------
    request : Request
        The request.
    viewer : Viewer
        Who asks.

    Returns
    -------
    Response
        Each with the extent of what the viewer sees.
    """
    single(request, ("f",))
    doors.audit(request, viewer, "extent of collections", len(COLLECTIONS))
    return _json(
        {
            "links": [link(request, "self", "/api/collections")],
            "collections": [_described(request, viewer, name) for name in COLLECTIONS],
        }
    )


@router.get(
    "/api/collections/{collection}",
    response_class=Response,
    responses={200: shown(JSON, "One collection."), **problems(404)},
)
def collection(request: Request, collection: str, viewer: Seen) -> Response:
    """
    Describe a collection.

    Parameters
    ----------
    request : Request
        The request.
    collection : str
        Which.
    viewer : Viewer
        Who asks.

    Returns
    -------
    Response
        With the extent of what the viewer sees.
    """
    _require(collection)
    single(request, ("f",))
    doors.audit(request, viewer, f"extent of {collection}", 1)
    return _json(_described(request, viewer, collection))


@router.get(
    "/api/collections/{collection}/items",
    response_class=Response,
    responses={200: shown(GEOJSON, "A page of features."), **problems(404)},
    openapi_extra={"parameters": parameters_of(ALERTS)},
)
def items(request: Request, collection: str, viewer: Seen) -> Response:
    """
    Give features, page by page, in the order of their ids.

    Parameters
    ----------
    request : Request
        The request; its parameters are those of `features_query`.
    collection : str
        Which.
    viewer : Viewer
        Who asks.

    Returns
    -------
    Response
        A FeatureCollection with links to this page and the next.
    """
    _require(collection)
    query = query_of(request, viewer, collection)
    page, more = _page(request, query)
    doors.audit(request, viewer, collection, [item_id for item_id, _ in page])
    path = f"/api/collections/{collection}/items"
    links = [
        {**link(request, "self", path, media=GEOJSON), "href": _same(request, path)},
        link(request, "alternate", path, media=GEOJSON, title="without parameters"),
        link(request, "collection", f"/api/collections/{collection}"),
    ]
    if more:
        token = token_after(page[-1][0])
        links.insert(
            1,
            {
                **link(request, "next", path, media=GEOJSON),
                "href": _same(request, path, token=token),
            },
        )
    head = {
        "type": "FeatureCollection",
        "timeStamp": instant(request),
        "numberMatched": shelf_of(request).count(query.wanted),
        "numberReturned": len(page),
        "links": links,
    }
    features = ",\n".join(text for _, text in page)
    said = json.dumps(head, ensure_ascii=False)
    return answer(f'{said[:-1]}, "features": [\n{features}\n]}}', media=GEOJSON)


@router.get(
    "/api/collections/{collection}/items/{item_id:path}",
    response_class=Response,
    responses={200: shown(GEOJSON, "One feature."), **problems(404)},
)
def item(request: Request, collection: str, item_id: str, viewer: Seen) -> Response:
    """
    Give one feature.

    Parameters
    ----------
    request : Request
        The request.
    collection : str
        Which collection.
    item_id : str
        Which feature.
    viewer : Viewer
        Who asks.

    Returns
    -------
    Response
        The feature with its links.
    """
    _require(collection)
    single(request, ("f",))
    found = required(request, viewer, item_id, collection)
    doors.audit(request, viewer, collection, [found.item_id])
    path = f"/api/collections/{collection}"
    links = [
        link(request, "self", f"{path}/items/{found.item_id}", media=GEOJSON),
        link(request, "collection", path),
    ]
    if collection == ALERTS:
        links += [
            link(request, "related", f"/api/alerts/{found.item_id}/{name}", title=name)
            for name in ("reading", "timeline", "imagery")
        ]
    said = json.dumps(links, ensure_ascii=False)
    return answer(f'{found.feature[:-1]},"links":{said}}}', media=GEOJSON)


@router.get(
    "/api/alerts",
    response_class=Response,
    responses={200: shown(JSON, "A page of the list."), **problems()},
    openapi_extra={"parameters": _alert_parameters()},
)
def brief(request: Request, viewer: Seen) -> Response:
    """
    Give what a list says of alerts: a fifth of what the features say.

    Parameters
    ----------
    request : Request
        The request.
    viewer : Viewer
        Who asks.

    Returns
    -------
    Response
        ``alerts``, ``next`` (a token or null) and ``numberMatched``.
    """
    single(request, ("limit", "token", *FILTERS))
    query = query_of(request, viewer, ALERTS, default=BRIEF_LIMIT)
    page, more = _page(request, query, brief=True)
    doors.audit(request, viewer, "list of alerts", [item_id for item_id, _ in page])
    head = {
        "numberMatched": shelf_of(request).count(query.wanted),
        "next": token_after(page[-1][0]) if more else None,
    }
    rows = ",\n".join(text for _, text in page)
    return answer(f'{json.dumps(head)[:-1]}, "alerts": [\n{rows}\n]}}')


def _page(
    request: Request, query: Query, *, brief: bool = False
) -> tuple[Sequence[tuple[str, str]], bool]:
    """Read a page, and whether there is another."""
    found = shelf_of(request).page(
        query.wanted, after=query.after, most=query.limit + 1, brief=brief
    )
    return found[: query.limit], len(found) > query.limit


def _require(collection: str) -> None:
    """Refuse a collection that there is not."""
    if collection not in COLLECTIONS:
        raise Problem(404, doors.UNKNOWN)


def _described(request: Request, viewer: Viewer, name: str) -> dict[str, Any]:
    """Describe a collection."""
    box, days = shelf_of(request).extent(viewer.scope.areas, name)
    title, description = _TITLES[name]
    path = f"/api/collections/{name}"
    extent: dict[str, Any] = {}
    if box is not None:
        extent["spatial"] = {"bbox": [list(box)], "crs": CRS84}
    if days is not None:
        first, last = days
        interval = [f"{first}T00:00:00Z", f"{last}T23:59:59Z"]
        extent["temporal"] = {"interval": [interval]}
    return {
        "id": name,
        "title": title,
        "description": description,
        "itemType": "feature",
        "crs": [CRS84],
        **({"extent": extent} if extent else {}),
        "links": [
            link(request, "self", path),
            link(request, "items", f"{path}/items", media=GEOJSON, title=title),
        ],
    }


def _same(request: Request, path: str, **changed: str) -> str:
    """Give the address of this request, with some parameters changed."""
    said = {**dict(request.query_params), **changed}
    query = urlencode(said)
    return address(request, path) + (f"?{query}" if query else "")


def _json(value: Mapping[str, Any]) -> Response:
    """Answer with a document."""
    return answer(json.dumps(value, ensure_ascii=False))
