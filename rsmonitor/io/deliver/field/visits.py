"""What every file of a field pack says of a site: where, what, and in which order.

Sheets, balloons and tables take their words from here, so that they cannot differ.
"""

from dataclasses import dataclass
from typing import Final

from shapely import Point

from rsmonitor.io.deliver.field.licences import licences_near
from rsmonitor.io.deliver.field.words import LONGEST_SENTENCE, one_line
from rsmonitor.io.deliver.legend import TIER_LABELS
from rsmonitor.records.alert import M2_PER_MU, NOTICE, NOTICE_INVENTED
from rsmonitor.records.disturbance import CAUSE_LABELS
from rsmonitor.records.package import Dossier, Language, Package, Reason
from rsmonitor.records.verdict import CATEGORY_LABELS, CERTAINTY_LABELS
from rsmonitor.stages.coordinates import (
    GaussKrueger,
    dms,
    gauss_krueger,
    web_map_point,
)
from rsmonitor.stages.visits import Round, visit_round

MOST_CAUSES: Final = 4
"""Probable causes that are told."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Visit:
    """One site in the order of visits."""

    number: int
    """Place in the round, from 1."""

    leg_m: float
    """From the stop before, metres in a straight line."""

    dossier: Dossier
    """Everything else."""

    county: Reason
    """Names of the counties it lies in."""

    category: Reason
    """What it is in the terms of the law, and how sure that is."""

    tier: Reason
    """How much evidence there is."""

    causes: Reason
    """Probable causes, the likeliest first."""

    look_for: tuple[Reason, ...]
    """What to look for on site."""

    why: tuple[Reason, ...]
    """Why it is listed, the weightiest first."""

    near: tuple[Reason, ...]
    """Licences that touch it or lie near."""

    grid: GaussKrueger | None
    """CGCS2000, three degrees; None outside its zones."""

    web_map: Point | None
    """GCJ-02; None where no web map shifts."""

    @property
    def area_mu(self) -> float:
        """Area, mu."""
        return self.dossier.alert.site.latest.disturbance.area_m2 / M2_PER_MU

    @property
    def name(self) -> str:
        """Short name."""
        return self.dossier.short_name

    @property
    def latitude(self) -> str:
        """Decimal degrees, WGS 84."""
        return f"{self.dossier.point.y:.6f}"

    @property
    def longitude(self) -> str:
        """Decimal degrees, WGS 84."""
        return f"{self.dossier.point.x:.6f}"

    @property
    def dms_latitude(self) -> str:
        """Degrees, minutes and seconds, WGS 84."""
        return dms(self.dossier.point.y, "NS")

    @property
    def dms_longitude(self) -> str:
        """Degrees, minutes and seconds, WGS 84."""
        return dms(self.dossier.point.x, "EW")

    @property
    def seen(self) -> tuple[str, str, str]:
        """First day that saw the change, the last that saw it, and the last clear."""
        patch = self.dossier.alert.site.latest.disturbance
        return (
            patch.began_by.isoformat(),
            patch.last_seen.isoformat(),
            patch.last_clear.isoformat(),
        )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Plan:
    """The week's visits."""

    package: Package
    """What was delivered."""

    visits: tuple[Visit, ...]
    """In the order of the round."""

    round: Round
    """Its lengths."""

    @property
    def language(self) -> Language:
        """In which language people read it."""
        return self.package.language

    @property
    def area(self) -> str:
        """Name of the area."""
        area = self.package.area
        return one_line(area.name_zh if self.language == "zh" else area.name_en)

    @property
    def remarks(self) -> tuple[Reason, ...]:
        """What must be said wherever the visits are listed."""
        start = (
            Reason(zh="以第一个图斑为起点", en="from the first site")
            if self.package.visit_start is None
            else Reason(zh="自指定起点出发并返回", en="from the given start and back")
        )
        length = self.round.length_m / 1000
        return (
            Reason(
                zh=f"走访顺序按直线距离最短排列（{start.zh}，合计 {length:.1f} 公里），"
                "不是道路里程，请按实际道路调整。",
                en=f"The order of visits is the shortest round in straight lines "
                f"({start.en}, {length:.1f} km in all), not by road: adapt it.",
            ),
            *map(_plain, self.package.notes),
        )

    @property
    def notice(self) -> Reason:
        """The sentence that every product carries."""
        told = [_split(NOTICE)]
        if self.package.invented:
            told.append(_split(NOTICE_INVENTED))
        return Reason(
            zh="".join(zh for zh, _ in told), en=" ".join(en for _, en in told)
        )


def plan_of(package: Package) -> Plan:
    """
    Order the sites of a package for a round of visits.

    Parameters
    ----------
    package : Package
        The week's package.

    Returns
    -------
    Plan
        Each dossier once.

    Raises
    ------
    OutputError
        If the solver is not installed.
    """
    dossiers = package.dossiers
    found = visit_round([each.point for each in dossiers], start=package.visit_start)
    near = licences_near(package)
    visits = [
        _visit(package, dossiers[place], number, leg, near[place])
        for number, (place, leg) in enumerate(
            zip(found.order, found.legs_m, strict=True), start=1
        )
    ]
    return Plan(package=package, visits=tuple(visits), round=found)


def _visit(
    package: Package,
    dossier: Dossier,
    number: int,
    leg_m: float,
    near: tuple[Reason, ...],
) -> Visit:
    """Say of a site what every file says."""
    alert = dossier.alert
    codes = alert.county_codes or (alert.site.district,)
    names = [one_line(package.names.get(code, code), 20) for code in codes]
    if package.area.code in codes and len(codes) == 1:
        english = one_line(package.area.name_en)
    else:
        english = ", ".join(names)
    category = CATEGORY_LABELS[alert.verdict.category]
    sure = CERTAINTY_LABELS[alert.verdict.certainty]
    tier = TIER_LABELS[alert.site.latest.disturbance.tier]
    return Visit(
        number=number,
        leg_m=leg_m,
        dossier=dossier,
        county=Reason(zh="、".join(names), en=english),
        category=Reason(
            zh=f"{category[0]}（{sure[0]}）", en=f"{category[1]} ({sure[1]})"
        ),
        tier=Reason(zh=tier[0], en=tier[1]),
        causes=_causes(dossier),
        look_for=tuple(map(_plain, dossier.look_for)),
        why=tuple(map(_plain, dossier.reasons)),
        near=near,
        grid=gauss_krueger(dossier.point),
        web_map=web_map_point(dossier.point, codes),
    )


def _plain(said: Reason) -> Reason:
    """Make a sentence fit for a line: names of strangers may stand in it."""
    return Reason(
        zh=one_line(said.zh, LONGEST_SENTENCE), en=one_line(said.en, LONGEST_SENTENCE)
    )


def _causes(dossier: Dossier) -> Reason:
    """List the probable causes."""
    causes = dossier.alert.site.latest.causes
    order = list(CAUSE_LABELS)
    ranked = [
        (*CAUSE_LABELS[cause], share)
        for cause, share in sorted(
            causes.items(), key=lambda each: (-each[1], order.index(each[0]))
        )
        if share > 0
    ][:MOST_CAUSES]
    return Reason(
        zh="，".join(f"{zh} {share:.0%}" for zh, _, share in ranked) or "不明",
        en="; ".join(f"{en} {share:.0%}" for _, en, share in ranked) or "unknown",
    )


def _split(words: str) -> tuple[str, str]:
    """Take a sentence in two languages apart: Chinese ends with the last full stop."""
    zh, stop, en = words.rpartition("。")
    return zh + stop, en.strip()
