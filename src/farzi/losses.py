"""What a learner is trained on: the next token, hard or soft, at every place.

A learner's output layer is its embedding table `E` again, so at a place with hidden state `h` the
cross-entropy against a soft next token `p` is

    logsumexp(E h) - <p, E h>  =  logsumexp(E h) - <h, p E>

and `p E` is the mean embedding of that next token, which the learner reads anyway. Only the
logarithm needs scores of the whole vocabulary, and it is taken for a chunk of places at a time.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from farzi.models import Learner, Tokens, embed
from farzi.models.chunks import in_chunks
from farzi.models.learner import LatentTokens, is_soft, read


def next_token_loss(
    learner: Learner,
    tokens: Tokens,
    *,
    key: PRNGKeyArray | None = None,
    chunk: int | None = None,
) -> Float[Array, ""]:
    """Mean cross-entropy of the next token over all places that have one, in nats.

    Each place reads the tokens up to it and is asked for the next; padding is neither asked for
    nor counted. A soft token is asked for as the distribution that it is.

    Args:
        learner: the model.
        tokens: ids `[batch, time + 1]`, distributions `[batch, time + 1, vocab]`, or latents.
        key: for dropout.
        chunk: see `embedded_loss`.
    """
    embedded = embed(learner.embedding, tokens, chunk=chunk)
    return embedded_loss(learner, embedded, _weights(tokens, embedded), key=key, chunk=chunk)


def embedded_loss(
    learner: Learner,
    embedded: Float[Array, "batch places width"],
    weights: Float[Array, "batch places"],
    *,
    key: PRNGKeyArray | None = None,
    chunk: int | None = None,
) -> Float[Array, ""]:
    """`next_token_loss` of tokens that are embedded already.

    Args:
        learner: the model.
        embedded: for each place the mean of the table's rows under its token; zeros for padding.
        weights: of the places as next tokens: 1, or 0 for padding. Not differentiated.
        key: for dropout.
        chunk: places whose scores are computed at a time, see `farzi.models.chunks`; None chooses
            by size.
    """
    hidden = read(learner, embedded[:, :-1], key=key)
    table = learner.embedding
    # A soft row sums to 1 whatever the latents are, so its weight must not be differentiated.
    weights = jax.lax.stop_gradient(weights[:, 1:])

    def normaliser(hidden: Float[Array, "chunk width"]) -> Float[Array, " chunk"]:
        return jax.nn.logsumexp(hidden @ table.T, axis=-1)

    normalisers = in_chunks(normaliser, hidden, vocabulary=len(table), chunk=chunk)
    losses = weights * normalisers - jnp.sum(hidden * embedded[:, 1:], axis=-1)
    return jnp.sum(losses) / jnp.maximum(jnp.sum(weights), 1)


def _weights(
    tokens: Tokens, embedded: Float[Array, "batch time width"]
) -> Float[Array, "batch time"]:
    """Weight of each place: 1, or 0 for padding."""
    if isinstance(tokens, LatentTokens):
        return jnp.ones_like(embedded[..., 0])
    if is_soft(tokens):
        return jnp.sum(tokens, axis=-1)
    return (tokens >= 0).astype(embedded.dtype)
