"""The books on PostgreSQL: what the server refuses, what maps see, and dumps of it."""

import os
import re
import shutil
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from ledger_samples import FULL, LINE, NOW, alert, commit, done, event, everything, site
from observed import every
from postgres_server import running
from rights import AT, delivery, right

from rsmonitor.errors import (
    ContractError,
    OutputError,
    StoreError,
    StoreUnreachableError,
)
from rsmonitor.io.stores.memory_ledger import MemoryLedger
from rsmonitor.io.stores.postgres.books import PostgresObservations, PostgresRegister
from rsmonitor.io.stores.postgres.connection import Address, arguments
from rsmonitor.io.stores.postgres.ledger import PostgresLedger
from rsmonitor.records.disturbance import Cause
from rsmonitor.records.event import EventDraft, EventKind
from rsmonitor.records.finding import Finding, Judgement, body_of
from rsmonitor.records.licence import Completeness, LicenceKind, ProducingList
from rsmonitor.records.lifecycle import HistoryCurve

if TYPE_CHECKING:
    from collections.abc import Callable

    from postgres_server import Server


@pytest.fixture
def address(postgres: "Server") -> Address:
    return postgres.address()


@pytest.fixture
def kept(address: Address) -> PostgresLedger:
    ledger = PostgresLedger(address)
    ledger.commit(FULL)
    return ledger


@pytest.fixture
def filled(address: Address) -> PostgresRegister:
    register = PostgresRegister(address)
    register.import_licences(delivery(right()), at=AT, by="李华")
    listed = ProducingList(
        year=2026,
        publisher="某集团",
        published=date(2026, 3, 1),
        licence_ids=frozenset({"C1"}),
    )
    register.import_producing(listed, file="l", sha256="0" * 64, at=AT, by="李华")
    complete = Completeness(
        county_code="360728", kind=LicenceKind.MINING, complete_on=date(2026, 11, 1)
    )
    register.declare_complete(complete, at=AT, by="李华")
    return register


def refused(
    server: "Server", schema: str, *statements: str, match: str = "never"
) -> None:
    """Try as an administrator; the triggers must refuse it."""
    with pytest.raises(AssertionError, match=match):
        server.psql(f"SET search_path TO {schema}", *statements)


# ----------------------------------------------------------------------------- the past


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE event SET body = '{}'",
        "DELETE FROM event",
        "TRUNCATE event",
        "UPDATE alert_version SET record = '{}'",
        "DELETE FROM alert_version",
        "TRUNCATE alert_version",
        "TRUNCATE run CASCADE",
        (
            "INSERT INTO alert_version SELECT * FROM alert_version ON CONFLICT "
            "(alert_id, sha256) DO UPDATE SET record = '{}'"
        ),
    ],
)
def test_even_an_administrator_does_not_change_the_past_by_accident(
    postgres: "Server",
    address: Address,
    kept: PostgresLedger,
    statement: str,
) -> None:
    for role in ("origin", "replica"):
        as_role = f"SET session_replication_role TO {role}"
        refused(postgres, address.schema, as_role, statement)
    assert kept.verify() == []
    assert kept.versions(alert(0).alert_id) == (alert(0),)


def test_events_are_appended_at_the_end_of_the_chain_only(
    postgres: "Server", address: Address, kept: PostgresLedger
) -> None:
    row = "prev_hash, 'x' || substr(hash, 2), kind, at, who, body FROM event"
    for seq in (0, 2, 9):
        refused(
            postgres,
            address.schema,
            f"INSERT INTO event SELECT {seq}, {row} WHERE seq = 1",  # noqa: RUF100, S608
            match="appended at the end",
        )
    assert kept.verify() == []


@pytest.mark.parametrize("table", ["entry", "licence", "completeness", "producing"])
def test_the_register_only_grows(
    postgres: "Server", address: Address, filled: PostgresRegister, table: str
) -> None:
    for how in (
        "DELETE FROM {}",
        "UPDATE {} SET record = '{{}}'",
        "TRUNCATE {} CASCADE",
    ):
        refused(postgres, address.schema, how.format(table))
    assert filled.verify() == []


