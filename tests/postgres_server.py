"""A PostgreSQL server of the tests' own: in a temporary folder, on a Unix socket."""

import contextlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest

from rsmonitor.io.stores.postgres.connection import Address

PACKAGE = "postgresql-postgis"
NEEDS = "program postgresql missing: Debian package " + PACKAGE
"""Same words as `conftest.NEEDS_PROGRAM`: the end of a run counts them."""

_SETTINGS = {
    "listen_addresses": "''",
    "fsync": "off",  # the machine may die, the tests do not care
    "full_page_writes": "off",
    "max_connections": "40",
    "shared_buffers": "32MB",
    "max_wal_senders": "0",
    "wal_level": "minimal",
}
_NUMBERS = count()
_EACH_TRIGGER = """DO $$ DECLARE t record; BEGIN
    FOR t IN SELECT tgname, relname, tgisinternal FROM pg_trigger
        JOIN pg_class ON pg_class.oid = tgrelid
        WHERE relnamespace = '{schema}'::regnamespace
    LOOP EXECUTE format('ALTER TABLE %I %s TRIGGER %I', t.relname, {how}, t.tgname);
    END LOOP; END $$"""


class Server:
    """A running server; each address that it gives is a schema of its own."""

    def __init__(
        self, bin_folder: Path, folder: Path, settings: dict[str, str]
    ) -> None:
        self.bin, self.folder = bin_folder, folder
        self.settings = {**_SETTINGS, **settings}
        self.port = self.settings.get("port", "5432")

    def address(self) -> Address:
        """Give an address where nothing was made yet."""
        return Address(url=self.url(), schema=f"t{next(_NUMBERS)}_{os.getpid()}")

    def url(self, database: str = "office", user: str = "postgres") -> str:
        """Give the address of a database."""
        return f"postgresql://{user}@/{database}?host={self.folder}&port={self.port}"

    def run(self, program: str, *arguments: str) -> str:
        """Run one of the server's programs, and give what it prints."""
        done = subprocess.run(  # noqa: S603 - our own words
            [*_as_postgres(), str(self.bin / program), *arguments],
            check=False,
            capture_output=True,
            text=True,
            cwd=self.folder,
            env={"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8"},
        )
        assert done.returncode == 0, f"{program}: {done.stderr}"
        return done.stdout

    def start(self) -> None:
        """Start it, and wait until it answers."""
        options = " ".join(f"-c {key}={value}" for key, value in self.settings.items())
        self.run(
            *("pg_ctl", "start", "-w", "-s", "-D", str(self.folder / "data")),
            *("-l", str(self.folder / "log")),
            *("-o", f"{options} -c unix_socket_directories={self.folder}"),
        )

    def stop(self) -> None:
        """Stop it as a power cut would, but for the disk."""
        self.run("pg_ctl", "stop", "-s", "-m", "immediate", "-D", f"{self.folder}/data")

    def of(self) -> tuple[str, ...]:
        """Give the options that lead PostgreSQL's programs to it."""
        return ("-h", str(self.folder), "-p", self.port, "-U", "postgres")

    def psql(self, *statements: str, database: str = "office") -> str:
        """Do as an administrator what no part of rsmonitor may do."""
        told = [part for text in statements for part in ("-c", text)]
        return self.run(
            *("psql", "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1"),
            *(*self.of(), "-d", database, *told),
        )

    def tamper(self, schema: str, *statements: str) -> None:
        """Change tables behind their triggers' back, and leave no trace."""
        off, on = (
            _EACH_TRIGGER.replace("{schema}", schema).replace("{how}", how)
            for how in (
                "'DISABLE'",
                "CASE WHEN t.tgisinternal THEN 'ENABLE' ELSE 'ENABLE ALWAYS' END",
            )
        )
        self.psql(f"SET search_path TO {schema}", off, *statements, on)


def _as_postgres() -> list[str]:
    """Give what runs a program as another user where we are root, as it demands."""
    return ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"] * (
        os.geteuid() == 0
    )


def _programs() -> Path:
    """Find the server's programs with PostGIS, or skip."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"))
    for program in reversed(found):
        version = program.parts[-3]
        control = Path(f"/usr/share/postgresql/{version}/extension/postgis.control")
        if control.exists():
            return program.parent
    pytest.skip(NEEDS)


@contextlib.contextmanager
def running(**settings: str) -> Iterator[Server]:
    """Make a server with an empty database that has PostGIS; skip where it cannot be.

    Parameters
    ----------
    **settings : str
        More of `postgresql.conf`.

    Yields
    ------
    Server
        Running until the context ends.
    """
    pytest.importorskip("psycopg", reason="the extra rsmonitor[postgres] is missing")
    programs = _programs()
    folder = Path(tempfile.mkdtemp(prefix="rsmonitor-pg-"))  # short: a socket's path
    server = Server(programs, folder, settings)
    try:
        if os.geteuid() == 0:
            shutil.chown(folder, "postgres", "postgres")
        server.run(
            *("initdb", "-D", str(folder / "data"), "-U", "postgres", "-A", "trust"),
            *("-E", "UTF8", "--locale=C.UTF-8", "--no-sync"),
        )
        server.start()
        try:
            server.run("createdb", *server.of(), "office")
            server.psql("CREATE EXTENSION postgis")
            yield server
        finally:
            server.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)
