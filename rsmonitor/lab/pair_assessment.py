"""Judge a model on a file of pairs, as `rsmonitor assess pairs` does."""

import csv
import io
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from rsmonitor.errors import OutputError, SourceError
from rsmonitor.io.foundation.files import write_atomic
from rsmonitor.io.stores.models import load_model
from rsmonitor.lab.pair_folds import places_of
from rsmonitor.lab.pair_judging import Judgement, called_by_category, judge
from rsmonitor.lab.pair_model import probabilities
from rsmonitor.lab.pairs import POSITIVE, UNKNOWN, read_pairs, rows_of
from rsmonitor.stages.pair_features import FEATURE_ORDER

LITTLE_SEEN: Final = 0.5
"""Share of the pixels below which a look is said to have seen little."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Assessed:
    """What a model said of a file, and how right it was."""

    file: str
    """File name."""

    model_id: str
    """Which model."""

    judgement: Judgement
    """Measures."""

    by_category: tuple[dict[str, Any], ...]
    """Calls of every category."""

    ids: tuple[str, ...]
    """Name of each pair that has a probability."""

    category: tuple[str, ...]
    """Its category; empty where the file does not say: then it is not counted."""

    probability: NDArray[np.float64]
    """Its probability."""

    seen: NDArray[np.float64]
    """Share of its pixels seen before and after, shape (pair, 2)."""

    notes: tuple[str, ...]
    """What was assumed, one sentence each."""

    refused: tuple[str, ...]
    """What could not be judged, one sentence each."""

    def as_json(self) -> dict[str, Any]:
        """
        Give what ``--json`` prints.

        Returns
        -------
        dict
            The keys that outsiders rely on; null where one class is missing.
        """
        judged = self.judgement
        interval = judged.intervals["auc"]
        return {
            "n": judged.n,
            "auc": judged.auc,
            "auc_interval": None if interval is None else list(interval),
            "average_precision": judged.average_precision,
            "f1": judged.f1,
            "threshold": judged.threshold,
            "brier": judged.brier,
            "ece": judged.ece,
            "model_id": self.model_id,
        }


def assess(path: Path, *, model: str | Path) -> Assessed:
    """
    Judge a model on a file of pairs.

    Parameters
    ----------
    path : Path
        NetCDF, see `read_pairs`.
    model : str or Path
        Name, name and version, or folder.

    Returns
    -------
    Assessed
        Measures of the pairs whose category is known, probabilities of all.

    Raises
    ------
    SourceError
        If the file cannot be read, or no pair with a category can be judged.
    StoreError
        If the model is refused.
    """
    loaded = load_model(model, features=FEATURE_ORDER)
    pairs = read_pairs(path)
    rows = rows_of(pairs)
    own = probabilities(loaded.estimator, rows.features)
    pairs = pairs.chosen(rows.places)
    known = np.array([name != UNKNOWN for name in pairs.category], dtype=np.bool_)
    if not known.any():
        raise SourceError(
            f"{path}: no pair that has a category can be judged"
            + (f"; the first: {rows.refused[0]}" if rows.refused else "")
        )
    notes = list(pairs.notes)
    if not pairs.positive.any():
        notes.append(f"no pair is {POSITIVE}: AUC and F1 are not defined")
    dark = int((rows.seen.min(axis=1, initial=1.0) < LITTLE_SEEN).sum())
    if dark:
        notes.append(
            f"of {dark} pairs a look saw less than half: what it did not see counts as "
            "unchanged"
        )
    away = loaded.metadata
    trained = set(away.trained_on)
    old = sum(each in trained for each in pairs.fingerprints())
    if old:
        notes.append(
            f"the model was trained on {old} of these {len(pairs.ids)} pairs, "
            "so the numbers say nothing of others; in blocked folds its AUC was "
            f"{away.metrics['auc']}"
        )
    refused = list(rows.refused)
    if not known.all():
        refused.append(f"{path.name}: {int((~known).sum())} pairs have no category")
    return Assessed(
        file=path.name,
        model_id=away.model_id,
        judgement=judge(
            pairs.positive[known],
            own[known],
            threshold=away.threshold,
            units=places_of(pairs.lon, pairs.lat)[known],
        ),
        by_category=tuple(
            called_by_category(
                [name for name in pairs.category if name != UNKNOWN],
                own[known],
                away.threshold,
            )
        ),
        ids=pairs.ids,
        category=pairs.category,
        probability=own,
        seen=rows.seen,
        notes=tuple(notes),
        refused=tuple(refused),
    )


def write_scores(done: Assessed, path: Path) -> None:
    """
    Write the probability of every pair to a CSV.

    Parameters
    ----------
    done : Assessed
        What was judged.
    path : Path
        The file; its folder must exist.

    Raises
    ------
    OutputError
        If it cannot be written.
    """
    if not path.parent.is_dir():
        raise OutputError(f"{path}: no such folder; make it or choose another")
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(
        (
            "sample",
            "category",
            "probability",
            "called",
            "seen_before",
            "seen_after",
            "model_id",
        )
    )
    for name, category, own, seen in zip(
        done.ids, done.category, done.probability.tolist(), done.seen, strict=True
    ):
        table.writerow(
            (
                _inert(name),
                _inert(category),
                f"{own:.6f}",
                int(own >= done.judgement.threshold),
                f"{seen[0]:.4f}",
                f"{seen[1]:.4f}",
                done.model_id,
            )
        )
    write_atomic(path, text.getvalue().encode())


def _inert(text: str) -> str:
    """Keep a spreadsheet from running what a file calls a name."""
    return f"'{text}" if text[:1] in {"=", "+", "-", "@", "\t", "\r"} else text
