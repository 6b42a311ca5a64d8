"""A register made of files."""

import json
from pathlib import Path

import pytest

from rsmonitor.errors import LicenceError
from rsmonitor.io.licences.geojson import read_licences
from rsmonitor.io.stores.register import FileRegister

SQUARE = [[115.0, 25.0], [115.01, 25.0], [115.01, 25.01], [115.0, 25.01], [115.0, 25.0]]


def write(path: Path, *licences: dict[str, object], ring: object = None) -> Path:
    features = [
        {
            "type": "Feature",
            "properties": licence,
            "geometry": {"type": "Polygon", "coordinates": [ring or SQUARE]},
        }
        for licence in licences
    ]
    path.write_text(
        json.dumps({"type": "FeatureCollection", "features": features}),
        encoding="utf-8",
    )
    return path


def test_files_are_merged_into_one_snapshot(tmp_path: Path) -> None:
    one = write(tmp_path / "one.geojson", {"licence_id": "C2"})
    two = write(tmp_path / "two.geojson", {"licence_id": "C1"}, {"licence_id": "C3"})
    snapshot = FileRegister([one, two], read=read_licences).snapshot()
    assert [licence.licence_id for licence in snapshot.licences] == ["C1", "C2", "C3"]
    other_way = FileRegister([two, one], read=read_licences).snapshot()
    assert other_way.snapshot_id == snapshot.snapshot_id


def test_any_change_of_a_licence_makes_another_snapshot(tmp_path: Path) -> None:
    path = write(tmp_path / "one.geojson", {"licence_id": "C1"})
    before = FileRegister([path], read=read_licences).snapshot()
    write(path, {"licence_id": "C1", "valid_to": "2025-12-31"})
    after = FileRegister([path], read=read_licences).snapshot()
    assert before.snapshot_id != after.snapshot_id


def test_the_same_licence_in_two_files_counts_once(tmp_path: Path) -> None:
    one = write(tmp_path / "one.geojson", {"licence_id": "C1"})
    two = write(tmp_path / "two.geojson", {"licence_id": "C1"})
    register = FileRegister([one, two, one], read=read_licences)
    assert len(register.snapshot().licences) == 1


@pytest.mark.parametrize(
    ("properties", "ring"),
    [
        ({"licence_id": "C1", "valid_to": "2025-12-31"}, None),
        ({"licence_id": "C1"}, [[115.0, 25.0], [115.01, 25.0], [115.0, 25.02]]),
    ],
)
def test_two_files_that_contradict_each_other_are_refused_by_name(
    tmp_path: Path, properties: dict[str, object], ring: object
) -> None:
    one = write(tmp_path / "one.geojson", {"licence_id": "C1"})
    two = write(tmp_path / "two.geojson", properties, ring=ring)
    with pytest.raises(LicenceError, match="C1") as caught:
        FileRegister([one, two], read=read_licences)
    assert str(one) in str(caught.value)
    assert str(two) in str(caught.value)


def test_one_number_may_stand_for_licences_of_two_kinds(tmp_path: Path) -> None:
    one = write(tmp_path / "one.geojson", {"licence_id": "C1"})
    two = write(tmp_path / "two.geojson", {"licence_id": "C1", "kind": "closed"})
    register = FileRegister([one, two], read=read_licences)
    assert len(register.snapshot().licences) == 2


def test_what_was_refused_and_repaired_is_told_over_all_files(tmp_path: Path) -> None:
    one = write(tmp_path / "one.geojson", {"licence_id": "C1"}, {"licence_id": None})
    two = write(tmp_path / "two.geojson", {"licence_id": "C2"}, ring=SQUARE[:-1])
    register = FileRegister([one, two], read=read_licences)
    assert [refusal.file for refusal in register.refused] == [str(one)]
    (repair,) = register.repairs
    assert repair.startswith(str(two))
    assert [file.path for file in register.files] == [str(one), str(two)]
    assert len(register.snapshot().licences) == 2


def test_a_register_of_no_files_is_empty_by_choice() -> None:
    register = FileRegister((), read=read_licences)
    assert register.snapshot().licences == ()
    assert not register.snapshot().invented
    assert register.refused == ()


def test_a_file_that_cannot_be_used_makes_no_register(tmp_path: Path) -> None:
    good = write(tmp_path / "good.geojson", {"licence_id": "C1"})
    with pytest.raises(LicenceError, match="empty licence file"):
        FileRegister([good, write(tmp_path / "empty.geojson")], read=read_licences)
