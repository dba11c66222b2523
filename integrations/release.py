"""Builds the files of a release for other programs, with their SHA-256 sums.

    python integrations/release.py build/release

For each shipped model and each mode, it writes driftrec-MODEL-MODE.onnx (`driftrec export --standalone`).  SHA256SUMS
lists the sums as `sha256sum --check` reads them.
"""

import argparse
import hashlib
from pathlib import Path
from typing import get_args

from driftrec.model.find import bundled_models
from driftrec.picture import atomic_write
from driftrec.train.standalone.export import Standalone, export_standalone


def main() -> None:
    folder = read_options().folder
    folder.mkdir(parents=True, exist_ok=True)
    files = []
    for model in bundled_models():
        for mode in get_args(Standalone):
            files.append(folder / f"driftrec-{model}-{mode}.onnx")
            psnr = export_standalone(model, files[-1], mode)
            print(f"{files[-1]}  {files[-1].stat().st_size / 1e6:.1f} MB  agrees with 'restore' to {psnr:.1f} dB")
    with atomic_write(folder / "SHA256SUMS") as sums:
        sums.writelines(f"{_sum(file)}  {file.name}\n".encode() for file in files)


def _sum(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def read_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="the folder to write; existing files are replaced")
    return parser.parse_args()


if __name__ == "__main__":
    main()
