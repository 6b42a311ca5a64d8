"""Tables of the stores on PostgreSQL, and what refuses a change of their past.

Texts are compared byte by byte, as SQLite does. ``{schema}`` and ``{postgis}`` are the
schemas of these tables and of PostGIS: functions name them, because a restore from a
dump runs without a search path.
"""

from dataclasses import replace
from typing import Final

from rsmonitor.io.stores.layout import Layout
from rsmonitor.io.stores.ledger_schema import (
    LEDGER,
    findings_of_withheld,
    is_finding,
)
from rsmonitor.io.stores.observations import OBSERVATIONS
from rsmonitor.io.stores.register_schema import REGISTER

SHARED: Final = """
CREATE TABLE IF NOT EXISTS meta (
    key text COLLATE "C" PRIMARY KEY,
    value text COLLATE "C" NOT NULL
);

CREATE OR REPLACE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '%', TG_ARGV[0] USING ERRCODE = 'integrity_constraint_violation';
END $$;

-- the record is the truth: one that cannot be read has no outline, and is still kept
CREATE OR REPLACE FUNCTION outline_of(record text, path text[])
RETURNS {postgis}.geometry LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
    RETURN {postgis}.ST_SetSRID(
        {postgis}.ST_GeomFromWKB(decode(record::json #>> path, 'hex')), 4326);
EXCEPTION WHEN OTHERS THEN
    RETURN NULL;
END $$;
"""
"""What all layouts need; the first that is made makes it."""

_KEEP: Final = """
CREATE TRIGGER {table}_kept BEFORE DELETE OR TRUNCATE ON {table}
FOR EACH STATEMENT EXECUTE FUNCTION refuse_change('{what} never deleted');
CREATE TRIGGER {table}_fixed BEFORE UPDATE ON {table}
FOR EACH STATEMENT EXECUTE FUNCTION refuse_change('{what} never changed');
ALTER TABLE {table} ENABLE ALWAYS TRIGGER {table}_kept;
ALTER TABLE {table} ENABLE ALWAYS TRIGGER {table}_fixed;
"""


def _kept(table: str, what: str) -> str:
    """Give the triggers that refuse a change of what a table holds."""
    return _KEEP.replace("{table}", table).replace("{what}", what)


def _grows(table: str, function: str, condition: str, words: str) -> str:
    """Give the trigger that lets a table grow only as it may."""
    return f"""
CREATE FUNCTION {function}() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF {condition} THEN
        RAISE EXCEPTION '{words}' USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER {function} BEFORE INSERT ON {table}
FOR EACH ROW EXECUTE FUNCTION {function}();
ALTER TABLE {table} ENABLE ALWAYS TRIGGER {function};
"""


_SPECIAL_USE: Final = is_finding("strpos", special_use=True)

_CHAIN: Final = (
    _grows(
        "event",
        "event_in_order",
        "NEW.seq IS DISTINCT FROM "
        "(SELECT coalesce(max(seq), 0) + 1 FROM {schema}.event)",
        "events are appended at the end of the chain",
    )
    + _kept("event", "events are")
    + _kept("alert_version", "what an alert said is")
)

