"""A random window of the loop is differentiated instead of all of it."""

from __future__ import annotations

from dataclasses import dataclass

import jax
import jax.numpy as jnp
from jaxtyping import PRNGKeyArray, PyTree

from farzi.hypergradients.adjoint import Derivatives
from farzi.hypergradients.inner_loop import InnerLoop


@dataclass(frozen=True)
class Truncated:
    """Differentiates a window of the loop at a random place (RaT-BPTT, arXiv 2311.07025).

    The loop runs up to the end of the window, which is drawn evenly from all places where one fits,
    the outer loss is taken there, and only the steps within the window are differentiated; what
    came before counts as given. Biased by design: an approximation for long or chaotic loops. It
    keeps `window` states, and takes no step beyond the end of the window.

    Attributes:
        window: steps differentiated; loops that are no longer are differentiated exactly.

    Raises:
        ValueError: if `window` is not positive, or if there is no key to draw with.
    """

    window: int

    def __post_init__(self) -> None:
        if self.window < 1:
            raise ValueError(f"Truncated(window={self.window}) has no steps; use window >= 1.")

    def differentiate(
        self, loop: InnerLoop, params: PyTree, data: PyTree, key: PRNGKeyArray | None = None
    ) -> Derivatives:
        """See `Adjoint`."""
        if key is None:
            raise ValueError(
                "Truncated() draws the place of its window but got no random key; give one: "
                "differentiate(start, data, batch, key=jax.random.key(0))."
            )
        window = min(self.window, loop.steps)
        last = jax.random.randint(key, (), window, loop.steps + 1)
        first = last - window
        state = loop.advance(loop.start(params, data), data, 0, first)
        end, tape = loop.record(state, data, first, last, window)
        loss, cotangent = loop.cotangent(end, data)
        cotangent = loop.rewind(tape, data, first, last, cotangent)
        # The state before the window is given, so its derivative goes no further.
        given = jax.tree.map(
            lambda leaf: jnp.where(first == 0, leaf, jnp.zeros_like(leaf)), cotangent.state
        )
        derivatives = loop.by_start(params, data, cotangent._replace(state=given))
        return Derivatives(loss, *derivatives, cotangent.norms)
