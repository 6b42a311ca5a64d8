"""The triage file: alerts to be judged in QGIS, with imagery, and their way back.

``triage.gpkg`` holds the layers, the rules and a copy of the project; ``triage.qgz``
opens it by a double click. Everything is referred to by relative paths, so that the
folder can be carried away.
"""

import math
import sqlite3
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import pyproj
import shapely
from shapely import MultiPolygon, Polygon

from rsmonitor.errors import OutputError
from rsmonitor.io.deliver import qml
from rsmonitor.io.deliver.geojson import notice, rounded
from rsmonitor.io.deliver.geopackage import (
    coverage_layer,
    labels_in,
    licence_layer,
)
from rsmonitor.io.deliver.legend import CATEGORY_COLOURS, TIER_LABELS
from rsmonitor.io.deliver.pictures.chip_rasters import ChipRaster, write_chip_rasters
from rsmonitor.io.deliver.tables import clean
from rsmonitor.io.deliver.triage.columns import (
    COLUMNS,
    TITLES,
    codes_in,
    in_language,
    row_of,
)
from rsmonitor.io.deliver.triage.delivery import (
    ALERTS,
    DELIVERY,
    package_id,
    sign,
)
from rsmonitor.io.deliver.triage.form import form_in, label_in
from rsmonitor.io.deliver.triage.qgis_form import escaped, form_parts, tips
from rsmonitor.io.deliver.triage.qgis_package import (
    ColumnType,
    Imprint,
    Layer,
    write_layers,
)
from rsmonitor.io.deliver.triage.qgis_project import (
    Bookmark,
    Bounds,
    LayerGroup,
    Project,
    ProjectLayer,
    basemap_layer,
    keep_project,
    project_file,
    raster_crs,
)
from rsmonitor.io.deliver.triage.rules import lay_rules
from rsmonitor.io.foundation.files import write_atomic
from rsmonitor.records.basemap import Basemap
from rsmonitor.records.case import LEVEL_LABELS
from rsmonitor.records.package import CHIP_LABELS, Area, ChipRole, Package
from rsmonitor.records.rasters import Tier
from rsmonitor.records.verdict import CATEGORY_LABELS, Category

PACKAGE_FILE: Final = "triage.gpkg"
PROJECT_FILE: Final = "triage.qgz"

_OUTLINES: Final = {
    Tier.HIGH: (0.9, "solid"),
    Tier.MEDIUM: (0.45, "solid"),
    Tier.LOW: (0.45, "dash"),
}
"""Millimetres and line by tier: they differ in black and white too."""

_BORDER_COLUMNS: Final[dict[str, ColumnType]] = {
    "code": "text",
    "name": "text",
    "level": "text",
}
_BORDER_TITLES: Final = {
    "code": ("行政区划代码", "code"),
    "name": ("名称", "name"),
    "level": ("级别", "level"),
}
_MARGIN: Final = 0.08
_AROUND: Final = 0.004
"""Degrees around an alert that a bookmark shows: some 400 m."""

_LONLAT: Final = "EPSG:4326"


def write_triage(
    folder: Path, package: Package, *, basemaps: Sequence[Basemap] = ()
) -> None:
    """
    Write the triage file of a package, its project and its imagery.

    Parameters
    ----------
    folder : Path
        An existing folder; receives ``triage.gpkg``, ``triage.qgz`` and ``imagery``.
    package : Package
        What the area receives.
    basemaps : sequence of Basemap, optional
        The bureau's own imagery, the uppermost first; no pixel of it is read.

    Raises
    ------
    OutputError
        If anything cannot be written, or a geometry is no place on Earth.
    """
    layers = [
        layer
        for layer in (
            _alerts(package),
            licence_layer(
                package.register,
                package.week.last_day,
                language=package.language,
                extra=tips('"licence_id"', _licence_tip(package)),
                halo="#ffffff",
            ),
            _borders(package),
            coverage_layer(package.coverage, language=package.language),
        )
        if layer is not None
    ]
    project = project_file(
        _project(folder, package, layers, basemaps), name=PROJECT_FILE.split(".")[0]
    )

    def finish(database: sqlite3.Connection) -> None:
        keep_project(database, "triage", project, at=package.week.end)
        sign(database, package)
        lay_rules(database, [*(layer.name for layer in layers[1:]), DELIVERY])

    write_layers(
        folder / PACKAGE_FILE,
        layers,
        imprint=Imprint(
            metadata={
                "notice": notice(invented=package.invented),
                "invented_licences": "true" if package.invented else "false",
                "software": package.software,
                "area": package.area.code,
                "week": str(package.week),
                "package_id": package_id(package),
                "settings_digest": package.settings_digest,
            },
            notice=notice(invented=package.invented),
            at=package.week.end,
        ),
        vocabularies={**labels_in(package.language), **codes_in(package.language)},
        finish=finish,
    )
    write_atomic(folder / PROJECT_FILE, project)


