"""Numbers as tokens: each stands for the numbers between two edges."""

from __future__ import annotations

import itertools
import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np


@dataclass(frozen=True, eq=False)
class Bins:
    """A partition of the numbers; the first bin has no lower end, and the last no upper one.

    >>> bins = Bins(np.array([0.5, 1.25]), np.array([0.0, 1.0, 3.0]))
    >>> bins.encode([0.2, 0.5, 9.0]).tolist(), bins.tokens[1]
    ([0, 1, 2], '[0.5, 1.25)')

    Attributes:
        edges: where a bin ends and the next begins, to which it belongs; float64 `[bins - 1]`.
        values: the number that stands for each bin, the median of those that it was learned from;
            float64 `[bins]`.

    Raises:
        ValueError: if the edges do not rise, or a value does not lie in its bin.
    """

    edges: np.ndarray
    values: np.ndarray

    def __post_init__(self) -> None:
        if self.edges.ndim != 1 or self.values.shape != (len(self.edges) + 1,):
            raise ValueError(
                f"the bins have edges of shape {self.edges.shape} and values of shape "
                f"{self.values.shape}; give one value more than edges."
            )
        finite = np.isfinite(self.edges).all() and np.isfinite(self.values).all()
        if not (finite and np.all(np.diff(self.edges) > 0)):
            raise ValueError("the edges of bins rise and are finite; give such.")
        if np.any(self.encode(self.values) != np.arange(len(self))):
            raise ValueError("a value does not lie in its bin; give one that does.")

    def __len__(self) -> int:
        return len(self.values)

    def encode(self, numbers: Sequence[float] | np.ndarray) -> np.ndarray:
        """Ids of the bins that numbers lie in, int32 of the numbers' shape.

        Raises:
            ValueError: if a number is not finite.
        """
        numbers = np.asarray(numbers, np.float64)
        if not np.isfinite(numbers).all():
            raise ValueError("a number is infinite or none at all (NaN); leave it out.")
        return np.searchsorted(self.edges, numbers, side="right").astype(np.int32)

    def decode(self, ids: Sequence[int] | np.ndarray) -> np.ndarray:
        """The numbers that stand for bins, float64 of the ids' shape.

        Raises:
            ValueError: if there is no bin of that id, as for padding.
        """
        ids = np.asarray(ids, np.int64)
        if ids.size and not 0 <= ids.min() <= ids.max() < len(self):
            raise ValueError(
                f"ids run from {ids.min()} to {ids.max()}, but there are {len(self)} bins; leave "
                "out padding, and decode with the bins that encoded."
            )
        return self.values[ids]

    @cached_property
    def tokens(self) -> tuple[str, ...]:
        """Names of the bins, with as many digits as tell the edges apart."""
        written = ([f"{edge:.{digits}g}" for edge in self.edges] for digits in range(6, 18))
        edges = next(edges for edges in written if len(set(edges)) == len(edges))
        ends = itertools.pairwise(["-inf", *edges, "inf"])
        return tuple(f"[{low}, {high})" for low, high in ends)

    def json(self) -> str:
        """As `from_json` reads it, to the last digit."""
        return json.dumps({"edges": self.edges.tolist(), "values": self.values.tolist()})

    @classmethod
    def from_json(cls, text: str) -> Bins:
        """The bins that `json` wrote.

        Raises:
            ValueError: if the text is something else.
        """
        try:
            found = json.loads(text)
            return cls(*(np.array(found[name], np.float64) for name in ("edges", "values")))
        except (KeyError, TypeError) as error:
            raise ValueError(f"there are no edges and values ({error})") from None


def quantile_bins(numbers: np.ndarray, counts: np.ndarray, bins: int) -> Bins:
    """Bins with about equally many numbers each; fewer where equal numbers leave some empty.

    Args:
        numbers: that are to be told apart, each once, in rising order; float64 `[numbers]`.
        counts: how often each comes in what is learned from; int64 `[numbers]`.
        bins: how many there are to be.

    Raises:
        ValueError: if there are not two different numbers to learn from.
    """
    numbers, counts = numbers[counts > 0], counts[counts > 0]
    if len(numbers) < 2:
        found = f"only {numbers[0]:g}" if len(numbers) else "none"
        raise ValueError(
            f"of the numbers to learn bins from there is {found}; name another column with --item, "
            "or use another split."
        )
    ends = np.cumsum(counts)
    total = ends[-1]

    def at(places: np.ndarray) -> np.ndarray:
        """Those at some places, were each number written as often as it comes."""
        return numbers[np.searchsorted(ends, places, side="right")]

    edges = np.unique(at(np.arange(1, bins) * total // bins))
    edges = edges[edges > numbers[0]]
    if not len(edges):  # More than half of all numbers are the least one.
        edges = numbers[1:2]
    starts = np.concatenate([[0], ends[np.searchsorted(numbers, edges) - 1], [total]])
    middles = (starts[:-1] + starts[1:] - 1) // 2
    return Bins(edges + 0.0, at(middles) + 0.0)  # Zero without a sign.
