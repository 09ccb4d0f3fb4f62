"""What a learner is, and how it reads hard and soft tokens by one path.

A learner is any `equinox.Module` with a table `embedding` (`[vocabulary, width]`) that maps
embedded tokens to hidden states when called. It never sees tokens, so it cannot tell whether an
embedding is a row of the table or a mean of rows: whatever has a table can be trained on distilled
data.
"""

from __future__ import annotations

from typing import Protocol, runtime_checkable

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, PRNGKeyArray

HardTokens = Int[Array, "*batch time"]
"""Token ids; negative ones are padding."""
SoftTokens = Float[Array, "*batch time vocab"]
"""A distribution over tokens at each place; a row of zeros is padding."""
Tokens = HardTokens | SoftTokens


@runtime_checkable
class Learner(Protocol):
    """An autoregressive model less its output layer, which is its embedding table again."""

    embedding: Float[Array, "vocab width"]

    def __call__(
        self, embedded: Float[Array, "time width"], *, key: PRNGKeyArray | None = None
    ) -> Float[Array, "time width"]:
        """Hidden state at each place, which may depend on that place and those before it.

        Args:
            embedded: one sequence; padding, all of it at the end, is zeros.
            key: for dropout; None turns dropout off.
        """
        ...


def is_soft(tokens: Tokens) -> bool:
    """Whether `tokens` are distributions rather than ids."""
    return bool(jnp.issubdtype(tokens.dtype, jnp.floating))


def embed(table: Float[Array, "vocab width"], tokens: Tokens) -> Float[Array, "*batch time width"]:
    """Row of the table for an id, mean of the rows under a distribution, zeros for padding."""
    if is_soft(tokens):
        return tokens @ table
    rows = table[jnp.maximum(tokens, 0)]
    return jnp.where((tokens >= 0)[..., None], rows, jnp.zeros_like(rows))


def hidden_states(
    learner: Learner, tokens: Tokens, *, key: PRNGKeyArray | None = None
) -> Float[Array, "batch time width"]:
    """Hidden states of a batch of sequences; each gets a dropout key of its own."""
    embedded = embed(learner.embedding, tokens)
    if key is None:
        return jax.vmap(learner)(embedded)
    keys = jax.random.split(key, embedded.shape[0])
    return jax.vmap(lambda one, key: learner(one, key=key))(embedded, keys)


def logits(
    learner: Learner, tokens: Tokens, *, key: PRNGKeyArray | None = None
) -> Float[Array, "batch time vocab"]:
    """Scores of every token as the next one, at each place of a batch of sequences."""
    return hidden_states(learner, tokens, key=key) @ learner.embedding.T
