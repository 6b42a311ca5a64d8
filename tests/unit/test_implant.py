import numpy as np
import pytest
import shapely
from forest import FOREST, SIDE, START, forest

from rsmonitor.errors import ContractError
from rsmonitor.lab.implant import (
    Conditions,
    Course,
    Implant,
    Part,
    Shape,
    area_fractions,
    conditions,
    draw_parts,
    footprint,
    implanted,
)
from rsmonitor.lab.series import Series, Truth
from rsmonitor.lab.spectra import BANDS, MATERIALS, Material, material
from rsmonitor.records.rasters import Scl


def quiet_air(series: Series) -> Conditions:
    return Conditions(
        gain=np.ones(series.scl.shape, dtype=np.float32),
        haze=np.zeros_like(series.reflectance),
        clear=np.ones(series.scl.shape, dtype=np.bool_),
        shifts=np.zeros((series.days.size, 2)),
    )


def square(side_m: float, name: str = "bare_soil") -> tuple[Part, ...]:
    half = side_m / 2
    return (Part(outline=shapely.box(-half, -half, half, half), material=name),)


def dig(side_m: float = 160.0, **other: object) -> Implant:
    given = {"row": 20.0, "col": 20.0, "parts": square(side_m), "began": START + 20}
    return Implant(**(given | other))  # type: ignore[arg-type]


def test_deep_inside_an_implant_only_its_material_is_seen() -> None:
    series = forest()
    changed = implanted(series, [dig()], quiet_air(series))
    soil = material("bare_soil").values(BANDS)
    np.testing.assert_allclose(changed.reflectance[3, :, 20, 20], soil, rtol=1e-5)


def test_nothing_changes_before_it_begins_nor_far_from_it() -> None:
    series = forest()
    changed = implanted(series, [dig()], quiet_air(series))
    assert (changed.reflectance[:2] == series.reflectance[:2]).all()
    assert (changed.reflectance[:, :, :4] == series.reflectance[:, :, :4]).all()
    assert (changed.scl == series.scl).all()


def test_a_contrast_of_nothing_leaves_every_pixel_as_it_was() -> None:
    series = forest()
    changed = implanted(series, [dig(contrast=0.0)], quiet_air(series))
    np.testing.assert_allclose(changed.reflectance, series.reflectance, rtol=1e-6)


def test_half_a_pixel_covered_is_half_the_change_of_a_sharp_band() -> None:
    series = forest(bands=("B04", "B08"))
    # half a pixel more on each side than whole pixels, so wide that edges are apart
    changed = implanted(series, [dig(150.0)], quiet_air(series))
    soil = material("bare_soil").values(("B04",))[0]
    column = changed.reflectance[3, 0, 20]
    real = series.reflectance[3, 0, 20]
    share = (column - real) / (soil - real)
    assert share[12] == pytest.approx(0.5, abs=0.03)
    assert share[20] == pytest.approx(1.0, abs=0.001)
    assert share[8] == pytest.approx(0.0, abs=0.001)


def test_bands_of_20_m_smear_it_over_more_pixels() -> None:
    series = forest(bands=("B08", "B8A"))
    changed = implanted(series, [dig(20.0)], quiet_air(series))
    moved = np.abs(changed.reflectance[3] - series.reflectance[3]) > 1e-4
    assert moved[1].sum() > 1.5 * moved[0].sum()


def test_a_cloud_over_it_hides_it() -> None:
    series = forest()
    air = quiet_air(series)
    air.clear[3] = False
    changed = implanted(series, [dig()], air)
    assert (changed.reflectance[3] == series.reflectance[3]).all()
    assert not (changed.reflectance[4] == series.reflectance[4]).all()


def test_a_cloud_over_a_part_of_it_hides_that_part() -> None:
    series = forest()
    air = quiet_air(series)
    air.clear[3, :, :20] = False
    changed = implanted(series, [dig()], air)
    same = changed.reflectance[3] == series.reflectance[3]
    assert same[:, :, :20].all()
    assert not same[:, 20, 20].any()


