"""A real mail server on the loopback, with TLS, a login, a log, and scripted faults.

Faults are a list in a JSON file, read again at every command::

    [{"on": "RCPT", "do": "say", "say": "451 later", "to": "a@b.example", "times": 2}]

`on` is a command, ``TEXT`` (in the middle of the letter) or ``DOT`` (after all of it);
`do` is ``say``, ``drop``, ``hang``, ``drip``, ``lose`` (take the letter and hang up
before saying so), ``plain`` (no STARTTLS on offer) or ``inject`` (words in the clear
behind the answer to STARTTLS); `times` is how often, once by default, -1 for ever.
"""

import argparse
import asyncio
import email
import email.policy
import json
import os
import ssl
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from pathlib import Path
from typing import Any

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

TESTS = Path(__file__).parents[1]
USER = "kanarien-user"
PASSWORD = "kan4r1e-Passwort+/=9"  # noqa: S105 - to be looked for in logs


class Script:
    """Log, faults and letters of one server."""

    def __init__(self, folder: Path, security: str) -> None:
        self.log = folder / f"{security}.jsonl"
        self.faults = folder / f"{security}-faults.json"
        self.letters = folder / f"{security}-letters"
        self.letters.mkdir(exist_ok=True)
        self.used: dict[str, int] = {}

    def note(self, kind: str, **more: Any) -> None:  # noqa: ANN401
        with self.log.open("a") as file:
            file.write(json.dumps({"kind": kind, **more}) + "\n")

    def fault(self, on: str, to: str = "") -> dict[str, Any]:
        """Give the first fault that is due; one that does nothing if none is."""
        if self.faults.exists():
            written = self.faults.stat().st_mtime_ns
            for fault in json.loads(self.faults.read_text() or "[]"):
                key = f"{written} {json.dumps(fault, sort_keys=True)}"
                times = fault.get("times", 1)
                if (
                    fault["on"] == on
                    and fault.get("to", to) == to
                    and (times < 0 or self.used.get(key, 0) < times)
                ):
                    self.used[key] = self.used.get(key, 0) + 1
                    return dict(fault)
        return {"do": "nothing"}


class Server(SMTP):
    """One connection."""

    script: Script
    implicit = False

    async def meet(self, on: str, to: str = "") -> bool:
        """Do what a fault says; False if the command is to be answered after all."""
        fault = self.script.fault(on, to)
        match fault["do"]:
            case "say":
                await self.push(fault["say"])
            case "drop":
                self.transport.abort()
            case "hang":
                await asyncio.sleep(fault.get("seconds", 30))
                self.transport.abort()
            case "drip":
                for _ in range(int(fault.get("seconds", 30) / 0.05)):
                    self._writer.write(b"2")
                    await self._writer.drain()
                    await asyncio.sleep(0.05)
            case _:
                return False
        return True

    async def smtp_EHLO(self, hostname: str) -> None:  # noqa: N802 - its parent's name
        self.script.note("EHLO", name=hostname)
        if not await self.meet("EHLO"):
            await super().smtp_EHLO(hostname)

    async def smtp_STARTTLS(self, arg: str) -> None:  # noqa: N802 - its parent's name
        self.script.note("STARTTLS")
        fault = self.script.fault("STARTTLS")
        if fault["do"] == "say":
            await self.push(fault["say"])
            return
        if fault["do"] == "inject":
            self.script.note("injected")
            plain = self.push

            async def more(status: str) -> None:
                self.push = plain
                await plain(f"{status}\r\n{fault['say']}")

            self.push = more
        await super().smtp_STARTTLS(arg)

    async def smtp_AUTH(self, arg: str) -> None:  # noqa: N802 - its parent's name
        self.script.note("AUTH", mechanism=arg.partition(" ")[0], tls=self.encrypted)
        if not await self.meet("AUTH"):
            await super().smtp_AUTH(arg)

    async def smtp_MAIL(self, arg: str | None) -> None:  # noqa: N802 - its parent's name
        self.script.note("MAIL", arg=arg, tls=self.encrypted)
        if not await self.meet("MAIL"):
            await super().smtp_MAIL(arg)

    async def smtp_RCPT(self, arg: str | None) -> None:  # noqa: N802 - its parent's name
        to = (arg or "").partition("<")[2].partition(">")[0]
        self.script.note("RCPT", to=to)
        if not await self.meet("RCPT", to):
            await super().smtp_RCPT(arg)

    async def smtp_DATA(self, arg: str) -> None:  # noqa: N802 - its parent's name
        (to,) = self.envelope.rcpt_tos
        if await self.meet("DATA", to):
            return
        if self.script.fault("TEXT", to)["do"] == "drop":
            await self.push("354 go on")
            await self._reader.read(500)
            self.transport.abort()
            return
        await super().smtp_DATA(arg)

    async def smtp_QUIT(self, arg: str) -> None:  # noqa: N802 - its parent's name
        self.script.note("QUIT")
        await super().smtp_QUIT(arg)

    @property
    def encrypted(self) -> bool:
        return self.implicit or self._tls_protocol is not None


