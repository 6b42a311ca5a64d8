"""Everything that a settings file says, and what of it can change a result."""

import hashlib
import os
from dataclasses import dataclass, field, fields, is_dataclass
from datetime import date
from pathlib import Path

from rsmonitor import ALGORITHM_VERSION
from rsmonitor.config.deliveries import (
    DeliverSettings,
    MailSettings,
    NoticeSettings,
)
from rsmonitor.config.sections import (
    BorderSettings,
    CaseSettings,
    ClassifySettings,
    DaskSettings,
    LawSettings,
    LicenceSettings,
    RunSettings,
    ScheduleSettings,
    SourceSettings,
    TerrainSettings,
)
from rsmonitor.config.store import StoreSettings
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

    classify: ClassifySettings = field(default_factory=ClassifySettings)
    """Causes."""

    store: StoreSettings = field(default_factory=StoreSettings)
    """Which database keeps the books; changes no result."""

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

    schedule: ScheduleSettings = field(default_factory=ScheduleSettings)
    """When what is done by itself; changes no result."""

    notices: NoticeSettings = field(default_factory=NoticeSettings)
    """Who is told what needs a person."""

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

    def digest_with(
        self, elevation_sha256: str | None, cause_sha256: str | None = None
    ) -> str:
        """
        Digest what can change a result, the content of elevation files included.

        Parameters
        ----------
        elevation_sha256 : str or None
            Digest of what stands in the files of `terrain.elevation`, as
            `rsmonitor.io.sources.elevation.Elevation.sha256` gives it; None without.
        cause_sha256 : str, optional
            Digest of the model that names causes, as
            `rsmonitor.wiring.causes.digest_of` gives it; None where the rules do.

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
        if cause_sha256 is not None:
            # by its content: a folder may hold another model tomorrow
            value["classify"] = {"sha256": cause_sha256}
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


def _plain(value: object) -> object:
    """Turn records into JSON values."""
    if is_dataclass(value) and not isinstance(value, type):
        return {f.name: _plain(getattr(value, f.name)) for f in fields(value)}
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    if isinstance(value, date):
        return value.isoformat()
    return value
