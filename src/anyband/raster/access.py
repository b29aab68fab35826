"""How addresses are opened: GDAL's settings, signing at the moment of reading, patience, and what went wrong.

Manifests hold unsigned addresses. What opens them comes from the environment or the user's own files only, and is in
no message: files of the Planetary Computer want a token of its own (`credentials`); those of LP DAAC an Earthdata
login, from `EARTHDATA_TOKEN` or `~/.netrc` (with which curl shows the password to the file server too, where the login
leads back to, so a token is better); those in Amazon's S3 the user's AWS credentials, who pays for the transfer.
"""

import logging
import netrc
import os
import re
import time
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any, Literal, TypeVar
from urllib.parse import quote, unquote, urlsplit

from anyband.raster.asset import UnusableItemError
from anyband.raster.credentials import cache_folder, certificates, forget_token, is_untrusted, sas_token, untrusted_line
from anyband.runtime import UserError

T = TypeVar("T")
Trouble = Literal["gone", "damaged", "refused", "down"]
"""Why a file cannot be read: the first two are matters of one file, the others of the whole provider."""

AZURE_HOST = ".blob.core.windows.net"
EARTHDATA_FILES = "https://data.lpdaac.earthdatacloud.nasa.gov/"
EARTHDATA_LOGIN = "urs.earthdata.nasa.gov"
EARTHDATA_VARIABLE = "EARTHDATA_TOKEN"
AWS_REGION = "us-west-2"  # of the Landsat and Sentinel-2 buckets

CACHE_MB = 64
"""GDAL's block cache. Every tile is decoded once, so a larger cache holds only what is never asked for again."""

RETRY_WAITS_S = (1.0, 4.0, 15.0)
"""Pauses before each further try, on top of GDAL's own retries, which see neither pages of HTML nor cut files."""

SECRETS: set[str] = set()
"""Keys of catalogues that are in use; no message has them."""

STORES = {"s3": "vsis3", "s3a": "vsis3", "gs": "vsigs", "az": "vsiaz", "abfs": "vsiaz"}
"""Object stores by the scheme of their addresses: what GDAL calls them."""

_QUERY = re.compile(r"(?<=[^\s(])\?[^\s'\",)]+")
_STATUS = re.compile(r"(?:response code(?: on \S+)?|error code|HTTP)\s*:?\s*(\d{3})")
_REFUSED = ("Forbidden", "Unauthorized", "Permission denied")
_GONE = ("does not exist", "No such file")
_UNREACHABLE = ("CURL error", "timed out", "Could not resolve", "Connection refused")
# What an object store says itself: GDAL passes its words on, without the status, under these names of errors.
_NO_OBJECT, _NO_BUCKET, _NO_CREDENTIALS = (
    f"CPLE_AWS{name}Error" for name in ("ObjectNotFound", "BucketNotFound", "InvalidCredentials")
)
_PATH = "/%:@!$&'()*+,=~[]#"  # what stays in the path of an address
_STRAY_PERCENT = re.compile(r"%(?![0-9A-Fa-f]{2})")
_STORE_BUSY = re.compile(
    r"reduce your request|slow ?down|try again|too many|busy|unavailable|unable to handle|internal ?error|bandwidth"
    r"|timeout|timed out|in time",
    re.IGNORECASE,
)
_STORE_CREDENTIALS = {
    "vsis3": "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY (or a profile in ~/.aws; temporary ones also want "
    "AWS_SESSION_TOKEN and expire) of an account that may read it and pays for the transfer",
    "vsigs": "set GOOGLE_APPLICATION_CREDENTIALS (or GS_NO_SIGN_REQUEST=YES for a public bucket)",
    "vsiaz": "set AZURE_STORAGE_ACCOUNT and AZURE_STORAGE_SAS_TOKEN (or AZURE_NO_SIGN_REQUEST=YES)",
}
_STORE_ARCHIVED = re.compile(r"storage class|archived|InvalidObjectState", re.I)


