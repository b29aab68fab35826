"""The environment in which a command reaches the archive under its stable addresses."""

import os
from collections.abc import Mapping
from pathlib import Path

from anyband.testing.faults import TOKENS
from anyband.testing.providers.common import BASE

S3_HOST = "s3.anyband.test"
FAKE_KEYS = {"AWS_ACCESS_KEY_ID": "anyband", "AWS_SECRET_ACCESS_KEY": "no-secret"}


def archive_environment(proxy_url: str, environment: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Variables with which the archive's hosts are reached through `proxy_url`.

    curl and GDAL read the lower-case name of the proxy, other clients either; `no_proxy` might exempt a host. The
    archive holds the buckets that items name, and their readers sign requests, so they need keys: those of the user,
    or made-up ones for users without.

    Args:
        proxy_url: of an `ArchiveServer`.
        environment: where the user's own AWS keys would be.
    """
    variables = {
        "http_proxy": proxy_url,
        "HTTP_PROXY": proxy_url,
        "no_proxy": "",
        "NO_PROXY": "",
        "AWS_S3_ENDPOINT": S3_HOST,
        "AWS_HTTPS": "NO",
        "AWS_VIRTUAL_HOSTING": "FALSE",
        "PC_SDK_SAS_URL": f"{BASE}{TOKENS}".rstrip("/"),
    }
    profiles = Path(environment.get("AWS_SHARED_CREDENTIALS_FILE") or Path.home() / ".aws/credentials")
    has_keys = "AWS_ACCESS_KEY_ID" in environment or profiles.is_file()
    return variables if has_keys else variables | FAKE_KEYS
