"""LSTM language model with dropout as in Zaremba et al. 2014 (arXiv 1409.2329).

Dropout is on what passes from layer to layer, and never on what passes from one time to the next.
Unlike theirs, the table of embeddings is the output layer too (Press and Wolf 2017,
arXiv 1608.05859), and a linear layer stands between if the sizes differ.
"""

from __future__ import annotations

import math

import equinox as eqx
import jax
from jaxtyping import Array, Float, PRNGKeyArray

from farzi.models.recurrent import run


class LSTM(eqx.Module):
    """Layers of long short-term memory.

    Args:
        vocabulary: number of tokens.
        width: size of an embedding, and of every hidden state.
        layers: recurrent layers, one above the other.
        dropout: share of the entries dropped of what each layer reads, and of what the last one
            gives, while training with a key.
        key: for the random initial weights.
    """

    embedding: Float[Array, "vocab width"]
    cells: tuple[eqx.nn.LSTMCell, ...]
    dropout: eqx.nn.Dropout

    def __init__(
        self,
        vocabulary: int,
        *,
        width: int = 200,
        layers: int = 2,
        dropout: float = 0.0,
        key: PRNGKeyArray,
    ):
        words, *cells = jax.random.split(key, 1 + layers)
        self.embedding = 0.3 / math.sqrt(width) * jax.random.normal(words, (vocabulary, width))
        self.cells = tuple(eqx.nn.LSTMCell(width, width, key=cell) for cell in cells)
        self.dropout = eqx.nn.Dropout(dropout)

    def __call__(
        self, embedded: Float[Array, "time width"], *, key: PRNGKeyArray | None = None
    ) -> Float[Array, "time width"]:
        """See `farzi.models.Learner`."""
        x = embedded * math.sqrt(embedded.shape[1])
        keys = [None] * (len(self.cells) + 1)
        if key is not None:
            keys = list(jax.random.split(key, len(keys)))
        for cell, layer_key in zip(self.cells, keys[1:], strict=True):
            x = run(cell, self.dropout(x, key=layer_key, inference=key is None))
        # A hidden state lies within (-1, 1): scaled, so that scores can be far apart.
        x = x * math.sqrt(embedded.shape[1])
        return self.dropout(x, key=keys[0], inference=key is None)
