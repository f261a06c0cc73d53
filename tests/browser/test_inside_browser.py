"""The page without a kernel, in a real browser: torch's network, MNIST's preparation, sums that add up, for everyone."""

import base64
import json
import re
import zlib

import pytest
import torch
from torch import nn

from course.page import PAGE, page
from mnist_lib import transforms
from mnist_lib.data import Dataset
from mnist_lib.model import DigitNet
from mnist_lib.model.pretrained import recorded_epochs, recorded_net
from mnist_lib.receptive_field import measure_field
from mnist_lib.transforms import normalise
from mnist_lib.widgets import Inside
from mnist_lib.widgets.payload import content
from tests.browser.opening import SCHEMES, SEVEN, draw, dressed, image_of, opened, serious
from tests.lib.test_export import Joined, LeNet, Residual, repeated

pytestmark = pytest.mark.browser


def sent(images: torch.Tensor) -> str:
    """uint8 images, as the page can decode them."""
    return base64.b64encode(images.contiguous().numpy().tobytes()).decode()


def torch_maps(net: DigitNet, images: torch.Tensor) -> dict[str, torch.Tensor]:
    """What each layer hands on, by hooks on the modules after BatchNorm and ReLU."""
    maps, ends = {}, {f"drop{i}": f"conv{i}" for i in range(1, 8)} | {"pool1": "pool1", "gap": "gap", "conv8": "conv8"}
    hooks = [
        net.get_submodule(end).register_forward_hook(lambda m, i, out, name=name: maps.__setitem__(name, out))
        for end, name in ends.items()
    ]
    with torch.no_grad():
        net(normalise(images))
    for hook in hooks:
        hook.remove()
    return maps


def as_if_trained(model: nn.Module) -> nn.Module:
    """No BatchNorm is the identity, and not all behind it is 0."""
    for norm in (module for module in model.modules() if isinstance(module, nn.BatchNorm2d)):
        for values in (norm.running_var, norm.weight.data):
            values.uniform_(0.5, 1.5)
        for values in (norm.running_mean, norm.bias.data):
            values.uniform_(-0.5, 0.5)
    return model.eval()


def maps_of_repeated(net: nn.Module, images: torch.Tensor) -> dict[str, torch.Tensor]:
    """What each layer of `repeated()` hands on, step by step, for images in [0, 1]."""
    conv, pool, norm, _, before, norm_before, _, again = net.steps
    with torch.no_grad():
        maps = {"steps.0": conv((images - transforms.MEAN) / transforms.STD)}
        maps["steps.1"] = norm(pool(maps["steps.0"])).relu()
        maps["steps.4.depth"] = before.depth(maps["steps.1"])
        maps["steps.4.point"] = x = norm_before(before.point(maps["steps.4.depth"])).relu()
        for use, norm in zip(("", "#2", "#3"), again.norms):
            maps[f"steps.7.separable.depth{use}"] = between = again.separable.depth(x)
            maps[f"steps.7.separable.point{use}"] = x = x + norm(again.separable.point(between)).relu()
        maps["mean"] = x.mean((2, 3), keepdim=True)
        maps["answer"] = net.answer(maps["mean"])
    return maps


@pytest.fixture(scope="module")
def skips(chromium, mnist, tmp_path_factory):
    """(page, network): a network that repeats a layer with skips, on a page of its own with three digits."""
    torch.manual_seed(0)
    net = as_if_trained(repeated())
    path = Inside(net, mnist.test_images[:3], mnist.test_labels[:3]).save(tmp_path_factory.mktemp("skips") / "page.html")
    with opened(chromium, path, reduced_motion="reduce") as page:
        yield page, net
        assert not page.complaints


def number(text: str) -> float:
    return float(text.replace("−", "-"))


# ---- the same network ----


def test_the_page_is_current_and_small(mnist):
    """Written anew from the records, it would be the same: its text, and what is packed inside."""

    def parts(text: str):
        around, body, end = re.split(r'(?<=id="content">)(\{.*?\})(?=</script>)', text, flags=re.S)
        packed = json.loads(body)
        lessons, few = packed["training"], packed["others"]["few"]
        bodies = packed["weights"], packed["digits"], lessons.pop("images"), few.pop("weights")
        return around + end, packed["network"], lessons, few, *(zlib.decompress(base64.b64decode(body)) for body in bodies)

    assert parts(PAGE.read_text()) == parts(page(mnist)), "run make report"
    assert PAGE.stat().st_size <= 2_000_000


def test_the_page_shows_mnist_only(digits: Dataset):
    with pytest.raises(ValueError, match="not those of 'digits'"):
        page(digits)


