"""Files of pairs: two looks at each of many places, and what is known of them.

What a file does not say is assumed, and every assumption is told. A file that cannot
be understood is refused as a whole; a pair that cannot be judged is left out and named.
"""

import hashlib
import re
from collections.abc import Hashable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from rsmonitor.errors import ContractError, SourceError
from rsmonitor.stages.pair_features import (
    FEATURE_ORDER,
    LEAST_SIDE,
    SIDE,
    pair_features,
    seen_shares,
)
from rsmonitor.stages.pair_spectra import PAIR_BANDS

POSITIVE: Final = "mining_emergence"
"""The category that is looked for."""
UNKNOWN: Final = ""
"""Category of a pair of which nothing is known."""
DN_PER_UNIT: Final = 10_000
"""Integers are reflectance times this."""
BRIGHT: Final = 3.0
"""A median reflectance above this is none: then floats are scaled integers too."""
DARKEST_OFFSET: Final = 0.08
"""Where even the darkest blue is above this, the offset of 1000 may be in it still."""
_BAND_NAMES: Final = {
    "BLUE": "B02",
    "GREEN": "B03",
    "RED": "B04",
    "NIR": "B08",
    "SWIR1": "B11",
    "SWIR2": "B12",
}
_DIMS: Final = ("sample", "band", "y", "x")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Pairs:
    """Pairs of patches, with what is known of them."""

    name: str
    """File name."""

    sha256: str
    """SHA-256 of the file."""

    ids: tuple[str, ...]
    """Name of each pair."""

    before: NDArray[np.float32]
    """Reflectance of `PAIR_BANDS`, shape (sample, band, y, x), NaN where not seen."""

    after: NDArray[np.float32]
    """The same of the later look."""

    category: tuple[str, ...]
    """Category of each; `UNKNOWN` where the file does not say."""

    lon: NDArray[np.float64]
    """Longitude, degrees; NaN where the file does not say."""

    lat: NDArray[np.float64]
    """Latitude, degrees; the same."""

    window: tuple[str, ...]
    """Start of the earlier look of each, as the file writes it; or empty."""

    notes: tuple[str, ...]
    """What was assumed, one sentence each."""

    @property
    def positive(self) -> NDArray[np.bool_]:
        """
        Say which pairs are of the category that is looked for.

        Returns
        -------
        ndarray of bool, shape (sample,)
            By `category`.
        """
        return np.array([c == POSITIVE for c in self.category], dtype=np.bool_)

    def fingerprints(self) -> tuple[str, ...]:
        """
        Give what tells a pair again, in whatever file and form it comes.

        Returns
        -------
        tuple of str
            12 hexadecimal digits of the SHA-256 of the reflectance in steps of 0.0001,
            of each pair.
        """
        told = []
        for pair in zip(self.before, self.after, strict=True):
            steps = np.rint(np.nan_to_num(np.stack(pair), nan=-1.0) * DN_PER_UNIT)
            told.append(hashlib.sha256(steps.astype("<i4").tobytes()).hexdigest()[:12])
        return tuple(told)

    def chosen(self, places: NDArray[np.int64]) -> "Pairs":
        """
        Take some of the pairs.

        Parameters
        ----------
        places : ndarray of int
            Which, in order.

        Returns
        -------
        Pairs
            Those.
        """
        return Pairs(
            name=self.name,
            sha256=self.sha256,
            ids=tuple(self.ids[i] for i in places),
            before=self.before[places],
            after=self.after[places],
            category=tuple(self.category[i] for i in places),
            lon=self.lon[places],
            lat=self.lat[places],
            window=tuple(self.window[i] for i in places),
            notes=self.notes,
        )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Rows:
    """Features of the pairs that can be judged."""

    places: NDArray[np.int64]
    """Which pairs those are."""

    features: NDArray[np.float64]
    """Shape (pair, feature), in the order of `FEATURE_ORDER`."""

    seen: NDArray[np.float64]
    """Share of the pixels seen before and after, shape (pair, 2)."""

    refused: tuple[str, ...]
    """Why the others cannot, one sentence each."""


