"""Repeats the experiments of research/notes/experiments.md: `python research/experiment.py NAME... --data FOLDER`."""

from pathlib import Path
from typing import Annotated

import typer

from driftrec.cli.console import say, sentences

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def experiment(
    names: Annotated[list[str], typer.Argument(metavar="NAME...", help="Experiments, or all.  'list' shows them.")],
    data: Annotated[
        list[Path] | None,
        typer.Option(metavar="FOLDER", help="The folders of the training, of which held-out pictures are taken."),
    ] = None,
    runs: Annotated[Path, typer.Option(metavar="FOLDER", help="Trained runs, named as their recipes.")] = Path(
        "runs/experiments"
    ),
    out: Annotated[Path, typer.Option(metavar="FOLDER", help="Records, tables, plots.")] = Path("experiments"),
    pictures: Annotated[int, typer.Option(min=1, help="How many crops of 160 pixels.")] = 24,
    weights: Annotated[Path | None, typer.Option(metavar="FOLDER", help="Weights of LPIPS.")] = None,
    held_out: Annotated[float, typer.Option(min=0.01, max=0.99, help="Share held out of the training.")] = 0.06,
    threads: Annotated[int | None, typer.Option(min=1, max=1024, help="CPU threads.  Default: PyTorch's.")] = None,
    redraw: Annotated[bool, typer.Option("--redraw", help="Make the pages of the records that are there.")] = False,
) -> None:
    """Repeat the experiments of the documentation: processes, samplers, rivals, and so on."""
    with sentences("train,evaluate"):
        from experiments.catalogue import EXPERIMENTS

        if names == ["list"]:
            for name, one in EXPERIMENTS.items():
                say(f"{name:<14}{one.title}")
            return
        chosen = list(EXPERIMENTS) if names == ["all"] else names
        if unknown := [name for name in chosen if name not in EXPERIMENTS]:
            raise ValueError(f"there is no experiment '{unknown[0]}': choose from {', '.join(EXPERIMENTS)}, or all")
        from driftrec.evaluate.measurement import Conditions
        from experiments.lab import open_lab
        from experiments.report import page, read_records, run_condition, write_records

        lab = None if redraw else open_lab(data or [], held_out, runs, weights, pictures, threads)
        out.mkdir(parents=True, exist_ok=True)
        for name in chosen:
            records = out / f"{name}.jsonl"
            if lab:
                measured = list(EXPERIMENTS[name].run(lab))
                needed = EXPERIMENTS[name].runs
                made = [run_condition(run, lab.runner(run)) for run in needed]
                if needed:
                    sources = ", ".join(folder.name for folder in data or [])
                    made.append(f"held-out pictures of {sources}, {lab.size} × {lab.size}")
                made += [str(Conditions.now()), f"made by `python research/experiment.py {name}`"]
                write_records(measured, made, records)
            rows, conditions = read_records(records)
            say(str(page(name, EXPERIMENTS[name], rows, out, conditions)))


if __name__ == "__main__":
    app()
