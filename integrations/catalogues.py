"""Makes what catalogues of models ask for, from a release and the models' card; it uploads nothing.

    python integrations/catalogues.py build/release --url https://example.org/ --wheel driftrec.whl --out build/hub

It writes, below the output folder,

    hugging-face/         a model repository: card (README.md) and the release's files
    space/                a Gradio Space: app.py, the wheel of driftrec, requirements.txt, README.md
    openmodeldb/          entries of OpenModelDB (data/models), and of the architecture (data/architectures.json)

--url is the address that the release's files will have, --wheel the package (`pip wheel --no-deps .`).
"""

import argparse
import json
import re
import shutil
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import yaml

from driftrec.picture import atomic_write
from facts import Facts

ROOT = Path(__file__).parents[1]
TAGS = ["jpeg", "compression-artifacts", "image-restoration", "onnx"]
DESCRIPTIONS = {
    "faithful": "The mean of all originals that fit the JPEG: soft, without invented texture.",
    "natural": "A sample: nearly as sharp as clean pictures, with plausible texture where the file has lost it.",
}


def main() -> None:
    options = read_options()
    sums = read_sums(options.release)
    write_repository(options.out / "hugging-face", options.release, sums)
    write_space(options.out / "space", options.wheel)
    write_entries(options.out / "openmodeldb", options.release, sums, options.url, options.author, options.date)


def read_sums(release: Path) -> dict[str, str]:
    """The SHA-256 sums of a release's files by name.  Raises OSError if the folder holds no release."""
    lines = (release / "SHA256SUMS").read_text(encoding="utf-8").splitlines()
    return {name: digest for digest, name in (line.split("  ") for line in lines)}


def write_repository(folder: Path, release: Path, sums: dict[str, str]) -> None:
    """Writes a model repository for Hugging Face."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in [*sums, "SHA256SUMS"]:
        shutil.copyfile(release / name, folder / name)
    head = {"license": Facts.of("small").licence.lower(), "library_name": "onnx", "pipeline_tag": "image-to-image"}
    rows = [f"| `{name}` | {(release / name).stat().st_size / 1e6:.1f} MB | {purpose(name)} |" for name in sums]
    files = "\n".join(["| file | size | use |", "| --- | ---: | --- |", *rows])
    example = re.search(r"```python\n.*?```", _page("docs/use/other-programs.md"), re.DOTALL)
    if example is None:
        raise ValueError("docs/use/other-programs.md has no example in Python any more")
    figures = _page("docs/measured/summary.md").split("\n\n")[0]
    note = "Measured with `driftrec restore`, which also reads the JPEG file; the ONNX files see its pixels only."
    start = f"## Files\n\n{files}\n\n## Use\n\n{example[0]}\n\n## Summary\n\n{figures}\n\n{note}\n\n"
    body = _plain(_page("docs/results/model.md"))
    body = body.replace("## Intended use", f"{start}## Intended use", 1)
    _write(folder / "README.md", _head(head | {"tags": TAGS}) + body)


def purpose(name: str) -> str:
    """What a file of the release is for, as a clause."""
    by_suffix = {".safetensors": "spandrel and ComfyUI, faithful", ".dtmodel": "darktable", ".zip": "nodes for ComfyUI"}
    return by_suffix.get(Path(name).suffix) or f"programs with ONNX Runtime, {Path(name).stem.split('-')[-1]}"


def write_space(folder: Path, wheel: Path) -> None:
    """Writes a Gradio Space, with the package as a wheel: no package index is asked for the name driftrec."""
    folder.mkdir(parents=True, exist_ok=True)
    for path in (ROOT / "integrations/space/app.py", wheel, ROOT / "examples/casa-mila.jpg"):
        shutil.copyfile(path, folder / path.name)
    _write(folder / "requirements.txt", f"./{wheel.name}\n")
    licence = Facts.of("small").licence.lower()
    head = {"title": "driftrec", "sdk": "gradio", "app_file": "app.py", "license": licence, "pinned": False}
    _write(folder / "README.md", _head(head) + "Restores JPEGs that were compressed too hard.\n")


def write_entries(folder: Path, release: Path, sums: dict[str, str], url: str, author: str, date: str) -> None:
    """Writes the entries of OpenModelDB."""
    folder.mkdir(parents=True, exist_ok=True)
    architecture = {"name": "driftrec", "input": "image", "compatiblePlatforms": ["pytorch", "onnx"]}
    _write(folder / "architectures.json", _json({"driftrec": architecture}))
    for name in sums:
        stem, kind = Path(name).stem, Path(name).suffix
        if kind != ".onnx" or stem.endswith("-8bit"):
            continue
        _, model, mode = stem.split("-")
        facts = Facts.of(model)
        files = [file for file in (name, f"{stem}-8bit.onnx", f"{stem}.safetensors") if file in sums]
        entry = {
            "name": f"driftrec {model}, {mode}",
            "author": author,
            "license": facts.licence,
            "tags": ["compression-removal", "jpeg", "photo", "restoration"],
            "description": DESCRIPTIONS[mode],
            "date": date,
            "architecture": "driftrec",
            "size": None,
            "scale": 1,
            "inputChannels": 3,
            "outputChannels": 3,
            "resources": [resource(release / file, sums[file], url) for file in files],
            "trainingIterations": facts.steps,
            "dataset": f"{facts.data}: {facts.data_licences}",
            "datasetSize": facts.pictures,
            "images": [],
        }
        _write(folder / f"1x-{stem}.json", _json(entry))


def resource(file: Path, digest: str, url: str) -> dict[str, Any]:
    """A file as OpenModelDB describes it."""
    kind = file.suffix.removeprefix(".")
    return {
        "platform": "onnx" if kind == "onnx" else "pytorch",
        "type": kind,
        "size": file.stat().st_size,
        "sha256": digest,
        "urls": [url.rstrip("/") + f"/{file.name}"],
    }


def _page(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def _plain(page: str) -> str:
    """The page without what is only there in this repository: pictures with their captions, marks, relative links."""
    page = re.sub(r"!\[[^\]]*\]\([^)]*\)\n\n[^\n]*(\n[^\n]+)*\n\n", "", page)
    page = re.sub(r"<!--.*?-->\n", "", page)
    return re.sub(r"\[([^\]]*)\]\((?!https?:)[^)]*\)", r"\1", page)


def _head(values: dict[str, Any]) -> str:
    return f"---\n{yaml.safe_dump(values, sort_keys=False)}---\n\n"


def _json(value: dict[str, Any]) -> str:
    return json.dumps(value, indent=4, ensure_ascii=False) + "\n"


def _write(file: Path, text: str) -> None:
    with atomic_write(file) as stream:
        stream.write(text.encode())


def read_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("release", type=Path, help="the folder that release.py wrote")
    add("--url", required=True, help="address of the release's files")
    add("--wheel", type=Path, required=True, help="the package as a wheel, for the Space")
    add("--out", type=Path, required=True, help="the folder to write")
    add("--author", default="driftrec", help="name of the author on OpenModelDB")
    add("--date", default=f"{datetime.now(UTC):%Y-%m-%d}", help="day of the release (default: today)")
    return parser.parse_args()


if __name__ == "__main__":
    main()
