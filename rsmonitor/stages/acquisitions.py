"""Products as archives list them -> looks at the ground, each of them once.

The rules, in order:

1. The datatake start is the one in ESA's product name where the product has such a
   name, else what the archive gives; to the whole second, which is all that names hold.
2. Products of one tile and platform whose datatakes start within `SAME_DATATAKE` are
   one look. Two passes over a place are 100 minutes apart.
3. Some archives give the sensing time of the granule for want of the datatake's. Such a
   product, without ESA's name, belongs to the last named look that started at most
   `LONGEST_DATATAKE` before it: the satellite can only have been on that pass.
4. The start of a look is the earliest that a name gives, else the earliest there is. A
   product that is processed again keeps it.
5. Of a look's products the newest processing comes first: baseline, then time of
   making, then name. One that shows ground which none before it shows is a strip of a
   split tile and is kept, to be merged pixel by pixel; any other is an older version or
   a twin and is left out. Without footprints, another start of sensing means another
   strip.

No rule looks at the order in which products are listed.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

import shapely

from rsmonitor.errors import ContractError
from rsmonitor.records.acquisition import AcquisitionKey, Product
from rsmonitor.records.offer import Offer

SAME_DATATAKE: Final = timedelta(seconds=60)
"""A tile is 16 seconds long, and some archives give the sensing time of its strips."""

LONGEST_DATATAKE: Final = timedelta(minutes=45)
"""Sensing of a tile starts at most this long after its datatake did; the next pass of
the same satellite is 100 minutes later."""

NEW_GROUND_SHARE: Final = 0.001
"""A footprint that adds less than this share of itself adds nothing: footprints of one
strip differ by this much between processings."""

ESA_NAME: Final = re.compile(
    r"S2[A-Z]_MSIL2A_(?P<start>[0-9]{8}T[0-9]{6})(_N[0-9]{4})?_R[0-9]{3}"
    r"_T[0-9]{2}[A-Z]{3}_[0-9]{8}T[0-9]{6}"
)
"""ESA's product name since December 2016; the first time is the datatake's start, the
last that of processing. Some archives leave out the baseline."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Acquisition:
    """One look at one place, and the products that hold it."""

    key: AcquisitionKey
    """Its identity."""

    offers: tuple[Offer, ...]
    """What to merge, newest processing first; one, unless strips split the tile."""

    superseded: tuple[str, ...]
    """Product ids of older versions and twins, which are not read."""

    @property
    def product(self) -> Product:
        """What the pipeline hears of it; another one when any member is replaced."""
        newest = self.offers[0]
        return Product(
            key=self.key,
            product_id="+".join(version_id(offer) for offer in self.offers),
            processing_baseline=newest.processing_baseline,
            sensed_at=min(offer.sensed_at for offer in self.offers),
            source=newest.source,
        )


def version_id(offer: Offer) -> str:
    """
    Name one version of a product, so that a later processing has another name.

    Parameters
    ----------
    offer : Offer
        The product as an archive lists it.

    Returns
    -------
    str
        ESA's name, which holds the time of processing; behind any other name stand
        baseline and time of making.
    """
    if ESA_NAME.fullmatch(offer.product_id):
        return offer.product_id
    made = "-" if offer.created_at is None else f"{offer.created_at:%Y%m%dT%H%M%S}"
    return f"{offer.product_id}@{offer.processing_baseline or '-'}@{made}"


def acquisitions(offers: Iterable[Offer], *, grid_id: str) -> tuple[Acquisition, ...]:
    """
    Group products into looks.

    Parameters
    ----------
    offers : iterable of Offer
        All versions, in any order, of one tile.
    grid_id : str
        `Grid.grid_id` of the grid that is looked at.

    Returns
    -------
    tuple of Acquisition
        Oldest first.

    Raises
    ------
    ContractError
        If offers are of several tiles, or a time is not UTC.
    """
    once = sorted(set(map(_Sorted, offers)))
    tiles = {known.offer.mgrs_tile for known in once}
    if len(tiles) > 1:
        raise ContractError(f"one grid has one tile, got {sorted(tiles)}")
    found = [
        _acquisition([known.offer for known in look], grid_id)
        for platform in sorted({known.offer.platform for known in once})
        for look in _looks([k for k in once if k.offer.platform == platform])
    ]
    return tuple(sorted(found, key=lambda look: (look.product.sensed_at, look.key)))


