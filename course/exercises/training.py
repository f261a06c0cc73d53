"""Exercises of notebook 04."""

import math
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from course.exercises.checking import NotYet, alike, brief, case, compare, noted, refused, to_tensor
from mnist_lib.model import DigitNet
from mnist_lib.trainer.loop import one_step


def _cross_entropy(answer: Callable) -> bool:
    """First ordinary logits, then large ones, then whether the input is left as it was and a gradient gets through."""

    def slips(a: Tensor, y: Tensor) -> dict[str, Tensor]:
        right, p, log_p = F.cross_entropy(a, y), a.softmax(1), a.log_softmax(1)
        own = p.gather(1, y[:, None])  # the probability of each image's label
        return {
            "softmax over the images (dim 0): each image's ten numbers become probabilities by themselves (dim 1)": (
                F.nll_loss(a.log_softmax(0), y)
            ),
            "the sum runs over the whole batch; each image has its own sum (dim=1)": (
                -(a.exp() / a.exp().sum()).gather(1, y[:, None]).log().mean()
            ),
            "softmax twice: F.cross_entropy takes logits and makes the probabilities itself": F.cross_entropy(p, y),
            "the losses are added up; the loss of a batch is their mean": F.cross_entropy(a, y, reduction="sum"),
            "one loss for each image; the loss of a batch is their mean": F.cross_entropy(a, y, reduction="none"),
            "divided by the number of logits, not of images": right / a.shape[1],
            "log2: the natural logarithm is meant, torch.log": right / math.log(2),
            "log10: the natural logarithm is meant, torch.log": right / math.log(10),
            "the sign is wrong: a probability's logarithm is below zero, the loss above": -right,
            "1 - p in place of -log p": (1 - own).mean(),
            "the most probable digit's logarithm, not the label's": -log_p.amax(1).mean(),
            "the logarithm of the mean probability, not the mean of the logarithms": -own.mean().log(),
            "the labels pick rows, which are images; each row's own label is wanted: p[torch.arange(len(labels)), labels]": (
                -log_p[y].mean()
            ),
            "every label is picked in every row; each row's own is wanted: p[torch.arange(len(labels)), labels]": (
                -log_p[:, y].mean()
            ),
            "no softmax: the logit itself is taken for a probability's logarithm": -a.gather(1, y[:, None]).mean(),
        }

    cases, draw = [], torch.Generator().manual_seed(4)
    for n, dtype in ((12, torch.float32), (10, torch.float64), (16, torch.float32)):
        logits = 2 * torch.randn(n, 10, generator=draw, dtype=dtype)
        labels = torch.randint(10, (n,), generator=draw)
        p = logits.softmax(1)[0, labels[0]]
        words = f"random logits ({n}, 10); the first label is {labels[0]}, its probability {p:.4f}"
        cases.append((words, (logits, labels)))
    compare(lambda a, y: answer(a.clone(), y.clone()), F.cross_entropy, slips, cases)
    logits, labels = cases[0][1][0] * 2000, cases[0][1][1]
    given = logits.clone()
    words, expected, got = "the same logits times 2000", F.cross_entropy(logits, labels), to_tensor(answer(given, labels))
    if not torch.isfinite(got).all():
        slip = (
            "overflow: exp(2000) is infinite, and a probability that is rounded to 0 has an infinite logarithm. "
            "Subtract the largest logit of each image first, and take the logarithm of the sum, not of the quotient"
        )
        raise refused(slip, case(words, expected, got))
    if not alike(expected, got):
        slip = "a small number keeps the probability above 0, so a very wrong answer costs too little"
        raise refused(slip if got.numel() == 1 and got < expected else None, case(words, expected, got))
    if not torch.equal(given, logits):
        slip = (
            "the logits are changed in place, so the caller's own tensor changes: make a new one, as in logits = logits - ..., "
            "not logits -= ..."
        )
        raise refused(slip, case(f"{words}; afterwards the logits are", logits, given))
    try:
        loss = answer(cases[0][1][0].clone().requires_grad_(), labels)
    except RuntimeError as error:
        if "numpy" not in str(error).lower():
            raise
        loss = None  # NumPy refuses a tensor that requires a gradient
    if not (isinstance(loss, Tensor) and loss.requires_grad):
        raise NotYet(
            "The number is right, but backward can't go through it. Use only tensors and torch's functions, without .item(), "
            ".detach(), .data, float() or NumPy."
        )
    return True


