"""The training loop (Algorithm 1 for many users at once): play an episode, update, evaluate, save."""

import json
from collections.abc import Mapping
from functools import cached_property
from typing import Any

import numpy as np

import embedding
from baselines import registry
from config import Config
from data.observation import FloatArray
from data.ratings import Ratings
from embedding.table import EmbeddingTable
from evaluation.protocols.base import EvaluationProtocol
from recommender.agent import DRRAgent
from recommender.collector import Collector, schedule, transition_spec
from recommender.drr_policy import DRRPolicy
from replay_buffer.buffers import PrioritizedReplay, ReplayError, UniformReplay
from training import checkpoint, monitor
from training.monitor import Best, Progress, Row
from training.process import Interrupted, on_gpu, start_tracking, stop_later
from training.run_folder import RunFolder
from training.tasks import make_task
from training.workers import Workers

SEED_STRIDE = 1 << 14  # random numbers of one iteration never meet those of the next


class Training:
    """One run, from ratings, of which only the training part is ever fitted on, to the agent.

    Raises:
        ConfigError: settings that cannot be divided among the workers.
        DataError: ratings that are too few.
    """

    def __init__(
        self,
        config: Config,
        ratings: Ratings,
        folder: RunFolder,
        workers: Workers = Workers(),  # noqa: B008
    ) -> None:
        config = workers.share(config)
        self.config, self.ratings, self.folder, self.workers = config, ratings, folder, workers
        seeds = iter(np.random.SeedSequence(config.seed).generate_state(6) >> 1)
        self.task = make_task(config, ratings, int(next(seeds)))
        self._n_users = len(self.task.users)
        self.task.users = workers.part(self.task.users)
        self.table = self._embedding(int(next(seeds)))
        self.rng = np.random.default_rng(workers.seed(int(next(seeds))))
        self._play_seed = workers.seed(int(next(seeds)))
        self._learn_seed = workers.seed(int(next(seeds)))
        loop, env = config.loop, config.env
        self.per_iteration = workers.size * loop.parallel_users * env.episode_length
        self.iterations = max(1, round(config.most_steps / self.per_iteration))
        self.task.prepare(self.table)
        self.training_agent = Collector(
            config.agent,
            self.table,
            self.task.catalogue,
            window=env.window,
            environment=self.task.environment,
            replay=self._replay(),
            total_updates=self.iterations * loop.updates_per_rollout,
            seed=int(next(seeds)),
            mean=workers.mean,
            xla=config.xla(on_gpu()),
        )
        self.iteration = 0
        self.history: list[Row] = []
        self.protocols = self.task.validation()
        first = self.protocols[0]
        self.headline = curve_key(first, first.headline_keys[0])
        self.best = Best() if loop.keep == "best" else None

    @property
    def agent(self) -> DRRAgent:
        """The agent as it would be deployed now."""
        return self.training_agent.agent

    def _embedding(self, seed: int) -> EmbeddingTable:
        """Fitted once per run and kept in its folder, so that a resumed run has the same."""
        path = self.folder.path / "embedding.weights.h5"
        with self.workers.chief_first():
            if path.exists():
                return EmbeddingTable.load(path)
            asked = self.config.embedding
            print(f"fitting the {asked.kind} embedding, {asked.k} components ...", flush=True)
            table = embedding.fit(asked, self.task.visible, seed)
            table.save(path)
            return table

    def _replay(self) -> PrioritizedReplay | UniformReplay:
        config, env = self.config.replay, self.config.env
        spec = transition_spec(self.config.agent, env.window, env.episode_length, self.table.k)
        if config.kind == "uniform":
            return UniformReplay(config.capacity, spec)
        return PrioritizedReplay(config.capacity, spec, config.alpha, config.beta, config.epsilon)

    def run(self) -> None:
        """Train to the end, or raise Interrupted with everything saved."""
        progress = Progress(
            self.folder.path / "tensorboard" if self.workers.chief else None,
            total=self.iterations * self.per_iteration,
            protocol=self.protocols[0].name,
            tracked=self.workers.chief and start_tracking(self.config, self.folder.path),
        )
        try:
            new = self.iteration == 0  # nothing is lost yet: a signal stops it at once
            if new:
                self._start(progress)
            progress.begin()
            if new:
                self._advance(progress, [])
            with stop_later("finishing this iteration, then saving") as received:
                while self.iteration < self.iterations and not self._stalled():
                    self._advance(progress, received)
        finally:
            progress.close()
        if self.best is not None:
            self.best.put_back(self.agent.networks.variables)
            if self.workers.chief:
                if self.iteration < self.iterations:
                    print(
                        f"stopped at step {self.iteration * self.per_iteration:,}, no better for long"
                    )
                print(f"kept the weights of step {self.best.step:,}: nothing later was better")

    def _stalled(self) -> bool:
        """Whether half of a run of automatic length brought nothing better."""
        since = self.iteration * self.per_iteration - (self.best.step if self.best else 0)
        stalled = self.config.steps == "auto" and self.best is not None
        stalled &= since >= self.config.most_steps / 2
        return bool(self.workers.gather([stalled]).min())  # only the chief has measured

    def _start(self, progress: Progress) -> None:
        """A start in closed form is the learning curve's first point: ridge, or the factorisation."""
        fits = self.config.agent.start == "ridge"
        if fits:
            print("fitting the linear start ...", flush=True)
            users = self._n_users // self.workers.size  # the same number for every worker
            self.training_agent.start(lambda count: self.task.begin(self.rng, count), users)
        if self.workers.chief and (fits or self.config.agent.residual):
            self.history.append({"step": 0.0} | self._evaluate(0))
            progress.update(self.history[-1])

    def _advance(self, progress: Progress, received: list[int]) -> None:
        """One iteration with what is due after it; Interrupted where a signal was received."""
        row = self._iterate()
        stop = int(self.workers.gather(received[:1] or [0]).max())
        if self._due(self.config.loop.evaluations) and self.workers.chief:
            row |= self._evaluate(int(row["step"]))
        self.history.append(row)
        progress.update(row)
        if self.headline in row:
            self.plot()
        if stop or self._due(self.config.loop.checkpoints):
            progress.flush()
            self.save()
        if stop:
            raise Interrupted(stop, saved=True)

    def plot(self, rivals: Mapping[str, Row] | None = None) -> None:
        """progress.png: the run so far, beside the most popular items and rivals, {name: scores}."""
        title = f"{self.folder.path.name}: DRR on {self.ratings.name}"
        path = self.folder.path / "progress.png"
        monitor.plot(self.history, path, title, {"popularity": self._popularity, **(rivals or {})})

    def _due(self, times: int) -> bool:
        """Whether the share of finished iterations has just passed a multiple of 1 / times."""
        now, before = self.iteration * times, (self.iteration - 1) * times
        return now // self.iterations > before // self.iterations

    def _iterate(self) -> Row:
        """One episode of every parallel user, then the updates."""
        config, share = self.config, self.iteration / self.iterations
        exploration = schedule(config.agent, share)
        start = self.task.begin(self.rng, config.loop.parallel_users)
        offset = self.iteration * SEED_STRIDE % 2**31
        agent = self.training_agent
        played = agent.collect(start, exploration, (self._play_seed, offset))
        row = {
            "reward": float(played["reward"].sum() / config.loop.parallel_users),
            "epsilon": exploration.epsilon,
            "noise": exploration.noise,
        }
        self.iteration += 1
        row["step"] = self.iteration * self.per_iteration
        stored = self.workers.gather([len(agent.replay)]).sum()
        if stored >= min(config.loop.warmup, config.replay.capacity * self.workers.size):
            updates = config.loop.updates_per_rollout
            try:
                row |= agent.learn(updates, self.rng, (self._learn_seed, offset), share)
            except ReplayError as error:
                fault = f"cannot be sampled: {error},"
                raise monitor.Diverged("replay", fault, row["step"]) from error
        row = self.workers.agree(row)
        monitor.check_row(row, self.history, config.agent.discount)
        monitor.check_weights(agent.learner.variables, row["step"])
        return row

    def _evaluate(self, step: int) -> Row:
        """The learning curve's next point, on held-out training users."""
        measured = [protocol.evaluate(DRRPolicy(self.agent)) for protocol in self.protocols]
        if self.best is not None:
            headline = [
                values[protocol.headline_keys[0]]
                for protocol, values in zip(self.protocols, measured, strict=True)
            ]
            self.best.offer(step, np.stack(headline), self.agent.networks.variables)
        return self._means(measured)

    @cached_property
    def _popularity(self) -> Row:
        """What the most popular items score there."""
        rows = [p.evaluate(registry.build("popularity", p.name, p.visible)) for p in self.protocols]
        return self._means(rows)

    def _means(self, measured: list[dict[str, FloatArray]]) -> Row:
        """Means over the users, as the rows of the curve name them."""
        return {
            curve_key(protocol, key): float(values.mean())
            for protocol, of_protocol in zip(self.protocols, measured, strict=True)
            for key, values in of_protocol.items()
        }

    def save(self) -> None:
        """Write a checkpoint: all that the next iteration depends on."""
        agent = self.training_agent
        arrays = {
            f"variable/{index:04d}": np.asarray(variable)
            for index, variable in enumerate(agent.learner.variables)
        }
        best = {} if self.best is None else self.best.state_dict()
        for part, content in {"replay": agent.replay.state_dict(), "best": best}.items():
            arrays |= {f"{part}/{name}": value for name, value in content.items()}
        state = {"rng": self.rng.bit_generator.state, "history": self.history}
        arrays["state"] = np.frombuffer(json.dumps(state).encode(), np.uint8)
        self.workers.save(self.folder.checkpoints, self.iteration, arrays)

    def restore(self) -> bool:
        """Go back to the newest checkpoint; False where there is none yet."""
        found = self.workers.load_newest(self.folder.checkpoints)
        if found is None:
            return False
        self.iteration, arrays = found
        agent = self.training_agent
        for index, variable in enumerate(agent.learner.variables):
            variable.assign(arrays[f"variable/{index:04d}"])
        agent.replay.load_state_dict(_part(arrays, "replay"))
        if self.best is not None:
            self.best.load_state_dict(_part(arrays, "best"))
        state: dict[str, Any] = json.loads(arrays["state"].tobytes())
        self.rng.bit_generator.state = state["rng"]
        self.history = state["history"]
        return True


def curve_key(protocol: EvaluationProtocol, key: str) -> str:
    """The name of a protocol's metric in the rows of the learning curve."""
    return f"{protocol.name}_{key}" if protocol.name == "session" else key


def _part(arrays: checkpoint.Arrays, part: str) -> checkpoint.Arrays:
    prefix = f"{part}/"
    return {name.removeprefix(prefix): arrays[name] for name in arrays if name.startswith(prefix)}
