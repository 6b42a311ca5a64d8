# ruff: noqa: ARG001 - numba hands every builder the same arguments
"""Numbers of several pixels side by side, which a processor takes as one.

A value of type `LANES_TYPE` holds one float64 of each of `LANES` pixels. Inside a
kernel it is written like a number (``a + b * c``); rows of such values lie in plain
one-dimensional arrays, ``LANES`` numbers a row. Every operation is IEEE 754 on each
number by itself, so that a pixel's result does not depend on its neighbours, and
`multiply_add` rounds once on any machine.
"""

import operator
from collections.abc import Callable
from typing import Any, Final

from llvmlite import ir
from numba import extending, types
from numba.core import cgutils
from numba.core.datamodel import models
from numba.extending import overload, register_model

LANES: Final = 16
"""Pixels taken at once: two registers of 512 bits, or four of 256."""

PART: Final = 8
"""Pixels of one register."""

intrinsic: Any = extending.intrinsic
"""As numba has it; what it makes takes no first argument any more."""

_DOUBLES = ir.VectorType(ir.DoubleType(), LANES)
_INDEX = ir.IntType(32)


class _Lanes(types.Type):
    """One float64 of each of `LANES` pixels."""

    def __init__(self) -> None:
        super().__init__(name=f"Lanes{LANES}")


LANES_TYPE: Final = _Lanes()


@register_model(_Lanes)
class _LanesModel(models.PrimitiveModel):
    """Lie in memory as they do in a register."""

    def __init__(self, manager: Any, kind: Any) -> None:  # noqa: ANN401 - numba's
        super().__init__(manager, kind, _DOUBLES)


def _row(context: Any, builder: Any, kind: Any, array: Any, row: Any) -> Any:  # noqa: ANN401
    """Point at a row of an array."""
    data = context.make_array(kind)(context, builder, array).data
    first = builder.mul(row, ir.Constant(row.type, LANES))
    return builder.bitcast(builder.gep(data, [first]), _DOUBLES.as_pointer())


def part_of(
    context: Any,  # noqa: ANN401 - numba's, as the others
    builder: Any,  # noqa: ANN401
    signature: Any,  # noqa: ANN401
    arguments: Any,  # noqa: ANN401
    further: int,
) -> Any:  # noqa: ANN401
    """
    Point at one part of a row, for operations that are built elsewhere.

    Parameters
    ----------
    context, builder, signature : object
        What numba hands to the builder of an intrinsic.
    arguments : sequence of object
        Array of the rows, row, part.
    further : int
        How many rows further on.

    Returns
    -------
    object
        Pointer to `PART` numbers.
    """
    array, row, part = arguments
    data = context.make_array(signature.args[0])(context, builder, array).data
    first = builder.mul(
        builder.add(row, ir.Constant(row.type, further)), ir.Constant(row.type, LANES)
    )
    first = builder.add(first, builder.mul(part, ir.Constant(row.type, PART)))
    doubles = ir.VectorType(ir.DoubleType(), PART)
    return builder.bitcast(builder.gep(data, [first]), doubles.as_pointer())


@intrinsic
def load(typing, array, row):
    """Give a row of an array."""

    def build(context, builder, signature, arguments):
        row = context.cast(builder, arguments[1], signature.args[1], types.intp)
        at = _row(context, builder, signature.args[0], arguments[0], row)
        return builder.load(at, align=8)

    return LANES_TYPE(array, row), build


@intrinsic
def store(typing, array, row, value):
    """Write a row of an array."""

    def build(context, builder, signature, arguments):
        row = context.cast(builder, arguments[1], signature.args[1], types.intp)
        at = _row(context, builder, signature.args[0], arguments[0], row)
        builder.store(arguments[2], at, align=8)
        return context.get_dummy_value()

    return types.none(array, row, value), build


@intrinsic
def everywhere(typing, number):
    """Give the same number to every pixel."""

    def build(context, builder, signature, arguments):
        one = context.cast(builder, arguments[0], signature.args[0], types.float64)
        start = ir.Constant(_DOUBLES, ir.Undefined)
        first = builder.insert_element(start, one, ir.Constant(_INDEX, 0))
        order = ir.Constant(ir.VectorType(_INDEX, LANES), [0] * LANES)
        return builder.shuffle_vector(first, start, order)

    return LANES_TYPE(number), build