@pytest.mark.parametrize("n", [pytest.param(10_000, marks=pytest.mark.nightly), pytest.param(1_000, marks=pytest.mark.daily)])
def test_test_images_get_torch_s_answers(view, mnist, n):
    """Through the JavaScript: the same answers but for 2 of 10,000, logits within 1e-3."""
    images = mnist.test_images[:n]
    answers = view.evaluate(
        """(text) => { const images = Uint8Array.from(atob(text), (c) => c.charCodeAt(0)), out = [];
          for (let i = 0; i < images.length; i += 784) {
            inside.net.run(Float32Array.from(images.subarray(i, i + 784), (v) => v / 255)); out.push(...inside.net.logits);
          }
          return JSON.stringify(out); }""",
        sent(images),
    )
    net = recorded_net()
    with torch.no_grad():
        expected = torch.cat([net(normalise(some)) for some in images.split(1000)])
    answers = torch.tensor(json.loads(answers)).reshape(-1, 10)
    assert len(answers) == n and (answers - expected).abs().max() < 1e-3
    differ = int((answers.argmax(1) != expected.argmax(1)).sum())
    assert differ <= n // 5_000
    print(f"{differ} answers differ; largest difference of a logit {float((answers - expected).abs().max()):.1e}")


def test_every_map_is_torch_s(view, mnist):
    net, images = recorded_net(), mnist.test_images[:20]
    expected = torch_maps(net, images)
    for i, image in enumerate(images):
        maps = view.evaluate(
            """(image) => { inside.net.run(Float32Array.from(image, (v) => v / 255));
            return JSON.stringify(inside.net.layers.map((layer) => [layer.name, Array.from(layer.out)])); }""",
            image.flatten().tolist(),
        )
        maps = json.loads(maps)
        assert [name for name, _ in maps] == list(expected) and len(maps) == 10
        for name, values in maps:
            difference = (torch.tensor(values) - expected[name][i].flatten()).abs().max()
            assert difference <= 1e-4 * expected[name].abs().max(), name


def test_each_epoch_is_its_snapshot(view, mnist):
    image, seen = mnist.test_images[:1], []
    for epoch, state in recorded_epochs().items():
        net = recorded_net()
        net.load_state_dict(state)
        logits = view.evaluate("(epoch) => { inside.setEpoch(epoch); inside.draw(); return Array.from(inside.logits); }", epoch)
        with torch.no_grad():
            torch.testing.assert_close(torch.tensor(logits)[None], net(normalise(image)), rtol=0, atol=1e-3)
        seen.append(view.locator(".in-epochs output").text_content())
    assert seen[0] == "before any training" and seen[1] == "after 1 epoch" and seen[-1] == "after 20 epochs"


def other_models() -> dict[str, nn.Module]:
    torch.manual_seed(0)
    even = nn.Sequential(
        nn.Conv2d(1, 6, 4, padding="same"), nn.ReLU(), nn.MaxPool2d(3, 2, padding=1, ceil_mode=True),
        nn.Conv2d(6, 9, 3, stride=2, dilation=2, groups=3, bias=False), nn.ReLU(), nn.BatchNorm2d(9),
        nn.AvgPool2d(3, 2, padding=1), nn.AdaptiveAvgPool2d((2, 3)), nn.Flatten(), nn.Dropout(), nn.Linear(54, 10),
    )  # fmt: skip
    average = nn.Sequential(nn.BatchNorm2d(1), nn.Conv2d(1, 5, 3), nn.ReLU(), nn.AvgPool2d(2), nn.Conv2d(5, 10, 13))
    models = {"LeNet": LeNet(), "wide": DigitNet(widths=(5, 8, 3, 7, 4, 6, 9), kernels=(5, 3, 1, 3, 5, 1, 3))}
    models |= {"even": even, "average": average}
    models |= {"repeated": repeated(), "residual": Residual()}
    return {name: as_if_trained(model) for name, model in models.items()}


