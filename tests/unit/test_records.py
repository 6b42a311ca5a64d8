"""Records refuse what cannot be, with the value and the rule, when they are made."""

from collections.abc import Callable
from dataclasses import fields, is_dataclass, replace
from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any

import numpy as np
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st
from pixels import degrees
from shapely import Polygon, box
from sightings import FIRST, sighting, site, square, verdict

from rsmonitor.errors import ContractError
from rsmonitor.records.acquisition import AcquisitionKey, Product
from rsmonitor.records.alert import Alert
from rsmonitor.records.district import District
from rsmonitor.records.disturbance import (
    CAUSE_LABELS,
    Cause,
)
from rsmonitor.records.event import (
    GENESIS,
    Event,
    EventDraft,
    EventKind,
    canonical_json,
    chain,
)
from rsmonitor.records.grid import Block, Grid
from rsmonitor.records.licence import (
    KIND_LABELS,
    SHANGHAI,
    Licence,
    LicenceKind,
    RegisterSnapshot,
)
from rsmonitor.records.parameters import (
    AlertingParameters,
    ClearParameters,
    EvidenceParameters,
    HistoryParameters,
    LicensingParameters,
    OutlineParameters,
    TrackingParameters,
)
from rsmonitor.records.provenance import Provenance
from rsmonitor.records.rasters import (
    CLEAR,
    EVIDENCE_PLANES,
    REFLECTANCE,
    SCENE,
    SCL,
    Tier,
    check,
    planes,
)
from rsmonitor.records.run import Partition, SlotPointer
from rsmonitor.records.site import STATE_LABELS, Site, SiteState
from rsmonitor.records.verdict import (
    CATEGORY_LABELS,
    CERTAINTY_LABELS,
    Category,
    Certainty,
    Part,
    Verdict,
)
from rsmonitor.records.week import IsoWeek

NAN, INFINITE = float("nan"), float("inf")
NOON = datetime(2020, 5, 1, 4, tzinfo=UTC)
IN_SHANGHAI = datetime(2020, 5, 1, 12, tzinfo=timezone(timedelta(hours=8)))
SQUARE = box(115, 24, 115.1, 24.1)
BOW_TIE = Polygon([(0, 0), (1, 1), (1, 0), (0, 1)])

KEY = AcquisitionKey(grid_id="50RKN", platform="S2A", datatake_start=NOON)
PRODUCT = Product(
    key=KEY,
    product_id="S2A_MSIL2A_1",
    processing_baseline="05.10",
    sensed_at=NOON,
    source="cube",
)
GRID = Grid(
    crs="EPSG:32650",
    left=0.0,
    top=100.0,
    pixel_width=10.0,
    pixel_height=10.0,
    height=4,
    width=6,
    mgrs_tile="50RKN",
)
BLOCK = Block(row=0, col=0, height=2, width=2)
DISTRICT = District(code="360728", name_zh="定南县", name_en="Dingnan", bureau="局")
SEEN = sighting(square(0, 0, 2))
DISTURBANCE = SEEN.disturbance
INCREMENT = DISTURBANCE.increments[0]
SITE = site("saaaaaaaaaaaa", SEEN)
VERDICT = verdict(SITE)
LICENCE = Licence(
    licence_id="C1",
    kind=LicenceKind.MINING,
    geometry=SQUARE,
    valid_from=date(2018, 1, 1),
    valid_to=date(2020, 12, 31),
)
PROVENANCE = Provenance(
    software="rsmonitor test",
    settings_digest="0" * 64,
    scenes=("S2A_MSIL2A_1",),
    processing_baselines=("05.10",),
    model_id="rules-1",
)
ALERT = Alert(
    alert_id="aaaaaaaaaaaaa",
    version=1,
    rank=1,
    site=SITE,
    verdict=VERDICT,
    county_codes=(),
    bureau="局",
    provenance=PROVENANCE,
    invented_licences=False,
)
DRAFT = EventDraft(kind=EventKind.DETECTED, at=NOON, who="test", body={"site_id": "s"})
POINTER = SlotPointer(
    line="l", grid_id="g", block_id="b", kind="evidence", slot=0, sha256="0" * 64
)
SOUND = (
    *(KEY, PRODUCT, GRID, BLOCK, DISTRICT, SEEN, DISTURBANCE, INCREMENT, SITE),
    *(VERDICT, VERDICT.parts[0], LICENCE, PROVENANCE, ALERT, DRAFT, POINTER),
    IsoWeek(year=2020, week=53),
)


