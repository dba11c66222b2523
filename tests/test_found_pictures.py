"""Which JPEGs of packages are measured as found."""

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from found_pictures import has_texture, suits


def jpeg(path: Path, size: tuple[int, int] = (256, 224), quality: int = 40, mode: str = "RGB") -> Path:
    """A file with a textured picture."""
    noise = np.random.default_rng(0).integers(0, 256, (size[1], size[0], 3), np.uint8)
    file = io.BytesIO()
    Image.fromarray(noise).convert(mode).save(file, "JPEG", quality=quality)
    path.write_bytes(file.getvalue())
    return path


@pytest.mark.parametrize("mode", ["RGB", "L"])
def test_textured_pictures_that_lost_something_are_measured(tmp_path: Path, mode: str) -> None:
    path = jpeg(tmp_path / "a.jpg", mode=mode)
    assert suits(path)
    assert has_texture(path)


@pytest.mark.parametrize("picture", [{"size": (160, 256)}, {"size": (800, 600)}, {"quality": 90}, {"mode": "CMYK"}])
def test_pictures_that_are_small_large_fine_or_for_print_are_not(tmp_path: Path, picture: dict) -> None:
    assert not suits(jpeg(tmp_path / "a.jpg", **picture))


def test_flat_pictures_and_other_files_are_not(tmp_path: Path) -> None:
    Image.new("RGB", (256, 256), "teal").save(tmp_path / "flat.jpg", quality=40)
    (tmp_path / "text.jpg").write_text("no picture")
    assert suits(tmp_path / "flat.jpg")
    assert not has_texture(tmp_path / "flat.jpg")
    assert not suits(tmp_path / "text.jpg")
