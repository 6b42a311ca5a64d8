"""A folder of products, good and bad: the good ones are read to the number."""

import hashlib
import json
import os
import shutil
import stat
import zipfile
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from safe_products import (
    BANDS,
    GRANULE,
    NAME,
    OFFSETS,
    TILE,
    Safe,
    write_image,
    write_images,
)

from rsmonitor.errors import SourceError, SourceUnreachableError
from rsmonitor.io.sources.folder import FolderArchive
from rsmonitor.io.sources.safe_metadata import (
    read_manifest,
    read_product,
    read_refined,
    read_tile,
)
from rsmonitor.io.sources.scenes import ArchiveScenes
from rsmonitor.io.stores.cache import SceneCache
from rsmonitor.records.grid import Block
from rsmonitor.records.offer import BANDS_10M, Numbers, Offer, TileWindow
from rsmonitor.stages.tiling import tile_grid

START, UNTIL = datetime(2015, 1, 1, tzinfo=UTC), datetime(2030, 1, 1, tzinfo=UTC)
WINDOW = TileWindow(mgrs_tile=TILE, row=30, col=50, height=60, width=78)


def offers(archive: FolderArchive) -> list[Offer]:
    return list(archive.search(mgrs_tile=TILE, start=START, until=UNTIL))


def fetched(folder: Path, window: TileWindow = WINDOW) -> Numbers:
    archive = FolderArchive(folder)
    (offer,) = offers(archive)
    return archive.fetch(offer, window, BANDS)


def require_same(numbers: Numbers, safe: Safe, window: TileWindow = WINDOW) -> None:
    """Compare with what was written, number by number."""
    cut = np.s_[
        window.row : window.row + window.height, window.col : window.col + window.width
    ]
    half = np.s_[
        window.row // 2 : (window.row + window.height) // 2,
        window.col // 2 : (window.col + window.width) // 2,
    ]
    assert (*numbers.bands_10m, *numbers.bands_20m) == BANDS
    for band, plane in zip(numbers.bands_10m, numbers.dn_10m, strict=True):
        np.testing.assert_array_equal(plane, safe.values(band)[cut])
    for band, plane in zip(numbers.bands_20m, numbers.dn_20m, strict=True):
        np.testing.assert_array_equal(plane, safe.values(band)[half])
    np.testing.assert_array_equal(numbers.scl, safe.values("SCL")[half])
    assert numbers.scl.dtype == np.uint8


def problem(folder: Path) -> str:
    """Give the one thing that cannot be used, and see that the rest can."""
    said: list[str] = []
    Safe(name=NAME.replace("054321", "999999"), seed=9).write(folder)
    archive = FolderArchive(folder, report=said.append)
    for _ in range(2):
        assert [offer.product_id[-6:] for offer in offers(archive)] == ["999999"]
    assert archive.fetch(offers(archive)[0], WINDOW, BANDS)
    (one,) = archive.problems
    assert said == [one]
    return one


# ----------------------------------------------------------------- forms of product


@pytest.mark.parametrize("driver", ["JP2OpenJPEG", "GTiff"])
@pytest.mark.parametrize("checksum", ["MD5", "SHA3-256"])
def test_a_safe_folder_is_read_to_the_number(
    tmp_path: Path, driver: str, checksum: str
) -> None:
    safe = Safe(driver=driver, checksum=checksum)
    safe.write(tmp_path)
    require_same(fetched(tmp_path), safe)


@pytest.mark.parametrize("deflate", [False, True])
def test_a_safe_zip_is_read_to_the_number(tmp_path: Path, *, deflate: bool) -> None:
    safe = Safe()
    safe.write_zip(tmp_path, deflate=deflate)
    require_same(fetched(tmp_path), safe)


def test_folders_by_tile_and_month_are_searched(tmp_path: Path) -> None:
    safe = Safe()
    safe.write(tmp_path / TILE / "2023" / "08")
    require_same(fetched(tmp_path), safe)


def test_an_offer_says_what_the_metadata_says(tmp_path: Path) -> None:
    Safe(flag="NOT_REFINED").write(tmp_path)
    (offer,) = offers(FolderArchive(tmp_path))
    assert offer.product_id == NAME
    assert (offer.platform, offer.mgrs_tile) == ("S2B", TILE)
    assert offer.processing_baseline == "05.09"
    assert offer.datatake_start == datetime(2023, 8, 21, 2, 55, 41, 24_000, tzinfo=UTC)
    assert offer.sensed_at == datetime(2023, 8, 21, 3, 6, 11, 512_000, tzinfo=UTC)
    assert offer.created_at == datetime(2023, 8, 21, 5, 43, 21, tzinfo=UTC)
    assert offer.radiometry.add_offset == -1000
    assert offer.radiometry.quantification_value == 10_000
    assert offer.refined is False
    assert offer.cloud_percent == 12.5
    assert offer.footprint is not None
    assert offer.footprint.bounds == (113.9, 24.2, 115.1, 25.4)
    assert set(offer.assets) == {*BANDS, "SCL"}


