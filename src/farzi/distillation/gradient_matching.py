"""Gradient matching: the distilled data should pull learners where the real data pull them.

Zhao, Mopuri and Bilen 2021, "Dataset Condensation with Gradient Matching" (DC).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float, Int, PRNGKeyArray, PyTree

from farzi.distillation.objective import Matched, averaged
from farzi.distilled import Distilled
from farzi.hypergradients import Hypergradient
from farzi.losses import next_token_loss
from farzi.models import Learner, Tokens


@dataclass(frozen=True)
class GradientMatching:
    """Angle between the gradients on distilled and on real data, along trainings on the distilled.

    Nothing is taken back through the training: each point on the way counts as given.

    Attributes:
        optimizer: trains the learner on the distilled data.
        steps: how long.
        matches: points on the way at which gradients are compared, evenly spaced from the start.
    """

    optimizer: optax.GradientTransformation
    steps: int
    matches: int = 6

    def __call__(
        self,
        distilled: Distilled,
        starts: Learner,
        order: Int[Array, "starts steps batch"],
        real: Tokens,
    ) -> Matched:
        """Compare gradients along trainings from every start, and differentiate by the data.

        Args:
            distilled: the data to be judged.
            starts: learners to train from, stacked on the first axis of every array.
            order: rows of the distilled data that each step of each start reads.
            real: real tokens for each start, `[starts, batch, time + 1]`.
        """

        def one_start(
            tokens: PyTree, start: Learner, order: Array, real: PyTree, key: PRNGKeyArray | None
        ) -> Hypergradient:
            loss, gradient = self._along(tokens, start, order, real)
            zeros = jnp.zeros(self.steps)
            return Hypergradient(loss, gradient, None, zeros, jnp.zeros(()), jnp.isfinite(loss))

        return averaged(one_start, distilled, starts, order, real, None, by_latents=None)

    def _along(
        self, tokens: PyTree, start: Learner, order: Array, real: PyTree
    ) -> tuple[Float[Array, ""], PyTree]:
        """Mean distance over the points of one training, and its derivative by the tokens."""
        params, fixed = eqx.partition(start, eqx.is_inexact_array)
        variable, rest = eqx.partition(tokens, eqx.is_inexact_array)

        def pull(params: PyTree, tokens: PyTree) -> PyTree:
            return jax.grad(lambda w: next_token_loss(eqx.combine(w, fixed), tokens))(params)

        def distance(variable: PyTree, params: PyTree) -> Float[Array, ""]:
            return angle(pull(params, eqx.combine(variable, rest)), pull(params, real))

        def step(carry: tuple[PyTree, PyTree], rows: Array) -> tuple[tuple[PyTree, PyTree], None]:
            params, memory = carry
            updates, memory = self.optimizer.update(pull(params, tokens[rows]), memory, params)
            return (optax.apply_updates(params, updates), memory), None

        def stretch(carry: tuple[PyTree, PyTree], rows: Array) -> tuple[tuple[PyTree, PyTree], Any]:
            found = jax.value_and_grad(distance)(variable, carry[0])
            carry, _ = jax.lax.scan(step, carry, rows)
            return carry, found

        matches = min(self.matches, self.steps)
        each = self.steps // matches
        rows = order[: matches * each].reshape(matches, each, -1)
        carry = params, self.optimizer.init(params)
        _, found = jax.lax.scan(stretch, carry, rows)
        return jax.tree.map(lambda array: jnp.mean(array, axis=0), found)


def angle(one: PyTree, other: PyTree) -> Float[Array, ""]:
    """One minus the cosine between two gradients, averaged over the arrays of weights."""

    def of_array(one: Array, other: Array) -> Float[Array, ""]:
        # Rooted last, and away from zero, where the root has no derivative.
        sizes = jnp.sum(one**2) * jnp.sum(other**2)
        return 1 - jnp.sum(one * other) / jnp.sqrt(sizes + 1e-20)

    return jnp.mean(jnp.stack(jax.tree.leaves(jax.tree.map(of_array, one, other))))
