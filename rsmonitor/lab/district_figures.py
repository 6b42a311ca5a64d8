"""The picture of what would be found under the clouds of some places.

Imports matplotlib, which is optional, when something is drawn.
"""

import io
import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from rsmonitor.io.foundation.files import require_writable, write_atomic
from rsmonitor.lab.detectability import SEASONS
from rsmonitor.lab.district_limits import WEEKS, Limit, Limits, Sky
from rsmonitor.lab.implant_figures import COLOURS, DPI, MARKERS, empty_figure

NAME: Final = "detection-by-district.png"
MOST_PLACES: Final = 5
"""Places that fit side by side."""
DRAWN_HA: Final = (0.02, 0.05, 0.1, 0.5)
"""Sizes that are drawn, where they were implanted."""
MOST_SIZES: Final = 5
"""Sizes that are drawn where none of those was."""
MONTHS: Final = "JFMAMJJASOND"
BARS: Final = dict(zip(SEASONS, ("#D9B45B", "#6FA8C9"), strict=True))
"""Colours of the months."""


def draw_limits(told: Limits, folder: Path) -> list[Path]:
    """
    Draw clear looks by month, and the probability over weeks, place by place.

    Parameters
    ----------
    told : Limits
        From `rsmonitor.lab.district_limits.limits`.
    folder : Path
        Where the pictures go; made if missing, and pictures of the same name replaced.

    Returns
    -------
    list of Path
        One picture for so many places as fit side by side; later ones are numbered.

    Raises
    ------
    OutputError
        If matplotlib is missing or the folder cannot be written.
    """
    require_writable(folder)
    paths = []
    for first in range(0, len(told.skies), MOST_PLACES):
        some = told.skies[first : first + MOST_PLACES]
        data = io.BytesIO()
        _sheet(some, told.rows).savefig(
            data, format="png", dpi=DPI, metadata={"Software": None}
        )
        path = folder / NAME
        if first:
            path = path.with_stem(f"{path.stem}-{first // MOST_PLACES + 1}")
        write_atomic(path, data.getvalue())
        paths.append(path)
    return paths


def _sheet(skies: Sequence[Sky], rows: Sequence[Limit]) -> Any:  # noqa: ANN401 - matplotlib is not typed
    """Draw places side by side."""
    figure = empty_figure(3.4 * len(skies) + 0.6, 8.5)
    axes = figure.subplots(3, len(skies), squeeze=False, sharey="row")
    first = (rows[0].scenario, rows[0].material)
    kinds = [row for row in rows if (row.scenario, row.material) == first]
    every = sorted({row.size_ha for row in kinds})
    sizes = [size for size in every if size in DRAWN_HA] or every[:MOST_SIZES]
    for column, sky in enumerate(skies):
        _months(axes[0, column], sky)
        for step, season in enumerate(SEASONS, start=1):
            axis = axes[step, column]
            for number, size in enumerate(sizes):
                for row in kinds:
                    if (row.place, row.season, row.size_ha) == (
                        sky.place,
                        season,
                        size,
                    ):
                        _over_weeks(axis, row, number)
            axis.set_title(
                f"begins in the {season} half year: "
                f"{sky.clear_a_month[season]:g} clear looks a month",
                fontsize=8,
            )
            axis.set_ylim(-0.03, 1.05)
            axis.set_xticks(WEEKS)
            axis.grid(color="#DDDDDD", linewidth=0.6)
            axis.set_axisbelow(True)
    bars = axes[0, 0].get_legend_handles_labels()
    unique = dict(zip(bars[1], bars[0], strict=True))
    axes[0, 0].legend(unique.values(), unique.keys(), fontsize=7)
    axes[0, 0].set_ylabel("clear looks a month", fontsize=8)
    for step in (1, 2):
        axes[step, 0].set_ylabel(f"share found, 95 %\n{first[1]}, {first[0]}")
    for axis in axes[2]:
        axis.set_xlabel("weeks since it began", fontsize=8)
    axes[2, -1].legend(fontsize=7, loc="lower right")
    return figure


def _months(axis: Any, sky: Sky) -> None:  # noqa: ANN401 - matplotlib is not typed
    """Draw the clear looks of each month; the dry half year is marked."""
    for month, count in enumerate(sky.clear_by_month, start=1):
        season = SEASONS[month not in sky.dry_months]
        colour = BARS[season]
        if count is None:
            axis.text(month, 0.05, "?", ha="center", fontsize=7)
        else:
            axis.bar(month, count, color=colour, label=f"{season} half year")
    axis.set_xticks(range(1, 13), list(MONTHS), fontsize=7)
    words = textwrap.fill(f"{sky.rests_on}, {sky.first} to {sky.last}", 46)
    axis.set_title(f"{sky.place}\n{words}", fontsize=8)
    axis.grid(axis="y", color="#DDDDDD", linewidth=0.6)
    axis.set_axisbelow(True)


def _over_weeks(axis: Any, row: Limit, number: int) -> None:  # noqa: ANN401 - matplotlib is not typed
    """Draw what is found within so many weeks."""
    shares = [share for _, share, _, _ in row.within]
    below = [max(0.0, share - low) for _, share, low, _ in row.within]
    above = [max(0.0, high - share) for _, share, _, high in row.within]
    axis.errorbar(
        [weeks + 0.15 * (number - 1) for weeks in WEEKS],
        shares,
        yerr=[below, above],
        color=COLOURS[number % len(COLOURS)],
        marker=MARKERS[number % len(MARKERS)],
        markersize=4,
        linewidth=1,
        capsize=2,
        label=f"{row.size_ha:g} ha",
    )
