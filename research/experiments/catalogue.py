"""All experiments: title and caption, how to run them, and how to show their records."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from experiments import studies
from experiments.exact import exact
from experiments.lab import Lab, Row


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
    """An experiment: its `title` and `caption`, how to `run` it, and how to show its records: plots, metrics,
    and the setting whose values are the columns of the table (`across`)."""

    title: str
    caption: str
    run: Callable[[Lab], Iterator[Row]]
    plots: tuple[Plot, ...] = ()
    metrics: tuple[str, ...] = ("psnr", "lpips")
    across: str = ""


EXPERIMENTS = {
    "exact": Experiment(
        "Samplers against an exact score",
        "Residuals are Gaussian, so the best denoiser is known (E17): what is left is the sampler's own error, of the "
        "mean (bias) and of the standard deviation (spread), in units of the true standard deviation.  OUVE as in the "
        "paper, from t = 1 to 0.03.",
        lambda _: exact(),
        (Plot("N", "spread", "sampler", True, 0.1),),
        ("bias", "spread"),
        "N",
    ),
    "processes": Experiment(
        "Processes",
        "One network, trained for none of them, sampled along all of them from the same noise-to-scale ratio 0.37 to "
        "0.008, JPEG quality 10.  Samplers that are exact in the log-SNR see no process; Euler–Maruyama sees its grid.",
        studies.processes,
        (Plot("N", "lpips", "process", True),),
        across="N",
    ),
    "samplers": Experiment(
        "Samplers",
        "JPEG quality 10, OUVE.  `driftrec`: this project's objective, from t = 0.7; `score`: the paper's, from t = 1; "
        "both around the file, to t = 0.03.",
        studies.samplers,
        (Plot("N", "lpips", "sampler", True), Plot("N", "psnr", "sampler", True)),
        across="N",
    ),
    "averaging": Experiment(
        "Averaging samples",
        "The mean of K natural restorations, JPEG quality 10.",
        studies.averaging,
        (Plot("psnr", "lpips", ""),),
    ),
    "regression": Experiment(
        "Regression against diffusion",
        "Same network, same data, same number of training steps.  The paper's claim is that sampling gives up PSNR and "
        "wins LPIPS.",
        studies.regression,
        (Plot("psnr", "lpips", "quality"),),
    ),
    "ncsnpp": Experiment(
        "The paper's system, small",
        "NCSN++ of 8 features, the paper's objective and its regression baseline, same number of steps.",
        studies.ncsnpp,
        (Plot("psnr", "lpips", "quality"),),
    ),
    "double-jpeg": Experiment(
        "Two compressions",
        "The second on a grid shifted by (4, 4).",
        studies.double_jpeg,
        across="restorer",
    ),
    "noise": Experiment(
        "How much noise",
        "OUVE with several σ_max, 10 evaluations, JPEG quality 10.",
        studies.noise,
        (Plot("σ_max", "lpips", "around", True), Plot("σ_max", "psnr", "around", True)),
        across="around",
    ),
    "start": Experiment(
        "Where to start",
        "OUVE, 8 evaluations from the starting time on, JPEG quality 10.  Starting around the file leaves out k r_0, "
        "which counts where the noise does not drown it.",
        studies.start,
        (Plot("start", "lpips", "around"), Plot("start", "psnr", "around")),
        across="around",
    ),
    "rivals": Experiment(
        "Rivals",
        "Other diffusion models on the same network, data and number of training steps, JPEG quality 10.",
        studies.rivals,
        (Plot("N", "lpips", "restorer", True), Plot("N", "psnr", "restorer", True)),
        across="N",
    ),
    "cells": Experiment(
        "A prior and the file's cells",
        "A model of clean pictures that was not trained for JPEG, every estimate moved into the quantisation cells of "
        "the file (DDRM, ΠGDM), JPEG quality 10.",
        studies.cells,
        (Plot("N", "lpips", "restorer", True), Plot("N", "psnr", "restorer", True)),
        across="N",
    ),
    "colour": Experiment(
        "Shift of colour",
        "Mean absolute error of the means of the channels, in gray levels, and what corrections do to it.",
        studies.colour,
        metrics=("colour", "psnr", "lpips"),
    ),
    "denoising": Experiment(
        "Another task",
        "White noise of several levels of 255, restored by a network trained with `research/recipes/denoise.yaml`.",
        studies.denoising,
        (Plot("psnr", "lpips", "noise"),),
    ),
}
