import dataclasses
import hashlib
import io
import math
import subprocess
import sys
import time
from datetime import date
from pathlib import Path

import numpy as np
import pytest
import shapely
from deliveries import (
    ROMANIA,
    evidence_dataset,
    licences_on,
    pixels_box,
    result_of,
    romania,
    synthetic_evidence,
)
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from rsmonitor.errors import ContractError, OutputError
from rsmonitor.io.deliver.legend import (
    CATEGORY_COLOURS,
    KIND_COLOURS,
    TIER_LABELS,
    VALIDITY_LABELS,
)
from rsmonitor.io.deliver.pictures import typeface
from rsmonitor.io.deliver.pictures.map import Picture, render_map
from rsmonitor.io.deliver.pictures.place import Place, round_below
from rsmonitor.io.deliver.pictures.shades import MOST_PIXELS, dyed, pale, thinned
from rsmonitor.records.alert import NOTICE, NOTICE_INVENTED
from rsmonitor.records.disturbance import CAUSE_LABELS
from rsmonitor.records.grid import Grid
from rsmonitor.records.licence import KIND_LABELS, LicenceKind
from rsmonitor.records.rasters import Tier
from rsmonitor.records.run import RunResult
from rsmonitor.records.site import STATE_LABELS
from rsmonitor.records.verdict import CATEGORY_LABELS, CERTAINTY_LABELS

matplotlib = pytest.importorskip("matplotlib", reason='pip install "rsmonitor[map]"')
Image = pytest.importorskip("PIL.Image")

UTM = Grid(
    crs="EPSG:32650",
    left=500_000.0 - 500,
    top=2_800_000.0,
    pixel_width=10.0,
    pixel_height=10.0,
    height=100,
    width=100,
)
DEGREES = Grid(
    crs="EPSG:4326",
    left=115.1,
    top=25.3,
    pixel_width=1e-4,
    pixel_height=1e-4,
    height=60,
    width=200,
)


def flat(grid: Grid, grey: int = 90) -> Picture:
    return Picture(
        rgb=np.full((*grid.shape, 3), grey, dtype=np.uint8),
        first_day=date(2020, 6, 1),
        last_day=date(2020, 9, 30),
    )


def draw(path: Path, result: RunResult, grid: Grid = ROMANIA) -> NDArray[np.uint8]:
    render_map(path, before=flat(grid), after=flat(grid), result=result, grid=grid)
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB"))


def share(picture: NDArray[np.uint8], colour: str) -> float:
    """Give the share of pixels that have exactly this colour."""
    rgb = [int(colour[i : i + 2], 16) for i in (1, 3, 5)]
    return float((picture == rgb).all(axis=2).mean())


@pytest.fixture(scope="module")
def result() -> RunResult:
    return result_of(synthetic_evidence())


def test_real_openings_make_a_small_picture_in_little_time(
    demo_cube: tuple[Path, Path], tmp_path: Path
) -> None:
    forest = romania(demo_cube[0])
    result = result_of(forest.evidence, grid=forest.grid)
    path = tmp_path / "map.png"
    before, after = (
        Picture(rgb=rgb, first_day=date(y, 6, 1), last_day=date(z, 9, 30))
        for rgb, y, z in ((forest.before, 2016, 2017), (forest.after, 2020, 2020))
    )
    begun = time.perf_counter()
    render_map(path, before=before, after=after, result=result, grid=forest.grid)
    assert time.perf_counter() - begun < 8  # 0.6 s on an idle machine
    assert path.stat().st_size < 1_500_000
    with Image.open(path) as image:
        assert image.size == (2400, 1100)
        assert image.info.keys() <= {"dpi"}
        picture = np.asarray(image.convert("RGB"))
    for alert in result.alerts:
        assert share(picture, CATEGORY_COLOURS[alert.verdict.category]) > 1e-5


def test_same_input_gives_the_same_bytes_whatever_the_user_s_style(
    tmp_path: Path, result: RunResult
) -> None:
    draw(tmp_path / "plain.png", result)
    with matplotlib.rc_context({"font.size": 40, "axes.facecolor": "red"}):
        draw(tmp_path / "loud.png", result)
        assert matplotlib.rcParams["font.size"] == 40
    digests = {
        hashlib.sha256((tmp_path / name).read_bytes()).hexdigest()
        for name in ("plain.png", "loud.png")
    }
    assert len(digests) == 1


