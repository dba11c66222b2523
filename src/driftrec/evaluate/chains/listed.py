"""The named chains of the benchmark, in two halves: one may be used for choosing, the other is for reporting.

Both halves mix resizing, saving again, edits, screenshots and pasted parts, with other values.  A name lists the steps
in order: q10 is libjpeg's quality 10 with 4:2:0 chroma and ×1.6 a bicubic enlargement, unless they say otherwise; "png"
means that nothing was lost in the end.
"""

from driftrec.evaluate.chains.chain import Chain, Part, Step
from driftrec.evaluate.chains.drawing import Border, Caption, Screenshot
from driftrec.evaluate.chains.formats import AsAvif, AsJpeg, AsPalette, AsWebp
from driftrec.evaluate.chains.geometry import Crop, Resize, Rotate, Turn
from driftrec.evaluate.chains.tables import CLIPPED, MOZJPEG, PHONE
from driftrec.evaluate.chains.tone import Blur, Noise, Sharpen, Tone


def _of(name: str, first: AsJpeg | tuple[Part, ...], *later: Step) -> Chain:
    return Chain(name, (Part(first),) if isinstance(first, AsJpeg) else first, later)


LEFT, RIGHT = (0.0, 0.0, 1.0, 0.5), (0.0, 0.5, 1.0, 1.0)
PASTED = 0.21, 0.17, 0.83, 0.79

REPORTED = (
    _of("q10 ×1.6 png", AsJpeg(10), Resize(1.6)),
    _of("q10 ×1.25 q75", AsJpeg(10), Resize(1.25), AsJpeg(75)),
    _of("q20 ×0.75 q80", AsJpeg(20), Resize(0.75), AsJpeg(80)),
    _of("q30 ×1.1 q60", AsJpeg(30), Resize(1.1), AsJpeg(60)),
    _of("q15 webp60", AsJpeg(15), AsWebp(60)),
    _of("q20 sharpened q85", AsJpeg(20), Sharpen(0.8, 1.2), AsJpeg(85)),
    _of("q20 mirrored q80", AsJpeg(20), Turn(mirror=True), AsJpeg(80)),
    _of("q25 cropped q40 cropped q75", AsJpeg(25), Crop(3, 5), AsJpeg(40), Crop(6, 2), AsJpeg(75)),
    _of("q12 ×2.5 nearest png", AsJpeg(12), Resize(2.5, "nearest")),
    _of("q15 ×0.5 lanczos png", AsJpeg(15), Resize(0.5, "lanczos")),
    _of("q20 ×0.6 area mozjpeg70", AsJpeg(20), Resize(0.6, "area"), AsJpeg(70, tables=MOZJPEG)),
    _of("q25 palette128", AsJpeg(25), AsPalette(128, dither=False)),
    _of("q20 blurred 4:2:2 q80", AsJpeg(20), Blur(0.7), AsJpeg(80, "4:2:2")),
    _of("q15 border and caption q85", AsJpeg(15), Border(11), Caption(), AsJpeg(85)),
    _of("q10 pasted png", (Part(AsJpeg(10), PASTED),)),
    _of("q15 ×1.33 bilinear screenshot png", AsJpeg(15), Resize(1.33, "bilinear"), Screenshot()),
    _of("q15 rotated 2.5° q85", AsJpeg(15), Rotate(2.5), AsJpeg(85)),
    _of("phone ×0.8 clipped", AsJpeg(30, tables=PHONE), Resize(0.8, "bilinear"), AsJpeg(60, tables=CLIPPED)),
    _of(
        "five generations q30 … q75",
        AsJpeg(30),
        *(Crop(1, 2), AsJpeg(45), Resize(0.95), AsJpeg(55), Crop(2, 3), AsJpeg(65), AsJpeg(75)),
    ),
)
"""For reports: never to choose by."""

CHOOSING = (
    _of("q15 ×1.5 bilinear png", AsJpeg(15), Resize(1.5, "bilinear")),
    _of("q10 ×2 q90", AsJpeg(10), Resize(2), AsJpeg(90)),
    _of("q20 contrast and brightness q85", AsJpeg(20), Tone(0.04, 1.15), AsJpeg(85)),
    _of("q20 cropped q90", AsJpeg(20), Crop(3, 5), AsJpeg(90)),
    _of("q15 ×0.4 points q70", AsJpeg(15), Resize(0.4, "points"), AsJpeg(70)),
    _of("q12 ×1.8 lanczos webp75", AsJpeg(12), Resize(1.8, "lanczos"), AsWebp(75)),
    _of("q15 ×2 area png", AsJpeg(15), Resize(2, "area")),
    _of("q20 avif55", AsJpeg(20), AsAvif(55)),
    _of("q25 gif", AsJpeg(25), AsPalette(256, dither=True, container="GIF")),
    _of("q20 gamma and noise png", AsJpeg(20), Tone(gamma=0.85), Noise(2.5)),
    _of("4:4:4 q15 ×0.67 4:4:4 q80", AsJpeg(15, "4:4:4"), Resize(0.67), AsJpeg(80, "4:4:4")),
    _of("q10 left, q90 right png", (Part(AsJpeg(10), LEFT), Part(AsJpeg(90), RIGHT))),
    _of("q20 dark screenshot q80", AsJpeg(20), Screenshot(41, 23, 52, 23, dark=True), AsJpeg(80)),
    _of("q20 turned q85", AsJpeg(20), Turn(1), AsJpeg(85)),
    _of("q15 rotated −7° png", AsJpeg(15), Rotate(-7)),
    _of("q30 moved by 1 pixel q70", AsJpeg(30), Crop(1, 1), AsJpeg(70)),
    _of("mozjpeg20 ×0.9 q75", AsJpeg(20, tables=MOZJPEG), Resize(0.9, "lanczos"), AsJpeg(75)),
    _of(
        "four generations q20 … q85",
        AsJpeg(20),
        *(Resize(1.2), AsJpeg(60), Crop(5, 3), AsWebp(70), Resize(0.85), AsJpeg(85)),
    ),
)
"""For choosing methods, settings and thresholds."""
