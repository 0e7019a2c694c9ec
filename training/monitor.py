"""A run under watch: progress bar, TensorBoard scalars, plot, health, and the best point so far."""

import io
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray
from tqdm import tqdm

from config import DRRError
from data.files import write_bytes
from evaluation.plots import add_legend, learning_curves

Row = dict[str, float]  # one point of the learning curve or one iteration's means

# Names in TensorBoard; what is not here is a metric, in the group of its protocol.
TAGS = {
    "reward": "train/reward",
    "q": "train/q",
    "q_max": "train/q_max",
    "action": "train/action",
    "replay_weight": "train/replay_weight",
    "critic_loss": "loss/critic",
    "actor_loss": "loss/actor",
    "epsilon": "exploration/epsilon",
    "noise": "exploration/noise",
}
SHOWN = {"reward": "reward", "precision@5": "P@5", "critic_loss": "loss", "q": "Q"}
BASELINES = (("precision@5",), ("session_reward@10", "reward@10"))  # lines in the first panels
LINES = ("--", ":", "-.")


class Progress:
    """A tqdm bar over `total` environment transitions, and TensorBoard scalars in `folder`, if any;
    `tracked`, if any, is a wandb run that gets them, too.

    The bar begins after the first updates: before, everything is compiled, and its guess of the time
    left would be far too long. Metrics whose names do not say their protocol are those of `protocol`.
    """

    def __init__(self, folder: Path | None, total: int, protocol: str, tracked: Any = None) -> None:
        self._folder, self._total, self._protocol = folder, total, protocol
        self._tracked = tracked
        self._began = 0.0
        self._bar: Any = None
        self._shown: dict[str, str] = {}
        with self._errors_in_words():
            self._writer = tf.summary.create_noop_writer()
            if folder is not None:
                self._writer = tf.summary.create_file_writer(str(folder))

    def begin(self) -> None:
        """Say that the next iterations are slow, and why."""
        print("compiling episodes and updates, up to a minute ...", flush=True)
        self._began = time.perf_counter()

    def update(self, row: Row) -> None:
        """Advance to the row's step and show its scalars."""
        step = int(row["step"])
        scalars = {self._tag(name): value for name, value in row.items() if name != "step"}
        # NumPy's: TensorFlow keeps a tensor of every Python number that it ever saw
        with self._errors_in_words(), self._writer.as_default(step=np.int64(step)):
            for tag, value in scalars.items():
                tf.summary.scalar(tag, np.float32(value))
        if self._tracked:
            self._tracked.log(scalars, step=step)
        if self._bar is not None:
            self._shown |= {new: f"{row[name]:.3f}" for name, new in SHOWN.items() if name in row}
            self._bar.set_postfix(self._shown, refresh=False)
            self._bar.update(step - self._bar.n)
        elif "critic_loss" in row:
            print(f"compiled, {time.perf_counter() - self._began:.0f} s", flush=True)
            self._bar = tqdm(
                total=self._total, initial=step, unit="step", unit_scale=True, dynamic_ncols=True
            )

    def _tag(self, name: str) -> str:
        if name.startswith("session_"):
            return name.replace("_", "/", 1)
        return TAGS.get(name, f"{self._protocol}/{name}")

    def flush(self) -> None:
        """Write the scalars out: a kill after the next checkpoint must not lose those before it."""
        with self._errors_in_words():
            self._writer.flush()

    def close(self) -> None:
        """Leave the bar on the screen and flush the scalars."""
        if self._bar is not None:
            self._bar.close()
        if self._tracked:
            self._tracked.finish()
        with self._errors_in_words():
            self._writer.close()

    @contextmanager
    def _errors_in_words(self) -> Iterator[None]:
        """TensorFlow's errors, of a full disk for instance, as OSError."""
        try:
            yield
        except tf.errors.OpError as error:
            reason = str(error.message).splitlines()[0]
            raise OSError(f"{self._folder}: scalars cannot be written ({reason})") from error


def plot(history: Sequence[Row], path: Path, title: str, baselines: Mapping[str, Row]) -> None:
    """progress.png: precision, reward, losses, mean action, Q and exploration by transitions.

    baselines: what these score on the same users, {name: {key: value}}, drawn as level lines.
    """
    figure = learning_curves(history)
    figure.suptitle(title)
    for axes, names in zip(figure.axes, BASELINES, strict=False):
        for (baseline, row), style in zip(baselines.items(), LINES, strict=False):
            for name in names:
                if name in row:
                    axes.axhline(row[name], color="0.3", ls=style, label=f"{baseline}, {name}")
        add_legend(axes)
    figure.set_layout_engine(None)  # to arrange it anew takes as long as to draw it
    figure.subplots_adjust(left=0.07, right=0.99, bottom=0.08, top=0.89, wspace=0.25, hspace=0.36)
    image = io.BytesIO()
    figure.savefig(image, dpi=110)
    write_bytes(path, image.getvalue())


