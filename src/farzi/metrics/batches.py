"""Work on many rows, some at a time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp


def in_batches(function: Callable[[Any], Any], rows: Any, size: int) -> Any:
    """What a function makes of each row of some arrays, for at most `size` rows at a time.

    Args:
        function: from arrays `[size, ...]` to arrays `[size, ...]`.
        rows: arrays `[rows, ...]`.
        size: rows at a time.
    """
    count = len(jax.tree.leaves(rows)[0])
    size = min(size, count)
    batches = -(-count // size)
    padded = jax.tree.map(
        lambda leaf: jnp.concatenate(
            [leaf, jnp.repeat(leaf[:1], batches * size - count, axis=0)]
        ).reshape(batches, size, *leaf.shape[1:]),
        rows,
    )
    made = jax.lax.map(function, padded)
    return jax.tree.map(lambda leaf: leaf.reshape(-1, *leaf.shape[2:])[:count], made)
