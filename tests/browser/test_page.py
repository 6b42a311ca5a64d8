"""The page in a real browser: what it shows, asks, says and lets one do."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from browsed import (
    PHONE,
    Visit,
    chromium,
    hosts_asked,
    needs_chromium,
    started,
    visit,
)
from playwright.sync_api import Browser, Request, expect
from web_served import PASSWORD, Served, serve
from web_world import ANYUAN, WEEK, World, build, commit_of

from rsmonitor.records.account import Role
from rsmonitor.records.week import IsoWeek

pytestmark = needs_chromium

HOSTILE = '<img src=x onerror="window.taken=1">'
EVERYTHING = ("*",)
WEB = Path(__file__).parents[2] / "web"
TALL = 44
"""Pixels that a thumb needs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Office:
    world: World
    served: Served
    browser: Browser
    kept: dict[str, Any] = field(default_factory=dict)
    """Cookies of who logged in already, by name."""


@pytest.fixture(scope="module")
def office(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Office]:
    folder = tmp_path_factory.mktemp("office")
    world = build(folder / "world")
    _make_hostile(world)
    scopes = dict.fromkeys(Role, (EVERYTHING,)) | {
        Role.BUREAU: (("360734",), EVERYTHING)
    }
    with serve(world, scopes) as served, chromium(folder) as browser:
        yield Office(world=world, served=served, browser=browser)


def _make_hostile(world: World) -> None:
    """Let a district and a holder have names that are markup."""
    text = world.config.read_text(encoding="utf-8")
    named = text.replace('name_zh = "平远县"', f"name_zh = '{HOSTILE}平远县'")
    assert named != text
    world.config.write_text(named, encoding="utf-8")
    path = world.folder / "licences.geojson"
    licences = json.loads(path.read_text(encoding="utf-8"))
    for each in licences["features"]:
        each["properties"]["holder"] = HOSTILE
    path.write_text(json.dumps(licences), encoding="utf-8")


@pytest.fixture
def person(office: Office, request: pytest.FixtureRequest) -> Iterator[Visit]:
    """Give somebody who logged in, an analyst unless the test says who."""
    name = getattr(request, "param", "analyst-0")
    known = office.kept.get(name)
    with visit(office.browser, office.served.url, storage_state=known) as found:
        if known is None:
            found.log_in(name, PASSWORD)
            office.kept[name] = found.page.context.storage_state()
        else:
            found.open("/", ".item")
        yield found


def _is_ranked(office: Office, ids: list[str]) -> bool:
    ranks = {each.alert_id: each.rank for each in office.world.everything}
    return [ranks[each] for each in ids] == sorted(ranks[each] for each in ids)


def test_list_and_map_show_what_the_scope_holds_in_the_order_of_attention(
    office: Office,
) -> None:
    with visit(office.browser, office.served.url) as person:
        person.log_in("bureau-0", PASSWORD)
        seen = office.world.seen(["360734"])
        expect(person.page.locator("#count")).to_have_text(f"共 {len(seen)} 条")
        assert set(person.ids()) == seen
        assert _is_ranked(office, person.ids())
        expect(person.page.locator("#map")).to_have_attribute(
            "data-shown", str(len(seen))
        )
        # a bureau reads
        person.page.click(".item")
        expect(person.page.locator("#verdict")).to_contain_text("只能查看")
        assert person.page.locator(".verdict-form").count() == 0


def test_nothing_is_asked_outside_and_no_rule_is_broken(
    office: Office, tmp_path: Path
) -> None:
    log = tmp_path / "net.json"
    with (
        started(office.browser.browser_type, tmp_path, net_log=log) as browser,
        visit(browser, office.served.url) as person,
    ):
        page = person.page
        person.log_in("analyst-0", PASSWORD)
        page.click(".item")
        page.wait_for_selector(".trace li")
        page.wait_for_selector(".chart, #timeline .empty")
        for tab in ("weekly", "coverage", "alerts"):
            page.click(f"#tab-{tab}")
            page.wait_for_selector(".package, .item")
        page.wait_for_load_state("networkidle")
        assert len(person.asked) > 10
        assert person.outside == []
        assert person.broken == []
        assert person.said == []
    # the browser's own log, which knows more than its page
    assert hosts_asked(log, office.served.url) == {"127.0.0.1"}


