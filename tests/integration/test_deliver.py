"""Packages of a week on disk: whole, built once, and each county's own only."""

import hashlib
import io
import json
import shutil
import subprocess
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from commands import ROOT, rsmonitor, tree
from demo_run import Demos, shared_demos  # noqa: F401

from rsmonitor.errors import OutputError
from rsmonitor.io.deliver.handheld import short_names
from rsmonitor.records.alert import Alert
from rsmonitor.wiring.deliver import Built, build_packages, kept_packages
from rsmonitor.wiring.packages import Weekly
from rsmonitor.wiring.reports import Books, open_books

XUNWU, PINGYUAN = "360734", "441426"
"""Neighbours in two provinces."""


@pytest.fixture(scope="module")
def config(demos: Demos, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Settings of the demo that was left in peace, with packages of their own."""
    assert demos.ran.code == 0, demos.ran.stderr
    folder = tmp_path_factory.mktemp("office")
    for name in ("demo.toml", "demo_licences.geojson"):
        text = (ROOT / "configs" / name).read_text(encoding="utf-8")
        text = text.replace('"../demo-out/packages', f'"{folder}/packages')
        text = text.replace('"../demo-out', f'"{demos.folder}')
        if name.endswith(".toml"):  # whose last table is [deliver]
            text += 'names = ["3607=赣州市", "36=江西省", "44=广东省"]\n'
        (folder / name).write_text(text, encoding="utf-8")
    return folder / "demo.toml"


@pytest.fixture(scope="module")
def books(config: Path) -> Books:
    """The ledger's words with five alerts: two of each county, and one of both."""
    whole = open_books(config)
    book = whole.books[0]
    codes = [(XUNWU,), (XUNWU, PINGYUAN), (PINGYUAN,), (XUNWU,), (PINGYUAN,)]
    alerts = tuple(
        replace(alert, county_codes=code)
        for alert, code in zip(book.alerts, codes, strict=False)
    )
    return replace(whole, books=(replace(book, alerts=alerts),))


@pytest.fixture(scope="module")
def built(books: Books) -> dict[str, Built]:
    return {each.area.code: each for each in build_packages(books)}


def alerts_of(books: Books, code: str) -> set[str]:
    return {a.alert_id for a in books.alerts if code in a.county_codes}


# --------------------------------------------------------------------- what is built


def test_county_prefecture_and_province_get_theirs(
    books: Books, built: dict[str, Built]
) -> None:
    assert list(built) == [
        *(XUNWU, PINGYUAN, "demo-romania", "3607", "4414", "36", "44")
    ]
    for code in (XUNWU, PINGYUAN):
        named = {each["alert_id"] for each in built[code].manifest["alerts"]}
        assert named == alerts_of(books, code)
        # the province has the same alerts, each once
        above = [each["alert_id"] for each in built[code[:2]].manifest["alerts"]]
        assert sorted(above) == sorted(named)
    assert not built["demo-romania"].manifest["alerts"], "watched, and nothing there"
    names = {path.name for path in built[XUNWU].folder.iterdir()}
    assert names == {
        *("report.pdf", "alerts.geojson", "alerts.xlsx", "coverage.geojson"),
        *("triage.gpkg", "triage.qgz", "imagery", "field", "forms", "stac"),
        *("head.json", "manifest.json"),
    }
    assert "report.pdf" not in {path.name for path in built["36"].folder.iterdir()}
    assert built["3607"].manifest["area"]["name_zh"] == "赣州市"


def test_the_manifest_and_the_zip_hold_every_file(built: dict[str, Built]) -> None:
    for each in built.values():
        said = json.loads((each.folder / "manifest.json").read_text("utf-8"))
        there = {
            path.relative_to(each.folder).as_posix(): path.read_bytes()
            for path in each.folder.rglob("*")
            if path.is_file()
        }
        digests = {k: hashlib.sha256(v).hexdigest() for k, v in there.items()}
        listed = {name: file["sha256"] for name, file in said["files"].items()}
        assert listed == {
            name: digest
            for name, digest in digests.items()
            if name not in {"manifest.json", "head.json"}
        }
        head = json.loads(there["head.json"])
        assert head["manifest_sha256"] == digests["manifest.json"]
        with zipfile.ZipFile(each.archive) as archive:
            inside = {
                name.split("/", 1)[1]: archive.read(name) for name in archive.namelist()
            }
        assert inside == there
        assert hashlib.sha256(each.archive.read_bytes()).hexdigest() == each.sha256


def test_a_package_names_no_alert_of_another_county(
    books: Books, built: dict[str, Built]
) -> None:
    """In no file of it, unpacked as far as it goes; a PDF by its text."""
    short = short_names(alert.alert_id for alert in books.alerts)
    for code in (XUNWU, PINGYUAN):
        others = [a for a in books.alerts if code not in a.county_codes]
        assert others
        own = [a for a in books.alerts if code in a.county_codes]
        words = [word for a in others for word in _words_of(a, short)]
        seen = b""
        for name, data in _unpacked(built[code].folder):
            seen += data
            for word in words:
                assert word.encode() not in data, f"{code} {name}: {word}"
        assert all(a.alert_id.encode() in seen for a in own), "the test can fail"


def _words_of(alert: Alert, short: dict[str, str]) -> tuple[str, ...]:
    """Give what would betray an alert."""
    west, south, east, north = alert.site.latest.disturbance.geometry.bounds
    return (
        alert.alert_id,
        alert.site.site_id,
        short[alert.alert_id],
        *(f"{number:.6f}" for number in (west, south, east, north)),
    )


def _unpacked(folder: Path) -> Iterator[tuple[str, bytes]]:
    """Give every file, those in zips too, and the text of PDFs where it can be had."""
    for path in folder.rglob("*"):
        if not path.is_file() or path.suffix == ".tif":
            continue
        data = path.read_bytes()
        yield path.name, data
        if data.startswith(b"PK"):
            with zipfile.ZipFile(io.BytesIO(data)) as archive:
                for name in archive.namelist():
                    yield f"{path.name}/{name}", archive.read(name)
        if path.suffix == ".pdf" and shutil.which("pdftotext"):
            command = ["pdftotext", "-layout", str(path), "-"]
            ran = subprocess.run(command, capture_output=True, check=True)  # noqa: S603
            yield path.name, ran.stdout


def test_a_site_near_a_border_is_in_both_with_a_note(
    books: Books, built: dict[str, Built]
) -> None:
    both = next(a for a in books.alerts if len(a.county_codes) == 2).alert_id
    for code, other in ((XUNWU, PINGYUAN), (PINGYUAN, XUNWU)):
        said = {e["alert_id"]: e["also"] for e in built[code].manifest["alerts"]}
        assert said[both] == [other]
        assert [also for alert, also in said.items() if alert != both] == [[], []]


# ------------------------------------------------------------------------------- again


def test_what_is_there_is_not_built_again(
    books: Books, built: dict[str, Built]
) -> None:
    root = built[XUNWU].folder.parent
    before = tree(root)
    again = list(build_packages(books))
    assert not any(each.fresh for each in again)
    assert [each.sha256 for each in again] == [each.sha256 for each in built.values()]
    assert tree(root) == before
    week = built[XUNWU].week
    kept = kept_packages(books.books[0].settings, week)
    assert {each.area.code for each in kept} == set(built)


def test_what_a_killed_run_left_is_completed(
    books: Books, built: dict[str, Built]
) -> None:
    one, other = built[XUNWU], built["36"]
    before = tree(one.folder.parent)
    # killed while a zip was written, and before another package was there
    one.archive.write_bytes(one.archive.read_bytes()[:1000])
    shutil.rmtree(other.folder)
    other.archive.unlink()
    list(build_packages(books))
    assert tree(one.folder.parent) == before, "the same bytes"
    # or a disk changed bytes in its middle
    data = bytearray(one.archive.read_bytes())
    for place in range(2000, len(data) - 2000, 500):
        data[place] ^= 0xFF
    one.archive.write_bytes(bytes(data))
    list(build_packages(books))
    assert tree(one.folder.parent) == before, "the same bytes"


def test_a_rebuilt_package_is_a_further_revision(books: Books, tmp_path: Path) -> None:
    settings = books.books[0].settings
    only = replace(settings.deliver, out=str(tmp_path), levels=("province",))
    book = replace(books.books[0], settings=replace(settings, deliver=only))
    first = {e.area.code: e for e in build_packages(replace(books, books=(book,)))}
    fewer = replace(books, books=(replace(book, alerts=book.alerts[:1]),))
    # what was sent stays what it is, unless it is asked for
    assert not any(
        each.fresh for each in build_packages(fewer) if each.area.code == "36"
    )
    again = {e.area.code: e for e in build_packages(fewer, again=True)}
    assert first["36"].revision == 1
    assert again["36"].revision == 2
    assert again["36"].sha256 != first["36"].sha256


def test_a_manifest_that_is_none_says_what_to_do(
    books: Books, built: dict[str, Built]
) -> None:
    path = built["44"].folder / "manifest.json"
    before = path.read_bytes()
    for bad in (b"", b"[]", b"{}", b"[" * 100_000):
        path.write_bytes(bad)
        with pytest.raises(OutputError, match="take the folder away"):
            list(build_packages(books))
    path.write_bytes(before)
    head = built["44"].folder / "head.json"
    kept = head.read_bytes()
    head.unlink()
    with pytest.raises(OutputError, match=r"head\.json cannot be read"):
        list(build_packages(books))
    head.write_bytes(kept)
    good = json.loads(before)
    for area in (
        {},
        "44",
        {**good["area"], "level": "town"},
        {**good["area"], "code": "36"},
    ):
        path.write_text(json.dumps({**good, "area": area}), encoding="utf-8")
        with pytest.raises(OutputError, match="take the folder away"):
            kept_packages(books.books[0].settings, built["44"].week)
    path.write_bytes(before)


# ------------------------------------------------------------------------- the command


def test_the_command(config: Path, demos: Demos, tmp_path: Path) -> None:
    del demos
    wrong = rsmonitor("deliver", config, "--week", "2020-W01", scratch=tmp_path / "1")
    assert wrong.code == 3
    assert "ledger stands at 2020-W53" in wrong.stderr
    usage = rsmonitor("deliver", config, "--week", "last", scratch=tmp_path / "2")
    assert usage.code == 2
    areas = Weekly(open_books(config)).areas()
    assert [area.code for area, _ in areas] == ["demo-romania"]
