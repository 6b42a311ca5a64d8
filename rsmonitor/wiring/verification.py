"""The proof of a ledger: its chain held against itself and against published heads."""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from rsmonitor.config import Settings
from rsmonitor.errors import StoreError
from rsmonitor.io.deliver.folder import HEAD, LATEST, MANIFEST, RUNS
from rsmonitor.io.stores.head import (
    fingerprint,
    read_head,
    read_public_key,
)
from rsmonitor.wiring.cases import ledger_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Verification:
    """What a look at the whole ledger found."""

    events: int
    """Number of events."""

    head: str
    """Hash of the last one."""

    heads: int
    """Published heads that the chain was held against."""

    problems: tuple[str, ...]
    """What is wrong."""

    unread: tuple[str, ...]
    """Heads that could not be used."""

    notes: tuple[str, ...]
    """What is worth telling."""


def verify_ledger(
    offices: Sequence[Settings],
    heads: Iterable[Path] = (),
    *,
    public_key: Path | None = None,
) -> Verification:
    """
    Verify the ledger against itself and against heads that were published.

    Parameters
    ----------
    offices : sequence of Settings
        Districts that share the ledger; the heads in their outputs are taken too.
    heads : iterable of Path, optional
        Files ``head.json`` that were kept elsewhere.
    public_key : Path, optional
        Key that every one of `heads` must be signed with.

    Returns
    -------
    Verification
        What was found.

    Raises
    ------
    StoreError
        If there is no ledger, or it cannot be read at all.
    SettingsError
        If the key cannot be used.
    """
    ledger = ledger_of(offices[0])
    wanted = None if public_key is None else fingerprint(read_public_key(public_key))
    problems: list[str] = []
    unread: list[str] = []
    notes: list[str] = []
    known: list[tuple[int, str]] = []
    given = list(heads)
    published = [path for office in offices for path in _published(office)]
    for path in [*given, *published]:
        try:
            found = read_head(path)
        except StoreError as error:
            (unread if path in given else problems).append(str(error))
            continue
        known.append((found.head.seq, found.head.hash))
        if wanted is not None and found.signer != wanted:
            said = f"with {found.signer}" if found.signer else "by nobody"
            problems.append(f"{path}: is signed {said}, not with {wanted}")
        manifest = path.with_name(MANIFEST)
        if found.head.manifest_sha256 and manifest.is_file():
            digest = hashlib.sha256(manifest.read_bytes()).hexdigest()
            if digest != found.head.manifest_sha256:
                problems.append(f"{manifest}: was changed since its head was published")
    if not known:
        notes.append(
            "no published head was given or found: a chain whose end was cut off would "
            "look whole; keep the head.json of deliveries elsewhere and give them with "
            "--head"
        )
    chain = ledger.verify(*known)
    seq, digest = ledger.head()
    return Verification(
        events=seq,
        head=digest,
        heads=len(known),
        problems=(*chain, *problems),
        unread=tuple(unread),
        notes=tuple(notes),
    )


def _published(settings: Settings) -> list[Path]:
    """Find the heads in the outputs of a district."""
    runs = settings.path(settings.run.out) / RUNS
    if not runs.is_dir():
        return []
    folders = (f for f in sorted(runs.iterdir()) if f.name != LATEST)
    return [f / HEAD for f in folders if (f / HEAD).is_file()]
