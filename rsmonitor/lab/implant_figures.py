"""Pictures of a study of detectability: curves over size, and chips of implants.

Imports matplotlib, which is optional, when something is drawn.
"""

import io
import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from rsmonitor.errors import OutputError
from rsmonitor.io.foundation.files import require_writable, write_atomic
from rsmonitor.lab.detectability import SEASONS, Pass, Row, Study, Trial, until
from rsmonitor.lab.implant import Implant, conditions, footprint, implanted
from rsmonitor.lab.measures import clear_looks
from rsmonitor.lab.series import Series

if TYPE_CHECKING:
    from matplotlib.figure import Figure

INSTALL: Final = 'pip install "rsmonitor[map]"'
COLOURS: Final = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#8C6D00", "#56B4E9")
"""Colours that the colour-blind tell apart."""
MARKERS: Final = ("o", "s", "^", "D", "v", "P")
DPI: Final = 130

CHIPS: Final = 13
"""Most implants of which chips are drawn."""
CHIP_PIXELS: Final = 15
"""From the middle of a chip to its edge."""
TRUE_COLOUR: Final = ("B04", "B03", "B02")
FALSE_COLOUR: Final = ("B11", "B08", "B04")
BRIGHTEST: Final = (0.25, 0.45)
"""Reflectance that is drawn white, in true and in false colour."""
CHIP_CLEAR: Final = 0.95
"""Share of a chip that a look must show."""
CHIP_DAYS: Final = 150
"""Looks up to so many days after the start are drawn."""


