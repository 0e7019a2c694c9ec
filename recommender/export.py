"""`python -m recommender.export`: a run as a TensorFlow SavedModel, which serves without this project.

Its signature `serving_default` speaks the data set's own item ids, int64 or text. For B users:

    window_items, window_ratings [B, w]: the latest liked items, oldest first; the last n count
    shown_items, shown_rewards [B, t]: what was answered since, with its rewards (equation 10)
    exclude [B, m]: what else must not come, such as older ratings
    demographics [B, D]: 1 in the columns that assets.extra/catalogue.json names, 0 where unknown
    k -> item_ids, scores [B, k], best first; ties go to the lower id

w, t and m may be 0. An unknown id is an empty place; where fewer than k are left, -1 or "" comes.

    recommend = tf.saved_model.load(DIR).signatures["serving_default"]
    ids, numbers = tf.zeros([1, 0], tf.int64), tf.zeros([1, 0])  # nothing shown yet
    recommend(window_items=tf.constant([[1210, 1196, 260]], tf.int64),
              window_ratings=tf.constant([[4.0, 5.0, 5.0]]), shown_items=ids, shown_rewards=numbers,
              exclude=ids, demographics=tf.zeros([1, 30]), k=tf.constant(5))["item_ids"]
"""

import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from config import DRRError, in_flags
from config.command_line import read_arguments
from recommender import DRRAgent

import tensorflow as tf  # isort: skip  # after the agent, whose import silences its notices


class ExportError(DRRError):
    """A run that cannot be exported, or a place that cannot take it."""


@dataclass(frozen=True)
class Arguments:
    """Write a trained run as a TensorFlow SavedModel for serving."""

    weights: Path  # folder of the run
    out: Path  # folder to write, new or empty


class ServedAgent(tf.Module):
    """The agent's ranking between the data set's own ids; ExportError if a graph cannot hold it."""

    def __init__(self, agent: DRRAgent) -> None:
        super().__init__()
        if agent.needs_profile:
            raise ExportError(
                "the run solves its users' vectors outside the graph (--agent.user-vector "
                "pretrained); export one that was trained with another"
            )
        self._rank, self._window = agent.rank, agent.window
        models = agent.networks.models
        self._weights = [each.value for model in models for each in model.variables]  # to be saved
        ids = tf.constant(agent.catalogue.item_ids)
        pairs = tf.lookup.KeyValueTensorInitializer(ids, tf.range(len(ids)))
        self._numbers = tf.lookup.StaticHashTable(pairs, default_value=-1)
        nothing = tf.constant([""] if ids.dtype == tf.string else [-1], ids.dtype)
        self._ids = tf.concat([ids, nothing], axis=0)  # [I + 1]
        kinds = {"window_items": ids.dtype, "window_ratings": tf.float32}
        kinds |= {"shown_items": ids.dtype, "shown_rewards": tf.float32, "exclude": ids.dtype}
        signature = [tf.TensorSpec([None, None], kind, name) for name, kind in kinds.items()]
        signature += [
            tf.TensorSpec([None, agent.features.n_demographics], tf.float32, "demographics"),
            tf.TensorSpec([], tf.int32, "k"),
        ]
        self.recommend = tf.function(self._recommend, signature)

    def _recommend(
        self,
        window_items: tf.Tensor,
        window_ratings: tf.Tensor,
        shown_items: tf.Tensor,
        shown_rewards: tf.Tensor,
        exclude: tf.Tensor,
        demographics: tf.Tensor,
        k: tf.Tensor,
    ) -> dict[str, tf.Tensor]:
        known, shown, n = self._numbers[window_items], self._numbers[shown_items], self._window
        items, scores = self._rank(
            tf.pad(known, [[0, 0], [n, 0]], constant_values=-1)[:, -n:],
            tf.pad(tf.where(known < 0, 0.0, window_ratings), [[0, 0], [n, 0]])[:, -n:],
            shown,
            tf.where(shown < 0, 0.0, shown_rewards),
            tf.concat([self._numbers[exclude], known], axis=1),
            demographics,
            tf.zeros([tf.shape(known)[0], 0]),
            k,
        )
        found = tf.gather(self._ids, tf.where(items < 0, len(self._ids) - 1, items))
        return {"item_ids": found, "scores": scores}


def export(arguments: Arguments) -> None:
    """Load the run, write the SavedModel; ExportError if the folder is not empty."""
    out = arguments.out
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise ExportError(f"--out {out}: not an empty folder; remove it or choose another")
    served = ServedAgent(DRRAgent.load(arguments.weights))
    tf.saved_model.save(served, str(out), signatures={"serving_default": served.recommend})
    extra = out / "assets.extra"  # where SavedModels keep what no graph reads
    extra.mkdir()
    shutil.copy(arguments.weights / "catalogue.json", extra)


def main(argv: Sequence[str] | None = None) -> int:
    """The command line; returns the exit status. An error is one line, without a traceback."""
    arguments = read_arguments(Arguments, argv)
    try:
        export(arguments)
    except (DRRError, OSError, tf.errors.OpError) as error:
        print(f"recommender.export: {in_flags(error)}", file=sys.stderr)
        return 2
    print(f"{arguments.weights} -> {arguments.out}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
