"""What is drawn on a map besides images: letters, polygons, an arrow, a bar.

Imports matplotlib, which is optional; only its neighbour ``sheet`` imports this.
"""

import math
from dataclasses import dataclass
from typing import Final, Literal

import shapely
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import PathPatch, Rectangle
from matplotlib.patches import Polygon as Triangle
from matplotlib.path import Path as Outline
from matplotlib.patheffects import withStroke
from shapely import Polygon

from rsmonitor.io.deliver.pictures.place import Place, round_below
from rsmonitor.io.deliver.pictures.typeface import Typeface

INK: Final = "#1a1a1a"
FAINT: Final = "#5c5c5c"
M_PER_KM: Final = 1000

LAST_NARROW: Final = "\u2e7f"
"""Characters beyond are as wide as they are high."""

Dashes = tuple[float, tuple[float, ...]]
"""Offset, and lengths of strokes and gaps; no length for a solid line."""

SOLID: Final[Dashes] = (0, ())


@dataclass(frozen=True, slots=True, kw_only=True)
class Lettering:
    """How a line of text is set."""

    points: float
    """Size."""

    colour: str = INK
    """``#rrggbb``."""

    align: Literal["left", "center", "right"] = "left"
    """Which part of the line stands at its place."""

    valign: Literal["baseline", "center"] = "baseline"
    """The same, upwards."""

    halo: float = 0.0
    """Width of a white rim in points; 0 for none."""

    share: bool = False
    """True where the place is a share of the panel, not in its own units."""


class Pen:
    """Writes and draws in one typeface.

    Parameters
    ----------
    typeface : Typeface
        What text is set in.
    """

    def __init__(self, typeface: Typeface) -> None:
        self.typeface = typeface

    def write(
        self, on: Figure | Axes, xy: tuple[float, float], text: str, how: Lettering
    ) -> None:
        """
        Write one line; nothing in it is taken for mathematics.

        Parameters
        ----------
        on : Figure or Axes
            What is written on.
        xy : tuple of float
            Where.
        text : str
            From anywhere.
        how : Lettering
            Size, colour and place.
        """
        line = on.text(*xy, self.typeface.drawable(text))
        line.set_fontproperties(self.typeface.at(how.points))
        line.set_parse_math(False)
        line.set_color(how.colour)
        line.set_horizontalalignment(how.align)
        line.set_verticalalignment(how.valign)
        line.set_zorder(6)
        if how.share and isinstance(on, Axes):
            line.set_transform(on.transAxes)
        if how.halo:
            line.set_path_effects([withStroke(linewidth=how.halo, foreground="white")])

    def entry(
        self,
        legend: Axes,
        xy: tuple[float, float],
        labels: tuple[str, str],
        *,
        align: Literal["left", "center"] = "left",
        room: float = math.inf,
    ) -> None:
        """
        Write Chinese, and English small beneath.

        Parameters
        ----------
        legend : Axes
            With the point as unit, y downwards.
        xy : tuple of float
            Top of the entry.
        labels : tuple of str
            Chinese and English.
        align : str, default left
            ``left`` or ``center``.
        room : float, optional
            Width that there is, points; longer lines are set smaller.
        """
        x, y = xy
        zh, en = labels
        chinese = Lettering(points=min(7.2, room / ems(zh)), align=align)
        english = Lettering(points=min(5.0, room / ems(en)), colour=FAINT, align=align)
        self.write(legend, (x, y + 6.8), zh, chinese)
        self.write(legend, (x, y + 12.4), en, english)

    def north(self, axes: Axes, place: Place, *, shrink: float = 1.0) -> None:
        """
        Draw an arrow to true north in the upper right corner.

        Parameters
        ----------
        axes : Axes
            A panel.
        place : Place
            Where the panel lies.
        shrink : float, default 1
            Less on a panel that is larger than a quarter of a sheet.
        """
        right, up = place.north()
        x, y, size = 1 - 0.075 * shrink, 1 - 0.115 * shrink, 0.055 * shrink

        def spot(forward: float, aside: float) -> tuple[float, float]:
            return (
                x + size * (forward * right + aside * up),
                y + size * (forward * up - aside * right),
            )

        for aside, fill in ((-0.5, INK), (0.5, "white")):
            axes.add_patch(
                Triangle(
                    [spot(1.0, 0.0), spot(-0.7, aside), spot(-0.25, 0.0)],
                    closed=True,
                    transform=axes.transAxes,
                    facecolor=fill,
                    edgecolor=INK,
                    linewidth=0.7,
                    zorder=5,
                )
            )
        how = Lettering(points=6, align="center", valign="center", halo=1.8, share=True)
        self.write(axes, spot(1.65, 0.0), "北 N", how)

    def scale(self, axes: Axes, place: Place, *, shrink: float = 1.0) -> None:
        """
        Draw a bar of a round length in the lower left corner.

        Parameters
        ----------
        axes : Axes
            A panel.
        place : Place
            Where the panel lies.
        shrink : float, default 1
            Less on a panel that is larger than a quarter of a sheet.
        """
        left, right, _, _ = place.view
        across = (right - left) * place.metres_per_x
        metres = round_below(across / 3)
        share = metres / across
        x = y = 0.05 * shrink
        ground = Rectangle(
            (x - 0.02 * shrink, y - 0.025 * shrink),
            share + 0.04 * shrink,
            0.085 * shrink,
        )
        ground.set(facecolor="white", alpha=0.8, linewidth=0, zorder=4)
        halves = [
            Rectangle(
                (x + half * share / 2, y - 0.01 * shrink), share / 2, 0.014 * shrink
            )
            for half in (0, 1)
        ]
        for bar, fill in zip(halves, (INK, "white"), strict=True):
            bar.set(facecolor=fill, edgecolor=INK, linewidth=0.7, zorder=5)
        for patch in (ground, *halves):
            patch.set_transform(axes.transAxes)
            axes.add_patch(patch)
        text = f"{metres / M_PER_KM:g} km" if metres >= M_PER_KM else f"{metres:g} m"
        how = Lettering(points=6, align="center", share=True)
        self.write(axes, (x + share / 2, y + 0.017 * shrink), text, how)


def ems(text: str) -> float:
    """
    Estimate how wide a line is, in its own height.

    Parameters
    ----------
    text : str
        Chinese characters are as wide as they are high, Latin about half.

    Returns
    -------
    float
        Width, ems; never zero.
    """
    return sum((1.0 if c > LAST_NARROW else 0.52 for c in text), start=0.1)


def draw(
    axes: Axes,
    polygon: Polygon,
    *,
    fill: str | None = None,
    edge: str = INK,
    width: float = 0.55,
    dashes: Dashes = SOLID,
) -> None:
    """
    Draw one polygon, holes left open.

    Parameters
    ----------
    axes : Axes
        A panel.
    polygon : Polygon
        In the panel's units.
    fill : str, optional
        Colour; nothing for an outline only.
    edge : str
        Colour of the outline.
    width : float
        Width of the outline, points.
    dashes : tuple
        Dashes of the outline.
    """
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


def swatch(legend: Axes, row: float, colour: str) -> None:
    """
    Draw a filled square at the left of a legend.

    Parameters
    ----------
    legend : Axes
        With the point as unit, y downwards.
    row : float
        Top of the entry.
    colour : str
        Its fill.
    """
    square = Rectangle((0, row + 1.5), 9, 8)
    square.set(facecolor=colour, edgecolor=INK, linewidth=0.55)
    legend.add_patch(square)
