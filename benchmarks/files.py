"""Tests with real-world files: supported kinds, metadata that survives in each format, and damaged files.

    python benchmarks/files.py kinds metadata fuzz       # all tables of docs/use/files.md; a few minutes

kinds makes one file of each kind and restores it with the shipped model.  metadata compares tags before and after with
exiftool, an independent reader.  fuzz damages real JPEGs in thousands of seeded ways, and opens, inspects, restores
(without the network, which sees pixels only) and saves each of them in a process whose memory is monitored.
"""

import argparse
import json
import multiprocessing
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path

import numpy as np
import PIL
from PIL import Image, ImageCms

import driftrec
from driftrec.evaluate.measurement import Conditions, Measurement
from driftrec.evaluate.tables import keep
from driftrec.model.find import DEFAULT_MODEL
from driftrec.picture import Picture, PictureError, save_picture

ROOT = Path(__file__).parents[1]
PHOTO = ROOT / "tests/data/otter.png"
IPTC = b"\x1c\x02\x78\x00\x07Caption\x1c\x02\x74\x00\x06Rights"
VERDICTS = {"restore": "restored", "decode": "decoded", "leave": "left as it is"}
ELSE = "anything else"
"""The end of a damaged file that is neither restored nor refused."""
Kept = tuple[list[Measurement], str]
"""Measurements, and the note below their table."""
SECONDS = 10
"""A damaged file that takes longer counts as hanging."""


def main() -> None:
    options = read_options()
    for what in options.what:
        if what == "fuzz":
            entries, note = damage(options.count, options.seed)
        else:
            entries, note = {"kinds": outcomes, "metadata": metadata}[what]()
        print(keep(options.docs / f"files_{what}.jsonl", entries, note))
    if wrong := sum(float(e.value) for e in entries if e.measure == ELSE):
        raise SystemExit(f"{wrong:.0f} files ended in neither way")


# ------------------------------------------------------------------------------------------------------ kinds


def outcomes() -> Kept:
    """The outcome for each kind of file, with the program's message."""
    restorer = driftrec.Restorer(threads=2)
    conditions = Conditions.now(models=[DEFAULT_MODEL], data="files made from the middle of one photo")
    entries = []
    with tempfile.TemporaryDirectory() as folder:
        for name, kind, content in kinds():
            path = Path(folder) / name
            path.write_bytes(content)
            try:
                result = restorer.restore(path, mode="faithful")
                target = path.with_suffix(".out.png")
                result.save(target)
                with Image.open(target) as image:
                    outcome = f"{VERDICTS[result.verdict]} → {image.mode}, {image.width}×{image.height}"
                words = "; ".join(filter(None, [result.note, result.missing, *result.picture.left_out]))
            except PictureError as error:
                outcome, words = "refused", str(error).replace(f"{path} ", "").replace(str(path), name)
            for measure, value in (("outcome", outcome), ("message of the program", words)):
                entries.append(Measurement({"file": kind}, measure, value, "", "{}", conditions))
    return entries, ""


