"""Walk a bureau, an analyst, an inspector and an administrator through their week.

    PYTHONPATH=.:tests python tests/browser/walk.py demo-out walk

The first is the folder of a finished demo, the second where screenshots go. The demo is
copied first: verdicts of this walk stay out of its ledger.
"""

import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from browsed import PHONE, Visit, chromium, served_demo, visit
from playwright.sync_api import Browser
from web_served import PASSWORD

QUIET_MS = 700
"""After that the map has drawn."""


class Walk:
    """One service, one browser, one folder of pictures."""

    def __init__(self, browser: Browser, url: str, folder: Path) -> None:
        self._browser = browser
        self._url = url
        self._folder = folder
        self._count = 0

    def as_(
        self, name: str, steps: Callable[[Visit, Callable[[str], None]], None]
    ) -> None:
        """Take the steps of somebody at a desk, and again with a phone."""
        phone = {"is_mobile": True, "has_touch": True, "device_scale_factor": 2}
        for size, viewport, more in (
            ("wide", {"width": 1440, "height": 900}, {}),
            ("phone", PHONE, phone),
        ):
            with visit(self._browser, self._url, viewport, **more) as person:

                def shot(what: str, person: Visit = person, size: str = size) -> None:
                    person.page.wait_for_load_state("networkidle")
                    person.page.wait_for_timeout(QUIET_MS)
                    self._count += 1
                    file = f"{self._count:02d}-{name}-{what}-{size}.png"
                    person.page.screenshot(path=self._folder / file)

                person.open("/login", "#name")
                shot("door")
                person.log_in(f"{name}-0", PASSWORD)
                steps(person, shot)
                for fault in person.said + person.broken + person.outside:
                    print(f"{name} {size}: {fault}")  # noqa: T201 - a script


def _bureau(person: Visit, shot: Callable[[str], None]) -> None:
    page = person.page
    shot("list")
    page.click("#tab-weekly")
    page.wait_for_selector(".package, .pane .empty >> nth=0")
    shot("weekly")
    page.click("#tab-coverage")
    page.wait_for_selector(".package")
    shot("not-observed")
    page.click("#tab-alerts")
    page.click(".item >> nth=1")
    page.wait_for_selector(".chart")
    shot("alert")
    _to(person, "verdict")
    shot("verdict")


def _analyst(person: Visit, shot: Callable[[str], None]) -> None:
    page = person.page
    page.click("#filter-toggle")
    page.select_option("#filter-category", "beyond_boundary")
    shot("filtered")
    page.click("text=清除筛选")
    page.click("#filter-toggle")
    page.click(".item >> nth=2")
    page.wait_for_selector(".chart")
    shot("alert")
    for part in ("why", "timeline", "places"):
        _to(person, part)
        shot(part)
    _to(person, "verdict")
    page.check("input[value=pseudo_change]")
    shot("verdict")
    page.click(".verdict-form button[type=submit]")
    shot("verdict-wrong")
    page.select_option("#verdict-reason", "clear_cut")
    page.fill("#verdict-note", "林班采伐，伐桩可见。")
    page.click(".verdict-form button[type=submit]")
    page.wait_for_selector("#verdict .done")
    shot("verdict-kept")
    page.click("#language")
    shot("english")


def _inspector(person: Visit, shot: Callable[[str], None]) -> None:
    page = person.page
    page.click("#contrast")
    shot("contrast")
    page.click(".item >> nth=4")
    page.wait_for_selector(".chart")
    page.click("text=在地图上查看")
    shot("alert")
    _to(person, "places")
    shot("places")
    _to(person, "download")
    shot("downloads")


def _administrator(person: Visit, shot: Callable[[str], None]) -> None:
    page = person.page
    page.click(".menu-place > button")
    shot("menu")
    page.click("text=接口令牌")
    page.fill("#token-label", "QGIS")
    page.click("dialog button[type=submit]")
    page.wait_for_selector(".secret")
    shot("token")
    person.open("/accounts", ".accounts tbody tr")
    page.get_by_role("button", name="修改：bureau-0").click()
    shot("accounts")


def _to(person: Visit, part: str) -> None:
    """Go to a part of an alert, as its link does."""
    person.page.click(f'.jumps a[href="#{part}"]')


def main(demo: Path, folder: Path) -> None:
    """Walk."""
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as name:
        scratch = Path(name)
        with (
            served_demo(demo, scratch) as served,
            chromium(scratch) as browser,
        ):
            walk = Walk(browser, served.url, folder)
            walk.as_("bureau", _bureau)
            walk.as_("analyst", _analyst)
            walk.as_("inspector", _inspector)
            walk.as_("administrator", _administrator)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
