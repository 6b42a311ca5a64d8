"""Both state stores obey the same laws; the one on disk trusts no disk."""

import os
import shutil
import threading
import tracemalloc
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from numpy.typing import NDArray

from rsmonitor.errors import ContractError, OutputError, StoreError
from rsmonitor.interfaces import StateStore
from rsmonitor.io.stores.memory import MemoryStateStore
from rsmonitor.io.stores.state import SlotStateStore
from rsmonitor.records.run import SlotPointer, StateKind

State = NDArray[np.uint16] | NDArray[np.int16]

LINE = "0123456789abcdef"
OTHER_LINE = "fedcba9876543210"


@pytest.fixture(params=["disk", "memory"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> StateStore:
    return SlotStateStore(tmp_path) if request.param == "disk" else MemoryStateStore()


def write(
    store: StateStore,
    array: State,
    current: SlotPointer | None = None,
    *,
    line: str = LINE,
    block_id: str = "r00000c00000",
    kind: StateKind = "evidence",
) -> SlotPointer:
    return store.write(
        array,
        line=line,
        grid_id="31TCJ",
        block_id=block_id,
        kind=kind,
        current=current,
    )


def evidence(seed: int) -> NDArray[np.uint16]:
    return np.random.default_rng(seed).integers(0, 20000, (8, 10, 10), np.uint16)


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    array=arrays(
        st.sampled_from(["<u2", ">u2", "<i2"]),
        array_shapes(min_dims=3, max_dims=3, max_side=5),
    )
)
def test_what_is_written_is_what_is_read(store: StateStore, array: State) -> None:
    read = store.read(write(store, array))
    assert read.shape == array.shape
    assert read.dtype == array.dtype.newbyteorder("=")
    np.testing.assert_array_equal(read, array)


def test_layout_in_memory_does_not_matter(store: StateStore) -> None:
    array = evidence(0)
    one = write(store, np.asfortranarray(array))
    two = write(store, array[:, ::-1][:, ::-1], one)
    assert one.sha256 == two.sha256
    np.testing.assert_array_equal(store.read(one), array)


def test_truth_stays_readable_whatever_is_written_beside_it(store: StateStore) -> None:
    truth = write(store, evidence(0))
    for seed in (1, 2, 3):
        draft = write(store, evidence(seed), truth)
        assert draft.slot != truth.slot
        np.testing.assert_array_equal(store.read(draft), evidence(seed))
        np.testing.assert_array_equal(store.read(truth), evidence(0))


def test_places_do_not_touch_each_other(store: StateStore) -> None:
    first = write(store, evidence(0))
    others = [
        write(store, evidence(1), line=OTHER_LINE),
        write(store, evidence(2), block_id="r00000c00512"),
        write(store, evidence(3), kind="reference"),
    ]
    np.testing.assert_array_equal(store.read(first), evidence(0))
    for seed, pointer in enumerate(others, start=1):
        np.testing.assert_array_equal(store.read(pointer), evidence(seed))


def test_reader_and_store_do_not_share_memory(store: StateStore) -> None:
    array = evidence(0)
    pointer = write(store, array)
    array[:] = 0
    store.read(pointer)[:] = 0
    np.testing.assert_array_equal(store.read(pointer), evidence(0))


def test_pointer_at_what_was_written_over_is_refused(store: StateStore) -> None:
    old = write(store, evidence(0))
    new = write(store, evidence(1), old)
    write(store, evidence(2), new)
    with pytest.raises(StoreError, match="digest"):
        store.read(old)


def test_pointer_at_nothing_is_refused(store: StateStore) -> None:
    pointer = write(store, evidence(0))
    with pytest.raises(StoreError, match="r00000c00000/evidence/1 is missing"):
        store.read(replace(pointer, slot=1))


@pytest.mark.parametrize(
    "array",
    [
        np.zeros((2, 2), np.float32),
        np.zeros((2, 2), np.uint8),
        np.zeros((2, 2), bool),
        np.uint16(3),
    ],
)
def test_other_types_are_no_state(store: StateStore, array: Any) -> None:  # noqa: ANN401
    with pytest.raises(ContractError, match="uint16 or int16"):
        write(store, array)


def test_truth_of_another_place_is_refused(store: StateStore) -> None:
    pointer = write(store, evidence(0), block_id="r00000c00512")
    with pytest.raises(ContractError, match="r00000c00512"):
        write(store, evidence(1), pointer)


@pytest.mark.parametrize(
    "name", ["", ".", "..", "../x", "/etc", "a/b", "a\n", "a\0", "a b", ".x", "x" * 65]
)
@pytest.mark.parametrize("part", ["line", "grid_id", "block_id", "kind"])
def test_no_name_leads_out_of_the_store(
    store: StateStore, tmp_path: Path, part: str, name: str
) -> None:
    place = {
        "line": LINE,
        "grid_id": "31TCJ",
        "block_id": "r00000c00000",
        "kind": "evidence",
        part: name,
    }
    with pytest.raises(ContractError):
        store.write(evidence(0), current=None, **place)  # type: ignore[arg-type]
    assert list(tmp_path.iterdir()) == []


def test_forgetting_keeps_what_is_pointed_at_and_other_lines(
    store: StateStore,
) -> None:
    kept = write(store, evidence(0))
    gone = [
        write(store, evidence(1), block_id="r00000c00512"),
        write(store, evidence(2), kind="reference"),
    ]
    elsewhere = write(store, evidence(3), line=OTHER_LINE)
    store.forget([kept], lines=[LINE, "nothing-here"])
    store.read(kept)
    store.read(elsewhere)
    for pointer in gone:
        with pytest.raises(StoreError, match="missing"):
            store.read(pointer)
    store.forget([kept], lines=[OTHER_LINE])
    store.read(kept)
    with pytest.raises(StoreError, match="missing"):
        store.read(elsewhere)


def test_writing_from_several_threads_is_safe(store: StateStore) -> None:
    pointers: dict[int, SlotPointer] = {}

    def work(n: int) -> None:
        for _ in range(3):
            pointers[n] = write(
                store, evidence(n), pointers.get(n), block_id=f"r00000c{n:05d}"
            )

    threads = [threading.Thread(target=work, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(pointers) == [0, 1, 2, 3]
    for n, pointer in pointers.items():
        np.testing.assert_array_equal(store.read(pointer), evidence(n))


def file_of(root: Path, pointer: SlotPointer) -> Path:
    return root.joinpath(*pointer.place, str(pointer.slot))


def test_part_is_read_into_memory_that_is_there(store: StateStore) -> None:
    pointer = write(store, evidence(0))
    out = np.zeros((4, 10, 10), np.uint16)
    assert store.read(pointer, slice(0, 4), out=out) is out
    np.testing.assert_array_equal(out, evidence(0)[:4])
    np.testing.assert_array_equal(
        store.read_window(pointer, slice(2, 5), slice(-3, None)),
        evidence(0)[:, 2:5, -3:],
    )


def test_memory_that_does_not_fit_is_refused(store: StateStore) -> None:
    pointer = write(store, evidence(0))
    fitting = np.zeros((8, 10, 10), np.uint16)
    locked = fitting.copy()
    locked.flags.writeable = False
    for out in (
        fitting[:4],
        fitting.view(np.int16),
        np.asfortranarray(fitting),
        locked,
    ):
        with pytest.raises(ContractError, match="out must be"):
            store.read(pointer, out=out)
    with pytest.raises(ContractError, match="steps of 1"):
        store.read(pointer, slice(0, 8, 2))
    with pytest.raises(ContractError, match="steps of 1"):
        store.read_window(pointer, slice(None, None, -1), slice(None))


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-7])


def flip_one_bit(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 8] ^= 1
    path.write_bytes(data)


def fill_with_junk(path: Path) -> None:
    path.write_bytes(bytes(range(256)) * 8)


def empty(path: Path) -> None:
    path.write_bytes(b"")


def make_folder_of(path: Path) -> None:
    path.unlink()
    path.mkdir()


def link_elsewhere(path: Path) -> None:
    path.rename(path.with_name("elsewhere"))
    path.symlink_to("elsewhere")


def make_pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def grow_without_end(path: Path) -> None:
    os.truncate(path, 2**40)


DAMAGE: list[Callable[[Path], None]] = [
    cut,
    flip_one_bit,
    fill_with_junk,
    empty,
    make_folder_of,
    link_elsewhere,
    make_pipe,
    grow_without_end,
    Path.unlink,
]


@pytest.mark.parametrize("damage", DAMAGE)
def test_damage_is_found_and_the_slot_is_named(
    tmp_path: Path, damage: Callable[[Path], None]
) -> None:
    store = SlotStateStore(tmp_path)
    pointer = write(store, evidence(0))
    where = file_of(tmp_path, pointer)
    assert where == tmp_path / LINE / "31TCJ" / "r00000c00000" / "evidence" / "0"
    damage(where)
    reads: list[Callable[[], State]] = [
        lambda: store.read(pointer),
        lambda: store.read(pointer, slice(0, 4)),
        lambda: store.read_window(pointer, slice(0, 5), slice(0, 5)),
    ]
    for read in reads:
        with pytest.raises(StoreError) as caught:
            read()
        assert str(where) in str(caught.value)
        assert "delete the folder state" in str(caught.value)


def test_state_of_earlier_builds_is_refused_by_name_and_written_over(
    tmp_path: Path,
) -> None:
    store = SlotStateStore(tmp_path)
    truth = write(store, evidence(0))
    old = file_of(tmp_path, replace(truth, slot=1))
    old.mkdir()
    (old / "zarr.json").write_text("{}")
    (old / "c.0.0.0").touch()
    with pytest.raises(
        StoreError, match=r"earlier builds.*computed again from the scenes"
    ):
        store.read(replace(truth, slot=1))
    new = write(store, evidence(1), truth)
    np.testing.assert_array_equal(store.read(new), evidence(1))


def test_slot_of_another_block_is_refused(tmp_path: Path) -> None:
    store = SlotStateStore(tmp_path)
    pointer = write(store, evidence(0))
    other = write(store, evidence(1), block_id="r00000c00512")
    shutil.copy(file_of(tmp_path, other), file_of(tmp_path, pointer))
    with pytest.raises(StoreError, match="digest"):
        store.read(pointer)


@pytest.mark.parametrize("leftover", [b"", b"rsmslot\n", b"x" * 100_000])
def test_half_a_write_of_a_dead_run_is_written_over(
    tmp_path: Path, leftover: bytes
) -> None:
    store = SlotStateStore(tmp_path)
    truth = write(store, evidence(0))
    idle = file_of(tmp_path, replace(truth, slot=1))
    idle.write_bytes(leftover)
    pointer = write(store, evidence(1), truth)
    np.testing.assert_array_equal(store.read(pointer), evidence(1))
    assert idle.stat().st_size == file_of(tmp_path, truth).stat().st_size


def test_slot_is_written_in_place(tmp_path: Path) -> None:
    store = SlotStateStore(tmp_path)
    first = write(store, evidence(0))
    second = write(store, evidence(1), first)
    before = file_of(tmp_path, first).stat()
    third = write(store, evidence(2), second)
    after = file_of(tmp_path, third).stat()
    assert (third.slot, after.st_ino) == (first.slot, before.st_ino)
    assert after.st_blocks == before.st_blocks


@pytest.fixture
def synced(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    paths = []

    def remembering(sync: Callable[[int], None]) -> Callable[[int], None]:
        def remember(descriptor: int) -> None:
            paths.append(Path(f"/proc/self/fd/{descriptor}").readlink())
            sync(descriptor)

        return remember

    for name in ("fsync", "fdatasync"):
        monkeypatch.setattr(os, name, remembering(getattr(os, name)))
    return paths


def test_everything_is_synced_before_the_pointer_is_given(
    tmp_path: Path, synced: list[Path]
) -> None:
    root = tmp_path / "state"
    store = SlotStateStore(root)
    first = write(store, evidence(0))
    where = file_of(root, first)
    needed = {p for p in where.parents if p.is_relative_to(tmp_path)}
    assert needed <= set(synced)
    # the name before the content: a file with content has a name that lasts
    assert synced[-2:] == [where.parent, where]
    second = write(store, evidence(1), first)
    synced.clear()
    write(store, evidence(2), second)
    assert synced == [where]


def test_name_that_a_dead_run_did_not_sync_is_synced(
    tmp_path: Path, synced: list[Path]
) -> None:
    store = SlotStateStore(tmp_path)
    where = file_of(tmp_path, write(store, evidence(0)))
    where.write_bytes(b"")
    synced.clear()
    write(store, evidence(1))
    assert synced == [where.parent, where]


def test_state_under_a_file_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "state").touch()
    with pytest.raises(OutputError, match="state"):
        write(SlotStateStore(tmp_path / "state"), evidence(0))


@pytest.mark.parametrize("make", [make_pipe, link_elsewhere])
def test_what_is_no_file_is_not_written_to(
    tmp_path: Path, make: Callable[[Path], None]
) -> None:
    store = SlotStateStore(tmp_path)
    where = file_of(tmp_path, write(store, evidence(0)))
    make(where)
    with pytest.raises(OutputError, match="evidence/0 cannot be written"):
        write(store, evidence(1))


def test_many_states_need_no_more_memory_than_one(tmp_path: Path) -> None:
    store = SlotStateStore(tmp_path)
    array = np.random.default_rng(0).integers(0, 2**16, (4, 256, 256), np.uint16)
    out = np.empty_like(array)

    def look() -> None:
        pointer = write(store, array)
        store.read(pointer, out=out)
        store.read_window(pointer, slice(0, 20), slice(0, 20))

    look()
    tracemalloc.start()
    try:
        for _ in range(3):
            look()
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < array.nbytes // 4


def test_part_is_read_without_the_rest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = SlotStateStore(tmp_path)
    noise = np.random.default_rng(0).integers(0, 2**16, (7, 512, 256), np.uint16)
    pointer = write(store, noise)
    sizes = []
    preadv = os.preadv

    def counting(descriptor: int, buffers: list[memoryview], offset: int) -> int:
        sizes.append(sum(map(len, buffers)))
        return preadv(descriptor, buffers, offset)

    monkeypatch.setattr(os, "preadv", counting)
    header = 4096
    store.read(pointer, slice(0, 4))
    assert sum(sizes) == pytest.approx(noise[:4].nbytes, abs=2 * header)
    sizes.clear()
    # a group of this width has 128 rows
    found = store.read_window(pointer, slice(130, 250), slice(3, 9))
    np.testing.assert_array_equal(found, noise[:, 130:250, 3:9])
    assert sum(sizes) == pytest.approx(noise.nbytes / 4, abs=2 * header)
    sizes.clear()
    store.read(pointer)
    assert sum(sizes) >= file_of(tmp_path, pointer).stat().st_size


def test_damage_elsewhere_does_not_keep_a_window_from_being_read(
    tmp_path: Path,
) -> None:
    store = SlotStateStore(tmp_path)
    noise = np.random.default_rng(0).integers(0, 2**16, (4, 512, 256), np.uint16)
    pointer = write(store, noise)
    where = file_of(tmp_path, pointer)
    data = bytearray(where.read_bytes())
    data[3 * len(data) // 4] ^= 1
    where.write_bytes(data)
    top = store.read_window(pointer, slice(0, 128), slice(None))
    np.testing.assert_array_equal(top, noise[:, :128])
    with pytest.raises(StoreError, match=r"planes from 0, rows from 384"):
        store.read_window(pointer, slice(300, 400), slice(0, 1))


def test_whether_anything_is_kept_of_a_line(store: StateStore) -> None:
    assert not store.holds(LINE)
    kept = write(store, evidence(0), line=OTHER_LINE)
    assert not store.holds(LINE)
    assert store.holds(OTHER_LINE)
    write(store, evidence(1))
    assert store.holds(LINE)
    store.forget([kept], lines=[LINE])
    assert not store.holds(LINE)
    assert store.holds(OTHER_LINE)


def test_a_folder_that_cannot_be_looked_into_is_not_taken_for_empty(
    tmp_path: Path,
) -> None:
    store = SlotStateStore(tmp_path)
    assert not store.holds("line")
    (tmp_path / "line").write_text("not a folder")
    with pytest.raises(StoreError, match="cannot be read"):
        store.holds("line")
