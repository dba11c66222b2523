"""Draws the pictures of docs/tasks: runs each command there that has pictures below it, and crops what it writes.

    python benchmarks/tasks.py                      # all pictures
    python benchmarks/tasks.py options.md           # those of one page

A command gives its result a name with -o; the picture below it has the same name.  The inputs are photo.jpg, which is
examples/casa-mila.jpg; meme.jpg, the same with a caption and saved again; screenshot.png, a part of it in a window; and
scan.jpg, a page of text drawn here.
"""

import argparse
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from driftrec.evaluate.chains.drawing import Screenshot
from driftrec.picture import atomic_write

ROOT = Path(__file__).parents[1]
PAGES = ROOT / "docs/tasks"
PICTURES = ROOT / "docs/images/tasks"
SIZE, ZOOM = (300, 200), 2
SHOWN = {"photo": (230, 50), "meme": (230, 300), "screenshot": (0, 0), "scan": (20, 30)}
"""Left and top of what is shown of each input and its restorations."""

TEXT = """Minutes of the meeting
The committee met on the third of March.
Present were eleven members and two guests.

1.  The minutes of the last meeting were read
    and approved without a change.
2.  The repair of the roof will cost 4,870, of
    which 1,200 have been paid already.
3.  The library stays open until nine on
    Thursdays, from April to September.
"""


def main() -> None:
    pages = [PAGES / name for name in read_options().page] or sorted(PAGES.glob("*.md"))
    PICTURES.mkdir(exist_ok=True)
    for page in pages:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            write_inputs(folder)
            for command, shown in illustrated(page.read_text(encoding="utf-8")):
                call = command.replace("driftrec ", f"{sys.executable} -m driftrec ")
                subprocess.run(["bash", "-euc", call], cwd=folder, check=True)
                for picture in shown:
                    draw(folder, picture)


def write_inputs(folder: Path) -> None:
    """Writes photo.jpg, meme.jpg, screenshot.png and scan.jpg."""
    photo = folder / "photo.jpg"
    photo.write_bytes((ROOT / "examples/casa-mila.jpg").read_bytes())
    with Image.open(photo) as image:
        image.load()
    part = np.asarray(image.convert("RGB"))[30:400, 235:765]
    Image.fromarray(Screenshot()(part)).save(folder / "screenshot.png")
    font = ImageFont.load_default(36)
    ImageDraw.Draw(image).text((380, 480), "MONDAY AGAIN", "white", font, "ms", stroke_width=2, stroke_fill="black")
    image.save(folder / "meme.jpg", quality=60)
    page = Image.new("RGB", (420, 320), "#f4f1ea")
    ImageDraw.Draw(page).multiline_text((30, 30), TEXT, "#222222", ImageFont.load_default(16), spacing=6)
    page.save(folder / "scan.jpg", quality=15)


def illustrated(page: str) -> list[tuple[str, list[str]]]:
    """The commands of a page that have a table of pictures below them, and the names of these pictures."""
    pairs = re.findall(r"```sh\n([^`]*)```\n\n\|[^\n]*\n\| --- \| --- \|\n(\|[^\n]*)", page)
    return [(command, re.findall(r"images/tasks/([\w-]+)\.webp", row)) for command, row in pairs]


def draw(folder: Path, name: str) -> None:
    """Writes the shown part of one of the files in a folder, every pixel a square."""
    (path,) = (path for path in folder.glob(f"{name}.*") if path.suffix in (".jpg", ".png"))
    left, top = SHOWN[name.split("-")[0]]
    box = (left, top, left + SIZE[0], top + SIZE[1])
    with Image.open(path) as image:
        part = image.convert("RGB").crop(box).resize((SIZE[0] * ZOOM, SIZE[1] * ZOOM), Image.Resampling.NEAREST)
    with atomic_write(PICTURES / f"{name}.webp") as file:
        part.save(file, "WEBP", quality=75, method=6)


def read_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("page", nargs="*", help="pages of docs/tasks; default: all of them")
    return parser.parse_args()


if __name__ == "__main__":
    main()
