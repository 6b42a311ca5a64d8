"""Images of one alert, and the composite under the map: drawn once, then kept.

They are asked for by an alert or a district and never by a place, so that nobody reads
the imagery of anywhere else through them.
"""

import contextlib
import hashlib
import json
import logging
import os
import re
import shutil
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from shapely import MultiPolygon, Polygon

from rsmonitor.errors import BusyError, OutputError, RsmonitorError
from rsmonitor.io.deliver.pictures.web_mercator import Bounds, Laid, Sheet, cut, lay
from rsmonitor.io.foundation.files import staged_folder, write_atomic
from rsmonitor.pipeline.chips import NEWEST_RGB, OLDEST_RGB
from rsmonitor.records.account import Scope
from rsmonitor.records.alert import Alert
from rsmonitor.records.package import CHIP_LABELS, Chip, ChipRole
from rsmonitor.wiring.package_images import PackageImages
from rsmonitor.wiring.reports import Book
from rsmonitor.wiring.shelf import Group
from rsmonitor.wiring.shelf_items import book_of_district
from rsmonitor.wiring.web_sites import Opened

_LOG: Final = logging.getLogger(__name__)

MOST_BYTES: Final = 512 * 2**20
"""What all kept images may take; the least used go first."""

CHIP_SIDE: Final = 1024
"""Pixels of the longer side of an image of an alert, at most."""

BACKGROUND_SIDE: Final = 2048
"""The same of a composite."""

MOST_CUTS: Final = 64
"""Parts of one composite that are kept: each scope sees one, and tokens make more."""

MOST_WAITING: Final = 8
"""Who would wait for another image is told to come again once so many do."""

_META: Final = "meta.json"
_NAME: Final = re.compile(r"[a-z0-9][a-z0-9_-]{0,79}")


class _Chips(PackageImages):
    """Images of single alerts, without the overview of their district."""

    def chips(self, book: Book, alert: Alert) -> tuple[Chip, ...]:
        """Read the images of one alert; empty where no look shows it."""
        # what is known already is not made
        self._last = (book.settings.district.code, ())
        chips, _ = self.of(book, [alert])
        note = self.notes.get(book.settings.district.code)
        if note is not None:
            raise OutputError(f"the images could not be read: {note}")
        return chips.get(alert.site.site_id, ())


@dataclass(frozen=True, slots=True, kw_only=True)
class Background:
    """The composite of a district as somebody may see it."""

    district: str
    """`District.code`."""

    bounds: Bounds
    """West, south, east, north, degrees."""

    days: tuple[str, ...]
    """Days of the looks behind it, oldest first."""


