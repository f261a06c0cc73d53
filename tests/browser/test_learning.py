"""What the page learns with: every layer's gradient, 50 steps and the running figures are torch's, in a real browser."""

import base64
import json

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from course.page import LEARNING
from mnist_lib import transforms
from mnist_lib.model import DigitNet
from mnist_lib.transforms import normalise
from mnist_lib.widgets.bundle import script
from mnist_lib.widgets.export import numbers
from mnist_lib.widgets.payload import content

pytestmark = pytest.mark.browser

READY = """
const floats = (text) => new Float32Array(Uint8Array.from(atob(text), (c) => c.charCodeAt(0)).buffer);
const slopes = (net) => net.chain.flatMap((part) => part instanceof Convolution ? part.write("grad") :
  part instanceof BatchNorm ? [part.weight.grad, part.bias.grad] : []).map((row) => Array.from(row));
Object.assign(window, {Training, Trainee, Convolution, BatchNorm, descend, oneCycle, affine, floats, slopes, ready: true});
"""


@pytest.fixture(scope="module")
def modules(chromium):
    """The page's modules, without the page."""
    page = chromium.new_page()
    page.set_content("<title>-</title>")
    page.add_script_tag(content=script(LEARNING / "training.js") + READY, type="module")
    page.wait_for_function("() => window.ready")
    return page


def sent(values: torch.Tensor) -> str:
    return base64.b64encode(values.contiguous().numpy().astype("<f4").tobytes()).decode()


def trained_a_little(model: nn.Module) -> nn.Module:
    """No BatchNorm is the identity."""
    for name, values in model.named_parameters():
        if name.startswith("bn"):
            nn.init.uniform_(values, 0.5, 1.5)
    return model


def models() -> dict[str, nn.Module]:
    torch.manual_seed(0)
    plain = nn.Sequential(
        nn.Conv2d(1, 6, 5, padding=2), nn.ReLU(), nn.AvgPool2d(2), nn.Conv2d(6, 7, 3), nn.BatchNorm2d(7), nn.ReLU(),
        nn.MaxPool2d(3, 2), nn.Flatten(), nn.Linear(175, 10),
    )  # fmt: skip
    return {"card": trained_a_little(DigitNet(dropout=(0, 0))), "wide": trained_a_little(
        DigitNet(dropout=(0, 0), widths=(5, 8, 3, 7, 4, 6, 9), kernels=(5, 3, 1, 3, 5, 1, 3))), "plain": plain}  # fmt: skip


@pytest.mark.parametrize("fast", [True, False], ids=["vectors", "plain"])
@pytest.mark.parametrize("name", list(models()))
def test_every_gradient_is_autograd_s(modules, name, fast):
    model, images = models()[name].train(), torch.rand(7, 1, 28, 28, generator=torch.Generator().manual_seed(1))
    labels = torch.tensor([3, 1, 4, 1, 5, 9, 2])
    network, weights, _ = content(model)
    loss = F.cross_entropy(model.train()(normalise(images)).flatten(1), labels)
    loss.backward()
    ours, slopes = json.loads(
        modules.evaluate(
            """([network, weights, images, labels, fast]) => { const net = new Trainee(network, labels.length, fast);
              net.read(floats(weights)); const {loss} = net.slopes(floats(images), labels, labels.length);
              return JSON.stringify([loss, slopes(net)]); }""",
            [network, base64.b64encode(weights).decode(), sent(images), labels.tolist(), fast],
        )
    )
    assert ours == pytest.approx(float(loss.detach()), abs=1e-5)
    wanted, largest = list(model.named_parameters()), {}
    assert len(wanted) == len(slopes)
    normed = {name[:-5] for name, _ in wanted if name.startswith("conv") and "bn" + name[4:5] in dict(model.named_modules())}
    for (what, parameter), slope in zip(wanted, slopes):
        top = float(parameter.grad.abs().max())
        if what.endswith("bias") and (what[:-5] in normed or (name == "plain" and what == "3.bias")):
            top = float(dict(wanted)[what[:-4] + "weight"].grad.abs().max())  # its own is 0: BatchNorm takes the mean away
        largest[what] = float((torch.tensor(slope) - parameter.grad.flatten()).abs().max()) / top
    print(f"{name}: largest difference {max(largest.values()):.1e} of the layer's largest, of {max(largest, key=largest.get)}")
    assert max(largest.values()) < 1e-4, largest


@pytest.fixture(scope="module")
def fifty(modules, mnist):
    return by_both(modules, mnist, 50)


def by_both(modules, mnist, steps: int) -> tuple:
    """So many steps of 32 images: by torch, and by the page."""
    images, labels = mnist.train_images[: steps * 32].float() / 255, mnist.train_labels[: steps * 32]
    return in_torch(images, labels, 32, 0.003), in_page(modules, images, labels, 32, 0.003)


