"""How often alerts of each tier were right, by what people said of them.

Nothing is measured where nobody looked: a tier without a verdict has no precision,
which is another thing than a precision of 0.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from rsmonitor.errors import ContractError
from rsmonitor.records.finding import JUDGEMENT_LABELS, Judgement
from rsmonitor.records.package import Reason
from rsmonitor.records.rasters import Tier
from rsmonitor.records.week import IsoWeek

_WORDS: Final[Mapping[str, Judgement]] = {
    **{judgement.value: judgement for judgement in Judgement},
    **{zh: judgement for judgement, (zh, _) in JUDGEMENT_LABELS.items()},
    "违法": Judgement.UNLAWFUL,
}
"""How a verdict may be written."""

_UNDECIDED: Final = frozenset({Judgement.SPECIAL_USE, Judgement.UNCLEAR})
"""What says neither that an alert was right nor that it was wrong."""

_Z2: Final = 1.959964**2
"""Square of the 97.5 % point of the normal distribution."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Triage:
    """One verdict of one person on one alert."""

    alert_id: str
    """`Alert.alert_id`."""

    tier: Tier
    """Tier of the alert that the person saw."""

    who: str
    """Person; their last word on an alert counts."""

    judgement: Judgement
    """What they said."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """A share with its interval."""

    found: int
    """Cases that are so."""

    n: int
    """Cases in all, at least 1."""

    low: float
    """Lower limit of the 95 % interval."""

    high: float
    """Upper limit."""

    @property
    def value(self) -> float:
        """The share itself, 0 to 1."""
        return self.found / self.n


@dataclass(frozen=True, slots=True, kw_only=True)
class TierPrecision:
    """How often the alerts of one tier were right."""

    tier: Tier | None
    """The tier; None: all tiers together."""

    triaged: int
    """Alerts that somebody judged."""

    disagreed: int
    """Of those, alerts of which two people said different things; in no share."""

    undecided: int
    """Of those, alerts of which people could or would not tell; in no share."""

    real: Share | None
    """Share where the ground had changed; None: not measured."""

    unlawful: Share | None
    """Share where it was unlawful; None: not measured."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """What one package asked people to look at."""

    week: IsoWeek
    """Week of the package."""

    alert_ids: tuple[str, ...]
    """`Alert.alert_id` of those within the budget: its first alerts, in its order."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BudgetWeek:
    """The alerts within the budget of one week, all packages together."""

    week: IsoWeek
    """The week."""

    shown: int
    """Alerts within the budget."""

    triaged: int
    """Of those, alerts that somebody judged until now."""

    unlawful: Share | None
    """Share where it was unlawful; None: not yet measured."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BudgetPrecision:
    """How often the first alerts of the weeks were right, by people's verdicts.

    An alert that stood within the budget for weeks counts once, else one verdict would
    pass for many.
    """

    weeks: tuple[BudgetWeek, ...]
    """Oldest first; in each of them an alert counts anew."""

    shown: int
    """Different alerts within the budget of any week."""

    triaged: int
    """Of those, alerts that somebody judged."""

    disagreed: int
    """Of those, alerts of which two people said different things; in no share."""

    undecided: int
    """Of those, alerts of which people could or would not tell; in no share."""

    real: Share | None
    """Share where the ground had changed; None: not yet measured."""

    unlawful: Share | None
    """Share where it was unlawful: the number that users see; None: not yet
    measured."""


def judgement_of(text: object) -> Judgement | None:
    """
    Read a verdict as it stands in an event.

    Parameters
    ----------
    text : object
        Any JSON value.

    Returns
    -------
    Judgement or None
        None where it is no word that is known.

    Examples
    --------
    >>> judgement_of("Pseudo-change"), judgement_of("伪变化"), judgement_of(3)
    (<Judgement.PSEUDO_CHANGE: 'pseudo_change'>, \
<Judgement.PSEUDO_CHANGE: 'pseudo_change'>, None)
    """
    if not isinstance(text, str):
        return None
    return _WORDS.get(text.strip().lower().replace("-", "_").replace(" ", "_"))


def precision_by_tier(triages: Iterable[Triage]) -> tuple[TierPrecision, ...]:
    """
    Count how often people agreed with the alerts of each tier.

    Parameters
    ----------
    triages : iterable of Triage
        In the order in which they were said.

    Returns
    -------
    tuple of TierPrecision
        High, medium, low, then all together; a tier that nobody judged is there too,
        and is not measured.

    Examples
    --------
    >>> said = Triage(
    ...     alert_id="a", tier=Tier.HIGH, who="li", judgement=Judgement.UNLAWFUL
    ... )
    >>> high, medium, *_ = precision_by_tier([said])
    >>> high.real.value, medium.real is None
    (1.0, True)
    """
    last: dict[str, dict[str, Triage]] = {}
    for triage in triages:
        last.setdefault(triage.alert_id, {})[triage.who] = triage
    cases = [list(words.values()) for words in last.values()]
    tiers = (Tier.HIGH, Tier.MEDIUM, Tier.LOW, None)
    return tuple(_precision(tier, cases) for tier in tiers)


def precision_at_budget(
    shown: Iterable[Shown], triages: Iterable[Triage]
) -> BudgetPrecision:
    """
    Count how often people agreed with what they were asked to look at first.

    Parameters
    ----------
    shown : iterable of Shown
        Packages, of any weeks and in any order.
    triages : iterable of Triage
        In the order in which they were said.

    Returns
    -------
    BudgetPrecision
        Not measured where nobody judged any of these alerts.

    Examples
    --------
    >>> week = IsoWeek(year=2026, week=48)
    >>> said = Triage(
    ...     alert_id="a", tier=Tier.HIGH, who="li", judgement=Judgement.UNLAWFUL
    ... )
    >>> package = Shown(week=week, alert_ids=("a", "b"))
    >>> found = precision_at_budget([package], [said])
    >>> found.shown, found.unlawful.found, found.unlawful.n
    (2, 1, 1)
    >>> precision_at_budget([package], []).unlawful is None
    True
    """
    by_week: dict[IsoWeek, set[str]] = {}
    for package in shown:
        by_week.setdefault(package.week, set()).update(package.alert_ids)
    last: dict[str, dict[str, Triage]] = {}
    for triage in triages:
        last.setdefault(triage.alert_id, {})[triage.who] = triage

    def count(alert_ids: Iterable[str]) -> TierPrecision:
        return _precision(
            None, [list(last[a].values()) for a in alert_ids if a in last]
        )

    everything = sorted(set().union(*by_week.values()))
    whole = count(everything)
    weeks = []
    for week in sorted(by_week):
        own = count(sorted(by_week[week]))
        weeks.append(
            BudgetWeek(
                week=week,
                shown=len(by_week[week]),
                triaged=own.triaged,
                unlawful=own.unlawful,
            )
        )
    return BudgetPrecision(
        weeks=tuple(weeks),
        shown=len(everything),
        triaged=whole.triaged,
        disagreed=whole.disagreed,
        undecided=whole.undecided,
        real=whole.real,
        unlawful=whole.unlawful,
    )


def budget_sentence(precision: BudgetPrecision, *, pages: int) -> Reason:
    """
    Say the precision at the weekly budget in one sentence.

    Parameters
    ----------
    precision : BudgetPrecision
        From `precision_at_budget`.
    pages : int
        Alerts of a week that get a page.

    Returns
    -------
    Reason
        With its interval; 'not yet measured' where it is not.

    Examples
    --------
    >>> budget_sentence(precision_at_budget([], []), pages=10).en
    'Precision of the first 10 alerts of a week: not yet measured (no verdict on any \
of them yet).'
    """
    share, real = precision.unlawful, precision.real
    if share is None or real is None:
        return Reason(
            zh=f"每周前 {pages} 条线索的查实率：尚未测得（其中尚无有效核查结论）。",
            en=f"Precision of the first {pages} alerts of a week: not yet measured (no "
            "verdict on any of them yet).",
        )
    weeks = len(precision.weeks)
    return Reason(
        zh=f"每周前 {pages} 条线索的查实率：{share.value:.0%}"
        f"（95% 区间 {share.low:.0%} 至 {share.high:.0%}）。"
        f"{weeks} 周共 {precision.shown} 条，有明确核查结论的 {share.n} 条中"
        f"认定违法 {share.found} 条，地表变化属实 {real.found} 条。",
        en=f"Precision of the first {pages} alerts of a week: {share.value:.0%} (95 % "
        f"interval {share.low:.0%} to {share.high:.0%}). Of {precision.shown} alerts "
        f"in {weeks} weeks {share.n} have a clear verdict: {share.found} unlawful, "
        f"{real.found} real change.",
    )


def _precision(tier: Tier | None, cases: list[list[Triage]]) -> TierPrecision:
    """Count the alerts of one tier."""
    # of an alert that rose between two looks, the last look says what it was
    mine = [case for case in cases if tier is None or case[-1].tier is tier]
    words = [{triage.judgement for triage in case} for case in mine]
    agreed = [next(iter(word)) for word in words if len(word) == 1]
    undecided = sum(word in _UNDECIDED for word in agreed)
    n = len(agreed) - undecided
    unlawful = agreed.count(Judgement.UNLAWFUL)
    return TierPrecision(
        tier=tier,
        triaged=len(mine),
        disagreed=len(mine) - len(agreed),
        undecided=undecided,
        real=share_of(unlawful + agreed.count(Judgement.LAWFUL), n),
        unlawful=share_of(unlawful, n),
    )


def share_of(found: int, n: int) -> Share | None:
    """
    Give a share and its Wilson interval.

    Parameters
    ----------
    found : int
        Cases that are so, 0 to `n`.
    n : int
        Cases in all.

    Returns
    -------
    Share or None
        None without a case.

    Raises
    ------
    ContractError
        If there are more that are so than cases, or fewer than none.

    Examples
    --------
    >>> share = share_of(307, 343)
    >>> round(share.low, 3), round(share.high, 3)
    (0.858, 0.923)
    """
    limits = wilson(found, n)
    if limits is None:
        return None
    return Share(found=found, n=n, low=limits[0], high=limits[1])


def wilson(found: int, n: int) -> tuple[float, float] | None:
    r"""
    Give the 95 % interval of a share.

    Parameters
    ----------
    found : int
        Successes, 0 to `n`.
    n : int
        Cases.

    Returns
    -------
    tuple of float or None
        Low and high; None without a case.

    Raises
    ------
    ContractError
        If there are more successes than cases, or fewer than none.

    Notes
    -----
    With :math:`z = 1.96` and :math:`\hat p` the share [1]_:

    .. math::

       \frac{\hat p + z^2 / 2n \pm z \sqrt{\hat p (1 - \hat p) / n + z^2 / 4n^2}}
            {1 + z^2 / n}

    References
    ----------
    .. [1] Wilson, E. B. (1927), "Probable inference, the law of succession, and
       statistical inference", J. Am. Stat. Assoc. 22, 209-212.
       doi:10.1080/01621459.1927.10502953

    Examples
    --------
    >>> [round(limit, 3) for limit in wilson(307, 343)]
    [0.858, 0.923]
    """
    if not 0 <= found <= n:
        raise ContractError(f"{found} of {n} is no share")
    if n == 0:
        return None
    share = found / n
    middle = (share + _Z2 / (2 * n)) / (1 + _Z2 / n)
    half = math.sqrt(_Z2 * (share * (1 - share) / n + _Z2 / (4 * n * n)))
    half /= 1 + _Z2 / n
    # the limits meet the share where it is 0 or 1, but for rounding
    return max(0.0, min(share, middle - half)), min(1.0, max(share, middle + half))
