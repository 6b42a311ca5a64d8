"""An archive that is a folder: for offices without a network.

Whatever cannot be used is named with its reason, and the rest is used.
"""

import hashlib
import threading
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from rsmonitor.errors import ContractError, SourceError, SourceUnreachableError
from rsmonitor.io.sources.cog_layout import CogLayout, layout_of
from rsmonitor.io.sources.cog_tiles import CogTiles
from rsmonitor.io.sources.folder_product import (
    SCL,
    FolderProduct,
    holds_product,
    open_product,
)
from rsmonitor.io.sources.product_container import FolderContainer, ZipContainer
from rsmonitor.io.sources.tile_image import read_window
from rsmonitor.records.offer import BANDS_10M, BANDS_20M, Numbers, Offer, TileWindow
from rsmonitor.stages.acquisitions import version_id
from rsmonitor.stages.tiling import tile_grid

NAME: Final = "folder"

DEEPEST: Final = 4
"""Folders within folders that are searched: for instance by tile, year and month."""


class FolderArchive:
    """
    SAFE products and folders of images; satisfies `rsmonitor.interfaces.SceneArchive`.

    Parameters
    ----------
    path : Path
        The folder. Links in it that lead out of it are refused.
    report : callable, optional
        Receives, for each thing that cannot be used, its path and why; once.
    """

    def __init__(
        self, path: Path, *, report: Callable[[str], None] | None = None
    ) -> None:
        self._path = path
        self._say = report or _say_nothing
        self._problems: dict[Path, str] = {}
        self._told: set[str] = set()
        self._known: dict[Path, tuple[tuple[int, int], FolderProduct]] = {}
        self._products: dict[tuple[str, datetime | None], FolderProduct] = {}
        self._whole: set[tuple[str, tuple[int, ...]]] = set()
        self._layouts: dict[
            tuple[Path, str], tuple[FolderProduct, CogLayout | None]
        ] = {}
        self._tiles = CogTiles()
        self._guard = threading.Lock()

    @property
    def name(self) -> str:
        """``folder``."""
        return NAME

    @property
    def requests_cost(self) -> bool:
        """False: nothing leaves the machine."""
        return False

    @property
    def problems(self) -> tuple[str, ...]:
        """What the last search could not use, with reasons."""
        return tuple(self._problems.values())

    def search(
        self, *, mgrs_tile: str, start: datetime, until: datetime
    ) -> Sequence[Offer]:
        """
        List the products over a tile.

        Parameters
        ----------
        mgrs_tile : str
            Five characters, no leading ``T``.
        start : datetime
            First instant of sensing, timezone-aware.
        until : datetime
            End of sensing, exclusive, timezone-aware.

        Returns
        -------
        sequence of Offer
            All versions, oldest first.

        Raises
        ------
        SourceUnreachableError
            If there is no such folder, or it cannot be listed.
        """
        with self._guard:
            self._scan()
            found = [product.offer for product in self._products.values()]
        return sorted(
            (
                offer
                for offer in found
                if offer.mgrs_tile == mgrs_tile and start <= offer.sensed_at < until
            ),
            key=lambda offer: (offer.sensed_at, offer.product_id),
        )

    def fetch(self, offer: Offer, window: TileWindow, bands: Sequence[str]) -> Numbers:
        """
        Read a window of a product.

        Each file is first read to its end once, and held against the length and the
        checksum that the product or the zip lists.

        Parameters
        ----------
        offer : Offer
            From `search`.
        window : TileWindow
            Which pixels.
        bands : sequence of str
            Which bands, beside `SCL`.

        Returns
        -------
        Numbers
            As stored; 0 where the files have no pixels.

        Raises
        ------
        SourceError
            If a file is missing, damaged or not of this tile; the message names
            product, band and file.
        ContractError
            If the window is of another tile than the product.
        """
        product = self._product(offer)
        if window.mgrs_tile != offer.mgrs_tile:
            raise ContractError(
                f"{offer.product_id} is of tile {offer.mgrs_tile}, not "
                f"{window.mgrs_tile}"
            )
        missing = [band for band in (*bands, SCL) if band not in product.members]
        if missing:
            raise SourceError(
                f"{version_id(offer)}: {product.container.path} has no file of "
                f"{', '.join(missing)}"
            )
        fine = tuple(band for band in BANDS_10M if band in bands)
        coarse = tuple(band for band in BANDS_20M if band in bands)
        half = (window.height // 2, window.width // 2)
        dn_10m = np.empty((len(fine), window.height, window.width), dtype=np.uint16)
        dn_20m = np.empty((len(coarse), *half), dtype=np.uint16)
        for planes, names, size in ((dn_10m, fine, 10), (dn_20m, coarse, 20)):
            for plane, band in zip(planes, names, strict=True):
                plane[:] = self._read(product, band, window, size, "uint16")
        return Numbers(
            bands_10m=fine,
            bands_20m=coarse,
            dn_10m=dn_10m,
            dn_20m=dn_20m,
            scl=self._read(product, SCL, window, 20, "uint8"),
        )

    def stamp(self, offer: Offer, bands: Sequence[str]) -> str | None:
        """
        Give what changes when the files of a product do, if they are read in place.

        That are deflated GeoTIFFs with tiles inside, in a folder. The others are
        converted once and kept: JPEG 2000 costs too much to be decoded again, and a
        zip must be read from its start.

        Parameters
        ----------
        offer : Offer
            From `search`.
        bands : sequence of str
            Which bands, beside `SCL`.

        Returns
        -------
        str or None
            None if a file of them is of another kind, or cannot be used: `fetch` says
            why.
        """
        try:
            product = self._product(offer)
            layouts = [self._layout(product, band) for band in (*bands, SCL)]
        except (SourceError, OSError):
            return None
        stamps = [layout.stamp for layout in layouts if layout is not None]
        if len(stamps) < len(layouts):
            return None
        return hashlib.sha256(repr(stamps).encode()).hexdigest()

    def read(
        self,
        offer: Offer,
        band: str,
        row: int,
        col: int,
        pixels: NDArray[Any],
        *,
        in_turn: bool = True,
    ) -> None:
        """
        Read pixels of a product that is read in place.

        Each file whose length or checksum is listed is first read to its end once;
        the tiles inside bear checksums of their own.

        Parameters
        ----------
        offer : Offer
            One that has a `stamp`.
        band : str
            Band or `SCL`.
        row, col : int
            Pixel of the MGRS tile, at the sampling of the band, that comes first.
        pixels : ndarray, shape (y, x)
            Is written to: uint16, or uint8 for `SCL`; 0 where the file has no pixels.
        in_turn : bool, default True
            False for a window from anywhere, before others are read row by row.

        Raises
        ------
        SourceError
            If the file is damaged there, or has changed since it was looked at; the
            message names product, band and file.
        ContractError
            If the product has no `stamp`.
        """
        product = self._product(offer)
        try:
            layout = self._layout(product, band)
            if layout is None:
                raise ContractError(f"{version_id(offer)}, {band}: it has no stamp")
            self._require_whole(product, band, layout)
            self._tiles.read(layout, row, col, pixels, in_turn=in_turn)
        except OSError as error:
            raise SourceError(
                f"{version_id(product.offer)}, {band}: {product.container.path}/"
                f"{product.members[band]} cannot be read: {error.strerror}"
            ) from error
        except SourceError as error:
            raise SourceError(
                f"{version_id(product.offer)}, {band}: {error}"
            ) from error

    def _layout(self, product: FolderProduct, band: str) -> CogLayout | None:
        """Look at a file once, as long as the folder was not found changed."""
        place = (product.container.path, band)
        with self._guard:
            known = self._layouts.get(place)
        # a product that was opened anew is another object
        if known is not None and known[0] is product:
            return known[1]
        layout: CogLayout | None = None
        if isinstance(product.container, FolderContainer) and band in product.members:
            pixel_m = 10 if band in BANDS_10M else 20
            layout = layout_of(
                product.container.address(product.members[band]),
                tile_grid(product.offer.mgrs_tile),
                pixel_m=pixel_m,
                dtype="uint8" if band == SCL else "uint16",
                shape=product.shapes.get(pixel_m),
            )
        with self._guard:
            self._layouts[place] = (product, layout)
        return layout

    def _require_whole(
        self, product: FolderProduct, band: str, layout: CogLayout
    ) -> None:
        """Hold a file against what is listed of it, once."""
        if product.members[band] not in product.listed:
            return
        seen = (layout.path, layout.stamp)
        if seen not in self._whole:
            product.require_whole(band)
            self._whole.add(seen)

    def _read(
        self,
        product: FolderProduct,
        band: str,
        window: TileWindow,
        pixel_m: int,
        dtype: str,
    ) -> NDArray[Any]:
        """Read one band, after its file was found whole."""
        member = product.members[band]
        try:
            address = product.container.address(member)
            seen = (address, product.container.stamp(member))
            if seen not in self._whole:
                product.require_whole(band)
                self._whole.add(seen)
            return read_window(
                address,
                tile_grid(window.mgrs_tile),
                window,
                pixel_m=pixel_m,
                dtype=dtype,
                shape=product.shapes.get(pixel_m),
            )
        except OSError as error:
            raise SourceError(
                f"{version_id(product.offer)}, {band}: {product.container.path}/"
                f"{member} cannot be read: {error.strerror}"
            ) from error
        except SourceError as error:
            raise SourceError(
                f"{version_id(product.offer)}, {band}: {error}"
            ) from error

    def _product(self, offer: Offer) -> FolderProduct:
        """Find the files of an offer, which may come from an earlier run."""
        place = (offer.product_id, offer.created_at)
        with self._guard:
            if place not in self._products:
                self._scan()
            product = self._products.get(place)
        if product is None:
            raise SourceError(
                f"{version_id(offer)}: it is no longer in {self._path}, or cannot be "
                "read any more"
            )
        return product

    def _scan(self) -> None:
        """Look at the folder again; only what is new is opened."""
        if not self._path.is_dir():
            raise SourceUnreachableError(
                f"{self._path}: there is no such folder of scenes; is its disk there?"
            )
        self._problems.clear()
        found: dict[tuple[str, datetime | None], FolderProduct] = {}
        try:
            for place in sorted(_places(self._path, DEEPEST)):
                product = self._opened(place)
                if product is None:
                    continue
                key = (product.offer.product_id, product.offer.created_at)
                if key in found:
                    self._problem(
                        place,
                        f"{place}: {product.offer.product_id} is also in "
                        f"{found[key].container.path}, which is used",
                    )
                else:
                    found[key] = product
        except OSError as error:
            raise SourceUnreachableError(
                f"{error.filename or self._path}: it cannot be listed: {error.strerror}"
            ) from error
        self._products = found

    def _opened(self, place: Path) -> FolderProduct | None:
        """Open a product, or remember why not."""
        try:
            stamp = _stamp(place)
            known = self._known.get(place)
            if known is not None and known[0] == stamp:
                return known[1]
            container = (
                FolderContainer(place, boundary=self._path)
                if place.is_dir()
                else ZipContainer(place)
            )
            product = open_product(container, source=NAME)
        except (SourceError, OSError) as error:
            self._problem(place, str(error))
            return None
        self._known[place] = (stamp, product)
        return product

    def _problem(self, place: Path, reason: str) -> None:
        """Remember a thing that cannot be used, and say it once."""
        said = reason if str(place) in reason else f"{place}: {reason}"
        if said not in self._told:
            self._told.add(said)
            self._say(said)
        self._problems[place] = said


def _places(folder: Path, depth: int) -> Iterator[Path]:
    """List zips and folders that may be products."""
    entries = sorted(folder.iterdir())
    files = [entry.name for entry in entries if entry.is_file()]
    if holds_product(files) or folder.name.endswith(".SAFE"):
        yield folder
        return
    for entry in entries:
        if entry.name.startswith("."):
            continue
        if entry.is_dir():
            # a link to a folder is a product or refused, never searched: links can loop
            if entry.is_symlink():
                yield entry
            elif depth:
                yield from _places(entry, depth - 1)
        # a pipe or a device would never end
        elif entry.suffix.lower() == ".zip" and entry.is_file():
            yield entry


def _stamp(place: Path) -> tuple[int, int]:
    """Give what changes when a product does; of a folder, its newest file."""
    paths = [place, *place.rglob("*")] if place.is_dir() else [place]
    stats = [path.lstat() for path in paths]
    return len(stats), max(there.st_mtime_ns for there in stats)


def _say_nothing(note: str) -> None:
    """Stand in for a listener."""
