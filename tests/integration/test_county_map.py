import io
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from sample_package import sample_package

from rsmonitor.errors import ContractError
from rsmonitor.io.deliver.legend import CATEGORY_COLOURS, KIND_COLOURS
from rsmonitor.io.deliver.pictures.county_map import county_map
from rsmonitor.io.deliver.pictures.map_frame import PIXELS, background, frame_of
from rsmonitor.io.deliver.pictures.map_labels import FRAME, Room, Wanted
from rsmonitor.records.case import Level
from rsmonitor.records.grid import Grid
from rsmonitor.records.licence import RegisterSnapshot
from rsmonitor.records.package import Area, CountyFigures, Overview, Package
from rsmonitor.records.verdict import Category
from rsmonitor.stages.geodesy import to_lonlat
from rsmonitor.stages.tiling import tile_grid

matplotlib = pytest.importorskip("matplotlib", reason='pip install "rsmonitor[map]"')
Image = pytest.importorskip("PIL.Image")

GOLDEN = Path(__file__).parents[1] / "golden"
DPI = 60
TILE = tile_grid("50RLN")
FAR = 48
MOST_FAR = 0.012


def pixels(png: bytes) -> NDArray[np.int64]:
    with Image.open(io.BytesIO(png)) as image:
        assert image.info.keys() <= {"dpi"}
        return np.asarray(image.convert("RGB"), dtype=np.int64)


def share(picture: NDArray[np.int64], colour: str) -> float:
    """Give the share of pixels that have nearly this colour."""
    rgb = [int(colour[i : i + 2], 16) for i in (1, 3, 5)]
    return float((np.abs(picture - rgb) <= 12).all(axis=2).mean())


def without(package: Package) -> Package:
    """Take everything away but the name."""
    return replace(
        package,
        area=replace(package.area, geometry=None),
        dossiers=(),
        coverage=(),
        overviews=(),
        register=RegisterSnapshot(snapshot_id="none", licences=()),
    )


def county(number: int, west: float, east: float, standing: int) -> CountyFigures:
    border = shapely.box(west, 25.0, east, 25.4)
    return CountyFigures(
        area=Area(
            code=f"36070{number}",
            level=Level.COUNTY,
            name_zh=f"第{number}县",
            name_en=f"County {number}",
            geometry=border,
        ),
        standing=standing,
        new=standing // 2,
        high=0,
        open=0,
        overdue=0,
        area_m2=1.0,
        share_seen=0.5,
    )


def prefecture(*counties: CountyFigures) -> Package:
    return replace(
        without(sample_package()),
        area=Area(
            code="3607",
            level=Level.PREFECTURE,
            name_zh="赣州市",
            name_en="Ganzhou",
            geometry=shapely.union_all(
                [c.area.geometry for c in counties if c.area.geometry is not None]
            ),
        ),
        counties=counties,
    )


# ------------------------------------------------------------------------------ laws


@given(
    labels=st.lists(
        st.builds(
            Wanted,
            x=st.floats(0, 100),
            y=st.floats(0, 100),
            width=st.floats(0.5, 20),
            height=st.floats(0.5, 4),
            gap=st.floats(0.1, 3),
            on_spot=st.booleans(),
        ),
        max_size=40,
    )
)
def test_no_label_hides_another_or_leaves_the_map(labels: list[Wanted]) -> None:
    room = Room([(40, 40, 60, 60)])
    boxes = [(40.0, 40.0, 60.0, 60.0)]
    for wanted in labels:
        standing = room.stand(wanted)
        if standing is None:
            continue
        half = wanted.width / 2, wanted.height / 2
        boxes.append(
            (
                standing.x - half[0],
                standing.y - half[1],
                standing.x + half[0],
                standing.y + half[1],
            )
        )
        assert boxes[-1][0] >= FRAME[0] - 1e-9
        assert boxes[-1][3] <= FRAME[3] + 1e-9
    for i, a in enumerate(boxes):
        for b in boxes[:i]:
            apart = (
                a[0] >= b[2] - 1e-9
                or b[0] >= a[2] - 1e-9
                or a[1] >= b[3] - 1e-9
                or b[1] >= a[3] - 1e-9
            )
            assert apart


