"""The sheet of `rsmonitor.io.deliver.pictures.map`: what stands where.

Imports matplotlib, which is optional; only `render_map` imports this.
"""

import io
import math
from collections.abc import Mapping
from datetime import date
from typing import TYPE_CHECKING, Final

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from numpy.typing import NDArray
from PIL import Image

from rsmonitor.io.deliver.geojson import STANDING
from rsmonitor.io.deliver.legend import (
    CATEGORY_COLOURS,
    KIND_COLOURS,
    TIER_LABELS,
    VALIDITY_LABELS,
    Validity,
    validity_on,
)
from rsmonitor.io.deliver.pictures.pen import (
    FAINT,
    INK,
    SOLID,
    Dashes,
    Lettering,
    Pen,
    draw,
    ems,
    swatch,
)
from rsmonitor.io.deliver.pictures.place import Box, Place
from rsmonitor.io.deliver.pictures.shades import (
    MOST_YEARS,
    OPACITY,
    blended,
    colours_of,
    dyed,
    hatched,
    monitored_everywhere,
    pale,
    thinned,
    years_of,
)
from rsmonitor.io.deliver.pictures.typeface import WIDE_SPACE, Typeface
from rsmonitor.records.alert import M2_PER_MU, NOTICE, NOTICE_INVENTED
from rsmonitor.records.grid import Grid
from rsmonitor.records.licence import KIND_LABELS, LicenceKind
from rsmonitor.records.run import RunResult
from rsmonitor.records.verdict import CATEGORY_LABELS, Category

if TYPE_CHECKING:
    from rsmonitor.io.deliver.pictures.map import Picture

WIDTH_IN: Final = 12.0
HEIGHT_IN: Final = 5.5
DPI: Final = 200
"""The sheet has 2400 by 1100 pixels."""

MOST_BYTES: Final = 1_500_000
"""What a mail or a chat still takes easily."""

# shares of the sheet
LEFT: Final = 0.034
PANEL_WIDTH: Final = 0.2265
PANEL_HEIGHT: Final = PANEL_WIDTH * WIDTH_IN / HEIGHT_IN
PANEL_STEP: Final = 0.242
PANEL_BOTTOM: Final = 0.338
RIGHT: Final = LEFT + 3 * PANEL_STEP + PANEL_WIDTH
LEGEND_TOP: Final = 0.292
LEGEND_HEIGHT: Final = 0.245

# points
LEGEND_WIDTH_PT: Final = PANEL_WIDTH * WIDTH_IN * 72
LEGEND_HEIGHT_PT: Final = LEGEND_HEIGHT * HEIGHT_IN * 72
ROW_PT: Final = 15.8
LABEL_PT: Final = 6.0

MOST_RANKS: Final = 20
"""Alerts whose rank is written beside them."""

MOST_CATEGORIES: Final = 5
"""Categories that have a line of their own in the legend."""

MOST_LICENCES: Final = 30
"""Licences whose number is written on them."""

ROOMY: Final = 5.0
"""Percent of a panel from which a rank is written on an alert, not beside it."""

