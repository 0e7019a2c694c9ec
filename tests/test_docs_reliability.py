"""docs/reliability.md: every test that it names exists, and so does every setting."""

import ast
import re
from functools import cache
from pathlib import Path

import config as settings

ROOT = Path(__file__).resolve().parents[1]
PAGE = (ROOT / "docs" / "reliability.md").read_text("utf-8")
TEST = re.compile(r"`(tests/\S+\.py)::(\w+)`")


@cache
def functions(path: Path) -> set[str]:
    tree = ast.parse(path.read_text("utf-8"))
    return {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}


def test_every_test_that_is_named_exists():
    named = set(TEST.findall(PAGE))
    missing = [f"{path}::{name}" for path, name in named if name not in functions(ROOT / path)]
    assert missing == [] and len(named) > 30
    assert PAGE.count("::test_") == len(TEST.findall(PAGE))  # none is written otherwise


def test_every_fault_has_its_test():
    rows = [line for line in PAGE.splitlines() if line.startswith("| ") and "---" not in line]
    without = [row for row in rows if "::test_" not in row and not row.endswith("| test |")]
    assert without == [] and len(rows) > 30


def test_the_flags_and_files_that_are_named_exist():
    fields = {name.replace("_", "-") for name in settings.to_json(settings.Config()).split('"')}
    flags = re.findall(r"--(?:[a-z]+\.)?([a-z][\w-]*)", PAGE)
    modules = {"minutes", "points"}  # of experiments
    assert flags and set(flags) <= fields | modules
    for name in re.findall(r"`((?:training|docs|experiments)/[\w./]+)`", PAGE):
        assert (ROOT / name).exists(), name
    for name in re.findall(r"python -m ([\w.]+)", PAGE):
        assert (ROOT / f"{name.replace('.', '/')}.py").exists(), name