def _step(answer: Callable) -> bool:
    """Eight steps of torch's SGD, whose rate changes from step to step."""

    def steps(step: Callable, start: Tensor, gradients: Tensor, rates: list[float], momentum: float) -> Tensor:
        """Where each step ends: (8, 3)."""
        p, v, seen = start.clone(), torch.zeros_like(start), []
        for g, rate in zip(gradients, rates, strict=True):
            pair = step(p.clone(), v.clone(), g.clone(), rate, momentum)
            if not isinstance(pair, tuple | list) or len(pair) != 2:
                raise NotYet(f"It should return two things, the new (p, v), not {type(pair).__name__}.")
            p, v = (to_tensor(half).clone() for half in pair)
            seen.append(p)
        return torch.stack(seen)

    def by_torch(start: Tensor, gradients: Tensor, rates: list[float], momentum: float) -> Tensor:
        p, seen = nn.Parameter(start.clone()), []
        optimizer = torch.optim.SGD([p], lr=1.0, momentum=momentum)
        for g, rate in zip(gradients, rates, strict=True):
            optimizer.param_groups[0]["lr"], p.grad = rate, g.clone()
            optimizer.step()
            seen.append(p.detach().clone())
        return torch.stack(seen)

    wrong = {
        "the rate is inside v: when it changes, old steps keep their old rate; multiply v by lr when p moves": (
            lambda p, v, g, lr, m: (p - (m * v + lr * g), m * v + lr * g)
        ),
        "g is multiplied by 1 - m, so that steps are ten times too small with m = 0.9": lambda p, v, g, lr, m: (
            p - lr * (m * v + (1 - m) * g),
            m * v + (1 - m) * g,
        ),
        "the old v moves p: compute the new v first": lambda p, v, g, lr, m: (p - lr * v, m * v + g),
        "plus where minus belongs: it climbs": lambda p, v, g, lr, m: (p + lr * (m * v + g), m * v + g),
        "no momentum: nothing of the old v is kept": lambda p, v, g, lr, m: (p - lr * g, g),
        "Nesterov's step, which looks one step ahead": lambda p, v, g, lr, m: (p - lr * (g + m * (m * v + g)), m * v + g),
        "m is left out: v never forgets": lambda p, v, g, lr, m: (p - lr * (v + g), v + g),
        "m multiplies the gradient, too": lambda p, v, g, lr, m: (p - lr * m * (v + g), m * (v + g)),
        "the pair is the other way round: first p, then v": lambda p, v, g, lr, m: (m * v + g, p - lr * (m * v + g)),
    }

    def slips(*run) -> dict[str, Tensor]:
        return {slip: steps(step, *run) for slip, step in wrong.items()}

    cases, draw = [], torch.Generator().manual_seed(5)
    for momentum in (0.9, 0.5):
        start, gradients = (torch.randn(*shape, generator=draw, dtype=torch.float64) for shape in ((3,), (8, 3)))
        rate = torch.rand(8, generator=draw).mul(0.4).add(0.1).tolist()
        words = f"eight steps from p = [{', '.join(f'{x:.2f}' for x in start)}], v = 0, m = {momentum}, with rates "
        words += f"{', '.join(f'{x:.2f}' for x in rate)}; after each step p is"
        cases.append((words, (start, gradients, rate, momentum)))
    return compare(lambda *run: steps(answer, *run), by_torch, slips, cases)


