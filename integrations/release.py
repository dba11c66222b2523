"""Builds the files of a release for other programs, with their SHA-256 sums.

    python integrations/release.py build/release

For each shipped model it writes driftrec-MODEL-MODE.onnx for the modes faithful and natural (`driftrec export
--standalone`), the same with weights of 8 bits as driftrec-MODEL-MODE-8bit.onnx, driftrec-MODEL-faithful.safetensors
for spandrel, and denoise-driftrec-MODEL.dtmodel for darktable; and once driftrec-comfyui.zip, the nodes for ComfyUI.
SHA256SUMS lists the sums as `sha256sum --check` reads them.
"""

import argparse
import hashlib
import json
import tempfile
from itertools import product
from pathlib import Path
from typing import get_args

from safetensors.torch import save

from comfyui_driftrec.network import Faithful
from darktable import write_folder, write_zip
from driftrec.model.find import bundled_models
from driftrec.picture import atomic_write
from driftrec.train.denoiser import Residual
from driftrec.train.model import Model, card, load
from driftrec.train.nn.unet import UNet
from driftrec.train.standalone.export import Standalone, export_standalone

ROOT = Path(__file__).parent
LICENCE = "Apache-2.0"


def main() -> None:
    folder = read_options().folder
    folder.mkdir(parents=True, exist_ok=True)
    files = [folder / "driftrec-comfyui.zip"]
    write_zip(files[0], ROOT / "comfyui_driftrec")
    for model in bundled_models():
        for mode, (bits, ending) in product(get_args(Standalone), ((32, ""), (8, "-8bit"))):
            files.append(folder / f"driftrec-{model}-{mode}{ending}.onnx")
            psnr = export_standalone(model, files[-1], mode, bits=bits)
            print(f"{files[-1]}  {files[-1].stat().st_size / 1e6:.1f} MB  agrees with 'restore' to {psnr:.1f} dB")
        files.append(folder / f"driftrec-{model}-faithful.safetensors")
        write_weights(files[-1], load(model), model)
        with tempfile.TemporaryDirectory() as temporary:
            package = write_folder(Path(temporary), model)
            files.append(folder / f"{package.name}.dtmodel")
            write_zip(files[-1], package)
        for file in files[-2:]:
            print(f"{file}  {file.stat().st_size / 1e6:.1f} MB")
    with atomic_write(folder / "SHA256SUMS") as sums:
        sums.writelines(f"{_sum(file)}  {file.name}\n".encode() for file in files)


def write_weights(file: Path, model: Model, name: str) -> None:
    """Writes the weights of the denoiser in single precision, as `Faithful.of` reads them, with the model's card."""
    denoiser = model.denoiser.network
    if not (isinstance(denoiser, Residual) and isinstance(denoiser.network, UNet)):
        raise ValueError(f"{name} is no UNet that predicts residuals: spandrel's architecture does not know it")
    module = Faithful(denoiser.network, denoiser.residual_std)
    weights = {key: value.contiguous() for key, value in module.state_dict().items()}
    with atomic_write(file) as stream:
        stream.write(save(weights, metadata={"format": "pt", "driftrec": json.dumps(card(model, name, LICENCE))}))


def _sum(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def read_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="the folder to write; existing files are replaced")
    return parser.parse_args()


if __name__ == "__main__":
    main()
