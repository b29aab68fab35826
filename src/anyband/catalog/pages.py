"""Walk over the pages of a STAC API, whatever happens on the way.

`pystac_client` sends the requests, but its own paging starts from the beginning when one page of many fails. Here a
failed page is asked for again from the link that led to it, after a growing wait, and with fewer items when the answer
may have been too large: Earth Search may send 6 MB and says `Internal server error` to whoever wants more.
"""

import json
import socket
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlencode, urljoin, urlsplit

from anyband.raster.access import without_secrets
from anyband.runtime import UserError

if TYPE_CHECKING:
    from pystac_client.stac_api_io import StacApiIO
    from urllib3 import BaseHTTPResponse

TIMEOUT_S = (10.0, 60.0)  # to connect, to wait for an answer
RETRIES = 3  # of one request, by the transport
BACKOFF_S = 0.5
LONGEST_WAIT_S = 300.0  # that a server may ask for; beyond it the run had better end
ATTEMPTS = 4  # at one page, each with its own retries
PAUSE_S = 2.0  # before the second attempt, then twice as long each time
BUSY_STATUS = (429, 500, 502, 503, 504)
TOO_LARGE_STATUS = (413, 500, 502, 504)


@dataclass(frozen=True)
class Request:
    """One request to an API; `body` is what a POST sends, parameters of a GET are in the URL."""

    url: str
    body: Mapping[str, Any] | None = None
    headers: Mapping[str, str] | None = None

    @property
    def method(self) -> str:
        """POST with a body, GET without."""
        return "GET" if self.body is None else "POST"

    @property
    def limit(self) -> int | None:
        """Items a page, None where it is left to the API."""
        value = dict(parse_qsl(urlsplit(self.url).query)).get("limit") if self.body is None else self.body.get("limit")
        return int(str(value)) if str(value).isdigit() else None

    def limited(self, limit: int) -> "Request":
        """The same with another number of items a page."""
        if self.body is not None:
            return replace(self, body={**self.body, "limit": limit})
        parts = urlsplit(self.url)
        parameters = {**dict(parse_qsl(parts.query, keep_blank_values=True)), "limit": str(limit)}
        return replace(self, url=parts._replace(query=urlencode(parameters)).geturl())


def search_request(url: str, method: str, parameters: Mapping[str, Any]) -> Request:
    """A search in the form of a POST body, or as the query string of a GET, where lists are joined by commas."""
    if method == "POST":
        return Request(url, dict(parameters))
    texts = {k: ",".join(map(str, v)) if isinstance(v, list) else str(v) for k, v in parameters.items()}
    return Request(f"{url}{'&' if urlsplit(url).query else '?'}{urlencode(texts)}")


class Pages:
    """A connection to one API, kept open over all requests."""

    def __init__(self, endpoint: str) -> None:
        """Prepare the connection; nothing is sent yet."""
        self.endpoint = endpoint
        self._io = _transport()

    def walk(self, request: Request, member: str) -> Iterator[dict[str, Any]]:
        """Entries of the list `member` on all pages, from the first request on; some may come twice.

        Raises:
            UserError: a page keeps failing, or the pages go round in a circle.
        """
        following: Request | None = request
        seen: set[str] = set()
        empty = False
        while following is not None:
            key = json.dumps([following.url, following.body], sort_keys=True)
            if key in seen:
                raise UserError(f"catalogue {self.endpoint}: its pages go round in a circle, so it cannot be searched")
            seen.add(key)
            page, answered = self.read(following, member)
            yield from page[member]
            if empty and not page[member]:
                return  # some APIs have a next page for ever
            empty = not page[member]
            following = _next(page, answered)

    def read(self, request: Request, member: str) -> tuple[dict[str, Any], Request]:
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
            if status in TOO_LARGE_STATUS and (request.limit or 1) > 1:
                request = request.limited((request.limit or 1) // 2)
        where = f"{request.method} {urlsplit(request.url).path}"
        problem = f"{where} answers {status}" if status else f"{where} fails"
        raise UserError(f"catalogue {self.endpoint}: {problem}: {without_secrets(text)[:300]}")

    def _send(self, request: Request) -> tuple[int, str]:
        """Status and text of the answer; status 0 when there is none, with the reason as text."""
        from pystac_client.exceptions import APIError

        parameters = None if request.body is None else dict(request.body)
        headers = None if request.headers is None else dict(request.headers)
        try:
            return 200, self._io.request(request.url, request.method, headers, parameters)
        except APIError as error:
            return getattr(error, "status_code", None) or 0, str(error) or type(error).__name__


def _transport() -> "StacApiIO":
    """A session with time limits and patience."""
    from pystac_client.stac_api_io import StacApiIO
    from requests.adapters import HTTPAdapter
    from urllib3 import Retry

    class Patience(Retry):
        """Waits as long as the server wants (Retry-After), within limits."""

        def get_retry_after(self, response: "BaseHTTPResponse") -> float | None:
            wait = super().get_retry_after(response)
            return None if wait is None else min(wait, LONGEST_WAIT_S)

    class Prompt(HTTPAdapter):
        """Sends at once through a proxy too, where urllib3 would hold the body of every POST back for 40 ms."""

        def proxy_manager_for(self, proxy: str, **settings: Any) -> Any:
            options = [(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)]
            return super().proxy_manager_for(proxy, socket_options=options, **settings)

    # POST is not retried unless told: searches change nothing, so all methods may be.
    retry = Patience(
        total=RETRIES,
        backoff_factor=BACKOFF_S,
        status_forcelist=BUSY_STATUS,
        allowed_methods=None,
        raise_on_status=False,
    )
    transport = StacApiIO(timeout=TIMEOUT_S, max_retries=None)
    for scheme in ("http://", "https://"):
        transport.session.mount(scheme, Prompt(max_retries=retry))
    return transport


def _decode(text: str) -> dict[str, Any]:
    """A JSON object; an empty one for anything else."""
    try:
        document = json.loads(text)
    except ValueError:
        return {}
    return document if isinstance(document, dict) else {}


def _next(page: Mapping[str, Any], request: Request) -> Request | None:
    """What the link to the next page wants: a GET, or a POST whose body may have to be merged into the last one."""
    link = next((link for link in page.get("links") or () if link.get("rel") == "next" and link.get("href")), None)
    if link is None:
        return None
    body = None
    if str(link.get("method") or "GET").upper() == "POST":
        body = {**((request.body or {}) if link.get("merge") else {}), **(link.get("body") or {})}
    return Request(urljoin(request.url, link["href"]), body, link.get("headers"))
