"""Reports as tables for people and as JSON for programs."""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any, Final

from rsmonitor.io.deliver.handheld import place_of, short_names
from rsmonitor.io.deliver.legend import (
    FIELD_LABELS,
    TIER_LABELS,
    VALIDITY_LABELS,
    Validity,
    validity_on,
)
from rsmonitor.io.deliver.tables import Cell, Column, Table
from rsmonitor.records.alert import M2_PER_MU, Alert
from rsmonitor.records.case import HANDLING_LABELS, Handling
from rsmonitor.records.disturbance import CAUSE_LABELS
from rsmonitor.records.licence import KIND_LABELS, STATUS_LABELS, Licence
from rsmonitor.records.site import STATE_LABELS
from rsmonitor.records.verdict import CATEGORY_LABELS, CERTAINTY_LABELS
from rsmonitor.stages.precision import Share, TierPrecision
from rsmonitor.stages.reporting import Case, Row, Yearly
from rsmonitor.stages.rights_report import (
    FINDING_LABELS,
    Finding,
    Quarter,
    RightRow,
)

YEARLY_REMARKS: Final = (
    (
        "年份、月份按影像首次发现变化之日统计。Years and months are those of the first "
        "clear look that saw the change."
    ),
    (
        "跨界或涉及多个权利人的线索在相应行中各计一次，合计只计一次。An alert near a "
        "border, or that rights of several holders touch, stands in several rows, and "
        "once in the total. 权利人指线索所涉权属，并非认定的行为人。A holder is who "
        "holds a right that touches it, and not who is accused."
    ),
    (
        "“已清理”指最近晴空影像已看不到裸露，不代表验收合格。Cleared: the last clear "
        "looks see no disturbed ground; it is no acceptance."
    ),
)
"""What a reader of the yearly table must know."""

_TITLES: Final = {
    "county": "按县区",
    "category": "按类别",
    "month": "按月份",
    "holder": "按权利人",
}

_COUNTS: Final = (
    Column(key="key", zh="代码", en="code"),
    Column(key="zh", zh="名称", en="in Chinese"),
    Column(key="en", zh="名称（英文）", en="in English"),
    Column(key="alerts", zh="线索数", en="alerts"),
    Column(key="area_mu", zh="面积（亩）", en="area, mu"),
    Column(key="area_m2", zh="面积（平方米）", en="area, m2"),
    Column(key="grown_mu", zh="当年新增（亩）", en="grown in the year, mu"),
    Column(key="handled", zh="已结案", en="closed"),
    Column(key="open", zh="未结案", en="open"),
    Column(key="cleared", zh="已清理", en="cleared"),
    Column(key="not_cleared", zh="未清理", en="not cleared"),
)

_PRECISION: Final = (
    Column(key="tier", zh="证据等级", en="tier"),
    Column(key="triaged", zh="已核线索", en="judged by people"),
    Column(key="disagreed", zh="意见不一", en="people disagree"),
    Column(key="undecided", zh="无法判断", en="not decided"),
    Column(key="n", zh="计入数", en="counted"),
    Column(key="real", zh="真实变化比例", en="share that was real change"),
    Column(key="real_low", zh="95%下限", en="95 % low"),
    Column(key="real_high", zh="95%上限", en="95 % high"),
    Column(key="unlawful", zh="违法比例", en="share that was unlawful"),
    Column(key="unlawful_low", zh="违法95%下限", en="95 % low"),
    Column(key="unlawful_high", zh="违法95%上限", en="95 % high"),
)

_ALERT: Final = (
    *(
        Column(key=key, zh=FIELD_LABELS[key][0], en=FIELD_LABELS[key][1])
        for key in ("rank", "alert_id")
    ),
    Column(key="name", zh="屏显名", en="name on a receiver"),
    *(
        Column(key=key, zh=FIELD_LABELS[key][0], en=FIELD_LABELS[key][1])
        for key in ("version", "category", "category_zh", "certainty", "tier", "state")
    ),
    Column(key="longitude", zh="经度", en="longitude, WGS 84"),
    Column(key="latitude", zh="纬度", en="latitude, WGS 84"),
    *(
        Column(key=key, zh=FIELD_LABELS[key][0], en=FIELD_LABELS[key][1])
        for key in (
            *("area_mu", "area_m2", "began_after", "first_seen", "confirmed"),
            *("last_seen", "last_clear", "cause", "cause_zh", "county_codes"),
            *("licence_ids", "restrictions", "register_snapshot", "bureau", "scenes"),
        )
    ),
)

