"""The service as a process: what it opens, and how it runs until it is told to end."""

import contextlib
import logging
import socket
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Final

import uvicorn

from rsmonitor.config import Settings, read_districts
from rsmonitor.errors import RsmonitorError, SettingsError
from rsmonitor.io.foundation.clock import SystemClock
from rsmonitor.io.foundation.logs import JsonLines
from rsmonitor.io.stores.access_log import KEPT
from rsmonitor.web.app import make_app
from rsmonitor.web.binding import BACKLOG, Binding, check_certificate
from rsmonitor.web.patience import PatientProtocol, PatientServer, ProxiedProtocol
from rsmonitor.web.security import GuardRules
from rsmonitor.web.service import Service
from rsmonitor.wiring.accounts import Accounts, open_accounts
from rsmonitor.wiring.shelf import KeptShelf

logger = logging.getLogger(__name__)

_HEAD_BYTES: Final = 16 * 1024
_IDLE_SECONDS: Final = 15
_GRACE_SECONDS: Final = 10
_DAY_SECONDS: Final = 86_400


def open_service(
    configs: Sequence[Path],
    binding: Binding,
    port: int,
    accounts: Accounts | None = None,
) -> Service:
    """
    Open what the routes need.

    Parameters
    ----------
    configs : sequence of Path
        Settings files; accounts lie in the work folder of the first.
    binding : Binding
        Where the service listens.
    port : int
        The port that it got.
    accounts : Accounts, optional
        The accounts; those of the first settings by default.

    Returns
    -------
    Service
        The service.

    Raises
    ------
    SettingsError
        If the settings cannot be read, or name a district twice.
    """
    offices = read_offices(configs)
    first = offices[0]
    folder = first.path(first.run.work) / "web"
    clock = SystemClock()
    return Service(
        settings=offices,
        configs=tuple(configs),
        accounts=accounts or open_accounts(first, clock=clock),
        clock=clock,
        folder=folder,
        public_url=binding.url(port),
        secure_cookies=binding.url(port).startswith("https:"),
        shelf=KeptShelf(offices, folder),
    )


def read_offices(configs: Sequence[Path]) -> tuple[Settings, ...]:
    """
    Read settings files, of which each may be of many districts.

    Parameters
    ----------
    configs : sequence of Path
        The files.

    Returns
    -------
    tuple of Settings
        One a district.

    Raises
    ------
    SettingsError
        If a file cannot be read, or two are of the same district.
    """
    offices = tuple(each for config in configs for each in read_districts(config))
    codes = [each.district.code for each in offices]
    twice = sorted({code for code in codes if codes.count(code) > 1})
    if twice:
        raise SettingsError(f"two settings are of district {', '.join(twice)}")
    return offices


def config_of(
    service: Service, binding: Binding, rules: GuardRules | None = None
) -> uvicorn.Config:
    """
    Say how the server serves.

    Parameters
    ----------
    service : Service
        The service.
    binding : Binding
        Where it listens.
    rules : GuardRules, optional
        How much requests may take; of a proxy, `binding` says.

    Returns
    -------
    uvicorn.Config
        For `PatientServer`.

    Raises
    ------
    SettingsError
        If certificate or key cannot be used.
    """
    if rules is None:
        rules = GuardRules(
            proxies=binding.proxies if binding.behind_proxy else (),
            proxied_only=binding.behind_proxy,
        )
    check_certificate(binding)
    return uvicorn.Config(
        make_app(service, rules),
        http=ProxiedProtocol if binding.behind_proxy else PatientProtocol,
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        backlog=BACKLOG,
        timeout_keep_alive=_IDLE_SECONDS,
        timeout_graceful_shutdown=_GRACE_SECONDS,
        h11_max_incomplete_event_size=_HEAD_BYTES,
        ssl_certfile=binding.certificate,
        ssl_keyfile=binding.key,
    )


def serve(
    service: Service,
    binding: Binding,
    taken: socket.socket,
    *,
    ready: Callable[[], None] = lambda: None,
    kept: timedelta = KEPT,
) -> None:
    """
    Serve until SIGTERM or Ctrl-C; what is being answered then is still answered.

    Parameters
    ----------
    service : Service
        The service.
    binding : Binding
        Where it listens.
    taken : socket
        From `listen`.
    ready : callable, optional
        Called once requests are answered.
    kept : timedelta, optional
        Age of the oldest entries of the access log that are kept.

    Raises
    ------
    SettingsError
        If certificate or key cannot be used.
    """
    config = config_of(service, binding)
    over = threading.Event()
    keeping = threading.Thread(
        target=_keep_house, args=(service, kept, over), name="upkeep", daemon=True
    )
    with _server_logged():
        keeping.start()
        logger.info("service started")
        try:
            PatientServer(config, ready).run(sockets=[taken])
        finally:
            over.set()
            logger.info("service stopped")


@contextlib.contextmanager
def _server_logged() -> Iterator[None]:
    """Write what the server itself complains about as we write ours."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines())
    server = logging.getLogger("uvicorn")
    before = server.level, server.propagate
    server.addHandler(handler)
    server.setLevel(logging.ERROR)
    server.propagate = False
    try:
        yield
    finally:
        server.removeHandler(handler)
        server.setLevel(before[0])
        server.propagate = before[1]


def _keep_house(service: Service, kept: timedelta, over: threading.Event) -> None:
    """Prune the access log once a day."""
    while True:
        try:
            removed = service.accounts.log.prune(now=service.clock.now(), kept=kept)
        except RsmonitorError as error:
            logger.error(  # noqa: TRY400 - the message says all of it
                "the access log cannot be pruned: %s", error
            )
        else:
            if removed:
                logger.info("access log pruned: %d entries", removed)
        if over.wait(_DAY_SECONDS):
            return
