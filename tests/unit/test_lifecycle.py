"""The life of a site, read from invented looks: examples a person can follow."""

from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import pytest
import shapely
from observed import SITE_ID, every, grown, look
from sightings import FIRST

from rsmonitor.errors import ContractError
from rsmonitor.records.licence import Licence, LicenceKind
from rsmonitor.records.lifecycle import (
    PHASE_LABELS,
    Kin,
    Kinship,
    LifeCycle,
    LifeParameters,
    Observation,
    Period,
    Phase,
)
from rsmonitor.records.parameters import EvidenceParameters
from rsmonitor.stages.kinship import family_of, kin_of_events
from rsmonitor.stages.lifecycle import (
    aftermath_of,
    growth_of,
    life_of,
    looks_to_confirm,
    visibility_of,
)

BEFORE = every(20, [1.0] * 3, start=FIRST - timedelta(days=60))


def day(number: int) -> date:
    return FIRST + timedelta(days=number)


def phases(life: LifeCycle) -> list[Phase]:
    return [period.phase for period in life.periods]


def begun(life: LifeCycle, phase: Phase) -> date:
    return next(period.since for period in life.periods if period.phase is phase)


def test_a_felling_that_grows_goes_quiet_and_regreens() -> None:
    site = grown((15, FIRST), (8, day(60)))
    told = [0.5] * 16 + [0.6, 0.7, 0.8, 0.9] + [0.97] * 40
    life = life_of(site, BEFORE + every(15, told))
    assert phases(life) == [
        Phase.NEW,
        Phase.ACTIVE,
        Phase.DORMANT,
        Phase.RESTORING,
        Phase.RECOVERED_VEGETATION,
    ]
    assert life.area == ((FIRST, 1500.0), (day(60), 2300.0))
    assert life.last_activity == day(60)
    assert begun(life, Phase.ACTIVE) == day(10)
    assert begun(life, Phase.DORMANT) == day(150)
    # the third look in a row at 0.6 or more shows a rise by 0.15
    assert begun(life, Phase.RESTORING) == day(18 * 15)
    recovered = begun(life, Phase.RECOVERED_VEGETATION)
    held = next(p.day for p in life.curve if p.own >= 0.9)
    assert (recovered - held).days >= LifeParameters().recovered_days


def test_green_for_one_summer_is_not_recovered() -> None:
    life = life_of(grown((15, FIRST)), BEFORE + every(15, [0.5] * 8 + [0.97] * 20))
    assert life.now is Phase.RESTORING


def test_a_felled_wood_in_winter_is_not_a_green_one() -> None:
    summer = every(15, [0.5] * 12)
    winter = [
        replace(row, ndvi=0.4, ring=0.4)
        for row in every(15, [1.0] * 10, start=day(185))
    ]
    life = life_of(grown((15, FIRST)), BEFORE + summer + winter)
    assert life.now is Phase.DORMANT
    assert all(point.own < 0.6 for point in life.curve)


def test_haze_and_a_dry_year_are_not_taken_for_changes_of_the_site() -> None:
    dry = [
        replace(row, ndvi=row.ndvi * 0.85, ring=row.ring * 0.85)  # type: ignore[operator]
        for row in every(15, [1.0] * 20)
    ]
    life = life_of(grown((15, FIRST)), BEFORE + dry)
    assert {point.own for point in life.curve} == {1.0}


def test_growth_after_a_quiet_time_is_a_restart() -> None:
    site = grown((15, FIRST), (9, day(200)))
    life = life_of(site, BEFORE + every(15, [0.5] * 30))
    assert phases(life) == [
        Phase.NEW,
        Phase.ACTIVE,
        Phase.DORMANT,
        Phase.RESTARTED,
        Phase.DORMANT,
    ]
    assert begun(life, Phase.RESTARTED) == day(200)


def test_new_loss_of_plants_on_a_green_site_is_a_restart_without_growth() -> None:
    told = [0.5] * 8 + [0.9] * 10 + [0.4] * 4
    life = life_of(grown((15, FIRST)), BEFORE + every(15, told))
    assert life.now is Phase.RESTARTED
    # the second of three looks makes the median fall
    assert begun(life, Phase.RESTARTED) == day(15 * 19)
    assert life.last_activity == day(15 * 19)


def test_one_dark_look_is_no_restart() -> None:
    told = [0.5] * 8 + [0.9] * 10 + [0.4] + [0.9] * 4
    life = life_of(grown((15, FIRST)), BEFORE + every(15, told))
    assert life.now is Phase.RESTORING


