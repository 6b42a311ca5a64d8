"""The read model of the web service, kept as the ledgers are: made anew when they grow.

Sites that no product may show never come onto it. Where somebody says special use of a
site, nobody is answered from the shelf before: it is made anew first. After a run the
old one serves on while the next is made.
"""

import contextlib
import hashlib
import json
import logging
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Final

from rsmonitor.config import Settings
from rsmonitor.errors import RsmonitorError, StoreError
from rsmonitor.io.stores.ledger import StoredLedger
from rsmonitor.io.stores.shelf import Shelf, SourceState
from rsmonitor.io.stores.shelf_writing import Source, write_shelf
from rsmonitor.stages.jurisdiction import County
from rsmonitor.wiring.licences import counties_of
from rsmonitor.wiring.office import SOFTWARE
from rsmonitor.wiring.shelf_items import (
    district_of_ledger,
    licences_of_register,
)
from rsmonitor.wiring.stores import open_ledger, open_licence_book

_LOG: Final = logging.getLogger(__name__)

FILE: Final = "shelf.sqlite"
"""Name of the shelf in its folder."""

_REGISTER: Final = "register"


@dataclass(frozen=True, eq=False)
class Group:
    """Districts that share a ledger."""

    number: int
    """From 0, in the order of the settings."""

    offices: tuple[Settings, ...]
    """Their settings."""

    ledger: StoredLedger
    """What they share."""

    def source(self, district: str) -> str:
        """
        Name what a district puts on the shelf.

        Parameters
        ----------
        district : str
            `District.code`.

        Returns
        -------
        str
            Unique among all groups.
        """
        return f"{self.number}:{district}"

    @cached_property
    def counties(self) -> tuple[County, ...]:
        """The border layer of the settings, read once; empty where there is none."""
        return counties_of(self.offices[0])

    @cached_property
    def names(self) -> Mapping[str, str]:
        """Chinese names by code, as far as anybody gave one."""
        given = (name.split("=", 1) for name in self.offices[0].deliver.names)
        districts = {
            office.district.code: office.district.name_zh for office in self.offices
        }
        named = {county.code: county.name for county in self.counties}
        return districts | named | dict(given)


class KeptShelf:
    """The shelf, and everything that it is made of.

    Parameters
    ----------
    offices : sequence of Settings
        All districts that are served.
    folder : Path
        Where the shelf lies; made when it is needed.
    """

    def __init__(self, offices: Sequence[Settings], folder: Path) -> None:
        self.folder = folder
        self.groups = tuple(_grouped(offices))
        self._shelf = Shelf(folder / FILE)
        self._turn = threading.Lock()
        self._building: threading.Thread | None = None
        self._checked: tuple[object, ...] | None = None

    def now(self) -> Shelf:
        """
        Give the shelf as it may be shown now.

        Returns
        -------
        Shelf
            Without any site that no product may show. After a run it may be that of
            the run before, for as long as the next one is being made.

        Raises
        ------
        StoreError
            If a ledger is damaged.
        OutputError
            If the shelf cannot be written.
        BusyError
            If a ledger was being written for half a minute.
        """
        stamp = self._stamp()
        if stamp != self._checked:
            with self._turn:
                if stamp != self._checked:
                    self._check(stamp)
        return self._shelf

    def settle(self) -> Shelf:
        """
        Give the shelf of what the ledgers say now, however long it takes to make.

        Returns
        -------
        Shelf
            The shelf.

        Raises
        ------
        StoreError
            If a ledger is damaged.
        OutputError
            If the shelf cannot be written.
        BusyError
            If a ledger was being written for half a minute.
        """
        self.now()
        building = self._building
        if building is not None:
            building.join()
        return self.now()

    def group_of(self, source: str) -> Group:
        """
        Find the districts that share the ledger of a source.

        Parameters
        ----------
        source : str
            `Found.source`.

        Returns
        -------
        Group
            Theirs.
        """
        return self.groups[int(source.partition(":")[0])]

    def settings_of(self, source: str) -> Settings:
        """
        Find the settings of a source.

        Parameters
        ----------
        source : str
            `Found.source` of an alert.

        Returns
        -------
        Settings
            Those of its district.

        Raises
        ------
        StoreError
            If no settings are of that district any more.
        """
        code = source.partition(":")[2]
        for office in self.group_of(source).offices:
            if office.district.code == code:
                return office
        raise StoreError(f"no settings name the district {code}")

    def _stamp(self) -> tuple[object, ...]:
        """Say cheaply whether anything may have changed."""
        return tuple(
            stamp
            for group in self.groups
            for stamp in (group.ledger.tables.stamp(), *_licences(group.offices[0]))
        )

    def _check(self, stamp: tuple[object, ...]) -> None:
        """Make the shelf anew where it is not of what the ledgers say; turn is held."""
        wanted = self._signatures()
        held = self._held()
        stale = [
            name
            for name, signature in wanted.items()
            if held is None or name not in held or held[name].signature != signature
        ]
        gone = [name for name in held or () if name not in wanted]
        building = self._building
        if held is not None and not stale and not gone:
            self._checked = stamp
            return
        if held is not None and not _hides_more(held, wanted):
            if building is None or not building.is_alive():
                self._building = threading.Thread(
                    target=self._later,
                    args=(stale, gone, wanted, stamp),
                    name="rsmonitor-shelf",
                    daemon=True,
                )
                self._building.start()
            return
        if building is not None:
            building.join()
        # what was made meanwhile may be stale as well
        self._build([*wanted], gone, wanted, anew=held is None)
        self._checked = stamp

    def _held(self) -> dict[str, SourceState] | None:
        """Say what is there; None where that cannot be used and is made anew."""
        try:
            return self._shelf.sources() if self._shelf.usable else None
        except StoreError:
            return None

    def _later(
        self,
        stale: Sequence[str],
        gone: Sequence[str],
        wanted: Mapping[str, str],
        stamp: tuple[object, ...],
    ) -> None:
        """Make the next shelf beside requests."""
        try:
            self._build(stale, gone, wanted, anew=False)
            self._checked = stamp
        except RsmonitorError:
            _LOG.exception("the read model was not renewed; the old one serves on")
        finally:
            self._building = None

    def _build(
        self,
        stale: Sequence[str],
        gone: Sequence[str],
        wanted: Mapping[str, str],
        *,
        anew: bool,
    ) -> None:
        """Write the next shelf."""
        held = {} if anew else self._shelf.sources()
        stale = [
            name
            for name in stale
            if name not in held or held[name].signature != wanted[name]
        ]
        write_shelf(self._shelf.path, self._made(stale, wanted), gone=gone, anew=anew)

    def _made(
        self, stale: Sequence[str], wanted: Mapping[str, str]
    ) -> Iterator[Source]:
        """Read what goes onto the shelf, one source after the other."""
        for group in self.groups:
            mine = [name for name in stale if name.startswith(f"{group.number}:")]
            offices = [
                o for o in group.offices if group.source(o.district.code) in mine
            ]
            moments = _moments(group.ledger) if offices else ({}, 0)
            for office in offices:
                name = group.source(office.district.code)
                yield district_of_ledger(
                    office,
                    group.ledger,
                    source=name,
                    signature=wanted[name],
                    names=group.names,
                    moments=moments,
                )
            if group.source(_REGISTER) in mine:
                yield licences_of_register(
                    group.offices,
                    group.ledger,
                    source=group.source(_REGISTER),
                    signature=wanted[group.source(_REGISTER)],
                    counties=group.counties,
                )

    def _signatures(self) -> dict[str, str]:
        """Say of what each source would be made now."""
        found: dict[str, str] = {}
        for group in self.groups:
            if not group.ledger.exists():
                continue
            runs, hidden = _ledger_state(group)
            for office in group.offices:
                code = office.district.code
                if code in runs:
                    found[group.source(code)] = _signature(
                        runs[code], hidden.get(code, ())
                    )
            registers = [str(stamp) for stamp in _licences(group.offices[0])]
            if registers:
                districts = [] if group.counties else sorted(map(str, runs.items()))
                found[group.source(_REGISTER)] = _signature(
                    [*registers, *districts], ()
                )
        return found


