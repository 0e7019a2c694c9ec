"""A run's folder: what is saved comes back, and what is damaged, mixed or foreign is refused."""

import hashlib
import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest
import toys
from toys import shop

from config import AgentConfig, Config, ConfigError, EnvConfig, to_json
from embedding.table import EmbeddingError
from recommender import DRRAgent
from recommender.saved_run import RunError, WeightsError

PARTS = ("actor", "critic", "state", "embedding")
Change = Callable[[Path], object]


def write_run(folder: Path, config: AgentConfig, seed: int = 0) -> DRRAgent:
    agent = DRRAgent(config, toys.table(seed=seed), shop(), window=toys.WINDOW)
    rng = np.random.default_rng(seed)
    for variable in agent.networks.variables:
        variable.assign(rng.normal(size=variable.shape))
    folder.mkdir(exist_ok=True)
    settings = replace(Config(), agent=config, env=EnvConfig(window=toys.WINDOW))
    (folder / "config.json").write_text(to_json(settings))
    agent.save(folder)
    return agent


SAVED = {
    "best": toys.BEST,
    "paper": toys.PAPER,
    "one critic, two states": replace(toys.BEST, critics=1),
    "drr-u": replace(toys.PAPER, state="drr-u", refused=True),
    "no weights in the state": replace(toys.PAPER, state="drr-n"),
}


@pytest.mark.parametrize("config", SAVED.values(), ids=SAVED.keys())
def test_a_saved_agent_comes_back_with_equal_scores(tmp_path: Path, config: AgentConfig) -> None:
    agent = write_run(tmp_path, config)
    loaded = DRRAgent.load(tmp_path, shop())
    observation = toys.random_observation(6)
    users, items, ratings = (value.numpy() for value in observation[:3])
    shown, rewards = (value.numpy()[:, toys.WINDOW :] for value in observation[3:5])
    expected = agent.scores(users, items, ratings, shown, rewards)
    np.testing.assert_array_equal(loaded.scores(users, items, ratings, shown, rewards), expected)
    for mine, theirs in zip(agent.networks.variables, loaded.networks.variables, strict=True):
        np.testing.assert_array_equal(mine, theirs)
    assert {path.name for path in tmp_path.glob("*.h5")} == {f"{n}.weights.h5" for n in PARTS}


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small run. Do not write into it."""
    folder = tmp_path_factory.mktemp("saved") / "run"
    write_run(folder, toys.PAPER)
    return folder


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of the same shapes with other values."""
    folder = tmp_path_factory.mktemp("other") / "run"
    write_run(folder, toys.PAPER, seed=1)
    return folder


@pytest.fixture
def run(saved: Path, tmp_path: Path) -> Path:
    """A copy of the run, to be damaged."""
    return shutil.copytree(saved, tmp_path / "run")


def test_without_the_data_set_there_are_ids_but_no_titles(saved: Path) -> None:
    with_titles = DRRAgent.load(saved, shop()).recommend([(110, 5)], 3)
    found = DRRAgent.load(saved).recommend([(110, 5)], 3)
    assert found == [item._replace(title=None) for item in with_titles]
    assert with_titles[0].title == f"Film {with_titles[0].item_id}"


def test_only_the_needed_files_are_read(run: Path) -> None:
    """metrics.json is for people: a run without it, or with a broken one, is as good."""
    (run / "metrics.json").write_text("{")
    assert DRRAgent.load(run).recommend([(110, 5)], 1)


# --- what is wrong with one file -----------------------------------------------------------------


def text(name: str, content: str | bytes) -> Change:
    content = content.encode() if isinstance(content, str) else content
    return lambda run: (run / name).write_bytes(content)


def without(name: str) -> Change:
    return lambda run: (run / name).unlink()


def folder(name: str) -> Change:
    def change(run: Path) -> None:
        (run / name).unlink()
        (run / name).mkdir()

    return change


def field(name: str, value: object) -> Change:
    """Another value of one field of catalogue.json."""

    def change(run: Path) -> None:
        path = run / "catalogue.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | {name: value}))

    return change


def setting(group: str, name: str, value: object) -> Change:
    """Another value of one field of config.json."""

    def change(run: Path) -> None:
        path = run / "config.json"
        values = json.loads(path.read_text())
        (values[group] if group else values)[name] = value
        path.write_text(json.dumps(values))

    return change


