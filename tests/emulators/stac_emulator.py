"""A STAC API with COGs on the loopback.

It speaks the dialect that ``scenes.json`` names, and makes of the pixels one sparse
GeoTIFF a band with the extent of the whole tile.
"""

import json
import sys
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import numpy as np
import rasterio
from emulators.faults import Handler, serve
from rasterio.transform import from_origin
from rasterio.windows import Window

FINE = {"B02", "B03", "B04", "B08"}
TILE_M = 109_800
COMMON = {
    "B02": "blue",
    "B03": "green",
    "B04": "red",
    "B05": "rededge1",
    "B06": "rededge2",
    "B07": "rededge3",
    "B08": "nir",
    "B8A": "nir08",
    "B11": "swir16",
    "B12": "swir22",
    "SCL": "scl",
}
CONFORMS = [
    "https://api.stacspec.org/v1.0.0/core",
    "https://api.stacspec.org/v1.0.0/item-search",
    "https://api.stacspec.org/v1.0.0/item-search#query",
    "http://www.opengis.net/spec/ogcapi-features-1/1.0/conf/core",
]


class Stac(Handler):
    """One request."""

    def do_HEAD(self) -> None:  # noqa: N802 - its parent's name
        self.do_GET()

    def do_GET(self) -> None:  # noqa: N802 - its parent's name
        path = urlsplit(self.path).path
        kind = "asset" if path.startswith("/data/") else "root"
        self.server.note(
            {
                "kind": kind,
                "path": self.path,
                "range": self.headers.get("Range"),
                "verb": self.command,
            }
        )
        fault = self.server.fault(kind, path) or {"do": "nothing"}
        if fault["do"] not in {"nothing", "half-tiff"} and self.answer_fault(fault):
            return
        if path == "/token":
            self.answer({"token": self.server.scenes["sas"], "msft:expiry": "soon"})
        elif kind == "asset":
            self.asset(path, fault)
        elif path in {"/", "/v1", "/v1/"}:
            self.root()
        else:
            self.answer({"code": "NotFound"}, status=404)

    def do_POST(self) -> None:  # noqa: N802 - its parent's name
        said = json.loads(self.read_body())
        self.server.note({"kind": "search", "path": self.path, "body": said})
        fault = self.server.fault("search", self.path) or {"do": "nothing"}
        if fault["do"] not in {"nothing", "truncate", "loop", "away", "wrong", "empty"}:
            self.answer_fault(fault)
            return
        self.search(said, fault)

    def root(self) -> None:
        here = self.server.address
        self.answer(
            {
                "type": "Catalog",
                "id": "emulator",
                "stac_version": "1.0.0",
                "description": "emulator",
                "conformsTo": CONFORMS,
                "links": [
                    {"rel": "self", "href": f"{here}/v1"},
                    {"rel": "root", "href": f"{here}/v1"},
                    {
                        "rel": "search",
                        "type": "application/geo+json",
                        "href": f"{here}/v1/search",
                        "method": "POST",
                    },
                ],
            }
        )

    def search(self, said: dict[str, Any], fault: dict[str, Any]) -> None:
        start, until = (datetime.fromisoformat(t) for t in said["datetime"].split("/"))
        items = [
            scene
            for scene in self.server.scenes["scenes"]
            if start <= datetime.fromisoformat(scene["sensed_at"]) <= until
        ]
        size = min(said.get("limit", 10), self.server.scenes.get("page", 2))
        first = int(said.get("token", 0))
        page = items[first : first + size]
        links = []
        address = f"{self.server.address}/v1/search"
        if fault["do"] == "loop":
            links = [{"rel": "next", "method": "POST", "href": address, "body": said}]
        elif fault["do"] == "away":
            away = fault.get("to", "http://127.0.0.2:9/v1/search")
            links = [{"rel": "next", "method": "POST", "href": away, "body": said}]
        elif first + size < len(items):
            body = {**said, "token": first + size}
            links = [{"rel": "next", "method": "POST", "href": address, "body": body}]
        if fault["do"] == "empty":  # an empty page in the midst of a search
            body = {**said, "token": first, "again": 1}
            page = []
            links = [{"rel": "next", "method": "POST", "href": address, "body": body}]
        whole: dict[str, Any] = {
            "type": "FeatureCollection",
            "features": [self.item(scene) for scene in page],
            "links": links,
        }
        if fault["do"] == "wrong":
            whole["features"] = {"a": 1}
        data = json.dumps(whole).encode()
        if fault["do"] == "truncate":
            self.answer_fault(fault, data)
            return
        self.answer(data, kind="application/geo+json")

    def item(self, scene: dict[str, Any]) -> dict[str, Any]:
        dialect = self.server.scenes["dialect"]
        name, tile, version = scene["product_id"], scene["mgrs_tile"], scene["version"]
        base = scene.get("data", f"{self.server.address}/data")
        said: dict[str, Any] = {
            "datetime": scene["sensed_at"],
            "platform": f"sentinel-2{name[2].lower()}",
            "eo:cloud_cover": scene["cloud_percent"],
        }
        shifted = version >= "04.00"
        layer: dict[str, Any] = {}
        if dialect == "earth-search":
            said |= {
                "grid:code": f"MGRS-{tile}",
                "s2:product_uri": f"{name}.SAFE",
                "s2:processing_baseline": version,
                "earthsearch:boa_offset_applied": scene["applied"],
            }
            # the trap: advertised although applied
            layer = {"raster:bands": [{"scale": 0.0001, "offset": -0.1 * shifted}]}
        elif dialect == "planetary-computer":
            said |= {
                "s2:mgrs_tile": tile,
                "s2:product_uri": f"{name}.SAFE",
                "s2:processing_baseline": version,
            }
        else:
            said |= {"grid:code": f"MGRS-{tile}", "processing:version": version}
            layer = {"raster:scale": 0.0001, "raster:offset": -0.1 * shifted}
        assets = {}
        for band in (*self.server.scenes["bands"], "SCL"):
            key = {
                "earth-search": COMMON[band],
                "planetary-computer": band,
                "cdse": f"{band}_{'10m' if band in FINE else '20m'}",
                "generic": band,
            }[dialect]
            query = scene.get("query", "")
            assets[key] = {"href": f"{base}/{name}/{band}.tif{query}", **layer}
        return {
            "type": "Feature",
            "stac_version": "1.0.0",
            "id": name,
            "collection": "sentinel-2-l2a",
            "geometry": scene["footprint"],
            "bbox": scene["bbox"],
            "properties": said,
            "assets": assets,
            "links": [],
        }

    def asset(self, path: str, fault: dict[str, Any]) -> None:
        file = self.server.folder / "cogs" / path.removeprefix("/data/")
        sas = self.server.scenes.get("sas")
        asked = parse_qs(urlsplit(self.path).query)
        if sas and any(asked.get(key) != it for key, it in parse_qs(sas).items()):
            self.answer(b"AuthenticationFailed", status=403, kind="text/plain")
            return
        if ".." in path or not file.is_file():
            self.answer(b"not here", status=404, kind="text/plain")
            return
        data = file.read_bytes()
        if fault["do"] == "half-tiff":
            data = data[: int(len(data) * fault.get("share", 0.5))]
        span = self.headers.get("Range")
        if span and self.command == "GET":
            first, last = span.removeprefix("bytes=").split("-")
            end = min(int(last or len(data)) + 1, len(data))
            if int(first) >= len(data):
                self.answer(b"", status=416)
                return
            where = f"bytes {first}-{end - 1}/{len(data)}"
            self.answer(
                data[int(first) : end],
                status=206,
                kind="image/tiff",
                headers={"Content-Range": where, "Accept-Ranges": "bytes"},
            )
            return
        self.answer(data, kind="image/tiff", headers={"Accept-Ranges": "bytes"})


