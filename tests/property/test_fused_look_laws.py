"""The fused judging of a look gives, bit for bit, what the plain stages give."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from rsmonitor.records.parameters import EvidenceParameters, RescueParameters
from rsmonitor.records.rasters import REFERENCE_FILL, HistoryClass, planes
from rsmonitor.records.scene import SceneNumbers
from rsmonitor.stages.clear import ClearCounts
from rsmonitor.stages.evidence import SceneStatistics, initial_state
from rsmonitor.stages.evidence import observe as observe_plainly
from rsmonitor.stages.fused.look import observe
from rsmonitor.stages.fused.rows import index_values
from rsmonitor.stages.fused.screen import CLEAR, FLAT, POSSIBLE, STANDING
from rsmonitor.stages.history import Norm
from rsmonitor.stages.indices import spectral_indices, weights
from rsmonitor.stages.levelling import Cells
from rsmonitor.stages.reflectance import reflectance_of
from rsmonitor.stages.rescue import Patches
from rsmonitor.stages.sight import Sight, with_rescued

NAMES = ("ndvi", "ndmi", "nbsi", "dred")
FINE, COARSE = ("B02", "B04", "B08"), ("B8A", "B11", "B12")


def some_numbers(
    rng: np.random.Generator, shape: tuple[int, int], *, ratio: int, floats: bool
) -> SceneNumbers:
    """Make numbers with gaps, saturation and dark ground."""
    row, col = (-int(rng.integers(0, ratio)) for _ in range(2))
    coarse_shape = tuple(
        -(-(length - start) // ratio) + int(rng.integers(0, 2))
        for length, start in zip(shape, (row, col), strict=True)
    )
    fine = rng.integers(900, 4000, (len(FINE), *shape)).astype(np.uint16)
    coarse = rng.integers(900, 4000, (len(COARSE), *coarse_shape)).astype(np.uint16)
    for array in (fine, coarse):
        array[rng.random(array.shape) < 0.02] = 0
        array[rng.random(array.shape) < 0.02] = 65_535
    if floats:
        fine, coarse = (
            np.where(
                (array == 0) | (array == 65_535),
                np.float32(np.nan),
                (array.astype(np.float32) - 1000) / 10_000,
            ).astype(np.float32)
            for array in (fine, coarse)
        )
    return SceneNumbers(
        fine_bands=FINE,
        coarse_bands=COARSE,
        fine=fine,
        coarse=coarse,
        ratio=ratio,
        row=row,
        col=col,
        scl=np.zeros(shape, dtype=np.uint8),
        add_offset=-1000,
    )


def some_flags(rng: np.random.Generator, shape: tuple[int, int]) -> NDArray[np.uint8]:
    """Make flags as a screen could give them."""
    possible = rng.random(shape) < 0.9
    clear = possible & (rng.random(shape) < 0.8)
    standing = possible & (rng.random(shape) < 0.4)
    flat = standing & (rng.random(shape) < 0.2)
    flags: NDArray[np.uint8] = (
        clear * CLEAR + possible * POSSIBLE + standing * STANDING + flat * FLAT
    ).astype(np.uint8)
    return flags


def plain_sight(numbers: SceneNumbers, flags: NDArray[np.uint8]) -> Sight:
    """Make of numbers and flags what the plain stages take."""
    reflectance = reflectance_of(numbers)
    values = spectral_indices(reflectance, bands=numbers.bands, names=NAMES)
    possible = (flags & POSSIBLE) > 0
    values[:, ~(possible & np.isfinite(values).all(axis=0))] = np.nan
    measured = np.isfinite(values[0])
    return Sight(
        values=values,
        clear=((flags & CLEAR) > 0) & measured,
        patches=Patches(
            standing=((flags & STANDING) > 0) & measured,
            flat=((flags & FLAT) > 0) & measured,
        ),
        red=reflectance[numbers.bands.index("B04")],
        cloudy=np.zeros(flags.shape, dtype=bool),
        counts=ClearCounts(
            pixels=0, not_measured=0, classed_out=0, grown_out=0, snow=0, clear=0
        ),
    )


def some_reference(
    rng: np.random.Generator, shape: tuple[int, int], harmonics: int
) -> NDArray[np.int16]:
    """Make a reference near what the numbers show, with ground that is not watched."""
    own = 2 + 2 * harmonics
    reference = rng.integers(-600, 600, (len(NAMES) * own + 3, *shape)).astype(np.int16)
    for k, level in enumerate((0, 0, 0, 8000)):
        reference[k * own] += level
        reference[(k + 1) * own - 1] = rng.integers(100, 3000, shape)
    reference[-2] = 16_000
    reference[-1] = HistoryClass.STABLE
    reference[:-3, rng.random(shape) < 0.1] = REFERENCE_FILL
    return reference


@given(
    seed=st.integers(0, 10_000),
    shape=st.tuples(st.integers(1, 40), st.integers(1, 40)),
    ratio=st.sampled_from([1, 2, 3]),
    floats=st.booleans(),
    harmonics=st.integers(0, 2),
    cells=st.sampled_from([(1, 1), (3, 4), (5, 3)]),
    drop=st.sampled_from([0.5, 3.0]),
)
@settings(max_examples=60, deadline=None)
def test_looks_added_in_one_pass_are_looks_added_plainly(
    seed: int,
    shape: tuple[int, int],
    ratio: int,
    floats: bool,  # noqa: FBT001 - given by hypothesis
    harmonics: int,
    cells: tuple[int, int],
    drop: float,
) -> None:
    rng = np.random.default_rng(seed)
    reference = some_reference(rng, shape, harmonics)
    lattice = Cells(height=100, width=90, rows=cells[0], cols=cells[1])
    place = (slice(30, 30 + shape[0]), slice(17, 17 + shape[1]))
    norm = Norm(
        spread=np.full(4, 0.02, np.float32),
        floor=np.array([0.02, 0.03, 0.02, 0.05], np.float32),
        level=np.zeros(4, np.float32),
        combined=0.7,
    )
    evidence = EvidenceParameters(drop=drop, low=5.0, medium=6.0, high=7.0)
    rescue = RescueParameters()
    share = weights(NAMES)
    plain = initial_state(reference, len(NAMES))
    fused = plain.copy()
    for look in range(6):
        numbers = some_numbers(rng, shape, ratio=ratio, floats=floats)
        flags = some_flags(rng, shape)
        statistics = SceneStatistics(
            offset=rng.normal(0, 0.05, (4, cells[0] * cells[1])).astype(np.float32),
            noise=1 + rng.random((4, cells[0] * cells[1])).astype(np.float32),
            sample=100,
            weak_cells=0,
        )
        clouds = 0.1 if look != 3 else 0.9
        day = 17_000 + 5 * look
        seen = plain_sight(numbers, flags)
        np.testing.assert_array_equal(
            index_values(numbers, NAMES, (flags & POSSIBLE) > 0, np.arange(shape[0])),
            seen.values,
        )
        bright, values, rescued = with_rescued(
            seen,
            planes(plain)["bright_looks"],
            cloud_share=clouds,
            parameters=rescue,
        )
        plain = observe_plainly(
            plain,
            reference,
            values,
            day=day,
            weights=share,
            shared=statistics.over(lattice, *place),
            norm=norm,
            parameters=evidence,
        )
        planes(plain)["bright_looks"][...] = bright
        taken_back = observe(
            fused,
            reference,
            numbers,
            flags,
            day=day,
            names=NAMES,
            weights=share,
            statistics=statistics,
            cells=lattice,
            place=place,
            cloud_share=clouds,
            norm=norm,
            evidence=evidence,
            rescue=rescue,
        )
        assert taken_back == rescued
        np.testing.assert_array_equal(fused, plain)


def test_the_law_sees_disturbances_confirmations_and_rescues() -> None:
    """Guard the law above against inputs in which nothing happens."""
    rng = np.random.default_rng(1)
    shape = (40, 40)
    reference = some_reference(rng, shape, 1)
    state = initial_state(reference, len(NAMES))
    rescued = 0
    for look in range(6):
        rescued += observe(
            state,
            reference,
            some_numbers(rng, shape, ratio=2, floats=False),
            some_flags(rng, shape),
            day=17_000 + look,
            names=NAMES,
            weights=weights(NAMES),
            statistics=SceneStatistics(
                offset=np.zeros((4, 1), np.float32),
                noise=np.ones((4, 1), np.float32),
                sample=100,
                weak_cells=0,
            ),
            cells=Cells(height=40, width=40, rows=1, cols=1),
            place=(slice(0, 40), slice(0, 40)),
            cloud_share=0.0,
            norm=Norm(
                spread=np.full(4, 0.02, np.float32),
                floor=np.full(4, 0.02, np.float32),
                level=np.zeros(4, np.float32),
                combined=0.7,
            ),
            evidence=EvidenceParameters(drop=0.5, low=5.0, medium=6.0, high=7.0),
            rescue=RescueParameters(),
        )
    plane = planes(state)
    assert rescued
    assert (plane["confirmed"] > 0).any()
    assert ((plane["confirmed"] == 0) & (plane["first_seen"] > 0)).any()
    assert (plane["last_clear"][reference[0] == REFERENCE_FILL] >= 17_000).any()


def test_an_index_without_a_kernel_is_refused() -> None:
    numbers = some_numbers(np.random.default_rng(1), (4, 4), ratio=2, floats=False)
    with pytest.raises(Exception, match="evi"):
        index_values(numbers, ("evi",), np.ones((4, 4), bool), np.arange(4))
