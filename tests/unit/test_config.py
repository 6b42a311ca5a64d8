"""Settings: what a file may say, and what a file that says it wrongly is told."""

import json
import re
import tomllib
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rsmonitor.config import (
    DaskSettings,
    LicenceSettings,
    Settings,
    SourceSettings,
    keys,
    read_settings,
)
from rsmonitor.errors import SettingsError
from rsmonitor.records.parameters import Parameters

ROOT = Path(__file__).parents[2]

LEAST = {
    "district.code": '"360728"',
    "district.name_zh": '"定南县"',
    "district.name_en": '"Dingnan"',
    "district.bureau": '"局"',
    "source.kind": '"cube"',
    "source.files": '["cube.nc"]',
    "history.until": "2018-06-30",
    "run.work": '"work"',
    "run.out": '"out"',
}
"""The keys that no file may leave out."""

OTHER = {
    "history.until": "2018-06-29",
    "history.start": "2016-01-01",
    "history.harmonics": "2",
    "history.min_looks": "13",
    "history.ridge": "0.31",
    "history.sample_pixels": "10001",
    "clear.clear_classes": "[4, 5, 6]",
    "clear.grown_classes": "[3, 8, 9]",
    "clear.grow_m": "30.0",
    "clear.snow_ndsi": "0.3",
    "clear.snow_green": "0.09",
    "rescue.looks": "4",
    "rescue.spare": "2",
    "rescue.brightness_ratio": "1.5",
    "rescue.max_extent_m": "310.0",
    "rescue.ring_m": "160.0",
    "rescue.max_obscured": "0.2",
    "rescue.max_cloud_share": "0.4",
    "rescue.cloud_displacement": "-0.3",
    "rescue.ground_displacement": "0.2",
    "rescue.min_flat_m2": "3100.0",
    "rescue.haze": "0.05",
    "rescue.haze_window_m": "310.0",
    "evidence.indices": '["ndvi"]',
    "evidence.drop": "5.0",
    "evidence.clip": "3.0",
    "evidence.low": "7.0",
    "evidence.medium": "9.0",
    "evidence.high": "13.0",
    "evidence.cap": "25.0",
    "evidence.min_sample": "201",
    "outline.min_pixels": "5",
    "history.bare_ndvi": "0.2",
    "history.break_step": "5.0",
    "outline.edge_share": "0.2",
    "outline.edge_pixels": "1",
    "outline.growth_gap_days": "46",
    "tracking.min_overlap": "0.2",
    "tracking.recovering_days": "61",
    "licensing.position_error_m": "21.0",
    "licensing.min_part_m2": "201.0",
    "licensing.construction_near_m": "201.0",
    "licensing.exploration_works_m2": "1001.0",
    "alerting.area_change": "0.3",
    "source.scale": "0.0001",
    "source.offset": "-0.1",
    "source.platform": '"S2B"',
    "source.service": '"cdse"',
    "source.url": '"https://example.org"',
}
"""Another value for every key that can change a result."""

