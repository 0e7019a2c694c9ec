"""The closed-form start: a linear policy, fitted by ridge regression on states that it visits itself.

Rewards are regressed on the state, for every item at once: with x the state and V the item vectors,
A minimises |X A V' - Y|^2 + a penalty, where Y is reward + 0.5, so that an unrated item is 0. The
states come from playing with the last A (dataset aggregation; Ross et al., 2011), and count half
after every round: those of early policies are seen no more.

The penalty pulls A to a simpler policy, not to zero: one that gives each component of the action the
same component of the state's blocks, with weights of least squares. Such a policy is an SVD with
weighted singular values, or a user's nearest neighbours; few users support no more.
Shapes: U users, B of them at once, T steps, S state size, k embedding size.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import keras
import numpy as np
import tensorflow as tf
from scipy.sparse import csr_matrix

from data.observation import UNRATED_REWARD, FloatArray, Observation, rating_to_reward
from recommender.networks import Networks
from recommender.ranking import mask_scores
from recommender.state import Features, without_demographics
from recommender.update import Mean, own_values

ROUNDS, FADED = 4, 0.5  # of playing and solving, and what earlier states count after one
MOST_USERS = 8192  # of a round: more would take minutes
PENALTY = 0.01  # per row and per feature's mean square, where none is chosen for the data
SIMPLE_PENALTY = 0.01  # of the simple policy
USERS_AT_ONCE = 256
# The first states count more, for every session has them and `catalog` no others: state number t of an
# episode 1 + FIRST_STATES * FADING^t times. Chosen on held-out training users.
FIRST_STATES, FADING = 3.0, 0.7
SHARPNESS = 12.0  # of the softmax policy at first, per unit of predicted reward


class Linear(NamedTuple):
    """A linear policy: action = state @ kernel + bias."""

    kernel: FloatArray  # [S, k]
    bias: FloatArray  # [k]


class RidgeStart:
    """Fits the linear policy.

    Args:
        state: the state module, which gives x.
        features: item vectors.
        environment: of the training users.
        penalty: on the difference from the simple policy.
        demographics_dropout: share of the episodes without.
        mean: over the workers that train together, see `Learner`.
    """

    def __init__(
        self,
        state: keras.Model,
        features: Features,
        environment: Any,
        penalty: float,
        demographics_dropout: float = 0.0,
        mean: Mean = own_values,
    ) -> None:
        self._penalty, self._dropout = penalty, demographics_dropout
        self._mean = mean
        self._state, self._features, self._environment = state, features, environment
        items, ratings = features.items.numpy(), environment.ratings
        wide = items.astype(np.float64)
        self._inverse = np.linalg.pinv(wide.T @ wide)
        gains = rating_to_reward(ratings.values, ratings.scale) - UNRATED_REWARD
        shape = (ratings.n_users, ratings.n_items)
        given = csr_matrix((gains.astype(np.float32), ratings.items, ratings.offsets), shape=shape)
        # sum over a user's rated items of (reward + 0.5) times the item's vector: [U, k]
        self._totals = tf.constant(given @ items)
        self._play = tf.function(self._played)

    def fit(self, begin: Callable[[int], Observation], users: int) -> Linear:
        """The policy after ROUNDS of `users` episodes; `begin` gives the first states of so many."""
        size, k = self._state.size + 1, self._features.table.k
        gram, moment = np.zeros([size, size]), np.zeros([size, k])
        policy = Linear(np.zeros([size - 1, k], np.float32), np.zeros(k, np.float32))
        users = min(users, MOST_USERS)
        length, at_once = self._environment.episode_length, min(users, USERS_AT_ONCE)
        parts = -(-users // at_once)
        for steps in [1] + ROUNDS * [length]:  # at first there is no policy that could go on
            gram, moment = FADED * gram, FADED * moment
            starts = begin(parts * at_once)  # together, so that every user has one
            for part in range(parts):
                rows = slice(part * at_once, (part + 1) * at_once)
                some = Observation(*(None if each is None else each[rows] for each in starts))
                sums = self._play(some, *policy, tf.constant(steps))
                gram, moment = gram + sums[0].numpy(), moment + sums[1].numpy()
            target = moment @ self._inverse
            policy = solve(gram, target, self._state.blocks, self._penalty)
        return policy

    def _played(
        self, observation: Observation, kernel: tf.Tensor, bias: tf.Tensor, steps: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """An episode of B users: X'X [S + 1, S + 1] and X'Y V [S + 1, k] over its states."""
        size, k = self._state.size + 1, self._features.table.k
        gram, moment = tf.zeros([size, size]), tf.zeros([size, k])
        given = tf.linspace(0.0, 1.0, tf.shape(observation.users)[0]) >= self._dropout
        observation = without_demographics(observation, given)
        weight = tf.constant(FIRST_STATES)
        for _ in tf.range(steps):
            state = self._state(observation)
            action = tf.matmul(state, kernel) + bias
            rows = tf.concat([state, tf.ones([tf.shape(state)[0], 1])], axis=1)
            counted = (1.0 + weight) * rows
            weight *= FADING
            gram += tf.matmul(counted, rows, transpose_a=True)
            moment += tf.matmul(counted, self._gains_left(observation, action), transpose_a=True)
            scores = tf.matmul(action, self._features.items, transpose_b=True)
            scores = mask_scores(scores, self._environment.legal(observation))
            item = tf.argmax(scores, axis=1, output_type=tf.int32)
            observation = self._environment.step(observation, item)[0]
        gram, moment = self._mean([gram, moment])
        return gram, moment

    def _gains_left(self, observation: Observation, action: tf.Tensor) -> tf.Tensor:
        """Y V [B, k]: what the user would like, without what is known; shown items, as predicted."""
        known = self._features.vectors(observation.known_items)  # [B, n, k], zeros where empty
        shown = self._features.vectors(observation.shown_items)
        heard = self._environment.rewards(observation.known_ratings) - UNRATED_REWARD
        left = tf.gather(self._totals, observation.users)
        left -= tf.einsum("bm,bmk->bk", heard, known)
        heard = observation.shown_rewards - UNRATED_REWARD
        predicted = tf.einsum("bk,bmk->bm", action, shown)
        return left + tf.einsum("bm,bmk->bk", predicted - heard, shown)


def start_at(policy: Linear, networks: Networks) -> None:
    """Start actor and critics at the policy; its rewards are the critics' values."""
    networks.critic_state.set_weights(networks.actor_state.get_weights())
    networks.actor.skip.kernel.assign(SHARPNESS * policy.kernel)
    networks.actor.action.bias.assign(SHARPNESS * policy.bias)
    for critic in networks.critics:
        critic.direction_skip.kernel.assign(policy.kernel)
        critic.direction.bias.assign(policy.bias)
        critic.baseline.bias.assign([UNRATED_REWARD])


def solve(gram: FloatArray, moment: FloatArray, blocks: int, penalty: float) -> Linear:
    """The policy from X'X [S + 1, S + 1] and X'Y in the space of actions [S + 1, k].

    The last feature is 1; the first `blocks` k ones are blocks of k, component by component.
    """
    diagonal, k = np.diag(gram).copy(), moment.shape[1]
    diagonal += 1e-4 * diagonal[-1]
    diagonal[-1] = 0.0
    simple = np.zeros_like(moment)
    for component in range(k):
        own = np.append(component + k * np.arange(blocks), len(gram) - 1)
        system = gram[np.ix_(own, own)] + np.diag(SIMPLE_PENALTY * diagonal[own])
        simple[own, component] = np.linalg.solve(system, moment[own, component])
    rest = np.linalg.solve(gram + np.diag(penalty * diagonal), moment - gram @ simple)
    found = (simple + rest).astype(np.float32)
    return Linear(found[:-1], found[-1])
