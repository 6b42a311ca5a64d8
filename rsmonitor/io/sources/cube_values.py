"""What the numbers stored in a cube mean: reflectance, classes, nothing measured."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from rsmonitor.errors import SourceError
from rsmonitor.io.sources.cube_metadata import CubeFile
from rsmonitor.records.rasters import Scl
from rsmonitor.stages.reflectance import (
    QUANTIFICATION_VALUE,
    SATURATED_DN,
    scaled_reflectance,
)

_LOWEST, _HIGHEST = -0.5, 10.0
"""Reflectance beyond is none: the darkest digital number is -0.1, the brightest 6.6."""

_FILL_ATTRIBUTES: Final = ("_FillValue", "missing_value", "nodata")


@dataclass(frozen=True, slots=True, kw_only=True)
class Meaning:
    """What the stored numbers of one variable stand for."""

    path: Path
    """The file, to name in errors."""

    variable: str
    """The variable, to name in errors."""

    fill_values: tuple[float, ...]
    """Stored numbers that mean 'not measured', beside 0 and NaN."""

    scale_factor: float = 1.0
    """Reflectance of one unit; 1 for classes."""

    add_offset: float = 0.0
    """Reflectance added after scaling; 0 for classes."""

    said: str = ""
    """What was assumed or overruled, in words; empty if the file said it all."""


def meaning_of_reflectance(
    file: CubeFile, variable: str, *, scale: float | None, offset: float | None
) -> Meaning:
    """
    Find how the stored numbers of a band become reflectance.

    The file's own ``scale_factor`` and ``add_offset`` come first, unless they are 1 and
    0, which some writers put on everything; then what the caller says; then 1/10,000
    for 16-bit integers, and reflectance as it is for floats.

    Parameters
    ----------
    file : CubeFile
        An open file.
    variable : str
        Name of the band in the file.
    scale : float or None
        Reflectance of one unit, from the caller.
    offset : float or None
        Reflectance to add after scaling, from the caller.

    Returns
    -------
    Meaning
        Scale, offset, fill values, and what was assumed.

    Raises
    ------
    SourceError
        If the file's attributes are not numbers, or say nothing about integers that
        are not 16-bit.
    """
    array = file.dataset.variables[variable]
    fills = _fill_values(file.path, variable, array.attrs)
    if array.dtype == np.uint16:
        fills = (*fills, float(SATURATED_DN))
    own_scale = _number(file.path, variable, array.attrs, "scale_factor", 1.0)
    own_offset = _number(file.path, variable, array.attrs, "add_offset", 0.0)
    sixteen_bit = (
        array.dtype.kind in "iu" and array.dtype.itemsize == np.int16(0).nbytes
    )
    asked = scale is not None or offset is not None
    if (own_scale, own_offset) != (1.0, 0.0):
        factor, added = own_scale, own_offset
        said = (
            "scale_factor and add_offset of the file, not those given" if asked else ""
        )
    elif asked:
        factor = 1.0 if scale is None else scale
        if scale is None and sixteen_bit:
            factor = 1 / QUANTIFICATION_VALUE
        added = 0.0 if offset is None else offset
        said = f"reflectance is {factor:g} times the value plus {added:g}, as given"
    elif sixteen_bit:
        factor, added = 1 / QUANTIFICATION_VALUE, 0.0
        said = f"no scale in the file; taken as reflectance x {QUANTIFICATION_VALUE:,}"
    elif array.dtype.kind == "f":
        factor, added = 1.0, 0.0
        said = "no scale in the file; taken as reflectance as it is"
    else:
        raise SourceError(
            f"{file.path}: {variable} is {array.dtype} without scale_factor; only "
            f"16-bit integers are taken as reflectance x {QUANTIFICATION_VALUE:,}. Say "
            "what they are with --scale, such as --scale 0.0001"
        )
    if not (np.isfinite(factor) and factor > 0 and np.isfinite(added)):
        raise SourceError(
            f"{file.path}: {variable} has scale_factor {factor} and add_offset {added};"
            " the scale must be positive and both finite"
        )
    return Meaning(
        path=file.path,
        variable=variable,
        fill_values=fills,
        scale_factor=factor,
        add_offset=added,
        said=said,
    )


def meaning_of_classes(file: CubeFile, variable: str) -> Meaning:
    """
    Find how the stored numbers of the scene classification become classes.

    Parameters
    ----------
    file : CubeFile
        An open file.
    variable : str
        Name of the scene classification in the file.

    Returns
    -------
    Meaning
        Fill values.

    Raises
    ------
    SourceError
        If the file scales its classes.
    """
    attributes = file.dataset.variables[variable].attrs
    scale = _number(file.path, variable, attributes, "scale_factor", 1.0)
    offset = _number(file.path, variable, attributes, "add_offset", 0.0)
    if (scale, offset) != (1.0, 0.0):
        raise SourceError(
            f"{file.path}: {variable} has scale_factor {scale} and add_offset {offset};"
            " classes are not scaled"
        )
    return Meaning(
        path=file.path,
        variable=variable,
        fill_values=_fill_values(file.path, variable, attributes),
    )


def reflectance(
    stored: NDArray[Any], meaning: Meaning, time: np.datetime64
) -> NDArray[np.float32]:
    """
    Convert stored numbers to reflectance, and refuse what cannot be one.

    Parameters
    ----------
    stored : ndarray, shape (y, x)
        As in the file.
    meaning : Meaning
        Of the variable.
    time : datetime64
        To name in errors.

    Returns
    -------
    ndarray of float32, shape (y, x)
        Reflectance, NaN where not measured.

    Raises
    ------
    SourceError
        If any value is below -0.5 or above 10.
    """
    values = scaled_reflectance(
        stored,
        scale_factor=meaning.scale_factor,
        add_offset=meaning.add_offset,
        fill_values=meaning.fill_values,
    )
    wrong = (values < _LOWEST) | (values > _HIGHEST)
    if wrong.any():
        row, col = (int(axis[0]) for axis in np.nonzero(wrong))
        raise SourceError(
            f"{meaning.path}: {meaning.variable} holds {stored[row, col]} on {time}, "
            f"which would be a reflectance of {values[row, col]:g}; reflectance is "
            f"{_LOWEST} to {_HIGHEST:g}. Say what the numbers are with --scale and "
            "--offset, or what is not measured with _FillValue"
        )
    return values


def classes(
    stored: NDArray[Any], meaning: Meaning, time: np.datetime64
) -> NDArray[np.uint8]:
    """
    Convert stored numbers to classes of the scene classification.

    Parameters
    ----------
    stored : ndarray, shape (y, x)
        As in the file: integers, or floats that are whole or NaN.
    meaning : Meaning
        Of the variable.
    time : datetime64
        To name in errors.

    Returns
    -------
    ndarray of uint8, shape (y, x)
        See `rsmonitor.records.rasters.Scl`; 0 where not measured.

    Raises
    ------
    SourceError
        If any value is no class: 12 and more, negative, or between two classes.
    """
    is_float = stored.dtype.kind == "f"
    unknown = np.isnan(stored) if is_float else np.zeros(stored.shape, dtype=bool)
    for fill in meaning.fill_values:
        unknown |= stored == fill
    values = np.where(unknown, stored.dtype.type(Scl.NO_DATA), stored)
    wrong = (values < min(Scl)) | (values > max(Scl))
    if is_float:
        wrong |= values != np.floor(values)
    if wrong.any():
        row, col = (int(axis[0]) for axis in np.nonzero(wrong))
        raise SourceError(
            f"{meaning.path}: {meaning.variable} holds {stored[row, col]} on {time}; "
            f"classes are whole numbers from {min(Scl)} to {max(Scl)}. Classes that "
            "were averaged in resampling are lost"
        )
    return values.astype(np.uint8)


def _fill_values(
    path: Path, variable: str, attributes: Mapping[str, Any]
) -> tuple[float, ...]:
    """Collect all numbers that stand for 'not measured', by any of their names."""
    found = [
        number
        for name in _FILL_ATTRIBUTES
        if name in attributes
        for number in _numbers(path, variable, name, attributes[name])
    ]
    return tuple(dict.fromkeys(number for number in found if not np.isnan(number)))


def _number(
    path: Path, variable: str, attributes: Mapping[str, Any], name: str, default: float
) -> float:
    """Give an attribute that must be one number."""
    if name not in attributes:
        return default
    numbers = _numbers(path, variable, name, attributes[name])
    if len(numbers) != 1:
        raise SourceError(
            f"{path}: {variable} has {name} {attributes[name]!r}; it must be one number"
        )
    return numbers[0]


def _numbers(path: Path, variable: str, name: str, value: object) -> list[float]:
    """Read an attribute that must be numeric."""
    try:
        return [float(item) for item in np.atleast_1d(np.asarray(value)).ravel()]
    except (TypeError, ValueError) as error:
        raise SourceError(
            f"{path}: {variable} has {name} {value!r}; it must be a number"
        ) from error
