"""Accounts in their file: logins, tokens, waits, and what survives a killed process."""

import sqlite3
import threading
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from served import (
    CHEAP,
    HERE,
    PASSWORDS,
    TurnedClock,
    accounts_in,
    entry_of,
    with_people,
)
from typer.testing import CliRunner

from rsmonitor.cli.accounts import app
from rsmonitor.errors import ContractError
from rsmonitor.io.foundation.passwords import HashCost, Hasher, draw_password
from rsmonitor.io.stores.accounts_file import AccountsFile
from rsmonitor.records.access import AccessRules
from rsmonitor.records.account import Role, Scope
from rsmonitor.wiring.accounts import Accounts
from rsmonitor.wiring.logins import Logins, Refusal, Session

ROOT = Path(__file__).parents[2]


@pytest.fixture
def clock() -> TurnedClock:
    return TurnedClock()


@pytest.fixture
def accounts(tmp_path: Path, clock: TurnedClock) -> Accounts:
    return with_people(accounts_in(tmp_path, clock))


def log_in(accounts: Accounts, name: str, address: str = HERE) -> Session:
    found = accounts.log_in(name, PASSWORDS[name], address)
    assert isinstance(found, Session), found
    return found


def fail(accounts: Accounts, name: str, times: int, address: str = HERE) -> list[str]:
    said = []
    for _ in range(times):
        found = accounts.log_in(name, "not the password", address)
        assert isinstance(found, Refusal)
        said.append(found.code)
    return said


# ------------------------------------------------------------------------- accounts


def test_the_first_start_makes_one_administrator_and_the_second_none(
    tmp_path: Path, clock: TurnedClock
) -> None:
    accounts = accounts_in(tmp_path, clock)
    password = accounts.ensure_administrator()
    assert password is not None
    assert accounts.ensure_administrator() is None
    (admin,) = accounts.store.all()
    assert (admin.name, admin.role) == ("admin", Role.ADMINISTRATOR)
    assert admin.scope.is_everything
    assert isinstance(accounts.log_in("admin", password, HERE), Session)


def test_nobody_but_the_owner_may_read_accounts_or_the_access_log(
    accounts: Accounts, tmp_path: Path
) -> None:
    accounts.log.add(entry_of(accounts))
    folder = tmp_path / "web"
    assert folder.stat().st_mode & 0o777 == 0o700
    for path in folder.iterdir():
        assert path.stat().st_mode & 0o077 == 0, path


def test_no_password_and_no_secret_stands_in_the_files(
    accounts: Accounts, tmp_path: Path
) -> None:
    session = log_in(accounts, "li")
    _, token = accounts.make_token("li", label="QGIS", days=30)
    accounts.log_in("a password typed as a name", "x", HERE)
    held = b"".join(path.read_bytes() for path in (tmp_path / "web").iterdir())
    for secret in (
        *PASSWORDS.values(),
        session.secret,
        token,
        token.removeprefix("rsm_"),
        session.viewer.csrf or "",
        "a password typed as a name",
        HERE,
    ):
        assert secret
        assert secret.encode() not in held
    assert b"$argon2id$" in held


def test_an_account_is_added_once_and_only_by_the_rules(accounts: Accounts) -> None:
    everywhere = Scope.of(["*"])
    for name, scope, password, rule in (
        ("li", everywhere, None, "already"),
        ("Li", everywhere, None, "name of an account"),
        ("new", Scope(areas=()), None, "at least one area"),
        ("new", everywhere, "short", "at least 12"),
        ("new", everywhere, "a" * 12, "different characters"),
        ("new", everywhere, "this is new here 1", "name of its account"),
        ("new", everywhere, "ab1! " * 300, "at most 1024"),
    ):
        with pytest.raises(ContractError, match=rule):
            accounts.add(name, role=Role.BUREAU, scope=scope, password=password)
    assert len(accounts.store.all()) == len(PASSWORDS)


def test_the_last_administrator_stays(accounts: Accounts) -> None:
    with pytest.raises(ContractError, match="last administrator"):
        accounts.store.remove("admin")
    with pytest.raises(ContractError, match="last administrator"):
        accounts.change("admin", role=Role.ANALYST)
    accounts.change("li", role=Role.ADMINISTRATOR)
    accounts.store.remove("admin")
    assert {each.name for each in accounts.store.all()} == {"li", "wang", "zhao"}


