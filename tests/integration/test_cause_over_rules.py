"""The model that moves the rules: shipped, honest, reproducible, and the default."""

import dataclasses
import json
import math
import shutil
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sightings import sighting, square

from rsmonitor.config import Settings, read_settings
from rsmonitor.config.sections import ClassifySettings
from rsmonitor.errors import ContractError
from rsmonitor.io.stores.models import METADATA_FILE, find_model, read_metadata
from rsmonitor.lab.cause_material import gather
from rsmonitor.lab.cause_over_rules import SHOWN, over_rules
from rsmonitor.lab.cause_over_rules_card import card
from rsmonitor.lab.datasets import Places
from rsmonitor.records.disturbance import Cause
from rsmonitor.stages.classify import CauseModel, classify, moved
from rsmonitor.wiring.causes import WEIGHT, cause_model, digest_of

FOLDER = find_model("cause/2")
TOLD = read_metadata(FOLDER)
BARE = {Cause.DIGGING: 0.4, Cause.CLEAR_CUT: 0.1, Cause.UNKNOWN: 0.5}


@pytest.fixture(scope="module")
def shipped() -> CauseModel:
    return cause_model(FOLDER)


def rows_near(model: CauseModel, seed: int, n: int = 40) -> np.ndarray:
    spread = np.sqrt(np.diag(np.linalg.inv(model.precision)))
    random = np.random.default_rng(seed)
    return model.medians + spread * random.standard_normal((n, spread.size))


# ------------------------------------------------------------------------- how it moves


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32 - 1), st.floats(0.01, 0.99))
def test_other_causes_keep_their_proportions(seed: int, own: float) -> None:
    model = cause_model(FOLDER)
    rules = {
        Cause.DIGGING: own,
        Cause.ROAD: (1 - own) / 4,
        Cause.UNKNOWN: (1 - own) * 0.75,
    }
    told = moved(rules, model, rows_near(model, seed))
    assert told.sum(axis=1) == pytest.approx(1)
    assert ((told > 0) & (told < 1)).all()
    assert told[:, 2] / told[:, 1] == pytest.approx(3)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_what_looks_more_like_mining_is_never_put_lower(seed: int) -> None:
    model = cause_model(FOLDER)
    rows = rows_near(model, seed)
    rows = rows[model.distance(rows) <= 1]
    digging = list(map(str, model.estimator.classes_)).index("digging")
    own = model.estimator.predict_proba(rows)[:, digging]
    told = moved(BARE, model, rows)[:, 0]
    order = np.argsort(own)
    assert (np.diff(told[order]) >= -1e-12).all()
    assert (np.sign(told - 0.4) == np.sign(own - 0.5)).all()


def test_half_of_the_log_odds_is_what_moves(shipped: CauseModel) -> None:
    row = shipped.medians[None]
    digging = list(map(str, shipped.estimator.classes_)).index("digging")
    own = float(shipped.estimator.predict_proba(row)[0, digging])
    told = float(moved(BARE, shipped, row)[0, 0])

    def odds(p: float) -> float:
        return math.log(p / (1 - p))

    assert odds(told) - odds(0.4) == pytest.approx(0.5 * odds(own))


def test_what_it_has_never_seen_is_left_to_the_rules(shipped: CauseModel) -> None:
    far = shipped.medians + 10
    assert shipped.distance(far[None])[0] > 1
    assert moved(BARE, shipped, far[None])[0].tolist() == list(BARE.values())
    ground = sighting(square(0, 0, 3)).disturbance
    seen = dict(zip(shipped.features, shipped.medians.tolist(), strict=True))
    strange = dict(zip(shipped.features, far.tolist(), strict=True))
    for features in (strange, seen | {"ndmi_change": math.nan}, {}):
        left = dataclasses.replace(ground, features=features)
        assert classify(left, shipped) == classify(left)
    known = dataclasses.replace(ground, features=seen)
    named = classify(known, shipped)
    assert named.model_id == "cause-2"
    assert named.causes != classify(known).causes
    assert named.disturbance.features["unlike"] <= 1
    assert math.fsum(named.causes.values()) == pytest.approx(1, abs=1e-12)


def test_a_model_of_several_causes_cannot_move_the_rules() -> None:
    several = cause_model(find_model("cause/1"))
    with pytest.raises(ContractError, match="tells digging from unknown"):
        dataclasses.replace(several, weight=0.5)
    with pytest.raises(ContractError, match="names causes by itself"):
        moved(BARE, several, several.medians[None])
    with pytest.raises(ContractError, match="weight"):
        dataclasses.replace(cause_model(FOLDER), weight=1.5)


