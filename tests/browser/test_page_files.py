"""Files of the page: only what the build made, packed, to be kept by a browser."""

import gzip
import json
import shutil
from collections.abc import Iterator, Mapping
from http.client import HTTPConnection
from pathlib import Path

import pytest
from web_served import Served, serve
from web_world import build

from rsmonitor.errors import StoreError
from rsmonitor.records.account import Role
from rsmonitor.web.assets import STATIC, Assets, read_assets

FIRST_LOAD_BYTES = 350_000


@pytest.fixture(scope="module")
def assets() -> Assets:
    found = read_assets()
    if found is None:
        pytest.skip("the page was not built: make web")
    return found


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    world = build(tmp_path_factory.mktemp("world"), each=2)
    with serve(world, {Role.BUREAU: (("360734",),)}) as found:
        yield found


def test_a_file_comes_packed_and_stays(assets: Assets, served: Served) -> None:
    for name, path in assets.files.items():
        packed, plain = (
            _raw(served, name, takes) for takes in ("br, gzip", "identity")
        )
        assert packed[0] == plain[0] == 200
        assert packed[1]["content-encoding"] == "gzip"
        assert "content-encoding" not in plain[1]
        assert gzip.decompress(packed[2]) == plain[2] == path.read_bytes()
        for _, headers, _ in (packed, plain):
            assert "immutable" in headers["cache-control"]
            assert headers["vary"] == "Accept-Encoding"
            assert headers["x-content-type-options"] == "nosniff"
        assert packed[1]["content-type"] == plain[1]["content-type"]


def _raw(served: Served, name: str, takes: str) -> tuple[int, Mapping[str, str], bytes]:
    """Ask for a file, and leave it as it comes."""
    connection = HTTPConnection("127.0.0.1", served.port, timeout=60)
    connection.request("GET", f"/static/{name}", headers={"Accept-Encoding": takes})
    answer = connection.getresponse()
    headers = {key.lower(): value for key, value in answer.getheaders()}
    found = answer.status, headers, answer.read()
    connection.close()
    return found


@pytest.mark.parametrize(
    "name",
    [
        "manifest.json",
        "page.js",
        "..%2Fpages.py",
        "..%2f..%2f..%2fpyproject.toml",
        "%00",
        "page-QM6OMMXZ.js.gz",
    ],
)
def test_nothing_else_is_served(served: Served, name: str) -> None:
    assert served.ask(f"/static/{name}", None).status == 404


def test_what_a_first_visit_loads_is_small(assets: Assets) -> None:
    # with the map, which comes after the list
    names = [name for name in assets.files if name.endswith(".js")]
    names.append(assets.names["page.css"])
    packed = [(STATIC / f"{name}.gz").stat().st_size for name in names]
    assert len(packed) > 5
    assert sum(packed) < FIRST_LOAD_BYTES


def test_the_terms_of_others_go_out_with_the_page(assets: Assets) -> None:
    text = (STATIC / assets.names["licences.txt"]).read_text(encoding="utf-8")
    assert "ol 10" in text
    assert "Redistributions in binary form" in text


@pytest.mark.parametrize(
    "content",
    [
        "",
        "[]",
        '{"names": {}, "needs": {}}',
        '{"names": {}, "needs": {}, "files": {"../secret.js": {}}}',
        '{"names": {}, "needs": {}, "files": {"absent.js": {}}}',
        '{"names": {}, "needs": {}, "files": {"manifest.json": {}}}',
    ],
)
def test_a_damaged_manifest_is_an_error_that_says_what_to_do(
    tmp_path: Path, content: str
) -> None:
    (tmp_path / "manifest.json").write_text(content)
    with pytest.raises(StoreError, match="make web"):
        read_assets(tmp_path)


def test_a_page_that_was_not_built_is_none(tmp_path: Path) -> None:
    assert read_assets(tmp_path) is None


def test_a_name_that_the_build_does_not_know_is_an_error(
    assets: Assets, tmp_path: Path
) -> None:
    folder = tmp_path / "static"
    shutil.copytree(STATIC, folder)
    path = folder / "manifest.json"
    said = json.loads(path.read_text())
    del said["names"]["page.js"]
    path.write_text(json.dumps(said))
    assert assets.url("page.js").startswith("/static/page-")
    found = read_assets(folder)
    assert found is not None
    with pytest.raises(StoreError, match=r"page\.js"):
        found.url("page.js")
