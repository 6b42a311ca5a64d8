"""The sheet of `rsmonitor.io.deliver.map`, drawn with matplotlib.

Apart from that module because matplotlib is optional: only `render_map` imports this.
"""

import io
import math
from collections.abc import Mapping, Sequence
from datetime import date
from typing import TYPE_CHECKING, Final

import matplotlib as mpl
import numpy as np
import pyproj
import shapely
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import PathPatch, Rectangle
from matplotlib.patches import Polygon as Arrow
from matplotlib.path import Path as Outline
from matplotlib.patheffects import withStroke
from numpy.typing import NDArray
from shapely import MultiPolygon, Polygon
from shapely.geometry.base import BaseGeometry

from rsmonitor.io.deliver.geojson import STANDING
from rsmonitor.io.deliver.legend import (
    CATEGORY_COLOURS,
    KIND_COLOURS,
    TIER_LABELS,
    VALIDITY_LABELS,
    Validity,
    validity_on,
)
from rsmonitor.io.deliver.typeface import WIDE_SPACE, Typeface
from rsmonitor.records.alert import M2_PER_MU, NOTICE, NOTICE_INVENTED
from rsmonitor.records.grid import Grid
from rsmonitor.records.licence import KIND_LABELS, LicenceKind
from rsmonitor.records.rasters import Tier
from rsmonitor.records.run import RunResult
from rsmonitor.records.verdict import CATEGORY_LABELS, Category

if TYPE_CHECKING:
    from rsmonitor.io.deliver.map import Picture

WIDTH_IN: Final = 12.0
HEIGHT_IN: Final = 5.5
DPI: Final = 200
"""The sheet has 2400 by 1100 pixels."""

# fractions of the sheet
LEFT: Final = 0.034
PANEL_WIDTH: Final = 0.2265
PANEL_HEIGHT: Final = PANEL_WIDTH * WIDTH_IN / HEIGHT_IN
PANEL_STEP: Final = 0.242
PANEL_BOTTOM: Final = 0.338
LEGEND_TOP: Final = 0.292
LEGEND_HEIGHT: Final = 0.245

# points
LEGEND_WIDTH_PT: Final = PANEL_WIDTH * WIDTH_IN * 72
LEGEND_HEIGHT_PT: Final = LEGEND_HEIGHT * HEIGHT_IN * 72
ROW_PT: Final = 15.8
M_PER_KM: Final = 1000

ROOMY: Final = 5.0
"""Percent of a panel from which a rank is written on an alert, not beside it."""

LAST_NARROW: Final = 0x2E7F
"""Characters beyond are as wide as they are high."""

MOST_PIXELS: Final = 1024
"""A side of an image is thinned to this; a panel has some 540 pixels."""

MOST_YEARS: Final = 6
"""Years that have a colour of their own; older ones share the first."""

MOST_RANKS: Final = 20
"""Alerts whose rank is written beside them."""

MOST_CATEGORIES: Final = 5
"""Categories that have a line of their own in the legend."""

MOST_LICENCES: Final = 30
"""Licences whose number is written beside them."""

INK: Final = "#1a1a1a"
FAINT: Final = "#5c5c5c"
FRAME: Final = "#333333"
CAUTION: Final = "#ffe08a"
QUIET: Final = "#fbfbfb"
"""Fill of sites that raise no alert."""

TIERS: Final = (Tier.HIGH, Tier.MEDIUM, Tier.LOW)

OPACITY: Final = {Tier.LOW: 0.38, Tier.MEDIUM: 0.68, Tier.HIGH: 1.0}
"""More evidence is more opaque."""


