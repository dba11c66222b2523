"""Imports checkpoints of the paper's own program, which uses the NCSN++ of the score_sde code (Song et al. 2021).

There, the network is one flat list, `all_modules`, in the order of the forward pass, and `output_layer`.  A block's
layers are GroupNorm_0, Conv_0, Dense_0, GroupNorm_1, Conv_1, Conv_2; the convolution of the input pyramid is Conv_0;
attention's 1×1 convolutions are matrices NIN_0 to NIN_3 of shape (inputs, outputs).  Averaged weights are in
ema.shadow_params, without names, in the order of the parameters.
"""

import argparse
import pickle
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from driftrec.errors import first_line
from driftrec.train import checkpoint
from driftrec.train.dump import dump
from driftrec.train.nn.ncsnpp import Attention, Down, NCSNpp, Up
from driftrec.train.recipe import TrainConfig

PREFIXES = ("module.", "backbone.", "dnn.")
"""Prefixes that the classes around the network add to parameter names; a name may have several."""

FREQUENCIES = "all_modules.0.W"
"""The parameters that are not trained; some files have no averages of them."""

_BLOCK = {
    "GroupNorm_0": "first_norm",
    "Conv_0": "first",
    "Dense_0": "shift",
    "GroupNorm_1": "second_norm",
    "Conv_1": "second",
    "Conv_2": "shortcut",
}
_ATTENTION = {"GroupNorm_0": "norm", "NIN_0": "query", "NIN_1": "key", "NIN_2": "value", "NIN_3": "out"}
_MATRIX = {"weight": "W", "bias": "b"}


def import_official(path: Path, config: TrainConfig, target: Path) -> int:
    """Converts an official checkpoint to one of a run with `config`; returns the number of its training steps.

    `path`: a checkpoint of the official program, or its state dict, as a PyTorch or safetensors file.  Averaged weights
    are used if there are any.  Raises ValueError for other files, and if `config` describes another network.
    """
    model = config.denoiser()
    network = model.network
    if not isinstance(network, NCSNpp):
        raise ValueError("only NCSN++ can be imported: use a recipe with network: {kind: ncsnpp}")
    state, steps = read_official(path)
    weights = converted(network, state)
    if config.objective.predicts == "change":  # there, the clean image is y − F
        weights |= {name: -weights[name] for name in ("head.weight", "head.bias")}
    unknown = {"pictures": "not stated", "megapixels": "not stated", "licences": {}}
    facts = {"config": dump(config), "data": unknown, "hardware": "not stated"}
    named = {f"network.{name}": weight for name, weight in weights.items()}
    checkpoint.write(target, named, facts | {"step": steps, "minutes": 0.0, "best": 0.0})
    return steps


def read_official(path: Path) -> tuple[dict[str, Tensor], int]:
    """(state dict of the network without prefixes, averaged if the file has averages; training steps, 0 if unknown)."""
    content = _content(path)
    state = content.get("state_dict", content)
    named = {name: value for name, value in state.items() if isinstance(value, Tensor)}
    shadows = content.get("ema", {}).get("shadow_params", [])
    if shadows:
        named = _averaged(named, shadows, path)
    found = {_bare(name): value for name, value in named.items() if _bare(name).startswith(("all_modules.", "output_"))}
    if not found:
        raise ValueError(f"{path} holds no NCSN++ of the official program: it has no parameter all_modules.0…")
    return found, int(content.get("global_step", 0))


