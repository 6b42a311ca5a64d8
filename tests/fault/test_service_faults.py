"""Services that misbehave: bounded time, nothing wrong gets in, and it is said why."""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from emulators.start import (
    BANDS,
    CLIENT_ID,
    CLIENT_SECRET,
    COL,
    EPSG,
    LEFT,
    ROW,
    SIZE,
    TILE,
    TOP,
    Running,
    running,
    scene,
    write_scenes,
)
from rasterio.transform import from_origin

from rsmonitor.errors import SourceError, SourceUnreachableError
from rsmonitor.interfaces import SceneArchive
from rsmonitor.io.foundation.http import HttpPolicy
from rsmonitor.io.sources.sentinelhub import SentinelHubArchive, Service
from rsmonitor.io.sources.sentinelhub_client import Credentials
from rsmonitor.io.sources.stac import StacArchive
from rsmonitor.io.sources.stac_items import CDSE_STAC
from rsmonitor.records.offer import Numbers, Offer, TileWindow

START, UNTIL = datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 12, 31, tzinfo=UTC)
SCENES = tuple(scene(day) for day in ("20260103", "20260108", "20260113"))
WINDOW = TileWindow(mgrs_tile=TILE, row=ROW, col=COL, height=SIZE, width=SIZE)
POLICY = HttpPolicy(
    connect_timeout_s=1,
    read_timeout_s=0.5,
    total_s=2.5,
    attempts=3,
    first_pause_s=0.1,
    longest_pause_s=2,
    requests_per_minute=60_000,
)
LONGEST_S = 8.0
"""What a fault may cost: the policy's seconds and some for a busy machine."""


@pytest.fixture(scope="module")
def hub_process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    folder = tmp_path_factory.mktemp("hub")
    write_scenes(folder, SCENES)
    with running("sentinelhub_emulator", folder) as emulator:
        yield emulator


@pytest.fixture(scope="module")
def stac_process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    folder = tmp_path_factory.mktemp("stac")
    write_scenes(folder, SCENES, dialect="cdse")
    with running("stac_emulator", folder) as emulator:
        yield emulator


@pytest.fixture
def hub(hub_process: Running) -> tuple[SentinelHubArchive, Offer, Running]:
    hub_process.script()
    archive = SentinelHubArchive(
        credentials=Credentials(client_id=CLIENT_ID, client_secret=CLIENT_SECRET),
        service=Service(
            name="sentinelhub",
            base_url=hub_process.address,
            token_url=f"{hub_process.address}/token",
        ),
        policy=POLICY,
        units_per_minute=1e6,
    )
    offer = archive.search(mgrs_tile=TILE, start=START, until=UNTIL)[0]
    hub_process.log.unlink(missing_ok=True)
    return archive, offer, hub_process


@pytest.fixture
def stac(stac_process: Running) -> tuple[StacArchive, Offer, Running]:
    stac_process.script()
    archive = StacArchive(
        replace(CDSE_STAC, url=f"{stac_process.address}/v1"), policy=POLICY
    )
    offer = archive.search(mgrs_tile=TILE, start=START, until=UNTIL)[0]
    stac_process.log.unlink(missing_ok=True)
    return archive, offer, stac_process


@contextmanager
def in_time(seconds: float = LONGEST_S) -> Iterator[None]:
    begun = time.monotonic()
    yield
    assert time.monotonic() - begun < seconds


def assert_right(got: Numbers) -> None:
    layers = [*got.dn_10m, *got.dn_20m, got.scl]
    for band, layer in zip(
        (*got.bands_10m, *got.bands_20m, "SCL"), layers, strict=True
    ):
        np.testing.assert_array_equal(layer, SCENES[0].pixels[band])


def search(archive: SceneArchive) -> int:
    return len(archive.search(mgrs_tile=TILE, start=START, until=UNTIL))


def pauses(emulator: Running, kind: str) -> list[float]:
    at = [one["at"] for one in emulator.requests(kind)]
    return [after - before for before, after in pairwise(at)]


# ------------------------------------------------------------- what passes by itself

PASSING: list[dict[str, Any]] = [
    {"do": "429"},
    {"do": "429", "retry_after": "0"},
    {"do": "429", "retry_after": "0.2"},
    {"do": "429", "retry_after": "200"},
    {"do": "429", "retry_after": "soon"},
    {"do": "429", "retry_after": "-5"},
    {"do": "429", "retry_after": "Tue, 24 Nov 2020 08:00:00 GMT"},
    {"do": "500"},
    {"do": "503", "times": 2},
    {"do": "truncate"},
    {"do": "hang", "seconds": 2},
]


