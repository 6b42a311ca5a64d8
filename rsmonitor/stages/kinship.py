"""The family tree of sites, read from what the audit chain says happened to them.

Ids never change, and what merged or parted once did so for ever: so the tree is not
stored beside the chain, which could contradict it.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from rsmonitor.records.event import EventKind
from rsmonitor.records.lifecycle import Family, Kin, Kinship


def family_of(site_id: str, tree: Iterable[Kin]) -> Family:
    """
    Find where a site comes from, and what came of it.

    Parameters
    ----------
    site_id : str
        `Site.site_id`.
    tree : iterable of Kin
        Branches of a district, in any order, see `kin_of_events`.

    Returns
    -------
    Family
        Does not depend on the order of the branches.
    """
    branches = sorted(set(tree))
    beside: dict[str, list[Kin]] = {}
    for kin in branches:
        beside.setdefault(kin.older, []).append(kin)
        beside.setdefault(kin.younger, []).append(kin)
    reached, found = {site_id}, [site_id]
    while found:
        for kin in beside.get(found.pop(), []):
            new = {kin.older, kin.younger} - reached
            reached |= new
            found += new
    own = beside.get(site_id, [])
    parents = {_from(kin) for kin in own if _from(kin) != site_id}
    children = {_to(kin) for kin in own if _to(kin) != site_id}
    return Family(
        site_id=site_id,
        parents=tuple(sorted(parents)),
        children=tuple(sorted(children)),
        tree=tuple(kin for kin in branches if kin.older in reached),
    )


def kin_of_events(
    events: Iterable[tuple[str, Mapping[str, Any]]],
) -> tuple[Kin, ...]:
    """
    Read the family tree of sites from what the audit chain says happened to them.

    Parameters
    ----------
    events : iterable of (str, Mapping)
        Kind and body of each, in any order; other kinds say nothing.

    Returns
    -------
    tuple of Kin
        Sorted, each once.
    """
    return tuple(sorted(set(_kin(events))))


def _kin(events: Iterable[tuple[str, Mapping[str, Any]]]) -> Iterator[Kin]:
    """Give the branches that each event tells of."""
    for kind, body in events:
        site_id = body.get("site_id")
        if not isinstance(site_id, str):
            continue
        if kind == EventKind.DETECTED.value:
            for older in body.get("split_from") or ():
                yield Kin(older=older, younger=site_id, kinship=Kinship.SPLIT)
        elif kind == EventKind.MERGED.value and body.get("merged_into"):
            yield Kin(older=body["merged_into"], younger=site_id, kinship=Kinship.MERGE)


def _from(kin: Kin) -> str:
    """Give the site that was before."""
    return kin.older if kin.kinship is Kinship.SPLIT else kin.younger


def _to(kin: Kin) -> str:
    """Give the site that came of it."""
    return kin.younger if kin.kinship is Kinship.SPLIT else kin.older
