"""Converts images between colour spaces through their ICC profiles."""

from io import BytesIO

from PIL import Image, ImageCms

_COLOUR_SPACE = slice(16, 20)
"""Where an ICC profile names the colour space that it is for (ICC.1:2022, 7.2.8)."""


def to_srgb(image: Image.Image, profile: bytes) -> Image.Image:
    """Returns an image of mode L, RGB or CMYK, converted from the colour space of its ICC profile to sRGB, mode RGB.

    The intent is relative colorimetric with black-point compensation.

    Raises:
        ImageCms.PyCMSError, OSError: the profile is broken or belongs to another mode.
    """
    if image.mode == "L" and profile[_COLOUR_SPACE] == b"RGB ":  # gray files may have a profile for colour
        image = image.convert("RGB")
    converted = ImageCms.profileToProfile(
        image,
        ImageCms.ImageCmsProfile(BytesIO(profile)),
        ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")),
        renderingIntent=ImageCms.Intent.RELATIVE_COLORIMETRIC,
        outputMode="RGB",
        flags=ImageCms.Flags.BLACKPOINTCOMPENSATION,
    )
    assert converted is not None  # only conversions in place return nothing
    return converted
