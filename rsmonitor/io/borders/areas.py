"""The cells of a district, from a file such as ``aoi/districts.geojson``."""

import json
from pathlib import Path
from typing import Any, Final

from rsmonitor.errors import SettingsError

MAX_BYTES: Final = 16 * 2**20
"""No list of districts is larger; what is, is something else."""


def read_cells(path: Path, code: str) -> tuple[str, ...]:
    """
    Read which cells of 10 km cover a district.

    Parameters
    ----------
    path : Path
        GeoJSON; each feature has ``code`` and ``cells`` among its properties.
    code : str
        `District.code`.

    Returns
    -------
    tuple of str
        Names of cells, such as ``50RKV_23``, for `rsmonitor.stages.tiling.parse_cell`.

    Raises
    ------
    SettingsError
        If the file cannot be read or has no such district.
    """
    try:
        if path.stat().st_size > MAX_BYTES:
            raise SettingsError(f"{path}: larger than {MAX_BYTES} bytes, so no areas")
        document: Any = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError) as error:
        raise SettingsError(f"{path}: cannot be read as GeoJSON: {error}") from error
    features = document.get("features") if isinstance(document, dict) else None
    known = []
    for feature in features if isinstance(features, list) else []:
        about = feature.get("properties") if isinstance(feature, dict) else None
        if not isinstance(about, dict):
            continue
        known.append(str(about.get("code")))
        cells = about.get("cells")
        if about.get("code") != code:
            continue
        if not isinstance(cells, list) or not all(isinstance(c, str) for c in cells):
            raise SettingsError(f"{path}: district {code} has no list of cells")
        return tuple(cells)
    raise SettingsError(
        f"{path}: has no district {code!r} (district.code); it has "
        f"{', '.join(known) or 'none'}"
    )
