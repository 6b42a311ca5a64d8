"""Disturbed pixels become polygons, each part dated by the interval it began in.

Objects are 4-connected, so that every ring is valid as it is. That there is an object
is decided by the evidence of all its pixels; its outline holds those that changed by
at least half, so that an area is not too large by its blurred rim, and so that what
touches by rims alone stays apart. Strong evidence draws its own outline: pixels of a
lower tier around a confirmed object are its blurred edge, and are neither part of it
nor objects of their own.
"""

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from itertools import pairwise
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from rsmonitor.errors import ContractError
from rsmonitor.records.disturbance import Disturbance, Increment
from rsmonitor.records.grid import Grid
from rsmonitor.records.parameters import OutlineParameters
from rsmonitor.records.rasters import DAY_ZERO, Tier, planes
from rsmonitor.stages.geodesy import pixel_area_m2
from rsmonitor.stages.increments import Members, groups_of, middle, nth_day, starts_of
from rsmonitor.stages.patches import LEVELS
from rsmonitor.stages.tracing import Figures, traced

EPOCH: Final = date.fromisoformat(str(DAY_ZERO))


def outline(
    state: NDArray[np.uint16],
    tier: NDArray[np.uint8],
    core: NDArray[np.bool_],
    *,
    grid: Grid,
    parameters: OutlineParameters,
) -> tuple[tuple[Disturbance, ...], NDArray[np.int32]]:
    """
    Draw the disturbances of a grid.

    Parameters
    ----------
    state : ndarray of uint16, shape (plane, y, x)
        Evidence of the whole grid, see `rsmonitor.records.rasters.EVIDENCE_PLANES`.
    tier : ndarray of uint8, shape (y, x)
        From `rsmonitor.stages.evidence.tiers`.
    core : ndarray of bool, shape (y, x)
        True where enough of a pixel changed, from `rsmonitor.stages.edges.core`.
    grid : Grid
        Where the pixels are.
    parameters : OutlineParameters
        Least size, and what separates increments.

    Returns
    -------
    disturbances : tuple of Disturbance
        In the order of their northernmost, then westernmost pixel; without features.
    labels : ndarray of int32, shape (y, x)
        1 for the first disturbance, 2 for the second; 0 where there is none.

    Raises
    ------
    ContractError
        If the arrays are not of the grid's shape.
    """
    if tier.shape != grid.shape or state.shape[1:] != grid.shape:
        raise ContractError(
            f"evidence {state.shape[1:]} and tier {tier.shape} must have the grid's "
            f"shape {grid.shape}"
        )
    plane = planes(state)
    # A pixel that is graded but was never dated would have no beginning.
    graded = np.where(plane["first_seen"] > 0, tier, Tier.NONE)
    labels, tier_of = drawn_objects(
        *label_objects(graded, parameters.min_pixels),
        graded,
        core,
        parameters.min_pixels,
    )
    rows, cols = np.nonzero(labels)
    found, first, index = np.unique(
        labels[rows, cols], return_index=True, return_inverse=True
    )
    order = np.argsort(first)
    number = np.argsort(order)[index]
    numbered = np.zeros_like(labels)
    numbered[rows, cols] = number + 1
    members = Members.sorted_from(
        rows, cols, number, {name: each[rows, cols] for name, each in plane.items()}
    )
    tiers = [tier_of[label] for label in found[order].tolist()]
    return disturbances_of(members, tiers, grid=grid, parameters=parameters), numbered


