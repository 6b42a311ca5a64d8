"""Pictures of an assessment: the table as a plot, and maps of what is wrong.

Imports matplotlib, which is optional, when something is drawn.
"""

import io
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from rsmonitor.errors import OutputError
from rsmonitor.io.foundation.files import require_writable, write_atomic
from rsmonitor.lab.assessment import OURS, Assessment, Row
from rsmonitor.lab.detector import Detection
from rsmonitor.lab.measures import Delay, Pixels, Score
from rsmonitor.lab.peers import seen_ndvi
from rsmonitor.lab.series import Series, Truth

if TYPE_CHECKING:
    from matplotlib.figure import Figure

INSTALL: Final = 'pip install "rsmonitor[map]"'
OUR_COLOUR, PEER_COLOUR = "#0072B2", "#8C8C8C"
SHADES: Final = (
    ("right", "#009E73"),
    ("false", "#D55E00"),
    ("missed", "#0072B2"),
    ("drawn where nothing is counted", "#F0E442"),
)
"""Colours that the colour-blind tell apart."""
LAST_YEAR_DAYS: Final = 365
"""The ground beneath the maps is what this many last days show."""
DPI: Final = 150


def draw(assessment: Assessment, folder: Path) -> list[Path]:
    """
    Draw the comparison, and for each scene maps of ours and of the best peer.

    Parameters
    ----------
    assessment : Assessment
        What was run.
    folder : Path
        Where the pictures go; made if missing, and pictures of the same name replaced.

    Returns
    -------
    list of Path
        The pictures.

    Raises
    ------
    OutputError
        If matplotlib is missing or the folder cannot be written.
    """
    require_writable(folder)
    pictures: dict[str, Figure] = {}
    compared = [
        row for row in assessment.rows if row.score and row.score.f1 is not None
    ]
    if compared:
        pictures["peers.png"] = _comparison(compared)
    for name, series in assessment.series.items():
        shown = _shown(name, compared, assessment)
        if series.connected and shown:
            pictures[f"errors-{name}.png"] = _maps(series, shown)
    paths = []
    for file, figure in pictures.items():
        data = io.BytesIO()
        figure.savefig(data, format="png", dpi=DPI, metadata={"Software": None})
        write_atomic(folder / file, data.getvalue())
        paths.append(folder / file)
    return paths


def _shown(
    name: str, rows: Sequence[Row], assessment: Assessment
) -> list[tuple[Score, Detection]]:
    """Choose ours and the peer of the highest F1."""
    own = [row.score for row in rows if row.series == name and row.score]
    peers = [score for score in own if score.detector != OURS]
    best = max(peers, key=lambda score: score.f1 or 0.0, default=None)
    chosen = [score for score in own if score.detector == OURS]
    chosen += [best] if best else []
    return [
        (score, assessment.detections[name, score.detector])
        for score in chosen
        if score.detector in {OURS, *(s.detector for s in peers)}
    ]


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


def _comparison(rows: Sequence[Row]) -> "Figure":
    """Draw F1 and delay of every detector on every series, with intervals."""
    names = list(dict.fromkeys(row.series for row in rows))
    detectors = list(dict.fromkeys(row.detector for row in rows))
    figure = _figure(9.0, 0.6 + len(names) * (0.9 + 0.22 * len(detectors)))
    axes = figure.subplots(len(names), 2, squeeze=False, sharex="col", sharey="row")
    for line, name in zip(axes, names, strict=True):
        own = {row.detector: row.score for row in rows if row.series == name}
        for place, detector in enumerate(reversed(detectors)):
            score = own.get(detector)
            if score is None:
                continue
            colour = OUR_COLOUR if detector == OURS else PEER_COLOUR
            _dot(line[0], place, score.f1, score.f1_interval, colour)
            _dot(line[1], place, *_delay(score.delay), colour)
        line[0].set_yticks(range(len(detectors)), list(reversed(detectors)), fontsize=8)
        line[0].set_title(name, loc="left", fontsize=10)
        line[0].set_xlim(0, 1.02)
        if all(score is None or score.delay.looks is None for score in own.values()):
            line[1].text(
                0.5,
                0.5,
                "starts not known",
                transform=line[1].transAxes,
                ha="center",
                va="center",
                color="#666666",
            )
        for axis in line:
            axis.grid(axis="x", color="#DDDDDD", linewidth=0.6)
            axis.set_axisbelow(True)
    axes[-1, 0].set_xlabel("F1 of pixels, 95 % interval over blocks of 200 m")
    axes[-1, 1].set_xlabel("delay of openings found, clear looks (median, 95 %)")
    return figure


