"""Name a set of licences by what it says, so that a verdict can cite it."""

import hashlib
from collections.abc import Iterable

from rsmonitor.io.stores.codec import encode
from rsmonitor.records.event import canonical_json
from rsmonitor.records.licence import Licence, RegisterSnapshot


def snapshot_of(licences: Iterable[Licence]) -> RegisterSnapshot:
    """
    Put licences in order and name them by their digest.

    The order in which they were imported does not matter; every field does, the
    last bit of a coordinate included.

    Parameters
    ----------
    licences : iterable of Licence
        All licences of the register, in and out of force.

    Returns
    -------
    RegisterSnapshot
        Ordered by number, kind and geometry; the id is the first 16 hexadecimal
        digits of the SHA-256 of their canonical JSON.

    Raises
    ------
    ContractError
        If a field holds what cannot be stored.

    Examples
    --------
    >>> snapshot_of([]).snapshot_id
    '4f53cda18c2baa0c'
    """
    written = [(encode(licence), licence) for licence in licences]
    written.sort(
        key=lambda pair: (
            pair[0]["licence_id"],
            pair[0]["kind"],
            pair[0]["geometry"],
            # two entries that differ in their dates only
            canonical_json(pair[0]),
        )
    )
    text = canonical_json([encoded for encoded, _ in written])
    return RegisterSnapshot(
        snapshot_id=hashlib.sha256(text.encode()).hexdigest()[:16],
        licences=tuple(licence for _, licence in written),
    )
