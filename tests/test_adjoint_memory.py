"""How memory grows with the number of steps, as the compiler states it."""

import jax
import jax.numpy as jnp
import optax
import pytest

from farzi.hypergradients import Checkpointed, StoreStates, Unrolled, hypergradient

FEW, MANY = 16, 256
WIDTH, ROWS = 16, 64
STATE = 4 * (3 * WIDTH * WIDTH + 1)
"""Bytes of one state of Adam: parameters, two moments, a counter."""


def inner_loss(params, data, t):
    return jnp.mean(jnp.tanh(jnp.tanh(data @ params) @ params) ** 2)


def outer_loss(params, batch):
    return jnp.sum(params**2)


def bytes_per_step(adjoint):
    """What each further step adds to the working memory."""

    def working_memory(steps):
        function = hypergradient(inner_loss, outer_loss, optax.adam(0.01), steps, adjoint)
        start, data = jnp.zeros((WIDTH, WIDTH)), jnp.zeros((ROWS, WIDTH))
        program = jax.jit(function).lower(start, data, None)
        return program.compile().memory_analysis().temp_size_in_bytes

    return (working_memory(MANY) - working_memory(FEW)) / (MANY - FEW)


def test_memory_of_the_strategies():
    stored = bytes_per_step(StoreStates())
    assert stored == pytest.approx(STATE, rel=0.05)
    # sqrt(256) = 16 states kept and as many on the tape, instead of 4 and 4.
    assert bytes_per_step(Checkpointed()) * (MANY - FEW) < 1.05 * 24 * STATE
    # Every activation of every step as well: two layers, forward and backward, of ROWS x WIDTH.
    assert bytes_per_step(Unrolled()) > stored + 4 * 4 * ROWS * WIDTH