class ImageStore:
    """Images that were drawn, in a folder that does not grow beyond its bound.

    Parameters
    ----------
    folder : Path
        Made when it is needed; nothing else may lie in it.
    most_bytes : int
        What it may take.
    """

    def __init__(self, folder: Path, *, most_bytes: int = MOST_BYTES) -> None:
        self._folder = folder
        self._most = most_bytes
        self._turn = threading.Lock()
        self._background_turn = threading.Lock()
        self._waiting = 0
        self._counts = threading.Lock()
        self._drawing: set[str] = set()

    def imagery(self, opened: Opened) -> dict[str, Any]:
        """
        Say which images of an alert there are; draw them if nobody did.

        Parameters
        ----------
        opened : Opened
            The alert.

        Returns
        -------
        dict
            ``bounds, images, legend``; each image with ``kind, scenes, on``, its own
            ``bounds`` and labels, and without a ``url``.

        Raises
        ------
        BusyError
            If too many wait for images.
        OutputError
            If the scenes cannot be read, or nothing can be written.
        """
        folder = self._folder / self._name_of(opened)
        meta = self._meta(folder)
        if meta is None:
            with self._my_turn():
                meta = self._meta(folder) or self._draw(folder, opened)
        return meta

    def image(self, opened: Opened, kind: str) -> bytes | None:
        """
        Give one image of an alert.

        Parameters
        ----------
        opened : Opened
            The alert.
        kind : str
            One of `ChipRole`.

        Returns
        -------
        bytes or None
            PNG; None where there is none.

        Raises
        ------
        BusyError
            If too many wait for images.
        OutputError
            If the scenes cannot be read, or nothing can be written.
        """
        meta = self.imagery(opened)
        if kind not in {image["kind"] for image in meta["images"]}:
            return None
        try:
            return (self._folder / self._name_of(opened) / f"{kind}.png").read_bytes()
        except OSError as error:
            raise BusyError("the image was removed meanwhile; ask again") from error

    def background(
        self, group: Group, district: str, scope: Scope
    ) -> tuple[Background, Path] | None:
        """
        Find the composite of a district, cut to what a scope sees of it.

        Parameters
        ----------
        group : Group
            The districts among which it is.
        district : str
            `District.code`.
        scope : Scope
            Who asks.

        Returns
        -------
        tuple of Background and Path, or None
            Where its PNG lies; None where nothing of it is seen, or where it is not
            drawn yet: then it is being drawn.

        Raises
        ------
        StoreError
            If the ledger is damaged.
        SettingsError
            If a border layer cannot be used.
        OutputError
            If nothing can be written.
        """
        areas = seen_of(group, district, scope)
        if areas is not None and not areas:
            return None
        runs = group.ledger.runs(district)
        if not runs:
            return None
        whole = self._folder / _safe("b", district, runs[-1].run_id)
        meta = self._meta(whole)
        if meta is None:
            self._draw_later(whole, group, district)
            return None
        found = Background(
            district=district,
            bounds=tuple(meta["bounds"]),
            days=tuple(meta["days"]),
        )
        if areas is None:
            return found, whole / "whole.png"
        # of what is seen: as many scopes as anybody makes see the same counties
        codes = [c.code for c in group.counties if scope.covers(c.code)]
        key = hashlib.sha256("\n".join(sorted(codes)).encode()).hexdigest()[:16]
        path = whole / f"cut-{key}.png"
        if not path.exists():
            with self._my_turn():
                if not path.exists():
                    _cut_file(whole / "whole.png", found.bounds, areas, path)
                    _forget_cuts(whole)
                    self._prune(whole)
        with contextlib.suppress(OSError):
            os.utime(path)
        return found, path

    def _draw(self, folder: Path, opened: Opened) -> dict[str, Any]:
        """Draw the images of an alert."""
        book = book_of_district(opened.settings, opened.group.ledger)
        chips = _Chips(book.runs[-1].week).chips(book, opened.alert)
        drawn = {
            chip.role: lay(
                [Sheet(rgb=chip.rgb, grid=chip.grid, seen=_seen(chip))],
                most=CHIP_SIDE,
                finer=2.0,
            )
            for chip in chips
        }
        meta = _meta_of(chips, drawn)
        with staged_folder(folder) as draft:
            for role, laid in drawn.items():
                write_atomic(draft / f"{role.value}.png", laid.png())
            write_atomic(draft / _META, json.dumps(meta).encode())
        self._prune(folder)
        return meta

    def _draw_later(self, folder: Path, group: Group, district: str) -> None:
        """Draw the composite of a district beside requests, once."""
        with self._counts:
            if folder.name in self._drawing:
                return
            self._drawing.add(folder.name)
        threading.Thread(
            target=self._draw_background,
            args=(folder, group, district),
            name="rsmonitor-background",
            daemon=True,
        ).start()

    def _draw_background(self, folder: Path, group: Group, district: str) -> None:
        """Draw the composite of a district."""
        try:
            office = next(o for o in group.offices if o.district.code == district)
            book = book_of_district(office, group.ledger)
            images = PackageImages(book.runs[-1].week)
            with self._background_turn:
                _, overviews = images.of(book, ())
            if not overviews:
                return  # nothing was seen; the next run may see it
            laid = lay(
                [Sheet(rgb=each.rgb, grid=each.grid) for each in overviews],
                most=BACKGROUND_SIDE,
            )
            days = sorted({day.isoformat() for each in overviews for day in each.days})
            meta = {"bounds": list(laid.bounds), "days": days}
            with staged_folder(folder) as draft:
                write_atomic(draft / "whole.png", laid.png())
                write_atomic(draft / _META, json.dumps(meta).encode())
            self._prune(folder)
            with self._counts:
                self._drawing.discard(folder.name)
        except RsmonitorError as error:
            # it stays among those that are drawn: the next start tries again
            _LOG.warning("no background of %s: %s", district, error)

    def _name_of(self, opened: Opened) -> str:
        """Name the folder of an alert's images: others once a run may see more."""
        runs = opened.group.ledger.runs(opened.alert.site.district)
        return _safe("a", opened.alert.alert_id, runs[-1].run_id, opened.alert.version)

    def _meta(self, folder: Path) -> dict[str, Any] | None:
        """Read what is said of images that are there, whole."""
        try:
            found: dict[str, Any] = json.loads((folder / _META).read_bytes())
        except (OSError, ValueError):
            return None
        with contextlib.suppress(OSError):
            os.utime(folder)
        return found

    @contextlib.contextmanager
    def _my_turn(self) -> Iterator[None]:
        """Draw one after the other; do not let everybody wait."""
        with self._counts:
            if self._waiting >= MOST_WAITING:
                raise BusyError("too many images are being drawn; ask again")
            self._waiting += 1
        try:
            with self._turn:
                yield
        finally:
            with self._counts:
                self._waiting -= 1

    def _prune(self, keep: Path) -> None:
        """Remove what was used least until the rest is small enough."""
        sizes = []
        for path in self._folder.iterdir():
            with contextlib.suppress(OSError):
                size = sum(p.stat().st_size for p in path.iterdir() if p.is_file())
                sizes.append((path.stat().st_mtime_ns, size, path))
        whole = sum(size for _, size, _ in sizes)
        for _, size, path in sorted(sizes):
            if whole <= self._most:
                return
            if path != keep and not path.name.startswith("."):
                shutil.rmtree(path, ignore_errors=True)
                whole -= size


