"""Licences from GeoJSON (RFC 7946): hostile until parsed.

The standard library parses it, never GDAL, which sniffs formats and may follow what a
file points at: a ``crs`` link must not cause a request. Each feature is judged alone,
so that one bow-tie does not cost the licences beside it; what cannot be used is
refused with the value and the rule, and nothing is guessed.
"""

import hashlib
import json
import math
import re
import reprlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any, Final, NoReturn

import shapely
from shapely import MultiPolygon, Polygon

from rsmonitor.errors import ContractError, LicenceError
from rsmonitor.io.licences.days import RULE_DAY, day
from rsmonitor.io.licences.found import (
    LicenceFile,
    ReadParcel,
    Refusal,
    UnusableError,
    kind_of_number,
    kind_of_subkind,
)
from rsmonitor.io.licences.rings import MAX_CORNERS, RULE_CORNERS
from rsmonitor.io.licences.terms import (
    RULE_CONTRADICTION,
    RULE_MILITARY,
    name_of,
    other_number,
    said_by,
    unread,
)
from rsmonitor.records.licence import Licence, LicenceKind, military_word
from rsmonitor.stages.geodesy import area_m2

MAX_BYTES: Final = 64 * 2**20
"""Largest file that is read; all rights of a province fit in a tenth of it."""

MAX_TEXT: Final = 500
"""Longest text in a property, characters."""

MAX_RINGS: Final = 5000
"""Most rings of one feature; a red line has many parts."""

_MAX_REASONS: Final = 20
_MIN_CORNERS: Final = 3
_BEYOND_DEGREES: Final = 360.0

_KEYS: Final = (
    "licence_id",
    "kind",
    "minerals",
    "holder",
    "valid_from",
    "valid_to",
    "status",
    "invented",
)
_CRS84: Final = re.compile(
    r"(urn:ogc:def:crs:ogc:(1\.3)?:|ogc:|https?://www\.opengis\.net/def/crs/ogc/(0|1\.3)/)?"
    r"crs84"
    r"|(urn:ogc:def:crs:epsg:[0-9.]{0,8}:|epsg:|https?://www\.opengis\.net/def/crs/epsg/0/)"
    r"(4326|4490)",
    re.IGNORECASE,
)
_COMPACT_DAY: Final = 8
"""Digits of a day that is written as a number, 20251231."""
_LIST_MARKS: Final = re.compile(r"[,;，；、]")

_RULE_CRS: Final = (
    "this reader takes CRS84 longitude and latitude in degrees (EPSG:4326 and "
    "EPSG:4490 are read as the same); convert the file and leave out crs"
)
_RULE_METRES: Final = (
    "coordinates look like metres: this reader takes CRS84 longitude and latitude in "
    "degrees; convert the file, for example with "
    "ogr2ogr -t_srs OGC:CRS84 converted.geojson original.geojson"
)
_RULE_SWAPPED: Final = (
    "longitude and latitude look swapped: GeoJSON writes longitude first; swap them"
)
_RULE_RANGE: Final = "longitude is from -180 to 180, latitude from -90 to 90"
_RULE_POSITION: Final = "a position is a list of numbers, longitude first"
_RULE_RING: Final = "a ring has three or more different corners"
_RULE_DAY: Final = f"a day is text: {RULE_DAY}"
_RULE_TWICE: Final = (
    "features of one licence_id and kind contradict each other, and nothing says which "
    "is right: keep one, or give the parcels of one licence as one MultiPolygon"
)


class _Object(dict[str, object]):
    """A JSON object that remembers which keys it was given twice."""

    twice: tuple[str, ...] = ()