def test_categories_and_licences_have_their_colours(
    tmp_path: Path, result: RunResult
) -> None:
    picture = draw(tmp_path / "map.png", result)
    # the last quarter of the sheet: panel and legend
    panel = picture[:, 1800:]
    for category in {alert.verdict.category for alert in result.alerts}:
        assert share(panel, CATEGORY_COLOURS[category]) > 1e-5
    for kind in (LicenceKind.MINING, LicenceKind.EXPLORATION):
        assert share(panel, KIND_COLOURS[kind]) > 1e-4


def test_invented_licences_are_written_large_and_real_ones_are_not(
    tmp_path: Path, result: RunResult
) -> None:
    caution = "#ffe08a"
    assert share(draw(tmp_path / "demo.png", result), caution) > 0.01
    real = result_of(
        synthetic_evidence(), licences=licences_on(ROMANIA, invented=False)
    )
    assert share(draw(tmp_path / "real.png", real), caution) == 0


def test_run_that_found_nothing_has_a_map(tmp_path: Path) -> None:
    nothing = evidence_dataset(
        DEGREES,
        np.zeros(DEGREES.shape, dtype=np.uint8),
        np.full(DEGREES.shape, np.datetime64("NaT"), dtype="datetime64[D]"),
    )
    draw(tmp_path / "map.png", result_of(nothing, grid=DEGREES, licences=()), DEGREES)


def test_names_from_outside_are_drawn_as_they_are_or_as_a_geta_mark(
    tmp_path: Path,
) -> None:
    odd = dataclasses.replace(
        licences_on(ROMANIA)[0], licence_id="$x_{1}$\n\x07\U0001f600 <b>%s</b>"
    )
    draw(tmp_path / "map.png", result_of(synthetic_evidence(), licences=[odd]))
    face = typeface.find_typeface()
    assert face.drawable(odd.licence_id) == "$x_{1}$ 〓〓 <b>%s</b>"


def test_face_is_the_one_for_mainland_china() -> None:
    from matplotlib.ft2font import FT2Font  # noqa: PLC0415 - optional

    face = typeface.find_typeface()
    chosen = FT2Font(face.path, face_index=face.face_index)
    assert chosen.family_name == "Noto Sans CJK SC"
    first = FT2Font(face.path)
    assert first.family_name == "Noto Sans CJK JP"
    for character in "直关骨":
        # another glyph than the Japanese one stands for the same code point
        assert chosen.get_char_index(ord(character)) != first.get_char_index(
            ord(character)
        )


def test_every_label_of_the_project_can_be_drawn() -> None:
    tables = (
        CATEGORY_LABELS,
        CAUSE_LABELS,
        CERTAINTY_LABELS,
        KIND_LABELS,
        STATE_LABELS,
        TIER_LABELS,
        VALIDITY_LABELS,
    )
    face = typeface.find_typeface()
    labels = [text for table in tables for pair in table.values() for text in pair]
    for text in (*labels, NOTICE, NOTICE_INVENTED, "① ② ③ ④ 北 · ° …"):
        assert face.drawable(text) == text


def test_missing_typeface_says_what_brings_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(typeface, "PACKAGE", "no-such-typeface-of-rsmonitor")
    with pytest.raises(OutputError, match=r'pip install "rsmonitor\[map\]"'):
        typeface.find_typeface.__wrapped__()


def test_missing_matplotlib_says_what_brings_it() -> None:
    script = (
        "import sys; sys.modules['matplotlib'] = None\n"
        "from rsmonitor.io.deliver.pictures.map import render_map\n"
        "from rsmonitor.io.deliver.pictures.typeface import find_typeface\n"
        "find_typeface()\n"
    )
    done = subprocess.run(  # noqa: S603 - our own script
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        check=False,
        env={"PYTHONPATH": ":".join(sys.path)},
    )
    assert "OutputError: a map needs matplotlib" in done.stderr
    assert 'pip install "rsmonitor[map]"' in done.stderr


