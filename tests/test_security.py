"""What no part of the program may do, read from its source; and weights with code planted in them."""

import ast
import json
import pickle
from collections.abc import Iterator
from pathlib import Path

import h5py
import keras
import numpy as np
import pytest
from test_imports import ROOT, imports, sources
from weight_files import ACTOR_SHAPES, actor, arrays, own_actor

from embedding.table import EmbeddingError, EmbeddingTable
from recommender.saved_run import WeightsError, load_weights

PICKLES = {"pickle", "cPickle", "dill", "cloudpickle", "joblib", "shelve", "marshal", "yaml"}
NETWORK = {"urllib", "http", "socket", "ssl", "ftplib", "requests", "httpx", "aiohttp"}
MAY_NETWORK = {
    "data/download.py",  # the archives
    "demo/__main__.py",  # serves
    "benchmarks/demo_load.py",  # asks it
}
CALLS = {"eval", "exec", "compile", "__import__"}
# the last part of a name, whatever it is called on
METHODS = {
    *("system", "popen", "load_model", "read_pickle", "to_pickle", "mktemp", "from_config"),
    *("deserialize_keras_object", "enable_unsafe_deserialization", "Lambda"),
    *("_create_unverified_context", "urlretrieve", "visititems"),
}
BANNED = PICKLES | METHODS
KEYWORDS = {"custom_objects", "safe_mode"}


def offences(text: str) -> Iterator[str]:
    """`line: what` for everything in a Python source that could execute what a file says."""
    for node in ast.walk(ast.parse(text)):
        found: Iterator[str] = iter(())
        if isinstance(node, ast.Call):
            found = forbidden(node)
        elif isinstance(node, (ast.Import, ast.ImportFrom)):
            found = (name for name in imported(node) if {name, name.split(".")[0]} & BANNED)
        yield from (f"{node.lineno}: {what}" for what in found)


def imported(node: ast.Import | ast.ImportFrom) -> list[str]:
    module = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
    return module + [name.name for name in node.names]


def forbidden(node: ast.Call) -> Iterator[str]:
    called = ast.unparse(node.func)
    last = called.rpartition(".")[2]
    keywords = {keyword.arg: ast.unparse(keyword.value) for keyword in node.keywords}
    if called in CALLS or last in METHODS:
        yield called
    pickles = keywords.get("allow_pickle", "None" if called in ("np.load", "numpy.load") else "")
    if pickles not in ("", "False"):
        yield f"{called} without allow_pickle=False"
    if keywords.get("shell", "False") != "False":
        yield "shell"
    if called in ("h5py.File", "File"):
        mode = keywords.get("mode", ast.unparse(node.args[1]) if len(node.args) > 1 else "'r'")
        if mode != "'w'":
            yield f"{called} to read"
    yield from KEYWORDS & keywords.keys()


@pytest.mark.parametrize("source", sources())
def test_no_program_executes_what_a_file_says(source: str) -> None:
    assert list(offences((ROOT / source).read_text("utf-8"))) == []


def test_the_notebook_does_not_either() -> None:
    cells = json.loads((ROOT / "evaluation.ipynb").read_text("utf-8"))["cells"]
    code = "\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "code")
    assert "import" in code and list(offences(code.replace("%matplotlib inline", ""))) == []


def test_only_the_download_and_the_cluster_use_the_network() -> None:
    users = {s for s in sources() if {module.split(".")[0] for module in imports(s)} & NETWORK}
    assert users == MAY_NETWORK


BAD = """
import pickle
import joblib as j
from yaml import load
from keras.layers import Lambda
from os import system
x = eval("1")
exec("x = 1")
compile("1", "", "eval")
__import__("os")
os.system("ls")
os.popen("ls")
subprocess.run("ls", shell=True)
subprocess.run("ls", shell=flag)
np.load("a.npz")
np.load("a.npz", allow_pickle=True)
np.load("a.npz", allow_pickle=flag)
np.save("a.npy", a, allow_pickle=True)
pd.read_pickle("a")
keras.models.load_model("a.keras")
tf.keras.layers.Lambda(f)
keras.Model.from_config({}, custom_objects={})
keras.saving.load("a", safe_mode=False)
keras.config.enable_unsafe_deserialization()
h5py.File("a.h5")
h5py.File("a.h5", "r")
h5py.File("a.h5", mode="r+")
file.visititems(print)
urllib.request.urlretrieve(url)
tempfile.mktemp()
ssl._create_unverified_context()
""".strip().splitlines()
GOOD = """
import json
from keras.layers import Dense
np.load("a.npz", allow_pickle=False)
subprocess.run(["git"], shell=False)
json.loads("1")
h5py.File("a.h5", "w")
re.compile("a")
model.compile("adam")
EmbeddingTable.load("a")
settings.load(path)
""".strip().splitlines()


@pytest.mark.parametrize("line", BAD)
def test_the_search_finds(line: str) -> None:
    assert list(offences(line)), line


@pytest.mark.parametrize("line", GOOD)
def test_the_search_leaves_alone(line: str) -> None:
    assert not list(offences(line)), line


class Planted:
    """Unpickling this writes a file."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple:
        return Path.write_text, (self.mark, "executed")


def test_what_is_planted_beside_weights_is_not_executed(tmp_path: Path) -> None:
    mark, path = tmp_path / "mark", tmp_path / "actor.weights.h5"
    layers = arrays(ACTOR_SHAPES)
    own_actor(path, layers)
    code = {"class_name": "Lambda", "config": {"function": f"open({str(mark)!r}, 'w')"}}
    with h5py.File(path, "r+") as file:
        for node in (file, file["hidden_1"], file["hidden_1/vars"]):
            node.attrs["model_config"] = json.dumps({"class_name": "Model", "config": code})
            node.attrs["pickled"] = np.void(pickle.dumps(Planted(mark)))
        file["hidden_1/vars/0"].attrs["dtype"] = f"__import__('os').system('touch {mark}')"
    model = actor()
    load_weights(model, path)
    np.testing.assert_array_equal(model.hidden_1.kernel, layers[0][0])
    assert not mark.exists()
    pickle.loads(pickle.dumps(Planted(mark)))  # what must not happen, would
    assert mark.exists()


def test_whole_models_with_code_in_them_are_refused(tmp_path: Path) -> None:
    """Keras stores the code of a Lambda layer in the file; only weights are ever read."""
    model = keras.Sequential([keras.Input((8,)), keras.layers.Lambda(lambda x: x, name="dense")])
    for name in ("model.h5", "model.keras"):
        model.save(tmp_path / name)
        with pytest.raises(WeightsError, match=rf"{name}: "):
            load_weights(actor(), tmp_path / name)
        with pytest.raises(EmbeddingError, match=rf"{name}: "):
            EmbeddingTable.load(tmp_path / name)
