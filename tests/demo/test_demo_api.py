"""The API: what a session answers, what it keeps, and what it refuses."""

import sqlite3

import numpy as np
import pytest
import requests
import schemathesis
from hypothesis import given, settings
from serving import HOSTILE, HOSTILE_ID, in_thread, refused

from baselines import registry
from data.observation import observation_of
from data.splits import split_users
from demo.app import LARGEST_BODY, create_app
from demo.store import Store

pytestmark = pytest.mark.slow  # a run is trained for them


def test_a_session_is_that_of_the_agent_and_follows_every_answer(caller, opened):
    session = caller.begin(demographics={"gender": "F", "age": 25})
    own = opened.agent.session((), {"gender": "F", "age": 25})
    for rating in (5.0, 1.0, None):
        item = caller.best(session)[0]
        assert caller.rate(session, item, rating).status_code == 204
        own.refuse(item) if rating is None else own.feedback(item, rating)
        reply = caller.ask("POST", f"{session}/recommend", {"k": 7}).json()["items"]
        assert [(each["item_id"], each["score"]) for each in reply] == [
            (each.item_id, pytest.approx(each.score, rel=1e-5)) for each in own.recommend(7)
        ]
    profile = caller.get(session)
    assert profile["demographics"] == {"gender": "F", "age": 25}
    assert [each["rating"] for each in profile["history"]] == [None, 1.0, 5.0]
    assert profile["history"][0]["time"] >= profile["history"][2]["time"]
    found = caller.get(f"{session}/explain/{item}")
    assert len(found["contributions"]) == 1
    added = sum(each["contribution"] for each in found["contributions"])
    assert found["base"] + added == pytest.approx(found["score"], rel=1e-4)


def test_the_same_answer_counts_once_and_another_contradicts(caller):
    session = caller.begin()
    for _ in range(2):
        assert caller.rate(session, 3, 4).status_code == 204
    assert refused(caller.rate(session, 3, 2), 409, "rated 4 before")
    assert refused(caller.rate(session, 3, None), 409, "rated 4 before")
    assert [each["rating"] for each in caller.get(session)["history"]] == [4.0]


def test_playing_a_test_user_begins_with_their_history(caller, opened):
    user = caller.get("/users", query="female")["users"][0]
    session, ratings = caller.begin(user_id=user["user_id"]), opened.ratings
    row = ratings.row(int(np.flatnonzero(ratings.user_ids == user["user_id"])[0]))
    ids, stars = ratings.item_ids[ratings.items[row]].tolist(), ratings.values[row].tolist()
    profile = caller.get(session)
    assert profile["user_id"] == user["user_id"] and user["demographics"]["gender"] == "F"
    assert [(each["item_id"], each["rating"]) for each in profile["history"]] == list(
        zip(ids, stars, strict=True)
    )[::-1]
    own = opened.agent.session(zip(ids, stars, strict=True), user["demographics"])
    assert caller.best(session) == [each.item_id for each in own.recommend(10)]
    train_user = int(ratings.user_ids[split_users(ratings.n_users)[0][0]])
    assert refused(caller.ask("POST", "/sessions", {"user_id": train_user}), 422, "no test user")


def test_baselines_answer_for_the_same_person(caller, opened):
    ratings = opened.ratings
    train, test = split_users(ratings.n_users)
    session = caller.begin(user_id=int(ratings.user_ids[test[0]]))
    found = caller.get(f"{session}/compare", k=5)
    for name, items in found.items():
        policy = registry.build(name, "session", ratings.of_users(train))
        asked = observation_of(ratings, test[:1], window=6)._replace(users=np.array([-1]))
        scores = policy.scores(asked, None)[0]
        scores[asked.known_items[0]] = -np.inf
        best = ratings.item_ids[np.argsort(-scores, kind="stable")[:5]]
        assert [each["item_id"] for each in items] == best.tolist(), name


def test_trends_count_the_last_days_of_the_data(caller, opened):
    ratings = opened.ratings
    recent = ratings.timestamps > ratings.timestamps.max() - 30 * 86_400
    counts = np.bincount(ratings.items[recent], minlength=ratings.n_items)
    found = caller.get("/trending", days=30, genre="Sci-Fi")
    expected = np.sort(counts[ratings.genres[:, ratings.genre_names.index("Sci-Fi")]])[::-1]
    assert [each["ratings"] for each in found["items"]] == expected[expected > 0].tolist()[:24]
    assert {"Sci-Fi"} == set(found["items"][0]["genres"])
    assert found["genres"]["Drama"] == (counts @ ratings.genres)[ratings.genre_names.index("Drama")]
    assert refused(caller.ask("GET", "/trending?genre=x"), 422, "'x' is unknown")


def test_searches_and_what_is_served(caller, opened):
    assert [each["item_id"] for each in caller.get("/items?query=SCRIPT")["items"]] == [HOSTILE_ID]
    assert caller.get("/items?query=script")["items"][0]["title"] == HOSTILE
    assert len(caller.get("/items")["items"]) == 24
    users = caller.get("/users", query="female 25-34")["users"]
    assert users and all(each["demographics"]["gender"] == "F" for each in users)
    health = caller.get("/health")
    assert (health["run"], health["dataset"]) == (opened.folder.name, "ml-1m")
    assert (health["users"], health["items"], health["scale"]) == (60, 80, [1, 5])
    assert set(caller.get("/about")["results"]) == {"catalog", "session"}