def test_picture_of_another_grid_is_refused(tmp_path: Path, result: RunResult) -> None:
    with pytest.raises(ContractError, match=r"after must have the shape \(100, 100\)"):
        render_map(
            tmp_path / "map.png",
            before=flat(ROMANIA),
            after=flat(DEGREES),
            result=result,
            grid=ROMANIA,
        )
    with pytest.raises(ContractError, match="no evidence on grid"):
        draw(tmp_path / "map.png", result, UTM)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("shape", [(2, 3), (1, 3), (2, 1), (1, 1)])
def test_a_picture_of_every_so_many_pixels_of_a_large_grid_is_drawn(
    shape: tuple[int, int], tmp_path: Path
) -> None:
    grid = dataclasses.replace(UTM, height=2 * MOST_PIXELS + 1, width=3 * MOST_PIXELS)
    result = result_of(synthetic_evidence(grid, patches=3), grid=grid, licences=())
    whole = draw(tmp_path / "whole.png", result, grid)
    rgb = flat(grid).rgb[:: shape[0], :: shape[1]]
    thin = dataclasses.replace(flat(grid), rgb=rgb)
    path = tmp_path / "thin.png"
    render_map(path, before=thin, after=thin, result=result, grid=grid)
    with Image.open(path) as image:
        np.testing.assert_array_equal(np.asarray(image.convert("RGB")), whole)


@pytest.mark.parametrize(
    ("height", "width"),
    [(MOST_PIXELS - 1, 1200), (1200, MOST_PIXELS - 1), (700, 1200), (1201, 1200)],
)
def test_a_picture_that_is_thinned_unevenly_or_too_much_is_refused(
    height: int, width: int, tmp_path: Path
) -> None:
    grid = dataclasses.replace(UTM, height=1200, width=1200)
    result = result_of(synthetic_evidence(grid, patches=1), grid=grid, licences=())
    picture = dataclasses.replace(
        flat(UTM), rgb=np.zeros((height, width, 3), dtype=np.uint8)
    )
    with pytest.raises(ContractError, match="thinned evenly"):
        render_map(
            tmp_path / "map.png",
            before=picture,
            after=picture,
            result=result,
            grid=grid,
        )


@pytest.mark.parametrize(
    "rgb",
    [
        np.zeros((4, 4), dtype=np.uint8),
        np.zeros((4, 4, 4), dtype=np.uint8),
        np.zeros((4, 4, 3), dtype=np.float32),
    ],
)
def test_what_is_no_picture_is_refused(rgb: NDArray[np.uint8]) -> None:
    with pytest.raises(ContractError, match=r"Picture\.rgb"):
        Picture(rgb=rgb, first_day=date(2020, 1, 1), last_day=date(2020, 1, 2))


def test_folder_that_is_not_there_is_named(tmp_path: Path, result: RunResult) -> None:
    with pytest.raises(OutputError, match=r"map\.png"):
        draw(tmp_path / "missing" / "map.png", result)


def test_one_opening_of_one_pixel_survives_thinning() -> None:
    grid = dataclasses.replace(UTM, height=3 * MOST_PIXELS + 7, width=2 * MOST_PIXELS)
    tier = np.zeros(grid.shape, dtype=np.uint8)
    first_seen = np.full(grid.shape, np.datetime64("NaT"), dtype="datetime64[D]")
    tier[1001, 500], first_seen[1001, 500] = Tier.HIGH, np.datetime64("2020-05-01")
    ground = pale(thinned(np.full((*grid.shape, 3), 90, dtype=np.uint8)))
    assert ground.shape == (MOST_PIXELS, MOST_PIXELS, 3)
    plain = evidence_dataset(grid, np.zeros_like(tier), first_seen)
    changed = (
        dyed(ground, evidence_dataset(grid, tier, first_seen)) != dyed(ground, plain)
    ).any(axis=2)
    ((row, col),) = np.argwhere(changed)
    assert row == 1001 * MOST_PIXELS // grid.height
    assert col == 500 * MOST_PIXELS // grid.width


