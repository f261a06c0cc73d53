"""Exercises of notebook 04: each wrong implementation is refused by name, right ones of any make are taken."""

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from course.exercises import check


# 4a
def by_logsumexp(logits, labels):
    return (logits.logsumexp(1) - logits[torch.arange(len(labels)), labels]).mean()


def by_loops(logits, labels):
    total = 0
    for numbers, label in zip(logits, labels):
        most = max(numbers)
        total = total + torch.log(sum(torch.exp(number - most) for number in numbers)) - (numbers[label] - most)
    return total / len(labels)


def by_one_hot(logits, labels):
    return -(F.one_hot(labels, 10) * logits.log_softmax(1)).sum() / len(labels)


def probabilities(logits, dim=1):
    """As it is written down first, without a thought of large numbers."""
    return logits.exp() / logits.exp().sum(dim, keepdim=True)


def of_label(p, labels):
    return p[range(len(labels)), labels]


WRONG_CROSS_ENTROPY = {
    "overflow": lambda a, y: -of_label(probabilities(a), y).log().mean(),
    "overflow: exp(2000) is infinite, and a probability that is rounded to 0": lambda a, y: (
        -of_label(a.softmax(1), y).log().mean()
    ),
    "a small number keeps the probability above 0": lambda a, y: -(of_label(a.softmax(1), y) + 1e-9).log().mean(),
    "the sum runs over the whole batch": lambda a, y: -of_label(a.exp() / a.exp().sum(), y).log().mean(),
    "softmax over the images": lambda a, y: -of_label(probabilities(a, 0), y).log().mean(),
    "softmax twice": lambda a, y: -of_label(probabilities(probabilities(a)), y).log().mean(),
    "the losses are added up": lambda a, y: -of_label(probabilities(a), y).log().sum(),
    "one loss for each image": lambda a, y: -of_label(probabilities(a), y).log(),
    "divided by the number of logits": lambda a, y: -of_label(probabilities(a), y).log().mean() / 10,
    "log2": lambda a, y: -of_label(probabilities(a), y).log2().mean(),
    "log10": lambda a, y: -of_label(probabilities(a), y).log10().mean(),
    "the sign": lambda a, y: of_label(probabilities(a), y).log().mean(),
    "1 - p": lambda a, y: 1 - of_label(probabilities(a), y).mean(),
    "the most probable digit": lambda a, y: -probabilities(a).max(1).values.log().mean(),
    "the logarithm of the mean probability": lambda a, y: -of_label(probabilities(a), y).mean().log(),
    "the labels pick rows": lambda a, y: -torch.log(torch.softmax(a, 1))[y].mean(),
    "every label is picked in every row": lambda a, y: -torch.log(torch.softmax(a, 1))[:, y].mean(),
    "no softmax": lambda a, y: -of_label(a, y).mean(),
    "changed in place": lambda a, y: by_logsumexp(a.sub_(a.amax(1, keepdim=True)), y),
    "It calls cross_entropy, which does the exercise for you": lambda a, y: F.cross_entropy(a, y),
    "backward can't go through it": lambda a, y: by_logsumexp(a, y).item(),
    "without .item(), .detach()": lambda a, y: np.mean([-float(p[d]) for p, d in zip(a.double().log_softmax(1).numpy(), y)]),
}


# 4b
def training(order="train forward loss zero backward step", loss_of=F.cross_entropy, mode=nn.Module.train):
    """A step whose parts are done in the order given."""

    def train_step(net, optimizer, images, labels):
        loss = None
        for part in order.split():
            if part == "train":
                mode(net)
            elif part == "forward":
                answers = net(images)
            elif part == "loss":
                loss = loss_of(answers, labels)
            elif part == "zero":
                optimizer.zero_grad()
            elif part == "backward":
                loss.backward()
            elif part == "step":
                optimizer.step()
        return loss

    return train_step


