"""Meta-matching: distilled data are good if training on them ends where real loss is low."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
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

LARGEST = 2**21
"""Numbers in the probabilities beyond which a loop is differentiated by latents and decoder.

The softmax is then computed anew in every inner step, but no derivative by the probabilities is
kept and added to. Measured on two cores, against probabilities computed once: 1.05 times the time
for 145 x 11 places of 104 tokens at rank 24, 1.00 for 20 x 51 of 1,683 at rank 16, 0.88 for 100 x
51 of 1,683 and 0.87 for 20 x 51 of 20,000; a quarter to a half of the memory.
"""


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
        loss = partial(next_token_loss, chunk=self.chunk)
        differentiate = hypergradient(
            lambda learner, data, step: loss(learner, data[0][data[1][step]]),
            loss,
            self.optimizer,
            self.steps,
            self.adjoint,
            adjoint_clip=self.adjoint_clip,
        )

        def one_start(tokens: Tokens, start: Learner, order: Array, real: Tokens) -> Hypergradient:
            result = differentiate(start, (tokens, order), real)
            return result._replace(gradient=result.gradient[0])

        def written_out(data: Factored) -> Tokens:
            return data if self._by_latents(data) else data.probabilities()

        tokens, transpose = jax.vjp(written_out, distilled)
        results = eqx.filter_vmap(one_start, in_axes=(None, eqx.if_array(0), 0, 0))(
            tokens, starts, order, real
        )
        mean = jax.tree.map(partial(jnp.mean, axis=0), results.gradient)
        (gradient,) = transpose(mean)
        return Matched(jnp.mean(results.loss), gradient, jnp.max(results.adjoint_norms, axis=0))

    def _by_latents(self, data: Factored) -> bool:
        if self.by_latents is not None:
            return self.by_latents
        return data.events * data.decoder.shape[1] > LARGEST
