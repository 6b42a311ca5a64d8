"""A model is loaded only if nothing about it is strange, and never runs by loading."""

import hashlib
import io
import json
import pickle  # noqa: TID251 - what is refused is made here
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sklearn
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import KBinsDiscretizer
from sklearn.svm import SVC
from skops.io import dumps

from rsmonitor.errors import ContractError, StoreError
from rsmonitor.io.stores.models import (
    LARGEST_MODEL,
    LARGEST_UNPACKED,
    METADATA_FILE,
    MODEL_FILE,
    TYPES,
    canonical,
    find_model,
    load_model,
    read_metadata,
    shipped_models,
)
from rsmonitor.records.model import ModelMetadata, TrainingData

ORDER = ("a", "b")


def estimator() -> dict[str, Any]:
    x = np.random.default_rng(0).normal(size=(80, 2))
    y = (x[:, 0] > 0).astype(np.int64)
    bins = KBinsDiscretizer(
        8, encode="ordinal", quantile_method="averaged_inverted_cdf"
    )
    ranking = make_pipeline(bins, SVC()).fit(x, y)
    value = ranking.decision_function(x)[:, None]
    return {"ranking": ranking, "calibration": LogisticRegression().fit(value, y)}


def metadata(data: bytes, **other: object) -> ModelMetadata:
    known: dict[str, Any] = {
        "name": "toy",
        "version": "1",
        "task": "tells left from right",
        "positive": "right",
        "sha256": hashlib.sha256(data).hexdigest(),
        "software": {"scikit-learn": sklearn.__version__},
        "feature_order": ORDER,
        "data": (
            TrainingData(
                name="toy.nc",
                sha256="0" * 64,
                samples=80,
                positives=40,
                source="drawn at random",
                licence="none stated",
                licensed=False,
            ),
        ),
        "folds": "none",
        "metrics": {"auc": 1.0},
        "threshold": 0.5,
        "retrain": "rsmonitor train toy",
    }
    return ModelMetadata(**(known | other))


