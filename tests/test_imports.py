"""Who may import whom, and names that can be searched for: the layout of the house, as a test."""

import ast
import sys
from collections import defaultdict
from collections.abc import Iterator
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]

# package -> what of ours it may import, from the ground up; a package stands for all its modules
MAY = {
    "config": (),
    "data": ("config",),
    "replay_buffer": (),
    "embedding": ("config", "data"),
    "envs": ("config", "data", "embedding"),
    "recommender": ("config", "data", "replay_buffer", "embedding"),
    "baselines": (
        *("config", "data", "embedding", "envs"),
        *("recommender.state", "recommender.networks", "recommender.ridge_start"),
    ),
    "evaluation": ("config", "data", "envs"),
}
MAY["training"] = (*MAY,)
COMMANDS = ("train", "evaluate", "demo", "experiments", "benchmarks")  # may import anything
OURS = {*MAY, *COMMANDS}

# folder -> the only libraries it may import, where there is such a limit
DATA = {"numpy", "pandas", "scipy"}
LIBRARIES = {
    "config/": set(),
    "config/command_line.py": {"tyro"},
    "replay_buffer/": {"numpy"},
    "data/explore": {*DATA, "matplotlib", "tyro"},  # a command of its own
    "data/": DATA,
}
TENSORFLOW = {"tensorflow", "keras"}
MAY_TENSORFLOW = (
    *("recommender/", "training/", "benchmarks/", "demo/", "envs/vector.py"),
    "embedding/pair_network.py",
    *("baselines/network_baselines.py", "baselines/sasrec.py", "baselines/session_ridge.py"),
    "baselines/start_choice.py",
)


def sources() -> list[str]:
    files = [path for package in OURS for path in (ROOT / package).rglob("*.py")]
    files += [ROOT / f"{name}.py" for name in OURS if (ROOT / f"{name}.py").is_file()]
    return sorted(str(path.relative_to(ROOT)) for path in files)


@cache
def tree(source: str) -> ast.Module:
    return ast.parse((ROOT / source).read_text("utf-8"))


def file_of(module: str) -> str | None:
    """The file of one of our modules."""
    path = module.replace(".", "/")
    found = (name for name in (f"{path}.py", f"{path}/__init__.py") if (ROOT / name).is_file())
    return next(found, None)


def imported(node: ast.AST) -> Iterator[str]:
    """The modules that an import statement names: absolute, dotted."""
    if isinstance(node, ast.Import):
        yield from (name.name for name in node.names)
    elif isinstance(node, ast.ImportFrom):
        for name in node.names:  # `from embedding import table` is embedding.table
            full = f"{node.module}.{name.name}"
            yield full if file_of(full) else str(node.module)


def imports(source: str) -> set[str]:
    """Every module that a file imports, wherever in it: in functions and for types as well."""
    return {module for node in ast.walk(tree(source)) for module in imported(node)}


def loaded(source: str) -> set[str]:
    """The modules that the import of a file imports at once, their packages among them."""
    names = {module for node in tree(source).body for module in imported(node)}
    parts = (name.split(".") for name in names)
    return names | {".".join(part[:size]) for part in parts for size in range(1, len(part))}


def covers(allowed: str, module: str) -> bool:
    return module == allowed or module.startswith(f"{allowed}.")


def test_there_is_something_to_check():
    assert {source.split("/")[0] for source in sources()} >= {*MAY, "train.py", "evaluate.py"}
    assert "embedding.table" in imports("recommender/agent.py")
    assert "tensorflow" in loaded("envs/vector.py")


@pytest.mark.parametrize("owner", MAY)
def test_imports_point_to_the_ground(owner):
    mine = [source for source in sources() if source.startswith(f"{owner}/")]
    wrong = [
        f"{source}: {module}"
        for source in mine
        for module in imports(source)
        if module.split(".")[0] in OURS
        and not any(covers(name, module) for name in (owner, *MAY[owner]))
    ]
    assert wrong == [], f"allowed: {MAY[owner]}"


def test_no_file_imports_itself_through_others():
    graph = {s: {file_of(module) for module in imports(s)} - {None, s} for s in sources()}
    try:
        order = list(TopologicalSorter(graph).static_order())
    except CycleError as error:
        pytest.fail(f"a circle: {' <- '.join(error.args[1])}")
    assert set(order) >= set(graph)


@pytest.mark.parametrize("folder", LIBRARIES)
def test_a_folder_on_the_ground_needs_few_libraries(folder):
    narrower = tuple(name for name in LIBRARIES if name != folder and name.startswith(folder))
    used = {
        f"{source}: {module}"
        for source in sources()
        if source.startswith(folder) and not source.startswith(narrower)
        for module in imports(source)
        if module.split(".")[0] not in OURS | sys.stdlib_module_names | LIBRARIES[folder]
    }
    assert used == set()


def test_tensorflow_is_imported_and_loaded_where_it_belongs_only():
    reached: dict[str, set[str]] = defaultdict(set)
    for source in sources():
        pending, seen = [source], {source}
        while pending:
            for module in loaded(pending.pop()):
                reached[source].add(module.split(".")[0])
                file = file_of(module)
                if file and file not in seen:
                    seen.add(file)
                    pending.append(file)
    others = [source for source in sources() if not source.startswith(MAY_TENSORFLOW)]
    assert [source for source in others if reached[source] & TENSORFLOW] == []
    named = {source: {module.split(".")[0] for module in imports(source)} for source in others}
    assert [source for source in others if named[source] & TENSORFLOW] == []


def places(names: Iterator[tuple[str, str]]) -> dict[str, set[str]]:
    """Names that several files have, and these files."""
    found: dict[str, set[str]] = defaultdict(set)
    for name, source in names:
        found[name].add(source)
    return {name: files for name, files in found.items() if len(files) > 1}


def test_modules_of_different_packages_have_different_names():
    inside = [source for source in sources() if "/" in source]
    names = ((Path(source).stem, source) for source in inside)
    assert places(pair for pair in names if pair[0] not in ("__init__", "__main__")) == {}


def test_no_two_classes_have_one_name():
    nodes = ((node, source) for source in sources() for node in ast.walk(tree(source)))
    found = places((n.name, source) for n, source in nodes if isinstance(n, ast.ClassDef))
    found.pop("Arguments", None)  # every command's own flags
    assert found == {}
