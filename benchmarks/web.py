"""The web service under many readers: 100,000 alerts, 50 clients at once, two cores.

    python -m benchmarks.web DEMO_OUT

The alerts are the demo's, dealt to counties over and over, each copy moved to a place
of its own. A twentieth of them stands in the ledger; in the read model, which lists are
answered from, each of these stands twenty times. The service is `rsmonitor serve` in a
process of its own, the clients are another one; both share the cores. Of each route so
many requests are timed as `--requests` says, by clients that keep their connections and
ask again at once. Memory is that of the service before and after a number of requests,
not a time: it must not grow.
"""

import argparse
import http.client
import multiprocessing
import os
import random
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import shapely
from shapely.affinity import translate

from benchmarks.web_alerts import LETTERS, build, county, multiply
from rsmonitor.config import read_districts
from rsmonitor.records.account import Role, Scope
from rsmonitor.records.alert import Alert
from rsmonitor.wiring import demo_settings
from rsmonitor.wiring.accounts import open_accounts
from rsmonitor.wiring.reports import books_of
from rsmonitor.wiring.shelf import KeptShelf

CLIENTS: Final = 50
COPIES: Final = 20
PAGE: Final = 100
_SERVE: Final = """
import sys
from pathlib import Path
from rsmonitor.cli.serve import serve

serve([Path(sys.argv[1])], port=int(sys.argv[2]))
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """What is asked for over and over."""

    name: str
    """For the table."""

    scope: str
    """Whose token asks: of everything, a prefecture or a county."""

    path: Callable[[random.Random], str]
    """Gives the next one to ask for."""


def routes(ids: Sequence[str], box: shapely.Polygon) -> Iterator[Route]:
    """
    List what is asked for.

    Parameters
    ----------
    ids : sequence of str
        Alerts of the first county.
    box : Polygon
        Where alerts lie.

    Yields
    ------
    Route
        One row of the table.
    """
    items = "/api/collections/alerts/items"
    west, south, east, north = box.bounds

    def small(draw: random.Random) -> str:
        x, y = draw.uniform(west, east), draw.uniform(south, north)
        return (
            f"{items}?limit={PAGE}&bbox={x:.4f},{y:.4f},{x + 0.02:.4f},{y + 0.02:.4f}"
        )

    def after(draw: random.Random) -> str:
        import base64  # noqa: PLC0415 - here alone

        start = "a" + "".join(draw.choice(LETTERS) for _ in range(12))
        token = base64.urlsafe_b64encode(start.encode()).decode().rstrip("=")
        return f"{items}?limit={PAGE}&token={token}"

    def one(form: str) -> Callable[[random.Random], str]:
        return lambda draw: form.format(draw.choice(ids))

    yield Route(
        name="conformance (no data)", scope="*", path=lambda _: "/api/conformance"
    )
    for scope, seen in ((county(0), "county"), ("3607", "prefecture"), ("*", "all")):
        yield Route(name=f"page of {PAGE}, {seen}", scope=scope, path=after)
    yield Route(
        name=f"list of {PAGE}, county",
        scope=county(0),
        path=lambda _: f"/api/alerts?limit={PAGE}",
    )
    yield Route(name="box of 2 km, all", scope="*", path=small)
    yield Route(
        name="high tier, all",
        scope="*",
        path=lambda _: f"{items}?limit={PAGE}&tier=high",
    )
    yield Route(
        name="search for an id, county",
        scope=county(0),
        path=lambda draw: f"{items}?q={draw.choice(ids)[1:8]}",
    )
    yield Route(name="one feature", scope=county(0), path=one(f"{items}/{{}}"))
    yield Route(name="reading", scope=county(0), path=one("/api/alerts/{}/reading"))
    yield Route(name="timeline", scope=county(0), path=one("/api/alerts/{}/timeline"))
    yield Route(
        name="csv of one", scope=county(0), path=one("/api/alerts/{}/download/csv")
    )


def ask(
    port: int, token: str, paths: Sequence[str], clients: int
) -> tuple[list[float], int, float]:
    """
    Ask with many clients at once.

    Parameters
    ----------
    port : int
        Of the service.
    token : str
        Who asks.
    paths : sequence of str
        What is asked for, shared by the clients.
    clients : int
        How many.

    Returns
    -------
    seconds : list of float
        Of each answer.
    wrong : int
        Answers other than 200.
    whole : float
        Seconds in all.
    """
    left = iter(paths)
    turn = threading.Lock()
    took: list[float] = []
    wrong = 0

    def client() -> None:
        nonlocal wrong
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
        while True:
            with turn:
                path = next(left, None)
            if path is None:
                connection.close()
                return
            begin = time.perf_counter()
            try:
                connection.request(
                    "GET", path, headers={"Authorization": f"Bearer {token}"}
                )
                answer = connection.getresponse()
                answer.read()
                good = answer.status == http.HTTPStatus.OK
            except (OSError, http.client.HTTPException):
                connection.close()
                good = False
            seconds = time.perf_counter() - begin
            with turn:
                took.append(seconds)
                wrong += not good

    threads = [threading.Thread(target=client) for _ in range(clients)]
    begin = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return took, wrong, time.perf_counter() - begin


def resident_mib(process: int) -> float:
    """
    Give the memory that a process holds.

    Parameters
    ----------
    process : int
        Its id.

    Returns
    -------
    float
        MiB.
    """
    text = Path(f"/proc/{process}/status").read_text(encoding="utf-8")
    (line,) = [each for each in text.splitlines() if each.startswith("VmRSS")]
    return int(line.split()[1]) / 1024


def _clients(
    pipe: "multiprocessing.connection.Connection",
    port: int,
    tokens: dict[str, str],
    ids: Sequence[str],
    box: shapely.Polygon,
    requests: int,
    clients: int,
) -> None:
    """Ask for each route, in a process of its own, and tell what it took."""
    for route in routes(ids, box):
        draw = random.Random(0)  # noqa: S311 - the same requests each time
        paths = [route.path(draw) for _ in range(requests)]
        ask(port, tokens[route.scope], paths[: requests // 10], clients)
        pipe.send((route.name, *ask(port, tokens[route.scope], paths, clients)))
    pipe.send(None)


def _free_port() -> int:
    """Find a port that nobody has."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        return int(listening.getsockname()[1])


