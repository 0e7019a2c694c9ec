"""Every knob of a run: frozen dataclasses, documented, validated once, saved beside the weights.

The defaults are the documented main experiment (``--preset best``); ``--preset paper`` is the
plain Algorithm 1 of the paper. No TensorFlow here, so that ``--help`` is immediate.
"""

import dataclasses
import difflib
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, NamedTuple, get_args, get_origin, get_type_hints

Dataset = Literal["auto", "ml-1m", "ml-100k", "jester", "yahoo-r3", "lastfm", "synthetic", "csv"]
Protocol = Literal["catalog", "session", "rerank", "simulator"]
State = Literal["drr-ave", "drr-p", "drr-u", "drr-n"]
Preset = Literal["best", "paper"]
Device = Literal["auto", "cpu", "gpu"]

MOST_WEIGHTS = 1 << 28  # of one layer: 1 GiB
MOST_ROWS = 1 << 24  # transitions of all updates after one rollout


class ConfigError(ValueError):
    """A setting that cannot work; the message quotes the value and says what to do."""


def _require(condition: bool, name: str, value: object, expected: str) -> None:
    if not condition:
        quoted = repr(value) if len(repr(value)) <= 80 else f"{value!r:.77}..."
        raise ConfigError(f"{name} is {quoted}, expected {expected}")


def _is_folder_name(name: str) -> bool:
    one = name not in ("", "..") and Path(name).name == name
    return one and name.isprintable() and len(name.encode()) <= 200


def _flag(group: str, name: str) -> str:
    return f"{group}.{name.replace('_', '-')}"


@dataclass(frozen=True)
class CsvConfig:
    """Your own data, with --dataset csv: one rating, count or event per row (docs/domains.md)."""

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
    """File with the items' ids in its first column and their titles in the second."""
    header: bool = True
    """Whether the first line of the files names the columns."""
    delimiter: Literal["comma", "semicolon", "tab", "bar", "space"] | None = None
    """What separates the columns. Default: the first of comma, semicolon, tab and bar in the file."""


@dataclass(frozen=True)
class EmbeddingConfig:
    """Item (and user) vectors, fitted on the training users only and frozen afterwards."""

    kind: Literal["svd", "pmf", "mf", "user-movie", "movie-genre", "random"] = "svd"
    """svd: SVD of the positives plus log-popularity. pmf: the paper's. mf: bias + ALS, the item bias
    a component. user-movie, movie-genre: the Keras networks of earlier DRR repositories. random: a
    control."""
    dim: int = 100
    """k, the size of an embedding and of the action (paper, section V: 100)."""
    members: int = 1
    """Factorisations of kind mf that share the k components; their mean is a blend."""

    def __post_init__(self) -> None:
        _require(2 <= self.dim <= 4096, "embedding.dim", self.dim, "2 to 4096")
        _require(
            1 <= self.members <= self.dim // 2,
            "embedding.members",
            self.members,
            f"1 to {self.dim // 2}, so that each has two of the {self.dim} components",
        )


@dataclass(frozen=True)
class EnvConfig:
    """The offline environment in which the agent is trained."""

    window: int = 10
    """n, items in the state (paper: 5; the catalog protocol shows a test user's first 10)."""
    episode_length: int = 20
    """T, recommendations in an episode; the limit is a truncation (paper: 10 on MovieLens)."""
    random_start: float = 0.7
    """Share of episodes that start from a random window of the user's history instead of the first."""

    def __post_init__(self) -> None:
        _require(1 <= self.window <= 1000, "env.window", self.window, "1 to 1000 items")
        _require(
            1 <= self.episode_length <= 1000, "env.episode-length", self.episode_length, "1 to 1000"
        )
        _require(0 <= self.random_start <= 1, "env.random-start", self.random_start, "0 to 1")


