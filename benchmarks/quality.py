"""Quality against seconds, and how soon a trained run answers.

    python -m benchmarks.quality --json quality.json

training   train.py of several lengths, from a cold start to its final tables on the test users. The
           learning rate falls over each run, so a short one is not the beginning of a long one.
baselines  evaluate.py from a cold start, with nothing cached, for one baseline and one protocol;
           in `session` the form that is asked again after every answer.
serving    the first recommendation of a saved run in a new process beside `import tensorflow`
           alone; then `session.recommend(10)` after every answer, and the SavedModel of the run.

Every command is a process of its own, timed from outside; they take turns, and medians count.
--write-docs draws docs/figures/quality-against-seconds.png, too.
"""

import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from json import loads
from pathlib import Path

import numpy as np
import tensorflow as tf
from matplotlib.figure import Figure

from benchmarks import common
from config.command_line import end_when_nobody_reads, read_arguments
from data.observation import UNRATED_REWARD
from evaluation.plots import ACCENT, PLAIN, new_figure
from recommender import DRRAgent
from recommender.export import Arguments, export

FIGURE = common.ROOT / "docs" / "figures" / "quality-against-seconds.png"
MEASURES = {"catalog": "precision@5", "session": "reward@10"}
SUFFIX = {"catalog": "", "session": "-adaptive"}  # of a baseline's name
KNOWN = 10  # ratings with which a session begins
ANSWERS = 20  # recommendations in a session
ALL = "all"
SLOW = 20.0  # seconds; labels of slower ones stand on the left
FIRST = "first recommendation of a saved run"
RECOMMEND = """
import sys
from recommender import DRRAgent
agent = DRRAgent.load(sys.argv[1])
agent.recommend([(item, agent.catalogue.scale[1]) for item in agent.catalogue.item_ids[:10].tolist()])
"""
Row = dict[str, float]
Jobs = dict[tuple[str, str], Callable[[], Row]]
Figures = dict[str, dict[str, Row]]


@dataclass(frozen=True)
class QualityArguments(common.DataArguments):
    dataset: str = "ml-1m"
    """ml-1m, ml-100k or synthetic."""
    repeats: int = 3
    """Turns; the median counts."""
    steps: tuple[int, ...] = (12_800, 25_600, 51_200)
    """Lengths of the runs, in environment steps."""
    baselines: tuple[str, ...] = (
        *("ridge-demographics", "ensemble-demographics", "session-ridge-knn-demographics"),
        *("item-knn", "ease"),
    )
    """The strongest ones; and in catalog, all together."""
    run: Path = common.ROOT / "save_weights" / "ml-1m"
    """Folder of the saved run that serves."""
    requests: int = 2000
    """Recommendations in one process, of either kind."""


def main(arguments: QualityArguments) -> None:
    """Train, fit, serve; print, write, draw."""
    figures = medians_in_turns(jobs_of(arguments), arguments.repeats)
    figures["ms"] = {
        name: {f"p{share}": 1000 * float(np.percentile(seconds, share)) for share in (50, 99)}
        for name, seconds in latencies(arguments.run, arguments.requests).items()
    }
    titles = {"drr": f"`train.py --dataset {arguments.dataset} --steps N`"}
    for protocol, suffix in SUFFIX.items():
        titles[protocol] = f"`evaluate.py --protocol {protocol} --policies N{suffix}`"
    titles |= {"start": "Starting", "ms": "Ten items for one user, milliseconds"}
    common.conclude(arguments, "quality", figures, titles)
    if arguments.write_docs:
        plot(figures).savefig(FIGURE)


def jobs_of(arguments: QualityArguments) -> Jobs:
    """What is timed, by its table and row."""
    jobs: Jobs = {("drr", f"{n:,}"): partial(train, n, arguments) for n in arguments.steps}
    for protocol in MEASURES:
        for name in arguments.baselines:
            jobs[protocol, name] = partial(fit, protocol, name, arguments)
    jobs["catalog", ALL] = partial(fit, "catalog", ALL, arguments)
    jobs["start", "train.py --help"] = partial(run_python, "train.py", "--help")
    jobs["start", "import tensorflow"] = partial(run_python, "-c", "import tensorflow")
    jobs["start", FIRST] = partial(run_python, "-c", RECOMMEND, str(arguments.run.resolve()))
    return jobs


def train(steps: int, arguments: QualityArguments) -> Row:
    """One train.py: seconds, peak memory and the final measures on the test users."""
    with tempfile.TemporaryDirectory() as folder:
        flags = ["--steps", str(steps), "--output-root", folder, "--run-name", "run"]
        row = run_python("train.py", *flags, *data_flags(arguments))
        results = loads((Path(folder) / "run" / "metrics.json").read_text())["results"]
    for protocol, key in MEASURES.items():
        row[f"{protocol} {key}"] = results[protocol]["policies"]["drr"][key]["mean"]
    return row


