"""Pages of the report look as they did when somebody last looked at them."""

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from sample_package import sample_package

from rsmonitor.io.deliver.report.pages import picture_pages

HERE = Path(__file__).parent
DPI = 50
FAR = 48
"""Levels of grey by which a pixel may differ before it counts."""

MOST_FAR = 0.01
"""Share of pixels that may: a version in the foot, an edge of a letter."""


@pytest.fixture(scope="module")
def pages() -> list[bytes]:
    return picture_pages(sample_package(), dpi=DPI)


@pytest.mark.parametrize(("name", "number"), [("front", 0), ("alert", 2)])
def test_a_page_looks_as_it_did(
    name: str, number: int, pages: list[bytes], request: pytest.FixtureRequest
) -> None:
    path = HERE / f"report-{name}.png"
    now = np.asarray(Image.open(io.BytesIO(pages[number])).convert("L"), dtype=int)
    if path.exists():
        before = np.asarray(Image.open(path).convert("L"), dtype=int)
        same = now.shape == before.shape
        far = float((np.abs(now - before) > FAR).mean()) if same else 1.0
    else:
        far = 1.0
    if request.config.getoption("update_goldens") and far > MOST_FAR:
        path.write_bytes(pages[number])
        pytest.fail(
            f"{path.name} was rewritten: look at it, and run again without "
            "--update-goldens",
            pytrace=False,
        )
    assert path.exists(), f"no golden file {path.name}: run with --update-goldens"
    assert far <= MOST_FAR, f"{far:.1%} of {path.name} differ: look at the page"
