"""Which soak this is: its districts, who serves them, and their settings."""

import json
import zlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from soak_scenes import (
    FIRST_LOOK,
    HISTORY,
    Place,
    Shot,
    World,
    openings,
    shots_of,
)

from rsmonitor.records.week import IsoWeek

DISTRICTS = {
    "stac": (("360728", "50RLN_05"), ("360729", "50RKN_05")),
    "sentinelhub": (("360703", "50RMN_05"),),
    "folder": (("360724", "50RKP_55"),),
}
"""Code and cell of the districts that each archive serves."""

MARGIN = 8
"""Pixels of a grid around its forest."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Soak:
    """Which soak this is."""

    kind: str
    weeks: int
    seed: int = 0
    districts: int = 2
    levels: tuple[str, ...] = ("county",)
    """Which packages go out; those of a county take longest."""

    @property
    def first(self) -> IsoWeek:
        return IsoWeek.of(datetime(FIRST_LOOK.year, FIRST_LOOK.month, 8, tzinfo=UTC))

    @property
    def last_day(self) -> date:
        """The last week brings no look: one of its Sunday is listed on Monday."""
        return (self.first.start + timedelta(weeks=self.weeks - 1)).date()

    def places(self) -> tuple[Place, ...]:
        return tuple(
            Place(
                code=code,
                kind=self.kind,
                cell=cell,
                openings=openings(
                    self.seed + zlib.crc32(code.encode()), FIRST_LOOK, self.weeks / 52
                ),
            )
            for code, cell in DISTRICTS[self.kind][: self.districts]
        )

    def world(self, folder: Path, *, disturbed: bool) -> tuple[World, Counter[str]]:
        shots: list[Shot] = []
        counts: Counter[str] = Counter()
        for number, place in enumerate(self.places()):
            some, fates = shots_of(place, number, self.last_day, disturbed=disturbed)
            shots += some
            counts += fates
        kind = self.kind if disturbed else "folder"
        world = World(folder=folder, kind=kind, places=self.places(), shots=shots)
        return world, counts


def settings_text(
    places: Sequence[Place],
    kind: str,
    addresses: Mapping[str, str],
    products: Path,
    levels: Sequence[str],
) -> str:
    """Write a settings file of all districts that one archive serves."""
    source = {
        "stac": [
            'kind = "stac"',
            'service = "earth-search"',
            f'url = "{addresses.get("stac")}"',
        ],
        "sentinelhub": [
            'kind = "sentinelhub"',
            'service = "cdse"',
            f'url = "{addresses.get("sentinelhub")}"',
            f'token_url = "{addresses.get("sentinelhub")}/token"',
        ],
        "folder": ['kind = "folder"', f'path = "{products}"'],
    }[kind]
    return "\n".join(
        [
            "[source]",
            *source,
            'cache = "cache"',
            "keep_days = 200",
            'area = "area.geojson"',
            "[history]",
            f"start = {HISTORY[0]}",
            f"until = {HISTORY[1]}",
            "[evidence]",
            "min_sample = 20",
            "[run]",
            'work = "work"',
            'out = "out"',
            "keep_runs = 4",
            "[deliver]",
            f"levels = {json.dumps(list(levels))}",
            'names = ["36=江西省"]',
            "pages = 1",
            "keep_weeks = 6",
            *(
                line
                for place in places
                if place.kind == kind
                for line in (
                    "[[districts]]",
                    f'code = "{place.code}"',
                    f'name_zh = "测试县{place.code}"',
                    f'name_en = "District {place.code}"',
                    'bureau = "测试县自然资源局"',
                )
            ),
            "",
        ]
    )


def write_settings(
    folder: Path,
    places: Sequence[Place],
    kind: str,
    addresses: Mapping[str, str],
    products: Path,
    levels: Sequence[str] = ("county",),
) -> Path:
    """Write the settings of one archive, with the cells of its districts."""
    folder.mkdir(parents=True, exist_ok=True)
    area = {
        "type": "FeatureCollection",
        "features": [
            {
                "type": "Feature",
                "geometry": None,
                "properties": {"code": place.code, "cells": [place.cell]},
            }
            for place in places
        ],
    }
    (folder / "area.geojson").write_text(json.dumps(area))
    path = folder / "watch.toml"
    path.write_text(
        settings_text(places, kind, addresses, products, levels), encoding="utf-8"
    )
    return path
