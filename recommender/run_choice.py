"""Which trained runs are evaluated: those of --weights, or the newest one that fits."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from config import NEW_USERS, Config, ConfigError, in_flags, load, read_json

if TYPE_CHECKING:
    from data.ratings import Catalogue, Ratings
    from recommender.drr_policy import DRRPolicy

DRR = "drr"  # the name of runs that get no other
RUNS = Path("save_weights")  # where train.py leaves runs, beside the released ones
METRICS = "metrics.json"  # of a finished run
MODEL_CARD = "README.md"  # of a released run
Runs = dict[str, list[Path]]  # folders by the policy's name, one for each seed


def parse_weights(weights: Sequence[str], protocol: str) -> Runs:
    """{policy name: run folders} from DIR and NAME=DIR; ConfigError for what is no fitting run."""
    runs: Runs = {}
    seen: set[Path] = set()
    for given in weights:
        name, separator, path = given.partition("=")
        if not separator or os.sep in name:
            name, path = DRR, given
        folder = Path(path)
        if not name or not path or not folder.is_dir():
            raise ConfigError(f"--weights {given!r}: no such folder; give DIR or NAME=DIR")
        if folder.resolve() in seen:
            raise ConfigError(f"--weights {given!r}: the folder is given twice; give it once")
        _check_trained_for(folder, protocol)
        seen.add(folder.resolve())
        runs.setdefault(name, []).append(folder)
    return runs


def default_run(protocol: str, dataset: str) -> Runs:
    """The newest finished run of one's own that fits, else the released one; empty without any.

    dataset: as in --dataset; "auto" takes any run of one's own, and the released one of ml-1m.
    """
    finished = sorted(RUNS.glob(f"*/{METRICS}"), key=lambda file: -file.stat().st_mtime)
    fitting = [file.parent for file in finished if _fits(file.parent, protocol, dataset)]
    own = [folder for folder in fitting if not (folder / MODEL_CARD).exists()]
    released = "ml-1m" if dataset == "auto" else dataset
    chosen = own or [folder for folder in fitting if run_settings(folder).dataset == released]
    return {DRR: chosen[:1]} if chosen else {}


def check_split(runs: Runs, split: str | None) -> str:
    """How new users were split off: as asked, else as the runs were; ConfigError where they differ."""
    for folder in (folder for folders in runs.values() for folder in folders):
        trained = run_settings(folder).split
        split = split or trained
        if trained != split:
            raise ConfigError(
                f"--weights {folder}: trained with --split {trained}, and has seen ratings that "
                f"--split {split} hides; train one with: python train.py --split {split}"
            )
    return split or "users"


def run_settings(folder: Path) -> Config:
    """A run's settings; ConfigError where the folder is not that of a run."""
    try:
        return load(folder / "config.json")
    except ConfigError as error:
        raise ConfigError(f"--weights {folder}: not the folder of a run ({error})") from error


def load_run(name: str, folder: Path, catalogue: "Catalogue") -> "DRRPolicy":
    """The policy of a trained run; ConfigError if its files cannot be used."""
    from recommender.agent import DRRAgent
    from recommender.drr_policy import DRRPolicy

    try:
        return DRRPolicy(DRRAgent.load(folder, catalogue), name)
    except (ValueError, OSError, KeyError) as error:
        raise ConfigError(f"--weights {folder}: {in_flags(error)}") from error


def name_of_data(runs: Runs, ratings: "Ratings", allow_other: bool) -> str:
    """For headings; ConfigError for runs of other data, unless these are allowed and named.

    A run that recorded no data, such as an unfinished one, is taken at its word.
    """
    found = ratings.fingerprint() if runs else None
    folders = [folder for group in runs.values() for folder in group]
    others = [folder for folder in folders if _data_of(folder) not in (None, found)]
    if not others:
        return ratings.name
    if not allow_other:
        raise ConfigError(
            f"{others[0]}: trained on other data than {ratings.name} as it is now, so its users may "
            "be among those tested; restore the data, choose another run with --weights DIR, or "
            "add --allow-other-data, and the table says so"
        )
    return f"{ratings.name} (NOT the data of {', '.join(map(str, others))})"


def _data_of(folder: Path) -> str | None:
    """The fingerprint of the data that a run was trained on, None where it recorded none."""
    file = folder / METRICS
    metrics = read_json(file) if file.exists() else {}
    data = metrics.get("data") if isinstance(metrics, dict) else None
    return data.get("fingerprint") if isinstance(data, dict) else None


def _fits(folder: Path, protocol: str, dataset: str) -> bool:
    try:
        _check_trained_for(folder, protocol)
    except ConfigError:
        return False
    saved = run_settings(folder)
    alike = ("engagement" in saved.protocol) == (protocol == "engagement")
    return alike and dataset in ("auto", saved.dataset)


def _check_trained_for(folder: Path, protocol: str) -> None:
    """A run for new users has seen what the splits by time hide, and the reverse."""
    saved = run_settings(folder)
    trained_for = saved.protocol
    if protocol not in ((*NEW_USERS, "engagement") if saved.new_users else trained_for):
        raise ConfigError(
            f"--weights {folder}: trained for {' and '.join(trained_for)}, and has seen ratings that "
            f"{protocol} hides; train one with: python train.py --protocol {protocol}"
        )