def test_a_change_of_role_or_scope_is_felt_by_what_is_open(accounts: Accounts) -> None:
    session = log_in(accounts, "li")
    _, token = accounts.make_token("li", label="", days=30, scope=Scope.of(["3607"]))
    accounts.change("li", role=Role.BUREAU, scope=Scope.of(["360732", "44"]))
    now = accounts.of_session(session.secret)
    assert now is not None
    assert (now.role, now.scope.areas) == (Role.BUREAU, ("360732", "44"))
    program = accounts.of_token(token)
    assert program is not None
    # what token and owner both see
    assert (program.role, program.scope.areas) == (Role.BUREAU, ("360732",))


def test_sessions_end_with_the_password_and_everything_with_the_account(
    accounts: Accounts,
) -> None:
    one, other = log_in(accounts, "li"), log_in(accounts, "li")
    stranger = log_in(accounts, "wang")
    _, token = accounts.make_token("li", label="", days=30)
    drawn = accounts.set_password("li")
    assert accounts.of_session(one.secret) is accounts.of_session(other.secret) is None
    assert accounts.of_session(stranger.secret) is not None
    assert accounts.of_token(token) is not None
    again = accounts.log_in("li", drawn, HERE)
    assert isinstance(again, Session)
    accounts.store.remove("li")
    assert accounts.of_session(again.secret) is accounts.of_token(token) is None
    assert isinstance(accounts.log_in("li", drawn, HERE), Refusal)
    assert accounts.tokens.all("li") == ()


class _Meanwhile(Hasher):
    def __init__(self, happens: Callable[[], object]) -> None:
        super().__init__(CHEAP)
        self._happens = happens

    def fits(self, known: str | None, password: str) -> bool:
        fits = super().fits(known, password)
        self._happens()
        return fits


def test_the_password_before_begins_no_session_after_it_was_changed(
    accounts: Accounts, tmp_path: Path, clock: TurnedClock
) -> None:
    def change() -> None:
        clock.turn(seconds=1)
        accounts.set_password("li")

    def add_again() -> None:
        accounts.store.remove("li")
        clock.turn(seconds=1)
        accounts.add("li", role=Role.BUREAU, scope=Scope.of(["36"]))

    for happens in (change, add_again):
        accounts.set_password("li", PASSWORDS["li"])
        late = Logins(
            AccountsFile(tmp_path / "web/accounts.sqlite", locks=tmp_path / "locks"),
            clock=clock,
            rules=AccessRules(),
            hasher=_Meanwhile(happens),
        )
        assert isinstance(late.log_in("li", PASSWORDS["li"], HERE), Refusal)


def test_a_hash_of_another_cost_is_made_anew_when_the_password_is_typed(
    accounts: Accounts, tmp_path: Path, clock: TurnedClock
) -> None:
    before = accounts.store.password_of("li")
    later = Accounts(
        tmp_path / "web",
        locks=tmp_path / "locks",
        clock=clock,
        cost=HashCost(memory_kib=128, passes=1),
    )
    session = log_in(later, "li")
    after = later.store.password_of("li")
    assert after is not None
    assert before != after
    assert "m=128" in after
    assert later.of_session(session.secret) is not None
    log_in(later, "li")
    assert later.store.password_of("li") == after


# ------------------------------------------------------------------------- sessions


def test_a_session_ends_when_idle_and_at_last_in_any_case(
    accounts: Accounts, clock: TurnedClock
) -> None:
    session = log_in(accounts, "li")
    clock.turn(minutes=119)
    assert accounts.of_session(session.secret) is not None
    clock.turn(minutes=121)
    assert accounts.of_session(session.secret) is None
    busy = log_in(accounts, "li")
    for _ in range(11):
        clock.turn(hours=1)
        assert accounts.of_session(busy.secret) is not None
    clock.turn(hours=1)
    assert accounts.of_session(busy.secret) is None


def test_each_login_has_an_id_of_its_own_and_ten_are_kept(
    accounts: Accounts, clock: TurnedClock
) -> None:
    sessions = []
    for _ in range(12):
        sessions.append(log_in(accounts, "li"))
        clock.turn(seconds=1)
    assert len({each.secret for each in sessions}) == 12
    assert len({each.viewer.csrf for each in sessions}) == 12
    accounts.log_out(sessions[-1].secret)
    assert accounts.of_session(sessions[-1].secret) is None
    alive = [each for each in sessions if accounts.of_session(each.secret)]
    assert len(alive) == 9


@pytest.mark.parametrize("secret", ["", "x", "x" * 43, "\0", "é" * 43, "a" * 10_000])
def test_what_is_no_secret_is_nobody(accounts: Accounts, secret: str) -> None:
    assert accounts.of_session(secret) is None
    assert accounts.of_token(secret) is None
    assert accounts.of_token(f"rsm_{secret}") is None


# --------------------------------------------------------------------------- tokens


