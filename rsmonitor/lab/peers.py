"""Published detectors on the same looks, run by their own packages.

Every peer gets the looks that our clear-sky screen passes, the same history, and the
input that it was made for: NDVI for nrt [1]_; reflectance of the six Landsat-like
bands, as far as there are, for COLD [2]_ and S-CCD [3]_ of pyxccd. Settings are the
defaults of the packages where `Peer.settings` says nothing else; those called ``plain``
have the seasonal model of ours (one harmonic, no trend), which suits a history of three
years better than the defaults do.

nrt calls a pixel changed on the day on which its test says so. pyxccd goes through the
whole series and gives the day on which the change began; the earliest day on which it
could have said so is that of the last of the consecutive looks that it asks for, and
this is taken. COLD scales its noise by the differences of the whole series, which a
detector that runs in time would not have: a small advantage that it keeps.

References
----------
.. [1] nrt, Joint Research Centre, EUPL-1.2. https://github.com/ec-jrc/nrt
.. [2] Zhu, Z. et al. (2020), "Continuous monitoring of land disturbance based on
   Landsat time series", Remote Sensing of Environment 238, 111116.
   doi:10.1016/j.rse.2019.03.009
.. [3] Ye, S. et al. (2021), "A near-real-time approach for monitoring forest
   disturbance using Landsat time series: stochastic continuous change detection",
   Remote Sensing of Environment 252, 112167. doi:10.1016/j.rse.2020.112167
"""

import importlib
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from importlib import metadata
from typing import Any, Final

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from rsmonitor.errors import HistoryError, SourceError, SourceUnreachableError
from rsmonitor.interfaces import Progress
from rsmonitor.lab.detector import EPOCH, Detection, index_values
from rsmonitor.lab.series import Series
from rsmonitor.records.parameters import ClearParameters

EXTRA: Final = "peers"
"""Extra of rsmonitor that installs the packages."""
DAYS_OF_A_YEAR: Final = 365
"""A history shorter than this knows no season; detectors then fit a mean alone."""
BROKEN: Final = 3
"""nrt's mask where a change was confirmed."""
MONITORED: Final = 1
"""nrt's mask where it watches."""
ORDINAL_OF_EPOCH: Final = EPOCH.toordinal()
LANDSAT_LIKE: Final = ("B02", "B03", "B04", "B08|B8A", "B11", "B12")
"""The bands of COLD; B8A stands in for B08 where there is none."""
NEEDED: Final = ("B03", "B04", "B08|B8A", "B11")
"""Those that its screens of cloud and of greening read."""
LEAST_LOOKS: Final = 12
"""Looks of the history without which pyxccd begins no model."""
GREENING: Final = 200
"""Reflectance times 10,000 by which plant cover grows [2]_: no disturbance."""
CERTAIN: Final = 100
"""COLD's probability, percent, of a change that all its looks confirm."""
TOLD_EVERY: Final = 200
"""Pixels between two reports of progress."""

Run = Callable[[Series, Progress], Detection]


@dataclass(frozen=True, slots=True, kw_only=True)
class Peer:
    """One published detector in one setting."""

    name: str
    """What the command line calls it."""

    package: str
    """Distribution that holds it."""

    settings: str
    """What it is run with, in words."""

    run: Run
    """Runs it on a series; `load` says first whether the package is there."""

    def load(self) -> str:
        """
        Make sure that the package is installed.

        Returns
        -------
        str
            Its version.

        Raises
        ------
        SourceUnreachableError
            If it is not; the message says what to install.
        """
        try:
            return metadata.version(self.package)
        except metadata.PackageNotFoundError as error:
            raise SourceUnreachableError(
                f'{self.package} is not installed: pip install "rsmonitor[{EXTRA}]"'
            ) from error


def knows_seasons(series: Series) -> bool:
    """
    Say whether the history of a series is long enough to know the year.

    Parameters
    ----------
    series : Series
        The looks.

    Returns
    -------
    bool
        False under a year: detectors then compare with a mean.
    """
    past = series.days[series.days <= series.history_until]
    return past.size > 0 and int(past[-1] - past[0]) >= DAYS_OF_A_YEAR


def seen_ndvi(series: Series) -> NDArray[np.float32]:
    """
    Compute NDVI where our screen saw the ground.

    Parameters
    ----------
    series : Series
        The looks.

    Returns
    -------
    ndarray of float32, shape (time, y, x)
        NaN where not seen.
    """
    return index_values(series, ("ndvi",), clear=ClearParameters())[:, 0]