def stored(folder: Path, data: bytes, **other: object) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / MODEL_FILE).write_bytes(data)
    known = metadata(data, **other).as_json()
    (folder / METADATA_FILE).write_text(json.dumps(known), encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def good() -> bytes:
    return canonical(dumps(estimator()))


def rezipped(data: bytes, change: Callable[[dict[str, bytes]], None]) -> bytes:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    change(members)
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return written.getvalue()


def test_a_stored_model_says_what_it_said(tmp_path: Path, good: bytes) -> None:
    loaded = load_model(stored(tmp_path / "toy", good), features=ORDER)
    own = estimator()
    x = np.random.default_rng(1).normal(size=(30, 2))
    told = loaded.estimator["ranking"].decision_function(x)
    np.testing.assert_array_equal(told, own["ranking"].decision_function(x))
    assert loaded.metadata.model_id == "toy-1"
    assert loaded.metadata.restricted


def test_the_same_model_gives_the_same_bytes(good: bytes) -> None:
    kept = [np.zeros(9) for _ in range(50)]  # other addresses in memory
    assert canonical(dumps(estimator())) == good
    assert kept


class Gun:
    """Would run a command when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return (Path.touch, (self.path,))


@pytest.mark.parametrize("protocol", range(6))
def test_a_pickle_is_refused_whatever_it_is_called(
    tmp_path: Path, protocol: int
) -> None:
    shot = tmp_path / "shot"
    data = pickle.dumps(Gun(shot), protocol=protocol)
    with pytest.raises(StoreError, match=r"pickle.*can run any code"):
        load_model(stored(tmp_path / "toy", data), features=ORDER)
    assert not shot.exists()


@pytest.mark.parametrize("packing", ["", "zlib", "gzip", "bz2", "xz", "lzma"])
def test_a_joblib_file_is_refused(tmp_path: Path, packing: str) -> None:
    import joblib  # noqa: PLC0415 - what is refused is made here

    path = tmp_path / "model.joblib"
    joblib.dump({"a": np.arange(9)}, path, compress=(packing, 3) if packing else 0)
    with pytest.raises(StoreError, match=r"joblib|pickle"):
        load_model(stored(tmp_path / "toy", path.read_bytes()), features=ORDER)


def test_a_changed_file_is_refused(tmp_path: Path, good: bytes) -> None:
    folder = stored(tmp_path / "toy", good, sha256="1" * 64)
    with pytest.raises(StoreError, match="SHA-256"):
        load_model(folder, features=ORDER)


def test_types_beyond_the_list_are_refused(tmp_path: Path) -> None:
    forest = RandomForestClassifier(2).fit(np.eye(4), [0, 1, 0, 1])
    data = canonical(dumps(forest))
    with pytest.raises(StoreError, match="RandomForestClassifier"):
        load_model(stored(tmp_path / "toy", data), features=ORDER)


@pytest.mark.parametrize(
    "node",
    [
        {
            "__class__": "function",
            "__module__": "builtins",
            "__loader__": "FunctionNode",
            "content": {"module_path": "os", "function": "system"},
        },
        {
            "__class__": "str",
            "__module__": "builtins",
            "__loader__": "FunctionNode",
            "content": {"module_path": "os", "function": "system"},
        },
        {
            "__class__": "list",
            "__module__": "builtins",
            "__loader__": "OperatorFuncNode",
            "attrs": {},
        },
    ],
)
def test_a_function_in_the_schema_is_refused(
    tmp_path: Path, good: bytes, node: dict[str, Any]
) -> None:
    def change(members: dict[str, bytes]) -> None:
        schema = json.loads(members["schema.json"])
        schema["content"]["extra"] = node
        members["schema.json"] = json.dumps(schema).encode()

    data = rezipped(good, change)
    with pytest.raises(StoreError, match="fixed list"):
        load_model(stored(tmp_path / "toy", data), features=ORDER)


@pytest.mark.parametrize(
    ("name", "content", "rule"),
    [
        ("../evil.npy", b"\x93NUMPY", "only schema.json and arrays"),
        ("code.py", b"print()", "only schema.json and arrays"),
        ("7.npy", pickle.dumps([1]), "no array of plain numbers"),
    ],
)
def test_a_strange_member_is_refused(
    tmp_path: Path, good: bytes, name: str, content: bytes, rule: str
) -> None:
    data = rezipped(good, lambda members: members.update({name: content}))
    with pytest.raises(StoreError, match=rule):
        load_model(stored(tmp_path / "toy", data), features=ORDER)


def test_an_array_of_objects_is_refused(tmp_path: Path, good: bytes) -> None:
    file = io.BytesIO()
    np.save(file, np.array([Gun(tmp_path / "shot")]), allow_pickle=True)
    data = rezipped(good, lambda members: members.update({"1.npy": file.getvalue()}))
    with pytest.raises(StoreError, match="plain numbers"):
        load_model(stored(tmp_path / "toy", data), features=ORDER)
    assert not (tmp_path / "shot").exists()


def test_a_bomb_is_refused_before_it_is_unpacked(tmp_path: Path, good: bytes) -> None:
    bomb = b"\x93NUMPY" + bytes(LARGEST_UNPACKED)
    data = rezipped(good, lambda members: members.update({"99.npy": bomb}))
    assert len(data) < LARGEST_MODEL
    with pytest.raises(StoreError, match="unpacks to"):
        load_model(stored(tmp_path / "toy", data), features=ORDER)


def test_a_file_that_is_too_large_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="larger than"):
        load_model(stored(tmp_path / "toy", bytes(LARGEST_MODEL + 1)), features=ORDER)


@pytest.mark.parametrize("data", [b"", b"hello", b"PK\x03\x04 cut off"])
def test_what_is_no_archive_is_refused(tmp_path: Path, data: bytes) -> None:
    with pytest.raises(StoreError, match=r"not a skops file|damaged"):
        load_model(stored(tmp_path / "toy", data), features=ORDER)


def test_another_minor_version_is_refused_with_the_command(
    tmp_path: Path, good: bytes
) -> None:
    folder = stored(tmp_path / "toy", good, software={"scikit-learn": "0.24.1"})
    with pytest.raises(StoreError, match=r"0\.24\.1.*rsmonitor train toy"):
        load_model(folder, features=ORDER)


def test_another_patch_version_is_taken(tmp_path: Path, good: bytes) -> None:
    minor = ".".join(sklearn.__version__.split(".")[:2])
    folder = stored(tmp_path / "toy", good, software={"scikit-learn": f"{minor}.99"})
    assert load_model(folder, features=ORDER).metadata.name == "toy"


def test_another_order_of_features_is_refused(tmp_path: Path, good: bytes) -> None:
    with pytest.raises(StoreError, match="number 1 is a, not b"):
        load_model(stored(tmp_path / "toy", good), features=("b", "a"))


def test_a_model_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="no model nothing/1"):
        find_model("nothing/1")
    with pytest.raises(StoreError, match=METADATA_FILE):
        read_metadata(tmp_path)


def test_the_shipped_model_is_the_newest_and_loads() -> None:
    from rsmonitor.stages.pair_features import FEATURE_ORDER  # noqa: PLC0415

    newest = find_model("pair-screen")
    assert newest.parent == shipped_models() / "pair-screen"
    loaded = load_model("pair-screen/1", features=FEATURE_ORDER)
    assert loaded.metadata.model_id == "pair-screen-1"
    assert loaded.metadata.restricted, "its data has no licence, and it must say so"
    assert (loaded.folder / "card.md").read_text(encoding="utf-8").count("Restricted")


@pytest.mark.parametrize(
    "wrong",
    [
        {"version": "one"},
        {"name": "Not A Name"},
        {"threshold": 1.0},
        {"feature_order": ("a", "a")},
        {"software": {}},
        {"sha256": "short"},
    ],
)
def test_metadata_that_breaks_a_rule_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ContractError):
        replace(metadata(b""), **wrong)


def test_metadata_survives_writing_and_reading() -> None:
    known = metadata(b"")
    assert ModelMetadata.from_json(json.loads(json.dumps(known.as_json()))) == known


@pytest.mark.parametrize("key", ["schema", "restricted", "data", "sha256"])
def test_metadata_without_a_key_is_refused(key: str) -> None:
    content = metadata(b"").as_json()
    del content[key]
    with pytest.raises(ContractError):
        ModelMetadata.from_json(content)


def test_the_list_of_types_holds_nothing_that_runs() -> None:
    assert not [name for name in TYPES if "function" in name or name.startswith("os")]
