"""Several processes, or machines, that train one model together under `torchrun`. Alone, all of this does nothing.

Each process has the whole model, draws the whole batch and works on its part of it; gradients are averaged. As losses
are means over rows, that is the gradient of the whole batch, and the weights stay the same everywhere: no process ever
sends them.
"""

import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar

import torch
from torch import Tensor, distributed, nn

Module = TypeVar("Module", bound=nn.Module)

_VARIABLES = (("RANK", 0), ("WORLD_SIZE", 1), ("LOCAL_RANK", 0))


@dataclass(frozen=True)
class Processes:
    """This process among those that train together.

    Attributes:
        rank: Its number, from 0. Number 0 writes files and shows progress.
        count: How many there are.
        local_rank: Its number among those on this machine.
    """

    rank: int = 0
    count: int = 1
    local_rank: int = 0

    @classmethod
    def of_environment(cls, environment: Mapping[str, str] | None = None) -> "Processes":
        """As `torchrun` tells it."""
        environment = os.environ if environment is None else environment
        return cls(*(int(environment.get(name, default)) for name, default in _VARIABLES))

    @property
    def is_first(self) -> bool:
        """Whether this is the one that writes."""
        return self.rank == 0

    @contextmanager
    def joined(self, device: torch.device) -> Iterator[None]:
        """Meet the others, and part from them at the end."""
        if self.count == 1:
            yield
            return
        distributed.init_process_group("nccl" if device.type == "cuda" else "gloo")
        try:
            yield
        finally:
            distributed.destroy_process_group()

    def synchronised(self, model: Module, device: torch.device) -> Module:
        """Let batch norms see the whole batch, where torch can: on GPUs.

        On CPUs each process normalises by the statistics of its own part: that is another model than one process
        trains, and a small part makes it a worse one. A backbone without batch norms is the same in any number.
        """
        if self.count == 1 or device.type != "cuda":
            return model
        converted: Module = nn.SyncBatchNorm.convert_sync_batchnorm(model)  # type: ignore[no-untyped-call]
        return converted

    def average_gradients(self, parameters: Iterable[nn.Parameter]) -> None:
        """Give every process the mean of all processes' gradients.

        One message: the paper's network has 2.8 million weights, 11 MB.
        """
        if self.count == 1:
            return
        gradients = []
        for parameter in parameters:
            if parameter.requires_grad:
                if parameter.grad is None:
                    parameter.grad = torch.zeros_like(parameter)
                gradients.append(parameter.grad)
        self._average(gradients)

    def average_statistics(self, model: nn.Module) -> None:
        """Give every process the mean of all processes' batch norm statistics; they differ on CPUs only."""
        if self.count > 1:
            self._average([buffer for buffer in model.buffers() if buffer.is_floating_point()])

    def mean(self, number: Tensor) -> Tensor:
        """The mean of a number over all processes."""
        if self.count == 1:
            return number
        number = number.clone()
        distributed.all_reduce(number)
        return number / self.count

    def _average(self, tensors: list[Tensor]) -> None:
        if not tensors:
            return
        joined = torch.cat([tensor.reshape(-1) for tensor in tensors])
        distributed.all_reduce(joined)
        joined /= self.count
        for tensor, mean in zip(tensors, torch.split(joined, [tensor.numel() for tensor in tensors]), strict=True):
            tensor.copy_(mean.view_as(tensor))