def _logits_gradient(answer: Callable) -> bool:
    """What backward leaves at the logits: softmax minus one-hot, over the number of images."""

    def right(logits: Tensor, labels: Tensor) -> Tensor:
        logits = logits.clone().requires_grad_()
        return torch.autograd.grad(F.cross_entropy(logits, labels), logits)[0]

    def slips(a: Tensor, y: Tensor) -> dict[str, Tensor]:
        p, hot, n = a.softmax(1), F.one_hot(y, a.shape[1]), len(a)
        return {
            "not divided by the number of images: the loss is their mean, so each image has a share of 1/N": p - hot,
            "the sign is wrong: the right digit's logit should rise, so its slope is below zero": (hot - p) / n,
            "the 1 of the label is missing: the loss also contains minus the label's logit": p / n,
            "only the label's column is filled, but every logit is in the softmax's sum": (p - 1) * hot / n,
            "p (1 - p) is the slope of p; the slope of -log p is asked for": p * (1 - p) / n,
            "-1/p is the slope of -log p along p; the slope along the logits is asked for": -hot / p / n,
            "softmax over the images (dim 0): each image's ten numbers become probabilities by themselves (dim 1)": (
                (a.softmax(0) - hot) / n
            ),
            "the logits themselves in place of their softmax": (a - hot) / n,
            "divided by the number of logits; the loss is the mean over images": (p - hot) / a.numel(),
            "one row for the whole batch: each image has ten slopes of its own": (p - hot).sum(0) / n,
        }

    cases, draw = [], torch.Generator().manual_seed(8)
    for n in (1, 2, 5, 8):
        logits = 2 * torch.randn(n, 10, generator=draw, dtype=torch.float64)
        labels = torch.randint(10, (n,), generator=draw)
        p = logits.softmax(1)[0, labels[0]]
        cases.append((f"logits ({n}, 10); the first label is {labels[0]}, its probability {p:.4f}", (logits, labels)))
    return compare(lambda a, y: answer(a.clone(), y.clone()), right, slips, cases)


def _train_step(answer: Callable) -> bool:
    """Three steps beside the library's, from the same weights; if they differ, the order of the calls tells the slip."""

    def start() -> tuple[DigitNet, torch.optim.SGD]:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(4)
            net = DigitNet(dropout=(0.0, 0.0))  # nothing random: the same steps give the same result
        return net, torch.optim.SGD(net.parameters(), lr=0.1, momentum=0.9)

    draw = torch.Generator().manual_seed(6)
    batches = [(torch.randn(8, 1, 28, 28, generator=draw), torch.randint(10, (8,), generator=draw)) for _ in range(3)]
    (net, optimizer), (reference, its_optimizer) = start(), start()
    events, expected, got = _watch(net, optimizer), [], []
    words = "three batches of 8 random images, one call each, for a network that was left in evaluation mode; "
    for images, labels in batches:
        losses, _ = one_step(reference.train(), its_optimizer, images, labels)
        expected.append(losses.mean())
        net.eval()  # as after a measurement
        events.append("call")
        try:
            loss = to_tensor(answer(net, optimizer, images.clone(), labels.clone()))
        except RuntimeError as error:  # torch refuses to go backward through weights that a step has changed
            if "step" not in _last_call(events) or "backward" in _last_call(events):
                raise
            raise refused(EARLY, case(words, "three losses", f"RuntimeError: {str(error).split(':')[0]}")) from None
        if loss.numel() != 1:
            raise NotYet(f"It should return one number, the mean loss of the batch, not {brief(loss)}.")
        got.append(loss.reshape(()))
    seen = [(f"{words}the losses are", torch.stack(expected), torch.stack(got))]
    ours, theirs = reference.state_dict(), net.state_dict()
    for name in ("bn1.running_mean", "conv8.weight", *ours):
        seen.append((f"{words}afterwards {name} is", ours[name], theirs[name]))
    failed = [shown for shown in seen if not alike(*shown[1:])]
    if not failed:
        return True
    by_itself = "step" not in _last_call(events) and not torch.equal(theirs["conv8.weight"], start()[0].conv8.weight)
    slip = BY_ITSELF if by_itself else _slip_of(events) or _slip_of_loss(start, batches, torch.stack(got))
    raise refused(slip, case(*failed[0]))