def refuses(record: Any, rule: str, **wrong: object) -> None:  # noqa: ANN401
    """Check that a sound record with one wrong field cannot be made."""
    with pytest.raises(ContractError, match=rule):
        replace(record, **wrong)


# ------------------------------------------------------------------------- every record


@pytest.mark.parametrize("record", SOUND, ids=lambda record: type(record).__name__)
def test_a_record_cannot_be_changed_and_takes_its_fields_by_name(record: Any) -> None:  # noqa: ANN401
    kind = type(record)
    assert is_dataclass(record)
    name = fields(record)[0].name
    with pytest.raises(AttributeError):
        setattr(record, name, None)
    assert not hasattr(record, "__dict__"), "no field can be invented"
    with pytest.raises(TypeError):
        kind(*(getattr(record, field.name) for field in fields(record)))


@pytest.mark.parametrize(
    ("labels", "codes"),
    [
        (CAUSE_LABELS, Cause),
        (KIND_LABELS, LicenceKind),
        (STATE_LABELS, SiteState),
        (CATEGORY_LABELS, Category),
        (CERTAINTY_LABELS, Certainty),
    ],
    ids=lambda each: getattr(each, "__name__", ""),
)
def test_every_code_has_one_label_in_each_language(labels: Any, codes: Any) -> None:  # noqa: ANN401
    assert list(labels) == list(codes)
    for chinese, english in labels.values():
        assert any("\u4e00" <= letter <= "\u9fff" for letter in chinese)
        assert english.isascii()
    assert len({chinese for chinese, _ in labels.values()}) == len(labels)
    assert all(str(code.value).isascii() for code in codes)


def test_a_label_that_accuses_says_that_it_suspects() -> None:
    neutral = {
        Category.UNCLEAR,
        Category.EXPLORATION_WORKS,
        Category.ANCILLARY_LAND,
        Category.OTHER_MINERAL_RIGHT,
        Category.LEGACY,
        Category.NOTHING_ABNORMAL,
    }
    for category, (chinese, english) in CATEGORY_LABELS.items():
        assert chinese.startswith("疑似") == (category not in neutral)
        assert english.startswith("suspected") == (category not in neutral)


# ------------------------------------------------------------------------- acquisitions


@pytest.mark.parametrize("platform", ["", "S2", "s2a", "S3A", "S2AB", "Sentinel-2A"])
def test_a_platform_is_s2_and_a_letter(platform: str) -> None:
    refuses(KEY, f"platform must be .*{platform!r}", platform=platform)


@pytest.mark.parametrize("when", [NOON.replace(tzinfo=None), IN_SHANGHAI])
def test_instants_are_utc_and_say_so(when: datetime) -> None:
    refuses(KEY, r"datatake_start must be timezone-aware UTC", datatake_start=when)
    refuses(PRODUCT, r"sensed_at must be timezone-aware UTC", sensed_at=when)
    refuses(DRAFT, "event time must be UTC", at=when)


@pytest.mark.parametrize("version", ["5.10", "0510", "05.1", "N0510", ""])
def test_a_processing_baseline_is_two_digits_twice(version: str) -> None:
    refuses(PRODUCT, "processing_baseline must be NN.NN", processing_baseline=version)


def test_a_product_without_a_name_is_refused() -> None:
    refuses(PRODUCT, "product_id is empty", product_id="")


