"""What was fetched stays whole, is verified, and goes only when nobody needs it."""

import hashlib
import json
import os
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numcodecs.blosc  # type: ignore[import-untyped]
import numpy as np
import pytest
import shapely

from rsmonitor.errors import ContractError, SourceError, StoreError
from rsmonitor.io.foundation.clock import FixedClock
from rsmonitor.io.stores.cache import SEARCH_STAYS_FRESH, SceneCache
from rsmonitor.io.stores.piece import decode, encode
from rsmonitor.records.offer import Numbers, Offer, Radiometry, TileWindow

NOW = datetime(2026, 3, 2, 6, tzinfo=UTC)
BANDS = ("B02", "B08", "B11")
WINDOW = TileWindow(mgrs_tile="50RKN", row=2, col=1002, height=20, width=30)
BESIDE = replace(WINDOW, col=1032)
OFFER = Offer(
    product_id="S2B_MSIL2A_20260218T030000_N0511_R075_T50RKN_20260218T060000",
    mgrs_tile="50RKN",
    platform="S2B",
    datatake_start=NOW - timedelta(days=12),
    sensed_at=NOW - timedelta(days=12),
    processing_baseline="05.11",
    radiometry=Radiometry(
        add_offset=-1000, quantification_value=10_000, because="a test"
    ),
    source="memory",
    created_at=NOW - timedelta(days=11),
    cloud_percent=12.5,
    refined=False,
    footprint=shapely.box(114, 24, 115, 25),
    assets={"B02": "https://me:pw@host/b02.tif?sig=abc", "SCL": "/disk/a?b#c.jp2"},
)
OTHER = replace(OFFER, product_id=OFFER.product_id.replace("0511", "0500"))


def numbers(seed: int = 0, window: TileWindow = WINDOW) -> Numbers:
    random = np.random.default_rng(seed)
    half = (window.height // 2, window.width // 2)
    return Numbers(
        bands_10m=("B02", "B08"),
        bands_20m=("B11",),
        dn_10m=random.integers(0, 2**16, (2, window.height, window.width), np.uint16),
        dn_20m=random.integers(0, 2**16, (1, *half), np.uint16),
        scl=random.integers(0, 12, half, np.uint8),
    )


def never() -> Numbers:
    raise AssertionError("it was kept, and asked for again")


def same(one: Numbers | None, other: Numbers) -> bool:
    return one is not None and encode(one) == encode(other)


def cache_of(folder: Path, now: datetime = NOW) -> SceneCache:
    return SceneCache(folder / "cache", clock=FixedClock(now))


def files(folder: Path, kind: str = "objects") -> list[Path]:
    return sorted(p for p in (folder / "cache" / kind).rglob("*") if p.is_file())


def test_a_piece_is_asked_for_once_and_comes_back_to_the_byte(tmp_path: Path) -> None:
    expected = numbers()
    assert same(cache_of(tmp_path).fetch(OFFER, WINDOW, BANDS, numbers), expected)
    for _ in range(2):
        assert same(cache_of(tmp_path).fetch(OFFER, WINDOW, BANDS, never), expected)
    mixed = cache_of(tmp_path).fetch(OFFER, WINDOW, BANDS[::-1], never)
    assert same(mixed, expected)


def test_objects_are_named_by_their_digest(tmp_path: Path) -> None:
    cache_of(tmp_path).fetch(OFFER, WINDOW, BANDS, numbers)
    (path,) = files(tmp_path)
    assert path.name == hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.mark.parametrize(
    "other",
    [
        replace(OFFER, source="another"),
        replace(OFFER, product_id="another"),
        replace(OFFER, created_at=NOW),
        replace(OFFER, processing_baseline="05.12"),
        replace(OFFER, radiometry=replace(OFFER.radiometry, add_offset=0)),
    ],
)
def test_another_version_is_another_piece(tmp_path: Path, other: Offer) -> None:
    cache = cache_of(tmp_path)
    cache.fetch(OFFER, WINDOW, BANDS, numbers)
    assert cache.get(other, WINDOW, BANDS) is None
    assert cache.get(OFFER, BESIDE, BANDS) is None
    assert cache.get(OFFER, WINDOW, BANDS[:2]) is None
    assert cache.holds(OFFER, WINDOW, BANDS)
    assert not cache.holds(other, WINDOW, BANDS)


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(bytes(data))


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-7])


def empty(path: Path) -> None:
    path.write_bytes(b"")


