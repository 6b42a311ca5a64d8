"""Clear looks that implants took, joined with looks that a place really had."""

import shutil
from collections.abc import Iterable
from dataclasses import replace
from datetime import date
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
from forest import forest
from hypothesis import given
from hypothesis import strategies as st

from rsmonitor.config import read_settings
from rsmonitor.errors import ContractError, SourceError, SourceUnreachableError
from rsmonitor.lab.cloud_records import (
    CloudRecord,
    of_series,
    of_table,
    records,
    write_table,
)
from rsmonitor.lab.detectability import Pass, Row, Trial, scenarios
from rsmonitor.lab.detector import EPOCH
from rsmonitor.lab.district_figures import draw_limits
from rsmonitor.lab.district_limits import (
    HORIZON_DAYS,
    LEAST_AT_RISK,
    WEEKS,
    limits,
    limits_table,
    looks_after,
    looks_curve,
)
from rsmonitor.lab.implant_figures import _varied
from rsmonitor.lab.series import thinned
from rsmonitor.records.lifecycle import Observation
from rsmonitor.wiring.office import diary_of

ROOT = Path(__file__).parents[2]

FIRST = (date(2020, 1, 1) - EPOCH).days
EVERY = FIRST + 5 * np.arange(300)
COUNTS = st.lists(st.integers(1, 30), max_size=40)


def record(*, clear: Any = True, place: str = "360783") -> CloudRecord:  # noqa: ANN401 - a look or all
    seen = np.broadcast_to(np.asarray(clear, dtype=np.bool_), (1, EVERY.size)).copy()
    return CloudRecord(place=place, rests_on="a test", days=EVERY, clear=seen)


def row(**other: object) -> Row:
    given = {
        "scenario": "sudden",
        "material": "bare_soil",
        "assumed": False,
        "size_ha": 0.1,
        "season": "dry",
        "implants": 20,
        "found": 20,
        "touched": 20,
        "early": 0,
        "probability": 1.0,
        "interval": (0.8, 1.0),
        "delay_days": 30.0,
        "delay_looks": 3.0,
        "looks": 9.0,
        "looks_to_find": (3,) * 20,
        "looks_in_vain": (),
    }
    return Row(**(given | other))  # type: ignore[arg-type]


def both(**other: object) -> list[Row]:
    return [row(**other), row(season="wet", **other)]


SUDDEN = scenarios()[:1]


# ------------------------------------------------------------------- curve over looks


@given(COUNTS, COUNTS)
def test_the_curve_never_falls_and_ends_between_counted_and_one(
    found: list[int], lost: list[int]
) -> None:
    curve = looks_curve(found, lost)
    assert curve[0] == 0
    assert (np.diff(curve) >= 0).all()
    assert curve[-1] <= 1
    if not lost:
        # without losses it is the share found by then, whatever the number
        shares = [sum(k <= look for k in found) for look in range(curve.size)]
        assert curve * max(1, len(found)) == pytest.approx(shares)


@given(COUNTS, COUNTS.filter(bool))
def test_more_looks_at_what_was_missed_lower_the_curve(
    found: list[int], lost: list[int]
) -> None:
    # as long as enough are at risk: the rule that ends a curve early is another
    found, lost = found + [40] * LEAST_AT_RISK, lost + [40] * LEAST_AT_RISK
    few = looks_curve(found, lost)
    more = looks_curve(found, [k + 1 for k in lost])
    assert (more[:40] <= few[:40] + 1e-12).all()


def test_what_left_unfound_says_nothing_of_later_looks() -> None:
    # ten are found at the third look; ten others had one look only
    curve = looks_curve([3] * 10, [1] * 10)
    assert curve.tolist() == [0, 0, 0, 1]
    # the last that is at risk decides nothing by itself
    assert looks_curve([3, 9], [4, 4, 4])[-1] == looks_curve([3, 9], [4, 4, 4])[3]


# ----------------------------------------------------------------------- looks of a sky


