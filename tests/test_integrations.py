"""Files of a release, and the node and the architecture for other programs."""

import gc
import hashlib
import importlib.util
import inspect
import json
import os
import re
import sys
import zipfile
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import onnxruntime as ort
import pytest
import torch
import yaml
from PIL import Image
from safetensors.torch import load_file

import catalogues
import release
from driftrec.restoration.restorer import Restorer
from driftrec.restoration.tiling import Tiling
from support import CROPS, jpeg, opened, psnr, scene

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def released(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("release") / "files"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["release.py", str(folder)])
        release.main()
    return folder


@pytest.fixture(scope="module")
def nodes(released: Path, tmp_path_factory: pytest.TempPathFactory) -> ModuleType:
    """The folder of the release, loaded as ComfyUI loads what lies in custom_nodes."""
    folder = tmp_path_factory.mktemp("custom_nodes")
    with zipfile.ZipFile(released / "driftrec-comfyui.zip") as archive:
        archive.extractall(folder)
    path = str(folder / "comfyui_driftrec")
    name = path.replace(".", "_x_")
    spec = importlib.util.spec_from_file_location(name, os.path.join(path, "__init__.py"))  # noqa: PTH118 (as there)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def test_a_release_has_all_files_and_their_sums(released: Path) -> None:
    lines = (released / "SHA256SUMS").read_text(encoding="utf-8").splitlines()
    sums = {name: digest for digest, name in (line.split("  ") for line in lines)}
    modes = ("faithful", "faithful-8bit", "natural", "natural-8bit")
    models = {f"driftrec-{model}-{mode}.onnx" for model in ("small", "base") for mode in modes}
    weights = {f"driftrec-{model}-faithful.safetensors" for model in ("small", "base")}
    packages = {f"denoise-driftrec-{model}.dtmodel" for model in ("small", "base")}
    assert set(sums) == models | weights | packages | {"driftrec-comfyui.zip"}
    assert {path.name for path in released.iterdir()} == {*sums, "SHA256SUMS"}
    for name, digest in sums.items():
        assert hashlib.sha256((released / name).read_bytes()).hexdigest() == digest


def run_node(nodes: ModuleType, **inputs: Any) -> Any:
    """Runs the node as ComfyUI does: declared inputs only, each checked or filled by its declaration."""
    kind = nodes.NODE_CLASS_MAPPINGS["DriftrecRestore"]
    declared = kind.INPUT_TYPES()["required"]
    values = {}
    for name, (type_, *options) in declared.items():
        limits = options[0] if options else {}
        value = inputs.pop(name) if name in inputs else limits["default"]
        if isinstance(type_, list):
            assert value in type_
        elif type_ in ("INT", "FLOAT"):
            assert limits["min"] <= value <= limits["max"]
        values[name] = value
    assert not inputs
    results = getattr(kind(), kind.FUNCTION)(**values)
    assert isinstance(results, tuple)
    assert len(results) == len(kind.RETURN_TYPES) == 1
    assert kind.RETURN_TYPES == ("IMAGE",)
    return results[0]


def as_image(pixels: np.ndarray) -> Any:
    """As ComfyUI's Load Image: float32 (1, height, width, 3) in [0, 1]."""
    return torch.from_numpy(pixels.astype(np.float32) / 255.0)[None]


def photo() -> np.ndarray:
    return opened((CROPS / "otter-q10.jpg").read_bytes())


def test_the_node_declares_what_comfyui_looks_for(nodes: ModuleType) -> None:
    assert set(nodes.NODE_DISPLAY_NAME_MAPPINGS) == set(nodes.NODE_CLASS_MAPPINGS)
    for kind in nodes.NODE_CLASS_MAPPINGS.values():
        declared = kind.INPUT_TYPES()["required"]
        assert {"image", "strength", "seed", "mode", "leave_clean"} <= set(declared)
        assert list(inspect.signature(getattr(kind, kind.FUNCTION)).parameters) == ["self", *declared]
        assert isinstance(kind.CATEGORY, str)


@pytest.mark.parametrize("mode", ["faithful", "natural"])
def test_the_node_restores_as_the_library_does(nodes: ModuleType, mode: str) -> None:
    pixels = photo()
    batch = torch.cat([as_image(pixels), as_image(pixels[:, ::-1].copy())])
    before = batch.clone()
    results = run_node(nodes, image=batch, mode=mode, seed=5)
    assert torch.equal(batch, before)
    assert (results.shape, results.dtype) == (batch.shape, torch.float32)
    expected = Restorer(seed=5, mode=mode).restore(pixels).pixels
    np.testing.assert_allclose(results[0].numpy(), expected, atol=1e-6)
    assert 20 < psnr(results[0].numpy(), pixels / 255) < 40


def test_strength_and_seed_are_used(nodes: ModuleType) -> None:
    image = as_image(photo())
    whole, half, nothing = (run_node(nodes, image=image, seed=1, strength=s) for s in (1.0, 0.5, 0.0))
    np.testing.assert_allclose(half.numpy(), (image + whole).numpy() / 2, atol=1e-5)
    np.testing.assert_allclose(nothing.numpy(), image.numpy(), atol=1e-6)
    assert not torch.equal(run_node(nodes, image=image, seed=2), whole)


