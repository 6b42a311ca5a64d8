"""Find suspected illegal digging in ionic rare-earth districts with Sentinel-2.

Importing this package imports nothing heavy; each room imports what it needs.
"""

__version__ = "0.1.0"

ALGORITHM_VERSION = "3"
"""Part of a run's identity: raised when the same input gives other alerts."""
