"""What is taken along: alerts in the formats of the export, and packages of weeks."""

import json
from collections.abc import Mapping
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends
from starlette.requests import Request
from starlette.responses import FileResponse, Response

from rsmonitor.errors import ContractError, LicenceError, OutputError
from rsmonitor.io.stores.shelf_query import Wanted
from rsmonitor.io.stores.shelf_writing import ALERTS
from rsmonitor.records.account import Viewer
from rsmonitor.web import doors
from rsmonitor.web.errors import Problem
from rsmonitor.web.features_answers import (
    JSON,
    PRIVATE,
    answer,
    problems,
    required,
    shown,
)
from rsmonitor.web.features_query import parameters_of, query_of, single
from rsmonitor.wiring.web_downloads import (
    FORMATS,
    Kept,
    archive_of,
    chosen_books,
    download,
    file_of,
    find_package,
    packages_of,
)

router: Final = APIRouter(tags=["downloads"])

Seen = Annotated[Viewer, Depends(doors.viewer)]

_FILES: Final = {
    "description": "The file.",
    "content": {
        media.partition(";")[0]: {"schema": {"type": "string", "format": "binary"}}
        for _, _, media in FORMATS.values()
    },
}

_MEDIA: Final[Mapping[str, str]] = {
    suffix: media for _, suffix, media in FORMATS.values()
} | {
    "pdf": "application/pdf",
    "json": "application/json",
    "txt": "text/plain; charset=utf-8",
    "tif": "image/tiff",
}
"""Media type by the end of a name; nothing that a browser would run."""

_OCTETS: Final = "application/octet-stream"


@router.get(
    "/api/alerts/download/{form}",
    response_class=Response,
    responses={200: _FILES, **problems(404, 422)},
    openapi_extra={"parameters": parameters_of(ALERTS)},
)
def download_many(request: Request, form: str, viewer: Seen) -> Response:
    """
    Give the alerts that are wanted in a format.

    Parameters
    ----------
    request : Request
        The request; its parameters are those of items, but for pages.
    form : str
        One of the formats of `rsmonitor alerts export`, or kmz.
    viewer : Viewer
        Who asks.

    Returns
    -------
    Response
        The file.
    """
    query = query_of(request, viewer, ALERTS)
    return _file(request, viewer, form, query.wanted, name="alerts")


@router.get(
    "/api/alerts/{alert_id}/download/{form}",
    response_class=Response,
    responses={200: _FILES, **problems(404, 422)},
)
def download_one(request: Request, alert_id: str, form: str, viewer: Seen) -> Response:
    """
    Give one alert in a format.

    Parameters
    ----------
    request : Request
        The request.
    alert_id : str
        `Alert.alert_id`.
    form : str
        One of the formats of `rsmonitor alerts export`, or kmz.
    viewer : Viewer
        Who asks.

    Returns
    -------
    Response
        The file.
    """
    single(request, ())
    found = required(request, viewer, alert_id)
    wanted = Wanted(areas=viewer.scope.areas, item_id=found.item_id)
    return _file(request, viewer, form, wanted, name=alert_id)


@router.get(
    "/api/weeks",
    response_class=Response,
    responses={200: shown(JSON, "Packages by week."), **problems()},
)
def weeks(request: Request, viewer: Seen) -> Response:
    """
    List the packages of areas that the viewer sees whole.

    Parameters
    ----------
    request : Request
        The request.
    viewer : Viewer
        Who asks.

    Returns
    -------
    Response
        By week, the newest first, with the files of each.
    """
    single(request, ())
    by_week: dict[str, list[dict[str, Any]]] = {}
    for package in packages_of(doors.service(request).shelf, viewer.scope):
        by_week.setdefault(str(package.week), []).append(_package(package))
    said = {
        "weeks": [{"week": week, "areas": areas} for week, areas in by_week.items()]
    }
    return answer(json.dumps(said, ensure_ascii=False))


