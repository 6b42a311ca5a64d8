"""A cluster of several processes gives what one process gives."""

import os
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import cubes
import pytest
from cluster import (
    Adder,
    Cluster,
    Room,
    cluster,
    lease_in,
    open_nothing,
    open_room,
    slow_square,
    square,
    until,
)

from rsmonitor.config import read_settings
from rsmonitor.errors import ContractError, SettingsError, SourceUnreachableError
from rsmonitor.io.executors.dask import DaskExecutor
from rsmonitor.io.executors.inprocess import InProcessExecutor
from rsmonitor.io.executors.worker import ClusterError, Order, cloudpickle
from rsmonitor.io.sources.sentinelhub_client import ID_VARIABLE, SECRET_VARIABLE
from rsmonitor.pipeline import run
from rsmonitor.records.week import IsoWeek
from rsmonitor.wiring.office import lease_of, open_block_doors, open_office

pytest.importorskip("distributed", reason='missing: pip install "rsmonitor[dask]"')


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with cluster(tmp_path_factory.mktemp("cluster"), workers=2) as found:
        yield found


Executors = Callable[[], DaskExecutor[Room]]


@pytest.fixture
def executor_of(pair: Cluster, tmp_path: Path) -> Executors:
    return lambda: DaskExecutor(
        pair.address, partial(open_room, tmp_path), partial(lease_in, tmp_path)
    )


def test_results_and_order_are_those_of_one_process(
    executor_of: Executors, tmp_path: Path
) -> None:
    with executor_of() as executor, open_room(tmp_path) as room:
        alone = InProcessExecutor(2, room)
        for count in (0, 1, 3, 40):
            tasks = range(count)
            assert list(executor.map(square, tasks)) == list(alone.map(square, tasks))
        assert list(executor.map(Adder(5), [3, 1, 2])) == [8, 6, 7]
        # also what no module holds, by value
        assert list(executor.map(lambda _, n: -n, [3, 1, 2])) == [-3, -1, -2]


def test_tasks_that_end_in_another_order_keep_theirs(executor_of: Executors) -> None:
    def doze(_: Room, seconds: float) -> float:
        time.sleep(seconds)
        return seconds

    tasks = [0.3, 0.0, 0.1, 0.0, 0.2]
    with executor_of() as executor:
        assert list(executor.map(doze, tasks)) == tasks


def test_doors_are_opened_once_a_worker_and_run_and_closed(
    executor_of: Executors, tmp_path: Path
) -> None:
    room = Room(tmp_path, 0)
    with executor_of() as executor:
        for _ in range(3):
            list(executor.map(slow_square, range(6)))
        assert len(room.notes("opened")) == 2
        assert room.notes("closed") == []
    assert sorted(room.notes("closed")) == sorted(room.notes("opened"))
    with executor_of() as executor:  # another run sees what is there by then
        list(executor.map(slow_square, range(6)))
    assert len(room.notes("opened")) == 4
    assert str(os.getpid()) not in room.notes("opened")


def test_results_are_not_heaped_up_before_they_are_taken(
    executor_of: Executors, tmp_path: Path
) -> None:
    with executor_of() as executor:
        results = executor.map(slow_square, range(1000))
        assert next(results) == 0
        time.sleep(1)
        started = [n for n in Room(tmp_path, 0).notes("log") if n.startswith("start")]
        assert len(started) <= 4
        results.close()  # type: ignore[attr-defined]  # a generator
        assert list(executor.map(square, [1])) == [(1, 1)], "and the next goes on"


def test_results_come_while_others_are_worked_on(executor_of: Executors) -> None:
    with executor_of() as executor:
        seen = [time.monotonic() for _ in executor.map(slow_square, range(12))]
    assert seen[0] < seen[-1] - 0.2


def test_one_map_at_a_time(executor_of: Executors) -> None:
    with executor_of() as executor:
        results = executor.map(square, range(10))
        next(results)
        with pytest.raises(ContractError, match="before the next"):
            next(executor.map(square, range(10)))
        assert len(list(results)) == 9


def test_what_cannot_be_sent_is_refused(executor_of: Executors) -> None:
    lock = threading.Lock()
    with executor_of() as executor:
        with pytest.raises(ContractError, match="a step cannot be sent"):
            list(executor.map(lambda _, n: (lock, n), [1]))
        with pytest.raises(ContractError, match="a task cannot be sent"):
            list(executor.map(lambda _, n: n, [lock]))


def test_doors_that_do_not_open_are_told(pair: Cluster, tmp_path: Path) -> None:
    with (
        DaskExecutor(
            pair.address, partial(open_nothing, tmp_path), partial(lease_in, tmp_path)
        ) as executor,
        pytest.raises(SourceUnreachableError, match="is not mounted"),
    ):
        list(executor.map(square, [1]))


def test_without_the_extra_its_name_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing(name: str) -> None:
        raise ImportError(name)

    monkeypatch.setattr("importlib.import_module", missing)
    executor = DaskExecutor(
        "tcp://127.0.0.1:1", partial(open_room, tmp_path), partial(lease_in, tmp_path)
    )
    with pytest.raises(SettingsError, match=r"pip install 'rsmonitor\[dask\]'"):
        list(executor.map(square, [1]))


def test_nothing_is_connected_without_a_task(tmp_path: Path) -> None:
    with DaskExecutor(
        "tcp://127.0.0.1:1", partial(open_room, tmp_path), partial(lease_in, tmp_path)
    ) as executor:
        assert list(executor.map(square, [])) == []
    assert list(tmp_path.iterdir()) == []