def test_looks_are_counted_from_the_first_day_to_the_last() -> None:
    seen = np.arange(EVERY.size) % 2 == 0
    starts = np.array([EVERY[0], EVERY[0] + 1, EVERY[1]])
    assert looks_after(record(clear=seen), starts, 10).tolist() == [[1, 1, 1]]
    assert looks_after(record(clear=seen), starts, 11).tolist() == [[2, 1, 1]]
    assert looks_after(record(), starts, 1).tolist() == [[1, 0, 1]]


def test_no_dig_begins_whose_days_reach_into_a_silence() -> None:
    days = np.concatenate([EVERY[:100], EVERY[200:]])
    silent = CloudRecord(
        place="x", rests_on="", days=days, clear=np.ones((1, days.size), np.bool_)
    )
    starts = silent.starts(HORIZON_DAYS)
    assert starts.size > 0
    reach = starts + HORIZON_DAYS
    assert not ((starts < EVERY[200]) & (reach > EVERY[99])).any()
    assert {EVERY[0], EVERY[99] - HORIZON_DAYS, EVERY[200]} <= set(starts.tolist())


@pytest.mark.parametrize(
    ("days", "seen", "rule"),
    [
        (EVERY[:20], np.ones((1, 20)), "a year has"),
        (EVERY[::-1], np.ones((1, 300)), "ascend"),
        (EVERY, np.ones((1, 299)), "shape"),
    ],
)
def test_a_record_that_knows_no_year_is_refused(
    days: np.ndarray, seen: np.ndarray, rule: str
) -> None:
    with pytest.raises(ContractError, match=rule):
        CloudRecord(place="x", rests_on="", days=days, clear=seen.astype(np.bool_))


# --------------------------------------------------------------------------- joined


def test_under_a_clear_sky_a_dig_is_found_when_its_looks_are_there() -> None:
    told = limits(both(), SUDDEN, [record()])
    for one in told.rows:
        shares = {weeks: share for weeks, share, _, _ in one.within}
        # three looks of five days apart lie in 15 days, not always in 14
        assert 0 < shares[2] < 1
        assert shares[4] == shares[26] == 1
        assert one.half_found_days in {12, 13}
    (sky,) = told.skies
    assert sky.clear_a_month["dry"] == pytest.approx(6.1, abs=0.2)
    assert (sky.first, sky.looks) == ("2020-01-01", 300)


def test_where_nothing_is_seen_nothing_is_found() -> None:
    told = limits(both(), SUDDEN, [record(clear=False)])
    assert all(share == 0 for one in told.rows for _, share, _, _ in one.within)
    assert {one.half_found_days for one in told.rows} == {None}
    assert "longer" in limits_table(told)


@given(st.integers(0, 2**32 - 1), st.floats(0.05, 0.95))
def test_a_cloudier_sky_never_finds_more(seed: int, share: float) -> None:
    random = np.random.default_rng(seed)
    seen = random.random(EVERY.size) < 0.8
    fewer = seen & (random.random(EVERY.size) < share)
    starts = np.arange(FIRST, FIRST + 400)
    curve = looks_curve([2, 3, 3, 5, 8], [9, 9, 9, 9])
    for weeks in WEEKS:
        many, few = (
            looks_after(record(clear=some), starts, 7 * weeks) for some in (seen, fewer)
        )
        at = [curve[np.minimum(one, curve.size - 1)].mean() for one in (many, few)]
        assert at[1] <= at[0]


def test_a_monsoon_counts_as_the_months_that_it_takes() -> None:
    month = np.array(
        [date.fromordinal(int(d) + EPOCH.toordinal()).month for d in EVERY]
    )
    told = limits(both(), SUDDEN, [record(clear=(month < 5) | (month > 9))])
    dry, wet = told.rows
    assert (dry.season, wet.season) == ("dry", "wet")
    assert told.skies[0].dry_months == (1, 2, 3, 10, 11, 12)
    eight = [{w: s for w, s, _, _ in one.within}[8] for one in (dry, wet)]
    assert eight[0] > 0.9
    assert eight[1] < 0.5
    assert wet.half_found_days is not None
    assert dry.half_found_days is not None
    assert wet.half_found_days > 3 * dry.half_found_days
    assert told.skies[0].clear_by_month[6] == 0