@pytest.mark.parametrize("name", list(other_models()))
def test_other_networks_show_their_own_maps(view, name):
    """Maps and answers of a reader's network equal torch's, and the view draws them."""
    model = other_models()[name].eval()
    network, weights, _ = content(model)
    image = torch.rand(1, 1, 28, 28, generator=torch.Generator().manual_seed(1))
    maps = view.evaluate(
        """([network, text, image]) => {
          const weights = Uint8Array.from(atob(text), (c) => c.charCodeAt(0)), root = document.createElement("div");
          document.body.append(root);
          const own = new inside.constructor(root, {network, weights, digits: new Uint8Array()});
          own.net.run(Float32Array.from(image));
          const maps = JSON.stringify(own.net.layers.map((layer) => Array.from(layer.out)));
          for (const tab of ["evidence", "poison", "off", "turn", "apart"]) { own.showTab(tab); own.draw(); }
          own.stop(); root.remove();
          return maps;
        }""",
        [network, base64.b64encode(weights).decode(), image.flatten().tolist()],
    )
    maps = json.loads(maps)
    chain = list(model) if isinstance(model, nn.Sequential) else None
    with torch.no_grad():
        torch.testing.assert_close(torch.tensor(maps[-1]), model(normalise(image)).flatten(), rtol=1e-4, atol=1e-4)
        if chain:
            x, expected, heads = normalise(image), [], (nn.Conv2d, nn.Linear, nn.MaxPool2d, nn.AvgPool2d, nn.AdaptiveAvgPool2d)
            for i, module in enumerate(chain):
                x = module(x)
                following = next((m for m in chain[i + 1 :] if not isinstance(m, (nn.Flatten, nn.Dropout))), None)
                if not isinstance(module, (nn.Flatten, nn.Dropout)) and (following is None or isinstance(following, heads)):
                    expected.append(x)
            assert len(expected) == len(maps)
            for ours, theirs in zip(maps, expected):
                torch.testing.assert_close(torch.tensor(ours), theirs.flatten(), rtol=1e-4, atol=1e-4)
    assert not view.complaints


# ---- the same drawing ----


def test_digits_drawn_on_the_pad_are_read_like_the_originals(view, mnist):
    """1,000 test images, each enlarged to strokes somewhere on the pad, and prepared by it.

    A stroke wherever there is a quarter of full ink or more; the pen is as wide as the enlarged pixels.
    """
    images, labels = mnist.test_images[:1000], mnist.test_labels[:1000]
    reads = view.evaluate(
        """(text) => {
          const images = Uint8Array.from(atob(text), (c) => c.charCodeAt(0)) , out = [];
          for (let n = 0; n < images.length / 784; n++) {
            const inked = (y, x) => y >= 0 && x >= 0 && y < 28 && x < 28 && images[n * 784 + y * 28 + x] > 63;
            const size = 5 + (n % 5), left = (n * 7) % (281 - 28 * size), top = (n * 13) % (281 - 28 * size);
            const at = (y, x) => [left + (x + 0.5) * size, top + (y + 0.5) * size];
            inside.pad.clear();
            for (let y = 0; y < 28; y++) for (let x = 0; x < 28; x++) if (inked(y, x)) {
              const width = size, points = [at(y, x)];
              if (inked(y, x + 1)) points.push(at(y, x + 1), at(y, x));
              if (inked(y + 1, x)) points.push(at(y + 1, x));
              inside.pad.strokes.push({width, points});
            }
            inside.pad.redraw();
            inside.net.run(inside.pad.image(true));
            out.push(inside.net.logits.indexOf(Math.max(...inside.net.logits)));
          }
          return out; }""",
        sent(images),
    )
    with torch.no_grad():
        originals = recorded_net()(normalise(images)).argmax(1).eq(labels).float().mean()
    drawn = torch.tensor(reads).eq(labels).float().mean()
    print(f"originals {originals:.2%}, drawn {drawn:.2%}")
    assert abs(drawn - originals) <= 0.005


def test_preparation_crops_fits_and_centres(view):
    """A 7 drawn small in a corner fills 20 pixels and lies around the middle; as it was drawn, it stays in its corner."""
    view.evaluate("inside.pad.clear()")
    draw(view, [(x / 3, y / 3) for x, y in SEVEN])
    image = image_of(view)[0, 0]
    rows, cols = image.sum(1).nonzero().flatten(), image.sum(0).nonzero().flatten()
    assert max(rows[-1] - rows[0], cols[-1] - cols[0]) + 1 == 20
    mass = image.sum()
    centre = [(image.sum(axis) * torch.arange(28)).sum() / mass for axis in (1, 0)]
    assert all(abs(place - 13.5) <= 1 for place in centre)
    assert view.evaluate("inside.best") == 7
    view.locator(".in-prepared input").uncheck()
    view.evaluate("inside.draw()")
    assert not image_of(view)[0, 0, 14:].any() and image_of(view).any()
    view.locator(".in-prepared input").check()


