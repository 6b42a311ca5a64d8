"""Licences and deliveries of them, for tests of the register."""

import hashlib
import json
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from shapely import box
from shapely.geometry import mapping

from rsmonitor.io.stores.register_history import Delivery
from rsmonitor.records.licence import Licence, LicenceKind

AT = datetime(2026, 11, 24, 2, tzinfo=UTC)
SQUARE = box(115.0, 24.7, 115.01, 24.71)


def right(number: str = "C1", east: float = 0.0, **said: Any) -> Licence:  # noqa: ANN401
    """Give a mining right in force, a square of a kilometre near Dingnan."""
    sound = Licence(
        licence_id=number,
        kind=LicenceKind.MINING,
        geometry=box(115.0 + east, 24.7, 115.01 + east, 24.71),
        minerals=("稀土",),
        holder="某稀土有限公司",
        valid_from=date(2020, 1, 1),
        valid_to=date(2029, 12, 31),
    )
    return replace(sound, **said)


def rights(*numbers: str) -> tuple[Licence, ...]:
    """Give mining rights side by side."""
    return tuple(right(n, east=0.02 * place) for place, n in enumerate(numbers))


def delivery(
    *licences: Licence,
    file: str = "采矿权.geojson",
    kind: LicenceKind = LicenceKind.MINING,
    **said: Any,  # noqa: ANN401
) -> Delivery:
    """Deliver licences; the same ones are the same bytes."""
    content = repr((licences, [one.geometry.wkb_hex for one in licences], said))
    return Delivery(
        file=file,
        sha256=hashlib.sha256(content.encode()).hexdigest(),
        kind=kind,
        licences=licences,
        **said,
    )


def write_geojson(path: Path, *licences: Licence, **said: Any) -> Path:  # noqa: ANN401
    """Write licences as a bureau's GeoJSON file."""
    features = [
        {
            "type": "Feature",
            "geometry": mapping(licence.geometry),
            "properties": {
                "licence_id": licence.licence_id,
                "kind": licence.kind.value,
                "minerals": list(licence.minerals),
                "holder": licence.holder,
                "valid_from": licence.valid_from and licence.valid_from.isoformat(),
                "valid_to": licence.valid_to and licence.valid_to.isoformat(),
                "status": licence.status,
                **said,
            },
        }
        for licence in licences
    ]
    document = {"type": "FeatureCollection", "features": features}
    path.write_text(json.dumps(document, ensure_ascii=False), encoding="utf-8")
    return path