def test_acquisitions_sort_by_grid_platform_and_time() -> None:
    later = replace(KEY, datatake_start=NOON + timedelta(days=5))
    other = replace(KEY, grid_id="50RLN")
    assert sorted([other, later, KEY]) == [KEY, later, other]


# --------------------------------------------------------------------- grids and blocks


@pytest.mark.parametrize(
    ("wrong", "rule"),
    [
        ({"crs": ""}, "crs is empty"),
        ({"height": 0}, "shape must be positive, got 0 x 6"),
        ({"width": -1}, "shape must be positive, got 4 x -1"),
        ({"left": NAN}, "left must be finite, got nan"),
        ({"top": INFINITE}, "top must be finite, got inf"),
        ({"pixel_width": NAN}, "pixel_width must be finite"),
        ({"pixel_width": 0.0}, "pixel size must be positive"),
        ({"pixel_height": -10.0}, "pixel size must be positive"),
        ({"mgrs_tile": "T50RKN"}, "mgrs_tile must be five characters"),
        ({"mgrs_tile": ""}, "mgrs_tile must be five characters"),
    ],
)
def test_a_grid_that_lies_nowhere_is_refused(wrong: dict[str, Any], rule: str) -> None:
    refuses(GRID, rule, **wrong)


def test_a_grid_knows_its_edges() -> None:
    assert (GRID.right, GRID.bottom) == (60.0, 60.0)
    assert GRID.shape == (4, 6)
    assert GRID.transform == (10.0, 0.0, 0.0, 0.0, -10.0, 100.0)


def test_a_grid_is_named_by_its_tile_or_by_everything_that_places_its_pixels() -> None:
    assert replace(GRID, height=10_980, width=10_980).grid_id == "50RKN"
    # state depends on the window, so a part of a tile is not the tile
    assert GRID.grid_id.startswith("50RKN-")
    cube = replace(GRID, mgrs_tile=None)
    assert cube.grid_id == replace(cube).grid_id
    others = [
        replace(cube, crs="EPSG:32649"),
        replace(cube, left=0.1),
        replace(cube, top=100.1),
        replace(cube, pixel_width=20.0),
        replace(cube, pixel_height=20.0),
        replace(cube, height=5),
        replace(cube, width=5),
    ]
    assert len({each.grid_id for each in [cube, *others]}) == 8


@given(st.integers(1, 40), st.integers(1, 40), st.integers(1, 50))
def test_blocks_cover_every_pixel_once_under_names_of_their_own(
    height: int, width: int, size: int
) -> None:
    covered = np.zeros((height, width), dtype=int)
    blocks = list(degrees(height, width).blocks(size))
    for block in blocks:
        covered[block.rows, block.cols] += 1
        assert max(block.height, block.width) <= size
    assert (covered == 1).all()
    assert len({block.block_id for block in blocks}) == len(blocks)


@given(st.integers(1, 30), st.integers(1, 30), st.integers(1, 12), st.integers(0, 40))
def test_a_block_is_found_again_inside_its_halo(
    height: int, width: int, size: int, halo: int
) -> None:
    grid = degrees(height, width)
    image = np.arange(height * width).reshape(height, width)
    for block in grid.blocks(size):
        around = block.with_halo(halo, grid)
        cut = image[around.rows, around.cols]
        assert cut.shape == (around.height, around.width), "inside the grid"
        found = cut[block.within(around)]
        np.testing.assert_array_equal(found, image[block.rows, block.cols])
        reach = [block.row - around.row, around.width - block.width]
        assert reach[0] == min(halo, block.row)
        assert reach[1] <= 2 * halo


@pytest.mark.parametrize(
    ("wrong", "rule"),
    [
        ({"row": -1}, "starts outside: row -1"),
        ({"col": -1}, "starts outside: row 0, col -1"),
        ({"height": 0}, "shape must be positive"),
        ({"width": 0}, "shape must be positive"),
    ],
)
def test_a_block_outside_or_empty_is_refused(wrong: dict[str, Any], rule: str) -> None:
    refuses(BLOCK, rule, **wrong)


