"""Small SAFE products and folders of images, written as ESA names them."""

import hashlib
import json
import shutil
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from affine import Affine
from numpy.typing import NDArray

from rsmonitor.records.offer import BANDS_10M
from rsmonitor.stages.tiling import tile_grid

TILE = "50RKN"
NAME = "S2B_MSIL2A_20230821T025541_N0509_R032_T50RKN_20230821T054321"
BANDS = ("B02", "B03", "B04", "B08", "B05", "B8A", "B11", "B12")

OFFSETS = "".join(
    f'<BOA_ADD_OFFSET band_id="{band}">-1000</BOA_ADD_OFFSET>' for band in range(13)
)

PRODUCT = """<?xml version="1.0" encoding="UTF-8"?>
<n1:Level-2A_User_Product xmlns:n1="https://psd-14.sentinel2.eo.esa.int/PSD/x.xsd">
<n1:General_Info><Product_Info>
<PRODUCT_URI>{name}.SAFE</PRODUCT_URI>
<PROCESSING_LEVEL>{level}</PROCESSING_LEVEL>
<PROCESSING_BASELINE>{version}</PROCESSING_BASELINE>
<GENERATION_TIME>2023-08-21T05:43:21.000000Z</GENERATION_TIME>
<Datatake datatakeIdentifier="GS2B_20230821T025541_033742_N05.09">
<SPACECRAFT_NAME>{spacecraft}</SPACECRAFT_NAME>
<DATATAKE_SENSING_START>2023-08-21T02:55:41.024Z</DATATAKE_SENSING_START>
</Datatake>
<Granule_List><Granule>{images}</Granule></Granule_List>
</Product_Info><Product_Image_Characteristics>
<BOA_QUANTIFICATION_VALUE unit="none">10000</BOA_QUANTIFICATION_VALUE>
<BOA_ADD_OFFSET_VALUES_LIST>{offsets}</BOA_ADD_OFFSET_VALUES_LIST>
</Product_Image_Characteristics></n1:General_Info>
<n1:Geometric_Info><EXT_POS_LIST>25.4 113.9 25.4 115.1 24.2 115.1 24.2 113.9 25.4 113.9
</EXT_POS_LIST></n1:Geometric_Info>
<n1:Quality_Indicators_Info>
<Cloud_Coverage_Assessment>{cloud}</Cloud_Coverage_Assessment>
</n1:Quality_Indicators_Info></n1:Level-2A_User_Product>
"""

TILE_XML = """<?xml version="1.0" encoding="UTF-8"?>
<n1:Level-2A_Tile_ID xmlns:n1="https://psd-14.sentinel2.eo.esa.int/PSD/y.xsd">
<TILE_ID>S2B_OPER_MSI_L2A_TL_2BPS_20230821T054321_A033742_T{tile}_N05.09</TILE_ID>
<SENSING_TIME>2023-08-21T03:06:11.512Z</SENSING_TIME>
<HORIZONTAL_CS_CODE>{crs}</HORIZONTAL_CS_CODE>
{sizes}</n1:Level-2A_Tile_ID>
"""

STRIP_XML = """<?xml version="1.0"?><n1:DS xmlns:n1="https://psd-14"><n1:Geometric_Info>
<Image_Refining flag="{flag}" metadataLevel="Brief"/></n1:Geometric_Info></n1:DS>
"""

GRANULE = "GRANULE/L2A_T50RKN_A033742_20230821T030611"
STRIP = "DATASTRIP/DS_2BPS_20230821T054321_S20230821T030611/MTD_DS.xml"


