"""Reflectance of what digging leaves behind, per Sentinel-2 band.

Every spectrum says where its numbers are from. What no public source gives is assumed,
marked so, and reported apart. None of it was measured on an ionic rare-earth mine:
no such pixel is public.

Numbers from spectral libraries are means over boxes of the published centre and width
of each band of Sentinel-2A. Library spectra of soil are of dried, sieved samples, which
are brighter than rough and moist ground.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from rsmonitor.errors import ContractError

BANDS: Final = ("B02", "B03", "B04", "B08", "B8A", "B11", "B12")
"""Bands of every spectrum, in order."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Material:
    """One kind of surface."""

    name: str
    """What the command line calls it."""

    reflectance: tuple[float, ...]
    """Reflectance per band of `BANDS`."""

    source: str
    """Where the numbers are from."""

    derived: Mapping[str, str]
    """Bands that the source does not have, and how they were filled."""

    assumed: bool
    """True where no public source says that the material looks so."""

    def __post_init__(self) -> None:
        if len(self.reflectance) != len(BANDS):
            raise ContractError(
                f"material {self.name} must have {len(BANDS)} bands, got "
                f"{len(self.reflectance)}"
            )
        if not all(0 <= value <= 1 for value in self.reflectance):
            raise ContractError(f"material {self.name}: reflectance is from 0 to 1")
        strange = set(self.derived) - set(BANDS)
        if strange:
            raise ContractError(f"material {self.name}: no bands {sorted(strange)}")

    def values(self, bands: tuple[str, ...]) -> NDArray[np.float32]:
        """
        Give the reflectance in some bands.

        Parameters
        ----------
        bands : tuple of str
            ESA names.

        Returns
        -------
        ndarray of float32, shape (band,)
            In the order of `bands`.

        Raises
        ------
        ContractError
            If a band is not in `BANDS`.

        Examples
        --------
        >>> MATERIALS["black_liner"].values(("B04", "B11")).tolist() == [
        ...     np.float32(0.05),
        ...     np.float32(0.05),
        ... ]
        True
        """
        unknown = [band for band in bands if band not in BANDS]
        if unknown:
            raise ContractError(
                f"no spectrum of {', '.join(unknown)}; there are {', '.join(BANDS)}"
            )
        return np.array(
            [self.reflectance[BANDS.index(band)] for band in bands], dtype=np.float32
        )


_LIBRARY: Final = "spectral library of PyPI earthlib 1.1.0 (MIT)"

MATERIALS: Final[Mapping[str, Material]] = {
    material.name: material
    for material in (
        Material(
            name="bare_soil",
            reflectance=(0.0896, 0.1384, 0.2078, 0.2525, 0.2538, 0.3345, 0.2411),
            source="median of clear Sentinel-2 looks, 2019 to 2023, at 281 pixels of "
            "an open pit in Madhya Pradesh (81.406 E, 24.380 N) whose NDVI stays below "
            "0.25; github mani9441/AURORA-2.0, content/mine_0",
            derived={
                "B03": "B02 + 0.413 (B04 - B02), the median of 4,248 soil spectra of "
                + _LIBRARY,
                "B8A": "1.005 B08, the median of the same spectra",
            },
            assumed=False,
        ),
        Material(
            name="red_soil",
            reflectance=(0.1192, 0.2141, 0.3829, 0.4587, 0.4509, 0.5441, 0.4640),
            source="median of 133 ICRAF-ISRIC laboratory spectra of soils of southern "
            f"China (20 to 29 N, 100 to 122 E), in the {_LIBRARY}",
            derived={},
            assumed=False,
        ),
        Material(
            name="tailings",
            reflectance=(0.1937, 0.2442, 0.2771, 0.3005, 0.3008, 0.3774, 0.3747),
            source="median of 39 field spectra of beach sand (34.013 N, 118.820 W), in "
            f"the {_LIBRARY}; that leached sand looks like it is assumed",
            derived={},
            assumed=True,
        ),
        Material(
            name="turbid_pond",
            reflectance=(0.0922, 0.1534, 0.1760, 0.0975, 0.0975, 0.0396, 0.0259),
            source="median of 15,406 Sentinel-2 pixels of water (NDWI above 0, MNDWI "
            "above 0.3, B11 below 0.08, B04 above 0.10) at new gold mines in the "
            "Amazon basin, annual composites; github joelibaceta/sat-mining-detector",
            derived={"B8A": "as B08"},
            assumed=False,
        ),
        Material(
            name="clear_pond",
            reflectance=(0.0229, 0.0254, 0.0205, 0.0181, 0.0197, 0.0090, 0.0058),
            source="median of 496 Sentinel-2 pixels of the river polygons of "
            "RStoolbox's sen2 scene (Oriximina), offset removed; github "
            "bleutner/RStoolbox",
            derived={},
            assumed=False,
        ),
        Material(
            name="metal_roof",
            reflectance=(0.1896, 0.2226, 0.1987, 0.1973, 0.1942, 0.2704, 0.2499),
            source="median of 18 field spectra of metal roofs in Santa Barbara, in the "
            + _LIBRARY,
            derived={},
            assumed=False,
        ),
        Material(
            name="felled_ground",
            reflectance=(0.0482, 0.0748, 0.0706, 0.3327, 0.3513, 0.2518, 0.1259),
            source="median of 4,550 clear summer looks at 452 pixels of the demo cube "
            "in the 200 days after its reference calls them opened by 90 % or more: "
            "what a real felled gap looks like, with its stumps, shade and regrowth",
            derived={"B12": "0.5 B11"},
            assumed=False,
        ),
        Material(
            name="wet_soil",
            reflectance=(0.0493, 0.0761, 0.1143, 0.1389, 0.1396, 0.1840, 0.1326),
            source="0.55 times bare_soil: no public pixel of a seep or sump was found",
            derived={},
            assumed=True,
        ),
        Material(
            name="black_liner",
            reflectance=(0.05, 0.05, 0.05, 0.05, 0.05, 0.05, 0.05),
            source="flat and dark, as carbon black is: no public spectrum of a black "
            "geomembrane was found",
            derived={},
            assumed=True,
        ),
        Material(
            name="green_net",
            reflectance=(0.06, 0.09, 0.07, 0.20, 0.20, 0.22, 0.18),
            source="a dark green mesh through which soil is seen: no public spectrum "
            "was found",
            derived={},
            assumed=True,
        ),
    )
}
"""All materials by name."""


def material(name: str) -> Material:
    """
    Find a material by its name.

    Parameters
    ----------
    name : str
        Name in `MATERIALS`.

    Returns
    -------
    Material
        The material.

    Raises
    ------
    ContractError
        If there is none of this name.
    """
    if name not in MATERIALS:
        raise ContractError(f"no material {name!r}; there are {', '.join(MATERIALS)}")
    return MATERIALS[name]