def _nrt(
    series: Series,
    progress: Progress,
    *,
    name: str,
    kind: str,
    plain: bool = False,
    fit: Mapping[str, Any] | None = None,
    **settings: Any,  # noqa: ANN401 - handed on to the package
) -> Detection:
    """Run a monitor of nrt."""
    module = importlib.import_module(f"nrt.monitor.{kind.lower()}")
    fitting = dict(fit or {})
    steady = fitting.get("method", "OLS") != "OLS" or kind == "CCDC"
    if not knows_seasons(series):
        if steady:
            raise HistoryError(
                f"{name} looks for a stable part of the history, half a year at least; "
                f"the history of {series.name} is shorter"
            )
        settings |= {"harmonic_order": 0, "trend": False}
    elif plain:
        settings["harmonic_order"] = 1
        # the stable fit of CCDC cannot do without a trend
        settings |= {} if kind == "CCDC" else {"trend": False}
    ndvi = seen_ndvi(series)
    past = series.days <= series.history_until
    if kind == "CCDC":
        fitting |= {
            role: _history(series, np.where(np.isfinite(ndvi), band, np.nan))
            for role, band in (
                ("green", _band(series, "B03", name)),
                ("swir", _band(series, "B11", name)),
            )
        }
    monitor = getattr(module, kind)(**settings)
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")  # short and empty series, by the thousand
        try:
            monitor.fit(_history(series, ndvi), **fitting)
        except ValueError as error:
            raise HistoryError(f"{name} on {series.name}: {error}") from error
        monitored = monitor.mask == MONITORED
        looks = np.flatnonzero(~past)
        for done, t in enumerate(looks):
            progress(f"{name} on {series.name}", done, looks.size)
            day = datetime(1970, 1, 1) + timedelta(days=int(series.days[t]))  # noqa: DTZ001 - as nrt wants it
            monitor.monitor(ndvi[t], day)
    confirmed = np.where(monitor.mask == BROKEN, monitor.detection_date, 0)
    return Detection(
        detector=name,
        first_seen=confirmed.astype(np.int64),
        confirmed=confirmed.astype(np.int64),
        monitored=monitored,
    )


def _history(series: Series, values: NDArray[np.floating]) -> xr.DataArray:
    """Make what nrt fits of values, shape (time, y, x)."""
    past = series.days <= series.history_until
    height, width = series.truth.shape
    return xr.DataArray(
        values[past],
        dims=("time", "y", "x"),
        coords={
            "time": series.days[past].astype("datetime64[D]").astype("datetime64[ns]"),
            "y": np.arange(height, dtype=np.float64)[::-1],
            "x": np.arange(width, dtype=np.float64),
        },
    )


def _band(series: Series, band: str, name: str) -> NDArray[np.float32]:
    """Take one band."""
    if band not in series.bands:
        raise SourceError(
            f"{name} needs {band}; {series.name} has {', '.join(series.bands)}"
        )
    return series.reflectance[:, series.bands.index(band)]


def _pyxccd(
    series: Series, progress: Progress, *, name: str, function: str, consecutive: int
) -> Detection:
    """Run COLD or S-CCD pixel by pixel."""
    if not knows_seasons(series):
        raise HistoryError(
            f"{name} needs a year of history; that of {series.name} is shorter"
        )
    detect = getattr(importlib.import_module("pyxccd"), function)
    bands = _landsat_like(series, name)
    layers = list(bands.values())
    green, swir = (list(bands).index(role) + 1 for role in ("B03", "B11"))
    seen = np.isfinite(seen_ndvi(series))
    seen &= np.isfinite(series.reflectance[:, layers]).all(axis=1)
    began = np.zeros(series.truth.shape, dtype=np.int64)
    confirmed = np.zeros_like(began)
    monitored = np.zeros(began.shape, dtype=np.bool_)
    past = series.days <= series.history_until
    for number, (y, x) in enumerate(np.ndindex(began.shape)):
        if number % TOLD_EVERY == 0:
            progress(f"{name} on {series.name}", number, began.size)
        look = seen[:, y, x]
        if (look & past).sum() < LEAST_LOOKS:
            continue
        monitored[y, x] = True
        days = series.days[look]
        stored = np.rint(series.reflectance[look][:, layers, y, x] * 10_000)
        result = detect(
            days + ORDINAL_OF_EPOCH,
            np.ascontiguousarray(stored.astype(np.int64)),
            np.zeros(days.size, dtype=np.int64),
            lam=20,
            conse=consecutive,
            tmask_b1_index=green,
            tmask_b2_index=swir,
        )
        segments = result if isinstance(result, np.ndarray) else result.rec_cg
        day = _first_loss(segments, list(bands), series.history_until)
        if day:
            last = np.searchsorted(days, day) + consecutive - 1
            began[y, x] = day
            confirmed[y, x] = days[min(int(last), days.size - 1)]
    return Detection(
        detector=name, first_seen=began, confirmed=confirmed, monitored=monitored
    )


