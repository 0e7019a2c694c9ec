"""Actor: state -> action, a continuous vector in the space of the item embeddings (section IV.A.1)."""

import keras
import tensorflow as tf


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
        self.hidden_1 = keras.layers.Dense(hidden_dim, activation="relu", name="hidden_1")
        self.hidden_2 = keras.layers.Dense(hidden_dim, activation="relu", name="hidden_2")
        kernel = "zeros" if start_at_zero else "glorot_uniform"
        self.action = keras.layers.Dense(embedding_dim, kernel_initializer=kernel, name="action")
        self.skip = (
            keras.layers.Dense(
                embedding_dim, use_bias=False, kernel_initializer=kernel, name="skip"
            )
            if output == "linear-skip"
            else None
        )
        self(
            tf.zeros([1, self.state_dim])
        )  # an unbuilt model would have no weights to load or copy

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
