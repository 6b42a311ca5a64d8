"""Disturbed pixels become polygons, each part dated by the interval it began in.

Objects are 4-connected, so that every ring is valid as it is. That there is an object
is decided by the evidence of all its pixels; its outline holds those that changed by
at least half, so that an area is not too large by its blurred rim, and so that what
touches by rims alone stays apart. Strong evidence draws its own outline: pixels of a
lower tier around a confirmed object are its blurred edge, and are neither part of it
nor objects of their own.
"""

import itertools
from collections.abc import Iterator, Mapping
from datetime import date, timedelta
from typing import Final, cast

import numpy as np
from numpy.typing import NDArray
from rasterio import features
from rasterio.transform import Affine
from scipy import ndimage
from shapely import MultiPolygon, Polygon
from shapely.geometry import shape

from rsmonitor.errors import ContractError
from rsmonitor.records.disturbance import Disturbance, Increment
from rsmonitor.records.grid import Grid
from rsmonitor.records.parameters import OutlineParameters
from rsmonitor.records.rasters import DAY_ZERO, Tier, planes
from rsmonitor.stages.geodesy import pixel_area_m2, to_lonlat

EPOCH: Final = date.fromisoformat(str(DAY_ZERO))
LOUD_SHARE: Final = 0.1
"""A group of first looks smaller than this share of its object is noise of dating."""


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
    row_area = pixel_area_m2(grid)
    found = []
    numbered = np.zeros_like(labels)
    for number, (label, window) in enumerate(_windows(labels), start=1):
        member = labels[window] == label
        numbered[window][member] = number
        found.append(
            _disturbance(
                member,
                window,
                tier_of[label],
                {name: values[window] for name, values in plane.items()},
                grid,
                row_area[window[0]],
                parameters,
            )
        )
    return tuple(found), numbered


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
    # A confirmed object may hold pixels that are about to be confirmed.
    for level, edge in (
        (Tier.HIGH, Tier.MEDIUM),
        (Tier.MEDIUM, Tier.LOW),
        (Tier.LOW, Tier.LOW),
    ):
        parts, count = ndimage.label((tier >= edge) & free)
        strong = np.bincount(parts[tier >= level], minlength=count + 1)
        for part in np.flatnonzero(strong[1:] >= min_pixels) + 1:
            label = len(tier_of) + 1
            tier_of[label] = level
            labels[parts == part] = label
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


def polygons(
    drawn: NDArray[np.bool_], grid: Grid, *, row: int = 0, col: int = 0
) -> Polygon | MultiPolygon:
    """
    Draw the outline of some pixels.

    Parameters
    ----------
    drawn : ndarray of bool, shape (y, x)
        Pixels to outline, at least one.
    grid : Grid
        Where they are.
    row, col : int
        Where the array starts on the grid.

    Returns
    -------
    Polygon or MultiPolygon
        CRS84 longitude and latitude, along the pixel edges.

    Raises
    ------
    ContractError
        If no pixel is drawn.
    """
    a, b, c, d, e, f = grid.transform
    transform = Affine(a, b, c + col * a, d, e, f + row * e)
    rings = [
        cast("Polygon", shape(geometry))
        for geometry, _ in features.shapes(
            drawn.astype(np.uint8), mask=drawn, connectivity=4, transform=transform
        )
    ]
    if not rings:
        raise ContractError("there is no pixel to outline")
    whole: Polygon | MultiPolygon = rings[0] if len(rings) == 1 else MultiPolygon(rings)
    return to_lonlat(whole, grid.crs)


def _windows(labels: NDArray[np.int32]) -> Iterator[tuple[int, tuple[slice, slice]]]:
    """Give each label with its bounding box, in reading order of first pixels."""
    boxes = ndimage.find_objects(labels)
    order = []
    for label, box in enumerate(boxes, start=1):
        if box is not None:
            top = labels[box[0].start, box[1]] == label
            first_col = box[1].start + int(np.argmax(top))
            order.append((box[0].start, first_col, label, box))
    for _, _, label, box in sorted(order, key=lambda item: item[:3]):
        yield label, box


