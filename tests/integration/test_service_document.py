"""The proxies of docs/service.md, run as they stand there before a real service."""

import re
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import requests
from certificates import certificate_in
from served import (
    PASSWORDS,
    Browser,
    TurnedClock,
    accounts_in,
    running,
    service_of,
    with_people,
)

from rsmonitor.web.binding import Binding, listen

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "service.md").read_text(encoding="utf-8")


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port: int = taken.getsockname()[1]
    return port


def block(kind: str) -> str:
    """Give the code of a kind that stands in the document."""
    (found,) = re.findall(rf"```{kind}\n(.*?)```", PAGE, flags=re.DOTALL)
    return str(found)


def nginx_of(folder: Path, port: int, inner: int) -> list[str | Path]:
    """Write the configuration of nginx, with ports and folders of this test."""
    text = block("nginx")
    for before, after in (
        ("listen 443 ssl", f"listen 127.0.0.1:{port} ssl"),
        ("/etc/nginx/", f"{folder}/"),
        ("/var/log/nginx/", f"{folder}/"),
        ("127.0.0.1:8000", f"127.0.0.1:{inner}"),
    ):
        assert before in text
        text = text.replace(before, after)
    places = "".join(
        f"{kind}_temp_path {folder}/{kind};\n"
        for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    path = folder / "nginx.conf"
    path.write_text(
        f"daemon off;\nmaster_process off;\npid {folder}/pid;\n"
        f"error_log {folder}/error.log;\nevents {{}}\nhttp {{\n{places}{text}}}\n"
    )
    program = shutil.which("nginx") or "nginx"
    return [program, "-e", folder / "error.log", "-c", path]


def caddy_of(folder: Path, port: int, inner: int) -> list[str | Path]:
    """Write the configuration of Caddy, with ports and a certificate of this test."""
    text = block("caddy")
    named = f"https://alerts.example:{port} {{\n    tls {folder}/chain.pem"
    for before, after in (
        ("alerts.example {", f"{named} {folder}/key.pem"),
        ("127.0.0.1:8000", f"127.0.0.1:{inner}"),
    ):
        assert before in text
        text = text.replace(before, after)
    path = folder / "Caddyfile"
    path.write_text(f"{{\n    admin off\n    auto_https disable_redirects\n}}\n{text}")
    program = shutil.which("caddy") or "caddy"
    return [program, "run", "--config", path, "--adapter", "caddyfile"]


@contextmanager
def kept_running(command: list[str | Path], folder: Path, port: int) -> Iterator[None]:
    """Run a proxy until the end."""
    with (
        (folder / "said").open("w") as said,
        subprocess.Popen(  # noqa: S603 - the proxy of the document
            command,
            stdout=said,
            stderr=said,
            env={"HOME": str(folder), "XDG_DATA_HOME": str(folder)},
        ) as process,
    ):
        try:
            for _ in range(200):
                assert process.poll() is None, (folder / "said").read_text()
                try:
                    socket.create_connection(("127.0.0.1", port), 1).close()
                    break
                except OSError:
                    time.sleep(0.05)
            yield
        finally:
            process.terminate()
            process.wait(10)


class Through(requests.adapters.HTTPAdapter):
    """Asks a proxy on loopback by the name that it has for others."""

    def cert_verify(self, conn: object, url: str, verify: object, cert: object) -> None:
        super().cert_verify(conn, url, verify, cert)
        conn.assert_hostname = "alerts.example"  # type: ignore[attr-defined]

    def init_poolmanager(self, *args: object, **kwargs: object) -> None:
        kwargs["server_hostname"] = "alerts.example"
        super().init_poolmanager(*args, **kwargs)


def is_too_large(browser: Browser, size: int) -> bool:
    """Say whether a body is refused; some hang up while it is still being sent."""
    try:
        answer = browser.ask("/api/uploads/tips", "POST", data=b"x" * size)
    except requests.ConnectionError:
        return True
    return answer.status_code == 413


@pytest.mark.parametrize(
    "proxy",
    [
        pytest.param(nginx_of, marks=pytest.mark.needs_program("nginx", "nginx")),
        pytest.param(caddy_of, marks=pytest.mark.needs_program("caddy", "caddy")),
    ],
    ids=["nginx", "caddy"],
)
def test_the_proxies_of_the_document_pass_logins_and_addresses_on(
    tmp_path: Path, proxy: object
) -> None:
    assert callable(proxy)
    chain, _ = certificate_in(tmp_path, "alerts.example")
    accounts = with_people(accounts_in(tmp_path, TurnedClock()))
    port = free_port()
    binding = Binding(
        port=0, behind_proxy=True, public_url=f"https://alerts.example:{port}"
    )
    with listen(binding) as taken:
        service = service_of(tmp_path, accounts, binding, taken)
        command = proxy(tmp_path, port, taken.getsockname()[1])
        with (
            running(service, binding, taken),
            kept_running(command, tmp_path, port),
            Browser(f"https://127.0.0.1:{port}") as browser,
        ):
            browser.http.mount("https://", Through())
            browser.http.verify = str(chain)
            browser.http.headers["Host"] = f"alerts.example:{port}"
            # what a client invents does not arrive
            browser.http.headers["X-Forwarded-For"] = "203.0.113.66"
            answer = browser.log_in("li", PASSWORDS["li"])
            assert answer.status_code == 303, answer.text
            assert "__Host-rsmonitor=" in answer.headers["Set-Cookie"]
            assert browser.ask("/api/session").json()["name"] == "li"
            assert browser.ask("/login", "POST", data=b"x" * 900_000).status_code == 403
            entries = accounts.log.entries()
            assert {each.address for each in entries} == {"127.0.0.1"}
            assert is_too_large(browser, 35_000_000)
    if proxy is nginx_of:
        logged = (tmp_path / "rsmonitor.log").read_text()
        assert "POST 303" in logged
        assert "/api" not in logged
