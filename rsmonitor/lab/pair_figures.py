"""Pictures of what `pair-screen` says: ranking, calibration, sizes and the curve.

Imports matplotlib, which is optional, when something is drawn.
"""

import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from rsmonitor.errors import OutputError
from rsmonitor.io.foundation.files import require_writable, write_atomic
from rsmonitor.lab.pair_judging import BINS, auc
from rsmonitor.lab.pairs import POSITIVE, UNKNOWN

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from rsmonitor.lab.pair_assessment import Assessed
    from rsmonitor.lab.pair_training import Trained

INSTALL: Final = 'pip install "rsmonitor[map]"'
BLUE, ORANGE, GREY = "#0072B2", "#D55E00", "#8C8C8C"
DPI: Final = 90


def draw_assessment(done: "Assessed", folder: Path) -> list[Path]:
    """
    Draw ranking and calibration of an assessment.

    Parameters
    ----------
    done : Assessed
        What was judged.
    folder : Path
        Where the picture goes; made if missing.

    Returns
    -------
    list of Path
        The picture.

    Raises
    ------
    OutputError
        If matplotlib is missing or the folder cannot be written.
    """
    known = np.array([name != UNKNOWN for name in done.category])
    truth = np.array([name == POSITIVE for name in done.category])[known]
    figure = _figure(8.4, 4.0)
    left, right = figure.subplots(1, 2)
    _ranking(left, truth, done.probability[known])
    _reliability(right, truth, done.probability[known])
    figure.suptitle(f"{done.model_id} on {done.file}: {truth.size} pairs", fontsize=10)
    return _saved({"pairs-assessed.png": figure}, folder)


def draw_validation(trained: "Trained", folder: Path) -> list[Path]:
    """
    Draw what blocked folds say of a trained model.

    Parameters
    ----------
    trained : Trained
        What was trained.
    folder : Path
        Where the pictures go; made if missing.

    Returns
    -------
    list of Path
        The pictures.

    Raises
    ------
    OutputError
        If matplotlib is missing or the folder cannot be written.
    """
    validation, truth = trained.validation, trained.material.truth
    own = validation.probability[validation.middle]
    metrics = trained.metadata.metrics
    first = _figure(8.4, 4.0)
    left, right = first.subplots(1, 2)
    _ranking(left, truth, own)
    _reliability(right, truth, own)
    if "windows" not in metrics:  # trained in brief
        return _saved({"pair-calibration.png": first}, folder)
    second = _figure(8.4, 6.6)
    axes = second.subplots(2, 2)
    _learning(axes[0, 0], metrics)
    _categories(axes[0, 1], trained.material.category, own, validation.threshold)
    _sizes(axes[1, 0], metrics["by_opened_area"])
    _countries(axes[1, 1], metrics["countries_left_out"] or [])
    return _saved(
        {"pair-calibration.png": first, "pair-validation.png": second}, folder
    )


def _figure(width: float, height: float) -> "Figure":
    """Make an empty sheet, inches."""
    try:
        from matplotlib.backends.backend_agg import (  # noqa: PLC0415 - optional, heavy
            FigureCanvasAgg,
        )
        from matplotlib.figure import Figure  # noqa: PLC0415
    except ImportError as error:
        raise OutputError(f"pictures need matplotlib: {INSTALL}") from error
    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def _saved(pictures: Mapping[str, "Figure"], folder: Path) -> list[Path]:
    """Write pictures without a date."""
    require_writable(folder)
    for name, figure in pictures.items():
        data = io.BytesIO()
        figure.savefig(data, format="png", dpi=DPI, metadata={"Software": None})
        write_atomic(folder / name, data.getvalue())
    return [folder / name for name in pictures]


def _ranking(
    axis: Any,  # noqa: ANN401 - matplotlib is not typed
    truth: NDArray[np.bool_],
    own: NDArray[np.float64],
) -> None:
    """Draw the receiver operating characteristic."""
    area = auc(truth, own)
    order = np.argsort(-own, kind="stable")
    ends = np.r_[np.diff(own[order]) != 0, True]
    found = np.r_[0, np.cumsum(truth[order])[ends]] / max(int(truth.sum()), 1)
    false = np.r_[0, np.cumsum(~truth[order])[ends]] / max(int((~truth).sum()), 1)
    axis.plot((0, 1), (0, 1), color=GREY, linewidth=1, linestyle=":")
    axis.plot(false, found, color=BLUE, linewidth=1.8)
    axis.set_xlabel("share of other pairs called")
    axis.set_ylabel("share of mines called")
    told = "not defined" if area is None else f"{area:.3f}"
    axis.set_title(f"ranking: AUC {told}", fontsize=10, loc="left")
    axis.set_aspect("equal")


