"""State representations (section IV.A.3): how the window of latest items becomes a vector.

Shapes: B batch, n window, k embedding size. Nothing between the window and the state is larger than
the window.
"""

from abc import ABC, abstractmethod

import tensorflow as tf


class Representation(ABC):
    """How a window becomes the state. A subclass is chosen by its name: `--agent.state NAME`.

    `config.State` lists the names, docs/differences.md the formulas and sizes. `needs_weights`,
    `needs_user`: whether `weighted` and `user` are used; what is not may be None: no weights are built
    that nothing would train.
    """

    needs_weights: bool = True
    needs_user: bool = True

    def __init_subclass__(cls, *, name: str) -> None:
        REPRESENTATIONS[name] = cls

    @abstractmethod
    def size(self, window: int, k: int) -> int:
        """S, from n and k."""

    @abstractmethod
    def __call__(
        self, items: tf.Tensor, weighted: tf.Tensor, user: tf.Tensor, mask: tf.Tensor
    ) -> tf.Tensor:
        """The state [B, S] from the item vectors i_a and w_a i_a [B, n, k], zeros at empty places,
        the user vector u [B, k], and the mask [B, n], 1 at filled places."""


REPRESENTATIONS: dict[str, type[Representation]] = {}


class DRRN(Representation, name="drr-n"):
    """The n embeddings, concatenated: [B, n k]. The paper's baseline; no weights."""

    needs_weights, needs_user = False, False

    def size(self, window: int, k: int) -> int:
        """n k."""
        return window * k

    def __call__(
        self, items: tf.Tensor, weighted: tf.Tensor, user: tf.Tensor, mask: tf.Tensor
    ) -> tf.Tensor:
        """[i_1, ..., i_n]."""
        return _flat(items)


class DRRP(Representation, name="drr-p"):
    """Equations 5 and 6: the items, and the products of any two of them, weighted."""

    needs_user = False

    def size(self, window: int, k: int) -> int:
        """k (n + n (n - 1) / 2)."""
        return k * (window + window * (window - 1) // 2)

    def __call__(
        self, items: tf.Tensor, weighted: tf.Tensor, user: tf.Tensor, mask: tf.Tensor
    ) -> tf.Tensor:
        """[i_a for all a, (w_a i_a) * (w_b i_b) for all a < b]."""
        return tf.concat([_flat(items), *_pairs(weighted)], axis=1)


class DRRU(DRRP, name="drr-u"):
    """Equation 7: the user times each weighted item, and the pairs of DRR-p; of DRR-p's size."""

    needs_user = True

    def __call__(
        self, items: tf.Tensor, weighted: tf.Tensor, user: tf.Tensor, mask: tf.Tensor
    ) -> tf.Tensor:
        """[u * (w_a i_a) for all a, (w_a i_a) * (w_b i_b) for all a < b]."""
        return tf.concat([_flat(user[:, None] * weighted), *_pairs(weighted)], axis=1)


class DRRAve(Representation, name="drr-ave"):
    """Equations 8 and 9: the user, the mean g of the weighted items, and their product."""

    def size(self, window: int, k: int) -> int:
        """3 k."""
        return 3 * k

    def __call__(
        self, items: tf.Tensor, weighted: tf.Tensor, user: tf.Tensor, mask: tf.Tensor
    ) -> tf.Tensor:
        """[u, u * g, g]."""
        mean = average(weighted, mask)
        return tf.concat([user, user * mean, mean], axis=1)


def average(weighted: tf.Tensor, mask: tf.Tensor) -> tf.Tensor:
    """Mean of weighted items [B, n, k] over the places that mask [B, n] marks as filled: [B, k]."""
    return tf.reduce_sum(weighted, axis=1) / tf.maximum(tf.reduce_sum(mask, axis=1), 1.0)[:, None]


def _pairs(weighted: tf.Tensor) -> list[tf.Tensor]:
    """Products of places a < b of [B, n, k], as n - 1 pieces [B, (n - 1 - a) k]: none is larger than
    the window, and they are copied once, when they are joined with the rest of the state."""
    pieces, later = [], weighted
    while later.shape[1] > 1:
        first, later = tf.split(later, [1, later.shape[1] - 1], axis=1)
        pieces.append(_flat(first * later))
    return pieces


def _flat(items: tf.Tensor) -> tf.Tensor:
    return tf.reshape(items, [-1, items.shape[1] * items.shape[2]])
