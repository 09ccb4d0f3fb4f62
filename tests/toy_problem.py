"""A small inner and outer problem, and its hypergradient without any of farzi's machinery."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax.flatten_util import ravel_pytree

RATE = 0.02
ADAM = {"eps": 1e-4, "eps_root": 1e-8}
OPTIMIZERS = {
    "adam": optax.adam(RATE, **ADAM),
    "adamw": optax.adamw(RATE, weight_decay=0.1, **ADAM),
    "momentum": optax.sgd(RATE, momentum=0.9),
    "chain": optax.chain(
        optax.clip_by_global_norm(0.1),
        optax.sgd(optax.cosine_decay_schedule(RATE, 20), momentum=0.9, nesterov=True),
    ),
}


def start() -> dict[str, jax.Array]:
    """12 parameters: a layer of 2, and what it gives."""
    hidden, out = jax.random.split(jax.random.key(1))
    return {"hidden": jax.random.normal(hidden, (5, 2)), "out": jax.random.normal(out, (2,))}


def rows(count: int, seed: int) -> dict[str, jax.Array]:
    """Inputs and wanted outputs, 6 numbers a row."""
    inputs, wanted = jax.random.split(jax.random.key(seed))
    return {
        "inputs": jax.random.normal(inputs, (count, 5)),
        "wanted": jax.random.normal(wanted, (count,)),
    }


def errors(params: Any, rows: Any) -> jax.Array:
    return jnp.tanh(rows["inputs"] @ params["hidden"]) @ params["out"] - rows["wanted"]


def inner_loss(params: Any, data: Any, step: Any) -> jax.Array:
    """Squared error with weights that change from step to step."""
    weights = jnp.roll(jnp.array([0.5, 1.0, 2.0, 1.5]), step)
    return jnp.mean(weights * errors(params, data) ** 2)


def outer_loss(params: Any, batch: Any) -> jax.Array:
    return jnp.mean(errors(params, batch) ** 2)


def end_loss(
    optimizer: optax.GradientTransformation,
    steps: int,
    inner: Any = inner_loss,
    outer: Any = outer_loss,
) -> Callable[..., jax.Array]:
    """The outer loss after training, as a function of start, data, batch and probes.

    The probes (`[steps, ...]` on every leaf of the parameters, or None) are added to the gradients
    that the optimiser reads, so that the derivative by them is the adjoint at each step.
    """

    def loss(start: Any, data: Any, batch: Any, probes: Any = None) -> jax.Array:
        def step(carry: Any, inputs: Any) -> Any:
            params, memory = carry
            t, probe = inputs
            gradient = jax.grad(inner)(params, data, t)
            if probe is not None:
                gradient = jax.tree.map(jnp.add, gradient, probe)
            updates, memory = optimizer.update(gradient, memory, params)
            return (optax.apply_updates(params, updates), memory), None

        begin = (start, optimizer.init(start))
        (params, _), _ = jax.lax.scan(step, begin, (jnp.arange(steps), probes))
        return outer(params, batch)

    return loss


def central_differences(function: Callable[[Any], jax.Array], at: Any) -> tuple[float, Any, float]:
    """Value and gradient of a scalar function, and what rounding may do to the gradient.

    The step is the cube root of the machine epsilon times the scale of the argument, which
    balances the error of the rounded values, epsilon / step, against that of the cut-off series,
    step squared. The error returned is the first, as a norm over all coordinates.
    """
    flat, unflatten = ravel_pytree(at)
    epsilon = float(np.finfo(flat.dtype).eps)
    step = epsilon ** (1 / 3) * max(1.0, float(jnp.max(jnp.abs(flat))))
    offsets = step * jnp.eye(flat.size, dtype=flat.dtype)
    points = jnp.concatenate([flat[None], flat[None] + offsets, flat[None] - offsets])
    values = jax.jit(jax.vmap(lambda point: function(unflatten(point))))(points)
    plus, minus = jnp.split(values[1:], 2)
    rounding = 8 * epsilon * float(jnp.max(jnp.abs(values))) / step * flat.size**0.5
    return float(values[0]), unflatten((plus - minus) / (2 * step)), rounding


def distance(left: Any, right: Any) -> float:
    """Norm of the difference of two trees."""
    return float(optax.tree.norm(optax.tree.sub(left, right)))


def relative_error(got: Any, wanted: Any) -> float:
    """Norm of the difference over norm of what is wanted."""
    return distance(got, wanted) / float(optax.tree.norm(wanted))
