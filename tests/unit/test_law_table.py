"""The laws that a verdict names: in force at the act, and none invented."""

import re
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import pytest
from squares import AROUND, BY, dug, judged, right, square

from rsmonitor.errors import ContractError, SettingsError
from rsmonitor.io.licences.law import SHIPPED, read_law_table
from rsmonitor.records.rule import LawTable, LegalRule
from rsmonitor.records.verdict import Category
from rsmonitor.stages.rules import ACCUSING

DAY = timedelta(days=1)
TABLE = read_law_table()
RULE = LegalRule(
    rule_id="one",
    categories=(Category.NO_RIGHT,),
    law_zh="某法",
    law_en="Some law",
    number="某号",
    valid_from=date(2020, 1, 1),
    valid_to=date(2020, 12, 31),
    text_zh="不得无证开采",
    text_en="Nobody mines without a right",
)


def laws_of(category: Category, after: date | None, by: date) -> set[str]:
    return {rule.law_zh for rule in TABLE.basis(category, after, by)}


@pytest.mark.parametrize(
    ("law", "first"),
    [
        ("稀土管理条例", date(2024, 10, 1)),
        ("矿产资源法（2024年修订）", date(2025, 7, 1)),
        ("稀土开采和稀土冶炼分离总量调控管理暂行办法", date(2025, 7, 28)),
        ("关于持续加强稀土行业秩序整顿的通知", date(2018, 12, 10)),
    ],
)
def test_a_law_is_named_from_its_first_day_on(law: str, first: date) -> None:
    for day, there in ((first - DAY, False), (first, True), (first + DAY, True)):
        assert (law in laws_of(Category.NO_RIGHT, day, day)) is there


def test_the_old_mineral_law_is_named_up_to_the_day_before_the_new_one() -> None:
    old, new = "矿产资源法（2009年修正）", "矿产资源法（2024年修订）"
    last = date(2025, 6, 30)
    assert {old, new} & laws_of(Category.BEYOND_BOUNDARY, last, last) == {old}
    after = last + DAY
    assert {old, new} & laws_of(Category.BEYOND_BOUNDARY, after, after) == {new}
    assert {old, new} <= laws_of(Category.BEYOND_BOUNDARY, last, after)


def test_every_category_that_accuses_has_a_basis_today() -> None:
    for category in ACCUSING:
        assert TABLE.basis(category, None, date(2026, 11, 1)), category


def test_what_does_not_accuse_needs_none() -> None:
    for category in set(Category) - ACCUSING:
        assert not TABLE.basis(category, None, date(2026, 11, 1)), category


def test_no_rule_of_the_shipped_table_claims_to_have_been_checked() -> None:
    assert not any(rule.wording_checked_by_person for rule in TABLE.rules)
    for rule in TABLE.rules:
        assert rule.source, rule.rule_id
        if not rule.article and not rule.clause:
            assert "待核" in rule.text_zh, rule.rule_id


def test_a_verdict_names_the_law_in_force_at_the_act_in_sentence_and_trace() -> None:
    far = right(square(5000, 0, 6000, 100))
    early = judged(dug(), far, laws=TABLE)
    late = judged(dug(after=date(2025, 8, 1), by=date(2025, 8, 6)), far, laws=TABLE)
    for verdict, law, not_yet in (
        (early, "2009年修正", "国务院令第785号"),
        (late, "国务院令第785号", "2009年修正"),
    ):
        (part,) = verdict.parts
        basis = part.trace[-1]
        assert basis.rule == "basis"
        assert law in basis.zh
        assert not_yet not in basis.zh
        assert "未经人工核对" in basis.zh
        assert verdict.law_table == TABLE.digest
    assert "稀土管理条例" in late.parts[0].clause_zh
    assert "稀土管理条例" not in early.parts[0].clause_zh


def test_a_law_that_changed_in_the_interval_is_named_before_and_after() -> None:
    far = right(square(5000, 0, 6000, 100))
    verdict = judged(
        dug(after=date(2025, 6, 20), by=date(2025, 7, 10)), far, laws=TABLE
    )
    assert "2009年修正" in verdict.parts[0].trace[-1].zh
    assert "2024年修订" in verdict.parts[0].trace[-1].zh


