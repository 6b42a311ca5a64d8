"""Which licences an inspector is told of."""

from dataclasses import replace
from datetime import date

import pytest
import shapely
from sample_package import sample_package

from rsmonitor.io.deliver.field.licences import MOST, licences_near
from rsmonitor.records.licence import Licence, LicenceKind
from rsmonitor.records.package import Package
from rsmonitor.stages.geodesy import WGS84


def told(package: Package, *licences: Licence) -> list[str]:
    register = replace(package.register, licences=licences)
    (near,) = licences_near(replace(package, register=register))
    return [said.en for said in near]


def licence(number: str, west: float, south: float) -> Licence:
    return Licence(
        licence_id=number,
        kind=LicenceKind.MINING,
        geometry=shapely.box(west, south, west + 0.001, south + 0.001),
        holder="holder",
        valid_from=date(2018, 1, 1),
        valid_to=date(2019, 12, 31),
    )


@pytest.mark.parametrize(
    ("azimuth", "wind"), [(0, "N"), (44, "NE"), (180, "S"), (271, "W"), (315, "NW")]
)
def test_a_licence_is_told_with_its_distance_and_direction(
    azimuth: float, wind: str
) -> None:
    package = sample_package(1)
    outline = package.dossiers[0].alert.site.latest.disturbance.geometry
    west, south, east, north = outline.bounds
    lon, lat, _ = WGS84.fwd((west + east) / 2, (south + north) / 2, azimuth, 1500)
    (said,) = told(package, licence("C1", lon - 0.0005, lat - 0.0005))
    assert f" km {wind}: mining right C1, holder, expired, to 2019-12-31" in said
    assert 1.2 < float(said.split()[0]) < 1.5


def test_a_licence_that_touches_comes_first_and_the_rest_are_counted() -> None:
    package = sample_package(1)
    outline = package.dossiers[0].alert.site.latest.disturbance.geometry
    west, south, east, _ = outline.bounds
    beside = [licence(f"C{n}", east + n / 1000, south) for n in range(1, 6)]
    within = licence("C9", west - 0.0005, south - 0.0005)
    said = told(package, *beside, within)
    assert said[0].startswith("touches the site: mining right C9")
    assert [line.split(": ")[1][:16] for line in said[1:MOST]] == [
        "mining right C1,",
        "mining right C2,",
    ]
    assert said[MOST] == f"{6 - MOST} more licences near"


def test_where_there_is_none_near_it_is_said_and_not_that_there_is_none() -> None:
    package = sample_package(1)
    (said,) = told(package, licence("C1", 100.0, 20.0))
    assert "holds none within 3 km; if it is not whole" in said
