"""What evaluation.ipynb needs beside `evaluation`: its run, fitted baselines, tables and pictures."""

import io
import json
import os
import warnings
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from IPython.display import Image, Markdown, display
from matplotlib.figure import Figure
from PIL import Image as Picture

from baselines import registry
from baselines.profile import positives
from config import Config, ConfigError, load
from data import Ratings, load_dataset
from data.observation import FloatArray, IntArray, Observation
from data.policy import Policy, scores_at
from envs.simulator import Simulator
from evaluation.plots import CurveRow
from evaluation.probes import compare
from evaluation.protocols.base import EvaluationProtocol
from evaluation.protocols.new_users import EngagementProtocol
from evaluation.report import Report, describe
from recommender.run_choice import load_run
from training.process import select_device

if TYPE_CHECKING:
    from recommender.drr_policy import DRRPolicy

CACHE = Path(".cache/baselines")
COLOURS = 128  # of a picture: fewer bytes in the notebook


@dataclass(frozen=True)
class ChosenRun:
    """A trained run, its data, and its policy."""

    folder: Path
    settings: Config
    data: Ratings
    policy: "DRRPolicy"

    @property
    def curve(self) -> list[CurveRow]:
        """The learning curve of its metrics.json."""
        curve: list[CurveRow] = json.loads((self.folder / "metrics.json").read_text())["curve"]
        return curve


def chosen_run() -> ChosenRun:
    """The run of $DRR_RUN on the data of $DRR_DATASET; FileNotFoundError where there is none."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # before TensorFlow is imported
    # advice from libraries that does not matter here
    warnings.filterwarnings("ignore", message="IProgress not found|OpenBLAS is configured")
    folder = Path(os.environ.get("DRR_RUN", "save_weights/ml-1m"))
    if not (folder / "config.json").is_file():
        raise FileNotFoundError(f"{folder}: no trained run; set DRR_RUN to the folder of one")
    select_device("auto")
    settings = load(folder / "config.json")
    data = load_dataset(os.environ.get("DRR_DATASET", settings.dataset), csv=asdict(settings.csv))
    print(
        f"run {folder.name}: seed {settings.seed}, {settings.most_steps:,} transitions\n"
        f"{data.name}: {data.n_users:,} users, {data.n_items:,} items, {data.n_ratings:,} ratings"
    )
    return ChosenRun(folder, settings, data, load_run("drr", folder, data))


def fitted(protocol: EvaluationProtocol, *names: str) -> list[Policy]:
    """Baselines with their tuned parameters, and those of $DRR_POLICIES, fitted on what is visible."""
    known = registry.names(protocol.name)
    asked = os.environ.get("DRR_POLICIES", "").replace(",", " ").split()
    more = known if "all" in asked else [name for name in asked if name in known]
    return [
        registry.build(name, protocol.name, protocol.visible, cache_dir=CACHE)
        for name in dict.fromkeys([*names, *more])
    ]


def when_users_leave(run: ChosenRun) -> Report | None:
    """The released run of `engagement` beside greedy and expert policies; None, with a line that
    says why, for data of which there is none."""
    folder = Path(f"save_weights/{run.data.name}-engagement")
    if not folder.is_dir():
        print(f"{folder}: no such run; python train.py --protocol engagement trains one")
        return None
    try:
        drr = load_run("drr", folder, run.data)
    except ConfigError as error:  # data of that name with other items
        print(f"left out: {error}")
        return None
    protocol = EngagementProtocol(run.data, Simulator(run.data))
    others = fitted(protocol, "popularity", "mf", "mf-mmr", "mf-mmr-price")
    return compare(run.data.name, protocol, [drr, *others])[0]


def show_table(report: Report) -> None:
    """The table, and the paired difference between DRR and the best baseline."""
    lines = "  \n".join(report.difference_lines())
    display(Markdown(f"{report.as_markdown()}\n{lines}"))  # type: ignore[no-untyped-call]


def picture(figure: Figure, alt: str, dpi: int = 72) -> Image:
    """The figure as a small PNG; alt: what it shows, for those who do not see it."""
    drawn, file = io.BytesIO(), io.BytesIO()
    figure.savefig(drawn, dpi=dpi)
    coloured = Picture.open(drawn).convert("RGB")
    coloured.quantize(COLOURS, Picture.Quantize.MAXCOVERAGE).save(file, "png", optimize=True)
    return Image(file.getvalue(), alt=alt)  # type: ignore[no-untyped-call]


def known_history(data: Ratings, observation: Observation) -> list[str]:
    """Rating, title and genres of what one user rated before the first recommendation."""
    known = zip(observation.known_items[0], observation.known_ratings[0], strict=True)
    return [f"{rating:.0f}  {describe(data, item)}" for item, rating in known if item >= 0]


class UserLookup:
    """Scores by *stored* user vectors [U, k], whatever is observed: this is how a leak looks."""

    adaptive = False

    def __init__(self, name: str, users: FloatArray, model: Any) -> None:
        self.name, self._users, self._model = name, users, model

    def scores(self, observation: Observation, candidates: IntArray | None) -> FloatArray:
        """See Policy.scores."""
        scores: FloatArray = self._users[observation.users] @ self._model.item_factors.T
        return scores_at(scores, candidates)


def leaky_policies(everything: Ratings, visible: Ratings) -> Sequence[Policy]:
    """user . item of one factorisation, honest and not.

    -leaky: users' own vectors from a factorisation of everything. -stranger: the same vectors, each
    handed to another user. -inductive: fitted on `visible`, folded in from what is shown.
    """
    from baselines.ials import IALS  # its library warns when it is imported

    model = IALS(k=100, alpha=5.0, regularisation=1.0).fit(everything).model
    own = model.recalculate_user(np.arange(everything.n_users), positives(everything))
    inductive = IALS(k=100, alpha=5.0, regularisation=1.0).fit(visible)
    inductive.name = "ials-inductive"
    lookups = {"ials-leaky": own, "ials-stranger": np.roll(own, 1, axis=0)}
    return [*(UserLookup(name, users, model) for name, users in lookups.items()), inductive]
