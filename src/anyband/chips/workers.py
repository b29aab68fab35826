"""Who computes dask graphs: threads of this process, or dask workers, by the environment variable `ANYBAND_SCHEDULER`.

`threads` (default), `processes` (a local cluster, one thread a process), or the address of a dask scheduler whose
workers see the same folders under the same paths (`tcp://host:8786`). The graphs are the same, and so are the stores.
"""

import os
import socket
from asyncio import CancelledError
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

from anyband.raster.asset import UnusableItemError
from anyband.runtime import UserError

VARIABLE = "ANYBAND_SCHEDULER"
PATIENCE = "10s"
"""How long a scheduler may take to answer."""

WORKER_PATIENCE_S = 120.0
"""How long a scheduler may be without any worker."""

ARCHIVE_VARIABLE = "ANYBAND_ARCHIVE"
"""Holds the address of the embedded archive's server on this machine, for workers whose environment lacks it."""


def task(function: Callable[..., Any], *arguments: Any) -> Any:
    """A delayed function with its first arguments, taken as they are.

    Dask would search them for other tasks, which takes longer than reading the chips that they describe.
    """
    import dask

    call = partial(_on_worker, os.environ.get(ARCHIVE_VARIABLE), function, *arguments)
    return dask.delayed(call, pure=False, traverse=False)  # type: ignore[attr-defined]


def _on_worker(archive: str | None, function: Callable[..., Any], *arguments: Any) -> Any:
    """Call a function wherever it runs; `archive` is the proxy to the embedded archive, if there is one."""
    import rasterio
    from rasterio.session import DummySession

    try:
        with rasterio.Env(DummySession(), **{"GDAL_HTTP_PROXY": archive} if archive else {}):
            return function(*arguments)
    except UserError as error:
        _bare(error)
        raise


def attempt(function: Callable[..., Any], *arguments: Any) -> Any:
    """Call a function; what is wrong with a single item is returned instead of raised, and stops no other task."""
    try:
        return function(*arguments)
    except UnusableItemError as error:
        return _bare(error)


def _bare(error: UserError) -> UserError:
    """The error without what led to it: errors of GDAL cannot be sent from process to process."""
    error.__cause__ = error.__context__ = None
    return error


@dataclass(frozen=True)
class Workers:
    """Threads of this process, or the workers of a dask client."""

    threads: int
    client: Any = None

    def compute(self, tasks: Sequence[Any]) -> list[Any]:
        """The results of delayed tasks, in order.

        Raises:
            UserError: raised by a task; or all workers or their scheduler are lost.
        """
        import dask
        from dask import threaded

        if self.client is None:
            # The function itself: for its name dask would import `distributed`, which takes a second.
            found = dask.compute(*tasks, scheduler=threaded.get, num_workers=self.threads)  # type: ignore
            return list(found)
        from distributed import KilledWorker
        from distributed.client import FutureCancelledError, FuturesCancelledError
        from distributed.comm.core import CommClosedError

        try:
            futures = self.client.compute(list(tasks))
            self._wait(futures)
            return list(self.client.gather(futures))
        except KilledWorker as error:
            raise UserError(
                f"dask workers die again and again of the same task ({error}): give them more memory"
            ) from None
        except (CommClosedError, CancelledError, FutureCancelledError, FuturesCancelledError) as error:
            address = self.client.scheduler.address
            raise UserError(f"the dask scheduler at {address} is gone ({type(error).__name__}): run again") from None

    def _wait(self, futures: Sequence[Any]) -> None:
        """Until all is computed, as long as there is somebody who computes."""
        from distributed import wait

        while True:
            try:
                wait(futures, timeout=WORKER_PATIENCE_S / 4)  # type: ignore[no-untyped-call]
                return
            except TimeoutError:
                _need_workers(self.client)


def _need_workers(client: Any) -> None:
    """Wait for a worker where there is none.

    Raises:
        UserError: none came.
    """
    try:
        client.wait_for_workers(1, timeout=WORKER_PATIENCE_S)
    except TimeoutError:
        waited = f"for {WORKER_PATIENCE_S:.0f} s"
        raise UserError(
            f"the dask scheduler at {client.scheduler.address} has had no worker {waited}: start some and run again"
        ) from None


@contextmanager
def dask_workers(threads: int) -> Iterator[Workers]:
    """What computes tasks.

    Args:
        threads: threads of this process, or processes of the local cluster.

    Raises:
        UserError: `ANYBAND_SCHEDULER` is none of the above, or nobody answers at its address.
    """
    kind = os.environ.get(VARIABLE, "threads")
    if kind == "threads":
        yield Workers(threads)
    elif kind == "processes" or "://" in kind:
        with _client(kind, threads) as client:
            yield Workers(threads, client)
    else:
        raise UserError(f"{VARIABLE} is {kind!r}: threads, processes or the address of a dask scheduler is needed")


def _client(kind: str, threads: int) -> AbstractContextManager[Any]:
    from distributed import Client

    if kind == "processes":
        return Client(n_workers=threads, threads_per_worker=1, processes=True, dashboard_address=None)  # type: ignore[no-untyped-call]
    try:
        client = Client(kind, timeout=PATIENCE)  # type: ignore[no-untyped-call]
    except OSError as error:
        raise UserError(f"{VARIABLE}: no dask scheduler answers at {kind} ({type(error).__name__})") from None
    try:
        _need_workers(client)
        _need_archive(client)
    except UserError:
        client.close()  # type: ignore[no-untyped-call]
        raise
    return client


def _need_archive(client: Any) -> None:
    """Raise UserError where workers are on other machines than the embedded archive's server, if it is in use."""
    here = socket.gethostname()
    if ARCHIVE_VARIABLE in os.environ and (elsewhere := set(client.run(socket.gethostname).values()) - {here}):
        raise UserError(
            f"dask workers on {', '.join(sorted(elsewhere))} cannot reach the embedded archive, which is on {here} "
            "alone: start them there, or set extract.scheduler to threads"
        )
