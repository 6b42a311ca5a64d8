"""Accounts, tokens and the access log, for who keeps them."""

import functools
from datetime import datetime
from typing import Annotated, Any, Final

import anyio
import anyio.to_thread
from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel, ConfigDict, Field
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from rsmonitor.records.account import Account, Role, Scope, Token, Viewer
from rsmonitor.web import doors, sessions
from rsmonitor.web.errors import Problem
from rsmonitor.web.features_answers import problems

router: Final = APIRouter(
    prefix="/api", tags=["accounts"], responses=problems(403, 404, 409, 413, 422)
)

Keeper = Annotated[Viewer, Depends(doors.keeper)]
Person = Annotated[Viewer, Depends(doors.session_only)]

_LARGEST: Final = 2**63 - 1

_Areas = Annotated[list[Annotated[str, Field(max_length=64)]], Field(max_length=500)]
_Password = Annotated[str, Field(min_length=1, max_length=1024)]


class _Strict(BaseModel):
    """What is sent has no other fields."""

    model_config = ConfigDict(extra="forbid")


class NewAccount(_Strict):
    """An account to be added."""

    name: Annotated[str, Field(max_length=64)]
    role: Role
    scope: _Areas
    password: _Password | None = None


class Change(_Strict):
    """What an account may do and sees from now on."""

    role: Role | None = None
    scope: _Areas | None = None


class NewPassword(_Strict):
    """Another password; one's own needs the present one as well."""

    password: _Password | None = None
    present: _Password | None = None


class NewToken(_Strict):
    """A token to be made."""

    label: Annotated[str, Field(max_length=100)] = ""
    scope: _Areas | None = None
    days: Annotated[int, Field(ge=1, le=366)] = 90


@router.get("/accounts")
def accounts(request: Request, viewer: Keeper) -> dict[str, Any]:  # noqa: ARG001 - the door
    """List the accounts."""
    found = doors.service(request).accounts.store.all()
    return {"accounts": [_account(each) for each in found]}


@router.post("/accounts", status_code=201)
def add(request: Request, viewer: Keeper, new: NewAccount) -> dict[str, Any]:
    """Add an account; a password that is not given is drawn, and shown this once."""
    shown = doors.service(request)
    password = shown.accounts.add(
        new.name, role=new.role, scope=Scope.of(new.scope), password=new.password
    )
    doors.audit(request, viewer, f"account added: {new.name} {new.role.value}", 0)
    made = shown.accounts.store.get(new.name)
    said = {} if made is None else _account(made)
    return said | ({"password": password} if new.password is None else {})


@router.patch("/accounts/{name}")
def change(request: Request, viewer: Keeper, name: str, new: Change) -> dict[str, Any]:
    """Change role or scope."""
    _require_account(request, name)
    if name == viewer.name and new.role not in (None, viewer.role):
        raise Problem(409, "another administrator has to change your role")
    scope = None if new.scope is None else Scope.of(new.scope)
    changed = doors.service(request).accounts.change(name, role=new.role, scope=scope)
    doors.audit(request, viewer, f"account changed: {name} {changed.role.value}", 0)
    return _account(changed)


@router.delete("/accounts/{name}", status_code=204)
def remove(request: Request, viewer: Keeper, name: str) -> Response:
    """Remove an account, its sessions and its tokens."""
    _require_account(request, name)
    if name == viewer.name:
        raise Problem(409, "another administrator has to remove your account")
    doors.service(request).accounts.store.remove(name)
    doors.audit(request, viewer, f"account removed: {name}", 0)
    return Response(status_code=204)


@router.post("/accounts/{name}/password")
async def password(
    request: Request, viewer: Person, name: str, new: NewPassword
) -> Response:
    """
    Change a password: one's own with the present one, others' as administrator.

    All sessions of the account end, also the one that asks. A password that is not
    given is drawn, and shown this once; nobody draws their own.

    Parameters
    ----------
    request : Request
        The request.
    viewer : Viewer
        Who asks.
    name : str
        `Account.name`.
    new : NewPassword
        The passwords.

    Returns
    -------
    Response
        Nothing, or what was drawn.

    Raises
    ------
    Problem
        403, 404, 422 or 429: the present password is wrong, there is no such account,
        something is missing, or there were too many wrong ones.
    """
    accounts = doors.service(request).accounts
    turns: anyio.CapacityLimiter = request.app.state.logins
    if name == viewer.name:
        if new.present is None or new.password is None:
            raise Problem(422, "your own password needs both: present and password")
        change_own = functools.partial(
            accounts.change_own_password,
            name,
            before=new.present,
            after=new.password,
            address=doors.address_of(request),
        )
        refused = await anyio.to_thread.run_sync(change_own, limiter=turns)
        if refused is not None and refused.code == "locked":
            wait = str(refused.wait_s)
            raise Problem(429, "too many wrong passwords; wait", {"Retry-After": wait})
        if refused is not None:
            raise Problem(403, "the present password is wrong")
        await anyio.to_thread.run_sync(doors.audit, request, viewer, "password", 0)
        answer = Response(status_code=204)
        sessions.end(answer, doors.service(request))
        return answer
    doors.may(*doors.KEEPERS)(viewer)
    await anyio.to_thread.run_sync(_require_account, request, name)
    drawn = await anyio.to_thread.run_sync(
        accounts.set_password, name, new.password, limiter=turns
    )
    said = f"password set: {name}"
    await anyio.to_thread.run_sync(doors.audit, request, viewer, said, 0)
    if new.password is not None:
        return Response(status_code=204)
    return JSONResponse({"name": name, "password": drawn})


