"""Weight files of every layout, written with h5py alone, for tests.

Small on purpose: k = 4, h = 8, S = 8 make several layers equal in shape, so a swap would fit.
"""

from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np

from recommender.networks import Actor, Critic

K, H, S = 4, 8, 8
ACTOR_SHAPES = [(S, H), (H, H), (H, K)]
CRITIC_SHAPES = [(S, K), (2 * K, H), (H, H), (H, 1)]
ACTOR_GROUPS = ["hidden_1", "hidden_2", "action"]
CRITIC_GROUPS = ["hidden_state", "hidden_1", "hidden_2", "layers/dense_3"]
CRITIC_NAMES = ["hidden_state", "hidden_1", "hidden_2", "q_value"]
FC = ["fc/layers/dense", "fc/layers/dense_1", "fc/layers/dense_2"]
FC_CRITIC = ["fc1", "fc2", "fc3", "layers/dense_3"]

Dense = tuple[np.ndarray, np.ndarray]
Write = Callable[[Path], Path]


def actor(**kwargs) -> Actor:
    return Actor(K, H, state_dim=S, **kwargs)


def critic(**kwargs) -> Critic:
    return Critic(K, H, state_dim=S, **kwargs)


def arrays(shapes: list[tuple[int, int]], seed: int = 0) -> list[Dense]:
    rng = np.random.default_rng(seed)
    return [
        (rng.normal(size=s).astype(np.float32), rng.normal(size=s[1]).astype(np.float32))
        for s in shapes
    ]


def write_keras3(
    path: Path, groups: list[str], names: list[str] | None, layers: list[Dense]
) -> Path:
    with h5py.File(path, "w") as file:
        for i, (group, (kernel, bias)) in enumerate(zip(groups, layers, strict=True)):
            file[f"{group}/vars/0"], file[f"{group}/vars/1"] = kernel, bias
            if names is not None:
                file[f"{group}/vars"].attrs["name"] = names[i]
        file["optimizer/vars/0"] = np.int64(7)
        file["optimizer/vars/1"] = np.zeros((S, H))
    return path


def own_actor(path: Path, layers: list[Dense] | None = None) -> Path:
    return write_keras3(path, ACTOR_GROUPS, ACTOR_GROUPS, layers or arrays(ACTOR_SHAPES))


def own_critic(path: Path, layers: list[Dense] | None = None) -> Path:
    return write_keras3(path, CRITIC_GROUPS, CRITIC_NAMES, layers or arrays(CRITIC_SHAPES))


def earlier_actor(path: Path, layers: list[Dense] | None = None) -> Path:
    names = ["dense_9", "dense_10", "dense_11"]
    return write_keras3(path, FC, names, layers or arrays(ACTOR_SHAPES))


def earlier_critic(path: Path, layers: list[Dense] | None = None) -> Path:
    names = ["dense", "dense_1", "dense_2", "dense_3"]
    return write_keras3(path, FC_CRITIC, names, layers or arrays(CRITIC_SHAPES))


def legacy_actor(path: Path, layers: list[Dense] | None = None, order=(0, 1, 2)) -> Path:
    """One nested group; the numbers run over 9 to 10, where the alphabet disagrees."""
    names = ["dense_9", "dense_10", "dense_11"]
    with h5py.File(path, "w") as file:
        file.attrs["layer_names"] = ["input_layer", "sequential"]
        file.create_group("input_layer").attrs["weight_names"] = np.array([], dtype=float)
        for name, (kernel, bias) in zip(names, layers or arrays(ACTOR_SHAPES), strict=True):
            file[f"sequential/{name}/kernel:0"], file[f"sequential/{name}/bias:0"] = kernel, bias
        weights = [f"{names[i]}/{variable}:0" for i in order for variable in ("kernel", "bias")]
        file["sequential"].attrs["weight_names"] = weights
        file.create_group("top_level_model_weights").attrs["weight_names"] = np.array(
            [], dtype=float
        )
    return path


def legacy_critic(path: Path, layers: list[Dense] | None = None, order=(0, 1, 2, 3)) -> Path:
    """A group per layer; the attributes are bytes, as older h5py wrote them."""
    names = ["dense_6", "dense_7", "dense_8", "dense_9"]
    with h5py.File(path, "w") as file:
        listed = [names[i].encode() for i in order]
        file.attrs["layer_names"] = [b"input_1", listed[0], b"concatenate", *listed[1:]]
        for empty in ("input_1", "concatenate"):
            file.create_group(empty).attrs["weight_names"] = np.array([], dtype=float)
        for name, (kernel, bias) in zip(names, layers or arrays(CRITIC_SHAPES), strict=True):
            weights = [f"critic_network/{name}/kernel:0", f"critic_network/{name}/bias:0"]
            file[f"{name}/{weights[0]}"], file[f"{name}/{weights[1]}"] = kernel, bias
            file[name].attrs["weight_names"] = [weight.encode() for weight in weights]
    return path


# --- ways to damage a file -----------------------------------------------------------------------


def edit(write: Write, change: Callable[[h5py.File], object]) -> Write:
    def edited(path: Path) -> Path:
        with h5py.File(write(path), "r+") as file:
            change(file)
        return path

    return edited


def drop(*names: str) -> Callable[[h5py.File], None]:
    def change(file: h5py.File) -> None:
        for name in names:
            del file[name]

    return change


def put(name: str, value: object) -> Callable[[h5py.File], None]:
    def change(file: h5py.File) -> None:
        if name in file:
            del file[name]
        file[name] = value

    return change


def swap(first: str, second: str) -> Callable[[h5py.File], None]:
    def change(file: h5py.File) -> None:
        file.move(first, "aside")
        file.move(second, first)
        file.move("aside", second)

    return change


def unnumbered(file: h5py.File) -> None:
    """Names without numbers: nothing says which comes first."""
    file.move("sequential/dense_10", "sequential/middle")
    names = [n.replace("dense_10", "middle") for n in file["sequential"].attrs["weight_names"]]
    file["sequential"].attrs["weight_names"] = names


def of_bytes(content: bytes) -> Write:
    def write(path: Path) -> Path:
        path.write_bytes(content)
        return path

    return write


def cut(write: Write, share: float) -> Write:
    def truncated(path: Path) -> Path:
        content = write(path).read_bytes()
        path.write_bytes(content[: int(share * len(content))])
        return path

    return truncated


def sized(write: Callable[..., Path], shapes: list[tuple[int, int]]) -> Write:
    return lambda path: write(path, arrays(shapes))


def legacy(write: Callable[..., Path], *order: int) -> Write:
    return lambda path: write(path, order=order)


def empty_hdf5(path: Path) -> Path:
    h5py.File(path, "w").close()
    return path
