"""How memory grows with the number of steps, as the compiler states it."""

import jax
import jax.numpy as jnp
import optax
import pytest

from farzi.hypergradients import Checkpointed, StoreStates, Unrolled, hypergradient

FEW, MANY = 16, 256
WIDTH, ROWS = 16, 64
PARAMETERS = 2 * WIDTH * WIDTH
STATE = 4 * (3 * PARAMETERS + 1)
"""Bytes of one state of Adam: parameters, two moments, a counter."""


def inner_loss(params, data, t):
    for layer in params:
        data = jnp.tanh(data @ layer)
    return jnp.mean(data**2)


def bytes_per_step(adjoint):
    """What each further step adds to the working memory."""

    def working_memory(steps):
        function = hypergradient(inner_loss, optax.tree.norm, optax.adam(0.01), steps, adjoint)
        start = [jnp.zeros((WIDTH, WIDTH))] * 2
        program = jax.jit(lambda *args: function(*args, None)).lower(
            start, jnp.zeros((ROWS, WIDTH))
        )
        return program.compile().memory_analysis().temp_size_in_bytes

    return (working_memory(MANY) - working_memory(FEW)) / (MANY - FEW)


def test_memory_of_the_strategies():
    stored = bytes_per_step(StoreStates())
    # sqrt(256) = 16 states kept and as many on the tape, instead of 4 and 4.
    assert bytes_per_step(Checkpointed()) * (MANY - FEW) == pytest.approx(24 * STATE, rel=0.1)
    assert stored == pytest.approx(STATE, rel=0.05)
    # Every activation of every step as well: two layers, forward and backward, of ROWS x WIDTH.
    assert bytes_per_step(Unrolled()) > stored + 4 * 4 * ROWS * WIDTH
