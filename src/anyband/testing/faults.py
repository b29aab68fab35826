"""Faults: what goes wrong at real providers, as switches of the server.

`ProviderServer(root, faults=STORM)` or `python -m anyband.testing DIR --faults storm`. With `tokens`, all files lie
on a host that looks like Azure's and wants a token. What happens depends on the seed, the file and the number of
requests for it only, not on the order in which threads ask, so a run can be repeated.
"""

import datetime as dt
import hashlib
import threading
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, quote, urlencode

AZURE_ACCOUNT = "anyband"
AZURE_HOST = f"{AZURE_ACCOUNT}.blob.core.windows.net"
TOKENS = "/api/sas/v1/token/"

UNAVAILABLE, HTML, TRUNCATED, SLOW, GONE = "unavailable", "html", "truncated", "slow", "gone"
_TIMES = {UNAVAILABLE: 2, HTML: 1, TRUNCATED: 1, SLOW: 1}  # requests for one file that go wrong
_OPTICAL = ("sentinel-2-l2a", "landsat-c2-l2")
_BANDS = ("B02", "B03", "B04", "B05", "B8A", "B11", "blue", "green", "red", "nir08", "swir16", "swir22")


@dataclass(frozen=True)
class Faults:
    """What goes wrong. Shares are of all files; each fault of a file passes after a request or two.

    Attributes:
        seed: chooses which files.
        tokens: whether files want a token.
        token_life_s: how long a token lasts, s.
        token_requests: requests after which a token counts as expired before its time; 0 for none.
        token_busy: first requests for a token that are answered 429, "try again in 1 seconds".
        token_stale: tokens after these that have expired when they are handed out.
        unavailable, html, truncated, slow: shares of files that answer 503, with a page of HTML and status 200, with
            half of the bytes, or slowly.
        slow_s: how slowly, s.
        gone, always_html, always_truncated: assets that are 404 for ever, always a page, always cut short; each one
            of another item.
        search_period, search_busy: of so many searches the last so many are answered 503; 0 for none.
        page_items: most items of a page; 0 for no limit.
        repeated_items: items of a page that were on the page before.
    """

    seed: int = 0
    tokens: bool = False
    token_life_s: float = 3_600.0
    token_requests: int = 0
    token_busy: int = 0
    token_stale: int = 0
    unavailable: float = 0.0
    html: float = 0.0
    truncated: float = 0.0
    slow: float = 0.0
    slow_s: float = 2.0
    gone: int = 0
    always_html: int = 0
    always_truncated: int = 0
    search_period: int = 0
    search_busy: int = 0
    page_items: int = 0
    repeated_items: int = 0


CALM = Faults()
STORM = Faults(
    seed=1,
    tokens=True,
    token_life_s=60.0,
    token_requests=70,
    token_busy=2,
    token_stale=1,
    unavailable=0.1,
    html=0.06,
    truncated=0.06,
    slow=0.05,
    slow_s=1.5,
    gone=1,
    search_period=4,
    search_busy=2,
    page_items=2,
    repeated_items=1,
)
PLANS: Mapping[str, Faults] = {"storm": STORM}


class Weather:
    """The faults of one running server: counts requests and says what happens to each."""

    def __init__(self, faults: Faults) -> None:
        """Start counting."""
        self.faults = faults
        self.happened: Counter[str] = Counter()
        self._requests: Counter[str] = Counter()
        self.issued: dict[str, tuple[dt.datetime, int]] = {}  # by signature: expiry, requests so far
        self._lock = threading.Lock()

    def file(self, path: str) -> str | None:
        """What happens to the next request for a file, None for nothing."""
        kind = self._kind(path)
        if kind is None:
            return None
        with self._lock:
            self._requests[path] += 1
            if self._requests[path] > _TIMES[kind]:
                return None
            self.happened[kind] += 1
        return kind

    def _kind(self, path: str) -> str | None:
        position = share(self.faults.seed, path)
        for kind in _TIMES:
            position -= getattr(self.faults, kind)
            if position < 0:
                return kind
        return None

    def search_fails(self) -> bool:
        """Whether the next search is answered 503."""
        if not self.faults.search_busy:
            return False
        with self._lock:
            number = self._requests["search"] % self.faults.search_period
            self._requests["search"] += 1
            fails = number >= self.faults.search_period - self.faults.search_busy
            self.happened["search"] += fails
        return fails

    def token(self, container: str) -> dict[str, str] | None:
        """Answer of the token endpoint, None for "too many requests"."""
        with self._lock:
            self._requests["token"] += 1
            number = self._requests["token"] - self.faults.token_busy
            if number <= 0:
                self.happened["token refused"] += 1
                return None
            stale = number <= self.faults.token_stale
            self.happened["token stale" if stale else "token"] += 1
            life = -60.0 if stale else self.faults.token_life_s
            expiry = dt.datetime.now(dt.UTC) + dt.timedelta(seconds=life)
            signature = hashlib.sha256(f"{self.faults.seed}/{container}/{number}".encode()).hexdigest()
            self.issued[signature] = expiry, 0
        until = expiry.isoformat(timespec="seconds").replace("+00:00", "Z")
        query = {"se": until, "sp": "rl", "sv": "2024-05-04", "sr": "c", "sig": signature}
        return {"msft:expiry": until, "token": urlencode(query, quote_via=quote)}

    def admits(self, query: str) -> bool:
        """Whether the query string of a file's address holds a token that is valid, and still is after this use."""
        if not self.faults.tokens:
            return True
        signature = parse_qs(query).get("sig", [""])[0]
        with self._lock:
            expiry, used = self.issued.get(signature, (dt.datetime.min.replace(tzinfo=dt.UTC), 0))
            limit = self.faults.token_requests
            valid = expiry > dt.datetime.now(dt.UTC) and not (limit and used >= limit)
            if signature in self.issued:
                self.issued[signature] = expiry, used + 1
                self.happened["token expired"] += not valid
        return valid


def share(seed: int, text: str) -> float:
    """A number from 0 to 1 that depends on the seed and the text only."""
    return int.from_bytes(hashlib.sha256(f"{seed}/{text}".encode()).digest()[:6]) / 2**48


def lasting_faults(faults: Faults, items: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    """Hrefs of the assets that are never right, a band of each of the chosen items, and what is wrong."""
    kinds = [GONE] * faults.gone + [HTML] * faults.always_html + [TRUNCATED] * faults.always_truncated
    scenes = [item for item in items if item["collection"] in _OPTICAL] if kinds else []
    scenes.sort(key=lambda item: share(faults.seed, str(item["id"])))
    wrong = {}
    for kind, item in zip(kinds, scenes, strict=False):
        bands = [item["assets"][key]["href"] for key in _BANDS if key in item["assets"]]
        wrong[min(bands, key=lambda href: share(faults.seed, href))] = kind
    return wrong
