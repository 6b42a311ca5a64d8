"""Files that people send: looked at first, and taken in where that is asked for."""

import json
from typing import Annotated, Final

from fastapi import APIRouter, Depends, File, UploadFile
from starlette.requests import Request
from starlette.responses import Response

from rsmonitor.config import read_districts
from rsmonitor.errors import BusyError, ReturnsError
from rsmonitor.io.stores.shelf_query import Wanted
from rsmonitor.records.account import Viewer
from rsmonitor.records.licence import LicenceKind
from rsmonitor.web import doors
from rsmonitor.web.errors import Problem
from rsmonitor.web.features_answers import JSON, answer, problems, shelf_of, shown
from rsmonitor.web.features_query import single
from rsmonitor.web.service import Service
from rsmonitor.wiring.web_uploads import KINDS, Upload, take

router: Final = APIRouter(tags=["uploads"])

MOST_BYTES: Final = 32 * 2**20
"""Of a file."""

_ALL: Final = 10_000_000

_PARAMETERS: Final = [
    {
        "name": "apply",
        "in": "query",
        "required": False,
        "description": "true takes in what is new; otherwise it is only looked at.",
        "schema": {"type": "string", "enum": ["true", "false"]},
    },
    {
        "name": "district",
        "in": "query",
        "required": False,
        "description": "A district of the ledger that it is for; default: the first.",
        "schema": {"type": "string"},
    },
    {
        "name": "licence_kind",
        "in": "query",
        "required": False,
        "description": "licences: what parcels are where the file does not say.",
        "schema": {"type": "string", "enum": [kind.value for kind in LicenceKind]},
    },
]


@router.post(
    "/api/uploads/{kind}",
    response_class=Response,
    responses={
        200: shown(JSON, "What each row does, or did."),
        **problems(403, 404, 413, 415, 422),
    },
    openapi_extra={"parameters": _PARAMETERS},
)
def upload(
    request: Request,
    kind: str,
    file: Annotated[UploadFile, File()],
    viewer: Annotated[Viewer, Depends(doors.may(*doors.UPLOADERS))],
) -> Response:
    """
    Look at a file of findings, tips or licences; take it in where that is asked for.

    Parameters
    ----------
    request : Request
        The request.
    kind : str
        ``triage``, ``tips`` or ``licences``.
    file : UploadFile
        At most 32 MiB, in any format that the command takes.
    viewer : Viewer
        Who sends it: an analyst or an administrator.

    Returns
    -------
    Response
        Rows, conflicts and refusals; ``applied`` says how many were added.

    Raises
    ------
    Problem
        400, 403, 404, 413 or 422 where it is not taken; 503 while others are at work.
    """
    if kind not in KINDS:
        raise Problem(404, f"what can be sent is {', '.join(KINDS)}")
    said = single(request, [str(each["name"]) for each in _PARAMETERS])
    apply = said.get("apply", "false")
    if apply not in {"true", "false"}:
        raise Problem(400, "apply is true or false")
    licence_kind = said.get("licence_kind", LicenceKind.MINING.value)
    if licence_kind not in set(LicenceKind):
        raise Problem(400, f"licence_kind is one of {', '.join(LicenceKind)}")
    if kind == "licences" and not viewer.scope.is_everything:
        raise Problem(403, "the register is of all areas: who fills it sees them all")
    content = file.file.read(MOST_BYTES + 1)
    if len(content) > MOST_BYTES:
        raise Problem(413, f"a file has at most {MOST_BYTES >> 20} MiB")
    shared = doors.service(request)
    shelf = shelf_of(request)
    allowed = None
    if not viewer.scope.is_everything:
        ids = shelf.ids(Wanted(areas=viewer.scope.areas), most=_ALL)
        allowed = tuple(f"s{alert_id[1:]}" for alert_id in ids)
    config = _config(shared, viewer, said.get("district"))
    try:
        report = take(
            Upload(
                kind=kind,
                config=shared.configs[config],
                who=viewer.name,
                apply=apply == "true",
                allowed=allowed,
                licence_kind=licence_kind,
            ),
            file.filename or "",
            content,
        )
    except ReturnsError as error:
        raise Problem(422, str(error)) from error
    except BusyError as error:
        raise Problem(503, "others are at work; try again", {"Retry-After": "5"}) from (
            error
        )
    done = "applied" if apply == "true" else "looked at"
    doors.audit(request, viewer, f"upload of {kind}, {done}", int(report["count"]))
    shared.shelf.now()  # what may no longer be shown is gone before anybody hears of it
    told = {"kind": kind, "apply": apply == "true", **report}
    return answer(json.dumps(told, ensure_ascii=False))


def _config(shared: Service, viewer: Viewer, district: str | None) -> int:
    """Find the settings file that a file is for."""
    for number, path in enumerate(shared.configs):
        for office in read_districts(path):
            codes = (office.district.code, *office.district.county_codes)
            if viewer.scope.sees(codes) and district in {None, office.district.code}:
                return number
    raise Problem(404, doors.UNKNOWN)
