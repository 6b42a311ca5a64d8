"""Scenes from STAC APIs: three dialects and anybody's, whole windows or an error."""

import json
import logging
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr
from emulators.start import (
    BANDS,
    COL,
    ROW,
    SAS,
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
from rsmonitor.io.sources.stac import StacArchive
from rsmonitor.io.sources.stac_items import (
    CATALOGUES,
    CDSE_STAC,
    EARTH_SEARCH,
    PLANETARY_COMPUTER,
    Catalogue,
    read_item,
)
from rsmonitor.io.sources.stac_signing import SasSigner
from rsmonitor.records.offer import BANDS_10M, BANDS_20M, Offer, TileWindow
from rsmonitor.stages.reflectance import to_reflectance
from rsmonitor.stages.tiling import tile_grid

START, UNTIL = datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 12, 31, tzinfo=UTC)
WINDOW = TileWindow(mgrs_tile=TILE, row=ROW, col=COL, height=SIZE, width=SIZE)
POLICY = HttpPolicy(
    connect_timeout_s=2,
    read_timeout_s=1,
    total_s=6,
    attempts=2,
    first_pause_s=0.05,
    longest_pause_s=5,
    requests_per_minute=60_000,
)
RAW = (
    scene("20260103"),
    scene("20260108", platform="S2C"),
    scene("20260113", version="0214"),
)
APPLIED = (
    scene("20260103", applied=True),
    scene("20260108", platform="S2C", applied=False),
    scene("20260113", version="0214"),
)
GENERIC = Catalogue(name="anybody", url="", collection="sentinel-2-l2a")


