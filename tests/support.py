"""Helpers of several test files: pictures made on the spot, JPEG files in memory, PSNR."""

import io
from pathlib import Path

import numpy as np
from PIL import Image, ImageCms, ImageDraw
from scipy.ndimage import gaussian_filter

CROPS = Path(__file__).parent / "data"
"""Two photographs and their JPEGs of quality 10; README.md there says where they come from."""


SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def scene(height: int, width: int, seed: int = 0) -> np.ndarray:
    """A picture with edges, gradients and texture, uint8 (height, width, 3)."""
    rng = np.random.default_rng(seed)
    v, u = np.mgrid[:height, :width] / max(height, width)
    image = np.stack([u, v, 1 - u], axis=2) * 160 + 40
    for _ in range(6):
        (a, b), radius, colour = rng.random(2), 0.05 + 0.2 * rng.random(), rng.random(3) * 255
        image[(u - a) ** 2 + (v - b) ** 2 < radius**2] = colour
    image += 12 * np.sin(90 * u + 60 * v)[..., None]
    return image.clip(0, 255).astype(np.uint8)


def textured(height: int, width: int, seed: int = 0) -> np.ndarray:
    """A scene with the spectrum of a photo's texture, uint8 (height, width, 3)."""
    noise = np.random.default_rng(seed).normal(size=(height, width, 1))
    grain = sum(gaussian_filter(noise, (width, width, 0)) * width for width in (0.7, 1.5, 4, 10))
    return (scene(height, width, seed) + 8 * grain).clip(0, 255).astype(np.uint8)


def text_page(
    side: int, paper: tuple[int, int, int] = (255, 255, 255), bar: tuple[int, int, int] = (52, 101, 164)
) -> np.ndarray:
    """A bar of one colour above lines of dark text on paper, uint8 (side, side, 3)."""
    image = Image.new("RGB", (side, side), paper)
    draw = ImageDraw.Draw(image)
    draw.rectangle((0, 0, side, side // 5), fill=bar)
    for line, y in enumerate(range(side // 4, side - 20, 22)):
        draw.text((8 + 3 * line, y), "pack my box with five dozen", (24, 24, 28), font_size=13)
    return np.asarray(image)


def jpeg_file(pixels: np.ndarray, mode: str | None = None, **options: object) -> bytes:
    """The JPEG file of uint8 pixels (height, width[, 3]), converted to `mode` first; options of Pillow's encoder."""
    file = io.BytesIO()
    Image.fromarray(pixels).convert(mode).save(file, "JPEG", **options)
    return file.getvalue()


def opened(data: bytes) -> np.ndarray:
    """The pixels of a file as Pillow decodes them, uint8 (height, width, 3)."""
    with Image.open(io.BytesIO(data)) as image:
        return np.asarray(image.convert("RGB"))


def jpeg(pixels: np.ndarray, quality: int) -> np.ndarray:
    """The pixels after compression by Pillow, as it decodes them."""
    return opened(jpeg_file(pixels, quality=quality))


def psnr(a: np.ndarray, b: np.ndarray) -> float:
    """PSNR in dB of arrays in [0, 1]; for arrays in [0, 255] it is 48.1 dB too low, which differences do not show."""
    return float(-10 * np.log10(np.mean((np.asarray(a, float) - np.asarray(b, float)) ** 2)))


def noise(*shape: int, dtype: type[np.unsignedinteger] = np.uint8) -> np.ndarray:
    """Random numbers of an unsigned type, over its whole range."""
    return np.random.default_rng(0).integers(0, np.iinfo(dtype).max, shape, dtype, endpoint=True)


def encoded(image: Image.Image, file_format: str, **options: object) -> bytes:
    """The file of an image in one of Pillow's formats."""
    stream = io.BytesIO()
    image.save(stream, file_format, **options)
    return stream.getvalue()


def exif_with(orientation: int, endian: str = "<") -> Image.Exif:
    """EXIF with an orientation, a maker, a copyright and a maker's note."""
    exif = Image.Exif()
    exif.endian = endian
    exif[0x010F] = "Maker of cameras"
    exif[0x0112] = orientation
    exif[0x8298] = "Someone"
    exif.get_ifd(0x8769)[0x927C] = b"a maker's note"
    return exif


def random_checkpoint(path: Path, network: object, **config: object) -> Path:
    """Writes a checkpoint with random weights, such as a run of `TrainConfig(network=network, …)` leaves behind."""
    import torch

    from driftrec.train import checkpoint
    from driftrec.train.recipe import TrainConfig

    torch.manual_seed(3)
    settings = TrainConfig(network=network, **config)
    weights = {name: p + 0.1 * torch.randn_like(p) for name, p in settings.denoiser().named_parameters()}
    facts = {"config": settings.model_dump(mode="json"), "step": 7, "minutes": 1.5, "hardware": "a test"}
    checkpoint.write(path, weights, facts | {"data": {"pictures": 3, "megapixels": 1, "licences": {"CC0": 3}}})
    return path
