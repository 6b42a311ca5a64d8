"""The letter that tells a person what needs them, and what they can do.

The same notices give the same bytes but for the ``Date``: nothing is drawn by lot.
"""

import unicodedata
from collections.abc import Sequence
from datetime import datetime
from email.header import Header
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from typing import Final

from rsmonitor.io.foundation.redaction import redact
from rsmonitor.records.package import Language
from rsmonitor.stages.notices import Notice

_PLACEHOLDER: Final = "SUBJECT"
_SUBJECT_CHARACTERS: Final = 80


def write_notice_letter(
    notices: Sequence[Notice],
    *,
    sender: str,
    recipient: str,
    message_id: str,
    language: Language,
    at: datetime,
    where: str,
) -> bytes:
    """
    Write a letter as it goes over the wire, but for the dots that SMTP doubles.

    Parameters
    ----------
    notices : sequence of Notice
        What it tells, the most urgent first; at least one.
    sender : str
        Mail address of the sender.
    recipient : str
        Mail address of the recipient.
    message_id : str
        ``Message-ID``, in angle brackets.
    language : str
        ``zh`` or ``en``.
    at : datetime
        The time, UTC.
    where : str
        Settings file and machine that it comes from.

    Returns
    -------
    bytes
        ASCII; every line ends with CR and LF, the last one too.
    """
    letter = EmailMessage(policy=SMTP)
    letter["From"] = Address(addr_spec=sender)
    letter["To"] = Address(addr_spec=recipient)
    letter["Subject"] = _PLACEHOLDER
    letter["Date"] = format_datetime(at)
    letter["Message-ID"] = message_id
    letter["Auto-Submitted"] = "auto-generated"
    body = _body(notices, language=language, where=where)
    letter.set_content(body, charset="utf-8", cte="base64")
    # `EmailMessage` loses spaces between Chinese and ASCII when it folds a line
    subject = _subject(notices, language)
    folded = Header(subject, "utf-8", header_name="Subject").encode(linesep="\r\n")
    return letter.as_bytes().replace(
        f"Subject: {_PLACEHOLDER}\r\n".encode(), f"Subject: {folded}\r\n".encode(), 1
    )


def _subject(notices: Sequence[Notice], language: Language) -> str:
    """Say the most urgent, and how many more there are."""
    first = _one_line(notices[0].said(language)[0])[:_SUBJECT_CHARACTERS]
    more = len(notices) - 1
    if language == "zh":
        return f"【rsmonitor 需要处理】{first}" + (f"，另有 {more} 项" if more else "")
    return f"[rsmonitor needs you] {first}" + (f", and {more} more" if more else "")


def _body(notices: Sequence[Notice], *, language: Language, where: str) -> str:
    """Say each with what to do."""
    zh = language == "zh"
    lines = [
        "以下情况需要人工处理：" if zh else "The following needs a person:",
        "",
    ]
    for place, notice in enumerate(notices, start=1):
        what, advice = (_one_line(text) for text in notice.said(language))
        lines += [f"{place}. {what}", f"   {'处理' if zh else 'Do'}: {advice}", ""]
    lines += [
        "每项只通知一次；恢复后若再次发生，会再次通知。全部状态：rsmonitor status"
        if zh
        else "Each is told once; if it passes and comes back, it is told again. "
        "Everything at once: rsmonitor status",
        f"{'来自' if zh else 'From'}: {_one_line(where)}",
    ]
    return "\n".join(lines) + "\n"


def _one_line(text: str) -> str:
    """Take out secrets and what ends a line or steers a terminal."""
    shown = "".join(
        " " if unicodedata.category(c) in {"Cc", "Zl", "Zp"} else c
        for c in text
        if unicodedata.category(c) not in {"Cf", "Cs"}
    )
    return redact(" ".join(shown.split()))
