"""The place of a tip: before, after, how strong, and since when, side by side.

Chinese first, English beside it. Imports matplotlib, which is optional; only its
neighbour ``tip_picture`` imports this.
"""

import io
from typing import Any, Final

import numpy as np
import shapely
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.patheffects import withStroke
from numpy.typing import NDArray
from shapely import MultiPolygon, Polygon

from rsmonitor.io.deliver.pictures.pen import FAINT, INK, Lettering, Pen, ems
from rsmonitor.io.deliver.pictures.place import Place
from rsmonitor.io.deliver.pictures.tip_shades import (
    STRENGTHS,
    Key,
    coloured_by_day,
    coloured_by_strength,
    ground,
    hatched,
)
from rsmonitor.io.deliver.pictures.typeface import Typeface
from rsmonitor.records.grid import Grid
from rsmonitor.records.rasters import Tier
from rsmonitor.records.tip_view import CAVEAT, CHOSEN_LABELS, Mosaic, TipView
from rsmonitor.stages.geodesy import from_lonlat, pixel_size_m

WIDTH_IN: Final = 9.0
HEIGHT_IN: Final = 10.9
DPI: Final = 150
"""The picture has 1350 by 1635 pixels."""

PANEL: Final = 0.47
"""Width of a panel, as a share of the sheet."""

POINTS_PER_INCH: Final = 72

OUTLINE: Final = "#ffe600"
HALO: Final = "#141414"

UNSEEN: Final = "无清晰影像 nothing clear was seen"
MOST_DAYS: Final = 4
"""Days that a title names; of more the first and the last."""

MOST_NOTES: Final = 2
"""Notes that the foot has room for; the JSON has all."""