def test_an_empty_drawing_gets_no_answer_and_a_black_one_breaks_nothing(view):
    view.evaluate("inside.pad.clear(); inside.draw()")
    assert view.evaluate("inside.logits") is None and "no answer" in view.locator(".in-verdict").text_content()
    view.evaluate(
        """() => { inside.pad.ink.fillRect(0, 0, 280, 280); inside.pad.strokes.push({width: 1, points: []}); inside.draw(); }"""
    )
    image = image_of(view)
    assert image.gt(0.999).sum() == 400 == image.gt(0).sum()
    assert all(abs(v) < 1e4 for v in view.evaluate("Array.from(inside.logits)"))
    draw(view)
    view.get_by_role("button", name="Undo").click()
    view.get_by_role("button", name="Undo").click()
    view.evaluate("inside.draw()")
    assert view.evaluate("inside.logits") is None


# ---- the sums ----


def test_printed_parts_add_up_to_torch_s_number(view, mnist):
    view.evaluate("inside.take(3); inside.draw()")
    net = recorded_net()
    assert parts_add_up(view, net, torch_maps(net, mnist.test_images[3:4])) > 15


def parts_add_up(view, net: nn.Module, expected: dict[str, torch.Tensor]) -> int:
    """Random units of every layer: rows, bias, BatchNorm, ReLU and additions as printed, against torch -> how many not 0."""
    generator, alive = torch.Generator().manual_seed(0), 0
    for i, (name, maps) in enumerate(expected.items()):
        for _ in range(4):
            unit = [int(torch.randint(n, (), generator=generator)) for n in maps.shape[1:]]
            rows, steps, result = view.evaluate(
                """([layer, map, row, col]) => { inside.setUnit({layer, map, row, col}); inside.draw();
                  const texts = (selector) => [...document.querySelectorAll(selector)].map((node) => node.textContent);
                  return [texts(".in-sums td:last-child"),
                    [...document.querySelectorAll(".in-steps tr")].map((tr) => [...tr.cells].map((cell) => cell.textContent)),
                    document.querySelector(".in-result").textContent]; }""",
                [i, *unit],
            )
            value, rows = float(maps[0, unit[0], unit[1], unit[2]]), [number(row) for row in rows]
            steps = [(label, number(text)) for label, text in steps]
            total = sum(rows)
            if steps[1:] and steps[1][0] == "+ bias":
                conv = net.get_submodule(name.split("#")[0])
                assert len(rows) == conv.in_channels // conv.groups
                assert total == pytest.approx(steps[0][1], abs=6e-5 * (len(rows) + 1))
                total = steps[0][1] + steps[1][1]
                assert total == pytest.approx(steps[2][1], abs=2e-4)
                steps = steps[3:]
            for label, after in steps:
                if added := re.fullmatch(r"\+ the same place of (.+)", label):
                    assert after == pytest.approx(float(expected[added[1]][0, unit[0], unit[1], unit[2]]), abs=1e-4)
                    total += after
                if label.startswith("BatchNorm"):
                    mean, var, weight = (number(re.findall(r"−?\d+\.\d+", label)[k]) for k in (1, 2, 3))
                    bias = number(re.findall(r"([+−]) (\d+\.\d+)$", label)[0][0].replace("+", "") + label.split()[-1])
                    mean = -mean if ") /" in label and re.search(r"\d \+ \d+\.\d+\) /", label) else mean
                    total = (total - mean) / (var + 1e-5) ** 0.5 * weight + bias
                    assert total == pytest.approx(after, abs=2e-3, rel=2e-3)
                    total = after
                if label.startswith("ReLU"):
                    total = max(total, 0)
            assert total == pytest.approx(value, abs=3e-4), (name, unit)
            assert number(result) == pytest.approx(value, abs=1e-4), (name, unit)
            alive += value != 0
    return alive


def test_evidence_and_bias_are_the_logit(view, mnist):
    with torch.no_grad():
        logits = recorded_net()(normalise(mnist.test_images[:1]))[0]
    for why, why_not in ((None, None), (3, None), (3, 5)):
        places, equation, exact = view.evaluate(
            """([why, whyNot]) => { Object.assign(inside.tabs.evidence, {why, whyNot});
              inside.showTab("evidence"); inside.draw();
              return [[...document.querySelectorAll(".in-places td")].map((td) => td.textContent),
                [...document.querySelectorAll(".in-equation b")].map((b) => b.textContent),
                Array.from(inside.tabs.evidence.share.places)]; }""",
            [why, why_not],
        )
        total, bias, logit = (number(text) for text in equation)
        expected = logits[7 if why is None else why] - (0 if why_not is None else logits[why_not])
        assert len(places) == 36 and sum(map(number, places)) == pytest.approx(total, abs=36 * 0.005)
        assert sum(exact) == pytest.approx(total, abs=1e-4)
        assert total + bias == pytest.approx(logit, abs=2e-4) and logit == pytest.approx(float(expected), abs=1e-3)


