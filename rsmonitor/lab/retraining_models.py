"""Which model is in use, and where the next one goes."""

import re
from pathlib import Path
from typing import Final

from rsmonitor.config import Settings
from rsmonitor.io.stores.models import METADATA_FILE, find_model, read_metadata
from rsmonitor.records.model import ModelMetadata
from rsmonitor.stages.classify import MODEL_ID, CauseModel
from rsmonitor.wiring.causes import NAME, cause_model

_NUMBER: Final = re.compile(r"[1-9][0-9]{0,5}")


def model_in_use(
    settings: Settings, which: str | None = None
) -> tuple[CauseModel, ModelMetadata] | None:
    """
    Load the model that names causes now.

    Parameters
    ----------
    settings : Settings
        Settings.
    which : str, optional
        Another model: `MODEL_ID` for the rules, a name, or a folder as it is on this
        machine. Default: what the settings name.

    Returns
    -------
    tuple of CauseModel and ModelMetadata, or None
        None where the rules name causes.

    Raises
    ------
    StoreError
        If there is no such model, or it fails a check.
    """
    chosen = which
    if chosen is None:
        chosen = settings.classify.model
        if chosen.startswith((".", "/", "~")):
            chosen = str(settings.path(chosen))
    if chosen == MODEL_ID:
        return None
    folder = find_model(chosen)
    return cause_model(folder), read_metadata(folder)


def next_model(
    settings: Settings, out: Path | None, in_use: ModelMetadata | None
) -> tuple[Path, str]:
    """
    Say where the next model goes, and its number.

    Parameters
    ----------
    settings : Settings
        Settings.
    out : Path or None
        A folder that was asked for.
    in_use : ModelMetadata or None
        Of the model in use.

    Returns
    -------
    folder : Path
        `out`, or the next number in ``models/cause`` of the work folder.
    number : str
        Above that of the model in use and of those in the work folder; the name of
        `out` where it is a number.
    """
    root = settings.path(settings.run.work) / "models" / NAME
    if out is not None and _NUMBER.fullmatch(out.name):
        return out, out.name
    there = [
        int(path.name)
        for path in root.glob("*")
        if _NUMBER.fullmatch(path.name) and (path / METADATA_FILE).exists()
    ]
    used = 0 if in_use is None else int(in_use.version)
    number = str(1 + max([used, *there]))
    return out or root / number, number