def test_more_evidence_is_farther_from_the_ground() -> None:
    tier = np.array([[Tier.NONE, Tier.LOW, Tier.MEDIUM, Tier.HIGH]], dtype=np.uint8)
    first_seen = np.full((1, 4), np.datetime64("2020-05-01"), dtype="datetime64[D]")
    grid = dataclasses.replace(UTM, height=1, width=4)
    evidence = evidence_dataset(grid, tier, first_seen)
    evidence["monitored"][:] = True
    ground = np.full((1, 4, 3), 200, dtype=np.uint8)
    distance = np.abs(dyed(ground, evidence).astype(int) - 200).sum(axis=2)[0]
    assert distance[0] == 0
    assert (np.diff(distance) > 0).all()


def test_north_is_up_on_the_central_meridian_and_leans_away_from_it() -> None:
    right, up = Place(UTM).north()
    assert (right, up) == (pytest.approx(0, abs=1e-3), pytest.approx(1, abs=1e-3))
    # east of the projection's middle, meridians lean to the left
    right, up = Place(ROMANIA).north()
    assert math.hypot(right, up) == pytest.approx(1)
    assert -0.3 < right < -0.1


def test_sizes_are_true_on_the_ground() -> None:
    assert Place(UTM).metres_per_x == pytest.approx(1 / 0.9996, rel=1e-4)
    degrees = Place(DEGREES)
    assert degrees.metres_per_x == pytest.approx(100_700, rel=0.002)
    assert degrees.metres_per_y == pytest.approx(110_780, rel=0.002)


@pytest.mark.parametrize("grid", [ROMANIA, UTM, DEGREES], ids=["laea", "utm", "deg"])
def test_panel_is_square_on_the_ground_and_holds_the_grid(grid: Grid) -> None:
    place = Place(grid)
    left, right, bottom, top = place.view
    width = (right - left) * place.metres_per_x
    assert width == pytest.approx((top - bottom) * place.metres_per_y)
    assert left <= grid.left < grid.right <= right
    assert bottom <= grid.bottom < grid.top <= top
    parts = place.here(pixels_box(grid, 0, 0, grid.height, grid.width))
    area = shapely.union_all(parts).area
    cells = grid.pixel_width * grid.pixel_height * grid.height * grid.width
    assert area == pytest.approx(cells, rel=1e-3)


@pytest.mark.parametrize("grid", [ROMANIA, UTM, DEGREES], ids=["laea", "utm", "deg"])
def test_degrees_stand_where_they_are_and_are_few(grid: Grid) -> None:
    place = Place(grid)
    _, _, bottom, _ = place.view
    ticks = place.ticks(along="x")
    assert 1 <= len(ticks) <= 5
    for x, lon in ticks:
        point = shapely.Point(x, bottom)
        north = pixels_box(
            grid,
            (grid.top - point.y) / grid.pixel_height,
            (x - grid.left) / grid.pixel_width,
            1e-3,
            1e-3,
        )
        assert north.centroid.x == pytest.approx(lon, abs=1e-6)


def test_parcel_on_the_other_side_of_the_earth_is_not_here() -> None:
    assert Place(UTM).here(shapely.box(-70, -30, -69, -29)) == []


@given(st.floats(1e-6, 1e9))
def test_round_length_is_not_longer_and_not_much_shorter(value: float) -> None:
    length = round_below(value)
    assert value / 2.5 * (1 - 1e-9) <= length <= value * (1 + 1e-9)
    assert f"{length:e}"[0] in "125"


def test_noise_still_makes_a_picture_that_can_be_mailed(tmp_path: Path) -> None:
    grid = dataclasses.replace(UTM, height=MOST_PIXELS, width=MOST_PIXELS)
    random = np.random.default_rng(1)
    noise = Picture(
        rgb=random.integers(0, 256, (*grid.shape, 3), dtype=np.uint8),
        first_day=date(2020, 6, 1),
        last_day=date(2020, 9, 30),
    )
    path = tmp_path / "map.png"
    result = result_of(synthetic_evidence(grid, patches=3), grid=grid, licences=())
    render_map(path, before=noise, after=noise, result=result, grid=grid)
    assert path.stat().st_size < 1_500_000
    with Image.open(io.BytesIO(path.read_bytes())) as image:
        assert image.size == (2400, 1100)
