"""The model of the benchmark in JAX; `hypergradient_twin.py` is the same in PyTorch."""

from __future__ import annotations

import math

import jax
import jax.numpy as jnp
from hypergradient_problem import BATCHES, LAYERS, MATRICES, ONES, ZEROS
from jaxtyping import Array, Float, Int

Weights = dict[str, Array]


def inner_loss(
    w: Weights, data: Float[Array, "batches n time vocab"], t: Int[Array, ""]
) -> Float[Array, ""]:
    """Cross-entropy of the next soft token, on the batch that step `t` reads."""
    soft = data[t % BATCHES]
    scores = logits(w, soft[:, :-1] @ w["embedding"])
    return -jnp.mean(jnp.sum(soft[:, 1:] * jax.nn.log_softmax(scores), axis=-1))


def outer_loss(w: Weights, hard: Int[Array, "n time"]) -> Float[Array, ""]:
    """Cross-entropy of the next hard token."""
    scores = jax.nn.log_softmax(logits(w, w["embedding"][hard[:, :-1]]))
    return -jnp.mean(jnp.take_along_axis(scores, hard[:, 1:, None], axis=-1))


def logits(w: Weights, embedded: Float[Array, "n time width"]) -> Float[Array, "n time vocab"]:
    """Scores of the next token at each place."""
    time, width = embedded.shape[1:]
    mask = jnp.tril(jnp.ones((time, time), bool))
    x = embedded * math.sqrt(width) + w["positions"][:time]
    for layer in range(LAYERS):
        block = {name: w[f"block{layer}_{name}"] for name in (*MATRICES, *ONES, *ZEROS)}
        read = _norm(x, block["attention_scale"], block["attention_shift"])
        query, key, value = (read @ block[name] for name in ("query", "key", "value"))
        scores = query @ key.mT / math.sqrt(width)
        attention = jax.nn.softmax(jnp.where(mask, scores, -1e9))
        x = x + attention @ value @ block["output"]
        read = _norm(x, block["feed_scale"], block["feed_shift"])
        hidden = jax.nn.gelu(read @ block["expand"] + block["expand_bias"], approximate=True)
        x = x + hidden @ block["contract"] + block["contract_bias"]
    return _norm(x, w["scale"], w["shift"]) @ w["embedding"].T


def _norm(
    x: Float[Array, "n time width"], scale: Float[Array, " width"], shift: Float[Array, " width"]
) -> Float[Array, "n time width"]:
    centred = x - jnp.mean(x, axis=-1, keepdims=True)
    variance = jnp.mean(centred**2, axis=-1, keepdims=True)
    return centred * jax.lax.rsqrt(variance + 1e-5) * scale + shift
