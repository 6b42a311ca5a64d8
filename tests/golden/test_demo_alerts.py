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
    # a release or a new key that detects the same is no changed detection
    text = re.sub(r'"rsmonitor [0-9][^"]*"', '"rsmonitor"', text)
    text = re.sub(r'"settings_digest":"[0-9a-f]{64}"', '"settings_digest":""', text)
    golden("demo_alerts.geojson", text)
