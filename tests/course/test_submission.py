"""A submission is read as data: what it means, what is wrong with it in a sentence each, and that none of it is executed."""

import time
from dataclasses import dataclass, replace

import pytest

from course import submission
from course.submission import SubmissionError, read, to_toml
from mnist_lib.model import DigitNet
from mnist_lib.trainer.config import Ingredient, TrainConfig
from mnist_lib.trainer.ingredients import Coarse, Hardest, Muon, Settle, Whiten
from mnist_lib.trainer.recipes import CARD
from mnist_lib.trainer.variants import Flatten, NoBottleneck, Widths
from mnist_lib.transforms import Augment

PARAGRAPH = f'paragraph = "{"because " * 50}"\n'
ALL = replace(
    CARD,
    epochs=2.5,
    batch_size=64,
    nesterov=True,
    max_lr=1e-05,
    augment=Augment(scale=(0.5, 1.5), interpolation="nearest"),
    ingredients=(
        Widths((9, 13, 7, 10, 10, 10, 10)),
        Whiten(),
        Muon(0.1, momentum=0.5),
        Hardest(0.5),
        Settle(0.25),
        Coarse(0.5),
    ),
)


def written(folder, text: str | bytes, name="submission.toml"):
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def wrong(folder, text: str | bytes) -> list[str]:
    with pytest.raises(SubmissionError) as error:
        read(written(folder, text))
    return error.value.sentences


@pytest.mark.parametrize("recipe", [CARD, ALL, replace(CARD, augment=None, ingredients=(Flatten(),))])
def test_what_is_written_is_read_as_it_was(recipe, tmp_path):
    paragraph = 'A "quoted" \\n word, é, \x7f \t and\nanother line """ ' + "because " * 50
    told = read(written(tmp_path, to_toml(recipe, paragraph)))
    meant = replace(recipe, device="cpu", precision="float32", compiled="no")
    assert told.recipe == meant and told.paragraph.strip() == paragraph.strip()
    assert told.steps == recipe.steps(300)


def test_what_is_not_said_is_the_cards(tmp_path):
    told = read(written(tmp_path, PARAGRAPH))
    assert told.recipe == TrainConfig(device="cpu", precision="float32", compiled="no")
    assert told.parameters == sum(weight.numel() for weight in DigitNet().parameters()) == 13_960
    assert told.steps == 60


def test_parameters_are_those_of_the_network_that_is_trained(tmp_path):
    from mnist_lib.trainer.loop import first_network

    for ingredients in ((Widths((9, 13, 7, 10, 10, 10, 10)),), (NoBottleneck(),), (Flatten(),)):
        recipe = replace(CARD, ingredients=ingredients)
        network = first_network(recipe, None)
        assert submission.parameters(recipe) == sum(weight.numel() for weight in network.parameters()) != 13_960


def test_write_says_what_is_missing_and_takes_no_ingredient_of_ones_own(tmp_path, capsys):
    submission.write(tmp_path / "mine.toml", CARD)
    assert capsys.readouterr().out == "Not yet: The paragraph has 0 words, at least 50 are asked for.\n"

    @dataclass(frozen=True)
    class Whiten(Ingredient):
        pass

    with pytest.raises(ValueError, match=r"^Whiten is no ingredient of the library: "):
        to_toml(replace(CARD, ingredients=(Whiten(),)))


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ("recipe =", "The file is not TOML: "),
        ("import os; os._exit(0)", "The file is not TOML: "),
        (f"[recipe]\nepochs = {'9' * 5000}", "The file is not TOML that can be read: "),
        (f"[recipe]\nepochs = {'[' * 5000}", "The file is not TOML that can be read: "),
        ("#" * 70_000, "The file is larger than 64 kB."),
        ("code = 1", "There is no 'code' here: a submission has paragraph and [recipe]."),
        ("recipe = 1", "recipe is a table: [recipe]."),
        ("[recipe]\nepoch = 20", "There is no setting 'epoch': choose among batch_size, "),
        *((f"[recipe]\n{name} = 7", f"{name} is the grader's: leave it out.") for name in submission.GRADERS),
        ("[recipe]\nmax_lr = -1", "max_lr is a number above 0, not -1."),
        ("[recipe]\nepochs = 1979-05-27", "epochs is a number above 0, at most 10,000, not datetime"),
        ("[recipe]\nepochs = 27", "It takes 81 steps of 128: steps times batch_size may be 10,240, which is 80 steps."),
        ("[recipe]\nbatch_size = 1099511627776", "It takes 20 steps of 1099511627776: "),
        ("[recipe]\nepochs = 1\nbatch_size = 1", "batch_size is 1, at least 32 is asked for."),
        ("[recipe]\ndropout = [0.1]", "dropout is a tuple of 2 numbers, not (0.1,)."),
        ("[recipe]\naugment = true", "augment is a table, [recipe.augment], or false for none."),
        ("[recipe.augment]\ndegree = 3", "augment has no setting 'degree': it has degrees, "),
        ("[recipe]\ningredients = ['Whiten']", "ingredients are tables, "),
        ("[recipe.ingredients.Own]", "There is no ingredient 'Own': choose among Coarse, "),
        ("[recipe.ingredients.\"__import__('os')\"]", "There is no ingredient \"__import__('os')\": "),
        ("[recipe.ingredients]\nMuon = 0.1", "Muon is a table: [recipe.ingredients.Muon]."),
        ("[recipe.ingredients.Muon]", "Muon needs lr."),
        ("[recipe.ingredients.Whiten]\n__class__ = 1", "Whiten has no setting '__class__': it has none."),
        ("[recipe.ingredients.Widths]\nwidths = 7", "widths is a tuple of 7 numbers, not 7."),
        ("[recipe.ingredients.Flatten]\n[recipe.ingredients.Widths]\nwidths = [1,1,1,1,1,1,1]", "The network can't be made: "),
    ],
)
def test_what_is_wrong_is_said_in_a_sentence(settings, said, tmp_path):
    [sentence] = wrong(tmp_path, PARAGRAPH + settings)
    assert sentence.startswith(said) and sentence.endswith((".", "...")) and "\n" not in sentence and len(sentence) < 400


