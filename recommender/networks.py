"""Actor, critics and their state modules (section IV.A): one set is online, another the target.

Shapes: B batch, C actions per state, k embedding size, S state size.
"""

import random
from collections.abc import Iterator
from contextlib import contextmanager

import keras
import tensorflow as tf
from keras.layers import Dense

from config import AgentConfig
from data.observation import Observation
from recommender.ranking import SoftmaxPolicy
from recommender.state import Features, StateRepresentation

# Scores of a residual actor's start, per star of predicted rating. Learning improves the softmax of the
# scores, but the best one is what is shown: at 10 the former rose on ml-1m while the latter fell.
SHARPNESS = 50.0


class Actor(keras.Model):
    """Two ReLU layers and a tanh layer; the action scores items by inner product (equation 2).

    Args:
        embedding_dim: k, the size of the action.
        hidden_dim: units of the two ReLU layers.
        state_dim: size of the state; 3 k (DRR-ave) when it is None.
        output: "tanh" (the paper), "inverted" (see `inverting`), or "linear-skip": linear, plus a
            linear map of the state.
        start_at_zero: the last layer's kernels are zero at first.
        penalty: weight in the loss of the mean square of what tanh is given.
    """

    def __init__(
        self,
        embedding_dim: int = 100,
        hidden_dim: int = 128,
        *,
        state_dim: int | None = None,
        output: str = "tanh",
        start_at_zero: bool = False,
        penalty: float = 0.0,
        name: str = "actor",
    ) -> None:
        super().__init__(name=name)
        self._output, self._penalty = output, penalty
        self.state_dim = 3 * embedding_dim if state_dim is None else state_dim
        self.hidden_1 = Dense(hidden_dim, activation="relu", name="hidden_1")
        self.hidden_2 = Dense(hidden_dim, activation="relu", name="hidden_2")
        kernel = "zeros" if start_at_zero else "glorot_uniform"
        self.action = Dense(embedding_dim, kernel_initializer=kernel, name="action")
        self.skip = None
        if output == "linear-skip":
            self.skip = Dense(embedding_dim, use_bias=False, kernel_initializer=kernel, name="skip")
        self.built = True  # by the call below, which Keras would trace first
        self(tf.zeros([1, self.state_dim]))  # unbuilt, it would have no weights to load or copy

    def call(self, state: tf.Tensor) -> tf.Tensor:
        """state [B, S] -> action [B, k]."""
        action = self.action(self.hidden_2(self.hidden_1(state)))
        if self.skip is not None:
            return action + self.skip(state)
        if self._output == "inverted":
            return inverting(action)
        return tf.tanh(penalised(action, self._penalty) if self._penalty else action)


def inverting(action: tf.Tensor) -> tf.Tensor:
    """The action itself; its gradient shrinks towards the bounds -1 and 1, and turns beyond them.

    Hausknecht and Stone (2016), equation 11: an action near a bound can still come back.
    """

    def inverted(slope: tf.Tensor) -> tf.Tensor:
        room = tf.where(slope < 0, 1.0 - action, 1.0 + action)  # descent raises where slope < 0
        return slope * room / 2.0

    return tf.custom_gradient(lambda same: (same, inverted))(action)


def penalised(action: tf.Tensor, weight: float) -> tf.Tensor:
    """What tanh is given [B, k], itself; weight * its mean square joins the loss it leads to."""

    def pulled(slope: tf.Tensor) -> tf.Tensor:
        return slope + 2.0 * weight * action / tf.cast(tf.size(action), tf.float32)

    return tf.custom_gradient(lambda same: (same, pulled))(action)


