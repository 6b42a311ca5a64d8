"""What needs a person: conditions become notices that say what to do, each once."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from rsmonitor.records.package import Language
from rsmonitor.records.week import IsoWeek

_GB: Final = 1e9
_SAID_CHARACTERS: Final = 300


class NoticeKind(StrEnum):
    """What can be the matter, the most urgent first."""

    CHAIN = "chain"
    """The chain of the ledger is not whole."""

    DISK = "disk"
    """A disk is filling."""

    SETTINGS = "settings"
    """The settings cannot be read."""

    FAILING = "failing"
    """A job fails again and again."""

    NO_RUN = "no_run"
    """A run is missing."""

    STALE = "stale"
    """No new scene has come for long."""

    PRECISION = "precision"
    """People find fewer alerts right than they should be."""

    MAIL = "mail"
    """Mail waits."""

    OVERDUE = "overdue"
    """Cases are overdue."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """One thing that needs a person, and what they can do."""

    kind: NoticeKind
    """What is the matter."""

    about: str = ""
    """With what: a district, a folder, a job; empty where there is only one."""

    zh: str
    """What is the matter, in Chinese."""

    en: str
    """The same in English."""

    do_zh: str
    """What to do, in Chinese."""

    do_en: str
    """The same in English."""

    @property
    def key(self) -> str:
        """Names the same trouble for as long as it lasts."""
        return f"{self.kind.value}:{self.about}"

    def said(self, language: Language) -> tuple[str, str]:
        """
        Say it in a language.

        Parameters
        ----------
        language : str
            ``zh`` or ``en``.

        Returns
        -------
        what : str
            What is the matter.
        advice : str
            What to do.
        """
        return (self.zh, self.do_zh) if language == "zh" else (self.en, self.do_en)


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """From when on something is worth a notice."""

    stale_days: int = 21
    """Days since the newest scene."""

    no_run_days: int = 9
    """Days since the end of the last week that was run."""

    disk_free_gb: float = 5.0
    """Free space, gigabytes."""

    failures: int = 3
    """Failures in a row."""

    waiting_hours: int = 12
    """Hours that mail may wait."""

    precision_below: float = 0.5
    """Share of right alerts; 0: never."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DistrictFacts:
    """How one district stands."""

    code: str
    """`District.code`."""

    name_zh: str
    """`District.name_zh`."""

    name_en: str
    """`District.name_en`."""

    last_week: IsoWeek | None = None
    """Last week that was run; None before the first run."""

    newest_scene: datetime | None = None
    """When the newest scene of its runs was sensed, UTC."""

    overdue: int = 0
    """Overdue cases."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DiskFacts:
    """How much room a folder has."""

    folder: str
    """The folder."""

    free_bytes: int
    """Free space where it lies."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FailingFacts:
    """A job that failed."""

    name: str
    """Which job."""

    command: str
    """How a person does the same."""

    failures: int
    """How often in a row."""

    code: int
    """Its exit code."""

    said: str = ""
    """Its last words."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What is known of everything at one moment."""

    at: datetime
    """The moment, UTC."""

    config: str = "CONFIG"
    """The settings file, as commands name it."""

    districts: tuple[DistrictFacts, ...] = ()
    """The districts."""

    disks: tuple[DiskFacts, ...] = ()
    """The folders."""

    failing: tuple[FailingFacts, ...] = ()
    """Jobs that failed at their last try."""

    chain: str = ""
    """What is wrong with the chain; empty if nothing is known to be."""

    settings: str = ""
    """Why the settings cannot be read; empty if they can."""

    waiting: int = 0
    """Letters that wait."""

    waiting_since: datetime | None = None
    """Since when the oldest of them waits, UTC."""

    right: tuple[int, int] | None = None
    """Of alerts that people judged this year: those that were right, and all."""

    right_at_most: float | None = None
    """Upper end of the 95 % interval of that share."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """A notice that was raised and has not cleared."""

    key: str
    """`Notice.key`."""

    since: datetime
    """When it was raised, UTC."""

    told: tuple[str, ...] = ()
    """Mail addresses to which it went."""


def notices_of(facts: Facts, limits: Limits) -> tuple[Notice, ...]:
    """
    Find what needs a person.

    Parameters
    ----------
    facts : Facts
        What is known.
    limits : Limits
        From when on it matters.

    Returns
    -------
    tuple of Notice
        The most urgent first; each key once.
    """
    found = {
        each.key: each
        for each in (
            *_of_the_machine(facts, limits),
            *_of_jobs(facts, limits),
            *(each for one in facts.districts for each in _of(one, facts, limits)),
            *_of_people(facts, limits),
        )
    }
    urgent = {kind: place for place, kind in enumerate(NoticeKind)}
    return tuple(sorted(found.values(), key=lambda each: urgent[each.kind]))


def follow(
    before: Iterable[Standing], notices: Collection[Notice], at: datetime
) -> tuple[Standing, ...]:
    """
    Carry the standing notices on: what is over goes, what is new comes.

    Parameters
    ----------
    before : iterable of Standing
        What stood.
    notices : collection of Notice
        What is the matter now.
    at : datetime
        The time, UTC.

    Returns
    -------
    tuple of Standing
        One for each notice, in its order; what stood before keeps since when, and who
        was told.
    """
    known = {each.key: each for each in before}
    return tuple(
        known.get(notice.key, Standing(key=notice.key, since=at)) for notice in notices
    )


def untold(
    standing: Iterable[Standing], notices: Iterable[Notice], address: str
) -> tuple[Notice, ...]:
    """
    List what an address has not been told.

    Parameters
    ----------
    standing : iterable of Standing
        From `follow`.
    notices : iterable of Notice
        What is the matter now.
    address : str
        Mail address.

    Returns
    -------
    tuple of Notice
        In their order.
    """
    told: Mapping[str, tuple[str, ...]] = {each.key: each.told for each in standing}
    return tuple(each for each in notices if address not in told.get(each.key, ()))


def told(
    standing: Iterable[Standing], notices: Iterable[Notice], address: str
) -> tuple[Standing, ...]:
    """
    Note that an address was told.

    Parameters
    ----------
    standing : iterable of Standing
        What stands.
    notices : iterable of Notice
        What the letter said.
    address : str
        To whom it went.

    Returns
    -------
    tuple of Standing
        The same, with who was told.
    """
    said = {each.key for each in notices}
    return tuple(
        replace(each, told=tuple(sorted({*each.told, address})))
        if each.key in said
        else each
        for each in standing
    )


def _of_the_machine(facts: Facts, limits: Limits) -> Iterator[Notice]:
    """Look at ledger, disks and settings."""
    if facts.chain:
        yield Notice(
            kind=NoticeKind.CHAIN,
            zh=f"台账校验未通过：{_short(facts.chain)}",
            en=f"the ledger did not pass verification: {_short(facts.chain)}",
            do_zh=f"停止使用该台账，运行 rsmonitor verify {facts.config} 查看位置，"
            "保留现场副本，从备份恢复（docs/operations.md）",
            do_en="stop working with this ledger, see where it is damaged with "
            f"'rsmonitor verify {facts.config}', keep a copy as it is, and restore "
            "from a backup (docs/operations.md)",
        )
    for disk in facts.disks:
        free = disk.free_bytes / _GB
        if free < limits.disk_free_gb:
            yield Notice(
                kind=NoticeKind.DISK,
                about=disk.folder,
                zh=f"磁盘空间不足：{disk.folder} 仅剩 {free:.1f} GB",
                en=f"the disk of {disk.folder} is filling: {free:.1f} GB are free",
                do_zh=f"运行 rsmonitor cache prune {facts.config} --days N "
                "清理影像缓存，或减小 run.keep_runs、deliver.keep_weeks，或扩容",
                do_en="remove old scenes with 'rsmonitor cache prune "
                f"{facts.config} --days N', lower run.keep_runs or deliver.keep_weeks, "
                "or give it more room",
            )
    if facts.settings:
        yield Notice(
            kind=NoticeKind.SETTINGS,
            zh=f"配置文件无法读取：{_short(facts.settings)}",
            en=f"the settings cannot be read: {_short(facts.settings)}",
            do_zh="按提示修改配置文件；改好之前不执行任何任务",
            do_en="correct the file as it says; until then nothing is done",
        )


def _of_jobs(facts: Facts, limits: Limits) -> Iterator[Notice]:
    """Look at what fails."""
    for job in facts.failing:
        if job.failures >= limits.failures:
            why = f": {_short(job.said)}" if job.said else ""
            yield Notice(
                kind=NoticeKind.FAILING,
                about=job.name,
                zh=f"任务 {job.name} 连续失败 {job.failures} 次"
                f"（退出码 {job.code}）{why}",
                en=f"the job {job.name} failed {job.failures} times in a row (exit "
                f"code {job.code}){why}",
                do_zh=f"运行 rsmonitor check {facts.config}，再手动运行 {job.command}；"
                + _CODES_ZH.get(job.code, "见上述错误"),
                do_en=f"run 'rsmonitor check {facts.config}', then '{job.command}' by "
                f"hand; {_CODES_EN.get(job.code, 'see what it said')}",
            )


_CODES_ZH: Final = {
    3: "输入有误：按错误提示修改",
    4: "被其他进程占用：等待其结束或检查是否卡住",
    5: "数据源或邮件服务器无法连接：检查网络、账号和额度",
    -9: "进程被杀死，可能内存不足：减小 run.block_size 或 run.workers",
}
_CODES_EN: Final = {
    3: "an input is wrong, and the error says which",
    4: "another process holds it: wait for it, or see whether it hangs",
    5: "the source or mail server cannot be reached: check network, account and quota",
    -9: "it was killed, perhaps for memory: lower run.block_size or run.workers",
}


def _of(one: DistrictFacts, facts: Facts, limits: Limits) -> Iterator[Notice]:
    """Look at one district."""
    zh, en = f"{one.name_zh}（{one.code}）", f"{one.name_en} ({one.code})"
    if one.last_week is None:
        return  # whether its first run fails is a matter of its job
    if facts.at - one.last_week.end > timedelta(days=limits.no_run_days):
        days = (facts.at - one.last_week.end).days
        yield Notice(
            kind=NoticeKind.NO_RUN,
            about=one.code,
            zh=f"{zh}最近一次运行是 {one.last_week} 周，已过 {days} 天",
            en=f"the last run of {en} is of week {one.last_week}, which ended "
            f"{days} days ago",
            do_zh="检查调度程序是否在运行（rsmonitor schedule），再运行 rsmonitor run "
            f"{facts.config} --district {one.code}",
            do_en="see whether the scheduler is running (rsmonitor schedule), then "
            f"run 'rsmonitor run {facts.config} --district {one.code}'",
        )
    newest = one.newest_scene
    if newest is None or facts.at - newest > timedelta(days=limits.stale_days):
        since_zh = "没有影像" if newest is None else f"最新影像为 {newest:%Y-%m-%d}"
        since_en = "has none" if newest is None else f"is of {newest:%Y-%m-%d}"
        yield Notice(
            kind=NoticeKind.STALE,
            about=one.code,
            zh=f"{zh}{since_zh}，超过 {limits.stale_days} 天没有新影像",
            en=f"the newest scene of {en} {since_en}: none came for more than "
            f"{limits.stale_days} days",
            do_zh=f"运行 rsmonitor find {facts.config} --district {one.code} "
            "查看数据源；若数据源停更，换用其他服务；在此之前“无预警”不等于“无开采”",
            do_en=f"ask the source with 'rsmonitor find {facts.config} --district "
            f"{one.code}'; if it has stopped, use another service; until then no "
            "alert does not mean no mining",
        )
    if one.overdue:
        yield Notice(
            kind=NoticeKind.OVERDUE,
            about=one.code,
            zh=f"{zh}有 {one.overdue} 件案件逾期",
            en=f"{one.overdue} cases of {en} are overdue",
            do_zh=f"运行 rsmonitor cases list {facts.config} --overdue，逐件办结或延期",
            do_en=f"list them with 'rsmonitor cases list {facts.config} --overdue'; "
            "close or extend each",
        )


def _of_people(facts: Facts, limits: Limits) -> Iterator[Notice]:
    """Look at mail and at what people said of alerts."""
    since = facts.waiting_since
    longest = timedelta(hours=limits.waiting_hours)
    if facts.waiting and since is not None and facts.at - since > longest:
        yield Notice(
            kind=NoticeKind.MAIL,
            zh=f"{facts.waiting} 封邮件未发出，最早自 {since:%Y-%m-%d} 起",
            en=f"{facts.waiting} letters wait, the oldest since {since:%Y-%m-%d}",
            do_zh=f"运行 rsmonitor deliver {facts.config} 查看服务器答复，检查 [mail]",
            do_en=f"see what the server says with 'rsmonitor deliver {facts.config}', "
            "and check [mail]",
        )
    most = facts.right_at_most
    if facts.right and most is not None and most < limits.precision_below:
        right, judged = facts.right
        table = f"rsmonitor report yearly {facts.config} --year {facts.at.year}"
        yield Notice(
            kind=NoticeKind.PRECISION,
            zh=f"今年已核查的 {judged} 处线索中仅 {right} 处属实（上限 {most:.0%}）",
            en=f"of {judged} alerts that people judged this year only {right} were "
            f"right (at most {most:.0%})",
            do_zh=f"运行 {table}，查看哪一等级、哪一县下降；检查近期数据源或配置的变化",
            do_en=f"see with '{table}' which tier or county fell; look at what changed "
            "in source or settings",
        )


def _short(text: str) -> str:
    """Cut what was said to what a letter bears, on one line."""
    return " ".join(text.split())[:_SAID_CHARACTERS]
