"""A right that is over, and nobody says since when, decides nothing."""

from datetime import date

import pytest
import shapely

from rsmonitor.records.licence import Licence, LicenceKind
from rsmonitor.stages.standing import Standing, standing_of
from rsmonitor.stages.wording import period


@pytest.mark.parametrize("status", ["吊销", "注销", "停产", "revoked"])
def test_a_right_that_is_over_on_a_day_that_is_not_given_decides_nothing(
    status: str,
) -> None:
    right = Licence(
        licence_id="C1",
        kind=LicenceKind.MINING,
        geometry=shapely.box(115, 25, 116, 26),
        valid_from=date(2020, 1, 1),
        valid_to=date(2029, 12, 31),
        status=status,
    )
    assert standing_of(right, date(2024, 7, 1), date(2024, 7, 9)) is Standing.UNDATED
    _, said = period(right, Standing.UNDATED)
    assert status in said