def _alerts(package: Package) -> Layer:
    """Lay out the alerts."""
    geometries = []
    for dossier in package.dossiers:
        alert = dossier.alert
        geometry = rounded(alert.site.latest.disturbance.geometry, what=alert.alert_id)
        if geometry is None:
            raise OutputError(f"{alert.alert_id}: its outline vanishes when rounded")
        geometries.append(geometry)
    renderer = qml.categorised(
        '"category" || \' \' || "tier"', list(_alert_entries(package))
    )
    style = qml.layer_style(
        renderer,
        [
            *form_parts(form_in(package.language)),
            qml.labels(label_in(package.language), expression=True, always=True),
        ],
    )
    return Layer(
        name=ALERTS,
        title=in_language(package.language, ("疑似线索", "alerts")),
        columns=COLUMNS,
        titles=TITLES,
        geometries=geometries,
        rows=[row_of(dossier, package) for dossier in package.dossiers],
        style=style,
    )


def _alert_entries(package: Package) -> Iterator[qml.Entry]:
    """Give the lines of the legend: fill by category, outline by tier."""
    present = {
        (d.alert.verdict.category, d.alert.site.latest.disturbance.tier)
        for d in package.dossiers
    }
    evidence = in_language(package.language, ("证据", "evidence"))
    for category in Category:
        for tier in sorted(_OUTLINES, reverse=True):
            if (category, tier) in present:
                label = in_language(package.language, CATEGORY_LABELS[category])
                how = in_language(package.language, TIER_LABELS[tier])
                width, line = _OUTLINES[tier]
                yield qml.Entry(
                    value=f"{category.value} {tier.code}",
                    label=f"{label} · {evidence}{' ' * how.isascii()}{how}",
                    fill=CATEGORY_COLOURS[category],
                    fill_alpha=60,
                    outline="#000000",
                    outline_mm=width,
                    line=line,
                    halo="#ffffff",
                )


def _licence_tip(package: Package) -> str:
    """Write what a pointer over a licence shows."""
    zh, en = {}, {}
    for column in ("licence_id", "holder", "minerals", "valid_from", "valid_to"):
        zh[column], en[column] = TITLES[column]
    titles = zh if package.language == "zh" else en
    return "<br>".join(
        f"<b>{title}</b>: [% {escaped(column)} %]" for column, title in titles.items()
    )


def _borders(package: Package) -> Layer | None:
    """Lay out the borders of the area and of its counties; None where none is known."""
    areas: dict[str, Area] = {package.area.code: package.area}
    areas |= {figures.area.code: figures.area for figures in package.counties}
    rows: list[dict[str, Any]] = []
    geometries: list[Polygon | MultiPolygon] = []
    for area in areas.values():
        if area.geometry is None:
            continue
        geometry = rounded(area.geometry, what=f"border of {area.code}")
        if geometry is not None:
            geometries.append(geometry)
            rows.append(
                {
                    "code": area.code,
                    "name": clean(_name(area, package)),
                    "level": in_language(package.language, LEVEL_LABELS[area.level]),
                }
            )
    if not rows:
        return None
    line = qml.Entry(
        value="",
        label=in_language(package.language, ("行政边界", "border")),
        fill=None,
        outline="#7b3294",
        outline_mm=0.6,
        line="dash dot",
    )
    return Layer(
        name="borders",
        title=in_language(package.language, ("行政边界", "borders")),
        columns=_BORDER_COLUMNS,
        titles=_BORDER_TITLES,
        geometries=geometries,
        rows=rows,
        style=qml.document(
            qml.single(line),
            titles={
                column: in_language(package.language, title)
                for column, title in _BORDER_TITLES.items()
            },
            code_lists={},
            label_field="name" if len(rows) > 1 else None,
        ),
    )


