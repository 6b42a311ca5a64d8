"""The sheet of `rsmonitor.io.deliver.pictures.county_map`: what stands where.

Imports matplotlib, which is optional; only `county_map` imports this.
"""

import io
from collections import Counter
from datetime import date
from typing import Final

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from PIL import Image

from rsmonitor.io.deliver.legend import (
    CATEGORY_COLOURS,
    KIND_COLOURS,
    TIER_LABELS,
    VALIDITY_LABELS,
    Validity,
    validity_on,
)
from rsmonitor.io.deliver.pictures.county_layers import CountyLayers
from rsmonitor.io.deliver.pictures.county_signs import (
    BORDER,
    CATEGORY_ORDER,
    COUNT_COLOURS,
    HATCH_OUTSIDE,
    HATCH_UNSEEN,
    LONG_UNSEEN_DAYS,
    SHADE,
    TIER_MARKS,
    count_class,
    dashes_of,
    mark,
)
from rsmonitor.io.deliver.pictures.map_frame import Frame
from rsmonitor.io.deliver.pictures.pen import FAINT, INK, Lettering, Pen, ems
from rsmonitor.io.deliver.pictures.typeface import WIDE_SPACE, Typeface
from rsmonitor.records.alert import NOTICE, NOTICE_INVENTED
from rsmonitor.records.case import Level
from rsmonitor.records.licence import KIND_LABELS, LicenceKind
from rsmonitor.records.package import Package
from rsmonitor.records.rasters import Tier
from rsmonitor.records.verdict import CATEGORY_LABELS

WIDTH_IN: Final = 7.0
HEIGHT_IN: Final = 9.35

# inches
MAP_LEFT: Final = 0.24
MAP_SIDE: Final = 6.62
MAP_BOTTOM: Final = 2.11
HEAD: Final = 9.07
LEGEND_BOTTOM: Final = 0.50
LEGEND_TOP: Final = 1.86

