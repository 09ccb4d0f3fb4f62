"""What the recurrent learners share: a cell that reads a sequence from the left."""

from __future__ import annotations

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float


def run(
    cell: eqx.nn.GRUCell | eqx.nn.LSTMCell, inputs: Float[Array, "time width"]
) -> Float[Array, "time hidden"]:
    """The hidden state after each place, from a state of zeros."""
    start = jnp.zeros(cell.hidden_size, inputs.dtype)
    is_lstm = isinstance(cell, eqx.nn.LSTMCell)

    def step(state: Any, one: Array) -> tuple[Any, Array]:
        state = cell(one, state)
        return state, state[0] if is_lstm else state

    _, hidden = jax.lax.scan(step, (start, start) if is_lstm else start, inputs)
    return hidden
