"""Which array of a weights file belongs to which variable of a model, for every layout we read.

| layout | written by | layers |
|---|---|---|
| own | `save_weights`, Keras 3 | by attribute (`hidden_1/vars/0`); the stored name is checked |
| earlier | earlier repositories, Keras 3 | `fc/layers/dense`, ...; `fc1`, ..., `layers/dense_3` |
| legacy | the same, Keras 2 | `layer_names`, `weight_names`; `dense`, `dense_1`, ... |

Earlier layers have no telling names. Keras numbers them as they are created, so ascending numbers
are the forward order; where a file's own lists disagree, equal shapes could be swapped silently.
"""

import re
from collections.abc import Iterable, Mapping
from itertools import zip_longest
from pathlib import Path
from typing import NamedTuple

import keras

from config import DRRError
from embedding.hdf5 import Array, Group, read_hdf5
from recommender.actor import Actor
from recommender.critic import BilinearCritic, Critic

EARLIER_ACTOR = ("fc/layers/dense", "fc/layers/dense_1", "fc/layers/dense_2")
EARLIER_CRITIC = ("fc1", "fc2", "fc3", "layers/dense_3")

StoredLayer = dict[str, Array]  # "kernel", "bias" -> array in the file


class WeightsError(DRRError):
    """Weights that do not fit; the message names file, layer, expected and found shape."""


class Pair(NamedTuple):
    """A variable of the model and its array in the file; None where there is no counterpart."""

    variable: keras.Variable | None
    dataset: Array | None


class WeightsFile:
    """Groups and arrays of an HDF5 file by path, optimizers left out.

    Raises OSError and HDF5Error, as `embedding.hdf5.read_hdf5`.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        nodes = read_hdf5(path)
        self.layer_names = _strings(nodes[""], "layer_names")
        self.nodes: dict[str, Group | Array] = {
            name: node for name, node in nodes.items() if "optimizer" not in name
        }
        self.datasets = {name: node for name, node in self.nodes.items() if isinstance(node, Array)}

    def stored_name(self, group: str) -> str | None:
        """The layer name that Keras 3 writes beside the arrays; absent in its first versions."""
        names = _strings(self.nodes[f"{group}/vars".lstrip("/")], "name")
        return names[0] if names else None


def match(model: keras.Model, file: WeightsFile) -> list[Pair]:
    """Every variable of the model and every array of the file, in pairs as far as they go."""
    if file.layer_names is not None:
        return _match_layers(model, file, _legacy_layers(file, file.layer_names))
    earlier = any(name in file.nodes for name in ("fc", "fc1", "fc2", "fc3"))
    if earlier and isinstance(model, (Actor, Critic, BilinearCritic)):
        return _match_layers(model, file, _earlier_layers(file))
    return _match_own(model, file)


def advice(model: keras.Model, file: WeightsFile) -> str:
    """What to do about weights that do not fit. Only a critic has a layer of one unit."""
    columns = [each.shape[1] for each in file.datasets.values() if len(each.shape) == 2]
    if isinstance(model, Actor) and 1 in columns:
        return "A layer of one unit: these look like a critic's weights; pass the actor's file."
    if isinstance(model, (Critic, BilinearCritic)) and columns and 1 not in columns:
        return "No layer of one unit: these look like an actor's weights; pass the critic's file."
    return (
        "Pass the file saved from such a model, or build the model with the file's embedding_dim, "
        "hidden_dim and state_dim (config.json beside our own weights; plain Actor or Critic for "
        "earlier repositories)."
    )


def shape_of(array: keras.Variable | Array | None) -> str:
    """A shape as error messages show it."""
    return "nothing" if array is None else str(list(array.shape))


# --- our own files -------------------------------------------------------------------------------


def _match_own(model: keras.Model, file: WeightsFile) -> list[Pair]:
    """Arrays `<layer path>/vars/<index>`, in the order of `model.weights`."""
    found: dict[int, Pair] = {}
    unknown: list[Pair] = []
    for path, dataset in file.datasets.items():
        group, found_vars, index = f"/{path}".rpartition("/vars/")
        layer = _resolve(model, file, group.strip("/")) if found_vars else None
        own: dict[str, keras.Variable] = {}
        if layer is not None:
            layer.save_own_variables(own)
        if index in own:
            found[id(own[index])] = Pair(own[index], dataset)
        else:
            unknown.append(Pair(None, dataset))
    return [found.get(id(each), Pair(each, None)) for each in model.weights] + unknown


def _resolve(model: keras.Model, file: WeightsFile, group: str) -> keras.layers.Layer | None:
    """The layer that Keras stores under a path of attribute names; None if there is none.

    An attribute that sorts after `layers` is stored as `layers/dense_3`: by class and position, so
    one more layer would shift it. The layer's own name, stored beside, must therefore agree.
    """
    here, owner = model, model
    for part in filter(None, group.split("/")):
        if isinstance(here, keras.layers.Layer):
            owner = here
            here = here.layers if part == "layers" else vars(here).get(part)
        else:
            here = _container_items(here).get(part)
    if not isinstance(here, keras.layers.Layer):
        return None
    stored = file.stored_name(group)
    if vars(owner).get(here.name) is here and stored not in (None, here.name):
        raise WeightsError(
            f"{file.path}: layer {owner.name}/{here.name}: expected that name, found {stored} at "
            f"/{group}: the layers are shuffled, or another model's. {advice(model, file)}"
        )
    return here


def _container_items(container: object) -> dict[str, object]:
    """Items of a list or dictionary under the names Keras gives them: class name and count."""
    items = list(container.values()) if isinstance(container, dict) else container
    names: dict[str, object] = {}
    counts: dict[str, int] = {}
    for item in items if isinstance(items, (list, tuple)) else ():
        words = re.sub("(.)([A-Z][a-z]+)", r"\1_\2", type(item).__name__)
        name = re.sub("([a-z])([A-Z])", r"\1_\2", words).lower()
        counts[name] = counts.get(name, -1) + 1
        names[f"{name}_{counts[name]}" if counts[name] else name] = item
    return names


# --- earlier repositories ------------------------------------------------------------------------


def _match_layers(
    model: keras.Model, file: WeightsFile, stored: Iterable[StoredLayer]
) -> list[Pair]:
    """The model's layers and the file's, both in forward order."""
    pairs: list[Pair] = []
    for layer, arrays in zip_longest(_forward(model, file), stored, fillvalue=None):
        variables = {} if layer is None else {"kernel": layer.kernel, "bias": layer.bias}
        expected = {name: each for name, each in variables.items() if each is not None}
        found = arrays or {}
        pairs += [Pair(expected.get(name), found.get(name)) for name in {**expected, **found}]
    used = {pair.dataset.name for pair in pairs if pair.dataset is not None}
    unlisted = [each for each in file.datasets.values() if each.name not in used]
    return pairs + [Pair(None, each) for each in unlisted]


def _forward(model: keras.Model, file: WeightsFile) -> list[keras.layers.Dense]:
    """The layers of an actor or critic in the order of the forward pass."""
    if isinstance(model, Actor):
        layers = [model.hidden_1, model.hidden_2, model.action, model.skip]
        return [layer for layer in layers if layer is not None]
    if isinstance(model, Critic):
        return [model.hidden_state, model.hidden_1, model.hidden_2, model.q_value]
    raise WeightsError(
        f"{file.path}: an earlier repository's weights fit an Actor or a Critic, "
        f"the model is a {type(model).__name__}. {advice(model, file)}"
    )


def _earlier_layers(file: WeightsFile) -> list[StoredLayer]:
    """Keras 3: the groups' places say the order; the names stored beside must not contradict."""
    groups = EARLIER_ACTOR if "fc" in file.nodes else EARLIER_CRITIC
    layers, named = [], {}
    for group in groups:
        keys = {"kernel": f"{group}/vars/0", "bias": f"{group}/vars/1"}
        layer = {name: file.datasets[key] for name, key in keys.items() if key in file.datasets}
        layers.append(layer)
        name = file.stored_name(group) if layer else None
        if name is not None:
            named[name] = layer
    if all(re.fullmatch(r"dense(_\d+)?", name) for name in named):
        _check_order(file, named)
    return layers


