"""Restoration methods that a benchmark can compare.

A method is a frozen value that can be sent to another process; `load` turns it into a function from a `Case` to a
`Restoration`.  `parse_method` reads methods as they are written on the command line:

    plain                           the JPEG itself
    decode                          driftrec without its network: expected values, predicted chroma
    faithful, natural               driftrec; natural:steps=3,seed=1,model=mine.onnx, faithful:consistent=off
    average:samples=8               the mean of natural restorations with seeds 0 … 7
    sample                          one of all pictures that fit; sample:sampler=euler-maruyama,process=CosVE,start=1
    ceiling:faithful                that method on the first file of a chain, put through the chain's later edits
    jpeg2png, jpegqs, knusperli, djpegli      programs on the PATH
    waifu2x, waifu2x:level=2        waifu2x's network CUnet; without a level, the best one for each picture
    spandrel:weights=fbcnn_color.pth          FBCNN, SwinIR, DRUNet and other networks that spandrel loads
    folder:path=results             pictures that were restored elsewhere
    command:run=tool {input} {output}         any other program
"""

import io
import os
import shlex
import shutil
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from driftrec.evaluate.corruptions import decode
from driftrec.evaluate.machine import run_program
from driftrec.evaluate.measurement import RESTORING, code_hash, hash_of
from driftrec.evaluate.method import Case, Method, Restoration, Restore
from driftrec.evaluate.waifu2x import Waifu2x
from driftrec.extras import how_to_install
from driftrec.jpeg import is_jpeg
from driftrec.model.find import find_model
from driftrec.restoration.options import Options
from driftrec.restoration.restorer import Restorer


@dataclass(frozen=True)
class Plain(Method):
    """The JPEG as any viewer shows it."""

    @property
    def label(self) -> str:
        return "JPEG"

    def fingerprint(self, case: Case) -> str:  # noqa: ARG002
        return "plain"

    def load(self, threads: int | None) -> Restore:  # noqa: ARG002
        return lambda case: Restoration(decode(case.file))


@dataclass(frozen=True)
class Driftrec(Method):
    """The restorer of this package with the given options; regression networks use the mode `faithful`."""

    options: Options

    @property
    def label(self) -> str:
        asked, usual = self.options, Options()
        what = "average" if asked.mode == "natural" else "mean of samples"
        words = [f"driftrec {asked.mode}" if asked.samples == 1 else f"driftrec {what} of {asked.samples}"]
        words += [f"{asked.steps} steps"] if asked.steps else []
        for name in ("seed", "sampler", "process", "start", "consistent", "history", "texture", "strength"):
            if (value := getattr(asked, name)) != getattr(usual, name):
                words.append(f"{name} {value}")
        words += ["forced"] if asked.force else []
        words += [Path(str(asked.model)).stem] if asked.model != usual.model else []
        return ", ".join(words)

    def fingerprint(self, case: Case) -> str:  # noqa: ARG002
        path = find_model(str(self.options.model))
        networks = () if path.suffix == ".onnx" else ("train",)  # checkpoints run on the network code of training
        return f"{self} {code_hash((*RESTORING, *networks))} {hash_of(path)}"

    def load(self, threads: int | None) -> Restore:
        restorer = Restorer(options=self.options.changed(threads=threads, device="cpu"))

        def restore(case: Case) -> Restoration:
            result = restorer.restore(case.file)
            return Restoration(np.asarray(result.picture.to_pil()), result.seconds, result.evaluations)

        return restore


@dataclass(frozen=True)
class Program(Method):
    """A command line with {input} and {output}; `suffix` of its output file; `home`, where to get the program."""

    name: str
    run: str
    suffix: str = ".png"
    home: str = ""

    @property
    def label(self) -> str:
        return self.name

    def fingerprint(self, case: Case) -> str:  # noqa: ARG002
        return f"{self.run} {self.suffix} {hash_of(self._executable())}"

    def _executable(self) -> Path:
        words = shlex.split(self.run)
        found = shutil.which(words[0]) if words else None
        if not found:
            where = f" from {self.home}" if self.home else ""
            raise ValueError(f"'{words[0] if words else self.name}' is not installed: get it{where}, and onto the PATH")
        return Path(found)

    def load(self, threads: int | None) -> Restore:
        if "{input}" not in self.run or "{output}" not in self.run:
            raise ValueError(f"the command '{self.run}' must contain {{input}} and {{output}}")
        executable = self._executable()
        environment = os.environ | ({"OMP_NUM_THREADS": str(threads)} if threads else {})

        def restore(case: Case) -> Restoration:
            with tempfile.TemporaryDirectory() as folder:
                source, target = Path(folder) / f"input{_suffix(case.file)}", Path(folder) / f"output{self.suffix}"
                source.write_bytes(case.file)
                words = [
                    w.replace("{input}", str(source)).replace("{output}", str(target)) for w in shlex.split(self.run)
                ]
                seconds, megabytes = _run([str(executable), *words[1:]], environment, Path(folder) / "errors")
                if not target.is_file():
                    raise ValueError(f"{self.name} wrote no {target.name} for {case.picture}, {case.corruption}")
                return Restoration(decode(target.read_bytes()), seconds, None, megabytes)

        return restore