_LEDGER: Final = f"""
CREATE TABLE event (
    seq bigint PRIMARY KEY,
    prev_hash text COLLATE "C" NOT NULL CHECK (length(prev_hash) = 64),
    hash text COLLATE "C" NOT NULL UNIQUE CHECK (length(hash) = 64),
    kind text COLLATE "C" NOT NULL,
    at text COLLATE "C" NOT NULL,
    who text COLLATE "C" NOT NULL,
    body text COLLATE "C" NOT NULL
);

CREATE TABLE run (
    run_id text COLLATE "C" PRIMARY KEY,
    line text COLLATE "C" NOT NULL,
    district text COLLATE "C" NOT NULL,
    week text COLLATE "C" NOT NULL,
    finished_at text COLLATE "C" NOT NULL,
    record text COLLATE "C" NOT NULL,
    rowid bigint NOT NULL UNIQUE  -- the order of commits, as SQLite counts it
);
CREATE INDEX run_by_district ON run (district, week);

CREATE TABLE slot (
    line text COLLATE "C" NOT NULL,
    grid_id text COLLATE "C" NOT NULL,
    block_id text COLLATE "C" NOT NULL,
    kind text COLLATE "C" NOT NULL,
    slot integer NOT NULL CHECK (slot IN (0, 1)),
    sha256 text COLLATE "C" NOT NULL CHECK (length(sha256) = 64),
    run_id text COLLATE "C" NOT NULL REFERENCES run (run_id),
    PRIMARY KEY (line, grid_id, block_id, kind)
);

CREATE TABLE applied (
    line text COLLATE "C" NOT NULL,
    grid_id text COLLATE "C" NOT NULL,
    platform text COLLATE "C" NOT NULL,
    datatake_start text COLLATE "C" NOT NULL,
    product text COLLATE "C" NOT NULL,
    run_id text COLLATE "C" NOT NULL REFERENCES run (run_id),
    PRIMARY KEY (line, grid_id, platform, datatake_start)
);

CREATE TABLE site (
    district text COLLATE "C" NOT NULL,
    site_id text COLLATE "C" NOT NULL,
    record text COLLATE "C" NOT NULL,
    run_id text COLLATE "C" NOT NULL REFERENCES run (run_id),
    outline {{postgis}}.geometry(Geometry, 4326) GENERATED ALWAYS AS
        (outline_of(record, ARRAY['latest', 'disturbance', 'geometry'])) STORED,
    PRIMARY KEY (district, site_id)
);
CREATE INDEX site_by_place ON site USING gist (outline);

CREATE TABLE alert (
    district text COLLATE "C" NOT NULL,
    alert_id text COLLATE "C" NOT NULL,
    record text COLLATE "C" NOT NULL,
    run_id text COLLATE "C" NOT NULL REFERENCES run (run_id),
    outline {{postgis}}.geometry(Geometry, 4326) GENERATED ALWAYS AS
        (outline_of(record, ARRAY['site', 'latest', 'disturbance', 'geometry']))
        STORED,
    PRIMARY KEY (district, alert_id)
);
CREATE INDEX alert_by_place ON alert USING gist (outline);

-- all that was ever said of an alert; the same words twice are kept once
CREATE TABLE alert_version (
    place bigint PRIMARY KEY,
    alert_id text COLLATE "C" NOT NULL,
    sha256 text COLLATE "C" NOT NULL,
    record text COLLATE "C" NOT NULL,
    run_id text COLLATE "C" NOT NULL REFERENCES run (run_id),
    UNIQUE (alert_id, sha256)
);
{_CHAIN}
-- empty where a body is damaged, so that it is still found
CREATE FUNCTION site_of(body text) RETURNS text LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
    RETURN coalesce(body::json ->> 'site_id', '');
EXCEPTION WHEN OTHERS THEN
    RETURN '';
END $$;
CREATE INDEX finding_of_site ON event (site_of(body)) WHERE {is_finding("strpos")};
CREATE INDEX finding_of_special_use ON event (site_of(body)) WHERE {_SPECIAL_USE};

-- what the views below do not show: sites of which anybody ever said special use, their
-- heirs and what shares their ground. More than rsmonitor withholds, never less
CREATE VIEW hidden_site AS
WITH RECURSIVE said AS (
    SELECT DISTINCT site_of(body) AS site_id FROM event WHERE {_SPECIAL_USE}
), heir AS (
    SELECT site_id FROM said
    UNION
    SELECT site.record::json ->> 'merged_into' FROM site JOIN heir USING (site_id)
    WHERE site.record::json ->> 'merged_into' IS NOT NULL
)
SELECT site_id FROM heir
UNION
SELECT other.site_id FROM site JOIN said USING (site_id) JOIN site AS other
    ON {{postgis}}.ST_Intersects(
        {{postgis}}.ST_MakeValid(site.outline), {{postgis}}.ST_MakeValid(other.outline))
UNION
-- somebody's word that does not say of which site hides them all
SELECT site.site_id FROM site WHERE EXISTS (SELECT FROM said WHERE site_id = '');

-- a barrier: a reader's own function must not be asked about a row that is left out
CREATE VIEW site_map WITH (security_barrier) AS
SELECT
    site_id,
    district,
    record::json ->> 'state' AS state,
    (record::json #>> '{{latest,disturbance,area_m2}}')::double precision AS area_m2,
    (record::json #>> '{{latest,disturbance,began_by}}')::date AS began_by,
    (record::json #>> '{{latest,disturbance,last_seen}}')::date AS last_seen,
    run_id,
    outline
FROM site WHERE site_id NOT IN (SELECT site_id FROM hidden_site);

CREATE VIEW alert_map WITH (security_barrier) AS
SELECT
    alert_id,
    district,
    record::json #>> '{{site,site_id}}' AS site_id,
    (record::json ->> 'version')::integer AS version,
    (record::json ->> 'rank')::integer AS rank,
    record::json #>> '{{verdict,category}}' AS category,
    record::json #>> '{{verdict,certainty}}' AS certainty,
    (record::json #>> '{{site,latest,disturbance,area_m2}}')::double precision
        AS area_m2,
    (record::json #>> '{{site,latest,disturbance,began_by}}')::date AS began_by,
    run_id,
    outline
FROM alert WHERE record::json #>> '{{site,site_id}}' NOT IN
    (SELECT site_id FROM hidden_site);
"""  # noqa: S608 - constants

