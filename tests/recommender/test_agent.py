"""The agent learns, recommends and comes back from its files."""

from dataclasses import replace

import numpy as np
import pytest
import tensorflow as tf
import toys

import recommender
from config import AgentConfig, preset
from data.ratings import Ratings
from embedding.svd import fit_svd
from envs.episodes import draw_starts
from envs.vector import VectorOfflineEnv
from recommender import DRRAgent
from recommender.agent import TrainingAgent, transition_spec
from recommender.exploration import Exploration, schedule
from recommender.history import parse
from replay_buffer.prioritized import PrioritizedReplay
from replay_buffer.uniform import UniformReplay

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


def training_agent(config: AgentConfig, ratings: Ratings, updates: int) -> TrainingAgent:
    spec = transition_spec(config, WINDOW, T, k=4)
    return TrainingAgent(
        config,
        fit_svd(ratings, 4),
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
        users, items, ratings, seen, rewards, _ = (value.numpy() for value in state)
        scores = agent.scores(users, items, ratings, seen[:, WINDOW:], rewards[:, WINDOW:])
        scores[~environment.legal(state.users, state.seen).numpy()] = -np.inf
        chosen = tf.constant(scores.argmax(axis=1), tf.int32)
        state, reward, _, _ = environment.step(state, chosen)
        total += reward.numpy()
    return total


SMALL = {"actor_hidden": 32, "critic_hidden": 32, "batch_size": 32}
LEARNERS = {
    "best": replace(AgentConfig(), **SMALL, counterfactual=4),
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
def learned(request) -> tuple[TrainingAgent, list[float]]:
    """An agent after 40 short episodes of 32 users, and the mean reward of each."""
    config, ratings, rng = LEARNERS[request.param], two_tastes(), np.random.default_rng(0)
    agent, rewards = training_agent(config, ratings, updates=40 * 24), []
    for episode in range(40):
        users, starts = draw_starts(rng, ratings, np.arange(USERS), WINDOW, 0.5, 32)
        start = agent.environment.reset(users, starts)
        played = agent.collect(start, schedule(config, episode / 40), (1, 64 * episode))
        agent.learn(24, rng, (2, 1024 * episode), episode / 40)
        rewards.append(float(played["reward"].mean()))
    return agent, rewards


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


def test_xla_plays_the_same_episodes():
    """As on a GPU; without exploration, for its random numbers are others."""
    agent = training_agent(LEARNERS["paper"], two_tastes(), 1)
    start = agent.environment.reset(np.arange(USERS), np.full(USERS, WINDOW))
    inputs = start, Exploration(tf.zeros([]), tf.zeros([])), tf.constant([1, 2])
    plain, compiled = agent.play(*inputs), tf.function(agent._play, jit_compile=True)(*inputs)
    for name in plain:
        np.testing.assert_allclose(compiled[name], plain[name], atol=1e-3, err_msg=name)


def test_priorities_are_the_absolute_td_errors_with_alpha_once():
    config, ratings = LEARNERS["paper"], two_tastes()
    agent, rng = training_agent(config, ratings, updates=10), np.random.default_rng(0)
    agent.learner.update_many = agent.learner._update_many  # eager: one update, no trace
    spec = transition_spec(config, WINDOW, T, k=4)
    count = 50
    rows = {name: np.zeros((count, *shape), kind) for name, (shape, kind) in spec.items()}
    rows["users"], rows["item"] = np.arange(count) % USERS, np.arange(count, dtype=np.int32) % 20
    rows["reward"] = rng.normal(size=count).astype(np.float32)
    rows["action"] = rng.normal(size=(count, 4)).astype(np.float16)
    rows = {name: values.astype(spec[name][1]) for name, values in rows.items()}
    agent.replay.add(rows)
    seen: list[tuple] = []
    inner = agent.replay.update_priorities
    agent.replay.update_priorities = lambda i, e: (seen.append((i, e)), inner(i, e))
    agent.learn(1, rng, (0, 0), 0.0)
    indices, errors = (np.ravel(value) for value in seen[0])
    assert errors.std() > 0.1 and errors.min() < 0
    stored = agent.replay.state_dict()["priorities"]
    expected = np.ones(count)  # new transitions: the largest priority
    expected[indices] = (np.abs(errors) + EPS) ** ALPHA
    np.testing.assert_allclose(stored, expected, rtol=1e-5)


@pytest.mark.parametrize("name", ["best", "paper"])
@pytest.mark.parametrize("kind", [PrioritizedReplay, UniformReplay])
def test_a_million_transitions_take_at_most_600_megabytes(name, kind):
    config = preset(name)
    spec = transition_spec(config.agent, config.env.window, config.env.episode_length, 100)
    row = sum(int(np.prod(shape)) * np.dtype(dtype).itemsize for shape, dtype in spec.values())
    small = kind(1 << 10, spec)
    assert small.nbytes >= (1 << 10) * row
    assert small.nbytes / (1 << 10) * 1e6 <= 0.6e9


def fresh(config: AgentConfig = toys.BEST, seed: int = 0) -> DRRAgent:
    return DRRAgent(config, toys.table(), toys.shop(), window=toys.WINDOW, seed=seed)


def test_recommendations_are_best_first_and_leave_out_the_history():
    agent = fresh()
    history = [(110, 5), (200, 1), (120, 4)]
    best = agent.recommend(history, k=9)
    scores = [item.score for item in best]
    assert scores == sorted(scores, reverse=True) and len(set(scores)) > 1
    assert {item.item_id for item in best} == set(toys.shop().item_ids) - {110, 120, 200}
    assert all(item.title == f"Film {item.item_id}" for item in best)
    expected = agent.scores(np.array([-1]), np.array([[1, 10, 2]]), np.float32([[5, 1, 4]]))[0]
    assert best[0].score == expected[np.setdiff1d(np.arange(12), [1, 10, 2])].max()


def test_equal_scores_rank_by_item_id():
    agent = fresh()
    for model in agent.networks.models:
        for variable in model.variables:
            variable.assign(tf.zeros_like(variable))
    assert [item.item_id for item in agent.recommend([(110, 5)], k=3)] == [100, 120, 130]


def test_only_the_latest_items_make_the_state_and_older_ones_stay_out_of_the_list():
    agent = fresh()
    latest = [(110, 5), (200, 1), (120, 4)]
    long = agent.recommend([(150, 2), *latest], k=8)
    short = [item for item in agent.recommend(latest, k=9) if item.item_id != 150]
    assert long == short


@pytest.fixture(scope="module")
def seller() -> DRRAgent:
    """An agent of the shop, as it was created."""
    return fresh()


NAN, INF = float("nan"), float("inf")
ALL = [(item, 3) for item in toys.shop().item_ids.tolist()]
UNKNOWN = [101, -1, 10**12, 10**30, 110.5, NAN, -INF, "110", b"110", None, True, [110], 1j]
OFF_SCALE = [6, 0, 0.5, -1, 10**400, NAN, INF, -INF]
NO_NUMBER = ["5", None, True, [5], 5j, np.array([5])]
BAD_LENGTH = [12, 0, -3, 10**30, 2.5, NAN, INF, "3", None, True, [3]]
REFUSED = [
    ([], 3, "history is empty"),
    (np.zeros((0, 2)), 3, "history is empty"),
    (None, 3, "the history is None: give .item id, rating. pairs"),
    (5, 3, "the history is 5: give"),
    ([110, 5], 3, "the history holds 110: give"),
    ([(110, 5, 1)], 3, r"the history holds \(110, 5, 1\): give"),
    ([(110,)], 3, r"the history holds \(110,\): give"),
    ({110: 5}, 3, "the history holds 110: give"),
    (ALL, 1, "the history holds all 12 items: nothing is left"),
    ([(110, 5), (110, 4)], 12, "k is 12: choose 1 to 11"),
    *(([(110, 5), (item, 5)], 3, "item .* is not among the 12 items") for item in UNKNOWN),
    *(([(110, stars)], 3, "rating .* of item 110 is not in 1 to 5") for stars in OFF_SCALE),
    *(([(110, stars)], 3, "of item 110 is not a number in 1 to 5") for stars in NO_NUMBER),
    *(([(110, 5)], k, "k is .*: choose 1 to 11, the items not in") for k in BAD_LENGTH),
]


@pytest.mark.parametrize(("history", "k", "message"), REFUSED)
def test_what_cannot_be_recommended_is_said_with_the_value(seller, history, k, message):
    with pytest.raises(ValueError, match=message) as caught:
        seller.recommend(history, k)
    assert len(str(caught.value)) < 200  # a huge value is not repeated in full


def test_the_value_that_cannot_be_used_is_quoted(seller):
    for history, k, quoted in (
        ([("Heat", 5)], 1, "item 'Heat' is"),
        ([(110, "five")], 1, "rating 'five' of"),
        ([(110, 5)], 2.5, "k is 2.5:"),
    ):
        with pytest.raises(ValueError, match=quoted):
            seller.recommend(history, k)


def test_a_history_may_be_given_in_any_form(seller):
    expected = seller.recommend([(110, 5), (200, 1)], 3)
    for history in (
        ((item, stars) for item, stars in ((110, 5), (200, 1))),
        {110: 5, 200: 1}.items(),
        np.array([[110, 5], [200, 1]]),
        np.array([[110, 5], [200, 1]], np.float32),
        [(np.int64(110), np.float32(5)), (np.uint8(200), np.int16(1))],
    ):
        assert seller.recommend(history, np.int64(3)) == expected


def test_of_an_item_given_twice_the_latest_rating_counts(seller):
    expected = seller.recommend([(200, 1), (110, 4)], 5)
    assert seller.recommend([(110, 1), (200, 1), (110, 4)], 5) == expected
    assert parse([(110, 1), (200, 1), (110, 4)], toys.shop()) == ([10, 1], [1.0, 4.0])


def test_the_package_offers_its_names_and_no_others():
    homes = {"Actor": "actor", "Critic": "critic", "DRRAgent": "agent", "load_weights": "weights"}
    assert set(recommender.__all__) == set(homes)
    for name, home in homes.items():
        assert getattr(recommender, name).__module__ == f"recommender.{home}"
    with pytest.raises(ImportError, match="cannot import name 'Agent'"):
        from recommender import Agent  # noqa: F401