ELSEWHERE = {
    "source.files": '["another/cube.nc"]',
    "source.distribution": '"nrt"',
    "source.extra": '"demo"',
    "source.sha256": f'["{"0" * 64}"]',
    "source.path": '"products"',
    "source.token_url": '"https://example.org/token"',
    "source.credentials": '"secret.toml"',
    "source.offline": "true",
    "source.area": '"districts.geojson"',
    "source.border": '"county.geojson"',
    "source.cells": '["50RLN_05"]',
    "source.cache": '"elsewhere-cache"',
    "source.keep_days": "365",
    "borders.file": '"borders.geojson"',
    "borders.package": "true",
    "borders.provinces": '["36"]',
    "licences.files": '["licences.geojson"]',
    "terrain.elevation": '["dem.tif"]',
    "terrain.shadow": "false",
    "licences.register": '"register.sqlite"',
    "law.rules": '"rules.toml"',
    "cases.due_days": "15",
    "cases.province_check_mu": "5.0",
    "cases.signing_key": '"head.pem"',
    "life.clear_share": "0.6",
    "life.quiet_days": "91",
    "life.quiet_looks": "4",
    "life.growth_m2": "401.0",
    "life.growing_season": "0.8",
    "life.lost": "0.8",
    "life.greening": "0.2",
    "life.recovered": "0.95",
    "life.recovered_days": "366",
    "life.bare_before": "0.3",
    "life.bare_after": "0.06",
    "tips.within_m": "501.0",
    "tips.days_ahead": "121",
    "tips.days_behind": "366",
    "classify.model": '"cause/1"',
    "deliver.out": '"out-there"',
    "deliver.pages": "3",
    "deliver.language": '"en"',
    "deliver.names": '["3607=赣州市"]',
    "deliver.levels": '["county"]',
    "deliver.visit_start": "[115.0, 24.8]",
    "deliver.map_links": "true",
    "deliver.keep_weeks": "2",
    "deliver.basemaps": '[{title = "高分二号", source = "gf2.tif", on = "2026-09"}]',
    "deliver.servers": '[{area = "360728", host = "sftp.example.org", user = "rsm", '
    'key_file = "key", known_hosts = "hosts", port = 2222, path = "in"}]',
    "mail.host": '"mail.example.org"',
    "mail.port": "587",
    "mail.security": '"starttls"',
    "mail.sender": '"watch@example.org"',
    "mail.user": '"watch"',
    "mail.password_file": '"mail-password"',
    "mail.ca": '"ca.pem"',
    "mail.largest_mb": "5",
    "mail.recipients": '[{area = "360728", addresses = ["li@example.org"]}]',
    "schedule.run_at": '"07:30"',
    "schedule.deliver_at": '"23:59"',
    "schedule.deliver_grace_hours": "0",
    "schedule.verify_at": '"00:00"',
    "schedule.prune_at": '"12:00"',
    "schedule.catch_up_weeks": "1",
    "schedule.retry_minutes": "5",
    "schedule.longest_hours": "1",
    "notices.addresses": '["ops@example.org"]',
    "notices.stale_days": "14",
    "notices.no_run_days": "15",
    "notices.disk_free_gb": "0.5",
    "notices.failures": "1",
    "notices.waiting_hours": "1",
    "notices.precision_below": "0.6",
    "store.url": '"postgresql://watch@db.example.org/office"',
    "store.schema": '"office_2"',
    "run.work": '"elsewhere"',
    "run.out": '"elsewhere-out"',
    "run.block_size": "64",
    "run.workers": "2",
    "run.keep_runs": "3",
    "dask.scheduler": '"tls://10.0.0.1:8786"',
    "dask.tls_ca": '"ca.pem"',
    "dask.tls_cert": '"cert.pem"',
    "dask.tls_key": '"key.pem"',
}
"""Another value for every key that only says where and how."""

PLACE = {
    "district.code": '"360729"',
    "district.name_zh": '"全南县"',
    "district.name_en": '"Quannan"',
    "district.bureau": '"另一局"',
    "district.county_codes": '["360729"]',
}

Write = Callable[..., Path]


def server(**other: str | int) -> str:
    """Give a server that takes packages, with something else in it."""
    said = {"area": "1", "host": "h", "user": "u", "key_file": "k", "known_hosts": "k"}
    table = {**said, **other}
    return f"[{{{', '.join(f'{k} = {json.dumps(v)}' for k, v in table.items())}}}]"


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Give a function that writes the least settings, with some keys changed."""

    def settings_file(
        values: dict[str, str] | None = None, *, without: str = ""
    ) -> Path:
        return write_to(tmp_path / "watch.toml", values, without=without)

    return settings_file


def write_to(path: Path, values: dict[str, str] | None, *, without: str = "") -> Path:
    merged = {**LEAST, **(values or {})}
    merged.pop(without, None)
    path.write_text("\n".join(f"{k} = {v}" for k, v in merged.items()), "utf-8")
    return path


def refusal(path: Path) -> str:
    """Read a file that must be refused; give the message without the file's name."""
    with pytest.raises(SettingsError) as caught:
        read_settings(path)
    text = str(caught.value)
    assert text.startswith(f"{path}: "), "names the file"
    return text.removeprefix(f"{path}: ")