def gdal_env(href: str = "https://") -> dict[str, Any]:
    """Options of `rasterio.Env` for reading files in long runs, most of all cloud-optimised ones over HTTP.

    Retries are off in GDAL by default and a stalled request would hang for ever. `CPL_VSIL_CURL_NON_CACHED` covers all
    remote addresses, because GDAL otherwise answers from a negative cache after one failure, however long ago.
    GDAL finds the keys of object stores itself; without a session rasterio has boto3 look for them at every file, which
    takes longer than to read a small one.

    Args:
        href: unsigned address of the file.

    Raises:
        UserError: a variable names certificates that are not there.
    """
    from rasterio.session import DummySession

    _keep_secrets_out_of_logs()
    if proxy := os.environ.get("HTTP_PROXY"):
        os.environ.setdefault("http_proxy", proxy)  # curl reads no other spelling, unlike the search
    # Masks and statistics beside a file of this machine (.msk, .aux.xml) are of it, elsewhere they cost requests.
    remote = "://" in href or href.startswith("/vsi")
    options: dict[str, Any] = {
        "session": DummySession(),
        "GDAL_CACHEMAX": CACHE_MB,
        "GDAL_DISABLE_READDIR_ON_OPEN": "EMPTY_DIR" if remote else "TRUE",
        "GDAL_HTTP_MAX_RETRY": 5,
        "GDAL_HTTP_RETRY_DELAY": 0.5,
        "GDAL_HTTP_TIMEOUT": 60,
        "GDAL_HTTP_CONNECTTIMEOUT": 10,
        "GDAL_HTTP_MERGE_CONSECUTIVE_RANGES": "YES",
        "GDAL_INGESTED_BYTES_AT_OPEN": 32_768,
        "CPL_VSIL_CURL_NON_CACHED": ":".join(["/vsicurl/http", "/vsicurl?", *(f"/{s}/" for s in STORES.values())]),
        "AWS_REQUEST_PAYER": "requester",
    }
    if not {"AWS_REGION", "AWS_DEFAULT_REGION"} & os.environ.keys():
        options["AWS_REGION"] = AWS_REGION
    if bundle := certificates():
        options["GDAL_CURL_CA_BUNDLE"] = bundle
    own_store = os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL")
    if own_store and "AWS_S3_ENDPOINT" not in os.environ:
        scheme, _, host = own_store.rstrip("/").rpartition("://")
        options |= {"AWS_S3_ENDPOINT": host, "AWS_HTTPS": "NO" if scheme.lower() == "http" else "YES"}
        if "AWS_VIRTUAL_HOSTING" not in os.environ:
            options["AWS_VIRTUAL_HOSTING"] = "NO"
    if not os.environ.get(EARTHDATA_VARIABLE) and _has_netrc_login():
        # The login page is reached by redirection and hands out a cookie that opens the file.
        cookies = str(cache_folder() / "earthdata.cookies")
        options |= {"GDAL_HTTP_NETRC": "YES", "GDAL_HTTP_COOKIEFILE": cookies, "GDAL_HTTP_COOKIEJAR": cookies}
    return options


def sign(href: str) -> str:
    """What to open an unsigned address with, at the moment of reading; tokens may have expired a little later.

    Addresses of the embedded archive and of public servers need no signature and stay as they are, but for characters
    that no address may have; names in object stores are taken literally, as their own tools do.

    Raises:
        UserError: no token is to be had.
    """
    scheme, found, rest = href.strip().partition("://")
    scheme = scheme.lower() if found else ""
    if scheme in STORES:
        return f"/{STORES[scheme]}/{rest}"
    if scheme == "file":
        return file_path(href)
    if scheme in ("http", "https"):
        path, mark, query = rest.partition("?")
        href = f"{scheme}://{quote(_STRAY_PERCENT.sub('%25', path), safe=_PATH)}{mark}{query.replace(' ', '%20')}"
    parts = urlsplit(href)
    azure = _azure_container(href)
    if azure and "sig=" not in parts.query:
        return f"{href}{'&' if parts.query else '?'}{sas_token(*azure)}"
    token = os.environ.get(EARTHDATA_VARIABLE)
    if token and href.startswith(EARTHDATA_FILES):
        # A header for this address alone: as a general GDAL option it would go to every other provider too.
        return f"/vsicurl?header_file={quote(_header_file(token).name)}&url={quote(href, safe='')}"
    return href