def as_a_number(net, optimizer, images, labels):
    return training()(net, optimizer, images, labels).item()


def zeroed_by_hand(net, optimizer, images, labels):
    net.train()
    for weight in net.parameters():
        weight.grad = None
    loss = by_logsumexp(net(images), labels)
    loss.backward()
    optimizer.step()
    return loss.detach().double().numpy()


def by_autograd(net, optimizer, images, labels):
    loss = F.cross_entropy(net.train()(images), labels)
    for weight, gradient in zip(net.parameters(), torch.autograd.grad(loss, list(net.parameters()))):
        weight.grad = gradient
    optimizer.step()
    return loss


def with_net_zero_grad(net, optimizer, images, labels):
    net.train()
    loss = F.cross_entropy(net(images), labels)
    net.zero_grad()
    loss.backward()
    optimizer.step()
    return loss


def moved_by_hand(net, optimizer, images, labels):
    loss = F.cross_entropy(net.train()(images), labels)
    optimizer.zero_grad()
    loss.backward()
    with torch.no_grad():
        for weight in net.parameters():
            weight -= 0.1 * weight.grad
    return loss.item()


def loss_after_the_step(net, optimizer, images, labels):
    training()(net, optimizer, images, labels)
    return F.cross_entropy(net(images), labels).item()


WRONG_TRAIN_STEP = {
    "the weights are moved by hand": moved_by_hand,
    "this is the loss after the step": loss_after_the_step,
    "no zero_grad": training("train forward loss backward step"),
    "the step comes before backward": training("train forward loss zero step backward"),
    "the step comes before backward: it uses the last batch's gradients": training("train forward loss step zero backward"),
    "evaluation mode": training(mode=nn.Module.eval),
    "evaluation mode: BatchNorm uses": training("forward loss zero backward step"),
    "softmax before the loss": training(loss_of=lambda a, y: F.cross_entropy(a.softmax(1), y)),
    "the losses are added up": training(loss_of=lambda a, y: F.cross_entropy(a, y, reduction="sum")),
    "nothing goes backward": training("train forward loss zero step"),
    "no step": training("train forward loss zero backward"),
    "zero_grad comes between backward and step": training("train forward loss backward zero step"),
    "It should return one number": training(loss_of=lambda a, y: F.cross_entropy(a, y, reduction="none"), order="forward loss"),
}


# the step with momentum
def rule(velocity=lambda v, g, lr, m: m * v + g, move=lambda p, v, new, g, lr, m: p - lr * new, swap=False):
    """A step as it should be, for slips to change."""

    def step(p, v, g, lr, m):
        new = velocity(v, g, lr, m)
        pair = move(p, v, new, g, lr, m), new
        return pair[::-1] if swap else pair

    return step


def in_place(p, v, g, lr, m):
    v.mul_(m).add_(g)
    p.sub_(lr * v)
    return p, v


def number_by_number(p, v, g, lr, m):
    v = [m * old + float(slope) for old, slope in zip(v.tolist(), g)]
    return [place - lr * speed for place, speed in zip(p.tolist(), v)], v


def with_numpy(p, v, g, lr, m):
    v = m * v.numpy() + g.numpy()
    return p.numpy() - lr * v, v


def by_sgd(p, v, g, lr, m):
    p = nn.Parameter(p)
    optimizer = torch.optim.SGD([p], lr=lr, momentum=m)
    optimizer.state[p]["momentum_buffer"], p.grad = v, g
    optimizer.step()
    return p.detach(), optimizer.state[p]["momentum_buffer"]


