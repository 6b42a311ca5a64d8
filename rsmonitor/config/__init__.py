"""TOML becomes frozen settings. Secrets never stand in a settings file."""

from rsmonitor.config.deliveries import (
    BasemapSettings,
    DeliverSettings,
    MailSettings,
    NoticeSettings,
    RecipientSettings,
)
from rsmonitor.config.reading import keys, read_districts, read_settings
from rsmonitor.config.sections import (
    DEFAULT_SERVICES,
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
from rsmonitor.config.settings import Settings
from rsmonitor.config.store import StoreSettings

__all__ = [
    "DEFAULT_SERVICES",
    "BasemapSettings",
    "BorderSettings",
    "CaseSettings",
    "ClassifySettings",
    "DaskSettings",
    "DeliverSettings",
    "LawSettings",
    "LicenceSettings",
    "MailSettings",
    "NoticeSettings",
    "RecipientSettings",
    "RunSettings",
    "ScheduleSettings",
    "Settings",
    "SourceSettings",
    "StoreSettings",
    "TerrainSettings",
    "keys",
    "read_districts",
    "read_settings",
]
