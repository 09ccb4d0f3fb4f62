"""What learners trained on all data expect in real sequences: what judges distilled data."""

from __future__ import annotations

from collections.abc import Sequence

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array

from farzi.distilled import Factored
from farzi.models import Labelled, Learner, Masked, hidden_states
from farzi.models.learner import HardTokens


def expected(teachers: Sequence[Learner], real: HardTokens | Masked) -> Labelled:
    """Real sequences whose labels are what the teachers expect, not the tokens that follow.

    A learner that comes to the end of an inner loop with the lowest loss on *these* has learned
    what the teachers know and nothing more, where the lowest loss on the tokens themselves is that
    of a learner which knows the training data by heart.

    Several teachers are joined by the mean of their scores (a geometric mean of their
    distributions), because scores are hidden states times embeddings and so are their means: the
    distributions are never written out.

    Args:
        teachers: trained on all data.
        real: real sequences for each start, `[starts, batch, time + 1]`.
    """
    tables = [teacher.embedding for teacher in teachers]
    decoder = jnp.concatenate(tables, axis=1).T / len(teachers)

    def one_start(real: HardTokens | Masked) -> Labelled:
        ids, mask = (real.tokens, real.loss_mask) if isinstance(real, Masked) else (real, None)

        def one(row: Array) -> Array:
            hidden = [hidden_states(teacher, row[None])[0] for teacher in teachers]
            return jnp.concatenate(hidden, axis=-1)

        latents = jax.lax.map(one, ids[:, :-1], batch_size=_TOGETHER)
        return Labelled(ids, Factored(latents, decoder), mask)

    return eqx.filter_vmap(one_start)(real)


_TOGETHER = 32
"""Sequences that teachers read at a time."""
