"""Transformer language model in the manner of GPT-2 (Radford et al. 2019), with pre-norm blocks."""

from __future__ import annotations

import math

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from farzi.models.blocks import Block, check_heads, check_length


class Transformer(eqx.Module):
    """A causal transformer whose table of embeddings is the output layer too.

    Args:
        vocabulary: number of tokens.
        width: size of an embedding and of every hidden state.
        layers: number of blocks.
        heads: attention heads a block; must divide `width`.
        length: the longest sequence it can read.
        dropout: share of entries dropped while training with a key.
        rotary: whether positions turn queries and keys (Su et al. 2021, arXiv 2104.09864), or are
            learned vectors that are added to the embeddings.
        key: for the random initial weights.

    Raises:
        ValueError: if a size does not fit.
    """

    embedding: Float[Array, "vocab width"]
    positions: Float[Array, "length width"] | None
    blocks: tuple[Block, ...]
    norm: eqx.nn.LayerNorm
    dropout: eqx.nn.Dropout
    rotary: eqx.nn.RotaryPositionalEmbedding | None
    length: int = eqx.field(static=True)

    def __init__(
        self,
        vocabulary: int,
        *,
        width: int = 128,
        layers: int = 2,
        heads: int = 4,
        length: int = 64,
        dropout: float = 0.0,
        rotary: bool = False,
        key: PRNGKeyArray,
    ):
        check_heads(width, heads)
        if rotary and width // heads % 2:
            raise ValueError(
                f"rotary positions turn pairs of numbers, but a head has {width // heads}; use a "
                "width that gives an even number."
            )
        words, places, *blocks = jax.random.split(key, 2 + layers)
        self.embedding = 0.3 / math.sqrt(width) * jax.random.normal(words, (vocabulary, width))
        learned = 0.1 / math.sqrt(width) * jax.random.normal(places, (length, width))
        self.positions = None if rotary else learned
        self.rotary = eqx.nn.RotaryPositionalEmbedding(width // heads) if rotary else None
        self.blocks = tuple(
            Block(width, heads, dropout, activation=jax.nn.gelu, expansion=4, key=block)
            for block in blocks
        )
        self.norm = eqx.nn.LayerNorm(width)
        self.dropout = eqx.nn.Dropout(dropout)
        self.length = length

    def __call__(
        self, embedded: Float[Array, "time width"], *, key: PRNGKeyArray | None = None
    ) -> Float[Array, "time width"]:
        """See `farzi.models.Learner`.

        Raises:
            ValueError: if the sequence is longer than what this model can read.
        """
        time = len(embedded)
        check_length(time, self.length, "Transformer")
        keys = [None] * (1 + len(self.blocks))
        if key is not None:
            keys = list(jax.random.split(key, len(keys)))
        x = embedded * math.sqrt(embedded.shape[1])
        if self.positions is not None:
            x = x + self.positions[:time]
        x = self.dropout(x, key=keys[0], inference=key is None)
        mask = jnp.tril(jnp.ones((time, time), bool))
        for block, block_key in zip(self.blocks, keys[1:], strict=True):
            x = block(x, mask, block_key, self._rotate if self.rotary else None)
        return jax.vmap(self.norm)(x)

    def _rotate(self, queries: Array, keys: Array, values: Array) -> tuple[Array, Array, Array]:
        assert self.rotary is not None
        turn = jax.vmap(self.rotary, in_axes=1, out_axes=1)
        return turn(queries), turn(keys), values