@router.get(
    "/api/weeks/{week}/{area}/package.zip",
    response_class=Response,
    responses={
        200: shown("application/zip", "The package.", "binary"),
        **problems(404),
    },
)
def package_zip(request: Request, week: str, area: str, viewer: Seen) -> Response:
    """
    Give a package as one file.

    Parameters
    ----------
    request : Request
        The request.
    week : str
        ISO week.
    area : str
        `Area.code`.
    viewer : Viewer
        Who asks.

    Returns
    -------
    Response
        The zip that was built.

    Raises
    ------
    Problem
        404 where there is none that the viewer may see.
    """
    single(request, ())
    package = _required(request, viewer, week, area)
    archive = archive_of(package)
    if archive is None:
        raise Problem(404, doors.UNKNOWN)
    doors.audit(request, viewer, f"package {week} {area}", package.alert_ids)
    return FileResponse(
        archive,
        media_type="application/zip",
        filename=archive.name,
        headers=dict(PRIVATE),
    )


@router.get(
    "/api/weeks/{week}/{area}/files/{name:path}",
    response_class=Response,
    responses={
        200: {
            "description": "One file of a package.",
            "content": {
                media: {"schema": {"type": "string", "format": "binary"}}
                for media in sorted(
                    {m.partition(";")[0] for m in _MEDIA.values()} | {_OCTETS}
                )
            },
        },
        **problems(404),
    },
)
def package_file(
    request: Request, week: str, area: str, name: str, viewer: Seen
) -> Response:
    """
    Give one file of a package.

    Parameters
    ----------
    request : Request
        The request.
    week : str
        ISO week.
    area : str
        `Area.code`.
    name : str
        As the manifest has it.
    viewer : Viewer
        Who asks.

    Returns
    -------
    Response
        The file.

    Raises
    ------
    Problem
        404 where there is none that the viewer may see.
    """
    single(request, ())
    package = _required(request, viewer, week, area)
    path = file_of(package, name)
    if path is None:
        raise Problem(404, doors.UNKNOWN)
    doors.audit(request, viewer, f"{week} {area} {name}", package.alert_ids)
    return FileResponse(
        path,
        media_type=_MEDIA.get(path.suffix.lstrip(".").lower(), _OCTETS),
        filename=path.name,
        headers=dict(PRIVATE),
    )


def _required(request: Request, viewer: Viewer, week: str, area: str) -> Kept:
    """Find a package that the viewer may have."""
    found = find_package(doors.service(request).shelf, viewer.scope, week, area)
    if found is None:
        raise Problem(404, doors.UNKNOWN)
    return found


def _file(
    request: Request, viewer: Viewer, form: str, wanted: Wanted, *, name: str
) -> Response:
    """Write alerts in a format."""
    if form not in FORMATS:
        raise Problem(
            404, f"there is no format of this name; known are {', '.join(FORMATS)}"
        )
    try:
        books = chosen_books(doors.service(request).shelf, wanted, viewer.scope)
        if books is None:
            raise Problem(404, doors.UNKNOWN)
        data = download(books, form, county=wanted.county)
    except ContractError as error:
        raise Problem(422, str(error)) from error
    except (OutputError, LicenceError) as error:
        raise Problem(422, _REFUSED) from error
    doors.audit(
        request, viewer, f"download {form}", [alert.alert_id for alert in books.alerts]
    )
    _, suffix, media = FORMATS[form]
    found = answer(data, media=media)
    found.headers["Content-Disposition"] = f'attachment; filename="{name}.{suffix}"'
    return found


_REFUSED: Final = (
    "the format cannot hold these alerts: a GeoPackage is of one district, and some "
    "formats need licences that can be read; choose with district=, or another format"
)


def _package(package: Kept) -> dict[str, Any]:
    """Describe a package."""
    said = package.manifest
    base = f"/api/weeks/{package.week}/{package.code}"
    archive = archive_of(package)
    return {
        **{
            name: said["area"].get(name, "")
            for name in ("code", "level", "name_zh", "name_en", "bureau")
        },
        "revision": said["revision"],
        "alerts": len(said["alerts"]),
        "zip": {
            "url": f"{base}/package.zip",
            "bytes": archive.stat().st_size,
        }
        if archive is not None
        else None,
        "files": [
            {"name": name, "bytes": each["bytes"], "url": f"{base}/files/{name}"}
            for name, each in said["files"].items()
        ],
    }
