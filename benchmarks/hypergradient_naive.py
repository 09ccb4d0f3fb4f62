"""What one writes in JAX without a library: autodiff with recomputation, and plain reversal."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import optax
from hypergradient_model import Weights, inner_loss, outer_loss
from jax import lax
from jaxtyping import Array, Float, Int, PRNGKeyArray, PyTree

from farzi.hypergradients import Derivatives
from farzi.hypergradients.inner_loop import Cotangent, InnerLoop, State
from farzi.hypergradients.optimizers import Memory, rule_of

Training = Callable[[Weights, Float[Array, "..."]], Weights]


def training(optimizer: optax.GradientTransformation, steps: int) -> Training:
    """Plain training, whose time is the unit in which the others are measured."""

    def train(w: Weights, data: Float[Array, ...]) -> Weights:
        return lax.fori_loop(
            0, steps, lambda t, state: _step(optimizer, state, data, t), (w, optimizer.init(w))
        )[0]

    return train


def checkpointed_scan(optimizer: optax.GradientTransformation, steps: int) -> Callable[..., tuple]:
    """Autodiff of a `scan` whose body is recomputed in the reverse pass."""

    def end(data: Array, w: Weights, hard: Int[Array, "n time"]) -> Float[Array, ""]:
        @jax.checkpoint
        def step(state: tuple, t: Int[Array, ""]) -> tuple:
            return _step(optimizer, state, data, t), None

        (w, _), _ = lax.scan(step, (w, optimizer.init(w)), jnp.arange(steps))
        return outer_loss(w, hard)

    return lambda w, data, hard: jax.value_and_grad(end)(data, w, hard)


def _step(
    optimizer: optax.GradientTransformation, state: tuple, data: Array, t: Int[Array, ""]
) -> tuple:
    w, memory = state
    updates, memory = optimizer.update(jax.grad(inner_loss)(w, data, t), memory, w)
    return optax.apply_updates(w, updates), memory


@dataclass(frozen=True)
class FloatReversal:
    """Takes Adam back by plain arithmetic, as the paper does: each decay is undone by a division.

    The derivative itself is exact. What ruins it is that the division also multiplies, by 1 / 0.9
    a step, whatever error the first moment already has.
    """

    def differentiate(
        self, loop: InnerLoop, params: PyTree, data: PyTree, key: PRNGKeyArray | None = None
    ) -> Derivatives:
        """See `farzi.hypergradients.Adjoint`."""
        rule = rule_of(loop.optimizer(data))
        assert rule is not None

        def before(after: State, t: Int[Array, ""]) -> State:
            change = jax.tree.map(lambda *moments: rule.change(moments, t), *after.memory.moments)
            earlier = jax.tree.map(jnp.subtract, after.params, change)
            gradient = loop.gradient(earlier, data, t)
            moments = tuple(
                jax.tree.map(
                    lambda m, g, kind=kind: (m - kind.weight * g**kind.power) / kind.decay,
                    moment,
                    gradient,
                )
                for kind, moment in zip(rule.moments, after.memory.moments, strict=True)
            )
            return State(earlier, Memory(t, moments))

        def step_back(i: Int[Array, ""], carry: tuple[State, Cotangent]) -> tuple[State, Cotangent]:
            after, cotangent = carry
            t = loop.steps - 1 - i
            state = before(after, t)
            return state, loop.step_back(state, data, t, cotangent)

        end = loop.advance(loop.start(params, data), data, 0, loop.steps)
        loss, cotangent = loop.cotangent(end, data)
        _, cotangent = lax.fori_loop(0, loop.steps, step_back, (end, cotangent))
        return Derivatives(loss, *loop.by_start(params, data, cotangent), cotangent.norms)
