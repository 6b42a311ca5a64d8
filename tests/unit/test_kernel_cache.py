"""Compiled kernels are never those of other sources."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import rsmonitor
from rsmonitor import KERNEL_SOURCES, kernel_cache

PACKAGE = Path(rsmonitor.__file__).parent


def test_every_module_with_a_kernel_is_among_the_sources() -> None:
    counted = {path for pattern in KERNEL_SOURCES for path in PACKAGE.glob(pattern)}
    kernels = {
        path
        for path in PACKAGE.rglob("*.py")
        if "njit" in path.read_text(encoding="utf-8") and path.name != "__init__.py"
    }
    assert kernels
    assert kernels <= counted


@pytest.mark.parametrize(
    "changed", ["records/rasters.py", "stages/fused/planes.py", "stages/rescue.py"]
)
def test_sources_that_change_are_compiled_anew(tmp_path: Path, changed: str) -> None:
    package = tmp_path / "rsmonitor"
    shutil.copytree(PACKAGE, package, ignore=shutil.ignore_patterns("__pycache__"))
    before = kernel_cache(package, tmp_path)
    assert kernel_cache(package, tmp_path) == before
    (package / changed).write_text("# other\n", encoding="utf-8")
    assert kernel_cache(package, tmp_path) != before


@pytest.mark.parametrize(("given", "expected"), [(None, "caches"), ("mine", "mine")])
def test_the_folder_is_the_users_and_can_be_named(
    tmp_path: Path, given: str | None, expected: str
) -> None:
    environment = {
        name: value for name, value in os.environ.items() if name != "NUMBA_CACHE_DIR"
    }
    environment |= {
        "XDG_CACHE_HOME": str(tmp_path / "caches"),
        "PYTHONPATH": str(PACKAGE.parent),
    }
    if given is not None:
        environment["NUMBA_CACHE_DIR"] = str(tmp_path / given)
    told = subprocess.run(
        [
            sys.executable,
            "-c",
            "import rsmonitor, numba; print(numba.config.CACHE_DIR)",
        ],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert told.startswith(str(tmp_path / expected))
