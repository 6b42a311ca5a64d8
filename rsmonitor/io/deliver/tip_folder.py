"""Files of what can be seen of the place of a tip: a picture, rasters, numbers.

No file holds anything of who gave the tip: what is written comes from a `TipView`,
which does not know it.
"""

import json
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import shapely
from numpy.typing import NDArray

from rsmonitor.errors import OutputError
from rsmonitor.io.foundation.files import write_atomic
from rsmonitor.records.grid import Grid
from rsmonitor.records.tip_view import (
    CHOSEN_LABELS,
    EvidenceWindow,
    Mosaic,
    TipView,
)

SHEET: Final = "sheet.png"
NUMBERS: Final = "tip.json"
PLACE: Final = "place.geojson"
BEFORE: Final = "before.tif"
AFTER: Final = "after.tif"
DAYS: Final = "days.tif"
EVIDENCE: Final = "evidence.tif"
"""Names of the files."""

NO_DATA: Final = -1
"""In rasters of numbers: not monitored, or nothing seen."""

SCORE_STEPS: Final = 100
"""Scores are written as hundredths of a nat."""

EVIDENCE_BANDS: Final = (
    ("tier", "等级 0 无 1 低 2 中 3 高 tier: 0 none, 1 low, 2 medium, 3 high"),
    ("score", "证据 1/100 nat evidence, hundredths of a nat"),
    ("first_seen", "首次见到变化 YYYYMMDD change first seen"),
    ("began_after", "此前最近一次未见变化 YYYYMMDD last clear look without it"),
    ("confirmed", "达到高等级 YYYYMMDD high tier reached"),
    ("last_seen", "最近一次见到变化 YYYYMMDD change last seen"),
    ("last_clear", "最近清晰观测 YYYYMMDD last clear look"),
    ("n_clear", "监测以来清晰观测次数 clear looks since monitoring began"),
    ("near", "1 为线索附近 1 near the tip's place"),
)
"""Bands of ``evidence.tif`` and what they mean; 0 stands for 'none' among days."""


def write_tip_view(folder: Path, view: TipView) -> tuple[str, ...]:
    """
    Write all files of a tip but the picture.

    Parameters
    ----------
    folder : Path
        An empty folder.
    view : TipView
        What can be seen.

    Returns
    -------
    tuple of str
        Names of the files; an image of which nothing was seen is not there.

    Raises
    ------
    OutputError
        If a file cannot be written.
    """
    written = []
    for name, mosaic in ((BEFORE, view.before), (AFTER, view.after)):
        if mosaic is not None:
            _write_colours(folder / name, mosaic)
            written.append(name)
    images = [each for each in (view.before, view.after) if each is not None]
    if images:
        _write_days(folder / DAYS, view, images[0].grid)
        written.append(DAYS)
    if view.evidence is not None:
        _write_evidence(folder / EVIDENCE, view.evidence)
        written.append(EVIDENCE)
    write_atomic(folder / PLACE, _json(_place(view)))
    write_atomic(folder / NUMBERS, _json(numbers_of(view)))
    return (*written, PLACE, NUMBERS)


