"""The block of the transformers: attention over the past, then a feed-forward layer."""

from __future__ import annotations

from collections.abc import Callable

import equinox as eqx
import jax
from jaxtyping import Array, Bool, Float, PRNGKeyArray

Rotate = Callable[[Array, Array, Array], tuple[Array, Array, Array]]
"""Turns queries, keys and values of all heads, `[time, heads, size]` each."""


class Block(eqx.Module):
    """Self-attention, then a feed-forward layer at each place; both add to what they read.

    What they read is normalised, and what they add is not (pre-norm: Xiong et al. 2020,
    arXiv 2002.04745).

    Args:
        width: of a hidden state.
        heads: attention heads; must divide `width`.
        dropout: share of the entries of what is added that is dropped.
        activation: of the feed-forward layer.
        expansion: width of that layer, in widths of a hidden state.
        key: for the random initial weights.
    """

    attention_norm: eqx.nn.LayerNorm
    attention: eqx.nn.MultiheadAttention
    feed_norm: eqx.nn.LayerNorm
    expand: eqx.nn.Linear
    contract: eqx.nn.Linear
    dropout: eqx.nn.Dropout
    activation: Callable[[Array], Array] = eqx.field(static=True)

    def __init__(
        self,
        width: int,
        heads: int,
        dropout: float,
        *,
        activation: Callable[[Array], Array] = jax.nn.relu,
        expansion: int = 1,
        key: PRNGKeyArray,
    ):
        attention, expand, contract = jax.random.split(key, 3)
        self.attention_norm = eqx.nn.LayerNorm(width)
        self.attention = eqx.nn.MultiheadAttention(heads, width, key=attention)
        self.feed_norm = eqx.nn.LayerNorm(width)
        self.expand = eqx.nn.Linear(width, expansion * width, key=expand)
        self.contract = eqx.nn.Linear(expansion * width, width, key=contract)
        self.dropout = eqx.nn.Dropout(dropout)
        self.activation = activation

    def __call__(
        self,
        x: Float[Array, "time width"],
        mask: Bool[Array, "time time"],
        key: PRNGKeyArray | None,
        rotate: Rotate | None = None,
    ) -> Float[Array, "time width"]:
        """One block; `mask` says which place may look at which."""
        keys = (None, None) if key is None else jax.random.split(key)
        read = jax.vmap(self.attention_norm)(x)
        attended = self.attention(read, read, read, mask=mask, process_heads=rotate)
        x = x + self.dropout(attended, key=keys[0], inference=key is None)
        read = jax.vmap(self.feed_norm)(x)
        fed = jax.vmap(self.contract)(self.activation(jax.vmap(self.expand)(read)))
        return x + self.dropout(fed, key=keys[1], inference=key is None)


def check_heads(width: int, heads: int) -> None:
    """Raise if heads cannot share the width.

    Raises:
        ValueError: then.
    """
    if width % heads:
        raise ValueError(
            f"width {width} cannot be shared by {heads} heads; use a multiple of {heads}."
        )


def check_length(time: int, length: int, name: str) -> None:
    """Raise if a sequence is longer than what a model can read.

    Raises:
        ValueError: then.
    """
    if time > length:
        raise ValueError(
            f"the sequence has {time} places but this {name} knows {length}; cut the sequence or "
            "build the model with a larger `length`."
        )
