"""A built-in stand-in for MovieLens: seeded, made in well under a second, and worth learning on.

Users have latent tastes and films have latent traits, both tied to genres and demographics. What a
user watches depends on how well known a film is *and* on taste, so popularity is a strong but
beatable baseline; how a user rates depends on taste, on quality and on chance.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from data.movielens import AGES, GENDERS, GENRES_100K, OCCUPATIONS_1M, one_hot_demographics
from data.ratings import Ratings

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

GENRES = GENRES_100K[1:]  # without "unknown"
_ADJECTIVES = (
    *("Silent", "Crimson", "Golden", "Broken", "Distant", "Hidden", "Electric", "Frozen"),
    *("Wild", "Last", "Secret", "Burning", "Lonely", "Midnight", "Paper", "Velvet"),
    *("Hollow", "Bitter", "Gentle", "Restless", "Scarlet", "Savage", "Quiet", "Lost"),
)
_NOUNS = (
    *("River", "Garden", "Empire", "Stranger", "Mirror", "Harvest", "Station", "Voyage"),
    *("Summer", "Detective", "Orchestra", "Kingdom", "Highway", "Letter", "Circus", "Shadow"),
    *("Harbour", "Witness", "Dream", "Machine", "Island", "Promise", "Winter", "Dancer"),
)
_PATTERNS = ("The {0} {1}", "{0} {1}", "A {0} {1}", "{1} of the {0}", "My {0} {1}")
_EPOCH = 956_703_600  # spring 2000, when MovieLens-1M begins
_DAY = 86_400
_TRAITS = 4  # hidden dimensions of taste beside what genres explain


@dataclass(frozen=True)
class SyntheticConfig:
    """Size of the synthetic set."""

    n_users: int = 1_200
    n_items: int = 1_000
    shortest: int = 20  # ratings per user: a long-tailed count between these two
    longest: int = 400
    typical: float = 70.0  # median number of ratings per user


def make_synthetic(config: SyntheticConfig | None = None, *, seed: int = 0) -> Ratings:
    """The synthetic ratings of one seed: equal config and seed, equal arrays."""
    config = config or SyntheticConfig()
    rng = np.random.default_rng(seed)
    genres = _genres(rng, config.n_items)
    people = _people(rng, config.n_users)
    user_ids, demographics = np.arange(1, config.n_users + 1), people.to_numpy(np.float32)
    taste = _taste(rng, genres, demographics)
    quality = rng.standard_normal(config.n_items)
    users, items = _watch(rng, config, _fame(rng, quality) + 1.4 * taste)
    times = _times(rng, users, config.n_users)
    mood = rng.standard_normal(config.n_users)
    stars = 3.0 + 0.55 * taste[users, items] + 0.4 * quality[items] + 0.35 * mood[users]
    stars += 0.9 * rng.standard_normal(len(users))
    return Ratings.from_events(
        "synthetic",
        user_ids[users],
        items + 1,
        np.clip(np.rint(stars), 1.0, 5.0),
        times,
        user_ids=user_ids,
        item_ids=np.arange(1, config.n_items + 1),
        titles=_titles(rng, config.n_items),
        genres=genres,
        genre_names=GENRES,
        demographics=demographics,
        demographic_names=tuple(people.columns),
    )


def make_tastes(
    n_users: int, n_items: int = 150, *, tastes: int = 5, met: int = 40, seed: int = 0
) -> Ratings:
    """Users who like one kind of items among `tastes`; the `met` items that each rates are chance, so
    that popularity says nothing."""
    rng = np.random.default_rng(seed)
    liked, kinds = rng.integers(tastes, size=n_users), rng.integers(tastes, size=n_items)
    users = np.repeat(np.arange(n_users), met)
    items = np.hstack([rng.permutation(n_items)[:met] for _ in range(n_users)])
    stars = 2.3 + 2.2 * (liked[users] == kinds[items]) + rng.normal(0.0, 0.7, len(users))
    return Ratings.from_events(
        f"tastes-{n_users}",
        users + 1,
        items + 1,
        np.clip(np.rint(stars), 1.0, 5.0),
        np.tile(np.arange(met), n_users),
        user_ids=np.arange(1, n_users + 1),
        item_ids=np.arange(1, n_items + 1),
    )


def _genres(rng: np.random.Generator, n_items: int) -> NDArray[np.bool_]:
    """One to three genres per film, a few genres far more common than others, [I, G]."""
    share = 1.0 / np.arange(2.0, len(GENRES) + 2.0)
    share = rng.permutation(share / share.sum())
    ranks = np.argsort(np.log(share) + rng.gumbel(size=(n_items, len(GENRES))), axis=1)[:, ::-1]
    counts = rng.choice([1, 2, 3], size=n_items, p=[0.5, 0.35, 0.15])
    flags = np.zeros((n_items, len(GENRES)), dtype=bool)
    for place in range(3):
        chosen = counts > place
        flags[chosen, ranks[chosen, place]] = True
    return flags


def _people(rng: np.random.Generator, n_users: int) -> pd.DataFrame:
    """Demographics [U, D] of the users 1, 2, ..."""
    genders = rng.choice(GENDERS, size=n_users, p=[0.3, 0.7])
    ages = rng.choice(AGES, size=n_users, p=[0.04, 0.18, 0.35, 0.2, 0.09, 0.08, 0.06])
    jobs = rng.choice(OCCUPATIONS_1M, size=n_users)
    people = pd.DataFrame({"gender": genders, "age": ages, "occupation": jobs})
    return one_hot_demographics(people, OCCUPATIONS_1M)


def _taste(
    rng: np.random.Generator, genres: NDArray[np.bool_], demographics: NDArray[np.float32]
) -> Floats:
    """How well each film suits each user [U, I], standardised over all pairs."""
    by_group = rng.standard_normal((demographics.shape[1], len(GENRES))) * 0.5
    personal = rng.standard_normal((len(demographics), len(GENRES)))
    shares = genres / genres.sum(axis=1, keepdims=True)
    hidden = rng.standard_normal((len(demographics), _TRAITS))
    traits = rng.standard_normal((len(genres), _TRAITS))
    users = np.hstack([demographics @ by_group + personal, hidden / np.sqrt(_TRAITS)])
    films = np.hstack([shares, traits])
    users -= users.mean(axis=0)  # so that every film suits the average user equally well
    gram = (users.T @ users / len(users)) * (films.T @ films / len(films))
    # the sum is the variance of all pairs
    return np.asarray(users / np.sqrt(gram.sum()) @ films.T)


def _fame(rng: np.random.Generator, quality: Floats) -> Floats:
    """Log-weight of being watched at all, long-tailed; good films are better known, [I]."""
    order = np.argsort(-(0.7 * quality + rng.standard_normal(len(quality))))
    fame = np.empty(len(order))
    fame[order] = -np.log(np.arange(11.0, len(order) + 11.0))
    return fame


def _watch(
    rng: np.random.Generator, config: SyntheticConfig, appeal: Floats
) -> tuple[Integers, Integers]:
    """Users, ascending, and films of all ratings: draws without replacement, the likely first."""
    longest = min(config.longest, config.n_items)
    spread = rng.lognormal(np.log(config.typical), 0.8, config.n_users)
    counts = np.clip(spread, min(config.shortest, longest), longest).astype(np.int64)
    order = np.argsort(-(appeal + rng.gumbel(size=appeal.shape)), axis=1, kind="stable")
    chosen = np.arange(config.n_items) < counts[:, None]
    return np.repeat(np.arange(config.n_users), counts), order[chosen]


def _times(rng: np.random.Generator, users: Integers, n_users: int) -> Integers:
    # Several films are rated in one go: most consecutive ratings share a second.
    pauses = np.where(rng.random(len(users)) < 0.6, 0, rng.geometric(1 / 40, len(users)))
    pauses[rng.random(len(users)) < 0.02] += _DAY
    first = _EPOCH + rng.integers(0, 1_000 * _DAY, n_users)
    since = np.cumsum(pauses)
    starts = np.searchsorted(users, np.arange(n_users))
    return np.asarray(first[users] + since - since[starts][users])


def _titles(rng: np.random.Generator, n_items: int) -> tuple[str, ...]:
    """Different invented titles with a year, as MovieLens writes them."""
    size = (len(_PATTERNS), len(_ADJECTIVES), len(_NOUNS))
    names = rng.permutation(np.prod(size))
    years = rng.integers(1930, 2001, n_items)
    titles = []
    for number, year in zip(names[:n_items], years, strict=True):
        pattern, adjective, noun = np.unravel_index(number, size)
        name = _PATTERNS[pattern].format(_ADJECTIVES[adjective], _NOUNS[noun])
        titles.append(f"{name} ({year})")
    return tuple(titles)