def write_cogs(folder: Path) -> None:
    """Write one sparse GeoTIFF a band and scene."""
    scenes = json.loads((folder / "scenes.json").read_text())
    with np.load(folder / "pixels.npz") as held:
        for scene in scenes["scenes"]:
            into = folder / "cogs" / scene["product_id"]
            into.mkdir(parents=True, exist_ok=True)
            for band in (*scenes["bands"], "SCL"):
                size = 10 if band in FINE else 20
                pixels = held[f"{scene['product_id']}:{band}"]
                if scene["applied"] and band != "SCL" and scene["version"] >= "04.00":
                    # what Earth Search does to its COGs
                    shifted = np.maximum(pixels.astype(int) - 1000, 1)
                    pixels = np.where(pixels == 0, 0, shifted).astype(np.uint16)
                with rasterio.open(
                    into / f"{band}.tif",
                    "w",
                    driver="GTiff",
                    count=1,
                    height=TILE_M // size,
                    width=TILE_M // size,
                    dtype=pixels.dtype,
                    crs=f"EPSG:{scene['epsg']}",
                    transform=from_origin(scene["left"], scene["top"], size, size),
                    nodata=0,
                    tiled=True,
                    blockxsize=512,
                    blockysize=512,
                    compress="deflate",
                    sparse_ok=True,
                ) as dataset:
                    row, col = scene["row"] * 10 // size, scene["col"] * 10 // size
                    at = Window(col, row, pixels.shape[1], pixels.shape[0])
                    dataset.write(pixels, 1, window=at)


if __name__ == "__main__":
    write_cogs(Path(sys.argv[1]))
    serve(Stac)
