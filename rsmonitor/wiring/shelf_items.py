"""Districts and registers as features of the read model, each with its areas."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

import shapely

from rsmonitor.config import Settings
from rsmonitor.errors import LicenceError, OutputError, SettingsError, StoreError
from rsmonitor.io.deliver.geojson import coverage_collection, rounded
from rsmonitor.io.deliver.handheld import short_names
from rsmonitor.io.deliver.kept_run import read_coverage
from rsmonitor.io.deliver.legend import TIER_LABELS
from rsmonitor.io.licences.geojson_writer import geojson_of
from rsmonitor.io.stores.ledger import StoredLedger
from rsmonitor.io.stores.shelf_writing import (
    ALERTS,
    COVERAGE,
    DISTRICTS,
    LICENCES,
    Shelved,
    Source,
)
from rsmonitor.records.alert import Alert
from rsmonitor.records.disturbance import CAUSE_LABELS
from rsmonitor.records.licence import Licence, RegisterSnapshot
from rsmonitor.records.lifecycle import PHASE_LABELS, Observation, Phase
from rsmonitor.records.run import Coverage
from rsmonitor.records.site import STATE_LABELS
from rsmonitor.records.verdict import CATEGORY_LABELS, CERTAINTY_LABELS
from rsmonitor.stages.attention import inner_point
from rsmonitor.stages.cases import shanghai_day
from rsmonitor.stages.jurisdiction import County
from rsmonitor.stages.lifecycle import life_of
from rsmonitor.stages.suppression import suppressed_sites
from rsmonitor.wiring.alerts import features_of, result_of, weeks_said
from rsmonitor.wiring.licences import register_of
from rsmonitor.wiring.office import diary_of
from rsmonitor.wiring.package_images import run_folder
from rsmonitor.wiring.packages import codes_of_alert
from rsmonitor.wiring.reports import Book, Books

_BRIEF: Final = (
    *("rank", "short_name", "version", "tier", "category", "certainty", "state"),
    *("phase", "cause", "area_mu", "county_codes", "district", "week_said"),
    *("first_seen", "last_seen", "last_clear"),
)
"""Properties of an alert that a list shows."""

_NO_REGISTER: Final = RegisterSnapshot(snapshot_id="", licences=())


def district_of_ledger(
    settings: Settings,
    ledger: StoredLedger,
    *,
    source: str,
    signature: str,
    names: Mapping[str, str],
    moments: tuple[Mapping[str, Sequence[int]], int],
) -> Source:
    """
    Give what one district puts on the shelf.

    Parameters
    ----------
    settings : Settings
        The district's.
    ledger : StoredLedger
        Its ledger.
    source : str
        Its name on the shelf.
    signature : str
        Of what it is made.
    names : Mapping of str to str
        Names of counties by code, for the search.
    moments : tuple of Mapping and int
        Which events speak of which site, and the number of the last one read.

    Returns
    -------
    Source
        Alerts, coverage, and the district itself; nothing of a withheld site.

    Raises
    ------
    StoreError
        If the ledger or the diary is damaged.
    OutputError
        If a geometry is not longitude and latitude.
    """
    book = book_of_district(settings, ledger)
    covered = _coverage(book)
    alerts = _alerts(book, ledger, names)
    by_site, head = moments
    return Source(
        source=source,
        signature=signature,
        week=str(book.runs[-1].week),
        head=head,
        invented=any(alert.invented_licences for alert in book.alerts),
        items=(*alerts, *_coverage_items(book, covered), _district(book, covered)),
        moments={
            item.site_id: by_site[item.site_id]
            for item in alerts
            if item.site_id in by_site
        },
    )


def book_of_district(settings: Settings, ledger: StoredLedger) -> Book:
    """
    Read what stands of a district: less than `rsmonitor.wiring.reports.books_of` does.

    Parameters
    ----------
    settings : Settings
        The district's.
    ledger : StoredLedger
        Its ledger.

    Returns
    -------
    Book
        Runs and standing alerts, without those of withheld sites; no sites, and no
        versions but those that stand.

    Raises
    ------
    StoreError
        If the ledger is damaged, or has no run of the district.
    """
    code = settings.district.code
    runs = ledger.runs(code)
    if not runs:
        raise StoreError(f"no run of {code} is in its ledger")
    said = ledger.withheld()
    hidden = suppressed_sites(said, ledger.sites(code)) if said else frozenset()
    alerts = tuple(a for a in ledger.alerts(code) if a.site.site_id not in hidden)
    return Book(settings=settings, runs=runs, sites=(), alerts=alerts, versions={})


def licences_of_register(
    offices: Sequence[Settings],
    ledger: StoredLedger,
    *,
    source: str,
    signature: str,
    counties: Sequence[County],
) -> Source:
    """
    Give the licences that some districts share, each where it lies.

    Parameters
    ----------
    offices : sequence of Settings
        The districts.
    ledger : StoredLedger
        Their ledger.
    source : str
        Its name on the shelf.
    signature : str
        Of what it is made.
    counties : sequence of County
        The border layer; where there is none, a licence belongs to the districts that
        watch its ground or have an alert that names it.

    Returns
    -------
    Source
        One item a licence; none where the register cannot be used.

    Raises
    ------
    StoreError
        If the ledger is damaged.
    """
    try:
        licences = register_of(offices[0]).snapshot().licences
    except (LicenceError, StoreError, SettingsError):
        licences = ()  # every run and every command says why
    if not licences:
        return Source(source=source, signature=signature)
    codes = (
        _codes_by_border(licences, counties)
        if counties
        else _codes_by_ground(licences, offices, ledger)
    )
    features = json.loads(geojson_of(licences))["features"]
    return Source(
        source=source,
        signature=signature,
        invented=any(licence.invented for licence in licences),
        items=tuple(
            Shelved(
                collection=LICENCES,
                item_id=feature["id"],
                codes=codes.get(licence.licence_id, ()),
                feature=_json(feature),
                district="",
                box=licence.geometry.bounds,
                outline=shapely.to_wkb(licence.geometry),
                invented=licence.invented,
                words=_words(licence.licence_id, licence.holder, licence.mine),
            )
            for licence, feature in zip(licences, features, strict=True)
        ),
    )


def _alerts(
    book: Book, ledger: StoredLedger, names: Mapping[str, str]
) -> tuple[Shelved, ...]:
    """Give the alerts with what other products say of them."""
    if not book.alerts:
        return ()
    features = features_of(Books(books=(book,), events=(), ledger=ledger))["features"]
    weeks = weeks_said(book)
    phases = _phases(book)
    short = short_names(alert.alert_id for alert in book.alerts)
    by_id = {alert.alert_id: alert for alert in book.alerts}
    items = []
    for feature in features:
        alert = by_id[feature["id"]]
        seen = alert.site.latest.disturbance
        phase = phases.get(alert.site.site_id)
        week = weeks.get((alert.alert_id, alert.version))
        feature["properties"] = {
            **feature["properties"],
            "district": alert.site.district,
            "week_said": None if week is None else str(week),
            "short_name": short[alert.alert_id],
            "phase": None if phase is None else phase.value,
        }
        west, south, east, north = feature["bbox"]
        codes = codes_of_alert(alert)
        items.append(
            Shelved(
                collection=ALERTS,
                item_id=alert.alert_id,
                codes=codes,
                feature=_json(feature),
                brief=_json(_brief(alert, feature)),
                district=alert.site.district,
                box=(west, south, east, north),
                outline=shapely.to_wkb(shapely.geometry.shape(feature["geometry"])),
                site_id=alert.site.site_id,
                version=alert.version,
                week="" if week is None else str(week),
                invented=alert.invented_licences,
                began=seen.began_by.isoformat(),
                ended=seen.last_seen.isoformat(),
                tier=seen.tier.code,
                category=alert.verdict.category.value,
                state=alert.site.state.value,
                phase="" if phase is None else phase.value,
                words=_words_of(alert, phase, short[alert.alert_id], names),
            )
        )
    return tuple(items)


def _brief(alert: Alert, feature: Mapping[str, Any]) -> dict[str, Any]:
    """Say of an alert what a list and a map need."""
    said = feature["properties"]
    point = inner_point(alert.site.latest.disturbance.geometry)
    return {
        "id": alert.alert_id,
        **{name: said[name] for name in _BRIEF},
        "point": [round(point.x, 6), round(point.y, 6)],
        "bbox": feature["bbox"],
        "geometry": feature["geometry"],
    }


def _phases(book: Book) -> dict[str, Phase]:
    """Read where the sites of the alerts are in their lives."""
    settings = book.settings
    rows: dict[str, list[Observation]] = {}
    for row in diary_of(settings).of(settings.district.code):
        rows.setdefault(row.site_id, []).append(row)
    return {
        site.site_id: life_of(site, rows[site.site_id], parameters=settings.life).now
        for site in (alert.site for alert in book.alerts)
        if site.site_id in rows
    }


def _words_of(
    alert: Alert, phase: Phase | None, short: str, names: Mapping[str, str]
) -> str:
    """Gather what a search may find an alert by."""
    seen, verdict = alert.site.latest.disturbance, alert.verdict
    return _words(
        alert.alert_id,
        alert.site.site_id,
        alert.site.district,
        short,
        alert.bureau,
        *alert.county_codes,
        *(names.get(code, "") for code in codes_of_alert(alert)),
        *verdict.licence_ids,
        *CATEGORY_LABELS[verdict.category],
        *CERTAINTY_LABELS[verdict.certainty],
        *TIER_LABELS[seen.tier],
        *STATE_LABELS[alert.site.state],
        *CAUSE_LABELS[alert.site.latest.cause],
        *(PHASE_LABELS[phase] if phase else ()),
    )


def _coverage(book: Book) -> tuple[Coverage, ...]:
    """Read what the last run saw, as far as its folder is still there."""
    try:
        return read_coverage(run_folder(book))
    except OutputError:
        return ()


def _codes_of_district(settings: Settings) -> tuple[str, ...]:
    """Name who may know what was seen of a district."""
    district = settings.district
    return (district.code, *district.county_codes)


def _coverage_items(book: Book, covered: Sequence[Coverage]) -> Iterable[Shelved]:
    """Give the coverage of a district."""
    if not covered:
        return
    result = replace(result_of(book, _NO_REGISTER), coverage=tuple(covered))
    for feature in coverage_collection(result)["features"]:
        week = book.runs[-1].week
        outline = shapely.geometry.shape(feature["geometry"])
        yield Shelved(
            collection=COVERAGE,
            item_id=feature["id"],
            codes=_codes_of_district(book.settings),
            feature=_json(feature),
            district=book.settings.district.code,
            box=outline.bounds,
            outline=shapely.to_wkb(outline),
            week=str(week),
            began=shanghai_day(week.start).isoformat(),
            ended=week.last_day.isoformat(),
        )


def _district(book: Book, covered: Sequence[Coverage]) -> Shelved:
    """Describe a district, on the ground that is watched of it."""
    district = book.settings.district
    ground = shapely.union_all([each.geometry for each in covered])
    polygon = None if ground.is_empty else rounded(ground, what=district.code)
    feature: dict[str, Any] = {
        "type": "Feature",
        "id": district.code,
        "properties": {
            "code": district.code,
            "name_zh": district.name_zh,
            "name_en": district.name_en,
            "bureau": district.bureau,
            "week": str(book.runs[-1].week),
        },
        "geometry": None if polygon is None else shapely.geometry.mapping(polygon),
    }
    if polygon is not None:
        feature["bbox"] = list(polygon.bounds)
    return Shelved(
        collection=DISTRICTS,
        item_id=district.code,
        codes=_codes_of_district(book.settings),
        feature=_json(feature),
        district=district.code,
        box=None if polygon is None else polygon.bounds,
        outline=None if polygon is None else shapely.to_wkb(polygon),
        week=str(book.runs[-1].week),
        words=_words(district.code, district.name_zh, district.name_en),
    )


def _codes_by_border(
    licences: Sequence[Licence], counties: Sequence[County]
) -> dict[str, tuple[str, ...]]:
    """Name the counties that hold some of each licence."""
    tree = shapely.STRtree([county.geometry for county in counties])
    which, where = tree.query(
        [licence.geometry for licence in licences], predicate="intersects"
    )
    found: dict[str, tuple[str, ...]] = {}
    for one, place in zip(which.tolist(), where.tolist(), strict=True):
        name = licences[one].licence_id
        found[name] = (*found.get(name, ()), counties[place].code)
    return found


def _codes_by_ground(
    licences: Sequence[Licence], offices: Sequence[Settings], ledger: StoredLedger
) -> dict[str, tuple[str, ...]]:
    """Name the districts that watch the ground of each licence, or accuse it."""
    found: dict[str, set[str]] = {licence.licence_id: set() for licence in licences}
    for settings in offices:
        if not ledger.runs(settings.district.code):
            continue
        book = book_of_district(settings, ledger)
        ground = shapely.union_all([each.geometry for each in _coverage(book)])
        shapely.prepare(ground)
        for licence in licences:
            if ground.intersects(licence.geometry):
                found[licence.licence_id] |= {*_codes_of_district(settings)}
        for alert in book.alerts:
            for name in alert.verdict.licence_ids:
                found.get(name, set()).update(codes_of_alert(alert))
    return {name: tuple(sorted(codes)) for name, codes in found.items()}


def _words(*values: str) -> str:
    """Join what is searched; a search does not tell capitals apart."""
    return "\n".join(value.casefold() for value in values if value)


def _json(value: Mapping[str, Any]) -> str:
    """Write a feature as short as it can be."""
    return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
