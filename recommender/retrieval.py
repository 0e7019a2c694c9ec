"""Approximate retrieval: candidates for one request without scoring every item of a large catalogue.

Optional, and worth it from some hundred thousand items: `pip install faiss-cpu`. What is retrieved is
scored exactly; what is missed is measured as recall (benchmarks.growth).
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

LINKS = 32  # neighbours of an item in the graph
BUILD_BREADTH = 200  # items looked at while one is added
SEARCH_BREADTH = 128  # and while one request is answered, at least,
BREADTH_OF_EACH = 10  # or for each item wanted: the graph is poor where few vectors are much longer

FloatArray = NDArray[np.float32]


class RetrievalError(RuntimeError):
    """Approximate retrieval is not possible; the message says what to do."""


class Retrieval:
    """Items with the largest inner products, found in a graph of neighbours (HNSW, by faiss).

    Args:
        items: vectors [I, k].
    """

    def __init__(self, items: FloatArray) -> None:
        try:
            import faiss
        except ImportError:
            raise RetrievalError(
                "approximate retrieval needs faiss: pip install faiss-cpu; or go on without it, the "
                "exact ranking has no need of it"
            ) from None
        self._faiss: Any = faiss
        self._index = faiss.IndexHNSWFlat(items.shape[1], LINKS, faiss.METRIC_INNER_PRODUCT)
        self._index.hnsw.efConstruction = BUILD_BREADTH
        threads = faiss.omp_get_max_threads()
        faiss.omp_set_num_threads(1)  # several build another graph each time
        try:
            self._index.add(np.ascontiguousarray(items, np.float32))
        finally:
            faiss.omp_set_num_threads(threads)

    def nearest(self, actions: FloatArray, count: int) -> NDArray[np.int64]:
        """About the `count` best items for actions [B, k], -1 where fewer were found: [B, count]."""
        looked_at = max(SEARCH_BREADTH, BREADTH_OF_EACH * count)
        breadth = self._faiss.SearchParametersHNSW(efSearch=looked_at)
        queries = np.ascontiguousarray(actions, np.float32)
        return self._index.search(queries, count, params=breadth)[1]


def recall(found: NDArray[Any], actions: FloatArray, items: FloatArray) -> float:
    """Share of retrieved items [B, k] that belong to the exact k best; equal scores are as good."""
    k, hits = found.shape[1], 0.0
    for row, action in zip(found, actions, strict=True):
        scores = items @ action
        worst = np.partition(scores, -k)[-k]
        tolerance = 1e-5 * np.abs(scores).max()  # sums in another order
        hits += np.sum(scores[row[row >= 0]] >= worst - tolerance)
    return hits / max(found.size, 1)
