"""How GDAL behaves in this process: bounded in time, and reading only what it is told.

Several GDALs live in one process (rasterio's, pyogrio's), and `rasterio.Env` configures
only its own; so the options are environment variables, set before the first import.
"""

import math
import os
from collections.abc import Mapping
from typing import Final

from rsmonitor.io.foundation.http import HttpPolicy

_ALWAYS: Final = {
    # a folder listing is a request more, and an S3 bucket's can be endless
    "GDAL_DISABLE_READDIR_ON_OPEN": "EMPTY_DIR",
    # a 404 is otherwise remembered for the life of the process
    "CPL_VSIL_CURL_NON_CACHED": "/vsicurl/:/vsis3/",
    # several threads swallow the error of a truncated JPEG 2000; blocks are our threads
    "GDAL_NUM_THREADS": "1",
    "GDAL_PAM_ENABLED": "NO",
    "GDAL_VRT_ENABLE_PYTHON": "NO",
    "GTIFF_IGNORE_READ_ERRORS": "NO",
    "CPL_AWS_AUTODETECT_EC2": "NO",
    "AWS_EC2_METADATA_DISABLED": "true",
}
"""What holds whatever the policy."""

_FETCHING_DRIVERS: Final = (
    "VRT HTTP WMS WMTS WCS STACIT STACTA GTI DERIVED PLMOSAIC EEDAI DAAS OGCAPI"
)
"""Drivers that read addresses which a file names: no scene needs one."""


def gdal_options(policy: HttpPolicy) -> dict[str, str]:
    """
    Give GDAL's options for reading scenes over HTTP.

    Parameters
    ----------
    policy : HttpPolicy
        Time-outs and attempts; GDAL itself has no time-out.

    Returns
    -------
    dict of str to str
        By GDAL's names.
    """
    whole = str(max(1, math.ceil(policy.read_timeout_s)))
    return {
        **_ALWAYS,
        "GDAL_HTTP_CONNECTTIMEOUT": f"{policy.connect_timeout_s:g}",
        "GDAL_HTTP_TIMEOUT": f"{policy.read_timeout_s:g}",
        "GDAL_HTTP_LOW_SPEED_TIME": whole,
        "GDAL_HTTP_LOW_SPEED_LIMIT": "1000",
        "GDAL_HTTP_MAX_RETRY": str(max(0, policy.attempts - 1)),
        "GDAL_HTTP_RETRY_DELAY": str(policy.first_pause_s),
        "GDAL_HTTP_RETRY_CODES": "429,500,502,503,504",
    }


def gdal_environment(
    policy: HttpPolicy, environment: Mapping[str, str] | None = None
) -> dict[str, str]:
    """
    Give the environment variables that make every GDAL of a process behave.

    Parameters
    ----------
    policy : HttpPolicy
        Time-outs and attempts.
    environment : mapping of str to str, optional
        The environment as it is; by default the process's own. What it sets already
        is the operator's choice and wins, except that drivers are only added to
        ``GDAL_SKIP``.

    Returns
    -------
    dict of str to str
        What has to be set.
    """
    there = os.environ if environment is None else environment
    wanted = {
        name: value for name, value in gdal_options(policy).items() if name not in there
    }
    skipped = f"{there.get('GDAL_SKIP', '')} {_FETCHING_DRIVERS}".split()
    wanted["GDAL_SKIP"] = " ".join(dict.fromkeys(skipped))
    return wanted


def set_gdal_environment(policy: HttpPolicy) -> None:
    """
    Set GDAL's options for this process and those it starts.

    Call it before rasterio or pyogrio is imported: ``GDAL_SKIP`` is read once.

    Parameters
    ----------
    policy : HttpPolicy
        Time-outs and attempts.
    """
    os.environ.update(gdal_environment(policy))
