"""Files that are whole or absent, and stay so after a power cut.

A rename is atomic, but only what was synced before it survives; so everything is
synced first, then renamed, then the folder that holds the name is synced.
"""

import contextlib
import errno
import fcntl
import os
import re
import secrets
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NoReturn

from rsmonitor.errors import BusyError, OutputError
from rsmonitor.io.foundation.clock import SystemClock

_ADVICE: Final = {
    errno.ENOSPC: "the disk is full; free space or choose another folder",
    errno.EDQUOT: "your quota is used up; free space or choose another folder",
    errno.EROFS: "the file system is read-only; choose another folder",
    errno.EACCES: "you may not write there; choose another folder or ask its owner",
    errno.EPERM: "you may not write there; choose another folder or ask its owner",
    errno.EFBIG: "the file is larger than a limit allows; raise `ulimit -f`",
    errno.EEXIST: "something else has that name; choose another path",
    errno.ENOTDIR: "a part of the path is a file, not a folder; choose another path",
    errno.ENAMETOOLONG: "the name is too long; choose a shorter one",
    errno.EMFILE: "too many files are open; raise `ulimit -n`",
}
"""What a person can do about what the operating system says."""

_STAGED: Final = "new"
_REPLACED: Final = "old"


def fsync_folder(folder: Path) -> None:
    """
    Sync a folder's list of names, so that a rename in it outlives a power cut.

    Parameters
    ----------
    folder : Path
        An existing folder.

    Raises
    ------
    OutputError
        If the operating system refuses.
    """
    with _naming(folder):
        _fsync(folder)


def fsync_tree(folder: Path) -> None:
    """
    Sync every file and folder below a folder, and the folder itself.

    Symbolic links are not followed.

    Parameters
    ----------
    folder : Path
        An existing folder.

    Raises
    ------
    OutputError
        If the operating system refuses.
    """
    with _naming(folder):
        _fsync_tree(folder)


def make_folder(folder: Path) -> None:
    """
    Make a folder and its parents durably; do nothing if it is there.

    Parameters
    ----------
    folder : Path
        The folder.

    Raises
    ------
    OutputError
        If it cannot be made, or something else has its name.
    """
    with _naming(folder):
        missing = []
        here = folder
        while not here.is_dir():
            missing.append(here)
            here = here.parent
            if here == here.parent:
                break
        for path in reversed(missing):
            path.mkdir(exist_ok=True)
            _fsync(path.parent)


def require_writable(folder: Path) -> None:
    """
    Make a folder if need be, and prove that a file can be written there.

    Asking beforehand is cheaper than failing after an hour of work.

    Parameters
    ----------
    folder : Path
        Where outputs will go.

    Raises
    ------
    OutputError
        If not; the message says why and what to do.
    """
    make_folder(folder)
    probe = folder / f".probe-{secrets.token_hex(8)}"
    with _naming(folder):
        try:
            _write_new(probe, b"rsmonitor")
        finally:
            probe.unlink(missing_ok=True)


