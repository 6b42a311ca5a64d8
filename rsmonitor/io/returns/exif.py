"""What a photo says of itself: read from its header, and its pixels never decoded."""

import hashlib
import math
import re
import struct
import warnings
from datetime import datetime
from io import BytesIO
from typing import Any, Final

from PIL import ExifTags, Image

from rsmonitor.errors import ContractError
from rsmonitor.io.returns.rows import UnusableRowError
from rsmonitor.records.finding import Photo, PhotoReading

MAX_BYTES: Final = 40 * 2**20
"""Largest photo."""

MAX_PIXELS: Final = 178_000_000
"""Most pixels that a header may claim, which is also where Pillow stops."""

MAX_EXIF_BYTES: Final = 2**20
"""Most bytes of EXIF that are parsed."""

_HEIC: Final = re.compile(rb"^.{4}ftyp(?:heic|heix|hevc|mif1|msf1)", re.DOTALL)
_MAKERS: Final = ("JPEG", "PNG")
_TRUE_NORTH: Final = {"T": "true", "M": "magnetic"}
_LONGEST_DATUM: Final = 40
_BROKEN: Final = (
    ArithmeticError,
    AttributeError,
    EOFError,
    IndexError,
    KeyError,
    OSError,
    SyntaxError,
    TypeError,
    ValueError,
    struct.error,
)
"""What Pillow raises over damaged headers and tags."""


def photo_of(content: bytes, *, package: PhotoReading | None = None) -> Photo:
    """
    Read what a photo says of itself.

    Parameters
    ----------
    content : bytes
        The file.
    package : PhotoReading, optional
        What the package that it came in says of it.

    Returns
    -------
    Photo
        Without `Photo.exif` where it has none that can be read.

    Raises
    ------
    UnusableRowError
        If it is no JPEG, PNG or HEIC, its header is damaged, or it is too large in
        bytes or pixels.
    """
    if not content or len(content) > MAX_BYTES:
        raise UnusableRowError(
            f"a photo of {len(content)} bytes", f"a photo has 1 to {MAX_BYTES} bytes"
        )
    digest = hashlib.sha256(content).hexdigest()
    if _HEIC.match(content[:12]):
        # kept as it is: nothing here can read its header
        return Photo(
            sha256=digest,
            size_bytes=len(content),
            format="heic",
            width=None,
            height=None,
            package=package,
        )
    try:
        with warnings.catch_warnings():
            # large is not hostile where no pixel is decoded; the bound is ours
            warnings.simplefilter("ignore")
            with Image.open(BytesIO(content), formats=_MAKERS) as image:
                kind, (width, height) = image.format, image.size
                raw = image.info.get("exif")
    except Image.DecompressionBombError as error:
        raise UnusableRowError(str(error)[:160], _too_many()) from error
    except _BROKEN as error:
        raise UnusableRowError(
            f"begins with {content[:8].hex()}",
            "a photo is a whole JPEG, PNG or HEIC file; send the original",
        ) from error
    if width * height > MAX_PIXELS:
        raise UnusableRowError(f"{width} x {height} pixels", _too_many())
    return Photo(
        sha256=digest,
        size_bytes=len(content),
        format="png" if kind == "PNG" else "jpeg",
        width=width,
        height=height,
        exif=_reading(raw),
        package=package,
    )


def _too_many() -> str:
    """Say how many pixels are read."""
    return f"a photo has at most {MAX_PIXELS} pixels"


def _reading(raw: object) -> PhotoReading | None:
    """Read time, position, azimuth and datum; each that is damaged is left out."""
    if not isinstance(raw, bytes) or not 0 < len(raw) <= MAX_EXIF_BYTES:
        return None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            exif = Image.Exif()
            exif.load(raw)
            shot = dict(exif.get_ifd(ExifTags.IFD.Exif))
            gps = dict(exif.get_ifd(ExifTags.IFD.GPSInfo))
    except _BROKEN:
        return None
    latitude = _angle(
        gps.get(ExifTags.GPS.GPSLatitude), gps.get(ExifTags.GPS.GPSLatitudeRef), "NS"
    )
    longitude = _angle(
        gps.get(ExifTags.GPS.GPSLongitude), gps.get(ExifTags.GPS.GPSLongitudeRef), "EW"
    )
    placed = latitude is not None and longitude is not None
    azimuth = _number(gps.get(ExifTags.GPS.GPSImgDirection))
    north = _text(gps.get(ExifTags.GPS.GPSImgDirectionRef))
    datum = _text(gps.get(ExifTags.GPS.GPSMapDatum))
    pointed = azimuth is not None and 0 <= azimuth <= 360  # noqa: PLR2004 - a circle
    try:
        reading = PhotoReading(
            taken_at=_instant(shot),
            longitude=longitude if placed else None,
            latitude=latitude if placed else None,
            azimuth_deg=azimuth % 360 if azimuth is not None and pointed else None,
            azimuth_reference=_TRUE_NORTH.get(north.upper()) if pointed else None,
            datum=datum[:_LONGEST_DATUM] or None,
        )
    except ContractError:
        return None
    return None if reading == PhotoReading() else reading


def _instant(shot: dict[int, Any]) -> str | None:
    """Read when a photo was taken, with its offset only where one is written."""
    text = _text(shot.get(ExifTags.Base.DateTimeOriginal))
    offset = _text(shot.get(ExifTags.Base.OffsetTimeOriginal))
    try:
        # naive on purpose: without an offset nobody knows which noon it was
        taken = datetime.strptime(text, "%Y:%m:%d %H:%M:%S")  # noqa: DTZ007
    except ValueError:
        return None
    written = taken.isoformat()
    return written + offset if re.fullmatch(r"[+-]\d\d:\d\d", offset) else written


def _angle(values: object, reference: object, letters: str) -> float | None:
    """Read degrees, minutes and seconds; without its letter an angle has no sign."""
    letter = _text(reference).upper()
    if letter not in tuple(letters) or not isinstance(values, tuple):
        return None
    parts = [_number(value) for value in values]
    if len(parts) != 3 or any(part is None for part in parts):  # noqa: PLR2004 - d, m, s
        return None
    degrees = math.fsum(
        part / scale
        for part, scale in zip(parts, (1, 60, 3600), strict=True)
        if part is not None
    )
    return -degrees if letter == letters[1] else degrees


def _number(value: Any) -> float | None:  # noqa: ANN401 - Pillow's rationals
    """Read a rational; one over zero is none."""
    try:
        number = float(value)
    except _BROKEN:
        return None
    return number if math.isfinite(number) else None


def _text(value: object) -> str:
    """Read text that cameras pad with NUL."""
    if isinstance(value, bytes):
        value = value.decode("ascii", errors="replace")
    if not isinstance(value, str):
        return ""
    return "".join(sign for sign in value if sign.isprintable()).strip()