def test_a_search_keeps_to_its_tile_and_time(tmp_path: Path) -> None:
    Safe().write(tmp_path)
    archive = FolderArchive(tmp_path)
    at = datetime(2023, 8, 21, 3, 6, 11, 512_000, tzinfo=UTC)
    assert archive.search(mgrs_tile=TILE, start=at, until=UNTIL)
    assert not archive.search(mgrs_tile=TILE, start=START, until=at)
    assert not archive.search(mgrs_tile="50RLN", start=START, until=UNTIL)


def test_a_window_beyond_the_images_has_no_data(tmp_path: Path) -> None:
    safe = Safe()
    safe.write(tmp_path)
    window = TileWindow(mgrs_tile=TILE, row=120, col=126, height=40, width=10)
    numbers = fetched(tmp_path, window)
    np.testing.assert_array_equal(
        numbers.dn_10m[0, :8, :2], safe.values("B02")[120:, 126:]
    )
    assert not numbers.dn_10m[:, 8:].any()
    assert not numbers.dn_10m[:, :, 2:].any()
    assert not numbers.scl[4:].any()


def test_a_folder_of_images_of_a_part_of_the_tile_is_read(tmp_path: Path) -> None:
    safe = Safe()
    write_images(tmp_path / "a scene", safe, row=400, col=1000)
    moved = TileWindow(mgrs_tile=TILE, row=430, col=1050, height=60, width=78)
    require_same(fetched(tmp_path, moved), safe)
    (offer,) = offers(FolderArchive(tmp_path))
    assert offer.product_id == "office-2023-08-21"
    assert offer.processing_baseline is None
    assert offer.radiometry.add_offset == -1000


def test_a_folder_of_images_with_esas_metadata_is_read(tmp_path: Path) -> None:
    safe = Safe()
    folder = safe.write(tmp_path / "safe")
    images = write_images(tmp_path / "images", safe)
    (images / "product.json").unlink()
    (folder / "MTD_MSIL2A.xml").rename(images / "MTD_MSIL2A.xml")
    require_same(fetched(tmp_path / "images"), safe)


def test_images_without_metadata_are_refused(tmp_path: Path) -> None:
    folder = write_images(tmp_path / "images", Safe())
    (folder / "product.json").unlink()
    assert "how its numbers become reflectance" in problem(tmp_path)


def test_the_whole_way_from_a_folder_to_reflectance(tmp_path: Path) -> None:
    safe = Safe(side=64)
    safe.write(tmp_path / "products")
    tile = tile_grid(TILE)
    grid = tile.__class__(
        crs=tile.crs,
        left=tile.left,
        top=tile.top,
        pixel_width=10.0,
        pixel_height=10.0,
        height=64,
        width=64,
        mgrs_tile=TILE,
    )
    source = ArchiveScenes(
        FolderArchive(tmp_path / "products"),
        (grid,),
        cache=SceneCache(tmp_path / "cache"),
        start=START,
        bands=("B04", "B11"),
    )
    (product,) = source.find(grid, until=UNTIL)
    scene = source.load(product, grid, Block(row=0, col=0, height=64, width=64))
    expected = (safe.values("B04").astype(np.float32) - 1000) / np.float32(10_000)
    np.testing.assert_array_equal(scene.reflectance.sel(band="B04"), expected)
    for path in sorted((tmp_path / "products").rglob("*.jp2")):
        path.unlink()  # all that is needed was converted, once
    again = source.load(product, grid, Block(row=0, col=0, height=64, width=64))
    assert again.identical(scene)


# ------------------------------------------------------------------ damaged products


