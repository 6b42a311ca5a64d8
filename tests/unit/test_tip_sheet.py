"""The picture and the files of a tip of whose place little or nothing is known."""

import io
import json
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
import shapely
from PIL import Image

from rsmonitor.io.deliver.pictures.tip_picture import render_tip_sheet
from rsmonitor.io.deliver.tip_folder import write_tip_view
from rsmonitor.pipeline.tip_evidence import counts_near, near, strongest_near
from rsmonitor.records.grid import Grid
from rsmonitor.records.package import Reason
from rsmonitor.records.rasters import Tier
from rsmonitor.records.tip import Tip
from rsmonitor.records.tip_view import (
    Chosen,
    EvidenceWindow,
    LooksSince,
    Mosaic,
    TipView,
)
from rsmonitor.stages.geodesy import to_lonlat

GRID = Grid(
    crs="EPSG:32650",
    left=500_000.0,
    top=2_800_000.0,
    pixel_width=10.0,
    pixel_height=10.0,
    height=100,
    width=100,
)
PLACE = to_lonlat(shapely.box(500_400.0, 2_799_400.0, 500_600.0, 2_799_600.0), GRID.crs)
TIP = Tip(tip_id="t" + "a" * 12, day=date(2020, 7, 1), place=PLACE)
NOTHING = TipView(
    tip=TIP,
    place=PLACE,
    within_m=100.0,
    district="360728",
    grid_id=GRID.grid_id,
    until=date(2020, 8, 2),
    run_id="run",
    before=None,
    after=None,
    evidence=None,
    since=LooksSince(
        looks=0, clear=0, partly=0, unreadable=0, left_out=0, last_clear=None
    ),
    strongest=None,
    pixels_near={},
    sites=(),
    notes=tuple(Reason(zh=f"说明 {n}", en=f"note {n}") for n in range(5)),
    software="rsmonitor",
)


def evidence(**said: Any) -> EvidenceWindow:  # noqa: ANN401
    never = np.full(GRID.shape, np.datetime64("NaT"), dtype="datetime64[D]")
    quiet = EvidenceWindow(
        grid=GRID,
        monitored=np.ones(GRID.shape, dtype=np.bool_),
        tier=np.zeros(GRID.shape, dtype=np.uint8),
        score=np.zeros(GRID.shape, dtype=np.float32),
        **dict.fromkeys(
            ("first_seen", "began_after", "confirmed", "last_seen", "last_clear"), never
        ),
        n_clear=np.zeros(GRID.shape, dtype=np.uint16),
        near=near(PLACE, GRID, 100.0),
        levels=(6.0, 8.0, 12.0),
    )
    return replace(quiet, **said)


def drawn(view: TipView, folder: Path) -> Image.Image:
    render_tip_sheet(folder / "sheet.png", view)
    return Image.open(io.BytesIO((folder / "sheet.png").read_bytes())).convert("RGB")


def test_a_place_of_which_nothing_is_known_is_drawn_and_says_so(tmp_path: Path) -> None:
    assert drawn(NOTHING, tmp_path).size == (1350, 1635)
    files = write_tip_view(tmp_path, NOTHING)
    assert set(files) == {"place.geojson", "tip.json"}
    told = json.loads((tmp_path / "tip.json").read_text("utf-8"))
    assert told["images"] == {"before": None, "after": None}
    assert told["evidence"] is None
    assert told["monitored"]["share"] is None
    assert told["since_tip"]["last_clear_look"] is None
    assert len(told["notes"]) == 5, "the picture has no room for all of them"