@dataclass(frozen=True)
class Spandrel(Method):
    """A third-party network that the package spandrel loads from the file `weights`."""

    weights: str
    name: str = ""

    @property
    def label(self) -> str:
        return self.name or Path(self.weights).stem

    def fingerprint(self, case: Case) -> str:  # noqa: ARG002
        return f"spandrel {hash_of(Path(self.weights))}"

    def load(self, threads: int | None) -> Restore:  # noqa: ARG002 (the process sets PyTorch's threads)
        if not Path(self.weights).is_file():
            raise ValueError(f"there is no weights file {self.weights}: download it from the authors of the network")
        try:
            import spandrel  # pyright: ignore[reportMissingImports]
        except ModuleNotFoundError as error:
            raise ValueError(f"networks of others need spandrel: {how_to_install('spandrel')}") from error
        import torch

        try:
            model: Any = spandrel.ModelLoader(device="cpu").load_from_file(self.weights)
        except Exception as error:  # spandrel raises many classes of exceptions
            raise ValueError(f"spandrel cannot load {self.weights}: {error}") from error

        def restore(case: Case) -> Restoration:
            pixels = decode(case.file)
            if pixels.ndim == 3 and model.input_channels == 1:
                raise ValueError(f"{self.weights} restores gray pictures only")
            channels = np.broadcast_to(np.atleast_3d(pixels), (*pixels.shape[:2], model.input_channels))
            y = torch.from_numpy(np.ascontiguousarray(channels.transpose(2, 0, 1))[None]).float() / 255
            began = time.perf_counter()
            with torch.no_grad():
                x = model(y)
            seconds = time.perf_counter() - began
            restored = (x[0].clamp(0, 1) * 255).permute(1, 2, 0).numpy()
            restored = restored.mean(axis=2) if pixels.ndim == 2 else restored
            return Restoration(np.rint(restored).astype(np.uint8), seconds, 1)

        return restore


@dataclass(frozen=True)
class Folder(Method):
    """Pictures restored elsewhere: PATH/CORRUPTION/PICTURE.png, or PATH/PICTURE.png for a single corruption."""

    path: str
    name: str = ""

    @property
    def label(self) -> str:
        return self.name or Path(self.path).name

    def fingerprint(self, case: Case) -> str:
        return f"folder {hash_of(self._find(case))}"

    def _find(self, case: Case) -> Path:
        places = [Path(self.path) / case.corruption, Path(self.path)]
        for place in places:
            for suffix in (".png", ".tif", ".tiff", ".webp", ".bmp", ".jpg"):
                if (found := place / (case.picture + suffix)).is_file():
                    return found
        raise ValueError(f"there is no {case.picture}.png in {places[0]} or {places[1]}: restore it first")

    def load(self, threads: int | None) -> Restore:  # noqa: ARG002
        if not Path(self.path).is_dir():
            raise ValueError(f"there is no folder {self.path} with restored pictures")
        return lambda case: Restoration(decode(self._find(case).read_bytes()))


@dataclass(frozen=True)
class Ceiling(Method):
    """Another method, allowed to work before a chain's later steps: see `driftrec.evaluate.chains.chain`."""

    method: Method

    @property
    def label(self) -> str:
        return ceiling_label(self.method.label)

    def fingerprint(self, case: Case) -> str:
        return f"ceiling {self.method.fingerprint(case)}"

    def load(self, threads: int | None) -> Restore:
        one = self.method.load(threads)

        def restore(case: Case) -> Restoration:
            if case.before is None:
                raise ValueError("a ceiling needs the first file of a chain: use a protocol of chains")
            results = [one(Case(case.picture, case.corruption, file)) for file in case.before.files]
            return Restoration(case.before.finish([result.pixels for result in results]))

        return restore