def garbage(path: Path) -> None:
    path.write_bytes(b'{"format": "rsmonitor piece 1"}\nxx')


@pytest.mark.parametrize("damage", [flip, truncate, empty, garbage, Path.unlink])
@pytest.mark.parametrize("kind", ["objects", "index"])
def test_a_damaged_piece_is_found_and_fetched_again(
    tmp_path: Path, damage: Callable[[Path], None], kind: str
) -> None:
    cache = cache_of(tmp_path)
    cache.fetch(OFFER, WINDOW, BANDS, numbers)
    (path,) = files(tmp_path, kind)
    if damage is flip and kind == "index":
        path.write_text(path.read_text().replace('"sha256": "', '"sha256": "../'))
    else:
        damage(path)
    asked = []

    def again() -> Numbers:
        asked.append(1)
        return numbers()

    assert same(cache.fetch(OFFER, WINDOW, BANDS, again), numbers())
    assert asked == [1]
    assert same(cache.fetch(OFFER, WINDOW, BANDS, never), numbers())


def test_an_index_that_names_another_window_is_not_believed(tmp_path: Path) -> None:
    cache = cache_of(tmp_path)
    wide = replace(WINDOW, width=34)
    cache.fetch(OFFER, WINDOW, BANDS, numbers)
    cache.fetch(OFFER, wide, BANDS, lambda: numbers(1, wide))
    one, other = files(tmp_path, "index")
    one_text, other_text = one.read_text(), other.read_text()
    one.write_text(other_text)
    other.write_text(one_text)
    assert cache.get(OFFER, WINDOW, BANDS) is None


def test_a_wrong_answer_is_refused_and_leaves_nothing(tmp_path: Path) -> None:
    right = numbers()
    wrong = (
        replace(right, dn_10m=right.dn_10m[:, :-1]),
        replace(right, dn_10m=right.dn_10m.astype(np.int32)),
        replace(right, scl=right.scl.astype(np.uint16)),
        replace(right, bands_10m=("B02", "B03")),
        replace(right, bands_20m=("B12",)),
    )
    for answer in wrong:
        with pytest.raises(SourceError, match="instead of"):
            cache_of(tmp_path).fetch(OFFER, WINDOW, BANDS, lambda a=answer: a)
    assert not files(tmp_path)
    assert not files(tmp_path, "index")


def test_an_answer_that_fails_leaves_nothing(tmp_path: Path) -> None:
    def fails() -> Numbers:
        raise SourceError("HTTP 500")

    with pytest.raises(SourceError, match="500"):
        cache_of(tmp_path).fetch(OFFER, WINDOW, BANDS, fails)
    assert not files(tmp_path)
    assert cache_of(tmp_path).fetch(OFFER, WINDOW, BANDS, numbers)


def test_verify_names_what_is_damaged_and_removes_it(tmp_path: Path) -> None:
    cache = cache_of(tmp_path)
    for number, window in enumerate((WINDOW, BESIDE)):
        cache.fetch(OFFER, window, BANDS, lambda n=number: numbers(n))
    assert cache.verify().sound == 2
    flip(files(tmp_path)[0])
    found = cache.verify()
    assert found.sound == 1
    (sentence,) = found.removed
    assert OFFER.product_id in sentence
    assert "rows 2" in sentence
    assert len(cache.pieces()) == len(files(tmp_path)) == 1
    assert not cache.verify().removed


def test_the_list_says_what_is_kept_and_how_large_it_is(tmp_path: Path) -> None:
    cache = cache_of(tmp_path)
    cache.fetch(OFFER, BESIDE, BANDS, lambda: numbers(1))
    cache.fetch(OFFER, WINDOW, BANDS, numbers)
    first, second = cache.pieces()
    assert (first.window, second.window) == (WINDOW, BESIDE)
    assert first.bands == BANDS
    assert first.stored_at == NOW
    assert first.size_bytes + second.size_bytes == cache.total_bytes()
    assert cache.total_bytes() == sum(p.stat().st_size for p in files(tmp_path))


# ------------------------------------------------------------------------- pruning


