"""The section of a settings file that says which database keeps the books."""

import re
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from rsmonitor.errors import ContractError

_PASSWORD: Final = re.compile(r"(^|[\s?&])(ssl)?password\s*=", re.IGNORECASE)
_SCHEMA: Final = re.compile(r"(?!pg_)[a-z_][a-z0-9_]{0,47}")


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreSettings:
    """Where ledger, register and diary of sites are kept; changes no result."""

    url: str | None = None
    """Address of a PostgreSQL database with PostGIS, as libpq takes it:
    ``postgresql://role@host/database`` or ``service=name``. The password stands in
    libpq's passfile or environment. None: SQLite files in ``run.work``, and the
    register where ``licences.register`` says."""

    schema: str = "rsmonitor"
    """Schema of the tables: offices that share a database have one each."""

    def __post_init__(self) -> None:
        if not _SCHEMA.fullmatch(self.schema):
            raise ContractError(
                f"store.schema must match {_SCHEMA.pattern}, got {self.schema!r}"
            )
        if self.url is None:
            return
        if not (
            self.url.startswith(("postgresql://", "postgres://")) or "=" in self.url
        ):
            raise ContractError(
                "store.url must begin with postgresql:// or name a service, such as "
                "service=office; leave the key out for files"
            )
        if _has_password(self.url):
            # not quoted: the message may be logged
            raise ContractError(
                "store.url holds a password: put it into libpq's passfile, ~/.pgpass "
                "of mode 0600 (docs/postgres.md)"
            )


def _has_password(url: str) -> bool:
    """Say whether an address gives a secret away; one that cannot be read may."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return True
    return parts.password is not None or _PASSWORD.search(url) is not None