def test_it_moves_with_a_scene_that_is_off() -> None:
    series = forest()
    air = quiet_air(series)
    air.shifts[3] = 0.0, 2.0
    changed = implanted(series, [dig(60.0)], air).reflectance[:, 2]
    # red of row 20, brightest in the middle
    red = changed[[3, 4], 20] - FOREST[2]
    middle = (red.clip(0.02) * np.arange(SIDE)).sum(1) / red.clip(0.02).sum(1)
    assert middle[0] > middle[1]
    centre = [np.average(np.arange(SIDE), weights=row > 0.05) for row in red]
    assert centre[0] - centre[1] == pytest.approx(2.0, abs=0.1)


def test_it_is_as_bright_as_the_light_of_the_look() -> None:
    series = forest()
    air = quiet_air(series)
    air.gain[3] = 0.8
    air.haze[3] = 0.01
    changed = implanted(series, [dig()], air)
    soil = material("bare_soil").values(BANDS)
    np.testing.assert_allclose(
        changed.reflectance[3, :, 20, 20], 0.8 * soil + 0.01, rtol=1e-5
    )


def test_a_growing_dig_has_half_its_area_after_half_its_time() -> None:
    slow = dig(course=Course.GROWING, lasts_days=20)
    assert slow.share_on(START + 19) == 0
    assert slow.share_on(START + 29) == pytest.approx(0.5)
    series = forest(bands=("B04", "B08"))
    changed = implanted(series, [slow], quiet_air(series))
    # a look after 11 of 20 days
    soil = material("bare_soil").values(("B04",))[0]
    added = changed.reflectance[3, 0] - series.reflectance[3, 0]
    area = (added / (soil - series.reflectance[3, 0])).sum() * 100
    assert area == pytest.approx(160**2 * 11 / 20, rel=0.02)


def test_a_dig_covered_again_looks_as_before_or_like_its_cover() -> None:
    series = forest()
    gone = dig(course=Course.COVERED, lasts_days=15)
    changed = implanted(series, [gone], quiet_air(series))
    assert not (changed.reflectance[3] == series.reflectance[3]).all()
    assert (changed.reflectance[4] == series.reflectance[4]).all()
    netted = dig(course=Course.COVERED, lasts_days=15, cover="green_net")
    changed = implanted(series, [netted], quiet_air(series))
    net = material("green_net").values(BANDS)
    np.testing.assert_allclose(changed.reflectance[4, :, 20, 20], net, rtol=1e-5)


def test_the_truth_knows_where_and_when_it_began() -> None:
    series = forest()
    changed = implanted(series, [dig(150.0)], quiet_air(series))
    assert changed.truth[20, 20] == Truth.OPENED
    assert changed.began_by[20, 20] == START + 20
    assert changed.began_after[20, 20] == START + 19
    assert changed.truth[0, 0] == Truth.UNCHANGED
    quarter = 0.25
    assert footprint(dig(150.0), (SIDE, SIDE), 10.0)[12, 12] == quarter
    assert changed.truth[12, 12] == Truth.NOT_COUNTED
    assert (series.truth == Truth.UNCHANGED).all()


def test_a_bright_implant_can_be_taken_for_cloud_and_a_dark_one_cannot() -> None:
    series = forest()
    for name, taken in (("tailings", True), ("black_liner", False)):
        changed = implanted(
            series,
            [dig(parts=square(100.0, name))],
            quiet_air(series),
            cloud_share=1.0,
            random=np.random.default_rng(1),
        )
        assert (changed.scl[3, 20, 20] == Scl.CLOUD_HIGH) == taken
        assert changed.scl[3, 2, 2] == Scl.VEGETATION


