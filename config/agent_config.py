"""The agent's settings: networks and update rules."""

from dataclasses import dataclass
from typing import Annotated, Literal

from config.checks import Auto, Range, Share, Units, check_ranges, require

State = Literal["drr-ave", "drr-p", "drr-u", "drr-n"]
BelowOne = Annotated[float, Range(0, 1, below=True)]
Rate = Annotated[float, Range(0, 1, above=True)]
Weight = Annotated[float, Range(0, 10**6)]


@dataclass(frozen=True)
class AgentConfig:
    """Networks and update rules. Where two values are possible, one is the paper's."""

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
    discount: BelowOne = 0.5
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
    batch_size: Units = 128
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
        check_ranges(self, "agent.")
        require(
            self.imitation + self.policy_gradient > 0,
            "agent.imitation and agent.policy-gradient",
            (self.imitation, self.policy_gradient),
            "at least one above 0: nothing would train the actor",
        )
        require(
            self.critic_action == "item" or self.exploration == "gaussian",
            "agent.exploration",
            self.exploration,
            "gaussian with --agent.critic-action proto: the stored action must be the one played",
        )
        require(
            self.critic_action == "item" or self.counterfactual == 0,
            "agent.counterfactual",
            self.counterfactual,
            "0 with --agent.critic-action proto: counterfactual actions are items",
        )
        require(
            (self.head == "genres") == (self.entropy > 0),
            "agent.entropy",
            self.entropy,
            "above 0 with --agent.head genres, else 0",
        )
        require(
            self.head == "items" or (self.start != "ridge" and self.counterfactual > 0),
            "agent.start and agent.counterfactual",
            (self.start, self.counterfactual),
            "zero and above 0 with --agent.head genres",
        )
        require(
            self.start != "ridge"
            or (self.actor_output, self.critic) == ("linear-skip", "bilinear"),
            "agent.start",
            self.start,
            "random or zero without --agent.actor-output linear-skip and --agent.critic bilinear: "
            "only a linear map of the state can start at a ridge regression",
        )
        require(
            not self.residual or self.user_vector == "pretrained",
            "agent.residual",
            self.residual,
            "False without --agent.user-vector pretrained: there is nothing to add to",
        )