def kinds() -> Iterator[tuple[str, str, bytes]]:
    """(name, kind, content), all made from the middle of one photo."""
    photo = middle(136, 128)
    gray = photo.convert("L")
    alpha = photo.copy()
    alpha.putalpha(gray)
    deep = np.asarray(photo).astype(np.uint16) * 257
    turned = Image.Exif()
    turned[0x0112] = 6
    jpeg = encoded(photo, "JPEG", quality=20)

    def two(file_format: str) -> bytes:
        """A file with two pictures."""
        return encoded(photo, file_format, save_all=True, append_images=[photo.rotate(180)])

    for sampling in ("4:4:4", "4:2:2", "4:2:0"):
        yield "a.jpg", f"JPEG {sampling}", encoded(photo, "JPEG", quality=20, subsampling=sampling)
    yield "a.jpg", "JPEG, progressive", encoded(photo, "JPEG", quality=20, progressive=True)
    yield "a.jpg", "JPEG, with restart markers", encoded(photo, "JPEG", quality=20, restart_marker_rows=1)
    yield "a.jpg", "JPEG, gray", encoded(gray, "JPEG", quality=20)
    yield "a.jpg", "JPEG, CMYK", encoded(photo.convert("CMYK"), "JPEG", quality=20)
    yield "a.jpg", "JPEG, rotated by EXIF", encoded(photo, "JPEG", quality=20, exif=turned)
    yield "a.jpg", "JPEG with a profile such as Display-P3", encoded(photo, "JPEG", quality=20, icc_profile=profile())
    yield "a.jpg", "JPEG, quality 98", encoded(photo, "JPEG", quality=98)
    yield "a.jpg", "JPEG, saved twice", encoded(Image.open(BytesIO(jpeg)).crop((4, 4, 136, 128)), "JPEG", quality=60)
    yield "a.jpg", "JPEG of several pictures (MPO: gain map, depth, second view)", two("MPO")
    yield "a.png", "PNG", encoded(photo, "PNG")
    yield "a.png", "PNG of a decoded JPEG", encoded(Image.open(BytesIO(jpeg)), "PNG")
    yield "a.png", "PNG with alpha", encoded(alpha, "PNG")
    yield "a.png", "PNG with a palette", encoded(photo.quantize(32), "PNG")
    yield "a.png", "PNG, 16 bits, gray", encoded(Image.fromarray(deep[..., 0]), "PNG")
    yield "a.png", "PNG, 16 bits, colour", deep_file(deep, ".png")
    yield "a.tif", "TIFF, 16 bits, colour", deep_file(deep, ".tif")
    yield "a.tif", "TIFF", encoded(photo, "TIFF")
    yield "a.webp", "WebP", encoded(photo, "WEBP", quality=20)
    yield "a.avif", "AVIF", encoded(photo, "AVIF", quality=20)
    yield "a.bmp", "BMP", encoded(photo, "BMP")
    yield "a.png", "1×1 pixel", encoded(photo.crop((0, 0, 1, 1)), "PNG")
    yield "a.gif", "animation", two("GIF")
    yield "a.tif", "TIFF of several pages", two("TIFF")
    yield "a.jpg", "JPEG, cut short", jpeg[: len(jpeg) // 2]
    yield "a.jpg", "empty file", b""
    yield "a.jpg", "text file with the name of a JPEG", b"Dear diary"
    yield "a.jpg", "PNG with the name of a JPEG", encoded(photo, "PNG")
    yield "a.jpg", "JPEG that claims 65 500 × 65 500", jpeg.replace(b"\x00\x80\x00\x88", b"\xff\xdc\xff\xdc", 1)


def middle(width: int, height: int) -> Image.Image:
    """The middle of the photo, which was never compressed hard."""
    with Image.open(PHOTO) as photo:
        left, top = (photo.width - width) // 2, (photo.height - height) // 2
        return photo.crop((left, top, left + width, top + height)).convert("RGB")


def encoded(image: Image.Image, file_format: str, **options: object) -> bytes:
    stream = BytesIO()
    image.copy().save(stream, file_format, **options)  # saving leaves its settings behind in the image
    return stream.getvalue()


def deep_file(samples: np.ndarray, extension: str) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        save_picture(Picture(samples, bit_depth=16), Path(folder) / f"a{extension}")
        return (Path(folder) / f"a{extension}").read_bytes()


def profile() -> bytes:
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


# --------------------------------------------------------------------------------------------------- metadata


TAGS = {
    "EXIF:Make": "EXIF: camera",
    "EXIF:DateTimeOriginal": "EXIF: date and time",
    "EXIF:GPSLatitude": "EXIF: location",
    "EXIF:MakerNoteUnknownText": "EXIF: maker's note",
    "XMP:Creator": "XMP: creator",
    "IPTC:Caption-Abstract": "IPTC: caption",
    "ICC_Profile:ProfileDescription": "ICC profile",
}


def metadata() -> Kept:
    """The tags that exiftool finds in results of each format."""
    if not shutil.which("exiftool"):
        raise SystemExit("metadata needs exiftool: apt install libimage-exiftool-perl")
    formats = (".png", ".tif", ".webp", ".avif", ".jpg")
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "source.jpg"
        source.write_bytes(with_metadata())
        before = tags_of(source)
        restored = driftrec.restore(source, mode="decode")
        after = {}
        for extension in formats:
            restored.save(Path(folder) / f"out{extension}")
            after[extension] = tags_of(Path(folder) / f"out{extension}")
    version = subprocess.run(["exiftool", "-ver"], capture_output=True, text=True, check=True).stdout.strip()
    conditions = Conditions.now(
        data="a JPEG with tags of all kinds", libraries=[f"Pillow {PIL.__version__}", f"exiftool {version}"]
    )
    entries = []
    for tag, name in TAGS.items():
        for extension in formats:
            if tag in after[extension]:
                end = "kept" if after[extension][tag] == before[tag] else "changed"
                entries.append(Measurement({"tag": name}, extension, end, "", "{}", conditions))
    name = f"EXIF: orientation (before: {before['EXIF:Orientation']})"
    for extension in formats:
        turned = str(after[extension].get("EXIF:Orientation", "none"))
        entries.append(Measurement({"tag": name}, extension, turned, "", "{}", conditions))
    return entries, "exiftool read the tags before and after `driftrec restore`."


def with_metadata() -> bytes:
    exif = Image.Exif()
    exif[0x010F], exif[0x0112] = "Maker", 6
    exif.get_ifd(0x8769).update({0x9003: "2020:01:02 03:04:05", 0x927C: b"a maker's note"})
    exif.get_ifd(0x8825).update({1: "N", 2: (48.0, 51.0, 29.6), 3: "E", 4: (2.0, 17.0, 40.2)})
    xmp = (
        b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
        b'<rdf:Description rdf:about="" xmlns:dc="http://purl.org/dc/elements/1.1/"><dc:creator><rdf:Seq><rdf:li>'
        b"Someone</rdf:li></rdf:Seq></dc:creator></rdf:Description></rdf:RDF></x:xmpmeta>"
    )
    body = b"Photoshop 3.0\x008BIM\x04\x04\0\0" + len(IPTC).to_bytes(4, "big") + IPTC + bytes(len(IPTC) % 2)
    segment = b"\xff\xed" + (len(body) + 2).to_bytes(2, "big") + body
    data = encoded(middle(96, 64), "JPEG", quality=30, exif=exif, xmp=xmp, icc_profile=profile())
    return data[:2] + segment + data[2:]


def tags_of(path: Path) -> dict[str, object]:
    text = subprocess.run(["exiftool", "-j", "-G0", "-a", "-U", str(path)], capture_output=True, text=True, check=True)
    return json.loads(text.stdout)[0]


# ------------------------------------------------------------------------------------------------------ fuzz


Damage = Callable[[bytearray, np.random.Generator], bytes]


def cut(data: bytearray, rng: np.random.Generator) -> bytes:
    return bytes(data[: rng.integers(len(data))])


def flip(data: bytearray, rng: np.random.Generator) -> bytes:
    for place in rng.integers(0, len(data), rng.integers(1, 20)):
        data[place] ^= 1 << int(rng.integers(8))
    return bytes(data)


def flip_header(data: bytearray, rng: np.random.Generator) -> bytes:
    for place in rng.integers(2, min(len(data), 700), rng.integers(1, 6)):
        data[place] = int(rng.integers(256))
    return bytes(data)


def lose(data: bytearray, rng: np.random.Generator) -> bytes:
    start = int(rng.integers(len(data)))
    del data[start : start + int(rng.integers(1, 400))]
    return bytes(data)


def repeat(data: bytearray, rng: np.random.Generator) -> bytes:
    start, length = int(rng.integers(len(data))), int(rng.integers(1, 400))
    data[start:start] = data[start : start + length]
    return bytes(data)


def zero(data: bytearray, rng: np.random.Generator) -> bytes:
    start, length = int(rng.integers(2, len(data))), int(rng.integers(1, 400))
    data[start : start + length] = bytes(len(data[start : start + length]))
    return bytes(data)


def mark(data: bytearray, rng: np.random.Generator) -> bytes:
    """Inserts markers at random places: frames, tables, restarts, ends."""
    for place in rng.integers(2, len(data) - 1, 3):
        data[place : place + 2] = bytes([0xFF, int(rng.integers(0xC0, 0xFF))])
    return bytes(data)


DAMAGES: dict[str, Damage] = {
    "cut short": cut,
    "bits flipped": flip,
    "header bytes changed": flip_header,
    "part removed": lose,
    "part repeated": repeat,
    "part set to zero": zero,
    "markers inserted": mark,
}


def damage(count: int, seed: int) -> Kept:
    """Counts the outcomes of each kind of damage."""
    began = time.perf_counter()
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        counts, megabytes, longest = pool.apply(fuzz, (count, seed))
    conditions = Conditions.now(data=f"{sum(counts.values())} damaged files, seed {seed}")
    entries = [
        Measurement({"damage": name}, end, counts[name, end], "files", "{}", conditions)
        for name in DAMAGES
        for end in ("restored", "refused", ELSE)
    ]
    minutes = (time.perf_counter() - began) / 60
    note = (
        f"Refused: the program names the file in one sentence.  Anything else: another kind of error, or more than ten "
        f"seconds.  Memory grew by {megabytes:.0f} MB.  The slowest file took {longest:.1f} s, all files together "
        f"{minutes:.1f} minutes."
    )
    return entries, note


def fuzz(count: int, seed: int) -> tuple[Counter[tuple[str, str]], float, float]:
    """((damage, end) -> files, growth of memory in MB, longest seconds)."""
    restorer = driftrec.Restorer(threads=1)
    sources = seeds()
    rng = np.random.default_rng(seed)
    counts: Counter[tuple[str, str]] = Counter()
    signal.signal(signal.SIGALRM, _too_long)
    before, longest = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, 0.0
    with tempfile.TemporaryDirectory() as folder:
        for number in range(count):
            name = list(DAMAGES)[number % len(DAMAGES)]
            data = DAMAGES[name](bytearray(sources[number % len(sources)]), rng)
            source = Path(folder) / "damaged.jpg"
            source.write_bytes(data)
            began = time.perf_counter()
            end = _end(restorer, source, Path(folder) / "out.png")
            longest = max(longest, time.perf_counter() - began)
            if source.read_bytes() != data:
                end = ELSE
            counts[name, end] += 1
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    return counts, grown * 1.024e-3, longest


def seeds() -> list[bytes]:
    """Small real JPEGs from various encoders."""
    photo = middle(96, 80)
    exif = Image.Exif()
    exif[0x010F], exif[0x0112] = "Maker", 6
    return [
        encoded(photo, "JPEG", quality=30),
        encoded(photo, "JPEG", quality=75, subsampling="4:4:4", exif=exif, icc_profile=profile()),
        encoded(photo, "JPEG", quality=50, progressive=True),
        encoded(photo, "JPEG", quality=50, optimize=True, subsampling="4:2:2"),
        encoded(photo, "JPEG", quality=20, restart_marker_rows=1),
        encoded(photo.convert("L"), "JPEG", quality=40),
        encoded(photo.convert("CMYK"), "JPEG", quality=40),
        encoded(photo, "MPO", save_all=True, append_images=[photo]),
        with_metadata(),
    ]


def _end(restorer: driftrec.Restorer, source: Path, target: Path) -> str:
    signal.alarm(SECONDS)
    try:
        driftrec.inspect(source).facts()
        restorer.restore(source, mode="decode").save(target)
    except PictureError as error:
        return "refused" if "\n" not in str(error) and str(source) in str(error) else ELSE
    except Exception as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        return ELSE
    finally:
        signal.alarm(0)
    return "restored"


def _too_long(*_: object) -> None:
    raise TimeoutError(f"more than {SECONDS} s")


def read_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", nargs="+", choices=["kinds", "metadata", "fuzz"])
    parser.add_argument("--count", type=int, default=7000, help="damaged files")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--docs", type=Path, default=ROOT / "docs/measured", help="folder of the tables")
    return parser.parse_args()


if __name__ == "__main__":
    main()
