"""The loop against one written out by hand, its schedule, its reproducibility, and what it refuses."""

import json
import math
import os
import re
from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F

from mnist_lib.model import DigitNet
from mnist_lib.trainer import Callback, TrainingError, loop, train
from mnist_lib.trainer.batches import augments, batches, epoch_seed
from mnist_lib.trainer.config import TrainConfig
from mnist_lib.trainer.evaluation import evaluate, logits
from mnist_lib.trainer.fast.engine import choose_device
from mnist_lib.trainer.ingredients import Coarse, Hardest, Muon, Settle, whiten
from mnist_lib.trainer.recipes import QUICK
from mnist_lib.trainer.schedule import rates
from mnist_lib.trainer.variants import Separable, Widths
from mnist_lib.transforms import MEAN, STD, Augment, normalise, to_float
from tests.lib.watching import Watch

SHORT = TrainConfig(epochs=2, batch_size=64)


@pytest.fixture(scope="module")
def small(digits):
    return digits.head(300, 130)  # 300 is four batches of 64 and one of 44


def weights(run) -> dict[str, torch.Tensor]:
    return run.model.state_dict()


def same(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> bool:
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


def test_defaults_are_the_cards():
    config = TrainConfig()
    assert (config.epochs, config.max_lr, config.pct_start, config.momentum) == (20, 0.1, 0.4, 0.9)
    assert (config.div_factor, config.final_div_factor, config.dropout) == (10, 100, (0.07, 0.05))
    assert (config.augment.degrees, config.augment.translate, config.augment.scale) == (20, 0.1, (0.9, 1.1))
    assert (config.augment.shear, config.augment.brightness, config.augment.contrast) == (5, 0.2, 0.2)


@pytest.fixture
def all_cores():
    """As many threads as there are cores: sums may then be taken in parts."""
    threads = torch.get_num_threads()
    torch.set_num_threads(os.cpu_count())
    yield
    torch.set_num_threads(threads)


def test_two_runs_are_equal_to_the_bit_and_another_seed_is_not(small, all_cores):
    few = small.head(140, 20)  # two batches of 64 and one of 12
    first = train(SHORT, few)
    torch.rand(7)  # whatever else draws numbers in between
    assert same(weights(first), weights(train(SHORT, few)))
    assert not same(weights(first), weights(train(replace(SHORT, seed=1), few)))


def test_the_loop_is_plain_sgd_on_cross_entropy(small):
    """Without augmentation, dropout and bfloat16, the weights are those of a loop written with other words."""
    config = replace(SHORT, augment=None, dropout=(0.0, 0.0), precision="float32", device="cpu")
    orders, first = [], {}

    def look(run):
        first.update({name: value.clone() for name, value in run.model.state_dict().items()})
        run.model.register_forward_pre_hook(
            lambda _module, inputs: orders.append(inputs[0].clone()) if run.model.training else None
        )

    run = train(config, small, [Watch(start=look)])
    images = normalise(small.train_images)
    model, velocity = DigitNet((0.0, 0.0)), {}
    model.load_state_dict(first)
    model.to(memory_format=torch.channels_last)
    for step, (batch, rate) in enumerate(zip(orders, by_hand_rates(config, 300), strict=True)):
        picked = [int((images == image).flatten(1).all(1).nonzero()[0]) for image in batch]  # which images these are
        assert len(set(picked)) == len(picked) == (44 if step % 5 == 4 else 64)
        loss = F.cross_entropy(model(batch), small.train_labels[picked])
        model.zero_grad()
        loss.backward()
        with torch.no_grad():
            for name, p in model.named_parameters():
                velocity[name] = p.grad if name not in velocity else 0.9 * velocity[name] + p.grad
                p -= rate * velocity[name]
    for name, value in model.state_dict().items():
        assert torch.allclose(value.float(), weights(run)[name].float(), atol=1e-3, rtol=1e-3), name


def by_hand_rates(config: TrainConfig, images: int) -> list[float]:
    """Smith's one cycle as torch anneals it: two halves of a cosine."""
    steps = config.epochs * math.ceil(images / config.batch_size)
    peak = config.pct_start * steps - 1
    start, end = config.max_lr / config.div_factor, config.max_lr / config.div_factor / config.final_div_factor

    def cosine(a, b, share):
        return b + (a - b) / 2 * (1 + math.cos(math.pi * share))

    up = [cosine(start, config.max_lr, s / peak) for s in range(steps) if s <= peak]
    return up + [cosine(config.max_lr, end, (s - peak) / (steps - 1 - peak)) for s in range(len(up), steps)]


def test_the_schedule_has_the_cards_numbers():
    ours = rates(TrainConfig(), 60_000)
    assert ours == pytest.approx(by_hand_rates(TrainConfig(), 60_000))
    assert len(ours) == 20 * 469
    assert (ours[0], max(ours), ours[-1]) == pytest.approx((0.01, 0.1, 0.0001))


def test_the_first_step_may_be_the_peak():
    assert rates(TrainConfig(epochs=1, batch_size=1, pct_start=0.5), 2) == pytest.approx([0.1, 0.0001])


def test_evaluation_weighs_the_short_last_batch_right(small):
    torch.manual_seed(0)
    model = DigitNet()
    model.train()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    score = evaluate(model, small.test_images, small.test_labels, batch_size=64)  # 64 + 64 + 2
    assert same(before, model.state_dict()) and model.training  # left as it was
    model.eval()
    with torch.no_grad():
        answers = model((small.test_images / 255 - MEAN) / STD)
    assert score.correct == (answers.argmax(1) == small.test_labels).sum()
    assert score.accuracy == score.correct / 130
    assert score.loss == pytest.approx(F.cross_entropy(answers, small.test_labels).item(), rel=1e-5)
    assert evaluate(model, small.test_images / 255, small.test_labels).correct == score.correct
    with pytest.raises(ValueError, match=r"^evaluate needs [^\n]+\.$"):
        evaluate(model, small.test_images, small.test_labels[:5])


@pytest.mark.parametrize(("epochs", "batches"), [(1, (64, 64, 64, 64, 44)), (0.6, (64, 64, 64))])
def test_an_epochs_loss_and_accuracy_are_means_over_its_images(small, epochs, batches):
    """Not over its batches, of which the last is short, nor over images that it does not come to."""
    losses = []
    run = train(replace(SHORT, epochs=epochs), small, [Watch(step=lambda run: losses.append(run.loss.item()))])
    [entry], n = run.history, sum(batches)
    assert entry["train_loss"] == pytest.approx(sum(map(math.prod, zip(losses, batches, strict=True))) / n, rel=1e-5)
    assert entry["train_accuracy"] * n == pytest.approx(round(entry["train_accuracy"] * n), abs=1e-9)


def test_validation_is_on_images_that_are_not_trained_on(small):
    run = train(replace(SHORT, epochs=1, validation=100), small)
    assert torch.equal(run.images, small.train_images[:200]) and torch.equal(run.labels, small.train_labels[:200])
    score = evaluate(run.model, small.train_images[200:], small.train_labels[200:])
    assert run.history[0]["validation_accuracy"] == score.accuracy


def test_each_weight_learns_with_its_ingredients_settings_and_its_own_peak(small):
    """The convolutions by Muon with Muon's rate and momentum; all else, conv8 too, by SGD with SGD's."""
    seen = {}

    def look(run):
        for group in run.optimizer.param_groups:
            for weight in group["params"]:
                name = next(name for name, p in run.model.named_parameters() if p is weight)
                settings = (group["momentum"], group["nesterov"], group["weight_decay"], group.get("muon", False))
                peaks, *_ = seen.setdefault(name, ([], settings))
                peaks.append(group["lr"])

    config = replace(
        SHORT, max_lr=0.2, pct_start=0.5, nesterov=True, weight_decay=1e-3, ingredients=(Muon(0.05, momentum=0.7),)
    )
    train(config, small, [Watch(step=look)])
    assert len(seen) == len(list(DigitNet().parameters()))
    for name, (peaks, settings) in seen.items():
        by_muon = name in {f"conv{number}.weight" for number in range(1, 8)}
        assert settings[:3] == (0.7 if by_muon else 0.9, True, 1e-3) and settings[3] == by_muon, name
        assert max(peaks) == pytest.approx(0.05 if by_muon else 0.2), name


def test_part_of_an_epoch_is_rounded_to_whole_steps():
    config = TrainConfig(batch_size=64)  # 300 images: five batches
    assert [replace(config, epochs=epochs).steps(300) for epochs in (0.01, 0.3, 0.7, 1, 1.2, 1.7, 2)] == [1, 2, 4, 5, 6, 8, 10]


def test_the_test_set_is_read_once_after_the_last_epoch(small):
    reads = []

    class Watched:
        """A dataset that notes when its test images are taken."""

        def __getattr__(self, name):
            if name == "test_images":
                reads.append(len(run_so_far[0].history))
            return getattr(small, name)

    run_so_far = []
    keep = Watch(start=run_so_far.append)
    run = train(SHORT, Watched(), [keep])
    assert reads == [2] and run.record["test"]["epoch"] == 2
    held_out = train(replace(SHORT, validation=100), Watched(), [keep])
    assert reads == [2] and held_out.record["test"] is None  # choices are made without it
    assert held_out.record["dataset"]["trained_on"] == 200
    assert all("validation_accuracy" in entry for entry in held_out.history)


def test_the_record_is_plain_and_complete(small):
    steps, epochs = [], []
    count = Watch(step=lambda run: steps.append(run.step), epoch=lambda run: epochs.append(run.history[-1]["epoch"]))
    run = train(SHORT, small, [count])
    assert steps == list(range(1, 11)) and epochs == [1, 2]
    record = json.loads(json.dumps(run.record))
    assert record["parameters"] == 13_960 and record["config"]["epochs"] == 2
    assert record["dataset"]["name"] == "digits, first 300" and record["test"]["n"] == 130
    assert record["test"]["correct"] == evaluate(run.model, small.test_images, small.test_labels).correct
    assert record["machine"]["device"] and record["versions"]["torch"] == torch.__version__
    assert len(record["history"]) == 2 and record["history"][0]["train_loss"] > 0


BAD = {  # of what is no number: test_validation
    "epochs": (0, 10**20),
    "batch_size": (0,),
    "seed": (-1,),
    "validation": (-5,),
    "max_lr": (0,),
    "div_factor": (0,),
    "final_div_factor": (0,),
    "pct_start": (2,),
    "momentum": (1,),
    "nesterov": ("yes", 1),
    "weight_decay": (-1,),
    "dropout": (0.1,),
    "augment": ("no",),
    "ingredients": (Settle(0.5), [Settle(0.5)], (Settle,), (Settle(0.5), Settle(0.2)), "x"),
    "precision": ("float8",),
    "compiled": ("maybe",),
    "device": ("abacus",),
}


@pytest.mark.parametrize(("name", "value"), [(name, value) for name, values in BAD.items() for value in values], ids=str)
def test_a_bad_configuration_is_one_clear_sentence(name, value):
    with pytest.raises(ValueError, match=rf"^{name}[^\n]*\.$"):
        TrainConfig(**{name: value})


@pytest.mark.parametrize(
    ("kind", "settings"), [(Hardest, [0]), (Hardest, [1.5]), (Settle, [1.5]), (Coarse, [-0.1]), (Muon, [0]), (Muon, [0.1, 1])]
)
def test_a_bad_ingredient_is_one_clear_sentence(kind, settings):
    with pytest.raises(ValueError, match=rf"^{kind.__name__}'s [^\n]*\.$"):
        kind(*settings)


def test_nothing_is_asked_of_a_device_before_a_run(small):
    """A name that may be right elsewhere makes a configuration; a run that is not possible here gives one sentence."""
    config = TrainConfig(device="cuda:99", epochs=1)
    with pytest.raises(ValueError, match=r"^device 'cuda:99' is not available here[^\n]+\.$"):
        train(config, small)
    with pytest.raises(ValueError, match=r"^device 'meta' is not available here[^\n]+\.$"):
        train(replace(config, device="meta"), small)  # where there are no numbers


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (lambda small: train(small, SHORT), "config is a TrainConfig, not Dataset."),
        (lambda small: train(SHORT, small, Callback()), "callbacks is a list such as [PrintEpochs()], not "),
        (lambda small: train(SHORT, small, [Callback]), "callbacks is a list such as [PrintEpochs()], not ["),
    ],
)
def test_arguments_in_the_wrong_place_are_one_sentence(small, call, sentence):
    with pytest.raises(TypeError, match=rf"^{re.escape(sentence)}[^\n]*$"):
        call(small)


