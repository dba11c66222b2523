"""What a file says beside its pixels: against Pillow's files, read by the project's own reader."""

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from driftrec.jpeg.blocks import OFFSET, RGB, idct
from driftrec.jpeg.dequantise import expected_coefficients
from driftrec.jpeg.file import JpegFile, read_jpeg
from driftrec.train.data.crops import Corpus, Crops, Entry
from driftrec.train.data.degrade import Clean, Pixels
from informed.evidence import Scenes, bare, compressed, encoded, expected_planes, of_file
from informed.packed import FINE, Packed, Witnessed, pack, rgb


def scene(size: int = 48) -> Pixels:
    """Smooth colours with some texture."""
    rng = np.random.default_rng(0)
    coarse = Image.fromarray(rng.integers(0, 256, (6, 6, 3), dtype=np.uint8)).resize((size, size), 3)
    return (np.asarray(coarse) + rng.normal(0, 6, (size, size, 3))).clip(0, 255).astype(np.uint8)


def file_of(pixels: Pixels, quality: int, subsampling: str) -> JpegFile:
    data = io.BytesIO()
    Image.fromarray(pixels).save(data, "JPEG", quality=quality, subsampling=subsampling)
    return read_jpeg(data.getvalue())


@pytest.mark.parametrize("subsampling", ["4:4:4", "4:2:2", "4:2:0"])
@pytest.mark.parametrize("quality", [5, 50, 90])
def test_coefficients_are_those_of_libjpeg(quality: int, subsampling: str) -> None:
    file = file_of(scene(), quality, subsampling)
    for ours, theirs in zip(encoded(scene(), quality, subsampling), file.components, strict=True):
        assert ours.sampling == theirs.sampling
        assert (ours.table == theirs.table).all()
        assert (ours.coefficients != theirs.coefficients).mean() < 0.02
        assert np.abs(ours.coefficients - theirs.coefficients).max() <= 1


def test_expected_values_are_those_of_the_tool() -> None:
    for component in file_of(scene(), 20, "4:2:0").components:
        expected = idct(expected_coefficients(component))
        np.testing.assert_allclose(expected_planes([component])[0], expected, atol=1e-3)


@pytest.mark.parametrize("subsampling", ["4:4:4", "4:2:2", "4:2:0"])
def test_planes_show_what_a_decoder_shows(subsampling: str) -> None:
    witness = compressed(scene(), 90, subsampling)
    image = (witness.planes.transpose(1, 2, 0) + np.array([OFFSET, 0, 0])) @ RGB.T
    assert witness.stated
    assert witness.halved == (subsampling == "4:2:0", subsampling != "4:4:4")
    assert np.abs(image.clip(0, 255) - witness.pixels).mean() < 2
    assert witness.chroma.shape == (2, 24, 24)


def test_a_shifted_grid_leaves_the_picture_in_its_place() -> None:
    witness = compressed(scene(), 95, "4:2:0", 6, 10)
    assert np.abs(witness.planes - bare(scene()).planes).mean() < 3
    assert np.abs(witness.chroma - bare(scene()).chroma).mean() < 2


def test_gray_files_have_no_colour() -> None:
    gray = np.repeat(scene()[..., :1], 3, axis=2)
    witness = compressed(gray, 30, "4:2:0")
    assert not witness.planes[1:].any()
    assert not witness.chroma.any()
    assert (witness.tables[0] == witness.tables[1]).all()


def test_of_a_real_file_the_same_is_known() -> None:
    shown = compressed(scene(), 60, "4:2:0")
    read = of_file(file_of(scene(), 60, "4:2:0"), shown.pixels)
    assert np.abs(read.planes - shown.planes).mean() < 0.1
    assert (read.tables == shown.tables).all()
    assert read.halved == shown.halved


def test_packed_crops_are_the_live_ones(tmp_path: Path) -> None:
    picture = scene(96)
    corpus = Corpus(picture.reshape(-1), (Entry(0, 96, 96, "one", "not stated"),))
    source = Witnessed(Crops(corpus, Clean(), 32), Scenes(), 4)
    pack(source, 8, tmp_path)
    packed = Packed(tmp_path, 4)
    for number in range(2):
        for ours, theirs in zip(vars(packed[number]).values(), vars(source[number]).values(), strict=True):
            assert ours.equal(theirs)
    batch = source[0]
    known = batch.facts[:, 0] > 0
    difference = (rgb(batch.planes.float() / FINE) - batch.pixels.float() / 255)[~known].abs()
    assert len(difference) == 0 or difference.max() < 1 / 255
