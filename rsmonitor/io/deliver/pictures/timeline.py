"""One site over time as a picture: its phases, its area, its greenness, its looks.

Chinese first, English beside it. Nothing is read here. The same input gives the same
bytes with the same matplotlib.
"""

import io
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Final

from rsmonitor.errors import ContractError, OutputError
from rsmonitor.io.deliver.pictures.typeface import Typeface, find_typeface
from rsmonitor.io.foundation.files import write_atomic
from rsmonitor.records.alert import M2_PER_MU
from rsmonitor.records.licence import KIND_LABELS
from rsmonitor.records.lifecycle import (
    PHASE_LABELS,
    Aftermath,
    LifeCycle,
    LifeParameters,
    Observation,
    Period,
    Phase,
    Visibility,
)
from rsmonitor.records.site import Site

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

WIDTH_IN: Final = 10.0
HEIGHT_IN: Final = 5.6
DPI: Final = 160
"""The picture has 1600 by 896 pixels."""

MOST_PHASES: Final = 7
"""Phases that one line has room for."""

MOST_PLACES: Final = 2
"""Closings and projects that have a line each."""

PHASE_COLOURS: Final = {
    Phase.NEW: "#bdbdbd",
    Phase.ACTIVE: "#d7301f",
    Phase.RESTARTED: "#7f0000",
    Phase.DORMANT: "#fdcc8a",
    Phase.CLEARED: "#c7b299",
    Phase.RESTORING: "#a6d96a",
    Phase.RECOVERED_VEGETATION: "#1a9641",
}
"""Red where something goes on, green where plants come back."""

SITE: Final = "#7f3b08"
EXPECTED: Final = "#1b7837"
RING: Final = "#4575b4"
EPOCH: Final = date(1970, 1, 1).toordinal()
INK: Final = "#1a1a1a"
FAINT: Final = "#6b6b6b"

