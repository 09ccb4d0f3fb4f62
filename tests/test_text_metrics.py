import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import toy_log
from hypothesis import given
from hypothesis import strategies as st

from farzi.data import Sequences, Vocabulary
from farzi.metrics import Text, language_metrics
from farzi.metrics.language import row_sums, summary
from farzi.models import logits

VOCABULARY = Vocabulary(tuple("abcdefg"))


@given(
    lengths=st.lists(st.integers(0, 23), min_size=1, max_size=4),
    length=st.integers(1, 9),
    stride=st.integers(1, 9),
)
def test_every_token_is_asked_for_once_and_predicted_from_enough(lengths, length, stride):
    stride = min(stride, length)
    # Each token is its own place, so that rows tell what they read.
    total = sum(lengths)
    vocabulary = Vocabulary(tuple(map(str, range(total + 1))))
    ends = np.cumsum([0, *lengths])
    lists = [np.arange(start, end) for start, end in itertools.pairwise(ends)]
    sequences = Sequences.from_lists(lists, vocabulary)
    if max(lengths) < 2:
        with pytest.raises(ValueError, match="no token is asked for"):
            Text.of(sequences, length, stride=stride)
        return
    text = Text.of(sequences, length, stride=stride)
    tokens, asked = np.asarray(text.tokens), np.asarray(text.asked)
    assert tokens.shape[1] == length + 1
    assert sorted(tokens[asked]) == sorted(np.concatenate([one[1:] for one in lists]).tolist())
    for row, counts in zip(tokens, asked, strict=True):
        inside = row[row >= 0]
        np.testing.assert_array_equal(np.diff(inside), 1)  # a stretch of one sequence
        start = ends[np.searchsorted(ends, inside[0], side="right") - 1]
        for place in np.flatnonzero(counts):
            assert place >= 1
            assert place >= min(length - stride + 1, row[place] - start)


def test_metrics_by_hand():
    learner = toy_log.bigrams(jax.random.key(1))
    size = len(learner.embedding)
    ids = np.random.default_rng(0).integers(size, size=(3, 9))
    sequences = Sequences.from_lists(ids, Vocabulary(tuple(map(str, range(size)))))
    got = language_metrics(learner, Text.of(sequences, 4), bytes=100)
    scores = np.asarray(logits(learner, jnp.asarray(ids[:, :-1])), np.float64)
    chances = np.exp(scores - np.log(np.exp(scores).sum(axis=-1, keepdims=True)))
    own = np.take_along_axis(chances, ids[:, 1:, None], axis=-1)[..., 0]
    assert got["loss"] == pytest.approx(-np.log(own).mean(), rel=1e-5)
    assert got["perplexity"] == pytest.approx(np.exp(-np.log(own).mean()), rel=1e-5)
    assert got["accuracy"] == pytest.approx((scores.argmax(-1) == ids[:, 1:]).mean())
    assert got["bits_per_byte"] == pytest.approx(-np.log2(own).sum() / 100, rel=1e-5)
    rows = row_sums(learner, Text.of(sequences, 8))
    np.testing.assert_allclose(rows["losses"], -np.log(own).sum(axis=1), rtol=1e-5)
    assert summary(rows)["tokens"] == 24


def test_a_model_that_knows_nothing_is_right_by_chance():
    learner = toy_log.bigrams(jax.random.key(1))
    learner = jax.tree.map(jnp.zeros_like, learner)
    size = len(learner.embedding)
    sequences = Sequences.from_lists([[0] * 9], Vocabulary(tuple(map(str, range(size)))))
    got = language_metrics(learner, Text.of(sequences, 4))
    assert got["perplexity"] == pytest.approx(size, rel=1e-5)
    assert got["accuracy"] == pytest.approx(1 / size)


@pytest.mark.parametrize("stride", [0, 6])
def test_impossible_strides_are_refused(stride):
    with pytest.raises(ValueError, match="use a whole number from 1 to 5"):
        Text.of(Sequences.from_lists([[0, 1, 2]], VOCABULARY), 5, stride=stride)