def read_pairs(path: Path) -> Pairs:
    """
    Read a file of pairs.

    Parameters
    ----------
    path : Path
        NetCDF with ``t0`` and ``t1`` (sample, band, y, x); ``category`` as text, bytes
        or codes with ``flag_meanings``; or ``label``, 1 where it is positive. Names of
        samples and bands, coordinates and windows are optional.

    Returns
    -------
    Pairs
        Bands in the order of `PAIR_BANDS`.

    Raises
    ------
    SourceError
        If the file cannot be read, or it lacks what no rule can supply.
    """
    notes: list[str] = []
    with _refusing(path), xr.open_dataset(path) as opened:
        data = opened.load()
    for name in ("t0", "t1"):
        if name not in data.variables:
            raise SourceError(
                f"{path}: no variable {name}; a file of pairs has t0 and t1 "
                "(sample, band, y, x)"
            )
    before, after = (_patches(path, data, name, notes) for name in ("t0", "t1"))
    if before.shape != after.shape:
        raise SourceError(
            f"{path}: t0 has shape {before.shape}, t1 {after.shape}; they must agree"
        )
    n = before.shape[0]
    if n == 0 or min(before.shape[2:]) < LEAST_SIDE:
        raise SourceError(
            f"{path}: {n} patches of {before.shape[2]} x {before.shape[3]} pixels; at "
            f"least one of {LEAST_SIDE} pixels a side is needed"
        )
    if before.shape[2:] != (SIDE, SIDE):
        notes.append(
            f"patches have {before.shape[2]} x {before.shape[3]} pixels: the model "
            f"knows {SIDE} x {SIDE} of 10 m; of larger ones the middle is judged"
        )
    category = _category(path, data, n, notes)
    ids = _texts(data, ("sample", "sample_id", "id"), n)
    return Pairs(
        name=path.name,
        sha256=_digest(path),
        ids=ids or tuple(str(place) for place in range(n)),
        before=before,
        after=after,
        category=category,
        lon=_numbers(data, ("lon", "longitude"), n),
        lat=_numbers(data, ("lat", "latitude"), n),
        window=_texts(data, ("t0_start",), n) or ("",) * n,
        notes=tuple(notes),
    )


def rows_of(pairs: Pairs) -> Rows:
    """
    Compute the features of all pairs that can be judged.

    Parameters
    ----------
    pairs : Pairs
        The pairs.

    Returns
    -------
    Rows
        Of those of which at least one look saw something.
    """
    places, rows, seen, refused = [], [], [], []
    for place, (one, other) in enumerate(zip(pairs.before, pairs.after, strict=True)):
        try:
            rows.append(pair_features(one, other))
        except ContractError as error:
            refused.append(f"{pairs.name}, pair {pairs.ids[place]}: {error}")
            continue
        places.append(place)
        seen.append(seen_shares(one, other))
    return Rows(
        places=np.array(places, dtype=np.int64),
        features=np.array(rows).reshape(-1, len(FEATURE_ORDER)),
        seen=np.array(seen).reshape(-1, 2),
        refused=tuple(refused),
    )


def _patches(
    path: Path, data: xr.Dataset, name: str, notes: list[str]
) -> NDArray[np.float32]:
    """Read one look as reflectance of our bands in our order."""
    array = data[name]
    if array.ndim != len(_DIMS):
        raise SourceError(
            f"{path}: {name} has dimensions {array.dims}, expected {_DIMS}"
        )
    if not np.issubdtype(array.dtype, np.number):
        raise SourceError(f"{path}: {name} is {array.dtype}, expected numbers")
    if set(array.dims) == set(_DIMS):
        array = array.transpose(*_DIMS)
    else:
        _note(notes, f"dimensions {array.dims} are taken for {_DIMS}")
    chosen = _band_places(path, array, notes)
    values = np.asarray(array.values)
    whole = np.issubdtype(values.dtype, np.integer)
    patches = values[:, chosen].astype(np.float32)
    nothing = (patches == 0).all(axis=1, keepdims=True)
    if whole:
        # nought in any band is no data, as the archives write it
        nothing = (patches == 0).any(axis=1, keepdims=True)
    patches = np.where(nothing, np.float32(np.nan), patches)
    patches[~np.isfinite(patches)] = np.nan
    if np.isnan(patches).all():
        _note(notes, f"{name} holds no value at all")
        return patches
    if whole or float(np.nanmedian(patches)) > BRIGHT:
        patches /= np.float32(DN_PER_UNIT)
        _note(notes, f"values are taken for reflectance times {DN_PER_UNIT}")
    if float(np.nanpercentile(patches[:, 0], 1)) > DARKEST_OFFSET:
        _note(
            notes,
            f"{name}: even the darkest blue is bright; is the offset of 1000 of "
            "processing baseline 04.00 in it still? It is not taken off",
        )
    return patches


