"""The agent's settings: networks and update rules."""

from dataclasses import dataclass
from typing import Literal

from config.checks import flag, require

State = Literal["drr-ave", "drr-p", "drr-u", "drr-n"]


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
    refused: bool = True
    """Add to the state what was refused in this episode, which equation 1 forgets (paper: no)."""
    separate_states: bool = True
    """Actor and critic each own a state module; otherwise they share one, trained with the critic."""
    actor_hidden: int = 256
    """Units of the actor's two ReLU layers (not stated in the paper; the earlier repos use 128)."""
    residual: bool = False
    """Learn what to add to the pretrained factorisation: pi(s) = 50 u + actor(s), and Q(s, a) = the
    reward that u . a predicts + critic(s, a), both networks starting at zero (paper: no)."""
    start_at_zero: bool = True
    """The last layers of actor and critics start at zero, so that at first all items score alike;
    otherwise every layer starts at random (not stated in the paper; its preset does)."""
    actor_output: Literal["tanh", "linear-skip"] = "linear-skip"
    """tanh: the paper's last layer. linear-skip: linear, plus a linear map of the state."""
    critic: Literal["bilinear", "mlp"] = "bilinear"
    """mlp: the paper's, Q = MLP([relu(W s), a]). bilinear: Q(s, a) = f(s).a + g(s)."""
    critic_hidden: int = 256
    """Units of the critic's ReLU layers."""
    critics: int = 1
    """1: the paper. 2: twins; the target takes the smaller (Fujimoto et al., 2018)."""
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
    """Further items per state, drawn from the actor's softmax and rewarded from the training
    log, in the critic's loss. 0: the paper (only the item that was recommended)."""
    imitation: float = 1.0
    """Weight of the listwise cross-entropy to the training user's other positives in the actor's
    loss. 0: the paper (policy gradient alone)."""
    policy_gradient: float = 5.0
    """Weight of the policy gradient (equation 3) in the actor's loss. 0: imitation alone."""
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
    batch_size: int = 128
    """Transitions in one update."""
    exploration: Literal["softmax", "gaussian"] = "softmax"
    """How items are chosen while collecting. softmax: drawn from the softmax of their scores.
    gaussian: the best one under noise on the action vector, as DDPG does."""
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
            require(1 <= value <= 65536, flag("agent", name), value, "1 to 65536")
        require(self.critics in (1, 2), "agent.critics", self.critics, "1 or 2")
        require(0 <= self.discount < 1, "agent.discount", self.discount, "0 up to, not with, 1")
        for name in ("tau", "actor_lr", "critic_lr"):
            value = getattr(self, name)
            require(0 < value <= 1, flag("agent", name), value, "a number in (0, 1]")
        for name in ("dropout", "item_dropout"):
            value = getattr(self, name)
            require(0 <= value < 1, flag("agent", name), value, "0 up to, not with, 1")
        for name in ("epsilon", "epsilon_end", "epsilon_decay"):
            value = getattr(self, name)
            require(0 <= value <= 1, flag("agent", name), value, "0 to 1")
        for name in (
            "imitation",
            "policy_gradient",
            "weight_decay",
            "clip_norm",
            "noise",
            "noise_end",
        ):
            value = getattr(self, name)
            require(0 <= value < 1e6, flag("agent", name), value, "a number from 0")
        require(
            0 <= self.counterfactual <= 4096,
            "agent.counterfactual",
            self.counterfactual,
            "0 to 4096",
        )
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
            not self.residual or self.user_vector == "pretrained",
            "agent.residual",
            self.residual,
            "False without --agent.user-vector pretrained: there is nothing to add to",
        )
