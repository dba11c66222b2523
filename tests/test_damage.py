"""Files that are cut short: what is there is restored, what is missing is said, and `strict` refuses them."""

import io
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageFile
from typer.testing import CliRunner

import driftrec
from driftrec.cli.app import app
from driftrec.jpeg import Cells, read_jpeg
from driftrec.picture import PictureError, open_picture
from support import jpeg_file, opened, scene


@pytest.fixture(scope="module")
def restorer() -> driftrec.Restorer:
    return driftrec.Restorer(threads=1)


def cut(data: bytes, share: float = 0.6) -> bytes:
    """The file without the last part of its picture data."""
    start = data.index(b"\xff\xda") + 14
    return data[: start + round(share * (len(data) - start))]


@pytest.mark.parametrize("mode", ["faithful", "decode"])
@pytest.mark.parametrize("ended", [False, True])
def test_the_top_is_restored_and_the_rest_stays_as_decoded(mode: str, ended: bool, restorer: driftrec.Restorer) -> None:
    data = jpeg_file(scene(96, 128), quality=30)
    part = cut(data) + b"\xff\xd9" * ended
    result = restorer.restore(part, mode=mode)
    file, decoded = read_jpeg(part), opened(part + b"\xff\xd9") / 255
    assert file.absent is not None
    absent = np.repeat(np.repeat(file.absent, 16, axis=0), 16, axis=1)
    assert 0.3 < absent.mean() < 0.7
    np.testing.assert_allclose(result.picture.pixels[absent], decoded[absent], atol=1e-6)
    whole = restorer.restore(data, mode=mode).picture.pixels
    far = np.s_[: np.argmax(absent.any(axis=1)) - 24]  # further away than a block and the network's view of an edge
    assert np.abs(result.picture.pixels[far] - whole[far]).mean() < 0.02
    assert result.missing == f"the lower {100 * file.absent.mean():.0f} % of the picture is missing from the file"
    assert result.missing in result.summary()
    assert result.consistent is not None
    assert result.consistent > 0.99


@pytest.mark.parametrize("strict", [False, True])
def test_missing_coefficients_bind_nothing(strict: bool) -> None:
    """The cells of the part that is there are the whole file's; any pixels fit the rest."""
    data = jpeg_file(scene(96, 128), quality=30)
    cells, whole = Cells(read_jpeg(cut(data))), Cells(read_jpeg(data))
    assert cells.file.absent is not None
    absent = np.repeat(np.repeat(cells.file.absent, 16, axis=0), 16, axis=1)
    estimate = np.full((96, 128, 3), 0.5 if strict else 0.6, np.float32)
    projected = cells.project(estimate)
    np.testing.assert_allclose(projected[absent], estimate[absent], atol=1e-5)
    np.testing.assert_allclose(projected[~absent], whole.project(estimate)[~absent], atol=1.5 / 255)
    assert cells.contains(projected) == 1


@pytest.mark.parametrize("progressive", [False, True])
@pytest.mark.parametrize("ended", [False, True])
def test_strict_refuses_what_is_cut_short(progressive: bool, ended: bool, restorer: driftrec.Restorer) -> None:
    part = cut(jpeg_file(scene(64, 96), quality=30, progressive=progressive)) + b"\xff\xd9" * ended
    assert "missing from the file" in restorer.restore(part, mode="faithful").missing
    with pytest.raises(PictureError, match="is damaged or cut short") as caught:
        restorer.restore(part, strict=True)
    assert "\n" not in str(caught.value)


def test_what_holds_no_block_is_refused(restorer: driftrec.Restorer) -> None:
    for progressive in (False, True):
        part = cut(jpeg_file(scene(64, 96), quality=30, progressive=progressive), 0)
        with pytest.raises(PictureError, match="is damaged or cut short"):
            restorer.restore(part)
        with pytest.raises(PictureError, match="is damaged or cut short"):
            driftrec.inspect(part)


def test_other_formats_and_readers_without_the_option_refuse_as_before() -> None:
    png = io.BytesIO()
    Image.fromarray(scene(64, 96)).save(png, "PNG")
    data = jpeg_file(scene(64, 96))
    for content, partial in ((png.getvalue()[:2000], True), (cut(data), False), (data[:80], True)):
        with pytest.raises(PictureError, match="cut short"):
            open_picture(content, partial=partial)
    assert not ImageFile.LOAD_TRUNCATED_IMAGES
    assert open_picture(cut(data), partial=True).cut_short
    assert not open_picture(data, partial=True).cut_short


def test_the_command_line_says_what_is_missing(tmp_path: Path) -> None:
    (tmp_path / "half.jpg").write_bytes(cut(jpeg_file(scene(64, 96), quality=30)))
    arguments = ["restore", str(tmp_path / "half.jpg"), "--mode", "decode", "--report", str(tmp_path / "report.jsonl")]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
    assert " % of the picture is missing from the file" in result.output
    (line,) = (tmp_path / "report.jsonl").read_text().splitlines()
    assert json.loads(line)["missing"] in result.output
    refused = CliRunner().invoke(app, [*arguments, "--overwrite", "--strict"])
    assert refused.exit_code == 1
    assert "half.jpg is damaged or cut short" in refused.output
    looked = CliRunner().invoke(app, ["inspect", "--json", str(tmp_path / "half.jpg")])
    assert json.loads(looked.output)["missing"].endswith("missing from the file")
