"""Colour correction.  The slow part of a picture, colour and shading, need not be guessed: the file knows it.

Small networks leave a trace of their bias there, a shift of colour that grows with the noise.  So a sample takes its
low band from the faithful estimate,

    x̂ ← x̂ + B (E[x0 | y] − x̂),                                                                    (E21)

with B the binomial filter [1 2 1]/4 along both axes at distances 1, 2 and 4, a low-pass of 3.2 pixels (standard
deviation) that lets nothing through the borders.  The paper's own correction moves the mean of each channel only.
"""

from driftrec.diffusion.types import Array

DISTANCES = (1, 2, 4)


def with_low_band(x: Array, reference: Array) -> Array:
    """(E21): the image x, changed in place, with the low band of `reference`; both (batch, channel, height, width)."""
    for channel in range(x.shape[1]):  # one at a time, which bounds the memory
        x[:, channel] += low_band(reference[:, channel] - x[:, channel])
    return x


def with_mean(x: Array, reference: Array) -> Array:
    """The image x, changed in place, with the mean of every channel of `reference` (DriftRec's correction)."""
    for image, other in zip(x, reference, strict=True):
        for channel, like in zip(image, other, strict=True):
            channel += float(like.mean()) - float(channel.mean())
    return x


def low_band(x: Array) -> Array:
    """B of an image (…, height, width), in place.  Sides of 4 pixels or fewer are smoothed less."""
    for distance in DISTANCES:
        for view in (x, x.swapaxes(-1, -2)):
            flow = (view[..., distance:] - view[..., :-distance]) / 4
            view[..., :-distance] += flow
            view[..., distance:] -= flow
    return x
