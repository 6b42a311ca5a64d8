"""One scheduled job: find, load, detect, track, judge, alert, commit.

State and outputs are written where no reader looks; then one transaction of the ledger
makes all of it true. A run that dies at any moment leaves the world as it was.
"""

import contextlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from datetime import date, datetime
from typing import Final

from rsmonitor.errors import HistoryError, OutputError, StoreError
from rsmonitor.pipeline.detection import DAY_ZERO_ORDINAL, Detected, Look, detect
from rsmonitor.pipeline.following import follow
from rsmonitor.pipeline.job import Doors, Job, Outcome, Refused
from rsmonitor.pipeline.looks import day_of
from rsmonitor.records.acquisition import Product
from rsmonitor.records.alert import Alert
from rsmonitor.records.disturbance import Classified, Disturbance
from rsmonitor.records.event import EventDraft, EventKind
from rsmonitor.records.grid import Grid
from rsmonitor.records.provenance import Provenance
from rsmonitor.records.rasters import (
    HistoryClass,
)
from rsmonitor.records.run import Coverage, Partition, RunCommit, RunRecord, RunResult
from rsmonitor.records.site import Site
from rsmonitor.records.verdict import Verdict
from rsmonitor.records.week import IsoWeek
from rsmonitor.stages.alerting import alert_events_of, alert_id_of, alert_sites
from rsmonitor.stages.classify import classify
from rsmonitor.stages.geodesy import grid_outline, pixel_area_m2
from rsmonitor.stages.graded import draw
from rsmonitor.stages.jurisdiction import county_codes
from rsmonitor.stages.licensing import counted_construction, judge_all
from rsmonitor.stages.suppression import suppressed_sites, without_suppressed
from rsmonitor.stages.tiling import cell_of
from rsmonitor.stages.tracking import LIVING, events_of, track

WHO: Final = "rsmonitor"


def run(job: Job, doors: Doors, *, week: IsoWeek) -> Outcome:
    """
    Do one scheduled job: everything sensed up to the end of a week.

    Parameters
    ----------
    job : Job
        What to do.
    doors : Doors
        The outside.
    week : IsoWeek
        The week whose end the run looks up to.

    Returns
    -------
    Outcome
        What was done. The same partition is never computed twice.

    Raises
    ------
    BusyError
        If another process holds the district.
    StoreError
        If the ledger is already past the week, or state is damaged.
    HistoryError
        If the history does not suffice for a reference, or the week ends within it.
    SourceError
        If the source's bands give no index.
    """
    partition = job.partition(week)
    if week.last_day <= job.parameters.history.until:
        raise HistoryError(
            f"week {week} ends on {week.last_day}, within the history, which lasts "
            f"until {job.parameters.history.until} (history.until): nothing is watched "
            "yet"
        )
    with doors.ledger.lock(job.district.code):
        records = doors.ledger.runs(job.district.code)
        done = [record for record in records if record.run_id == partition.run_id]
        if records:
            # what somebody took away is lost only to who asks for that very run
            with contextlib.suppress(*() if done else (OutputError,)):
                # a run may have died between its commit and this
                doors.sink.publish(records[-1].location)
        if done:
            return Outcome(partition=partition, result=None, location=done[0].location)
        if records and records[-1].week > week:
            raise StoreError(
                f"district {job.district.code} has been run up to {records[-1].week}; "
                f"week {week} is behind it. To compute that week alone, use "
                "another work folder (run.work)"
            )
        anew = _let_go_of_lost_state(doors, partition)
        outcome = _compute(job, doors, partition)
    if records and records[-1].line != partition.line:
        anew = (
            "settings, source or version are not those of the run before: a new "
            "reference was fitted, and the sites were carried over"
        )
    return replace(outcome, notes=(anew, *outcome.notes)) if anew else outcome


def _let_go_of_lost_state(doors: Doors, partition: Partition) -> str:
    """Begin anew where nothing is left of a line's state, as after a restored backup.

    Part of it missing is damage, which the reading says; and one who lost all of it can
    only compute it again. Returns what to tell of it; nothing where state is there.
    """
    line = partition.line
    if not doors.ledger.pointers(line) or doors.states.holds(line):
        return ""
    doors.ledger.retire([line])
    return (
        "nothing was left of the state (run.work/state): a new reference was fitted, "
        "and the sites were carried over"
    )


