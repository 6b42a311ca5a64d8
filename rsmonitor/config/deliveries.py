"""What goes out each week, and how: the sections of deliveries and mail."""

import math
import re
from dataclasses import dataclass
from typing import Final

from rsmonitor.errors import ContractError

LAST_PORT: Final = 65_535
"""The largest number of a port."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BasemapSettings:
    """Imagery of the bureau's own that lies under the alerts in QGIS."""

    title: str
    """What the layer is called."""

    source: str
    """GeoTIFF or MBTiles file, relative to the settings file, or the address of a WMTS
    (``https://``)."""

    on: str = ""
    """Day or days on which it was taken, as people write it; shown beside the title."""

    layer: str = ""
    """WMTS: name of its layer."""

    matrix: str = ""
    """WMTS: name of its tile matrix set."""

    def __post_init__(self) -> None:
        if not self.title.strip() or not self.source.strip():
            raise ContractError("a basemap needs a title and a source")


_HOST: Final = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9.:-]{0,253}[A-Za-z0-9])?")
_USER: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,63}")


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerSettings:
    """A server of a bureau's that takes the packages of an area by SFTP."""

    area: str
    """Code of the area, as for `RecipientSettings`."""

    host: str
    """Name or address of the server."""

    user: str
    """Who logs in, with a key and never with a password."""

    key_file: str
    """Private key in OpenSSH's form, mode 0600, no passphrase; relative to the
    settings file."""

    known_hosts: str
    """File that holds the server's own key; relative to the settings file."""

    port: int = 22
    """Its port."""

    path: str = ""
    """Existing folder there; empty: where the server puts the user."""

    def __post_init__(self) -> None:
        for name, rule in (("host", _HOST), ("user", _USER)):
            if not rule.fullmatch(getattr(self, name)):
                raise ContractError(
                    f"deliver.servers: {name} must match {rule.pattern}, got "
                    f"{getattr(self, name)!r}"
                )
        if not 0 < self.port <= LAST_PORT:
            raise ContractError(
                f"deliver.servers: port must be 1 to 65535, got {self.port}"
            )
        if any(part in {".", ".."} for part in self.path.split("/")) or not (
            self.path.isprintable()
        ):
            raise ContractError(
                "deliver.servers: path must be plain without '.' and '..', got "
                f"{self.path!r}"
            )
        if not self.key_file or not self.known_hosts:
            raise ContractError("deliver.servers: name a key_file and a known_hosts")


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliverSettings:
    """What goes out each week; changes no result."""

    out: str = "packages"
    """Folder of the packages, relative to the settings file."""

    pages: int = 10
    """Alerts of a county that get a page in its report; the rest get a line."""

    language: str = "zh"
    """Language of what people read: ``zh`` or ``en``."""

    names: tuple[str, ...] = ()
    """Names of prefectures and provinces, such as ``3607=赣州市``; counties have theirs
    from the borders or the districts."""

    levels: tuple[str, ...] = ("county", "prefecture", "province")
    """Which packages are made."""

    visit_start: tuple[float, ...] = ()
    """Longitude and latitude where a round of visits begins and ends."""

    map_links: bool = False
    """True prints codes that open a map app: it sends coordinates to a third party."""

    keep_weeks: int = 12
    """Weeks whose packages are kept."""

    basemaps: tuple[BasemapSettings, ...] = ()
    """Imagery of the bureau's own."""

    servers: tuple[ServerSettings, ...] = ()
    """Servers of bureaus that take packages by SFTP."""

    def __post_init__(self) -> None:
        if self.pages < 0 or self.keep_weeks < 1:
            raise ContractError(
                "deliver.pages must not be negative and deliver.keep_weeks at least 1, "
                f"got {self.pages} and {self.keep_weeks}"
            )
        if self.language not in {"zh", "en"}:
            raise ContractError(
                f"deliver.language must be zh or en, got {self.language!r}"
            )
        for level in self.levels:
            if level not in {"county", "prefecture", "province"}:
                raise ContractError(
                    "deliver.levels may name county, prefecture and province, got "
                    f"{level!r}"
                )
        for name in self.names:
            if not re.fullmatch(r"[0-9]{2}([0-9]{2})?=[^=]{1,40}", name):
                raise ContractError(
                    "deliver.names are written like 3607=赣州市: two or four digits of "
                    f"the code and a name, got {name!r}"
                )
        if self.visit_start and not (
            len(self.visit_start) == 2  # noqa: PLR2004 - longitude and latitude
            and -180 <= self.visit_start[0] <= 180  # noqa: PLR2004 - degrees
            and -90 <= self.visit_start[1] <= 90  # noqa: PLR2004 - degrees
        ):
            raise ContractError(
                "deliver.visit_start is longitude and latitude, got "
                f"{list(self.visit_start)}"
            )