def _disturbance(
    inside: NDArray[np.bool_],
    window: tuple[slice, slice],
    tier: Tier,
    cut: Mapping[str, NDArray[np.uint16]],
    grid: Grid,
    row_area: NDArray[np.float64],
    parameters: OutlineParameters,
) -> Disturbance:
    """Build one object from the window of pixels that holds it."""
    area = np.broadcast_to(row_area[:, None], inside.shape)
    row, col = window[0].start, window[1].start
    groups = _groups(cut["first_seen"], inside, parameters.growth_gap_days)
    increments = tuple(
        Increment(
            geometry=polygons(group, grid, row=row, col=col),
            area_m2=float(area[group].sum()),
            began_after=_earliest(
                cut["began_after"][group], cut["first_seen"][group].min()
            ),
            began_by=_day(cut["first_seen"][group].max()),
        )
        for group in groups
    )
    first = cut["first_seen"][groups[0]]
    began_by = _day(first.min())
    anchor = np.argwhere(groups[0] & (cut["first_seen"] == first.min()))[0]
    last_seen = max(_day(cut["last_seen"][inside].max()), began_by)
    return Disturbance(
        grid_id=grid.grid_id,
        anchor=(row + int(anchor[0]), col + int(anchor[1])),
        tier=tier,
        geometry=polygons(inside, grid, row=row, col=col),
        area_m2=float(area[inside].sum()),
        pixels=int(inside.sum()),
        began_after=_earliest(cut["began_after"][groups[0]], first.min()),
        began_by=began_by,
        # confirmed as an object: when enough of its pixels were
        confirmed=(
            _nth_day(cut["confirmed"][inside], parameters.min_pixels)
            if tier is Tier.HIGH
            else None
        ),
        last_seen=last_seen,
        last_clear=max(_day(cut["last_clear"][inside].max()), last_seen),
        clear_looks_since=int(np.median(cut["looks_since"][inside])),
        increments=increments,
    )


def _groups(
    first_seen: NDArray[np.uint16], inside: NDArray[np.bool_], gap_days: int
) -> list[NDArray[np.bool_]]:
    """Split an object where its first looks lie far apart, oldest group first.

    A group that is too small to be growth joins its neighbour in time: single pixels
    are dated wrongly by noise, and a wrong date can accuse.
    """
    days = np.unique(first_seen[inside]).astype(np.int64)
    starts = [0, *(np.flatnonzero(np.diff(days) > gap_days) + 1).tolist(), len(days)]
    spans = [days[a:b] for a, b in itertools.pairwise(starts)]
    least = max(2, LOUD_SHARE * int(inside.sum()))
    while len(spans) > 1:
        sizes = [int(np.isin(first_seen[inside], span).sum()) for span in spans]
        small = int(np.argmin(sizes))
        if sizes[small] >= least:
            break
        gaps = {
            other: abs(int(spans[small].mean()) - int(spans[other].mean()))
            for other in (small - 1, small + 1)
            if 0 <= other < len(spans)
        }
        near = min(gaps, key=lambda other: (gaps[other], other))
        low, high = sorted((small, near))
        spans[low : high + 1] = [np.concatenate(spans[low : high + 1])]
    return [inside & np.isin(first_seen, span) for span in spans]


def _earliest(days: NDArray[np.uint16], first_seen: np.integer) -> date | None:
    """Give the earliest day, if all pixels have one and it is before `first_seen`."""
    return _day(days.min()) if 0 < days.min() < first_seen else None


def _nth_day(days: NDArray[np.uint16], n: int) -> date | None:
    """Give the day on which `n` pixels had one, or all that ever did; None if none."""
    dated = np.sort(days[days > 0])
    return _day(dated[min(n, dated.size) - 1]) if dated.size else None


def _day(days: np.integer) -> date:
    """Turn days since the epoch of the state into a date."""
    return EPOCH + timedelta(days=int(days))