@pytest.mark.parametrize("moved", [{"row": 1}, {"col": 1}, {"height": 3}, {"width": 3}])
def test_a_block_is_not_cut_out_of_one_that_does_not_hold_it(
    moved: dict[str, int],
) -> None:
    with pytest.raises(ContractError, match="is not inside r00000c00000"):
        replace(BLOCK, **moved).within(BLOCK)
    with pytest.raises(ContractError, match="is not inside"):
        BLOCK.within(Block(row=1, col=1, height=9, width=9))


@pytest.mark.parametrize("size", [0, -5])
def test_blocks_without_size_are_refused(size: int) -> None:
    with pytest.raises(ContractError, match=f"block size must be positive, got {size}"):
        next(GRID.blocks(size))


# ---------------------------------------------------------------------------- districts


@pytest.mark.parametrize(
    "code", ["", "../etc", "a/b", "定南", "A1", "-x", ".", "a b", "x" * 65]
)
def test_a_district_code_is_safe_as_a_folder(code: str) -> None:
    refuses(DISTRICT, "District.code must match", code=code)


@pytest.mark.parametrize("code", ["36072", "3607280", "demo", "", "360728\n"])
def test_a_county_code_has_six_digits(code: str) -> None:
    refuses(DISTRICT, "six digits", county_codes=("360728", code))


# ------------------------------------------------------------------------- disturbances


@pytest.mark.parametrize("area", [0.0, -1.0, NAN, INFINITE])
def test_no_disturbance_has_an_area_that_no_ground_has(area: float) -> None:
    refuses(DISTURBANCE, "area_m2 must be positive and finite", area_m2=area)
    refuses(INCREMENT, "area_m2 must be positive and finite", area_m2=area)


@pytest.mark.parametrize("days", [0, 1])
def test_a_change_begins_before_it_is_seen(days: int) -> None:
    late = FIRST + timedelta(days=days)
    refuses(DISTURBANCE, f"began_after {late} must be before", began_after=late)
    refuses(INCREMENT, f"began_after {late} must be before", began_after=late)
    assert replace(DISTURBANCE, began_after=None).began_after is None


@pytest.mark.parametrize(
    "wrong",
    [
        {"last_seen": FIRST - timedelta(days=1)},
        {"last_clear": FIRST - timedelta(days=1)},
        {"last_seen": FIRST + timedelta(days=9)},
    ],
)
def test_what_was_seen_was_seen_at_a_clear_look_and_not_before_the_first(
    wrong: dict[str, date],
) -> None:
    refuses(DISTURBANCE, "dates must be in order", **wrong)


@pytest.mark.parametrize(
    ("wrong", "rule"),
    [
        ({"tier": Tier.NONE}, "tier NONE"),
        ({"pixels": 0}, "pixels must be positive"),
        ({"increments": ()}, "at least one increment"),
    ],
)
def test_a_disturbance_of_nothing_is_refused(wrong: dict[str, Any], rule: str) -> None:
    refuses(DISTURBANCE, rule, **wrong)


@pytest.mark.parametrize(
    ("causes", "rule"),
    [
        ({}, "causes is empty"),
        ({Cause.FIRE: 0.5}, "must sum to 1, got 0.5"),
        ({Cause.FIRE: 0.6, Cause.ROAD: 0.6}, "must sum to 1"),
        ({Cause.FIRE: 1.5, Cause.ROAD: -0.5}, r"must be in \[0, 1\]"),
        ({Cause.FIRE: NAN}, r"must be in \[0, 1\], got nan"),
    ],
)
def test_probabilities_of_causes_are_shares_of_one(
    causes: dict[Cause, float], rule: str
) -> None:
    refuses(SEEN, rule, causes=causes)


