"""Scenes from a Sentinel Hub: to the digital number, from the product asked for."""

import json
import logging
import os
import shutil
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from emulators.start import (
    BANDS,
    CLIENT_ID,
    CLIENT_SECRET,
    COL,
    ROW,
    SIZE,
    TILE,
    Running,
    Scene,
    running,
    scene,
    write_scenes,
)

from rsmonitor.errors import ContractError, SettingsError, SourceError
from rsmonitor.io.foundation.http import HttpPolicy
from rsmonitor.io.sources.evalscripts import script_10m, script_20m
from rsmonitor.io.sources.sentinelhub import (
    CDSE,
    MAX_PIECE_PX,
    SENTINEL_HUB,
    SentinelHubArchive,
    Service,
    estimate_units,
)
from rsmonitor.io.sources.sentinelhub_client import (
    ID_VARIABLE,
    SECRET_VARIABLE,
    Credentials,
    read_credentials,
)
from rsmonitor.records.offer import Offer, TileWindow

START, UNTIL = datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 12, 31, tzinfo=UTC)
SCENES = (
    scene("20260103"),
    scene("20260108", platform="S2C"),
    scene("20260113", version="0214"),
    # one look, processed twice: the same time, other numbers
    scene("20260118", version="0400", made="090000", seed=1),
    scene("20260118", version="0511", made="150000", seed=2),
)
WINDOW = TileWindow(mgrs_tile=TILE, row=ROW, col=COL, height=SIZE, width=SIZE)
POLICY = HttpPolicy(
    connect_timeout_s=2,
    read_timeout_s=1,
    total_s=6,
    attempts=3,
    first_pause_s=0.05,
    longest_pause_s=5,
    requests_per_minute=60_000,
)


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    folder = tmp_path_factory.mktemp("hub")
    write_scenes(folder, SCENES)
    with running("sentinelhub_emulator", folder) as emulator:
        yield emulator


@pytest.fixture
def archive(hub: Running) -> SentinelHubArchive:
    hub.script()
    hub.log.unlink(missing_ok=True)
    return make(hub)


def make(hub: Running, policy: HttpPolicy = POLICY) -> SentinelHubArchive:
    return SentinelHubArchive(
        credentials=Credentials(client_id=CLIENT_ID, client_secret=CLIENT_SECRET),
        service=Service(
            name="sentinelhub", base_url=hub.address, token_url=f"{hub.address}/token"
        ),
        policy=policy,
        units_per_minute=1e6,
    )


def offered(archive: SentinelHubArchive) -> dict[str, Offer]:
    found = archive.search(mgrs_tile=TILE, start=START, until=UNTIL)
    return {offer.product_id: offer for offer in found}


def assert_same(archive: SentinelHubArchive, each: Scene, offer: Offer) -> None:
    got = archive.fetch(offer, WINDOW, BANDS)
    for band, values in zip(got.bands_10m, got.dn_10m, strict=True):
        np.testing.assert_array_equal(values, each.pixels[band])
    for band, values in zip(got.bands_20m, got.dn_20m, strict=True):
        np.testing.assert_array_equal(values, each.pixels[band])
    np.testing.assert_array_equal(got.scl, each.pixels["SCL"])
    assert got.bands_10m + got.bands_20m == BANDS
    assert (got.dn_10m.dtype, got.dn_20m.dtype, got.scl.dtype) == (
        np.uint16,
        np.uint16,
        np.uint8,
    )


def test_search_reads_all_pages_and_all_versions(
    archive: SentinelHubArchive, hub: Running
) -> None:
    found = archive.search(mgrs_tile=TILE, start=START, until=UNTIL)
    assert {offer.product_id for offer in found} == {s.product_id for s in SCENES}
    assert [o.sensed_at for o in found] == sorted(o.sensed_at for o in found)
    assert len(hub.requests("search")) == 3
    first = found[0]
    assert (first.platform, first.processing_baseline) == ("S2B", "05.10")
    assert first.datatake_start == datetime(2026, 1, 3, 2, 55, 49, tzinfo=UTC)
    assert first.created_at == datetime(2026, 1, 3, 12, tzinfo=UTC)
    assert first.cloud_percent == 12.5
    assert first.footprint is not None
    assert first.source == "sentinelhub"
    assert archive.requests_cost


def test_the_end_of_a_search_is_not_part_of_it(archive: SentinelHubArchive) -> None:
    at = SCENES[0].sensed_at
    assert not archive.search(mgrs_tile=TILE, start=START, until=at)
    assert archive.search(mgrs_tile=TILE, start=at, until=at + timedelta(seconds=1))


