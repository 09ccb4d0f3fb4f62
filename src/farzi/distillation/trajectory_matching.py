"""Trajectory matching: training on the distilled data should end where training on all data does.

Cazenavette et al. 2022, "Dataset Distillation by Matching Training Trajectories" (MTT).
"""

from __future__ import annotations

from dataclasses import dataclass

import equinox as eqx
import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float, Int, PRNGKeyArray, PyTree

from farzi.distillation.objective import Matched, at_the_end, averaged
from farzi.distilled import Distilled
from farzi.hypergradients import Adjoint, Auto
from farzi.losses import next_token_loss
from farzi.models import Learner


@dataclass(frozen=True)
class TrajectoryMatching:
    """Distance of the weights to those of an expert, relative to how far the expert went.

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
        distilled: Distilled,
        starts: Learner,
        order: Int[Array, "starts steps batch"],
        targets: Learner,
        *,
        key: PRNGKeyArray | None = None,
    ) -> Matched:
        """Train from every start on the distilled data, and differentiate the distance by them.

        Args:
            distilled: the data to be judged.
            starts: checkpoints of experts, stacked on the first axis of every array.
            order: rows of the distilled data that each step of each start reads.
            targets: later checkpoints of the same experts.
            key: for an adjoint that draws at random; each start gets one of its own.
        """
        one_start = at_the_end(
            next_token_loss,
            relative_distance,
            self.optimizer,
            self.steps,
            self.adjoint,
            adjoint_clip=self.adjoint_clip,
        )
        return averaged(
            one_start, distilled, starts, order, (starts, targets), key, by_latents=None
        )


def relative_distance(learner: Learner, stretch: tuple[Learner, Learner]) -> Float[Array, ""]:
    """Squared distance of the weights to the end of a stretch, as a share of its own."""
    start, target = (eqx.filter(one, eqx.is_inexact_array) for one in stretch)
    weights = eqx.filter(learner, eqx.is_inexact_array)

    def squared(one: PyTree, other: PyTree) -> Float[Array, ""]:
        return optax.tree.norm(jax.tree.map(jnp.subtract, one, other), squared=True)

    return squared(weights, target) / squared(start, target)