def cut_in_half(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def flip_bits(path: Path) -> None:
    data = bytearray(path.read_bytes())
    middle = len(data) // 2
    data[middle : middle + 64] = bytes(
        255 - byte for byte in data[middle : middle + 64]
    )
    path.write_bytes(bytes(data))


def no_image(path: Path) -> None:
    path.write_bytes(b"<html>503 Service Unavailable</html>")


def image_of(folder: Path, band: str) -> Path:
    (path,) = folder.rglob(f"*_{band}_*m.*")
    return path


@pytest.mark.parametrize("damage", [cut_in_half, flip_bits, no_image])
@pytest.mark.parametrize("band", ["B04", "B11", "SCL"])
def test_a_damaged_image_is_refused_by_its_length_or_checksum(
    tmp_path: Path, damage: Callable[[Path], None], band: str
) -> None:
    damage(image_of(Safe().write(tmp_path), band))
    with pytest.raises(SourceError, match="get it again") as failed:
        fetched(tmp_path)
    assert NAME in str(failed.value)
    assert f"{band}:" in str(failed.value)


@pytest.mark.parametrize("share", [0.3, 0.5, 0.8, 0.95])
@pytest.mark.parametrize("driver", ["JP2OpenJPEG", "GTiff"])
def test_a_truncated_image_is_refused_even_if_nothing_lists_its_length(
    tmp_path: Path, share: float, driver: str
) -> None:
    folder = Safe(driver=driver, side=256).write(tmp_path)
    (folder / "manifest.safe").unlink()
    path = image_of(folder, "B08")
    data = path.read_bytes()
    path.write_bytes(data[: int(share * len(data))])
    whole = TileWindow(mgrs_tile=TILE, row=0, col=0, height=256, width=256)
    with pytest.raises(SourceError, match="cannot be read") as failed:
        fetched(tmp_path, whole)
    assert "B08" in str(failed.value)


def test_a_damaged_zip_member_is_refused_by_its_checksum(tmp_path: Path) -> None:
    path = Safe(files={"manifest.safe": b"<XFDU/>"}).write_zip(tmp_path)
    with zipfile.ZipFile(path) as archive:
        (info,) = (i for i in archive.infolist() if "_B04_" in i.filename)
    data = bytearray(path.read_bytes())
    data[info.header_offset + 5000] ^= 1
    path.write_bytes(bytes(data))
    with pytest.raises(SourceError, match="CRC"):
        fetched(tmp_path)


def test_a_missing_image_is_refused_and_the_others_are_not(tmp_path: Path) -> None:
    folder = Safe().write(tmp_path)
    image_of(folder, "B11").unlink()
    archive = FolderArchive(tmp_path)
    (offer,) = offers(archive)
    with pytest.raises(SourceError, match="no file of B11"):
        archive.fetch(offer, WINDOW, BANDS)
    assert archive.fetch(offer, WINDOW, ("B04", "B12"))


def test_a_product_that_went_away_is_told(tmp_path: Path) -> None:
    folder = Safe().write(tmp_path)
    archive = FolderArchive(tmp_path)
    (offer,) = offers(archive)
    image_of(folder, "B02").unlink()
    with pytest.raises(SourceError, match="B02"):
        archive.fetch(offer, WINDOW, BANDS)
    for path in folder.rglob("*.xml"):
        path.unlink()
    with pytest.raises(SourceError, match="no longer in"):
        FolderArchive(tmp_path).fetch(offer, WINDOW, BANDS)


def test_an_image_that_changes_is_checked_again(tmp_path: Path) -> None:
    folder = Safe().write(tmp_path)
    archive = FolderArchive(tmp_path)
    (offer,) = offers(archive)
    archive.fetch(offer, WINDOW, BANDS)
    flip_bits(image_of(folder, "B03"))
    with pytest.raises(SourceError, match="damaged"):
        archive.fetch(offer, WINDOW, BANDS)


def test_an_image_of_another_place_or_kind_is_refused(tmp_path: Path) -> None:
    safe = Safe()
    values = safe.values("B02")
    for number, (row, wrong) in enumerate(
        ((0, values.astype(np.int16)), (0, values[:, :-2]), (11_000, values))
    ):
        parent = tmp_path / str(number)
        folder = safe.write(parent)
        (folder / "manifest.safe").unlink()
        path = image_of(folder, "B02")
        path.unlink()
        write_image(path.with_suffix(".tif"), wrong, 10, row=row)
        with pytest.raises(SourceError, match="B02"):
            fetched(parent)


def test_a_file_that_only_ends_like_an_image_fetches_nothing(tmp_path: Path) -> None:
    folder = write_images(tmp_path / "images", Safe())
    secret = tmp_path / "secret.tif"
    image_of(folder, "B02").rename(secret)
    (folder / "scene_B02_10m.tif").write_text(
        '<VRTDataset rasterXSize="128" rasterYSize="128"><VRTRasterBand '
        'dataType="UInt16" band="1"><SimpleSource><SourceFilename>'
        f"{secret}</SourceFilename><SourceBand>1</SourceBand></SimpleSource>"
        "</VRTRasterBand></VRTDataset>"
    )
    with pytest.raises(SourceError, match="B02"):
        fetched(tmp_path)


# ----------------------------------------------------------------- hostile products


BOMB = (
    '<?xml version="1.0"?><!DOCTYPE lolz [<!ENTITY a "lol">'
    + "".join(f'<!ENTITY {chr(98 + n)} "{f"&{chr(97 + n)};" * 10}">' for n in range(9))
    + "]><lolz>&j;</lolz>"
)
OUTSIDE = (
    '<?xml version="1.0"?><!DOCTYPE x [<!ENTITY y SYSTEM "file:///etc/passwd">]>'
    "<x>&y;</x>"
)


@pytest.mark.parametrize("text", [BOMB, OUTSIDE])
@pytest.mark.parametrize(
    "name", ["MTD_MSIL2A.xml", f"{GRANULE}/MTD_TL.xml", "manifest.safe"]
)
def test_hostile_xml_is_refused(tmp_path: Path, text: str, name: str) -> None:
    Safe(files={name: text.encode()}).write(tmp_path)
    assert "refused as hostile" in problem(tmp_path)


@pytest.mark.parametrize(
    "text",
    ["", "<a>", "\x00", "not xml", "<a>" * 50_000, '<?xml encoding="nonsense"?>'],
)
def test_broken_xml_is_refused(tmp_path: Path, text: str) -> None:
    Safe(files={"MTD_MSIL2A.xml": text.encode()}).write(tmp_path)
    assert "MTD_MSIL2A.xml" in problem(tmp_path)


def test_endless_xml_is_not_read_to_its_end(tmp_path: Path) -> None:
    folder = Safe().write(tmp_path)
    with (folder / "MTD_MSIL2A.xml").open("r+b") as file:
        file.truncate(10 * 2**30)  # a hole: it takes no space
    assert "larger than" in problem(tmp_path)


@pytest.mark.parametrize(
    ("changes", "rule"),
    [
        ({"level": "Level-1C"}, "Level-1C"),
        ({"offsets": ""}, "without BOA_ADD_OFFSET"),
        ({"offsets": OFFSETS.replace("-1000", "-900", 2)}, "one number for all"),
        ({"offsets": OFFSETS.replace('"3"', '"99"')}, "band_id 99"),
        ({"offsets": OFFSETS.replace("-1000", "NaN")}, "whole number"),
        ({"offsets": OFFSETS.replace("-1000", "-1000000")}, "beyond all sense"),
        ({"spacecraft": "Landsat-8"}, "SPACECRAFT_NAME"),
        ({"version": "5.9"}, "baseline"),
        ({"crs": "EPSG:32649"}, "MTD_TL.xml is of tile"),
        ({"tile": "50RLN"}, "MTD_TL.xml is of tile"),
        ({"name": "../../etc/passwd"}, "PRODUCT_URI"),
    ],
)
def test_metadata_that_contradicts_itself_is_refused(
    tmp_path: Path, changes: dict[str, str], rule: str
) -> None:
    safe = Safe(**changes)  # type: ignore[arg-type]
    if "name" in changes:
        safe.name = NAME
        text = Safe().write(tmp_path / "x").joinpath("MTD_MSIL2A.xml").read_text()
        safe.files["MTD_MSIL2A.xml"] = text.replace(NAME, changes["name"]).encode()
        shutil.rmtree(tmp_path / "x")
    safe.write(tmp_path)
    assert rule in problem(tmp_path)


def test_an_old_product_has_no_offset(tmp_path: Path) -> None:
    Safe(version="02.14", offsets="").write(tmp_path)
    (offer,) = offers(FolderArchive(tmp_path))
    assert offer.radiometry.add_offset == 0


def test_a_product_processed_again_has_the_offset_whenever_it_was_sensed(
    tmp_path: Path,
) -> None:
    Safe(version="05.00").write(tmp_path)
    (offer,) = offers(FolderArchive(tmp_path))
    assert offer.radiometry.add_offset == -1000


@pytest.mark.parametrize("name", ["../evil.txt", "/etc/evil", "a/../../b", "a\\..\\b"])
def test_a_zip_with_names_that_lead_out_is_refused(tmp_path: Path, name: str) -> None:
    path = Safe().write_zip(tmp_path)
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr(name, "evil")
    assert "leads out of it" in problem(tmp_path)


def test_a_zip_with_a_link_is_refused(tmp_path: Path) -> None:
    path = Safe().write_zip(tmp_path)
    with zipfile.ZipFile(path, "a") as archive:
        info = zipfile.ZipInfo(f"{NAME}.SAFE/link")
        info.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(info, "/etc/passwd")
    assert "is a link" in problem(tmp_path)


def test_a_zip_bomb_is_refused(tmp_path: Path) -> None:
    path = Safe().write_zip(tmp_path)
    with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(f"{NAME}.SAFE/zeros", bytes(20 * 2**20))
    assert "unpacks to" in problem(tmp_path)


def test_a_zip_with_one_name_twice_is_refused(tmp_path: Path) -> None:
    path = Safe().write_zip(tmp_path)
    with (
        pytest.warns(UserWarning, match="Duplicate"),
        zipfile.ZipFile(path, "a") as archive,
    ):
        archive.writestr(f"{NAME}.SAFE/MTD_MSIL2A.xml", "<other/>")
    assert "twice" in problem(tmp_path)


@pytest.mark.parametrize("share", [0.0, 0.5, 0.99])
def test_half_a_zip_is_refused(tmp_path: Path, share: float) -> None:
    path = Safe().write_zip(tmp_path)
    data = path.read_bytes()
    path.write_bytes(data[: int(share * len(data))])
    assert "not a whole zip" in problem(tmp_path)


def test_a_zip_of_something_else_is_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "letters.zip", "w") as archive:
        archive.writestr("letter.txt", "dear")
    assert "neither MTD_MSIL2A.xml nor product.json" in problem(tmp_path)


