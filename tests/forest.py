"""A forest of one spectrum, in memory, for tests of the lab."""

from datetime import date

import numpy as np

from rsmonitor.lab.detector import EPOCH
from rsmonitor.lab.series import Series
from rsmonitor.lab.spectra import BANDS
from rsmonitor.records.rasters import Scl

SIDE = 40
START = (date(2019, 1, 1) - EPOCH).days
FOREST = np.array([0.025, 0.045, 0.025, 0.35, 0.37, 0.18, 0.09], dtype=np.float32)


def forest(*, n_time: int = 6, bands: tuple[str, ...] = BANDS) -> Series:
    random = np.random.default_rng(1)
    level = FOREST[[BANDS.index(band) for band in bands]]
    noise = random.normal(1, 0.02, (n_time, len(bands), SIDE, SIDE))
    nothing = np.zeros((SIDE, SIDE), dtype=np.int64)
    return Series(
        name="forest",
        days=START + 10 * np.arange(n_time),
        bands=bands,
        reflectance=(level[:, None, None] * noise).astype(np.float32),
        scl=np.full((n_time, SIDE, SIDE), Scl.VEGETATION, dtype=np.uint8),
        pixel_m=10.0,
        connected=True,
        history_until=START,
        truth=np.zeros((SIDE, SIDE), dtype=np.uint8),
        began_after=nothing,
        began_by=nothing,
    )
