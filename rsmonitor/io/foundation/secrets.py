"""Files that hold a secret: read only if nobody but their owner may read them."""

import os
import stat
from pathlib import Path
from typing import Final

from rsmonitor.errors import SettingsError

LONGEST: Final = 10_000
"""Bytes; a secret is short, and a longer file is something else."""


def read_private(file: Path) -> bytes:
    """
    Read a file that only its owner may read.

    Parameters
    ----------
    file : Path
        A regular file of mode 0600, of this user or of root.

    Returns
    -------
    bytes
        Its content.

    Raises
    ------
    SettingsError
        If it cannot be read, others may read it, or it is too long to be a secret;
        never with a part of its content.
    """
    try:
        # a pipe under that name must not make us wait for whoever writes into it
        descriptor = os.open(file, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        raise SettingsError(f"{file} cannot be read: {error.strerror}") from error
    try:
        # of the open file, so that it cannot be exchanged in between
        status = os.fstat(descriptor)
        mode = stat.S_IMODE(status.st_mode)
        if not stat.S_ISREG(status.st_mode) or mode & 0o177:
            raise SettingsError(
                f"{file} has mode {mode:04o}; a file with a secret must be a regular "
                f"file of mode 0600: chmod 600 {file}"
            )
        if status.st_uid not in {os.geteuid(), 0}:
            raise SettingsError(f"{file} belongs to another user; use your own")
        if status.st_size > LONGEST:
            raise SettingsError(
                f"{file} has {status.st_size} bytes; a secret has at most {LONGEST}"
            )
        return os.read(descriptor, LONGEST)
    except OSError as error:
        raise SettingsError(f"{file} cannot be read: {error.strerror}") from error
    finally:
        os.close(descriptor)
