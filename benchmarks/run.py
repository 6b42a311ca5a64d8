"""Speed of the demo's detector as a ratio to reading its own input, in one run.

Process CPU time, interleaved pairs after a warm-up, median and 95 % bootstrap interval.
"""

import statistics
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from rsmonitor.pipeline.looks import Looks, day_number, day_of
from rsmonitor.records.grid import Block
from rsmonitor.stages.evidence import (
    initial_state,
    observe,
    residuals,
    scene_statistics,
)
from rsmonitor.stages.history import Norm, fit_reference, scene_norm
from rsmonitor.stages.indices import weights
from rsmonitor.wiring import demo_settings, open_source

PAIRS = 15


def main() -> int:
    """
    Measure and print.

    Returns
    -------
    int
        0.
    """
    settings = demo_settings(Path("unused"))
    parameters = settings.parameters
    with open_source(settings) as source:
        (grid,) = source.grids()
        whole = Block(row=0, col=0, height=grid.height, width=grid.width)
        products = source.find(grid, until=datetime(2100, 1, 1, tzinfo=UTC))
        past = [p for p in products if day_of(p) <= parameters.history.until]
        new = products[len(past) :]
        looks = Looks(source, grid, parameters)
        share = weights(looks.names)
        days = np.array([day_number(p) for p in past])
        values = np.stack([looks.values(p, whole) for p in past])
        started = time.process_time()
        common = scene_norm(
            values.reshape(len(past), len(looks.names), -1),
            days,
            weights=share,
            min_sample=200,
            parameters=parameters.history,
        )
        reference = fit_reference(
            values, days, common.offsets, parameters=parameters.history
        )
        fit = time.process_time() - started
        norm = Norm.unpack(common.packed())
        blank = initial_state(len(looks.names), np.zeros(grid.shape, np.uint16))

        def read() -> None:
            for product in new:
                source.load(product, grid, whole)

        def detect() -> None:
            state = blank
            looks.forget()
            for product in new:
                look = looks.values(product, whole)
                day = day_number(product)
                sample = residuals(look, reference, day).reshape(len(look), -1)
                seen = scene_statistics(
                    sample, norm=norm, parameters=parameters.evidence
                )
                if seen is not None:
                    state = observe(
                        state,
                        reference,
                        look,
                        day=day,
                        weights=share,
                        statistics=seen,
                        norm=norm,
                        parameters=parameters.evidence,
                    )

        read()
        detect()
        ratios = []
        for _ in range(PAIRS):
            begun = time.process_time()
            read()
            between = time.process_time()
            detect()
            ratios.append((time.process_time() - between) / (between - begun))
    draws = np.random.default_rng(0).choice(ratios, (2000, PAIRS))
    low, high = np.percentile(np.median(draws, axis=1), [2.5, 97.5])
    pixel_dates = values.shape[0] * grid.height * grid.width
    sys.stdout.write(
        f"one look, reading included, over reading alone: "
        f"{statistics.median(ratios):.2f} (95 %: {low:.2f} to {high:.2f}, "
        f"{PAIRS} pairs of {len(new)} looks)\n"
        f"history fit: {pixel_dates / fit / 1e6:.2f} million pixel-dates a second, "
        f"{len(looks.names)} indices, one process\n"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
