"""What a learner is, and how it reads hard and soft tokens by one path.

A learner is any `equinox.Module` with a table `embedding` (`[vocabulary, width]`) that maps
embedded tokens to hidden states when called. It never sees tokens, so it cannot tell whether an
embedding is a row of the table or a mean of rows: whatever has a table can be trained on distilled
data.
"""

from __future__ import annotations

from typing import Protocol, runtime_checkable

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int, PRNGKeyArray

from farzi.data import Windows


@runtime_checkable
class LatentTokens(Protocol):
    """Sequences of distributions over tokens that are never written out all at once; no padding.

    Attributes:
        loss_mask: see `Masked`; None if every token is asked for.
    """

    loss_mask: Bool[Array, "sequences time"] | None

    def __len__(self) -> int:
        """How many sequences."""
        ...

    def __getitem__(self, rows: Int[Array, " rows"]) -> LatentTokens:
        """Some of the sequences."""
        ...

    def embed(
        self, table: Float[Array, "vocab width"], *, chunk: int | None = None
    ) -> Float[Array, "sequences time width"]:
        """Mean of the table's rows at each place, for at most `chunk` places at a time."""
        ...


HardTokens = Int[Array, "*batch time"]
"""Token ids; negative ones are padding."""
SoftTokens = Float[Array, "*batch time vocab"]
"""A distribution over tokens at each place; a row of zeros is padding."""


class Masked(eqx.Module):
    """Tokens that are all read, but of which only some are asked for: responses, not prompts.

    Attributes:
        tokens: ids or distributions.
        loss_mask: which of them are asked for.
    """

    tokens: HardTokens | SoftTokens
    loss_mask: Bool[Array, "*batch time"]

    def __len__(self) -> int:
        return len(self.tokens)

    def __getitem__(self, rows: Int[Array, " rows"]) -> Masked:
        """The sequences in these rows."""
        return Masked(self.tokens[rows], self.loss_mask[rows])

    # Python would read a number after the last row for ever: JAX gives the last row again.
    __iter__ = None


class Labelled(eqx.Module):
    """Hard tokens whose labels are soft: at each place, how likely a teacher holds each next token.

    Attributes:
        tokens: ids, `[*batch, time + 1]`; the last one is read by no learner.
        labels: a distribution for each token but the first, `[*batch, time, vocab]`, or latents of
            it.
        loss_mask: which tokens are asked for, `[*batch, time + 1]`; None if all are.
    """

    tokens: HardTokens
    labels: Float[Array, "*batch places vocab"] | LatentTokens
    loss_mask: Bool[Array, "*batch time"] | None = None

    def __len__(self) -> int:
        return len(self.tokens)

    def __getitem__(self, rows: Int[Array, " rows"]) -> Labelled:
        """The sequences in these rows."""
        mask = None if self.loss_mask is None else self.loss_mask[rows]
        return Labelled(self.tokens[rows], self.labels[rows], mask)

    # Python would read a number after the last row for ever: JAX gives the last row again.
    __iter__ = None


Tokens = HardTokens | SoftTokens | LatentTokens | Masked | Labelled


def hard_tokens(windows: Windows, rows: np.ndarray) -> HardTokens | Masked:
    """Some rows of real sequences, `[..., time]` for rows `[...]`."""
    ids, mask = jnp.asarray(windows[rows]), windows.loss_mask(rows)
    return ids if mask is None else Masked(ids, jnp.asarray(mask))


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
    if isinstance(tokens, Masked | Labelled):
        tokens = tokens.tokens
    return isinstance(tokens, LatentTokens) or bool(jnp.issubdtype(tokens.dtype, jnp.floating))


def embed(
    table: Float[Array, "vocab width"], tokens: Tokens, *, chunk: int | None = None
) -> Float[Array, "*batch time width"]:
    """Row of the table for an id, mean of the rows under a distribution, zeros for padding.

    `chunk` is for `LatentTokens`, see there.
    """
    if isinstance(tokens, Masked | Labelled):
        tokens = tokens.tokens
    if isinstance(tokens, LatentTokens):
        return tokens.embed(table, chunk=chunk)
    if is_soft(tokens):
        # As one matrix product: with a batch axis its derivative by the table is transposed first.
        flat = tokens.reshape(-1, tokens.shape[-1]) @ table
        return flat.reshape(*tokens.shape[:-1], -1)
    rows = table[jnp.maximum(tokens, 0)]
    return jnp.where((tokens >= 0)[..., None], rows, jnp.zeros_like(rows))


def read(
    learner: Learner,
    embedded: Float[Array, "batch time width"],
    *,
    key: PRNGKeyArray | None = None,
) -> Float[Array, "batch time width"]:
    """Hidden states of a batch of embedded sequences; each gets a dropout key of its own."""
    if key is None:
        return jax.vmap(learner)(embedded)
    keys = jax.random.split(key, embedded.shape[0])
    return jax.vmap(lambda one, key: learner(one, key=key))(embedded, keys)


def hidden_states(
    learner: Learner, tokens: Tokens, *, key: PRNGKeyArray | None = None
) -> Float[Array, "batch time width"]:
    """Hidden states of a batch of sequences; each gets a dropout key of its own."""
    return read(learner, embed(learner.embedding, tokens), key=key)


def logits(
    learner: Learner, tokens: Tokens, *, key: PRNGKeyArray | None = None
) -> Float[Array, "batch time vocab"]:
    """Scores of every token as the next one, at each place of a batch of sequences."""
    return hidden_states(learner, tokens, key=key) @ learner.embedding.T