@settings(max_examples=30)
@given(
    lon=st.floats(-179, 178),
    lat=st.floats(-79, 79),
    size=st.floats(1e-3, 1.0),
    slim=st.floats(0.05, 1),
)
def test_the_frame_holds_its_area_wherever_that_is(
    lon: float, lat: float, size: float, slim: float
) -> None:
    package = without(sample_package())
    border = shapely.box(lon, lat, lon + size, lat + size * slim)
    frame = frame_of(replace(package, area=replace(package.area, geometry=border)))
    assert frame is not None
    (here,) = frame.place.here(border)
    west, south, east, north = frame.place.percent(here)
    assert min(west, south) > 0.5
    assert max(east, north) < 99.5
    left, right, bottom, top = frame.place.view
    assert (right - left) * frame.place.metres_per_x == pytest.approx(
        (top - bottom) * frame.place.metres_per_y
    )


@pytest.mark.parametrize(
    ("lon", "code", "words"),
    [
        (114.2, "EPSG:4547", "114°E"),
        (115.6, "EPSG:4548", "117°E"),
        (74.0, "EPSG:4534", "75°E"),
        (22.1, "EPSG:32634", "34N"),
    ],
)
def test_chinese_bureaus_get_their_zone_of_three_degrees(
    lon: float, code: str, words: str
) -> None:
    package = without(sample_package())
    border = shapely.box(lon, 25, lon + 0.01, 25.01)
    frame = frame_of(replace(package, area=replace(package.area, geometry=border)))
    assert frame is not None
    assert frame.grid.crs == code
    assert words in frame.projection.zh
    assert words in frame.projection.en


def test_imagery_lies_where_it_lies() -> None:
    grid = Grid(
        crs=TILE.crs,
        left=TILE.left + 20_000,
        top=TILE.top - 20_000,
        pixel_width=100.0,
        pixel_height=100.0,
        height=60,
        width=60,
    )
    rgb = np.full((60, 60, 3), 40, dtype=np.uint8)
    rgb[20:30, 30:50] = 220
    package = replace(
        without(sample_package()),
        overviews=(Overview(rgb=rgb, grid=grid, days=(), true_colour=True),),
    )
    frame = frame_of(package)
    assert frame is not None
    image = background(package.overviews, frame)
    assert image is not None
    assert image.shape == (PIXELS, PIXELS, 4)
    bright = (image[..., 0] == 220) & (image[..., 3] == 255)
    rows, cols = np.nonzero(bright)
    box = to_lonlat(
        shapely.box(
            grid.left + 3000, grid.top - 3000, grid.left + 5000, grid.top - 2000
        ),
        grid.crs,
    )
    (here,) = frame.place.here(box)
    west, south, east, north = (
        side / 100 * PIXELS for side in frame.place.percent(here)
    )
    found = [cols.min(), PIXELS - rows.max() - 1, cols.max() + 1, PIXELS - rows.min()]
    np.testing.assert_allclose(found, [west, south, east, north], atol=2)
    assert (image[..., 3] == 0).any(), "where no image is, none is drawn"


# -------------------------------------------------------------------------- pictures


def test_same_package_gives_the_same_bytes_whatever_the_user_s_style() -> None:
    package = sample_package()
    plain = county_map(package, dpi=DPI)
    with matplotlib.rc_context({"font.size": 40, "axes.facecolor": "red"}):
        assert county_map(package, dpi=DPI) == plain
    assert pixels(plain).shape[1] == 7 * DPI


def test_categories_and_licences_have_their_colours() -> None:
    package = sample_package(alerts=20)
    picture = pixels(county_map(package, dpi=120))
    for dossier in package.dossiers:
        assert share(picture, CATEGORY_COLOURS[dossier.alert.verdict.category]) > 1e-5
    for licence in package.register.licences:
        assert share(picture, KIND_COLOURS[licence.kind]) > 1e-4
    bare = pixels(county_map(without(package), dpi=120))
    assert share(bare, KIND_COLOURS[package.register.licences[0].kind]) == 0


def test_what_is_nothing_abnormal_is_not_drawn_as_a_suspect() -> None:
    package = sample_package(alerts=1)
    (dossier,) = package.dossiers
    verdict = dossier.alert.verdict
    colour = CATEGORY_COLOURS[verdict.category]
    part = replace(verdict.parts[0], category=Category.NOTHING_ABNORMAL)
    lawful = replace(verdict, category=Category.NOTHING_ABNORMAL, parts=(part,))
    changed = replace(
        package,
        register=RegisterSnapshot(snapshot_id="none", licences=()),
        dossiers=(replace(dossier, alert=replace(dossier.alert, verdict=lawful)),),
    )
    # the last rows hold the legend
    assert share(pixels(county_map(package, dpi=120))[200:900], colour) > 1e-5
    assert share(pixels(county_map(changed, dpi=120)), colour) == 0


