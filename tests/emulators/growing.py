"""Both services with scenes that come, go and change while they run.

``scenes.json`` is read again whenever it was replaced. Images lie where the plain
emulators have them (``cogs``, for STAC) or as ``pixels/PRODUCT/BAND.npy`` (Sentinel
Hub), so whoever adds a scene writes its images first.

    python -m emulators.growing stac FOLDER --log FILE --faults FILE
"""

import argparse
import json
import sys
import threading
from pathlib import Path
from typing import Any

import numpy as np
from emulators import sentinelhub_emulator
from emulators.faults import Emulator, Handler
from emulators.sentinelhub_emulator import SentinelHub
from emulators.stac_emulator import Stac

HANDLERS: dict[str, type[Handler]] = {"stac": Stac, "sentinelhub": SentinelHub}


class Growing(Emulator):
    """A service whose scenes are those that stand in the file now."""

    _read: tuple[int, dict[str, Any]] | None = None

    @property
    def scenes(self) -> dict[str, Any]:
        path = self.folder / "scenes.json"
        written = path.stat().st_mtime_ns
        if self._read is None or self._read[0] != written:
            self._read = (written, json.loads(path.read_text()))
        return self._read[1]

    @scenes.setter
    def scenes(self, _: dict[str, Any]) -> None:
        """Ignore what its parent reads at the start."""


class Images(dict[str, np.ndarray]):
    """Images by ``product:band``, read when they are asked for and not kept."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self._folder = folder

    def __missing__(self, key: str) -> np.ndarray:
        return np.load(self._folder / f"{key.replace(':', '/')}.npy")


def main() -> None:
    """Serve until standard input is closed."""
    parser = argparse.ArgumentParser()
    parser.add_argument("kind", choices=HANDLERS)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--log", type=Path, required=True)
    parser.add_argument("--faults", type=Path, required=True)
    given = parser.parse_args()
    sentinelhub_emulator.PIXELS = Images(given.folder / "pixels")
    server = Growing(HANDLERS[given.kind], given.folder, given.log, given.faults)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print(server.address, flush=True)  # noqa: T201 - what the starter waits for
    sys.stdin.read()  # ends with the process that started it, even if that is killed
    server.shutdown()


if __name__ == "__main__":
    main()