def test_bare_spots_that_are_gone_are_told_of_and_need_not_be_green() -> None:
    rows = every(15, [0.3] * 10, bare=0.6) + every(
        15, [0.35] * 10, start=day(150), bare=0.0
    )
    life = life_of(grown((15, FIRST)), BEFORE + rows)
    assert phases(life)[-2:] == [Phase.DORMANT, Phase.CLEARED]


def test_a_site_that_nobody_could_see_is_not_called_quiet() -> None:
    rows = every(15, [0.5] * 3) + [
        look(day(15 * i), seen=0.1, greenness=1.0) for i in range(3, 40)
    ]
    life = life_of(grown((15, FIRST)), BEFORE + rows)
    assert life.now is Phase.ACTIVE


def test_a_site_that_was_never_confirmed_stays_new() -> None:
    life = life_of(grown((15, FIRST), confirmed=None), every(15, [0.5] * 30))
    assert phases(life) == [Phase.NEW]


def test_growth_that_is_too_small_is_counted_with_the_next() -> None:
    site = grown((15, FIRST), (2, day(50)), (2, day(100)), (1, day(150)))
    assert growth_of(site) == ((FIRST, 1500.0), (day(100), 2000.0))


def test_a_site_without_observations_has_a_life_all_the_same() -> None:
    life = life_of(grown((15, FIRST)), [])
    assert phases(life) == [Phase.NEW, Phase.ACTIVE]
    assert life.curve == ()


# ------------------------------------------------------------------- what was not seen


def test_what_could_not_be_seen_is_said_with_the_delay_that_it_means() -> None:
    rows = every(10, [1.0] * 11) + [look(day(100 + i), seen=0.0) for i in (5, 10, 15)]
    seen = visibility_of(rows, looks_to_confirm=3)
    assert seen.last_clear == day(100)
    assert seen.looks_since == 3
    assert seen.clear_looks == 11
    assert (seen.gap_median_days, seen.gap_90_days) == (10.0, 10.0)
    assert (seen.delay_median_days, seen.delay_90_days) == (30.0, 30.0)


def test_the_time_since_the_last_clear_look_is_a_gap_too() -> None:
    rows = [*every(10, [1.0] * 2), look(day(70), seen=0.2)]
    assert visibility_of(rows, looks_to_confirm=3).gap_90_days == 60.0


def test_only_the_last_year_counts() -> None:
    rows = every(100, [1.0] * 5) + every(5, [1.0] * 60, start=day(500))
    assert visibility_of(rows, looks_to_confirm=3).gap_90_days == 5.0


@pytest.mark.parametrize("rows", [[], [look(FIRST, seen=0.0)]])
def test_a_site_that_was_never_seen_has_no_delay_and_no_last_look(
    rows: list[Observation],
) -> None:
    seen = visibility_of(rows, looks_to_confirm=3)
    assert seen.last_clear is None
    assert seen.looks_since == len(rows)
    assert seen.delay_median_days is None


@pytest.mark.parametrize(("high", "clip", "looks"), [(12, 4, 3), (12, 5, 3), (8, 4, 2)])
def test_confirmation_takes_as_many_looks_as_the_levels_say(
    high: float, clip: float, looks: int
) -> None:
    evidence = EvidenceParameters(low=6, medium=7, high=high, clip=clip)
    assert looks_to_confirm(evidence) == looks


# ------------------------------------------------------------------ ended by law


def place(kind: LicenceKind, **changes: Any) -> Licence:  # noqa: ANN401
    return replace(
        Licence(
            licence_id="GB-1",
            kind=kind,
            geometry=shapely.box(114.9, 24.9, 115.1, 25.1),
        ),
        **changes,
    )


def test_a_closed_site_is_told_when_it_cleared_greened_and_started_again() -> None:
    rows = BEFORE + every(15, [0.3] * 10, bare=0.6)
    rows += every(15, [0.5] * 8 + [0.9] * 8, start=day(150), bare=0.0)
    site = grown((15, FIRST), (9, day(390)))
    life = life_of(site, rows + every(15, [0.6] * 4, start=day(390)))
    (told,) = aftermath_of(site, life, [place(LicenceKind.CLOSED, valid_from=day(30))])
    assert told.since == day(30)
    assert told.cleared == day(165)
    assert told.regreening == begun(life, Phase.RESTORING)
    assert told.started_again == day(390)
    assert told.recovered_vegetation is None


