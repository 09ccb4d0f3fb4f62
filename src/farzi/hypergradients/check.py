"""Whether a hypergradient can be trusted, and whether its outer loss is smooth enough to descend.

Training is repeated without any of the machinery for derivatives, from data moved a little forth
and back along random directions. The difference of the two losses, over the distance, tends to the
derivative as the distance shrinks, until rounding is all that is left of it. What these quotients
settle at says whether the derivative is right; how soon they do, how smooth the outer loss is.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Literal

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax import lax
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, Float, Float64, Int, PRNGKeyArray, PyTree

from farzi.hypergradients.adjoint import Adjoint
from farzi.hypergradients.auto import Auto
from farzi.hypergradients.check_report import CLOSE, SETTLED, HypergradientCheck, Table, rms
from farzi.hypergradients.hypergradient import Hypergradient, Optimizer, hypergradient
from farzi.hypergradients.truncated import Truncated

_SIZES = np.array([float(f"1e-{digits}") for digits in range(1, 11)])
_TOLERANCE = 1e-4  # What a derivative in float64 may be off, beyond what the quotients are.
_CHANCE = 5  # How much noisier one pair of quotients may be by chance than another.
_FIXED_DTYPE = (
    "check_hypergradient() runs the losses and the optimiser in float64: arrays that they make "
    "have to take their dtype from an argument, not be float32 whatever comes."
)


def check_hypergradient(
    inner_loss: Callable[[PyTree, PyTree, Int[Array, ""]], Float[Array, ""]],
    outer_loss: Callable[[PyTree, PyTree], Float[Array, ""]],
    optimizer: Optimizer,
    steps: int,
    adjoint: Adjoint | Auto | None = None,
    *,
    start: PyTree,
    data: PyTree,
    batch: PyTree,
    adjoint_clip: float | None = None,
    key: PRNGKeyArray,
    by: Literal["data", "start"] = "data",
    directions: int = 4,
) -> HypergradientCheck:
    """Compare a hypergradient with central differences in float64, and see how these settle.

    All but the last three arguments are those of `hypergradient` and of the function that it
    returns. Floating-point arrays are converted to float64 here; everything else is left as it is.
    This trains `20 * directions` times, one after the other in one compiled program with the memory
    of one training, and differentiates twice: in float64, and in the precision given.

    The losses must not fix the dtype of arrays that they make. If they draw random numbers they
    should fix theirs: JAX draws others in float64, and then the two precisions differ in that too.

    Args:
        inner_loss: `(params, data, step) -> scalar`.
        outer_loss: `(params, batch) -> scalar`.
        optimizer: an optax optimiser, or a function from the data to one.
        steps: T, the number of inner steps.
        adjoint: the strategy under test, `Checkpointed()` if not given.
        start: initial parameters.
        data: what the training reads.
        batch: what the outer loss reads.
        adjoint_clip: where it clips, the result is no derivative.
        key: for the directions, and for the strategy.
        by: what to differentiate by.
        directions: how many random ones are tried.

    Raises:
        ValueError: if `directions` is not positive, what to differentiate by holds no real
            floating-point numbers, or the strategy is a `Truncated` that leaves steps out.

    >>> check = check_hypergradient(
    ...     lambda w, x, t: (w - x) ** 2, lambda w, y: (w - y) ** 2, optax.sgd(0.25), 10,
    ...     start=jnp.zeros(()), data=jnp.ones(()), batch=jnp.zeros(()), key=jax.random.key(0))
    >>> check.agrees, check.smooth_up_to
    (True, 0.1)
    """
    if directions < 1:
        raise ValueError(f"directions is {directions}, which compares nothing; use >= 1.")
    if by not in ("data", "start"):
        raise ValueError(f"by is {by!r}, which is no derivative here; use 'data' or 'start'.")
    moved = jax.tree.leaves(eqx.filter(data if by == "data" else start, eqx.is_inexact_array))
    if not moved or any(map(jnp.iscomplexobj, moved)):
        raise ValueError(
            f"The {by} has to hold floating-point arrays, none of them complex, to be changed a "
            f"little; convert what may vary, or use by={'start' if by == 'data' else 'data'!r}."
        )
    if isinstance(adjoint, Truncated) and adjoint.window < steps:
        raise ValueError(
            f"{adjoint} differentiates another function than the loss after {steps} steps and "
            "cannot agree; check Checkpointed(), for the smoothness is the same."
        )
    differentiate = eqx.filter_jit(
        hypergradient(inner_loss, outer_loss, optimizer, steps, adjoint, adjoint_clip=adjoint_clip)
    )
    end_losses = eqx.filter_jit(_training(inner_loss, outer_loss, optimizer, steps, by))
    row_key, adjoint_key = jax.random.split(key)
    given = differentiate(start, data, batch, key=adjoint_key)
    # Arrays of 32 bits that the losses close over are promoted.
    with jax.enable_x64(True), jax.numpy_dtype_promotion("standard"):
        start, data, batch = jax.tree.map(_in_64_bits, (start, data, batch))
        try:
            exact = differentiate(start, data, batch, key=adjoint_key)
            moved = eqx.filter(data if by == "data" else start, eqx.is_inexact_array)
            scales = _row(jax.tree.map(_scale, moved))
            normal = jax.random.normal(row_key, (directions, scales.size), jnp.float64)
            rows = scales * np.asarray(normal)
            losses = np.asarray(end_losses(start, data, batch, jnp.asarray(rows)))
        except TypeError as error:
            error.add_note(_FIXED_DTYPE)
            raise
    return _judge(by, given, exact, rows, losses)


def _training(
    inner_loss: Callable[..., Any],
    outer_loss: Callable[..., Any],
    optimizer: Optimizer,
    steps: int,
    by: str,
) -> Callable[..., Float[Array, "directions sizes"]]:
    """Training with optax alone: nothing of what is to be judged takes part."""

    def end_loss(start: PyTree, data: PyTree, batch: PyTree) -> Float[Array, ""]:
        params, fixed = eqx.partition(start, eqx.is_inexact_array)
        made = optimizer if isinstance(optimizer, optax.GradientTransformation) else optimizer(data)

        def step(t: Int[Array, ""], carry: tuple[PyTree, PyTree]) -> tuple[PyTree, PyTree]:
            params, memory = carry
            gradient = jax.grad(lambda w: inner_loss(eqx.combine(w, fixed), data, t))(params)
            updates, memory = made.update(gradient, memory, params)
            return optax.apply_updates(params, updates), memory

        # Bounds of 32 bits: the loss gets steps of the type that it gets without float64.
        first, last = jnp.asarray(0, jnp.int32), jnp.asarray(steps, jnp.int32)
        params, _ = lax.fori_loop(first, last, step, (params, made.init(params)))
        return outer_loss(eqx.combine(params, fixed), batch)

    def end_losses(
        start: PyTree, data: PyTree, batch: PyTree, rows: Float[Array, "directions numbers"]
    ) -> Float[Array, "directions sizes"]:
        """At every row times every size, first forth, then back."""
        moved = eqx.filter(data if by == "data" else start, eqx.is_inexact_array)
        _, unravel = ravel_pytree(moved)

        def at(change: Float[Array, " numbers"]) -> Float[Array, ""]:
            if by == "data":
                return end_loss(start, eqx.apply_updates(data, unravel(change)), batch)
            return end_loss(eqx.apply_updates(start, unravel(change)), data, batch)

        sizes = jnp.concatenate([_SIZES, -_SIZES])
        return lax.map(lambda row: lax.map(lambda size: at(size * row), sizes), rows)

    return end_losses


# Where training diverges quotients are NaN, of which no comparison below is true.
@np.errstate(all="ignore")
def _judge(
    by: Literal["data", "start"],
    given: Hypergradient,
    exact: Hypergradient,
    rows: Float64[np.ndarray, "directions numbers"],
    losses: Float[np.ndarray, "directions signed_sizes"],
) -> HypergradientCheck:
    forth, back = np.split(losses.astype(np.float64), 2, axis=1)
    quotients = (forth - back) / (2 * _SIZES)
    one_rounding = float(jnp.finfo(losses.dtype).eps) * float(np.abs(forth[:, -1]).mean())
    at, apart = _settle(quotients, one_rounding)
    settled = quotients[:, at]
    scale = rms(settled)
    smooth = at
    while smooth > 0 and rms(quotients[:, smooth - 1] - settled) <= CLOSE * scale:
        smooth -= 1
    gradient, rounded = (
        _row(result.gradient if by == "data" else result.start_gradient)
        for result in (exact, given)
    )
    norm, rounded_norm = np.linalg.norm(gradient), np.linalg.norm(rounded)
    derivatives = rows @ gradient
    error, within = _over(rms(derivatives - settled), scale), _over(apart, scale)
    finite = bool(exact.finite) and bool(given.finite)
    return HypergradientCheck(
        by=by,
        derivatives=derivatives,
        step_sizes=_SIZES,
        quotients=quotients,
        settled_at=float(_SIZES[at]),
        settled_within=within,
        error=error,
        rounding=_over(one_rounding / _SIZES[at], scale),
        agrees=finite and within <= SETTLED and error <= _TOLERANCE + 3 * within,
        smooth_up_to=float(_SIZES[smooth]) if within <= SETTLED else 0.0,
        precision_error=_over(np.linalg.norm(rounded - gradient), norm),
        precision_cosine=_over(rounded @ gradient, norm * rounded_norm) if norm else 1.0,
        adjoint_norms=np.asarray(exact.adjoint_norms, np.float64),
        clipped=float(exact.clipped),
        finite=finite,
    )


def _settle(quotients: Table, rounding: float) -> tuple[int, float]:
    """Where quotients are nearest to their limit, and how far they are from their neighbours there.

    Rounding, divided by the change, is what tells the quotients of the smallest changes apart. It
    fades toward larger ones until the rest of the series shows, and the one before that is best.
    Where neighbours differ least may instead be where the trend of a rough loss shows.
    """
    if not quotients.any():
        return 0, 0.0
    best, noise = None, rounding
    for i in reversed(range(len(_SIZES) - 1)):
        apart, finer = rms(quotients[:, i] - quotients[:, i + 1]), _SIZES[i + 1]
        if best is not None and not apart * finer <= _CHANCE * noise:
            break
        if max(apart, rounding / finer) <= SETTLED * rms(quotients[:, i]):
            best = i, apart
        noise = max(noise, apart * finer)
    return best or (len(_SIZES) - 1, math.inf)


def _in_64_bits(leaf: Any) -> Any:
    if not eqx.is_inexact_array(leaf):
        return leaf
    return jnp.asarray(leaf).astype(jnp.promote_types(leaf.dtype, jnp.float64))


def _scale(leaf: Array) -> Array:
    """The root mean square everywhere; 1 for zeros, which have no scale of their own."""
    scale = jnp.sqrt(jnp.mean(leaf**2)) if leaf.size else jnp.zeros(())
    return jnp.full_like(leaf, jnp.where(scale == 0, 1.0, scale))


def _row(tree: PyTree) -> Float64[np.ndarray, " numbers"]:
    """All numbers of a tree, in the order of `ravel_pytree`."""
    leaves = [np.asarray(leaf, np.float64).ravel() for leaf in jax.tree.leaves(tree)]
    return np.concatenate(leaves)


def _over(part: Any, whole: Any) -> float:
    return 0.0 if part == 0 else float(np.divide(part, whole))