@dataclass
class Safe:
    """What goes into one product."""

    side: int = 128
    """Rows and columns of 10 m, from the corner of the tile."""
    name: str = NAME
    level: str = "Level-2A"
    version: str = "05.09"
    spacecraft: str = "Sentinel-2B"
    offsets: str = OFFSETS
    cloud: str = "12.5"
    flag: str = "REFINED"
    tile: str = TILE
    crs: str = "EPSG:32650"
    driver: str = "JP2OpenJPEG"
    seed: int = 0
    checksum: str = "MD5"
    files: dict[str, bytes] = field(default_factory=dict)
    """Replaces or adds files, after all others were written."""

    def values(self, band: str) -> NDArray[Any]:
        size = self.side if band in BANDS_10M else self.side // 2
        random = np.random.default_rng([self.seed, *band.encode()])
        if band == "SCL":
            return random.integers(2, 8, (size, size), dtype=np.uint8)
        return random.integers(1000, 6000, (size, size), dtype=np.uint16)

    def stem(self, band: str) -> str:
        size = 10 if band in BANDS_10M else 20
        return (
            f"{GRANULE}/IMG_DATA/R{size}m/T{self.tile}_20230821T025541_{band}_{size}m"
        )

    def write(self, parent: Path) -> Path:
        """Write a SAFE folder."""
        folder = parent / f"{self.name}.SAFE"
        ending = ".jp2" if self.driver == "JP2OpenJPEG" else ".tif"
        listed = []
        for band in (*BANDS, "SCL"):
            path = folder / (self.stem(band) + ending)
            path.parent.mkdir(parents=True, exist_ok=True)
            write_image(path, self.values(band), 10 if band in BANDS_10M else 20)
            listed.append(path)
        sizes = "".join(
            f'<Size resolution="{size}"><NROWS>{rows}</NROWS>'
            f"<NCOLS>{rows}</NCOLS></Size>"
            f'<Geoposition resolution="{size}"><ULX>{tile_grid(TILE).left:.0f}</ULX>'
            f"<ULY>{tile_grid(TILE).top:.0f}</ULY></Geoposition>"
            for size, rows in ((10, self.side), (20, self.side // 2))
        )
        texts = {
            "MTD_MSIL2A.xml": PRODUCT.format(
                name=self.name,
                level=self.level,
                version=self.version,
                spacecraft=self.spacecraft,
                offsets=self.offsets,
                cloud=self.cloud,
                images="".join(
                    f"<IMAGE_FILE>{self.stem(band)}</IMAGE_FILE>"
                    for band in (*BANDS, "SCL")
                ),
            ),
            f"{GRANULE}/MTD_TL.xml": TILE_XML.format(
                tile=self.tile, crs=self.crs, sizes=sizes
            ),
            STRIP: STRIP_XML.format(flag=self.flag),
            "manifest.safe": self.manifest(folder, listed),
        }
        for name, text in texts.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(text, encoding="utf-8")
        for name, data in self.files.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(data)
        return folder

    def manifest(self, folder: Path, listed: list[Path]) -> str:
        digest = {"MD5": hashlib.md5, "SHA3-256": hashlib.sha3_256}[self.checksum]
        streams = "".join(
            f'<byteStream size="{path.stat().st_size}">'
            f'<fileLocation href="./{path.relative_to(folder).as_posix()}"/>'
            f'<checksum checksumName="{self.checksum}">'
            f"{digest(path.read_bytes()).hexdigest().upper()}</checksum></byteStream>"
            for path in listed
        )
        return f"<?xml version='1.0'?><XFDU>{streams}</XFDU>"

    def write_zip(self, parent: Path, *, deflate: bool = False) -> Path:
        """Write the same as a zip, and no folder."""
        folder = self.write(parent)
        path = parent / f"{self.name}.zip"
        method = zipfile.ZIP_DEFLATED if deflate else zipfile.ZIP_STORED
        with zipfile.ZipFile(path, "w", method) as archive:
            for member in sorted(folder.rglob("*")):
                archive.write(member, member.relative_to(parent).as_posix())
        shutil.rmtree(folder)
        return path


def write_image(
    path: Path, values: NDArray[Any], pixel: int, *, row: int = 0, col: int = 0
) -> None:
    """Write one band from a row and column of the tile on, counted at its sampling."""
    tile = tile_grid(TILE)
    options: dict[str, Any] = {"tiled": True, "blockxsize": 64, "blockysize": 64}
    if path.suffix == ".jp2":
        options = {"QUALITY": "100", "REVERSIBLE": "YES", "BLOCKXSIZE": 64}
        options["BLOCKYSIZE"] = 64
    with rasterio.open(
        path,
        "w",
        driver="JP2OpenJPEG" if path.suffix == ".jp2" else "GTiff",
        count=1,
        dtype=values.dtype,
        height=values.shape[0],
        width=values.shape[1],
        crs=tile.crs,
        transform=Affine(
            pixel, 0, tile.left + pixel * col, 0, -pixel, tile.top - pixel * row
        ),
        **options,
    ) as file:
        file.write(values, 1)


DESCRIPTION: Mapping[str, Any] = {
    "product_id": "office-2023-08-21",
    "mgrs_tile": TILE,
    "platform": "S2B",
    "sensed_at": "2023-08-21T03:06:11Z",
    "add_offset": -1000,
    "quantification_value": 10_000,
}


def write_images(
    folder: Path, safe: Safe, *, row: int = 0, col: int = 0, **changes: object
) -> Path:
    """Write a folder of GeoTIFFs with our own description."""
    folder.mkdir(parents=True)
    for band in (*BANDS, "SCL"):
        size = 10 if band in BANDS_10M else 20
        write_image(
            folder / f"scene_{band}_{size}m.tif",
            safe.values(band),
            size,
            row=row * 10 // size,
            col=col * 10 // size,
        )
    described = {**DESCRIPTION, **changes}
    (folder / "product.json").write_text(json.dumps(described), encoding="utf-8")
    return folder
