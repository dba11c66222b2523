"""What is asked of a restoration: its rules, its forms in text and on the command line, and that nobody lacks any."""

import inspect
import math
import pickle
from dataclasses import fields

import pytest
from typer.testing import CliRunner

from driftrec import Options, Tiling
from driftrec.cli import options as command_line
from driftrec.cli.app import app
from driftrec.cli.archive import restore_archive
from driftrec.cli.restore import restore


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"mode": "sharp"}, "mode must be one of natural, faithful, sample, decode, not sharp"),
        ({"consistent": "maybe"}, "consistent must be one of auto, on, off, not maybe"),
        ({"steps": 0}, "steps must be between 1 and 1000, not 0"),
        ({"steps": 1001}, "steps must be between 1 and 1000, not 1001"),
        ({"mode": "faithful", "steps": 3}, "a faithful restoration takes 1, 2, 4 or 8 steps, not 3"),
        ({"mode": "decode", "steps": 1}, "decoding takes no steps: omit steps, or choose another mode"),
        ({"samples": 0}, "samples must be between 1 and 1000, not 0"),
        ({"mode": "faithful", "samples": 2}, "faithful has no samples to average: omit samples"),
        ({"mode": "decode", "samples": 2}, "decode has no samples to average: omit samples"),
        ({"seed": -1}, "seed must be at least 0, not -1"),
        ({"strength": 1.1}, "strength must be between 0 and 1, not 1.1"),
        ({"strength": math.nan}, "strength must be between 0 and 1, not nan"),
        ({"texture": 1.1}, "texture must be between 0 and 1, not 1.1"),
        ({"texture": 0.5, "mode": "faithful"}, "texture is for the mode natural: omit it, or choose that mode"),
        ({"bits": 10}, "bits must be 8 or 16, not 10"),
        ({"max_pixels": 0}, "max_pixels must be at least 1, not 0"),
        ({"threads": 0}, "threads must be between 1 and 1024, not 0"),
    ],
)
def test_what_cannot_be_done_is_refused_in_a_sentence(changes: dict, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence.replace("(", r"\(")):
        Options(**changes)
    with pytest.raises(ValueError, match=sentence.replace("(", r"\(")):
        Options().changed(**changes)


def test_the_limits_themselves_are_allowed() -> None:
    for changes in (
        {"steps": 1, "samples": 1000, "strength": 0},
        {"steps": 1000, "samples": 1, "strength": 1},
        *({"mode": "faithful", "steps": views} for views in (1, 2, 4, 8)),
    ):
        assert Options(**changes).changed() == Options(**changes)


def test_options_are_read_from_text() -> None:
    texts = {"mode": "natural", "steps": "4", "seed": "9", "samples": "2", "strength": "0.5", "force": "true"}
    texts |= {"strict": "1", "strip": "0", "bits": "16", "model": "base", "max_pixels": "1000"}
    assert Options().read(texts) == Options(
        steps=4, seed=9, samples=2, strength=0.5, force=True, strict=True, bits=16, model="base", max_pixels=1000
    )
    assert Options(seed=3, mode="faithful").read({"mode": "natural"}) == Options(seed=3)
    for text, sentence in (
        ({"speed": "3"}, "there is no option speed: choose from bits, consistent"),
        ({"tiling": "3"}, "there is no option tiling"),
        ({"steps": "many"}, "steps must be a whole number, not many"),
        ({"strength": "half"}, "strength must be a number, not half"),
        ({"force": "perhaps"}, "force must be true or false, not perhaps"),
    ):
        with pytest.raises(ValueError, match=sentence):
            Options().read(text)
    with pytest.raises(ValueError, match="there is no option model: choose from seed"):
        Options().read({"model": "base"}, ("seed",))


def test_options_travel_between_processes() -> None:
    asked = Options(steps=3, tiling=Tiling(tile=320))
    assert pickle.loads(pickle.dumps(asked)) == asked


def test_commands_state_the_defaults_that_hold() -> None:
    values = {f.name: getattr(Options(), f.name) for f in fields(Options)}
    values["tile"] = values["tiling"].tile
    values["max_megapixels"] = values["max_pixels"] // 10**6
    for name, annotation in command_line.PARAMETERS.items():
        stated = annotation.__metadata__[0].show_default
        assert stated is True or stated == str(values[name]), name


@pytest.mark.parametrize("command", [restore, restore_archive])
def test_every_option_can_be_given_to_every_command_that_restores(command: object) -> None:
    names = set(inspect.signature(command).parameters)  # pyright: ignore[reportArgumentType]
    given = {f.name for f in fields(Options)} - {"tiling", "max_pixels"} | {"tile", "max_megapixels"}
    assert given <= names


def test_wrong_options_end_a_command_before_any_work() -> None:
    result = CliRunner().invoke(app, ["restore", "nowhere.jpg", "--bits", "12"])
    assert (result.exit_code, result.output.strip()) == (1, "driftrec: bits must be 8 or 16, not 12")
    result = CliRunner().invoke(app, ["restore", "nowhere.jpg", "--tile", "100"])
    assert "tile and blind must be positive multiples of 16" in result.output
