"""Where the service listens, and what it needs to be reached by others."""

import errno
import ipaddress
import socket
import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from rsmonitor.errors import BusyError, SettingsError

LOOPBACK: Final = frozenset({"localhost", "127.0.0.1", "::1"})
"""Where nobody else on the network can listen."""

BACKLOG: Final = 512
"""Connections that wait to be taken."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Binding:
    """Where the service listens, and who stands before it."""

    host: str = "127.0.0.1"
    """Address of this machine; one that others reach needs TLS or a proxy."""

    port: int = 8000
    """Port; 0 takes a free one."""

    public_url: str = ""
    """What people type; made of host and port by default."""

    certificate: Path | None = None
    """Chain of certificates, PEM."""

    key: Path | None = None
    """Private key of it, PEM."""

    behind_proxy: bool = False
    """True where a proxy speaks TLS with browsers and passes requests on."""

    proxies: tuple[str, ...] = ("127.0.0.1",)
    """Addresses or networks of that proxy; nobody else is answered, or believed."""

    def __post_init__(self) -> None:
        if (self.certificate is None) != (self.key is None):
            raise SettingsError("--certificate and --key belong together")
        if self.certificate is not None and self.behind_proxy:
            raise SettingsError(
                "with --behind-proxy the proxy holds certificate and key"
            )
        if self.host not in LOOPBACK and not (self.certificate or self.behind_proxy):
            raise SettingsError(
                f"--host {self.host} can be reached by others, who could read "
                "passwords: give --certificate and --key, or put a proxy with TLS "
                "before it and say --behind-proxy"
            )
        if not self.public_url and (
            self.behind_proxy or self.host in ("0.0.0.0", "::")  # noqa: S104 - compared
        ):
            raise SettingsError(
                "say what people type: --public-url https://..., for other host names "
                "are not answered"
            )
        if self.public_url:
            self._check_public_url()
        for proxy in self.proxies:
            try:
                ipaddress.ip_network(proxy, strict=False)
            except ValueError as error:
                raise SettingsError(
                    f"--proxy is an address or a network, got {proxy!r}"
                ) from error

    def _check_public_url(self) -> None:
        """Refuse an address that does not fit to how browsers are answered."""
        try:
            url = urlsplit(self.public_url)
            known = url.hostname and url.port != 0
        except ValueError:
            known, url = False, urlsplit("")
        if not known or url.path.strip("/") or url.query or url.fragment:
            raise SettingsError(
                f"--public-url is such as https://alerts.example, got "
                f"{self.public_url!r}"
            )
        safe = self.certificate is not None or self.behind_proxy
        if url.scheme != ("https" if safe else "http"):
            raise SettingsError(
                f"--public-url begins with {'https' if safe else 'http'}:// here, got "
                f"{self.public_url!r}"
            )

    @property
    def scheme(self) -> str:
        """What is spoken on the port itself."""
        return "http" if self.certificate is None else "https"

    def url(self, port: int) -> str:
        """
        Say where the service is.

        Parameters
        ----------
        port : int
            The port that it got.

        Returns
        -------
        str
            `public_url`, or one made of host and port.
        """
        if self.public_url:
            return self.public_url.rstrip("/")
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}:{port}"


def listen(binding: Binding) -> socket.socket:
    """
    Take the port, so that it is known to be free before anything else is done.

    Parameters
    ----------
    binding : Binding
        Where.

    Returns
    -------
    socket
        Listening; whoever serves closes it.

    Raises
    ------
    BusyError
        If another program has the port.
    SettingsError
        If there is no such address on this machine, or the port needs rights.
    """
    family = socket.AF_INET6 if ":" in binding.host else socket.AF_INET
    try:
        return socket.create_server(
            (binding.host, binding.port), family=family, backlog=BACKLOG
        )
    except OverflowError as error:
        raise SettingsError(f"--port is from 0 to 65535, got {binding.port}") from error
    except OSError as error:
        where = f"{binding.host} port {binding.port}"
        if isinstance(error, PermissionError):
            raise SettingsError(
                f"{where} may not be taken: {error.strerror}; choose a port over 1023 "
                "and put a proxy before it"
            ) from error
        if isinstance(error, socket.gaierror) or error.errno != errno.EADDRINUSE:
            raise SettingsError(
                f"{where} cannot be listened to: {error.strerror}; --host is an "
                "address of this machine"
            ) from error
        raise BusyError(
            f"{where} is taken by another program; end it or choose another --port"
        ) from error


def check_certificate(binding: Binding) -> None:
    """
    Refuse a certificate that cannot be used, in words.

    Parameters
    ----------
    binding : Binding
        Where the service listens.

    Raises
    ------
    SettingsError
        If certificate or key cannot be used.
    """
    if binding.certificate is None or binding.key is None:
        return
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        context.load_cert_chain(binding.certificate, binding.key, lambda: "")
    except (OSError, ssl.SSLError) as error:
        raise SettingsError(
            f"{binding.certificate} and {binding.key} cannot be used: {error}; both "
            "are PEM, the key belongs to the certificate and has no password"
        ) from error
