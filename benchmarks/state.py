"""What the state of a block costs: its bytes, and the CPU time to write and read it.

Four tables: ways to pack it, in memory; the store on disk, for one look at a block;
bytes written and read per look after 10, 100 and 1,000 looks; and, given the work
folder of a run, the state that lies there. CPU time of this process is counted, system
calls included, in nanoseconds per pixel; medians of interleaved rounds.

python benchmarks/state.py [WORK_FOLDER]
"""

import hashlib
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import numpy as np
from numcodecs import blosc  # type: ignore[import-untyped]
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from rsmonitor.io.stores.ledger import SqliteLedger
from rsmonitor.io.stores.slot_format import BUNDLE, Layout, checksum, packed
from rsmonitor.io.stores.slot_kernels import unpack
from rsmonitor.io.stores.state import SlotStateStore
from rsmonitor.records.parameters import EvidenceParameters
from rsmonitor.records.rasters import (
    DEPARTURE_ZERO,
    EVIDENCE_PLANES,
    REFERENCE_COMMON,
    REFERENCE_FILL,
)
from rsmonitor.records.run import SlotPointer
from rsmonitor.stages.evidence import log_ratio, update

SIDE: Final = 512
"""Rows and columns of a block, as `run.block_size` is by default."""

PIXELS: Final = SIDE * SIDE
N_INDEX: Final = 3
ROUNDS: Final = 31
START: Final = 17_600
"""Day of the first look."""

PLACE: Final[dict[str, Any]] = {"line": "l", "grid_id": "g", "block_id": "b"}

State = NDArray[Any]


