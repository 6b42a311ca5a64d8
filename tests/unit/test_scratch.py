"""Screened looks between two passes: kept, forgotten, never wrong."""

import threading
from pathlib import Path

import numpy as np
import pytest

from rsmonitor.io.stores.scratch import FolderScratch, MemoryScratch
from rsmonitor.records.grid import Block
from rsmonitor.records.scene import SceneNumbers, ScreenedLook, unclassified
from rsmonitor.stages.clear import ClearCounts

BLOCK = Block(row=512, col=0, height=40, width=30)
Kept = tuple[ScreenedLook, ClearCounts]


def some_look(seed: int, *, floats: bool = False, coarse: int = 2) -> Kept:
    rng = np.random.default_rng(seed)
    dtype = np.float32 if floats else np.uint16
    numbers = SceneNumbers(
        fine_bands=("B04", "B08"),
        coarse_bands=("B8A", "B11")[:coarse],
        fine=rng.integers(0, 9000, (2, 40, 30)).astype(dtype),
        coarse=rng.integers(0, 9000, (coarse, 22, 17)).astype(dtype),
        ratio=2,
        row=-2,
        col=-2,
        scl=unclassified((slice(0, 40), slice(0, 30))),
        add_offset=-1000,
    )
    flags = rng.integers(0, 32, (40, 30)).astype(np.uint8)
    counts = ClearCounts(
        pixels=1200, not_measured=1, classed_out=2, grown_out=3, snow=4, clear=seed
    )
    return ScreenedLook(numbers=numbers, flags=flags), counts


def require_same(found: Kept | None, kept: Kept) -> None:
    assert found is not None
    (look, counts), (wanted, wanted_counts) = found, kept
    assert counts == wanted_counts
    np.testing.assert_array_equal(look.flags, wanted.flags)
    for name in ("fine", "coarse", "scl"):
        ours, theirs = getattr(look.numbers, name), getattr(wanted.numbers, name)
        assert ours.dtype == theirs.dtype
        np.testing.assert_array_equal(ours, theirs)
    for name in ("fine_bands", "coarse_bands", "ratio", "row", "col", "add_offset"):
        assert getattr(look.numbers, name) == getattr(wanted.numbers, name)


@pytest.mark.parametrize("memory", [0, 10**9])
@pytest.mark.parametrize(("floats", "coarse"), [(False, 2), (True, 2), (False, 0)])
def test_what_was_put_comes_back(
    tmp_path: Path, memory: int, *, floats: bool, coarse: int
) -> None:
    scratch = FolderScratch(tmp_path / "scratch", memory)
    kept = some_look(1, floats=floats, coarse=coarse)
    assert scratch.get(("A", BLOCK)) is None
    scratch.put(("A", BLOCK), kept)
    require_same(scratch.get(("A", BLOCK)), kept)
    assert scratch.get(("B", BLOCK)) is None
    assert scratch.get(("A", Block(row=0, col=0, height=40, width=30))) is None


def test_another_process_finds_what_lies_on_disk(tmp_path: Path) -> None:
    FolderScratch(tmp_path, 0).put(("A", BLOCK), some_look(1))
    require_same(FolderScratch(tmp_path, 0).get(("A", BLOCK)), some_look(1))


def test_files_are_used_again_and_give_what_is_new(tmp_path: Path) -> None:
    scratch = FolderScratch(tmp_path, 0)
    scratch.put(("long", BLOCK), some_look(1))
    inode = {path.stat().st_ino for path in tmp_path.iterdir()}
    scratch.clear()
    assert scratch.get(("long", BLOCK)) is None
    scratch.put(("short", BLOCK), some_look(2, coarse=0))
    assert {p.stat().st_ino for p in tmp_path.iterdir() if p.is_file()} == inode
    require_same(scratch.get(("short", BLOCK)), some_look(2, coarse=0))
    scratch.remove()
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


@pytest.mark.parametrize("damage", ["cut", "zeros", "empty", "other"])
def test_a_file_that_is_not_whole_is_read_again_from_the_source(
    tmp_path: Path, damage: str
) -> None:
    scratch = FolderScratch(tmp_path, 0)
    scratch.put(("A", BLOCK), some_look(1))
    (path,) = tmp_path.iterdir()
    data = path.read_bytes()
    path.write_bytes(
        {
            "cut": data[:-1],
            "zeros": bytes(len(data)),
            "empty": b"",
            "other": data.replace(b'"A"', b'"B"', 1),
        }[damage]
    )
    assert scratch.get(("A", BLOCK)) is None


def test_memory_forgets_what_does_not_fit() -> None:
    kept = some_look(1)
    scratch = MemoryScratch(most_bytes=kept[0].nbytes)
    scratch.put(("A", BLOCK), kept)
    scratch.put(("B", BLOCK), some_look(2))
    require_same(scratch.get(("A", BLOCK)), kept)
    assert scratch.get(("B", BLOCK)) is None
    scratch.clear()
    scratch.put(("B", BLOCK), some_look(2))
    require_same(scratch.get(("B", BLOCK)), some_look(2))


def test_a_folder_that_cannot_be_written_costs_time_and_nothing_else(
    tmp_path: Path,
) -> None:
    (tmp_path / "file").touch()
    scratch = FolderScratch(tmp_path / "file" / "scratch", 0)
    scratch.put(("A", BLOCK), some_look(1))
    assert scratch.get(("A", BLOCK)) is None
    scratch.clear()


def test_threads_may_put_at_once(tmp_path: Path) -> None:
    scratch = FolderScratch(tmp_path, 0)
    threads = [
        threading.Thread(target=scratch.put, args=((f"P{i}", BLOCK), some_look(i)))
        for i in range(12)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for i in range(12):
        require_same(scratch.get((f"P{i}", BLOCK)), some_look(i))


def test_the_disk_that_it_takes_is_bounded(tmp_path: Path) -> None:
    one = some_look(1)
    scratch = FolderScratch(
        tmp_path, 0, disk_bytes=2 * one[0].nbytes, free_bytes=2 * one[0].nbytes
    )
    for name in "ABC":
        scratch.put((name, BLOCK), one)
    assert [scratch.get((name, BLOCK)) is None for name in "ABC"] == [
        False,
        False,
        True,
    ]
    scratch.clear()
    # a file is a little larger than what it holds, so that one of two is too much
    assert len([path for path in tmp_path.rglob("*") if path.is_file()]) == 1
    scratch.put(("C", BLOCK), one)
    require_same(scratch.get(("C", BLOCK)), one)
