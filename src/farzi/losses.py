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

from farzi.models import Labelled, Learner, Masked, Tokens, embed
from farzi.models.chunks import in_chunks
from farzi.models.learner import LatentTokens, is_soft, read


def next_token_loss(
    learner: Learner,
    tokens: Tokens,
    *,
    key: PRNGKeyArray | None = None,
    chunk: int | None = None,
) -> Float[Array, ""]:
    """Mean cross-entropy of the next token over all places that are asked for one, in nats.

    Each place reads the tokens up to it and is asked for the next, unless that is padding or left
    out by the loss mask. A soft token is asked for as the distribution that it is.

    Args:
        learner: the model.
        tokens: ids `[batch, time + 1]`, distributions `[batch, time + 1, vocab]`, latents, or one
            of them `Masked`, or ids that are `Labelled`.
        key: for dropout.
        chunk: see `token_losses`.
    """
    losses, weights = token_losses(learner, tokens, key=key, chunk=chunk)
    return jnp.sum(losses) / jnp.maximum(jnp.sum(weights), 1)


def token_losses(
    learner: Learner,
    tokens: Tokens,
    *,
    key: PRNGKeyArray | None = None,
    chunk: int | None = None,
) -> tuple[Float[Array, "batch asked"], Float[Array, "batch asked"]]:
    """Cross-entropy of the next token at each place, in nats, and the weight of the place.

    Args:
        learner: the model.
        tokens: see `next_token_loss`.
        key: for dropout.
        chunk: places whose scores are computed at a time, see `farzi.models.chunks`; None chooses
            by size.

    Returns:
        Losses times weights, and weights: 1, or 0 where nothing is asked for.
    """
    table = learner.embedding
    embedded = embed(table, tokens, chunk=chunk)
    hidden = read(learner, embedded[:, :-1], key=key)
    # A soft row sums to 1 whatever the latents are, so its weight must not be differentiated.
    weights = jax.lax.stop_gradient(_weights(tokens, embedded)[:, 1:])
    targets = embedded[:, 1:]
    if isinstance(tokens, Labelled):
        targets = weights[..., None] * embed(table, tokens.labels)
    mask = tokens.loss_mask if isinstance(tokens, Masked | LatentTokens | Labelled) else None
    if mask is not None:
        weights = jnp.where(mask[:, 1:], weights, 0)
        targets = jnp.where(mask[:, 1:, None], targets, 0)

    def normaliser(hidden: Float[Array, "chunk width"]) -> Float[Array, " chunk"]:
        return jax.nn.logsumexp(hidden @ table.T, axis=-1)

    normalisers = in_chunks(normaliser, hidden, vocabulary=len(table), chunk=chunk)
    return weights * normalisers - jnp.sum(hidden * targets, axis=-1), weights


def _weights(
    tokens: Tokens, embedded: Float[Array, "batch time width"]
) -> Float[Array, "batch time"]:
    """Weight of each place, whatever its mask: 1, or 0 for padding."""
    if isinstance(tokens, Masked | Labelled):
        tokens = tokens.tokens
    if isinstance(tokens, LatentTokens):
        return jnp.ones_like(embedded[..., 0])
    if is_soft(tokens):
        return jnp.sum(tokens, axis=-1)
    return (tokens >= 0).astype(embedded.dtype)
