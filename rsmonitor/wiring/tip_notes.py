"""What a reader of a tip's imagery must know, in sentences."""

from rsmonitor.config import Settings
from rsmonitor.records.package import Reason
from rsmonitor.records.run import Partition, RunRecord
from rsmonitor.records.tip_view import Chosen, TipView
from rsmonitor.wiring.office import job_of


def notes_on(view: TipView, settings: Settings, run: RunRecord) -> list[Reason]:
    """
    Say what a reader of a tip's imagery must know: what was not seen first.

    Parameters
    ----------
    view : TipView
        What can be seen.
    settings : Settings
        Of the district.
    run : RunRecord
        Its last run.

    Returns
    -------
    list of Reason
        One sentence each.
    """
    notes = []
    day, since = view.tip.day, view.since
    if view.after is None:
        notes.append(
            Reason(
                zh="没有任何清晰影像：不能判断",
                en="no clear image at all: nothing can be said",
            )
        )
    elif view.after.chosen is Chosen.UNTIL:
        notes.append(
            Reason(
                zh=f"线索日期之后无清晰影像，最新影像截至 {view.after.looks[-1][0]}",
                en="nothing clear was seen since the tip; the newest image ends on "
                f"{view.after.looks[-1][0]}",
            )
        )
    if day > view.until:
        notes.append(
            Reason(
                zh=f"线索日期晚于最近一次运行（{view.until}）：运行后再看",
                en=f"the tip is newer than the last run ({view.until}): look again "
                "after the next",
            )
        )
    if view.before is None:
        notes.append(
            Reason(
                zh="线索之前无清晰影像，无从对比",
                en="nothing clear before the tip to compare with",
            )
        )
    if day <= settings.history.until:
        notes.append(
            Reason(
                zh=f"线索日期在监测开始（{settings.history.until}）之前：证据只说此后的变化",
                en="the tip is older than the watch, which began after "
                f"{settings.history.until}: evidence speaks of later changes only",
            )
        )
    watched = view.share_monitored
    if watched is not None and watched < 1 / 2:
        notes.append(
            Reason(
                zh="附近多数地面无法监测：没有证据不等于没有变化",
                en="most of the ground near is not monitored: no evidence is not no "
                "change",
            )
        )
    if since.unreadable or since.left_out:
        notes.append(
            Reason(
                zh=f"线索之后有 {since.unreadable} 景不可读，{since.left_out} 景未计入",
                en=f"{since.unreadable} looks since the tip could not be read, and "
                f"{since.left_out} were left out; --fetch asks the service for what "
                "the cache lost",
            )
        )
    line = Partition(
        district=settings.district.code,
        week=run.week,
        algorithm=job_of(settings).algorithm,
        settings_digest=job_of(settings).settings_digest,
    ).line
    if line != run.line:
        notes.append(
            Reason(
                zh="设置在最近一次运行之后有改动：证据是按旧设置算的",
                en="the settings changed since the last run: the evidence is of the "
                "old ones, its tiers by the new levels",
            )
        )
    return notes