def ceiling_label(label: str) -> str:
    """The name of a method's ceiling in tables."""
    return f"{label}, ceiling"


PROGRAMS = {
    "jpeg2png": Program("jpeg2png", "jpeg2png {input} -o {output}", ".png", "https://github.com/victorvde/jpeg2png"),
    "jpegqs": Program(
        "jpeg-quantsmooth", "jpegqs -q 6 {input} {output}", ".jpg", "https://github.com/ilyakurdyukov/jpeg-quantsmooth"
    ),
    "knusperli": Program("knusperli", "knusperli {input} {output}", ".png", "https://github.com/google/knusperli"),
    "djpegli": Program("djpegli", "djpegli {input} {output}", ".png", "https://github.com/google/jpegli"),
}

_DRIFTREC = {
    "decode": Options(mode="decode"),
    "faithful": Options(mode="faithful"),
    "natural": Options(mode="natural"),
    "average": Options(mode="natural", samples=8),
    "sample": Options(mode="sample"),
}

_OF_DRIFTREC = (
    *("steps", "seed", "samples", "sampler", "process", "start"),
    *("consistent", "history", "texture", "strength", "force", "model"),
)


def parse_method(text: str) -> Method:
    """The method that `name` or `name:option=value,option=value` describes.

    Raises ValueError, listing the known ones, for unknown methods and options.
    """
    name, _, rest = text.partition(":")
    if name == "command":
        run = rest.removeprefix("run=")
        return Program(shlex.split(run)[0] if run.strip() else "command", run)
    if name == "ceiling":
        return Ceiling(parse_method(rest))
    texts = dict(_option(part, text) for part in rest.split(",") if part)
    if name in _DRIFTREC:
        try:
            return Driftrec(_DRIFTREC[name].read(texts, _OF_DRIFTREC))
        except ValueError as error:
            raise ValueError(f"the method '{text}': {error}") from error
    options: dict[str, Any] = {key: int(value) if value.isdecimal() else value for key, value in texts.items()}
    if name == "plain":
        return _made(Plain, options, text)
    if name in PROGRAMS:
        return _made(lambda: PROGRAMS[name], options, text)
    if name == "waifu2x":
        return _made(Waifu2x, options, text)
    if name in ("spandrel", "fbcnn", "swinir", "drunet"):
        named = {} if name == "spandrel" else {"name": {"fbcnn": "FBCNN", "swinir": "SwinIR", "drunet": "DRUNet"}[name]}
        return _made(Spandrel, named | options, text)
    if name == "folder":
        return _made(Folder, options, text)
    names = [
        "plain",
        *_DRIFTREC,
        *PROGRAMS,
        "fbcnn",
        "swinir",
        "drunet",
        "spandrel",
        "waifu2x",
        "folder",
        "ceiling",
        "command",
    ]
    raise ValueError(f"there is no method '{name}': choose from {', '.join(names)}")


def _option(part: str, text: str) -> tuple[str, str]:
    key, equals, value = part.partition("=")
    if not equals:
        raise ValueError(f"'{part}' of the method '{text}' must read option=value")
    return key, value


def _made(kind: Callable[..., Method], options: dict[str, Any], text: str) -> Method:
    known = {f.name for f in fields(kind)} if isinstance(kind, type) else set()  # pyright: ignore[reportArgumentType]
    if unknown := set(options) - known:
        there = f"it has {', '.join(sorted(known))}" if known else "it has none"
        raise ValueError(f"the method '{text}' has no option {', '.join(sorted(unknown))}: {there}")
    try:
        return kind(**options)
    except TypeError as error:
        raise ValueError(f"the method '{text}' lacks an option: {error}") from error


def _suffix(file: bytes) -> str:
    """The extension of a picture file, by its content."""
    if is_jpeg(file):
        return ".jpg"
    with Image.open(io.BytesIO(file)) as image:
        return f".{image.format}".lower()


def _run(words: list[str], environment: dict[str, str], errors: Path) -> tuple[float, float | None]:
    """(seconds, peak megabytes) of a program.  Raises ValueError with the last line of its errors if it fails."""
    done = run_program(words, environment, errors)
    if done.status:
        said = errors.read_text(encoding="utf-8", errors="replace").strip().splitlines()
        raise ValueError(f"{Path(words[0]).name} failed with {done.status}: {said[-1] if said else 'no message'}")
    return done.seconds, done.megabytes