class Sheet:
    """The sheet while it is drawn.

    Parameters
    ----------
    typeface : Typeface
        What text is set in.
    result : RunResult
        What the run says.
    grid : Grid
        Which of its grids is drawn.
    """

    def __init__(self, typeface: Typeface, result: RunResult, grid: Grid) -> None:
        self.typeface = typeface
        self.result = result
        self.grid = grid
        self.place = Place(grid)
        self.figure = Figure()

    def png(self, before: "Picture", after: "Picture") -> bytes:
        """
        Draw the sheet.

        Parameters
        ----------
        before : Picture
            The ground as the history knows it.
        after : Picture
            The ground at the end of the week.

        Returns
        -------
        bytes
            A PNG file without any date.
        """
        with mpl.rc_context():
            # a user's own style must not change a product
            mpl.rcdefaults()
            self.figure = Figure(figsize=(WIDTH_IN, HEIGHT_IN), dpi=DPI)
            FigureCanvasAgg(self.figure)
            self._title()
            self._before(before)
            self._after(after)
            pale = _pale(after.rgb)
            self._evidence(pale)
            self._alerts(pale)
            self._foot()
            buffer = io.BytesIO()
            self.figure.savefig(buffer, format="png", metadata={"Software": None})
        return buffer.getvalue()

    # what surrounds the panels

    def _title(self) -> None:
        """Say where and when, and loudly where licences are invented."""
        district, week = self.result.district, self.result.partition.week
        monday = date.fromisocalendar(week.year, week.week, 1)
        self._write(
            None,
            (LEFT, 0.938),
            f"{district.name_zh}{WIDE_SPACE}扰动与疑似线索图{WIDE_SPACE}{week.year}年第{week.week}周",
            15,
        )
        self._write(
            None,
            (LEFT, 0.904),
            f"{district.name_en}: disturbances and alerts, week {week} "
            f"({monday} – {week.last_day})",
            7.5,
            colour=FAINT,
        )
        if self.result.register.invented:
            figure_left, width = 0.664, 0.3205
            self.figure.patches.append(
                Rectangle(
                    (figure_left, 0.9),
                    width,
                    0.075,
                    transform=self.figure.transFigure,
                    facecolor=CAUTION,
                    edgecolor=INK,
                    linewidth=0.8,
                )
            )
            zh, en = _sentences(NOTICE_INVENTED)
            middle = figure_left + width / 2
            self._write(None, (middle, 0.942), zh, 11, align="center")
            self._write(None, (middle, 0.914), en, 7, align="center")

    def _foot(self) -> None:
        """Say that it is a clue, and who made it."""
        zh, en = _sentences(NOTICE)
        self._write(None, (LEFT, 0.036), zh, 7.5)
        self._write(None, (LEFT, 0.013), en, 5.6, colour=FAINT)
        partition = self.result.partition
        right = LEFT + 3 * PANEL_STEP + PANEL_WIDTH
        self._write(
            None,
            (right, 0.036),
            f"{self.result.software}, run {partition.run_id}",
            5.6,
            colour=FAINT,
            align="right",
        )
        self._write(
            None,
            (right, 0.013),
            "Contains modified Copernicus Sentinel data",
            5.6,
            colour=FAINT,
            align="right",
        )

    def _panel(self, number: int, image: NDArray[np.uint8], zh: str, en: str) -> Axes:
        """Place an image with a head and sparse degrees."""
        axes = self.figure.add_axes(
            (LEFT + number * PANEL_STEP, PANEL_BOTTOM, PANEL_WIDTH, PANEL_HEIGHT)
        )
        axes.imshow(
            _thinned(image),
            extent=self.place.extent,
            interpolation="nearest",
            aspect=self.place.metres_per_y / self.place.metres_per_x,
        )
        axes.tick_params(length=2.5, width=0.6, color=FRAME, pad=1.5)
        for spine in axes.spines.values():
            spine.set_color(FRAME)
            spine.set_linewidth(0.8)
        self._degrees(axes, number)
        self._write(axes, (0.0, 1.056), zh, 10, inside=True)
        self._write(axes, (0.0, 1.018), en, 6, colour=FAINT, inside=True)
        return axes

    def _degrees(self, axes: Axes, number: int) -> None:
        """Write longitudes below every panel and latitudes beside the first."""
        lons, lats = self.place.ticks(along="x"), self.place.ticks(along="y")
        axes.set_xticks([position for position, _ in lons])
        axes.set_yticks([position for position, _ in lats])
        axes.set_xticklabels(
            [_degree(lon, "EW") for _, lon in lons],
            fontproperties=self.typeface.at(5.4),
            color=FAINT,
        )
        axes.set_yticklabels(
            [_degree(lat, "NS") if number == 0 else "" for _, lat in lats],
            fontproperties=self.typeface.at(5.4),
            color=FAINT,
            rotation=90,
            va="center",
        )

    def _legend(self, number: int) -> Axes:
        """Give the space under a panel, with the point as unit and y downwards."""
        axes = self.figure.add_axes(
            (
                LEFT + number * PANEL_STEP,
                LEGEND_TOP - LEGEND_HEIGHT,
                PANEL_WIDTH,
                LEGEND_HEIGHT,
            )
        )
        axes.set_xlim(0, LEGEND_WIDTH_PT)
        axes.set_ylim(LEGEND_HEIGHT_PT, 0)
        axes.set_axis_off()
        return axes

    # the panels

    def _before(self, picture: "Picture") -> None:
        """Draw the ground as it was, north and scale."""
        axes = self._panel(0, picture.rgb, "① 之前", f"Before: {_days(picture)}")
        self._north(axes)
        self._scale(axes)
        legend = self._legend(0)
        zh, en = picture.rendering
        lon, lat = self.place.centre
        self._entry(legend, (0, 0), f"{zh}，晴空像元合成", f"{en}, clear looks only")
        self._entry(
            legend,
            (0, ROW_PT),
            f"中心 {_degree(lon, 'EW', 4)}{WIDE_SPACE}{_degree(lat, 'NS', 4)}",
            f"centre; pixels of {self._pixel_m():g} m",
        )
        self._entry(
            legend,
            (0, 2 * ROW_PT),
            f"影像 {len(self.result.products)} 景（本次运行）",
            "scenes applied by this run",
        )

    def _after(self, picture: "Picture") -> None:
        """Draw the ground as it is, and count beneath."""
        self._panel(1, picture.rgb, "② 之后", f"After: {_days(picture)}")
        legend = self._legend(1)
        alerts = self.result.alerts
        tiers = [alert.site.latest.disturbance.tier for alert in alerts]
        area = sum(alert.site.latest.disturbance.area_m2 for alert in alerts)
        self._entry(
            legend,
            (0, 0),
            f"疑似线索 {len(alerts)} 处，共 {area / M2_PER_MU:.1f} 亩",
            f"alerts; {area / 1e4:.2f} ha in all",
        )
        by_tier = WIDE_SPACE.join(
            f"{TIER_LABELS[tier][0]} {tiers.count(tier)}" for tier in TIERS
        )
        self._entry(
            legend,
            (0, ROW_PT),
            f"证据等级{WIDE_SPACE}{by_tier}",
            "by how much evidence there is: high, medium, low",
        )
        for row, coverage in enumerate(self.result.coverage, start=2):
            if coverage.grid_id == self.grid.grid_id:
                age = coverage.median_days_since_clear
                known = "从未" if math.isnan(age) else f"{age:.0f} 天"
                self._entry(
                    legend,
                    (0, row * ROW_PT),
                    f"本周可见 {coverage.share_seen:.0%}{WIDE_SPACE}距上次晴空 {known}",
                    "share seen this week; median days since the last clear look",
                )

    def _evidence(self, pale: NDArray[np.uint8]) -> None:
        """Colour the pixels by the year they were first seen, and by tier."""
        evidence = self.result.evidence[self.grid.grid_id]
        tier = evidence["tier"].to_numpy()
        year = _years(evidence["first_seen"].to_numpy())
        years, colours = _year_colours(year[tier > 0])
        image = pale.astype(np.float64)
        blind = ~evidence["monitored"].to_numpy()
        image[blind] = _hatched(blind.shape)[blind]
        for first, colour in zip(years, colours, strict=True):
            later = [y for y in years if y > first]
            span = (year <= first) if first == years[0] else (year == first)
            span = span | (year > first) if not later else span
            for level, opacity in OPACITY.items():
                here = span & (tier == level)
                image[here] = image[here] * (1 - opacity) + colour * 255 * opacity
        self._panel(
            2,
            image.round().astype(np.uint8),
            "③ 变化证据",
            "Evidence of change: year first seen, tier",
        )
        self._legend_of_years(years, colours, blind=bool(blind.any()))

    def _legend_of_years(
        self, years: Sequence[int], colours: NDArray[np.float64], *, blind: bool
    ) -> None:
        """Explain the colours as a table: years down, tiers across."""
        legend = self._legend(2)
        columns = (62.0, 92.0, 122.0)
        self._entry(legend, (0, 0), "首次发现年份", "year first seen")
        for x, tier in zip(columns, TIERS[::-1], strict=True):
            self._entry(legend, (x, 0), *TIER_LABELS[tier], align="center")
        self._entry(legend, (150, 0), "证据等级", "tier")
        height = min(13.0, (LEGEND_HEIGHT_PT - 18) / max(1, len(years)) - 1)
        top = 17.0
        for row, (year, colour) in enumerate(zip(years, colours, strict=True)):
            y = top + row * (height + 1)
            merged = row == 0 and len(years) == MOST_YEARS
            self._write(
                legend,
                (0, y + height / 2),
                f"{year} 及以前" if merged else f"{year}",
                6.8,
                valign="center",
            )
            for x, tier in zip(columns, TIERS[::-1], strict=True):
                shade = 0.93 * (1 - OPACITY[tier]) + colour * OPACITY[tier]
                legend.add_patch(
                    Rectangle((x - 13, y), 26, height, facecolor=shade, linewidth=0)
                )
        if blind:
            swatch = _hatched((10, 16)).astype(np.uint8)
            legend.imshow(swatch, extent=(150, 166, top + 10, top), aspect="auto")
            self._entry(legend, (169, top - 2), "未监测", "not monitored")
            # imshow has moved the limits
            legend.set_xlim(0, LEGEND_WIDTH_PT)
            legend.set_ylim(LEGEND_HEIGHT_PT, 0)

    def _alerts(self, pale: NDArray[np.uint8]) -> None:
        """Draw licences, sites and alerts, the most urgent on top."""
        axes = self._panel(
            3, pale, "④ 疑似线索与许可证", "Alerts by rank, and licences"
        )
        alerted = {alert.site.site_id for alert in self.result.alerts}
        for site in self.result.sites:
            if site.state in STANDING and site.site_id not in alerted:
                for part in self.place.here(site.latest.disturbance.geometry):
                    _draw(axes, part, fill=QUIET, edge=FAINT, width=0.4)
        self._licences(axes)
        present: dict[Category, int] = dict.fromkeys(Category, 0)
        for alert in sorted(self.result.alerts, key=lambda a: -a.rank):
            category = alert.verdict.category
            present[category] += 1
            for part in self.place.here(alert.site.latest.disturbance.geometry):
                _draw(axes, part, fill=CATEGORY_COLOURS[category])
        self._ranks(axes, self._licence_numbers(axes))
        self._legend_of_alerts({c: n for c, n in present.items() if n})

    def _licences(self, axes: Axes) -> None:
        """Outline the parcels."""
        day = self.result.partition.week.last_day
        for licence in self.result.register.licences:
            in_force = validity_on(licence, day) is Validity.IN_FORCE
            for part in self.place.here(licence.geometry):
                _draw(
                    axes,
                    part,
                    edge=KIND_COLOURS[licence.kind],
                    width=1.6,
                    dashes=_dashes(licence.kind, in_force=in_force),
                )

    def _licence_numbers(self, axes: Axes) -> list[Box]:
        """Write the numbers of licences on their upper edges; say what that takes."""
        taken = []
        for licence in self.result.register.licences[:MOST_LICENCES]:
            parts = self.place.here(licence.geometry)
            if not parts:
                continue
            text = _short(licence.licence_id)
            west, _, east, north = self.place.percent(max(parts, key=lambda p: p.area))
            # a wide character is as wide as the type is high
            width = 1.15 * sum(2.0 if ord(c) > LAST_NARROW else 1.1 for c in text)
            x = min(max((west + east) / 2, width / 2 + 1), 99 - width / 2)
            y = min(north, 97.0)
            taken.append((x - width / 2, y - 2.0, x + width / 2, y + 2.0))
            self._write(
                axes,
                (x / 100, y / 100),
                text,
                6,
                colour=KIND_COLOURS[licence.kind],
                align="center",
                valign="center",
                halo=2.2,
                inside=True,
            )
        return taken

    def _ranks(self, axes: Axes, taken: list[Box]) -> None:
        """Write the first ranks on or beside their alerts, where there is room."""
        for alert in sorted(self.result.alerts, key=lambda a: a.rank)[:MOST_RANKS]:
            parts = self.place.here(alert.site.latest.disturbance.geometry)
            if not parts:
                continue
            largest = max(parts, key=lambda part: part.area)
            west, south, east, north = self.place.percent(largest)
            spots = [
                (east + 1.3, north + 1.2),
                (west - 1.3, north + 1.2),
                (east + 1.3, south - 1.2),
                (west - 1.3, south - 1.2),
            ]
            if min(east - west, north - south) > ROOMY:
                inside = largest.representative_point()
                spots.insert(0, self.place.percent(inside)[:2])
            width = 1.2 * len(str(alert.rank))
            for x, y in spots:
                box = (x - width, y - 1.7, x + width, y + 1.7)
                on_panel = min(box) > 1 and max(box) < 99  # noqa: PLR2004 - percent
                if on_panel and not any(_overlap(box, other) for other in taken):
                    taken.append(box)
                    self._write(
                        axes,
                        (x / 100, y / 100),
                        f"{alert.rank}",
                        5.8,
                        align="center",
                        valign="center",
                        halo=1.6,
                        inside=True,
                    )
                    break

    def _legend_of_alerts(self, present: Mapping[Category, int]) -> None:
        """Explain fills on the left and outlines on the right."""
        legend = self._legend(3)
        row = 0.0
        listed = list(present)[:MOST_CATEGORIES]
        for category in listed:
            zh, en = CATEGORY_LABELS[category]
            _swatch(legend, row, CATEGORY_COLOURS[category])
            self._entry(legend, (13, row), f"{zh}{WIDE_SPACE}{present[category]}", en)
            row += ROW_PT
        others = sum(present.values()) - sum(present[c] for c in listed)
        if others:
            self._entry(
                legend, (13, row), f"其他类别{WIDE_SPACE}{others}", "other categories"
            )
        elif len(listed) < MOST_CATEGORIES:
            _swatch(legend, row, QUIET)
            self._entry(legend, (13, row), "无线索的图斑", "sites without an alert")
        self._legend_of_licences(legend)

    def _legend_of_licences(self, legend: Axes) -> None:
        """Explain the outlines."""
        day = self.result.partition.week.last_day
        found = {
            (licence.kind, validity_on(licence, day))
            for licence in self.result.register.licences
            if self.place.here(licence.geometry)
        }
        row, x = 0.0, 122.0
        for kind in LicenceKind:
            for validity in Validity:
                if (kind, validity) not in found or row > LEGEND_HEIGHT_PT - ROW_PT:
                    continue
                legend.plot(
                    [x, x + 12],
                    [row + 6, row + 6],
                    color=KIND_COLOURS[kind],
                    linewidth=1.6,
                    linestyle=_dashes(kind, in_force=validity is Validity.IN_FORCE),
                )
                zh, en = KIND_LABELS[kind]
                state_zh, state_en = VALIDITY_LABELS[validity]
                self._entry(
                    legend, (x + 16, row), f"{zh}·{state_zh}", f"{en}, {state_en}"
                )
                row += ROW_PT

    # small things

    def _write(
        self,
        axes: Axes | None,
        xy: tuple[float, float],
        text: str,
        points: float,
        *,
        colour: str = INK,
        align: str = "left",
        valign: str = "baseline",
        halo: float = 0.0,
        inside: bool = False,
    ) -> None:
        """Write one line; nothing in it is taken for mathematics."""
        parent = self.figure if axes is None else axes
        label = parent.text(*xy, self.typeface.drawable(text))
        label.set_fontproperties(self.typeface.at(points))
        label.set_parse_math(False)
        label.set_color(colour)
        label.set_horizontalalignment(align)
        label.set_verticalalignment(valign)
        label.set_zorder(6)
        if inside and axes is not None:
            label.set_transform(axes.transAxes)
        if halo:
            label.set_path_effects([withStroke(linewidth=halo, foreground="white")])

    def _entry(
        self,
        legend: Axes,
        xy: tuple[float, float],
        zh: str,
        en: str,
        *,
        align: str = "left",
    ) -> None:
        """Write Chinese, and English small beneath."""
        x, y = xy
        self._write(legend, (x, y + 6.8), zh, 7.2, align=align)
        self._write(legend, (x, y + 12.4), en, 5.0, colour=FAINT, align=align)

    def _north(self, axes: Axes) -> None:
        """Draw an arrow to true north."""
        right, up = self.place.north()
        x, y, size = 0.925, 0.885, 0.055
        tip = (x + right * size, y + up * size)
        foot = (x - right * size * 0.7, y - up * size * 0.7)
        notch = (x - right * size * 0.25, y - up * size * 0.25)
        for side, fill in ((-1, INK), (1, "white")):
            wing = (
                foot[0] + side * up * size * 0.5,
                foot[1] - side * right * size * 0.5,
            )
            axes.add_patch(
                Arrow(
                    [tip, wing, notch],
                    closed=True,
                    transform=axes.transAxes,
                    facecolor=fill,
                    edgecolor=INK,
                    linewidth=0.7,
                    zorder=5,
                )
            )
        self._write(
            axes,
            (tip[0] + right * 0.035, tip[1] + up * 0.035),
            "北 N",
            6,
            align="center",
            valign="center",
            halo=1.8,
            inside=True,
        )

    def _scale(self, axes: Axes) -> None:
        """Draw a bar of a round length."""
        left, right, _, _ = self.place.extent
        across = (right - left) * self.place.metres_per_x
        metres = round_below(across / 3)
        share = metres / across
        x, y, height = 0.05, 0.05, 0.014
        axes.add_patch(
            Rectangle(
                (x - 0.02, y - 0.025),
                share + 0.04,
                0.085,
                transform=axes.transAxes,
                facecolor="white",
                alpha=0.8,
                linewidth=0,
                zorder=4,
            )
        )
        for half, fill in enumerate((INK, "white")):
            axes.add_patch(
                Rectangle(
                    (x + half * share / 2, y - 0.01),
                    share / 2,
                    height,
                    transform=axes.transAxes,
                    facecolor=fill,
                    edgecolor=INK,
                    linewidth=0.7,
                    zorder=5,
                )
            )
        text = f"{metres / 1000:g} km" if metres >= M_PER_KM else f"{metres:g} m"
        self._write(
            axes, (x + share / 2, y + 0.017), text, 6, align="center", inside=True
        )

    def _pixel_m(self) -> float:
        """Give the width of a pixel on the ground, metres."""
        return float(f"{self.grid.pixel_width * self.place.metres_per_x:.3g}")