def test_numbers_are_those_of_the_product_to_the_digit(
    archive: SentinelHubArchive,
) -> None:
    offers = offered(archive)
    for each in SCENES:
        assert_same(archive, each, offers[each.product_id])


def test_the_offset_follows_the_product_because_harmonising_is_switched_off(
    archive: SentinelHubArchive, hub: Running
) -> None:
    offers = offered(archive)
    offsets = [offers[each.product_id].radiometry.add_offset for each in SCENES]
    assert offsets == [-1000, -1000, 0, -1000, -1000]
    got = archive.fetch(offers[SCENES[0].product_id], WINDOW, BANDS)
    assert 0 < got.dn_10m[got.dn_10m > 0].min() < 1000, "clamped by harmonising"
    for request in hub.requests("process"):
        [data] = request["body"]["input"]["data"]
        assert data["processing"] == {
            "upsampling": "NEAREST",
            "downsampling": "NEAREST",
            "harmonizeValues": False,
        }


def test_a_piece_takes_two_requests_at_native_sampling(
    archive: SentinelHubArchive, hub: Running
) -> None:
    offer = offered(archive)[SCENES[0].product_id]
    archive.fetch(offer, WINDOW, BANDS)
    sizes = [
        (one["body"]["output"]["width"], one["body"]["output"]["height"])
        for one in hub.requests("process")
    ]
    assert sizes == [(400, 400), (200, 200)]
    kinds = [
        [part["identifier"] for part in one["body"]["output"]["responses"]]
        for one in hub.requests("process")
    ]
    assert kinds == [["default", "userdata"], ["default", "classes", "userdata"]]


def test_pieces_stay_below_the_limit_and_cover_the_window_and_no_more(
    archive: SentinelHubArchive, hub: Running
) -> None:
    offer = offered(archive)[SCENES[0].product_id]
    window = TileWindow(mgrs_tile=TILE, row=1000, col=1000, height=300, width=2600)
    got = archive.fetch(offer, window, ("B04",))
    expected = np.zeros((300, 2600), np.uint16)
    expected[200:, 1600:2000] = SCENES[0].pixels["B04"][:100]
    np.testing.assert_array_equal(got.dn_10m[0], expected)
    assert got.dn_20m.shape == (0, 150, 1300)
    boxes = [one["body"]["input"]["bounds"]["bbox"] for one in hub.requests("process")]
    assert len(boxes) == 4
    for one in hub.requests("process"):
        out = one["body"]["output"]
        assert max(out["width"], out["height"]) <= MAX_PIECE_PX
    left, top = 199_980 + 10_000, 3_500_040 - 10_000
    assert min(box[0] for box in boxes) == left
    assert max(box[2] for box in boxes) == left + 26_000
    assert max(box[3] for box in boxes) == top
    assert min(box[1] for box in boxes) == top - 3_000


def test_a_window_is_asked_as_it_is_whatever_is_in_it(
    archive: SentinelHubArchive, hub: Running
) -> None:
    cell = TileWindow(mgrs_tile=TILE, row=1000, col=2000, height=1000, width=1000)
    archive.fetch(offered(archive)[SCENES[0].product_id], cell, ("B04",))
    for one in hub.requests("process"):
        left, bottom, right, top = one["body"]["input"]["bounds"]["bbox"]
        assert (right - left, top - bottom) == (10_000, 10_000)
    box = hub.requests("search")[0]["body"]["bbox"]
    assert box[2] - box[0] > 1, "a search is for the whole tile"


def test_what_was_spent_is_what_was_estimated(archive: SentinelHubArchive) -> None:
    offer = offered(archive)[SCENES[0].product_id]
    archive.fetch(offer, WINDOW, BANDS)
    estimate = estimate_units([WINDOW], BANDS)
    assert estimate == pytest.approx(
        400 * 400 / 512**2 * 3 / 3 + 200 * 200 / 512**2 * 3 / 3
    )
    assert archive.units_spent == pytest.approx(estimate, rel=1e-4)
    small = TileWindow(mgrs_tile=TILE, row=0, col=0, height=2, width=2)
    assert estimate_units([small], ["B04"]) == pytest.approx(2 * 0.005)
    whole = TileWindow(mgrs_tile=TILE, row=0, col=0, height=10_980, width=10_980)
    assert estimate_units([whole] * 2, BANDS) == pytest.approx(
        2 * (10_980**2 / 512**2 + 5490**2 / 512**2)
    )


