"""No answer of any route holds anything of an alert that its viewer may not see.

The routes are those that the application has: a new one without a rule here fails.
Each answer is taken apart as far as it goes (zips, databases) and held against the ids,
coordinates and names of everything out of scope.
"""

import gzip
import io
import json
import re
import sqlite3
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from pathlib import Path

import pytest
from starlette.routing import Route
from web_served import Answer, Served, serve
from web_world import ANYUAN, PINGYUAN, PLACES, XUNWU, World, build, letters

from rsmonitor.records.account import Role
from rsmonitor.records.alert import Alert
from rsmonitor.records.finding import Judgement
from rsmonitor.wiring.web_downloads import FORMATS

SCOPES = ((XUNWU,), (PINGYUAN,), ("3607",), ("demo-woods",), ("44", ANYUAN), ("52",))
WEEK = "2026-W46"


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    return build(tmp_path_factory.mktemp("scopes"), each=3)


@pytest.fixture(scope="module")
def served(world: World) -> Iterator[Served]:
    with serve(
        world, {Role.ANALYST: (("*",), *SCOPES), Role.ADMINISTRATOR: (("*",),)}
    ) as found:
        yield found


# -------------------------------------------------------- what each route is asked for


def _items(world: World) -> Iterator[str]:
    for query in (
        *(
            "",
            "?limit=1",
            "?limit=10000",
            "?bbox=-180,-90,180,90",
            "?datetime=../2030-01-01",
        ),
        *("?tier=high", "?category=no_right", "?state=active", f"?county={ANYUAN}"),
        *(f"?county={PINGYUAN[:2]}", f"?district={XUNWU}", f"?week={WEEK}"),
        *("?q=licence", "?q=suspected", f"?q={ANYUAN}", "?token=YQ"),
    ):
        yield f"/api/collections/alerts/items{query}"
    for alert in world.everything:
        west, south, east, north = alert.site.latest.disturbance.geometry.bounds
        yield f"/api/collections/alerts/items?bbox={west},{south},{east},{north}"
        yield f"/api/collections/alerts/items?q={alert.alert_id}"
    for name in ("coverage", "districts", "licences", "nothing"):
        yield f"/api/collections/{name}/items"


def _item(world: World) -> Iterator[str]:
    for alert in world.everything:
        yield f"/api/collections/alerts/items/{alert.alert_id}"
    for district in PLACES:
        yield f"/api/collections/districts/items/{district}"
        yield f"/api/collections/licences/items/mining:licence-of-{district}"
        yield f"/api/collections/coverage/items/{district}-{WEEK.lower()}-50rku"


def _alerts(path: str) -> Callable[[World], Iterator[str]]:
    def paths(world: World) -> Iterator[str]:
        for alert in world.everything:
            yield path.replace("{alert_id}", alert.alert_id)

    return paths


def _same(*paths: str) -> Callable[[World], Iterator[str]]:
    return lambda _: iter(paths)


def _formats(world: World) -> Iterator[str]:
    for form in FORMATS:
        yield f"/api/alerts/download/{form}"
    yield f"/api/alerts/download/geopackage?district={XUNWU}"
    yield f"/api/alerts/download/csv?q={world.everything[-1].alert_id}"


def _one_in_formats(world: World) -> Iterator[str]:
    for alerts in world.alerts.values():
        for form in ("geojson", "csv"):
            yield f"/api/alerts/{alerts[0].alert_id}/download/{form}"


def _packages(name: str) -> Callable[[World], Iterator[str]]:
    def paths(_: World) -> Iterator[str]:
        for area in (*PLACES, "36", "3607", "44", "../360734", "%2e%2e"):
            yield f"/api/weeks/{WEEK}/{area}/{name}"

    return paths


def _images(world: World) -> Iterator[str]:
    for alerts in world.alerts.values():
        for kind in ("after", "other"):
            yield f"/api/alerts/{alerts[0].alert_id}/imagery/{kind}.png"