@pytest.mark.parametrize(
    "insert",
    [
        "INSERT INTO entry SELECT 9, at, act, sha256, kind, record FROM entry LIMIT 1",
        "INSERT INTO licence SELECT 'C7', kind, 1, record FROM licence",
    ],
)
def test_nothing_is_slipped_into_the_register(
    postgres: "Server", address: Address, filled: PostgresRegister, insert: str
) -> None:
    refused(postgres, address.schema, insert, match="end of the history|never replaced")
    assert filled.verify() == []


@pytest.mark.parametrize("table", ["run", "site", "alert", "applied"])
@pytest.mark.parametrize("value", ["{}", "not json"])
def test_a_damaged_record_is_refused_and_the_ledger_named(
    postgres: "Server", address: Address, kept: PostgresLedger, table: str, value: str
) -> None:
    column = "product" if table == "applied" else "record"
    postgres.tamper(address.schema, f"UPDATE {table} SET {column} = '{value}'")  # noqa: S608
    read: dict[str, Callable[[], object]] = {
        "run": lambda: kept.runs("demo"),
        "site": lambda: kept.sites("demo"),
        "alert": lambda: kept.alerts("demo"),
        "applied": lambda: kept.applied(LINE),
    }
    with pytest.raises(StoreError, match=re.escape(f"{address}, table {table}")):
        read[table]()


def test_a_ledger_of_another_schema_version_is_refused(
    postgres: "Server", address: Address, kept: PostgresLedger
) -> None:
    postgres.psql(f"UPDATE {address.schema}.meta SET value = '9'")  # noqa: S608
    uses: list[Callable[[], object]] = [
        lambda: kept.runs("demo"),
        kept.verify,
        lambda: kept.commit(commit(9)),
    ]
    for use in uses:
        with pytest.raises(StoreError, match="schema version 9, this rsmonitor knows"):
            use()


def test_tables_that_vanish_are_not_taken_for_an_empty_ledger(
    postgres: "Server", address: Address, kept: PostgresLedger
) -> None:
    postgres.psql(f"DROP SCHEMA {address.schema} CASCADE")
    with pytest.raises(StoreError, match="is not there"):
        kept.runs("demo")
    assert not PostgresLedger(address).exists()


def test_reading_makes_nothing(postgres: "Server", address: Address) -> None:
    ledger = PostgresLedger(address)
    everything(ledger)
    ledger.verify()
    ledger.retire([LINE])
    named = f"SELECT count(*) FROM pg_namespace WHERE nspname = '{address.schema}'"  # noqa: S608
    assert postgres.psql(named) == "0\n"


def test_a_reader_cannot_write(kept: PostgresLedger) -> None:
    with pytest.raises(OutputError, match="cannot be written"):
        kept._rows("DELETE FROM site")  # noqa: RUF100, SLF001


# ------------------------------------------------------------------------ the same laws


@settings(
    max_examples=6,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    runs=st.lists(
        st.lists(
            st.builds(
                EventDraft,
                kind=st.sampled_from(EventKind),
                at=st.just(NOW),
                # the server has no character NUL; bodies write it as JSON does
                who=st.text(st.characters(exclude_characters="\0"), min_size=1),
                body=st.dictionaries(
                    st.text(max_size=5), st.integers() | st.text(max_size=5), max_size=3
                ),
            ),
            max_size=4,
        ),
        min_size=1,
        max_size=2,
    )
)
def test_the_chain_is_the_same_as_in_memory(
    postgres: "Server", runs: list[list[EventDraft]]
) -> None:
    server, memory = PostgresLedger(postgres.address()), MemoryLedger()
    for week, events in enumerate(runs, start=1):
        for ledger in (server, memory):
            ledger.commit(commit(week, events=tuple(events)))
    assert everything(server) == everything(memory)
    assert server.verify(memory.head()) == []


