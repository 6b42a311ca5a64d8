"""Data files of an installed distribution are found without importing it."""

import hashlib
import sys
from pathlib import Path

import pytest

from rsmonitor.errors import ContractError, SourceError, SourceUnreachableError
from rsmonitor.io.sources.package import locate

DEMO = {
    "sentinel2_cube_subset_romania_10m.nc": (
        "10165376979ed20f988bef09bf79135ea415e741256ba50fd4fef679b1c1fa9d"
    ),
    "sentinel2_cube_subset_romania_20m.nc": (
        "e22c3545dea25c93b31dea017fb70ba18578c1a6c954bf1040e58218b9fa28ca"
    ),
}
CONTENT = b"a cube"
DIGEST = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Install a distribution that cannot be imported, as pip would lay it out."""
    data = tmp_path / "cubes_of_somewhere" / "data"
    data.mkdir(parents=True)
    (data.parent / "__init__.py").write_text("raise RuntimeError('was imported')")
    (data / "place.nc").write_bytes(CONTENT)
    info = tmp_path / "cubes_of_somewhere-1.2.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Name: cubes-of-somewhere\nVersion: 1.2\n")
    names = ["__init__.py", "data/place.nc", "data/lost.nc"]
    lines = [f"cubes_of_somewhere/{name},," for name in names]
    (info / "RECORD").write_text("\n".join(lines))
    monkeypatch.syspath_prepend(tmp_path)
    return data / "place.nc"


def find(
    *names: str, sha256: str = DIGEST, distribution: str = "cubes-of-somewhere"
) -> list[Path]:
    return locate(distribution, names, dict.fromkeys(names, sha256), "demo")


def test_the_demo_is_what_it_was_when_it_was_measured(
    demo_cube: tuple[Path, Path],
) -> None:
    before = "nrt" in sys.modules  # another test may compare with it
    assert locate("nrt", list(DEMO), DEMO, "demo") == list(demo_cube)
    assert ("nrt" in sys.modules) == before


def test_a_file_is_found_without_importing_its_package(installed: Path) -> None:
    assert find("place.nc") == [installed]
    assert "cubes_of_somewhere" not in sys.modules


def test_a_missing_distribution_says_what_to_install() -> None:
    with pytest.raises(SourceUnreachableError) as caught:
        find("place.nc", distribution="cubes-of-nowhere")
    assert 'pip install "rsmonitor[demo]"' in str(caught.value)
    assert caught.value.exit_code == 5


@pytest.mark.parametrize("name", ["lost.nc", "never.nc"])
def test_a_distribution_without_the_file_says_its_version(
    installed: Path, name: str
) -> None:
    assert installed.is_file()
    with pytest.raises(SourceUnreachableError, match=f"1.2 does not hold {name}"):
        find(name)


def test_other_bytes_are_refused_with_both_checksums(installed: Path) -> None:
    installed.write_bytes(b"another cube")
    with pytest.raises(SourceError) as caught:
        find("place.nc")
    message = str(caught.value)
    assert message.startswith(f"{installed}: ")
    assert DIGEST in message
    assert hashlib.sha256(b"another cube").hexdigest() in message
    assert caught.value.exit_code == 3


def test_a_file_without_a_checksum_is_not_trusted(installed: Path) -> None:
    with pytest.raises(ContractError, match=r"no checksum for place\.nc"):
        locate("cubes-of-somewhere", [installed.name], {}, "demo")
