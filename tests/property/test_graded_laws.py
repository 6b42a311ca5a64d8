"""Outlines from blocks are those of the whole raster; those, of one object at a time.

The plain oracle below draws object by object and counts with numpy's own functions.
"""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import fields
from datetime import date
from random import Random
from typing import cast

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray
from pixels import DAY, degrees, evidence, fixed, metres
from rasterio import features
from rasterio.transform import Affine
from scipy import ndimage
from shapely import MultiPolygon, Polygon
from shapely.geometry import shape

from rsmonitor.errors import ContractError
from rsmonitor.records.disturbance import Disturbance
from rsmonitor.records.grid import Block, Grid
from rsmonitor.records.parameters import EvidenceParameters, OutlineParameters
from rsmonitor.records.rasters import (
    DEPARTURE_ZERO,
    EVIDENCE_PLANES,
    REFERENCE_FILL,
    SCORE_SCALE,
    Tier,
    planes,
)
from rsmonitor.stages import tracing
from rsmonitor.stages.edges import core
from rsmonitor.stages.evidence import strength, tiers
from rsmonitor.stages.features import FEATURE_ORDER, measure
from rsmonitor.stages.geodesy import pixel_area_m2, to_lonlat
from rsmonitor.stages.graded import Drawn, Graded, draw, graded
from rsmonitor.stages.history import Norm
from rsmonitor.stages.indices import weights
from rsmonitor.stages.outline import EPOCH, drawn_objects, label_objects, outline
from rsmonitor.stages.patches import core_of, objects_of

NAMES = ("ndvi", "ndmi", "dred")
NORM = Norm(
    spread=np.full(3, 0.02, dtype=np.float32),
    floor=np.array([0.02, 0.03, 0.017], dtype=np.float32),
    level=np.array([0.8, 0.4, 1.3], dtype=np.float32),
    combined=1.0,
)
EVIDENCE = EvidenceParameters()
CROWDS = st.sampled_from(
    [(1, 0, 0, 0, 0), (0.9, 0, 0.1, 0, 0), (0.6, 0.1, 0.1, 0.1, 0.1), (0.2, *[0.2] * 4)]
)
"""Shares of pixels by score."""
CROSS = ndimage.generate_binary_structure(2, 1).astype(int)
FIRST = [DAY + days for days in (5, 20, 65, 70, 200, 260)]


class Case:
    """Evidence and reference of a grid, and how to outline it."""

    def __init__(
        self,
        state: NDArray[np.uint16],
        reference: NDArray[np.int16],
        grid: Grid,
        parameters: OutlineParameters,
    ) -> None:
        self.state = fixed(state)
        self.reference = fixed(reference)
        self.grid = grid
        self.parameters = parameters

    def __repr__(self) -> str:
        return f"{self.parameters} {tiers(self.state, EVIDENCE).tolist()}"

    def whole(self) -> tuple[tuple[Disturbance, ...], NDArray[np.int32]]:
        tier = tiers(self.state, EVIDENCE)
        inside = core(
            tier,
            strength(self.state, NORM, weights(NAMES)),
            share=self.parameters.edge_share,
            pixels=self.parameters.edge_pixels,
        )
        found, labels = outline(
            self.state, tier, inside, grid=self.grid, parameters=self.parameters
        )
        measured = measure(
            found,
            labels,
            state=self.state,
            reference=self.reference,
            norm=NORM,
            names=NAMES,
        )
        return measured, labels

    def part(self, block: Block) -> Graded:
        return graded(
            block,
            self.state[:, block.rows, block.cols],
            self.reference[:, block.rows, block.cols],
            norm=NORM,
            weights=weights(NAMES),
            evidence=EVIDENCE,
            min_pixels=self.parameters.min_pixels,
        )

    def drawn(self, parts: Sequence[Graded]) -> Drawn:
        return draw(
            parts, grid=self.grid, norm=NORM, names=NAMES, parameters=self.parameters
        )


