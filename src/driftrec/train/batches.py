"""Batches of crops for training, made by loader processes."""

from typing import cast

import torch
from lightning_fabric import Fabric
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from driftrec.train.data.crops import Corpus, Crops
from driftrec.train.recipe import TrainConfig


class Batches(Dataset[tuple[Tensor, Tensor]]):
    """A map-style data set whose item n is batch n of this rank, so that each loader process makes whole batches."""

    def __init__(self, crops: Crops, size: int, rank: int, ranks: int) -> None:
        self.crops, self.size, self.rank, self.ranks = crops, size, rank, ranks

    def __getitem__(self, number: int) -> tuple[Tensor, Tensor]:
        first = (number * self.ranks + self.rank) * self.size
        clean, corrupted = self.crops.batch(range(first, first + self.size))
        return torch.from_numpy(clean), torch.from_numpy(corrupted)


def loader(fabric: Fabric, config: TrainConfig, corpus: Corpus, first: int) -> DataLoader[tuple[Tensor, Tensor]]:
    """The batches of this process, from batch number `first` on.

    Raises ValueError if a batch cannot be divided between the devices, or into the parts of `config.accumulate`.
    """
    if config.batch % fabric.world_size:
        raise ValueError(f"a batch of {config.batch} cannot be shared by {fabric.world_size} devices: change either")
    if config.batch // fabric.world_size < config.accumulate:
        raise ValueError(f"a batch of {config.batch} cannot be split into {config.accumulate} parts: change accumulate")
    data = config.data
    crops = Crops(
        corpus,
        data.chains or data.degradation(),
        data.crop,
        seed=config.seed,
        gray=data.gray,
        resize=data.resize,
        post_crop=data.post_crop,
        symmetries=data.symmetries,
        order=data.order,
        drawn=data.drawn and data.drawn.build(),
    )
    batches = Batches(crops, config.batch // fabric.world_size, fabric.global_rank, fabric.world_size)
    loaded = DataLoader(
        batches,
        batch_size=None,
        sampler=range(first, 2**40),
        num_workers=config.workers,
        prefetch_factor=8 if config.workers else None,
        pin_memory=fabric.device.type == "cuda",
    )
    return cast(DataLoader[tuple[Tensor, Tensor]], fabric.setup_dataloaders(loaded, use_distributed_sampler=False))
