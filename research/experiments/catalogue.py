"""All experiments: title and caption, how to run them, and how to show their records."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from experiments import studies
from experiments.exact import exact
from experiments.lab import Lab, Measured


@dataclass(frozen=True)
class Plot:
    """A plot of `y` over `x` (metrics or settings) with one line for every value of `line`.

    `logarithmic` refers to the x axis.  If `linear` is given, the y axis is logarithmic beyond ±`linear`.
    """

    x: str
    y: str
    line: str
    logarithmic: bool = False
    linear: float | None = None


@dataclass(frozen=True)
class Experiment:
    """An experiment: its `title` and `caption`, how to `run` it, the trained `runs` that it needs (recipes' names), and
    what is shown of its records: plots, metrics, and which setting goes `across` the table."""

    title: str
    caption: str
    run: Callable[[Lab], Iterator[Measured]]
    runs: tuple[str, ...]
    plots: tuple[Plot, ...] = ()
    metrics: tuple[str, ...] = ("psnr", "lpips")
    across: str = ""


EXPERIMENTS = {
    "exact": Experiment(
        "Samplers against an exact score",
        "Residuals are Gaussian, so the best denoiser is known (E17).  The remaining error is the sampler's own: "
        "that of the mean (bias) and of the standard deviation (spread), in units of the true standard deviation.  "
        "OUVE as in the paper, from t = 1 to 0.03.",
        lambda _: exact(),
        (),
        (Plot("N", "spread", "sampler", True, 0.1),),
        ("bias", "spread"),
        "N",
    ),
    "processes": Experiment(
        "Processes",
        "One network, trained for none of the processes, is sampled along all of them, from the noise-to-scale "
        "ratio 0.37 to 0.008; JPEG quality 10.  Samplers that are exact in the log-SNR do not depend on the "
        "process; Euler–Maruyama depends on its grid.",
        studies.processes,
        ("driftrec",),
        (Plot("N", "lpips", "process", True),),
        across="N",
    ),
    "samplers": Experiment(
        "Samplers",
        "JPEG quality 10, OUVE.  `driftrec` is this project's objective, sampled from t = 0.7; `score` is the "
        "paper's, sampled from t = 1.  Both are sampled around the file, to t = 0.03.",
        studies.samplers,
        ("driftrec", "score"),
        (Plot("N", "lpips", "sampler", True), Plot("N", "psnr", "sampler", True)),
        across="N",
    ),
    "averaging": Experiment(
        "Averaging samples",
        "The mean of K natural restorations; JPEG quality 10.",
        studies.averaging,
        ("driftrec",),
        (Plot("psnr", "lpips", ""),),
    ),
    "regression": Experiment(
        "Regression against diffusion",
        "Both have the same network, data and number of training steps.  The paper claims that sampling costs PSNR "
        "and improves LPIPS.",
        studies.regression,
        ("driftrec", "regression", "score"),
        (Plot("psnr", "lpips", "quality"),),
    ),
    "ncsnpp": Experiment(
        "A small version of the paper's system",
        "NCSN++ with 8 features: the paper's objective and its regression baseline, with the same number of steps.",
        studies.ncsnpp,
        ("tiny-ouve", "tiny-regression"),
        (Plot("psnr", "lpips", "quality"),),
    ),
    "double-jpeg": Experiment(
        "Two compressions",
        "The second compression has a grid that is shifted by (4, 4).",
        studies.double_jpeg,
        ("driftrec", "regression"),
        across="restorer",
    ),
    "noise": Experiment(
        "How much noise",
        "OUVE with several σ_max, 10 evaluations, JPEG quality 10.",
        studies.noise,
        ("driftrec",),
        (Plot("σ_max", "lpips", "around", True), Plot("σ_max", "psnr", "around", True)),
        across="around",
    ),
    "start": Experiment(
        "Where to start",
        "OUVE, 8 evaluations from the starting time; JPEG quality 10.  Starting around the file leaves out k r_0, "
        "which matters if the noise does not hide it.",
        studies.start,
        ("driftrec",),
        (Plot("start", "lpips", "around"), Plot("start", "psnr", "around")),
        across="around",
    ),
    "rivals": Experiment(
        "Other diffusion models",
        "All models have the same network, data and number of training steps; JPEG quality 10.",
        studies.rivals,
        ("bridge", "driftrec", "palette", "regression"),
        (Plot("N", "lpips", "restorer", True), Plot("N", "psnr", "restorer", True)),
        across="N",
    ),
    "cells": Experiment(
        "A prior and the file's cells",
        "A model of clean pictures that was not trained for JPEG.  Every estimate is projected onto the "
        "quantisation cells of the file (DDRM, ΠGDM); JPEG quality 10.",
        studies.cells,
        ("prior",),
        (Plot("N", "lpips", "restorer", True), Plot("N", "psnr", "restorer", True)),
        across="N",
    ),
    "colour": Experiment(
        "Colour shift",
        "Mean absolute error of the channel means, in gray levels, with several corrections.",
        studies.colour,
        ("driftrec", "score"),
        metrics=("colour", "psnr", "lpips"),
    ),
    "denoising": Experiment(
        "Another task",
        "White noise of several strengths (in levels of 255), removed by a network that was trained with "
        "`research/recipes/denoise.yaml`.",
        studies.denoising,
        ("denoise",),
        (Plot("psnr", "lpips", "noise"),),
    ),
}
