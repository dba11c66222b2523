"""Networks whose features tell how far two sets of pictures are apart, and the distances from these features."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeAlias

import numpy as np

from driftrec.evaluate import weights as places
from driftrec.evaluate.metrics.distribution import Features, fid, kid

if TYPE_CHECKING:
    from torch import Tensor

Network: TypeAlias = Literal["inception", "classifier"]

Distance: TypeAlias = tuple[float, float]
"""A value and its standard error."""


def load(network: Network, folder: Path | None = None) -> "Callable[[Tensor], Tensor]":
    """Returns a function from pictures (batch, 3, height, width), RGB in [0, 1], to features (batch, features).

    Arguments: `folder`, with weights, searched first.  Raises ValueError if weights are missing.
    """
    if network == "inception":
        path = places.find(places.INCEPTION, folder)
        from driftrec.evaluate.metrics.inception import Inception

        return Inception(path)
    from driftrec.evaluate.metrics.classifier import Classifier, packaged_weights

    return Classifier(packaged_weights()).features


def distances(network: Network, restored: Sequence[Features], clean: Sequence[Features]) -> dict[str, Distance]:
    """The distances between two sets of pictures that are reported for a network, by name.

    Arguments: the features of each picture, (patches, features).
    FID, which is given without a standard error (0), belongs to Inception.  Raises ValueError as `fid` and `kid` do.
    """
    found = kid(restored, clean)
    if network == "classifier":
        return {"kid_classifier": found}
    return {"fid": (fid(np.concatenate(restored), np.concatenate(clean)), 0.0), "kid": found}
