"""Our detector beside others on the same series, as `rsmonitor assess` holds them."""

import gzip
import importlib.metadata
import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr
from commands import rsmonitor
from places import alarms, day, place
from typer.main import get_command

from rsmonitor.cli.assess import app
from rsmonitor.errors import HistoryError, SourceError, SourceUnreachableError
from rsmonitor.lab.assessment import DETECTORS, OURS, assess_peers, ours, table
from rsmonitor.lab.datasets import (
    DATASETS,
    Places,
    load_henan_crop,
    load_romania,
    load_rondonia,
    load_sichuan_fire,
)
from rsmonitor.lab.departures import Departures, departures_of
from rsmonitor.lab.detector import detect
from rsmonitor.lab.false_alarms import FalseAlarms, Pool, simulate
from rsmonitor.lab.measures import score
from rsmonitor.lab.peers import PEERS, Peer, knows_seasons
from rsmonitor.lab.selection import GRID, Setting, select
from rsmonitor.lab.series import Series, Truth
from rsmonitor.records.parameters import EvidenceParameters
from rsmonitor.records.rasters import HistoryClass, planes
from rsmonitor.stages.evidence import initial_state, log_ratio, update
from rsmonitor.stages.history import Norm

CONTRACT = {
    "detector",
    "series",
    "precision",
    "recall",
    "f1",
    "openings_found",
    "openings",
    "false_objects",
    "exposure_km2_years",
    "false_upper95_per_100km2_year",
    "delay_looks",
    "delay_days",
}
"""What scripts rely on in a row of `assess peers --json`."""


def unwatched(what: str, done: int, total: int) -> None:
    """Watch nothing."""


def need(distribution: str) -> None:
    try:
        importlib.metadata.distribution(distribution)
    except importlib.metadata.PackageNotFoundError:
        extra = "demo" if distribution == "nrt" else "peers"
        pytest.skip(f'pip install "rsmonitor[{extra}]"')


def wood() -> Series:
    """Ten by ten pixels of forest, of which sixteen are opened at look 100."""
    truth = np.zeros((10, 10), dtype=np.uint8)
    truth[3:7, 3:7] = Truth.OPENED
    return place(truth, noise=0.04)


def clearing(*, years: bool = False) -> Series:
    """Half a kilometre of forest, seen seldom, with openings in each quadrant."""
    truth = np.zeros((48, 48), dtype=np.uint8)
    at = np.full(truth.shape, 96)
    for row in (6, 16, 30, 40):
        for col in (6, 16, 30, 40):
            truth[row : row + 3, col : col + 3] = Truth.OPENED
            # looks 96 and 130 lie in 2019 and 2020
            at[row : row + 3, col : col + 3] = 130 if years and row in (6, 30) else 96
    whole = place(truth, noise=0.04, opened_at=at)
    return replace(
        whole,
        days=whole.days[::2],
        reflectance=whole.reflectance[::2],
        scl=whole.scl[::2],
    )


# ------------------------------------------------------------------------------- peers


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "package"),
    [
        ("nrt-iqr-plain", "nrt"),
        ("nrt-iqr-3", "nrt"),
        ("nrt-ccdc-plain", "nrt"),
        ("cold", "pyxccd"),
        ("s-ccd", "pyxccd"),
    ],
)
def test_a_peer_finds_a_plain_opening_and_not_before_it_is_there(
    name: str, package: str
) -> None:
    need(package)
    series = wood()
    found = PEERS[name].run(series, unwatched)
    result = score(series, found, random=np.random.default_rng(1))
    assert result.detector == name
    assert result.recall is not None
    assert result.recall > 0.9
    assert (result.openings_found, result.openings_premature) == (1, 0)
    assert result.delay.looks is not None
    assert 0 <= result.delay.looks <= 6
    assert found.monitored.mean() > 0.9


def test_a_package_that_is_not_there_says_what_to_install() -> None:
    absent = Peer(
        name="absent",
        package="no-such-detector",
        settings="none",
        run=lambda *_: alarms([[0]]),
    )
    with pytest.raises(
        SourceUnreachableError, match=r'pip install "rsmonitor\[peers\]"'
    ):
        absent.load()


