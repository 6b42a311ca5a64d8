"""The model that names causes, as settings name it."""

import functools
import hashlib
from pathlib import Path
from typing import Final

import numpy as np

from rsmonitor.config import Settings
from rsmonitor.errors import ContractError, StoreError
from rsmonitor.io.stores.models import (
    METADATA_FILE,
    find_model,
    load_model,
    read_metadata,
)
from rsmonitor.records.event import canonical_json
from rsmonitor.stages.classify import MODEL_ID, CauseModel

NAME: Final = "cause"
"""Name of models that may name causes."""

WEIGHT: Final = "weight_over_rules"
"""Where the metadata of a model say by how much it moves the rules."""


def model_of(settings: Settings) -> CauseModel | None:
    """
    Load the model that settings name.

    Parameters
    ----------
    settings : Settings
        Settings.

    Returns
    -------
    CauseModel or None
        None where the rules name causes.

    Raises
    ------
    StoreError
        If there is no such model, or it fails a check.
    """
    which = _which(settings)
    return None if which == MODEL_ID else cause_model(find_model(which))


def digest_of(settings: Settings) -> str | None:
    """
    Digest the model that settings name: another one gives other results.

    Parameters
    ----------
    settings : Settings
        Settings.

    Returns
    -------
    str or None
        SHA-256 of its file, as its metadata say and loading checks; of a model that
        moves the rules also of what its metadata say of how. None for the rules.

    Raises
    ------
    StoreError
        If there is no such model, or its metadata hold no number where one must be.
    """
    which = _which(settings)
    if which == MODEL_ID:
        return None
    folder = find_model(which)
    metadata = read_metadata(folder)
    if metadata.metrics.get(WEIGHT) is None:
        return metadata.sha256
    # the same file with another weight, or another view of what was seen, says others
    told = {key: metadata.metrics.get(key) for key in ("seen", WEIGHT)}
    try:
        said = canonical_json({"file": metadata.sha256, **told})
    except ValueError as error:
        raise StoreError(f"{folder / METADATA_FILE}: {error}") from error
    return hashlib.sha256(said.encode()).hexdigest()


@functools.cache
def cause_model(folder: Path) -> CauseModel:
    """
    Load a model that names causes.

    Parameters
    ----------
    folder : Path
        Its folder.

    Returns
    -------
    CauseModel
        Ready to be asked.

    Raises
    ------
    StoreError
        If a check of the store fails, or its metadata lack what they must say of
        what it was trained on.
    """
    metadata = read_metadata(folder)
    path = folder / METADATA_FILE
    if metadata.name != NAME:
        raise StoreError(
            f"{path}: {metadata.name} judges something else; classify.model takes a "
            f"model named {NAME}, or {MODEL_ID}"
        )
    loaded = load_model(folder, features=metadata.feature_order)
    try:
        seen = loaded.metadata.metrics["seen"]
        return CauseModel(
            model_id=metadata.model_id,
            estimator=loaded.estimator,
            features=metadata.feature_order,
            medians=np.array(seen["medians"], dtype=np.float64),
            centres=np.array(seen["centres"], dtype=np.float64),
            precision=np.array(seen["precision"], dtype=np.float64),
            threshold=float(seen["threshold"]),
            weight=loaded.metadata.metrics.get(WEIGHT),
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise StoreError(f"{path}: metrics.seen is not whole: {error!r}") from error
    except ContractError as error:
        raise StoreError(f"{path}: {error}") from error


def _which(settings: Settings) -> str:
    """Name the model; a path is relative to the settings file."""
    which = settings.classify.model
    return str(settings.path(which)) if which.startswith((".", "/", "~")) else which
