"""`farzi inspect`: what is in a distilled set, for a person."""

from __future__ import annotations

from typing import Any

import numpy as np
from rich import box
from rich.table import Table

from farzi.data import Sequences, windows
from farzi.distilled import Dense, OwnLabels, Tucker
from farzi.plain_text import plain_text
from farzi.report.transitions import (
    correlation,
    expected_transitions,
    most_frequent,
    row_shares,
    total_variation,
)
from farzi.report.wording import readable
from farzi.storage import DistilledData

_WIDTH = 100
_TRANSITIONS = 8
"""Tokens whose transitions are shown."""
_WINDOWS = 2**16
"""Real sequences compared with at a time."""


def inspect(
    data: DistilledData,
    real: Sequences | None = None,
    *,
    sequences: int = 3,
    top: int = 3,
    seed: int = 0,
) -> str:
    """A description in words and tables.

    Args:
        data: what to describe.
        real: what it was distilled from, to compare it with.
        sequences: how many of its sequences are shown.
        top: tokens shown at each place.
        seed: of the sequences that are drawn.

    Raises:
        ValueError: if the two are not about the same tokens.
    """
    if real is not None:
        data.check_vocabulary(real.vocabulary)
    taught = np.asarray(data.probabilities(), np.float64)
    factors = data.factors
    inputs = np.asarray(factors.inputs) if isinstance(factors, OwnLabels) else None
    shown = range(min(sequences, len(taught)))
    parts = [_about(data, taught, own=inputs is not None), _positions(taught, inputs)]
    parts += [_sequence(data, taught, inputs, row, top) for row in shown]
    parts.append(_drawn(data, taught, inputs, shown, seed))
    if real is not None:
        parts.append(_nearest(data, taught, real, shown))
        parts.append(_transitions(taught, inputs, real))
    return "\n\n".join(parts)


def _about(data: DistilledData, taught: np.ndarray, *, own: bool) -> str:
    count, time, vocabulary = taught.shape
    learner = data.learner
    soft = data.soft
    kind = "dense" if isinstance(soft, Dense) else f"rank {soft.decoder.shape[0]}"
    if isinstance(soft, Tucker):
        kind += f" by Tucker's core of {' x '.join(map(str, soft.core.shape))}"
    named = f"Adam (eps {learner.eps:g})" if learner.name == "adam" else "SGD (momentum 0.9)"
    what = (
        "Learners read real tokens, and are asked for distilled labels."
        if own
        else "Learners read soft tokens, and are asked for the next one."
    )
    return (
        f"{count:,} sequences of {time} events over {vocabulary:,} tokens, in {data.bytes:,} bytes "
        f"({data.numbers}, {kind}). {what}\n"
        f"Made for {learner.steps} steps of {named} at {learner.rate:g} in batches of "
        f"{learner.batch_size}."
    )


def _positions(taught: np.ndarray, inputs: np.ndarray | None) -> str:
    table = _table("place", "bits", "as many tokens", "likeliest")
    first = 0 if inputs is None else 1  # What is read first is no label.
    for place in range(first, taught.shape[1]):
        bits = entropy(taught[:, place])
        table.add_row(
            str(place + 1),
            f"{bits.mean():.2f}",
            f"{np.exp2(bits).mean():.1f}",
            f"{taught[:, place].max(axis=1).mean():.0%}",
        )
    return _titled(
        "How sharp the distributions are: entropy, how many even tokens would have as much, and "
        "probability of the likeliest, means over the sequences.",
        table,
    )


def _sequence(
    data: DistilledData, taught: np.ndarray, inputs: np.ndarray | None, row: int, top: int
) -> str:
    table = _table("place", *([] if inputs is None else ["read"]), "asked for")
    for place, distribution in enumerate(taught[row]):
        first = np.argsort(-distribution, kind="stable")[:top]
        likely = ", ".join(f"{_word(data, one)} {distribution[one]:.0%}" for one in first)
        if inputs is None:
            table.add_row(str(place + 1), likely)
        else:
            asked = likely if place else ""
            table.add_row(str(place + 1), _word(data, inputs[row, place]), asked)
    return _titled(f"Sequence {row + 1}", table)


