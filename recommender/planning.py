"""An agent that plans by genre: the user's vector in closed form, a learned price of every genre.

Equation 2 on items [v, b, g] of `embedding.factorise.fit_with_genres`: the action is [u, 1, w], with u
what the user's answers say in closed form and w(s) from one small network that all genres share.
Shapes: B batch, I items, m components of v and the user's level, G genres, P places, C items that the
critic learns from.
"""

from typing import NamedTuple

import keras
import numpy as np
import tensorflow as tf
from keras.layers import Dense

from config import AgentConfig
from data.observation import Observation, rating_to_reward
from data.ratings import Ratings
from recommender.networks import Networks
from recommender.ranking import ILLEGAL, draw
from recommender.state import Features, placeholder, solve
from recommender.update import Batch, Learner, logged, soft_update

PLACES = 10  # items shown last whose genres are told apart by when they were shown
# Variances of ratings about what the factorisation predicts, of those known at the start and of those
# heard in the session, and the ridge of the demographics' regression: chosen on held-out users.
KNOWN_NOISE, HEARD_NOISE, RIDGE = 0.8, 0.1, 30.0
# Scales that bring counts of genres, of an item and of all recent ones, near 1
PER_ITEM, IN_ALL = 3.0, 10.0
LAST = 1.0 - 1e-3  # step from which nothing follows
LOGIT = 10.0  # scale of the logit of leaving, which learns faster for it
FLATTER = 0.5  # power of the policy from which half of the counterfactual items are drawn


class Planned(NamedTuple):
    """What actor and critic see of B users."""

    user: tf.Tensor  # [B, m]: mean of the user's vector and level, given the answers
    recent: tf.Tensor  # [B, P, G]: genres of the items shown last, the latest first
    step: tf.Tensor  # [B]: items shown, as a share of the horizon


