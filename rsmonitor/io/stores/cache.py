"""What was fetched, kept: whole, verified, and never fetched again.

``objects/ab/<sha256>`` holds the numbers of one window of one product, named by the
digest of its bytes; ``index/ab/<digest of the question>.json`` says which object
answers a question. Both are written beside their place, synced and renamed; so a fetch
that is killed leaves nothing under a final name. On reading the digest is checked; what
does not fit is removed and fetched again. Two processes that ask the same wait for each
other.

Beside them lie what a run must not forget: ``searches`` (what an archive offered),
``checked`` (scenes that passed the self-check), ``quarantine`` (those that did not) and
``failed`` (those that could not be read, how often, and why).
"""

import contextlib
import hashlib
import json
import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from rsmonitor.errors import ContractError, OutputError, SourceError, StoreError
from rsmonitor.interfaces import Clock
from rsmonitor.io.foundation.clock import SystemClock
from rsmonitor.io.foundation.files import lock_file, make_folder, write_atomic
from rsmonitor.io.stores.offer_json import from_json, to_json
from rsmonitor.io.stores.piece import decode, encode, refuse_other
from rsmonitor.records.offer import Numbers, Offer, TileWindow

SEARCH_STAYS_FRESH: Final = timedelta(hours=6)
"""A run that starts again within this time does not search again."""

LEFT_BEHIND: Final = timedelta(days=1)
"""Hidden files, objects that nothing names and searches are removed when they are this
old: no fetch takes so long, and no search is used so long."""

