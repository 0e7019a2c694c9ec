"""The agent as a policy: candidates are scored as the catalogue is."""

import numpy as np
import toys

from data.observation import Observation
from recommender.agent import DRRAgent
from recommender.drr_policy import DRRPolicy


def test_candidates_are_scored_as_in_the_whole_catalogue():
    policy = DRRPolicy(DRRAgent(toys.BEST, toys.table(), toys.log(), window=toys.WINDOW))
    users, known = np.array([0, 2]), np.array([[3, 1, 4], [-1, 2, 5]])
    stars, people = np.array([[5, 1, 4], [0, 3, 2]]), toys.log().demographics[users]
    observation = Observation.start(users, people, known, stars, window=2)
    candidates = np.array([[0, 7, 11], [2, 6, -1]], np.int32)
    everything = policy.scores(observation, None)
    assert everything.shape == (2, toys.N_ITEMS)
    expected = np.take_along_axis(everything, np.maximum(candidates, 0), axis=1)
    found = policy.scores(observation, candidates)
    np.testing.assert_allclose(found[0], expected[0], rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(found[1, :2], expected[1, :2], rtol=1e-5, atol=1e-6)
    assert found.shape == (2, 3) and np.ptp(found[0]) > 0.01
