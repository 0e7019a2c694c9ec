"""The agent learns, recommends and comes back from its files."""

from dataclasses import dataclass, replace

import numpy as np
import pytest
import tensorflow as tf
import toys

import recommender
from config import AgentConfig, Config, EnvConfig, preset, to_json
from data.ratings import Ratings
from embedding.svd import fit_svd
from envs.episodes import draw_starts
from envs.vector import VectorOfflineEnv
from recommender import DRRAgent
from recommender.agent import TrainingAgent, transition_spec
from recommender.exploration import schedule
from recommender.runs import RunError
from recommender.weights import WeightsError
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
    assert agent._episode.experimental_get_tracing_count() == 1
    assert agent.learner.update_many.experimental_get_tracing_count() == 1


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


@dataclass(frozen=True)
class Shop:
    """A catalogue with its own ids and titles."""

    item_ids: np.ndarray
    titles: tuple[str, ...]
    demographics: np.ndarray
    scale: tuple[float, float] = (1.0, 5.0)


def shop(n_items: int = toys.N_ITEMS, first: int = 100) -> Shop:
    ids = np.arange(n_items) * 10 + first
    return Shop(ids, tuple(f"Film {i}" for i in ids), np.eye(toys.N_USERS, 2, dtype=np.float32))


def fresh(config: AgentConfig = toys.BEST, seed: int = 0) -> DRRAgent:
    return DRRAgent(config, toys.table(), shop(), window=toys.WINDOW, seed=seed)


def test_recommendations_are_best_first_and_leave_out_the_history():
    agent = fresh()
    history = [(110, 5), (200, 1), (120, 4)]
    best = agent.recommend(history, k=9)
    scores = [item.score for item in best]
    assert scores == sorted(scores, reverse=True) and len(set(scores)) > 1
    assert {item.item_id for item in best} == set(shop().item_ids) - {110, 120, 200}
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


@pytest.mark.parametrize(
    ("history", "k", "message"),
    [
        ([], 3, "history is empty"),
        ([(101, 5)], 3, "item 101 is not among the 12 items"),
        ([(-1, 5)], 3, "item -1 is not among the 12 items"),
        ([(10**12, 5)], 3, "item 1000000000000 is not among"),
        ([(110, 6)], 3, "rating 6 of item 110 is not in 1 to 5"),
        ([(110, 0.5)], 3, "rating 0.5 of item 110 is not in 1 to 5"),
        ([(110, float("nan"))], 3, "rating nan of item 110 is not in 1 to 5"),
        ([(110, 5)], 12, "k is 12: choose 1 to 11"),
        ([(110, 5), (110, 4)], 12, "k is 12: choose 1 to 11"),
        ([(110, 5)], 0, "k is 0: choose 1 to 11"),
        ([(110, 5)], -3, "k is -3: choose 1 to 11"),
    ],
)
def test_what_cannot_be_recommended_is_said_with_the_value(history, k, message):
    with pytest.raises(ValueError, match=message):
        fresh().recommend(history, k)


SAVED = {
    "best": toys.BEST,
    "paper": toys.PAPER,
    "one critic, two states": replace(toys.BEST, critics=1),
    "drr-u": replace(toys.PAPER, state="drr-u", refused=True),
}


def write_run(folder, config: AgentConfig, seed: int = 0) -> DRRAgent:
    agent = fresh(config, seed)
    rng = np.random.default_rng(seed)
    for variable in agent.networks.variables:
        variable.assign(rng.normal(size=variable.shape))
    folder.mkdir(exist_ok=True)
    settings = replace(Config(), agent=config, env=EnvConfig(window=toys.WINDOW))
    (folder / "config.json").write_text(to_json(settings))
    agent.save(folder)
    return agent