_RIGHTS: Final = (
    Column(key="licence_id", zh="许可证号", en="licence"),
    Column(key="kind", zh="种类", en="kind"),
    Column(key="mine", zh="矿山名称", en="mine"),
    Column(key="holder", zh="权利人", en="holder"),
    Column(key="status", zh="季末状态", en="status at the end"),
    Column(key="listed", zh="列入生产名单", en="on a list of producing mines"),
    Column(key="disturbed_m2", zh="权内扰动（平方米）", en="disturbed inside, m2"),
    Column(key="growth_m2", zh="本季新增（平方米）", en="growth in the quarter, m2"),
    Column(key="last_activity", zh="最近地表活动", en="last activity seen"),
    Column(key="share_observed", zh="观测比例", en="share observed"),
    Column(key="findings", zh="提示", en="to look at"),
)


def yearly_tables(report: Yearly) -> tuple[Table, ...]:
    """
    Lay out the table of a year.

    Parameters
    ----------
    report : Yearly
        The counts.

    Returns
    -------
    tuple of Table
        Totals, a table a grouping, handling, precision, and the alerts themselves.
    """
    gone = (
        Column(key="zh", zh="项目", en="item"),
        Column(key="alerts", zh="线索数", en="alerts"),
    )
    return (
        Table(key="total", title="合计", columns=_COUNTS, rows=(_cells(report.total),)),
        *(
            Table(
                key=key,
                title=_TITLES[key],
                columns=_COUNTS,
                rows=tuple(_cells(row) for row in rows),
            )
            for key, rows in report.tables.items()
        ),
        Table(
            key="handling",
            title="处理",
            columns=gone,
            rows=(
                *((_handling(how), n) for how, n in report.handling.items()),
                ("已撤回 withdrawn", report.withdrawn),
                ("已合并 merged into another", report.merged),
            ),
        ),
        Table(
            key="precision",
            title="精度",
            columns=_PRECISION,
            rows=tuple(_precision_cells(each) for each in report.precision),
        ),
        Table(
            key="alerts",
            title="清单",
            columns=(
                *_ALERT,
                Column(key="handling", zh="处理", en="handling"),
                Column(key="cleared", zh="已清理", en="cleared"),
            ),
            rows=tuple(
                (
                    *cells,
                    "" if case.handling is None else _handling(case.handling),
                    "是 yes" if case.cleared else "否 no",
                )
                for case, cells in zip(
                    report.cases,
                    _alert_rows([case.alert for case in report.cases]),
                    strict=True,
                )
            ),
        ),
    )


def yearly_json(report: Yearly) -> dict[str, Any]:
    """
    Say the same for programs.

    Parameters
    ----------
    report : Yearly
        The counts.

    Returns
    -------
    dict
        JSON values; null where nothing was measured.
    """
    return {
        "year": report.year,
        "total": _row_json(report.total),
        "tables": {
            key: [_row_json(row) for row in rows] for key, rows in report.tables.items()
        },
        "handling": dict(report.handling),
        "withdrawn": report.withdrawn,
        "merged": report.merged,
        "precision": [_precision_json(each) for each in report.precision],
        "alerts": [_case_json(case) for case in report.cases],
    }


def alerts_table(alerts: Sequence[Alert]) -> Table:
    """
    Lay out alerts, one a row.

    Parameters
    ----------
    alerts : sequence of Alert
        By rank.

    Returns
    -------
    Table
        With a place for each: a point inside its outline.

    Raises
    ------
    OutputError
        If a geometry is not longitude and latitude.
    """
    return Table(
        key="alerts", title="疑似线索", columns=_ALERT, rows=tuple(_alert_rows(alerts))
    )


