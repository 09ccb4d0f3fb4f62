"""Work at many places, some at a time, so that no array of `places x vocabulary` is kept."""

from __future__ import annotations

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

LARGEST = 2**24
"""Numbers in one array of `chunk x vocabulary` (64 MB in float32).

Chunks cost a second computation: 2 to 4 % of a hypergradient and 10 to 15 % of a plain training
step, at any size (two-core CPU, vocabularies of 1,683 to 20,000). So whatever fits is left whole.
"""
FEWEST = 128
"""Places in a chunk, however large the vocabulary: below, a matrix product is no longer one."""


def in_chunks(
    function: Callable[[Array], Array],
    places: Float[Array, "*places size"],
    *,
    vocabulary: int,
    chunk: int | None = None,
) -> Float[Array, "*places *result"]:
    """What a function makes of each place, computed for at most `chunk` of them at a time.

    Nothing that the function makes on the way outlives its chunk, neither in a derivative nor in
    the derivative of one: it is made again.

    Args:
        function: from a chunk of places, `[chunk, size]`, to what it makes of each,
            `[chunk, ...]`.
        places: what it reads.
        vocabulary: numbers at a place in the largest array that it makes on the way.
        chunk: None is all at once if `LARGEST` allows, and otherwise as many as it allows.
    """
    flat = places.reshape(-1, places.shape[-1])
    count = len(flat)
    chunks = -(-count // (chunk or max(LARGEST // vocabulary, FEWEST)))
    if chunks <= 1:
        made = function(flat)
    else:
        size = -(-count // chunks)
        padded = jnp.pad(flat, ((0, chunks * size - count), (0, 0)))
        # Twice: a derivative takes the outer one off the part that it shares with the function
        # itself, and then the inner one is there for the derivative of that derivative.
        remade = jax.checkpoint(jax.checkpoint(function))
        made = jax.lax.map(remade, padded.reshape(chunks, size, -1))
        made = made.reshape(chunks * size, *made.shape[2:])[:count]
    return made.reshape(*places.shape[:-1], *made.shape[1:])
