"""Results of runs for the tests of the writers: what a pipeline would hand over.

`result_of` turns evidence on a grid into sites, verdicts and alerts with rules simple
enough to check by eye; `synthetic_evidence` needs no data, `romania` takes the real
cube.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import cache
from pathlib import Path

import numpy as np
import pyproj
import rasterio.features
import shapely
import xarray as xr
from affine import Affine
from numpy.typing import NDArray
from scipy import ndimage
from shapely import MultiPolygon, Polygon

from rsmonitor.records.acquisition import AcquisitionKey, Product
from rsmonitor.records.alert import Alert
from rsmonitor.records.district import District
from rsmonitor.records.disturbance import Cause, Classified, Disturbance, Increment
from rsmonitor.records.grid import Grid
from rsmonitor.records.licence import Licence, LicenceKind, RegisterSnapshot
from rsmonitor.records.provenance import Provenance
from rsmonitor.records.rasters import Tier
from rsmonitor.records.run import Coverage, Partition, RunResult
from rsmonitor.records.site import Site, SiteState
from rsmonitor.records.verdict import Category, Certainty, Part, Verdict
from rsmonitor.records.week import IsoWeek

GEOD = pyproj.Geod(ellps="WGS84")
ROMANIA = Grid(
    crs="EPSG:3035",
    left=5_271_982.5,
    top=2_533_004.25,
    pixel_width=10.0,
    pixel_height=10.0,
    height=100,
    width=100,
)
WEEK = IsoWeek(year=2020, week=40)
DIGEST = hashlib.sha256(b"settings").hexdigest()
RULES = "rules-1"

Area = Polygon | MultiPolygon


def area_m2(geometry: Area) -> float:
    return abs(GEOD.geometry_area_perimeter(geometry)[0])


def to_lonlat(geometry: Area, grid: Grid) -> Area:
    return shapely.transform(
        geometry, _transformer(grid.crs).transform, interleaved=False
    )


@cache
def _transformer(crs: str) -> pyproj.Transformer:
    return pyproj.Transformer.from_crs(crs, "OGC:CRS84", always_xy=True)


def pixels_box(grid: Grid, row: float, col: float, rows: float, cols: float) -> Area:
    """Give the lon/lat outline of a rectangle of pixels."""
    left, top = grid.left + col * grid.pixel_width, grid.top - row * grid.pixel_height
    right, bottom = left + cols * grid.pixel_width, top - rows * grid.pixel_height
    return to_lonlat(shapely.box(left, bottom, right, top), grid)


def licences_on(grid: Grid, *, invented: bool = True) -> tuple[Licence, ...]:
    """Give one mining right in force, one that expired, one exploration right."""
    h, w = grid.shape
    plan = (
        ("样例-采-001", LicenceKind.MINING, (0.08, 0.62, 0.3, 0.3), 2016, 2026),
        ("样例-采-002", LicenceKind.MINING, (0.55, 0.1, 0.35, 0.28), 2014, 2019),
        ("样例-探-003", LicenceKind.EXPLORATION, (0.45, 0.5, 0.3, 0.25), 2017, 2025),
    )
    return tuple(
        Licence(
            licence_id=name,
            kind=kind,
            geometry=pixels_box(grid, r * h, c * w, rr * h, cc * w),
            minerals=("离子型稀土",),
            holder="虚构矿业有限公司",
            valid_from=date(start, 1, 1),
            valid_to=date(end, 12, 31),
            status="valid",
            invented=invented,
        )
        for name, kind, (r, c, rr, cc), start, end in plan
    )


def evidence_dataset(
    grid: Grid, tier: NDArray[np.uint8], first_seen: NDArray[np.datetime64]
) -> xr.Dataset:
    """Give `tier` and `first_seen` the company that they have in a product."""
    h, w = grid.shape
    confirmed = first_seen.astype("datetime64[ns]") + np.timedelta64(25, "D")
    confirmed[tier < Tier.HIGH] = np.datetime64("NaT")
    monitored = np.ones((h, w), dtype=bool)
    monitored[: max(1, h // 20), : max(1, w // 4)] = False
    dims = ("y", "x")
    return xr.Dataset(
        {
            "tier": (dims, tier),
            "first_seen": (dims, first_seen.astype("datetime64[ns]")),
            "confirmed": (dims, confirmed),
            "n_clear": (dims, np.full((h, w), 42, dtype=np.uint16)),
            "outlined": (dims, tier > 0),
            "monitored": (dims, monitored),
            "history": (dims, monitored.astype(np.uint8)),
        },
        coords={
            "y": grid.top - (np.arange(h) + 0.5) * grid.pixel_height,
            "x": grid.left + (np.arange(w) + 0.5) * grid.pixel_width,
        },
    )


def synthetic_evidence(
    grid: Grid = ROMANIA, *, patches: int = 40, seed: int = 7
) -> xr.Dataset:
    """Scatter small openings over three years of a grid."""
    random = np.random.default_rng(seed)
    tier = np.zeros(grid.shape, dtype=np.uint8)
    first_seen = np.full(grid.shape, np.datetime64("NaT"), dtype="datetime64[D]")
    for _ in range(patches):
        row = int(random.integers(2, max(3, grid.height - 8)))
        col = int(random.integers(2, max(3, grid.width - 8)))
        rows, cols = random.integers(1, 6, 2)
        spot = (slice(row, row + int(rows)), slice(col, col + int(cols)))
        tier[spot] = random.integers(1, 4)
        first_seen[spot] = np.datetime64("2018-07-05") + random.integers(0, 800)
    return evidence_dataset(grid, tier, first_seen)


def result_of(
    evidence: xr.Dataset,
    *,
    grid: Grid = ROMANIA,
    licences: Sequence[Licence] | None = None,
    week: IsoWeek = WEEK,
) -> RunResult:
    """Make the result that a run with this evidence would have."""
    licences = tuple(licences_on(grid) if licences is None else licences)
    register = RegisterSnapshot(
        snapshot_id=hashlib.sha256(repr(licences).encode()).hexdigest()[:16],
        licences=licences,
    )
    sites = _sites(evidence, grid, week)
    verdicts = {site.site_id: _verdict(site, register, week) for site in sites}
    order = list(Category)
    standing = sorted(
        (
            s
            for s in sites
            if s.state in {SiteState.NEW, SiteState.ACTIVE}
            and verdicts[s.site_id].raises_alert
        ),
        key=lambda s: (
            -s.latest.disturbance.tier,
            order.index(verdicts[s.site_id].category),
            -s.latest.disturbance.area_m2,
        ),
    )
    alerts = tuple(
        Alert(
            alert_id="a" + site.site_id[1:],
            version=1,
            rank=rank,
            site=site,
            verdict=verdicts[site.site_id],
            county_codes=("360731",),
            bureau="示例县自然资源局",
            provenance=Provenance(
                software="rsmonitor 0.1.0",
                settings_digest=DIGEST,
                scenes=(f"cube/{site.latest.disturbance.began_by}",),
                processing_baselines=(),
                model_id=RULES,
            ),
            invented_licences=register.invented,
        )
        for rank, site in enumerate(standing, start=1)
    )
    end = np.datetime64(week.last_day)
    ages = np.random.default_rng(1).integers(0, 40, grid.shape).astype("m8[D]")
    last_clear = (end - ages).astype("datetime64[ns]")
    last_clear[-1, -3:] = np.datetime64("NaT")
    outline = pixels_box(grid, 0, 0, grid.height, grid.width)
    return RunResult(
        partition=Partition(
            district="demo", week=week, algorithm="1", settings_digest=DIGEST
        ),
        district=District(
            code="demo",
            name_zh="示例林区",
            name_en="Sample forest",
            bureau="示例县自然资源局",
            county_codes=("360731",),
        ),
        grids=(grid,),
        sites=tuple(sorted(sites, key=lambda s: s.site_id)),
        alerts=alerts,
        evidence={grid.grid_id: evidence},
        last_clear={grid.grid_id: xr.DataArray(last_clear, dims=("y", "x"))},
        coverage=(
            Coverage(
                district="demo",
                grid_id=grid.grid_id,
                week=week,
                geometry=outline,
                area_m2=area_m2(outline),
                share_seen=0.62,
                share_monitored=0.98,
                median_days_since_clear=9.0,
                scenes_used=2,
                scenes_without_clear=1,
            ),
        ),
        register=register,
        products=(
            Product(
                key=AcquisitionKey(
                    grid_id=grid.grid_id,
                    platform="unknown",
                    datatake_start=datetime(2020, 9, 30, tzinfo=UTC),
                ),
                product_id="cube/2020-09-30",
                processing_baseline=None,
                sensed_at=datetime(2020, 9, 30, tzinfo=UTC),
                source="cube",
            ),
        ),
        software="rsmonitor 0.1.0",
    )


def _sites(evidence: xr.Dataset, grid: Grid, week: IsoWeek) -> list[Site]:
    tier = evidence["tier"].to_numpy()
    first = evidence["first_seen"].to_numpy().astype("datetime64[D]")
    labels, count = ndimage.label(tier > 0, structure=np.ones((3, 3)))
    sites = []
    for label in range(1, count + 1):
        here = labels == label
        rows, cols = np.nonzero(here)
        outline = shapely.union_all(
            [
                shapely.geometry.shape(shape)
                for shape, _ in rasterio.features.shapes(
                    here.astype(np.uint8), mask=here, transform=Affine(*grid.transform)
                )
            ]
        )
        geometry = to_lonlat(outline, grid)
        highest = Tier(int(tier[here].max()))
        began_by: date = first[here].min().item()
        began_after = began_by - timedelta(days=10)
        confirmed = began_by + timedelta(days=25) if highest is Tier.HIGH else None
        area = area_m2(geometry)
        digest = hashlib.sha256(f"{rows[0]},{cols[0]}".encode()).digest()
        site_id = "s" + "".join(
            "abcdefghijklmnopqrstuvwxyz234567"[b % 32] for b in digest[:12]
        )
        withdrawn = highest is Tier.LOW and digest[13] % 3 == 0
        recovering = highest is Tier.HIGH and digest[13] % 5 == 0
        state = (
            SiteState.WITHDRAWN
            if withdrawn
            else SiteState.RECOVERING
            if recovering
            else SiteState.ACTIVE
            if confirmed
            else SiteState.NEW
        )
        sites.append(
            Site(
                site_id=site_id,
                district="demo",
                state=state,
                latest=Classified(
                    disturbance=Disturbance(
                        grid_id=grid.grid_id,
                        anchor=(int(rows[0]), int(cols[0])),
                        tier=highest,
                        geometry=geometry,
                        area_m2=area,
                        pixels=int(here.sum()),
                        began_after=began_after,
                        began_by=began_by,
                        confirmed=confirmed,
                        last_seen=week.last_day,
                        last_clear=week.last_day,
                        clear_looks_since=7,
                        increments=(
                            Increment(
                                geometry=geometry,
                                area_m2=area,
                                began_after=began_after,
                                began_by=began_by,
                            ),
                        ),
                        features={"ndvi_drop": float("nan")},
                    ),
                    causes={Cause.CLEAR_CUT: 0.625, Cause.DIGGING: 0.375},
                    model_id=RULES,
                ),
            )
        )
    return sites


INSIDE = {
    LicenceKind.MINING: (Category.NOTHING_ABNORMAL, Category.EXPIRED),
    LicenceKind.EXPLORATION: (
        Category.MINING_UNDER_EXPLORATION,
        Category.EXPLORATION_WITHOUT_RIGHT,
    ),
}


def _verdict(site: Site, register: RegisterSnapshot, week: IsoWeek) -> Verdict:
    rest = site.latest.disturbance.geometry
    touching = [x for x in register.licences if x.geometry.intersects(rest)]
    parts = []

    def add(category: Category, geometry: Area, ids: tuple[str, ...]) -> None:
        polygons = [p for p in shapely.get_parts(geometry) if p.geom_type == "Polygon"]
        kept = shapely.union_all([p for p in polygons if area_m2(p) > 1])
        if not kept.is_empty:
            parts.append(
                Part(
                    category=category,
                    certainty=Certainty.POSSIBLE if ids else Certainty.CERTAIN,
                    area_m2=area_m2(kept),
                    licence_ids=ids,
                    clause="Rule of the test.",
                    clause_zh="测试规则。",
                    geometry=kept,
                )
            )

    for licence in touching:
        valid_to = licence.valid_to
        in_force = valid_to is not None and valid_to >= week.last_day
        add(
            INSIDE.get(licence.kind, (Category.UNCLEAR, Category.UNCLEAR))[
                not in_force
            ],
            rest.intersection(licence.geometry),
            (licence.licence_id,),
        )
        rest = rest.difference(licence.geometry)
    mined = tuple(x.licence_id for x in touching if x.kind is LicenceKind.MINING)
    add(Category.BEYOND_BOUNDARY if mined else Category.NO_RIGHT, rest, mined)
    order = list(Category)
    worst = min(parts, key=lambda part: order.index(part.category))
    return Verdict(
        site_id=site.site_id,
        category=worst.category,
        certainty=worst.certainty,
        parts=tuple(parts),
        licence_ids=tuple(x.licence_id for x in touching),
        register_snapshot=register.snapshot_id,
    )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Forest:
    """The square kilometre of the demo, reduced to what a map needs."""

    grid: Grid
    evidence: xr.Dataset
    before: NDArray[np.uint8]
    after: NDArray[np.uint8]


def romania(path: Path) -> Forest:
    """Find the openings of the demo's cube of 10 m in the plainest way that works."""
    with xr.open_dataset(path) as cube:
        day = cube["time"].to_numpy().astype("datetime64[D]")
        scl = cube["SCL"].to_numpy()
        bands = np.stack([cube[b].to_numpy() for b in ("B4", "B3", "B2", "B8")])
        x, y = cube["x"].to_numpy(), cube["y"].to_numpy()
    grid = Grid(
        crs="EPSG:3035",
        left=float(x[0]) - 5,
        top=float(y[0]) + 5,
        pixel_width=10.0,
        pixel_height=10.0,
        height=y.size,
        width=x.size,
    )
    bands = np.where(np.isin(scl, (4, 5)), bands / 1e4, np.nan)
    month = day.astype("datetime64[M]").astype(int) % 12 + 1
    year = day.astype("datetime64[Y]").astype(int) + 1970
    summer = np.isin(month, (6, 7, 8, 9))

    def picture(years: Sequence[int]) -> NDArray[np.uint8]:
        chosen = bands[:3, summer & np.isin(year, years)]
        rgb = np.moveaxis(np.nanmedian(chosen, axis=1), 0, -1)
        stretched = np.clip((rgb - 0.01) / 0.1, 0, 1) ** 0.8
        return (np.nan_to_num(stretched, nan=1.0) * 255).astype(np.uint8)

    ndvi = (bands[3] - bands[0]) / (bands[3] + bands[0])
    reference = np.nanmedian(ndvi[summer & (year <= 2017)], axis=0)
    low = (ndvi < reference - 0.15) & summer[:, None, None]
    tier = np.zeros(grid.shape, dtype=np.uint8)
    first_seen = np.full(grid.shape, np.datetime64("NaT"), dtype="datetime64[D]")
    for when in (2018, 2019, 2020):
        looks = low[summer & (year == when)]
        share = looks.sum(axis=0) / np.maximum(
            1, (~np.isnan(ndvi[summer & (year == when)])).sum(axis=0)
        )
        level = np.select([share > 0.8, share > 0.55, share > 0.4], [3, 2, 1], 0)
        new = (level > 0) & (tier == 0)
        starts = day[summer & (year == when)][looks.argmax(axis=0)]
        first_seen[new] = starts[new]
        tier[new] = level[new]
    sizes = ndimage.label(tier > 0, structure=np.ones((3, 3)))[0]
    small = np.bincount(sizes.ravel())[sizes] < 3
    tier[small] = 0
    first_seen[small] = np.datetime64("NaT")
    return Forest(
        grid=grid,
        evidence=evidence_dataset(grid, tier, first_seen),
        before=picture((2016, 2017)),
        after=picture((2020,)),
    )
