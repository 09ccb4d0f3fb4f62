"""A square root whose derivative at zero is zero, put into any optimiser.

Adam divides by the root of a running mean of squares. Where a parameter has never had a gradient
that mean is zero, the derivative of the root is infinite, and infinity times the zero it meets is
NaN: with `eps_root = 0`, optax's default, one unused embedding row spoils the whole hypergradient.
The derivative that is meant there is zero: the second moment stays where it is.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax.extend import core


@jax.custom_jvp
def safe_sqrt(x: jax.Array) -> jax.Array:
    """The square root of `x`, with derivative 0 where `x` is 0, or negative and so not in use."""
    return jnp.sqrt(x)


@safe_sqrt.defjvp
def _(primals: tuple[jax.Array], tangents: tuple[jax.Array]) -> tuple[jax.Array, jax.Array]:
    (x,), (dx,) = primals, tangents
    positive = x > 0
    slope = jnp.where(positive, 0.5 / jnp.sqrt(jnp.where(positive, x, 1.0)), 0.0)
    return jnp.sqrt(x), slope.astype(x.dtype) * dx


def with_safe_sqrt(function: Callable[..., Any]) -> Callable[..., Any]:
    """`function` with every square root in it, loops and conditionals included, made safe."""

    def replaced(*args: Any) -> Any:
        jaxpr, shape = jax.make_jaxpr(function, return_shape=True)(*args)
        leaves = core.jaxpr_as_fun(_replace(jaxpr))(*jax.tree.leaves(args))
        return jax.tree.unflatten(jax.tree.structure(shape), leaves)

    return replaced


def _replace(closed: core.ClosedJaxpr) -> core.ClosedJaxpr:
    equations = [_replace_in(equation) for equation in closed.jaxpr.eqns]
    return closed.replace(jaxpr=closed.jaxpr.replace(eqns=equations))


def _replace_in(equation: core.JaxprEqn) -> core.JaxprEqn:
    if equation.primitive.name == "sqrt":
        (safe,) = jax.make_jaxpr(safe_sqrt)(equation.invars[0].aval).jaxpr.eqns
        return equation.replace(primitive=safe.primitive, params=safe.params)
    return equation.replace(params={k: _inside(v) for k, v in equation.params.items()})


def _inside(param: Any) -> Any:
    """A parameter of an equation, whose programs (the body of a loop, say) are replaced."""
    if isinstance(param, core.ClosedJaxpr):
        return _replace(param)
    if isinstance(param, core.Jaxpr):
        return _replace(core.ClosedJaxpr(param, ())).jaxpr
    if type(param) is tuple:
        return tuple(_inside(item) for item in param)
    return param
