"""Which events a model may learn from, and which it is judged on."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from farzi.data.sequences import Sequences

# What a random stream is for stands before its seed, so that no two purposes share a stream.
_BY_SEQUENCE = 301


@dataclass(frozen=True, eq=False)
class HeldOut:
    """Next-event questions: given `contexts[i]`, which event is `targets[i]`?

    Attributes:
        contexts: what the model may read.
        targets: ids of the events to predict, int32 `[questions]`.
    """

    contexts: Sequences
    targets: np.ndarray

    def __post_init__(self) -> None:
        if len(self.contexts) != len(self.targets) or np.any(self.contexts.lengths == 0):
            raise ValueError(
                "a question needs one target and at least one event before it; leave out those "
                "without."
            )

    def __len__(self) -> int:
        return len(self.targets)


@dataclass(frozen=True, eq=False)
class Split:
    """Training sequences and the questions for validation and test.

    Attributes:
        train: all that may be learned from.
        validation, test: the questions.
        too_short: sequences with too few events to be asked about; they stay in `train`.
    """

    train: Sequences
    validation: HeldOut
    test: HeldOut
    too_short: int


@dataclass(frozen=True, eq=False)
class Cuts:
    """Where in its values the parts of each sequence end.

    A part for validation or test is asked about once: what is its last event, given all that came
    before in the sequence?

    Attributes:
        train: ends of the parts to learn from, int64 `[sequences]`.
        validation: ends of the parts for validation, likewise; the rest is for the test.
    """

    train: np.ndarray
    validation: np.ndarray

    def split(self, sequences: Sequences) -> Split:
        """The sequences cut there.

        Raises:
            ValueError: if a cut lies outside its sequence, or there is nothing to learn from or
                nothing to ask.
        """
        ends = (sequences.starts, self.train, self.validation, sequences.ends)
        if any(np.any(one > next) for one, next in itertools.pairwise(ends)):
            raise ValueError("a sequence is cut outside of its events; cut it again.")
        train = replace(sequences, ends=self.train)
        asked = [
            np.flatnonzero((end > before) & (end - sequences.starts >= 2))
            for before, end in itertools.pairwise(ends[1:])
        ]
        parts = {"learn from": train.events, "validate": len(asked[0]), "test": len(asked[1])}
        if not all(parts.values()):
            nothing = next(part for part, count in parts.items() if not count)
            raise ValueError(
                f"the split leaves nothing to {nothing}: of {len(sequences)} sequences "
                f"{np.sum(sequences.lengths >= 3)} have three events; use longer or more "
                "sequences, or another split."
            )
        validation, test = (
            _last_of(replace(sequences, ends=end).select(which))
            for end, which in zip(ends[2:], asked, strict=True)
        )
        unasked = len(sequences) - len(np.union1d(*asked))
        return Split(train, validation, test, unasked)

    def part(self, sequences: Sequences, which: Literal["validation", "test"]) -> Sequences:
        """What is held out, each part by itself: text whose every token is to be predicted."""
        before, after = {
            "validation": (self.train, self.validation),
            "test": (self.validation, sequences.ends),
        }[which]
        held_out = np.flatnonzero(after > before)
        return replace(sequences, starts=before, ends=after).select(held_out)


def _last_of(sequences: Sequences) -> HeldOut:
    return HeldOut(sequences.trim(1), sequences.values[sequences.ends - 1].astype(np.int32))


def leave_last_out(sequences: Sequences) -> Split:
    """The last event of each sequence is its test, the one before its validation.

    The test question may read the validation event, as is usual (Kang and McAuley 2018,
    arXiv 1808.09781). Sequences of fewer than three events are not asked about.

    Raises:
        ValueError: if no sequence has three events.
    """
    return last_out(sequences).split(sequences)


def last_out(sequences: Sequences) -> Cuts:
    """The cuts of `leave_last_out`."""
    long = sequences.lengths >= 3
    return Cuts(sequences.ends - 2 * long, sequences.ends - long)


def at_times(
    sequences: Sequences, times: np.ndarray, *, validation: float = 0.1, test: float = 0.1
) -> Cuts:
    """What happens from some moment on is for validation, and from a later one for the test.

    Nothing is learned from what lies after anything that is asked: the honest split.

    Args:
        sequences: laid end to end, each in the order of time.
        times: of each event.
        validation: share of the events.
        test: likewise.
    """
    moments = np.quantile(times, [1 - validation - test, 1 - test], method="higher")
    cuts = []
    for moment in moments:
        earlier = np.concatenate([[0], np.cumsum(times < moment)])
        cuts.append(sequences.starts + earlier[sequences.ends] - earlier[sequences.starts])
    return Cuts(*cuts)


def by_position(sequences: Sequences, *, validation: float = 0.1, test: float = 0.1) -> Cuts:
    """The end of each sequence is for the test, and what comes before that for validation.

    Args:
        sequences: to be cut.
        validation: share of each sequence.
        test: likewise.
    """
    lengths = sequences.lengths
    tested = np.round(lengths * test).astype(np.int64)
    validated = np.round(lengths * validation).astype(np.int64)
    return Cuts(sequences.ends - tested - validated, sequences.ends - tested)


def by_sequence(
    sequences: Sequences, *, validation: float = 0.1, test: float = 0.1, seed: int = 0
) -> Cuts:
    """Some sequences are for validation, some for the test, drawn at random.

    Args:
        sequences: to draw from.
        validation: share of them.
        test: likewise.
        seed: of the draw.
    """
    validating, testing = drawn_sequences(
        len(sequences), validation=validation, test=test, seed=seed
    )
    train, for_validation = sequences.ends.copy(), sequences.ends.copy()
    train[validating] = sequences.starts[validating]
    train[testing] = for_validation[testing] = sequences.starts[testing]
    return Cuts(train, for_validation)


def drawn_sequences(
    count: int, *, validation: float = 0.1, test: float = 0.1, seed: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    """Numbers of the sequences that `by_sequence` draws for validation, and for the test.

    Args:
        count: of all sequences.
        validation: share of them.
        test: likewise.
        seed: of the draw.
    """
    order = np.random.default_rng([_BY_SEQUENCE, seed]).permutation(count)
    first = round(count * test)
    last = first + round(count * validation)
    return order[first:last], order[:first]


def leakage(sequences: Sequences, times: np.ndarray, cuts: Cuts) -> float:
    """Share of the training events that lie after a test question's answer in time, on average.

    0 for `at_times`; half or so for `leave_last_out`, where sequences end at different times.
    """
    train = np.repeat(False, len(times))
    for start, end in zip(sequences.starts, cuts.train, strict=True):
        train[start:end] = True
    learned = np.sort(times[train])
    asked = (sequences.ends > cuts.validation) & (sequences.lengths >= 2)
    answers = times[sequences.ends[asked] - 1]
    return float(np.mean(1 - np.searchsorted(learned, answers, side="right") / len(learned)))
