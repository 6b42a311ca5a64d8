"""Signs that a layer of licences is wrong as a whole.

A layer that is empty, outdated, incomplete or displaced turns every lawful mine into a
suspect, or hides every unlawful one. Then nothing is said at all, until a person has
looked and said why it is right after all.
"""

from collections.abc import Iterable, Sequence
from datetime import date
from typing import Final

import shapely

from rsmonitor.errors import LicenceError
from rsmonitor.io.stores.register_history import Doubt
from rsmonitor.records.licence import Licence, LicenceKind
from rsmonitor.stages.jurisdiction import County

RIGHTS: Final = frozenset(
    {
        LicenceKind.MINING,
        LicenceKind.EXPLORATION,
        LicenceKind.RECOVERY,
        LicenceKind.LAND_USE,
        LicenceKind.RESTORATION,
    }
)
"""Kinds that permit something for a time."""

NEAR_DEGREES: Final = 0.05
"""A right this near to a county, about five kilometres, may well be of it."""


class SuspectRegisterError(LicenceError):
    """A layer of licences looks wrong as a whole, and nobody has accepted it."""


def doubts_of(
    licences: Iterable[Licence],
    *,
    day: date,
    counties: Sequence[County] = (),
    before: int | None = None,
    near_degrees: float = NEAR_DEGREES,
) -> tuple[Doubt, ...]:
    """
    Find signs that a layer is wrong as a whole.

    Parameters
    ----------
    licences : iterable of Licence
        The layer.
    day : date
        Day on which at least one right should be valid, or later, Asia/Shanghai.
    counties : sequence of County, optional
        Counties that the layer is for; without any, its place cannot be judged.
    before : int, optional
        Number of licences of the import before; None where there was none.
    near_degrees : float, default NEAR_DEGREES
        How near to a county a right may be of it.

    Returns
    -------
    tuple of Doubt
        Empty where nothing speaks against the layer.

    Examples
    --------
    >>> [doubt.code for doubt in doubts_of([], day=date(2026, 1, 1))]
    ['empty']
    """
    layer = tuple(licences)
    if not layer:
        return (
            Doubt(
                code="empty",
                reason="it holds no licence at all, so that everything would look "
                "unlicensed",
            ),
        )
    found = (
        _expired(layer, day),
        _half(len(layer), before),
        _elsewhere(layer, counties, near_degrees),
    )
    return tuple(doubt for doubt in found if doubt is not None)


def require_accepted(
    what: str, doubts: Iterable[Doubt], accepted: Iterable[str], *, advice: str
) -> None:
    """
    Refuse a layer that looks wrong and that nobody accepted.

    Parameters
    ----------
    what : str
        The layer, for the message.
    doubts : iterable of Doubt
        What speaks against it.
    accepted : iterable of str
        `Doubt.code` of those that a person accepted.
    advice : str
        What to do.

    Raises
    ------
    SuspectRegisterError
        If a doubt is left.
    """
    known = set(accepted)
    left = [doubt for doubt in doubts if doubt.code not in known]
    if left:
        reasons = "; ".join(f"{doubt.reason} [{doubt.code}]" for doubt in left)
        raise SuspectRegisterError(
            f"{what}: looks wrong as a whole: {reasons}. {advice}"
        )


def _expired(layer: Sequence[Licence], day: date) -> Doubt | None:
    """Doubt a layer of which every right has ended."""
    rights = [licence for licence in layer if licence.kind in RIGHTS]
    ends = [licence.valid_to for licence in rights]
    last = max((end for end in ends if end is not None), default=None)
    if last is None or None in ends or last >= day:
        return None
    return Doubt(
        code="expired",
        reason=f"all of its {len(rights)} rights had ended before {day}, the last on "
        f"{last}",
    )


def _half(count: int, before: int | None) -> Doubt | None:
    """Doubt a layer that lost half of what the import before it had."""
    if before is None or 2 * count > before:
        return None
    return Doubt(
        code="half",
        reason=f"it holds {count} licences, the import before it held {before}",
    )


def _elsewhere(
    layer: Sequence[Licence], counties: Sequence[County], near_degrees: float
) -> Doubt | None:
    """Doubt a layer of which nothing is near the counties that it is for."""
    if not counties:
        return None
    near = shapely.union_all([county.geometry for county in counties]).buffer(
        near_degrees
    )
    shapely.prepare(near)
    if any(near.intersects(licence.geometry) for licence in layer):
        return None
    lon, lat = layer[0].geometry.centroid.coords[0]
    names = ", ".join(f"{county.name} ({county.code})" for county in counties)
    return Doubt(
        code="elsewhere",
        reason=f"none of its {len(layer)} parcels is in or near {names}: the first is "
        f"at {lon:.4f}, {lat:.4f}",
    )
