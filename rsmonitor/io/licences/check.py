"""What files of licences were understood to say, for people and for programs."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

import numpy as np
import shapely
from shapely import MultiPolygon, Polygon

from rsmonitor.io.licences.days import ENDLESS
from rsmonitor.io.licences.found import LicenceFile, ReadParcel
from rsmonitor.io.licences.producing import ProducingFile
from rsmonitor.records.licence import (
    KIND_LABELS,
    STATUS_LABELS,
    Licence,
    LicenceKind,
)
from rsmonitor.stages.jurisdiction import County, county_codes

SQUARE_METRES_A_MU: Final = 2000.0 / 3.0

_DECIMALS: Final = 7
_MAP_ROWS: Final = 16
_MAP_COLUMNS: Final = 56
_MAP_MARKS: Final = "123456789abcdefghijklmnopqrstuvwxyz"
_MOST_REPAIRS: Final = 200


def feature_collection(
    files: Iterable[LicenceFile], counties: Sequence[County] = ()
) -> dict[str, Any]:
    """
    Give what files say as GeoJSON.

    Parameters
    ----------
    files : iterable of LicenceFile
        What the readers understood.
    counties : sequence of County, optional
        Border layer; without it no county is named.

    Returns
    -------
    dict
        A FeatureCollection in CRS84 as ``licences check --json`` prints it: `name`,
        `stated_area_m2`, `computed_area_m2`, `crs`, `zone`, `county_codes`, `repairs`
        and `warnings` of each parcel, beside what the licence says; ``refused`` lists
        what was not used.
    """
    files = tuple(files)
    features = [
        _feature(file, licence, parcel, counties)
        for file in files
        for licence, parcel in zip(file.licences, file.parcels, strict=True)
    ]
    collection: dict[str, Any] = {"type": "FeatureCollection"}
    shapes = [parcel.geometry for file in files for parcel in file.parcels]
    if shapes:
        collection["bbox"] = _box(shapely.total_bounds(shapes))
    collection["features"] = features
    collection["repairs"] = [note for file in files for note in file.repairs]
    collection["refused"] = [
        {
            "file": one.file,
            "line": one.line,
            "where": one.where,
            "value": one.value,
            "rule": one.rule,
        }
        for file in files
        for one in file.refused
    ]
    return collection


def lines(
    files: Iterable[LicenceFile], counties: Sequence[County] = ()
) -> Iterator[str]:
    """
    Say what files say, a line at a time.

    Parameters
    ----------
    files : iterable of LicenceFile
        What the readers understood.
    counties : sequence of County, optional
        Border layer; without it no county is named.

    Yields
    ------
    str
        Parcels, a small map, what was put right, what may be wrong, what was refused.
    """
    for file in files:
        refused = f", {len(file.refused)} refused" if file.refused else ""
        yield f"{file.path}: {len(file.licences)} licences{refused}"
        for licence, parcel in zip(file.licences, file.parcels, strict=True):
            yield from _told(licence, parcel, counties)
        if file.parcels:
            yield from small_map([parcel.geometry for parcel in file.parcels])
        told = {note for parcel in file.parcels for note in _notes(parcel)}
        of_file = [
            note for note in file.repairs if not any(one in note for one in told)
        ]
        for note in of_file[:_MOST_REPAIRS]:
            yield f"repaired: {note}"
        if len(of_file) > _MOST_REPAIRS:
            yield f"repaired: and {len(of_file) - _MOST_REPAIRS} more; see --json"
        for one in file.refused:
            yield f"refused: {one}"


def producing_lines(
    found: ProducingFile, held: Collection[str] | None = None
) -> Iterator[str]:
    """
    Say what a file with lists of producing mines says, a line at a time.

    Parameters
    ----------
    found : ProducingFile
        What the reader understood.
    held : collection of str, optional
        Numbers of the rights that the register holds; None where none is named.

    Yields
    ------
    str
        Each list and its mines, then what a person should know.
    """
    for year, mines in found.years.items():
        of_year = f"of {year}" if year is not None else "of no year (give --year)"
        yield f"{found.path}: {len(mines)} producing mines {of_year}"
        for mine in mines:
            unknown = held is not None and mine.licence_id not in held
            yield (
                f"  {mine.licence_id}"
                + (f" {mine.mine}" if mine.mine else "")
                + f", {mine.where}"
                + (", not in the register" if unknown else "")
            )
    yield from found.notes


def producing_document(
    found: ProducingFile, held: Collection[str] | None = None
) -> dict[str, Any]:
    """
    Give the same for programs.

    Parameters
    ----------
    found : ProducingFile
        What the reader understood.
    held : collection of str, optional
        Numbers of the rights that the register holds; None where none is named.

    Returns
    -------
    dict
        ``file``, ``sha256``, ``notes`` and ``lists``, each with its ``year`` (null
        where nothing says it) and ``mines``: ``licence_id``, ``mine``, ``where`` and
        ``in_register`` (null where no register is named).
    """
    return {
        "file": found.path,
        "sha256": found.sha256,
        "lists": [
            {
                "year": year,
                "mines": [
                    {
                        "licence_id": mine.licence_id,
                        "mine": mine.mine,
                        "where": mine.where,
                        "in_register": None
                        if held is None
                        else mine.licence_id in held,
                    }
                    for mine in mines
                ],
            }
            for year, mines in found.years.items()
        ],
        "notes": list(found.notes),
    }


def small_map(
    geometries: Sequence[Polygon | MultiPolygon],
    *,
    rows: int = _MAP_ROWS,
    columns: int = _MAP_COLUMNS,
) -> list[str]:
    """
    Draw parcels in letters, north up.

    Parameters
    ----------
    geometries : sequence of Polygon or MultiPolygon
        CRS84, one or more.
    rows : int, default 16
        Lines at most.
    columns : int, default 56
        Characters a line at most.

    Returns
    -------
    list of str
        A line of corners, then the map: each parcel by its place in the list, ``*``
        from the 36th on and where two overlap, ``.`` where there is none.
    """
    west, south, east, north = shapely.total_bounds(geometries).tolist()
    # a character is about twice as high as it is wide
    shorter = np.cos(np.radians((south + north) / 2))
    wide, high = max((east - west) * shorter, 1e-9), max(north - south, 1e-9)
    step = max(wide / columns, high / (2 * rows))
    across = min(columns, max(1, int(np.ceil(wide / step))))
    down = min(rows, max(1, int(np.ceil(high / (2 * step)))))
    x = west + (np.arange(across) + 0.5) * (east - west) / across
    y = north - (np.arange(down) + 0.5) * (north - south) / down
    grid_x, grid_y = np.meshgrid(x, y)
    drawn = np.full((down, across), ".")
    for number, geometry in enumerate(geometries):
        mark = _MAP_MARKS[number] if number < len(_MAP_MARKS) else "*"
        inside = np.asarray(shapely.contains_xy(geometry, grid_x, grid_y))
        if not inside.any():  # smaller than a character
            middle = geometry.representative_point()
            row = int(np.abs(y - middle.y).argmin())
            inside[row, int(np.abs(x - middle.x).argmin())] = True
        drawn = np.where(inside, np.where(drawn == ".", mark, "*"), drawn)
    head = f"  {west:.5f}E to {east:.5f}E, {south:.5f}N to {north:.5f}N"
    return [head, *("  " + "".join(row) for row in drawn.tolist())]


def _told(
    licence: Licence, parcel: ReadParcel, counties: Sequence[County]
) -> Iterator[str]:
    """Say how one parcel was understood."""
    chinese, english = KIND_LABELS[licence.kind]
    area = parcel.computed_area_m2
    stated = parcel.stated_area_m2
    codes = county_codes(parcel.geometry, counties) if counties else ()
    yield f"  {licence.licence_id} {chinese} {english}" + (
        f": {parcel.name}" if parcel.name != licence.licence_id else ""
    )
    yield (
        f"    {area:.1f} m2 ({area / SQUARE_METRES_A_MU:.2f} mu, {area / 1e6:.4f} km2)"
        + (f", stated {stated:.1f} m2" if stated is not None else "")
        + f", {parcel.crs}"
        + (f" zone {parcel.zone}" if parcel.zone is not None else "")
        + f", {licence.valid_from or '?'} to {_end(licence)}"
        + (f", in {', '.join(codes)}" if codes else "")
        + f", {parcel.where}"
    )
    yield from (f"    {said}" for said in _said(licence))
    yield from (f"    repaired: {note}" for note in parcel.repairs)
    yield from (f"    warning: {note}" for note in parcel.warnings)


def _end(licence: Licence) -> str:
    """Give the last valid day as a person reads it."""
    if licence.valid_to == ENDLESS:
        return "长期 (without end)"
    return str(licence.valid_to or "?")


def _said(licence: Licence) -> Iterator[str]:
    """Say what the fields of a licence say beside its dates, a line for each."""
    history = "; ".join(
        f"{STATUS_LABELS[change.status][0]} ({change.status.value}) on {change.on}"
        for change in licence.status_history
    )
    low, high = licence.elevation_m or (None, None)
    accepted, decided = licence.renewal_accepted, licence.renewal_decided
    renewal = [
        f"{word} on {day}"
        for word, day in (("accepted", accepted), ("decided", decided))
        if day is not None
    ]
    for label, value in (
        ("矿种 minerals", "、".join(licence.minerals)),
        ("共伴生 associated", "、".join(licence.associated_minerals)),
        ("权利人 holder", licence.holder),
        ("类型 sort", licence.subkind),
        ("状态 status", licence.status),
        ("状态变更 changes", history),
        ("延续 renewal", ", ".join(renewal)),
        ("期限 deadline", str(licence.deadline or "")),
        ("标高 elevation", f"{low:g} to {high:g} m" if low is not None else ""),
        ("开采方式 method", licence.method),
        ("发证机关 issuer", licence.issuer),
        ("虚构 invented", "yes" if licence.invented else ""),
    ):
        if value:
            yield f"{label}: {value}"
    if licence.kind is LicenceKind.MINING and not licence.minerals:
        yield "矿种 minerals: none is named"


def _notes(parcel: ReadParcel) -> tuple[str, ...]:
    """List what was said of a parcel."""
    return (*parcel.repairs, *parcel.warnings)


def _feature(
    file: LicenceFile,
    licence: Licence,
    parcel: ReadParcel,
    counties: Sequence[County],
) -> dict[str, Any]:
    """Give one parcel as a feature."""
    return {
        "type": "Feature",
        "id": f"{licence.kind.value}:{licence.licence_id}",
        "bbox": _box(np.array(parcel.geometry.bounds)),
        "geometry": _geometry(parcel.geometry),
        "properties": {
            "name": parcel.name,
            "file": file.path,
            "where": parcel.where,
            "licence_id": licence.licence_id,
            "kind": licence.kind.value,
            "minerals": list(licence.minerals),
            "associated_minerals": list(licence.associated_minerals),
            "holder": licence.holder,
            "mine": licence.mine,
            "subkind": licence.subkind,
            "valid_from": _day(licence.valid_from),
            "valid_to": _day(licence.valid_to),
            "without_end": licence.valid_to == ENDLESS,
            "status": licence.status,
            "status_history": [
                {"on": _day(change.on), "status": change.status.value}
                for change in licence.status_history
            ],
            "renewal_accepted": _day(licence.renewal_accepted),
            "renewal_decided": _day(licence.renewal_decided),
            "deadline": _day(licence.deadline),
            "elevation_m": list(licence.elevation_m) if licence.elevation_m else None,
            "method": licence.method,
            "issuer": licence.issuer,
            "invented": licence.invented,
            "stated_area_m2": parcel.stated_area_m2,
            "computed_area_m2": round(parcel.computed_area_m2, 1),
            "crs": parcel.crs,
            "zone": parcel.zone,
            "datum": licence.datum,
            "position_error_m": licence.position_error_m,
            "county_codes": list(county_codes(parcel.geometry, counties))
            if counties
            else [],
            "repairs": list(parcel.repairs),
            "warnings": list(parcel.warnings),
        },
    }


def _day(value: object) -> str | None:
    """Give a day as ISO 8601."""
    return None if value is None else str(value)


def _box(bounds: np.ndarray[Any, np.dtype[np.float64]]) -> list[float]:
    """Round a box to the decimals of the contract."""
    return [round(float(value), _DECIMALS) for value in bounds]


def _geometry(geometry: Polygon | MultiPolygon) -> Mapping[str, Any]:
    """Give a geometry as RFC 7946 wants it."""
    polygons = [
        [
            [[round(x, _DECIMALS), round(y, _DECIMALS)] for x, y, *_ in ring.coords]
            for ring in (part.exterior, *part.interiors)
        ]
        for part in shapely.get_parts(shapely.orient_polygons(geometry))
    ]
    if isinstance(geometry, Polygon):
        return {"type": "Polygon", "coordinates": polygons[0]}
    return {"type": "MultiPolygon", "coordinates": polygons}
