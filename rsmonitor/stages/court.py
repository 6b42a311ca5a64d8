"""What the judging stages hand each other: register, case of a site, pieces."""

from collections.abc import Container, Hashable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Final

import shapely

from rsmonitor.records.disturbance import Cause, Increment
from rsmonitor.records.licence import (
    Licence,
    LicenceKind,
    RegisterSnapshot,
    military_word,
)
from rsmonitor.records.parameters import LicensingParameters
from rsmonitor.records.rule import LawTable, LegalRule
from rsmonitor.records.site import Site, SiteState
from rsmonitor.records.verdict import Category, Certainty, Part, TraceStep
from rsmonitor.stages import wording
from rsmonitor.stages.nearness import Area, Right, has_land, polygons
from rsmonitor.stages.rules import Act, Finding
from rsmonitor.stages.standing import Standing, versions_in_time
from rsmonitor.stages.touches import Touch
from rsmonitor.stages.wording import Said

GRANTING: Final = (LicenceKind.MINING, LicenceKind.RECOVERY)
"""Kinds of which the register must be complete for 'no right' to be certain."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Words:
    """What is said of a part."""

    certainty: Certainty
    """How sure its category is."""
    clause: str
    """English."""
    clause_zh: str
    """Chinese."""
    trace: tuple[TraceStep, ...]
    """The rules in the order in which they were asked."""


_LAYERS: Final = frozenset({LicenceKind.RESTRICTION, LicenceKind.LAND_USE})
"""Kinds among which a military boundary may hide."""


class Court:
    """
    The register, and what is derived of it once for all sites.

    Parameters
    ----------
    register : RegisterSnapshot
        All licences.
    parameters : LicensingParameters
        The error of position, and the sizes that decide.
    laws : LawTable
        The laws to name.
    history_start : date or None
        What was there by this day, with no clear look before, is legacy.
    on_day : container of str
        Ids of sites whose growth is known to have begun on its very day.
    """

    def __init__(
        self,
        register: RegisterSnapshot,
        parameters: LicensingParameters,
        laws: LawTable,
        history_start: date | None,
        on_day: Container[str],
    ) -> None:
        self.on_day = on_day
        self.register = register
        self.parameters = parameters
        self.laws = laws
        self.history_start = history_start
        # that a place is military is said by a person, site by site, never by a layer
        self.held = tuple(
            licence
            for licence in versions_in_time(register.licences, register.earlier)
            if licence.kind not in _LAYERS
            or military_word((licence.subkind, licence.mine, licence.holder)) is None
        )
        self.widest_m = parameters.position_error_m + max(
            (licence.position_error_m for licence in self.held), default=0.0
        )
        self._rights: dict[int, Right] = {}
        self._bases: dict[tuple[str, ...], tuple[Said, TraceStep]] = {}
        self._in_force: dict[
            tuple[Category, date | None, date], tuple[Said, TraceStep | None]
        ] = {}
        self._known: dict[tuple[tuple[str, ...], LicenceKind], date | None] = {}
        self._overlaps: dict[frozenset[int], bool] = {}
        self._kept: list[Licence] = []
        self.said: dict[Hashable, Words] = {}
        """Words of parts that lie near nothing, by all that they depend on."""
        self.alone: dict[Hashable, Part] = {}
        """A part of a site that lies near nothing, by all that its words depend on."""
        self.steps: dict[Hashable, TraceStep] = {}
        """Steps of traces that many parts share, by all that they depend on."""

    def right(self, index: int) -> Right:
        """
        Give the right of a place in `held`.

        Parameters
        ----------
        index : int
            The place.

        Returns
        -------
        Right
            Always the same object.
        """
        found = self._rights.get(index)
        if found is None:
            found = Right(self.held[index], self.parameters.position_error_m)
            self._rights[index] = found
        return found

    def basis(
        self, category: Category, after: date | None, by: date
    ) -> tuple[Said, TraceStep | None]:
        """
        Name the laws in force at an act.

        Parameters
        ----------
        category : Category
            What the act is.
        after : date or None
            Last clear look that saw nothing.
        by : date
            First clear look that saw it.

        Returns
        -------
        said : tuple of str
            In short for a sentence, Chinese and English.
        step : TraceStep or None
            In full; None where the table names none.
        """
        asked = (category, after, by)
        found = self._in_force.get(asked)
        if found is None:
            found = self._in_force[asked] = self._basis(
                self.laws.basis(category, after, by)
            )
        return found

    def _basis(self, rules: tuple[LegalRule, ...]) -> tuple[Said, TraceStep | None]:
        """Name laws; dates differ from site to site, the laws in force seldom."""
        if not rules:
            return ("", ""), None
        key = tuple(rule.rule_id for rule in rules)
        found = self._bases.get(key)
        if found is None:
            zh, en = wording.basis(rules)
            step = TraceStep(rule="basis", zh=zh, en=en)
            found = self._bases[key] = wording.in_force(rules), step
        return found

    def complete_until(
        self, counties: tuple[str, ...], kind: LicenceKind
    ) -> date | None:
        """
        Give the day up to which a kind is declared complete in all of some counties.

        Parameters
        ----------
        counties : tuple of str
            Codes; none is never complete.
        kind : LicenceKind
            The kind.

        Returns
        -------
        date or None
            None where it is not declared complete in one of them.
        """
        key = (counties, kind)
        if key not in self._known:
            days = [
                max(
                    (
                        each.complete_on
                        for each in self.register.completeness
                        if each.kind is kind and each.covers(county)
                    ),
                    default=None,
                )
                for county in counties
            ]
            known = [day for day in days if day is not None]
            whole = bool(days) and len(known) == len(days)
            self._known[key] = min(known) if whole else None
        return self._known[key]

    def overlap(self, one: Right, other: Right) -> bool:
        """
        Say whether two rights share land.

        Parameters
        ----------
        one : Right
            A right.
        other : Right
            Another.

        Returns
        -------
        bool
            True if they share more than rounding.
        """
        key = frozenset({id(one.licence), id(other.licence)})
        if key not in self._overlaps:
            common = shapely.intersection(one.geometry, other.geometry)
            self._overlaps[key] = has_land(polygons(common))
            # the ids stay those of these records while the court sits
            self._kept += [one.licence, other.licence]
        return self._overlaps[key]


FAVOUR: Final = {category: place for place, category in enumerate(Category)}
"""How little each category says against the holder; the largest decides."""


@dataclass(frozen=True, slots=True)
class Ruling:
    """Why something is in a category; equal for all that one sentence can cover."""

    finding: Finding
    right: Right | None = None
    """The right that decides, or whose boundary was crossed; None without one."""
    standing: Standing | None = None
    """How that right stood to the interval."""
    mentions: tuple[tuple[Right, Standing], ...] = ()
    """Rights that cover it and change nothing, for the reason that is said."""

    @property
    def category(self) -> Category:
        """The category that was found."""
        return self.finding.category


Opinions = Mapping[Right, tuple[Standing, Finding | None]]
"""By right: how it stood to an act, and what it makes of the act inside it."""


@dataclass(frozen=True, slots=True)
class Piece:
    """What one ruling says of one increment."""

    place: int
    """Which increment of the site."""
    act: Act
    """The facts of that increment."""
    geometry: Area
    """Where it is."""
    area_m2: float
    """How much it is; the pieces of an increment sum to it."""
    sure: bool
    """True if some of it is in its category wherever it is shifted."""
    margin_m: float
    """Metres from some place in it to the boundary that matters; infinite where none
    is near."""
    budget_m: float
    """Error budget of that boundary."""
    whole: bool
    """True if it is all of the increment."""
    asked: Opinions
    """What each right near the increment makes of it, where any was asked."""


@dataclass(frozen=True, slots=True)
class Case:
    """A site and what of the register lies near it."""

    court: Court
    """The register."""
    site: Site
    """The site."""
    cause: Cause
    """Its most probable cause."""
    increments: tuple[Area, ...]
    """Geometries of the increments, mended where they cross themselves."""
    near: tuple[Right, ...]
    """Rights that can matter to it."""
    touches: tuple[tuple[Touch, ...], ...]
    """By increment, in the order of `near`."""
    counties: tuple[str, ...]
    """Codes of the counties that it lies in."""
    attached: bool
    """True for construction attached to digging or ponds."""

    def on_the_day(self, increment: Increment) -> bool:
        """
        Say whether the day of an increment is known from something else than imagery.

        Parameters
        ----------
        increment : Increment
            Of the site.

        Returns
        -------
        bool
            True if it is.
        """
        return increment.began_after is None and self.site.site_id in self.court.on_day

    def act(self, increment: Increment) -> Act:
        """
        Give the facts of an increment that the rules read.

        Parameters
        ----------
        increment : Increment
            Of the site.

        Returns
        -------
        Act
            The facts.
        """
        seen = self.site.latest.disturbance
        complete = self.court.complete_until(self.counties, LicenceKind.LAND_USE)
        still = self.site.state is not SiteState.RECOVERING
        return Act(
            cause=self.cause,
            # without a clear look before, the start may be any day
            first=increment.began_by
            if self.on_the_day(increment)
            else increment.began_after or date.min,
            by=increment.began_by,
            large=seen.area_m2 >= self.court.parameters.exploration_works_m2
            or len(seen.increments) > 1,
            disturbed_on=seen.last_seen if still else None,
            land_known=complete is not None and increment.began_by <= complete,
        )
