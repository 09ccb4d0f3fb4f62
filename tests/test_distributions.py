"""Lengths and popularity: what the bars and the curve hold, whatever the data."""

from __future__ import annotations

import re
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from farzi.report.distributions import (
    BARS,
    POINTS,
    bar_edges,
    coverage,
    draw_lengths,
    draw_popularity,
    is_wide,
    most_popular,
)
from farzi.report.pictures import log_ticks


def labels(svg):
    return [re.sub(r"<[^>]*>", "", text) for text in re.findall(r"<text.*?</text>", svg, re.DOTALL)]


@given(st.lists(st.integers(1, 200) | st.integers(1, 10**7), min_size=1))
def test_every_length_is_in_one_bar_and_no_bar_is_narrower_than_the_one_before(lengths):
    edges = bar_edges(np.array(lengths))
    counts, _ = np.histogram(lengths, edges)
    assert counts.sum() == len(lengths)
    assert counts[0] > 0
    assert counts[-1] > 0
    assert set(edges % 1) == {0.5}
    widths = np.diff(edges)
    assert (np.diff(widths) >= 0).all()
    assert len(widths) <= BARS + 30


def test_few_lengths_have_a_bar_each_and_many_have_bars_of_one_width():
    assert bar_edges(np.array([7, 7])).tolist() == [6.5, 7.5]
    assert bar_edges(np.arange(1, 31)).tolist() == [i + 0.5 for i in range(31)]
    assert set(np.diff(bar_edges(np.array([3, 89])))) == {3}


def test_more_than_two_decades_are_wide():
    assert not is_wide(np.array([5, 500]))
    assert is_wide(np.array([5, 501]))


@given(st.lists(st.integers(0, 1000), min_size=1).filter(any))
def test_coverage_is_the_best_share_that_so_many_tokens_can_have(counts):
    shares = coverage(np.array(counts, np.uint16))
    ranked = sorted(counts, reverse=True)
    brute = [sum(ranked[: i + 1]) / sum(counts) for i in range(len(counts))]
    np.testing.assert_allclose(shares, brute)
    assert shares[-1] == 1


@pytest.mark.parametrize(
    ("vocabulary", "few"), [(1, 1), (9, 1), (30, 3), (104, 10), (50_000, 5000)]
)
def test_a_tenth_of_the_tokens_is_at_least_one(vocabulary, few):
    assert most_popular(vocabulary) == few


@pytest.mark.parametrize(
    ("lengths", "shown"),
    [
        (np.full(30, 12), ["11", "12", "13"]),
        (np.array([1]), ["0", "1", "2"]),
        (np.array([1, 40, 544]), ["1", "2", "5", "10", "20", "50", "100", "200", "500"]),
        (np.array([1, 3, 4_000_000]), ["1", "100", "10,000", "1,000,000"]),
    ],
)
def test_lengths_are_labelled_with_whole_numbers(lengths, shown):
    texts = labels(draw_lengths(lengths, "alt"))
    assert texts[: texts.index("events in a sequence")] == shown


@given(st.integers(1, 10**9), st.integers(2, 10**9))
def test_labels_of_a_log_axis_have_room(low, factor):
    ticks = log_ticks(float(low), float(low) * factor)
    assert all(low <= tick <= low * factor for tick in ticks)
    for left, right in pairwise(ticks):
        apart = 56 * np.log(right / left) / np.log(factor)
        assert apart > (len(f"{left:,}") + len(f"{right:,}")) / 2


def test_a_large_vocabulary_makes_a_small_picture():
    counts = np.random.default_rng(0).zipf(1.3, size=1_000_000)
    svg = draw_popularity(np.minimum(counts, 10**9), "alt")
    assert len(svg) < 60 * 2 * POINTS
    assert "1,000,000" in labels(svg)


def test_popularity_is_labelled_in_per_cent():
    texts = labels(draw_popularity(np.array([5]), "alt"))
    assert [text for text in texts if "%" in text] == [f"{p}\xa0%" for p in (0, 25, 50, 75, 100)]
