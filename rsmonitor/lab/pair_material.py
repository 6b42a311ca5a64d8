"""What `pair-screen` is trained on: files of pairs, each pair seen in five views."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from rsmonitor.errors import ContractError, SourceError
from rsmonitor.lab.pair_folds import FOLDS, places_of
from rsmonitor.lab.pair_trees import TREES
from rsmonitor.lab.pairs import UNKNOWN, Pairs, read_pairs, rows_of
from rsmonitor.records.model import TrainingData
from rsmonitor.stages.pair_features import LEAST_SIDE, pair_features

VIEW_SHARE: Final = 0.8
"""Share of a side that the corners of a pair have, which train beside the whole."""
NO_LICENCE: Final = "none stated"
FILE_NAME: Final = "pairs_train_val.nc"
KNOWN: Final[Mapping[str, tuple[str, str]]] = {
    "1a3f55507ae5b52f3cf93c0f89a888bcad06879cf8eef8b7a61ceebad3941d71": (
        (
            "github.com/joelibaceta/sat-mining-detector at 7db9892, repacked; "
            "Sentinel-2 pixels are modified Copernicus data"
        ),
        NO_LICENCE,
    ),
}
"""Source and licence of files by SHA-256."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Material:
    """What a model is trained on."""

    pairs: tuple[Pairs, ...]
    """Files, only the pairs with a category that can be judged."""

    data: tuple[TrainingData, ...]
    """What is known of the same files."""

    views: NDArray[np.float64]
    """Features, shape (pair, view, feature); the first view is the whole patch, the
    others are its corners."""

    truth: NDArray[np.bool_]
    """What is positive."""

    category: tuple[str, ...]
    """Category of each."""

    place: NDArray[np.int64]
    """Place of each."""

    lon: NDArray[np.float64]
    """Degrees."""

    lat: NDArray[np.float64]
    """Degrees."""

    window: NDArray[np.str_]
    """Start of the earlier look."""

    ids: tuple[str, ...]
    """Name of each."""

    trees: int = TREES
    """Boosted trees that judge beside the machine; none in version 1."""


def gather(
    files: Sequence[Path], *, licence: str | None = None, trees: int = TREES
) -> Material:
    """
    Read files of pairs for training.

    Parameters
    ----------
    files : sequence of Path
        NetCDF, or folders that hold `FILE_NAME`.
    licence : str, optional
        Licence of all of them; default: what is known of them, else none.
    trees : int, default 200
        Boosted trees that judge beside the machine.

    Returns
    -------
    Material
        Pairs whose category is known.

    Raises
    ------
    SourceError
        If a file cannot be read, or the files hold too few pairs of a class.
    """
    kept, rows, data = [], [], []
    for file in files:
        path = file / FILE_NAME if file.is_dir() else file
        pairs = read_pairs(path)
        known = [i for i, name in enumerate(pairs.category) if name != UNKNOWN]
        pairs = pairs.chosen(np.array(known, dtype=np.int64))
        judged = rows_of(pairs)
        pairs = pairs.chosen(judged.places)
        source, stated = KNOWN.get(pairs.sha256, ("not stated", NO_LICENCE))
        data.append(
            TrainingData(
                name=path.name,
                sha256=pairs.sha256,
                samples=len(pairs.ids),
                positives=int(pairs.positive.sum()),
                source=source,
                licence=licence or stated,
                licensed=(licence or stated) != NO_LICENCE,
            )
        )
        kept.append(pairs)
        rows.append(_views(pairs, judged.features))
    truth = np.concatenate([pairs.positive for pairs in kept])
    least = FOLDS * FOLDS
    if min(truth.sum(), (~truth).sum()) < least:
        raise SourceError(
            f"{', '.join(map(str, files))}: {truth.sum()} positive pairs and "
            f"{(~truth).sum()} others; training needs {least} of each"
        )
    lon, lat = (
        np.concatenate([getattr(pairs, name) for pairs in kept])
        for name in ("lon", "lat")
    )
    return Material(
        pairs=tuple(kept),
        data=tuple(data),
        views=np.concatenate(rows),
        truth=truth,
        category=tuple(name for pairs in kept for name in pairs.category),
        place=places_of(lon, lat),
        lon=lon,
        lat=lat,
        window=np.array([w for pairs in kept for w in pairs.window]),
        ids=tuple(name for pairs in kept for name in pairs.ids),
        trees=trees,
    )


def _views(pairs: Pairs, whole: NDArray[np.float64]) -> NDArray[np.float64]:
    """Compute the features of the corners too: the same place, cut otherwise."""
    height, width = pairs.before.shape[2:]
    rows, columns = (
        max(round(length * VIEW_SHARE), LEAST_SIDE) for length in (height, width)
    )
    corners = [
        (..., slice(top, top + rows), slice(left, left + columns))
        for top in (0, height - rows)
        for left in (0, width - columns)
    ]
    views = np.repeat(whole[:, None], 1 + len(corners), axis=1)
    for place, (one, other) in enumerate(zip(pairs.before, pairs.after, strict=True)):
        for view, corner in enumerate(corners, start=1):
            try:
                views[place, view] = pair_features(one[corner], other[corner])
            except ContractError:
                continue  # nothing was seen in that corner: the whole stands in
    return views
