"""Accounts of the web service: made, changed, removed; and who looked at what."""

import json
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from rsmonitor.errors import EXIT_DONE
from rsmonitor.records.account import Role

if TYPE_CHECKING:
    from rsmonitor.records.account import Scope
    from rsmonitor.wiring.accounts import Accounts

app = typer.Typer(
    help="Accounts of the web service: who may see what.\n\n"
    "Example: rsmonitor accounts add configs/ganzhou.toml li --role analyst "
    "--scope 3607",
    no_args_is_help=True,
    rich_markup_mode=None,
)

Config = Annotated[
    Path, typer.Argument(help="Settings, the first file that is served.")
]
Name = Annotated[str, typer.Argument(help="Name of the account.")]
Areas = Annotated[
    list[str] | None,
    typer.Option(
        "--scope",
        help="An area: digits of a GB/T 2260 code (36, 3607 or 360732), the identifier "
        "of a district, or everything; again for more areas.",
    ),
]
Ask = Annotated[
    bool, typer.Option("--ask", help="Ask for the password instead of drawing one.")
]


@app.command("list")
def list_(
    config: Config,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> int:
    """
    List accounts and their tokens.

    Example: rsmonitor accounts list configs/ganzhou.toml
    """
    accounts = _open(config)
    tokens = accounts.tokens.all()
    now = accounts.clock.now()
    if as_json:
        said = [
            {
                "name": each.name,
                "role": each.role.value,
                "scope": list(each.scope.areas),
                "tokens": [
                    {
                        "id": token.token_id,
                        "label": token.label,
                        "scope": list(token.scope.areas),
                        "expires_at": token.expires_at.isoformat(),
                        "revoked": token.revoked_at is not None,
                    }
                    for token in tokens
                    if token.owner == each.name
                ],
            }
            for each in accounts.store.all()
        ]
        typer.echo(json.dumps(said, ensure_ascii=False, indent=1))
        return EXIT_DONE
    for each in accounts.store.all():
        typer.echo(f"{each.name}  {each.role.value}  {' '.join(each.scope.areas)}")
        for token in tokens:
            if token.owner != each.name:
                continue
            over = token.revoked_at is not None or token.expires_at <= now
            typer.echo(
                f"    token {token.token_id}  {token.label or '-'}  "
                f"{' '.join(token.scope.areas)}  "
                + ("over" if over else f"until {token.expires_at:%Y-%m-%d}")
            )
    return EXIT_DONE


@app.command()
def add(
    config: Config,
    name: Name,
    role: Annotated[Role, typer.Option(help="What it may do.")],
    scope: Areas = None,
    ask: Ask = False,
) -> int:
    """
    Add an account; its password is drawn and shown once.

    A bureau reads and downloads; an analyst also gives verdicts and sends files; an
    inspector says what a visit found; an administrator also keeps accounts. Each does
    so within its scope only.

    Example: rsmonitor accounts add configs/ganzhou.toml li --role analyst --scope 3607
    """
    accounts = _open(config)
    areas = _scope_of(scope)
    if areas is None:
        _refuse("say what it sees: --scope 3607, or --scope everything")
    password = accounts.add(name, role=role, scope=areas, password=_asked(ask))
    typer.echo(f"account {name}: {role.value}, {' '.join(areas.areas)}")
    _show(password, ask=ask)
    return EXIT_DONE


@app.command()
def change(
    config: Config,
    name: Name,
    role: Annotated[Role | None, typer.Option(help="What it may do.")] = None,
    scope: Areas = None,
) -> int:
    """
    Change role or scope of an account; what it has open follows at once.

    Example: rsmonitor accounts change configs/ganzhou.toml li --scope 360732
    """
    if role is None and not scope:
        _refuse("say what changes: --role or --scope")
    changed = _open(config).change(name, role=role, scope=_scope_of(scope))
    typer.echo(f"account {name}: {changed.role.value}, {' '.join(changed.scope.areas)}")
    return EXIT_DONE


@app.command()
def password(config: Config, name: Name, ask: Ask = False) -> int:
    """
    Give an account another password, shown once; its sessions end, tokens stay.

    Example: rsmonitor accounts password configs/ganzhou.toml li
    """
    _show(_open(config).set_password(name, _asked(ask)), ask=ask)
    return EXIT_DONE


@app.command()
def remove(config: Config, name: Name) -> int:
    """
    Remove an account with its sessions and tokens; what it did stays written.

    Example: rsmonitor accounts remove configs/ganzhou.toml li
    """
    _open(config).store.remove(name)
    typer.echo(f"account {name}: removed")
    return EXIT_DONE


@app.command()
def token(
    config: Config,
    name: Name,
    label: Annotated[str, typer.Option(help="What it is for.")] = "",
    days: Annotated[int, typer.Option(help="How long it is valid, 1 to 366.")] = 90,
    scope: Areas = None,
    revoke: Annotated[
        str | None, typer.Option(help="Revoke the token of this id instead.")
    ] = None,
) -> int:
    """
    Make a token for a program, shown once; or revoke one.

    It may what its account may, and sees at most what its account sees.

    Example: rsmonitor accounts token configs/ganzhou.toml li --label QGIS --days 30
    """
    accounts = _open(config)
    if revoke is not None:
        if not accounts.tokens.revoke(revoke, at=accounts.clock.now(), owner=name):
            _refuse(f"{name} has no valid token {revoke}")
        typer.echo(f"token {revoke}: revoked")
        return EXIT_DONE
    made, secret = accounts.make_token(
        name, label=label, days=days, scope=_scope_of(scope)
    )
    typer.echo(
        f"token {made.token_id} of {name}: {' '.join(made.scope.areas)}, until "
        f"{made.expires_at:%Y-%m-%d}; shown this once:"
    )
    typer.echo(secret)
    return EXIT_DONE


@app.command()
def unlock(
    config: Config,
    name: Annotated[str | None, typer.Argument(help="Name of the account.")] = None,
    address: Annotated[
        str | None, typer.Option(help="An address that tried too often.")
    ] = None,
) -> int:
    """
    Forget wrong passwords, so that nobody has to wait.

    Example: rsmonitor accounts unlock configs/ganzhou.toml li
    """
    if name is None and address is None:
        _refuse("say whom: the name of an account, or --address")
    removed = _open(config).unlock(name=name, address=address)
    typer.echo("unlocked" if removed else "was not locked")
    return EXIT_DONE


@app.command()
def log(
    config: Config,
    who: Annotated[str | None, typer.Option(help="Only this account.")] = None,
    limit: Annotated[int, typer.Option(help="At most so many entries.")] = 50,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON lines.")] = False,
) -> int:
    """
    List who looked at coordinates, the newest first.

    Example: rsmonitor accounts log configs/ganzhou.toml --who li
    """
    for each in _open(config).log.entries(who=who, limit=limit):
        at = each.at.isoformat(timespec="seconds").replace("+00:00", "Z")
        if as_json:
            said = {
                "seq": each.seq,
                "at": at,
                "who": each.who,
                "role": each.role,
                "how": each.how,
                "address": each.address,
                "what": each.what,
                "query": each.query,
                "count": each.count,
                "ids": each.ids,
            }
            typer.echo(json.dumps(said, ensure_ascii=False))
        else:
            typer.echo(
                f"{at}  {each.who} ({each.role}, {each.how}) from {each.address}: "
                f"{each.what} {each.query}  {each.count} alerts"
            )
    return EXIT_DONE


@app.command()
def prune(
    config: Config,
    days: Annotated[
        int, typer.Option(min=183, help="Entries that are older are removed.")
    ] = 730,
) -> int:
    """
    Remove old entries of the access log; that this was done stays written.

    'rsmonitor serve' does so each day by itself.

    Example: rsmonitor accounts prune configs/ganzhou.toml --days 365
    """
    accounts = _open(config)
    removed = accounts.log.prune(now=accounts.clock.now(), kept=timedelta(days=days))
    typer.echo(f"{removed} entries removed")
    return EXIT_DONE


def _open(config: Path) -> "Accounts":
    """Open the accounts of a settings file."""
    from rsmonitor.config import read_districts
    from rsmonitor.wiring.accounts import open_accounts

    return open_accounts(read_districts(config)[0])


def _scope_of(areas: list[str] | None) -> "Scope | None":
    """Make a scope of what was typed; None where nothing was."""
    from rsmonitor.records.account import EVERYTHING, Scope

    if not areas:
        return None
    return Scope.of(EVERYTHING if area == "everything" else area for area in areas)


def _refuse(said: str) -> NoReturn:
    """Complain as the command line does."""
    raise typer.BadParameter(said)


def _asked(ask: bool) -> str | None:
    """Ask for a password, twice; it stands in no history and no list of processes."""
    if not ask:
        return None
    said: str = typer.prompt("password", hide_input=True, confirmation_prompt=True)
    return said


def _show(password: str, *, ask: bool) -> None:
    """Show a drawn password, this once."""
    if not ask:
        typer.echo(f"password, shown this once: {password}")
