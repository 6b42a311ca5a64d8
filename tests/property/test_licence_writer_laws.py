"""What is written as geodata is read back as it was."""

import zipfile
from collections.abc import Callable, Sequence
from datetime import date
from pathlib import Path

import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from shapely import MultiPolygon, Polygon

from rsmonitor.errors import LicenceError
from rsmonitor.io.licences.geodata_writer import write_geopackage, write_shapefile
from rsmonitor.io.licences.reading import read_any
from rsmonitor.records.licence import (
    DATUM_ERRORS_M,
    Licence,
    LicenceKind,
    LicenceStatus,
    StatusChange,
)

WORDS = st.text("甲乙丙石排寻乌ABCxyz-", min_size=1, max_size=20).filter(
    lambda text: text.strip("-") != ""
)
TEXT = st.one_of(st.just(""), WORDS)
DAYS = st.dates(date(1950, 1, 1), date(2199, 12, 31))
MAYBE_DAY = st.one_of(st.none(), DAYS)
MINERALS = st.lists(
    st.sampled_from(["稀土", "钨", "锡", "高岭土", "rare earth"]),
    max_size=3,
    unique=True,
).map(tuple)


@st.composite
def geometries(draw: st.DrawFn) -> Polygon | MultiPolygon:
    degrees = st.floats(0, 1, allow_nan=False)
    parts = []
    for column in range(draw(st.integers(1, 3))):
        west, south = 115 + column + draw(degrees) / 4, 24 + draw(degrees)
        size = 0.001 + draw(degrees) / 4
        outer = shapely.box(west, south, west + size, south + size)
        inner = shapely.box(
            west + size / 4, south + size / 4, west + size / 2, south + size / 2
        )
        parts.append(
            Polygon(outer.exterior, [inner.exterior] if draw(st.booleans()) else [])
        )
    made = parts[0] if len(parts) == 1 else MultiPolygon(parts)
    turned: Polygon | MultiPolygon = shapely.orient_polygons(made)
    return turned


@st.composite
def licences(draw: st.DrawFn) -> list[Licence]:
    found = []
    for number in range(draw(st.integers(1, 2))):
        valid = sorted(draw(st.tuples(DAYS, DAYS)))
        accepted = draw(MAYBE_DAY)
        changes = draw(st.lists(DAYS, max_size=2, unique=True))
        elevations = draw(
            st.one_of(st.none(), st.tuples(*[st.integers(-900, 900)] * 2))
        )
        found.append(
            Licence(
                licence_id=f"C{number}{draw(WORDS)}",
                kind=draw(st.sampled_from(LicenceKind)),
                geometry=draw(geometries()),
                minerals=draw(MINERALS),
                associated_minerals=draw(MINERALS),
                holder=draw(TEXT),
                mine=draw(TEXT),
                method=draw(TEXT),
                issuer=draw(TEXT),
                status=draw(st.sampled_from(["", "有效", "in_force"])),
                status_history=tuple(
                    StatusChange(on=day, status=draw(st.sampled_from(LicenceStatus)))
                    for day in sorted(changes)
                ),
                valid_from=valid[0] if draw(st.booleans()) else None,
                valid_to=valid[1] if draw(st.booleans()) else None,
                renewal_accepted=accepted,
                renewal_decided=accepted and max(accepted, draw(DAYS)),
                elevation_m=elevations
                and (float(min(elevations)), float(max(elevations))),
                deadline=draw(MAYBE_DAY),
                subkind=draw(st.sampled_from(["", "临时用地", "生态保护红线"])),
                datum=draw(st.sampled_from(sorted(DATUM_ERRORS_M))),
                position_error_m=draw(st.integers(0, 100_000)) / 1000,
                version=draw(st.integers(1, 9)),
                source=draw(WORDS),
                invented=draw(st.booleans()),
            )
        )
    return found


def same(before: Licence, after: Licence) -> None:
    for name in Licence.__slots__:
        if name == "geometry":
            assert after.geometry.normalize() == before.geometry.normalize()
        else:
            assert getattr(after, name) == getattr(before, name), name


@pytest.mark.parametrize(
    ("write", "name"),
    [
        (write_geopackage, "a.gpkg"),
        (write_shapefile, "a.zip"),
    ],
)
@settings(max_examples=25)
@given(given_licences=licences())
def test_nothing_is_lost_on_the_way_out_and_back(
    tmp_path_factory: pytest.TempPathFactory,
    write: Callable[[Path, Sequence[Licence]], None],
    name: str,
    given_licences: list[Licence],
) -> None:
    path = tmp_path_factory.mktemp("trip") / name
    write(path, given_licences)
    found = read_any(path)
    assert found.refused == ()
    for before, after in zip(given_licences, found.licences, strict=True):
        same(before, after)


ONE = Licence(
    licence_id="C1",
    kind=LicenceKind.MINING,
    geometry=shapely.box(115.7, 24.9, 115.71, 24.91),
    mine="石排",
    invented=True,
)


@pytest.mark.parametrize("write", [write_geopackage, write_shapefile])
def test_an_empty_file_of_licences_is_never_written(
    tmp_path: Path, write: Callable[[Path, Sequence[Licence]], None]
) -> None:
    with pytest.raises(LicenceError, match="no licence to write"):
        write(tmp_path / "a", [])
    assert not list(tmp_path.iterdir())


def test_a_shapefile_refuses_text_that_it_would_cut_off(tmp_path: Path) -> None:
    long = Licence(
        licence_id="C1", kind=ONE.kind, geometry=ONE.geometry, mine="石" * 85
    )
    with pytest.raises(LicenceError, match="mine has 255 bytes, a shapefile holds 254"):
        write_shapefile(tmp_path / "a.zip", [long])
    assert not list(tmp_path.iterdir())


def test_the_same_licences_make_the_same_shapefile(tmp_path: Path) -> None:
    for name in ("1.zip", "2.zip"):
        write_shapefile(tmp_path / name, [ONE])
    assert (tmp_path / "1.zip").read_bytes() == (tmp_path / "2.zip").read_bytes()
    with zipfile.ZipFile(tmp_path / "1.zip") as archive:
        assert archive.namelist() == [
            f"licences.{end}" for end in ("cpg", "dbf", "prj", "shp", "shx")
        ]