def test_what_cant_be_judged_is_not_trained(small):
    """Without test images the run would fail after its last step."""
    steps = []
    none = replace(small, test_images=small.test_images[:0], test_labels=small.test_labels[:0])
    with pytest.raises(ValueError, match=r"^The dataset has no test images, [^\n]+\.$"):
        train(SHORT, none, [Watch(step=lambda run: steps.append(run.step))])
    assert not steps and train(replace(SHORT, epochs=1, validation=20), none).record["test"] is None


def test_no_two_epochs_of_any_seeds_draw_alike():
    """Neither seed 1's epoch 2 nor seed 2's epoch 1 draws what the other draws."""
    drawn = {epoch_seed(seed, epoch) for seed in range(30) for epoch in range(60)}
    assert len(drawn) == 30 * 60
    assert epoch_seed(3, 20) == 300_029  # by which every recorded run can be repeated


@pytest.mark.parametrize("validation", [0, 50])
def test_a_run_that_diverges_stops_with_a_sentence(small, validation):
    steps = []
    with pytest.raises(TrainingError, match=r"^The loss is no longer a number at step \d+ of \d+[^\n]+\.$"):
        diverges = replace(SHORT, max_lr=1e30, epochs=2, validation=validation)
        train(diverges, small, [Watch(step=lambda run: steps.append(run.step))])
    assert len(steps) < 5  # at once, not at the end