def test_gain_haze_and_shift_are_read_from_the_real_pixels() -> None:
    series = forest(n_time=9, bands=("B03", "B04", "B08"))
    texture = np.random.default_rng(2).normal(1, 0.15, (SIDE + 4, SIDE + 4))
    values = series.reflectance.copy()
    values *= texture[2:-2, 2:-2].astype(np.float32)
    # brighter, hazier in green and red
    values[4] *= 1.2
    values[4, :2] += 0.02
    dim = Series(
        name="textured",
        days=series.days,
        bands=series.bands,
        reflectance=values,
        scl=series.scl,
        pixel_m=10.0,
        connected=True,
        history_until=START,
        truth=series.truth,
        began_after=series.began_after,
        began_by=series.began_by,
    )
    air = conditions(dim, np.ones(dim.scl.shape, dtype=np.bool_))
    assert np.median(air.gain[4]) == pytest.approx(1.2, abs=0.02)
    assert np.median(air.haze[4, 1]) == pytest.approx(0.02, abs=0.003)
    # its neighbours in time are compared with it among others
    assert np.median(air.gain[0]) == pytest.approx(1.0, abs=0.06)
    assert (air.haze[:, 2] == 0).all()


def test_where_nothing_was_seen_nothing_is_assumed_of_the_light() -> None:
    series = forest()
    air = conditions(series, np.zeros(series.scl.shape, dtype=np.bool_))
    assert (air.gain == 1).all()
    assert (air.haze == 0).all()
    assert (air.shifts == 0).all()


@pytest.mark.parametrize("area", [0.0, -1.0, float("nan"), float("inf")])
def test_an_area_must_be_positive(area: float) -> None:
    with pytest.raises(ContractError, match="area"):
        draw_parts(Shape.DISC, area, "bare_soil", np.random.default_rng(1))


@pytest.mark.parametrize(
    ("other", "message"),
    [
        ({"contrast": 1.1}, "contrast"),
        ({"parts": ()}, "part"),
        ({"course": Course.COVERED}, "lasts_days"),
    ],
)
def test_an_implant_that_makes_no_sense_is_refused(
    other: dict[str, object], message: str
) -> None:
    with pytest.raises(ContractError, match=message):
        dig(**other)


def test_chance_is_needed_to_call_some_looks_cloud() -> None:
    series = forest()
    with pytest.raises(ContractError, match="chance"):
        implanted(series, [dig()], quiet_air(series), cloud_share=0.5)
    with pytest.raises(ContractError, match="cloud_share"):
        implanted(series, [dig()], quiet_air(series), cloud_share=1.5)


def test_an_in_situ_site_is_a_track_with_clearings_and_wet_spots() -> None:
    parts = draw_parts(Shape.IN_SITU, 2000.0, "bare_soil", np.random.default_rng(3))
    assert len(parts) > 5
    assert {part.material for part in parts} == {"bare_soil", "turbid_pond"}
    assert sum(part.outline.area for part in parts) == pytest.approx(2000, rel=1e-6)
    whole = shapely.union_all([part.outline for part in parts])
    # it is thin: far longer than a disc of its area is wide
    left, upper, right, lower = whole.bounds
    assert np.hypot(right - left, lower - upper) > 2 * np.sqrt(2000 / np.pi)


def test_every_spectrum_says_where_it_is_from_and_what_was_filled_in() -> None:
    for name, one in MATERIALS.items():
        assert one.name == name
        assert len(one.source) > 30
        assert one.assumed == ("assumed" in one.source or "no public" in one.source)


def test_a_spectrum_has_all_bands_or_is_refused() -> None:
    with pytest.raises(ContractError, match="7 bands"):
        Material(
            name="grey", reflectance=(0.1,), source="none", derived={}, assumed=True
        )
    with pytest.raises(ContractError, match="no material 'gold'"):
        material("gold")
    with pytest.raises(ContractError, match="B09"):
        material("bare_soil").values(("B04", "B09"))


def test_an_outline_beyond_the_grid_covers_nothing_of_it() -> None:
    assert area_fractions(shapely.box(20, 20, 30, 30), (10, 10)).sum() == 0
