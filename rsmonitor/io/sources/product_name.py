"""What the name of a Sentinel-2 product says: the look, and which version of it."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from rsmonitor.records.offer import Radiometry
from rsmonitor.stages.reflectance import QUANTIFICATION_VALUE

_NAME: Final = re.compile(
    r"(?P<platform>S2[A-Z])_MSIL2A_(?P<datatake>\d{8}T\d{6})"
    r"(?:_N(?P<version>\d{4}))?_R\d{3}_T(?P<tile>\d{2}[A-Z]{3})_(?P<made>\d{8}T\d{6})"
)
_FIRST_WITH_OFFSET: Final = "04.00"
_OFFSET: Final = -1000


@dataclass(frozen=True, slots=True, kw_only=True)
class ProductName:
    """The parts of a Level-2A product's compact name."""

    product_id: str
    """The name without ``.SAFE``."""

    platform: str
    """``S2A`` and so on."""

    datatake_start: datetime
    """Start of the datatake, UTC."""

    processing_baseline: str | None
    """Such as ``05.10``; None in names that an archive shortened."""

    mgrs_tile: str
    """Five characters, no leading ``T``."""

    made_at: datetime
    """The product discriminator: later for a later version of the same look, UTC."""


def parse_product_name(text: str) -> ProductName | None:
    """
    Read a Level-2A product's name.

    Parameters
    ----------
    text : str
        With or without ``.SAFE``; what stands before or after it does not matter.

    Returns
    -------
    ProductName or None
        None if there is no such name in the text.

    Examples
    --------
    >>> name = "S2B_MSIL2A_20240419T095549_N0510_R122_T47XML_20240419T123458.SAFE"
    >>> parse_product_name(name).processing_baseline
    '05.10'
    """
    found = _NAME.search(text)
    if found is None:
        return None
    try:
        datatake = _instant(found["datatake"])
        made = _instant(found["made"])
    except ValueError:
        return None
    version = found["version"]
    return ProductName(
        product_id=found[0],
        platform=found["platform"],
        datatake_start=datatake,
        processing_baseline=f"{version[:2]}.{version[2:]}" if version else None,
        mgrs_tile=found["tile"],
        made_at=made,
    )


def offset_of_version(processing_baseline: str) -> Radiometry:
    """
    Give the radiometry of numbers as ESA shipped them.

    Parameters
    ----------
    processing_baseline : str
        ESA's processor version, such as ``05.10``.

    Returns
    -------
    Radiometry
        An offset of -1000 from 04.00 on, whenever the scene was sensed, else 0.

    Examples
    --------
    >>> offset_of_version("05.00").add_offset, offset_of_version("02.14").add_offset
    (-1000, 0)
    """
    shifted = processing_baseline >= _FIRST_WITH_OFFSET
    return Radiometry(
        add_offset=_OFFSET if shifted else 0,
        quantification_value=QUANTIFICATION_VALUE,
        because=f"numbers as ESA ships them, processing baseline {processing_baseline}"
        f" ({'from' if shifted else 'before'} {_FIRST_WITH_OFFSET})",
    )


def has_no_offset(processing_baseline: str | None) -> bool:
    """
    Say whether ESA wrote a product before any offset existed.

    Parameters
    ----------
    processing_baseline : str or None
        ESA's processor version.

    Returns
    -------
    bool
        True before 04.00; False if not known.
    """
    return processing_baseline is not None and processing_baseline < _FIRST_WITH_OFFSET


def _instant(text: str) -> datetime:
    """Read ``YYYYMMDDTHHMMSS``."""
    return datetime.strptime(text, "%Y%m%dT%H%M%S").replace(tzinfo=UTC)
