"""A sample of points by which a map of alerts is judged: drawn by chance, judged blind.

Each tier of alerts is a stratum, and so is the watched ground without an alert, where
alone a mine that was missed can be found. The sheet that people fill in does not say
which stratum a point is of; that stands in a key beside it.
"""

import json
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import rasterio.features
import shapely
import xarray as xr
from affine import Affine
from numpy.typing import NDArray
from shapely import MultiPolygon, Polygon

from rsmonitor.errors import ContractError, OutputError
from rsmonitor.io.foundation.files import staged_folder, write_atomic
from rsmonitor.records.disturbance import CAUSE_LABELS
from rsmonitor.records.rasters import Tier
from rsmonitor.stages.geodesy import WGS84, from_lonlat, to_lonlat
from rsmonitor.wiring.package_images import run_folder
from rsmonitor.wiring.reports import Book, Books

NO_ALERT: Final = "none"
"""The stratum of watched ground without an alert."""

UNCHANGED: Final = "unchanged"
"""What a person says of ground that did not change since the watch began."""

CANNOT_TELL: Final = "cannot_tell"
"""What a person says where no image decides; such a point is not counted."""

ANSWERS: Final[Mapping[str, tuple[str, str]]] = {
    UNCHANGED: ("未变化", "unchanged"),
    **{cause.value: label for cause, label in CAUSE_LABELS.items()},
    CANNOT_TELL: ("无法判定", "cannot tell"),
}
"""What may stand in the column ``reference``, with labels."""

SHEET: Final = "sample.gpkg"
"""What people fill in."""

KEY: Final = "sample.key.json"
"""What they must not see: the stratum of each point, and the areas."""

_BLOCK: Final = 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawn:
    """What was drawn."""

    folder: Path
    """Holds `SHEET` and `KEY`."""

    points: Mapping[str, int]
    """Points by stratum."""

    area_m2: Mapping[str, float]
    """Area by stratum."""

    unwatched_m2: float
    """Ground that is not monitored, of which the sample says nothing."""