def test_filters_and_search_narrow_list_and_map(person: Visit, office: Office) -> None:
    page = person.page
    page.click("#filter-toggle")
    page.select_option("#filter-tier", "low")
    low = {
        each.alert_id
        for each in office.world.everything
        if each.site.latest.disturbance.tier.name == "LOW"
    }
    assert set(person.ids()) == low
    expect(page.locator("#map")).to_have_attribute("data-shown", str(len(low)))
    page.click("text=清除筛选")
    one = office.world.everything[3].alert_id
    page.fill("#filter-text", one)
    expect(page.locator(".item")).to_have_count(1)
    assert person.ids() == [one]
    page.fill("#filter-text", "no such alert")
    expect(page.locator(".rest")).to_contain_text("没有符合条件的线索")
    links = page.locator(".list-files a")
    page.fill("#filter-text", one)
    expect(links.first).to_have_attribute("href", re.compile(f"q={one}$"))


def test_a_click_on_the_map_opens_the_alert_that_lies_there(person: Visit) -> None:
    page = person.page
    first = person.ids()[0]
    page.click(".item")
    page.click("text=在地图上查看")
    page.wait_for_timeout(600)  # the map flies
    page.click(".site .close")
    page.wait_for_selector("#site", state="hidden")
    page.wait_for_timeout(200)
    # the panel gave its room back, so the alert lies where its middle was
    box = page.locator("#map").bounding_box()
    assert box is not None
    page.mouse.click(box["x"] + (box["width"] - 440 - 32) / 2, box["y"] + 300)
    found = page.evaluate("location.pathname")
    if found == "/":
        middle = page.evaluate("""() => {
          const { x, y, width, height } =
            document.getElementById("map").getBoundingClientRect();
          return [x + width / 2, y + height / 2];
        }""")
        page.mouse.click(*middle)
    page.wait_for_url(f"**/sites/{first}")
    page.wait_for_selector(f'.item[data-id="{first}"][aria-current="true"]')


def test_the_keyboard_reaches_opens_and_closes(person: Visit) -> None:
    page = person.page
    second = person.ids()[1]
    page.keyboard.press("Tab")
    assert person.focused() == "skip"
    page.keyboard.press("Enter")
    assert person.focused() == "item"
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    page.wait_for_url(f"**/sites/{second}")
    page.wait_for_selector(".trace li")
    assert person.focused() == "site"
    page.keyboard.press("Escape")
    page.wait_for_url(re.compile(r"/$"))
    page.wait_for_selector("#site", state="hidden")
    assert page.evaluate("document.activeElement.dataset.id") == second
    page.keyboard.press("End")
    assert page.evaluate("document.activeElement.dataset.id") == person.ids()[-1]


def test_an_address_opens_its_alert_and_the_way_back_works(person: Visit) -> None:
    page = person.page
    one, other = person.ids()[3], person.ids()[5]
    person.open(f"/sites/{one}", ".trace li")
    expect(page.locator("#site")).to_contain_text(one)
    page.click(f'.item[data-id="{other}"]')
    page.wait_for_url(f"**/sites/{other}")
    person.open("/", ".item")
    page.click(f'.item[data-id="{one}"]')
    page.wait_for_selector(".trace li")
    page.go_back()
    page.wait_for_selector("#site", state="hidden")
    person.open("/sites/aaaaaaaaaaaaa", ".site .wrong")
    expect(page.locator(".site .wrong")).to_contain_text("没有这条线索")


def test_a_verdict_is_kept_and_shown_and_a_wrong_one_says_why(person: Visit) -> None:
    page = person.page
    page.click(".item >> nth=2")
    page.wait_for_selector(".verdict-form")
    page.click(".verdict-form button[type=submit]")
    expect(page.locator(".verdict-form .wrong")).to_contain_text("请先选择")
    page.check("input[value=pseudo_change]")
    page.click(".verdict-form button[type=submit]")
    expect(page.locator(".verdict-form .wrong")).to_contain_text("原因")
    # what is mining is no pseudo-change, and cannot be chosen
    assert page.locator("#verdict-reason option[value=digging]").is_disabled()
    page.select_option("#verdict-reason", "orchard")
    page.fill("#verdict-note", HOSTILE)
    page.click("#language")  # what was chosen outlives another language
    page.wait_for_selector("text=Give a verdict")
    assert page.locator("#verdict-reason").input_value() == "orchard"
    page.click(".verdict-form button[type=submit]")
    page.wait_for_selector(".findings li")
    expect(page.locator(".findings")).to_contain_text("pseudo-change")
    expect(page.locator(".findings .note")).to_have_text(HOSTILE)
    expect(page.locator("#verdict .done")).to_contain_text("stands in the ledger")
    assert page.evaluate("window.taken") is None


