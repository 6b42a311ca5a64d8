"""Judge the demo against the retrospective reference; print the table of accuracy.md.

Run after ``rsmonitor demo demo-out``::

    python tests/reference/judge.py demo-out

The reference gives each pixel the fraction of a full opening that it shows. By its
own rule, fixed before any detector was judged, a pixel is opened from 60 % on and
unchanged below 30 %; what lies between is the mixed edge of an opening and is not
counted, nor are pixels that it calls uncertain or opened before the monitoring period.

Judged are the pixels inside the outlines that are drawn, and, in rows of their own, all
pixels with evidence, among them the rims of openings that outlines leave out. The last
rows move the bound of 'unchanged'. An object is false if none of its pixels is anything
but 'unchanged' in the reference. Delay is counted in clear looks of the opening's own
pixels, from the first look that the reference sees open to the day on which the object
of the detector was confirmed; the reference dates to an interval, so a negative delay
says that the detector was inside it.
"""

import argparse
import json
import sys
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from scipy import ndimage

HERE = Path(__file__).resolve().parent
REFERENCE = HERE / "romania_openings.nc"
OPENED, EARLIER, UNCERTAIN = 1, 2, 255
MIN_PIXELS = 4
CLEAR_SHARE = 0.5
OWN_RULE = 30
"""Percent of a full opening below which the reference's author calls a pixel
unchanged."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """What one part of the scene scored."""

    where: str
    precision: float
    recall: float
    f1: float
    openings_found: int
    openings: int
    false_objects: int
    objects: int
    pixels_opened: int


def objects_of(tier: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Keep the 4-connected objects that are large enough to be drawn."""
    labels, _ = ndimage.label(tier > 0)
    sizes = np.bincount(labels.ravel())
    sizes[0] = 0
    kept: NDArray[np.bool_] = (sizes >= MIN_PIXELS)[labels]
    return kept


def score(
    found: NDArray[np.bool_],
    reference: NDArray[np.uint8],
    inside: NDArray[np.bool_],
    fraction: NDArray[np.uint8],
    where: str,
    unchanged_below: int = OWN_RULE,
) -> Score:
    """Score the pixels and openings of one part of the scene."""
    edge = (reference == 0) & (fraction >= unchanged_below)
    counted = inside & (reference != UNCERTAIN) & (reference != EARLIER) & ~edge
    truth = reference == OPENED
    hit = int((found & truth & counted).sum())
    false = int((found & ~truth & counted).sum())
    missed = int((~found & truth & counted).sum())
    labels, count = ndimage.label(truth)
    openings = [
        labels == label
        for label in range(1, count + 1)
        if (labels == label).sum() >= MIN_PIXELS
        and (inside & (labels == label)).sum() * 2 > (labels == label).sum()
    ]
    drawn, number = ndimage.label(found)
    objects = [
        drawn == label
        for label in range(1, number + 1)
        if (inside & (drawn == label)).sum() * 2 > (drawn == label).sum()
    ]
    return Score(
        where=where,
        precision=hit / max(1, hit + false),
        recall=hit / max(1, hit + missed),
        f1=2 * hit / max(1, 2 * hit + false + missed),
        openings_found=sum(bool((found & opening).any()) for opening in openings),
        openings=len(openings),
        false_objects=sum(bool((reference[o] == 0).all()) for o in objects),
        objects=len(objects),
        pixels_opened=int((truth & counted).sum()),
    )


def delays(
    confirmed: NDArray[np.datetime64],
    reference: xr.Dataset,
    looks: NDArray[np.datetime64],
    clear: NDArray[np.bool_],
) -> list[int]:
    """Count clear looks from the first that shows each opening to its confirmation."""
    labels, count = ndimage.label(reference["reference"].to_numpy() == OPENED)
    result = []
    for label in range(1, count + 1):
        opening = labels == label
        if opening.sum() < MIN_PIXELS:
            continue
        days = np.sort(confirmed[opening & ~np.isnat(confirmed)])
        # the object is confirmed when enough of its pixels are
        if days.size < MIN_PIXELS:
            continue
        detected = days[MIN_PIXELS - 1]
        first = np.median(reference["first_after"].to_numpy()[opening])
        start = np.datetime64(int(first), "D")
        seen = looks[clear[:, opening].mean(axis=1) >= CLEAR_SHARE]
        after = int(((seen > start) & (seen <= detected)).sum())
        before = int(((seen > detected) & (seen <= start)).sum())
        result.append(after - before)
    return result