def test_evidence_is_the_logit_also_while_a_map_is_off(view):
    """Of the mean too, which lies behind the places."""
    for layer, map in ((7, 6), (8, 6)):
        total, logit, whole = view.evaluate(
            """(off) => { inside.asItWas(); inside.draw(); const whole = inside.logits[7];
              inside.off = off; inside.showTab("evidence"); inside.draw(); const {places, bias} = inside.tabs.evidence.share;
              return [places.reduce((a, b) => a + b, bias), inside.logits[inside.best], whole]; }""",
            {"layer": layer, "map": map},
        )
        assert total == pytest.approx(logit, abs=1e-4) and abs(logit - whole) > 0.1


def test_poisoned_units_and_killing_pixels_are_measure_field_s(view):
    net, generator = recorded_net(), torch.Generator().manual_seed(0)
    pixels = [(0, 0), (13, 14), (27, 20)]
    dead = view.evaluate(
        """(pixels) => { inside.showTab("poison"); return pixels.map(([row, col]) => {
          inside.tabs.poison.set({row, col}); inside.draw();
          const marks = (out) => Array.from(out, (v) => (v !== v ? "1" : "0")).join("");
          return inside.twin.layers.map(({name, shape, out}) => [name, shape, marks(out)]); }); }""",
        pixels,
    )
    sizes = {name: shape for name, shape, _ in dead[0]}
    for name, (maps, height, width) in sizes.items():
        for _ in range(2):
            row, col = (int(torch.randint(n, (), generator=generator)) for n in (height, width))
            seen = measure_field(net, name, (row, col))
            for pixel, layers in zip(pixels, dead):
                nan = next(
                    torch.tensor([v == "1" for v in out]).reshape(maps, height, width) for n, _, out in layers if n == name
                )
                assert nan[:, row, col].eq(seen[pixel]).all(), (name, row, col, pixel)
            killed = view.evaluate(
                """async ([name, row, col]) => { const layer = inside.net.layers.findIndex((one) => one.name === name);
                  inside.setUnit({layer, map: 0, row, col}); inside.draw();
                  while (!inside.tabs.poison.killed) await new Promise((done) => setTimeout(done, 20));
                  return Array.from(inside.tabs.poison.killed); }""",
                [name, row, col],
            )
            assert torch.equal(torch.tensor(killed).bool().reshape(28, 28), seen), name
    table = view.locator(".in-dead tbody tr").all_text_contents()
    assert len(table) == 10 and table[-1] == "conv811"


def test_a_map_switched_off_is_torch_s_with_zeros(view, mnist):
    net, images, labels = recorded_net(), mnist.test_images[:200], mnist.test_labels[:200]
    view.evaluate("""() => { inside.setUnit({layer: 7, map: 4, row: 0, col: 0}); inside.showTab("off"); }""")
    view.get_by_role("checkbox", name=re.compile("switch conv7, map 4 off")).check()
    logits = view.evaluate("inside.draw(); Array.from(inside.logits)")
    with_it, without = view.evaluate("inside.tabs.off.overMany(200)")
    with torch.no_grad():
        before = net(normalise(images)).argmax(1).eq(labels).sum()
        net.drop7.register_forward_hook(lambda m, i, out: out.index_fill(1, torch.tensor([4]), 0))
        after = net(normalise(images))
    assert (with_it, without) == (before, after.argmax(1).eq(labels).sum()) and without < with_it
    torch.testing.assert_close(torch.tensor(logits), after[0], rtol=0, atol=1e-3)
    assert f"{with_it} are read correctly with it and {without} without it" in view.locator(".in-body").text_content()


def test_what_was_counted_without_a_map_is_not_said_of_another(view):
    """Another epoch, or another map, while a thousand digits are read: the count stops; the answers are never off."""
    view.evaluate("""() => { inside.setUnit({layer: 7, map: 4, row: 0, col: 0}); inside.showTab("off"); }""")
    view.evaluate("() => { inside.switchOff(inside.unit); inside.draw(); inside.counting = inside.tabs.off.overMany(); }")
    assert view.locator("progress").is_visible()
    assert view.evaluate("() => { inside.setEpoch(1); inside.draw(); return inside.counting; }") is None
    assert view.locator("progress").is_hidden() and view.evaluate("inside.tabs.off.tested.textContent") == ""
    view.evaluate("() => { inside.setUnit({layer: 9, map: 4, row: 0, col: 0}); inside.draw(); }")
    assert view.evaluate("inside.off") is None and view.locator(".in-body input[type=checkbox]").is_disabled()


