"""What no part of the program may do, read from its source; and weights with code planted in them."""

import json
import pickle
import re
from pathlib import Path

import h5py
import keras
import numpy as np
import pytest
from test_imports import ROOT, imports, sources
from weight_files import ACTOR_SHAPES, actor, arrays, own_actor

from embedding.table import EmbeddingError, EmbeddingTable
from recommender.weights import WeightsError, load_weights

NETWORK = {"urllib", "http", "socket", "ssl", "ftplib", "requests", "httpx", "aiohttp"}
MAY_NETWORK = {
    "data/download.py",  # the archives
    "demo/__main__.py",  # serves
}
# Ruff finds the rest: its rules S, and banned-api in pyproject.toml.
UNSAFE = re.compile(r"allow_pickle(?!=False)|custom_objects|safe_mode|shell=(?!False)|noqa: S[13]0")


def test_nothing_unpickles_or_runs_what_a_file_says() -> None:
    texts = {source: (ROOT / source).read_text("utf-8") for source in sources()}
    notebook = json.loads((ROOT / "evaluation.ipynb").read_text("utf-8"))
    texts["notebook"] = "".join(line for cell in notebook["cells"] for line in cell["source"])
    assert {name: UNSAFE.findall(text) for name, text in texts.items() if UNSAFE.search(text)} == {}
    assert all(
        map(UNSAFE.search, ("np.load(a, allow_pickle=True)", "shell=flag", "safe_mode=False"))
    )


def test_only_the_download_and_the_demo_use_the_network() -> None:
    users = {s for s in sources() if {module.split(".")[0] for module in imports(s)} & NETWORK}
    assert users == MAY_NETWORK


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
