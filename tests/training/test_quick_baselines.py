"""The quick baselines beside a run, and the sentence about them."""

from dataclasses import replace

import numpy as np
import pytest

from baselines import registry
from evaluation.protocols.new_users import SessionProtocol
from evaluation.report import summarise
from training import conclusion
from training.conclusion import best_quick, verdict


@pytest.mark.parametrize("known", ["", "-demographics"])
def test_the_best_of_three_by_the_first_metric(tiny_data, known):
    protocol = SessionProtocol(tiny_data)
    name, means = best_quick(protocol, 0, bool(known))
    key, rewards = protocol.headline_keys[0], {}
    for each in (f"ridge{known}-adaptive", "user-knn-adaptive", "ease-adaptive"):
        policy = registry.build(each, "session", protocol.visible)
        rewards[each] = protocol.evaluate(policy)[key].mean()
    assert name == max(rewards, key=rewards.get) and means[key] == rewards[name]


def test_none_where_they_would_be_slow(tiny_data, monkeypatch):
    monkeypatch.setattr(conclusion, "MOST_RATINGS", 10)
    assert best_quick(SessionProtocol(tiny_data), 0, False) is None


@pytest.mark.parametrize(
    ("gain", "expected"),
    [
        (0.5, "DRR is ahead of random, by reward@10."),
        (-0.5, "DRR is BELOW random, by reward@10. What to try: docs/own-data.md"),
        (-1e-7, "DRR is BELOW random, by reward@10; so few users cannot tell that from chance. Wh"),
    ],
)
def test_the_sentence_says_it_in_plain_words(tiny_data, gain, expected):
    protocol = SessionProtocol(tiny_data)
    result = protocol.run(registry.build("random", "session", protocol.visible))
    noise = np.where(np.arange(protocol.n_users) % 2, 1e-6, -1e-6)
    better = {key: values + gain + noise for key, values in result.per_user.items()}
    results = {"random": [result], "drr": [replace(result, per_user=better)]}
    report = summarise("tiny", protocol, results, trained=("drr",))
    assert verdict(report).startswith(f"In session {expected}")
