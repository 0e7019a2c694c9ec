"""Toy features, observations, logs and batches for the recommender's tests."""

from dataclasses import dataclass, replace

import keras
import numpy as np
import tensorflow as tf

from config import AgentConfig, preset
from data.observation import Observation, answer_rewards
from data.ratings import Ratings
from embedding.table import EmbeddingTable
from envs.vector import STORED, VectorOfflineEnv
from recommender.agent import DRRAgent, as_tensors
from recommender.state import Features
from recommender.update import Learner

N_ITEMS, N_USERS, K, WINDOW, T = 12, 6, 4, 3, 4
SCALE = (1.0, 5.0)
PEOPLE = np.eye(N_USERS, 2, dtype=np.float32)  # demographics
PROFILES = np.random.default_rng(9).normal(size=(N_USERS, K)).astype(np.float32)

SMALL = {"actor_hidden": 8, "critic_hidden": 8, "batch_size": 8}
# a random start, so that an untrained agent tells items apart; rates at which some updates show
LIVELY = {"start": "random", "actor_lr": 2e-3, "critic_lr": 2e-3, "dropout": 0.5, "noise": 1.0}
LIVELY |= {"discount": 0.5}  # so that the next state counts
BEST = replace(
    AgentConfig(), **SMALL, **LIVELY, counterfactual=3, context="refused", demographics_dropout=0.0
)
PAPER = replace(preset("paper").agent, **SMALL)


def table(n_items: int = N_ITEMS, k: int = K, seed: int = 0, **fields) -> EmbeddingTable:
    rng = np.random.default_rng(seed)
    values = {
        "kind": "toy",
        "items": rng.normal(size=(n_items, k)).astype(np.float32),
        "users": None,
        "item_bias": np.zeros(n_items, np.float32),
        "user_bias": None,
        "mean": 3.0,
        "regularisation": 0.5,
    }
    return EmbeddingTable(**(values | fields))


def features(n_demographics: int = 2, **fields) -> Features:
    return Features(table(**fields), SCALE, n_demographics)


def log(seed: int = 0) -> Ratings:
    """6 users who rated 9 of 12 items each."""
    rng = np.random.default_rng(seed)
    users = np.repeat(np.arange(N_USERS), 9)
    items = np.concatenate([rng.permutation(N_ITEMS)[:9] for _ in range(N_USERS)])
    stars = rng.integers(1, 6, len(users))
    ids = {"user_ids": np.arange(N_USERS), "item_ids": np.arange(N_ITEMS)}
    people = {"demographics": PEOPLE, "demographic_names": ("F", "M")}
    return Ratings.from_events("toy", users, items, stars, np.arange(len(users)), **ids, **people)


@dataclass(frozen=True)
class Shop:
    """A catalogue with its own ids and titles."""

    item_ids: np.ndarray
    titles: tuple[str, ...]
    demographics: np.ndarray
    demographic_columns: tuple[tuple[str, str], ...] = ()
    scale: tuple[float, float] = (1.0, 5.0)


def shop(n_items: int = N_ITEMS, first: int = 100) -> Shop:
    ids = np.arange(n_items) * 10 + first
    return Shop(ids, tuple(f"Film {i}" for i in ids), PEOPLE)


def randomised(agent: DRRAgent, seed: int = 1) -> DRRAgent:
    """The agent, with random weights everywhere, so that every part of the state matters."""
    rng = np.random.default_rng(seed)
    for variable in agent.networks.variables:
        variable.assign(rng.normal(size=variable.shape))
    return agent


def randomise(model: keras.Model, seed: int = 0) -> keras.Model:
    """The model, with random weights."""
    rng = np.random.default_rng(seed)
    model.set_weights([rng.normal(size=w.shape).astype(np.float32) for w in model.weights])
    return model


def environment() -> VectorOfflineEnv:
    made = VectorOfflineEnv(log(), window=WINDOW, episode_length=T)
    made.set_profiles(PROFILES)
    return made


def learner(config: AgentConfig, seed: int = 0, **arguments) -> Learner:
    return Learner(
        config, WINDOW, features(), environment(), total_updates=100, seed=seed, **arguments
    )


def observation(
    items: list,
    ratings: list,
    users: list | None = None,
    shown: list | None = None,
    rewards: list | None = None,
) -> Observation:
    """Windows [B, n], and what was shown since the start and its rewards [B, t]."""
    who, nothing = np.array(users or [0] * len(items)), np.zeros((len(items), 0))
    known = np.array(items, np.int32), np.array(ratings, np.float32)
    start = Observation.start(who, demographics(who), *known, window=known[0].shape[1])
    fields = {
        "window_items": known[0],  # empty places stay where they are
        "window_ratings": known[1],
        "shown_items": np.array(shown or nothing, np.int32),
        "shown_rewards": np.array(rewards or nothing, np.float32),
    }
    return as_tensors(start._replace(**fields))