class Critic(keras.Model):
    """The paper's: a ReLU layer on the state, joined with the action, two ReLU layers, a scalar.

    The action comes first in the concatenation, as in the weights that earlier repositories saved.

    Args:
        embedding_dim: k, the size of the action and of the state layer.
        hidden_dim: units of the two ReLU layers behind the concatenation.
        state_dim: size of the state; 3 k (DRR-ave) when it is None.
        start_at_zero: Q is zero at first.
    """

    def __init__(
        self,
        embedding_dim: int = 100,
        hidden_dim: int = 128,
        *,
        state_dim: int | None = None,
        start_at_zero: bool = False,
        name: str = "critic",
    ) -> None:
        super().__init__(name=name)
        self.state_dim = 3 * embedding_dim if state_dim is None else state_dim
        self.hidden_state = Dense(embedding_dim, activation="relu", name="hidden_state")
        self.hidden_1 = Dense(hidden_dim, activation="relu", name="hidden_1")
        self.hidden_2 = Dense(hidden_dim, activation="relu", name="hidden_2")
        kernel = "zeros" if start_at_zero else "glorot_uniform"
        self.q_value = Dense(1, kernel_initializer=kernel, name="q_value")
        self.built = True  # as in Actor
        self(tf.zeros([1, self.state_dim]), tf.zeros([1, embedding_dim]))

    def call(self, state: tf.Tensor, action: tf.Tensor) -> tf.Tensor:
        """state [B, S], action [B, k] -> Q [B, 1]."""
        joined = tf.concat([action, self.hidden_state(state)], axis=-1)
        return self.q_value(self.hidden_2(self.hidden_1(joined)))

    def q_items(self, state: tf.Tensor, items: tf.Tensor) -> tf.Tensor:
        """state [B, S], item embeddings [B, C, k] -> Q of each item as the action [B, C]."""
        count = tf.shape(items)[1]
        states = tf.repeat(state, count, axis=0)  # [B C, S]
        q = self(states, tf.reshape(items, [-1, items.shape[-1]]))
        return tf.reshape(q, [-1, count])

    def q_policy(self, state: tf.Tensor, policy: SoftmaxPolicy) -> tf.Tensor:
        """Q of the mean item under a policy [B]."""
        return self(state, policy.mean_item())[:, 0]