def test_prune_gives_up_what_is_old_and_not_pinned(tmp_path: Path) -> None:
    old, new = NOW - timedelta(days=400), NOW
    cache_of(tmp_path, old).fetch(OFFER, WINDOW, BANDS, numbers)
    cache_of(tmp_path, old).fetch(OTHER, WINDOW, BANDS, lambda: numbers(1))
    cache_of(tmp_path, new).fetch(OTHER, BESIDE, BANDS, lambda: numbers(2))
    cache = cache_of(tmp_path)
    before = cache.total_bytes()
    pruned = cache.prune(keep={OFFER.product_id}, older_than=NOW - timedelta(days=365))
    assert (pruned.pieces, pruned.kept) == (1, 2)
    assert pruned.freed_bytes == before - cache.total_bytes() > 0
    assert cache.holds(OFFER, WINDOW, BANDS)
    assert cache.holds(OTHER, BESIDE, BANDS)
    assert not cache.holds(OTHER, WINDOW, BANDS)


def test_what_an_alert_cites_stays_under_every_form_of_its_name(tmp_path: Path) -> None:
    bare = replace(OFFER, product_id="S2A_50RKN_20260218_0_L2A")
    cited = f"{OFFER.product_id}+{bare.product_id}@05.11@20260219T060000"
    cache = cache_of(tmp_path, NOW - timedelta(days=400))
    for offer in (OFFER, bare):
        cache.fetch(offer, WINDOW, BANDS, numbers)
    assert cache.prune(keep=[cited], older_than=NOW).pieces == 0
    assert cache.prune(keep=cited.__contains__, older_than=NOW).pieces == 0
    assert cache.prune(keep=(), older_than=NOW).pieces == 2
    assert cache.total_bytes() == 0


def test_an_object_that_answers_two_questions_stays_for_the_second(
    tmp_path: Path,
) -> None:
    cache = cache_of(tmp_path, NOW - timedelta(days=400))
    for offer in (OFFER, OTHER):
        cache.fetch(offer, WINDOW, BANDS, numbers)
    assert len(files(tmp_path)) == 1
    assert cache.prune(keep={OFFER.product_id}, older_than=NOW).pieces == 1
    assert same(cache.get(OFFER, WINDOW, BANDS), numbers())


def test_prune_wants_to_know_the_zone(tmp_path: Path) -> None:
    with pytest.raises(ContractError, match="timezone"):
        cache_of(tmp_path).prune(keep=(), older_than=datetime(2026, 1, 1))  # noqa: DTZ001


# ---------------------------------------------------------------- searches and notes


def search(
    folder: Path, ask: Callable[[], list[Offer]], now: datetime = NOW
) -> tuple[Offer, ...]:
    return cache_of(folder, now).search(
        source="memory", mgrs_tile="50RKN", start=NOW, until=NOW, ask=ask
    )


def test_a_search_is_saved_before_its_scenes_are_used(tmp_path: Path) -> None:
    asked = []

    def ask() -> list[Offer]:
        asked.append(1)
        return [OFFER, replace(OTHER, created_at=None, footprint=None, assets={})]

    first = search(tmp_path, ask)
    again = search(tmp_path, ask, NOW + SEARCH_STAYS_FRESH - timedelta(seconds=1))
    assert asked == [1]
    assert [replace(offer, assets={}) for offer in again] == [
        replace(offer, assets={}) for offer in first
    ]
    search(tmp_path, ask, NOW + SEARCH_STAYS_FRESH)
    assert len(asked) == 2
    search(tmp_path, ask, NOW - timedelta(days=1))  # the clock was set back
    assert len(asked) == 3


def test_searches_of_days_before_go_when_the_cache_is_pruned(tmp_path: Path) -> None:
    def asked(until: datetime) -> None:
        cache_of(tmp_path).search(
            source="memory", mgrs_tile="50RKN", start=NOW, until=until, ask=list
        )

    for week in range(3):
        asked(NOW + timedelta(weeks=week))
    old, older, new = files(tmp_path, "searches")
    for path in (old, older):
        os.utime(path, (0, 0))
    cache_of(tmp_path).prune(keep=(), older_than=NOW)
    assert files(tmp_path, "searches") == [new]
    for week in range(3):  # asking again is all that it costs
        asked(NOW + timedelta(weeks=week))
    assert sorted(files(tmp_path, "searches")) == sorted([old, older, new])


def test_no_key_in_an_address_is_stored(tmp_path: Path) -> None:
    search(tmp_path, lambda: [OFFER])
    (path,) = files(tmp_path, "searches")
    text = path.read_text()
    assert "https://host/b02.tif" in text
    assert "pw" not in text
    assert "abc" not in text
    (kept,) = search(tmp_path, list)
    assert kept.assets["SCL"] == OFFER.assets["SCL"]


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"searched_at": 1, "offers": 2}'])
def test_a_damaged_search_is_made_again(tmp_path: Path, text: str) -> None:
    search(tmp_path, lambda: [OFFER])
    (path,) = files(tmp_path, "searches")
    path.write_text(text)
    assert search(tmp_path, lambda: [OTHER]) == (OTHER,)