def read_licences(path: Path, *, kind: LicenceKind | None = None) -> LicenceFile:
    """
    Read a GeoJSON file of licences.

    A feature that breaks a rule is refused and the others are used. Rings that only
    lack their closing position are closed, and `LicenceFile.repairs` says so; no other
    geometry is changed, except that rings are turned the way RFC 7946 asks.

    Parameters
    ----------
    path : Path
        A FeatureCollection in CRS84 whose features have the properties
        ``licence_id, kind, minerals, holder, valid_from, valid_to, status, invented``;
        only the first is required. Further properties of `Licence`, and the names
        that bureaus give all of them, are read as `rsmonitor.io.licences.terms` does.
    kind : LicenceKind, optional
        What a licence is where the file does not say.

    Returns
    -------
    LicenceFile
        Licences, refusals and repairs.

    Raises
    ------
    LicenceError
        If the file is missing, too large, empty, not UTF-8, not JSON, nested too
        deeply, in another CRS, not a FeatureCollection, or has no usable feature.

    Examples
    --------
    >>> read_licences(Path("no-such-file.geojson"))
    Traceback (most recent call last):
    rsmonitor.errors.LicenceError: no-such-file.geojson: there is no such file
    """
    content = _content(path)
    features = _features(path, _parsed(path, content))
    repairs: list[str] = []
    refused: list[Refusal] = []
    read: list[tuple[str, Licence]] = []
    notes_of: dict[Licence, tuple[str, tuple[str, ...]]] = {}
    ignored: Counter[str] = Counter()
    for number, feature in enumerate(features, start=1):
        where = _where(number, feature)
        try:
            licence, notes = _licence(feature, kind)
        except UnusableError as error:
            refused.append(_refusal(path, where, error))
            continue
        read.append((where, licence))
        notes_of.setdefault(licence, (where, tuple(notes)))
        repairs.extend(f"{path}, {where}: {note}" for note in notes)
        ignored.update(_unread(_properties(feature)))
    licences = _without_contradictions(path, read, refused, repairs)
    repairs.extend(
        f"{path}: property {_shown(key)} is not read ({count} features)"
        for key, count in sorted(ignored.items())
    )
    if not licences:
        raise LicenceError(_none_left(path, refused))
    return LicenceFile(
        path=str(path),
        sha256=hashlib.sha256(content).hexdigest(),
        licences=licences,
        refused=tuple(refused),
        repairs=tuple(repairs),
        parcels=tuple(_parcel(one, *notes_of[one]) for one in licences),
    )


def _parcel(licence: Licence, where: str, notes: tuple[str, ...]) -> ReadParcel:
    """Say how one licence was understood."""
    return ReadParcel(
        licence_id=licence.licence_id,
        name=licence.mine or licence.licence_id,
        where=where,
        geometry=licence.geometry,
        computed_area_m2=area_m2(licence.geometry),
        repairs=notes,
    )


def _content(path: Path) -> bytes:
    """Read the bytes of a regular file of bearable size."""
    try:
        if not path.exists():
            raise LicenceError(f"{path}: there is no such file")
        if not path.is_file():  # a pipe would never end
            raise LicenceError(f"{path}: is not a regular file; name a GeoJSON file")
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except (OSError, ValueError) as error:
        raise LicenceError(
            f"{path}: cannot be read: {error}; check its name and permissions"
        ) from error
    if len(content) > MAX_BYTES:
        raise LicenceError(
            f"{path}: is larger than {MAX_BYTES // 2**20} MB, the most that is read; "
            "split it, or keep only the licences of your districts"
        )
    if not content.strip():
        raise LicenceError(
            f"{path}: is empty; export it again, or take it out of the settings if "
            "there are no licences"
        )
    return content


def _parsed(path: Path, content: bytes) -> object:
    """Parse JSON, and nothing but JSON."""
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise LicenceError(
            f"{path}: byte {error.start} is not UTF-8, which GeoJSON is written in; "
            "save it as UTF-8"
        ) from error
    try:
        parsed: object = json.loads(
            text, object_pairs_hook=_object, parse_constant=_refuse_constant
        )
    except RecursionError as error:
        raise LicenceError(
            f"{path}: is nested deeper than any GeoJSON; it is damaged or hostile"
        ) from error
    except ValueError as error:
        raise LicenceError(
            f"{path}: is not JSON: {error}; export it again as GeoJSON"
        ) from error
    return parsed


