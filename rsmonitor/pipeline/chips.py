"""Small images of sites, for people: before, after, and when each pixel changed.

One look each, and not a composite: a person who contests an alert asks what the
satellite saw on which day.

Looks are taken one after the other, the newest first, and each is read once for all
sites that still lack an image: a whole tile with hundreds of sites costs little more
than reading the files around them. What is held is the chips and one window.
"""

import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import Final

import numpy as np
from numpy.typing import NDArray

from rsmonitor.errors import SourceError, SourceUnreachableError
from rsmonitor.interfaces import SceneSource
from rsmonitor.pipeline.chip_places import Place, groups, place_of
from rsmonitor.pipeline.chip_reading import LookReader, grid_of, white_of
from rsmonitor.pipeline.looks import day_of
from rsmonitor.records.acquisition import Product
from rsmonitor.records.grid import Block, Grid
from rsmonitor.records.package import Chip, ChipRole
from rsmonitor.records.parameters import Parameters
from rsmonitor.records.site import Site
from rsmonitor.stages.composite import true_colour

CLEAR_OF_SITE: Final = 0.85
"""Share of the site's pixels that a look must show."""

CLEAR_OF_CHIP: Final = 0.6
"""Share of the chip that it must show."""

HAZY: Final = 0.10
"""Median reflectance of the bluest band above which a chip is under haze: even bare
granite soil seldom fills half a chip."""

HAZIER: Final = 0.04
"""How much more of it than the image after marks the image before as hazy."""

MOST_LOOKS: Final = 40
"""Looks of one choice that are tried for a chip; beyond that the clearest of them will
do."""

SEASON_DAYS: Final = 46
"""The image before is of the season of the image after within so many days, if it can
be."""

SEASON_YEARS: Final = 3
"""How far back it is looked for in that season."""

MOST_FAILURES: Final = 3
"""Windows of a product that may fail before the rest of it is left."""

DAYS_OF_YEAR: Final = 365.25
OLDEST_RGB: Final = (90, 10, 30)
NEWEST_RGB: Final = (255, 225, 70)
"""Colours of the oldest and the newest day: dark to bright, also in grey print."""

