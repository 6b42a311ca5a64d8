"""STAC items of packages: valid, complete, and movable."""

import hashlib
import json
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pystac
import pytest
import shapely
from pystac.validation.local_validator import get_local_schema_cache
from pystac.validation.stac_validator import JsonSchemaSTACValidator
from sample_package import sample_package

from rsmonitor.io.deliver.stac import (
    EXTENSIONS,
    Asset,
    stac_documents,
    write_stac,
)
from rsmonitor.records.package import Package

FILES = {
    "report.pdf": b"%PDF-1.7",
    "alerts.geojson": b"{}",
    "weipian/JCTB.shp": b"shp",
    "weipian/360734寻乌县.db": b"SQLite",
}


def assets() -> dict[str, Asset]:
    return {
        name: Asset(size=len(data), sha256=hashlib.sha256(data).hexdigest())
        for name, data in FILES.items()
    }


@pytest.fixture(scope="module")
def package() -> Package:
    return sample_package()


@pytest.fixture(scope="module")
def documents(package: Package) -> dict[str, Any]:
    return {
        name: json.loads(data)
        for name, data in stac_documents(package, assets()).items()
    }


@pytest.fixture(scope="module")
def item(documents: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = documents["360734-2020-w40.json"]
    return found


def require_valid(document: dict[str, Any]) -> None:
    """Check against the schemas of STAC 1.1 that pystac ships; extensions have none."""
    kind = (
        pystac.STACObjectType.ITEM
        if document["type"] == "Feature"
        else pystac.STACObjectType.COLLECTION
    )
    assert any(
        f"v{document['stac_version']}/" in uri for uri in get_local_schema_cache()
    )
    pystac.validation.validate_dict(
        document | {"stac_extensions": []},
        stac_object_type=kind,
        stac_version=document["stac_version"],
        extensions=[],
        validator=JsonSchemaSTACValidator(),
    )


def test_item_and_collection_are_valid(documents: dict[str, Any]) -> None:
    assert sorted(documents) == ["360734-2020-w40.json", "collection.json"]
    for document in documents.values():
        require_valid(document)


def test_what_is_not_valid_would_be_found(item: dict[str, Any]) -> None:
    without = {key: value for key, value in item.items() if key != "bbox"}
    with pytest.raises(pystac.errors.STACValidationError):
        require_valid(without)


def test_the_extensions_say_checksum_size_software_and_crs(
    item: dict[str, Any],
) -> None:
    assert item["stac_extensions"] == list(EXTENSIONS)
    for name, data in FILES.items():
        asset = item["assets"][name]
        # a multihash: 0x12 is SHA-256, 0x20 its length
        assert asset["file:checksum"] == f"1220{hashlib.sha256(data).hexdigest()}"
        assert asset["file:size"] == len(data)
        assert asset["roles"]
    assert item["properties"]["processing:software"] == {"rsmonitor": "0.1.0"}
    assert isinstance(item["properties"]["processing:lineage"], str)
    assert item["properties"]["proj:code"] == "EPSG:4326"
    assert item["assets"]["weipian/JCTB.shp"]["proj:code"] == "EPSG:4490"
    read = pystac.Item.from_dict(item)
    assert pystac.extensions.projection.ProjectionExtension.ext(read).code == (
        "EPSG:4326"
    )


def test_the_item_is_of_its_week_and_of_its_ground(
    package: Package, item: dict[str, Any]
) -> None:
    properties = item["properties"]
    assert properties["datetime"] is None
    assert properties["start_datetime"] == "2020-09-27T16:00:00Z", "Monday in Shanghai"
    assert properties["end_datetime"] == "2020-10-04T16:00:00Z"
    ground = shapely.geometry.shape(item["geometry"])
    assert package.area.geometry is not None
    assert ground.hausdorff_distance(package.area.geometry) < 1e-6
    assert item["bbox"] == pytest.approx(ground.bounds)


def test_every_scene_is_named_once(package: Package, item: dict[str, Any]) -> None:
    named = [ln["title"] for ln in item["links"] if ln["rel"] == "derived_from"]
    assert len(named) == len(set(named))
    for dossier in package.dossiers:
        assert set(dossier.alert.provenance.scenes) <= set(named)
        for chip in dossier.chips:
            assert set(chip.scenes) <= set(named)


def test_without_border_the_item_has_what_was_watched_and_without_that_nothing(
    package: Package,
) -> None:
    borderless = replace(package, area=replace(package.area, geometry=None))
    item = json.loads(stac_documents(borderless, {})["360734-2020-w40.json"])
    assert item["bbox"] == pytest.approx(package.coverage[0].geometry.bounds, abs=1e-6)
    nothing = replace(borderless, coverage=(), dossiers=(), pages=0)
    for document in map(json.loads, stac_documents(nothing, {}).values()):
        require_valid(document)
        assert document.get("geometry") is None


def test_a_folder_that_was_moved_still_finds_its_files(
    package: Package, tmp_path: Path
) -> None:
    folder = tmp_path / "here"
    for name, data in FILES.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    (folder / "manifest.json").write_text("{}")
    write_stac(folder, package)
    once = {p.name: p.read_bytes() for p in (folder / "stac").iterdir()}
    write_stac(folder, package)
    assert {p.name: p.read_bytes() for p in (folder / "stac").iterdir()} == once
    moved = folder.rename(tmp_path / "there")
    collection = pystac.Collection.from_file(str(moved / "stac" / "collection.json"))
    (item,) = collection.get_items()
    assert item.collection_id == collection.id
    assert set(item.assets) == set(FILES), "the manifest comes later, and names this"
    for name, asset in item.assets.items():
        href = asset.get_absolute_href()
        assert href is not None
        assert Path(unquote(href)).read_bytes() == FILES[name]
