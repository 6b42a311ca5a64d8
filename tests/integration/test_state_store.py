"""Both state stores obey the same laws; the one on disk trusts no disk."""

import json
import os
import shutil
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from numpy.typing import NDArray

from rsmonitor.errors import ContractError, OutputError, StoreError
from rsmonitor.interfaces import StateStore
from rsmonitor.io.stores.memory import MemoryStateStore
from rsmonitor.io.stores.state import ZarrStateStore
from rsmonitor.records.run import SlotPointer, StateKind

State = NDArray[np.uint16] | NDArray[np.int16]

LINE = "0123456789abcdef"
OTHER_LINE = "fedcba9876543210"


@pytest.fixture(params=["disk", "memory"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> StateStore:
    return ZarrStateStore(tmp_path) if request.param == "disk" else MemoryStateStore()


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
        array_shapes(max_dims=4, min_side=0, max_side=5),
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


def folder(root: Path, pointer: SlotPointer) -> Path:
    return root.joinpath(*pointer.place, str(pointer.slot))


def test_slot_is_a_zarr_array_that_other_programs_read(tmp_path: Path) -> None:
    pointer = write(ZarrStateStore(tmp_path), evidence(0))
    where = tmp_path / LINE / "31TCJ" / "r00000c00000" / "evidence" / "0"
    assert where == folder(tmp_path, pointer)
    stored = zarr.open_array(where, mode="r")
    assert stored.metadata.zarr_format == 3
    assert stored.chunks == (8, 10, 10)
    np.testing.assert_array_equal(stored[...], evidence(0))


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-7])


def flip_one_bit(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def fill_with_junk(path: Path) -> None:
    path.write_bytes(bytes(range(256)) * 8)


def empty(path: Path) -> None:
    path.write_bytes(b"")


DAMAGE: list[Callable[[Path], None]] = [cut, flip_one_bit, fill_with_junk, empty]


@pytest.mark.parametrize("name", ["zarr.json", "c.0.0.0"])
@pytest.mark.parametrize("damage", [*DAMAGE, Path.unlink])
def test_damage_is_found_and_the_slot_is_named(
    tmp_path: Path, name: str, damage: Callable[[Path], None]
) -> None:
    store = ZarrStateStore(tmp_path)
    pointer = write(store, evidence(0))
    where = folder(tmp_path, pointer)
    before = {path.name: path.read_bytes() for path in where.iterdir()}
    damage(where / name)
    try:
        read = store.read(pointer)
    except StoreError as error:
        assert str(where) in str(error)  # noqa: PT017
        assert "backup" in str(error)  # noqa: PT017
    else:
        # a flipped bit in the header may lie where nothing depends on it
        assert name == "zarr.json"
        assert before["c.0.0.0"] == (where / "c.0.0.0").read_bytes()
        np.testing.assert_array_equal(read, evidence(0))


def test_state_without_any_change_yet_is_stored_too(tmp_path: Path) -> None:
    # Zarr leaves out a chunk that holds its fill value only
    store = ZarrStateStore(tmp_path)
    nothing = np.zeros((8, 10, 10), np.uint16)
    pointer = write(store, nothing, write(store, evidence(0)))
    np.testing.assert_array_equal(store.read(pointer), nothing)


@pytest.mark.parametrize(
    "changes",
    [
        {"shape": [8, 100_000, 100_000]},
        {"shape": [2**40]},
        {"data_type": "float64"},
        {"shape": [8, -1, 10]},
        {"codecs": [{"name": "bytes"}]},
        {"zarr_format": 2},
        {"node_type": "group"},
    ],
)
def test_header_that_lies_is_refused(tmp_path: Path, changes: dict[str, Any]) -> None:
    store = ZarrStateStore(tmp_path)
    pointer = write(store, evidence(0))
    header = folder(tmp_path, pointer) / "zarr.json"
    header.write_text(json.dumps(json.loads(header.read_text()) | changes))
    with pytest.raises(StoreError, match="damaged"):
        store.read(pointer)


def test_slot_of_another_block_is_refused(tmp_path: Path) -> None:
    store = ZarrStateStore(tmp_path)
    pointer = write(store, evidence(0))
    other = write(store, evidence(1), block_id="r00000c00512")
    shutil.rmtree(folder(tmp_path, pointer))
    shutil.copytree(folder(tmp_path, other), folder(tmp_path, pointer))
    with pytest.raises(StoreError, match="digest"):
        store.read(pointer)


@pytest.mark.parametrize("leftover", [True, False])
def test_half_a_write_of_a_dead_run_is_swept_away(
    tmp_path: Path, *, leftover: bool
) -> None:
    store = ZarrStateStore(tmp_path)
    truth = write(store, evidence(0))
    idle = folder(tmp_path, replace(truth, slot=1))
    idle.mkdir()
    if leftover:
        (idle / "zarr.json").write_text("{")
        (idle / "c.9.9.9").touch()
    pointer = write(store, evidence(1), truth)
    np.testing.assert_array_equal(store.read(pointer), evidence(1))
    assert sorted(p.name for p in idle.iterdir()) == ["c.0.0.0", "zarr.json"]


def test_everything_is_synced_before_the_pointer_is_given(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced = []
    fsync = os.fsync

    def remember(descriptor: int) -> None:
        synced.append(Path(f"/proc/self/fd/{descriptor}").readlink())
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", remember)
    root = tmp_path / "state"
    where = folder(root, write(ZarrStateStore(root), evidence(0)))
    needed = {where / "zarr.json", where / "c.0.0.0", where}
    needed |= {p for p in where.parents if p.is_relative_to(tmp_path)}
    assert needed <= set(synced)


def test_state_under_a_file_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "state").touch()
    with pytest.raises(OutputError, match="state"):
        write(ZarrStateStore(tmp_path / "state"), evidence(0))