def _drawn(
    data: DistilledData, taught: np.ndarray, inputs: np.ndarray | None, shown: Any, seed: int
) -> str:
    table = _table("sequence", "drawn" if inputs is None else "labels drawn")
    generator = np.random.default_rng(seed)
    for row in shown:
        ids = draw(taught[row], generator)
        table.add_row(str(row + 1), " ".join(_word(data, one) for one in ids))
    return _titled("Drawn at random, each place by itself", table)


def _nearest(data: DistilledData, taught: np.ndarray, real: Sequences, shown: Any) -> str:
    table = _table("sequence", "probability", "real sequence")
    for row in shown:
        ids, mean = nearest(taught[row], real)
        if ids is None:
            return "No real sequence is as long as the distilled ones."
        words = " ".join(_word(data, one) for one in ids)
        table.add_row(str(row + 1), f"{mean:.0%}", words)
    return _titled(
        "Nearest real sequences: to whose tokens, place by place, the highest mean probability is "
        "given.",
        table,
    )


def _transitions(taught: np.ndarray, inputs: np.ndarray | None, real: Sequences) -> str:
    counts = np.zeros(taught.shape[-1:] * 2)
    for ids in real:
        np.add.at(counts, (ids[:-1], ids[1:]), 1)
    synthetic = expected_transitions(taught, inputs)
    tokens = most_frequent(counts, _TRANSITIONS)
    block = np.ix_(tokens, tokens)
    both = [row_shares(table)[block] for table in (counts, synthetic)]
    words = [readable(real.vocabulary.tokens[one], 8) for one in tokens]
    table = _table("real / distilled, %", *words)
    for word, one, other in zip(words, *both, strict=True):
        cells = (f"{100 * a:.0f}/{100 * b:.0f}" for a, b in zip(one, other, strict=True))
        table.add_row(word, *cells)
    return _titled(
        f"Which token (row) is followed by which (column), the {len(tokens)} most frequent ones. "
        f"Correlation of these {correlation(*both):.2f}; distance of all next-token distributions "
        f"(total variation, 0 to 1) {total_variation(counts, synthetic):.2f}.",
        table,
    )


def entropy(distributions: np.ndarray) -> np.ndarray:
    """In bits, of each of the distributions on the last axis."""
    return -np.sum(distributions * np.log2(np.maximum(distributions, 1e-300)), axis=-1)


def draw(distributions: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """A token from each distribution `[places, vocab]`."""
    cumulative = np.cumsum(distributions, axis=1)
    chance = generator.random((len(distributions), 1)) * cumulative[:, -1:]
    return np.sum(cumulative <= chance, axis=1)


def nearest(distributions: np.ndarray, real: Sequences) -> tuple[np.ndarray | None, float]:
    """The real window whose tokens have the highest mean probability, and that mean.

    Args:
        distributions: of one sequence, `[places, vocab]`.
        real: windows of as many events, one after the other, are taken from these.
    """
    rows = windows(real, len(distributions) - 1)
    best, highest = None, -1.0
    places = np.arange(len(distributions))
    for first in range(0, len(rows.full), _WINDOWS):
        ids = rows[rows.full[first : first + _WINDOWS]]
        means = distributions[places, ids].mean(axis=1)
        likeliest = int(np.argmax(means))
        if means[likeliest] > highest:
            best, highest = ids[likeliest], float(means[likeliest])
    return best, highest


def _word(data: DistilledData, token: int | np.integer) -> str:
    return readable(data.vocabulary.tokens[token], 16)


def _table(*columns: str) -> Table:
    return Table(*columns, box=box.SIMPLE_HEAD)


def _titled(title: str, table: Table) -> str:
    return f"{title}\n{plain_text(table, width=_WIDTH)}"
