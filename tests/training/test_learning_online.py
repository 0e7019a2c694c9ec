"""A run that is to learn within sessions is given nothing but the visible part."""

from dataclasses import replace

import numpy as np
import pytest
from training.online import learning, session_log

from config import preset
from embedding.svd import fit_svd
from envs.simulator import Simulator as RatingModel
from evaluation.protocols.simulator import Simulator
from recommender.agent import DRRAgent
from recommender.policy import DRRPolicy


@pytest.mark.parametrize("user_vector", ["pretrained", "fold-in"])
def test_the_log_and_the_answers_of_updates_are_of_the_visible_part(tiny, user_vector):
    protocol = Simulator(tiny, RatingModel(tiny), ks=(3,), online=True)
    config = preset("paper", ("simulator",))
    agent = replace(config.agent, user_vector=user_vector, actor_hidden=8, critic_hidden=8)
    table = fit_svd(protocol.visible, 4)
    frozen = DRRPolicy(DRRAgent(agent, table, tiny, window=5), "mine")
    log = session_log(protocol)
    policy = learning(frozen, config, protocol, log)
    assert policy.name == "mine" and policy.learner.log is log
    assert log.ratings is protocol.visible and log.episode_length == 3
    users = np.arange(4)
    hidden = np.array([[next(iter(hidden_items(tiny, protocol.visible, user)))] for user in users])
    guess, _ = log.lookup(users, hidden)
    expected = RatingModel(protocol.visible).rating(users, hidden)
    np.testing.assert_allclose(guess, expected, rtol=1e-5)
    assert not np.array_equal(guess, RatingModel(tiny).rating(users, hidden))


def hidden_items(ratings, visible, user):
    everything = set(ratings.items[ratings.row(user)].tolist())
    return sorted(everything - set(visible.items[visible.row(user)].tolist()))