@router.post("/accounts/{name}/unlock", status_code=204)
def unlock(request: Request, viewer: Keeper, name: str) -> Response:
    """Forget wrong passwords for an account."""
    _require_account(request, name)
    doors.service(request).accounts.unlock(name=name)
    doors.audit(request, viewer, f"account unlocked: {name}", 0)
    return Response(status_code=204)


@router.get("/tokens")
def tokens(request: Request, viewer: Person) -> dict[str, Any]:
    """List one's own tokens; an administrator sees all."""
    owner = None if viewer.role in doors.KEEPERS else viewer.name
    shown = doors.service(request)
    now = shown.clock.now()
    return {"tokens": [_token(each, now) for each in shown.accounts.tokens.all(owner)]}


@router.post("/tokens", status_code=201)
def make_token(request: Request, viewer: Person, new: NewToken) -> dict[str, Any]:
    """Make a token for oneself, with at most one's own scope; shown this once."""
    shown = doors.service(request)
    made, secret = shown.accounts.make_token(
        viewer.name,
        label=new.label,
        days=new.days,
        scope=None if new.scope is None else Scope.of(new.scope),
    )
    doors.audit(request, viewer, f"token made: {made.token_id}", 0)
    return _token(made, shown.clock.now()) | {"token": secret}


@router.delete("/tokens/{token_id}", status_code=204)
def revoke_token(request: Request, viewer: Person, token_id: str) -> Response:
    """Revoke a token of one's own; an administrator revokes any."""
    shown = doors.service(request)
    owner = None if viewer.role in doors.KEEPERS else viewer.name
    if not shown.accounts.tokens.revoke(token_id, at=shown.clock.now(), owner=owner):
        raise Problem(404, doors.UNKNOWN)
    doors.audit(request, viewer, f"token revoked: {token_id}", 0)
    return Response(status_code=204)


@router.get("/access-log")
def access_log(
    request: Request,
    viewer: Keeper,  # noqa: ARG001
    who: Annotated[str | None, Query(max_length=64)] = None,
    before: Annotated[int | None, Query(ge=1, le=_LARGEST)] = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
) -> dict[str, Any]:
    """List who looked at what, the newest first."""
    found = doors.service(request).accounts.log.entries(
        before=before, who=who, limit=limit
    )
    return {
        "entries": [
            {
                "seq": each.seq,
                "at": _instant(each.at),
                "who": each.who,
                "role": each.role,
                "how": each.how,
                "address": each.address,
                "what": each.what,
                "query": each.query,
                "count": each.count,
                "ids": list(each.ids),
            }
            for each in found
        ],
        "next_before": found[-1].seq if len(found) == limit else None,
    }


def _require_account(request: Request, name: str) -> None:
    """Refuse the name of no account."""
    if doors.service(request).accounts.store.get(name) is None:
        raise Problem(404, doors.UNKNOWN)


def _account(account: Account) -> dict[str, Any]:
    """Give an account as JSON."""
    return {
        "name": account.name,
        "role": account.role.value,
        "scope": list(account.scope.areas),
        "created_at": _instant(account.created_at),
        "password_set_at": _instant(account.password_set_at),
    }


def _token(token: Token, now: datetime) -> dict[str, Any]:
    """Give a token as JSON; never its secret."""
    return {
        "id": token.token_id,
        "owner": token.owner,
        "label": token.label,
        "scope": list(token.scope.areas),
        "created_at": _instant(token.created_at),
        "expires_at": _instant(token.expires_at),
        "used_at": None if token.used_at is None else _instant(token.used_at),
        "revoked_at": None if token.revoked_at is None else _instant(token.revoked_at),
        "valid": token.revoked_at is None and now < token.expires_at,
    }


def _instant(at: datetime) -> str:
    """Write an instant."""
    return at.isoformat(timespec="seconds").replace("+00:00", "Z")
