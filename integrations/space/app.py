"""A page for a Gradio Space: restores a picture from its file, with either model in either mode."""

import tempfile
from pathlib import Path

import gradio as gr  # pyright: ignore[reportMissingImports] (the Space installs it)
from PIL import Image

from driftrec.model.find import DEFAULT_MODEL, bundled_models
from driftrec.picture import open_picture
from driftrec.restoration.restorer import Restorer

MAX_PIXELS = 12_000_000
"""Larger pictures would need more memory than a free Space has."""

RESTORERS = {model: Restorer(model, max_pixels=MAX_PIXELS) for model in bundled_models()}


def restore(
    file: str | None, mode: str, model: str, strength: float, seed: float, leave_clean: bool
) -> tuple[tuple[Image.Image, Image.Image], str, str]:
    """Returns the picture before and after, the path of the restored PNG file, and a sentence about what was done.

    The file itself is passed on, not its pixels, since the file's coefficients guide the restoration.
    """
    if not file:
        raise gr.Error("choose a picture first")
    changes = {"mode": mode, "strength": strength, "seed": int(seed), "force": not leave_clean}
    try:
        result = RESTORERS[model].restore(file, **changes)
        before = open_picture(file, partial=True).to_pil(srgb=True)
        target = Path(tempfile.mkdtemp()) / f"{Path(file).stem}-restored.png"
        result.save(target)
    except (ValueError, OSError) as error:  # pictures that cannot be read, options out of range: one sentence
        raise gr.Error(str(error)) from error
    return (before, result.to_pil(srgb=True)), str(target), result.summary()


page = gr.Interface(
    restore,
    inputs=[
        gr.File(label="Picture", type="filepath", file_types=["image"]),
        gr.Radio(["natural", "faithful"], value="natural", label="Mode"),
        gr.Radio(list(bundled_models()), value=DEFAULT_MODEL, label="Model"),
        gr.Slider(0, 1, value=1, label="Strength"),
        gr.Number(0, precision=0, minimum=0, label="Seed of natural restorations"),
        gr.Checkbox(True, label="Leave clean pictures alone"),
    ],
    outputs=[gr.ImageSlider(label="Before and after"), gr.File(label="Restored file"), gr.Textbox(label="Result")],
    title="driftrec",
    description="Restores JPEGs that were compressed too hard.  Natural restorations invent what the file has lost.",
    flagging_mode="never",
)

if __name__ == "__main__":
    page.queue(max_size=20).launch()
