"""One look at one window, as its numbers are stored: before anything is computed."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rsmonitor.errors import ContractError

Stored = NDArray[np.uint16] | NDArray[np.float32]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SceneNumbers:
    """Bands of one look at one window of a grid, each at its own sampling.

    `rsmonitor.stages.reflectance.reflectance_of` says what they mean; kernels do the
    same on the fly, so that no window is ever held at full sampling in float.
    """

    fine_bands: tuple[str, ...]
    """ESA names, in the order of `fine`."""

    coarse_bands: tuple[str, ...]
    """ESA names, in the order of `coarse`."""

    fine: Stored
    """On the pixels of the window, shape (band, y, x): uint16 digital numbers, of which
    0 and 65535 are no measurement, or float32 reflectance, NaN where not measured."""

    coarse: Stored
    """On pixels `ratio` times as large, shape (band, Y, X), of the type of `fine`:
    those under the window and those beside them, as far as the grid that they are of
    goes, so that the outermost value holds beyond the outermost centre."""

    ratio: int
    """Pixels of the window in a coarse one, along one axis."""

    row: int
    """Row of the window at which the first coarse row begins: 0 or less."""

    col: int
    """Column of the window at which the first coarse column begins: 0 or less."""

    scl: NDArray[np.uint8]
    """Scene classification on the pixels of the window, shape (y, x); 0 where not
    measured."""

    add_offset: int = 0
    """``BOA_ADD_OFFSET`` of digital numbers; of no meaning for reflectance."""

    quantification_value: int = 10_000
    """``BOA_QUANTIFICATION_VALUE`` of digital numbers."""

    def __post_init__(self) -> None:
        if self.fine.dtype != self.coarse.dtype or self.fine.dtype not in (
            np.dtype(np.uint16),
            np.dtype(np.float32),
        ):
            raise ContractError(
                f"numbers are uint16 or float32, got {self.fine.dtype} and "
                f"{self.coarse.dtype}"
            )
        if self.fine.shape != (len(self.fine_bands), *self.scl.shape) or len(
            self.coarse
        ) != len(self.coarse_bands):
            raise ContractError(
                f"{len(self.fine_bands)} and {len(self.coarse_bands)} bands do not fit "
                f"arrays {self.fine.shape}, {self.coarse.shape} and scl "
                f"{self.scl.shape}"
            )
        if self.row > 0 or self.col > 0 or self.ratio < 1:
            raise ContractError(
                "coarse pixels must begin at or before the window, got row "
                f"{self.row}, col {self.col}, ratio {self.ratio}"
            )
        covered = (
            self.coarse.shape[1] * self.ratio + self.row,
            self.coarse.shape[2] * self.ratio + self.col,
        )
        if self.coarse_bands and (
            covered[0] < self.scl.shape[0] or covered[1] < self.scl.shape[1]
        ):
            raise ContractError(
                f"coarse pixels {self.coarse.shape[1:]} do not cover the window "
                f"{self.scl.shape}"
            )

    @property
    def bands(self) -> tuple[str, ...]:
        """All bands, fine ones first."""
        return self.fine_bands + self.coarse_bands

    @property
    def nbytes(self) -> int:
        """Memory that it takes."""
        classes = self.scl.nbytes if self.scl.strides[0] else 0
        return int(self.fine.nbytes + self.coarse.nbytes + classes)

    def cut(
        self,
        window: tuple[slice, slice],
        bands: tuple[str, ...],
        *,
        classes: bool = True,
    ) -> "SceneNumbers":
        """
        Cut a window and some bands out.

        Parameters
        ----------
        window : tuple of slice
            Rows and columns of this window.
        bands : tuple of str
            ESA names of the bands to keep.
        classes : bool, default True
            False where they have done their service: all of `scl` is then 0, and takes
            no memory.

        Returns
        -------
        SceneNumbers
            A copy; every pixel means what it meant.

        Raises
        ------
        ContractError
            If a band is not there.
        """
        missing = [band for band in bands if band not in self.bands]
        if missing:
            raise ContractError(
                f"there is no {', '.join(missing)} among {', '.join(self.bands)}"
            )
        rows, cols = window
        top, bottom, row = _under(rows, self.row, self.ratio, self.coarse.shape[1])
        left, right, col = _under(cols, self.col, self.ratio, self.coarse.shape[2])
        fine = [i for i, band in enumerate(self.fine_bands) if band in bands]
        coarse = [i for i, band in enumerate(self.coarse_bands) if band in bands]
        return SceneNumbers(
            fine_bands=tuple(self.fine_bands[i] for i in fine),
            coarse_bands=tuple(self.coarse_bands[i] for i in coarse),
            fine=self.fine[fine, rows, cols],
            coarse=self.coarse[coarse, top:bottom, left:right],
            ratio=self.ratio,
            row=row,
            col=col,
            scl=self.scl[window].copy() if classes else unclassified(window),
            add_offset=self.add_offset,
            quantification_value=self.quantification_value,
        )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ScreenedLook:
    """One look at one block: the bands of the indices, and what may be judged."""

    numbers: SceneNumbers
    """The block without its halo."""

    flags: NDArray[np.uint8]
    """See `rsmonitor.stages.fused.screen`, shape (y, x)."""

    @property
    def nbytes(self) -> int:
        """Memory that it takes."""
        return int(self.numbers.nbytes + self.flags.nbytes)


def unclassified(window: tuple[slice, slice]) -> NDArray[np.uint8]:
    """
    Give classes that are all 0 and take no memory.

    Parameters
    ----------
    window : tuple of slice
        Rows and columns.

    Returns
    -------
    ndarray of uint8, shape of the window
        Read-only.

    Examples
    --------
    >>> unclassified((slice(2, 4), slice(0, 3))).tolist()
    [[0, 0, 0], [0, 0, 0]]
    """
    rows, cols = window
    return np.broadcast_to(
        np.uint8(0), (rows.stop - rows.start, cols.stop - cols.start)
    )


def _under(window: slice, start: int, ratio: int, size: int) -> tuple[int, int, int]:
    """Coarse pixels from which a window can be interpolated, and where they begin."""
    first = max(0, (window.start - start) // ratio - 1)
    last = min(size, (window.stop - 1 - start) // ratio + 2)
    return first, last, first * ratio + start - window.start
