"""The network that sees what a file says."""

from dataclasses import replace

import pytest
import torch

from informed.network import STATEMENT, Informed, InformedConfig, statements

TINY = InformedConfig(channels=(8, 12), encoder=(1, 1), decoder=(1,), colour="ycc", tables=True, grid=True)


def randomised(config: InformedConfig) -> Informed:
    torch.manual_seed(0)
    network = Informed(config)
    with torch.no_grad():
        for p in network.parameters():
            p.add_(0.05 * torch.randn_like(p))
    return network.eval()


def inputs(known: bool = True) -> tuple[torch.Tensor, ...]:
    generator = torch.Generator().manual_seed(1)
    image = torch.rand(2, 3, 16, 32, generator=generator)
    chroma = torch.rand(2, 2, 8, 16, generator=generator) / 8
    tables = torch.randint(1, 256, (2, 2, 64), generator=generator, dtype=torch.uint8)
    facts = torch.tensor([[int(known), 1, 1]] * 2, dtype=torch.uint8)
    return 0 * image, torch.tensor([0.1, 0.2]), image, chroma, statements(tables, facts)


@pytest.mark.parametrize("colour", ["rgb", "ycc", "own"])
def test_shapes(colour: str) -> None:
    network = randomised(replace(TINY, colour=colour))
    assert network(*inputs()).shape == (2, 3, 16, 32)


def test_a_new_network_changes_nothing() -> None:
    assert not Informed(TINY)(*inputs()).any()


def test_nothing_known_is_all_zeros() -> None:
    *_, statement = inputs(known=False)
    assert statement.shape == (2, STATEMENT)
    assert not statement.any()


def test_tables_and_grid_count_only_where_they_are_inputs() -> None:
    known, unknown = inputs(), inputs(known=False)
    assert not torch.equal(randomised(TINY)(*known), randomised(TINY)(*unknown))
    blind = randomised(replace(TINY, tables=False, grid=False))
    assert torch.equal(blind(*known), blind(*unknown))


def test_the_grid_repeats_with_the_blocks() -> None:
    grid = Informed(TINY)._grid(torch.zeros(1, 1, 16, 16))
    torch.testing.assert_close(grid[..., :8, :8], grid[..., 8:, 8:], atol=1e-5, rtol=0)
    assert grid.shape == (1, 8, 16, 16)
