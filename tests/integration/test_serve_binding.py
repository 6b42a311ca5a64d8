"""Where the web service listens: TLS, proxies, and what is refused."""

import logging
import re
import socket
import ssl
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import requests
from certificates import certificate_in
from served import (
    PASSWORDS,
    PROXIED,
    Browser,
    TurnedClock,
    accounts_in,
    served,
    with_people,
)

from rsmonitor.errors import BusyError, SettingsError
from rsmonitor.web.binding import Binding, listen
from rsmonitor.web.security import GuardRules
from rsmonitor.wiring.accounts import Accounts


@pytest.fixture(scope="module")
def accounts(tmp_path_factory: pytest.TempPathFactory) -> Accounts:
    return with_people(accounts_in(tmp_path_factory.mktemp("accounts"), TurnedClock()))


def test_with_tls_the_cookie_is_bound_to_this_host(
    tmp_path: Path, accounts: Accounts, certificate: tuple[Path, Path]
) -> None:
    binding = Binding(port=0, certificate=certificate[0], key=certificate[1])
    with served(tmp_path, accounts, binding=binding) as url, Browser(url) as browser:
        browser.http.verify = str(certificate[0])
        answer = browser.log_in("li", PASSWORDS["li"])
        assert answer.status_code == 303
        cookies = answer.raw.headers.getlist("Set-Cookie")
        (kept,) = [each for each in cookies if each.startswith("__Host-rsmonitor=")]
        assert kept.endswith("; Path=/; SameSite=strict; Secure")
        assert "HttpOnly" in kept
        assert answer.headers["Strict-Transport-Security"] == "max-age=31536000"
        assert browser.ask("/api/session").json()["name"] == "li"
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        with pytest.warns(DeprecationWarning, match="TLSv1_1"):
            context.maximum_version = ssl.TLSVersion.TLSv1_1
        host, port = url.removeprefix("https://").split(":")
        with (
            pytest.raises(OSError, match=r"(?i)ssl|tls|reset|version|protocol"),
            socket.create_connection((host, int(port)), timeout=10) as plain,
            context.wrap_socket(plain),
        ):
            pass


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return certificate_in(tmp_path_factory.mktemp("certificate"))


# -------------------------------------------------------------------- behind a proxy


def test_only_the_proxy_is_believed_and_only_it_is_answered(
    tmp_path: Path, accounts: Accounts
) -> None:
    public = {"Host": "alerts.example"}
    believed = Binding(port=0, behind_proxy=True, public_url="https://alerts.example/")
    with served(tmp_path / "a", accounts, binding=believed) as url:
        page = requests.get(f"{url}/login", headers=public, timeout=30)
        assert page.status_code == 200
        assert "__Host-rsmonitor-login" in page.headers["Set-Cookie"]
        assert "Secure" in page.headers["Set-Cookie"]
        assert page.headers["Strict-Transport-Security"]
    strange = replace(believed, proxies=("192.0.2.1",))
    with served(tmp_path / "b", accounts, binding=strange) as url:
        assert requests.get(f"{url}/login", headers=public, timeout=30).status_code == (
            403
        )
        assert requests.get(f"{url}/healthz", timeout=30).status_code == 200


def test_an_address_that_a_client_invents_is_not_believed(
    tmp_path: Path, accounts: Accounts, caplog: pytest.LogCaptureFixture
) -> None:
    def came_from(rules: GuardRules, said: str) -> str:
        caplog.clear()
        with served(tmp_path, accounts, rules=rules) as url:
            requests.get(
                f"{url}/healthz", headers={"X-Forwarded-For": said}, timeout=30
            )
        (line,) = [each for each in caplog.records if each.message == "request"]
        values: dict[str, Any] = line.rsmonitor_values  # type: ignore[attr-defined]
        return str(values["address"])

    with caplog.at_level(logging.INFO, "rsmonitor.web.security"):
        assert came_from(GuardRules(), "203.0.113.9") == "127.0.0.1"
        assert came_from(PROXIED, "203.0.113.9") == "203.0.113.9"
        assert came_from(PROXIED, "192.0.2.66, 203.0.113.9") == "203.0.113.9"
        assert came_from(PROXIED, "203.0.113.9, 127.0.0.1") == "203.0.113.9"
        assert came_from(PROXIED, "203.0.113.9, rubbish") == "127.0.0.1"


# --------------------------------------------------------------------------- binding


@pytest.mark.parametrize(
    ("said", "rule"),
    [
        ({"host": "0.0.0.0"}, "could read passwords"),  # noqa: S104 - refused
        ({"host": "192.0.2.1"}, "could read passwords"),
        ({"certificate": Path("a")}, "belong together"),
        ({"key": Path("a")}, "belong together"),
        ({"behind_proxy": True}, "--public-url"),
        ({"behind_proxy": True, "public_url": "http://a.example"}, "https://"),
        ({"public_url": "https://a.example"}, "http://"),
        ({"public_url": "a.example"}, "--public-url"),
        ({"public_url": "http://a.example/path"}, "--public-url"),
        ({"public_url": "http://[a"}, "--public-url"),
        (
            {"host": "::", "certificate": Path("a"), "key": Path("b")},
            "--public-url",
        ),
        (
            {
                "behind_proxy": True,
                "public_url": "https://a.example",
                "proxies": ("proxy.example",),
            },
            "address or a network",
        ),
        (
            {
                "behind_proxy": True,
                "public_url": "https://a.example",
                "certificate": Path("a"),
                "key": Path("b"),
            },
            "the proxy holds",
        ),
    ],
)
def test_a_binding_that_others_could_listen_to_is_refused(
    said: dict[str, Any], rule: str
) -> None:
    with pytest.raises(SettingsError, match=re.escape(rule)):
        Binding(**said)


def test_a_port_that_is_taken_and_an_address_of_another_machine_are_named() -> None:
    with listen(Binding(port=0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(BusyError, match=f"port {port} is taken"):
            listen(Binding(port=port))
    with pytest.raises(SettingsError, match="0 to 65535"):
        listen(Binding(port=70_000))
    away = Binding(
        host="192.0.2.1", port=0, behind_proxy=True, public_url="https://a.example"
    )
    with pytest.raises(SettingsError, match="address of this machine"):
        listen(away)


def test_a_certificate_that_cannot_be_used_is_named(
    tmp_path: Path, accounts: Accounts
) -> None:
    (tmp_path / "a.pem").write_text("no certificate")
    binding = Binding(port=0, certificate=tmp_path / "a.pem", key=tmp_path / "a.pem")
    with (
        pytest.raises(SettingsError, match=r"a\.pem"),
        served(tmp_path, accounts, binding=binding),
    ):
        pass
