"""From which bytes, and by which software, a run computes."""

import hashlib
import platform
from collections.abc import Callable, Collection, Iterable
from importlib import metadata
from pathlib import Path
from typing import Final

from rsmonitor.config import Settings
from rsmonitor.errors import SourceError
from rsmonitor.io.sources.package import locate
from rsmonitor.records.provenance import Origin
from rsmonitor.wiring.sources import cache_of

LIBRARIES: Final = ("numpy", "numba", "scipy", "shapely", "pyproj", "rasterio")
"""Libraries whose version can move a last digit."""


def present_origin(settings: Settings, product_ids: Collection[str] = ()) -> Origin:
    """
    Say what would be read and computed with now.

    Parameters
    ----------
    settings : Settings
        Settings.
    product_ids : collection of str, optional
        `Product.product_id` of the scenes whose checksums are wanted; of a cube its
        files are given whichever they are.

    Returns
    -------
    Origin
        Versions and checksums. Each file of a cube is read once; of scenes in the
        cache the digests that they are kept by are taken.

    Raises
    ------
    SourceError
        If a file of a cube cannot be read.
    """
    return Origin(
        versions=present_versions(),
        checksums=_of_cubes(settings)
        if settings.source.kind == "cube"
        else _of_cache(settings, product_ids),
    )


def recorder(settings: Settings) -> Callable[[Collection[str]], Origin]:
    """
    Give what tells a run what it reads and computes with, to be recorded.

    Parameters
    ----------
    settings : Settings
        Settings.

    Returns
    -------
    callable
        Takes product ids, gives their `Origin`. The files of a cube are read once,
        however many runs ask.
    """
    known: dict[str, Origin] = {}

    def origin(product_ids: Collection[str]) -> Origin:
        if settings.source.kind != "cube":
            return present_origin(settings, product_ids)
        if "cube" not in known:
            known["cube"] = present_origin(settings)
        return known["cube"]

    return origin


def present_versions() -> dict[str, str]:
    """
    Say which software computes.

    Returns
    -------
    dict of str to str
        Versions by name; GDAL, GEOS and PROJ are those that the libraries carry.
    """
    import pyproj  # noqa: PLC0415 - heavy
    import rasterio  # noqa: PLC0415
    import shapely  # noqa: PLC0415

    return {
        "python": platform.python_version(),
        "machine": platform.machine(),
        **{name: metadata.version(name) for name in LIBRARIES},
        "gdal": rasterio.__gdal_version__,
        "geos": shapely.geos_version_string,
        "proj": pyproj.proj_version_str,
    }


def _of_cubes(settings: Settings) -> dict[str, str]:
    """Digest the files of a cube."""
    source = settings.source
    if source.distribution is None:
        paths: Iterable[Path] = [settings.path(name) for name in source.files]
    else:
        digests = dict(zip(source.files, source.sha256, strict=False))
        paths = locate(source.distribution, source.files, digests, source.extra)
    return {
        path.name: _digest(path) if path.is_file() else _digest_of_folder(path)
        for path in paths
    }


def _digest_of_folder(folder: Path) -> str:
    """Digest a Zarr directory: names and content of its files, in order."""
    whole = hashlib.sha256()
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        name = path.relative_to(folder).as_posix()
        whole.update(f"{name}\n{_digest(path)}\n".encode())
    return f"sha256:{whole.hexdigest()}"


def _digest(path: Path) -> str:
    """Digest a file."""
    try:
        with path.open("rb") as file:
            return f"sha256:{hashlib.file_digest(file, 'sha256').hexdigest()}"
    except OSError as error:
        raise SourceError(f"{path}: cannot be read: {error}") from error


def _of_cache(settings: Settings, product_ids: Collection[str]) -> dict[str, str]:
    """Digest, product by product, the digests of the pieces that are kept."""
    pieces: dict[str, list[str]] = {}
    for piece in cache_of(settings).pieces():
        pieces.setdefault(piece.product_id, []).append(piece.sha256)
    checksums = {}
    for product_id in product_ids:
        # a look that two products make names both
        parts = [
            digest
            for name in sorted(pieces)
            if name in product_id
            for digest in sorted(pieces[name])
        ]
        if parts:
            whole = hashlib.sha256("\n".join(parts).encode()).hexdigest()
            checksums[product_id] = f"sha256:{whole}"
    return checksums
