import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from farzi.data import Cuts, Sequences, Vocabulary, at_times, by_sequence, leakage, leave_last_out

VOCABULARY = Vocabulary(tuple("abcdefgh"))
PLANTED = 7
LISTS = st.lists(st.lists(st.integers(0, 6), max_size=9), min_size=1, max_size=6)


def split_of(lists):
    return leave_last_out(Sequences.from_lists(lists, VOCABULARY))


@given(lists=LISTS.filter(lambda lists: any(len(ids) >= 3 for ids in lists)))
def test_every_event_has_one_place(lists):
    split = split_of(lists)
    asked = [ids for ids in lists if len(ids) >= 3]
    assert [ids.tolist() for ids in split.validation.contexts] == [ids[:-2] for ids in asked]
    assert split.validation.targets.tolist() == [ids[-2] for ids in asked]
    assert [ids.tolist() for ids in split.test.contexts] == [ids[:-1] for ids in asked]
    assert split.test.targets.tolist() == [ids[-1] for ids in asked]
    assert split.too_short == len(lists) - len(asked)
    assert len(split.test) == len(split.validation) == len(asked)
    assert [ids.tolist() for ids in split.train] == [
        ids[:-2] if len(ids) >= 3 else ids for ids in lists
    ]


@given(lists=LISTS.filter(lambda lists: all(len(ids) >= 3 for ids in lists)))
def test_what_is_held_out_is_not_learned_from(lists):
    test = split_of([[*ids[:-1], PLANTED] for ids in lists])
    assert PLANTED not in test.train.flat()
    assert PLANTED not in test.validation.contexts.flat()
    assert PLANTED not in test.validation.targets
    assert PLANTED not in test.test.contexts.flat()
    assert set(test.test.targets) == {PLANTED}
    validation = split_of([[*ids[:-2], PLANTED, ids[-1]] for ids in lists])
    assert PLANTED not in validation.train.flat()
    assert PLANTED not in validation.validation.contexts.flat()
    assert set(validation.validation.targets) == {PLANTED}


def test_nothing_to_ask():
    with pytest.raises(
        ValueError, match=r"nothing to validate: of 2 sequences 0 have three.*use longer"
    ):
        split_of([[1, 2], [3]])


def log(lengths, seed=0):
    """Sequences with times that rise in each, and begin anywhere."""
    rng = np.random.default_rng(seed)
    lists = [rng.integers(7, size=length) for length in lengths]
    times = [np.sort(rng.integers(1000, size=length)) for length in lengths]
    return Sequences.from_lists(lists, VOCABULARY), np.concatenate(times)


@given(lengths=st.lists(st.integers(0, 20), min_size=20, max_size=40), seed=st.integers(0, 9))
def test_a_cut_in_time_learns_from_nothing_later(lengths, seed):
    sequences, times = log([12, *lengths], seed)
    cuts = at_times(sequences, times, validation=0.2, test=0.2)
    place = np.arange(len(times))
    of = np.repeat(np.arange(len(sequences)), sequences.lengths)
    learned = times[place < cuts.train[of]]
    validated = times[(place >= cuts.train[of]) & (place < cuts.validation[of])]
    tested = times[place >= cuts.validation[of]]
    assert max(learned, default=-1) < min(validated, default=1001)
    assert max(validated, default=-1) < min(tested, default=1001)
    assert len(tested) == pytest.approx(0.2 * len(times), abs=5)  # Ties stay together.
    assert leakage(sequences, times, cuts) == 0


def test_a_split_by_sequence_keeps_whole_sequences_apart():
    sequences, _ = log([5] * 40)
    split = by_sequence(sequences, validation=0.1, test=0.2).split(sequences)
    assert (len(split.validation), len(split.test)) == (4, 8)
    assert sorted(split.train.lengths) == [0] * 12 + [5] * 28
    again = by_sequence(sequences, validation=0.1, test=0.2).split(sequences)
    other = by_sequence(sequences, validation=0.1, test=0.2, seed=1).split(sequences)
    assert split.train.ends.tolist() == again.train.ends.tolist() != other.train.ends.tolist()


def test_leakage_is_the_share_of_what_is_learned_from_later():
    sequences = Sequences.from_lists([[0, 1, 2], [3, 4, 5, 6]], VOCABULARY)
    times = np.array([1, 2, 3, 10, 20, 30, 40])
    cuts = Cuts(np.array([1, 5]), np.array([2, 6]))  # Learned from: 1, 10 and 20; asked: 3 and 40.
    assert leakage(sequences, times, cuts) == pytest.approx((2 / 3 + 0) / 2)


def test_cuts_outside_of_their_sequences():
    sequences = Sequences.from_lists([[0, 1, 2], [3, 4, 5, 6]], VOCABULARY)
    with pytest.raises(ValueError, match="outside of its events; cut it again"):
        Cuts(np.array([2, 2]), np.array([2, 6])).split(sequences)