# ---- the same, where a layer is used again and its skip adds what came before ----


def test_every_map_of_a_network_with_skips_is_torch_s(skips, mnist):
    page, net = skips
    for i in range(3):
        page.evaluate("(i) => { inside.take(i); inside.draw(); }", i)
        maps = page.evaluate("inside.net.layers.map(({name, out}) => [name, Array.from(out)])")
        expected = maps_of_repeated(net, mnist.test_images[i : i + 1] / 255)
        assert [name for name, _ in maps] == list(expected)
        for name, values in maps:
            torch.testing.assert_close(torch.tensor(values).float(), expected[name].flatten(), rtol=1e-4, atol=1e-4)
            assert expected[name].abs().max() > 0.01


def test_printed_parts_add_up_with_skips(skips, mnist):
    page, net = skips
    page.evaluate("inside.take(1); inside.showTab('apart'); inside.draw()")
    assert parts_add_up(page, net, maps_of_repeated(net, mnist.test_images[1:2] / 255)) > 20
    page.evaluate("inside.setUnit({layer: 7, map: 2, row: 3, col: 4}); inside.draw()")
    assert page.locator(".in-steps th").all_text_contents()[-2:] == ["+ the same place of steps.7.separable.point", "="]


def test_poison_spreads_through_skips_as_torch_s_nan(skips, mnist):
    page, net = skips
    page.evaluate("inside.take(1); inside.showTab('poison')")
    for row, col in ((0, 0), (13, 14), (27, 20)):
        image = mnist.test_images[1:2] / 255
        image[0, 0, row, col] = torch.nan
        dead = page.evaluate(
            """([row, col]) => { inside.tabs.poison.set({row, col}); inside.draw();
              return inside.twin.layers.map(({out}) => Array.from(out, Number.isNaN)); }""",
            [row, col],
        )
        for (name, maps), marks in zip(maps_of_repeated(net, image).items(), dead, strict=True):
            assert torch.equal(torch.tensor(marks), maps.isnan().flatten()), (name, row, col)
    killed = page.evaluate(
        """async () => { inside.setUnit({layer: 9, map: 0, row: 2, col: 7}); inside.draw();
          while (!inside.tabs.poison.killed) await new Promise((done) => setTimeout(done, 20));
          return Array.from(inside.tabs.poison.killed); }"""
    )
    assert torch.equal(torch.tensor(killed).bool().reshape(28, 28), measure_field(net, "add#3", (2, 7)))


def test_poison_reaches_a_unit_by_the_skip_alone(skips):
    page, _ = skips
    net = Joined(lambda net, x: net.sides(x) + x).eval()
    network, weights, _ = content(net)
    numbers = torch.frombuffer(bytearray(weights), dtype=torch.float32).tolist()
    marks = page.evaluate(
        """([{layers, mean, std}, numbers]) => { const image = new Float32Array(784).fill(0.5);
          image[13 * 28 + 14] = NaN;
          const twin = new inside.net.constructor(layers, Float32Array.from(numbers), mean, std).twin();
          twin.run(image);
          return Array.from(twin.layers[1].out.subarray(0, 784), Number.isNaN); }""",
        [network, numbers],
    )
    dead = torch.tensor(marks).reshape(28, 28).nonzero().tolist()
    assert dead == [[13, 13], [13, 14], [13, 15]]
    assert measure_field(net, "add", (13, 14), method="poison").nonzero().tolist() == dead


def test_a_map_switched_off_is_not_added_and_evidence_is_the_logit(skips, mnist):
    """Off: a map that the first use reads and its skip adds. The evidence is that of the sums behind the last skip."""
    page, net = skips
    hook = net.steps[6].register_forward_hook(lambda module, inputs, out: out.index_fill(1, torch.tensor([5]), 0))
    with torch.no_grad():
        expected = net(normalise(mnist.test_images[1:2]))[0]
    hook.remove()
    logits, places, bias = page.evaluate(
        """() => { inside.take(1); inside.switchOff({layer: 3, map: 5}); inside.showTab("evidence"); inside.draw();
          const {places, bias} = inside.tabs.evidence.share, logits = Array.from(inside.logits);
          inside.showTab("turn"); inside.draw(); inside.asItWas(); return [logits, Array.from(places), bias]; }"""
    )
    torch.testing.assert_close(torch.tensor(logits), expected, rtol=1e-4, atol=1e-4)
    assert sum(places) + bias == pytest.approx(float(expected.max()), abs=1e-4)


