"""Which token follows which: in counted data, in distributions, and how far these are apart."""

from __future__ import annotations

import numpy as np


def expected_transitions(synthetic: np.ndarray, inputs: np.ndarray | None = None) -> np.ndarray:
    """How often each token is expected to follow each other in soft sequences.

    Neighbouring places are taken as independent draws from their distributions, so the expected
    count is the sum over sequences n and places t of `P[n, t, :]^T P[n, t + 1, :]`. Where real
    tokens are read, those take the place of the first factor.

    Args:
        synthetic: distributions over tokens, `[sequences, time, vocab]`.
        inputs: ids of the tokens that are read, `[sequences, time]`, if they are real ones.

    Returns:
        float64 `[vocab, vocab]`; all zeros where sequences have a single place.
    """
    vocabulary = synthetic.shape[-1]
    after = synthetic[:, 1:].reshape(-1, vocabulary).astype(np.float64)
    if inputs is not None:
        counts = np.zeros((vocabulary, vocabulary))
        np.add.at(counts, inputs[:, :-1].reshape(-1), after)
        return counts
    before = synthetic[:, :-1].reshape(-1, vocabulary).astype(np.float64)
    return before.T @ after


def row_shares(counts: np.ndarray) -> np.ndarray:
    """Each row divided by its sum, `[vocab, vocab]`; rows without any count stay zero."""
    totals = counts.sum(axis=1, keepdims=True)
    return np.divide(counts, totals, out=np.zeros(counts.shape), where=totals > 0)


def most_frequent(counts: np.ndarray, limit: int) -> np.ndarray:
    """Ids of the tokens that take part in most transitions, most frequent first, `[<= limit]`."""
    frequency = counts.sum(axis=0) + counts.sum(axis=1)
    order = np.argsort(-frequency, kind="stable")[:limit]
    return order[frequency[order] > 0]


def total_variation(real: np.ndarray, synthetic: np.ndarray) -> float:
    """Distance between the two next-token distributions after an average real event.

    Half the summed absolute difference of the rows, averaged with the real frequency of each row's
    token: 0 where they are the same, 1 where they share no token. A row of which the synthetic
    data knows nothing counts 1.

    Args:
        real: counts, `[vocab, vocab]`.
        synthetic: counts, `[vocab, vocab]`.

    Returns:
        NaN if there are no real transitions.
    """
    weights = real.sum(axis=1)
    if not weights.sum() > 0:
        return float("nan")
    distances = np.abs(row_shares(real) - row_shares(synthetic)).sum(axis=1) / 2
    distances[synthetic.sum(axis=1) <= 0] = 1
    return float(distances @ weights / weights.sum())


def correlation(first: np.ndarray, second: np.ndarray) -> float:
    """Pearson's correlation of two arrays of one shape; NaN if either is constant."""
    first, second = (array.ravel() - array.mean() for array in (first, second))
    scale = np.sqrt((first @ first) * (second @ second))
    return float(first @ second / scale) if scale > 0 else float("nan")