def test_a_token_ends_on_its_day_or_when_it_is_revoked(
    accounts: Accounts, clock: TurnedClock
) -> None:
    token, secret = accounts.make_token("li", label="QGIS", days=30)
    other, other_secret = accounts.make_token("li", label="script", days=366)
    viewer = accounts.of_token(secret)
    assert viewer is not None
    assert (viewer.how, viewer.token_id, viewer.csrf) == (
        "token",
        token.token_id,
        None,
    )
    clock.turn(days=30)
    assert accounts.of_token(secret) is None
    assert accounts.of_token(other_secret) is not None
    now = clock.now()
    assert not accounts.tokens.revoke(other.token_id, at=now, owner="wang")
    assert accounts.tokens.revoke(other.token_id, at=now, owner="li")
    assert not accounts.tokens.revoke(other.token_id, at=now)
    assert accounts.of_token(other_secret) is None
    assert [each.used_at is not None for each in accounts.tokens.all("li")] == [
        True,
        True,
    ]


def test_a_token_never_sees_more_than_its_owner(accounts: Accounts) -> None:
    for areas in (["36"], ["*"], ["3607", "44"], ["demo-romania"]):
        with pytest.raises(ContractError, match="at most what its owner sees"):
            accounts.make_token("li", label="", days=1, scope=Scope.of(areas))
    for days in (0, 367):
        with pytest.raises(ContractError, match="valid for"):
            accounts.make_token("li", label="", days=days)


def test_tokens_of_one_account_are_bounded(tmp_path: Path, clock: TurnedClock) -> None:
    rules = AccessRules(most_tokens=3)
    accounts = with_people(accounts_in(tmp_path, clock, rules))
    made = [accounts.make_token("li", label="", days=1)[0] for _ in range(3)]
    with pytest.raises(ContractError, match="revoke one"):
        accounts.make_token("li", label="", days=1)
    accounts.tokens.revoke(made[0].token_id, at=clock.now())
    accounts.make_token("li", label="", days=1)


# ------------------------------------------------------------------ wrong passwords


def test_waits_grow_and_are_the_same_for_names_that_nobody_has(
    accounts: Accounts, clock: TurnedClock
) -> None:
    waits: dict[str, list[int]] = {"li": [], "nobody": []}
    for name, seen in waits.items():
        for number in range(12):
            found = accounts.log_in(name, "wrong", f"192.0.2.{number}")
            assert isinstance(found, Refusal)
            if found.code == "locked":
                seen.append(found.wait_s)
                clock.turn(seconds=found.wait_s)
    assert waits["li"] == waits["nobody"]
    assert waits["li"] == sorted(waits["li"])
    assert waits["li"][-1] >= 8


def test_a_wait_outlasts_a_restart_and_refuses_the_right_password_as_well(
    accounts: Accounts, tmp_path: Path, clock: TurnedClock
) -> None:
    assert fail(accounts, "li", 6, "192.0.2.99") == ["wrong"] * 5 + ["locked"]
    restarted = accounts_in(tmp_path, clock)
    found = restarted.log_in("li", PASSWORDS["li"], "192.0.2.98")
    assert found == Refusal(code="locked", wait_s=3)
    clock.turn(seconds=3)
    log_in(restarted, "li")
    # a success forgets them
    assert fail(accounts, "li", 5) == ["wrong"] * 5


def test_strangers_do_not_lock_out_who_is_known_at_an_address(
    accounts: Accounts,
) -> None:
    log_in(accounts, "li")
    assert fail(accounts, "li", 6, "198.51.100.1")[-1] == "locked"
    log_in(accounts, "li")
    assert isinstance(accounts.log_in("li", PASSWORDS["li"], "192.0.2.200"), Refusal)


def test_one_address_that_tries_many_names_has_to_wait(accounts: Accounts) -> None:
    said = [fail(accounts, f"name{number}", 1)[0] for number in range(21)]
    assert said == ["wrong"] * 20 + ["locked"]
    # an account of one's own does not clear the address, and others are not touched
    assert isinstance(accounts.log_in("li", PASSWORDS["li"], HERE), Refusal)
    log_in(accounts, "li", "192.0.2.8")


def test_a_right_password_takes_back_its_own_try_only(accounts: Accounts) -> None:
    for number in range(19):
        fail(accounts, f"name{number}", 1)
    log_in(accounts, "wang")
    log_in(accounts, "wang")
    assert fail(accounts, "other", 1) == ["wrong"]
    assert fail(accounts, "other", 1) == ["locked"]


def test_unlocking_forgets_wrong_passwords(accounts: Accounts) -> None:
    fail(accounts, "li", 6, "192.0.2.99")
    assert accounts.unlock(name="li") == 1
    log_in(accounts, "li")
    for number in range(21):
        fail(accounts, f"name{number}", 1)
    assert accounts.unlock(address=HERE) == 1
    log_in(accounts, "li")
    assert accounts.unlock(name="li", address=HERE) == 0


