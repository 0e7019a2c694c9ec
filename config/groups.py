"""The other groups of settings: the user's own data, embedding, environment, replay and loop."""

from dataclasses import dataclass
from typing import Annotated, Literal

from config.checks import Auto, Range, Share, Steps, Units, check_ranges, number, require


@dataclass(frozen=True)
class CsvConfig:
    """Your own data, with --dataset csv: one rating, count or event per row (docs/own-data.md)."""

    path: str | None = None
    """The file: CSV or the like, or Parquet."""
    user: str = "user"
    """Column of the users' ids, numbers or text. Columns go by their name in the first line, or,
    with --csv.no-header, by their number, from 1."""
    item: str = "item"
    """Column of the items' ids, numbers or text."""
    rating: str = "rating"
    """Column of the ratings, or of the counts."""
    timestamp: str | None = None
    """Column of the times: numbers, or dates such as 2024-05-31. Default: `timestamp` if there is
    such a column, else the rows are taken to be in order of time."""
    feedback: Literal["ratings", "counts", "events"] = "ratings"
    """ratings: opinions on a scale. counts: how often, such as plays; more is better. events: no
    values, each row is one purchase or click. Counts and events are rewarded by their logarithm."""
    scale: tuple[float, float] | None = None
    """Lowest and highest possible rating, with reward -1 and 1. Default: those in the file."""
    positive: float | None = None
    """Smallest rating or count of an item that the user likes. Default: three quarters up the
    scale, which is 4 on 1 to 5; any count."""
    titles: str | None = None
    """File with the items' ids and titles. The ids are in the column called as in the ratings, else
    in the first."""
    title_column: str | None = None
    """Column of the titles. Default: `title`, else `name`, else the first beside the ids."""
    header: bool = True
    """Whether the first line of the files names the columns."""
    delimiter: Literal["comma", "semicolon", "tab", "bar", "colons", "space"] | None = None
    """What separates the columns. Default: the first of comma, semicolon, tab, bar and `::` in the
    file."""
    encoding: str | None = None
    """Of the text, such as cp1252 or gbk. Default: UTF-8, and Latin-1 for lines that are not UTF-8,
    with a warning."""
    skip_bad: bool = False
    """Leave out rows without an id or a number, or with other faults, and say how many there are.
    Default: refuse the file."""


@dataclass(frozen=True)
class EmbeddingConfig:
    """Item (and user) vectors, fitted on the training users only and frozen afterwards."""

    kind: Literal["svd", "pmf", "mf", "mf-genres", "user-movie", "movie-genre", "random"] = "svd"
    """svd: SVD of the positives plus log-popularity. pmf: the paper's. mf: bias + ALS, the item bias
    a component. mf-genres: the same, and the genres as further components. user-movie,
    movie-genre: the Keras networks of earlier DRR repositories. random: a control."""
    dim: Annotated[int | Auto, Range(2, 4096)] = "auto"
    """k, the size of an embedding and of the action (paper, section V: 100), less any genres. auto:
    chosen for the data in closed form on held-out training users, written to config.json."""
    members: int = 1
    """Factorisations of kind mf that share the k components; their mean is a blend."""

    def __post_init__(self) -> None:
        check_ranges(self, "embedding.")
        dim = self.k
        require(
            1 <= self.members <= dim // 2,
            "embedding.members",
            self.members,
            f"1 to {dim // 2}, so that each has two of the {dim} components",
        )

    @property
    def k(self) -> int:
        """`dim` as a number."""
        return int(number(self.dim, 60))


@dataclass(frozen=True)
class Boredom:
    """A user leaves after an item with a category that occurs more than `most` times among the last
    `window` items shown before it, or among all of them where fewer were shown."""

    window: Annotated[int, Range(0, 1000)] = 10
    """N."""
    most: Annotated[int, Range(0, 1000)] = 0
    """M."""

    def __post_init__(self) -> None:
        check_ranges(self, "boredom.")


@dataclass(frozen=True)
class EnvConfig:
    """The offline environment in which the agent is trained."""

    window: Steps = 20
    """n, items in the state (paper: 5). A new user's session begins with --known of them; what is
    liked fills the room, and only then drops the oldest out (equation 1)."""
    episode_length: Steps = 40
    """T, recommendations in an episode; the limit is a truncation (paper: 10 on MovieLens)."""
    random_start: Share = 0.3
    """Share of the new users' training episodes that begin with fewer than --known ratings, any number
    from none, as real users do (paper: not stated)."""
    misses: Annotated[int, Range(0, 1000)] = 0
    """New users leave after this many rewards in a row that are not positive; 0: they never do."""

    def __post_init__(self) -> None:
        check_ranges(self, "env.")


@dataclass(frozen=True)
class ReplayConfig:
    """Experience replay; transitions hold ids, the state is recomputed from them."""

    kind: Literal["prioritized", "uniform"] = "prioritized"
    """prioritized: Schaul et al. (2016), as the paper uses. uniform: a control."""
    capacity: Annotated[int, Range(1, 10**9)] = 200_000
    """Transitions kept; the oldest are overwritten."""
    alpha: Share = 0.6
    """Exponent of the priority (|TD error| + epsilon); applied once."""
    beta: Share = 0.4
    """First exponent of the importance weights; annealed to 1 by the end of training."""
    epsilon: Annotated[float, Range(0, 10**6, above=True)] = 1e-2
    """Added to |TD error|, so that nothing has probability zero."""

    def __post_init__(self) -> None:
        check_ranges(self, "replay.")


@dataclass(frozen=True)
class LoopConfig:
    """How environment steps and updates are interleaved, logged and saved."""

    parallel_users: Units = 128
    """Users that the vectorised environment steps at once."""
    updates_per_rollout: Annotated[int, Range(1, 1024)] = 64
    """Updates after each episode of all parallel users, in one compiled call."""
    jit: Literal["auto", "on", "off"] = "auto"
    """Compile episodes and updates with XLA. auto: both on a GPU; on a CPU, where XLA draws random
    numbers slowly, only updates that draw none (no imitation, counterfactual items or dropout)."""
    warmup: Annotated[int, Range(0, 10**10)] = 2_000
    """Transitions collected before the first update."""
    validation_share: Annotated[float, Range(0, 1, above=True, below=True)] = 0.05
    """Share of the training users held out for the learning curve, 2,000 users at most; nothing is
    fitted on them."""
    evaluations: Units = 10
    """Points of the learning curve."""
    checkpoints: Annotated[int, Range(0, 65536)] = 5
    """Checkpoints over the run; the last two are kept, until it is finished."""
    keep_checkpoints: bool = False
    """Keep them in a finished run."""
    keep: Literal["last", "best"] = "best"
    """Weights that the run ends with. best: those of the learning curve's best point on validation
    users, by the first metric of every protocol; a later point must be better by a standard error."""

    def __post_init__(self) -> None:
        check_ranges(self, "loop.")
