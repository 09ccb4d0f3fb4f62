"""What every objective has in common: a loss after, or during, training on the distilled data."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, PRNGKeyArray, PyTree

from farzi.distilled import Distilled
from farzi.hypergradients import Hypergradient, hypergradient
from farzi.models import Learner, Tokens


class Matched(NamedTuple):
    """One evaluation of an objective, averaged over the starts.

    Attributes:
        loss: what is to be lowered.
        gradient: its derivative by the distilled data.
        adjoint_norms: norm of the adjoint at each inner step, the largest over the starts; zeros
            where nothing is taken back through the inner steps.
        clipped: share of the inner steps at which the adjoint was clipped.
    """

    loss: Float[Array, ""]
    gradient: Distilled
    adjoint_norms: Float[Array, " steps"]
    clipped: Float[Array, ""]


OneStart = Callable[[PyTree, Learner, Array, Any, PRNGKeyArray | None], Hypergradient]
"""From tokens, a start, the rows of each step, what judges and a key, to loss and derivative by the
tokens."""


def at_the_end(
    inner_loss: Callable[[Learner, Tokens], Float[Array, ""]],
    end_loss: Callable[[Learner, Any], Float[Array, ""]],
    *loop: Any,
    adjoint_clip: float | None,
) -> OneStart:
    """An objective of one start: a loss where training on the distilled data ends.

    Args:
        inner_loss: what is trained on.
        end_loss: of the trained learner and what judges it.
        loop: optimiser, steps and adjoint, see `farzi.hypergradient`.
        adjoint_clip: likewise.
    """
    differentiate = hypergradient(
        lambda learner, data, step: inner_loss(learner, data[0][data[1][step]]),
        end_loss,
        *loop,
        adjoint_clip=adjoint_clip,
    )

    def one_start(
        tokens: PyTree, start: Learner, order: Array, judge: PyTree, key: PRNGKeyArray | None
    ) -> Hypergradient:
        result = differentiate(start, (tokens, order), judge, key=key)
        return result._replace(gradient=result.gradient[0])

    return one_start


def averaged(
    one_start: OneStart,
    distilled: Distilled,
    starts: Learner,
    order: Int[Array, "starts steps batch"],
    judge: PyTree,
    key: PRNGKeyArray | None,
    *,
    by_latents: bool | None,
) -> Matched:
    """An objective of one start, averaged over starts and taken back from tokens to the data.

    Args:
        one_start: the objective of one start.
        distilled: the data to be judged.
        starts: learners to train from, stacked on the first axis of every array.
        order: rows of the distilled data that each step of each start reads.
        judge: what judges each start, stacked likewise.
        key: for an adjoint that draws at random; each start gets one of its own.
        by_latents: see `farzi.distilled.Factored.tokens`.
    """
    variable, fixed = eqx.partition(distilled, eqx.is_inexact_array)

    def tokens_of(variable: Distilled) -> tuple[PyTree, PyTree]:
        data: Distilled = eqx.combine(variable, fixed)
        return eqx.partition(data.tokens(by_latents=by_latents), eqx.is_inexact_array)

    tokens, transpose, rest = jax.vjp(tokens_of, variable, has_aux=True)
    keys = None if key is None else jax.random.split(key, len(order))
    results = eqx.filter_vmap(one_start, in_axes=(None, eqx.if_array(0), 0, eqx.if_array(0), 0))(
        eqx.combine(tokens, rest), starts, order, judge, keys
    )
    (gradient,) = transpose(jax.tree.map(partial(jnp.mean, axis=0), results.gradient))
    return Matched(
        jnp.mean(results.loss),
        gradient,
        jnp.max(results.adjoint_norms, axis=0),
        jnp.mean(results.clipped),
    )
