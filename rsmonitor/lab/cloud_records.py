"""On which days the ground of a place was really seen: records of looks and clouds.

A place under watch keeps such a record itself: the diary of its sites, look by look,
and where it has no site yet the weekly coverage of the runs that are kept. Anyone
else's record comes as a table. A place without a record has none: nothing is guessed
for it.
"""

import csv
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from rsmonitor.config import Settings, read_settings
from rsmonitor.errors import ContractError, SourceError, SourceUnreachableError
from rsmonitor.io.deliver.folder import RUNS
from rsmonitor.io.deliver.kept_run import read_coverage
from rsmonitor.io.foundation.files import write_atomic
from rsmonitor.lab.datasets import Places, load_henan_crop, load_sichuan_fire
from rsmonitor.lab.detector import EPOCH
from rsmonitor.lab.measures import clear_looks, dry_months
from rsmonitor.lab.series import Series
from rsmonitor.wiring.office import diary_of
from rsmonitor.wiring.stores import open_ledger

COLUMNS: Final = ("place", "day", "share_seen")
"""Columns that a table of looks must have."""

SPOT: Final = "spot"
"""Column that it may have: a part of the place that was seen by itself."""

CLEAR_SHARE: Final = 0.5
"""Share of a spot that a look must show to count as a look at it."""

LONGEST_SILENCE: Final = 60
"""Days without any look, clear or not, after which it was the archive that had none and
not the sky: no dig is begun whose days reach into such a silence."""

LEAST_DAYS: Final = 365
"""A record that is shorter does not know a year."""

LEAST_SPAN: Final = 0.9
"""Share of the time of a record that a spot must have been followed."""

