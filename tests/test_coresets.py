import jax
import numpy as np
import pytest
import toy_log
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from farzi import coresets
from farzi.coresets import (
    embeddings,
    facility_location_rows,
    k_centre_rows,
    longest_rows,
    popular_rows,
    random_rows,
    recent_rows,
)
from farzi.data import Sequences, Vocabulary, leave_last_out, windows
from farzi.evaluation import Task, subset_arm
from farzi.models import SASRec
from farzi.training import Training

TOKENS = Vocabulary(tuple("abcd"))
ROWS = windows(Sequences.from_lists([[0, 1], [1, 2], [2], [3, 0, 2]], TOKENS), 1)
TIMES = np.array([5, 6, 1, 9, 7, 2, 3, 6])
"""Of the values of `ROWS`, so that their rows end at 6, 9, 3 and 6."""
# On a grid, so that points coincide and distances are the same.
POINTS = hnp.arrays(
    np.float64,
    st.tuples(st.integers(1, 9), st.integers(1, 3)),
    elements=st.integers(-2, 2).map(float),
)


def test_only_full_rows_are_drawn_and_none_twice():
    longer = windows(ROWS.sequences, 2)
    assert longer[random_rows(longer, 1, np.random.default_rng(0))].tolist() == [[3, 0, 2]]
    drawn = ROWS[random_rows(ROWS, 4, np.random.default_rng(0))]
    assert sorted(drawn.tolist()) == [[0, 1], [0, 2], [1, 2], [3, 0]]


def test_the_seed_decides():
    first, again = (random_rows(ROWS, 2, np.random.default_rng(1)) for _ in range(2))
    np.testing.assert_array_equal(first, again)


@pytest.mark.parametrize(
    "choose",
    [
        lambda rows, count: random_rows(rows, count, np.random.default_rng(0)),
        lambda rows, count: recent_rows(rows, count, TIMES),
        popular_rows,
        longest_rows,
    ],
)
def test_more_than_there_are_is_refused(choose):
    assert sorted(choose(ROWS, 4)) == [0, 1, 2, 3]
    with pytest.raises(ValueError, match=r"5 full sequences of 2 events.*hold 4; ask for fewer"):
        choose(ROWS, 5)
    # Cut into rows of three events, all but the last sequence give padded ones.
    with pytest.raises(ValueError, match=r"2 full sequences of 3 events.*hold 1"):
        choose(windows(ROWS.sequences, 2), 2)


def test_recent_rows_are_those_that_end_last():
    assert ROWS[:].tolist() == [[0, 1], [1, 2], [3, 0], [0, 2]]
    assert recent_rows(ROWS, 1, TIMES).tolist() == [1]
    # The first and the last end at the same time: the later row comes first.
    assert recent_rows(ROWS, 4, TIMES).tolist() == [1, 3, 0, 2]


def test_popular_rows_have_the_most_frequent_tokens():
    sequences = Sequences.from_lists([[2, 0], [0, 1], [0, 0], [1], [0, 3]], TOKENS)
    assert np.bincount(sequences.flat()).tolist() == [5, 2, 1, 1]
    rows = windows(sequences, 1)
    # The first and the last are as popular as each other: the later row comes first.
    assert rows[popular_rows(rows, 4)].tolist() == [[0, 0], [0, 1], [0, 3], [2, 0]]


def test_popularity_is_the_mean_of_logarithms_and_not_of_counts():
    # Of b and c there are four each, of a ten, of d one: 4 * 4 > 10 * 1, but 4 + 4 < 10 + 1.
    sequences = Sequences.from_lists([[1, 2], [0, 3], [0] * 9, [1] * 3, [2] * 3], TOKENS)
    assert np.bincount(sequences.flat()).tolist() == [10, 4, 4, 1]
    rows = windows(sequences, 1)
    order = rows[popular_rows(rows, len(rows))].tolist()
    assert order.index([1, 2]) < order.index([0, 3])


def test_longest_rows_are_those_of_the_longest_sequences():
    # Rows: 0 and 1 of the first sequence, 2 of the second, none of the third and fourth, 3 to 5.
    lists = [[0, 1, 2], [3, 3], [], [1], [0, 1, 2, 3]]
    rows = windows(Sequences.from_lists(lists, TOKENS), 1)
    assert longest_rows(rows, 6).tolist() == [5, 4, 3, 1, 0, 2]
    assert longest_rows(rows, 2).tolist() == [5, 4]


def test_rows_know_their_sequence_whatever_order_the_sequences_are_in():
    sequences = Sequences.from_lists([[0, 1, 2], [3, 3], [0, 1, 2, 3]], TOKENS)
    rows = windows(sequences.select(np.array([2, 0, 1])), 1)
    assert longest_rows(rows, 6).tolist() == [2, 1, 0, 4, 3, 5]


def test_rows_with_padding_are_never_chosen():
    lists = [[0, 0, 0, 0], [1, 2, 3]]
    sequences = Sequences.from_lists(lists, TOKENS)
    rows = windows(sequences, 2)
    assert rows[:].tolist() == [[0, 0, -1], [0, 0, 0], [1, 2, 3]]
    for chosen in (
        recent_rows(rows, 2, np.array([9, 9, 9, 9, 1, 2, 3])),
        popular_rows(rows, 2),
        longest_rows(rows, 2),
    ):
        assert chosen.tolist() == [1, 2]