def _grouped(offices: Sequence[Settings]) -> Iterator[Group]:
    """Bring districts together that share a ledger."""
    by_name: dict[str, list[Settings]] = {}
    for office in offices:
        by_name.setdefault(open_ledger(office).name, []).append(office)
    for number, theirs in enumerate(by_name.values()):
        yield Group(number=number, offices=tuple(theirs), ledger=open_ledger(theirs[0]))


def _ledger_state(
    group: Group,
) -> tuple[dict[str, tuple[int, int, str]], dict[str, tuple[str, ...]]]:
    """Give the last run of each district, and the sites that a person withheld."""
    group.ledger.upgrade()
    said = group.ledger.withheld()
    return group.ledger.last_runs(), group.ledger.districts_of(said)


def _signature(made_of: Iterable[object], hidden: Iterable[str]) -> str:
    """Sign what a source is made of, and apart from it what is withheld."""
    return f"{_digest([SOFTWARE, *made_of])}|{_digest(hidden)}"


def _hides_more(held: Mapping[str, SourceState], wanted: Mapping[str, str]) -> bool:
    """Say whether other sites are withheld than when the shelf was made."""
    return any(
        name in held
        and held[name].signature.partition("|")[2] != signature.partition("|")[2]
        for name, signature in wanted.items()
    )


def _digest(values: Iterable[object]) -> str:
    """Sign some values."""
    text = json.dumps([str(value) for value in values])
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def _moments(ledger: StoredLedger) -> tuple[dict[str, list[int]], int]:
    """Read which events speak of which site, up to which one."""
    found: dict[str, list[int]] = {}
    last = 0
    for event in ledger.events():
        last = event.seq
        body: Any = json.loads(event.body)
        if isinstance(body, dict):
            for site_id in dict.fromkeys(sites_named(body)):
                found.setdefault(site_id, []).append(event.seq)
    return found, last


def sites_named(body: Mapping[str, Any]) -> Iterator[str]:
    """
    Name the sites that an event speaks of.

    Parameters
    ----------
    body : Mapping
        The body of the event.

    Yields
    ------
    str
        `Site.site_id`.
    """
    for key in ("site_id", "merged_into"):
        if isinstance(body.get(key), str):
            yield body[key]
    alert_id = body.get("alert_id")
    if isinstance(alert_id, str):
        yield f"s{alert_id[1:]}"


def _licences(settings: Settings) -> list[object]:
    """Say which version is there of all that licences are read from."""
    found: list[object] = [_stat(settings.path(n)) for n in settings.licences.files]
    register = open_licence_book(settings)
    return found if register is None else [*found, register.tables.stamp()]


def _stat(path: Path) -> tuple[int, int, int] | None:
    """Say cheaply which version of a file is there."""
    with contextlib.suppress(OSError):
        stat = path.stat()
        return stat.st_mtime_ns, stat.st_size, stat.st_ino
    return None
