"""Many alerts for the benchmark of the web service: the demo's, dealt and copied."""

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import shapely
from shapely.affinity import translate

from rsmonitor.io.stores.ledger import SqliteLedger
from rsmonitor.io.stores.shelf import Shelf, SourceState
from rsmonitor.io.stores.shelf_writing import ALERTS, Shelved, Source, write_shelf
from rsmonitor.records.alert import Alert
from rsmonitor.records.event import EventDraft, EventKind
from rsmonitor.records.run import RunCommit, RunRecord
from rsmonitor.records.week import IsoWeek
from rsmonitor.wiring.shelf import KeptShelf

COUNTIES: Final = 20
LETTERS: Final = "abcdefghijklmnopqrstuvwxyz234567"
_WEEK: Final = IsoWeek(year=2026, week=46)


def county(number: int) -> str:
    """
    Name a county.

    Parameters
    ----------
    number : int
        From 0.

    Returns
    -------
    str
        Six digits; the counties lie in four prefectures.
    """
    return f"36{7 + number % 4:02d}{21 + number // 4:02d}"


def dealt(base: Sequence[Alert], code: str, first: int, count: int) -> list[Alert]:
    """
    Deal alerts to a county.

    Parameters
    ----------
    base : sequence of Alert
        The demo's.
    code : str
        The county's.
    first : int
        Number of the first.
    count : int
        How many.

    Returns
    -------
    list of Alert
        Copies with ids and places of their own.
    """
    found = []
    for number in range(first, first + count):
        alert = base[number % len(base)]
        digest = hashlib.sha256(str(number).encode()).digest()
        name = "".join(LETTERS[byte % 32] for byte in digest[:12])
        east, north = (number % 317) * 0.003, (number // 317) * 0.003
        seen = alert.site.latest.disturbance
        moved = replace(
            seen,
            geometry=translate(seen.geometry, east, north - 20),
            increments=tuple(
                replace(each, geometry=translate(each.geometry, east, north - 20))
                for each in seen.increments
            ),
        )
        site = replace(
            alert.site,
            site_id=f"s{name}",
            district=code,
            latest=replace(alert.site.latest, disturbance=moved),
        )
        verdict = replace(
            alert.verdict,
            site_id=site.site_id,
            parts=tuple(
                replace(part, geometry=translate(part.geometry, east, north - 20))
                for part in alert.verdict.parts
            ),
        )
        found.append(
            replace(
                alert,
                alert_id=f"a{name}",
                rank=number - first + 1,
                site=site,
                verdict=verdict,
                county_codes=(code,),
            )
        )
    return found


def build(folder: Path, base: Sequence[Alert], count: int) -> tuple[Path, list[str]]:
    """
    Write settings and a ledger.

    Parameters
    ----------
    folder : Path
        Where to.
    base : sequence of Alert
        The demo's.
    count : int
        Alerts of all counties.

    Returns
    -------
    config : Path
        The settings.
    ids : list of str
        Alerts of the first county.
    """
    config = folder / "settings.toml"
    tables = [
        f'[[districts]]\ncode = "{county(n)}"\nname_zh = "第{n}县"\n'
        f'name_en = "county {n}"\nbureau = "bureau {n}"\n'
        for n in range(COUNTIES)
    ]
    config.write_text(
        "\n".join(tables)
        + '\n[source]\nkind = "cube"\nfiles = ["none.nc"]\n[history]\n'
        'until = 2017-12-31\n[run]\nwork = "work"\nout = "out"\n',
        encoding="utf-8",
    )
    work = folder / "work"
    ledger = SqliteLedger(work / "ledger.sqlite", locks=work / "locks")
    each = count // COUNTIES
    ids: list[str] = []
    for number in range(COUNTIES):
        code = county(number)
        alerts = dealt(base, code, number * each, each)
        ids = ids or [alert.alert_id for alert in alerts]
        ledger.commit(_commit(code, alerts))
    return config, ids


def _commit(code: str, alerts: Sequence[Alert]) -> RunCommit:
    """Make the run that found some alerts."""
    at = datetime(2026, 11, 16, tzinfo=UTC)
    return RunCommit(
        record=RunRecord(
            run_id=f"{code}-{_WEEK}".lower(),
            line="0" * 16,
            district=code,
            week=_WEEK,
            location=f"{code}-{_WEEK}".lower(),
            counts={},
        ),
        finished_at=at,
        pointers=(),
        products=(),
        replayed=False,
        sites=tuple(sorted((a.site for a in alerts), key=lambda s: s.site_id)),
        alerts=tuple(alerts),
        events=tuple(
            EventDraft(
                kind=EventKind.DETECTED,
                at=at,
                who="rsmonitor",
                body={"site_id": alert.site.site_id, "run_id": code},
            )
            for alert in alerts
        ),
    )


def multiply(kept: KeptShelf, copies: int) -> None:
    """
    Put every alert of a read model there so many times.

    Parameters
    ----------
    kept : KeptShelf
        The read model; what it is made of stays the same, so it is not made anew.
    copies : int
        How many there are then of each.
    """
    shelf = kept.settle()
    states = shelf.sources()
    write_shelf(
        shelf.path,
        (_multiplied(shelf, state, copies) for state in states.values()),
        anew=False,
    )


def _multiplied(shelf: Shelf, state: SourceState, copies: int) -> Source:
    """Copy the alerts of a source, each copy with an id and a place of its own."""
    items = []
    for row in shelf.rows(
        "SELECT i.collection, i.item_id, i.district, i.site_id, i.version, i.week, "
        "i.began, i.ended, i.words, d.feature, d.brief, d.outline, p.tier, "
        "p.category, p.state FROM item AS i JOIN document AS d USING (number) "
        "JOIN place AS p USING (number) WHERE i.source = ? AND p.area = '*'",
        state.source,
    ):
        name = row[1]
        for copy in range(copies if row[0] == ALERTS else 1):
            digest = hashlib.sha256(f"{name} {copy}".encode()).digest()
            other = "a" + "".join(LETTERS[byte % 32] for byte in digest[:12])
            own = name if copy == 0 else other
            outline = None
            if row[11] is not None:
                outline = translate(shapely.from_wkb(row[11]), 0, copy * 0.05)
            items.append(
                Shelved(
                    collection=row[0],
                    item_id=own,
                    codes=(row[2],),
                    district=row[2],
                    site_id=row[3],
                    version=row[4],
                    week=row[5],
                    began=row[6],
                    ended=row[7],
                    words=row[8].replace(name, own),
                    feature=row[9].replace(name, own),
                    brief=row[10].replace(name, own),
                    box=None if outline is None else outline.bounds,
                    outline=None if outline is None else shapely.to_wkb(outline),
                    tier=row[12],
                    category=row[13],
                    state=row[14],
                )
            )
    seqs = shelf.rows("SELECT site_id, seq FROM moment WHERE source = ?", state.source)
    return Source(
        source=state.source,
        signature=state.signature,
        week=state.week,
        head=state.head,
        invented=state.invented,
        items=tuple(items),
        moments={site_id: (seq,) for site_id, seq in seqs},
    )