@pytest.mark.parametrize(
    ("widths", "said"),
    [
        ("[40, 40, 10, 16, 16, 16, 16]", "The network has 24,144 parameters, at most 20,000 are allowed."),
        ("[20000, 20000, 20000, 20000, 20000, 20000, 20000]", "The network has "),
        (f"[1, {10**18}, 1, 1, 1, 1, 1]", "The network has more than 20,000 parameters: one layer has that many filters."),
        (f"[1, 1{'0' * 4000}, 1, 1, 1, 1, 1]", "The network has more than 20,000 parameters: "),
        ("[1, inf, 1, 1, 1, 1, 1]", "The network has more than 20,000 parameters: "),
        (f"[1, 1, 1, 1, 1, 1, 1]\nkernels = [1, {10**18 + 1}, 1, 1, 1, 1, 1]", "A kernel is larger than an image: "),
    ],
)
def test_too_many_parameters_are_counted_and_not_made(widths, said, tmp_path):
    began = time.perf_counter()
    [sentence] = wrong(tmp_path, f"{PARAGRAPH}[recipe.ingredients.Widths]\nwidths = {widths}")
    assert sentence.startswith(said) and time.perf_counter() - began < 5


def test_each_thing_that_is_wrong_is_said(tmp_path):
    text = "paragraph = 'short'\n[recipe]\nepoch = 1\nmax_lr = 0\n[recipe.ingredients.Own]\n[recipe.augment]\nshear = 90"
    assert [sentence.split(maxsplit=3)[:3] for sentence in wrong(tmp_path, text)] == [
        ["The", "paragraph", "has"],
        ["There", "is", "no"],
        ["max_lr", "is", "a"],
        ["There", "is", "no"],
        ["degrees", "is", "0"],
    ]
    assert len(wrong(tmp_path, PARAGRAPH + "[recipe]\n" + "".join(f"a{n} = 1\n" for n in range(1_000)))) == 20


def test_encodings(tmp_path):
    assert read(written(tmp_path, b"\xef\xbb\xbf" + PARAGRAPH.encode())).recipe.epochs == 20  # as Notepad writes it
    assert wrong(tmp_path, PARAGRAPH.encode("utf-16"))[0].startswith("The file is not UTF-8 (byte 1): ")
    assert wrong(tmp_path, b"\x00")[0].startswith("The file is not TOML: ")


def test_what_is_no_toml_file_is_not_opened(tmp_path):
    import os

    code = written(tmp_path, "open('ran', 'w')", "submission.py")
    (tmp_path / "link.toml").symlink_to(written(tmp_path, PARAGRAPH))
    os.mkfifo(tmp_path / "pipe.toml")
    for path in (code, tmp_path / "link.toml", tmp_path / "pipe.toml", tmp_path / "none.toml", tmp_path):
        with pytest.raises(SubmissionError, match=r"^It is no \.toml file, so it was not opened\.$"):
            read(path)
    assert not (tmp_path / "ran").exists()
