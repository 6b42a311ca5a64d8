"""A register of licences that lives in files."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final, Protocol

from rsmonitor.errors import LicenceError
from rsmonitor.io.stores.snapshot import snapshot_of
from rsmonitor.records.licence import Licence, LicenceKind, RegisterSnapshot


class ReadRefusal(Protocol):
    """One thing that a reader did not use."""

    @property
    def file(self) -> str:
        """Path of the file."""

    @property
    def where(self) -> str:
        """Place in the file."""

    @property
    def value(self) -> str:
        """What breaks the rule."""

    @property
    def rule(self) -> str:
        """What is expected."""


class ReadFile(Protocol):
    """What a reader of one format makes of a file."""

    @property
    def path(self) -> str:
        """Path of the file."""

    @property
    def sha256(self) -> str:
        """Digest of its bytes."""

    @property
    def licences(self) -> Sequence[Licence]:
        """What can be used."""

    @property
    def refused(self) -> Sequence[ReadRefusal]:
        """What cannot."""

    @property
    def repairs(self) -> Sequence[str]:
        """What was put right."""


NOTHING: Final = RegisterSnapshot(snapshot_id="", licences=())
"""No licence beside those of the files."""


class FileRegister:
    """
    The licences of some files, read once.

    A `rsmonitor.interfaces.LicenceRegister`. The reader is given, because the stores
    know no format.

    Parameters
    ----------
    paths : iterable of Path
        The files; none is an explicit choice that makes an empty register.
    read : callable
        Reads one file, such as `rsmonitor.io.licences.geojson.read_licences`.
    beside : RegisterSnapshot, optional
        Licences that are known beside the files, such as those of
        `rsmonitor.io.stores.register_database.DatabaseRegister`.

    Raises
    ------
    LicenceError
        If a file cannot be used, or two contradict each other.
    """

    def __init__(
        self,
        paths: Iterable[Path],
        *,
        read: Callable[[Path], ReadFile],
        beside: RegisterSnapshot = NOTHING,
    ) -> None:
        self._files = tuple(read(path) for path in paths)
        self._snapshot = replace(
            snapshot_of(
                _merged(self._files, beside),
                completeness=beside.completeness,
                producing=beside.producing,
                earlier=beside.earlier,
            ),
            refused=(
                *beside.refused,
                *(
                    f"{each.file}: {each.where}: {each.value}: {each.rule}"
                    for each in self.refused
                ),
            ),
        )

    @property
    def files(self) -> tuple[ReadFile, ...]:
        """What was read, in the order of the paths."""
        return self._files

    @property
    def refused(self) -> tuple[ReadRefusal, ...]:
        """What was not used, over all files."""
        return tuple(refusal for file in self._files for refusal in file.refused)

    @property
    def repairs(self) -> tuple[str, ...]:
        """What was put right, over all files."""
        return tuple(repair for file in self._files for repair in file.repairs)

    def snapshot(self) -> RegisterSnapshot:
        """
        Give the licences as they stood when the files were read.

        Returns
        -------
        RegisterSnapshot
            The same files give the same snapshot, in any order.
        """
        return self._snapshot


def _merged(files: Sequence[ReadFile], beside: RegisterSnapshot) -> list[Licence]:
    """Keep one of each licence; refuse two that differ in more than their source."""
    given = [("the register", licence) for licence in beside.licences]
    given += [(file.path, licence) for file in files for licence in file.licences]
    merged: dict[tuple[str, LicenceKind], tuple[str, Licence]] = {}
    for path, licence in given:
        key = (licence.licence_id, licence.kind)
        other, known = merged.setdefault(key, (path, licence))
        # a file knows nothing of the versions that the register counts
        if replace(licence, source=known.source, version=known.version) != known:
            raise LicenceError(
                f"licence {licence.licence_id} ({licence.kind.value}) is given "
                f"differently by {other} and {path}; remove one, or correct it: "
                "nothing says which is right"
            )
    return [licence for _, licence in merged.values()]
