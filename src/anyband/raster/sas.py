"""Tokens of the Planetary Computer (shared access signatures), one per storage container for all processes of a user.

The token endpoint answers 429 with "Try again in N seconds" when every worker asks for its own token, so a token is
kept in a file that only the user may read, asked for by one process at a time, and renewed before it expires.
"""

import fcntl
import json
import os
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from anyband.runtime import UserError

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


@dataclass(frozen=True)
class Token:
    """A query string that opens one container; `renew_at` is a time in seconds since 1970."""

    query: str
    renew_at: float
    endpoint: str

    def __repr__(self) -> str:
        """Without the secret."""
        return f"Token(renew_at={self.renew_at:.0f})"


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
        token = _read(path)
        if token is None or token.endpoint != endpoint or token.renew_at <= time.time():
            token = _fetch(endpoint, f"{account}/{container}")
            _write(path, token)
    return token.query


def forget_token(account: str, container: str, address: str) -> None:
    """Let go of the kept token of a container if it is the one in `address`, which was refused.

    Another worker may have renewed it in the meantime; the newer one stays.
    """
    path = cache_folder() / f"{account}-{container}.token"
    with _locked(path):
        token = _read(path)
        if token is not None and token.query in address:
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


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Let one thread of one process at a time deal with `path`."""
    descriptor = os.open(path.with_suffix(".lock"), os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)  # gives the lock back


def _read(path: Path) -> Token | None:
    """The token kept in `path`; None when there is none, or when others could have read or written it."""
    try:
        if path.stat().st_uid != os.getuid() or path.stat().st_mode & 0o077:
            return None
        return Token(**json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None


def _write(path: Path, token: Token) -> None:
    """Keep a token where only this user may read it; called under the lock."""
    temporary = path.with_suffix(".partial")
    temporary.unlink(missing_ok=True)
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        json.dump(asdict(token), file)
    temporary.replace(path)


def _fetch(endpoint: str, container: str) -> Token:
    """Ask for a token, as patiently as the endpoint wants it.

    Raises:
        UserError: refused, or still no token after `PATIENCE_S`; the message holds no part of an answer.
    """
    import requests

    url, end, pause = f"{endpoint}/{container}", time.time() + PATIENCE_S, 1.0
    while True:
        wait = pause
        try:
            answer = requests.get(url, timeout=TIMEOUT_S)
            problem = f"answers {answer.status_code}"
            if answer.ok:
                token = _parse(answer, endpoint)
                if token is not None:
                    return token
                problem = "gives no token that is still valid"
            elif answer.status_code in BUSY_STATUS:
                wait = _asked_wait(answer) or pause
            else:
                raise UserError(f"{url} {problem}: no access to {container}, check the address in the item")
        except requests.RequestException as error:
            problem = f"does not answer ({type(error).__name__})"
        if time.time() + wait > end:
            raise UserError(f"{url} {problem}: no token for {container}, run again later")
        time.sleep(wait)
        pause = min(2 * pause, 30.0)


def _parse(answer: "requests.Response", endpoint: str) -> Token | None:
    """The token of an answer, None when it is not one or has expired."""
    try:
        told = answer.json()
        query, expiry = str(told["token"]), datetime.fromisoformat(told["msft:expiry"]).timestamp()
    except (ValueError, KeyError, TypeError):
        return None
    now = time.time()
    if expiry - now < SHORTEST_S:
        return None
    # A token that lives only for minutes is used for half its life, not asked for again with every file.
    return Token(query, max(expiry - RENEW_BEFORE_S, now + (expiry - now) / 2), endpoint)


def _asked_wait(answer: "requests.Response") -> float | None:
    """Seconds that the endpoint wants to be left alone, from its header or its message."""
    header = answer.headers.get("Retry-After", "")
    if header.isdigit():
        return float(header)
    found = _WAIT.search(answer.text)
    return float(found[1]) if found else None
