"""What an outer step tells, against the objective called directly on the same inputs."""

import dataclasses

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
import toy_log

from farzi.data import batch_order
from farzi.distillation import MetaMatching, Pool
from farzi.distillation.outer_step import (
    Inputs,
    compile_step,
    input_shapes,
    outer_optimizer,
    prepare,
    size_of_states,
    variable,
)
from farzi.distillation.teachers import expected
from farzi.distilled import from_noise
from farzi.hypergradients import Auto, Checkpointed, StoreStates, Truncated
from farzi.hypergradients.auto import kept_bytes
from farzi.hypergradients.budget import program_bytes

RECIPE = dataclasses.replace(toy_log.RECIPE, inner_batch=2, adjoint_clip=0.2)
POOL = Pool(toy_log.bigrams)


def inputs(recipe=RECIPE, seed=0):
    data = from_noise(4, 5, toy_log.TOKENS, rank=4, key=jax.random.key(seed))
    order = [batch_order(4, 2, recipe.inner_steps, seed=[seed, start]) for start in range(2)]
    real = np.random.default_rng(seed).integers(toy_log.TOKENS, size=(2, 16, 9))
    real = jnp.array(real, jnp.int32)
    if recipe.judge == "teacher":
        real = expected([toy_log.bigrams(jax.random.key(7))], real)
    return Inputs(
        data,
        outer_optimizer(recipe).init(variable(data)),
        jax.random.key(seed),
        jnp.array(order),
        real,
    )


def objective(adjoint, clip=RECIPE.adjoint_clip):
    optimizer = RECIPE.learner.optimizer(RECIPE.inner_rate)
    return MetaMatching(optimizer, RECIPE.inner_steps, adjoint, clip)


@pytest.fixture(scope="module")
def program():
    return prepare(RECIPE, POOL, toy_log.TOKENS)


@pytest.mark.parametrize("judge", ["tokens", "teacher"])
def test_the_shapes_are_those_of_a_distillation(judge):
    recipe = dataclasses.replace(RECIPE, judge=judge)
    shapes, real = input_shapes(recipe, POOL, toy_log.TOKENS), inputs(recipe)
    assert jax.tree.structure(shapes) == jax.tree.structure(real)
    for shape, array in zip(jax.tree.leaves(shapes), jax.tree.leaves(real), strict=True):
        assert (shape.shape, shape.dtype) == (array.shape, array.dtype)


def test_a_step_tells_what_the_objective_says(program):
    given = inputs()
    data, _, measured = program(given)
    matched = eqx.filter_jit(objective(StoreStates()))(
        given.data, POOL.draw(2, given.key), given.order, given.real
    )
    norms = matched.adjoint_norms
    wanted = [
        matched.loss,
        optax.tree.norm(matched.gradient),
        norms.max(),
        norms[0],
        norms[-1],
        matched.clipped,
    ]
    np.testing.assert_allclose(measured, wanted, rtol=1e-5)
    assert 0 < measured.clipped < 1
    assert len({float(norm) for norm in measured[2:5]}) > 1
    # Adam's first step has the length of the rate in every coordinate.
    moved = jnp.abs(data.latents - given.data.latents)
    assert float(moved.max()) == pytest.approx(float(RECIPE.outer_schedule()(0)), rel=1e-3)


def test_auto_chooses_by_the_memory_of_the_whole_step(program):
    def choose(budget):
        return prepare(dataclasses.replace(RECIPE, adjoint=Auto(budget)), POOL, toy_log.TOKENS)

    assert program.adjoint == StoreStates()
    assert choose(program.bytes).adjoint == StoreStates()
    frugal = choose(program.bytes - 1)
    assert frugal.adjoint != StoreStates()
    assert frugal.bytes < program.bytes
    size = size_of_states(RECIPE, POOL)
    saved = kept_bytes(StoreStates(), 8, size) - kept_bytes(Checkpointed(), 8, size)
    assert program.bytes - frugal.bytes == pytest.approx(saved, rel=0.2)
    for one, other in zip(program(inputs())[2], frugal(inputs())[2], strict=True):
        assert float(one) == pytest.approx(float(other), rel=1e-4)


def test_a_program_that_is_not_to_be_run_needs_the_same_memory(program):
    quick = compile_step(RECIPE, POOL, toy_log.TOKENS, to_run=False)
    assert program_bytes(quick) == program.bytes


def test_a_state_is_that_of_every_start():
    learner = toy_log.bigrams(jax.random.key(0))
    parameters = sum(leaf.size for leaf in jax.tree.leaves(eqx.filter(learner, eqx.is_array)))
    assert size_of_states(RECIPE, POOL) == (2 * 4 * parameters, 2 * 8 * parameters + 4)


def test_an_adjoint_that_draws_is_given_a_key():
    recipe = dataclasses.replace(RECIPE, adjoint=Truncated(window=1), adjoint_clip=None)
    program = prepare(recipe, POOL, toy_log.TOKENS)
    measured = [program(inputs(recipe)._replace(key=jax.random.key(i)))[2] for i in range(4)]
    for one in measured:
        assert float(one.first_adjoint_norm) > 0
        assert float(one.last_adjoint_norm) > 0
    assert len({float(one.adjoint_norm) for one in measured}) == 4


def test_each_start_draws_for_itself():
    given = inputs()
    match = eqx.filter_jit(objective(Truncated(window=1), clip=None))
    starts = POOL.draw(2, given.key)
    places = set()
    for i in range(6):
        matched = match(given.data, starts, given.order, given.real, key=jax.random.key(i))
        places.add(int(jnp.sum(matched.adjoint_norms > 0)))
    assert places <= {1, 2}
    assert 2 in places
    with pytest.raises(ValueError, match="got no random key"):
        match(given.data, starts, given.order, given.real)
