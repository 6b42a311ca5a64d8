"""Two runs of the demo, shared by every test that looks at one.

One is left in peace. The other, which runs beside it, is interrupted in the middle and
then asked again, as a person with Ctrl-C would do.
"""

import signal
import time
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest
from commands import PATIENCE, Command, Ran, rsmonitor

CTRL_C_WEEK = "demo-romania-2019-w25"


@dataclass(frozen=True, slots=True, kw_only=True)
class Demos:
    """What the two runs left."""

    folder: Path
    """Outputs of the run that was left in peace."""

    ran: Ran
    """That run."""

    interrupted_folder: Path
    """Outputs of the run that was interrupted."""

    interrupted: Ran
    """Its first, which did not finish."""

    weeks_before: int
    """Weeks that it had committed when it was interrupted."""

    resumed: Ran
    """Its second."""


@pytest.fixture(scope="session", name="demos")
def shared_demos(
    demo_cube: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory
) -> Demos:
    """Give the two runs; a test module gets the fixture by importing this name."""
    assert all(path.is_file() for path in demo_cube)
    return _run_both(tmp_path_factory.getbasetemp() / "demos")


@cache  # every module that imports the fixture has its own, but there is one pair
def _run_both(base: Path) -> Demos:
    """Run the demo twice at once, on the two cores that it is promised."""
    folder, interrupted_folder = base / "peace", base / "interrupted"
    peace = Command("demo", folder, scratch=base / "1")
    restless = Command("demo", interrupted_folder, scratch=base / "2")
    latest = interrupted_folder / "runs" / "latest"
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline and not _has_come_to(latest, CTRL_C_WEEK):
        time.sleep(0.02)
    restless.process.send_signal(signal.SIGINT)
    interrupted = restless.wait()
    weeks_before = _weeks(interrupted_folder)
    resumed = rsmonitor("demo", interrupted_folder, scratch=base / "3")
    return Demos(
        folder=folder,
        ran=peace.wait(),
        interrupted_folder=interrupted_folder,
        interrupted=interrupted,
        weeks_before=weeks_before,
        resumed=resumed,
    )


def _has_come_to(latest: Path, week: str) -> bool:
    """Say whether readers are shown a week, or a later one."""
    return latest.is_symlink() and latest.readlink().name >= week


def _weeks(folder: Path) -> int:
    """Count the weeks that a ledger holds."""
    from rsmonitor.io.stores.ledger import SqliteLedger  # noqa: PLC0415 - slow

    path = folder / "work" / "ledger.sqlite"
    ledger = SqliteLedger(path, locks=folder / "work" / "locks")
    return len(ledger.runs("demo-romania"))