@pytest.mark.parametrize("fault", PASSING, ids=json.dumps)
def test_a_hub_that_stumbles_is_asked_again(
    hub: tuple[SentinelHubArchive, Offer, Running], fault: dict[str, Any]
) -> None:
    archive, offer, emulator = hub
    emulator.script({"on": "process", **fault})
    with in_time():
        assert_right(archive.fetch(offer, WINDOW, BANDS))
    assert len(emulator.requests("process")) == 2 + fault.get("times", 1)


@pytest.mark.parametrize("fault", PASSING, ids=json.dumps)
def test_a_search_by_post_is_repeated(
    stac: tuple[StacArchive, Offer, Running], fault: dict[str, Any]
) -> None:
    archive, _, emulator = stac
    emulator.script({"on": "search", **fault})
    with in_time():
        assert search(archive) == 3
    assert len(emulator.requests("search")) == 2 + fault.get("times", 1)


def test_retry_after_in_seconds_is_not_read_as_milliseconds(
    hub: tuple[SentinelHubArchive, Offer, Running],
) -> None:
    archive, offer, emulator = hub
    emulator.script({"on": "process", "do": "429", "retry_after": "1"})
    archive.fetch(offer, WINDOW, ("B04",))
    assert pauses(emulator, "process")[0] >= 0.95


def test_retry_after_in_milliseconds_is_not_read_as_seconds(
    hub: tuple[SentinelHubArchive, Offer, Running],
) -> None:
    archive, offer, emulator = hub
    emulator.script({"on": "process", "do": "429", "retry_after": "1200"})
    with in_time():
        archive.fetch(offer, WINDOW, ("B04",))
    assert pauses(emulator, "process")[0] >= 1.15


def test_retry_after_as_a_date_is_waited_for(
    hub: tuple[SentinelHubArchive, Offer, Running],
) -> None:
    archive, offer, emulator = hub
    then = datetime.now(UTC) + timedelta(seconds=2)
    date = format_datetime(then, usegmt=True)
    emulator.script({"on": "process", "do": "429", "retry_after": date})
    with in_time():
        archive.fetch(offer, WINDOW, ("B04",))
    assert pauses(emulator, "process")[0] >= 0.9


# ------------------------------------------------------------------- what has an end


def test_a_hub_that_answers_429_for_ever_is_given_up(
    hub: tuple[SentinelHubArchive, Offer, Running],
) -> None:
    archive, offer, emulator = hub
    emulator.script({"on": "process", "do": "429", "times": -1})
    with in_time(), pytest.raises(SourceUnreachableError, match=r"429.*3 of 3"):
        archive.fetch(offer, WINDOW, BANDS)
    assert len(emulator.requests("process")) == 3
    assert min(pauses(emulator, "process")) > 0.09, "a busy loop"
    emulator.script()
    assert_right(archive.fetch(offer, WINDOW, BANDS))


def test_a_pause_longer_than_we_wait_ends_the_attempt_at_once(
    hub: tuple[SentinelHubArchive, Offer, Running],
) -> None:
    archive, offer, emulator = hub
    emulator.script({"on": "process", "do": "429", "retry_after": "86400000"})
    with in_time(2), pytest.raises(SourceUnreachableError, match="wait 86400 s"):
        archive.fetch(offer, WINDOW, BANDS)


@pytest.mark.parametrize(
    ("kind", "do"), [("process", "hang"), ("process", "drip"), ("token", "hang")]
)
def test_a_hub_that_hangs_is_left(
    hub: tuple[SentinelHubArchive, Offer, Running], kind: str, do: str
) -> None:
    archive, offer, emulator = hub
    faults = [{"on": kind, "do": do, "times": -1}]
    if kind == "token":
        faults.append({"on": "process", "do": "401", "times": -1})
    emulator.script(*faults)
    with in_time(), pytest.raises(SourceUnreachableError):
        archive.fetch(offer, WINDOW, BANDS)


@pytest.mark.parametrize("do", ["hang", "drip"])
def test_a_search_that_hangs_is_left(
    stac: tuple[StacArchive, Offer, Running], do: str
) -> None:
    archive, _, emulator = stac
    emulator.script({"on": "search", "do": do, "times": -1})
    with in_time(), pytest.raises(SourceUnreachableError):
        search(archive)


