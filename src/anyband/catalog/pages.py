"""The connection that `pystac_client` searches through: it walks over the pages of an API, whatever happens on the way.

The paging of `pystac_client` starts from the beginning when one page of many fails. Here a failed page is asked for
again from the link that led to it, after a growing wait, and with fewer items when the answer may have been too large:
Earth Search may send 6 MB and says `Internal server error` to whoever wants more.
"""

import json
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlencode, urljoin, urlsplit

from pystac_client.exceptions import APIError
from pystac_client.stac_api_io import StacApiIO
from urllib3 import Retry

from anyband.raster.access import without_secrets
from anyband.runtime import UserError

if TYPE_CHECKING:
    from urllib3 import BaseHTTPResponse

TIMEOUT_S = (10.0, 60.0)  # to connect, to wait for an answer
RETRIES = 3  # of one request, by the transport
BACKOFF_S = 0.5
LONGEST_WAIT_S = 300.0  # that a server may ask for; beyond it the run had better end
ATTEMPTS = 4  # at one page, each with its own retries
PAUSE_S = 2.0  # before the second attempt, then twice as long each time
BUSY_STATUS = (429, 500, 502, 503, 504)
TOO_LARGE_STATUS = (413, 500, 502, 504)


class _Patience(Retry):
    """Waits as long as the server wants (Retry-After), within limits."""

    def get_retry_after(self, response: "BaseHTTPResponse") -> float | None:
        wait = super().get_retry_after(response)
        return None if wait is None else min(wait, LONGEST_WAIT_S)


@dataclass(frozen=True)
class PageRequest:
    """One request to an API; `body` is what a POST sends, parameters of a GET are in the URL."""

    url: str
    body: Mapping[str, Any] | None = None
    headers: Mapping[str, str] | None = None

    @property
    def method(self) -> str:
        """POST with a body, GET without."""
        return "GET" if self.body is None else "POST"

    @property
    def limit(self) -> int:
        """Items a page, 1 where it is left to the API."""
        value = dict(parse_qsl(urlsplit(self.url).query)).get("limit") if self.body is None else self.body.get("limit")
        return int(str(value)) if str(value).isdigit() else 1

    def limited(self, limit: int) -> "PageRequest":
        """The same with another number of items a page."""
        if self.body is not None:
            return replace(self, body={**self.body, "limit": limit})
        parts = urlsplit(self.url)
        parameters = {**dict(parse_qsl(parts.query, keep_blank_values=True)), "limit": str(limit)}
        return replace(self, url=parts._replace(query=urlencode(parameters)).geturl())


class PatientIO(StacApiIO):
    """A connection to one API, kept open over all requests."""

    def __init__(self, endpoint: str) -> None:
        """Prepare the connection; nothing is sent yet."""
        # POST is not retried unless told: searches change nothing, so all methods may be.
        retry = _Patience(
            total=RETRIES,
            backoff_factor=BACKOFF_S,
            status_forcelist=BUSY_STATUS,
            allowed_methods=None,
            raise_on_status=False,
        )
        super().__init__(timeout=TIMEOUT_S, max_retries=retry)
        self.endpoint = endpoint

    def get_pages(
        self,
        url: str,
        method: str | None = None,
        parameters: dict[str, Any] | None = None,
        member: str = "features",
    ) -> Iterator[dict[str, Any]]:
        """All pages whose list `member` holds something, from the first request on; entries may come twice.

        Raises:
            UserError: a page keeps failing, or the pages go round in a circle.
        """
        following: PageRequest | None = PageRequest(url, parameters)
        if method != "POST" and parameters:
            following = PageRequest(f"{url}{'&' if urlsplit(url).query else '?'}{urlencode(parameters)}")
        seen: set[str] = set()
        empty = 0
        while following is not None and empty < 2:  # some APIs have a next page for ever
            key = json.dumps([following.url, following.body], sort_keys=True)
            if key in seen:
                raise UserError(f"catalogue {self.endpoint}: its pages go round in a circle, so it cannot be searched")
            seen.add(key)
            page, answered = self.document(following, member)
            if page[member]:
                yield page
            empty = 0 if page[member] else empty + 1
            following = _next(page, answered)

    def document(self, request: PageRequest, member: str) -> tuple[dict[str, Any], PageRequest]:
        """A JSON document that has the list `member`, and the request that was answered in the end.

        Raises:
            UserError: refused, or no such document after all attempts.
        """
        pause = PAUSE_S
        for attempt in range(ATTEMPTS):
            if attempt:
                time.sleep(pause)
                pause *= 2
            status, text = self._send(request)
            if status == 200:
                document = _decode(text)
                if isinstance(document.get(member), list):
                    return document, request
                text = f"its answer is not JSON with {member} (a login page in its place?)"
            elif status and status not in (*BUSY_STATUS, *TOO_LARGE_STATUS):
                break
            if status in TOO_LARGE_STATUS and request.limit > 1:
                request = request.limited(request.limit // 2)
        where = f"{request.method} {urlsplit(request.url).path}"
        problem = f"{where} answers {status}" if status else f"{where} fails"
        raise UserError(f"catalogue {self.endpoint}: {problem}: {without_secrets(text)[:300]}")

    def _send(self, request: PageRequest) -> tuple[int, str]:
        """Status and text of the answer; status 0 when there is none, with the reason as text."""
        parameters = None if request.body is None else dict(request.body)
        headers = None if request.headers is None else dict(request.headers)
        try:
            return 200, self.request(request.url, request.method, headers, parameters)
        except APIError as error:
            return getattr(error, "status_code", None) or 0, str(error) or type(error).__name__


def _decode(text: str) -> dict[str, Any]:
    """A JSON object; an empty one for anything else."""
    try:
        document = json.loads(text)
    except ValueError:
        return {}
    return document if isinstance(document, dict) else {}


def _next(page: Mapping[str, Any], request: PageRequest) -> PageRequest | None:
    """What the link to the next page wants: a GET, or a POST whose body may have to be merged into the last one."""
    link = next((link for link in page.get("links") or () if link.get("rel") == "next" and link.get("href")), None)
    if link is None:
        return None
    body = None
    if str(link.get("method") or "GET").upper() == "POST":
        body = {**((request.body or {}) if link.get("merge") else {}), **(link.get("body") or {})}
    return PageRequest(urljoin(request.url, link["href"]), body, link.get("headers"))
