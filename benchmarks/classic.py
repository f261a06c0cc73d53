"""The card's training as most people would write it: PIL images, torchvision's transforms, a DataLoader, plain modules.

Every image goes through RandomAffine, ColorJitter, ToTensor and Normalize by itself, in Python; float32, nn.Dropout, SGD.
(RandomAffine takes the nearest pixel, torchvision's default.) It is what the speed benchmark measures against.
"""

from collections.abc import Iterator

import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset
from torchvision import transforms

from mnist_lib.transforms import MEAN, STD

TRAINING = transforms.Compose(
    [
        transforms.RandomAffine(20, translate=(0.1, 0.1), scale=(0.9, 1.1), shear=5),
        transforms.ColorJitter(brightness=0.2, contrast=0.2),
        transforms.ToTensor(),
        transforms.Normalize((MEAN,), (STD,)),
    ]
)
TESTING = transforms.Compose([transforms.ToTensor(), transforms.Normalize((MEAN,), (STD,))])


class Images(Dataset):
    """One PIL image at a time through a transform, as torchvision.datasets.MNIST does it."""

    def __init__(self, images: Tensor, labels: Tensor, transform):
        self.images, self.labels, self.transform = images, labels, transform

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        return self.transform(Image.fromarray(self.images[index, 0].numpy(), mode="L")), int(self.labels[index])


def loader(images: Tensor, labels: Tensor, training: bool, workers: int) -> DataLoader:
    return DataLoader(
        Images(images, labels, TRAINING if training else TESTING),
        batch_size=128 if training else 1000,
        shuffle=training,
        num_workers=workers,
        persistent_workers=workers > 0,
    )


def network() -> nn.Sequential:
    """The card's layers, as torch has them."""

    def block(inputs: int, outputs: int, kernel: int, dropout: float, padding: int = 0) -> list[nn.Module]:
        conv = nn.Conv2d(inputs, outputs, kernel, padding=padding)
        return [conv, nn.BatchNorm2d(outputs), nn.ReLU(), nn.Dropout(dropout)]

    return nn.Sequential(
        *block(1, 16, 3, 0.07),
        *block(16, 32, 3, 0.07),
        *block(32, 10, 1, 0.07),
        nn.MaxPool2d(2),
        *block(10, 16, 3, 0.05),
        *block(16, 16, 3, 0.05),
        *block(16, 16, 3, 0.05),
        *block(16, 16, 3, 0.05, padding=1),
        nn.AvgPool2d(6),
        nn.Conv2d(16, 10, 1),
        nn.Flatten(),
    )


class Classic:
    """The script's objects, and its epoch."""

    def __init__(self, dataset, workers: int, epochs: int = 20, held_out: int = 0):
        n = len(dataset.train_labels) - held_out
        self.batches = loader(dataset.train_images[:n], dataset.train_labels[:n], True, workers)
        seen = (dataset.train_images[n:], dataset.train_labels[n:]) if held_out else (dataset.test_images, dataset.test_labels)
        self.tests = loader(*seen, False, workers)
        self.model = network()
        self.optimizer = torch.optim.SGD(self.model.parameters(), lr=0.1, momentum=0.9)
        self.scheduler = torch.optim.lr_scheduler.OneCycleLR(
            self.optimizer,
            max_lr=0.1,
            total_steps=epochs * len(self.batches) + 1,
            pct_start=0.4,
            div_factor=10,
            final_div_factor=100,
            cycle_momentum=False,
        )

    def made(self) -> Iterator[tuple[Tensor, Tensor]]:
        return iter(self.batches)

    def step(self, images: Tensor, labels: Tensor) -> Tensor:
        self.optimizer.zero_grad()
        loss = F.cross_entropy(self.model(images), labels)
        loss.backward()
        self.optimizer.step()
        self.scheduler.step()
        return loss.detach()

    @torch.no_grad()
    def evaluate(self) -> float:
        self.model.eval()
        right = sum((self.model(images).argmax(1) == labels).sum().item() for images, labels in self.tests)
        return right / len(self.tests.dataset)