_BROUGHT_NOW: Final = """
CREATE FUNCTION brought_now() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.entry IS DISTINCT FROM (SELECT max(number) FROM {schema}.entry) THEN
        RAISE EXCEPTION 'what an entry brought is never replaced'
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NEW;
END $$;
"""

_BROUGHT: Final = "".join(
    f"""CREATE TRIGGER {table}_new BEFORE INSERT ON {table}
FOR EACH ROW EXECUTE FUNCTION brought_now();
ALTER TABLE {table} ENABLE ALWAYS TRIGGER {table}_new;
"""
    for table in ("licence", "completeness", "producing")
)

_ENTRIES: Final = """
CREATE TABLE entry (
    number bigint PRIMARY KEY,
    at text COLLATE "C" NOT NULL,
    act text COLLATE "C" NOT NULL,
    sha256 text COLLATE "C" NOT NULL,
    kind text COLLATE "C" NOT NULL,
    record text COLLATE "C" NOT NULL
);

CREATE TABLE licence (
    licence_id text COLLATE "C" NOT NULL,
    kind text COLLATE "C" NOT NULL,
    entry bigint NOT NULL REFERENCES entry (number),
    record text COLLATE "C" NOT NULL,
    outline {postgis}.geometry(Geometry, 4326) GENERATED ALWAYS AS
        (outline_of(record, ARRAY['geometry'])) STORED,
    PRIMARY KEY (licence_id, kind, entry)
);
CREATE INDEX licence_by_entry ON licence (entry);
CREATE INDEX licence_by_place ON licence USING gist (outline);

CREATE TABLE completeness (
    entry bigint PRIMARY KEY REFERENCES entry (number),
    record text COLLATE "C" NOT NULL
);

CREATE TABLE producing (
    entry bigint PRIMARY KEY REFERENCES entry (number),
    record text COLLATE "C" NOT NULL
);
"""

_REGISTER: Final = "".join(
    (
        _ENTRIES,
        _grows(
            "entry",
            "entry_in_order",
            "NEW.number IS DISTINCT FROM "
            "(SELECT coalesce(max(number), 0) + 1 FROM {schema}.entry)",
            "entries are appended at the end of the history",
        ),
        _BROUGHT_NOW,
        _BROUGHT,
        *(_kept(table.name, "the register is") for table in REGISTER.tables),
    )
)

_OBSERVATIONS: Final = """
CREATE TABLE observation (
    district text COLLATE "C" NOT NULL,
    site_id text COLLATE "C" NOT NULL,
    look text COLLATE "C" NOT NULL,
    product_id text COLLATE "C" NOT NULL,
    day text COLLATE "C" NOT NULL,
    share_seen double precision NOT NULL,
    ndvi double precision,
    predicted double precision,
    ring double precision,
    ring_predicted double precision,
    bare_share double precision,
    area_m2 double precision NOT NULL,
    PRIMARY KEY (district, site_id, look)
);

CREATE TABLE curve (
    district text COLLATE "C" NOT NULL,
    site_id text COLLATE "C" NOT NULL,
    record text COLLATE "C" NOT NULL,
    PRIMARY KEY (district, site_id)
);
"""


def _on_postgres(layout: Layout, schema: str) -> Layout:
    """Give a layout the tables that it has here; its version means the same."""
    return replace(layout, schema=schema, migrations={}, indexes=())


LEDGER_HERE: Final = replace(
    _on_postgres(LEDGER, _LEDGER),
    queries={"findings_of_withheld": findings_of_withheld("strpos", "site_of(body)")},
)
"""The ledger of runs."""

REGISTER_HERE: Final = _on_postgres(REGISTER, _REGISTER)
"""The register of licences."""

OBSERVATIONS_HERE: Final = _on_postgres(OBSERVATIONS, _OBSERVATIONS)
"""The diary of sites."""
