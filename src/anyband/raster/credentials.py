"""Who is trusted, and who is let in: certificates, and tokens of the Planetary Computer (shared access signatures).

One variable names certificates for searches and for files alike. Tokens are one per storage container for all
processes of a user.
The token endpoint answers 429 with "Try again in N seconds" when every worker asks for its own token, so a token is
kept in a file that only the user may read, asked for by one process at a time, and renewed before it expires.
"""

import json
import os
import re
import time
from contextlib import AbstractContextManager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from anyband.runtime import UserError, atomic_path, file_lock

if TYPE_CHECKING:
    import requests

ENDPOINT = "https://planetarycomputer.microsoft.com/api/sas/v1/token"
ENDPOINT_VARIABLE = "PC_SDK_SAS_URL"
"""Names another endpoint, as for the provider's own client."""

RENEW_BEFORE_S = 300.0  # a token must outlive the reading of one file
SHORTEST_S = 30.0  # the endpoint now and then hands out tokens that have expired already
PATIENCE_S = 180.0  # waiting for a token in all
TIMEOUT_S = (10.0, 30.0)  # to connect, to wait for an answer
BUSY_STATUS = (429, 500, 502, 503, 504)

_NAME = re.compile(r"[a-z0-9$][a-z0-9-]{0,62}")
_WAIT = re.compile(r"try again in (\d+(?:\.\d+)?) second", re.IGNORECASE)


def sas_token(account: str, container: str) -> str:
    """Query string that gives access to the files of a storage container, valid for some minutes at least.

    Args:
        account: name of the storage account ("landsateuwest").
        container: name of the container ("landsat-c2").

    Raises:
        UserError: not the name of a container, the endpoint refuses or stays busy, or the cache cannot be written.
    """
    if not (_NAME.fullmatch(account) and _NAME.fullmatch(container)):
        raise UserError(f"{account}/{container} is not a container of Azure storage")
    endpoint = os.environ.get(ENDPOINT_VARIABLE, ENDPOINT).rstrip("/")
    path = cache_folder() / f"{account}-{container}.token"
    with _locked(path):
        kept = _read(path)
        if kept.get("endpoint") != endpoint or kept["renew_at"] <= time.time():
            kept = _fetch(endpoint, f"{account}/{container}")
            with atomic_path(path) as temporary:
                temporary.touch(mode=0o600)
                temporary.write_text(json.dumps(kept), encoding="utf-8")
    return str(kept["query"])


def forget_token(account: str, container: str, address: str) -> None:
    """Let go of the kept token of a container if it is the one in `address`, which was refused.

    Another worker may have renewed it in the meantime; the newer one stays.
    """
    path = cache_folder() / f"{account}-{container}.token"
    with _locked(path):
        if _read(path).get("query", "nothing kept") in address:
            path.unlink()


def cache_folder() -> Path:
    """Folder of this user's tokens, closed to others; made if it is not there.

    Raises:
        UserError: it cannot be made or belongs to somebody else.
    """
    folder = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "anyband"
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        folder.chmod(0o700)
    except OSError as error:
        raise UserError(
            f"{folder} cannot be used ({error.strerror}): set XDG_CACHE_HOME to a folder of yours"
        ) from None
    return folder


def _locked(path: Path) -> AbstractContextManager[None]:
    """Lets one thread of one process at a time deal with `path`."""
    return file_lock(path.with_suffix(".lock"), 0o600)


def _read(path: Path) -> dict[str, Any]:
    """What is kept in `path`, see `_fetch`; nothing when it is damaged, or others could have read or written it."""
    try:
        if path.stat().st_uid == os.getuid() and not path.stat().st_mode & 0o077:
            kept = json.loads(path.read_text(encoding="utf-8"))
            return {"query": str(kept["query"]), "renew_at": float(kept["renew_at"]), "endpoint": kept["endpoint"]}
    except (OSError, ValueError, KeyError, TypeError):
        pass
    return {}


