"""The dated register of permissions: it only grows, by default in one SQLite file.

Every act is an entry, and what an entry brought stands beside it. Nothing is changed or
deleted: a later entry adds, replaces or makes void, so that the register can be asked
what it said at any instant, and a verdict can name the snapshot that it used.
"""

import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

from rsmonitor.errors import ContractError, LicenceError, StoreError
from rsmonitor.io.stores.codec import decode, encode, encode_text
from rsmonitor.io.stores.database import SqliteTables
from rsmonitor.io.stores.register_history import (
    Act,
    Delivery,
    Doubt,
    Entry,
    Plan,
    accepted_now,
    refused_still,
    standing,
)
from rsmonitor.io.stores.register_plan import Held, planned, require_entry, wanted
from rsmonitor.io.stores.register_schema import REGISTER
from rsmonitor.io.stores.snapshot import said_by, snapshot_of, unsaid
from rsmonitor.io.stores.tables import Connection, Stored
from rsmonitor.records.event import canonical_json
from rsmonitor.records.licence import (
    SHANGHAI,
    Completeness,
    Licence,
    ProducingList,
    RegisterSnapshot,
)
from rsmonitor.stages.jurisdiction import County

_R = TypeVar("_R", Licence, Completeness, ProducingList, Entry)
_Key = tuple[str, str]


