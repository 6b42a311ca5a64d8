"""Find suspected illegal digging in ionic rare-earth districts with Sentinel-2.

Importing this package imports nothing heavy; each room imports what it needs.
"""

import contextlib
import hashlib
import os
from pathlib import Path

__version__ = "0.1.0"

ALGORITHM_VERSION = "4"
"""Part of a run's identity: raised when the same input gives other alerts."""

KERNEL_SOURCES = (
    "records/*.py",
    "stages/**/*.py",
    "io/stores/slot_*.py",
    "io/sources/cog_inflate.py",
)
"""What compiled kernels are made of: their modules, and those whose constants they
hold."""


def kernel_cache(package: Path, caches: Path) -> Path:
    """
    Say where the kernels of some sources are kept once they are compiled.

    numba looks at the file of a kernel alone, not at those that it calls or whose
    constants it holds. After an upgrade it could run what was compiled before. So each
    state of the sources has a folder of its own; older ones may be deleted.

    Parameters
    ----------
    package : Path
        Folder of the package.
    caches : Path
        Folder of the user's caches.

    Returns
    -------
    Path
        Below `caches`; not made.
    """
    digest = hashlib.sha256()
    for pattern in KERNEL_SOURCES:
        for path in sorted(package.glob(pattern)):
            digest.update(path.relative_to(package).as_posix().encode())
            digest.update(path.read_bytes())
    return caches / "rsmonitor" / f"kernels-{digest.hexdigest()[:16]}"


def _keep_kernels() -> None:
    """Tell numba, before it is imported, where; unless somebody has, or has no home."""
    if "NUMBA_CACHE_DIR" in os.environ:
        return
    named = os.environ.get("XDG_CACHE_HOME")
    with contextlib.suppress(RuntimeError):  # a user without a home
        caches = Path(named) if named else Path.home() / ".cache"
        os.environ["NUMBA_CACHE_DIR"] = str(kernel_cache(Path(__file__).parent, caches))


_keep_kernels()
