"""The update of Algorithm 1, lines 10 to 14: critic (4), actor (3), then the target networks.

One call runs several updates in one compiled loop: fixed shapes, one trace, no host round trip.
Shapes: M updates, B batch, n window, T places for shown items, k embedding size, I items, C
counterfactual items, P sampled positives.
"""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from config import AgentConfig
from data.observation import Observation
from recommender.networks import Networks
from recommender.ranking import Legal, SoftmaxPolicy, best_item, scorer
from recommender.state import Features, StateRepresentation, without_demographics

POSITIVES = 32  # sampled per state for the imitation loss; more only lowers its variance

Batch = dict[str, tf.Tensor]
Mean = Callable[[list[tf.Tensor]], list[tf.Tensor]]


def own_values(tensors: list[tf.Tensor]) -> list[tf.Tensor]:
    """The means over the workers of one update where there is one worker: the tensors themselves."""
    return tensors


class Learner:
    """Owns the networks, their targets and the optimizers; `update_many` improves them.

    Args:
        config: the update rules.
        window: n.
        features: item vectors and rating range.
        log: the environment of the training users, a `VectorOfflineEnv`.
        total_updates: of the whole run, for the learning-rate schedule.
        seed: of the initial weights.
        mean: replaces what every worker computed from its part of a batch by the mean over them.
        jit_compile: compile the loop with XLA.
    """

    networks: type[Networks] = Networks

    def __init__(
        self,
        config: AgentConfig,
        window: int,
        features: Features,
        log: Any,
        *,
        total_updates: int,
        seed: int,
        mean: Mean = own_values,
        jit_compile: bool = False,
    ) -> None:
        self.config, self.features, self.log, self.mean = config, features, log, mean
        self.online = self.networks(config, window, features, seed)
        self.target = self.networks(config, window, features, seed)
        self._prepare()
        self.target.copy_from(self.online)
        self._actor_variables, self._critic_variables = self._trainable()
        self.actor_optimizer = self._optimizer(config.actor_lr, total_updates)
        self.critic_optimizer = self._optimizer(config.critic_lr, total_updates)
        self.actor_optimizer.build(self._actor_variables)
        self.critic_optimizer.build(self._critic_variables)
        self.update_many = tf.function(self._update_many, jit_compile=jit_compile)

    def _prepare(self) -> None:
        """What the online networks take from the log before they are copied: nothing here."""

    def _trainable(self) -> tuple[list[Any], list[Any]]:
        """A shared state module is trained with the critics."""
        online = self.online
        actor = list(online.actor.trainable_variables)
        critic = list(online.critic_state.trainable_variables)
        if online.has_two_states:
            actor = online.actor_state.trainable_variables + actor
        for model in online.critics:
            critic += model.trainable_variables
        return actor, critic

    def _optimizer(self, rate: float, total_updates: int) -> keras.optimizers.Optimizer:
        config = self.config
        if config.lr_schedule == "cosine":
            rate = keras.optimizers.schedules.CosineDecay(rate, max(1, total_updates))
        return keras.optimizers.AdamW(
            rate, weight_decay=config.weight_decay, global_clipnorm=config.clip_norm or None
        )

    @property
    def variables(self) -> list[Any]:
        """Everything that an update changes, in a fixed order, for checkpoints."""
        return [
            *self.online.variables,
            *self.target.variables,
            *self.actor_optimizer.variables,
            *self.critic_optimizer.variables,
        ]

    def _update_many(
        self, batches: Batch, seed: tf.Tensor
    ) -> tuple[tf.Tensor, dict[str, tf.Tensor]]:
        """M updates on batches of fields [M, B, ...]; seed [2] int32.

        Returns:
            TD errors [M, B], and the mean over the updates of each logged scalar.
        """
        updates, size = batches["reward"].shape[:2]
        errors = tf.TensorArray(tf.float32, updates, element_shape=[size])
        names = ("critic_loss", "actor_loss", "q", "q_max", "action")
        sums = {name: tf.zeros([]) for name in names}
        for index in tf.range(updates):
            batch = {name: tf.gather(value, index) for name, value in batches.items()}
            td_error, scalars = self.update(batch, seed + tf.stack([0, 16 * index]))
            errors = errors.write(index, td_error)
            sums = {name: sums[name] + scalars[name] for name in sums}
        return errors.stack(), {name: value / updates for name, value in sums.items()}

    def update(self, batch: Batch, seed: tf.Tensor) -> tuple[tf.Tensor, dict[str, tf.Tensor]]:
        """One update on a batch of fields [B, ...] -> TD errors [B], logged scalars."""
        observation = self._observation(batch, seed)
        with tf.GradientTape() as tape:
            action, policy = self._act(observation, seed)
            with tape.stop_recording():
                items, ratings = self._answered(batch, observation, policy, seed)
                # y = r + gamma Q'(s', pi'(s'))
                wanted = self._td_targets(batch, observation, items, ratings)
                # Critic: equation (4), weighted by the replay's importance weights
                td_error, critic_loss, q = self._update_critics(
                    batch, observation, items, wanted, seed
                )
            # Actor: equation (3), at a = pi(s), by the critic that was just updated
            actor_loss = self._actor_loss(observation, action, policy, seed)
        gradients = self.mean(tape.gradient(actor_loss, self._actor_variables))
        self.actor_optimizer.apply(gradients, self._actor_variables)
        # theta' <- tau theta + (1 - tau) theta'
        soft_update(self.target.variables, self.online.variables, self.config.tau)
        return td_error, logged(critic_loss, actor_loss, q, action)

    def _observation(self, batch: Batch, seed: tf.Tensor) -> Observation:
        """What is known in the batch, of some users without their demographics."""
        observation = self.log.observation(batch)
        if not self.config.demographics_dropout:
            return observation
        uniform = tf.random.stateless_uniform(batch["reward"].shape, seed + [0, 10])
        return without_demographics(observation, uniform >= self.config.demographics_dropout)

    def _td_targets(
        self, batch: Batch, observation: Observation, items: tf.Tensor, ratings: tf.Tensor
    ) -> tf.Tensor:
        """Targets y of items [B, 1 + C], the recommended one first; each has its own next state."""
        config, networks = self.config, self.target
        reward = tf.concat([batch["reward"][:, None], self.log.rewards(ratings[:, 1:])], axis=1)
        if config.discount == 0.0:  # a next state would count for nothing
            return reward
        rows = np.repeat(np.arange(reward.shape[0]), reward.shape[1])  # [B (1 + C)]
        each = Observation(*(tf.gather(field, rows) for field in observation))
        answers = (tf.reshape(part, [-1]) for part in (items, ratings, reward))
        following = self.log.after(each, *answers)
        action = networks.act(following)
        if config.critic_action == "item":  # the best item left for the target actor
            score = scorer(action, self.features.items, self.legal(following))
            action = tf.gather(self.features.items, best_item(score, self.features.n_items))
        state = networks.critic_state(following)
        values = [networks.value(critic, following, state, action) for critic in networks.critics]
        value = tf.reduce_min(tf.concat(values, axis=1), axis=1)  # twins: the smaller, against bias
        ended = self._terminated(batch, observation, items)
        target = reward + config.discount * (1.0 - ended) * tf.reshape(value, tf.shape(reward))
        if config.clip_target:  # rewards lie in [-1, 1]: no return is larger than this
            bound = 1.0 / (1.0 - config.discount)
            target = tf.clip_by_value(target, -bound, bound)
        return target

    def _terminated(self, batch: Batch, observation: Observation, items: tf.Tensor) -> tf.Tensor:
        """1 where the episode ends after items [B, 1 + C]: the user leaves, or no candidate is left,
        which is so after each of them if it is after the recommended one."""
        leaves = tf.cast(self.log.leaves(observation, items), tf.float32)
        none_left = batch["terminated"] * (1.0 - leaves[:, 0])
        return tf.maximum(leaves, none_left[:, None])

    def _act(self, observation: Observation, seed: tf.Tensor) -> tuple[tf.Tensor, SoftmaxPolicy]:
        """pi(s) [B, k] from perturbed states, and the softmax policy of its scores."""
        online = self.online
        state = self._perturbed(online.actor_state, observation, seed + [0, 8])
        if not online.has_two_states:  # a shared module learns from the critics alone
            state = tf.stop_gradient(state)
        action = online.act(observation, state)
        return action, SoftmaxPolicy(action, self.features.items, self.legal(observation))

    def _answered(
        self, batch: Batch, observation: Observation, policy: SoftmaxPolicy, seed: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Items the critics learn from, the recommended one first, and their ratings: [B, 1 + C]."""
        items, ratings = batch["item"][:, None], batch["rating"][:, None]
        if not self.config.counterfactual:
            return items, ratings
        others = policy.sample(self.config.counterfactual, seed)
        answers = self.log.answers(observation.users, others)
        return tf.concat([items, others], axis=1), tf.concat([ratings, answers], axis=1)

    def _update_critics(
        self,
        batch: Batch,
        observation: Observation,
        items: tf.Tensor,
        wanted: tf.Tensor,
        seed: tf.Tensor,
    ) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        """One step of the critics -> TD errors of the last one [B], loss, Q(s, a) [B, critics]."""
        online = self.online
        if self.config.critic_action == "item":
            actions = tf.gather(self.features.items, items)  # [B, 1 + C, k]
        else:
            actions = tf.cast(batch["action"], tf.float32)[:, None]
        with tf.GradientTape() as tape:
            state = self._perturbed(online.critic_state, observation, seed + [0, 1])
            loss, q = 0.0, []
            for critic in online.critics:
                values = online.values(critic, observation, state, actions)
                q.append(values[:, 0])
                error = tf.ensure_shape(wanted, [None, actions.shape[1]]) - values
                loss += tf.reduce_mean(batch["weights"] * tf.reduce_mean(tf.square(error), axis=1))
        gradients = self.mean(tape.gradient(loss, self._critic_variables))
        self.critic_optimizer.apply(gradients, self._critic_variables)
        return error[:, 0], loss / len(online.critics), tf.stack(q, axis=1)

    def _actor_loss(
        self,
        observation: Observation,
        action: tf.Tensor,
        policy: SoftmaxPolicy,
        seed: tf.Tensor,
    ) -> tf.Tensor:
        config, loss = self.config, tf.zeros([])
        if config.policy_gradient:
            # the gradient stops at the critic: only the action is asked to move
            state = tf.stop_gradient(self.online.critic_state(observation))
            critic = self.online.critics[0]
            if config.critic_action == "item":  # what the actor would show
                q = self.online.expected_value(critic, observation, state, policy)
            else:
                q = self.online.value(critic, observation, state, action)
            loss -= config.policy_gradient * tf.reduce_mean(q)
        if config.imitation:
            positives = self.log.sample_positives(observation.users, POSITIVES, seed + [0, 9])
            usable = (positives >= 0) & ~occur_in(positives, observation)
            log_policy = policy.log_probabilities(tf.maximum(positives, 0))
            loss += config.imitation * imitation_loss(log_policy, usable, self.mean)
        return loss

    def legal(self, observation: Observation) -> Legal:
        """What may be shown to the users, block by block."""
        return lambda block: self.log.legal(observation, block.start, block.width)

    def _perturbed(
        self, module: StateRepresentation, observation: Observation, seed: tf.Tensor
    ) -> tf.Tensor:
        """The state with hidden items and dropout: [B, S]."""
        config, keep = self.config, None
        if config.item_dropout:
            uniform = tf.random.stateless_uniform(observation.window_items.shape, seed + [0, 2])
            keep = tf.cast(uniform >= config.item_dropout, tf.float32)
        state = module(observation, keep)
        if config.dropout:
            uniform = tf.random.stateless_uniform(tf.shape(state), seed + [0, 3])
            state = tf.where(uniform >= config.dropout, state / (1.0 - config.dropout), 0.0)
        return state


def logged(
    critic_loss: tf.Tensor, actor_loss: tf.Tensor, q: tf.Tensor, action: tf.Tensor
) -> dict[str, tf.Tensor]:
    """The scalars of one update."""
    return {
        "critic_loss": critic_loss,
        "actor_loss": actor_loss,
        "q": tf.reduce_mean(q),
        "q_max": tf.reduce_max(tf.abs(q)),
        "action": tf.reduce_mean(action),
    }


def soft_update(target: list[Any], online: list[Any], tau: float) -> None:
    """target <- tau * online + (1 - tau) * target, variable by variable."""
    for old, new in zip(target, online, strict=True):
        old.assign(tau * new + (1.0 - tau) * old)


def imitation_loss(log_policy: tf.Tensor, usable: tf.Tensor, mean: Mean = own_values) -> tf.Tensor:
    """Listwise cross-entropy: mean of -log pi(i | s) over sampled positives that are still legal.

    log_policy [B, P], usable [B, P] bool -> scalar. Workers have different numbers of usable
    positives: each divides by the mean number, so that the mean of their losses is that of the
    whole batch.
    """
    chosen = tf.where(usable, log_policy, 0.0)
    (count,) = mean([tf.reduce_sum(tf.cast(usable, tf.float32))])
    return -tf.reduce_sum(chosen) / tf.maximum(count, 1.0)


def occur_in(items: tf.Tensor, observation: Observation) -> tf.Tensor:
    """Which of items [B, P] the users of an observation know or were shown: [B, P] bool."""
    seen = tf.concat([observation.known_items, observation.shown_items], axis=1)
    return tf.reduce_any(items[:, :, None] == seen[:, None, :], axis=2)