def draw(
    result: Study, passes: Sequence[Pass], series: Series, folder: Path
) -> list[Path]:
    """
    Draw the curves of a study, and what some of its implants look like.

    Parameters
    ----------
    result : Study
        The table.
    passes : sequence of Pass
        What was implanted where.
    series : Series
        The series that it was implanted into.
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
    pictures = {
        "detectability.png": _curves(result),
        "implants.png": _chips(passes, result.rows, series),
    }
    paths = []
    for name, figure in pictures.items():
        data = io.BytesIO()
        figure.savefig(data, format="png", dpi=DPI, metadata={"Software": None})
        write_atomic(folder / name, data.getvalue())
        paths.append(folder / name)
    return paths


def empty_figure(width: float, height: float) -> "Figure":
    """
    Make an empty sheet.

    Parameters
    ----------
    width, height : float
        Inches.

    Returns
    -------
    matplotlib.figure.Figure
        Nothing on it yet.

    Raises
    ------
    OutputError
        If matplotlib is missing.
    """
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


def _curves(result: Study) -> "Figure":
    """Draw the probability and the delay over size: scenarios, and materials."""
    figure = empty_figure(11.0, 11.0)
    axes = figure.subplots(3, 2, sharex="row")
    first = result.rows[0].material
    courses = [row for row in result.rows if row.material == first]
    for column, season in enumerate(SEASONS):
        names = list(dict.fromkeys(row.scenario for row in courses))
        groups = [
            (name, [r for r in courses if r.scenario == name and r.season == season])
            for name in names
        ]
        _lines(axes[0, column], groups)
        _delays(axes[1, column], groups)
        materials = list(dict.fromkeys(row.material for row in result.rows))
        sudden = names[0].removeprefix(f"{first}, ")
        _bars(
            axes[2, column],
            [
                (name, [r for r in result.rows if _is(r, name, season, sudden)])
                for name in materials
            ],
        )
        axes[0, column].set_title(f"{season} season: {first}", fontsize=10)
        axes[2, column].set_title(f"{season} season: other surfaces", fontsize=10)
    # where no line is in the way
    axes[1, 0].legend(*axes[0, 0].get_legend_handles_labels(), fontsize=7, loc=1)
    return figure


def _is(row: Row, name: str, season: str, scenario: str) -> bool:
    """Say whether a row is of a material and a season, in the first scenario."""
    return (
        row.material == name
        and row.season == season
        and row.scenario.removeprefix(f"{name}, ") == scenario
    )


def _lines(
    axis: Any,  # noqa: ANN401 - matplotlib is not typed
    groups: Sequence[tuple[str, Sequence[Row]]],
) -> None:
    """Draw the probability over size with its intervals."""
    for place, (name, rows) in enumerate(groups):
        known = [row for row in rows if row.interval is not None]
        if not known:
            continue
        size = np.array([row.size_ha for row in known]) * 1.03 ** (place - 2)
        share = np.array([row.probability for row in known], dtype=float)
        limits = np.array([row.interval for row in known])
        axis.errorbar(
            size,
            share,
            yerr=np.abs(limits.T - share),
            color=COLOURS[place % len(COLOURS)],
            marker=MARKERS[place % len(MARKERS)],
            markersize=4,
            linewidth=1,
            capsize=2,
            label=name,
        )
    axis.set_xscale("log")
    axis.set_ylim(-0.03, 1.05)
    axis.set_ylabel("probability of detection, 95 %")
    _finish(axis)


def _delays(
    axis: Any,  # noqa: ANN401 - matplotlib is not typed
    groups: Sequence[tuple[str, Sequence[Row]]],
) -> None:
    """Draw the median delay over size."""
    for place, (_, rows) in enumerate(groups):
        known = [row for row in rows if row.delay_days is not None]
        axis.plot(
            [row.size_ha for row in known],
            [row.delay_days for row in known],
            color=COLOURS[place % len(COLOURS)],
            marker=MARKERS[place % len(MARKERS)],
            markersize=4,
            linewidth=1,
        )
    axis.set_xscale("log")
    axis.set_ylim(bottom=0)
    axis.set_ylabel("median delay of those found, days")
    axis.set_xlabel("area, ha")
    _finish(axis)


def _bars(
    axis: Any,  # noqa: ANN401 - matplotlib is not typed
    groups: Sequence[tuple[str, Sequence[Row]]],
) -> None:
    """Draw the probability of each material, one mark for each size."""
    sizes = sorted({row.size_ha for _, rows in groups[1:] for row in rows})
    for place, size in enumerate(sizes):
        for line, (_, rows) in enumerate(groups):
            for row in rows:
                if row.size_ha != size or row.interval is None:
                    continue
                low, high = row.interval
                share = row.probability or 0.0
                axis.errorbar(
                    share,
                    line + 0.22 * (place - (len(sizes) - 1) / 2),
                    xerr=[[max(0.0, share - low)], [max(0.0, high - share)]],
                    color=COLOURS[place % len(COLOURS)],
                    marker=MARKERS[place % len(MARKERS)],
                    markersize=4,
                    capsize=2,
                    label=f"{size:g} ha" if line == 0 else None,
                )
    axis.set_yticks(range(len(groups)), [name for name, _ in groups], fontsize=8)
    axis.set_ylim(len(groups) - 0.5, -0.5)
    axis.set_xlim(-0.03, 1.05)
    axis.set_xlabel("probability of detection, 95 %")
    if sizes:
        axis.legend(fontsize=7, loc="lower left")
    _finish(axis)


def _finish(axis: Any) -> None:  # noqa: ANN401 - matplotlib is not typed
    """Draw a quiet grid behind the marks."""
    axis.grid(color="#DDDDDD", linewidth=0.6)
    axis.set_axisbelow(True)


def _chips(passes: Sequence[Pass], rows: Sequence[Row], series: Series) -> "Figure":
    """Draw implants before and after, in true and in false colour."""
    chosen = _varied(passes, rows)
    figure = empty_figure(1.5 * len(chosen) + 0.5, 7.0)
    axes = figure.subplots(4, len(chosen), squeeze=False)
    looks = conditions(series, clear_looks(series))
    for column, (trial, implant) in enumerate(chosen):
        window = _around(implant, series.truth.shape)
        share = looks.clear[:, window[0], window[1]].mean(axis=(1, 2))
        open_days = (
            implant.lasts_days
            if implant.course == "covered" and implant.lasts_days
            else CHIP_DAYS
        )
        since = series.days - implant.began
        before = np.flatnonzero((since < 0) & (share >= CHIP_CLEAR))
        after = np.flatnonzero(
            (since >= 0) & (since < max(open_days, 1)) & (share >= CHIP_CLEAR)
        )
        cut = until(series, implant.began + CHIP_DAYS)
        changed = implanted(cut, [implant], looks)
        outline = footprint(implant, series.truth.shape, series.pixel_m)[window]
        for row, bands in ((0, TRUE_COLOUR), (2, FALSE_COLOUR)):
            for step, (source, times) in enumerate(
                ((series, before[-1:]), (changed, after[:1]))
            ):
                axis = axes[row + step, column]
                axis.set_xticks([])
                axis.set_yticks([])
                if times.size == 0 or set(bands) - set(series.bands):
                    axis.text(0.5, 0.5, "no clear look", ha="center", fontsize=7)
                    continue
                axis.imshow(_picture(source, int(times[0]), bands, window))
                day = np.datetime64(int(source.days[times[0]]), "D")
                axis.set_xlabel(str(day), fontsize=7)
                if step == 0:
                    axis.contour(outline, [0.5], colors="white", linewidths=0.6)
        words = textwrap.fill(trial.scenario.name, 18)
        title = f"{trial.scenario.material}\n{words}\n{trial.size_ha:g} ha"
        axes[0, column].set_title(title, fontsize=6)
    for row, text in enumerate(
        ("before, true colour", "after", "before, SWIR-NIR-red", "after")
    ):
        axes[row, 0].set_ylabel(text, fontsize=8)
    return figure


def _varied(passes: Sequence[Pass], rows: Sequence[Row]) -> list[tuple[Trial, Implant]]:
    """Choose implants of the first kind in three sizes, and of others one each."""
    kinds: dict[tuple[str, str], list[tuple[Trial, Implant]]] = {
        (row.material, row.scenario): [] for row in rows
    }
    for one in passes:
        for trial, implant in zip(one.trials, one.implants, strict=True):
            if trial.season == SEASONS[0]:
                key = (trial.scenario.material, trial.scenario.name)
                kinds[key].append((trial, implant))
    chosen: list[tuple[Trial, Implant]] = []
    for turn, pairs in enumerate(kinds.values()):
        sizes = sorted({trial.size_ha for trial, _ in pairs})
        # of the other kinds the middle size, the larger one of two
        wanted = (1, 3, 5) if turn == 0 else (len(sizes) // 2,)
        # with few sizes the last stands for what lies beyond it, once
        for place in sorted({min(place, len(sizes) - 1) for place in wanted}):
            size = sizes[place] if sizes else 0.0
            chosen += [pair for pair in pairs if pair[0].size_ha == size][:1]
    return chosen[:CHIPS]


def _around(implant: Implant, shape: tuple[int, ...]) -> tuple[slice, slice]:
    """Choose the pixels of a chip, all of one size."""
    spans = []
    for middle, size in zip((implant.row, implant.col), shape, strict=True):
        side = min(2 * CHIP_PIXELS + 1, size)
        first = min(max(0, int(middle) - CHIP_PIXELS), size - side)
        spans.append(slice(first, first + side))
    return spans[0], spans[1]


def _picture(
    series: Series, t: int, bands: tuple[str, ...], window: tuple[slice, slice]
) -> NDArray[np.float32]:
    """Make an image of three bands."""
    white = BRIGHTEST[bands == FALSE_COLOUR]
    planes = [
        series.reflectance[t, series.bands.index(band)][window] / white
        for band in bands
    ]
    picture: NDArray[np.float32] = np.clip(np.nan_to_num(np.dstack(planes)), 0, 1)
    return picture
