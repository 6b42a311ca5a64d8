"""The head of the ledger as it goes out with a delivery: small, and signed if wanted.

A chain that was cut, or written anew from some point on, is whole in itself. Whoever
kept a head that was published can tell: the chain must still hold that event with that
hash. The signature says that the head came from this office, and not from somebody who
wants the office's ledger doubted.
"""

import base64
import contextlib
import hashlib
import json
import os
import stat
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import (
    Ed25519PrivateKey,
    Ed25519PublicKey,
)
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)

from rsmonitor.errors import SettingsError, StoreError
from rsmonitor.io.stores.codec import decode, encode
from rsmonitor.records.event import Head, canonical_json

WHAT: Final = "head of a ledger of rsmonitor"
"""Stands in what is signed, so that a signature is good for nothing else."""

_ALGORITHM: Final = "Ed25519"
_LONGEST: Final = 65_536
_MAKE: Final = "make one with 'openssl genpkey -algorithm ed25519 -out FILE'"


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishedHead:
    """A head that was read."""

    head: Head
    """What it says."""

    signer: str | None
    """`fingerprint` of the key that signed it; None if it is not signed."""


def write_head(head: Head, key: Ed25519PrivateKey | None = None) -> bytes:
    """
    Write a head as it is published.

    Parameters
    ----------
    head : Head
        The end of the chain.
    key : Ed25519PrivateKey, optional
        Signs it. The same head and key give the same bytes.

    Returns
    -------
    bytes
        JSON.
    """
    said = {"what": WHAT, **encode(head)}
    signature = None
    if key is not None:
        signature = {
            "algorithm": _ALGORITHM,
            "public_key": _base64(_raw(key.public_key())),
            "value": _base64(key.sign(canonical_json(said).encode())),
        }
    text = json.dumps(
        said | {"signature": signature}, ensure_ascii=False, indent=2, sort_keys=True
    )
    return f"{text}\n".encode()


def read_head(path: Path) -> PublishedHead:
    """
    Read a head that was published, and check its signature.

    Parameters
    ----------
    path : Path
        A ``head.json``.

    Returns
    -------
    PublishedHead
        The head, and who signed it.

    Raises
    ------
    StoreError
        If it is no head, or its signature does not fit.
    """
    try:
        with path.open("rb") as file:
            data = file.read(_LONGEST + 1)
        if len(data) > _LONGEST:
            raise StoreError(f"{path}: no head of a ledger has over {_LONGEST} bytes")
        value = json.loads(data)
    except OSError as error:
        raise StoreError(f"{path}: cannot be read: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise StoreError(f"{path}: is no head of a ledger: not JSON") from error
    if not isinstance(value, dict) or value.get("what") != WHAT:
        raise StoreError(
            f"{path}: is no head of a ledger; give a head.json of a delivery"
        )
    signature = value.pop("signature", None)
    signer = None
    if signature is not None:
        # over what the file says, not over what was understood of it
        signer = _signer(signature, canonical_json(value).encode(), path)
    del value["what"]
    return PublishedHead(head=decode(Head, value, where=str(path)), signer=signer)


def read_signing_key(path: Path) -> Ed25519PrivateKey:
    """
    Read the key that signs heads.

    Parameters
    ----------
    path : Path
        A PEM file that only its owner may read.

    Returns
    -------
    Ed25519PrivateKey
        The key.

    Raises
    ------
    SettingsError
        If others may read it, or it is no private Ed25519 key without a password.
    """
    key = _loaded(path, lambda data: load_pem_private_key(data, None), private=True)
    if not isinstance(key, Ed25519PrivateKey):
        raise SettingsError(f"{path}: is no private Ed25519 key; {_MAKE}")
    return key


def read_public_key(path: Path) -> Ed25519PublicKey:
    """
    Read the key that heads must be signed with.

    Parameters
    ----------
    path : Path
        A PEM file.

    Returns
    -------
    Ed25519PublicKey
        The key.

    Raises
    ------
    SettingsError
        If it is no public Ed25519 key.
    """
    key = _loaded(path, load_pem_public_key, private=False)
    if not isinstance(key, Ed25519PublicKey):
        raise SettingsError(
            f"{path}: is no public Ed25519 key; it comes from the private one with "
            "'openssl pkey -in FILE -pubout'"
        )
    return key


def fingerprint(key: Ed25519PublicKey) -> str:
    """
    Name a key in a line that people can compare.

    Parameters
    ----------
    key : Ed25519PublicKey
        The key.

    Returns
    -------
    str
        SHA-256 of its 32 bytes, hexadecimal.
    """
    return hashlib.sha256(_raw(key)).hexdigest()


def _signer(signature: object, said: bytes, path: Path) -> str:
    """Check a signature and name its key."""
    if not isinstance(signature, dict):
        raise StoreError(f"{path}: its signature cannot be read")
    try:
        if signature["algorithm"] != _ALGORITHM:
            raise StoreError(
                f"{path}: signed with {signature['algorithm']!r}, known is {_ALGORITHM}"
            )
        key = Ed25519PublicKey.from_public_bytes(
            base64.b64decode(signature["public_key"], validate=True)
        )
        key.verify(base64.b64decode(signature["value"], validate=True), said)
    except InvalidSignature as error:
        raise StoreError(
            f"{path}: its signature does not fit: the file was changed"
        ) from error
    except (KeyError, TypeError, ValueError) as error:
        raise StoreError(f"{path}: its signature cannot be read") from error
    return fingerprint(key)


def _loaded(path: Path, load: Callable[[bytes], Any], *, private: bool) -> Any:  # noqa: ANN401
    """Read a key file; None if it holds no key. What it holds is never quoted."""
    try:
        with path.open("rb") as file:
            # of the open file, so that it cannot be exchanged in between
            status = os.fstat(file.fileno())
            mode = stat.S_IMODE(status.st_mode)
            if private and (not stat.S_ISREG(status.st_mode) or mode & 0o177):
                raise SettingsError(
                    f"{path} has mode {mode:04o}; a file with a secret must be a "
                    f"regular file of mode 0600: chmod 600 {path}"
                )
            data = file.read(_LONGEST)
    except OSError as error:
        raise SettingsError(f"{path}: cannot be read: {error.strerror}") from error
    with contextlib.suppress(ValueError, TypeError, UnsupportedAlgorithm):
        return load(data)
    return None


def _raw(key: Ed25519PublicKey) -> bytes:
    """Give the 32 bytes of a key."""
    return key.public_bytes(Encoding.Raw, PublicFormat.Raw)


def _base64(data: bytes) -> str:
    """Write bytes as text."""
    return base64.b64encode(data).decode()
