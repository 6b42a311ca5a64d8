import dataclasses
import io
import json
import math
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pyogrio
import pytest
import shapely
from deliveries import (
    ROMANIA,
    area_m2,
    evidence_dataset,
    licences_on,
    pixels_box,
    result_of,
    synthetic_evidence,
    to_lonlat,
)
from hypothesis import given
from hypothesis import strategies as st
from shapely import Polygon

from rsmonitor.errors import OutputError
from rsmonitor.io.deliver.geojson import (
    STANDING,
    alerts_collection,
    coverage_collection,
    disturbances_collection,
    dumps,
    rounded,
)
from rsmonitor.records.alert import NOTICE, NOTICE_INVENTED
from rsmonitor.records.disturbance import Cause
from rsmonitor.records.rasters import Tier
from rsmonitor.records.run import RunResult
from rsmonitor.records.site import SiteState
from rsmonitor.records.verdict import Category, Certainty

SCHEMAS = Path(__file__).parents[2] / "docs" / "schemas"

COLLECTIONS: dict[str, Callable[[RunResult], dict[str, Any]]] = {
    "alerts": alerts_collection,
    "disturbances": disturbances_collection,
    "coverage": coverage_collection,
}

OF_SITE = {
    "site_id",
    "tier",
    "began_after",
    "began_by",
    "first_seen",
    "confirmed",
    "last_seen",
    "last_clear",
    "clear_looks_since",
    "area_m2",
    "cause",
    "cause_probability",
    "causes",
    "state",
}
OF_ALERT = OF_SITE | {
    "alert_id",
    "version",
    "rank",
    "category",
    "certainty",
    "parts",
    "licence_ids",
    "restrictions",
    "register_warnings",
    "register_snapshot",
    "law_table",
    "area_mu",
    "county_codes",
    "bureau",
    "scenes",
    "software",
    "settings_digest",
    "model_id",
    "invented_licences",
    "notice",
}


@pytest.fixture(scope="module")
def result() -> RunResult:
    return result_of(synthetic_evidence())


@pytest.fixture(scope="module")
def nothing() -> RunResult:
    evidence = evidence_dataset(
        ROMANIA,
        np.zeros(ROMANIA.shape, dtype=np.uint8),
        np.full(ROMANIA.shape, np.datetime64("NaT"), dtype="datetime64[D]"),
    )
    return result_of(evidence, licences=())


def schema(name: str) -> dict[str, Any]:
    text = (SCHEMAS / f"{name}.schema.json").read_text(encoding="utf-8")
    loaded: dict[str, Any] = json.loads(text)
    return loaded


def written(name: str, result: RunResult) -> dict[str, Any]:
    """Give a collection as a reader meets it."""
    collection: dict[str, Any] = json.loads(dumps(COLLECTIONS[name](result)))
    return collection


def faults(name: str, collection: dict[str, Any]) -> list[str]:
    validator = jsonschema.Draft202012Validator(
        schema(name), format_checker=jsonschema.FormatChecker()
    )
    return [error.message for error in validator.iter_errors(collection)]


def rings(geometry: dict[str, Any]) -> Iterator[tuple[int, list[list[float]]]]:
    polygons = geometry["coordinates"]
    if geometry["type"] == "Polygon":
        polygons = [polygons]
    for polygon in polygons:
        yield from enumerate(polygon)


@pytest.mark.parametrize("name", COLLECTIONS)
def test_schema_is_a_schema(name: str) -> None:
    jsonschema.Draft202012Validator.check_schema(schema(name))


@pytest.mark.parametrize("name", COLLECTIONS)
def test_what_is_written_obeys_its_schema(name: str, result: RunResult) -> None:
    collection = written(name, result)
    assert collection["features"]
    assert faults(name, collection) == []


@pytest.mark.parametrize("name", COLLECTIONS)
def test_a_run_that_found_nothing_obeys_the_schemas(
    name: str, nothing: RunResult
) -> None:
    collection = written(name, nothing)
    assert faults(name, collection) == []
    assert ("bbox" in collection) == bool(collection["features"])


