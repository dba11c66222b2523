"""Samplers: they yield the estimate x̂0 at every time of the grid; the last estimate is the result.

    for x0 in multistep(denoise, y, process, times, noise=noise):
        ...                                            # progress, previews, an early end

They depend only on a `Denoise` and a process.  The first state is

    x = y + k (mean − y) + σ z                                                                     (E8)

at the first time, where `mean` is the best guess of the clean image so far: y itself, as in the paper, or a regression
estimate, which allows a start with less noise.  The samplers of `family` then take steps t → u < t of one form and
differ in its three coefficients; the other samplers build on them:

    x_u = y + a (x_t − y) + b (x̂0 − y) + n z                                                       (E9)

They evaluate `denoise` once at each time, and call `noise` once for the start and once for each step with n > 0.
Arrays are combined only by + − × with Python floats, so NumPy arrays and PyTorch tensors both work, in their own dtype.
Samplers never change an array that was passed in or yielded.  The caller must not change an estimate either, except the
last one.

Memory, in arrays of y's size, besides y, the mean and what the denoiser itself uses: 2 while the denoiser runs (the
state, and the last estimate if the caller or `multistep` holds it), and at most 4 between evaluations.  If the images
are large, do not collect the estimates, as `*_, x0 = …` would.
"""

from driftrec.diffusion.samplers.corrector import predictor_corrector
from driftrec.diffusion.samplers.family import euler_maruyama, first_order, multistep, reverse_diffusion
from driftrec.diffusion.samplers.heun import euler_heun
from driftrec.diffusion.samplers.named import NAMES, sample
from driftrec.diffusion.samplers.ode import probability_flow
from driftrec.diffusion.samplers.state import Counted, seeded_noise

__all__ = [
    "NAMES",
    "Counted",
    "euler_heun",
    "euler_maruyama",
    "first_order",
    "multistep",
    "predictor_corrector",
    "probability_flow",
    "reverse_diffusion",
    "sample",
    "seeded_noise",
]
