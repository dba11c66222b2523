"""The architecture of driftrec-MODEL-faithful.safetensors for spandrel, which chaiNNer and ComfyUI load models with."""

from typing import Any

from spandrel import (  # pyright: ignore[reportMissingImports] (ComfyUI installs it)
    MAIN_REGISTRY,
    Architecture,
    ArchSupport,
    ImageModelDescriptor,
)
from spandrel.util import KeyCondition  # pyright: ignore[reportMissingImports]

from .network import NETWORK, STD, Faithful


class DriftrecArchitecture(Architecture[Faithful]):
    """Faithful restorations; natural ones are sampled, which spandrel's interface does not foresee."""

    def __init__(self) -> None:
        keys = (STD, f"{NETWORK}.stem.weight", f"{NETWORK}.embed.frequencies")
        super().__init__(id="driftrec", detect=KeyCondition.has_all(*keys))

    def load(self, state_dict: dict[str, Any]) -> ImageModelDescriptor[Faithful]:
        """Builds the model of a state dict."""
        return ImageModelDescriptor(
            Faithful.of(state_dict),
            state_dict,
            architecture=self,
            purpose="Restoration",
            tags=[],
            supports_half=False,  # the preconditioning exceeds its range
            supports_bfloat16=False,
            scale=1,
            input_channels=3,
            output_channels=3,
        )


def install() -> None:
    """Lets every `spandrel.ModelLoader` recognise the files."""
    MAIN_REGISTRY.add(ArchSupport.from_architecture(DriftrecArchitecture()), ignore_duplicates=True)
