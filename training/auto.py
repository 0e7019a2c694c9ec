"""Settings that are `auto`: chosen on held-out training users, by `baselines.start_choice`."""

from dataclasses import replace

import numpy as np

import config as settings
from baselines.start_choice import SHOWN, Choice, asked, chosen
from config import Config
from data.files import write_text
from data.ratings import Ratings
from data.splits import split_new_users
from recommender.ridge_start import PENALTY
from recommender.state import LOW
from training.run_folder import RunFolder

# for agents that do not start at a ridge regression
UNTRIED = {"dim": 60, "low_rating": LOW, "start_penalty": PENALTY}


def settle(config: Config, ratings: Ratings, folder: RunFolder) -> Config:
    """`settled` settings of the run in `folder`, written to its config.json; its own, where it has
    settled them already."""
    kept = settings.load(folder.config_file)
    config = replace(config, embedding=kept.embedding, agent=kept.agent)
    found = settled(config, ratings)
    if found != config:
        write_text(folder.config_file, settings.to_json(found))
    return found


def settled(config: Config, ratings: Ratings) -> Config:
    """The settings with a number for every `auto`; prints which, and why."""
    values = asked(config)
    if "auto" not in values.values():
        return config
    if config.agent.start == "ridge":
        best, rewards = chosen(config, split_new_users(ratings, config.split).visible)
        print(reason(best, rewards), flush=True)
    else:
        best = tuple(UNTRIED[name] if value == "auto" else value for name, value in values.items())
    return replace(
        config,
        embedding=replace(config.embedding, dim=int(best[0])),
        agent=replace(config.agent, low_rating=best[1], start_penalty=best[2]),
    )


def reason(best: Choice, rewards: dict[Choice, float]) -> str:
    """One line: the choice, its reward, and the best of every other size."""
    by_size: dict[float, float] = {}
    for (dim, *_), reward in rewards.items():
        by_size[dim] = max(reward, by_size.get(dim, -np.inf))
    sizes = ", ".join(f"{dim:.0f}: {reward:.2f}" for dim, reward in sorted(by_size.items()))
    return (
        f"chosen for these data: embedding.dim {best[0]:.0f}, agent.low-rating {best[1]:g}, "
        f"agent.start-penalty {best[2]:g} (reward of {SHOWN} recommendations to held-out training "
        f"users, by dim: {sizes})"
    )
