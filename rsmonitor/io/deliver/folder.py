"""Deliveries as folders: all files of a run appear together, or none does."""

import functools
import hashlib
import json
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

from rsmonitor.errors import ContractError, OutputError
from rsmonitor.io.deliver.coverage import coverage_raster
from rsmonitor.io.deliver.geojson import (
    alerts_collection,
    coverage_collection,
    disturbances_collection,
    dumps,
    notice,
)
from rsmonitor.io.deliver.geopackage import write_geopackage
from rsmonitor.io.deliver.rasters import (
    raster_name,
    write_coverage_raster,
    write_evidence,
)
from rsmonitor.io.foundation.files import (
    fsync_folder,
    make_folder,
    point,
    remove_halves,
    staged_folder,
    write_atomic,
)
from rsmonitor.records.run import RunResult

Views = Callable[[Path, RunResult], None]
"""Writes further files of a result into a folder."""

Heads = Callable[[str, str], bytes]
"""Gives the head of the ledger as it is published, for a location and the SHA-256 of
its manifest."""

LOCATION: Final = re.compile(r"^[a-z0-9][a-z0-9_-]{0,127}$")
"""What a location may be: a plain name of one folder."""

MANIFEST: Final = "manifest.json"
"""Lists the other files with their SHA-256."""

HEAD: Final = "head.json"
"""The end of the ledger's chain after the run was committed; not in the manifest, which
it vouches for."""

OWNER: Final = ".district"
"""Says whose outputs a folder holds."""

LATEST: Final = "latest"
"""The link that readers follow."""

RUNS: Final = "runs"
"""The folder that holds one folder a run."""

KEEP: Final = 8
"""Runs kept beside the one that readers see: two months of weeks."""

# the files that others act on come last, so that they never promise what is not there
_LAST: Final = (
    MANIFEST,
    "coverage.geojson",
    "disturbances.geojson",
    "alerts.geojson",
)


class FolderSink:
    """One folder a run under ``root/runs``, and ``root/latest`` that points at one.

    ``latest`` leads to ``runs/latest``, which is the link that moves: a reader meets
    the old run or the new one, whole.

    Parameters
    ----------
    root : Path
        Where deliveries of one district live; made if it is missing.
    keep : int, default 8
        Newest runs that are kept beside the one that readers see.
    geopackage : bool, default True
        False to leave out ``alerts.gpkg``, the slowest of the files.
    views : callable, optional
        Writes further files, such as maps, of a result into a folder.
    head : callable, optional
        Gives the head of the ledger, which is published with the run.

    Raises
    ------
    ContractError
        If `keep` is negative.
    """

    def __init__(
        self,
        root: Path,
        *,
        keep: int = KEEP,
        geopackage: bool = True,
        views: Views | None = None,
        head: Heads | None = None,
    ) -> None:
        if keep < 0:
            raise ContractError(f"keep must not be negative, got {keep}")
        self._root = root
        self._keep = keep
        self._geopackage = geopackage
        self._views = views
        self._head = head

    def stage(self, result: RunResult) -> str:
        """
        Write all outputs of a run durably, where no reader looks.

        Parameters
        ----------
        result : RunResult
            What the run says.

        Returns
        -------
        str
            Name of the folder in ``root/runs``, which is the run's.

        Raises
        ------
        OutputError
            If anything cannot be written; nothing of the run is then left behind.
        """
        self._claim(result.partition.district)
        location = _location(result.partition.run_id)
        with staged_folder(self._root / RUNS / location) as folder:
            write_run(folder, result, geopackage=self._geopackage, views=self._views)
        return location

    def publish(self, location: str) -> None:
        """
        Make a staged run the one that readers see, and remove runs that are too old.

        Parameters
        ----------
        location : str
            What `stage` gave.

        Raises
        ------
        OutputError
            If there is no such run, or ``latest`` is not ours to move.
        """
        runs = self._root / RUNS
        staged = runs / _location(location)
        if not (staged / MANIFEST).is_file():
            raise OutputError(
                f"{staged} is gone: its files were removed or never written. "
                "The next week's run writes its own; to write this one again, start "
                "with an empty work folder"
            )
        # the head comes after the commit, and stays as it was published first
        if self._head is not None and not (staged / HEAD).exists():
            manifest = (staged / MANIFEST).read_bytes()
            digest = hashlib.sha256(manifest).hexdigest()
            remove_halves(staged / HEAD)  # of a run killed here, under the same lock
            write_atomic(staged / HEAD, self._head(location, digest))
        point(runs / LATEST, location)
        self._lead_to_latest()
        self._prune(runs, location)

    def _claim(self, district: str) -> None:
        """Keep the folder for one district: runs of two would push one another out."""
        owner = self._root / OWNER
        if not owner.is_file():
            make_folder(self._root)
            write_atomic(owner, f"{district}\n".encode())
            return
        known = owner.read_text(encoding="utf-8", errors="replace").strip()
        if known != district:
            raise OutputError(
                f"{self._root} holds the outputs of district {known}, not of "
                f"{district}; give each district a folder of its own (run.out)"
            )

    def _lead_to_latest(self) -> None:
        """Make ``root/latest`` once; what it leads to moves by itself."""
        link, target = self._root / LATEST, f"{RUNS}/{LATEST}"
        if link.is_symlink() and link.readlink() == Path(target):
            return
        if link.is_symlink() or link.exists():
            raise OutputError(
                f"{link} exists and is not rsmonitor's; move it away or choose "
                "another folder"
            )
        try:
            link.symlink_to(target)
        except OSError as error:
            raise OutputError(f"{link} cannot be made: {error}") from error
        fsync_folder(self._root)

    def _prune(self, runs: Path, location: str) -> None:
        """Remove all but the newest runs; only folders that are runs are touched."""
        others = [path for path in _runs(runs) if path.name != location]
        # the order of staging; the name decides where the clock cannot
        others.sort(key=lambda path: (path.stat().st_mtime_ns, path.name))
        for path in others[: max(0, len(others) - self._keep)]:
            away = path.with_name(f".{path.name}.pruned")
            # in one step, so that nobody meets half a run
            path.rename(away)
        for path in runs.glob(".*.pruned"):
            shutil.rmtree(path, ignore_errors=True)


