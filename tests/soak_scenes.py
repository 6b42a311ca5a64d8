"""What there is to see in a soak: small forests through years, and who serves them.

Each district is a piece of forest of 640 m within one cell of 10 km, with openings
whose place and day are known. The noise is bounded and made from the name of the
product, so it has the same pixels whenever and by whomever it is written. A `World`
lists products as an archive would; what befalls each (late, damaged, processed anew,
listed twice) is drawn from its day.
"""

import json
import os
import shutil
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
import shapely
from affine import Affine
from emulators.stac_emulator import FINE, TILE_M
from emulators.start import CLIENT_ID, CLIENT_SECRET
from numpy.typing import NDArray
from pyproj import Transformer
from rasterio.windows import Window

from rsmonitor.records.rasters import Scl
from rsmonitor.stages.tiling import grids, parse_cell, tile_grid, tile_window

BANDS = ("B02", "B03", "B04", "B08", "B8A", "B11")
FOREST = (0.02, 0.05, 0.03, 0.30, 0.32, 0.14)
SOIL = (0.08, 0.10, 0.14, 0.22, 0.24, 0.30)
LEAVES = (0.0, 0.0, -0.2, 0.25, 0.25, 0.1)
"""How much more each band shows in summer, as a share."""

SIDE = 64
"""Rows and columns of the forest, pixels of 10 m."""

AT = (400, 400)
"""Where in its cell it lies."""

