"""Verdicts on any polygons: files, register and laws brought together once."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Final

from rsmonitor.errors import SettingsError
from rsmonitor.io.deliver.geojson import dumps
from rsmonitor.io.deliver.verdicts import verdicts_collection
from rsmonitor.io.licences.found import LicenceFile
from rsmonitor.io.licences.law import SHIPPED, read_law_table
from rsmonitor.io.licences.polygons import read_polygons
from rsmonitor.io.stores.register import NOTHING, FileRegister
from rsmonitor.io.stores.register_database import DatabaseRegister
from rsmonitor.io.stores.register_doubts import doubts_of, require_accepted
from rsmonitor.records.alert import M2_PER_MU
from rsmonitor.records.parameters import LicensingParameters
from rsmonitor.records.site import Site
from rsmonitor.records.verdict import CATEGORY_LABELS, CERTAINTY_LABELS, Verdict
from rsmonitor.stages.licensing import judge_all
from rsmonitor.wiring.licences import read_file
from rsmonitor.wiring.office import SOFTWARE

_ADVICE: Final = (
    "Nothing was judged. Correct the register; where it is right after all, say why "
    "with 'rsmonitor licences accept REASON'"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """Verdicts on the polygons of a file."""

    sites: tuple[Site, ...]
    """The polygons, in the order of the file."""

    verdicts: dict[str, Verdict]
    """By `Site.site_id`."""

    names: dict[str, str]
    """What the file calls each."""

    document: bytes
    """The verdicts as GeoJSON."""

    notes: tuple[str, ...]
    """What is worth telling."""

    refused: tuple[str, ...]
    """Polygons and licences that were not used."""


def judge_file(
    path: Path,
    *,
    on: date,
    licences: Sequence[Path] = (),
    read: Callable[[Path], LicenceFile] = read_file,
    register: Path | None = None,
    rules: Path | None = None,
    county: str = "",
    history_start: date | None = None,
) -> Judged:
    """
    Judge the polygons of a file.

    Parameters
    ----------
    path : Path
        GeoJSON.
    on : date
        Day of the act where a polygon gives none.
    licences : sequence of Path, optional
        Licence files of any format.
    read : callable, optional
        Reads a licence file; `rsmonitor.wiring.licences.read_file`, perhaps with what
        is known of the files where they do not say.
    register : Path, optional
        A register that `rsmonitor licences import` filled.
    rules : Path, optional
        Table of laws; the shipped one by default.
    county : str, optional
        GB/T 2260 code of the county, for which the register may be declared complete.
    history_start : date, optional
        What was there by this day, with no clear look before, is legacy.

    Returns
    -------
    Judged
        The verdicts.

    Raises
    ------
    LicenceError
        If a file cannot be used, or the register looks wrong and nobody accepted it.
    SettingsError
        If the table of laws cannot be used, or there is no register where one is named.
    """
    given = read_polygons(path, on=on, county=county)
    laws = read_law_table(SHIPPED if rules is None else rules)
    beside = NOTHING
    acts = [site.latest.disturbance.began_by for site in given.sites]
    if register is not None:
        if not register.exists():
            raise SettingsError(
                f"{register}: there is no register; fill it with 'rsmonitor licences "
                "import'"
            )
        database = DatabaseRegister(register)
        beside = database.snapshot()
        require_accepted(
            str(register),
            doubts_of(beside.licences, day=min(acts)),
            database.accepted(),
            advice=_ADVICE,
        )
    known = FileRegister(licences, read=read, beside=beside)
    snapshot = known.snapshot()
    verdicts = judge_all(
        given.sites,
        snapshot,
        LicensingParameters(),
        laws=laws,
        history_start=history_start,
        on_day=given.on_day,
    )
    doubts = doubts_of(snapshot.licences, day=min(acts)) if licences else ()
    warnings = {text for verdict in verdicts.values() for text in verdict.warnings}
    return Judged(
        sites=given.sites,
        verdicts=verdicts,
        names=dict(given.names),
        document=dumps(
            verdicts_collection(
                given.sites,
                verdicts,
                given.names,
                register=snapshot,
                software=SOFTWARE,
            )
        ),
        notes=(
            *known.repairs,
            *(f"the licences look wrong: {doubt.reason}" for doubt in doubts),
            *sorted(warnings),
        ),
        refused=(*map(str, given.refused), *snapshot.refused),
    )


def table_lines(judged: Judged) -> list[str]:
    """
    Say the verdicts in lines for a terminal.

    Parameters
    ----------
    judged : Judged
        From `judge_file`.

    Returns
    -------
    list of str
        One line a polygon, and one for each of its parts below.
    """
    lines = []
    for site in judged.sites:
        verdict = judged.verdicts[site.site_id]
        zh, en = CATEGORY_LABELS[verdict.category]
        sure_zh, sure = CERTAINTY_LABELS[verdict.certainty]
        mu = site.latest.disturbance.area_m2 / M2_PER_MU
        lines.append(
            f"{judged.names[site.site_id]}: {zh} ({en}), {sure_zh} ({sure}), "
            f"{mu:.2f} 亩 (mu)"
        )
        lines += [
            f"  {part.category.value:26} {part.area_m2:12.1f} m2  "
            f"{part.certainty.value:9} {', '.join(part.licence_ids) or '-'}\n"
            f"    {part.clause_zh}\n    {part.clause}"
            for part in verdict.parts
        ]
    return lines