def test_of_two_equally_probable_causes_the_first_in_the_table_is_named() -> None:
    even = {Cause.FIRE: 0.5, Cause.PONDS: 0.5}
    assert replace(SEEN, causes=even).cause is Cause.PONDS
    assert replace(SEEN, causes={Cause.FIRE: 0.6, Cause.PONDS: 0.4}).cause is Cause.FIRE


# ---------------------------------------------------------------------------- the chain


def test_an_event_names_who_caused_it() -> None:
    refuses(DRAFT, "names who caused it", who="")


@pytest.mark.parametrize("field", [field.name for field in fields(Event)])
def test_whatever_is_changed_in_an_event_its_hash_no_longer_fits(field: str) -> None:
    event = chain(DRAFT, seq=3, prev_hash=GENESIS)
    assert event.hash == event.computed_hash()
    changed = replace(event, **{field: 4 if field == "seq" else "changed"})
    assert changed.hash != changed.computed_hash()


def test_an_event_is_hashed_with_its_place_and_what_came_before() -> None:
    first = chain(DRAFT, seq=1, prev_hash=GENESIS)
    second = chain(DRAFT, seq=2, prev_hash=first.hash)
    assert len({first.hash, second.hash, chain(DRAFT, seq=2, prev_hash="x").hash}) == 3


def test_json_that_is_hashed_has_one_form() -> None:
    assert canonical_json({"乙": [1, None], "a": True}) == '{"a":true,"乙":[1,null]}'
    with pytest.raises(ValueError, match="JSON"):
        canonical_json({"a": NAN})


# ----------------------------------------------------------------------------- licences


@pytest.mark.parametrize(
    ("wrong", "rule"),
    [
        ({"licence_id": ""}, "licence_id is empty"),
        ({"geometry": Polygon()}, "C1: geometry is not valid"),
        ({"geometry": BOW_TIE}, "C1: geometry is not valid"),
        ({"valid_to": date(2017, 12, 31)}, "2017-12-31 is before valid_from"),
    ],
)
def test_a_licence_over_nothing_or_in_no_time_is_refused(
    wrong: dict[str, Any], rule: str
) -> None:
    refuses(LICENCE, rule, **wrong)


def test_a_licence_holds_from_the_first_to_the_end_of_the_last_day_in_shanghai() -> (
    None
):
    start, end = LICENCE.period()
    assert start == datetime(2017, 12, 31, 16, tzinfo=UTC)
    assert end == datetime(2020, 12, 31, 16, tzinfo=UTC)
    assert start.tzinfo is SHANGHAI
    one_day = replace(LICENCE, valid_to=LICENCE.valid_from)
    assert one_day.period()[1] - one_day.period()[0] == timedelta(days=1)


@pytest.mark.parametrize("unknown", ["valid_from", "valid_to"])
def test_a_licence_without_both_dates_has_no_period(unknown: str) -> None:
    open_ended = replace(LICENCE, **{unknown: None})
    assert not open_ended.dated
    with pytest.raises(ContractError, match="C1 has no complete period"):
        open_ended.period()


def test_one_invented_licence_makes_the_register_invented() -> None:
    invented = replace(LICENCE, licence_id="C2", invented=True)
    assert not RegisterSnapshot(snapshot_id="s", licences=(LICENCE,)).invented
    assert RegisterSnapshot(snapshot_id="s", licences=(LICENCE, invented)).invented


# --------------------------------------------------------------------------- parameters