@pytest.mark.parametrize("name", COLLECTIONS)
def test_schema_refuses_a_key_that_is_not_in_the_contract(
    name: str, result: RunResult
) -> None:
    collection = written(name, result)
    collection["features"][0]["properties"]["colour"] = "red"
    assert faults(name, collection)


def test_keys_are_those_of_the_contract(result: RunResult) -> None:
    for feature in written("alerts", result)["features"]:
        assert set(feature["properties"]) == OF_ALERT
        for part in feature["properties"]["parts"]:
            assert set(part) - {"geometry"} == {
                "category",
                "certainty",
                "area_m2",
                "licence_ids",
                "clause",
                "restrictions",
                "trace",
            }
    for feature in written("disturbances", result)["features"]:
        assert set(feature["properties"]) == OF_SITE


def test_schemas_list_the_codes_of_the_records() -> None:
    defined = schema("alerts")["$defs"]
    assert defined["category"]["enum"] == [c.value for c in Category]
    assert defined["certainty"]["enum"] == [c.value for c in Certainty]
    assert defined["cause"]["enum"] == [c.value for c in Cause]
    assert defined["tier"]["enum"] == [t.code for t in Tier if t is not Tier.NONE]
    assert set(defined["state"]["enum"]) == {s.value for s in STANDING}
    alert, site = defined["properties"], schema("disturbances")["$defs"]["properties"]
    assert site["properties"].items() <= alert["properties"].items()


@pytest.mark.parametrize("name", COLLECTIONS)
def test_collection_follows_rfc_7946(name: str, result: RunResult) -> None:
    collection = written(name, result)
    assert next(iter(collection)) == "type"
    assert "crs" not in collection
    ids = [feature["id"] for feature in collection["features"]]
    assert len(set(ids)) == len(ids)
    for feature in collection["features"]:
        assert shapely.geometry.shape(feature["geometry"]).is_valid
        parts = feature["properties"].get("parts", [])
        for geometry in [feature["geometry"], *(p["geometry"] for p in parts)]:
            for index, ring in rings(geometry):
                assert ring[0] == ring[-1]
                assert shapely.is_ccw(shapely.linearrings(ring)) == (index == 0)
                for number in (n for position in ring for n in position):
                    assert number == round(number, 7)
                    assert len(repr(number).partition(".")[2]) <= 7
        west, south, east, north = feature["bbox"]
        bounds = shapely.geometry.shape(feature["geometry"]).bounds
        assert (west, south, east, north) == bounds
    boxes = np.array([feature["bbox"] for feature in collection["features"]])
    assert collection["bbox"][:2] == boxes[:, :2].min(axis=0).tolist()
    assert collection["bbox"][2:] == boxes[:, 2:].max(axis=0).tolist()


def test_features_have_the_ids_of_the_records_and_their_order(
    result: RunResult,
) -> None:
    alerts = written("alerts", result)["features"]
    assert [f["id"] for f in alerts] == [a.alert_id for a in result.alerts]
    assert [f["properties"]["rank"] for f in alerts] == list(range(1, len(alerts) + 1))
    sites = [f["id"] for f in written("disturbances", result)["features"]]
    assert sites == sorted(sites)


def test_every_standing_site_is_told_and_no_withdrawn_or_merged_one(
    result: RunResult,
) -> None:
    older, younger, *rest = (s for s in result.sites if s.state in STANDING)
    merged = dataclasses.replace(
        younger, state=SiteState.MERGED, merged_into=older.site_id
    )
    withdrawn = dataclasses.replace(rest[0], state=SiteState.WITHDRAWN)
    changed = dataclasses.replace(result, sites=(older, merged, withdrawn, *rest[1:]))
    told = {f["id"] for f in written("disturbances", changed)["features"]}
    assert told == {older.site_id, *(site.site_id for site in rest[1:])}
    assert {"new", "active", "recovering"} >= {
        f["properties"]["state"] for f in written("disturbances", changed)["features"]
    }


