"""The embedded archive on the air: STAC APIs and a file server with byte ranges, reached as an HTTP proxy.

Items and their assets name stable hosts. The server listens on a free port of 127.0.0.1 and takes the absolute-form
requests that clients send to a proxy, so whoever has `http_proxy` set to it (`archive_environment`) reaches these hosts
under their stable addresses, and what they record does not depend on the port. Requests for other hosts are refused.

    archive.anyband.test
        /stac, /earth-search ...          one API each (`apis`): landing page, /collections, /search and so on
        /files/{site}/{path}              files of a site; GET and HEAD, single byte ranges
        /made/{changes}/{site}/{path}     the same with other pixels, made on the fly
        /{bucket}/{key}                   files under the addresses that a provider publishes
        /api/sas/v1/token/{account}/{container}
    s3.anyband.test/{bucket}/{key}        buckets where the reader pays, for clients of S3
    anyband.blob.core.windows.net         the same files for those with a token, when `Faults.tokens` is set
"""

from dataclasses import replace
from http.server import ThreadingHTTPServer
from pathlib import Path
from typing import Any

from anyband.archive.server.handler import Handler
from anyband.archive.server.holdings import Holdings
from anyband.archive.server.provider_apis import APIS, SENSORS, Api
from anyband.archive.server.stac_api import BASE, NotFoundError, answer
from anyband.runtime import UserError
from anyband.testing.faults import CALM, Faults, Weather
from anyband.testing.made import FILES, MADE
from anyband.testing.traps import SMALL_PAGES


class ArchiveServer(ThreadingHTTPServer):
    """A server of one archive on 127.0.0.1, started with the object and stopped with its `with` block."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, root: Path, port: int = 0, traps: tuple[str, ...] = (), faults: Faults = CALM) -> None:
        """Listen on `port`, or on a free one for 0.

        Args:
            root: folder of simulated sites.
            port: of 127.0.0.1.
            traps: names from `traps`, changes of what is served.
            faults: what goes wrong.

        Raises:
            UserError: the port is taken, `root` is not a folder, or an unknown trap.
        """
        self._serving = False
        self.holdings = Holdings(root, traps, faults)
        self.weather = Weather(faults)
        most = 1 if SMALL_PAGES in traps else faults.page_items
        self.apis = {api.name: with_pages(api, most, faults.repeated_items) for api in (*APIS.values(), SENSORS)}
        try:
            super().__init__(("127.0.0.1", port), Handler)
        except OSError as error:
            raise UserError(f"port {port} of 127.0.0.1 cannot be used ({error.strerror}): choose another one") from None

    def serve_forever(self, poll_interval: float = 0.05) -> None:
        """Answer until `shutdown`, which is looked for every `poll_interval` seconds."""
        self._serving = True
        super().serve_forever(poll_interval)

    def server_close(self) -> None:
        """Stop answering and give the port back: a loop over a closed socket would spin for ever."""
        if self._serving:
            self.shutdown()
        super().server_close()

    @property
    def proxy_url(self) -> str:
        """What `http_proxy` has to be."""
        return f"http://127.0.0.1:{self.server_port}"

    def file_path(self, path: str) -> str:
        """Path of a file in the holdings: the same for `files/...` and `made/...`, else that of `{bucket}/{key}`.

        Raises:
            NotFoundError: nothing was published there.
        """
        if path.startswith((FILES, MADE)):
            return path
        for api in self.apis.values():
            found = self.holdings.published(api).get(path)
            if found is not None:
                return found
        known = ", ".join(api.root for api in self.apis.values())
        raise NotFoundError(f"nothing at {path}: the APIs are {known}; files are at {BASE}/{FILES}")

    def answer(self, method: str, path: str, query: str, body: bytes) -> dict[str, Any]:
        """Answer a request to one of the STAC APIs.

        Raises:
            NotFoundError: no such API, or nothing there.
        """
        name, _, rest = path.strip("/").partition("/")
        if name not in self.apis:
            known = ", ".join(api.root for api in self.apis.values())
            raise NotFoundError(f"nothing at {path}: the APIs are {known}; files are at {BASE}/{FILES}")
        api = self.apis[name]
        return answer(api, self.holdings.index(api), method, rest, query, body)


def with_pages(api: Api, most: int, repeated: int) -> Api:
    """An API with at most so many items on a page (0: as the provider has it), some of them those of the last one."""
    paging = replace(api.paging, overlap=repeated)
    return replace(api, paging=replace(paging, largest=most, cut=True) if most else paging)
