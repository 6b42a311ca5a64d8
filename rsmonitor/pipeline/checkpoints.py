"""From where evidence starts again when a look comes late or is processed again.

Every few looks the evidence is kept a second time. A late look then costs the looks
since the newest checkpoint before it, and not all since the history; the result is the
same, because looks are added in the order of their sensing either way.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

import numpy as np
from numpy.typing import NDArray

from rsmonitor.records.acquisition import Product
from rsmonitor.records.run import StateKind
from rsmonitor.stages.drift import Drift

CHECKPOINTS: Final[tuple[StateKind, ...]] = ("checkpoint0", "checkpoint1")
"""The kinds of state that hold checkpoints, taken in turn."""

LOOKS: Final = 8
"""Looks from one checkpoint to the next: a month or two. So a look that comes up to so
many looks late costs at most twice so many."""

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_DIGEST_BYTES: Final = 16
_WORDS: Final = "<u2"


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """What the evidence of a grid held when it was kept."""

    drift: Drift
    """How far the ground had drifted from its reference."""

    looks: int
    """Looks that it holds, those that could not be judged included."""

    until: datetime
    """When the last of them was sensed."""

    digest: str
    """Digest of what they are, 32 hexadecimal digits."""

    @classmethod
    def of(cls, held: Sequence[Product], drift: Drift) -> "Checkpoint":
        """
        Describe evidence.

        Parameters
        ----------
        held : sequence of Product
            The looks that it holds; at least one.
        drift : Drift
            How far the ground has drifted.

        Returns
        -------
        Checkpoint
            Its description.
        """
        return cls(
            drift=drift,
            looks=len(held),
            until=max(product.sensed_at for product in held),
            digest=_digest(held),
        )

    def holds(self, held: Sequence[Product]) -> bool:
        """
        Say whether it holds exactly those of some looks that are not after it.

        Parameters
        ----------
        held : sequence of Product
            Looks of the evidence as it is now.

        Returns
        -------
        bool
            False if a look has come or changed since.
        """
        before = [product for product in held if product.sensed_at <= self.until]
        return len(before) == self.looks and _digest(before) == self.digest

    def packed(self) -> NDArray[np.uint16]:
        """
        Give the integers that are stored.

        Returns
        -------
        ndarray of uint16, shape (16, 1, 1)
            Drift, looks, time and digest.
        """
        microseconds = (self.until - _EPOCH) // timedelta(microseconds=1)
        data = (
            self.looks.to_bytes(4, "little")
            + microseconds.to_bytes(8, "little")
            + bytes.fromhex(self.digest)
        )
        words = np.frombuffer(data, dtype=_WORDS).astype(np.uint16)
        return np.concatenate([self.drift.packed(), words[:, None, None]])

    @classmethod
    def unpack(cls, packed: NDArray[np.uint16]) -> "Checkpoint":
        """
        Read back what `packed` gave.

        Parameters
        ----------
        packed : ndarray of uint16, shape (16, 1, 1)
            As stored.

        Returns
        -------
        Checkpoint
            The description.
        """
        data = packed[2:].reshape(-1).astype(_WORDS).tobytes()
        return cls(
            drift=Drift.unpack(packed[:2]),
            looks=int.from_bytes(data[:4], "little"),
            until=_EPOCH + timedelta(microseconds=int.from_bytes(data[4:12], "little")),
            digest=data[12:].hex(),
        )


def newest_before(
    late: Sequence[Product],
    held: Sequence[Product],
    checkpoints: Mapping[StateKind, Checkpoint],
) -> tuple[StateKind, datetime] | None:
    """
    Choose the checkpoint from which late looks are taken in.

    Parameters
    ----------
    late : sequence of Product
        Looks that are not part of the evidence; at least one.
    held : sequence of Product
        Looks that are.
    checkpoints : Mapping
        What there is, by kind.

    Returns
    -------
    tuple of StateKind and datetime, or None
        The newest one before all of `late`, and when its last look was sensed; None if
        there is none: then everything starts again from the reference.
    """
    first = min(product.sensed_at for product in late)
    usable = [
        (point.until, kind)
        for kind, point in checkpoints.items()
        if point.until < first and point.holds(held)
    ]
    if not usable:
        return None
    until, kind = max(usable)
    return kind, until


def due(
    held: Sequence[Product], checkpoints: Mapping[StateKind, Checkpoint]
) -> StateKind | None:
    """
    Say which checkpoint is to be written now.

    Parameters
    ----------
    held : sequence of Product
        Looks of the evidence as it is now.
    checkpoints : Mapping
        What there is, by kind.

    Returns
    -------
    StateKind or None
        One that is not there, or no longer holds, or the older one; None if the newest
        that holds is less than `LOOKS` looks old.
    """
    sound = {kind: point for kind, point in checkpoints.items() if point.holds(held)}
    newest = max((point.looks for point in sound.values()), default=0)
    if len(held) - newest < LOOKS:
        return None
    for kind in CHECKPOINTS:
        if kind not in sound:
            return kind
    return min(CHECKPOINTS, key=lambda kind: sound[kind].looks)


def _digest(products: Sequence[Product]) -> str:
    """Digest what some looks are, in the order of their sensing."""
    listed = sorted(
        [
            product.sensed_at.isoformat(),
            product.key.platform,
            product.key.datatake_start.isoformat(),
            product.product_id,
            product.processing_baseline or "",
            product.source,
        ]
        for product in products
    )
    text = json.dumps(listed, ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()[: 2 * _DIGEST_BYTES]