def file_path(place: str) -> str:
    """The path of a `file://` address, anything else as it is, without blanks and line ends around it."""
    place = place.strip()
    scheme, _, rest = place.partition("://")
    return unquote(rest.removeprefix("localhost")) if scheme.lower() == "file" and rest else place


def read_raster(href: str, action: Callable[[Any], T], name: str) -> T:
    """Open a raster and do something with it, as `with_retries` does; `action` takes the open rasterio dataset."""

    def open_and_act(address: str) -> T:
        import rasterio

        with rasterio.Env(**gdal_env(href)), rasterio.open(address) as source:
            return action(source)

    return with_retries(href, open_and_act, name)


def with_retries(
    href: str, action: Callable[[str], T], name: str, failures: tuple[type[Exception], ...] | None = None
) -> T:
    """Do something with a file at a freshly signed address; trouble that may pass is waited out.

    Expired tokens, busy or broken connections, cut bodies and pages of HTML are tried again, from the start and with
    a new signature; a file that does not exist is not.

    Args:
        href: unsigned address.
        action: takes the address to open. It may run several times and must not leave half of its work behind.
        name: what the file is, in messages: "item X: asset Y".
        failures: what `action` raises when it cannot read; those of rasterio if not given.

    Raises:
        UnusableItemError: the file does not exist, or is damaged at every try: drop its item.
        UserError: access is refused or the provider stays out of reach: nothing else will be readable either.
    """
    from rasterio.errors import RasterioError

    expected = failures or (RasterioError,)
    for wait in (*RETRY_WAITS_S, None):
        address = sign(href)
        try:
            return action(address)
        except expected as error:
            trouble = find_trouble(href, error)
            if wait is None or _is_final(trouble, error, href):
                line = f"{name}: {why_unreadable(href, error)}"
                raise (UnusableItemError if trouble in ("gone", "damaged") else UserError)(line) from None
            if trouble == "refused" and (azure := _azure_container(href)):
                forget_token(*azure, address)  # it may be refused before its time
        time.sleep(wait)
    raise AssertionError("the last try returns or raises")


def find_trouble(href: str, error: BaseException) -> Trouble:
    """What kind of trouble a reader's error is.

    An object store refuses in many words (an unknown key, an expired token, a clock that is wrong), so whatever it says
    that is neither of one object nor of its load is a refusal: none may pass for a damaged file. A page of HTML in
    place of a file is a missing login at LP DAAC, which answers so; elsewhere a damaged file.
    """
    message, said = _said(error), _store_said(error)
    if said and said != _NO_OBJECT:
        archived = _STORE_ARCHIVED.search(message)
        return "down" if _STORE_BUSY.search(message) else "damaged" if archived else "refused"
    message = message.replace(href.rpartition("/")[2].partition("?")[0] or href, "")  # a name is no answer
    status = set(_STATUS.findall(message))
    if status & {"401", "403", "407"} or any(mark in message for mark in _REFUSED):
        return "refused"
    if said or status & {"404", "410"} or any(mark in message for mark in _GONE):
        return "gone"
    if status or is_untrusted(message) or any(mark in message for mark in _UNREACHABLE):
        return "down"
    return "refused" if "not recognized" in message and href.startswith(EARTHDATA_FILES) else "damaged"