def _object(pairs: list[tuple[str, object]]) -> _Object:
    """Build an object, noting the keys that a plain dict would drop in silence."""
    built = _Object(pairs)
    if len(built) != len(pairs):
        counts = Counter(key for key, _ in pairs)
        built.twice = tuple(key for key, count in counts.items() if count > 1)
    return built


def _refuse_constant(name: str) -> NoReturn:
    """Refuse the numbers that Python reads and JSON does not have."""
    raise ValueError(f"{name} is not a number in JSON")


def _features(path: Path, document: object) -> list[object]:
    """Give the features of a collection in the right CRS."""
    if not isinstance(document, _Object) or (
        document.get("type") != "FeatureCollection"
    ):
        found = document.get("type") if isinstance(document, _Object) else document
        raise LicenceError(
            f"{path}: type is {_shown(found)}: it must be a FeatureCollection (GeoJSON)"
        )
    try:
        _require_single(document)
        _require_crs84(document)
    except UnusableError as error:
        raise LicenceError(f"{path}: {error}") from error
    features = document.get("features")
    if not isinstance(features, list):
        raise LicenceError(
            f"{path}: features is {_shown(features)}: it must be a list of Features"
        )
    if not features:
        raise LicenceError(
            f"{path}: empty licence file: it has no feature, and an empty register "
            "would make everything look unlicensed; export it again, or take it out "
            "of the settings if there are no licences"
        )
    return features


def _require_single(given: _Object) -> None:
    """Refuse an object whose meaning depends on which of two values one takes."""
    if given.twice:
        raise UnusableError(_shown(given.twice[0]), "this key stands twice; keep one")


def _require_crs84(given: _Object) -> None:
    """Refuse a ``crs`` member that names, or points at, another CRS."""
    if "crs" not in given:
        return
    crs = given["crs"]
    properties = crs.get("properties") if isinstance(crs, _Object) else None
    name = properties.get("name") if isinstance(properties, _Object) else None
    if not (isinstance(name, str) and _CRS84.fullmatch(name.strip())):
        raise UnusableError(f"crs is {_shown(name or crs)}", _RULE_CRS)


def _where(number: int, feature: object) -> str:
    """Say which feature, so that a person finds it."""
    licence_id = _properties(feature).get("licence_id")
    named = licence_id if isinstance(licence_id, str) else None
    return f"feature {number}" + (f" ({_shown(named)[1:-1]})" if named else "")


def _properties(feature: object) -> _Object:
    """Give the properties, or none."""
    found = feature.get("properties") if isinstance(feature, _Object) else None
    return found if isinstance(found, _Object) else _Object()


def _refusal(path: Path, where: str, error: UnusableError) -> Refusal:
    """Put a refusal on record."""
    return Refusal(file=str(path), where=where, value=error.value, rule=error.rule)


def _unread(properties: _Object) -> Iterable[str]:
    """Name the properties that nobody reads."""
    ours = properties.keys() - set(_KEYS)
    return unread(dict.fromkeys(ours, "?"))


