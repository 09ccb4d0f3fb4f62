import numpy as np
import pytest

from farzi.coresets import random_rows
from farzi.data import Sequences, Vocabulary, windows

TOKENS = Vocabulary(tuple("abcd"))
ROWS = windows(Sequences.from_lists([[0, 1], [1, 2], [2], [3, 0, 2]], TOKENS), 1)


def test_only_full_rows_are_drawn_and_none_twice():
    longer = windows(ROWS.sequences, 2)
    assert longer[random_rows(longer, 1, np.random.default_rng(0))].tolist() == [[3, 0, 2]]
    drawn = ROWS[random_rows(ROWS, 4, np.random.default_rng(0))]
    assert sorted(drawn.tolist()) == [[0, 1], [0, 2], [1, 2], [3, 0]]


def test_the_seed_decides():
    first, again = (random_rows(ROWS, 2, np.random.default_rng(1)) for _ in range(2))
    np.testing.assert_array_equal(first, again)


def test_more_than_there_are_is_refused():
    with pytest.raises(ValueError, match=r"5 full sequences of 2 events.*hold 4"):
        random_rows(ROWS, 5, np.random.default_rng(0))
