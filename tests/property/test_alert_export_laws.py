"""Nothing finds a place or a person in what is for the public; all else is kept."""

import csv
import io
import json
import re
import zipfile
from collections.abc import Sequence
from datetime import date, timedelta
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from xml.etree import ElementTree as ET

import pyogrio
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from openpyxl import load_workbook
from shapely import MultiPolygon, Polygon, box

from rsmonitor.io.deliver.bulletin import PUBLIC_FORMATS, bulletin_of, write_bulletin
from rsmonitor.io.deliver.handheld import (
    GPX,
    place_of,
    short_names,
    write_gpx,
    write_kml,
)
from rsmonitor.io.deliver.report_tables import alerts_table
from rsmonitor.io.deliver.tables import csv_bytes, xlsx
from rsmonitor.records.alert import Alert
from rsmonitor.records.disturbance import Cause, Classified, Disturbance, Increment
from rsmonitor.records.provenance import Provenance
from rsmonitor.records.rasters import Tier
from rsmonitor.records.site import Site, SiteState
from rsmonitor.records.verdict import Category, Certainty, Part, TraceStep, Verdict

BASE32 = "abcdefghijklmnopqrstuvwxyz234567"
NAMES = {"360728": "定南县", "441624": "和平县"}

# of a kind that stands in no label, so that a find is a leak
secrets = st.text(
    st.sampled_from("ЖЩЪЫЭЮЯǼǾȘȚ<&>\"'=+@\x00\x0b\ud800"), min_size=6, max_size=12
).map(lambda text: f"Ǥ{text}")
# no word of any label ends so
ids = st.text(BASE32, min_size=10, max_size=10).map(lambda text: f"{text}77")
odd = st.floats(0.0101, 0.0999)


@st.composite
def alerts(draw: st.DrawFn) -> Alert:
    """Raise an alert whose every text is a secret."""
    name, secret = draw(ids), partial(draw, secrets)
    west, south = 114.0 + draw(odd), 24.0 + draw(odd)
    whole = box(west, south, west + 0.001, south + 0.001)
    outline: Polygon | MultiPolygon = whole
    if draw(st.booleans()):
        hole = box(west + 3e-4, south + 3e-4, west + 6e-4, south + 6e-4)
        away = box(west + 0.002, south, west + 0.003, south + 0.001)
        holed = Polygon(whole.exterior, [hole.exterior])
        outline = MultiPolygon([holed, away])
    first = date(2019, 1, 1) + timedelta(days=draw(st.integers(0, 700)))
    area = draw(st.floats(100.0, 90_000.0))
    seen = Disturbance(
        grid_id=secret(),
        anchor=(0, 0),
        tier=draw(st.sampled_from([Tier.LOW, Tier.MEDIUM, Tier.HIGH])),
        geometry=outline,
        area_m2=area,
        pixels=7,
        began_after=None,
        began_by=first,
        confirmed=None,
        last_seen=first,
        last_clear=first,
        clear_looks_since=1,
        increments=(
            Increment(geometry=outline, area_m2=area, began_after=None, began_by=first),
        ),
    )
    site = Site(
        site_id=f"s{name}",
        district="demo",
        state=SiteState.ACTIVE,
        latest=Classified(
            disturbance=seen, causes={Cause.DIGGING: 1.0}, model_id=secret()
        ),
    )
    category = draw(st.sampled_from(Category))
    part = Part(
        category=category,
        certainty=Certainty.CERTAIN,
        area_m2=area,
        licence_ids=(secret(),),
        clause=secret(),
        clause_zh=secret(),
        geometry=outline,
        trace=(TraceStep(rule="act", zh=secret(), en=secret()),),
        restrictions=(secret(),),
    )
    return Alert(
        alert_id=f"a{name}",
        version=1,
        rank=draw(st.integers(1, 99)),
        site=site,
        verdict=Verdict(
            site_id=site.site_id,
            category=category,
            certainty=Certainty.CERTAIN,
            parts=(part,),
            licence_ids=(secret(),),
            register_snapshot=secret(),
            warnings=(secret(),),
        ),
        county_codes=draw(st.sampled_from([(), ("360728",), ("360728", "441624")])),
        bureau=secret(),
        provenance=Provenance(
            software=secret(),
            settings_digest=draw(st.text("0123456789abcdef", min_size=64, max_size=64)),
            scenes=(secret(),),
            processing_baselines=(secret(),),
            model_id=secret(),
        ),
        invented_licences=False,
    )


