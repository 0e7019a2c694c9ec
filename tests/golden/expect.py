"""`python tests/golden/expect.py RUN`: write RUN/expected.json, what the run answers today.

Only for a run that has none: an earlier run's answers are what later versions must repeat.
"""

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parents[2]
LENGTH = 10
HISTORIES = {  # of item ids that every run's catalogue must have
    "one": [(1, 5)],
    "mixed": [(7, 4), (1, 1), (50, 3), (20, 5), (34, 2)],
    "long": [(item, 1 + item % 5) for item in (1, 2, 3, 5, 6, 7, 10, 11, 16, 17, 19, 21, 22, 25)],
}


def answers(agent: Any) -> dict[str, Any]:
    """Lists for some histories, scores of some windows, and what identifies the weights."""
    lists = {name: agent.recommend(history, k=LENGTH) for name, history in HISTORIES.items()}
    n = agent.window
    items = np.stack([np.arange(n), np.where(np.arange(n) < n - 2, -1, 2 * np.arange(n))])
    ratings = np.where(items < 0, 0, 1 + items % 5).astype(np.float32)
    shown, rewards = np.array([[30, 31], [40, -1]]), np.array([[-0.5, 1.0], [-1.0, 0.0]])
    known = agent.observe(items, ratings)
    known = known._replace(shown_items=shown.astype(np.int32), shown_rewards=np.float32(rewards))
    scores = agent.scores(known)
    weights = [[*variable.shape, float(np.sum(variable))] for variable in agent.networks.variables]
    return {
        "recommend": {name: [[i.item_id, i.score] for i in best] for name, best in lists.items()},
        "scores": scores[:, :: len(scores[0]) // 20].tolist(),
        "weights": sorted(weights),
    }


def main(folder: Path) -> int:
    """Returns the exit status."""
    target = folder / "expected.json"
    if target.exists():
        print(f"{target}: exists; golden answers are never made again", file=sys.stderr)
        return 2
    sys.path.insert(0, str(ROOT))
    from recommender import DRRAgent

    target.write_text(json.dumps(answers(DRRAgent.load(folder)), indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
