"""What the routes of the web service share."""

from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from rsmonitor.config import Settings
from rsmonitor.interfaces import Clock
from rsmonitor.wiring.accounts import Accounts
from rsmonitor.wiring.shelf import KeptShelf


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Service:
    """What the routes of the web service share; `doors.service` gives it to one."""

    settings: tuple[Settings, ...]
    """One a district."""

    configs: tuple[Path, ...]
    """The settings files they were read from."""

    accounts: Accounts
    """Who may come in."""

    clock: Clock
    """Time."""

    folder: Path
    """Where the service keeps its own files: ``web`` in the work folder."""

    public_url: str
    """What people type, without a slash at its end."""

    secure_cookies: bool
    """True where browsers speak TLS with us, or with a proxy before us."""

    shelf: KeptShelf
    """What is read: alerts, coverage, districts, licences."""

    hosts: frozenset[str] = field(
        default_factory=lambda: frozenset({"localhost", "127.0.0.1", "::1"})
    )
    """Host names that are answered besides the one of `public_url`."""

    @property
    def known_hosts(self) -> frozenset[str]:
        """Host names that are answered, lower case, without ports."""
        own = urlsplit(self.public_url).hostname
        return self.hosts | ({own.lower()} if own else set())