def _widened(context: Any, builder: Any, kind: Any, array: Any, at: Any) -> Any:  # noqa: ANN401
    """Load numbers of an array from one on, in its own precision."""
    data = context.make_array(kind)(context, builder, array).data
    vector = ir.VectorType(context.get_data_type(kind.dtype), LANES)
    place = builder.bitcast(builder.gep(data, [at]), vector.as_pointer())
    return builder.load(place, align=kind.dtype.bitwidth // 8)


def _difference(builder: Any, a: Any, b: Any) -> Any:  # noqa: ANN401
    """Subtract in the precision of the arrays, then widen."""
    difference = builder.fsub(a, b)
    same = difference.type == _DOUBLES
    return difference if same else builder.fpext(difference, _DOUBLES)


@intrinsic
def less_shared(typing, values, at, shared, place):
    """Subtract one number from `LANES` of an array from `at` on, in its precision."""

    def build(context, builder, signature, arguments):
        values, at, shared, place = arguments
        found = _widened(context, builder, signature.args[0], values, at)
        data = context.make_array(signature.args[2])(context, builder, shared).data
        one = builder.load(builder.gep(data, [place]))
        start = ir.Constant(found.type, ir.Undefined)
        first = builder.insert_element(start, one, ir.Constant(_INDEX, 0))
        order = ir.Constant(ir.VectorType(_INDEX, LANES), [0] * LANES)
        return _difference(builder, found, builder.shuffle_vector(first, start, order))

    return LANES_TYPE(values, types.intp, shared, types.intp), build


@intrinsic
def less_each(typing, values, at, others):
    """Subtract as many numbers of another array, at the same place."""

    def build(context, builder, signature, arguments):
        values, at, others = arguments
        return _difference(
            builder,
            _widened(context, builder, signature.args[0], values, at),
            _widened(context, builder, signature.args[2], others, at),
        )

    return LANES_TYPE(values, types.intp, others), build


@intrinsic
def store_rounded(typing, array, at, value, least, most):
    """Round to int16 between `least` and `most`, and write from `at` on."""

    def build(context, builder, signature, arguments):
        array, at, value, least, most = arguments
        value = builder.call(_function(builder, "rint", 1), [value])
        value = _compared(">")(builder, value, least)
        value = _compared("<")(builder, value, most)
        shorts = ir.VectorType(ir.IntType(16), LANES)
        data = context.make_array(signature.args[0])(context, builder, array).data
        place = builder.bitcast(builder.gep(data, [at]), shorts.as_pointer())
        builder.store(builder.fptosi(value, shorts), place, align=2)
        return context.get_dummy_value()

    return types.none(array, types.intp, LANES_TYPE, LANES_TYPE, LANES_TYPE), build


def _unary(emit: Callable[[Any, Any], Any]) -> Any:  # noqa: ANN401
    """Make an operation on one row."""

    @intrinsic
    def operation(typing, a):
        def build(context, builder, signature, arguments):
            return emit(builder, arguments[0])

        return LANES_TYPE(LANES_TYPE), build

    return operation


def _binary(emit: Callable[[Any, Any, Any], Any]) -> Any:  # noqa: ANN401
    """Make an operation on two rows."""

    @intrinsic
    def operation(typing, a, b):
        def build(context, builder, signature, arguments):
            return emit(builder, *arguments)

        return LANES_TYPE(LANES_TYPE, LANES_TYPE), build

    return operation


def _compared(comparison: str) -> Callable[[Any, Any, Any], Any]:
    """Take the first where it compares so with the second, else the second."""

    def emit(builder: Any, a: Any, b: Any) -> Any:  # noqa: ANN401
        return builder.select(builder.fcmp_ordered(comparison, a, b), a, b)

    return emit


minimum = _binary(_compared("<"))
maximum = _binary(_compared(">"))
absolute = _unary(lambda builder, a: builder.call(_function(builder, "fabs", 1), [a]))
_add = _binary(lambda builder, a, b: builder.fadd(a, b))
_subtract = _binary(lambda builder, a, b: builder.fsub(a, b))
_multiply = _binary(lambda builder, a, b: builder.fmul(a, b))
_divide = _binary(lambda builder, a, b: builder.fdiv(a, b))


def _function(builder: Any, name: str, arguments: int) -> Any:  # noqa: ANN401
    """Declare a function of LLVM on whole rows."""
    return cgutils.get_or_insert_function(
        builder.module,
        ir.FunctionType(_DOUBLES, [_DOUBLES] * arguments),
        f"llvm.{name}.v{LANES}f64",
    )


@intrinsic
def multiply_add(typing, a, b, c):
    """Give a times b plus c, rounded once."""

    def build(context, builder, signature, arguments):
        return builder.call(_function(builder, "fma", 3), arguments)

    return LANES_TYPE(LANES_TYPE, LANES_TYPE, LANES_TYPE), build


@intrinsic
def where_less(typing, a, b, then, otherwise):
    """Give `then` where a is less than b, and else `otherwise`; so for NaN."""

    def build(context, builder, signature, arguments):
        a, b, then, otherwise = arguments
        return builder.select(builder.fcmp_ordered("<", a, b), then, otherwise)

    return LANES_TYPE(LANES_TYPE, LANES_TYPE, LANES_TYPE, LANES_TYPE), build


def _overload(sign: Any, operation: Any) -> None:  # noqa: ANN401
    """Let lanes be written with a sign."""

    @overload(sign)
    def signed(a, b):
        if isinstance(a, _Lanes) and isinstance(b, _Lanes):
            return lambda a, b: operation(a, b)  # noqa: PLW0108 - numba compiles it
        return None


for _sign, _operation in (
    (operator.add, _add),
    (operator.sub, _subtract),
    (operator.mul, _multiply),
    (operator.truediv, _divide),
):
    _overload(_sign, _operation)
