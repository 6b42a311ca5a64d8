"""Sites of a district over time: ledger, diary and register brought together."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rsmonitor.config import Settings
from rsmonitor.errors import ContractError, StoreError
from rsmonitor.interfaces import Progress
from rsmonitor.io.stores.ledger import StoredLedger
from rsmonitor.pipeline.following import catch_up
from rsmonitor.records.event import EventKind
from rsmonitor.records.lifecycle import (
    Aftermath,
    Family,
    LifeCycle,
    Observation,
    Visibility,
)
from rsmonitor.records.site import SITE_ID, Site
from rsmonitor.stages.kinship import family_of, kin_of_events
from rsmonitor.stages.lifecycle import (
    aftermath_of,
    life_of,
    looks_to_confirm,
    visibility_of,
)
from rsmonitor.wiring.licences import register_of
from rsmonitor.wiring.office import diary_of, open_office, unwatched
from rsmonitor.wiring.stores import open_ledger


@dataclass(frozen=True, slots=True, kw_only=True)
class Followed:
    """One site, and all that is known of its life."""

    site: Site
    """The site."""

    life: LifeCycle
    """Its phases."""

    visibility: Visibility
    """What was not seen."""

    observations: tuple[Observation, ...]
    """What each look showed of it, oldest first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Biography:
    """One site with its kin, and with what the register says of the place."""

    followed: Followed
    """The site and its life."""

    family: Family
    """Where it comes from and what came of it."""

    aftermath: tuple[Aftermath, ...]
    """What became of it where something had to come to an end."""


def followed_sites(settings: Settings) -> tuple[Followed, ...]:
    """
    Read the life of every site of a district.

    Parameters
    ----------
    settings : Settings
        Settings.

    Returns
    -------
    tuple of Followed
        By id, merged and withdrawn sites included.

    Raises
    ------
    StoreError
        If no run has been committed, or a file is damaged.
    """
    sites = _ledger(settings).sites(settings.district.code)
    by_site: dict[str, list[Observation]] = {}
    for row in diary_of(settings).of(settings.district.code):
        by_site.setdefault(row.site_id, []).append(row)
    return tuple(
        _followed(settings, site, by_site.get(site.site_id, ())) for site in sites
    )


def biography_of(settings: Settings, site_id: str) -> Biography:
    """
    Read the life of one site, its kin, and what the register says of the place.

    Parameters
    ----------
    settings : Settings
        Settings.
    site_id : str
        `Site.site_id`.

    Returns
    -------
    Biography
        All of it.

    Raises
    ------
    ContractError
        If it is no id of a site.
    StoreError
        If the district has no such site, or a file is damaged.
    LicenceError
        If a licence file cannot be used.
    """
    if not SITE_ID.fullmatch(site_id):
        raise ContractError(
            f"a site id is s and twelve characters of a-z and 2-7, got {site_id!r}; "
            "`rsmonitor sites list` shows them"
        )
    ledger, code = _ledger(settings), settings.district.code
    site = next((each for each in ledger.sites(code) if each.site_id == site_id), None)
    if site is None:
        raise StoreError(
            f"district {code} has no site {site_id}; `rsmonitor sites list` shows "
            "those that it has"
        )
    followed = _followed(settings, site, diary_of(settings).of(code, site_id))
    told = (
        (event.kind, json.loads(event.body))
        for event in ledger.events()
        if event.kind in {EventKind.DETECTED.value, EventKind.MERGED.value}
    )
    licences = register_of(settings).snapshot().licences
    return Biography(
        followed=followed,
        family=family_of(site_id, kin_of_events(told)),
        aftermath=aftermath_of(site, followed.life, licences),
    )


def follow_committed(
    settings: Settings, *, progress: Progress = unwatched
) -> tuple[int, tuple[str, ...]]:
    """
    Observe all sites in all committed looks that the diary does not hold yet.

    Parameters
    ----------
    settings : Settings
        Settings.
    progress : Progress, optional
        Who watches.

    Returns
    -------
    rows : int
        Observations that were added or replaced.
    notes : tuple of str
        What a person should know.

    Raises
    ------
    StoreError
        If no run has been committed with these settings, or state is damaged.
    SourceError
        If the scenes cannot be opened.
    BusyError
        If a run holds the district.
    """
    ledger, code = _ledger(settings), settings.district.code
    diary = diary_of(settings)
    with open_office(settings, progress=progress, pictures=False) as office:
        doors, job = office.doors, office.job
        with ledger.lock(code):
            runs = ledger.runs(code)
            if not runs:
                raise StoreError(f"district {code} has no committed run")
            partition = job.partition(runs[-1].week)
            if partition.line != runs[-1].line:
                raise StoreError(
                    f"the last run of district {code} was done with other settings or "
                    "another version; do one run with these (`rsmonitor run`), which "
                    "follows the sites by itself"
                )
            followed = catch_up(doors, job, partition, ledger.sites(code), diary)
            diary.keep(code, followed.observations, followed.curves)
    return len(followed.observations), (*office.notes, *followed.notes)


def has_site(settings: Settings, site_id: str) -> bool:
    """
    Tell whether a district has a site.

    Parameters
    ----------
    settings : Settings
        Settings.
    site_id : str
        `Site.site_id`.

    Returns
    -------
    bool
        True if its ledger knows the id.

    Raises
    ------
    StoreError
        If no run has been committed, or the ledger is damaged.
    """
    sites = _ledger(settings).sites(settings.district.code)
    return any(site.site_id == site_id for site in sites)


def draw_timeline(settings: Settings, site_id: str, out: Path) -> Biography:
    """
    Draw area and greenness of a site over time.

    Parameters
    ----------
    settings : Settings
        Settings.
    site_id : str
        `Site.site_id`.
    out : Path
        The PNG file.

    Returns
    -------
    Biography
        What was drawn.

    Raises
    ------
    ContractError
        If it is no id of a site, or `out` does not end in ``.png``.
    StoreError
        If the district has no such site, or nothing was observed of it yet.
    LicenceError
        If a licence file cannot be used.
    OutputError
        If matplotlib or the typeface is missing, or the file cannot be written.
    """
    if out.suffix.lower() != ".png":
        raise ContractError(f"--out {out} must end in .png")
    biography = biography_of(settings, site_id)
    followed = biography.followed
    if not followed.observations:
        raise StoreError(
            f"nothing was observed of site {site_id} yet: `rsmonitor sites follow` "
            "reads the looks that are there"
        )
    # draws, so it is loaded only where something is drawn
    from rsmonitor.io.deliver.pictures.timeline import (  # noqa: PLC0415
        Timeline,
        render_timeline,
    )

    render_timeline(
        out,
        Timeline(
            site=followed.site,
            life=followed.life,
            visibility=followed.visibility,
            observations=followed.observations,
            aftermath=biography.aftermath,
            district=(settings.district.name_zh, settings.district.name_en),
            parameters=settings.life,
        ),
    )
    return biography


def _followed(
    settings: Settings,
    site: Site,
    observations: Sequence[Observation],
) -> Followed:
    """Read the life of a site."""
    return Followed(
        site=site,
        life=life_of(site, observations, parameters=settings.life),
        visibility=visibility_of(
            observations,
            looks_to_confirm=looks_to_confirm(settings.parameters.evidence),
            parameters=settings.life,
        ),
        observations=tuple(observations),
    )


def _ledger(settings: Settings) -> StoredLedger:
    """Open the ledger; refuse one that was never begun, which would read as empty."""
    ledger = open_ledger(settings)
    if not ledger.exists():
        raise StoreError(
            f"{ledger.name} does not exist: no run has been committed there"
        )
    return ledger
