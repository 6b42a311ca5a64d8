from pathlib import Path

import pytest
from fuzz_licences import CORPUS, READERS, fuzz, inputs, samples

from rsmonitor.errors import RsmonitorError
from rsmonitor.io.licences.producing import read_producing
from rsmonitor.io.licences.reading import read_any


@pytest.mark.parametrize("parser", READERS)
def test_a_broken_file_is_read_or_refused_and_nothing_else(
    parser: str, tmp_path: Path
) -> None:
    became, failures = fuzz(parser, 150, 11, tmp_path)
    assert not failures
    assert became["read"]
    assert became["refused"]


@pytest.mark.parametrize("suffix", [".list", ".listx"])
def test_the_lists_of_the_corpus_are_read(suffix: str) -> None:
    found = read_producing(CORPUS / f"producing{suffix}")
    assert sum(map(len, found.years.values())) >= 2


@pytest.mark.parametrize("parser", sorted(set(READERS) - {"producing"}))
def test_every_sample_of_the_corpus_is_read(parser: str, tmp_path: Path) -> None:
    for name, content in samples(parser):
        path = tmp_path / name
        path.write_bytes(content)
        if name.startswith("crash-"):
            try:
                read_any(path)
            except RsmonitorError:
                continue
        else:
            assert read_any(path).licences, name


def test_the_same_seed_gives_the_same_inputs() -> None:
    assert list(inputs("txt", 60, 5)) == list(inputs("txt", 60, 5))
    assert list(inputs("txt", 60, 5)) != list(inputs("txt", 60, 6))


def test_a_reader_that_fails_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def careless(content: bytes, _: Path) -> None:
        content.decode("ascii")

    monkeypatch.setitem(READERS, "txt", careless)  # type: ignore[arg-type]
    became, failures = fuzz("txt", 40, 1, tmp_path)
    assert became["failed"]
    (place,) = failures
    assert place.startswith("UnicodeDecodeError in test_licence_fuzz.py")
