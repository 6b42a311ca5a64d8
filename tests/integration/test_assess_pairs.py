"""`rsmonitor assess pairs` on drawn pairs always, and on real ones where they are."""

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import typer
import xarray as xr
from sklearn.ensemble import HistGradientBoostingClassifier
from threadpoolctl import threadpool_limits
from typer.testing import CliRunner

from rsmonitor.cli.assess_pairs import pairs as command
from rsmonitor.errors import OutputError, SourceError, StoreError
from rsmonitor.io.stores.models import load_model, read_metadata
from rsmonitor.lab.pair_assessment import assess
from rsmonitor.lab.pair_folds import blocked_folds, distances_km, places_of
from rsmonitor.lab.pair_judging import (
    auc,
    auc_difference,
    auc_gain,
    average_precision,
    best_threshold,
    judge,
)
from rsmonitor.lab.pair_model import alone, fitted, packed, probabilities
from rsmonitor.lab.pair_training import Trained, suspicious, train, write
from rsmonitor.lab.pair_trees import grown, height
from rsmonitor.lab.pairs import POSITIVE, read_pairs, rows_of
from rsmonitor.stages.pair_features import FEATURE_ORDER
from rsmonitor.stages.pair_spectra import PAIR_BANDS

KEYS = [
    "n",
    "auc",
    "auc_interval",
    "average_precision",
    "f1",
    "threshold",
    "brier",
    "ece",
    "model_id",
]
MODEL = "pair-screen/2"
TRIAL = 12
"""Boosted trees of the model that tests train: what is proved hangs on no number."""
FOREST = (200, 400, 250, 3000, 1300, 600)
SOIL = (900, 1300, 1700, 2400, 3300, 2800)
POND = (800, 1100, 1000, 500, 200, 100)


