"""Actor: state -> action, a continuous vector in the space of the item embeddings (section IV.A.1)."""

import keras
import tensorflow as tf


class Actor(keras.Model):
    """Two ReLU layers and a tanh layer; the action scores items by inner product (equation 2).

    Args:
        embedding_dim: k, the size of the action.
        hidden_dim: units of the two ReLU layers.
        state_dim: size of the state; 3 k (DRR-ave) when it is None.
        output: "tanh" (the paper), or "linear-skip": linear, plus a linear map of the state.
        start_at_zero: the last layer's kernels are zero at first.
    """

    def __init__(
        self,
        embedding_dim: int = 100,
        hidden_dim: int = 128,
        *,
        state_dim: int | None = None,
        output: str = "tanh",
        start_at_zero: bool = False,
        name: str = "actor",
    ) -> None:
        super().__init__(name=name)
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
        return tf.tanh(action)
