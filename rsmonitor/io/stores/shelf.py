"""The read model of the web service, read: features by scope, filters and pages.

The file never changes once it is shown, so connections take no lock; a newer one is
moved into its place, and whoever reads the old one is done with it first.
"""

import heapq
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from rsmonitor.io.stores.shelf_door import ShelfDoor
from rsmonitor.io.stores.shelf_query import Box, Wanted, boxes_of, where_of
from rsmonitor.io.stores.shelf_writing import ALERTS

MOST_CANDIDATES: Final = 5_000
"""Of a box with more, the areas are walked and not the box."""

_LAST_DAY, _FIRST_DAY = "9999-12-31", "0001-01-01"


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """One item, and where it comes from."""

    number: int
    """Row on this shelf."""

    item_id: str
    """Its id."""

    source: str
    """Who put it there."""

    district: str
    """`District.code`."""

    site_id: str
    """`Site.site_id`."""

    version: int
    """`Alert.version`."""

    feature: str
    """GeoJSON."""

    codes: tuple[str, ...]
    """What a scope must cover one of."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceState:
    """What is known of a source without its items."""

    source: str
    """Its name."""

    signature: str
    """Of what it was made."""

    week: str
    """ISO week of its last run."""

    head: int
    """Number of the last event that was read for it."""

    invented: bool
    """True where any licence behind it is invented."""


class Shelf(ShelfDoor):
    """A shelf in a file that others may replace; used from many threads.

    Parameters
    ----------
    path : Path
        The SQLite file.
    """

    def sources(self) -> dict[str, SourceState]:
        """
        Say of what the shelf was made.

        Returns
        -------
        dict of str to SourceState
            By name.

        Raises
        ------
        StoreError
            If there is no shelf, or it is damaged.
        """
        rows = self.rows("SELECT source, signature, week, head, invented FROM source")
        return {
            name: SourceState(
                source=name,
                signature=signature,
                week=week,
                head=head,
                invented=bool(invented),
            )
            for name, signature, week, head, invented in rows
        }

    def page(
        self, wanted: Wanted, *, after: str = "", most: int = 100, brief: bool = False
    ) -> list[tuple[str, str]]:
        """
        Give some features in the order of their ids.

        Parameters
        ----------
        wanted : Wanted
            Which.
        after : str
            The id that the page before ended with.
        most : int, default 100
            How many at most.
        brief : bool, default False
            True gives what a list says in place of the feature.

        Returns
        -------
        list of tuple of str
            Id and JSON.

        Raises
        ------
        StoreError
            If there is no shelf, or it is damaged.
        """
        with self.one():
            found = self._numbers(wanted, after, most)
            if not found:
                return []
            marks = ",".join("?" * len(found))
            texts = dict(
                self.rows(
                    f"SELECT number, {'brief' if brief else 'feature'} FROM document "  # noqa: S608 - ours
                    f"WHERE number IN ({marks})",
                    *(number for _, number in found),
                )
            )
        return [(item_id, texts[number]) for item_id, number in found]

    def ids(self, wanted: Wanted, *, most: int) -> list[str]:
        """
        Give some ids, in their order.

        Parameters
        ----------
        wanted : Wanted
            Which.
        most : int
            How many at most.

        Returns
        -------
        list of str
            Ids.

        Raises
        ------
        StoreError
            If there is no shelf, or it is damaged.
        """
        with self.one():
            return [item_id for item_id, _ in self._numbers(wanted, "", most)]

    def sources_of(self, ids: Sequence[str]) -> dict[str, list[str]]:
        """
        Say which alerts come from where.

        Parameters
        ----------
        ids : sequence of str
            `Alert.alert_id`.

        Returns
        -------
        dict of str to list of str
            Ids by source.

        Raises
        ------
        StoreError
            If there is no shelf, or it is damaged.
        """
        found: dict[str, list[str]] = {}
        for source, item_id in self.rows(
            "SELECT source, item_id FROM item WHERE collection = ? AND item_id IN "
            "(SELECT value FROM json_each(?)) ORDER BY item_id",
            *(ALERTS, json.dumps(list(ids))),
        ):
            found.setdefault(source, []).append(item_id)
        return found

    def count(self, wanted: Wanted) -> int:
        """
        Count the features that are wanted; the same question is answered from memory.

        Parameters
        ----------
        wanted : Wanted
            Which.

        Returns
        -------
        int
            How many lie in the areas and are wanted.

        Raises
        ------
        StoreError
            If there is no shelf, or it is damaged.
        """
        return self.remembered(("count", wanted), lambda: self._count(wanted))

    def extent(
        self, areas: tuple[str, ...], collection: str = ALERTS
    ) -> tuple[Box | None, tuple[str, str] | None]:
        """
        Say in which box and which days everything lies that is seen.

        Parameters
        ----------
        areas : tuple of str
            `Scope.areas`.
        collection : str
            Which collection.

        Returns
        -------
        box : tuple of float or None
            None where nothing has a geometry.
        days : tuple of str or None
            First and last day; None where nothing has one.

        Raises
        ------
        StoreError
            If there is no shelf, or it is damaged.
        """
        return self.remembered(
            ("extent", areas, collection), lambda: self._extent(areas, collection)
        )

    def find(
        self, item_id: str, areas: tuple[str, ...], collection: str = ALERTS
    ) -> Found | None:
        """
        Find one item.

        Parameters
        ----------
        item_id : str
            Its id.
        areas : tuple of str
            `Scope.areas`.
        collection : str
            Which collection.

        Returns
        -------
        Found or None
            None where there is none, or none that is seen: nobody can tell which.

        Raises
        ------
        StoreError
            If there is no shelf, or it is damaged.
        """
        with self.one():
            rows = self.rows(
                "SELECT i.number, i.item_id, i.source, i.district, i.site_id, "
                "i.version, d.feature FROM place AS p JOIN item AS i USING (number) "
                "JOIN document AS d USING (number) WHERE p.collection = ? AND "
                "p.item_id = ? AND p.area IN (SELECT value FROM json_each(?)) LIMIT 1",
                *(collection, item_id, json.dumps(areas)),
            )
            if not rows:
                return None
            number, found_id, source, district, site_id, version, feature = rows[0]
            codes = self.rows("SELECT code FROM code WHERE number = ?", number)
        return Found(
            number=number,
            item_id=found_id,
            source=source,
            district=district,
            site_id=site_id,
            version=version,
            feature=feature,
            codes=tuple(code for (code,) in codes),
        )

    def codes(self, areas: tuple[str, ...]) -> tuple[str, ...]:
        """
        Name the codes that anything seen has, as far as the areas cover them.

        Parameters
        ----------
        areas : tuple of str
            `Scope.areas`.

        Returns
        -------
        tuple of str
            Codes of alerts and districts, sorted.

        Raises
        ------
        StoreError
            If there is no shelf, or it is damaged.
        """
        return self.remembered(("codes", areas), lambda: self._codes(areas))

    def weeks(self, areas: tuple[str, ...]) -> tuple[str, ...]:
        """
        List the weeks of what is seen.

        Parameters
        ----------
        areas : tuple of str
            `Scope.areas`.

        Returns
        -------
        tuple of str
            ISO weeks, the newest first.

        Raises
        ------
        StoreError
            If there is no shelf, or it is damaged.
        """
        return self.remembered(("weeks", areas), lambda: self._weeks(areas))

    def invented(self, areas: tuple[str, ...]) -> bool:
        """
        Say whether anything that is seen rests on invented licences.

        Parameters
        ----------
        areas : tuple of str
            `Scope.areas`.

        Returns
        -------
        bool
            True if so.

        Raises
        ------
        StoreError
            If there is no shelf, or it is damaged.
        """
        return self.remembered(("invented", areas), lambda: self._invented(areas))

    def moments(self, source: str, site_id: str) -> tuple[int, ...]:
        """
        Give the events that speak of a site, up to those that the shelf knows.

        Parameters
        ----------
        source : str
            Whose chain.
        site_id : str
            `Site.site_id`.

        Returns
        -------
        tuple of int
            `Event.seq`, in order.

        Raises
        ------
        StoreError
            If there is no shelf, or it is damaged.
        """
        rows = self.rows(
            "SELECT seq FROM moment WHERE source = ? AND site_id = ? ORDER BY seq",
            *(source, site_id),
        )
        return tuple(seq for (seq,) in rows)

    def _numbers(self, wanted: Wanted, after: str, most: int) -> list[tuple[str, int]]:
        """Walk the areas side by side, each item once."""
        where, values = self._where(wanted)
        walks = [
            self.rows(
                f"SELECT p.item_id, p.number {where} AND p.item_id > :after "
                "ORDER BY p.item_id LIMIT :most",
                **values,
                area=area,
                after=after,
                most=most,
            )
            for area in wanted.areas
        ]
        found: dict[str, int] = {}
        for item_id, number in heapq.merge(*walks):
            if len(found) == most:
                break
            found[item_id] = number
        return list(found.items())

    def _count(self, wanted: Wanted) -> int:
        """Count over all areas, each item once."""
        where, values = self._where(wanted)
        if len(wanted.areas) == 1:
            rows = self.rows(
                f"SELECT count(*) {where}",
                **values,
                area=wanted.areas[0],
            )
            return int(rows[0][0])
        seen: set[int] = set()
        for area in wanted.areas:
            rows = self.rows(f"SELECT p.number {where}", **values, area=area)
            seen.update(number for (number,) in rows)
        return len(seen)

    def _where(self, wanted: Wanted) -> tuple[str, dict[str, Any]]:
        """Say in SQL what is wanted of one area."""
        boxes = () if wanted.box is None else boxes_of(wanted.box)
        near = self._near(self._within(boxes, wanted)) if boxes else None
        return where_of(wanted, boxes, near)

    def _within(self, boxes: Sequence[Box], wanted: Wanted) -> Iterator[Box]:
        """Cut boxes to where anything is seen: what lies elsewhere takes no time."""
        extent, _ = self.extent(wanted.areas, wanted.collection)
        if extent is None:
            return
        for box in boxes:
            west, south = max(box[0], extent[0]), max(box[1], extent[1])
            east, north = min(box[2], extent[2]), min(box[3], extent[3])
            if west <= east and south <= north:
                yield west, south, east, north

    def _near(self, boxes: Iterable[Box]) -> list[int] | None:
        """Ask the R-tree; None where it names too many."""
        found: set[int] = set()
        for west, south, east, north in boxes:
            rows = self.rows(
                "SELECT number FROM box WHERE east >= ? AND west <= ? AND north >= ? "
                "AND south <= ? LIMIT ?",
                *(west, east, south, north, MOST_CANDIDATES + 1),
            )
            found.update(number for (number,) in rows)
        return sorted(found) if len(found) <= MOST_CANDIDATES else None

    def _extent(
        self, areas: tuple[str, ...], collection: str
    ) -> tuple[Box | None, tuple[str, str] | None]:
        """Ask for the ends of everything."""
        rows = self.rows(
            "SELECT min(i.west), min(i.south), max(i.east), max(i.north), "
            "min(nullif(i.began, ?)), max(nullif(i.ended, ?)) "
            "FROM place AS p JOIN item AS i USING (number) WHERE p.collection = ? "
            "AND p.area IN (SELECT value FROM json_each(?))",
            *(_FIRST_DAY, _LAST_DAY, collection, json.dumps(areas)),
        )
        west, south, east, north, first, last = rows[0]
        box = None if west is None else (west, south, east, north)
        return box, None if first is None or last is None else (first, last)

    def _codes(self, areas: tuple[str, ...]) -> tuple[str, ...]:
        """List the areas of which nothing smaller is known."""
        found: set[str] = set()
        for area in areas:
            rows = self.rows(
                "SELECT DISTINCT c.code FROM place AS p JOIN code AS c USING (number) "
                "WHERE p.area = ? AND p.collection IN ('alerts', 'districts')",
                area,
            )
            found |= {code for (code,) in rows}
        return tuple(sorted(found))

    def _weeks(self, areas: tuple[str, ...]) -> tuple[str, ...]:
        """Ask for the weeks of alerts and of what was last looked at."""
        rows = self.rows(
            "SELECT DISTINCT i.week FROM place AS p JOIN item AS i USING (number) "
            "WHERE p.area IN (SELECT value FROM json_each(?)) AND p.collection IN "
            "('alerts', 'districts') AND i.week <> ''",
            json.dumps(areas),
        )
        return tuple(sorted((week for (week,) in rows), reverse=True))

    def _invented(self, areas: tuple[str, ...]) -> bool:
        """Ask for the first that does."""
        rows = self.rows(
            "SELECT 1 FROM place AS p JOIN item AS i USING (number) "
            "WHERE p.area IN (SELECT value FROM json_each(?)) AND p.collection IN "
            "('alerts', 'licences') AND i.invented LIMIT 1",
            json.dumps(areas),
        )
        return bool(rows)
