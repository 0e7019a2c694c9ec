"""The whole settings of a run, what its groups must agree on, and the presets."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Literal, NamedTuple

from config.checks import Auto, Range, Settings
from config.groups import (
    AgentConfig,
    Boredom,
    CsvConfig,
    EmbeddingConfig,
    EnvConfig,
    LoopConfig,
    ReplayConfig,
)

Dataset = Literal[
    "auto",
    "ml-1m",
    "ml-100k",
    "ml-latest-small",
    "ml-10m",
    "ml-20m",
    "ml-25m",
    "ml-32m",
    "lastfm",
    "coat",
    "synthetic",
    "csv",
]
Protocol = Literal["catalog", "session", "engagement", "rerank", "simulator"]
Preset = Literal["best", "paper"]
Split = Literal["users", "time"]
Device = Literal["auto", "cpu", "gpu"]

MOST_WEIGHTS = 1 << 28  # of one layer: 1 GiB

NEW_USERS: tuple[Protocol, ...] = ("catalog", "session")


def _is_folder_name(name: str) -> bool:
    one = name not in ("", "..") and Path(name).name == name
    return one and name.isprintable() and len(name.encode()) <= 200


class Xla(NamedTuple):
    """What XLA compiles; the rest runs as TensorFlow graphs."""

    updates: bool = False
    episodes: bool = False


@dataclass(frozen=True)
class Config(Settings):
    """Train DRR (Liu et al., arXiv:1810.12027), a deep reinforcement learning recommender.

    Bare, this is the documented main experiment. Everything is written to
    OUTPUT_ROOT/RUN_NAME: weights, config.json, metrics.json, TensorBoard scalars, progress.png.
    """

    dataset: Dataset = "auto"
    """auto: ml-1m from the data root, else downloaded, else (no network) the synthetic set. csv:
    your own file, --csv.path. The others: folders of the data root (docs/own-data.md)."""
    data_root: str | None = None
    """Folder that holds ml-1m/ratings.dat ...; default $DRR_DATA_ROOT, else data/."""
    protocol: tuple[Protocol, ...] = ("catalog", "session")
    """What the run is trained and measured for: catalog and session (new users), or alone, with
    defaults of its own, engagement (new users, who leave when bored), rerank or simulator (known
    users, split in time)."""
    known: Annotated[int, Range(0, 1000)] = 10
    """How many of a new user's first ratings are known at the start. Where histories are short, fewer
    leave more to recommend."""
    boredom: tuple[int, int] | None = None
    """N and M of engagement, default 10 0: a user leaves after an item with a category that occurs
    more than M times among the last N shown before it."""
    split: Split = "users"
    """In catalog and session, whom a run is tested on. users: the last fifth by id. time: those who
    join after the date by which four fifths of the ratings are in; what comes later trains nothing."""
    known_items: bool = False
    """In simulator, whether what a user rated before the session may be recommended again (paper:
    yes)."""
    preset: Preset = "best"
    """best: the recipe behind the released weights. paper: the plain Algorithm 1."""
    device: Device = "auto"
    """auto: the first GPU if TensorFlow sees one, else the CPU."""
    seed: Annotated[int, Range(0, 2**31 - 1)] = 0
    """The one root seed; every source of randomness is spawned from it."""
    steps: Annotated[int | Auto, Range(1, 10**10)] = "auto"
    """Environment transitions in total. auto: 25,600, or fewer where half as many bring nothing
    better on validation users (--loop.keep best)."""
    run_name: str | None = None
    """Folder of the run; default <dataset>-<preset>-seed<seed>. An existing one needs --resume."""
    output_root: str = "save_weights"
    """Folder of all runs."""
    track: bool = False
    """Log the curves to Weights & Biases, too (pip install wandb); WANDB_MODE=offline: to disk."""
    resume: bool = False
    """Go on from the run's last checkpoint, with the settings saved there."""
    csv: CsvConfig = field(default_factory=CsvConfig)
    embedding: EmbeddingConfig = field(default_factory=EmbeddingConfig)
    env: EnvConfig = field(default_factory=EnvConfig)
    replay: ReplayConfig = field(default_factory=ReplayConfig)
    agent: AgentConfig = field(default_factory=AgentConfig)
    loop: LoopConfig = field(default_factory=LoopConfig)

    def __post_init__(self) -> None:
        super().__post_init__()
        self.require(
            self.dataset == "csv" or self.csv == CsvConfig(),
            "dataset",
            "csv, since there are --csv settings",
        )
        self.require(
            self.loop.warmup < self.most_steps,
            "loop.warmup",
            f"below --steps {self.most_steps}: nothing would be learned",
        )
        episode = self.loop.parallel_users * self.env.episode_length
        self.require(
            self.replay.capacity >= episode,
            "replay.capacity",
            f"at least loop.parallel-users x env.episode-length = {episode}",
        )
        self.require(
            self.run_name is None or _is_folder_name(self.run_name),
            "run_name",
            "the name of one folder; use --output-root to put it elsewhere",
        )
        self._check_sizes()
        self.require(
            len(self.protocol) == 1 or set(self.protocol) == set(NEW_USERS),
            "protocol",
            "catalog, session or both; engagement, rerank or simulator alone: they have other "
            "answers or split the data otherwise",
        )
        self.require(
            self.boredom is None or self.protocol == ("engagement",),
            "boredom",
            "none, since users leave in --protocol engagement only",
        )
        Boredom(*(self.boredom or ()))
        self.require(
            self.split == "users" or set(self.protocol) <= set(NEW_USERS),
            "split",
            "users: only catalog and session can be split by time",
        )
        self.require(
            self.agent.head == "items" or self.embedding.kind == "mf-genres",
            "embedding.kind",
            "mf-genres with --agent.head genres",
        )
        self.require(
            self.agent.user_vector != "pretrained" or not self.new_users,
            "agent.user_vector",
            "learned or fold-in with catalog, session and engagement: new users have no vector",
        )

    def _check_sizes(self) -> None:
        """Sizes that would fill the memory of any machine, refused before anything is built."""
        n, agent = self.env.window, self.agent
        blocks = {"drr-ave": 3, "drr-n": n}.get(agent.state, n + n * (n - 1) // 2)
        k = self.embedding.k
        widest = max(agent.actor_hidden, agent.critic_hidden, k)
        weights = max(blocks * k, widest) * widest
        self.require(
            weights <= MOST_WEIGHTS,
            "agent.state agent.actor_hidden agent.critic_hidden",
            f"layers of at most {MOST_WEIGHTS} weights, not {weights}: lower one of them, "
            "--env.window or --embedding.dim",
        )

    @property
    def most_steps(self) -> int:
        """The number of steps, the largest where it is `auto`."""
        return 25_600 if self.steps == "auto" else self.steps

    @property
    def new_users(self) -> bool:
        """Whether the run is for users who were not trained on; else for their later ratings."""
        return set(self.protocol) <= {*NEW_USERS, "engagement"}

    def xla(self, gpu: bool) -> Xla:
        """What XLA compiles, on a GPU or on a CPU."""
        if self.loop.jit != "auto" or gpu:
            everything = self.loop.jit != "off"
            return Xla(updates=everything, episodes=everything)
        agent = self.agent
        draws = agent.counterfactual or agent.imitation or agent.dropout or agent.item_dropout
        return Xla(updates=not draws, episodes=False)


def preset(name: Preset, protocol: Sequence[Protocol] = NEW_USERS) -> Config:
    """The complete settings of one preset for what the run is measured by."""
    chosen = Config() if name == "best" else _PAPER
    if set(protocol) <= set(NEW_USERS) or len(protocol) != 1:
        return chosen
    if name == "best":
        return {"engagement": _ENGAGEMENT, "rerank": _RERANK}.get(protocol[0], _SIMULATOR)
    if protocol[0] == "engagement":
        env = replace(_PAPER.env, episode_length=30)
        return replace(_PAPER, protocol=("engagement",), env=env)
    pretrained = replace(_PAPER.agent, user_vector="pretrained")
    return replace(_PAPER, protocol=tuple(protocol), agent=pretrained)


# What the presets below share: the policy gradient alone, and nothing is hidden in training.
_PLAIN = AgentConfig(
    start="zero",
    demographics_dropout=0.0,
    imitation=0.0,
    policy_gradient=1.0,
    dropout=0.0,
    item_dropout=0.0,
    actor_lr=1e-4,
    critic_lr=1e-3,
)

_PAPER = Config(
    preset="paper",
    known_items=True,
    steps=50_000,
    embedding=EmbeddingConfig(kind="pmf", dim=100, similar_items=False),
    env=EnvConfig(window=5, episode_length=10, random_start=0.0),
    agent=replace(
        _PLAIN,
        user_vector="fold-in",
        item_weights="position",
        context="none",
        start="random",
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
    loop=LoopConfig(parallel_users=32, updates_per_rollout=320, keep="last"),
)

# rerank and simulator: the paper's n and T. The agent starts as a blend of factorisations and learns in
# small steps; on held-out training time larger ones, dropout and imitation made the blend worse.
_RERANK = Config(
    protocol=("rerank",),
    steps=30_000,
    embedding=EmbeddingConfig(kind="mf", dim=200, members=10, similar_items=False),
    env=EnvConfig(window=5, episode_length=10),
    agent=replace(
        _PLAIN,
        user_vector="pretrained",
        context="refused",
        residual=True,
        critics=2,
        batch_size=256,
        discount=0.0,
        noise=1.0,
        noise_end=0.3,
        epsilon=0.1,
        epsilon_end=0.01,
    ),
    loop=LoopConfig(validation_share=0.1, updates_per_rollout=32),
)
_SIMULATOR = replace(
    _RERANK, protocol=("simulator",), embedding=replace(_RERANK.embedding, members=5)
)

# The window has room for all that is known and liked in a session: the user's vector is solved from it.
_ENGAGEMENT = Config(
    protocol=("engagement",),
    steps=92_160,
    embedding=EmbeddingConfig(kind="mf-genres", dim=21, similar_items=False),
    env=EnvConfig(window=40, episode_length=30, random_start=0.0),
    replay=ReplayConfig(kind="uniform", capacity=60_000),
    agent=replace(
        _PLAIN,
        head="genres",
        actor_hidden=16,
        critic_hidden=32,
        discount=0.99,
        tau=0.05,
        counterfactual=15,
        entropy=0.05,
        actor_lr=4e-3,
        critic_lr=4e-3,
        weight_decay=0.0,
        clip_norm=0.0,
        noise=0.05,
        noise_end=0.05,
    ),
    loop=LoopConfig(parallel_users=64, updates_per_rollout=64, warmup=500),
)