def test_links_that_lead_out_of_the_folder_are_refused(tmp_path: Path) -> None:
    inside = tmp_path / "products"
    folder = Safe().write(inside)
    target = tmp_path / "elsewhere.jp2"
    image_of(folder, "B02").rename(target)
    image = folder / (Safe().stem("B02") + ".jp2")
    image.symlink_to(target)
    assert "outside" in problem(inside)


def test_links_within_the_folder_and_loops_are_harmless(tmp_path: Path) -> None:
    folder = Safe().write(tmp_path)
    image = image_of(folder, "B02")
    image.rename(tmp_path / "moved.jp2")
    image.symlink_to(tmp_path / "moved.jp2")
    require_same(fetched(tmp_path), Safe())
    (tmp_path / "deeper").mkdir()
    (tmp_path / "deeper" / "loop").symlink_to(tmp_path)
    (tmp_path / "deeper" / "itself").symlink_to(tmp_path / "deeper" / "itself")
    require_same(fetched(tmp_path), Safe())


def test_a_link_put_in_later_is_refused(tmp_path: Path) -> None:
    inside = tmp_path / "products"
    folder = Safe().write(inside)
    archive = FolderArchive(inside)
    (offer,) = offers(archive)
    image = image_of(folder, "B02")
    image.rename(tmp_path / "elsewhere.jp2")
    image.symlink_to(tmp_path / "elsewhere.jp2")
    with pytest.raises(SourceError, match="outside"):
        archive.fetch(offer, WINDOW, BANDS)