def fit(protocol: str, name: str, arguments: QualityArguments) -> Row:
    """One evaluate.py: seconds, peak memory and the protocol's measure, of all the best one's."""
    policy = name if name == ALL else f"{name}{SUFFIX[protocol]}"
    with tempfile.TemporaryDirectory() as folder:
        file, key = Path(folder) / "report.json", MEASURES[protocol]
        flags = ["--protocol", protocol, "--policies", policy]
        flags += ["--cache-dir", folder, "--json", str(file)]
        row = run_python("evaluate.py", *flags, *data_flags(arguments))
        policies = loads(file.read_text())["policies"]
    policies.pop("oracle", None)
    return row | {key: max(found[key]["mean"] for found in policies.values())}


def data_flags(arguments: QualityArguments) -> list[str]:
    """What train.py and evaluate.py are told alike."""
    flags = ["--dataset", arguments.dataset, "--device", arguments.device]
    root = arguments.data_root
    return flags if root is None else [*flags, "--data-root", str(Path(root).resolve())]


def run_python(*arguments: str) -> Row:
    """Seconds and peak memory in GiB of a new process in this repository.

    A peak below this process's own, which a child inherits, is not told.
    """
    command, began = [sys.executable, *arguments], time.perf_counter()
    process = subprocess.Popen(command, cwd=common.ROOT, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"python {' '.join(arguments)}: failed, see above")
    row = {"seconds": time.perf_counter() - began}
    own = common.peak_gib(resource.getrusage(resource.RUSAGE_SELF))
    return row | ({"peak GiB": peak} if (peak := common.peak_gib(usage)) > own else {})


def medians_in_turns(jobs: Jobs, turns: int) -> Figures:
    """The median of every figure of each job."""
    rounds = [{key: job() for key, job in jobs.items()} for _ in range(turns)]
    medians: Figures = {kind: {} for kind in ("drr", *MEASURES, "start")}
    for (kind, name), row in rounds[0].items():
        found = {key: [each[kind, name][key] for each in rounds] for key in row}
        medians[kind][name] = {key: statistics.median(values) for key, values in found.items()}
    return medians


def latencies(run: Path, requests: int) -> dict[str, list[float]]:
    """Seconds of each recommendation of ten items by a session and by the run's SavedModel."""
    agent, rng = DRRAgent.load(run), np.random.default_rng(0)
    ids, (_, best) = agent.catalogue.item_ids, agent.catalogue.scale
    with tempfile.TemporaryDirectory() as folder:
        export(Arguments(run, Path(folder)))
        served = tf.saved_model.load(folder).signatures["serving_default"]
    times: dict[str, list[float]] = {"session.recommend(10)": [], "SavedModel": []}
    for _ in range(-(-requests // ANSWERS)):
        known, shown = rng.choice(ids, KNOWN, replace=False), ids[:0]
        session = agent.session((item, best) for item in known.tolist())
        for _ in range(ANSWERS):
            arrays = {"window_items": known, "exclude": known, "shown_items": shown}
            arrays["window_ratings"] = np.full(KNOWN, best, np.float32)
            arrays["shown_rewards"] = np.full(len(shown), UNRATED_REWARD, np.float32)
            inputs = {name: tf.constant(array[None]) for name, array in arrays.items()}
            nobody = tf.zeros([1, agent.features.n_demographics])
            inputs |= {"demographics": nobody, "k": tf.constant(10)}
            calls = partial(session.recommend, 10), partial(served, **inputs)
            for seconds, call in zip(times.values(), calls, strict=True):
                began = time.perf_counter()
                found = call()
                seconds.append(time.perf_counter() - began)
            refused = found["item_ids"].numpy()[0, :1]
            shown = np.append(shown, refused)
            session.refuse(refused[0])
    return {name: seconds[ANSWERS:] for name, seconds in times.items()}  # the first ones compile


def plot(figures: Figures) -> Figure:
    """A panel for each protocol: quality against seconds, DRR a line, each baseline a point."""
    figure, panels = new_figure(1, len(MEASURES), (10, 4))
    for axes, (protocol, key) in zip(panels, MEASURES.items(), strict=True):
        fits, suffix = figures[protocol].items(), SUFFIX[protocol]
        points = [(name + suffix, row["seconds"], row[key]) for name, row in fits if name != ALL]
        ours = [(row["seconds"], row[f"{protocol} {key}"]) for row in figures["drr"].values()]
        points.append(("drr", *ours[0]))  # its longer runs have no room for a label
        for label, x, y in points:
            colour = ACCENT if label == "drr" else PLAIN
            axes.plot(x, y, "o", color=colour)
            side, offset = ("right", (-4, 6)) if x > SLOW else ("left", (4, -9))
            axes.annotate(
                label, (x, y), offset, textcoords="offset points", ha=side, color=colour, size=7
            )
        axes.plot(*zip(*ours, strict=True), "o-", color=ACCENT)
        axes.set(xscale="log", xlabel="seconds, cold start to table", ylabel=f"{protocol} {key}")
        axes.margins(x=0.25, y=0.15)
    return figure


if __name__ == "__main__":
    end_when_nobody_reads()
    main(read_arguments(QualityArguments, description=__doc__))