def _legacy_layers(file: WeightsFile, layer_names: list[str]) -> list[StoredLayer]:
    """Keras 2: `layer_names` lists the groups, each group's `weight_names` its arrays."""
    layers: dict[str, StoredLayer] = {}
    for group in layer_names:
        if group not in file.nodes:
            layers[group] = {}  # listed but missing: the pairing reports what is expected here
            continue
        for weight in _strings(file.nodes[group], "weight_names") or ():
            *_, layer, variable = ("", *weight.split("/"))
            if _number(layer)[0] == _number(group)[0] and layer != group:
                raise WeightsError(
                    f"{file.path}: layer {group}: expected its own weights, found {weight}: "
                    "the layers are shuffled; pass the file as it was saved"
                )
            arrays = layers.setdefault(layer, {})
            if f"{group}/{weight}" in file.datasets:
                arrays[variable.removesuffix(":0")] = file.datasets[f"{group}/{weight}"]
    _check_order(file, layers)
    return list(layers.values())


def _check_order(file: WeightsFile, layers: Mapping[str, StoredLayer]) -> None:
    """Layers named `dense`, `dense_1`, ... must come in ascending order of their numbers."""
    shapes = {name: shape_of(next(iter(arrays.values()), None)) for name, arrays in layers.items()}
    listed = ", ".join(f"{name} {shape}" for name, shape in shapes.items())
    if len({_number(name)[0] for name in layers}) > 1:
        raise WeightsError(
            f"{file.path}: layer {next(iter(layers))}: expected numbered names (dense, dense_1, "
            f"...), which say the order, found {listed}; pass an actor's or critic's file as saved"
        )
    ascending = sorted(layers, key=lambda name: _number(name)[1])
    for found, expected in zip(layers, ascending, strict=True):
        if found != expected:
            raise WeightsError(
                f"{file.path}: layer {expected}: expected here with {shapes[expected]}, found "
                f"{found} with {shapes[found]}: the layers are shuffled ({listed}); "
                "pass the file as it was saved"
            )


def _number(name: str) -> tuple[str, int]:
    """dense -> (dense, 0), dense_7 -> (dense, 7)."""
    digits = re.search(r"\d*\Z", name)
    number = digits[0] if digits else ""
    return name.removesuffix(number).removesuffix("_"), int(number or 0)


def _strings(node: Group | Array, attribute: str) -> list[str] | None:
    """An attribute's texts; None where there are none."""
    found = node.attributes.get(attribute)
    return found if isinstance(found, list) else None