RULES: Mapping[str, Callable[[World], Iterator[str]]] = {
    "/api": _same("/api"),
    "/api/conformance": _same("/api/conformance"),
    "/api/openapi.json": _same("/api/openapi.json"),
    "/api/collections": _same("/api/collections"),
    "/api/collections/{collection}": _same(
        *(
            f"/api/collections/{c}"
            for c in ("alerts", "coverage", "districts", "licences")
        )
    ),
    "/api/collections/{collection}/items": _items,
    "/api/collections/{collection}/items/{item_id:path}": _item,
    "/api/alerts": _same("/api/alerts", "/api/alerts?limit=1", "/api/alerts?q=a"),
    "/api/alerts/{alert_id}/imagery": _alerts("/api/alerts/{alert_id}/imagery"),
    "/api/alerts/{alert_id}/imagery/{kind}.png": _images,
    "/api/alerts/{alert_id}/timeline": _alerts("/api/alerts/{alert_id}/timeline"),
    "/api/alerts/{alert_id}/reading": _alerts("/api/alerts/{alert_id}/reading"),
    "/api/alerts/{alert_id}/verdict": _alerts("/api/alerts/{alert_id}/verdict"),
    "/api/alerts/download/{form}": _formats,
    "/api/alerts/{alert_id}/download/{form}": _one_in_formats,
    "/api/vocabulary": _same("/api/vocabulary"),
    "/api/backgrounds": _same("/api/backgrounds"),
    "/api/backgrounds/{district}.png": lambda _: (
        f"/api/backgrounds/{district}.png" for district in PLACES
    ),
    "/api/weeks": _same("/api/weeks"),
    "/api/weeks/{week}/{area}/package.zip": _packages("package.zip"),
    "/api/weeks/{week}/{area}/files/{name:path}": _packages("files/alerts.geojson"),
    "/api/stac": _same("/api/stac"),
    "/api/stac/collections/alerts": _same("/api/stac/collections/alerts"),
    "/api/stac/collections/alerts/items": _same(
        "/api/stac/collections/alerts/items",
        "/api/stac/collections/alerts/items?limit=1",
    ),
    "/api/stac/collections/alerts/items/{alert_id}": _alerts(
        "/api/stac/collections/alerts/items/{alert_id}"
    ),
    "/api/uploads/{kind}": _same("/api/uploads/triage", "/api/uploads/tips"),
    # the doors: they know accounts, and areas of the scope by name
    "/api/session": _same("/api/session"),
    "/": _same("/"),
    "/sites/{alert_id}": _alerts("/sites/{alert_id}"),
    "/accounts": _same("/accounts"),
    "/login": _same("/login"),
    "/logout": _same("/logout"),
    "/healthz": _same("/healthz"),
    "/static/{name}": _same("/static/nothing.js"),
    "/static/{name:path}": _same("/static/nothing.js"),
    "/api/accounts": _same("/api/accounts"),
    "/api/accounts/{name}": _same("/api/accounts/analyst-0"),
    "/api/accounts/{name}/password": _same("/api/accounts/analyst-0/password"),
    "/api/accounts/{name}/unlock": _same("/api/accounts/analyst-0/unlock"),
    "/api/account/password": _same("/api/account/password"),
    "/api/tokens": _same("/api/tokens"),
    "/api/tokens/{token_id}": _same("/api/tokens/aaaaaaaaaaaaaaaa"),
    "/api/access-log": _same("/api/access-log"),
}
"""By route: what it is asked for, out of scope and in it."""

BODIES: Mapping[str, bytes] = {
    "/api/alerts/{alert_id}/verdict": json.dumps(
        {"verdict": "unclear", "expected_version": 99}
    ).encode(),
}


def routes(served: Served) -> list[tuple[str, frozenset[str]]]:
    """List all routes of the application, whatever it mounts or includes."""
    found = []

    def walk(each: object) -> None:
        for route in getattr(each, "routes", []):
            if isinstance(route, Route):
                found.append((route.path, frozenset(route.methods or ())))
            else:
                inner = getattr(route, "original_router", route)
                walk(inner if inner is not each else None)

    walk(served.app)
    return found


# ------------------------------------------------------------------ what may not appear


def forbidden(world: World, areas: tuple[str, ...]) -> dict[str, str]:
    """List what only somebody else's alerts, licences, districts and packages have."""
    seen = world.seen(areas)
    mine = [a for a in world.everything if a.alert_id in seen]
    # an alert on a border names both counties to both
    named = {code for a in mine for code in (a.site.district, *a.county_codes)}
    named |= {d for d in PLACES if any(_covers(area, d) for area in areas)}
    found: dict[str, str] = {}
    for alert in world.everything:
        if alert.alert_id in seen:
            continue
        name = alert.alert_id[1:]
        found |= {name: name, name[:6].upper(): name}
        found |= dict.fromkeys(_digits(alert), name)
    own = {alert.site.district for alert in mine}
    own |= {d for d in PLACES if any(_covers(area, d) for area in areas)}
    for district in set(PLACES) - own:
        for word in ("licence", "holder", "scene", "package"):
            text = f"{word}-of-{district}"
            found[text] = text
    for district in set(PLACES) - named:
        found[PLACES[district][2]] = f"name of {district}"
    return found


