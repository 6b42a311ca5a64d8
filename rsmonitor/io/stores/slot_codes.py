"""How a plane of 16-bit numbers is written down, and three instructions for it.

A section holds one plane of a few rows, by the cheapest of four codes:

=========  ===============================================================
constant   one value
sparse     a fill value, bits that say where it does not stand, the others
bytes      distances from a base that fit in a byte; the few that do not
           are listed behind, places first
raw        the numbers
=========  ===============================================================

A code changes nothing but size: what is unpacked is what was packed, whatever the
values. A section is ``code, value, count`` (uint16, uint16, uint32) and then its parts,
each filled up with zeros to a multiple of 8 bytes. The bits of `SPARSE` have two
levels: words of 64 pixels that are fill throughout are left out. Planes that differ
from their fill at the same pixels, as those of a disturbance do, keep the bits once.

Numbers are little-endian; signed ones are packed as their two's complement.
"""

from typing import Any, Final

from llvmlite import ir
from numba import njit, types
from numba.extending import intrinsic

CONSTANT: Final = 0
"""Section of one value."""

SPARSE: Final = 1
"""Section of a fill value, bits, and the other values."""

SPARSE_AGAIN: Final = 2
"""As `SPARSE`, with the bits of the sparse section before it in the bundle."""

BYTES: Final = 3
"""Section of a base, bytes, and exceptions."""

RAW: Final = 4
"""Section of plain numbers."""

HEAD: Final = 8
"""Bytes of the head of a section."""

MOST_PIXELS: Final = 65_536
"""Pixels of a section: a place must fit in 16 bits."""

WORD: Final = 64
"""Pixels of a word of bits."""


@njit(nogil=True, cache=True)
def filled(size):
    """Fill a size up to a multiple of 8."""
    return (size + 7) & ~7


@njit(nogil=True, cache=True)
def section_room(pixels):
    """Say how many bytes a section takes at most: no code is chosen beyond `RAW`."""
    return HEAD + filled(2 * pixels)


@intrinsic
def outside(context, array, start, base, span):  # noqa: ARG001 - numba's signature
    """
    Tell which of 64 numbers from `start` on lie outside `base` to `base + span`.

    Distances are modulo 65,536. One comparison of vectors: a loop over the bits of a
    word is no such thing to the compiler, and takes ten times as long.
    """

    def generate(context, builder, signature, args):
        values = context.make_array(signature.args[0])(context, builder, args[0])
        vector = ir.VectorType(ir.IntType(16), WORD)
        place = builder.gep(values.data, [args[1]])
        loaded = builder.load(builder.bitcast(place, vector.as_pointer()), align=2)
        distance = builder.sub(loaded, _spread(builder, args[2], vector))
        far = builder.icmp_unsigned(">", distance, _spread(builder, args[3], vector))
        return builder.bitcast(far, ir.IntType(WORD))

    return types.uint64(array, types.int64, types.uint16, types.uint16), generate


@intrinsic
def ones(context, word):  # noqa: ARG001 - numba's signature
    """Count the bits of a word that are set."""

    def generate(context, builder, signature, args):  # noqa: ARG001 - as above
        return builder.ctpop(args[0])

    return types.uint64(types.uint64), generate


@intrinsic
def lowest(context, word):  # noqa: ARG001 - numba's signature
    """Give the number of the lowest bit that is set; the word must not be 0."""

    def generate(context, builder, signature, args):  # noqa: ARG001 - as above
        return builder.cttz(args[0], ir.Constant(ir.IntType(1), 1))

    return types.uint64(types.uint64), generate


def _spread(builder: Any, scalar: Any, vector: Any) -> Any:  # noqa: ANN401
    """Put a number into every lane of a vector."""
    nothing = ir.Constant(vector, ir.Undefined)
    first = builder.insert_element(nothing, scalar, ir.Constant(ir.IntType(32), 0))
    lanes = ir.Constant(ir.VectorType(ir.IntType(32), WORD), [0] * WORD)
    return builder.shuffle_vector(first, nothing, lanes)
