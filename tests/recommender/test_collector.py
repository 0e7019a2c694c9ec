"""The agent learns: in seconds, traced once, with the priorities that its errors ask for."""

from dataclasses import replace

import numpy as np
import pytest
import tensorflow as tf
import toys

from config import AgentConfig, preset
from data.ratings import Ratings
from embedding.factorise import fit_svd
from embedding.table import EmbeddingTable
from envs.episodes import draw_starts
from envs.vector import VectorOfflineEnv
from recommender import DRRAgent
from recommender.collector import Collector, Exploration, schedule, transition_spec
from replay_buffer.buffers import PrioritizedReplay

WINDOW, T, USERS = 3, 5, 40
ALPHA, EPS = 0.6, 1e-2


def two_tastes() -> Ratings:
    """20 items; even users give items 0 to 9 five stars and the others one, odd users the reverse."""
    rng = np.random.default_rng(0)
    users, place = np.repeat(np.arange(USERS), 20), np.tile(np.arange(20), USERS)
    items = np.concatenate([rng.permutation(20) for _ in range(USERS)])
    stars = np.where((items < 10) == (users % 2 == 0), 5, 1)
    ids = {"user_ids": np.arange(USERS), "item_ids": np.arange(20)}
    return Ratings.from_events("two tastes", users, items, stars, place, **ids)


def collector(
    config: AgentConfig, ratings: Ratings, updates: int, table: EmbeddingTable | None = None
) -> Collector:
    spec = transition_spec(config, WINDOW, T, k=4)
    return Collector(
        config,
        fit_svd(ratings, 4) if table is None else table,
        ratings,
        window=WINDOW,
        environment=VectorOfflineEnv(ratings, window=WINDOW, episode_length=T),
        replay=PrioritizedReplay(2000, spec, ALPHA, 0.4, EPS),
        total_updates=updates,
        seed=0,
    )


def play_greedily(agent: DRRAgent, environment: VectorOfflineEnv) -> np.ndarray:
    """Return of every user's first episode [U]."""
    state = environment.reset(np.arange(USERS), np.full(USERS, WINDOW))
    total = np.zeros(USERS)
    for _ in range(T):
        scores = agent.scores(state)
        scores[~environment.legal(state).numpy()] = -np.inf
        chosen = tf.constant(scores.argmax(axis=1), tf.int32)
        state, reward, _, _ = environment.step(state, chosen)
        total += reward.numpy()
    return total


SMALL = {"actor_hidden": 32, "critic_hidden": 32, "batch_size": 32}
LEARNERS = {
    "best": replace(  # without the closed-form start, and with rates for it to learn in seconds
        AgentConfig(), **SMALL, counterfactual=4, actor_lr=2e-3, critic_lr=2e-3, noise=1.0
    ),
    "paper": replace(
        preset("paper").agent,
        **SMALL,
        actor_lr=1e-3,  # the paper's rates are for hours, these for seconds
        critic_lr=3e-3,
        tau=0.02,
        noise=0.3,
        discount=0.5,
    ),
}


@pytest.fixture(scope="module", params=LEARNERS)
def learned(request) -> tuple[Collector, list[float]]:
    """An agent after 40 short episodes of 32 users, and the mean reward of each."""
    config, ratings, rng = LEARNERS[request.param], two_tastes(), np.random.default_rng(0)
    agent, rewards = collector(config, ratings, updates=40 * 24), []
    for episode in range(40):
        users, starts = draw_starts(rng, ratings, np.arange(USERS), WINDOW, 0.0, 32)
        start = agent.environment.reset(users, starts)
        played = agent.collect(start, schedule(config, episode / 40), (1, 64 * episode))
        agent.learn(24, rng, (2, 1024 * episode), episode / 40)
        rewards.append(float(played["reward"].mean()))
    return agent, rewards


@pytest.mark.slow
def test_the_best_items_of_each_taste_are_found(learned):
    agent, rewards = learned
    returns = play_greedily(agent.agent, agent.environment)
    assert abs(rewards[0]) < 0.3 and np.mean(rewards[-5:]) > 0.7
    assert returns.mean() > 4.5  # of 5; at random 0
    for liked, disliked, wanted in ((0, 12, range(10)), (12, 0, range(10, 20))):
        best = agent.agent.recommend([(disliked, 1), (liked, 5)], k=5)
        assert {item.item_id for item in best} <= set(wanted)


def test_playing_and_learning_are_traced_once(learned):
    agent, _ = learned
    assert agent.play.experimental_get_tracing_count() == 1
    assert agent.learner.update_many.experimental_get_tracing_count() == 1


@pytest.mark.slow
def test_xla_plays_the_same_episodes():
    """As on a GPU; without exploration, for its random numbers are others.

    Items of one taste have all but equal vectors of the ratings: random ones leave no near-ties.
    """
    table = toys.table(20, k=4)
    agent = collector(LEARNERS["paper"], two_tastes(), 1, table)
    start = agent.environment.reset(np.arange(USERS), np.full(USERS, WINDOW))
    inputs = start, Exploration(tf.zeros([]), tf.zeros([])), tf.constant([1, 2])
    plain, compiled = agent.play(*inputs), tf.function(agent._play, jit_compile=True)(*inputs)
    for name in plain:
        np.testing.assert_allclose(compiled[name], plain[name], atol=1e-3, err_msg=name)
