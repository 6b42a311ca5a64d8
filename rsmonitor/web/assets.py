"""Scripts, styles and pictures of the page: only what the build's manifest names."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Annotated, Final

from fastapi import APIRouter, Header, HTTPException, Response

from rsmonitor.errors import StoreError

STATIC: Final = Path(__file__).parent / "static"
"""Where the build of ``web/`` puts its files; made by ``make web``."""

MANIFEST: Final = "manifest.json"
"""Written last by the build, so that it is there only when all files are."""

FOREVER: Final = "public, max-age=31536000, immutable"
"""The name of a file changes with its content."""

TYPES: Final[Mapping[str, str]] = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".png": "image/png",
    ".svg": "image/svg+xml",
    ".txt": "text/plain; charset=utf-8",
}
"""What each kind of file is; others are not served."""

router: Final = APIRouter(include_in_schema=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Assets:
    """What one build left."""

    names: Mapping[str, str]
    """Name in a template -> name of the file."""

    needs: Mapping[str, tuple[str, ...]]
    """Entry -> files that it loads at once."""

    files: Mapping[str, Path]
    """Name of the file -> where it lies; nothing else is served."""

    def url(self, name: str) -> str:
        """
        Say where a file is served.

        Parameters
        ----------
        name : str
            Name in a template, such as ``page.js``.

        Returns
        -------
        str
            Path below the service.

        Raises
        ------
        StoreError
            If the build made no such file.
        """
        if name not in self.names:
            raise StoreError(
                f"{STATIC / MANIFEST} names no {name!r}: run make web again"
            )
        return f"/static/{self.names[name]}"


def read_assets(folder: Path = STATIC) -> Assets | None:
    """
    Read what a build left.

    Parameters
    ----------
    folder : Path
        Where it lies.

    Returns
    -------
    Assets or None
        None if the page was not built.

    Raises
    ------
    StoreError
        If the manifest is damaged, or names a file that is not there or no file of
        this folder.
    """
    path = folder / MANIFEST
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        files = {name: folder / name for name in content["files"]}
        assets = Assets(
            names=dict(content["names"]),
            needs={entry: tuple(names) for entry, names in content["needs"].items()},
            files=files,
        )
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise StoreError(f"{path} is damaged ({error}): run make web again") from error
    for name, file in files.items():
        if Path(name).name != name or file.suffix not in TYPES or not file.is_file():
            raise StoreError(
                f"{path} names {name!r}, which is no file of the page: run make web "
                "again"
            )
    return assets


@cache
def built() -> Assets | None:
    """
    Give what the build left, read once in a process.

    Returns
    -------
    Assets or None
        None if the page was not built.
    """
    return read_assets()


@router.get("/static/{name}")
def static(
    name: str, accept_encoding: Annotated[str | None, Header()] = None
) -> Response:
    """
    Serve one file of the page.

    Parameters
    ----------
    name : str
        Its name, with the digest of its content.
    accept_encoding : str, optional
        What the browser unpacks.

    Returns
    -------
    Response
        The file, as gzip where that is understood.

    Raises
    ------
    HTTPException
        404 if the build made no such file.
    """
    assets = built()
    path = None if assets is None else assets.files.get(name)
    if path is None:
        raise HTTPException(404, "no such file")
    headers = {"Cache-Control": FOREVER, "Vary": "Accept-Encoding"}
    packed = path.with_name(f"{path.name}.gz")
    if accepts_gzip(accept_encoding) and packed.is_file():
        headers["Content-Encoding"] = "gzip"
        path = packed
    return Response(
        path.read_bytes(), media_type=TYPES[Path(name).suffix], headers=headers
    )


def accepts_gzip(header: str | None) -> bool:
    """
    Say whether a browser unpacks gzip.

    Parameters
    ----------
    header : str or None
        Value of ``Accept-Encoding``.

    Returns
    -------
    bool
        True if gzip is named, and not with a weight of zero.

    Examples
    --------
    >>> accepts_gzip("br, gzip;q=0.8"), accepts_gzip("gzip;q=0"), accepts_gzip(None)
    (True, False, False)
    """
    for each in (header or "").split(","):
        coding, _, weight = each.strip().lower().partition(";")
        if coding.strip() in {"gzip", "*"}:
            value = weight.replace(" ", "").removeprefix("q=")
            return value.strip("0.") != "" or not value
    return False