def why_unreadable(href: str, error: BaseException) -> str:
    """One line on a file that could not be read, with the credential that is missing, if one is, and without secrets.

    Args:
        href: unsigned address.
        error: what the reader said.
    """
    message, place, trouble, said = _said(error), href.split("?")[0], find_trouble(href, error), _store_said(error)
    if trouble == "gone":
        return f"{place} does not exist: search the catalogue again, or drop the item"
    if said == _NO_BUCKET and trouble == "refused":
        return f"{place}: there is no such bucket at this object store: check the address in the item, and the endpoint"
    if "not recognized" in message:
        page = "a damaged file, or a page in its place because a login is missing or has expired"
        return f"{place} is not an image: {_missing(href) if href.startswith(EARTHDATA_FILES) else page}"
    if trouble == "refused":
        words = f" ({message[:200]})" if said and said != _NO_CREDENTIALS else ""
        return f"{place} is refused{words}: {_missing(href)}"
    if is_untrusted(message):
        return f"{place} cannot be read: {untrusted_line()}"
    return f"{place} cannot be read ({message[:200]})"


def _causes(error: BaseException) -> Iterator[BaseException]:
    """An error and what led to it."""
    found: BaseException | None = error
    while found is not None:
        yield found
        found = found.__cause__ or found.__context__


def _store_said(error: BaseException) -> str | None:
    """The name of GDAL's error, where the words of an error are those of an object store."""
    names = [type(found).__name__ for found in _causes(error)]
    return next((name for name in names if name.startswith("CPLE_AWS")), None)


def _said(error: BaseException) -> str:
    """The message of a reader, or of what it was caused by, which says more."""
    return without_secrets(str(error.__cause__ or error))


def _is_final(trouble: Trouble, error: BaseException, href: str) -> bool:
    """Whether trying again is of no use."""
    if trouble == "gone" or (trouble == "refused" and _store_said(error)) or is_untrusted(_said(error)):
        return True
    if trouble == "refused" and href.startswith(EARTHDATA_FILES):
        return not os.environ.get(EARTHDATA_VARIABLE) and not _has_netrc_login()
    return "://" not in href or href.startswith("file:")  # files of this machine do not mend themselves


def _azure_container(href: str) -> tuple[str, str] | None:
    """Account and container of a file of Azure storage, None for others."""
    parts = urlsplit(href)
    host = parts.hostname or ""
    if not host.endswith(AZURE_HOST):
        return None
    return host.removesuffix(AZURE_HOST), parts.path.lstrip("/").split("/")[0]


def without_secrets(message: str) -> str:
    """One line of text without keys, and without the query strings of addresses, which hold tokens."""
    line = " ".join(message.split())
    for secret in filter(None, (os.environ.get(EARTHDATA_VARIABLE), *SECRETS)):
        line = line.replace(secret, "...")
    return _QUERY.sub("", line)


@cache
def _keep_secrets_out_of_logs() -> None:
    """Clean GDAL's warnings of the addresses that they name; unlike errors, they go to the log without being asked."""

    def clean(record: logging.LogRecord) -> bool:
        record.msg, record.args = without_secrets(record.getMessage()), ()
        return True

    logging.getLogger("rasterio._env").addFilter(clean)


def _missing(href: str) -> str:
    """What the user can do to be let in."""
    if found := _STORE_CREDENTIALS.get(STORES.get(href.partition("://")[0].lower(), "")):
        return found
    if href.startswith(EARTHDATA_FILES):
        if os.environ.get(EARTHDATA_VARIABLE):
            return f"{EARTHDATA_VARIABLE} is not accepted (expired?), get a new one at https://{EARTHDATA_LOGIN}"
        return f"an Earthdata login is missing, set {EARTHDATA_VARIABLE} or add {EARTHDATA_LOGIN} to ~/.netrc"
    if _azure_container(href):
        return f"its token is not accepted, remove {cache_folder()} and run again"
    return "a login is missing or has expired, add its host to ~/.netrc"


def _has_netrc_login() -> bool:
    """Whether the user's netrc file names the Earthdata login."""
    try:
        return EARTHDATA_LOGIN in netrc.netrc(str(Path.home() / ".netrc")).hosts
    except (OSError, netrc.NetrcParseError):
        return False


@cache
def _header_file(token: str) -> Any:
    """A file in memory, never on disk, with the HTTP header that carries the Earthdata token."""
    from rasterio.io import MemoryFile

    return MemoryFile(f"Authorization: Bearer {token}\n".encode(), filename="earthdata.header")
