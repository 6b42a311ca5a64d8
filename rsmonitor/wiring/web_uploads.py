"""A file that somebody sends, read in a process of its own that may take little.

The process is this module, run as a program: it is told on its standard input what to
do, and answers with one JSON document. What brings it down brings down nothing else.
"""

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from rsmonitor.errors import BusyError, ReturnsError, RsmonitorError
from rsmonitor.io.foundation.clock import SystemClock

KINDS: Final = ("triage", "tips", "licences")
"""What can be sent."""

SECONDS: Final = 120.0
"""How long a file is read."""

MEMORY: Final = 3 * 2**30
"""Address space of the process; its libraries take a third of it."""

LARGEST_FILE: Final = 2**30
"""Largest file that it may write: a register, or a ledger."""

AT_ONCE: Final = 2
"""Files that are read at the same time; a third is told to come again."""

MOST_ROWS: Final = 1000
"""Rows and refusals that are told one by one."""

_LONGEST_NAME: Final = 80
_MOST_NAME_BYTES: Final = 200
_ODD: Final = re.compile(r"[^\w.()-]+")
_room: Final = threading.BoundedSemaphore(AT_ONCE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Upload:
    """A file that somebody sent, and what to do with it."""

    kind: str
    """One of `KINDS`."""

    config: Path
    """Settings file of the districts that it is for."""

    who: str
    """Who sent it."""

    apply: bool
    """False only looks."""

    allowed: tuple[str, ...] | None = None
    """Sites that its rows may name; None: all of the ledger."""

    licence_kind: str = "mining"
    """What parcels are where the file does not say."""


def plain_name(name: str) -> str:
    """
    Make of a name what may be the name of a file here.

    Parameters
    ----------
    name : str
        As it was sent.

    Returns
    -------
    str
        Letters, digits, dots, dashes, brackets; no folder, nothing hidden.

    Examples
    --------
    >>> plain_name("../../etc/passwd"), plain_name("核查 结果.xlsx"), plain_name("")
    ('passwd', '核查_结果.xlsx', 'upload')
    """
    last = name.replace("\\", "/").rpartition("/")[2]
    kept = _ODD.sub("_", last).lstrip(".-")
    # bytes: what a file system counts; the end says of what kind it is
    cut = kept[-_LONGEST_NAME:].encode()[-_MOST_NAME_BYTES:].decode(errors="ignore")
    return cut.lstrip(".-") or "upload"


def take(upload: Upload, name: str, content: bytes) -> dict[str, Any]:
    """
    Read a file in a process of its own.

    Parameters
    ----------
    upload : Upload
        What to do with it.
    name : str
        Its name, as it was sent.
    content : bytes
        What is in it.

    Returns
    -------
    dict
        What each row does, or did.

    Raises
    ------
    ReturnsError
        If it cannot be used; the message names the rule.
    BusyError
        If others are being read, or the ledger is being written.
    """
    if not _room.acquire(blocking=False):
        raise BusyError("other files are being read; try again")
    try:
        with tempfile.TemporaryDirectory(prefix="rsmonitor-upload-") as folder:
            path = Path(folder, plain_name(name))
            path.write_bytes(content)
            job = {
                "kind": upload.kind,
                "config": str(upload.config.absolute()),
                "file": str(path),
                "who": upload.who,
                "apply": upload.apply,
                "allowed": upload.allowed,
                "licence_kind": upload.licence_kind,
            }
            said = _asked(json.dumps(job), Path(folder))
    finally:
        _room.release()
    if said.get("busy"):
        raise BusyError(str(said["busy"]))
    if "refused_whole" in said:
        message = str(said["refused_whole"])
        # where things lie on this machine is nobody's business
        for here in (path, upload.config.absolute()):
            message = message.replace(str(here), here.name)
        raise ReturnsError(message.replace(folder, ""))
    return said


def _asked(job: str, folder: Path) -> dict[str, Any]:
    """Run the process and hear what it says."""
    process = subprocess.Popen(  # noqa: S603 - this module, and nothing that was sent
        [sys.executable, "-m", __name__],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        cwd=folder,
        env=_environment(folder),
        start_new_session=True,
    )
    try:
        out, _ = process.communicate(job.encode(), timeout=SECONDS)
    except subprocess.TimeoutExpired as error:
        raise ReturnsError(
            f"reading it took longer than {SECONDS:.0f} seconds; cut it into parts"
        ) from error
    finally:
        # what it may have started goes with it
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    try:
        said: dict[str, Any] = json.loads(out)
    except ValueError as error:
        raise ReturnsError(
            "reading it had to be stopped: it is damaged, or unpacks to more than is "
            "taken"
        ) from error
    return said


def _environment(folder: Path) -> dict[str, str]:
    """Give the process what it needs, and no secret of the service."""
    kept = {
        name: os.environ[name]
        for name in ("PATH", "PYTHONPATH", "LANG", "LC_ALL", "TZ", "VIRTUAL_ENV")
        if name in os.environ
    }
    source = str(Path(__file__).parents[2])
    paths = [source, *filter(None, kept.get("PYTHONPATH", "").split(os.pathsep))]
    return {
        **kept,
        "PYTHONPATH": os.pathsep.join(os.path.abspath(p) for p in paths),  # noqa: PTH100 - of text
        "PYTHONDONTWRITEBYTECODE": "1",
        "HOME": str(folder),
        "TMPDIR": str(folder),
        "OMP_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
        "GDAL_DISABLE_READDIR_ON_OPEN": "EMPTY_DIR",
        "GDAL_HTTP_TIMEOUT": "1",
    }


def _confine() -> None:
    """Give up what reading a file does not need."""
    import resource  # noqa: PLC0415 - in the process that is confined

    os.umask(0o077)
    for what, most in (
        (resource.RLIMIT_AS, MEMORY),
        (resource.RLIMIT_CPU, int(SECONDS)),
        (resource.RLIMIT_FSIZE, LARGEST_FILE),
        (resource.RLIMIT_CORE, 0),
    ):
        _, hard = resource.getrlimit(what)
        limit = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.setrlimit(what, (limit, limit))


def _triage(job: Mapping[str, Any]) -> dict[str, Any]:
    """Take findings in."""
    from rsmonitor.wiring.returns import (  # noqa: PLC0415 - where it is used
        import_findings,
        judgement_words,
        open_desk,
    )

    desk = open_desk(Path(job["config"]))
    hidden = desk.suppressed()
    allowed = job["allowed"]
    desk = replace(
        desk,
        sites={
            site_id: site
            for site_id, site in desk.sites.items()
            if site_id not in hidden and (allowed is None or site_id in set(allowed))
        },
    )
    done = import_findings(
        desk, Path(job["file"]), who=job["who"], apply=bool(job["apply"])
    )
    return {
        "rows": [
            {
                "row": line.where,
                "site_id": line.finding.site_id,
                "alert_id": f"a{line.finding.site_id[1:]}",
                "verdict": judgement_words(line.finding.judgement),
                "reason": line.finding.cause,
                "judged_on": line.finding.judged_on.isoformat(),
                "photos": line.photos,
                "state": line.state,
                "conflicts": list(line.against),
            }
            for line in done.lines[:MOST_ROWS]
        ],
        "count": len(done.lines),
        "conflicts": sum(bool(line.against) for line in done.lines),
        **_refusals([one.as_json() for one in done.refused]),
        "notes": list(done.notes),
        "applied": done.applied,
    }


def _tips(job: Mapping[str, Any]) -> dict[str, Any]:
    """Take tips in."""
    from rsmonitor.io.returns.columns import TIP_FIELDS  # noqa: PLC0415 - as above
    from rsmonitor.io.returns.reading import open_returns  # noqa: PLC0415
    from rsmonitor.io.returns.tips import understand_tips  # noqa: PLC0415
    from rsmonitor.wiring.returns import open_desk  # noqa: PLC0415
    from rsmonitor.wiring.tips import import_tips  # noqa: PLC0415

    desk, path = open_desk(Path(job["config"])), Path(job["file"])
    if job["apply"]:
        done = import_tips(desk, path)
        return {
            "count": done.new + done.known,
            "new": done.new,
            "known": done.known,
            **_refusals([one.as_json() for one in done.refused]),
            "notes": list(done.notes),
            "applied": done.new,
        }
    with open_returns(path, fields=TIP_FIELDS) as file:
        understood = understand_tips(file, today=desk.today())
        if not understood.tips:
            reasons = "; ".join(map(str, understood.refused[:3]))
            raise ReturnsError(f"no row can be used: {reasons or 'no rows'}")
        return {
            "count": len(understood.tips),
            **_refusals([one.as_json() for one in understood.refused]),
            "notes": list(file.notes),
            "applied": 0,
        }


def _licences(job: Mapping[str, Any]) -> dict[str, Any]:
    """Check licences, or put them into the register."""
    from rsmonitor.config import read_districts  # noqa: PLC0415 - as above
    from rsmonitor.io.licences.check import lines  # noqa: PLC0415
    from rsmonitor.records.licence import LicenceKind  # noqa: PLC0415
    from rsmonitor.wiring.licences import (  # noqa: PLC0415
        borders_of,
        delivery_of,
        known_parcels,
        open_register,
        read_file,
    )

    config, kind = Path(job["config"]), LicenceKind(job["licence_kind"])
    found = read_file(
        Path(job["file"]),
        kind=kind,
        known=known_parcels(config, None, must_exist=False),
    )
    refused = [
        {"file": Path(found.path).name, "line": None, "value": e.value, "rule": e.rule}
        for e in found.refused
    ]
    said = {
        "count": len(found.licences),
        "lines": list(lines([found], borders_of(config)))[:MOST_ROWS],
        **_refusals(refused),
        "notes": [],
        "applied": 0,
    }
    if read_districts(config)[0].licences.register is None and not job["apply"]:
        return said
    opened = open_register(config, None)
    delivery, now = delivery_of(found, kind), SystemClock().now()
    entry = None
    if job["apply"]:
        plan, entry = opened.register.import_licences(
            delivery, at=now, by=job["who"], counties=opened.counties
        )
    else:
        plan = opened.register.plan(delivery, at=now, counties=opened.counties)
    return {
        **said,
        "new": len(plan.added),
        "changed": len(plan.changed),
        "amended": len(plan.amended),
        "unchanged": plan.unchanged,
        "doubts": [{"code": d.code, "reason": d.reason} for d in plan.doubts],
        "applied": 0 if entry is None else len(plan.added) + len(plan.changed),
    }


def _refusals(refused: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Tell the first refusals, and how many there are."""
    return {"refused": list(refused[:MOST_ROWS]), "refused_count": len(refused)}


def main() -> int:
    """
    Do what standard input says, and answer with one JSON document.

    Returns
    -------
    int
        0; what went wrong stands in the document.
    """
    job = json.loads(sys.stdin.buffer.read())
    _confine()
    work = {"triage": _triage, "tips": _tips, "licences": _licences}[job["kind"]]
    said: dict[str, Any]
    try:
        said = work(job)
    except BusyError as error:
        said = {"busy": str(error)}
    except RsmonitorError as error:
        said = {"refused_whole": str(error)}
    except (MemoryError, RecursionError):
        said = {"refused_whole": "it unpacks to more than is taken"}
    sys.stdout.write(json.dumps(said, ensure_ascii=True, default=str))
    return 0


if __name__ == "__main__":
    sys.exit(main())
