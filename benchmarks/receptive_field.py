"""torchvision's networks: the last map's receptive field by formula, what the witnesses say, the published number, times.

python -m benchmarks.receptive_field            # formula and gradient, about a minute
python -m benchmarks.receptive_field --poison   # and NaN, by rows and columns of an image of 80 pixels; some minutes
"""

import platform
import sys
import time
import timeit

import torch
import torchvision

from mnist_lib.model import DigitNet
from mnist_lib.receptive_field import measure_field, receptive_fields

# Araujo, Norris & Sim, Distill 2019; the table is in github.com/google-research/receptive_field. Where ours differs:
STRIDES = "torchvision strides in the 3x3, the paper in the 1x1 before it: 2 * (4 + 8 + 16) = 56 less"
NETWORKS = {  # name: side of the image, published field, why ours differs
    "alexnet": (224, 195, ""),
    "vgg16": (224, 212, ""),
    "resnet18": (224, None, ""),
    "resnet50": (224, 483, STRIDES),
    "resnet101": (224, 1027, STRIDES),
    "resnet152": (224, 1507, STRIDES),
    "mobilenet_v2": (224, None, ""),
    "densenet121": (224, None, ""),
    "inception_v3": (299, 1311, ""),
    "convnext_tiny": (224, None, ""),
}


def agrees(field, unit, seen):
    """Is the clipped box the smallest around the measured pixels, and the mask, of a rectangle, these pixels?"""
    top, left, bottom, right = field.box(*unit)
    rows, cols = seen.any(1).nonzero().flatten().tolist(), seen.any(0).nonzero().flatten().tolist()
    box = (max(top, 0), max(left, 0), min(bottom, len(seen) - 1), min(right, seen.shape[1] - 1))
    return (rows[0], cols[0], rows[-1], cols[-1]) == box and (not field.rectangle or torch.equal(seen, field.mask(*unit)))


def main(methods):
    torch.set_num_threads(1)
    print(f"torch {torch.__version__}, torchvision {torchvision.__version__}, {platform.machine()}, one thread\n")
    net = DigitNet()
    seconds = min(timeit.repeat(lambda: receptive_fields(net), number=1, repeat=10))
    print(f"DigitNet, all rows: {1000 * seconds:.1f} ms (best of 10)\n")
    witnesses = "  ".join(method.ljust(16) for method in methods)
    print(f"network         rows  last map         output  field  published  jump  formula   {witnesses}")
    for name, (side, published, why) in NETWORKS.items():
        options = {"init_weights": False} if name == "inception_v3" else {}
        model, size = getattr(torchvision.models, name)(weights=None, **options), (side, side)
        fields = receptive_fields(model, size)
        seconds = min(timeit.repeat(lambda model=model, size=size: receptive_fields(model, size), number=1, repeat=3))
        field = [row for row in fields if row.output_size != (1, 1)][-1]
        cells = []
        for method in methods:
            measured, row = size, field
            if method == "poison-lines":  # 2 * side runs of the model, so a small image
                measured = (80, 80)
                row = receptive_fields(model, measured)[field.name]
            rows, cols = row.output_size
            units = [(0, 0), (rows // 2, cols // 2), (rows - 1, 0)] if method == "gradient" else [(rows // 2, cols // 2)]
            start = time.perf_counter()
            seen = [measure_field(model, row.name, unit, measured, method=method) for unit in units]
            spent = time.perf_counter() - start
            equal = sum(agrees(row, unit, mask) for unit, mask in zip(units, seen))
            cells.append(f"{equal} of {len(units)}, {spent:.1f} s".ljust(16))
        output = "x".join(map(str, field.output_size))
        print(
            f"{name:14}  {len(fields):4}  {field.name:15}  {output:>6}  {field.size[0]:5}  "
            f"{published or '':>9}  {field.jump[0]:4}  {1000 * seconds:4.0f} ms   {'  '.join(cells)}  {why}",
            flush=True,
        )


if __name__ == "__main__":
    main(["gradient", "poison-lines"] if "--poison" in sys.argv else ["gradient"])