def test_a_window_of_another_tile_is_a_fault_of_the_caller(
    archive: SentinelHubArchive,
) -> None:
    offer = offered(archive)[SCENES[0].product_id]
    other = TileWindow(mgrs_tile="50RKU", row=0, col=0, height=2, width=2)
    with pytest.raises(ContractError, match="50RKU"):
        archive.fetch(offer, other, BANDS)
    with pytest.raises(ContractError, match="B10"):
        archive.fetch(offer, WINDOW, ("B10",))


def test_the_services_are_one_setting_each(hub: Running) -> None:
    assert SENTINEL_HUB.base_url != CDSE.base_url
    credentials = Credentials(client_id=CLIENT_ID, client_secret=CLIENT_SECRET)
    names = {
        SentinelHubArchive(credentials=credentials, service=service).name
        for service in (SENTINEL_HUB, CDSE, SENTINEL_HUB)
    }
    assert names == {"sentinelhub", "sentinelhub:cdse"}
    first, second = make(hub), make(hub)
    assert offered(first) == offered(second)
    with pytest.raises(SettingsError, match="clear"):
        SentinelHubArchive(
            credentials=Credentials(client_id=CLIENT_ID, client_secret=CLIENT_SECRET),
            service=Service(
                name="x",
                base_url="http://hub.example",
                token_url=CDSE.token_url,
            ),
        )


# ------------------------------------------- the defects of the package sentinelhub


def test_defect_the_collection_s_own_address_does_not_win(
    archive: SentinelHubArchive, hub: Running
) -> None:
    offer = offered(archive)[SCENES[0].product_id]
    archive.fetch(offer, WINDOW, ("B04",))  # the network is closed to all but here
    assert len(hub.requests("process")) == 2


def test_defect_a_token_is_fetched_once_and_again_when_it_is_refused(
    archive: SentinelHubArchive, hub: Running
) -> None:
    offer = offered(archive)[SCENES[0].product_id]
    archive.fetch(offer, WINDOW, ("B04",))
    assert len(hub.requests("token")) == 1
    hub.script({"on": "process", "do": "expire"})
    assert_same(archive, SCENES[0], offer)
    assert len(hub.requests("token")) == 2


def test_defect_nothing_is_kept_by_the_package(
    archive: SentinelHubArchive,
    hub: Running,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    fresh = make(hub)
    offer = offered(fresh)[SCENES[0].product_id]
    assert_same(fresh, SCENES[0], offer)
    assert_same(archive, SCENES[0], offer)
    assert len(hub.requests("process")) == 4, "asked again, not read from a cache"
    assert not list(tmp_path.rglob("*"))


# ---------------------------------------------------------------------- credentials


def test_credentials_come_from_the_environment_or_a_private_file(
    tmp_path: Path,
) -> None:
    file = tmp_path / "sh.toml"
    file.write_text('client_id = "of-file"\nclient_secret = "secret-of-file"\n')
    file.chmod(0o600)
    assert read_credentials(file, {}).client_id == "of-file"
    both = {ID_VARIABLE: "of-env", SECRET_VARIABLE: "secret-of-env"}
    assert read_credentials(file, both).client_id == "of-env"
    assert "secret" not in repr(read_credentials(file, {}))


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o644, 0o660, 0o700])
def test_a_file_that_others_may_read_is_refused(tmp_path: Path, mode: int) -> None:
    file = tmp_path / "sh.toml"
    file.write_text('client_id = "of-file"\nclient_secret = "secret-of-file"\n')
    file.chmod(mode)
    with pytest.raises(SettingsError, match="chmod 600"):
        read_credentials(file, {})


@pytest.mark.parametrize(
    "text", ["", "client_secret = canary-unquoted", 'client_id = "a"', "\xff", "[" * 9]
)
def test_a_file_without_credentials_is_refused_without_being_quoted(
    tmp_path: Path, text: str
) -> None:
    file = tmp_path / "sh.toml"
    file.write_text(text, encoding="latin-1")
    file.chmod(0o600)
    with pytest.raises(SettingsError) as refused:
        read_credentials(file, {})
    assert "canary" not in str(refused.value)
    assert refused.value.__context__ is None
    with pytest.raises(SettingsError):
        read_credentials(None, {})


