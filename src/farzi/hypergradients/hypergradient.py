"""The derivative of a trained model's loss by the data it was trained on."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import equinox as eqx
import optax
from jaxtyping import Array, Float, Int, PyTree

from farzi.hypergradients.adjoints import Adjoint, Checkpointed
from farzi.hypergradients.inner_loop import InnerLoop


class Hypergradient(NamedTuple):
    """What one differentiation gives.

    Attributes:
        loss: the outer loss at the end of the inner loop.
        gradient: its derivative, with the structure of the data; None in place of whatever is no
            array of floating-point numbers.
        adjoint_norms: float `[steps]`; norm of the derivative by the gradient that each step
            used, before clipping. If it grows without bound toward the first steps, the inner
            loop is chaotic: lower its rate or shorten it.
    """

    loss: Float[Array, ""]
    gradient: PyTree
    adjoint_norms: Float[Array, " steps"]


def hypergradient(
    inner_loss: Callable[[PyTree, PyTree, Int[Array, ""]], Float[Array, ""]],
    outer_loss: Callable[[PyTree, PyTree], Float[Array, ""]],
    optimizer: optax.GradientTransformation,
    steps: int,
    adjoint: Adjoint | None = None,
    *,
    adjoint_clip: float | None = None,
) -> Callable[[PyTree, PyTree, PyTree], Hypergradient]:
    """A pure function that trains for `steps` and differentiates the result by the data.

    The exact derivative (docs/hypergradient.md) of

        outer_loss(w_T, batch),   w_{t+1} = optimizer(w_t, d inner_loss(w_t, data, t) / dw)

    It may be transformed by `jax.jit` and `jax.vmap`.

    Args:
        inner_loss: `(params, data, step) -> scalar`; `step` counts from 0 and is traced. It must
            be differentiable in forward mode too, so it may hold `jax.custom_jvp` but not
            `jax.custom_vjp`.
        outer_loss: `(params, batch) -> scalar`.
        optimizer: any optax optimiser. Each `sqrt` in it gets the derivative 0 at 0, so that Adam
            with `eps_root=0` gives no NaN for a coordinate without gradient. One that counts
            steps starts at zero in each call.
        steps: T, the number of inner steps.
        adjoint: how to get the inner states back, `Checkpointed()` if not given.
        adjoint_clip: clips, at every step of the reverse pass, the derivative by the gradient of
            that step to this norm. The result is then no longer the exact derivative, and tames
            long or rough inner loops. None: exact.

    Returns:
        A function `(start, data, batch) -> Hypergradient`, a tuple that begins
        `(loss, gradient)`. `start` and `data` are pytrees; whatever in them is no floating-point
        array is passed through and not differentiated.

    Raises:
        ValueError: if `steps` or `adjoint_clip` is not positive.

    >>> import jax.numpy as jnp, optax
    >>> fit = hypergradient(lambda w, x, t: (w - x) ** 2, lambda w, y: (w - y) ** 2,
    ...                     optax.sgd(0.25), steps=1)
    >>> fit(jnp.array(0.0), jnp.array(1.0), jnp.array(1.0)).gradient.item()  # 2 (x/2 - 1) / 2
    -0.5
    """
    if steps < 1:
        raise ValueError(f"steps is {steps}, but the inner loop takes at least one; use >= 1.")
    if adjoint_clip is not None and not adjoint_clip > 0:
        raise ValueError(
            f"adjoint_clip is {adjoint_clip}, which would stop every derivative; use a positive "
            "norm, or None for the exact hypergradient."
        )
    strategy = Checkpointed() if adjoint is None else adjoint

    def differentiate(start: PyTree, data: PyTree, batch: PyTree) -> Hypergradient:
        params, fixed_params = eqx.partition(start, eqx.is_inexact_array)
        variable, fixed_data = eqx.partition(data, eqx.is_inexact_array)
        loop = InnerLoop(
            inner_loss=lambda w, x, t: inner_loss(
                eqx.combine(w, fixed_params), eqx.combine(x, fixed_data), t
            ),
            outer_loss=lambda w: outer_loss(eqx.combine(w, fixed_params), batch),
            optimizer=optimizer,
            steps=steps,
            adjoint_clip=adjoint_clip,
        )
        return Hypergradient(*strategy.differentiate(loop, params, variable))

    return differentiate
