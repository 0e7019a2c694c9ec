"""The update of the planner (`recommender.planning`): critic, actor, then the target networks.

Shapes: M updates, B batch, I items, C items that the critic learns from, P places, G genres.
"""

import tensorflow as tf

from data.observation import Observation
from recommender.planning import Planned, PlanningNetworks
from recommender.ranking import ILLEGAL
from recommender.softmax_policy import draw
from recommender.update import Batch, Learner, soft_update

FLATTER = 0.5  # power of the policy from which half of the counterfactual items are drawn


class PlanningLearner(Learner):
    """`Learner` for the planner; the log's users make the prior, its episodes' length the horizon."""

    online: PlanningNetworks
    target: PlanningNetworks

    def _prepare(self) -> None:
        self.online.actor_state.fit(self.log.ratings, self.log.episode_length)
        self._genres = self.features.items[:, -self.features.table.genres :]  # [I, G]

    def update(self, batch: Batch, seed: tf.Tensor) -> tuple[tf.Tensor, dict[str, tf.Tensor]]:
        """One update on a batch of fields [B, ...] -> errors of V [B], logged scalars."""
        observation = self._observation(batch, seed)
        state = self.online.actor_state(observation)
        legal = self.log.legal(observation, 0, self.features.n_items)
        scores = self._scores(observation, state, legal)
        items = self._items(batch, scores, seed)
        values = self.target.item_values(state)  # for critic and actor: they cost most of an update
        expected = self._expected(scores, values)
        error, critic_loss = self._update_critic(batch, observation, state, items, expected)
        actor_loss, q = self._update_actor(observation, state, legal, values)
        soft_update(self.target.variables, self.online.variables, self.config.tau)
        scalars = {
            "critic_loss": critic_loss,
            "actor_loss": actor_loss,
            "q": tf.reduce_mean(q),
            "q_max": tf.reduce_max(tf.abs(q)),
            "action": tf.reduce_mean(self.online.act(observation, state)),
        }
        return error, scalars

    def _scores(self, observation: Observation, state: Planned, legal: tf.Tensor) -> tf.Tensor:
        """Logits of the policy that explores [B, I]."""
        action = self.online.act(observation, state) / self.config.entropy
        scores = tf.matmul(action, self.features.items, transpose_b=True)
        return tf.where(legal, scores, ILLEGAL)

    @staticmethod
    def _expected(scores: tf.Tensor, values: tf.Tensor) -> tf.Tensor:
        """Mean of values [B, I] under the policy [B]."""
        return tf.reduce_sum(tf.nn.softmax(scores) * values, axis=1)

    def _items(self, batch: Batch, scores: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        """The item that was shown, uniform ones, and ones of a flattened policy: [B, 1 + C]."""
        count, size = self.config.counterfactual, tf.shape(scores)[0]
        uniform = tf.random.stateless_uniform(
            [size, count - count // 2], seed, 0, self.features.n_items, tf.int32
        )
        weights = tf.exp(FLATTER * (scores - tf.reduce_max(scores, axis=1, keepdims=True)))
        drawn = draw(weights, count // 2, seed + [0, 1])[0]
        return tf.concat([batch["item"][:, None], uniform, drawn], axis=1)

    def _update_critic(
        self,
        batch: Batch,
        observation: Observation,
        state: Planned,
        items: tf.Tensor,
        value: tf.Tensor,
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Leaving by cross-entropy, V by `value` [B]."""
        genres = tf.gather(self._genres, items)  # [B, C, G]
        left = tf.cast(self.log.leaves(observation, items), tf.float32)
        with tf.GradientTape() as tape:
            leave = self.online.leaving(state, genres)
            entropy = tf.nn.sigmoid_cross_entropy_with_logits(left, leave)
            error = value - self.online.state_value(state)
            loss = tf.reduce_mean(entropy)
            loss += tf.reduce_mean(batch["weights"] * tf.square(error))
        gradients = self.mean(tape.gradient(loss, self._critic_variables))
        self.critic_optimizer.apply(gradients, self._critic_variables)
        return error, loss

    def _update_actor(
        self, observation: Observation, state: Planned, legal: tf.Tensor, q: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Expected Q [B, I] plus entropy, over all items -> loss, expected Q [B]."""
        with tf.GradientTape() as tape:
            scores = self._scores(observation, state, legal)
            expected = self._expected(scores, q)
            log_policy = tf.nn.log_softmax(scores)
            gain = expected - self.config.entropy * self._expected(scores, log_policy)
            loss = -self.config.policy_gradient * tf.reduce_mean(gain)
        gradients = self.mean(tape.gradient(loss, self._actor_variables))
        self.actor_optimizer.apply(gradients, self._actor_variables)
        return loss, expected


LEARNERS: dict[str, type[Learner]] = {"items": Learner, "genres": PlanningLearner}  # by head
