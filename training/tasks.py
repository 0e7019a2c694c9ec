"""What a run is trained for: which ratings it may see, its episodes, its validation.

`NewUserTask` serves `catalog` and `session`: whole users are held out; `EngagementTask` serves
`engagement`, where they leave when bored. `KnownUserTask` serves the paper's `rerank` and `simulator`:
everybody's last ratings are held out.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from config import Boredom, Config
from data.errors import DataError
from data.observation import Observation, observation_of
from data.ratings import Ratings
from data.splits import hold_out_users, split_by_time, split_new_users, training_sessions
from embedding.table import EmbeddingTable
from envs.boredom import warn_of_short_sessions
from envs.episodes import draw_starts
from envs.simulator import Simulator as RatingModel
from envs.vector import VectorOfflineEnv
from evaluation.protocols.base import EvaluationProtocol, check_answerable
from evaluation.protocols.known_users import RerankProtocol, SimulatorProtocol
from evaluation.protocols.new_users import NEW_USER_PROTOCOLS, CatalogProtocol, EngagementProtocol
from recommender.drr_policy import DRRPolicy, OnlinePolicy
from recommender.run_choice import Runs, run_settings
from recommender.state import user_vectors
from training.process import on_gpu

# Shares of a training history after which a training session may begin. The test begins at 0.8 of
# the whole history, and what lies behind a cut must be long enough to recommend from.
CUTS = (0.5, 0.6, 0.7, 0.8)
MOST_HELD_OUT = 2_000  # enough for a learning curve, and all that a large data set has time for


class NewUserTask:
    """`catalog` and `session`: episodes with four fifths of the users, less those of validation.

    Of every task, `visible` is what may be fitted on, `catalogue` has items and the demographics of
    the environment's users, `users` [U] are those whose episodes are played.
    """

    def __init__(self, config: Config, ratings: Ratings, seed: int) -> None:
        self._config, self._ratings = config, ratings
        split = split_new_users(ratings, config.split)
        self._train, users = split.visible, split.train_users
        self._fit_users, self.validation_users = hold_out(users, config.loop.validation_share, seed)
        self.visible, self.catalogue = self._train.of_users(self._fit_users), ratings
        self.users = self._fit_users[self.visible.lengths[self._fit_users] > 1]
        if not len(self.users):
            raise DataError(f"{ratings.name}: no user to train on has two ratings or more")
        self.summary = (
            f"trained on {len(self.users):,} users with {self.visible.n_ratings:,} ratings, "
            f"validated on {len(self.validation_users):,}"
        )
        self.environment = self._environment()

    def _environment(self, **answers: Any) -> VectorOfflineEnv:
        env = self._config.env
        return VectorOfflineEnv(
            self.visible,
            window=env.window,
            episode_length=env.episode_length,
            misses=env.misses,
            **answers,
        )

    def prepare(self, table: EmbeddingTable) -> None:
        """Give the environment its users' vectors, if the state needs them: new users have none."""

    def begin(self, rng: np.random.Generator, count: int) -> Observation:
        """First states of `count` episodes."""
        env = self._config.env
        # As the protocols begin: the rest has room. Where they know nothing, training still begins with
        # any number of ratings: from empty windows alone it does not learn to use those that come.
        known = min(env.window, self._config.known or env.window // 2)
        users, starts = draw_starts(rng, self.visible, self.users, known, env.random_start, count)
        return self.environment.reset(users, starts)

    def validation(self) -> list[EvaluationProtocol]:
        """The learning curve's protocols, over held-out training data."""
        users, config = (self._fit_users, self.validation_users), self._config
        kinds = [NEW_USER_PROTOCOLS[name] for name in config.protocol]
        return [kind(self._train, *users, window=config.known) for kind in kinds]

    def test(self, name: str) -> EvaluationProtocol:
        """The protocol over its test part."""
        config = self._config
        return NEW_USER_PROTOCOLS[name](self._ratings, window=config.known, split=config.split)


class EngagementTask(NewUserTask):
    """`engagement`: as NewUserTask, but users leave when bored and answer about every item.

    A rating model of the users who are trained on answers for what they have not rated; that of the
    validation protocol has seen the validation users, too, that of the test everybody.
    """

    def _environment(self, **answers: Any) -> VectorOfflineEnv:
        warn_of_short_sessions(self.visible.genres, self._boredom, self._config.env.episode_length)
        model = RatingModel(self.visible).table
        return super()._environment(simulator=model, boredom=self._boredom, **answers)

    @property
    def _boredom(self) -> Boredom:
        return Boredom(*(self._config.boredom or ()))

    def validation(self) -> list[EvaluationProtocol]:
        known = self._ratings.of_users(np.append(self._fit_users, self.validation_users))
        return [self._protocol(known, self._fit_users, self.validation_users)]

    def test(self, name: str) -> EvaluationProtocol:
        return self._protocol(self._ratings)

    def _protocol(self, ratings: Ratings, *users: NDArray[np.int32]) -> EvaluationProtocol:
        model, known = RatingModel(ratings), self._config.known
        return EngagementProtocol(ratings, model, *users, window=known, boredom=self._boredom)


class KnownUserTask:
    """`rerank` and `simulator`: sessions cut from the first 80% of every history.

    A session knows what came before its cut: the window holds the latest positives, the user vector
    is solved from all of it. In `rerank` the candidates are what the user rated later; in
    `simulator` the catalogue, less what is known unless `known_items` says otherwise, and the run's
    own factorisation, never the protocol's simulator, answers for what was not rated. Of validation
    users the last 20% of that part is kept from everything that is fitted.
    """

    def __init__(self, config: Config, ratings: Ratings, seed: int) -> None:
        self._config, self._ratings = config, ratings
        self._train = split_by_time(ratings)[0]
        everybody = np.flatnonzero(self._train.lengths > 1).astype(np.int32)
        if len(everybody) < 2:
            raise DataError(f"{ratings.name}: fewer than two users have two ratings to train on")
        _, self.validation_users = hold_out(everybody, config.loop.validation_share, seed)
        later = split_by_time(self._train.of_users(self.validation_users))[1]
        self.visible = self._train.keep(~_contains(self._train, later))
        self.summary = (
            f"trained on the first {self.visible.n_ratings:,} ratings of {len(everybody):,} users, "
            f"validated on {later.n_ratings:,} of {len(self.validation_users):,} among them"
        )
        self._known, self._later = training_sessions(self.visible, CUTS)
        self.catalogue = self._known
        self.users = np.flatnonzero(self._later.lengths > 0).astype(np.int32)
        self.environment = self._environment()

    def _environment(self) -> VectorOfflineEnv:
        """Sessions as users; their later ratings, or all of them and a rating model, answer."""
        env = self._config.env
        played = partial(VectorOfflineEnv, window=env.window, episode_length=env.episode_length)
        if self._config.protocol == ("rerank",):
            return played(self._later, candidates="rated")
        table, cuts = RatingModel(self.visible).table, len(CUTS)  # a session: a user and a cut
        users = np.tile(np.asarray(table.users), (cuts, 1))
        bias = np.tile(np.asarray(table.user_bias), cuts)
        simulator = replace(table, users=users, user_bias=bias)
        known = None if self._config.known_items else self._known
        return played(self.visible.repeated(cuts), simulator=simulator, known=known)

    def prepare(self, table: EmbeddingTable) -> None:
        if self._config.agent.user_vector == "pretrained":
            known = self._known
            vectors = table.fold_in_rows(known.offsets, known.items, known.values)
            self.environment.set_profiles(vectors)

    def begin(self, rng: np.random.Generator, count: int) -> Observation:
        """See NewUserTask; the window holds the latest positives."""
        chosen = self.users[rng.integers(len(self.users), size=count)]
        known = observation_of(
            self._known,
            chosen,
            window=self._config.env.window,
            positive_from=self._known.positive_threshold,
        )
        return self.environment.begin(chosen, known.window_items, known.window_ratings)

    def validation(self) -> list[EvaluationProtocol]:
        return [self._protocol(self._train, self.validation_users)]

    def test(self, name: str) -> EvaluationProtocol:
        return self._protocol(self._ratings, None)

    def _protocol(self, ratings: Ratings, users: NDArray[np.int32] | None) -> EvaluationProtocol:
        window = self._config.env.window
        if self._config.protocol == ("rerank",):
            return RerankProtocol(ratings, users, window=window)
        known, model = self._config.known_items, RatingModel(ratings)
        return SimulatorProtocol(ratings, model, users, window=window, known_items=known)


def make_task(config: Config, ratings: Ratings, seed: int) -> NewUserTask | KnownUserTask:
    """The task of the settings' protocols; `seed` draws the validation users."""
    if config.protocol == ("engagement",):
        return EngagementTask(config, ratings, seed)
    return (NewUserTask if config.new_users else KnownUserTask)(config, ratings, seed)


def check_test_part(config: Config, ratings: Ratings) -> None:
    """DataError if the final table would have nothing to measure."""
    if config.new_users:
        test = CatalogProtocol(ratings, window=config.known, split=config.split)
        check_answerable(test, ratings.name)


def hold_out(users: NDArray[np.int32], share: float, seed: int) -> tuple[NDArray[np.int32], ...]:
    """Fitting and validation users, the latter a share of the training users within limits."""
    return hold_out_users(users, min(max(1, round(share * len(users))), MOST_HELD_OUT), seed)


def _contains(ratings: Ratings, part: Ratings) -> NDArray[np.bool_]:
    """Which of `ratings` are in `part`, bool [N]."""
    keys, wanted = (r.users.astype(np.int64) * r.n_items + r.items for r in (ratings, part))
    return np.isin(keys, wanted)


def online_policy(policy: DRRPolicy, config: Config, protocol: EvaluationProtocol) -> OnlinePolicy:
    """The policy of a run trained with `config`, learning within every session of `protocol`.

    Its updates may ask the visible ratings, and where these are silent a factorisation of them, never
    the protocol's, as in the training.
    """
    table = RatingModel(protocol.visible).table
    log = VectorOfflineEnv(protocol.visible, episode_length=protocol.steps, simulator=table)
    if policy.agent.needs_profile:
        start, own = protocol.start(np.arange(protocol.n_users)), policy.agent.table
        vectors = np.zeros([protocol.visible.n_users, own.k], np.float32)
        vectors[start.users] = user_vectors(own, start)
        log.set_profiles(vectors)
    compiled = config.xla(on_gpu()).updates
    return OnlinePolicy(policy.agent, log, protocol.steps, policy.name, jit_compile=compiled)


def with_learning(
    agents: Mapping[str, Sequence[DRRPolicy]], runs: Runs, protocol: EvaluationProtocol
) -> dict[str, list[DRRPolicy]]:
    """The agents of the runs, learning within every session."""
    return {
        name: [
            online_policy(agent, run_settings(folder), protocol)
            for agent, folder in zip(agents[name], folders, strict=True)
        ]
        for name, folders in runs.items()
    }