def _others(
    properties: _Object, own: Mapping[str, object], notes: list[str]
) -> dict[str, object]:
    """Read what is said under names that are not this reader's own."""
    attributes = {
        key: ", ".join(map(str, value)) if isinstance(value, list) else str(value)
        for key, value in properties.items()
        if key not in _KEYS and isinstance(value, str | int | float | list)
    }
    word = military_word([*attributes.keys(), *attributes.values()])
    if word is not None:
        raise UnusableError(f"says {word}", RULE_MILITARY)
    if "status" in own:  # so that a day beside it finds it
        attributes["status"] = str(own["status"])
    said = said_by(attributes)
    notes.extend(note for note in said.notes if not note.endswith("is not read"))
    values = said.values
    for key in _KEYS:
        if key not in values or key not in own:
            continue
        mine, told = own[key], values[key]
        if key == "licence_id":
            same = not other_number(str(mine), str(told))
        else:
            same = mine == told
        if not same:
            name = name_of(attributes, key)
            raise UnusableError(
                f"{key} is {_shown(properties[key])} and {name} is "
                f"{_shown(attributes.get(name, str(told)))}",
                RULE_CONTRADICTION,
            )
    return {key: value for key, value in values.items() if key not in own}


def _licence(feature: object, kind: LicenceKind | None) -> tuple[Licence, list[str]]:
    """Read one feature, and say what was put right."""
    if not isinstance(feature, _Object) or feature.get("type") != "Feature":
        raise UnusableError(_shown(feature), "a feature has the type Feature")
    properties = _properties(feature)
    for given in (feature, properties):
        _require_single(given)
    _require_crs84(feature)
    notes: list[str] = []
    own = _own(properties, notes)
    others = _others(properties, own, notes)
    licence_id = own.get("licence_id") or others.get("licence_id")
    if not isinstance(licence_id, str) or not licence_id:
        raise UnusableError(
            f"licence_id is {_shown(properties.get('licence_id'))}",
            "every licence has a licence_id, its number as text",
        )
    values: dict[str, Any] = {**others, **own, "licence_id": licence_id}
    if "kind" not in values:
        values["kind"] = _kind(kind, licence_id, others, notes)
    valid_from, valid_to = values.get("valid_from"), values.get("valid_to")
    if valid_from is not None and valid_to is not None and valid_to < valid_from:
        raise UnusableError(
            f"valid_to {valid_to}", f"must not be before valid_from {valid_from}"
        )
    geometry = _geometry(feature.get("geometry"), notes)
    try:
        return Licence(geometry=geometry, **values), notes
    except ContractError as error:
        raise UnusableError(
            str(error), "correct the properties of this licence"
        ) from error


def _own(properties: _Object, notes: list[str]) -> dict[str, object]:
    """Read what is said under this reader's own names; only what is said."""
    own: dict[str, object] = {
        key: _text(properties, key, notes) for key in ("licence_id", "holder", "status")
    }
    own["minerals"] = _minerals(properties, notes)
    for key in ("valid_from", "valid_to"):
        own[key] = _day(properties, key)
    own = {key: value for key, value in own.items() if value}
    if properties.get("kind") is not None:
        own["kind"] = _own_kind(properties["kind"])
    if properties.get("invented") is not None:
        invented = properties["invented"]
        if not isinstance(invented, bool):
            raise UnusableError(
                f"invented is {_shown(invented)}", "it must be true or false"
            )
        own["invented"] = invented
    return own


def _own_kind(value: object) -> LicenceKind:
    """Read the kind that a feature names."""
    for kind in LicenceKind:
        if value == kind.value:
            return kind
    allowed = ", ".join(kind.value for kind in LicenceKind)
    raise UnusableError(f"kind is {_shown(value)}", f"it must be one of {allowed}")


def _text(properties: _Object, key: str, notes: list[str]) -> str:
    """Read a text; empty where it is absent or null."""
    value = properties.get(key)
    return "" if value is None else _tidy(key, value, notes)


def _tidy(key: str, value: object, notes: list[str]) -> str:
    """Refuse what could not be printed on an alert; remove surplus white space."""
    if not isinstance(value, str):
        raise UnusableError(f"{key} is {_shown(value)}", "it must be text, in quotes")
    tidy = " ".join(value.split())
    if len(tidy) > MAX_TEXT or not tidy.isprintable():
        raise UnusableError(
            f"{key} is {_shown(value)}",
            f"text is at most {MAX_TEXT} printable characters",
        )
    if tidy != value:
        notes.append(f"surplus white space removed from {key}")
    return tidy


