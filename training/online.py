"""What trained runs need to go on learning within the sessions of an evaluation."""

import numpy as np

from config import Config
from envs.simulator import Simulator as RatingModel
from envs.vector import VectorOfflineEnv
from evaluation.protocols.base import EvaluationProtocol
from recommender.drr_policy import DRRPolicy, user_vectors
from recommender.online_policy import OnlinePolicy
from training.devices import on_gpu


def session_log(protocol: EvaluationProtocol) -> VectorOfflineEnv:
    """What updates may ask: the visible ratings, and where these are silent a factorisation of them,
    never the protocol's, as in the training."""
    table = RatingModel(protocol.visible).table
    return VectorOfflineEnv(protocol.visible, episode_length=protocol.steps, simulator=table)


def learning(
    policy: DRRPolicy, config: Config, protocol: EvaluationProtocol, log: VectorOfflineEnv
) -> OnlinePolicy:
    """The policy of a run trained with `config`, learning within every session of `protocol`."""
    if policy.agent.needs_profile:
        start, table = protocol.start(np.arange(protocol.n_users)), policy.agent.table
        vectors = np.zeros([protocol.visible.n_users, table.k], np.float32)
        vectors[start.users] = user_vectors(table, start)
        log.set_profiles(vectors)
    compiled = config.xla(on_gpu()).updates
    return OnlinePolicy(policy.agent, log, protocol.steps, policy.name, jit_compile=compiled)