def draw_sample(books: Books, folder: Path, *, per_stratum: int, seed: int) -> Drawn:
    """
    Draw a stratified sample of the ground at the end of the last week.

    Parameters
    ----------
    books : Books
        From `rsmonitor.wiring.reports.open_books`; the evidence of the last runs must
        be kept.
    folder : Path
        Where sheet and key go; it must not exist.
    per_stratum : int
        Points of each tier with alerts; of the ground without any, twice as many.
    seed : int
        Of the chance: the same ledger and seed give the same sample.

    Returns
    -------
    Drawn
        What was drawn.

    Raises
    ------
    ContractError
        If `per_stratum` is under 2, or nothing is watched.
    OutputError
        If the folder is there already, or the evidence of a run is not.
    """
    if per_stratum < 2:  # noqa: PLR2004 - below it there is no variance
        raise ContractError(f"per_stratum must be at least 2, got {per_stratum}")
    if folder.exists():
        raise OutputError(
            f"{folder} exists; a sample that people judge is not replaced"
        )
    grounds = [ground for book in books.books for ground in _grounds(book)]
    counts: dict[str, int] = {}
    areas: dict[str, float] = {}
    unwatched = 0.0
    for ground in grounds:
        for stratum, pixels in ground.count().items():
            area = pixels * ground.pixel_m2
            if stratum is None:
                unwatched += area
                continue
            counts[stratum] = counts.get(stratum, 0) + pixels
            areas[stratum] = areas.get(stratum, 0.0) + area
    if not counts:
        raise ContractError("nothing is watched: there is no ground to sample")
    chance = np.random.default_rng(seed)
    wanted = {
        stratum: np.sort(
            chance.choice(
                counts[stratum],
                size=min(
                    counts[stratum],
                    per_stratum * (2 if stratum.endswith(NO_ALERT) else 1),
                ),
                replace=False,
            )
        )
        for stratum in sorted(counts)
    }
    passed = dict.fromkeys(counts, 0)
    found = []
    for ground in grounds:
        found += ground.pick(wanted, passed)
    order = chance.permutation(len(found))
    points = [(f"p{n:04d}", *found[i]) for n, i in enumerate(order, start=1)]
    with staged_folder(folder) as draft:
        _write_sheet(draft / SHEET, [(name, place) for name, _, _, place in points])
        key = {
            "week": str(max(book.runs[-1].week for book in books.books)),
            "runs": [book.runs[-1].run_id for book in books.books],
            "seed": seed,
            "area_m2": areas,
            "unwatched_m2": unwatched,
            "points": {
                name: {"stratum": stratum, "mapped": mapped}
                for name, stratum, mapped, _ in points
            },
        }
        text = json.dumps(key, ensure_ascii=False, indent=1, sort_keys=True)
        write_atomic(draft / KEY, f"{text}\n".encode())
    return Drawn(
        folder=folder,
        points={stratum: len(ranks) for stratum, ranks in wanted.items()},
        area_m2=areas,
        unwatched_m2=unwatched,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Ground:
    """One grid of one district, with its standing alerts."""

    district: str
    path: Path
    crs: str
    transform: Affine
    shape: tuple[int, int]
    pixel_m2: float
    alerts: Sequence[tuple[Polygon | MultiPolygon, int, str]]
    """Outline in the grid's CRS, tier, cause."""

    def count(self) -> dict[str | None, int]:
        """Count pixels by stratum; None: not monitored."""
        counts: dict[str | None, int] = {}
        for _, number, watched in self._blocks():
            tiers = np.where(number < 0, 0, self._tiers()[number])
            counts[None] = counts.get(None, 0) + int((~watched).sum())
            for tier in np.unique(tiers[watched]):
                name = self._stratum(int(tier))
                pixels = int((watched & (tiers == tier)).sum())
                counts[name] = counts.get(name, 0) + pixels
        return counts

    def pick(
        self, wanted: Mapping[str, NDArray[np.int64]], passed: dict[str, int]
    ) -> list[tuple[str, str, Polygon]]:
        """Find the pixels of some ranks: stratum, class of the map, square."""
        found = []
        for (row, col), number, watched in self._blocks():
            tiers = np.where(number < 0, 0, self._tiers()[number])
            for tier in np.unique(tiers[watched]):
                name = self._stratum(int(tier))
                here = np.flatnonzero((watched & (tiers == tier)).ravel())
                first = passed[name]
                passed[name] = first + here.size
                ranks = wanted[name]
                for rank in ranks[(ranks >= first) & (ranks < first + here.size)]:
                    y, x = divmod(int(here[rank - first]), number.shape[1])
                    alert = int(number[y, x])
                    mapped = UNCHANGED if alert < 0 else self.alerts[alert][2]
                    found.append((name, mapped, self._square(row + y, col + x)))
        return found

    def _stratum(self, tier: int) -> str:
        """Name a stratum."""
        word = Tier(tier).code if tier else NO_ALERT
        return f"{self.district}/{word}"

    def _tiers(self) -> NDArray[np.uint8]:
        """Give the tier of each alert; one at the end for 'no alert'."""
        return np.array([tier for _, tier, _ in self.alerts] + [0], dtype=np.uint8)

    def _blocks(
        self,
    ) -> Iterator[tuple[tuple[int, int], NDArray[np.int32], NDArray[np.bool_]]]:
        """Give by block the number of the alert at each pixel, and what counts."""
        with _evidence(self.path) as dataset:
            for row in range(0, self.shape[0], _BLOCK):
                for col in range(0, self.shape[1], _BLOCK):
                    part = dataset["monitored"].isel(
                        y=slice(row, row + _BLOCK), x=slice(col, col + _BLOCK)
                    )
                    watched = part.to_numpy().astype(np.bool_)
                    number = np.full(watched.shape, -1, dtype=np.int32)
                    if self.alerts:
                        number = rasterio.features.rasterize(
                            ((o, n) for n, (o, _, _) in enumerate(self.alerts)),
                            out_shape=watched.shape,
                            fill=-1,
                            transform=self.transform @ Affine.translation(col, row),
                            dtype=np.int32,
                        )
                    # an outline may hold a pixel that is not monitored: it counts too
                    yield (row, col), number, watched | (number >= 0)

    def _square(self, row: int, col: int) -> Polygon:
        """Give the square of a pixel, longitude and latitude."""
        corners = [(0, 0), (1, 0), (1, 1), (0, 1)]
        xy = [self.transform @ (col + dx, row + dy) for dx, dy in corners]
        return to_lonlat(Polygon(xy), self.crs)


def _evidence(path: Path) -> Any:  # noqa: ANN401 - xarray's own context
    """Open the evidence of a run."""
    try:
        return xr.open_dataset(path, engine="netcdf4")
    except (OSError, ValueError) as error:
        raise OutputError(f"{path}: cannot be read as evidence: {error}") from error


def _grounds(book: Book) -> Iterator[_Ground]:
    """Give the grids of a district."""
    folder = run_folder(book)
    paths = sorted(folder.glob("evidence*.nc"))
    if not paths:
        raise OutputError(
            f"{folder} holds no evidence: the outputs of the last run are no longer "
            "kept; draw the sample after the next run"
        )
    for path in paths:
        with _evidence(path) as dataset:
            where = dataset["spatial_ref"].attrs
            left, width, _, top, _, height = (
                float(v) for v in where["GeoTransform"].split()
            )
            shape = dataset["monitored"].shape
        crs = str(where["crs_wkt"])
        transform = Affine(width, 0, left, 0, height, top)
        frame = shapely.box(left, top + shape[0] * height, left + shape[1] * width, top)
        alerts = []
        for alert in book.alerts:
            seen = alert.site.latest.disturbance
            outline = from_lonlat(seen.geometry, crs)
            if outline.intersects(frame):
                alerts.append((outline, int(seen.tier), alert.site.latest.cause.value))
        yield _Ground(
            district=book.settings.district.code,
            path=path,
            crs=crs,
            transform=transform,
            shape=shape,
            pixel_m2=_pixel_m2(crs, transform, shape),
            alerts=alerts,
        )


def _pixel_m2(crs: str, transform: Affine, shape: tuple[int, int]) -> float:
    """Measure the pixel in the middle of a grid, on the ellipsoid."""
    row, col = shape[0] // 2, shape[1] // 2
    corners = [(0, 0), (1, 0), (1, 1), (0, 1)]
    square = Polygon([transform @ (col + x, row + y) for x, y in corners])
    area, _ = WGS84.geometry_area_perimeter(to_lonlat(square, crs))
    return abs(float(area))


def _write_sheet(path: Path, points: Sequence[tuple[str, Polygon]]) -> None:
    """Write what people fill in: a square a point, and nothing that tells its class."""
    import pyogrio  # noqa: PLC0415 - beside its use

    empty = np.array([None] * len(points), dtype=object)
    pyogrio.raw.write(
        str(path),
        np.array([shapely.to_wkb(square) for _, square in points], dtype=object),
        [np.array([name for name, _ in points], dtype=object), *[empty] * 4],
        ["point_id", "reference", "imagery", "who", "note"],
        layer="sample",
        driver="GPKG",
        geometry_type="Polygon",
        crs="EPSG:4326",
        dataset_options={"VERSION": "1.3"},
        # its triggers would keep plain SQLite tools from filling in the sheet
        layer_options={"SPATIAL_INDEX": "NO"},
    )
    words = ", ".join(f"'{code}'" for code in ANSWERS)
    with closing(sqlite3.connect(path)) as database, database:
        # QGIS makes a list of choices of it; the trigger holds in every program
        database.executescript(_CONSTRAINTS)
        database.executemany(
            "INSERT INTO gpkg_data_column_constraints "
            "(constraint_name, constraint_type, value, description) "
            "VALUES ('answers', 'enum', ?, ?)",
            [(code, f"{zh} {en}") for code, (zh, en) in ANSWERS.items()],
        )
        for event in ("INSERT", "UPDATE"):
            database.execute(_TRIGGER.format(event=event, words=words))


_TRIGGER: Final = """
CREATE TRIGGER reference_{event} BEFORE {event} ON sample
WHEN NEW.reference IS NOT NULL AND NEW.reference NOT IN ({words})
BEGIN SELECT RAISE(ABORT, 'reference: 只能从列表中选择 choose from the list'); END
"""
_CONSTRAINTS: Final = """
CREATE TABLE IF NOT EXISTS gpkg_extensions (
  table_name TEXT, column_name TEXT, extension_name TEXT NOT NULL,
  definition TEXT NOT NULL, scope TEXT NOT NULL,
  CONSTRAINT ge_tce UNIQUE (table_name, column_name, extension_name)
);
CREATE TABLE gpkg_data_columns (
  table_name TEXT NOT NULL, column_name TEXT NOT NULL, name TEXT, title TEXT,
  description TEXT, mime_type TEXT, constraint_name TEXT,
  CONSTRAINT pk_gdc PRIMARY KEY (table_name, column_name),
  CONSTRAINT gdc_tn UNIQUE (table_name, name)
);
CREATE TABLE gpkg_data_column_constraints (
  constraint_name TEXT NOT NULL, constraint_type TEXT NOT NULL, value TEXT,
  min NUMERIC, min_is_inclusive BOOLEAN, max NUMERIC, max_is_inclusive BOOLEAN,
  description TEXT,
  CONSTRAINT gdcc_ntv UNIQUE (constraint_name, constraint_type, value)
);
INSERT INTO gpkg_extensions VALUES
  ('gpkg_data_columns', NULL, 'gpkg_schema',
   'http://www.geopackage.org/spec130/#extension_schema', 'read-write'),
  ('gpkg_data_column_constraints', NULL, 'gpkg_schema',
   'http://www.geopackage.org/spec130/#extension_schema', 'read-write');
INSERT INTO gpkg_data_columns VALUES
  ('sample', 'reference', 'reference', '判定', '自监测开始以来 since the watch began',
   NULL, 'answers');
"""
