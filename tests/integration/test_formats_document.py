"""What docs/formats.md shows can be read, and says what it shows."""

import re
from datetime import date
from pathlib import Path

import pytest

from rsmonitor.io.licences.producing import read_producing
from rsmonitor.io.licences.reading import read_any
from rsmonitor.records.licence import LicenceKind, military_word
from rsmonitor.stages.geodesy import area_m2

ROOT = Path(__file__).parents[2]
DOCUMENT = (ROOT / "docs" / "formats.md").read_text(encoding="utf-8")
SAMPLES = dict(
    re.findall(r"^`([^`]+\.\w+)`:\n```\n(.*?)\n```", DOCUMENT, re.MULTILINE | re.DOTALL)
)
RIGHTS = sorted(SAMPLES.keys() - {"producing.csv"})
NUMBER = "C3600002009115210045678"


def test_every_text_format_has_a_sample() -> None:
    assert {Path(name).suffix for name in SAMPLES} == {".txt", ".csv", ".geojson"}
    assert len(SAMPLES) == 6


@pytest.mark.parametrize("name", RIGHTS)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030"])
def test_a_sample_is_one_right_of_twelve_hectares(
    tmp_path: Path, name: str, encoding: str
) -> None:
    if name.endswith("json") and encoding == "gb18030":
        encoding = "utf-8"  # RFC 8259 knows no other
    path = tmp_path / name
    path.write_bytes(SAMPLES[name].encode(encoding))
    found = read_any(path)
    assert found.refused == ()
    (licence,) = found.licences
    assert licence.licence_id == NUMBER
    assert licence.kind is LicenceKind.MINING
    assert area_m2(licence.geometry) == pytest.approx(120_000, rel=0.15)
    lon, lat = licence.geometry.centroid.coords[0]
    assert lon == pytest.approx(115.02, abs=0.02)
    assert lat == pytest.approx(24.69, abs=0.02)
    if name != "抄录.txt":  # a licence's number alone
        assert licence.valid_from == date(2020, 1, 1)
        assert licence.valid_to == date(2029, 12, 31)


def test_the_sample_of_producing_mines_is_a_list(tmp_path: Path) -> None:
    path = tmp_path / "producing.csv"
    path.write_text(SAMPLES["producing.csv"], encoding="utf-8")
    (listed,) = read_producing(path, year=2026).lists(
        publisher="某集团", published=date(2026, 3, 1)
    )
    assert NUMBER in listed.licence_ids
    assert len(listed.licence_ids) == 2


@pytest.mark.parametrize("kind", LicenceKind)
def test_every_kind_is_explained(kind: LicenceKind) -> None:
    assert f"| `{kind.value}` |" in DOCUMENT


def test_the_words_that_are_refused_are_those_that_are_told() -> None:
    for word in ("军事", "军用", "特殊用地", "military"):
        assert word in DOCUMENT
        assert military_word([word]) == word
