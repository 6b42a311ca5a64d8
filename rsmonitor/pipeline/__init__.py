"""The order of the stages; the only room that knows it."""

from rsmonitor.pipeline.job import BlockDoors, Doors, Job, Outcome, Refused
from rsmonitor.pipeline.run import run

__all__ = ["BlockDoors", "Doors", "Job", "Outcome", "Refused", "run"]