# ----------------------------------------------------------------------------- settings


SETTINGS = """
[district]
code = "360728"
name_zh = "定南县"
name_en = "Dingnan"
bureau = "局"
[source]
kind = "cube"
files = ["cube.nc"]
[history]
until = 2018-06-30
[run]
work = "work"
out = "out"
"""


def test_one_line_of_settings_chooses_who_computes(tmp_path: Path) -> None:
    cubes.write(cubes.cube(), tmp_path / "cube.nc")
    path = tmp_path / "watch.toml"
    path.write_text(SETTINGS)
    with open_office(read_settings(path), pictures=False) as office:
        assert isinstance(office.doors.executor, InProcessExecutor)
    path.write_text(f'{SETTINGS}[dask]\nscheduler = "tcp://127.0.0.1:1"\n')
    # nothing is asked of the cluster before there is work
    with open_office(read_settings(path), pictures=False) as office:
        assert isinstance(office.doors.executor, DaskExecutor)


def test_no_secret_goes_to_a_worker(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    secrets = ("id-of-office-7731", "Hq8-very-secret-9", "kept-in-a-file-55")
    monkeypatch.setenv(ID_VARIABLE, secrets[0])
    monkeypatch.setenv(SECRET_VARIABLE, secrets[1])
    (tmp_path / "sh.toml").write_text(f'client_secret = "{secrets[2]}"')
    (tmp_path / "key.pem").write_text(secrets[2])
    path = tmp_path / "watch.toml"
    path.write_text(
        SETTINGS.replace(
            'kind = "cube"\nfiles = ["cube.nc"]',
            'kind = "sentinelhub"\ncells = ["50RLN_05"]\ncredentials = "sh.toml"',
        )
        + '[dask]\nscheduler = "tls://127.0.0.1:1"\n'
        + "".join(f'tls_{n} = "key.pem"\n' for n in ("ca", "cert", "key"))
    )
    settings = read_settings(path)
    order = Order(
        run="run",
        token="token",  # noqa: S106 - of no value to others
        step=square,
        opener=partial(open_block_doors, settings),
        lease=partial(lease_of, settings),
    )
    sent = cloudpickle().dumps(order)
    assert b"sh.toml" in sent, "where a worker finds its own"
    for secret in secrets:
        assert secret.encode() not in sent


@pytest.mark.slow
def test_a_cluster_writes_the_same_state(
    pair: Cluster, tmp_path: Path, demo_cube: tuple[Path, Path]
) -> None:
    files = ", ".join(f'"{path}"' for path in demo_cube)
    text = SETTINGS.replace('"cube.nc"', files) + "block_size = 50\n"
    states = []
    for name, more in (
        ("alone", ""),
        ("many", f'[dask]\nscheduler = "{pair.address}"\n'),
    ):
        (tmp_path / name).mkdir()
        path = tmp_path / name / "watch.toml"
        path.write_text(text + more)
        settings = read_settings(path)
        with open_office(settings, pictures=False) as office:
            week = IsoWeek.parse("2018-W30")
            outcome = run(office.job, office.doors, week=week)
            assert outcome.result is not None
            line = outcome.partition.line
            pointers = office.doors.ledger.pointers(line)
            assert len(pointers) > 8
            states.append(sorted(pointers, key=lambda pointer: pointer.place))
            for pointer in pointers:
                office.doors.states.read(pointer)  # whole, as the ledger has it
    assert states[0] == states[1]


@pytest.mark.slow
@pytest.mark.needs_program("openssl", "openssl")
def test_an_encrypted_cluster_takes_only_who_has_its_keys(tmp_path: Path) -> None:
    cert, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    subprocess.run(  # noqa: S603 - our own program
        [
            *("openssl", "req", "-x509", "-newkey", "ec", "-nodes", "-days", "2"),
            *("-pkeyopt", "ec_paramgen_curve:prime256v1", "-subj", "/CN=localhost"),
            *("-keyout", str(key), "-out", str(cert)),
        ],
        check=True,
        capture_output=True,
    )
    files = {"ca": str(cert), "cert": str(cert), "key": str(key)}
    tls = {
        "DASK_DISTRIBUTED__COMM__REQUIRE_ENCRYPTION": "true",
        "DASK_DISTRIBUTED__COMM__TLS__CA_FILE": str(cert),
        **{
            f"DASK_DISTRIBUTED__COMM__TLS__{role}__{what.upper()}": files[what]
            for role in ("SCHEDULER", "WORKER", "CLIENT")
            for what in ("cert", "key")
        },
    }
    folder = tmp_path / "cluster"
    folder.mkdir()
    found = Cluster(folder)
    try:
        found.start(tls, scheme="tls://")
        found.add_worker(tls)
        opener, lease = partial(open_room, tmp_path), partial(lease_in, tmp_path)
        assert found.address.startswith("tls://")
        with DaskExecutor(found.address, opener, lease, tls=files) as executor:
            assert list(executor.map(square, [2, 3])) == [(2, 4), (3, 9)]
        with pytest.raises(ClusterError, match="tls"):
            list(
                DaskExecutor(found.address, opener, lease, patience=2).map(square, [1])
            )
        plain = found.address.replace("tls://", "tcp://")
        with pytest.raises(ClusterError, match="tcp or tls"):
            list(DaskExecutor(plain, opener, lease, patience=2).map(square, [1]))
    finally:
        found.end()
    until(lambda: all(p.poll() is not None for p in found.processes), "end")