NUMBERS: list[tuple[Callable[..., object], str, float, float]] = [
    (ClearParameters, "grow_m", 0.0, 1000.0),
    (ClearParameters, "snow_ndsi", -1.0, 1.0),
    (ClearParameters, "snow_green", 0.0, 1.0),
    (HistoryParameters, "harmonics", 0, 3),
    (HistoryParameters, "min_looks", 5, 10_000),
    (HistoryParameters, "ridge", 0.0, 100.0),
    (HistoryParameters, "sample_pixels", 100, 10_000_000),
    (EvidenceParameters, "drop", 0.5, 20.0),
    (EvidenceParameters, "clip", 0.1, 5.99),
    (EvidenceParameters, "min_sample", 1, 10_000_000),
    (OutlineParameters, "min_pixels", 1, 10_000),
    (OutlineParameters, "edge_share", 0.0, 1.0),
    (OutlineParameters, "edge_pixels", 0, 10),
    (OutlineParameters, "growth_gap_days", 1, 3660),
    (TrackingParameters, "min_overlap", 0.0, 1.0),
    (TrackingParameters, "recovering_days", 1, 3660),
    (LicensingParameters, "position_error_m", 0.0, 1000.0),
    (LicensingParameters, "min_part_m2", 0.0, 1e9),
    (LicensingParameters, "construction_near_m", 0.0, 10_000.0),
    (LicensingParameters, "exploration_works_m2", 0.0, 1e9),
    (AlertingParameters, "area_change", 0.0, 100.0),
]


@pytest.mark.parametrize(
    ("kind", "name", "low", "high"), NUMBERS, ids=[f"{n[1]}" for n in NUMBERS]
)
def test_a_parameter_is_refused_outside_its_range_and_taken_at_its_ends(
    kind: Callable[..., object], name: str, low: float, high: float
) -> None:
    others: dict[str, Any] = (
        {"until": date(2018, 6, 30)} if kind is HistoryParameters else {}
    )
    for good in (low, high):
        assert getattr(kind(**others, **{name: good}), name) == good
    step = 1 if isinstance(low, int) else 0.05
    for bad in (low - step, high + step, NAN, INFINITE, -INFINITE):
        with pytest.raises(ContractError, match=name):
            kind(**others, **{name: bad})


@pytest.mark.parametrize(
    "levels",
    [
        {"low": 9.0},
        {"medium": 13.0},
        {"high": 25.0},
        {"cap": 11.0},
        {"low": 0.0},
        {"low": NAN},
        {"cap": NAN},
        {"cap": 256.0},
        {"cap": INFINITE},
    ],
)
def test_levels_of_evidence_rise_and_can_be_stored(levels: dict[str, float]) -> None:
    with pytest.raises(ContractError, match=r"levels must rise|cap must be below"):
        EvidenceParameters(**levels)  # type: ignore[arg-type]


@pytest.mark.parametrize("clip", [6.0, 7.0])
def test_no_setting_may_let_one_look_reach_the_low_tier(clip: float) -> None:
    with pytest.raises(ContractError, match="one look is no evidence"):
        EvidenceParameters(clip=clip)


def test_no_setting_may_confirm_on_fewer_looks_than_it_is_said_to_need() -> None:
    defaults = EvidenceParameters()
    assert 2 * defaults.clip < defaults.high <= 3 * defaults.clip


@pytest.mark.parametrize("harmonics", [0, 1, 2, 3])
def test_a_reference_rests_on_more_looks_than_it_has_terms(harmonics: int) -> None:
    terms = 1 + 2 * harmonics
    with pytest.raises(ContractError, match=f"min_looks must be from {terms + 2}"):
        HistoryParameters(
            until=date(2018, 6, 30), harmonics=harmonics, min_looks=terms + 1
        )


@pytest.mark.parametrize("start", [date(2018, 6, 30), date(2019, 1, 1)])
def test_a_history_starts_before_it_ends(start: date) -> None:
    with pytest.raises(ContractError, match=r"must be before history\.until"):
        HistoryParameters(until=date(2018, 6, 30), start=start)


@pytest.mark.parametrize("name", ["clear_classes", "grown_classes"])
@pytest.mark.parametrize("scl", [-1, 12, 255])
def test_a_class_that_esa_does_not_have_is_refused(name: str, scl: int) -> None:
    with pytest.raises(ContractError, match=f"0 to 11, got {scl}"):
        ClearParameters(**{name: (4, scl)})  # type: ignore[arg-type]


