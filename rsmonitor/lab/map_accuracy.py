"""A map of alerts judged by the sample that was drawn for it."""

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from rsmonitor.errors import ContractError, ReturnsError
from rsmonitor.io.returns.reading import open_returns
from rsmonitor.lab.map_sample import ANSWERS, CANNOT_TELL, KEY, NO_ALERT, UNCHANGED
from rsmonitor.stages.accuracy import Estimate, MapAccuracy, SampledPoint, map_accuracy
from rsmonitor.stages.alerting import MINING_CAUSES

FIELDS: Final[Mapping[str, tuple[str, ...]]] = {
    "id": ("point_id",),
    "reference": ("reference", "判定"),
    "who": ("who",),
    "note": ("note",),
}
"""Columns of the sheet."""

MINING: Final = "mining"
OTHER: Final = "other change"

_MINING: Final = frozenset(cause.value for cause in MINING_CAUSES)
_LARGEST_KEY: Final = 64 * 2**20


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """What a sample says of a map."""

    week: str
    """Week of the map."""

    points: int
    """Points that were drawn."""

    judged: int
    """Points that people judged, and could."""

    undecided: int
    """Points of which they could not tell."""

    unwatched_m2: float
    """Ground of which the sample says nothing."""

    change: MapAccuracy
    """Of alerts as such: changed ground against unchanged."""

    classes: MapAccuracy
    """By class: mining, other change, unchanged."""

    tiers: Mapping[str, Mapping[str, Estimate]]
    """By tier: share of its ground that changed, and that is mining."""

    districts: Mapping[str, MapAccuracy]
    """By district: of alerts as such."""

    refused: tuple[str, ...]
    """Rows that could not be used, each with its reason."""

    def document(self) -> dict[str, Any]:
        """
        Write it as JSON values.

        Returns
        -------
        dict
            Estimates with value, standard_error, interval and points; null for NaN.
        """
        return {
            "week": self.week,
            "points": self.points,
            "judged": self.judged,
            "undecided": self.undecided,
            "unwatched_m2": round(self.unwatched_m2, 1),
            "change": _accuracy(self.change),
            "classes": _accuracy(self.classes),
            "tiers": {
                tier: {key: _estimate(value) for key, value in each.items()}
                for tier, each in self.tiers.items()
            },
            "districts": {key: _accuracy(each) for key, each in self.districts.items()},
            "refused": list(self.refused),
        }


def judge_sample(sheet: Path, key: Path | None = None) -> Judged:
    """
    Read a sheet that people filled in, and estimate.

    Parameters
    ----------
    sheet : Path
        The filled-in sheet: the GeoPackage, or the same table as CSV or XLSX.
    key : Path, optional
        The key that was written with it; by default it lies beside the sheet.

    Returns
    -------
    Judged
        What it says.

    Raises
    ------
    ReturnsError
        If sheet or key cannot be used.
    ContractError
        If a stratum has no judged point.
    """
    path = sheet.with_name(KEY) if key is None else key
    said = _read_key(path)
    known: Mapping[str, Mapping[str, str]] = said["points"]
    refused: list[str] = []
    answers: dict[str, str] = {}
    undecided = 0
    with open_returns(sheet, fields=FIELDS) as file:
        refused += [f"{r.file}, {r.line}: {r.value}: {r.rule}" for r in file.refused]
        for row in file.rows:
            name, answer = row.fields.get("id", ""), row.fields.get("reference")
            where = f"{file.file}, {row.where}"
            if answer is None:
                continue
            if name not in known:
                refused.append(f"{where}: point_id {name!r} is not of this sample")
            elif answer not in ANSWERS:
                refused.append(
                    f"{where}: reference {answer!r}; it must be one of "
                    f"{', '.join(ANSWERS)}"
                )
            elif answers.get(name, answer) != answer:
                refused.append(f"{where}: point {name} is judged twice, differently")
                answers.pop(name)
            elif answer == CANNOT_TELL:
                undecided += 1
            else:
                answers[name] = answer
    areas: dict[str, float] = said["area_m2"]
    rows = [
        (known[name]["stratum"], known[name]["mapped"], a)
        for name, a in answers.items()
    ]
    if not rows:
        raise ContractError(f"{sheet}: no point is judged yet: not measured")
    return Judged(
        week=str(said["week"]),
        points=len(known),
        judged=len(rows),
        undecided=undecided,
        unwatched_m2=float(said["unwatched_m2"]),
        change=_of(rows, areas, _changed),
        classes=_of(rows, areas, _class),
        tiers=_tiers(rows, areas),
        districts={
            district: _of(
                [row for row in rows if row[0].startswith(f"{district}/")],
                {k: v for k, v in areas.items() if k.startswith(f"{district}/")},
                _changed,
            )
            for district in sorted({stratum.split("/")[0] for stratum in areas})
        },
        refused=tuple(refused),
    )


