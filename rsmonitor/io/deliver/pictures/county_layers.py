"""The layers of a county's map: ground, borders, licences, alerts and their numbers.

Imports matplotlib, which is optional; only its neighbour ``county_sheet`` imports this.
"""

import math
from itertools import pairwise
from typing import TYPE_CHECKING, Final

import numpy as np
import shapely
from matplotlib.axes import Axes
from matplotlib.patches import PathPatch
from matplotlib.path import Path as Outline
from shapely import LineString, Point, Polygon
from shapely.geometry.base import BaseGeometry

from rsmonitor.errors import ContractError
from rsmonitor.io.deliver.legend import (
    CATEGORY_COLOURS,
    KIND_COLOURS,
    Validity,
    validity_on,
)
from rsmonitor.io.deliver.pictures.county_signs import (
    BORDER,
    COUNT_COLOURS,
    HATCH_OUTSIDE,
    HATCH_UNSEEN,
    LONG_UNSEEN_DAYS,
    MARK_PT,
    SHADE,
    TIER_MARKS,
    count_class,
    dashes_of,
    mark,
)
from rsmonitor.io.deliver.pictures.map_frame import Frame, background, lying_here
from rsmonitor.io.deliver.pictures.map_labels import Room, Standing, Wanted
from rsmonitor.io.deliver.pictures.pen import (
    FAINT,
    INK,
    Lettering,
    Pen,
    draw,
    ems,
)
from rsmonitor.io.deliver.pictures.typeface import Typeface
from rsmonitor.records.case import Level
from rsmonitor.records.package import CountyFigures, Dossier, Package
from rsmonitor.records.verdict import Category
from rsmonitor.stages.geodesy import from_lonlat, to_lonlat

if TYPE_CHECKING:
    from rsmonitor.records.licence import Licence

NUMBER_PT: Final = 5.8
LICENCE_PT: Final = 5.4
COUNTY_PT: Final = 6.4

MOST_LICENCES: Final = 120
"""Licences whose number is written, at most."""

FADED: Final = 0.22
"""Share of white in the imagery of a county, so that signs stand out."""

SHADES: Final = 6
"""Steps of the imagery's shades, of 255."""

FADED_FAR: Final = 0.6
"""The same on the map of a prefecture or province."""

VEIL: Final = 0.62
"""How white the ground beyond the border is."""

ROOMY: Final = 3.2
"""Percent of the map from which an alert is drawn as an area too."""