def test_a_token_that_lives_a_second_is_renewed_and_not_before_every_request(
    hub: tuple[SentinelHubArchive, Offer, Running],
) -> None:
    archive, offer, emulator = hub
    emulator.script(
        {"on": "process", "do": "expire"},
        {"on": "token", "do": "nothing", "expires_in": 2},
    )
    assert_right(archive.fetch(offer, WINDOW, BANDS))
    assert_right(archive.fetch(offer, WINDOW, BANDS))
    assert len(emulator.requests("token")) == 1
    time.sleep(1.6)
    assert_right(archive.fetch(offer, WINDOW, BANDS))
    assert len(emulator.requests("token")) == 2


def test_a_token_that_is_refused_again_and_again_ends_the_attempt(
    hub: tuple[SentinelHubArchive, Offer, Running],
) -> None:
    archive, offer, emulator = hub
    emulator.script({"on": "process", "do": "401", "times": -1})
    with pytest.raises(SourceError, match="401"):
        archive.fetch(offer, WINDOW, BANDS)
    assert len(emulator.requests("process")) == 2, "renewed once"
    assert len(emulator.requests("token")) == 1


# -------------------------------------------------------------- what is never let in


@pytest.mark.parametrize(
    ("fault", "says"),
    [
        ({"do": "html"}, "no tar archive.*<html>"),
        ({"do": "400", "body": '{"error":{"code":"RENDERER_EXCEPTION"}}'}, "RENDERER"),
        ({"do": "403", "body": "quota"}, "403: 'quota'"),
        ({"do": "half-tar"}, "ends within|no tar archive|asked for"),
        ({"do": "wrong", "part": "missing"}, "asked for"),
        ({"do": "wrong", "part": "product"}, "the numbers are of"),
        ({"do": "wrong", "part": "dtype"}, "float32"),
        ({"do": "wrong", "part": "shape"}, "399"),
        ({"do": "wrong", "part": "place"}, "elsewhere"),
        ({"do": "wrong", "part": "half-tiff"}, "cannot be decoded"),
        ({"do": "redirect", "to": "http://127.0.0.2:9/x"}, "another host|same host"),
    ],
    ids=str,
)
@pytest.mark.parametrize("which", [0, 1], ids=["10m", "20m"])
def test_a_hub_s_wrong_answer_is_no_numbers(
    hub: tuple[SentinelHubArchive, Offer, Running],
    fault: dict[str, Any],
    says: str,
    which: int,
) -> None:
    archive, offer, emulator = hub
    bands = BANDS if which == 0 else ("B8A", "B11")
    says = says.replace("399", "399" if which == 0 else "199")
    emulator.script({"on": "process", **fault})
    with in_time(), pytest.raises(SourceError, match=says) as refused:
        archive.fetch(offer, WINDOW, bands)
    assert CLIENT_SECRET not in str(refused.value)
    assert_right(archive.fetch(offer, WINDOW, bands))


def test_a_product_that_is_gone_is_said_to_be(
    hub: tuple[SentinelHubArchive, Offer, Running],
) -> None:
    archive, offer, _ = hub
    gone = replace(offer, product_id=offer.product_id.replace("N0510", "N0511"))
    with pytest.raises(SourceError, match="no such product any more"):
        archive.fetch(gone, WINDOW, BANDS)


@pytest.mark.parametrize(
    ("fault", "says"),
    [
        ({"do": "loop"}, "circle"),
        ({"do": "wrong"}, "no page"),
        ({"do": "html"}, "JSON|page"),
        ({"do": "200", "body": "[]"}, "JSON|page"),
        ({"do": "200", "body": "{}"}, "no page"),
        ({"do": "200", "body": "deep"}, "JSON|page"),
        ({"do": "404"}, "404"),
    ],
    ids=str,
)
@pytest.mark.parametrize("service", ["hub", "stac"])
def test_half_a_search_is_none(
    request: pytest.FixtureRequest, service: str, fault: dict[str, Any], says: str
) -> None:
    archive, _, emulator = request.getfixturevalue(service)
    if fault.get("body") == "deep":
        fault = {**fault, "body": '{"features":[' * 5000}
    emulator.script({"on": "search", "times": -1, **fault})
    with in_time(), pytest.raises(SourceError, match=says):
        search(archive)
    emulator.script()
    assert search(archive) == 3


