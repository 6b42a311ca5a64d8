"""What is stored is what is read, and what was not written here is refused."""

import json
import math
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from shapely import MultiPolygon, Point, Polygon

from rsmonitor.errors import ContractError, StoreError
from rsmonitor.io.stores.codec import decode, decode_text, encode, encode_text
from rsmonitor.io.stores.snapshot import snapshot_of
from rsmonitor.records.acquisition import AcquisitionKey, Product
from rsmonitor.records.alert import Alert
from rsmonitor.records.disturbance import Cause, Classified, Disturbance, Increment
from rsmonitor.records.licence import Licence, LicenceKind
from rsmonitor.records.provenance import Provenance
from rsmonitor.records.rasters import Tier
from rsmonitor.records.run import RunRecord
from rsmonitor.records.site import Site, SiteState
from rsmonitor.records.verdict import Category, Certainty, Part, Verdict
from rsmonitor.records.week import IsoWeek

finite = st.floats(allow_nan=False, allow_infinity=False)
areas = st.floats(min_value=0, exclude_min=True, allow_infinity=False)
days = st.dates(min_value=date(1970, 1, 2), max_value=date(2149, 6, 6))
instants = st.datetimes(timezones=st.just(UTC))
texts = st.text(max_size=20)
names = st.text(min_size=1, max_size=20)
ids = st.text(alphabet="abcdefghijklmnopqrstuvwxyz234567", min_size=12, max_size=12)
weeks = st.builds(IsoWeek, year=st.integers(1970, 2149), week=st.integers(1, 52))


@st.composite
def rings(draw: st.DrawFn) -> list[tuple[float, float]]:
    points = draw(st.lists(st.tuples(finite, finite), min_size=3, max_size=6))
    return [*points, points[0]]


polygons = st.builds(Polygon, rings(), st.lists(rings(), max_size=2))
geometries = polygons | st.builds(
    MultiPolygon, st.lists(polygons, min_size=1, max_size=3)
)


@st.composite
def products(draw: st.DrawFn) -> Product:
    return Product(
        key=AcquisitionKey(
            grid_id=draw(names),
            platform=draw(st.sampled_from(["S2A", "S2B", "S2C", "unknown"])),
            datatake_start=draw(instants),
        ),
        product_id=draw(names),
        processing_baseline=draw(st.none() | st.sampled_from(["02.04", "05.10"])),
        sensed_at=draw(instants),
        source=draw(texts),
    )


@st.composite
def increments(draw: st.DrawFn) -> Increment:
    began_by = draw(days)
    gap = draw(st.none() | st.integers(1, 1000))
    return Increment(
        geometry=draw(geometries),
        area_m2=draw(areas),
        began_after=None if gap is None else began_by - timedelta(days=gap),
        began_by=began_by,
    )


@st.composite
def sites(draw: st.DrawFn) -> Site:
    began_by, last_seen, last_clear = sorted(draw(st.tuples(days, days, days)))
    causes = draw(st.lists(st.sampled_from(Cause), min_size=1, unique=True))
    weights = draw(
        st.lists(
            st.floats(0.1, 1.0, allow_subnormal=False),
            min_size=len(causes),
            max_size=len(causes),
        )
    )
    total = math.fsum(weights)
    disturbance = Disturbance(
        grid_id=draw(names),
        anchor=draw(st.tuples(st.integers(0, 10_980), st.integers(0, 10_980))),
        tier=draw(st.sampled_from([Tier.LOW, Tier.MEDIUM, Tier.HIGH])),
        geometry=draw(geometries),
        area_m2=draw(areas),
        pixels=draw(st.integers(1, 10**9)),
        began_after=draw(st.none() | st.just(began_by - timedelta(days=5))),
        began_by=began_by,
        confirmed=draw(st.none() | days),
        last_seen=last_seen,
        last_clear=last_clear,
        clear_looks_since=draw(st.integers(0, 65535)),
        increments=tuple(draw(st.lists(increments(), min_size=1, max_size=2))),
        # infinite too; NaN has its own test, because it differs from itself
        features=draw(st.dictionaries(texts, st.floats(allow_nan=False), max_size=4)),
    )
    state = draw(st.sampled_from(SiteState))
    return Site(
        site_id="s" + draw(ids),
        district=draw(names),
        state=state,
        latest=Classified(
            disturbance=disturbance,
            causes={
                c: min(1.0, w / total) for c, w in zip(causes, weights, strict=True)
            },
            model_id=draw(texts),
        ),
        merged_into="s" + draw(ids) if state is SiteState.MERGED else None,
    )


