"""How the reverse pass gets the states of the inner loop back: one small object a strategy.

All of them give the exact derivative; they differ in memory and time only. `P` is the size of one
state: for Adam, three times the parameters.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import partial
from typing import Protocol, runtime_checkable

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float, Int, PyTree

from farzi.hypergradients.inner_loop import Cotangent, InnerLoop, State, blank, read, write

Result = tuple[Float[Array, ""], PyTree, Float[Array, " steps"]]
"""Outer loss, its gradient by the data, norms of the adjoint along the loop."""


@runtime_checkable
class Adjoint(Protocol):
    """A way to differentiate the end point of an inner loop."""

    def differentiate(self, loop: InnerLoop, params: PyTree, data: PyTree) -> Result:
        """Train from `params` on `data`, and take the derivative of the outer loss by `data`."""
        ...


@dataclass(frozen=True)
class StoreStates:
    """Keeps every state: memory `P T`. The fastest while it fits."""

    def differentiate(self, loop: InnerLoop, params: PyTree, data: PyTree) -> Result:
        """See `Adjoint`."""
        end, tape = loop.record(loop.start(params), data, 0, loop.steps, loop.steps)
        loss, cotangent = loop.cotangent(end, data)
        cotangent = loop.rewind(tape, data, 0, loop.steps, cotangent)
        return loss, cotangent.data, cotangent.norms


@dataclass(frozen=True)
class Checkpointed:
    """Keeps every `every`-th state and recomputes those between: `P (T / every + every)`.

    Attributes:
        every: steps from one kept state to the next; None is the square root of T, which needs
            the least memory, `2 P sqrt(T)`. Costs one more forward pass.

    Raises:
        ValueError: if `every` is not positive.
    """

    every: int | None = None

    def __post_init__(self) -> None:
        if self.every is not None and self.every < 1:
            raise ValueError(
                f"Checkpointed(every={self.every}) keeps no state; use every >= 1, or None for "
                "the square root of the number of steps."
            )

    def differentiate(self, loop: InnerLoop, params: PyTree, data: PyTree) -> Result:
        """See `Adjoint`."""
        every = min(self.every or math.ceil(math.sqrt(loop.steps)), loop.steps)
        segments = math.ceil(loop.steps / every)

        def bounds(segment: Int[Array, ""]) -> tuple[Int[Array, ""], Int[Array, ""]]:
            return segment * every, jnp.minimum((segment + 1) * every, loop.steps)

        def forward(segment: Int[Array, ""], carry: tuple[State, State]) -> tuple[State, State]:
            state, kept = carry
            return loop.advance(state, data, *bounds(segment)), write(kept, segment, state)

        def backward(i: Int[Array, ""], cotangent: Cotangent) -> Cotangent:
            segment = segments - 1 - i
            first, last = bounds(segment)
            _, tape = loop.record(read(kept, segment), data, first, last, every)
            return loop.rewind(tape, data, first, last, cotangent)

        start = loop.start(params)
        end, kept = lax.fori_loop(0, segments, forward, (start, blank(start, segments)))
        loss, cotangent = loop.cotangent(end, data)
        cotangent = lax.fori_loop(0, segments, backward, cotangent)
        return loss, cotangent.data, cotangent.norms


@dataclass(frozen=True)
class Unrolled:
    """Plain automatic differentiation of the loop, which keeps all activations of all steps.

    The oracle that the others are tested against, and the baseline of the benchmarks.
    """

    def differentiate(self, loop: InnerLoop, params: PyTree, data: PyTree) -> Result:
        """See `Adjoint`."""
        start = loop.start(params)

        def outer(data: PyTree, probes: Float[Array, " steps"]) -> Float[Array, ""]:
            def body(state: State, inputs: tuple[Array, Array]) -> tuple[State, None]:
                t, probe = inputs
                gradient = jax.grad(loop.inner_loss)(state.params, data, t)
                return loop.update(_watched(loop, gradient, probe), state), None

            end, _ = lax.scan(body, start, (jnp.arange(loop.steps), probes))
            return loop.outer_loss(end.params)

        probes = jnp.zeros(loop.steps, jax.eval_shape(loop.outer_loss, params).dtype)
        loss, (gradient, norms) = jax.value_and_grad(outer, argnums=(0, 1))(data, probes)
        return loss, gradient, norms


@partial(jax.custom_vjp, nondiff_argnums=(0,))
def _watched(loop: InnerLoop, gradient: PyTree, probe: Float[Array, ""]) -> PyTree:
    """`gradient` itself; going back, its cotangent is clipped and its norm left in `probe`."""
    return gradient


def _watched_forward(
    loop: InnerLoop, gradient: PyTree, probe: Float[Array, ""]
) -> tuple[PyTree, None]:
    return gradient, None


def _watched_backward(loop: InnerLoop, _: None, cotangent: PyTree) -> tuple[PyTree, Array]:
    return loop.clip(cotangent)


_watched.defvjp(_watched_forward, _watched_backward)