class StoredRegister(Stored):
    """A register in a database; satisfies `rsmonitor.interfaces.LicenceRegister`.

    Nothing is made before the first act; a register that does not exist reads as an
    empty one. Every call connects anew.

    Parameters
    ----------
    tables : Tables
        Where it is.
    """

    def snapshot(self, on: datetime | None = None) -> RegisterSnapshot:
        """
        Give the register as it is, or as it was at an instant.

        Parameters
        ----------
        on : datetime, optional
            Timezone-aware; now by default. Entries made later are left out.

        Returns
        -------
        RegisterSnapshot
            Of each licence the last version, earlier ones beside; the same content
            gives the same id.

        Raises
        ------
        StoreError
            If the register is damaged or of an unknown schema version.
        """
        held = self._held(on)
        snapshot = snapshot_of(
            held.current().values(),
            completeness=held.completeness(),
            producing=held.producing(),
            earlier=held.earlier(),
        )
        return replace(snapshot, refused=refused_still(held.entries))

    def history(self) -> tuple[Entry, ...]:
        """
        List every act on the register.

        Returns
        -------
        tuple of Entry
            Oldest first, void ones included.

        Raises
        ------
        StoreError
            If the register is damaged or of an unknown schema version.
        """
        if not self.exists():
            return ()
        with self._tables.reading() as connection:
            return self._entries(connection)

    def accepted(self) -> dict[str, str]:
        """
        List the doubts that a person accepted for the register as it is.

        Returns
        -------
        dict of str to str
            Reason by `Doubt.code`.
        """
        return accepted_now(standing(self.history()))

    def plan(
        self,
        delivery: Delivery,
        *,
        at: datetime,
        counties: Sequence[County] = (),
        replaces: int | None = None,
    ) -> Plan:
        """
        Say what an import would do, and write nothing.

        Parameters
        ----------
        delivery : Delivery
            What a file was understood to say.
        at : datetime
            When, timezone-aware.
        counties : sequence of County, optional
            Counties that the licences are for.
        replaces : int, optional
            Number of an earlier import that this one corrects.

        Returns
        -------
        Plan
            What would be added and changed, and why the layer may be wrong.

        Raises
        ------
        LicenceError
            If the file contradicts itself, or there is no such import.
        StoreError
            If the register is damaged or of an unknown schema version.
        """
        held = self._held(None)
        return planned(
            held, delivery, at=at, counties=counties, replaces=replaces, name=self.name
        )

    def import_licences(
        self,
        delivery: Delivery,
        *,
        at: datetime,
        by: str,
        counties: Sequence[County] = (),
        accept: str = "",
        replaces: int | None = None,
        again: bool = False,
    ) -> tuple[Plan, Entry | None]:
        """
        Take licences from a file, whole or not at all.

        Parameters
        ----------
        delivery : Delivery
            What the file was understood to say.
        at : datetime
            When, timezone-aware.
        by : str
            Who does it.
        counties : sequence of County, optional
            Counties that the licences are for.
        accept : str, optional
            Why a layer that looks wrong is right after all.
        replaces : int, optional
            Number of an earlier import that this one corrects: it becomes void.
        again : bool, default False
            Take bytes that were imported before, to go back to what they say.

        Returns
        -------
        plan : Plan
            What was done.
        entry : Entry or None
            The new entry of the history; None where nothing was to be done.

        Raises
        ------
        SuspectRegisterError
            If the layer looks wrong as a whole and `accept` is empty.
        LicenceError
            If the file contradicts itself, or there is no such import.
        ContractError
            If nobody is named.
        StoreError
            If the register is damaged or of an unknown schema version.
        OutputError
            If it cannot be written.
        """
        # first without a transaction: what is refused leaves no empty register behind
        plan = self.plan(delivery, at=at, counties=counties, replaces=replaces)
        if not wanted(plan, delivery, accept=accept, again=again):
            return plan, None
        self._tables.create()
        with self._tables.writing() as connection:
            plan = planned(
                self._read(connection, None),
                delivery,
                at=at,
                counties=counties,
                replaces=replaces,
                name=self.name,
            )
            if not wanted(plan, delivery, accept=accept, again=again):
                return plan, None
            entry = self._append(
                connection,
                at=at,
                by=by,
                act=Act.IMPORT,
                file=delivery.file,
                sha256=delivery.sha256,
                kind=delivery.kind.value,
                count=len(delivery.licences),
                added=len(plan.added),
                changed=tuple(
                    f"{new.licence_id} version {old.version} -> {new.version}"
                    for old, new in plan.changed
                ),
                amended=tuple(new.licence_id for _, new in plan.amended),
                refused=delivery.refused,
                military=len(delivery.military),
                replaces=replaces,
                doubts=tuple(doubt.code for doubt in plan.doubts),
                reason=accept.strip() if plan.doubts else "",
            )
            connection.executemany(
                "INSERT INTO licence (licence_id, kind, entry, record) "
                "VALUES (?, ?, ?, ?)",
                (
                    (new.licence_id, new.kind.value, entry.number, _stored(new))
                    for new in (
                        *plan.added,
                        *(new for _, new in plan.changed),
                        *(new for _, new in plan.amended),
                    )
                ),
            )
        return plan, entry

    def import_producing(
        self, listed: ProducingList, *, file: str, sha256: str, at: datetime, by: str
    ) -> Entry | None:
        """
        Take a published list of producing mines.

        Parameters
        ----------
        listed : ProducingList
            The list; it takes the place of an earlier one of the same year and
            publisher.
        file : str
            Name of the file.
        sha256 : str
            Digest of its bytes, hexadecimal.
        at : datetime
            When, timezone-aware.
        by : str
            Who does it.

        Returns
        -------
        Entry or None
            The new entry; None where the register holds the same list.

        Raises
        ------
        ContractError
            If nobody is named.
        StoreError
            If the register is damaged or of an unknown schema version.
        OutputError
            If it cannot be written.
        """
        self._tables.create()
        with self._tables.writing() as connection:
            if listed in self._read(connection, None).producing():
                return None
            entry = self._append(
                connection,
                at=at,
                by=by,
                act=Act.PRODUCING,
                file=file,
                sha256=sha256,
                count=len(listed.licence_ids),
                words=f"{listed.year}, published by {listed.publisher} on "
                f"{listed.published}",
            )
            connection.execute(
                "INSERT INTO producing (entry, record) VALUES (?, ?)",
                (entry.number, encode_text(listed)),
            )
        return entry

    def declare_complete(
        self, declared: Completeness, *, at: datetime, by: str
    ) -> Entry | None:
        """
        Keep a person's word that a kind is complete in a county.

        Parameters
        ----------
        declared : Completeness
            County, kind and day.
        at : datetime
            When, timezone-aware.
        by : str
            Whose word it is.

        Returns
        -------
        Entry or None
            The new entry; None where the register holds the same word.

        Raises
        ------
        LicenceError
            If the day is still to come: nobody can know that yet.
        ContractError
            If nobody is named, or the time is not aware.
        StoreError
            If the register is damaged or of an unknown schema version.
        OutputError
            If it cannot be written.
        """
        if at.tzinfo is None:
            raise ContractError(f"the time of an entry must be aware, got {at}")
        today = at.astimezone(SHANGHAI).date()
        if declared.complete_on > today:
            raise LicenceError(
                f"complete on {declared.complete_on}: is after today, {today}; give "
                "the day up to which the register holds everything"
            )
        self._tables.create()
        with self._tables.writing() as connection:
            if declared in self._read(connection, None).completeness():
                return None
            entry = self._append(
                connection,
                at=at,
                by=by,
                act=Act.COMPLETE,
                kind=declared.kind.value,
                words=f"{declared.county_code} on {declared.complete_on}",
            )
            connection.execute(
                "INSERT INTO completeness (entry, record) VALUES (?, ?)",
                (entry.number, encode_text(declared)),
            )
        return entry

    def accept(
        self, doubts: Sequence[Doubt], *, reason: str, at: datetime, by: str
    ) -> Entry:
        """
        Keep a person's word that what looks wrong is right.

        Parameters
        ----------
        doubts : sequence of Doubt
            What looks wrong.
        reason : str
            Why it is right after all.
        at : datetime
            When, timezone-aware.
        by : str
            Whose word it is.

        Returns
        -------
        Entry
            The new entry; it holds until the next import.

        Raises
        ------
        ContractError
            If nobody, or no reason, is given.
        StoreError
            If the register is damaged or of an unknown schema version.
        OutputError
            If it cannot be written.
        """
        self._tables.create()
        with self._tables.writing() as connection:
            return self._append(
                connection,
                at=at,
                by=by,
                act=Act.ACCEPT,
                doubts=tuple(doubt.code for doubt in doubts),
                reason=reason.strip(),
                words="; ".join(doubt.reason for doubt in doubts),
            )

    def withdraw(self, number: int, *, reason: str, at: datetime, by: str) -> Entry:
        """
        Make an entry void, as if it had not been made; the history keeps both.

        Parameters
        ----------
        number : int
            `Entry.number`.
        reason : str
            Why.
        at : datetime
            When, timezone-aware.
        by : str
            Who does it.

        Returns
        -------
        Entry
            The new entry.

        Raises
        ------
        LicenceError
            If there is no such entry, or it is void already.
        ContractError
            If nobody, or no reason, is given.
        StoreError
            If the register is damaged or of an unknown schema version.
        OutputError
            If it cannot be written.
        """
        if not self.exists():
            raise LicenceError(f"{self.name}: there is no register yet")
        with self._tables.writing() as connection:
            entries = standing(self._entries(connection))
            require_entry(entries, number, name=self.name)
            return self._append(
                connection,
                at=at,
                by=by,
                act=Act.WITHDRAW,
                replaces=number,
                reason=reason.strip(),
            )

    def verify(self) -> list[str]:
        """
        Read everything that the register holds.

        Returns
        -------
        list of str
            What is wrong, in words; empty where it is sound.

        Raises
        ------
        StoreError
            If a record cannot be read.
        """
        if not self.exists():
            return []
        with self._tables.reading() as connection:
            self._read(connection, None)
        return self._tables.problems()

    def _held(self, on: datetime | None) -> Held:
        """Read what the register holds."""
        if not self.exists():
            return Held()
        with self._tables.reading() as connection:
            return self._read(connection, on)

    def _read(self, connection: Connection, on: datetime | None) -> Held:
        """Read what the register holds over an open connection."""
        entries = self._entries(connection)
        if on is not None:
            if on.tzinfo is None:
                raise ContractError(f"a snapshot needs an aware instant, got {on!r}")
            entries = tuple(entry for entry in entries if entry.at <= on)
        return Held(
            history=entries,
            licences=self._records(
                Licence, "licence", connection, order="entry, licence_id, kind"
            ),
            words=self._records(Completeness, "completeness", connection),
            lists=self._records(ProducingList, "producing", connection),
        )

    def _entries(self, connection: Connection) -> tuple[Entry, ...]:
        """Read the history over an open connection."""
        rows = connection.execute("SELECT number, record FROM entry ORDER BY number")
        return tuple(
            self._decoded(Entry, f"entry {number}", text) for number, text in rows
        )

    def _records(
        self,
        kind: type[_R],
        table: str,
        connection: Connection,
        *,
        order: str = "entry",
    ) -> tuple[tuple[int, _R], ...]:
        """Read what entries brought, oldest first."""
        rows = connection.execute(
            f"SELECT entry, record FROM {table} ORDER BY {order}"  # noqa: S608 - ours
        )
        return tuple(
            (number, self._decoded(kind, f"{table} of entry {number}", text))
            for number, text in rows
        )

    def _decoded(self, kind: type[_R], what: str, text: object) -> _R:
        """Read a record, and name the file if it is damaged."""
        where = f"register of licences {self.name}, {what}"
        try:
            said = json.loads(str(text))
        except (ValueError, RecursionError) as error:
            raise StoreError(f"{where}: not JSON ({error}); it is damaged") from error
        if isinstance(said, dict):
            said = {**unsaid(kind), **said}
        return decode(kind, said, where=where)

    def _append(
        self,
        connection: Connection,
        *,
        at: datetime,
        by: str,
        act: Act,
        **said: Any,  # noqa: ANN401 - fields of Entry
    ) -> Entry:
        """Write an entry at the end of the history."""
        (number,) = connection.execute(
            "SELECT coalesce(max(number), 0) + 1 FROM entry"
        ).fetchone()
        if at.tzinfo is None:
            raise ContractError(f"an entry needs an aware instant, got {at!r}")
        entry = Entry(
            number=number, at=at.astimezone(UTC), by=by.strip(), act=act, **said
        )
        written = encode(entry)
        connection.execute(
            "INSERT INTO entry (number, at, act, sha256, kind, record) "
            "VALUES (?, ?, ?, ?, ?, ?)",
            (
                number,
                written["at"],
                act.value,
                entry.sha256,
                entry.kind,
                canonical_json(written),
            ),
        )
        return entry


class DatabaseRegister(StoredRegister):
    """A register in a file.

    Parameters
    ----------
    path : Path
        The SQLite file.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        turn = path.with_name(f".{path.name}.lock")
        super().__init__(SqliteTables(path, turn=turn, layout=REGISTER))

    @property
    def path(self) -> Path:
        """The file."""
        return self._path


def _stored(licence: Licence) -> str:
    """Write what a licence says; a field that says nothing needs no place."""
    return canonical_json({**said_by(licence), "source": licence.source})