@dataclass(frozen=True)
class ReplayConfig:
    """Experience replay; transitions hold ids, the state is recomputed from them."""

    kind: Literal["prioritized", "uniform"] = "prioritized"
    """prioritized: Schaul et al. (2016), as the paper uses. uniform: a control."""
    capacity: int = 200_000
    """Transitions kept; the oldest are overwritten."""
    alpha: float = 0.6
    """Exponent of the priority (|TD error| + epsilon); applied once."""
    beta: float = 0.4
    """First exponent of the importance weights; annealed to 1 by the end of training."""
    epsilon: float = 1e-2
    """Added to |TD error|, so that nothing has probability zero."""

    def __post_init__(self) -> None:
        _require(
            1 <= self.capacity <= 10**9,
            "replay.capacity",
            self.capacity,
            "at least 1 transition, at most 1000000000",
        )
        _require(0 <= self.alpha <= 1, "replay.alpha", self.alpha, "0 to 1")
        _require(0 <= self.beta <= 1, "replay.beta", self.beta, "0 to 1")
        _require(0 < self.epsilon < 1e6, "replay.epsilon", self.epsilon, "a number above 0")


@dataclass(frozen=True)
class AgentConfig:
    """Networks and update rules. Where two values are possible, one is the paper's."""

    state: State = "drr-ave"
    """State representation (equations 5 to 9)."""
    user_vector: Literal["learned", "fold-in", "pretrained"] = "learned"
    """u in equations 7 and 9. pretrained: the embedding's user vector, solved from all the user
    rated before the episode (rerank and simulator). fold-in: the same from the window alone (the
    PMF vector of an unseen user). learned: a trained map of the pooled window and demographics."""
    item_weights: Literal["position", "position-rating"] = "position-rating"
    """w_a in equations 5 to 9: one learned weight per position, or that times one per rating."""
    positives_only: bool = False
    """Mask what the window holds of items the user did not like (the paper's windows hold none; in
    catalog and session a user's first ratings do)."""
    train_state: bool = True
    """Train the state representation; without, it stays as it was initialised."""
    refused: bool = True
    """Add to the state what was refused in this episode, which equation 1 forgets (paper: no)."""
    separate_states: bool = True
    """Actor and critic each own a state module; otherwise they share one, trained with the critic."""
    actor_hidden: int = 256
    """Units of the actor's two ReLU layers (not stated in the paper; the earlier repos use 128)."""
    residual: bool = False
    """Learn what to add to the pretrained factorisation: pi(s) = 50 u + actor(s), and Q(s, a) = the
    reward that u . a predicts + critic(s, a), both networks starting at zero (paper: no)."""
    actor_output: Literal["tanh", "linear-skip"] = "linear-skip"
    """tanh: the paper's last layer. linear-skip: linear, plus a linear map of the state."""
    critic: Literal["bilinear", "mlp"] = "bilinear"
    """mlp: the paper's, Q = MLP([relu(W s), a]). bilinear: Q(s, a) = f(s).a + g(s)."""
    critic_hidden: int = 256
    """Units of the critic's ReLU layers."""
    critics: int = 2
    """1: the paper. 2: twins; the target takes the smaller (Fujimoto et al., 2018)."""
    algorithm: Literal["ddpg", "td3"] = "ddpg"
    """ddpg: the paper's. td3 (Fujimoto et al., 2018): with twin critics, noise on the target action,
    and an actor and targets that move after every second update of the critics."""
    critic_action: Literal["item", "proto"] = "item"
    """What the critic sees as the action: the embedding of the recommended item, or the actor's
    output vector (the paper). With item, the target uses the best item left for the target actor."""
    clip_target: bool = True
    """Clip TD targets to what the rewards and the discount allow."""
    discount: float = 0.5
    """gamma (paper: 0.9)."""
    tau: float = 0.01
    """Soft update: target <- tau * online + (1 - tau) * target (Algorithm 1)."""
    average_actor: bool = True
    """Deploy the target networks, a moving average of the online ones (paper: the online ones)."""
    counterfactual: int = 64
    """Further items per state, drawn from the actor's distribution and rewarded from the training
    log, in the critic's loss. 0: the paper (only the item that was recommended)."""
    imitation: float = 1.0
    """Weight of the listwise cross-entropy to the training user's other positives in the actor's
    loss. 0: the paper (policy gradient alone)."""
    policy_gradient: float = 5.0
    """Weight of the policy gradient (equation 3) in the actor's loss. 0: imitation alone."""
    actor_gradient: Literal["policy", "stored"] = "policy"
    """Where the policy gradient takes the slope of Q: at pi(s), as equation 3 does, or at the action
    that was stored, as some earlier repositories do."""
    dropout: float = 0.5
    """Dropout rate on the state during updates."""
    item_dropout: float = 0.2
    """Probability that an item of the window is hidden during updates."""
    actor_lr: float = 2e-3
    """Adam's learning rate of the actor."""
    critic_lr: float = 2e-3
    """Adam's learning rate of the critic and the state representation."""
    weight_decay: float = 1e-2
    """Decoupled weight decay (AdamW; the paper says L2)."""
    lr_schedule: Literal["cosine", "constant"] = "cosine"
    """Learning rates fall to zero along a cosine over the run, or stay."""
    clip_norm: float = 1.0
    """Largest global gradient norm; 0 switches clipping off."""
    batch_size: int = 256
    """Transitions in one update."""
    exploration: Literal["gumbel", "gaussian"] = "gumbel"
    """Noise while collecting. gumbel: on the item scores, so items are drawn from their softmax.
    gaussian: on the action vector, as DDPG does."""
    noise: float = 1.0
    """Temperature of the softmax, or standard deviation of the Gaussian noise, at the start."""
    noise_end: float = 0.3
    """The same at the end; linear in between."""
    epsilon: float = 0.1
    """Probability of a random item at the start (epsilon-greedy, Algorithm 1)."""
    epsilon_end: float = 0.01
    """The same once `epsilon_decay` of the run is over; linear in between."""
    epsilon_decay: float = 0.5
    """Share of the run over which epsilon falls."""

    def __post_init__(self) -> None:
        for name in ("actor_hidden", "critic_hidden", "batch_size"):
            value = getattr(self, name)
            _require(1 <= value <= 65536, _flag("agent", name), value, "1 to 65536")
        _require(self.critics in (1, 2), "agent.critics", self.critics, "1 or 2")
        _require(
            self.algorithm == "ddpg" or self.critics == 2,
            "agent.critics",
            self.critics,
            "2 with --agent.algorithm td3: it takes the smaller of twins",
        )
        _require(0 <= self.discount < 1, "agent.discount", self.discount, "0 up to, not with, 1")
        for name in ("tau", "actor_lr", "critic_lr"):
            value = getattr(self, name)
            _require(0 < value <= 1, _flag("agent", name), value, "a number in (0, 1]")
        for name in ("dropout", "item_dropout"):
            value = getattr(self, name)
            _require(0 <= value < 1, _flag("agent", name), value, "0 up to, not with, 1")
        for name in ("epsilon", "epsilon_end", "epsilon_decay"):
            value = getattr(self, name)
            _require(0 <= value <= 1, _flag("agent", name), value, "0 to 1")
        for name in (
            "imitation",
            "policy_gradient",
            "weight_decay",
            "clip_norm",
            "noise",
            "noise_end",
        ):
            value = getattr(self, name)
            _require(0 <= value < 1e6, _flag("agent", name), value, "a number from 0")
        _require(
            0 <= self.counterfactual <= 4096,
            "agent.counterfactual",
            self.counterfactual,
            "0 to 4096",
        )
        _require(
            self.imitation + self.policy_gradient > 0,
            "agent.imitation and agent.policy-gradient",
            (self.imitation, self.policy_gradient),
            "at least one above 0: nothing would train the actor",
        )
        _require(
            self.critic_action == "item" or self.exploration == "gaussian",
            "agent.exploration",
            self.exploration,
            "gaussian with --agent.critic-action proto: the stored action must be the one played",
        )
        _require(
            self.critic_action == "item" or self.counterfactual == 0,
            "agent.counterfactual",
            self.counterfactual,
            "0 with --agent.critic-action proto: counterfactual actions are items",
        )
        _require(
            not self.residual or self.user_vector == "pretrained",
            "agent.residual",
            self.residual,
            "False without --agent.user-vector pretrained: there is nothing to add to",
        )


