"""Builds the files of a release for other programs, with their SHA-256 sums.

    python integrations/release.py build/release

For each shipped model it writes driftrec-MODEL-faithful.onnx and driftrec-MODEL-natural.onnx (`driftrec export
--standalone`), and driftrec-MODEL-faithful.safetensors for spandrel; and once driftrec-comfyui.zip, the nodes for
ComfyUI.  SHA256SUMS lists the sums as `sha256sum --check` reads them.
"""

import argparse
import hashlib
import json
import zipfile
from pathlib import Path
from typing import get_args

from safetensors.torch import save

from comfyui_driftrec.network import Faithful
from driftrec.model.find import bundled_models
from driftrec.picture import atomic_write
from driftrec.train.model import Model, card, load
from driftrec.train.standalone.export import Standalone, export_standalone

ROOT = Path(__file__).parent
LICENCE = "Apache-2.0"


def main() -> None:
    folder = read_options().folder
    folder.mkdir(parents=True, exist_ok=True)
    files = [folder / "driftrec-comfyui.zip"]
    write_zip(files[0], ROOT / "comfyui_driftrec")
    for model in bundled_models():
        for mode in get_args(Standalone):
            files.append(folder / f"driftrec-{model}-{mode}.onnx")
            psnr = export_standalone(model, files[-1], mode)
            print(f"{files[-1]}  {files[-1].stat().st_size / 1e6:.1f} MB  agrees with 'restore' to {psnr:.1f} dB")
        files.append(folder / f"driftrec-{model}-faithful.safetensors")
        write_weights(files[-1], load(model), model)
        print(f"{files[-1]}  {files[-1].stat().st_size / 1e6:.1f} MB")
    with atomic_write(folder / "SHA256SUMS") as sums:
        sums.writelines(f"{_sum(file)}  {file.name}\n".encode() for file in files)


def write_weights(file: Path, model: Model, name: str) -> None:
    """Writes the weights of the denoiser in single precision, as `Faithful.of` reads them, with the model's card."""
    denoiser = model.denoiser.network
    module = Faithful(denoiser.network, denoiser.residual_std)
    weights = {key: value.contiguous() for key, value in module.state_dict().items()}
    with atomic_write(file) as stream:
        stream.write(save(weights, metadata={"format": "pt", "driftrec": json.dumps(card(model, name, LICENCE))}))


def write_zip(file: Path, folder: Path) -> None:
    """Writes the source files of a folder; the same files give the same bytes."""
    with atomic_write(file) as stream, zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted([*folder.glob("*.py"), *folder.glob("*.txt")]):
            entry = zipfile.ZipInfo(f"{folder.name}/{path.name}")
            entry.external_attr = 0o644 << 16
            archive.writestr(entry, path.read_bytes(), zipfile.ZIP_DEFLATED)


def _sum(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def read_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="the folder to write; existing files are replaced")
    return parser.parse_args()


if __name__ == "__main__":
    main()
