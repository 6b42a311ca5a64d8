"""The only room that builds pipeline and io together."""

from rsmonitor.wiring.office import Office, open_office
from rsmonitor.wiring.once import cube_settings, detect_once
from rsmonitor.wiring.replay import Replay, demo_settings, replay
from rsmonitor.wiring.sources import open_source
from rsmonitor.wiring.weeks import last_whole_week, weeks_between

__all__ = [
    "Office",
    "Replay",
    "cube_settings",
    "demo_settings",
    "detect_once",
    "last_whole_week",
    "open_office",
    "open_source",
    "replay",
    "weeks_between",
]