class Handler:
    """What is done with a letter."""

    def __init__(self, script: Script) -> None:
        self.script = script

    async def handle_EHLO(  # noqa: N802 - its parent's name
        self,
        server: Server,
        session: Session,
        envelope: Envelope,
        hostname: str,
        responses: list[str],
    ) -> list[str]:
        del envelope
        session.host_name = hostname
        fault = self.script.fault("OFFER")
        if fault["do"] == "plain":
            return [line for line in responses if "STARTTLS" not in line]
        if fault["do"] == "size" and server.encrypted:
            responses = [line for line in responses if "SIZE" not in line]
            responses.insert(1, f"250-SIZE {fault['size']}")
        return responses

    async def handle_DATA(  # noqa: N802 - its parent's name
        self, server: Server, session: Session, envelope: Envelope
    ) -> str:
        del session
        (to,) = envelope.rcpt_tos
        fault = self.script.fault("DOT", to)
        if fault["do"] == "say":
            return str(fault["say"])
        if fault["do"] == "drop":
            server.transport.abort()
            return "451 nobody hears this"
        content = bytes(envelope.original_content or b"")
        letter = email.message_from_bytes(content, policy=email.policy.default)
        name = f"{len(list(self.script.letters.iterdir())):05}.eml"
        (self.script.letters / name).write_bytes(content)
        self.script.note(
            "accepted",
            message_id=letter["Message-ID"],
            to=to,
            subject=letter["Subject"],
            repeat=letter["X-Rsmonitor-Repeat"],
            resent=letter["X-Rsmonitor-Resent"],
            tls=server.encrypted,
            file=name,
        )
        if fault["do"] == "lose":
            server.transport.abort()
        if fault["do"] == "lose-slowly":
            await asyncio.sleep(fault["seconds"])
        return "250 2.0.0 taken"


def authenticate(
    server: Server, session: Session, envelope: Envelope, mechanism: str, data: object
) -> AuthResult:
    del server, session, envelope, mechanism
    right = isinstance(data, LoginPassword) and (data.login, data.password) == (
        USER.encode(),
        PASSWORD.encode(),
    )
    return AuthResult(success=right, handled=False)


async def serve(folder: Path, security: str) -> None:
    script = Script(folder, security)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "server.pem", folder / "server.key")
    implicit = security == "tls"

    def connection() -> Server:
        server = Server(
            Handler(script),
            tls_context=None if implicit else context,
            require_starttls=not implicit,
            authenticator=authenticate,
            auth_require_tls=not implicit,
            hostname="mail.example",
            loop=asyncio.get_running_loop(),
        )
        server.script, server.implicit = script, implicit
        return server

    listening = await asyncio.get_running_loop().create_server(
        connection, "127.0.0.1", 0, ssl=context if implicit else None
    )
    print(listening.sockets[0].getsockname()[1], flush=True)  # noqa: T201
    await listening.serve_forever()


# ------------------------------------------------------------------- for who starts it


@dataclass(frozen=True, slots=True)
class Running:
    """A mail server that runs."""

    port: int
    security: str
    script: Script
    ca: Path
    other_ca: Path

    def faults(self, *faults: dict[str, Any]) -> None:
        """Let the next commands meet faults."""
        self.script.faults.write_text(json.dumps(faults))

    def forget(self) -> None:
        """Begin a new log, without faults."""
        self.faults()
        self.script.log.write_text("")

    def noted(self, *kinds: str) -> list[dict[str, Any]]:
        """Give what happened, in order."""
        if not self.script.log.exists():
            return []
        entries = map(json.loads, self.script.log.read_text().splitlines())
        return [one for one in entries if not kinds or one["kind"] in kinds]

    def letter(self, entry: dict[str, Any]) -> EmailMessage:
        """Read a letter that was accepted."""
        content = (self.script.letters / entry["file"]).read_bytes()
        found = email.message_from_bytes(content, policy=email.policy.default)
        assert isinstance(found, EmailMessage)
        return found


def make_certificates(folder: Path) -> None:
    """Make an authority, a certificate of the server's, and a stranger's authority."""
    for name in ("ca", "other"):
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
        authority = _signed(subject, subject, key, key, ca=True)
        (folder / f"{name}.pem").write_bytes(_pem(authority))
        if name == "ca":
            own = ec.generate_private_key(ec.SECP256R1())
            named = x509.Name(
                [x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")]
            )
            signed = _signed(named, subject, own, key, ca=False)
            (folder / "server.pem").write_bytes(_pem(signed))
            (folder / "server.key").write_bytes(
                own.private_bytes(
                    serialization.Encoding.PEM,
                    serialization.PrivateFormat.PKCS8,
                    serialization.NoEncryption(),
                )
            )


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)


def _signed(
    subject: x509.Name,
    issuer: x509.Name,
    key: ec.EllipticCurvePrivateKey,
    signing: ec.EllipticCurvePrivateKey,
    *,
    ca: bool,
) -> x509.Certificate:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=2))
        .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
        .add_extension(
            x509.SubjectAlternativeName([x509.DNSName("localhost")]),
            critical=False,
        )
        .sign(signing, hashes.SHA256())
    )


@contextmanager
def mail_server(folder: Path, security: str) -> Iterator[Running]:
    """Run a server of its own process for a while."""
    if not (folder / "server.pem").exists():
        make_certificates(folder)
    paths = os.pathsep.join([str(TESTS), str(TESTS.parent)])
    process = subprocess.Popen(  # noqa: S603 - our own program
        [sys.executable, "-m", "emulators.smtp_server", str(folder), security],
        env={**os.environ, "PYTHONPATH": paths},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout
        port = int(process.stdout.readline())
        yield Running(
            port,
            security,
            Script(folder, security),
            folder / "ca.pem",
            folder / "other.pem",
        )
    finally:
        process.kill()
        process.communicate()


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("security", choices=["tls", "starttls"])
    given = parser.parse_args()
    asyncio.run(serve(given.folder, given.security))