class PlainFolderSink:
    """The files of one run directly in a folder, as ``rsmonitor detect`` leaves them.

    Each file is replaced in one step; ``alerts.geojson`` comes last. What was in the
    folder and is not rsmonitor's stays.

    Parameters
    ----------
    out : Path
        The folder; made if it is missing.
    geopackage : bool, default True
        False to leave out ``alerts.gpkg``.
    views : callable, optional
        Writes further files, such as maps, of a result into a folder.
    """

    def __init__(
        self, out: Path, *, geopackage: bool = True, views: Views | None = None
    ) -> None:
        self._out = out
        self._geopackage = geopackage
        self._views = views

    def stage(self, result: RunResult) -> str:
        """
        Write all outputs of a run durably, into a hidden folder of `out`.

        Parameters
        ----------
        result : RunResult
            What the run says.

        Returns
        -------
        str
            The run's name.

        Raises
        ------
        OutputError
            If anything cannot be written; the files in `out` are then as they were.
        """
        location = _location(result.partition.run_id)
        with staged_folder(self._hidden / location) as folder:
            write_run(folder, result, geopackage=self._geopackage, views=self._views)
        return location

    def publish(self, location: str) -> None:
        """
        Move the files of a staged run into place, the alerts last.

        Interrupted, it is completed by calling it again.

        Parameters
        ----------
        location : str
            What `stage` gave.

        Raises
        ------
        OutputError
            If the run is neither staged nor in place, or a file cannot be replaced.
        """
        staged = self._hidden / _location(location)
        if not staged.is_dir():
            if _manifest(self._out).get("run_id") == location:
                return  # published before
            raise OutputError(
                f"{staged} is gone: its files were removed or never written. "
                "The next week's run writes its own; to write this one again, start "
                "with an empty work folder"
            )
        make_folder(self._out)
        names = {path.name for path in staged.iterdir()}
        former = set(_manifest(self._out).get("files", {}))
        present = set(_manifest(staged).get("files", names))
        try:
            for name in sorted(names - set(_LAST)):
                (staged / name).replace(self._out / name)
            if MANIFEST in names:
                # files of an earlier run that this one does not have, of another grid
                for name in sorted(former - present):
                    (self._out / name).unlink(missing_ok=True)
            for name in (name for name in _LAST if name in names):
                (staged / name).replace(self._out / name)
            staged.rmdir()
        except OSError as error:
            raise OutputError(
                f"{self._out}: the outputs cannot be moved into place: {error}; look "
                "for the right to write there"
            ) from error
        fsync_folder(self._out)
        if not any(self._hidden.iterdir()):
            self._hidden.rmdir()

    @property
    def _hidden(self) -> Path:
        """Where staged runs wait."""
        return self._out / ".staged"