def array(name: str, values: object) -> Change:
    """Another array, or link, in the embedding."""

    def change(run: Path) -> None:
        with h5py.File(run / "embedding.weights.h5", "r+") as file:
            del file[name]
            file[name] = values

    return change


def copied(source: str, target: str) -> Change:
    return lambda run: shutil.copy(run / f"{source}.weights.h5", run / f"{target}.weights.h5")


IDS = shop().item_ids.tolist()
WRONG_IDS = {
    "none": [],
    "null": None,
    "number": 5,
    "object": {"a": 1},
    "one list too many": [IDS],
    "ragged": [[1], [1, 2]],
    "twice": [110] * 12,
    "descending": IDS[::-1],
    "halves": [item + 0.5 for item in IDS],
    "numbers and text": [*IDS[:-1], "210"],
    "switches": [False, True],
    "too large": [*IDS[:-1], 10**30],
}
WRONG_SCALE = {
    "nan": [float("nan"), 5],
    "infinite": [1, float("inf")],
    "reversed": [5, 1],
    "equal": [5, 5],
    "text": "15",
    "three": [1, 3, 5],
    "huge": [1, 10**400],
}
WRONG_COUNT = {
    "negative": -1,
    "half": 2.5,
    "switch": True,
    "infinite": float("inf"),
    "absurd": 10**18,
}
DEEP = "[" * 100_000
DIGITS = '{"seed": ' + "9" * 5000 + "}"
CONFIG: dict[str, tuple[Change, str]] = {
    "missing": (without("config.json"), "no config.json"),
    "a folder": (folder("config.json"), "no config.json"),
    "empty": (text("config.json", ""), r"config\.json:1: not valid JSON"),
    "binary": (text("config.json", b"{\n\xff"), r"config\.json:2: not UTF-8 text"),
    "UTF-16": (text("config.json", "{}".encode("utf-16")), "not UTF-8 text"),
    "nested": (text("config.json", DEEP), "nested too deeply"),
    "digits": (text("config.json", DIGITS), "4300 digits"),
    "a list": (text("config.json", "[]"), r"is \[\], expected an object with the fields of"),
    "unknown field": (setting("agent", "taw", 1), "unknown field 'taw' in AgentConfig; did you mean"),
    "later version": (setting("", "version", 9), "unknown field 'version' .* later version"),
    "wrong type": (setting("", "seed", "0"), "'seed' is '0', expected int"),
    "absurd number": (setting("", "seed", 10**400), "seed is 1000"),
    "absurd layer": (setting("agent", "actor_hidden", 65536), "layers of at most 268435456 weights"),
}  # fmt: skip
FAULTS: dict[str, tuple[Change, type[ValueError], str]] = {
    **{f"config {name}": (change, ValueError, says) for name, (change, says) in CONFIG.items()},
    "catalogue missing": (without("catalogue.json"), RunError, r"catalogue\.json: cannot be read"),
    "catalogue a folder": (folder("catalogue.json"), RunError, r"catalogue\.json: cannot be read"),
    "catalogue half": (text("catalogue.json", '{"item_ids": [1'), RunError, "not valid JSON"),
    "catalogue nested": (text("catalogue.json", DEEP), RunError, "nested too deeply"),
    "catalogue empty": (text("catalogue.json", "{}"), RunError, "'item_ids' is missing"),
    "catalogue a list": (text("catalogue.json", "[]"), RunError, r"catalogue\.json: is \[\]"),
    "catalogue other items": (field("item_ids", IDS[:-1]), RunError, "holds 12 items, .* 11"),
    "digests a list": (field("sha256", []), RunError, "field 'sha256' is .*, expected names of files"),
    **{f"ids {name}": (field("item_ids", value), RunError, "'item_ids' is .*, expected ascending")
       for name, value in WRONG_IDS.items()},
    **{f"scale {name}": (field("scale", value), RunError, "'scale' is .*, expected two numbers")
       for name, value in WRONG_SCALE.items()},
    **{f"count {name}": (field("n_demographics", value), RunError,
                         "'n_demographics' is .*, expected 0 to 65536")
       for name, value in WRONG_COUNT.items()},
    "embedding missing": (without("embedding.weights.h5"), RunError, "no such file; give the folder"),
    "embedding a folder": (folder("embedding.weights.h5"), RunError, "no such file; give the folder"),
    "embedding text": (text("embedding.weights.h5", "x"), EmbeddingError, "readable HDF5"),
    "embedding = actor": (copied("actor", "embedding"), EmbeddingError, "attribute 'format'"),
    "embedding linked": (array("items", h5py.ExternalLink("actor.weights.h5", "/action/vars/0")),
                         EmbeddingError, "holds a link"),
    "embedding of 11 items": (array("items", np.zeros((11, 4), "f4")), EmbeddingError,
                              r"'item_bias': expected shape \(11,\)"),
    "actor missing": (without("actor.weights.h5"), WeightsError, r"actor\.weights\.h5: no such file"),
    "actor a folder": (folder("actor.weights.h5"), WeightsError, r"actor\.weights\.h5: no such file"),
    "actor = embedding": (copied("embedding", "actor"), WeightsError, "nothing"),
    "actor = critic": (copied("critic", "actor"), WeightsError, "look like a critic's weights"),
    "critic = actor": (copied("actor", "critic"), WeightsError, "look like an actor's weights"),
    "state text": (text("state.weights.h5", "hello"), WeightsError, r"state\.weights\.h5"),
    "other width": (setting("agent", "actor_hidden", 9), WeightsError, "actor/hidden_1/kernel"),
}  # fmt: skip


