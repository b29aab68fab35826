"""How hrefs are opened: GDAL's HTTP settings, and the one place where an href would be signed."""

from typing import Any


def gdal_env() -> dict[str, Any]:
    """GDAL options for reading cloud-optimised files over HTTP in long runs.

    Retries are off in GDAL by default and a stalled request would hang for ever. `CPL_VSIL_CURL_NON_CACHED` covers all
    HTTP addresses, because GDAL otherwise answers from a negative cache after one failure, however long ago.
    """
    return {
        "GDAL_DISABLE_READDIR_ON_OPEN": "EMPTY_DIR",
        "GDAL_HTTP_MAX_RETRY": 5,
        "GDAL_HTTP_RETRY_DELAY": 0.5,
        "GDAL_HTTP_TIMEOUT": 60,
        "GDAL_HTTP_CONNECTTIMEOUT": 10,
        "GDAL_HTTP_MERGE_CONSECUTIVE_RANGES": "YES",
        "GDAL_INGESTED_BYTES_AT_OPEN": 32_768,
        "CPL_VSIL_CURL_ALLOWED_EXTENSIONS": ".tif,.TIF",
        "CPL_VSIL_CURL_NON_CACHED": "/vsicurl/http",
    }


def sign(href: str) -> str:
    """Address to open an unsigned href with, at the moment of reading.

    Manifests hold unsigned hrefs; those of the embedded archive and of public buckets need no signature.
    """
    return href