_TEMPORARY: Final = re.compile(r"\..+\.tmp")
_SHA256: Final = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True, kw_only=True)
class CachedPiece:
    """One piece that is kept."""

    product_id: str
    """`Offer.product_id`."""

    source: str
    """`Offer.source`."""

    window: TileWindow
    """Which pixels."""

    bands: tuple[str, ...]
    """Which bands, beside SCL."""

    sha256: str
    """Digest of the object."""

    size_bytes: int
    """Length of the object."""

    stored_at: datetime
    """When it was fetched, UTC."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trouble:
    """A product that cannot be used, and why."""

    product_id: str
    """`Offer.product_id`."""

    source: str
    """`Offer.source`."""

    reason: str
    """One sentence."""

    since: datetime
    """When it was first met, UTC."""

    last_at: datetime
    """When it was last met, UTC."""

    attempts: int
    """How often it was met."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verified:
    """What a look at every kept piece found."""

    sound: int
    """Pieces whose digest fits."""

    removed: tuple[str, ...]
    """What did not fit and was removed, one sentence each; it will be fetched again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pruned:
    """What was given up for space."""

    pieces: int
    """Pieces removed."""

    freed_bytes: int
    """Space freed."""

    kept: int
    """Pieces that stay."""


class SceneCache:
    """
    Pieces of scenes in a folder.

    Parameters
    ----------
    root : Path
        The folder; made when first written.
    clock : Clock, optional
        Time; the machine's by default.
    """

    def __init__(self, root: Path, *, clock: Clock | None = None) -> None:
        self._root = root
        self._clock = clock or SystemClock()

    # ------------------------------------------------------------------ pieces

    def get(
        self, offer: Offer, window: TileWindow, bands: Sequence[str]
    ) -> Numbers | None:
        """
        Give a piece that is kept.

        Parameters
        ----------
        offer : Offer
            Of which product.
        window : TileWindow
            Which pixels.
        bands : sequence of str
            Which bands, in any order.

        Returns
        -------
        Numbers or None
            None if it is not kept, or was found damaged, in which case it is removed.

        Raises
        ------
        StoreError
            If a file cannot be read though it may be whole.
        """
        entry = self._entry(offer, window, bands)
        known = _read_json(entry)
        if known is None:
            return None
        try:
            data = self._read(_sha256(known["sha256"]))
            numbers = decode(data)
            refuse_other(numbers, window, bands)
        except (StoreError, KeyError, TypeError, FileNotFoundError):
            self._drop(entry, known)
            return None
        except OSError as error:  # it may be whole: a person must look
            raise StoreError(
                f"cache {self._root}: {error.filename} cannot be read: {error.strerror}"
            ) from error
        return numbers

    def fetch(
        self,
        offer: Offer,
        window: TileWindow,
        bands: Sequence[str],
        ask: Callable[[], Numbers],
    ) -> Numbers:
        """
        Give a piece; ask the archive only if it is not kept.

        Parameters
        ----------
        offer : Offer
            Of which product.
        window : TileWindow
            Which pixels.
        bands : sequence of str
            Which bands, in any order.
        ask : callable
            Gets the numbers from the archive.

        Returns
        -------
        Numbers
            Kept from now on.

        Raises
        ------
        SourceError
            If the answer is not what was asked for; nothing is then kept. What `ask`
            raises passes through.
        StoreError
            If a kept piece cannot be read for a reason that is not its own.
        OutputError
            If it cannot be written.
        """
        kept = self.get(offer, window, bands)
        if kept is not None:
            return kept
        entry = self._entry(offer, window, bands)
        stripe = self._root / "locks" / f"{entry.stem[:2]}.lock"
        with lock_file(stripe, what=f"cache {self._root}", wait=True):
            kept = self.get(offer, window, bands)  # another may have been faster
            if kept is not None:
                return kept
            numbers = ask()
            try:
                refuse_other(numbers, window, bands)
            except StoreError as error:
                raise SourceError(
                    f"{offer.product_id}: {offer.source} gave {error} for rows "
                    f"{window.row} to {window.row + window.height} and columns "
                    f"{window.col} to {window.col + window.width} of tile "
                    f"{window.mgrs_tile}"
                ) from error
            self._put(entry, offer, window, bands, numbers)
        return numbers

    def holds(self, offer: Offer, window: TileWindow, bands: Sequence[str]) -> bool:
        """
        Tell whether a piece is kept, without reading it.

        Parameters
        ----------
        offer : Offer
            Of which product.
        window : TileWindow
            Which pixels.
        bands : sequence of str
            Which bands, in any order.

        Returns
        -------
        bool
            True if the index has it and its object is there.
        """
        known = _read_json(self._entry(offer, window, bands))
        try:
            return known is not None and self._object(_sha256(known["sha256"])).exists()
        except (KeyError, TypeError, StoreError):
            return False

    def pieces(self) -> tuple[CachedPiece, ...]:
        """
        List what is kept.

        Returns
        -------
        tuple of CachedPiece
            By product, then from north to south and west to east.
        """
        found = [
            piece for _, known in self._index() if (piece := _piece(known)) is not None
        ]
        return tuple(
            sorted(
                found,
                key=lambda p: (
                    p.product_id,
                    p.source,
                    p.window.mgrs_tile,
                    p.window.row,
                    p.window.col,
                    p.bands,
                    p.stored_at,
                ),
            )
        )

    def total_bytes(self) -> int:
        """
        Add up the space that pieces take.

        Returns
        -------
        int
            Bytes; an object that answers two questions counts once.
        """
        return sum(path.stat().st_size for path in _files(self._root / "objects"))

    def verify(self) -> Verified:
        """
        Read every piece, and remove what is damaged.

        Returns
        -------
        Verified
            What was found.

        Raises
        ------
        OSError
            If a piece cannot be read for a reason that is not its own.
        """
        sound, removed = 0, []
        for entry, known in self._index():
            piece = _piece(known)
            named = entry.name if piece is None else _named(piece)
            fault = "its index entry is damaged"
            if piece is not None:
                try:
                    decode(self._read(piece.sha256))
                except StoreError as error:
                    fault = str(error)
                except FileNotFoundError:
                    fault = "its object is gone"
                else:
                    sound += 1
                    continue
            self._drop(entry, known)
            removed.append(f"{named}: {fault}; removed, to be fetched again")
        return Verified(sound=sound, removed=tuple(removed))

    def prune(
        self, *, keep: Callable[[str], bool] | Collection[str], older_than: datetime
    ) -> Pruned:
        """
        Remove old pieces of products that nothing needs, and searches of days before.

        Parameters
        ----------
        keep : callable or collection of str
            Product ids that stay whatever their age: those that an open alert or a
            kept checkpoint cites. Ids of merged strips, joined by ``+``, pin each.
        older_than : datetime
            Pieces fetched at this instant or later stay; timezone-aware.

        Returns
        -------
        Pruned
            What was removed.

        Raises
        ------
        OutputError
            If something cannot be removed.
        ContractError
            If `older_than` is naive.
        """
        if older_than.tzinfo is None:
            raise ContractError(
                f"older_than must be timezone-aware, got {older_than!r}"
            )
        pinned = keep if callable(keep) else _pins(keep)
        before = self.total_bytes()
        removed = kept = 0
        needed, given_up = set(), set()
        for entry, known in self._index():
            piece = _piece(known)
            if piece is not None and (
                pinned(piece.product_id) or piece.stored_at >= older_than
            ):
                needed.add(piece.sha256)
                kept += 1
                continue
            if piece is not None:
                given_up.add(piece.sha256)
            _remove(entry)
            removed += 1
        youngest = (SystemClock().now() - LEFT_BEHIND).timestamp()
        for path in _files(self._root / "objects"):
            # one that no entry names yet may be about to get its entry
            unnamed = path.name not in given_up and path.stat().st_mtime < youngest
            if path.name not in needed and (path.name in given_up or unnamed):
                _remove(path)
        # each week asks anew, so what was answered before is never read again
        for path in _files(self._root / "searches"):
            with contextlib.suppress(FileNotFoundError):
                if path.stat().st_mtime < youngest:
                    _remove(path)
        self._sweep(youngest)
        return Pruned(
            pieces=removed, freed_bytes=before - self.total_bytes(), kept=kept
        )

    # ---------------------------------------------------------------- searches

    def search(
        self,
        *,
        source: str,
        mgrs_tile: str,
        start: datetime,
        until: datetime,
        ask: Callable[[], Sequence[Offer]],
    ) -> tuple[Offer, ...]:
        """
        Give what an archive offers; ask it only if it was not asked lately.

        Parameters
        ----------
        source : str
            Name of the archive.
        mgrs_tile : str
            Which tile.
        start : datetime
            First instant of sensing, UTC.
        until : datetime
            End of sensing, exclusive, UTC.
        ask : callable
            Searches the archive to its end.

        Returns
        -------
        tuple of Offer
            Saved before anything is done with it; what is saved holds no keys.

        Raises
        ------
        OutputError
            If it cannot be written. What `ask` raises passes through.
        """
        question = [source, mgrs_tile, start.isoformat(), until.isoformat()]
        path = self._root / "searches" / f"{_digest(question)}.json"
        now = self._clock.now()
        known = _read_json(path)
        if known is not None:
            with contextlib.suppress(
                KeyError, TypeError, ValueError, AttributeError, ContractError
            ):
                age = now - datetime.fromisoformat(known["searched_at"])
                if timedelta(0) <= age < SEARCH_STAYS_FRESH:
                    return tuple(from_json(offer) for offer in known["offers"])
        offers = tuple(ask())
        _write_json(
            path,
            {
                "question": question,
                "searched_at": now.isoformat(),
                "offers": [to_json(offer) for offer in offers],
            },
        )
        return offers

    # ------------------------------------------------- checks, quarantine, failures

    def is_checked(self, offer: Offer, scope: str) -> bool:
        """
        Tell whether a product passed the self-check before.

        Parameters
        ----------
        offer : Offer
            Which product.
        scope : str
            Grid, bands and version of the check.

        Returns
        -------
        bool
            True if it did.
        """
        return _read_json(self._note("checked", offer, scope)) is not None

    def note_checked(self, offer: Offer, scope: str, note: str) -> None:
        """
        Remember that a product passed the self-check.

        Parameters
        ----------
        offer : Offer
            Which product.
        scope : str
            Grid, bands and version of the check.
        note : str
            What the check said.
        """
        _write_json(
            self._note("checked", offer, scope),
            {"product_id": offer.product_id, "scope": scope, "note": note},
        )

    def quarantine(self, offer: Offer, reason: str) -> None:
        """
        Put a product aside for good.

        Parameters
        ----------
        offer : Offer
            Which product.
        reason : str
            What contradicts its metadata.
        """
        self._meet("quarantine", offer, reason)

    def quarantined(self, offer: Offer) -> str | None:
        """
        Give the reason why a product was put aside.

        Parameters
        ----------
        offer : Offer
            Which product.

        Returns
        -------
        str or None
            None if it was not.
        """
        trouble = _trouble(_read_json(self._note("quarantine", offer)))
        return None if trouble is None else trouble.reason

    def release(self, product_id: str) -> int:
        """
        Take a product out of quarantine, to be checked again.

        Parameters
        ----------
        product_id : str
            `Offer.product_id`.

        Returns
        -------
        int
            How many versions of it were in quarantine.
        """
        released = 0
        for path in _files(self._root / "quarantine"):
            trouble = _trouble(_read_json(path))
            if trouble is not None and trouble.product_id == product_id:
                _remove(path)
                released += 1
        return released

    def note_failure(self, offer: Offer, reason: str) -> int:
        """
        Remember that a product could not be read; it will be tried again.

        Parameters
        ----------
        offer : Offer
            Which product.
        reason : str
            Why.

        Returns
        -------
        int
            How often it failed by now.
        """
        return self._meet("failed", offer, reason)

    def note_success(self, offer: Offer) -> None:
        """
        Forget the failures of a product.

        Parameters
        ----------
        offer : Offer
            Which product.
        """
        path = self._note("failed", offer)
        if path.exists():
            _remove(path)

    def failures(self) -> tuple[Trouble, ...]:
        """
        List the products that could not be read.

        Returns
        -------
        tuple of Trouble
            By product.
        """
        return self._troubles("failed")

    def quarantines(self) -> tuple[Trouble, ...]:
        """
        List the products that were put aside.

        Returns
        -------
        tuple of Trouble
            By product.
        """
        return self._troubles("quarantine")

    # --------------------------------------------------------------- inside

    def _put(
        self,
        entry: Path,
        offer: Offer,
        window: TileWindow,
        bands: Sequence[str],
        numbers: Numbers,
    ) -> None:
        """Write an object, then the entry that names it."""
        data = encode(numbers)
        digest = hashlib.sha256(data).hexdigest()
        target = self._object(digest)
        make_folder(target.parent)
        write_atomic(target, data)
        _write_json(
            entry,
            {
                "product_id": offer.product_id,
                "source": offer.source,
                "mgrs_tile": window.mgrs_tile,
                "window": [window.row, window.col, window.height, window.width],
                "bands": sorted(bands),
                "sha256": digest,
                "bytes": len(data),
                "stored_at": self._clock.now().isoformat(),
            },
        )

    def _entry(self, offer: Offer, window: TileWindow, bands: Sequence[str]) -> Path:
        """Where the index answers a question."""
        digest = _digest(
            [
                *_version(offer),
                window.mgrs_tile,
                [window.row, window.col, window.height, window.width],
                sorted(bands),
            ]
        )
        return self._root / "index" / digest[:2] / f"{digest}.json"

    def _object(self, sha256: str) -> Path:
        """Where an object lies."""
        return self._root / "objects" / sha256[:2] / sha256

    def _read(self, sha256: str) -> bytes:
        """Read an object and check its digest."""
        data = self._object(sha256).read_bytes()
        if hashlib.sha256(data).hexdigest() != sha256:
            raise StoreError("its digest is not its name")
        return data

    def _note(self, kind: str, offer: Offer, scope: str = "") -> Path:
        """Where something is remembered of a version of a product."""
        return self._root / kind / f"{_digest([*_version(offer), scope])}.json"

    def _index(self) -> Iterator[tuple[Path, Mapping[str, Any] | None]]:
        """Read all entries."""
        for path in _files(self._root / "index"):
            yield path, _read_json(path)

    def _drop(self, entry: Path, known: Mapping[str, Any] | None) -> None:
        """Remove a damaged piece: entry first, so that none names what is gone."""
        _remove(entry)
        with contextlib.suppress(StoreError, KeyError, TypeError):
            _remove(self._object(_sha256((known or {})["sha256"])))

    def _meet(self, kind: str, offer: Offer, reason: str) -> int:
        """Count one more time that a product made trouble."""
        path = self._note(kind, offer)
        before = _trouble(_read_json(path))
        now = self._clock.now()
        attempts = 1 if before is None else before.attempts + 1
        _write_json(
            path,
            {
                "product_id": offer.product_id,
                "source": offer.source,
                "reason": reason,
                "since": (now if before is None else before.since).isoformat(),
                "last_at": now.isoformat(),
                "attempts": attempts,
            },
        )
        return attempts

    def _troubles(self, kind: str) -> tuple[Trouble, ...]:
        """List what made trouble."""
        found = [_trouble(_read_json(path)) for path in _files(self._root / kind)]
        return tuple(
            sorted(
                (trouble for trouble in found if trouble is not None),
                key=lambda t: (t.product_id, t.source, t.since),
            )
        )

    def _sweep(self, youngest: float) -> None:
        """Remove what killed processes left under hidden names."""
        for path in self._root.rglob(".*.tmp"):
            if _TEMPORARY.fullmatch(path.name):
                with contextlib.suppress(OSError):
                    if path.stat().st_mtime < youngest:
                        path.unlink()


def _version(offer: Offer) -> list[Any]:
    """Give what tells one version of a product from all others."""
    made = offer.created_at
    return [
        offer.source,
        offer.product_id,
        offer.processing_baseline,
        None if made is None else made.astimezone(UTC).isoformat(),
        offer.sensed_at.astimezone(UTC).isoformat(),
        offer.radiometry.add_offset,
        offer.radiometry.quantification_value,
    ]


def _pins(ids: Collection[str]) -> Callable[[str], bool]:
    """Take joined ids apart, and versions off the names that carry them."""
    pinned = {
        name
        for joined in ids
        for part in (joined, *joined.split("+"))
        for name in (part, part.rsplit("@", 2)[0])
    }
    return pinned.__contains__


def _digest(question: Sequence[Any]) -> str:
    """Name a question."""
    text = json.dumps(question, ensure_ascii=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def _sha256(value: object) -> str:
    """Refuse what is no digest, so that no path is made of it."""
    if not isinstance(value, str) or not _SHA256.fullmatch(value):
        raise StoreError(f"{value!r} is no digest")
    return value


def _piece(known: Mapping[str, Any] | None) -> CachedPiece | None:
    """Read an index entry; None if it is damaged."""
    try:
        if known is None:
            return None
        row, col, height, width = known["window"]
        return CachedPiece(
            product_id=known["product_id"],
            source=known["source"],
            window=TileWindow(
                mgrs_tile=known["mgrs_tile"],
                row=row,
                col=col,
                height=height,
                width=width,
            ),
            bands=tuple(known["bands"]),
            sha256=_sha256(known["sha256"]),
            size_bytes=int(known["bytes"]),
            stored_at=_instant(known["stored_at"]),
        )
    except (KeyError, TypeError, ValueError, StoreError, ContractError):
        return None


def _trouble(known: Mapping[str, Any] | None) -> Trouble | None:
    """Read a note of trouble; None if it is damaged."""
    try:
        if known is None:
            return None
        return Trouble(
            product_id=known["product_id"],
            source=known["source"],
            reason=known["reason"],
            since=_instant(known["since"]),
            last_at=_instant(known["last_at"]),
            attempts=int(known["attempts"]),
        )
    except (KeyError, TypeError, ValueError):
        return None


def _instant(text: str) -> datetime:
    """Read a time that must have a zone."""
    instant = datetime.fromisoformat(text)
    if instant.tzinfo is None:
        raise ValueError(f"{text} has no timezone")
    return instant


def _named(piece: CachedPiece) -> str:
    """Say which piece."""
    window = piece.window
    return f"{piece.product_id} rows {window.row} cols {window.col}"


def _files(folder: Path) -> list[Path]:
    """List the files below a folder that have a final name."""
    return sorted(
        path
        for path in folder.rglob("*")
        if not path.name.startswith(".") and path.is_file()
    )


def _read_json(path: Path) -> Mapping[str, Any] | None:
    """Read a small file; None if it is missing or damaged."""
    try:
        value = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def _write_json(path: Path, value: Mapping[str, Any]) -> None:
    """Write a small file, whole or not at all."""
    make_folder(path.parent)
    write_atomic(path, json.dumps(value, ensure_ascii=False, indent=1).encode())


def _remove(path: Path) -> None:
    """Remove a file that another process may have removed already."""
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        raise OutputError(
            f"{path} cannot be removed: {error.strerror}; remove it by hand"
        ) from error