def disturbances_of(
    members: Members,
    tiers: Sequence[Tier],
    *,
    grid: Grid,
    parameters: OutlineParameters,
) -> tuple[Disturbance, ...]:
    """
    Date and outline objects from their pixels.

    Parameters
    ----------
    members : Members
        Their pixels.
    tiers : sequence of Tier
        Tier of each object.
    grid : Grid
        Where the pixels are.
    parameters : OutlineParameters
        What separates increments, and how many pixels confirm an object.

    Returns
    -------
    tuple of Disturbance
        One for each object, in their order; without features.
    """
    if not tiers:
        return ()
    number, plane, starts = members.number, members.plane, members.starts
    areas = _sums(pixel_area_m2(grid)[members.rows], starts)
    figures = Figures(
        rows=members.rows,
        cols=members.cols,
        number=number,
        corner_row=np.minimum.reduceat(members.rows, starts),
        corner_col=np.minimum.reduceat(members.cols, starts),
    )
    geometries = traced(figures, grid)
    increments = _increments(members, figures, geometries, areas, grid, parameters)
    began_by = np.minimum.reduceat(plane["first_seen"], starts)
    earliest = np.flatnonzero(plane["first_seen"] == began_by[number])
    anchor = earliest[starts_of(number[earliest])]
    last_seen = np.maximum(np.maximum.reduceat(plane["last_seen"], starts), began_by)
    last_clear = np.maximum.reduceat(plane["last_clear"], starts)
    # confirmed as an object: when enough of its pixels were
    confirmed = nth_day(number, plane["confirmed"], parameters.min_pixels)
    columns = {
        "row": members.rows[anchor],
        "col": members.cols[anchor],
        "area_m2": areas,
        "pixels": np.diff(starts, append=number.size),
        "began_by": began_by,
        "confirmed": confirmed,
        "last_seen": last_seen,
        "last_clear": np.maximum(last_clear, last_seen),
        "looks": middle(number, plane["looks_since"]),
    }
    grid_id = grid.grid_id
    lists = [column.tolist() for column in columns.values()]
    found = []
    for tier, geometry, parts, values in zip(
        tiers, geometries, increments, zip(*lists, strict=True), strict=True
    ):
        of = dict(zip(columns, values, strict=True))
        dated = tier is Tier.HIGH and of["confirmed"] > 0
        found.append(
            Disturbance(
                grid_id=grid_id,
                anchor=(of["row"], of["col"]),
                tier=tier,
                geometry=geometry,
                area_m2=of["area_m2"],
                pixels=of["pixels"],
                began_after=parts[0].began_after,
                began_by=_day(of["began_by"]),
                confirmed=_day(of["confirmed"]) if dated else None,
                last_seen=_day(of["last_seen"]),
                last_clear=_day(of["last_clear"]),
                clear_looks_since=of["looks"],
                increments=parts,
            )
        )
    return tuple(found)


def label_objects(
    tier: NDArray[np.uint8], min_pixels: int
) -> tuple[NDArray[np.int32], Mapping[int, Tier]]:
    """
    Label the objects of a tier raster, strongest evidence first.

    Parameters
    ----------
    tier : ndarray of uint8, shape (y, x)
        See `rsmonitor.records.rasters.Tier`.
    min_pixels : int
        Pixels of its tier that an object needs.

    Returns
    -------
    labels : ndarray of int32, shape (y, x)
        0 outside objects.
    tier_of : Mapping
        Tier by label.

    Examples
    --------
    >>> tier = np.array([[3, 3, 1, 0, 1], [3, 3, 0, 0, 1]], dtype=np.uint8)
    >>> labels, tier_of = label_objects(tier, 2)
    >>> labels
    array([[1, 1, 0, 0, 2],
           [1, 1, 0, 0, 2]], dtype=int32)
    >>> [tier_of[label].code for label in (1, 2)]
    ['high', 'low']
    """
    labels = np.zeros(tier.shape, dtype=np.int32)
    tier_of: dict[int, Tier] = {}
    free = np.ones(tier.shape, dtype=np.bool_)
    for level, edge in LEVELS:
        parts, count = ndimage.label((tier >= edge) & free)
        strong = np.bincount(parts[tier >= level], minlength=count + 1)
        strong[0] = 0
        kept = strong >= min_pixels
        label_of = np.where(kept, len(tier_of) + np.cumsum(kept), 0).astype(np.int32)
        tier_of |= dict.fromkeys(label_of[kept].tolist(), level)
        labels += label_of[parts]
        taken = labels > 0
        free = ~ndimage.binary_dilation(taken, structure=np.ones((3, 3)))
    return labels, tier_of