def test_a_search_that_fails_is_not_saved(tmp_path: Path) -> None:
    def fails() -> list[Offer]:
        raise SourceError("HTTP 502 on page 2")

    with pytest.raises(SourceError, match="502"):
        search(tmp_path, fails)
    assert not files(tmp_path, "searches")


def test_quarantine_outlives_the_process_and_can_be_lifted(tmp_path: Path) -> None:
    cache_of(tmp_path).quarantine(OFFER, "an offset is still in the numbers")
    cache = cache_of(tmp_path)
    assert cache.quarantined(OFFER) == "an offset is still in the numbers"
    assert cache.quarantined(replace(OFFER, created_at=NOW)) is None
    (trouble,) = cache.quarantines()
    assert (trouble.product_id, trouble.since) == (OFFER.product_id, NOW)
    assert cache.release("another") == 0
    assert cache.release(OFFER.product_id) == 1
    assert cache.quarantined(OFFER) is None


def test_failures_are_counted_with_their_last_reason(tmp_path: Path) -> None:
    assert cache_of(tmp_path).note_failure(OFFER, "HTTP 500") == 1
    later = NOW + timedelta(days=7)
    assert cache_of(tmp_path, later).note_failure(OFFER, "HTTP 404") == 2
    (trouble,) = cache_of(tmp_path).failures()
    assert (trouble.reason, trouble.attempts) == ("HTTP 404", 2)
    assert (trouble.since, trouble.last_at) == (NOW, later)
    cache_of(tmp_path).note_success(OFFER)
    assert not cache_of(tmp_path).failures()


def test_a_check_is_remembered_for_its_scope(tmp_path: Path) -> None:
    cache_of(tmp_path).note_checked(OFFER, "grid bands 1", "sound")
    assert cache_of(tmp_path).is_checked(OFFER, "grid bands 1")
    assert not cache_of(tmp_path).is_checked(OFFER, "grid bands 2")
    assert not cache_of(tmp_path).is_checked(OTHER, "grid bands 1")


def test_an_empty_cache_has_nothing(tmp_path: Path) -> None:
    cache = cache_of(tmp_path)
    assert cache.pieces() == cache.failures() == cache.quarantines() == ()
    assert cache.total_bytes() == 0
    assert cache.verify().sound == 0
    assert cache.prune(keep=(), older_than=NOW).pieces == 0
    assert not (tmp_path / "cache").exists()


# -------------------------------------------------------------------------- pieces


def test_the_same_numbers_are_the_same_bytes_however_many_threads_there_are() -> None:
    # enough for several blocks, which threads would end in any order
    whole = np.random.default_rng(7).integers(0, 3000, (4, 512, 512), dtype=np.uint16)
    large = replace(
        numbers(),
        bands_10m=("B02", "B03", "B04", "B08"),
        dn_10m=whole,
        bands_20m=(),
        dn_20m=whole[:0, :256, :256],
        scl=np.zeros((256, 256), dtype=np.uint8),
    )
    before = numcodecs.blosc.set_nthreads(4)
    try:
        assert len({encode(large) for _ in range(8)}) == 1
    finally:
        numcodecs.blosc.set_nthreads(before)
    assert same(decode(encode(large)), large)


def test_numbers_without_bands_of_one_kind_come_back(tmp_path: Path) -> None:
    only = replace(numbers(), bands_20m=(), dn_20m=numbers().dn_20m[:0])
    assert same(decode(encode(only)), only)
    kept = cache_of(tmp_path).fetch(OFFER, WINDOW, BANDS[:2], lambda: only)
    assert same(cache_of(tmp_path).get(OFFER, WINDOW, BANDS[:2]), kept)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\n",
        b"[]\n",
        b"{}\n",
        b"[" * 5000 + b"\n",
        json.dumps(
            {
                "format": "rsmonitor piece 1",
                "shapes": [[-1], [2], [3]],
                "lengths": [0, 0, 0],
                "bands_10m": [],
                "bands_20m": [],
            }
        ).encode()
        + b"\n",
    ],
)
def test_what_is_no_piece_is_refused(data: bytes) -> None:
    with pytest.raises(StoreError):
        decode(data)
