"""The groups of settings: the user's own data, embedding, environment, replay, agent and loop."""

from dataclasses import dataclass
from typing import Annotated, Literal

from config.checks import Auto, Range, Settings, Share, Steps, Units, number

State = Literal["drr-ave", "drr-p", "drr-u", "drr-n"]
BelowOne = Annotated[float, Range(0, 1, below=True)]
Rate = Annotated[float, Range(0, 1, above=True)]
Weight = Annotated[float, Range(0, 10**6)]


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
class EmbeddingConfig(Settings):
    """Item (and user) vectors, fitted on the training users only and frozen afterwards."""

    group = "embedding."

    kind: Literal["svd", "pmf", "mf", "mf-genres", "user-movie", "movie-genre", "random"] = "svd"
    """svd: SVD of the positives plus log-popularity. pmf: the paper's. mf: bias + ALS, the item bias
    a component. mf-genres: the same, and the genres as further components. user-movie,
    movie-genre: the Keras networks of earlier DRR repositories. random: a control."""
    dim: Annotated[int | Auto, Range(2, 4096)] = "auto"
    """k, the size of an embedding and of the action (paper, section V: 100), less any genres. auto:
    chosen for the data in closed form on held-out training users, written to config.json."""
    members: int = 1
    """Factorisations of kind mf that share the k components; their mean is a blend."""
    similar_items: bool = True
    """Give each item the vectors of similar ones, too, which --agent.context session averages over the
    window (paper: no)."""

    def __post_init__(self) -> None:
        super().__post_init__()
        dim = self.k
        self.require(
            1 <= self.members <= dim // 2,
            "members",
            f"1 to {dim // 2}, so that each has two of the {dim} components",
        )

    @property
    def k(self) -> int:
        """`dim` as a number."""
        return int(number(self.dim, 60))


@dataclass(frozen=True)
class Boredom(Settings):
    """A user leaves after an item with a category that occurs more than `most` times among the last
    `window` items shown before it, or among all of them where fewer were shown."""

    group = "boredom."

    window: Annotated[int, Range(0, 1000)] = 10
    """N."""
    most: Annotated[int, Range(0, 1000)] = 0
    """M."""


@dataclass(frozen=True)
class EnvConfig(Settings):
    """The offline environment in which the agent is trained."""

    group = "env."

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


@dataclass(frozen=True)
class ReplayConfig(Settings):
    """Experience replay; transitions hold ids, the state is recomputed from them."""

    group = "replay."

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


