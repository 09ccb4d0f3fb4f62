"""Nothing is kept: the loop runs backwards in exact integer arithmetic."""

from __future__ import annotations

import math
from dataclasses import dataclass

import equinox as eqx
import jax
import jax.numpy as jnp
from jax.flatten_util import ravel_pytree
from jaxtyping import PRNGKeyArray, PyTree

from farzi.hypergradients.adjoint import Derivatives
from farzi.hypergradients.inner_loop import InnerLoop
from farzi.hypergradients.integer_loop import LARGEST_PARAMETER, IntegerLoop
from farzi.hypergradients.optimizers import rule_of

_MARGIN = 64


@dataclass(frozen=True)
class Reversible:
    """Keeps nothing, and takes the training itself back, bit for bit.

    The inner loop is trained in 64-bit fixed-point numbers, in which each step of Adam or of SGD
    with momentum can be undone exactly (Maclaurin, Duvenaud and Adams 2015, arXiv 1502.03492;
    `fixed_point.py`). Memory: five 64-bit numbers a parameter, and a sixth for every 300 to 400
    steps with `b1 = 0.9`. The derivative is exact for the training that took place, whose rounding
    is that of float32 or below it; it needs `farzi.adam` or `farzi.sgd`.

    Undoing needs the gradient of every step to come out the same, bit for bit, in both passes.
    Whether it did is known at the end, when the start has to come back: a start that differs in one
    bit is an error.

    Attributes:
        largest_gradient: what a coordinate of any gradient may be at the most. The smaller it is,
            the finer the numbers: those for squares of gradients are about
            `largest_gradient ** 2 / 2 ** 61`. None: 64 times the largest coordinate of the first
            gradient, or 1 where that is zero.

    Raises:
        ValueError: if the optimiser is another one, or `largest_gradient` not positive.
        RuntimeError: while it runs, if a gradient or parameter is too large or not finite, or if
            the start does not come back.
    """

    largest_gradient: float | None = None

    def __post_init__(self) -> None:
        if self.largest_gradient is not None and not 0 < self.largest_gradient < math.inf:
            raise ValueError(
                f"largest_gradient is {self.largest_gradient}; use a number greater than zero."
            )

    def differentiate(
        self, loop: InnerLoop, params: PyTree, data: PyTree, key: PRNGKeyArray | None = None
    ) -> Derivatives:
        """See `Adjoint`."""
        rule = rule_of(loop.optimizer(data))
        if rule is None:
            raise ValueError(
                "Reversible() takes farzi.adam(...) and farzi.sgd(...) only; use one of them as "
                "the optimiser, or StoreStates() or Checkpointed(), which take any."
            )
        first = None
        if self.largest_gradient is None:
            first = loop.gradient(params, data, jnp.asarray(0))
        x64 = bool(jax.config.read("jax_enable_x64"))
        with jax.enable_x64(True):
            flat, unravel = ravel_pytree(params)
            if first is None:
                largest = jnp.asarray(self.largest_gradient, flat.dtype)
            else:
                largest = jnp.max(jnp.abs(ravel_pytree(first)[0]))
                largest = jnp.where(largest > 0, _MARGIN * largest, 1.0)
            integers = IntegerLoop(loop, rule, data, unravel, largest, x64)
            start = integers.start(flat)
            end, aside, held = integers.train(start)
            held &= jnp.all(jnp.abs(flat) < LARGEST_PARAMETER)  # A NaN is no integer.
            with jax.enable_x64(x64):
                loss, cotangent = loop.cotangent(integers.state(end, loop.steps), data)
            recovered, cotangent = integers.take_back(end, aside, cotangent)
            same = jax.tree.map(lambda a, b: jnp.all(a == b), start, recovered)
        loss = eqx.error_if(loss, ~held, _BEYOND)
        loss = eqx.error_if(loss, held & ~jnp.all(jnp.stack(jax.tree.leaves(same))), _DIFFERS)
        by_data, by_start = loop.by_start(params, data, cotangent)
        return Derivatives(loss, by_data, by_start, cotangent.norms)


_BEYOND = (
    "in the inner loop a gradient grew beyond what Reversible() holds, which is its "
    f"largest_gradient or {_MARGIN} times the largest coordinate of the first gradient, or a "
    f"parameter beyond {LARGEST_PARAMETER:.0f}, or one of them is not finite; lower the inner "
    "learning rate, raise Reversible(largest_gradient=...), or use Checkpointed()."
)
_DIFFERS = (
    "Reversible() did not get back the start of the inner loop bit for bit, because the gradient "
    "was rounded differently in the two passes, so the hypergradient would be wrong; use "
    "Checkpointed(levels=3), which needs little more memory."
)
