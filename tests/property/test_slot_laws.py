"""What a slot gives back is what was written, or a refusal; there is no third."""

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from rsmonitor.errors import StoreError
from rsmonitor.io.stores.memory import MemoryStateStore
from rsmonitor.io.stores.slot_format import BUNDLE, GROUP, Layout, State
from rsmonitor.io.stores.state import SlotStateStore
from rsmonitor.records.run import SlotPointer

Read = Callable[[], State]

PLACE: dict[str, Any] = {
    "line": "0123456789abcdef",
    "grid_id": "31TCJ",
    "block_id": "r00000c00000",
    "kind": "evidence",
}

SHAPES = [
    (1, 1, 1),
    (3, 1, 63),
    (2, 8, 8),
    (5, 13, 5),
    (12, 40, 41),
    (6, 300, 200),  # a group of 163 rows and one of 137
    (4, 5, 16_384),  # groups of two rows, and one of one
    (2, 2, 40_000),  # a row is a group
    (1, 1, 65_536),
]

KINDS = (
    "constant",
    "few",
    "some",
    "clustered",
    "half",
    "near",
    "near but some",
    "wide",
    "noise",
)


def plane(kind: str, size: int, random: np.random.Generator) -> NDArray[np.uint16]:
    """Make what planes of a state look like, and what they never should."""
    noise = random.integers(0, 2**16, size, np.uint16)
    fill = random.choice(np.array([0, 1, 255, 32767, 32768, 65535], np.uint16))
    near = (fill + random.integers(0, 256, size)).astype(np.uint16)
    start, stop = np.sort(random.integers(0, size + 1, 2))
    within = (np.arange(size) >= start) & (np.arange(size) < stop)
    planes = {
        "constant": np.full(size, fill),
        "few": np.where(random.random(size) < 0.01, noise, fill),
        "some": np.where(random.random(size) < 0.2, noise, fill),
        "clustered": np.where(within, noise, fill),
        "half": np.where(random.random(size) < 0.5, noise, fill),
        "near": near,
        "near but some": np.where(random.random(size) < 0.05, noise, near),
        "wide": (fill + random.integers(0, 300, size)).astype(np.uint16),
        "noise": noise,
    }
    made: NDArray[np.uint16] = planes[kind].astype(np.uint16)
    return made


@st.composite
def states(draw: st.DrawFn) -> NDArray[Any]:
    shape = draw(st.sampled_from(SHAPES))
    random = np.random.default_rng(draw(st.integers(0, 2**32)))
    kinds = [draw(st.sampled_from(KINDS)) for _ in range(shape[0])]
    same = draw(st.booleans())
    values = np.stack([plane(kind, shape[1] * shape[2], random) for kind in kinds])
    if same and shape[0] > 1:
        # planes that differ from their fill at the same places keep these once
        values[1] = np.where(values[0] == values[0, 0], 7, values[1] | 8)
    return values.reshape(shape).view(draw(st.sampled_from([np.uint16, np.int16])))


def parts(n: int) -> st.SearchStrategy[slice]:
    bound = st.none() | st.integers(-n - 1, n + 1)
    return st.builds(slice, bound, bound)


quick = settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


@quick
@given(array=states(), data=st.data())
def test_any_part_is_that_part_of_what_was_written(
    tmp_path: Path, array: NDArray[Any], data: st.DataObject
) -> None:
    n_plane, height, width = array.shape
    planes = data.draw(parts(n_plane))
    rows, cols = data.draw(parts(height)), data.draw(parts(width))
    for store in (SlotStateStore(tmp_path), MemoryStateStore()):
        pointer = store.write(array, **PLACE, current=None)
        whole = store.read(pointer)
        assert whole.dtype == array.dtype
        np.testing.assert_array_equal(whole, array)
        np.testing.assert_array_equal(store.read(pointer, planes), array[planes])
        np.testing.assert_array_equal(
            store.read_window(pointer, rows, cols), array[:, rows, cols]
        )
        out = np.full_like(array[planes], 77)
        assert store.read(pointer, planes, out=out) is out
        np.testing.assert_array_equal(out, array[planes])


@quick
@given(first=states(), array=states())
def test_same_array_makes_the_same_file_whatever_was_there(
    tmp_path: Path, first: NDArray[Any], array: NDArray[Any]
) -> None:
    fresh, used = SlotStateStore(tmp_path / "fresh"), SlotStateStore(tmp_path / "used")
    used.write(first, **PLACE, current=None)
    one = fresh.write(array, **PLACE, current=None)
    two = used.write(np.asfortranarray(array), **PLACE, current=None)
    assert one == two
    files = [
        tmp_path.joinpath(name, *one.place, "0").read_bytes()
        for name in ("fresh", "used")
    ]
    assert files[0] == files[1]
    assert len(files[0]) <= Layout.of(array).most_bytes