WRONG_STEP = {
    "the rate is inside v": rule(lambda v, g, lr, m: m * v + lr * g, lambda p, v, new, g, lr, m: p - new),
    "1 - m": rule(lambda v, g, lr, m: m * v + (1 - m) * g),
    "the old v moves p": rule(move=lambda p, v, new, g, lr, m: p - lr * v),
    "plus where minus belongs": rule(move=lambda p, v, new, g, lr, m: p + lr * new),
    "no momentum": rule(lambda v, g, lr, m: g),
    "Nesterov": rule(move=lambda p, v, new, g, lr, m: p - lr * (g + m * new)),
    "m is left out": rule(lambda v, g, lr, m: v + g),
    "m multiplies the gradient, too": rule(lambda v, g, lr, m: m * (v + g)),
    "the other way round": rule(swap=True),
    "two things": lambda p, v, g, lr, m: p - lr * (m * v + g),
}


def old_velocity_returned(p, v, g, lr, m):
    return p - lr * (m * v + g), v


# the gradient of the logits
def softmax_minus_one_hot(logits, labels):
    return (logits.softmax(1) - torch.eye(10, dtype=logits.dtype)[labels]) / len(labels)


def label_by_label(logits, labels):
    p = logits.exp() / logits.exp().sum(1, keepdim=True)
    for i, label in enumerate(labels):
        p[i, label] -= 1
    return p / len(labels)


def by_autograd_alone(logits, labels):
    logits.requires_grad_()
    by_logsumexp(logits, labels).backward()
    return logits.grad


def one_hot(a, y):
    return torch.eye(10, dtype=a.dtype)[y]


WRONG_GRADIENT = {
    "It calls backward, which does the exercise for you": by_autograd_alone,
    "It calls grad, which does the exercise for you": lambda a, y: torch.autograd.grad(by_logsumexp(a.requires_grad_(), y), a)[
        0
    ],
    "not divided by the number of images": lambda a, y: a.softmax(1) - one_hot(a, y),
    "the sign": lambda a, y: (one_hot(a, y) - a.softmax(1)) / len(a),
    "the 1 of the label is missing": lambda a, y: a.softmax(1) / len(a),
    "only the label's column": lambda a, y: softmax_minus_one_hot(a, y) * one_hot(a, y),
    "is the slope of p;": lambda a, y: a.softmax(1) * (1 - a.softmax(1)) / len(a),
    "-1/p": lambda a, y: -one_hot(a, y) / a.softmax(1) / len(a),
    "softmax over the images": lambda a, y: (a.softmax(0) - one_hot(a, y)) / len(a),
    "the logits themselves": lambda a, y: (a - one_hot(a, y)) / len(a),
    "divided by the number of logits": lambda a, y: (a.softmax(1) - one_hot(a, y)) / a.numel(),
    "one row for the whole batch": lambda a, y: softmax_minus_one_hot(a, y).sum(0),
}


RIGHT = {
    "4a": [by_logsumexp, by_loops, by_one_hot, lambda a, y: by_logsumexp(a.double(), y)],
    "4b": [
        training(),
        training("zero train forward loss backward step"),
        training("train forward loss backward step zero"),
        as_a_number,
        zeroed_by_hand,
        by_autograd,
        with_net_zero_grad,
    ],
    "4c": [softmax_minus_one_hot, label_by_label, lambda a, y: softmax_minus_one_hot(a, y).tolist()],
    "4d": [rule(), in_place, number_by_number, with_numpy, by_sgd, lambda p, v, g, lr, m: list(rule()(p, v, g, lr, m))],
}
WRONG = {"4a": WRONG_CROSS_ENTROPY, "4b": WRONG_TRAIN_STEP, "4c": WRONG_GRADIENT, "4d": WRONG_STEP}


def test_a_velocity_that_is_not_handed_on_is_no_momentum(capsys):
    assert not check("4d", old_velocity_returned)
    assert "no momentum" in capsys.readouterr().out


def test_an_in_place_change_is_not_called_a_lost_gradient(capsys):
    """It used to be told to do without .item() and .detach(), which it does not use."""
    assert not check("4a", WRONG_CROSS_ENTROPY["changed in place"])
    assert ".item()" not in capsys.readouterr().out