def test_a_text_that_the_server_cannot_hold_is_refused(kept: PostgresLedger) -> None:
    before = everything(kept)
    draft = EventDraft(kind=EventKind.DETECTED, at=NOW, who="a\0b", body={})
    with pytest.raises(ContractError, match="NUL"):
        kept.commit(commit(2, events=(draft,)))
    assert everything(kept) == before


def test_texts_are_in_the_order_of_their_bytes(address: Address) -> None:
    book = PostgresObservations(address)
    names = ["s-B", "s_a", "sa", "sä"]
    for name in reversed(names):
        curve = HistoryCurve(site_id=name, line="l", coefficients=(0.1,))
        book.keep("demo", [], [curve])
    assert list(book.curves("demo")) == sorted(names)


# --------------------------------------------------------------------------------- maps


def special(of: int, judgement: Judgement = Judgement.SPECIAL_USE) -> EventDraft:
    finding = Finding(
        site_id=site(of).site_id,
        kind=EventKind.TRIAGED,
        judgement=judgement,
        cause=Cause.ORCHARD if judgement is Judgement.PSEUDO_CHANGE else None,
        imagery="",
        judged_by="李华",
        judged_on=date(2026, 11, 20),
        note="",
    )
    body = body_of(finding, file="a.csv", file_sha256="0" * 64, row="line 2")
    return EventDraft(kind=EventKind.TRIAGED, at=NOW, who="李华", body=body)


def test_maps_see_outlines_with_an_index(
    postgres: "Server", address: Address, kept: PostgresLedger
) -> None:
    PostgresRegister(address).import_licences(delivery(right()), at=AT, by="李华")
    told = postgres.psql(
        f"SELECT site_id, public.ST_AsText(outline), area_m2, state "  # noqa: S608
        f"FROM {address.schema}.site_map ORDER BY 1",
        f"SELECT alert_id, category FROM {address.schema}.alert_map",  # noqa: S608
        f"SELECT public.ST_AsText(public.ST_Envelope(outline)) "  # noqa: S608
        f"FROM {address.schema}.licence",
        "SELECT type, srid FROM public.geometry_columns "  # noqa: S608
        f"WHERE f_table_schema = '{address.schema}' AND f_table_name = 'site_map'",
        f"SELECT count(*) FROM pg_indexes WHERE schemaname = '{address.schema}' "  # noqa: S608
        "AND indexdef LIKE '%USING gist%'",
    )
    square = "POLYGON((25.3 45.2,25.3 45.4,25.1 45.4,25.1 45.2,25.3 45.2))"
    assert told.splitlines() == [
        *(f"{each.site_id}|{square}|100|new" for each in kept.sites("demo")),
        f"{alert(0).alert_id}|no_right",
        "POLYGON((115 24.7,115 24.71,115.01 24.71,115.01 24.7,115 24.7))",
        "GEOMETRY|4326",
        "3",
    ]


def test_maps_do_not_show_what_anybody_called_special_use(
    postgres: "Server", address: Address, kept: PostgresLedger
) -> None:
    def shown() -> str:
        schema = address.schema
        return postgres.psql(
            f"SELECT count(*) FROM {schema}.site_map",  # noqa: S608
            f"SELECT count(*) FROM {schema}.alert_map",  # noqa: S608
        )

    assert shown() == "2\n1\n"
    kept.append([special(1)])
    assert kept.withheld() == {site(1).site_id}
    # both lie on the same ground
    assert shown() == "0\n0\n"
    kept.append([special(1, Judgement.PSEUDO_CHANGE)])
    assert shown() == "0\n0\n", "what was said once stays hidden from maps"