# an example is one file or several, which GDAL or openpyxl reads
few = settings(max_examples=max(1, settings.default.max_examples // 5))

many = st.lists(alerts(), max_size=4, unique_by=lambda alert: alert.alert_id)


def texts_in(data: bytes, form: str) -> str:
    """Give all text of a file, whatever it is packed in."""
    if form != "xlsx":
        return data.decode("utf-8-sig")
    with zipfile.ZipFile(io.BytesIO(data)) as book:
        return "\n".join(book.read(name).decode() for name in book.namelist())


@few
@given(shown=many, form=st.sampled_from(PUBLIC_FORMATS))
def test_nothing_in_a_bulletin_finds_a_place_or_a_person(
    shown: list[Alert], form: str
) -> None:
    text = texts_in(
        write_bulletin(shown, form=form, county_names=NAMES, invented=False), form
    )
    assert "Ǥ" not in text, "a text of the alert is there"
    for alert in shown:
        seen = alert.site.latest.disturbance
        for value in (alert.alert_id[1:], alert.provenance.settings_digest):
            assert value not in text
        assert seen.began_by.isoformat() not in text
        assert f"{seen.area_m2:.1f}" not in text
        for x, y in shapely.get_coordinates(seen.geometry):
            # to a hundredth of a degree, which is a kilometre
            assert f"{x:.2f}" not in text
            assert f"{y:.2f}" not in text
    # whatever it holds with a decimal point is a version of some format
    if form in {"csv", "json", "geojson"}:
        assert not re.findall(r"\d+\.\d+", text)


@few
@given(shown=many, form=st.sampled_from(PUBLIC_FORMATS), data=st.data())
def test_a_bulletin_does_not_tell_the_order_of_the_alerts(
    shown: list[Alert], form: str, data: st.DataObject
) -> None:
    other = data.draw(st.permutations(shown))
    say = partial(write_bulletin, form=form, county_names=NAMES, invented=False)
    assert say(shown) == say(other)


@few
@given(shown=many)
def test_a_bulletin_counts_every_alert_once(shown: list[Alert]) -> None:
    assert sum(bulletin_of(shown).values()) == len(shown)
    features = json.loads(
        write_bulletin(shown, form="geojson", county_names=NAMES, invented=False)
    )["features"]
    assert all(feature["geometry"] is None for feature in features)
    assert sum(f["properties"]["alerts"] for f in features) == len(shown)


@few
@given(st.lists(ids, unique=True, max_size=40))
def test_names_for_a_small_screen_are_short_and_unique(names: list[str]) -> None:
    given_names = short_names(f"a{name}" for name in names)
    assert len(set(given_names.values())) == len(names)
    assert all(6 <= len(n) <= 12 and n.isascii() for n in given_names.values())


def test_names_that_begin_alike_grow_until_they_differ() -> None:
    assert short_names(["aabcdefgaaaaa", "aabcdefghaaaa", "azzzzzzzzzzzz"]) == {
        "aabcdefgaaaaa": "ABCDEFGA",
        "aabcdefghaaaa": "ABCDEFGH",
        "azzzzzzzzzzzz": "ZZZZZZ",
    }


def read(data: bytes, name: str, layer: str | None = None) -> tuple[list[str], list]:  # type: ignore[type-arg]
    """Let GDAL read a file: names and geometries."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / name
        path.write_bytes(data)
        frame = pyogrio.read_dataframe(path, layer=layer)
    key = "name" if "name" in frame else "Name"
    return list(frame[key]), list(frame.geometry)


def coordinates(geometry: shapely.Geometry) -> list[tuple[float, float]]:
    return sorted({(x, y) for x, y in shapely.get_coordinates(geometry)})


@few
@given(shown=many.filter(len))
def test_gdal_reads_kml_back_with_the_same_coordinates(shown: list[Alert]) -> None:
    data = write_kml(shown, invented=False)
    names = short_names(alert.alert_id for alert in shown)
    for layer, wanted in (("点位 points", 0), ("图斑 outlines", 1)):
        found, geometries = read(data, "alerts.kml", layer)
        assert found == [names[alert.alert_id] for alert in shown]
        for alert, geometry in zip(shown, geometries, strict=True):
            expected = place_of(alert)[wanted]
            assert coordinates(geometry) == coordinates(expected)
            assert geometry.geom_type == expected.geom_type


@few
@given(shown=many.filter(len))
def test_gdal_reads_gpx_back_with_the_same_coordinates(shown: list[Alert]) -> None:
    data = write_gpx(shown, invented=False)
    names = short_names(alert.alert_id for alert in shown)
    for layer, wanted in (("waypoints", 0), ("tracks", 1)):
        found, geometries = read(data, "alerts.gpx", layer)
        assert found == [names[alert.alert_id] for alert in shown]
        for alert, geometry in zip(shown, geometries, strict=True):
            assert coordinates(geometry) == coordinates(place_of(alert)[wanted])


@few
@given(shown=many)
def test_the_point_that_a_person_is_sent_to_lies_inside(shown: list[Alert]) -> None:
    for alert in shown:
        point, outline = place_of(alert)
        assert outline.contains(point)


@few
@given(shown=many)
def test_hostile_texts_make_no_broken_file_and_no_formula(shown: list[Alert]) -> None:
    ET.fromstring(write_kml(shown, invented=True))  # noqa: S314 - our own
    ET.fromstring(write_gpx(shown, invented=True))  # noqa: S314
    table = alerts_table(shown)
    rows = list(csv.reader(io.StringIO(csv_bytes([table]).decode("utf-8-sig"))))
    assert [len(row) for row in rows] == [len(table.columns)] * (len(shown) + 1)
    assert not [cell for row in rows for cell in row if cell[:1] in {"=", "+", "@"}]
    book = load_workbook(
        io.BytesIO(xlsx([table], heading="=1+1", remarks=["=2+2"])), data_only=False
    )
    cells = [cell for row in book.worksheets[0].iter_rows() for cell in row]
    assert not [cell.value for cell in cells if cell.data_type == "f"]


@few
@given(shown=many)
def test_the_same_alerts_give_the_same_workbook(shown: list[Alert]) -> None:
    def written(of: Sequence[Alert]) -> bytes:
        return xlsx([alerts_table(of)], heading="h", remarks=[])

    assert written(shown) == written(shown)


def test_gpx_is_what_receivers_know() -> None:
    root = ET.fromstring(write_gpx([], invented=False))  # noqa: S314
    assert (root.tag, root.get("version")) == (f"{{{GPX}}}gpx", "1.1")


@pytest.mark.parametrize("form", PUBLIC_FORMATS)
def test_a_bulletin_of_nothing_is_a_whole_file(form: str) -> None:
    assert write_bulletin([], form=form, county_names={}, invented=True)
