"""Ragged sequences of tokens."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from farzi.data.vocabulary import Vocabulary


@dataclass(frozen=True, eq=False)
class Sequences:
    """Sequences of token ids: each is a stretch of one long array, which may lie in a file.

    Parts of a data set are other stretches of the same array, so that nothing is copied.

    Attributes:
        values: token ids, int32 `[values]`.
        starts, ends: sequence `i` is `values[starts[i]:ends[i]]`; int64 `[sequences]`.
        vocabulary: what the ids stand for.
        loss_mask: which values a model is asked for, bool `[values]`; it reads the others, such as
            the prompts of a conversation. None if it is asked for all.

    Raises:
        ValueError: if a stretch does not lie within the values, or there is not one entry of the
            mask for each value.
    """

    values: np.ndarray
    starts: np.ndarray
    ends: np.ndarray
    vocabulary: Vocabulary
    loss_mask: np.ndarray | None = None

    def __post_init__(self) -> None:
        inside = (self.starts >= 0) & (self.starts <= self.ends) & (self.ends <= len(self.values))
        if len(self.starts) != len(self.ends) or not inside.all():
            raise ValueError(
                f"starts and ends must be stretches within the {len(self.values)} values; build "
                "them with Sequences.from_lists or Sequences.from_offsets."
            )
        if self.loss_mask is not None and len(self.loss_mask) != len(self.values):
            raise ValueError(
                f"the loss mask has {len(self.loss_mask)} entries for {len(self.values)} values; "
                "give one for each."
            )

    @classmethod
    def from_offsets(
        cls,
        values: np.ndarray,
        offsets: np.ndarray,
        vocabulary: Vocabulary,
        loss_mask: np.ndarray | None = None,
    ) -> Sequences:
        """Build from sequences laid end to end.

        Args:
            values: token ids, int32 `[values]`.
            offsets: where each sequence starts, and where the last one ends,
                int64 `[sequences + 1]`.
            vocabulary: what the ids stand for.
            loss_mask: which values a model is asked for, bool `[values]`.

        Raises:
            ValueError: if the offsets do not rise from 0 to the number of values, or an id is not
                in the vocabulary.
        """
        ends = (offsets[0], offsets[-1]) if offsets.size else None
        if ends != (0, len(values)) or np.any(np.diff(offsets) < 0):
            raise ValueError(
                f"offsets must rise from 0 to the number of values, {len(values)}; build them "
                "with Sequences.from_lists or from cumulated lengths."
            )
        vocabulary.check(values)
        return cls(values, offsets[:-1], offsets[1:], vocabulary, loss_mask)

    @classmethod
    def from_lists(
        cls, sequences: Iterable[Sequence[int] | np.ndarray], vocabulary: Vocabulary
    ) -> Sequences:
        """Build from one list of ids per sequence."""
        lists = [np.asarray(sequence, dtype=np.int32) for sequence in sequences]
        offsets = np.cumsum([0, *(len(ids) for ids in lists)], dtype=np.int64)
        values = np.concatenate([np.empty(0, np.int32), *lists])
        return cls.from_offsets(values, offsets, vocabulary)

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
        return len(self.starts)

    def __getitem__(self, index: int) -> np.ndarray:
        if not 0 <= index < len(self):
            raise IndexError(f"there is no sequence {index}; they run from 0 to {len(self) - 1}.")
        return self.values[self.starts[index] : self.ends[index]]

    def __iter__(self) -> Iterator[np.ndarray]:
        return (self[i] for i in range(len(self)))

    @property
    def lengths(self) -> np.ndarray:
        """Events of each sequence, int64 `[sequences]`."""
        return self.ends - self.starts

    @property
    def events(self) -> int:
        """Events of all sequences together."""
        return int(self.lengths.sum())

    def flat(self) -> np.ndarray:
        """The ids of all sequences laid end to end, int32 `[events]`; a copy."""
        return np.concatenate([np.empty(0, np.int32), *self])

    def trim(self, last: int) -> Sequences:
        """The same sequences without their `last` events (shorter ones become empty)."""
        return replace(self, ends=np.maximum(self.ends - last, self.starts))

    def select(self, indices: np.ndarray) -> Sequences:
        """The sequences at `indices`, in that order."""
        return replace(self, starts=self.starts[indices], ends=self.ends[indices])
