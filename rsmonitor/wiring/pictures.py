"""What draws the map of a run."""

from collections.abc import Callable
from pathlib import Path

from rsmonitor.errors import NoClearObservationError
from rsmonitor.interfaces import SceneSource
from rsmonitor.io.deliver.pictures.map import TRUE_COLOUR, Picture, render_map
from rsmonitor.pipeline import Job
from rsmonitor.pipeline.pictures import Composite, before_and_after
from rsmonitor.records.run import RunResult


def map_writer(source: SceneSource, job: Job) -> Callable[[Path, RunResult], None]:
    """
    Give what draws the map of a run.

    Parameters
    ----------
    source : SceneSource
        Where the images come from.
    job : Job
        What the run was asked.

    Returns
    -------
    callable
        Takes a folder and a result, and writes ``map.png`` there; one a grid where
        there are several. Where no look shows enough ground it draws nothing.
    """

    def write(folder: Path, result: RunResult) -> None:
        for grid in result.grids:
            products = source.find(grid, until=result.partition.week.end)
            try:
                before, after = before_and_after(
                    source, grid, products, parameters=job.parameters
                )
            except NoClearObservationError:
                continue
            one = len(result.grids) == 1
            name = "map.png" if one else f"map-{grid.grid_id}.png"
            render_map(
                folder / name,
                before=_picture(before),
                after=_picture(after),
                result=result,
                grid=grid,
            )

    return write


def _picture(composite: Composite) -> Picture:
    """Hand a composite to the map."""
    false_colour = ("假彩色（近红外）", "false colour (near infrared)")
    return Picture(
        rgb=composite.rgb,
        first_day=composite.days[0],
        last_day=composite.days[-1],
        rendering=TRUE_COLOUR if composite.true_colour else false_colour,
    )
