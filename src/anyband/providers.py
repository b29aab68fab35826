"""Where each catalogue keeps each product: endpoints, collections and the largest page that a provider takes.

A dataset names one catalogue, or one for each product; some products of a known catalogue lie with another provider,
because none has all of them and only the Planetary Computer has the land-cover label. A URL stands for one API that has
the product under any of the collection ids that the dialects know.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from anyband.products import CATALOGUED, PRODUCTS, collection_of
from anyband.runtime import UserError, nearest

PAGE = 100
REST = "rest"
"""Stands, in a mapping of products to catalogues, for those that it does not name."""


@dataclass(frozen=True)
class Key:
    """How an API wants a key: in a header or parameter `name`, after `prefix`; the environment's `variable` has it."""

    variable: str
    name: str
    prefix: str = ""
    query: bool = False


@dataclass(frozen=True)
class StacApi:
    """A STAC API by the address of its landing page, and the key that it wants."""

    endpoint: str
    key: Key | None = None


@dataclass(frozen=True)
class Source:
    """One product at one provider; `page` is the number of items to ask for at a time."""

    endpoint: str
    collection: str
    page: int = PAGE
    key: Key | None = None


EMBEDDED = "http://archive.anyband.test/stac"
EMBEDDED_EXTRA = "http://archive.anyband.test/sensors"
PLANETARY_COMPUTER = "https://planetarycomputer.microsoft.com/api/stac/v1"
EARTH_SEARCH = "https://earth-search.aws.element84.com/v1"
USGS = "https://landsatlook.usgs.gov/stac-server"
LP_DAAC = "https://cmr.earthdata.nasa.gov/stac/LPCLOUD"
EARTH_SEARCH_PAGE = 50  # an answer may have 6 MB; items are large


def _first_known(endpoint: str) -> dict[str, Source]:
    return {product: Source(endpoint, collection_of(product)) for product in CATALOGUED}


_PLANETARY_COMPUTER = _first_known(PLANETARY_COMPUTER)

CATALOGUES: Mapping[str, Mapping[str, Source]] = {
    "embedded": _first_known(EMBEDDED),
    "planetary-computer": _PLANETARY_COMPUTER,
    "earth-search": _PLANETARY_COMPUTER
    | {
        "sentinel2": Source(EARTH_SEARCH, "sentinel-2-l2a", EARTH_SEARCH_PAGE),
        "landsat": Source(EARTH_SEARCH, "landsat-c2-l2", EARTH_SEARCH_PAGE),
    },
    "earth-search-c1": _PLANETARY_COMPUTER
    | {
        "sentinel2": Source(EARTH_SEARCH, "sentinel-2-c1-l2a", EARTH_SEARCH_PAGE),
        "landsat": Source(USGS, "landsat-c2l2-sr"),
    },
    "lpcloud": _PLANETARY_COMPUTER
    | {"hls_s30": Source(LP_DAAC, "HLSS30_2.0"), "hls_l30": Source(LP_DAAC, "HLSL30_2.0")},
}
"""Source of each product by name of the catalogue."""


def extra_sources(extra: Iterable[str]) -> dict[str, Source]:
    """Where to ask for the extra products of a dataset of the embedded archive."""
    return {product: Source(EMBEDDED_EXTRA, collection_of(product)) for product in extra}


def sources(catalog: str | Mapping[str, Any], collections_of: Callable[[StacApi], Iterable[str]]) -> dict[str, Source]:
    """Where to ask for each product.

    Args:
        catalog: as in the configuration, see `places`.
        collections_of: ids of the collections of an API; those of a known catalogue are not asked for.

    Raises:
        UserError: an API lacks a product that is to come from it.
    """
    found, offered = {}, dict[StacApi, set[str]]()
    for product, place in places(catalog).items():
        if isinstance(place, str):
            found[product] = CATALOGUES[place][product]
            continue
        if place not in offered:
            offered[place] = set(collections_of(place))
        known = PRODUCTS[product].collections
        name = next((name for name in known if name in offered[place]), None)
        if name is None:
            line = f"catalogue {place.endpoint} has no collection for {product}, known: {', '.join(known)}"
            raise UserError(f"{line}; name another catalogue for it (catalog: {{{product}: ..., {REST}: ...}})")
        found[product] = Source(place.endpoint, name, key=place.key)
    return found