_MAIL_ADDRESS: Final = re.compile(
    r"[^@\s<>\",;:()\[\]\x00-\x1f]{1,64}@[A-Za-z0-9.-]{1,255}"
)
"""One address: no name beside it, no list, no line break."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RecipientSettings:
    """Who gets the packages of an area by mail."""

    area: str
    """Code of the area: six, four or two digits, or a district's identifier."""

    addresses: tuple[str, ...]
    """Mail addresses; each gets a message of its own."""

    def __post_init__(self) -> None:
        if not self.addresses:
            raise ContractError(f"mail.recipients: area {self.area} has no address")
        for address in self.addresses:
            if not _MAIL_ADDRESS.fullmatch(address):
                raise ContractError(f"mail.recipients: {address!r} is no mail address")


@dataclass(frozen=True, slots=True, kw_only=True)
class MailSettings:
    """How packages go out by mail; the password never stands here."""

    host: str | None = None
    """SMTP server; None: no mail is sent."""

    port: int = 465
    """Its port."""

    security: str = "tls"
    """``tls`` from the first byte, or ``starttls``; there is no third."""

    sender: str = ""
    """Address that the mails come from; empty: ``rsmonitor@`` and the server's name."""

    user: str = ""
    """Name to log in with; empty: no login. The password is read from the environment
    (RSMONITOR_MAIL_PASSWORD) or from `password_file`."""

    password_file: str | None = None
    """File of mode 0600 that holds the password, relative to the settings file."""

    ca: str | None = None
    """Certificate of the authority that signed the server's, PEM, relative to the
    settings file; None: those that the machine trusts."""

    largest_mb: int = 20
    """A larger package is named in the mail and not attached."""

    recipients: tuple[RecipientSettings, ...] = ()
    """Who gets what."""

    def __post_init__(self) -> None:
        if self.security not in {"tls", "starttls"}:
            raise ContractError(
                f"mail.security must be tls or starttls, got {self.security!r}"
            )
        if not 0 < self.port <= LAST_PORT:
            raise ContractError(f"mail.port must be 1 to 65535, got {self.port}")
        if self.largest_mb < 1:
            raise ContractError(
                f"mail.largest_mb must be at least 1, got {self.largest_mb}"
            )
        if self.sender and not _MAIL_ADDRESS.fullmatch(self.sender):
            raise ContractError(f"mail.sender {self.sender!r} is no mail address")

    @property
    def comes_from(self) -> str:
        """The address that mails come from."""
        return self.sender or f"rsmonitor@{self.host}"


@dataclass(frozen=True, slots=True, kw_only=True)
class NoticeSettings:
    """Who is told by mail that something needs a person, and from when on."""

    addresses: tuple[str, ...] = ()
    """Mail addresses; each gets a letter of its own, by the server of ``mail``."""

    stale_days: int = 21
    """Days since the newest scene of a district from which its feed is stale."""

    no_run_days: int = 9
    """Days since the end of the last week that was run from which a run is missing."""

    disk_free_gb: float = 5.0
    """Free space below which a disk is filling, gigabytes."""

    failures: int = 3
    """Failures in a row from which a job counts as failing."""

    waiting_hours: int = 12
    """Hours that mail may wait before somebody is told."""

    precision_below: float = 0.5
    """Share of the examined alerts that were right below which precision is said to
    have dropped; judged by the upper end of its 95 % interval. 0: never."""

    def __post_init__(self) -> None:
        for address in self.addresses:
            if not _MAIL_ADDRESS.fullmatch(address):
                raise ContractError(
                    f"notices.addresses: {address!r} is no mail address"
                )
        for name in ("stale_days", "no_run_days", "failures", "waiting_hours"):
            if not 1 <= getattr(self, name) <= _MOST:
                raise ContractError(
                    f"notices.{name} must be 1 to {_MOST}, got {getattr(self, name)}"
                )
        if not 0.0 <= self.disk_free_gb < math.inf:
            raise ContractError(
                "notices.disk_free_gb must be finite and not negative, got "
                f"{self.disk_free_gb}"
            )
        if not 0.0 <= self.precision_below <= 1.0:
            raise ContractError(
                "notices.precision_below must be from 0 to 1, got "
                f"{self.precision_below}"
            )


_MOST: Final = 3660
"""Ten years: what is longer was not meant."""