def numbers_of(view: TipView) -> dict[str, Any]:
    """
    Give what is known of a tip's place as JSON values.

    Parameters
    ----------
    view : TipView
        What can be seen.

    Returns
    -------
    dict
        Days as ISO 8601, shares 0 to 1, metres and degrees.
    """
    centre = view.place.representative_point()
    strongest = view.strongest
    return {
        "tip_id": view.tip.tip_id,
        "day": view.tip.day.isoformat(),
        "place": [round(centre.x, 6), round(centre.y, 6)],
        "within_m": view.within_m,
        "district": view.district,
        "grid_id": view.grid_id,
        "run_id": view.run_id,
        "until": view.until.isoformat(),
        "monitored": {
            "share": _rounded(view.share_monitored, 4),
            "pixels": dict(view.pixels_near),
        },
        "since_tip": {
            "looks": view.since.looks,
            "clear_looks": view.since.clear,
            "partly_clear_looks": view.since.partly,
            "unreadable_looks": view.since.unreadable,
            "looks_left_out": view.since.left_out,
            "last_clear_look": _day(view.since.last_clear),
        },
        "evidence": None
        if view.evidence is None
        else {
            "levels": dict(
                zip(("low", "medium", "high"), view.evidence.levels, strict=True)
            ),
            "strongest": None
            if strongest is None
            else {
                "tier": strongest.tier.name.lower(),
                "below_threshold": strongest.tier == 0,
                "score": round(strongest.score, 2),
                "place": [round(strongest.lon, 6), round(strongest.lat, 6)],
                "distance_m": round(strongest.distance_m, 1),
                "first_seen": _day(strongest.first_seen),
                "began_after": _day(strongest.began_after),
                "confirmed": _day(strongest.confirmed),
                "last_seen": _day(strongest.last_seen),
            },
        },
        "images": {
            name: None if mosaic is None else _image(mosaic)
            for name, mosaic in (("before", view.before), ("after", view.after))
        },
        "sites_near": [
            {
                "site_id": each.site_id,
                "alert_id": each.alert_id,
                "state": each.state,
                "distance_m": each.distance_m,
                "days_apart": each.days_apart,
            }
            for each in view.sites
        ],
        "notes": [{"zh": note.zh, "en": note.en} for note in view.notes],
        "software": view.software,
    }


def _image(mosaic: Mosaic) -> dict[str, Any]:
    """Describe an image."""
    zh, en = CHOSEN_LABELS[mosaic.chosen]
    return {
        "chosen": mosaic.chosen.value,
        "chosen_zh": zh,
        "chosen_en": en,
        "share_seen": round(float(mosaic.seen.mean()), 4),
        "share_seen_near": round(mosaic.share_near, 4),
        "true_colour": mosaic.true_colour,
        "looks": [
            {
                "day": day.isoformat(),
                "product_id": product_id,
                "share": round(float((mosaic.days == np.datetime64(day)).mean()), 4),
            }
            for day, product_id in mosaic.looks
        ],
    }


def _place(view: TipView) -> dict[str, Any]:
    """Give the place as GeoJSON."""
    return {
        "type": "FeatureCollection",
        "features": [
            {
                "type": "Feature",
                "geometry": json.loads(shapely.to_geojson(view.place)),
                "properties": {
                    "tip_id": view.tip.tip_id,
                    "day": view.tip.day.isoformat(),
                    "within_m": view.within_m,
                },
            }
        ],
    }


def _write_colours(path: Path, mosaic: Mosaic) -> None:
    """Write an image with opacity: what was not seen is transparent."""
    seen = mosaic.seen
    rgb = np.where(seen[..., None], mosaic.rgb, 0)
    bands = [*np.moveaxis(rgb, -1, 0), np.where(seen, 255, 0).astype(np.uint8)]
    zh, en = CHOSEN_LABELS[mosaic.chosen]
    days = " ".join(day.isoformat() for day, _ in mosaic.looks)
    tags = {
        "TITLE": f"{zh} {en}",
        "DAYS": days,
        "SCENES": " ".join(name for _, name in mosaic.looks),
    }
    _write(path, bands, mosaic.grid, tags=tags, photometric="RGB", alpha=True)


def _write_days(path: Path, view: TipView, grid: Grid) -> None:
    """Write the day of the look that each pixel of both images shows."""
    never = np.full(grid.shape, np.datetime64("NaT"), dtype="datetime64[D]")
    bands = []
    for mosaic in (view.before, view.after):
        days = never if mosaic is None else mosaic.days
        bands.append(np.where(np.isnat(days), NO_DATA, _numbers(days)))
    _write(
        path,
        bands,
        grid,
        tags={"TITLE": "影像各像元日期 day of each pixel, YYYYMMDD"},
        names=("before", "after"),
        nodata=NO_DATA,
    )


