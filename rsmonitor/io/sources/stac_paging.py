"""The search of `pystac_client`, bounded: one host, no circles, an end."""

import json
from collections.abc import Iterator
from typing import Any, Final
from urllib.parse import urljoin, urlsplit

from pystac_client.stac_api_io import StacApiIO

from rsmonitor.errors import SourceError
from rsmonitor.io.foundation.http import Http
from rsmonitor.io.foundation.redaction import redact_address

MAX_PAGES: Final = 200
"""Pages of one search; more is an endless one."""


class BoundedStacIO(StacApiIO):
    """Sends what `pystac_client` asks for by our own means, to one host only.

    Its own would not repeat a POST, nor wait as ``Retry-After`` says, and would stop
    without a word at a page that is empty.

    Parameters
    ----------
    http : Http
        Sends, bounded.
    url : str
        The landing page; every request must go to its host.
    """

    def __init__(self, http: Http, url: str) -> None:
        super().__init__(max_retries=None)
        self._http = http
        self._url = url

    def request(
        self,
        href: str,
        method: str | None = None,
        headers: dict[str, str] | None = None,
        parameters: dict[str, Any] | None = None,
    ) -> str:
        """
        Send a request.

        Parameters
        ----------
        href : str
            Where.
        method : str, optional
            ``GET`` by default.
        headers : dict of str to str, optional
            More headers.
        parameters : dict, optional
            Query, or the body of a POST.

        Returns
        -------
        str
            The body.

        Raises
        ------
        SourceError
            If the address is on another host, or the answer is not 2xx or not text.
        """
        here, there = urlsplit(self._url), urlsplit(href)
        if (here.scheme, here.netloc) != (there.scheme, there.netloc):
            raise SourceError(
                f"{redact_address(self._url)} sends the search to "
                f"{redact_address(href)}: another host is not asked"
            )
        verb = (method or "GET").upper()
        if verb not in {"GET", "POST"}:
            raise SourceError(f"{redact_address(href)} is to be asked by {verb!r:.20}")
        answer = self._http.request(
            verb,
            href,
            headers=headers,
            params=parameters if verb == "GET" else None,
            body=(parameters or {}) if verb == "POST" else None,
        )
        answer.json()  # refuses what is not 2xx or no object, such as a page of HTML
        return answer.content.decode()

    def get_pages(
        self,
        url: str,
        method: str | None = None,
        parameters: dict[str, Any] | None = None,
    ) -> Iterator[dict[str, Any]]:
        """
        Read page after page.

        Parameters
        ----------
        url : str
            Where the search is.
        method : str, optional
            ``GET`` by default.
        parameters : dict, optional
            The search.

        Yields
        ------
        dict
            A page; an empty one does not end the search.

        Raises
        ------
        SourceError
            If a page is none, a ``next`` leads to where the search was, or there are
            more than `MAX_PAGES`.
        """
        asked: set[str] = set()
        question: tuple[str, str, dict[str, Any]] | None
        question = (url, method or "GET", parameters or {})
        while question is not None:
            known = json.dumps(question, sort_keys=True)
            where = redact_address(question[0])
            if known in asked:
                raise SourceError(f"{where}: the pages of the search go in a circle")
            if len(asked) >= MAX_PAGES:
                raise SourceError(
                    f"{where}: more than {MAX_PAGES} pages; search a shorter time"
                )
            asked.add(known)
            page = json.loads(
                self.request(question[0], method=question[1], parameters=question[2])
            )
            if not isinstance(page.get("features"), list):
                raise SourceError(f"{where}: the answer is no page of items")
            yield page
            question = _next(page, question, where)


def _next(
    page: dict[str, Any], question: tuple[str, str, dict[str, Any]], where: str
) -> tuple[str, str, dict[str, Any]] | None:
    """Give the question that a page's ``next`` link asks, if it has one."""
    links = page.get("links") or []
    if not isinstance(links, list) or not all(isinstance(one, dict) for one in links):
        raise SourceError(f"{where}: the links of a page are no links")
    link = next((one for one in links if one.get("rel") == "next"), None)
    if link is None:
        return None
    href, verb, body = link.get("href"), link.get("method", "GET"), link.get("body", {})
    if not (isinstance(href, str) and isinstance(verb, str) and isinstance(body, dict)):
        raise SourceError(f"{where}: the next link of a page is no link")
    if link.get("merge"):
        body = {**question[2], **body}
    return urljoin(question[0], href), verb, body if verb.upper() == "POST" else {}
