"""Network weights as HDF5: our own files and those of earlier DRR repositories.

| layout | written by | layers |
|---|---|---|
| own | `save_weights`, Keras 3 | by attribute (`hidden_1/vars/0`); the stored name is checked |
| earlier | earlier repositories, Keras 3 | `fc/layers/dense`, ...; `fc1`, ..., `layers/dense_3` |
| legacy | the same, Keras 2 | `layer_names`, `weight_names`; `dense`, `dense_1`, ... |

Only arrays and their names are read: nothing in a file is ever executed. Earlier layers have no
telling names. Keras numbers them as they are created, so ascending numbers are the forward order;
where a file's own lists disagree, equal shapes could be swapped silently.
"""

import re
from collections.abc import Iterator, Mapping
from itertools import zip_longest
from pathlib import Path
from typing import NamedTuple, TypeVar

import keras
import numpy as np
from numpy.typing import NDArray

from config import DRRError
from data.files import WEIGHTS_SUFFIX, replacing
from embedding.hdf5 import HDF5Error, StoredArray, StoredTree, hdf5_size, read_hdf5
from recommender.networks import Actor, BilinearCritic, Critic

KERAS_3_ACTOR = ("fc/layers/dense", "fc/layers/dense_1", "fc/layers/dense_2")
KERAS_3_CRITIC = ("fc1", "fc2", "fc3", "layers/dense_3")

Model = TypeVar("Model", bound=keras.Model)
StoredLayer = dict[str, StoredArray]  # "kernel", "bias" -> array in the file


class WeightsError(DRRError):
    """Weights that do not fit; the message names file, layer, expected and found shape."""


class Pair(NamedTuple):
    """A variable of the model and its array in the file; None where there is no counterpart."""

    variable: keras.Variable | None
    array: StoredArray | None


def load_weights(model: Model, path: str | Path) -> Model:
    """Assign a file's weights to a built model: all of them, or none. Optimizer slots are ignored.

    Reads our own files and those of earlier DRR repositories. Returns the model.

    Raises:
        WeightsError: the file is missing or damaged, holds other layers, shapes or values that
            are not finite numbers, or lists an earlier repository's layers out of order.
    """
    path = Path(path)
    if not path.is_file():
        raise WeightsError(f"{path}: no such file; pass the {WEIGHTS_SUFFIX} or .h5 file of a run")
    try:
        tree = read_hdf5(path)
        arrays = {name: each for name, each in tree.arrays.items() if "optimizer" not in name}
        tree = StoredTree(arrays, tree.attributes)
        pairs = _legacy_pairs(model, tree) or _own_pairs(model, tree)
        checked = [_checked_values(model, tree, pair) for pair in pairs]
    except WeightsError as error:
        raise WeightsError(f"{path}: {error}") from None
    except HDF5Error as error:
        hint = "expected an HDF5 file of weights, found something else or a damaged file"
        raise WeightsError(f"{path}: {hint} ({error}); copy or save it again") from error
    for variable, values in checked:
        variable.assign(values)
    return model


def save_weights(model: keras.Model, path: str | Path) -> None:
    """Write `<name>.weights.h5` atomically: readers see the old file or the new one, never half.

    Raises:
        WeightsError: another file ending, or a weight that is not finite.
        OSError: the file cannot be written; an earlier one stays as it was.
    """
    path = Path(path)
    if not path.name.endswith(WEIGHTS_SUFFIX):
        raise WeightsError(f"{path}: weights are saved as <name>{WEIGHTS_SUFFIX}; rename the file")
    for variable in model.weights:
        if not np.isfinite(variable.numpy()).all():
            raise WeightsError(f"{path}: not saved, {variable.path} holds NaN or infinity")
    with replacing(path, hdf5_size(model.get_weights())) as temporary:
        model.save_weights(temporary)