def _compute(job: Job, doors: Doors, partition: Partition) -> Outcome:
    """Run the stages and commit, with the district locked."""
    detections: list[Detected] = []
    refused: list[Refused] = []
    for grid in doors.source.grids():
        detected, failed = detect(job, doors, partition, grid)
        detections.append(detected)
        refused += failed
    code = job.district.code
    before = doors.ledger.sites(code)
    found: list[Classified] = []
    evidence, last_clear = {}, {}
    for detected in detections:
        drawn = draw(
            [readout.graded for readout in detected.readouts],
            grid=detected.grid,
            norm=detected.norm,
            names=detected.names,
            parameters=job.parameters.outline,
        )
        found += [
            classify(disturbance, job.cause_model)
            for disturbance in drawn.disturbances
            if _is_of_grid(disturbance, detected.grid)
        ]
        grid_id = detected.grid.grid_id
        evidence[grid_id], last_clear[grid_id] = detected.rasters(drawn)
    sites = track(
        found,
        before,
        district=code,
        parameters=job.parameters.tracking,
    )
    followed = None
    if doors.diary is not None:
        followed = follow(doors, job, partition, detections, sites, doors.diary)
        # before the commit: a run that is killed in between writes the same again
        doors.diary.keep(followed.district, followed.observations, followed.curves)
    suppressed = suppressed_sites(doors.ledger.withheld(), sites)
    register = doors.register.snapshot()
    verdicts = judge_all(
        [site for site in sites if site.state in LIVING],
        register,
        job.parameters.licensing,
        laws=job.laws,
        counties=lambda site: _county_codes(doors, site) or job.district.county_codes,
    )
    known = _known(doors, partition, detections)
    standing = doors.ledger.alerts(code)
    alerts = alert_sites(
        sites,
        verdicts,
        (*standing, *_silent(doors, sites, standing)),
        district=job.district,
        provenance=lambda site: _provenance(job, site, known),
        register=register,
        parameters=job.parameters.alerting,
        counties=lambda site: _county_codes(doors, site),
        suppressed=suppressed,
    )
    result = RunResult(
        partition=partition,
        district=job.district,
        grids=tuple(d.grid for d in detections),
        sites=sites,
        alerts=alerts,
        evidence=evidence,
        last_clear=last_clear,
        coverage=tuple(_coverage(partition, d) for d in detections),
        register=register,
        products=tuple(p for d in detections for p in d.applied),
        software=job.software,
    )
    result = without_suppressed(result, suppressed)
    now = doors.clock.now()
    location = doors.sink.stage(result)
    doors.ledger.commit(
        RunCommit(
            record=RunRecord(
                run_id=partition.run_id,
                line=partition.line,
                district=code,
                week=partition.week,
                location=location,
                counts=_counts(result),
            ),
            finished_at=now,
            pointers=tuple(p for d in detections for p in d.pointers),
            products=_recorded(doors, partition, detections),
            replayed=any(d.plan.replays for d in detections),
            sites=sites,
            alerts=alerts,
            events=(
                *_work_events(job, doors, partition, detections, refused, now),
                *events_of(
                    before,
                    sites,
                    at=now,
                    who=WHO,
                    run_id=partition.run_id,
                    parameters=job.parameters.tracking,
                ),
                *alert_events_of(
                    standing,
                    alerts,
                    sites=sites,
                    verdicts=verdicts,
                    at=now,
                    who=WHO,
                    run_id=partition.run_id,
                    suppressed=suppressed,
                ),
            ),
        )
    )
    doors.sink.publish(location)
    _forget_other_lines(doors, partition)
    notes = {note: None for d in detections for note in d.notes}
    if followed is not None:
        notes |= dict.fromkeys(followed.notes)
    notes |= dict.fromkeys(_register_notes(result))
    notes |= dict.fromkeys(_verdict_notes(verdicts))
    return Outcome(
        partition=partition,
        result=result,
        location=location,
        found=sum(d.found for d in detections),
        unusable=tuple(p.product_id for d in detections for p in d.unusable),
        refused=tuple(refused),
        notes=tuple(notes),
    )


