"""Real Chromium in front of a real service: what a page asked for, said and broke."""

import importlib.metadata
import json
import os
import shutil
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, BrowserType, Page, sync_playwright
from web_served import Served, serve
from web_world import World

from rsmonitor.io.stores.ledger import SqliteLedger
from rsmonitor.records.account import Role
from rsmonitor.web.assets import STATIC, read_assets

needs_chromium = pytest.mark.needs_program("chromium", "chromium")

CONFIGS = Path(__file__).parents[1] / "configs"

WIDE = {"width": 1440, "height": 900}
PHONE = {"width": 390, "height": 844}
PATIENCE_MS = 20_000

NOWHERE = "MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"
"""Chromium asks its maker for updates and the like; in a test it reaches nobody."""

_FONTS = """<?xml version="1.0"?>
<!DOCTYPE fontconfig SYSTEM "fonts.dtd">
<fontconfig>
<include ignore_missing="yes">/etc/fonts/fonts.conf</include>
<dir>{fonts}</dir>
<cachedir>{cache}</cachedir>
</fontconfig>
"""

_WATCH = """
window.broken = [];
document.addEventListener("securitypolicyviolation", (event) => {
  window.broken.push(`${event.violatedDirective} ${event.blockedURI}`);
});
"""


@contextmanager
def chromium(folder: Path) -> Iterator[Browser]:
    """Start the system's Chromium; one at a time drives it in a process."""
    if read_assets() is None:
        pytest.fail(f"{STATIC} is empty: run make web", pytrace=False)
    with (
        sync_playwright() as playwright,
        started(playwright.chromium, folder) as browser,
    ):
        yield browser


@contextmanager
def started(
    kind: BrowserType, folder: Path, *, net_log: Path | None = None
) -> Iterator[Browser]:
    """Start a browser with a typeface that has Chinese."""
    more = [] if net_log is None else [f"--log-net-log={net_log}"]
    browser = kind.launch(
        executable_path=shutil.which("chromium"),
        args=["--disable-gpu", f"--host-resolver-rules={NOWHERE}", *more],
        chromium_sandbox=False,  # a container runs as root
        env={**os.environ, "FONTCONFIG_FILE": str(_fonts(folder))},
    )
    try:
        yield browser
    finally:
        browser.close()


def _fonts(folder: Path) -> Path:
    """Write settings that know the typeface of our own pictures."""
    wheel = importlib.metadata.distribution("noto-cjk-sans-otc")
    file = next(each for each in wheel.files or () if each.suffix == ".ttc")
    path = folder / "fonts.conf"
    fonts = Path(str(wheel.locate_file(file))).parent
    path.write_text(
        _FONTS.format(fonts=fonts, cache=folder / "fonts"), encoding="utf-8"
    )
    return path


@dataclass(frozen=True, slots=True, kw_only=True)
class Visit:
    """One person's browser, and all that happened in it."""

    page: Page
    url: str
    asked: list[str] = field(default_factory=list)
    """Every address."""
    said: list[str] = field(default_factory=list)
    """Errors and warnings of the console, and of scripts."""

    def log_in(self, name: str, password: str, then: str = ".item, .empty") -> None:
        self.page.goto(f"{self.url}/login")
        self.page.fill("#name", name)
        self.page.fill("#password", password)
        self.page.click("button[type=submit]")
        self.page.wait_for_selector(then)

    def open(self, path: str, then: str) -> None:
        self.page.goto(self.url + path)
        self.page.wait_for_selector(then)

    @property
    def outside(self) -> list[str]:
        """What was asked of anybody else."""
        ours = urlsplit(self.url).netloc
        return [
            each
            for each in self.asked
            if urlsplit(each).scheme not in {"data", "blob"}
            and urlsplit(each).netloc != ours
        ]

    @property
    def broken(self) -> list[str]:
        """Rules of the content security policy that were broken on this page."""
        found: list[str] = self.page.evaluate("window.broken")
        return found

    def ids(self) -> list[str]:
        """Give the alerts of the list, in its order."""
        found: list[str] = self.page.eval_on_selector_all(
            ".item", "items => items.map((each) => each.dataset.id)"
        )
        return found

    def focused(self) -> str:
        """Give the class or id of what has the focus."""
        found: str = self.page.evaluate(
            "document.activeElement.id || document.activeElement.className"
        )
        return found


@contextmanager
def served_demo(
    demo: Path, scratch: Path, roles: Iterable[Role] = tuple(Role)
) -> Iterator[Served]:
    """Serve a copy of a finished demo, to one account of each role."""
    out, configs = scratch / "demo-out", scratch / "configs"
    shutil.copytree(
        demo,
        out,
        symlinks=True,
        ignore=lambda folder, _: {"web"} if Path(folder).name == "work" else set(),
    )
    configs.mkdir()
    for name in ("demo.toml", "demo_licences.geojson"):
        shutil.copy(CONFIGS / name, configs / name)
    world = World(
        config=configs / "demo.toml",
        ledger=SqliteLedger(
            out / "work" / "ledger.sqlite", locks=out / "work" / "locks"
        ),
        alerts={},
    )
    with serve(world, dict.fromkeys(roles, (("*",),))) as found:
        yield found


@contextmanager
def visit(
    browser: Browser,
    url: str,
    viewport: Mapping[str, int] = WIDE,
    **options: Any,  # noqa: ANN401 - as the browser takes them
) -> Iterator[Visit]:
    """Open a browser window that remembers nothing of others."""
    context = browser.new_context(viewport=dict(viewport), locale="zh-CN", **options)
    try:
        context.set_default_timeout(PATIENCE_MS)
        context.add_init_script(_WATCH)
        page = context.new_page()
        found = Visit(page=page, url=url)
        page.on("request", lambda request: found.asked.append(request.url))
        page.on(
            "console",
            lambda message: (
                found.said.append(f"{message.type}: {message.text}")
                if message.type in {"error", "warning"}
                else None
            ),
        )
        page.on("pageerror", lambda error: found.said.append(f"script: {error}"))
        yield found
    finally:
        context.close()


def hosts_asked(net_log: Path, url: str) -> set[str]:
    """Give the hosts that pages of a service asked, from the browser's log of the net.

    The log also holds what the browser does for itself; what a page is behind names the
    page's origin.
    """
    found = set()
    for event in json.loads(net_log.read_text(encoding="utf-8"))["events"]:
        said = event.get("params") or {}
        if str(said.get("initiator", "")).rstrip("/") == url:
            found.add(str(urlsplit(said["url"]).hostname))
    return found
