"""Actor, critics and their state modules together: one set is online, another the target.

Shapes: B batch, C actions per state, k embedding size, S state size.
"""

import random
from collections.abc import Iterator
from contextlib import contextmanager

import keras
import tensorflow as tf

from config import AgentConfig
from data.observation import Observation
from recommender.actor import Actor
from recommender.critic import BilinearCritic, Critic
from recommender.softmax_policy import SoftmaxPolicy
from recommender.state import Features, StateRepresentation

# Scores of a residual actor's start, per star of predicted rating. Learning improves the softmax of the
# scores, but the best one is what is shown: at 10 the former rose on ml-1m while the latter fell.
SHARPNESS = 50.0


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
    """Actor, critics and their state modules; the online set or the target set."""

    actor_state: keras.Model
    critic_state: keras.Model
    actor: keras.Model
    critics: list[keras.Model]

    def __init__(self, config: AgentConfig, window: int, features: Features, seed: int) -> None:
        k = features.table.k
        self.config, self.features, self._residual = config, features, config.residual
        with seeded_initialisers(seed):
            self._build(config, window, features, k)

    def _build(self, config: AgentConfig, window: int, features: Features, k: int) -> None:
        self.actor_state = StateRepresentation(config, window, features, name="actor_state")
        self.critic_state = (
            StateRepresentation(config, window, features, name="critic_state")
            if config.separate_states
            else self.actor_state
        )
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
        self.critics = [
            kind(
                k,
                config.critic_hidden,
                state_dim=size,
                start_at_zero=zero,
                name=f"critic_{index + 1}",
            )
            for index in range(config.critics)
        ]

    @property
    def has_two_states(self) -> bool:
        """Whether actor and critics have a state module each; else they share one."""
        return self.critic_state is not self.actor_state

    @property
    def states(self) -> list[keras.Model]:
        """The state modules: one if it is shared, else the actor's and the critic's."""
        return [self.actor_state, self.critic_state] if self.has_two_states else [self.actor_state]

    @property
    def models(self) -> list[keras.Model]:
        """Every model once, in a fixed order."""
        return [*self.states, self.actor, *self.critics]

    @property
    def variables(self) -> list[keras.Variable]:
        """Every weight, in a fixed order."""
        return [variable for model in self.models for variable in model.variables]

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