FirstSeen = Callable[[Block], NDArray[np.datetime64]]
"""Gives the day on which each pixel of a block was first seen to change."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Shown:
    """What one look shows of a chip."""

    product: Product
    colours: NDArray[np.float16]
    """Reflectance of the bands that are shown, shape (band, y, x)."""

    clear: NDArray[np.bool_]
    haze: float
    """Median of the bluest band where clear; infinite where nothing is."""

    score: float
    """How good it is, 0 to 1."""

    enough: bool
    """True where no other look needs to be tried."""


def chips_of(
    source: SceneSource,
    grid: Grid,
    products: Sequence[Product],
    sites: Iterable[Site],
    *,
    parameters: Parameters,
    first_seen: FirstSeen | None = None,
) -> Mapping[str, tuple[Chip, ...]]:
    """
    Make the images of some sites of one grid.

    After the change: the newest look that is clear, from the last day on which the site
    looked disturbed to the last on which it was seen at all; if none of them is clear,
    the newest from the day on which the change was first seen. Before it: the newest
    clear look that is not later than the last which saw nothing of the change, of the
    season of the image after where the last `SEASON_YEARS` have one, so that summer is
    not compared with winter. Clear is a look that shows `CLEAR_OF_SITE` of the site and
    `CLEAR_OF_CHIP` of the chip, not under haze. Where no look is, the clearest that was
    tried is taken, and `Chip.seen` says what it does not show.

    Parameters
    ----------
    source : SceneSource
        Where scenes come from. A product that cannot be read is left out.
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
        where it was not; without it there is no image of the evidence. Only the site's
        own pixels are coloured.

    Returns
    -------
    Mapping of str to tuple of Chip
        By `Site.site_id`, in the order of `ChipRole`; empty where nothing was seen, or
        where the site lies off the grid.
    """
    sites = list(sites)
    found: dict[str, tuple[Chip, ...]] = {site.site_id: () for site in sites}
    placed = [place_of(site, grid) for site in sites]
    places = [place for place in placed if place is not None]
    album = _Album(source, grid, products, parameters)
    after = album.after(places)
    before = album.before(places, after)
    changed = {} if first_seen is None else _days(places, after, first_seen)
    for place in places:
        pair = {
            ChipRole.BEFORE: before.get(place.site_id),
            ChipRole.AFTER: after.get(place.site_id),
        }
        white = white_of(
            [(s.colours, s.clear) for s in pair.values() if s is not None], place.own
        )
        chips = {
            role: album.chip(place, shown, role, white)
            for role, shown in pair.items()
            if shown is not None
        }
        if place.site_id in changed:
            chips[ChipRole.EVIDENCE] = _evidence(
                chips[ChipRole.AFTER], changed[place.site_id], place.own
            )
        found[place.site_id] = tuple(chips.values())
    return found


class _Album:
    """Looks for the images of all sites of a grid together."""

    def __init__(
        self,
        source: SceneSource,
        grid: Grid,
        products: Sequence[Product],
        parameters: Parameters,
    ) -> None:
        self._grid = grid
        self._products = list(products)
        self._days = [day_of(product) for product in products]
        self._reader = LookReader(source, grid, parameters)
        self._lost: set[str] = set()

    def after(self, places: Sequence[Place]) -> dict[str, _Shown]:
        """Choose the images after the change."""
        best: dict[str, _Shown] = {}

        def span(first: date, last: date) -> Callable[[date], bool]:
            return lambda day: first <= day <= last

        choices: list[Callable[[Place], Callable[[date], bool]]] = [
            lambda p: span(p.seen.last_seen, p.seen.last_clear),
            lambda p: span(p.seen.began_by, p.seen.last_seen),
            # by what the run says these show nothing of it; better than no image
            lambda p: span(p.seen.last_clear, date.max),
        ]
        tried: defaultdict[str, set[int]] = defaultdict(set)
        for choice in choices:
            wants = {
                p.site_id: self._newest(choice(p)) - tried[p.site_id] for p in places
            }
            self._search(places, wants, best, {})
            for site_id, looks in wants.items():
                tried[site_id] |= looks
        return best

    def before(
        self, places: Sequence[Place], after: Mapping[str, _Shown]
    ) -> dict[str, _Shown]:
        """Choose the images before it."""
        best: dict[str, _Shown] = {}
        clearest = {key: shown.haze + HAZIER for key, shown in after.items()}
        seasons = {
            p.site_id: (
                day_of(after[p.site_id].product)
                if p.site_id in after
                else p.seen.began_by
            )
            for p in places
        }
        tried: dict[str, frozenset[int]] = {}
        for seasonal in (True, False):
            wants = {
                p.site_id: self._newest(
                    _fits_before(p, seasons[p.site_id] if seasonal else None)
                )
                - tried.get(p.site_id, frozenset())
                for p in places
            }
            self._search(places, wants, best, clearest)
            tried = wants
        return best

    def chip(self, place: Place, shown: _Shown, role: ChipRole, white: float) -> Chip:
        """Make the image of a look."""
        return Chip(
            role=role,
            rgb=true_colour(
                shown.colours.astype(np.float32), self._reader.shown, white
            ),
            seen=shown.clear,
            grid=grid_of(place, self._grid),
            days=(day_of(shown.product),),
            scenes=(shown.product.product_id,),
            true_colour="B02" in self._reader.shown,
        )

    def _newest(self, fits: Callable[[date], bool]) -> frozenset[int]:
        """List the newest looks of some days, by their place."""
        chosen: list[int] = []
        for index in reversed(range(len(self._days))):
            if fits(self._days[index]):
                chosen.append(index)
                if len(chosen) == MOST_LOOKS:
                    break
        return frozenset(chosen)

    def _search(
        self,
        places: Sequence[Place],
        wants: Mapping[str, frozenset[int]],
        best: dict[str, _Shown],
        clearest: Mapping[str, float],
    ) -> None:
        """Go through the looks, the newest first, until each site has a clear one."""
        pending = {
            place.site_id: place
            for place in places
            if place.site_id not in best or not best[place.site_id].enough
        }
        for index in reversed(range(len(self._products))):
            asking = [p for p in pending.values() if index in wants[p.site_id]]
            for place, shown in self._look(self._products[index], asking, clearest):
                held = best.get(place.site_id)
                if shown.score > (0.0 if held is None else held.score):
                    best[place.site_id] = shown
                if shown.enough:
                    del pending[place.site_id]
            if not pending:
                break

    def _look(
        self,
        product: Product,
        places: Sequence[Place],
        clearest: Mapping[str, float],
    ) -> Iterator[tuple[Place, _Shown]]:
        """Read one look for some sites, neighbours together."""
        failures = 0
        for group in groups(places):
            if product.product_id in self._lost:
                return
            try:
                yield from self._read(product, group, clearest)
            except SourceUnreachableError:
                # whoever does not answer is not asked again, not even for others
                self._lost.add(product.product_id)
            except SourceError:
                # the run that could not read it has said so; it may be a part of it
                failures += 1
                if failures == MOST_FAILURES:
                    self._lost.add(product.product_id)

    def _read(
        self,
        product: Product,
        group: Sequence[Place],
        clearest: Mapping[str, float],
    ) -> list[tuple[Place, _Shown]]:
        """Read one window of a look, and cut the chips out of it."""
        return [
            (place, self._judged(product, place, colours, clear, clearest))
            for place, (colours, clear) in zip(
                group, self._reader.windows(product, group), strict=True
            )
        ]

    def _judged(
        self,
        product: Product,
        place: Place,
        colours: NDArray[np.float16],
        clear: NDArray[np.bool_],
        clearest: Mapping[str, float],
    ) -> _Shown:
        """Say how much a look shows."""
        of_site, of_chip = float(clear[place.own].mean()), float(clear.mean())
        # red, green and blue: the last is the bluest; without blue that is green
        bluest = colours[-1][clear]
        haze = float(np.median(bluest)) if bluest.size else math.inf
        hazy = haze > min(HAZY, clearest.get(place.site_id, HAZY))
        score = min(of_site, of_chip / CLEAR_OF_CHIP, 1.0) * (0.5 if hazy else 1.0)
        if day_of(product) == place.seen.last_seen:
            # the run saw it on this day, whatever the classes of the scene say
            score = max(score, 1e-6)
        return _Shown(
            product=product,
            colours=colours,
            clear=clear,
            haze=haze,
            score=score,
            enough=(of_site >= CLEAR_OF_SITE and of_chip >= CLEAR_OF_CHIP and not hazy),
        )


def _fits_before(place: Place, season: date | None) -> Callable[[date], bool]:
    """Say which days may be those of the image before; None: of any season."""
    seen = place.seen
    # without a look that saw nothing of it, only those before it can have
    last = seen.began_after or seen.began_by - timedelta(days=1)
    first = last - timedelta(days=round(SEASON_YEARS * DAYS_OF_YEAR) + SEASON_DAYS)

    def fits(day: date) -> bool:
        if season is None:
            return day <= last
        return first <= day <= last and days_apart(day, season) <= SEASON_DAYS

    return fits


def days_apart(day: date, other: date) -> float:
    """
    Count the days between two days of the year, around the turn of the year.

    Parameters
    ----------
    day, other : date
        Of any years.

    Returns
    -------
    float
        0 to 183.
    """
    days = abs(day.timetuple().tm_yday - other.timetuple().tm_yday)
    return min(days, DAYS_OF_YEAR - days)


def _days(
    places: Sequence[Place], after: Mapping[str, _Shown], first_seen: FirstSeen
) -> dict[str, NDArray[np.datetime64]]:
    """Read the day on which each pixel of the chips was first seen to change."""
    found = {}
    for place in (each for each in places if each.site_id in after):
        days = np.full(place.own.shape, np.datetime64("NaT"), dtype="datetime64[D]")
        for piece in place.pieces():
            days[place.thinned(piece)] = _earliest(first_seen(piece), place.step)
        found[place.site_id] = days
    return found


def _earliest(days: NDArray[np.datetime64], step: int) -> NDArray[np.datetime64]:
    """Thin days: of those that a pixel stands for the earliest."""
    if step == 1:
        return days.astype("datetime64[D]")
    shape = (days.shape[0] // step, step, days.shape[1] // step, step)
    parts = days.astype("datetime64[D]").reshape(shape)
    # NaT is left out wherever there is a day
    return np.asarray(np.fmin.reduce(np.fmin.reduce(parts, axis=3), axis=1))


def _evidence(
    after: Chip, days: NDArray[np.datetime64], own: NDArray[np.bool_]
) -> Chip:
    """Lay the day of the first change over the image after, dark to bright."""
    grey = after.rgb.mean(axis=-1, keepdims=True).repeat(3, axis=-1)
    rgb = (grey * 0.55 + 75).clip(0, 255)
    changed = own & ~np.isnat(days)
    listed: tuple[date, ...] = ()
    if changed.any():
        number = days.astype("datetime64[D]").astype(np.int64)
        oldest, newest = number[changed].min(), number[changed].max()
        # of one day it is as bright as the newest
        share = 1.0 - (newest - number[changed]) / max(1, newest - oldest)
        ends = np.array([OLDEST_RGB, NEWEST_RGB], dtype=np.float64)
        rgb[changed] = ends[0] + share[:, None] * (ends[1] - ends[0])
        listed = tuple(dict.fromkeys(np.sort(days[changed])[[0, -1]].tolist()))
    return replace(after, role=ChipRole.EVIDENCE, rgb=rgb.astype(np.uint8), days=listed)