@st.composite
def alerts(draw: st.DrawFn) -> Alert:
    site = draw(sites())
    parts = tuple(
        Part(
            category=draw(st.sampled_from(Category)),
            certainty=draw(st.sampled_from(Certainty)),
            area_m2=draw(areas),
            licence_ids=tuple(draw(st.lists(texts, max_size=2))),
            clause=draw(texts),
            clause_zh=draw(texts),
            geometry=draw(geometries),
        )
        for _ in range(draw(st.integers(1, 2)))
    )
    return Alert(
        alert_id="a" + site.site_id[1:],
        version=draw(st.integers(1, 100)),
        rank=draw(st.integers(1)),
        site=site,
        verdict=Verdict(
            site_id=site.site_id,
            category=parts[0].category,
            certainty=draw(st.sampled_from(Certainty)),
            parts=parts,
            licence_ids=tuple(draw(st.lists(texts, max_size=2))),
            register_snapshot=draw(texts),
        ),
        county_codes=tuple(draw(st.lists(texts, max_size=2))),
        bureau=draw(texts),
        provenance=Provenance(
            software=draw(texts),
            settings_digest=draw(st.sampled_from(["0" * 64, "a" * 64])),
            scenes=tuple(draw(st.lists(texts, max_size=3))),
            processing_baselines=tuple(draw(st.lists(texts, max_size=2))),
            model_id=draw(texts),
        ),
        invented_licences=draw(st.booleans()),
    )


run_records = st.builds(
    RunRecord,
    run_id=names,
    line=names,
    district=names,
    week=weeks,
    location=texts,
    counts=st.dictionaries(texts, st.integers(), max_size=4),
)


@given(product=products())
def test_product_comes_back_equal(product: Product) -> None:
    assert decode_text(Product, encode_text(product), where="here") == product


@settings(max_examples=50)
@given(site=sites())
def test_site_comes_back_equal(site: Site) -> None:
    assert decode_text(Site, encode_text(site), where="here") == site


@settings(max_examples=30)
@given(alert=alerts())
def test_alert_comes_back_equal(alert: Alert) -> None:
    assert decode_text(Alert, encode_text(alert), where="here") == alert


@given(record=run_records)
def test_run_record_comes_back_equal(record: RunRecord) -> None:
    assert decode_text(RunRecord, encode_text(record), where="here") == record


@given(increment=increments())
def test_no_bit_of_a_coordinate_is_lost(increment: Increment) -> None:
    read = decode_text(Increment, encode_text(increment), where="here")
    # the bytes: `==` would let -0.0 pass for 0.0
    assert shapely.to_wkb(read.geometry) == shapely.to_wkb(increment.geometry)


def _site(**features: float) -> Site:
    square = shapely.box(25.1, 45.2, 25.3, 45.4)
    day = date(2018, 7, 2)
    return Site(
        site_id="saaaaaaaaaaaa",
        district="demo",
        state=SiteState.NEW,
        latest=Classified(
            disturbance=Disturbance(
                grid_id="g0123456789ab",
                anchor=(3, 4),
                tier=Tier.LOW,
                geometry=square,
                area_m2=100.0,
                pixels=1,
                began_after=None,
                began_by=day,
                confirmed=None,
                last_seen=day,
                last_clear=day,
                clear_looks_since=1,
                increments=(
                    Increment(
                        geometry=square, area_m2=100.0, began_after=None, began_by=day
                    ),
                ),
                features=features,
            ),
            causes={Cause.DIGGING: 1.0},
            model_id="rules-1",
        ),
    )


