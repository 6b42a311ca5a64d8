"""Time from the outside: the only module that asks the machine what time it is."""

from datetime import UTC, datetime, timedelta

from rsmonitor.errors import ContractError


class SystemClock:
    """The machine's clock."""

    def now(self) -> datetime:
        """
        Give the present instant.

        Returns
        -------
        datetime
            Timezone-aware UTC.
        """
        return datetime.now(UTC)


class FixedClock:
    """A clock that stands still: what makes a run repeatable to the byte.

    Parameters
    ----------
    instant : datetime
        What `now` gives, timezone-aware UTC.

    Raises
    ------
    ContractError
        If the instant is naive or of another zone.
    """

    def __init__(self, instant: datetime) -> None:
        if instant.utcoffset() != timedelta(0):
            raise ContractError(
                f"FixedClock needs a timezone-aware UTC instant, got {instant!r}"
            )
        self._instant = instant

    def now(self) -> datetime:
        """
        Give the instant that the clock was made with.

        Returns
        -------
        datetime
            Timezone-aware UTC.
        """
        return self._instant