def test_a_detector_without_an_index_is_refused() -> None:
    with pytest.raises(ContractError, match="indices is empty"):
        EvidenceParameters(indices=())


# ------------------------------------------------------------------------------ rasters


def scene() -> xr.Dataset:
    return xr.Dataset(
        {
            "reflectance": (("band", "y", "x"), np.zeros((2, 3, 4), dtype=np.float32)),
            "scl": (("y", "x"), np.zeros((3, 4), dtype=np.uint8)),
        }
    )


def test_a_raster_that_is_what_it_should_be_passes_unchanged() -> None:
    dataset = scene()
    assert check(dataset, SCENE) is dataset


@pytest.mark.parametrize(
    ("spoil", "rule"),
    [
        (
            lambda s: s.drop_vars("scl"),
            r"'scl' is missing; there are \['reflectance'\]",
        ),
        (lambda s: s.transpose("band", "x", "y"), "reflectance must have dims"),
        (lambda s: s.isel(band=0), "reflectance must have dims"),
        (
            lambda s: s.assign(scl=s["scl"].astype("int16")),
            "scl must be uint8, got int16",
        ),
        (lambda s: s.astype("float64").assign(scl=s["scl"]), "must be float32"),
    ],
)
def test_a_raster_of_other_dimensions_or_type_does_not_pass_a_door(
    spoil: Callable[[xr.Dataset], xr.Dataset], rule: str
) -> None:
    with pytest.raises(ContractError, match=rule):
        check(spoil(scene()), SCENE)


def test_every_raster_says_what_it_means() -> None:
    for spec in (REFLECTANCE, SCL, CLEAR):
        assert spec.units
        assert spec.meaning.endswith(".")
        assert np.dtype(spec.dtype)


def test_planes_are_views_under_their_names() -> None:
    state = np.zeros((len(EVIDENCE_PLANES) + 1, 1, 1), dtype=np.uint16)
    named = planes(state)
    assert list(named) == list(EVIDENCE_PLANES)
    named["confirmed"][...] = 7
    assert state[EVIDENCE_PLANES.index("confirmed")].item() == 7


# ---------------------------------------------------- sites, verdicts, alerts, and runs


@pytest.mark.parametrize(
    ("record", "wrong", "rule"),
    [
        (SITE, {"site_id": "x"}, "site_id must match"),
        (SITE, {"site_id": "sAAAAAAAAAAAA"}, "site_id must match"),
        (SITE, {"state": SiteState.MERGED}, "contradict each other"),
        (SITE, {"merged_into": "sbbbbbbbbbbbb"}, "contradict each other"),
        (VERDICT, {"parts": ()}, "has no part"),
        (VERDICT, {"category": Category.EXPIRED}, "no part is expired"),
        (VERDICT.parts[0], {"area_m2": 0.0}, "area_m2 must be positive"),
        (VERDICT.parts[0], {"area_m2": NAN}, "area_m2 must be positive"),
        (ALERT, {"alert_id": "saaaaaaaaaaaa"}, "alert_id must match"),
        (ALERT, {"version": 0}, "count from 1, got 0 and 1"),
        (ALERT, {"rank": 0}, "count from 1, got 1 and 0"),
        (ALERT, {"verdict": replace(VERDICT, site_id="s2")}, "verdict is on s2"),
        (PROVENANCE, {"settings_digest": "0" * 63}, "must be SHA-256 in hex"),
        (PROVENANCE, {"settings_digest": "G" * 64}, "must be SHA-256 in hex"),
        (POINTER, {"slot": 2}, "slots 0 and 1, got 2"),
        (POINTER, {"sha256": "0" * 65}, "hex of 64"),
    ],
)
def test_what_contradicts_itself_is_refused(
    record: Site | Verdict | Part | Alert | Provenance | SlotPointer,
    wrong: dict[str, Any],
    rule: str,
) -> None:
    refuses(record, rule, **wrong)


