"""What each ingredient that was tried for `quick` costs or saves in seconds: whole trainings of its study's variants.

python -m benchmarks.ingredients         # about three minutes on 2 cores; prints, and writes records/ingredients.json

They take turns. All take as many steps, on as many images, as in the study `quick`, which judges them. Only 10 more images are
held out: to evaluate 5,000 after each epoch would cost a way with more epochs more.
"""

from dataclasses import replace

from benchmarks.common import arguments, mnist
from mnist_lib.studies import records
from mnist_lib.studies.catalogue import QUICK_STUDY
from mnist_lib.studies.statistics import ratio
from mnist_lib.trainer import train
from mnist_lib.trainer.fast.engine import Engine, provenance

IMAGES, HELD_OUT = 55_000, 10  # to train on, and to judge by, though no one looks at that


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--rounds", type=int, default=3, choices=range(1, 16))
    rounds, dataset = parser.parse_args().rounds, mnist(parser)
    images = dataset.head(IMAGES + HELD_OUT, HELD_OUT)
    seconds: dict[str, list[float]] = {name: [] for name in QUICK_STUDY.variants}
    train(replace(QUICK_STUDY.variants["quick"], epochs=0.2, device="cpu", validation=HELD_OUT), images)  # warms up
    for number in range(rounds):
        for name, config in QUICK_STUDY.variants.items():
            run = train(replace(config, device="cpu", validation=HELD_OUT, seed=number), images)
            seconds[name].append(run.record["seconds_in_all"])
            print(f"round {number + 1}, {name}: {seconds[name][-1]} s", flush=True)
    for name, took in seconds.items():
        print("{}: {:.2f} times as long as all five ({:.2f} to {:.2f})".format(name, *ratio(took, seconds["all five"])))
    record = {
        "dataset": {"name": dataset.name, "sha256": dataset.sha256},
        "quick": QUICK_STUDY.variants["quick"].to_dict(),
        "rounds": rounds,
        "seconds": seconds,
        **provenance(Engine.choose("cpu")),
    }
    records.write(records.RECORDS / "ingredients.json", record)


if __name__ == "__main__":
    main()
