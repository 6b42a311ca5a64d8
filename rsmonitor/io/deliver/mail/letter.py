"""The letter around a package: what its subject and body say, and what it encloses.

The same parcel gives the same bytes but for the ``Date``: nothing is drawn by lot.
"""

import hashlib
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from email.header import Header
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from pathlib import Path
from typing import Final

from rsmonitor.errors import OutputError
from rsmonitor.records.alert import NOTICE, NOTICE_INVENTED
from rsmonitor.records.sending import Parcel, Sending

_LONGEST_NAME: Final = 60
"""Characters of an area's name in a subject."""

_PLACEHOLDER: Final = "SUBJECT"

_BASE64_GROWTH: Final = 1.4
"""Bytes on the wire for each byte of a file, line ends included."""

_REST_BYTES: Final = 20_000
"""Bytes of headers and body, generously."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Enclosed:
    """A file that goes with a letter."""

    name: str
    """How it is called there."""

    kind: str
    """What follows ``application/`` in its media type."""

    data: bytes
    """Its content."""


def read_enclosed(
    parcel: Parcel, folder: Path, *, largest_bytes: int
) -> tuple[Enclosed, ...]:
    """
    Read what may go with the letter of a parcel, and check that it is what was built.

    Parameters
    ----------
    parcel : Parcel
        The parcel.
    folder : Path
        Folder of the packages.
    largest_bytes : int
        A larger file is not enclosed.

    Returns
    -------
    tuple of Enclosed
        The archive, then the report alone; without those that are too large.

    Raises
    ------
    OutputError
        If the archive is gone or was changed since it was built, or a file cannot be
        read.
    """
    found = []
    archive = folder / parcel.zip
    try:
        if archive.stat().st_size <= largest_bytes:
            # what is checked is what is sent
            data = archive.read_bytes()
            digest = hashlib.sha256(data).hexdigest()
            found.append(Enclosed(name=archive.name, kind="zip", data=data))
        else:
            with archive.open("rb") as file:
                digest = hashlib.file_digest(file, "sha256").hexdigest()
        if digest != parcel.sha256:
            raise OutputError(
                f"{archive} has SHA-256 {digest}, not {parcel.sha256} as when it was "
                "built; build the package again"
            )
        if parcel.report:
            report = folder / parcel.report
            if report.stat().st_size <= largest_bytes:
                data = report.read_bytes()
                found.append(Enclosed(name=report.name, kind="pdf", data=data))
    except OSError as error:
        raise OutputError(
            f"{error.filename or archive} cannot be read: {error.strerror}; build the "
            "package again"
        ) from error
    return tuple(found)


def fitting(candidates: Iterable[Enclosed], limit_bytes: int | None) -> Enclosed | None:
    """
    Choose what a letter encloses.

    Parameters
    ----------
    candidates : iterable of Enclosed
        From `read_enclosed`, the fullest first.
    limit_bytes : int, optional
        Largest letter that the server takes; None where it does not say.

    Returns
    -------
    Enclosed or None
        The first that fits; None if none does.
    """
    for each in candidates:
        size = len(each.data) * _BASE64_GROWTH + _REST_BYTES
        if limit_bytes is None or size <= limit_bytes:
            return each
    return None


def write_letter(
    parcel: Parcel,
    sending: Sending,
    *,
    sender: str,
    enclosed: Enclosed | None,
    at: datetime,
) -> bytes:
    """
    Write a letter as it goes over the wire, but for the dots that SMTP doubles.

    Parameters
    ----------
    parcel : Parcel
        What it is about.
    sending : Sending
        To whom, and whether it may be a repeat.
    sender : str
        Mail address of the sender.
    enclosed : Enclosed, optional
        What goes with it.
    at : datetime
        The time, UTC.

    Returns
    -------
    bytes
        ASCII; every line ends with CR and LF, the last one too.
    """
    letter = EmailMessage(policy=SMTP)
    letter["From"] = Address(addr_spec=sender)
    letter["To"] = Address(addr_spec=sending.recipient)
    letter["Subject"] = _PLACEHOLDER
    letter["Date"] = format_datetime(at)
    letter["Message-ID"] = sending.message_id
    letter["Auto-Submitted"] = "auto-generated"
    letter["X-Rsmonitor-Package"] = sending.key
    letter["X-Rsmonitor-Sha256"] = parcel.sha256
    if sending.doubtful:
        letter["X-Rsmonitor-Repeat"] = "possible"
    if sending.resent:
        letter["X-Rsmonitor-Resent"] = str(sending.series)
    letter.set_content(_body(parcel, sending, enclosed), charset="utf-8", cte="base64")
    if enclosed is not None:
        letter.add_attachment(
            enclosed.data,
            maintype="application",
            subtype=enclosed.kind,
            filename=_one_line(enclosed.name),
        )
        # the library would draw it by lot; no line of base64 has an underscore
        digest = hashlib.sha256(sending.message_id.encode()).hexdigest()
        letter.set_boundary(f"=_{digest[:40]}")
    subject = _subject(parcel, sending)
    # `EmailMessage` loses spaces between Chinese and ASCII when it folds a line
    folded = Header(subject, "utf-8", header_name="Subject").encode(linesep="\r\n")
    return letter.as_bytes().replace(
        f"Subject: {_PLACEHOLDER}\r\n".encode(), f"Subject: {folded}\r\n".encode(), 1
    )


def _one_line(text: str) -> str:
    """Take out what ends a line or steers a terminal: names come from outside."""
    kept = (" " if unicodedata.category(c) in {"Cc", "Zl", "Zp"} else c for c in text)
    shown = "".join(c for c in kept if unicodedata.category(c) not in {"Cf", "Cs"})
    return " ".join(shown.split())


def _area_name(parcel: Parcel) -> str:
    """Name the area in the letter's language."""
    name = parcel.name_zh if parcel.language == "zh" else parcel.name_en
    return _one_line(name)[:_LONGEST_NAME] or parcel.area


