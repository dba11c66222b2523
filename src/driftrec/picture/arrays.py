"""Takes arrays of pixels as pictures, after checking that they are some."""

import numpy as np

from driftrec.picture.value import Picture, PictureError

_SHAPES = "(height, width) for gray, or (height, width, channels) with 1 to 4 channels"


def picture_from_array(array: np.ndarray, name: str) -> Picture:
    """Returns an array of samples as a picture.

    Arguments:
        array: upright samples, (H, W) or (H, W, C) with C = 1 (gray), 2 (gray and alpha), 3 (RGB) or 4 (RGB and alpha):
            uint8 in [0, 255], uint16 in [0, 65535], or floats in [0, 1], which are saved with 8 bits.
        name: the picture's name in messages.

    Returns:
        The picture, in sRGB and without metadata.  It may share the array's memory.

    Raises:
        PictureError: the shape, the type or the values are not as above.
    """
    if array.ndim not in (2, 3) or 0 in array.shape or array.shape[2:] not in ((), (1,), (2,), (3,), (4,)):
        raise PictureError(f"{name} is an array of shape {array.shape}: give {_SHAPES}")
    samples = array[..., None] if array.ndim == 2 else array
    if np.issubdtype(samples.dtype, np.floating):
        if not (samples.min() >= 0 and samples.max() <= 1):  # also false for NaN
            raise PictureError(
                f"{name} has floating-point samples outside 0 to 1: scale them, or convert them to uint8"
            )
        samples = samples.astype(np.float32, copy=False)
    elif samples.dtype not in (np.uint8, np.uint16):
        raise PictureError(f"{name} is an array of {samples.dtype}: convert it to uint8, uint16 or float32")
    colours = 1 if samples.shape[2] < 3 else 3
    alpha = samples[..., -1] if samples.shape[2] > colours else None
    if alpha is not None and alpha.dtype == np.float32:
        alpha = np.rint(alpha * 255).astype(np.uint8)
    return Picture(
        pixels=np.broadcast_to(samples[..., :colours], (*samples.shape[:2], 3)),
        alpha=alpha,
        gray=colours == 1,
        bit_depth=16 if samples.dtype == np.uint16 else 8,
        name=name,
    )