class Xla(NamedTuple):
    """What XLA compiles; the rest runs as TensorFlow graphs."""

    updates: bool = False
    episodes: bool = False


@dataclass(frozen=True)
class LoopConfig:
    """How environment steps and updates are interleaved, logged and saved."""

    parallel_users: int = 128
    """Users that the vectorised environment steps at once."""
    updates_per_rollout: int = 32
    """Updates after each episode of all parallel users, in one compiled call."""
    jit: Literal["auto", "on", "off"] = "auto"
    """Compile episodes and updates with XLA. auto: both on a GPU; on a CPU, where XLA draws random
    numbers slowly, only updates that draw none (no imitation, counterfactual items or dropout)."""
    warmup: int = 2_000
    """Transitions collected before the first update."""
    validation_share: float = 0.05
    """Share of the training users held out for the learning curve, 2,000 users at most; nothing is
    fitted on them."""
    evaluations: int = 10
    """Points of the learning curve."""
    checkpoints: int = 5
    """Checkpoints over the run; the last two are kept."""
    keep: Literal["last", "best"] = "last"
    """Weights that the run ends with. best: those of the learning curve's best point, by the first
    metric of the first protocol, on validation users (catalog: precision@5)."""

    def __post_init__(self) -> None:
        for name in ("parallel_users", "updates_per_rollout", "evaluations"):
            value = getattr(self, name)
            _require(1 <= value <= 65536, _flag("loop", name), value, "at least 1, at most 65536")
        updates = self.updates_per_rollout
        _require(updates <= 1024, "loop.updates-per-rollout", updates, "at most 1024")
        share = self.validation_share
        _require(0 < share < 1, "loop.validation-share", share, "above 0 and below 1")
        _require(self.warmup >= 0, "loop.warmup", self.warmup, "0 or more")
        _require(0 <= self.checkpoints <= 65536, "loop.checkpoints", self.checkpoints, "0 or more")