class PlannedState(keras.Model):
    """Bayesian linear regression of a user's ratings on items [v, 1], and the genres shown last.

    The prior is normal: its mean by demographics, its covariance that of the training users' vectors
    about it. Nothing here is trained; `fit` sets it.
    """

    def __init__(self, features: Features, name: str = "state") -> None:
        super().__init__(name=name)
        self.features, self.genres = features, features.table.genres
        genres = features.items.numpy()[:, -self.genres :]
        kinds, kind_of = np.unique(genres, axis=0, return_inverse=True)
        self.kinds = tf.constant(kinds)  # [K, G]: the sets of genres that items have
        self.kind_of = tf.constant(kind_of.ravel(), tf.int32)  # [I]
        m, d = features.table.k - self.genres, features.n_demographics
        shapes = {
            "slopes": (d, m),
            "centre": (d,),
            "mean": (m,),
            "precision": (m, m),
            "horizon": (),
            "spread": (m,),
        }
        for weight, shape in shapes.items():
            made = self.add_weight(shape=shape, initializer="ones", trainable=False, name=weight)
            setattr(self, weight, made)
        self.precision.assign(np.eye(m))
        self.built = True

    def fit(self, ratings: Ratings, horizon: int) -> None:
        """The prior of users like those whose vectors the table has, and the length of a session."""
        table = self.features.table
        if table.users is None or table.user_bias is None:
            raise LookupError("the table has no user vectors, from which the prior is made")
        rows = np.flatnonzero(ratings.lengths)
        vectors = table.users[rows, : -self.genres].astype(np.float64)
        vectors[:, -1] = table.user_bias[rows]
        people = ratings.demographics[rows].astype(np.float64)
        mean, centre = vectors.mean(axis=0), people.mean(axis=0)
        people = people - centre
        gram = people.T @ people + RIDGE * np.eye(people.shape[1])
        slopes = np.linalg.solve(gram, people.T @ (vectors - mean))
        about = np.cov((vectors - mean - people @ slopes).T) + 1e-4 * np.eye(len(mean))
        values = (slopes, centre, mean, np.linalg.inv(about), float(horizon), vectors.std(axis=0))
        for weight, value in zip(self.weights, values, strict=True):
            weight.assign(value)

    def call(self, observation: Observation) -> Planned:
        """What is known -> what actor and critic see."""
        shown = observation.shown_items
        count = tf.reduce_sum(tf.cast(shown >= 0, tf.int32), axis=1)
        padded = tf.pad(shown, [[0, 0], [PLACES, 0]], constant_values=-1)
        latest = count[:, None] + PLACES - 1 - tf.range(PLACES)
        items = tf.gather(padded, latest, batch_dims=1)  # [B, P]
        recent = self.features.vectors(items)[:, :, -self.genres :]
        step = tf.minimum(tf.cast(count, tf.float32) / self.horizon, 1.0)
        return Planned(self.posterior(observation), recent, step)

    def posterior(self, observation: Observation) -> tf.Tensor:
        """The mean of the user's vector and level [B, m]: of the window's ratings from before the
        session, and of all answers heard in it."""
        shown, window = observation.shown_items, observation.window_items
        before = tf.reduce_all(window[:, :, None] != shown[:, None, :], axis=2) & (window >= 0)
        low, high = self.features.scale
        heard = (low + high) / 2 + observation.shown_rewards * (high - low) / 2
        parts = [
            (window, observation.window_ratings, tf.cast(before, tf.float32) / KNOWN_NOISE),
            (shown, heard, tf.cast(shown >= 0, tf.float32) / HEARD_NOISE),
        ]
        people = observation.demographics
        given = tf.reduce_any(people != 0, axis=1, keepdims=True)  # else the mean over everybody
        prior = self.mean + tf.where(given, tf.matmul(people - self.centre, self.slopes), 0.0)
        precision, right = self.precision[None], self.precision @ prior[..., None]
        for items, ratings, weights in parts:
            vectors = self.features.vectors(items)
            bias, one = vectors[:, :, -self.genres - 1], tf.ones_like(vectors[:, :, :1])
            rows = tf.concat([vectors[:, :, : -self.genres - 1], one], axis=2)  # [B, t, m]
            weighted = rows * weights[..., None]
            residual = (ratings - self.features.table.mean - bias)[..., None]
            precision += tf.matmul(weighted, rows, transpose_a=True)
            right += tf.matmul(weighted, residual, transpose_a=True)
        return solve(precision, right[..., 0])

    def rewards(self, user: tf.Tensor) -> tf.Tensor:
        """What the user would say to every item, not clipped, as a reward [B, I]."""
        features = self.features
        level = rating_to_reward(features.table.mean + user[:, -1:], features.scale)
        return level + tf.matmul(self.action(user), features.items, transpose_b=True)

    def action(self, user: tf.Tensor) -> tf.Tensor:
        """[u, 1, 0] [B, k], whose product with an item orders as the rewards do."""
        low, high = self.features.scale
        vector = tf.concat([user[:, :-1], tf.ones_like(user[:, :1])], axis=1) * (2.0 / (high - low))
        return tf.pad(vector, [[0, 0], [0, self.genres]])

    def _clock(self, step: tf.Tensor) -> tf.Tensor:
        """The step, whether it is the last one, and one of the last P: [B, 3]."""
        left = self.horizon * (1.0 - step)
        ends = [tf.cast(left < most + 0.5, tf.float32) for most in (1, PLACES)]
        return tf.stack([step, *ends], axis=1)

    def of_genres(self, state: Planned) -> tf.Tensor:
        """What the networks that all genres share see of each: [B, G, 2 P + 4].

        When it was shown; the step; how many genres each of the latest items took.
        """
        own = tf.transpose(state.recent, [0, 2, 1])
        taken = tf.reduce_sum(state.recent, axis=2) / PER_ITEM
        total = tf.reduce_sum(taken, axis=1, keepdims=True) * (PER_ITEM / IN_ALL)
        common = tf.concat([self._clock(state.step), taken, total], axis=1)
        return tf.concat([own, tf.repeat(common[:, None], self.genres, axis=1)], axis=2)

    def of_user(self, state: Planned) -> tf.Tensor:
        """What the network of a whole state sees: [B, m + G + P + 4]; linear in what was shown."""
        taken = tf.reduce_sum(state.recent, axis=2)
        parts = [
            (state.user - self.mean) / self.spread,
            tf.einsum("bpg,p->bg", state.recent, tf.linspace(1.0, 1.0 / PLACES, PLACES)),
            taken / PER_ITEM,
            tf.reduce_sum(taken, axis=1, keepdims=True) / IN_ALL,
            self._clock(state.step),
        ]
        return tf.concat(parts, axis=1)

    def after(self, state: Planned) -> tuple[Planned, tf.Tensor]:
        """The state after an item without genres, and what the genres of each kind add to `of_user`.

        No answer is heard: on average it changes nothing. [B, ...] and [K, m + G + P + 4].
        """
        recent = tf.pad(state.recent[:, :-1], [[0, 0], [1, 0], [0, 0]])
        later = Planned(state.user, recent, state.step + 1.0 / self.horizon)
        count = len(self.kinds)
        alone = tf.pad(self.kinds[:, None], [[0, 0], [0, PLACES - 1], [0, 0]])
        nobody = tf.repeat(self.mean[None], count, axis=0), tf.zeros([count])
        added, nothing = (
            self.of_user(Planned(nobody[0], shown, nobody[1]))
            for shown in (alone, tf.zeros_like(alone))
        )
        return later, added - nothing


