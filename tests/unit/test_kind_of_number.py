"""An exploration right is never read as a mining right by what somebody typed."""

import json
from pathlib import Path

import pytest

from rsmonitor.io.licences.found import kind_of_number
from rsmonitor.io.licences.geojson import read_licences
from rsmonitor.records.licence import LicenceKind

EXPLORATION = "T3600002015035010054321"
MINING = "C3600002009115210045678"


@pytest.mark.parametrize(
    ("number", "given", "kind", "warned"),
    [
        (EXPLORATION, None, LicenceKind.EXPLORATION, False),
        (MINING, None, LicenceKind.MINING, False),
        (EXPLORATION, LicenceKind.MINING, LicenceKind.EXPLORATION, True),
        (MINING, LicenceKind.EXPLORATION, LicenceKind.MINING, True),
        (MINING, LicenceKind.MINING, LicenceKind.MINING, False),
        (MINING, LicenceKind.CLOSED, LicenceKind.CLOSED, False),
        ("T12", LicenceKind.MINING, LicenceKind.MINING, False),
        ("赣自然资〔2020〕12号", None, LicenceKind.MINING, True),
    ],
)
def test_the_letter_of_an_official_number_stands_against_the_caller(
    number: str, given: LicenceKind | None, kind: LicenceKind, *, warned: bool
) -> None:
    found, warning = kind_of_number(number, given)
    assert found is kind
    assert bool(warning) == warned


def write(folder: Path, **properties: object) -> Path:
    ring = [[115, 25], [115.01, 25], [115.01, 25.01], [115, 25.01], [115, 25]]
    feature = {
        "type": "Feature",
        "properties": properties,
        "geometry": {"type": "Polygon", "coordinates": [ring]},
    }
    path = folder / "rights.geojson"
    path.write_text(
        json.dumps({"type": "FeatureCollection", "features": [feature]}),
        encoding="utf-8",
    )
    return path


@pytest.mark.parametrize(
    ("properties", "kind"),
    [
        ({"licence_id": EXPLORATION}, LicenceKind.EXPLORATION),
        ({"licence_id": MINING}, LicenceKind.MINING),
        ({"licence_id": EXPLORATION, "kind": "mining"}, LicenceKind.MINING),
        (
            {"licence_id": "R1", "限制区类型": "生态保护红线"},
            LicenceKind.RESTRICTION,
        ),
        ({"licence_id": "L1", "用地类型": "临时用地"}, LicenceKind.LAND_USE),
    ],
)
def test_geojson_tells_the_kind_as_the_other_formats_do(
    tmp_path: Path, properties: dict[str, object], kind: LicenceKind
) -> None:
    (licence,) = read_licences(write(tmp_path, **properties)).licences
    assert licence.kind is kind
