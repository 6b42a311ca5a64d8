"""How the pages say things: areas, days, places, and texts that strangers wrote."""

import math
import re
from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from typing import Any, Final

from shapely import Point

from rsmonitor.io.deliver.pictures.typeface import Typeface, find_typeface
from rsmonitor.io.deliver.tables import clean
from rsmonitor.records.alert import M2_PER_MU, NOTICE, NOTICE_INVENTED
from rsmonitor.records.package import Area, Language, Package
from rsmonitor.records.week import IsoWeek
from rsmonitor.stages.coordinates import dms, gauss_krueger

LONGEST_NAME: Final = 60
"""Characters of a name that a table or a line has room for."""

LONGEST_SENTENCE: Final = 240
"""Characters of what people wrote that a page has room for."""

SHOWN_RUNS: Final = 2
"""Runs that a footer names; a province has more."""

_RUN: Final = re.compile(r"[^\s\u2e80-\uffef]{25,}")
"""Letters and digits without a place to break the line."""

_LONG_RUN: Final = re.compile(r"[^\s\u2e80-\uffef]{100,}")
"""The same where a reader copies what stands there: longer than any product id."""

_COPIED: Final = frozenset({"imprint", "scenes"})
"""Keys whose texts are copied, and so hold no invisible character."""

_BREAK: Final = "\u200b"
_SENTINEL2: Final = re.compile(
    r"(S2[ABC])_MSI(L[0-9][AC])_([0-9]{4})([0-9]{2})([0-9]{2})T[0-9]{6}_N[0-9]{4}"
    r"_(R[0-9]{3})_(T[0-9A-Z]{5})_.*"
)
_LONG_SCENE: Final = 30


def pick(language: Language, label: tuple[str, str]) -> str:
    """
    Choose a label.

    Parameters
    ----------
    language : Language
        Which.
    label : tuple of str
        Chinese and English.

    Returns
    -------
    str
        One of both.
    """
    return label[0] if language == "zh" else label[1]


def brief(text: str, most: int = LONGEST_NAME) -> str:
    """
    Shorten a text that somebody wrote, and say that it was longer.

    Parameters
    ----------
    text : str
        Any text.
    most : int
        Characters that are kept.

    Returns
    -------
    str
        One line; it ends in an ellipsis where something is missing.

    Examples
    --------
    >>> brief("abc  def", 5)
    'abc …'
    """
    line = " ".join(clean(text).split())
    return line if len(line) <= most else f"{line[: most - 1]}…"


def printable(value: Any) -> Any:  # noqa: ANN401 - whatever JSON can hold
    """
    Make every text of some data such that the typesetter can print it.

    Parameters
    ----------
    value : JSON value
        Texts, numbers, lists and mappings.

    Returns
    -------
    JSON value
        The same; 〓 stands for each character that the face cannot draw, control
        characters are gone, and long runs of letters may be broken at the end of a
        line.

    Raises
    ------
    OutputError
        If the typeface is missing.
    """
    return _printable(value, find_typeface(), _RUN)


def _printable(value: Any, face: Typeface, run: re.Pattern[str]) -> Any:  # noqa: ANN401 - as above
    """Walk through the data."""
    if isinstance(value, str):
        return run.sub(_broken, face.drawable(" ".join(clean(value).split())))
    if isinstance(value, Mapping):
        return {
            key: _printable(each, face, _LONG_RUN if key in _COPIED else run)
            for key, each in value.items()
        }
    if isinstance(value, (list, tuple)):
        return [_printable(each, face, run) for each in value]
    return value


def _broken(run: re.Match[str]) -> str:
    """Allow a line to end within a run: after a hyphen or underscore, if it has any."""
    pieces = re.findall(r"[^_/.@-]{1,12}[_/.@-]*|[_/.@-]{1,12}", run[0])
    return _BREAK.join(pieces)