def test_stored_form_of_a_site_stays_what_it_is() -> None:
    # If this fails, ledgers of users cannot be read any more: raise
    # `rsmonitor.io.stores.ledger_schema.SCHEMA_VERSION` and write the migration.
    square = (
        "01030000000100000005000000"
        "CDCCCCCCCC4C39409A99999999994640CDCCCCCCCC4C39403333333333B34640"
        "9A999999991939403333333333B346409A999999991939409A99999999994640"
        "CDCCCCCCCC4C39409A99999999994640"
    )
    day = "2018-07-02"
    expected = {
        "site_id": "saaaaaaaaaaaa",
        "district": "demo",
        "state": "new",
        "merged_into": None,
        "latest": {
            "model_id": "rules-1",
            "causes": {"digging": 1.0},
            "disturbance": {
                "grid_id": "g0123456789ab",
                "anchor": [3, 4],
                "tier": 1,
                "geometry": square,
                "area_m2": 100.0,
                "pixels": 1,
                "began_after": None,
                "began_by": day,
                "confirmed": None,
                "last_seen": day,
                "last_clear": day,
                "clear_looks_since": 1,
                "increments": [
                    {
                        "geometry": square,
                        "area_m2": 100.0,
                        "began_after": None,
                        "began_by": day,
                    }
                ],
                "features": {"dndvi": "NaN"},
            },
        },
    }
    assert encode(_site(dndvi=math.nan)) == expected


def test_unknown_features_come_back_unknown() -> None:
    site = _site(a=math.nan, b=math.inf, c=-math.inf)
    read = decode_text(Site, encode_text(site), where="here")
    features = read.latest.disturbance.features
    assert math.isnan(features["a"])
    assert (features["b"], features["c"]) == (math.inf, -math.inf)


def test_numbers_of_numpy_are_stored_as_numbers() -> None:
    site = _site(a=np.float32(0.5))  # type: ignore[arg-type]
    read = decode_text(Site, encode_text(site), where="here")
    assert read.latest.disturbance.features == {"a": 0.5}


def _paths(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:  # noqa: ANN401
    """List the place of every object and value in a JSON document."""
    found = [path]
    items = (
        value.items()
        if isinstance(value, dict)
        else enumerate(value)
        if isinstance(value, list)
        else ()
    )
    for key, item in items:
        found += _paths(item, (*path, key))
    return found


@given(data=st.data())
def test_a_missing_or_unknown_key_is_refused_wherever_it_is(
    data: st.DataObject,
) -> None:
    stored = encode(_site(a=0.5))
    records = [
        path
        for path in _paths(stored)
        if isinstance(_at(stored, path), dict) and path[-1:] != ("features",)
    ]
    record = _at(stored, data.draw(st.sampled_from(records)))
    if data.draw(st.booleans()):
        record["surprise"] = 1
    else:
        del record[data.draw(st.sampled_from(sorted(record)))]
    with pytest.raises(StoreError, match=r"ledger\.sqlite"):
        decode(Site, stored, where="ledger.sqlite")


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(st.text(max_size=5), inner, max_size=2)
    ),
    max_leaves=4,
)


@settings(max_examples=300)
@given(data=st.data(), junk=json_values)
def test_junk_in_any_place_is_read_as_itself_or_refused(
    data: st.DataObject, junk: object
) -> None:
    stored = encode(_site(a=0.5))
    path = data.draw(st.sampled_from(_paths(stored)))
    if path:
        _at(stored, path[:-1])[path[-1]] = junk
    else:
        stored = junk  # type: ignore[assignment]
    try:
        read = decode(Site, stored, where="ledger.sqlite")
    except StoreError as error:
        assert "ledger.sqlite" in str(error)  # noqa: PT017
    else:
        assert _same(encode(read), stored)


def _at(value: Any, path: tuple[Any, ...]) -> Any:  # noqa: ANN401
    for key in path:
        value = value[key]
    return value


