"""Packages go to a real SSH server whole and once, whatever breaks on the way."""

import hashlib
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from emulators.ssh_server import USER, SshServer, start
from outgoing import AREA, OTHER, WEEK, parcel_in

from rsmonitor.config import Settings, read_settings
from rsmonitor.errors import EXIT_UNREACHABLE, OutputError
from rsmonitor.io.deliver.sftp import Courier, SftpServer, UntrustedServerError
from rsmonitor.io.foundation.clock import SystemClock
from rsmonitor.io.stores.ledger import SqliteLedger
from rsmonitor.records.sending import Outcome, Parcel, SendingState
from rsmonitor.wiring.mailroom import outbox_of
from rsmonitor.wiring.sending import send_parcels

pytestmark = pytest.mark.needs_program("sshd", "openssh-server")

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SshServer]:
    running = start(tmp_path_factory.mktemp("ssh"))
    yield running
    running.stop()


@pytest.fixture
def incoming(server: SshServer) -> Path:
    shutil.rmtree(server.folder, ignore_errors=True)
    server.folder.mkdir()
    return server.folder


def settings_of(
    folder: Path,
    server: SshServer,
    *,
    port: int | None = None,
    known_hosts: Path | None = None,
    key: Path | None = None,
    path: str = "incoming",
) -> Settings:
    text = (ROOT / "configs" / "demo.toml").read_text()
    text = text.replace("../demo-out", "demo-out")
    text = text.replace('"demo-out/packages"', '"packages"')
    text += f"""
[[deliver.servers]]
area = "{AREA}"
host = "127.0.0.1"
port = {port or server.port}
user = "{USER}"
path = "{path}"
key_file = "{key or server.key}"
known_hosts = "{known_hosts or server.known_hosts}"
"""
    shutil.copy(ROOT / "configs" / "demo_licences.geojson", folder)
    (folder / "watch.toml").write_text(text)
    return read_settings(folder / "watch.toml")


def send(settings: Settings, *parcels: Parcel, again: bool = False) -> Outcome:
    return send_parcels(
        settings, parcels, ledger=ledger_of(settings), clock=SystemClock(), again=again
    )


def ledger_of(settings: Settings) -> SqliteLedger:
    work = settings.path(settings.run.work)
    return SqliteLedger(work / "ledger.sqlite", locks=work / "locks")


def arrived(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_a_package_arrives_whole_with_its_checksum_and_once(
    server: SshServer, incoming: Path, tmp_path: Path
) -> None:
    settings = settings_of(tmp_path, server)
    mine = parcel_in(tmp_path / "packages", content=os.urandom(3_000_000))
    other = parcel_in(tmp_path / "packages", OTHER)
    outcome = send(settings, mine, other)
    assert outcome.exit_code == 0, outcome.lines
    name = f"rsmonitor-{AREA}-{WEEK}.zip"
    there = arrived(incoming)
    assert set(there) == {f"{AREA}/{WEEK}/{name}", f"{AREA}/{WEEK}/{name}.sha256"}
    assert hashlib.sha256(there[f"{AREA}/{WEEK}/{name}"]).hexdigest() == mine.sha256
    checked = subprocess.run(  # noqa: S603 - our own command line
        ["sha256sum", "--check", f"{name}.sha256"],  # noqa: S607
        cwd=incoming / AREA / str(WEEK),
        check=False,
    )
    assert checked.returncode == 0
    before = (incoming / AREA / str(WEEK) / name).stat()
    again = send(settings, mine, other)
    assert (len(again.accepted), again.before) == (0, 2)
    # asked for again: it is there already, and left alone
    assert len(send(settings, mine, again=True).accepted) == 1
    after = (incoming / AREA / str(WEEK) / name).stat()
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
    forms = [e.body for e in ledger_of(settings).events() if e.kind == "sent"]
    assert sum('"form":"sftp"' in body for body in forms) == len(mine.alerts)
    assert not any(USER + "@" in body or "127.0.0.1" in body for body in forms)


def test_a_correction_takes_the_place_of_what_was_brought(
    server: SshServer, incoming: Path, tmp_path: Path
) -> None:
    settings = settings_of(tmp_path, server)
    send(settings, parcel_in(tmp_path / "packages", content=b"first"))
    send(settings, parcel_in(tmp_path / "packages", content=b"second", revision=2))
    (archive,) = incoming.rglob("*.zip")
    (note,) = incoming.rglob("*.sha256")
    assert archive.read_bytes() == b"second"
    assert note.read_text().startswith(hashlib.sha256(b"second").hexdigest())


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ("host key", "shows another key"),
        ("unknown host", "does not hold the server's key"),
        ("our key", "does not take the key"),
        ("no server", "127.0.0.1"),
        ("no folder", "there is no folder"),
        ("open key", "0600"),
    ],
)
def test_what_cannot_go_waits_and_says_why(
    server: SshServer, incoming: Path, tmp_path: Path, wrong: str, said: str
) -> None:
    hosts, key, port, path = server.known_hosts, server.key, server.port, "incoming"
    if wrong == "host key":
        hosts = tmp_path / "hosts"
        other = (server.home / "client-key.pub").read_text()
        hosts.write_text(f"[127.0.0.1]:{port} {other}")
    elif wrong == "unknown host":
        hosts = tmp_path / "hosts"
        hosts.write_text("")
    elif wrong == "our key":
        key = tmp_path / "key"
        subprocess.run(  # noqa: S603 - our own command line
            ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key],  # noqa: S607
            check=True,
        )
    elif wrong == "no server":
        port = 1
    elif wrong == "no folder":
        path = "nowhere"
    else:
        key = tmp_path / "key"
        shutil.copy(server.key, key)
        key.chmod(0o644)
    settings = settings_of(
        tmp_path, server, port=port, known_hosts=hosts, key=key, path=path
    )
    parcel = parcel_in(tmp_path / "packages")
    outcome = send(settings, parcel)
    (waiting,) = outcome.waiting
    assert waiting.state is SendingState.WAITING
    assert said in waiting.said
    unreachable = wrong in {"host key", "unknown host", "our key", "no server"}
    assert (outcome.exit_code == EXIT_UNREACHABLE) == unreachable
    assert not arrived(incoming)
    # once it is mended, the next call brings it
    assert len(send(settings_of(tmp_path, server), parcel).accepted) == 1
    assert len(arrived(incoming)) == 2


