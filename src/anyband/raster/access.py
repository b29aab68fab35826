"""How addresses are opened: GDAL's settings, signing at the moment of reading, patience, and what went wrong.

Manifests hold unsigned addresses. What opens them comes from the environment or the user's own files only, and is in
no message: files of the Planetary Computer want a token of its own (`sas`); those of LP DAAC an Earthdata login, from
`EARTHDATA_TOKEN` or `~/.netrc` (with which curl shows the password to the file server too, where the login leads back
to, so a token is better); those in Amazon's S3 the user's AWS credentials, who pays for the transfer.
"""

import logging
import netrc
import os
import re
import time
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, Literal, TypeVar
from urllib.parse import quote, urlsplit

from anyband.raster.asset import UnusableItemError
from anyband.raster.sas import cache_folder, forget_token, sas_token
from anyband.runtime import UserError

T = TypeVar("T")
Trouble = Literal["gone", "damaged", "refused", "down"]
"""Why a file cannot be read: the first two are matters of one file, the others of the whole provider."""

AZURE_HOST = ".blob.core.windows.net"
EARTHDATA_FILES = "https://data.lpdaac.earthdatacloud.nasa.gov/"
EARTHDATA_LOGIN = "urs.earthdata.nasa.gov"
EARTHDATA_VARIABLE = "EARTHDATA_TOKEN"
AWS_REGION = "us-west-2"  # of the Landsat and Sentinel-2 buckets

RETRY_WAITS_S = (1.0, 4.0, 15.0)
"""Pauses before each further try, on top of GDAL's own retries, which see neither pages of HTML nor cut files."""

_QUERY = re.compile(r"\?[^\s'\",)]*")
_STATUS = re.compile(r"(?:response code(?: on \S+)?|error code|HTTP)\s*:?\s*(\d{3})")
_NO_CREDENTIALS = ("InvalidCredentials", "AWS_SECRET_ACCESS_KEY")
_REFUSED = ("Forbidden", "Unauthorized", "AccessDenied", "Permission denied", *_NO_CREDENTIALS)
_GONE = ("does not exist", "No such file")
_UNREACHABLE = ("CURL error", "timed out", "Could not resolve", "Connection refused")


def gdal_env() -> dict[str, Any]:
    """GDAL options for reading cloud-optimised files over HTTP in long runs.

    Retries are off in GDAL by default and a stalled request would hang for ever. `CPL_VSIL_CURL_NON_CACHED` covers all
    remote addresses, because GDAL otherwise answers from a negative cache after one failure, however long ago. The
    extension in an address with options of its own (`/vsicurl?`) is not seen by GDAL, hence `{noext}`.
    """
    _keep_secrets_out_of_logs()
    options: dict[str, Any] = {
        "GDAL_DISABLE_READDIR_ON_OPEN": "EMPTY_DIR",
        "GDAL_HTTP_MAX_RETRY": 5,
        "GDAL_HTTP_RETRY_DELAY": 0.5,
        "GDAL_HTTP_TIMEOUT": 60,
        "GDAL_HTTP_CONNECTTIMEOUT": 10,
        "GDAL_HTTP_MERGE_CONSECUTIVE_RANGES": "YES",
        "GDAL_INGESTED_BYTES_AT_OPEN": 32_768,
        "CPL_VSIL_CURL_ALLOWED_EXTENSIONS": ".tif,.TIF,{noext}",
        "CPL_VSIL_CURL_NON_CACHED": "/vsicurl/http:/vsicurl?:/vsis3/",
        "AWS_REQUEST_PAYER": "requester",
    }
    if not {"AWS_REGION", "AWS_DEFAULT_REGION"} & os.environ.keys():
        options["AWS_REGION"] = AWS_REGION
    if not os.environ.get(EARTHDATA_VARIABLE) and _has_netrc_login():
        # The login page is reached by redirection and hands out a cookie that opens the file.
        cookies = str(cache_folder() / "earthdata.cookies")
        options |= {"GDAL_HTTP_NETRC": "YES", "GDAL_HTTP_COOKIEFILE": cookies, "GDAL_HTTP_COOKIEJAR": cookies}
    return options


def sign(href: str) -> str:
    """What to open an unsigned address with, at the moment of reading; tokens may have expired a little later.

    Addresses of the embedded archive and of public buckets need no signature and stay as they are.

    Raises:
        UserError: no token is to be had.
    """
    parts = urlsplit(href)
    if parts.scheme == "s3":
        return f"/vsis3/{parts.netloc}{parts.path}"
    azure = _azure_container(href)
    if azure and "sig=" not in parts.query:
        return f"{href}{'&' if parts.query else '?'}{sas_token(*azure)}"
    token = os.environ.get(EARTHDATA_VARIABLE)
    if token and href.startswith(EARTHDATA_FILES):
        # A header for this address alone: as a general GDAL option it would go to every other provider too.
        return f"/vsicurl?header_file={quote(_header_file(token).name)}&url={quote(href, safe='')}"
    return href