def test_values_are_those_of_the_records(result: RunResult) -> None:
    alert = result.alerts[0]
    seen = alert.site.latest.disturbance
    told = written("alerts", result)["features"][0]["properties"]
    assert told["area_m2"] == pytest.approx(seen.area_m2, abs=0.05)
    assert told["area_mu"] * 10_000 / 15 == pytest.approx(seen.area_m2, abs=4)
    assert told["first_seen"] == told["began_by"] == seen.began_by.isoformat()
    assert told["cause"] == "clear_cut"
    assert told["cause_probability"] == 0.625
    assert told["causes"] == {"digging": 0.375, "clear_cut": 0.625}
    parts = [part["area_m2"] for part in told["parts"]]
    assert math.fsum(parts) == pytest.approx(seen.area_m2, abs=1)


def test_same_result_in_another_order_gives_the_same_bytes(
    result: RunResult,
) -> None:
    def turned(geometry: Polygon) -> Polygon:
        ring = shapely.get_coordinates(geometry.exterior)[:-1]
        return Polygon(np.roll(ring, 2, axis=0)[::-1])

    site = next(
        s
        for s in result.sites
        if isinstance(s.latest.disturbance.geometry, Polygon)
        and not s.latest.disturbance.geometry.interiors
        and s.state in STANDING
    )
    seen, geometry = site.latest.disturbance, site.latest.disturbance.geometry
    assert isinstance(geometry, Polygon)
    latest = dataclasses.replace(
        site.latest,
        causes=dict(reversed(site.latest.causes.items())),
        disturbance=dataclasses.replace(seen, geometry=turned(geometry)),
    )
    other = dataclasses.replace(site, latest=latest)
    sites = [other if s.site_id == site.site_id else s for s in result.sites]
    shuffled = dataclasses.replace(
        result, sites=tuple(reversed(sites)), alerts=tuple(reversed(result.alerts))
    )
    for collection in COLLECTIONS.values():
        assert dumps(collection(shuffled)) == dumps(collection(result))


@pytest.mark.parametrize("name", COLLECTIONS)
@pytest.mark.parametrize("invented", [True, False])
def test_invented_licences_are_always_said(name: str, *, invented: bool) -> None:
    licences = licences_on(ROMANIA, invented=invented)
    result = result_of(synthetic_evidence(patches=5), licences=licences)
    collection = written(name, result)
    assert collection["invented_licences"] is invented
    assert NOTICE in collection["notice"]
    assert (NOTICE_INVENTED in collection["notice"]) is invented
    if name == "alerts":
        for feature in collection["features"]:
            assert feature["properties"]["invented_licences"] is invented
            assert NOTICE in feature["properties"]["notice"]
            assert (NOTICE_INVENTED in feature["properties"]["notice"]) is invented


def test_part_thinner_than_a_centimetre_keeps_its_area_and_loses_its_shape(
    result: RunResult,
) -> None:
    alert = result.alerts[0]
    thin = pixels_box(ROMANIA, 50, 50, 3, 1e-5)
    part = dataclasses.replace(alert.verdict.parts[0], geometry=thin, area_m2=0.3)
    parts = (*alert.verdict.parts, part)
    verdict = dataclasses.replace(alert.verdict, parts=parts)
    changed = dataclasses.replace(
        result, alerts=(dataclasses.replace(alert, verdict=verdict),)
    )
    collection = written("alerts", changed)
    told = collection["features"][0]["properties"]["parts"][-1]
    assert told["area_m2"] == 0.3
    assert "geometry" not in told
    assert faults("alerts", collection) == []


@pytest.mark.parametrize(
    "corner", [(math.nan, 25.0), (1150.0, 25.0), (115.0, 1e308), (math.inf, 25.0)]
)
def test_coordinates_of_no_place_on_earth_are_refused_by_name(
    corner: tuple[float, float],
) -> None:
    geometry = Polygon([(115, 25), (115.1, 25), corner, (115, 25.1)])
    with pytest.raises(OutputError, match=r"site X.*CRS84.*got \("):
        rounded(geometry, what="site X")


