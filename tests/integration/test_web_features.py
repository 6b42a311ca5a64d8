"""OGC API - Features over HTTP: pages, filters, and programs that others wrote."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import pytest
import shapely
from web_served import Served, serve
from web_world import ANYUAN, PINGYUAN, XUNWU, World, build

from rsmonitor.records.account import Role

ITEMS = "/api/collections/alerts/items"


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    return build(tmp_path_factory.mktemp("world"), each=9)


@pytest.fixture(scope="module")
def served(world: World) -> Iterator[Served]:
    scopes = (("*",), (XUNWU,), ("36",), (PINGYUAN, "demo-woods"))
    with serve(world, {Role.BUREAU: scopes}) as found:
        yield found


def get(served: Served, path: str, *areas: str) -> Any:  # noqa: ANN401 - JSON
    answer = served.ask(path, served.token(*(areas or ("*",)), role=Role.BUREAU))
    assert answer.status == 200, (path, answer.body)
    return answer.json


def ids(served: Served, query: str = "", *areas: str) -> set[str]:
    found = get(served, f"{ITEMS}?limit=1000&{query}", *areas)
    assert found["numberMatched"] == found["numberReturned"] == len(found["features"])
    return {feature["id"] for feature in found["features"]}


def walked(served: Served, collection: str, limit: int, *areas: str) -> list[str]:
    """Follow the next links to the end."""
    found: list[str] = []
    path = f"/api/collections/{collection}/items?limit={limit}"
    while True:
        page = get(served, path, *areas)
        assert page["numberReturned"] == len(page["features"]) <= limit
        found += [feature["id"] for feature in page["features"]]
        onward = [link["href"] for link in page["links"] if link["rel"] == "next"]
        if not onward:
            assert page["numberMatched"] == len(found)
            return found
        parts = urlsplit(onward[0])
        path = f"{parts.path}?{parts.query}"


# ------------------------------------------------------------------------------ pages


@pytest.mark.parametrize("areas", [("*",), ("36",), (PINGYUAN, "demo-woods")])
@pytest.mark.parametrize("limit", [1, 4, 1000])
def test_pages_hold_everything_that_is_seen_exactly_once(
    served: Served, world: World, areas: tuple[str, ...], limit: int
) -> None:
    found = walked(served, "alerts", limit, *areas)
    assert len(found) == len(set(found))
    assert set(found) == world.seen(areas)


@pytest.mark.parametrize("collection", ["coverage", "districts", "licences"])
def test_the_other_collections_are_paged_too(served: Served, collection: str) -> None:
    assert len(set(walked(served, collection, 1))) == 4
    assert len(walked(served, collection, 3, XUNWU)) == 1


def test_a_feature_says_what_the_other_products_say(
    served: Served, world: World
) -> None:
    alert = world.alerts[XUNWU][0]
    found = get(served, f"{ITEMS}/{alert.alert_id}")
    said = found["properties"]
    assert found["type"] == "Feature"
    assert shapely.geometry.shape(found["geometry"]).equals(
        alert.site.latest.disturbance.geometry
    )
    assert said["district"] == XUNWU
    assert said["week_said"] == "2026-W46"
    assert said["category"] == alert.verdict.category
    assert said["parts"][0]["trace"]
    assert {each["rel"] for each in found["links"]} >= {"self", "collection"}


def test_the_list_says_the_same_of_each(served: Served) -> None:
    listed = get(served, "/api/alerts?limit=1000")
    assert listed["next"] is None
    by_id = {row["id"]: row for row in listed["alerts"]}
    for feature in get(served, f"{ITEMS}?limit=1000")["features"]:
        row = by_id.pop(feature["id"])
        point = shapely.Point(row["point"])
        assert shapely.geometry.shape(feature["geometry"]).contains(point)
        for name in ("rank", "tier", "category", "area_mu", "last_seen"):
            assert row[name] == feature["properties"][name]
    assert not by_id


# ---------------------------------------------------------------------------- filters


def test_filters_choose_what_they_name(served: Served, world: World) -> None:
    everything = world.everything
    for name, of in (
        ("tier", lambda a: a.site.latest.disturbance.tier.code),
        ("category", lambda a: a.verdict.category.value),
        ("state", lambda a: a.site.state.value),
        ("district", lambda a: a.site.district),
    ):
        for value in {of(alert) for alert in everything}:
            expected = {a.alert_id for a in everything if of(a) == value}
            assert ids(served, f"{name}={value}") == expected
    assert ids(served, f"county={PINGYUAN[:4]}") == world.seen((PINGYUAN,))
    assert ids(served, f"county={PINGYUAN}", "36") == {
        world.alerts[XUNWU][1].alert_id
    }, "the one that crosses the border"
    assert ids(served, "tier=high&category=expired") == set()


def test_a_search_finds_ids_names_and_labels(served: Served, world: World) -> None:
    alert = world.alerts[ANYUAN][0]
    assert ids(served, f"q={alert.alert_id[3:10].upper()}") == {alert.alert_id}
    assert ids(served, f"q={quote('安远')}") == world.seen((ANYUAN,))
    assert ids(served, f"q={quote('安远')}", XUNWU) == set()
    assert ids(served, f"q={quote('无证开采')}&district={ANYUAN}") == {
        a.alert_id
        for a in world.alerts[ANYUAN]
        if a.verdict.category.value == "no_right"
    }
    for hostile in ("%", "_", "'", '"', "\\", "*", "') OR 1=1 --"):
        assert ids(served, f"q={quote(hostile)}") == set() or hostile == "_"


def test_a_box_chooses_what_its_ground_meets(served: Served, world: World) -> None:
    for alert in world.everything[::5]:
        outline = alert.site.latest.disturbance.geometry
        west, south, east, north = outline.bounds
        middle = f"{(west + east) / 2},{(south + north) / 2}"
        assert alert.alert_id in ids(served, f"bbox={middle},{middle}")
        assert alert.alert_id in ids(served, f"bbox={west},{south},{west},{south}")
        beside = f"{east + 1e-6},{south},{east + 2e-6},{north}"
        assert alert.alert_id not in ids(served, f"bbox={beside}")
    assert ids(served, "bbox=-180,-90,180,90") == world.seen(("*",))
    assert ids(served, "bbox=-180,-90,0,180,90,9") == world.seen(("*",)), "heights"
    # west beyond east: over the antimeridian
    assert ids(served, "bbox=170,-90,30,90") == world.seen(("demo-woods",))
    assert ids(served, "bbox=116.5,-90,-170,90") == set()


@pytest.mark.parametrize(
    ("interval", "since", "until"),
    [
        ("2026-09-03", date(2026, 9, 3), date(2026, 9, 3)),
        ("2026-09-03/..", date(2026, 9, 3), date.max),
        ("../2026-09-03", date.min, date(2026, 9, 3)),
        ("/2026-09-03T12:00:00Z", date.min, date(2026, 9, 3)),
        ("2026-08-01/2026-08-31", date(2026, 8, 1), date(2026, 8, 31)),
        ("2026-11-11T00:00:00Z/..", date(2026, 11, 11), date.max),
        # the day of an instant is Shanghai's
        ("../2026-09-02T16:00:00Z", date.min, date(2026, 9, 3)),
        ("../2026-09-02T15:59:59Z", date.min, date(2026, 9, 2)),
    ],
)
def test_an_interval_chooses_what_lasted_in_it(
    served: Served, world: World, interval: str, since: date, until: date
) -> None:
    expected = {
        a.alert_id
        for a in world.everything
        if a.site.latest.disturbance.last_seen >= since
        and a.site.latest.disturbance.began_by <= until
    }
    assert ids(served, f"datetime={quote(interval)}") == expected


@pytest.mark.parametrize(
    "query",
    [
        *("limit=0", "limit=-1", "limit=x", "limit=1.5", "limit=1&limit=2"),
        *("bbox=1,2,3", "bbox=a,b,c,d", "bbox=1,5,3,4", "bbox=nan,1,2,3", "bbox="),
        *("bbox=-181,0,0,1", "bbox=0,-91,1,1", "bbox=1,2,3,inf", "bbox=1,2,3,4,5"),
        *("datetime=", "datetime=../..", "datetime=yesterday", "datetime=2026-13-01"),
        *(
            "datetime=2026-02-01/2026-01-01",
            "datetime=2026-01-01/2026-01-02/..",
        ),
        "datetime=0001-01-01T00:00:00%2B14:00/x",
        *("token=%21", "token=A", "tier=highest", "category=x", "state=gone"),
        *("county=x", "district=..%2F", "week=2026-W99", "colour=red", "q=%00"),
        f"q={'x' * 300}",
    ],
)
def test_a_parameter_that_breaks_its_rule_is_named(served: Served, query: str) -> None:
    answer = served.ask(f"{ITEMS}?{query}", served.token("*", role=Role.BUREAU))
    assert answer.status == 400, (query, answer.body)
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json["status"] == 400
    assert answer.json["detail"]


def test_what_there_is_not_is_not_there(served: Served, world: World) -> None:
    token = served.token(XUNWU, role=Role.BUREAU)
    bodies = {
        served.ask(path, token).body
        for path in (
            f"{ITEMS}/{world.alerts[ANYUAN][0].alert_id}",  # another's
            f"{ITEMS}/aaaaaaaaaaaaa",
            f"{ITEMS}/nonsense",
            "/api/collections/nothing/items",
            f"/api/alerts/{world.alerts[ANYUAN][0].alert_id}/reading",
            "/api/alerts/aaaaaaaaaaaaa/reading",
        )
    }
    assert len(bodies) == 1, "an id of another county is as unknown as any"


def test_answers_are_kept_by_nobody(served: Served) -> None:
    answer = served.ask(ITEMS, served.token("*", role=Role.BUREAU))
    assert answer.headers["cache-control"] == "private, no-store"
    assert {"cookie", "authorization"} <= {
        each.strip().lower() for each in answer.headers["vary"].split(",")
    }
    assert "etag" not in answer.headers
    assert answer.headers["content-encoding"] == "gzip"
    plain = served.ask(
        ITEMS,
        served.token("*", role=Role.BUREAU),
        headers={"Accept-Encoding": "identity"},
    )
    assert "content-encoding" not in plain.headers
    assert plain.json["features"] == answer.json["features"]
    assert served.ask(ITEMS, None).status == 401
    assert served.ask(ITEMS, "wrong").status == 401


# ------------------------------------------------------------------------ conformance


def test_conformance_is_declared_and_the_links_lead_there(served: Served) -> None:
    landing = get(served, "/api")
    by_rel = {link["rel"]: link for link in landing["links"]}
    assert set(by_rel) >= {"self", "service-desc", "conformance", "data"}
    for link in by_rel.values():
        path = urlsplit(link["href"]).path
        answer = served.ask(path, served.token("*", role=Role.BUREAU))
        assert answer.status == 200
        assert answer.headers["content-type"] == link["type"]
    declared = get(served, "/api/conformance")["conformsTo"]
    assert [each.rpartition("/")[2] for each in declared] == [
        "core",
        "oas30",
        "geojson",
    ]
    for described in get(served, "/api/collections")["collections"]:
        (items,) = [e["href"] for e in described["links"] if e["rel"] == "items"]
        assert get(served, urlsplit(items).path)["type"] == "FeatureCollection"


def test_the_extent_is_that_of_what_is_seen(served: Served, world: World) -> None:
    found = get(served, "/api/collections/alerts", XUNWU)["extent"]
    mine = [a for a in world.everything if a.alert_id in world.seen((XUNWU,))]
    shapes = [a.site.latest.disturbance.geometry for a in mine]
    expected = shapely.total_bounds(shapes).tolist()
    assert found["spatial"]["bbox"][0] == pytest.approx(expected)


# --------------------------------------------------------------------- other programs


PYOGRIO = """
import json, sys
import pyogrio
url, token = sys.argv[1:]
if "OAPIF" not in pyogrio.list_drivers():
    sys.exit(77)
