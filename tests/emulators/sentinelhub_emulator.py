"""A Sentinel Hub on the loopback: tokens, a catalogue with pages, the Process API.

It runs no JavaScript. It reads the constants ``WANTED`` and ``BANDS`` of an evalscript
and what its ``setup`` asks for, and refuses what it does not know; the scripts
themselves run under Node in a test of their own.
"""

import io
import json
import re
import secrets
import sys
import tarfile
import time
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import numpy as np
import rasterio
from emulators.faults import Handler, serve
from rasterio.transform import from_origin

MAX_PX = 2500
FIRST_WITH_OFFSET = "04.00"
FINE = {"B02", "B03", "B04", "B08"}
TOKENS: dict[str, float] = {}
PIXELS: dict[str, np.ndarray] = {}


class SentinelHub(Handler):
    """One request."""

    def do_POST(self) -> None:  # noqa: N802 - its parent's name
        body = self.read_body()
        kind = {
            "/token": "token",
            "/api/v1/catalog/1.0.0/search": "search",
            "/api/v1/process": "process",
        }.get(self.path, "other")
        said = json.loads(body) if kind in {"search", "process"} else {}
        self.server.note({"kind": kind, "path": self.path, "body": said})
        fault = self.server.fault(kind, self.path) or {"do": "nothing"}
        if fault["do"] == "expire":
            TOKENS.clear()
        elif fault["do"] not in {"truncate", "half-tar", "wrong", "loop", "nothing"}:
            self.answer_fault(fault)
            return
        if kind == "token":
            self.token(parse_qs(body.decode()), fault)
        elif not self.allowed():
            self.answer(
                {"error": {"status": 401, "reason": "Unauthorized"}}, status=401
            )
        elif kind == "search":
            self.search(said, fault)
        elif kind == "process":
            self.process(said, fault)
        else:
            self.answer({"error": {"status": 404}}, status=404)

    def token(self, form: dict[str, list[str]], fault: dict[str, Any]) -> None:
        right = self.server.scenes["credentials"]
        if (form.get("client_id"), form.get("client_secret")) != (
            [right["client_id"]],
            [right["client_secret"]],
        ):
            said = {"error": "unauthorized_client", "error_description": str(form)}
            self.answer(said, status=401)
            return
        life = fault.get("expires_in", 600)
        token = f"eyJhbGciOi.{secrets.token_hex(16)}.{secrets.token_hex(8)}"
        TOKENS[token] = time.time() + life
        self.answer({"access_token": token, "expires_in": life, "token_type": "Bearer"})

    def allowed(self) -> bool:
        token = (self.headers.get("Authorization") or "").removeprefix("Bearer ")
        return TOKENS.get(token, 0) > time.time()

    def search(self, said: dict[str, Any], fault: dict[str, Any]) -> None:
        start, until = (datetime.fromisoformat(t) for t in said["datetime"].split("/"))
        west, south, east, north = said["bbox"]
        items = [
            scene
            for scene in self.server.scenes["scenes"]
            if start <= datetime.fromisoformat(scene["sensed_at"]) <= until
            and not (
                scene["bbox"][0] > east
                or scene["bbox"][2] < west
                or scene["bbox"][1] > north
                or scene["bbox"][3] < south
            )
        ]
        size = min(said.get("limit", 10), self.server.scenes.get("page", 2))
        first = int(said.get("next", 0))
        page = items[first : first + size]
        context: dict[str, Any] = {"limit": size, "returned": len(page)}
        if first + size < len(items):
            context["next"] = first + size
        if fault["do"] == "loop":
            context["next"] = 1
        whole = {
            "type": "FeatureCollection",
            "features": [self.item(scene) for scene in page],
            "context": context,
        }
        if fault["do"] == "wrong":
            whole = {"features": "none"}
        if fault["do"] == "truncate":
            self.answer_fault(fault, json.dumps(whole).encode())
            return
        self.answer(whole)

    def item(self, scene: dict[str, Any]) -> dict[str, Any]:
        return {
            "type": "Feature",
            "id": f"{scene['product_id']}.SAFE",
            "geometry": scene["footprint"],
            "properties": {
                "datetime": scene["sensed_at"],
                "platform": f"sentinel-2{scene['product_id'][2].lower()}",
                "eo:cloud_cover": scene["cloud_percent"],
            },
        }

    def process(self, said: dict[str, Any], fault: dict[str, Any]) -> None:
        data = said["input"]["data"][0]
        bounds = said["input"]["bounds"]
        out = said["output"]
        script = said["evalscript"]
        wanted = json.loads(re.search(r"const WANTED = (\{.*\});", script)[1])
        bands = json.loads(re.search(r"const BANDS = (\[.*\]);", script)[1])
        width, height = out["width"], out["height"]
        if not (
            script.startswith("//VERSION=3")
            and 'units: "DN"' in script
            and 'mosaicking: "TILE"' in script
            and max(width, height) <= MAX_PX
            and (bands or '"classes"' in script)
            and self.headers["Accept"] == "application/x-tar"
        ):
            self.answer({"error": {"status": 400, "reason": "Bad Request"}}, status=400)
            return
        span = data["dataFilter"]["timeRange"]
        start, until = (datetime.fromisoformat(span[key]) for key in ("from", "to"))
        chosen = [
            scene
            for scene in self.server.scenes["scenes"]
            if scene["product_id"] == wanted["product"]
            and start <= datetime.fromisoformat(scene["sensed_at"]) <= until
            and bounds["properties"]["crs"].endswith(f"/{scene['epsg']}")
        ]
        # Sentinel Hub's default is to take the offset off
        harmonised = data.get("processing", {}).get("harmonizeValues", True)
        left, bottom, right, top = bounds["bbox"]
        place = (left, top, (right - left) / width, (top - bottom) / height)
        parts: dict[str, bytes] = {}
        layers = [
            self.layer(chosen, band, place, (height, width), harmonised=harmonised)
            for band in bands
        ]
        dtype = "float32" if fault.get("part") == "dtype" else "uint16"
        shift = 10 if fault.get("part") == "place" else 0
        if fault.get("part") == "shape":
            layers = [layer[1:] for layer in layers]
        epsg = int(bounds["properties"]["crs"].rpartition("/")[2])
        if layers:
            parts["default.tif"] = tiff(layers, dtype, place, epsg, shift)
        if '"classes"' in script:
            scl = self.layer(chosen, "SCL", place, (height, width), harmonised=False)
            parts["classes.tif"] = tiff([scl], "uint8", place, epsg, 0)
        names = [scene["product_id"] for scene in chosen]
        if fault.get("part") == "product":
            names = [names[0].replace("_N05", "_N04")]
        parts["userdata.json"] = json.dumps(
            {"tiles": [{"productId": name, "dataPath": None} for name in names]}
        ).encode()
        if fault.get("part") == "missing":
            del parts["userdata.json"]
        if fault.get("part") == "half-tiff":
            parts["default.tif"] = parts["default.tif"][
                : len(parts["default.tif"]) // 2
            ]
        whole = tar(parts)
        if fault["do"] == "half-tar":  # with a Content-Length that is right
            whole = whole[: len(whole) // 2]
        if fault["do"] == "truncate":
            self.answer_fault(fault, whole)
            return
        units = width * height / 512**2 * (len(bands) + ('"classes"' in script)) / 3
        self.answer(
            whole,
            kind="application/x-tar",
            headers={"X-ProcessingUnits-Spent": f"{max(units, 0.005):.6f}"},
        )

    def layer(
        self,
        chosen: list[dict[str, Any]],
        band: str,
        place: tuple[float, float, float, float],
        shape: tuple[int, int],
        *,
        harmonised: bool,
    ) -> np.ndarray:
        """Sample a band at the centres of the pixels asked for: nearest."""
        result = np.zeros(shape, np.uint16)
        native = 10 if band in FINE else 20
        left, top, size_x, size_y = place
        for scene in chosen:
            pixels = PIXELS[f"{scene['product_id']}:{band}"]
            x = left + (np.arange(shape[1]) + 0.5) * size_x
            y = top - (np.arange(shape[0]) + 0.5) * size_y
            cols = ((x - scene["left"]) // native).astype(int) - scene[
                "col"
            ] * 10 // native
            rows = ((scene["top"] - y) // native).astype(int) - scene[
                "row"
            ] * 10 // native
            in_rows = (rows >= 0) & (rows < pixels.shape[0])
            in_cols = (cols >= 0) & (cols < pixels.shape[1])
            found = pixels[np.ix_(rows[in_rows], cols[in_cols])]
            if harmonised and band != "SCL" and scene["version"] >= FIRST_WITH_OFFSET:
                found = np.maximum(found.astype(int) - 1000, 0).astype(np.uint16)
            result[np.ix_(in_rows, in_cols)] = found
        return result


def tiff(
    layers: list[np.ndarray],
    dtype: str,
    place: tuple[float, float, float, float],
    epsg: int,
    shift: float,
) -> bytes:
    left, top, size_x, size_y = place
    with rasterio.MemoryFile() as memory:
        with memory.open(
            driver="GTiff",
            count=len(layers),
            height=layers[0].shape[0],
            width=layers[0].shape[1],
            dtype=dtype,
            crs=f"EPSG:{epsg}",
            transform=from_origin(left + shift, top, size_x, size_y),
        ) as dataset:
            dataset.write(np.stack(layers).astype(dtype))
        return memory.read()


def tar(parts: dict[str, bytes]) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        for name, data in parts.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return packed.getvalue()


if __name__ == "__main__":
    with np.load(Path(sys.argv[1]) / "pixels.npz") as held:
        PIXELS.update({key: held[key] for key in held})
    serve(SentinelHub)