def test_number_that_json_cannot_say_is_refused(result: RunResult) -> None:
    collection = coverage_collection(result)
    collection["features"][0]["properties"]["share_seen"] = math.nan
    with pytest.raises(OutputError, match="finite"):
        dumps(collection)


def test_ground_that_was_never_seen_has_no_age(result: RunResult) -> None:
    coverage = dataclasses.replace(
        result.coverage[0], median_days_since_clear=math.nan, share_seen=0.0
    )
    changed = dataclasses.replace(result, coverage=(coverage,))
    collection = written("coverage", changed)
    told = collection["features"][0]["properties"]
    assert told["median_days_since_clear"] is None
    assert faults("coverage", collection) == []


def test_gdal_reads_it_in_the_right_place_with_chinese_intact(
    result: RunResult,
) -> None:
    frame = pyogrio.read_dataframe(io.BytesIO(dumps(alerts_collection(result))))
    assert frame.crs is not None
    assert frame.crs.to_epsg() == 4326
    assert len(frame) == len(result.alerts)
    assert set(frame["bureau"]) == {"示例县自然资源局"}
    inside = pixels_box(ROMANIA, 0, 0, 100, 100).buffer(1e-6)
    assert frame.within(inside).all()


@given(
    cells=st.sets(
        st.tuples(st.integers(0, 7), st.integers(0, 7)), min_size=1, max_size=40
    ),
    epsg=st.sampled_from([32650, 4547, 3035, 4490]),
    shift=st.tuples(st.floats(0, 1), st.floats(0, 1)),
)
def test_rounding_keeps_pixel_outlines_valid_and_their_area(
    cells: set[tuple[int, int]], epsg: int, shift: tuple[float, float]
) -> None:
    size = 1e-4 if epsg == 4490 else 10.0
    left, bottom = {
        32650: (700_000.0, 2_800_000.0),
        4547: (600_000.0, 2_800_000.0),
        3035: (5_271_982.6, 2_533_004.2),
        4490: (115.37, 25.05),
    }[epsg]
    x0, y0 = left + shift[0] * size, bottom + shift[1] * size
    outline = shapely.union_all(
        [
            shapely.box(
                x0 + c * size, y0 + r * size, x0 + (c + 1) * size, y0 + (r + 1) * size
            )
            for r, c in cells
        ]
    )
    grid = dataclasses.replace(ROMANIA, crs=f"EPSG:{epsg}")
    geometry = to_lonlat(outline, grid)
    result = rounded(geometry, what="pixels")
    assert result is not None
    assert result.is_valid
    coordinates = shapely.get_coordinates(result)
    assert (np.round(coordinates, 7) == coordinates).all()
    for polygon in shapely.get_parts(result):
        assert shapely.is_ccw(polygon.exterior)
        assert not any(shapely.is_ccw(ring) for ring in polygon.interiors)
    # half a unit of the last decimal along the outline
    tolerance = geometry.length * 111_000**2 * 1e-7
    assert area_m2(result) == pytest.approx(area_m2(geometry), abs=tolerance)


@given(
    points=st.lists(
        st.tuples(st.floats(115, 115.000002), st.floats(25, 25.000002)),
        min_size=3,
        max_size=9,
    )
)
def test_rounding_never_gives_an_invalid_polygon_even_at_its_own_scale(
    points: list[tuple[float, float]],
) -> None:
    result = rounded(Polygon(points), what="crumbs")
    assert result is None or (result.is_valid and not result.is_empty)


def test_days_are_written_as_iso_8601(result: RunResult) -> None:
    for feature in written("disturbances", result)["features"]:
        for key in ("began_after", "began_by", "confirmed", "last_seen"):
            value = feature["properties"][key]
            assert value is None or date.fromisoformat(value)
