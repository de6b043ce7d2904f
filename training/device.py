"""The one place of this package that knows devices: where a model runs, with how many threads, in what precision.

`train`, `checkpoint_export` and the benchmark get a `Compute` from a recipe's machine settings. What `auto` means:

- device: CUDA where there is a GPU.
- precision: on CUDA, bfloat16 autocast, for which its tensor cores are made; weights, proxies and losses stay float32.
  On a CPU, float32: processors without instructions for bfloat16 imitate them, slowly. Those that have them gain: an
  AMD EPYC with avx512_bf16, one thread, did 14.7 excerpts a second of the full-width network forward and backward, 7.7
  in float32.
- channels_last: yes on both. On that CPU it gave 7.7 excerpts a second where the usual layout gave 3.4; on CUDA it is
  the layout that convolutions in half precision are computed in. Not measured there by us.
"""

import os
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TypeVar

import torch
from torch import Tensor, nn

from training.recipe import Machine

Module = TypeVar("Module", bound=nn.Module)


class TrainingDeviceError(RuntimeError):
    """A device was asked for that this machine, or this build of torch, does not have."""


@dataclass(frozen=True)
class Compute:
    """Where and how a model is computed.

    Attributes:
        device: Of weights and batches.
        is_bfloat16: Whether autocast is on.
        is_channels_last: Whether convolutions' weights lie so.
        threads: CPU threads of torch, and decoder processes.
    """

    device: torch.device
    is_bfloat16: bool
    is_channels_last: bool
    threads: int

    def place(self, module: Module) -> Module:
        """Bring a module to the device, in its layout; in the usual one if torch would crash in the other."""
        module = module.to(self.device)
        is_hit = self.device.type == "cpu" and any(map(_is_hit_by_overrun, module.modules()))
        return module.to(memory_format=torch.channels_last) if self.is_channels_last and not is_hit else module

    def frames(self, frames: Tensor) -> Tensor:
        """Bring frames, as they are cached, to the device and to float32."""
        return frames.to(self.device, non_blocking=True).float()

    def autocast(self) -> AbstractContextManager[object]:
        """The precision that a network's forward pass runs in."""
        return torch.autocast(self.device.type, dtype=torch.bfloat16, enabled=self.is_bfloat16)

    def pinned(self, frames: Tensor) -> Tensor:
        """Memory that a GPU can fetch while others work; on a CPU, the same tensor."""
        return frames.pin_memory() if self.device.type == "cuda" else frames

    def synchronise(self) -> None:
        """Wait until all that was asked of the device is done: before looking at the clock."""
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)

    def __str__(self) -> str:
        name = torch.cuda.get_device_name(self.device) if self.device.type == "cuda" else f"{self.threads} CPU threads"
        layout = "channels last" if self.is_channels_last else "channels first"
        return f"{name}, {'bfloat16' if self.is_bfloat16 else 'float32'}, {layout}"


def choose_compute(machine: Machine, *, local_rank: int = 0) -> Compute:
    """Turn settings into what this machine has, and give torch its threads.

    Args:
        machine: Of a recipe.
        local_rank: Number of this process among those on this machine: each takes a GPU of its own.

    Raises:
        TrainingDeviceError: If the device is not there.
    """
    has_cuda = torch.cuda.is_available()
    if machine.device == "cuda" and not has_cuda:
        raise TrainingDeviceError(
            "machine.device is 'cuda', but torch finds no GPU: it needs a build for CUDA and a driver; "
            "or set machine.device=cpu"
        )
    is_cuda = has_cuda and machine.device != "cpu"
    if is_cuda and local_rank >= torch.cuda.device_count():
        raise TrainingDeviceError(
            f"process {local_rank + 1} of this machine has no GPU left, there are {torch.cuda.device_count()}; "
            "start as many processes as there are GPUs"
        )
    threads = machine.threads or _cores()
    torch.set_num_threads(threads)
    device = torch.device("cuda", local_rank) if is_cuda else torch.device("cpu")
    if is_cuda:
        torch.cuda.set_device(device)
    return Compute(
        device=device,
        is_bfloat16=is_cuda if machine.precision == "auto" else machine.precision == "bfloat16",
        is_channels_last=machine.channels_last != "no",
        threads=threads,
    )


def _is_hit_by_overrun(module: nn.Module) -> bool:
    """Whether a layer is a strided 1 x 1 convolution of so few channels that, channels last, it ruins the memory.

    Found with torch 2.14.1 on AVX-512: backward of 8 to 8 or 16 channels writes beyond its buffers; from 16 channels on
    it does not. The paper's network has such a layer below a width of 0.19.
    """
    return (
        isinstance(module, nn.Conv2d)
        and module.kernel_size == (1, 1)
        and module.stride != (1, 1)
        and module.in_channels < 16
    )


def _cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
