"""The update of Algorithm 1, lines 10 to 14: critic (4), actor (3), then the target networks.

One call runs several updates in one compiled loop: fixed shapes, one trace, no host round trip.
Shapes: M updates, B batch, n window, m places of `seen`, k embedding size, I items, C
counterfactual items, P sampled positives.
"""

from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

import keras
import tensorflow as tf

from config import AgentConfig
from recommender.exploration import gumbel_scorer
from recommender.networks import Networks
from recommender.ranking import ILLEGAL, Block, Legal, best_item, scorer, top_items
from recommender.softmax import softmax_policy
from recommender.state import Features, Observation, StateRepresentation

# TD3: standard deviation and limit of the noise on the target action; critic updates per actor's
SMOOTHING, LARGEST_SMOOTHING, DELAY = 0.2, 0.5, 2
POSITIVES = 32  # sampled per state for the imitation loss; more only lowers its variance

Mean = Callable[[list[tf.Tensor]], list[tf.Tensor]]


def alone(tensors: list[tf.Tensor]) -> list[tf.Tensor]:
    """The means over the workers of one update where there is one worker: the tensors themselves."""
    return tensors


class Log(Protocol):
    """What the update asks of the environment: the training users' log."""

    def legal(
        self, users: tf.Tensor, seen: tf.Tensor, start: tf.Tensor | int, width: int
    ) -> tf.Tensor: ...
    def rewards(self, users: tf.Tensor, items: tf.Tensor) -> tf.Tensor: ...
    def next_window(self, window: tf.Tensor, new: tf.Tensor, rewards: tf.Tensor) -> tf.Tensor: ...
    def sample_positives(self, users: tf.Tensor, count: int, seed: tf.Tensor) -> tf.Tensor: ...


def soft_update(target: list[Any], online: list[Any], tau: float) -> None:
    """target <- tau * online + (1 - tau) * target, variable by variable."""
    for old, new in zip(target, online, strict=True):
        old.assign(tau * new + (1.0 - tau) * old)


class Targets(NamedTuple):
    """TD targets of the recommended item [B], and the discounted value of the next state [B]."""

    target: tf.Tensor
    continuation: tf.Tensor


