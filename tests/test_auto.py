"""The strategy that `Auto` takes against the memory of each one compiled here."""

import functools
import itertools
import logging

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import farzi
from farzi.hypergradients import (
    Auto,
    Checkpointed,
    Reversible,
    StoreStates,
    Truncated,
    hypergradient,
)
from farzi.hypergradients.auto import (
    FASTEST_FIRST,
    StateSize,
    candidates,
    first_that_fits,
    kept_bytes,
    state_size,
)
from farzi.hypergradients.budget import parse_bytes, program_bytes

STEPS, WIDTH = 200, 12
LEVELS = [StoreStates(), *(Checkpointed(levels=levels) for levels in (3, 4, 6))]
SIZE = StateSize(params=4 * WIDTH * WIDTH, memory=4 * (2 * WIDTH * WIDTH + 1))
"""Of Adam: two moments and a counter."""
ADAM = optax.adam(0.01)


def inner_loss(params, data, t):
    return jnp.mean(jnp.tanh(data @ params) ** 2)


def outer_loss(params, batch):
    return jnp.mean((batch @ params - 1) ** 2)


def arguments():
    return (
        jnp.eye(WIDTH),
        jax.random.normal(jax.random.key(0), (8, WIDTH)),
        jax.random.normal(jax.random.key(1), (4, WIDTH)),
    )


def function(adjoint, optimizer=ADAM):
    return hypergradient(inner_loss, outer_loss, optimizer, STEPS, adjoint)


def compiled(adjoint):
    return jax.jit(function(adjoint)).lower(*arguments()).compile()


@functools.cache
def need(adjoint):
    return program_bytes(compiled(adjoint))


def chosen(log):
    """What was said to have been chosen, in order."""
    return [record.getMessage().split(": ")[1].split(" needs ")[0] for record in log.records]


@pytest.fixture
def log(caplog):
    caplog.set_level(logging.INFO, logger="farzi")
    return caplog


def test_the_first_that_fits_is_taken_and_named(log):
    stored, checkpointed = need(StoreStates()), need(Checkpointed())
    assert checkpointed < stored / 2
    for budget in (stored, stored - 1, checkpointed, checkpointed - 1):
        function(Auto(budget))(*arguments())
    assert chosen(log) == [
        "StoreStates()",
        "Checkpointed()",
        "Checkpointed()",
        "Checkpointed(levels=3)",
    ]
    assert need(Checkpointed(levels=3)) < checkpointed


def test_the_result_is_that_of_the_strategy_taken():
    result = jax.jit(function(Auto(need(StoreStates()) - 1)))(*arguments())
    wanted = jax.jit(function(Checkpointed()))(*arguments())
    np.testing.assert_array_equal(result.gradient, wanted.gradient)
    assert result.loss == wanted.loss


def test_a_second_trace_of_the_same_shapes_chooses_nothing_anew(log):
    start, data, batch = arguments()
    differentiate = function(Auto("1 MB"))
    jax.jit(differentiate)(start, data, batch)
    jax.jit(lambda *all: differentiate(*all).loss)(start, 2 * data, batch)
    assert len(log.records) == 1
    jax.jit(differentiate)(start, data[:4], batch)
    assert len(log.records) == 2


def test_within_vmap_the_budget_is_for_one_element(log):
    start, data, batch = arguments()
    differentiate = function(Auto(need(StoreStates())))
    starts = jnp.stack([start, 2 * start, 3 * start])
    together = jax.jit(jax.vmap(differentiate, (0, None, None)))(starts, data, batch)
    assert chosen(log) == ["StoreStates()"]
    alone = function(StoreStates())(starts[2], data, batch)
    np.testing.assert_allclose(together.gradient[2], alone.gradient, rtol=1e-3, atol=1e-4)


