"""Weights of earlier DRR repositories: which array belongs to which variable of an actor or critic.

| written by | layers |
|---|---|
| Keras 3 | by attribute: `fc/layers/dense`, ... of an actor; `fc1`, ..., `layers/dense_3` of a critic |
| Keras 2 | listed in `layer_names` and `weight_names`: `dense`, `dense_1`, ... |

The layers have no telling names. Keras numbers them as they are created, so ascending numbers are
the forward order; where a file's own lists disagree, equal shapes could be swapped silently.
"""

import re
from collections.abc import Mapping
from itertools import zip_longest
from typing import NamedTuple

import keras

from config import DRRError
from embedding.hdf5 import StoredArray, StoredTree
from recommender.actor import Actor
from recommender.critic import BilinearCritic, Critic

KERAS_3_ACTOR = ("fc/layers/dense", "fc/layers/dense_1", "fc/layers/dense_2")
KERAS_3_CRITIC = ("fc1", "fc2", "fc3", "layers/dense_3")

StoredLayer = dict[str, StoredArray]  # "kernel", "bias" -> array in the file


class WeightsError(DRRError):
    """Weights that do not fit; the message names file, layer, expected and found shape."""


class Pair(NamedTuple):
    """A variable of the model and its array in the file; None where there is no counterpart."""

    variable: keras.Variable | None
    array: StoredArray | None


def legacy_pairs(model: keras.Model, tree: StoredTree) -> list[Pair] | None:
    """Every variable and every array, in pairs as far as they go; None: no file of that kind.

    Raises:
        WeightsError: the layers are not in order, or the model is neither an Actor nor a Critic.
    """
    listed = tree.texts("", "layer_names")
    if listed:
        return _pairs(model, tree, _keras_2_layers(tree, listed))
    earlier = any(name in tree.attributes for name in ("fc", "fc1", "fc2", "fc3"))
    if earlier and isinstance(model, (Actor, Critic, BilinearCritic)):
        return _pairs(model, tree, _keras_3_layers(tree))
    return None


def advice(model: keras.Model, tree: StoredTree) -> str:
    """What to do about weights that do not fit. Only a critic has a layer of one unit."""
    columns = [each.shape[1] for each in tree.arrays.values() if len(each.shape) == 2]
    if isinstance(model, Actor) and 1 in columns:
        return "A layer of one unit: these look like a critic's weights; pass the actor's file."
    if isinstance(model, (Critic, BilinearCritic)) and columns and 1 not in columns:
        return "No layer of one unit: these look like an actor's weights; pass the critic's file."
    return (
        "Pass the file saved from such a model, or build the model with the file's embedding_dim, "
        "hidden_dim and state_dim (config.json beside our own weights; plain Actor or Critic for "
        "earlier repositories)."
    )


def shape_text(array: keras.Variable | StoredArray | None) -> str:
    """A shape as error messages show it."""
    return "nothing" if array is None else str(list(array.shape))


def _pairs(model: keras.Model, tree: StoredTree, stored: list[StoredLayer]) -> list[Pair]:
    """The model's layers and the file's, both in forward order."""
    pairs: list[Pair] = []
    for layer, arrays in zip_longest(_forward_layers(model), stored, fillvalue=None):
        variables = {} if layer is None else {"kernel": layer.kernel, "bias": layer.bias}
        expected = {name: each for name, each in variables.items() if each is not None}
        found = arrays or {}
        pairs += [Pair(expected.get(name), found.get(name)) for name in {**expected, **found}]
    used = {pair.array.path for pair in pairs if pair.array is not None}
    return pairs + [Pair(None, each) for each in tree.arrays.values() if each.path not in used]


def _forward_layers(model: keras.Model) -> list[keras.layers.Dense]:
    """The layers of an actor or critic in the order of the forward pass."""
    if isinstance(model, Actor):
        layers = [model.hidden_1, model.hidden_2, model.action, model.skip]
        return [layer for layer in layers if layer is not None]
    if isinstance(model, Critic):
        return [model.hidden_state, model.hidden_1, model.hidden_2, model.q_value]
    raise WeightsError(
        "an earlier repository's weights fit an Actor or a Critic, the model is a "
        f"{type(model).__name__}; pass a plain one of those"
    )


def _keras_3_layers(tree: StoredTree) -> list[StoredLayer]:
    """The groups' places say the order; the names stored beside must not contradict it."""
    groups = KERAS_3_ACTOR if "fc" in tree.attributes else KERAS_3_CRITIC
    layers, named = [], {}
    for group in groups:
        keys = {"kernel": f"{group}/vars/0", "bias": f"{group}/vars/1"}
        layer = {name: tree.arrays[key] for name, key in keys.items() if key in tree.arrays}
        layers.append(layer)
        for name in tree.texts(f"{group}/vars", "name"):
            named[name] = layer
    if all(re.fullmatch(r"dense(_\d+)?", name) for name in named):
        _check_order(named)
    return layers


def _keras_2_layers(tree: StoredTree, listed: list[str]) -> list[StoredLayer]:
    """`layer_names` lists the groups, each group's `weight_names` its arrays."""
    layers: dict[str, StoredLayer] = {}
    for group in listed:
        if group not in tree.attributes:
            layers[group] = {}  # listed but missing: the pairing reports what is expected here
        for weight in tree.texts(group, "weight_names"):
            *_, layer, variable = ("", *weight.split("/"))
            if _numbered(layer)[0] == _numbered(group)[0] and layer != group:
                raise WeightsError(
                    f"layer {group}: expected its own weights, found {weight}: "
                    "the layers are shuffled; pass the file as it was saved"
                )
            arrays = layers.setdefault(layer, {})
            if f"{group}/{weight}" in tree.arrays:
                arrays[variable.removesuffix(":0")] = tree.arrays[f"{group}/{weight}"]
    _check_order(layers)
    return list(layers.values())


def _check_order(layers: Mapping[str, StoredLayer]) -> None:
    """Layers named `dense`, `dense_1`, ... must come in ascending order of their numbers."""
    shapes = {n: shape_text(next(iter(arrays.values()), None)) for n, arrays in layers.items()}
    listed = ", ".join(f"{name} {shape}" for name, shape in shapes.items())
    if len({_numbered(name)[0] for name in layers}) > 1:
        raise WeightsError(
            f"layer {next(iter(layers))}: expected numbered names (dense, dense_1, ...), which say "
            f"the order, found {listed}; pass an actor's or critic's file as saved"
        )
    ascending = sorted(layers, key=lambda name: _numbered(name)[1])
    for found, expected in zip(layers, ascending, strict=True):
        if found != expected:
            raise WeightsError(
                f"layer {expected}: expected here with {shapes[expected]}, found {found} with "
                f"{shapes[found]}: the layers are shuffled ({listed}); pass the file as it was saved"
            )


def _numbered(name: str) -> tuple[str, int]:
    """dense -> (dense, 0), dense_7 -> (dense, 7)."""
    digits = re.search(r"\d*\Z", name)
    number = digits[0] if digits else ""
    return name.removesuffix(number).removesuffix("_"), int(number or 0)