def _delay(delay: Delay) -> tuple[float | None, tuple[float, float] | None]:
    """Take what is drawn of a delay."""
    return delay.looks, delay.looks_interval


def _dot(
    axis: Any,  # noqa: ANN401 - matplotlib is not typed
    place: int,
    value: float | None,
    interval: tuple[float, float] | None,
    colour: str,
) -> None:
    """Draw a value and its interval."""
    if value is None:
        return
    if interval is not None:
        axis.plot(interval, (place, place), color=colour, linewidth=2, alpha=0.6)
    axis.plot([value], [place], "o", color=colour, markersize=5)


def _maps(series: Series, shown: Sequence[tuple[Score, Detection]]) -> "Figure":
    """Draw where detectors are right, false and wrong, beside the ground itself."""
    from matplotlib.patches import Patch  # noqa: PLC0415 - optional, heavy

    ground = _ground(series)
    figure = _figure(4.6 * (1 + len(shown)), 5.2)
    axes = figure.subplots(1, 1 + len(shown), squeeze=False)[0]
    truth = np.stack([ground] * 3, axis=2)
    truth[series.truth == Truth.OPENED] = _rgb("#CC79A7")
    axes[0].imshow(truth, interpolation="nearest")
    axes[0].set_title("opened, by the reference", fontsize=10)
    for axis, (score, detection) in zip(axes[1:], shown, strict=True):
        axis.imshow(_errors(series, detection, ground), interpolation="nearest")
        axis.set_title(f"{score.detector}: F1 {score.f1:.3f}", fontsize=10)
    for axis in axes:
        axis.set_xlabel("column")
        axis.set_ylabel("row")
    figure.legend(
        handles=[Patch(color=colour, label=word) for word, colour in SHADES],
        loc="outside lower center",
        ncols=len(SHADES),
        frameon=False,
    )
    return figure


def _ground(series: Series) -> NDArray[np.float64]:
    """Give the greenness of the last year as shades of grey, 0 to 1."""
    late = series.days > series.days[-1] - LAST_YEAR_DAYS
    values = seen_ndvi(series)[late]
    with np.errstate(all="ignore"):
        shade = np.nan_to_num(np.nanpercentile(values, 75, axis=0), nan=1.0)
    low, high = np.percentile(shade, (2, 98))
    darker = 0.6 * (shade - low) / max(high - low, 1e-6)
    return np.asarray(np.clip(0.95 - darker, 0.0, 1.0), dtype=np.float64)


def _errors(
    series: Series, detection: Detection, ground: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Colour what a detector drew by what the reference says."""
    pixels = Pixels.of(series, detection)
    layers = (
        pixels.right,
        pixels.false,
        pixels.missed & ~pixels.drawn,
        pixels.drawn & (series.truth == Truth.NOT_COUNTED),
    )
    picture = np.stack([ground] * 3, axis=2)
    for layer, (_, colour) in zip(layers, SHADES, strict=True):
        picture[layer] = _rgb(colour)
    return picture


def _rgb(colour: str) -> tuple[float, ...]:
    """Read a colour such as ``#009E73``, 0 to 1."""
    return tuple(int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5))