# Rewards lie in [-1, 1], so |Q| <= 1 / (1 - discount). Untrained networks know nothing of that: theirs
# begins anywhere, and falls. Healthy runs were seen to begin at 14 bounds, to rise on single small
# batches by half while they fall, and to stay below 1.4 once they have learned.
ROOM = 10.0  # bounds within which |Q| may always be
NOISE = 3.0  # times the lowest so far, while it falls from further away
START = 1000.0  # bounds that not even an untrained network may pass

LEARNING_RATE = (
    "a learning rate is too high: lower --agent.critic-lr and --agent.actor-lr, or set "
    "--agent.clip-norm 1"
)
CAUSES = {
    "replay": "a TD error was NaN or infinite, or memory was damaged: go on with --resume",
    "reward": "the environment returned it: check the ratings and the reward function",
    "q_max": "the critic chases its own targets: lower --agent.critic-lr or --agent.tau, or set "
    "--agent.clip-target",
}
KEPT = "No checkpoint was written since, the ones before are intact"


class Diverged(DRRError):
    """A quantity left its range; the message says which, at which step, and what usually causes it."""

    status = 1

    def __init__(self, name: str, fault: str, step: float) -> None:
        cause = CAUSES.get(name, LEARNING_RATE)
        super().__init__(f"{name} {fault} at step {step:.0f}. Usually {cause}. {KEPT}")


def check_row(row: Row, history: Sequence[Row], discount: float) -> None:
    """Raise Diverged where the newest row of logged scalars cannot be that of a healthy run."""
    step = row["step"]
    for name, value in row.items():
        if not np.isfinite(value):
            raise Diverged(name, f"is {value}", step)
    bound, q_max = 1.0 / (1.0 - discount), row.get("q_max", 0.0)
    lowest = min((row["q_max"] for row in history if "q_max" in row), default=np.inf)
    if q_max > max(ROOM * bound, min(NOISE * lowest, START * bound)):
        fault = f"(the largest |Q|) is {q_max:.4g}, rewards and discount allow {bound:.4g},"
        raise Diverged("q_max", fault, step)


def check_weights(variables: Iterable[Any], step: float) -> None:
    """Raise Diverged where a weight or a moment of an optimizer is NaN or infinite.

    The losses are from before their update, so that only this sees what the last one did.
    """
    for variable in variables:
        if not np.isfinite(np.asarray(variable)).all():
            raise Diverged(variable.path, "holds NaN or infinity", step)


class Best:
    """The deployed networks' weights at the learning curve's best point, measured on validation users.

    A later point replaces the kept one only where it is better by more than a standard error: few
    validation users would else choose by chance. Every protocol of the run counts alike.
    """

    def __init__(self) -> None:
        self.step = 0
        self._values: NDArray[np.float64] = np.zeros((0, 0))
        self._weights: list[NDArray[np.float32]] = []

    def offer(self, step: int, values: NDArray[np.float64], variables: Sequence[Any]) -> None:
        """A point of the curve: every validation user's headline metric, by protocol [P, U]."""
        if self._weights:
            gains = values - self._values
            errors = gains.std(axis=1) / np.sqrt(gains.shape[1])  # standard ones, by protocol
            if np.mean(gains.mean(axis=1) / np.maximum(errors, 1e-12)) <= 1.0:
                return
        self.step, self._values = step, values
        self._weights = [variable.numpy() for variable in variables]

    def put_back(self, variables: Sequence[Any]) -> None:
        """Give the variables the kept weights, if any point was offered."""
        if self._weights:
            for variable, weight in zip(variables, self._weights, strict=True):
                variable.assign(weight)

    def state_dict(self) -> dict[str, NDArray[Any]]:
        """Everything as arrays."""
        weights = {f"{index:04d}": weight for index, weight in enumerate(self._weights)}
        return weights | {"values": self._values, "step": np.asarray(self.step)}

    def load_state_dict(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Restore what `state_dict` returned."""
        self._values, self.step = state["values"], int(state["step"])
        self._weights = [state[name] for name in sorted(state) if name.isdigit()]