def converted(network: NCSNpp, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The weights in `state` by the names of the parameters of `network`.

    Raises ValueError, naming the first parameter that is missing, superfluous or has another shape.
    """
    names = official_names(network)
    if missing := [theirs for theirs in names.values() if theirs not in state]:
        raise ValueError(f"the checkpoint has no '{missing[0]}', which the recipe's network needs")
    if superfluous := sorted(set(state) - set(names.values())):
        raise ValueError(f"the recipe's network has no '{superfluous[0]}': use the recipe of the checkpoint")
    weights = {}
    for ours, parameter in network.named_parameters():
        value = state[names[ours]]
        if value.ndim == 2 and parameter.ndim == 4:  # a matrix (inputs, outputs) for a 1×1 convolution
            value = value.mT[:, :, None, None]
        if value.shape != parameter.shape:
            shapes = f"{tuple(value.shape)} in the checkpoint and {tuple(parameter.shape)} in the recipe's network"
            raise ValueError(f"'{names[ours]}' is {shapes}: use the recipe of the checkpoint")
        weights[ours] = value.float()
    return weights


def official_names(network: NCSNpp) -> dict[str, str]:
    """The official name of each parameter of `network`."""
    candidates = {}
    for number, part in enumerate(_parts(network)):
        candidates |= {ours: f"all_modules.{number}.{theirs}" for ours, theirs in part.items()}
    candidates |= _layer("head", "output_layer.")
    return {ours: candidates[ours] for ours, _ in network.named_parameters()}


def _parts(network: NCSNpp) -> Iterator[dict[str, str]]:
    """For each of `all_modules` in turn, names of parameters: those here -> those there, including optional ones."""
    if network.embed is not None:
        yield {"embed.frequencies": "W"}
        yield _layer("embed.first")
        yield _layer("embed.second")
    yield _layer("stem")
    for level, stage in enumerate(cast(Sequence[Down], network.down)):
        for number, attention in enumerate(stage.attention):
            yield _block(f"down.{level}.blocks.{number}")
            if isinstance(attention, Attention):
                yield _attention(f"down.{level}.attention.{number}")
        if stage.shrink is not None:
            yield _block(f"down.{level}.shrink")
            yield _layer(f"down.{level}.merge", "Conv_0.")
    yield _block("middle.first")
    yield _attention("middle.attention")
    yield _block("middle.second")
    for level, stage in enumerate(cast(Sequence[Up], network.up)):
        for number in range(len(stage.blocks)):
            yield _block(f"up.{level}.blocks.{number}")
        if isinstance(stage.attention, Attention):
            yield _attention(f"up.{level}.attention")
        yield _layer(f"up.{level}.norm")
        yield _layer(f"up.{level}.paint")
        if stage.enlarge is not None:
            yield _block(f"up.{level}.enlarge")


def _layer(ours: str, theirs: str = "") -> dict[str, str]:
    return {f"{ours}.{leaf}": f"{theirs}{leaf}" for leaf in _MATRIX}


def _block(ours: str) -> dict[str, str]:
    layers = (_layer(f"{ours}.{mine}", f"{theirs}.") for theirs, mine in _BLOCK.items())
    return {name: theirs for layer in layers for name, theirs in layer.items()}


def _attention(ours: str) -> dict[str, str]:
    return {
        f"{ours}.{mine}.{leaf}": f"{theirs}.{_MATRIX[leaf] if theirs.startswith('NIN') else leaf}"
        for theirs, mine in _ATTENTION.items()
        for leaf in _MATRIX
    }


def _content(path: Path) -> dict[str, Any]:
    """The content of a file, read without running code from it."""
    if not path.is_file():
        raise ValueError(f"there is no file {path}")
    try:
        if path.suffix == ".safetensors":
            return dict(load_file(path))
        with torch.serialization.safe_globals([argparse.Namespace]):
            content = torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, RuntimeError, EOFError, pickle.UnpicklingError, SafetensorError) as error:
        raise ValueError(
            f"{path} is not a PyTorch file, or holds more than tensors and plain values: if you trust it, save its "
            f"state_dict and ema alone ({first_line(error)})"
        ) from error
    if not isinstance(content, dict):
        raise ValueError(f"{path} holds a {type(content).__name__}, not a checkpoint")
    return content


def _averaged(state: dict[str, Tensor], shadows: Sequence[Tensor], path: Path) -> dict[str, Tensor]:
    """The state with its parameters replaced by their averages, which have the same order."""
    names = [name for name in state if len(shadows) == len(state) or _bare(name) != FREQUENCIES]
    fits = len(names) == len(shadows) and all(state[n].shape == s.shape for n, s in zip(names, shadows, strict=True))
    if not fits:
        raise ValueError(f"{path}: its {len(shadows)} averaged parameters do not match the {len(state)} others")
    return state | dict(zip(names, shadows, strict=True))


def _bare(name: str) -> str:
    """A parameter's name without prefixes."""
    while name.startswith(PREFIXES):
        name = name.partition(".")[2]
    return name
