"""The map of the demo, judged by a sample; the reference stands in for people."""

import csv
import json
import sqlite3
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
import rasterio.features
import shapely
import xarray as xr
from affine import Affine
from commands import ROOT, rsmonitor
from demo_run import Demos, shared_demos  # noqa: F401

from rsmonitor.errors import ContractError, RsmonitorError
from rsmonitor.lab.map_accuracy import judge_sample
from rsmonitor.lab.map_sample import draw_sample
from rsmonitor.stages.geodesy import from_lonlat
from rsmonitor.wiring.reports import Books, open_books

REFERENCE = ROOT / "tests" / "reference" / "romania_openings.nc"


@pytest.fixture(scope="module")
def books(demos: Demos, tmp_path_factory: pytest.TempPathFactory) -> Books:
    folder = tmp_path_factory.mktemp("settings")
    for name in ("demo.toml", "demo_licences.geojson"):
        text = (ROOT / "configs" / name).read_text(encoding="utf-8")
        text = text.replace('"../demo-out', f'"{demos.folder}')
        (folder / name).write_text(text, encoding="utf-8")
    return open_books(folder / "demo.toml")


OPENED, UNCERTAIN = 1, 255
"""Codes of the reference: opened since monitoring began, and nobody can tell."""


def opened() -> tuple[np.ndarray, Affine, str]:
    """What the reference says of each pixel, on the grid of the demo."""
    with xr.open_dataset(REFERENCE) as dataset:
        changed = dataset["reference"].to_numpy()
        x, y = dataset["x"].to_numpy(), dataset["y"].to_numpy()
        crs = dataset["spatial_ref"].attrs["crs_wkt"]
    step = float(x[1] - x[0])
    corner = float(x[0]) - step / 2, float(y[0]) + step / 2
    return changed, Affine(step, 0, corner[0], 0, -step, corner[1]), crs


def fill(sheet: Path) -> None:
    """Judge every point by the reference."""
    changed, transform, crs = opened()
    with closing(sqlite3.connect(sheet)) as database, database:
        for name, blob in database.execute("SELECT point_id, geom FROM sample"):
            square = shapely.from_wkb(blob[blob.index(b"\x01\x03\x00\x00\x00") :])
            x, y = from_lonlat(square, crs).centroid.coords[0]
            col, row = ~transform @ (x, y)
            code = int(changed[int(row), int(col)])
            answer = {OPENED: "clear_cut", UNCERTAIN: "cannot_tell"}.get(
                code, "unchanged"
            )
            database.execute(
                "UPDATE sample SET reference = ?, who = 'reference' WHERE point_id = ?",
                (answer, name),
            )


def census(books: Books) -> tuple[float, float]:
    """Precision of the alerts' ground and share found, from every pixel.

    Of pixels of which nobody can tell, each side is taken to be like its others.
    """
    reference, transform, crs = opened()
    alerted = rasterio.features.rasterize(
        [
            (from_lonlat(alert.site.latest.disturbance.geometry, crs), 1)
            for alert in books.alerts
        ],
        out_shape=reference.shape,
        transform=transform,
    ).astype(bool)
    certain, changed = reference != UNCERTAIN, reference == OPENED
    precision = changed[alerted & certain].mean()
    missed = changed[~alerted & certain].mean()
    found, lost = alerted.sum() * precision, (~alerted).sum() * missed
    return precision, found / (found + lost)


def test_a_sample_tells_what_a_census_tells(books: Books, tmp_path: Path) -> None:
    precision, recall = census(books)
    draw_sample(books, tmp_path / "sample", per_stratum=400, seed=3)
    fill(tmp_path / "sample" / "sample.gpkg")
    found = judge_sample(tmp_path / "sample" / "sample.gpkg").change
    users, producers = found.users["changed"], found.producers["changed"]
    assert users.low - 0.02 <= precision <= users.high + 0.02
    assert producers.low - 0.02 <= recall <= producers.high + 0.02
    assert users.high - users.low < 0.15


def test_the_commands_and_what_a_sheet_may_say(
    books: Books, demos: Demos, tmp_path: Path
) -> None:
    assert demos.ran.code == 0
    config = Path(books.books[0].settings.folder) / "demo.toml"
    drawn = rsmonitor(
        "assess", "map", "draw", config, "--out", tmp_path / "s", "--per-stratum", "20",
        scratch=tmp_path / "1",
    )  # fmt: skip
    assert drawn.code == 0, drawn.stderr
    assert "demo-romania/none: 40 points" in drawn.stdout
    sheet = tmp_path / "s" / "sample.gpkg"
    with closing(sqlite3.connect(sheet)) as database:
        columns = [row[1] for row in database.execute("PRAGMA table_info(sample)")]
        assert "stratum" not in columns, "judged without knowing what the map says"
        with pytest.raises(sqlite3.IntegrityError, match="choose from the list"):
            database.execute("UPDATE sample SET reference = 'a mine'")
    empty = rsmonitor("assess", "map", "judge", sheet, scratch=tmp_path / "2")
    assert empty.code == 3
    assert "not measured" in empty.stderr
    fill(sheet)
    judged = rsmonitor(
        "assess", "map", "judge", sheet, "--json", scratch=tmp_path / "3"
    )
    assert judged.code == 0, judged.stderr
    said = json.loads(judged.stdout)
    assert said["judged"] + said["undecided"] == said["points"] == 20 + 9 + 40
    assert said["tiers"]["high"]["changed"]["value"] > 0.8
    # the alerts' causes are judged too: none of the openings is a mine
    assert said["tiers"]["high"]["mining"]["value"] == 0


def test_a_bad_row_is_refused_and_the_others_count(
    books: Books, tmp_path: Path
) -> None:
    draw_sample(books, tmp_path / "s", per_stratum=5, seed=1)
    key = tmp_path / "s" / "sample.key.json"
    names = list(json.loads(key.read_text("utf-8"))["points"])
    sheet = tmp_path / "back.csv"
    with sheet.open("w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["point_id", "reference"])
        rows.writerows([(name, "unchanged") for name in names[2:]])
        rows.writerow([names[0], "a mine"])
        rows.writerow(["p9999", "unchanged"])
        rows.writerow([names[1], "fire"])
        rows.writerow([names[1], "quarry"])
    judged = judge_sample(sheet, key)
    assert judged.judged == len(names) - 2
    assert len(judged.refused) == 3
    with pytest.raises(RsmonitorError, match="key of a sample"):
        judge_sample(sheet, tmp_path / "back.csv")
    with pytest.raises(ContractError, match="at least 2"):
        draw_sample(books, tmp_path / "other", per_stratum=1, seed=1)
    with pytest.raises(RsmonitorError, match="exists"):
        draw_sample(books, tmp_path / "s", per_stratum=5, seed=1)
