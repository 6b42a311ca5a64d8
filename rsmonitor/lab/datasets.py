"""Real series with something known of their changes, and why others are not used.

What a reference is worth stands beside it, in `Dataset.truth`, and in every table that
is made of it.
"""

import csv
import gzip
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Final

import numpy as np
import xarray as xr
from numpy.typing import NDArray

import rsmonitor
from rsmonitor.errors import SourceError, SourceUnreachableError
from rsmonitor.lab.detector import EPOCH
from rsmonitor.lab.series import Series, Truth
from rsmonitor.pipeline.looks import day_number
from rsmonitor.records.grid import Block
from rsmonitor.records.rasters import Scl
from rsmonitor.wiring import demo_settings, open_source

REFERENCE_NAME: Final = "tests/reference/romania_openings.nc"
"""Where a checkout holds the reference of the demo."""
DATA_VARIABLE: Final = "RSMONITOR_TEST_DATA"
"""Environment variable that names the folder of optional data."""
UNCHANGED_BELOW: Final = 30
"""Percent of a full opening below which the reference calls a pixel unchanged: the rule
of its author."""
OPENED, NO_OPENING = 1, 0
"""Classes of the reference of the demo that are counted."""
DEMO_HISTORY: Final = date(2018, 6, 30)
"""Last day of the history of the demo."""
CHINA_HISTORY: Final = date(2020, 12, 31)
"""The same of the series from China: years of watch are left on both."""
BAND_UNITS: Final = 10_000
"""Reflectance is stored times this."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Places:
    """Where files lie that no package brings."""

    data: Path | None = None
    """Folder of optional data; None: there is none."""

    reference: Path | None = None
    """Reference of the demo; None: that of a checkout."""

    def file(self, *parts: str) -> Path:
        """
        Find a file of the optional data.

        Parameters
        ----------
        *parts : str
            Its path below the folder.

        Returns
        -------
        Path
            The file, which exists.

        Raises
        ------
        SourceUnreachableError
            If there is no folder, or no such file in it.
        """
        if self.data is None:
            raise SourceUnreachableError(
                f"the data is not in a package: give its folder with --data or "
                f"{DATA_VARIABLE}"
            )
        path = self.data.joinpath(*parts)
        if not path.is_file():
            raise SourceUnreachableError(f"{path} does not exist")
        return path

    def demo_reference(self) -> Path:
        """
        Find the reference of the demo.

        Returns
        -------
        Path
            The file, which exists.

        Raises
        ------
        SourceUnreachableError
            If it is not there.
        """
        path = self.reference
        if path is None:
            path = Path(rsmonitor.__file__).resolve().parents[1] / REFERENCE_NAME
        if not path.is_file():
            raise SourceUnreachableError(
                f"{path} does not exist: the reference of the demo is in the "
                f"repository as {REFERENCE_NAME}, not in the wheel; give it with "
                "--reference"
            )
        return path


@dataclass(frozen=True, slots=True, kw_only=True)
class Dataset:
    """A series that detectors can be held against, or the reason why it is not one."""

    name: str
    """What the command line calls it."""

    truth: str
    """What is known of its changes, from whom, and what that is worth."""

    load: Callable[[Places], Series] | None
    """Reads it; None where nothing honest can be said, see `truth`."""


def load_romania(places: Places) -> Series:
    """
    Read the demo cube with its reference map.

    Parameters
    ----------
    places : Places
        Where the reference is.

    Returns
    -------
    Series
        10 m pixels. Pixels between closed and opened are not counted.

    Raises
    ------
    SourceUnreachableError
        If the package of the cube or the reference is missing.
    SourceError
        If the reference is not one.
    """
    path = places.demo_reference()
    names = ("reference", "fraction", "last_before", "first_after")
    known = _layers(path, names)
    classes, fraction = known["reference"], known["fraction"]
    truth = np.full(classes.shape, Truth.NOT_COUNTED, dtype=np.uint8)
    unchanged = (classes == NO_OPENING) & (fraction < UNCHANGED_BELOW)
    truth[unchanged] = Truth.UNCHANGED
    truth[classes == OPENED] = Truth.OPENED
    opened = truth == Truth.OPENED
    return _cube(
        "romania",
        files=None,
        truth=truth,
        began_after=np.where(opened, known["last_before"], 0).astype(np.int64),
        began_by=np.where(opened, known["first_after"], 0).astype(np.int64),
        path=path,
    )


def load_romania_20m(places: Places) -> Series:
    """
    Read the 20 m cube of the demo with a second, coarser reference.

    Parameters
    ----------
    places : Places
        Where the optional data is.

    Returns
    -------
    Series
        20 m pixels; starts are known to the year alone, so delays are not.

    Raises
    ------
    SourceUnreachableError
        If the package of the cube or the reference is missing.
    SourceError
        If the reference is not one.
    """
    path = places.file("nrt_romania", "derived_disturb_year_20m.nc")
    year = _layers(path, ("disturb_year",))["disturb_year"]
    truth = np.full(year.shape, Truth.NOT_COUNTED, dtype=np.uint8)
    truth[year == 0] = Truth.UNCHANGED
    # 2018 began before or after the end of the history: nobody knows
    opened = year > DEMO_HISTORY.year
    truth[opened] = Truth.OPENED
    june = np.array([_days(date(int(y) - 1, 6, 1)) if y else 0 for y in year.flat])
    return _cube(
        "romania-20m",
        files=("sentinel2_cube_subset_romania_20m.nc",),
        truth=truth,
        began_after=np.where(opened, june.reshape(year.shape), 0),
        began_by=np.zeros(year.shape, dtype=np.int64),
        path=path,
    )


def load_rondonia(places: Places) -> Series:
    """
    Read labelled pixel series of one dry and one wet season in Rondonia.

    Parameters
    ----------
    places : Places
        Where the optional data is.

    Returns
    -------
    Series
        One pixel a place; forest is unchanged, deforestation opened, the rest not
        counted. The history is six looks, so no season is known.

    Raises
    ------
    SourceUnreachableError
        If the files are missing.
    SourceError
        If they are not what they should be.
    """
    table = places.file("s2_deforest_ts", "timeseries.csv.gz")
    labelled = places.file("s2_deforest_ts", "labels.csv")
    columns = {
        "B02": "blue",
        "B03": "green",
        "B04": "red",
        "B08": "bnir",
        "B8A": "nnir",
        "B11": "swir1",
        "B12": "swir2",
    }
    with _refusing(table):
        rows = list(_rows(table))
        ids = sorted({row["id"] for row in rows})
        dates = sorted({row["date"] for row in rows})
        place = {name: number for number, name in enumerate(ids)}
        look = {name: number for number, name in enumerate(dates)}
        values = np.full((len(dates), len(columns), 1, len(ids)), np.nan, np.float32)
        for row in rows:
            spectrum = [float(row[name]) for name in columns.values()]
            values[look[row["date"]], :, 0, place[row["id"]]] = spectrum
        days = np.array([_days(date.fromisoformat(day)) for day in dates], np.int64)
    with _refusing(labelled):
        label = {row["id"]: row["label"] for row in _rows(labelled)}
        truth = np.array([[_DEFORESTATION.get(label[i], _OTHER) for i in ids]])
    # no scene classification comes with it: thick and thin cloud is bright in blue,
    # shadow dark in near infrared; the same screen for every detector
    blue, nir = values[:, 0], values[:, 3]
    scl = np.full(blue.shape, Scl.VEGETATION, dtype=np.uint8)
    scl[nir < SHADOW_NIR] = Scl.CLOUD_SHADOW
    scl[blue > CLOUD_BLUE] = Scl.CLOUD_HIGH
    scl[np.isnan(blue)] = Scl.NO_DATA
    nowhere = np.zeros(truth.shape, dtype=np.int64)
    return Series(
        name="rondonia",
        days=days,
        bands=tuple(columns),
        reflectance=values,
        scl=scl,
        pixel_m=10.0,
        connected=False,
        history_until=_days(date(2018, 10, 1)),
        truth=truth.astype(np.uint8),
        began_after=nowhere,
        began_by=nowhere,
    )


def load_sichuan_fire(places: Places) -> Series:
    """
    Read one pixel of forest that burnt in March 2024.

    Parameters
    ----------
    places : Places
        Where the optional data is.

    Returns
    -------
    Series
        One pixel of 30 m, Landsat 8 and Sentinel-2 harmonised.

    Raises
    ------
    SourceUnreachableError
        If the file is missing.
    SourceError
        If it is not what it should be.
    """
    path = places.file("pixel_series_china", "1_hls_sc.csv")
    columns = {
        "B02": "blue",
        "B03": "green",
        "B04": "red",
        "B08": "nir",
        "B11": "swir1",
        "B12": "swir2",
    }
    quality = {
        0: Scl.VEGETATION,
        1: Scl.WATER,
        2: Scl.CLOUD_SHADOW,
        3: Scl.SNOW,
        4: Scl.CLOUD_HIGH,
    }
    with _refusing(path):
        rows = list(_rows(path))
        # proleptic ordinals, as Python counts them: read as MATLAB's, the Sentinel-2
        # rows would begin before there was a Sentinel-2
        days = np.array([int(row["dates"]) for row in rows]) - EPOCH.toordinal()
        values = np.array([[float(row[c]) for c in columns.values()] for row in rows])
        scl = np.array([quality.get(int(row["qa"]), Scl.NO_DATA) for row in rows])
    return _one_pixel(
        "sichuan-fire",
        days=days,
        bands=tuple(columns),
        values=values,
        scl=scl,
        pixel_m=30.0,
        # the last look before and the first after the day that the source gives
        fire=(date(2024, 3, 15), date(2024, 3, 23)),
        path=path,
    )


def load_henan_crop(places: Places) -> Series:
    """
    Read one pixel of a field with two crops a year, on which nobody dug.

    Parameters
    ----------
    places : Places
        Where the optional data is.

    Returns
    -------
    Series
        One pixel of 10 m; every alarm is false.

    Raises
    ------
    SourceUnreachableError
        If the file is missing.
    SourceError
        If it is not what it should be.
    """
    path = places.file("pixel_series_china", "3_crop_sentinel2.csv")
    columns = {
        f"B{number:02d}" if isinstance(number, int) else f"B{number}": f"B{number}"
        for number in (2, 3, 4, 8, "8A", 11, 12)
    }
    quality = {0: Scl.VEGETATION, 1024: Scl.CLOUD_HIGH, 2048: Scl.CIRRUS}
    with _refusing(path):
        rows = list(_rows(path))
        stamps = [datetime.strptime(row["Tile"][:8], "%Y%m%d") for row in rows]  # noqa: DTZ007 - a day
        days = np.array([_days(stamp.date()) for stamp in stamps])
        values = np.array([[float(row[c]) for c in columns.values()] for row in rows])
        scl = np.array([quality.get(int(row["QA60"]), Scl.NO_DATA) for row in rows])
    return _one_pixel(
        "henan-crop",
        days=days,
        bands=tuple(columns),
        values=values,
        scl=scl,
        pixel_m=10.0,
        fire=None,
        path=path,
    )


_DEFORESTATION: Final[Mapping[str, int]] = {
    "Forest": Truth.UNCHANGED,
    # spelled so by its authors
    "Deforestatio": Truth.OPENED,
    "Deforestation": Truth.OPENED,
}
_OTHER: Final = int(Truth.NOT_COUNTED)
CLOUD_BLUE: Final = 0.08
"""B02 above which a look at Rondonia is cloud."""
SHADOW_NIR: Final = 0.12
"""B08 below which it is shadow, or water."""

DATASETS: Final[Mapping[str, Dataset]] = {
    dataset.name: dataset
    for dataset in (
        Dataset(
            name="romania",
            truth="retrospective map of felled groups by another method and author, "
            "from the same images; unchanged below 30 % of an opening, its own rule; "
            "starts known to intervals of months",
            load=load_romania,
        ),
        Dataset(
            name="romania-20m",
            truth="first summer whose NDMI fell by 0.2, derived from the same cube: no "
            "independent reference, and a sparing one (of the pixels that it calls "
            "unchanged, a third is opened by 30 % and more in the 10 m reference); "
            "2018 is not counted, starts are known to the year",
            load=load_romania_20m,
        ),
        Dataset(
            name="rondonia",
            truth="labels of pixels by their authors (forest against deforestation), "
            "no dates; 36 looks in one year, of which the history takes six: some were "
            "cleared within it. Clouds by a threshold in blue",
            load=load_rondonia,
        ),
        Dataset(
            name="sichuan-fire",
            truth="one pixel of forest that burnt between 2024-03-15 and 2024-03-23 "
            "(the source says 22 March); a fire and not a dig",
            load=load_sichuan_fire,
        ),
        Dataset(
            name="henan-crop",
            truth="one pixel of a field of two crops a year; nothing else is said of "
            "it, so every alarm counts as false",
            load=load_henan_crop,
        ),
        Dataset(
            name="mine",
            truth="78 dates over an open pit with the outline of its licence, but "
            "nothing says which pixel was dug when; a map made from the same images by "
            "us would be our own opinion",
            load=None,
        ),
        Dataset(
            name="landsat-breaks",
            truth="its breaks are what COLD answers, kept to test COLD: no truth",
            load=None,
        ),
    )
}
"""All series by name."""


def _cube(
    name: str,
    *,
    files: tuple[str, ...] | None,
    truth: NDArray[np.uint8],
    began_after: NDArray[np.int64],
    began_by: NDArray[np.int64],
    path: Path,
) -> Series:
    """Read the cube of the demo, or some of its files, as the pipeline does."""
    settings = demo_settings(Path("unused"))
    if files is not None:
        digests = dict(zip(settings.source.files, settings.source.sha256, strict=True))
        source = replace(
            settings.source, files=files, sha256=tuple(digests[f] for f in files)
        )
        settings = replace(settings, source=source)
    with open_source(settings) as opened:
        (grid,) = opened.grids()
        if truth.shape != (grid.height, grid.width):
            raise SourceError(
                f"{path}: its shape {truth.shape} is not that of the demo cube, "
                f"{(grid.height, grid.width)}"
            )
        whole = Block(row=0, col=0, height=grid.height, width=grid.width)
        products = opened.find(grid, until=datetime(2100, 1, 1, tzinfo=UTC))
        scenes = [opened.load(product, grid, whole) for product in products]
        bands = opened.bands
    return Series(
        name=name,
        days=np.array([day_number(product) for product in products], dtype=np.int64),
        bands=bands,
        reflectance=np.stack([scene["reflectance"].to_numpy() for scene in scenes]),
        scl=np.stack([scene["scl"].to_numpy() for scene in scenes]),
        pixel_m=float(abs(grid.transform[0])),
        connected=True,
        history_until=_days(DEMO_HISTORY),
        truth=truth,
        began_after=began_after,
        began_by=began_by,
    )


def _one_pixel(
    name: str,
    *,
    days: NDArray[np.int64],
    bands: tuple[str, ...],
    values: NDArray[np.float64],
    scl: NDArray[np.int64],
    pixel_m: float,
    fire: tuple[date, date] | None,
    path: Path,
) -> Series:
    """Make a series of a table of one pixel."""
    if days.size == 0 or (days < 0).any() or (days > 2**16).any():
        raise SourceError(f"{path}: its days are not between 1970 and 2149")
    # of two sensors on one day the first row is taken, as pyxccd does
    order = np.unique(days, return_index=True)[1]
    began = tuple(map(_days, fire)) if fire else (0, 0)
    return Series(
        name=name,
        days=days[order].astype(np.int64),
        bands=bands,
        reflectance=(values[order] / BAND_UNITS).astype(np.float32)[:, :, None, None],
        scl=scl[order].astype(np.uint8)[:, None, None],
        pixel_m=pixel_m,
        connected=False,
        history_until=_days(CHINA_HISTORY),
        truth=np.array([[Truth.OPENED if fire else Truth.UNCHANGED]], dtype=np.uint8),
        began_after=np.array([[began[0]]], dtype=np.int64),
        began_by=np.array([[began[1]]], dtype=np.int64),
    )


def _layers(path: Path, names: tuple[str, ...]) -> dict[str, NDArray[np.int64]]:
    """Read layers of a small NetCDF file."""
    with _refusing(path), xr.open_dataset(path, decode_times=False) as opened:
        missing = [name for name in names if name not in opened]
        if missing:
            raise SourceError(f"{path}: it has no {', '.join(missing)}")
        return {name: opened[name].to_numpy().astype(np.int64) for name in names}


def _rows(path: Path) -> Iterator[dict[str, str]]:
    """Read the rows of a CSV file, zipped or not."""
    if path.suffix == ".gz":
        with gzip.open(path, "rt", encoding="utf-8-sig", newline="") as file:
            yield from csv.DictReader(file)
    else:
        with path.open(encoding="utf-8-sig", newline="") as file:
            yield from csv.DictReader(file)


@contextmanager
def _refusing(path: Path) -> Iterator[None]:
    """Name the file in whatever goes wrong with it."""
    try:
        yield
    except (
        OSError,
        EOFError,
        ValueError,
        KeyError,
        TypeError,
        csv.Error,
        zlib.error,
    ) as error:
        raise SourceError(f"{path}: cannot be read: {error!r}") from error


def _days(day: date) -> int:
    """Count days since 1970-01-01."""
    return (day - EPOCH).days