def clear_looks() -> tuple[NDArray[np.datetime64], NDArray[np.bool_]]:
    """Say which pixels each scene of the demo shows, as the detector counts it."""
    from rsmonitor.io.stores.scratch import MemoryScratch  # noqa: PLC0415
    from rsmonitor.pipeline.looks import Looks  # noqa: PLC0415 - slow to import
    from rsmonitor.records.grid import Block  # noqa: PLC0415
    from rsmonitor.wiring import demo_settings, open_source  # noqa: PLC0415

    settings = demo_settings(Path("unused"))
    with open_source(settings) as source:
        (grid,) = source.grids()
        reader = Looks(source, grid, settings.parameters, MemoryScratch())
        whole = Block(row=0, col=0, height=grid.height, width=grid.width)
        products = [
            p
            for p in source.find(grid, until=datetime(2100, 1, 1, tzinfo=UTC))
            if p.sensed_at.date() > settings.history.until
        ]
        clear = [np.isfinite(reader.seen(p, whole)[0]) for p in products]
    days = [np.datetime64(p.sensed_at.date(), "D") for p in products]
    return np.array(days), np.stack(clear)


def judge(folder: Path) -> dict[str, object]:
    """Judge the outputs of a demo."""
    evidence = xr.open_dataset(folder / "evidence.nc").load()
    reference = xr.open_dataset(REFERENCE).load()
    truth = reference["reference"].to_numpy()
    height, width = truth.shape
    whole = np.ones((height, width), dtype=bool)
    fraction = reference["fraction"].to_numpy()
    outlined = evidence["outlined"].to_numpy().astype(bool)
    graded = objects_of(evidence["tier"].to_numpy())
    parts = [
        score(outlined, truth, whole, fraction, "outlines"),
        score(graded, truth, whole, fraction, "all evidence, rims included"),
        *(
            score(
                found,
                truth,
                whole,
                fraction,
                f"{name}; unchanged below {below} %",
                below,
            )
            for name, found in (("outlines", outlined), ("all evidence", graded))
            for below in (10, 20)
        ),
    ]
    looks, clear = clear_looks()
    confirmed = evidence["confirmed"].to_numpy().astype("datetime64[D]")
    late = delays(confirmed, reference, looks, clear)
    return {
        "scores": [asdict(part) for part in parts],
        "delay_looks": {
            "median": float(np.median(late)),
            "quartiles": [float(np.percentile(late, q)) for q in (25, 75)],
            "largest": int(max(late)),
            "openings": len(late),
        },
        "area": {
            "outlined_pixels": int(outlined.sum()),
            # specks far from any opening are noise of the reference
            "opened_pixels": float(
                fraction[ndimage.binary_dilation(outlined, iterations=2)].sum() / 100
            ),
        },
        "monitored": float(evidence["monitored"].mean()),
    }


def main() -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, nargs="?", default=Path("demo-out"))
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    verdict = judge(arguments.folder)
    write = sys.stdout.write
    if arguments.json:
        write(json.dumps(verdict, indent=2) + "\n")
        return 0
    write(
        "| part | precision | recall | F1 | openings of 4 px and more found "
        "| false objects |\n|---|---|---|---|---|---|\n"
    )
    for part in verdict["scores"]:
        write(
            f"| {part['where']} | {part['precision']:.3f} | {part['recall']:.3f} "
            f"| {part['f1']:.3f} | {part['openings_found']} of {part['openings']} "
            f"| {part['false_objects']} of {part['objects']} |\n"
        )
    delay = verdict["delay_looks"]
    write(
        f"\nDelay of confirmation, clear looks: median {delay['median']:.0f}, "
        f"quartiles {delay['quartiles'][0]:.0f} and {delay['quartiles'][1]:.0f}, "
        f"largest {delay['largest']} ({delay['openings']} openings).\n"
    )
    area = verdict["area"]
    write(
        f"Area: {area['outlined_pixels']} pixels are outlined; in and within two "
        f"pixels of them the fractions sum to {area['opened_pixels']:.0f} pixels.\n"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
