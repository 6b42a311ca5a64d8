"""Alerts for the public: how many, in which county, of which kind, in which month.

Nothing that finds a place or a person is left: no coordinates, no names, no numbers of
alerts, sites, licences or scenes, no holder, no day. It is built from four fields, not
by taking out others, so that a new field of an alert cannot slip through.
"""

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from rsmonitor.io.deliver.geojson import dumps, notice
from rsmonitor.io.deliver.tables import Column, Table, csv_bytes, xlsx
from rsmonitor.records.alert import M2_PER_MU, Alert
from rsmonitor.records.verdict import CATEGORY_LABELS, Category

AREA_CLASSES: Final = (
    (1.0, "lt_1", "不足1亩", "below 1 mu"),
    (5.0, "1_to_5", "1至5亩", "1 to 5 mu"),
    (10.0, "5_to_10", "5至10亩", "5 to 10 mu"),
    (50.0, "10_to_50", "10至50亩", "10 to 50 mu"),
    (float("inf"), "ge_50", "50亩以上", "50 mu and more"),
)
"""Upper limit in mu, code and labels of each class of area."""

PUBLIC_FORMATS: Final = ("csv", "xlsx", "json", "geojson")
"""What can say this; the others are made of coordinates."""

_COLUMNS: Final = (
    Column(key="county_code", zh="县级代码", en="county code"),
    Column(key="county", zh="县区", en="county"),
    Column(key="category", zh="类别代码", en="category code"),
    Column(key="category_zh", zh="类别", en="category in Chinese"),
    Column(key="category_en", zh="类别（英文）", en="category"),
    Column(key="area_class", zh="面积级代码", en="area class code"),
    Column(key="area_class_zh", zh="面积级", en="area class in Chinese"),
    Column(key="month", zh="月份", en="month first seen"),
    Column(key="alerts", zh="线索数", en="alerts"),
)


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class BulletinRow:
    """Alerts that have these four things in common."""

    county_code: str
    """GB/T 2260, six digits; empty where it is not known. Two counties near a border
    stand as ``360728/441624``."""

    month: str
    """Month in which they were first seen, such as ``2026-07``."""

    category: Category
    """What they are suspected to be."""

    area_class: str
    """Code of `AREA_CLASSES`."""


def bulletin_of(alerts: Iterable[Alert]) -> dict[BulletinRow, int]:
    """
    Count alerts by what the public may know of them.

    Parameters
    ----------
    alerts : iterable of Alert
        In any order.

    Returns
    -------
    dict of BulletinRow to int
        Number of alerts, ordered by row.
    """
    counts = Counter(
        BulletinRow(
            county_code="/".join(sorted(alert.county_codes)),
            month=f"{alert.site.latest.disturbance.began_by:%Y-%m}",
            category=alert.verdict.category,
            area_class=_area_class(alert.site.latest.disturbance.area_m2),
        )
        for alert in alerts
    )
    return dict(sorted(counts.items()))


def write_bulletin(
    alerts: Iterable[Alert],
    *,
    form: str,
    county_names: Mapping[str, str],
    invented: bool,
) -> bytes:
    """
    Write alerts for the public.

    Parameters
    ----------
    alerts : iterable of Alert
        In any order, which does not show.
    form : {"csv", "xlsx", "json", "geojson"}
        Format; GeoJSON has features without geometry.
    county_names : mapping of str to str
        Names of counties by code; of nothing smaller.
    invented : bool
        True where licences are invented, which is said.

    Returns
    -------
    bytes
        The file.

    Raises
    ------
    KeyError
        If the format is none of `PUBLIC_FORMATS`.
    """
    rows = [
        _described(row, count, county_names)
        for row, count in bulletin_of(alerts).items()
    ]
    if form in {"json", "geojson"}:
        return _as_json(rows, form=form, invented=invented)
    table = Table(
        key="bulletin",
        title="线索通报",
        columns=_COLUMNS,
        rows=tuple(tuple(row[c.key] for c in _COLUMNS) for row in rows),
    )
    writers = {
        "csv": lambda: csv_bytes([table]),
        "xlsx": lambda: xlsx(
            [table],
            heading="疑似线索通报 Bulletin of suspected cases",
            remarks=[notice(invented=invented)],
        ),
    }
    return writers[form]()


def _described(
    row: BulletinRow, count: int, county_names: Mapping[str, str]
) -> dict[str, Any]:
    """Say a row in codes and words."""
    zh, en = CATEGORY_LABELS[row.category]
    names = [county_names.get(code, code) for code in row.county_code.split("/")]
    area_zh = next(zh for _, code, zh, _ in AREA_CLASSES if code == row.area_class)
    return {
        "county_code": row.county_code,
        "county": "/".join(names) or "不详 not known",
        "category": row.category.value,
        "category_zh": zh,
        "category_en": en,
        "area_class": row.area_class,
        "area_class_zh": area_zh,
        "month": row.month,
        "alerts": count,
    }


def _as_json(rows: list[dict[str, Any]], *, form: str, invented: bool) -> bytes:
    """Write rows as JSON, or as features that are nowhere."""
    top = {"notice": notice(invented=invented), "invented_licences": invented}
    if form == "json":
        text = json.dumps({**top, "rows": rows}, ensure_ascii=False, indent=1)
        return f"{text}\n".encode()
    features = [
        {"type": "Feature", "id": number, "properties": row, "geometry": None}
        for number, row in enumerate(rows, start=1)
    ]
    return dumps({"type": "FeatureCollection", **top, "features": features})


def _area_class(area_m2: float) -> str:
    """Give the class of an area."""
    mu = area_m2 / M2_PER_MU
    return next(code for limit, code, *_ in AREA_CLASSES if mu < limit)
