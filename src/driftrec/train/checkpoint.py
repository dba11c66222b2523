"""Checkpoints: tensors in safetensors, everything else as JSON in its header; never a pickle.

A file is complete or absent: it is written under a temporary name, flushed to disk, then renamed.
"""

import json
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from driftrec.picture import atomic_write

FORMAT = "driftrec-checkpoint-1"


def write(path: Path, tensors: dict[str, Tensor], facts: dict[str, Any]) -> None:
    """Writes tensors and JSON-ready facts to `path`, replacing it at once."""
    header = {"format": FORMAT, "facts": json.dumps(facts)}
    content = save({k: v.detach().cpu().contiguous() for k, v in tensors.items()}, metadata=header)
    with atomic_write(path) as file:
        file.write(content)


def read(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """(tensors, facts) of a checkpoint; raises ValueError when the file is not a driftrec checkpoint."""
    try:
        with safe_open(path, framework="pt") as file:
            header = file.metadata() or {}
            if header.get("format") != FORMAT:
                raise ValueError(f"{path} is not a driftrec checkpoint; train one with 'driftrec train'")
            return {key: file.get_tensor(key) for key in file.keys()}, json.loads(header["facts"])  # noqa: SIM118
    except (OSError, SafetensorError) as error:
        raise ValueError(f"{path} cannot be read as a checkpoint: {error}") from error


def optimizer_tensors(optimizer: torch.optim.Optimizer, names: list[str]) -> dict[str, Tensor]:
    """The state of an optimiser with one parameter group as named tensors."""
    state = optimizer.state_dict()["state"]
    return {
        f"optimizer.{names[index]}.{key}": torch.as_tensor(value)
        for index, values in state.items()
        for key, value in values.items()
    }


def load_optimizer(optimizer: torch.optim.Optimizer, tensors: dict[str, Tensor], names: list[str]) -> None:
    """Restores the state that `optimizer_tensors` returned, in the memory layout of the parameters.

    Fused optimisers treat parameters and state as flat memory, so another layout would give wrong results silently.
    """
    (group,) = optimizer.state_dict()["param_groups"]
    parameters = dict(zip(names, optimizer.param_groups[0]["params"], strict=True))
    state: dict[int, dict[str, Tensor]] = {}
    for name, value in select(tensors, "optimizer.").items():
        parameter, key = name.rsplit(".", 1)
        like = parameters[parameter]
        if value.shape == like.shape:
            value = torch.empty_like(like).copy_(value)
        state.setdefault(names.index(parameter), {})[key] = value
    optimizer.load_state_dict({"state": state, "param_groups": [group]})


def select(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """The tensors whose names start with `prefix`, without it."""
    return {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}