class BilinearCritic(keras.Model):
    """Q(s, a) = f(s) . a + g(s): linear in the action, so it cannot explode between two items.

    A deviation from the paper (`--agent.critic mlp` is the paper's); arguments as in `Critic`.
    """

    def __init__(
        self,
        embedding_dim: int = 100,
        hidden_dim: int = 256,
        *,
        state_dim: int | None = None,
        start_at_zero: bool = False,
        name: str = "bilinear_critic",
    ) -> None:
        super().__init__(name=name)
        self.state_dim = 3 * embedding_dim if state_dim is None else state_dim
        self.hidden_1 = Dense(hidden_dim, activation="relu", name="hidden_1")
        self.hidden_2 = Dense(hidden_dim, activation="relu", name="hidden_2")
        kernel = "zeros" if start_at_zero else "glorot_uniform"
        self.direction = Dense(embedding_dim, kernel_initializer=kernel, name="direction")
        self.direction_skip = Dense(
            embedding_dim, use_bias=False, kernel_initializer=kernel, name="direction_skip"
        )
        self.baseline = Dense(1, kernel_initializer=kernel, name="baseline")
        self.built = True  # as in Actor
        self(tf.zeros([1, self.state_dim]), tf.zeros([1, embedding_dim]))

    def heads(self, state: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """state [B, S] -> f(s) [B, k], g(s) [B, 1]."""
        hidden = self.hidden_2(self.hidden_1(state))
        return self.direction(hidden) + self.direction_skip(state), self.baseline(hidden)

    def call(self, state: tf.Tensor, action: tf.Tensor) -> tf.Tensor:
        """state [B, S], action [B, k] -> Q [B, 1]."""
        direction, baseline = self.heads(state)
        return tf.reduce_sum(direction * action, axis=-1, keepdims=True) + baseline

    def q_items(self, state: tf.Tensor, items: tf.Tensor) -> tf.Tensor:
        """state [B, S], item embeddings [B, C, k] -> Q of each item as the action [B, C]."""
        direction, baseline = self.heads(state)
        return tf.einsum("bk,bck->bc", direction, items) + baseline

    def q_policy(self, state: tf.Tensor, policy: SoftmaxPolicy) -> tf.Tensor:
        """Q of the mean item under a policy [B]: because Q is linear, the mean Q of its items."""
        direction, baseline = self.heads(state)
        return policy.expected(direction) + baseline[:, 0]


@contextmanager
def seeded_initialisers(seed: int) -> Iterator[None]:
    """Keras draws the seeds of initial weights from Python's generator: seed it, then restore it."""
    before = random.getstate()
    random.seed(seed)
    try:
        yield
    finally:
        random.setstate(before)


class Networks:
    """Actor, critics and their state modules; the online set or the target set.

    Attributes:
        has_two_states: whether actor and critics have a state module each; else they share one.
        states, models, variables: every one once, in a fixed order.
    """

    actor_state: keras.Model
    critic_state: keras.Model
    actor: keras.Model
    critics: list[keras.Model]

    def __init__(self, config: AgentConfig, window: int, features: Features, seed: int) -> None:
        self.config, self.features, self._residual = config, features, config.residual
        with seeded_initialisers(seed):
            self._build(config, window, features, features.table.k)
        self.has_two_states = self.critic_state is not self.actor_state
        self.states = [self.actor_state] + [self.critic_state] * self.has_two_states
        self.models = [*self.states, self.actor, *self.critics]
        self.variables = [variable for model in self.models for variable in model.variables]

    def _build(self, config: AgentConfig, window: int, features: Features, k: int) -> None:
        self.actor_state = self.critic_state = StateRepresentation(
            config, window, features, name="actor_state"
        )
        if config.separate_states:
            self.critic_state = StateRepresentation(config, window, features, name="critic_state")
        size, zero = self.actor_state.size, config.start != "random" or config.residual
        self.actor = Actor(
            k,
            config.actor_hidden,
            state_dim=size,
            output=config.actor_output,
            start_at_zero=zero,
            penalty=config.action_penalty,
        )
        kind = BilinearCritic if config.critic == "bilinear" else Critic
        same = {"state_dim": size, "start_at_zero": zero}
        names = [f"critic_{number}" for number in range(1, config.critics + 1)]
        self.critics = [kind(k, config.critic_hidden, name=name, **same) for name in names]

    def act(self, observation: Observation, state: tf.Tensor | None = None) -> tf.Tensor:
        """pi(s) [B, k], from the observation or from its state [B, S] where that is at hand."""
        action = self.actor(self.actor_state(observation) if state is None else state)
        return action + SHARPNESS * observation.profile if self._residual else action

    def values(
        self, critic: keras.Model, observation: Observation, state: tf.Tensor, actions: tf.Tensor
    ) -> tf.Tensor:
        """Q(s, a) [B, C] of actions [B, C, k] by one of the critics."""
        q = critic.q_items(state, actions)
        if not self._residual:
            return q
        return q + tf.einsum("bk,bck->bc", self._prior(observation), actions)

    def value(
        self, critic: keras.Model, observation: Observation, state: tf.Tensor, action: tf.Tensor
    ) -> tf.Tensor:
        """Q(s, a) [B, 1] of one action each [B, k]."""
        q = critic(state, action)
        if not self._residual:
            return q
        return q + tf.reduce_sum(self._prior(observation) * action, axis=1, keepdims=True)

    def expected_value(
        self,
        critic: keras.Model,
        observation: Observation,
        state: tf.Tensor,
        policy: SoftmaxPolicy,
    ) -> tf.Tensor:
        """Q(s, .) of what the policy shows on average, the mean item: [B]."""
        q = critic.q_policy(state, policy)
        return q + policy.expected(self._prior(observation)) if self._residual else q

    def _prior(self, observation: Observation) -> tf.Tensor:
        """The factorisation's slope [B, k]: u . a predicts a deviation in stars, this a reward."""
        low, high = self.features.scale
        return observation.profile * (2.0 / (high - low))

    def copy_from(self, other: "Networks") -> None:
        """Become an exact copy."""
        for mine, theirs in zip(self.variables, other.variables, strict=True):
            mine.assign(theirs)