# ------------------------------------------------------------------------- what is said


def test_the_keys_that_must_be_given_are_enough(write: Write) -> None:
    settings = read_settings(write())
    assert settings.district.name_zh == "定南县"
    assert settings.source == SourceSettings(kind="cube", files=("cube.nc",))
    assert settings.history.until == date(2018, 6, 30)
    assert settings.licences == LicenceSettings()
    assert settings.parameters == Parameters(history=settings.history)


def test_every_key_reaches_its_field(write: Write) -> None:
    given_values = {**OTHER, **ELSEWHERE, **PLACE}
    assert sorted({**LEAST, **given_values}) == sorted(keys())
    settings = read_settings(write(given_values))
    for key, text in given_values.items():
        table, name = key.split(".")
        expected = tomllib.loads(f"v = {text}")["v"]
        found = getattr(getattr(settings, table), name)
        if isinstance(expected, list):
            expected = tuple(expected)
        if expected and isinstance(expected, tuple) and isinstance(expected[0], dict):
            found = tuple(_said(each, expected[0]) for each in found)
        assert found == expected, key


def _said(record: object, table: dict[str, Any]) -> dict[str, Any]:
    """Give what a record says of the keys of a table."""
    values = {key: getattr(record, key) for key in table}
    return {k: list(v) if isinstance(v, tuple) else v for k, v in values.items()}


@pytest.mark.parametrize(
    ("key", "value", "rule"),
    [
        ("deliver.language", '"de"', "zh or en"),
        ("deliver.levels", '["town"]', "county, prefecture and province"),
        ("deliver.names", '["360728=定南县"]', "two or four digits"),
        ("deliver.visit_start", "[115.0]", "longitude and latitude"),
        ("deliver.visit_start", "[24.8, 115.0]", "longitude and latitude"),
        ("deliver.pages", "-1", "negative"),
        ("deliver.basemaps", '[{title = "", source = "x.tif"}]', "title"),
        ("deliver.basemaps", '[{title = "a", source = "b", colour = "c"}]', "unknown"),
        ("deliver.servers", server(host="-oProxyCommand=x"), "host must match"),
        ("deliver.servers", server(port=0), "1 to 65535"),
        ("deliver.servers", server(path="../up"), "must be plain"),
        ("deliver.servers", server(path="a\nb"), "must be plain"),
        ("deliver.servers", server(key_file=""), "name a key_file"),
        ("mail.security", '"none"', "tls or starttls"),
        ("mail.port", "0", "1 to 65535"),
        ("mail.sender", '"nobody"', "mail address"),
        ("mail.recipients", '[{area = "1", addresses = ["a b@c"]}]', "mail address"),
        (
            "mail.recipients",
            '[{area = "1", addresses = ["a@b.c\\nBcc: x@y.z"]}]',
            "mail address",
        ),
        ("mail.recipients", '[{area = "1", addresses = []}]', "no address"),
    ],
)
def test_what_cannot_be_delivered_is_refused(
    write: Write, key: str, value: str, rule: str
) -> None:
    assert rule in refusal(write({key: value}))


@pytest.mark.parametrize(
    ("key", "value", "rule"),
    [
        ("store.url", '"postgresql://me:secret@host/db"', "holds a password"),
        ("store.url", '"service=a password=secret"', "holds a password"),
        ("store.url", '"postgresql://host/db?password=secret"', "holds a password"),
        ("store.url", '"postgresql://[host/db"', "holds a password"),
        ("store.url", '"ledger.sqlite"', "must begin with postgresql://"),
        ("store.schema", '"pg_own"', "store.schema must match"),
        ("store.schema", "'a\"; DROP'", "store.schema must match"),
    ],
)
def test_a_store_that_tells_a_secret_or_is_none_is_refused(
    write: Write, key: str, value: str, rule: str
) -> None:
    said = refusal(write({key: value}))
    assert rule in said
    assert "secret" not in said


