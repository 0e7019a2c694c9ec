"""Settings chosen for the data."""

from dataclasses import replace

import numpy as np
import pytest

import config as settings
import embedding
from baselines import start_choice
from config import Config
from data.ratings import Ratings
from data.synthetic import make_tastes
from envs.episodes import default_start
from envs.vector import VectorOfflineEnv
from recommender.state import Features, StateRepresentation
from training import auto
from training.run_folder import RunFolder

CHOSEN = ("low_rating", "start_penalty")


@pytest.fixture(scope="module")
def tastes() -> Ratings:
    return make_tastes(80, 60, tastes=3, met=25)


def test_few_components_and_a_low_rating_that_counts_against(tastes, capsys):
    found = auto.settled(Config(), tastes)
    assert found.embedding.k <= 10 and found.agent.low_rating < 0.3
    line = f"chosen for these data: embedding.dim {found.embedding.dim}, agent.low-rating"
    assert capsys.readouterr().out.startswith(line)


def test_given_values_stay(tastes):
    asked = Config(embedding=settings.EmbeddingConfig(dim=7))
    found = auto.settled(replace(asked, agent=replace(asked.agent, low_rating=0.2)), tastes)
    assert (found.embedding.dim, found.agent.low_rating) == (7, 0.2)
    assert found.agent.start_penalty in start_choice.TRIED["start_penalty"]


def test_the_choice_is_the_runs(tastes, tmp_path):
    folder = RunFolder(tmp_path / "run")
    folder.create(Config())
    found = auto.settle(Config(), tastes, folder)
    assert settings.load(folder.config_file) == found == auto.settle(Config(), tastes, folder)


def test_agents_without_that_start_take_fixed_values(tastes):
    config = Config(agent=replace(Config().agent, start="zero"))
    agent = auto.settled(config, tastes).agent
    assert [getattr(agent, name) for name in CHOSEN] == [auto.UNTRIED[name] for name in CHOSEN]


def test_the_trial_sees_what_the_state_holds(tastes):
    config, users = Config(), np.arange(80)
    trial = start_choice.HeldOut(config, tastes, users[:60], users[60:])
    fitted = tastes.of_users(users[:60])
    table = embedding.fit(replace(config.embedding, dim=4), fitted, 0)
    features = Features(table, tastes.scale, 0)
    agent = replace(config.agent, low_rating=-0.3)
    state = StateRepresentation(agent, config.env.window, features)
    env = VectorOfflineEnv(tastes, window=config.env.window, episode_length=1)
    seen = state(env.reset(users, default_start(tastes.lengths, config.known))).numpy()
    vectors = [table.items.astype(float), table.similar.astype(float)]
    found = trial.features(vectors, -0.3)
    np.testing.assert_allclose(found[:, :4], seen[:, 8:12], atol=1e-5)  # g
    np.testing.assert_allclose(found[:, 4:8], seen[:, 12:16], atol=1e-5)  # what is similar to it
    np.testing.assert_allclose(found[:, 8:12], seen[:, 24:28], atol=1e-4)  # similar users
