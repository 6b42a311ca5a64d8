"""`rsmonitor train CONFIG`, on real ledgers with verdicts, through the command."""

import base64
import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import shapely
from returned import NOW, office
from sightings import sighting, site, square

from rsmonitor.cli import train
from rsmonitor.errors import OutputError, ReturnsError
from rsmonitor.io.stores.ledger import SqliteLedger
from rsmonitor.io.stores.models import CARD_FILE, METADATA_FILE, MODEL_FILE
from rsmonitor.lab.cause_material import FEATURES
from rsmonitor.records.disturbance import Cause
from rsmonitor.records.event import EventDraft, EventKind
from rsmonitor.records.finding import Finding, Judgement, body_of
from rsmonitor.records.site import Site
from rsmonitor.wiring.causes import cause_model

Run = Callable[..., tuple[int, str, str]]
USUAL = (0.6, -0.45, 0.3, -0.2, 1.3, -0.5)
DAY = date(2026, 11, 20)
MINED, FELLED = Cause.DIGGING, Cause.CLEAR_CUT


def site_id(number: int) -> str:
    return "s" + base64.b32encode(f"{number:07}".encode()).decode().lower()[:12]


def labelled(
    count: int, *, first: int = 0, seed: int = 0, apart: float = 3.0, spot: int = 3_000
) -> list[tuple[Site, Cause]]:
    """Give sites, five a place, whose causes lie `apart` spreads from each other.

    The rules call all of them digging: only labels can tell them apart.
    """
    random = np.random.default_rng(seed)
    found = []
    for n in range(first, first + count):
        cause = (MINED, FELLED)[n % 2]
        values = random.normal(USUAL, 0.03)
        values[5] += 0.03 * apart * (1 if cause is MINED else -1) / 2
        seen = sighting(square(4 * (n % 5), spot * (n // 5), 3))
        measured = replace(
            seen.disturbance, features=dict(zip(FEATURES, values.tolist(), strict=True))
        )
        found.append((site(site_id(n), replace(seen, disturbance=measured)), cause))
    return found


def finding(of: Site, cause: Cause | None, who: str = "李华") -> Finding:
    mined = cause is None or cause is MINED
    return Finding(
        site_id=of.site_id,
        kind=EventKind.TRIAGED,
        judgement=Judgement.UNLAWFUL if mined else Judgement.PSEUDO_CHANGE,
        cause=cause,
        imagery="GF-2 2026-11-01",
        judged_by=who,
        judged_on=DAY,
    )


def ledger_with(
    folder: Path, found: Sequence[tuple[Site, Cause]], said: Sequence[Finding]
) -> Path:
    config = office(folder, [each for each, _ in found])
    work = folder / "work"
    ledger = SqliteLedger(work / "ledger.sqlite", locks=work / "locks")
    ledger.append(
        [
            EventDraft(
                kind=each.kind,
                at=NOW,
                who=each.judged_by,
                body=body_of(each, file="a.csv", file_sha256="0" * 64, row="1"),
            )
            for each in said
        ],
        expected_head=ledger.head(),
    )
    return config


def judged(folder: Path, found: Sequence[tuple[Site, Cause]]) -> Path:
    return ledger_with(folder, found, [finding(*each) for each in found])


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    """Give a function that runs the command to its end."""

    def command(*words: str | Path) -> tuple[int, str, str]:
        code = train.app([str(word) for word in words], standalone_mode=False)
        said = capsys.readouterr()
        return code or 0, said.out, said.err

    return command


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a model of 198 verdicts, whose last place is not whole."""
    folder = tmp_path_factory.mktemp("large")
    config = judged(folder, labelled(198))
    out = folder / "models" / "4"
    assert train.app([str(config), "--out", str(out)], standalone_mode=False) == 0
    return out


def test_it_learns_from_verdicts_what_the_rules_cannot_tell(
    run: Run, tmp_path: Path
) -> None:
    config = judged(tmp_path, labelled(60))
    code, out, _ = run(config)
    assert code == 0
    assert "60 labelled objects" in out
    assert "on 60 held-out objects in 12 places" in out
    assert f'model = ".{Path("/work")}/models/cause/3"' in out
    folder = tmp_path / "work" / "models" / "cause" / "3"
    model = cause_model(folder)  # through every check of the store
    assert model.model_id == "cause-3"
    told = json.loads((folder / METADATA_FILE).read_bytes())
    against = told["metrics"]["comparison"]
    assert against["in_use"] == "cause-2"
    assert against["brier_gain"][1] > 0
    assert against["accuracy"][0] > 0.8 > against["accuracy"][1]
    assert told["restricted"]
    assert "own-labels: 60 objects" in (folder / CARD_FILE).read_text("utf-8")


def test_the_same_labels_give_the_same_bytes(run: Run, tmp_path: Path) -> None:
    found = labelled(40)
    one = judged(tmp_path / "one", found)
    other = judged(tmp_path / "other", found[::-1])
    for config in (one, other):
        code, _, _ = run(config, "--out", config.parent / "new")
        assert code == 0
    for name in (MODEL_FILE, METADATA_FILE, CARD_FILE):
        assert (one.parent / "new" / name).read_bytes() == (
            other.parent / "new" / name
        ).read_bytes()


def test_a_worse_one_is_refused_unless_told(
    run: Run, tmp_path: Path, large: Path
) -> None:
    # elsewhere, a few: what 198 verdicts taught they cannot teach
    config = judged(tmp_path, labelled(32, first=1_000, seed=1))
    code, out, _ = run(config, "--in-use", large, "--json")
    told = json.loads(out)
    assert code == 1
    assert told["comparison"]["worse"]
    assert told["comparison"]["passed_over"] == 0
    assert "refused" in told["said"]
    assert not (tmp_path / "work" / "models").exists()
    code, out, _ = run(config, "--in-use", large, "--replace-worse")
    assert code == 0
    assert "worse, and written because you said so" in out
    # the number goes on from that of the model in use
    assert (tmp_path / "work" / "models" / "cause" / "5" / MODEL_FILE).is_file()


def test_what_the_model_in_use_learnt_by_heart_does_not_count(
    run: Run, tmp_path: Path, large: Path
) -> None:
    # eighteen of these trained it, and two lie beside some of them: all are passed over
    config = judged(tmp_path, labelled(40, first=180))
    _, out, _ = run(config, "--in-use", large, "--json")
    told = json.loads(out)["comparison"]
    assert (told["passed_over"], told["judged"], told["remade"]) == (20, 20, False)
    # all of them trained it, and it cannot be made again without the others
    config = judged(tmp_path / "all", labelled(40))
    code, out, _ = run(config, "--in-use", large)
    assert code == 3
    assert "not enough: 0 of 10" in out


def test_a_model_of_fewer_verdicts_is_made_again_without_the_held_out_places(
    run: Run, tmp_path: Path
) -> None:
    found = labelled(80, apart=1.5)
    before = judged(tmp_path / "before", found[:40])
    run(before, "--out", tmp_path / "1", "--replace-worse")
    after = judged(tmp_path / "after", found)
    _, out, _ = run(after, "--in-use", tmp_path / "1", "--json", "--replace-worse")
    told = json.loads(out)["comparison"]
    assert (told["remade"], told["judged"]) == (True, 80)
    assert told["brier"][0] != told["brier"][1]
    # on the very same labels nothing new can be learnt
    code, out, _ = run(before, "--in-use", tmp_path / "1", "--out", tmp_path / "2")
    assert code == 0
    assert "the same as cause-1" in out
    assert not (tmp_path / "2").exists()


def test_too_few_labels_do_nothing_and_say_how_many(run: Run, tmp_path: Path) -> None:
    code, out, _ = run(judged(tmp_path / "few", labelled(29)))
    assert code == 3
    assert "not enough: 29 of 30" in out
    one_cause = [(each, MINED) for each, _ in labelled(40)]
    code, out, _ = run(judged(tmp_path / "one", one_cause))
    assert code == 3
    assert "not enough: 1 of 2 causes" in out
    # forty on one hillside
    code, out, _ = run(judged(tmp_path / "near", labelled(40, spot=4)))
    assert code == 3
    assert "do not lie in 5 places" in out
    assert not list(tmp_path.glob("*/*/models"))


def test_who_is_contradicted_or_names_no_cause_teaches_nothing(
    run: Run, tmp_path: Path
) -> None:
    found = labelled(44)
    said = [finding(*each) for each in found]
    said += [finding(found[0][0], FELLED, "孙某"), finding(found[1][0], MINED, "孙某")]
    said.append(finding(found[7][0], Cause.ORCHARD, "孙某"))
    # who names no cause contradicts nobody who says the same
    said.append(finding(found[2][0], None, "孙某"))
    said[3] = replace(said[3], judgement=Judgement.UNCLEAR, cause=None)
    said[4] = replace(said[4], cause=None)
    said[5] = replace(said[5], cause=Cause.UNKNOWN)
    config = ledger_with(tmp_path, found, said)
    _, out, _ = run(config, "--json")
    told = json.loads(out)
    assert told["labels"] == 38
    assert told["left_out"] == {
        "cause unknown": 1,
        "disputed": 3,
        "no cause named": 1,
        "not decided": 1,
    }


def polygon(of: Site, cause: str, **days: str) -> dict[str, Any]:
    around = of.latest.disturbance.geometry.buffer(1e-5)
    return {
        "type": "Feature",
        "properties": {"原因": cause, **days},
        "geometry": shapely.geometry.mapping(around),
    }


def test_polygons_from_qgis_say_the_cause_of_what_they_cover(
    run: Run, tmp_path: Path
) -> None:
    found = labelled(60)
    words = {MINED: "采挖", FELLED: "桉树采伐"}
    began = found[0][0].latest.disturbance.began_by
    features = [polygon(each, words[cause]) for each, cause in found[30:57]]
    features += [
        # before it began, so of something else
        polygon(found[57][0], "采挖", 结束日期="2010-01-01"),
        polygon(found[58][0], "采挖", 日期=began.isoformat()),
        polygon(found[59][0], "什么"),
        # contradicts a verdict
        polygon(found[0][0], "桉树采伐"),
    ]
    path = tmp_path / "样本.geojson"
    path.write_text(
        json.dumps({"type": "FeatureCollection", "features": features}), "utf-8"
    )
    config = ledger_with(tmp_path, found, [finding(*each) for each in found[:30]])
    code, out, err = run(config, "--labels", path, "--json")
    told = json.loads(out)
    assert code == 0
    assert told["labels"] == 29 + 27 + 1
    assert told["left_out"] == {"disputed": 1, "polygon without a site": 1}
    assert "refused: 样本.geojson, feature 30: cause '什么'" in err
    path.write_text('{"type": "FeatureCollection", "features": []}', "utf-8")
    with pytest.raises(ReturnsError, match="no label can be used"):
        run(config, "--labels", path)


def test_another_model_is_not_written_over(
    run: Run, tmp_path: Path, large: Path
) -> None:
    config = judged(tmp_path, labelled(40, first=1_000))
    with pytest.raises(OutputError, match="another model"):
        run(config, "--out", large)


def test_the_word_cause_may_be_left_out_and_pairs_stand_beside(run: Run) -> None:
    _, out, _ = run("--help")
    assert "pairs" in out
    assert "cause" in out
    with pytest.raises(Exception, match=r"nowhere\.toml"):
        run("cause", "nowhere.toml")
