"""Colour correction: the file still holds a picture's low frequencies, colour and shading, so sampling need not guess.

The bias of small networks shifts the colour, and the shift grows with the noise.  A sample therefore takes its low band
from the faithful estimate,

    x̂ ← x̂ + B (E[x0 | y] − x̂),                                                                    (E21)

where B is the binomial filter [1 2 1]/4 along both axes at distances 1, 2 and 4.  It is a low-pass filter with a
standard deviation of 3.2 pixels that moves nothing across the borders.  The paper corrects only the channel means.
"""

from driftrec.diffusion.types import Array

DISTANCES = (1, 2, 4)


def with_low_band(x: Array, reference: Array) -> Array:
    """Gives x the low band of `reference` (E21), in place, and returns x; both (batch, channel, height, width)."""
    for channel in range(x.shape[1]):  # one at a time, to bound the memory
        x[:, channel] += low_band(reference[:, channel] - x[:, channel])
    return x


def with_mean(x: Array, reference: Array) -> Array:
    """Gives every channel of x the mean of that of `reference`, in place, and returns x (DriftRec's correction)."""
    for image, other in zip(x, reference, strict=True):
        for channel, like in zip(image, other, strict=True):
            channel += float(like.mean()) - float(channel.mean())
    return x


def low_band(x: Array) -> Array:
    """Applies B to an image (…, height, width) in place, and returns it.  Sides of up to 4 pixels are smoothed less."""
    for distance in DISTANCES:
        for view in (x, x.swapaxes(-1, -2)):
            flow = (view[..., distance:] - view[..., :-distance]) / 4
            view[..., :-distance] += flow
            view[..., distance:] -= flow
    return x
