"""Some states are kept, and those between recomputed when they are needed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Int, PRNGKeyArray, PyTree

from farzi.hypergradients.adjoint import Derivatives
from farzi.hypergradients.inner_loop import Cotangent, InnerLoop, State, blank, read, write
from farzi.hypergradients.schedule import Schedule, binomial, uniform


@dataclass(frozen=True)
class Checkpointed:
    """Keeps some states and recomputes those between them. Exact.

    Attributes:
        levels: how often a step is run at the most: 1 keeps all T states, 2 (the default) about
            `sqrt(2 T)`, 3 about `cbrt(6 T)` of them; each level costs up to one more forward pass
            (binomial checkpoints; `schedule.binomial`).
        every: keeps every `every`-th state instead, and as many again while it takes back the
            steps between two of them: `T / every + every` states, one more forward pass.

    Raises:
        ValueError: if a number is not positive, or both are given.
    """

    every: int | None = None
    levels: int | None = None

    def __post_init__(self) -> None:
        if self.every is not None and self.levels is not None:
            raise ValueError(
                f"Checkpointed got every={self.every} and levels={self.levels}, which are two "
                "ways to say what is kept; give one of them."
            )
        if self.every is not None and self.every < 1:
            raise ValueError(
                f"Checkpointed(every={self.every}) keeps no state; use every >= 1, or levels."
            )
        if self.levels is not None and self.levels < 1:
            raise ValueError(
                f"Checkpointed(levels={self.levels}) never runs a step; use levels >= 1."
            )

    def schedule(self, steps: int) -> Schedule:
        """What is kept and recomputed in a loop of this length."""
        if self.every is not None:
            return uniform(steps, self.every)
        return binomial(steps, self.levels or 2)

    def differentiate(
        self, loop: InnerLoop, params: PyTree, data: PyTree, key: PRNGKeyArray | None = None
    ) -> Derivatives:
        """See `Adjoint`."""
        schedule = self.schedule(loop.steps)
        first_run, place = jnp.asarray(schedule.first_run), jnp.asarray(schedule.place)

        def make(runs: np.ndarray, first: Any, last: Any, kept: State) -> State:
            """Runs `first` to `last - 1` of a table of them."""
            if not len(runs):
                return kept

            def run(r: Int[Array, ""], kept: State) -> State:
                source, begin, reached, target = jnp.asarray(runs)[r]
                return write(kept, target, loop.advance(read(kept, source), data, begin, reached))

            return lax.fori_loop(first, last, run, kept)

        def step_back(i: Int[Array, ""], carry: tuple[State, Cotangent]) -> tuple[State, Cotangent]:
            kept, cotangent = carry
            kept = make(schedule.backward, first_run[i], first_run[i + 1], kept)
            before = read(kept, place[i])
            return kept, loop.step_back(before, data, loop.steps - 1 - i, cotangent)

        start = loop.start(params, data)
        kept = write(blank(start, schedule.places), 0, start)
        kept = make(schedule.forward, 0, len(schedule.forward), kept)
        end = loop.step(read(kept, place[0]), data, jnp.asarray(loop.steps - 1))
        loss, cotangent = loop.cotangent(end, data)
        _, cotangent = lax.fori_loop(0, loop.steps, step_back, (kept, cotangent))
        return Derivatives(loss, *loop.by_start(params, data, cotangent), cotangent.norms)
