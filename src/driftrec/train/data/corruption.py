"""Corruptions as recipes state them: each section builds one of `driftrec.train.data.degrade`."""

from typing import Annotated, Literal

from pydantic import Field

from driftrec.train.data.degrade import Chain, Clean, Degradation, DownUp, GaussianNoise, Jpeg, Mixture
from driftrec.train.section import Section


class JpegSection(Section):
    """`driftrec.train.data.degrade.Jpeg`."""

    kind: Literal["jpeg"]
    lowest: int = 1
    highest: int = 100
    power: float = 2.0
    subsampling: tuple[float, float, float] = (0.25, 0.05, 0.7)
    shifted: bool = False
    shift: tuple[int, int] = (0, 0)

    def build(self) -> Jpeg:
        return Jpeg(self.lowest, self.highest, self.power, self.subsampling, self.shifted, self.shift)


class DownUpSection(Section):
    """`driftrec.train.data.degrade.DownUp`."""

    kind: Literal["down-up"]
    factors: tuple[float, ...] = (2.0,)

    def build(self) -> DownUp:
        return DownUp(self.factors)


class GaussianNoiseSection(Section):
    """`driftrec.train.data.degrade.GaussianNoise`."""

    kind: Literal["noise"]
    lowest: float = 5.0
    highest: float = 50.0

    def build(self) -> GaussianNoise:
        return GaussianNoise(self.lowest, self.highest)


class CleanSection(Section):
    """No corruption."""

    kind: Literal["clean"]

    def build(self) -> Clean:
        return Clean()


class OneOfSection(Section):
    """One of several chains, drawn with the given weights (default: equal) for each crop."""

    kind: Literal["one-of"]
    chains: tuple[tuple["CorruptionSection", ...], ...] = Field(min_length=1)
    weights: tuple[float, ...] | None = None

    def build(self) -> Mixture:
        weights = self.weights or (1.0,) * len(self.chains)
        if len(weights) != len(self.chains):
            raise ValueError(f"{len(self.chains)} chains need as many weights, not {len(weights)}")
        return Mixture(tuple(zip(weights, map(chain, self.chains), strict=True)))


CorruptionSection = Annotated[
    JpegSection | DownUpSection | GaussianNoiseSection | CleanSection | OneOfSection, Field(discriminator="kind")
]


def chain(links: tuple[CorruptionSection, ...]) -> Degradation:
    """One corruption after the other."""
    return Chain(tuple(link.build() for link in links)) if len(links) != 1 else links[0].build()
