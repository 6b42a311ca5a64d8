"""The model store: trained models on disk, loaded without running what they hold.

A model is a folder with ``model.skops``, ``metadata.json`` and ``card.md``. Nothing in
it is believed: size, content, checksum, types and versions are checked in this order,
and each before the next is looked at.
"""

import hashlib
import io
import json
import re
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import rsmonitor
from rsmonitor.errors import ContractError, StoreError
from rsmonitor.io.foundation.files import make_folder, write_atomic
from rsmonitor.records.model import ModelMetadata

MODEL_FILE: Final = "model.skops"
METADATA_FILE: Final = "metadata.json"
CARD_FILE: Final = "card.md"

LARGEST_MODEL: Final = 5_000_000
"""Bytes of a model file."""
LARGEST_UNPACKED: Final = 64_000_000
"""Bytes of what it unpacks to."""
LARGEST_METADATA: Final = 1_000_000
MOST_MEMBERS: Final = 5_000
MEMBER_NAME: Final = re.compile(r"schema\.json|[0-9]{1,20}\.npy")

TYPES: Final = frozenset(
    {
        "builtins.bool",
        "builtins.dict",
        "builtins.float",
        "builtins.int",
        "builtins.list",
        "builtins.str",
        "builtins.tuple",
        "numpy.bool",
        "numpy.dtype",
        "numpy.float32",
        "numpy.float64",
        "numpy.int32",
        "numpy.int64",
        "numpy.ndarray",
        "numpy.uint32",
        "numpy.uint64",
        "numpy.uint8",
        "sklearn.linear_model._logistic.LogisticRegression",
        "sklearn.pipeline.Pipeline",
        "sklearn.preprocessing._discretization.KBinsDiscretizer",
        "sklearn.svm._classes.SVC",
    }
)
"""Every type that a model may hold, and no other. The list is code: a file cannot
lengthen it."""

LOADERS: Final = frozenset(
    {
        "DictNode",
        "JsonNode",
        "ListNode",
        "NdArrayNode",
        "ObjectNode",
        "TupleNode",
        "TypeNode",
    }
)
"""Ways in which skops may build them: none names a function or a method."""

