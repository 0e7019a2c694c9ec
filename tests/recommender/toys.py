"""Toy features, observations, logs and batches for the recommender's tests."""

from dataclasses import dataclass, replace

import numpy as np
import tensorflow as tf
from recommender.updates import Learner

from config import AgentConfig, preset
from data.ratings import Ratings
from embedding.table import EmbeddingTable
from envs.vector import VectorOfflineEnv
from recommender.state import Features, Observation

N_ITEMS, N_USERS, K, WINDOW, T = 12, 6, 4, 3, 4
SCALE = (1.0, 5.0)

SMALL = {"actor_hidden": 8, "critic_hidden": 8, "batch_size": 8}
BEST = replace(AgentConfig(), **SMALL, counterfactual=3)
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
    people = np.eye(N_USERS, n_demographics, dtype=np.float32)
    return Features(table(**fields), people, SCALE)


def log(seed: int = 0) -> Ratings:
    """6 users who rated 9 of 12 items each."""
    rng = np.random.default_rng(seed)
    users = np.repeat(np.arange(N_USERS), 9)
    items = np.concatenate([rng.permutation(N_ITEMS)[:9] for _ in range(N_USERS)])
    stars = rng.integers(1, 6, len(users))
    ids = {"user_ids": np.arange(N_USERS), "item_ids": np.arange(N_ITEMS)}
    return Ratings.from_events("toy", users, items, stars, np.arange(len(users)), **ids)


@dataclass(frozen=True)
class Shop:
    """A catalogue with its own ids and titles."""

    item_ids: np.ndarray
    titles: tuple[str, ...]
    demographics: np.ndarray
    scale: tuple[float, float] = (1.0, 5.0)


def shop(n_items: int = N_ITEMS, first: int = 100) -> Shop:
    ids = np.arange(n_items) * 10 + first
    return Shop(ids, tuple(f"Film {i}" for i in ids), np.eye(N_USERS, 2, dtype=np.float32))


def environment(seed: int = 0) -> VectorOfflineEnv:
    return VectorOfflineEnv(log(seed), window=WINDOW, episode_length=T)


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
    nothing = [[]] * len(items)
    starts = np.zeros(np.shape(items))
    return Observation(
        users=tf.constant(users or [0] * len(items), tf.int32),
        items=tf.constant(items, tf.int32),
        ratings=tf.constant(ratings, tf.float32),
        seen=tf.constant(np.hstack([items, shown or nothing]), tf.int32),
        seen_rewards=tf.constant(np.hstack([starts, rewards or nothing]), tf.float32),
    )


def random_observation(size: int = 5, seed: int = 0, window: int = WINDOW) -> Observation:
    """Windows of 0 to n items, padded on the left, and 0 to T answers since, on the right."""
    rng = np.random.default_rng(seed)
    items = np.stack([rng.permutation(N_ITEMS)[:window] for _ in range(size)])
    items[np.arange(window) < rng.integers(0, window + 1, size)[:, None]] = -1
    ratings = np.where(items >= 0, rng.integers(1, 6, items.shape), 0)
    users = rng.integers(0, N_USERS, size)
    shown = rng.integers(0, N_ITEMS, (size, T))
    shown[np.arange(T) >= rng.integers(0, T + 1, size)[:, None]] = -1
    rewards = np.where(shown >= 0, rng.integers(-2, 3, shown.shape) / 2, 0)
    rows = (array.tolist() for array in (items, ratings, users, shown, rewards))
    return observation(*rows)


def batch(config: AgentConfig, size: int = 8, seed: int = 0) -> dict[str, tf.Tensor]:
    """One batch of transitions as the replay gives them, with importance weights."""
    rng = np.random.default_rng(seed)
    window = np.stack([rng.permutation(N_ITEMS)[: WINDOW + 1] for _ in range(size)])
    seen = np.pad(window[:, :WINDOW], [(0, 0), (0, T)], constant_values=-1)
    rating = rng.integers(0, 6, size)  # 0: not rated
    fields = {
        "users": (rng.integers(0, N_USERS, size), tf.int32),
        "items": (window[:, :WINDOW], tf.int32),
        "ratings": (rng.integers(1, 6, (size, WINDOW)), tf.float32),
        "seen": (seen, tf.int32),
        "seen_rewards": (np.zeros(seen.shape), tf.float32),
        "item": (window[:, WINDOW], tf.int32),
        "rating": (rating, tf.float32),
        "reward": (np.where(rating > 0, (rating - 3) / 2, -0.5), tf.float32),
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
