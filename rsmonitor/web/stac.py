"""Alerts as a STAC catalogue: what each rests on, and where its images lie."""

import json
from collections.abc import Mapping
from typing import Annotated, Any, Final
from urllib.parse import quote

from fastapi import APIRouter, Depends
from starlette.requests import Request
from starlette.responses import Response

from rsmonitor.io.deliver.geojson import notice
from rsmonitor.io.deliver.stac import SCENE, STAC_VERSION
from rsmonitor.io.stores.shelf_writing import ALERTS
from rsmonitor.records.account import Viewer
from rsmonitor.records.package import CHIP_LABELS
from rsmonitor.web import doors
from rsmonitor.web.features_answers import (
    GEOJSON,
    JSON,
    address,
    answer,
    link,
    problems,
    required,
    shelf_of,
    shown,
)
from rsmonitor.web.features_query import (
    CORE,
    parameters_of,
    query_of,
    single,
    token_after,
)

router: Final = APIRouter(tags=["stac"])

Seen = Annotated[Viewer, Depends(doors.viewer)]

ROOT: Final = "/api/stac"
COLLECTION: Final = f"{ROOT}/collections/alerts"

_WORLD: Final = (-180.0, -90.0, 180.0, 90.0)


@router.get(
    ROOT,
    response_class=Response,
    responses={200: shown(JSON, "The catalogue."), **problems()},
)
def catalog(request: Request, viewer: Seen) -> Response:
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
        A STAC catalogue.
    """
    single(request, ())
    held = shelf_of(request).invented(viewer.scope.areas)
    return _json(
        {
            "type": "Catalog",
            "stac_version": STAC_VERSION,
            "id": "rsmonitor",
            "title": "rsmonitor",
            "description": notice(invented=held),
            "links": [
                link(request, "self", ROOT),
                link(request, "root", ROOT),
                link(request, "child", COLLECTION),
            ],
        }
    )


@router.get(
    COLLECTION,
    response_class=Response,
    responses={200: shown(JSON, "The collection of alerts."), **problems()},
)
def collection(request: Request, viewer: Seen) -> Response:
    """
    Describe the alerts that the viewer sees.

    Parameters
    ----------
    request : Request
        The request.
    viewer : Viewer
        Who asks.

    Returns
    -------
    Response
        A STAC collection.
    """
    single(request, ())
    doors.audit(request, viewer, "extent of alerts", 1)
    shelf = shelf_of(request)
    box, days = shelf.extent(viewer.scope.areas)
    first, last = days or (None, None)
    interval = [
        None if first is None else f"{first}T00:00:00Z",
        None if last is None else f"{last}T23:59:59Z",
    ]
    return _json(
        {
            "type": "Collection",
            "stac_version": STAC_VERSION,
            "id": ALERTS,
            "title": "疑似线索 Suspected cases",
            "description": notice(invented=shelf.invented(viewer.scope.areas)),
            "license": "other",
            "extent": {
                "spatial": {"bbox": [list(box or _WORLD)]},
                "temporal": {"interval": [interval]},
            },
            "links": [
                link(request, "self", COLLECTION),
                link(request, "root", ROOT),
                link(request, "parent", ROOT),
                link(request, "items", f"{COLLECTION}/items", media=GEOJSON),
            ],
        }
    )


@router.get(
    f"{COLLECTION}/items",
    response_class=Response,
    responses={200: shown(GEOJSON, "A page of items."), **problems()},
    openapi_extra={
        "parameters": [each for each in parameters_of(ALERTS) if each["name"] in CORE]
    },
)
def items(request: Request, viewer: Seen) -> Response:
    """
    Give items, page by page.

    Parameters
    ----------
    request : Request
        The request.
    viewer : Viewer
        Who asks.

    Returns
    -------
    Response
        A FeatureCollection of STAC items.
    """
    single(request, CORE)
    query = query_of(request, viewer, ALERTS)
    found = shelf_of(request).page(
        query.wanted, after=query.after, most=query.limit + 1
    )
    page = found[: query.limit]
    doors.audit(request, viewer, "stac", [item_id for item_id, _ in page])
    links = [link(request, "root", ROOT), link(request, "collection", COLLECTION)]
    if len(found) > query.limit:
        token = token_after(page[-1][0])
        rest = "".join(
            f"&{name}={quote(value)}"
            for name, value in request.query_params.items()
            if name != "token"
        )
        href = f"{address(request, f'{COLLECTION}/items')}?token={token}{rest}"
        links.append({"rel": "next", "type": GEOJSON, "href": href})
    said = {
        "type": "FeatureCollection",
        "numberMatched": shelf_of(request).count(query.wanted),
        "numberReturned": len(page),
        "links": links,
        "features": [_item(request, json.loads(text)) for _, text in page],
    }
    return answer(json.dumps(said, ensure_ascii=False), media=GEOJSON)


@router.get(
    f"{COLLECTION}/items/{{alert_id}}",
    response_class=Response,
    responses={200: shown(GEOJSON, "One item."), **problems(404)},
)
def item(request: Request, alert_id: str, viewer: Seen) -> Response:
    """
    Give one item.

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
        A STAC item with links to the scenes that decided.
    """
    single(request, ())
    found = required(request, viewer, alert_id)
    doors.audit(request, viewer, "stac", [alert_id])
    said = _item(request, json.loads(found.feature))
    return answer(json.dumps(said, ensure_ascii=False), media=GEOJSON)


def _item(request: Request, feature: Mapping[str, Any]) -> dict[str, Any]:
    """Make an item of a feature."""
    said = feature["properties"]
    alert_id = feature["id"]
    base = f"/api/alerts/{alert_id}"
    return {
        "type": "Feature",
        "stac_version": STAC_VERSION,
        "stac_extensions": [],
        "id": alert_id,
        "collection": ALERTS,
        "bbox": feature["bbox"],
        "geometry": feature["geometry"],
        "properties": {
            "title": said["short_name"],
            "description": said["notice"],
            "datetime": None,
            "start_datetime": f"{said['first_seen']}T00:00:00Z",
            "end_datetime": f"{said['last_seen']}T23:59:59Z",
            **{
                f"rsmonitor:{name}": said[name]
                for name in (
                    *("version", "rank", "tier", "category", "certainty", "state"),
                    *("cause", "area_m2", "county_codes", "district", "week_said"),
                    *("register_snapshot", "settings_digest", "model_id"),
                    *("invented_licences", "software"),
                )
            },
        },
        "links": [
            link(request, "self", f"{COLLECTION}/items/{alert_id}", media=GEOJSON),
            link(request, "root", ROOT),
            link(request, "parent", COLLECTION),
            link(request, "collection", COLLECTION),
            *(
                {
                    "rel": "derived_from",
                    "href": f"{SCENE}{quote(scene, errors='replace')}",
                    "title": scene,
                }
                for scene in said["scenes"]
            ),
        ],
        "assets": {
            **{
                role.value: {
                    "href": address(request, f"{base}/imagery/{role.value}.png"),
                    "title": " ".join(label),
                    "type": "image/png",
                    "roles": ["overview"],
                }
                for role, label in CHIP_LABELS.items()
            },
            "outline": {
                "href": address(request, f"{base}/download/geojson"),
                "title": "GeoJSON",
                "type": GEOJSON,
                "roles": ["data"],
            },
        },
    }


def _json(value: Mapping[str, Any]) -> Response:
    """Answer with a document."""
    return answer(json.dumps(value, ensure_ascii=False))
