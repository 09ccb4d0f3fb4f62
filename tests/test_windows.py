import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from farzi.data import PADDING, Sequences, Vocabulary, batch_order, last_events, windows

LISTS = st.lists(st.integers(0, 12), max_size=5)


def numbered(lengths):
    """Sequences whose events are all different: 0, 1, 2, ... from the first to the last."""
    offsets = np.cumsum([0, *lengths])
    tokens = Vocabulary(tuple(map(str, range(offsets[-1]))))
    return Sequences.from_offsets(np.arange(offsets[-1], dtype=np.int32), offsets, tokens)


def is_padded_right(rows):
    real = rows != PADDING
    return (np.sort(real, axis=1)[:, ::-1] == real).all()


@given(lengths=LISTS, length=st.integers(1, 6))
def test_every_event_but_the_first_is_predicted_once(lengths, length):
    sequences = numbered(lengths)
    rows = windows(sequences, length)[:]
    predicted = rows[:, 1:][rows[:, 1:] != PADDING]
    assert sorted(predicted) == [event for ids in sequences for event in ids[1:]]


@given(lengths=LISTS, length=st.integers(1, 6))
def test_rows_are_pieces_of_sequences(lengths, length):
    rows = windows(numbered(lengths), length)[:]
    assert rows.shape[1] == length + 1
    assert rows.dtype == np.int32
    assert is_padded_right(rows)
    for row in rows:
        real = row[row != PADDING]
        assert len(real) >= 2
        assert (np.diff(real) == 1).all()
    assert sum(PADDING in row for row in rows) <= sum(n >= 2 for n in lengths)


@given(lengths=LISTS, length=st.integers(1, 6))
def test_last_events_are_the_last(lengths, length):
    sequences = numbered(lengths)
    rows = last_events(sequences, length)
    assert rows.shape == (len(lengths), length)
    assert is_padded_right(rows)
    for row, ids in zip(rows, sequences, strict=True):
        assert row[row != PADDING].tolist() == ids.tolist()[-length:]


def test_a_window_predicts_something():
    with pytest.raises(ValueError, match=r"length is 0 .* use >= 1"):
        windows(numbered([3]), 0)


@given(
    rows=st.integers(1, 12),
    batch_size=st.integers(1, 15),
    steps=st.integers(1, 20),
    seed=st.integers(0, 99),
)
def test_batches_hold_every_row_once_a_pass(rows, batch_size, steps, seed):
    order = batch_order(rows, batch_size, steps, seed=[seed])
    assert order.shape == (steps, min(batch_size, rows))
    assert order.dtype == np.int32
    drawn = order.reshape(-1)
    for begin in range(0, len(drawn) - rows + 1, rows):
        assert sorted(drawn[begin : begin + rows]) == list(range(rows))
    rest = drawn[len(drawn) // rows * rows :]
    assert len(set(rest)) == len(rest)
    again = batch_order(rows, batch_size, steps, seed=[seed])
    np.testing.assert_array_equal(order, again)


def test_another_seed_is_another_order():
    first, second = (batch_order(50, 10, 20, seed=[seed]) for seed in (0, 1))
    assert not np.array_equal(first, second)
    passes = first.reshape(-1, 50)
    assert not np.array_equal(passes[0], passes[1])


@given(rows=st.integers(1, 20), batch_size=st.integers(1, 25), cut=st.integers(1, 9))
def test_portions_of_an_order_join_to_the_whole(rows, batch_size, cut):
    whole = batch_order(rows, batch_size, 10, seed=[3])
    parts = [
        batch_order(rows, batch_size, cut, seed=[3]),
        batch_order(rows, batch_size, 10 - cut, seed=[3], first=cut),
    ]
    np.testing.assert_array_equal(np.concatenate(parts), whole)


def test_no_rows_are_refused():
    with pytest.raises(ValueError, match="no rows to train on"):
        batch_order(0, 4, 1, seed=[0])


def test_a_context_of_no_events_is_refused():
    with pytest.raises(ValueError, match="length is 0"):
        last_events(numbered([3]), 0)
