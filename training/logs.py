"""What a person sees of a run: progress bar, TensorBoard scalars, progress.png."""

import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from matplotlib.backends.backend_agg import FigureCanvasAgg
from tqdm import tqdm

from evaluation.plots import learning_curves
from recommender.files import write_bytes

Row = dict[str, float]  # one point of the learning curve or one iteration's means


class Progress:
    """A tqdm bar over environment transitions, and TensorBoard scalars in `folder`, if there is one."""

    def __init__(self, folder: Path | None, total: int, done: int) -> None:
        self._folder = folder
        with self._told():
            self._writer = (
                tf.summary.create_noop_writer()
                if folder is None
                else tf.summary.create_file_writer(str(folder))
            )
        self._bar = tqdm(
            total=total, initial=done, unit="step", unit_scale=True, dynamic_ncols=True
        )
        self._shown: dict[str, str] = {}

    def update(self, step: int, transitions: int, row: Row) -> None:
        """Advance to `step` transitions and show the row's scalars."""
        # NumPy's: TensorFlow keeps a tensor of every Python number that it ever saw
        with self._told(), self._writer.as_default(step=np.int64(step)):
            for name, value in row.items():
                tf.summary.scalar(name, np.float32(value))
        names = {"reward": "reward", "precision@5": "P@5", "critic_loss": "loss", "q": "Q"}
        names |= {"epsilon": "eps"}
        self._shown |= {short: f"{row[name]:.3f}" for name, short in names.items() if name in row}
        self._bar.set_postfix(self._shown, refresh=False)
        self._bar.update(transitions)

    def flush(self) -> None:
        """Write the scalars out: a kill after the next checkpoint must not lose those before it."""
        with self._told():
            self._writer.flush()

    def close(self) -> None:
        """Leave the bar on the screen and flush the scalars."""
        self._bar.close()
        with self._told():
            self._writer.close()

    @contextmanager
    def _told(self) -> Iterator[None]:
        """TensorFlow's errors, of a full disk for instance, as OSError."""
        try:
            yield
        except tf.errors.OpError as error:
            reason = str(error.message).splitlines()[0]
            raise OSError(f"{self._folder}: scalars cannot be written ({reason})") from error


def plot(history: list[Row], path: Path) -> None:
    """progress.png: precision, reward, losses, mean action, Q and exploration by transitions."""
    figure = learning_curves(history)
    figure.set_layout_engine(None)  # to arrange it anew takes as long as to draw it
    figure.subplots_adjust(left=0.045, right=0.99, bottom=0.08, top=0.95, wspace=0.2, hspace=0.32)
    FigureCanvasAgg(figure)
    image = io.BytesIO()
    figure.savefig(image, dpi=110)
    write_bytes(path, image.getvalue())


def summary_row(row: Row) -> dict[str, Any]:
    """A row with rounded numbers, for JSON that people read."""
    return {name: round(float(value), 6) for name, value in row.items()}