def test_what_is_no_floating_point_array_stays_as_it_is(log):
    def inner(params, data, t):
        assert data["name"] == "rows"
        assert params["activation"] is jnp.tanh
        return jnp.mean(params["activation"](data["rows"][data["order"]] @ params["w"]) ** 2)

    def outer(params, batch):
        return outer_loss(params["w"], batch)

    start, rows, batch = arguments()
    data = {"rows": rows, "order": np.arange(8), "name": "rows"}
    start = {"w": start, "activation": jnp.tanh}
    differentiate = hypergradient(inner, outer, ADAM, STEPS, Auto("1 MB"))
    for _ in range(2):
        result = differentiate(start, data, batch)
    assert chosen(log) == ["StoreStates()"]
    wanted = function(StoreStates())(*arguments())
    np.testing.assert_allclose(result.gradient["rows"], wanted.gradient, rtol=1e-5, atol=1e-7)


def test_a_budget_that_nothing_fits_is_refused():
    with pytest.raises(
        ValueError, match=r"no strategy fits .* 500 B: Checkpointed.* needs at least .* memory_budg"
    ):
        function(Auto("500 B"))(*arguments())


@pytest.mark.parametrize("budget", ["4", "much", 0, "0 GB"])
def test_an_impossible_budget_is_refused_at_once(budget):
    with pytest.raises(ValueError, match="memory"):
        Auto(budget)


def test_running_backwards_is_for_optimisers_that_can():
    assert Reversible() not in candidates(ADAM)
    assert candidates(farzi.adam(0.1)) == FASTEST_FIRST
    # A decay that is no fraction with a small denominator cannot be undone.
    assert Reversible() not in candidates(farzi.adam(0.1, b1=0.8765432198765))


def test_the_size_of_a_state():
    assert state_size(ADAM, jnp.eye(WIDTH)) == SIZE
    assert state_size(ADAM, {"w": jnp.eye(WIDTH), "n": 3, "i": jnp.arange(5)}) == SIZE


def test_nothing_is_compiled_that_is_bound_to_be_too_large():
    tried = []

    def compile(adjoint):
        tried.append(adjoint)
        return compiled(adjoint)

    def search(budget):
        tried.clear()
        return first_that_fits(LEVELS, compile, steps=STEPS, size=SIZE, budget=budget)

    # States alone are too much, then the compiler says so, then that is as good as known.
    found = search(need(LEVELS[-1]))
    assert [one.known for one in found.tried] == ["at least", "exactly", "about", "exactly"]
    assert tried == [LEVELS[1], LEVELS[3]]
    assert found.tried[2].bytes == pytest.approx(need(LEVELS[2]), rel=0.1)
    assert found.program is not None
    # The most frugal is compiled whatever the estimate says, unless its states alone are too much.
    none = search(kept_bytes(LEVELS[-1], STEPS, SIZE))
    assert [one.known for one in none.tried] == ["at least"] * 3 + ["exactly"]
    assert none.program is None
    assert none.least.bytes == need(LEVELS[-1])
    assert search(sum(SIZE)).least.known == "at least"
    assert tried == []


def test_what_another_program_needs_beside_its_states_is_a_good_estimate():
    """Which is why it may decide what is not worth compiling."""
    for one, other in itertools.permutations(LEVELS, 2):
        beside = need(one) - kept_bytes(one, STEPS, SIZE)
        assert kept_bytes(other, STEPS, SIZE) + beside == pytest.approx(need(other), rel=0.1)


def test_the_budget_may_be_a_number_or_text():
    assert Auto("2 GB").bytes == Auto(2_000_000_000).bytes == parse_bytes("2 GB")


@pytest.mark.parametrize("adjoint", [Reversible(), Truncated(90)], ids=str)
@pytest.mark.parametrize("wide", [False, True])
def test_no_strategy_keeps_less_than_is_thought(adjoint, wide):
    """Or what fits would be passed over."""
    optimizer = farzi.adam(0.01)
    with jax.enable_x64(wide):
        given = jax.tree.map(lambda leaf: leaf.astype(float), arguments())
        program = jax.jit(function(adjoint, optimizer)).lower(*given, key=jax.random.key(0))
        kept = kept_bytes(adjoint, STEPS, state_size(optimizer, given[0]))
        assert 0 < kept <= program.compile().memory_analysis().temp_size_in_bytes