def places(catalog: object) -> dict[str, str | StacApi]:
    """The key `catalog` of a dataset: for each product the name of a known catalogue, or an API.

    It is one name, one URL, `{url: URL, auth: ...}`, or any of these for each product, with `rest` for the others.

    Raises:
        ValueError: it is none of these, or holds a key; the message does not repeat it.
    """
    if not isinstance(catalog, Mapping) or catalog.keys() & {"url", "auth"}:
        return dict.fromkeys(CATALOGUED, _place(catalog))
    for name in catalog.keys() - {*CATALOGUED, REST}:
        raise ValueError(f"{name!r} is no product{nearest(str(name), (*CATALOGUED, REST))}")
    found = {name: _place(place) for name, place in catalog.items()}
    if "embedded" in found.values():
        raise ValueError("embedded stands alone: its scenes go with no other catalogue's")
    lacking = [product for product in CATALOGUED if product not in found]
    if lacking and REST not in found:
        raise ValueError(f"no catalogue for {', '.join(lacking)}: name one, or {REST} for all others")
    return {product: found.get(product) or found[REST] for product in CATALOGUED}


def _place(value: object) -> str | StacApi:
    if isinstance(value, Mapping):
        if value.keys() - {"url", "auth"} or "url" not in value:
            raise ValueError("a catalogue is a name, a URL, or {url: URL, auth: ...}")
        return StacApi(_endpoint(value["url"]), _key(value["auth"]) if "auth" in value else None)
    return value if isinstance(value, str) and value in CATALOGUES else StacApi(_endpoint(value))


def _endpoint(value: object) -> str:
    """The address of a landing page, its scheme in lower case."""
    scheme, found, rest = str(value).partition("://")
    parts = urlsplit(str(value))
    if not found or scheme.lower() not in ("http", "https") or not parts.hostname:
        shown = str(value).split("?")[0].rpartition("@")[2]
        raise ValueError(
            f"{shown!r} is neither a known one nor a http(s) URL of a STAC API{nearest(shown, CATALOGUES)}"
        )
    if "@" in parts.netloc:
        raise ValueError(f"the address of {parts.hostname}: put a login into ~/.netrc, not into the address")
    if "?" in rest or "#" in rest:
        how = "a key goes into the environment, as auth: {query: NAME OF THE PARAMETER, variable: NAME OF THE VARIABLE}"
        raise ValueError(f"the address of {parts.hostname} goes on after ? or #, a landing page's does not; {how}")
    return f"{scheme.lower()}://{rest}"


def _key(auth: object) -> Key:
    kinds: dict[frozenset[str], str] = {
        frozenset({"bearer"}): "bearer",
        frozenset({"header", "variable"}): "variable",
        frozenset({"query", "variable"}): "variable",
    }
    field = kinds.get(frozenset(auth)) if isinstance(auth, Mapping) else None
    if field is None or not isinstance(auth, Mapping):
        forms = "{bearer: VARIABLE}, {header: NAME, variable: VARIABLE} or {query: NAME, variable: VARIABLE}"
        raise ValueError(f"auth is one of {forms}")
    variable, name = str(auth[field]), str(auth.get("header") or auth.get("query") or "Authorization")
    if not re.fullmatch(r"[A-Z_][A-Z0-9_]*", variable):
        raise ValueError(f"auth.{field} is the name of an environment variable, in capitals, not the key itself")
    if not re.fullmatch(r"[A-Za-z0-9_-]+", name):
        raise ValueError("auth: the name of a header or a parameter has letters, digits, - and _ only")
    return Key(variable, name, "Bearer " if field == "bearer" else "", "query" in auth)
