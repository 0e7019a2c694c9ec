"""A run's folder: what is saved comes back, and what is damaged, mixed or foreign is refused."""

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import toys
from toys import shop

from config import AgentConfig, Config, ConfigError, EnvConfig, to_json
from embedding.table import EmbeddingError
from recommender import DRRAgent
from recommender.saved_run import RunError
from recommender.weights import WeightsError

PARTS = ("actor", "critic", "state", "embedding")
Change = Callable[[Path], object]


def write_run(folder: Path, config: AgentConfig, seed: int = 0) -> DRRAgent:
    agent = DRRAgent(config, toys.table(seed=seed), shop(), window=toys.WINDOW)
    toys.randomised(agent, seed)
    folder.mkdir(exist_ok=True)
    settings = replace(Config(), agent=config, env=EnvConfig(window=toys.WINDOW))
    (folder / "config.json").write_text(to_json(settings))
    agent.save(folder)
    return agent


SAVED = {
    "best": toys.BEST,
    "paper": toys.PAPER,
    "one critic, two states": replace(toys.BEST, critics=1),
    "drr-u": replace(toys.PAPER, state="drr-u", context="refused"),
    "no weights in the state": replace(toys.PAPER, state="drr-n"),
}


@pytest.mark.slow
@pytest.mark.parametrize("config", SAVED.values(), ids=SAVED.keys())
def test_a_saved_agent_comes_back_with_equal_scores(tmp_path: Path, config: AgentConfig) -> None:
    agent = write_run(tmp_path, config)
    loaded = DRRAgent.load(tmp_path, shop())
    observation = toys.random_observation(6)
    np.testing.assert_array_equal(loaded.scores(observation), agent.scores(observation))
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


# --- what is wrong with one file -----------------------------------------------------------------


def text(name: str, content: str | bytes) -> Change:
    content = content.encode() if isinstance(content, str) else content
    return lambda run: (run / name).write_bytes(content)


def without(name: str) -> Change:
    return lambda run: (run / name).unlink()


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


def copied(source: str, target: str) -> Change:
    return lambda run: shutil.copy(run / f"{source}.weights.h5", run / f"{target}.weights.h5")


def in_turn(*changes: Change) -> Change:
    return lambda run: [change(run) for change in changes]


IDS = shop().item_ids.tolist()
UNSIGNED = field("sha256", {})  # as in runs of the first version
WRONG_FIELDS: dict[str, tuple[list[object], str]] = {
    "item_ids": (
        [[], 5, [[1], [1, 2]], [110] * 12, IDS[::-1], [*IDS[:-1], "210"], [*IDS[:-1], 10**30]],
        "expected ascending",
    ),
    "scale": ([[float("nan"), 5], [5, 1], "15", [1, 3, 5], [1, 10**400]], "expected two numbers"),
    "n_demographics": ([-1, 2.5, True, 10**18], "expected 0 to 65536"),
    "demographics": (["F", [["gender"]], [["age", 25]]], "expected pairs of texts"),
    "sha256": ([[]], "expected names of files"),
}
FAULTS: dict[str, tuple[Change, type[ValueError], str]] = {
    "config missing": (without("config.json"), RunError, "no config.json; give the folder"),
    "config unknown": (setting("agent", "taw", 1), ConfigError, "config.json: unknown field 'taw'"),
    "catalogue missing": (without("catalogue.json"), RunError, r"catalogue\.json: cannot be read"),
    "catalogue half": (text("catalogue.json", '{"item_ids": [1'), RunError, "not valid JSON"),
    "catalogue empty": (text("catalogue.json", "{}"), RunError, "'item_ids' is missing"),
    "catalogue a list": (text("catalogue.json", "[]"), RunError, r"catalogue\.json: is \[\]"),
    "catalogue of 11 items": (field("item_ids", IDS[:-1]), RunError, "holds 12 items, .* 11"),
    "a feature without a name": (field("demographics", [["gender", "F"]]), RunError,
                                 "names 1 features, n_demographics is 2"),
    "embedding missing": (without("embedding.weights.h5"), RunError, "no such file; give the folder"),
    "actor missing": (without("actor.weights.h5"), RunError, "no such file; give the folder"),
    "actor missing, first version": (in_turn(UNSIGNED, without("actor.weights.h5")), WeightsError,
                                     r"actor\.weights\.h5: no such file"),
    "embedding = actor": (in_turn(UNSIGNED, copied("actor", "embedding")), EmbeddingError,
                          "attribute 'format'"),
    "actor = critic": (in_turn(UNSIGNED, copied("critic", "actor")), WeightsError,
                       "look like a critic's weights"),
    "damaged": (text("state.weights.h5", "hello"), RunError, r"state\.weights\.h5: damaged, or not"),
    "other width": (setting("agent", "actor_hidden", 9), WeightsError, "actor/hidden_1/kernel"),
    **{f"{name} {value!r:.20}": (field(name, value), RunError, f"{name!r} is .*, {expected}")
       for name, (values, expected) in WRONG_FIELDS.items() for value in values},
}  # fmt: skip


@pytest.mark.parametrize(("change", "error", "says"), FAULTS.values(), ids=FAULTS.keys())
def test_a_run_that_is_not_whole_says_what_is_wrong(run: Path, change, error, says: str) -> None:
    change(run)
    with pytest.raises(error, match=says) as caught:
        DRRAgent.load(run)
    message = str(caught.value)
    assert str(run) in message and "\n" not in message and len(message) < len(str(run)) + 500


# --- files that would fit ------------------------------------------------------------------------


@pytest.mark.parametrize("part", PARTS)
def test_a_file_of_another_run_is_noticed_though_it_fits(run: Path, other: Path, part: str) -> None:
    shutil.copy(other / f"{part}.weights.h5", run / f"{part}.weights.h5")
    with pytest.raises(RunError, match=rf"{part}\.weights\.h5: damaged, or not the file that was"):
        DRRAgent.load(run)


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
