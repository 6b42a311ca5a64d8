"""Broken licence files by the million: a reader gives an answer or says no, never more.

A sample of the corpus is changed at random, byte by byte, line by line, token by token,
and read. Any exception but the package's own is a failure; its input is kept in the
corpus as ``crash-<digest>`` so that it is tried in every later run.

    python tests/fuzz_licences.py [--inputs 1000000] [--seed 1] [PARSER ...]
"""

# ruff: noqa: RUF001 - odd marks are the point

import argparse
import hashlib
import json
import random
import sys
import tempfile
import time
import traceback
import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from datetime import date
from pathlib import Path

from rsmonitor.errors import RsmonitorError
from rsmonitor.io.licences.polygons import read_polygons
from rsmonitor.io.licences.producing import read_producing
from rsmonitor.io.licences.reading import licences_of, read_any
from rsmonitor.io.licences.txt import parse_txt

CORPUS = Path(__file__).parent / "corpus" / "licences"
SUFFIXES = {
    "txt": (".txt",),
    "geojson": (".geojson",),
    "table": (".csv", ".xlsx"),
    "shapefile": (".zip", ".shp"),
    "kml": (".kml", ".kmz"),
    "geopackage": (".gpkg",),
    "producing": (".list", ".listx"),
    "polygons": (".geojson",),
}
"""Parsers, and the samples that are theirs."""

TOKENS = (
    *(
        b"0",
        b"-1",
        b"1e308",
        b"nan",
        b"9" * 40,
        b"2705381.95",
        b"38348613.52",
        b"500000",
    ),
    *(
        b"115.0750",
        b"24.7",
        b"1150000",
        b"\xff\xfe",
        b"\xef\xbb\xbf",
        b"\0",
        b"\r",
        b"\n",
    ),
    *(
        b",",
        b";",
        b"@",
        b"[",
        b"]",
        b"{",
        b"}",
        b'"',
        b"'",
        b"=",
        b":",
        b"<",
        b">",
        b"&",
    ),
    *(
        "，；：【】＠（）°′″面线点亩公顷带号坐标系许可证号有效期长期".encode(),
        b"2020/1/1",
        b"01/02/2020",
        "吊销(2024-05-01)；2025年1月1日停产".encode(),
        "有效期限：2020年1月1日至长期\n".encode(),
        "\u200f\u202e\ufeff".encode(),
        b"\xc3\x28",
    ),
    *(
        b"..",
        b"PK\x03\x04",
        b"null",
        b"true",
        b"[" * 200,
        b"type",
        b"POLYGON((",
        b"%s%n",
    ),
)


def mutated(sample: bytes, other: bytes, chance: random.Random) -> bytes:
    """Change a sample a little, or a lot."""
    data = bytearray(sample)
    for _ in range(chance.choice((1, 1, 1, 1, 2, 2, 3, 6))):
        at = chance.randrange(len(data) + 1)
        match chance.randrange(9):
            case 0:
                data[at : at + 1] = bytes([chance.randrange(256)])
            case 1:
                del data[at : at + chance.choice((1, 2, 8, 64))]
            case 2:
                data[at:at] = chance.choice(TOKENS)
            case 3:
                end = at + chance.choice((4, 16, 64))
                data[at:at] = data[at:end] * chance.choice((1, 2, 30))
            case 4:
                lines = bytes(data).split(b"\n")
                chance.shuffle(lines)
                data = bytearray(b"\n".join(lines))
            case 5:
                del data[at:]
            case 6:
                start = chance.randrange(len(other) + 1)
                data[at:at] = other[start : start + chance.choice((8, 64, 300))]
            case 7 if data:
                place = chance.randrange(len(data))
                data[place] ^= 1 << chance.randrange(8)
            case _:
                token = chance.choice(TOKENS)
                data[at : at + len(token)] = token
    return bytes(data)


def read_txt_bytes(content: bytes, _: Path) -> None:
    """Read and place the ministry's TXT, without a disk."""
    licences_of("fuzz.txt", "0", parse_txt("fuzz.txt", content))


