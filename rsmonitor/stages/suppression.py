"""Sites that no product may show: which they are, and a result without them.

A person said special use (特殊用地) of a site. From then on the place is shown nowhere,
whatever becomes of the site's outline or id: what it was merged into, and whatever
else covers the same ground, is withheld too. The fact stands in the ledger alone.
"""

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Final

import numpy as np
import shapely
import xarray as xr
from numpy.typing import NDArray
from shapely import MultiPolygon, Polygon

from rsmonitor.errors import ContractError
from rsmonitor.records.grid import Grid
from rsmonitor.records.run import RunResult
from rsmonitor.records.site import Site
from rsmonitor.stages.greenness import on_pixels

_NEUTRAL: Final = frozenset({"n_clear"})
"""Rasters that say nothing of the ground, and in which a hole would draw it."""

_RIM: Final = 1.5
"""Pixels by which a place is grown before it is blanked: its rim is withheld too."""


def suppressed_sites(said: Collection[str], sites: Sequence[Site]) -> frozenset[str]:
    """
    Name all sites that lie where a person said special use.

    Parameters
    ----------
    said : collection of str
        `Site.site_id` of the sites of which it was said, see
        `rsmonitor.interfaces.Ledger.withheld`.
    sites : sequence of Site
        All sites of the district as they are now, merged and withdrawn ones included.

    Returns
    -------
    frozenset of str
        Those of `said`, what they were merged into, and sites that share ground with
        one of them, such as the pieces of a split.
    """
    if not said:
        return frozenset()
    by_id = {site.site_id: site for site in sites}
    names = set(said)
    for site_id in said:
        site = by_id.get(site_id)
        while site is not None and site.merged_into not in {None, *names}:
            names.add(str(site.merged_into))
            site = by_id.get(str(site.merged_into))
    # a merged site's heir may be larger, and its neighbours are not withheld for that:
    # only the ground of which it was said counts
    ground = [by_id[i].latest.disturbance.geometry for i in said if i in by_id]
    if ground:
        whole = shapely.union_all([shapely.make_valid(each) for each in ground])
        names |= {
            site.site_id
            for site in sites
            if shapely.area(
                shapely.intersection(
                    whole, shapely.make_valid(site.latest.disturbance.geometry)
                )
            )
            > 0
        }
    return frozenset(names)


def without_suppressed(result: RunResult, suppressed: frozenset[str]) -> RunResult:
    """
    Take what may not be shown out of the result of a run, before it is delivered.

    Parameters
    ----------
    result : RunResult
        What the run found.
    suppressed : frozenset of str
        What `suppressed_sites` gave.

    Returns
    -------
    RunResult
        Without those sites and their alerts; where they lie the rasters say 'not
        monitored', as of many other pixels, and not 'unchanged'.
    """
    if not suppressed:
        return result
    ground = [
        site.latest.disturbance.geometry
        for site in result.sites
        if site.site_id in suppressed
    ]
    return replace(
        result,
        sites=tuple(s for s in result.sites if s.site_id not in suppressed),
        alerts=tuple(
            replace(alert, rank=rank)
            for rank, alert in enumerate(
                (a for a in result.alerts if a.site.site_id not in suppressed), start=1
            )
        ),
        evidence=_blanked(result.evidence, result.grids, ground),
    )


def _blanked(
    evidence: Mapping[str, xr.Dataset],
    grids: Sequence[Grid],
    ground: Sequence[Polygon | MultiPolygon],
) -> dict[str, xr.Dataset]:
    """Say 'not monitored' of the pixels that touch some ground."""
    blanked = dict(evidence)
    for grid in grids:
        if ground and grid.grid_id in blanked:
            hidden = touched(grid, ground)
            if hidden.any():
                blanked[grid.grid_id] = _unmonitored(blanked[grid.grid_id], hidden)
    return blanked


def touched(grid: Grid, ground: Sequence[Polygon | MultiPolygon]) -> NDArray[np.bool_]:
    """
    Find the pixels that some ground covers or comes near.

    Parameters
    ----------
    grid : Grid
        The pixels.
    ground : sequence of Polygon or MultiPolygon
        CRS84.

    Returns
    -------
    ndarray of bool, shape (y, x)
        True of what is withheld with that ground, its rim included.
    """
    hidden = np.zeros(grid.shape, dtype=bool)
    for each in ground:
        try:
            placed = on_pixels(each, grid)
        except ContractError:
            continue  # so far away that the projection has no place for it
        place = shapely.buffer(shapely.make_valid(placed), _RIM)
        # a site is small and a tile is not: only the window around it is looked at
        west, north, east, south = place.bounds
        rows = slice(max(math.floor(north), 0), max(math.ceil(south), 0))
        cols = slice(max(math.floor(west), 0), max(math.ceil(east), 0))
        window = hidden[rows, cols]
        y, x = np.indices(window.shape) + 0.5
        window |= shapely.contains_xy(place, x + cols.start, y + rows.start)
    return hidden


def _unmonitored(evidence: xr.Dataset, hidden: NDArray[np.bool_]) -> xr.Dataset:
    """Say of some pixels that they are not monitored."""
    changed = evidence.copy()
    for name, variable in evidence.data_vars.items():
        if variable.dims != ("y", "x") or name in _NEUTRAL:
            continue
        values = variable.to_numpy().copy()
        missing = {"M": np.datetime64("NaT"), "f": np.nan}
        values[hidden] = missing.get(values.dtype.kind, 0)
        changed[name] = variable.copy(data=values)
    return changed