class TipSheet:
    """What stands where on the picture of a tip's place.

    Parameters
    ----------
    typeface : Typeface
        What text is set in.
    view : TipView
        What can be seen.
    """

    def __init__(self, typeface: Typeface, view: TipView) -> None:
        self.figure = Figure(figsize=(WIDTH_IN, HEIGHT_IN), dpi=DPI, facecolor="white")
        self.view = view
        self.pen = Pen(typeface)

    def png(self) -> bytes:
        """
        Draw all of it.

        Returns
        -------
        bytes
            PNG, the same for the same view.
        """
        self._draw()
        data = io.BytesIO()
        self.figure.savefig(data, format="png", metadata={"Software": None})
        return data.getvalue()

    def _draw(self) -> None:
        """Draw all of it."""
        self._head()
        wide, high = PANEL, PANEL * WIDTH_IN / HEIGHT_IN
        left, right, upper, lower = 0.02, 0.51, 0.512, 0.082
        self._image((left, upper, wide, high), "线索前 before", self.view.before)
        self._image((right, upper, wide, high), "最新 newest", self.view.after)
        self._evidence((left, lower, wide, high), since=False)
        self._evidence((right, lower, wide, high), since=True)
        self._foot()

    def _head(self) -> None:
        """Write which tip it is, and what was seen since."""
        view, since = self.view, self.view.since
        self._line(
            (0.02, 0.978),
            f"线索 {view.tip.tip_id} 现场影像 Imagery of a tip   "
            f"线索日期 day {view.tip.day}",
            12.0,
        )
        last = since.last_clear or "无 none"
        watched = view.share_monitored
        share = "不明 unknown" if watched is None else f"{watched:.0%}"
        self._line(
            (0.02, 0.96),
            f"区域 district {view.district}，数据截至 data until {view.until}    "
            f"线索后 since the tip: {since.looks} 景 looks，清晰 clear {since.clear}，"
            f"部分 partly {since.partly}    最近清晰 last clear look: {last}",
            7.6,
        )
        self._line(
            (0.02, 0.944),
            f"附近 {view.within_m:g} 米内可监测 monitored within "
            f"{view.within_m:g} m: {share}    最强证据 strongest evidence: "
            f"{self._strongest()}",
            7.6,
        )

    def _strongest(self) -> str:
        """Say what the strongest evidence near is."""
        found = self.view.strongest
        if self.view.evidence is None:
            return "不明 unknown"
        if found is None:
            return "无 none"
        name = "below" if found.tier is Tier.NONE else found.tier.code
        words = next(words for key, _, words in STRENGTHS if key == name)
        return (
            f"{words}（{found.score:.1f} nat），首见 first seen {found.first_seen}，"
            f"距 at {found.distance_m:.0f} m"
        )

    def _image(
        self,
        box: tuple[float, float, float, float],
        title: str,
        mosaic: Mosaic | None,
    ) -> None:
        """Draw an image, hatched where nothing was seen."""
        axes = self._panel(box)
        if mosaic is None:
            self._title(box, f"{title}：{UNSEEN}", "")
            self._nothing(axes, UNSEEN)
            return
        colour = "" if mosaic.true_colour else "，假彩色 false colour"
        self._title(
            box,
            f"{title}：{_days(mosaic)}{colour}",
            f"{' '.join(CHOSEN_LABELS[mosaic.chosen])}；"
            f"附近可见 of the ground near seen: {mosaic.share_near:.0%}",
        )
        shown = hatched(mosaic.rgb, ~mosaic.seen)
        self._show(axes, shown, mosaic.grid)

    def _evidence(self, box: tuple[float, float, float, float], *, since: bool) -> None:
        """Draw how strong the evidence is, or since when there is any."""
        title = (
            "何时变化（首次见到）when it changed (first seen)"
            if since
            else "变化证据强度 strength of the evidence of change"
        )
        axes = self._panel(box)
        evidence = self.view.evidence
        if evidence is None:
            self._title(box, f"{title}：不可读 cannot be read", "")
            self._nothing(axes, "见说明 see the notes")
            return
        under = ground(evidence, self.view)
        key: Key
        if since:
            key = coloured_by_day(under, evidence)
        else:
            key = coloured_by_strength(under, evidence)
        self._title(box, title, "" if key else "附近与周围均无 none in the window")
        self._show(axes, hatched(under, ~evidence.monitored), evidence.grid)
        key.append((None, "斜线：无法监测 hatched: not monitored"))
        self._key(axes, key)

    def _panel(self, box: tuple[float, float, float, float]) -> Axes:
        """Make room for an image."""
        axes = self.figure.add_axes(box)
        axes.set_xticks([])
        axes.set_yticks([])
        return axes

    def _show(self, axes: Axes, rgb: NDArray[np.uint8], grid: Grid) -> None:
        """Draw an image with the tip's place, a scale and north."""
        place = Place(grid)
        axes.imshow(rgb, extent=place.extent, interpolation="nearest", aspect="auto")
        left, right, bottom, top = place.view
        axes.set_xlim(left, right)
        axes.set_ylim(bottom, top)
        self._outline(axes, grid)
        self.pen.scale(axes, place)
        self.pen.north(axes, place)

    def _outline(self, axes: Axes, grid: Grid) -> None:
        """Draw where the tip points, and what counts as near."""
        wide, high = pixel_size_m(grid)
        x_m, y_m = grid.pixel_width / wide, grid.pixel_height / high
        here = from_lonlat(self.view.place, grid.crs)
        dark = [withStroke(linewidth=3.0, foreground=HALO)]
        if isinstance(here, Polygon | MultiPolygon):
            parts = here.geoms if isinstance(here, MultiPolygon) else (here,)
            for part in parts:
                for ring in (part.exterior, *part.interiors):
                    axes.plot(*ring.xy, color=OUTLINE, lw=1.4, path_effects=dark)
        else:
            axes.plot(
                [here.x],
                [here.y],
                marker="+",
                ms=12,
                mew=1.4,
                color=OUTLINE,
                path_effects=dark,
            )
        around = _around(here, self.view.within_m, x_m, y_m)
        if around is not None:
            parts = around.geoms if isinstance(around, MultiPolygon) else (around,)
            for part in parts:
                axes.plot(
                    *part.exterior.xy,
                    color=OUTLINE,
                    lw=1.0,
                    linestyle=(0, (4, 3)),
                    path_effects=[withStroke(linewidth=2.2, foreground=HALO)],
                )

    def _nothing(self, axes: Axes, words: str) -> None:
        """Say that there is nothing to draw."""
        axes.set_facecolor("#e4e4e4")
        how = Lettering(points=11, align="center", valign="center", share=True)
        self.pen.write(axes, (0.5, 0.5), words, how)

    def _key(self, axes: Axes, key: Key) -> None:
        """Explain colours in the lower right corner, on pale ground."""
        step, points = 0.036, 6.2
        panel_points = PANEL * WIDTH_IN * POINTS_PER_INCH
        wide = max(ems(words) for _, words in key) * points / panel_points + 0.07
        high = step * len(key) + 0.015
        ground = Rectangle((0.985 - wide, 0.015), wide, high)
        ground.set(facecolor="white", alpha=0.85, linewidth=0, zorder=4)
        ground.set_transform(axes.transAxes)
        axes.add_patch(ground)
        for row, (colour, words) in enumerate(reversed(key)):
            y = 0.022 + row * step
            patch = Rectangle((0.995 - wide, y), 0.03, step * 0.7)
            if colour is None:
                patch.set(facecolor="#bdbdbd", hatch="//////", edgecolor="#464646")
            else:
                patch.set(facecolor=colour, edgecolor=HALO)
            patch.set(linewidth=0.5, zorder=5)
            patch.set_transform(axes.transAxes)
            axes.add_patch(patch)
            how = Lettering(points=points, share=True)
            self.pen.write(axes, (1.035 - wide, y + 0.004), words, how)

    def _title(
        self, box: tuple[float, float, float, float], first: str, second: str
    ) -> None:
        """Write above a panel."""
        top = box[1] + box[3]
        left, _, room, _ = box
        self._line((left, top + 0.0175), first, 7.8, room=room)
        if second:
            self._line((left, top + 0.005), second, 6.6, room=room, faint=True)

    def _foot(self) -> None:
        """Write what a reader must know."""
        lines = [f"{note.zh} {note.en}" for note in self.view.notes[:MOST_NOTES]]
        more = len(self.view.notes) - MOST_NOTES
        if more > 0:
            lines.append(f"另有 {more} 条说明见 and {more} more notes in tip.json")
        lines += [
            "黄线：线索位置；虚线：附近范围。Yellow: the tip's place; dashed: near."
        ]
        lines.append(CAVEAT)
        for row, text in enumerate(lines):
            self._line((0.02, 0.066 - 0.0135 * row), text, 6.2, faint=True)

    def _line(
        self,
        at: tuple[float, float],
        text: str,
        points: float,
        *,
        room: float = 0.96,
        faint: bool = False,
    ) -> None:
        """Write one line on the sheet, smaller where it would be too long."""
        most = room * WIDTH_IN * POINTS_PER_INCH / ems(text)
        how = Lettering(points=min(points, most), colour=FAINT if faint else INK)
        self.pen.write(self.figure, at, text, how)


def _days(mosaic: Mosaic) -> str:
    """Name the days of an image."""
    days = sorted({day.isoformat() for day, _ in mosaic.looks})
    if len(days) <= MOST_DAYS - 1:
        return "、".join(days)
    return f"{days[0]} 至 to {days[-1]}（{len(days)} 天 days）"


def _around(here: Any, within_m: float, x_m: float, y_m: float) -> Any:  # noqa: ANN401
    """Draw what counts as near, in the grid's units; None for nothing around."""
    if within_m <= 0:
        return None
    scale = np.array([x_m, y_m])
    metres = shapely.transform(here, lambda points: points / scale)
    return shapely.transform(metres.buffer(within_m), lambda points: points * scale)