def reference() -> NDArray[np.int16]:
    """
    Make a reference as forest and fields have it.

    Returns
    -------
    ndarray of int16, shape (parameter, y, x)
        A mean, two seasonal coefficients and a spread an index; a tenth of the
        pixels, in patches, is not monitored.
    """
    random = np.random.default_rng(0)
    planes = []
    for mean, season, spread in ((8000, 600, 250), (3500, 900, 300), (5500, 800, 350)):
        for level, wild in ((mean, 700), (season, 250), (-season // 2, 250)):
            cover = gaussian_filter(random.normal(size=(SIDE, SIDE)), 4) * 12
            planes.append(level + wild * (cover + random.normal(size=(SIDE, SIDE)) / 3))
        planes.append(spread * random.lognormal(0, 0.3, (SIDE, SIDE)))
    patches = gaussian_filter(random.normal(size=(SIDE, SIDE)), 9)
    away = patches > np.quantile(patches, 0.9)
    looks = 60 - 8 * gaussian_filter(random.normal(size=(SIDE, SIDE)), 20) / 0.014
    last = START - random.choice(np.array([5, 10, 15, 40]), (SIDE, SIDE))
    grounds = 1 + 3 * random.binomial(1, 0.05, (SIDE, SIDE))
    numbers = np.clip(np.stack([*planes, looks, last, grounds]), -32_767, 32_767)
    result: NDArray[np.int16] = np.rint(numbers).astype(np.int16)
    result[:-REFERENCE_COMMON, away] = REFERENCE_FILL
    return result


def looks(random: np.random.Generator) -> Iterator[tuple[int, NDArray[np.uint16]]]:
    """
    Look at a block again and again.

    Half of each look is clouded, in patches; a hundredth of the ground is never seen.
    What is seen scatters as real residuals do, with long tails, so that a few per cent
    of the pixels are under some suspicion at any time. Now and then ground is opened.

    Parameters
    ----------
    random : numpy.random.Generator
        Chance.

    Yields
    ------
    number : int
        Looks so far, from 0.
    state : ndarray of uint16, shape (plane, y, x)
        The evidence.
    """
    state = np.zeros((len(EVIDENCE_PLANES) + N_INDEX, SIDE, SIDE), np.uint16)
    state[len(EVIDENCE_PLANES) :] = DEPARTURE_ZERO
    hidden = gaussian_filter(random.normal(size=(SIDE, SIDE)), 2)
    hidden = hidden > np.quantile(hidden, 0.99)
    sky = gaussian_filter(random.normal(size=(SIDE, SIDE)), 25, mode="wrap")
    sky = sky > np.median(sky)
    opened = np.zeros((SIDE, SIDE), bool)
    parameters = EvidenceParameters()
    number = 0
    yield number, state
    while True:
        number += 1
        if random.random() < 0.02:  # noqa: PLR2004 - one in fifty looks
            row, col = random.integers(0, SIDE - 30, 2)
            opened[row : row + 20, col : col + 25] = True
        clouded = np.roll(sky, random.integers(0, SIDE, 2), axis=(0, 1)) | hidden
        z = random.standard_t(3, (SIDE, SIDE)).astype(np.float32)
        z[opened] -= 8
        z[clouded] = np.nan
        departures = np.stack([z * np.float32(0.03)] * N_INDEX)
        state = update(
            state,
            log_ratio(z, parameters),
            departures,
            day=START + 5 * number,
            parameters=parameters,
        )
        seen = ~clouded
        state[EVIDENCE_PLANES.index("last_clear")][seen] = START + 5 * number
        yield number, state


def cpu(work: Callable[[], object]) -> float:
    """
    Count the CPU time of a piece of work.

    Parameters
    ----------
    work : callable
        The work.

    Returns
    -------
    float
        Seconds.
    """
    begun = time.process_time()
    work()
    return time.process_time() - begun


def medians(
    works: dict[str, Callable[[], object]],
    pixels: int,
    before: Callable[[], object] = int,
) -> dict[str, float]:
    """
    Measure works in turn, so that what else the machine does hits all of them.

    Parameters
    ----------
    works : dict of callable
        By name.
    pixels : int
        Pixels of the block.
    before : callable, optional
        Done before each of them and not counted.

    Returns
    -------
    dict of float
        Nanoseconds per pixel.
    """
    for work in works.values():
        work()
    times: dict[str, list[float]] = {name: [] for name in works}
    for _ in range(ROUNDS):
        for name, work in works.items():
            before()
            times[name].append(cpu(work))
    return {name: statistics.median(of) / pixels * 1e9 for name, of in times.items()}


def say(text: str) -> None:
    """
    Print a line.

    Parameters
    ----------
    text : str
        The line.
    """
    sys.stdout.write(text + "\n")


class Packing:
    """
    Packed by the kernels of the store, in memory, checksums included.

    Parameters
    ----------
    array : ndarray
        The state.
    """

    def __init__(self, array: State) -> None:
        self.layout = Layout.of(array)
        self.array = array
        self.room = np.empty(self.layout.most_bytes // 8, np.uint64).view(np.uint8)
        self.out = np.empty_like(array)
        self.data, _ = packed(array, self.room)
        start, count = 32, self.layout.pieces
        lengths = np.frombuffer(self.data[start : start + 24 * count], "<u8")[::3]
        self.ends = np.concatenate([[0], np.cumsum(lengths.astype(np.int64))])
        self.ends += self.layout.header_bytes
        used = int(self.ends[-1])
        self.used = used

    def write(self) -> None:
        """Pack and check."""
        packed(self.array, self.room)

    def read(self) -> None:
        """Check and unpack."""
        view = self.data.data
        for begin, end in zip(self.ends, self.ends[1:], strict=False):
            checksum(view[begin:end])
        groups, pixels = self.layout.groups, self.layout.rows * self.array.shape[2]
        flat = self.out.view(np.uint16).reshape(len(self.out), -1)
        for k in range(self.layout.bundles):
            ends = self.ends[k * groups : (k + 1) * groups + 1]
            unpack(self.data, ends, flat[k * BUNDLE : (k + 1) * BUNDLE], 0, pixels)


def codecs(name: str, array: State) -> None:
    """
    Print what ways to pack a state cost.

    Parameters
    ----------
    name : str
        What it is.
    array : ndarray of uint16 or int16, shape (plane, y, x)
        The state.
    """
    pixels = array[0].size
    ways: dict[str, tuple[Callable[[], object], Callable[[], object], float]] = {}
    own = Packing(array)
    ways["slot, XXH3-128"] = (own.write, own.read, own.used)
    raw, out = np.empty_like(array), np.empty_like(array)

    def copied(source: State, target: State) -> None:
        target[:] = source
        checksum(target.reshape(-1).view(np.uint8).data)

    ways["raw, XXH3-128"] = (
        lambda: copied(array, raw),
        lambda: copied(raw, out),
        array.nbytes,
    )
    ways["raw, SHA-256"] = (
        lambda: hashlib.sha256(array.data),
        lambda: hashlib.sha256(array.data),
        array.nbytes,
    )
    for what, cname, level, shuffle in (
        ("Blosc LZ4 1, bits shuffled", "lz4", 1, blosc.BITSHUFFLE),
        ("Blosc LZ4 1, bytes shuffled", "lz4", 1, blosc.SHUFFLE),
        ("Blosc Zstandard 1, bits shuffled", "zstd", 1, blosc.BITSHUFFLE),
        ("Blosc Zstandard 1, bytes shuffled", "zstd", 1, blosc.SHUFFLE),
    ):
        codec = blosc.Blosc(cname=cname, clevel=level, shuffle=shuffle)
        data = codec.encode(array)

        def write(codec: Any = codec) -> None:  # noqa: ANN401 - has no types
            checksum(memoryview(codec.encode(array)))

        def read(codec: Any = codec, data: bytes = data) -> None:  # noqa: ANN401
            checksum(memoryview(data))
            codec.decode(data, out)

        ways[f"{what}, XXH3-128"] = (write, read, len(data))
    times = medians(
        {f"w {way}": write for way, (write, _, _) in ways.items()}
        | {f"r {way}": read for way, (_, read, _) in ways.items()},
        pixels,
    )
    say(f"\n{name}, {array.shape}\n| way | bytes/pixel | write ns | read ns |")
    say("|---|---|---|---|")
    for way, (_, _, size) in ways.items():
        say(
            f"| {way} | {size / pixels:.2f} | {times[f'w {way}']:.2f} "
            f"| {times[f'r {way}']:.2f} |"
        )


def on_disk(evidence: State, ground: State, root: Path) -> None:
    """
    Print what one look at a block costs in state.

    Parameters
    ----------
    evidence : ndarray of uint16, shape (plane, y, x)
        Evidence.
    ground : ndarray of int16, shape (parameter, y, x)
        Reference.
    root : Path
        An empty folder.
    """
    store = SlotStateStore(root)
    fixed = store.write(ground, **PLACE, kind="reference", current=None)
    truth = store.write(evidence, **PLACE, kind="evidence", current=None)
    store.write(evidence, **PLACE, kind="evidence", current=truth)
    own = slice(0, len(ground) - REFERENCE_COMMON)
    state, coefficients = np.empty_like(evidence), np.empty_like(ground[own])
    judged = evidence.copy()
    middle = slice(160, 352)
    times = medians(
        {
            "reference, planes of the indices": lambda: store.read(
                fixed, own, out=coefficients
            ),
            "evidence read": lambda: store.read(truth, out=state),
            "evidence written and synced": lambda: store.write(
                judged, **PLACE, kind="evidence", current=truth
            ),
            "192 x 192 window of the evidence": lambda: store.read_window(
                truth, middle, middle
            ),
            "evidence read into new memory": lambda: store.read(truth),
        },
        evidence[0].size,
        # what is written was just computed, and is in the cache as far as it fits
        before=lambda: np.copyto(judged, evidence),
    )
    say("\none look, on disk\n| what | ns/pixel of the block |\n|---|---|")
    for what, spent in times.items():
        say(f"| {what} | {spent:.2f} |")
    look = list(times.values())[:3]
    say(f"| one look in all: the first three | {sum(look):.2f} |")
    for pointer in (fixed, truth):
        size = path_of(root, pointer).stat().st_size
        say(f"{pointer.kind}: {size / evidence[0].size:.2f} bytes a pixel and slot")


def path_of(root: Path, pointer: SlotPointer) -> Path:
    """
    Give the file of a slot.

    Parameters
    ----------
    root : Path
        Folder of the store.
    pointer : SlotPointer
        The slot.

    Returns
    -------
    Path
        The file.
    """
    return root.joinpath(*pointer.place, str(pointer.slot))


def after_looks(root: Path) -> None:
    """
    Print what a look writes and reads after many.

    Parameters
    ----------
    root : Path
        An empty folder.
    """
    store = SlotStateStore(root)
    truth: SlotPointer | None = None
    say("\n| looks | suspected % | confirmed % | packed bytes | written | read |")
    say("|---|---|---|---|---|---|")
    for number, state in looks(np.random.default_rng(0)):
        if number in {9, 10, 99, 100, 999, 1000}:
            read = path_of(root, truth).stat().st_size if truth else 0
            truth = store.write(state, **PLACE, kind="evidence", current=truth)
            if number in {10, 100, 1000}:
                say(
                    f"| {number} | {(state[0] > 0).mean() * 100:.1f} "
                    f"| {(state[3] > 0).mean() * 100:.2f} | {Packing(state).used:,} "
                    f"| {path_of(root, truth).stat().st_size:,} | {read:,} |"
                )
        if number == 1000:  # noqa: PLR2004 - as above
            break


def of_folder(work: Path) -> None:
    """
    Print the state of a run.

    Parameters
    ----------
    work : Path
        Its work folder.
    """
    ledger = SqliteLedger(work / "ledger.sqlite", locks=work / "locks")
    store = SlotStateStore(work / "state")
    for folder in sorted((work / "state").iterdir()):
        largest: dict[str, State] = {}
        for pointer in ledger.pointers(folder.name):
            array = store.read(pointer)
            if array.size > largest.get(pointer.kind, array[:0]).size:
                largest[pointer.kind] = array
        for kind, array in largest.items():
            codecs(f"{kind} of {work}", array)


def main() -> int:
    """
    Measure and print.

    Returns
    -------
    int
        0.
    """
    blosc.use_threads = False
    with tempfile.TemporaryDirectory(dir=".") as folder:
        after_looks(Path(folder) / "looks")
        of_looks = looks(np.random.default_rng(0))
        evidence = next(state for number, state in of_looks if number == 100)  # noqa: PLR2004 - looks
        ground = reference()
        codecs("evidence after 100 looks", evidence)
        codecs("reference", ground)
        on_disk(evidence, ground, Path(folder) / "store")
    for work in sys.argv[1:]:
        of_folder(Path(work))
    return 0


if __name__ == "__main__":
    sys.exit(main())