# ------------------------------------------------------------------- what is told of it


@pytest.mark.parametrize("value", [math.nan, math.inf])
@pytest.mark.parametrize("field", ["medians", "centres", "precision", "threshold"])
def test_numbers_that_are_none_do_not_make_everything_familiar(
    shipped: CauseModel, field: str, value: float
) -> None:
    changed = np.array(getattr(shipped, field))
    changed.flat[0] = value
    given = float(changed) if field == "threshold" else changed
    with pytest.raises(ContractError, match="finite"):
        dataclasses.replace(shipped, **{field: given})


def test_another_weight_is_another_model_to_whoever_asks_what_changes_results(
    tmp_path: Path,
) -> None:
    digests = set()
    for n, weight in enumerate((0.5, 0.25, 0.5)):
        folder = Path(shutil.copytree(FOLDER, tmp_path / str(n)))
        told = json.loads((folder / METADATA_FILE).read_text("utf-8"))
        told["metrics"][WEIGHT] = weight
        (folder / METADATA_FILE).write_text(json.dumps(told), "utf-8")
        digests.add(digest_of(settings_with(tmp_path, str(folder))))
    assert len(digests) == 2
    assert digest_of(settings_with(tmp_path, "cause/2")) in digests
    assert digest_of(settings_with(tmp_path, "rules-1")) is None
    one = read_metadata(find_model("cause/1"))
    assert digest_of(settings_with(tmp_path, "cause/1")) == one.sha256


def settings_with(folder: Path, model: str) -> Settings:
    path = folder / "settings.toml"
    path.write_text(
        '[district]\ncode = "demo"\nname_zh = "某县"\nname_en = "Some"\nbureau = "局"'
        '\n[source]\nkind = "cube"\nfiles = ["cube.nc"]\n[history]\n'
        'until = 2018-06-30\n[run]\nwork = "w"\nout = "o"\n'
        f'[classify]\nmodel = "{model}"\n',
        "utf-8",
    )
    return read_settings(path)


def test_it_is_the_default_and_what_the_demo_shows_did_not_train_it() -> None:
    assert ClassifySettings().model == "cause/2"
    assert not any(SHOWN in each.name for each in TOLD.data)
    (shown,) = [row for name, row in TOLD.metrics["objects"].items() if SHOWN in name]
    assert shown["trained"] is False


def test_the_card_is_what_the_metadata_say() -> None:
    assert (FOLDER / "card.md").read_text() == card(TOLD)
    assert "Ionic rare-earth mines: not measured" in card(TOLD)
    assert TOLD.restricted
    assert "**Restricted**" in card(TOLD)


def test_it_is_better_where_the_limits_say_so_and_worse_nowhere() -> None:
    compared = TOLD.metrics["digging_against_others"]
    better = {name for name, row in compared.items() if row["gain_interval"][0] > 0}
    assert set(compared) - better == {"pairs_2019_below_1_ha"}
    assert "Below 1 ha it was not shown to be better" in card(TOLD)
    for row in (*compared.values(), *TOLD.metrics["brier"].values()):
        assert row["gain_interval"][1] > 0
        assert row["gain"] > -0.005
    named = TOLD.metrics["called_digging"]
    assert named["fellings of the demo"]["model"] == 0
    small = named["mining in forest, below 1 ha"]
    assert small["model"] > small["rules"] - 0.03


@pytest.mark.slow
def test_the_same_data_make_the_same_model(
    test_data: Path, shipped: CauseModel
) -> None:
    # what the demo shows is not read: it trains nothing
    material = gather(Places(data=test_data), ["s2_mining_pairs", "s2_deforest_ts"])
    digging = material.causes == Cause.DIGGING.value
    again = over_rules(material.rows, digging)
    assert [each.sha256 for each in material.data] == [
        each.sha256 for each in TOLD.data
    ]
    assert again.weight == shipped.weight
    assert again.threshold == pytest.approx(shipped.threshold, rel=1e-6)
    np.testing.assert_allclose(
        again.estimator.coef_,  # type: ignore[attr-defined]  # a linear model
        shipped.estimator.coef_,  # type: ignore[attr-defined]
        rtol=1e-3,
        atol=1e-3,
    )
