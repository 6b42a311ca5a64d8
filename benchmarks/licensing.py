"""Verdicts on 10,000 sites as a ratio to geopandas.overlay, in one run.

The overlay is the least that a script without rsmonitor would do to know which part of
which site lies in which right and what is left: ``overlay(..., how="identity")``. It
gives no dates, no areas on the ellipsoid, no certainty and no sentence. The verdict
gives all of them, and is timed with everything. Process CPU time, interleaved pairs
after a warm-up, median and 95 % bootstrap interval.
"""

import sys
from datetime import date, timedelta

import geopandas as gpd
import numpy as np
import shapely
from shapely import Polygon

from benchmarks.harness import Measurement, compare, machine, table
from rsmonitor.io.licences.law import read_law_table
from rsmonitor.records.disturbance import Cause, Classified, Disturbance, Increment
from rsmonitor.records.licence import Licence, LicenceKind, RegisterSnapshot
from rsmonitor.records.parameters import LicensingParameters
from rsmonitor.records.rasters import Tier
from rsmonitor.records.site import Site, SiteState
from rsmonitor.stages.geodesy import area_m2
from rsmonitor.stages.licensing import judge_all

TARGET = 0.5
"""Most CPU time of the overlay that the verdicts may take."""

SITES = 10_000
RIGHTS = (10_000, 100_000)
CORNER = np.array([110.0, 22.0])
PIXEL = 1e-4
"""Degrees; about ten metres."""

ALPHABET = "abcdefghijklmnopqrstuvwxyz234567"


def outline(rng: np.random.Generator, west: float, south: float) -> Polygon:
    """
    Draw pixels that run together, as the outline stage does.

    Parameters
    ----------
    rng : Generator
        Random numbers.
    west : float
        Degrees.
    south : float
        Degrees.

    Returns
    -------
    Polygon
        A staircase of some tens of corners.
    """
    rows = int(rng.integers(4, 24))
    start = np.cumsum(rng.integers(-1, 2, rows))
    width = rng.integers(4, 16, rows)
    boxes = [
        shapely.box(
            west + first * PIXEL,
            south + row * PIXEL,
            west + (first + wide) * PIXEL,
            south + (row + 1) * PIXEL,
        )
        for row, (first, wide) in enumerate(zip(start, width, strict=True))
    ]
    united = shapely.set_precision(shapely.union_all(boxes), PIXEL / 10)
    largest: Polygon = max(shapely.get_parts(united), key=lambda part: part.area)
    return largest


def parcel(rng: np.random.Generator, lon: float, lat: float) -> Polygon:
    """
    Draw the corners of a right.

    Parameters
    ----------
    rng : Generator
        Random numbers.
    lon : float
        Degrees.
    lat : float
        Degrees.

    Returns
    -------
    Polygon
        Convex, 5 to 13 corners, some square kilometres.
    """
    turns = np.sort(rng.uniform(0, 2 * np.pi, int(rng.integers(5, 14))))
    reach = rng.uniform(0.004, 0.015)
    corners = np.column_stack([np.cos(turns), np.sin(turns)]) * reach + [lon, lat]
    return Polygon(corners)


def site_of(number: int, geometry: Polygon) -> Site:
    """
    Make a site that began in an interval of 2020.

    Parameters
    ----------
    number : int
        Which.
    geometry : Polygon
        Its outline.

    Returns
    -------
    Site
        Digging.
    """
    area = area_m2(geometry)
    # some hundreds of intervals between looks, as a year of two satellites has
    after = date(2020, 1, 1) + timedelta(days=5 * (number % 73))
    by = after + timedelta(days=5 * (1 + number % 7))
    letters = "".join(ALPHABET[number // 32**place % 32] for place in range(12))
    seen = Disturbance(
        grid_id="g",
        anchor=(number, 0),
        tier=Tier.HIGH,
        geometry=geometry,
        area_m2=area,
        pixels=100,
        began_after=after,
        began_by=by,
        confirmed=date(2021, 8, 1),
        last_seen=date(2021, 8, 1),
        last_clear=date(2021, 8, 1),
        clear_looks_since=4,
        increments=(
            Increment(geometry=geometry, area_m2=area, began_after=after, began_by=by),
        ),
    )
    return Site(
        site_id="s" + letters,
        district="360728",
        state=SiteState.ACTIVE,
        latest=Classified(
            disturbance=seen, causes={Cause.DIGGING: 1.0}, model_id="rules-1"
        ),
    )


def measure(rights: int) -> Measurement:
    """
    Time both on the same sites and rights.

    Parameters
    ----------
    rights : int
        How many rights.

    Returns
    -------
    Measurement
        Ratio of the verdicts' CPU time to the overlay's.
    """
    rng = np.random.default_rng(7)
    # the same density whatever the number: one right in about nine square kilometres
    side = 0.03 * np.sqrt(rights)
    sites = [
        site_of(number, outline(rng, *(rng.uniform(0, side, 2) + CORNER)))
        for number in range(SITES)
    ]
    kinds = [LicenceKind.MINING, LicenceKind.EXPLORATION, LicenceKind.MINING]
    licences = tuple(
        Licence(
            licence_id=f"C{number:06}",
            kind=kinds[number % 3],
            geometry=parcel(rng, *(rng.uniform(0, side, 2) + CORNER)),
            minerals=("离子型稀土",) if number % 2 else ("钨矿",),
            valid_from=date(2010, 1, 1),
            valid_to=date(2019 + number % 4, 12, 31),
        )
        for number in range(rights)
    )
    register = RegisterSnapshot(snapshot_id="benchmark", licences=licences)
    left = gpd.GeoDataFrame(
        {"site_id": [site.site_id for site in sites]},
        geometry=[site.latest.disturbance.geometry for site in sites],
        crs="OGC:CRS84",
    )
    right = gpd.GeoDataFrame(
        {"licence_id": [licence.licence_id for licence in licences]},
        geometry=[licence.geometry for licence in licences],
        crs="OGC:CRS84",
    )
    laws, parameters = read_law_table(), LicensingParameters()

    def overlaid() -> int:
        return len(gpd.overlay(left, right, how="identity", keep_geom_type=True))

    def judged() -> int:
        verdicts = judge_all(sites, register, parameters, laws=laws)
        return sum(len(verdict.parts) for verdict in verdicts.values())

    return compare(
        f"verdicts on {SITES:,} sites, {rights:,} rights",
        judged,
        overlaid,
        against="geopandas.overlay, identity",
        target=TARGET,
    )


def main() -> int:
    """
    Measure and print.

    Returns
    -------
    int
        0.
    """
    sys.stdout.write(f"{machine().sentence()}\n")
    sys.stdout.write(table([measure(rights) for rights in RIGHTS]))
    return 0


if __name__ == "__main__":
    sys.exit(main())