@pytest.mark.parametrize("validation", [0, 50])
def test_a_run_whose_last_step_diverges_has_no_result(small, validation):
    """No loss of training tells: it was computed before that step."""
    with pytest.raises(TrainingError, match=r"^The loss is no longer a number at step 1 of 1[^\n]+\.$"):
        train(replace(SHORT, max_lr=1e30, div_factor=1, epochs=0.01, validation=validation), small)


def test_an_epochs_end_is_looked_at_too(small, monkeypatch):
    """On a GPU no step is: there a run that diverges ends with its epoch."""
    looked = []
    monkeypatch.setattr(loop, "stop_unless_finite", lambda run, loss: looked.append((run.step, loss.item())))
    run = train(replace(SHORT, epochs=1), small.head(130, 20))
    assert [step for step, _ in looked] == [1, 2, 3, 3, 3]  # at last the test images' loss
    assert looked[3][1] == pytest.approx(130 * run.history[0]["train_loss"])


def test_images_of_another_kind_are_refused_where_they_would_be_read_wrongly(small):
    model = DigitNet()
    reads = logits(model, small.test_images)
    assert torch.allclose(logits(model, small.test_images / 255), reads, atol=1e-5)
    for call in (lambda wrong: logits(model, wrong), lambda wrong: evaluate(model, wrong, small.test_labels)):
        with pytest.raises(ValueError, match=r"^images must be uint8 [^\n]+\.$"):
            call(small.test_images.float())
    for wrong in (small.test_images[0], small.test_images.expand(-1, 3, 28, 28), torch.zeros(2, 1, 56, 56)):
        with pytest.raises(ValueError, match=r"^images must be a tensor \(N, 1, 28, 28\), not [^\n]+\.$"):
            logits(model, wrong)
    with pytest.raises(ValueError, match=r"^images must be a tensor \(N, 1, 28, 28\), not uint8 \(130, 1, 28, 28\)[^\n]+\.$"):
        logits(model, small.test_images.numpy())
    with pytest.raises(ValueError, match=r"^batch_size is a whole number, 1 or more, not 0\.$"):
        logits(model, small.test_images, batch_size=0)


