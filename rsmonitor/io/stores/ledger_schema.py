"""Tables of the ledger, their versions, and what refuses a change of the past."""

import json
from typing import Final

from rsmonitor.io.stores.layout import Layout, Table
from rsmonitor.records.event import canonical_json
from rsmonitor.records.finding import FINDING_KINDS, SAYS_SPECIAL_USE, SAYS_VERDICT

SCHEMA_VERSION: Final = 3
"""Raised when a table or the JSON form of a stored record changes."""

APPLICATION_ID: Final = 0x72736D6C
"""``rsml``: says that a SQLite file is a ledger and not somebody else's."""

_SCHEMA: Final = """
BEGIN;

CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL);

CREATE TABLE event (
    seq INTEGER PRIMARY KEY,
    prev_hash TEXT NOT NULL CHECK (length(prev_hash) = 64),
    hash TEXT NOT NULL UNIQUE CHECK (length(hash) = 64),
    kind TEXT NOT NULL,
    at TEXT NOT NULL,
    who TEXT NOT NULL,
    body TEXT NOT NULL
);

CREATE TABLE run (
    run_id TEXT PRIMARY KEY,
    line TEXT NOT NULL,
    district TEXT NOT NULL,
    week TEXT NOT NULL,
    finished_at TEXT NOT NULL,
    record TEXT NOT NULL
);
CREATE INDEX run_by_district ON run (district, week);

CREATE TABLE slot (
    line TEXT NOT NULL,
    grid_id TEXT NOT NULL,
    block_id TEXT NOT NULL,
    kind TEXT NOT NULL,
    slot INTEGER NOT NULL CHECK (slot IN (0, 1)),
    sha256 TEXT NOT NULL CHECK (length(sha256) = 64),
    run_id TEXT NOT NULL REFERENCES run (run_id),
    PRIMARY KEY (line, grid_id, block_id, kind)
);

CREATE TABLE applied (
    line TEXT NOT NULL,
    grid_id TEXT NOT NULL,
    platform TEXT NOT NULL,
    datatake_start TEXT NOT NULL,
    product TEXT NOT NULL,
    run_id TEXT NOT NULL REFERENCES run (run_id),
    PRIMARY KEY (line, grid_id, platform, datatake_start)
);

CREATE TABLE site (
    district TEXT NOT NULL,
    site_id TEXT NOT NULL,
    record TEXT NOT NULL,
    run_id TEXT NOT NULL REFERENCES run (run_id),
    PRIMARY KEY (district, site_id)
);

CREATE TABLE alert (
    district TEXT NOT NULL,
    alert_id TEXT NOT NULL,
    record TEXT NOT NULL,
    run_id TEXT NOT NULL REFERENCES run (run_id),
    PRIMARY KEY (district, alert_id)
);

-- all that was ever said of an alert; the same words twice are kept once
CREATE TABLE alert_version (
    place INTEGER PRIMARY KEY,
    alert_id TEXT NOT NULL,
    sha256 TEXT NOT NULL,
    record TEXT NOT NULL,
    run_id TEXT NOT NULL REFERENCES run (run_id),
    UNIQUE (alert_id, sha256)
);

-- the chain only grows, and only at its end; REPLACE would pass by a delete trigger
CREATE TRIGGER event_in_order BEFORE INSERT ON event
WHEN NEW.seq IS NOT (SELECT coalesce(max(seq), 0) + 1 FROM event)
BEGIN SELECT RAISE(ABORT, 'events are appended at the end of the chain'); END;
CREATE TRIGGER event_kept BEFORE DELETE ON event
BEGIN SELECT RAISE(ABORT, 'events are never deleted'); END;
CREATE TRIGGER event_fixed BEFORE UPDATE ON event
BEGIN SELECT RAISE(ABORT, 'events are never changed'); END;
CREATE TRIGGER alert_version_new BEFORE INSERT ON alert_version
WHEN EXISTS (SELECT 1 FROM alert_version WHERE place = NEW.place
    OR (alert_id = NEW.alert_id AND sha256 = NEW.sha256))
BEGIN SELECT RAISE(ABORT, 'what an alert said is never replaced'); END;
CREATE TRIGGER alert_version_kept BEFORE DELETE ON alert_version
BEGIN SELECT RAISE(ABORT, 'what an alert said is never deleted'); END;
CREATE TRIGGER alert_version_fixed BEFORE UPDATE ON alert_version
BEGIN SELECT RAISE(ABORT, 'what an alert said is never changed'); END;
"""

OLDER_VERSIONS: Final = "alert_versions_of_schema_1"  # as in the migration below
"""Key in ``meta``: up to which place `alert_version` holds texts of the first schema.
They stay as they are, because what an alert said is never changed; who reads them
passes them through `with_later_fields`."""