def _kind(
    given: LicenceKind | None,
    number: str,
    others: dict[str, object],
    notes: list[str],
) -> LicenceKind:
    """Tell the kind from the number, the subkind or the caller."""
    subkind = str(others.get("subkind") or "")
    told = kind_of_subkind(subkind) if given is None else None
    if told is not None:
        notes.append(f"no kind; {subkind} is a {told.value}")
        return told
    told, warning = kind_of_number(number, given)
    if warning and given is not None:
        notes.append(warning)
    return told


def _minerals(properties: _Object, notes: list[str]) -> tuple[str, ...]:
    """Read the list of minerals; a text, which table software makes of it, is split."""
    value = properties.get("minerals")
    if value is None:
        return ()
    if isinstance(value, str):
        notes.append(f"minerals is a text, {_shown(value)}; read as a list")
        value = _LIST_MARKS.split(value)
    if not isinstance(value, list):
        raise UnusableError(
            f"minerals is {_shown(value)}", 'it must be a list such as ["稀土"]'
        )
    named = (_tidy("minerals", mineral, notes) for mineral in value)
    return tuple(mineral for mineral in named if mineral)


def _day(properties: _Object, key: str) -> date | None:
    """Read a day; None where it is absent, null or empty."""
    value = properties.get(key)
    if value is None or value == "":
        return None
    if type(value) is int and len(str(value)) == _COMPACT_DAY:
        value = str(value)
    if not isinstance(value, str):
        raise UnusableError(f"{key} is {_shown(value)}", _RULE_DAY)
    return day(key, value, endless=key == "valid_to")


def _geometry(given: object, notes: list[str]) -> Polygon | MultiPolygon:
    """Build a valid Polygon or MultiPolygon; repair nothing but open rings."""
    if not isinstance(given, _Object):
        raise UnusableError(
            f"geometry is {_shown(given)}", "a licence has a Polygon or MultiPolygon"
        )
    _require_single(given)
    _require_crs84(given)
    coordinates = given.get("coordinates")
    _require_bearable(coordinates)
    geometry: Polygon | MultiPolygon
    match given.get("type"):
        case "Polygon":
            geometry = _polygon(coordinates, notes)
        case "MultiPolygon":
            parts = _listed(coordinates, "a MultiPolygon is a list of polygons")
            geometry = MultiPolygon([_polygon(part, notes) for part in parts])
        case other:
            raise UnusableError(
                f"geometry is {_shown(other)}", "it must be a Polygon or MultiPolygon"
            )
    if not shapely.is_valid(geometry):
        raise UnusableError(
            str(shapely.is_valid_reason(geometry)),
            "the outline crosses or touches itself there (longitude latitude); "
            "correct it: which side is licensed cannot be guessed",
        )
    turned: Polygon | MultiPolygon = shapely.orient_polygons(geometry)
    return turned


def _require_bearable(coordinates: object) -> None:
    """Refuse more rings or corners than any parcel has, before they are looked at."""
    rings = corners = 0
    pending = [coordinates]
    while pending:
        given = pending.pop()
        if not isinstance(given, list) or not given:
            continue
        first = given[0]
        if isinstance(first, list) and first and not isinstance(first[0], list):
            rings, corners = rings + 1, corners + len(given)
        else:
            pending.extend(given)
        if corners > MAX_CORNERS:
            raise UnusableError(f"more than {MAX_CORNERS} corners", RULE_CORNERS)
        if rings > MAX_RINGS:
            raise UnusableError(f"more than {MAX_RINGS} rings", RULE_CORNERS)


def _polygon(rings: object, notes: list[str]) -> Polygon:
    """Build a polygon from its outer ring and its holes."""
    listed = _listed(rings, "a polygon is a list of rings, the outer one first")
    outer, *holes = (_ring(ring, notes) for ring in listed)
    return Polygon(outer, holes)


