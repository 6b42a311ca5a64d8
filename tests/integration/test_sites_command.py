"""Sites of the demo over time: a felling that grows, goes quiet and regreens."""

import json
import shutil
from pathlib import Path

import matplotlib.image
import pytest
from commands import rsmonitor
from demo_run import Demos, shared_demos  # noqa: F401

GREW_QUIET_GREEN = "srn7lwdvoqwzw"
"""Felled in the winter of 2018, grown twice, quiet, and greening at the end."""


@pytest.fixture(scope="module")
def config(demos: Demos, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give the demo's settings over a copy of its work folder, sites followed."""
    folder = tmp_path_factory.mktemp("sites")
    shutil.copytree(demos.folder / "work", folder / "work")
    configs = Path(__file__).parents[2] / "configs"
    text = (configs / "demo.toml").read_text(encoding="utf-8")
    path = folder / "demo.toml"
    path.write_text(
        text.replace('"../demo-out/work"', f'"{folder / "work"}"')
        .replace('"../demo-out"', f'"{folder / "out"}"')
        .replace('"demo_licences', f'"{configs}/demo_licences'),
        encoding="utf-8",
    )
    ran = rsmonitor("sites", "follow", path, scratch=folder / "1")
    assert ran.code == 0, ran.stderr
    assert "observations added" in ran.stdout
    again = rsmonitor("sites", "follow", path, scratch=folder / "2")
    assert "demo-romania: 0 observations added" in again.stdout
    return path


def test_a_felling_of_the_demo_grows_goes_quiet_and_regreens(
    config: Path, tmp_path: Path
) -> None:
    ran = rsmonitor(
        "sites", "show", config, GREW_QUIET_GREEN, "--json", scratch=tmp_path
    )
    assert ran.code == 0, ran.stderr
    told = json.loads(ran.stdout)
    assert [(p["phase"], p["since"]) for p in told["periods"]] == [
        ("new", "2018-11-08"),
        ("active", "2019-04-07"),
        ("dormant", "2019-07-06"),
        ("restarted", "2020-05-11"),
        ("dormant", "2020-08-29"),
        ("restoring", "2020-09-08"),
    ]
    grew = [(step["day"], step["area_m2"]) for step in told["area_by_date"]]
    assert grew == [
        ("2018-11-08", 800.0),
        ("2019-04-07", 2900.0),
        ("2020-05-11", 6600.0),
    ]
    own = [point["own"] for point in told["recovery"]]
    assert min(own) < 0.75
    assert own[-1] > 0.9
    assert told["delay_90_days"] >= told["delay_median_days"] > 0


def test_the_list_says_of_every_site_what_it_is_going_through(
    config: Path, tmp_path: Path
) -> None:
    ran = rsmonitor("sites", "list", config, "--json", scratch=tmp_path)
    told = json.loads(ran.stdout)
    assert GREW_QUIET_GREEN in {each["site_id"] for each in told}
    plain = rsmonitor(
        "sites", "list", config, "--phase", "restoring", scratch=tmp_path / "2"
    )
    restoring = sum(each["phase"] == "restoring" for each in told)
    assert plain.stdout.splitlines()[-1] == f"{restoring} sites"
    assert "植被恢复中 restoring" in plain.stdout


def test_when_a_site_counts_as_quiet_stands_in_the_settings(
    config: Path, tmp_path: Path
) -> None:
    patient = config.with_name("patient.toml")
    text = config.read_text(encoding="utf-8")
    patient.write_text(f"{text}\n[life]\nquiet_days = 3660\n", encoding="utf-8")
    ran = rsmonitor(
        "sites", "show", patient, GREW_QUIET_GREEN, "--json", scratch=tmp_path
    )
    assert ran.code == 0, ran.stderr
    phases = [period["phase"] for period in json.loads(ran.stdout)["periods"]]
    assert phases == ["new", "active"]


def test_the_family_tree_of_the_demo_names_what_merged(
    config: Path, tmp_path: Path
) -> None:
    ran = rsmonitor("sites", "show", config, "sblxcaamajbb3", scratch=tmp_path)
    assert "parents: " in ran.stdout
    assert "sm6xkswf6bhw6" in ran.stdout


def test_a_timeline_is_drawn_and_drawn_the_same_again(
    config: Path, tmp_path: Path
) -> None:
    first, second = tmp_path / "a.png", tmp_path / "b.png"
    for number, out in enumerate((first, second)):
        ran = rsmonitor(
            "sites", "timeline", config, GREW_QUIET_GREEN, "--out", out,
            scratch=tmp_path / str(number),
        )  # fmt: skip
        assert ran.code == 0, ran.stderr
    assert first.read_bytes() == second.read_bytes()
    picture = matplotlib.image.imread(first)
    assert picture.shape[:2] == (896, 1600)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("show", "nonsense"), "twelve characters"),
        (("show", "saaaaaaaaaaaa"), "no site saaaaaaaaaaaa"),
        (("timeline", GREW_QUIET_GREEN, "--out", "site.jpg"), ".png"),
    ],
)
def test_what_is_wrong_is_named(
    config: Path, tmp_path: Path, arguments: tuple[str, ...], says: str
) -> None:
    command, *rest = arguments
    ran = rsmonitor("sites", command, config, *rest, scratch=tmp_path)
    assert ran.code == 3
    assert says in ran.stderr


def test_without_a_ledger_there_are_no_sites(config: Path, tmp_path: Path) -> None:
    text = config.read_text(encoding="utf-8")
    empty = tmp_path / "empty.toml"
    work = config.parent / "work"
    empty.write_text(text.replace(f'"{work}"', f'"{tmp_path / "none"}"'))
    ran = rsmonitor("sites", "list", empty, scratch=tmp_path / "1")
    assert ran.code == 3
    assert "no run has been committed" in ran.stderr