@dataclass(frozen=True)
class AgentConfig(Settings):
    """Networks and update rules. Where two values are possible, one is the paper's."""

    group = "agent."

    head: Literal["items", "genres"] = "items"
    """items: actor and critic of the paper. genres, with --embedding.kind mf-genres: the user's vector
    in closed form, and a learned price of every genre by when it was last shown, for planning."""
    state: State = "drr-ave"
    """State representation (equations 5 to 9)."""
    user_vector: Literal["learned", "fold-in", "pretrained"] = "learned"
    """u in equations 7 and 9. pretrained: the embedding's user vector, solved from all the user
    rated before the episode (rerank and simulator). fold-in: the same from the window alone (the
    PMF vector of an unseen user). learned: a trained map of the pooled window and demographics."""
    item_weights: Literal["position", "position-rating"] = "position-rating"
    """w_a in equations 5 to 9: one learned weight per position, or that times one per rating."""
    low_rating: Annotated[float | Auto, Range(-2, 2)] = "auto"
    """With --agent.context session, the first weight in w_a of an item rated low or in the middle,
    where one that is liked has 1 or more. auto: chosen for the data, as the other autos."""
    context: Literal["none", "refused", "session"] = "session"
    """What the state has beside equations 5 to 9. none: nothing (the paper). refused: the sum of the
    items that were refused in this episode, which equation 1 forgets. session: the same apart for
    unrated and for low-rated items, similar training users, and the demographics."""
    demographics: Literal["on", "off"] = "on"
    """off: the agent never sees them."""
    demographics_dropout: Share = 0.3
    """Share of the training in which they are hidden, since most people give none."""
    separate_states: bool = True
    """Actor and critic each own a state module; otherwise they share one, trained with the critic."""
    actor_hidden: Units = 256
    """Units of the actor's two ReLU layers (not stated in the paper; the earlier repos use 128)."""
    residual: bool = False
    """Learn what to add to the pretrained factorisation: pi(s) = 50 u + actor(s), and Q(s, a) = the
    reward that u . a predicts + critic(s, a), both networks starting at zero (paper: no)."""
    start: Literal["random", "zero", "ridge"] = "ridge"
    """Last layers of actor and critics. random: as Keras draws them (not stated in the paper; its
    preset does). zero: all items score alike at first. ridge: the linear maps of the state start at
    the ridge regression of rewards on states that its own policy visits."""
    start_penalty: Annotated[float | Auto, Range(0, 10**6, above=True)] = "auto"
    """How strongly that regression is held to a simple policy (recommender/ridge_start.py)."""
    actor_output: Literal["tanh", "inverted", "linear-skip"] = "linear-skip"
    """tanh: the paper's last layer. inverted: linear; its gradient shrinks towards the bounds -1 and 1
    and turns beyond them. linear-skip: linear, plus a linear map of the state."""
    action_penalty: Weight = 0.0
    """Weight in the actor's loss of the mean square of what its tanh is given: far out tanh has no
    slope, and an actor there stays (paper: 0)."""
    critic: Literal["bilinear", "mlp"] = "bilinear"
    """mlp: the paper's, Q = MLP([relu(W s), a]). bilinear: Q(s, a) = f(s).a + g(s)."""
    critic_hidden: Units = 256
    """Units of the critic's ReLU layers."""
    critics: Annotated[int, Range(1, 2)] = 1
    """1: the paper. 2: twins; the target takes the smaller (Fujimoto et al., 2018)."""
    critic_action: Literal["item", "proto"] = "item"
    """What the critic sees as the action: the embedding of the recommended item, or the actor's
    output vector (the paper). With item, the target uses the best item left for the target actor."""
    clip_target: bool = True
    """Clip TD targets to what the rewards and the discount allow."""
    discount: BelowOne = 0.0
    """gamma (paper: 0.9)."""
    tau: Rate = 0.01
    """Soft update: target <- tau * online + (1 - tau) * target (Algorithm 1)."""
    average_actor: bool = True
    """Deploy the target networks, a moving average of the online ones (paper: the online ones)."""
    counterfactual: Annotated[int, Range(0, 4096)] = 64
    """Further items per state, drawn from the actor's softmax and rewarded from the training
    log, in the critic's loss. 0: the paper (only the item that was recommended)."""
    imitation: Weight = 1.0
    """Weight of the listwise cross-entropy to the training user's other positives in the actor's
    loss. 0: the paper (policy gradient alone)."""
    entropy: Weight = 0.0
    """Weight of the policy's entropy in the loss of an actor with the head genres, and the temperature
    of that policy: at its optimum the scores are then the critic's values."""
    policy_gradient: Weight = 5.0
    """Weight of the policy gradient (equation 3) in the actor's loss. 0: imitation alone."""
    dropout: BelowOne = 0.2
    """Dropout rate on the state during updates."""
    item_dropout: BelowOne = 0.2
    """Probability that an item of the window is hidden during updates."""
    actor_lr: Rate = 1e-5
    """Adam's learning rate of the actor."""
    critic_lr: Rate = 1e-5
    """Adam's learning rate of the critic and the state representation."""
    weight_decay: Weight = 1e-2
    """Decoupled weight decay (AdamW; the paper says L2)."""
    lr_schedule: Literal["cosine", "constant"] = "cosine"
    """Learning rates fall to zero along a cosine over the run, or stay."""
    clip_norm: Weight = 1.0
    """Largest global gradient norm; 0 switches clipping off."""
    batch_size: Annotated[int, Range(1, 16384)] = 128
    """Transitions in one update."""
    exploration: Literal["softmax", "gaussian"] = "softmax"
    """How items are chosen while collecting. softmax: drawn from the softmax of their scores.
    gaussian: the best one under noise on the action vector, as DDPG does."""
    noise: Weight = 0.1
    """Temperature of the softmax, or standard deviation of the Gaussian noise, at the start."""
    noise_end: Weight = 0.1
    """The same at the end; linear in between."""
    epsilon: Share = 0.0
    """Probability of a random item at the start (epsilon-greedy, Algorithm 1)."""
    epsilon_end: Share = 0.0
    """The same once `epsilon_decay` of the run is over; linear in between."""
    epsilon_decay: Share = 0.5
    """Share of the run over which epsilon falls."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.require(
            self.imitation + self.policy_gradient > 0,
            "imitation policy_gradient",
            "at least one above 0: nothing would train the actor",
        )
        self.require(
            self.critic_action == "item" or self.exploration == "gaussian",
            "exploration",
            "gaussian with --agent.critic-action proto: the stored action must be the one played",
        )
        self.require(
            self.critic_action == "item" or self.counterfactual == 0,
            "counterfactual",
            "0 with --agent.critic-action proto: counterfactual actions are items",
        )
        self.require(
            (self.head == "genres") == (self.entropy > 0),
            "entropy",
            "above 0 with --agent.head genres, else 0",
        )
        self.require(
            self.head == "items" or (self.start != "ridge" and self.counterfactual > 0),
            "start counterfactual",
            "zero and above 0 with --agent.head genres",
        )
        self.require(
            self.start != "ridge"
            or (self.actor_output, self.critic) == ("linear-skip", "bilinear"),
            "start",
            "random or zero without --agent.actor-output linear-skip and --agent.critic bilinear: "
            "only a linear map of the state can start at a ridge regression",
        )
        self.require(
            not self.residual or self.user_vector == "pretrained",
            "residual",
            "False without --agent.user-vector pretrained: there is nothing to add to",
        )


@dataclass(frozen=True)
class LoopConfig(Settings):
    """How environment steps and updates are interleaved, logged and saved."""

    group = "loop."

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
