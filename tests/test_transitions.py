from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from farzi.report.transitions import (
    correlation,
    expected_transitions,
    most_frequent,
    row_shares,
    total_variation,
)


def test_expected_transitions_are_the_sum_over_neighbouring_places():
    synthetic = np.random.default_rng(1).dirichlet(np.ones(4), size=(3, 5))
    brute = np.zeros((4, 4))
    for sequence in synthetic:
        for before, after in pairwise(sequence):
            brute += np.outer(before, after)
    np.testing.assert_allclose(expected_transitions(synthetic), brute, rtol=1e-12)
    assert expected_transitions(synthetic).sum() == pytest.approx(3 * 4)


def test_hard_sequences_have_their_counts_as_expected_transitions():
    ids = np.array([[0, 1, 1, 2], [2, 0, 1, 1]])
    np.testing.assert_array_equal(
        expected_transitions(np.eye(3)[ids]), [[0, 2, 0], [0, 2, 1], [1, 0, 0]]
    )


def test_total_variation_by_hand():
    real = np.array([[3.0, 1.0], [2.0, 2.0]])
    assert total_variation(real, 5 * real) == pytest.approx(0)
    # Rows (3/4, 1/4) against (1/4, 3/4): 1/2. Nothing known of the second row: 1. Equal weights.
    assert total_variation(real, np.array([[1.0, 3.0], [0.0, 0.0]])) == pytest.approx(0.75)
    assert np.isnan(total_variation(np.zeros((2, 2)), real))


def test_row_shares_frequency_and_correlation():
    np.testing.assert_array_equal(
        row_shares(np.array([[1.0, 3.0], [0, 0]])), [[0.25, 0.75], [0, 0]]
    )
    counts = np.array([[0, 0, 0], [0, 9, 1], [0, 2, 0]])
    assert most_frequent(counts, 20).tolist() == [1, 2]
    assert most_frequent(counts, 1).tolist() == [1]
    first, second = np.random.default_rng(2).normal(size=(2, 4, 4))
    expected = np.corrcoef(first.ravel(), second.ravel())[0, 1]
    assert correlation(first, second) == pytest.approx(expected)
    assert np.isnan(correlation(np.ones(3), np.arange(3.0)))


def test_where_real_tokens_are_read_they_come_before_the_labels():
    generator = np.random.default_rng(0)
    labels = generator.dirichlet(np.ones(4), size=(3, 5))
    inputs = generator.integers(4, size=(3, 5))
    brute = np.zeros((4, 4))
    for n in range(3):
        for t in range(4):
            brute[inputs[n, t]] += labels[n, t + 1]
    np.testing.assert_allclose(expected_transitions(labels, inputs), brute, rtol=1e-12)