def rights_table(rows: Sequence[RightRow], quarter: Quarter) -> Table:
    """
    Lay out what was seen inside each right.

    Parameters
    ----------
    rows : sequence of RightRow
        From `rsmonitor.stages.rights_report.rights`.
    quarter : Quarter
        The quarter.

    Returns
    -------
    Table
        One row a right.
    """
    return Table(
        key="rights",
        title=f"{quarter} 权内活动",
        columns=_RIGHTS,
        rows=tuple(_right_cells(row, quarter) for row in rows),
    )


def findings_table(rows: Sequence[RightRow]) -> Table:
    """
    List what to look at, by finding.

    Parameters
    ----------
    rows : sequence of RightRow
        From `rsmonitor.stages.rights_report.rights`.

    Returns
    -------
    Table
        One row a finding and right.
    """
    return Table(
        key="findings",
        title="提示清单",
        columns=(
            Column(key="finding", zh="代码", en="code"),
            Column(key="findings", zh="提示", en="to look at"),
            Column(key="licence_id", zh="许可证号", en="licence"),
            Column(key="holder", zh="权利人", en="holder"),
        ),
        rows=tuple(
            (
                finding.value,
                _both(FINDING_LABELS[finding]),
                row.licence.licence_id,
                row.licence.holder,
            )
            for finding in Finding
            for row in rows
            if finding in row.findings
        ),
    )


def rights_json(rows: Sequence[RightRow], quarter: Quarter) -> list[dict[str, Any]]:
    """
    Say the same for programs.

    Parameters
    ----------
    rows : sequence of RightRow
        From `rsmonitor.stages.rights_report.rights`.
    quarter : Quarter
        The quarter.

    Returns
    -------
    list of dict
        JSON values; null where nothing was measured.
    """
    return [
        {
            "licence_id": row.licence.licence_id,
            "kind": row.licence.kind.value,
            "mine": row.licence.mine,
            "holder": row.licence.holder,
            "validity": validity_on(row.licence, quarter.last).value,
            "status": row.licence.status_on(quarter.last).value,
            "listed": row.listed,
            "disturbed_m2": round(row.disturbed_m2, 1),
            "growth_m2": round(row.growth_m2, 1),
            "last_activity": _day(row.last_activity),
            "share_observed": _rounded(row.share_observed),
            "findings": [finding.value for finding in row.findings],
        }
        for row in rows
    ]


def _cells(row: Row) -> tuple[Cell, ...]:
    """Lay out counts."""
    return (
        *(row.key, row.zh, row.en, row.alerts),
        *(round(row.area_m2 / M2_PER_MU, 2), round(row.area_m2, 1)),
        *(round(row.grown_m2 / M2_PER_MU, 2), row.handled, row.open),
        *(row.cleared, row.not_cleared),
    )


def _row_json(row: Row) -> dict[str, Any]:
    """Say counts for programs."""
    return {
        "key": row.key,
        "zh": row.zh,
        "en": row.en,
        "alerts": row.alerts,
        "area_m2": round(row.area_m2, 1),
        "grown_m2": round(row.grown_m2, 1),
        "handled": row.handled,
        "open": row.open,
        "cleared": row.cleared,
        "not_cleared": row.not_cleared,
    }


def _precision_cells(each: TierPrecision) -> tuple[Cell, ...]:
    """Lay out a precision; None is written as not measured."""
    tier = "合计 all" if each.tier is None else _both(TIER_LABELS[each.tier])
    return (
        *(tier, each.triaged, each.disagreed, each.undecided),
        0 if each.real is None else each.real.n,
        *_share_cells(each.real),
        *_share_cells(each.unlawful),
    )


def _share_cells(share: Share | None) -> tuple[Cell, Cell, Cell]:
    """Lay out a share and its limits."""
    if share is None:
        return (None, None, None)
    return (round(share.value, 4), round(share.low, 4), round(share.high, 4))


def _precision_json(each: TierPrecision) -> dict[str, Any]:
    """Say a precision for programs."""
    return {
        "tier": "all" if each.tier is None else each.tier.code,
        "judged": each.triaged,
        "disagreed": each.disagreed,
        "undecided": each.undecided,
        "real": _share_json(each.real),
        "unlawful": _share_json(each.unlawful),
    }