def _band_places(path: Path, array: xr.DataArray, notes: list[str]) -> list[int]:
    """Find our bands among those of the file."""
    dim = array.dims[1]
    named = [_band(value) for value in array[dim].values] if dim in array.coords else []
    if set(PAIR_BANDS) <= set(named):
        return [named.index(band) for band in PAIR_BANDS]
    if any(band in PAIR_BANDS for band in named):
        missing = [band for band in PAIR_BANDS if band not in named]
        raise SourceError(
            f"{path}: {array.name} lacks {', '.join(missing)}; all of "
            f"{', '.join(PAIR_BANDS)} are needed"
        )
    if array.shape[1] != len(PAIR_BANDS):
        raise SourceError(
            f"{path}: {array.name} has {array.shape[1]} bands without names, expected "
            f"{', '.join(PAIR_BANDS)}"
        )
    _note(notes, f"bands have no names: taken for {', '.join(PAIR_BANDS)}")
    return list(range(len(PAIR_BANDS)))


def _band(value: object) -> str:
    """Write a band's name as ESA does."""
    name = _text(value).upper()
    return re.sub(r"^B(\d)$", r"B0\1", _BAND_NAMES.get(name, name))


def _category(
    path: Path, data: xr.Dataset, n: int, notes: list[str]
) -> tuple[str, ...]:
    """Read what is known of each pair."""
    if "category" in data.variables:
        variable = data["category"]
        if variable.ndim == 1 and variable.size == n:
            if not np.issubdtype(variable.dtype, np.number):
                return tuple(_known(_text(v)) for v in variable.values)
            meanings = _meanings(variable.attrs)
            if meanings is not None:
                return tuple(
                    _known(meanings.get(_code(v), "")) for v in variable.values
                )
            if "label" not in data.variables:
                raise SourceError(
                    f"{path}: category holds numbers, but no attribute flag_meanings "
                    f"says which of them is {POSITIVE}, and there is no label"
                )
            _note(notes, "category holds numbers without meanings: label is read")
    if "label" in data.variables:
        label = data["label"]
        if label.size != n:
            raise SourceError(f"{path}: label has {label.size} values for {n} samples")
        _note(notes, f"label 1 is taken for {POSITIVE}, 0 for other, else for unknown")
        names = {"1": POSITIVE, "0": "other", "True": POSITIVE, "False": "other"}
        return tuple(names.get(_code(value), UNKNOWN) for value in label.values.ravel())
    raise SourceError(
        f"{path}: no category and no label, so there is nothing to judge by"
    )


def _meanings(attrs: dict[Any, Any]) -> dict[str, str] | None:
    """Read the CF attributes that say what codes mean."""
    told = attrs.get("flag_meanings")
    if told is None:
        return None
    words = told.split() if isinstance(told, str) else [_text(word) for word in told]
    codes: Sequence[object]
    if "flag_values" in attrs:
        codes = list(np.atleast_1d(attrs["flag_values"]))
    else:
        codes = list(range(len(words)))
    return {_code(code): word for code, word in zip(codes, words, strict=False)}


def _code(value: object) -> str:
    """Write a code without the digits that a float adds."""
    if isinstance(value, bool | np.bool_):
        return str(bool(value))
    try:
        number = float(str(value))
    except ValueError:
        return str(value)
    return str(int(number)) if number.is_integer() else str(value)


def _known(text: str) -> str:
    """Write a category as we do."""
    word = text.strip().lower().replace(" ", "_").replace("-", "_")
    return UNKNOWN if word in {"", "nan", "none", "unknown"} else word


def _text(value: object) -> str:
    """Read text that may be bytes."""
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace").strip("\0 ")
    return str(value).strip("\0 ")


def _texts(data: xr.Dataset, names: Sequence[str], n: int) -> tuple[str, ...]:
    """Read texts of the samples, or nothing."""
    for name in names:
        if name in data.variables and data[name].ndim == 1 and data[name].size == n:
            values = data[name].values
            if np.issubdtype(values.dtype, np.datetime64):
                values = np.datetime_as_string(values, unit="D")
            return tuple(_text(value) for value in values)
    return ()


def _numbers(
    data: xr.Dataset, names: Sequence[Hashable], n: int
) -> NDArray[np.float64]:
    """Read numbers of the samples, or NaN."""
    for name in names:
        if (
            name in data.variables
            and data[name].shape == (n,)
            and np.issubdtype(data[name].dtype, np.number)
        ):
            return data[name].values.astype(np.float64)
    return np.full(n, np.nan)


def _note(notes: list[str], note: str) -> None:
    """Say something once."""
    if note not in notes:
        notes.append(note)


def _digest(path: Path) -> str:
    """Compute the SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextmanager
def _refusing(path: Path) -> Iterator[None]:
    """Name the file in what cannot be read of it."""
    if not path.is_file():
        raise SourceError(f"{path}: no such file")
    try:
        yield
    except (OSError, ValueError, KeyError, RuntimeError, TypeError) as error:
        raise SourceError(f"{path}: cannot be read as NetCDF: {error}") from error
