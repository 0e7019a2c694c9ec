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

pytestmark = pytest.mark.slow

SERVE = """
import importlib.util, sys
import numpy as np
import tensorflow as tf

assert importlib.util.find_spec("recommender") is None
signature = tf.saved_model.load(sys.argv[1]).signatures["serving_default"]
for path in sys.argv[2:]:
    found = signature(**{name: tf.constant(value) for name, value in np.load(path).items()})
    np.savez(path, scores=found["scores"], item_ids=found["item_ids"].numpy().astype("U"))
"""
PEOPLE = (("gender", "F"), ("gender", "M"))


def trained(folder: Path, config: AgentConfig = toys.BEST, texts: bool = False) -> DRRAgent:
    """A run in `folder` with random weights, whose items 7 and 8 are equal."""
    ids = toys.shop().item_ids
    items = toys.table().items.copy()
    items[8] = items[7]
    shop = toys.Shop(ids.astype(str) if texts else ids, (), toys.PEOPLE, PEOPLE)
    agent = toys.randomised(DRRAgent(config, toys.table(items=items), shop, window=toys.WINDOW))
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
    """What is known after HISTORY and ANSWERS, nothing at all, and one rating."""
    window = [(200, 1), (120, 4), (150, 5), (130, 5)]  # one more than the agent's window holds
    full = {
        "window_items": [[kind(item) for item, _ in window]],
        "window_ratings": np.float32([[stars for _, stars in window]]),
        "shown_items": [[*(kind(item) for item, _ in ANSWERS), kind(-1)]],
        "shown_rewards": np.float32([[1, -0.5, -0.5, np.nan]]),
        "exclude": [[kind(999), *(kind(item) for item, _ in HISTORY)]],
        "demographics": np.float32([[1, 0]]),
    }
    empty = {name: np.array(value)[:, :0] for name, value in full.items()}
    empty["demographics"] = np.zeros((1, 2), np.float32)
    short = empty | {"window_items": [[kind(110)]], "window_ratings": np.float32([[5]])}
    return [{**each, "k": np.int32(k)} for each, k in ((full, 7), (empty, 12), (short, 11))]


@pytest.mark.parametrize(("kind", "nothing"), [(int, "-1"), (str, "")])
def test_it_serves_what_the_agent_recommends(tmp_path, kind, nothing):
    agent = trained(tmp_path / "run", texts=kind is str)
    full = agent.session(HISTORY, {"gender": "F"})
    for item, stars in ANSWERS:
        full.refuse(item) if stars is None else full.feedback(item, stars)
    assert command(tmp_path / "run", tmp_path / "out") == 0
    paths = [tmp_path / f"{number}.npz" for number in range(3)]
    for path, request in zip(paths, requests(kind), strict=True):
        np.savez(path, **request)
    isolated = tmp_path / "elsewhere"
    isolated.mkdir()
    program = [sys.executable, "-I", "-c", SERVE, tmp_path / "out", *paths]
    subprocess.run(program, cwd=isolated, check=True)
    sessions = ((full, 5), (agent.session(), 12), (agent.session(HISTORY[:1]), 11))
    for path, (session, left) in zip(paths, sessions, strict=True):
        found, expected = np.load(path), session.recommend(left)
        ids = [str(item.item_id) for item in expected]
        assert ids.index("180") == ids.index("170") + 1  # equal scores: the lower id first
        served, scores = found["item_ids"][0].tolist(), found["scores"][0]
        assert served == ids + [nothing] * (len(scores) - left)
        np.testing.assert_allclose(scores[:left], [i.score for i in expected], rtol=1e-5, atol=1e-5)
    extra = json.loads((tmp_path / "out" / "assets.extra" / "catalogue.json").read_text())
    assert extra["demographics"] == [["gender", "F"], ["gender", "M"]]


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
