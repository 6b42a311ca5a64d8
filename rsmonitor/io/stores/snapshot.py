"""Name a set of licences by what it says, so that a verdict can cite it."""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import MISSING, fields
from operator import itemgetter
from typing import Any, Final, TypeVar

from rsmonitor.io.stores.codec import encode
from rsmonitor.records.event import canonical_json
from rsmonitor.records.licence import (
    Completeness,
    Licence,
    ProducingList,
    RegisterSnapshot,
)

_R = TypeVar("_R", Completeness, ProducingList)

_ALWAYS: Final = frozenset(
    {
        "licence_id",
        "kind",
        "geometry",
        "minerals",
        "holder",
        "valid_from",
        "valid_to",
        "status",
        "invented",
    }
)
"""Fields that stand in the digest whatever they hold.

The others came later and stand in it where they say something, so that a digest that an
old alert cites is still the digest of the same licences."""


def snapshot_of(
    licences: Iterable[Licence],
    *,
    completeness: Iterable[Completeness] = (),
    producing: Iterable[ProducingList] = (),
    earlier: Iterable[Licence] = (),
) -> RegisterSnapshot:
    """
    Put licences in order and name them by their digest.

    The order in which they were imported does not matter, and neither does the file
    that a licence was taken from; every other field does, the last bit of a coordinate
    included.

    Parameters
    ----------
    licences : iterable of Licence
        All licences of the register, in and out of force.
    completeness : iterable of Completeness, optional
        Where the register is declared complete.
    producing : iterable of ProducingList, optional
        Published lists of producing mines.
    earlier : iterable of Licence, optional
        Versions that later ones replaced.

    Returns
    -------
    RegisterSnapshot
        Ordered by number, kind and geometry; the id is the first 16 hexadecimal
        digits of the SHA-256 of the canonical JSON of all that is given.

    Raises
    ------
    ContractError
        If a field holds what cannot be stored.

    Examples
    --------
    >>> snapshot_of([]).snapshot_id
    '4f53cda18c2baa0c'
    """
    said, ordered = _ordered(licences)
    said_before, ordered_before = _ordered(earlier)
    areas = _sorted_by_text(completeness)
    lists = _sorted_by_text(producing)
    beside = {
        "completeness": [encode(area) for area in areas],
        "producing": [encode(each) for each in lists],
        "earlier": said_before,
    }
    told = {name: value for name, value in beside.items() if value}
    text = canonical_json({"licences": said, **told} if told else said)
    return RegisterSnapshot(
        snapshot_id=hashlib.sha256(text.encode()).hexdigest()[:16],
        licences=ordered,
        completeness=areas,
        producing=lists,
        earlier=ordered_before,
    )


def said_by(licence: Licence) -> dict[str, Any]:
    """
    Give what a licence says, as JSON values, apart from where it was found.

    Parameters
    ----------
    licence : Licence
        A licence.

    Returns
    -------
    dict
        Its fields but `Licence.source`; fields that came later only where they say
        something. Two licences that say the same give the same.
    """
    written = encode(licence)
    del written["source"]
    return {
        name: value
        for name, value in written.items()
        if name in _ALWAYS or value != _LICENCE_UNSAID[name]
    }


def unsaid(kind: type[Any]) -> dict[str, Any]:
    """
    Give what JSON holds of each field of a record that says nothing.

    Parameters
    ----------
    kind : type
        A record whose defaults JSON has, tuples apart.

    Returns
    -------
    dict
        By name of the field; fields without a default are left out.
    """
    return {
        field.name: list(field.default)
        if isinstance(field.default, tuple)
        else field.default
        for field in fields(kind)
        if field.default is not MISSING
    }


_LICENCE_UNSAID: Final[Mapping[str, Any]] = unsaid(Licence)


def _ordered(
    licences: Iterable[Licence],
) -> tuple[list[dict[str, Any]], tuple[Licence, ...]]:
    """Put licences in the one order, beside what they say."""
    written = [(said_by(licence), licence) for licence in licences]
    written.sort(
        key=lambda pair: (
            pair[0]["licence_id"],
            pair[0]["kind"],
            pair[0].get("version", 1),
            pair[0]["geometry"],
            # two entries that differ in their dates only
            canonical_json(pair[0]),
        )
    )
    return [said for said, _ in written], tuple(licence for _, licence in written)


def _sorted_by_text(records: Iterable[_R]) -> tuple[_R, ...]:
    """Put records in the order of their JSON."""
    written = [(canonical_json(encode(record)), record) for record in records]
    return tuple(record for _, record in sorted(written, key=itemgetter(0)))
