"""A checkpoint as what it is for: a denoiser with averaged weights, and the card that tells the tool how to use it."""

from pathlib import Path
from typing import Any

from driftrec.workshop import checkpoint
from driftrec.workshop.config import TrainConfig
from driftrec.workshop.denoiser import Denoiser
from driftrec.workshop.nn.cost import cost


def load(path: Path) -> tuple[Denoiser, TrainConfig, dict[str, Any]]:
    """(denoiser with averaged weights, its run's configuration, facts) from best.safetensors or last.safetensors."""
    tensors, facts = checkpoint.read(path)
    config = TrainConfig.model_validate(facts["config"])
    model = config.denoiser()
    averaged = checkpoint.select(tensors, "ema.") or tensors
    model.load_state_dict(averaged, strict=False)
    return model.eval(), config, facts


def card(config: TrainConfig, facts: dict[str, Any], name: str, licence: str) -> dict[str, Any]:
    """The card of a trained network, ready for JSON; see `driftrec.runtime.Card`."""
    network = config.network.build()
    size = cost(network)
    lowest, highest = config.noise.range
    return {
        "name": name,
        "licence": licence,
        "multiple": network.config.multiple,
        "ratio_min": lowest,
        "ratio_max": highest,
        "sampling": config.plan().card(),
        "faithful": config.noise.regression > 0,
        "natural": config.noise.regression < 1,
        "blind": config.objective.blind,
        "parameters": size.parameters,
        "multiply_adds_per_pixel": round(size.multiply_adds),
        "network": network.config.card(),
        "objective": config.objective.model_dump(),
        "training": {
            "steps": facts["step"],
            "minutes": round(facts["minutes"]),
            "hardware": facts["hardware"],
            **facts["data"],
        },
    }
