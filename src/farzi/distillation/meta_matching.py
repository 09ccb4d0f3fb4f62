"""Meta-matching: distilled data are good if training on them ends where real loss is low."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import optax
from jaxtyping import Array, Int, PRNGKeyArray

from farzi.distillation.objective import Matched, at_the_end, averaged
from farzi.distilled import Distilled
from farzi.hypergradients import Adjoint, Auto
from farzi.losses import next_token_loss
from farzi.models import Learner, Tokens


@dataclass(frozen=True)
class MetaMatching:
    """The objective of the paper (its equation 2), with any optimiser inside.

    Attributes:
        optimizer: trains the learner in the inner loop.
        steps: T, how long.
        adjoint: how to differentiate it.
        adjoint_clip: see `farzi.hypergradient`.
        by_latents: whether the loop is differentiated by latents and decoder, or by the
            probabilities, which are then computed once; the outcome is the same. None chooses by
            size, as `Factored.tokens` does.
        chunk: places whose scores or probabilities are computed at a time, see
            `farzi.models.chunks`; None chooses by size.
    """

    optimizer: optax.GradientTransformation
    steps: int
    adjoint: Adjoint | Auto
    adjoint_clip: float | None = None
    by_latents: bool | None = None
    chunk: int | None = None

    def __call__(
        self,
        distilled: Distilled,
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
        one_start = at_the_end(
            loss,
            loss,
            self.optimizer,
            self.steps,
            self.adjoint,
            adjoint_clip=self.adjoint_clip,
        )
        return averaged(one_start, distilled, starts, order, real, key, by_latents=self.by_latents)