def test_evergreen_ground_is_judged_by_implants_of_the_clearest_half_year() -> None:
    some = [row(), row(season="wet", looks_to_find=(), looks_in_vain=(9,) * 20)]
    own = limits(some, SUDDEN, [record()])
    green = limits(some, SUDDEN, [record()], evergreen=True)
    assert [one.within[-1][1] for one in own.rows] == [1, 0]
    assert [one.within[-1][1] for one in green.rows] == [1, 1]
    assert [one.season for one in green.rows] == ["dry", "wet"]


def test_what_changes_with_days_and_not_with_looks_is_left_out() -> None:
    every = scenarios()
    growing = next(one for one in every if one.course == "growing")
    with pytest.raises(ContractError, match="sudden"):
        limits(both(scenario=growing.name), [growing], [record()])
    told = limits(both() + both(scenario=growing.name), every, [record()])
    assert {one.scenario for one in told.rows} == {"sudden"}


def test_few_implants_and_few_years_make_a_wide_interval() -> None:
    seen = np.random.default_rng(1).random(EVERY.size) < 0.4
    few = both(looks_to_find=(2, 3, 5), looks_in_vain=(8, 8), implants=5)
    many = both(looks_to_find=(2, 3, 5) * 40, looks_in_vain=(8, 8) * 40, implants=200)
    width = [
        high - low
        for some in (few, many)
        for _, share, low, high in limits(some, SUDDEN, [record(clear=seen)])
        .rows[0]
        .within[2:3]
        if low <= share <= high
    ]
    assert width[0] > 2 * width[1] > 0


def test_a_series_is_thinned_after_its_history_alone() -> None:
    series = replace(forest(n_time=60), history_until=forest().days[0] + 200)
    less = thinned(series, 0.5, np.random.default_rng(3))
    past = series.days <= series.history_until
    assert (less.days <= less.history_until).sum() == past.sum()
    assert (less.days > less.history_until).sum() == round(0.5 * (~past).sum())
    assert less.reflectance.shape[0] == less.scl.shape[0] == less.days.size
    for share in (0.0, 1.2):
        with pytest.raises(ContractError, match="share"):
            thinned(series, share, np.random.default_rng(3))


# ------------------------------------------------------------------------------ tables


def test_a_table_that_was_written_reads_the_same(tmp_path: Path) -> None:
    seen = np.random.default_rng(2).random((3, EVERY.size)) < 0.3
    written = CloudRecord(place="a, b", rests_on="x", days=EVERY, clear=seen)
    write_table([written, record()], tmp_path / "looks.csv")
    one, two = of_table(tmp_path / "looks.csv")
    assert (one.place, two.place) == ("a, b", "360783")
    assert (one.clear == seen).all()
    assert (one.days == EVERY).all()
    assert "3 of 3 spots" in one.rests_on


def test_a_spot_that_was_followed_for_a_part_is_not_taken_for_cloudy(
    tmp_path: Path,
) -> None:
    lines = ["place,spot,day,share_seen"]
    for number, day in enumerate(EVERY):
        when = date.fromordinal(int(day) + EPOCH.toordinal())
        lines.append(f"p,a,{when},1.0")
        if number > 150:
            lines.append(f"p,b,{when},1.0")
    path = tmp_path / "looks.csv"
    path.write_text("\n".join(lines), encoding="utf-8")
    (one,) = of_table(path)
    assert one.clear.shape[0] == 1
    assert one.clear.all()
    assert "1 of 2 spots" in one.rests_on


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("place,day\np,2020-01-01\n", "missing: share_seen"),
        ("place,day,share_seen\np,1.5.2020,1\n", "line 2: day"),
        ("place,day,share_seen\np,2020-05-01,120\n", "line 2: share_seen"),
        ("place,day,share_seen\np,2020-05-01,nan\n", "line 2: share_seen"),
        ("place,day,share_seen\n,2020-05-01,1\n", "line 2: it names no place"),
        ("place,day,share_seen\n", "names no look"),
    ],
)
def test_a_table_that_is_none_is_refused_by_line(
    tmp_path: Path, text: str, rule: str
) -> None:
    path = tmp_path / "looks.csv"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(SourceError, match=rule) as caught:
        of_table(path)
    assert str(path) in str(caught.value)
    with pytest.raises(SourceError, match="no such file"):
        of_table(tmp_path / "absent.csv")