SENTINEL_2: Final = "2"
"""Sensor in the table of the burnt forest; its other looks are Landsat's."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class CloudRecord:
    """When somebody looked at a place, and which of its spots were seen."""

    place: str
    """Name of the place, such as the code of a district."""

    rests_on: str
    """What the record is, in words."""

    days: NDArray[np.int64]
    """Days with a look, clear or not; days since 1970-01-01, ascending, each once."""

    clear: NDArray[np.bool_]
    """True where a spot was seen, shape (spot, look)."""

    def __post_init__(self) -> None:
        if self.clear.ndim != 2 or self.clear.shape[1] != self.days.size:  # noqa: PLR2004 - spot and look
            raise ContractError(
                f"cloud record of {self.place}: clear must have shape (spot, "
                f"{self.days.size}), got {self.clear.shape}"
            )
        if self.days.size == 0 or (np.diff(self.days) <= 0).any():
            raise ContractError(
                f"cloud record of {self.place}: days must ascend, each once, and there "
                "must be one"
            )
        if self.days[-1] - self.days[0] < LEAST_DAYS:
            raise ContractError(
                f"cloud record of {self.place} spans "
                f"{self.days[-1] - self.days[0]} days; a year has {LEAST_DAYS}: wait, "
                "or give a longer table"
            )

    @property
    def dry(self) -> frozenset[int]:
        """The six months in a row in which most is seen, 1 to 12."""
        return dry_months(self.days, self.clear.mean(axis=0))

    def starts(self, horizon_days: int) -> NDArray[np.int64]:
        """
        Give the days on which a dig may begin so that its whole time is known.

        Parameters
        ----------
        horizon_days : int
            How long it is watched.

        Returns
        -------
        ndarray of int64, shape (day,)
            Days since 1970-01-01.
        """
        first, last = int(self.days[0]), int(self.days[-1])
        days = np.arange(first, last - horizon_days + 1)
        silent = np.flatnonzero(np.diff(self.days) > LONGEST_SILENCE)
        for gap in silent:
            began, ended = self.days[gap], self.days[gap + 1]
            days = days[(days >= ended) | (days + horizon_days <= began)]
        return days


def of_table(path: Path) -> tuple[CloudRecord, ...]:
    """
    Read a table of looks: CSV with the columns of `COLUMNS`, and `SPOT` if it has any.

    Parameters
    ----------
    path : Path
        One line for each look, those that showed nothing too.

    Returns
    -------
    tuple of CloudRecord
        One for each place, in the order of the table.

    Raises
    ------
    SourceError
        If the file is not such a table; the line is named.
    ContractError
        If the record of a place is shorter than a year.
    """
    rows: dict[str, list[tuple[str, int, float]]] = {}
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            table = csv.DictReader(file)
            missing = set(COLUMNS) - set(table.fieldnames or ())
            if missing:
                raise SourceError(
                    f"{path}: a table of looks has the columns {', '.join(COLUMNS)}; "
                    f"missing: {', '.join(sorted(missing))}"
                )
            for number, row in enumerate(table, start=2):
                place, spot, day, share = _row(row, f"{path}, line {number}")
                rows.setdefault(place, []).append((spot, day, share))
    except FileNotFoundError as error:
        raise SourceError(f"{path}: no such file") from error
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise SourceError(f"{path} is no table of looks: {error}") from error
    if not rows:
        raise SourceError(f"{path} names no look")
    return tuple(
        _record(place, some, f"table {path.name}") for place, some in rows.items()
    )


def of_settings(path: Path) -> CloudRecord:
    """
    Read the record that a district under watch keeps itself.

    Parameters
    ----------
    path : Path
        Settings file.

    Returns
    -------
    CloudRecord
        Of the diary of its sites; without sites of the weekly coverage of kept runs,
        where a week counts as one look on its last day.

    Raises
    ------
    SettingsError
        If the settings are wrong.
    SourceUnreachableError
        If the district keeps neither: it was not measured.
    StoreError
        If diary or ledger is damaged.
    ContractError
        If the record is shorter than a year.
    """
    settings = read_settings(path)
    code = settings.district.code
    seen = [
        (each.site_id, (each.day - EPOCH).days, each.share_seen)
        for each in diary_of(settings).of(code)
    ]
    if seen:
        return _record(code, seen, "diary of sites")
    weeks = _coverage(settings)
    if not weeks:
        raise SourceUnreachableError(
            f"{path}: not measured: district {code} has no diary of sites and no kept "
            "run with its coverage; run it first, or give a table of looks"
        )
    return _record(code, weeks, "weekly coverage")


def records(paths: Iterable[Path]) -> tuple[CloudRecord, ...]:
    """
    Read records of clouds from settings files and tables.

    Parameters
    ----------
    paths : iterable of Path
        Settings files (``.toml``) and tables (anything else).

    Returns
    -------
    tuple of CloudRecord
        In their order.

    Raises
    ------
    SettingsError
        If settings are wrong.
    SourceError
        If a table is.
    SourceUnreachableError
        If a district under watch keeps no record.
    StoreError
        If its diary is damaged.
    ContractError
        If a record is shorter than a year.
    """
    found: list[CloudRecord] = []
    for path in paths:
        found += [of_settings(path)] if path.suffix == ".toml" else of_table(path)
    return tuple(found)


def of_series(series: Series, *, place: str, rests_on: str) -> CloudRecord:
    """
    Take the looks of a series that is in memory.

    Parameters
    ----------
    series : Series
        Its whole time, the history too. Seen is what the detector calls seen.
    place : str
        Name.
    rests_on : str
        What it is.

    Returns
    -------
    CloudRecord
        Where pixels are neighbours, one spot; otherwise one a pixel.

    Raises
    ------
    ContractError
        If it is shorter than a year.
    """
    clear = clear_looks(series).reshape(series.days.size, -1)
    share = clear.mean(axis=1, keepdims=True) if series.connected else clear
    return _record(
        place,
        [
            (str(spot), int(day), float(seen))
            for spot in range(share.shape[1])
            for day, seen in zip(series.days, share[:, spot], strict=True)
        ],
        rests_on,
    )


def chinese(places: Places) -> tuple[CloudRecord, ...]:
    """
    Take the two places in China of which public test data has a record.

    Neither is a district of rare earths. The masks that came with them (QA60, HLS) miss
    thin cloud and shadow, so that they count more looks clear than our screens would.

    Parameters
    ----------
    places : Places
        Where the optional data is.

    Returns
    -------
    tuple of CloudRecord
        Of one pixel each.

    Raises
    ------
    SourceUnreachableError
        If the data is missing.
    SourceError
        If it is not what it should be.
    """
    fire = load_sichuan_fire(places)
    path = places.file("pixel_series_china", "1_hls_sc.csv")
    with path.open(encoding="utf-8", newline="") as file:
        own = {
            int(row["dates"]) - EPOCH.toordinal()
            for row in csv.DictReader(file)
            if row["sensor"] == SENTINEL_2
        }
    # before March 2018 few Level-2A products of China exist
    from_day = (date(2019, 1, 1) - EPOCH).days
    whole = (
        of_series(
            load_henan_crop(places),
            place="Henan, a field of tile 50SKC (QA60)",
            rests_on="one pixel, Sentinel-2 with QA60",
        ),
        of_series(
            fire,
            place="Sichuan, a forest (HLS)",
            rests_on="one pixel, the Sentinel-2 looks of HLS",
        ),
    )
    chosen = [
        np.flatnonzero(whole[0].days >= from_day),
        np.flatnonzero((whole[1].days >= from_day) & np.isin(whole[1].days, [*own])),
    ]
    return tuple(
        CloudRecord(
            place=each.place,
            rests_on=each.rests_on,
            days=each.days[some],
            clear=each.clear[:, some],
        )
        for each, some in zip(whole, chosen, strict=True)
    )


def write_table(found: Sequence[CloudRecord], path: Path) -> None:
    """
    Write records as the table that `of_table` reads.

    Parameters
    ----------
    found : sequence of CloudRecord
        What is known.
    path : Path
        CSV.

    Raises
    ------
    OutputError
        If it cannot be written.
    """
    lines = [",".join((COLUMNS[0], SPOT, *COLUMNS[1:]))]
    for each in found:
        name = each.place.replace('"', "'")
        lines += [
            f'"{name}",{spot},{EPOCH + timedelta(days=int(day))},{int(seen)}'
            for spot, row in enumerate(each.clear)
            for day, seen in zip(each.days, row, strict=True)
        ]
    write_atomic(path, ("\n".join(lines) + "\n").encode())


def _row(row: dict[str, str | None], where: str) -> tuple[str, str, int, float]:
    """Read a line of a table."""
    place, spot = (row.get("place") or "").strip(), (row.get(SPOT) or "").strip()
    said, share = row.get("day") or "", row.get("share_seen") or ""
    if not place:
        raise SourceError(f"{where}: it names no place")
    try:
        day = (date.fromisoformat(said.strip()) - EPOCH).days
    except ValueError as error:
        raise SourceError(
            f"{where}: day must be like 2024-05-31, got {said!r:.40}"
        ) from error
    try:
        seen = float(share)
    except ValueError:
        seen = math.nan
    if not 0.0 <= seen <= 1.0:
        raise SourceError(f"{where}: share_seen must be 0 to 1, got {share!r:.40}")
    return place, spot, day, seen


def _record(
    place: str, seen: Sequence[tuple[str, int, float]], rests_on: str
) -> CloudRecord:
    """Bring looks into a table of spots and days; of looks on one day the best."""
    days = np.array(sorted({day for _, day, _ in seen}), dtype=np.int64)
    spots = sorted({spot for spot, _, _ in seen})
    share = np.zeros((len(spots), days.size))
    first, last = np.full(len(spots), days[-1]), np.full(len(spots), days[0])
    row = {spot: number for number, spot in enumerate(spots)}
    for spot, day, value in seen:
        at = row[spot], int(np.searchsorted(days, day))
        share[at] = max(share[at], value)
        first[at[0]], last[at[0]] = min(first[at[0]], day), max(last[at[0]], day)
    # a spot that was not followed to both ends would look cloudy where nobody looked
    whole = last - first >= LEAST_SPAN * (days[-1] - days[0])
    if not whole.any():
        raise ContractError(
            f"cloud record of {place}: none of its {len(spots)} spots was followed "
            f"over {LEAST_SPAN:.0%} of its time"
        )
    clear = share[whole] >= CLEAR_SHARE
    many = f", {int(whole.sum())} of {len(spots)} spots" if len(spots) > 1 else ""
    return CloudRecord(
        place=place, rests_on=f"{rests_on}{many}", days=days, clear=clear
    )


def _coverage(settings: Settings) -> list[tuple[str, int, float]]:
    """Read what kept runs saw of each grid, a line a week."""
    ledger = open_ledger(settings)
    if not ledger.exists():
        return []
    found = []
    for run in ledger.runs(settings.district.code):
        folder = settings.path(settings.run.out) / RUNS / run.location
        if not (folder / "coverage.geojson").is_file():
            continue
        found += [
            (each.grid_id, (each.week.last_day - EPOCH).days, each.share_seen)
            for each in read_coverage(folder)
        ]
    return found


def main(arguments: Sequence[str] | None = None) -> int:
    """
    Write the table of the two places in China.

    Parameters
    ----------
    arguments : sequence of str, optional
        Default: those of the process.

    Returns
    -------
    int
        0.

    Raises
    ------
    SourceUnreachableError
        If the data is missing.
    """
    import argparse  # noqa: PLC0415 - only here

    parser = argparse.ArgumentParser(description="Write a table of real looks.")
    parser.add_argument("--data", type=Path, required=True, help="folder of the data")
    parser.add_argument("--out", type=Path, required=True, help="CSV")
    given = parser.parse_args(arguments)
    write_table(chinese(Places(data=given.data)), given.out)
    print(given.out)  # noqa: T201 - a command's answer
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