_MIGRATIONS: Final = {
    # verdicts came to say how they were found; the tables did not change
    1: """
UPDATE alert SET record = with_later_fields(record);
INSERT INTO meta (key, value)
    SELECT 'alert_versions_of_schema_1', coalesce(max(place), 0) FROM alert_version;
""",
    # checkpoints are a kind of state too; which kinds there are is not the table's
    # business
    2: """
ALTER TABLE slot RENAME TO slot_before;
CREATE TABLE slot (
    line TEXT NOT NULL,
    grid_id TEXT NOT NULL,
    block_id TEXT NOT NULL,
    kind TEXT NOT NULL,
    slot INTEGER NOT NULL CHECK (slot IN (0, 1)),
    sha256 TEXT NOT NULL CHECK (length(sha256) = 64),
    run_id TEXT NOT NULL REFERENCES run (run_id),
    PRIMARY KEY (line, grid_id, block_id, kind)
);
INSERT INTO slot SELECT * FROM slot_before;
DROP TABLE slot_before;
""",
}
"""SQL that brings a file of one schema version to the next."""


_KINDS: Final = ", ".join(f"'{kind.value}'" for kind in FINDING_KINDS)


def is_finding(contains: str, *, special_use: bool = False) -> str:
    """
    Give the SQL condition that an event is a finding.

    Parameters
    ----------
    contains : str
        SQL function of a text and a part that gives where the part begins, or 0.
    special_use : bool, default False
        Only one of special use.

    Returns
    -------
    str
        A condition on the columns of ``event``.
    """
    told = f"kind IN ({_KINDS}) AND {contains}(body, '{SAYS_VERDICT}') > 0"
    if not special_use:
        return told
    return f"{told} AND {contains}(body, '{SAYS_SPECIAL_USE}') > 0"


def findings_of_withheld(contains: str, site: str) -> str:
    """
    Give the SQL of all that was said of sites of which somebody once said special use.

    Parameters
    ----------
    contains : str
        As in `is_finding`.
    site : str
        SQL expression of the site in ``body``; empty where a body is damaged, so that
        it is still found.

    Returns
    -------
    str
        A query of whole events, in order.
    """
    special = is_finding(contains, special_use=True)
    return (
        "SELECT seq, prev_hash, hash, kind, at, who, body FROM event "  # noqa: S608 - ours
        f"WHERE {is_finding(contains)} AND {site} IN "
        f"(SELECT {site} FROM event WHERE {special}) ORDER BY seq"
    )


_SITE: Final = (
    "coalesce(CASE WHEN json_valid(body) THEN json_extract(body, '$.site_id') END, '')"
)

FINDINGS_OF_WITHHELD: Final = findings_of_withheld("instr", _SITE)
"""`findings_of_withheld` in SQLite."""

INDEXES: Final = tuple(
    f"CREATE INDEX IF NOT EXISTS {name} ON event ({_SITE}) WHERE {which}"
    for name, which in (
        ("finding_of_site", is_finding("instr")),
        ("finding_of_special_use", is_finding("instr", special_use=True)),
    )
)
"""Derived from the chain by SQLite itself, whichever program writes to it, and held
against it by ``PRAGMA integrity_check``: hence no schema version of their own."""

TABLES: Final = (
    Table(
        name="event",
        columns=("seq", "prev_hash", "hash", "kind", "at", "who", "body"),
        order=("seq",),
    ),
    Table(
        name="run",
        columns=(
            *("rowid", "run_id", "line", "district", "week", "finished_at"),
            "record",
        ),
        order=("rowid",),
    ),
    Table(
        name="slot",
        columns=("line", "grid_id", "block_id", "kind", "slot", "sha256", "run_id"),
        order=("line", "grid_id", "block_id", "kind"),
    ),
    Table(
        name="applied",
        columns=(
            *("line", "grid_id", "platform", "datatake_start", "product"),
            "run_id",
        ),
        order=("line", "grid_id", "platform", "datatake_start"),
    ),
    Table(
        name="site",
        columns=("district", "site_id", "record", "run_id"),
        order=("district", "site_id"),
    ),
    Table(
        name="alert",
        columns=("district", "alert_id", "record", "run_id"),
        order=("district", "alert_id"),
    ),
    Table(
        name="alert_version",
        columns=("place", "alert_id", "sha256", "record", "run_id"),
        order=("place",),
    ),
)
"""Everything that a ledger says, but for `OLDER_VERSIONS` in ``meta``."""

LEDGER: Final = Layout(
    what="ledger",
    application_id=APPLICATION_ID,
    schema_version=SCHEMA_VERSION,
    schema=_SCHEMA,
    migrations=_MIGRATIONS,
    indexes=INDEXES,
    queries={"findings_of_withheld": FINDINGS_OF_WITHHELD},
    tables=TABLES,
    reference=("run_id", "run", "run_id"),
)
"""The ledger of runs."""


def with_later_fields(text: str) -> str:
    """
    Add to an alert of the first schema what its verdict did not say then.

    Parameters
    ----------
    text : str
        JSON of an `rsmonitor.records.alert.Alert` as the first schema had it.

    Returns
    -------
    str
        The same with the fields that came later, saying nothing: no trace of rules, no
        restriction, no warning, no table of laws. A text that is no such alert comes
        back as it is; whoever decodes it says why.
    """
    try:
        alert = json.loads(text)
        verdict = alert["verdict"]
        alert["verdict"] = {"warnings": [], "law_table": ""} | verdict
        alert["verdict"]["parts"] = [
            {"trace": [], "restrictions": [], "counted_only": False} | part
            for part in verdict["parts"]
        ]
        return canonical_json(alert)
    except (KeyError, TypeError, ValueError, RecursionError):
        return text