def test_no_secret_is_in_any_log_error_or_offer(
    hub: Running, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    hub.script()
    file = tmp_path / "everything.log"
    handler = logging.FileHandler(file)
    root = logging.getLogger()
    root.addHandler(handler)
    with caplog.at_level(logging.DEBUG):
        archive = make(hub)
        offers = offered(archive)
        offer = offers[SCENES[0].product_id]
        archive.fetch(offer, WINDOW, ("B04",))
        wrong = SentinelHubArchive(
            credentials=Credentials(
                client_id=CLIENT_ID, client_secret=CLIENT_SECRET + "-wrong"
            ),
            service=Service(
                name="x", base_url=hub.address, token_url=f"{hub.address}/token"
            ),
            policy=POLICY,
        )
        with pytest.raises(SourceError, match="gives no token") as refused:
            wrong.search(mgrs_tile=TILE, start=START, until=UNTIL)
        logging.getLogger("any").error("%s", wrong, exc_info=refused.value)
        logging.getLogger("any").debug("Bearer %s and %s", "abc" * 9, CLIENT_SECRET)
    root.removeHandler(handler)
    handler.close()
    said = file.read_text() + caplog.text + repr(refused.value) + repr(offers)
    assert "DEBUG" in caplog.text, "nothing was logged, so nothing was tested"
    assert CLIENT_SECRET not in said
    assert CLIENT_ID not in said
    assert "eyJhbGciOi" not in said
    assert "abc" * 9 not in said
    log = json.dumps(hub.requests())
    assert CLIENT_SECRET not in log, "a secret is in an address or a body of JSON"


# -------------------------------------------------------------- evalscripts, executed

JUDGE = """
const tiles = [
  {productId: WANTED.product, tileOriginalId: "x", date: "d"},
  {productId: WANTED.product.replace("_N0510_", "_N0400_")},
  {dataPath: "s3://EODATA/" + WANTED.product.replace("T50RKV", "T50RKU") + ".SAFE/"},
  {dataPath: "s3://EODATA/Sentinel-2/" + WANTED.product + ".SAFE/GRANULE"},
  {tileOriginalId: "S2B_OPER_MSI_L2A_TL_2BPS_20260103T0_A1_T50RKV_N05.10"},
  {tileOriginalId: "S2B_OPER_MSI_L2A_TL_2BPS_20260103T0_A1_T50RKV_N04.00"},
  {},
];
const kept = preProcessScenes({scenes: {tiles: tiles.slice()}}).scenes.tiles;
const meta = {};
updateOutputMetadata({tiles: kept.slice(0, 1)}, {}, meta);
const sample = {dataMask: 1, SCL: 4};
BANDS.forEach((band, i) => { sample[band] = 1000 + i; });
const unseen = Object.assign({}, sample, {dataMask: 0});
console.log(JSON.stringify({
  setup: setup(),
  kept: kept.map(tile => tiles.indexOf(tile)),
  userData: meta.userData,
  seen: evaluatePixel([sample]),
  unseen: evaluatePixel([unseen]),
  none: evaluatePixel([]),
}));
"""


@pytest.mark.needs_program("node", "nodejs")
def test_evalscripts_run_and_keep_one_product_only() -> None:
    name = SCENES[0].product_id
    node = shutil.which("node") or ""
    got = {}
    for key, script in {
        "10": script_10m(
            ["B04", "B08"], product_id=name, mgrs_tile=TILE, version="05.10"
        ),
        "20": script_20m(["B11"], product_id=name, mgrs_tile=TILE, version="05.10"),
    }.items():
        done = subprocess.run(  # noqa: S603 - our own script
            [node, "-e", script + JUDGE],
            capture_output=True,
            text=True,
            check=True,
            env={"PATH": os.environ["PATH"]},
        )
        got[key] = json.loads(done.stdout)
    for each in got.values():
        assert each["kept"] == [0, 3, 4]
        assert each["userData"]["tiles"][0]["productId"] == name
        assert each["setup"]["mosaicking"] == "TILE"
        assert each["setup"]["input"][0]["units"] == "DN"
    assert got["10"]["setup"]["input"][0]["bands"] == ["B04", "B08", "dataMask"]
    assert got["20"]["setup"]["input"][0]["bands"] == ["B11", "SCL", "dataMask"]
    assert got["10"]["seen"] == {"default": [1000, 1001]}
    assert got["10"]["unseen"] == got["10"]["none"] == {"default": [0, 0]}
    assert got["20"]["seen"] == {"default": [1000], "classes": [4]}
    assert got["20"]["none"] == {"default": [0], "classes": [0]}


def test_an_evalscript_is_not_broken_out_of() -> None:
    evil = '"}; doEvil(); //'
    text = script_10m(["B04"], product_id=evil, mgrs_tile=TILE, version="05.10")
    line = text.splitlines()[1]
    said = line.removeprefix("const WANTED = ").removesuffix(";")
    assert json.loads(said)["product"] == evil
    with pytest.raises(ContractError, match="B11"):
        script_10m(["B11"], product_id="x", mgrs_tile=TILE, version="05.10")
