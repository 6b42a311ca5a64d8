"""Bundles of planes packed and unpacked at the speed of memory; see `slot_codes`.

A bundle is a few planes of a few rows: what one checksum covers. The plain counterpart
of packing and unpacking is to copy.
"""

from typing import Final

import numpy as np
from numba import njit

from rsmonitor.io.stores.slot_codes import (
    BYTES,
    CONSTANT,
    HEAD,
    RAW,
    SPARSE,
    SPARSE_AGAIN,
    WORD,
    filled,
    lowest,
    ones,
    outside,
)

SAMPLE: Final = 32
"""Values from which fill and base are guessed; a bad guess costs bytes, no more."""

_FULL_WORD: Final = np.uint64(0xFFFF_FFFF_FFFF_FFFF)
_ONE: Final = np.uint64(1)
_EXACT: Final = np.uint16(0)
_BYTE: Final = np.uint16(255)


@njit(nogil=True, cache=True)
def pack(planes, flip, rows, bundle, room, lengths):
    """
    Pack an array: bundle after bundle of planes, in each group after group of rows.

    Parameters
    ----------
    planes : ndarray of uint16, shape (plane, y, x)
        C-contiguous.
    flip : uint16
        0x8000 where the numbers are signed, else 0: orders them for the guesses.
    rows : int
        Rows of a group.
    bundle : int
        Planes of a bundle.
    room : ndarray of uint8
        Where to; long enough for `section_room` of everything.
    lengths : ndarray of int64
        Filled with the bytes of each piece.

    Returns
    -------
    int
        Bytes written.
    """
    n_plane, height, width = planes.shape
    n_words = (rows * width + WORD - 1) // WORD
    scratch = np.empty((3, n_words), np.uint64)
    sample = np.empty(SAMPLE, np.uint16)
    at, piece = 0, 0
    for first in range(0, n_plane, bundle):
        for top in range(0, height, rows):
            begin, shared = at, False
            for k in range(first, min(first + bundle, n_plane)):
                values = planes[k, top : top + rows].reshape(-1)
                at, shared = _pack_section(
                    values, flip, scratch, sample, shared, room, at
                )
            lengths[piece] = at - begin
            piece += 1
    return at


@njit(nogil=True, cache=True)
def unpack(packed, ends, planes, start, pixels):
    """
    Unpack pieces of one bundle that lie one behind the other.

    Parameters
    ----------
    packed : ndarray of uint8
        Verified; 8-byte aligned.
    ends : ndarray of int64
        Where each piece begins in `packed`, and where the last one ends.
    planes : ndarray of uint16, shape (plane, pixel)
        Planes of the bundle, C-contiguous; filled from `start` on.
    start : int
        First pixel of the first piece.
    pixels : int
        Pixels of a piece; the last one of a state may have fewer.

    Returns
    -------
    bool
        False if they are not what `pack` writes; nothing outside them is read.
    """
    for k in range(ends.size - 1):
        at, end = ends[k], ends[k + 1]
        stop = min(start + pixels, planes.shape[1])
        if at % 8 or end % 8 or not 0 <= at <= end <= packed.size or start >= stop:
            return False
        marks = 0
        for p in range(planes.shape[0]):
            if at + HEAD > end:
                return False
            at, marks = _unpack_section(packed, at, end, marks, planes[p, start:stop])
            if at < 0:
                return False
        if at != end:
            return False
        start = stop
    return True