def test_a_series_in_memory_is_one_spot() -> None:
    series = forest(n_time=50)
    seen = of_series(series, place="here", rests_on="a forest")
    assert seen.clear.shape == (1, 50)
    assert seen.clear.mean() > 0.9


# -------------------------------------------------------------- a district under watch


def settings_in(folder: Path) -> Path:
    """Copy the settings of the demo, whose work folder is then beside them."""
    own = folder / "configs"
    own.mkdir()
    for name in ("demo.toml", "demo_licences.geojson"):
        shutil.copy(ROOT / "configs" / name, own / name)
    return own / "demo.toml"


def looks_at(site: str, days: Iterable[int], share: float) -> list[Observation]:
    return [
        Observation(
            site_id=site,
            look=f"grid/S2A/{day}",
            product_id=f"p{day}",
            day=date.fromordinal(day + EPOCH.toordinal()),
            share_seen=share,
        )
        for day in days
    ]


def test_a_district_that_nobody_watched_is_not_measured(tmp_path: Path) -> None:
    path = settings_in(tmp_path)
    with pytest.raises(SourceUnreachableError, match="not measured: district demo-rom"):
        records([path])


def test_a_district_under_watch_has_its_record_in_the_diary_of_its_sites(
    tmp_path: Path,
) -> None:
    path = settings_in(tmp_path)
    days = EVERY.tolist()
    diary_of(read_settings(path)).keep(
        "demo-romania",
        [
            *looks_at("one", days[::2], 0.9),
            *looks_at("one", days[1::2], 0.2),
            *looks_at("two", days, 0.6),
            *looks_at("young", days[-20:], 1.0),
        ],
        [],
    )
    (seen,) = records([path])
    assert seen.place == "demo-romania"
    assert seen.rests_on == "diary of sites, 2 of 3 spots"
    assert seen.clear.mean(axis=1).tolist() == [0.5, 1.0]
    assert limits(both(), SUDDEN, [seen]).rows[0].within[-1][1] == 1


# ---------------------------------------------------------------------------- pictures


def test_every_place_is_drawn_and_more_places_take_more_sheets(tmp_path: Path) -> None:
    some = [record(place=f"place {number}") for number in range(6)]
    told = limits(both() + both(size_ha=0.5), SUDDEN, some)
    paths = draw_limits(told, tmp_path)
    assert [path.name for path in paths] == [
        "detection-by-district.png",
        "detection-by-district-2.png",
    ]
    assert all(path.read_bytes().startswith(b"\x89PNG") for path in paths)


@pytest.mark.parametrize("sizes", [(0.1,), (0.1, 0.2), (0.05, 0.1, 0.2, 0.5)])
def test_no_implant_stands_twice_among_the_chips(sizes: tuple[float, ...]) -> None:
    scenario = replace(SUDDEN[0], sizes_ha=sizes)
    trials = tuple(
        Trial(scenario=scenario, size_ha=size, season="dry", start=1, number=n)
        for n, size in enumerate(sizes)
    )
    implants = tuple(SimpleNamespace(name=size) for size in sizes)
    one = Pass(start=1, trials=trials, implants=cast("Any", implants))
    chosen = _varied([one], [row(size_ha=size) for size in sizes])
    shown = [trial.size_ha for trial, _ in chosen]
    assert len(shown) == len(set(shown)) == (2 if len(sizes) > 2 else 1)