def judged_lines(judged: Judged) -> list[str]:
    """
    Tell what a sample says.

    Parameters
    ----------
    judged : Judged
        From `judge_sample`.

    Returns
    -------
    list of str
        One line each.
    """
    lines = [
        f"week {judged.week}: {judged.judged} of {judged.points} points judged",
        f"points of which nobody could tell: {judged.undecided}",
        f"not monitored, and nothing said of it: {judged.unwatched_m2 / 1e6:.2f} km2",
        f"overall accuracy (changed or not): {_told(judged.change.overall)}",
    ]
    for tier, each in judged.tiers.items():
        lines.append(f"alerts of tier {tier}: changed {_told(each['changed'])}")
        lines.append(f"{'':16}mining  {_told(each[MINING])}")
    for name in (MINING, OTHER, UNCHANGED):
        if name in judged.classes.area_m2:
            area = judged.classes.area_m2[name]
            lines.append(
                f"{name}: user's {_told(judged.classes.users[name])}, producer's "
                f"{_told(judged.classes.producers[name])}, area "
                f"{area.value / 1e4:.2f} ha ({area.low / 1e4:.2f} to "
                f"{area.high / 1e4:.2f})"
            )
    for district, accuracy in judged.districts.items():
        lines.append(
            f"{district}: precision of alerts {_told(accuracy.users['changed'])}, "
            f"found {_told(accuracy.producers['changed'])}"
            if "changed" in accuracy.users
            else f"{district}: nothing changed in the sample"
        )
    return lines


def _read_key(path: Path) -> dict[str, Any]:
    """Read the key of a sample."""
    try:
        if path.stat().st_size > _LARGEST_KEY:
            raise ReturnsError(f"{path}: is larger than {_LARGEST_KEY >> 20} MiB")
        said = json.loads(path.read_bytes())
        points, areas = said["points"], said["area_m2"]
        whole = all(
            isinstance(p["stratum"], str) and isinstance(p["mapped"], str)
            for p in points.values()
        ) and all(float(area) > 0 for area in areas.values())
        if not whole or math.isnan(float(said["unwatched_m2"])) or "week" not in said:
            raise ReturnsError(f"{path}: is not the key of a sample")
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ReturnsError(
            f"{path}: cannot be read as the key of a sample ({error!r}); 'rsmonitor "
            f"assess map draw' writes it as {KEY} beside the sheet"
        ) from error
    return dict(said)


_Row = tuple[str, str, str]


def _changed(answer: str) -> str:
    """Reduce a class to changed or not."""
    return UNCHANGED if answer in {UNCHANGED, "artefact"} else "changed"


def _class(answer: str) -> str:
    """Reduce a cause to mining, another change, or none."""
    if answer in {UNCHANGED, "artefact"}:
        return UNCHANGED
    return MINING if answer in _MINING else OTHER


def _of(
    rows: Sequence[_Row], areas: Mapping[str, float], reduce: Callable[[str], str]
) -> MapAccuracy:
    """Estimate with classes reduced."""
    return map_accuracy(
        [
            SampledPoint(
                stratum=stratum,
                mapped=_mapped(stratum, mapped, reduce),
                reference=reduce(answer),
            )
            for stratum, mapped, answer in rows
        ],
        areas,
    )


def _mapped(stratum: str, mapped: str, reduce: Callable[[str], str]) -> str:
    """Give the class of the map; an alert says 'changed', whatever its cause."""
    if stratum.endswith(f"/{NO_ALERT}"):
        return UNCHANGED
    return "changed" if reduce is _changed else str(reduce(mapped))


def _tiers(
    rows: Sequence[_Row], areas: Mapping[str, float]
) -> dict[str, dict[str, Estimate]]:
    """Estimate for each tier how much of its ground changed, and is mining."""
    found = {}
    for tier in ("high", "medium", "low"):
        mine = [row for row in rows if row[0].endswith(f"/{tier}")]
        theirs = {k: v for k, v in areas.items() if k.endswith(f"/{tier}")}
        if not mine or not theirs:
            continue
        asked = {"changed": _changed, MINING: _class}
        found[tier] = {
            name: map_accuracy(
                [
                    SampledPoint(stratum=s, mapped=name, reference=reduce(answer))
                    for s, _, answer in mine
                ],
                theirs,
            ).users[name]
            for name, reduce in asked.items()
        }
    return found


def _told(estimate: Estimate) -> str:
    """Say an estimate."""
    if math.isnan(estimate.value):
        return "not measured"
    if math.isnan(estimate.low):
        return f"{estimate.value:.3f} (interval not measured: one point in a stratum)"
    return (
        f"{estimate.value:.3f} ({estimate.low:.3f} to {estimate.high:.3f}, "
        f"{estimate.points} points)"
    )


def _accuracy(accuracy: MapAccuracy) -> dict[str, Any]:
    """Write estimates as JSON values."""
    return {
        "overall": _estimate(accuracy.overall),
        "users": {key: _estimate(value) for key, value in accuracy.users.items()},
        "producers": {key: _estimate(v) for key, v in accuracy.producers.items()},
        "area_m2": {key: _estimate(value) for key, value in accuracy.area_m2.items()},
    }


def _estimate(estimate: Estimate) -> dict[str, Any]:
    """Write an estimate as JSON values."""
    return {
        "value": _number(estimate.value),
        "standard_error": _number(estimate.standard_error),
        "interval": [_number(estimate.low), _number(estimate.high)],
        "points": estimate.points,
    }


def _number(value: float) -> float | None:
    """Write NaN as null."""
    return None if math.isnan(value) else round(value, 6)