class Learner:
    """Owns the networks, their targets and the optimizers; `update_many` improves them.

    Args:
        config: the update rules.
        window: n.
        features: item vectors and demographics.
        log: the training environment.
        total_updates: of the whole run, for the learning-rate schedule.
        seed: of the initial weights.
        mean: replaces what every worker computed from its part of a batch by the mean over them.
        jit_compile: compile the loop with XLA.
    """

    def __init__(
        self,
        config: AgentConfig,
        window: int,
        features: Features,
        log: Log,
        *,
        total_updates: int,
        seed: int,
        mean: Mean = alone,
        jit_compile: bool = False,
    ) -> None:
        self.config = config
        self.mean = mean
        self.features = features
        self.log = log
        self.online = Networks(config, window, features, seed)
        self.target = Networks(config, window, features, seed)
        self.target.copy_from(self.online)
        self._actor_variables, self._critic_variables = self._trainable()
        delay = DELAY if config.algorithm == "td3" else 1
        self.actor_optimizer = self._optimizer(config.actor_lr, total_updates // delay)
        self.critic_optimizer = self._optimizer(config.critic_lr, total_updates)
        self.actor_optimizer.build(self._actor_variables)
        self.critic_optimizer.build(self._critic_variables)
        self.update_many = tf.function(self._update_many, jit_compile=jit_compile)

    def _trainable(self) -> tuple[list[Any], list[Any]]:
        online = self.online
        actor, critic = list(online.actor.trainable_variables), []
        if self.config.train_state:
            critic += online.critic_state.trainable_variables
            if online.critic_state is not online.actor_state:
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
        self, batches: dict[str, tf.Tensor], seed: tf.Tensor
    ) -> tuple[tf.Tensor, dict[str, tf.Tensor]]:
        """M updates on batches of fields [M, B, ...]; seed [2] int32.

        Returns:
            TD errors [M, B], and the mean over the updates of each logged scalar.
        """
        updates, size = batches["reward"].shape[:2]
        errors = tf.TensorArray(tf.float32, updates, element_shape=[size])
        sums = {
            name: tf.zeros([]) for name in ("critic_loss", "actor_loss", "q", "q_max", "action")
        }
        for index in tf.range(updates):
            batch = {name: tf.gather(value, index) for name, value in batches.items()}
            td_error, scalars = self.update(batch, seed + tf.stack([0, 16 * index]))
            errors = errors.write(index, td_error)
            sums = {name: sums[name] + scalars[name] for name in sums}
        return errors.stack(), {name: value / updates for name, value in sums.items()}

    def update(
        self, batch: dict[str, tf.Tensor], seed: tf.Tensor
    ) -> tuple[tf.Tensor, dict[str, tf.Tensor]]:
        """One update on a batch of fields [B, ...] -> TD errors [B], logged scalars."""
        observation = Observation.of(batch)
        # y = r + gamma Q'(s', pi'(s'))
        targets = self._td_target(batch, seed + [0, 12])
        # Critic: equation (4), weighted by the replay's importance weights
        td_error, critic_loss, q = self._update_critic(batch, observation, targets, seed)
        # Actor: equation (3), at a = pi(s)
        actor_loss, action = self._update_actor(batch, observation, seed + [0, 8])
        # theta' <- tau theta + (1 - tau) theta'
        self._when_due(
            lambda: soft_update(self.target.variables, self.online.variables, self.config.tau)
        )
        scalars = {
            "critic_loss": critic_loss,
            "actor_loss": actor_loss,
            "q": tf.reduce_mean(q),
            "q_max": tf.reduce_max(tf.abs(q)),
            "action": tf.reduce_mean(action),
        }
        return td_error, scalars

    def _when_due(self, change: Callable[[], None]) -> None:
        """The actor and the targets change with every update of the critics; in TD3 with every
        second."""
        if self.config.algorithm == "ddpg" or self.critic_optimizer.iterations % DELAY == 0:
            change()

    def _legal(self, observation: Observation) -> Legal:
        """What may be shown to the users, block by block."""
        users, seen = observation.users, observation.seen

        def legal(block: Block) -> tf.Tensor:
            return self.log.legal(users, seen, block.start, block.width)

        return legal

    def _td_target(self, batch: dict[str, tf.Tensor], seed: tf.Tensor) -> Targets:
        config, reward = self.config, batch["reward"]
        following = Observation(
            users=batch["users"],
            items=self.log.next_window(batch["items"], batch["item"], reward),
            ratings=self.log.next_window(batch["ratings"], batch["rating"], reward),
            seen=tf.concat([batch["seen"], batch["item"][:, None]], axis=1),
            seen_rewards=tf.concat([batch["seen_rewards"], reward[:, None]], axis=1),
        )
        action = self.target.act(following)
        if config.algorithm == "td3":
            noise = SMOOTHING * tf.random.stateless_normal(tf.shape(action), seed)
            action += tf.clip_by_value(noise, -LARGEST_SMOOTHING, LARGEST_SMOOTHING)
        if config.critic_action == "item":
            score = scorer(action, self.features.items, self._legal(following))
            action = tf.gather(self.features.items, best_item(score, self.features.n_items))
        state = self.target.critic_state(following)
        values = tf.concat(
            [self.target.value(critic, following, state, action) for critic in self.target.critics],
            axis=1,
        )
        value = tf.reduce_min(values, axis=1)  # [B]
        continuation = config.discount * (1.0 - batch["terminated"]) * value
        target = reward + continuation
        if config.clip_target:
            bound = 1.0 / (1.0 - config.discount)
            target = tf.clip_by_value(target, -bound, bound)
        return Targets(tf.ensure_shape(target, reward.shape), continuation)

    def _update_critic(
        self,
        batch: dict[str, tf.Tensor],
        observation: Observation,
        targets: Targets,
        seed: tf.Tensor,
    ) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        """One step of the critics -> TD errors of the last one [B], loss, Q(s, a) [B, critics]."""
        config, online = self.config, self.online
        items = batch["item"][:, None]  # [B, 1 + C], the recommended item first
        wanted = targets.target[:, None]
        if config.counterfactual:
            others, scores = self._draw_items(observation, seed)
            # where fewer than C are left, the recommended item fills up
            others = tf.where(scores > ILLEGAL, others, batch["item"][:, None])
            rewards = self.log.rewards(observation.users, others)
            items = tf.concat([items, others], axis=1)
            wanted = tf.concat([wanted, rewards + targets.continuation[:, None]], axis=1)
        if config.critic_action == "item":
            actions = tf.gather(self.features.items, items)  # [B, 1 + C, k]
        else:
            actions = self._stored(batch)[:, None]
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

    def _stored(self, batch: dict[str, tf.Tensor]) -> tf.Tensor:
        """The actions of the transitions, as the critic sees them: [B, k]."""
        if self.config.critic_action == "item":
            return tf.gather(self.features.items, batch["item"])
        return tf.cast(batch["action"], tf.float32)

    def _draw_items(self, observation: Observation, seed: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """C items per state, or all that are always left, from the actor's softmax, as `top_items`."""
        action, n_items = self.online.act(observation), self.features.n_items
        noisy = gumbel_scorer(action, self.features.items, self._legal(observation), 1.0, seed)
        always_left = n_items - observation.seen.shape[1]
        count = max(1, min(self.config.counterfactual, always_left))
        return top_items(noisy, n_items, count, ordered=False)

    def _update_actor(
        self, batch: dict[str, tf.Tensor], observation: Observation, seed: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor]:
        config, online = self.config, self.online
        own_state = online.actor_state is not online.critic_state
        critic_state = online.critic_state(observation)
        positives = self.log.sample_positives(observation.users, POSITIVES, seed + [0, 1])
        with tf.GradientTape() as tape:
            state = self._perturbed(online.actor_state, observation, seed)
            action = online.act(observation, state if own_state else tf.stop_gradient(state))
            loss = tf.zeros([])
            if config.critic_action == "item" or config.imitation:
                log_policy, mean_item = softmax_policy(
                    action, self.features.items, self._legal(observation), tf.maximum(positives, 0)
                )
            if config.policy_gradient:
                # the mean item under the softmax of the scores: what the actor would show
                shown = mean_item if config.critic_action == "item" else action
                if config.actor_gradient == "stored":  # its value, with the gradient of pi(s)
                    shown += tf.stop_gradient(self._stored(batch) - shown)
                q = online.value(online.critics[0], observation, critic_state, shown)
                loss -= config.policy_gradient * tf.reduce_mean(q)
            if config.imitation:
                usable = (positives >= 0) & ~among(positives, observation.seen)
                loss += config.imitation * imitation_loss(log_policy, usable, self.mean)
        gradients = self.mean(tape.gradient(loss, self._actor_variables))
        self._when_due(lambda: self.actor_optimizer.apply(gradients, self._actor_variables))
        return loss, action

    def _perturbed(
        self, module: StateRepresentation, observation: Observation, seed: tf.Tensor
    ) -> tf.Tensor:
        """The state with hidden items and dropout: [B, S]."""
        config, keep = self.config, None
        if config.item_dropout:
            uniform = tf.random.stateless_uniform(observation.items.shape, seed + [0, 2])
            keep = tf.cast(uniform >= config.item_dropout, tf.float32)
        state = module(observation, keep)
        if config.dropout:
            uniform = tf.random.stateless_uniform(tf.shape(state), seed + [0, 3])
            state = tf.where(uniform >= config.dropout, state / (1.0 - config.dropout), 0.0)
        return state


def imitation_loss(log_policy: tf.Tensor, usable: tf.Tensor, mean: Mean = alone) -> tf.Tensor:
    """Listwise cross-entropy: mean of -log pi(i | s) over sampled positives that are still legal.

    log_policy [B, P], usable [B, P] bool -> scalar. Workers have different numbers of usable
    positives: each divides by the mean number, so that the mean of their losses is that of the
    whole batch.
    """
    chosen = tf.where(usable, log_policy, 0.0)
    (count,) = mean([tf.reduce_sum(tf.cast(usable, tf.float32))])
    return -tf.reduce_sum(chosen) / tf.maximum(count, 1.0)


def among(items: tf.Tensor, seen: tf.Tensor) -> tf.Tensor:
    """Which of items [B, P] are in the same row of seen [B, m]: [B, P] bool."""
    return tf.reduce_any(items[:, :, None] == seen[:, None, :], axis=2)