def test_many_tries_at_once_are_not_more_than_many_one_by_one(
    accounts: Accounts,
) -> None:
    said: list[str] = []

    def attempt() -> None:
        found = accounts.log_in("li", "wrong", HERE)
        assert isinstance(found, Refusal)
        said.append(found.code)

    threads = [threading.Thread(target=attempt) for _ in range(24)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert said.count("wrong") == 5
    assert said.count("locked") == 19


def test_counters_of_strangers_are_bounded_and_those_of_accounts_stay(
    tmp_path: Path, clock: TurnedClock
) -> None:
    rules = AccessRules(most_tries=60)
    accounts = with_people(accounts_in(tmp_path, clock, rules))
    fail(accounts, "li", 5, "192.0.2.99")
    for number in range(100):
        fail(accounts, f"name{number}", 1, f"198.51.100.{number}")
        clock.turn(milliseconds=1)
    with closing(sqlite3.connect(accounts.store.path)) as connection:
        (there,) = connection.execute("SELECT count(*) FROM attempt").fetchone()
    assert there <= 62
    assert fail(accounts, "li", 1, "192.0.2.98") == ["locked"]


def test_a_clock_that_was_set_back_locks_nobody_out(
    accounts: Accounts, clock: TurnedClock
) -> None:
    fail(accounts, "li", 6)
    clock.turn(days=-30)
    log_in(accounts, "li")


def test_few_hashes_are_computed_at_a_time() -> None:
    hasher = Hasher(HashCost(memory_kib=64, passes=1, at_a_time=2))
    known = hasher.make("right")
    assert hasher.fits(known, "right")
    there, most, guard = 0, 0, threading.Lock()
    inner = hasher._hasher  # noqa: SLF001 - what does the work is watched

    class Watched:
        def verify(self, *arguments: bytes | str) -> bool:
            nonlocal there, most
            with guard:
                there += 1
                most = max(most, there)
            time.sleep(0.005)
            try:
                return inner.verify(*arguments)
            finally:
                with guard:
                    there -= 1

    hasher._hasher = Watched()  # type: ignore[assignment] # noqa: SLF001
    threads = [
        threading.Thread(target=hasher.fits, args=(known, "right")) for _ in range(20)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == 2


def test_a_hash_fits_its_password_however_it_is_typed_and_no_other() -> None:
    hasher = Hasher(CHEAP)
    known = hasher.make("caf\u00e9 \uff11\uff12\uff13 pass")
    assert hasher.fits(known, "cafe\u0301 123 pass")
    assert not hasher.fits(known, "cafe 123 pass")
    assert not hasher.fits(None, "")
    assert not hasher.fits("no hash", "x")
    long = "a1b2c3d4" * 400
    assert not hasher.fits(hasher.make(long), long)
    assert len({draw_password() for _ in range(100)}) == 100


# ------------------------------------------------------------------------- commands


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "district.toml"
    text = (ROOT / "configs" / "demo.toml").read_text(encoding="utf-8")
    path.write_text(text.replace("../demo-out", str(tmp_path / "out")), "utf-8")
    return path


def run(*words: str | Path) -> str:
    done = CliRunner().invoke(app, list(map(str, words)), catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.output


@pytest.mark.slow
def test_accounts_are_kept_from_the_command_line(config: Path) -> None:
    root = run(
        "add", config, "root", "--role", "administrator", "--scope", "everything"
    )
    assert "shown this once" in root
    run("add", config, "li", "--role", "analyst", "--scope", "360700", "--scope", "44")
    secret = run("token", config, "li", "--label", "QGIS", "--scope", "360732")
    token_id = secret.split()[1]
    assert secret.splitlines()[-1].startswith("rsm_")
    listed = run("list", config)
    assert "li  analyst  3607 44" in listed
    assert f"token {token_id}  QGIS  360732  until" in listed
    assert secret.splitlines()[-1] not in listed + run("list", config, "--json")
    run("token", config, "li", "--revoke", token_id)
    assert "over" in run("list", config)
    assert "bureau" in run("change", config, "li", "--role", "bureau")
    one, other = run("password", config, "li"), run("password", config, "li")
    assert one != other
    assert run("unlock", config, "li") == "was not locked\n"
    run("remove", config, "li")
    assert "li" not in run("list", config)
    assert run("log", config) == ""
    assert run("prune", config) == "0 entries removed\n"
    with pytest.raises(ContractError, match="last administrator"):
        run("remove", config, "root")
