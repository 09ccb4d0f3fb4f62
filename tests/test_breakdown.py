"""Scores within groups of questions, and an arm against another on the same questions."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import toy_log
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from farzi.data import Sequences, Vocabulary
from farzi.evaluation import Amount, Outcome, Task, breakdown, paired
from farzi.metrics import Questions, Text
from farzi.training import Trained

VOCABULARY = Vocabulary(tuple("abcdefgh"))


def outcome(**values):
    """Of trainings of which only the test values matter, `[seeds, questions]`."""
    arrays = {name: np.asarray(rows, np.float64) for name, rows in values.items()}
    seeds = len(next(iter(arrays.values())))
    nothing = np.zeros((1, seeds))
    trained = Trained(
        toy_log.bigrams(jax.random.key(0)),
        nothing[0],
        nothing[0],
        np.ones(1),
        nothing,
        nothing,
        1.0,
    )
    return Outcome("an arm", Amount(1, 2, 3), 0.1, {}, arrays, trained, 0.0)


def asked(targets, histories, counts):
    """Questions after histories so long; `counts` of each token are there to be learned from."""
    ids = np.repeat(np.arange(len(counts)), counts)
    train = Sequences.from_lists([ids[:3], ids[3:]], VOCABULARY)
    contexts = jnp.zeros((len(targets), 2), jnp.int32)
    questions = Questions(contexts, jnp.asarray(targets, jnp.int32))
    return Task(train, questions, questions, histories=np.asarray(histories))


def test_groups_by_hand():
    # Popularity of the targets: 1, 1, 1, 1, 2, 4, 4, 9; a quarter of them is at most 1, a half too.
    task = asked([0, 1, 2, 0, 3, 4, 4, 5], [3, 2, 9, 4, 5, 7, 8, 6], [1, 1, 1, 2, 4, 9])
    ranks = [[1, 3, 10, 11, 2, 7, 200, 1], [3, 3, 11, 10, 2, 1, 200, 15]]
    found = breakdown(outcome(rank=ranks), task)
    one, two, three, seven = (1 / np.log2(1 + rank) for rank in (1, 2, 3, 7))
    ten = 1 / np.log2(11)
    popularity = [
        (1, 1, 4, [1, 1, 0.5, 0.5], [(one + three) / 2, three, ten / 2, ten / 2]),
        (2, 4, 3, [1, 1, 0], [two, (seven + one) / 2, 0]),
        (9, 9, 1, [0.5], [one / 2]),
    ]
    # In the order of the histories: questions 1, 0, 3, 4, 7, 5, 6, 2.
    history = [
        (2, 3, 2, [1, 1], [three, (one + three) / 2]),
        (4, 5, 2, [0.5, 1], [ten / 2, two]),
        (6, 7, 2, [0.5, 1], [one / 2, (seven + one) / 2]),
        (8, 9, 2, [0, 0.5], [0, ten / 2]),
    ]
    for name, wanted in (("popularity", popularity), ("history", history)):
        assert len(found[name]) == len(wanted)
        for group, (first, last, count, hits, gains) in zip(found[name], wanted, strict=True):
            assert (group["from"], group["to"], group["questions"]) == (first, last, count)
            assert group["hr@10"] == pytest.approx(np.mean(hits))
            assert group["ndcg@10"] == pytest.approx(np.mean(gains))


@st.composite
def comparisons(draw):
    """Keys of some questions, many of them equal, and ranks of two seeds."""
    count = draw(st.integers(1, 30))
    keys = st.lists(st.integers(1, draw(st.integers(1, 40))), min_size=count, max_size=count)
    rank = st.integers(2, 40).map(lambda twice: twice / 2)
    ranks = st.lists(st.lists(rank, min_size=count, max_size=count), min_size=2, max_size=2)
    return draw(keys), np.array(draw(ranks))


@given(comparison=comparisons())
def test_every_question_is_in_one_group_and_equal_ones_are_together(comparison):
    keys, ranks = comparison
    groups = breakdown(outcome(rank=ranks), asked([0] * len(keys), keys, [4]))["history"]
    assert 1 <= len(groups) <= 4
    assert sum(group["questions"] for group in groups) == len(keys)
    for before, after in itertools.pairwise(groups):
        assert before["to"] < after["from"]
    for group in groups:
        members = [place for place, key in enumerate(keys) if group["from"] <= key <= group["to"]]
        assert {keys[place] for place in members} >= {group["from"], group["to"]}
        assert group["questions"] == len(members)
        own = ranks[:, members].reshape(-1)
        hits = [rank <= 10 for rank in own]
        gains = [1 / np.log2(1 + rank) if rank <= 10 else 0 for rank in own]
        assert group["hr@10"] == pytest.approx(np.mean(hits))
        assert group["ndcg@10"] == pytest.approx(np.mean(gains))


@given(keys=st.lists(st.integers(0, 1000), min_size=4, max_size=40, unique=True))
def test_groups_of_different_keys_are_equally_large(keys):
    task = asked([0] * len(keys), keys, [4])
    sizes = [
        group["questions"]
        for group in breakdown(outcome(rank=np.ones((1, len(keys)))), task)["history"]
    ]
    assert len(sizes) == 4
    assert max(sizes) - min(sizes) <= 1


def test_a_target_that_nobody_could_learn_is_the_least_popular():
    task = asked([0, 6, 1, 6], [1, 1, 1, 1], [2, 5])
    groups = breakdown(outcome(rank=[[1, 20, 1, 20]]), task)["popularity"]
    told = [(group["from"], group["to"], group["questions"], group["hr@10"]) for group in groups]
    assert told == [(0, 0, 2, 0.0), (2, 2, 1, 1.0), (5, 5, 1, 1.0)]


def test_text_has_no_groups():
    text = Text.of(Sequences.from_lists([[0, 1, 2]], VOCABULARY), 2)
    train = Sequences.from_lists([[0, 1]], VOCABULARY)
    values = {"losses": [[1.0]], "hits": [[1.0]], "tokens": [[2.0]]}
    assert breakdown(outcome(**values), Task(train, text, text)) == {}


def random_ranks(seed, seeds=3, questions=40):
    return np.random.default_rng(seed).integers(1, 25, size=(seeds, questions)) / 1.0


def gains(ranks):
    return np.where(ranks <= 10, 1 / np.log2(1 + ranks), 0).mean(axis=0)


@pytest.mark.parametrize("seed", range(4))
def test_pairs_are_those_of_students_test(seed):
    one, other = random_ranks(seed), random_ranks(100 + seed, seeds=2)
    found = paired(outcome(rank=one), outcome(rank=other))
    wanted = stats.ttest_rel(gains(one), gains(other))
    low, high = wanted.confidence_interval(0.95)
    assert found["difference"] == pytest.approx(gains(one).mean() - gains(other).mean())
    assert found["difference"] == pytest.approx((low + high) / 2)
    assert found["ci95"] == pytest.approx((high - low) / 2)
    assert found["p"] == pytest.approx(wanted.pvalue)
    assert 0 < found["p"] < 1


def test_a_better_arm_has_a_positive_difference_and_a_worse_one_a_negative():
    one = random_ranks(0)
    better, worse = outcome(rank=np.maximum(one - 5, 1)), outcome(rank=one)
    forth, back = paired(better, worse), paired(worse, better)
    assert forth["difference"] > 0
    assert forth["p"] < 0.01
    assert back["difference"] == pytest.approx(-forth["difference"])
    assert (back["ci95"], back["p"]) == pytest.approx((forth["ci95"], forth["p"]))


def test_text_is_compared_by_the_likelihood_of_a_token():
    generator = np.random.default_rng(0)
    # The last row is asked for nothing.
    tokens = np.array([3.0, 1.0, 4.0, 2.0, 5.0, 0.0])
    losses = [generator.uniform(1, 9, size=(2, 6)) * (tokens > 0) for _ in range(2)]
    one, other = (
        outcome(losses=own, hits=np.zeros((2, 6)), tokens=np.tile(tokens, (2, 1))) for own in losses
    )
    each = [
        [-np.mean(own[:, row]) / tokens[row] if tokens[row] else 0 for row in range(6)]
        for own in losses
    ]
    found, wanted = paired(one, other), stats.ttest_rel(*each)
    assert found["difference"] == pytest.approx(np.mean(each[0]) - np.mean(each[1]))
    assert found["p"] == pytest.approx(wanted.pvalue)


def test_where_nothing_differs_there_is_nothing_to_say():
    ranks = random_ranks(0)
    assert paired(outcome(rank=ranks), outcome(rank=ranks)) is None
    # Beyond the tenth rank all are worth the same, and a seed that is there twice is no other.
    assert paired(outcome(rank=ranks), outcome(rank=np.where(ranks > 10, 99, ranks))) is None
    assert paired(outcome(rank=ranks[:1]), outcome(rank=ranks[[0, 0]])) is None


def test_a_single_question_says_nothing():
    assert paired(outcome(rank=[[1.0]]), outcome(rank=[[2.0]])) is None


def test_the_same_difference_everywhere_is_certain():
    found = paired(outcome(rank=np.ones((1, 5))), outcome(rank=3 * np.ones((1, 5))))
    assert found == {"difference": 0.5, "ci95": 0.0, "p": 0.0}
