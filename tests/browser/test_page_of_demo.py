"""The page with the demo: real imagery below the alerts, before, after and between."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from browsed import Visit, chromium, needs_chromium, served_demo, visit
from demo_run import Demos, shared_demos  # noqa: F401 - a fixture
from playwright.sync_api import expect
from web_served import PASSWORD

from rsmonitor.records.account import Role

pytestmark = needs_chromium


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    person: Visit
    ranked: list[str]


@pytest.fixture(scope="module")
def shown(demos: Demos, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shown]:
    folder = tmp_path_factory.mktemp("demo")
    alerts = json.loads((demos.folder / "alerts.geojson").read_text())
    ranked = sorted(alerts["features"], key=lambda each: each["properties"]["rank"])
    with (
        served_demo(demos.folder, folder, [Role.ANALYST]) as served,
        chromium(folder) as browser,
        visit(browser, served.url) as person,
    ):
        person.log_in("analyst-0", PASSWORD)
        yield Shown(person=person, ranked=[each["id"] for each in ranked])


def test_list_and_map_show_every_alert_over_real_imagery(shown: Shown) -> None:
    page = shown.person.page
    expect(page.locator("#count")).to_have_text(f"共 {len(shown.ranked)} 条")
    assert shown.person.ids() == shown.ranked
    expect(page.locator("#map")).to_have_attribute("data-shown", str(len(shown.ranked)))
    # the composite is drawn when it is first asked for
    with page.expect_response("**/api/backgrounds/demo-romania.png") as answer:
        page.wait_for_selector("text=/哨兵二号合成影像（20/")
    assert answer.value.status == 200
    page.wait_for_timeout(300)
    colours = page.evaluate("""() => {
      const canvas = document.querySelector("#map canvas");
      const { data } = canvas.getContext("2d").getImageData(
        0, 0, canvas.width, canvas.height);
      const seen = new Set();
      for (let at = 0; at < data.length; at += 4) {
        seen.add((data[at] << 16) | (data[at + 1] << 8) | data[at + 2]);
      }
      return seen.size;
    }""")
    assert colours > 1000  # outlines alone have a few dozen


def test_the_keyboard_moves_the_border_between_before_and_after(shown: Shown) -> None:
    page = shown.person.page
    page.click(".item")
    page.wait_for_selector(".compare img.after")
    # asked from outside: what waits within the page is eval, which its policy forbids
    for _ in range(300):
        if page.evaluate(
            "[...document.querySelectorAll('.compare img')]"
            ".every((each) => each.naturalWidth > 50)"
        ):
            break
        page.wait_for_timeout(100)
    else:
        pytest.fail("no image was drawn")
    slider = page.locator(".compare-slider")
    slider.focus()
    before = page.evaluate(
        "document.querySelector('.compare .border').getBoundingClientRect().x"
    )
    for _ in range(10):
        page.keyboard.press("ArrowRight")
    after = page.evaluate(
        "document.querySelector('.compare .border').getBoundingClientRect().x"
    )
    wide = page.locator(".compare").bounding_box()
    assert wide is not None
    assert after - before == pytest.approx(0.1 * wide["width"], abs=2)
    expect(slider).to_have_attribute("aria-valuetext", "60% 显示前期影像")
    page.keyboard.press("Home")
    expect(slider).to_have_attribute("aria-valuetext", "0% 显示前期影像")


def test_the_timeline_is_drawn_from_every_look(shown: Shown) -> None:
    page = shown.person.page
    looks = page.evaluate(
        "fetch(location.pathname.replace('/sites/', '/api/alerts/') + '/timeline')"
        ".then((answer) => answer.json())"
    )["looks"]
    seen = [each for each in looks if each["greenness"] is not None]
    assert len(seen) > 20
    expect(page.locator(".chart .green")).to_have_count(len(seen))
    page.click("text=数据表")
    expect(page.locator(".table-scroll tbody tr")).to_have_count(len(looks))


def test_files_of_an_alert_come_to_the_disk(shown: Shown) -> None:
    page = shown.person.page
    with page.expect_download() as gpx:
        page.click("#download a[href$='/gpx']")
    text = Path(gpx.value.path()).read_text(encoding="utf-8")
    assert "<wpt" in text
    assert shown.person.said == []
    assert shown.person.broken == []
    assert shown.person.outside == []
