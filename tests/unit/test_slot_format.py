"""The file of a slot byte by byte: what it says, how small it is, what is refused."""

import hashlib
import struct
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from rsmonitor.errors import ContractError, StoreError
from rsmonitor.io.stores.slot_codes import BYTES, CONSTANT, RAW, SPARSE, SPARSE_AGAIN
from rsmonitor.io.stores.slot_format import (
    BUNDLE,
    MAGIC,
    VERSION,
    Layout,
    header_of,
    layout_of,
    packed,
)
from rsmonitor.io.stores.slot_kernels import pack, unpack

SIDE = 64
PIXELS = SIDE * SIDE


def room_of(array: NDArray[Any]) -> NDArray[np.uint8]:
    words = Layout.of(array).most_bytes // 8
    return np.full(words, 0x5A5A5A5A5A5A5A5A, np.uint64).view(np.uint8)


def file_of(array: NDArray[Any]) -> tuple[bytes, str]:
    data, sha256 = packed(array, room_of(array))
    return data.tobytes(), sha256


def noise(seed: int = 0) -> NDArray[np.uint16]:
    return np.random.default_rng(seed).integers(0, 2**16, (SIDE, SIDE), np.uint16)


def scattered(share: float, fill: int) -> NDArray[np.uint16]:
    values = np.full(PIXELS, fill, np.uint16)
    places = np.random.default_rng(1).permutation(PIXELS)[: int(share * PIXELS)]
    values[places] = np.arange(1, 1 + places.size)
    return values.reshape(SIDE, SIDE)


def outliers(count: int) -> NDArray[np.uint16]:
    values = np.random.default_rng(2).integers(17_000, 17_200, PIXELS).astype(np.uint16)
    values[np.random.default_rng(3).permutation(PIXELS)[:count]] = 3
    return values.reshape(SIDE, SIDE)


CODES = {
    "constant": (np.full((SIDE, SIDE), 9, np.uint16), CONSTANT, 8),
    "raw": (noise(), RAW, 8 + 2 * PIXELS),
    "bytes": (outliers(0), BYTES, 8 + PIXELS),
    "bytes and exceptions": (outliers(100), BYTES, 8 + PIXELS + 2 * 200),
    "few in a corner": (
        np.pad(np.ones((1, 5), np.uint16), ((0, 63), (0, 59))),
        SPARSE,
        8 + 8 + 8 + 16,
    ),
    "a fifth": (
        scattered(0.2, 32_768),
        SPARSE,
        8 + 8 + PIXELS // 8 + (2 * (PIXELS // 5) + 7) // 8 * 8,
    ),
    "too many": (scattered(0.9, 0), RAW, 8 + 2 * PIXELS),
}


@pytest.mark.parametrize("what", CODES)
def test_plane_is_kept_by_the_cheapest_code(what: str) -> None:
    plane, code, size = CODES[what]
    data, sha256 = file_of(plane[None])
    layout = layout_of(data, len(data))
    header = header_of(data[: layout.header_bytes], layout, len(data), sha256)
    begin, end = header.offsets
    assert struct.unpack_from("<H", data, begin) == (code,)
    assert end - begin == size


def test_planes_that_differ_from_their_fill_at_one_place_keep_the_places_once() -> None:
    one = scattered(0.1, 0)
    two = np.where(one > 0, one + 5, 32_768).astype(np.uint16)
    data, sha256 = file_of(np.stack([one, noise(), two]))
    layout = layout_of(data, len(data))
    header = header_of(data[: layout.header_bytes], layout, len(data), sha256)
    alone, _ = file_of(one[None])
    first = header_of(
        alone[: layout.header_bytes],
        layout_of(alone, len(alone)),
        len(alone),
        hashlib.sha256(alone[: layout.header_bytes]).hexdigest(),
    )
    length = first.offsets[1] - first.offsets[0]
    values = 8 + (2 * int((one > 0).sum()) + 7) // 8 * 8
    begin, end = header.offsets
    assert end - begin == length + 8 + 2 * PIXELS + values
    data, _ = file_of(np.stack([one, two]))
    again = layout.header_bytes + length
    assert struct.unpack_from("<H", data, again) == (SPARSE_AGAIN,)