@pytest.mark.parametrize(
    ("changes", "rule"),
    [
        ({"add_offset": None}, "add_offset must be int"),
        ({"add_offset": True}, "add_offset must be int"),
        ({"quantification_value": 0}, "positive"),
        ({"mgrs_tile": "T50RKN"}, "mgrs_tile"),
        ({"mgrs_tile": "50AAA"}, ""),
        ({"platform": "Sentinel-2B"}, "platform"),
        ({"sensed_at": "2023-08-21T03:06:11"}, "timezone"),
        ({"sensed_at": "yesterday"}, "no time"),
        ({"product_id": ""}, "empty"),
        ({"processing_baseline": "5"}, "NN.NN"),
        ({"scale": 0.0001}, "unknown scale"),
    ],
)
def test_a_description_with_mistakes_is_refused(
    tmp_path: Path, changes: dict[str, object], rule: str
) -> None:
    write_images(tmp_path / "images", Safe(), **changes)
    said = problem(tmp_path)
    assert "product.json" in said
    assert rule in said


def test_checksums_of_a_description_are_held(tmp_path: Path) -> None:
    folder = write_images(tmp_path / "images", Safe())
    path = image_of(folder, "B04")
    described = json.loads((folder / "product.json").read_text())
    described["sha256"] = {path.name: hashlib.sha256(path.read_bytes()).hexdigest()}
    (folder / "product.json").write_text(json.dumps(described))
    assert fetched(tmp_path)
    flip_bits(path)
    with pytest.raises(SourceError, match="damaged"):
        fetched(tmp_path)


