"""A file is whole or absent, whatever happens meanwhile."""

import errno
import os
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest

from rsmonitor.errors import BusyError, ContractError, OutputError
from rsmonitor.io.foundation.clock import FixedClock, SystemClock
from rsmonitor.io.foundation.files import (
    fsync_tree,
    lock_file,
    make_folder,
    point,
    require_writable,
    staged_folder,
    write_atomic,
)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def run(program: str, *arguments: object) -> int:
    return subprocess.run(  # noqa: S603 - our own program
        [sys.executable, "-c", program, *map(str, arguments)], check=False
    ).returncode


def refuse(*_: object, **__: object) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_written_file_holds_the_bytes_and_follows_the_umask(tmp_path: Path) -> None:
    path = tmp_path / "alerts.geojson"
    write_atomic(path, b"old")
    write_atomic(path, b"new")
    assert path.read_bytes() == b"new"
    assert names(tmp_path) == ["alerts.geojson"]
    plain = tmp_path / "plain"
    plain.touch()
    assert path.stat().st_mode == plain.stat().st_mode


def test_full_disk_leaves_the_old_file_and_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "alerts.geojson"
    write_atomic(path, b"old")
    monkeypatch.setattr(os, "fsync", refuse)
    with pytest.raises(OutputError, match=r"alerts\.geojson.*No space.*free space"):
        write_atomic(path, b"new")
    assert path.read_bytes() == b"old"
    assert names(tmp_path) == ["alerts.geojson"]


def test_staged_folder_appears_when_it_is_complete(tmp_path: Path) -> None:
    final = tmp_path / "out" / "run"
    with staged_folder(final) as staged:
        (staged / "deep").mkdir()
        (staged / "deep" / "a").write_text("1")
        assert not final.exists()
    assert (final / "deep" / "a").read_text() == "1"
    assert names(final.parent) == ["run"]


def test_staged_folder_replaces_an_older_one_as_a_whole(tmp_path: Path) -> None:
    final = tmp_path / "run"
    for name in ("a", "b"):
        with staged_folder(final) as staged:
            (staged / name).touch()
    assert names(final) == ["b"]
    assert names(tmp_path) == ["run"]


@pytest.mark.parametrize("error", [KeyboardInterrupt, ValueError, SystemExit])
def test_any_exception_leaves_the_old_folder_only(
    tmp_path: Path, error: type[BaseException]
) -> None:
    final = tmp_path / "run"
    with staged_folder(final) as staged:
        (staged / "old").touch()

    def interrupted() -> None:
        with staged_folder(final) as staged:
            (staged / "new").touch()
            raise error

    with pytest.raises(error):
        interrupted()
    assert names(final) == ["old"]
    assert names(tmp_path) == ["run"]


def test_full_disk_while_staging_leaves_the_old_folder_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    final = tmp_path / "run"
    with staged_folder(final) as staged:
        (staged / "old").touch()
    monkeypatch.setattr(os, "fsync", refuse)
    with (
        pytest.raises(OutputError, match="run cannot be written: No space"),
        staged_folder(final) as staged,
    ):
        (staged / "new").touch()
    assert names(final) == ["old"]
    assert names(tmp_path) == ["run"]


DIE_WHILE_STAGING = """
import os, sys
from pathlib import Path
from rsmonitor.io.foundation.files import staged_folder
with staged_folder(Path(sys.argv[1])) as staged:
    (staged / "half").touch()
    os.kill(os.getpid(), 9)
"""

DIE_BETWEEN_RENAMES = """
import os, sys
from pathlib import Path
from rsmonitor.io.foundation.files import staged_folder
rename = Path.rename
def rename_once(self, target):
    rename(self, target)
    os.kill(os.getpid(), 9)
Path.rename = rename_once
with staged_folder(Path(sys.argv[1])) as staged:
    (staged / "new").touch()
"""


def test_folder_of_a_killed_process_is_removed_by_the_next_call(tmp_path: Path) -> None:
    final = tmp_path / "run"
    assert run(DIE_WHILE_STAGING, final) == -9
    assert len(names(tmp_path)) == 1
    with staged_folder(final) as staged:
        (staged / "whole").touch()
    assert names(tmp_path) == ["run"]
    assert names(final) == ["whole"]


def test_folder_moved_away_by_a_killed_process_is_put_back_first(
    tmp_path: Path,
) -> None:
    final = tmp_path / "run"
    with staged_folder(final) as staged:
        (staged / "old").touch()
    assert run(DIE_BETWEEN_RENAMES, final) == -9
    assert not final.exists()
    with staged_folder(final) as staged:
        assert names(final) == ["old"]
        (staged / "newer").touch()
    assert names(final) == ["newer"]
    assert names(tmp_path) == ["run"]