def drawn_objects(
    labels: NDArray[np.int32],
    tier_of: Mapping[int, Tier],
    tier: NDArray[np.uint8],
    core: NDArray[np.bool_],
    min_pixels: int,
) -> tuple[NDArray[np.int32], Mapping[int, Tier]]:
    """
    Leave of each object what is to be drawn.

    Parameters
    ----------
    labels : ndarray of int32, shape (y, x)
        From `label_objects`.
    tier_of : Mapping
        Tier by label.
    tier : ndarray of uint8, shape (y, x)
        See `rsmonitor.records.rasters.Tier`.
    core : ndarray of bool, shape (y, x)
        True where enough of a pixel changed.
    min_pixels : int
        An object that falls apart keeps the parts of at least this many pixels, or its
        largest part if none is so large: there is an object, and this much of it is
        sure.

    Returns
    -------
    labels : ndarray of int32, shape (y, x)
        0 outside.
    tier_of : Mapping
        Tier by label: that of the object, if the part holds a pixel of it.

    Examples
    --------
    >>> labels = np.array([[1, 1, 1, 1, 1, 0, 2, 2]], dtype=np.int32)
    >>> core = np.array([[1, 1, 0, 1, 1, 0, 0, 1]], dtype=bool)
    >>> tier = np.where(labels > 0, 3, 0).astype(np.uint8)
    >>> drawn_objects(labels, {1: Tier.HIGH, 2: Tier.HIGH}, tier, core, 2)[0]
    array([[1, 1, 0, 2, 2, 0, 0, 3]], dtype=int32)
    """
    drawn = np.zeros_like(labels)
    drawn_tier: dict[int, Tier] = {}
    for label, box in enumerate(ndimage.find_objects(labels), start=1):
        if box is None:
            continue
        member = labels[box] == label
        inside = member & core[box]
        parts, count = ndimage.label(inside if inside.any() else member)
        sizes = np.bincount(parts.ravel(), minlength=count + 1)[1:]
        kept = np.flatnonzero(sizes >= min_pixels)
        if not kept.size:
            kept = np.array([sizes.argmax()])
        for part in kept + 1:
            number = len(drawn_tier) + 1
            pixels = parts == part
            drawn[box][pixels] = number
            strongest = Tier(int(tier[box][pixels].max()))
            drawn_tier[number] = min(strongest, tier_of[label])
    return drawn, drawn_tier


def _increments(
    members: Members,
    figures: Figures,
    geometries: NDArray[np.object_],
    areas: NDArray[np.float64],
    grid: Grid,
    parameters: OutlineParameters,
) -> list[tuple[Increment, ...]]:
    """Divide objects into what began together. Most are one piece, drawn already."""
    group = groups_of(members, parameters.growth_gap_days)
    # a stable sort leaves each group in reading order
    order = np.argsort(group, kind="stable")
    starts = starts_of(group[order])
    owner = members.number[order][starts]
    firsts = starts_of(owner)
    divided = np.diff(firsts, append=owner.size) > 1
    shapes, sizes = geometries[owner], areas[owner]
    pieces = np.flatnonzero(divided[owner])
    if pieces.size:
        pixels = order[divided[members.number[order]]]
        number = np.searchsorted(pieces, group[pixels])
        rows = members.rows[pixels]
        sizes[pieces] = _sums(pixel_area_m2(grid)[rows], starts_of(number))
        shapes[pieces] = traced(
            Figures(
                rows=rows,
                cols=members.cols[pixels],
                number=number,
                corner_row=figures.corner_row[owner[pieces]],
                corner_col=figures.corner_col[owner[pieces]],
            ),
            grid,
        )
    first_seen = members.plane["first_seen"][order]
    columns = (
        sizes,
        np.minimum.reduceat(members.plane["began_after"][order], starts),
        np.minimum.reduceat(first_seen, starts),
        np.maximum.reduceat(first_seen, starts),
    )
    increments = [
        Increment(
            geometry=shape,
            area_m2=size,
            # only if all pixels have one, and it is before the first look
            began_after=_day(after) if 0 < after < first else None,
            began_by=_day(last),
        )
        for shape, size, after, first, last in zip(
            shapes, *(column.tolist() for column in columns), strict=True
        )
    ]
    ends = np.append(firsts[1:], owner.size).tolist()
    return [
        tuple(increments[start:end])
        for start, end in zip(firsts.tolist(), ends, strict=True)
    ]


def _sums(
    values: NDArray[np.float64], starts: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Sum each stretch by itself: `reduceat` would round in another order."""
    bounds = [*starts.tolist(), values.size]
    return np.array([values[a:b].sum() for a, b in pairwise(bounds)])


def _day(days: int) -> date:
    """Turn days since the epoch of the state into a date."""
    return EPOCH + timedelta(days=days)
