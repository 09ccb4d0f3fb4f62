"""What a learner is trained on: the next token, hard or soft, at every place."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from farzi.models import Learner, Tokens, is_soft, logits


def next_token_loss(
    learner: Learner, tokens: Tokens, *, key: PRNGKeyArray | None = None
) -> Float[Array, ""]:
    """Mean cross-entropy of the next token over all places that have one, in nats.

    Each place reads the tokens up to it and is asked for the next; padding is neither asked for
    nor counted. A soft token is asked for as the distribution that it is.

    Args:
        learner: the model.
        tokens: ids `[batch, time + 1]` or distributions `[batch, time + 1, vocab]`.
        key: for dropout.
    """
    scores = logits(learner, tokens[:, :-1], key=key)
    wanted = tokens[:, 1:]
    if is_soft(wanted):
        losses = -jnp.sum(wanted * jax.nn.log_softmax(scores), axis=-1)
        # A soft row sums to 1 whatever the latents are, so its weight must not be differentiated.
        weights = jax.lax.stop_gradient(jnp.sum(wanted, axis=-1))
    else:
        picked = jnp.take_along_axis(scores, jnp.maximum(wanted, 0)[..., None], axis=-1)[..., 0]
        weights = (wanted >= 0).astype(scores.dtype)
        losses = weights * (jax.nn.logsumexp(scores, axis=-1) - picked)
    return jnp.sum(losses) / jnp.maximum(jnp.sum(weights), 1)
