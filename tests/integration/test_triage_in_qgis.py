"""The triage file in real QGIS: opened, read, edited, drawn, and brought back.

QGIS runs in a process of its own, under the Python that it is built for; see
``tests/qgis/triage_session.py``.
"""

import json
import os
import shutil
import subprocess
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from PIL import Image
from returned import office
from sample_package import sample_package

from rsmonitor.io.deliver.triage.columns import COLUMNS, JUDGED, TITLES
from rsmonitor.io.deliver.triage.file import write_triage
from rsmonitor.io.deliver.typesetting import font_folder
from rsmonitor.records.basemap import Basemap
from rsmonitor.records.disturbance import CAUSE_LABELS, Cause
from rsmonitor.records.finding import JUDGEMENT_LABELS, Judgement
from rsmonitor.records.package import Package
from rsmonitor.wiring.returns import import_findings, open_desk

pytestmark = pytest.mark.needs_program("python3:qgis.core", "python3-qgis")

SESSION = Path(__file__).parents[1] / "qgis" / "triage_session.py"
HOSTILE = '<img src=x onerror="alert(1)">[% 1+1 %]&amp;'
WARNING = 1

EDITS: list[dict[str, Any]] = [
    {"fid": 1, "set": {"cause": "digging", "verdict": "unlawful", "who": "李华"}},
    {"fid": 2, "set": {"verdict": "nonsense"}},
    {"fid": 2, "set": {"verdict": "pseudo_change"}},
    {"fid": 2, "set": {"cause": "orchard", "verdict": "pseudo_change"}},
    {"fid": 3, "set": {"category": "legacy"}},
    {"fid": 3, "set": {"area_mu": 0.1}},
    {"fid": 3, "move": True},
    {"fid": 3, "delete": True},
    {"fid": 3, "copy": True},
    {"fid": 3, "set": {"note": "等新影像"}},
]
TAKEN = (0, 3, 9)


def qgis(folder: Path, job: dict[str, Any]) -> dict[str, Any]:
    """Run a session of QGIS."""
    runtime = folder / "runtime"
    runtime.mkdir(mode=0o700, exist_ok=True)
    fonts = folder / "fonts.conf"
    fonts.write_text(
        '<?xml version="1.0"?><!DOCTYPE fontconfig SYSTEM "fonts.dtd"><fontconfig>'
        '<include ignore_missing="yes">/etc/fonts/fonts.conf</include>'
        f"<dir>{font_folder()}</dir><cachedir>{folder}/fonts</cachedir></fontconfig>"
    )
    written = folder / "job.json"
    written.write_text(json.dumps(job), encoding="utf-8")
    ran = subprocess.run(  # noqa: S603 - our own script
        ["/usr/bin/python3", str(SESSION), str(written)],
        check=True,
        capture_output=True,
        timeout=60,
        env={
            "HOME": str(folder),
            "PATH": os.environ["PATH"],
            "LANG": "C.UTF-8",
            "QT_QPA_PLATFORM": "offscreen",
            "XDG_RUNTIME_DIR": str(runtime),
            "FONTCONFIG_FILE": str(fonts),
        },
    )
    told: dict[str, Any] = json.loads(ran.stdout)
    return told


@pytest.fixture(scope="module")
def package() -> Package:
    package = sample_package(alerts=3)
    first, *others = package.register.licences
    register = replace(
        package.register, licences=(replace(first, holder=HOSTILE), *others)
    )
    return replace(package, register=register)


