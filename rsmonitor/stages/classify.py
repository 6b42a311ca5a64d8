"""Which cause a disturbance probably has.

No model has been trained yet, so a few rules speak, and say that they are rules: the
probabilities below are judgement, not frequencies, and nobody has calibrated them. At
10 m a small digging and a small felling look alike until the soil stays bare, which is
why 'unknown' keeps a large share everywhere.
"""

import math
from collections.abc import Mapping
from typing import Final

from rsmonitor.records.disturbance import Cause, Classified, Disturbance

MODEL_ID: Final = "rules-1"
"""Stands on every alert whose cause these rules named."""

BARE_NDVI: Final = 0.35
"""Below this little grows (NDVI of bare soil is about 0.1 to 0.3)."""

GREEN_NDVI: Final = 0.5
"""Above this the ground is still mostly green, as under a felled canopy."""

_BARE: Final[Mapping[Cause, float]] = {
    Cause.DIGGING: 0.40,
    Cause.CONSTRUCTION: 0.15,
    Cause.ROAD: 0.05,
    Cause.LANDSLIDE: 0.05,
    Cause.CLEAR_CUT: 0.10,
    Cause.UNKNOWN: 0.25,
}
_STILL_GREEN: Final[Mapping[Cause, float]] = {
    Cause.CLEAR_CUT: 0.40,
    Cause.ORCHARD: 0.05,
    Cause.DIGGING: 0.10,
    Cause.UNKNOWN: 0.45,
}
_BETWEEN: Final[Mapping[Cause, float]] = {
    Cause.DIGGING: 0.20,
    Cause.CLEAR_CUT: 0.25,
    Cause.LANDSLIDE: 0.05,
    Cause.FIRE: 0.05,
    Cause.UNKNOWN: 0.45,
}


def classify(disturbance: Disturbance) -> Classified:
    """
    Name the causes of one disturbance by rule.

    Parameters
    ----------
    disturbance : Disturbance
        With features; NDVI before and its change decide, and bare soil where there is
        SWIR.

    Returns
    -------
    Classified
        Probabilities of judgement, with `MODEL_ID`; all 'unknown' where NDVI was not
        measured.
    """
    before = disturbance.features.get("ndvi_before", math.nan)
    after = before + disturbance.features.get("ndvi_change", math.nan)
    cover = disturbance.features.get("nbsi_before", math.nan)
    cover += disturbance.features.get("nbsi_change", math.nan)
    causes: Mapping[Cause, float]
    if math.isnan(after):
        causes = {Cause.UNKNOWN: 1.0}
    elif after < BARE_NDVI and not cover > 0:
        causes = _BARE
    elif after >= GREEN_NDVI:
        causes = _STILL_GREEN
    else:
        causes = _BETWEEN
    return Classified(disturbance=disturbance, causes=causes, model_id=MODEL_ID)
