"""One person's session: what the tables show, from the first answer on, and what it refuses."""

import json
import os
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import toys

from data import Ratings, load_dataset
from data.observation import UNRATED_REWARD, rating_to_reward
from evaluation.protocols.new_users import CatalogProtocol, SessionProtocol
from recommender import DRRAgent
from recommender.drr_policy import DRRPolicy
from recommender.user_session import SessionError, UserSession

RELEASED = Path(__file__).parents[2] / "save_weights" / "ml-1m"
SCALE = (1.0, 5.0)
PEOPLE = (("gender", "F"), ("gender", "M"))
needs_data = pytest.mark.skipif("DRR_DATA_ROOT" not in os.environ, reason="needs ml-1m")
HISTORY = [(110, 5), (200, 1), (120, 4)]


@pytest.fixture(scope="module")
def agent() -> DRRAgent:
    """Random weights everywhere; do not change it."""
    shop = toys.Shop(toys.shop().item_ids, (), toys.PEOPLE, PEOPLE)
    return toys.randomised(DRRAgent(toys.BEST, toys.table(), shop, window=toys.WINDOW))


def ratings_of(ratings: Ratings, user: int) -> list[tuple[int, float]]:
    """One user's (original item id, rating), oldest first."""
    row = ratings.row(user)
    ids, values = ratings.item_ids[ratings.items[row]], ratings.values[row]
    return list(zip(ids.tolist(), values.tolist(), strict=True))


def played(session: UserSession, log: dict[int, float], steps: int) -> list[float]:
    """The rewards of one user's steps."""
    rewards = []
    for _ in range(steps):
        item = session.recommend(1)[0].item_id
        session.feedback(item, log[item]) if item in log else session.refuse(item)
        rewards.append(rating_to_reward(log[item], SCALE) if item in log else UNRATED_REWARD)
    return rewards


def check_protocols(agent: DRRAgent, ratings: Ratings, users: int, known: int) -> None:
    """`catalog` and `session` of the first evaluated users: the tables' numbers to the third digit."""
    chosen = CatalogProtocol(ratings).eval_users[:users]
    expected, hits, rewards = {}, [], []
    for kind in (SessionProtocol, CatalogProtocol):
        expected |= kind(ratings, eval_users=chosen, window=known).evaluate(DRRPolicy(agent))
    for user in chosen:
        said, columns = ratings_of(ratings, user), np.flatnonzero(ratings.demographics[user])
        demographics = dict(ratings.demographic_columns[column] for column in columns)
        session, log = agent.session(said[:known], demographics), dict(said[known:])
        hits.append([log.get(item.item_id, 0) >= 4 for item in session.recommend(10)])
        rewards.append(played(session, log, 20))
    for k in (5, 10):
        precision = np.mean(hits, axis=0)[:k].mean()
        assert precision == pytest.approx(expected[f"precision@{k}"].mean(), abs=5e-4)
    for steps in (10, 20):
        total = np.mean(rewards, axis=0)[:steps].sum()
        assert total == pytest.approx(expected[f"reward@{steps}"].mean(), abs=5e-4)


@pytest.mark.slow
@pytest.mark.parametrize("known", [0, 6])
def test_the_api_plays_what_the_tables_show(tiny_run, tiny_data, known):
    check_protocols(DRRAgent.load(tiny_run.folder), tiny_data, users=12, known=known)


@pytest.mark.slow
@pytest.mark.realdata
@needs_data
def test_the_released_run_plays_what_its_table_shows():
    check_protocols(DRRAgent.load(RELEASED), load_dataset("ml-1m"), users=200, known=10)


@pytest.mark.slow
def test_a_session_is_compiled_once(agent):
    session = agent.session()
    session.recommend(3)
    before = agent.rank.experimental_get_tracing_count()
    for item, k in ((100, 2), (130, 9), (140, 1)):
        session.feedback(item, 5)
        session.recommend(k)
    agent.session(HISTORY, {"gender": "F"}).recommend(4)
    assert agent.rank.experimental_get_tracing_count() == before == 1


