"""What the letter around a package says of it, and how it is kept in its manifest."""

from collections.abc import Mapping
from typing import Any, Final

from rsmonitor.errors import ContractError
from rsmonitor.records.alert import M2_PER_MU
from rsmonitor.records.package import (
    NEWS_LABELS,
    Dossier,
    News,
    Package,
    Reason,
)
from rsmonitor.records.sending import Named, Parcel
from rsmonitor.records.verdict import CATEGORY_LABELS
from rsmonitor.records.week import IsoWeek

TOP_LINES: Final = 5
"""Alerts that a letter names."""

REPORTS: Final = ("report.pdf", "summary.pdf")
"""Files of a package that may go alone where the whole is too large."""

_M2_PER_HA: Final = 10_000


def letter_entry(package: Package) -> dict[str, Any]:
    """
    Say of a package what its letter needs.

    Parameters
    ----------
    package : Package
        What is built.

    Returns
    -------
    dict
        JSON values, for ``letter`` in the manifest.
    """
    news = [dossier.news for dossier in package.dossiers]
    lines = [_line(dossier) for dossier in package.dossiers[:TOP_LINES]]
    return {
        "language": package.language,
        "standing": len(news),
        "new": news.count(News.NEW),
        "changed": news.count(News.CHANGED),
        "lines": [{"zh": line.zh, "en": line.en} for line in lines],
        "unseen": [{"zh": line.zh, "en": line.en} for line in _unseen(package)],
    }


def parcel_of(manifest: Mapping[str, Any], *, archive: str, sha256: str) -> Parcel:
    """
    Make a parcel of a package that is on disk.

    Parameters
    ----------
    manifest : Mapping of str to JSON values
        What its manifest says.
    archive : str
        Path of its ZIP archive, relative to the folder of packages.
    sha256 : str
        SHA-256 of the archive.

    Returns
    -------
    Parcel
        Ready to be sent.

    Raises
    ------
    ContractError
        If the manifest lacks what a letter needs.
    """
    try:
        area, letter = manifest["area"], manifest["letter"]
        week = IsoWeek.parse(manifest["week"])
        report = next((name for name in REPORTS if name in manifest["files"]), "")
        return Parcel(
            area=area["code"],
            name_zh=area["name_zh"],
            name_en=area["name_en"],
            bureau=area["bureau"],
            week=week,
            revision=manifest["revision"],
            run_ids=tuple(manifest["runs"]),
            zip=archive,
            sha256=sha256,
            report=f"{week}/{area['code']}/{report}" if report else "",
            language=letter["language"],
            standing=letter["standing"],
            new=letter["new"],
            changed=letter["changed"],
            lines=tuple(Reason(**line) for line in letter["lines"]),
            unseen=tuple(Reason(**line) for line in letter["unseen"]),
            invented=manifest["invented_licences"],
            alerts=tuple(
                Named(
                    site_id=each["site_id"],
                    alert_id=each["alert_id"],
                    version=each["version"],
                )
                for each in manifest["alerts"]
            ),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise ContractError(
            f"the manifest beside {archive} lacks what a letter needs: "
            f"{type(error).__name__}: {error}; build the package again"
        ) from error


def _line(dossier: Dossier) -> Reason:
    """Say of one alert what it is, how large, and why it comes first."""
    alert = dossier.alert
    zh, en = CATEGORY_LABELS[alert.verdict.category]
    news_zh, news_en = NEWS_LABELS[dossier.news]
    area_m2 = alert.site.latest.disturbance.area_m2
    why = dossier.reasons[:1]
    return Reason(
        zh=f"{dossier.short_name} {zh}，{area_m2 / M2_PER_MU:.1f} 亩（{news_zh}）"
        + "".join(f"：{reason.zh}" for reason in why),
        en=f"{dossier.short_name} {en}, {area_m2 / _M2_PER_HA:.2f} ha ({news_en})"
        + "".join(f": {reason.en}" for reason in why),
    )


def _unseen(package: Package) -> tuple[Reason, ...]:
    """Say what was not observed: no alert is not 'no mining'."""
    told = []
    area_m2 = sum(each.area_m2 for each in package.coverage)
    if area_m2 > 0:
        seen = sum(each.area_m2 * each.share_seen for each in package.coverage)
        able = sum(each.area_m2 * each.share_monitored for each in package.coverage)
        hidden, blind = 1 - seen / area_m2, 1 - able / area_m2
        told = [
            Reason(
                zh=f"本周没有清晰影像的范围占 {hidden:.0%}，历史影像不足、不能监测的占 "
                f"{blind:.0%}；没有线索不等于没有变化。",
                en=f"{hidden:.0%} of the ground was not seen clear this week, and "
                f"{blind:.0%} cannot be watched for want of history; no clue does not "
                "mean no change.",
            )
        ]
    return (*told, *package.notes)
