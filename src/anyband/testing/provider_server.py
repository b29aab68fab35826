"""The archive's server as a provider: all dialects, files by their published addresses, tokens, traps and faults.

`ProviderServer(root, traps=("tier-2",), faults=STORM)`, or from the command line `python -m anyband.testing`.

    archive.anyband.test
        /stac, /earth-search ...          one API each (`provider_apis.APIS`)
        /files/{site}/{path}              files of a site
        /made/{changes}/{site}/{path}     the same with other pixels, made on the fly
        /{bucket}/{key}                   files under the addresses that a provider publishes
        /api/sas/v1/token/{account}/{container}
    s3.anyband.test/{bucket}/{key}        buckets where the reader pays, for clients of S3
    anyband.blob.core.windows.net         the same files for those with a token, when `Faults.tokens` is set
"""

import copy
import os
import time
from collections.abc import Iterable, Iterator
from dataclasses import replace
from functools import cached_property, lru_cache
from http import HTTPStatus
from pathlib import Path

from anyband.archive.http_server import Answer, ArchiveServer, ClientRequest, Respond, file_answer, json_answer
from anyband.archive.stac_api import RequestError, not_found
from anyband.archive.stac_items import BASE, HOST
from anyband.testing import faults
from anyband.testing import traps as trap_tables
from anyband.testing.faults import CALM, Faults, Weather
from anyband.testing.provider_apis import APIS, OTHER_SENSORS
from anyband.testing.provider_dialects import ADDRESS
from anyband.testing.traps import FILES, MADE, make, stored_part

S3_HOST = "s3.anyband.test"
FAKE_KEYS = {"AWS_ACCESS_KEY_ID": "anyband", "AWS_SECRET_ACCESS_KEY": "no-secret"}
KEPT_FILES = 256  # of those that were made on the fly
PAGE = b"<!DOCTYPE html><html><head><title>Sign in</title></head><body>Please sign in.</body></html>\n"
SLOW_PARTS = 4
READER_PAYS = "x-amz-request-payer"


