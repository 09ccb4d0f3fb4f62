"""Plain automatic differentiation."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float, PRNGKeyArray, PyTree

from farzi.hypergradients.adjoint import Derivatives
from farzi.hypergradients.inner_loop import InnerLoop, State


@dataclass(frozen=True)
class Unrolled:
    """Plain automatic differentiation of the loop, which keeps all activations of all steps.

    The oracle that the others are tested against, and the baseline of the benchmarks.
    """

    def differentiate(
        self, loop: InnerLoop, params: PyTree, data: PyTree, key: PRNGKeyArray | None = None
    ) -> Derivatives:
        """See `Adjoint`."""

        def outer(data: PyTree, params: PyTree, probes: Float[Array, " steps"]) -> Float[Array, ""]:
            def body(state: State, inputs: tuple[Array, Array]) -> tuple[State, None]:
                t, probe = inputs
                gradient = _watched(loop, loop.gradient(state.params, data, t), probe)
                return loop.update(gradient, state, data), None

            start = loop.start(params, data)
            end, _ = lax.scan(body, start, (jnp.arange(loop.steps), probes))
            return loop.outer_loss(end.params)

        probes = jnp.zeros(loop.steps, loop.norm_dtype(params))
        loss, derivatives = jax.value_and_grad(outer, argnums=(0, 1, 2))(data, params, probes)
        return Derivatives(loss, *derivatives)


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
