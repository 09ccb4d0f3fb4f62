"""Meta-matching: distilled data are good if training on them ends where real loss is low."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float, Int, PRNGKeyArray

from farzi.distilled import Factored
from farzi.hypergradients import Adjoint, Auto, Hypergradient, hypergradient
from farzi.losses import next_token_loss
from farzi.models import Learner, Tokens


class Matched(NamedTuple):
    """One evaluation of the objective, averaged over the starts.

    Attributes:
        loss: real loss after training on the distilled data, in nats a token.
        gradient: its derivative by the distilled data.
        adjoint_norms: norm of the adjoint at each inner step, the largest over the starts.
        clipped: share of the inner steps at which the adjoint was clipped.
    """

    loss: Float[Array, ""]
    gradient: Factored
    adjoint_norms: Float[Array, " steps"]
    clipped: Float[Array, ""]


@dataclass(frozen=True)
class MetaMatching:
    """The objective of the paper (its equation 2), with any optimiser inside.

    Attributes:
        optimizer: trains the learner in the inner loop.
        steps: T, how long.
        adjoint: how to differentiate it.
        adjoint_clip: see `farzi.hypergradient`.
    """

    optimizer: optax.GradientTransformation
    steps: int
    adjoint: Adjoint | Auto
    adjoint_clip: float | None = None

    def __call__(
        self,
        distilled: Factored,
        starts: Learner,
        order: Int[Array, "starts steps batch"],
        real: Tokens,
        *,
        key: PRNGKeyArray | None = None,
    ) -> Matched:
        """Train from every start on the distilled data, and differentiate the real loss by them.

        Args:
            distilled: the data to be judged.
            starts: learners to train from, stacked on the first axis of every array.
            order: rows of the distilled data that each step of each start reads.
            real: real tokens for each start, `[starts, batch, time + 1]`.
            key: for an adjoint that draws at random; each start gets one of its own.
        """
        differentiate = hypergradient(
            _inner_loss,
            next_token_loss,
            self.optimizer,
            self.steps,
            self.adjoint,
            adjoint_clip=self.adjoint_clip,
        )

        # The loop is differentiated by the probabilities, which are computed once, and not by the
        # latents, from which each of its steps would compute them anew.
        def one_start(
            probabilities: Array,
            start: Learner,
            order: Array,
            real: Array,
            key: PRNGKeyArray | None,
        ) -> Hypergradient:
            result = differentiate(start, (probabilities, order), real, key=key)
            return result._replace(gradient=result.gradient[0])

        probabilities, transpose = jax.vjp(lambda data: data.probabilities(), distilled)
        keys = None if key is None else jax.random.split(key, len(order))
        results = eqx.filter_vmap(one_start, in_axes=(None, eqx.if_array(0), 0, 0, 0))(
            probabilities, starts, order, real, keys
        )
        (gradient,) = transpose(jnp.mean(results.gradient, axis=0))
        return Matched(
            jnp.mean(results.loss),
            gradient,
            jnp.max(results.adjoint_norms, axis=0),
            jnp.mean(results.clipped),
        )


def _inner_loss(
    learner: Learner, data: tuple[Array, Array], step: Int[Array, ""]
) -> Float[Array, ""]:
    probabilities, order = data
    return next_token_loss(learner, probabilities[order[step]])
