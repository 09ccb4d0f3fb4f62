import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from farzi.data import Sequences, Vocabulary

VOCABULARY = Vocabulary(tuple("abcdefgh"))
LISTS = st.lists(st.lists(st.integers(0, 7), max_size=9), max_size=6)


def lists_of(sequences):
    return [ids.tolist() for ids in sequences]


@given(lists=LISTS)
def test_lists_come_back(lists):
    sequences = Sequences.from_lists(lists, VOCABULARY)
    assert lists_of(sequences) == lists
    assert sequences.lengths.tolist() == [len(ids) for ids in lists]
    assert (len(sequences), sequences.events) == (len(lists), sum(map(len, lists)))
    assert (sequences.values.dtype, sequences.starts.dtype) == (np.int32, np.int64)


@given(lists=LISTS, last=st.integers(0, 10))
def test_trim_drops_the_end(lists, last):
    trimmed = Sequences.from_lists(lists, VOCABULARY).trim(last)
    assert lists_of(trimmed) == [ids[: max(len(ids) - last, 0)] for ids in lists]


@given(lists=LISTS.filter(bool), data=st.data())
def test_select_keeps_the_order_asked_for(lists, data):
    indices = data.draw(st.lists(st.integers(0, len(lists) - 1)))
    selected = Sequences.from_lists(lists, VOCABULARY).select(np.array(indices, int))
    assert lists_of(selected) == [lists[i] for i in indices]


def test_vocabulary_of_tokens_is_sorted():
    log = Sequences.from_tokens([["tea", "milk"], [], ["milk", "ale"]])
    assert log.vocabulary.tokens == ("ale", "milk", "tea")
    assert [log.vocabulary.decode(ids) for ids in log] == [["tea", "milk"], [], ["milk", "ale"]]


@pytest.mark.parametrize("index", [-1, 2])
def test_a_sequence_that_is_not_there(index):
    with pytest.raises(IndexError, match="from 0 to 1"):
        Sequences.from_lists([[1], [2]], VOCABULARY)[index]


@pytest.mark.parametrize("offsets", [[], [0, 2], [1, 3], [0, 2, 1, 3], [0, 4]])
def test_offsets_must_cover_the_values(offsets):
    with pytest.raises(ValueError, match=r"from 0 to the number of values, 3; build them with"):
        Sequences.from_offsets(
            np.array([1, 2, 3], np.int32), np.array(offsets, np.int64), VOCABULARY
        )


@pytest.mark.parametrize("ids", [[0, 8], [-1, 3]])
def test_ids_must_lie_in_the_vocabulary(ids):
    with pytest.raises(ValueError, match=f"from {min(ids)} to {max(ids)} but .* has 8 tokens"):
        Sequences.from_lists([ids], VOCABULARY)