pyogrio.set_gdal_config_options(
    {"GDAL_HTTP_AUTH": "BEARER", "GDAL_HTTP_BEARER": token, "GDAL_HTTP_TIMEOUT": "60"}
)
names = sorted(name for name, _ in pyogrio.list_layers(f"OAPIF:{url}"))
meta, _, geometry, columns = pyogrio.raw.read(
    f"OAPIF:{url}", layer="alerts", PAGE_SIZE="5"
)
ids = columns[list(meta["fields"]).index("alert_id")].tolist()
print(json.dumps([names, dict(zip(ids, (g.hex() for g in geometry)))]))
"""


def test_gdal_reads_every_alert(served: Served, world: World) -> None:
    """The driver of the wheel, with a token, page by page, in a process of its own."""
    ran = subprocess.run(  # noqa: S603 - our own script
        [
            *(sys.executable, "-c", PYOGRIO, f"{served.url}/api"),
            served.token("36", role=Role.BUREAU),
        ],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    if ran.returncode == 77:
        pytest.skip("this GDAL has no OAPIF driver")
    assert ran.returncode == 0, ran.stderr
    names, read = json.loads(ran.stdout)
    assert names == ["alerts", "coverage", "districts", "licences"]
    assert set(read) == world.seen(("36",))
    for alert in world.everything:
        if alert.alert_id in read:
            outline = shapely.from_wkb(bytes.fromhex(read[alert.alert_id]))
            assert outline.equals(alert.site.latest.disturbance.geometry)


@pytest.mark.needs_program("ogrinfo", "gdal-bin")
def test_an_older_gdal_reads_them_too(served: Served, world: World) -> None:
    token = served.token(XUNWU, role=Role.BUREAU)
    ran = subprocess.run(  # noqa: S603 - our own arguments
        ["ogrinfo", "-al", f"OAPIF:{served.url}/api", "alerts"],  # noqa: S607 - on the path
        env={**os.environ, "GDAL_HTTP_HEADERS": f"Authorization: Bearer {token}"},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert all(alert_id in ran.stdout for alert_id in world.seen((XUNWU,)))
    others = world.seen(("*",)) - world.seen((XUNWU,))
    assert not any(alert_id in ran.stdout for alert_id in others)


QGIS = """
import json, sys
from qgis.core import QgsApplication, QgsDataSourceUri, QgsNetworkAccessManager
from qgis.core import QgsVectorLayer
url, token, folder = sys.argv[1:]
QgsApplication.setPrefixPath("/usr", True)
app = QgsApplication([], False, folder)
app.initQgis()
# what the authentication method "API header" does, which QGIS has since 3.24
QgsNetworkAccessManager.setRequestPreprocessor(
    lambda request: request.setRawHeader(
        b"Authorization", f"Bearer {token}".encode()
    )
)
uri = QgsDataSourceUri()
uri.setParam("url", url)
uri.setParam("typename", "alerts")
uri.setParam("pageSize", "4")
layer = QgsVectorLayer(uri.uri(False), "alerts", "OAPIF")
found = [f["alert_id"] for f in layer.getFeatures()] if layer.isValid() else None
print("FOUND", json.dumps(found))
app.exitQgis()
"""


@pytest.mark.needs_program("python3:qgis.core", "python3-qgis")
def test_qgis_reads_every_alert(served: Served, world: World, tmp_path: Path) -> None:
    script = tmp_path / "session.py"
    script.write_text(QGIS)
    ran = subprocess.run(  # noqa: S603 - our own script
        [
            *("/usr/bin/python3", str(script), f"{served.url}/api"),
            *(served.token("36", role=Role.BUREAU), str(tmp_path)),
        ],
        env={**os.environ, "QT_QPA_PLATFORM": "offscreen", "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    (line,) = [each for each in ran.stdout.splitlines() if each.startswith("FOUND")]
    assert set(json.loads(line.removeprefix("FOUND"))) == world.seen(("36",))


# -------------------------------------------------------------------------------- STAC


def test_the_catalogue_is_valid_and_leads_to_every_alert(
    served: Served, world: World
) -> None:
    from pystac.validation import validate_dict  # noqa: PLC0415 - where it is used

    root = get(served, "/api/stac", "36")
    (child,) = [e["href"] for e in root["links"] if e["rel"] == "child"]
    assert validate_dict(root)
    described = get(served, urlsplit(child).path, "36")
    assert validate_dict(described)
    found = []
    path = f"{urlsplit(child).path}/items?limit=5"
    while path:
        page = get(served, path, "36")
        found += page["features"]
        onward = [e["href"] for e in page["links"] if e["rel"] == "next"]
        parts = urlsplit(onward[0]) if onward else None
        path = "" if parts is None else f"{parts.path}?{parts.query}"
    assert {each["id"] for each in found} == world.seen(("36",))
    assert len(found) == len(world.seen(("36",)))
    for each in found[:3]:
        assert validate_dict(each)
        assert "derived_from" in {link["rel"] for link in each["links"]}
        one = get(served, f"/api/stac/collections/alerts/items/{each['id']}", "36")
        assert one == each
