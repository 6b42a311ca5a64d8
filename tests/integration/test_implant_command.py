"""`rsmonitor implant` on the real demo cube, as small as it can be."""

import importlib.metadata
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from commands import rsmonitor

from rsmonitor.errors import ContractError
from rsmonitor.lab.cloud_records import of_series
from rsmonitor.lab.datasets import Places, load_romania
from rsmonitor.lab.detectability import scenarios, study, until
from rsmonitor.lab.detector import detect
from rsmonitor.lab.district_limits import limits
from rsmonitor.lab.fitted import Fitted
from rsmonitor.lab.implant_figures import draw

pytestmark = pytest.mark.slow


def need_demo() -> None:
    try:
        importlib.metadata.distribution("nrt")
    except importlib.metadata.PackageNotFoundError:
        pytest.skip('pip install "rsmonitor[demo]"')


def unwatched(what: str, done: int, total: int) -> None:
    assert 0 < done <= total, what


def test_a_large_dig_in_real_forest_is_found_and_nothing_beside_it(
    tmp_path: Path,
) -> None:
    need_demo()
    series = load_romania(Places())
    sudden = scenarios(sizes_ha=(0.01, 0.5))[:1]
    told, passes = study(
        series, sudden, repeats=2, starts=1, seed=1, progress=unwatched
    )
    large = [row for row in told.rows if row.size_ha == 0.5]
    assert {row.season for row in large} == {"dry", "wet"}
    assert sum(row.implants for row in large) >= 2
    assert [row.found for row in large] == [row.implants for row in large]
    for row in told.rows:
        assert row.early <= row.found <= row.implants
        if row.delay_looks is not None and row.looks is not None:
            assert row.delay_looks <= row.looks
    assert told.side_objects <= 1
    assert told.control.objects > 20
    assert told.passes == len(passes) == 2
    # the series itself is as it was
    again = load_romania(Places())
    assert (series.truth == again.truth).all()
    assert np.array_equal(series.reflectance, again.reflectance, equal_nan=True)
    # every look of a row is one of those found or of those missed
    for row in told.rows:
        assert len(row.looks_to_find) == row.found
        assert len(row.looks_in_vain) == row.implants - row.found
    own = of_series(series, place="demo", rests_on="itself")
    joined = limits(told.rows, sudden, [own])
    found = [one.within[-1][1] for one in joined.rows if one.size_ha == 0.5]
    assert min(found) > 0.5
    assert joined.skies[0].dry_months == told.dry_months
    pictures = draw(told, passes, series, tmp_path / "pictures")
    assert [path.name for path in pictures] == ["detectability.png", "implants.png"]
    assert all(path.read_bytes().startswith(b"\x89PNG") for path in pictures)


def test_wrong_sizes_and_surfaces_are_refused_by_name(tmp_path: Path) -> None:
    wrong = rsmonitor("implant", "--sizes", "small", scratch=tmp_path)
    assert wrong.code == 2
    assert "'small'" in wrong.stderr
    gold = rsmonitor("implant", "--material", "gold", scratch=tmp_path)
    assert gold.code != 0
    assert "gold" in gold.stderr
    assert "bare_soil" in gold.stderr


def test_a_record_of_clouds_that_cannot_be_read_costs_no_study(tmp_path: Path) -> None:
    absent = rsmonitor("implant", "--clouds", "absent.csv", scratch=tmp_path)
    assert absent.code == 3
    assert "absent.csv: no such file" in absent.stderr
    short = tmp_path / "looks.csv"
    short.write_text("place,day,share_seen\n360783,2024-05-01,1\n", encoding="utf-8")
    young = rsmonitor("implant", "--clouds", str(short), scratch=tmp_path)
    assert young.code == 3
    assert "360783 spans 0 days" in young.stderr


def test_every_surface_and_its_source_can_be_listed(tmp_path: Path) -> None:
    ran = rsmonitor("implant", "--material", "list", scratch=tmp_path)
    assert ran.code == 0
    assert "black_liner: assumed" in ran.stdout
    assert "bare_soil: median of clear Sentinel-2 looks" in ran.stdout


def test_fitting_once_finds_what_fitting_for_each_series_finds() -> None:
    need_demo()
    series = load_romania(Places())
    ends = [series.history_until + 200, series.history_until + 400]
    found = Fitted(series).detections(series, ends)
    assert list(found) == ends
    alone = detect(until(series, ends[0]))
    assert (alone.confirmed > 0).any()
    for name in ("confirmed", "first_seen", "monitored", "drawn"):
        assert np.array_equal(getattr(found[ends[0]], name), getattr(alone, name))
    assert (found[ends[1]].confirmed > 0).sum() > (alone.confirmed > 0).sum()
    with pytest.raises(ContractError, match="another history"):
        Fitted(series).detections(
            replace(series, history_until=series.history_until - 100), ends
        )