def written(root: Path, array: NDArray[Any]) -> tuple[SlotPointer, Path]:
    pointer = SlotStateStore(root).write(array, **PLACE, current=None)
    return pointer, root.joinpath(*pointer.place, str(pointer.slot))


@quick
@given(array=states(), data=st.data())
def test_byte_that_changed_anywhere_is_found(
    tmp_path: Path, array: NDArray[Any], data: st.DataObject
) -> None:
    pointer, path = written(tmp_path, array)
    content = bytearray(path.read_bytes())
    at = data.draw(
        st.integers(0, min(len(content), 400) - 1) | st.integers(0, len(content) - 1)
    )
    content[at] ^= data.draw(st.integers(1, 255))
    path.write_bytes(content)
    store = SlotStateStore(tmp_path)
    with pytest.raises(StoreError, match=path.name):
        store.read(pointer)
    # a part that the damage does not touch may be read, and is then right
    rows = data.draw(parts(array.shape[1]))
    planes = data.draw(parts(array.shape[0]))
    reads: list[tuple[Read, State]] = [
        (lambda: store.read_window(pointer, rows, slice(None)), array[:, rows]),
        (lambda: store.read(pointer, planes), array[planes]),
    ]
    for read, expected in reads:
        try:
            found = read()
        except StoreError:
            continue
        np.testing.assert_array_equal(found, expected)


@quick
@given(array=states(), data=st.data())
def test_file_that_was_cut_or_grew_is_found(
    tmp_path: Path, array: NDArray[Any], data: st.DataObject
) -> None:
    pointer, path = written(tmp_path, array)
    content = path.read_bytes()
    size = data.draw(st.integers(0, 2 * len(content)))
    path.write_bytes((content + content)[:size])
    store = SlotStateStore(tmp_path)
    if size == len(content):
        np.testing.assert_array_equal(store.read(pointer), array)
        return
    reads: list[Read] = [
        lambda: store.read(pointer),
        lambda: store.read_window(pointer, slice(0, 1), slice(0, 1)),
    ]
    for read in reads:
        with pytest.raises(StoreError, match=re.escape(str(path))):
            read()


@quick
@given(content=st.binary(max_size=200), honest=st.booleans())
def test_other_files_are_refused(
    tmp_path: Path, content: bytes, *, honest: bool
) -> None:
    pointer, path = written(tmp_path, np.zeros((2, 3, 4), np.uint16))
    path.write_bytes((b"rsmslot\n" if honest else b"") + content)
    with pytest.raises(StoreError, match=r"no slot|version|damaged"):
        SlotStateStore(tmp_path).read(pointer)


@quick
@given(array=states(), data=st.data())
def test_old_file_with_a_half_of_the_new_one_is_neither(
    tmp_path: Path, array: NDArray[Any], data: st.DataObject
) -> None:
    # the machine stops while the disk is being written: pages, in any order
    pointer, path = written(tmp_path, array)
    old = path.read_bytes()
    other = np.roll(array, 1, axis=0) + array.dtype.type(1)
    after, _ = written(tmp_path, other)
    new = path.read_bytes()
    if len(old) != len(new):
        return
    pages = len(old) // 4096
    new_pages = data.draw(st.sets(st.integers(0, pages - 1)))
    mixed = b"".join(
        (new if page in new_pages else old)[4096 * page : 4096 * (page + 1)]
        for page in range(pages)
    )
    path.write_bytes(mixed)
    store = SlotStateStore(tmp_path)
    for each, expected, content in ((pointer, array, old), (after, other, new)):
        if mixed == content:
            np.testing.assert_array_equal(store.read(each), expected)
        else:
            with pytest.raises(StoreError, match="damaged"):
                store.read(each)


def test_shapes_of_the_laws_have_several_groups_and_bundles() -> None:
    layouts = [Layout(dtype=np.dtype(np.uint16), shape=shape) for shape in SHAPES]
    assert {min(layout.groups, 3) for layout in layouts} == {1, 2, 3}
    assert {min(layout.bundles, 3) for layout in layouts} == {1, 2, 3}
    assert any(layout.shape[0] % BUNDLE for layout in layouts)
    assert any(layout.shape[2] > GROUP for layout in layouts)


def test_pointer_of_another_array_is_refused(tmp_path: Path) -> None:
    pointer, _ = written(tmp_path, np.zeros((2, 3, 4), np.uint16))
    with pytest.raises(StoreError, match="the ledger holds, 0000"):
        SlotStateStore(tmp_path).read(replace(pointer, sha256="0" * 64))