def test_folder_of_a_living_process_is_left_alone(tmp_path: Path) -> None:
    final = tmp_path / "run"
    with staged_folder(final) as first:
        with staged_folder(final) as second:
            (second / "second").touch()
        assert names(final) == ["second"]
        (first / "first").touch()
    assert names(final) == ["first"]
    assert names(tmp_path) == ["run"]


def test_neighbours_with_a_similar_name_are_left_alone(tmp_path: Path) -> None:
    other = tmp_path / f".run.new-{'0' * 16}-mine"
    other.mkdir()
    with staged_folder(tmp_path / "run"):
        pass
    assert other.is_dir()


@pytest.mark.parametrize("make", [Path.touch, lambda p: p.symlink_to("elsewhere")])
def test_a_file_or_link_is_not_replaced_by_a_folder(
    tmp_path: Path, make: Callable[[Path], None]
) -> None:
    make(tmp_path / "run")
    with (
        pytest.raises(OutputError, match="not a folder"),
        staged_folder(tmp_path / "run"),
    ):
        pass
    assert names(tmp_path) == ["run"]


def test_link_leads_to_what_it_was_pointed_at_last(tmp_path: Path) -> None:
    link = tmp_path / "latest"
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        point(link, name)
        point(link, name)
        assert link.readlink() == Path(name)
    assert names(tmp_path) == ["latest", "one", "two"]


@pytest.mark.parametrize("target", ["", ".", "..", "../x", "/etc", "a/b", "a\0b"])
def test_link_never_leads_out_of_its_folder(tmp_path: Path, target: str) -> None:
    with pytest.raises(OutputError, match="neighbour"):
        point(tmp_path / "latest", target)


def test_link_never_leads_nowhere_and_never_replaces_a_folder(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="does not exist"):
        point(tmp_path / "latest", "missing")
    (tmp_path / "one").mkdir()
    (tmp_path / "latest").mkdir()
    with pytest.raises(OutputError, match="latest"):
        point(tmp_path / "latest", "one")
    assert names(tmp_path) == ["latest", "one"]


def test_writable_folder_is_made_and_left_empty(tmp_path: Path) -> None:
    require_writable(tmp_path / "a" / "b")
    require_writable(tmp_path / "a" / "b")
    assert names(tmp_path / "a" / "b") == []


def test_folder_under_a_file_is_not_writable_and_the_message_says_so(
    tmp_path: Path,
) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match=r"file/out cannot be written: .*choose"):
        require_writable(tmp_path / "file" / "out")


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="needs Linux's /proc")
def test_folder_that_the_system_keeps_is_not_writable() -> None:
    # holds for root as well, unlike permissions
    with pytest.raises(OutputError, match=r"/proc/rsmonitor cannot be written"):
        require_writable(Path("/proc/rsmonitor"))


def test_syncing_passes_over_links_to_nowhere(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("nowhere")
    fsync_tree(tmp_path)
    with pytest.raises(OutputError, match="missing"):
        fsync_tree(tmp_path / "missing")


def test_making_a_folder_over_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="something else has that name"):
        make_folder(tmp_path / "file")


def test_lock_is_held_once_and_says_by_whom(tmp_path: Path) -> None:
    path = tmp_path / "locks" / "demo.lock"
    with lock_file(path, what="demo"):
        with (
            pytest.raises(BusyError, match=rf"demo is busy: process {os.getpid()} "),
            lock_file(path, what="demo"),
        ):
            pass
        assert run(TAKE_LOCK, path) == 4
    assert run(TAKE_LOCK, path) == 0
    with lock_file(path, what="demo"):
        pass


TAKE_LOCK = """
import sys
from pathlib import Path
from rsmonitor.errors import BusyError
from rsmonitor.io.foundation.files import lock_file
try:
    with lock_file(Path(sys.argv[1]), what="demo"):
        pass
except BusyError as error:
    sys.exit(error.exit_code)
"""


def test_fixed_clock_stands_still_and_the_other_knows_its_zone() -> None:
    instant = datetime(2018, 7, 2, tzinfo=UTC)
    clock = FixedClock(instant)
    assert clock.now() == clock.now() == instant
    assert SystemClock().now().utcoffset() == timedelta(0)


@pytest.mark.parametrize(
    "instant",
    [
        datetime(2018, 7, 2),  # noqa: DTZ001
        datetime(2018, 7, 2, tzinfo=timezone(timedelta(hours=8))),
    ],
)
def test_clock_without_utc_is_refused(instant: datetime) -> None:
    with pytest.raises(ContractError, match="UTC"):
        FixedClock(instant)
