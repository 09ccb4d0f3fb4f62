"""SASRec: self-attentive sequential recommendation (Kang and McAuley 2018, arXiv 1808.09781).

As in the later comparisons of it (Klenitskiy and Vasilev 2023, arXiv 2309.07602), it is trained
with the full softmax instead of sampled negatives, and each block normalises what it reads
(pre-norm). The table of item embeddings is also the output layer.
"""

from __future__ import annotations

import math

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from farzi.models.blocks import Block, check_heads, check_length


class SASRec(eqx.Module):
    """A causal transformer over the last `length` events.

    Args:
        vocabulary: number of tokens.
        width: size of an embedding and of every hidden state.
        layers: number of blocks.
        heads: attention heads a block; must divide `width`.
        length: the longest sequence it can read.
        dropout: share of entries dropped while training with a key.
        key: for the random initial weights.

    Raises:
        ValueError: if a size does not fit.
    """

    embedding: Float[Array, "vocab width"]
    positions: Float[Array, "length width"]
    blocks: tuple[Block, ...]
    norm: eqx.nn.LayerNorm
    dropout: eqx.nn.Dropout

    def __init__(
        self,
        vocabulary: int,
        *,
        width: int = 64,
        layers: int = 2,
        heads: int = 1,
        length: int = 50,
        dropout: float = 0.0,
        key: PRNGKeyArray,
    ):
        check_heads(width, heads)
        items, places, *blocks = jax.random.split(key, 2 + layers)
        # Small, so that the first scores are nearly even and the first steps count: with three
        # times as much, data distilled for short trainings are clearly worse (docs/decisions.md).
        self.embedding = 0.3 / math.sqrt(width) * jax.random.normal(items, (vocabulary, width))
        self.positions = 0.1 / math.sqrt(width) * jax.random.normal(places, (length, width))
        self.blocks = tuple(Block(width, heads, dropout, key=block) for block in blocks)
        self.norm = eqx.nn.LayerNorm(width)
        self.dropout = eqx.nn.Dropout(dropout)

    def __call__(
        self, embedded: Float[Array, "time width"], *, key: PRNGKeyArray | None = None
    ) -> Float[Array, "time width"]:
        """See `farzi.models.Learner`.

        Raises:
            ValueError: if the sequence is longer than the positions this model knows.
        """
        time = embedded.shape[0]
        check_length(time, len(self.positions), "SASRec")
        keys = [None] * (1 + len(self.blocks))
        if key is not None:
            keys = list(jax.random.split(key, len(keys)))
        x = embedded * math.sqrt(embedded.shape[1]) + self.positions[:time]
        x = self.dropout(x, key=keys[0], inference=key is None)
        mask = jnp.tril(jnp.ones((time, time), bool))
        for block, block_key in zip(self.blocks, keys[1:], strict=True):
            x = block(x, mask, block_key)
        return jax.vmap(self.norm)(x)
