"""A submission to the assignment: a TOML file with a recipe and a paragraph. It is read as data; nothing in it is executed.

Whatever the file holds, all that comes of it is a TrainConfig made of the library's own ingredients, or sentences that say
what is wrong. See assignment/README.md.
"""

import inspect
import json
import tomllib
from dataclasses import asdict, dataclass, fields
from pathlib import Path

import torch

from mnist_lib.model import DigitNet
from mnist_lib.support.paths import write_whole
from mnist_lib.trainer.config import Ingredient, TrainConfig
from mnist_lib.trainer.ingredients import Coarse, Hardest, Muon, Settle, Whiten
from mnist_lib.trainer.variants import Flatten, NoBatchNorm, NoBottleneck, TorchModules, Widths
from mnist_lib.transforms import Augment

IMAGES, HELD_OUT = 300, 3_400  # a seed's own: to train on, and to judge by
PARAMETERS, WORK, BATCH, WORDS = 20_000, 10_240, 32, 50  # WORK: steps times batch_size
BYTES, MOST = 64 * 1024, 20  # of a file; of sentences on what is wrong with it
INGREDIENTS = {
    kind.__name__: kind
    for kind in (Coarse, Flatten, Hardest, Muon, NoBatchNorm, NoBottleneck, Settle, TorchModules, Whiten, Widths)
}
GRADERS = {"validation": 0, "seed": 0, "device": "cpu", "precision": "float32", "compiled": "no"}  # not the student's
SETTINGS = {field.name for field in fields(TrainConfig)} - GRADERS.keys() - {"augment", "ingredients"}


class SubmissionError(ValueError):
    """What is wrong with a submission, a sentence each."""

    def __init__(self, sentences: list[str]):
        super().__init__(" ".join(sentences[:MOST]))
        self.sentences = sentences[:MOST]


@dataclass(frozen=True)
class Submission:
    recipe: TrainConfig
    paragraph: str

    @property
    def parameters(self) -> int:
        return parameters(self.recipe)

    @property
    def steps(self) -> int:
        return self.recipe.steps(IMAGES)


def read(path: Path) -> Submission:
    """A file's recipe and paragraph.

    Raises:
        SubmissionError: for a file that can't be read, says what has no meaning, or breaks a rule of the assignment.
    """
    told, wrong = parsed(path), []
    for word in told.keys() - {"paragraph", "recipe"}:
        wrong.append(f"There is no {short(word)} here: a submission has paragraph and [recipe].")
    paragraph, settings = told.get("paragraph", ""), told.get("recipe", {})
    if not isinstance(paragraph, str):
        wrong.append("paragraph is text in quotation marks.")
    elif (words := len(paragraph.split())) < WORDS:
        wrong.append(f"The paragraph has {words} words, at least {WORDS} are asked for.")
    recipe = recipe_of(settings, wrong) if isinstance(settings, dict) else wrong.append("recipe is a table: [recipe].")
    if recipe:
        wrong += against_the_rules(recipe)
    if wrong:
        raise SubmissionError(wrong)
    return Submission(recipe, paragraph)


def parsed(path: Path) -> dict:
    """What a TOML file says, as dicts, lists, text and numbers."""
    if path.suffix != ".toml" or path.is_symlink() or not path.is_file():  # a link may lead anywhere, a pipe has no end
        raise SubmissionError(["It is no .toml file, so it was not opened."])
    try:
        with path.open("rb") as file:
            body = file.read(BYTES + 1)
        if len(body) > BYTES:
            raise OverflowError
        return tomllib.loads(body.decode("utf-8-sig"))  # with the mark that Windows' Notepad may put first, or without
    except OSError as error:
        why = f"The file can't be read ({error.strerror})."
    except UnicodeDecodeError as error:
        why = f"The file is not UTF-8 (byte {error.start + 1}): save it with that encoding."
    except tomllib.TOMLDecodeError as error:
        why = f"The file is not TOML: {error}."
    except OverflowError:
        why = f"The file is larger than {BYTES // 1024} kB."
    except (ValueError, RecursionError):  # a number of thousands of digits, a thousand brackets
        why = "The file is not TOML that can be read: a number is too long, or brackets lie too deep."
    raise SubmissionError([why])


def recipe_of(settings: dict, wrong: list[str]) -> TrainConfig | None:
    """The TrainConfig that the table [recipe] means; None if there is none, with the reasons added to `wrong`."""
    before, made = len(wrong), {}
    for name, value in settings.items():
        if name in GRADERS:
            wrong.append(f"{name} is the grader's: leave it out.")
        elif name == "augment":
            made[name] = augment_of(value, wrong)
        elif name == "ingredients":
            made[name] = ingredients_of(value, wrong)
        elif name not in SETTINGS:
            known = ", ".join(sorted(SETTINGS))
            wrong.append(f"There is no setting {short(name)}: choose among {known}, augment, ingredients.")
        else:
            made[name] = as_tuple(value)
            problem(wrong, TrainConfig, **({name: made[name]} if name != "nesterov" else {}))
    if len(wrong) > before:
        return None
    return problem(wrong, TrainConfig, **(GRADERS | made))


def augment_of(value: object, wrong: list[str]) -> Augment | None:
    if value is False:
        return None
    if not isinstance(value, dict):
        wrong.append("augment is a table, [recipe.augment], or false for none.")
        return None
    return call("augment", Augment, value, wrong)