@pytest.fixture(scope="module")
def emulators(
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[dict[str, Running]]:
    found: dict[str, Running] = {}
    with ExitStack() as stack:
        for dialect in ("earth-search", "planetary-computer", "cdse", "generic"):
            folder = tmp_path_factory.mktemp(dialect)
            more = {"sas": SAS} if dialect == "planetary-computer" else {}
            scenes = APPLIED if dialect == "earth-search" else RAW
            write_scenes(folder, scenes, dialect=dialect, **more)
            found[dialect] = stack.enter_context(running("stac_emulator", folder))
        yield found


def archive_of(
    emulators: dict[str, Running],
    dialect: str,
    **more: Any,  # noqa: ANN401 - of StacArchive
) -> tuple[StacArchive, Running]:
    emulator = emulators[dialect]
    emulator.script()
    emulator.log.unlink(missing_ok=True)
    preset = {
        "earth-search": EARTH_SEARCH,
        "planetary-computer": PLANETARY_COMPUTER,
        "cdse": CDSE_STAC,
        "generic": GENERIC,
    }[dialect]
    catalogue = replace(preset, url=f"{emulator.address}/v1")
    if dialect == "planetary-computer":
        more.setdefault(
            "sign",
            SasSigner(f"{emulator.address}/token", hosts=("127.0.0.1",), policy=POLICY),
        )
    return StacArchive(catalogue, policy=POLICY, **more), emulator


def offered(archive: StacArchive) -> dict[str, Offer]:
    found = archive.search(mgrs_tile=TILE, start=START, until=UNTIL)
    return {offer.product_id: offer for offer in found}


DIALECTS = ("earth-search", "planetary-computer", "cdse", "generic")


@pytest.mark.parametrize("dialect", DIALECTS)
def test_search_reads_all_pages(emulators: dict[str, Running], dialect: str) -> None:
    archive, emulator = archive_of(emulators, dialect)
    offers = offered(archive)
    assert set(offers) == {each.product_id for each in RAW}
    first = offers[RAW[0].product_id]
    assert first.source == archive.name == f"stac:{first.source[5:]}"
    assert first.datatake_start == datetime(2026, 1, 3, 2, 55, 49, tzinfo=UTC)
    assert first.sensed_at == RAW[0].sensed_at
    assert (first.platform, first.processing_baseline) == ("S2B", "05.10")
    assert set(first.assets) == {*BANDS, "SCL"}
    asked = emulator.requests("search")
    assert len(asked) == 2
    assert asked[0]["body"]["bbox"][2] - asked[0]["body"]["bbox"][0] > 1
    assert not archive.requests_cost


@pytest.mark.parametrize("dialect", DIALECTS)
def test_every_dialect_gives_the_same_reflectance(
    emulators: dict[str, Running], dialect: str
) -> None:
    archive, _ = archive_of(emulators, dialect)
    offers = offered(archive)
    for each in RAW:
        offer = offers[each.product_id]
        got = archive.fetch(offer, WINDOW, BANDS)
        np.testing.assert_array_equal(got.scl, each.pixels["SCL"])
        layers = [*got.dn_10m, *got.dn_20m]
        for band, dn in zip(got.bands_10m + got.bands_20m, layers, strict=True):
            truth = to_reflectance(
                each.pixels[band],
                add_offset=-1000 if each.version >= "04.00" else 0,
            )
            found = to_reflectance(
                np.ascontiguousarray(dn),
                add_offset=offer.radiometry.add_offset,
                quantification_value=offer.radiometry.quantification_value,
            )
            seen = truth > 0  # an archive that shifts its numbers clamps the rest
            np.testing.assert_array_equal(found[seen], truth[seen])
            np.testing.assert_array_equal(np.isnan(found), np.isnan(truth))


def test_a_window_over_the_edge_of_the_data_is_no_data_there(
    emulators: dict[str, Running],
) -> None:
    archive, emulator = archive_of(emulators, "cdse")
    offer = offered(archive)[RAW[0].product_id]
    window = TileWindow(mgrs_tile=TILE, row=ROW - 100, col=COL, height=200, width=100)
    got = archive.fetch(offer, window, ("B04", "B11"))
    assert not got.dn_10m[0, :100].any()
    np.testing.assert_array_equal(got.dn_10m[0, 100:], RAW[0].pixels["B04"][:100, :100])
    np.testing.assert_array_equal(got.dn_20m[0, 50:], RAW[0].pixels["B11"][:50, :50])
    paths = {one["path"] for one in emulator.requests("asset")}
    assert {path.rpartition("/")[2] for path in paths} == {
        "B04.tif",
        "B11.tif",
        "SCL.tif",
    }, "no sidecar file and no listing is asked for"


def test_an_object_store_is_read_without_credentials_of_a_cloud_machine(
    emulators: dict[str, Running], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID", raising=False)
    emulator = emulators["cdse"]
    catalogue = replace(
        CDSE_STAC, url=f"{emulator.address}/v1", s3_endpoint=emulator.address
    )
    archive = StacArchive(catalogue, policy=POLICY)
    offer = offered(archive)[RAW[0].product_id]
    offer = replace(
        offer,
        assets={
            band: href.replace(f"{emulator.address}/", "s3://")
            for band, href in offer.assets.items()
        },
    )
    assert offer.assets["B04"].startswith("s3://data/")
    got = archive.fetch(offer, WINDOW, ("B04",))
    np.testing.assert_array_equal(got.dn_10m[0], RAW[0].pixels["B04"])


# ------------------------------------------------------------------ what is refused


def test_a_missing_asset_a_wrong_lattice_and_another_tile_are_refused(
    emulators: dict[str, Running],
) -> None:
    archive, _ = archive_of(emulators, "cdse")
    offer = offered(archive)[RAW[0].product_id]
    assets = dict(offer.assets)
    coarse = replace(offer, assets={**assets, "B04": assets["B11"]})
    with pytest.raises(SourceError, match=r"lattice: shape .*, transform"):
        archive.fetch(coarse, WINDOW, ("B04",))
    classes = replace(offer, assets={**assets, "B11": assets["SCL"]})
    with pytest.raises(SourceError, match="type uint8 instead of uint16"):
        archive.fetch(classes, WINDOW, ("B11",))
    with pytest.raises(SourceError, match=r"B12 is not offered"):
        archive.fetch(offer, WINDOW, ("B12",))
    other = TileWindow(mgrs_tile="50RKU", row=0, col=0, height=2, width=2)
    with pytest.raises(ContractError, match="50RKU"):
        archive.fetch(offer, other, ("B04",))
    moved = replace(offer, mgrs_tile="50RLV")
    with pytest.raises(SourceError, match="transform"):
        archive.fetch(moved, replace(WINDOW, mgrs_tile="50RLV"), ("B04",))


@pytest.mark.parametrize(
    "href",
    [
        "/etc/passwd",
        "file:///etc/passwd",
        "/vsizip//etc/x.zip",
        "ftp://127.0.0.1/x.tif",
        "",
        "http://[::1",
    ],
)
def test_an_address_that_is_not_of_the_network_is_no_asset(
    emulators: dict[str, Running], href: str
) -> None:
    archive, _ = archive_of(emulators, "cdse")
    item = cdse_item()
    item["assets"]["B04_10m"]["href"] = href
    assert "B04" not in read_item(item, CDSE_STAC).assets
    offer = offered(archive)[RAW[0].product_id]
    with pytest.raises(SourceError):
        archive.fetch(
            replace(offer, assets={**offer.assets, "B04": href}), WINDOW, ("B04",)
        )


def test_a_vrt_under_the_name_of_a_tiff_is_not_followed(
    emulators: dict[str, Running],
) -> None:
    archive, emulator = archive_of(emulators, "cdse")
    offer = offered(archive)[RAW[0].product_id]
    trap = emulator.folder / "cogs" / "trap.tif"
    trap.write_text(
        '<VRTDataset rasterXSize="1" rasterYSize="1"><VRTRasterBand dataType="UInt16" '
        f'band="1"><SimpleSource><SourceFilename>{emulator.address}/data/secret.tif'
        "</SourceFilename></SimpleSource></VRTRasterBand></VRTDataset>"
    )
    evil = replace(
        offer, assets={**offer.assets, "B04": f"{emulator.address}/data/trap.tif"}
    )
    with pytest.raises(SourceError, match="cannot be read"):
        archive.fetch(evil, WINDOW, ("B04",))
    assert not [one for one in emulator.requests() if "secret" in one["path"]]


def test_a_catalogue_is_an_address_of_the_network() -> None:
    for url in ("/etc/passwd", "file:///x", "https://me:pw@stac.example/v1"):
        with pytest.raises(SettingsError, match="STAC API") as refused:
            StacArchive(replace(GENERIC, url=url))
        assert "pw" not in str(refused.value)


def test_an_item_that_cannot_be_understood_is_passed_over_with_a_warning(
    caplog: pytest.LogCaptureFixture, emulators: dict[str, Running]
) -> None:
    archive, emulator = archive_of(emulators, "earth-search")
    text = (emulator.folder / "scenes.json").read_text()
    broken = json.loads(text)
    broken["scenes"][0]["applied"] = None  # not said: not guessed
    folder = emulator.folder.with_name("broken")
    folder.mkdir()
    (folder / "scenes.json").write_text(json.dumps(broken))
    (folder / "pixels.npz").write_bytes((emulator.folder / "pixels.npz").read_bytes())
    with running("stac_emulator", folder) as other:
        archive = StacArchive(
            replace(EARTH_SEARCH, url=f"{other.address}/v1"), policy=POLICY
        )
        assert len(offered(archive)) == 2
    assert "boa_offset_applied" in caplog.text


# -------------------------------------------------------------- secrets and signing


def test_signed_addresses_are_neither_stored_nor_logged(
    emulators: dict[str, Running], caplog: pytest.LogCaptureFixture
) -> None:
    secret = "canaryS1GNATURE"  # noqa: S105 - to be looked for
    with caplog.at_level(logging.DEBUG):
        archive, emulator = archive_of(
            emulators, "planetary-computer", headers={"X-Key": "canary-api-KEY"}
        )
        offers = offered(archive)
        offer = offers[RAW[0].product_id]
        archive.fetch(offer, WINDOW, ("B04",))
        assert secret in json.dumps(emulator.requests("asset")), "it was not signed"
        emulator.script({"on": "B04.tif", "do": "404", "times": -1})
        with pytest.raises(
            SourceError, match=r"B04 at http://127.0.0.1:\d+/data/"
        ) as no:
            archive.fetch(offer, WINDOW, ("B04",))
        logging.getLogger("any").error("failed", exc_info=no.value)
    chain: list[str] = []
    error: BaseException | None = no.value
    while error is not None:
        chain.append(repr(error))
        error = error.__cause__ or error.__context__
    said = caplog.text + " ".join(chain) + repr(offers)
    assert "rasterio" in caplog.text
    assert secret not in said
    assert "canary-api-KEY" not in said
    assert len([o for o in emulator.requests() if o["path"] == "/token"]) == 1


def test_a_token_goes_to_no_other_host(emulators: dict[str, Running]) -> None:
    emulator = emulators["planetary-computer"]
    sign = SasSigner(f"{emulator.address}/token", hosts=(".blob.example",))
    assert sign("https://evil.example/a.tif") == "https://evil.example/a.tif"
    assert sign("https://a.blob.example/a.tif") == f"https://a.blob.example/a.tif?{SAS}"


def test_a_hook_that_fails_fails_the_scene_without_its_secret(
    emulators: dict[str, Running],
) -> None:
    def sign(address: str) -> str:
        raise RuntimeError(f"no: {address}?sig=canaryS1GNATURE")

    archive, _ = archive_of(emulators, "cdse", sign=sign)
    offer = offered(archive)[RAW[0].product_id]
    with pytest.raises(SourceError, match="cannot be signed") as refused:
        archive.fetch(offer, WINDOW, ("B04",))
    assert "canary" not in repr(refused.value)
    assert refused.value.__context__ is None


# -------------------------------------------------------------------- real metadata


def cdse_item() -> dict[str, Any]:
    """Give an item as short as it may be."""
    name = RAW[0].product_id
    asset = {"raster:scale": 0.0001, "raster:offset": -0.1}
    return {
        "id": name,
        "properties": {
            "datetime": "2026-01-03T03:05:27Z",
            "platform": "sentinel-2b",
            "grid:code": f"MGRS-{TILE}",
            "processing:version": "05.10",
        },
        "assets": {
            key: {"href": f"https://store.example/{key}.tif", **asset}
            for key in ("B04_10m", "B11_20m", "SCL_20m")
        },
    }


def real_items(test_data: Path, name: str) -> list[dict[str, Any]]:
    found = json.loads((test_data / "s2_metadata" / "stac" / name).read_text())
    found = found.get("response", found) if isinstance(found, dict) else found
    if isinstance(found, list):
        return found
    return found.get("features", [found])


REAL = [
    ("earthsearch_v1_search_1.json", EARTH_SEARCH, "05.09", 0),
    ("earthsearch_v1_search_2.json", EARTH_SEARCH, "05.11", 0),
    ("earthsearch_v1_search_4.json", EARTH_SEARCH, "05.11", 0),
    ("earthsearch_v0_S2A_29RKH_20200219.json", EARTH_SEARCH, "02.14", 0),
    ("pc_sentinel-2-l2a_items.json", PLANETARY_COMPUTER, "05.10", -1000),
    ("pc_search_page.json", PLANETARY_COMPUTER, "02.12", 0),
    ("pc_S2B_MSIL2A_20190629_T06VVN.json", PLANETARY_COMPUTER, "02.12", 0),
    ("geoparquet_sentinel-2-item.json", PLANETARY_COMPUTER, "04.00", -1000),
    ("openeo_issue1043_FeatureCollection.json", CDSE_STAC, "05.00", -1000),
    ("openeo_issue1547_FeatureCollection.json", CDSE_STAC, "05.12", -1000),
]


@pytest.mark.parametrize(("name", "catalogue", "version", "offset"), REAL)
def test_real_items_are_understood(
    test_data: Path, name: str, catalogue: Catalogue, version: str, offset: int
) -> None:
    items = [
        item
        for item in real_items(test_data, name)
        if item.get("collection", "sentinel-2-l2a") == "sentinel-2-l2a"
    ]
    assert items
    for item in items:
        offer = read_item(item, catalogue)
        assert offer.processing_baseline == version
        assert offer.radiometry.add_offset == offset, offer.radiometry.because
        assert offer.radiometry.quantification_value == 10_000
        assert set(offer.assets) == {*BANDS_10M, *BANDS_20M, "SCL"}
        assert offer.footprint is not None
        assert offer.created_at is not None
        assert offer.created_at >= offer.datatake_start
        assert offer.cloud_percent == item["properties"]["eo:cloud_cover"]
        assert f"_T{offer.mgrs_tile}_" in offer.product_id
        assert offer.platform == offer.product_id[:3]
        late = (offer.sensed_at - offer.datatake_start).total_seconds()
        assert 0 <= late < 1800


def test_the_lattice_of_a_tile_is_that_of_real_items(test_data: Path) -> None:
    checked = 0
    for name, catalogue, *_ in REAL:
        for item in real_items(test_data, name):
            if item.get("collection") != "sentinel-2-l2a":
                continue
            offer = read_item(item, catalogue)
            if offer.mgrs_tile[:2] in {"01", "60"}:
                continue  # at the antimeridian no district is watched
            key = {"earth-search": "red", "cdse": "B04_10m"}.get(
                catalogue.dialect, "B04"
            )
            grid = tile_grid(offer.mgrs_tile)
            assert tuple(item["assets"][key]["proj:transform"][:6]) == grid.transform
            checked += 1
    assert checked > 8


def test_earth_search_with_the_flag_down_is_raw(test_data: Path) -> None:
    [item] = real_items(test_data, "earthsearch_v1_search_1.json")
    item["properties"]["earthsearch:boa_offset_applied"] = False
    assert read_item(item, EARTH_SEARCH).radiometry.add_offset == -1000
    del item["properties"]["earthsearch:boa_offset_applied"]
    with pytest.raises(ValueError, match="does not say"):
        read_item(item, EARTH_SEARCH)


def test_anybody_is_taken_at_their_word_and_the_offer_says_so() -> None:
    item = cdse_item()
    found = read_item(item, replace(GENERIC, name="anybody"))
    assert found.radiometry.add_offset == -1000
    assert "at its word" in found.radiometry.because
    for asset in item["assets"].values():
        asset["raster:offset"] = 0
    assert read_item(item, GENERIC).radiometry.add_offset == 0
    assert read_item(item, CDSE_STAC).radiometry.add_offset == 0


def test_before_0400_there_was_no_offset_whatever_is_advertised() -> None:
    item = cdse_item()
    item["id"] = item["id"].replace("N0510", "N0214")
    item["properties"]["processing:version"] = "02.14"
    assert read_item(item, CDSE_STAC).radiometry.add_offset == 0


@pytest.mark.parametrize(
    ("where", "value", "says"),
    [
        (("properties", "processing:version"), "04.00", "processing baselines"),
        (("properties", "grid:code"), "MGRS-50RKU", "tiles"),
        (("properties", "platform"), "sentinel-2a", "platforms"),
        (("properties", "datetime"), "soon", "isoformat"),
        (("assets", "B11_20m", "raster:offset"), 0, "advertise"),
        (("assets", "B04_10m", "raster:scale"), 0.3, "digital numbers"),
        (("assets", "B04_10m", "raster:scale"), float("nan"), "advertises"),
        (("assets",), {}, "no asset"),
    ],
)
def test_an_item_that_contradicts_itself_is_refused(
    where: tuple[str, ...], value: object, says: str
) -> None:
    item = cdse_item()
    inner: Any = item
    for key in where[:-1]:
        inner = inner[key]
    inner[where[-1]] = value
    with pytest.raises(ValueError, match=says):
        read_item(item, CDSE_STAC)


@pytest.mark.parametrize("cloud", [float("nan"), -1, 1e308, "many", None, [1]])
def test_cloud_cover_that_is_none_is_not_known(cloud: object) -> None:
    item = cdse_item()
    item["properties"]["eo:cloud_cover"] = cloud
    item["geometry"] = {"type": "Point", "coordinates": [0, 0]}
    offer = read_item(item, CDSE_STAC)
    assert offer.cloud_percent is None
    assert offer.footprint is None


def test_the_words_of_the_settings_name_the_catalogues() -> None:
    assert set(CATALOGUES) == {"earth-search", "planetary-computer", "cdse"}


def test_a_scene_of_the_real_sample_comes_through_unchanged(
    demo_cube: tuple[Path, Path], tmp_path: Path
) -> None:
    fine, coarse = demo_cube
    with xr.open_dataset(fine) as ten, xr.open_dataset(coarse) as twenty:
        red = np.nan_to_num(ten["B4"][5].to_numpy()).astype(np.uint16)
        classes = np.nan_to_num(twenty["SCL"][5].to_numpy()).astype(np.uint8)
    rows, cols = red.shape
    pixels = {band: np.zeros_like(layer) for band, layer in RAW[0].pixels.items()}
    pixels["B04"][:rows, :cols] = red
    pixels["SCL"][: rows // 2, : cols // 2] = classes[: rows // 2, : cols // 2]
    real = Scene(
        product_id=RAW[0].product_id, sensed_at=RAW[0].sensed_at, pixels=pixels
    )
    write_scenes(tmp_path, [real], dialect="cdse")
    with running("stac_emulator", tmp_path) as emulator:
        archive = StacArchive(
            replace(CDSE_STAC, url=f"{emulator.address}/v1"), policy=POLICY
        )
        [offer] = archive.search(mgrs_tile=TILE, start=START, until=UNTIL)
        got = archive.fetch(offer, WINDOW, ("B04",))
    assert got.dn_10m.any()
    np.testing.assert_array_equal(got.dn_10m[0], pixels["B04"])
    np.testing.assert_array_equal(got.scl, pixels["SCL"])
