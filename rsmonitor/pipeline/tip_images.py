"""Images of the place of a tip: a year before it, and as it was last seen.

A tip has no site, so nothing says when the ground changed. An image is the newest look
that shows the place well; what it does not show comes from the looks nearest in time,
and the day of each pixel is kept beside it: a person who asks 'was it dug up when the
tip came?' can read the day under the cursor.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Final

import numpy as np
from numpy.typing import NDArray

from rsmonitor.errors import SourceError
from rsmonitor.interfaces import SceneSource
from rsmonitor.pipeline.chip_places import Window
from rsmonitor.pipeline.chip_reading import LookReader, grid_of, white_of
from rsmonitor.pipeline.chips import (
    CLEAR_OF_CHIP,
    CLEAR_OF_SITE,
    HAZY,
    SEASON_DAYS,
    SEASON_YEARS,
    days_apart,
)
from rsmonitor.pipeline.looks import day_of
from rsmonitor.records.acquisition import Product
from rsmonitor.records.grid import Grid
from rsmonitor.records.parameters import Parameters
from rsmonitor.records.tip_view import Chosen, LooksSince, Mosaic
from rsmonitor.stages.composite import true_colour

FULL: Final = 0.98
"""Share of the window, and of the ground near, at which an image is whole."""

ENOUGH: Final = 0.5
"""Share of the ground near that an image must show to be taken before the next choice
is tried, and a look to count as clear."""

MOST_LOOKS: Final = 40
"""Looks that are tried for each choice of an image, and to fill it."""

MOST_SINCE: Final = 200
"""Looks since the tip that are read to count the clear ones: more than two years."""

HALF_YEAR: Final = timedelta(days=183)
"""The image before is at least so much older than the tip, if it can be: people report
what they see months after it began."""

YEAR: Final = timedelta(days=365)


@dataclass(slots=True, kw_only=True, eq=False)
class _Filling:
    """An image that is being filled, look by look."""

    colours: NDArray[np.float16]
    days: NDArray[np.datetime64]
    looks: list[tuple[date, str]] = field(default_factory=list)

    @classmethod
    def empty(cls, bands: int, shape: tuple[int, ...]) -> "_Filling":
        """Begin with nothing seen."""
        return cls(
            colours=np.full((bands, *shape), np.nan, dtype=np.float16),
            days=np.full(shape, np.datetime64("NaT"), dtype="datetime64[D]"),
        )

    @property
    def seen(self) -> NDArray[np.bool_]:
        """True where it shows the ground."""
        return ~np.isnat(self.days)

    def add(
        self, product: Product, colours: NDArray[np.float16], clear: NDArray[np.bool_]
    ) -> None:
        """Let a look show what none before it did."""
        new = clear & ~self.seen & np.isfinite(colours).all(axis=0)
        if new.any():
            day = day_of(product)
            self.colours[:, new] = colours[:, new]
            self.days[new] = np.datetime64(day)
            self.looks.append((day, product.product_id))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class TipImages:
    """Images of a place, and what was seen of it since a day."""

    before: Mosaic | None
    """None where nothing clear was seen."""

    after: Mosaic | None
    """None where nothing clear was seen."""

    since: LooksSince
    """What the looks since the tip showed."""


def images_around(
    source: SceneSource,
    grid: Grid,
    products: Sequence[Product],
    window: Window,
    day: date,
    *,
    parameters: Parameters,
) -> TipImages:
    """
    Make the images of the place of a tip.

    After: the newest look since the day of the tip that shows the place well, with what
    it does not show from the looks nearest in time; without such a look the newest
    clear one of each pixel. Where no look since the tip shows anything near, the same
    of all looks. Before, likewise: of the season of the image after, in the year before
    the tip, then in the years before that; then of any season, at least half a year
    before; then whatever there is. Looks under haze only fill what no other shows.

    Parameters
    ----------
    source : SceneSource
        Where scenes come from. A look that cannot be read is counted and left out.
    grid : Grid
        The grid that holds the place.
    products : sequence of Product
        Everything up to the day that is asked for, oldest first.
    window : Window
        What is shown; its own pixels are those near the place.
    day : date
        Day of the tip.
    parameters : Parameters
        The clear-sky screen.

    Returns
    -------
    TipImages
        Of the pixels of `rsmonitor.pipeline.chip_reading.grid_of`.
    """
    search = _Search(LookReader(source, grid, parameters), window, products)
    after, chosen_after, since = search.after(day)
    days = np.sort(after.days[after.seen])
    season = day if not days.size else days[days.size // 2].item()
    # where nothing was seen since the tip the image after is older than it
    limit = day if not days.size else min(day, days[0].item())
    before, chosen_before = search.before(limit, season)
    white = white_of(
        [(each.colours, each.seen) for each in (before, after)], window.own
    )

    def mosaic(filled: _Filling, chosen: Chosen) -> Mosaic | None:
        if not filled.looks:
            return None
        return Mosaic(
            grid=grid_of(window, grid),
            rgb=true_colour(
                filled.colours.astype(np.float32), search.reader.shown, white
            ),
            days=filled.days,
            looks=tuple(sorted(filled.looks)),
            chosen=chosen,
            share_near=float(filled.seen[window.own].mean()),
            true_colour="B02" in search.reader.shown,
        )

    return TipImages(
        before=mosaic(before, chosen_before),
        after=mosaic(after, chosen_after),
        since=since,
    )


class _Search:
    """Goes through the looks, the newest first."""

    def __init__(
        self, reader: LookReader, window: Window, products: Sequence[Product]
    ) -> None:
        self.reader = reader
        self._window = window
        self._newest = [(day_of(product), product) for product in reversed(products)]
        self._unreadable: set[str] = set()

    def after(self, day: date) -> tuple[_Filling, Chosen, LooksSince]:
        """Fill the image after, and count what the looks since the tip showed."""
        since = [product for seen, product in self._newest if seen >= day]
        counts = {"looks": 0, "clear": 0, "partly": 0}
        last: date | None = None
        base: Product | None = None
        for product, colours, clear in self._read(since[:MOST_SINCE]):
            share = self._share_near(clear)
            counts["looks"] += 1
            counts["clear"] += share >= ENOUGH
            counts["partly"] += 0 < share < ENOUGH
            if share >= ENOUGH and last is None:
                last = day_of(product)
            if base is None and self._good(colours, clear):
                base = product
        unreadable = len(self._unreadable)
        filled, chosen = self._filled(since, base), Chosen.SINCE
        if not self._share_near(filled.seen):
            chosen = Chosen.UNTIL
            filled = self._best(lambda seen: seen < day)
        if last is None:
            last = self._last_clear(day)
        return (
            filled,
            chosen,
            LooksSince(
                **counts,
                unreadable=unreadable,
                left_out=len(since[MOST_SINCE:]),
                last_clear=last,
            ),
        )

    def before(self, day: date, season: date) -> tuple[_Filling, Chosen]:
        """Fill the image before, from the first choice that shows the place."""
        latest = day - HALF_YEAR

        def of_season(newest: int, oldest: int) -> Callable[[date], bool]:
            # a whole number of years holds each season once a year
            first, last = latest - YEAR * oldest, latest - YEAR * newest
            return lambda seen: (
                first < seen <= last and days_apart(seen, season) <= SEASON_DAYS
            )

        choices: list[tuple[Chosen, Callable[[date], bool]]] = [
            (Chosen.YEAR_EARLIER, of_season(0, 1)),
            (Chosen.SEASON, of_season(1, 1 + SEASON_YEARS)),
            (Chosen.OTHER_SEASON, lambda seen: seen <= latest),
            (Chosen.SHORTLY, lambda seen: latest < seen < day),
        ]
        best, best_share, best_chosen = self._empty(), 0.0, Chosen.YEAR_EARLIER
        for chosen, fits in choices:
            filled = self._best(fits)
            share = self._share_near(filled.seen)
            if share > best_share:
                best, best_share, best_chosen = filled, share, chosen
            if share >= ENOUGH:
                break
        return best, best_chosen

    def _best(self, fits: Callable[[date], bool]) -> _Filling:
        """Make an image of the looks of some days."""
        chosen = [product for seen, product in self._newest if fits(seen)]
        base = next(
            (
                product
                for product, colours, clear in self._read(chosen[:MOST_LOOKS])
                if self._good(colours, clear)
            ),
            None,
        )
        return self._filled(chosen, base)

    def _filled(self, chosen: Sequence[Product], base: Product | None) -> _Filling:
        """Show a look, and in its holes those nearest in time; or else the newest."""
        order = list(chosen)
        if base is not None:
            middle = day_of(base)
            order.sort(key=lambda product: abs((day_of(product) - middle).days))
        filled, hazy = self._empty(), self._empty()
        for product, colours, clear in self._read(order[:MOST_LOOKS]):
            (hazy if _under_haze(colours, clear) else filled).add(
                product, colours, clear
            )
            if min(filled.seen.mean(), self._share_near(filled.seen)) >= FULL:
                break
        _merge(filled, hazy)
        return filled

    def _good(self, colours: NDArray[np.float16], clear: NDArray[np.bool_]) -> bool:
        """Say whether a look alone shows the place."""
        return (
            self._share_near(clear) >= CLEAR_OF_SITE
            and float(clear.mean()) >= CLEAR_OF_CHIP
            and not _under_haze(colours, clear)
        )

    def _share_near(self, seen: NDArray[np.bool_]) -> float:
        """Give the share of the ground near that is seen."""
        return float(seen[self._window.own].mean())

    def _last_clear(self, day: date) -> date | None:
        """Find the last look before the tip that showed the place."""
        chosen = [product for seen, product in self._newest if seen < day]
        for product, _, clear in self._read(chosen[:MOST_LOOKS]):
            if self._share_near(clear) >= ENOUGH:
                return day_of(product)
        return None

    def _read(
        self, products: Sequence[Product]
    ) -> Iterator[tuple[Product, NDArray[np.float16], NDArray[np.bool_]]]:
        """Read looks one after the other; one that cannot be read is remembered."""
        for product in products:
            if product.product_id in self._unreadable:
                continue
            try:
                ((colours, clear),) = self.reader.windows(product, [self._window])
            except SourceError:
                # the run that could not read it has said so, or the cache lost it
                self._unreadable.add(product.product_id)
                continue
            yield product, colours, clear

    def _empty(self) -> _Filling:
        """Begin an image."""
        return _Filling.empty(len(self.reader.shown), self._window.own.shape)


def _under_haze(colours: NDArray[np.float16], clear: NDArray[np.bool_]) -> bool:
    """Say whether a look is under haze."""
    # red, green and blue: the last is the bluest; without blue that is green
    bluest = colours[-1][clear]
    return bluest.size > 0 and float(np.nanmedian(bluest)) > HAZY


def _merge(filled: _Filling, hazy: _Filling) -> None:
    """Fill holes with what was seen under haze."""
    new = hazy.seen & ~filled.seen
    if not new.any():
        return
    filled.colours[:, new] = hazy.colours[:, new]
    filled.days[new] = hazy.days[new]
    used = set(np.unique(hazy.days[new]).tolist())
    filled.looks += [look for look in hazy.looks if look[0] in used]
