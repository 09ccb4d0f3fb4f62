"""Which states of a loop are kept, and how the others come back: plain numbers, no arrays of it.

A reversal needs the state before step T - 1, then the one before step T - 2, and so on. There are a
few *places* that hold a state each; at first place 0 holds state 0. A *run* takes the state from a
place, makes steps, and puts the state it reaches in a place. A schedule lists the runs.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np


@dataclass(frozen=True, eq=False)
class Schedule:
    """How the states of a loop come back one by one.

    Attributes:
        places: how many states are held at once.
        forward: runs up to state T - 1, int32 `[runs, 4]`: place read, state there, state reached,
            place written.
        backward: further runs, likewise.
        first_run: int32 `[steps + 1]`; runs `first_run[i]` to `first_run[i + 1] - 1` of `backward`
            lead to the state before step T - 1 - i.
        place: int32 `[steps]`, where that state is then.
    """

    places: int
    forward: np.ndarray
    backward: np.ndarray
    first_run: np.ndarray
    place: np.ndarray


@dataclass
class _Draft:
    """A schedule being written down in the order in which things happen."""

    forward: list[tuple[int, int, int, int]] = field(default_factory=list)
    backward: list[tuple[int, int, int, int]] = field(default_factory=list)
    first_run: list[int] = field(default_factory=lambda: [0])
    place: list[int] = field(default_factory=list)

    def run(self, source: int, first: int, reached: int, target: int) -> None:
        runs = self.backward if self.place else self.forward
        runs.append((source, first, reached, target))

    def take(self, place: int) -> None:
        """The state in `place` is the one that is needed next."""
        self.place.append(place)
        self.first_run.append(len(self.backward))

    def schedule(self, places: int) -> Schedule:
        return Schedule(
            places,
            np.array(self.forward, np.int32).reshape(-1, 4),
            np.array(self.backward, np.int32).reshape(-1, 4),
            np.array(self.first_run, np.int32),
            np.array(self.place, np.int32),
        )


def uniform(steps: int, every: int) -> Schedule:
    """Every `every`-th state is kept on the way, and all states of a segment once it is needed."""
    draft = _Draft()
    starts = range(0, steps, every)
    for segment, start in enumerate(starts[1:]):
        draft.run(segment, start - every, start, segment + 1)
    for segment, start in reversed(list(enumerate(starts))):
        length = min(every, steps - start)
        # Offset 0 is kept already; offset i > 0 goes to place `len(starts) + i - 1`.
        places = [segment, *range(len(starts), len(starts) + length - 1)]
        for i in range(1, length):
            draft.run(places[i - 1], start + i - 1, start + i, places[i])
        for place in reversed(places):
            draft.take(place)
    return draft.schedule(len(starts) + min(every, steps) - 1)


def binomial(steps: int, levels: int) -> Schedule:
    """As few places as possible with no step run more than `levels` times.

    The schedule of Griewank and Walther (2000, ACM TOMS 26, "Algorithm 799: revolve"), which makes
    the fewest steps in all for its number of places: about `sqrt(2 T)` places for two levels,
    `cbrt(6 T)` for three.
    """
    free = 0
    while _longest(free, levels) < steps:
        free += 1
    scratch = free + 1
    draft = _Draft()
    # Parts of the loop still to be reversed, the next one last: first state, which `kept` holds,
    # and the state after the last. Places above `kept` are free.
    parts = [(0, steps, 0)]
    while parts:
        first, end, kept = parts.pop()
        length, free = end - first, scratch - 1 - kept
        if length == 1:
            draft.take(kept)
        elif free == 0:
            for t in range(end - 1, first, -1):
                draft.run(kept, first, t, scratch)
                draft.take(scratch)
            draft.take(kept)
        else:
            middle = first + _split(length, free)
            draft.run(kept, first, middle, kept + 1)
            parts += [(first, middle, kept), (middle, end, kept + 1)]
    return draft.schedule(scratch + 1)


def _longest(free: int, levels: int) -> int:
    """The longest part that `free` places reverse with no step run more than `levels` times."""
    return math.comb(free + 1 + levels, levels)


def _split(length: int, free: int) -> int:
    """How many steps to run before a state is kept, so that the fewest are made in all.

    The rest has one place less, and the steps before it will be run once more.
    """
    levels = 1
    while _longest(free, levels) < length:
        levels += 1
    shortest = _longest(free, levels - 2) if levels > 1 else 1
    return max(length - _longest(free - 1, levels), shortest)