def copy_latest(root: Path) -> None:
    """
    Copy the files of the published run to the top of the folder.

    Parameters
    ----------
    root : Path
        Root of a `FolderSink`; files that are the same already are left alone.

    Raises
    ------
    OutputError
        If a file cannot be written.
    """
    files = {path.name: path for path in (root / LATEST).iterdir() if path.is_file()}
    for name in sorted(files, key=lambda n: (_LAST.index(n) if n in _LAST else -1, n)):
        data = files[name].read_bytes()
        target = root / name
        remove_halves(target)  # of a copy that was killed
        if not target.is_file() or target.read_bytes() != data:
            write_atomic(target, data)


def write_run(
    folder: Path,
    result: RunResult,
    *,
    geopackage: bool = True,
    views: Views | None = None,
) -> None:
    """
    Write every file of a run, and a manifest of their checksums.

    Parameters
    ----------
    folder : Path
        An existing folder.
    result : RunResult
        What the run says.
    geopackage : bool, default True
        False to leave out ``alerts.gpkg``.
    views : callable, optional
        Writes further files, such as maps, of a result into a folder.

    Raises
    ------
    OutputError
        If a file cannot be written.
    """
    for name, collection in (
        ("alerts.geojson", alerts_collection(result)),
        ("disturbances.geojson", disturbances_collection(result)),
        ("coverage.geojson", coverage_collection(result)),
    ):
        write_atomic(folder / name, dumps(collection))
    attributes = {
        "source": result.software,
        "comment": notice(invented=result.register.invented),
        "district": result.partition.district,
        "week": str(result.partition.week),
        "settings_digest": result.partition.settings_digest,
    }
    for grid in result.grids:
        write_evidence(
            folder / raster_name("evidence", grid, result.grids),
            result.evidence[grid.grid_id],
            grid,
            attributes=attributes,
        )
        write_coverage_raster(
            folder / raster_name("coverage", grid, result.grids),
            functools.partial(coverage_raster, result, grid.grid_id),
            grid,
            attributes=attributes,
        )
    if geopackage:
        write_geopackage(folder / "alerts.gpkg", result)
    if views is not None:
        views(folder, result)
    _write_manifest(folder, result)


def _write_manifest(folder: Path, result: RunResult) -> None:
    """List every file with its size and SHA-256."""
    files = {}
    for path in sorted(folder.iterdir()):
        data = path.read_bytes()
        files[path.name] = {
            "bytes": len(data),
            "sha256": hashlib.sha256(data).hexdigest(),
        }
    manifest = {
        "run_id": result.partition.run_id,
        "district": result.partition.district,
        "week": str(result.partition.week),
        "software": result.software,
        "algorithm": result.partition.algorithm,
        "settings_digest": result.partition.settings_digest,
        "register_snapshot": result.register.snapshot_id,
        "notice": notice(invented=result.register.invented),
        "invented_licences": result.register.invented,
        "files": files,
    }
    text = json.dumps(manifest, ensure_ascii=False, indent=2, sort_keys=True)
    write_atomic(folder / MANIFEST, f"{text}\n".encode())


def _manifest(folder: Path) -> dict[str, Any]:
    """Read a manifest; empty where there is none, or it is not one."""
    try:
        manifest = json.loads((folder / MANIFEST).read_bytes())
    except (OSError, ValueError, RecursionError):
        return {}
    if not isinstance(manifest, dict):
        return {}
    # another program's manifest is not ours to act on
    if not str(manifest.get("software", "")).startswith("rsmonitor "):
        return {}
    files = manifest.get("files")
    if not isinstance(files, dict) or not all(map(_is_plain, files)):
        return {}
    return manifest


def _is_plain(name: str) -> bool:
    """Say whether a name stays in its folder."""
    return re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", name) is not None


def _runs(folder: Path) -> Iterator[Path]:
    """List the folders that hold a run."""
    for path in folder.iterdir():
        if (
            LOCATION.match(path.name)
            and not path.is_symlink()
            and (path / MANIFEST).is_file()
        ):
            yield path


def _location(name: str) -> str:
    """Refuse what could lead out of the folder."""
    if not LOCATION.match(name):
        raise OutputError(f"a run's folder must match {LOCATION.pattern}, got {name!r}")
    return name
