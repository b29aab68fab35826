"""How addresses are opened: GDAL's settings, signing at the moment of reading, and what went wrong in one line.

Manifests hold unsigned addresses. What opens them comes from the environment or the user's own files only, and is in
no message: files of the Planetary Computer want a token of its own (`sas`); those of LP DAAC an Earthdata login, from
`EARTHDATA_TOKEN` or `~/.netrc` (with which curl shows the password to the file server too, where the login leads back
to, so a token is better); those in Amazon's S3 the user's AWS credentials, who pays for the transfer.
"""

import logging
import netrc
import os
import re
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

from anyband.catalog.sas import cache_folder, sas_token

AZURE_HOST = ".blob.core.windows.net"
EARTHDATA_FILES = "https://data.lpdaac.earthdatacloud.nasa.gov/"
EARTHDATA_LOGIN = "urs.earthdata.nasa.gov"
EARTHDATA_VARIABLE = "EARTHDATA_TOKEN"
AWS_REGION = "us-west-2"  # of the Landsat and Sentinel-2 buckets

_QUERY = re.compile(r"\?[^\s'\",)]*")
_STATUS = re.compile(r"(?:response code|error code|HTTP)\s*:?\s*(\d{3})")
_REFUSED = ("Forbidden", "Unauthorized", "AccessDenied", "InvalidCredentials", "AWS_SECRET_ACCESS_KEY")


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
    host = parts.hostname or ""
    if parts.scheme == "s3":
        return f"/vsis3/{parts.netloc}{parts.path}"
    if host.endswith(AZURE_HOST) and "sig=" not in parts.query:
        account, container = host.removesuffix(AZURE_HOST), parts.path.lstrip("/").split("/")[0]
        return f"{href}{'&' if parts.query else '?'}{sas_token(account, container)}"
    token = os.environ.get(EARTHDATA_VARIABLE)
    if token and href.startswith(EARTHDATA_FILES):
        # A header for this address alone: as a general GDAL option it would go to every other provider too.
        return f"/vsicurl?header_file={quote(_header_file(token).name)}&url={quote(href, safe='')}"
    return href


def why_unreadable(href: str, error: BaseException) -> str:
    """One line on a file that could not be read, with the credential that is missing, if one is, and without secrets.

    Args:
        href: unsigned address.
        error: what the reader said.
    """
    message, place = without_secrets(str(error.__cause__ or error)), href.split("?")[0]
    status = set(_STATUS.findall(message))
    if status & {"401", "403"} or any(mark in message for mark in _REFUSED):
        return f"{place} is refused: {_missing(href)}"
    if "404" in status or "does not exist" in message or "No such file" in message:
        return f"{place} does not exist: search the catalogue again, or drop the item"
    if "not recognized" in message:
        return f"{place} is not an image: {_missing(href)}"
    return f"{place} cannot be read ({message[:200]})"


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
    if (urlsplit(href).hostname or "").endswith(AZURE_HOST):
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