def test_labels_of_another_kind_are_one_sentence(small):
    """Of a shape that would be broadcast, floats, one-hot, of other digits; whole numbers of any size are read."""
    model, labels = DigitNet(), small.test_labels
    for wrong in (labels[:, None], labels.float(), F.one_hot(labels), labels.tolist(), labels + 5, labels - 5):
        with pytest.raises(ValueError, match=r"^labels must be [^\n]+\.$"):
            evaluate(model, small.test_images, wrong)
    assert evaluate(model, small.test_images, labels.to(torch.int32)) == evaluate(model, small.test_images, labels)


@pytest.mark.parametrize("training", [True, False])
def test_a_network_that_fails_is_left_in_its_mode(small, training):
    model = torch.nn.Sequential(torch.nn.Conv2d(3, 10, 28), torch.nn.Flatten()).train(training)  # takes three channels
    with pytest.raises(RuntimeError):
        logits(model, small.test_images)
    assert model.training is training


def test_a_recipe_without_an_ingredient():
    assert QUICK.without(Muon) == replace(QUICK, ingredients=(Hardest(0.2), Coarse(0.8)))
    assert list(QUICK.to_dict()["ingredients"]) == ["Muon", "Hardest", "Coarse"]
    assert QUICK.to_dict()["ingredients"]["Muon"] == {"lr": 0.35, "momentum": 0.6}
    with pytest.raises(ValueError, match="has no Muon"):
        TrainConfig().without(Muon)


