"""Small images of sites, for people: before, after, and when each pixel changed.

One look each, and not a composite: a person who contests an alert asks what the
satellite saw on which day.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date
from typing import Final

import numpy as np
import shapely
from numpy.typing import NDArray

from rsmonitor.errors import SourceError
from rsmonitor.interfaces import SceneSource
from rsmonitor.pipeline.looks import day_of
from rsmonitor.records.acquisition import Product
from rsmonitor.records.grid import Block, Grid
from rsmonitor.records.package import Chip, ChipRole
from rsmonitor.records.parameters import Parameters
from rsmonitor.records.site import Site
from rsmonitor.stages.clear import clear_ground
from rsmonitor.stages.composite import bands_shown, true_colour
from rsmonitor.stages.geodesy import from_lonlat, radius_pixels

LEAST_M: Final = 640.0
"""Side of the smallest chip, metres: enough around a site to find it again."""

MARGIN: Final = 0.5
"""Ground around a site on each side, as a share of its extent."""

CLEAR_OF_SITE: Final = 0.95
"""Share of the site's extent that a look must show."""

CLEAR_OF_CHIP: Final = 0.6
"""Share of the chip that it must show."""

MOST_LOOKS: Final = 40
"""Looks that are tried for one chip; beyond that the newest partly clear one will do."""

BRIGHTEST: Final = 0.25
"""Reflectance drawn as white; bare granite soil is bright."""


def chips_of(
    source: SceneSource,
    grid: Grid,
    products: Sequence[Product],
    sites: Iterable[Site],
    *,
    parameters: Parameters,
    first_seen: Callable[[Block], NDArray[np.datetime64]] | None = None,
) -> Mapping[str, tuple[Chip, ...]]:
    """
    Make the images of some sites of one grid.

    Parameters
    ----------
    source : SceneSource
        Where scenes come from.
    grid : Grid
        The grid that the sites were seen on.
    products : sequence of Product
        Everything up to the day of the package, oldest first.
    sites : iterable of Site
        The sites.
    parameters : Parameters
        The clear-sky screen.
    first_seen : callable, optional
        Gives the day on which each pixel of a block was first seen to change, NaT
        where it was not; without it there is no image of the evidence.

    Returns
    -------
    Mapping of str to tuple of Chip
        By `Site.site_id`, in the order of `ChipRole`; empty where nothing was seen.
    """
    found = {}
    for site in sites:
        seen = site.latest.disturbance
        block, inner = _window(site, grid)
        last_unchanged = seen.began_after or seen.began_by
        earlier = [p for p in products if day_of(p) <= last_unchanged]
        later = [p for p in products if day_of(p) >= seen.began_by]
        chips = [
            _chip(source, grid, block, inner, chosen, role, parameters)
            for role, chosen in ((ChipRole.BEFORE, earlier), (ChipRole.AFTER, later))
        ]
        after = chips[1]
        if after is not None and first_seen is not None:
            chips.append(_evidence(after, first_seen(block)))
        found[site.site_id] = tuple(chip for chip in chips if chip is not None)
    return found


def _window(site: Site, grid: Grid) -> tuple[Block, tuple[slice, slice]]:
    """Give the pixels of a chip, and in it those of the site's extent."""
    outline = from_lonlat(site.latest.disturbance.geometry, grid.crs)
    west, south, east, north = shapely.bounds(outline)
    rows = (
        (grid.top - north) / grid.pixel_height,
        (grid.top - south) / grid.pixel_height,
    )
    cols = (west - grid.left) / grid.pixel_width, (east - grid.left) / grid.pixel_width
    least = radius_pixels(grid, LEAST_M / 2) * 2
    long = max(rows[1] - rows[0], cols[1] - cols[0])
    side = int(np.ceil(max(least, long * (1 + 2 * MARGIN))))
    row = int(np.floor((rows[0] + rows[1]) / 2 - side / 2))
    col = int(np.floor((cols[0] + cols[1]) / 2 - side / 2))
    # moved into the grid where that is large enough
    row = min(max(0, row), max(0, grid.height - side))
    col = min(max(0, col), max(0, grid.width - side))
    block = Block(
        row=row,
        col=col,
        height=min(side, grid.height - row),
        width=min(side, grid.width - col),
    )
    inner = (
        slice(max(0, int(rows[0]) - row), max(1, int(np.ceil(rows[1])) - row)),
        slice(max(0, int(cols[0]) - col), max(1, int(np.ceil(cols[1])) - col)),
    )
    return block, inner


def _chip(
    source: SceneSource,
    grid: Grid,
    block: Block,
    inner: tuple[slice, slice],
    products: Sequence[Product],
    role: ChipRole,
    parameters: Parameters,
) -> Chip | None:
    """Take the newest look that shows enough; else the clearest of those tried."""
    best: tuple[float, Chip] | None = None
    for product in list(reversed(products))[:MOST_LOOKS]:
        try:
            scene = source.load(product, grid, block)
        except SourceError:
            continue  # the run that could not read it has said so
        reflectance, scl = scene["reflectance"].to_numpy(), scene["scl"].to_numpy()
        clear, _ = clear_ground(
            reflectance,
            scl,
            bands=source.bands,
            grow_pixels=radius_pixels(grid, parameters.clear.grow_m),
            parameters=parameters.clear,
        )
        share = min(float(clear[inner].mean()), float(clear.mean() / CLEAR_OF_CHIP))
        if best is not None and share <= best[0]:
            continue
        shown = bands_shown(source.bands)
        rows = [source.bands.index(band) for band in shown]
        best = (
            share,
            Chip(
                role=role,
                rgb=true_colour(reflectance[rows], shown, BRIGHTEST),
                seen=clear,
                grid=_part(grid, block),
                days=(day_of(product),),
                scenes=(product.product_id,),
                true_colour="B02" in shown,
            ),
        )
        if clear[inner].mean() >= CLEAR_OF_SITE and clear.mean() >= CLEAR_OF_CHIP:
            break
    return best[1] if best is not None and best[0] > 0 else None


def _evidence(after: Chip, days: NDArray[np.datetime64]) -> Chip:
    """Lay the day of the first change over the image after, pale to dark red."""
    grey = after.rgb.mean(axis=-1, keepdims=True).repeat(3, axis=-1)
    rgb = (grey * 0.6 + 90).clip(0, 255)
    changed = ~np.isnat(days)
    listed: tuple[date, ...] = ()
    if changed.any():
        number = days.astype("datetime64[D]").astype(np.int64)
        oldest, newest = number[changed].min(), number[changed].max()
        share = (number[changed] - oldest) / max(1, newest - oldest)
        rgb[changed] = np.column_stack(
            [90 + share * 160, 20 + share * 190, 20 + share * 40]
        )
        span = np.array([oldest, newest], dtype="datetime64[D]")
        listed = tuple(dict.fromkeys(span.tolist()))
    return Chip(
        role=ChipRole.EVIDENCE,
        rgb=rgb.astype(np.uint8),
        seen=after.seen,
        grid=after.grid,
        days=listed,
        scenes=after.scenes,
        true_colour=after.true_colour,
    )


def _part(grid: Grid, block: Block) -> Grid:
    """Give the grid of a block."""
    return Grid(
        crs=grid.crs,
        left=grid.left + block.col * grid.pixel_width,
        top=grid.top - block.row * grid.pixel_height,
        pixel_width=grid.pixel_width,
        pixel_height=grid.pixel_height,
        height=block.height,
        width=block.width,
        mgrs_tile=grid.mgrs_tile,
    )
