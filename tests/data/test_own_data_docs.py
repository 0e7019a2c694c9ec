"""docs/own-data.md: its commands can be typed, and its line is what the reader prints."""

import re
import shlex
from pathlib import Path

import train

PAGE = (Path(__file__).parents[2] / "docs" / "own-data.md").read_text("utf-8")
COMMANDS = re.findall(r"python train\.py ((?:.*\\\n)*.*)", PAGE)
FLAGS = re.findall(r"`(--(?:csv|known|embedding|steps)[^`]*)`", PAGE)


def test_the_commands_can_be_typed():
    assert COMMANDS and len(FLAGS) > 8
    for flags in COMMANDS:
        assert train.parse(shlex.split(flags.replace("\\\n", ""))).csv.user == "userId"
    for flags in FLAGS:
        values = {"--csv.title-column": "x", "--steps": "9000", "--csv.feedback": "counts"}
        words = [*shlex.split(flags), *filter(None, [values.get(flags)])]
        train.parse(["--dataset", "csv", "--csv.path", "x", *words])
