"""Models for training: denoiser, finisher, and the card that tells the tool how to use them.

They are read from a run's checkpoint or from the ONNX file that was exported from it, so that a model that ships can be
trained further.
"""

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from driftrec.diffusion.plan import Plan
from driftrec.model.find import find_model
from driftrec.train import checkpoint
from driftrec.train.denoiser import Denoiser
from driftrec.train.dump import dump, from_dump
from driftrec.train.nn.cost import cost
from driftrec.train.recipe import TrainConfig

FINISHED = "finished"
"""The key of the denoiser's facts in a finisher's checkpoint and, followed by a dot, the prefix of its tensors."""


@dataclass(frozen=True)
class TrainedNetwork:
    """A network in evaluation mode with the averaged weights of a run, the run's configuration, and facts about it."""

    network: Denoiser
    config: TrainConfig
    facts: Mapping[str, Any]

    def spent(self) -> dict[str, int]:
        """Steps and minutes of training, including the runs that the initial weights come from."""
        before = self.facts.get("earlier", {"steps": 0, "minutes": 0})
        return {
            "steps": self.facts["step"] + before["steps"],
            "minutes": round(self.facts["minutes"] + before["minutes"]),
        }


@dataclass(frozen=True)
class Model:
    """A denoiser and, where there is one, the finisher of its plans (`driftrec.train.finisher`)."""

    denoiser: TrainedNetwork
    finisher: TrainedNetwork | None = None

    @property
    def plan(self) -> Plan:
        """How to sample with the model, with the number of evaluations that its last network was trained for."""
        return (self.finisher or self.denoiser).config.sampling_plan()


def load(source: str | Path) -> Model:
    """The model of a checkpoint (.safetensors), of an exported file (.onnx), or of a name that ships with driftrec.

    Raises ValueError for files that hold no model.
    """
    path = find_model(source)
    if path.suffix == ".onnx":
        return _of_export(path)
    tensors, facts = checkpoint.read(path)
    averaged = checkpoint.select(tensors, "ema.") or tensors
    trained = _trained(averaged, facts, path)
    if FINISHED not in facts:
        return Model(trained)
    return Model(_trained(checkpoint.select(tensors, f"{FINISHED}."), facts[FINISHED], path), finisher=trained)


def _trained(tensors: Mapping[str, Tensor], facts: Mapping[str, Any], path: Path) -> TrainedNetwork:
    config = from_dump(facts["config"], str(path))
    network = config.denoiser()
    network.load_state_dict(tensors, strict=False)
    return TrainedNetwork(network.eval(), config, facts)


def card(model: Model, name: str, licence: str) -> dict[str, Any]:
    """The card of a model, ready for JSON; see `driftrec.model.card.Card`."""
    config: TrainConfig = model.denoiser.config
    networks: list[Any] = [trained.network.network for trained in (model.denoiser, model.finisher) if trained]
    sizes = [cost(network) for network in networks]
    each, last = sizes[0].multiply_adds, sizes[-1].multiply_adds
    lowest, highest = config.noise.range
    content = {
        "name": name,
        "licence": licence,
        "multiple": math.lcm(*(network.config.multiple for network in networks)),
        "ratio_min": lowest,
        "ratio_max": highest,
        "sampling": model.plan.card(),
        "faithful": config.noise.regression > 0,
        "natural": config.noise.regression < 1,
        "blind": config.objective.blind,
        "corruption": config.data.undone,
        "parameters": sum(size.parameters for size in sizes),
        "multiply_adds_per_pixel": round(each),
        "plan_multiply_adds_per_pixel": round((model.plan.evaluations - 1) * each + last),
        "network": networks[0].config.card(),
        "objective": config.objective.model_dump(),
        "training": _training(model.denoiser),
    }
    if model.finisher is None:
        return content
    return content | {"finisher": True, "finishing": _training(model.finisher)}


_FOLDERS = (
    *(("data", key) for key in ("folders", "weights", "corrupted", "validation")),
    ("data", "drawn", "fonts"),
    ("finish", "weights_folder"),
)
"""Where recipes name folders, or say something of each of them."""


def _training(trained: TrainedNetwork) -> dict[str, Any]:
    """The card's entry for a run: enough to train further, without the paths of folders on this machine."""
    facts, config = trained.facts, dump(trained.config)
    config["data"]["undoes"] = trained.config.data.undone  # cannot be told any more without the folders
    for *sections, key in _FOLDERS:
        section: Any = config
        for name in sections:
            section = section.get(name) or {}
        section.pop(key, None)
    for section in (config, config["finish"] or {}):
        for key in ("start", "model"):
            if section.get(key):
                section[key] = Path(section[key]).name
    return {
        "steps": facts["step"],
        "minutes": round(facts["minutes"]),
        **({"earlier": facts["earlier"]} if "earlier" in facts else {}),
        "hardware": facts["hardware"],
        **facts["data"],
        "config": config,
    }


def _of_export(path: Path) -> Model:
    import onnx

    proto = onnx.load(path)
    content = json.loads({p.key: p.value for p in proto.metadata_props}.get("driftrec", "{}"))
    stored = dict(_initializers(proto.graph))
    parts = {}
    for name, run in (("denoiser", "training"), ("finisher", "finishing")):
        if run not in content:
            continue
        facts = content[run]
        if "config" not in facts:
            raise ValueError(f"{path} does not contain its recipe: start from its checkpoint")
        tensors = checkpoint.select(stored, f"{name}.") or stored
        data = {key: facts[key] for key in ("pictures", "megapixels", "licences")}
        parts[name] = trained = _trained(tensors, {**facts, "step": facts["steps"], "data": data}, path)
        if missing := [n for n, _ in trained.network.named_parameters() if n not in tensors]:
            raise ValueError(f"{path} has no weights named {missing[0]}: start from its checkpoint")
    return Model(**parts)


def _initializers(graph: Any) -> Iterator[tuple[str, Tensor]]:  # noqa: ANN401 (onnx.GraphProto, whose package is imported inside)
    """(name, value in single precision) of the weights of a graph and of its branches."""
    from driftrec.train.storage import stored

    for name, value in stored(graph):
        yield name, torch.tensor(value)
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.HasField("g"):
                yield from _initializers(attribute.g)