def test_a_hole_in_an_image_is_hatched_and_transparent(tmp_path: Path) -> None:
    days = np.full(GRID.shape, np.datetime64("2020-07-20"), dtype="datetime64[D]")
    days[:, :50] = np.datetime64("NaT")
    mosaic = Mosaic(
        grid=GRID,
        rgb=np.full((*GRID.shape, 3), (200, 40, 40), dtype=np.uint8),
        days=days,
        looks=((date(2020, 7, 20), "S2A"),),
        chosen=Chosen.SINCE,
        share_near=0.5,
        true_colour=False,
    )
    image = np.asarray(drawn(replace(NOTHING, after=mosaic), tmp_path)).astype(int)
    # the right upper panel: red where seen, strokes and pale where not
    panel = image[200:760, 700:1310]
    red = (abs(panel - [200, 40, 40]).max(axis=-1) < 8).mean(axis=0)
    assert red[320:600].mean() > 0.8
    assert red[:290].max() < 0.2
    write_tip_view(tmp_path, replace(NOTHING, after=mosaic))
    with rasterio.open(tmp_path / "after.tif") as file:
        assert (file.read(4) == np.where(np.isnat(days), 0, 255)).all()
        assert not file.read((1, 2, 3))[:, :, :50].any()
    with rasterio.open(tmp_path / "days.tif") as file:
        before, after = file.read()
    assert (before == -1).all()
    assert set(np.unique(after)) == {-1, 20200720}


def test_the_strongest_is_of_the_highest_tier_then_of_the_highest_score() -> None:
    tier = np.zeros(GRID.shape, dtype=np.uint8)
    score = np.zeros(GRID.shape, dtype=np.float32)
    seen = np.full(GRID.shape, np.datetime64("NaT"), dtype="datetime64[D]")
    spots = {(50, 50): (0, 5.9), (45, 45): (3, 2.0), (46, 46): (3, 4.0)}
    spots |= {(5, 5): (3, 24.0)}  # far off
    for spot, (grade, nats) in spots.items():
        tier[spot], score[spot] = grade, nats
        seen[spot] = np.datetime64("2020-07-05")
    found = evidence(tier=tier, score=score, first_seen=seen)
    strongest = strongest_near(found, PLACE)
    assert strongest is not None
    assert (strongest.tier, strongest.score) == (Tier.HIGH, 4.0)
    assert strongest.distance_m == 0.0
    counts = counts_near(found)
    assert (counts["below"], counts["high"], counts["not_monitored"]) == (1, 2, 0)
    assert sum(counts.values()) == found.near.sum()
    weak = evidence(
        tier=np.where(tier == 3, 0, tier).astype(np.uint8), score=score, first_seen=seen
    )
    weakest = strongest_near(weak, PLACE)
    assert weakest is not None
    assert (weakest.tier, round(weakest.score, 1)) == (Tier.NONE, 5.9)
    assert strongest_near(evidence(), PLACE) is None


def test_what_is_not_monitored_is_no_evidence_of_rest(tmp_path: Path) -> None:
    score = np.full(GRID.shape, np.nan, dtype=np.float32)
    dark = evidence(monitored=np.zeros(GRID.shape, dtype=np.bool_), score=score)
    counts = counts_near(dark)
    assert counts["none"] == 0
    view = replace(NOTHING, evidence=dark, pixels_near=counts)
    assert view.share_monitored == 0.0
    write_tip_view(tmp_path, view)
    with rasterio.open(tmp_path / "evidence.tif") as file:
        bands = dict(zip(file.descriptions, file.read(), strict=True))
        assert file.nodata == -1
    for name in ("tier", "score", "first_seen", "began_after", "confirmed"):
        assert (bands[name] == -1).all()
    assert drawn(view, tmp_path).size == (1350, 1635)


@pytest.mark.parametrize(
    "day", ["1970-01-01", "2019-12-31", "2020-02-29", "2199-12-31"]
)
def test_days_are_numbers_that_people_read(day: str, tmp_path: Path) -> None:
    days = np.full(GRID.shape, np.datetime64(day), dtype="datetime64[D]")
    write_tip_view(tmp_path, replace(NOTHING, evidence=evidence(last_clear=days)))
    with rasterio.open(tmp_path / "evidence.tif") as file:
        numbers = file.read(file.descriptions.index("last_clear") + 1)
    assert set(np.unique(numbers)) == {int(day.replace("-", ""))}