def test_invented_licences_are_written_large_and_real_ones_are_not() -> None:
    package = sample_package()
    caution = "#ffe08a"
    assert share(pixels(county_map(replace(package, invented=True), dpi=DPI)), caution)
    real = pixels(county_map(replace(package, invented=False), dpi=DPI))
    assert share(real, caution) < 1e-4


@pytest.mark.parametrize(
    ("gone", "language"),
    [
        ("nothing", "en"),
        ("overviews", "zh"),
        ("dossiers", "en"),
        ("coverage", "zh"),
        ("border", "zh"),
        ("all", "zh"),
        ("all", "en"),
    ],
)
def test_a_map_is_drawn_of_what_there_is(language: str, gone: str) -> None:
    package = replace(sample_package(), language=language)
    changed = {
        "nothing": package,
        "overviews": replace(package, overviews=()),
        "dossiers": replace(package, dossiers=()),
        "coverage": replace(package, coverage=()),
        "border": replace(package, area=replace(package.area, geometry=None)),
        "all": without(package),
    }[gone]
    picture = pixels(county_map(changed, dpi=DPI))
    assert picture.std() > 5


def test_names_from_outside_are_drawn_as_they_are_or_as_a_geta_mark() -> None:
    odd = "$x_{1}$\n\x07\U0001f600 <b>%s</b> and a name that does not end " * 3
    package = sample_package(name=odd)
    licences = tuple(
        replace(licence, licence_id=odd) for licence in package.register.licences
    )
    register = replace(package.register, licences=licences)
    assert county_map(replace(package, register=register), dpi=DPI)


def test_counties_are_shaded_by_their_alerts() -> None:
    few = prefecture(county(1, 115.0, 115.3, 2), county(2, 115.3, 115.6, 2))
    many = prefecture(county(1, 115.0, 115.3, 2), county(2, 115.3, 115.6, 60))
    one, other = (pixels(county_map(package, dpi=DPI)) for package in (few, many))
    changed = (np.abs(one - other) > 30).any(axis=-1)
    # the eastern half of the map, and the legend
    rows, cols = np.nonzero(changed[:430])
    assert cols.min() > 7 * DPI * 0.4
    assert len(cols) > 4000
    assert other[rows, cols].mean() < one[rows, cols].mean(), "more is darker"


def test_a_county_without_a_border_stands_where_its_alerts_are() -> None:
    package = sample_package(alerts=6)
    figures = replace(
        package.counties[0], area=replace(package.area, geometry=None), standing=60
    )
    known = county(2, 115.3, 115.6, 0)
    higher = replace(
        prefecture(known),
        area=replace(prefecture(known).area, geometry=None),
        dossiers=package.dossiers,
        coverage=package.coverage,
        counties=(figures,),
    )
    nowhere = replace(
        higher, counties=(replace(figures, area=replace(figures.area, code="441426")),)
    )
    there, not_there = (pixels(county_map(each, dpi=DPI)) for each in (higher, nowhere))
    assert (np.abs(there[:420] - not_there[:420]) > 60).any(axis=-1).sum() > 100


@pytest.mark.parametrize("dpi", [0, 49, 601])
def test_a_resolution_that_makes_no_sense_is_refused(dpi: int) -> None:
    with pytest.raises(ContractError, match=f"got {dpi}"):
        county_map(sample_package(), dpi=dpi)


@pytest.mark.parametrize("name", ["county", "prefecture"])
def test_a_map_looks_as_it_did(name: str, request: pytest.FixtureRequest) -> None:
    package = {
        "county": sample_package(alerts=25),
        "prefecture": prefecture(
            county(1, 115.0, 115.3, 3),
            county(2, 115.3, 115.5, 17),
            county(3, 115.5, 115.6, 0),
        ),
    }[name]
    png = county_map(replace(package, software="rsmonitor"), dpi=80)
    path = GOLDEN / f"map-{name}.png"
    if request.config.getoption("update_goldens"):
        path.write_bytes(png)
        pytest.fail(f"{path.name} was rewritten: look at it, and run again")
    assert path.exists(), f"no golden file {path.name}: run with --update-goldens"
    now, before = pixels(png), pixels(path.read_bytes())
    assert now.shape == before.shape
    assert float((np.abs(now - before) > FAR).any(axis=-1).mean()) <= MOST_FAR