def test_holding_out_everything_is_one_sentence(small):
    with pytest.raises(ValueError, match="leaves no training images"):
        train(replace(SHORT, validation=300), small)


@pytest.mark.parametrize("device", ["cuda", "mps"])
def test_an_accelerator_runs_the_same_code(device, small):
    try:
        choose_device(device)
    except ValueError:
        pytest.skip(f"no {device} here")
    run = train(replace(SHORT, device=device), small)
    assert run.history[-1]["train_loss"] < run.history[0]["train_loss"]


def test_it_learns_the_stand_in(digits):
    """The pieces together: four epochs take the stand-in far past chance."""
    run = train(TrainConfig(epochs=4, batch_size=16), digits.head(800, 297))
    assert run.record["test"]["accuracy"] > 0.9


@pytest.mark.nightly
def test_it_learns_mnist(mnist):
    """One epoch over 6,000 real images."""
    run = train(TrainConfig(epochs=2, batch_size=64), mnist.head(6000, 2000))
    assert run.record["test"]["accuracy"] > 0.85


def test_coarse_maps_of_conv2_are_every_second_of_the_fine_ones(small):
    model, images = DigitNet().eval(), normalise(to_float(small.test_images[:4]))
    first, second, *_ = model.blocks()
    with torch.no_grad():
        fine = second.maps(first(images))
        Coarse(0.5).adapt(model, 0.49)
        coarse, third = second.maps(first(images)), list(model.blocks())[2]
        assert torch.allclose(coarse, fine[:, :, ::2, ::2], atol=1e-6)
        assert torch.equal(third(coarse), third.maps(coarse))  # nothing is pooled
        assert third(coarse).shape[-2:] == (12, 12) and model(images).shape == (4, 10)
        Coarse(0.5).adapt(model, 0.5)
        assert torch.equal(second.maps(first(images)), fine)


def test_a_coarse_run_computes_every_place_from_its_step_on_and_when_it_is_judged(small):
    """Of eight steps in two epochs, conv2 is coarse in the first five."""
    strides, shown = [], []

    def step(run):
        strides.append(run.model.conv2.stride[0])

    def epoch(run):
        shown.append((run.model.conv2.stride, str(run.model.pool1)))
        assert run.history[-1]["validation_accuracy"] == evaluate(run.model, *run.held_out).accuracy

    train(replace(SHORT, validation=50, ingredients=(Coarse(0.6),)), small, [Watch(step=step, epoch=epoch)])
    assert strides == 5 * [2] + 3 * [1] and shown == 2 * [((1, 1), str(DigitNet().pool1))]


@pytest.mark.parametrize("other", [Separable(("conv 4 pooled", "sep 6")), Widths((4,) * 7, kernels=(3,) * 7)])
def test_coarse_is_for_a_network_whose_maps_stay_as_large(other, small):
    """Whichever of the two comes first."""
    for ingredients in ((other, Coarse(0.5)), (Coarse(0.5), other)):
        with pytest.raises(ValueError, match=r"^Coarse is for a DigitNet whose conv3 is 1x1: [^\n]+\.$"):
            train(replace(SHORT, ingredients=ingredients), small)


def test_the_end_of_a_run_sees_weaker_changes_and_may_come_within_an_epoch(small):
    config = replace(SHORT, epochs=1.5, ingredients=(Settle(0.25),), augment=Augment(degrees=20))
    plan = augments(config, 0, 8, config.steps(300))
    assert [augment.degrees for augment in plan] == [20] * 6 + [10] * 2  # 1.5 epochs of five batches: eight steps
    run = train(config, small)
    assert run.step == 8 and [entry["epoch"] for entry in run.history] == [1, 2]
    assert plan[-1].scale == pytest.approx((0.95, 1.05)) and plan[-1].contrast == 0.1
    assert augments(config, 5, 8, 8) == plan[5:]  # an epoch asks for its own steps
    assert augments(replace(config, augment=None), 0, 8, 8) == [None] * 8