def _same(one: object, other: object) -> bool:
    """Compare as text, where True is not 1 and NaN is NaN."""
    return json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)


@given(text=st.text(max_size=30))
def test_text_that_is_no_record_is_refused(text: str) -> None:
    with pytest.raises(StoreError, match="here"):
        decode_text(Product, text, where="here")


@pytest.mark.parametrize("text", ["[" * 100_000, "NaN", '{"a": Infinity}', "1" * 5000])
def test_hostile_json_is_refused(text: str) -> None:
    with pytest.raises(StoreError, match="here"):
        decode_text(Product, text, where="here")


@given(cut=st.integers(0, 300))
def test_a_geometry_that_is_cut_short_is_refused(cut: int) -> None:
    stored = encode(_site())
    disturbance = stored["latest"]["disturbance"]
    whole = disturbance["geometry"]
    disturbance["geometry"] = whole[: min(cut, len(whole) - 1)]
    with pytest.raises(StoreError, match="geometry"):
        decode(Site, stored, where="here")


def test_a_point_is_no_outline() -> None:
    stored = encode(_site())
    stored["latest"]["disturbance"]["geometry"] = shapely.to_wkb(Point(1, 2), hex=True)
    with pytest.raises(StoreError, match="Polygon"):
        decode(Site, stored, where="here")


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("product_id", 7),
        ("product_id", "\ud800"),
        ("source", None),
        ("processing_baseline", "5.1"),
    ],
)
def test_what_could_not_be_read_back_is_not_stored(field: str, value: object) -> None:
    product = Product(
        key=AcquisitionKey(
            grid_id="31TCJ",
            platform="S2A",
            datatake_start=datetime(2018, 7, 2, tzinfo=UTC),
        ),
        product_id="p",
        processing_baseline=None,
        sensed_at=datetime(2018, 7, 2, tzinfo=UTC),
        source="cube",
    )
    with pytest.raises(ContractError):
        encode(replace(product, **{field: value}))


def test_an_instant_is_no_day() -> None:
    site = _site()
    later = replace(
        site.latest.disturbance,
        began_by=datetime(2018, 7, 1, 12),  # noqa: DTZ001
        last_seen=datetime(2018, 7, 2, 12),  # noqa: DTZ001
        last_clear=datetime(2018, 7, 2, 12),  # noqa: DTZ001
    )
    with pytest.raises(ContractError, match="began_by"):
        encode(replace(site, latest=replace(site.latest, disturbance=later)))


def _licence(number: str, **changes: Any) -> Licence:  # noqa: ANN401
    return replace(
        Licence(
            licence_id=number,
            kind=LicenceKind.MINING,
            geometry=shapely.box(115, 25, 115.1, 25.1),
        ),
        **changes,
    )


@given(order=st.permutations(range(5)))
def test_snapshot_does_not_depend_on_the_order_of_import(order: list[int]) -> None:
    licences = [
        _licence("B"),
        _licence("A"),
        _licence("A", kind=LicenceKind.EXPLORATION),
        _licence("A", geometry=shapely.box(115, 25, 115.1, 25.2)),
        _licence("A", valid_from=date(2020, 1, 1)),
    ]
    snapshot = snapshot_of([licences[i] for i in order])
    assert snapshot == snapshot_of(licences)
    assert [lic.licence_id for lic in snapshot.licences] == ["A", "A", "A", "A", "B"]


@pytest.mark.parametrize(
    "changes",
    [
        {"geometry": shapely.box(115, 25, 115.1, math.nextafter(25.1, 26))},
        {"minerals": ("稀土",)},
        {"holder": "x"},
        {"valid_from": date(2020, 1, 1)},
        {"valid_to": date(2020, 1, 1)},
        {"status": "注销"},
        {"invented": True},
        {"kind": LicenceKind.CLOSED},
    ],
)
def test_snapshot_changes_with_every_field(changes: dict[str, Any]) -> None:
    before = snapshot_of([_licence("A")]).snapshot_id
    assert snapshot_of([_licence("A", **changes)]).snapshot_id != before
