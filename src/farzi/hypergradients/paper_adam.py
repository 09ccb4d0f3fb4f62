"""The approximation that the paper prints, for comparison."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Int, PRNGKeyArray, PyTree

from farzi.hypergradients.adjoint import Derivatives
from farzi.hypergradients.inner_loop import Cotangent, InnerLoop, State, add, read
from farzi.hypergradients.optimizers import MomentRule, rule_of
from farzi.hypergradients.safe_sqrt import with_safe_sqrt


@dataclass(frozen=True)
class PaperAdam:
    """Algorithm 1 of the paper (arXiv 2310.09983): an approximation, never to be preferred.

    It carries the derivative by the first moment but none by the second: what passes through the
    second moment is folded into the first, so that it decays with `b1` instead of `b2`, beside the
    wrong gradients. Exact for T = 1 only; docs/hypergradient.md shows how far off it is beyond. The
    sign is such that the result is as near as it gets. The paper recovers earlier states
    by dividing by `b1` and `b2`, which rounding destroys within some tens of steps; here they are
    kept as `StoreStates` keeps them, so that this shows the approximation alone.

    Needs `farzi.adam` with rates that do not depend on the data.
    """

    def differentiate(
        self, loop: InnerLoop, params: PyTree, data: PyTree, key: PRNGKeyArray | None = None
    ) -> Derivatives:
        """See `Adjoint`.

        Raises:
            ValueError: if the optimiser is another one.
        """
        rule = rule_of(loop.optimizer(data))
        if rule is None or rule.name != "adam":
            raise ValueError(
                "PaperAdam() is a recursion for Adam alone; use farzi.adam(...) as the optimiser, "
                "or StoreStates() or Checkpointed(), which take any."
            )
        if loop.optimizer_reads_data:
            raise ValueError(
                "PaperAdam() has no derivative by what the optimiser reads; use StoreStates() or "
                "Checkpointed()."
            )

        def step_back(i: Int[Array, ""], cotangent: Cotangent) -> Cotangent:
            t = loop.steps - 1 - i
            return _step_back(loop, rule, read(tape.before, t), data, t, cotangent)

        start = loop.start(params, data)
        end, tape = loop.record(start, data, 0, loop.steps, loop.steps)
        loss, cotangent = loop.cotangent(end, data)
        d_first = jax.tree.map(jnp.zeros_like, params)
        cotangent = cotangent._replace(state=State(cotangent.state.params, d_first))
        cotangent = lax.fori_loop(0, loop.steps, step_back, cotangent)
        return Derivatives(loss, cotangent.data, cotangent.state.params, cotangent.norms)


def _step_back(
    loop: InnerLoop,
    rule: MomentRule,
    before: State,
    data: PyTree,
    t: Int[Array, ""],
    cotangent: Cotangent,
) -> Cotangent:
    """One turn of the algorithm's loop; the memory of the cotangent is `dm` alone."""
    first, second = rule.moments
    gradient, second_order = loop.linearize(before.params, data, t)
    memory: Any = rule.update(gradient, before.memory)[1]

    def fold(m: Array, v: Array, g: Array, dw: Array, dm: Array) -> Array:
        change = with_safe_sqrt(lambda m, v: rule.change((m, v), before.memory.taken))
        _, transpose = jax.vjp(change, m, v)
        by_first, by_second = transpose(dw)
        return dm + by_first + second.weight / first.weight * 2 * g * by_second

    d_params, d_first = cotangent.state
    d_first = jax.tree.map(fold, *memory.moments, gradient, d_params, d_first)
    direction, norm = loop.clip(jax.tree.map(lambda leaf: first.weight * leaf, d_first))
    by_params, by_data = second_order(direction)
    d_first = jax.tree.map(lambda leaf: first.decay * leaf, d_first)
    return Cotangent(
        State(add(d_params, by_params), d_first),
        add(cotangent.data, by_data),
        cotangent.norms.at[t].set(norm),
    )