FRAME: Final = "#333333"
CAUTION: Final = "#ffe08a"
OUTSIDE: Final = "#f4f4f4"
QUIET: Final = "#fbfbfb"
"""Fill of sites that raise no alert."""


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
        self.pen = Pen(typeface)
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
            ground = pale(thinned(after.rgb))
            self._title()
            self._before(before)
            self._after(after)
            self._evidence(ground)
            self._alerts(ground)
            self._foot()
            buffer = io.BytesIO()
            self.figure.savefig(buffer, format="png", metadata={"Software": None})
        data = buffer.getvalue()
        return data if len(data) <= MOST_BYTES else _fewer_colours(data)

    def _title(self) -> None:
        """Say where and when, and loudly where licences are invented."""
        district, week = self.result.district, self.result.partition.week
        monday = date.fromisocalendar(week.year, week.week, 1)
        parts = (district.name_zh, "扰动与疑似线索图", f"{week.year}年第{week.week}周")
        self._note(LEFT, 0.938, WIDE_SPACE.join(parts), Lettering(points=15))
        self._note(
            LEFT,
            0.904,
            f"{district.name_en}: disturbances and alerts, week {week} "
            f"({monday} to {week.last_day})",
            Lettering(points=7.5, colour=FAINT),
        )
        if self.result.register.invented:
            left = 0.664
            banner = Rectangle((left, 0.9), RIGHT - left, 0.075)
            banner.set(facecolor=CAUTION, edgecolor=INK, linewidth=0.8)
            banner.set_transform(self.figure.transFigure)
            self.figure.add_artist(banner)
            zh, en = _sentences(NOTICE_INVENTED)
            middle = (left + RIGHT) / 2
            self._note(middle, 0.942, zh, Lettering(points=11, align="center"))
            self._note(middle, 0.914, en, Lettering(points=7, align="center"))

    def _foot(self) -> None:
        """Say that it is a clue, and who made it."""
        zh, en = _sentences(NOTICE)
        self._note(LEFT, 0.036, zh, Lettering(points=7.5))
        self._note(LEFT, 0.013, en, Lettering(points=5.6, colour=FAINT))
        made = f"{self.result.software}, run {self.result.partition.run_id}"
        faint = Lettering(points=5.6, colour=FAINT, align="right")
        self._note(RIGHT, 0.036, made, faint)
        self._note(RIGHT, 0.013, "Contains modified Copernicus Sentinel data", faint)

    def _note(self, x: float, y: float, text: str, how: Lettering) -> None:
        """Write on the sheet itself."""
        self.pen.write(self.figure, (x, y), text, how)

    def _panel(
        self, number: int, image: NDArray[np.uint8], labels: tuple[str, str]
    ) -> Axes:
        """Place an image with a head and sparse degrees."""
        axes = self.figure.add_axes(
            (LEFT + number * PANEL_STEP, PANEL_BOTTOM, PANEL_WIDTH, PANEL_HEIGHT)
        )
        axes.imshow(
            image,
            extent=self.place.extent,
            interpolation="nearest",
            aspect=self.place.metres_per_y / self.place.metres_per_x,
        )
        left, right, bottom, top = self.place.view
        axes.set_xlim(left, right)
        axes.set_ylim(bottom, top)
        axes.set_facecolor(OUTSIDE)
        axes.tick_params(length=2.5, width=0.6, color=FRAME, pad=1.5)
        for spine in axes.spines.values():
            spine.set_color(FRAME)
            spine.set_linewidth(0.8)
        self._degrees(axes, number)
        chinese = Lettering(points=10, share=True)
        english = Lettering(points=6, colour=FAINT, share=True)
        self.pen.write(axes, (0.0, 1.057), labels[0], chinese)
        self.pen.write(axes, (0.0, 1.018), labels[1], english)
        return axes

    def _degrees(self, axes: Axes, number: int) -> None:
        """Write longitudes below every panel and latitudes beside the first."""
        lons, lats = self.place.ticks(along="x"), self.place.ticks(along="y")
        axes.set_xticks([position for position, _ in lons])
        axes.set_yticks([position for position, _ in lats])
        font = self.typeface.at(5.4)
        axes.set_xticklabels(
            [_degree(lon, "EW") for _, lon in lons], fontproperties=font, color=FAINT
        )
        axes.set_yticklabels(
            [_degree(lat, "NS") if number == 0 else "" for _, lat in lats],
            fontproperties=font,
            color=FAINT,
            rotation=90,
            va="center",
        )

    def _legend(self, number: int) -> Axes:
        """Give the space under a panel, with the point as unit and y downwards."""
        left, bottom = LEFT + number * PANEL_STEP, LEGEND_TOP - LEGEND_HEIGHT
        axes = self.figure.add_axes((left, bottom, PANEL_WIDTH, LEGEND_HEIGHT))
        axes.set_xlim(0, LEGEND_WIDTH_PT)
        axes.set_ylim(LEGEND_HEIGHT_PT, 0)
        axes.set_axis_off()
        return axes

    def _before(self, picture: "Picture") -> None:
        """Draw the ground as it was, north and scale."""
        axes = self._panel(
            0, thinned(picture.rgb), ("① 之前", f"Before: {_days(picture)}")
        )
        self.pen.north(axes, self.place)
        self.pen.scale(axes, self.place)
        zh, en = picture.rendering
        lon, lat = self.place.centre
        centre = WIDE_SPACE.join((_degree(lon, "EW", 4), _degree(lat, "NS", 4)))
        pixel_m = float(f"{self.grid.pixel_width * self.place.metres_per_x:.3g}")
        legend = self._legend(0)
        for row, labels in enumerate(
            (
                (f"{zh}，晴空像元合成", f"{en}, clear looks only"),
                (f"中心 {centre}", f"centre; pixels of {pixel_m:g} m"),
                (
                    f"本次运行使用影像 {len(self.result.products)} 景",
                    "scenes applied by this run",
                ),
            )
        ):
            self.pen.entry(legend, (0, row * ROW_PT), labels)

    def _after(self, picture: "Picture") -> None:
        """Draw the ground as it is, and count beneath."""
        self._panel(1, thinned(picture.rgb), ("② 之后", f"After: {_days(picture)}"))
        seen = [alert.site.latest.disturbance for alert in self.result.alerts]
        area = math.fsum(disturbance.area_m2 for disturbance in seen)
        tiers = [disturbance.tier for disturbance in seen]
        by_tier = WIDE_SPACE.join(
            f"{TIER_LABELS[tier][0]} {tiers.count(tier)}"
            for tier in sorted(OPACITY, reverse=True)
        )
        rows = [
            (
                f"疑似线索 {len(seen)} 处，共 {area / M2_PER_MU:.1f} 亩",
                f"alerts; {area / 1e4:.2f} ha in all",
            ),
            (
                f"证据等级{WIDE_SPACE}{by_tier}",
                "by how much evidence there is: high, medium, low",
            ),
        ]
        for coverage in self.result.coverage:
            if coverage.grid_id == self.grid.grid_id:
                age = coverage.median_days_since_clear
                last = "从未晴空" if math.isnan(age) else f"距上次晴空 {age:.0f} 天"
                rows.append(
                    (
                        f"本周可见 {coverage.share_seen:.0%}{WIDE_SPACE}{last}",
                        "share seen this week; median days since the last clear look",
                    )
                )
        legend = self._legend(1)
        for row, labels in enumerate(rows):
            self.pen.entry(legend, (0, row * ROW_PT), labels)

    def _evidence(self, ground: NDArray[np.uint8]) -> None:
        """Colour the pixels; explain it in a table: years down, tiers across."""
        evidence = self.result.evidence[self.grid.grid_id]
        head = ("③ 变化证据", "Evidence of change: year first seen, tier")
        self._panel(2, dyed(ground, evidence), head)
        legend = self._legend(2)
        columns = dict(zip(OPACITY, (62.0, 92.0, 122.0), strict=True))
        self.pen.entry(legend, (0, 0), ("首次发现年份", "year first seen"))
        for tier, x in columns.items():
            self.pen.entry(legend, (x, 0), TIER_LABELS[tier], align="center")
        self.pen.entry(legend, (150, 0), ("证据等级", "tier"))
        top, years = 17.0, years_of(evidence)
        if not years:
            nothing = ("本图未见变化证据", "no evidence of change here")
            self.pen.entry(legend, (0, top), nothing)
        height = min(13.0, (LEGEND_HEIGHT_PT - top) / max(1, len(years)) - 1)
        for row, (year, colour) in enumerate(
            zip(years, colours_of(years), strict=True)
        ):
            y = top + row * (height + 1)
            merged = row == 0 and len(years) == MOST_YEARS
            label = f"{year} 及以前" if merged else f"{year}"
            how = Lettering(points=7.2, valign="center")
            self.pen.write(legend, (0, y + height / 2), label, how)
            for tier, x in columns.items():
                shade = blended(np.full(3, 225.0), colour, tier) / 255
                cell = Rectangle((x - 13, y), 26, height)
                cell.set(facecolor=tuple(shade), linewidth=0)
                legend.add_patch(cell)
        if not monitored_everywhere(evidence):
            extent = (150, 166, top + 10, top)
            legend.imshow(hatched((10, 16)), extent=extent, aspect="auto")
            # imshow has moved the limits
            legend.set_xlim(0, LEGEND_WIDTH_PT)
            legend.set_ylim(LEGEND_HEIGHT_PT, 0)
            self.pen.entry(legend, (169, top - 2), ("未监测", "not monitored"))

    def _alerts(self, ground: NDArray[np.uint8]) -> None:
        """Draw sites, licences and alerts, the most urgent on top."""
        axes = self._panel(
            3, ground, ("④ 疑似线索与许可证", "Alerts by rank, and licences")
        )
        alerted = {alert.site.site_id for alert in self.result.alerts}
        quiet = 0
        for site in self.result.sites:
            if site.state in STANDING and site.site_id not in alerted:
                parts = self.place.here(site.latest.disturbance.geometry)
                quiet += bool(parts)
                for part in parts:
                    draw(axes, part, fill=QUIET, edge=FAINT, width=0.4)
        self._licences(axes)
        present: dict[Category, int] = dict.fromkeys(Category, 0)
        for alert in sorted(self.result.alerts, key=lambda a: -a.rank):
            category = alert.verdict.category
            parts = self.place.here(alert.site.latest.disturbance.geometry)
            present[category] += bool(parts)
            for part in parts:
                draw(axes, part, fill=CATEGORY_COLOURS[category])
        self._ranks(axes, self._licence_numbers(axes))
        self._legend_of_alerts({c: n for c, n in present.items() if n}, quiet=quiet)

    def _licences(self, axes: Axes) -> None:
        """Outline the parcels."""
        day = self.result.partition.week.last_day
        for licence in self.result.register.licences:
            in_force = validity_on(licence, day) is Validity.IN_FORCE
            for part in self.place.here(licence.geometry):
                draw(
                    axes,
                    part,
                    edge=KIND_COLOURS[licence.kind],
                    width=1.6,
                    dashes=_dashes(licence.kind, in_force=in_force),
                )

    def _licence_numbers(self, axes: Axes) -> list[Box]:
        """Write the numbers of licences on their upper edges; say what that takes."""
        taken: list[Box] = []
        for licence in self.result.register.licences[:MOST_LICENCES]:
            parts = self.place.here(licence.geometry)
            if not parts:
                continue
            text = _short(licence.licence_id)
            half = 0.5 * ems(text) * LABEL_PT / (PANEL_WIDTH * WIDTH_IN * 72) * 100
            west, south, east, north = self.place.percent(
                max(parts, key=lambda p: p.area)
            )
            middle = (west + east) / 2
            for x, y in (
                (middle, north),
                (west + half, north),
                (east - half, north),
                (middle, south),
                (middle, (south + north) / 2),
            ):
                x_in = min(max(x, half + 1), 99 - half)
                y_in = min(max(y, 3.0), 97.0)
                box = (x_in - half, y_in - 2.0, x_in + half, y_in + 2.0)
                if any(_overlap(box, other) for other in taken):
                    continue
                taken.append(box)
                how = Lettering(
                    points=LABEL_PT,
                    colour=KIND_COLOURS[licence.kind],
                    align="center",
                    valign="center",
                    halo=2.2,
                    share=True,
                )
                self.pen.write(axes, (x_in / 100, y_in / 100), text, how)
                break
        return taken

    def _ranks(self, axes: Axes, taken: list[Box]) -> None:
        """Write the first ranks on or beside their alerts, where there is room."""
        how = Lettering(
            points=5.8, align="center", valign="center", halo=1.6, share=True
        )
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
                x, y, _, _ = self.place.percent(largest.representative_point())
                spots.insert(0, (x, y))
            half = 1.2 * len(str(alert.rank))
            for x, y in spots:
                box = (x - half, y - 1.7, x + half, y + 1.7)
                on_panel = min(box) > 1 and max(box) < 99  # noqa: PLR2004 - percent
                if on_panel and not any(_overlap(box, other) for other in taken):
                    taken.append(box)
                    self.pen.write(axes, (x / 100, y / 100), f"{alert.rank}", how)
                    break

    def _legend_of_alerts(self, present: Mapping[Category, int], *, quiet: int) -> None:
        """Explain fills on the left and outlines on the right."""
        legend = self._legend(3)
        row = 0.0
        listed = list(present)[:MOST_CATEGORIES]
        for category in listed:
            zh, en = CATEGORY_LABELS[category]
            swatch(legend, row, CATEGORY_COLOURS[category])
            count = f"{zh}{WIDE_SPACE}{present[category]}"
            self.pen.entry(legend, (13, row), (count, en))
            row += ROW_PT
        others = sum(n for category, n in present.items() if category not in listed)
        if others:
            labels = (f"其他类别{WIDE_SPACE}{others}", "other categories")
            self.pen.entry(legend, (13, row), labels)
        elif quiet:
            swatch(legend, row, QUIET)
            labels = (f"无线索的图斑{WIDE_SPACE}{quiet}", "sites without an alert")
            self.pen.entry(legend, (13, row), labels)
        elif not listed:
            self.pen.entry(legend, (0, row), ("本图无线索", "no alert here"))
        self._legend_of_licences(legend)

    def _legend_of_licences(self, legend: Axes) -> None:
        """Explain the outlines."""
        day = self.result.partition.week.last_day
        found = {
            (licence.kind, validity_on(licence, day))
            for licence in self.result.register.licences
            if self.place.here(licence.geometry)
        }
        ordered = [(k, v) for k in LicenceKind for v in Validity if (k, v) in found]
        x, room = 122.0, int(LEGEND_HEIGHT_PT // ROW_PT)
        for index, (kind, validity) in enumerate(ordered[:room]):
            y = index * ROW_PT
            dashes = _dashes(kind, in_force=validity is Validity.IN_FORCE)
            legend.plot(
                [x, x + 12],
                [y + 6, y + 6],
                color=KIND_COLOURS[kind],
                linewidth=1.6,
                linestyle=dashes,
            )
            kind_zh, kind_en = KIND_LABELS[kind]
            state_zh, state_en = VALIDITY_LABELS[validity]
            labels = (f"{kind_zh}·{state_zh}", f"{kind_en}, {state_en}")
            # the margin of the sheet is room too
            self.pen.entry(legend, (x + 16, y), labels, room=68.0)


def _fewer_colours(png: bytes) -> bytes:
    """Write a PNG again with a palette: a third of the size, hardly to be told."""
    buffer = io.BytesIO()
    with Image.open(io.BytesIO(png)) as image:
        palette = image.convert("RGB").quantize(256, dither=Image.Dither.NONE)
        palette.save(buffer, format="PNG", optimize=True)
    return buffer.getvalue()


def _days(picture: "Picture") -> str:
    """Write the days of a picture."""
    return f"{picture.first_day} to {picture.last_day}"


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


def _dashes(kind: LicenceKind, *, in_force: bool) -> Dashes:
    """Give the dashes of an outline: solid is a mining right in force."""
    if not in_force:
        return (0, (0.8, 1.2))
    return SOLID if kind is LicenceKind.MINING else (0, (3.5, 1.2))


def _overlap(a: Box, b: Box) -> bool:
    """Say whether two boxes share any ground."""
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]
