"""ISO weeks in Asia/Shanghai: the unit of scheduled runs."""

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from rsmonitor.errors import ContractError
from rsmonitor.records.licence import SHANGHAI


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class IsoWeek:
    """An ISO 8601 week, Monday to Sunday, of Shanghai days."""

    year: int
    """ISO year, which differs from the calendar year around New Year."""

    week: int
    """1 to 52 or 53."""

    def __post_init__(self) -> None:
        try:
            date.fromisocalendar(self.year, self.week, 1)
        except ValueError as error:
            raise ContractError(
                f"no such ISO week: {self.year}-W{self.week:02d}"
            ) from error

    def __str__(self) -> str:
        return f"{self.year:04d}-W{self.week:02d}"

    @classmethod
    def of(cls, instant: datetime) -> "IsoWeek":
        """
        Give the week that holds an instant.

        Parameters
        ----------
        instant : datetime
            Timezone-aware.

        Returns
        -------
        IsoWeek
            The week in Asia/Shanghai.

        Examples
        --------
        >>> str(IsoWeek.of(datetime(2021, 1, 3, 15, 59, tzinfo=UTC)))
        '2020-W53'
        >>> str(IsoWeek.of(datetime(2021, 1, 3, 16, 0, tzinfo=UTC)))
        '2021-W01'
        """
        iso = instant.astimezone(SHANGHAI).isocalendar()
        return cls(year=iso.year, week=iso.week)

    @classmethod
    def parse(cls, text: str) -> "IsoWeek":
        """
        Read a week as `str` writes it.

        Parameters
        ----------
        text : str
            Such as ``2026-W47``.

        Returns
        -------
        IsoWeek
            The week.

        Raises
        ------
        ContractError
            If the text is not a week.
        """
        match = re.fullmatch(r"([0-9]{4})-W([0-9]{2})", text)
        if match is None:
            raise ContractError(f"a week is written like 2026-W47, got {text!r}")
        return cls(year=int(match[1]), week=int(match[2]))

    @property
    def start(self) -> datetime:
        """Monday 00:00 in Shanghai, as UTC."""
        monday = date.fromisocalendar(self.year, self.week, 1)
        local = datetime.combine(monday, datetime.min.time(), SHANGHAI)
        return local.astimezone(UTC)

    @property
    def end(self) -> datetime:
        """Monday 00:00 of the week after, as UTC: the interval is half-open."""
        return self.next().start

    @property
    def last_day(self) -> date:
        """Sunday."""
        return date.fromisocalendar(self.year, self.week, 7)

    def next(self) -> "IsoWeek":
        """
        Give the week after.

        Returns
        -------
        IsoWeek
            The following week.
        """
        monday = date.fromisocalendar(self.year, self.week, 1) + timedelta(days=7)
        iso = monday.isocalendar()
        return IsoWeek(year=iso.year, week=iso.week)
