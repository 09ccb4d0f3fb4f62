import pytest
from hypothesis import given
from hypothesis import strategies as st

from farzi.data import Sequences, Vocabulary, leave_last_out

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
    assert PLANTED not in test.train.values
    assert PLANTED not in test.validation.contexts.values
    assert PLANTED not in test.validation.targets
    assert PLANTED not in test.test.contexts.values
    assert set(test.test.targets) == {PLANTED}
    validation = split_of([[*ids[:-2], PLANTED, ids[-1]] for ids in lists])
    assert PLANTED not in validation.train.values
    assert PLANTED not in validation.validation.contexts.values
    assert set(validation.validation.targets) == {PLANTED}


def test_nothing_to_ask():
    with pytest.raises(ValueError, match=r"none of the 2 sequences has three events.*use longer"):
        split_of([[1, 2], [3]])