def test_a_next_link_to_another_host_is_not_followed(
    stac: tuple[StacArchive, Offer, Running],
) -> None:
    archive, _, emulator = stac
    emulator.script({"on": "search", "do": "away"})
    with pytest.raises(SourceError, match=r"another host .*|sends the search to"):
        search(archive)


def test_an_empty_page_does_not_end_a_search(
    stac: tuple[StacArchive, Offer, Running],
) -> None:
    archive, _, emulator = stac
    emulator.script({"on": "search", "do": "empty"})
    assert search(archive) == 3


@pytest.mark.parametrize(
    ("fault", "says"),
    [
        ({"do": "404", "times": -1}, "404"),
        ({"do": "403", "times": -1}, "403"),
        ({"do": "html", "times": -1}, "cannot be read"),
        ({"do": "half-tiff", "times": -1}, "cannot be read"),
        ({"do": "half-tiff", "times": -1, "share": 0.001}, "cannot be read"),
        ({"do": "hang", "times": -1}, "cannot be read"),
        ({"do": "500", "times": -1}, "cannot be read"),
    ],
    ids=str,
)
def test_an_asset_that_cannot_be_read_fails_the_scene_and_is_named(
    stac: tuple[StacArchive, Offer, Running], fault: dict[str, Any], says: str
) -> None:
    archive, offer, emulator = stac
    emulator.script({"on": "B11.tif", **fault})
    with in_time(15), pytest.raises(SourceError, match=says) as refused:
        archive.fetch(offer, WINDOW, BANDS)
    for part in (offer.product_id, "asset B11", f"{emulator.address}/data/"):
        assert part in str(refused.value)
    # a 404 is not remembered: the next attempt succeeds
    emulator.script()
    assert_right(archive.fetch(offer, WINDOW, BANDS))


@pytest.mark.parametrize("share", [0.3, 0.5, 0.9, 1.0])
def test_half_a_jpeg_2000_is_an_error_and_not_wrong_pixels(
    stac: tuple[StacArchive, Offer, Running], share: float
) -> None:
    archive, offer, emulator = stac
    file = emulator.folder / "cogs" / "B11.jp2"
    if not file.exists():
        write_jpeg_2000(file)
    jp2 = {**offer.assets, "B11": f"{emulator.address}/data/B11.jp2"}
    emulator.script({"on": "B11.jp2", "do": "half-tiff", "share": share, "times": -1})
    # several blocks, which threads would share
    last = TileWindow(mgrs_tile=TILE, row=8600, col=8600, height=1200, width=1200)
    if share == 1:
        got = archive.fetch(replace(offer, assets=jp2), last, ("B11",))
        assert got.dn_20m.min() > 1000
    else:
        with pytest.raises(SourceError, match="asset B11"):
            archive.fetch(replace(offer, assets=jp2), last, ("B11",))


def write_jpeg_2000(file: Path) -> None:
    """Write a band of 20 m as ESA ships it, with pixels in the last blocks only."""
    values = np.zeros((5490, 5490), np.uint16)
    noise = np.random.default_rng(0).integers(1100, 5000, (600, 600))
    values[4300:4900, 4300:4900] = noise
    with rasterio.open(
        file,
        "w",
        driver="JP2OpenJPEG",
        count=1,
        height=5490,
        width=5490,
        dtype="uint16",
        crs=f"EPSG:{EPSG}",
        transform=from_origin(LEFT, TOP, 20, 20),
        QUALITY=100,
        REVERSIBLE="YES",
        BLOCKXSIZE=640,
        BLOCKYSIZE=640,
    ) as dataset:
        dataset.write(values, 1)


def test_an_asset_is_asked_again_after_500(
    stac: tuple[StacArchive, Offer, Running],
) -> None:
    archive, offer, emulator = stac
    emulator.script({"on": "B11.tif", "do": "500"})
    with in_time():
        assert_right(archive.fetch(offer, WINDOW, BANDS))


def test_a_service_that_is_not_there_is_unreachable() -> None:
    archive = StacArchive(
        replace(CDSE_STAC, url="http://127.0.0.1:9/v1"), policy=POLICY
    )
    with in_time(), pytest.raises(SourceUnreachableError, match=r"127\.0\.0\.1:9"):
        search(archive)