def test_a_role_for_maps_sees_maps_and_nothing_else(
    postgres: "Server", address: Address, kept: PostgresLedger
) -> None:
    assert kept.exists()
    schema, role = address.schema, f"maps_{address.schema}"
    postgres.psql(
        f"CREATE ROLE {role} LOGIN",
        f"GRANT USAGE ON SCHEMA {schema} TO {role}",
        f"GRANT SELECT ON {schema}.site_map, {schema}.alert_map TO {role}",
    )
    psycopg = pytest.importorskip("psycopg")
    with psycopg.connect(postgres.url(user=role)) as connection:
        count = connection.execute(f"SELECT count(*) FROM {schema}.site_map")  # noqa: S608
        assert count.fetchone() == (2,)
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute(f"SELECT * FROM {schema}.site")  # noqa: S608
    reader = PostgresLedger(Address(url=postgres.url(user=role), schema=schema))
    with pytest.raises(OutputError, match="permission denied"):
        reader.runs("demo")


def test_a_reader_of_maps_cannot_look_behind_them_with_a_function_of_his_own(
    postgres: "Server", address: Address, kept: PostgresLedger
) -> None:
    kept.append([special(1)])
    schema, role = address.schema, f"peeps_{address.schema}"
    postgres.psql(
        f"CREATE ROLE {role} LOGIN",
        f"GRANT USAGE ON SCHEMA {schema} TO {role}",
        f"GRANT SELECT ON {schema}.site_map, {schema}.alert_map TO {role}",
    )
    psycopg = pytest.importorskip("psycopg")
    heard: list[str] = []
    with psycopg.connect(postgres.url(user=role)) as connection:
        connection.add_notice_handler(lambda told: heard.append(told.message_primary))
        connection.execute(
            "CREATE FUNCTION pg_temp.tell(what text) RETURNS boolean LANGUAGE plpgsql "
            "COST 0.0000001 AS $$ BEGIN RAISE NOTICE '%', what; RETURN true; END $$"
        )
        for view in ("site_map", "alert_map"):
            query = f"SELECT * FROM {schema}.{view} WHERE pg_temp.tell(site_id)"  # noqa: S608
            assert connection.execute(query).fetchall() == []
    assert heard == []


# ---------------------------------------------------------------- servers, databases


@pytest.mark.parametrize("word", ["user", "default"])
def test_a_schema_may_be_named_by_a_word_of_sql(postgres: "Server", word: str) -> None:
    there = Address(url=postgres.url(), schema=word)
    ledger, register = PostgresLedger(there), PostgresRegister(there)
    ledger.commit(FULL)
    register.import_licences(delivery(right()), at=AT, by="李华")
    assert ledger.verify() == register.verify() == []
    assert everything(PostgresLedger(there)) == everything(ledger)
    told = postgres.psql(f'SELECT count(*) FROM "{word}".event')  # noqa: S608
    assert told == f"{ledger.head()[0]}\n"


def test_defaults_of_a_database_change_neither_numbers_nor_what_a_writer_sees(
    postgres: "Server",
) -> None:
    postgres.psql("CREATE DATABASE strict")
    postgres.psql(
        "CREATE EXTENSION postgis",
        "ALTER DATABASE strict SET extra_float_digits TO 0",
        "ALTER DATABASE strict SET default_transaction_isolation TO 'serializable'",
        "ALTER DATABASE strict SET default_transaction_read_only TO on",
        database="strict",
    )
    there = Address(url=postgres.url("strict"), schema="strict")
    ledger, book = PostgresLedger(there), PostgresObservations(there)
    ledger.commit(FULL)
    looks = every(10, [0.1 + 0.2, 2 / 3, 1 / 3])
    book.keep("demo", looks, [])
    assert book.of("demo") == tuple(looks)
    with ThreadPoolExecutor(1) as others, ledger.tables.writing() as connection:
        waiting = others.submit(ledger.append, [done(1)])
        for _ in range(100):
            waits = "SELECT count(*) FROM pg_locks WHERE NOT granted"
            if postgres.psql(waits) != "0\n":
                break
            time.sleep(0.05)
        seq, prev = ledger.head()
        digest = "f" * 64
        connection.execute(
            "INSERT INTO event (seq, prev_hash, hash, kind, at, who, body) "
            "VALUES (?, ?, ?, 'k', 'a', 'w', '{}')",
            (seq + 1, prev, digest),
        )
    (event_after,) = waiting.result()
    assert (event_after.seq, event_after.prev_hash) == (seq + 2, digest)


