"""The network and its preconditioning."""

import pytest
import torch

from driftrec.diffusion.types import REGRESSION_RATIO
from driftrec.train.denoiser import Loss, Residual
from driftrec.train.nn.cost import cost
from driftrec.train.nn.unet import UNet, UNetConfig

TINY = UNetConfig(patch=2, channels=(8, 12), encoder=(1, 1), decoder=(1,))


def randomised(config: UNetConfig = TINY, residual_std: float = 0.05) -> Residual:
    """A denoiser whose zero-initialised layers have been given weights."""
    torch.manual_seed(0)
    model = Residual(UNet(config), residual_std)
    with torch.no_grad():
        for p in model.parameters():
            p.add_(0.05 * torch.randn_like(p))
    return model.eval()


def images(*shape: int, scale: float = 1.0) -> torch.Tensor:
    return scale * torch.rand(shape, generator=torch.Generator().manual_seed(1))


def test_cost_of_a_network_counted_by_hand() -> None:
    # Per pixel: stem and head 3×3 at half resolution, 2 blocks there, 1 block and both 1×1 maps at a quarter.
    by_hand = (9 * 24 * 8 + 9 * 8 * 12 + 2 * 2 * 9 * 8 * 8) / 4 + (2 * 9 * 12 * 12 + 32 * 12 + 12 * 32) / 16
    network = UNet(TINY)
    assert cost(network).multiply_adds == by_hand
    assert cost(network).parameters == sum(p.numel() for p in network.parameters())


@pytest.mark.parametrize(("height", "width"), [(4, 4), (8, 20), (36, 4)])
def test_every_multiple_of_the_size_works(height: int, width: int) -> None:
    assert TINY.multiple == 4
    y = images(2, 3, height, width)
    assert randomised()(y, torch.tensor([0.1, 0.2]), y).shape == y.shape


def test_an_untrained_network_shrinks_the_residual_as_its_prior_says() -> None:
    # F = 0 leaves c_skip r = S²/(S² + s²) r: the best linear estimate for a residual of variance S².
    y, r = images(2, 3, 8, 8), images(2, 3, 8, 8, scale=0.1)
    out = Residual(UNet(TINY), 0.05)(r, torch.tensor([0.05, torch.inf]), y)
    torch.testing.assert_close(out[0], y[0] + 0.5 * r[0])
    torch.testing.assert_close(out[1], y[1])


def test_at_infinite_ratio_the_residual_is_not_looked_at() -> None:
    model, y = randomised(), images(1, 3, 8, 8)
    for ratio in (torch.inf, REGRESSION_RATIO):
        a = model(torch.zeros_like(y), torch.tensor([ratio]), y)
        b = model(torch.randn_like(y), torch.tensor([ratio]), y)
        torch.testing.assert_close(a, b, rtol=0, atol=0)
    assert (a - y).abs().max() > 1e-4


def test_estimates_approach_the_state_as_noise_vanishes() -> None:
    model, y, r = randomised(), images(1, 3, 8, 8), images(1, 3, 8, 8, scale=0.1)
    torch.testing.assert_close(model(r, torch.tensor([1e-6]), y), y + r, atol=1e-5, rtol=0)


def test_noise_level_steers_every_image_by_itself() -> None:
    model, y, r = randomised(), images(3, 3, 8, 8), images(3, 3, 8, 8, scale=0.1)
    ratio = torch.tensor([0.02, 0.3, torch.inf])
    together = model(r, ratio, y)
    for i in range(3):
        torch.testing.assert_close(together[i : i + 1], model(r[i : i + 1], ratio[i : i + 1], y[i : i + 1]))
    assert (model(r, ratio.flip(0), y)[1] == together[1]).all()
    assert (model(r, torch.full((3,), 0.1), y)[1] != together[1]).any()


def test_loss_by_hand() -> None:
    x0, y = torch.zeros(2, 3, 4, 4), torch.full((2, 3, 4, 4), 0.06)
    estimate = torch.full((2, 3, 4, 4), 0.03)
    # own = 0.06² + 0.08² = 0.01; error = 0.0009; at s = ∞: 0.09; at s = 0.1: 0.0009 (100 + 100) = 0.18.
    value = Loss(floor=0.08)(x0, y, estimate, torch.tensor([torch.inf, 0.1]))
    torch.testing.assert_close(value, torch.tensor([0.09, 0.18]))


@pytest.mark.parametrize(
    "options",
    [{"encoder": (1, 1)}, {"decoder": ()}, {"patch": 0}, {"channels": (0, 8, 8)}, {"decoder": (-1, 0)}],
)
def test_shapes_that_do_not_fit_are_refused(options: dict) -> None:
    with pytest.raises(ValueError, match="channels"):
        UNetConfig(**options)