def test_recommending_changes_nothing_and_answers_do(agent):
    session, scores = agent.session(HISTORY), []
    for answer in ((lambda item: None), session.refuse, lambda item: session.feedback(item, 5)):
        first = session.recommend(5)
        assert session.recommend(5) == first
        scores.append({item.item_id: item.score for item in first})
        answer(first[0].item_id)
    scores.append({item.item_id: item.score for item in session.recommend(5)})
    assert scores[0] == scores[1]
    for before, after in pairwise(scores[1:]):  # refused, then liked: it moves the window
        assert next(iter(before)) not in after
        assert all(before[item] != after[item] for item in before.keys() & after.keys())


def test_the_same_answer_again_changes_nothing_and_another_is_an_error(agent):
    session = agent.session(HISTORY)
    session.feedback(130, 4)
    session.refuse("140")
    before, state = session.recommend(5), session.state()
    session.feedback("130", 4.0)
    session.refuse(np.int64(140))
    session.feedback(110, 5)  # of the history
    for item, answer, message in (
        (130, 5, "item 130 was rated 4 before, now it is rated 5"),
        (130, None, "item 130 was rated 4 before, now it is refused"),
        (140, 2, "item 140 was refused before, now it is rated 2"),
        (110, 4, "item 110 was rated 5 before, now it is rated 4"),
    ):
        with pytest.raises(SessionError, match=message):
            session.refuse(item) if answer is None else session.feedback(item, answer)
    assert (session.recommend(5), session.state()) == (before, state)


def test_a_stored_state_goes_on_where_it_stopped(agent):
    session = agent.session(HISTORY, {np.str_("gender"): np.str_("F")})
    session.feedback(130, np.float32(5))
    session.refuse(np.int64(140))
    restored = agent.session(state=json.loads(json.dumps(session.state())))
    assert restored.recommend(6) == session.recommend(6)
    session.feedback(150, 4)
    restored.feedback(150, 4)
    assert restored.recommend(5) == session.recommend(5)
    assert restored.state() == session.state()


def test_what_a_session_refuses_leaves_it_as_it_was(agent):
    session = agent.session(HISTORY)
    before, state = session.recommend(5), session.state()
    for call, message in (
        (lambda: session.feedback(129, 5), "item 129 is not .* the nearest is 130"),
        (lambda: session.refuse("1100"), "item '1100' is not .* the nearest is 110"),
        (lambda: session.explain(10**30), "item 10+ is not .* the nearest is 210"),
        (lambda: session.feedback(130, 6), "rating 6 of item 130 is not in 1 to 5"),
        (lambda: session.feedback(130, None), "rating None of item 130 is not a number in 1 to 5"),
        (lambda: session.recommend(10), "k is 10: choose 1 to 9"),
        (lambda: session.recommend(0), "k is 0: choose 1 to 9"),
    ):
        with pytest.raises(ValueError, match=message):
            call()
    assert (session.recommend(5), session.state()) == (before, state)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"sex": "F"}, r"'sex' is unknown; choose from \['gender'\]"),
        ({"gender": "X"}, r"gender is 'X'; choose from \['F', 'M'\]"),
        (["gender"], r"the demographics are \['gender'\]: give \{name: value\}"),
        ({"gender": None}, r"gender is None; choose from"),
    ],
)
def test_unknown_demographics_are_quoted(agent, given, message):
    with pytest.raises(ValueError, match=message):
        agent.session(demographics=given)


def test_a_state_of_another_run_or_a_damaged_one_is_refused(agent):
    state = agent.session(HISTORY).state()
    other = DRRAgent(toys.BEST, toys.table(), agent.catalogue, window=toys.WINDOW, seed=5)
    with pytest.raises(SessionError, match=r"the state is of run '[0-9a-f]{16}', this is '"):
        other.session(state=state)
    for damage, message in (
        ({"history": [[101, 5]]}, "damaged: item 101 is not among"),
        ({"answers": [[130, 9]]}, "damaged: rating 9 of item 130"),
        ({"answers": [[110, 1]]}, "damaged: item 110 was rated 5 before"),
        ({"demographics": 5}, "damaged: the demographics are 5"),
        ({"more": 1}, "give what state.. returned"),
    ):
        with pytest.raises(SessionError, match=message):
            agent.session(state=state | damage)
