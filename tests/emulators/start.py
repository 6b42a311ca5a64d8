"""Scenes for the emulators, and the emulators as processes of their own."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray
from pyproj import Transformer

from rsmonitor.records.offer import BANDS_10M

TESTS = Path(__file__).parents[1]
CLIENT_ID = "canary-client-4711"
CLIENT_SECRET = "canary-SECRET-p9Xw7"  # noqa: S105 - to be looked for in logs
SAS = "sv=2024-05-04&se=2099-01-01T00%3A00%3A00Z&sig=canaryS1GNATURE%2Fabc%3D"

BANDS = ("B03", "B04", "B08", "B8A", "B11")
TILE = "50RKV"
EPSG, LEFT, TOP = 32650, 199_980, 3_500_040
"""Of the tile, written out so that the emulators do not share the code under test."""

ROW, COL, SIZE = 1200, 2600, 400
"""Where the scenes have pixels: an area of 4 km."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """One product, with pixels as ESA ships them by band and ``SCL``."""

    product_id: str
    sensed_at: datetime
    pixels: Mapping[str, NDArray[Any]]
    cloud_percent: float = 12.5
    applied: bool = False
    """Whether a STAC archive has taken the offset off its COGs."""

    @property
    def version(self) -> str:
        found = re.search(r"_N(\d\d)(\d\d)_", self.product_id)
        assert found
        return f"{found[1]}.{found[2]}"


def product_id(
    day: str, *, version: str = "0510", platform: str = "S2B", made: str = "120000"
) -> str:
    return f"{platform}_MSIL2A_{day}T025549_N{version}_R032_T{TILE}_{day}T{made}"


def scene(day: str, *, seed: int = 0, applied: bool = False, **name: str) -> Scene:
    """Make a scene of noise with a hole of no data and a corner that is dark."""
    random = np.random.default_rng([seed, int(day)])
    called = product_id(day, **name)
    pixels: dict[str, NDArray[Any]] = {}
    for band in BANDS:
        size = SIZE if band in BANDS_10M else SIZE // 2
        values = random.integers(1100, 5000, (size, size)).astype(np.uint16)
        values[: size // 20, : size // 10] = 0
        values[-size // 20 :, -size // 10 :] = 900  # reflectance below zero
        pixels[band] = values
    scl = random.integers(2, 12, (SIZE // 2, SIZE // 2)).astype(np.uint8)
    scl[: SIZE // 40, : SIZE // 20] = 0
    pixels["SCL"] = scl
    return Scene(
        product_id=called,
        sensed_at=datetime.fromisoformat(f"{day}T030527Z"),
        pixels=pixels,
        applied=applied,
    )


@dataclass(frozen=True, slots=True)
class Running:
    """An emulator that runs."""

    address: str
    folder: Path
    log: Path
    faults: Path

    def script(self, *faults: dict[str, Any]) -> None:
        """Let the next requests meet faults, in this order."""
        self.faults.write_text(json.dumps(faults))

    def requests(self, kind: str | None = None) -> list[dict[str, Any]]:
        """Give what was asked, in order."""
        if not self.log.exists():
            return []
        entries = [json.loads(line) for line in self.log.read_text().splitlines()]
        return [one for one in entries if kind in {None, one["kind"]}]


def write_scenes(folder: Path, scenes: Sequence[Scene], **more: Any) -> None:  # noqa: ANN401
    """Write what the emulators serve."""
    folder.mkdir(parents=True, exist_ok=True)
    right, bottom = LEFT + 109_800, TOP - 109_800
    to_lonlat = Transformer.from_crs(EPSG, "OGC:CRS84", always_xy=True)
    corners = [(LEFT, bottom), (right, bottom), (right, TOP), (LEFT, TOP)]
    outline = shapely.Polygon([to_lonlat.transform(*corner) for corner in corners])
    said = [
        {
            "product_id": each.product_id,
            "mgrs_tile": TILE,
            "version": each.version,
            "sensed_at": each.sensed_at.isoformat(),
            "cloud_percent": each.cloud_percent,
            "applied": each.applied,
            "footprint": shapely.geometry.mapping(outline),
            "bbox": outline.bounds,
            "epsg": EPSG,
            "left": LEFT,
            "top": TOP,
            "row": ROW,
            "col": COL,
        }
        for each in scenes
    ]
    client = {"client_id": CLIENT_ID, "client_secret": CLIENT_SECRET}
    whole = {"scenes": said, "bands": BANDS, "credentials": client, **more}
    (folder / "scenes.json").write_text(json.dumps(whole))
    np.savez(
        folder / "pixels.npz",
        **{
            f"{each.product_id}:{band}": values
            for each in scenes
            for band, values in each.pixels.items()
        },
    )


@contextmanager
def running(name: str, folder: Path) -> Iterator[Running]:
    """Run an emulator, ``sentinelhub_emulator`` or ``stac_emulator``, for a while."""
    log, faults = folder / "requests.jsonl", folder / "faults.json"
    paths = os.pathsep.join([str(TESTS), str(TESTS.parent)])
    process = subprocess.Popen(  # noqa: S603 - our own program
        [
            sys.executable,
            "-m",
            f"emulators.{name}",
            str(folder),
            "--log",
            str(log),
            "--faults",
            str(faults),
        ],
        env={**os.environ, "PYTHONPATH": paths},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout
        address = process.stdout.readline().strip()
        assert address.startswith("http://127.0.0.1:"), "the emulator did not start"
        yield Running(address, folder, log, faults)
    finally:
        process.kill()
        process.communicate()