def drawn(n: int = 24, side: int = 48) -> xr.Dataset:
    """Draw forest; in every second pair a mine opens."""
    random = np.random.default_rng(5)
    shape = (n, len(PAIR_BANDS), side, side)
    rough = 1 + 0.06 * random.standard_normal((2, *shape))
    t0, t1 = np.array(FOREST)[None, :, None, None] * rough
    for place in range(0, n, 2):
        top, left = random.integers(2, side // 3, 2)
        pit = (slice(top, top + side // 2), slice(left, left + side // 2))
        t1[place][:, *pit] = np.array(SOIL)[:, None, None] * rough[1, place][:, *pit]
        for row in range(top + 2, top + side // 2 - 4, 6):
            t1[place, :, row : row + 3, left + 3 : left + 9] = np.array(POND)[
                :, None, None
            ]
    category = [POSITIVE if i % 2 == 0 else "natural_change" for i in range(n)]
    return xr.Dataset(
        {
            "t0": (("sample", "band", "y", "x"), t0.astype(np.int16)),
            "t1": (("sample", "band", "y", "x"), t1.astype(np.int16)),
            "category": ("sample", category),
            "lon": ("sample", -60.0 + np.arange(n)),
            "lat": ("sample", np.zeros(n)),
        },
        coords={"sample": [f"pair_{i}" for i in range(n)], "band": list(PAIR_BANDS)},
    )


def saved(data: xr.Dataset, folder: Path, name: str = "pairs.nc") -> Path:
    path = folder / name
    data.to_netcdf(path)
    return path


def run(*arguments: object) -> Any:  # noqa: ANN401 - typer brings its own click
    app = typer.Typer()
    app.command()(command)
    return CliRunner().invoke(
        app, [str(each) for each in arguments], standalone_mode=False
    )


def test_the_json_holds_what_outsiders_rely_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    done = run(saved(drawn(), tmp_path), "--model", MODEL, "--json")
    assert done.return_value == 0, done.output
    told = json.loads(done.stdout)
    assert list(told) == KEYS
    assert told["n"] == 24
    assert told["model_id"] == "pair-screen-2"
    assert told["auc"] > 0.9
    assert told["auc_interval"][0] <= told["auc"] <= told["auc_interval"][1]
    with (tmp_path / "pairs-scores.csv").open(encoding="utf-8") as file:
        lines = list(csv.DictReader(file))
    score = np.array([float(line["probability"]) for line in lines])
    truth = np.array([line["category"] == POSITIVE for line in lines])
    assert auc(truth, score) == pytest.approx(told["auc"], abs=1e-3)


def test_a_person_reads_confusers_and_sees_pictures(tmp_path: Path) -> None:
    done = run(
        saved(drawn(12), tmp_path),
        "--scores",
        tmp_path / "scores.csv",
        "--figures",
        tmp_path / "pictures",
    )
    assert done.return_value == 0, done.output
    assert "natural_change" in done.stdout
    assert (tmp_path / "pictures/pairs-assessed.png").stat().st_size > 5000


def as_bytes(data: xr.Dataset) -> xr.Dataset:
    return data.assign(category=("sample", data.category.values.astype("S")))


def as_codes(data: xr.Dataset) -> xr.Dataset:
    codes = np.where(data.category.values == POSITIVE, 7, 3).astype(np.int16)
    attrs = {
        "flag_values": np.array([3, 7], np.int16),
        "flag_meanings": f"natural_change {POSITIVE}",
    }
    return data.assign(category=("sample", codes, attrs))


def as_label(data: xr.Dataset) -> xr.Dataset:
    label = (data.category.values == POSITIVE).astype(np.uint8)
    return data.drop_vars("category").assign(label=("sample", label))


def as_float(data: xr.Dataset) -> xr.Dataset:
    return data.assign(t0=data.t0 / 1e4, t1=data.t1 / 1e4)


def as_scaled(data: xr.Dataset) -> xr.Dataset:
    data = as_float(data)
    for name in ("t0", "t1"):
        data[name].encoding = {
            "dtype": "int16",
            "scale_factor": 1e-4,
            "_FillValue": -1,
        }
    return data


def as_turned(data: xr.Dataset) -> xr.Dataset:
    return data.transpose("y", "x", "band", "sample").isel(band=[5, 3, 1, 0, 2, 4])


def as_bare(data: xr.Dataset) -> xr.Dataset:
    return data.drop_vars(["lon", "lat", "sample", "band"])


def as_spelled(data: xr.Dataset) -> xr.Dataset:
    return data.assign_coords(band=["blue", "Green", "B4", "nir", "swir1", "b12"])


@pytest.mark.parametrize(
    "form",
    [
        as_bytes,
        as_codes,
        as_label,
        as_float,
        as_scaled,
        as_turned,
        as_bare,
        as_spelled,
    ],
)
def test_other_forms_of_the_same_file_say_the_same(
    tmp_path: Path, form: Callable[[xr.Dataset], xr.Dataset]
) -> None:
    plain = read_pairs(saved(drawn(4), tmp_path))
    other = read_pairs(saved(form(drawn(4)), tmp_path, "other.nc"))
    np.testing.assert_allclose(plain.before, other.before, atol=1e-6)
    np.testing.assert_allclose(plain.after, other.after, atol=1e-6)
    assert plain.positive.tolist() == other.positive.tolist() == [True, False] * 2


def test_what_is_assumed_is_told(tmp_path: Path) -> None:
    notes = " ".join(read_pairs(saved(as_bare(as_label(drawn(4))), tmp_path)).notes)
    assert "reflectance times 10000" in notes
    assert "bands have no names" in notes
    assert "label 1" in notes


def test_a_pair_that_nobody_saw_is_named_and_the_rest_judged(tmp_path: Path) -> None:
    data = drawn(12)
    data["t0"][3], data["t1"][3] = 0, 0
    data["t0"][5] = 0
    done = run(
        saved(data, tmp_path),
        "--json",
        "--scores",
        tmp_path / "s.csv",
        "--model",
        MODEL,
    )
    assert done.return_value == 1
    assert json.loads(done.stdout)["n"] == 11
    assert "pair_3" in done.stderr
    assert "saw less than half" in done.stderr


def test_one_class_alone_has_no_auc(tmp_path: Path) -> None:
    data = drawn(8).isel(sample=slice(0, 8, 2))
    told = assess(saved(data, tmp_path), model=MODEL).as_json()
    assert told["auc"] is None
    assert told["auc_interval"] is None
    assert told["n"] == 4


def test_smaller_patches_are_judged_and_told(tmp_path: Path) -> None:
    done = assess(saved(drawn(8, side=32), tmp_path), model=MODEL)
    assert done.judgement.n == 8
    assert any("32 x 32" in note for note in done.notes)


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        (lambda d: d.drop_vars("t1"), "no variable t1"),
        (lambda d: d.drop_vars("category"), "no category and no label"),
        (lambda d: d.isel(band=slice(0, 5)), "lacks B12"),
        (lambda d: d.isel(x=slice(0, 6)), "pixels a side"),
        (lambda d: d.assign(category=("sample", np.arange(4))), "flag_meanings"),
        (lambda d: d.assign(t0=d.t0.isel(sample=0, drop=True)), "dimensions"),
    ],
)
def test_a_file_that_cannot_be_understood_is_refused(
    tmp_path: Path, change: Callable[[xr.Dataset], xr.Dataset], rule: str
) -> None:
    path = saved(change(drawn(4)), tmp_path)
    with pytest.raises(SourceError, match=rule) as caught:
        read_pairs(path)
    assert str(path) in str(caught.value)


def test_what_is_no_netcdf_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "pairs.nc"
    path.write_bytes(b"not a cube")
    with pytest.raises(SourceError, match="cannot be read as NetCDF"):
        read_pairs(path)
    with pytest.raises(SourceError, match="no such file"):
        read_pairs(tmp_path / "absent.nc")
    with pytest.raises(StoreError, match="no model"):
        assess(path, model="absent/1")


def test_scores_need_a_folder(tmp_path: Path) -> None:
    path = saved(drawn(4), tmp_path)
    done = run(path, "--scores", tmp_path / "absent" / "s.csv")
    assert isinstance(done.exception, OutputError)


# ------------------------------------------------------------------ folds and measures


def test_neighbours_never_train() -> None:
    random = np.random.default_rng(1)
    lon, lat = random.uniform(-60, -58, 80), random.uniform(-3, -1, 80)
    place, truth = places_of(lon, lat), random.random(80) < 0.5
    away = distances_km(lon, lat)
    judged_once = np.zeros(80, dtype=int)
    for train_on, judged in blocked_folds(truth, place, seed=0):
        assert away[np.ix_(train_on, judged)].min() > 20
        judged_once[judged] += 1
    assert (judged_once == 1).all()


def test_measures_are_those_of_scikit_learn() -> None:
    from sklearn import metrics  # noqa: PLC0415 - heavy

    random = np.random.default_rng(2)
    truth = random.random(200) < 0.6
    own = np.round(np.clip(random.normal(0.4 + 0.2 * truth, 0.2), 0, 1), 2)
    judged = judge(truth, own, threshold=0.5)
    assert auc(truth, own) == pytest.approx(metrics.roc_auc_score(truth, own))
    assert average_precision(truth, own) == pytest.approx(
        metrics.average_precision_score(truth, own)
    )
    assert judged.f1 == pytest.approx(metrics.f1_score(truth, own >= 0.5))
    assert judged.brier == pytest.approx(metrics.brier_score_loss(truth, own))


def test_half_of_the_highest_f1_is_the_threshold_of_calibrated_probabilities() -> None:
    random = np.random.default_rng(3)
    own = random.beta(1.5, 1.0, 20_000)
    truth = random.random(own.size) < own
    chosen = best_threshold(truth, own)
    f1 = {t: judged_f1(truth, own, t) for t in (chosen, *np.linspace(0.05, 0.95, 37))}
    assert f1[chosen] > max(f1.values()) - 0.002
    assert f1[chosen] > judged_f1(truth, own, chosen + 0.2) + 0.01


def judged_f1(truth: np.ndarray, own: np.ndarray, threshold: float) -> float:
    called = own >= threshold
    return float(2 * (called & truth).sum() / (called.sum() + truth.sum()))


# ------------------------------------------------------------------------- training


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[Trained, Path]:
    folder = tmp_path_factory.mktemp("trained")
    path = saved(drawn(52, side=16), folder)
    done = train(
        [path],
        number="3",
        licence="CC BY 4.0",
        repeats=1,
        brief=True,
        folds=2,
        trees=TRIAL,
    )
    write(done, folder / "3")
    return done, folder


def test_a_model_can_be_made_of_other_data(trained: tuple[Trained, Path]) -> None:
    done, folder = trained
    known = read_metadata(folder / "3")
    assert known == done.metadata
    assert known.model_id == "pair-screen-3"
    assert not known.restricted
    assert known.data[0].licence == "CC BY 4.0"
    assert known.metrics["auc"] > 0.9
    card = (folder / "3/card.md").read_text(encoding="utf-8")
    assert "Restricted" not in card
    some = xr.open_dataset(folder / "pairs.nc").isel(sample=slice(0, 10)).load()
    told = assess(saved(as_float(some), folder, "some.nc"), model=folder / "3")
    assert any("trained on 10 of these 10" in note for note in told.notes)
    assert len(suspicious(done, most=5)) == 5
    assert "A trial with 12 boosted trees" in card


def test_training_again_gives_the_same_bytes(trained: tuple[Trained, Path]) -> None:
    material = trained[0].material
    model, threshold = fitted(
        material.views, material.truth, material.place, trees=TRIAL
    )
    assert packed(model) == (trained[1] / "3/model.skops").read_bytes()
    assert threshold == trained[0].metadata.threshold


def test_trees_in_arrays_say_what_scikit_learn_says() -> None:
    random = np.random.default_rng(4)
    rows = random.standard_normal((300, 30)).round(2)
    truth = (rows[:, 0] * rows[:, 1] + rows[:, 2] > 0).astype(np.int64)
    grower = HistGradientBoostingClassifier(
        max_iter=200,
        learning_rate=0.05,
        max_leaf_nodes=5,
        max_features=0.1,
        l2_regularization=5.0,
        early_stopping=False,
        random_state=0,
    )
    # two threads on two busy processors wait for each other, for seconds
    with threadpool_limits(1, user_api="openmp"):
        theirs = grower.fit(rows, truth)
    # new rows on both sides of every split, and on the splits themselves
    new = np.concatenate([rows, random.standard_normal((300, 30)) * 3])
    own = height(grown(rows, truth), new)
    assert own == pytest.approx(theirs.decision_function(new), abs=1e-9)
    assert own.std() > 0.5


def test_the_first_version_has_no_trees_and_says_what_the_machine_alone_says(
    trained: tuple[Trained, Path],
) -> None:
    material = trained[0].material
    views = material.views[:, :, ::20]
    known = (views, material.truth, material.place)
    first, _ = fitted(*known, trees=0)
    second, _ = fitted(*known, trees=TRIAL)
    assert set(first) == {"ranking", "calibration"}
    assert alone(first, views[:, 0]) == {}
    machine, trees = alone(second, views[:, 0]).values()
    assert machine == pytest.approx(probabilities(first, views[:, 0]))
    assert not np.allclose(machine, trees)


def test_the_gain_over_one_cut_is_the_difference() -> None:
    random = np.random.default_rng(6)
    truth = random.random(120) < 0.6
    units = np.arange(120) // 3
    good = truth + random.standard_normal(120)
    bad = random.standard_normal(120)
    gain = auc_gain(truth, good[None], bad[None], units=units)
    assert gain == pytest.approx(auc_difference(truth, good, bad, units=units))
    both = auc_gain(truth, np.stack([good, bad]), np.stack([bad, good]), units=units)
    assert both == pytest.approx((0.0, 0.0))


def test_too_few_pairs_do_not_train(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="training needs"):
        train([saved(drawn(8, side=16), tmp_path)])


# ------------------------------------------------------------------------ real pairs


def test_the_shipped_model_knows_the_file_it_was_trained_on(test_data: Path) -> None:
    path = test_data / "s2_mining_pairs/pairs_train_val.nc"
    if not path.is_file():
        pytest.skip("optional data: s2_mining_pairs is missing")
    pairs = read_pairs(path)
    some = pairs.chosen(np.arange(0, 629, 30))
    model = load_model(MODEL, features=FEATURE_ORDER)
    assert pairs.sha256 == model.metadata.data[0].sha256
    rows = rows_of(some)
    own = model.estimator["ranking"].decision_function(rows.features)
    assert auc(some.positive[rows.places], own) == pytest.approx(1.0)
    assert model.metadata.metrics["auc"] > 0.9
    assert model.metadata.metrics["auc_interval"][0] > 0.88
