"""Makes packages for darktable's module *neural restore*, task *denoise*.

    python integrations/darktable.py build/darktable

For each shipped model it writes the folder denoise-driftrec-MODEL, and the same as a zip file with the extension
.dtmodel, which darktable's AI preferences import.  The folder holds the faithful model (model.onnx), what darktable
reads (config.json), what its catalogue of models reads (model.yaml), and the catalogue's card (README.md).  Only the
faithful mode is offered, as darktable cuts pictures into tiles.
"""

import argparse
import json
import zipfile
from pathlib import Path
from typing import Any

import yaml

from driftrec import __version__
from driftrec.model.find import bundled_models
from driftrec.picture import atomic_write
from driftrec.train.standalone.export import export_standalone
from facts import AUTHOR, PAPER, Facts


def main() -> None:
    folder = read_options().folder
    for model in bundled_models():
        package = write_folder(folder, model)
        write_zip(package.with_suffix(".dtmodel"), package)
        print(package.with_suffix(".dtmodel"))


def write_folder(folder: Path, model: str) -> Path:
    """Writes the package of a model as a folder, and returns it."""
    facts = Facts.of(model)
    config = configuration(facts)
    package = folder / config["id"]
    package.mkdir(parents=True, exist_ok=True)
    export_standalone(model, package / "model.onnx", "faithful")
    catalogue = config | {"type": "single", "dep_group": "core", "model_card": model_card(facts)}
    texts = {
        "config.json": json.dumps(config, indent=4) + "\n",
        "model.yaml": yaml.safe_dump(catalogue, sort_keys=False, allow_unicode=True, width=120),
        "README.md": readme(facts),
    }
    for name, text in texts.items():
        with atomic_write(package / name) as file:
            file.write(text.encode())
    return package


def configuration(facts: Facts) -> dict[str, Any]:
    """What darktable reads."""
    return {
        "id": f"denoise-driftrec-{facts.name}",
        "name": f"denoise driftrec {facts.name}",
        "description": "Removes the artefacts of JPEG compression, for photos that exist only as over-compressed JPEGs",
        "task": "denoise",
        "arch": "driftrec",
        "backend": "onnx",
        "version": __version__,
        "tiling": True,
    }


def model_card(facts: Facts) -> dict[str, str]:
    """The card in model.yaml."""
    return {
        "long_description": "Estimates the mean of all originals that fit a JPEG: soft, without invented texture",
        "scope": "JPEG restoration",
        "author": AUTHOR,
        "paper": PAPER,
        "license": facts.licence,
        "training_data": facts.data,
        "training_data_license": facts.data_licences,
        "notes": "needs the JPEG's own pixels: neither scaled, rotated nor cropped, and not edited",
    }


def readme(facts: Facts) -> str:
    """The card that darktable's catalogue asks for."""
    properties = {
        "Model license": facts.licence,
        "Training data license": facts.data_licences,
        "Training data provenance": facts.data,
        "Training code": "Apache-2.0, in the package driftrec",
        "Published research": PAPER,
        "Inference": "local only",
        "Scope": "JPEG restoration",
        "Known limitations": "recognises neither clean pictures nor earlier compressions; does not see the JPEG file",
    }
    tensors = {
        "File": "`model.onnx`, opset 17",
        "Input": "`input`: float32 [N, 3, H, W], sRGB, 0 to 1, any size",
        "Output": "`output`: float32 [N, 3, H, W], sRGB, 0 to 1",
        "Tiling": "yes, at multiples of 16 pixels",
    }
    parts = [f"# driftrec {facts.name}, faithful", "Removes the artefacts of JPEG compression."]
    for title, rows in (("ONNX model", tensors), ("Selection criteria", properties)):
        table = "\n".join(f"| {name} | {value} |" for name, value in rows.items())
        parts.append(f"## {title}\n\n| Property | Value |\n| --- | --- |\n{table}")
    return "\n\n".join(parts) + "\n"


def write_zip(file: Path, folder: Path) -> None:
    """Writes all files of a folder, below its name; the same files give the same bytes."""
    with atomic_write(file) as stream, zipfile.ZipFile(stream, "w") as archive:
        for path in sorted(path for path in folder.iterdir() if path.is_file()):
            entry = zipfile.ZipInfo(f"{folder.name}/{path.name}")
            entry.external_attr = 0o644 << 16
            archive.writestr(entry, path.read_bytes(), zipfile.ZIP_DEFLATED)


def read_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="the folder to write; existing files are replaced")
    return parser.parse_args()


if __name__ == "__main__":
    main()
