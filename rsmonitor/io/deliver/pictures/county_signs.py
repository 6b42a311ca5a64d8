"""Signs that a county's map and its legend share: marks, shades, lines, hatches.

Imports matplotlib's axes only for their type.
"""

from typing import TYPE_CHECKING, Any, Final

from rsmonitor.io.deliver.pictures.pen import INK, SOLID, Dashes
from rsmonitor.records.licence import LicenceKind
from rsmonitor.records.rasters import Tier
from rsmonitor.records.verdict import Category

if TYPE_CHECKING:
    from matplotlib.axes import Axes

CATEGORY_ORDER: Final = tuple(Category)
"""The weightiest first."""

TIER_MARKS: Final = {Tier.HIGH: "o", Tier.MEDIUM: "s", Tier.LOW: "^"}
"""Shapes, which a printer without colours keeps."""

COUNT_COLOURS: Final[tuple[tuple[tuple[int, int | None], str], ...]] = (
    ((0, 0), "#ffffff"),
    ((1, 4), "#fee8c8"),
    ((5, 9), "#fdcc8a"),
    ((10, 19), "#fc8d59"),
    ((20, 49), "#e34a33"),
    ((50, None), "#b30000"),
)
"""Least and most alerts, and the shade; the order survives a grey printer."""

SHADE: Final = 0.62
"""How opaque these are."""

BORDER: Final[dict[str, Any]] = {
    "color": INK,
    "linewidth": 1.1,
    "linestyle": (0, (6, 1.5, 1, 1.5)),
}
HATCH_OUTSIDE: Final = "////"
HATCH_UNSEEN: Final = "...."
LONG_UNSEEN_DAYS: Final = 60
"""Days since the last clear look from which an area is hatched."""

MARK_PT: Final = 5.0


def mark(
    axes: "Axes",
    spot: tuple[float, float],
    colour: str,
    shape: str,
    *,
    zorder: float = 4,
) -> None:
    """
    Draw the mark of an alert.

    Parameters
    ----------
    axes : Axes
        A map or a legend.
    spot : tuple of float
        Where, in its units.
    colour : str
        Its fill.
    shape : str
        One of `TIER_MARKS`.
    zorder : float
        What it lies over.
    """
    for edge, width in (("white", 1.7), (INK, 0.6)):
        axes.plot(
            *spot,
            shape,
            markersize=MARK_PT,
            markerfacecolor=colour,
            markeredgecolor=edge,
            markeredgewidth=width,
            linestyle="none",
            zorder=zorder,
        )


def count_class(count: int) -> int:
    """
    Say which shade of `COUNT_COLOURS` a number of alerts has.

    Parameters
    ----------
    count : int
        Alerts.

    Returns
    -------
    int
        Place in `COUNT_COLOURS`.
    """
    return max(i for i, ((least, _), _) in enumerate(COUNT_COLOURS) if count >= least)


def dashes_of(kind: LicenceKind, *, in_force: bool) -> Dashes:
    """
    Give the dashes of an outline: solid is a mining right in force.

    Parameters
    ----------
    kind : LicenceKind
        What it permits.
    in_force : bool
        Whether it does on the day.

    Returns
    -------
    Dashes
        As matplotlib takes them.
    """
    if not in_force:
        return (0, (0.8, 1.2))
    return SOLID if kind is LicenceKind.MINING else (0, (3.5, 1.2))
