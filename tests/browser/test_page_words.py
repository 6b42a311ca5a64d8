"""The words of the page: both languages have the same, and all of them are used."""

import json
import re
import subprocess
from functools import cache
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[2] / "web" / "src"
LITERAL = re.compile(r'"([a-z]+\.[a-z_]+)"')
BUILT = re.compile(r"`([a-z]+)\.\$\{")
PLACE = re.compile(r"\{\w+\}")

pytestmark = pytest.mark.needs_program("node", "nodejs")


@cache
def tables() -> dict[str, dict[str, str]]:
    """Read both tables as a browser does."""
    script = (
        f'const [zh, en] = await Promise.all(["zh", "en"].map((each) =>'
        f" import(`{SOURCE.as_uri()}/words_${{each}}.js`)));"
        "console.log(JSON.stringify({ zh: zh.default, en: en.default }));"
    )
    ran = subprocess.run(  # noqa: S603 - our own words
        ["node", "--input-type=module", "-e", script],  # noqa: S607 - the one on PATH
        check=True,
        capture_output=True,
        text=True,
    )
    found: dict[str, dict[str, str]] = json.loads(ran.stdout)
    return found


def test_both_languages_have_the_same_words() -> None:
    zh, en = tables()["zh"], tables()["en"]
    assert set(zh) == set(en)
    for key in zh:
        assert sorted(PLACE.findall(zh[key])) == sorted(PLACE.findall(en[key])), key
        assert zh[key].strip(), key
        assert en[key].strip(), key


def test_words_in_chinese_are_chinese_and_those_in_english_are_not() -> None:
    chinese = re.compile(r"[\u4e00-\u9fff，]")
    other = {"app.language", "app.language_label"}  # named in the language one turns to
    software = {"download.geopackage", "download.shapefile"}  # names of it
    for key in set(tables()["zh"]) - other:
        zh, en = tables()["zh"][key], tables()["en"][key]
        assert chinese.search(zh) or key in software, key
        assert not chinese.search(en), key


def test_every_word_is_used_and_none_is_missing() -> None:
    text = "\n".join(
        path.read_text(encoding="utf-8")
        for path in SOURCE.glob("*.js")
        if not path.name.startswith("words_")
    )
    known = set(tables()["zh"])
    groups = {key.partition(".")[0] for key in known}
    used = {key for key in LITERAL.findall(text) if key.partition(".")[0] in groups}
    built = set(BUILT.findall(text))
    assert used - known == set()
    assert {key for key in known - used if key.partition(".")[0] not in built} == set()