def test_signed_numbers_about_zero_fit_in_bytes_too() -> None:
    values = np.random.default_rng(0).integers(-100, 100, (1, SIDE, SIDE), np.int16)
    data, _ = file_of(values)
    begin = Layout.of(values).header_bytes
    assert struct.unpack_from("<H", data, begin) == (BYTES,)


def test_header_says_what_the_file_is() -> None:
    array = np.zeros((15, 512, 512), np.int16)
    data, sha256 = file_of(array)
    assert struct.unpack_from("<8sHHIIIQ", data) == (
        MAGIC,
        VERSION,
        1,
        15,
        512,
        512,
        len(data),
    )
    layout = layout_of(data, len(data))
    assert layout == Layout.of(array)
    assert (layout.rows, layout.groups, layout.bundles) == (64, 8, 4)
    assert layout.header_bytes == 32 + 24 * 32
    assert hashlib.sha256(data[: layout.header_bytes]).hexdigest() == sha256


def test_file_of_today_is_the_file_of_tomorrow() -> None:
    # what is on people's disks: whoever changes this raises VERSION
    n = np.arange(PIXELS, dtype=np.uint64)
    wild = n * n * 40_503 % 65_521
    planes = [
        np.where(n % 9, 0, wild),
        np.where(n % 9, 32_768, wild | 1),
        np.where(n % 50, 17_000 + n % 99, 0),
        np.where(n % 64, wild, 3),
        n * 0 + 3,
    ]
    array = np.stack(planes).astype(np.uint16).reshape(5, SIDE, SIDE)
    _, sha256 = file_of(array)
    assert sha256 == "c32b5eb89d6ed785b965e53d055652dcc5425dc8eec377bf965153807bf8fa28"


def test_sizes_go_in_steps_and_do_not_follow_what_was_counted() -> None:
    layout = Layout(dtype=np.dtype(np.uint16), shape=(12, 512, 512))
    step = 512 * 512
    assert [layout.file_bytes(n) for n in (1, step, step + 1)] == [step, step, 2 * step]
    # looks from 0 to 1,000, a spread of 60 among the pixels: as many bytes
    spread = np.random.default_rng(0).integers(0, 60, (1, 512, 512)).astype(np.uint16)
    sizes = {len(file_of(spread + np.uint16(n))[0]) for n in (0, 10, 100, 940)}
    assert len(sizes) == 1


@pytest.mark.parametrize(
    "array",
    [
        np.zeros((2, 2), np.uint16),
        np.zeros((1, 2, 2, 2), np.uint16),
        np.zeros((1, 0, 2), np.uint16),
        np.zeros((0, 1, 2), np.int16),
        np.zeros((1, 2, 2), np.float32),
        np.zeros((1, 2, 2), np.uint8),
        np.broadcast_to(np.uint16(0), (1, 1, 65_537)),
        np.broadcast_to(np.uint16(0), (4_097, 1, 1)),
        np.broadcast_to(np.uint16(0), (4_096, 65_536, 65_536)),
    ],
)
def test_what_is_no_state_is_refused(array: NDArray[Any]) -> None:
    with pytest.raises(ContractError, match="state must"):
        Layout.of(array)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({0: b"PK"}, "no slot of rsmonitor: it begins with b'PKmslot"),
        ({8: struct.pack("<H", 2)}, "has version 2, this rsmonitor knows 1"),
        ({10: struct.pack("<H", 2)}, "its type is 2"),
        ({12: struct.pack("<I", 0)}, "state must be"),
        ({12: struct.pack("<I", 2**32 - 1)}, "at most 4096 planes"),
        ({16: struct.pack("<I", 2**32 - 1)}, "at most"),
        ({20: struct.pack("<I", 2**20)}, "65536 columns"),
        ({24: struct.pack("<Q", 2**63)}, "has 4096 bytes and should have 9223"),
        ({12: struct.pack("<I", 4096)}, "4096 bytes are not"),
    ],
)
def test_header_that_lies_is_refused_before_anything_is_allocated(
    changes: dict[int, bytes], message: str
) -> None:
    data, _ = file_of(np.zeros((2, 3, 4), np.uint16))
    assert len(data) == 4096
    lying = bytearray(data)
    for at, values in changes.items():
        lying[at : at + len(values)] = values
    with pytest.raises(StoreError, match=message):
        layout_of(bytes(lying), len(lying))


