import itertools

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from farzi.data import HeldOut, Sequences, Vocabulary
from farzi.metrics import Questions, rank_targets, ranking, ranking_metrics, ranks
from farzi.models import SASRec, logits

VOCABULARY = 5
SCORES = st.sampled_from([-np.inf, -1.5, 0.0, 1.0, 2.0])  # few, so that there are ties
jitted_ranks = jax.jit(ranks)


def mean_rank(scores, target):
    """Mean place of the target over every order in which ties can be broken."""
    places = []
    for order in itertools.permutations(range(len(scores))):
        ranking = sorted(order, key=lambda token: -scores[token])  # stable: ties stay in `order`
        places.append(1 + ranking.index(target))
    return np.mean(places)


@given(
    scores=hnp.arrays(np.float32, (3, VOCABULARY), elements=SCORES),
    targets=hnp.arrays(np.int32, 3, elements=st.integers(0, VOCABULARY - 1)),
)
def test_rank_is_the_mean_over_all_ways_to_break_ties(scores, targets):
    wanted = [mean_rank(row, target) for row, target in zip(scores, targets, strict=True)]
    np.testing.assert_allclose(jitted_ranks(jnp.array(scores), jnp.array(targets)), wanted)


def test_constant_scores_rank_every_target_in_the_middle():
    rank = ranks(jnp.zeros((4, 101)), jnp.array([0, 7, 50, 100]))
    np.testing.assert_array_equal(rank, 51)
    assert ranking_metrics(np.asarray(rank))["hr@10"] == 0


@given(rank=st.lists(st.integers(2, 400).map(lambda twice: twice / 2), min_size=1))
def test_metrics_are_the_means_of_their_definitions(rank):
    got = ranking_metrics(np.array(rank))
    wanted = {"mrr": np.mean([1 / place for place in rank])}
    for k in (10, 100):
        wanted[f"hr@{k}"] = sum(place <= k for place in rank) / len(rank)
        gains = [1 / np.log2(1 + place) if place <= k else 0 for place in rank]
        wanted[f"ndcg@{k}"] = sum(gains) / len(rank)
    assert got == pytest.approx(wanted)


def test_perfect_ranking_scores_one():
    assert set(ranking_metrics(np.ones(3)).values()) == {1.0}


def test_nan_has_no_rank():
    scores = jnp.array([[0.0, jnp.nan, 2.0], [0.0, 1.0, 2.0]])
    rank = ranks(scores, jnp.array([0, 0]))
    np.testing.assert_array_equal(rank, [jnp.nan, 3])
    with pytest.raises(ValueError, match=r"1 of 2 questions .* smaller learning rate"):
        ranking_metrics(np.asarray(rank))


def test_no_questions_have_no_metrics():
    with pytest.raises(ValueError, match="evaluate at least one"):
        ranking_metrics(np.array([]))


@pytest.mark.parametrize("length", [2, 6])
def test_what_was_seen_is_left_out_of_the_ranking(length):
    """Against a ranking of the other tokens by hand; the history is longer than what is read."""
    rng = np.random.default_rng(0)
    lists = [rng.integers(9, size=size).tolist() for size in (1, 3, 6, 6)]
    contexts = Sequences.from_lists(lists, Vocabulary(tuple("abcdefghi")))
    # One target that was never seen, one that was.
    targets = [next(set(range(9)) - set(ids) for ids in [one]).pop() for one in lists]
    targets[3] = lists[3][0]
    held_out = HeldOut(contexts, np.array(targets, np.int32))
    model = SASRec(9, width=8, layers=1, length=6, key=jax.random.key(0))
    questions = Questions.of(held_out, length, leave_out_seen=True)
    got = np.asarray(eqx.filter_jit(rank_targets)(model, questions))
    everything = np.asarray(rank_targets(model, Questions.of(held_out, length)))
    for ids, target, rank in zip(lists, targets, got, strict=True):
        scores = np.asarray(logits(model, jnp.array([ids[-length:]]))[0, -1])
        others = [scores[token] for token in range(9) if token == target or token not in ids]
        assert rank == 1 + sum(score > scores[target] for score in others)
    assert (got <= everything).all()
    assert (got < everything).any()


def test_questions_are_the_last_events_of_each_context():
    contexts = Sequences.from_lists([[0, 1, 2, 3], [4]], Vocabulary(tuple("abcde")))
    questions = Questions.of(HeldOut(contexts, np.array([4, 0], np.int32)), length=3)
    assert questions.contexts.tolist() == [[1, 2, 3], [4, -1, -1]]
    assert questions.targets.tolist() == [4, 0]
    assert len(questions) == 2


@pytest.mark.parametrize("chunk", [4, 5, 100])
def test_targets_are_ranked_by_the_scores_after_the_last_event(monkeypatch, chunk):
    monkeypatch.setattr(ranking, "CHUNK", chunk)
    model = SASRec(VOCABULARY, width=4, layers=1, length=3, key=jax.random.key(0))
    contexts = [[0, 1, 2], [3, -1, -1], [4, 4, -1], [1, 0, 1], [2, 3, -1]] * 2
    targets = jnp.array([0, 1, 2, 3, 4, 4, 3, 2, 1, 0])
    got = eqx.filter_jit(rank_targets)(model, Questions(jnp.array(contexts), targets))
    wanted = []
    for context, target in zip(contexts, targets, strict=True):
        read = [event for event in context if event >= 0]
        scores = eqx.filter_jit(logits)(model, jnp.array([read]))[0, -1]
        wanted.append(1 + int((scores > scores[target]).sum()))
    assert len(set(wanted)) > 2
    np.testing.assert_array_equal(got, wanted)
