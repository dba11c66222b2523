"""What catalogues of models want to know about a shipped model, read from its own card."""

from dataclasses import dataclass

from driftrec.model.onnx import Network

PAPER = "https://arxiv.org/abs/2211.06757"
AUTHOR = "The driftrec authors"


@dataclass(frozen=True)
class Facts:
    """Facts about a model.

    Attributes:
        name: the model's name.
        licence: of its weights, as an SPDX identifier.
        parameters: of the denoiser and the finisher together.
        steps: of the denoiser's training, runs before the last one included.
        pictures: number of training pictures.
        data: a clause about the training pictures.
        data_licences: their licences, with the number of pictures under each.
    """

    name: str
    licence: str
    parameters: int
    steps: int
    pictures: int
    data: str
    data_licences: str

    @staticmethod
    def of(model: str) -> "Facts":
        """Reads the facts of a bundled model."""
        card = Network(model).card
        run = card.facts["training"]
        counts = sorted(run["licences"].items(), key=lambda item: -item[1])
        return Facts(
            card.name,
            card.facts["licence"],
            card.facts["parameters"],
            run["steps"] + run.get("earlier", {"steps": 0})["steps"],
            run["pictures"],
            f"{run['pictures']} photographs, drawings and screenshots from public repositories",
            "; ".join(f"{licence}: {count}" for licence, count in counts),
        )
