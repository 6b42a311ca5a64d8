"""What every test relies on: optional data, outside programs, golden files, no network.

The end of a run says how long each tier took and which checks were not run and why.
"""

import importlib.metadata
import ipaddress
import os
import re
import shutil
import signal
import socket
import subprocess
from collections import Counter
from collections.abc import Callable, Generator
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

if TYPE_CHECKING:
    from postgres_server import Server

TESTS = Path(__file__).parent
collect_ignore_glob = ["qgis/*"]
"""Scripts for another Python, which has QGIS."""

TIERS = (
    "unit",
    "property",
    "doctest",
    "integration",
    "fault",
    "reference",
    "golden",
    "browser",
    "architecture",
)
"""Folders of tests in the order in which they run: the fastest to fail come first."""

DATA_VARIABLE = "RSMONITOR_TEST_DATA"
NEEDS_DATA = f"optional data: set {DATA_VARIABLE}"
NEEDS_DEMO = 'the real sample is missing: pip install "rsmonitor[demo]"'
NEEDS_PROGRAM = "program {} missing: Debian package {}"
MISSING_PROGRAM = re.compile(r"program (\S+) missing: Debian package (\S+)")

# One seed, so that a red run on one machine is red on every other; `make fuzz` looks
# for new examples.
settings.register_profile("rsmonitor", max_examples=50, deadline=None, derandomize=True)
settings.register_profile("fuzz", max_examples=10_000, deadline=None, print_blob=True)
settings.load_profile("rsmonitor")


# ---------------------------------------------------------------- what tests ask for


@pytest.fixture(scope="session")
def test_data() -> Path:
    """Give the folder of optional data, or skip."""
    named = os.environ.get(DATA_VARIABLE)
    if not named:
        pytest.skip(NEEDS_DATA)
    folder = Path(named)
    if not folder.is_dir():
        pytest.fail(f"{DATA_VARIABLE} is no folder: {named}", pytrace=False)
    return folder


@pytest.fixture(scope="session")
def demo_cube() -> tuple[Path, Path]:
    """Give the real sample's files of 10 m and of 20 m, or skip."""
    try:
        distribution = importlib.metadata.distribution("nrt")
    except importlib.metadata.PackageNotFoundError:
        pytest.skip(NEEDS_DEMO)
    fine, coarse = (
        Path(
            str(
                distribution.locate_file(
                    f"nrt/data/sentinel2_cube_subset_romania_{size}.nc"
                )
            )
        )
        for size in ("10m", "20m")
    )
    return fine, coarse


@pytest.fixture(scope="session")
def postgres() -> Generator["Server"]:
    """Give a PostgreSQL server with PostGIS of these tests' own, or skip."""
    from postgres_server import running  # noqa: PLC0415 - where it is used

    with running() as server:
        yield server


@pytest.fixture
def golden(request: pytest.FixtureRequest) -> Callable[[str, str], None]:
    """Give a function that compares a text with the golden file of a name."""

    def compare(name: str, now: str) -> None:
        path = TESTS / "golden" / name
        before = path.read_bytes().decode() if path.exists() else None
        if request.config.getoption("update_goldens") and now != before:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(now.encode())
            pytest.fail(
                f"{path.name} was rewritten: read the difference, tell it in "
                "CHANGELOG.md under 'Changed detections', and run again without "
                "--update-goldens",
                pytrace=False,
            )
        assert before is not None, f"no golden file {name}: run with --update-goldens"
        assert now == before

    return compare


# --------------------------------------------------------------------- how tests run


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("rsmonitor")
    group.addoption(
        "--fail-on-missing-programs",
        action="store_true",
        help="end red if a test was skipped because an outside program is missing",
    )
    group.addoption(
        "--update-goldens",
        action="store_true",
        help="rewrite golden files that differ, and fail",
    )


def pytest_configure(config: pytest.Config) -> None:
    # a runner in the background starts us with Ctrl-C ignored, which children inherit
    signal.signal(signal.SIGINT, signal.default_int_handler)
    patch = pytest.MonkeyPatch()
    config.add_cleanup(patch.undo)
    config.pluginmanager.register(Offline(patch), "rsmonitor-offline")