def _overlap(a: Box, b: Box) -> bool:
    """Say whether two boxes share any ground."""
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]


def _days(picture: "Picture") -> str:
    """Write the days of a picture."""
    return f"{picture.first_day} – {picture.last_day}"


def _sentences(text: str) -> tuple[str, str]:
    """Part a notice into its Chinese and its English."""
    zh, mark, en = text.rpartition("。")
    return zh + mark, en


def _degree(value: float, letters: str, decimals: int = 3) -> str:
    """Write degrees with their direction."""
    return f"{abs(value):.{decimals}f}°{letters[0] if value >= 0 else letters[1]}"


def _short(text: str) -> str:
    """Shorten a number from anywhere so that it fits on a parcel."""
    most = 24
    return text if len(text) <= most else f"{text[: most - 8]}…{text[-7:]}"


def _thinned(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Take every nth pixel of an image that is larger than any panel."""
    step = max(1, math.ceil(max(image.shape[:2]) / MOST_PIXELS))
    return image[::step, ::step]


def _pale(rgb: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Turn a picture into a light grey ground that colours stand out on."""
    grey = rgb @ np.array([0.299, 0.587, 0.114])
    light = 255 - (255 - grey) * 0.3
    return np.repeat(light[..., None], 3, axis=2).round().astype(np.uint8)


def _hatched(shape: tuple[int, ...]) -> NDArray[np.float64]:
    """Give white pixels with grey diagonals."""
    rows, cols = np.indices(shape[:2])
    grey = np.where((rows + cols) % 4 == 0, 150.0, 245.0)
    return np.repeat(grey[..., None], 3, axis=2)


def _years(first_seen: NDArray[np.datetime64]) -> NDArray[np.int64]:
    """Give the year of each date; 0 for NaT."""
    year = first_seen.astype("datetime64[Y]").astype(np.int64) + 1970
    year[np.isnat(first_seen)] = 0
    return year


def _year_colours(year: NDArray[np.int64]) -> tuple[list[int], NDArray[np.float64]]:
    """Choose the years of the legend, and dark to bright colours for old to new."""
    years = [int(y) for y in np.unique(year[year > 0])][-MOST_YEARS:]
    places = np.linspace(0.05, 0.86, max(2, len(years)))[-len(years) or None :]
    return years, mpl.colormaps["plasma"](places)[: len(years), :3]


def _dashes(kind: LicenceKind, *, in_force: bool) -> tuple[float, tuple[float, ...]]:
    """Give the dashes of an outline: solid is a mining right in force."""
    if not in_force:
        return (0, (0.8, 1.2))
    return (0, ()) if kind is LicenceKind.MINING else (0, (3.5, 1.2))


def _draw(
    axes: Axes,
    polygon: Polygon,
    *,
    fill: str | None = None,
    edge: str = INK,
    width: float = 0.55,
    dashes: tuple[float, tuple[float, ...]] = (0, ()),
) -> None:
    """Draw one polygon, holes left open."""
    rings = [polygon.exterior, *polygon.interiors]
    outline = Outline.make_compound_path(
        *(Outline(shapely.get_coordinates(ring), closed=True) for ring in rings)
    )
    axes.add_patch(
        PathPatch(
            outline,
            facecolor=fill or "none",
            edgecolor=edge,
            linewidth=width,
            linestyle=dashes,
            joinstyle="miter",
        )
    )


def _swatch(legend: Axes, row: float, colour: str) -> None:
    """Draw a filled square of a legend."""
    legend.add_patch(
        Rectangle((0, row + 1.5), 9, 8, facecolor=colour, edgecolor=INK, linewidth=0.55)
    )