def _landsat_like(series: Series, name: str) -> dict[str, int]:
    """Give the position in the series of each band of COLD that there is."""
    found = {}
    for either in LANDSAT_LIKE:
        there = [band for band in either.split("|") if band in series.bands]
        if there:
            found[either] = series.bands.index(there[0])
    missing = [band for band in NEEDED if band not in found]
    if missing:
        raise SourceError(
            f"{name} needs {', '.join(NEEDED)}; {series.name} has "
            f"{', '.join(series.bands)}"
        )
    return found


def _first_loss(
    segments: NDArray[np.void], bands: list[str], history_until: int
) -> int:
    """Give the day of the first break after the history that is no greening, or 0."""
    red, nir, swir = (bands.index(band) for band in ("B04", "B08|B8A", "B11"))
    names = segments.dtype.names or ()
    for segment in segments:
        day = int(segment["t_break"]) - ORDINAL_OF_EPOCH
        certain = "change_prob" not in names or segment["change_prob"] >= CERTAIN
        size = segment["magnitude"]
        greening = size[nir] > -GREENING and (
            size[red] < GREENING and size[swir] < GREENING
        )
        if day > history_until and certain and not greening:
            return day
    return 0


def _peers() -> Mapping[str, Peer]:
    """Make the table of peers."""
    nrt: list[tuple[str, str, dict[str, Any]]] = [
        ("nrt-ewma", "EWMA, sensitivity 2", {"kind": "EWMA", "sensitivity": 2}),
        ("nrt-iqr-2", "IQR, sensitivity 2", {"kind": "IQR", "sensitivity": 2}),
        ("nrt-iqr-3", "IQR, sensitivity 3", {"kind": "IQR", "sensitivity": 3}),
        (
            "nrt-cusum-ols",
            "CuSum, OLS fit, sensitivity 0.05",
            {"kind": "CuSum", "sensitivity": 0.05, "fit": {"method": "OLS"}},
        ),
        (
            "nrt-cusum-roc",
            "CuSum, ROC fit, sensitivity and alpha 0.01",
            {
                "kind": "CuSum",
                "sensitivity": 0.01,
                "fit": {"method": "ROC", "alpha": 0.01},
            },
        ),
        (
            "nrt-mosum",
            "MoSum, OLS fit, sensitivity 0.05",
            {"kind": "MoSum", "sensitivity": 0.05, "fit": {"method": "OLS"}},
        ),
        ("nrt-ccdc", "CCDC, sensitivity 3, 3 looks", {"kind": "CCDC"}),
        (
            "nrt-iqr-plain",
            "IQR, its default sensitivity 1.5; one harmonic, no trend",
            {"kind": "IQR", "plain": True},
        ),
        (
            "nrt-ccdc-plain",
            "CCDC, sensitivity 3, 3 looks; one harmonic",
            {"kind": "CCDC", "plain": True},
        ),
    ]
    xccd = [
        ("cold", "COLD, p 0.99, 6 looks", "cold_detect_flex", 6),
        ("cold-4", "COLD, p 0.99, 4 looks", "cold_detect_flex", 4),
        ("s-ccd", "S-CCD, p 0.99, 6 looks", "sccd_detect_flex", 6),
        ("s-ccd-4", "S-CCD, p 0.99, 4 looks", "sccd_detect_flex", 4),
    ]
    peers = [
        Peer(
            name=name,
            package="nrt",
            settings=words,
            run=partial(_nrt, name=name, **settings),
        )
        for name, words, settings in nrt
    ] + [
        Peer(
            name=name,
            package="pyxccd",
            settings=words,
            run=partial(_pyxccd, name=name, function=function, consecutive=looks),
        )
        for name, words, function, looks in xccd
    ]
    return {peer.name: peer for peer in peers}


PEERS: Final[Mapping[str, Peer]] = _peers()
"""All peers by name."""