def _is_of_grid(disturbance: Disturbance, grid: Grid) -> bool:
    """Count what two UTM zones both see once: by the cell that its inside lies in."""
    if grid.mgrs_tile is None:
        return True
    place = disturbance.geometry.representative_point()
    return cell_of(place.x, place.y).mgrs_tile == grid.mgrs_tile


def _forget_other_lines(doors: Doors, partition: Partition) -> None:
    """Let go of the state of settings that are no longer used: disk stays bounded."""
    lines = doors.ledger.lines(partition.district)
    others = [line for line in lines if line != partition.line]
    if others:
        doors.ledger.retire(others)
        doors.states.forget(doors.ledger.pointers(partition.line), lines=others)


def _county_codes(doors: Doors, site: Site) -> tuple[str, ...]:
    """Name the counties that a site lies in, or within 300 m of."""
    if not doors.counties:
        return ()
    return county_codes(site.latest.disturbance.geometry, doors.counties)


def _recorded(
    doors: Doors, partition: Partition, detections: Sequence[Detected]
) -> tuple[Product, ...]:
    """List the looks to record: new ones, or all of the line where a grid starts again.

    Looks of the history are recorded with the fit, so that later ones are noticed.
    """
    again = any(d.plan.replays for d in detections)
    products: list[Product] = []
    for detected in detections:
        if detected.plan.replays:
            products += (*detected.plan.past, *detected.plan.kept)
        elif again:
            # a record that is replaced is replaced whole, other grids included
            grid_id = detected.grid.grid_id
            known = doors.ledger.applied(partition.line)
            products += [p for p in known if p.key.grid_id == grid_id]
        products += (*detected.applied, *detected.unusable)
    return tuple(products)


def _register_notes(result: RunResult) -> list[str]:
    """Say what makes a register look wrong."""
    licences = result.register.licences
    near = [
        licence
        for licence in licences
        for coverage in result.coverage
        if licence.geometry.intersects(coverage.geometry)
    ]
    if licences and not near:
        note = (
            f"none of the {len(licences)} licences lies in the area that is watched: "
            "are longitude and latitude swapped, or is it another county's register?"
        )
        return [note]
    return []


def _verdict_notes(verdicts: Mapping[str, Verdict]) -> list[str]:
    """Say what the verdicts found that no alert tells."""
    notes = []
    counted = counted_construction(verdicts)
    if counted:
        notes.append(
            f"{counted} sites look like construction near no mine, closed site or "
            "plant that the register knows: counted, and no alert is raised"
        )
    warnings = {text for verdict in verdicts.values() for text in verdict.warnings}
    return [*notes, *sorted(warnings)]


def _silent(
    doors: Doors, sites: Sequence[Site], standing: Sequence[Alert]
) -> list[Alert]:
    """List the last words of alerts that stood once, so that versions go on."""
    speaking = {alert.alert_id for alert in standing}
    ids = [alert_id_of(site) for site in sites if site.state in LIVING]
    last = [doors.ledger.versions(i)[-1:] for i in ids if i not in speaking]
    return [alert for versions in last for alert in versions]


def _known(
    doors: Doors, partition: Partition, detections: Sequence[Detected]
) -> Mapping[tuple[str, date], list[Product]]:
    """List all looks that the evidence rests on, by grid and day."""
    products = {p.key: p for p in doors.ledger.applied(partition.line)}
    for detected in detections:
        for product in (*detected.plan.past, *detected.applied):
            products[product.key] = product
    by_day: dict[tuple[str, date], list[Product]] = {}
    for key in sorted(products):
        product = products[key]
        by_day.setdefault((key.grid_id, day_of(product)), []).append(product)
    return by_day


