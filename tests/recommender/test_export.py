"""The SavedModel gives what the agent gives, in a process that knows nothing of this project."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import toys

from config import AgentConfig, Config, EnvConfig, to_json
from recommender import DRRAgent, export

SERVE = """
import importlib.util, sys
import numpy as np
import tensorflow as tf

assert importlib.util.find_spec("recommender") is None
for folder in sys.argv[1:]:
    signature = tf.saved_model.load(folder).signatures["serving_default"]
    given = np.load(folder + ".npz")
    found = signature(**{name: tf.constant(value) for name, value in given.items()})
    np.savez(folder + "-found.npz", **{name: each.numpy().astype(
        each.dtype.as_numpy_dtype if name == "scores" else "U") for name, each in found.items()})
"""
PEOPLE = (("gender", "F"), ("gender", "M"))


def trained(folder: Path, config: AgentConfig = toys.BEST, texts: bool = False) -> DRRAgent:
    """A run in `folder` with random weights, whose items 7 and 8 are equal."""
    ids = toys.shop().item_ids
    items = toys.table().items.copy()
    items[8] = items[7]
    shop = toys.Shop(ids.astype(str) if texts else ids, (), toys.PEOPLE, PEOPLE)
    agent = DRRAgent(config, toys.table(items=items), shop, window=toys.WINDOW)
    rng = np.random.default_rng(1)
    for variable in agent.networks.variables:
        variable.assign(rng.normal(size=variable.shape))
    folder.mkdir()
    protocol = ("rerank",) if agent.needs_profile else ("catalog", "session")
    env = EnvConfig(window=toys.WINDOW)
    settings = replace(Config(), agent=config, env=env, protocol=protocol)
    (folder / "config.json").write_text(to_json(settings))
    agent.save(folder)
    return agent


def command(run: Path, out: Path) -> int:
    return export.main(["--weights", str(run), "--out", str(out)])


HISTORY = [(110, 5), (200, 1), (120, 4), (150, 5)]
ANSWERS = [(130, 5), (140, None), (160, 2)]


def requests(kind: type) -> list[dict[str, np.ndarray]]:
    """The session of HISTORY and ANSWERS, and one of nothing at all, as the signature wants them."""
    nothing = -1 if kind is int else ""
    window = [(200, 1), (120, 4), (150, 5), (130, 5)][-toys.WINDOW :]
    full = {
        "window_items": [[kind(item) for item, _ in window]],
        "window_ratings": np.float32([[stars for _, stars in window]]),
        "shown_items": [[*(kind(item) for item, _ in ANSWERS), nothing]],
        "shown_rewards": np.float32([[1, -0.5, -0.5, np.nan]]),
        "exclude": [[kind(999), *(kind(item) for item, _ in HISTORY)]],
        "demographics": np.float32([[1, 0]]),
    }
    empty = {name: np.array(value)[:, :0] for name, value in full.items()}
    empty["demographics"] = np.zeros((1, 2), np.float32)
    short = empty | {"window_items": [[kind(110)]], "window_ratings": np.float32([[5]])}
    return [{**each, "k": np.int32(k)} for each, k in ((full, 7), (empty, 12), (short, 11))]


@pytest.mark.parametrize("texts", [False, True], ids=["numbers", "texts"])
def test_it_serves_what_the_agent_recommends(tmp_path, texts):
    agent = trained(tmp_path / "run", texts=texts)
    full = agent.session(HISTORY, {"gender": "F"})
    for item, stars in ANSWERS:
        full.refuse(item) if stars is None else full.feedback(item, stars)
    sessions = full, agent.session(), agent.session(HISTORY[:1])
    outs = [tmp_path / f"served-{number}" for number in range(3)]
    for out, request in zip(outs, requests(str if texts else int), strict=True):
        assert command(tmp_path / "run", out) == 0
        np.savez(f"{out}.npz", **request)
    isolated = tmp_path / "elsewhere"
    isolated.mkdir()
    process = subprocess.run(
        [sys.executable, "-I", "-c", SERVE, *map(str, outs)],
        cwd=isolated,
        capture_output=True,
        text=True,
        check=False,
    )
    assert process.returncode == 0, process.stderr
    extra = json.loads((outs[0] / "assets.extra" / "catalogue.json").read_text())
    assert extra["demographics"] == [["gender", "F"], ["gender", "M"]]
    for out, session, k in zip(outs, sessions, (7, 12, 11), strict=True):
        found, left = np.load(f"{out}-found.npz"), {7: 5}.get(k, k)
        expected = session.recommend(left)
        ids = [str(item.item_id) for item in expected]
        assert found["item_ids"][0].tolist() == ids + [("" if texts else "-1")] * (k - left)
        np.testing.assert_allclose(
            found["scores"][0][:left], [item.score for item in expected], rtol=1e-5, atol=1e-5
        )
        assert ids.index("180") == ids.index("170") + 1  # equal scores: the lower id first


def test_what_cannot_be_exported_is_one_line(tmp_path, capsys):
    trained(tmp_path / "solved", replace(toys.PAPER, user_vector="pretrained"))
    trained(tmp_path / "run")
    for run, out, message in (
        ("solved", "out", "outside the graph (--agent.user-vector pretrained)"),
        ("run", "run", "run: not an empty folder; remove it or choose another"),
        ("run", "run/config.json", "config.json: not an empty folder"),
        ("no", "out", "no config.json"),
    ):
        assert command(tmp_path / run, tmp_path / out) == 2
        (line,) = capsys.readouterr().err.splitlines()
        assert line.startswith("recommender.export: ") and message in line
    assert not (tmp_path / "out").exists()
