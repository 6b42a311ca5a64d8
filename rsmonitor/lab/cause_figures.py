"""What was measured of the model `cause`, as one picture."""

import io
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from rsmonitor.errors import OutputError
from rsmonitor.io.foundation.files import write_atomic
from rsmonitor.lab.cause_card import TASKS
from rsmonitor.records.model import ModelMetadata

if TYPE_CHECKING:
    from matplotlib.axes import Axes

DPI: Final = 110
MODEL_COLOUR, RULE_COLOUR = "#0072B2", "#E69F00"


def draw(metadata: ModelMetadata, path: Path) -> None:
    """
    Draw model and rules beside each other, and the reliability.

    Parameters
    ----------
    metadata : ModelMetadata
        With the measures.
    path : Path
        PNG, replaced if it exists.

    Raises
    ------
    OutputError
        If matplotlib is missing or the file cannot be written.
    """
    try:
        from matplotlib.backends.backend_agg import (  # noqa: PLC0415 - optional, heavy
            FigureCanvasAgg,
        )
        from matplotlib.figure import Figure  # noqa: PLC0415
    except ImportError as error:
        raise OutputError("pictures need matplotlib: install rsmonitor[lab]") from error
    figure = Figure(figsize=(10.5, 4.4), layout="constrained")
    FigureCanvasAgg(figure)
    left, right = figure.subplots(1, 2, width_ratios=(1.7, 1))
    _compared(left, metadata.metrics["digging_against_others"])
    _reliability(right, metadata.metrics["calibration_of_digging"])
    data = io.BytesIO()
    figure.savefig(data, format="png", dpi=DPI, metadata={"Software": None})
    write_atomic(path, data.getvalue())


def _compared(axes: "Axes", compared: dict[str, Any]) -> None:
    """Draw AUC with intervals."""
    names = list(compared)[::-1]
    for level, name in enumerate(names):
        row = compared[name]
        for key, colour, marker, step in (
            ("auc", MODEL_COLOUR, "o", 0.12),
            ("auc_rules", RULE_COLOUR, "s", -0.12),
        ):
            low, high = row[f"{key}_interval"]
            axes.plot([low, high], [level + step] * 2, color=colour, lw=2)
            axes.plot(row[key], level + step, marker, color=colour)
    axes.axvline(0.5, color="0.6", lw=1, ls=":")
    axes.set_yticks(
        range(len(names)),
        [f"{TASKS[name]}\n(n = {compared[name]['objects']})" for name in names],
        fontsize=8,
    )
    axes.plot([], [], "o-", color=MODEL_COLOUR, label="cause")
    axes.plot([], [], "s-", color=RULE_COLOUR, label="rules-1")
    axes.legend(loc="upper right", fontsize=8, frameon=False)
    axes.set_xlim(0.3, 1.0)
    axes.set_ylim(-0.5, len(names) - 0.1)
    axes.set_xlabel("AUC, mining against other change, places that did not train")


def _reliability(axes: "Axes", told: dict[str, Any]) -> None:
    """Hold what was told against what was."""
    axes.plot([0, 1], [0, 1], color="0.6", lw=1, ls=":")
    for name, label, colour in (
        ("causes_counted_alike", "causes counted alike", MODEL_COLOUR),
        ("pairs_2019", "pairs of 2019", "#009E73"),
    ):
        rows = [row for row in told[name]["reliability"] if row["objects"] >= 5]  # noqa: PLR2004
        axes.plot(
            [row["told"] for row in rows],
            [row["mining"] for row in rows],
            "o-",
            color=colour,
            label=f"{label} (ECE {told[name]['ece']:.2f})",
        )
    axes.set_xlim(0, 1)
    axes.set_ylim(0, 1)
    axes.set_xlabel("probability of digging that was told")
    axes.set_ylabel("share that was mining")
    axes.legend(fontsize=8, frameon=False, loc="upper left")