def test_unit_is_shown_to_be_made_of_what_a_skip_adds(skips):
    """A box and a line for the number that is added; a depthwise convolution reads one map."""
    page, _ = skips
    boxes = """(unit) => { const {lines} = inside.maps, found = [], box = lines.box;
      lines.box = function (...place) { found.push(place.slice(0, 2).join()); return box.apply(this, place); };
      inside.showTab("apart"); inside.draw(); lines.draw(inside.theme, unit); lines.hide(); delete lines.box; return found; }"""
    unit = {"layer": 5, "map": 2, "row": 3, "col": 4}
    assert page.evaluate(boxes, unit) == ["5,2", *(f"4,{map}" for map in range(24)), "3,2"]
    assert page.evaluate(boxes, unit | {"layer": 4}) == ["4,2", "3,2"]


def test_undo_brings_back_what_was_drawn(view):
    draw(view)
    view.evaluate("inside.take(3)")
    view.get_by_role("button", name="Undo").click()
    assert view.evaluate("inside.draw(); inside.best") == 7 and view.evaluate("inside.pad.strokes.length") == 1
    view.get_by_role("button", name="Clear").click()
    view.get_by_role("button", name="Undo").click()
    assert view.evaluate("inside.draw(); inside.best") == 7


def test_a_second_finger_and_the_right_button_draw_nothing(view):
    strokes = view.evaluate("""() => { const {pad} = inside, {canvas} = pad, box = canvas.getBoundingClientRect();
      const send = (type, pointerId, x, button = 0) => canvas.dispatchEvent(new PointerEvent(type,
        {clientX: box.left + x, clientY: box.top + 90, bubbles: true, pointerId, button}));
      canvas.setPointerCapture = () => {};
      pad.clear();
      send("pointerdown", 3, 50, 2), send("pointerdown", 1, 50), send("pointerdown", 2, 200), send("pointermove", 2, 210);
      send("pointermove", 1, 60), send("pointerup", 2, 210), send("pointermove", 1, 70), send("pointerup", 1, 70);
      delete canvas.setPointerCapture;
      return pad.strokes.map(({points}) => points.length); }""")
    assert strokes == [3]


@pytest.mark.parametrize(
    "change", [{"angle": 33.0}, {"scale": 0.6}, {"right": 4.0, "down": -3.0}, {"angle": -70.0, "scale": 1.4}]
)
def test_turning_is_the_card_s_affine_map(view, mnist, change):
    view.evaluate(
        "(change) => { inside.showTab('turn'); inside.setTurned({...inside.turned, ...change}); inside.draw(); }", change
    )
    names = {"right": "shift_x", "down": "shift_y"}
    drawn = transforms.AffineParams.identity(1, **{names.get(key, key): value for key, value in change.items()})
    expected = transforms.affine(mnist.test_images[:1].float() / 255, drawn)
    torch.testing.assert_close(image_of(view), expected, rtol=0, atol=2e-5)


# ---- everyone ----


def test_nothing_leaves_the_page(chromium, mnist):
    """Every feature used with the network cut off: no request but for the file, no complaint in the console."""
    with opened(chromium) as page:
        draw(page)
        for tab in ("poison", "evidence", "off", "turn", "apart"):
            page.evaluate("(tab) => { inside.showTab(tab); inside.draw(); }", tab)
            page.wait_for_timeout(80)
        page.locator(".in-maps > figure canvas").nth(5).click(position={"x": 30, "y": 20})
        assert page.evaluate("inside.unit.layer") == 5
        image, chosen = page.locator(".in-shown").all()
        image.click(position={"x": 50, "y": 90})  # of 172 x 172, a little more than 6 a pixel
        assert page.evaluate("inside.tab") == "poison" and page.evaluate("inside.tabs.poison.pixel") == {"row": 14, "col": 8}
        chosen.click(position={"x": 100, "y": 30})  # 21.5 for each of conv5's 8 x 8 units
        assert page.evaluate("inside.unit") == {"layer": 5, "map": 0, "row": 1, "col": 4}
        assert page.asked == [PAGE.as_uri()] and page.complaints == []
        assert not re.findall(r'(?:src|href)="(?!data:|https://github.com)', PAGE.read_text())


