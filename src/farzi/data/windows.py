"""Sequences of any length as rows of one length, and rows as seeded batches."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from farzi.data.sequences import Sequences

PADDING = -1
"""The id that fills a row after its last event. It is no token."""


def windows(sequences: Sequences, length: int) -> np.ndarray:
    """Cut every sequence into rows of `length + 1` events, so that each predicts `length` times.

    Neighbouring rows share one event, the last of one being the first of the next, so that every
    event but the first of its sequence is predicted exactly once. Rows are cut from the end of a
    sequence; only its earliest can be short, and is filled up on the right with `PADDING`.

    Args:
        sequences: of which those with fewer than two events give no row.
        length: predictions a row, at least 1.

    Returns:
        int32 `[rows, length + 1]`.

    >>> from farzi.data import Sequences, Vocabulary
    >>> windows(Sequences.from_lists([[0, 1, 2, 3]], Vocabulary(tuple("abcd"))), 2).tolist()
    [[0, 1, -1], [1, 2, 3]]
    """
    if length < 1:
        raise ValueError(f"length is {length} but a window predicts at least one event; use >= 1.")
    rows = []
    for ids in sequences:
        ends = np.arange(len(ids) - 1, 0, -length)[::-1]
        for end in ends:
            rows.append(ids[max(end - length, 0) : end + 1])
    return pad(rows, length + 1)


def last_events(sequences: Sequences, length: int) -> np.ndarray:
    """The last `length` events of each sequence, int32 `[sequences, length]`, padded.

    Raises:
        ValueError: if `length` is less than one.
    """
    if length < 1:
        raise ValueError(f"length is {length} but a model reads at least one event; use >= 1.")
    return pad([ids[-length:] for ids in sequences], length)


def pad(rows: list[np.ndarray], width: int) -> np.ndarray:
    """Rows filled up on the right to `width` with `PADDING`, int32 `[rows, width]`."""
    filled = np.full((len(rows), width), PADDING, dtype=np.int32)
    for target, row in zip(filled, rows, strict=True):
        target[: len(row)] = row
    return filled


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