@pytest.mark.parametrize(
    ("key", "value", "rule"),
    [
        ("schedule.run_at", '"6:00"', "time of day such as 06:00"),
        ("schedule.prune_at", '"24:00"', "time of day such as 06:00"),
        ("schedule.catch_up_weeks", "0", "catch_up_weeks must be 1 to"),
        ("schedule.retry_minutes", "0", "retry_minutes must be 1 to"),
        ("schedule.deliver_grace_hours", "-1", "deliver_grace_hours must be 0 to"),
        ("schedule.longest_hours", "0", "longest_hours must be 1 to"),
        ("notices.addresses", '["ops"]', "mail address"),
        ("notices.stale_days", "0", "stale_days must be 1 to"),
        ("notices.disk_free_gb", "nan", "disk_free_gb must be finite"),
        ("notices.precision_below", "1.5", "precision_below must be from 0 to 1"),
    ],
)
def test_what_cannot_be_scheduled_or_told_is_refused(
    write: Write, key: str, value: str, rule: str
) -> None:
    said = refusal(write({key: value}))
    assert said.startswith(f"[{key.partition('.')[0]}] ")
    assert rule in said


@pytest.mark.parametrize(
    ("key", "value", "rule"),
    [
        ("life.lost", "0.0", "life.lost must be in (0, 1]"),
        ("life.quiet_days", "0", "life.quiet_days must be from 1 to 3660"),
        ("life.growth_m2", "0.0", "life.growth_m2 must be positive"),
        ("life.bare_after", "0.2", "must be below bare_before"),
        ("tips.within_m", "-1.0", "within_m must be 0 or more"),
        ("tips.within_m", "inf", "within_m must be 0 or more"),
        ("tips.days_ahead", "-1", "days_ahead must be from 0 to 36500"),
        ("tips.days_behind", "9000000000", "days_behind must be from 0 to 36500"),
    ],
)
def test_what_says_nothing_of_sites_and_tips_is_refused(
    write: Write, key: str, value: str, rule: str
) -> None:
    said = refusal(write({key: value}))
    assert said.startswith(f"[{key.partition('.')[0]}] ")
    assert rule in said


@pytest.mark.parametrize("name", ["default.toml", "demo.toml"])
def test_the_settings_that_ship_can_be_read(name: str) -> None:
    assert isinstance(read_settings(ROOT / "configs" / name), Settings)


def test_the_default_settings_are_the_defaults(write: Write) -> None:
    shipped = read_settings(ROOT / "configs" / "default.toml")
    assert shipped.parameters == read_settings(write()).parameters
    assert shipped.life == read_settings(write()).life
    assert shipped.tips == read_settings(write()).tips
    assert shipped.schedule == read_settings(write()).schedule
    assert shipped.notices == read_settings(write()).notices
    assert shipped.digest == read_settings(write()).digest


def test_a_whole_number_will_do_for_a_number(write: Write) -> None:
    settings = read_settings(write({"evidence.drop": "6"}))
    assert isinstance(settings.evidence.drop, float)
    assert settings.digest == read_settings(write()).digest


