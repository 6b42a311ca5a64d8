"""Words of the field pack in Chinese and English, and what strangers' words become."""

import re
from collections.abc import Mapping
from typing import Final

from rsmonitor.io.deliver.tables import clean
from rsmonitor.records.package import Language, Reason

LONGEST_NAME: Final = 40
"""Characters of a name that a stranger wrote."""

LONGEST_SENTENCE: Final = 240
"""Characters of a sentence: three lines of a sheet."""

NOT_APPLICABLE: Final = Reason(zh="不适用", en="n/a")
"""What stands where a notation does not reach."""

WORDS: Final[Mapping[str, Reason]] = {
    "title": Reason(zh="现场核查单", en="Field sheets"),
    "round": Reason(zh="走访顺序", en="Order of visits"),
    "visit": Reason(zh="走访", en="Visit"),
    "place": Reason(zh="关注序", en="Priority"),
    "name": Reason(zh="简称", en="Name"),
    "id": Reason(zh="线索编号", en="Alert id"),
    "county": Reason(zh="县（市、区）", en="County"),
    "category": Reason(zh="类别", en="Category"),
    "area": Reason(zh="面积", en="Area"),
    "mu": Reason(zh="亩", en="mu"),
    "tier": Reason(zh="证据等级", en="Evidence"),
    "leg": Reason(zh="距上一站（直线）", en="straight from the last stop"),
    "km": Reason(zh="公里", en="km"),
    "seen": Reason(zh="首见/末见/晴空", en="First, last, clear"),
    "due": Reason(zh="核查期限", en="Due"),
    "none": Reason(zh="无", en="none"),
    "point": Reason(zh="到达点（图斑内）", en="Point to go to (inside the site)"),
    "degrees": Reason(zh="WGS 84 十进制度", en="WGS 84 decimal degrees"),
    "dms": Reason(zh="WGS 84 度分秒", en="WGS 84 degrees, minutes, seconds"),
    "lat": Reason(zh="纬度", en="latitude"),
    "lon": Reason(zh="经度", en="longitude"),
    "grid": Reason(zh="CGCS2000 3度带", en="CGCS2000 3-degree zone"),
    "zone": Reason(zh="带号", en="zone"),
    "north": Reason(zh="北坐标 X", en="northing X"),
    "east": Reason(zh="东坐标 Y（含带号）", en="easting Y (with zone)"),
    "web": Reason(
        zh="GCJ-02（仅用于手机地图，勿填入文书）",
        en="GCJ-02 (phone maps only, never in documents)",
    ),
    "no_image": Reason(zh="无可用影像", en="no image"),
    "infrared": Reason(zh="蓝波段以近红外代替", en="near infrared for blue"),
    "look_for": Reason(zh="现场查看", en="What to look for"),
    "why": Reason(zh="列入原因", en="Why it is listed"),
    "causes": Reason(zh="可能成因", en="Probable causes"),
    "near": Reason(zh="附近许可", en="Licences near"),
    "qr_plain": Reason(
        zh="扫码得坐标文字（WGS 84），不联网",
        en="Coordinates as text (WGS 84), offline",
    ),
    "qr_map": Reason(
        zh="扫码开地图：坐标将发送给第三方",
        en="Opens a map: sends the coordinates to a third party",
    ),
    "filled": Reason(zh="现场填写", en="To be filled in on site"),
    "verdict": Reason(zh="核查结果", en="Verdict"),
    "cause": Reason(zh="实际成因", en="Cause found"),
    "who": Reason(zh="核查人", en="Who"),
    "date": Reason(zh="核查日期", en="Date"),
    "photos": Reason(zh="照片编号", en="Photos"),
    "note": Reason(zh="情况说明", en="Notes"),
    "signature": Reason(zh="签字", en="Signature"),
    "week": Reason(zh="周次", en="Week"),
    "empty": Reason(zh="本周没有图斑。", en="There is no site this week."),
    "back": Reason(zh="返回起点", en="back to the start"),
}
"""By key, which a template uses too."""

_MARKS: Final = re.compile("[\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff]")
"""Characters that turn the direction of a text, or hide in it."""


def words_in(language: Language) -> dict[str, str]:
    """
    Give all words in one language.

    Parameters
    ----------
    language : str
        ``zh`` or ``en``.

    Returns
    -------
    dict of str to str
        By key.
    """
    return {key: words[language] for key, words in WORDS.items()}


def one_line(text: str, most: int = LONGEST_NAME) -> str:
    """
    Make a text that a stranger wrote fit for one line of a page.

    Parameters
    ----------
    text : str
        Any text.
    most : int, default 40
        Characters that are kept.

    Returns
    -------
    str
        Without line breaks, control characters and marks of direction.

    Examples
    --------
    >>> one_line("a" + chr(10) + "b" + chr(0x202E) + "c"), one_line("long name", 5)
    ('a bc', 'long…')
    """
    flat = " ".join(_MARKS.sub("", clean(text)).split())
    return flat if len(flat) <= most else flat[: most - 1].rstrip() + "…"