@pytest.mark.parametrize(("change", "error", "says"), FAULTS.values(), ids=FAULTS.keys())
def test_a_run_that_is_not_whole_says_what_is_wrong(run: Path, change, error, says: str) -> None:
    change(run)
    with pytest.raises(error, match=says) as caught:
        DRRAgent.load(run)
    message = str(caught.value)
    assert str(run) in message and "\n" not in message and len(message) < len(str(run)) + 500


def test_a_folder_that_is_no_run_is_refused(tmp_path: Path) -> None:
    for place in (tmp_path, tmp_path / "absent", Path(__file__)):
        with pytest.raises(
            RunError, match=r"no config\.json; give the folder that train\.py wrote"
        ):
            DRRAgent.load(place)


# --- files that would fit ------------------------------------------------------------------------


@pytest.mark.parametrize("part", PARTS)
def test_a_file_of_another_run_is_noticed_though_it_fits(run: Path, other: Path, part: str) -> None:
    shutil.copy(other / f"{part}.weights.h5", run / f"{part}.weights.h5")
    with pytest.raises(RunError, match=rf"{part}\.weights\.h5: damaged, or not the file that was"):
        DRRAgent.load(run)


def test_a_changed_weight_is_noticed(run: Path) -> None:
    with h5py.File(run / "actor.weights.h5", "r+") as file:
        file["action/vars/1"][0] += 0.25
    with pytest.raises(RunError, match=r"actor\.weights\.h5: damaged"):
        DRRAgent.load(run)


def test_runs_without_digests_load(run: Path) -> None:
    """Those of the first version have none."""
    path = run / "catalogue.json"
    values = json.loads(path.read_text())
    content = (run / "state.weights.h5").read_bytes()
    assert values.pop("sha256")["state.weights.h5"] == hashlib.sha256(content).hexdigest()
    path.write_text(json.dumps(values))
    assert DRRAgent.load(run).recommend([(110, 5)], 1)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (shop(13), "trained on 12 items, the data set has 13"),
        (shop(first=101), "or other ids"),
        (replace(shop(), demographics=np.zeros((6, 5), np.float32)), "trained with 2 demographic"),
        (
            replace(shop(), scale=(0.5, 5.0)),
            r"trained on ratings \(1.0, 5.0\), .* has \(0.5, 5.0\)",
        ),
    ],
)
def test_another_data_set_is_refused(saved: Path, data: toys.Shop, message: str) -> None:
    with pytest.raises(RunError, match=message):
        DRRAgent.load(saved, data)


def test_the_settings_of_a_run_name_their_file(run: Path) -> None:
    setting("agent", "discount", 2.0)(run)
    with pytest.raises(ConfigError, match=r"run/config\.json: agent\.discount is 2\.0"):
        DRRAgent.load(run)