def _subject(parcel: Parcel, sending: Sending) -> str:
    """Say what it is, and first of all whether it came before."""
    name, week = _area_name(parcel), parcel.week
    if parcel.language == "zh":
        marks = ("【重发】" * sending.resent) + ("【可能重复】" * sending.doubtful)
        said = (
            f"{marks}{name} {week} 卫星监测线索："
            f"新增 {parcel.new}，有变化 {parcel.changed}，共 {parcel.standing}"
        )
        return said + (f"（更正 {parcel.revision}）" if parcel.revision > 1 else "")
    marks = ("[Resent] " * sending.resent) + ("[May be a repeat] " * sending.doubtful)
    said = (
        f"{marks}{name} {week} satellite clues: {parcel.new} new, "
        f"{parcel.changed} changed, {parcel.standing} in all"
    )
    return said + (f" (revision {parcel.revision})" if parcel.revision > 1 else "")


def _body(parcel: Parcel, sending: Sending, enclosed: Enclosed | None) -> str:
    """Say what the reader must know before opening anything."""
    zh = parcel.language == "zh"
    name, bureau = _area_name(parcel), _one_line(parcel.bureau)
    text = []
    if bureau and zh:
        text += [f"{bureau}：", ""]
    text += _marks(sending, zh=zh)
    text += _counts(parcel, name, zh=zh)
    if parcel.lines:
        text += ["", "优先查看：" if zh else "Look at these first:"]
        text += [
            f"{place}. {_one_line(line[parcel.language])}"
            for place, line in enumerate(parcel.lines, start=1)
        ]
    text += ["", "本周未观测到的：" if zh else "What was not observed:"]
    text += [f"- {_one_line(line[parcel.language])}" for line in parcel.unseen] or [
        "- 未提供。" if zh else "- Not stated."
    ]
    text += ["", *_what_is_enclosed(parcel, enclosed, zh=zh)]
    text += [f"{parcel.zip.rpartition('/')[2]} SHA-256:", parcel.sha256, "", NOTICE]
    if parcel.invented:
        text += [NOTICE_INVENTED]
    return "\n".join(text) + "\n"


def _counts(parcel: Parcel, name: str, *, zh: bool) -> list[str]:
    """Say of what, when and how many."""
    last = parcel.week.last_day
    first = last - timedelta(days=6)
    standing, new, changed = parcel.standing, parcel.new, parcel.changed
    where = f"{name}（{parcel.area}）" if zh else f"{name} ({parcel.area})"
    if zh:
        said = f"{where}{parcel.week} 周（{first} 至 {last}）卫星监测线索。"
        counted = f"现有线索 {standing} 处，其中新增 {new} 处，有变化 {changed} 处。"
    else:
        said = f"Satellite clues for {where}, {parcel.week} ({first} to {last})."
        counted = f"{standing} standing, of these {new} new and {changed} changed."
    return [said, counted]


def _marks(sending: Sending, *, zh: bool) -> list[str]:
    """Explain the marks of the subject."""
    text = []
    if sending.resent:
        text += [
            "本邮件系应要求重发，此前已发送过同一资料包。"
            if zh
            else "This was sent again on request: the same package went out before.",
            "",
        ]
    if sending.doubtful:
        text += [
            "本邮件可能重复：上一次发送未收到服务器答复。两封邮件的 Message-ID 和 "
            "SHA-256 相同，可删除其中一封。"
            if zh
            else "This may be a repeat: the server's answer to the last attempt was "
            "not recorded. Both letters have one Message-ID and one SHA-256; delete "
            "either.",
            "",
        ]
    return text


def _what_is_enclosed(
    parcel: Parcel, enclosed: Enclosed | None, *, zh: bool
) -> list[str]:
    """Say what goes with the letter, and where the rest lies."""
    if enclosed is not None and enclosed.kind == "zip":
        name = _one_line(enclosed.name)
        return [f"附件：{name}" if zh else f"Enclosed: {name}"]
    lies = _one_line(parcel.zip)
    if enclosed is not None:
        name = _one_line(enclosed.name)
        return [
            f"附件仅为报告：{name}。完整资料包过大，未作附件，存于发送方文件夹：{lies}"
            if zh
            else f"Enclosed is the report alone: {name}. The whole package is too "
            f"large for a mail; it lies in the sender's folder: {lies}"
        ]
    return [
        f"无附件：资料包过大，存于发送方文件夹：{lies}"
        if zh
        else f"Nothing is enclosed: the package is too large for a mail; it lies in "
        f"the sender's folder: {lies}"
    ]