def test_an_owner_who_is_no_administrator_is_enough(postgres: "Server") -> None:
    postgres.psql("CREATE ROLE office LOGIN", "CREATE DATABASE plain OWNER office")
    postgres.psql("CREATE EXTENSION postgis", database="plain")
    address = Address(url=postgres.url("plain", user="office"))
    ledger = PostgresLedger(address)
    ledger.commit(FULL)
    ledger.append([done()])
    assert ledger.verify() == []
    with ledger.lock("demo"):
        ledger.commit(commit(2, events=(event(2),)))
    PostgresRegister(address).import_licences(delivery(right()), at=AT, by="李华")
    curve = HistoryCurve(site_id="sa", line="l", coefficients=(0.1,))
    PostgresObservations(address).keep("demo", [], [curve])


def test_a_database_that_cannot_hold_it_says_what_to_do(postgres: "Server") -> None:
    postgres.psql("CREATE DATABASE bare")
    with pytest.raises(StoreError, match="CREATE EXTENSION postgis"):
        PostgresLedger(Address(url=postgres.url("bare"))).commit(FULL)
    postgres.psql(
        "CREATE DATABASE old ENCODING 'SQL_ASCII' LOCALE 'C' TEMPLATE template0"
    )
    with pytest.raises(StoreError, match="UTF8, got SQL_ASCII"):
        PostgresLedger(Address(url=postgres.url("old"))).commit(FULL)


def test_a_server_that_is_away_says_so(postgres: "Server") -> None:
    for url in (
        "postgresql://office@/office?host=/nowhere",
        postgres.url("nothing"),
        postgres.url(user="nobody_of_this_name"),
    ):
        ledger = PostgresLedger(Address(url=url))
        with pytest.raises(StoreUnreachableError, match="cannot be reached") as caught:
            ledger.runs("demo")
        assert caught.value.exit_code == 5
    with pytest.raises(StoreError, match="no address"):
        PostgresLedger(Address(url="postgresql://[::1")).runs("demo")


def free_port() -> str:
    with socket.socket() as chosen:
        chosen.bind(("127.0.0.1", 0))
        return str(chosen.getsockname()[1])


def certificate(folder: Path, name: str) -> None:
    """Make a certificate of the loopback address that vouches for itself."""
    subprocess.run(  # noqa: S603 - our own words
        [
            *("openssl", "req", "-x509", "-newkey", "ec", "-nodes", "-days", "2"),
            *("-pkeyopt", "ec_paramgen_curve:prime256v1"),
            *("-subj", f"/CN={name}", "-addext", "subjectAltName=IP:127.0.0.1"),
            *("-keyout", str(folder / f"{name}.key")),
            *("-out", str(folder / f"{name}.crt")),
        ],
        check=True,
        capture_output=True,
    )


