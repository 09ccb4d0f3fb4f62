"""Ragged sequences of tokens."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from farzi.data.vocabulary import Vocabulary


@dataclass(frozen=True, eq=False)
class Sequences:
    """Sequences of token ids laid end to end.

    Attributes:
        values: token ids of all sequences, int32 `[events]`.
        offsets: where each sequence starts, int64 `[sequences + 1]`; sequence `i` is
            `values[offsets[i]:offsets[i + 1]]`.
        vocabulary: what the ids stand for.

    Raises:
        ValueError: if the offsets do not cover the values or an id lies outside the vocabulary.
    """

    values: np.ndarray
    offsets: np.ndarray
    vocabulary: Vocabulary

    def __post_init__(self) -> None:
        ends = (self.offsets[0], self.offsets[-1]) if self.offsets.size else None
        if ends != (0, len(self.values)) or np.any(np.diff(self.offsets) < 0):
            raise ValueError(
                f"offsets must rise from 0 to the number of values, {len(self.values)}; "
                "build them with Sequences.from_lists or from cumulated lengths."
            )
        if self.values.size and not 0 <= self.values.min() <= self.values.max() < len(
            self.vocabulary
        ):
            raise ValueError(
                f"token ids run from {self.values.min()} to {self.values.max()} but the "
                f"vocabulary has {len(self.vocabulary)} tokens; encode with that vocabulary."
            )

    @classmethod
    def from_lists(
        cls, sequences: Iterable[Sequence[int] | np.ndarray], vocabulary: Vocabulary
    ) -> Sequences:
        """Build from one list of ids per sequence."""
        lists = [np.asarray(sequence, dtype=np.int32) for sequence in sequences]
        offsets = np.cumsum([0, *(len(ids) for ids in lists)], dtype=np.int64)
        values = np.concatenate([np.empty(0, np.int32), *lists])
        return cls(values, offsets, vocabulary)

    @classmethod
    def from_tokens(cls, sequences: Sequence[Sequence[str]]) -> Sequences:
        """Build from one list of tokens per sequence; the vocabulary is theirs, sorted.

        >>> log = Sequences.from_tokens([["tea", "milk"], ["milk", "tea", "milk"]])
        >>> log.vocabulary.tokens, log[1].tolist()
        (('milk', 'tea'), [0, 1, 0])
        """
        lists = [list(sequence) for sequence in sequences]
        if any(isinstance(sequence, str) for sequence in sequences):
            raise ValueError(
                "a sequence is a list of tokens, not one string; split the text into tokens first."
            )
        vocabulary = Vocabulary(tuple(sorted({token for tokens in lists for token in tokens})))
        return cls.from_lists((vocabulary.encode(tokens) for tokens in lists), vocabulary)

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def __getitem__(self, index: int) -> np.ndarray:
        if not 0 <= index < len(self):
            raise IndexError(f"there is no sequence {index}; they run from 0 to {len(self) - 1}.")
        return self.values[self.offsets[index] : self.offsets[index + 1]]

    def __iter__(self) -> Iterator[np.ndarray]:
        return (self[i] for i in range(len(self)))

    @property
    def lengths(self) -> np.ndarray:
        """Events of each sequence, int64 `[sequences]`."""
        return np.diff(self.offsets)

    @property
    def events(self) -> int:
        """Events of all sequences together."""
        return len(self.values)

    def trim(self, last: int) -> Sequences:
        """The same sequences without their `last` events (shorter ones become empty)."""
        kept = np.maximum(self.lengths - last, 0)
        ends = np.repeat(self.offsets[:-1] + kept, self.lengths)
        mask = np.arange(self.events) < ends
        offsets = np.concatenate([[0], np.cumsum(kept)]).astype(np.int64)
        return Sequences(self.values[mask], offsets, self.vocabulary)

    def select(self, indices: np.ndarray) -> Sequences:
        """The sequences at `indices`, in that order."""
        return Sequences.from_lists((self[int(i)] for i in indices), self.vocabulary)