class ProviderServer(ArchiveServer):
    """A server of one archive in every dialect, with traps and faults."""

    def __init__(self, root: Path, port: int = 0, traps: Iterable[str] = (), faults: Faults = CALM) -> None:
        """Listen on `port`, or on a free one for 0.

        Args:
            root: folder of simulated sites.
            port: of 127.0.0.1.
            traps: names from `traps`, changes of what is served.
            faults: what goes wrong.

        Raises:
            UserError: the port is taken, `root` is not a folder, or an unknown trap.
        """
        self.traps, self.faults, self.weather = trap_tables.check(traps), faults, Weather(faults)
        few = 1 if trap_tables.SMALL_PAGES in self.traps else faults.page_items
        self.providers = [replace(api, traps=self.traps, faults=faults) for api in (*APIS.values(), OTHER_SENSORS)]
        if few:
            self.providers = [replace(api, largest=few, refuses=False) for api in self.providers]
        self._made = lru_cache(KEPT_FILES)(self._make)
        super().__init__(root, port, self.providers, self._meet)

    @property
    def environment(self) -> dict[str, str]:
        """As for the archive, and what leads to its token endpoint and its buckets.

        Readers of buckets sign requests, so they need keys: those of the user, or made-up ones for users without.
        """
        buckets = {"AWS_S3_ENDPOINT": S3_HOST, "AWS_HTTPS": "NO", "AWS_VIRTUAL_HOSTING": "FALSE"}
        tokens = {"PC_SDK_SAS_URL": f"{BASE}{faults.TOKENS}".rstrip("/")}
        profiles = Path(os.environ.get("AWS_SHARED_CREDENTIALS_FILE") or Path.home() / ".aws/credentials")
        has_keys = "AWS_ACCESS_KEY_ID" in os.environ or profiles.is_file()
        return super().environment | buckets | tokens | ({} if has_keys else FAKE_KEYS)

    def _meet(self, request: ClientRequest, respond: Respond) -> Answer:
        """The hook: what a provider does before, or in place of, the plain archive."""
        path = f"/{request.path}"
        if request.host == S3_HOST:
            if request.headers.get(READER_PAYS) != "requester":
                return _xml(HTTPStatus.FORBIDDEN, "AccessDenied", "Access Denied")
            return self._file(request)
        if request.host == faults.AZURE_HOST:
            if not self.weather.admits(request.query):
                reason = "Server failed to authenticate the request. Signature not valid in the specified time frame."
                return _xml(HTTPStatus.FORBIDDEN, "AuthenticationFailed", reason)
            return self._file(request)
        if request.host != HOST:
            return respond(request)
        if path.startswith(faults.TOKENS):
            return self._token(path.removeprefix(faults.TOKENS))
        if path.split("/")[1] not in ("", *self.apis):
            return self._file(request)
        if path.rstrip("/").endswith("/search") and self.weather.search_fails():
            line = "upstream connect error or disconnect/reset before headers"
            raise RequestError(HTTPStatus.SERVICE_UNAVAILABLE, line)
        return respond(request)

    def _token(self, container: str) -> Answer:
        document = self.weather.token(container)
        if document is None:
            refusal = {"statusCode": 429, "message": "Rate limit is exceeded. Try again in 1 seconds."}
            return json_answer(HTTPStatus.TOO_MANY_REQUESTS, refusal)
        return json_answer(HTTPStatus.OK, document)

    def _file(self, request: ClientRequest) -> Answer:
        """A file, unless a fault comes first."""
        path = self._path(request.path)
        lasting = self._lasting.get(stored_part(path))
        if lasting == faults.GONE:
            raise not_found(f"the archive holds no file {path}")
        made = path.startswith(MADE)
        answer = file_answer(self._made(path) if made else self.holdings.file(stored_part(path)), path, request)
        fault = lasting or self.weather.file(path)
        if fault == faults.UNAVAILABLE:
            return _xml(HTTPStatus.SERVICE_UNAVAILABLE, "ServerBusy", "Egress is over the account limit.")
        if fault == faults.HTML:
            return Answer(HTTPStatus.OK, PAGE, {"Content-Type": "text/html; charset=utf-8"})
        if fault == faults.TRUNCATED:
            return replace(answer, pieces=[answer.content[: len(answer.content) // 2]])
        return replace(answer, pieces=_slowly(answer.content, self.faults.slow_s)) if fault == faults.SLOW else answer

    def _path(self, path: str) -> str:
        """Path of a file in the holdings: the same for `files/...` and `made/...`, else that of `{bucket}/{key}`.

        Raises:
            RequestError: nothing was published there.
        """
        if path.startswith((FILES, MADE)):
            return path
        for api in self.providers:
            self.holdings.index(api)  # publishes its items
            if path in api.files:
                return api.files[path]
        raise not_found(f"nothing at /{path}: files are at {BASE}/{FILES}")

    @cached_property
    def _lasting(self) -> dict[str, str]:
        """What is always wrong with files, by their paths below `files/`."""
        if self.faults == CALM:
            return {}
        items = trap_tables.apply_traps(self.traps, copy.deepcopy(self.holdings.items), trap_tables.STORED)
        found = faults.lasting_faults(self.faults, items)
        return {stored_part(href.removeprefix(ADDRESS)): kind for href, kind in found.items()}

    def _make(self, path: str) -> bytes:
        """A file that is made from a stored one."""
        changes = path.removeprefix(MADE).split("/", 1)[0]
        try:
            return make(self.holdings.file(stored_part(path)), changes)
        except KeyError as error:
            raise not_found(f"no file can be made by {error}: {path}") from None


def _slowly(content: bytes, seconds: float) -> Iterator[bytes]:
    step = len(content) // SLOW_PARTS + 1
    for start in range(0, len(content), step):
        time.sleep(seconds / SLOW_PARTS)
        yield content[start : start + step]


def _xml(status: HTTPStatus, code: str, message: str) -> Answer:
    text = f'<?xml version="1.0" encoding="utf-8"?><Error><Code>{code}</Code><Message>{message}</Message></Error>'
    return Answer(status, text.encode(), {"Content-Type": "application/xml"})
