"""The web service, killed while people write: what was confirmed is there, whole."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from http.client import HTTPConnection, HTTPException
from pathlib import Path

import pytest
from web_world import XUNWU, World, build

SERVER = """
import sys, time
from pathlib import Path
from web_served import serve
from web_world import World
from rsmonitor.records.account import Role

config = Path(sys.argv[1])
world = World(config=config, ledger=None, alerts={})
with serve(world, {Role.ANALYST: (("*",),)}) as served:
    print(served.port, served.token("*"), flush=True)
    time.sleep(600)
"""


@pytest.fixture
def world(tmp_path: Path) -> World:
    return build(tmp_path / "world", each=4)


def started(world: World) -> tuple[subprocess.Popen[str], int, str]:
    process = subprocess.Popen(  # noqa: S603 - our own script
        [sys.executable, "-c", SERVER, str(world.config)],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
    )
    assert process.stdout is not None
    port, token = process.stdout.readline().split()
    return process, int(port), token


def test_killed_under_writes_it_lost_nothing_and_left_nothing_half(
    world: World,
) -> None:
    process, port, token = started(world)
    confirmed: list[tuple[int, str]] = []
    alerts = world.alerts[XUNWU]

    def write(writer: int) -> None:
        for number in range(10_000):
            note = f"{writer} {number}"
            body = {"verdict": "unclear", "note": note, "expected_version": 1}
            connection = HTTPConnection("127.0.0.1", port, timeout=30)
            try:
                connection.request(
                    "POST",
                    f"/api/alerts/{alerts[number % len(alerts)].alert_id}/verdict",
                    json.dumps(body),
                    {
                        "Authorization": f"Bearer {token}",
                        "Content-Type": "application/json",
                    },
                )
                answer = connection.getresponse()
                said = json.loads(answer.read())
                if answer.status == 201:
                    confirmed.append((said["event_seq"], note))
            except (OSError, HTTPException, ValueError):
                return  # it was killed
            finally:
                connection.close()

    threads = [threading.Thread(target=write, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    deadline = time.monotonic() + 60
    while len(confirmed) < 15 and time.monotonic() < deadline:
        time.sleep(0.01)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    for thread in threads:
        thread.join()
    assert len(confirmed) >= 15
    assert world.ledger.verify() == []
    written = {
        event.seq: json.loads(event.body)["note"]
        for event in world.ledger.events()
        if event.kind == "triaged"
    }
    assert {seq: written.get(seq) for seq, _ in confirmed} == dict(confirmed)
    # of each writer at most one more was written than he heard of
    assert len(written) <= len(confirmed) + len(threads)

    again, _, _ = started_again(world)
    again.kill()
    again.wait()


def started_again(world: World) -> tuple[subprocess.Popen[str], int, str]:
    """Start it on what the killed one left, with accounts made anew."""
    for path in (world.folder / "work" / "web").glob("acc*.sqlite*"):
        path.unlink()
    process, port, token = started(world)
    connection = HTTPConnection("127.0.0.1", port, timeout=30)
    connection.request(
        "GET", "/api/alerts", headers={"Authorization": f"Bearer {token}"}
    )
    answer = connection.getresponse()
    assert answer.status == 200
    assert len(json.loads(answer.read())["alerts"]) == len(world.everything)
    connection.close()
    return process, port, token


def test_a_shelf_that_is_damaged_or_half_is_made_anew(world: World) -> None:
    from rsmonitor.config import read_districts  # noqa: PLC0415 - after the world
    from rsmonitor.io.stores.shelf_query import Wanted  # noqa: PLC0415
    from rsmonitor.wiring.shelf import KeptShelf  # noqa: PLC0415

    folder = world.folder / "shelf"
    offices = read_districts(world.config)
    everything = Wanted(areas=("*",))

    def fresh() -> int:
        return KeptShelf(offices, folder).now().count(everything)

    assert fresh() == len(world.everything)
    shelf = folder / "shelf.sqlite"
    whole = shelf.read_bytes()
    (folder / ".shelf.sqlite.new").write_bytes(whole[: len(whole) // 2])
    for damaged in (b"", b"not a database", whole[:5000], b"\x00" * len(whole)):
        shelf.write_bytes(damaged)
        assert fresh() == len(world.everything), damaged[:20]
    assert not (folder / ".shelf.sqlite.new").exists()