def _ring(positions: object, notes: list[str]) -> list[tuple[float, float]]:
    """Read a ring, closing it if only the closing position is missing."""
    ring = [_position(position) for position in _listed(positions, _RULE_RING)]
    corners = len(set(ring))
    if corners < _MIN_CORNERS:
        raise UnusableError(f"a ring of {corners} different corners", _RULE_RING)
    if ring[0] != ring[-1]:
        ring.append(ring[0])
        notes.append(
            f"open ring closed by repeating its first position {list(ring[0])}"
        )
    return ring


def _position(given: object) -> tuple[float, float]:
    """Read longitude and latitude; height, if any, is of no use here."""
    if not isinstance(given, list):
        raise UnusableError(_shown(given), _RULE_POSITION)
    match given:
        case [int() | float() as lon, int() | float() as lat, *_] if not (
            isinstance(lon, bool) or isinstance(lat, bool)
        ):
            # written so that NaN, infinity and integers beyond any float fail too
            if -180 <= lon <= 180 and -90 <= lat <= 90:  # noqa: PLR2004 - degrees
                return float(lon), float(lat)
            raise UnusableError(_shown(given), _range_rule(lon, lat))
        case _:
            raise UnusableError(_shown(given), _RULE_POSITION)


def _range_rule(lon: float, lat: float) -> str:
    """Say what is wrong with a position outside the range of degrees."""
    largest = max(abs(lon), abs(lat))
    if _BEYOND_DEGREES < largest < math.inf:
        return _RULE_METRES
    if -90 <= lon <= 90 and -180 <= lat <= 180:  # noqa: PLR2004 - degrees
        return _RULE_SWAPPED
    return _RULE_RANGE


def _listed(given: object, rule: str) -> list[object]:
    """Refuse what is not a list with something in it."""
    if not isinstance(given, list) or not given:
        raise UnusableError(_shown(given), rule)
    return given


def _without_contradictions(
    path: Path,
    read: Sequence[tuple[str, Licence]],
    refused: list[Refusal],
    repairs: list[str],
) -> tuple[Licence, ...]:
    """Keep one of equal licences, and none of those that contradict each other."""
    by_name: dict[tuple[str, LicenceKind], list[tuple[str, Licence]]] = {}
    for where, licence in read:
        by_name.setdefault((licence.licence_id, licence.kind), []).append(
            (where, licence)
        )
    kept: list[Licence] = []
    for (licence_id, _), same in by_name.items():
        if len({licence for _, licence in same}) > 1:
            error = UnusableError(f"licence_id {_shown(licence_id)}", _RULE_TWICE)
            refused.extend(_refusal(path, where, error) for where, _ in same)
            continue
        kept.append(same[0][1])
        repairs.extend(
            f"{path}, {where}: the same as {same[0][0]}; read once"
            for where, _ in same[1:]
        )
    return tuple(kept)


def _none_left(path: Path, refused: Iterable[Refusal]) -> str:
    """Say why nothing of a file can be used."""
    reasons = [f"{one.where}: {one.value}: {one.rule}" for one in refused]
    more = len(reasons) - _MAX_REASONS
    shown = reasons[:_MAX_REASONS] + ([f"and {more} more"] if more > 0 else [])
    return f"{path}: no feature can be used: " + "; ".join(shown)


class _Short(reprlib.Repr):
    """Shows a value of any size and depth on one short line."""

    def __init__(self) -> None:
        super().__init__()
        self.maxlevel = 3
        self.maxstring = self.maxother = 80

    def repr__Object(self, given: _Object, level: int) -> str:  # noqa: N802 - by type
        """Show an object as a dict, key by key, never by its own unbounded repr."""
        return self.repr_dict(given, level)


def _shown(value: object) -> str:
    """Show a value from outside on one line, shortened, with escapes."""
    return "null" if value is None else _Short().repr(value)
