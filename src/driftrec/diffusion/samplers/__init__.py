"""Samplers: they yield the estimate x̂0 of every time of the grid; the last one is the result.

    for x0 in multistep(denoise, y, process, times, noise=noise):
        ...                                            # progress, previews, an early end

They know a `Denoise` and a process, nothing else.  The first state is

    x = y + k (mean − y) + σ z                                                                     (E8)

at the first time, where `mean` is the best guess of the clean image so far: y itself, as in the paper, or a regression
estimate, which allows to start late.  Those of `family` then take steps t → u < t of one form, and differ in its three
coefficients; the others are built on them:

    x_u = y + a (x_t − y) + b (x̂0 − y) + n z                                                       (E9)

They evaluate `denoise` once at each time, and call `noise` once for the start and once for each step with n > 0.
Arrays are combined by + − × with Python floats only, so NumPy arrays and PyTorch tensors pass, in their own dtype.
Nothing that was passed in or yielded is ever changed; whoever receives an estimate must not change it either, but for
the last one.

Memory, measured in arrays of y's size beside y, the mean and what the denoiser itself takes: 2 while the denoiser works
(the state, and the last estimate where the caller or `multistep` holds it), and at most 4 between evaluations.  Do not
collect the estimates, as `*_, x0 = …` would, when the images are large.
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