class _Sorted:
    """An offer with its place in an order that does not depend on the listing."""

    def __init__(self, offer: Offer) -> None:
        for name in ("datatake_start", "sensed_at"):
            if getattr(offer, name).utcoffset() != timedelta(0):
                raise ContractError(
                    f"Offer.{name} must be timezone-aware UTC, got "
                    f"{getattr(offer, name)!r} in {offer.product_id}"
                )
        self.offer = offer
        self.start, self.named = _datatake_start(offer)
        made = offer.created_at
        footprint = b"" if offer.footprint is None else shapely.to_wkb(offer.footprint)
        self.place = (
            self.start,
            offer.processing_baseline or "",
            "" if made is None else made.astimezone(UTC).isoformat(),
            offer.product_id,
            offer.sensed_at,
            footprint,
            offer.source,
            offer.radiometry.add_offset,
            offer.platform,
            offer.mgrs_tile,
            tuple(sorted(offer.assets.items())),
        )

    def __lt__(self, other: "_Sorted") -> bool:
        return self.place < other.place

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Sorted) and self.place == other.place

    def __hash__(self) -> int:
        return hash(self.place)


def _datatake_start(offer: Offer) -> tuple[datetime, bool]:
    """Start of the datatake to the second, and whether a name of ESA's gives it."""
    named = ESA_NAME.fullmatch(offer.product_id)
    if named is not None:
        try:
            start = datetime.strptime(named["start"], "%Y%m%dT%H%M%S")  # noqa: DTZ007
        except ValueError:
            pass  # a name that only looks like ESA's
        else:
            return start.replace(tzinfo=UTC), True
    return offer.datatake_start.replace(microsecond=0), False


def _looks(known: Sequence[_Sorted]) -> list[list[_Sorted]]:
    """Cut the products of one platform, sorted by start, into looks."""
    groups: list[list[_Sorted]] = []
    for one in known:
        if groups and one.start - groups[-1][-1].start <= SAME_DATATAKE:
            groups[-1].append(one)
        else:
            groups.append([one])
    looks: list[list[_Sorted]] = []
    last_named: list[_Sorted] | None = None
    for group in groups:
        starts = [one.start for one in group if one.named]
        if starts:
            last_named = group
        elif (
            last_named is not None
            and group[0].start - last_named[0].start <= LONGEST_DATATAKE
        ):
            last_named.extend(group)
            continue
        looks.append(group)
    return looks


def _acquisition(offers: Sequence[Offer], grid_id: str) -> Acquisition:
    """Choose what to merge of one look's products."""
    known = sorted(map(_Sorted, offers))
    named = [one.start for one in known if one.named]
    start = min(named or [one.start for one in known])
    newest_first = sorted(known, key=lambda one: one.place[1:], reverse=True)
    kept: list[Offer] = []
    superseded: list[str] = []
    for one in newest_first:
        if _adds_ground(one.offer, kept):
            kept.append(one.offer)
        else:
            superseded.append(version_id(one.offer))
    return Acquisition(
        key=AcquisitionKey(
            grid_id=grid_id, platform=offers[0].platform, datatake_start=start
        ),
        offers=tuple(kept),
        superseded=tuple(superseded),
    )


def _adds_ground(offer: Offer, kept: Sequence[Offer]) -> bool:
    """Tell a strip from another version of what is kept."""
    if not kept:
        return True
    footprints = [other.footprint for other in kept if other.footprint is not None]
    if offer.footprint is None or len(footprints) < len(kept):
        second = offer.sensed_at.replace(microsecond=0)
        return all(other.sensed_at.replace(microsecond=0) != second for other in kept)
    shown = shapely.make_valid(offer.footprint)
    seen = shapely.union_all([shapely.make_valid(one) for one in footprints])
    new = shapely.difference(shown, seen).area
    return bool(new > NEW_GROUND_SHARE * shown.area)
