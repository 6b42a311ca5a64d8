"""What each file of a field pack is, in Chinese and then in English."""

from typing import Final

from rsmonitor.io.deliver.field.visits import Plan
from rsmonitor.io.deliver.field.words import one_line

SHEETS: Final = "1-sheets.pdf"
KMZ: Final = "2-sites.kmz"
WORKBOOK: Final = "3-sites.xlsx"
README: Final = "README.txt"
CORNERS: Final = "corners.txt"
CSV: Final = "sites.csv"
GPX: Final = "sites.gpx"

_ZH: Final = f"""
{SHEETS}    核查单：先是走访清单，其后每个图斑一页 A4，可黑白打印
{KMZ}     点位、范围、走访路线和影像，图片都在文件内；
                用奥维、Google Earth 等打开
{WORKBOOK}    核查表：黄色格填写后交回，用 rsmonitor triage import 导入
{GPX}       手持 GPS 用的航点、路线和范围
{CSV}       与核查表内容相同的文本表格（UTF-8）
{CORNERS}     各图斑角点：CGCS2000 3度带，北坐标 X、东坐标 Y（含带号）

坐标系：除标明者外均为 WGS 84 经纬度，与 CGCS2000 相差不到半米。
高德、腾讯等手机地图使用 GCJ-02，与 WGS 84 相差可达七百米：
只有标明 GCJ-02 的数值可输入这类地图，且不得写入文书。
百度地图另有偏移，两者都不适用。
到达点保证在图斑范围之内。影像像元为 10 米，范围误差可达一两个像元。
核查单上的二维码是坐标文字，扫码不联网。"""

_EN: Final = f"""
{SHEETS}    a list of the visits, then an A4 sheet a site; prints in
                black and white
{KMZ}     points, outlines, the round and images, all inside; for
                Google Earth, Ovital and others
{WORKBOOK}    the table: fill in the yellow cells and send it back; it is
                read with rsmonitor triage import
{GPX}       waypoints, route and outlines for a GPS receiver
{CSV}       the same table as text (UTF-8)
{CORNERS}     corners of the outlines: CGCS2000, 3-degree zones,
                northing X, easting Y with the zone before it

Datum: WGS 84 longitude and latitude unless said otherwise; CGCS2000
equals it to half a metre. Chinese phone maps use GCJ-02, which is up to
700 metres off: only values marked GCJ-02 go into such a map, and never
into documents. Baidu's maps are shifted once more; neither fits there.
The point to go to lies inside the site. Pixels are 10 m: an outline may
be a pixel or two off.
The code on a sheet is text: reading it needs no network."""

_MAP_LINK: Final = (
    "第二个二维码会打开地图，并把坐标发送给第三方。",
    "The second code opens a map and sends the coordinates to a third party.",
)


def readme_txt(plan: Plan) -> bytes:
    """
    Say what each file is, and what its coordinates are.

    Parameters
    ----------
    plan : Plan
        The week's visits.

    Returns
    -------
    bytes
        UTF-8 with BOM and line ends as Windows has them.
    """
    package = plan.package
    area, week = package.area, package.week
    zh, en = ([text] if package.map_links else [] for text in _MAP_LINK)
    lines = (
        *(f"现场核查包 {one_line(area.name_zh)} {week}", "", plan.notice.zh),
        *_ZH.splitlines(),
        *zh,
        *(remark.zh for remark in plan.remarks),
        *("", f"Field pack {one_line(area.name_en)} {week}", "", plan.notice.en),
        *_EN.splitlines(),
        *en,
        *(remark.en for remark in plan.remarks),
        *("", package.software),
    )
    return "".join(f"{line}\r\n" for line in lines).encode("utf-8-sig")
