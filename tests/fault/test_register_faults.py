"""An import is whole or absent, wherever its process dies and whoever else writes."""

import os
import random
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from rights import AT, delivery, right, rights

from rsmonitor.errors import OutputError
from rsmonitor.io.stores.register_database import DatabaseRegister

ROOT = Path(__file__).parents[2]
KILLS = 20
MANY = 300

# Imports without end, one file after the other, each of which moves every boundary;
# forked for every kill, because to import anew would take most of the time.
NURSERY = f"""
import os, sys
from pathlib import Path
from datetime import timedelta
from rights import AT, delivery, right
from rsmonitor.io.stores.register_database import DatabaseRegister

register = DatabaseRegister(Path(sys.argv[1]))

def imports_without_end():
    n = len(register.history())
    while True:
        n += 1
        licences = [right(f"C{{k}}", east=0.02 * k + 0.0001 * n) for k in range({MANY})]
        register.import_licences(
            delivery(*licences), at=AT + timedelta(hours=n), by="test"
        )

for line in sys.stdin:
    child = os.fork()
    if child == 0:
        imports_without_end()
    print(child, flush=True)
    os.waitpid(child, 0)
    print("dead", flush=True)
"""


@pytest.mark.slow
def test_a_killed_import_leaves_the_register_whole(tmp_path: Path) -> None:
    path = tmp_path / "register.sqlite"
    chance = random.Random(7)  # noqa: S311 - where to kill
    with subprocess.Popen(  # noqa: S603 - the program above
        [sys.executable, "-c", NURSERY, str(path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": f"{ROOT}:{ROOT / 'tests'}"},
        text=True,
    ) as nursery:
        assert nursery.stdin is not None
        assert nursery.stdout is not None
        done = 0
        for _ in range(KILLS):
            nursery.stdin.write("\n")
            nursery.stdin.flush()
            child = int(nursery.stdout.readline())
            time.sleep(chance.uniform(0.0, 0.3))
            os.kill(child, signal.SIGKILL)
            assert nursery.stdout.readline() == "dead\n"
            done = require_whole(path, done)
        nursery.stdin.close()
    assert done > 1, "some imports got through"


def require_whole(path: Path, done: int) -> int:
    """Refuse a register that lost an import, or holds half of one."""
    register = DatabaseRegister(path)
    assert register.verify() == []
    history = register.history()
    assert len(history) >= done
    assert [entry.number for entry in history] == list(range(1, len(history) + 1))
    snapshot = register.snapshot()
    if history:
        assert len(snapshot.licences) == MANY
        versions = {licence.version for licence in snapshot.licences}
        assert versions == {len(history)}, "all boundaries of one import, or none"
        assert len(snapshot.earlier) == MANY * (len(history) - 1)
    return len(history)


def test_a_full_disk_leaves_the_register_as_it_was(tmp_path: Path) -> None:
    register = DatabaseRegister(tmp_path / "register.sqlite")
    register.import_licences(delivery(right()), at=AT, by="test")
    before = register.snapshot()
    names = [f"C{n}" for n in range(400)]
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    previous = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, limits[1]))
    try:
        with pytest.raises(OutputError, match=r"register\.sqlite cannot be written"):
            register.import_licences(delivery(*rights(*names)), at=AT, by="test")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, previous)
    assert register.snapshot() == before
    assert register.verify() == []
    register.import_licences(delivery(*rights(*names)), at=AT, by="test")
    assert len(register.snapshot().licences) == len(names)


def test_two_imports_at_once_are_one_after_the_other(tmp_path: Path) -> None:
    path = tmp_path / "register.sqlite"
    program = (
        "import sys; from pathlib import Path; from rights import *;"
        "from rsmonitor.io.stores.register_database import DatabaseRegister;"
        "n = int(sys.argv[2]);"
        "DatabaseRegister(Path(sys.argv[1])).import_licences("
        "delivery(right(f'C{n}', east=0.02 * n), file=f'{n}.geojson'), at=AT, by='t')"
    )
    running = [
        subprocess.Popen(  # noqa: S603 - the program above
            [sys.executable, "-c", program, str(path), str(n)],
            env={**os.environ, "PYTHONPATH": f"{ROOT}:{ROOT / 'tests'}"},
        )
        for n in range(3)
    ]
    assert [one.wait() for one in running] == [0, 0, 0]
    register = DatabaseRegister(path)
    assert [entry.number for entry in register.history()] == [1, 2, 3]
    assert len(register.snapshot().licences) == len(running)