def test_a_newer_version_is_said_and_what_was_written_stays(
    person: Visit, office: Office
) -> None:
    page = person.page
    alerts = office.world.alerts[ANYUAN]
    one = alerts[0]
    person.open(f"/sites/{one.alert_id}", ".verdict-form")
    page.check("input[value=unlawful]")
    page.fill("#verdict-note", "新挖面")
    newer = [replace(one, version=one.version + 1), *alerts[1:]]
    later = IsoWeek(year=WEEK.year, week=WEEK.week + 1)
    office.world.ledger.commit(commit_of(ANYUAN, newer, week=later))
    office.served.service.shelf.settle()
    page.click(".verdict-form button[type=submit]")
    expect(page.locator(".verdict-form .wrong")).to_contain_text("已有新版本")
    page.get_by_role("button", name="重新读取").click()
    page.wait_for_selector(".verdict-form .wrong", state="detached")
    assert page.input_value("#verdict-note") == "新挖面"
    page.click(".verdict-form button[type=submit]")
    expect(page.locator(".findings")).to_contain_text("新挖面")


def test_a_place_of_special_use_goes_from_panel_list_and_map(person: Visit) -> None:
    page = person.page
    before = person.ids()
    page.click(f'.item[data-id="{before[-1]}"]')
    page.wait_for_selector(".verdict-form")
    page.check("input[value=special_use]")
    expect(page.locator(".verdict-form .warn")).to_contain_text("不再出现")
    page.click(".verdict-form button[type=submit]")
    expect(page.locator(".site .done")).to_contain_text("已记入台账")
    expect(page.locator(f'.item[data-id="{before[-1]}"]')).to_have_count(0)
    assert person.ids() == before[:-1]
    expect(page.locator("#map")).to_have_attribute("data-shown", str(len(before) - 1))
    assert page.locator(".site .trace").count() == 0


def test_names_that_are_markup_are_text(person: Visit) -> None:
    page = person.page
    page.fill("#filter-text", "平远")
    page.wait_for_selector(f".item >> text={HOSTILE}平远县")
    page.click(".item")
    page.wait_for_selector(".trace li")
    page.click("#tab-coverage")
    page.wait_for_selector(".package")
    assert page.locator("img[src=x]").count() == 0
    assert page.evaluate("window.taken") is None
    assert person.said == []


def test_the_language_is_kept(person: Visit) -> None:
    page = person.page
    expect(page.locator(".banner")).to_contain_text("许可证为虚构")
    page.click("#language")
    expect(page.locator("h1")).to_contain_text("Change clues")
    expect(page.locator(".banner")).to_contain_text("licences are invented")
    expect(page.locator(".foot")).to_contain_text("clues and not by themselves")
    assert page.evaluate("document.documentElement.lang") == "en"
    page.reload()
    page.wait_for_selector(".item")
    expect(page.locator("#tab-coverage")).to_have_text("Not observed")


def test_a_phone_scrolls_down_only_and_has_room_for_thumbs(office: Office) -> None:
    with visit(
        office.browser, office.served.url, PHONE, is_mobile=True, has_touch=True
    ) as person:
        page = person.page
        person.log_in("inspector-0", PASSWORD)
        _require_phone(person)
        page.tap(".item")
        page.wait_for_selector(".verdict-form")
        _require_phone(person)
        page.tap("text=放大地图")
        page.wait_for_selector("text=显示列表")
        _require_phone(person)
        page.tap("text=显示列表")
        page.tap(".site .back")
        page.wait_for_selector("#site", state="hidden")
        page.tap("#tab-weekly")
        page.wait_for_selector(".package")
        _require_phone(person)


def _require_phone(person: Visit) -> None:
    wide, small = person.page.evaluate(
        """(tall) => [
          document.documentElement.scrollWidth,
          [...document.querySelectorAll("button, select, input, summary, .button")]
            .filter((each) => each.checkVisibility({ visibilityProperty: true }))
            .filter((each) => !["radio", "checkbox", "range"].includes(each.type))
            .filter((each) => each.getBoundingClientRect().height < tall - 0.5)
            .map((each) => each.outerHTML.slice(0, 120)),
        ]""",
        TALL,
    )
    assert wide <= PHONE["width"]
    assert small == []


@pytest.mark.parametrize("person", ["administrator-0"], indirect=True)
def test_an_administrator_adds_changes_and_removes_an_account(person: Visit) -> None:
    page = person.page
    page.on("dialog", lambda dialog: dialog.accept())
    person.open("/accounts", ".accounts tbody tr")
    page.fill("#new-name", "zhang")
    page.select_option("#new-role", "inspector")
    page.fill("#new-areas", "360734，441426")
    page.click("text=生成")
    page.click("form button[type=submit]")
    line = page.locator(".accounts tr", has_text="zhang")
    expect(line).to_contain_text("360734, 441426")
    line.get_by_role("button", name="修改：zhang").click()
    page.select_option("#change-role", "analyst")
    page.click(".form-row button[type=submit]")
    expect(line).to_contain_text("分析员")
    line.get_by_role("button", name="重设密码：zhang").click()
    page.fill("#reset-password", "short")
    page.fill("#reset-password", "quite another password 7")
    page.click(".form-row button[type=submit]")
    expect(page.locator(".done")).to_contain_text("已重设 zhang")
    line.get_by_role("button", name="删除：zhang").click()
    expect(line).to_have_count(0)
    assert person.said == []
    assert person.broken == []


