"""The derivative of a trained model's loss by whatever its training read."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, Protocol, runtime_checkable

import equinox as eqx
import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Bool, Float, Int, PRNGKeyArray, PyTree

from farzi.hypergradients.adjoint import Adjoint
from farzi.hypergradients.auto import Auto
from farzi.hypergradients.checkpointed import Checkpointed
from farzi.hypergradients.inner_loop import InnerLoop

Optimizer = optax.GradientTransformation | Callable[[PyTree], optax.GradientTransformation]


class Hypergradient(NamedTuple):
    """What one differentiation gives.

    Attributes:
        loss: the outer loss at the end of the inner loop.
        gradient: its derivative by the data, with their structure; None in place of whatever is no
            array of floating-point numbers.
        start_gradient: its derivative by the start, likewise.
        adjoint_norms: float `[steps]`; norm of the derivative by the gradient that each step
            used, before clipping. If it grows without bound toward the first steps, the inner
            loop is chaotic: lower its rate or shorten it.
        clipped: share of the steps at which the adjoint was clipped.
        finite: whether the loss and every derivative are finite.
    """

    loss: Float[Array, ""]
    gradient: PyTree
    start_gradient: PyTree
    adjoint_norms: Float[Array, " steps"]
    clipped: Float[Array, ""]
    finite: Bool[Array, ""]


@runtime_checkable
class Differentiate(Protocol):
    """What `hypergradient` returns."""

    def __call__(
        self, start: PyTree, data: PyTree, batch: PyTree, *, key: PRNGKeyArray | None = None
    ) -> Hypergradient:
        """Train from `start` on `data`, take the outer loss on `batch`, differentiate it."""
        ...


def hypergradient(
    inner_loss: Callable[[PyTree, PyTree, Int[Array, ""]], Float[Array, ""]],
    outer_loss: Callable[[PyTree, PyTree], Float[Array, ""]],
    optimizer: Optimizer,
    steps: int,
    adjoint: Adjoint | Auto | None = None,
    *,
    adjoint_clip: float | None = None,
) -> Differentiate:
    """A pure function that trains for `steps` and differentiates the result.

    The derivative (docs/hypergradient.md), exact for all strategies that do not say otherwise, of

        outer_loss(w_T, batch),   w_{t+1} = optimizer(w_t, d inner_loss(w_t, data, t) / dw)

    by the data and by the start. It may be transformed by `jax.jit` and `jax.vmap`.

    Args:
        inner_loss: `(params, data, step) -> scalar`; `step` counts from 0 and is traced. It is
            differentiated twice, so the rule of a `jax.custom_vjp` in it must be differentiable.
        outer_loss: `(params, batch) -> scalar`.
        optimizer: any optax optimiser, or a function from the data to one, which makes learning
            rates and other settings within the data differentiable:
            `lambda data: farzi.adam(lambda step: data["rates"][step])`. Each `sqrt` in it gets
            the derivative 0 at 0, so that Adam with `eps_root=0` gives no NaN for a coordinate
            without gradient. One that counts steps starts at zero in each call.
        steps: T, the number of inner steps.
        adjoint: how to get the inner states back, `Checkpointed()` if not given; `Auto(...)` to
            have that chosen by the memory it needs.
        adjoint_clip: clips, at every step of the reverse pass, the derivative by the gradient of
            that step to this norm. The result is then no longer the exact derivative, and tames
            long or rough inner loops. None: exact.

    Returns:
        A function `(start, data, batch, *, key=None) -> Hypergradient`, a tuple that begins
        `(loss, gradient)`. `start` and `data` are pytrees; whatever in them is no floating-point
        array is passed through and not differentiated. `key` is for strategies that draw.

    Raises:
        ValueError: if `steps` or `adjoint_clip` is not positive; when called, if nothing fits into
            the memory budget of `Auto`.

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
    chosen: list[tuple[Any, Adjoint]] = []
    reads_data = not isinstance(optimizer, optax.GradientTransformation)

    def make_optimizer(data: PyTree) -> optax.GradientTransformation:
        return optimizer if isinstance(optimizer, optax.GradientTransformation) else optimizer(data)

    def strategy_for(start: PyTree, data: PyTree, batch: PyTree) -> Adjoint:
        if not isinstance(adjoint, Auto):
            return Checkpointed() if adjoint is None else adjoint

        def make(candidate: Adjoint) -> Differentiate:
            return hypergradient(
                inner_loss, outer_loss, optimizer, steps, candidate, adjoint_clip=adjoint_clip
            )

        return adjoint.choose_for(make, (start, data, batch), make_optimizer(data), steps, chosen)

    def differentiate(
        start: PyTree, data: PyTree, batch: PyTree, *, key: PRNGKeyArray | None = None
    ) -> Hypergradient:
        params, fixed_params = eqx.partition(start, eqx.is_inexact_array)
        variable, fixed_data = eqx.partition(data, eqx.is_inexact_array)
        loop = InnerLoop(
            inner_loss=lambda w, x, t: inner_loss(
                eqx.combine(w, fixed_params), eqx.combine(x, fixed_data), t
            ),
            outer_loss=lambda w: outer_loss(eqx.combine(w, fixed_params), batch),
            optimizer=lambda x: make_optimizer(eqx.combine(x, fixed_data)),
            optimizer_reads_data=reads_data,
            steps=steps,
            adjoint_clip=adjoint_clip,
        )
        strategy = strategy_for(start, data, batch)
        loss, by_data, by_start, norms = strategy.differentiate(loop, params, variable, key)
        clipped = jnp.zeros_like(norms) if adjoint_clip is None else norms > adjoint_clip
        finite = [
            jnp.all(jnp.isfinite(leaf)) for leaf in jax.tree.leaves((loss, by_data, by_start))
        ]
        return Hypergradient(
            loss,
            by_data,
            by_start,
            norms,
            jnp.mean(clipped.astype(norms.dtype)),
            jnp.all(jnp.stack(finite)),
        )

    return differentiate
