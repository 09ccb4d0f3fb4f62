"""Real sequences to compare the distilled ones with: subsets chosen by simple rules.

Each function chooses among the rows without padding and returns their numbers.
"""

from __future__ import annotations

import heapq

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from farzi.data import Windows
from farzi.models import Learner, Tokens, hidden_states

Rows = Int[np.ndarray, " count"]

BATCH = 256
"""Rows embedded at a time."""
BLOCK = 2**22
"""Similarities computed at a time."""


def random_rows(rows: Windows, count: int, generator: np.random.Generator) -> Rows:
    """Drawn evenly, none twice.

    Raises:
        ValueError: if there are fewer than `count` rows without padding.
    """
    enough(rows, count)
    return rows.full[generator.choice(len(rows.full), count, replace=False)]


def recent_rows(rows: Windows, count: int, times: np.ndarray) -> Rows:
    """Those whose last event is the latest.

    Args:
        rows: to choose from.
        count: how many.
        times: of the values of the sequences, `[values]`.
    """
    return _highest(rows, count, times[rows.ends[rows.full] - 1])


def popular_rows(rows: Windows, count: int) -> Rows:
    """Those whose tokens are the most frequent, by the mean of the logarithm of their counts."""
    counts = np.bincount(rows.sequences.flat(), minlength=len(rows.sequences.vocabulary))
    logarithms = np.log(np.maximum(counts, 1))
    return _highest(rows, count, logarithms[rows[rows.full]].mean(axis=1))


def longest_rows(rows: Windows, count: int) -> Rows:
    """Those that are from the longest sequences; of the same sequence, the later ones first."""
    sequences = rows.sequences
    # By their ends: an empty sequence may start where another does, but holds no row.
    order = np.argsort(sequences.ends, kind="stable")
    own = order[np.searchsorted(sequences.ends[order], rows.ends[rows.full], side="left")]
    return _highest(rows, count, sequences.lengths[own])


def embeddings(learner: Learner, rows: Windows) -> Float[np.ndarray, "full width"]:
    """What a learner makes of each full row: the mean of its hidden states, of length one.

    It reads all but the last event, as many as it predicts from in training.
    """
    full = rows.full
    made = []
    for first in range(0, len(full), BATCH):
        # The last batch is filled up, so that one program serves all.
        batch = np.minimum(np.arange(first, first + BATCH), len(full) - 1)
        made.append(np.asarray(_embed(learner, jnp.asarray(rows[full[batch]][:, :-1]))))
    points = np.concatenate(made)[: len(full)]
    return points / np.maximum(np.linalg.norm(points, axis=1, keepdims=True), 1e-12)


@eqx.filter_jit
def _embed(learner: Learner, ids: Tokens) -> Array:
    return jnp.mean(hidden_states(learner, ids), axis=1)


def k_centre_rows(points: Float[np.ndarray, "points width"], count: int) -> Rows:
    """Greedy k-centre: always the point farthest from those chosen (Sener and Savarese 2018).

    arXiv 1708.00489. The first is the one nearest to the mean of all.

    Returns:
        Numbers among the points, in the order of their choice.
    """
    _check_count(points, count)
    chosen = [int(np.argmin(np.linalg.norm(points - points.mean(axis=0), axis=1)))]
    nearest = np.full(len(points), np.inf)
    while len(chosen) < count:
        nearest = np.minimum(nearest, np.linalg.norm(points - points[chosen[-1]], axis=1))
        nearest[chosen[-1]] = -1  # Not again, were all others as near.
        chosen.append(int(np.argmax(nearest)))
    return np.array(chosen)


def facility_location_rows(points: Float[np.ndarray, "points width"], count: int) -> Rows:
    """Points to which all are near: greedily the largest sum over all of the highest similarity.

    As in CRAIG (Mirzasoleiman et al. 2020, arXiv 1906.01827), with cosine similarity plus one. The
    gain of a point never rises (Minoux 1978), so it is only computed anew while it might be the
    largest: the greedy choice itself, in a fraction of its time.

    Args:
        points: of length one.
        count: how many.

    Returns:
        Numbers among the points, in the order of their choice.
    """
    _check_count(points, count)
    best = np.zeros(len(points), points.dtype)
    block = max(BLOCK // len(points), 1)
    gains = [
        (1 + points[first : first + block] @ points.T).sum(axis=1, dtype=np.float64)
        for first in range(0, len(points), block)
    ]
    heap = [(-gain, point, 0) for point, gain in enumerate(np.concatenate(gains))]
    heapq.heapify(heap)
    chosen: list[int] = []
    while len(chosen) < count:
        _, point, known = heapq.heappop(heap)
        similarity = 1 + points @ points[point]
        if known == len(chosen):
            chosen.append(point)
            best = np.maximum(best, similarity)
        else:
            gain = np.maximum(similarity - best, 0).sum(dtype=np.float64)
            heapq.heappush(heap, (-gain, point, len(chosen)))
    return np.array(chosen)


def _check_count(points: np.ndarray, count: int) -> None:
    if not 1 <= count <= len(points):
        raise ValueError(f"{count} of {len(points)} points are asked for; ask for fewer, or one.")


def enough(rows: Windows, count: int) -> int:
    """The count, if there are so many rows without padding.

    Raises:
        ValueError: if there are not.
    """
    full = len(rows.full)
    if full < count:
        raise ValueError(
            f"{count} full sequences of {rows.length + 1} events are asked for, but the data hold "
            f"{full}; ask for fewer or shorter ones."
        )
    return count


def _highest(rows: Windows, count: int, scores: np.ndarray) -> Rows:
    """The rows with the highest scores, of equal ones the later."""
    return rows.full[np.argsort(scores, kind="stable")[::-1][: enough(rows, count)]]
