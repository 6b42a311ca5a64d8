"""What Sentinel Hub is asked to compute: nothing but the numbers of one product.

A request names an area and a time; there the service finds every tile that overlaps,
from neighbouring UTM zones too, and every version of the product, and would mosaic
them. So the scripts keep the tiles of one product only, and say in ``userdata`` which
they kept, for the client to check.
"""

import json
from collections.abc import Sequence
from typing import Final

from rsmonitor.errors import ContractError
from rsmonitor.records.offer import BANDS_10M, BANDS_20M

BANDS_ID: Final = "default"
"""Name of the output that holds the bands: one TIFF, a band a layer, in their order."""

CLASSES_ID: Final = "classes"
"""Name of the output that holds the scene classification."""

USERDATA_ID: Final = "userdata"
"""Name of the output that says which tiles were used."""

_SELECTION: Final = """\
function isWanted(tile) {
  const names = [tile.productId, tile.sentinel2ProductId, tile.dataPath]
    .filter(function (name) { return typeof name === "string"; });
  if (names.some(function (name) { return name.indexOf(WANTED.product) >= 0; })) {
    return true;
  }
  if (names.some(function (name) { return name.indexOf("_MSIL2A_") >= 0; })) {
    return false;
  }
  const granule = String(tile.tileOriginalId || "");
  return granule.indexOf("_T" + WANTED.tile + "_N" + WANTED.version) >= 0;
}
function preProcessScenes(collections) {
  collections.scenes.tiles = collections.scenes.tiles.filter(isWanted);
  return collections;
}
function updateOutputMetadata(scenes, inputMetadata, outputMetadata) {
  const tiles = (scenes && scenes.tiles) || [];
  outputMetadata.userData = {
    tiles: tiles.map(function (tile) {
      return {
        productId: tile.productId || tile.sentinel2ProductId || null,
        dataPath: tile.dataPath || null,
        tileOriginalId: tile.tileOriginalId || null,
        date: tile.date || null
      };
    })
  };
}
"""

_SCRIPT_10M: Final = """\
function setup() {
  return {
    input: [{ bands: BANDS.concat(["dataMask"]), units: "DN" }],
    output: [{ id: "default", bands: BANDS.length, sampleType: "UINT16" }],
    mosaicking: "TILE"
  };
}
function evaluatePixel(samples) {
  const seen = samples.length > 0 && samples[0].dataMask;
  return {
    default: BANDS.map(function (band) { return seen ? samples[0][band] : 0; })
  };
}
"""

_SCRIPT_CLASSES: Final = """\
function setup() {
  return {
    input: [{ bands: ["SCL", "dataMask"], units: "DN" }],
    output: [{ id: "classes", bands: 1, sampleType: "UINT8" }],
    mosaicking: "TILE"
  };
}
function evaluatePixel(samples) {
  const seen = samples.length > 0 && samples[0].dataMask;
  return { classes: [seen ? samples[0].SCL : 0] };
}
"""

_SCRIPT_20M: Final = """\
function setup() {
  return {
    input: [{ bands: BANDS.concat(["SCL", "dataMask"]), units: "DN" }],
    output: [
      { id: "default", bands: BANDS.length, sampleType: "UINT16" },
      { id: "classes", bands: 1, sampleType: "UINT8" }
    ],
    mosaicking: "TILE"
  };
}
function evaluatePixel(samples) {
  const seen = samples.length > 0 && samples[0].dataMask;
  return {
    default: BANDS.map(function (band) { return seen ? samples[0][band] : 0; }),
    classes: [seen ? samples[0].SCL : 0]
  };
}
"""


def script_10m(
    bands: Sequence[str], *, product_id: str, mgrs_tile: str, version: str
) -> str:
    """
    Write the evalscript for the 10 m bands of one product.

    Parameters
    ----------
    bands : sequence of str
        ESA names of 10 m bands.
    product_id : str
        ESA's product name without ``.SAFE``.
    mgrs_tile : str
        The product's tile.
    version : str
        Its processing baseline, such as ``05.10``.

    Returns
    -------
    str
        JavaScript for the Process API, version 3.

    Raises
    ------
    ContractError
        If a band has no 10 m pixels.
    """
    _require(bands, BANDS_10M)
    head = _head(bands, product_id=product_id, mgrs_tile=mgrs_tile, version=version)
    return head + _SELECTION + _SCRIPT_10M


def script_20m(
    bands: Sequence[str], *, product_id: str, mgrs_tile: str, version: str
) -> str:
    """
    Write the evalscript for the 20 m bands and the classes of one product.

    Parameters
    ----------
    bands : sequence of str
        ESA names of 20 m bands; none for the classes alone.
    product_id : str
        ESA's product name without ``.SAFE``.
    mgrs_tile : str
        The product's tile.
    version : str
        Its processing baseline, such as ``05.10``.

    Returns
    -------
    str
        JavaScript for the Process API, version 3.

    Raises
    ------
    ContractError
        If a band has no 20 m pixels.
    """
    _require(bands, BANDS_20M)
    head = _head(bands, product_id=product_id, mgrs_tile=mgrs_tile, version=version)
    return head + _SELECTION + (_SCRIPT_20M if bands else _SCRIPT_CLASSES)


def _require(bands: Sequence[str], known: tuple[str, ...]) -> None:
    """Refuse bands of another sampling: they would be resampled in silence."""
    if wrong := [band for band in bands if band not in known]:
        raise ContractError(f"{', '.join(wrong)} is not one of {', '.join(known)}")


def _head(
    bands: Sequence[str], *, product_id: str, mgrs_tile: str, version: str
) -> str:
    """Write what differs between scripts, as JSON so that nothing can break out."""
    wanted = {"product": product_id, "tile": mgrs_tile, "version": version}
    return (
        "//VERSION=3\n"
        f"const WANTED = {json.dumps(wanted)};\n"
        f"const BANDS = {json.dumps(list(bands))};\n"
    )