def ingredients_of(value: object, wrong: list[str]) -> tuple[Ingredient, ...]:
    if not isinstance(value, dict):
        wrong.append("ingredients are tables, one each, such as [recipe.ingredients.Settle].")
        return ()
    made = []
    for name, settings in value.items():
        if name not in INGREDIENTS:
            wrong.append(f"There is no ingredient {short(name)}: choose among {', '.join(INGREDIENTS)}.")
        elif not isinstance(settings, dict):
            wrong.append(f"{name} is a table: [recipe.ingredients.{name}].")
        elif name != "Widths" or not too_wide(settings, wrong):
            made.append(call(name, INGREDIENTS[name], settings, wrong))
    return tuple(ingredient for ingredient in made if ingredient)


def too_wide(settings: dict, wrong: list[str]) -> bool:
    """Whether one layer alone has more filters than parameters are allowed; said before anything of that size is made."""
    if most := any(width > PARAMETERS for width in numbers(settings.get("widths"))):
        wrong.append(f"The network has more than {PARAMETERS:,} parameters: one layer has that many filters.")
    if large := any(side > 28 for side in numbers(settings.get("kernels"))):
        wrong.append("A kernel is larger than an image: kernels are sides from 1 to 28.")
    return most or large


def numbers(value: object) -> list[float]:
    return [number for number in value if isinstance(number, int | float)] if isinstance(value, list) else []


def call(name: str, make: type, settings: dict, wrong: list[str]) -> object | None:
    """An ingredient or an Augment with these settings; None, with the reason added to `wrong`, if there can't be one."""
    known = inspect.signature(make).parameters
    lacking = [word for word, parameter in known.items() if parameter.default is parameter.empty and word not in settings]
    unknown = [word for word in settings if word not in known]
    wrong += [f"{name} has no setting {short(word)}: it has {', '.join(known) or 'none'}." for word in unknown]
    wrong += [f"{name} needs {word}." for word in lacking]
    return None if lacking or unknown else problem(wrong, make, **{word: as_tuple(value) for word, value in settings.items()})


def problem(wrong: list[str], make: type, **settings) -> object | None:
    """make(**settings); None, with the sentence of its error added to `wrong`, if it has no meaning."""
    try:
        return make(**settings)
    except Exception as error:  # a sentence of our own checks, or torch's for what they let through
        wrong.append(sentence(error))


def sentence(error: BaseException) -> str:
    """What an error says, on one line, and no longer than a line or two."""
    said = " ".join(str(error).split())
    return said if len(said) < 300 else f"{said[:297]}..."


def short(word: str) -> str:
    """A word of the file's, so that it can be shown: quoted, and not as long as it likes."""
    return repr(word if len(word) < 40 else f"{word[:37]}...")


def as_tuple(value: object) -> object:
    return tuple(value) if isinstance(value, list) else value


def parameters(recipe: TrainConfig) -> int:
    """How many parameters the network has; none of them is made."""
    with torch.device("meta"):
        network = DigitNet(recipe.dropout)
        for ingredient in recipe.ingredients:
            network = ingredient.network(network)
        return sum(weight.numel() for weight in network.parameters())


def against_the_rules(recipe: TrainConfig) -> list[str]:
    """Which limits of the assignment a recipe exceeds, a sentence each."""
    wrong = []
    try:
        if (has := parameters(recipe)) > PARAMETERS:
            wrong.append(f"The network has {has:,} parameters, at most {PARAMETERS:,} are allowed.")
    except Exception as error:  # ingredients that do not fit one another
        wrong.append(f"The network can't be made: {sentence(error)}")
    if recipe.batch_size < BATCH:
        wrong.append(f"batch_size is {recipe.batch_size}, at least {BATCH} is asked for.")
    steps = recipe.steps(IMAGES)
    if steps * recipe.batch_size > WORK:
        wrong.append(
            f"It takes {steps:,} steps of {recipe.batch_size}: steps times batch_size may be {WORK:,}, which is "
            f"{WORK // recipe.batch_size:,} steps."
        )
    return wrong


def to_toml(recipe: TrainConfig, paragraph: str = "") -> str:
    """A submission's text: the settings that are the student's, every one.

    Raises:
        ValueError: one sentence, for an ingredient that is not the library's.
    """
    for ingredient in recipe.ingredients:
        if INGREDIENTS.get(name := type(ingredient).__name__) is not type(ingredient):
            raise ValueError(f"{name} is no ingredient of the library: choose among {', '.join(INGREDIENTS)}.")
    lines = ['paragraph = """', *(quoted(line)[1:-1] for line in paragraph.split("\n")), '"""', "", "[recipe]"]
    settings = {name: value for name, value in asdict(recipe).items() if name in SETTINGS}
    lines += table(settings)
    if recipe.augment is None:
        lines += ["augment = false"]
    else:
        lines += ["", "[recipe.augment]", *table(asdict(recipe.augment))]
    for ingredient in recipe.ingredients:
        lines += ["", f"[recipe.ingredients.{type(ingredient).__name__}]", *table(ingredient.to_dict())]
    return "\n".join(lines) + "\n"


def write(path: Path | str, recipe: TrainConfig, paragraph: str = "") -> None:
    """Write a submission; what it still lacks is printed, a sentence each."""
    write_whole(Path(path), to_toml(recipe, paragraph).encode())
    try:
        read(Path(path))
    except SubmissionError as error:
        for sentence in error.sentences:
            print(f"Not yet: {sentence}")


def table(settings: dict) -> list[str]:
    return [f"{name} = {toml_value(value)}" for name, value in settings.items()]


def toml_value(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple | list):
        return f"[{', '.join(map(toml_value, value))}]"
    return quoted(value) if isinstance(value, str) else repr(value)


def quoted(text: str) -> str:
    """TOML's basic string: as JSON has it, but for one character."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