BY_ITSELF = "the weights are moved by hand, without the optimizer's momentum: call optimizer.step()"
EARLY = "the step comes before backward: it uses the last batch's gradients, or none"


def _watch(net: nn.Module, optimizer: torch.optim.Optimizer) -> list[str]:
    """A list that fills with what is done to a network: forward in which mode, zero, backward, step."""
    events: list[str] = []
    net.register_forward_pre_hook(lambda module, inputs: events.append("train" if module.training else "eval"))
    net.conv8.weight.register_hook(lambda gradient: events.append("backward"))
    for owner in (optimizer, net):
        owner.zero_grad = noted(events, "zero", owner.zero_grad)
    optimizer.register_step_pre_hook(lambda *_: events.append("step"))
    return events


def _last_call(events: list[str]) -> list[str]:
    return events[len(events) - events[::-1].index("call") :]


def _slip_of(events: list[str]) -> str | None:
    """What went wrong in the last call, by the order of its events."""
    last = _last_call(events)
    at = {word: last.index(word) for word in last}  # the first of each
    if "eval" in at:
        return "evaluation mode: BatchNorm uses its running statistics and does not update them; call net.train() first"
    if "backward" not in at:
        return "nothing goes backward: loss.backward() computes the gradients"
    if "step" not in at:
        return "no step: gradients alone change nothing, optimizer.step() does"
    if at["step"] < at["backward"]:
        return EARLY
    if "zero" not in at:
        return "no zero_grad: each batch's gradients are added to those of all earlier batches"
    if at["backward"] < at["zero"] < at["step"]:
        return "zero_grad comes between backward and step: the gradients are thrown away before they are used"
    return None


def _slip_of_loss(start: Callable, batches: list, got: Tensor) -> str | None:
    """Everything is done in order, so it is the loss that differs."""
    (net, optimizer), after = start(), []
    for images, labels in batches:
        one_step(net.train(), optimizer, images, labels)
        with torch.no_grad():
            after.append(F.cross_entropy(net(images), labels))
    if alike(torch.stack(after)[:1], got[:1]):  # the second look at the images moves BatchNorm's statistics, not the weights
        return "this is the loss after the step; the one before it is asked for"
    losses = {
        "softmax before the loss: cross-entropy takes logits": lambda a, y: F.cross_entropy(a.softmax(1), y),
        "the losses are added up; the loss of a batch is their mean": lambda a, y: F.cross_entropy(a, y, reduction="sum"),
    }
    for slip, loss_of in losses.items():
        (net, optimizer), seen = start(), []
        for images, labels in batches:
            loss = loss_of(net.train()(images), labels)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            seen.append(loss.detach())
        if alike(torch.stack(seen), got):
            return slip
    return None


EXERCISES = {
    "4a": (
        _cross_entropy,
        "the logarithm of a quotient is a difference; and what can you subtract from all logits of an image without changing "
        "its softmax?",
    ),
    "4b": (
        _train_step,
        "mode, answers, loss, old gradients, new gradients, step: which of these must come before which?",
    ),
    "4c": (
        _logits_gradient,
        "the loss of one image is log(sum of exp(z)) minus the label's logit: take the slope of each of the two along z_d.",
    ),
    "4d": (_step, "which of p and v must be updated before the other can move?"),
}
LIBRARY = {"4a": (F.cross_entropy,), "4c": (torch.autograd.grad, Tensor.backward)}