def read_by_path(content: bytes, path: Path) -> None:
    """Read a file as a person would give it."""
    path.write_bytes(content)
    read_any(path)


def read_list(content: bytes, path: Path) -> None:
    """Read lists of producing mines."""
    path.write_bytes(content)
    read_producing(path)


def read_pits(content: bytes, path: Path) -> None:
    """Read polygons that verdicts are wanted on."""
    path.write_bytes(content)
    read_polygons(path, on=date(2024, 11, 5))


READERS: Mapping[str, Callable[[bytes, Path], None]] = {
    "txt": read_txt_bytes,
    **dict.fromkeys(
        ("geojson", "table", "shapefile", "kml", "geopackage"), read_by_path
    ),
    "producing": read_list,
    "polygons": read_pits,
}


def samples(parser: str, corpus: Path = CORPUS) -> list[tuple[str, bytes]]:
    """Give the corpus of one parser."""
    return [
        (path.name, path.read_bytes())
        for path in sorted(corpus.glob("*"))
        if path.suffix in SUFFIXES[parser]
    ]


def inputs(parser: str, count: int, seed: int) -> Iterator[tuple[str, bytes]]:
    """Give the samples as they are, then changed ones; the same for the same seed."""
    known = samples(parser)
    yield from known[:count]
    chance = random.Random(seed)  # noqa: S311 - no secret
    for _ in range(count - len(known)):
        name, sample = chance.choice(known)
        yield name, mutated(sample, chance.choice(known)[1], chance)


def fuzz(
    parser: str, count: int, seed: int, folder: Path
) -> tuple[Counter[str], dict[str, tuple[str, bytes]]]:
    """Read many inputs; give what became of them, and those that were failures."""
    reader = READERS[parser]
    became: Counter[str] = Counter()
    failures: dict[str, tuple[str, bytes]] = {}
    with warnings.catch_warnings():
        warnings.simplefilter("error", RuntimeWarning)
        for name, content in inputs(parser, count, seed):
            path = folder / f"fuzz{Path(name).suffix}"
            try:
                reader(content, path)
            except RsmonitorError:
                became["refused"] += 1
            except Exception as error:  # noqa: BLE001 - what is looked for
                became["failed"] += 1
                failures.setdefault(_place(error), (name, content))
            else:
                became["read"] += 1
    return became, failures


def _place(error: Exception) -> str:
    """Name a failure by where it happened, so that each is kept once."""
    frames = traceback.extract_tb(error.__traceback__)
    ours = [frame for frame in frames if "rsmonitor" in frame.filename] or list(frames)
    at = f"{Path(ours[-1].filename).name}, line {ours[-1].lineno}"
    return f"{type(error).__name__} in {at}"


def main() -> int:
    """Fuzz from the command line."""
    parse = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parse.add_argument("parsers", nargs="*", metavar="PARSER", help=", ".join(READERS))
    parse.add_argument("--inputs", type=int, default=1_000_000)
    parse.add_argument("--seed", type=int, default=1)
    given = parse.parse_args()
    failed = False
    for parser in given.parsers or READERS:
        if not samples(parser):
            print(f"{parser}: no sample in {CORPUS}", flush=True)  # noqa: T201 - a script
            failed = True
            continue
        begun = time.monotonic()
        with tempfile.TemporaryDirectory() as folder:
            became, failures = fuzz(parser, given.inputs, given.seed, Path(folder))
        seconds = time.monotonic() - begun
        rate = sum(became.values()) / max(seconds, 1e-9)
        print(  # noqa: T201 - a script
            f"{parser}: {sum(became.values())} inputs in {seconds:.0f} s, {rate:.0f} a "
            f"second: {json.dumps(became)}",
            flush=True,
        )
        for place, (name, content) in failures.items():
            digest = hashlib.sha256(content).hexdigest()[:12]
            kept = CORPUS / f"crash-{digest}{Path(name).suffix}"
            kept.write_bytes(content)
            print(f"  {place}\n  kept as {kept}", flush=True)  # noqa: T201 - a script
            failed = True
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
