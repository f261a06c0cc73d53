"""What the units along one axis see, and along two: windows, unions, and the numbers that a person reads."""

import math
from dataclasses import dataclass, replace
from functools import reduce
from operator import or_


class UnknownLayer(NotImplementedError):
    """The formula has no rule for an operation; `measure_field` may still see through it."""


@dataclass(frozen=True)
class Axis:
    """What the units along one axis see. Unit i has the window lo[i]..hi[i]; unit i + len(lo), the same `shift` further."""

    lo: tuple
    hi: tuple
    shift: int | None  # None: nothing repeats (branches that do not align), and units past the ends copy the end unit
    masks: tuple  # one int per unit: bit p is set when pixel p of the image reaches it

    def window(self, i):
        if self.shift is None:
            i = min(max(i, 0), len(self.lo) - 1)
            return self.lo[i], self.hi[i]
        turns, i = divmod(i, len(self.lo))
        return self.lo[i] + turns * self.shift, self.hi[i] + turns * self.shift

    def through(self, taps, n, period=1, advance=1, real=None):
        """The axis of n units of which unit o reads units taps(o), where taps(o + period) = taps(o) + advance.

        real(o): the units that are really read, where taps(o) gives only their places (padding by reflection).
        """
        steps, shift = n, None
        if self.shift is not None:
            steps = period * (len(self.lo) // math.gcd(len(self.lo), advance))
            shift = self.shift * advance * steps // (period * len(self.lo))
        windows = [_hull([self.window(i) for i in taps(o)]) for o in range(steps)]
        reads = ([self.masks[i] for i in (real or taps)(o) if 0 <= i < len(self.masks)] for o in range(n))
        return _axis(windows, shift, tuple(reduce(or_, masks, 0) for masks in reads))

    def spread(self, n):
        """One unit in n places."""
        return self if len(self.masks) == n else self.through(lambda o: [0], n, advance=0)

    def mixed(self):
        """Every unit sees what any unit sees."""
        return self.through(lambda o: range(len(self.masks)), len(self.masks), advance=0)

    def merged(self):
        """One unit, a window over the whole axis."""
        n = len(self.masks)
        return self if n == 1 else self.through(lambda o: range(o * n, o * n + n), 1, advance=n)

    def union(self, other):
        """-> (the axis that sees what either sees, what does not line up or None)."""
        masks = tuple(a | b for a, b in zip(self.masks, other.masks))
        mine, theirs = ([axis.window(i) for i in range(len(masks))] for axis in (self, other))
        both = [_hull(pair) for pair in zip(mine, theirs)]
        if None not in (self.shift, other.shift) and self.shift * len(other.lo) == other.shift * len(self.lo):
            steps = math.lcm(len(self.lo), len(other.lo))
            both = [_hull([self.window(i), other.window(i)]) for i in range(steps)]
            apart = sum(mine[0]) != sum(theirs[0])
            why = f"centres {number(self.start)} and {number(other.start)}" if apart else None
            return _axis(both, self.shift * steps // len(self.lo), masks), why
        for axis, windows in ((self, mine), (other, theirs)):
            if windows == both:
                return replace(axis, masks=masks), None
        return _axis(both, None, masks), f"jumps {number(self.jump)} and {number(other.jump)}"

    @property
    def size(self):
        return max(hi - lo + 1 for lo, hi in map(self.window, range(len(self.masks))))

    @property
    def jump(self):
        if self.shift is not None:
            return self.shift / len(self.lo)
        return (sum(self.window(len(self.lo))) - sum(self.window(0))) / 2 / max(len(self.lo) - 1, 1)

    @property
    def start(self):
        return sum(self.window(0)) / 2

    def box(self, i, pixels):
        """Outside the image padding counts; inside it, only pixels that really reach the unit do."""
        (lo, hi), mask = self.window(i), self.masks[i]
        if not mask:
            return (lo, hi) if hi < 0 or lo >= pixels else (lo, lo - 1)
        first, last = (mask & -mask).bit_length() - 1, mask.bit_length() - 1
        return (lo if max(lo, 0) == first else first), (hi if min(hi, pixels - 1) == last else last)


def _axis(windows, shift, masks):
    """An Axis whose pattern is as short as possible: one window, if every unit's is the first one moved."""
    (lo, hi), steps = windows[0], len(windows)
    if shift is not None and shift % steps == 0:
        jump = shift // steps
        if all(w == (lo + i * jump, hi + i * jump) for i, w in enumerate(windows)):
            return Axis((lo,), (hi,), jump, masks)
    return Axis(*zip(*windows), shift, masks)


def _hull(windows):
    full = [w for w in windows if w[0] <= w[1]] or [(w[0], w[0] - 1) for w in windows[:1]] or [(0, -1)]
    return min(lo for lo, _ in full), max(hi for _, hi in full)


@dataclass(frozen=True)
class Grid:
    """What a tensor's units see: a vertical and a horizontal axis, and the tensor's dimensions they lie along."""

    axes: tuple
    dims: tuple  # None: the axis is gone, its units merged into one
    loose: bool = False  # rows or columns were flattened into values that are not mixed yet: only the whole is known
    rectangle: bool = True  # every field is rows x columns; False after branches of different shapes (a cross)
    parts: bool = False  # channels come from branches that see different pixels
    notes: tuple = ()

    def along(self, dims, how):
        """The axes that lie along these dimensions, changed by how(axis)."""
        return replace(self, axes=tuple(how(a) if d in dims else a for a, d in zip(self.axes, self.dims)))

    def move(self, to):
        """Each dimension d becomes to(d)."""
        return replace(self, dims=tuple(None if d is None else to(d) for d in self.dims))

    def union(self, other):
        """Two branches meet, place by place; one may be a single unit, spread over the other's places."""
        if self == other:
            return self
        dims = tuple(b if a is None else a for a, b in zip(self.dims, other.dims))
        if any(None not in pair and pair[0] != pair[1] for pair in zip(self.dims, other.dims)):
            raise UnknownLayer("joins tensors whose rows and columns lie along different dimensions")
        if (self.loose or other.loose) and dims != (None, None):
            raise UnknownLayer("joins a flattened image with rows and columns")
        sizes = [max(len(a.masks), len(b.masks)) for a, b in zip(self.axes, other.axes)]
        pairs = [(a.spread(n), b.spread(n)) for a, b, n in zip(self.axes, other.axes, sizes)]
        axes, whys = zip(*(a.union(b) for a, b in pairs))
        notes = self.notes + other.notes
        notes += tuple(f"branches do not align ({why}); the box holds them all" for why in whys if why)
        mine, theirs = ([pair[i].masks == u.masks for pair, u in zip(pairs, axes)] for i in (0, 1))
        one_axis = any(a.masks == b.masks for a, b in pairs) and self.rectangle and other.rectangle
        rectangle = one_axis or (all(mine) and self.rectangle) or (all(theirs) and other.rectangle)
        if not rectangle and any(0 in a.masks for pair in pairs for a in pair):
            notes += ("some units of a branch see only padding; the box holds the field but may exceed it",)
        return Grid(axes, dims, self.loose or other.loose, rectangle, self.parts or other.parts, once(notes))


def once(notes):
    return tuple(dict.fromkeys(notes))


def whole(x):
    return int(x) if x == int(x) else x


def number(x):
    return f"{x:.4g}" if x != int(x) else str(int(x))