def read_raster(href: str, action: Callable[[Any], T], name: str) -> T:
    """Open a raster and do something with it, as `with_retries` does; `action` takes the open rasterio dataset."""

    def open_and_act(address: str) -> T:
        import rasterio

        with rasterio.open(address) as source:
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
            message, trouble = _said(error), find_trouble(href, error)
            if wait is None or _is_final(trouble, message, href):
                line = f"{name}: {why_unreadable(href, error)}"
                raise (UnusableItemError if trouble in ("gone", "damaged") else UserError)(line) from None
            if trouble == "refused" and (azure := _azure_container(href)):
                forget_token(*azure, address)  # it may be refused before its time
        time.sleep(wait)
    raise AssertionError("the last try returns or raises")


def find_trouble(href: str, error: BaseException) -> Trouble:
    """What kind of trouble a reader's error is.

    A page of HTML in place of a file is a missing login at LP DAAC, which answers so; elsewhere a damaged file.
    """
    message = _said(error)
    status = set(_STATUS.findall(message))
    if status & {"401", "403"} or any(mark in message for mark in _REFUSED):
        return "refused"
    if "404" in status or any(mark in message for mark in _GONE):
        return "gone"
    if status or any(mark in message for mark in _UNREACHABLE):
        return "down"
    return "refused" if "not recognized" in message and href.startswith(EARTHDATA_FILES) else "damaged"


def why_unreadable(href: str, error: BaseException) -> str:
    """One line on a file that could not be read, with the credential that is missing, if one is, and without secrets.

    Args:
        href: unsigned address.
        error: what the reader said.
    """
    message, place, trouble = _said(error), href.split("?")[0], find_trouble(href, error)
    if trouble == "gone":
        return f"{place} does not exist: search the catalogue again, or drop the item"
    if "not recognized" in message:
        return f"{place} is not an image: {_missing(href)}"
    if trouble == "refused":
        return f"{place} is refused: {_missing(href)}"
    return f"{place} cannot be read ({message[:200]})"


def _said(error: BaseException) -> str:
    """The message of a reader, or of what it was caused by, which says more."""
    return without_secrets(str(error.__cause__ or error))


def _is_final(trouble: Trouble, message: str, href: str) -> bool:
    """Whether trying again is of no use."""
    if trouble == "gone" or any(mark in message for mark in _NO_CREDENTIALS):
        return True
    if trouble == "refused" and href.startswith(EARTHDATA_FILES):
        return not os.environ.get(EARTHDATA_VARIABLE) and not _has_netrc_login()
    return "://" not in href  # files of this machine do not mend themselves


def _azure_container(href: str) -> tuple[str, str] | None:
    """Account and container of a file of Azure storage, None for others."""
    parts = urlsplit(href)
    host = parts.hostname or ""
    if not host.endswith(AZURE_HOST):
        return None
    return host.removesuffix(AZURE_HOST), parts.path.lstrip("/").split("/")[0]


def without_secrets(message: str) -> str:
    """One line of text without the query strings of addresses, which hold tokens."""
    token = os.environ.get(EARTHDATA_VARIABLE)
    line = " ".join(message.split())
    return _QUERY.sub("", line.replace(token, "...") if token else line)


@cache
def _keep_secrets_out_of_logs() -> None:
    """Clean GDAL's warnings of the addresses that they name; unlike errors, they go to the log without being asked."""

    def clean(record: logging.LogRecord) -> bool:
        record.msg, record.args = without_secrets(record.getMessage()), ()
        return True

    logging.getLogger("rasterio._env").addFilter(clean)


def _missing(href: str) -> str:
    """What the user can do to be let in."""
    if href.startswith("s3://"):
        return (
            "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY (or a profile in ~/.aws) of an account that may read it "
            "and pays for the transfer"
        )
    if href.startswith(EARTHDATA_FILES):
        if os.environ.get(EARTHDATA_VARIABLE):
            return f"{EARTHDATA_VARIABLE} is not accepted (expired?), get a new one at https://{EARTHDATA_LOGIN}"
        return f"an Earthdata login is missing, set {EARTHDATA_VARIABLE} or add {EARTHDATA_LOGIN} to ~/.netrc"
    if _azure_container(href):
        return f"its token is not accepted, remove {cache_folder()} and run again"
    return "a damaged file, or a page in its place because a login is missing or has expired"


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
