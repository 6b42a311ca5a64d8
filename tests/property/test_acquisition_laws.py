"""Laws of identity: what is one look, and which products hold it."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st

from rsmonitor.errors import ContractError
from rsmonitor.records.offer import Offer, Radiometry
from rsmonitor.stages.acquisitions import Acquisition, acquisitions, version_id

PASS = datetime(2023, 8, 21, 2, 55, 41, 24_000, tzinfo=UTC)
RADIOMETRY = Radiometry(add_offset=-1000, quantification_value=10_000, because="a test")
NORTH, SOUTH = shapely.box(115, 24.5, 116, 25), shapely.box(115, 24, 116, 24.5)
WHOLE = shapely.box(115, 24, 116, 25)


def offer(
    *,
    start: datetime = PASS,
    version: str = "05.09",
    made: int = 5,
    platform: str = "S2A",
    footprint: shapely.Polygon | None = WHOLE,
    sensed: int = 65,
    product_id: str | None = None,
) -> Offer:
    created_at = start + timedelta(hours=made)
    named = (
        f"{platform}_MSIL2A_{start:%Y%m%dT%H%M%S}_N{version.replace('.', '')}_R029_"
        f"T50RKN_{created_at:%Y%m%dT%H%M%S}"
    )
    return Offer(
        product_id=named if product_id is None else product_id,
        mgrs_tile="50RKN",
        platform=platform,
        datatake_start=start,
        sensed_at=start + timedelta(seconds=sensed),
        processing_baseline=version,
        radiometry=RADIOMETRY,
        source="test",
        created_at=created_at,
        footprint=footprint,
    )


def grouped(*offers: Offer) -> tuple[Acquisition, ...]:
    return acquisitions(offers, grid_id="50RKN")


offers_of_any_kind = st.lists(
    st.builds(
        offer,
        start=st.sampled_from(
            [PASS, PASS + timedelta(days=5), PASS + timedelta(minutes=100)]
        ),
        version=st.sampled_from(["02.14", "04.00", "05.09", "05.10"]),
        made=st.integers(1, 4),
        platform=st.sampled_from(["S2A", "S2B", "S2C"]),
        footprint=st.sampled_from([None, WHOLE, NORTH, SOUTH]),
        sensed=st.sampled_from([60, 65, 72]),
        product_id=st.sampled_from([None, "S2_50RKN_0_L2A", "S2_50RKN_1_L2A"]),
    ),
    max_size=12,
)


@given(offers=offers_of_any_kind, data=st.data())
def test_the_order_of_listing_changes_nothing(
    offers: list[Offer], data: st.DataObject
) -> None:
    shuffled = data.draw(st.permutations(offers))
    assert grouped(*offers) == grouped(*shuffled)
    assert grouped(*offers, *shuffled) == grouped(*offers)


@given(offers=offers_of_any_kind)
def test_every_product_belongs_to_one_look_and_every_look_to_one_pass(
    offers: list[Offer],
) -> None:
    looks = grouped(*offers)
    keys = [look.key for look in looks]
    assert len(keys) == len(set(keys))
    passes = {
        (one.platform, one.datatake_start.replace(microsecond=0)) for one in offers
    }
    assert {(key.platform, key.datatake_start) for key in keys} == passes
    told = [
        *(version_id(one) for look in looks for one in look.offers),
        *(name for look in looks for name in look.superseded),
    ]
    assert set(told) == {version_id(one) for one in offers}


@given(offers=offers_of_any_kind.filter(bool))
def test_the_newest_processing_comes_first_and_ground_is_never_lost(
    offers: list[Offer],
) -> None:
    for look in grouped(*offers):
        of_look = [
            one
            for one in offers
            if one.platform == look.key.platform
            and one.datatake_start.replace(microsecond=0) == look.key.datatake_start
        ]
        newest = max(of_look, key=lambda one: (one.processing_baseline, one.created_at))
        first = look.offers[0]
        assert first.processing_baseline == newest.processing_baseline
        assert first.created_at == newest.created_at
        if all(one.footprint is not None for one in of_look):
            shown = shapely.union_all([one.footprint for one in look.offers])
            there = shapely.union_all([one.footprint for one in of_look])
            assert there.difference(shown).area < 1e-6


def test_a_scene_processed_again_keeps_its_key_and_changes_its_product() -> None:
    (before,) = grouped(offer(version="02.14"))
    (after,) = grouped(offer(version="02.14"), offer(version="05.00", made=9000))
    assert after.key == before.key
    assert after.product != before.product
    assert after.product.processing_baseline == "05.00"
    assert len(after.offers) == 1
    assert after.superseded == (version_id(before.offers[0]),)


def test_an_archive_id_that_stays_the_same_still_tells_a_new_version() -> None:
    twin = offer(product_id="S2A_50RKN_20230821_0_L2A")
    again = replace(twin, created_at=PASS + timedelta(days=700))
    (before,), (after,) = grouped(twin), grouped(again)
    assert after.key == before.key
    assert after.product.product_id != before.product.product_id
    assert after.product.product_id.startswith("S2A_50RKN_20230821_0_L2A@05.09@")


def test_twins_zero_and_one_are_one_look_and_one_is_read() -> None:
    twins = [
        offer(product_id=f"S2A_50RKN_20230821_{number}_L2A", made=5 + number)
        for number in (0, 1)
    ]
    (look,) = grouped(*twins)
    assert [one.product_id for one in look.offers] == ["S2A_50RKN_20230821_1_L2A"]
    (without,) = grouped(*(replace(one, footprint=None) for one in twins))
    assert len(without.offers) == 1


def test_strips_of_a_split_tile_are_one_look_of_both() -> None:
    for known in (True, False):
        strips = [
            offer(footprint=NORTH if known else None, sensed=60, made=5),
            offer(footprint=SOUTH if known else None, sensed=68, made=6),
        ]
        (look,) = grouped(*strips)
        assert len(look.offers) == 2
        assert "+" in look.product.product_id
        assert look.product.sensed_at == PASS + timedelta(seconds=60)
    (again,) = grouped(
        *strips, offer(footprint=NORTH, sensed=60, made=9, version="05.10")
    )
    assert again.key == look.key
    assert again.product.product_id != look.product.product_id


def test_a_strip_of_an_old_version_stays_beside_a_new_version_of_the_other() -> None:
    (look,) = grouped(
        offer(footprint=NORTH, version="02.14", made=5),
        offer(footprint=SOUTH, version="02.14", made=6),
        offer(footprint=SOUTH, version="05.00", made=9000),
    )
    assert [one.processing_baseline for one in look.offers] == ["05.00", "02.14"]
    assert look.offers[1].footprint == NORTH


@pytest.mark.parametrize("platform", ["S2A", "S2B", "S2C", "S2D", "S2Z"])
def test_any_satellite_is_welcome(platform: str) -> None:
    (look,) = grouped(offer(platform=platform))
    assert look.key.platform == platform


def test_two_satellites_on_one_day_are_two_looks() -> None:
    for product_id in (None, "one id"):
        pair = [
            offer(platform=platform, product_id=product_id)
            for platform in ("S2A", "S2C")
        ]
        assert len(grouped(*pair)) == 2


def test_metadata_with_milliseconds_and_a_name_without_are_one_look() -> None:
    exact = offer(product_id="exact")
    (look,) = grouped(offer(start=PASS.replace(microsecond=0), made=6), exact)
    assert look.key.datatake_start == PASS.replace(microsecond=0)


def test_a_sensing_time_in_place_of_the_datatake_joins_the_pass_it_was_on() -> None:
    sensed = PASS + timedelta(minutes=20)
    (look,) = grouped(
        offer(sensed=1200),
        replace(
            offer(product_id="S2A_50RKN_20230821_0_L2A"),
            datatake_start=sensed,
            sensed_at=sensed,
        ),
    )
    assert look.key.datatake_start == PASS.replace(microsecond=0)


def test_the_next_pass_is_another_look() -> None:
    later = PASS + timedelta(minutes=100)
    first, second = grouped(offer(), offer(start=later, product_id="later"))
    assert second.key.datatake_start > first.key.datatake_start


def test_offers_of_two_tiles_or_without_a_zone_are_refused() -> None:
    with pytest.raises(ContractError, match="one tile"):
        grouped(offer(), replace(offer(), mgrs_tile="50RLN"))
    with pytest.raises(ContractError, match="UTC"):
        grouped(replace(offer(), sensed_at=datetime(2023, 8, 21)))  # noqa: DTZ001