def _fetch(endpoint: str, container: str) -> dict[str, Any]:
    """Ask for a token, as patiently as the endpoint wants it.

    Returns:
        `query`, the query string that opens the container; `renew_at`, seconds since 1970; `endpoint`.

    Raises:
        UserError: refused, or still no token after `PATIENCE_S`; the message holds no part of an answer.
    """
    import requests

    url, end, pause = f"{endpoint}/{container}", time.time() + PATIENCE_S, 1.0
    while True:
        wait = pause
        try:
            answer = requests.get(url, timeout=TIMEOUT_S, verify=certificates() or True)
        except requests.exceptions.SSLError as error:
            if is_untrusted(str(error)):
                raise UserError(f"{url}: {untrusted_line()}") from None
            problem = "does not answer (SSLError)"
        except requests.RequestException as error:
            problem = f"does not answer ({type(error).__name__})"
        else:
            problem = f"answers {answer.status_code}"
            if answer.ok:
                problem = "gives no token that is still valid"
                if (found := _parse(answer)) is not None:
                    return found | {"endpoint": endpoint}
            elif answer.status_code in BUSY_STATUS:
                wait = _asked_wait(answer) or pause
            else:
                raise UserError(f"{url} {problem}: no access to {container}, check the address in the item")
        if time.time() + wait > end:
            raise UserError(f"{url} {problem}: no token for {container}, run again later")
        time.sleep(wait)
        pause = min(2 * pause, 30.0)


def _parse(answer: "requests.Response") -> dict[str, Any] | None:
    """The token of an answer, None when it is not one or has expired."""
    try:
        told = answer.json()
        query, expiry = str(told["token"]), datetime.fromisoformat(told["msft:expiry"]).timestamp()
    except (ValueError, KeyError, TypeError):
        return None
    now = time.time()
    # A token that lives only for minutes is used for half its life, not asked for again with every file.
    renew_at = max(expiry - RENEW_BEFORE_S, now + (expiry - now) / 2)
    return {"query": query, "renew_at": renew_at} if expiry - now >= SHORTEST_S else None


def _asked_wait(answer: "requests.Response") -> float | None:
    """Seconds that the endpoint wants to be left alone, from its header or its message."""
    header = answer.headers.get("Retry-After", "")
    found = _WAIT.search(answer.text)
    return float(header) if header.isdigit() else float(found[1]) if found else None


CERTIFICATES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "GDAL_CURL_CA_BUNDLE", "AWS_CA_BUNDLE", "SSL_CERT_FILE")
"""Variables that name a file of trusted certificates, the first one that is set counts: the one that is documented, and
others of this meaning."""

_UNTRUSTED = ("SSL certificate", "certificate verify failed", "CERTIFICATE_VERIFY_FAILED", "self-signed certificate")


def certificates() -> str | None:
    """File of the certificates that the user trusts, None for the usual ones.

    Raises:
        UserError: it is not there.
    """
    name = _named()
    if name and not Path(os.environ[name]).exists():
        raise UserError(f"{name} names {os.environ[name]}, which does not exist: name a file of certificates (PEM)")
    return os.environ[name] if name else None


def is_untrusted(message: str) -> bool:
    """Whether an error is that of a certificate that nobody vouches for; it stays so however often one tries."""
    return any(mark in message for mark in _UNTRUSTED)


def untrusted_line() -> str:
    """What to do about it."""
    beside = f" (its authority is not in {_named()})" if _named() else ""
    return f"the certificate is not trusted{beside}: set {CERTIFICATES[0]} to a file of all authorities that you trust"


def _named() -> str | None:
    """The variable that counts; rasterio sets the one of GDAL to the usual certificates, where nobody else does."""
    named = [name for name in CERTIFICATES if os.environ.get(name)]
    return next((name for name in named if not os.environ[name].endswith("certifi/cacert.pem")), None)