def write_atomic(path: Path, data: bytes) -> None:
    """
    Write a file that readers see whole or not at all, and sync it.

    Parameters
    ----------
    path : Path
        The file; replaced if it is there. Its folder must exist.
    data : bytes
        All of its content.

    Raises
    ------
    OutputError
        If it cannot be written; the old file, if any, is then as it was.
    """
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(8)}.tmp")
    with _naming(path):
        try:
            _write_new(temporary, data)
            temporary.replace(path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
        _fsync(path.parent)


def remove_halves(path: Path) -> None:
    """
    Remove what a `write_atomic` that was killed left beside a file.

    Only whoever alone writes that file may call this: the half of a process that
    lives would go as well.

    Parameters
    ----------
    path : Path
        The file, there or not.

    Raises
    ------
    OutputError
        If a leftover cannot be removed.
    """
    name = re.compile(re.escape(f".{path.name}.") + r"[0-9a-f]{16}\.tmp")
    with _naming(path):
        for half in list(path.parent.iterdir()):
            if name.fullmatch(half.name):
                half.unlink(missing_ok=True)


def point(link: Path, target_name: str) -> None:
    """
    Make a relative symbolic link point at a neighbour, in one step.

    A reader that opens the link meets the old target or the new one, never neither.

    Parameters
    ----------
    link : Path
        The link; re-pointed if it is there.
    target_name : str
        Name of an existing file or folder beside the link.

    Raises
    ------
    OutputError
        If the name leads elsewhere, nothing has it, or the link cannot be made.
    """
    if target_name in {"", ".", ".."} or "/" in target_name or "\0" in target_name:
        raise OutputError(
            f"{link} may only point at a neighbour by its plain name, "
            f"got {target_name!r}"
        )
    if not (link.parent / target_name).exists():
        raise OutputError(f"{link} cannot point at {target_name}: it does not exist")
    temporary = link.with_name(f".{link.name}.{secrets.token_hex(8)}.tmp")
    with _naming(link):
        try:
            temporary.symlink_to(target_name)
            temporary.replace(link)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
        _fsync(link.parent)


def rename_durably(path: Path, final: Path) -> None:
    """
    Rename a file within its folder, so that the new name outlives a power cut.

    Parameters
    ----------
    path : Path
        An existing file, synced already.
    final : Path
        Its name from now on; a file of that name is replaced.

    Raises
    ------
    OutputError
        If the operating system refuses.
    """
    with _naming(final):
        path.replace(final)
        _fsync(final.parent)


@contextlib.contextmanager
def lock_file(path: Path, *, what: str, wait: bool = False) -> Iterator[None]:
    """
    Hold a lock that dies with its process, even if that is killed.

    The file stays: a lock on a deleted file would lock nobody out.

    Parameters
    ----------
    path : Path
        The lock file; parents are made.
    what : str
        What is locked, for the message.
    wait : bool, default False
        Wait for another holder instead of refusing.

    Yields
    ------
    None
        While the lock is held.

    Raises
    ------
    BusyError
        If another holds it, in this process or another; says which process, since
        when, as far as the file tells.
    OutputError
        If the file cannot be made or locked.
    """
    make_folder(path.parent)
    with _naming(path):
        lock = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    try:
        with _naming(path):
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
            except BlockingIOError as error:
                holder = os.pread(lock, 200, 0).decode(errors="replace").strip()
                raise BusyError(
                    f"{what} is busy: {holder or 'another run'} holds {path}; wait "
                    "until it ends"
                ) from error
        now = SystemClock().now().isoformat(timespec="seconds")
        _note(lock, f"process {os.getpid()} (since {now})")
        try:
            yield
        finally:
            _note(lock, "")
    finally:
        os.close(lock)


@contextlib.contextmanager
def staged_folder(final: Path) -> Iterator[Path]:
    """
    Fill a folder out of sight, and show it under its name only when it is complete.

    The hidden folder is locked while its process lives. What a process that died
    left behind is removed by the next call for the same `final`; a folder that it
    had moved away but not replaced yet is first put back.

    Parameters
    ----------
    final : Path
        Name of the folder when it is complete; an older one of that name is
        replaced. Parents are made.

    Yields
    ------
    Path
        An empty folder beside `final`, to write into.

    Raises
    ------
    OutputError
        If it cannot be written, or `final` is a file or a link. Whatever else the
        body raises passes through; in every case `final` is then as it was.
    """
    make_folder(final.parent)
    if final.is_symlink() or (final.exists() and not final.is_dir()):
        raise OutputError(
            f"{final} is not a folder; move it away or choose another name"
        )
    with _naming(final):
        _clean(final)
        staged, lock = _locked_folder(final)
    try:
        with _naming(final):
            yield staged
            _fsync_tree(staged)
            _swap_in(staged, final)
    except BaseException:
        shutil.rmtree(staged, ignore_errors=True)
        raise
    finally:
        os.close(lock)


def _swap_in(staged: Path, final: Path) -> None:
    """Rename `staged` to `final`, moving an older folder out of the way."""
    if not final.exists():
        staged.rename(final)
        _fsync(final.parent)
        return
    lock = _claimed(final)
    if lock is None:
        raise OutputError(f"{final} is being replaced by another process; try again")
    # a folder cannot be renamed onto one with content: away, in, delete
    away = _hidden(final, _REPLACED)
    try:
        final.rename(away)
        try:
            staged.rename(final)
        except BaseException:
            away.rename(final)
            raise
        _fsync(final.parent)
        shutil.rmtree(away, ignore_errors=True)
    finally:
        os.close(lock)


def _clean(final: Path) -> None:
    """Finish what processes that died over `final` left half done."""
    for role in (_REPLACED, _STAGED):
        for path in _leftovers(final, role):
            lock = _claimed(path)
            if lock is None:
                continue  # its process lives
            try:
                if role == _REPLACED and not final.exists():
                    path.rename(final)
                else:
                    shutil.rmtree(path, ignore_errors=True)
            finally:
                os.close(lock)


def _locked_folder(final: Path) -> tuple[Path, int]:
    """Make a hidden folder that other processes know to be in use."""
    while True:
        staged = _hidden(final, _STAGED)
        staged.mkdir()
        lock = _claimed(staged)
        if lock is not None:
            return staged, lock
        # else another process took it for a leftover before it was locked


def _claimed(folder: Path) -> int | None:
    """Lock a folder for as long as this process lives; None if another has it."""
    try:
        lock = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if folder.stat().st_ino == os.fstat(lock).st_ino:
            return lock
    except (BlockingIOError, FileNotFoundError):
        pass
    except BaseException:
        os.close(lock)
        raise
    os.close(lock)
    return None


def _hidden(final: Path, role: str) -> Path:
    """Name a hidden neighbour of `final`."""
    return final.with_name(f".{final.name}.{role}-{secrets.token_hex(8)}")


def _leftovers(final: Path, role: str) -> list[Path]:
    """List hidden neighbours of `final`."""
    name = re.compile(re.escape(f".{final.name}.{role}-") + "[0-9a-f]{16}")
    return sorted(path for path in final.parent.iterdir() if name.fullmatch(path.name))


def _write_new(path: Path, data: bytes) -> None:
    """Write and sync a file that must not exist; its mode follows the umask."""
    with path.open("xb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _fsync(path: Path) -> None:
    """Sync a file or folder."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _fsync_tree(folder: Path) -> None:
    """Sync everything below a folder, names after what they name."""
    for parent, _, names in os.walk(folder, topdown=False, onerror=_reraise):
        for name in names:
            path = Path(parent, name)
            if not path.is_symlink():
                _fsync(path)
        _fsync(Path(parent))


def _note(lock: int, text: str) -> None:
    """Write into a lock file who holds it; only a courtesy, so it may fail."""
    with contextlib.suppress(OSError):
        os.ftruncate(lock, 0)
        os.pwrite(lock, text.encode(), 0)


def _reraise(error: OSError) -> NoReturn:
    """Stop `os.walk`, which would pass over what it cannot list."""
    raise error


@contextlib.contextmanager
def _naming(path: Path) -> Iterator[None]:
    """Turn what the operating system says into an error that a person can act on."""
    try:
        yield
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno else str(error)
        if error.filename is not None and str(error.filename) != str(path):
            reason += f" ({error.filename})"
        advice = _ADVICE.get(error.errno or 0, "see the reason, or choose another path")
        raise OutputError(f"{path} cannot be written: {reason}; {advice}") from error