def _provenance(
    job: Job, site: Site, known: Mapping[tuple[str, date], list[Product]]
) -> Provenance:
    """Name the looks that decided: before, first, confirming and last."""
    seen = site.latest.disturbance
    days = {seen.began_after, seen.began_by, seen.confirmed, seen.last_seen}
    scenes = [
        product
        for day in sorted(day for day in days if day is not None)
        for product in known.get((seen.grid_id, day), [])
    ]
    baselines = {p.processing_baseline for p in scenes if p.processing_baseline}
    return Provenance(
        software=job.software,
        settings_digest=job.settings_digest,
        scenes=tuple(product.product_id for product in scenes),
        processing_baselines=tuple(sorted(baselines)),
        model_id=site.latest.model_id,
    )


def _coverage(partition: Partition, detected: Detected) -> Coverage:
    """Say what was seen of a grid in the week, weighted by the area of its pixels."""
    sunday = partition.week.last_day.toordinal() - DAY_ZERO_ORDINAL
    row_area = pixel_area_m2(detected.grid)
    total = float((row_area * detected.grid.width).sum())
    seen = detected.seen
    week = [
        product
        for product in (*detected.applied, *detected.unusable)
        if IsoWeek.of(product.sensed_at) == partition.week
    ]
    unusable = {product.key for product in detected.unusable}
    return Coverage(
        district=partition.district,
        grid_id=detected.grid.grid_id,
        week=partition.week,
        geometry=grid_outline(detected.grid),
        area_m2=total,
        # of sums of floats the order may not depend on blocks: pixels by row are counts
        share_seen=float((row_area * seen.seen).sum()) / total,
        share_monitored=float((row_area * seen.monitored).sum()) / total,
        median_days_since_clear=seen.median_age(sunday),
        scenes_used=len(week),
        scenes_without_clear=sum(product.key in unusable for product in week),
    )


def _work_events(
    job: Job,
    doors: Doors,
    partition: Partition,
    detections: Sequence[Detected],
    refused: Sequence[Refused],
    now: datetime,
) -> list[EventDraft]:
    """Say which references were fitted and which looks were added."""
    events = []
    for detected in detections:
        if detected.plan.fits:
            body = {
                "run_id": partition.run_id,
                "grid_id": detected.grid.grid_id,
                "until": job.parameters.history.until.isoformat(),
                "indices": list(detected.names),
                "products": [product.product_id for product in detected.plan.past],
                "share_monitored": round(detected.seen.share_monitored, 6),
                "pixels": {
                    kind.name.lower(): int(detected.kinds[kind])
                    for kind in HistoryClass
                },
                "settings_digest": job.settings_digest,
                "software": job.software,
            }
            events.append(EventDraft(kind=EventKind.FITTED, at=now, who=WHO, body=body))
        body = {
            "run_id": partition.run_id,
            "grid_id": detected.grid.grid_id,
            "replayed": detected.plan.replays,
            "kept": len(detected.plan.kept),
            "drift": detected.drift.noise,
            "new_reference_due": detected.drift.due,
            "products": [product.product_id for product in detected.applied],
            "looks": [_taken(look) for look in detected.looks],
            "unusable": [product.product_id for product in detected.unusable],
            "refused": [r.product_id for r in refused],
        }
        read = (*(detected.plan.past if detected.plan.fits else ()), *detected.applied)
        origin = doors.origin([product.product_id for product in read])
        if origin.versions or origin.checksums:
            body["origin"] = origin.body()
        events.append(EventDraft(kind=EventKind.APPLIED, at=now, who=WHO, body=body))
    return events


def _taken(look: Look) -> dict[str, object]:
    """Say how a look was taken in."""
    shift = look.shift
    return {
        "product_id": look.product.product_id,
        "shift_pixels": None if shift is None else [shift.dy, shift.dx],
        "put_back": look.put_back,
        "noise": look.noise,
        "sample": look.sample,
        "weak_cells": look.weak_cells,
        "pixels": asdict(look.counts),
    }


def _counts(result: RunResult) -> Mapping[str, int]:
    """Count alerts by tier and category, and sites by state."""
    counts: Counter[str] = Counter()
    for alert in result.alerts:
        counts[f"alerts.{alert.site.latest.disturbance.tier.code}"] += 1
        counts[f"category.{alert.verdict.category.value}"] += 1
    for site in result.sites:
        counts[f"sites.{site.state.value}"] += 1
    return dict(sorted(counts.items()))