@dataclass(frozen=True)
class Config:
    """Train DRR (Liu et al., arXiv:1810.12027), a deep reinforcement learning recommender.

    Bare, this is the documented main experiment. Everything is written to
    OUTPUT_ROOT/RUN_NAME: weights, config.json, metrics.json, TensorBoard scalars, progress.png.
    """

    dataset: Dataset = "auto"
    """auto: ml-1m from the data root, else downloaded, else (no network) the synthetic set. csv:
    your own file, --csv.path. The others: folders of the data root (docs/domains.md)."""
    data_root: str | None = None
    """Folder that holds ml-1m/ratings.dat ...; default $DRR_DATA_ROOT, else data/."""
    protocol: tuple[Protocol, ...] = ("catalog", "session")
    """What the run is trained and measured for: catalog and session (new users), or rerank or
    simulator alone (known users, split in time; they have defaults of their own)."""
    known: int = 10
    """In catalog and session, how many of a new user's first ratings are known at the start. Where
    histories are short, fewer leave more to recommend."""
    preset: Preset = "best"
    """best: the recipe behind the released weights. paper: the plain Algorithm 1."""
    device: Device = "auto"
    """auto: the first GPU if TensorFlow sees one, else the CPU."""
    seed: int = 0
    """The one root seed; every source of randomness is spawned from it."""
    steps: int = 150_000
    """Environment transitions in total."""
    run_name: str | None = None
    """Folder of the run; default <dataset>-<preset>-seed<seed>. An existing one needs --resume."""
    output_root: str = "save_weights"
    """Folder of all runs."""
    resume: bool = False
    """Go on from the run's last checkpoint, with the settings saved there."""
    csv: CsvConfig = field(default_factory=CsvConfig)
    embedding: EmbeddingConfig = field(default_factory=EmbeddingConfig)
    env: EnvConfig = field(default_factory=EnvConfig)
    replay: ReplayConfig = field(default_factory=ReplayConfig)
    agent: AgentConfig = field(default_factory=AgentConfig)
    loop: LoopConfig = field(default_factory=LoopConfig)

    def __post_init__(self) -> None:
        _require(
            self.dataset == "csv" or self.csv == CsvConfig(),
            "dataset",
            self.dataset,
            "csv, since there are --csv settings",
        )
        _require(
            1 <= self.steps <= 10**10,
            "steps",
            self.steps,
            "at least 1 transition, at most 10000000000",
        )
        _require(
            self.loop.warmup < self.steps,
            "loop.warmup",
            self.loop.warmup,
            f"below --steps {self.steps}: nothing would be learned",
        )
        _require(1 <= self.known <= 1000, "known", self.known, "1 to 1000 ratings")
        _require(0 <= self.seed < 2**31, "seed", self.seed, "0 to 2147483647")
        episode = self.loop.parallel_users * self.env.episode_length
        _require(
            self.replay.capacity >= episode,
            "replay.capacity",
            self.replay.capacity,
            f"at least loop.parallel-users x env.episode-length = {episode}",
        )
        name = self.run_name
        _require(
            name is None or _is_folder_name(name),
            "run-name",
            name,
            "the name of one folder; use --output-root to put it elsewhere",
        )
        self._check_sizes()
        alone = len(self.protocol) == 1
        _require(
            alone or set(self.protocol) == set(NEW_USERS),
            "protocol",
            self.protocol,
            "catalog, session or both; rerank or simulator alone: they split the data otherwise",
        )
        _require(
            self.agent.user_vector != "pretrained" or not self.new_users,
            "agent.user-vector",
            self.agent.user_vector,
            "learned or fold-in with --protocol catalog session: new users have no vector",
        )

    def _check_sizes(self) -> None:
        """Sizes that would fill the memory of any machine, refused before anything is built."""
        n, agent = self.env.window, self.agent
        blocks = {"drr-ave": 3, "drr-n": n}.get(agent.state, n + n * (n - 1) // 2)
        widest = max(agent.actor_hidden, agent.critic_hidden, self.embedding.dim)
        weights = max(blocks * self.embedding.dim, widest) * widest
        _require(
            weights <= MOST_WEIGHTS,
            "agent.state, agent.actor-hidden and agent.critic-hidden",
            (agent.state, agent.actor_hidden, agent.critic_hidden),
            f"layers of at most {MOST_WEIGHTS} weights, not {weights}: lower one of them, "
            "--env.window or --embedding.dim",
        )
        rows = self.loop.updates_per_rollout * agent.batch_size
        _require(
            rows <= MOST_ROWS,
            "agent.batch-size",
            agent.batch_size,
            f"at most {MOST_ROWS} transitions with loop.updates-per-rollout together, not {rows}",
        )

    @property
    def new_users(self) -> bool:
        """Whether the run is for users who were not trained on; else for their later ratings."""
        return set(self.protocol) <= set(NEW_USERS)

    def xla(self, gpu: bool) -> Xla:
        """What XLA compiles, on a GPU or on a CPU."""
        if self.loop.jit != "auto" or gpu:
            everything = self.loop.jit != "off"
            return Xla(updates=everything, episodes=everything)
        agent = self.agent
        draws = agent.counterfactual or agent.imitation or agent.dropout or agent.item_dropout
        return Xla(updates=not (draws or agent.algorithm == "td3"), episodes=False)


NEW_USERS: tuple[Protocol, ...] = ("catalog", "session")


def preset(name: Preset, protocol: Sequence[Protocol] = NEW_USERS) -> Config:
    """The complete settings of one preset for what the run is measured by."""
    chosen = Config() if name == "best" else _PAPER
    if set(protocol) <= set(NEW_USERS) or len(protocol) != 1:
        return chosen
    if name == "best":
        return _RERANK if protocol[0] == "rerank" else _SIMULATOR
    pretrained = dataclasses.replace(_PAPER.agent, user_vector="pretrained")
    return dataclasses.replace(_PAPER, protocol=tuple(protocol), agent=pretrained)


_PAPER = Config(
    preset="paper",
    steps=50_000,
    embedding=EmbeddingConfig(kind="pmf"),
    env=EnvConfig(window=5, episode_length=10, random_start=0.0),
    agent=AgentConfig(
        user_vector="fold-in",
        item_weights="position",
        refused=False,
        separate_states=False,
        actor_hidden=128,
        actor_output="tanh",
        critic="mlp",
        critic_hidden=128,
        critics=1,
        critic_action="proto",
        clip_target=False,
        discount=0.9,
        tau=0.001,
        average_actor=False,
        counterfactual=0,
        imitation=0.0,
        policy_gradient=1.0,
        dropout=0.0,
        item_dropout=0.0,
        actor_lr=1e-4,
        critic_lr=1e-3,
        weight_decay=1e-4,
        lr_schedule="constant",
        clip_norm=0.0,
        batch_size=32,
        exploration="gaussian",
        noise=0.1,
        noise_end=0.1,
        epsilon=1.0,
        epsilon_end=0.05,
        epsilon_decay=0.3,
    ),
    loop=LoopConfig(parallel_users=32, updates_per_rollout=320),
)

# rerank and simulator: the paper's n and T. The agent starts as a blend of factorisations and learns in
# small steps; on held-out training time larger ones, dropout and imitation made the blend worse.
_RERANK = Config(
    protocol=("rerank",),
    steps=30_000,
    embedding=EmbeddingConfig(kind="mf", members=5),
    env=EnvConfig(window=5, episode_length=10),
    agent=AgentConfig(
        user_vector="pretrained",
        residual=True,
        discount=0.0,
        imitation=0.0,
        policy_gradient=1.0,
        dropout=0.0,
        item_dropout=0.0,
        actor_lr=1e-4,
        critic_lr=1e-3,
    ),
    loop=LoopConfig(validation_share=0.1, keep="best"),
)
_SIMULATOR = dataclasses.replace(
    _RERANK, protocol=("simulator",), embedding=EmbeddingConfig(kind="mf", dim=200, members=5)
)


def to_json(config: Config) -> str:
    """The resolved settings as indented JSON, for config.json."""
    return json.dumps(dataclasses.asdict(config), indent=2) + "\n"


def from_json(text: str, source: str | Path = "config.json") -> Config:
    """The settings saved by `to_json`.

    Raises:
        ConfigError: naming the source and the field that is missing, unknown or invalid.
    """
    config: Config = _build(Config, _parse(text, source), str(source))
    return config


def load(path: Path) -> Config:
    """The settings in a file written from `to_json`; ConfigError as `from_json`."""
    try:
        config: Config = _build(Config, read_json(path), str(path))
    except ConfigError as error:
        raise ConfigError(f"{error}; correct or restore the file") from error
    return config


def read_json(path: Path) -> Any:
    """What a JSON file holds; ConfigError names the file, and the line where there is one."""
    try:
        if path.exists() and not (path.is_file() or path.is_dir()):  # a pipe would block for ever
            raise ConfigError(f"{path}: is a pipe or device, expected a file")
        text = path.read_text("utf-8-sig")
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read ({error.strerror})") from error
    except UnicodeDecodeError as error:
        place = error.object[: error.start].count(b"\n") + 1
        raise ConfigError(f"{path}:{place}: not UTF-8 text ({error.reason})") from error
    return _parse(text, path)


def _parse(text: str, source: str | Path) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise ConfigError(f"{source}:{error.lineno}: not valid JSON ({error.msg})") from error
    except RecursionError:
        raise ConfigError(f"{source}: not valid JSON (nested too deeply)") from None
    except ValueError as error:  # a number of thousands of digits
        raise ConfigError(f"{source}: not valid JSON ({error})") from error


def _build(cls: Any, values: Any, source: str) -> Any:
    _require(
        isinstance(values, dict), source, values, f"an object with the fields of {cls.__name__}"
    )
    types = get_type_hints(cls)
    unknown = sorted(set(values) - set(types))
    if unknown:
        close = difflib.get_close_matches(unknown[0], types, n=1)
        hint = f"did you mean {close[0]!r}?" if close else "is it of a later version?"
        raise ConfigError(f"{source}: unknown field {unknown[0]!r:.80} in {cls.__name__}; {hint}")
    built = {}
    for name, value in values.items():
        if dataclasses.is_dataclass(types[name]):
            built[name] = _build(types[name], value, source)
        else:
            kind = (
                types[name].__name__
                if isinstance(types[name], type)
                else str(types[name]).replace("typing.", "")
            )
            _require(_fits(value, types[name]), f"{source}: {name!r}", value, kind)
            built[name] = tuple(value) if isinstance(value, list) else value
    try:
        return cls(**built)
    except ConfigError as error:
        raise ConfigError(f"{source}: {error}") from error


def _fits(value: Any, kind: Any) -> bool:
    """Whether a JSON value is of a field's type."""
    options = get_args(kind)
    if get_origin(kind) is Literal:
        return value in options
    if get_origin(kind) is tuple:
        fits = isinstance(value, list) and (... in options or len(value) == len(options))
        return fits and all(_fits(item, options[0]) for item in value)
    if options:  # str | None
        return any(_fits(value, option) for option in options)
    return type(value) is kind or (kind is float and type(value) is int)