def mu(area_m2: float) -> str:
    """
    Write an area in mu.

    Parameters
    ----------
    area_m2 : float
        Square metres.

    Returns
    -------
    str
        With one decimal, from a thousand on with none.

    Examples
    --------
    >>> mu(6700.0), mu(6.7e6)
    ('10.1', '10,050')
    """
    area = area_m2 / M2_PER_MU
    return f"{area:,.1f}" if area < 999.95 else f"{area:,.0f}"  # noqa: PLR2004 - rounds to 1000.0


def area_words(language: Language, area_m2: float) -> str:
    """
    Write an area in mu and in square metres.

    Parameters
    ----------
    language : Language
        Which.
    area_m2 : float
        Square metres.

    Returns
    -------
    str
        Both.

    Examples
    --------
    >>> area_words("en", 6700.0)
    '10.1 mu (6,700 m²)'
    """
    if language == "zh":
        return f"{mu(area_m2)} 亩（{area_m2:,.0f} m²）"
    return f"{mu(area_m2)} mu ({area_m2:,.0f} m²)"


def percent(share: float, language: Language) -> str:
    """
    Write a share, or say that there is none.

    Parameters
    ----------
    share : float
        0 to 1, or NaN.
    language : Language
        Which.

    Returns
    -------
    str
        Whole percent; what is more than nothing and less than all never reads so.

    Examples
    --------
    >>> percent(0.004, "en"), percent(0.999, "en"), percent(1.0, "en")
    ('<1%', '>99%', '100%')
    """
    if math.isnan(share):
        return pick(language, ("未测", "not measured"))
    smallest = 0.005
    if 0 < share < smallest:
        return "<1%"
    if 1 - smallest <= share < 1:
        return ">99%"
    return f"{share:.0%}"


def decimal_place(point: Point) -> str:
    """
    Write coordinates as decimal degrees.

    Parameters
    ----------
    point : Point
        CRS84.

    Returns
    -------
    str
        Longitude and latitude, six decimals (a tenth of a metre).

    Examples
    --------
    >>> decimal_place(Point(115.5, -25.25))
    '115.500000°E, 25.250000°S'
    """
    east, north = "E" if point.x >= 0 else "W", "N" if point.y >= 0 else "S"
    return f"{abs(point.x):.6f}°{east}, {abs(point.y):.6f}°{north}"


def sexagesimal_place(point: Point) -> str:
    """
    Write coordinates as degrees, minutes and seconds.

    Parameters
    ----------
    point : Point
        CRS84.

    Returns
    -------
    str
        Seconds with three decimals (3 cm); never 60 of them.

    Examples
    --------
    >>> sexagesimal_place(Point(115.9999999, 25.5)).encode("ascii", "replace")
    b'116?00?00.000?E, 25?30?00.000?N'
    """
    return f"{dms(point.x, 'EW')}, {dms(point.y, 'NS')}"


def plane_place(point: Point) -> str:
    """
    Write coordinates in a zone of three degrees of CGCS2000, as cadastres have them.

    Parameters
    ----------
    point : Point
        CRS84.

    Returns
    -------
    str
        X to the north and Y to the east with the zone before it, metres; empty outside
        the zones of China.

    Examples
    --------
    >>> plane_place(Point(115.65, 24.95)).split()[-1][:4], plane_place(Point(22.1, 45))
    ('Y=39', '')
    """
    there = gauss_krueger(point)
    if there is None:
        return ""
    return f"X={there.northing_m:.2f}, Y={there.easting_m:.2f}"


def interval(language: Language, after: date | None, by: date) -> str:
    """
    Say between which looks something began.

    Parameters
    ----------
    language : Language
        Which.
    after : date or None
        Last clear look that saw nothing; None if there was none.
    by : date
        First clear look that saw it.

    Returns
    -------
    str
        The interval, closed at its end.
    """
    if after is None:
        return pick(
            language,
            (
                f"{by} 或更早（此前无晴空影像）",
                f"on or before {by} (no clear look before)",
            ),
        )
    return pick(
        language,
        (f"{after} 之后，{by} 或之前", f"after {after}, by {by} at the latest"),
    )