def test_the_table_decides_no_category() -> None:
    far = right(square(5000, 0, 6000, 100))
    with_laws, without = judged(dug(), far, laws=TABLE), judged(dug(), far)
    assert with_laws.category is without.category
    assert with_laws.certainty is without.certainty
    assert without.law_table == ""
    assert judged(dug(), right(AROUND), laws=TABLE).parts[0].trace[-1].rule == "limits"


@pytest.mark.parametrize(
    ("first", "last", "in_force"),
    [
        (date(2019, 12, 30), date(2019, 12, 31), False),
        (date(2019, 12, 31), date(2020, 1, 1), True),
        (date(2020, 12, 31), date(2021, 1, 1), True),
        (date(2021, 1, 1), date(2021, 1, 2), False),
    ],
)
def test_a_law_counts_on_its_first_and_on_its_last_day(
    first: date, last: date, *, in_force: bool
) -> None:
    assert RULE.in_force_within(first, last) is in_force


@pytest.mark.parametrize(
    "change",
    [
        {"rule_id": "A b"},
        {"categories": ()},
        {"law_zh": ""},
        {"number": ""},
        {"text_en": ""},
        {"valid_to": date(2019, 1, 1)},
    ],
)
def test_a_rule_without_its_facts_is_refused(change: dict[str, object]) -> None:
    with pytest.raises(ContractError):
        replace(RULE, **change)  # type: ignore[arg-type]


def test_a_rule_stands_in_a_table_once() -> None:
    with pytest.raises(ContractError, match="twice"):
        LawTable(rules=(RULE, RULE))


# ------------------------------------------------------------- a table that was edited


def edited(tmp_path: Path, old: str, new: str) -> Path:
    text = SHIPPED.read_text(encoding="utf-8")
    assert old in text
    path = tmp_path / "rules.toml"
    path.write_text(text.replace(old, new, 1), encoding="utf-8")
    return path


def test_a_bureau_can_fill_in_an_article_and_say_that_it_was_checked(
    tmp_path: Path,
) -> None:
    rule = SHIPPED.read_text(encoding="utf-8").split("[[rules]]")[1]
    new = rule.replace("= false", "= true").replace("二（一）", "二（一）第一句")
    table = read_law_table(edited(tmp_path, rule, new))
    assert table.rules[0].wording_checked_by_person
    assert table.rules[0].clause == "二（一）第一句"
    assert table.digest != TABLE.digest
    far = right(square(5000, 0, 6000, 100))
    assert "第一句" in judged(dug(), far, laws=table).parts[0].clause_zh


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('law = "notice-2018"', 'law = "nowhere"', "law is 'nowhere'"),
        ('"no_right"', '"no_rihgt"', "category 'no_rihgt' is unknown"),
        ("valid_from = 2024-10-01", 'valid_from = "2024-10-01"', "without quotes"),
        ("wording_checked_by_person = false", "checked = true", "unknown key checked"),
        ('id = "notice-mining"', 'id = "notice-list"', "stands in the table twice"),
        ('text_zh = "依法', 'text_zn = "依法', "unknown key text_zn"),
        ("[[rules]]", "[[rule", "is not TOML"),
        ("valid_to = 2025-06-30", "valid_to = 2005-06-30", "before valid_from"),
    ],
)
def test_a_table_with_a_mistake_is_refused_by_place(
    tmp_path: Path, old: str, new: str, said: str
) -> None:
    path = edited(tmp_path, old, new)
    with pytest.raises(SettingsError, match=re.escape(said)) as caught:
        read_law_table(path)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize("text", ["", "x = 1", "rules = []", "rules = [1]\nlaws = 3"])
def test_a_file_that_is_no_table_of_laws_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "rules.toml"
    path.write_text(text)
    with pytest.raises(SettingsError, match=r"rules\.toml"):
        read_law_table(path)
    with pytest.raises(SettingsError, match="no such file"):
        read_law_table(tmp_path / "none.toml")


def test_the_day_of_the_first_look_counts_where_no_look_came_before() -> None:
    assert TABLE.basis(Category.NO_RIGHT, None, BY) == TABLE.basis(
        Category.NO_RIGHT, BY, BY
    )