def test_embeddings_are_means_of_hidden_states_of_length_one(monkeypatch):
    monkeypatch.setattr(coresets, "BATCH", 4)  # The last batch is not full.
    learner = toy_log.bigrams(jax.random.key(0))
    lists = np.random.default_rng(0).integers(toy_log.TOKENS, size=(5, 6)).tolist()
    rows = windows(Sequences.from_lists([*lists, [1, 2, 3]], toy_log.log().vocabulary), 2)
    assert len(rows) == 5 * 3 + 1
    assert len(rows.full) == 5 * 2 + 1
    table, matrix = np.asarray(learner.embedding), np.asarray(learner.matrix)
    wanted = []
    for ids in rows[rows.full]:
        mean = np.mean([table[token] @ matrix for token in ids[:-1]], axis=0)
        wanted.append(mean / np.sqrt((mean**2).sum()))
    np.testing.assert_allclose(embeddings(learner, rows), wanted, rtol=1e-4, atol=1e-6)


def test_embeddings_of_nothing_but_zeros_are_zeros():
    learner = jax.tree.map(lambda leaf: 0 * leaf, toy_log.bigrams(jax.random.key(0)))
    made = embeddings(learner, windows(toy_log.log(3), 11))
    np.testing.assert_array_equal(made, np.zeros((3, 6)))


def distances(points):
    return np.array([[np.sqrt(((one - two) ** 2).sum()) for two in points] for one in points])


def to_nearest(points, chosen):
    """Of each point, its distance to the nearest of those chosen."""
    return distances(points)[:, chosen].min(axis=1)


@given(points=POINTS, share=st.floats(0, 1))
def test_each_k_centre_is_the_farthest_from_those_before(points, share):
    count = max(round(share * len(points)), 1)
    chosen = k_centre_rows(points, count).tolist()
    assert len(set(chosen)) == len(chosen) == count
    to_mean = np.sqrt(((points - points.mean(axis=0)) ** 2).sum(axis=1))
    assert to_mean[chosen[0]] <= to_mean.min() + 1e-12
    for place in range(1, count):
        left = to_nearest(points, chosen[:place])
        assert left[chosen[place]] >= left.max() - 1e-12


@pytest.mark.parametrize("seed", range(5))
def test_k_centres_are_those_of_the_plain_greedy_search(seed):
    points = np.random.default_rng(seed).normal(size=(25, 3))
    wanted = [int(np.argmin(((points - points.mean(axis=0)) ** 2).sum(axis=1)))]
    while len(wanted) < 12:
        wanted.append(int(to_nearest(points, wanted).argmax()))
    assert k_centre_rows(points, 12).tolist() == wanted


def covered(points, chosen):
    """What facility location maximises: of each point its highest similarity to one chosen."""
    return sum(max(1 + float(one @ points[place]) for place in chosen) for one in points)


def gains(points, chosen):
    """Of each point that is left, what is covered with it too."""
    left = set(range(len(points))) - set(chosen)
    return {place: covered(points, [*chosen, place]) for place in left}


@given(points=POINTS, share=st.floats(0, 1))
def test_each_facility_adds_as_much_as_any_could(points, share):
    points = points / np.maximum(np.linalg.norm(points, axis=1, keepdims=True), 1e-12)
    count = max(round(share * len(points)), 1)
    chosen = facility_location_rows(points, count).tolist()
    assert len(set(chosen)) == len(chosen) == count
    for place in range(count):
        possible = gains(points, chosen[:place])
        assert possible[chosen[place]] >= max(possible.values()) - 1e-9


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("block", [1, 60, 2**22])
def test_facilities_are_those_of_the_plain_greedy_search(monkeypatch, seed, block):
    monkeypatch.setattr(coresets, "BLOCK", block)
    points = np.random.default_rng(seed).normal(size=(20, 3))
    points /= np.linalg.norm(points, axis=1, keepdims=True)
    wanted = []
    while len(wanted) < 10:
        possible = gains(points, wanted)
        wanted.append(max(possible, key=lambda place: possible[place]))
    assert facility_location_rows(points, 10).tolist() == wanted


def arm(kind, length, count=4):
    """Of rows cut from sequences of ten events, chosen by a learner that reads eight."""
    task = Task.of(leave_last_out(toy_log.log(8)), 8)
    teacher = SASRec(toy_log.TOKENS, width=4, layers=1, length=8, key=jax.random.key(0))
    return task, subset_arm(kind, task, count, length, Training(), teacher=teacher)


@pytest.mark.parametrize("kind", ["k-centre", "facility-location"])
def test_rows_chosen_by_embeddings_are_rows_of_the_data(kind):
    task, chosen = arm(kind, 6)
    rows = windows(task.train, 6)
    every = {tuple(ids) for ids in rows[rows.full].tolist()}
    assert len(rows) > len(rows.full) == 8  # The padded ones come first in each sequence.
    assert chosen.tokens.shape == (4, 7)
    assert {tuple(ids) for ids in chosen.tokens.tolist()} <= every


@pytest.mark.parametrize("kind", ["k-centre", "facility-location"])
def test_more_than_there_are_is_refused_by_embeddings_too(kind):
    with pytest.raises(ValueError, match=r"9 full sequences of 7 events.*hold 8; ask for fewer"):
        arm(kind, 6, count=9)


def test_where_no_row_is_long_enough_embeddings_refuse_likewise():
    with pytest.raises(ValueError, match=r"4 full sequences of 12 events.*hold 0; ask for fewer"):
        arm("k-centre", 11)


def test_rows_as_long_as_the_context_can_be_chosen_by_embeddings():
    _, chosen = arm("k-centre", 8)
    assert chosen.tokens.shape == (4, 9)