def demographics(users: np.ndarray) -> np.ndarray:
    """[B, D]: zeros of strangers, and of all but two users."""
    return np.where(users[:, None] >= 0, PEOPLE[users], 0).astype(np.float32)


def episodes(size: int, seed: int = 0, window: int = WINDOW) -> Observation:
    """Episodes in progress: 0 to n known items, 0 to T - 1 different ones shown since."""
    rng = np.random.default_rng(seed)
    users, steps = rng.integers(0, N_USERS, size), rng.integers(0, T, size)
    items = np.stack([rng.permutation(N_ITEMS) for _ in range(size)])
    empty = np.arange(window) < rng.integers(0, window + 1, size)[:, None]
    known = np.where(empty, -1, items[:, :window])
    stars = np.where(empty, 0, rng.integers(1, 6, known.shape))
    now = Observation.start(users, demographics(users), known, stars, window=window)
    for step in range(T - 1):
        shown = np.where(step < steps, items[:, window + step], -1)
        heard = np.where(step < steps, rng.choice([1, 2, 3, 4, 5, np.nan], size), 0)
        now = now.after(shown, heard, answer_rewards(shown, heard, SCALE))
    room = [(0, 0), (0, 1)]
    return now._replace(
        shown_items=np.pad(now.shown_items, room, constant_values=-1),
        shown_ratings=np.pad(now.shown_ratings, room),
        shown_rewards=np.pad(now.shown_rewards, room),
        profile=PROFILES[users],
    )


def random_observation(size: int = 5, seed: int = 0, window: int = WINDOW) -> Observation:
    """`episodes` as tensors."""
    return as_tensors(episodes(size, seed, window))


def batch(config: AgentConfig, size: int = 8, seed: int = 0) -> dict[str, tf.Tensor]:
    """One batch of transitions as the replay gives them, with importance weights."""
    rng, now = np.random.default_rng(seed), episodes(size, seed)
    seen = np.hstack([now.known_items, now.shown_items])
    item = [rng.choice(np.setdiff1d(np.arange(N_ITEMS), row)) for row in seen]
    rating = rng.choice([1, 2, 3, 4, 5, np.nan], size)
    fields = {name: (getattr(now, name), getattr(now, name).dtype) for name in STORED}
    fields |= {
        "item": (item, tf.int32),
        "rating": (rating, tf.float32),
        "reward": (answer_rewards(np.array(item), rating, SCALE), tf.float32),
        "terminated": (rng.integers(0, 2, size), tf.float32),
        "weights": (rng.uniform(0.2, 1, size), tf.float32),
    }
    if config.critic_action == "proto":
        fields["action"] = (rng.normal(size=(size, K)), tf.float16)
    return {name: tf.constant(value, kind) for name, (value, kind) in fields.items()}


def stacked(batches: list[dict[str, tf.Tensor]]) -> dict[str, tf.Tensor]:
    """M batches [B, ...] as one of fields [M, B, ...]."""
    return {name: tf.stack([batch[name] for batch in batches]) for name in batches[0]}


class Recorder:
    """Stands in for an optimizer: keeps the gradients, changes nothing."""

    def __init__(self) -> None:
        self.gradients: list[np.ndarray | None] = []

    def apply(self, gradients: list, variables: list) -> None:
        assert len(gradients) == len(variables)
        self.gradients = [None if g is None else tf.convert_to_tensor(g).numpy() for g in gradients]


def state_by_loops(name, vectors, weights, user, filled):
    """One user's state by the paper's formulas, entry by entry; empty places count as zeros."""
    n, k = vectors.shape
    used = [v * f for v, f in zip(vectors, filled, strict=True)]
    weighted = [w * v for w, v in zip(weights, used, strict=True)]
    pairs = []
    for a in range(n):
        for b in range(a + 1, n):
            pairs += [weighted[a][c] * weighted[b][c] for c in range(k)]
    if name == "drr-n":
        return [x for v in used for x in v]
    if name == "drr-p":
        return [x for v in used for x in v] + pairs
    if name == "drr-u":
        return [user[c] * v[c] for v in weighted for c in range(k)] + pairs
    mean = [sum(v[c] for v in weighted) / max(1, sum(filled)) for c in range(k)]
    return [*user, *(u * g for u, g in zip(user, mean, strict=True)), *mean]
