"""The tokens of a data set and their ids."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np


@dataclass(frozen=True)
class Vocabulary:
    """An ordered set of tokens; a token's id is its place in it.

    Padding is no token: it is written as id `farzi.data.PADDING` (-1), which has neither an
    embedding nor a place in any ranking.

    Raises:
        ValueError: if a token occurs twice.
    """

    tokens: tuple[str, ...]

    def __post_init__(self) -> None:
        if len(self._ids) != len(self.tokens):
            seen: set[str] = set()
            twice = next(t for t in self.tokens if t in seen or seen.add(t))
            raise ValueError(
                f"the vocabulary holds the token {twice!r} twice; give each token once."
            )

    @cached_property
    def _ids(self) -> dict[str, int]:
        return {token: i for i, token in enumerate(self.tokens)}

    def __len__(self) -> int:
        return len(self.tokens)

    def json(self) -> str:
        """As `from_json` reads it."""
        return json.dumps(self.tokens)

    @classmethod
    def from_json(cls, text: bytes) -> Vocabulary:
        """The vocabulary that `json` wrote.

        Raises:
            ValueError: if the text is something else.
        """
        tokens = json.loads(text)
        if not isinstance(tokens, list) or not all(isinstance(token, str) for token in tokens):
            raise ValueError("the vocabulary is no list of tokens")
        return cls(tuple(tokens))

    def encode(self, tokens: Iterable[str]) -> np.ndarray:
        """Ids of `tokens`, int32.

        Raises:
            ValueError: if a token is unknown.
        """
        try:
            return np.array([self._ids[token] for token in tokens], dtype=np.int32)
        except KeyError as error:
            raise ValueError(
                f"the vocabulary has no token {error.args[0]!r}; leave it out or add it."
            ) from None

    def check(self, ids: np.ndarray) -> None:
        """Raise if an id stands for no token, as padding does not.

        Raises:
            ValueError: then.
        """
        if ids.size and not 0 <= ids.min() <= ids.max() < len(self):
            raise ValueError(
                f"token ids run from {ids.min()} to {ids.max()} but the vocabulary has "
                f"{len(self)} tokens; encode with that vocabulary."
            )

    def decode(self, ids: Sequence[int] | np.ndarray) -> list[str]:
        """The tokens that `ids` stand for; padding is left out."""
        return [self.tokens[i] for i in ids if i >= 0]