@pytest.mark.needs_program("openssl", "openssl")
def test_over_the_network_it_takes_the_passfile_and_a_verified_certificate(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    port, passfile = free_port(), tmp_path / "pgpass"
    with running(listen_addresses="127.0.0.1", port=port) as server:
        for name in ("server", "stranger"):
            certificate(tmp_path, name)
        key, crt = (server.folder / f"server.{end}" for end in ("key", "crt"))
        for path in (key, crt):
            path.write_bytes((tmp_path / path.name).read_bytes())
            path.chmod(0o600)
            if os.geteuid() == 0:
                shutil.chown(path, "postgres", "postgres")
        server.psql(
            f"ALTER SYSTEM SET ssl_cert_file TO '{crt}'",
            f"ALTER SYSTEM SET ssl_key_file TO '{key}'",
            "ALTER SYSTEM SET ssl TO on",
            "CREATE ROLE office LOGIN PASSWORD 'of the office'",
            "ALTER DATABASE office OWNER TO office",
        )
        (server.folder / "data" / "pg_hba.conf").write_text(
            "local all postgres trust\nhostssl all office 127.0.0.1/32 scram-sha-256\n"
        )
        server.psql("SELECT pg_reload_conf()")
        passfile.write_text(f"127.0.0.1:{port}:office:office:of the office\n")
        passfile.chmod(0o600)
        url = f"postgresql://office@127.0.0.1:{port}/office?sslmode="
        trusted = f"verify-full&sslrootcert={tmp_path / 'server.crt'}"

        def use(how: str) -> None:
            PostgresLedger(Address(url=url + how)).append([done()])

        with pytest.raises(StoreUnreachableError, match="no password"):
            use(trusted)
        monkeypatch.setenv("PGPASSFILE", str(passfile))
        use(trusted)
        with pytest.raises(StoreUnreachableError, match="certificate verify failed"):
            use(f"verify-full&sslrootcert={tmp_path / 'stranger.crt'}")
        with pytest.raises(StoreUnreachableError, match="no encryption"):
            use("disable")


@pytest.mark.parametrize(
    ("url", "mode"),
    [
        ("postgresql://me@db.example.org/office", "verify-full"),
        ("host=a.example.org,localhost dbname=office", "verify-full"),
        ("postgresql://me@db.example.org/office?sslmode=prefer", "prefer"),
        ("postgresql://me@/office?hostaddr=192.0.2.7", "verify-full"),
        ("host=localhost hostaddr=192.0.2.7 dbname=office", "verify-full"),
        ("service=office", None),
        ("postgresql://me@localhost/office", None),
        ("postgresql:///office?host=/run/postgresql", None),
    ],
)
def test_another_machine_is_believed_only_by_its_certificate(
    monkeypatch: pytest.MonkeyPatch, url: str, mode: str | None
) -> None:
    for name in ("PGSSLMODE", "PGHOST", "PGHOSTADDR", "PGSERVICE"):
        monkeypatch.delenv(name, raising=False)
    assert arguments(Address(url=url)).get("sslmode") == mode
    monkeypatch.setenv("PGSSLMODE", "require")
    given = arguments(Address(url=url)).get("sslmode")
    assert given == (mode if mode == "prefer" else None), "libpq reads the variable"


def test_without_the_extra_it_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)
    ledger = PostgresLedger(Address(url="postgresql://db.example.org/office"))
    with pytest.raises(StoreUnreachableError, match=r"rsmonitor\[postgres\]") as caught:
        ledger.runs("demo")
    assert caught.value.exit_code == 5


def test_a_dump_holds_everything(postgres: "Server", address: Address) -> None:
    ledger = PostgresLedger(address)
    ledger.commit(FULL)
    ledger.append([special(1)])
    register = PostgresRegister(address)
    register.import_licences(delivery(right()), at=AT, by="李华")
    dump = str(postgres.folder / "office.dump")
    of = postgres.of()
    postgres.run("pg_dump", *of, "-F", "c", "-n", address.schema, "-f", dump, "office")
    postgres.run("createdb", *of, "-T", "template0", "restored")
    postgres.psql("CREATE EXTENSION postgis", database="restored")
    postgres.run("pg_restore", *of, "-d", "restored", "--exit-on-error", dump)
    there = Address(url=postgres.url("restored"), schema=address.schema)
    restored = PostgresLedger(there)
    assert restored.verify(ledger.head()) == []
    assert everything(restored) == everything(ledger)
    assert restored.withheld() == ledger.withheld()
    assert PostgresRegister(there).snapshot() == register.snapshot()
    outlines = f"SELECT count(outline) FROM {address.schema}.site"  # noqa: S608
    assert postgres.psql(outlines, database="restored") == "2\n"
    refused_there = f"DELETE FROM {address.schema}.event"  # noqa: S608
    with pytest.raises(AssertionError, match="never"):
        postgres.psql(refused_there, database="restored")
    restored.commit(commit(2, events=(event(2),)))
    assert restored.verify() == []
