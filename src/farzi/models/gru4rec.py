"""GRU4Rec: a recurrent network over a session (Hidasi et al. 2016, arXiv 1511.06939).

Trained with the full softmax, which the later comparisons found stronger than the losses of the
paper (Petrov and Macdonald 2022, arXiv 2207.14576), and with the item table as output layer.
"""

from __future__ import annotations

import math

import equinox as eqx
import jax
from jaxtyping import Array, Float, PRNGKeyArray

from farzi.models.recurrent import run


class GRU4Rec(eqx.Module):
    """Gated recurrent layers, then a linear layer back to the width of the embeddings.

    Args:
        vocabulary: number of tokens.
        width: size of an embedding.
        hidden: size of the recurrent state; `width` if not given.
        layers: recurrent layers, one above the other.
        dropout: share of the entries dropped of what each layer reads, while training with a key.
        key: for the random initial weights.
    """

    embedding: Float[Array, "vocab width"]
    cells: tuple[eqx.nn.GRUCell, ...]
    output: eqx.nn.Linear
    dropout: eqx.nn.Dropout

    def __init__(
        self,
        vocabulary: int,
        *,
        width: int = 64,
        hidden: int | None = None,
        layers: int = 1,
        dropout: float = 0.0,
        key: PRNGKeyArray,
    ):
        hidden = width if hidden is None else hidden
        items, output, *cells = jax.random.split(key, 2 + layers)
        # As small as that of SASRec, see there.
        self.embedding = 0.3 / math.sqrt(width) * jax.random.normal(items, (vocabulary, width))
        self.cells = tuple(
            eqx.nn.GRUCell(hidden if number else width, hidden, key=cell)
            for number, cell in enumerate(cells)
        )
        self.output = eqx.nn.Linear(hidden, width, key=output)
        self.dropout = eqx.nn.Dropout(dropout)

    def __call__(
        self, embedded: Float[Array, "time width"], *, key: PRNGKeyArray | None = None
    ) -> Float[Array, "time width"]:
        """See `farzi.models.Learner`."""
        x = embedded * math.sqrt(embedded.shape[1])
        keys = [None] * len(self.cells)
        if key is not None:
            keys = list(jax.random.split(key, len(keys)))
        for cell, layer_key in zip(self.cells, keys, strict=True):
            x = run(cell, self.dropout(x, key=layer_key, inference=key is None))
        return jax.vmap(self.output)(x)
