"""Who may import whom, read from the source: docs of the design, as a test."""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("data", "embedding", "envs", "recommender", "replay_buffer", "baselines", "evaluation")
EVERYTHING = ("training", "train", "evaluate", "experiments", "benchmarks", "demo")
OURS = {*PACKAGES, *EVERYTHING, "config"}

# package -> what of ours it may import; a package's name stands for all its modules
MAY = {
    "config": (),
    "data": ("config",),
    "replay_buffer": (),
    "embedding": ("data", "config"),
    "envs": ("data", "config", "embedding.table", "embedding.factorise"),
    "evaluation": ("data", "envs", "config"),
    "recommender": (
        *("config", "embedding.table", "embedding.hdf5", "data.files"),
        *("replay_buffer", "evaluation.policy"),
    ),
    "baselines": ("data", "embedding", "evaluation.policy"),
}
EXTRA = {
    "baselines/two_tower.py": ("recommender.state", "config"),
    "data/explore/__main__.py": ("config",),  # the flags of --dataset csv
}

# package -> the only libraries it may import
LIBRARIES = {"config": (), "replay_buffer": ("numpy",), "data": ("numpy", "pandas")}
# a command inside a package draws and reads its own flags; nothing else may import it
COMMANDS = {"data/explore/": ("matplotlib", "tyro")}
TENSORFLOW = {"tensorflow", "keras"}
MAY_TENSORFLOW = (
    *("recommender/", "training/", "benchmarks/", "embedding/networks.py", "envs/vector.py"),
    *("baselines/two_tower.py", "baselines/sasrec.py", "baselines/supervised.py"),
)


def sources() -> list[str]:
    files = [path for package in OURS for path in (ROOT / package).rglob("*.py")]
    files += [ROOT / f"{name}.py" for name in OURS if (ROOT / f"{name}.py").is_file()]
    return sorted(str(path.relative_to(ROOT)) for path in files)


def imports(source: str) -> Iterator[str]:
    """Every module that a file imports, wherever in it: absolute dotted names."""
    for node in ast.walk(ast.parse((ROOT / source).read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{source}:{node.lineno}: a relative import"
            for name in node.names:  # `from embedding import table` is embedding.table
                full = f"{node.module}.{name.name}"
                yield full if (ROOT / f"{full.replace('.', '/')}.py").is_file() else node.module


def package(source: str) -> str:
    return source.split("/", maxsplit=1)[0].removesuffix(".py")


def covers(allowed: str, module: str) -> bool:
    return module == allowed or module.startswith(f"{allowed}.")


def test_there_is_something_to_check():
    assert {package(source) for source in sources()} >= {*PACKAGES, "config", "train", "evaluate"}
    assert "embedding.table" in set(imports("recommender/agent.py"))


@pytest.mark.parametrize("source", sources())
def test_imports_point_the_right_way(source):
    owner = package(source)
    if owner in EVERYTHING:
        return
    allowed = (owner, *MAY[owner], *EXTRA.get(source, ()))
    for module in imports(source):
        if module.split(".")[0] in OURS:
            fits = any(covers(name, module) for name in allowed)
            assert fits, f"{source} imports {module}; allowed: {', '.join(allowed)}"


@pytest.mark.parametrize("source", sources())
def test_tensorflow_and_libraries_stay_where_they_belong(source):
    used = {module.split(".")[0] for module in imports(source)} - OURS - sys.stdlib_module_names
    if not source.startswith(MAY_TENSORFLOW):
        assert not used & TENSORFLOW, f"{source} imports {used & TENSORFLOW}"
    commands = [extra for folder, extra in COMMANDS.items() if source.startswith(folder)]
    assert used <= set(LIBRARIES.get(package(source), used)).union(*commands), f"{source}: {used}"


def test_nothing_imports_the_commands_of_a_package():
    for folder in COMMANDS:
        name = folder.strip("/").replace("/", ".")
        users = {s for s in sources() for module in imports(s) if covers(name, module)}
        assert users and all(user.startswith(folder) for user in users)


def test_the_training_of_networks_belongs_to_the_two_network_baselines():
    """baselines/supervised.py is theirs: nobody else gets TensorFlow through it."""
    users = {source for source in sources() if "baselines.supervised" in imports(source)}
    assert users <= {"baselines/two_tower.py", "baselines/sasrec.py"}


def calls(tree: ast.AST) -> Iterator[tuple[int, str]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            yield node.lineno, ast.unparse(node)


@pytest.mark.parametrize("source", sources())
def test_nothing_is_drawn_from_a_global_generator_or_bound_to_one_machine(source):
    text = (ROOT / source).read_text("utf-8")
    for line, call in calls(ast.parse(text)):
        name = call.split("(")[0]
        if name.startswith("np.random."):
            local = ("default_rng", "SeedSequence", "Generator", "PCG64")
            assert name.split(".")[2] in local, f"{source}:{line}: {call}"
    for fragment in ("np.bool)", "/home/", "/Users/", "C:\\"):
        assert fragment not in text, f"{source}: {fragment}"
