"""How memory grows with the number of steps, as the compiler states it."""

import jax
import jax.numpy as jnp
import pytest

from farzi.hypergradients import (
    Checkpointed,
    Reversible,
    StoreStates,
    Truncated,
    Unrolled,
    adam,
    hypergradient,
)

FEW, MANY = 16, 256
WIDTH, ROWS = 16, 64
PARAMETERS = WIDTH * WIDTH
STATE = 4 * (3 * PARAMETERS + 1)
"""Bytes of one state of Adam: parameters, two moments, a counter."""


def inner_loss(params, data, t):
    return jnp.mean(jnp.tanh(jnp.tanh(data @ params) @ params) ** 2)


def outer_loss(params, batch):
    return jnp.sum(params**2)


def working_memory(adjoint, steps):
    function = hypergradient(inner_loss, outer_loss, adam(0.01), steps, adjoint)
    start, data = jnp.zeros((WIDTH, WIDTH)), jnp.zeros((ROWS, WIDTH))
    program = jax.jit(function).lower(start, data, None, key=jax.random.key(0))
    return program.compile().memory_analysis().temp_size_in_bytes


def growth(adjoint, few=FEW, many=MANY):
    """What the further steps add."""
    return working_memory(adjoint, many) - working_memory(adjoint, few)


def test_stored_states_and_autodiff():
    per_step = growth(StoreStates()) / (MANY - FEW)
    assert per_step == pytest.approx(STATE + 4 * PARAMETERS, rel=0.05)  # And a gradient.
    # Every activation of every step as well: two layers, forward and backward, of ROWS x WIDTH.
    assert growth(Unrolled()) / (MANY - FEW) > per_step + 4 * 4 * ROWS * WIDTH


@pytest.mark.parametrize(
    "adjoint", [Checkpointed(), Checkpointed(levels=3), Checkpointed(every=16)]
)
def test_checkpoints_cost_their_places_and_no_more(adjoint):
    places = adjoint.schedule(MANY).places - adjoint.schedule(FEW).places
    tables = 4 * (4 * 2 * MANY + 2 * MANY)  # At the most: the schedule itself, in bytes.
    assert growth(adjoint) < 1.05 * places * STATE + tables


def test_reversible_costs_a_word_a_parameter_for_every_few_hundred_steps():
    assert growth(Reversible()) < STATE  # The norms of the adjoint, one number a step.
    aside = 2  # The buffer of the first moment lasts 399 steps.
    assert growth(Reversible(), MANY, 1024) == pytest.approx(8 * PARAMETERS * aside, rel=0.5)


def test_a_window_costs_its_states_whatever_the_loop():
    assert growth(Truncated(window=8)) < STATE