def test_a_token_of_ones_own_is_shown_once_and_revoked(
    person: Visit, office: Office
) -> None:
    page = person.page
    page.on("dialog", lambda dialog: dialog.accept())
    page.click(".menu-place > button")
    page.click("text=接口令牌")
    page.fill("#token-label", HOSTILE)
    page.click("dialog button[type=submit]")
    secret = page.locator(".secret").inner_text()
    assert office.served.ask("/api/collections", secret).status == 200
    page.locator(".tokens li", has_text=HOSTILE).get_by_role("button").click()
    expect(page.locator(".tokens li", has_text=HOSTILE)).to_contain_text("已吊销")
    assert office.served.ask("/api/collections", secret).status == 401
    page.keyboard.press("Escape")
    page.wait_for_selector("dialog", state="detached")


def test_a_wrong_password_says_so_and_the_right_one_leads_on(office: Office) -> None:
    with visit(office.browser, office.served.url) as person:
        page = person.page
        one = office.world.everything[0].alert_id
        person.open(f"/sites/{one}", "#password")
        page.fill("#name", "analyst-0")
        page.fill("#password", "not the password")
        page.click("button[type=submit]")
        expect(page.locator("[role=alert]")).to_contain_text("账号或密码不正确")
        page.fill("#name", "analyst-0")
        page.fill("#password", PASSWORD)
        page.click("#reveal")
        assert page.locator("#password").get_attribute("type") == "text"
        page.click("button[type=submit]")
        page.wait_for_url(f"**/sites/{one}")
        page.click(".menu-place > button")
        page.click("text=退出登录")
        page.wait_for_url("**/login")
        page.goto(office.served.url)
        page.wait_for_url("**/login")


def test_the_first_visit_is_small(office: Office) -> None:
    with visit(office.browser, office.served.url) as person:
        page = person.page
        answers: list[Request] = []

        def keep(request: Request) -> None:
            answers.append(request)

        page.on("requestfinished", keep)
        person.log_in("analyst-0", PASSWORD)
        page.wait_for_load_state("networkidle")
        sizes = [
            each.sizes()["responseBodySize"]
            for each in answers
            if each.resource_type != "image"
        ]
    assert len(sizes) > 8
    assert sum(sizes) < 350_000


def test_ones_own_password_is_changed_with_the_present_one(office: Office) -> None:
    with visit(office.browser, office.served.url) as person:
        page = person.page
        person.log_in("bureau-1", PASSWORD)
        page.click(".menu-place > button")
        page.click("text=修改密码")
        page.fill("#present", "not the present one")
        page.fill("#next", "another good password 3")
        page.fill("#again", "another good password 4")
        page.click("dialog button[type=submit]")
        expect(page.locator("dialog .wrong")).to_contain_text("不一致")
        page.fill("#again", "another good password 3")
        page.click("dialog button[type=submit]")
        expect(page.locator("dialog .wrong")).to_contain_text("present password")
        page.fill("#present", PASSWORD)
        page.click("dialog button[type=submit]")
        page.wait_for_url("**/login")
        person.log_in("bureau-1", "another good password 3")


def test_no_rule_of_accessibility_is_broken(office: Office) -> None:
    axe = WEB / "node_modules" / "axe-core" / "axe.min.js"
    if not axe.is_file():
        pytest.fail(f"{axe} is missing: run make web", pytrace=False)
    found: list[str] = []
    # the checker is put into the page, which the page's own rules forbid
    with visit(office.browser, office.served.url, bypass_csp=True) as person:
        page = person.page

        def check(where: str) -> None:
            page.add_script_tag(path=axe)
            faults = page.evaluate("axe.run().then((found) => found.violations)")
            found.extend(
                f"{where}: {each['id']} {[node['html'] for node in each['nodes']]}"
                for each in faults
            )

        person.open("/login", "#name")
        check("login")
        person.log_in("administrator-0", PASSWORD)
        check("list")
        page.click("#filter-toggle")
        page.click(".item")
        page.wait_for_selector(".verdict-form")
        page.check("input[value=special_use]")
        page.wait_for_load_state("networkidle")
        check("alert")
        page.click("#contrast")
        page.click("#tab-coverage")
        page.wait_for_selector(".package")
        check("high contrast")
        page.click(".menu-place > button")
        page.click("text=接口令牌")
        page.wait_for_selector("dialog")
        check("tokens")
        person.open("/accounts", ".accounts tbody tr")
        check("accounts")
    assert not found, "\n".join(found)
