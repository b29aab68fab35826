"""The connection that `pystac_client` searches through: it walks over the pages of an API, whatever happens on the way.

The paging of `pystac_client` starts from the beginning when one page of many fails. Here a failed page is asked for
again from the link that led to it, after a growing wait, and with fewer items when the answer may have been too large:
Earth Search may send 6 MB and says `Internal server error` to whoever wants more.
"""

import json
import os
import re
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import parse_qsl, urlencode, urljoin, urlsplit

import requests
from pystac_client.exceptions import APIError
from pystac_client.stac_api_io import StacApiIO
from requests.adapters import HTTPAdapter
from urllib3 import Retry
from urllib3.exceptions import MaxRetryError

from anyband.providers import Key
from anyband.raster.access import SECRETS, without_secrets
from anyband.raster.credentials import certificates, is_untrusted, untrusted_line
from anyband.runtime import UserError

if TYPE_CHECKING:
    from urllib3 import BaseHTTPResponse

TIMEOUT_S = (10.0, 60.0)  # to connect, to wait for an answer
RETRIES = 3  # of one request, by the transport
BACKOFF_S = 0.5
LONGEST_WAIT_S = 300.0  # that a server may ask for; beyond it the run had better end
ATTEMPTS = 4  # at one page, each with its own retries
PAUSE_S = 2.0  # before the second attempt, then twice as long each time
SHORTEST_KEY = 6  # characters; less is in too many words to be kept out of texts
BUSY_STATUS = (429, 500, 502, 503, 504)
TOO_LARGE_STATUS = (413, 500, 502, 504)

_PART_OF_API = re.compile(r"/(search|collections)(/|$)")


class _Patience(Retry):
    """Waits as long as the server wants (Retry-After), within limits; not for a certificate that nobody vouches for."""

    def increment(self, *arguments: Any, **named: Any) -> Self:
        error = named.get("error")
        if error is not None and is_untrusted(str(error)):
            raise MaxRetryError(named["_pool"], arguments[1], error)
        return super().increment(*arguments, **named)

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


class _Transport(HTTPAdapter):
    """Sends single requests, those of redirections too: with the key to the API's own host, and to no other one."""

    def __init__(self, endpoint: str, key: Key | None, retry: Retry) -> None:
        super().__init__(max_retries=retry)
        self.home, self.key, self.secret, self.trusted = _host(endpoint), key, "", certificates()
        if key is not None:
            self.secret = os.environ.get(key.variable, "").strip()
            if not self.secret:
                name = f"the environment variable {key.variable}"
                raise UserError(f"catalogue {endpoint}: {name} is not set, which auth names as the one with its key")
            SECRETS.update({self.secret} if len(self.secret) >= SHORTEST_KEY else ())

    def send(self, request: requests.PreparedRequest, *arguments: Any, **named: Any) -> requests.Response:
        if self.key is not None and _host(str(request.url)) == self.home:
            request = request.copy()  # what a redirection goes on with has no key
            if self.key.query:
                request.prepare_url(request.url, {self.key.name: self.secret})
            else:
                request.headers[self.key.name] = self.key.prefix + self.secret
        named["verify"] = self.trusted or named.get("verify", True)
        return super().send(request, *arguments, **named)


def _host(address: str) -> tuple[str, str, int | None]:
    parts = urlsplit(address)
    return parts.scheme, parts.hostname or "", parts.port


class PatientIO(StacApiIO):
    """A connection to one API, kept open over all requests."""

    def __init__(self, endpoint: str, key: Key | None = None) -> None:
        """Prepare the connection; nothing is sent yet.

        Raises:
            UserError: the environment lacks the key, or the certificates that it names.
        """
        # POST is not retried unless told: searches change nothing, so all methods may be.
        retry = _Patience(
            total=RETRIES,
            backoff_factor=BACKOFF_S,
            status_forcelist=BUSY_STATUS,
            allowed_methods=None,
            raise_on_status=False,
        )
        super().__init__(timeout=TIMEOUT_S, max_retries=None)
        self.endpoint, self.key = endpoint, key
        self._moved = ""
        transport = _Transport(endpoint, key, retry)
        for scheme in ("http://", "https://"):
            self.session.mount(scheme, transport)
        self.session.hooks["response"].append(self._note_moved)

    def _note_moved(self, answer: requests.Response, **_: Any) -> None:
        """Remember a redirection that makes a GET of a POST, and a search for everything of a search."""
        if answer.request.method == "POST" and answer.is_redirect and answer.status_code not in (307, 308):
            goal = without_secrets(urljoin(answer.url, answer.headers["location"]))
            self._moved = f"redirects POST {without_secrets(answer.url)} to {goal} with status {answer.status_code}"

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

    def document(self, request: PageRequest, member: str = "") -> tuple[dict[str, Any], PageRequest]:
        """A JSON document that has the list `member`, if one is named, and the request that was answered in the end.

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
                if isinstance(document.get(member), list) or (document and not member):
                    return document, request
                text = f"its answer is not JSON{' with ' if member else ''}{member} (a login page in its place?)"
            elif (status and status not in (*BUSY_STATUS, *TOO_LARGE_STATUS)) or is_untrusted(text):
                break
            if status in TOO_LARGE_STATUS and request.limit > 1:
                request = request.limited(request.limit // 2)
        where = f"{request.method} {without_secrets(request.url)} {f'answers {status}' if status else 'fails'}"
        text = untrusted_line() if is_untrusted(text) else without_secrets(text)[:300]
        raise UserError(f"catalogue {self.endpoint}: {where}: {text}{self._advice(request, status)}")

    def _advice(self, request: PageRequest, status: int) -> str:
        """What may help against a status."""
        if status in (401, 403) and self.key is None:
            return "; give its key as catalog: {url: ..., auth: ...} (docs/data.md, Access) or a login in ~/.netrc"
        if status in (401, 403) and self.key is not None and _host(request.url) == _host(self.endpoint):
            return f"; the key in {self.key.variable} is not accepted"
        if not request.url.startswith(self.endpoint.rstrip("/")):
            return "; a link of the server leads there: its links must lead to where it is reached from outside"
        if _PART_OF_API.search(urlsplit(self.endpoint).path):
            return "; the address should be the API's landing page, without /collections or /search"
        return ""

    def _send(self, request: PageRequest) -> tuple[int, str]:
        """Status and text of the answer; status 0 when there is none, with the reason as text."""
        parameters = None if request.body is None else dict(request.body)
        headers = None if request.headers is None else dict(request.headers)
        try:
            text = self.request(request.url, request.method, headers, parameters)
        except APIError as error:
            return getattr(error, "status_code", None) or 0, str(error) or type(error).__name__
        finally:
            if self._moved:
                how = "which loses the search: give the address that it leads to, or let the server answer 308"
                raise UserError(f"catalogue {self.endpoint}: {self._moved}, {how}")
        return 200, text


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