def in_torch(images, labels, batch: int, rate: float, dtype=torch.float32) -> tuple[DigitNet, torch.Tensor]:
    """One step a batch, from the first weights of seed 0 -> the network, the loss of each step."""
    torch.manual_seed(0)
    model, losses, steps = DigitNet(dropout=(0, 0)).to(dtype).train(), [], len(images) // batch
    optimizer = torch.optim.SGD(model.parameters(), lr=rate, momentum=0.9)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, rate, total_steps=steps, pct_start=0.4, div_factor=10, final_div_factor=100, cycle_momentum=False
    )
    for some, right in zip(images.split(batch), labels.split(batch)):
        optimizer.zero_grad()
        loss = F.cross_entropy(model(normalise(some).to(dtype)), right)
        loss.backward()
        optimizer.step()
        losses.append(loss.detach())
        if len(losses) < steps:
            schedule.step()
    return model, torch.stack(losses)


def in_page(modules, images, labels, batch: int, rate: float) -> tuple[dict, torch.Tensor, torch.Tensor]:
    """The same -> what describes the network, its numbers, the loss of each step."""
    torch.manual_seed(0)
    network, weights, _ = content(DigitNet(dropout=(0, 0)))
    losses, row = json.loads(
        modules.evaluate(
            """([network, weights, images, labels, batch, rate]) => { const net = new Trainee(network, batch), losses = [];
              net.read(floats(weights)); images = floats(images);
              const steps = labels.length / batch;
              for (let s = 0; s < steps; s++) {
                losses.push(net.slopes(images.subarray(s * batch * 784), labels.slice(s * batch), batch).loss);
                descend(net.learnt, oneCycle(s, steps, rate));
              }
              return JSON.stringify([losses, Array.from(net.write())]); }""",
            [network, base64.b64encode(weights).decode(), sent(images), labels.tolist(), batch, rate],
        )
    )
    return network, torch.tensor(row), torch.tensor(losses)


def test_fifty_steps_are_torch_s(fifty):
    """The same batches and first weights: losses within 1e-3."""
    (_, wanted), (_, _, losses) = fifty
    print(f"largest difference of a loss {(losses - wanted).abs().max():.1e}")
    assert (losses - wanted).abs().max() < 1e-3 and losses[-5:].mean() < losses[:5].mean()


@pytest.mark.parametrize(("steps", "within"), [(2, 1e-4), (50, 1e-2)])
def test_the_running_figures_are_torch_s(modules, mnist, fifty, steps, within):
    """After a few steps to the last digits; in fifty, rounding moves biases that BatchNorm makes meaningless."""
    (model, _), (network, row, _) = fifty if steps == 50 else by_both(modules, mnist, steps)
    assert len(row) == len(numbers(model))
    norms = 0
    for layer in network["layers"]:
        parts = row[layer["at"] : layer["at"] + sum(layer["numbers"])].split(layer["numbers"])
        if len(parts) == 8:
            norm = model.get_submodule(layer["name"].replace("conv", "bn"))
            for ours, theirs in ((parts[2], norm.running_mean), (parts[3], norm.running_var)):
                assert (ours - theirs).abs().max() < within * theirs.abs().max(), layer["name"]
            norms += 1
    assert norms == 7


def test_with_large_steps_rounding_grows_no_faster_than_torch_s(modules, mnist):
    """At the page's own rate a difference in the last digit grows: torch's float32 leaves its float64 likewise."""
    images, labels = mnist.train_images[: 50 * 16].float() / 255, mnist.train_labels[: 50 * 16]
    exact = in_torch(images, labels, 16, 0.1, torch.float64)[1]
    theirs = (in_torch(images, labels, 16, 0.1)[1] - exact).abs()
    losses = in_page(modules, images, labels, 16, 0.1)[2]
    ours = (losses - exact).abs()
    print(f"from float64: ours {ours.max():.1e}, torch's {theirs.max():.1e}; in the first ten steps {ours[:10].max():.1e}")
    assert ours[:10].max() < 1e-3 and ours.max() < 3 * theirs.max() and losses[-5:].mean() < 0.7 * losses[0]


def test_the_rates_are_one_cycle_s(modules):
    for steps in (10, 50, 500):
        optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.3)
        schedule = torch.optim.lr_scheduler.OneCycleLR(
            optimizer, 0.3, total_steps=steps, pct_start=0.4, div_factor=10, final_div_factor=100, cycle_momentum=False
        )
        wanted = []
        for _ in range(steps):
            wanted.append(schedule.get_last_lr()[0])
            optimizer.step()
            if len(wanted) < steps:
                schedule.step()
        ours = modules.evaluate("(n) => Array.from({length: n}, (_, s) => oneCycle(s, n, 0.3))", steps)
        assert ours == pytest.approx(wanted, abs=1e-9)


def test_the_augmentation_is_the_card_s_affine_map(modules, mnist):
    image = mnist.test_images[:1].float() / 255
    draw = {"angle": 17.0, "right": 2, "down": -3, "scale": 0.93, "shear": 4.0}
    names = {"right": "shift_x", "down": "shift_y"}
    wanted = transforms.affine(image, transforms.AffineParams.identity(1, **{names.get(k, k): v for k, v in draw.items()}))
    ours = modules.evaluate(
        """([image, draw]) => { const out = new Float32Array(784); affine(floats(image), 0, out, 0, draw); 
          return Array.from(out); }""",
        [sent(image), draw],
    )
    torch.testing.assert_close(torch.tensor(ours), wanted.flatten(), rtol=0, atol=2e-5)
