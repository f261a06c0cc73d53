"""Ingredients that were tried for `best`."""

from dataclasses import replace

import torch
import torch.nn.functional as F
from torch import nn

from mnist_lib.model import DigitNet
from mnist_lib.studies.catalogue import BEST_SCREENING_STUDY
from mnist_lib.studies.tried import DecayFilters, Elastic, Erasing, Fade, LeaveOut, Smoothing
from mnist_lib.trainer import Callback, train
from mnist_lib.trainer.config import TrainConfig
from mnist_lib.trainer.optimizer import optimizer_of
from mnist_lib.transforms import Augment

STILL = Augment(degrees=0, translate=0, scale=(1, 1), shear=0, brightness=0, contrast=0)


def test_smoothing_has_the_direction_of_torch_s_label_smoothing():
    """cross_entropy's own option scales the whole by 1 - share, and is else the same."""
    weights, labels = torch.randn(6, 10, generator=torch.Generator().manual_seed(0)), torch.tensor([0, 1, 2, 3, 9, 9])
    ours, theirs = weights.clone().requires_grad_(), weights.clone().requires_grad_()
    model = Smoothing(0.2).network(nn.Identity())
    F.cross_entropy(model(1 * ours), labels).backward()
    F.cross_entropy(1 * theirs, labels, label_smoothing=0.2).backward()
    assert torch.allclose(0.8 * ours.grad, theirs.grad, atol=1e-7)
    with torch.no_grad():
        assert torch.equal(model(ours), ours)  # where nothing is learnt, nothing is added


def test_fade_goes_from_first_to_last():
    degrees = [Fade(1.5, 0.5).augment(Augment(degrees=20), done).degrees for done in (0, 0.04, 0.05, 0.5, 0.999)]
    assert degrees == [30, 30, 29, 20, 11]


def test_elastic_bends_by_about_so_many_pixels(digits):
    images = digits.train_images[:50] / 255
    torch.manual_seed(0)
    assert torch.allclose(Elastic(0.0).augment(STILL, 0)(images), images, atol=1e-4)
    rows, columns = torch.meshgrid(torch.arange(28.0) / 28, torch.arange(28.0) / 28, indexing="ij")
    for ramp in (rows, columns):  # its brightness says from where a pixel came
        bent = Elastic(0.7).augment(STILL, 0)(ramp.expand(200, 1, 28, 28))
        moved = 28 * (bent - ramp)[..., 4:-4, 4:-4]
        assert 0.35 < moved.std() < 0.75 and moved.mean().abs() < 0.1


def test_erasing_blackens_one_square_in_every_second_image():
    torch.manual_seed(0)
    erased = Erasing(6).augment(STILL, 0)(torch.ones(400, 1, 28, 28)) == 0
    counts = erased.flatten(1).sum(1)
    assert set(counts.tolist()) == {0, 36} and 150 < (counts > 0).sum() < 250
    for square in erased[counts > 0, 0]:
        rows, columns = square.any(1).nonzero().flatten(), square.any(0).nonzero().flatten()
        assert len(rows) == len(columns) == 6 and rows[-1] - rows[0] == columns[-1] - columns[0] == 5
    assert erased.any(0).float().mean() > 0.95  # hardly a place that cannot be erased


def test_decay_is_of_filters_alone():
    optimizer = optimizer_of(model := DigitNet(), TrainConfig(weight_decay=0.1, ingredients=(DecayFilters(),)))
    decayed = {id(weight) for group in optimizer.param_groups if group["weight_decay"] for weight in group["params"]}
    assert decayed == {id(module.weight) for module in model.modules() if isinstance(module, nn.Conv2d)}


def test_highest_losses_so_far_are_left_out_from_the_eleventh_epoch_on(digits):
    taken, kept = [], {}

    class Watch(Callback):
        def on_start(self, run):
            kept["run"] = run

        def on_epoch(self, run):
            taken.append(run.step)
            if len(taken) == 10:
                kept["losses"] = run.memory["mean_losses"].clone()

    config = TrainConfig(epochs=12, batch_size=1, max_lr=1e-4, augment=None, ingredients=(LeaveOut(0.25),))
    train(config, digits.head(12, 5), [Watch()])
    steps = [after - before for before, after in zip([0, *taken], taken)]
    assert steps == [12] * 10 + [9] * 2 + [6]  # as many steps in all
    unseen = kept["run"].memory["mean_losses"] == kept["losses"]  # an average that no later loss has moved
    assert set(kept["losses"].topk(3).indices.tolist()) >= set(unseen.nonzero().flatten().tolist())
    assert unseen.any()


def test_screening_changes_only_ingredients_of_best():
    best = BEST_SCREENING_STUDY.variants["best"]
    for name, recipe in BEST_SCREENING_STUDY.variants.items():
        assert replace(recipe, ingredients=best.ingredients) == best, name
