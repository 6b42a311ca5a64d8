"""Indices: what they are, what they need, and that losing cover lowers each of them."""

from typing import Any

import numpy as np
import pytest
from pixels import fixed

from rsmonitor.errors import ContractError
from rsmonitor.stages.indices import (
    INDICES,
    available,
    bands_needed,
    normalized_difference,
    spectral_indices,
    weights,
)

BANDS = ("B02", "B03", "B04", "B08", "B8A", "B11", "B12")
FOREST = (0.02, 0.04, 0.02, 0.32, 0.34, 0.14, 0.06)
SOIL = (0.08, 0.12, 0.18, 0.26, 0.28, 0.34, 0.28)


def one(reflectance: tuple[float, ...], *names: str) -> list[float]:
    """Give indices of one pixel."""
    values = spectral_indices(
        fixed(reflectance, np.float32)[:, None, None], bands=BANDS, names=names
    )
    return [float(v) for v in values[:, 0, 0]]


@pytest.mark.parametrize("name", INDICES)
def test_losing_plant_cover_lowers_every_index(name: str) -> None:
    assert one(SOIL, name)[0] < one(FOREST, name)[0] - 0.2


@pytest.mark.parametrize(
    ("name", "theirs", "sign"),
    [("ndvi", "NDVI", 1), ("ndmi", "NDMI", 1), ("nbr", "NBR", 1), ("nbsi", "BI", -1)],
)
def test_an_index_is_what_the_field_means_by_its_name(
    name: str, theirs: str, sign: int
) -> None:
    spyndex = pytest.importorskip("spyndex", reason='pip install "rsmonitor[dev]"')
    random = np.random.default_rng(1)
    reflectance = random.uniform(0.01, 0.6, (len(BANDS), 20, 20)).astype(np.float32)
    by_band = dict(zip(BANDS, reflectance.astype(np.float64), strict=True))
    near = by_band["B8A" if name in {"ndmi", "nbr"} else "B08"]
    parameters: dict[str, Any] = {
        "B": by_band["B02"],
        "R": by_band["B04"],
        "N": near,
        "S1": by_band["B11"],
        "S2": by_band["B12"],
    }
    needed = spyndex.indices[theirs].bands
    expected = spyndex.computeIndex(
        [theirs], params={band: parameters[band] for band in needed}
    )
    ours = spectral_indices(reflectance, bands=BANDS, names=(name,))[0]
    np.testing.assert_allclose(ours, sign * expected, rtol=1e-5, atol=1e-6)


def test_red_is_read_on_a_log_scale_with_a_floor_under_its_noise() -> None:
    red = fixed([[0.1, 0.01, 0.002, 0.0019, 0.0, -0.1, np.nan]], np.float32)[None]
    values = spectral_indices(red, bands=("B04",), names=("dred",))[0, 0]
    np.testing.assert_allclose(
        values, [1.0, 2.0, 2.69897, 2.69897, 2.69897, 2.69897, np.nan], rtol=1e-5
    )


@pytest.mark.parametrize(
    ("a", "b"), [(-0.1, 0.3), (0.3, -0.1), (-0.2, -0.3), (0.0, 0.0), (0.1, -0.1)]
)
def test_negative_or_no_light_gives_no_index_and_no_warning(a: float, b: float) -> None:
    ratio = normalized_difference(fixed([a], np.float32), fixed([b], np.float32))
    assert np.isnan(ratio).all()
    assert ratio.dtype == np.float32


def test_a_band_that_reads_nothing_is_a_measurement() -> None:
    zero, light = fixed([0.0], np.float32), fixed([0.3], np.float32)
    assert normalized_difference(zero, light).item() == -1
    assert normalized_difference(light, zero).item() == 1


def test_the_finer_near_infrared_is_taken_where_both_are_there() -> None:
    assert one(FOREST, "ndvi")[0] == pytest.approx((0.32 - 0.02) / 0.34)
    assert one(FOREST, "ndmi")[0] == pytest.approx((0.34 - 0.14) / 0.48)


def test_the_other_near_infrared_stands_in() -> None:
    pixel = fixed([0.02, 0.34], np.float32)[:, None, None]
    values = spectral_indices(pixel, bands=("B04", "B8A"), names=("ndvi",))
    assert values.item() == pytest.approx((0.34 - 0.02) / 0.36)


def test_indices_come_in_the_order_asked_for() -> None:
    assert one(FOREST, "dred", "ndvi") == one(FOREST, "ndvi", "dred")[::-1]


@pytest.mark.parametrize("band", range(3))
def test_an_index_is_unknown_where_any_of_its_bands_is(band: int) -> None:
    reflectance = np.full((3, 1, 2), 0.2, dtype=np.float32)
    reflectance[band, 0, 0] = np.nan
    values = spectral_indices(
        reflectance, bands=("B04", "B08", "B11"), names=("ndvi", "ndmi")
    )
    unknown = np.isnan(values[:, 0, 0]).tolist()
    assert unknown == {0: [True, False], 1: [True, True], 2: [False, True]}[band]
    assert np.isfinite(values[:, 0, 1]).all()


def test_indices_whose_bands_are_missing_are_left_out() -> None:
    wanted = ("nbr", "ndvi", "ndmi", "dred", "nbsi")
    assert available(wanted, ("B02", "B03", "B04", "B08")) == ("ndvi", "dred")
    assert available(wanted, BANDS) == wanted
    assert available(wanted, ()) == ()


def test_only_the_bands_that_are_needed_are_read_in_the_order_of_the_source() -> None:
    assert bands_needed(("ndmi", "dred"), BANDS) == ("B04", "B8A", "B11")
    assert bands_needed(("ndvi",), ("B8A", "B04")) == ("B8A", "B04")
    assert bands_needed((), BANDS) == ()


def test_sharp_bands_weigh_twice_as_much_as_blurred_ones() -> None:
    assert weights(("ndmi", "ndvi")) == pytest.approx([1 / 3, 2 / 3])
    for names in (("ndvi",), ("nbr", "nbsi"), tuple(INDICES)):
        assert weights(names).sum() == pytest.approx(1)


def test_an_index_that_nobody_knows_is_refused_by_name() -> None:
    with pytest.raises(ContractError, match=r"no index 'savi'; there are ndvi"):
        available(("ndvi", "savi"), BANDS)


def test_an_index_without_its_band_is_refused_with_both() -> None:
    with pytest.raises(ContractError, match=r"ndmi needs B8A\|B08, B11; there are B04"):
        spectral_indices(
            np.zeros((1, 1, 1), dtype=np.float32), bands=("B04",), names=("ndmi",)
        )