def _share_json(share: Share | None) -> dict[str, Any] | None:
    """Say a share for programs; None: not measured."""
    if share is None:
        return None
    return {
        "share": round(share.value, 4),
        "interval": [round(share.low, 4), round(share.high, 4)],
        "found": share.found,
        "n": share.n,
    }


def _case_json(case: Case) -> dict[str, Any]:
    """Say a case for programs."""
    return {
        "alert_id": case.alert.alert_id,
        "version": case.alert.version,
        "category": case.alert.verdict.category.value,
        "tier": case.alert.site.latest.disturbance.tier.code,
        "first_seen": case.alert.site.latest.disturbance.began_by.isoformat(),
        "area_m2": round(case.area_m2, 1),
        "county_codes": list(case.alert.county_codes),
        "licence_ids": list(case.alert.verdict.licence_ids),
        "handling": case.handling,
        "cleared": case.cleared,
    }


def _alert_rows(alerts: Sequence[Alert]) -> list[tuple[Cell, ...]]:
    """Lay out alerts."""
    names = short_names(alert.alert_id for alert in alerts)
    rows: list[tuple[Cell, ...]] = []
    for alert in alerts:
        point, _ = place_of(alert)
        seen, verdict = alert.site.latest.disturbance, alert.verdict
        rows.append(
            (
                *(alert.rank, alert.alert_id, names[alert.alert_id], alert.version),
                *(verdict.category.value, CATEGORY_LABELS[verdict.category][0]),
                _both(CERTAINTY_LABELS[verdict.certainty]),
                _both(TIER_LABELS[seen.tier]),
                _both(STATE_LABELS[alert.site.state]),
                *(point.x, point.y),
                *(round(seen.area_m2 / M2_PER_MU, 2), round(seen.area_m2, 1)),
                # an unknown day is no measurement that is missing
                *(seen.began_after or "", seen.began_by, seen.confirmed or ""),
                *(seen.last_seen, seen.last_clear),
                alert.site.latest.cause.value,
                CAUSE_LABELS[alert.site.latest.cause][0],
                *("、".join(alert.county_codes), "、".join(verdict.licence_ids)),
                *("、".join(verdict.restrictions), verdict.register_snapshot),
                *(alert.bureau, " ".join(alert.provenance.scenes)),
            )
        )
    return rows


def _right_cells(row: RightRow, quarter: Quarter) -> tuple[Cell, ...]:
    """Lay out a right."""
    licence = row.licence
    listed = {True: "是 yes", False: "否 no", None: "无名单 no list"}[row.listed]
    return (
        *(licence.licence_id, _both(KIND_LABELS[licence.kind])),
        *(licence.mine, licence.holder),
        _standing(licence, quarter),
        listed,
        *(round(row.disturbed_m2, 1), round(row.growth_m2, 1)),
        row.last_activity or "未见 none seen",
        _rounded(row.share_observed),
        "；".join(_both(FINDING_LABELS[finding]) for finding in row.findings),
    )


def _standing(licence: Licence, quarter: Quarter) -> str:
    """Say where a right stands at the end of a quarter: its dates, then its status."""
    validity = validity_on(licence, quarter.last)
    if validity is not Validity.IN_FORCE:
        return _both(VALIDITY_LABELS[validity])
    return _both(STATUS_LABELS[licence.status_on(quarter.last)])


def _handling(how: str) -> str:
    """Say how a case was closed."""
    known: Mapping[str, tuple[str, str]] = {
        each.value: HANDLING_LABELS[each] for each in Handling
    }
    return _both(known[how]) if how in known else how


def _both(label: tuple[str, str]) -> str:
    """Say it in both languages."""
    return f"{label[0]} {label[1]}"


def _rounded(share: float | None) -> float | None:
    """Round a share."""
    return None if share is None else round(share, 4)


def _day(day: date | None) -> str | None:
    """Write a day as ISO 8601."""
    return None if day is None else day.isoformat()
