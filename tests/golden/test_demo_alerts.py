"""What the demo says today is what it said when somebody last looked."""

import json
import re
from collections.abc import Callable

from demo_run import Demos, shared_demos  # noqa: F401


def test_the_alerts_of_the_demo_are_those_that_were_looked_at(
    demos: Demos, golden: Callable[[str, str], None]
) -> None:
    text = (demos.folder / "alerts.geojson").read_text(encoding="utf-8")
    assert json.loads(text)["features"]
    # a release that detects the same is no changed detection
    golden(
        "demo_alerts.geojson", re.sub(r'"rsmonitor [0-9][^"]*"', '"rsmonitor"', text)
    )