class CountyLayers:
    """Draws one layer after the other.

    Parameters
    ----------
    pen : Pen
        Letters, arrow and scale.
    axes : Axes
        The map.
    package : Package
        What is drawn.
    frame : Frame
        Where.
    side_pt : float
        Side of the map, points.
    """

    def __init__(
        self, pen: Pen, axes: Axes, package: Package, frame: Frame, side_pt: float
    ) -> None:
        self._pen, self._axes = pen, axes
        self._package, self._frame = package, frame
        self._percent = 100 / side_pt
        # what the scale and the arrow stand on
        self._room = Room([(0, 0, 38, 4.5), (93, 89, 100, 100)])
        self.has_border = package.area.geometry is not None
        self.has_outside = False
        self.has_unseen = False
        self.unlabelled = 0
        self.unlabelled_licences = 0
        self.lawful = 0
        self.nowhere = 0
        self.in_force = 0
        self._licence_labels: list[tuple[Licence, Polygon]] = []

    def ground(self) -> None:
        """Draw imagery, what lies beyond the border, and what was not watched."""
        package, frame = self._package, self._frame
        image = background(package.overviews, frame)
        if image is not None:
            faded = FADED if package.area.level is Level.COUNTY else FADED_FAR
            rgb = image[..., :3] * (1 - faded) + 255 * faded
            # fewer shades than an eye tells make a file half as large
            shades = rgb.astype(np.uint8) // SHADES * SHADES
            image = np.concatenate([shades, image[..., 3:]], axis=-1)
            self._axes.imshow(
                image,
                extent=frame.place.extent,
                interpolation="nearest",
                aspect="auto",
                zorder=0,
            )
        sheet = shapely.box(*self._box())
        border = package.area.geometry
        inside = sheet if border is None else lying_here(border, frame)
        if border is not None:
            veil = sheet.difference(inside)
            self._area(veil, facecolor="white", alpha=VEIL, linewidth=0, zorder=1)
        watched = self._watched(inside)
        if border is not None and package.coverage:
            missing = inside.difference(watched)
            self.has_outside = missing.area > 0.001 * sheet.area
            if self.has_outside:
                self._hatch(missing, HATCH_OUTSIDE)
        if border is not None:
            for ring in shapely.get_parts(inside.boundary):
                x, y = shapely.get_coordinates(ring).T
                self._axes.plot(x, y, color="white", linewidth=2.6, alpha=0.7, zorder=2)
                self._axes.plot(x, y, **BORDER, zorder=2)

    def graticule(self, typeface: Typeface) -> None:
        """Draw round meridians and parallels, and write their degrees at the edge."""
        place = self._frame.place
        west, south, east, north = self._box()
        corners = shapely.box(west, south, east, north).segmentize((east - west) / 20)
        lon0, lat0, lon1, lat1 = to_lonlat(corners, self._frame.grid.crs).bounds
        for along in ("x", "y"):
            ticks = place.ticks(along=along)
            step = min(
                (b[1] - a[1] for a, b in pairwise(ticks)),
                default=1.0,
            )
            decimals = max(0, -math.floor(math.log10(step) + 1e-9))
            for position, degree in ticks:
                line = (
                    LineString([(degree, lat0), (degree, lat1)])
                    if along == "x"
                    else LineString([(lon0, degree), (lon1, degree)])
                )
                curve = from_lonlat(
                    line.segmentize(line.length / 30), self._frame.grid.crs
                )
                x, y = shapely.get_coordinates(curve).T
                for colour, width in (("white", 0.9), (FAINT, 0.35)):
                    self._axes.plot(
                        x, y, color=colour, linewidth=width, alpha=0.55, zorder=1.5
                    )
                letters = "EW" if along == "x" else "NS"
                text = f"{abs(degree):.{decimals}f}°{letters[int(degree < 0)]}"
                self._degree(typeface, along, position, text)
        self._axes.set_xlim(west, east)
        self._axes.set_ylim(south, north)

    def licences(self) -> None:
        """Draw the outlines of licences: never filled, they are no suspects."""
        day = self._package.week.last_day
        for licence in self._package.register.licences:
            parts = self._frame.place.here(licence.geometry)
            in_force = validity_on(licence, day) is Validity.IN_FORCE
            for part in parts:
                draw(
                    self._axes,
                    part,
                    edge=KIND_COLOURS[licence.kind],
                    width=1.3,
                    dashes=dashes_of(licence.kind, in_force=in_force),
                )
            self.in_force += in_force and bool(parts)
            if parts:
                largest = max(parts, key=lambda part: part.area)
                self._licence_labels.append((licence, largest))

    def alerts(self) -> None:
        """Draw alerts with their numbers, then the numbers of licences."""
        placed = []
        for dossier in self._package.dossiers:
            spot = self._spot(dossier.point)
            if spot is not None:
                placed.append((dossier, spot))
                half = MARK_PT / 2 * self._percent
                x, y = self._share(spot)
                self._room.take((x - half, y - half, x + half, y + half))
        for dossier, spot in reversed(placed):
            self._alert(dossier, spot)
        for dossier, spot in placed:
            self._number(dossier, spot)
        self._numbers_of_licences()

    def counties(self) -> None:
        """Shade counties by their alerts, and write how many there are."""
        figures = self._package.counties
        for each in figures:
            border = each.area.geometry
            if border is None:
                continue
            colour = COUNT_COLOURS[count_class(each.standing)][1]
            here = lying_here(border, self._frame)
            self._area(here, facecolor=colour, alpha=SHADE, linewidth=0, zorder=1.2)
            self._area(here, facecolor="none", edgecolor=INK, linewidth=0.7, zorder=2)
        spots = [self._spot(d.point) for d in self._package.dossiers]
        for spot in spots:
            if spot is not None:
                self._axes.plot(*spot, "o", color=INK, markersize=1.6, zorder=3)
        for each in figures:
            middle = self._middle(each)
            if middle is None:
                self.nowhere += 1
            else:
                self._county(each, middle)

    # ------------------------------------------------------------------ inside

    def _box(self) -> tuple[float, float, float, float]:
        """Give the edges of the map, in its units."""
        left, right, bottom, top = self._frame.place.view
        return left, bottom, right, top

    def _area(self, geometry: BaseGeometry, **how: object) -> None:
        """Draw polygons, holes left open."""
        for part in shapely.get_parts(geometry):
            if isinstance(part, Polygon) and not part.is_empty:
                rings = [part.exterior, *part.interiors]
                path = Outline.make_compound_path(
                    *(
                        Outline(shapely.get_coordinates(ring), closed=True)
                        for ring in rings
                    )
                )
                patch = PathPatch(path)
                patch.set(**how)
                self._axes.add_patch(patch)

    def _hatch(self, geometry: BaseGeometry, hatch: str) -> None:
        """Hatch polygons, paler than the rest so that strokes show on dark ground."""
        self._area(geometry, facecolor="white", alpha=0.35, linewidth=0, zorder=1.25)
        self._area(
            geometry,
            facecolor="none",
            edgecolor="#555555",
            linewidth=0,
            hatch=hatch,
            zorder=1.3,
        )

    def _watched(self, inside: BaseGeometry) -> BaseGeometry:
        """Give what is watched of the area; hatch what was not seen for long."""
        watched: list[BaseGeometry] = []
        for each in self._package.coverage:
            here = lying_here(each.geometry, self._frame).intersection(inside)
            watched.append(here)
            days = each.median_days_since_clear
            if (math.isnan(days) or days > LONG_UNSEEN_DAYS) and not here.is_empty:
                self.has_unseen = True
                self._hatch(here, HATCH_UNSEEN)
        return shapely.union_all(watched) if watched else Polygon()

    def _degree(
        self, typeface: Typeface, along: str, position: float, text: str
    ) -> None:
        """Write one degree at the southern or western edge."""
        west, south, east, north = self._box()
        inset = 3.0 * self._percent / 100
        line = self._axes.text(
            position if along == "x" else west - inset * (east - west),
            south - inset * (north - south) if along == "x" else position,
            text,
            rotation=0 if along == "x" else 90,
            ha="center" if along == "x" else "right",
            va="top" if along == "x" else "center",
            color=FAINT,
        )
        line.set_fontproperties(typeface.at(5.4))

    def _spot(self, point: Point) -> tuple[float, float] | None:
        """Place a point on the map; None where it is not on it."""
        try:
            here = from_lonlat(point, self._frame.grid.crs)
        except ContractError:
            return None
        west, south, east, north = self._box()
        if not (west <= here.x <= east and south <= here.y <= north):
            return None
        return here.x, here.y

    def _share(self, spot: tuple[float, float]) -> tuple[float, float]:
        """Give a spot in percent of the map."""
        x, y, _, _ = self._frame.place.percent(Point(spot))
        return x, y

    def _alert(self, dossier: Dossier, spot: tuple[float, float]) -> None:
        """Draw one alert: its area where there is room, and its mark."""
        verdict = dossier.alert.verdict
        suspected = verdict.category not in {
            Category.NOTHING_ABNORMAL,
            Category.LEGACY,
        }
        self.lawful += not suspected
        colour = CATEGORY_COLOURS[verdict.category] if suspected else "none"
        seen = dossier.alert.site.latest.disturbance
        for part in self._frame.place.here(seen.geometry):
            west, south, east, north = self._frame.place.percent(part)
            if max(east - west, north - south) >= ROOMY:
                self._area(
                    part,
                    facecolor=colour,
                    edgecolor=INK if suspected else FAINT,
                    alpha=0.55,
                    linewidth=0.6,
                    zorder=3,
                )
        mark(self._axes, spot, colour, TIER_MARKS[seen.tier], zorder=4)

    def _number(self, dossier: Dossier, spot: tuple[float, float]) -> None:
        """Write the place of an alert beside its mark."""
        text = f"{dossier.place}"
        if not self._label(text, spot, NUMBER_PT, INK, gap_pt=MARK_PT / 2 + 0.8):
            self.unlabelled += 1

    def _numbers_of_licences(self) -> None:
        """Write the numbers of licences on them or beside them."""
        for count, (licence, part) in enumerate(self._licence_labels):
            if count >= MOST_LICENCES:
                self.unlabelled_licences += 1
                continue
            inner = part.representative_point()
            west, south, east, north = self._frame.place.percent(part)
            gap = max(1.0, min(east - west, north - south) / 2) / self._percent
            text = _short(licence.licence_id)
            if not self._label(
                text,
                (inner.x, inner.y),
                LICENCE_PT,
                KIND_COLOURS[licence.kind],
                gap_pt=min(gap, 14.0),
                on_spot=True,
                farthest=2,
            ):
                self.unlabelled_licences += 1

    def _label(
        self,
        text: str,
        spot: tuple[float, float],
        points: float,
        colour: str,
        *,
        gap_pt: float,
        on_spot: bool = False,
        farthest: int = 5,
    ) -> bool:
        """Write a label where there is room; say whether there was."""
        x, y = self._share(spot)
        lines = text.split("\n")
        standing = self._room.stand(
            Wanted(
                x=x,
                y=y,
                width=(max(map(ems, lines)) * points + 1.2) * self._percent,
                height=(len(lines) * points * 1.2 + 0.4) * self._percent,
                gap=gap_pt * self._percent,
                on_spot=on_spot,
                farthest=farthest,
            )
        )
        if standing is None:
            return False
        if standing.led:
            self._leader((x, y), standing, colour)
        step = points * 1.2 * self._percent
        for row, line in enumerate(lines):
            how = Lettering(
                points=points,
                colour=colour,
                align="center",
                valign="center",
                halo=1.8,
                share=True,
            )
            up = standing.y + ((len(lines) - 1) / 2 - row) * step
            self._pen.write(self._axes, (standing.x / 100, up / 100), line, how)
        return True

    def _leader(
        self, spot: tuple[float, float], standing: Standing, colour: str
    ) -> None:
        """Draw a line from a mark to its label."""
        xs, ys = (spot[0] / 100, standing.x / 100), (spot[1] / 100, standing.y / 100)
        for shade, width in (("white", 1.2), (colour, 0.4)):
            self._axes.plot(
                xs,
                ys,
                color=shade,
                linewidth=width,
                transform=self._axes.transAxes,
                zorder=3.5,
            )

    def _middle(self, figures: CountyFigures) -> tuple[float, float] | None:
        """Say where the count of a county stands: in it, or amid its alerts."""
        border = figures.area.geometry
        if border is not None:
            here = lying_here(border, self._frame)
            if not here.is_empty:
                inner = here.representative_point()
                return inner.x, inner.y
        code = figures.area.code
        spots = [
            spot
            for dossier in self._package.dossiers
            if code in (dossier.alert.county_codes or (dossier.alert.site.district,))
            and (spot := self._spot(dossier.point)) is not None
        ]
        if not spots:
            return None
        x, y = np.array(spots).mean(axis=0)
        return float(x), float(y)

    def _county(self, figures: CountyFigures, middle: tuple[float, float]) -> None:
        """Write the name of a county and its alerts."""
        zh = self._package.language == "zh"
        area = figures.area
        new = f"（新{figures.new}）" if zh else f" ({figures.new} new)"
        count = f"{figures.standing}{new if figures.new else ''}"
        size = 0.0
        if area.geometry is None:
            size = min(8 + 2 * math.sqrt(figures.standing), 26.0)
            colour = COUNT_COLOURS[count_class(figures.standing)][1]
            self._axes.plot(
                *middle,
                "o",
                markersize=size,
                markerfacecolor=colour,
                markeredgecolor=INK,
                markeredgewidth=0.6,
                alpha=0.75,
                zorder=2.5,
            )
        name = area.name_zh if zh else area.name_en
        text = f"{_short(name)}\n{count}"
        if not self._label(
            text,
            middle,
            COUNTY_PT,
            INK,
            gap_pt=size / 2 + 1 if size else 5.0,
            on_spot=not size,
        ):
            self.unlabelled += 1


def _short(text: str) -> str:
    """Shorten a name from anywhere so that it fits on a map."""
    most = 24
    flat = " ".join(text.split())
    return flat if len(flat) <= most else f"{flat[: most - 8]}…{flat[-7:]}"
