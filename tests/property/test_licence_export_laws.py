"""What is exported comes back as it was: not one word or corner is another."""

from dataclasses import replace
from datetime import date
from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import given, settings
from hypothesis import strategies as st
from rights import right
from shapely import MultiPolygon, Polygon, box

from rsmonitor.io.licences.geojson_writer import write_geojson
from rsmonitor.io.licences.reading import read_any
from rsmonitor.records.licence import (
    DATUM_ERRORS_M,
    Licence,
    LicenceKind,
    LicenceStatus,
    StatusChange,
)

WORD = st.from_regex("[甲乙丙丁矿业稀土]{2,9}[0-9（）a-z]{0,5}[甲乙]", fullmatch=True)
"""Words; a dash, a 0 or 无 alone are what bureaus write where there is nothing."""

MINERALS = st.lists(
    st.sampled_from(["稀土", "钨", "锡", "高岭土", "rare earth"]),
    unique=True,
    max_size=3,
).map(tuple)
DAY = st.dates(date(1995, 1, 1), date(2099, 12, 31))
DEGREE = st.floats(115.0, 115.5, allow_nan=False)


@st.composite
def parcels(draw: st.DrawFn) -> Polygon | MultiPolygon:
    """Draw a square, perhaps with a hole, perhaps in two parts."""
    west, south = draw(DEGREE), draw(st.floats(24.0, 25.0))
    square = box(west, south, west + 0.01, south + 0.01)
    if draw(st.booleans()):
        square = square.difference(
            box(west + 0.003, south + 0.003, west + 0.006, south + 0.006)
        )
    if draw(st.booleans()):
        square = square.union(box(west + 0.02, south, west + 0.03, south + 0.01))
    return square


@st.composite
def licences(draw: st.DrawFn) -> Licence:
    """Draw a licence of any kind with any of its fields."""
    first, last = sorted((draw(DAY), draw(DAY)))
    accepted, decided = sorted((draw(DAY), draw(DAY)))
    changes = sorted(draw(st.sets(DAY, max_size=3)))
    low, high = sorted((draw(st.integers(-200, 900)), draw(st.integers(-200, 900))))
    whole = right(
        "C" + draw(st.from_regex("[0-9]{22}", fullmatch=True)),
        kind=draw(st.sampled_from(LicenceKind)),
        geometry=draw(parcels()),
        minerals=draw(MINERALS),
        associated_minerals=draw(MINERALS),
        holder=draw(WORD),
        mine=draw(WORD),
        method=draw(WORD),
        issuer=draw(WORD),
        source=draw(WORD),
        subkind=draw(WORD),
        status=draw(WORD),
        valid_from=first,
        valid_to=last,
        renewal_accepted=accepted,
        renewal_decided=decided,
        deadline=draw(DAY),
        status_history=tuple(
            StatusChange(on=on, status=draw(st.sampled_from(LicenceStatus)))
            for on in changes
        ),
        elevation_m=(float(low), float(high)),
        datum=draw(st.sampled_from(list(DATUM_ERRORS_M))),
        position_error_m=draw(st.sampled_from([0.5, 12.25, 100.0])),
        version=draw(st.integers(1, 9)),
        invented=draw(st.booleans()),
    )
    unsaid = draw(
        st.sets(
            st.sampled_from(
                [
                    "valid_from",
                    "valid_to",
                    "renewal_accepted",
                    "deadline",
                    "elevation_m",
                ]
            )
        )
    )
    return replace(whole, **dict.fromkeys(unsaid))


@settings(max_examples=100, deadline=None)
@given(licences())
def test_geojson_comes_back_as_it_went(licence: Licence) -> None:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "rights.geojson"
        write_geojson(path, [licence])
        found = read_any(path)
    assert found.refused == ()
    (back,) = found.licences
    assert back.geometry.normalize() == licence.geometry.normalize()
    assert replace(back, geometry=licence.geometry) == licence
