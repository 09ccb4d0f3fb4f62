import numpy as np
import pytest

from farzi.coresets import random_rows

ROWS = np.array([[0, 1], [1, 2], [2, -1], [3, 0]], dtype=np.int32)


def test_only_full_rows_are_drawn_and_none_twice():
    drawn = random_rows(ROWS, 3, np.random.default_rng(0))
    assert sorted(drawn.tolist()) == [[0, 1], [1, 2], [3, 0]]


def test_the_seed_decides():
    first, again = (random_rows(ROWS, 2, np.random.default_rng(1)) for _ in range(2))
    np.testing.assert_array_equal(first, again)


def test_more_than_there_are_is_refused():
    with pytest.raises(ValueError, match=r"4 full sequences of 2 events.*hold 3"):
        random_rows(ROWS, 4, np.random.default_rng(0))