def _project(
    folder: Path,
    package: Package,
    layers: Sequence[Layer],
    basemaps: Sequence[Basemap],
) -> Project:
    """Put the project together."""
    crs, metres = _map_crs(package)

    def word(zh: str, en: str) -> str:
        return in_language(package.language, (zh, en))

    vectors = {
        layer.name: ProjectLayer(
            layer_id=f"triage_{layer.name}",
            title=layer.title,
            provider="ogr",
            source=f"./{PACKAGE_FILE}|layername={layer.name}",
            crs=_LONLAT,
            style=layer.style,
            read_only=layer.name != ALERTS,
        )
        for layer in layers
    }
    about = tuple(vectors[name] for name in vectors if name != ALERTS)
    groups = [
        LayerGroup(title=word("待判读", "to be judged"), layers=(vectors[ALERTS],)),
        LayerGroup(title=word("权属与范围", "rights and borders"), layers=about),
        *_imagery(folder, package),
    ]
    if basemaps:
        own = tuple(basemap_layer(each, number=n) for n, each in enumerate(basemaps, 1))
        groups.append(
            LayerGroup(title=word("本单位底图", "imagery of the bureau"), layers=own)
        )
    name = clean(_name(package.area, package))
    return Project(
        title=f"{name} {package.week} {word('线索判读', 'triage')}",
        abstract=notice(invented=package.invented),
        crs=crs,
        metres=metres,
        bounds=_view(package, crs),
        groups=tuple(groups),
        bookmarks=tuple(_bookmarks(package)),
    )


def _imagery(folder: Path, package: Package) -> Iterator[LayerGroup]:
    """Give the images as groups: after on top and shown, what came before behind it."""
    rasters = write_chip_rasters(folder, package)
    for role in (ChipRole.AFTER, ChipRole.BEFORE, ChipRole.EVIDENCE):
        mine = [raster for raster in rasters if raster.role is role]
        if mine:
            yield LayerGroup(
                title=in_language(
                    package.language,
                    (
                        f"影像：{CHIP_LABELS[role][0]}",
                        f"imagery {CHIP_LABELS[role][1]}",
                    ),
                ),
                layers=tuple(
                    _raster(folder, raster, package, number)
                    for number, raster in enumerate(mine, start=1)
                ),
                visible=role is ChipRole.AFTER,
                expanded=False,
            )


def _raster(
    folder: Path, raster: ChipRaster, package: Package, number: int
) -> ProjectLayer:
    """Make the layer of one image, its days in the title."""
    title = in_language(package.language, (raster.title_zh, raster.title_en))
    looks = [day.isoformat() for day in raster.days]
    days = " … ".join(dict.fromkeys([looks[0], looks[-1]])) if looks else ""
    return ProjectLayer(
        layer_id=f"imagery_{raster.role.value}_{number}",
        title=title if days in title else f"{title} {days}",
        provider="gdal",
        source=f"./{raster.path}",
        crs=raster_crs(folder / raster.path),
    )


def _name(area: Area, package: Package) -> str:
    """Name an area."""
    return in_language(package.language, (area.name_zh, area.name_en))


def _map_crs(package: Package) -> tuple[str, bool]:
    """Choose how the map is drawn: as the images are, which need no resampling then."""
    grids = [overview.grid for overview in package.overviews]
    grids += [chip.grid for dossier in package.dossiers for chip in dossier.chips]
    for grid in grids:
        crs = pyproj.CRS.from_user_input(grid.crs)
        authority = crs.to_authority()
        if authority is not None and authority[0] == "EPSG":
            return ":".join(authority), crs.is_projected
    return _LONLAT, False


def _view(package: Package, crs: str) -> Bounds:
    """Give the box in which all alerts lie, or all that is watched."""
    shapes = [d.alert.site.latest.disturbance.geometry for d in package.dossiers]
    shapes = shapes or [coverage.geometry for coverage in package.coverage]
    if not shapes and package.area.geometry is not None:
        shapes = [package.area.geometry]
    if not shapes:
        return (-180.0, -90.0, 180.0, 90.0)
    transformer = pyproj.Transformer.from_crs(_LONLAT, crs, always_xy=True)
    left, bottom, right, top = map(float, shapely.total_bounds(shapes))
    west, south, east, north = transformer.transform_bounds(left, bottom, right, top)
    margin = _MARGIN * max(east - west, north - south)
    box = (west - margin, south - margin, east + margin, north + margin)
    if not all(map(math.isfinite, box)):
        raise OutputError(f"the alerts of {package.area.code} lie outside {crs}")
    return box


def _bookmarks(package: Package) -> Iterator[Bookmark]:
    """Give a place an alert, in the order of attention: from one to the next."""
    width = len(str(len(package.dossiers)))
    for dossier in package.dossiers:
        alert = dossier.alert
        west, south, east, north = alert.site.latest.disturbance.geometry.bounds
        category = in_language(
            package.language, CATEGORY_LABELS[alert.verdict.category]
        )
        yield Bookmark(
            title=f"{dossier.place:0{width}d} {dossier.short_name} {category}",
            bounds=(
                round(west - _AROUND, 6),
                round(south - _AROUND, 6),
                round(east + _AROUND, 6),
                round(north + _AROUND, 6),
            ),
        )