class SkipNetwork(keras.Model):
    """x [..., S] -> a scalar of each [...]: a ReLU layer, plus a linear map of x; zero at first.

    Keras stores under other names what sorts after `layers`, and `recommender.weights` goes by names.
    """

    def __init__(self, size: int, hidden: int, name: str) -> None:
        super().__init__(name=name)
        self.hidden = Dense(hidden, kernel_initializer="he_normal", name="hidden")
        self.correction = Dense(1, kernel_initializer="zeros", name="correction")
        self.direct = Dense(1, use_bias=False, kernel_initializer="zeros", name="direct")
        self.built = True  # as in Actor
        self(tf.zeros([1, size]))

    def call(self, x: tf.Tensor, added: tf.Tensor | None = None) -> tf.Tensor:
        """Of x [..., S]: [...]; or of every sum of x [B, S] and added [K, S]: [B, K]."""
        hidden, direct = self.hidden(x), self.direct(x)
        if added is not None:
            hidden = hidden[:, None] + tf.matmul(added, self.hidden.kernel)
            direct = direct[:, None] + tf.matmul(added, self.direct.kernel)
        return (self.correction(tf.nn.relu(hidden)) + direct)[..., 0]


class PlanningCritic(keras.Model):
    """The parts of Q(s, i) = reward + discount (1 - leaves(s, g)) V(s after i), g the item's genres.

    Leaving is the sigmoid of a sum over genres, an OR. How an item changes what was shown last is
    known; the worth of that state is learned.
    """

    def __init__(self, shared: int, whole: int, config: AgentConfig, name: str = "critic") -> None:
        super().__init__(name=name)
        self.ending = SkipNetwork(shared, 1, "ending")
        self.expected = SkipNetwork(whole, config.critic_hidden, "expected")
        self.anyhow = self.add_weight(shape=(), initializer="zeros", name="anyhow")
        self.built = True


class PlanningNetworks(Networks):
    """Actor, critic and state of the planner; online or target.

    The state is fixed and shared: its weights are the prior, which the learner sets.
    """

    def _build(self, config: AgentConfig, window: int, features: Features, k: int) -> None:
        self.actor_state = self.critic_state = state = PlannedState(features)
        nothing = state(placeholder(window, features))
        shared, whole = (int(each(nothing).shape[-1]) for each in (state.of_genres, state.of_user))
        self.actor = SkipNetwork(shared, config.actor_hidden, "actor")
        self.critic = PlanningCritic(shared, whole, config)
        self.critics = [self.critic]

    def act(self, observation: Observation, state: Planned | None = None) -> tf.Tensor:
        """pi(s) [B, k], in units of reward."""
        state = self.actor_state(observation) if state is None else state
        shared = self.actor_state.of_genres(state)
        action = self.actor_state.action(state.user)
        return tf.concat([action[:, : -shared.shape[1]], self.actor(shared)], axis=1)

    def leaving(self, state: Planned, genres: tf.Tensor) -> tf.Tensor:
        """Logit of leaving after items of genres [C, G], or each state's own [B, C, G]: [B, C]."""
        critic = self.critic
        terms = critic.ending(self.actor_state.of_genres(state))[:, None]  # [B, 1, G]
        return LOGIT * (tf.matmul(terms, genres, transpose_b=True)[:, 0] + critic.anyhow)

    def item_values(self, state: Planned) -> tf.Tensor:
        """Q(s, i) of every item [B, I]."""
        module = self.actor_state
        later, kinds = module.after(state)
        follows = self.critic.expected(module.of_user(later), kinds)  # [B, K]
        follows = tf.where(later.step[:, None] < LAST, follows, 0.0)
        staying = self.config.discount * tf.sigmoid(-self.leaving(state, module.kinds))
        return module.rewards(state.user) + tf.gather(staying * follows, module.kind_of, axis=1)


class PlanningLearner(Learner):
    """`Learner` for the planner; the log's users make the prior, its episodes' length the horizon."""

    networks = PlanningNetworks
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
        return error, logged(critic_loss, actor_loss, q, self.online.act(observation, state))

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
            error = value - self.online.critic.expected(self.online.actor_state.of_user(state))
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
