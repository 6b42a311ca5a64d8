"""A snapshot's name: the same licences, the same name; anything else, another."""

import random
from dataclasses import fields, replace
from datetime import date
from typing import Any

import pytest
from rights import right, rights
from shapely import affinity

from rsmonitor.io.stores.codec import decode, encode
from rsmonitor.io.stores.snapshot import said_by, snapshot_of
from rsmonitor.records.licence import (
    Completeness,
    LicenceKind,
    LicenceStatus,
    ProducingList,
    StatusChange,
)

CHANGES: dict[str, Any] = {
    "licence_id": "C2",
    "kind": LicenceKind.RECOVERY,
    "geometry": affinity.translate(right().geometry, 1e-13),
    "minerals": ("稀土", "钨"),
    "holder": "另一公司",
    "valid_from": date(2020, 1, 2),
    "valid_to": date(2029, 12, 30),
    "status": "有效",
    "invented": True,
    "mine": "某矿",
    "associated_minerals": ("钇",),
    "method": "露天开采",
    "issuer": "自然资源部",
    "renewal_accepted": date(2029, 1, 1),
    "renewal_decided": date(2029, 2, 1),
    "status_history": (
        StatusChange(on=date(2024, 1, 1), status=LicenceStatus.SUSPENDED),
    ),
    "elevation_m": (280.0, 435.0),
    "datum": "CGCS2000",
    "position_error_m": 100.0,
    "deadline": date(2026, 1, 1),
    "subkind": "临时用地",
    "version": 2,
}
COMPLETE = Completeness(
    county_code="360728", kind=LicenceKind.MINING, complete_on=date(2026, 1, 1)
)
LISTED = ProducingList(
    year=2025,
    publisher="某集团",
    published=date(2025, 3, 1),
    licence_ids=frozenset({"C1", "C2"}),
)


def test_every_field_but_the_source_changes_the_name() -> None:
    assert {field.name for field in fields(right())} == {*CHANGES, "source"}
    names = {snapshot_of([right()]).snapshot_id}
    names |= {
        snapshot_of([replace(right(), **{name: value})]).snapshot_id
        for name, value in CHANGES.items()
    }
    assert len(names) == len(CHANGES) + 1


def test_where_a_licence_was_found_is_not_what_it_says() -> None:
    moved = right(source="另一文件.txt")
    assert snapshot_of([moved]).snapshot_id == snapshot_of([right()]).snapshot_id
    assert "source" not in said_by(moved)


def test_an_old_alert_still_names_the_same_licences() -> None:
    # computed by the version that knew none of the later fields
    assert snapshot_of(rights("C1", "C2")).snapshot_id == OLD_NAME


OLD_NAME = "4ac9fe3b50e72bb2"


@pytest.mark.parametrize(
    "beside",
    [
        {"completeness": (COMPLETE,)},
        {"producing": (LISTED,)},
        {"earlier": (right(valid_to=date(2024, 1, 1)),)},
    ],
)
def test_what_stands_beside_the_licences_changes_the_name(
    beside: dict[str, Any],
) -> None:
    alone = snapshot_of([right()])
    both = snapshot_of([right()], **beside)
    assert both.snapshot_id != alone.snapshot_id
    assert both.licences == alone.licences


def test_the_order_of_arrival_does_not_matter() -> None:
    licences = list(rights(*"abcdefg"))
    words = [replace(COMPLETE, county_code=f"36072{n}") for n in range(5)]
    lists = [replace(LISTED, year=2020 + n) for n in range(5)]
    snapshot = snapshot_of(licences, completeness=words, producing=lists)
    for seed in range(5):
        for things in (licences, words, lists):
            random.Random(seed).shuffle(things)  # noqa: S311
        again = snapshot_of(licences, completeness=words, producing=lists)
        assert again == snapshot


def test_a_set_of_numbers_is_stored_in_one_order() -> None:
    stored = encode(replace(LISTED, licence_ids=frozenset({"b", "a", "c"})))
    assert stored["licence_ids"] == ["a", "b", "c"]
    assert decode(ProducingList, stored, where="here").licence_ids == {"a", "b", "c"}


@pytest.mark.parametrize("damaged", [["b", "a"], ["a", "a"], ["a", 1], "a", None])
def test_a_set_in_another_form_is_damage(damaged: object) -> None:
    from rsmonitor.errors import StoreError  # noqa: PLC0415

    stored = {**encode(LISTED), "licence_ids": damaged}
    with pytest.raises(StoreError):
        decode(ProducingList, stored, where="here")