def test_clean_pictures_are_left_alone_if_asked(nodes: ModuleType) -> None:
    clean = np.asarray(Image.open(CROPS / "otter.png").convert("RGB"))
    image = as_image(clean) * 0.999  # not on levels of 8 bits
    assert torch.equal(run_node(nodes, image=image), image)
    assert not torch.equal(run_node(nodes, image=image, leave_clean=False), image)


def test_more_channels_are_kept(nodes: ModuleType) -> None:
    image = torch.cat([as_image(jpeg(scene(96, 96), 10)), torch.rand(1, 96, 96, 1)], dim=3)
    result = run_node(nodes, image=image)
    assert torch.equal(result[..., 3], image[..., 3])
    assert not torch.equal(result[..., :3], image[..., :3])


@pytest.mark.parametrize("size", [(37, 53), (1, 1), (8, 200)])
@pytest.mark.parametrize("model", ["small", "base"])
def test_the_weights_restore_as_the_library_does(released: Path, model: str, size: tuple[int, int]) -> None:
    from comfyui_driftrec.network import Faithful

    weights = load_file(released / f"driftrec-{model}-faithful.safetensors")
    module = Faithful.of(weights)
    module.load_state_dict(weights)
    pixels = np.tile(photo(), (1, 2, 1))[: size[0], : size[1]]
    with torch.no_grad():
        result = module(as_image(pixels).movedim(-1, 1))[0].movedim(0, -1).numpy()
    expected = Restorer(model, mode="faithful", tiling=Tiling(tile=1024)).restore_pixels(pixels)
    np.testing.assert_allclose(result, expected, atol=2e-4)


@pytest.mark.usefixtures("nodes")  # they add the architecture
def test_spandrel_reads_the_weights(released: Path) -> None:
    spandrel = pytest.importorskip("spandrel", reason="spandrel is not installed")
    descriptor = spandrel.ModelLoader().load_from_file(released / "driftrec-small-faithful.safetensors")
    assert isinstance(descriptor, spandrel.ImageModelDescriptor)
    assert (descriptor.architecture.id, descriptor.scale, descriptor.purpose) == ("driftrec", 1, "Restoration")
    pixels = photo()[:61, :45]
    result = descriptor(as_image(pixels).movedim(-1, 1))[0].movedim(0, -1).numpy()
    expected = Restorer("small", mode="faithful").restore_pixels(pixels)
    np.testing.assert_allclose(result, expected, atol=2e-4)


def darktable_restores(folder: Path, pixels: np.ndarray, tile: int) -> np.ndarray:
    """What darktable makes of linear pixels (height, width, 3): tiles of one size, mirrored at the borders, of which it
    discards 64 pixels on all sides; see restore_rgb.c of darktable 5.6."""
    options = ort.SessionOptions()
    for axis, length in (("batch", 1), ("height", tile), ("width", tile)):
        options.add_free_dimension_override_by_name(axis, length)
    session = ort.InferenceSession(str(folder / "model.onnx"), options, providers=["CPUExecutionProvider"])
    height, width, _ = pixels.shape
    overlap, step = 64, tile - 128
    result = np.empty_like(pixels)

    def mirrored(positions: np.ndarray, length: int) -> np.ndarray:
        positions = np.abs(positions)
        positions = np.where(positions >= length, 2 * length - 2 - positions, positions)
        return positions.clip(0, length - 1)

    for top in range(0, height, step):
        for left in range(0, width, step):
            rows = mirrored(np.arange(top - overlap, top - overlap + tile), height)
            columns = mirrored(np.arange(left - overlap, left - overlap + tile), width)
            linear = pixels[rows][:, columns].clip(0, 1)
            srgb = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
            (out,) = session.run(None, {"input": srgb.transpose(2, 0, 1)[None].astype(np.float32)})
            out = out[0].transpose(1, 2, 0)[overlap:-overlap, overlap:-overlap]
            out = np.where(out <= 0.04045, out / 12.92, ((out + 0.055) / 1.055) ** 2.4)
            result[top : top + step, left : left + step] = out[: height - top, : width - left]
    return result


def test_darktable_finds_and_runs_the_package(released: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(released / "denoise-driftrec-small.dtmodel") as archive:
        archive.extractall(tmp_path)
    (folder,) = tmp_path.iterdir()
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    assert {key: config[key] for key in ("id", "task", "backend", "tiling")} == {
        "id": folder.name,
        "task": "denoise",
        "backend": "onnx",
        "tiling": True,
    }
    assert all(isinstance(config[key], str) for key in ("name", "description", "arch", "version"))
    catalogue = yaml.safe_load((folder / "model.yaml").read_text(encoding="utf-8"))
    assert catalogue.items() >= config.items()
    assert catalogue["model_card"]["license"] == "Apache-2.0"
    assert "CC BY-SA 4.0: 685" in (folder / "README.md").read_text(encoding="utf-8")

    with Image.open(ROOT / "examples/casa-mila.jpg") as image:
        pixels = np.asarray(image.convert("RGB"))[:300, :410]
    srgb = pixels / 255
    linear = np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4)
    result = darktable_restores(folder, linear, 384)
    result = np.where(result <= 0.0031308, 12.92 * result, 1.055 * result ** (1 / 2.4) - 0.055)
    expected = Restorer("small", mode="faithful").restore_pixels(pixels)
    inner = (slice(0, 290), slice(0, 400))  # beyond the border darktable mirrors, and driftrec repeats, pixels
    assert psnr(result[inner], expected[inner]) > 50
    assert psnr(result, expected) > 45


