"""What a register holds and what was done to it, for people and for programs."""

import json
from collections.abc import Iterator, Sequence
from typing import Any

from shapely.geometry import mapping

from rsmonitor.io.licences.days import ENDLESS
from rsmonitor.io.stores.codec import encode
from rsmonitor.io.stores.register_history import Act, Entry, standing
from rsmonitor.records.licence import (
    KIND_LABELS,
    SHANGHAI,
    Licence,
    RegisterSnapshot,
)
from rsmonitor.stages.geodesy import area_m2


def listing_lines(snapshot: RegisterSnapshot) -> Iterator[str]:
    """
    Say what a register holds.

    Parameters
    ----------
    snapshot : RegisterSnapshot
        The register at an instant.

    Yields
    ------
    str
        One line each.
    """
    yield (
        f"register {snapshot.snapshot_id}: {len(snapshot.licences)} licences, "
        f"{len(snapshot.earlier)} earlier versions"
    )
    for licence in snapshot.licences:
        chinese, english = KIND_LABELS[licence.kind]
        yield (
            f"  {licence.licence_id}  {chinese} {english}"
            + (f" ({licence.subkind})" if licence.subkind else "")
            + f"  version {licence.version}  {licence.valid_from or '?'} to "
            f"{_end(licence)}  {area_m2(licence.geometry) / 1e6:.4f} km2"
            + "".join(
                f"  {word}"
                for word in (licence.mine, licence.holder, "、".join(licence.minerals))
                if word
            )
        )
    for word in snapshot.completeness:
        yield f"complete: {word.kind.value} in {word.county_code} on {word.complete_on}"
    for listed in snapshot.producing:
        yield (
            f"producing in {listed.year}: {len(listed.licence_ids)} mines, published "
            f"by {listed.publisher} on {listed.published}"
        )
    yield from (f"refused and not put right since: {r}" for r in snapshot.refused)
    if not snapshot.completeness:
        yield "nothing is declared complete: no site is certainly without a right"


def listing_json(snapshot: RegisterSnapshot) -> str:
    """
    Give the same for programs.

    Parameters
    ----------
    snapshot : RegisterSnapshot
        The register at an instant.

    Returns
    -------
    str
        JSON: ``snapshot_id``, ``licences``, ``earlier``, ``completeness``,
        ``producing`` and ``refused``; geometry as GeoJSON.
    """
    return _json(
        {
            "snapshot_id": snapshot.snapshot_id,
            "licences": [_told(licence) for licence in snapshot.licences],
            "earlier": [_told(licence) for licence in snapshot.earlier],
            "completeness": [encode(word) for word in snapshot.completeness],
            "producing": [encode(listed) for listed in snapshot.producing],
            "refused": list(snapshot.refused),
        }
    )


def history_lines(entries: Sequence[Entry]) -> Iterator[str]:
    """
    Say what was done to a register.

    Parameters
    ----------
    entries : sequence of Entry
        Its history, oldest first.

    Yields
    ------
    str
        A line for each entry and for each reason.
    """
    kept = {entry.number for entry in standing(entries)}
    if not entries:
        yield "nothing was done yet"
    for entry in entries:
        at = entry.at.astimezone(SHANGHAI)
        what = " ".join(
            word for word in (entry.act.value, entry.kind, entry.words) if word
        )
        yield (
            f"{entry.number}  {at:%Y-%m-%d %H:%M} Asia/Shanghai  {entry.by}  {what}"
            + (f"  {entry.file} sha256 {entry.sha256[:16]}" if entry.file else "")
            + ("" if entry.number in kept else "  (void)")
        )
        if entry.act is Act.IMPORT:
            yield (
                f"    {entry.count} licences: {entry.added} new, {len(entry.changed)} "
                f"with a new version, {len(entry.amended)} amended, "
                f"{len(entry.refused)} refused, {entry.military} military"
            )
        yield from (f"    {change}" for change in entry.changed)
        if entry.replaces is not None:
            yield f"    makes entry {entry.replaces} void"
        if entry.doubts:
            yield f"    looked wrong ({', '.join(entry.doubts)}), accepted"
        if entry.reason:
            yield f"    reason: {entry.reason}"


def history_json(entries: Sequence[Entry]) -> str:
    """
    Give the same for programs.

    Parameters
    ----------
    entries : sequence of Entry
        The history of a register, oldest first.

    Returns
    -------
    str
        JSON: a list of all fields of each entry, and ``void``.
    """
    kept = {entry.number for entry in standing(entries)}
    return _json(
        [{**encode(entry), "void": entry.number not in kept} for entry in entries]
    )


def _end(licence: Licence) -> str:
    """Give the last valid day as a person reads it."""
    return "长期" if licence.valid_to == ENDLESS else str(licence.valid_to or "?")


def _told(licence: Licence) -> dict[str, Any]:
    """Give a licence for programs, with a geometry that they read."""
    return {**encode(licence), "geometry": mapping(licence.geometry)}


def _json(value: object) -> str:
    """Write JSON that people can read as well."""
    return json.dumps(value, ensure_ascii=False, indent=1, allow_nan=False)
