"""Who reads: dask threads of this process, or dask workers, by the environment variable `ANYBAND_SCHEDULER`.

`threads` (default), `processes` (a local cluster, one thread a process), or the address of a dask scheduler whose
workers see the same folders (`tcp://host:8786`). The tasks are the same, and so are the stores.
"""

import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Any
from uuid import uuid4

from anyband.catalog.acquisition import UnusableItemError
from anyband.runtime import UserError, progress

VARIABLE = "ANYBAND_SCHEDULER"
REMOTE_THREADS = 8
"""Least threads for files behind a network: most of their time is waiting."""

PATIENCE = "10s"
"""How long a scheduler may take to answer."""

Graph = dict[str, tuple[Any, ...]]
"""Dask's tasks by key: a function and its arguments, in which keys stand for results."""

Compute = Callable[[Graph, Sequence[str], str], list[Any]]
"""Runs a graph under the name of a progress bar and returns the results of some keys, in order."""


def new_name() -> str:
    """A beginning for the keys of a graph: sites that share the workers of one cluster must not share keys."""
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
        yield lambda graph, keys, label: _in_threads(graph, keys, label, threads)
    elif kind == "processes" or "://" in kind:
        with _client(kind, threads) as client:
            yield lambda graph, keys, label: _on_workers(client, graph, keys, label)
    else:
        raise UserError(f"{VARIABLE} is {kind!r}: threads, processes or the address of a dask scheduler is needed")


def _in_threads(graph: Graph, keys: Sequence[str], label: str, threads: int) -> list[Any]:
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
    from distributed import as_completed

    futures = client.get(graph, list(keys), sync=False)
    for future in progress(as_completed(futures), label, len(futures)):  # type: ignore[no-untyped-call]
        if future.status == "error":
            raise future.exception()
    return list(client.gather(futures))