@njit(nogil=True, cache=True)
def _pack_section(values, flip, scratch, sample, shared, room, at):
    """
    Write a section by the cheapest code; give its end, and if there are bits to share.

    `scratch` has three rows: the bits that may be `shared`, new bits, exceptions.
    """
    halves, words = room.view(np.uint16), room.view(np.uint64)
    n = values.size
    n_words = (n + WORD - 1) // WORD
    marks, far = scratch[1, :n_words], scratch[2, :n_words]
    size = 0
    fill = values[0]
    count = _find(values, fill, _EXACT, marks)
    if 4 * count > n:  # the first value was a bad guess
        size = _take_sample(values, flip, sample)
        fill = np.uint16(sample[size // 2] ^ flip)
        count = _find(values, fill, _EXACT, marks)
    if count == 0:
        _put_head(halves, at, CONSTANT, fill, 0)
        return at + HEAD, shared

    last = scratch[0, :n_words]
    used, other = 0, not shared
    for w in range(n_words):
        used += marks[w] != 0
        other |= marks[w] != last[w]
    again = not other
    sparse, few, plain = filled(2 * count), filled(n), filled(2 * n)
    if not again:
        sparse += 8 * ((n_words + WORD - 1) // WORD + used)
    base, far_count = fill, 0
    # to place values one by one takes time: sparse must save a quarter
    if 4 * sparse > 3 * few:
        if size == 0:
            size = _take_sample(values, flip, sample)
        base = np.uint16(_guess_base(sample, size) ^ flip)
        far_count = _find(values, base, _BYTE, far)
        few += 2 * filled(2 * far_count)
    if 4 * sparse <= 3 * min(few, plain):
        code = SPARSE_AGAIN if again else SPARSE
        _put_head(halves, at, code, fill, count)
        _copy(marks, last)
        return _put_sparse(values, marks, count, room, at + HEAD, again), True
    if few < plain:
        _put_head(halves, at, BYTES, base, far_count)
        end = _put_bytes(values, base, far, far_count, room, at + HEAD)
    else:
        _put_head(halves, at, RAW, 0, n)
        begin = at + HEAD
        end = begin + plain
        words[end // 8 - 1] = 0
        _copy(values, halves[begin // 2 : begin // 2 + n])
    return end, shared


@njit(nogil=True, cache=True)
def _copy(source, target):
    """Copy as many values as there is room for; a slice assignment is slower."""
    for i in range(target.size):
        target[i] = source[i]


@njit(nogil=True, cache=True)
def _fill(target, value):
    """Put one value everywhere."""
    for i in range(target.size):
        target[i] = value


@njit(nogil=True, cache=True)
def _take_sample(values, flip, sample):
    """Take some of the values, ascending in the order of the plane's type."""
    n = values.size
    size = min(n, SAMPLE)
    for k in range(size):
        value = np.uint16(values[(2 * k + 1) * n // (2 * size)] ^ flip)
        at = k
        while at > 0 and sample[at - 1] > value:
            sample[at] = sample[at - 1]
            at -= 1
        sample[at] = value
    return size


@njit(nogil=True, cache=True)
def _guess_base(sample, size):
    """Lay a span of 256 over most of the sample, with equal room at both ends."""
    most, low, high = 0, 0, 0
    first = 0
    for last in range(size):
        while np.int64(sample[last]) - np.int64(sample[first]) > np.int64(_BYTE):
            first += 1
        if last - first + 1 > most:
            most, low, high = last - first + 1, first, last
    spare = np.int64(_BYTE) - (np.int64(sample[high]) - np.int64(sample[low]))
    return np.uint16(max(0, np.int64(sample[low]) - spare // 2))


@njit(nogil=True, cache=True)
def _find(values, base, span, marks):
    """Mark what lies outside a span, bit by bit, and count it."""
    n = values.size
    whole = n // WORD
    count = np.uint64(0)
    for w in range(whole):
        bits = outside(values, w * WORD, base, span)
        marks[w] = bits
        count += ones(bits)
    if whole * WORD < n:
        bits = np.uint64(0)
        for i in range(whole * WORD, n):
            if np.uint16(values[i] - base) > span:
                bits |= _ONE << np.uint64(i - whole * WORD)
        marks[whole] = bits
        count += ones(bits)
    return np.int64(count)


@njit(nogil=True, cache=True)
def _put_head(halves, at, code, value, count):
    """Write the head of a section."""
    halves[at // 2] = code
    halves[at // 2 + 1] = value
    halves[at // 2 + 2] = count & 0xFFFF
    halves[at // 2 + 3] = count >> 16


@njit(nogil=True, cache=True)
def _put_sparse(values, marks, count, room, at, again):
    """Write bits, unless they are there already, and values; give the end."""
    halves, words = room.view(np.uint16), room.view(np.uint64)
    if not again:
        top = at // 8
        n_top = (marks.size + WORD - 1) // WORD
        words[top : top + n_top] = 0
        at += 8 * n_top
        for w in range(marks.size):
            if marks[w]:
                words[top + w // WORD] |= _ONE << np.uint64(w % WORD)
                words[at // 8] = marks[w]
                at += 8
    end = at + filled(2 * count)
    words[end // 8 - 1] = 0
    out = at // 2
    for w in range(marks.size):
        bits = marks[w]
        if bits == _FULL_WORD:
            _copy(values[w * WORD : w * WORD + WORD], halves[out : out + WORD])
            out += WORD
            continue
        while bits:
            halves[out] = values[w * WORD + np.int64(lowest(bits))]
            out += 1
            bits &= bits - _ONE
    return end


@njit(nogil=True, cache=True)
def _put_bytes(values, base, far, count, room, at):
    """Write bytes and exceptions; give the end."""
    halves, words = room.view(np.uint16), room.view(np.uint64)
    n = values.size
    end = at + filled(n)
    words[end // 8 - 1] = 0
    near = room[at : at + n]
    for i in range(n):
        near[i] = np.uint8(values[i] - base)
    if count == 0:
        return end
    places, others = end // 2, (end + filled(2 * count)) // 2
    end += 2 * filled(2 * count)
    words[others // 4 - 1] = 0
    words[end // 8 - 1] = 0
    for w in range(far.size):
        bits = far[w]
        while bits:
            i = w * WORD + np.int64(lowest(bits))
            halves[places] = i
            halves[others] = values[i]
            places += 1
            others += 1
            bits &= bits - _ONE
    return end


@njit(nogil=True, cache=True)
def _unpack_section(packed, at, end, marks, values):
    """
    Read a section; give its end, -1 if it is none, and where its bits or the last lie.

    `marks` is 0 while the bundle has no bits: a section's head comes before any.
    """
    halves = packed.view(np.uint16)
    code, value = halves[at // 2], halves[at // 2 + 1]
    count = np.int64(halves[at // 2 + 2]) | np.int64(halves[at // 2 + 3]) << 16
    at += HEAD
    if code == CONSTANT and count == 0:
        _fill(values, value)
        return at, marks
    if code == RAW and count == values.size and at + filled(2 * count) <= end:
        _copy(halves[at // 2 : at // 2 + count], values)
        return at + filled(2 * count), marks
    if code == BYTES:
        return _get_bytes(packed, at, end, value, count, values), marks
    if code == SPARSE:
        return _get_sparse(packed, at, at, end, value, count, values), at
    if code == SPARSE_AGAIN and marks:
        return _get_sparse(packed, marks, at, end, value, count, values), marks
    return -1, marks


@njit(nogil=True, cache=True)
def _get_bytes(packed, at, end, base, count, values):
    """Read bytes and exceptions; give the end, or -1."""
    halves = packed.view(np.uint16)
    n = values.size
    places = at + filled(n)
    others = places + filled(2 * count)
    behind = others + filled(2 * count)
    if count > n or behind > end:
        return -1
    near = packed[at : at + n]
    for i in range(n):
        values[i] = np.uint16(base + near[i])
    for k in range(count):
        place = np.int64(halves[places // 2 + k])
        if place >= n:
            return -1
        values[place] = halves[others // 2 + k]
    return behind


@njit(nogil=True, cache=True)
def _get_sparse(packed, marks, at, end, fill, count, values):
    """Read values by the bits at `marks`, which may lie before; give the end, or -1."""
    halves, words = packed.view(np.uint16), packed.view(np.uint64)
    n = values.size
    n_words = (n + WORD - 1) // WORD
    n_top = (n_words + WORD - 1) // WORD
    if count > n or marks + 8 * n_top > end:
        return -1
    used = 0
    for t in range(n_top):
        used += np.int64(ones(words[marks // 8 + t]))
    own = marks == at
    if own:
        at += 8 * (n_top + used)
    behind = at + filled(2 * count)
    if marks + 8 * (n_top + used) > end or behind > end:
        return -1
    _fill(values, fill)
    word, got, last = marks // 8 + n_top, at // 2, at // 2 + count
    for t in range(n_top):
        top = words[marks // 8 + t]
        while top:
            start = (t * WORD + np.int64(lowest(top))) * WORD
            top &= top - _ONE
            bits = words[word]
            word += 1
            if got + np.int64(ones(bits)) > last:
                return -1
            if bits == _FULL_WORD and start + WORD <= n:
                _copy(halves[got : got + WORD], values[start : start + WORD])
                got += WORD
                continue
            while bits:
                place = start + np.int64(lowest(bits))
                if place >= n:
                    return -1
                values[place] = halves[got]
                got += 1
                bits &= bits - _ONE
    return behind if got == last else -1