def span(language: Language, days: Sequence[date]) -> str:
    """
    Write the days of some looks.

    Parameters
    ----------
    language : Language
        Which.
    days : sequence of date
        Oldest first.

    Returns
    -------
    str
        One day, or the first and the last.
    """
    if not days:
        return ""
    first, last = min(days), max(days)
    if first == last:
        return first.isoformat()
    return pick(language, (f"{first} 至 {last}", f"{first} to {last}"))


def week_words(language: Language, week: IsoWeek) -> str:
    """
    Write a week with its Monday and its Sunday.

    Parameters
    ----------
    language : Language
        Which.
    week : IsoWeek
        The week.

    Returns
    -------
    str
        The ISO name among it.

    Examples
    --------
    >>> week_words("en", IsoWeek(year=2020, week=53))
    'week 53 of 2020 (2020-W53), Monday 2020-12-28 to Sunday 2021-01-03'
    """
    sunday = week.last_day
    monday = sunday - timedelta(days=6)
    if language == "zh":

        def day(each: date) -> str:
            return f"{each.year}年{each.month}月{each.day}日"

        return (
            f"{week.year}年第{week.week}周（{week}），"
            f"{day(monday)}（周一）至{day(sunday)}（周日）"
        )
    return (
        f"week {week.week} of {week.year} ({week}), Monday {monday} to Sunday {sunday}"
    )


def scene_words(product_id: str) -> str:
    """
    Shorten the name of a look for a caption; the full one stands in small print.

    Parameters
    ----------
    product_id : str
        `Product.product_id`.

    Returns
    -------
    str
        Satellite, level, orbit and tile of a Sentinel-2 product; of any other, its
        beginning and its end.

    Examples
    --------
    >>> scene_words("S2A_MSIL2A_20201003T092031_N0500_R093_T34TFQ_20201003T120000")
    'S2A L2A R093 T34TFQ'
    >>> scene_words("sentinel2_cube_subset_romania_10m@20190904")
    'sentinel2_cu…10m@20190904'
    """
    found = _SENTINEL2.fullmatch(product_id)
    if found:
        return f"{found[1]} {found[2]} {found[6]} {found[7]}"
    if len(product_id) <= _LONG_SCENE:
        return product_id
    return f"{product_id[:12]}…{product_id[-12:]}"


def area_name(package: Package, area: Area) -> str:
    """
    Name an area in the language of a package.

    Parameters
    ----------
    package : Package
        Whose pages.
    area : Area
        The area.

    Returns
    -------
    str
        Its name, not longer than a line.
    """
    return brief(area.name_zh if package.language == "zh" else area.name_en)


def notices(package: Package) -> list[dict[str, str]]:
    """
    Give the sentences that every product carries, the reader's language first.

    Parameters
    ----------
    package : Package
        The package.

    Returns
    -------
    list of dict
        ``main`` and ``other`` of each.
    """
    told = []
    for sentence in (NOTICE, NOTICE_INVENTED) if package.invented else (NOTICE,):
        cut = sentence.rindex("。") + 1
        both = sentence[:cut], sentence[cut:].strip()
        told.append(
            {
                "main": pick(package.language, both),
                "other": pick(package.language, (both[1], both[0])),
            }
        )
    return told


def imprint(package: Package) -> list[str]:
    """
    Say what a page was made by and from, for its foot.

    Parameters
    ----------
    package : Package
        The package.

    Returns
    -------
    list of str
        Software, settings, licences; then the runs.
    """
    language = package.language
    runs = list(package.runs[:SHOWN_RUNS])
    more = len(package.runs) - len(runs)
    if more > 0:
        runs.append(pick(language, (f"另有 {more} 次", f"{more} more")))
    labels = [
        package.software,
        pick(language, ("参数", "settings")) + f" {package.settings_digest[:12]}",
        pick(language, ("许可证库", "licences")) + f" {package.register.snapshot_id}",
    ]
    run = pick(language, ("运行", "runs"))
    return [" · ".join(labels), f"{run} {', '.join(runs)}"]
