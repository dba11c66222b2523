"""Averages the denoiser of a checkpoint with that of the model that it was trained from.

    python research/averaged.py runs/small/best.safetensors --start small --share 0.25 --out averaged.safetensors

A model that is trained further on other pictures gains there and loses a little on the first ones.  The mean of the
weights before and after loses less and keeps most of the gain (Wortsman et al. 2022, *Robust fine-tuning of zero-shot
models*, arXiv 2109.01903).  The finisher is that of the model before, if it has one.
"""

from pathlib import Path
from typing import Annotated

import typer

from driftrec.train import checkpoint
from driftrec.train.dump import dump
from driftrec.train.model import FINISHED, load

app = typer.Typer(add_completion=False)


@app.command()
def average(
    trained: Annotated[Path, typer.Argument(help="checkpoint of a denoiser")],
    start: Annotated[str, typer.Option(help="model before: a name, an .onnx file or a checkpoint")],
    share: Annotated[float, typer.Option(min=0, max=1, help="weight of the model before")],
    out: Annotated[Path, typer.Option(help="checkpoint to write")],
) -> None:
    tensors, facts = checkpoint.read(trained)
    if FINISHED in facts:
        raise typer.BadParameter(f"{trained} is a checkpoint with a finisher: name that of its denoiser")
    before = load(start)
    for name, value in before.denoiser.network.state_dict().items():
        if name in tensors:
            tensors[name] = (1 - share) * tensors[name].float() + share * value.float()
    facts["averaged"] = {"with": Path(start).stem, "share": share}
    if before.finisher is not None:
        tensors = {f"{FINISHED}.{name}": value for name, value in tensors.items()}
        tensors |= before.finisher.network.state_dict()
        facts = {**before.finisher.facts, "config": dump(before.finisher.config), FINISHED: facts}
    checkpoint.write(out, tensors, facts)


if __name__ == "__main__":
    app()
