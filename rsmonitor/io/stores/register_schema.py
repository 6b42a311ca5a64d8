"""Tables of the register of licences, and what refuses a change of its past."""

from typing import Final

from rsmonitor.io.stores.layout import Layout, Table

_SCHEMA: Final = """
BEGIN;

CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL);

CREATE TABLE entry (
    number INTEGER PRIMARY KEY,
    at TEXT NOT NULL,
    act TEXT NOT NULL,
    sha256 TEXT NOT NULL,
    kind TEXT NOT NULL,
    record TEXT NOT NULL
);

CREATE TABLE licence (
    licence_id TEXT NOT NULL,
    kind TEXT NOT NULL,
    entry INTEGER NOT NULL REFERENCES entry (number),
    record TEXT NOT NULL,
    PRIMARY KEY (licence_id, kind, entry)
);
CREATE INDEX licence_by_entry ON licence (entry);

CREATE TABLE completeness (
    entry INTEGER PRIMARY KEY REFERENCES entry (number),
    record TEXT NOT NULL
);

CREATE TABLE producing (
    entry INTEGER PRIMARY KEY REFERENCES entry (number),
    record TEXT NOT NULL
);

-- the register only grows, and only at its end; REPLACE would pass by a delete trigger
CREATE TRIGGER entry_in_order BEFORE INSERT ON entry
WHEN NEW.number IS NOT (SELECT coalesce(max(number), 0) + 1 FROM entry)
BEGIN SELECT RAISE(ABORT, 'entries are appended at the end of the history'); END;
CREATE TRIGGER licence_new BEFORE INSERT ON licence
WHEN NEW.entry IS NOT (SELECT max(number) FROM entry)
    OR EXISTS (SELECT 1 FROM licence WHERE licence_id = NEW.licence_id
        AND kind = NEW.kind AND entry = NEW.entry)
BEGIN SELECT RAISE(ABORT, 'what an entry brought is never replaced'); END;
CREATE TRIGGER completeness_new BEFORE INSERT ON completeness
WHEN NEW.entry IS NOT (SELECT max(number) FROM entry)
    OR EXISTS (SELECT 1 FROM completeness WHERE entry = NEW.entry)
BEGIN SELECT RAISE(ABORT, 'what an entry brought is never replaced'); END;
CREATE TRIGGER producing_new BEFORE INSERT ON producing
WHEN NEW.entry IS NOT (SELECT max(number) FROM entry)
    OR EXISTS (SELECT 1 FROM producing WHERE entry = NEW.entry)
BEGIN SELECT RAISE(ABORT, 'what an entry brought is never replaced'); END;
CREATE TRIGGER entry_kept BEFORE DELETE ON entry
BEGIN SELECT RAISE(ABORT, 'the register is never shortened'); END;
CREATE TRIGGER entry_fixed BEFORE UPDATE ON entry
BEGIN SELECT RAISE(ABORT, 'the register is never changed'); END;
CREATE TRIGGER licence_kept BEFORE DELETE ON licence
BEGIN SELECT RAISE(ABORT, 'the register is never shortened'); END;
CREATE TRIGGER licence_fixed BEFORE UPDATE ON licence
BEGIN SELECT RAISE(ABORT, 'the register is never changed'); END;
CREATE TRIGGER completeness_kept BEFORE DELETE ON completeness
BEGIN SELECT RAISE(ABORT, 'the register is never shortened'); END;
CREATE TRIGGER completeness_fixed BEFORE UPDATE ON completeness
BEGIN SELECT RAISE(ABORT, 'the register is never changed'); END;
CREATE TRIGGER producing_kept BEFORE DELETE ON producing
BEGIN SELECT RAISE(ABORT, 'the register is never shortened'); END;
CREATE TRIGGER producing_fixed BEFORE UPDATE ON producing
BEGIN SELECT RAISE(ABORT, 'the register is never changed'); END;
"""

REGISTER: Final = Layout(
    what="register of licences",
    application_id=0x72736D72,  # rsmr
    schema_version=1,
    schema=_SCHEMA,
    tables=(
        Table(
            name="entry",
            columns=("number", "at", "act", "sha256", "kind", "record"),
            order=("number",),
        ),
        Table(
            name="licence",
            columns=("licence_id", "kind", "entry", "record"),
            order=("entry", "licence_id", "kind"),
        ),
        Table(name="completeness", columns=("entry", "record"), order=("entry",)),
        Table(name="producing", columns=("entry", "record"), order=("entry",)),
    ),
    parent="an entry",
    reference=("entry", "entry", "number"),
    together=True,
)
"""The register of licences."""