def test_batches_made_together_are_the_batches_made_alone(small):
    """The same images in the same order, each labelled with its own label, whatever is made in one go."""
    order = torch.randperm(len(small.train_labels)).split(64)
    made = [list(batches(small.train_images, small.train_labels, order, [None] * 4, together=n)) for n in (1, 3)]
    assert [len(labels) for _, labels in made[0]] == [64, 64, 64, 64]  # they end with the shorter list
    for (images, labels), (others, their_labels), picked in zip(*made, order):
        assert torch.equal(images, others) and torch.equal(labels, their_labels)
        assert torch.equal(labels, small.train_labels[picked])
        assert torch.allclose(images, normalise(small.train_images[picked]))


def test_a_short_batch_may_come_anywhere(small):
    order = [torch.arange(44), torch.arange(44, 108), torch.arange(108, 120)]
    made = list(batches(small.train_images, small.train_labels, order, [None] * 3))
    for (images, labels), picked in zip(made, order, strict=True):
        assert torch.equal(labels, small.train_labels[picked]) and len(images) == len(labels)
        assert torch.allclose(images, normalise(small.train_images[picked]))


CPU = torch.device("cpu")


def hardest_order(first_order, losses, share: float, batch_size: int) -> list[int]:
    memory = {"first_order": first_order, "last_losses": losses}
    return Hardest(share).sampler(len(losses), batch_size, memory, CPU).tolist()


def test_the_hardest_are_picked_within_the_first_epochs_batches_by_hand():
    first_order, losses = torch.tensor([6, 0, 2, 4, 1, 3, 7, 5]), torch.tensor([9.0, 1, 8, 2, 3, 4, 7, 5])
    # batches (6, 0, 2), (4, 1, 3), (7, 5) with losses (7, 9, 8), (3, 1, 2), (5, 4); two of three, one of two
    torch.manual_seed(0)
    orders = [hardest_order(first_order, losses, 0.5, 3) for _ in range(20)]
    assert all(sorted(order) == [0, 2, 3, 4, 7] for order in orders)
    assert len(set(map(tuple, orders))) > 10  # shuffled
    # batches (6, 0, 2, 4), (1, 3, 7, 5) with losses (7, 9, 8, 3), (1, 2, 5, 4); then one batch, larger than all images
    for size, expected in ((4, [0, 2, 5, 7]), (9, [0, 2, 6, 7])):
        assert sorted(hardest_order(first_order, losses, 0.5, size)) == expected
    config = TrainConfig(batch_size=3, ingredients=(Hardest(0.5),))
    assert config.steps(8) == 3 + 19 * 2 and replace(config, epochs=1.5).steps(8) == 4
    assert replace(config, batch_size=4).steps(7) == 2 + 19  # two of four and two of three: one batch


def test_later_epochs_see_the_images_that_were_hardest(small):
    """What each image lost when it was last seen is kept, and decides who comes next."""
    kept = []

    def look(run):
        kept.append((run.memory["first_order"].clone(), run.memory["last_losses"].clone()))

    config = replace(SHORT, epochs=3, ingredients=(Hardest(0.25),), augment=None, dropout=(0.0, 0.0))
    run = train(config, small, [Watch(epoch=look)])
    assert run.steps == 5 + 2 * 2 == run.step  # 300 images, then four times 16 and 11
    (order, first), (_, second), (_, third) = kept
    assert sorted(order.tolist()) == list(range(300)) and (first > 0).all()
    seen_again = set((first != second).nonzero().flatten().tolist())
    expected = set(hardest_order(order, first, 0.25, 64))
    assert len(expected) == 75 and seen_again == expected
    assert set((second != third).nonzero().flatten().tolist()) == set(hardest_order(order, second, 0.25, 64))
    easiest = first[order[:64]].topk(48, largest=False).indices
    assert not seen_again & set(order[:64][easiest].tolist())


def test_whitened_filters_are_the_principal_directions_of_patches(small):
    conv = torch.nn.Conv2d(1, 16, 3)
    whiten(conv, small.train_images)
    patches = small.train_images.float().div(255).unfold(2, 3, 1).unfold(3, 3, 1).reshape(-1, 9)
    _, _, v = torch.linalg.svd(patches - patches.mean(0), full_matrices=False)
    filters = conv.weight.detach().view(16, 9)
    assert torch.equal(filters[0::2], -filters[1::2])
    assert torch.allclose((filters[0::2] * v[:8]).sum(1).abs(), torch.ones(8), atol=1e-2)
    wide = torch.nn.Conv2d(1, 20, 3)
    before = wide.weight[18:].clone()
    whiten(wide, small.train_images)
    assert torch.equal(wide.weight[18:], before)  # 9 directions and their negatives, and no more
