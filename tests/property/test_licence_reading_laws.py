import math
from datetime import date, timedelta

import numpy as np
import pytest
import shapely
from hypothesis import assume, given
from hypothesis import strategies as st
from shapely import MultiPolygon, Polygon

from rsmonitor.io.licences.coordinates import understand
from rsmonitor.io.licences.found import UnusableError
from rsmonitor.io.licences.gauss import CGCS2000, zone_at
from rsmonitor.io.licences.parcel import Declared, Parcel, Ring
from rsmonitor.io.licences.reading import licences_of
from rsmonitor.io.licences.txt import parse_txt
from rsmonitor.io.licences.txt_writer import txt_of
from rsmonitor.records.licence import (
    DATUM_ERRORS_M,
    Licence,
    LicenceKind,
    LicenceStatus,
    StatusChange,
    military_word,
)

PRINTED_M = 0.0005
"""Half of the last decimal that is printed."""

METRES_A_DEGREE = 111_500.0

words = (
    st.text(
        st.characters(
            codec="utf-8", categories=("L", "N", "P", "S"), exclude_characters="\\"
        )
        | st.sampled_from(" ,，;=@:[]【】\\"),
        max_size=30,
    )
    .map(lambda text: " ".join(text.split()))
    .filter(
        lambda text: (
            (
                text.isprintable()
                and not military_word([text])
                and text.casefold() not in {"无", "null", "none", "nan"}
                and any(c.isalnum() for c in text)
            )
            or text == ""
        )
    )
)
names = words.filter(bool)
minerals = st.lists(
    st.text(st.sampled_from("稀土钨钼铜铁金矿"), min_size=1, max_size=4),
    unique=True,
    max_size=3,
).map(tuple)
days = st.dates(date(1950, 1, 1), date(2199, 12, 31))


@st.composite
def stars(draw: st.DrawFn, lon: float, lat: float) -> Polygon:
    """Give a star-shaped ring, tens to thousands of metres across."""
    corners = draw(st.integers(3, 12))
    turn = draw(st.floats(0.0, 1.0))
    size = draw(st.floats(2e-4, 5e-3))
    shares = draw(st.lists(st.floats(0.5, 1.0), min_size=corners, max_size=corners))
    ring = [
        (
            lon + size * share * math.cos(2 * math.pi * (number + turn) / corners),
            lat + size * share * math.sin(2 * math.pi * (number + turn) / corners),
        )
        for number, share in enumerate(shares)
    ]
    return Polygon(ring)


@st.composite
def parcels(draw: st.DrawFn) -> Polygon | MultiPolygon:
    """Give a parcel in southern China: parts, holes, both, or neither."""
    lon, lat = draw(st.floats(97.5, 121.0)), draw(st.floats(19.0, 32.0))
    whole = draw(stars(lon, lat))
    if draw(st.booleans()):
        centre = whole.representative_point()
        hole = shapely.affinity.translate(
            shapely.affinity.scale(whole, 0.2, 0.2),
            centre.x - whole.centroid.x,
            centre.y - whole.centroid.y,
        )
        if whole.buffer(-1e-6).contains(hole):
            whole = whole.difference(hole)
    if draw(st.booleans()):
        whole = shapely.union_all([whole, draw(stars(lon + 0.02, lat))])
    assume(whole.is_valid and isinstance(whole, Polygon | MultiPolygon))
    return shapely.orient_polygons(whole)


@st.composite
def licences(draw: st.DrawFn, number: str) -> Licence:
    """Give a licence with everything that a licence may say."""
    start, accepted = draw(st.none() | days), draw(st.none() | days)
    end = draw(st.none() | st.integers(0, 20_000).map(timedelta))
    changes = draw(st.lists(days, unique=True, max_size=3).map(sorted))
    depth = draw(st.none() | st.tuples(st.integers(-3000, 5000), st.integers(0, 2000)))
    return Licence(
        licence_id=number,
        kind=draw(st.sampled_from(LicenceKind)),
        geometry=draw(parcels()),
        minerals=draw(minerals),
        associated_minerals=draw(minerals),
        holder=draw(words),
        mine=draw(names),
        method=draw(words),
        issuer=draw(words),
        valid_from=start,
        valid_to=None if start is None or end is None else start + end,
        status=draw(st.sampled_from(["", "有效", "in force"])),
        status_history=tuple(
            StatusChange(on=on, status=draw(st.sampled_from(LicenceStatus)))
            for on in changes
        ),
        renewal_accepted=accepted,
        renewal_decided=accepted,
        elevation_m=None
        if depth is None
        else (depth[0] / 10, (depth[0] + depth[1]) / 10),
        datum=draw(st.sampled_from(sorted(DATUM_ERRORS_M))),
        position_error_m=draw(st.floats(0.01, 900.0)),
        deadline=draw(st.none() | days),
        subkind=draw(words),
        version=draw(st.integers(1, 99)),
        source=draw(names),
        invented=draw(st.booleans()),
    )


