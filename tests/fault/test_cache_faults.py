"""The cache under kill, full disks and company."""

import os
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from rsmonitor.io.stores.cache import SceneCache

ROOT = Path(__file__).parents[2]

PRELUDE = """
import sys, time
from datetime import UTC, datetime
from pathlib import Path
import numpy as np
from rsmonitor.io.stores.cache import SceneCache
from rsmonitor.records.offer import Numbers, Offer, Radiometry, TileWindow

AT = datetime(2026, 2, 18, 3, tzinfo=UTC)
BANDS = ("B02", "B11")
CACHE = SceneCache(Path(sys.argv[1]))

def offer(number):
    return Offer(
        product_id=f"product {number}", mgrs_tile="50RKN", platform="S2B",
        datatake_start=AT, sensed_at=AT, processing_baseline="05.11", source="memory",
        radiometry=Radiometry(
            add_offset=0, quantification_value=10000, because="a test"
        ),
    )

WINDOW = TileWindow(mgrs_tile="50RKN", row=0, col=0, height=200, width=200)

def numbers(number):
    random = np.random.default_rng(number)
    return Numbers(
        bands_10m=("B02",), bands_20m=("B11",),
        dn_10m=random.integers(0, 2**16, (1, 200, 200), np.uint16),
        dn_20m=random.integers(0, 2**16, (1, 100, 100), np.uint16),
        scl=random.integers(0, 12, (100, 100), np.uint8),
    )
"""

FILL = (
    PRELUDE
    + """
for number in range(int(sys.argv[2])):
    CACHE.fetch(offer(number), WINDOW, BANDS, lambda: numbers(number))
    print(number, flush=True)
"""
)

SHARE = (
    PRELUDE
    + """
def ask():
    with open(sys.argv[2], "a") as log:
        log.write("asked\\n")
    time.sleep(0.5)
    return numbers(1)

assert CACHE.fetch(offer(1), WINDOW, BANDS, ask).dn_10m.sum() == numbers(1).dn_10m.sum()
"""
)


def start(program: str, *arguments: object, **options: object) -> subprocess.Popen[str]:
    return subprocess.Popen(  # noqa: S603 - our own program
        [sys.executable, "-c", program, *map(str, arguments)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        **options,  # type: ignore[call-overload]
    )


def final_files(folder: Path) -> list[Path]:
    return [
        path
        for kind in ("objects", "index")
        for path in (folder / kind).rglob("*")
        if path.is_file() and not path.name.startswith(".")
    ]


def test_a_killed_fetch_leaves_nothing_under_a_final_name(tmp_path: Path) -> None:
    folder = tmp_path / "cache"
    known = 0
    for wait in (0.003, 0.011, 0.02, 0.04, 0.07):
        process = start(FILL, folder, 100_000)
        assert process.stdout is not None
        process.stdout.readline()  # the first is kept: now it is at work
        time.sleep(wait)
        process.send_signal(signal.SIGKILL)
        told = process.communicate()[0]
        # whatever was said to be kept is kept, and nothing is broken
        verified = SceneCache(folder).verify()
        assert not verified.removed
        known = max(known, len(told.splitlines()) + 1)
        assert verified.sound >= known
    done = start(FILL, folder, known + 3)
    assert done.communicate()[1] == ""
    assert SceneCache(folder).verify().sound >= known + 3


def test_two_processes_ask_once(tmp_path: Path) -> None:
    log = tmp_path / "asked"
    both = [start(SHARE, tmp_path / "cache", log) for _ in range(2)]
    for process in both:
        assert process.communicate(timeout=60)[1] == ""
        assert process.returncode == 0
    assert log.read_text().splitlines() == ["asked"]


def test_a_process_that_died_while_asking_blocks_nobody(tmp_path: Path) -> None:
    log = tmp_path / "asked"
    first = start(SHARE, tmp_path / "cache", log)
    while not log.exists():
        time.sleep(0.01)
    first.kill()
    first.communicate()
    second = start(SHARE, tmp_path / "cache", log)
    assert second.communicate(timeout=60)[1] == ""
    assert log.read_text().splitlines() == ["asked", "asked"]


def test_a_full_disk_is_told_and_leaves_nothing(tmp_path: Path) -> None:
    folder = tmp_path / "cache"

    def limited() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))

    process = start(FILL, folder, 1, preexec_fn=limited)
    said = process.communicate()[1]
    assert process.returncode != 0
    assert "OutputError" in said
    assert "ulimit -f" in said
    assert not final_files(folder)
    assert not list(folder.rglob("*.tmp"))


def test_what_a_killed_process_left_hidden_is_swept_away_later(tmp_path: Path) -> None:
    folder = tmp_path / "cache"
    start(FILL, folder, 1).communicate()
    (one,) = (folder / "objects").rglob("[0-9a-f]" * 64)
    old = one.with_name(f".{one.name}.0123456789abcdef.tmp")
    young = one.with_name(f".{one.name}.fedcba9876543210.tmp")
    for path in (old, young):
        path.write_bytes(b"half")
    os.utime(old, (1, 1))
    cache = SceneCache(folder)
    cache.prune(keep=lambda _: True, older_than=cache.pieces()[0].stored_at)
    assert not old.exists()
    assert young.exists()
    assert cache.verify().sound == 1


def test_an_unreadable_piece_is_told_and_not_removed(tmp_path: Path) -> None:
    if os.geteuid() == 0:
        pytest.skip("root may read everything")
    folder = tmp_path / "cache"
    start(FILL, folder, 1).communicate()
    for path in (folder / "objects").rglob("*"):
        if path.is_file():
            path.chmod(0)
    process = start(FILL, folder, 1)
    assert "StoreError" in process.communicate()[1]
    assert final_files(folder)