def test_paths_start_from_the_folder_of_the_file(
    write: Write, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    path = write()
    monkeypatch.chdir("/")
    monkeypatch.setenv("CUBES", "/somewhere")
    monkeypatch.setenv("HOME", "/home/of")
    settings = read_settings(path)
    assert settings.path("a/b.nc") == tmp_path / "a" / "b.nc"
    assert settings.path("/x/b.nc") == Path("/x/b.nc")
    assert settings.path("$CUBES/b.nc") == Path("/somewhere/b.nc")
    assert settings.path("~/b.nc") == Path("/home/of/b.nc")


def test_a_register_is_named_or_left_out_and_never_empty(write: Write) -> None:
    assert read_settings(write()).licences.register is None
    said = refusal(write({"licences.register": '" "'}))
    assert said.startswith("[licences] licences.register is empty")


@pytest.mark.parametrize(
    "scheduler",
    ["tcp://node-1.office:8786", "tcp://127.0.0.1:1", "tls://[fe80::1]:65535"],
)
def test_a_cluster_is_one_line(write: Write, scheduler: str) -> None:
    settings = read_settings(write({"dask.scheduler": f'"{scheduler}"'}))
    assert settings.dask == DaskSettings(scheduler=scheduler)
    assert read_settings(write()).dask.scheduler is None


# -------------------------------------------------------------------------- the digest


@pytest.mark.parametrize("key", OTHER)
def test_what_can_change_a_result_changes_the_digest(write: Write, key: str) -> None:
    assert (
        read_settings(write({key: OTHER[key]})).digest != read_settings(write()).digest
    )


@pytest.mark.parametrize("key", [*ELSEWHERE, *PLACE])
def test_where_and_how_it_runs_does_not_change_the_digest(
    write: Write, key: str
) -> None:
    changed = read_settings(write({key: {**ELSEWHERE, **PLACE}[key]}))
    assert changed.digest == read_settings(write()).digest


def test_the_digest_does_not_depend_on_the_folder_or_the_order_of_keys(
    write: Write, tmp_path: Path
) -> None:
    here = read_settings(write({"evidence.drop": "5.0", "clear.grow_m": "10.0"}))
    (tmp_path / "there").mkdir()
    there = read_settings(
        write_to(
            tmp_path / "there" / "other.toml",
            {"clear.grow_m": "10.0", "evidence.drop": "5.0"},
        )
    )
    assert here.digest == there.digest
    assert re.fullmatch("[0-9a-f]{64}", here.digest)


def test_what_stands_in_elevation_files_changes_the_digest(write: Write) -> None:
    here = read_settings(write({"terrain.elevation": '["dem.tif"]'}))
    there = read_settings(write({"terrain.elevation": '["elsewhere/other.tif"]'}))
    assert here.digest_with("aa") == there.digest_with("aa"), "names do not count"
    digests = {here.digest_with("aa"), here.digest_with("bb"), here.digest}
    assert len(digests) == 3
    assert here.digest_with(None) == here.digest


def test_with_elevation_what_is_done_with_it_changes_the_digest(write: Write) -> None:
    used = read_settings(write())
    unused = read_settings(write({"terrain.shadow": "false"}))
    assert used.digest_with("aa") != unused.digest_with("aa")


def test_another_algorithm_is_another_digest(
    write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = read_settings(write())
    before = settings.digest
    monkeypatch.setattr("rsmonitor.config.settings.ALGORITHM_VERSION", "next")
    assert settings.digest != before


# ------------------------------------------------------------------------ what is wrong


# a source that is no cube has no files
@pytest.mark.parametrize("key", sorted(LEAST.keys() - {"source.files"}))
def test_a_missing_key_is_named(write: Write, key: str) -> None:
    others = {"history.start": "2016-01-01"}  # so that no table goes with its key
    assert refusal(write(others, without=key)) == f"missing key {key}"


def test_a_missing_table_is_named(tmp_path: Path) -> None:
    path = tmp_path / "empty.toml"
    path.write_text("")
    assert refusal(path) == "missing key district"


@pytest.mark.parametrize(
    ("key", "named", "known"),
    [
        ("evidence.dorp", "evidence.dorp", "indices, drop, clip"),
        ("evidences.drop", "evidences", "district, source, history"),
        ("source.password", "source.password", "kind, files"),
        ("folder", "folder", "district, source, history"),
    ],
)
def test_an_unknown_key_is_named_with_those_that_are_known(
    write: Write, key: str, named: str, known: str
) -> None:
    said = refusal(write({key: "1"}))
    assert said.startswith(f"unknown key {named}; known are {known}")


@pytest.mark.parametrize(
    ("key", "value", "rule"),
    [
        ("terrain.elevation", '"dem.tif"', "must be a list, got 'dem.tif'"),
        ("terrain.shadow", "1", "must be true or false, got 1"),
        ("district.code", "360728", "must be text, got 360728"),
        ("history.until", '"2018-06-30"', "must be a date such as 2018-06-30 without"),
        ("history.until", "2018-06-30T00:00:00Z", "must be a date"),
        ("history.harmonics", "1.0", "must be a whole number, got 1.0"),
        ("history.harmonics", "true", "must be a whole number, got True"),
        ("evidence.drop", '"6"', "must be a number, got '6'"),
        ("evidence.drop", "true", "must be a number, got True"),
        ("source.files", '"cube.nc"', "must be a list, got 'cube.nc'"),
        ("source.files", "[1]", "must be text, got 1"),
        ("clear.clear_classes", "[4, 5.0]", "must be a whole number, got 5.0"),
        ("source.scale", "[1.0]", "must be a number, got [1.0]"),
        ("run.workers", "{}", "must be a whole number, got {}"),
        ("run.workers", "99999999999999999999", "must fit 64 bits"),
        ("evidence.drop", "0x" + "f" * 5000, "must fit 64 bits"),
        ("evidence", "3", "must be a table, got 3"),
    ],
)
def test_a_value_of_another_kind_is_refused_with_key_and_value(
    write: Write, key: str, value: str, rule: str
) -> None:
    said = refusal(write({key: value}))
    assert said.startswith(f"{key} {rule}")


@pytest.mark.parametrize(
    ("key", "value", "table", "rule"),
    [
        ("evidence.drop", "0.0", "evidence", "drop must be from 0.5 to 20.0, got 0.0"),
        ("evidence.drop", "nan", "evidence", "drop must be from 0.5 to 20.0, got nan"),
        ("evidence.low", "3.0", "evidence", "low 3.0 must be above clip 4.0"),
        ("evidence.low", "9.0", "evidence", "levels must rise"),
        ("evidence.cap", "inf", "evidence", "cap must be below 256, got inf"),
        ("evidence.indices", "[]", "evidence", "evidence.indices is empty"),
        ("clear.clear_classes", "[12]", "clear", "SCL classes are 0 to 11, got 12"),
        ("history.start", "2018-06-30", "history", "must be before history.until"),
        ("history.min_looks", "4", "history", "min_looks must be from 5"),
        ("outline.min_pixels", "0", "outline", "min_pixels must be from 1"),
        ("district.code", '"../x"', "district", "District.code must match"),
        ("district.county_codes", '["36"]', "district", "county codes have six digits"),
        ("source.kind", '"ftp"', "source", "source.kind must be one of cube, folder"),
        ("source.kind", '"stac"', "source", "a stac source needs source.area"),
        ("source.files", "[]", "source", "source.files is empty"),
        ("source.sha256", '["", ""]', "source", "2 digests for 1 files"),
        ("source.scale", "0", "source", "source.scale must be positive and finite"),
        ("source.scale", "nan", "source", "source.scale must be positive and finite"),
        ("source.offset", "inf", "source", "source.offset must be finite, got inf"),
        ("run.workers", "0", "run", "run.workers must be at least 1, got 0"),
        ("run.block_size", "-1", "run", "run.block_size must be at least 1, got -1"),
        ("run.keep_runs", "0", "run", "run.keep_runs must be at least 1, got 0"),
        ("dask.scheduler", '""', "dask", "must be tcp://host:port or tls://host:port"),
        ("dask.scheduler", '"host:8786"', "dask", "got 'host:8786'"),
        ("dask.scheduler", '"tcp://host"', "dask", "got 'tcp://host'"),
        ("dask.scheduler", '"tcp://host:0"', "dask", "got 'tcp://host:0'"),
        ("dask.scheduler", '"tcp://host:65536"', "dask", "got 'tcp://host:65536'"),
        ("dask.scheduler", '"http://host:80"', "dask", "got 'http://host:80'"),
        ("dask.scheduler", '"tcp://h:1/x"', "dask", "got 'tcp://h:1/x'"),
    ],
)
def test_a_value_that_breaks_its_own_rule_is_refused_with_table_and_rule(
    write: Write, key: str, value: str, table: str, rule: str
) -> None:
    said = refusal(write({key: value}))
    assert said.startswith(f"[{table}] ")
    assert rule in said


def test_a_password_in_the_address_of_a_cluster_is_refused_and_not_told(
    write: Write,
) -> None:
    said = refusal(write({"dask.scheduler": '"tcp://me:hunter2@host:8786"'}))
    assert "hunter2" not in said
    assert "without user" in said


@pytest.mark.parametrize(
    ("values", "rule"),
    [
        (
            {"dask.scheduler": '"tcp://h:1"', "dask.tls_ca": '"ca.pem"'},
            "dask.tls_ca would not be used: dask.scheduler tcp://h:1 is not encrypted",
        ),
        (
            {"dask.scheduler": '"tls://h:1"', "dask.tls_ca": '"ca.pem"'},
            "dask.tls_cert, dask.tls_key is missing",
        ),
    ],
)
def test_keys_of_a_cluster_that_do_not_go_together_are_refused(
    write: Write, values: dict[str, str], rule: str
) -> None:
    assert refusal(write(values)).startswith(f"[dask] {rule}")


@pytest.mark.parametrize(
    "text",
    [
        "[district",
        "code = ",
        "a = 1\na = 2",
        "until = 2018-02-30",
        "n = " + "1" * 5000,
        "a = " + "[" * 100_000,
        'code = "\u0000"',
    ],
)
def test_what_is_not_toml_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "broken.toml"
    path.write_text(text)
    assert refusal(path).startswith("is not TOML: ")


def test_what_cannot_be_read_is_refused(tmp_path: Path) -> None:
    (tmp_path / "folder.toml").mkdir()
    (tmp_path / "gbk.toml").write_bytes('name_zh = "定南县"'.encode("gbk"))
    for name in ("missing.toml", "folder.toml", "gbk.toml"):
        assert refusal(tmp_path / name).startswith("cannot be read: ")


JUNK = [
    *("nan", "-inf", "0", "-1", "1e308", "true", '""', '"x"', '"\\u0000"', "[]"),
    *("[1]", "[[1]]", '["a", 1]', "{}", "{ a = 1 }", "2018-06-30", "07:32:00"),
    *("2018-06-30T00:00:00Z", "9999-12-31", "0001-01-01", "9223372036854775808"),
]


def test_junk_for_any_key_is_taken_or_refused_and_nothing_else(
    tmp_path: Path,
) -> None:
    path = tmp_path / "junk.toml"
    refusals = []
    for key in keys():
        for junk in JUNK:
            write_to(path, {key: junk})
            try:
                settings = read_settings(path)
            except SettingsError as error:
                refusals.append((key, str(error)))
            else:
                assert len(settings.digest) == 64
    assert len(refusals) > 0.7 * len(keys()) * len(JUNK)
    for key, said in refusals:
        assert said.startswith(f"{path}: ")
        assert key.split(".")[0] in said


@given(st.binary(max_size=200) | st.text(max_size=200).map(str.encode))
def test_any_other_file_is_refused(
    tmp_path_factory: pytest.TempPathFactory, content: bytes
) -> None:
    path = tmp_path_factory.getbasetemp() / "anything.toml"
    path.write_bytes(content)
    assert refusal(path)


def test_settings_cannot_be_changed_after_they_were_checked(write: Write) -> None:
    settings: Any = read_settings(write())
    with pytest.raises(AttributeError):
        settings.folder = "elsewhere"