_ZIP: Final = b"PK\x03\x04"
_PICKLED: Final = (
    (re.compile(rb"\x80[\x00-\x05]"), "a pickle"),
    (re.compile(rb"[\(\]\}c][\s\S]*\.\Z"), "a pickle of the oldest protocol"),
    (re.compile(rb"ZF"), "a joblib file"),
    (re.compile(rb"\x1f\x8b"), "a gzip file, as joblib writes it"),
    (re.compile(rb"x[\x01\x5e\x9c\xda]"), "a zlib file, as joblib writes it"),
    (re.compile(rb"BZh"), "a bzip2 file, as joblib writes it"),
    (re.compile(rb"\xfd7zXZ|\x5d\x00\x00"), "an lzma file, as joblib writes it"),
    (re.compile(rb"\x04\x22\x4d\x18"), "an lz4 file, as joblib writes it"),
)
"""How files begin that run code when they are loaded."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class LoadedModel:
    """A model that passed every check."""

    metadata: ModelMetadata
    """What is known of it."""

    estimator: Any
    """What the file holds: scikit-learn estimators, fitted, by their part."""

    folder: Path
    """Where it lies."""


def load_model(which: str | Path, *, features: Sequence[str]) -> LoadedModel:
    """
    Load a model by name, name and version, or path.

    Parameters
    ----------
    which : str or Path
        ``pair-screen`` (its newest version), ``pair-screen/1``, or a folder that holds
        `MODEL_FILE` and `METADATA_FILE`.
    features : sequence of str
        Names of the numbers that will be given to it, in order.

    Returns
    -------
    LoadedModel
        Ready to judge.

    Raises
    ------
    StoreError
        If there is no such model, or a check fails; the message names the file, the
        rule and what to do.
    """
    folder = find_model(which)
    metadata = read_metadata(folder)
    path = folder / MODEL_FILE
    data = _bytes(path, LARGEST_MODEL)
    _require_plain(path, data)
    digest = hashlib.sha256(data).hexdigest()
    if digest != metadata.sha256:
        raise StoreError(
            f"{path}: SHA-256 is {digest}, but {METADATA_FILE} says {metadata.sha256}; "
            "the file was changed or is not that model's: install it again"
        )
    _require_versions(path, metadata)
    if tuple(features) != metadata.feature_order:
        raise StoreError(
            f"{path}: it takes {len(metadata.feature_order)} features in its own "
            f"order, this version of rsmonitor computes {len(features)}"
            f"{_first_other(metadata.feature_order, features)}; train it again: "
            f"{metadata.retrain}"
        )
    return LoadedModel(metadata=metadata, estimator=_parsed(path, data), folder=folder)


def find_model(which: str | Path) -> Path:
    """
    Find the folder of a model.

    Parameters
    ----------
    which : str or Path
        As `load_model` takes it.

    Returns
    -------
    Path
        An existing folder.

    Raises
    ------
    StoreError
        If there is none.
    """
    shipped, given = shipped_models(), Path(which)
    if re.fullmatch(r"[a-z][a-z0-9-]*(/[1-9][0-9]*)?", str(which)):
        here = shipped / str(which)
        if (here / METADATA_FILE).is_file():
            return here
        versions = [
            path for path in here.glob("[1-9]*") if (path / METADATA_FILE).is_file()
        ]
        if versions:
            return max(versions, key=lambda path: int(path.name))
    if given.is_file():
        return given.parent
    if given.is_dir():
        return given
    raise StoreError(
        f"no model {which}: it is neither a folder nor a name or name/version in "
        f"{shipped}"
    )


def write_model(
    folder: Path, *, data: bytes, metadata: ModelMetadata, card: str
) -> list[Path]:
    """
    Write a model as the store reads it.

    Parameters
    ----------
    folder : Path
        Where; made if missing. Files of those names are replaced.
    data : bytes
        The model, as skops writes it.
    metadata : ModelMetadata
        What is known of it; its checksum is that of `data`.
    card : str
        What people should know of it, Markdown.

    Returns
    -------
    list of Path
        The files.

    Raises
    ------
    OutputError
        If the folder cannot be written.
    """
    make_folder(folder)
    known = json.dumps(
        metadata.as_json(), indent=1, ensure_ascii=False, allow_nan=False
    )
    files = {
        MODEL_FILE: data,
        CARD_FILE: card.encode(),
        # last: a model without metadata is not loaded
        METADATA_FILE: f"{known}\n".encode(),
    }
    for name, content in files.items():
        write_atomic(folder / name, content)
    return [folder / name for name in files]


def shipped_models() -> Path:
    """
    Give the folder of the models that rsmonitor brings.

    Returns
    -------
    Path
        Inside the installed package; in a checkout, at its root.
    """
    package = Path(rsmonitor.__file__).parent
    inside = package / "models"
    return inside if inside.is_dir() else package.parent / "models"


def read_metadata(folder: Path) -> ModelMetadata:
    """
    Read and check what is known of a model.

    Parameters
    ----------
    folder : Path
        Its folder.

    Returns
    -------
    ModelMetadata
        Checked.

    Raises
    ------
    StoreError
        If the file is missing, too large, not JSON or breaks a rule.
    """
    path = folder / METADATA_FILE
    data = _bytes(path, LARGEST_METADATA)
    try:
        return ModelMetadata.from_json(json.loads(data))
    except (ValueError, RecursionError) as error:
        raise StoreError(f"{path}: not JSON: {error}") from error
    except ContractError as error:
        raise StoreError(f"{path}: {error}") from error


def canonical(data: bytes) -> bytes:
    """
    Write a skops file again so that the same model gives the same bytes.

    skops names members by addresses in memory and stamps them with the time.

    Parameters
    ----------
    data : bytes
        As skops wrote it.

    Returns
    -------
    bytes
        The same content; members are numbered in the order in which they are used.
    """
    numbers: dict[int, int] = {}
    files: dict[str, str] = {}
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        schema = json.loads(archive.read("schema.json"))
        for node in _nodes(schema):
            if "__id__" in node:
                number = numbers.setdefault(node["__id__"], len(numbers) + 1)
                node["__id__"] = number
            if isinstance(node.get("file"), str):
                name = f"{len(files) + 1}.npy"
                node["file"] = files.setdefault(node["file"], name)
        written = io.BytesIO()
        with zipfile.ZipFile(written, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as to:
            contents = {new: archive.read(old) for old, new in files.items()}
            contents["schema.json"] = json.dumps(schema, indent=1).encode()
            for name, content in contents.items():
                to.writestr(
                    zipfile.ZipInfo(name),
                    content,
                    zipfile.ZIP_DEFLATED,
                    compresslevel=9,
                )
    return written.getvalue()


def _bytes(path: Path, most: int) -> bytes:
    """Read a file that is not too large."""
    try:
        if not path.is_file():
            raise StoreError(f"{path}: no such file; a model's folder holds it")
        with path.open("rb") as file:
            data = file.read(most + 1)
    except OSError as error:
        raise StoreError(f"{path}: cannot be read: {error.strerror}") from error
    if len(data) > most:
        raise StoreError(f"{path}: larger than {most} bytes, which no model of ours is")
    return data


def _require_plain(path: Path, data: bytes) -> None:
    """Refuse by content what is no small zip archive of arrays and a schema."""
    if not data.startswith(_ZIP):
        for pattern, kind in _PICKLED:
            if pattern.match(data):
                raise StoreError(
                    f"{path}: {kind}, whatever its name says; loading one can run any "
                    "code, so only skops files are loaded"
                )
        raise StoreError(f"{path}: not a skops file (a zip archive)")
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            members = archive.infolist()
            _require_small(path, members)
            for member in members:
                _require_member(path, member.filename, archive.read(member))
    except (
        zipfile.BadZipFile,
        zlib.error,
        NotImplementedError,
        RuntimeError,
        EOFError,
        ValueError,
    ) as error:
        raise StoreError(f"{path}: damaged archive: {error}") from error


def _require_small(path: Path, members: Sequence[zipfile.ZipInfo]) -> None:
    """Refuse an archive before it is unpacked."""
    names = [member.filename for member in members]
    if len(names) > MOST_MEMBERS or len(set(names)) != len(names):
        raise StoreError(
            f"{path}: {len(names)} members, some of them twice or more than "
            f"{MOST_MEMBERS}"
        )
    unpacked = sum(member.file_size for member in members)
    if unpacked > LARGEST_UNPACKED:
        raise StoreError(
            f"{path}: unpacks to {unpacked} bytes, more than {LARGEST_UNPACKED}; no "
            "model of ours does"
        )
    if "schema.json" not in names:
        raise StoreError(f"{path}: a zip archive, but no skops file: no schema.json")


def _require_member(path: Path, name: str, data: bytes) -> None:
    """Refuse a member that is neither the schema nor an array of plain numbers."""
    if not MEMBER_NAME.fullmatch(name):
        raise StoreError(f"{path}: holds {name!r}; only schema.json and arrays may be")
    if name == "schema.json":
        found = set(_types(path, data))
        strange = found - TYPES
        if strange:
            raise StoreError(
                f"{path}: holds types that are not on the fixed list: "
                f"{', '.join(sorted(strange)[:5])}; it is not loaded"
            )
    elif not data.startswith(b"\x93NUMPY") or b"'|O'" in data[:1024]:
        raise StoreError(f"{path}: member {name} is no array of plain numbers")


def _types(path: Path, data: bytes) -> Iterator[str]:
    """Name every type that the schema asks for."""
    try:
        schema = json.loads(data)
        for node in _nodes(schema):
            if node["__loader__"] not in LOADERS:
                yield f"{node['__class__']} by {node['__loader__']}"
            yield f"{node['__module__']}.{node['__class__']}"
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise StoreError(f"{path}: schema.json is no skops schema: {error}") from error


def _nodes(value: Any) -> Iterator[dict[str, Any]]:  # noqa: ANN401 - any JSON
    """Walk through the nodes of a schema, in order."""
    if isinstance(value, dict):
        if "__class__" in value or "__loader__" in value:
            yield value
        for each in list(value.values()):
            yield from _nodes(each)
    elif isinstance(value, list):
        for each in value:
            yield from _nodes(each)


def _require_versions(path: Path, metadata: ModelMetadata) -> None:
    """Refuse a model of another minor version of scikit-learn."""
    import sklearn  # noqa: PLC0415 - heavy, and only models need it

    trained, here = metadata.software["scikit-learn"], sklearn.__version__
    if trained.split(".")[:2] != here.split(".")[:2]:
        raise StoreError(
            f"{path}: trained with scikit-learn {trained}, here is {here}, and numbers "
            f"may differ between minor versions: install scikit-learn~={trained}, or "
            f"train it again: {metadata.retrain}"
        )


def _first_other(one: Sequence[str], other: Sequence[str]) -> str:
    """Say where two orders part."""
    for place, (a, b) in enumerate(zip(one, other, strict=False)):
        if a != b:
            return f" (number {place + 1} is {a}, not {b})"
    return ""


def _parsed(path: Path, data: bytes) -> Any:  # noqa: ANN401 - scikit-learn has no types
    """Build the estimator from bytes whose types were checked."""
    import skops.io  # noqa: PLC0415 - heavy, and only models need it

    try:
        # what skops finds by its own reading must be on the list as well
        unknown = sorted(skops.io.get_untrusted_types(data=data))
        return skops.io.loads(data, trusted=[n for n in unknown if n in TYPES])
    except Exception as error:  # a wrong schema can fail anywhere within skops
        raise StoreError(f"{path}: cannot be built: {error}") from error