def seen_of(
    group: Group, district: str, scope: Scope
) -> Sequence[Polygon | MultiPolygon] | None:
    """
    Say which ground of a district a scope sees.

    Parameters
    ----------
    group : Group
        The districts among which it is.
    district : str
        `District.code`.
    scope : Scope
        Who asks.

    Returns
    -------
    sequence of Polygon or MultiPolygon, or None
        Counties that the scope covers; None where it sees all that is there. Empty
        where it sees nothing, or where no border says what part it sees.

    Raises
    ------
    SettingsError
        If a border layer cannot be used.
    """
    if scope.is_everything:
        return None
    office = next(o for o in group.offices if o.district.code == district)
    codes = (district, *office.district.county_codes)
    if not scope.sees(codes):
        return []
    own = set(office.district.county_codes) or {district}
    known = {county.code for county in group.counties}
    if own <= known:
        return [c.geometry for c in group.counties if scope.covers(c.code)]
    if scope.covers(district) or all(scope.covers(code) for code in own):
        return None
    return [
        c.geometry for c in group.counties if c.code in own and scope.covers(c.code)
    ]


def _cut_file(
    whole: Path, bounds: Bounds, areas: Sequence[Polygon | MultiPolygon], path: Path
) -> None:
    """Cut a composite to some areas."""
    try:
        with Image.open(whole) as image:
            rgba = np.asarray(image.convert("RGBA"))
    except OSError as error:
        raise OutputError(f"{whole} cannot be read: {error}") from error
    write_atomic(path, cut(Laid(rgba=rgba, bounds=bounds), areas).png())


def _forget_cuts(whole: Path) -> None:
    """Remove the cuts that were used least; what is in use is never pruned whole."""
    cuts = []
    for path in whole.glob("cut-*.png"):
        with contextlib.suppress(OSError):
            cuts.append((path.stat().st_mtime_ns, path))
    for _, path in sorted(cuts)[:-MOST_CUTS]:
        path.unlink(missing_ok=True)


def _seen(chip: Chip) -> NDArray[np.bool_] | None:
    """Say what a chip shows; the days of change are of many looks."""
    return None if chip.role is ChipRole.EVIDENCE else chip.seen


def _meta_of(chips: Sequence[Chip], drawn: Mapping[ChipRole, Laid]) -> dict[str, Any]:
    """Say what images show."""
    bounds = next((list(drawn[chip.role].bounds) for chip in chips), None)
    evidence = next((c for c in chips if c.role is ChipRole.EVIDENCE), None)
    days = [] if evidence is None else [day.isoformat() for day in evidence.days]
    return {
        "bounds": bounds,
        "images": [
            {
                "kind": chip.role.value,
                "bounds": list(drawn[chip.role].bounds),
                "scenes": list(chip.scenes),
                "on": chip.days[-1].isoformat() if chip.days else None,
                "days": [day.isoformat() for day in chip.days],
                "true_colour": chip.true_colour,
                "seen_share": round(float(chip.seen.mean()), 3),
                "label_zh": CHIP_LABELS[chip.role][0],
                "label_en": CHIP_LABELS[chip.role][1],
            }
            for chip in chips
        ],
        "legend": {
            "days": days,
            "oldest": {"on": days[0] if days else None, "colour": _hex(OLDEST_RGB)},
            "newest": {"on": days[-1] if days else None, "colour": _hex(NEWEST_RGB)},
            "unseen_zh": "半透明处当日未见地面",
            "unseen_en": "paler: the look did not show the ground",
        },
    }


def _hex(colour: tuple[int, int, int]) -> str:
    """Write a colour as web pages do."""
    return "#" + "".join(f"{part:02x}" for part in colour)


def _safe(kind: str, name: str, *versions: object) -> str:
    """Name a folder: what it is of, and which version."""
    digest = hashlib.sha256(json.dumps([name, *map(str, versions)]).encode())
    shown = name if _NAME.fullmatch(name) else "x"
    return f"{kind}-{shown}-{digest.hexdigest()[:16]}"
