"""Optimisers that can be taken back: ordinary optax transformations that say what they are made of.

Adam and SGD with momentum both keep *moments*, running sums of powers of the gradient, and move
the parameters by a function of them. That is all that `Reversible()` needs to know to run either
one backwards in exact arithmetic (`reversible.py`).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
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


@dataclass(frozen=True, eq=False)
class MomentRule:
    """An optimiser made of moments, whose `init` and `update` are those of optax.

    An `optax.GradientTransformation` is two functions. That these are methods of such a rule is how
    the rule is found again, see `rule_of`.

    Attributes:
        name: what it is called in messages.
        moments: what it keeps of the gradients.
        change: `(moments, taken) -> change of the parameters`, elementwise, where `moments` are
            those after the gradient has been added and `taken` the steps taken before.
    """

    name: str
    moments: tuple[Moment, ...]
    change: Callable[[tuple[Array, ...], Int[Array, ""]], Array]

    def init(self, params: PyTree) -> Memory:
        """The memory before the first step."""
        zeros = jax.tree.map(jnp.zeros_like, params)
        return Memory(jnp.zeros((), jnp.int32), (zeros,) * len(self.moments))

    def update(self, updates: PyTree, state: Any, params: Any = None) -> tuple[PyTree, Any]:
        """From a gradient and the memory to the change of the parameters and the memory."""
        after = tuple(
            jax.tree.map(
                lambda old, g, moment=moment: moment.decay * old + moment.weight * g**moment.power,
                old,
                updates,
            )
            for moment, old in zip(self.moments, state.moments, strict=True)
        )
        changes = jax.tree.map(lambda *leaves: self.change(leaves, state.taken), *after)
        return changes, Memory(state.taken + 1, after)

    def optimizer(self) -> optax.GradientTransformation:
        """As optax has it."""
        return optax.GradientTransformation(self.init, self.update)


def rule_of(optimizer: optax.GradientTransformation) -> MomentRule | None:
    """What `farzi.adam` and `farzi.sgd` are made of; None for any other optimiser."""
    rule = getattr(optimizer.init, "__self__", None)
    return rule if isinstance(rule, MomentRule) else None


def adam(
    learning_rate: Rate,
    b1: float = 0.9,
    b2: float = 0.999,
    eps: float = 1e-8,
    eps_root: float = 1e-8,
) -> optax.GradientTransformation:
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
        first = first / _one_minus_power(b1, step)
        second = second / _one_minus_power(b2, step)
        return -_rate(learning_rate, taken, first) * first / (jnp.sqrt(second + eps_root) + eps)

    moments = (Moment(b1, 1 - b1, 1), Moment(b2, 1 - b2, 2))
    return MomentRule("adam", moments, change).optimizer()


def sgd(learning_rate: Rate, momentum: float = 0.9) -> optax.GradientTransformation:
    """Gradient descent with heavy-ball momentum: `optax.sgd`, and reversible.

    Args:
        learning_rate: a number, a scalar array, or a function of the number of steps taken.
        momentum: decay of the sum of gradients.
    """

    def change(moments: tuple[Array, ...], taken: Int[Array, ""]) -> Array:
        (trace,) = moments
        return -_rate(learning_rate, taken, trace) * trace

    return MomentRule("sgd", (Moment(momentum, 1.0, 1),), change).optimizer()


def _one_minus_power(decay: float | Array, step: Float[Array, ""]) -> Float[Array, ""]:
    """`1 - decay ** step` with all its digits; with 0.999 a difference loses three at first."""
    if isinstance(decay, float | int):
        log = math.log(decay) if decay > 0 else -math.inf
    else:
        log = jnp.log(decay)
    return -jnp.expm1(step * log)


def _rate(learning_rate: Rate, taken: Int[Array, ""], like: Array) -> Array:
    rate = learning_rate(taken) if callable(learning_rate) else learning_rate
    return jnp.asarray(rate).astype(like.dtype)