def test_killed_in_mid_way_nothing_half_has_the_final_name(
    server: SshServer, incoming: Path, tmp_path: Path
) -> None:
    settings = settings_of(tmp_path, server)
    content = os.urandom(20_000_000)
    parcel = parcel_in(tmp_path / "packages", content=content)
    script = f"""
import sys
sys.path[:0] = [{str(ROOT)!r}, {str(ROOT / "tests")!r}]
from pathlib import Path
from rsmonitor.config import read_settings
from fault.test_sftp_faults import send
from outgoing import parcel_in
packages = Path({str(tmp_path / "packages")!r})
content = next(packages.rglob("*.zip")).read_bytes()
send(read_settings(Path({str(tmp_path / "watch.toml")!r})),
     parcel_in(packages, content=content))
"""
    killed = 0
    for _ in range(20):
        process = subprocess.Popen([sys.executable, "-c", script])  # noqa: S603 - ours
        while process.poll() is None and not list(incoming.rglob(".*.part")):
            time.sleep(0.002)
        process.send_signal(signal.SIGKILL)
        killed += process.wait() == -signal.SIGKILL
        for path in incoming.rglob("*.zip"):
            assert path.read_bytes() == content
        if killed == 3:
            break
    assert killed, "no kill came before the end"
    send(settings, parcel)
    (archive,) = (p for p in incoming.rglob("*.zip") if not p.name.startswith("."))
    assert archive.read_bytes() == content
    assert not list(incoming.rglob(".*.part"))
    states = {each.state for each in outbox_of(settings).all(parcel.key)}
    assert states == {SendingState.ACCEPTED}


def test_a_server_that_goes_away_in_mid_way_is_a_broken_line(
    tmp_path: Path,
) -> None:
    server = start(tmp_path / "ssh")
    settings = settings_of(tmp_path, server)
    first = parcel_in(tmp_path / "packages")
    archive = tmp_path / "packages" / first.zip
    way = SftpServer(
        host="127.0.0.1",
        port=server.port,
        user=USER,
        folder="incoming",
        key_file=server.key,
        known_hosts=server.known_hosts,
        timeout_s=5,
    )
    with Courier(way) as courier:
        assert courier.bring(archive, folder="a", sha256=first.sha256)
        assert not courier.bring(archive, folder="a", sha256=first.sha256)
        with pytest.raises(OutputError, match="build the package again"):
            courier.bring(archive, folder="b", sha256="0" * 64)
        assert not list(server.folder.rglob("b/*"))
        subprocess.run(["pkill", "-f", f"sshd.*{server.home}"], check=False)  # noqa: S603, S607
        server.stop()
    assert send(settings, first).exit_code == EXIT_UNREACHABLE
    with pytest.raises((UntrustedServerError, OutputError)):
        Courier(way)