def _reliability(
    axis: Any,  # noqa: ANN401 - matplotlib is not typed
    truth: NDArray[np.bool_],
    own: NDArray[np.float64],
) -> None:
    """Draw what probabilities were worth, with 95 % intervals by counting."""
    from scipy import stats  # noqa: PLC0415 - heavy

    bins = np.minimum((own * BINS).astype(np.int64), BINS - 1)
    axis.plot((0, 1), (0, 1), color=GREY, linewidth=1, linestyle=":")
    for number in range(BINS):
        inside = bins == number
        n, hits = int(inside.sum()), int(truth[inside].sum())
        if n == 0:
            continue
        place = float(own[inside].mean())
        low, high = stats.beta.ppf((0.025, 0.975), hits + 0.5, n - hits + 0.5)
        axis.plot((place, place), (low, high), color=BLUE, linewidth=1.5, alpha=0.6)
        axis.plot([place], [hits / n], "o", color=BLUE, markersize=5)
        axis.annotate(
            str(n),
            (place, high),
            xytext=(0, 2),
            textcoords="offset points",
            ha="center",
            fontsize=7,
            color="#444444",
        )
    axis.set_xlim(0, 1)
    axis.set_ylim(0, 1.06)
    axis.set_xlabel("probability (above: number of pairs)")
    axis.set_ylabel("share that is a mine")
    axis.set_title("calibration", fontsize=10, loc="left")
    axis.set_aspect("equal")


def _learning(axis: Any, metrics: Mapping[str, Any]) -> None:  # noqa: ANN401 - matplotlib is not typed
    """Draw the learning curve, and what bounds it."""
    curve = metrics["learning_curve"]
    axis.plot(
        [each["pairs"] for each in curve],
        [each["auc"] for each in curve],
        "o-",
        color=BLUE,
    )
    ceiling = metrics["label_noise"]["auc_of_a_faultless_ranking"]
    axis.axhline(ceiling, color=ORANGE, linewidth=1, linestyle="--")
    axis.annotate(
        "faultless, if doubted labels are wrong",
        (curve[0]["pairs"], ceiling),
        xytext=(0, 3),
        textcoords="offset points",
        fontsize=7,
        color=ORANGE,
    )
    axis.set_ylim(top=1.0)
    axis.set_xlabel("pairs that train")
    axis.set_ylabel("AUC, blocked")
    axis.set_title("learning curve", fontsize=10, loc="left")


def _categories(
    axis: Any,  # noqa: ANN401 - matplotlib is not typed
    category: Sequence[str],
    own: NDArray[np.float64],
    threshold: float,
) -> None:
    """Draw how probabilities are spread in every category."""
    names = np.array(category)
    for name, colour in zip(
        sorted(set(category)), (ORANGE, BLUE, GREY, "#009E73"), strict=False
    ):
        axis.hist(
            own[names == name],
            bins=20,
            range=(0, 1),
            density=True,
            histtype="step",
            linewidth=1.6,
            color=colour,
            label=name,
        )
    axis.axvline(threshold, color="black", linewidth=1, linestyle=":")
    axis.legend(fontsize=7, edgecolor="none", framealpha=1.0, loc="upper center")
    axis.set_xlabel("probability (dotted: threshold)")
    axis.set_ylabel("density")
    axis.set_title("confusers", fontsize=10, loc="left")


def _sizes(axis: Any, lines: Sequence[Mapping[str, Any]]) -> None:  # noqa: ANN401 - matplotlib is not typed
    """Draw recall and false calls by the area that opened."""
    places = np.arange(len(lines))
    for shift, key, count, colour, word in (
        (-0.2, "recall", "positives", BLUE, "mines called"),
        (0.2, "called_of_others", "others", ORANGE, "others called"),
    ):
        shares = [each[key] or 0.0 for each in lines]
        axis.bar(places + shift, shares, 0.38, color=colour, label=word)
        for place, share, line in zip(places, shares, lines, strict=True):
            axis.annotate(
                str(line[count]),
                (place + shift, share),
                xytext=(0, 2),
                textcoords="offset points",
                ha="center",
                fontsize=7,
            )
    labels = [f"{each['from_ha']:g}-{min(each['to_ha'], 23.0):g}" for each in lines]
    axis.set_xticks(places, labels)
    axis.set_ylim(0, 1.25)
    axis.legend(fontsize=7, frameon=False, ncols=2, loc="upper left")
    axis.set_xlabel("largest piece that opened, ha")
    axis.set_ylabel("share called")
    axis.set_title("size (numbers: pairs)", fontsize=10, loc="left")


def _countries(axis: Any, lines: Sequence[Mapping[str, Any]]) -> None:  # noqa: ANN401 - matplotlib is not typed
    """Draw the AUC of countries of which nothing trained."""
    shown = [each for each in lines if each["auc"] is not None]
    places = np.arange(len(shown))
    axis.barh(places, [each["auc"] for each in shown], 0.6, color=BLUE)
    axis.set_yticks(
        places,
        [f"{each['country']} ({each['pairs']})" for each in shown],
        fontsize=8,
    )
    for place, each in zip(places, shown, strict=True):
        axis.annotate(
            f"{each['auc']:.2f}",
            (each["auc"], place),
            xytext=(-3, 0),
            textcoords="offset points",
            ha="right",
            va="center",
            fontsize=8,
            color="white",
        )
    axis.set_xlim(0.5, 1.0)
    axis.set_xlabel("AUC where the country did not train")
    axis.set_title("a country left out (pairs)", fontsize=10, loc="left")
