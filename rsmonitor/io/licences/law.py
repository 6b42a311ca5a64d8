"""The table of laws, read from TOML that a bureau can edit."""

import hashlib
import tomllib
from collections.abc import Mapping
from dataclasses import fields
from datetime import date, datetime
from pathlib import Path
from typing import Any, Final

from rsmonitor.errors import ContractError, SettingsError
from rsmonitor.records.rule import LawTable, LegalRule
from rsmonitor.records.verdict import Category

SHIPPED: Final = Path(__file__).parents[2] / "law" / "rules.toml"
"""The table that comes with rsmonitor."""

MAX_BYTES: Final = 2**20
"""Largest table that is read."""

_LAW_KEYS: Final = {
    "zh": "law_zh",
    "en": "law_en",
    "number": "number",
    "valid_from": "valid_from",
    "valid_to": "valid_to",
    "source": "source",
}
_RULE_KEYS: Final = {
    "id": "rule_id",
    "categories": "categories",
    "article": "article",
    "clause": "clause",
    "text_zh": "text_zh",
    "text_en": "text_en",
    "source": "source",
    "wording_checked_by_person": "wording_checked_by_person",
}
_REQUIRED: Final = frozenset(
    item.name for item in fields(LegalRule) if item.name.startswith(("law", "text"))
) | {"rule_id", "categories", "number", "valid_from"}


def read_law_table(path: Path = SHIPPED) -> LawTable:
    """
    Read a table of laws.

    Parameters
    ----------
    path : Path, optional
        A TOML file with ``[laws.<name>]`` and ``[[rules]]``; the shipped one where
        none is given.

    Returns
    -------
    LawTable
        Its rules in the order of the file, named by the digest of its bytes.

    Raises
    ------
    SettingsError
        If it cannot be read, is not TOML, or has an unknown, missing or wrong key; the
        message names the file, the rule and the key.

    Examples
    --------
    >>> table = read_law_table()
    >>> any(rule.wording_checked_by_person for rule in table.rules)
    False
    """
    try:
        if not path.is_file():
            raise SettingsError(f"{path}: there is no such file")
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
        if len(content) > MAX_BYTES:
            raise SettingsError(f"{path}: is larger than {MAX_BYTES} bytes")
        value = tomllib.loads(content.decode("utf-8-sig"))
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path}: cannot be read: {error}") from error
    except (ValueError, RecursionError) as error:
        raise SettingsError(f"{path}: is not TOML: {error}") from error
    unknown = value.keys() - {"laws", "rules"}
    if unknown:
        raise SettingsError(
            f"{path}: unknown key {min(unknown)}; known are laws, rules"
        )
    laws, rules = value.get("laws", {}), value.get("rules", [])
    if not isinstance(laws, dict) or not isinstance(rules, list) or not rules:
        raise SettingsError(f"{path}: needs tables [laws.<name>] and [[rules]]")
    try:
        return LawTable(
            rules=tuple(
                _rule(f"{path}: rule {number}", rule, laws)
                for number, rule in enumerate(rules, start=1)
            ),
            digest=hashlib.sha256(content).hexdigest()[:16],
        )
    except ContractError as error:
        raise SettingsError(f"{path}: {error}") from error


def _rule(where: str, rule: object, laws: Mapping[str, object]) -> LegalRule:
    """Join a rule with its law."""
    if not isinstance(rule, dict):
        raise SettingsError(f"{where} must be a table, got {rule!r}")
    where = f"{where} ({rule.get('id', 'without id')})"
    law = laws.get(str(rule.get("law")))
    if not isinstance(law, dict):
        raise SettingsError(
            f"{where}: law is {rule.get('law')!r}; known are {', '.join(laws)}"
        )
    arguments = {
        **_values(where, law, _LAW_KEYS),
        **_values(where, {k: v for k, v in rule.items() if k != "law"}, _RULE_KEYS),
    }
    missing = _REQUIRED - arguments.keys()
    if missing:
        raise SettingsError(f"{where}: missing {min(missing)}")
    arguments["categories"] = _categories(where, arguments["categories"])
    return LegalRule(**arguments)


def _values(
    where: str, table: Mapping[str, object], names: Mapping[str, str]
) -> dict[str, Any]:
    """Check the keys and the types of a table."""
    found: dict[str, Any] = {}
    for key, value in table.items():
        if key not in names:
            raise SettingsError(
                f"{where}: unknown key {key}; known are {', '.join(names)}"
            )
        if key in {"valid_from", "valid_to"}:
            good = isinstance(value, date) and not isinstance(value, datetime)
            rule = "a day such as 2018-06-30 without quotes"
        elif key == "wording_checked_by_person":
            good, rule = isinstance(value, bool), "true or false"
        elif key == "categories":
            good, rule = isinstance(value, list), "a list of categories"
        else:
            good, rule = isinstance(value, str), "text"
        if not good:
            raise SettingsError(f"{where}: {key} must be {rule}, got {value!r}")
        found[names[key]] = value
    return found


def _categories(where: str, names: list[object]) -> tuple[Category, ...]:
    """Read categories by their codes."""
    known = {category.value: category for category in Category}
    for name in names:
        if name not in known:
            raise SettingsError(
                f"{where}: category {name!r} is unknown; known are {', '.join(known)}"
            )
    return tuple(known[str(name)] for name in names)
