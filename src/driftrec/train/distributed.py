"""The processes of a run (one per device, on one or more machines) and the values that they exchange.

torchrun and `fabric run` start all processes themselves.  Without them, the first process starts the others on its
machine by running its own command again.
"""

import atexit
import os
import platform
from typing import TypeVar, cast

import torch
from lightning_fabric import Fabric
from torch import distributed

Value = TypeVar("Value")


def launch(precision: str, devices: int | str, nodes: int) -> Fabric:
    """Connects the processes of a run, and starts them if neither torchrun nor `fabric run` has.

    Arguments:
        precision: one of Fabric's names, or "auto" for bfloat16 if the machine computes fast with it.
        devices: devices on each machine, or "auto" for all GPUs, or one CPU if there are none.
        nodes: number of machines.  torchrun and `fabric run` override devices and nodes.
    """
    if precision == "auto":
        fast = torch.cuda.is_available() or torch.cpu._is_avx512_bf16_supported()
        precision = "bf16-mixed" if fast else "32-true"
    if distributed.is_torchelastic_launched():
        devices = int(os.environ["LOCAL_WORLD_SIZE"])
        nodes = int(os.environ["WORLD_SIZE"]) // devices
    fabric = Fabric(precision=precision, devices=devices, num_nodes=nodes)  # pyright: ignore[reportArgumentType]
    if os.environ.get("LT_CLI_USED") != "1":  # otherwise `fabric run` has launched it
        fabric.launch()
    return fabric


def may_be_first() -> bool:
    """Whether this process is, by its environment, the first of the run; also known before `launch`."""
    return all(os.environ.get(name, "0") == "0" for name in ("RANK", "LOCAL_RANK", "NODE_RANK"))


class Processes:
    """The processes of a run, and the exchange of Python values between them.

    Values are sent between CPUs (gloo), so no GPU has to finish its queue first.

    Attributes: `rank`, the number of this process, from 0; `count`, the number of processes.
    """

    def __init__(self, fabric: Fabric) -> None:
        self.rank, self.count = fabric.global_rank, fabric.world_size
        group = distributed.new_group(backend="gloo") if self.count > 1 else None
        self._group = cast(distributed.ProcessGroup | None, group)  # every process is a member
        if group:
            atexit.register(_leave)

    @property
    def is_first(self) -> bool:
        """Whether this is the process that writes files and reports."""
        return self.rank == 0

    def of_first(self, value: Value) -> Value:
        """The first process's value; every process must call this."""
        if self._group is None:
            return value
        box = [value]
        distributed.broadcast_object_list(box, src=0, group=self._group)
        return box[0]

    def of_all(self, value: Value) -> list[Value]:
        """The values of all processes, by rank; every process must call this."""
        if self._group is None:
            return [value]
        box: list[Value | None] = [None] * self.count
        distributed.all_gather_object(box, value, group=self._group)
        return cast(list[Value], box)


def owner(number: int, devices: int) -> int:
    """The device that takes part `number` of some work.  Part 0 is by far the largest, so its device takes no other."""
    return 0 if number == 0 or devices == 1 else 1 + (number - 1) % (devices - 1)


def hardware(devices: int) -> str:
    """A description of the training devices for the model card."""
    if torch.cuda.is_available():
        return f"{devices} × {torch.cuda.get_device_name()}"
    cores = f"{os.cpu_count()} CPU cores, {platform.machine()}"
    return cores if devices == 1 else f"{cores}, {devices} processes"


def _leave() -> None:
    """Destroys the process groups, because gloo's threads may abort a process if they outlive the interpreter."""
    if distributed.is_initialized():
        distributed.destroy_process_group()