@pytest.mark.parametrize("config", SAVED.values(), ids=SAVED.keys())
def test_a_saved_agent_comes_back_with_equal_scores(tmp_path, config):
    agent = write_run(tmp_path, config)
    loaded = DRRAgent.load(tmp_path, shop())
    observation = toys.random_observation(6)
    users, items, ratings = (value.numpy() for value in observation[:3])
    shown, rewards = (value.numpy()[:, toys.WINDOW :] for value in observation[3:5])
    expected = agent.scores(users, items, ratings, shown, rewards)
    np.testing.assert_array_equal(loaded.scores(users, items, ratings, shown, rewards), expected)
    for mine, theirs in zip(agent.networks.variables, loaded.networks.variables, strict=True):
        np.testing.assert_array_equal(mine, theirs)
    names = {"actor", "critic", "state", "embedding"}
    assert {path.name for path in tmp_path.glob("*.h5")} == {f"{n}.weights.h5" for n in names}


def test_without_the_data_set_there_are_ids_but_no_titles(tmp_path):
    expected = write_run(tmp_path, toys.BEST).recommend([(110, 5)], 3)
    found = DRRAgent.load(tmp_path).recommend([(110, 5)], 3)
    assert found == [item._replace(title=None) for item in expected]


def test_swapped_files_are_refused(tmp_path):
    write_run(tmp_path, toys.PAPER)
    actor, critic = tmp_path / "actor.weights.h5", tmp_path / "critic.weights.h5"
    kept = actor.read_bytes()
    actor.write_bytes(critic.read_bytes())
    with pytest.raises(WeightsError, match=r"actor\.weights\.h5"):
        DRRAgent.load(tmp_path)
    critic.write_bytes(kept)
    actor.write_bytes(kept)
    with pytest.raises(WeightsError, match=r"critic\.weights\.h5"):
        DRRAgent.load(tmp_path)


def damage(name: str, content: str | None):
    def act(folder):
        path = folder / name
        if content is None:
            path.unlink()
        else:
            path.write_text(content)

    return act


FAULTS = {
    "no config": (damage("config.json", None), RunError, "no config.json"),
    "no catalogue": (damage("catalogue.json", None), RunError, "catalogue.json: no such file"),
    "half a catalogue": (damage("catalogue.json", '{"item_ids": [1'), RunError, "not valid JSON"),
    "no ids": (damage("catalogue.json", "{}"), RunError, "'item_ids' is missing"),
    "a list": (damage("catalogue.json", "[]"), RunError, "catalogue.json"),
    "no actor": (damage("actor.weights.h5", None), (WeightsError, OSError), "actor.weights.h5"),
    "text for state": (damage("state.weights.h5", "hello"), WeightsError, "state.weights.h5"),
    "text for embedding": (damage("embedding.weights.h5", "x"), ValueError, "embedding.weights.h5"),
}


@pytest.mark.parametrize(("act", "error", "message"), FAULTS.values(), ids=FAULTS.keys())
def test_a_run_that_is_not_whole_says_what_is_wrong(tmp_path, act, error, message):
    write_run(tmp_path, toys.PAPER)
    act(tmp_path)
    with pytest.raises(error, match=message):
        DRRAgent.load(tmp_path)


@pytest.mark.parametrize(
    ("other", "message"),
    [
        (shop(13), "trained on 12 items, the data set has 13"),
        (shop(first=101), "or other ids"),
        (replace(shop(), demographics=np.zeros((6, 5), np.float32)), "trained with 2 demographic"),
    ],
)
def test_another_data_set_is_refused(tmp_path, other, message):
    write_run(tmp_path, toys.PAPER)
    with pytest.raises(RunError, match=message):
        DRRAgent.load(tmp_path, other)


def test_the_package_offers_its_names_and_no_others():
    homes = {"Actor": "actor", "Critic": "critic", "DRRAgent": "agent", "load_weights": "weights"}
    assert set(recommender.__all__) == set(homes)
    for name, home in homes.items():
        assert getattr(recommender, name).__module__ == f"recommender.{home}"
    with pytest.raises(ImportError, match="cannot import name 'Agent'"):
        from recommender import Agent  # noqa: F401