def _checked_values(
    model: keras.Model, tree: StoredTree, pair: Pair
) -> tuple[keras.Variable, NDArray[np.floating]]:
    """The variable and its values, if the pair is whole and its numbers are finite."""
    variable, array = pair
    if variable is None or array is None or tuple(variable.shape) != array.shape:
        layer = variable.path if variable is not None else getattr(array, "path", None)
        at = "" if array is None else f" at {array.path}"
        raise WeightsError(
            f"layer {layer}: expected {_shape(variable)}, found {_shape(array)}{at}. "
            f"{_advice(model, tree)}"
        )
    where = f"layer {variable.path} at {array.path}"
    if array.values is None:
        raise WeightsError(f"{where}: expected floating point, found {array.kind}; save it again")
    with np.errstate(over="ignore"):
        values = array.values.astype(variable.dtype)
    if not np.isfinite(values).all():
        raise WeightsError(f"{where}: expected finite, found NaN or infinity; use an earlier file")
    return variable, values


def _advice(model: keras.Model, tree: StoredTree) -> str:
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


def _shape(array: keras.Variable | StoredArray | None) -> str:
    return "nothing" if array is None else str(list(array.shape))


# --- our own files -------------------------------------------------------------------------------


def _own_pairs(model: keras.Model, tree: StoredTree) -> list[Pair]:
    """Every variable and every array `<layer>/vars/<index>`, in pairs as far as they go."""
    stored = {}
    for path, array in tree.arrays.items():
        group, _, index = f"/{path}".rpartition("/vars/")  # the model's own are at the root
        layer = _stored_layer(model, tree, group.lstrip("/")), index
        stored[(path, "") if layer in stored else layer] = array
    pairs = []
    for name, layer in _named_layers(model):
        variables: dict[str, keras.Variable] = {}
        layer.save_own_variables(variables)
        pairs += [Pair(each, stored.pop((name, i), None)) for i, each in variables.items()]
    return pairs + [Pair(None, array) for array in stored.values()]


def _named_layers(model: keras.Model, path: str = "") -> Iterator[tuple[str, keras.layers.Layer]]:
    """A model and the layers inside it, by the path of their names."""
    yield path, model
    for layer in getattr(model, "layers", ()):
        yield from _named_layers(layer, f"{path}/{layer.name}".lstrip("/"))


def _stored_layer(model: keras.Model, tree: StoredTree, group: str) -> str:
    """The path of names of the layer that Keras stored in a group.

    Keras stores layers by attribute, which is their name; but an attribute that sorts after
    `layers` as `layers/dense_3`: by class and position, with the layer's name beside it.
    """
    parent, _, last = group.rpartition("/")
    name = next(iter(tree.texts(f"{group}/vars", "name")), last)
    if f"/{parent}".endswith("/layers"):
        return f"{parent.removesuffix('layers')}{name}"
    if name != last:
        raise WeightsError(
            f"layer {model.name}/{group}: expected that name, found {name} at /{group}: "
            f"the layers are shuffled, or another model's. {_advice(model, tree)}"
        )
    return group


# --- earlier repositories ------------------------------------------------------------------------


def _legacy_pairs(model: keras.Model, tree: StoredTree) -> list[Pair] | None:
    """Every variable and every array, in pairs as far as they go; None: no file of that kind.

    Raises:
        WeightsError: the layers are not in order, or the model is neither an Actor nor a Critic.
    """
    listed = tree.texts("", "layer_names")
    if listed:
        return _layer_pairs(model, tree, _keras_2_layers(tree, listed))
    earlier = any(name in tree.attributes for name in ("fc", "fc1", "fc2", "fc3"))
    if earlier and isinstance(model, (Actor, Critic, BilinearCritic)):
        return _layer_pairs(model, tree, _keras_3_layers(tree))
    return None


def _layer_pairs(model: keras.Model, tree: StoredTree, stored: list[StoredLayer]) -> list[Pair]:
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
    shapes = {n: _shape(next(iter(arrays.values()), None)) for n, arrays in layers.items()}
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
