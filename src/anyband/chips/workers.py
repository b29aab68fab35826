"""Who computes dask graphs: threads of this process, or dask workers, by the environment variable `ANYBAND_SCHEDULER`.

`threads` (default), `processes` (a local cluster, one thread a process), or the address of a dask scheduler whose
workers see the same folders (`tcp://host:8786`). The graphs are the same, and so are the stores.
"""

import os
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


def task(function: Callable[..., Any], *arguments: Any) -> Any:
    """A delayed function with its first arguments, taken as they are.

    Dask would search them for other tasks, which takes longer than reading the chips that they describe.
    """
    import dask

    return dask.delayed(partial(function, *arguments), pure=False, traverse=False)  # type: ignore[attr-defined]


def attempt(function: Callable[..., Any], *arguments: Any) -> Any:
    """Call a function; what is wrong with a single item is returned instead of raised, and stops no other task."""
    try:
        return function(*arguments)
    except UnusableItemError as error:
        return error


@dataclass(frozen=True)
class Workers:
    """Threads of this process, or the workers of a dask client."""

    threads: int
    client: Any = None

    def compute(self, tasks: Sequence[Any]) -> list[Any]:
        """The results of delayed tasks, in order.

        Raises:
            UserError: raised by a task; or the workers or their scheduler are lost.
        """
        import dask

        if self.client is None:
            found = dask.compute(*tasks, scheduler="threads", num_workers=self.threads)  # type: ignore
            return list(found)
        from distributed import KilledWorker
        from distributed.client import FutureCancelledError
        from distributed.comm.core import CommClosedError

        try:
            return list(self.client.gather(self.client.compute(list(tasks))))
        except KilledWorker as error:
            raise UserError(
                f"dask workers die again and again of the same task ({error}): give them more memory"
            ) from None
        except (CommClosedError, CancelledError, FutureCancelledError) as error:
            address = self.client.scheduler.address
            raise UserError(f"the dask scheduler at {address} is gone ({type(error).__name__}): run again") from None


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
        return Client(kind, timeout=PATIENCE)  # type: ignore[no-untyped-call]
    except OSError as error:
        raise UserError(f"{VARIABLE}: no dask scheduler answers at {kind} ({type(error).__name__})") from None
