"""All benchmarks, one after the other, as docs/performance.md tells them.

    python -m benchmarks.run            everything, some forty minutes on two cores
    python -m benchmarks.run --quick    a small tile and few pairs: that it works

Each is a process of its own, so that no one's memory or compiled code is another's. A
benchmark that cannot run says so, and the rest are run all the same.
"""

import argparse
import subprocess
import sys
import time
from pathlib import Path
from typing import Final

from benchmarks.tile import default_folder

PARTS: Final = {
    "a, c, g": ("look", "one look of a whole tile; memory of a worker; threads"),
    "a": ("decoding", "reading stored numbers, against decoding"),
    "b": ("state", "state on disk: bytes and cost of a look"),
    "d": ("fit", "fit of the history, against nrt"),
    "e": ("composite", "load and composite, against odc-stac"),
    "f": ("outlines", "outlines, against features.shapes"),
    "law": ("licensing", "verdicts, against geopandas.overlay"),
}
"""By the letter of the target: the module, and what it measures."""

QUICK: Final = {
    "look": ["--size", "2744", "--pairs", "3"],
    "decoding": ["--size", "2744", "--pairs", "3"],
    "outlines": ["--pairs", "3"],
    "composite": ["--pairs", "3"],
}
ON_TILES: Final = {"look": "--folder", "decoding": "--folder"}


def main() -> int:
    """
    Run and print.

    Returns
    -------
    int
        1 if a benchmark could not run, else 0.
    """
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="small and few")
    parser.add_argument("--only", nargs="*", help="modules, such as look state")
    parser.add_argument("--folder", type=Path, default=default_folder())
    given = parser.parse_args()
    failed = []
    for letter, (module, what) in PARTS.items():
        if given.only and module not in given.only:
            continue
        print(f"\n== {letter}: {what} (python -m benchmarks.{module})", flush=True)
        command = [sys.executable, "-m", f"benchmarks.{module}"]
        if given.quick:
            command += QUICK.get(module, [])
        if module in ON_TILES:
            command += [ON_TILES[module], str(given.folder)]
        begun = time.monotonic()
        status = subprocess.run(command, check=False).returncode  # noqa: S603 - ours
        print(f"-- {time.monotonic() - begun:.0f} s", flush=True)
        if status:
            failed.append(module)
            print(f"not run: {module} ended with {status}", flush=True)
    if failed:
        print(f"\nnot run: {', '.join(failed)}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