def test_peers_that_need_a_season_refuse_a_history_of_weeks() -> None:
    need("nrt")
    short = replace(wood(), history_until=day(20))
    assert not knows_seasons(short)
    assert knows_seasons(wood())
    for name in ("cold", "s-ccd", "nrt-ccdc", "nrt-cusum-roc"):
        if PEERS[name].package == "pyxccd":
            need("pyxccd")
        with pytest.raises(HistoryError, match=name):
            PEERS[name].run(short, unwatched)


def test_a_peer_without_the_band_that_it_needs_is_refused_by_name() -> None:
    need("pyxccd")
    series = wood()
    blind = replace(series, bands=("B02", "B04", "B08", "B12"))
    with pytest.raises(SourceError, match="cold needs B03"):
        PEERS["cold"].run(blind, unwatched)


def test_without_a_known_season_ours_compares_with_a_mean() -> None:
    series = wood()
    short = replace(series, history_until=day(20), connected=False)
    found = ours(short, unwatched)
    assert found.monitored.all()
    assert found.confirmed[short.truth == Truth.OPENED].all()


# ---------------------------------------------------------------------------- datasets


def test_what_is_not_there_is_said_and_never_dropped() -> None:
    places = Places(reference=Path("nowhere.nc"))
    done = assess_peers(places, series=[], detectors=[], progress=unwatched)
    assert len(done.rows) == len(DATASETS) * len(DETECTORS)
    assert all(row.score is None for row in done.rows)
    for row in done.rows:
        assert row.not_run is not None
        assert row.not_run.startswith("not run: ")
        assert row.missing == (DATASETS[row.series].load is not None)
    told = table(done.rows)
    assert "nowhere.nc does not exist" in told
    assert "RSMONITOR_TEST_DATA" in told


def test_a_name_that_nobody_knows_is_refused() -> None:
    with pytest.raises(SourceError, match="no series 'mars'"):
        assess_peers(Places(), series=["mars"], detectors=[], progress=unwatched)
    with pytest.raises(SourceError, match="no detector 'eye'"):
        assess_peers(Places(), series=[], detectors=["eye"], progress=unwatched)


def test_a_reference_of_another_place_is_refused(tmp_path: Path) -> None:
    need("nrt")
    path = tmp_path / "other.nc"
    layer = (("y", "x"), np.zeros((5, 5), dtype=np.int16))
    names = ("reference", "fraction", "last_before", "first_after")
    xr.Dataset(dict.fromkeys(names, layer)).to_netcdf(path)
    with pytest.raises(SourceError, match=r"other\.nc: its shape \(5, 5\)"):
        load_romania(Places(reference=path))