def _write_evidence(path: Path, evidence: EvidenceWindow) -> None:
    """Write what is known of each pixel."""
    bands = []
    for name, _ in EVIDENCE_BANDS:
        values: NDArray[Any] = getattr(evidence, name)
        if name == "score":
            values = np.rint(np.nan_to_num(values) * SCORE_STEPS)
        elif values.dtype.kind == "M":
            values = _numbers(values)
        band = values.astype(np.int32)
        if name not in {"last_clear", "n_clear", "near"}:
            band[~evidence.monitored] = NO_DATA
        bands.append(band)
    low, medium, high = evidence.levels
    _write(
        path,
        bands,
        evidence.grid,
        tags={
            "TITLE": "变化证据 evidence of change",
            "LEVELS_NATS": f"low {low:g} medium {medium:g} high {high:g}",
            **{name.upper(): meaning for name, meaning in EVIDENCE_BANDS},
        },
        names=tuple(name for name, _ in EVIDENCE_BANDS),
        nodata=NO_DATA,
    )


def _write(
    path: Path,
    bands: Sequence[NDArray[Any]],
    grid: Grid,
    *,
    tags: dict[str, str],
    names: Sequence[str] = (),
    nodata: int | None = None,
    photometric: str = "MINISBLACK",
    alpha: bool = False,
) -> None:
    """Write one GeoTIFF, compressed; the same numbers give the same bytes."""
    # heavy, and only images need it
    import rasterio  # noqa: PLC0415
    from rasterio.enums import ColorInterp  # noqa: PLC0415

    stack = np.stack(bands)
    if not alpha:
        stack = stack.astype(np.int32)
    try:
        # beside the target, so that it fails or fits where the target will be
        with (
            tempfile.TemporaryDirectory(
                prefix=f".{path.name}.", dir=path.parent
            ) as name,
            rasterio.Env(GDAL_NUM_THREADS="1", GDAL_PAM_ENABLED="NO"),
        ):
            draft = Path(name) / path.name
            with rasterio.open(
                draft,
                "w",
                driver="GTiff",
                dtype=stack.dtype,
                count=len(stack),
                height=grid.height,
                width=grid.width,
                crs=grid.crs,
                transform=rasterio.Affine(*grid.transform),
                nodata=nodata,
                photometric=photometric,
                compress="DEFLATE",
                tiled=True,
                blockxsize=256,
                blockysize=256,
                interleave="band",
            ) as file:
                if alpha:
                    file.colorinterp = (
                        ColorInterp.red,
                        ColorInterp.green,
                        ColorInterp.blue,
                        ColorInterp.alpha,
                    )
                file.write(stack)
                file.update_tags(**tags)
                for number, each in enumerate(names, start=1):
                    file.set_band_description(number, each)
            data = draft.read_bytes()
    except (OSError, rasterio.errors.RasterioError) as error:
        raise OutputError(
            f"{path} cannot be written: {error}; look for free space and the right "
            "to write, or choose another folder"
        ) from error
    write_atomic(path, data)


def _numbers(days: NDArray[np.datetime64]) -> NDArray[np.int32]:
    """Write days as YYYYMMDD, which people read in an attribute window; NaT is 0."""
    there = ~np.isnat(days)
    found = np.zeros(days.shape, dtype=np.int32)
    known = days[there].astype("datetime64[D]")
    years = known.astype("datetime64[Y]")
    months = known.astype("datetime64[M]")
    found[there] = (
        (years.astype(np.int64) + 1970) * 10_000
        + ((months - years.astype("datetime64[M]")).astype(np.int64) + 1) * 100
        + (known - months.astype("datetime64[D]")).astype(np.int64)
        + 1
    )
    return found


def _json(document: dict[str, Any]) -> bytes:
    """Write JSON as people and programs read it."""
    text = json.dumps(document, ensure_ascii=False, indent=1, allow_nan=False)
    return f"{text}\n".encode()


def _day(day: Any) -> str | None:  # noqa: ANN401 - a date or None
    """Write a day."""
    return None if day is None else day.isoformat()


def _rounded(value: float | None, digits: int) -> float | None:
    """Round what is known."""
    return None if value is None else round(value, digits)