def test_all_of_it_by_keyboard(chromium):
    with opened(chromium) as page:
        press = page.keyboard.press
        for name in ("13,960 numbers", "3,502 numbers"):
            press("Tab")
            assert page.evaluate("document.activeElement.textContent") == name
        press("Tab")
        assert page.evaluate("document.activeElement.className") == "in-pad"
        for key in ["ArrowUp"] * 8 + [" "] + ["ArrowDown"] * 16 + [" "]:  # a 1
            press(key)
        page.wait_for_function("() => inside.best === 1")
        page.wait_for_function(
            "() => document.querySelector('#inside > [role=status]').textContent.startsWith('The network reads a 1')"
        )
        press("u")
        page.wait_for_function("() => inside.logits === null")
        reached = set()
        for _ in range(60):
            press("Tab")
            reached.add(
                page.evaluate(
                    "document.activeElement.ariaLabel || document.activeElement.textContent || document.activeElement.type"
                )
            )
            if page.evaluate("document.activeElement.getAttribute('role')") == "tab":
                break
        layers = page.evaluate("inside.net.layers.map((layer) => layer.name)")
        assert all(any(name.startswith(f"{layer}:") for name in reached) for layer in layers)
        assert {
            "Undo",
            "Clear",
            "Copy link",
            "Save picture",
            "Start from nothing",
            "Play",
            "Take a 0",
            "Misread digits",
        } <= reached
        for tab in ("Poison", "Evidence", "Switch off", "Turn", "Take apart"):
            press("ArrowRight")
            assert (
                page.evaluate("document.activeElement.textContent")
                == tab
                == page.locator("[aria-selected=true]").text_content()
            )
        page.locator(".in-maps > figure canvas").nth(1).focus()
        for key in ("PageDown", "ArrowDown", "ArrowRight", "ArrowRight"):
            press(key)
        assert page.evaluate("inside.unit") == {"layer": 1, "map": 1, "row": 1, "col": 2}
        said = "conv2, map 1, row 1, column 2 is"  # once the next frame is drawn
        page.wait_for_function("said => document.querySelector('.in-body').textContent.includes(said)", arg=said)
        page.wait_for_function(
            "() => document.querySelector('#inside > [role=status]').textContent.startsWith('conv2, map 1, row 1, c')"
        )
        page.get_by_label("row", exact=True).focus()
        press("ArrowUp")
        press("ArrowUp")  # the field is still there, with the focus
        assert page.evaluate("inside.unit.row") == 3
        assert page.complaints == []


def test_axe_finds_nothing_serious(view):
    view.evaluate("inside.take(1010); inside.draw()")
    assert view.locator(".in-wrong").count() == 1
    for scheme, width in SCHEMES:
        dressed(view, scheme, width)
        for tab in ("apart", "poison", "evidence", "turn", "off"):
            view.evaluate("(tab) => { inside.showTab(tab); inside.draw(); }", tab)
            if tab == "off":
                view.evaluate("inside.switchOff({layer: 3, map: 2}); inside.draw()")
            assert serious(view) == [], (scheme, width, tab)
        view.evaluate("inside.asItWas()")


def test_a_phone_draws_without_scrolling(chromium):
    with opened(chromium, viewport={"width": 360, "height": 740}, has_touch=True, is_mobile=True) as page:
        assert page.evaluate("document.documentElement.scrollWidth") <= 360
        box = page.locator(".in-pad").bounding_box()
        touch = page.context.new_cdp_session(page)
        for i, (x, y) in enumerate(SEVEN):
            spot = {"x": box["x"] + x * box["width"] / 280, "y": box["y"] + y * box["height"] / 280}
            touch.send("Input.dispatchTouchEvent", {"type": "touchMove" if i else "touchStart", "touchPoints": [spot]})
        touch.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
        page.evaluate("inside.draw()")
        assert page.evaluate("inside.pad.strokes.length") == 1 and page.evaluate("inside.best") == 7
        assert page.evaluate("window.scrollY") == 0
        page.locator(".in-maps > figure canvas").nth(4).tap(position={"x": 20, "y": 20})
        assert page.evaluate("inside.unit.layer") == 4


def test_preferences_are_honoured(chromium):
    def look(**options):
        with opened(chromium, **options) as page:
            return page.evaluate("""() => [getComputedStyle(document.querySelector(".in-hint")).animationName,
                getComputedStyle(inside.root).backgroundColor, inside.theme.ink]""")

    assert look(reduced_motion="no-preference", color_scheme="light") == ["in-call", "rgb(255, 255, 255)", "#1f2328"]
    assert look(reduced_motion="reduce", color_scheme="dark") == ["none", "rgb(13, 17, 23)", "#e6edf3"]
