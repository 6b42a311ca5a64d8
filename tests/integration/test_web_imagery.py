"""Images on the page, of the real sample: where they lie, and that they are bounded."""

import io
import json
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import shapely
from commands import ROOT
from demo_run import Demos, shared_demos  # noqa: F401
from PIL import Image
from web_served import Served, serve
from web_world import XUNWU, World, build

from rsmonitor.config import read_districts
from rsmonitor.io.stores.ledger import SqliteLedger
from rsmonitor.records.account import Role, Scope
from rsmonitor.stages.jurisdiction import County
from rsmonitor.wiring import web_imagery
from rsmonitor.wiring.shelf import Group
from rsmonitor.wiring.web_imagery import ImageStore, seen_of
from rsmonitor.wiring.web_sites import open_alert

AREA = "demo-romania"


@pytest.fixture(scope="module")
def served(demos: Demos, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    assert demos.ran.code == 0, demos.ran.stderr
    folder = tmp_path_factory.mktemp("office")
    for name in ("demo.toml", "demo_licences.geojson"):
        text = (ROOT / "configs" / name).read_text(encoding="utf-8")
        text = text.replace('"../demo-out', f'"{demos.folder}')
        (folder / name).write_text(text, encoding="utf-8")
    work = demos.folder / "work"
    world = World(
        config=folder / "demo.toml",
        ledger=SqliteLedger(work / "ledger.sqlite", locks=work / "locks"),
        alerts={},
    )
    with serve(world, {Role.BUREAU: ((AREA,), ("36",))}, folder / "web") as found:
        yield found


@pytest.fixture(scope="module")
def listed(served: Served) -> list[dict[str, object]]:
    token = served.token(AREA, role=Role.BUREAU)
    found: list[dict[str, object]] = served.ask("/api/alerts", token).json["alerts"]
    return found


def get(served: Served, path: str) -> bytes:
    answer = served.ask(path, served.token(AREA, role=Role.BUREAU))
    assert answer.status == 200, answer.body
    return answer.body


def test_the_images_of_an_alert_lie_around_its_outline(
    served: Served, listed: list[dict[str, object]]
) -> None:
    alert = listed[0]
    said = json.loads(get(served, f"/api/alerts/{alert['id']}/imagery"))
    assert [each["kind"] for each in said["images"]] == ["before", "after", "evidence"]
    outline = shapely.geometry.shape(alert["geometry"])
    for image in said["images"]:
        west, south, east, north = image["bounds"]
        assert shapely.box(west, south, east, north).contains(outline)
        with Image.open(io.BytesIO(get(served, image["url"]))) as drawn:
            assert drawn.mode == "RGBA"
            pixels = np.asarray(drawn)
        assert (pixels[..., 3] == 255).mean() > 0.5
        assert pixels[pixels[..., 3] == 255][:, :3].std() > 3, "it shows something"
        assert image["scenes"]
    before, after, _ = said["images"]
    assert before["on"] < after["on"]
    assert said["legend"]["oldest"]["on"] <= said["legend"]["newest"]["on"]


def test_the_evidence_is_coloured_inside_the_outline_only(
    served: Served, listed: list[dict[str, object]]
) -> None:
    alert = listed[0]
    said = json.loads(get(served, f"/api/alerts/{alert['id']}/imagery"))
    url = said["images"][2]["url"]
    with Image.open(io.BytesIO(get(served, url))) as drawn:
        rgba = np.asarray(drawn).astype(int)
    coloured = np.ptp(rgba[..., :3], axis=-1) > 20
    rows, cols = np.nonzero(coloured)
    assert rows.size
    west, south, east, north = said["images"][2]["bounds"]
    height, width = coloured.shape
    places = shapely.points(
        west + (cols + 0.5) / width * (east - west),
        north - (rows + 0.5) / height * (north - south),
    )
    outline = shapely.geometry.shape(alert["geometry"]).buffer(2e-4)
    assert shapely.contains(outline, places).all()


def test_an_image_is_drawn_once_however_many_ask(
    served: Served, listed: list[dict[str, object]], tmp_path: Path
) -> None:
    store = ImageStore(tmp_path / "images")
    kept = served.service.shelf
    found = kept.now().find(listed[1]["id"], ("*",))
    assert found is not None
    opened = open_alert(kept, found, Scope(areas=("*",)))
    assert opened is not None
    drawn = []
    draw = store._draw  # noqa: SLF001 - counted here

    def counted(*arguments: object) -> object:
        drawn.append(1)
        return draw(*arguments)

    store._draw = counted  # type: ignore[method-assign]  # noqa: SLF001 - as above
    results: list[bytes | None] = []
    threads = [
        threading.Thread(target=lambda: results.append(store.image(opened, "after")))
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(drawn) == 1
    assert len(set(results)) == 1
    assert store.image(opened, "nothing") is None


def test_the_folder_does_not_grow_beyond_its_bound(
    served: Served, listed: list[dict[str, object]], tmp_path: Path
) -> None:
    folder = tmp_path / "images"
    store = ImageStore(folder, most_bytes=150_000)
    kept = served.service.shelf
    for row in listed[:6]:
        found = kept.now().find(row["id"], ("*",))
        assert found is not None
        opened = open_alert(kept, found, Scope(areas=("*",)))
        assert opened is not None
        assert store.image(opened, "after")
    size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    assert 0 < size <= 150_000
    assert 1 <= len(list(folder.iterdir())) < 6


def test_the_ground_of_the_map_is_for_those_who_see_the_district(
    served: Served,
) -> None:
    token = served.token(AREA, role=Role.BUREAU)
    deadline = time.monotonic() + 60
    found = served.ask("/api/backgrounds", token).json
    while not found and time.monotonic() < deadline:
        time.sleep(0.2)
        found = served.ask("/api/backgrounds", token).json
    (ground,) = found
    northwest, northeast, southeast, southwest = ground["coordinates"]
    assert northwest[1] == northeast[1] > southeast[1] == southwest[1]
    assert northwest[0] == southwest[0] < northeast[0] == southeast[0]
    with Image.open(io.BytesIO(get(served, ground["url"]))) as drawn:
        assert max(drawn.size) <= 2048
        assert np.asarray(drawn)[..., 3].any()
    other = served.token("36", role=Role.BUREAU)
    assert served.ask("/api/backgrounds", other).json == []
    assert served.ask(ground["url"], other).status == 404


def test_the_parts_of_a_composite_are_bounded_however_many_scopes_there_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Everybody makes tokens of parts of a scope, and each sees another part."""
    monkeypatch.setattr(web_imagery, "MOST_CUTS", 3)
    world = build(tmp_path / "world", each=2)
    codes = [f"3607{number}" for number in range(21, 28)]
    office = next(o for o in read_districts(world.config) if o.district.code == XUNWU)
    district = replace(office.district, county_codes=tuple(codes))
    group = Group(
        number=0, offices=(replace(office, district=district),), ledger=world.ledger
    )
    group.__dict__["counties"] = tuple(
        County(code=code, name=code, geometry=shapely.box(115, 24, 116, 25))
        for code in codes
    )
    images = tmp_path / "images"
    run = world.ledger.runs(XUNWU)[-1]
    name = web_imagery._safe("b", XUNWU, run.run_id)  # noqa: SLF001 - as it names it
    whole = images / name
    whole.mkdir(parents=True)
    Image.new("RGBA", (8, 8)).save(whole / "whole.png")
    meta = {"bounds": [115.0, 24.0, 116.0, 25.0], "days": []}
    (whole / "meta.json").write_text(json.dumps(meta))
    store = ImageStore(images)

    def cut(*areas: str) -> Path:
        found = store.background(group, XUNWU, Scope(areas=areas))
        assert found is not None
        assert found[1].exists()
        return found[1]

    assert cut(codes[0], "52") == cut(codes[0], "53"), "the same ground"
    parts = {cut(*codes[: number + 1]) for number in range(6)}
    assert len(parts) == 6
    assert len(list(whole.glob("cut-*.png"))) == 3


def test_a_scope_sees_the_ground_of_its_counties_alone(served: Served) -> None:
    (group,) = served.service.shelf.groups
    office = group.offices[0]
    codes = ("360734", "441426")
    both = replace(
        office, district=replace(office.district, code="360734", county_codes=codes)
    )
    counties = tuple(
        County(code=code, name=code, geometry=shapely.box(x, 45, x + 1, 46))
        for x, code in enumerate(codes)
    )

    def seen(areas: tuple[str, ...], known: tuple[County, ...]) -> object:
        built = Group(number=0, offices=(both,), ledger=group.ledger)
        built.__dict__["counties"] = known
        return seen_of(built, "360734", Scope(areas=areas))

    assert seen(("*",), counties) is None
    assert seen(("44",), counties) == [counties[1].geometry]
    assert seen(("36", "44"), counties) == [c.geometry for c in counties]
    assert seen(("52",), counties) == []
    # without borders nobody can say which part is whose
    assert seen(("44",), ()) == []
    assert seen(("36", "44"), ()) is None