def _covers(area: str, code: str) -> bool:
    return area in ("*", code) or (code.isdigit() and code.startswith(area))


def _digits(alert: Alert) -> Iterator[str]:
    """Write the corners as answers write them, but for their last decimals."""
    west, south, east, north = alert.site.latest.disturbance.geometry.bounds
    for x in (west, east):
        for y in (south, north):
            # a single number may be another's by chance; so many digits are not
            yield f"{x:.6f}"[:-1]
            yield f"{y:.6f}"[:-1]


def texts(data: bytes) -> Iterator[str]:
    """Take an answer apart."""
    yield data.decode("utf-8", errors="replace")
    if data[:2] == b"PK":
        try:
            with zipfile.ZipFile(io.BytesIO(data)) as archive:
                for name in archive.namelist():
                    yield name
                    yield from texts(archive.read(name))
        except (zipfile.BadZipFile, zlib.error):
            return
    elif data[:2] == b"\x1f\x8b":
        yield from texts(gzip.decompress(data))
    elif data.startswith(b"SQLite format 3\x00"):
        with closing(sqlite3.connect(":memory:")) as database:
            database.deserialize(data)
            yield "\n".join(database.iterdump())


def leaks(answer: Answer, bad: Mapping[str, str], asked: str) -> list[str]:
    """Name what stands in an answer and may not; what was asked may be repeated."""
    whole = "\n".join([*texts(answer.body), *map(str, answer.headers.items())])
    return [
        text
        for text in bad
        if text in whole and text not in asked and text not in asked.upper()
    ]


# ------------------------------------------------------------------------------- tests


def test_every_route_has_a_rule_here(served: Served) -> None:
    without = {path for path, _ in routes(served)} - set(RULES)
    assert len(routes(served)) > 20
    assert not without, f"say in RULES what {sorted(without)} may be asked for"


@pytest.mark.parametrize("areas", SCOPES, ids="-".join)
def test_no_route_gives_away_what_another_area_has(
    served: Served, world: World, areas: tuple[str, ...]
) -> None:
    bad = forbidden(world, areas)
    assert bad, "there is something to be hidden"
    token = served.token(*areas)
    seen = 0
    for path, methods in routes(served):
        for asked in RULES[path](world):
            for method in sorted(methods & {"GET", "POST"}):
                answer = served.ask(
                    asked,
                    token,
                    method=method,
                    body=BODIES.get(path, b"{}") if method == "POST" else None,
                    headers={"Content-Type": "application/json"},
                )
                assert answer.status < 500, (asked, answer.status)
                assert not leaks(answer, bad, asked), (method, asked)
                seen += answer.status == 200
    assert seen > 20


@pytest.mark.parametrize("areas", SCOPES, ids="-".join)
def test_counts_are_of_the_scope_alone(
    served: Served, world: World, areas: tuple[str, ...]
) -> None:
    token = served.token(*areas)
    mine = len(world.seen(areas))
    for path in (
        *("/api/collections/alerts/items?limit=1", "/api/alerts?limit=1"),
        "/api/stac/collections/alerts/items?limit=1",
    ):
        assert served.ask(path, token).json["numberMatched"] == mine
    for wide in ("bbox=-180,-90,180,90", "county=3", "q=a", "datetime=../2030-01-01"):
        path = f"/api/collections/alerts/items?limit=1&{wide}"
        assert served.ask(path, token).json["numberMatched"] <= mine


@pytest.mark.parametrize("areas", SCOPES, ids="-".join)
def test_what_is_hidden_answers_as_what_there_is_not(
    served: Served, world: World, areas: tuple[str, ...]
) -> None:
    """Also in its heads: nobody can tell a guess that hit from one that did not."""
    hidden = world.seen(("*",)) - world.seen(areas)
    guess = f"a{letters('nobody')}"
    token = served.token(*areas)
    for path in (
        "/api/collections/alerts/items/{}",
        "/api/alerts/{}/reading",
        "/api/alerts/{}/timeline",
        "/api/alerts/{}/imagery",
        "/api/alerts/{}/imagery/after.png",
        "/api/alerts/{}/download/csv",
        "/api/stac/collections/alerts/items/{}",
    ):
        expected = _told(served.ask(path.format(guess), token))
        for alert_id in sorted(hidden)[:4]:
            assert _told(served.ask(path.format(alert_id), token)) == expected
        assert expected[0] == 404