@pytest.fixture(scope="module")
def folder(package: Package, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a delivery that was carried elsewhere before anybody opens it."""
    made = tmp_path_factory.mktemp("made")
    own = made / "own.tif"
    with rasterio.open(
        own,
        "w",
        driver="GTiff",
        height=4,
        width=4,
        count=3,
        dtype="uint8",
        crs="EPSG:4490",
        transform=rasterio.Affine(0.03, 0, 22.1, 0, -0.03, 45.3),
    ) as image:
        image.write(np.full((3, 4, 4), 200, dtype=np.uint8))
    delivery = made / "delivery"
    delivery.mkdir()
    write_triage(
        delivery,
        package,
        basemaps=[Basemap(title="航片", source=str(own), on="2026-05")],
    )
    carried = tmp_path_factory.mktemp("寻乌 县")
    return Path(shutil.move(delivery, carried / "2020-W40"))


@pytest.fixture(scope="module")
def session(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    work = tmp_path_factory.mktemp("session")
    return qgis(
        work,
        {
            "project": str(folder / "triage.qgz"),
            "png": str(folder / "map.png"),
            "tips": [1],
            "licence_tips": [1],
            "edits": EDITS,
        },
    )


def test_the_project_opens_without_a_word(session: dict[str, Any]) -> None:
    assert (session["read"], session["error"]) == (True, "")
    # what is said is said of the edits that were refused, and of nothing else
    said = [text for _, _, text in session["messages"]]
    assert all(
        text.startswith(("Commit errors", "Unbalanced call to leaveUpdateMode"))
        for text in said
    )
    assert session["title"] == "寻乌县 2020-W40 线索判读"


def test_layers_are_valid_where_they_belong_and_in_their_order(
    session: dict[str, Any], package: Package
) -> None:
    layers = session["layers"]
    assert all(layer["valid"] and layer["crs"] for layer in layers)
    assert [layer["id"] for layer in layers] == [
        *("triage_alerts", "triage_licences", "triage_borders", "triage_coverage"),
        *("imagery_after_1", "imagery_before_1", "bureau_basemap_1"),
    ]
    crs = package.overviews[0].grid.crs
    assert session["crs"] == crs
    assert [layer["crs"] for layer in layers[-3:]] == [crs, crs, "EPSG:4490"]
    assert layers[-1]["name"] == "航片 (2026-05)"
    assert not session["licences_editable"]


def test_alerts_are_drawn_by_category_and_tier_under_chinese_titles(
    session: dict[str, Any], package: Package
) -> None:
    alerts = session["layers"][0]
    assert alerts["rows"] == len(package.dossiers)
    assert alerts["aliases"] == [TITLES[column][0] for column in COLUMNS]
    assert {value for value, _, _ in alerts["categories"]} == {
        f"{d.alert.verdict.category.value} {d.alert.site.latest.disturbance.tier.code}"
        for d in package.dossiers
    }


def test_the_form_asks_for_the_verdict_first_and_for_nothing_else(
    session: dict[str, Any],
) -> None:
    form = session["form"]
    assert form["order"][: len(JUDGED)] == [*JUDGED]
    assert form["tabs"] == ["判读", "依据"]
    assert set(form["editable"]) == set(JUDGED)
    assert set(form["order"]) == set(COLUMNS)
    assert form["widgets"]["judged_on"] == "DateTime"
    assert form["widgets"]["photos"] == "ExternalResource"
    assert form["sort"] == '"place"'
    (nothing, *listed), (no_cause, *causes) = (
        [next(iter(each.items())) for each in form["lists"][name]]
        for name in ("verdict", "cause")
    )
    assert nothing[0] == "（未判定）"
    assert nothing[1] == no_cause[1] != ""
    assert listed == [(JUDGEMENT_LABELS[j][0], j.value) for j in Judgement]
    assert causes == [(CAUSE_LABELS[c][0], c.value) for c in Cause]


def test_the_file_itself_refuses_what_no_import_would_take(
    session: dict[str, Any],
) -> None:
    done = [edit["done"] for edit in session["edits"]]
    assert done == [number in TAKEN for number in range(len(EDITS))]
    told = [edit["errors"] for edit in session["edits"]]
    for number, words in {
        1: "不认识的判定",
        2: "伪变化须填写非采矿类原因",
        4: "监测事实不可修改",
        5: "facts are fixed",
        6: "图斑边界不可修改",
        7: "线索不可增加或删除",
        8: "线索不可增加或删除",
    }.items():
        assert words in told[number]
    rows = session["rows"]
    today = date.today().isoformat()  # noqa: DTZ011 - QGIS asks the machine's calendar
    assert rows["1"] == {
        "verdict": "unlawful",
        "cause": "digging",
        "who": "李华",
        "note": None,
        "judged_on": today,
        "photos": None,
        "place": 1,
    }
    assert (rows["2"]["verdict"], rows["2"]["cause"]) == ("pseudo_change", "orchard")
    assert (rows["3"]["verdict"], rows["3"]["note"]) == (None, "等新影像")
    assert rows["3"]["judged_on"] is None


def test_what_strangers_wrote_is_text_in_map_tips(session: dict[str, Any]) -> None:
    (tip,) = session["licence_tips"]
    assert "&lt;img src=x onerror=&quot;alert(1)&quot;&gt;[% 1+1 %]&amp;amp;" in tip
    assert "<img" not in tip
    (tip,) = session["tips"]
    assert tip.count("data:image/jpeg;base64,") == 2
    assert "变化前" in tip
    assert "[%" not in tip


def test_a_bookmark_leads_from_one_alert_to_the_next(
    session: dict[str, Any], package: Package
) -> None:
    names = [name for name, _ in session["bookmarks"]]
    assert [name.split()[:2] for name in names] == [
        [str(d.place), d.short_name] for d in package.dossiers
    ]


def test_the_map_is_drawn_with_imagery_and_outlines(
    session: dict[str, Any], folder: Path
) -> None:
    assert session["read"]
    with Image.open(folder / "map.png") as image:
        seen = np.asarray(image.convert("RGB")).astype(int)
    white = (seen > 250).all(axis=-1)
    black = (seen < 10).all(axis=-1)
    green = (seen[..., 1] > seen[..., 0] + 15) & (seen[..., 1] > seen[..., 2] + 15)
    assert 0.002 < black.mean() < 0.2  # outlines and numbers
    assert 0.05 < green.mean() < 0.95  # ground
    assert white.mean() < 0.9


def test_the_copy_inside_the_geopackage_opens_too_and_the_edits_come_back(
    session: dict[str, Any], folder: Path, package: Package, tmp_path: Path
) -> None:
    assert session["read"]
    path = folder / "triage.gpkg"
    told = qgis(
        tmp_path,
        {"project": f"geopackage:{path}?projectName=triage", "alone": str(path)},
    )
    assert told["read"]
    assert told["messages"] == []
    assert all(layer["valid"] for layer in told["layers"])
    assert told["rows"]["1"]["verdict"] == "unlawful"
    # whoever adds the layer to a project of his own finds form and style as well
    assert told["alone"] == session["form"]

    sites = [replace(d.alert.site, district="demo") for d in package.dossiers]
    desk = open_desk(office(tmp_path / "office", sites))
    done = import_findings(desk, path, who="王强", apply=True)
    assert done.applied == 2
    assert [
        (line.finding.judged_by, line.finding.judgement) for line in done.lines
    ] == [
        ("李华", Judgement.UNLAWFUL),
        ("王强", Judgement.PSEUDO_CHANGE),
    ]
    assert done.refused == ()
