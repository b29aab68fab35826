"""Who reads: dask threads of this process, or dask workers, by the environment variable `ANYBAND_SCHEDULER`.

`threads` (default), `processes` (a local cluster, one thread a process), or the address of a dask scheduler whose
workers see the same folders (`tcp://host:8786`). The tasks are the same, and so are the stores.
"""

import os
import sys
from asyncio import CancelledError
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any
from uuid import uuid4

from anyband.raster.asset import UnusableItemError
from anyband.runtime import UserError, progress

VARIABLE = "ANYBAND_SCHEDULER"
REMOTE_THREADS = 8
"""Least threads for files behind a network: most of their time is waiting."""

PATIENCE = "10s"
"""How long a scheduler may take to answer."""

Graph = dict[str, tuple[Any, ...]]
"""Dask's tasks by key: a function and its arguments, in which keys stand for results."""


@dataclass(frozen=True)
class Compute:
    """Who runs graphs.

    Attributes:
        run: runs a graph under the name of a progress bar and returns the results of some keys, in order.
        queues: whether tasks that need no other result wait until a worker has room for them, as dask's scheduler does
            it; dask's threads take them one after the other, whatever lies in memory already.
    """

    run: Callable[[Graph, Sequence[str], str], list[Any]]
    queues: bool

    def __call__(self, graph: Graph, keys: Sequence[str], label: str) -> list[Any]:
        """Run a graph."""
        return self.run(graph, keys, label)


class Task:
    """A function and its first arguments, for a graph; those that stand behind it there follow.

    Unlike `functools.partial` it is not searched by dask for a name that its content would give: with the chips of a
    scene among the arguments, that takes longer than reading them.
    """

    def __init__(self, function: Callable[..., Any], *arguments: Any) -> None:
        """To be called."""
        self._function, self._arguments = function, arguments

    def __call__(self, *more: Any) -> Any:
        """Do it."""
        return self._function(*self._arguments, *more)

    def __dask_tokenize__(self) -> str:
        """Nothing equals it: results are found by the keys of the graph alone."""
        return new_name()


def new_name() -> str:
    """A part of the keys of a graph: sites that share the workers of one cluster must not share keys.

    What comes before it in a key says what the task does: dask's scheduler tells kinds of tasks apart by that.
    """
    return uuid4().hex


def attempt(function: Callable[..., Any], *arguments: Any) -> Any:
    """Call a function; what is wrong with a single item is returned instead of raised, and stops no other task."""
    try:
        return function(*arguments)
    except UnusableItemError as error:
        return error


@contextmanager
def workers(threads: int) -> Iterator[Compute]:
    """What runs tasks.

    Args:
        threads: threads of this process, or processes of the local cluster.

    Raises:
        UserError: `ANYBAND_SCHEDULER` is none of the above, or nobody answers at its address.
    """
    kind = os.environ.get(VARIABLE, "threads")
    if kind == "threads":
        yield Compute(partial(_in_threads, threads), queues=False)
    elif kind == "processes" or "://" in kind:
        with _client(kind, threads) as client:
            yield Compute(partial(_on_workers, client), queues=True)
    else:
        raise UserError(f"{VARIABLE} is {kind!r}: threads, processes or the address of a dask scheduler is needed")


def _in_threads(threads: int, graph: Graph, keys: Sequence[str], label: str) -> list[Any]:
    from dask.callbacks import Callback
    from dask.threaded import get
    from tqdm import tqdm

    wanted = set(keys)
    with tqdm(total=len(keys), desc=label, file=sys.stderr, mininterval=1.0, dynamic_ncols=True) as bar:

        def advance(key: Any, *_: Any) -> None:
            bar.update(key in wanted)

        with Callback(posttask=advance):  # type: ignore[no-untyped-call]
            return list(get(graph, list(keys), num_workers=threads))


def _client(kind: str, threads: int) -> AbstractContextManager[Any]:
    from distributed import Client

    if kind == "processes":
        return Client(n_workers=threads, threads_per_worker=1, processes=True, dashboard_address=None)  # type: ignore[no-untyped-call]
    try:
        return Client(kind, timeout=PATIENCE)  # type: ignore[no-untyped-call]
    except OSError as error:
        raise UserError(f"{VARIABLE}: no dask scheduler answers at {kind} ({type(error).__name__})") from None


def _on_workers(client: Any, graph: Graph, keys: Sequence[str], label: str) -> list[Any]:
    from distributed import KilledWorker, as_completed
    from distributed.client import FutureCancelledError
    from distributed.comm.core import CommClosedError

    failed: BaseException | None = None
    try:
        futures = client.get(graph, list(keys), sync=False)
        for future in progress(as_completed(futures), label, len(futures)):  # type: ignore[no-untyped-call]
            if future.status == "error":
                failed = future.exception()
                break
        else:
            return list(client.gather(futures))
    except (CommClosedError, CancelledError, FutureCancelledError) as error:
        address = client.scheduler.address
        raise UserError(
            f"the dask scheduler at {address} is gone ({type(error).__name__}): run again to go on"
        ) from None
    if isinstance(failed, KilledWorker):
        raise UserError(
            f"dask workers die again and again of the same task ({failed}): give them more memory"
        ) from None
    raise failed if failed is not None else AssertionError