def test_an_export_holds_what_is_seen_and_no_more(served: Served, world: World) -> None:
    answer = served.ask("/api/alerts/download/geojson", served.token(XUNWU))
    found = {feature["id"] for feature in answer.json["features"]}
    assert found == world.seen((XUNWU,))


def test_a_zip_of_the_package_before_is_given_to_nobody(
    served: Served, world: World
) -> None:
    """The folder is replaced first; the old zip may name what is withheld by now."""
    folder = world.folder / "packages" / WEEK
    path, token = f"/api/weeks/{WEEK}/{XUNWU}", served.token("*")
    manifest = folder / XUNWU / "manifest.json"
    before = manifest.read_bytes()
    assert served.ask(f"{path}/package.zip", token).status == 200
    manifest.write_bytes(before.replace(b'"revision": 1', b'"revision": 2'))
    try:
        assert served.ask(f"{path}/package.zip", token).status == 404
        weeks = served.ask("/api/weeks", token).json["weeks"]
        zips = {each["code"]: each["zip"] for each in weeks[0]["areas"]}
        assert zips.pop(XUNWU) is None
        assert all(zips.values())
        assert served.ask(f"{path}/files/alerts.geojson", token).status == 200
    finally:
        manifest.write_bytes(before)
    archive = folder / f"rsmonitor-{XUNWU}-{WEEK}.zip"
    whole = archive.read_bytes()
    for odd in (b"", b"PK", whole[: len(whole) // 2]):
        archive.write_bytes(odd)
        assert served.ask(f"{path}/package.zip", token).status == 404
    archive.write_bytes(whole)


def test_an_answer_is_packed_only_for_who_takes_it(served: Served) -> None:
    for takes, coding in (("gzip", "gzip"), ("gzip;q=0", None), ("br", None)):
        answer = served.ask(
            "/api/alerts", served.token("*"), headers={"Accept-Encoding": takes}
        )
        assert answer.headers.get("content-encoding") == coding
        assert answer.json["alerts"]


def test_a_place_is_no_parameter_of_an_image(served: Served) -> None:
    """Imagery is asked for by alert or district: there is nothing else to ask by."""
    for path, _ in routes(served):
        if "png" in path or "imagery" in path or "background" in path:
            names = set(re.findall(r"{(\w+)", path))
            assert names <= {"alert_id", "kind", "district"}, path
    token = served.token("*")
    for query in ("bbox=1,2,3,4", "lon=1&lat=2", "url=http://localhost"):
        assert served.ask(f"/api/backgrounds?{query}", token).status == 400


# a site that may no longer be shown goes last: it is gone for all that comes after it


def test_a_withheld_site_is_gone_for_everybody_at_once(
    served: Served, world: World
) -> None:
    alert = world.alerts[ANYUAN][2]
    token = served.token("*")
    path = f"/api/alerts/{alert.alert_id}/verdict"
    assert served.ask(f"/api/weeks/{WEEK}/{ANYUAN}/package.zip", token).status == 200
    body = {"verdict": Judgement.SPECIAL_USE.value, "expected_version": 1}
    assert served.post(path, served.token("3607"), body).status == 201
    bad = {alert.alert_id[1:]: "", **dict.fromkeys(_digits(alert), "")}
    assert (
        served.ask("/api/alerts", token).json["numberMatched"]
        == len(world.everything) - 1
    )
    for where, methods in routes(served):
        if "GET" in methods and not where.startswith(("/api/acc", "/api/tok")):
            for asked in RULES[where](world):
                answer = served.ask(asked, token)
                assert answer.status < 500, asked
                assert not leaks(answer, bad, asked), asked
    # its package was built before: it names the site, and is given to nobody
    assert served.ask(f"/api/weeks/{WEEK}/{ANYUAN}/package.zip", token).status == 404
    assert served.ask(f"/api/weeks/{WEEK}/{XUNWU}/package.zip", token).status == 200


def _told(answer: Answer) -> tuple[int, bytes, list[str]]:
    """Give all that an answer says, but for the time."""
    heads = sorted(
        f"{name}: {value}" for name, value in answer.headers.items() if name != "date"
    )
    return answer.status, answer.body, heads


def test_the_shelf_holds_nothing_of_it(world: World) -> None:
    """Not even in a page of the file that nothing points to."""
    alert = world.alerts[ANYUAN][2]
    path = Path(world.folder, "work", "web", "shelf", "shelf.sqlite")
    if not any(world.ledger.withheld()):
        pytest.skip("the test before this one did not withhold it")
    assert alert.alert_id[1:].encode() not in path.read_bytes()