@pytest.mark.parametrize("size", [0, 7, 8, 31])
def test_beginning_of_a_header_is_none(size: int) -> None:
    data, _ = file_of(np.zeros((2, 3, 4), np.uint16))
    with pytest.raises(StoreError, match="no slot"):
        layout_of(data[:size], size)


def test_lengths_that_do_not_fill_the_file_are_refused() -> None:
    data, _ = file_of(np.zeros((2, 3, 4), np.uint16))
    for length in (2**63, 2**20, 5000):
        header = bytearray(data[:56])
        header[32:40] = struct.pack("<Q", length)
        sha256 = hashlib.sha256(header).hexdigest()
        with pytest.raises(StoreError, match="pieces do not fill 4096 bytes"):
            header_of(bytes(header), layout_of(data, 4096), 4096, sha256)


def bundle(seed: int) -> NDArray[np.uint16]:
    random = np.random.default_rng(seed)
    few = np.where(random.random(200) < 0.1, random.integers(1, 999, 200), 0)
    near = random.integers(500, 700, 200)
    near[::50] = 9
    return np.stack(
        [few, np.where(few > 0, few + 1, 7), near, random.integers(0, 65536, 200)]
    ).astype(np.uint16)


@settings(max_examples=300)
@given(
    seed=st.integers(0, 20),
    changes=st.lists(
        st.tuples(st.integers(0, 1400), st.integers(0, 255)), min_size=1, max_size=4
    ),
    cut=st.integers(0, 3),
)
def test_kernel_that_is_given_rubbish_stays_within_its_arrays(
    seed: int, changes: list[tuple[int, int]], cut: int
) -> None:
    planes = bundle(seed)
    room, lengths = np.zeros(4096, np.uint8), np.zeros(1, np.int64)
    end = pack(planes[:, None], np.uint16(0), 1, BUNDLE, room, lengths)
    data = room[: end - 8 * cut].copy()
    for at, value in changes:
        data[at % data.size] = value
    # rows above and below, and pixels on both sides, must not change
    around = np.full((6, 300), 4242, np.uint16)
    ends = np.array([0, data.size])
    unpack(data, ends, around[1:5], 50, 200)
    inner = around[1:5, 50:250].copy()
    around[1:5, 50:250] = 4242
    assert (around == 4242).all()
    if np.array_equal(data, room[:end]):
        np.testing.assert_array_equal(inner, planes)


def test_kernel_gives_back_what_it_was_given() -> None:
    planes = bundle(0)
    room, lengths = np.zeros(4096, np.uint8), np.zeros(1, np.int64)
    end = pack(planes[:, None], np.uint16(0), 1, BUNDLE, room, lengths)
    found = np.zeros_like(planes)
    assert unpack(room, np.array([0, end]), found, 0, 200)
    np.testing.assert_array_equal(found, planes)
    for wrong in (
        [0, end - 8],
        [0, end + 8],
        [8, end],
        [4, end],
        [0, 2**40],
        [-8, end],
    ):
        assert not unpack(room, np.array(wrong), found, 0, 200)
    assert not unpack(room, np.array([0, end]), found, 200, 200)