def test_one_product_in_two_forms_is_used_once(tmp_path: Path) -> None:
    Safe().write_zip(tmp_path / "b")
    Safe().write(tmp_path / "a")
    archive = FolderArchive(tmp_path)
    assert len(offers(archive)) == 1
    (said,) = archive.problems
    assert "is also in" in said


def test_a_folder_that_is_not_there_is_unreachable(tmp_path: Path) -> None:
    with pytest.raises(SourceUnreachableError, match="no such folder"):
        offers(FolderArchive(tmp_path / "unplugged"))


def test_odd_names_are_no_trouble(tmp_path: Path) -> None:
    folder = tmp_path / "于都 县 {a}[b]*?"
    safe = Safe()
    safe.write_zip(folder)
    (folder / ".hidden").mkdir()
    (folder / ".hidden" / "x_B02_10m.tif").write_text("")
    os.mkfifo(folder / "pipe")
    require_same(fetched(folder), safe)


# ---------------------------------------------------------------- ESA's own metadata


@pytest.mark.parametrize(
    ("pattern", "version", "offset", "platform"),
    [
        ("S2A_MSIL2A_20190212*", "02.12", 0, "S2A"),
        ("esa_S2B_MSIL2A_20210122*", "02.14", 0, "S2B"),
        ("S2B_MSIL2A_20220413*", "04.00", -1000, "S2B"),
        ("S2A_MSIL2A_20230821*", "05.09", -1000, "S2A"),
    ],
)
def test_real_metadata_of_four_baselines(
    test_data: Path, pattern: str, version: str, offset: int, platform: str
) -> None:
    (folder,) = (test_data / "s2_metadata" / "safe").glob(pattern)
    product = read_product((folder / "MTD_MSIL2A.xml").read_bytes(), folder.name)
    assert product.processing_baseline == version
    assert product.radiometry.add_offset == offset
    assert product.radiometry.quantification_value == 10_000
    assert product.platform == platform
    assert f"T{product.mgrs_tile}" in folder.name
    assert folder.name.endswith(f"{product.product_id}.SAFE")
    assert f"{product.datatake_start:%Y%m%dT%H%M%S}" in product.product_id
    assert product.created_at is not None
    assert product.cloud_percent is not None
    images = set(product.images)
    assert {"B02", "B03", "B04", "B08", "B05", "B11", "B12", "SCL"} <= images
    for band, path in product.images.items():
        assert path.endswith(f"_{band}_{10 if band in BANDS_10M else 20}m")
    if product.mgrs_tile == "01KAB":  # across the antimeridian
        assert product.footprint is None
    else:
        assert product.footprint is not None
        assert 0 < product.footprint.area < 10


def test_tiles_lie_where_real_metadata_says(test_data: Path) -> None:
    found = sorted((test_data / "s2_metadata" / "safe").glob("*/MTD_TL.xml"))
    assert len(found) == 5
    for path in found:
        tile = read_tile(path.read_bytes(), str(path))
        grid = tile_grid(tile.mgrs_tile)
        assert tile.crs == grid.crs
        assert tile.corners[10] == (grid.left, grid.top)
        assert tile.shapes[10] == grid.shape
        assert tile.shapes[20] == (5490, 5490)


def test_real_level_1c_is_refused(test_data: Path) -> None:
    for path in (test_data / "s2_metadata" / "safe").glob("*/MTD_MSIL1C.xml"):
        with pytest.raises(SourceError, match="Level-2A"):
            read_product(path.read_bytes(), path.name)


def test_real_manifests_list_checksums_of_both_kinds(test_data: Path) -> None:
    kinds = set()
    for path in (test_data / "s2_metadata" / "safe").glob("*L2A*/manifest.safe"):
        listed = read_manifest(path.read_bytes(), path.name)
        (image,) = (file for name, file in listed.items() if "B02_10m" in name)
        assert image.checksum
        kinds.add(image.algorithm)
    assert kinds == {"md5", "sha3_256"}


def test_a_refinement_flag_may_be_missing() -> None:
    assert read_refined(b"<a/>", "x") is None
    assert read_refined(b'<a><b:Image_Refining xmlns:b="c" flag="REFINED"/></a>', "x")
    assert read_refined(b'<a><Image_Refining flag="?"/></a>', "x") is None