NOTE: Final = (
    "地表变化线索，仅凭影像，不是执法结论；植被恢复不等于验收达标。"
    "No verdict: changes of the surface, from imagery alone; recovered greenness is "
    "not a restoration that meets its standard."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeline:
    """What is drawn of a site."""

    site: Site
    """The site."""

    life: LifeCycle
    """Its phases and its area."""

    visibility: Visibility
    """What was not seen."""

    observations: tuple[Observation, ...]
    """What each look showed, oldest first; at least one."""

    aftermath: tuple[Aftermath, ...]
    """Closings and projects whose dates are marked."""

    district: tuple[str, str]
    """Name in Chinese and English."""

    parameters: LifeParameters
    """Thresholds that are drawn."""

    def __post_init__(self) -> None:
        if not self.observations:
            raise ContractError(
                f"a timeline of {self.site.site_id} needs at least one observation"
            )


def render_timeline(path: Path, timeline: Timeline) -> None:
    """
    Draw a site over time as a PNG.

    Parameters
    ----------
    path : Path
        The file, replaced if it is there.
    timeline : Timeline
        What to draw.

    Raises
    ------
    OutputError
        If matplotlib or the typeface is missing (the message says which command
        brings them), or the file cannot be written.
    """
    typeface = find_typeface()
    # after the typeface, which says what to do where matplotlib is missing
    from matplotlib.figure import Figure  # noqa: PLC0415

    with warnings.catch_warnings():
        # an empty box where a character should be is worse than no picture
        warnings.filterwarnings("error", message="Glyph .* missing")
        try:
            figure = Figure(figsize=(WIDTH_IN, HEIGHT_IN), dpi=DPI, facecolor="white")
            _Sheet(figure, typeface, timeline).draw()
            data = io.BytesIO()
            figure.savefig(data, format="png", metadata={"Software": None})
        except UserWarning as warning:
            raise OutputError(
                f"{path}: the typeface lacks a character: {warning}"
            ) from warning
    write_atomic(path, data.getvalue())


class _Sheet:
    """What stands where."""

    def __init__(
        self, figure: "Figure", typeface: Typeface, timeline: Timeline
    ) -> None:
        self.figure, self.typeface, self.told = figure, typeface, timeline
        rows = timeline.observations
        self.first = min(rows[0].day, timeline.life.periods[0].since)
        self.last = max(rows[-1].day, timeline.life.periods[-1].since)
        margin = max(timedelta(days=5), (self.last - self.first) / 60)
        self.limits = (self.first - margin, self.last + margin)
        self.x_limits = (_at(self.limits[0]), _at(self.limits[1]))

    def draw(self) -> None:
        """Draw all of it."""
        self._titles()
        phases = self.figure.add_axes((0.075, 0.775, 0.905, 0.06))
        area = self.figure.add_axes((0.075, 0.565, 0.905, 0.19))
        green = self.figure.add_axes((0.075, 0.215, 0.905, 0.33))
        looks = self.figure.add_axes((0.075, 0.165, 0.905, 0.035))
        for axes in (phases, area, green, looks):
            axes.set_xlim(self.x_limits)
            axes.xaxis_date()
            for side in ("top", "right"):
                axes.spines[side].set_visible(False)
            for mark in self._dates():
                axes.axvline(
                    _at(mark), color=FAINT, linewidth=0.6, linestyle=(0, (4, 3))
                )
        for axes in (phases, area, green):
            axes.tick_params(labelbottom=False)
        self._phases(phases)
        self._area(area)
        self._greenness(green)
        self._looks(looks)
        for axes in (phases, area, green, looks):
            for label in (*axes.get_xticklabels(), *axes.get_yticklabels()):
                label.set_fontproperties(self.typeface.at(6.5))

    def _dates(self) -> list[date]:
        """Give the days on which something had to come to an end."""
        return sorted(
            {
                each.since
                for each in self.told.aftermath
                if each.since is not None
                and self.limits[0] <= each.since <= self.limits[1]
            }
        )

    def _titles(self) -> None:
        """Write what it is, what is known, and what it is not."""
        site, life, seen = self.told.site, self.told.life, self.told.visibility
        zh, en = PHASE_LABELS[life.now]
        since = life.periods[-1].since
        name_zh, name_en = self.told.district
        area = life.area[-1][1]
        self._write(
            0.955,
            f"图斑 {site.site_id} 时间线 Timeline of site   {name_zh} {name_en}",
            11.0,
        )
        self._write(
            0.91,
            f"现状 now: {zh} {en}，自 since {since}    "
            f"面积 area: {area:,.0f} m² ({area / M2_PER_MU:.1f} 亩 mu)    "
            f"最近活动 last activity: {life.last_activity}",
            8.0,
        )
        gaps = (
            "无法计算 unknown"
            if seen.delay_median_days is None or seen.delay_90_days is None
            else f"中位 median {seen.delay_median_days:.0f} 天 days，"
            f"90% {seen.delay_90_days:.0f} 天 days"
        )
        self._write(
            0.872,
            f"最近清晰观测 last clear look: {seen.last_clear or '无 none'}"
            f"（此后 {seen.looks_since} 景被遮挡 looks since, none clear）    "
            f"按实际云量推算的确认时延 delay to confirmation with the clouds there "
            f"were: {gaps}",
            6.8,
        )
        self._write(0.085, f"阶段 phases: {self._named(life.periods)}", 6.2)
        places = self.told.aftermath
        for number, each in enumerate(places[:MOST_PLACES]):
            self._write(
                0.061 - 0.023 * number,
                f"登记 register: {'/'.join(KIND_LABELS[each.kind])} {each.licence_id} "
                f"{each.since or '日期不明 no date'}{self._became(each)}"
                + (
                    f" 另 {len(places) - MOST_PLACES} 处 and more"
                    if number == MOST_PLACES - 1 and len(places) > MOST_PLACES
                    else ""
                ),
                6.2,
            )
        self._write(0.013, NOTE, 6.2, FAINT)

    def _named(self, periods: Sequence[Period]) -> str:
        """Write the first days of phases; of very many, the last."""
        told = [
            f"{each.since} {PHASE_LABELS[each.phase][0].partition('（')[0]} "
            f"{PHASE_LABELS[each.phase][1]}"
            for each in periods
        ]
        more = "… → " if len(told) > MOST_PHASES else ""
        return more + " → ".join(told[-MOST_PHASES:])

    def _became(self, each: Aftermath) -> str:
        """Write what became of the site since something had to end."""
        words = (
            (each.cleared, "裸地消失 bare spots gone"),
            (each.regreening, "转绿 greening"),
            (each.recovered_vegetation, "植被已恢复 vegetation recovered"),
            (each.started_again, "疑似再次活动 started again"),
        )
        told = [f"{word} {day}" for day, word in words if day is not None]
        return f"（{'，'.join(told)}）" if told else ""

    def _write(self, y: float, text: str, points: float, colour: str = INK) -> None:
        """Write one line; nothing in it is taken for mathematics."""
        self.figure.text(
            0.012,
            y,
            self.typeface.drawable(text),
            fontproperties=self.typeface.at(points),
            color=colour,
            parse_math=False,
        )

    def _phases(self, axes: "Axes") -> None:
        """Draw the phases as a ribbon, each with its first day."""
        axes.set_yticks([])
        axes.set_ylim(0, 1)
        axes.spines["left"].set_visible(False)
        whole = (self.limits[1] - self.limits[0]).days
        inches = WIDTH_IN * 0.905
        for period in self.told.life.periods:
            until = period.until or self.last
            width = max((until - period.since).days, 1)
            axes.axvspan(
                _at(period.since),
                _at(period.since) + width,
                color=PHASE_COLOURS[period.phase],
                linewidth=0,
            )
            room = width / whole * inches * 72
            zh, en = PHASE_LABELS[period.phase]
            short = zh.partition("（")[0]
            for text, points in (
                (f"{short} {en} {period.since}", 6.0),
                (f"{short} {period.since}", 6.0),
                (short, 6.0),
            ):
                if self._wide(text, points) < room:
                    axes.text(
                        _at(period.since) + width / 2,
                        0.5,
                        text,
                        fontproperties=self.typeface.at(points),
                        color="white"
                        if period.phase
                        in {
                            Phase.ACTIVE,
                            Phase.RESTARTED,
                            Phase.RECOVERED_VEGETATION,
                        }
                        else INK,
                        ha="center",
                        va="center",
                        parse_math=False,
                    )
                    break

    def _wide(self, text: str, points: float) -> float:
        """Give about how wide a text is, points."""
        return sum(points if ord(c) > 0x2E7F else points * 0.56 for c in text)  # noqa: PLR2004 - CJK begins there

    def _area(self, axes: "Axes") -> None:
        """Draw the area that had begun by each day."""
        steps = self.told.life.area
        days = [
            _at(day) for day in (steps[0][0], *(day for day, _ in steps), self.last)
        ]
        areas = [0.0, *(area for _, area in steps), steps[-1][1]]
        axes.fill_between(days, areas, step="post", color=SITE, alpha=0.18, linewidth=0)
        axes.step(days, areas, where="post", color=SITE, linewidth=1.3)
        for day, area in steps:
            axes.annotate(
                f"{day}  {area:,.0f} m²",
                (_at(day), area),
                xytext=(3, 2),
                textcoords="offset points",
                fontproperties=self.typeface.at(6.0),
                color=SITE,
            )
        axes.set_ylim(0, steps[-1][1] * 1.3)
        self._label(axes, "面积 area m²")

    def _greenness(self, axes: "Axes") -> None:
        """Draw greenness beside what was to be expected, and beside the ring."""
        how = self.told.parameters
        clear = [
            row
            for row in self.told.observations
            if row.share_seen >= how.clear_share and row.ndvi is not None
        ]
        self._line(
            axes,
            [(row.day, row.expected) for row in clear],
            EXPECTED,
            "若无变化的预期值 expected had nothing happened",
        )
        self._line(
            axes, [(row.day, row.ring) for row in clear], RING, "周边未变化像元 ring"
        )
        axes.plot(
            [_at(row.day) for row in clear],
            [row.ndvi or 0.0 for row in clear],
            color=SITE,
            marker="o",
            markersize=3.2,
            linewidth=0.9,
            label="图斑 site",
        )
        recovered = [
            (row.day, row.expected * how.recovered)
            for row in clear
            if row.expected is not None
        ]
        self._line(
            axes,
            recovered,
            EXPECTED,
            f"恢复阈值 recovered from {how.recovered:.0%}",
            dashed=True,
        )
        low = min((row.ndvi for row in clear if row.ndvi is not None), default=0.0)
        axes.set_ylim(min(0.0, low - 0.05), 1.0)
        axes.grid(axis="y", color="#e3e3e3", linewidth=0.5)
        axes.set_axisbelow(True)
        axes.legend(
            loc="lower left",
            ncols=4,
            prop=self.typeface.at(6.2),
            frameon=True,
            framealpha=0.85,
            edgecolor="none",
        )
        self._label(axes, "绿度 NDVI")

    def _line(
        self,
        axes: "Axes",
        points: Sequence[tuple[date, float | None]],
        colour: str,
        label: str,
        *,
        dashed: bool = False,
    ) -> None:
        """Draw a line through what is known."""
        known = [(day, value) for day, value in points if value is not None]
        axes.plot(
            [_at(day) for day, _ in known],
            [value for _, value in known],
            color=colour,
            linewidth=0.8 if dashed else 1.1,
            linestyle=(0, (3, 2)) if dashed else "solid",
            label=label,
        )

    def _looks(self, axes: "Axes") -> None:
        """Mark every look: clear ones filled, those that clouds hid empty."""
        least = self.told.parameters.clear_share
        rows = self.told.observations
        hidden = [_at(row.day) for row in rows if row.share_seen < least]
        clear = [_at(row.day) for row in rows if row.share_seen >= least]
        axes.plot(hidden, [0.5] * len(hidden), "|", color="#b5b5b5", markersize=5)
        axes.plot(clear, [0.5] * len(clear), "|", color=INK, markersize=8)
        axes.set_ylim(0, 1)
        axes.set_yticks([])
        axes.spines["left"].set_visible(False)
        axes.set_ylabel(
            "观测 looks",
            fontproperties=self.typeface.at(6.8),
            rotation=0,
            ha="right",
            va="center",
        )
        axes.yaxis.set_label_coords(-0.008, 0.5)
        axes.set_xlabel(
            f"黑色：清晰观测 black: clear looks ({len(clear)})；"
            f"灰色：被云等遮挡 grey: hidden by clouds ({len(hidden)})；"
            "虚竖线：登记日期 dashed: dates of the register",
            fontproperties=self.typeface.at(6.2),
            color=FAINT,
        )

    def _label(self, axes: "Axes", text: str) -> None:
        """Name the axis on the left, on one line for all panels."""
        axes.set_ylabel(text, fontproperties=self.typeface.at(6.8), rotation=90)
        axes.yaxis.set_label_coords(-0.055, 0.5)


def _at(day: date) -> float:
    """Give a day as matplotlib counts days: from 1970."""
    return float(day.toordinal() - EPOCH)