def test_sessions_survive_a_restart_and_leave_no_trace_when_forgotten(caller, opened, tmp_path):
    session, file = caller.begin(demographics={"occupation": 3}), tmp_path / "demo.sqlite"
    caller.rate(session, 3, 5)
    with in_thread(create_app(opened, Store(file))) as again:
        assert again.best(session) == caller.best(session)
        assert again.get(session) == caller.get(session)
    name = session.removeprefix("/sessions/").encode()
    assert name in file.read_bytes() + file.with_name(f"{file.name}-wal").read_bytes()
    assert caller.ask("DELETE", session).status_code == 204
    assert caller.ask("GET", session).status_code == 404
    assert caller.ask("DELETE", session).status_code == 404
    assert name not in file.read_bytes() + file.with_name(f"{file.name}-wal").read_bytes()


def test_an_answer_that_cannot_be_kept_is_not_taken(caller, store, monkeypatch):
    session = caller.begin()
    with monkeypatch.context() as broken:
        full = sqlite3.OperationalError("disk is full")
        broken.setattr(store, "add", lambda *_: (_ for _ in ()).throw(full))
        assert refused(caller.rate(session, 3, 5), 500, "log")
    assert caller.get(session)["history"] == []
    assert caller.rate(session, 3, 2).status_code == 204


JSON = {"content-type": "application/json"}
HOSTILE_BODIES = {
    '{"item_id": 3, "rating": NaN}': "finite",
    '{"item_id": 3, "rating": true}': "number",
    '{"item_id": 3, "rating": 6}': "not in 1 to 5",
    '{"item_id": 3}': "rating",
    '{"item_id": 99, "rating": 3}': "item 99",
    '{"item_id": 1e400, "rating": 3}': "item_id",
    f'{{"item_id": {"9" * 4000}, "rating": 3}}': "item_id",
    '{"item_id": "\\ud800", "rating": 3}': "item_id",
    '{"item_id": "' + "a" * 300 + '", "rating": 3}': "256",
    '{"item_id": 3, "rating": 3, "more": 1}': "more",
    '{"item_id"': "",
}


@pytest.mark.parametrize("body", HOSTILE_BODIES)
def test_hostile_answers_are_refused_in_a_sentence(caller, body):
    session = caller.begin()
    reply = requests.post(f"{caller.url}{session}/feedback", body, headers=JSON, timeout=60)
    assert refused(reply, 422, HOSTILE_BODIES[body])
    assert caller.get(session)["history"] == []


def test_other_refusals(caller):
    person = {"demographics": {"age": 26}}
    assert refused(caller.ask("POST", "/sessions", person), 422, "age is 26")
    both = {"demographics": {"age": 25}, "user_id": 60}
    assert refused(caller.ask("POST", "/sessions", both), 422, "not both")
    session = caller.begin()
    assert refused(caller.ask("POST", f"{session}/recommend", {"k": 0}), 422, "k")
    assert refused(caller.ask("GET", f"{session}/explain/x"), 404, "'x'")
    assert refused(caller.rate("/sessions/guess", 3, 3), 404, "no such session")
    deep = requests.post(f"{caller.url}/sessions", "[" * 20_000, timeout=60, headers=JSON)
    assert refused(deep, 400, "parsing")
    large = requests.post(f"{caller.url}/sessions", b" " * (LARGEST_BODY + 1), timeout=60)
    assert refused(large, 413, "65536")
    endless = requests.post(f"{caller.url}/sessions", iter([b" "]), timeout=60)
    assert refused(endless, 413, "length")


def test_the_server_keeps_to_itself(opened, store):
    with in_thread(create_app(opened, store, ["127.0.0.1"], ["https://friend.example"])) as caller:
        page = caller.ask("GET", "/")
        assert "default-src 'self'" in page.headers["content-security-policy"]
        foreign = caller.ask("GET", "/health", headers={"host": "evil.example:80"})
        assert refused(foreign, 400, "host")
        for origin, allowed in {
            "https://friend.example": True,
            "https://evil.example": False,
        }.items():
            reply = caller.ask("GET", "/health", headers={"origin": origin})
            assert ("access-control-allow-origin" in reply.headers) is allowed


def test_no_request_that_can_be_described_breaks_the_server(caller):
    operations = schemathesis.openapi.from_url(f"{caller.url}/openapi.json").get_all_operations()

    def check(case):
        if "name" in case.path_parameters:
            case.path_parameters["name"] = caller.begin().removeprefix("/sessions/")
        reply = case.call()
        if reply.status_code < 400:
            case.validate_response(reply)
        assert reply.status_code < 500
        assert reply.status_code < 400 or isinstance(reply.json()["detail"], str)

    strategies = [found.ok().as_strategy() for found in operations]
    assert len(strategies) == 12
    for strategy in strategies:
        settings(max_examples=30, deadline=None, database=None)(given(strategy)(check))()
