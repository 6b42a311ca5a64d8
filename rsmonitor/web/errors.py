"""What is said where a request cannot be answered (RFC 9457): nothing of the inside."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from rsmonitor.errors import BusyError, ContractError

_MOST_FAULTS = 10
_LONGEST_FAULT = 200


class Problem(Exception):  # noqa: N818 - what the standard calls it
    """An answer that says why there is none.

    Parameters
    ----------
    status : int
        HTTP status.
    detail : str, default ""
        What is wrong and what to do, for people.
    headers : mapping of str to str, optional
        Further headers, such as ``Retry-After``.
    """

    def __init__(
        self, status: int, detail: str = "", headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.headers = dict(headers or {})


def problem(
    status: int, detail: str = "", headers: Mapping[str, str] | None = None
) -> JSONResponse:
    """
    Make an answer that says why there is none.

    Parameters
    ----------
    status : int
        HTTP status.
    detail : str, default ""
        What is wrong and what to do.
    headers : mapping of str to str, optional
        Further headers.

    Returns
    -------
    JSONResponse
        ``application/problem+json``.
    """
    said: dict[str, Any] = {
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": status,
    }
    if detail:
        said["detail"] = detail
    return JSONResponse(
        said,
        status_code=status,
        headers=dict(headers or {}),
        media_type="application/problem+json",
    )


def answer_to(error: Exception) -> Response | None:
    """
    Say what an error means for whoever asked.

    Parameters
    ----------
    error : Exception
        What a route raised.

    Returns
    -------
    Response or None
        None for what nobody foresaw.
    """
    match error:
        case Problem():
            return problem(error.status, error.detail, error.headers)
        case RequestValidationError():
            return problem(422, _faults(error))
        case HTTPException():
            told = "" if error.detail == HTTPStatus(error.status_code).phrase else error
            return problem(
                error.status_code, getattr(told, "detail", ""), error.headers
            )
        case BusyError():
            return problem(503, "busy; try again", {"Retry-After": "5"})
        case ContractError():
            return problem(422, str(error))
        case _:
            return None


async def handle(_: Request, error: Exception) -> Response:
    """
    Answer an error that a route raised on purpose.

    Parameters
    ----------
    _ : Request
        Not looked at.
    error : Exception
        The error.

    Returns
    -------
    Response
        What `answer_to` makes of it.

    Raises
    ------
    Exception
        The error itself where that is nothing; the outermost layer answers it.
    """
    answer = answer_to(error)
    if answer is None:
        raise error
    return answer


def _faults(error: RequestValidationError) -> str:
    """Name what is wrong with the parameters, without repeating what was sent."""
    told = []
    for fault in error.errors()[:_MOST_FAULTS]:
        where = ".".join(str(part) for part in fault["loc"])[:_LONGEST_FAULT]
        told.append(f"{where}: {str(fault['msg'])[:_LONGEST_FAULT]}")
    return "; ".join(told)
