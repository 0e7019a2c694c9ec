"""Weights, settings and catalogues with a few bytes changed."""

import json
import select
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import toys
from fuzz.edits import JSON, SEARCH, edited, from_files
from hypothesis import assume, given
from hypothesis import strategies as st
from weight_files import actor, critic, earlier_actor, legacy_actor, legacy_critic, own_critic

from config import Config, ConfigError, load, to_json
from embedding.table import EmbeddingError, EmbeddingTable
from recommender.saved_run import RunError, SavedCatalogue, save_run
from recommender.weights import WeightsError, load_weights

pytestmark = pytest.mark.slow

LAYOUTS = {
    "own_critic": (own_critic, critic()),
    "earlier_actor": (earlier_actor, actor()),
    "legacy_actor": (legacy_actor, actor()),
    "legacy_critic": (legacy_critic, critic()),
}


@pytest.fixture(scope="module")
def valid(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """A file of each layout, and an embedding."""
    folder = tmp_path_factory.mktemp("valid")
    toys.table(n_items=5).save(folder / "embedding")
    for name, (write, _) in LAYOUTS.items():
        write(folder / name)
    return {path.name: path.read_bytes() for path in folder.iterdir()}


PROBE = """
import sys
from pathlib import Path
from embedding.hdf5 import HDF5Error, read_hdf5
for line in sys.stdin:
    try:
        read_hdf5(Path(line.strip()))
    except HDF5Error:
        pass
    print("survived", flush=True)
"""


class Probe:
    """Another process, which reads a file first: what hangs or kills the HDF5 library ends there."""

    process: subprocess.Popen | None = None

    def survives(self, path: Path) -> bool:
        if self.process is None:
            command, pipe = [sys.executable, "-c", PROBE], subprocess.PIPE
            self.process = subprocess.Popen(
                command, stdin=pipe, stdout=pipe, text=True, cwd=Path(__file__).parents[2]
            )
        print(path, file=self.process.stdin, flush=True)
        ready, _, _ = select.select([self.process.stdout], [], [], 10)
        survived = bool(ready) and self.process.stdout.readline() == "survived\n"
        if not survived:
            self.end()
        return survived

    def end(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.communicate()
            self.process = None


@pytest.fixture(scope="module")
def probe() -> Iterator[Probe]:
    probe = Probe()
    yield probe
    probe.end()


@given(data=st.data())
@SEARCH
def test_changed_weights_are_all_assigned_or_none(tmp_path: Path, valid, probe, data) -> None:
    name, content = data.draw(from_files({name: valid[name] for name in LAYOUTS}))
    path, model = tmp_path / "given.h5", LAYOUTS[name][1]
    path.write_bytes(content)
    assume(probe.survives(path))
    before = model.get_weights()
    try:
        load_weights(model, path)
    except WeightsError as error:
        message = str(error).removeprefix(f"{path}: ")
        assert message != str(error) and "\n" not in message and len(message) < 900
        assert all(map(np.array_equal, before, model.get_weights()))
    assert all(np.isfinite(values).all() for values in model.get_weights())


@given(data=st.data())
@SEARCH
def test_a_changed_embedding_is_read_or_refused(tmp_path: Path, valid, probe, data) -> None:
    path = tmp_path / "embedding.weights.h5"
    path.write_bytes(data.draw(edited(valid["embedding"])))
    assume(probe.survives(path))
    try:
        table = EmbeddingTable.load(path)
    except EmbeddingError as error:
        message = str(error).removeprefix(f"{path}: ")
        assert message != str(error) and "\n" not in message and len(message) < 500
    else:
        assert np.isfinite(table.items).all() and len(table.item_bias) == table.n_items


SETTINGS = to_json(Config()).encode()


def check_catalogue(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    try:
        saved = SavedCatalogue(path)
    except RunError as error:
        message = str(error).removeprefix(str(path))
        assert message != str(error) and "\n" not in message and len(message) < 400
    else:
        assert (saved.item_ids[:-1] < saved.item_ids[1:]).all() and saved.item_ids.ndim == 1
        assert saved.scale[0] < saved.scale[1] and len(saved.demographics) == 0


@given(data=st.data())
@SEARCH
def test_a_changed_catalogue_is_read_or_refused(tmp_path: Path, data) -> None:
    path = tmp_path / "catalogue.json"
    save_run(tmp_path, {}, toys.table(), toys.shop())
    content, values = path.read_bytes(), json.loads(path.read_text())
    check_catalogue(path, data.draw(edited(content)))
    values[data.draw(st.sampled_from(sorted(values)))] = data.draw(JSON)
    check_catalogue(path, json.dumps(values).encode())


@given(edited(SETTINGS) | st.binary(max_size=60))
@SEARCH
def test_changed_settings_are_read_or_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "config.json"
    path.write_bytes(content)
    try:
        assert load(path) == load(path)
    except ConfigError as error:
        message = str(error).removeprefix(str(path))
        assert message != str(error) and "\n" not in message and len(message) < 500