@pytest.mark.parametrize("category", list(Category))
def test_only_what_is_lawful_or_old_raises_no_alert(category: Category) -> None:
    silent = {Category.NOTHING_ABNORMAL, Category.LEGACY}
    assert verdict(SITE, category).raises_alert == (category not in silent)


def test_runs_that_share_state_share_a_line_and_every_run_has_its_own_id() -> None:
    week = IsoWeek(year=2020, week=53)
    run = Partition(district="d", week=week, algorithm="1", settings_digest="0" * 64)
    assert replace(run, week=week.next()).line == run.line
    assert replace(run, week=week.next()).run_id != run.run_id
    for change in ({"district": "e"}, {"algorithm": "2"}, {"settings_digest": "1"}):
        assert replace(run, **change).line != run.line
    assert run.run_id == f"d-2020-w53-{run.line}"


def test_a_pointer_stands_for_one_block_of_one_kind() -> None:
    assert replace(POINTER, slot=1, sha256="1" * 64).place == POINTER.place
    for change in ("line", "grid_id", "block_id", "kind"):
        assert replace(POINTER, **{change: "other"}).place != POINTER.place


# -------------------------------------------------------------------------------- weeks

SECOND = timedelta(seconds=1)


@pytest.mark.parametrize(
    ("instant", "week"),
    [
        ("2021-01-03T15:59:59+00:00", "2020-W53"),  # Sunday night in Shanghai
        ("2021-01-03T16:00:00+00:00", "2021-W01"),
        ("2020-12-27T16:00:00+00:00", "2020-W53"),
        ("2020-12-27T15:59:59+00:00", "2020-W52"),
        ("2021-01-04T00:00:00+08:00", "2021-W01"),
        ("2021-01-03T23:59:59+00:00", "2021-W01"),  # Sunday in UTC, Monday in Shanghai
        ("2019-12-29T16:00:00+00:00", "2020-W01"),  # ISO week 1 begins in December
        ("2022-01-01T12:00:00+00:00", "2021-W52"),
        ("2027-01-01T00:00:00+00:00", "2026-W53"),
    ],
)
def test_a_week_is_one_of_shanghai_days_also_around_new_year(
    instant: str, week: str
) -> None:
    assert str(IsoWeek.of(datetime.fromisoformat(instant))) == week


@given(st.dates(date(2015, 6, 23), date(2099, 12, 31)))
def test_weeks_follow_each_other_without_gap_or_overlap(day: date) -> None:
    week = IsoWeek.of(datetime(day.year, day.month, day.day, 4, tzinfo=UTC))
    assert week.start <= datetime(day.year, day.month, day.day, tzinfo=UTC) < week.end
    assert week.end == week.next().start
    assert week.end - week.start == timedelta(days=7)
    assert IsoWeek.of(week.start) == IsoWeek.of(week.end - SECOND) == week
    assert IsoWeek.of(week.end) == week.next() > week
    assert IsoWeek.parse(str(week)) == week
    assert week.last_day.isoweekday() == 7
    assert week.start.astimezone(SHANGHAI).time().isoformat() == "00:00:00"


@pytest.mark.parametrize(("year", "week"), [(2021, 53), (2020, 0), (2020, 54), (0, 1)])
def test_a_week_that_the_year_does_not_have_is_refused(year: int, week: int) -> None:
    with pytest.raises(ContractError, match=f"no such ISO week: {year}-W{week:02d}"):
        IsoWeek(year=year, week=week)


@pytest.mark.parametrize(
    "text", ["", "2020W53", "2020-W5", "2020-w53", "2020-W53 ", "20-W01", "2021-W53"]
)
def test_text_that_is_no_week_is_refused(text: str) -> None:
    with pytest.raises(ContractError, match="week"):
        IsoWeek.parse(text)