def _tokens(config: Path) -> dict[str, str]:
    """Make an account and a token for each scope."""
    accounts = open_accounts(read_districts(config)[0])
    found = {}
    for name, area in (("all", "*"), ("prefecture", "3607"), ("county", county(0))):
        scope = Scope.of([area])
        accounts.add(name, role=Role.BUREAU, scope=scope)
        _, found[area] = accounts.make_token(name, label="", scope=scope, days=1)
    return found


def _answers(port: int) -> bool:
    """Say whether somebody listens."""
    try:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
        connection.request("GET", "/api/conformance")
        return connection.getresponse().status > 0
    except OSError:
        return False


def main() -> int:
    """
    Measure, and print a table.

    Returns
    -------
    int
        0.

    Raises
    ------
    SystemExit
        If the service ends by itself.
    """
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("demo_out", type=Path, help="outputs of `rsmonitor demo`")
    parser.add_argument("--alerts", type=int, default=100_000)
    parser.add_argument("--clients", type=int, default=CLIENTS)
    parser.add_argument("--requests", type=int, default=500, help="of each route")
    arguments = parser.parse_args()
    if len(os.sched_getaffinity(0)) > 2:  # noqa: PLR2004 - what the table is of
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:2])
    base = books_of([demo_settings(arguments.demo_out)]).alerts
    with tempfile.TemporaryDirectory(prefix="rsmonitor-web-") as folder:
        begin = time.perf_counter()
        count = arguments.alerts // COPIES
        config, ids = build(Path(folder), base, count)
        print(
            f"ledger of {count} alerts: {time.perf_counter() - begin:.0f} s", flush=True
        )
        begin, cpu = time.perf_counter(), time.process_time()
        kept = KeptShelf(read_districts(config), Path(folder, "work", "web"))
        kept.settle()
        print(
            f"read model of {count}: {time.perf_counter() - begin:.0f} s, "
            f"{time.process_time() - cpu:.0f} s of CPU",
            flush=True,
        )
        multiply(kept, COPIES)
        shelf = next(Path(folder).rglob("shelf.sqlite"))
        print(
            f"of {count * COPIES}: {shelf.stat().st_size / 2**20:.0f} MiB", flush=True
        )
        tokens, port = _tokens(config), _free_port()
        service = subprocess.Popen(  # noqa: S603 - our own program
            [sys.executable, "-c", _SERVE, str(config), str(port)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            while not _answers(port):
                if service.poll() is not None:
                    raise SystemExit(f"the service ended with {service.returncode}")
                time.sleep(0.2)
            # the first answers open what is read
            ask(port, tokens["*"], ["/api/alerts?limit=1"] * 100, arguments.clients)
            _measure(service.pid, port, tokens, ids, arguments, base)
        finally:
            service.terminate()
            service.wait()
    return 0


def _measure(
    process: int,
    port: int,
    tokens: dict[str, str],
    ids: Sequence[str],
    arguments: argparse.Namespace,
    base: Sequence[Alert],
) -> None:
    """Print the table, and what the memory did."""
    whole = shapely.union_all([a.site.latest.disturbance.geometry for a in base])
    box = shapely.box(*translate(whole, 0.3, -19.7).bounds).buffer(0.3)
    ours, theirs = multiprocessing.Pipe()
    clients = multiprocessing.get_context("spawn").Process(
        target=_clients,
        args=(theirs, port, tokens, ids, box, arguments.requests, arguments.clients),
    )
    clients.start()
    print()
    print("| route | median ms | 99 % ms | answers a second | wrong | MiB after |")
    print("|---|---|---|---|---|---|")
    count = 0
    while (told := ours.recv()) is not None:
        name, took, wrong, seconds = told
        count += len(took) + len(took) // 10
        last = statistics.quantiles(took, n=100)[98]
        print(
            f"| {name} | {statistics.median(took) * 1e3:.0f} | {last * 1e3:.0f} | "
            f"{len(took) / seconds:.0f} | {wrong} | {resident_mib(process):.0f} |",
            flush=True,
        )
    clients.join()
    before = resident_mib(process)
    more = [f"/api/alerts/{ids[n % len(ids)]}/reading" for n in range(count)]
    ask(port, tokens[county(0)], more, arguments.clients)
    after = resident_mib(process)
    print()
    print(
        f"memory of the service after {count} requests: {before:.0f} MiB, after as "
        f"many again: {after:.0f} MiB"
    )


if __name__ == "__main__":
    raise SystemExit(main())