@st.composite
def cases(draw_: st.DrawFn) -> Case:
    shape_ = draw_(st.integers(1, 16)), draw_(st.integers(1, 16))
    rng = np.random.default_rng(draw_(st.integers(0, 2**32 - 1)))
    score = rng.choice([0, 6, 7, 8, 20], shape_, p=draw_(CROWDS)) * SCORE_SCALE
    some = score > 0
    first = np.where(rng.random(shape_) < 0.02, 0, rng.choice(FIRST, shape_))
    ages = draw_(st.sampled_from(["alike", "halves", "scattered"]))
    if ages == "alike":
        first[...] = FIRST[0]
    elif ages == "halves":
        first[:, : shape_[1] // 2] = FIRST[4]
        first[:, shape_[1] // 2 :] = FIRST[0]
    later = rng.integers(0, 30, shape_)
    state = evidence(
        shape_,
        score=score,
        first_seen=first,
        began_after=np.where(rng.random(shape_) < 0.1, 0, first - later % 9),
        confirmed=np.where(some & (rng.random(shape_) < 0.2), first + later, 0),
        last_seen=first + later,
        last_clear=first + 2 * later,
        looks_since=later + 1,
    )
    state = np.concatenate([state[: len(EVIDENCE_PLANES)], np.zeros_like(state[:3])])
    change = rng.choice([-6000, -900, -300, 200], shape_, p=[0.3, 0.3, 0.3, 0.1])
    state[-3:] = DEPARTURE_ZERO + change + rng.integers(-99, 99, (3, *shape_))
    reference = rng.integers(-3000, 8000, (15, *shape_)).astype(np.int16)
    reference[:, rng.random(shape_) < 0.1] = REFERENCE_FILL
    parameters = OutlineParameters(
        min_pixels=draw_(st.integers(1, 6)),
        edge_share=draw_(st.sampled_from([0.0, 0.3, 0.5, 1.0])),
        edge_pixels=draw_(st.integers(0, 4)),
    )
    make = draw_(st.sampled_from([degrees, metres]))
    return Case(state, reference, make(*shape_), parameters)


# ------------------------------------------------------------- one object at a time


def plain_outline(
    inside: NDArray[np.bool_], row: int, col: int, grid: Grid
) -> Polygon | MultiPolygon:
    a, b, c, d, e, f = grid.transform
    rings = [
        cast("Polygon", shape(geometry))
        for geometry, _ in features.shapes(
            inside.astype(np.uint8),
            mask=inside,
            connectivity=4,
            transform=Affine(a, b, c + col * a, d, e, f + row * e),
        )
    ]
    whole: Polygon | MultiPolygon = rings[0] if len(rings) == 1 else MultiPolygon(rings)
    return to_lonlat(whole, grid.crs)


def plain_groups(
    first_seen: NDArray[np.uint16], inside: NDArray[np.bool_], gap_days: int
) -> list[NDArray[np.bool_]]:
    days = np.unique(first_seen[inside]).astype(np.int64)
    starts = [0, *(np.flatnonzero(np.diff(days) > gap_days) + 1).tolist(), len(days)]
    spans = [days[a:b] for a, b in itertools.pairwise(starts)]
    least = max(2, 0.1 * inside.sum())
    while len(spans) > 1:
        sizes = [int(np.isin(first_seen[inside], span).sum()) for span in spans]
        small = int(np.argmin(sizes))
        if sizes[small] >= least:
            break
        others = [i for i in (small - 1, small + 1) if 0 <= i < len(spans)]
        gaps = [abs(int(spans[small].mean()) - int(spans[i].mean())) for i in others]
        low, high = sorted((small, others[int(np.argmin(gaps))]))
        spans[low : high + 1] = [np.concatenate(spans[low : high + 1])]
    return [inside & np.isin(first_seen, span) for span in spans]


def day(days: np.integer) -> date:
    return date.fromordinal(EPOCH.toordinal() + int(days))


def plain_began(after: NDArray[np.uint16], first: NDArray[np.uint16]) -> date | None:
    return day(after.min()) if 0 < after.min() < first.min() else None


def plain_disturbance(
    case: Case, inside: NDArray[np.bool_], tier: Tier
) -> Mapping[str, object]:
    """Give what is known of one object, field by field."""
    rows, cols = np.nonzero(inside)
    box = slice(rows.min(), rows.max() + 1), slice(cols.min(), cols.max() + 1)
    corner = int(rows.min()), int(cols.min())
    plane = {name: each[box] for name, each in planes(case.state).items()}
    member, seen = inside[box], plane["first_seen"]
    area = np.broadcast_to(pixel_area_m2(case.grid)[box[0], None], member.shape)
    groups = plain_groups(seen, member, case.parameters.growth_gap_days)
    oldest = seen[groups[0]].min()
    anchor = np.argwhere(groups[0] & (seen == oldest))[0]
    confirmed = np.sort(plane["confirmed"][member & (plane["confirmed"] > 0)])
    nth = min(case.parameters.min_pixels, confirmed.size) - 1
    last_seen = max(day(plane["last_seen"][member].max()), day(oldest))
    return {
        "grid_id": case.grid.grid_id,
        "anchor": (corner[0] + int(anchor[0]), corner[1] + int(anchor[1])),
        "tier": tier,
        "geometry": plain_outline(member, *corner, case.grid).wkb,
        "area_m2": float(area[member].sum()),
        "pixels": int(member.sum()),
        "began_after": plain_began(plane["began_after"][groups[0]], seen[groups[0]]),
        "began_by": day(oldest),
        "confirmed": day(confirmed[nth]) if tier is Tier.HIGH else None,
        "last_seen": last_seen,
        "last_clear": max(day(plane["last_clear"][member].max()), last_seen),
        "clear_looks_since": int(np.median(plane["looks_since"][member])),
        "increments": [
            (
                plain_outline(group, *corner, case.grid).wkb,
                float(area[group].sum()),
                plain_began(plane["began_after"][group], seen[group]),
                day(seen[group].max()),
            )
            for group in groups
        ],
    }


def told(disturbance: Disturbance) -> Mapping[str, object]:
    """Give a disturbance field by field, geometries as bytes; without features."""
    values = {
        each.name: getattr(disturbance, each.name) for each in fields(disturbance)
    }
    del values["features"]
    values["geometry"] = disturbance.geometry.wkb
    values["increments"] = [
        (part.geometry.wkb, part.area_m2, part.began_after, part.began_by)
        for part in disturbance.increments
    ]
    return values


@given(cases())
def test_all_objects_at_once_are_what_each_is_by_itself(case: Case) -> None:
    found, labels = case.whole()
    assert labels.max(initial=0) == len(found)
    for number, each in enumerate(found, start=1):
        assert told(each) == plain_disturbance(case, labels == number, each.tier)


# ------------------------------------------------------------------------ from blocks


@given(
    st.integers(0, 2**32 - 1),
    st.integers(2, 60),
    st.sampled_from([0.1, 0.4, 0.6, 0.8, 0.97]),
    st.sampled_from([0.3, 0.5, 1.0]),
    st.integers(0, 5),
    st.integers(1, 12),
)
def test_scattered_pixels_have_the_edges_and_objects_of_their_raster(
    seed: int, side: int, crowd: float, share: float, pixels: int, min_pixels: int
) -> None:
    rng = np.random.default_rng(seed)
    tier = np.where(
        rng.random((side, 50)) < crowd, rng.choice([1, 1, 2, 3], (side, 50)), 0
    ).astype(np.uint8)
    strong = rng.choice([-2, 1, 2, 8, 20], (side, 50), p=[0.1, 0.4, 0.2, 0.2, 0.1])
    strong = strong.astype(np.float32)
    inside = core(tier, strong, share=share, pixels=pixels)
    labels, tier_of = drawn_objects(
        *label_objects(tier, min_pixels), tier, inside, min_pixels
    )
    rows, cols = np.nonzero(tier)
    line = 50 + max(1, pixels)
    keys = rows * line + cols
    kept = core_of(
        keys,
        strong[rows, cols],
        line=line,
        shape=(side, 50),
        share=share,
        pixels=pixels,
    )
    np.testing.assert_array_equal(kept, inside[rows, cols])
    number, tiers_ = objects_of(
        keys, tier[rows, cols], kept, line=line, min_pixels=min_pixels
    )
    found = labels[rows, cols]
    pairs = set(zip(number.tolist(), found.tolist(), strict=True)) | {(0, 0)}
    assert len(pairs) == len(tier_of) + 1 == tiers_.size + 1
    assert all(tiers_[n - 1] == tier_of[label] for n, label in pairs if n or label)
    first = [int(np.argmax(number == n + 1)) for n in range(tiers_.size)]
    assert first == sorted(first)


def assert_same(found: Sequence[Disturbance], expected: Sequence[Disturbance]) -> None:
    assert [told(each) for each in found] == [told(each) for each in expected]
    for one, other in zip(found, expected, strict=True):
        assert tuple(one.features) == FEATURE_ORDER
        np.testing.assert_array_equal(
            list(one.features.values()), list(other.features.values())
        )


@given(cases(), st.integers(1, 15), st.randoms(use_true_random=False))
def test_blocks_of_any_size_in_any_order_give_what_the_whole_grid_gives(
    case: Case, size: int, random: Random
) -> None:
    parts = [case.part(block) for block in case.grid.blocks(size)]
    random.shuffle(parts)
    drawn = case.drawn(parts)
    expected, labels = case.whole()
    assert_same(drawn.disturbances, expected)
    for block in case.grid.blocks(4):
        np.testing.assert_array_equal(
            drawn.outlined(block), (labels > 0)[block.rows, block.cols]
        )


@given(cases(), st.integers(1, 30), st.integers(1, 30))
def test_how_figures_are_laid_out_changes_nothing(
    case: Case, height: int, width: int
) -> None:
    expected, _ = case.whole()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tracing, "SHEET", (height, width))
        found, _ = case.whole()
    assert_same(found, expected)


@given(arrays(np.uint16, (6, 6), elements=st.sampled_from([0, 1535, 1536, 65535])))
def test_what_is_kept_of_a_block_is_what_is_graded(score: NDArray[np.uint16]) -> None:
    state = evidence((6, 6), score=score, first_seen=DAY + 1)
    state = np.concatenate([state, state[-1:]])
    case = Case(
        state,
        np.zeros((15, 6, 6), dtype=np.int16),
        degrees(6, 6),
        OutlineParameters(),
    )
    part = case.part(Block(row=0, col=0, height=6, width=6))
    found = np.zeros((6, 6), dtype=np.uint8)
    found[part.rows[part.held], part.cols[part.held]] = part.tier
    expected = tiers(state, EVIDENCE)
    assert part.rows.size == (expected > 0).sum()
    assert (expected[part.rows, part.cols] > 0).all()
    np.testing.assert_array_equal(found, np.where(found > 0, expected, 0))
    beside = ndimage.convolve((expected > 0).astype(int), CROSS, mode="constant") > 1
    inner = np.pad(np.ones((4, 4), dtype=bool), 1)
    np.testing.assert_array_equal((found > 0)[inner], (beside & (expected > 0))[inner])


# ---------------------------------------------------------------------- what is refused


def all_low(height: int, width: int) -> Case:
    state = np.zeros((12, height, width), dtype=np.uint16)
    planes(state)["score"][...] = 7 * SCORE_SCALE
    planes(state)["first_seen"][...] = DAY
    planes(state)["last_clear"][...] = DAY + 9
    reference = np.zeros((15, height, width), dtype=np.int16)
    return Case(state, reference, metres(height, width), OutlineParameters())


def test_a_block_that_comes_twice_is_refused() -> None:
    case = all_low(4, 6)
    part = case.part(Block(row=1, col=2, height=3, width=4))
    with pytest.raises(ContractError, match="row 1, col 2 is in two blocks"):
        case.drawn([part, part])


def test_arrays_of_another_block_are_refused() -> None:
    case = all_low(4, 6)
    with pytest.raises(ContractError, match=r"shape of block r00000c00000, \(4, 5\)"):
        graded(
            Block(row=0, col=0, height=4, width=5),
            case.state,
            case.reference,
            norm=NORM,
            weights=weights(NAMES),
            evidence=EVIDENCE,
            min_pixels=4,
        )


def test_no_blocks_draw_nothing() -> None:
    drawn = all_low(2, 2).drawn([])
    assert drawn.disturbances == ()
    assert not drawn.outlined(Block(row=0, col=0, height=2, width=2)).any()


def test_an_object_may_span_as_many_blocks_as_there_are() -> None:
    case = all_low(40, 50)
    parts = [case.part(block) for block in case.grid.blocks(7)]
    (found,) = case.drawn(parts).disturbances
    assert found.pixels == 2000
    assert len(found.geometry.exterior.coords) == 5  # type: ignore[union-attr]


def test_a_pixel_that_is_alone_in_its_block_may_belong_to_an_object_of_the_next() -> (
    None
):
    case = all_low(10, 10)
    state = case.state.copy()
    arms = np.zeros((10, 10), dtype=np.bool_)
    arms[3:9, 5] = arms[5, 3:9] = True
    planes(state)["score"][~arms] = 0
    cross = Case(state, case.reference, case.grid, case.parameters)
    drawn = cross.drawn([cross.part(block) for block in case.grid.blocks(4)])
    (found,) = drawn.disturbances
    assert found.pixels == arms.sum()


def test_little_is_kept_of_pixels_that_no_object_can_hold() -> None:
    case = all_low(9, 9)
    state = case.state.copy()
    planes(state)["score"][:, [1, 3, 5, 7]] = 0
    planes(state)["score"][[1, 3, 5, 7]] = 0
    apart = Case(state, case.reference, case.grid, case.parameters)
    part = apart.part(Block(row=0, col=0, height=9, width=9))
    assert part.rows.size == 25
    # those at the border may go on in the next block
    assert part.state.shape[2] == 16
