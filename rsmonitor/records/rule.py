"""The laws that a category rests on, each with the time in which it was in force.

The table is data that a bureau can edit (``rsmonitor/law/rules.toml``); it names bases
and decides nothing. What no person has compared with the official text says so.
"""

import re
from dataclasses import dataclass
from datetime import date
from typing import Final

from rsmonitor.errors import ContractError
from rsmonitor.records.verdict import Category

RULE_ID: Final = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")


@dataclass(frozen=True, slots=True, kw_only=True)
class LegalRule:
    """One article of one law, and the categories that rest on it."""

    rule_id: str
    """Code: small letters, digits, ``-`` and ``_``."""

    categories: tuple[Category, ...]
    """Categories that it is a basis of."""

    law_zh: str
    """Name of the law, in Chinese."""

    law_en: str
    """Name of the law, in English."""

    number: str
    """Number of the document, such as 国务院令第785号."""

    article: str = ""
    """Article, such as 第四十条; empty where nobody has confirmed which."""

    clause: str = ""
    """Clause of the notice of 2018 that asks for it, such as 二（一）; or empty."""

    valid_from: date
    """First day on which the law was in force, Asia/Shanghai."""

    valid_to: date | None = None
    """Last day on which it was in force; None while it is."""

    text_zh: str
    """What it says, in short, in Chinese."""

    text_en: str
    """The same in English."""

    source: str = ""
    """Where article and wording were seen."""

    wording_checked_by_person: bool = False
    """True only after a person has compared it with the official text."""

    def __post_init__(self) -> None:
        if not RULE_ID.fullmatch(self.rule_id):
            raise ContractError(
                f"rule id must match {RULE_ID.pattern}, got {self.rule_id!r}"
            )
        for name in ("law_zh", "law_en", "number", "text_zh", "text_en"):
            if not getattr(self, name):
                raise ContractError(f"rule {self.rule_id}: {name} is empty")
        if not self.categories:
            raise ContractError(f"rule {self.rule_id}: categories is empty")
        if self.valid_to is not None and self.valid_to < self.valid_from:
            raise ContractError(
                f"rule {self.rule_id}: valid_to {self.valid_to} is before valid_from "
                f"{self.valid_from}"
            )

    def in_force_within(self, first: date, last: date) -> bool:
        """
        Say whether the law was in force on any day of an interval.

        Parameters
        ----------
        first : date
            First day.
        last : date
            Last day.

        Returns
        -------
        bool
            True also where it was in force on some of these days only.
        """
        return self.valid_from <= last and (
            self.valid_to is None or first <= self.valid_to
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class LawTable:
    """All rules that a verdict may name."""

    rules: tuple[LegalRule, ...] = ()
    """In the order in which they are named."""

    digest: str = ""
    """Digest of the file that they were read from; empty without one."""

    def __post_init__(self) -> None:
        ids = [rule.rule_id for rule in self.rules]
        for rule_id in ids:
            if ids.count(rule_id) > 1:
                raise ContractError(f"rule {rule_id} stands in the table twice")

    def basis(
        self, category: Category, after: date | None, by: date
    ) -> tuple[LegalRule, ...]:
        """
        Give the rules that a category rests on for something that began in an interval.

        Parameters
        ----------
        category : Category
            The category.
        after : date, optional
            Last clear look that saw nothing; without one the law of the first that saw
            it is named.
        by : date
            First clear look that saw it.

        Returns
        -------
        tuple of LegalRule
            Those in force on any day of the interval: where a law changed within it,
            both are named, each with its dates.
        """
        first = by if after is None else after
        return tuple(
            rule
            for rule in self.rules
            if category in rule.categories and rule.in_force_within(first, by)
        )