# points
ROW_PT: Final = 10.0
COLUMNS_PT: Final = (0.0, 128.0, 248.0, 366.0)
LEGEND_WIDTH_PT: Final = MAP_SIDE * 72
LETTERS: Final = 6.6
ROWS: Final = int((LEGEND_TOP - LEGEND_BOTTOM) * 72 // ROW_PT)

CAUTION: Final = "#ffe08a"
FRAME_COLOUR: Final = "#333333"
OUTSIDE: Final = "#ffffff"


class CountySheet:
    """The sheet while it is drawn.

    Parameters
    ----------
    typeface : Typeface
        What text is set in.
    package : Package
        What is drawn.
    frame : Frame or None
        Where; None where nothing says where the area is.
    """

    def __init__(
        self, typeface: Typeface, package: Package, frame: Frame | None
    ) -> None:
        self.typeface = typeface
        self.pen = Pen(typeface)
        self.package = package
        self.frame = frame
        self.figure = Figure()
        self.is_county = package.area.level is Level.COUNTY

    def png(self, dpi: int) -> bytes:
        """
        Draw the sheet.

        Parameters
        ----------
        dpi : int
            Pixels an inch.

        Returns
        -------
        bytes
            A PNG file without any date.
        """
        with mpl.rc_context():
            # a user's own style must not change a product
            mpl.rcdefaults()
            mpl.rcParams["hatch.linewidth"] = 0.45
            self.figure = Figure(figsize=(WIDTH_IN, HEIGHT_IN), dpi=dpi)
            canvas = FigureCanvasAgg(self.figure)
            self._head()
            layers = self._map()
            self._legend(layers)
            self._foot()
            canvas.draw()  # type: ignore[no-untyped-call]  # matplotlib's
            shown = np.asarray(canvas.buffer_rgba())  # type: ignore[no-untyped-call]
            image = Image.fromarray(shown).convert("RGB")
        data = io.BytesIO()
        image.save(data, format="PNG", dpi=(dpi, dpi))
        return data.getvalue()

    def _say(self, zh: str, en: str) -> str:
        """Choose the language."""
        return zh if self.package.language == "zh" else en

    def _note(self, x: float, y: float, text: str, how: Lettering) -> None:
        """Write on the sheet itself, in inches."""
        self.pen.write(self.figure, (x / WIDTH_IN, y / HEIGHT_IN), text, how)

    def _head(self) -> None:
        """Say what, where and when, and loudly where licences are invented."""
        area, week = self.package.area, self.package.week
        monday = date.fromisocalendar(week.year, week.week, 1)
        count = len(self.package.dossiers)
        title = self._say(
            f"{area.name_zh}疑似线索分布图", f"{area.name_en}: map of alerts"
        )
        when = self._say(
            f"{week.year}年第{week.week}周（{monday}至{week.last_day}）"
            f"{WIDE_SPACE}线索 {count} 处",
            f"week {week} ({monday} to {week.last_day}); alerts: {count}",
        )
        banner = 2.35 if self.package.invented else 0.0
        room = (MAP_SIDE - banner) * 72
        how = Lettering(points=min(13.0, room / ems(title)))
        self._note(MAP_LEFT, HEAD, title, how)
        how = Lettering(points=min(7.5, room / ems(when)), colour=FAINT)
        self._note(MAP_LEFT, HEAD - 0.17, when, how)
        if banner:
            left = MAP_LEFT + MAP_SIDE - banner + 0.1
            box = Rectangle(
                (left / WIDTH_IN, (HEAD - 0.16) / HEIGHT_IN),
                (banner - 0.1) / WIDTH_IN,
                0.32 / HEIGHT_IN,
            )
            box.set(facecolor=CAUTION, edgecolor=INK, linewidth=0.7)
            box.set_transform(self.figure.transFigure)
            self.figure.add_artist(box)
            text = self._say(*_sentences(NOTICE_INVENTED))
            size = min(8.5, (banner - 0.2) * 72 / ems(text))
            how = Lettering(points=size, align="center", valign="center")
            self._note(left + (banner - 0.1) / 2, HEAD, text, how)

    def _map(self) -> CountyLayers | None:
        """Draw the map itself."""
        axes = self.figure.add_axes(
            (
                MAP_LEFT / WIDTH_IN,
                MAP_BOTTOM / HEIGHT_IN,
                MAP_SIDE / WIDTH_IN,
                MAP_SIDE / HEIGHT_IN,
            )
        )
        axes.set_facecolor(OUTSIDE)
        for spine in axes.spines.values():
            spine.set_color(FRAME_COLOUR)
            spine.set_linewidth(0.8)
        axes.set_xticks([])
        axes.set_yticks([])
        if self.frame is None:
            text = self._say("位置未知，无法成图", "nothing says where the area is")
            how = Lettering(points=10, align="center", valign="center", share=True)
            self.pen.write(axes, (0.5, 0.5), text, how)
            return None
        place = self.frame.place
        left, right, bottom, top = place.view
        axes.set_xlim(left, right)
        axes.set_ylim(bottom, top)
        axes.set_aspect(place.metres_per_y / place.metres_per_x, adjustable="box")
        layers = CountyLayers(self.pen, axes, self.package, self.frame, MAP_SIDE * 72)
        layers.ground()
        layers.graticule(self.typeface)
        if self.is_county:
            layers.licences()
            layers.alerts()
        else:
            layers.counties()
        self.pen.north(axes, place, shrink=0.45)
        self.pen.scale(axes, place, shrink=0.45)
        return layers

    def _legend(self, layers: CountyLayers | None) -> None:
        """Explain everything that is drawn, in four columns."""
        axes = self.figure.add_axes(
            (
                MAP_LEFT / WIDTH_IN,
                LEGEND_BOTTOM / HEIGHT_IN,
                MAP_SIDE / WIDTH_IN,
                (LEGEND_TOP - LEGEND_BOTTOM) / HEIGHT_IN,
            )
        )
        axes.set_xlim(0, LEGEND_WIDTH_PT)
        axes.set_ylim((LEGEND_TOP - LEGEND_BOTTOM) * 72, 0)
        axes.set_axis_off()
        if layers is None:
            return
        if self.is_county:
            self._categories(axes, COLUMNS_PT[0])
        else:
            self._counts(axes, COLUMNS_PT[0])
        self._signs(axes, COLUMNS_PT[1], layers)
        if self.is_county:
            self._licences(axes, COLUMNS_PT[2])
        self._facts(axes, COLUMNS_PT[3], layers)

    def _row(self, axes: Axes, x: float, row: int, text: str, room: float) -> None:
        """Write one row of the legend, smaller where it is long."""
        size = min(LETTERS, room / ems(text))
        how = Lettering(points=size, valign="center")
        self.pen.write(axes, (x, (row + 0.5) * ROW_PT), text, how)

    def _title(self, axes: Axes, x: float, zh: str, en: str) -> None:
        """Write the head of a column."""
        how = Lettering(points=LETTERS, valign="center", colour=FAINT)
        self.pen.write(axes, (x, 0.5 * ROW_PT), self._say(zh, en), how)

    def _categories(self, axes: Axes, x: float) -> None:
        """Explain the colours of the alerts."""
        self._title(axes, x, "线索类别（颜色）", "category of alerts (colour)")
        present = Counter(d.alert.verdict.category for d in self.package.dossiers)
        listed = [c for c in CATEGORY_ORDER if c in present]
        room = COLUMNS_PT[1] - x - 16
        most = ROWS - 1
        shown = listed if len(listed) <= most else listed[: most - 1]
        for row, category in enumerate(shown, start=1):
            mark(axes, (x + 5, (row + 0.5) * ROW_PT), CATEGORY_COLOURS[category], "o")
            label = self._say(*CATEGORY_LABELS[category])
            self._row(axes, x + 13, row, f"{label} {present[category]}", room)
        if len(shown) < len(listed):
            rest = sum(present[category] for category in listed[len(shown) :])
            text = self._say(f"其他类别 {rest}", f"other categories {rest}")
            self._row(axes, x + 13, len(shown) + 1, text, room)
        if not listed:
            text = self._say("本周无线索", "no alert this week")
            self._row(axes, x, 1, text, room)

    def _counts(self, axes: Axes, x: float) -> None:
        """Explain the shades of counties."""
        self._title(axes, x, "各县线索数（颜色）", "alerts by county (colour)")
        present = sorted({count_class(f.standing) for f in self.package.counties})
        for row, index in enumerate(present, start=1):
            (least, most), colour = COUNT_COLOURS[index]
            box = Rectangle((x + 1, row * ROW_PT + 2), 9, ROW_PT - 4)
            box.set(facecolor=colour, edgecolor=INK, linewidth=0.4, alpha=SHADE)
            axes.add_patch(box)
            words = f"{least}" if least == most else f"{least} - {most}"
            self._row(axes, x + 13, row, f"≥{least}" if most is None else words, 100)

    def _signs(self, axes: Axes, x: float, layers: CountyLayers) -> None:
        """Explain shapes, lines and hatches."""
        row = 0
        room = COLUMNS_PT[2] - x - 16
        if self.is_county:
            zh, en = "证据等级（形状）", "amount of evidence (shape)"
            self._title(axes, x, zh, en)
            tiers = {
                d.alert.site.latest.disturbance.tier for d in self.package.dossiers
            }
            for tier in (Tier.HIGH, Tier.MEDIUM, Tier.LOW):
                if tier in tiers:
                    row += 1
                    spot = (x + 5, (row + 0.5) * ROW_PT)
                    mark(axes, spot, "white", TIER_MARKS[tier])
                    self._row(axes, x + 13, row, self._say(*TIER_LABELS[tier]), room)
        else:
            self._title(axes, x, "图例", "signs")
            row = 1
            axes.plot([x + 5], [1.5 * ROW_PT], "o", color=INK, markersize=2.2)
            self._row(axes, x + 13, 1, self._say("一处线索", "one alert"), room)
        if layers.has_border:
            row += 1
            y = (row + 0.5) * ROW_PT
            axes.plot([x, x + 10], [y, y], **BORDER)
            text = self._say("行政区界线", "border")
            self._row(axes, x + 13, row, text, room)
        signs = (
            (layers.has_outside, HATCH_OUTSIDE, ("监测范围外", "not monitored")),
            (
                layers.has_unseen,
                HATCH_UNSEEN,
                (
                    f"逾{LONG_UNSEEN_DAYS}天无晴空观测",
                    f"not seen clear for {LONG_UNSEEN_DAYS} days",
                ),
            ),
        )
        for drawn, hatch, labels in signs:
            if drawn and row < ROWS - 1:
                row += 1
                box = Rectangle((x + 1, row * ROW_PT + 2), 9, ROW_PT - 4)
                box.set(facecolor="white", edgecolor=FAINT, linewidth=0.3)
                box.set_hatch(hatch * 2)
                axes.add_patch(box)
                self._row(axes, x + 13, row, self._say(*labels), room)

    def _licences(self, axes: Axes, x: float) -> None:
        """Explain the outlines of licences."""
        assert self.frame is not None  # noqa: S101 - there are layers
        day = self.package.week.last_day
        found = {
            (licence.kind, validity_on(licence, day))
            for licence in self.package.register.licences
            if self.frame.place.here(licence.geometry)
        }
        ordered = [(k, v) for k in LicenceKind for v in Validity if (k, v) in found]
        self._title(axes, x, "许可证（轮廓）", "licences (outline)")
        room = COLUMNS_PT[3] - x - 18
        if not ordered:
            text = self._say("图内无登记许可证", "none registered here")
            self._row(axes, x, 1, text, room)
        listed = ordered if len(ordered) < ROWS else ordered[: ROWS - 2]
        if len(listed) < len(ordered):
            rest = len(ordered) - len(listed)
            text = self._say(f"另有 {rest} 种", f"{rest} more kinds")
            self._row(axes, x + 16, len(listed) + 1, text, room)
        for row, (kind, validity) in enumerate(listed, start=1):
            y = (row + 0.5) * ROW_PT
            axes.plot(
                [x, x + 12],
                [y, y],
                color=KIND_COLOURS[kind],
                linewidth=1.4,
                linestyle=dashes_of(kind, in_force=validity is Validity.IN_FORCE),
            )
            (kind_zh, kind_en), (state_zh, state_en) = (
                KIND_LABELS[kind],
                VALIDITY_LABELS[validity],
            )
            text = self._say(f"{kind_zh}·{state_zh}", f"{kind_en}, {state_en}")
            self._row(axes, x + 16, row, text, room)

    def _facts(self, axes: Axes, x: float, layers: CountyLayers) -> None:
        """Say what else must be known to read the map."""
        assert self.frame is not None  # noqa: S101 - there are layers
        package = self.package
        self._title(axes, x, "说明", "notes")
        rows = []
        days = [day for each in package.overviews for day in each.days]
        if days:
            ends = sorted({min(days).isoformat(), max(days).isoformat()})
            span = self._say("至", " to ").join(ends)
            rows.append(self._say(f"底图影像 {span}", f"imagery {span}"))
            if not all(each.true_colour for each in package.overviews):
                rows.append(
                    self._say(
                        "近红外、红、绿合成（非真彩）", "near infrared, red, green"
                    )
                )
        else:
            rows.append(self._say("无可用底图影像", "no imagery to lie under the map"))
        if self.is_county and package.dossiers:
            rows.append(
                self._say("数字为本期线索序号", "numbers: place in this package")
            )
        if layers.unlabelled:
            rows.append(
                self._say(
                    f"过密处 {layers.unlabelled} 个序号未注",
                    f"{layers.unlabelled} numbers had no room",
                )
            )
        if layers.unlabelled_licences:
            count = layers.unlabelled_licences
            rows.append(
                self._say(
                    f"{count} 个许可证号未注", f"{count} licence numbers left out"
                )
            )
        if layers.lawful:
            rows.append(
                self._say(
                    f"空心 {layers.lawful} 处：权内未见异常，不列为疑似",
                    f"hollow ({layers.lawful}): nothing abnormal, not suspects",
                )
            )
        if layers.nowhere:
            count = layers.nowhere
            rows.append(
                self._say(
                    f"{count} 个县位置不详，未上图", f"{count} counties not placed"
                )
            )
        if layers.in_force:
            rows.append(
                self._say(
                    "有效许可只画轮廓、注证号，不作线索",
                    "licences in force: no suspects",
                )
            )
        for row, text in enumerate(rows[: ROWS - 1], start=1):
            self._row(axes, x, row, text, LEGEND_WIDTH_PT - x)

    def _foot(self) -> None:
        """Say that it is a clue, how it is projected, and who made it."""
        notice = self._say(*_sentences(NOTICE))
        room = MAP_SIDE * 72
        how = Lettering(points=min(7.0, room / ems(notice)))
        self._note(MAP_LEFT, 0.32, notice, how)
        package = self.package
        made = (
            f"{package.software}{WIDE_SPACE}Contains modified Copernicus Sentinel data"
        )
        projection = (
            "" if self.frame is None else self.frame.projection[package.language]
        )
        for y, text in ((0.19, projection), (0.07, made)):
            size = min(5.4, room / ems(text))
            self._note(MAP_LEFT, y, text, Lettering(points=size, colour=FAINT))


def _sentences(text: str) -> tuple[str, str]:
    """Part a notice into its Chinese and its English."""
    zh, stop, en = text.rpartition("。")
    return zh + stop, en