def test_growth_right_after_a_closing_needs_no_quiet_time_before_it() -> None:
    site = grown((15, FIRST), (9, day(40)))
    (told,) = aftermath_of(
        site, life_of(site, []), [place(LicenceKind.CLOSED, valid_from=day(30))]
    )
    assert told.started_again == day(40)


def test_what_a_recovery_project_digs_while_it_lasts_is_no_new_start() -> None:
    site = grown((15, FIRST), (9, day(40)))
    project = place(LicenceKind.RECOVERY, valid_from=day(-100), valid_to=day(100))
    (told,) = aftermath_of(site, life_of(site, []), [project])
    assert told.since == day(100)
    assert told.started_again is None


def test_without_a_date_in_the_register_nothing_is_dated() -> None:
    site = grown((15, FIRST), (9, day(40)))
    (told,) = aftermath_of(site, life_of(site, []), [place(LicenceKind.CLOSED)])
    assert told.since is None
    assert told.started_again is None


def test_places_elsewhere_and_mining_rights_have_no_aftermath() -> None:
    site = grown((15, FIRST))
    elsewhere = place(LicenceKind.CLOSED, geometry=shapely.box(116, 25, 117, 26))
    right = place(LicenceKind.MINING, valid_from=day(0), valid_to=day(30))
    assert aftermath_of(site, life_of(site, []), [elsewhere, right]) == ()


def test_bare_spots_that_came_back_are_not_gone() -> None:
    rows = every(15, [0.3] * 20)
    bare = [0.6] * 5 + [0.0] * 5 + [0.6] * 10
    rows = [
        replace(row, bare_share=share) for row, share in zip(rows, bare, strict=True)
    ]
    life = life_of(grown((15, FIRST)), BEFORE + rows)
    assert life.bare_gone == ((day(90), day(165)),)
    closed = place(LicenceKind.CLOSED, valid_from=day(170))
    (told,) = aftermath_of(grown((15, FIRST)), life, [closed])
    assert told.cleared is None


# ------------------------------------------------------------------------ kin


def test_the_chain_tells_the_family_tree() -> None:
    a, b, c, d = ("s" + letter * 12 for letter in "abcd")
    events = [
        ("detected", {"site_id": a}),
        ("detected", {"site_id": b, "split_from": [a]}),
        ("merged", {"site_id": c, "merged_into": a}),
        ("detected", {"site_id": d}),
        ("applied", {"products": []}),
    ]
    tree = kin_of_events(events)
    assert tree == (
        Kin(older=a, younger=b, kinship=Kinship.SPLIT),
        Kin(older=a, younger=c, kinship=Kinship.MERGE),
    )
    assert family_of(a, tree).parents == (c,)
    assert family_of(a, tree).children == (b,)
    assert family_of(b, tree).parents == (a,)
    assert family_of(c, tree).children == (a,)
    assert family_of(b, tree).tree == tree
    assert family_of(d, tree).tree == ()


# -------------------------------------------------------------------- the records


@pytest.mark.parametrize(
    "changes",
    [
        {"share_seen": 1.2},
        {"share_seen": float("nan")},
        {"ndvi": float("nan")},
        {"bare_share": None},
        {"area_m2": -1.0},
    ],
)
def test_an_impossible_observation_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(ContractError, match=SITE_ID):
        replace(look(FIRST), **changes)


def test_phases_with_a_gap_between_them_are_refused() -> None:
    with pytest.raises(ContractError, match="gap"):
        LifeCycle(
            site_id=SITE_ID,
            periods=(
                Period(phase=Phase.NEW, since=day(0), until=day(5)),
                Period(phase=Phase.ACTIVE, since=day(6), until=None),
            ),
            area=(),
            curve=(),
            last_activity=day(0),
        )


@pytest.mark.parametrize(
    "changes",
    [
        {"clear_share": 0.0},
        {"quiet_days": 0},
        {"recovered_days": 5000},
        {"growth_m2": 0.0},
        {"bare_after": 0.5},
    ],
)
def test_parameters_out_of_range_are_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(ContractError, match=f"life.{next(iter(changes))}"):
        LifeParameters(**changes)


def test_every_phase_has_labels_and_none_says_that_a_standard_is_met() -> None:
    assert PHASE_LABELS.keys() == set(Phase)
    assert PHASE_LABELS[Phase.RESTARTED][0].startswith("疑似")
    assert "非验收" in PHASE_LABELS[Phase.RECOVERED_VEGETATION][0]
    assert not any("restored" in en for _, en in PHASE_LABELS.values())
