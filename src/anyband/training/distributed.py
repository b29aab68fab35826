"""The processes of one training: one alone, or as many as `torchrun` started, each with its part of every batch.

`RANK` in the environment, which `torchrun` sets, is the only switch: a process with a rank joins the others and takes
the GPU of its number where there is one; a process without is alone and computes on the CPU, as by default.
"""

import os
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from anyband.models.core.method import Batch, Method
from anyband.models.core.network import Decoder, Trunk
from anyband.runtime import UserError


class LossOf(nn.Module):
    """A method whose call gives its loss: DDP watches calls of modules."""

    def __init__(self, method: Method) -> None:
        """Hold the method."""
        super().__init__()
        self.method = method

    def forward(self, batch: Batch, class_weights: Tensor | None) -> Tensor:
        """The loss, a scalar."""
        return self.method.loss(batch, class_weights)


@dataclass(frozen=True)
class World:
    """This process among those of its training.

    Attributes:
        rank: number of this process; process 0 alone writes files.
        size: number of processes.
        device: where this process computes.
    """

    rank: int = 0
    size: int = 1
    device: torch.device = torch.device("cpu")

    @property
    def on_gpu(self) -> bool:
        """Whether bfloat16 and compiled kernels pay: on a CPU both are slower."""
        return self.device.type == "cuda"

    def loss_of(self, method: Method) -> nn.Module:
        """The method as a module to call; several processes average their gradients as they are computed.

        A batch may lack a sensor, and with it the gradients of that sensor's layers.
        """
        module = LossOf(method)
        if self.size == 1:
            return module
        return nn.parallel.DistributedDataParallel(module, broadcast_buffers=False, find_unused_parameters=True)

    def parts(self, batch: int, at_once: int | None) -> list[slice]:
        """This process's samples of a batch, at most `at_once` together.

        Raises:
            UserError: fewer samples than processes.
        """
        if batch < self.size:
            raise UserError(
                f"training.batch is {batch}, fewer than the {self.size} processes: raise it, or ask for fewer"
            )
        first, end = (number * batch // self.size for number in (self.rank, self.rank + 1))
        step = at_once or end - first
        return [slice(start, min(start + step, end)) for start in range(first, end, step)]

    def without_exchange(self, module: nn.Module) -> AbstractContextManager[None]:
        """Keep gradients in this process: those of all but the last part of a batch are only added up."""
        if isinstance(module, nn.parallel.DistributedDataParallel):
            exchange: AbstractContextManager[None] = module.no_sync()
            return exchange
        return nullcontext()

    def autocast(self) -> torch.autocast:
        """bfloat16 for matrix products, on a GPU only."""
        return torch.autocast(self.device.type, torch.bfloat16, enabled=self.on_gpu)

    def sum(self, values: Sequence[Tensor]) -> list[float]:
        """Sum of scalars over all processes, one for each of `values`."""
        if self.size == 1 or not values:
            return [float(value) for value in values]
        stacked = torch.stack([value.detach().float().cpu() for value in values])
        torch.distributed.all_reduce(stacked)
        return [float(value) for value in stacked]

    def any(self, flag: bool) -> bool:
        """Whether the flag is set in any process, so that all take the same turn."""
        return self.sum([torch.tensor(float(flag))])[0] > 0 if self.size > 1 else flag


ALONE = World()


@contextmanager
def joined() -> Iterator[World]:
    """The process's place among the others while the context lasts; alone where no launcher gave it a rank.

    Raises:
        UserError: there are fewer GPUs than processes, or the processes do not find each other.
    """
    if "RANK" not in os.environ:
        yield ALONE
        return
    on_gpu = torch.cuda.is_available()
    device = torch.device("cuda", int(os.environ["LOCAL_RANK"])) if on_gpu else torch.device("cpu")
    if on_gpu:
        count = torch.cuda.device_count()
        if device.index >= count:
            raise UserError(f"process {device.index} of this training has no GPU, {count} are visible: ask for as many")
        torch.cuda.set_device(device)
        torch.set_float32_matmul_precision("high")
    # Gradients go from GPU to GPU, counts and flags between the processes: both kinds in one group.
    try:
        torch.distributed.init_process_group("cpu:gloo,cuda:nccl" if on_gpu else "gloo")
    except (RuntimeError, ValueError) as error:
        said = str(error).splitlines()[0]
        raise UserError(
            f"the processes of this training do not find each other ({said}): start it by torchrun"
        ) from None
    try:
        yield World(torch.distributed.get_rank(), torch.distributed.get_world_size(), device)
    finally:
        torch.distributed.destroy_process_group()


@contextmanager
def compiled(method: Method, world: World) -> Iterator[None]:
    """On a GPU, compile the parts whose shapes stay the same from batch to batch: trunk and decoder."""
    parts = [part for part in method.modules() if isinstance(part, Trunk | Decoder)] if world.on_gpu else []
    for part in parts:
        part.forward = torch.compile(part.forward)  # type: ignore[method-assign]
    try:
        yield
    finally:
        for part in parts:
            del part.forward
