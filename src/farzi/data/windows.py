"""Sequences of any length as rows of one length, and rows as seeded batches."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from farzi.data.sequences import Sequences

PADDING = -1
"""The id that fills a row after its last event. It is no token."""


@dataclass(frozen=True, eq=False)
class Windows:
    """Rows of one length, cut from sequences when they are asked for; see `windows`.

    Attributes:
        sequences: what they are cut from.
        length: predictions a row.
        starts, ends: row `i` is `sequences.values[starts[i]:ends[i]]`; int64 `[rows]`.
    """

    sequences: Sequences
    length: int
    starts: np.ndarray
    ends: np.ndarray

    def __len__(self) -> int:
        return len(self.starts)

    def __getitem__(self, rows: np.ndarray | slice) -> np.ndarray:
        """The ids in these rows, int32 `[..., length + 1]`, padded right."""
        return self._fill(rows, self.sequences.values, np.int32(PADDING))

    # Python would read a number after the last row for ever: NumPy knows no end of a stretch.
    __iter__ = None

    def loss_mask(self, rows: np.ndarray | slice) -> np.ndarray | None:
        """Which places in these rows a model is asked for, bool `[..., length + 1]`.

        None if it is asked for all.
        """
        mask = self.sequences.loss_mask
        return None if mask is None else self._fill(rows, mask, np.False_)

    @property
    def full(self) -> np.ndarray:
        """Numbers of the rows without padding, int64."""
        return np.flatnonzero(self.ends - self.starts == self.length + 1)

    def _fill(
        self, rows: np.ndarray | slice, values: np.ndarray, padding: np.generic
    ) -> np.ndarray:
        ends = self.ends[rows][..., None]
        places = self.starts[rows][..., None] + np.arange(self.length + 1)
        inside = places < ends
        filled = np.full(places.shape, padding)
        filled[inside] = values[places[inside]]  # Reads nothing else, were it in a file.
        return filled


def windows(sequences: Sequences, length: int) -> Windows:
    """Cut every sequence into rows of `length + 1` events, so that each predicts `length` times.

    Neighbouring rows share one event, the last of one being the first of the next, so that every
    event but the first of its sequence is predicted exactly once. Rows are cut from the end of a
    sequence; only its earliest can be short, and is filled up on the right with `PADDING`. Rows in
    which nothing is asked for, by the loss mask, are left out.

    Args:
        sequences: of which those with fewer than two events give no row.
        length: predictions a row, at least 1.

    >>> from farzi.data import Sequences, Vocabulary
    >>> rows = windows(Sequences.from_lists([[0, 1, 2, 3]], Vocabulary(tuple("abcd"))), 2)
    >>> rows[:].tolist()
    [[0, 1, -1], [1, 2, 3]]
    """
    if length < 1:
        raise ValueError(f"length is {length} but a window predicts at least one event; use >= 1.")
    rows = np.maximum(-(-(sequences.lengths - 1) // length), 0)
    first = np.cumsum(rows) - rows
    left = np.repeat(rows + first, rows) - 1 - np.arange(rows.sum())  # Later rows of the sequence.
    ends = np.repeat(sequences.ends, rows) - left * length
    starts = np.maximum(ends - length - 1, np.repeat(sequences.starts, rows))
    if sequences.loss_mask is not None:
        before = np.concatenate([[0], np.cumsum(sequences.loss_mask)])
        asked = before[ends] > before[starts + 1]
        starts, ends = starts[asked], ends[asked]
    return Windows(sequences, length, starts, ends)


def last_events(sequences: Sequences, length: int) -> np.ndarray:
    """The last `length` events of each sequence, int32 `[sequences, length]`, padded.

    Raises:
        ValueError: if `length` is less than one.
    """
    if length < 1:
        raise ValueError(f"length is {length} but a model reads at least one event; use >= 1.")
    starts = np.maximum(sequences.ends - length, sequences.starts)
    return Windows(sequences, length - 1, starts, sequences.ends)[:]


def batch_order(
    rows: int, batch_size: int, steps: int, *, seed: Sequence[int], first: int = 0
) -> np.ndarray:
    """Row numbers of `steps` batches: every row once, in random order, then again in another.

    A batch never holds a row twice save where one pass ends and the next begins. With fewer rows
    than `batch_size` a batch is all rows.

    Args:
        rows: to draw from, at least 1.
        batch_size: rows in a batch.
        steps: how many batches.
        seed: decides on the order.
        first: how many batches of the same order were drawn before, so that a training may fetch
            its batches in portions of any size.

    Returns:
        int32 `[steps, min(batch_size, rows)]`.

    Raises:
        ValueError: if there are no rows.
    """
    if rows < 1:
        raise ValueError("there are no rows to train on; give at least one window of two events.")
    size = min(batch_size, rows)
    begin, end = first * size, (first + steps) * size
    passes = range(begin // rows, -(-end // rows))
    order = np.concatenate(
        [np.random.default_rng([*seed, p + 1]).permutation(rows) for p in passes]
    )
    skipped = begin - passes.start * rows
    return order[skipped : skipped + steps * size].reshape(steps, size).astype(np.int32)
