"""A scene's numbers held against what its metadata says of them.

Catalogues have said 'offset applied' where it was not and the reverse, and have served
bands full of 64,000. A wrong offset moves the NDVI of forest by 0.3, more than an
opened mine does; so every scene is held against physics before it counts as a look:

- No ground is darker than reflectance -0.05.
- Vegetation, water and shadow are darker than 0.09 in their darkest band, if B12 is
  there to see through haze; with B11 alone, water and shadow are. Where such ground or
  such bands are missing, the offset passes as 'not judged'.
- Nothing on the ground or in the sky reflects three times the light.
- Pixels with numbers are not 'no data', and a band does not have one value only.

Scenes: Element84/earth-search issues 66 (flag wrong in 2022) and 78 (64,000 to 65,000
in all 10 m bands of 38TPT, SCL 92 % class 0), gjoseph92/stackstac 241 (offset twice).
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from rsmonitor.records.offer import Numbers, Radiometry
from rsmonitor.records.rasters import Scl
from rsmonitor.stages.reflectance import NODATA_DN, SATURATED_DN

CHECK_VERSION: Final = 1
"""Changes when a threshold does, so that scenes are judged again."""

SHADE: Final = (Scl.DARK, Scl.CLOUD_SHADOW, Scl.WATER)
"""Classes that are dark in B11: haze that lifts the visible bands does not reach it."""

DARK_GROUND: Final = (*SHADE, Scl.VEGETATION)
"""Classes that are dark in B12 or, on a clear day, in a visible band."""

MIN_DARK_PIXELS: Final = 200
"""Fewer pixels of dark ground judge nothing. Of 20 m, so 8 ha."""

DARK_PERCENTILE: Final = 5
"""The floor of a band: not its minimum, which a defect decides."""

HIGHEST_FLOOR: Final = 0.09
"""Reflectance. A forgotten offset puts the floor at 0.1 and more; dark ground is below
0.04 in its darkest band."""

LOWEST_GROUND: Final = -0.05
"""Reflectance. Over-corrected shadows reach -0.03; an offset taken twice puts forest at
-0.06 to -0.09 in the visible bands."""

LOWEST_GROUND_SHARE: Final = 0.05
"""Of the measured pixels of a band; a wrong offset puts half of a forest there."""

IMPOSSIBLE_DN: Final = 30_000
"""Brighter than any cloud (20,000) or glint worth the name; what an unsigned number
below zero wraps to is above 64,000."""

IMPOSSIBLE_SHARE: Final = 0.001
"""Of the measured pixels of a band: single glints are no corruption."""

MIN_IMPOSSIBLE_PIXELS: Final = 20
"""And at least so many."""

CONTRADICTING_SHARE: Final = 0.25
"""Of the pixels that numbers or classes cover. At the edge of a swath they differ by a
pixel or two; in the corrupt scenes by 92 %."""

MIN_PIXELS: Final = 200
"""Fewer measured pixels judge nothing at all."""

_VALUES: Final = 2**16


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SceneTally:
    """Counts over the 20 m pixels of a scene; those of its parts add up."""

    bands: tuple[str, ...]
    """ESA names."""

    measured: NDArray[np.int64]
    """Pixels by digital number, shape (band, 65536); of 10 m bands the pixel in the
    north-west of each 20 m pixel."""

    shade: NDArray[np.int64]
    """The same, of `SHADE` alone."""

    dark: NDArray[np.int64]
    """The same, of `DARK_GROUND` alone."""

    unclassified: int
    """Pixels that all bands measured and that the classes call 'no data'."""

    complete: int
    """Pixels that all bands measured."""

    unmeasured: int
    """Pixels that have a class and that no band measured."""

    classified: int
    """Pixels that have a class."""

    unknown: int
    """Pixels whose class is none."""

    def __add__(self, other: "SceneTally") -> "SceneTally":
        if self.bands != other.bands:
            raise ValueError(f"bands differ: {self.bands} and {other.bands}")
        return SceneTally(
            bands=self.bands,
            measured=self.measured + other.measured,
            shade=self.shade + other.shade,
            dark=self.dark + other.dark,
            unclassified=self.unclassified + other.unclassified,
            complete=self.complete + other.complete,
            unmeasured=self.unmeasured + other.unmeasured,
            classified=self.classified + other.classified,
            unknown=self.unknown + other.unknown,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Soundness:
    """What the check says of a scene."""

    contradiction: str | None
    """Why the scene must not be used; None if nothing speaks against it."""

    offset_judged: bool
    """False where there was too little dark ground to judge the offset."""

    note: str
    """One sentence for the log."""


def tally(numbers: Numbers) -> SceneTally:
    """
    Count the numbers of one window.

    Parameters
    ----------
    numbers : Numbers
        As shipped.

    Returns
    -------
    SceneTally
        Adds up over windows.
    """
    bands = (*numbers.bands_10m, *numbers.bands_20m)
    planes = [*numbers.dn_10m[:, ::2, ::2], *numbers.dn_20m]
    scl = numbers.scl
    shade, dark = np.isin(scl, SHADE), np.isin(scl, DARK_GROUND)
    everywhere = np.ones(scl.shape, dtype=bool)
    anywhere = np.zeros(scl.shape, dtype=bool)
    counts = np.zeros((3, len(bands), _VALUES), dtype=np.int64)
    for index, plane in enumerate(planes):
        counts[0, index] = np.bincount(plane.ravel(), minlength=_VALUES)
        counts[1, index] = np.bincount(plane[shade], minlength=_VALUES)
        counts[2, index] = np.bincount(plane[dark], minlength=_VALUES)
        everywhere &= plane != NODATA_DN
        anywhere |= plane != NODATA_DN
    counts[:, :, NODATA_DN] = 0
    classified = scl != Scl.NO_DATA
    return SceneTally(
        bands=bands,
        measured=counts[0],
        shade=counts[1],
        dark=counts[2],
        unclassified=int((everywhere & ~classified).sum()),
        complete=int(everywhere.sum()),
        unmeasured=int((~anywhere & classified).sum()),
        classified=int(classified.sum()),
        unknown=int((scl > max(Scl)).sum()),
    )


def judge(counts: SceneTally, radiometry: Radiometry) -> Soundness:
    """
    Hold the numbers of a scene against its metadata and against physics.

    Parameters
    ----------
    counts : SceneTally
        Of the whole scene, or of what is read of it.
    radiometry : Radiometry
        What the metadata says is still to be done to the numbers.

    Returns
    -------
    Soundness
        Any contradiction, and whether the offset could be judged.
    """
    if counts.unknown:
        return _refused(
            f"{counts.unknown:,} pixels of SCL hold no class (0 to {int(max(Scl))})"
        )
    if max(counts.complete, counts.classified) < MIN_PIXELS:
        return _not_judged(f"not judged: fewer than {MIN_PIXELS} pixels measured")
    for reason in (
        _contradicting_classes(counts),
        _impossible(counts),
        _constant(counts),
        _offset_taken_twice(counts, radiometry),
    ):
        if reason is not None:
            return _refused(reason)
    return _floor(counts, radiometry)


def _refused(reason: str) -> Soundness:
    """Say that a scene must not be used."""
    return Soundness(contradiction=reason, offset_judged=True, note=reason)


def _not_judged(note: str) -> Soundness:
    """Let a scene pass that gives no hold."""
    return Soundness(contradiction=None, offset_judged=False, note=note)


def _contradicting_classes(counts: SceneTally) -> str | None:
    """Numbers without class, or classes without numbers."""
    if counts.unclassified > CONTRADICTING_SHARE * max(counts.complete, MIN_PIXELS):
        return (
            f"SCL says 'no data' for {counts.unclassified / counts.complete:.0%} of "
            "the pixels that all bands measured"
        )
    if counts.unmeasured > CONTRADICTING_SHARE * max(counts.classified, MIN_PIXELS):
        return (
            f"no band has numbers for {counts.unmeasured / counts.classified:.0%} of "
            "the pixels that SCL classifies"
        )
    return None


def _impossible(counts: SceneTally) -> str | None:
    """Numbers that no light makes."""
    for band, histogram in zip(counts.bands, counts.measured, strict=True):
        total = int(histogram.sum())
        wrong = int(histogram[IMPOSSIBLE_DN:SATURATED_DN].sum())
        if wrong >= max(MIN_IMPOSSIBLE_PIXELS, IMPOSSIBLE_SHARE * total):
            return (
                f"{band} holds digital numbers of {IMPOSSIBLE_DN:,} and more in "
                f"{wrong / total:.1%} of its pixels: no ground and no cloud is that "
                "bright"
            )
    return None


def _constant(counts: SceneTally) -> str | None:
    """Bands without numbers where others have them, or with one number only."""
    totals = counts.measured.sum(axis=1)
    for band, histogram, total in zip(
        counts.bands, counts.measured, totals, strict=True
    ):
        if total < MIN_PIXELS <= (1 - CONTRADICTING_SHARE) * totals.max():
            return (
                f"{band} has {int(total):,} pixels with numbers where other bands have "
                f"{int(totals.max()):,}"
            )
        if total >= MIN_PIXELS and np.count_nonzero(histogram) == 1:
            return f"{band} is {int(histogram.argmax())} everywhere"
    return None


def _offset_taken_twice(counts: SceneTally, radiometry: Radiometry) -> str | None:
    """Ground darker than black, if the metadata were right."""
    limit = _dn(LOWEST_GROUND, radiometry)
    for band, histogram in zip(counts.bands, counts.measured, strict=True):
        total = int(histogram.sum())
        below = int(histogram[: max(limit, 0)].sum())
        if total >= MIN_PIXELS and below > LOWEST_GROUND_SHARE * total:
            return (
                f"{below / total:.0%} of {band} would have a reflectance below "
                f"{LOWEST_GROUND} with the offset {radiometry.add_offset} "
                f"({radiometry.because}): the offset was taken off already"
            )
    return None


def _floor(counts: SceneTally, radiometry: Radiometry) -> Soundness:
    """Dark ground that is not dark in any band."""
    if "B12" in counts.bands:
        histograms, ground = counts.dark, "vegetation, water and shadow"
    elif "B11" in counts.bands:
        histograms, ground = counts.shade, "water and shadow"
    else:
        return _not_judged(
            "offset not judged: neither B11 nor B12, which see through haze"
        )
    floors = [
        (_percentile(histogram, DARK_PERCENTILE), band)
        for band, histogram in zip(counts.bands, histograms, strict=True)
        if int(histogram.sum()) >= MIN_DARK_PIXELS
    ]
    if not floors:
        return _not_judged(f"offset not judged: too little {ground}")
    floor, band = min(floors)
    told = (
        f"{DARK_PERCENTILE} % of {ground} have a digital number of {floor} or less in "
        f"{band}, the darkest band"
    )
    if floor >= _dn(HIGHEST_FLOOR, radiometry):
        return _refused(
            f"{told}, a reflectance of "
            f"{(floor + radiometry.add_offset) / radiometry.quantification_value:.3f} "
            f"with the offset {radiometry.add_offset} ({radiometry.because}): another "
            "offset is still in the numbers"
        )
    return Soundness(contradiction=None, offset_judged=True, note=told)


def _dn(reflectance: float, radiometry: Radiometry) -> int:
    """Digital number of a reflectance, by the metadata."""
    return round(reflectance * radiometry.quantification_value - radiometry.add_offset)


def _percentile(histogram: NDArray[np.int64], percent: float) -> int:
    """Smallest number with at least `percent` of the pixels at or below it."""
    cumulative = np.cumsum(histogram)
    return int(np.searchsorted(cumulative, cumulative[-1] * percent / 100))
