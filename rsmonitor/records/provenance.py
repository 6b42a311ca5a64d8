"""From what, and by what, a value was computed."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from rsmonitor.errors import ContractError


@dataclass(frozen=True, slots=True, kw_only=True)
class Provenance:
    """Enough to compute an alert again."""

    software: str
    """``rsmonitor`` and its version."""

    settings_digest: str
    """SHA-256 of the settings that can change a result, hexadecimal."""

    scenes: tuple[str, ...]
    """Product ids of the looks that decided, oldest first."""

    processing_baselines: tuple[str, ...]
    """Distinct processing baselines of those scenes; empty where unknown."""

    model_id: str
    """Which model or rule set named the cause."""

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[0-9a-f]{64}", self.settings_digest):
            raise ContractError(
                f"settings_digest must be SHA-256 in hex, got {self.settings_digest!r}"
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """The bytes that a run read, and the software that read them.

    It stands in the body of the run's ``applied`` event, beside the products, and not
    in `Provenance`: a library that was upgraded is no news about an alert.
    """

    versions: Mapping[str, str] = field(default_factory=dict)
    """Version of each piece of software by name: python, numpy, numba, gdal, ..."""

    checksums: Mapping[str, str] = field(default_factory=dict)
    """``sha256:`` and hexadecimal digits, by file of a cube, or by product: then of the
    digests of its pieces in the cache, in order. What has none is not there."""

    def __post_init__(self) -> None:
        for name, checksum in self.checksums.items():
            if not re.fullmatch(r"sha256:[0-9a-f]{64}", checksum):
                raise ContractError(
                    f"checksum of {name} must be sha256: and 64 hex digits, got "
                    f"{checksum!r}"
                )

    def body(self) -> dict[str, dict[str, str]]:
        """
        Write it as JSON values.

        Returns
        -------
        dict
            ``versions`` and ``checksums``.
        """
        return {
            "versions": dict(sorted(self.versions.items())),
            "checksums": dict(sorted(self.checksums.items())),
        }


def origin_of(body: object) -> Origin | None:
    """
    Read what `Origin.body` wrote.

    Parameters
    ----------
    body : object
        Any JSON value.

    Returns
    -------
    Origin or None
        None where it is something else: older runs recorded none.

    Examples
    --------
    >>> origin_of({"versions": {"numpy": "2.3"}, "checksums": {}}).versions
    {'numpy': '2.3'}
    >>> origin_of(None) is None
    True
    """
    if not isinstance(body, dict):
        return None
    told = [body.get(key) for key in ("versions", "checksums")]
    if not all(
        isinstance(each, dict) and all(isinstance(v, str) for v in each.values())
        for each in told
    ):
        return None
    try:
        return Origin(versions=body["versions"], checksums=body["checksums"])
    except ContractError:
        return None