HISTORY = (date(2025, 1, 6), date(2026, 6, 28))
HISTORY_EVERY = timedelta(days=16)
FIRST_LOOK = date(2026, 7, 1)
OFFSET = 1000
MOST_OPENINGS = 3
"""Of a district: to write packages of more alerts takes longer and shows no more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Opening:
    """Ground that is opened on a day, and grows by half on another."""

    row: int
    col: int
    size: int
    day: date


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """One district."""

    code: str
    kind: str
    """``stac``, ``sentinelhub`` or ``folder``."""

    cell: str
    openings: tuple[Opening, ...] = ()

    @property
    def tile(self) -> str:
        return self.cell.partition("_")[0]


@dataclass(frozen=True, slots=True, kw_only=True)
class Shot:
    """One product: a look, or another version of one."""

    place: str
    tile: str
    taken: datetime
    listed: datetime
    """From when on the archive lists it."""

    until: datetime | None = None
    """From when on it does not any more."""

    baseline: str = "0511"
    made_after_h: int = 5
    damage: str = ""
    """``bright``: numbers that nothing on the ground has; ``half``: files cut off."""

    @property
    def name(self) -> str:
        made = self.taken + timedelta(hours=self.made_after_h)
        stamp = f"{self.taken:%Y%m%dT%H%M%S}"
        return (
            f"S2B_MSIL2A_{stamp}_N{self.baseline}_R032_T{self.tile}_"
            f"{made:%Y%m%dT%H%M%S}"
        )


def openings(seed: int, first: date, years: float) -> tuple[Opening, ...]:
    """Open ground every nine months or so, at places that do not touch."""
    random = np.random.default_rng(seed)
    spots = [(r, c) for r in (6, 26, 46) for c in (6, 26, 46)]
    order = random.permutation(len(spots))
    count = min(MOST_OPENINGS, max(1, round(1.3 * years)))
    span = timedelta(days=round(365 * years))
    return tuple(
        Opening(
            row=spots[order[i]][0],
            col=spots[order[i]][1],
            size=int(random.integers(4, 9)),
            day=first
            + timedelta(days=20 + round(span.days * i / count * 0.9))
            + timedelta(days=int(random.integers(0, 9))),
        )
        for i in range(count)
    )


def days_of_looks(last: date, every: int = 8) -> Iterator[tuple[date, bool]]:
    """Give the days on which the satellite passes, and whether they are of the past."""
    day = HISTORY[0]
    while day <= HISTORY[1]:
        yield day, True
        day += HISTORY_EVERY
    day = FIRST_LOOK
    while day <= last:
        yield day, False
        day += timedelta(days=every)


def pixels(place: Place, shot: Shot) -> dict[str, NDArray[Any]]:
    """Give the numbers of a product, as ESA ships them."""
    day = shot.taken.date()
    key = zlib.crc32(shot.name.encode())
    random = np.random.default_rng([zlib.crc32(place.code.encode()), key])
    # the stand is the place's, the clouds are the day's, the noise is the product's
    stand = np.random.default_rng(zlib.crc32(place.code.encode())).uniform(
        0.9, 1.1, (SIDE, SIDE)
    )
    clouds = np.random.default_rng([zlib.crc32(place.code.encode()), day.toordinal()])
    # clouds are as uneven as the ground: a band of one value is no scene
    white = random.uniform(0.55, 0.65, (len(BANDS), SIDE, SIDE))
    summer = -np.cos(2 * np.pi * (day.timetuple().tm_yday - 15) / 365.25)
    cover = np.array(FOREST) * (1 + np.array(LEAVES) * summer)
    scene = cover[:, None, None] * stand
    for each in place.openings:
        if day >= each.day:
            grown = each.size // 2 if day >= each.day + timedelta(days=120) else 0
            rows = slice(each.row, each.row + each.size + grown)
            scene[:, rows, each.col : each.col + each.size] = np.array(SOIL)[
                :, None, None
            ]
    scene = scene * (1 + 0.04 * random.uniform(-1, 1, scene.shape))
    scl = np.full((SIDE, SIDE), Scl.VEGETATION, dtype=np.uint8)
    if day > HISTORY[1]:
        rows, cols = np.mgrid[:SIDE, :SIDE]
        if clouds.uniform() < 0.15:
            scl[:] = Scl.CLOUD_HIGH
            scene[:] = white
        for _ in range(int(clouds.integers(0, 3))):
            row, col = clouds.integers(0, SIDE, 2)
            cloud = np.hypot(rows - row, cols - col) < clouds.uniform(3, 12)
            scl[cloud] = Scl.CLOUD_HIGH
            scene[:, cloud] = white[:, cloud]
    dn = np.rint(scene * 10_000).astype(np.uint16) + np.uint16(OFFSET)
    if shot.damage == "bright":
        dn[3] = 64_500
    found: dict[str, NDArray[Any]] = {
        band: dn[i] if band in FINE else dn[i, ::2, ::2].copy()
        for i, band in enumerate(BANDS)
    }
    found["SCL"] = scl[::2, ::2].copy()
    return found


@dataclass(slots=True)
class World:
    """Archives of one kind that list what they have at an instant."""

    folder: Path
    kind: str
    places: Sequence[Place]
    shots: Sequence[Shot]
    shown: dict[str, Shot] = field(default_factory=dict)
    """What is listed now, by name."""

    @property
    def archive(self) -> Path:
        """The folder that an emulator serves, or the one with the products."""
        return self.folder / self.kind

    def render(self) -> None:
        """Write the images of all products where no archive shows them yet."""
        write = {"stac": write_cogs, "folder": write_product, "sentinelhub": write_npy}
        self.archive.mkdir(parents=True, exist_ok=True)
        places = {place.code: place for place in self.places}
        for shot in self.shots:
            write[self.kind](self._store(shot), places[shot.place], shot)
        self._list([])

    def at(self, now: datetime) -> None:
        """List what there is by now."""
        listed = {
            shot.name: shot
            for shot in self.shots
            if shot.listed <= now and (shot.until is None or now < shot.until)
        }
        if listed == self.shown:
            return
        for name, shot in listed.items():
            if self.shown.get(name) != shot:
                self._show(shot)
        if self.kind == "folder":
            for name in self.shown.keys() - listed.keys():
                shutil.rmtree(self.archive / name)
        self.shown = listed
        self._list(listed.values())

    def _store(self, shot: Shot) -> Path:
        """Say where the images of a product lie."""
        return self.folder / "store" / f"{shot.name}{shot.damage and '~'}{shot.damage}"

    def _show(self, shot: Shot) -> None:
        """Put the images of a product where the archive has them."""
        store = self._store(shot).resolve()
        if self.kind == "folder":
            # copied beside and renamed; links that lead out are refused
            draft, final = self.folder / ".draft", self.archive / shot.name
            shutil.copytree(store, draft)
            shutil.rmtree(final, ignore_errors=True)
            draft.replace(final)
            return
        where = self.archive / {"stac": "cogs", "sentinelhub": "pixels"}[self.kind]
        where.mkdir(exist_ok=True)
        draft = where / ".draft"
        draft.symlink_to(store)
        draft.replace(where / shot.name)

    def _list(self, shots: Iterable[Shot]) -> None:
        """Write what the emulators list."""
        if self.kind == "folder":
            return
        places = {place.code: place for place in self.places}
        client = {"client_id": CLIENT_ID, "client_secret": CLIENT_SECRET}
        whole = {
            "scenes": [described(places[shot.place], shot) for shot in shots],
            "bands": BANDS,
            "credentials": client,
            "dialect": "earth-search",
            "page": 100,
        }
        draft = self.archive / ".scenes.json"
        draft.write_text(json.dumps(whole))
        draft.replace(self.archive / "scenes.json")


def corner(place: Place) -> tuple[int, int]:
    """Give row and column of the forest in its tile."""
    at = tile_window(grids([parse_cell(place.cell)])[0])
    return at.row + AT[0], at.col + AT[1]


def described(place: Place, shot: Shot) -> dict[str, Any]:
    """Say of a product what the emulators want to know."""
    tile = tile_grid(place.tile)
    right, bottom = tile.left + TILE_M, tile.top - TILE_M
    to_lonlat = Transformer.from_crs(tile.crs, "OGC:CRS84", always_xy=True)
    corners = [
        (tile.left, bottom),
        (right, bottom),
        (right, tile.top),
        (tile.left, tile.top),
    ]
    outline = shapely.Polygon([to_lonlat.transform(*each) for each in corners])
    row, col = corner(place)
    return {
        "product_id": shot.name,
        "mgrs_tile": place.tile,
        "version": f"{shot.baseline[:2]}.{shot.baseline[2:]}",
        "sensed_at": shot.taken.isoformat(),
        "cloud_percent": 10.0,
        "applied": True,
        "footprint": shapely.geometry.mapping(outline),
        "bbox": outline.bounds,
        "epsg": int(tile.crs.split(":")[1]),
        "left": int(tile.left),
        "top": int(tile.top),
        "row": row,
        "col": col,
    }


def write_cogs(into: Path, place: Place, shot: Shot) -> None:
    """Write one sparse GeoTIFF a band, as Earth Search has them: without the offset."""
    into.mkdir(parents=True, exist_ok=True)
    tile = tile_grid(place.tile)
    row, col = corner(place)
    for band, values in pixels(place, shot).items():
        size = 10 if band in FINE else 20
        stored = values if band == "SCL" else values - np.uint16(OFFSET)
        path = into / f"{band}.tif"
        with rasterio.open(
            path,
            "w",
            driver="GTiff",
            count=1,
            height=TILE_M // size,
            width=TILE_M // size,
            dtype=stored.dtype,
            crs=tile.crs,
            transform=Affine(size, 0, tile.left, 0, -size, tile.top),
            nodata=0,
            tiled=True,
            blockxsize=512,
            blockysize=512,
            compress="deflate",
            sparse_ok=True,
        ) as image:
            at = Window(col * 10 // size, row * 10 // size, *stored.shape[::-1])
            image.write(stored, 1, window=at)
        if shot.damage == "half" and band == "B8A":
            os.truncate(path, path.stat().st_size // 2)


def write_npy(into: Path, place: Place, shot: Shot) -> None:
    """Write one array a band, as Sentinel Hub's emulator reads them."""
    into.mkdir(parents=True, exist_ok=True)
    for band, values in pixels(place, shot).items():
        path = into / f"{band}.npy"
        np.save(path, values)
        if shot.damage == "half" and band == "B8A":
            os.truncate(path, path.stat().st_size // 2)


def write_product(into: Path, place: Place, shot: Shot) -> None:
    """Write a folder of images with a description, as an office would keep them."""
    into.mkdir(parents=True, exist_ok=True)
    tile = tile_grid(place.tile)
    row, col = corner(place)
    for band, values in pixels(place, shot).items():
        size = 10 if band in FINE else 20
        path = into / f"T{place.tile}_{band}_{size}m.tif"
        with rasterio.open(
            path,
            "w",
            driver="GTiff",
            count=1,
            height=values.shape[0],
            width=values.shape[1],
            dtype=values.dtype,
            crs=tile.crs,
            transform=Affine(
                size, 0, tile.left + 10 * col, 0, -size, tile.top - 10 * row
            ),
        ) as image:
            image.write(values, 1)
        if shot.damage == "half" and band == "B8A":
            os.truncate(path, path.stat().st_size // 2)
    said = {
        "product_id": shot.name,
        "mgrs_tile": place.tile,
        "platform": "S2B",
        "sensed_at": shot.taken.isoformat().replace("+00:00", "Z"),
        "processing_baseline": f"{shot.baseline[:2]}.{shot.baseline[2:]}",
        "add_offset": -OFFSET,
        "quantification_value": 10_000,
    }
    (into / "product.json").write_text(json.dumps(said))


def shots_of(
    place: Place, number: int, last: date, *, disturbed: bool
) -> tuple[list[Shot], Counter[str]]:
    """List the products of a place, with what an archive does to them; and count that.

    Undisturbed they are as they stand in the end, each listed a day after it was
    taken: what an undisturbed archive would have had.
    """
    found: list[Shot] = []
    counts: Counter[str] = Counter()
    crc = zlib.crc32(f"{place.code} fate".encode())
    for day, is_past in days_of_looks(last):
        taken = datetime.combine(
            day + timedelta(days=number), time(3, 5, 27 + number), UTC
        )
        fate = ""
        if not is_past and day < last - timedelta(days=SETTLED_DAYS):
            # drawn from the day, so that both worlds know which version is the last
            drawn = np.random.default_rng([crc, day.toordinal()])
            fate = str(drawn.choice(FATES, p=SHARES))
            wait = timedelta(days=int(drawn.integers(9, 40)))
        plain = Shot(
            place=place.code,
            tile=place.tile,
            taken=taken,
            listed=taken + timedelta(hours=20),
        )
        if not fate:
            found.append(plain)
            continue
        counts[fate] += 1
        newer = replace(plain, baseline="0512", made_after_h=400)
        if not disturbed:
            final = newer if fate in {"reprocessed", "impossible numbers"} else plain
            found.append(replace(final, listed=plain.listed))
        elif fate == "late":
            found.append(replace(plain, listed=plain.listed + wait))
        elif fate == "reprocessed":
            found += [plain, replace(newer, listed=plain.listed + wait)]
        elif fate == "listed twice":
            found += [plain, replace(plain, made_after_h=4)]
        elif fate == "cut off":
            whole = plain.listed + wait
            found += [
                replace(plain, damage="half", until=whole),
                replace(plain, listed=whole),
            ]
        elif fate == "impossible numbers":
            found += [
                replace(plain, damage="bright"),
                replace(newer, listed=plain.listed + wait),
            ]
    return found, counts


FATES = ("", "late", "reprocessed", "listed twice", "cut off", "impossible numbers")
SHARES = (0.76, 0.06, 0.06, 0.04, 0.04, 0.04)
SETTLED_DAYS = 60
"""Before the end nothing befalls a product any more, so that both worlds agree."""