@pytest.mark.parametrize("content", [b"", b"CDF\x01", b"\x89HDF\r\n\x1a\n" + b"0" * 90])
def test_a_damaged_reference_is_refused_by_name(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "damaged.nc"
    path.write_bytes(content)
    with pytest.raises(SourceError, match=r"damaged\.nc"):
        load_romania(Places(reference=path))


@pytest.mark.parametrize(
    "content",
    [
        "",
        "dates,blue\n",
        "dates,blue,green,red,nir,swir1,swir2,qa\nx,1,1,1,1,1,1,0\n",
        "dates,blue,green,red,nir,swir1,swir2,qa\n736000,1,1,1,1,1\n",
        "dates,blue,green,red,nir,swir1,swir2,qa\n99,1,1,1,1,1,1,0\n",
        "dates,blue,green,red,nir,swir1,swir2,qa\n736000,1,1,1,1,1,1,1e9\n",
    ],
)
def test_a_damaged_table_is_refused_by_name(tmp_path: Path, content: str) -> None:
    folder = tmp_path / "pixel_series_china"
    folder.mkdir()
    (folder / "1_hls_sc.csv").write_text(content)
    with pytest.raises(SourceError, match=r"1_hls_sc\.csv"):
        load_sichuan_fire(Places(data=tmp_path))


def test_a_cut_archive_is_refused_by_name(tmp_path: Path) -> None:
    folder = tmp_path / "s2_deforest_ts"
    folder.mkdir()
    (folder / "labels.csv").write_text("id,label\nA000,Forest\n")
    whole = gzip.compress(b"id,date,blue\nA000,2018-08-12,0.1\n" * 50)
    (folder / "timeseries.csv.gz").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(SourceError, match=r"timeseries\.csv\.gz"):
        load_rondonia(Places(data=tmp_path))


def test_the_optional_series_are_what_their_readmes_say(test_data: Path) -> None:
    places = Places(data=test_data)
    fire = load_sichuan_fire(places)
    # read as Python counts days; as MATLAB does, Sentinel-2 would be there too early
    assert str(np.datetime64(int(fire.days[-1]), "D")) == "2025-01-01"
    burnt = fire.days >= fire.began_by[0, 0]
    nir = fire.reflectance[:, fire.bands.index("B08"), 0, 0]
    clear = fire.scl[:, 0, 0] == 4
    assert np.median(nir[clear & burnt]) < 0.75 * np.median(nir[clear & ~burnt])
    field = load_henan_crop(places)
    assert (field.truth == Truth.UNCHANGED).all()
    forest = load_rondonia(places)
    assert (forest.truth == Truth.UNCHANGED).sum() == 219
    assert (forest.truth == Truth.OPENED).sum() == 39


# ------------------------------------------------------------------------ false alarms


def test_departures_kept_give_the_evidence_of_the_detector() -> None:
    series = clearing()
    away = departures_of(series)
    state = initial_state(away.reference, away.each.shape[1])
    test = EvidenceParameters()
    for t in np.flatnonzero(~away.past):
        ratio = log_ratio(away.combined[t], test)
        state = update(
            state, ratio, away.each[t], day=int(away.days[t]), parameters=test
        )
    found = detect(series)
    assert (found.confirmed > 0).any()
    np.testing.assert_array_equal(planes(state)["confirmed"], found.confirmed)
    np.testing.assert_array_equal(away.monitored, found.monitored)


def noise(spell: slice | None = None, *, side: int = 60) -> tuple[Series, Departures]:
    """Unchanged ground that scatters, some of which departs over some looks."""
    looks = np.arange(90)
    days = day(0) + 12 * looks
    combined = np.random.default_rng(5).standard_normal((looks.size, side, side))
    if spell is not None:
        combined[spell, 20:26, 20:26] -= 6
    series = replace(
        place(np.zeros((side, side), dtype=np.uint8)),
        days=days,
        reflectance=np.zeros((looks.size, 4, side, side), dtype=np.float32),
        scl=np.zeros((looks.size, side, side), dtype=np.uint8),
        history_until=int(days[30]),
    )
    reference = np.zeros((4 + 3, side, side), dtype=np.int16)
    reference[-1] = HistoryClass.STABLE
    one = np.array([0.02], dtype=np.float32)
    away = Departures(
        days=days,
        past=days <= days[30],
        combined=combined.astype(np.float32),
        each=(0.02 * combined[:, None]).astype(np.float32),
        reference=reference,
        norm=Norm(spread=one, floor=one, level=one, combined=1.0),
        weights=np.ones(1, dtype=np.float32),
    )
    return series, away


def simulated(
    made: tuple[Series, Departures], *, high: float = 12.0, pool: Pool = Pool.MONITORING
) -> FalseAlarms:
    series, away = made
    done = simulate(
        series,
        km2_years=30.0,
        pool=pool,
        random=np.random.default_rng(3),
        progress=unwatched,
        evidence=EvidenceParameters(high=high, cap=max(24.0, high)),
        departures=away,
    )
    assert done.simulated_km2_years >= 30.0
    assert done.real_km2_years < 2.0
    assert done.false_per_100km2_year == pytest.approx(
        100 * done.events / done.simulated_km2_years
    )
    assert done.false_upper95_per_100km2_year > done.false_per_100km2_year
    assert done.as_json()["simulated"] is True
    assert done.sentence().startswith("simulated, level")
    return done


def test_plain_noise_raises_no_alarm() -> None:
    done = simulated(noise())
    assert (done.events, done.real_places) == (0, 0)


def test_a_spell_that_looks_like_digging_is_counted_wherever_it_is_drawn() -> None:
    spell = simulated(noise(slice(50, 58)))
    # one block of one; each season of the two years draws the half year now and then
    assert spell.events > 50
    assert spell.real_places == 1
    assert simulated(noise(slice(50, 58)), high=60.0).events == 0


def test_a_spell_of_the_history_is_drawn_only_with_the_history() -> None:
    made = noise(slice(10, 18))
    assert simulated(made).events == 0
    assert simulated(made, pool=Pool.ALL).events > 20


def test_ground_that_changed_is_not_simulated_with() -> None:
    series, away = noise(slice(50, 90))
    truth = series.truth.copy()
    truth[20:26, 20:26] = Truth.NOT_COUNTED
    assert simulated((replace(series, truth=truth), away)).events == 0


def test_ground_whose_reference_is_that_after_a_change_is_not_simulated_with() -> None:
    series, away = noise(slice(50, 90))
    reference = away.reference.copy()
    reference[-1, 20:26, 20:26] = HistoryClass.RECOVERED
    assert simulated((series, replace(away, reference=reference))).events == 0


def test_nothing_unchanged_is_nothing_to_simulate_with() -> None:
    series, away = noise()
    nothing = np.full(series.truth.shape, Truth.NOT_COUNTED, np.uint8)
    with pytest.raises(HistoryError, match="nothing to simulate with"):
        simulated((replace(series, truth=nothing), away))


# --------------------------------------------------------------------------- selection


def test_every_opening_is_judged_once_and_by_settings_chosen_elsewhere() -> None:
    series = clearing(years=True)
    grid = (
        Setting(drop=6.0, high=12.0, edge_share=0.5),
        # needs more looks than there are, so it finds nothing
        Setting(drop=20.0, high=200.0, edge_share=0.5),
    )
    done = select(series, progress=unwatched, grid=grid, workers=1)
    assert done.openings == 16
    assert sum(fold.openings for fold in done.folds) == 16
    assert {fold.year for fold in done.folds} == {2019, 2020}
    assert {fold.chosen for fold in done.folds} == {grid[0]}
    assert done.openings_found == 16
    assert done.f1 is not None
    assert done.f1 > 0.9
    assert done.whole[0].openings_found == 16
    assert done.whole[1].openings_found < 16
    json.dumps(done.as_json(), allow_nan=False)


def test_one_year_alone_cannot_be_left_out() -> None:
    with pytest.raises(HistoryError, match="1 years"):
        select(clearing(), progress=unwatched, grid=GRID[:1], workers=1)


# ---------------------------------------------------------------------- the command


def told(*arguments: str | Path, scratch: Path, code: int = 0) -> Any:  # noqa: ANN401
    done = rsmonitor("assess", *arguments, "--json", scratch=scratch)
    assert done.code == code, done.stderr
    return json.loads(done.stdout)


@pytest.mark.slow
def test_the_command_keeps_its_contract_and_draws_what_is_wrong(tmp_path: Path) -> None:
    need("nrt")
    rows = told(
        "peers",
        "--series",
        "romania",
        "--detector",
        OURS,
        "--detector",
        "nrt-iqr-3",
        "--figures",
        tmp_path / "pictures",
        scratch=tmp_path,
    )
    assert [row["detector"] for row in rows] == [OURS, "nrt-iqr-3"]
    for row in rows:
        assert row.keys() >= CONTRACT
        assert row["not_run"] is None
        low, high = row["f1_interval"]
        assert 0 <= low <= row["f1"] <= high <= 1
        assert row["exposure_km2_years"] < 2.5
    mine, theirs = rows
    assert mine["f1"] > theirs["f1"]
    assert mine["openings"] == theirs["openings"] == 38
    pictures = sorted((tmp_path / "pictures").iterdir())
    assert [path.name for path in pictures] == ["errors-romania.png", "peers.png"]
    assert all(path.read_bytes().startswith(b"\x89PNG") for path in pictures)


@pytest.mark.slow
def test_the_command_says_what_is_missing_and_ends_with_one(tmp_path: Path) -> None:
    rows = told(
        "peers",
        "--series",
        "henan-crop",
        "--series",
        "mine",
        "--data",
        tmp_path / "nowhere",
        scratch=tmp_path,
        code=1,
    )
    assert len(rows) == 2 * len(DETECTORS)
    for row in rows:
        assert row.keys() >= CONTRACT
        assert row["f1"] is None
        assert row["not_run"].startswith("not run: ")


def test_the_help_names_every_series_and_detector() -> None:
    told = {
        parameter.name: set(re.findall(r"[a-z0-9-]+", parameter.help or ""))
        for parameter in get_command(app).commands["peers"].params
    }
    assert not set(DATASETS) - told["series"]
    assert not set(DETECTORS) - told["detector"]


def test_a_wrong_name_is_wrong_usage(tmp_path: Path) -> None:
    done = rsmonitor("assess", "peers", "--series", "mars", scratch=tmp_path)
    assert done.code == 2
    assert "mars" in done.stderr