@pytest.fixture(scope="module")
def catalogued(released: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("catalogues")
    wheel = folder / "driftrec-0.1.0-py3-none-any.whl"
    wheel.write_bytes(b"a wheel")
    call = ["catalogues.py", str(released), "--url", "https://example.org/v1/", "--wheel", str(wheel)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", [*call, "--out", str(folder / "out"), "--date", "2026-12-01"])
        catalogues.main()
    return folder / "out"


def front_matter(page: Path) -> tuple[dict[str, Any], str]:
    _, head, body = page.read_text(encoding="utf-8").split("---\n", 2)
    return yaml.safe_load(head), body


def test_the_model_repository_has_a_card_that_stands_alone(released: Path, catalogued: Path) -> None:
    head, body = front_matter(catalogued / "hugging-face/README.md")
    assert (head["license"], head["pipeline_tag"]) == ("apache-2.0", "image-to-image")
    for text in ("# Model card", "## Intended use", "## Where it fails", "## Bias", "CC BY-SA 4.0: 685", "LIVE1"):
        assert text in body, text
    assert "<!--" not in body
    assert all(link.startswith("http") for link in re.findall(r"\]\(([^)]*)\)", body))
    for name in re.findall(r"^\| `([^`]+\.\w+)` \| [\d.]+ MB", body, re.MULTILINE):
        assert (catalogued / "hugging-face" / name).read_bytes() == (released / name).read_bytes()
    assert body.count("driftrec-") >= 9


def test_openmodeldb_entries_follow_its_schema(released: Path, catalogued: Path) -> None:
    folder = catalogued / "openmodeldb"
    architectures = json.loads((folder / "architectures.json").read_text(encoding="utf-8"))
    entries = sorted(folder.glob("1x-*.json"))
    assert len(entries) == 4
    for path in entries:
        assert re.fullmatch(r"\d+x-[a-zA-Z0-9]+(?:-[a-zA-Z0-9]+)*", path.stem)
        entry = json.loads(path.read_text(encoding="utf-8"))
        required = {"name", "author", "license", "tags", "description", "date", "architecture", "size", "scale"}
        assert required | {"inputChannels", "outputChannels", "resources", "images"} <= set(entry)
        assert entry["architecture"] in architectures
        assert re.fullmatch(r"\d{4}-\d\d-\d\d", entry["date"])
        assert len(entry["resources"]) == (3 if "faithful" in path.stem else 2)
        for resource in entry["resources"]:
            (url,) = resource["urls"]
            file = released / url.removeprefix("https://example.org/v1/")
            assert resource["platform"] in architectures["driftrec"]["compatiblePlatforms"]
            assert (file.stat().st_size, hashlib.sha256(file.read_bytes()).hexdigest()) == (
                resource["size"],
                resource["sha256"],
            )


def test_the_space_installs_the_wheel_beside_it(catalogued: Path) -> None:
    head, _ = front_matter(catalogued / "space/README.md")
    assert (head["sdk"], (catalogued / "space" / head["app_file"]).is_file()) == ("gradio", True)
    (line,) = (catalogued / "space/requirements.txt").read_text(encoding="utf-8").splitlines()
    assert line.startswith("./")
    assert (catalogued / "space" / line).is_file()


@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")  # gradio's
def test_the_space_restores_files(catalogued: Path) -> None:
    gradio = pytest.importorskip("gradio", reason="gradio is not installed")
    spec = importlib.util.spec_from_file_location("space", catalogued / "space/app.py")
    assert spec is not None
    assert spec.loader is not None
    app = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(app)
    file = CROPS / "otter-q10.jpg"
    (before, after), path, words = app.restore(str(file), "natural", "small", 1.0, 5.0, True)
    np.testing.assert_array_equal(np.asarray(before), opened(file.read_bytes()))
    np.testing.assert_array_equal(np.asarray(after), np.asarray(Restorer(seed=5).restore(file)))
    np.testing.assert_array_equal(opened(Path(path).read_bytes()), np.asarray(after))
    assert "natural" in words
    with pytest.raises(gradio.Error, match="choose a picture"):
        app.restore(None, "natural", "small", 1.0, 0.0, True)
    with pytest.raises(gradio.Error, match="is not a"):
        app.restore(str(CROPS / "README.md"), "natural", "small", 1.0, 0.0, True)
    del app
    gc.collect()  # the warnings about what gradio leaves open belong to this test
