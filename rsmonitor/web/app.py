"""The application: its routers, and the layer that every answer passes."""

from typing import Final

import anyio
from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from rsmonitor import __version__
from rsmonitor.errors import RsmonitorError
from rsmonitor.web import (
    account_routes,
    assets,
    downloads,
    features,
    imagery,
    openapi,
    pages,
    session_routes,
    stac,
    uploads,
    verdicts,
)
from rsmonitor.web.errors import Problem, handle
from rsmonitor.web.security import Guard, GuardRules
from rsmonitor.web.service import Service

_PARTS: Final = (
    session_routes,
    account_routes,
    features,
    imagery,
    downloads,
    stac,
    verdicts,
    uploads,
    openapi,
    assets,
    pages,
)
"""Modules with a router each."""


def make_app(service: Service, rules: GuardRules | None = None) -> FastAPI:
    """
    Make the application.

    Parameters
    ----------
    service : Service
        What the routes share.
    rules : GuardRules, optional
        How much of the machine requests may take.

    Returns
    -------
    FastAPI
        The application, for one process with several threads.
    """
    app = FastAPI(
        title="rsmonitor",
        version=__version__,
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        redirect_slashes=False,
    )
    app.state.service = service
    app.state.logins = anyio.CapacityLimiter(4)
    for part in _PARTS:
        app.include_router(part.router)
    for kind in (Problem, RequestValidationError, HTTPException, RsmonitorError):
        app.add_exception_handler(kind, handle)
    app.add_middleware(Guard, service=service, rules=rules or GuardRules())
    return app
