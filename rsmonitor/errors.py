"""Every error that rsmonitor raises on purpose.

Each carries the exit code that the command line ends with, so that a scheduler can
tell a bad file from a busy lock without reading prose.
"""

from typing import ClassVar, Final

EXIT_DONE: Final = 0
EXIT_PARTIAL: Final = 1
EXIT_USAGE: Final = 2
EXIT_BAD_INPUT: Final = 3
EXIT_BUSY: Final = 4
EXIT_UNREACHABLE: Final = 5
EXIT_INTERRUPTED: Final = 130


class RsmonitorError(Exception):
    """The root: the message names the file, the value and the rule."""

    exit_code: ClassVar[int] = EXIT_BAD_INPUT


class ContractError(RsmonitorError):
    """A record or raster breaks its own rule; a caller's fault, not a user's."""


class SettingsError(RsmonitorError):
    """The settings file is wrong; the message names the file and the key."""


class SourceError(RsmonitorError):
    """Scenes cannot be read as they are; the message names file and variable."""


class SourceUnreachableError(SourceError):
    """A source did not answer, or an optional package that holds it is missing."""

    exit_code: ClassVar[int] = EXIT_UNREACHABLE


class LicenceError(RsmonitorError):
    """A licence file cannot be used as a whole."""


class ReturnsError(RsmonitorError):
    """A file that came back from people cannot be used as a whole."""


class NoClearObservationError(RsmonitorError):
    """Nothing was seen in the time asked for, so nothing can be said."""


class HistoryError(RsmonitorError):
    """The history is too short or too cloudy to say what unchanged looks like."""


class StoreError(RsmonitorError):
    """State or ledger on disk is damaged, or from an unknown schema version."""


class StoreUnreachableError(StoreError):
    """The server that keeps the ledger does not answer, or was lost."""

    exit_code: ClassVar[int] = EXIT_UNREACHABLE


class OutputError(RsmonitorError):
    """An output cannot be written where it was asked for."""


class BusyError(RsmonitorError):
    """Another run holds the district's lock."""

    exit_code: ClassVar[int] = EXIT_BUSY


class ClusterError(RsmonitorError):
    """The cluster does not answer, or is not fit to give the same results."""

    exit_code: ClassVar[int] = EXIT_UNREACHABLE
