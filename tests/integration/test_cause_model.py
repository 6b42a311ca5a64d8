"""The shipped model of causes: whole, honest, reproducible, and asked by a run."""

import json
from dataclasses import dataclass, fields, replace
from pathlib import Path

import numpy as np
import pytest
from landscape import LOOKS, Desk, landscape, week_of

from rsmonitor.errors import SourceError, StoreError
from rsmonitor.io.stores.models import find_model, read_metadata
from rsmonitor.lab.cause_card import card, verdict
from rsmonitor.lab.cause_objects import SOURCES, rondonia
from rsmonitor.lab.cause_training import train, write
from rsmonitor.lab.datasets import Places
from rsmonitor.pipeline import Job
from rsmonitor.records.disturbance import Cause
from rsmonitor.stages.classify import CauseModel, classify
from rsmonitor.stages.deciding import decided_by
from rsmonitor.stages.features import FEATURE_ORDER
from rsmonitor.wiring.causes import cause_model

FOLDER = find_model("cause/1")
TOLD = read_metadata(FOLDER)


@pytest.fixture(scope="module")
def shipped() -> CauseModel:
    return cause_model(FOLDER)


@dataclass
class Asking(Desk):
    """An office whose causes a model names."""

    asked: CauseModel | None = None

    @property
    def job(self) -> Job:
        return replace(super().job, cause_model=self.asked)


def test_a_run_names_causes_by_the_model_that_it_is_given(shipped: CauseModel) -> None:
    empty = Desk.new()
    desk = Asking(**{f.name: getattr(empty, f.name) for f in fields(empty)})
    desk.asked = shipped
    desk.run(landscape().source(), week_of(LOOKS - 1))
    (alert,) = desk.shown.alerts
    latest = alert.site.latest
    assert alert.provenance.model_id == latest.model_id == "cause-1"
    assert set(latest.causes) == {Cause.CLEAR_CUT, Cause.DIGGING, Cause.UNKNOWN}
    told = decided_by(latest)
    assert len(told) >= 3
    assert all("median" in reason.en for reason in told[-3:])
    assert empty.job.cause_model is None, "a job of its own asks the rules"


def test_the_model_takes_what_is_measured_and_knows_what_it_has_seen(
    shipped: CauseModel,
) -> None:
    assert set(shipped.features) <= set(FEATURE_ORDER)
    assert (shipped.distance(shipped.centres) == 0).all()
    far = shipped.medians + 10
    assert shipped.distance(far[None])[0] > 1
    np.testing.assert_allclose(
        shipped.probabilities(np.stack([shipped.medians, far])).sum(axis=1), 1
    )


def test_the_card_is_what_the_metadata_say() -> None:
    assert (FOLDER / "card.md").read_text() == card(TOLD)


def test_the_card_claims_nothing_of_ionic_rare_earth_mines() -> None:
    text = (FOLDER / "card.md").read_text()
    assert "Ionic rare-earth mines: not measured" in text
    for line in text.splitlines():
        assert "rare-earth" not in line or "not measured" in line


def test_the_limits_are_what_was_measured() -> None:
    compared = TOLD.metrics["digging_against_others"]
    unproven = {n for n, row in compared.items() if row["gain_interval"][0] <= 0}
    assert {"pairs_2019_where_forest_was", "pairs_2019_below_1_ha"} <= unproven
    assert "So it is not the default" in verdict(compared)
    assert TOLD.metrics["causes_never_seen"]["fire"]["called"]["digging"] == 1
    assert TOLD.restricted, "s2_mining_pairs has no licence"
    assert "**Restricted**" in card(TOLD)


def test_a_model_of_another_task_is_refused(tmp_path: Path) -> None:
    content = json.loads((FOLDER / "metadata.json").read_text())
    (tmp_path / "metadata.json").write_text(
        json.dumps({**content, "name": "pair-screen"})
    )
    with pytest.raises(StoreError, match="judges something else"):
        cause_model(tmp_path)


@pytest.mark.parametrize("broken", [{}, {"seen": {}}, {"seen": {"medians": ["x"]}}])
def test_a_model_that_does_not_say_what_it_has_seen_is_refused(
    tmp_path: Path, broken: dict[str, object]
) -> None:
    content = json.loads((FOLDER / "metadata.json").read_text())
    content["metrics"].pop("seen")
    content["metrics"] |= broken
    (tmp_path / "metadata.json").write_text(json.dumps(content))
    (tmp_path / "model.skops").write_bytes((FOLDER / "model.skops").read_bytes())
    with pytest.raises(StoreError, match="seen is not whole"):
        cause_model(tmp_path)


def test_without_mining_there_is_no_model(test_data: Path) -> None:
    with pytest.raises(SourceError, match="a model needs two causes"):
        train(Places(data=test_data), sources=["s2_deforest_ts", "pixel_series_china"])


def test_an_unknown_data_set_is_named_with_those_that_are_known() -> None:
    with pytest.raises(SourceError, match=f"no data set gold.*{next(iter(SOURCES))}"):
        train(Places(), sources=["gold"])


def test_real_clearings_of_rondonia_are_mostly_called_felling(
    test_data: Path, shipped: CauseModel
) -> None:
    found = [
        classify(each.disturbance, shipped).cause
        for each in rondonia(Places(data=test_data))
    ]
    assert len(found) >= 10
    assert found.count(Cause.CLEAR_CUT) / len(found) > 0.7


@pytest.mark.slow
def test_one_command_makes_the_shipped_model_again(
    test_data: Path, demo_cube: tuple[Path, Path], tmp_path: Path
) -> None:
    assert all(path.is_file() for path in demo_cube)
    trained = train(Places(data=test_data))
    write(trained, tmp_path)
    now = read_metadata(tmp_path)
    assert now.data == TOLD.data
    for name, row in TOLD.metrics["digging_against_others"].items():
        again = now.metrics["digging_against_others"][name]
        assert again["auc"] == pytest.approx(row["auc"], abs=0.01)
        assert again["gain"] == pytest.approx(row["gain"], abs=0.01)
    assert now.metrics["objects"] == TOLD.metrics["objects"]
    np.testing.assert_allclose(
        trained.model.estimator.coef_,  # type: ignore[attr-defined]  # a linear model
        cause_model(FOLDER).estimator.coef_,  # type: ignore[attr-defined]
        rtol=1e-3,
        atol=1e-3,
    )