def pytest_collection_modifyitems(
    config: pytest.Config, items: list[pytest.Item]
) -> None:
    # shared by processes, the longest files come first, so that no one waits at the end
    way = -1 if "PYTEST_XDIST_WORKER" in os.environ else 1
    items.sort(key=lambda item: way * _order(tier_of(item.nodeid)))
    if "network" not in config.option.markexpr:
        for item in items:
            if item.get_closest_marker("network"):
                item.add_marker(pytest.mark.skip("a live service: run with -m network"))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> object:
    """Give each file, and all files that look at the runs of the demo, one process.

    Fixtures of a module are then made once, and nobody runs the demo while another
    test looks at it.
    """
    from xdist.scheduler import LoadScopeScheduling  # noqa: PLC0415 - where it is used

    class ByFile(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            file = nodeid.split("::", 1)[0]
            return "demo" if file in demo else file

    demo = {
        path.relative_to(TESTS.parent).as_posix()
        for path in TESTS.rglob("test_*.py")
        if "shared_demos" in path.read_text(encoding="utf-8")
    }
    config.option.loadscopereorder = False  # the order of collection
    return ByFile(config, log)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    for marker in item.iter_markers("needs_program"):
        program, package = marker.args
        if not _is_installed(program):
            pytest.skip(NEEDS_PROGRAM.format(program, package))


@cache
def _is_installed(program: str) -> bool:
    """Say whether a program is there; ``python3:x`` is a module of Debian's Python."""
    kind, _, module = program.partition(":")
    if not module:
        return shutil.which(program) is not None
    # not ours: it would not see what Debian installs
    looked = subprocess.run(  # noqa: S603 - our own words
        [f"/usr/bin/{kind}", "-c", f"import {module}"], check=False, capture_output=True
    )
    return looked.returncode == 0


def tier_of(nodeid: str) -> str:
    """Give the folder under ``tests`` of a test; examples in docstrings are one."""
    parts = nodeid.split("::", 1)[0].split("/")
    if parts[0] != TESTS.name:
        return "doctest"
    return parts[1] if len(parts) > 2 else "other"


def _order(tier: str) -> int:
    return TIERS.index(tier) if tier in TIERS else len(TIERS)


class Offline:
    """Refuse every connection that leaves the machine, and fail the test that tried.

    Programs that a test starts are out of its reach.
    """

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.tried: list[str] = []
        self.allowed = False
        connect, connect_ex = socket.socket.connect, socket.socket.connect_ex
        getaddrinfo = socket.getaddrinfo

        def guarded_connect(sock: socket.socket, address: object) -> None:
            self.refuse_outside(sock.family, address)
            connect(sock, address)

        def guarded_connect_ex(sock: socket.socket, address: object) -> int:
            self.refuse_outside(sock.family, address)
            return connect_ex(sock, address)

        def guarded_getaddrinfo(
            host: object, *args: object, **kwargs: object
        ) -> object:
            self.refuse_outside(socket.AF_INET, (host,))
            return getaddrinfo(host, *args, **kwargs)

        patch.setattr(socket.socket, "connect", guarded_connect)
        patch.setattr(socket.socket, "connect_ex", guarded_connect_ex)
        patch.setattr(socket, "getaddrinfo", guarded_getaddrinfo)

    def refuse_outside(self, family: int, address: object) -> None:
        """Note and refuse an address of another machine."""
        if self.allowed or family not in {socket.AF_INET, socket.AF_INET6}:
            return
        host = address[0] if isinstance(address, tuple) else address
        if isinstance(host, bytes):
            host = host.decode()
        if not _is_here(host):
            self.tried.append(str(host))
            raise ConnectionRefusedError(f"tests do not reach the network: {host}")

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> Generator[None]:
        yield from self._watch(item)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_call(self, item: pytest.Item) -> Generator[None]:
        yield from self._watch(item)

    def _watch(self, item: pytest.Item) -> Generator[None]:
        self.tried.clear()
        self.allowed = item.get_closest_marker("network") is not None
        try:
            yield
        finally:
            self.allowed = False
        # The code under test may have swallowed the refusal.
        if self.tried:
            pytest.fail(f"reached for the network: {self.tried}", pytrace=False)


def _is_here(host: object) -> bool:
    if host is None or host in {"", "localhost"}:
        return True
    try:
        address = ipaddress.ip_address(str(host))
    except ValueError:
        return False
    return address.is_loopback or address.is_unspecified


# ----------------------------------------------------------- what a run says at its end


def pytest_sessionfinish(session: pytest.Session) -> None:
    config = session.config
    if not config.getoption("fail_on_missing_programs"):
        return
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    if reporter and _missing_programs(reporter) and session.exitstatus == 0:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    _write_time_by_tier(terminalreporter)
    _write_not_run(terminalreporter)
    if config.getoption("fail_on_missing_programs") and _missing_programs(
        terminalreporter
    ):
        terminalreporter.write_line(
            "FAILED: a missing program is an error here (--fail-on-missing-programs)",
            red=True,
        )


def _write_time_by_tier(reporter: pytest.TerminalReporter) -> None:
    seconds: Counter[str] = Counter()
    tests: dict[str, set[str]] = {}
    for report in (each for some in reporter.stats.values() for each in some):
        if isinstance(report, pytest.TestReport):
            tier = tier_of(report.nodeid)
            seconds[tier] += report.duration
            tests.setdefault(tier, set()).add(report.nodeid)
    if tests:
        reporter.section("time by tier")
    for tier in sorted(tests, key=_order):
        reporter.write_line(
            f"{tier:<13}{len(tests[tier]):5} tests {seconds[tier]:8.1f} s"
        )


def _write_not_run(reporter: pytest.TerminalReporter) -> None:
    reasons = _reasons(reporter)
    data = sum(DATA_VARIABLE in reason for reason in reasons)
    demo = sum("rsmonitor[demo]" in reason for reason in reasons)
    reporter.section("not run")
    for (program, package), count in sorted(_missing_programs(reporter).items()):
        reporter.write_line(
            f"program {program} is missing: {count} tests; Debian package {package}"
        )
    if demo:
        reporter.write_line(f"{NEEDS_DEMO}: {demo} tests")
    reporter.write_line(f"skipped for missing optional data: {data} tests")
    if data:
        reporter.write_line(f"  ({DATA_VARIABLE} names the folder that holds it)")


def _reasons(reporter: pytest.TerminalReporter) -> list[str]:
    return [
        report.longrepr[2]
        for report in reporter.stats.get("skipped", [])
        if isinstance(report.longrepr, tuple)
    ]


def _missing_programs(reporter: pytest.TerminalReporter) -> Counter[tuple[str, str]]:
    found = (MISSING_PROGRAM.search(reason) for reason in _reasons(reporter))
    return Counter((match[1], match[2]) for match in found if match)
