"""Images of packages: chips of alerts and overviews, read from what runs kept."""

import contextlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from rsmonitor.config import Settings
from rsmonitor.errors import NoClearObservationError, SourceError
from rsmonitor.interfaces import SceneSource
from rsmonitor.io.deliver.kept_run import first_seen_reader
from rsmonitor.io.deliver.rasters import raster_name
from rsmonitor.pipeline.chips import chips_of
from rsmonitor.pipeline.pictures import newest_composite, steps
from rsmonitor.records.alert import Alert
from rsmonitor.records.grid import Grid
from rsmonitor.records.package import Chip, Overview
from rsmonitor.records.site import Site
from rsmonitor.records.week import IsoWeek
from rsmonitor.wiring.office import job_of
from rsmonitor.wiring.reports import Book
from rsmonitor.wiring.sources import open_source, unheard

SMALL_SIDE: Final = 400
"""Pixels of a side of a district's image on the map of a prefecture or province."""


class PackageImages:
    """
    Images of one package at a time, and of each district a small overview.

    Parameters
    ----------
    week : IsoWeek
        The week, up to whose end looks are taken.
    """

    def __init__(self, week: IsoWeek) -> None:
        self._week = week
        self._last: tuple[str, tuple[Overview, ...]] = ("", ())
        self._small: dict[str, tuple[Overview, ...]] = {}
        self.notes: dict[str, str] = {}

    def of(
        self, book: Book, alerts: Sequence[Alert]
    ) -> tuple[dict[str, tuple[Chip, ...]], tuple[Overview, ...]]:
        """
        Read the chips of some alerts of a district, and its overviews.

        Parameters
        ----------
        book : Book
            The district.
        alerts : sequence of Alert
            Alerts; those of other districts are left alone.

        Returns
        -------
        chips : dict of str to tuple of Chip
            By `Site.site_id`; what could not be read is not there, see `notes`.
        overviews : tuple of Overview
            One a grid on which anything was seen.
        """
        code = book.settings.district.code
        chips: dict[str, tuple[Chip, ...]] = {}
        mine = [a.site for a in alerts if a.site.district == code]
        known = self._last[0] == code
        overviews = list(self._last[1]) if known else []
        try:
            with open_source(from_cache(book.settings), unheard) as source:
                grids = source.grids()
                for grid in grids:
                    products = source.find(grid, until=self._week.end)
                    chips |= chips_of(
                        source,
                        grid,
                        products,
                        [s for s in mine if _grid_of(s) == grid.grid_id],
                        parameters=job_of(book.settings).parameters,
                        first_seen=first_seen_reader(
                            run_folder(book), raster_name("evidence", grid, grids)
                        ),
                    )
                    if not known:
                        with contextlib.suppress(NoClearObservationError):
                            overviews.append(
                                _overview(source, grid, products, book.settings)
                            )
        except SourceError as error:
            # an alert goes out without its image rather than not at all
            self.notes[code] = str(error)
        self._last = (code, tuple(overviews))
        self._small[code] = tuple(_thinned(each) for each in overviews)
        return chips, tuple(overviews)

    def small(self, book: Book) -> tuple[Overview, ...]:
        """
        Give overviews of a district for the map of a larger area.

        Parameters
        ----------
        book : Book
            The district.

        Returns
        -------
        tuple of Overview
            Thinned to `SMALL_SIDE`.
        """
        code = book.settings.district.code
        if code not in self._small:
            self.of(book, ())
        return self._small[code]


def _grid_of(site: Site) -> str:
    """Name the grid on which a site was seen."""
    return site.latest.disturbance.grid_id


def from_cache(settings: Settings) -> Settings:
    """
    Read scenes from the cache alone: what a run used is there.

    Parameters
    ----------
    settings : Settings
        Of a district.

    Returns
    -------
    Settings
        The same, of which no scene is asked of a service.
    """
    if settings.source.kind not in {"stac", "sentinelhub"}:
        return settings
    return replace(settings, source=replace(settings.source, offline=True))


def _thinned(overview: Overview) -> Overview:
    """Keep so many pixels as the map of a prefecture shows of a district."""
    grid = overview.grid
    step = -(-max(grid.shape) // SMALL_SIDE)
    rgb = overview.rgb[::step, ::step].copy()
    return replace(
        overview,
        rgb=rgb,
        grid=replace(
            grid,
            pixel_width=grid.pixel_width * step,
            pixel_height=grid.pixel_height * step,
            height=rgb.shape[0],
            width=rgb.shape[1],
        ),
    )


def run_folder(book: Book) -> Path:
    """
    Find the folder of a district's last run.

    Parameters
    ----------
    book : Book
        The district.

    Returns
    -------
    Path
        Where its outputs are.
    """
    settings = book.settings
    return settings.path(settings.run.out) / "runs" / book.runs[-1].location


def _overview(
    source: SceneSource, grid: Grid, products: Sequence[Any], settings: Settings
) -> Overview:
    """Make the image under the map of a grid."""
    after = newest_composite(
        source, grid, products, parameters=job_of(settings).parameters
    )
    down, along = steps(grid)
    height, width = after.rgb.shape[:2]
    return Overview(
        rgb=after.rgb,
        grid=Grid(
            crs=grid.crs,
            left=grid.left,
            top=grid.top,
            pixel_width=grid.pixel_width * along,
            pixel_height=grid.pixel_height * down,
            height=height,
            width=width,
            mgrs_tile=grid.mgrs_tile,
        ),
        days=after.days,
        true_colour=after.true_colour,
    )
