"""Optimisers that can be taken back: ordinary optax transformations that say what they are made of.

Adam and SGD with momentum both keep *moments*, running sums of powers of the gradient, and move
the parameters by a function of them. That is all that `Reversible()` needs to know to run either
one backwards in exact arithmetic (`reversible.py`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float, Int, PyTree

Rate = float | Float[Array, ""] | Callable[[Int[Array, ""]], Any]
"""A learning rate, or a function from the number of steps taken to one."""


class Moment(NamedTuple):
    """A running sum of powers of the gradient, `moment <- decay * moment + weight * g ** power`."""

    decay: float
    weight: float
    power: int


class Memory(NamedTuple):
    """What these optimisers remember.

    Attributes:
        taken: steps taken.
        moments: one pytree like the parameters for each moment.
    """

    taken: Int[Array, ""]
    moments: tuple[PyTree, ...]


class ReversibleOptimizer(optax.GradientTransformation):
    """An `optax.GradientTransformation` that can also be run backwards.

    Attributes:
        name: what it is called in messages.
        moments: what it keeps of the gradients.
        change: `(moments, taken) -> change of the parameters`, elementwise, where `moments` are
            those after the gradient has been added and `taken` the steps taken before.
    """

    name: str
    moments: tuple[Moment, ...]
    change: Callable[[tuple[Array, ...], Int[Array, ""]], Array]

    def __new__(  # noqa: D102  The class docstring says it.
        cls,
        name: str,
        moments: tuple[Moment, ...],
        change: Callable[[tuple[Array, ...], Int[Array, ""]], Array],
    ) -> ReversibleOptimizer:
        def init(params: PyTree) -> Memory:
            zeros = jax.tree.map(jnp.zeros_like, params)
            return Memory(jnp.zeros((), jnp.int32), (zeros,) * len(moments))

        def update(updates: PyTree, state: Any, params: Any = None) -> tuple[PyTree, Any]:
            after = tuple(
                jax.tree.map(
                    lambda old, g, moment=moment: (
                        moment.decay * old + moment.weight * g**moment.power
                    ),
                    old,
                    updates,
                )
                for moment, old in zip(moments, state.moments, strict=True)
            )
            changes = jax.tree.map(lambda *leaves: change(leaves, state.taken), *after)
            return changes, Memory(state.taken + 1, after)

        self = super().__new__(cls, init, update)
        self.name, self.moments, self.change = name, moments, change
        return self


def adam(
    learning_rate: Rate,
    b1: float = 0.9,
    b2: float = 0.999,
    eps: float = 1e-8,
    eps_root: float = 1e-8,
) -> ReversibleOptimizer:
    """Adam (Kingma and Ba 2015, arXiv 1412.6980): `optax.adam`, and reversible.

    Args:
        learning_rate: a number, a scalar array, or a function of the number of steps taken.
        b1: decay of the first moment.
        b2: decay of the second moment.
        eps: added to the root of the second moment.
        eps_root: added inside the root. optax has 0 here; the hypergradient of a coordinate whose
            gradients are tiny is then enormous and, in float32, mostly rounding
            (docs/hypergradient.md), so the default is 1e-8.
    """

    def change(moments: tuple[Array, ...], taken: Int[Array, ""]) -> Array:
        first, second = moments
        step = (taken + 1).astype(first.dtype)
        first = first / (1 - b1**step)
        second = second / (1 - b2**step)
        return -_rate(learning_rate, taken, first) * first / (jnp.sqrt(second + eps_root) + eps)

    return ReversibleOptimizer("adam", (Moment(b1, 1 - b1, 1), Moment(b2, 1 - b2, 2)), change)


def sgd(learning_rate: Rate, momentum: float = 0.9) -> ReversibleOptimizer:
    """Gradient descent with heavy-ball momentum: `optax.sgd`, and reversible.

    Args:
        learning_rate: a number, a scalar array, or a function of the number of steps taken.
        momentum: decay of the sum of gradients.
    """

    def change(moments: tuple[Array, ...], taken: Int[Array, ""]) -> Array:
        (trace,) = moments
        return -_rate(learning_rate, taken, trace) * trace

    return ReversibleOptimizer("sgd", (Moment(momentum, 1.0, 1),), change)


def _rate(learning_rate: Rate, taken: Int[Array, ""], like: Array) -> Array:
    rate = learning_rate(taken) if callable(learning_rate) else learning_rate
    return jnp.asarray(rate).astype(like.dtype)