@given(st.data())
def test_what_is_written_as_txt_is_read_again_but_for_unprinted_decimals(
    data: st.DataObject,
) -> None:
    written = [
        data.draw(licences(f"C{n}")) for n in range(data.draw(st.integers(1, 3)))
    ]
    zone = zone_at(written[0].geometry.centroid.x).number
    written = [
        one
        for one in written
        if abs(one.geometry.centroid.x - written[0].geometry.centroid.x) < 2
    ]
    text = txt_of(written, zone=zone)
    found = licences_of("a.txt", "0", parse_txt("a.txt", text.encode()))
    assert not found.refused
    assert len(found.licences) == len(written)
    tolerance = 3 * PRINTED_M / METRES_A_DEGREE
    for before, after in zip(written, found.licences, strict=True):
        for name in Licence.__dataclass_fields__:
            if name != "geometry":
                assert getattr(after, name) == getattr(before, name), name
        assert shapely.equals_exact(
            after.geometry.normalize(), before.geometry.normalize(), tolerance
        ) or (after.geometry.hausdorff_distance(before.geometry) < tolerance)
        assert len(shapely.get_parts(after.geometry)) == len(
            shapely.get_parts(before.geometry)
        )
    assert not any("area" in one for p in found.parcels for one in p.warnings)


def written_parcel(
    geometry: Polygon, *, swap: bool, numbered: bool, closed: bool, turn: int
) -> Parcel:
    zone = zone_at(geometry.centroid.x)
    lonlat = shapely.get_coordinates(geometry.exterior)[:-1]
    east, north = zone.to_metres(CGCS2000, lonlat[:, 0], lonlat[:, 1])
    east = east + (zone.number * 1e6 if numbered else 0.0)
    corners = np.roll(np.column_stack([north, east]), turn, axis=0)
    if closed:
        corners = np.vstack([corners, corners[:1]])
    if swap:
        corners = corners[:, ::-1]
    return Parcel(
        file="a.txt",
        where="line 1",
        rings=(
            Ring(
                label="1", corners=tuple((f"{a:.3f}", f"{b:.3f}") for a, b in corners)
            ),
        ),
        declared=Declared(datum="CGCS2000", zone=zone.number),
    )


@given(
    stars(115.49, 24.7),
    st.booleans(),
    st.booleans(),
    st.booleans(),
    st.integers(0, 11),
)
def test_how_corners_are_written_does_not_change_the_parcel(
    star: Polygon,
    swap: bool,  # noqa: FBT001
    numbered: bool,  # noqa: FBT001
    closed: bool,  # noqa: FBT001
    turn: int,
) -> None:
    found = understand(
        written_parcel(star, swap=swap, numbered=numbered, closed=closed, turn=turn)
    )
    difference = found.geometry.symmetric_difference(star).area
    assert difference < star.length * 3 * PRINTED_M / METRES_A_DEGREE


coordinate = st.one_of(
    st.floats(allow_nan=True),
    st.floats(1e6, 5e7),
    st.floats(70, 140),
    st.text(max_size=30),
    st.sampled_from(["2705381.95", "38348613.52", "115.0", "24.7", "1150000", ""]),
)


@given(
    st.lists(
        st.lists(st.tuples(coordinate, coordinate), max_size=6).map(tuple), max_size=3
    ),
    st.sampled_from(["", "2000国家大地坐标系", "x", "EPSG:4526"]),
    st.none() | st.integers(-5, 99),
)
def test_any_corners_are_a_valid_parcel_or_refused(
    rings: list[tuple[tuple[float | str, float | str], ...]],
    datum: str,
    zone: int | None,
) -> None:
    parcel = Parcel(
        file="a.txt",
        where="line 1",
        rings=tuple(Ring(label="", corners=ring) for ring in rings),
        declared=Declared(datum=datum, zone=zone),
    )
    try:
        found = understand(parcel)
    except UnusableError:
        return
    assert found.geometry.is_valid
    assert not found.geometry.is_empty
    assert found.computed_area_m2 > 0


@pytest.mark.parametrize(
    "text", ["", " ", "\n", "@", ",,,,面,,,@", "[地块坐标]\n1,2\n"]
)
def test_almost_nothing_is_refused(text: str) -> None:
    with pytest.raises(Exception, match=r"a\.txt"):
        licences_of("a.txt", "0", parse_txt("a.txt", text.encode()))
